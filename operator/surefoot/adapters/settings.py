"""The operator's configuration: the file of the administrator, and the command line."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import (
    Field,
    ValidationError,
    model_validator,
)
from watchfiles import awatch

from surefoot.adapters.logs import LogFormat
from surefoot.adapters.notification_settings import NotificationSection
from surefoot.adapters.provider_settings import DnsLabel, ProviderSettings
from surefoot.adapters.sections import Length, Section, at_least, at_most
from surefoot.adapters.serving import ServingSection
from surefoot.adapters.sinks.settings import RecordSection
from surefoot.errors import ConfigurationError
from surefoot.policies import PolicySettings
from surefoot.policies.settings import DEFAULT_OPERATOR

LOOK_EVERY = 2.0
"""Seconds between looks at the file where nothing tells of a change."""

MOST_SHARDS = 16
"""The Role surefoot-leader-election names the Lease of each."""

Interval = Annotated[Length, at_least("1s")]


class AdmissionMode(StrEnum):
    """What the administrator says of the admission policies."""

    ENFORCED = "Enforced"
    UNENFORCED = "Unenforced"


Names = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=256)], ...], Field(max_length=64)
]


class Custodians(Section):
    """Who may write the allowed signers of detached signatures. Nobody may, if nobody is named."""

    users: Names = ()
    """User names."""
    groups: Names = ()
    """Groups."""


class PolicySection(Section):
    """What the admission policies know of this cluster. They are generated from this as well."""

    operator: Annotated[str, Field(min_length=1, max_length=256)] = DEFAULT_OPERATOR
    """The user name that the API server knows the operator by."""
    collectors: Names = ()
    """Further identities of garbage collection, where the controller manager has another name."""
    custodians: Custodians = Custodians()
    """Who may write the allowed signers."""

    @property
    def settings(self) -> PolicySettings:
        """What the policies are made with."""
        return PolicySettings(
            operator=self.operator,
            collectors=self.collectors,
            custodian_users=self.custodians.users,
            custodian_groups=self.custodians.groups,
        )


class DependencySection(Section):
    """Which Rollouts may be waited for from elsewhere."""

    namespaces: Annotated[tuple[DnsLabel, ...], Field(max_length=1000)] = ()
    """Namespaces whose Rollouts those of any other namespace may name in `dependsOn`. Within a
    namespace they always may."""


class LeaderElectionSection(Section):
    """Which of several replicas acts: the one that holds a Lease in the operator's namespace."""

    enabled: bool = False
    """Needed where there is more than one replica."""
    lease_name: DnsLabel = "surefoot"
    """The Lease; those of shards have a number behind it: `surefoot-0`, `surefoot-1` and so on. Two
    installations in one namespace need two names."""
    lease_duration: Annotated[Length, at_least("2s"), at_most("5m")] = timedelta(seconds=10)
    """How long a Lease that is not renewed keeps the other replicas waiting: 2s to 5m, in whole
    seconds. A replica that dies is replaced after this time and one retryPeriod."""
    renew_deadline: Annotated[Length, at_least("1s")] = timedelta(seconds=6)
    """How long the leader acts without having renewed the Lease; then it ends. Less than
    leaseDuration, by the time that a request may be on its way."""
    retry_period: Annotated[Length, at_least("0.1s")] = timedelta(seconds=1)
    """How often the leader renews the Lease, and the others look at it."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.lease_duration <= self.renew_deadline:
            raise ValueError("leaseDuration must be longer than renewDeadline: write 10s and 6s")
        if self.renew_deadline < 2 * self.retry_period:
            raise ValueError("renewDeadline must be at least twice retryPeriod: write 6s and 1s")
        return self


class Settings(Section):
    """The configuration file: YAML, with these fields in camelCase. All of them are optional."""

    evaluation_interval: Interval = timedelta(seconds=30)
    """How often metrics are asked for, and answers judged."""
    status_refresh: Interval = timedelta(minutes=10)
    """How often a status is written though no verdict changed."""
    admission: AdmissionMode = AdmissionMode.ENFORCED
    """Enforced: the admission policies must bind signatures to people. Unenforced: there are none,
    and anybody who may patch an Approval may sign in any name."""
    policies: PolicySection = PolicySection()
    """What the admission policies know of this cluster."""
    providers: Annotated[tuple[ProviderSettings, ...], Field(max_length=64)] = ()
    """The metrics providers that Rollouts may name."""
    record: RecordSection = RecordSection()
    """Where every history entry goes, so that the record outlives the cluster."""
    notifications: NotificationSection = NotificationSection()
    """Who hears of what: routes to Slack, mail, webhooks and others, and escalation."""
    dependencies: DependencySection = DependencySection()
    """Which Rollouts may be waited for from elsewhere."""
    workers: Annotated[int, Field(ge=1, le=256)] = 16
    """How many Rollouts are worked on at once."""
    listen: Annotated[str, Field(min_length=1, max_length=256)] = "127.0.0.1:8080"
    """Address and port of /metrics, /healthz and /readyz. `0.0.0.0:8080` in a pod."""
    serving: ServingSection = ServingSection()
    """TLS for that port, and a token for /metrics."""
    operator_namespace: Annotated[str, Field(max_length=63)] = ""
    """Where the operator lives: a `surefoot-halt` there halts all. Its pod's, if empty."""
    leader_election: LeaderElectionSection = LeaderElectionSection()
    """Which of several replicas acts. It is read at the start only."""
    shards: Annotated[int, Field(ge=1, le=MOST_SHARDS)] = 1
    """With an election: in how many parts the namespaces are shared out, so that all replicas act,
    each in some of them. With 1, one replica acts for all. It is read at the start only."""
    log_format: LogFormat = LogFormat.JSON
    """json or console."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [provider.name for provider in self.providers]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f'the provider "{name}" is there twice')
        host_and_port(self.listen)
        return self


def host_and_port(listen: str) -> tuple[str, int]:
    """Split `host:port`; port 0 takes any free one. Raises ``ValueError``."""
    host, separator, port = listen.rpartition(":")
    if not separator or not port.isdigit() or int(port) > 65535:
        raise ValueError(f'"{listen}" is not host:port: write 127.0.0.1:8080')
    return host.strip("[]"), int(port)


def load(path: Path | None) -> Settings:
    """Read the file, or take the defaults where there is none.

    Raises `ConfigurationError` that names every fault by its path in the file.
    """
    if path is None:
        return Settings()
    return _settings(path, _content(path))


def _content(path: Path) -> bytes | ConfigurationError:
    """What is in the file, or why that cannot be told."""
    try:
        return path.read_bytes()
    except OSError as error:
        return ConfigurationError(f"{path} cannot be read: {error.strerror}")


def _settings(path: Path, text: bytes | ConfigurationError) -> Settings:
    if isinstance(text, ConfigurationError):
        raise text
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path} is not YAML: {error}") from error
    except (ValueError, RecursionError) as error:  # such as a date with a 13th month
        raise ConfigurationError(f"{path} is not YAML: {error!r}") from error
    if content is None:
        return Settings()
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path} must be a mapping, such as `evaluationInterval: 30s`")
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        faults = "\n".join(
            f"  {'.'.join(map(str, fault['loc'])) or '(file)'}: {fault['msg']}"
            for fault in error.errors()
        )
        raise ConfigurationError(f"{path} has faults:\n{faults}") from error
    except (ArithmeticError, RecursionError, TypeError) as error:
        raise ConfigurationError(f"{path} has faults: {error!r}") from error


async def readings(path: Path) -> AsyncGenerator[Settings | ConfigurationError]:
    """What the file says: now, and whenever its content has changed.

    Where the content cannot be read, the reading is what is wrong with it. Contents are compared,
    and nothing else: the reader knows what is in force. The directory is watched,
    since a mounted ConfigMap changes by exchanging a link beside the file. The file is looked at
    from time to time as well, in case an event was missed.
    """
    last: bytes | str | None = None
    async for _ in _looks(path):
        content = _content(path)
        known = str(content) if isinstance(content, ConfigurationError) else content
        if known == last:
            continue
        last = known
        try:
            reading: Settings | ConfigurationError = _settings(path, content)
        except ConfigurationError as error:
            reading = error
        yield reading


async def _looks(path: Path) -> AsyncIterator[None]:
    """When to look at the file: at once, at changes in its directory, and from time to time."""
    milliseconds = int(LOOK_EVERY * 1000)
    while True:
        yield
        with contextlib.suppress(OSError):  # there is no directory at present
            async for _ in awatch(
                path.parent, recursive=False, rust_timeout=milliseconds, yield_on_timeout=True
            ):
                yield
        await asyncio.sleep(LOOK_EVERY)
