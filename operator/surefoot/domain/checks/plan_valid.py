"""What is wrong with a plan, beyond what its schema can tell.

An invalid plan advances nothing. Every trigger that is itself valid stays in force.
"""

from collections.abc import Iterable
from itertools import pairwise

from surefoot.api.v1alpha1.durations import parse_bound
from surefoot.api.v1alpha1.rollout import (
    CheckpointPlan,
    FlagFormat,
    RolloutSpec,
    Trigger,
)
from surefoot.domain.checks.dependencies import dependency_faults
from surefoot.domain.checks.rehearsal import rehearsal_faults
from surefoot.domain.checks.schedule import schedule_faults
from surefoot.domain.checks.scorecard import scorecard_faults
from surefoot.domain.facts.snapshot import Snapshot
from surefoot.domain.facts.steps import ZERO, allowed_percents, hold_of
from surefoot.domain.facts.verdicts import ConditionType, UnmetRequirement, Verdict, blocks, passes
from surefoot.domain.flag.cohorts import cohort_faults
from surefoot.domain.flag.config_map import adoption, belongs_to, is_offered

DEFAULT_EXPANSION_FACTOR = 3
_BUILT = (FlagFormat.PERCENTAGE, FlagFormat.FLAGD)
_ROUNDING = 1e-9
"""A factor such as 1.1 is not exact in binary; percentages are whole numbers."""


def plan_faults(snapshot: Snapshot) -> tuple[UnmetRequirement, ...]:
    """Everything that is wrong with the plan, target included. Empty for a valid plan."""
    spec = snapshot.rollout.spec
    return (
        *_target_faults(snapshot),
        *_not_built(spec),
        *_step_faults(snapshot),
        *_metric_faults(snapshot),
        *_gate_faults(spec),
        *_baseline_faults(spec),
        *(_unknown_metric(spec, "coverage", spec.coverage.metric) if spec.coverage else ()),
        *(
            fault
            for cohort in spec.cohorts
            if cohort.metric is not None
            for fault in _unknown_metric(spec, f"cohort {cohort.name}", cohort.metric)
        ),
        *_checkpoint_faults(spec),
        *schedule_faults(spec.schedule),
        *dependency_faults(snapshot.rollout, snapshot.upstreams, snapshot.shared_namespaces),
        *scorecard_faults(spec),
        *rehearsal_faults(spec),
        *cohort_faults(spec),
        *(fault for trigger in spec.triggers for fault in trigger_faults(snapshot, trigger)),
    )


def valid_triggers(snapshot: Snapshot) -> tuple[Trigger, ...]:
    """The triggers that can be judged, whatever else is wrong with the plan."""
    return tuple(
        trigger
        for trigger in snapshot.rollout.spec.triggers
        if not trigger_faults(snapshot, trigger)
        and metric_fault(snapshot, trigger.metric or trigger.name) is None
    )


def _target_faults(snapshot: Snapshot) -> Iterable[UnmetRequirement]:
    rollout, found = snapshot.rollout, snapshot.config_map
    name = rollout.spec.target.config_map_name
    rival = _stronger_claim(snapshot)
    if rival is not None:
        yield UnmetRequirement(
            "ConfigMapClaimed",
            f"ConfigMap {name} is moved by Rollout {rival}; name another ConfigMap, or delete one "
            "of the two Rollouts",
        )
        return
    if rollout.status.committed is not None or found is None or belongs_to(found, rollout):
        return
    if not is_offered(found, rollout):
        yield UnmetRequirement(
            "ConfigMapExists",
            f"ConfigMap {name} exists and is not this Rollout's; to take it over without moving "
            "anybody, annotate it",
            f"kubectl annotate configmap {name} -n {rollout.metadata.namespace} "
            f"surefoot.dev/adopt={rollout.metadata.name}",
        )
        return
    offered = adoption(found, rollout)
    if offered.percent is None:
        yield UnmetRequirement(offered.reason, offered.message)


def _stronger_claim(snapshot: Snapshot) -> str | None:
    """The Rollout that this ConfigMap is left to: who started, then the older, then by UID."""
    metadata = snapshot.rollout.metadata
    if not snapshot.claims or metadata.creation_timestamp is None:
        return None
    started = snapshot.rollout.status.committed is not None
    mine = (not started, metadata.creation_timestamp, metadata.uid)
    stronger = [
        claim
        for claim in snapshot.claims
        if (not claim.started, claim.created_at, claim.uid) < mine
    ]
    return (
        min(stronger, key=lambda claim: (not claim.started, claim.created_at)).name
        if (stronger)
        else None
    )


def _not_built(spec: RolloutSpec) -> Iterable[UnmetRequirement]:
    """Parts of the contract that this version does not have yet: refused, never ignored."""
    asked = {
        f"target.format {spec.target.format.value}": spec.target.format not in _BUILT,
        "delivery": spec.delivery is not None,
    }
    for what, is_asked in asked.items():
        if is_asked:
            yield UnmetRequirement(
                "NotSupported",
                f"this version does not support {what} yet; remove it, or wait for a version that "
                "does",
            )


def _step_faults(snapshot: Snapshot) -> Iterable[UnmetRequirement]:
    status, spec = snapshot.rollout.status, snapshot.rollout.spec
    current = status.percent
    if current is not None and current not in allowed_percents(spec):
        percents = ", ".join(str(step.percent) for step in spec.steps)
        yield UnmetRequirement(
            "CurrentStepRemoved",
            f"the flag stands at {current} %, which the plan no longer has ({percents}); put the "
            f"step with percent {current} back",
        )


def _metric_faults(snapshot: Snapshot) -> Iterable[UnmetRequirement]:
    spec = snapshot.rollout.spec
    for metric in spec.metrics:
        fault = metric_fault(snapshot, metric.name)
        if fault is not None:
            yield fault


def metric_fault(snapshot: Snapshot, name: str) -> UnmetRequirement | None:
    """Why a metric of the plan can not be asked; None if it can, or if the plan has no such."""
    metric = next((m for m in snapshot.rollout.spec.metrics if m.name == name), None)
    if metric is None:
        return None
    if metric.provider not in snapshot.providers:
        known = ", ".join(sorted(snapshot.providers)) or "none"
        return UnmetRequirement(
            "UnknownProvider",
            f"metric {name} names the provider {metric.provider}, which is not configured for this "
            f"namespace; configured: {known}",
        )
    facts = snapshot.queries.get(name)
    if facts is not None and facts.fault is not None:
        return UnmetRequirement("InvalidQuery", f"metric {name}: {facts.fault}")
    return None


def _unknown_metric(spec: RolloutSpec, what: str, name: str) -> Iterable[UnmetRequirement]:
    known = [metric.name for metric in spec.metrics]
    if name not in known:
        yield UnmetRequirement(
            "UnknownMetric",
            f"{what} uses the metric {name}, which the plan does not define; defined: "
            f"{', '.join(known) or 'none'}",
        )


def trigger_faults(snapshot: Snapshot, trigger: Trigger) -> tuple[UnmetRequirement, ...]:
    """What is wrong with one trigger by itself."""
    spec = snapshot.rollout.spec
    faults = list(_unknown_metric(spec, f"trigger {trigger.name}", trigger.metric or trigger.name))
    if isinstance(trigger.to, int) and trigger.to not in allowed_percents(spec):
        percents = ", ".join(str(step.percent) for step in spec.steps)
        faults.append(
            UnmetRequirement(
                "TriggerTargetNotAStep",
                f"trigger {trigger.name} goes to {trigger.to} %, which is no step of the plan; "
                f"name 0 or one of {percents}",
            )
        )
    return tuple(faults)


def _baseline_faults(spec: RolloutSpec) -> Iterable[UnmetRequirement]:
    records = any(hold_of(spec, index).baseline > ZERO for index in range(len(spec.steps)))
    if records and not spec.metrics:
        yield UnmetRequirement(
            "NothingToRecord",
            "hold.baseline records the metrics of the plan, and it has none; add metrics, or "
            "remove hold.baseline",
        )
    for gate in spec.gates:
        if gate.of is not None and gate.relative_to is not None:
            yield UnmetRequirement(
                "GroupIsRelative",
                f"gate {gate.name} is a group, which has no bound of its own; give relativeTo to "
                "the conditions in its of",
            )


def _gate_faults(spec: RolloutSpec) -> Iterable[UnmetRequirement]:
    for gate in spec.gates:
        for part in gate.of if gate.of is not None else (gate,):
            yield from _unknown_metric(spec, f"gate {gate.name}", part.metric or part.name)
    known = {gate.name for gate in spec.gates}
    holds = [("hold", spec.hold)]
    holds += [(f"steps[{step.percent}].hold", step.hold) for step in spec.steps]
    for where, hold in holds:
        for name in (hold.gates or ()) if hold else ():
            if name not in known:
                yield UnmetRequirement(
                    "UnknownGate",
                    f"{where} names the gate {name}, which the plan does not define; defined: "
                    f"{', '.join(sorted(known)) or 'none'}",
                )


def _checkpoint_faults(spec: RolloutSpec) -> Iterable[UnmetRequirement]:
    own = [
        (step.percent, plan)
        for step in spec.steps
        for plan in ((step.hold.checkpoints or ()) if step.hold else ())
    ]
    first_at: dict[str, int] = {}
    for percent, plan in own:
        if plan.name in first_at:
            yield UnmetRequirement(
                "DuplicateCheckpoint",
                f"checkpoint {plan.name} is at {first_at[plan.name]} % and again at {percent} %; "
                "names must be unique in the plan",
            )
        first_at.setdefault(plan.name, percent)
    known: set[str] = set()
    for index, step in enumerate(spec.steps):
        here = hold_of(spec, index).checkpoints
        known |= {plan.name for plan in here}
        for plan in here:
            for name in plan.after:
                if name not in known:
                    yield UnmetRequirement(
                        "UnknownCheckpoint",
                        f"checkpoint {plan.name} follows {name}, which is no checkpoint of "
                        f"{step.percent} % or an earlier step",
                    )
        cycle = _cycle(here)
        if cycle:
            yield UnmetRequirement(
                "CheckpointCycle",
                f"checkpoints wait for each other: {' after '.join(cycle)}; remove one `after`",
            )


def _cycle(plans: tuple[CheckpointPlan, ...]) -> tuple[str, ...]:
    """Names along a cycle of `after`, the first repeated at the end; empty if there is none."""
    after = {plan.name: plan.after for plan in plans}

    def walk(path: tuple[str, ...]) -> tuple[str, ...]:
        for name in after.get(path[-1], ()):
            if name in path:
                return (*path[path.index(name) :], name)
            found = walk((*path, name)) if name in after else ()
            if found:
                return found
        return ()

    return next((found for plan in plans if (found := walk((plan.name,)))), ())


def judge_expansion(spec: RolloutSpec) -> Verdict:
    """Whether no step grows more than the plan's limit, judged over all steps at first sight."""
    limit = (
        parse_bound(spec.limits.max_expansion_factor)
        if spec.limits
        else float(DEFAULT_EXPANSION_FACTOR)
    )
    too_large = [
        UnmetRequirement(
            "ExpansionTooLarge",
            f"{low.percent} % to {high.percent} % is {high.percent / low.percent:.2g} times as "
            f"much, more than limits.maxExpansionFactor {limit:g}; add a step between, or raise "
            "the limit",
        )
        for low, high in pairwise(spec.steps)
        if low.percent > 0 and high.percent > low.percent * limit + _ROUNDING
    ]
    if too_large:
        return blocks(ConditionType.WITHIN_EXPANSION_LIMIT, *too_large)
    return passes(
        ConditionType.WITHIN_EXPANSION_LIMIT,
        "WithinLimit",
        f"no step grows more than {limit:g} times",
    )
