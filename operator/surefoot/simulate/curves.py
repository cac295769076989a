"""What metrics say over virtual time: pieces, each of which is constant, changing, or absent."""

import bisect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import repeat

from surefoot.api.v1alpha1.rollout import Gate, GateCondition, RolloutSpec, Trigger
from surefoot.domain.facts.measurements import Sample
from surefoot.domain.facts.questions import conditions_of, metric_name
from surefoot.domain.facts.windows import bound_value

MOST_CHANGES = 4000
"""Moments at which one piece of a curve changes that are looked at; more are let pass."""
_PLAIN = 0.1
"""What a metric says that has no bounds."""


_NEW_SAMPLE: Callable[[tuple[datetime, float]], Sample] = partial(tuple.__new__, Sample)
"""A sample of a pair, made without a call of Python: a week has a hundred thousand."""

Take = Callable[[datetime, timedelta, int], Iterable[Sample | None]]


@dataclass(frozen=True, slots=True)
class Piece:
    """How a curve goes on from a moment. ``period`` is how often its values come and go, 0: never.

    ``origin`` is the value that it comes from, over the length ``over``.
    """

    start: datetime
    value: float | None
    origin: float | None = None
    over: timedelta = timedelta(0)
    period: timedelta = timedelta(0)

    def at(self, moment: datetime) -> float | None:
        """The value at a moment."""
        passed = moment - self.start
        if self.period and passed % self.period < self.period / 2:
            return None
        if self.value is not None and self.origin is not None and passed < self.over:
            return self.origin + (self.value - self.origin) * (passed / self.over)
        return self.value

    def samples(self, moment: datetime, step: timedelta, count: int) -> Iterable[Sample | None]:
        """The samples at so many points from a moment on; None where there is no value."""
        if self.value is None:
            return repeat(None, count)
        moments: list[datetime] = [moment + step * n for n in range(count)]
        if self.period or self.over:
            values = map(self.at, moments)
            return (
                None if value is None else Sample(at, value)
                for at, value in zip(moments, values, strict=True)
            )
        return map(_NEW_SAMPLE, zip(moments, repeat(self.value)))

    def changes(self, end: datetime, interval: timedelta) -> Iterator[datetime]:
        """The moments at which it says something new, until it ends."""
        yield self.start
        stride = self.period / 2 if self.period else interval
        until = end if self.period else min(end, self.start + self.over)
        moment = self.start + stride
        for _ in range(MOST_CHANGES):
            if moment > until:
                return
            yield moment
            moment += stride


@dataclass(slots=True)
class Curve:
    """A metric over time. Samples that were taken are kept: the same are asked for again."""

    pieces: list[Piece] = field(default_factory=list)
    _taken: dict[timedelta, "_Taken"] = field(default_factory=dict)

    def value(self, moment: datetime) -> float | None:
        """The value at a moment; None where there is none."""
        index = bisect.bisect_right(self.pieces, moment, key=_start) - 1
        return self.pieces[index].at(moment) if index >= 0 else self.pieces[0].at(moment)

    def samples(self, start: datetime, end: datetime, step: timedelta) -> tuple[Sample, ...]:
        """The samples at the points of a grid, both ends included."""
        taken = self._taken.get(step)
        if taken is None or not taken.reaches(start):
            taken = self._taken[step] = _Taken(start, step)
        taken.take_until(end, self._values)
        return taken.between(start, end)

    def _values(self, moment: datetime, step: timedelta, count: int) -> Iterator[Sample | None]:
        """The samples at so many points from a moment on."""
        pieces = self.pieces
        index = max(0, bisect.bisect_right(pieces, moment, key=_start) - 1)
        while count > 0:
            ends = pieces[index + 1].start if index + 1 < len(pieces) else None
            points = count if ends is None else min(count, -(-(ends - moment) // step))
            if points > 0:
                yield from pieces[index].samples(moment, step, points)
                moment += points * step
                count -= points
            index += 1

    def go_on(self, piece: Piece) -> None:
        """Add a piece; those that would begin later are dropped."""
        self._taken.clear()
        self.pieces = [each for each in self.pieces if each.start < piece.start]
        self.pieces.append(piece)


class _Taken:
    """The samples of one grid, from a first point on; None where there is no value."""

    def __init__(self, first: datetime, step: timedelta) -> None:
        self._first = first
        self._step = step
        self._points: list[Sample | None] = []
        self._has_gaps = False

    def reaches(self, start: datetime) -> bool:
        """Whether a point is on this grid, and not before its first or beyond what is taken."""
        known_until = self._first + len(self._points) * self._step
        return self._first <= start <= known_until and not (start - self._first) % self._step

    def take_until(self, end: datetime, take: Take) -> None:
        """Take what is missing up to a point."""
        missing = (end - self._first) // self._step + 1 - len(self._points)
        if missing > 0:
            moment = self._first + len(self._points) * self._step
            found = list(take(moment, self._step, missing))
            self._has_gaps |= None in found
            self._points += found

    def between(self, start: datetime, end: datetime) -> tuple[Sample, ...]:
        """The samples from one point to another."""
        first = (start - self._first) // self._step
        points = self._points[first : (end - self._first) // self._step + 1]
        if not self._has_gaps:
            return tuple(points)  # type: ignore[arg-type]  # none of them is missing
        return tuple(each for each in points if each is not None)


def _start(piece: Piece) -> datetime:
    return piece.start


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a plan asks of a metric."""

    lows: tuple[float, ...]
    highs: tuple[float, ...]
    breach: Callable[[float], float]

    def healthy(self, is_share: bool) -> float:
        """A value within all bounds, as far from them as is sensible."""
        low = max(self.lows, default=None)
        high = min(self.highs, default=None)
        if low is not None and high is not None:
            return (low + high) / 2
        if high is not None:
            return high / 2 if high > 0 else high * 2 - 1 if high < 0 else 0.0
        if low is not None:
            above = (low + 1) / 2 if is_share and low <= 1 else low * 1.5
            return above if low > 0 else low / 2 if low < 0 else 1.0
        return _PLAIN


def bounds_of(spec: RolloutSpec, metric: str, triggers: bool = True) -> Bounds:
    """The absolute bounds of a metric, and what a value beyond its first trigger or gate is."""
    lows: list[float] = []
    highs: list[float] = []
    beyond: list[Callable[[float], float]] = []
    for user in _users(spec, metric):
        for bound, is_high in _of(user):
            relative = user.relative_to is not None
            beyond.append(_beyond(bound, is_high=is_high, relative=relative))
            if not relative:
                (highs if is_high else lows).append(bound)
    if not triggers:
        beyond.reverse()
    return Bounds(tuple(lows), tuple(highs), beyond[0] if beyond else lambda healthy: healthy)


def _users(spec: RolloutSpec, metric: str) -> list[Trigger | Gate | GateCondition]:
    users: list[Trigger | Gate | GateCondition] = [*spec.triggers]
    users += [part for gate in spec.gates for part in conditions_of(gate)]
    return [user for user in users if metric_name(user) == metric]


def _of(user: Trigger | Gate | GateCondition) -> Iterator[tuple[float, bool]]:
    if isinstance(user, Trigger):
        high, low = user.above, user.below
    else:
        high, low = user.at_most, user.at_least
    if high is not None:
        yield bound_value(high), True
    if low is not None:
        yield bound_value(low), False


def _beyond(bound: float, *, is_high: bool, relative: bool) -> Callable[[float], float]:
    def beyond(healthy: float) -> float:
        limit = bound * healthy if relative else bound
        room = abs(limit) or 1.0
        return limit + room if is_high else limit - room

    return beyond
