"""What a backtest came to: when it would have moved, what was missing, how much room there was."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from surefoot.api.v1alpha1.durations import in_words
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.backtest.history import History
from surefoot.backtest.judging import (
    FAILS,
    FIRING,
    NO_DATA,
    PENDING,
    Bound,
    Spell,
    Verdicts,
    absolute,
    bounds_of,
    judge,
)
from surefoot.domain.facts.windows import number, number_like

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Room:
    """How far from a bound a metric stayed. ``worst`` is the value closest to it, or beyond."""

    bound: Bound
    worst: float | None
    worst_at: datetime | None
    median: float | None

    @property
    def share(self) -> float | None:
        """How much of the way from the middle value to the bound was never used; negative: none."""
        if self.worst is None or self.median is None:
            return None
        way = self.bound.value - self.median
        return (self.bound.value - self.worst) / way if way else None

    def in_words(self) -> str:
        """The room in a sentence."""
        bound = self.bound
        if self.worst is None or self.worst_at is None:
            return f"{bound.user}: {bound.metric} had no value"
        worst = number_like(bound.text, self.worst)
        reached = "highest" if bound.is_upper else "lowest"
        said = f"{bound.user}: {reached} {worst} at {self.worst_at:%a %d %b %H:%M}, "
        said += f"{bound.said}"
        if bound.is_broken_by(self.worst):
            return f"{said}: beyond the bound"
        return f"{said}: {_room(self.share)}"


def _room(share: float | None) -> str:
    return "within the bound" if share is None else f"{share:.0%} of the room was never used"


@dataclass(frozen=True, slots=True)
class Report:
    """A whole backtest."""

    history: History
    verdicts: tuple[Verdicts, ...]
    rooms: tuple[Room, ...]
    missing: dict[str, timedelta]
    """For how long each metric had no value."""

    @property
    def rolls_back(self) -> tuple[tuple[Verdicts, Spell], ...]:
        """Every time that it would have rolled back, the earliest first."""
        found = [
            (each, spell)
            for each in self.verdicts
            if each.action == "Rollback"
            for spell in each.times(FIRING)
        ]
        return tuple(sorted(found, key=lambda pair: pair[1].start))

    @property
    def open_share(self) -> float:
        """The share of the time in which no gate and no trigger was in the way."""
        closed = [
            (spell.start, spell.end)
            for each in self.verdicts
            for spell in each.spells
            if spell.state in {FAILS, NO_DATA, FIRING, PENDING}
        ]
        taken, reached = timedelta(0), self.history.stretch.start
        for start, end in sorted(closed):
            taken += max(timedelta(0), end - max(start, reached))
            reached = max(reached, end)
        whole = self.history.stretch.length + self.history.stretch.every
        return max(0.0, 1 - taken / whole)

    def in_lines(self) -> Iterator[str]:
        """The report for people."""
        stretch = self.history.stretch
        yield (
            f"{stretch.start:%Y-%m-%d %H:%M} to {stretch.end:%Y-%m-%d %H:%M} UTC "
            f"({in_words(stretch.length)}, every {in_words(stretch.every)})"
        )
        yield ""
        for each in self.verdicts:
            yield from _lines_of(each, stretch.every)
        yield ""
        for room in self.rooms:
            yield room.in_words()
        for metric, length in self.missing.items():
            if length:
                yield f"{metric} had no value for {in_words(length)}"
        yield ""
        yield self.conclusion()

    def conclusion(self) -> str:
        """What it would have come to, in a sentence."""
        times = len(self.rolls_back)
        open_ = f"a step could have been taken {self.open_share:.1%} of the time"
        if not times:
            return f"it would not have rolled back; {open_}"
        first = self.rolls_back[0]
        often = "once" if times == 1 else f"{times} times"
        when = f"{first[1].start:%a %d %b %H:%M}"
        return f"it would have rolled back {often}, first at {when} ({first[0].name}); {open_}"

    def as_json(self) -> dict[str, Any]:
        """The report for programs."""
        stretch = self.history.stretch
        return {
            "from": stretch.start.isoformat(),
            "to": stretch.end.isoformat(),
            "everySeconds": stretch.every.total_seconds(),
            "rollsBack": [
                {"trigger": each.name, "at": spell.start.isoformat()}
                for each, spell in self.rolls_back
            ],
            "openShare": round(self.open_share, 6),
            "missingSeconds": {n: length.total_seconds() for n, length in self.missing.items()},
            "verdicts": [
                {
                    "kind": each.kind,
                    "name": each.name,
                    "says": each.says,
                    "action": each.action or None,
                    "spells": [
                        {
                            "state": spell.state,
                            "from": spell.start.isoformat(),
                            "to": spell.end.isoformat(),
                        }
                        for spell in each.spells
                    ],
                }
                for each in self.verdicts
            ],
            "bounds": [
                {
                    "of": room.bound.user,
                    "metric": room.bound.metric,
                    "side": room.bound.side,
                    "bound": room.bound.text,
                    "worst": None if room.worst is None else number(room.worst),
                    "worstAt": None if room.worst_at is None else room.worst_at.isoformat(),
                    "median": None if room.median is None else number(room.median),
                    "room": None if room.share is None else round(room.share, 4),
                }
                for room in self.rooms
            ],
        }


def backtest(rollout: Rollout, history: History) -> Report:
    """Judge a plan by what was."""
    spec = absolute(rollout.spec, history)
    bounds = tuple(bounds_of(spec))
    return Report(
        history=history,
        verdicts=judge(rollout, history),
        rooms=tuple(_room_of(bound, history) for bound in bounds),
        missing={name: _missing(name, history) for name in {bound.metric: 0 for bound in bounds}},
    )


def _room_of(bound: Bound, history: History) -> Room:
    measurement = history.finest(bound.metric)
    samples = [
        each
        for each in (measurement.samples if measurement is not None else ())
        if each.is_number and each.at >= history.stretch.start
    ]
    if not samples:
        return Room(bound, None, None, None)
    choose = max if bound.is_upper else min
    worst = choose(samples, key=lambda sample: sample.value)
    return Room(bound, worst.value, worst.at, statistics.median(s.value for s in samples))


def _missing(metric: str, history: History) -> timedelta:
    measurement = history.finest(metric)
    if measurement is None:
        return timedelta(0)
    expected = (history.stretch.end - history.stretch.start) // measurement.step + 1
    return max(0, expected - len(history.numbers(metric))) * measurement.step


def _lines_of(each: Verdicts, every: timedelta) -> Iterator[str]:
    """What one gate or trigger said, and when it was in the way."""
    whole = sum((spell.length for spell in each.spells), timedelta(0))
    action = f" ({each.action})" if each.action else ""
    head = f"{each.kind} {each.name}{action}, {each.says}:"
    if not whole:
        yield f"{head} was not asked"
        return
    parts = [
        f"{state} {each.spent(state) / whole:.1%}"
        for state in dict.fromkeys(spell.state for spell in each.spells)
    ]
    yield f"{head} {', '.join(parts)}"
    bad = [spell for spell in each.spells if spell.state in {FIRING, FAILS, NO_DATA}]
    for spell in bad[:_SHOWN]:
        yield (
            f"    {spell.state} from {spell.start:%a %d %b %H:%M:%S} "
            f"for {in_words(max(spell.length, every))}"
        )
    if len(bad) > _SHOWN:
        yield f"    and {len(bad) - _SHOWN} times more"
