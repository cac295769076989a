"""Headers and keys from mounted Secrets, read again when they change.

No message from here quotes what a file holds: only its setting, its path and what is wrong.
"""

import base64
import re
import ssl
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import yaml

from surefoot.adapters.provider_settings import ProviderSettings, TlsSettings
from surefoot.errors import ConfigurationError

LARGEST_FILE = 64 * 1024

# What the connection itself decides may not come from a file.
_RESERVED = {
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "expect",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}

_WITHOUT_TLS = TlsSettings()

_Stamp = tuple[str, int, int, int, int]


class FileError(ConfigurationError):
    """A file that the settings name is missing or cannot be used."""


def fingerprint(settings: ProviderSettings) -> tuple[_Stamp, ...]:
    """A value that differs after any of the provider's files was replaced or rewritten.

    Raises FileError when one is missing. Links are followed: that is how kubelet swaps Secrets.
    """
    return tuple(_stamp(setting, path) for setting, path in _files(settings))


def headers(settings: ProviderSettings) -> dict[str, str]:
    """The headers to send with each request. Raises FileError."""
    sent = _extra_headers(settings.headers_file) if settings.headers_file else {}
    credentials = _authorization(settings)
    if credentials is None:
        return sent
    if any(name.lower() == "authorization" for name in sent):
        raise FileError(
            f"headersFile {settings.headers_file}: has Authorization, and so has another file"
        )
    return {**sent, "Authorization": credentials}


def check(settings: ProviderSettings) -> tuple[str, ...]:
    """What is wrong with a provider's files now, in words; nothing is asked of the provider."""
    present = [partial(_stamp, setting, path) for setting, path in _files(settings)]
    faults = _faults(present) or _faults(_loads(settings))
    return tuple(f'provider "{settings.name}": {fault}' for fault in faults)


def _faults(checks: Iterable[Callable[[], object]]) -> list[FileError]:
    faults = []
    for file_check in checks:
        try:
            file_check()
        except FileError as fault:
            faults.append(fault)
    return faults


def _loads(settings: ProviderSettings) -> Iterator[Callable[[], object]]:
    yield partial(headers, settings)
    if settings.tls is not None:
        yield partial(_load_authorities, settings.tls)
        yield partial(_load_certificate, settings.tls)


def _files(settings: ProviderSettings) -> Iterator[tuple[str, Path]]:
    tls = settings.tls or _WITHOUT_TLS
    named = {
        "headersFile": settings.headers_file,
        "bearerTokenFile": settings.bearer_token_file,
        "basicAuthFile": settings.basic_auth_file,
        "tls.caFile": tls.ca_file,
        "tls.certFile": tls.cert_file,
        "tls.keyFile": tls.key_file,
    }
    for setting, path in named.items():
        if path is not None:
            yield setting, path


def _stamp(setting: str, path: Path) -> _Stamp:
    try:
        status = path.stat()
    except OSError as error:
        raise FileError(f"{setting} {path}: {_reason(error)}") from error
    return setting, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _read(setting: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise FileError(f"{setting} {path}: {_reason(error)}") from error
    if len(content) > LARGEST_FILE:
        raise FileError(f"{setting} {path}: has more than {LARGEST_FILE // 1024} KiB")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise FileError(f"{setting} {path}: is not UTF-8 text") from None


def _authorization(settings: ProviderSettings) -> str | None:
    if settings.bearer_token_file is not None:
        token = _single_line("bearerTokenFile", settings.bearer_token_file)
        if not token.isascii() or " " in token:
            raise FileError(
                f"bearerTokenFile {settings.bearer_token_file}: "
                f"a token may only have ASCII characters without spaces"
            )
        return f"Bearer {token}"
    if settings.basic_auth_file is not None:
        pair = _single_line("basicAuthFile", settings.basic_auth_file)
        if ":" not in pair:
            raise FileError(
                f"basicAuthFile {settings.basic_auth_file}: must hold username:password"
            )
        return f"Basic {base64.b64encode(pair.encode()).decode()}"
    return None


def _single_line(setting: str, path: Path) -> str:
    text = _read(setting, path).strip()
    if not text:
        raise FileError(f"{setting} {path}: is empty")
    if not text.isprintable():
        raise FileError(f"{setting} {path}: must hold one line without control characters")
    return text


def _extra_headers(path: Path) -> dict[str, str]:
    text = _read("headersFile", path)
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" (line {mark.line + 1})" if mark is not None else ""
        raise FileError(f"headersFile {path}: is not YAML{line}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise FileError(f"headersFile {path}: must hold a mapping, such as X-Scope-OrgID: team-a")
    return dict(_header(path, name, value) for name, value in content.items())


def _header(path: Path, name: object, value: object) -> tuple[str, str]:
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}", name):
        raise FileError(f"headersFile {path}: has something that cannot be a header's name")
    if name.lower() in _RESERVED:
        raise FileError(f"headersFile {path}: {name} may not be set")
    if not isinstance(value, str):
        raise FileError(f"headersFile {path}: the value of {name} must be text: put it in quotes")
    if not re.fullmatch(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?", value):
        raise FileError(
            f"headersFile {path}: the value of {name} must be one line of ASCII, not empty"
        )
    return name, value


def _load_authorities(tls: TlsSettings) -> None:
    if tls.ca_file is None:
        return
    try:
        ssl.create_default_context(cafile=tls.ca_file)
    except OSError:  # ssl.SSLError is one
        raise FileError(f"tls.caFile {tls.ca_file}: holds no PEM certificates") from None


def _load_certificate(tls: TlsSettings) -> None:
    if tls.cert_file is None or tls.key_file is None:
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        # An empty passphrase instead of the prompt that OpenSSL would open on the terminal.
        context.load_cert_chain(tls.cert_file, tls.key_file, password="")
    except OSError:
        raise FileError(
            f"tls.certFile {tls.cert_file}: is not a PEM certificate with its unencrypted key "
            f"in tls.keyFile {tls.key_file}"
        ) from None


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
