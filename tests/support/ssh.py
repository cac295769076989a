"""SSH keys and signatures for tests, made without OpenSSH: what `ssh-keygen -Y sign` would make.

Hardware keys are played by ordinary ones that put application, flags and counter around what they
sign, as the devices do. ``SSH_KEYGEN`` marks tests that hold all this against the real program.
"""

import base64
import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from surefoot.domain.signoff.signatures import NAMESPACE

SSH_KEYGEN = pytest.mark.skipif(
    shutil.which("ssh-keygen") is None, reason="ssh-keygen (OpenSSH) is not installed here"
)
APPLICATION = b"ssh:"


def string(content: bytes) -> bytes:
    """SSH's encoding of bytes."""
    return len(content).to_bytes(4, "big") + content


def mpint(number: int) -> bytes:
    """SSH's encoding of a positive number."""
    return string(number.to_bytes(number.bit_length() // 8 + 1, "big"))


@dataclass(frozen=True)
class SshKey:
    """A private key. ``kind`` is what its public half is called in OpenSSH's files."""

    private: Any
    kind: str
    rsa_hash: str = "sha512"
    touched: bool = True

    @property
    def blob(self) -> bytes:
        """The public half, encoded."""
        line = self.private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        plain = base64.b64decode(line.split()[1])
        if not self.kind.startswith("sk-"):
            return plain
        size = int.from_bytes(plain[:4], "big")
        return string(self.kind.encode()) + plain[4 + size :] + string(APPLICATION)

    @property
    def public(self) -> str:
        """The public half as a line of a file has it."""
        return f"{self.kind} {base64.b64encode(self.blob).decode()}"

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` shows it."""
        digest = base64.b64encode(hashlib.sha256(self.blob).digest()).decode()
        return "SHA256:" + digest.rstrip("=")

    @property
    def private_file(self) -> bytes:
        """The private half as OpenSSH stores it; keep it in a file of mode 0600."""
        return bytes(
            self.private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        )

    def sign(self, message: bytes, *, namespace: str = NAMESPACE, hash_name: str = "sha512") -> str:
        """An armored signature."""
        return self.envelope(message, namespace=namespace, hash_name=hash_name).armored

    def envelope(
        self, message: bytes, *, namespace: str = NAMESPACE, hash_name: str = "sha512"
    ) -> "Sealed":
        """A signature that can be spoiled before it is armored."""
        digest = hashlib.new(hash_name, message).digest()
        parts = (namespace.encode(), b"", hash_name.encode(), digest)
        body = self._body(b"SSHSIG" + b"".join(map(string, parts)))
        return Sealed(self.blob, namespace.encode(), hash_name.encode(), body)

    def _body(self, signed: bytes) -> bytes:
        if self.kind == "ssh-rsa":
            algorithm = hashes.SHA512() if self.rsa_hash == "sha512" else hashes.SHA256()
            raw = self.private.sign(signed, padding.PKCS1v15(), algorithm)
            return string(f"rsa-sha2-{self.rsa_hash[3:]}".encode()) + string(raw)
        state = b""
        if self.kind.startswith("sk-"):
            state = bytes([int(self.touched)]) + (7).to_bytes(4, "big")
            application = hashlib.sha256(APPLICATION).digest()
            signed = application + state + hashlib.sha256(signed).digest()
        return string(self.kind.encode()) + string(self._raw(signed)) + state

    def _raw(self, signed: bytes) -> bytes:
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            return self.private.sign(signed)
        sizes = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}
        algorithm = ec.ECDSA(sizes[self.private.curve.key_size])
        return b"".join(map(mpint, decode_dss_signature(self.private.sign(signed, algorithm))))


@dataclass(frozen=True)
class Sealed:
    """The parts of a signature. Change one with ``but``."""

    blob: bytes
    namespace: bytes
    hash_name: bytes
    body: bytes
    magic: bytes = b"SSHSIG"
    version: int = 1
    reserved: bytes = b""
    after: bytes = field(default=b"")

    def but(self, **changes: Any) -> "Sealed":
        """The same, but for these parts."""
        return replace(self, **changes)

    @property
    def armored(self) -> str:
        """As text, in lines of 70 characters."""
        parts = (self.blob, self.namespace, self.reserved, self.hash_name, self.body)
        raw = self.magic + self.version.to_bytes(4, "big") + b"".join(map(string, parts))
        text = base64.b64encode(raw + self.after).decode()
        lines = [text[at : at + 70] for at in range(0, len(text), 70)]
        return "\n".join(
            ["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""]
        )


def ed25519_key() -> SshKey:
    """The usual kind."""
    return SshKey(ed25519.Ed25519PrivateKey.generate(), "ssh-ed25519")


def ecdsa_key(bits: int) -> SshKey:
    """On one of the three NIST curves."""
    curves = {256: ec.SECP256R1(), 384: ec.SECP384R1(), 521: ec.SECP521R1()}
    return SshKey(ec.generate_private_key(curves[bits]), f"ecdsa-sha2-nistp{bits}")


def rsa_key(bits: int = 2048, rsa_hash: str = "sha512") -> SshKey:
    """An RSA key that signs with this hash."""
    return SshKey(rsa.generate_private_key(65537, bits), "ssh-rsa", rsa_hash)


def hardware_key(*, ecdsa: bool = False, touched: bool = True) -> SshKey:
    """A FIDO key, touched or not."""
    if ecdsa:
        kind = "sk-ecdsa-sha2-nistp256@openssh.com"
        return SshKey(ec.generate_private_key(ec.SECP256R1()), kind, touched=touched)
    kind = "sk-ssh-ed25519@openssh.com"
    return SshKey(ed25519.Ed25519PrivateKey.generate(), kind, touched=touched)


KEYS: dict[str, Callable[[], SshKey]] = {
    "ed25519": ed25519_key,
    "ecdsa-256": lambda: ecdsa_key(256),
    "ecdsa-384": lambda: ecdsa_key(384),
    "ecdsa-521": lambda: ecdsa_key(521),
    "rsa-sha2-256": lambda: rsa_key(rsa_hash="sha256"),
    "rsa-sha2-512": lambda: rsa_key(rsa_hash="sha512"),
    "hardware ed25519": hardware_key,
    "hardware ecdsa": lambda: hardware_key(ecdsa=True),
}
"""A new key of every kind that counts, by name."""
