"""Bands: the values within which a bound says the same of each of them."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from surefoot.domain.facts.measurements import Measurement, Outcome


@dataclass(frozen=True, slots=True)
class Band:
    """The values from the lowest to the highest, both included, in units of ``unit``."""

    lowest: float = -math.inf
    highest: float = math.inf
    unit: float = 1.0

    def has(self, lowest: float, highest: float) -> bool:
        """Whether all values between these two lie within."""
        return self.lowest <= lowest / self.unit and highest / self.unit <= self.highest


Bands = Mapping[str, tuple[Band, ...]]
"""By the name of a question, the bands in which its answers must lie."""


def is_within(answer: Measurement, bands: Iterable[Band]) -> bool:
    """Whether an answer has a number at each of its points, and all of them lie within."""
    if answer.outcome is not Outcome.VALUE:
        return False
    values = [sample.value for sample in answer.samples]
    if len(values) != (answer.end - answer.start) // answer.step + 1:
        return False
    if not all(map(math.isfinite, values)):
        return False
    lowest, highest = min(values), max(values)
    return all(band.has(lowest, highest) for band in bands)


def joined(bands: Iterable[Bands]) -> dict[str, tuple[Band, ...]]:
    """All of them together."""
    found: dict[str, tuple[Band, ...]] = {}
    for each in bands:
        for question, further in each.items():
            found[question] = (*found.get(question, ()), *further)
    return found
