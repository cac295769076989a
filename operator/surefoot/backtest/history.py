"""The values of a plan's metrics over a stretch of the past."""

import math
import statistics
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from surefoot.api.v1alpha1.durations import in_words
from surefoot.api.v1alpha1.rollout import Metric, RolloutSpec
from surefoot.domain.facts.measurements import Measurement, Outcome, RangeQuery, Sample
from surefoot.domain.facts.questions import (
    MOST_INTERVALS,
    conditions_of,
    length_of,
    metric_name,
    step_for,
    window_points,
)
from surefoot.errors import SurefootError

MOST_POINTS = 500_000
"""Points of one metric: a month at five seconds. More would neither fit a picture nor a memory."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNUSABLE = frozenset({Outcome.UNREACHABLE, Outcome.INVALID, Outcome.MANY_SERIES, Outcome.PARTIAL})

Ask = Callable[[RangeQuery], Awaitable[Measurement]]


class NoHistory(SurefootError):
    """A metric has no history that can be used. ``is_down``: nobody answered at all."""

    def __init__(self, message: str, *, is_down: bool = False) -> None:
        super().__init__(message)
        self.is_down = is_down


@dataclass(frozen=True, slots=True)
class Stretch:
    """From one moment to another, both on the grid of ``every``."""

    start: datetime
    end: datetime
    every: timedelta

    @classmethod
    def of(cls, start: datetime, end: datetime, every: timedelta) -> "Stretch":
        """The stretch that lies on the grid. Raises `NoHistory` where there is none."""
        first, last = (_EPOCH + (moment - _EPOCH) // every * every for moment in (start, end))
        if last <= first:
            raise NoHistory(f"from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} is no time")
        if (last - first) // every > MOST_POINTS:
            raise NoHistory(
                f"{in_words(last - first)} at every {in_words(every)} are "
                f"{(last - first) // every} points, and at most {MOST_POINTS} are looked at: "
                "look at less, or at fewer with --every"
            )
        return cls(first, last, every)

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class History:
    """What was measured. ``series`` is keyed by metric and by the step of its question."""

    stretch: Stretch
    series: Mapping[tuple[str, timedelta], Measurement]

    def finest(self, metric: str) -> Measurement | None:
        """The measurement of a metric with the most points."""
        found = [each for (name, _), each in self.series.items() if name == metric]
        return min(found, key=lambda each: each.step, default=None)

    def numbers(self, metric: str) -> tuple[float, ...]:
        """Every number of a metric within the stretch, in the order of time."""
        found = self.finest(metric)
        return tuple(
            each.value
            for each in (found.samples if found is not None else ())
            if each.is_number and each.at >= self.stretch.start
        )

    def median(self, metric: str) -> float | None:
        """The middle value; None without any."""
        numbers = self.numbers(metric)
        return statistics.median(numbers) if numbers else None


def windows_of(spec: RolloutSpec) -> dict[str, set[timedelta]]:
    """By metric, how far back gates and triggers look."""
    found: dict[str, set[timedelta]] = {}
    for trigger in spec.triggers:
        found.setdefault(metric_name(trigger), set()).add(length_of(trigger.for_))
    for gate in spec.gates:
        for part in conditions_of(gate):
            found.setdefault(metric_name(part), set()).add(length_of(part.for_))
    return found


def step_of(spec: RolloutSpec, length: timedelta, every: timedelta) -> timedelta:
    """The step that the operator would ask a window at."""
    return step_for(length, every, window_points(spec))


async def read_history(spec: RolloutSpec, stretch: Stretch, ask: Ask) -> History:
    """Ask for all that gates and triggers look at, as the operator would. Raises `NoHistory`."""
    series: dict[tuple[str, timedelta], Measurement] = {}
    for metric in spec.metrics:
        longest: dict[timedelta, timedelta] = {}
        for length in windows_of(spec).get(metric.name, ()):
            step = step_of(spec, length, stretch.every)
            longest[step] = max(longest.get(step, timedelta(0)), length)
        for step, length in longest.items():
            start = stretch.end - -(-(stretch.length + length) // step) * step
            series[metric.name, step] = await _measure(metric, start, stretch.end, step, ask)
    return History(stretch, series)


async def _measure(
    metric: Metric, start: datetime, end: datetime, step: timedelta, ask: Ask
) -> Measurement:
    """One series in as many questions as it takes."""
    samples: list[Sample] = []
    first = start
    while first <= end:
        last = min(end, first + MOST_INTERVALS * step)
        answer = await ask(RangeQuery(metric.provider, metric.query, first, last, step))
        if answer.outcome in _UNUSABLE:
            raise NoHistory(
                f"metric {metric.name}: {answer.message}",
                is_down=answer.outcome is Outcome.UNREACHABLE,
            )
        samples += answer.samples
        first = last + step
    is_there = bool(samples) and samples[-1].at == end and math.isfinite(samples[-1].value)
    outcome = Outcome.VALUE if is_there else Outcome.NO_DATA
    return Measurement(start, end, step, tuple(samples), outcome, "", end)
