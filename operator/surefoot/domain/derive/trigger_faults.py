"""Which triggers of a plan can be judged, whatever else is wrong with the plan."""

from collections.abc import Mapping

from surefoot.api.v1alpha1.rollout import RolloutSpec, Trigger
from surefoot.domain.facts.memory import remembered_with
from surefoot.domain.facts.snapshot import FlagFacts
from surefoot.domain.facts.steps import allowed_percents, metrics_by_name
from surefoot.domain.facts.verdicts import UnmetRequirement


def valid_triggers(facts: FlagFacts) -> tuple[Trigger, ...]:
    """The triggers that can be judged."""
    return tuple(
        trigger
        for trigger in facts.rollout.spec.triggers
        if not trigger_faults(facts.rollout.spec, trigger)
        and metric_fault(facts, trigger.metric or trigger.name) is None
    )


def trigger_faults(spec: RolloutSpec, trigger: Trigger) -> tuple[UnmetRequirement, ...]:
    """What is wrong with one trigger by itself."""
    return _faults_by_trigger(spec)[trigger.name]


@remembered_with
def _faults_by_trigger(spec: RolloutSpec) -> Mapping[str, tuple[UnmetRequirement, ...]]:
    return {trigger.name: _trigger_faults(spec, trigger) for trigger in spec.triggers}


def _trigger_faults(spec: RolloutSpec, trigger: Trigger) -> tuple[UnmetRequirement, ...]:
    faults = list(unknown_metric(spec, f"trigger {trigger.name}", trigger.metric or trigger.name))
    if isinstance(trigger.to, int) and trigger.to not in allowed_percents(spec):
        percents = ", ".join(str(step.percent) for step in spec.steps)
        faults.append(
            UnmetRequirement(
                "TriggerTargetNotAStep",
                f"trigger {trigger.name} goes to {trigger.to}%, which is no step of the plan; "
                f"name 0 or one of {percents}",
            )
        )
    return tuple(faults)


def metric_fault(facts: FlagFacts, name: str) -> UnmetRequirement | None:
    """Why a metric of the plan cannot be asked; None if it can, or if the plan has no such."""
    metric = metrics_by_name(facts.rollout.spec).get(name)
    if metric is None:
        return None
    if metric.provider not in facts.providers:
        known = ", ".join(sorted(facts.providers)) or "none"
        return UnmetRequirement(
            "UnknownProvider",
            f"metric {name} names the provider {metric.provider}, which is not configured for this "
            f"namespace; configured: {known}",
        )
    query = facts.queries.get(name)
    if query is not None and not query.is_known:
        return UnmetRequirement("QueryNotParsedYet", f"metric {name}: its query is being parsed")
    if query is not None and query.fault is not None:
        return UnmetRequirement("InvalidQuery", f"metric {name}: {query.fault}")
    return None


def unknown_metric(spec: RolloutSpec, user: str, name: str) -> tuple[UnmetRequirement, ...]:
    """The fault of naming a metric that the plan does not define; empty where it does."""
    known = metrics_by_name(spec)
    if name in known:
        return ()
    return (
        UnmetRequirement(
            "UnknownMetric",
            f"{user} uses the metric {name}, which the plan does not define; defined: "
            f"{', '.join(known) or 'none'}",
        ),
    )
