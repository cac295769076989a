"""Moments as the API server stores them, read so that two validators cannot disagree.

`MOMENT_PATTERN` says what the API server takes, and `parse_moment` takes exactly the same. There is
no `format: date-time` in the schema, because an API server takes a list for such a text. The years
are bounded so that no sum of a moment and a duration leaves the calendar.
"""

import re
from datetime import UTC, datetime, timedelta

_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]"
MOMENT_PATTERN = (
    "^((19[7-9][0-9]|2[0-9]{3})-("
    "(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|"
    "(0[469]|11)-(0[1-9]|[12][0-9]|30)|"
    "02-(0[1-9]|1[0-9]|2[0-8]))|"
    "(197[26]|198[048]|199[26]|2[048]00|2[0-9](0[48]|[2468][048]|[13579][26]))-02-29)"
    rf"[Tt]{_CLOCK}:[0-5][0-9](\.[0-9]{{1,9}})?([Zz]|[+-]{_CLOCK})$"
)
"""RFC 3339, in the years 1970 to 2999: every day that there is, leap days included."""

LONGEST_MOMENT = 35
"""The characters of a moment with nanoseconds and an offset."""

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
"""The first moment there is."""
LATEST = datetime(2999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
"""The last moment there is."""

_FORM = re.compile(
    r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
    r"[Tt](?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
    r"(?:\.(?P<fraction>[0-9]+))?(?P<zone>[Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def parse_moment(text: str) -> datetime:
    """Read a moment, in UTC.

    Raises ``ValueError`` naming the text and what is expected.
    """
    if not re.fullmatch(MOMENT_PATTERN, text):
        raise ValueError(_fault(text))
    return _moment(text)


def nearest_moment(text: str) -> datetime:
    """Read a moment that an API server stored once, under whatever rules it had then.

    A moment outside the years that are allowed becomes the nearest one that is allowed. Raises
    ``ValueError`` for a text that is no moment at all.
    """
    if text.startswith("0000-"):  # the API server's calendar has a year 0, and Python's has none
        return EARLIEST
    try:
        return _moment(text)
    except OverflowError:
        return EARLIEST if text.startswith("0") else LATEST


def within_calendar(moment: datetime) -> datetime:
    """The moment in UTC, or the nearest one that is allowed. Without a time zone it is UTC."""
    if moment.tzinfo is UTC and EARLIEST <= moment <= LATEST:
        return moment
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return min(max(moment.astimezone(UTC), EARLIEST), LATEST)
    except OverflowError:
        return EARLIEST if moment.year < EARLIEST.year else LATEST


def _moment(text: str) -> datetime:
    form = _FORM.fullmatch(text)
    if form is None:
        raise ValueError(_fault(text))
    local = datetime(
        int(form["year"]),
        int(form["month"]),
        int(form["day"]),
        int(form["hour"]),
        int(form["minute"]),
        int(form["second"]),
        int((form["fraction"] or "").ljust(6, "0")[:6]),
        tzinfo=UTC,
    )
    return min(max(local - _offset(form["zone"]), EARLIEST), LATEST)


def _offset(zone: str) -> timedelta:
    if zone in "Zz":
        return timedelta(0)
    length = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
    return -length if zone[0] == "-" else length


def _fault(text: str) -> str:
    return (
        f'"{text}" is not a moment from 1970 to 2999: write 2026-03-01T10:00:00Z, or an offset '
        "instead of Z"
    )
