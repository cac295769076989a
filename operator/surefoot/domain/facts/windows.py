"""Looking at a measurement over the window of a `for`.

A `for` of 5m at a grid of 30s is eleven points, both ends included. It lies within the step: until
the step is as old as the window is long, the window is not full and nothing has held for 5m.
"""

import bisect
import hashlib
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from surefoot.api.v1alpha1.durations import parse_bound
from surefoot.api.v1alpha1.rollout_status import WindowEvidence
from surefoot.domain.facts.measurements import Measurement, Sample

ENOUGH_COVERAGE = 0.8
"""Share of a window's points that must be present before a trigger may fire."""


@dataclass(frozen=True, slots=True)
class Window:
    """The numbers of a measurement from ``start`` to ``end``, both included.

    ``expected`` is how many points of the grid lie in it, ``is_full`` whether all of the window was
    within the time that may be judged, and was asked for. ``newest`` is the sample at ``end``,
    number or not.
    """

    start: datetime
    end: datetime
    expected: int
    is_full: bool
    numbers: tuple[Sample, ...]
    newest: Sample | None

    @property
    def coverage(self) -> float:
        """Which share of the points has a number, from 0 to 1."""
        return len(self.numbers) / self.expected


def window_at(
    measurement: Measurement,
    end: datetime,
    length: timedelta,
    judged_from: datetime | None,
) -> Window:
    """The window of a length that ends at a grid point; nothing before ``judged_from`` counts."""
    wanted_start = end - length
    start = wanted_start if judged_from is None else max(wanted_start, judged_from)
    samples = samples_between(measurement.samples, start, end)
    is_number = math.isfinite
    numbers = tuple([sample for sample in samples if is_number(sample.value)])
    return Window(
        start=start,
        end=end,
        expected=length // measurement.step + 1,
        is_full=start == wanted_start and measurement.start <= wanted_start,
        numbers=numbers,
        newest=samples[-1] if samples and samples[-1].at == end else None,
    )


def samples_between(
    samples: tuple[Sample, ...], start: datetime, end: datetime
) -> tuple[Sample, ...]:
    """The samples from one moment to another, both included."""
    if not samples or (start <= samples[0].at and samples[-1].at <= end):
        return samples
    first = bisect.bisect_left(samples, start, key=lambda sample: sample.at)
    last = bisect.bisect_right(samples, end, key=lambda sample: sample.at)
    return samples[first:last]


@lru_cache(maxsize=4096)
def bound_value(bound: int | str) -> float:
    """A bound as a number. The texts are short, and each is compared with many values."""
    return parse_bound(bound)


def window_evidence(
    metric: str, used_by: str, measurement: Measurement, window: Window, compared_with: str = ""
) -> WindowEvidence:
    """A window as the record keeps it: counted and hashed, not copied."""
    values = [sample.value for sample in window.numbers]
    text = ";".join(f"{sample.at.timestamp():.3f}={sample.value!r}" for sample in window.numbers)
    return WindowEvidence(
        metric=metric,
        used_by=used_by,
        outcome=measurement.outcome.value,
        count=len(values),
        coverage=f"{window.coverage:.0%}",
        min=number(min(values)) if values else None,
        max=number(max(values)) if values else None,
        last=number(window.newest.value) if window.newest else None,
        observed_at=measurement.observed_at,
        samples_hash=f"sha256:{hashlib.sha256(text.encode()).hexdigest()}",
        compared_with=compared_with or None,
    )


@dataclass(frozen=True, slots=True)
class SeenWindow:
    """A window that a bound was judged by. The record is made of it only where one is kept."""

    metric: str
    used_by: str
    measurement: Measurement
    window: Window
    compared_with: str

    @property
    def evidence(self) -> WindowEvidence:
        """The window as the record keeps it."""
        return window_evidence(
            self.metric, self.used_by, self.measurement, self.window, self.compared_with
        )


def number_like(bound: int | str | None, value: float) -> str:
    """A value in the unit of the bound that it is compared with: `7.93%` beside `5%`."""
    if isinstance(bound, str) and bound.endswith("%"):
        return f"{value * 100:.3g}%"
    return number(value)


def number(value: float) -> str:
    """A value for people and for the record: six significant digits."""
    return f"{value:.6g}"
