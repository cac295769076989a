"""What is known of the API server's clock beside the time that it tells."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

_ZERO = timedelta(0)


class SkippedTime(NamedTuple):
    """A time that never passed, because the API server's clock was set forward over it."""

    start: datetime
    end: datetime


def counted_since(moment: datetime, skipped: Iterable[SkippedTime]) -> datetime:
    """The moment from which lengths of time are counted that began at this one.

    It is later by all that never passed since: no wait is shorter for it.
    """
    return moment + sum((max(_ZERO, time.end - max(moment, time.start)) for time in skipped), _ZERO)
