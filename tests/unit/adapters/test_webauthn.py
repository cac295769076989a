"""Signatures that a browser has a passkey make: message, page and touch must be right."""

import base64
import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from surefoot.adapters.ssh_signatures import check, read_armor, read_public_key
from surefoot.domain.signoff.signatures import NAMESPACE
from tests.support.ssh import Sealed, mpint, string

MESSAGE = b'{"decision":"GO"}'
KIND = b"sk-ecdsa-sha2-nistp256@openssh.com"
OPENSSH = json.loads(Path(__file__).with_name("openssh_sshsig.json").read_text(encoding="ascii"))


@dataclass(frozen=True)
class Passkey:
    """A passkey and the browser around it. Change what they do with ``replace``."""

    private: ec.EllipticCurvePrivateKey
    application: bytes = b"localhost"
    origin: bytes = b"http://localhost:7780"
    flags: int = 0x05
    extensions: bytes = b""
    kind: str = "webauthn.get"
    message: bytes | None = None
    said: tuple[tuple[str, Any], ...] = (("crossOrigin", False),)

    @property
    def blob(self) -> bytes:
        point = self.private.public_key().public_bytes(
            Encoding.X962, PublicFormat.UncompressedPoint
        )
        return b"".join(map(string, (KIND, b"nistp256", point, self.application)))

    def sign(self, message: bytes) -> str:
        digest = hashlib.sha512(message).digest()
        parts = (NAMESPACE.encode(), b"", b"sha512", digest)
        signed = b"SSHSIG" + b"".join(map(string, parts))
        challenge = base64.urlsafe_b64encode(self.message or signed).rstrip(b"=").decode()
        client_data = json.dumps(
            {
                "type": self.kind,
                "challenge": challenge,
                "origin": self.origin.decode("latin-1"),
                **dict(self.said),
            },
            separators=(",", ":"),
        ).encode("latin-1")
        state = bytes([self.flags]) + (9).to_bytes(4, "big")
        covered = (
            hashlib.sha256(self.application).digest()
            + state
            + self.extensions
            + hashlib.sha256(client_data).digest()
        )
        r_and_s = decode_dss_signature(self.private.sign(covered, ec.ECDSA(hashes.SHA256())))
        body = (
            string(b"webauthn-sk-ecdsa-sha2-nistp256@openssh.com")
            + string(b"".join(map(mpint, r_and_s)))
            + state
            + b"".join(map(string, (self.origin, client_data, self.extensions)))
        )
        return Sealed(self.blob, NAMESPACE.encode(), b"sha512", body).armored


PASSKEY = Passkey(ec.generate_private_key(ec.SECP256R1()))


def verify(passkey: Passkey, message: bytes = MESSAGE) -> None:
    key = read_public_key(KIND.decode(), base64.b64encode(passkey.blob).decode())
    check(read_armor(passkey.sign(MESSAGE)), key, message, NAMESPACE)


@pytest.mark.parametrize(
    "passkey",
    [
        PASSKEY,
        replace(PASSKEY, application=b"example.org", origin=b"https://example.org"),
        replace(PASSKEY, application=b"example.org", origin=b"https://flags.example.org:8443"),
        replace(PASSKEY, said=()),
        replace(PASSKEY, flags=0x85, extensions=b"\xa1\x01\x01"),
    ],
    ids=["local page", "domain", "subdomain", "older browser", "extensions"],
)
def test_signature_of_a_browser_holds(passkey: Passkey) -> None:
    verify(passkey)


@pytest.mark.parametrize(
    ("passkey", "said"),
    [
        (replace(PASSKEY, flags=0x04), "was not touched"),
        (replace(PASSKEY, flags=0x45), "do not fit"),
        (replace(PASSKEY, flags=0x85), "do not fit"),
        (replace(PASSKEY, extensions=b"\xa0"), "do not fit"),
        (replace(PASSKEY, origin=b"https://evil.example"), "bound to 'localhost'"),
        (replace(PASSKEY, origin=b"https://evillocalhost"), "bound to 'localhost'"),
        (replace(PASSKEY, application=b"", origin=b"https://a.b"), "bound to ''"),
        (replace(PASSKEY, application=b"ssh:"), "bound to 'ssh:'"),
        (
            replace(PASSKEY, application=b"example.org", origin=b"http://example.org"),
            "https is needed",
        ),
        (replace(PASSKEY, origin=b"ftp://localhost"), "https is needed"),
        (replace(PASSKEY, origin=b"http://localhost/x"), "origin of its page"),
        (replace(PASSKEY, origin=b"http://localhost:x"), "origin of its page"),
        (replace(PASSKEY, origin=b"http://l\xf6calhost"), "origin of its page"),
        (replace(PASSKEY, origin=b"http://[localhost"), "origin of its page"),
        (replace(PASSKEY, kind="webauthn.create"), "something else than this decision"),
        (replace(PASSKEY, message=b"another"), "something else than this decision"),
        (replace(PASSKEY, said=(("crossOrigin", True),)), "within another page"),
        (replace(PASSKEY, said=(("crossOrigin", "false"),)), "within another page"),
    ],
)
def test_whatever_is_not_right_is_said(passkey: Passkey, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        verify(passkey)


def test_signature_of_another_decision_does_not_hold() -> None:
    with pytest.raises(ValueError, match="something else than this decision"):
        verify(PASSKEY, b'{"decision":"NO-GO"}')


def test_page_that_made_the_key_is_part_of_the_key() -> None:
    """A line of the allowed signers for a key of one domain admits no other."""
    elsewhere = replace(PASSKEY, application=b"example.org", origin=b"https://example.org")
    key = read_public_key(KIND.decode(), base64.b64encode(PASSKEY.blob).decode())
    with pytest.raises(ValueError, match="made by another key"):
        check(read_armor(elsewhere.sign(MESSAGE)), key, MESSAGE, NAMESPACE)


@pytest.mark.parametrize("vector", OPENSSH["vectors"].values(), ids=OPENSSH["vectors"])
def test_vector_of_openssh_holds_and_no_bit_of_it_can_be_changed(vector: dict[str, str]) -> None:
    """The public key and the signature are those of OpenSSH's own regression tests."""
    kind, encoded = vector["key"].split()
    key = read_public_key(kind, encoded)
    message, namespace = OPENSSH["message"].encode(), OPENSSH["namespace"]
    check(read_armor(vector["signature"]), key, message, namespace)
    lines = vector["signature"].splitlines()
    raw = bytearray(base64.b64decode("".join(lines[1:-1])))
    for at in range(0, len(raw), 5):
        spoiled = bytearray(raw)
        spoiled[at] ^= 1
        text = base64.b64encode(bytes(spoiled)).decode()
        armor = "\n".join([lines[0], text, lines[-1]])
        with pytest.raises(ValueError, match=r"."):
            check(read_armor(armor), key, message, namespace)
