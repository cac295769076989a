"""What is known of the API server's clock beside the time that it tells."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

_ZERO = timedelta(0)


class SkippedTime(NamedTuple):
    """A time that never passed, because the API server's clock was set forward over it."""

    start: datetime
    end: datetime


def counted_since(moment: datetime, skipped: Sequence[SkippedTime]) -> datetime:
    """The moment from which lengths of time are counted that began at this one.

    It is later by all that never passed since: no wait is shorter for it.
    """
    if not skipped:
        return moment
    left_out = [max(_ZERO, time.end - max(moment, time.start)) for time in skipped]
    return moment + sum(left_out, _ZERO)
