"""The section ``notifications:`` of the configuration file: who hears of what, and how."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    Field,
    model_validator,
)

from surefoot.adapters.provider_settings import DnsLabel, Timeout
from surefoot.adapters.sections import Length, Section, at_least, at_most
from surefoot.api.v1alpha1.rollout_status import Severity
from surefoot.domain.notifications import REASONS

RepeatAfter = Annotated[Length, at_most("30d")]
EscalateAfter = Annotated[Length, at_least("1m"), at_most("30d")]


def _known(reason: str) -> str:
    if reason not in REASONS:
        raise ValueError(f"is not one of {', '.join(sorted(REASONS))}")
    return reason


Reason = Annotated[str, AfterValidator(_known)]


def _is_base_url(text: str) -> str:
    """Whether links can begin with it, and nothing in it is secret."""
    try:
        parts = urlsplit(text)
        is_base = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_base = False
    if not is_base or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("is not a URL such as https://surefoot.example.com")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("must have no user, no query and no fragment: everybody gets to read it")
    return text


BaseUrl = Annotated[str, Field(max_length=512), AfterValidator(_is_base_url)]


class RouteSettings(Section):
    """One route: somebody to tell, and of what."""

    name: DnsLabel
    """What the metrics and `surefoot notify-test` call it."""
    url_file: Path
    """File with the URL of the target as apprise writes it, such as `slack://…`, from a mounted
    Secret: it has tokens in it. Read for each notification."""
    severities: Annotated[tuple[Severity, ...], Field(max_length=3)] = ()
    """Info, Warning, Critical; empty means all."""
    namespaces: Annotated[tuple[DnsLabel, ...], Field(max_length=1000)] = ()
    """Only of Rollouts in these; empty means all."""
    reasons: Annotated[tuple[Reason, ...], Field(max_length=64)] = ()
    """Only of these reasons, such as Rollback or Conflict; empty means all."""
    timeout: Timeout = timedelta(seconds=10)
    """How long one attempt may take, such as `10s`; at most `1m`."""
    repeat_after: RepeatAfter = timedelta(hours=1)
    """The same news of the same Rollout is told once in so long; `0s`: as often as it comes up."""


class NotificationSection(Section):
    """Who hears of what. Without routes, nobody; the events on the Rollouts are there always."""

    routes: Annotated[tuple[RouteSettings, ...], Field(max_length=32)] = ()
    """Each gets what it asks for, independently of the others."""
    dashboard: BaseUrl | None = None
    """Where people reach a dashboard that they have in common, such as
    `https://surefoot.example.com`: each notification then has a link to its page. A link decides
    nothing by itself."""
    escalate_after: EscalateAfter | None = None
    """A report or signature that nobody has given by its due time, or so long after it was asked
    where it has none, becomes a Warning; after another so long it becomes Critical. Absent: what
    is past its due time is a Warning and stays one."""

    @model_validator(mode="after")
    def _unique(self) -> Self:
        names = [route.name for route in self.routes]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f'the route "{name}" is there twice')
        return self
