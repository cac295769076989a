"""PlanValid: what is wrong with a plan, beyond what its schema can tell.

An invalid plan advances nothing. Every trigger that is itself valid stays in force. Each check adds
the faults of the part of the plan that it is about; those here belong to no other check.
"""

from collections.abc import Iterable

from surefoot.api.v1alpha1.rollout import RolloutSpec
from surefoot.api.v1alpha1.rollout_status import Phase
from surefoot.domain.checks.check import EVERY_MOVE, Check, Group, Judgements
from surefoot.domain.derive.state import State
from surefoot.domain.derive.trigger_faults import metric_fault, trigger_faults, unknown_metric
from surefoot.domain.facts.questions import length_of
from surefoot.domain.facts.snapshot import Snapshot
from surefoot.domain.facts.steps import ZERO, allowed_percents
from surefoot.domain.facts.verdicts import (
    ConditionType,
    UnmetRequirement,
    Verdict,
    blocks,
    passes,
)
from surefoot.domain.flag.cohorts import cohort_faults
from surefoot.domain.flag.config_map import adoption, is_offered, is_own_start
from surefoot.domain.flag.formats.registry import FORMATS


def judge(state: State, _: Judgements) -> Verdict:
    """Whether nothing is wrong with the plan, as all checks see it."""
    if state.faults:
        return blocks(ConditionType.PLAN_VALID, *state.faults)
    return passes(ConditionType.PLAN_VALID, "Valid", "the plan is valid")


def faults(snapshot: Snapshot) -> Iterable[UnmetRequirement]:
    """What is wrong with the target, the steps, the metrics, the cohorts and the triggers."""
    spec = snapshot.rollout.spec
    yield from _target_faults(snapshot)
    yield from _not_built(spec)
    yield from _step_faults(snapshot)
    yield from _metric_faults(snapshot)
    for cohort in spec.cohorts:
        if cohort.metric is not None:
            yield from unknown_metric(spec, f"cohort {cohort.name}", cohort.metric)
    yield from cohort_faults(spec)
    for trigger in spec.triggers:
        yield from trigger_faults(spec, trigger)


def _target_faults(snapshot: Snapshot) -> Iterable[UnmetRequirement]:
    rollout, config_map = snapshot.rollout, snapshot.config_map
    name = rollout.spec.target.config_map_name
    rival = _stronger_claim(snapshot)
    if rival is not None:
        yield UnmetRequirement(
            "ConfigMapClaimed",
            f"ConfigMap {name} is moved by Rollout {rival}; name another ConfigMap, or delete one "
            "of the two Rollouts",
        )
        return
    if (
        rollout.status.committed is not None
        or config_map is None
        or is_own_start(config_map, rollout)
    ):
        return
    if not is_offered(config_map, rollout):
        yield UnmetRequirement(
            "ConfigMapExists",
            f"ConfigMap {name} exists and is not this Rollout's; to take it over without moving "
            "anybody, annotate it",
            f"kubectl annotate configmap {name} -n {rollout.metadata.namespace} "
            f"surefoot.dev/adopt={rollout.metadata.name}",
        )
        return
    offered = adoption(config_map, rollout)
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
        f"target.format {spec.target.format.value}": spec.target.format not in FORMATS,
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
            f"the flag stands at {current}%, which the plan no longer has ({percents}); put the "
            f"step with percent {current} back",
        )


def _metric_faults(snapshot: Snapshot) -> Iterable[UnmetRequirement]:
    spec = snapshot.rollout.spec
    for metric in spec.metrics:
        fault = metric_fault(snapshot, metric.name)
        if fault is not None:
            yield fault
        if metric.stale_after is not None and length_of(metric.stale_after) <= ZERO:
            # Its triggers stay in force: they have no data, and hold or roll back as the plan says.
            yield UnmetRequirement(
                "MetricNeverFresh",
                f"metric {metric.name}: staleAfter is {metric.stale_after}, so that no sample ever "
                "counts; give how old one may be, such as 26h, or leave it out",
            )


PLAN_VALID = Check(
    type=ConditionType.PLAN_VALID,
    group=Group.GUARD,
    applies_to=EVERY_MOVE,
    phase=Phase.INVALID,
    judge=judge,
    withdraws="the plan is not valid",
    outlives_completion=True,
    faults=faults,
)
