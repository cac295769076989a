"""Bounds from quantiles of what was, with the alarms that each would have raised.

What was is taken for healthy: every alarm counted here would have been a false one.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from surefoot.api.v1alpha1.durations import in_words
from surefoot.api.v1alpha1.rollout import Rollout, Trigger
from surefoot.backtest.history import History, step_of
from surefoot.backtest.judging import FIRING, Bound, absolute, as_bound, bounds_of, judge_trigger
from surefoot.domain.facts.windows import number

QUANTILES = (0.95, 0.99, 0.999, 1.0)
MARGIN = 1.2
"""What lies a fifth beyond the worst that was seen is suggested as well."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A bound, where it comes from, and what it would have done."""

    bound: Bound
    source: str
    value: float
    text: str
    alarms: int
    """How often a trigger would have fired, or a gate would have closed."""
    lost: timedelta
    """For how long."""
    is_present: bool = False

    def as_json(self) -> dict[str, Any]:
        """The suggestion for programs."""
        return {
            "of": self.bound.user,
            "metric": self.bound.metric,
            "side": self.bound.side,
            "source": self.source,
            "bound": self.text,
            "falseAlarms": self.alarms,
            "lostSeconds": self.lost.total_seconds(),
            "present": self.is_present,
        }

    def as_row(self) -> tuple[str, ...]:
        """The suggestion for people."""
        lost = in_words(self.lost) if self.lost else "-"
        side = replace(self.bound, text=self.text).said
        return self.bound.user, self.bound.metric, self.source, side, str(self.alarms), lost


def suggestions(rollout: Rollout, history: History) -> Iterator[Suggestion]:
    """For every bound of the plan: what it is, and what it might be."""
    spec = absolute(rollout.spec, history)
    plan = rollout.model_copy(update={"spec": spec})
    for bound in bounds_of(spec):
        numbers = sorted(history.numbers(bound.metric), reverse=not bound.is_upper)
        is_share = all(0 <= each <= 1 for each in numbers)
        yield _tried(plan, history, bound, "the plan", bound.value, is_present=True)
        seen = {bound.value}
        for source, value in _candidates(numbers, bound.is_upper, is_share):
            if value not in seen:
                seen.add(value)
                yield _tried(plan, history, bound, source, value)


def _candidates(
    numbers: list[float], is_upper: bool, is_share: bool
) -> Iterator[tuple[str, float]]:
    if not numbers:
        return
    for quantile in QUANTILES:
        value = numbers[min(len(numbers) - 1, math.ceil(quantile * len(numbers)) - 1)]
        name = "the worst" if quantile == 1 else f"{quantile * 100:g}% of values"
        yield name, _rounded(value, is_upper)
    worst = numbers[-1]
    beyond = worst * MARGIN if (worst > 0) is is_upper else worst / MARGIN
    if is_share:
        beyond = min(1.0, max(0.0, beyond))
    yield "a fifth beyond", _rounded(beyond, is_upper)


def _rounded(value: float, is_upper: bool) -> float:
    """Two significant digits, to the side that lets the value pass."""
    if value == 0:
        return 0.0
    scale = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    steps = value / scale
    nearest = round(steps)
    whole = (
        nearest
        if math.isclose(steps, nearest, rel_tol=1e-9)
        else (math.ceil(steps) if is_upper else math.floor(steps))
    )
    return float(f"{whole * scale:.12g}")


def _tried(
    plan: Rollout,
    history: History,
    bound: Bound,
    source: str,
    value: float,
    *,
    is_present: bool = False,
) -> Suggestion:
    kind, _, name = bound.user.partition(" ")
    text = bound.text if is_present else _like(bound.text, value)
    if kind == "trigger":
        trigger = next(each for each in plan.spec.triggers if each.name == name)
        alarms, lost = _of_trigger(plan, history, trigger, bound, as_bound(value))
    else:
        alarms, lost = _of_gate(plan, history, bound, value)
    return Suggestion(bound, source, value, text, alarms, lost, is_present)


def _like(text: str, value: float) -> str:
    """A bound as this plan writes them: percentages stay percentages."""
    return f"{number(value * 100)}%" if text.endswith("%") else number(value)


def _of_trigger(
    plan: Rollout, history: History, trigger: Trigger, bound: Bound, text: str
) -> tuple[int, timedelta]:
    changed = trigger.model_copy(update={bound.side: text})
    fired = judge_trigger(plan.spec, changed, history).times(FIRING)
    return len(fired), sum((spell.length for spell in fired), timedelta(0))


def _of_gate(plan: Rollout, history: History, bound: Bound, value: float) -> tuple[int, timedelta]:
    """How often and how long a gate would have been closed by values beyond the bound."""
    step = step_of(plan.spec, bound.for_, history.stretch.every)
    measurement = history.series[bound.metric, step]
    tried = Bound(bound.user, bound.metric, bound.side, bound.text, value, bound.for_)
    times, lost, until = 0, timedelta(0), history.stretch.start
    for sample in measurement.samples:
        if not sample.is_number or not tried.is_broken_by(sample.value):
            continue
        start, end = max(sample.at, until), sample.at + bound.for_ + step
        if end <= until:
            continue
        times += sample.at > until or not lost
        lost += end - start
        until = end
    return times, lost
