"""SSH signatures as `ssh-keygen -Y sign` makes them (OpenSSH's PROTOCOL.sshsig): reading, checking.

The primitives are `cryptography`'s. The envelope is read here, strictly: nothing may be missing or
left over. Ed25519, ECDSA, RSA, and both kinds of hardware keys (FIDO) are known; for a hardware key
the touch is required. One of them can also be used in a browser, as a passkey: see
`surefoot.adapters.webauthn`. Whatever is wrong is a `ValueError` that says so in words.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from surefoot.adapters.webauthn import TOUCHED, Assertion, signed_by_key

MAGIC = b"SSHSIG"
VERSION = 1
BEGIN = "-----BEGIN SSH SIGNATURE-----"
END = "-----END SSH SIGNATURE-----"
LINE = 70
SMALLEST_RSA = 2048

_MESSAGE_HASHES = frozenset({"sha256", "sha512"})
_RSA_HASHES: Mapping[str, hashes.HashAlgorithm] = MappingProxyType(
    {"rsa-sha2-256": hashes.SHA256(), "rsa-sha2-512": hashes.SHA512()}
)
_ECDSA_HASHES: Mapping[str, hashes.HashAlgorithm] = MappingProxyType(
    {
        "ecdsa-sha2-nistp256": hashes.SHA256(),
        "ecdsa-sha2-nistp384": hashes.SHA384(),
        "ecdsa-sha2-nistp521": hashes.SHA512(),
    }
)
_HARDWARE_ED25519 = "sk-ssh-ed25519@openssh.com"
_HARDWARE_ECDSA = "sk-ecdsa-sha2-nistp256@openssh.com"
_IN_BROWSER = "webauthn-sk-ecdsa-sha2-nistp256@openssh.com"
"""How a hardware key of the ECDSA kind signs in a browser. Its key has no kind of its own."""
KINDS = frozenset({"ssh-ed25519", "ssh-rsa", *_ECDSA_HASHES, _HARDWARE_ED25519, _HARDWARE_ECDSA})
"""The kinds of keys that can be checked. Certificates are none of them."""

_Key = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key of a kind that is known. ``blob`` is its encoding, by which keys are told apart."""

    kind: str
    blob: bytes
    key: _Key

    @property
    def fingerprint(self) -> str:
        """The key's fingerprint, as `ssh-keygen -l` shows it."""
        return fingerprint(self.blob)


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a signature says of itself. None of it is to be believed before ``check``."""

    blob: bytes
    """The public key that is said to have made it."""
    namespace: bytes
    hash_name: str
    kind: str
    """How it was made, such as ssh-ed25519 or rsa-sha2-512."""
    body: bytes

    @property
    def fingerprint(self) -> str:
        """The key's fingerprint, as `ssh-keygen -l` shows it."""
        return fingerprint(self.blob)


def fingerprint(blob: bytes) -> str:
    """The fingerprint of an encoded key: `SHA256:` and base64 without padding."""
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode()
    return f"SHA256:{digest.rstrip('=')}"


def read_public_key(kind: str, encoded: str) -> PublicKey:
    """Read a key as a line of an OpenSSH file has it: its kind and its base64."""
    if kind not in KINDS:
        raise ValueError(f"keys of the kind {kind[:64]} are not supported")
    blob = _from_base64(encoded, "the key")
    try:
        key = _loaded(kind, blob)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError(f"it is not a key of the kind {kind}") from error
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < SMALLEST_RSA:
        raise ValueError(f"an RSA key must have {SMALLEST_RSA} bits, this one has {key.key_size}")
    return PublicKey(kind, blob, key)


def _loaded(kind: str, blob: bytes) -> _Key:
    """The key itself.

    The library takes no hardware key that a page has made: the ordinary key within it is loaded.
    """
    if kind == _HARDWARE_ECDSA:
        parts = _Reader(blob)
        if parts.word() != kind:
            raise ValueError("it is of another kind")
        curve, point, _application = parts.string(), parts.string(), parts.string()
        parts.end()
        kind = "ecdsa-sha2-nistp256"
        blob = b"".join(map(ssh_string, (kind.encode(), curve, point)))
    line = b"%b %b" % (kind.encode("ascii"), base64.b64encode(blob))
    return cast("_Key", load_ssh_public_key(line))


def read_armor(text: str) -> Envelope:
    """Read an armored signature."""
    lines = text.strip().splitlines()
    if len(lines) < 3 or lines[0] != BEGIN or lines[-1] != END:
        raise ValueError(f"it does not begin with {BEGIN} and end with {END}")
    outer = _Reader(_from_base64("".join(lines[1:-1]), "the signature"))
    if outer.take(len(MAGIC)) != MAGIC:
        raise ValueError("it is not an SSH signature")
    version = outer.number()
    if version != VERSION:
        raise ValueError(f"it has version {version} of the format, known is {VERSION}")
    blob, namespace, _reserved = outer.string(), outer.string(), outer.string()
    hash_name = outer.word()
    inner = _Reader(outer.string())
    outer.end()
    return Envelope(blob, namespace, hash_name, inner.word(), inner.rest())


def write_armor(blob: bytes, namespace: str, hash_name: str, body: bytes) -> str:
    """The armored signature that `read_armor` reads. ``body`` begins with how it was made."""
    parts = (blob, namespace.encode(), b"", hash_name.encode(), body)
    raw = MAGIC + VERSION.to_bytes(4, "big") + b"".join(map(ssh_string, parts))
    text = base64.b64encode(raw).decode()
    lines = [text[at : at + LINE] for at in range(0, len(text), LINE)]
    return "\n".join([BEGIN, *lines, END])


def to_be_signed(message: bytes, namespace: str, hash_name: str) -> bytes:
    """What a key signs for a message, so that it is good for this namespace only."""
    digest = hashlib.new(hash_name, message).digest()
    parts = (namespace.encode(), b"", hash_name.encode(), digest)
    return MAGIC + b"".join(map(ssh_string, parts))


def check(envelope: Envelope, key: PublicKey, message: bytes, namespace: str) -> None:
    """Return if this key signed this message for this namespace; say what is wrong if not."""
    if envelope.namespace != namespace.encode():
        signed_namespace = envelope.namespace[:64].decode("ascii", "replace")
        raise ValueError(
            f'it was made for the namespace "{signed_namespace}", not for "{namespace}"'
        )
    if envelope.hash_name not in _MESSAGE_HASHES:
        raise ValueError(f"its hash is {envelope.hash_name[:64]}, not sha256 or sha512")
    if envelope.blob != key.blob:
        raise ValueError(f"it was made by another key: {envelope.fingerprint}")
    try:
        _check_body(envelope, key, to_be_signed(message, namespace, envelope.hash_name))
    except InvalidSignature as error:
        raise ValueError("it is not over this decision, or was changed") from error


def _check_body(envelope: Envelope, key: PublicKey, signed: bytes) -> None:
    rsa_hash = _RSA_HASHES.get(envelope.kind)
    fits = (
        envelope.kind == key.kind
        or (key.kind == "ssh-rsa" and rsa_hash is not None)
        or (key.kind == _HARDWARE_ECDSA and envelope.kind == _IN_BROWSER)
    )
    if not fits:
        raise ValueError(f"a key of the kind {key.kind} makes no {envelope.kind[:64]}")
    reader = _Reader(envelope.body)
    raw = reader.string()
    if envelope.kind == _IN_BROWSER:
        assertion = Assertion(reader.take(5), reader.string(), reader.string(), reader.string())
        signed = signed_by_key(assertion, _application(key), signed)
    elif key.kind in {_HARDWARE_ED25519, _HARDWARE_ECDSA}:
        state = reader.take(5)
        if not state[0] & TOUCHED:
            raise ValueError("its hardware key was not touched")
        signed = _said_by_hardware(key, state, signed)
    reader.end()
    if isinstance(key.key, ed25519.Ed25519PublicKey):
        key.key.verify(raw, signed)
    elif isinstance(key.key, ec.EllipticCurvePublicKey):
        curve_hash = _ECDSA_HASHES.get(key.kind, hashes.SHA256())
        key.key.verify(_as_der(raw), signed, ec.ECDSA(curve_hash))
    elif rsa_hash is not None:
        key.key.verify(raw, signed, padding.PKCS1v15(), rsa_hash)
    else:
        raise ValueError(f"{key.kind} signs with SHA-1, which is not accepted")


def _said_by_hardware(key: PublicKey, state: bytes, signed: bytes) -> bytes:
    """What a hardware key signs: the application, its flags and counter, the message's hash."""
    application = hashlib.sha256(_application(key)).digest()
    return application + state + hashlib.sha256(signed).digest()


def _application(key: PublicKey) -> bytes:
    """What a hardware key is bound to: `ssh:`, or the domain of the page that made it."""
    encoded = _Reader(key.blob)
    application = b""
    for _ in range(4 if key.kind == _HARDWARE_ECDSA else 3):
        application = encoded.string()  # the last part of the key
    return application


def _as_der(raw: bytes) -> bytes:
    reader = _Reader(raw)
    r, s = (int.from_bytes(reader.string(), "big", signed=True) for _ in range(2))
    reader.end()
    if r <= 0 or s <= 0:
        raise InvalidSignature
    return encode_dss_signature(r, s)


def _from_base64(text: str, what: str) -> bytes:
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise ValueError(f"{what} is not base64") from error


def ssh_string(content: bytes) -> bytes:
    """SSH's encoding of bytes: how many, and then they."""
    return len(content).to_bytes(4, "big") + content


class _Reader:
    """Reads SSH's encoding from its beginning to its very end."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def take(self, count: int) -> bytes:
        """So many bytes, and no fewer."""
        if count > len(self._content):
            raise ValueError("it ends too early")
        taken, self._content = self._content[:count], self._content[count:]
        return taken

    def number(self) -> int:
        """Four bytes, the highest first."""
        return int.from_bytes(self.take(4), "big")

    def string(self) -> bytes:
        """Bytes, and before them how many."""
        return self.take(self.number())

    def word(self) -> str:
        """A name in ASCII."""
        try:
            return self.string().decode("ascii")
        except UnicodeDecodeError as error:
            raise ValueError("it has a name that is not ASCII") from error

    def rest(self) -> bytes:
        """Everything that is left."""
        return self.take(len(self._content))

    def end(self) -> None:
        """Nothing may be left."""
        if self._content:
            raise ValueError(f"it has {len(self._content)} bytes too many")
