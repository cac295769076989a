"""What a browser has a FIDO key or passkey sign (OpenSSH's PROTOCOL.u2f, WebAuthn signatures).

A page cannot have a key sign a message as it is: the browser puts it as the challenge into a JSON
text, and the key signs the hash of that text with its own flags. So the message, the origin of the
page and the touch are all found in what was signed, and all of them are checked here. Whatever is
wrong is a `ValueError` that says so in words.
"""

import base64
import hashlib
import json
from dataclasses import dataclass
from urllib.parse import urlsplit

TOUCHED = 0x01
HAS_ATTESTATION = 0x40
HAS_EXTENSIONS = 0x80
LOCAL = "localhost"


@dataclass(frozen=True, slots=True)
class Assertion:
    """What came with the signature. ``state`` is the key's flags (one byte) and counter (four)."""

    state: bytes
    origin: bytes
    client_data: bytes
    extensions: bytes


def signed_by_key(assertion: Assertion, application: bytes, message: bytes) -> bytes:
    """The bytes that the key signed, if this assertion is one for this message.

    ``application`` is what the key is bound to: for a key made by a page, the domain of the page.
    """
    _check_flags(assertion)
    _check_origin(assertion.origin, application)
    _check_client_data(assertion, message)
    return b"".join(
        (
            hashlib.sha256(application).digest(),
            assertion.state,
            assertion.extensions,
            hashlib.sha256(assertion.client_data).digest(),
        )
    )


def _check_flags(assertion: Assertion) -> None:
    flags = assertion.state[0]
    if not flags & TOUCHED:
        raise ValueError("its hardware key was not touched")
    if flags & HAS_ATTESTATION or bool(flags & HAS_EXTENSIONS) != bool(assertion.extensions):
        raise ValueError("the flags of its hardware key do not fit what came with them")


def _check_origin(origin: bytes, application: bytes) -> None:
    """The page must belong to the domain that the key is bound to, and be protected on its way."""
    try:
        text, domain = origin.decode("ascii"), application.decode("ascii").lower()
        parts = urlsplit(text)
        host, _port = (parts.hostname or "").lower(), parts.port
    except ValueError as error:  # a UnicodeDecodeError is one too
        raise ValueError("the origin of its page is not one") from error
    is_bare = not (parts.path or parts.query or parts.fragment or parts.username)
    if '"' in text or "\\" in text or not is_bare:
        raise ValueError("the origin of its page is not one")
    if not domain or not (host == domain or host.endswith(f".{domain}")):
        message = f"its key is bound to {domain[:64]!r}, and was used on a page of {text[:64]!r}"
        raise ValueError(message)
    is_local = host == LOCAL or host.endswith(f".{LOCAL}")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_local):
        raise ValueError(f"its page {text[:64]!r} was not protected on its way: https is needed")


def _check_client_data(assertion: Assertion, message: bytes) -> None:
    """The browser's text begins as the standard says, with this message and this origin."""
    challenge = base64.urlsafe_b64encode(message).rstrip(b"=")
    beginning = b'{"type":"webauthn.get","challenge":"%b","origin":"%b"' % (
        challenge,
        assertion.origin,
    )
    if not assertion.client_data.startswith(beginning):
        raise ValueError("its browser was asked for something else than this decision")
    try:
        client_data = json.loads(assertion.client_data)
    except (ValueError, RecursionError) as error:
        raise ValueError("what its browser says is not JSON") from error
    if client_data.get("crossOrigin", False) is not False:
        raise ValueError("its page was shown within another page")
