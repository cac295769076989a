"""What a metric says, and how far it is from its bounds, as a small plot. Pure."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from surefoot.api.v1alpha1.durations import parse_bound
from surefoot.plugin.amounts import moment_of

JSON = dict[str, Any]
CELLS = 20


@dataclass(frozen=True, slots=True)
class Bound:
    """One bound of a gate or a trigger. ``text`` is as the plan has it, in the query's unit."""

    what: str
    limit: float
    text: str
    is_upper: bool

    def room(self, value: float) -> float:
        """How far the value is on the good side; below 0 it is on the other."""
        return self.limit - value if self.is_upper else value - self.limit

    def in_words(self, value: float | None) -> str:
        """`gate errors, at most 0.5%: 0.38 points of room`."""
        word = "at most" if self.is_upper else "at least"
        said = f"{self.what}: {word} {self.text}"
        if value is None:
            return said
        room = self.room(value)
        share = f", {abs(room) / abs(self.limit):.0%} of it" if self.limit else ""
        return f"{said}; {'room' if room >= 0 else 'over by'} {self._amount(abs(room))}{share}"

    @property
    def is_percent(self) -> bool:
        """Whether the plan has it in percent."""
        return self.text.endswith("%")

    def _amount(self, amount: float) -> str:
        return f"{amount * 100:.3g} points" if self.is_percent else f"{amount:.3g}"

    def plot(self, value: float | None, marks: tuple[str, str]) -> str:
        """A scale from 0 with the value and, as a bar across it, the bound."""
        number = 0.0 if value is None else value
        most = max(abs(number), abs(self.limit)) * 1.25 or 1.0
        least = -most if min(number, self.limit) < 0 else 0.0
        point, edge = (_cell(each, least, most) for each in (number, self.limit))
        scale = [marks[1]] * CELLS
        scale[: point + 1] = [marks[0]] * (point + 1)
        scale[edge] = "│" if marks[0] == "█" else "|"
        return "".join(scale)

    def as_json(self) -> JSON:
        """The bound as JSON values."""
        return {"of": self.what, "atMost" if self.is_upper else "atLeast": self.text}


def _cell(number: float, least: float, most: float) -> int:
    return min(CELLS - 1, max(0, int((number - least) / (most - least) * CELLS)))


@dataclass(frozen=True, slots=True)
class Reading:
    """A metric as the status has it, with all bounds that the plan puts on it."""

    metric: JSON
    bounds: tuple[Bound, ...]

    @property
    def name(self) -> str:
        """The metric."""
        return str(self.metric.get("name"))

    @property
    def value(self) -> float | None:
        """The newest value; None where there is none."""
        try:
            return float(self.metric["value"])
        except (KeyError, TypeError, ValueError):
            return None

    @property
    def observed_at(self) -> datetime | None:
        """When it was asked."""
        return moment_of(self.metric.get("observedAt"))

    @property
    def is_breached(self) -> bool:
        """Whether the value is on the wrong side of a bound."""
        value = self.value
        return value is not None and any(bound.room(value) < 0 for bound in self.bounds)

    @property
    def said(self) -> str:
        """The value; or why there is none."""
        outcome, message = str(self.metric.get("outcome")), self.metric.get("message")
        value = in_unit_of(self.bounds, self.metric.get("value"))
        if outcome == "Value":
            return str(value)
        why = f"{outcome}: {message}" if message else outcome
        return why if value is None else f"{value} ({why})"


def in_unit_of(bounds: Collection[Bound], value: object) -> object:
    """A value as its bounds have it: `0.12%` beside `0.1%`; else as the query has it."""
    try:
        number = float(str(value))
    except ValueError:
        return value
    are_percent = bool(bounds) and all(bound.is_percent for bound in bounds)
    return f"{number * 100:.3g}%" if are_percent else value


def bounds_of_trigger(raw: Mapping[str, Any], name: str) -> list[Bound]:
    """The bounds of a trigger of the plan."""
    what = f"trigger {name}"
    found = _bounds(raw.get("spec") or {}, raw.get("status") or {})
    return [bound for _, bound in found if bound.what == what]


def readings_of(raw: Mapping[str, Any]) -> list[Reading]:
    """Every metric of the status, with its bounds."""
    spec, status = raw.get("spec") or {}, raw.get("status") or {}
    bounds = list(_bounds(spec, status))
    return [
        Reading(dict(metric), tuple(b for name, b in bounds if name == metric.get("name")))
        for metric in status.get("metrics") or ()
    ]


def _bounds(spec: Mapping[str, Any], status: Mapping[str, Any]) -> Iterator[tuple[str, Bound]]:
    for gate in spec.get("gates") or ():
        for part in gate.get("of") or (gate,):
            what = f"gate {gate.get('name')}"
            yield from _of(part, what, (("atMost", True), ("atLeast", False)), status)
    for trigger in spec.get("triggers") or ():
        what = f"trigger {trigger.get('name')}"
        yield from _of(trigger, what, (("above", True), ("below", False)), status)


def _of(
    part: Mapping[str, Any],
    what: str,
    sides: tuple[tuple[str, bool], ...],
    status: Mapping[str, Any],
) -> Iterator[tuple[str, Bound]]:
    metric = str(part.get("metric") or part.get("name"))
    for field, is_upper in sides:
        written = part.get(field)
        if written is None:
            continue
        try:
            limit = parse_bound(written)
        except (ValueError, TypeError):
            continue
        relative = part.get("relativeTo")
        if relative is None:
            yield metric, Bound(what, limit, str(written), is_upper)
            continue
        base = _base(status, metric, relative)
        if base is not None:
            text = f"{limit * base:.6g} ({written} of the {relative})"
            yield metric, Bound(what, limit * base, text, is_upper)


def _base(status: Mapping[str, Any], metric: str, relative: str) -> float | None:
    """What a relative bound is a factor of, as far as a baseline is recorded."""
    recorded = [each for each in status.get("baselines") or () if each.get("metric") == metric]
    if not recorded:
        return None
    chosen = recorded[0] if relative == "Baseline" else recorded[-1]
    try:
        return float(chosen["median"])
    except (KeyError, TypeError, ValueError):
        return None
