"""What a trigger said over a stretch of the past, judged at once and not point by point.

The soak account may have to look back over ten thousand points of every trigger. So the values are
taken as lists, windows are compared by running sums, and only what was not quiet becomes objects.
"""

import math
import operator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from surefoot.domain.derive.triggers import ArmedTrigger
from surefoot.domain.facts.measurements import Measurement
from surefoot.domain.facts.windows import ENOUGH_COVERAGE, samples_between


class Span(NamedTuple):
    """A stretch of time."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class TriggerPast:
    """When a trigger was not quiet, and when it was last firing.

    A span reaches from the last point before to the first point after: what was between two points
    is as good as the worse of them.
    """

    unquiet: tuple[Span, ...] = ()
    fired_at: datetime | None = None


def judge_past(
    trigger: ArmedTrigger,
    measurement: Measurement,
    *,
    after: datetime,
    before: datetime,
    not_before: datetime,
) -> TriggerPast:
    """Judge the points later than ``after``, earlier than ``before``, not before ``not_before``."""
    start, step = measurement.start, measurement.step
    first = max(0, (after - start) // step + 1, _index_from(not_before, measurement))
    last = min((measurement.end - start) // step, _index_from(before, measurement) - 1)
    if first > last:
        return TriggerPast()
    points = _Points(trigger, measurement, first, last)
    flags = points.unquiet()
    spans, begin = [], flags.find(1)
    before_first = start + (first - 1) * step
    while begin >= 0:
        end = flags.find(0, begin)
        end = len(flags) if end < 0 else end
        spans.append(Span(before_first + begin * step, before_first + (end + 1) * step))
        begin = flags.find(1, end)
    fired = points.last_firing()
    return TriggerPast(tuple(spans), None if fired is None else start + fired * step)


def _index_from(moment: datetime, measurement: Measurement) -> int:
    """The index of the first point of the grid that is not earlier."""
    return -((measurement.start - moment) // measurement.step)


class _Points:
    """The points ``first`` to ``last`` of a measurement, and those in their windows before them."""

    def __init__(
        self, trigger: ArmedTrigger, measurement: Measurement, first: int, last: int
    ) -> None:
        self._first, self._last = first, last
        self._at_zero = trigger.is_at_zero_percent
        self._is_judged = trigger.reference_value.unit is not None
        self._reach = trigger.length // measurement.step
        self._low = max(0, first - self._reach)
        self._enough = _fewest_that_are_enough(self._reach + 1)
        # The window of a point is full once all of it could be judged and was asked for.
        self._full = -(-trigger.length // measurement.step)
        self._settled = 0
        if trigger.judged_from is not None:
            full_from = trigger.judged_from + trigger.length
            self._full = max(self._full, _index_from(full_from, measurement))
            self._settled = _index_from(trigger.judged_from, measurement)
        values = _values(measurement, self._low, last)
        self._present = list(map(math.isfinite, values))
        self._breached = self._breaches(trigger, values)
        self._present_before = list(accumulate(self._present, initial=0))
        self._breached_before = list(accumulate(self._breached, initial=0))

    def _breaches(self, trigger: ArmedTrigger, values: list[float]) -> list[bool]:
        if not self._is_judged:
            return [False] * len(values)
        breached = trigger.breaches(values)
        if all(self._present):
            return breached
        return list(map(operator.and_, self._present, breached))

    def unquiet(self) -> bytearray:
        """For each point from ``first`` on, 1 where the trigger was anything but quiet."""
        if not self._is_judged:
            return bytearray(b"\x01") * (self._last - self._first + 1)
        skipped = self._first - self._low
        present, breached = self._present[skipped:], self._breached[skipped:]
        if self._at_zero:
            flags = bytearray(breached)
            for offset, is_number in enumerate(present):
                if not is_number:
                    flags[offset] = self._fires(self._first + offset)
        else:
            flags = bytearray(map(operator.or_, map(operator.not_, present), breached))
        unsettled = min(max(0, self._settled - self._first), len(flags))
        flags[:unsettled] = b"\x01" * unsettled
        return flags

    def last_firing(self) -> int | None:
        """The index of the last point at which the trigger fired."""
        if not self._breached_before[-1]:
            return None
        earliest = max(self._first, self._full, self._settled) - self._low
        present, breached, reach = self._present_before, self._breached_before, self._reach
        window = zip(
            present[earliest - reach :],
            present[earliest + 1 :],
            breached[earliest - reach :],
            breached[earliest + 1 :],
            strict=False,
        )
        firing = [
            after - before == breached_after - breached_before and after - before >= self._enough
            for before, after, breached_before, breached_after in window
        ]
        firing.reverse()
        return self._last - firing.index(True) if True in firing else None

    def _fires(self, index: int) -> bool:
        if index < self._full:
            return False
        start, end = index - self._reach - self._low, index + 1 - self._low
        present = self._present_before[end] - self._present_before[start]
        if present < self._enough:
            return False
        return self._breached_before[end] - self._breached_before[start] == present


@lru_cache(maxsize=1024)
def _fewest_that_are_enough(expected: int) -> int:
    """How many points of a window must be present before a trigger may fire; at least one."""
    return next(count for count in range(1, expected + 1) if count / expected >= ENOUGH_COVERAGE)


def _values(measurement: Measurement, low: int, last: int) -> list[float]:
    """The values at the points from ``low`` to ``last``; NaN where there is none."""
    start, step = measurement.start, measurement.step
    samples = samples_between(measurement.samples, start + low * step, start + last * step)
    if len(samples) == last - low + 1:
        return [sample.value for sample in samples]
    values = [math.nan] * (last - low + 1)
    for sample in samples:
        values[(sample.at - start) // step - low] = sample.value
    return values


def free_time(start: datetime, end: datetime, taken: list[Span]) -> timedelta:
    """How much of the time from start to end no span covers."""
    free, reached = timedelta(0), start
    for span in sorted(taken):
        if span.start > reached:
            free += max(timedelta(0), min(span.start, end) - reached)
        reached = max(reached, span.end)
        if reached >= end:
            return free
    return free + max(timedelta(0), end - reached)
