"""What a plan says that can hardly be meant. Nothing is refused for it.

A bound of 5 on a share of requests is never reached: anyone who wrote it meant 5%. Such a plan is
valid, and its trigger never fires. People are told, with the value that was seen.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from surefoot.api.v1alpha1.rollout import Gate, GateCondition, RelativeTo, RolloutSpec, Trigger
from surefoot.domain.facts.measurements import Measurement, QueryFacts
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
    found = (
        warning
        for rule in (_unreachable_triggers, _unreachable_gates, _loose_gates, _empty_queries)
        for warning in rule(spec, facts)
    )
    return tuple(islice(found, MOST_WARNINGS))


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
    for gate, condition in _conditions(spec):
        metric = metric_name(condition)
        if condition.relative_to is not None or not facts.is_share(metric):
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


def _effect_on_gate(side: str, bound: int | str | None) -> str:
    """What a bound on a share comes to, where that does not depend on the share."""
    if bound is None:
        return ""
    value = bound_value(bound)
    if side == "atMost":
        return "always holds" if value >= 1 else "never holds" if value < 0 else ""
    return "never holds" if value > 1 else "always holds" if value <= 0 else ""


def _cannot_be_meant(
    said: str, metric: str, bound: int | str, path: str, facts: _Facts
) -> PlanWarning:
    percent = f'; "{bound}%" would be a percentage' if not str(bound).endswith("%") else ""
    return PlanWarning(
        "BoundCannotBeMeant",
        f"{said}, but the query of {metric} is a share, which lies between 0 and 1; "
        f"{facts.seen(metric, bound)}{percent}",
        path,
    )


def _loose_gates(spec: RolloutSpec, facts: _Facts) -> Iterator[PlanWarning]:
    """Gates that still hold where a trigger on the same metric fires."""
    by_measure: dict[tuple[str, RelativeTo | None], list[Trigger]] = {}
    for trigger in spec.triggers:
        by_measure.setdefault((metric_name(trigger), trigger.relative_to), []).append(trigger)
    for gate, condition in _conditions(spec):
        for trigger in by_measure.get((metric_name(condition), condition.relative_to), ()):
            looser = _looser(condition, trigger)
            if looser is not None:
                side, gate_bound, trigger_side, bound = looser
                seen = ""
                if condition.relative_to is None:
                    seen = f"; {facts.seen(metric_name(condition), bound)}"
                yield PlanWarning(
                    "GateLooserThanTrigger",
                    f"gate {_called(gate, condition)} holds {side} {gate_bound}, where trigger "
                    f"{trigger.name} fires {trigger_side} {bound} already{seen}",
                    f"{_path(gate, condition)}.{side}",
                )


def _looser(
    condition: Gate | GateCondition, trigger: Trigger
) -> tuple[str, int | str, str, int | str] | None:
    """The bounds of a gate and of a trigger, where the gate holds and the trigger fires."""
    if (
        condition.at_most is not None
        and trigger.above is not None
        and bound_value(condition.at_most) > bound_value(trigger.above)
    ):
        return "atMost", condition.at_most, "above", trigger.above
    if (
        condition.at_least is not None
        and trigger.below is not None
        and bound_value(condition.at_least) < bound_value(trigger.below)
    ):
        return "atLeast", condition.at_least, "below", trigger.below
    return None


def _empty_queries(spec: RolloutSpec, facts: _Facts) -> Iterator[PlanWarning]:
    """Queries that have no value until something has happened, which a gate or trigger awaits."""
    used = {metric_name(trigger) for trigger in spec.triggers}
    used |= {metric_name(condition) for _, condition in _conditions(spec)}
    for metric in spec.metrics:
        if metric.name in used and facts.may_be_empty(metric.name):
            yield PlanWarning(
                "SeriesMayNotExist",
                f"metric {metric.name} counts what may never have happened, and has no value until "
                f"then; {facts.seen(metric.name)}; add `or vector(0)` to what it counts",
                f"spec.metrics[{metric.name}].query",
            )


def _conditions(spec: RolloutSpec) -> Iterator[tuple[Gate, Gate | GateCondition]]:
    return ((gate, condition) for gate in spec.gates for condition in conditions_of(gate))


def _called(gate: Gate, condition: Gate | GateCondition) -> str:
    return gate.name if condition is gate else f"{gate.name}/{condition.name}"


def _path(gate: Gate, condition: Gate | GateCondition) -> str:
    path = f"spec.gates[{gate.name}]"
    return path if condition is gate else f"{path}.of[{condition.name}]"
