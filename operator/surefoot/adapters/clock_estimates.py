"""Estimates of the difference between the API server's clock and the monotonic clock.

An answer that was asked for at `sent` and had arrived at `received` was stamped in between, and its
`Date` is cut to the second. So one answer bounds the difference from both sides, and many answers
of one clock narrow it. Answers that cannot come from one clock belong to different estimates.
"""

from collections import deque
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import NamedTuple

DRIFT = 0.0005
"""How fast good clocks may drift apart: NTP corrects a clock by at most 500 millionths."""
TOLERANCE = 0.1
"""Seconds by which answers of one estimate may contradict each other: API servers behind one
address differ a little."""
WINDOW = 600.0
"""Seconds for which an answer is remembered."""
BUCKET = 10.0
"""Seconds of answers that are remembered as one."""
EARLIEST = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
LATEST = datetime(2200, 1, 1, tzinfo=UTC).timestamp()
"""A `Date` outside of these bounds says nothing about the time."""


class Answer(NamedTuple):
    """The difference, server time minus monotonic time, as far as one answer tells it.

    ``is_independent`` says that the answer was the first one on a connection of its own, so that it
    may come from another API server than the answer before it.
    """

    received: float
    lowest: float
    highest: float
    is_independent: bool


def read_answer(date: str, sent: float, received: float, *, is_independent: bool) -> Answer | None:
    """Read the `Date` of an answer; None where it says nothing about the time."""
    second = _second(date)
    if second is None or not EARLIEST <= second < LATEST or received < sent:
        return None
    return Answer(received, second - received, second + 1 - sent, is_independent)


@lru_cache(maxsize=64)
def _second(date: str) -> float | None:
    """The second that a `Date` names. All answers of a second have the same."""
    try:
        moment = parsedate_to_datetime(date)
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return moment.timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


class _Bounds(NamedTuple):
    since: float
    lowest: float
    highest: float


class Estimate:
    """One possible difference between the two clocks, and the answers that agree with it."""

    def __init__(self, answer: Answer) -> None:
        self._buckets: deque[_Bounds] = deque()
        self._lowest = answer.lowest
        self._highest = answer.highest
        self.first_at = answer.received
        self.last_at = answer.received
        self.answers = 0
        self.independent = 0
        self.unopposed_since = answer.received
        self.unopposed = 0
        """MeasurementSource since then, none of which spoke for another estimate instead."""
        self.unopposed_independent = 0
        """How many of them were independent."""
        self.unheard = 0
        """MeasurementSource since the last one that agreed."""
        self.add(answer)

    @property
    def lowest(self) -> float:
        """The lower bound. Within the tolerance the bounds may contradict each other."""
        return min(self._lowest, self._highest)

    @property
    def highest(self) -> float:
        """The upper bound."""
        return max(self._lowest, self._highest)

    def agrees(self, answer: Answer) -> bool:
        """Whether the answer can come from the clock that this estimate is about."""
        slack = TOLERANCE + DRIFT * max(0.0, answer.received - self.last_at)
        return answer.lowest <= self._highest + slack and answer.highest >= self._lowest - slack

    def add(self, answer: Answer) -> None:
        """Narrow the estimate by an answer that agrees with it."""
        self._remember(_Bounds(answer.received, answer.lowest, answer.highest))
        self.last_at = answer.received
        self.unheard = 0
        self.answers += 1
        self.independent += answer.is_independent
        ages = [(bounds, DRIFT * (self.last_at - bounds.since)) for bounds in self._buckets]
        self._lowest = max(bounds.lowest - drift for bounds, drift in ages)
        self._highest = min(bounds.highest + drift for bounds, drift in ages)

    def support(self, answer: Answer) -> None:
        """Count an answer that speaks for this estimate and for no other one."""
        if not self.unopposed:
            self.unopposed_since = answer.received
        self.unopposed += 1
        self.unopposed_independent += answer.is_independent

    def distance(self, other: "Estimate") -> float:
        """How many seconds lie between the bounds of two estimates, at least."""
        return max(0.0, other.lowest - self.highest, self.lowest - other.highest)

    def oppose(self) -> None:
        """Begin to count again: an answer speaks for another estimate."""
        self.unopposed = 0
        self.unopposed_independent = 0

    def _remember(self, bounds: _Bounds) -> None:
        newest = self._buckets[-1] if self._buckets else None
        if newest is not None and bounds.since - newest.since < BUCKET:
            self._buckets[-1] = _Bounds(
                newest.since,
                max(newest.lowest, bounds.lowest),
                min(newest.highest, bounds.highest),
            )
        else:
            self._buckets.append(bounds)
        while len(self._buckets) > 1 and bounds.since - self._buckets[0].since > WINDOW:
            self._buckets.popleft()
