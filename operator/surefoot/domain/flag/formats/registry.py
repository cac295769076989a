"""The formats that this version has, and what the rest of the operator asks of all of them.

`Percentage` is what every format writes, so it is part of every rendering. A format that the API
has and this version does not is refused by `PlanValid` before anything is rendered.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from surefoot.api.v1alpha1.rollout import FlagFormat
from surefoot.domain.flag.formats.flagd import FlagdFormat
from surefoot.domain.flag.formats.interface import FlagState, Format
from surefoot.domain.flag.formats.percentage import PercentageFormat, is_percentage

BASE: Format = PercentageFormat()
FORMATS: Mapping[FlagFormat, Format] = MappingProxyType(
    {format_.name: format_ for format_ in (BASE, FlagdFormat())}
)


def lacks_attributes(name: FlagFormat) -> bool:
    """Whether a format of this version cannot tell cohorts apart."""
    return name in FORMATS and not FORMATS[name].has_attributes


def formats_with_attributes() -> tuple[str, ...]:
    """The names of the formats that can tell cohorts apart."""
    return tuple(name.value for name, format_ in FORMATS.items() if format_.has_attributes)


def render(name: FlagFormat, state: FlagState) -> dict[str, str]:
    """All keys of a ConfigMap in this format, with their values."""
    return {
        key: value for format_ in _used_by(name) for key, value in format_.render(state).items()
    }


def zero(data: Mapping[str, str], written_at: datetime) -> dict[str, str]:
    """The data of a ConfigMap with every flag off in every format.

    The data is judged by what it holds, whatever format its annotation names. What is no flag in
    any format is left alone.
    """
    flags = {flag for format_ in FORMATS.values() for flag in format_.flags_in(data)}
    off = dict(data)
    for format_ in FORMATS.values():
        off |= format_.zero(data, flags, written_at)
    return off


def percent_of(data: Mapping[str, str]) -> int | None:
    """The highest percentage that a flag says by its number; None where none says any."""
    flags = {flag for format_ in FORMATS.values() for flag in format_.flags_in(data)}
    numbers = (data.get(flag, "") for flag in flags)
    return max((int(number) for number in numbers if is_percentage(number)), default=None)


def other_audience(name: FlagFormat, state: FlagState, data: Mapping[str, str]) -> str | None:
    """The first document that may let in others than the state says, and what is wrong with it.

    A document that is missing lets nobody in.
    """
    for format_ in _used_by(name):
        for key, expected in format_.render(state).items():
            if key in data and not format_.same_audience(data[key], expected):
                return f"{key} {format_.describe_other_audience(state, expected)}"
    return None


def _used_by(name: FlagFormat) -> tuple[Format, ...]:
    format_ = FORMATS.get(name, BASE)
    return (BASE,) if format_ is BASE else (BASE, format_)
