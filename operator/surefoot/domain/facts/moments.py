"""Arithmetic on moments that never fails, whatever a plan or a signature says."""

from datetime import datetime, timedelta

from surefoot.api.v1alpha1.moments import LATEST

END_OF_TIME = LATEST
"""The last moment that an object can carry: no status may say a later one."""


def later(moment: datetime, length: timedelta) -> datetime:
    """The moment after this length of time; the end of time where that is later still."""
    try:
        return min(moment + length, END_OF_TIME)
    except OverflowError:
        return END_OF_TIME
