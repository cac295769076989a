"""What all sections of the configuration file have in common."""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from surefoot.api.v1alpha1.durations import DURATION_PATTERN, format_elapsed, parse_duration

_PATTERN = DURATION_PATTERN.replace("s)?$", r"(\.[0-9]{1,6})?s)?$")
"""Of a length as it is read here: with fractions of a second, such as `0.5s`."""


def _read_length(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        fault = f"{value!r} is not a duration: write 5s, 10m or 1h"
        raise ValueError(fault)  # noqa: TRY004 - pydantic takes no TypeError for a fault
    return parse_duration(value)


Length = Annotated[
    timedelta,
    BeforeValidator(_read_length),
    PlainSerializer(format_elapsed, when_used="json"),
    WithJsonSchema({"type": "string", "minLength": 2, "pattern": _PATTERN}),
]
"""A length of time as people write it: `30s`, `10m`, `1h30m`."""


def at_least(shortest: str) -> AfterValidator:
    """Lengths from this one on."""

    def check(length: timedelta) -> timedelta:
        if length < parse_duration(shortest):
            raise ValueError(f"must be at least {shortest}")
        return length

    return AfterValidator(check)


def at_most(longest: str) -> AfterValidator:
    """Lengths up to this one."""

    def check(length: timedelta) -> timedelta:
        if length > parse_duration(longest):
            raise ValueError(f"must be at most {longest}")
        return length

    return AfterValidator(check)


class Section(BaseModel):
    """A frozen piece of the configuration file: camelCase there, unknown fields refused.

    Faults do not show the value: it may be a secret that stands in the wrong place.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        defer_build=True,
        hide_input_in_errors=True,
    )
