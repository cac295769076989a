"""A fallback for what the way down can do without: no defect beside it may stand in its way."""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def _ignore(_error: Exception) -> None:
    """Leave a failure unmentioned."""


def with_fallback(
    fallback: T, build: Callable[[], T], report: Callable[[Exception], None] = _ignore
) -> T:
    """What is built, or the fallback where building it fails; ``report`` is told of the failure."""
    try:
        return build()
    except Exception as error:  # noqa: BLE001 - whatever it is, the flag must come down
        report(error)
        return fallback
