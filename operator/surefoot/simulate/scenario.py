"""Scenarios: what happens while a plan is played, as short YAML."""

import re
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from surefoot.api.v1alpha1.durations import parse_duration
from surefoot.api.v1alpha1.meta import Duration
from surefoot.errors import SurefootError
from surefoot.lint.text import BrokenText, documents

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""When a scenario begins that does not say when: nothing of it depends on the day it is played."""
NEVER = "never"
ALL = "*"
EACH_STEP = "each step"
FIRST_APPROVAL = "first approval"
_AT = re.compile(rf"(\d{{1,3}})%|{EACH_STEP}|{FIRST_APPROVAL}")

Delay = Duration | Literal["never"]
State = Literal["healthy", "breach", "none", "flapping"]


class BadScenario(SurefootError):
    """A scenario cannot be played. The message says what is wrong with it."""


class _Part(BaseModel):
    """A part of a scenario: camelCase, and nothing that is not known."""

    model_config = ConfigDict(
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        use_attribute_docstrings=True,
    )


class People(_Part):
    """How long people take once they are asked. They say GO unless an event says otherwise."""

    approvals: Delay = "0s"
    """Until a role is signed for."""
    checkpoints: Delay = "0s"
    """Until a report is given."""
    meetings: Delay = "0s"
    """Until a meeting that resolves a conflict has decided, and its result is acknowledged."""
    rehearsals: Delay = "0s"
    """Until a rehearsal is asked for, where people ask for it."""
    retry: Delay = "never"
    """Until another attempt is asked for after a rollback."""
    retries: Annotated[int, Field(ge=0, le=100)] = 3
    """How many attempts are asked for after the first."""
    named: dict[str, Delay] = Field(default_factory=dict)
    """The same for one role or checkpoint, by its name."""


class MetricChange(_Part):
    """What a metric says from now on."""

    name: str = "trigger"
    """A metric of the plan; `*` for all; `trigger` or `gate` for those of the first one."""
    says: State | float = "breach"
    """A number; or healthy, breach, none (no data) or flapping (data come and go)."""
    every: Duration = "4m"
    """How long flapping takes to come and go once."""
    over: Duration = "0s"
    """How long it takes to get there from where it is; at once if 0s."""


class Event(_Part):
    """One thing that happens. Exactly one of the fields from `metric` on says what."""

    at: str = "0s"
    """When: `2h` after the beginning, `25%` once the flag is there, `each step`, or `first
    approval` once somebody is asked to sign."""
    after: Duration = "0s"
    """How long after that."""
    for_: Annotated[Duration | None, Field(alias="for")] = None
    """After how long it is undone; never if absent."""
    metric: MetricChange | None = None
    """A metric changes."""
    prometheus: Literal["down"] | None = None
    """The metrics provider does not answer, and takes no samples."""
    operator: Literal["down"] | None = None
    """The operator does not run."""
    no_go: str | None = None
    """Somebody says NO-GO for this role; `*` for the first that is asked."""
    pause: Literal[True] | None = None
    """Somebody pauses the rollout."""
    halt: Literal[True] | None = None
    """Somebody halts the namespace."""
    rollback: Annotated[int, Field(ge=0, le=100)] | None = None
    """Somebody asks for a rollback to this percentage."""
    tamper: Annotated[str, Field(max_length=64)] | None = None
    """Somebody writes this into the ConfigMap, past the operator."""
    policies: Literal["missing"] | None = None
    """The admission policies are gone."""
    rehearsal: Literal["fails"] | None = None
    """The next rehearsal of a rollback fails."""
    clock: Literal["disagrees"] | None = None
    """The API server's answers disagree about the time."""
    upstream: Annotated[int, Field(ge=0, le=100)] | None = None
    """All that the plan depends on stands at this percentage."""
    change: dict[str, Any] | None = None
    """The author applies the plan with this merged into its spec."""

    @model_validator(mode="after")
    def _one_thing_at_a_known_moment(self) -> Self:
        given = [name for name in WHAT if getattr(self, name) is not None]
        if len(given) != 1:
            names = ", ".join(to_camel(name) for name in WHAT)
            raise ValueError(f"an event must have exactly one of {names}")
        if not _AT.fullmatch(self.at):
            parse_duration(self.at)
        return self

    @property
    def what(self) -> tuple[str, Any]:
        """What happens: the name of the field that is given, and its value."""
        return next((name, value) for name in WHAT if (value := getattr(self, name)) is not None)

    @property
    def percent(self) -> int | None:
        """The percentage at which it happens, where it is at one."""
        return int(self.at[:-1]) if self.at.endswith("%") else None


WHAT = (
    "metric",
    "prometheus",
    "operator",
    "no_go",
    "pause",
    "halt",
    "rollback",
    "tamper",
    "policies",
    "rehearsal",
    "clock",
    "upstream",
    "change",
)


class Expectation(_Part):
    """What must come of it; the command ends with 1 where it does not."""

    percent: Annotated[int, Field(ge=0, le=100)] | None = None
    """Where the flag ends."""
    completed: bool | None = None
    """Whether the rollout is complete in the end."""
    rollbacks: Annotated[int, Field(ge=0)] | None = None
    """How many rollbacks there are."""
    within: Duration | None = None
    """How long it takes at most to be complete."""


class Scenario(_Part):
    """What happens while a plan is played. Whatever it does not mention is well, and at once."""

    description: str = ""
    """What it is about, in a sentence."""
    start: datetime = MONDAY
    """When it begins."""
    until: Duration = "60d"
    """After how long it ends at the latest."""
    author: str = "the-author"
    """Who applies the plan, and so may not sign for it."""
    plan: dict[str, Any] = Field(default_factory=dict)
    """What is merged into the plan's spec before it begins."""
    people: People = People()
    """How long people take."""
    events: Annotated[tuple[Event, ...], Field(max_length=100)] = ()
    """What happens, and when."""
    expect: Expectation | None = None
    """What must come of it."""

    @property
    def begins(self) -> datetime:
        """When it begins, in UTC."""
        start = self.start if self.start.tzinfo else self.start.replace(tzinfo=UTC)
        return start.astimezone(UTC)

    @property
    def ends(self) -> datetime:
        """When it ends at the latest."""
        return self.begins + parse_duration(self.until)


def delay_of(delay: str) -> timedelta | None:
    """How long somebody takes; None where they never do it."""
    return None if delay == NEVER else parse_duration(delay)


def shipped() -> dict[str, str]:
    """The scenarios that come with Surefoot: their texts, by name."""
    folder = resources.files("surefoot.simulate") / "library"
    files = sorted(folder.iterdir(), key=lambda file: file.name)
    return {
        file.name.removesuffix(".yaml"): file.read_text("utf-8")
        for file in files
        if file.name.endswith(".yaml")
    }


def parse(name: str, text: str) -> Scenario:
    """Read a scenario. Raises `BadScenario`."""
    try:
        read = documents(text)
    except BrokenText as error:
        line, column = error.place.line + 1, error.place.column + 1
        raise BadScenario(f"{name}:{line}:{column}: {error}") from error
    if len(read) > 1:
        raise BadScenario(f"{name} has {len(read)} documents, and a scenario is one")
    value = read[0].value() if read else {}
    if not isinstance(value, dict):
        raise BadScenario(f"{name} is no scenario: write a mapping of fields")
    try:
        return Scenario.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = tuple(part for part in first["loc"] if isinstance(part, int | str))
        while path and read[0].at(path) is None:
            path = path[:-1]
        place = read[0].place_of(path)
        where = ".".join(str(part) for part in path) or "the scenario"
        said = first["msg"].removeprefix("Value error, ")
        raise BadScenario(f"{name}:{place.line + 1}:{place.column + 1}: {where}: {said}") from error


def schema() -> dict[str, Any]:
    """The JSON Schema of scenarios, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Scenario.model_json_schema(by_alias=True),
    }
