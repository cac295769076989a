"""The ``providers:`` entries of the configuration file: which Prometheus to ask, and how.

Only the administrator writes these. A Rollout names a provider and never an address, so that
nobody can make the operator call a server of their choice.
"""

import re
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    Field,
    model_validator,
)

from surefoot.adapters.sections import Length, Section
from surefoot.api.v1alpha1.durations import format_elapsed

LONGEST_TIMEOUT = timedelta(minutes=1)


def _bounded_timeout(timeout: timedelta) -> timedelta:
    if not timedelta(0) < timeout <= LONGEST_TIMEOUT:
        raise ValueError(f"must be more than 0s and at most {format_elapsed(LONGEST_TIMEOUT)}")
    return timeout


def _usable_address(address: str) -> str:
    """A base address, without the slash at its end."""
    if re.search(r"[\s\x00-\x1f\x7f\\]", address):
        raise ValueError("may not contain white space, control characters or backslashes")
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"is not an address: {error}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise ValueError("must be http://host[:port][/path] or https://host[:port][/path]")
    if "@" in parts.netloc:
        raise ValueError("may not contain credentials: use basicAuthFile or bearerTokenFile")
    if "?" in address or "#" in address:
        raise ValueError("may not contain a query or a fragment")
    return address.rstrip("/")


DnsLabel = Annotated[
    str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
]
Timeout = Annotated[Length, AfterValidator(_bounded_timeout)]
Address = Annotated[
    str,
    Field(min_length=1, max_length=2048, pattern=r"^https?://"),
    AfterValidator(_usable_address),
]


class TlsSettings(Section):
    """How to speak TLS to a provider. Files are read anew when they change."""

    ca_file: Path | None = None
    """PEM bundle of the authorities to trust instead of the well-known ones."""
    cert_file: Path | None = None
    """PEM certificate to show to the provider; needs `keyFile`."""
    key_file: Path | None = None
    """PEM private key of `certFile`, without a passphrase."""
    server_name: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Name to ask for and to find in the provider's certificate, where the address has another."""
    insecure_skip_verify: bool = False
    """Take any certificate. Whoever can answer in the provider's place can then open gates."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("certFile and keyFile must be given together")
        if self.insecure_skip_verify and self.ca_file is not None:
            raise ValueError("caFile may not be given with insecureSkipVerify: it would be ignored")
        return self


class ProviderType(StrEnum):
    """What language a provider is asked in."""

    PROMETHEUS = "Prometheus"


class ProviderSettings(Section):
    """One metrics provider: a Prometheus, or anything that speaks its query API."""

    name: DnsLabel
    """What the metrics of a Rollout call it; those that name none mean `default`."""
    type: ProviderType = ProviderType.PROMETHEUS
    """What language it is asked in: `Prometheus`, which many others speak as well."""
    address: Address
    """Base address, with a path prefix where there is one: `https://host:9090/prometheus`."""
    timeout: Timeout = timedelta(seconds=5)
    """How long one request may take as a whole, such as `5s`; at most `1m`."""
    namespaces: Annotated[tuple[DnsLabel, ...], Field(max_length=1000)] = ()
    """Namespaces whose Rollouts may ask it; empty means all."""
    headers_file: Path | None = None
    """YAML or JSON mapping of header names to values sent with each request, such as
    `X-Scope-OrgID: team-a`."""
    bearer_token_file: Path | None = None
    """File with the token to send; not together with `basicAuthFile`."""
    basic_auth_file: Path | None = None
    """File with `username:password`; not together with `bearerTokenFile`."""
    tls: TlsSettings | None = None
    """TLS beyond the defaults; for https addresses only."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.bearer_token_file is not None and self.basic_auth_file is not None:
            raise ValueError("bearerTokenFile and basicAuthFile may not be given together")
        if self.tls is not None and not self.is_https:
            raise ValueError("tls needs an https address")
        return self

    @property
    def is_https(self) -> bool:
        """Whether it is asked through TLS."""
        return self.address.startswith("https:")

    def serves(self, namespace: str) -> bool:
        """Whether Rollouts of this namespace may ask it."""
        return not self.namespaces or namespace in self.namespaces
