"""Lengths of time as people write them (`48h`, `30m`, `7d`), and bounds (`1`, `"0.1%"`)."""

import functools
import re
from datetime import timedelta
from decimal import Decimal

DURATION_PATTERN = r"^([0-9]{1,4}d)?([0-9]{1,5}h)?([0-9]{1,6}m)?([0-9]{1,8}s)?$"
"""What a plan may say: days, hours, minutes, seconds, each at most once and in this order."""

LONGEST_DURATION = "9999d"
"""What the parts come to together, at most: 27 years, so that no plan reaches past the calendar."""

ELAPSED_PATTERN = r"^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,8}(\.[0-9]{1,6})?s)?$"
"""What a status says: as above without days, with fractions of a second."""

BOUND_PATTERN = r"^-?[0-9]{1,15}(\.[0-9]{1,12})?%?$"
"""A number, or a percentage of 1: `0.1%` is 0.001."""

LARGEST_BOUND = 999_999_999_999_999
"""The largest whole number that `BOUND_PATTERN` lets through, either side of 0."""

_PARTS = re.compile(
    r"(?:(?P<days>[0-9]+)d)?(?:(?P<hours>[0-9]+)h)?(?:(?P<minutes>[0-9]+)m)?"
    r"(?:(?P<seconds>[0-9]+(?:\.[0-9]{1,6})?)s)?"
)


@functools.lru_cache(maxsize=1024)
def parse_duration(text: str) -> timedelta:
    """Read `48h`, `1h30m`, `7d`, `0s`, `12.5s`.

    Raises ``ValueError`` naming what was found and what is expected.
    """
    match = _PARTS.fullmatch(text)
    if not text or match is None:
        raise ValueError(f'"{text}" is not a duration: write 48h, 30m, 90s, 7d or 1h30m')
    seconds = Decimal(match["seconds"] or 0)
    return timedelta(
        days=int(match["days"] or 0),
        hours=int(match["hours"] or 0),
        minutes=int(match["minutes"] or 0),
        microseconds=int(seconds * 1_000_000),
    )


def format_elapsed(elapsed: timedelta) -> str:
    """Write an account exactly, down to the microsecond: `1h42m0s`, `12.5s`, `0s`."""
    micros = max(0, elapsed // timedelta(microseconds=1))
    whole, fraction = divmod(micros, 1_000_000)
    hours, minutes, seconds = whole // 3600, whole // 60 % 60, whole % 60
    tail = f"{seconds}.{fraction:06d}".rstrip("0") if fraction else str(seconds)
    if hours:
        return f"{hours}h{minutes}m{tail}s"
    return f"{minutes}m{tail}s" if minutes else f"{tail}s"


def parse_elapsed(text: str) -> timedelta:
    """Read an account that `format_elapsed` wrote. Raises ``ValueError`` for anything else."""
    return parse_duration(text)


def in_words(length: timedelta) -> str:
    """Write a length for people, in two units, rounded up: `3d2h`, `46h`, `3m20s`, `9s`."""
    seconds = -(-max(timedelta(0), length) // timedelta(seconds=1))
    minutes = -(-seconds // 60)
    hours = -(-minutes // 60)
    if seconds >= 3 * 86400:
        return _two_units(hours // 24, "d", hours % 24, "h")
    if seconds >= 3600:
        return _two_units(minutes // 60, "h", minutes % 60, "m")
    return _two_units(seconds // 60, "m", seconds % 60, "s") if seconds >= 60 else f"{seconds}s"


def _two_units(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"


def parse_bound(bound: int | str) -> float:
    """Read a bound or factor: `1`, `"0.001"`, `"0.1%"` (0.001).

    Raises ``ValueError`` naming what was found and what is expected.
    """
    if isinstance(bound, int):
        return float(bound)
    if not re.fullmatch(BOUND_PATTERN, bound):
        raise ValueError(f'"{bound}" is not a bound: write 1, "0.001" or "0.1%"')
    if bound.endswith("%"):
        return float(Decimal(bound[:-1]) / 100)
    return float(Decimal(bound))
