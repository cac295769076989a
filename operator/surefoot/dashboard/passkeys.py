"""Passkeys: a page makes a key that the allowed signers can name, and has it sign decisions."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from surefoot.adapters.ssh_signatures import (
    check,
    read_armor,
    read_public_key,
    ssh_string,
    to_be_signed,
    write_armor,
)
from surefoot.api.v1alpha1.approval import Approval
from surefoot.domain.signoff.signatures import NAMESPACE, document
from surefoot.errors import SurefootError
from surefoot.plugin.session import Declined

KIND = "sk-ecdsa-sha2-nistp256@openssh.com"
SIGNED_AS = b"webauthn-sk-ecdsa-sha2-nistp256@openssh.com"
DOMAIN = b"localhost"
HASH = "sha512"
STATE = slice(32, 37)
"""Where an authenticator's data have its flags and counter: after the hash of the domain."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a passkey is asked to sign: the document, and the SSH envelope's bytes around it."""

    document: bytes
    expires_at: str

    @property
    def signed(self) -> bytes:
        """The bytes that are the challenge."""
        return to_be_signed(self.document, NAMESPACE, HASH)

    @property
    def encoded(self) -> str:
        """As a page takes it."""
        return base64.urlsafe_b64encode(self.signed).decode().rstrip("=")


def challenge_for(approval: Approval, expires_at: str) -> Challenge:
    """The challenge of a decision that is written out, but for its signature."""
    content = document(approval)
    if content is None:
        raise Declined("there is nothing to sign")
    return Challenge(content, expires_at)


def from_page(text: str) -> bytes:
    """Bytes as a page sends them. Raises `SurefootError`."""
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, binascii.Error) as error:
        raise SurefootError("the browser's answer is not base64") from error


def public_line(der: bytes) -> str:
    """The public key of a new passkey, as an OpenSSH file has it. Raises `SurefootError`."""
    try:
        key = load_der_public_key(der)
    except ValueError as error:
        raise SurefootError("the browser gave no public key") from error
    if not (isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)):
        raise SurefootError("the passkey is of a kind that OpenSSH does not know: ES256 is needed")
    point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    blob = b"".join(map(ssh_string, (KIND.encode(), b"nistp256", point, DOMAIN)))
    return f"{KIND} {base64.b64encode(blob).decode()}"


def armored(challenge: Challenge, line: str, assertion: Mapping[str, Any], origin: str) -> str:
    """The signature as SSH has it, from what the browser answered. It is checked on the way.

    ``line`` is the public key. Raises `SurefootError` where the answer is not over this decision.
    """
    try:
        kind, encoded = line.split()[:2]
        key = read_public_key(kind, encoded)
        data = from_page(assertion["authenticatorData"])
        client_data = from_page(assertion["clientDataJSON"])
        r, s = decode_dss_signature(from_page(assertion["signature"]))
        blob = base64.b64decode(encoded)
        body = (
            ssh_string(SIGNED_AS)
            + ssh_string(_mpint(r) + _mpint(s))
            + data[STATE]
            + ssh_string(origin.encode())
            + ssh_string(client_data)
            + ssh_string(data[STATE.stop :])
        )
        text = write_armor(blob, NAMESPACE, HASH, body)
        check(read_armor(text), key, challenge.document, NAMESPACE)
    except (ValueError, KeyError, IndexError, TypeError, binascii.Error) as error:
        raise SurefootError(f"the passkey's answer does not hold: {error}") from error
    return text


def _mpint(number: int) -> bytes:
    return ssh_string(number.to_bytes(number.bit_length() // 8 + 1, "big"))
