"""What a plan says that can hardly be meant. Nothing is refused for it.

A bound of 5 on a share of requests is never reached: anyone who wrote it meant 5%. Such a plan is
valid, and its trigger never fires. People are told, with the value that was seen.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from surefoot.api.v1alpha1.rollout import Gate, GateCondition, RelativeTo, RolloutSpec, Trigger
from surefoot.domain.facts.measurements import Measurement, QueryFacts
from surefoot.domain.facts.memory import remembered_with
from surefoot.domain.facts.questions import conditions_of, metric_name
from surefoot.domain.facts.windows import bound_value, number_like

MOST_WARNINGS = 16
"""As many as the status takes."""


@dataclass(frozen=True, slots=True)
class PlanWarning:
    """One thing that can hardly be meant: a word for tools, a sentence for people, and where."""

    reason: str
    message: str
    path: str


@dataclass(frozen=True, slots=True)
class _Facts:
    queries: Mapping[str, QueryFacts]
    measurements: Mapping[str, Measurement]

    def seen(self, metric: str, bound: int | str | None = None) -> str:
        """The newest value, in the unit of the bound, as the end of a sentence."""
        value = self.value(metric)
        return "it has no value now" if value is None else f"it is {number_like(bound, value)} now"

    def value(self, metric: str) -> float | None:
        """The newest value of a metric, where it has one."""
        measurement = self.measurements.get(metric)
        return None if measurement is None else measurement.value

    def is_share(self, metric: str) -> bool:
        """Whether a metric looks like a share, and no value that was seen contradicts it."""
        facts = self.queries.get(metric)
        value = self.value(metric)
        return facts is not None and facts.is_ratio and (value is None or 0 <= value <= 1)

    def may_be_empty(self, metric: str) -> bool:
        """Whether a metric has no value until something has happened."""
        facts = self.queries.get(metric)
        return facts is not None and facts.may_be_empty


def plan_warnings(
    spec: RolloutSpec,
    queries: Mapping[str, QueryFacts],
    measurements: Mapping[str, Measurement],
) -> tuple[PlanWarning, ...]:
    """What can hardly be meant, the worst first, at most `MOST_WARNINGS`.

    A query that was not parsed yet, or cannot be, is not warned of.
    """
    facts = _Facts(queries, measurements)
    warnings = (
        warning
        for rule in (
            _unreachable_triggers,
            _unreachable_gates,
            _negative_factors,
            _loose_gates,
            _empty_queries,
        )
        for warning in rule(spec, facts)
    )
    return tuple(islice(warnings, MOST_WARNINGS))


def _unreachable_triggers(spec: RolloutSpec, facts: _Facts) -> Iterator[PlanWarning]:
    """Triggers that never or always fire, because a share lies between 0 and 1."""
    for trigger in spec.triggers:
        metric = metric_name(trigger)
        if trigger.relative_to is not None or not facts.is_share(metric):
            continue
        path = f"spec.triggers[{trigger.name}]"
        if trigger.above is not None:
            bound, above = trigger.above, bound_value(trigger.above)
            effect = "never fires" if above >= 1 else "always fires" if above < 0 else ""
            side = "above"
        elif trigger.below is not None:
            bound, below = trigger.below, bound_value(trigger.below)
            effect = "always fires" if below > 1 else "never fires" if below <= 0 else ""
            side = "below"
        else:
            continue
        if effect:
            yield _cannot_be_meant(
                f"trigger {trigger.name} {effect}: {side} {bound}",
                metric,
                bound,
                f"{path}.{side}",
                facts,
            )


def _unreachable_gates(spec: RolloutSpec, facts: _Facts) -> Iterator[PlanWarning]:
    """Gates that always or never hold, because a share lies between 0 and 1."""
    shares = {metric.name for metric in spec.metrics if facts.is_share(metric.name)}
    for gate, condition, metric in _conditions(spec):
        if condition.relative_to is not None or metric not in shares:
            continue
        for side, bound in (("atMost", condition.at_most), ("atLeast", condition.at_least)):
            effect = _effect_on_gate(side, bound)
            if bound is not None and effect:
                yield _cannot_be_meant(
                    f"gate {_called(gate, condition)} {effect}: {side} {bound}",
                    metric,
                    bound,
                    f"{_path(gate, condition)}.{side}",
                    facts,
                )


def _negative_factors(spec: RolloutSpec, _: _Facts) -> Iterator[PlanWarning]:
    """Bounds below 0 that are factors of a baseline, which is itself above 0."""
    users: list[tuple[str, str, RelativeTo | None, dict[str, int | str | None]]] = [
        (
            f"trigger {trigger.name}",
            f"spec.triggers[{trigger.name}]",
            trigger.relative_to,
            {"above": trigger.above, "below": trigger.below},
        )
        for trigger in spec.triggers
    ]
    users += [
        (
            f"gate {_called(gate, condition)}",
            _path(gate, condition),
            condition.relative_to,
            {"atMost": condition.at_most, "atLeast": condition.at_least},
        )
        for gate, condition, _metric in _conditions(spec)
    ]
    for user, path, relative_to, bounds in users:
        for side, bound in bounds.items():
            if relative_to is not None and bound is not None and bound_value(bound) < 0:
                yield PlanWarning(
                    "BoundCannotBeMeant",
                    f"{user}: {side} {bound} is a factor of a baseline, and both are above 0; "
                    '"120%" would be a fifth more than the baseline',
                    f"{path}.{side}",
                )


def _effect_on_gate(side: str, bound: int | str | None) -> str:
    """What a bound on a share comes to, where that does not depend on the share."""
    if bound is None:
        return ""
    value = bound_value(bound)
    if side == "atMost":
        return "always holds" if value >= 1 else "never holds" if value < 0 else ""
    return "never holds" if value > 1 else "always holds" if value <= 0 else ""


def _cannot_be_meant(
    statement: str, metric: str, bound: int | str, path: str, facts: _Facts
) -> PlanWarning:
    percent = f'; "{bound}%" would be a percentage' if not str(bound).endswith("%") else ""
    return PlanWarning(
        "BoundCannotBeMeant",
        f"{statement}, but the query of {metric} is a share, which lies between 0 and 1; "
        f"{facts.seen(metric, bound)}{percent}",
        path,
    )


def _loose_gates(spec: RolloutSpec, facts: _Facts) -> Iterator[PlanWarning]:
    """Gates that still hold where a trigger on the same metric fires."""
    for loose in loose_bounds(spec):
        gate, condition, metric, trigger = loose.gate, loose.condition, loose.metric, loose.trigger
        seen = f"; {facts.seen(metric, loose.fires)}" if condition.relative_to is None else ""
        yield PlanWarning(
            "GateLooserThanTrigger",
            f"gate {_called(gate, condition)} holds {loose.side} {loose.holds}, where trigger "
            f"{trigger.name} fires {loose.trigger_side} {loose.fires} already{seen}",
            f"{_path(gate, condition)}.{loose.side}",
        )


class _LooseBound(NamedTuple):
    """A bound of a gate, and the trigger on the same metric that fires where the gate holds."""

    gate: Gate
    condition: Gate | GateCondition
    metric: str
    trigger: Trigger
    side: str
    holds: int | str
    trigger_side: str
    fires: int | str


@remembered_with
def loose_bounds(spec: RolloutSpec) -> tuple[_LooseBound, ...]:
    """The bounds of gates at which a trigger beside them fires already."""
    by_measure: dict[tuple[str, RelativeTo | None], list[Trigger]] = {}
    for trigger in spec.triggers:
        by_measure.setdefault((metric_name(trigger), trigger.relative_to), []).append(trigger)
    loose = (
        _LooseBound(gate, condition, metric, trigger, *bounds)
        for gate, condition, metric in _conditions(spec)
        for trigger in by_measure.get((metric, condition.relative_to), ())
        if (bounds := _looser(condition, trigger)) is not None
    )
    return tuple(islice(loose, MOST_WARNINGS))


def _looser(
    condition: Gate | GateCondition, trigger: Trigger
) -> tuple[str, int | str, str, int | str] | None:
    """The bounds of a gate and of a trigger, where the gate holds and the trigger fires.

    Where both are of the same kind the gate is looser; else it holds nowhere but there.
    """
    at_most, at_least = condition.at_most, condition.at_least
    if trigger.above is not None:
        fires = bound_value(trigger.above)
        for side, holds in (("atMost", at_most), ("atLeast", at_least)):
            if holds is not None and bound_value(holds) > fires:
                return side, holds, "above", trigger.above
    if trigger.below is not None:
        fires = bound_value(trigger.below)
        for side, holds in (("atLeast", at_least), ("atMost", at_most)):
            if holds is not None and bound_value(holds) < fires:
                return side, holds, "below", trigger.below
    return None


def _empty_queries(spec: RolloutSpec, facts: _Facts) -> Iterator[PlanWarning]:
    """Queries that have no value as long as all is well: 0 would be within an upper bound.

    Of what has a lower bound, or is compared with an earlier value, 0 would be no good news: there
    it is right to wait for data.
    """
    bounded_above = {
        metric_name(trigger)
        for trigger in spec.triggers
        if trigger.above is not None and trigger.relative_to is None
    }
    bounded_above |= {
        metric
        for _, condition, metric in _conditions(spec)
        if condition.at_most is not None and condition.relative_to is None
    }
    for metric in spec.metrics:
        if metric.name in bounded_above and facts.may_be_empty(metric.name):
            yield PlanWarning(
                "SeriesMayNotExist",
                f"metric {metric.name} counts what may never have happened, and has no value until "
                f"then; {facts.seen(metric.name)}; add `or vector(0)` to what it counts",
                f"spec.metrics[{metric.name}].query",
            )


@remembered_with
def _conditions(spec: RolloutSpec) -> tuple[tuple[Gate, Gate | GateCondition, str], ...]:
    """Every bound of the plan's gates, its gate, and the metric that it is about."""
    return tuple(
        (gate, condition, metric_name(condition))
        for gate in spec.gates
        for condition in conditions_of(gate)
    )


def _called(gate: Gate, condition: Gate | GateCondition) -> str:
    return gate.name if condition is gate else f"{gate.name}/{condition.name}"


def _path(gate: Gate, condition: Gate | GateCondition) -> str:
    path = f"spec.gates[{gate.name}]"
    return path if condition is gate else f"{path}.of[{condition.name}]"
