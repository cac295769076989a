"""How connections to one API server are made."""

import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Everything that decides how connections to the API server are made.

    ``ca_data``, ``certificate_data`` and ``key_data`` are PEM texts that stand in the configuration
    itself instead of in a file.
    """

    server: str
    ca_file: str | None
    certificate_file: str | None
    key_file: str | None
    verify: bool
    server_name: str | None
    proxy: str | None
    ca_data: str | None = None
    certificate_data: str | None = None
    key_data: str | None = None

    def ssl_context(self) -> ssl.SSLContext:
        """Trust the cluster's CA, and present the client certificate where there is one."""
        context = ssl.create_default_context(cafile=self.ca_file, cadata=self.ca_data)
        if self.certificate_data or self.key_data:
            self._load_texts(context)
        elif self.certificate_file:
            context.load_cert_chain(self.certificate_file, keyfile=self.key_file)
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _load_texts(self, context: ssl.SSLContext) -> None:
        """OpenSSL reads certificates from files only: these exist for a moment, for us alone."""
        with tempfile.TemporaryDirectory(prefix="surefoot-") as folder:  # made with mode 0700
            certificate, key = Path(folder, "certificate"), Path(folder, "key")
            for path, text, file in (
                (certificate, self.certificate_data, self.certificate_file),
                (key, self.key_data, self.key_file),
            ):
                if text is None and file is not None:
                    path.write_bytes(Path(file).read_bytes())
                elif text is not None:
                    path.write_text(text, encoding="utf-8")
            context.load_cert_chain(certificate, keyfile=key if key.exists() else None)


class Access(Protocol):
    """The way to one API server: its endpoint, and an authorization that is kept fresh."""

    @property
    def endpoint(self) -> Endpoint:
        """Where and how to connect."""

    async def authorization(self) -> str | None:
        """The value of the Authorization header, or None where a certificate says who we are."""

    async def refresh(self) -> None:
        """Look for newer credentials: the present ones were not accepted."""
