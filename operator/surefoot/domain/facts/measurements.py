"""What a metrics provider answered: one query over one window of time.

A window is a grid: points at ``start``, ``start + step`` … ``end``. At each point a query has a
value, or it has none. Only a finite, single, fresh value can ever open a gate; everything else is
told apart by :class:`Outcome`, because "no data" and "unreachable" need different people.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Outcome(StrEnum):
    """How the newest point of a measurement came out."""

    VALUE = "Value"
    NO_DATA = "NoData"
    MANY_SERIES = "ManySeries"
    NOT_A_NUMBER = "NotANumber"
    PARTIAL = "Partial"
    STALE = "Stale"
    UNREACHABLE = "Unreachable"
    INVALID = "Invalid"


@dataclass(frozen=True, slots=True)
class Sample:
    """The value of a query at one point of the grid. The value may be NaN or infinite."""

    at: datetime
    value: float

    @property
    def is_number(self) -> bool:
        """Whether the value is finite; NaN and the infinities are answers, but not numbers."""
        return math.isfinite(self.value)


@dataclass(frozen=True, slots=True)
class QueryFacts:
    """What can be said of a query without asking a provider.

    ``fault`` says why the query cannot be asked (it does not parse), or is ``None``.
    ``longest_range`` is the longest range or offset in it: how far back its newest point looks.
    ``is_known`` is False as long as the text has not been parsed; then the rest says nothing.
    ``is_ratio`` says that it divides one count of events by another: it looks like a share.
    ``may_be_empty`` says that it counts events, and has no value where none has ever happened.
    """

    fault: str | None = None
    longest_range: timedelta = timedelta(0)
    is_known: bool = True
    is_ratio: bool = False
    may_be_empty: bool = False


UNKNOWN_QUERY = QueryFacts(is_known=False)
"""What is known of a query that has not been parsed yet."""


@dataclass(frozen=True, slots=True)
class RangeQuery:
    """One question to a provider: ``query`` at every ``step`` from ``start`` to ``end`` inclusive.

    With ``stale_after``, the newest sample that the query reads must itself be no older than that.
    """

    provider: str
    query: str
    start: datetime
    end: datetime
    step: timedelta
    stale_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Measurement:
    """The answer to a :class:`RangeQuery`.

    ``samples`` are oldest first, at most one a grid point; points without a value are absent.
    ``outcome`` is that of the newest point (``end``), or of the answer as a whole where that could
    not be used at all (then there are no samples). ``message`` says it in words, with numbers.
    ``observed_at`` is when the answer came, by the API server's time. It says nothing of how old
    the data are. ``fresh_until`` is when the samples that the newest value is made of become older
    than the metric's `staleAfter` allows, or ``None`` where it sets no limit.
    """

    start: datetime
    end: datetime
    step: timedelta
    samples: tuple[Sample, ...]
    outcome: Outcome
    message: str
    observed_at: datetime
    fresh_until: datetime | None = None

    @property
    def value(self) -> float | None:
        """The newest value where the outcome is ``Value``."""
        if self.outcome is Outcome.VALUE and self.samples:
            return self.samples[-1].value
        return None


def stale_after(measurement: Measurement, interval: timedelta) -> datetime:
    """The last moment at which an answer can be judged.

    Its age is that of the newest point that it speaks of, whenever it arrived: a question may have
    waited. It is stale once that is older than two evaluation intervals, or once the samples behind
    it are older than the metric's `staleAfter`.
    """
    too_old = measurement.end + 2 * interval
    fresh_until = measurement.fresh_until
    return too_old if fresh_until is None else min(too_old, fresh_until)


def is_stale(measurement: Measurement, now: datetime, interval: timedelta) -> bool:
    """Whether an answer is too old to be judged."""
    return now > stale_after(measurement, interval)
