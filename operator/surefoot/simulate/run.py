"""What came of a simulation: a timeline, and where the time went."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from surefoot.api.v1alpha1.durations import in_words, parse_duration
from surefoot.simulate.scenario import Expectation

DOWN = "OperatorDown"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. ``kind`` is who or what: flag, event, person, or why it waits."""

    at: datetime
    kind: str
    text: str
    percent: int | None


class Reached(NamedTuple):
    """A percentage that the flag came to, and the conditions that were in the way until then."""

    percent: int
    at: datetime
    after: tuple[str, ...]


@dataclass(slots=True)
class Run:
    """A whole simulation."""

    began: datetime
    ended: datetime
    entries: list[Entry] = field(default_factory=list)
    spent: dict[str, timedelta] = field(default_factory=dict)
    """How long it was in each phase, by the phase's name."""
    waited: dict[str, timedelta] = field(default_factory=dict)
    """How long each condition was in the way; several may be at once."""
    reached: list[Reached] = field(default_factory=list)
    """When which percentage was reached."""
    percent: int = 0
    rollbacks: int = 0
    completed_at: datetime | None = None
    waits_for: str = ""
    """What it waits for in the end."""
    decisions: int = 0
    at_risk: float = 0.0
    """Percent times hours that the flag stood anywhere: how much was exposed, and how long."""

    @property
    def took(self) -> timedelta | None:
        """How long it took to be complete; None where it is not."""
        return None if self.completed_at is None else self.completed_at - self.began

    def note(self, at: datetime, kind: str, text: str, percent: int | None) -> None:
        """Put something on the timeline."""
        self.entries.append(Entry(at, kind, text, percent))

    def unmet(self, expected: Expectation | None) -> Iterator[str]:
        """What was expected and did not come about, in words."""
        if expected is None:
            return
        if expected.percent is not None and self.percent != expected.percent:
            yield f"it ends at {self.percent}%, and {expected.percent}% was expected"
        is_complete = self.completed_at is not None
        if expected.completed is not None and is_complete is not expected.completed:
            yield f"it is {'' if is_complete else 'not '}complete, and the opposite was expected"
        if expected.rollbacks is not None and self.rollbacks != expected.rollbacks:
            yield f"it rolled back {_times(self.rollbacks)}, and {expected.rollbacks} was expected"
        if expected.within is not None:
            most = parse_duration(expected.within)
            if self.took is None or self.took > most:
                took = "never" if self.took is None else in_words(self.took)
                yield f"it took {took}, and at most {expected.within} was expected"

    def in_lines(self) -> Iterator[str]:
        """The timeline, what it ends with, and where the time went."""
        for entry in self.entries:
            percent = "" if entry.percent is None else f"{entry.percent}%"
            passed = f"+{in_words(entry.at - self.began)}"
            yield f"{entry.at:%a %d %b %H:%M}  {passed:<8} {percent:>4}  {entry.text}"
        yield ""
        yield self.conclusion()
        if self.spent:
            yield f"time went: {_shares(self.spent)}"
        if self.waited:
            yield f"in the way: {_shares(self.waited)}"

    def steps_in_lines(self) -> Iterator[str]:
        """When each percentage is reached, and what it waits for until then."""
        for each in self.reached:
            passed = in_words(each.at - self.began)
            after = f"  after {', '.join(each.after)}" if each.after else ""
            line = f"{each.percent:>4}%  {each.at:%a %d %b %Y %H:%M} UTC  +{passed:<7}{after}"
            yield line.rstrip()

    def conclusion(self) -> str:
        """How it ends, in a sentence."""
        back = f", rolled back {_times(self.rollbacks)}" if self.rollbacks else ""
        if self.took is not None:
            return f"complete after {in_words(self.took)}{back}"
        waits = f": {self.waits_for}" if self.waits_for else ""
        return f"at {self.percent}% after {in_words(self.ended - self.began)}{back}{waits}"

    def as_json(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "began": self.began.isoformat(),
            "ended": self.ended.isoformat(),
            "completedAt": self.completed_at.isoformat() if self.completed_at else None,
            "tookSeconds": None if self.took is None else self.took.total_seconds(),
            "percent": self.percent,
            "rollbacks": self.rollbacks,
            "waitsFor": self.waits_for,
            "decisions": self.decisions,
            "percentHours": round(self.at_risk, 3),
            "reached": [
                {"percent": each.percent, "at": each.at.isoformat(), "after": list(each.after)}
                for each in self.reached
            ],
            "phaseSeconds": {name: length.total_seconds() for name, length in self.spent.items()},
            "inTheWaySeconds": {n: length.total_seconds() for n, length in self.waited.items()},
            "timeline": [
                {
                    "at": entry.at.isoformat(),
                    "kind": entry.kind,
                    "percent": entry.percent,
                    "text": entry.text,
                }
                for entry in self.entries
            ],
        }


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def _shares(lengths: dict[str, timedelta]) -> str:
    longest = sorted(lengths.items(), key=lambda item: item[1], reverse=True)
    return ", ".join(f"{name} {in_words(length)}" for name, length in longest if length)
