"""TLS and a token for the operator's own port. Files are read again when they change.

A kubelet exchanges the files of a mounted Secret by a link, so nothing is watched: the certificate
is looked at when somebody connects, and the token when somebody shows one.
"""

import hmac
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import structlog

from surefoot.adapters.sections import Section
from surefoot.errors import ConfigurationError

log = structlog.get_logger(__name__)

LONGEST_TOKEN = 4096

Answer = TypeVar("Answer")


class ServingTls(Section):
    """The certificate that the operator shows, as cert-manager and others put it into a Secret."""

    cert_file: Path
    """PEM certificate, with those between it and its authority."""
    key_file: Path
    """PEM private key of `certFile`, without a passphrase."""


class ServingSection(Section):
    """How `listen` is served. Without these keys there is neither TLS nor a token."""

    tls: ServingTls | None = None
    """Serve metrics and probes by TLS. The probes of the Pod need `scheme: HTTPS` then."""
    metrics_token_file: Path | None = None
    """File with the token that anyone who asks for /metrics must show. Probes need none."""


class ServedTls:
    """The context of a server whose certificate may change. Raises `ConfigurationError`."""

    def __init__(self, settings: ServingTls) -> None:
        self._settings = settings
        self._loaded = self._stamp()
        self._present = self._load()
        self.context = self._load()
        self.context.sni_callback = self._choose  # also called for clients that name no server

    def _choose(self, connection: Any, _name: str | None, _context: ssl.SSLContext) -> None:
        """Show each client the certificate that is there now; a broken one changes nothing."""
        try:
            stamp = self._stamp()
            if stamp != self._loaded:
                self._present, self._loaded = self._load(), stamp
        except ConfigurationError as error:
            log.warning("certificate not read; the old one stays", fault=str(error))
        connection.context = self._present

    def _stamp(self) -> tuple[tuple[int, int, int], ...]:
        return (
            _told("serving.tls.certFile", self._settings.cert_file, _identity),
            _told("serving.tls.keyFile", self._settings.key_file, _identity),
        )

    def _load(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(
                self._settings.cert_file,
                self._settings.key_file,
                password=_refuse_passphrase,
            )
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"serving.tls: {self._settings.cert_file} and {self._settings.key_file} cannot be "
                f"used: expected a PEM certificate and its key without a passphrase: {error}"
            ) from error
        return context


class MetricsToken:
    """Knows who may read /metrics, by the token in a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read()

    def admits(self, authorization: str) -> bool:
        """Whether this header shows the token. Raises `ConfigurationError`, as `MetricsToken()`."""
        scheme, _, shown = authorization.partition(" ")
        expected = self._read().encode()
        sent = shown.strip().encode("utf-8", "surrogateescape")
        return hmac.compare_digest(sent, expected) and scheme.lower() == "bearer"

    def _read(self) -> str:
        name = "serving.metricsTokenFile"
        token = _told(name, self._file, lambda path: path.read_text("utf-8")).strip()
        if not token or len(token) > LONGEST_TOKEN or any(sign.isspace() for sign in token):
            raise ConfigurationError(
                f"{name}: {self._file} must hold one token of up to {LONGEST_TOKEN} characters"
            )
        return token


def check(settings: ServingSection) -> str | None:
    """What is wrong with the files now, in words."""
    try:
        if settings.tls is not None:
            ServedTls(settings.tls)
        if settings.metrics_token_file is not None:
            MetricsToken(settings.metrics_token_file)
    except ConfigurationError as error:
        return str(error)
    return None


def _identity(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns, status.st_size


def _told(name: str, path: Path, look: Callable[[Path], Answer]) -> Answer:
    try:
        return look(path)
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{name}: {path} is not text") from error
    except OSError as error:
        raise ConfigurationError(f"{name}: {path} cannot be read: {error.strerror}") from error


def _refuse_passphrase() -> str:
    raise ValueError("the key has a passphrase")
