"""Arithmetic on moments that never fails, whatever a plan or a signature says."""

from datetime import UTC, datetime, timedelta

END_OF_TIME = datetime.max.replace(tzinfo=UTC)


def later(moment: datetime, length: timedelta) -> datetime:
    """The moment after this length of time; the end of time where that is later still."""
    try:
        return moment + length
    except OverflowError:
        return END_OF_TIME
