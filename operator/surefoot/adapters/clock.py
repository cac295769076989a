"""The API server's time, from the `Date` of its answers and the monotonic clock.

A `Date` is cut to the second, so one answer leaves a second of doubt: when it was written the
server's clock stood in [date, date + 1 s). Many answers narrow the difference between the two
clocks from both sides. The operator's own wall clock is never asked: it may be an hour off.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import NamedTuple

import structlog

log = structlog.get_logger(__name__)

WINDOW = 600.0
"""Seconds for which an answer is remembered: good clocks drift apart by less than 60 ms in it."""
BUCKET = 10.0
TOLERANCE = 0.1
"""Seconds by which the bounds may contradict each other: drift, and API servers behind one address
that differ a little."""
STEP_BACK = 3.0
"""A server clock that was set back by more than this is followed; less is waited out."""


class ClockNotSetError(RuntimeError):
    """The API server has not answered yet, so nobody knows what time it is there."""


class _Bounds(NamedTuple):
    """The difference between server time and monotonic time, as seen in one stretch of time."""

    since: float
    lowest: float
    highest: float


class ServerClock:
    """The `Clock` port. Feed it with ``observe`` at every answer."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._buckets: deque[_Bounds] = deque()
        self._lowest = 0.0
        self._highest = 0.0
        self._last = 0.0

    @property
    def is_set(self) -> bool:
        """Whether anything is known."""
        return bool(self._buckets)

    def observe(self, date: str, sent: float, received: float) -> None:
        """Take in the `Date` of an answer to a request sent and received at these moments."""
        try:
            second = parsedate_to_datetime(date).replace(tzinfo=UTC).timestamp()
        except (ValueError, TypeError):
            return
        # Written after it was asked for and before it arrived, in [second, second + 1).
        seen = _Bounds(received, lowest=second - received, highest=second + 1 - sent)
        if self._buckets and not self._agrees(seen):
            self._begin_anew(seen)
        else:
            self._remember(seen)
        self._lowest = max(bucket.lowest for bucket in self._buckets)
        self._highest = min(bucket.highest for bucket in self._buckets)

    def _agrees(self, seen: _Bounds) -> bool:
        return seen.lowest <= self._highest + TOLERANCE and seen.highest >= self._lowest - TOLERANCE

    def _begin_anew(self, seen: _Bounds) -> None:
        log.warning(
            "the API server's clock was set",
            by_seconds=round(seen.lowest - self._lowest, 3),
        )
        self._buckets.clear()
        self._buckets.append(seen)
        if self._last - (self._monotonic() + seen.lowest) > STEP_BACK:
            self._last = 0.0

    def _remember(self, seen: _Bounds) -> None:
        newest = self._buckets[-1] if self._buckets else None
        if newest is not None and seen.since - newest.since < BUCKET:
            self._buckets[-1] = _Bounds(
                newest.since,
                max(newest.lowest, seen.lowest),
                min(newest.highest, seen.highest),
            )
        else:
            self._buckets.append(seen)
        while len(self._buckets) > 1 and seen.since - self._buckets[0].since > WINDOW:
            self._buckets.popleft()

    def now(self) -> datetime:
        """A moment that the API server's clock has reached for certain.

        Never goes back, unless the server's clock was set back by seconds.
        """
        if not self._buckets:
            raise ClockNotSetError("the API server has not answered yet")
        lowest = min(self._lowest, self._highest)
        self._last = max(self._last, self._monotonic() + lowest)
        return datetime.fromtimestamp(self._last, UTC)

    def uncertainty(self) -> timedelta:
        """How much later than `now` it may be by the API server's clock."""
        now = self.now().timestamp()
        latest = self._monotonic() + max(self._lowest, self._highest)
        return timedelta(seconds=max(0.0, latest - now))

    def elapsed(self) -> float:
        """Seconds on the monotonic clock."""
        return self._monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(max(0.0, seconds))
