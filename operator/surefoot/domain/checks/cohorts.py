"""Which cohorts a step lets in, by what its checkpoints and gates say, and what is shown of them.

No condition of its own: a cohort that is not let in keeps no step from being taken.
"""

from collections.abc import Iterable, Iterator

from surefoot.api.v1alpha1.rollout import Cohort
from surefoot.api.v1alpha1.rollout_status import (
    Balance,
    CohortRiskStatus,
    CohortShare,
    CohortStatus,
    CommittedCohort,
    RolloutStatus,
    WindowEvidence,
)
from surefoot.domain.checks.gates import GateVerdict, gates_of, judge_gate
from surefoot.domain.derive.state import State
from surefoot.domain.derive.triggers import unanswered
from surefoot.domain.facts.measurements import is_stale
from surefoot.domain.facts.windows import number
from surefoot.domain.flag.cohorts import (
    as_decided,
    cohorts_by_name,
    committed_cohorts,
    reason_of,
    waits_alike,
)
from surefoot.domain.signoff.checkpoints import CheckpointView


def at_step(
    situation: State, checkpoints: Iterable[CheckpointView], to: int
) -> tuple[CommittedCohort, ...]:
    """The cohorts of an advance, by what holds now."""
    passed = {view.plan.name for view in checkpoints if view.is_go}
    before = cohorts_by_name(situation.status)
    return tuple(
        _stepped(situation, cohort, before.get(cohort.name), passed, to)
        for cohort in situation.rollout.spec.cohorts
    )


def _stepped(
    situation: State,
    cohort: Cohort,
    before: CommittedCohort | None,
    passed: set[str],
    to: int,
) -> CommittedCohort:
    known = before if before is not None and waits_alike(before, cohort) else as_decided(cohort)
    go_at = known.go_at
    if go_at is None and cohort.until_checkpoint in passed:
        go_at = to
    may_come_in = to >= cohort.from_ and (
        known.included
        or (
            (cohort.until_checkpoint is None or go_at is not None)
            and (cohort.until_gate is None or _gate_holds(situation, cohort.until_gate))
        )
    )
    included_at = (known.included_at if known.included else to) if may_come_in else None
    return as_decided(cohort, go_at=go_at, included_at=included_at)


def _gate_holds(situation: State, name: str) -> bool:
    """Whether a gate was measured and holds: what needs no measurement lets nobody in."""
    return any(
        judged.holds is True and judged.reason != "NotRequired"
        for judged in _judged(situation, {name})
    )


def _judged(situation: State, names: set[str]) -> Iterator[GateVerdict]:
    return (
        judge_gate(situation, gate) for gate in situation.rollout.spec.gates if gate.name in names
    )


def windows_of(situation: State) -> tuple[WindowEvidence, ...]:
    """What was looked at for cohorts alone: windows of gates that the step itself did not need."""
    spec = situation.rollout.spec
    awaited = {cohort.until_gate for cohort in spec.cohorts if cohort.until_gate is not None}
    needed = {gate.name for gate in gates_of(spec, situation.hold)}
    judged = _judged(situation, awaited - needed)
    return tuple(window.evidence for verdict in judged for window in verdict.seen)


# What the status says.


def cohort_statuses(situation: State, status: RolloutStatus) -> tuple[CohortStatus, ...]:
    """Which cohorts take part, which do not, and why; then those that the plan has dropped."""
    spec, before = situation.rollout.spec, cohorts_by_name(status)
    planned = tuple(
        _status(situation, status, cohort, before.get(cohort.name)) for cohort in spec.cohorts
    )
    names = {cohort.name for cohort in spec.cohorts}
    dropped = tuple(
        CohortStatus(
            name=cohort.name,
            included=False,
            reason="Removed",
            message="no longer in the plan: comes in with the next step",
        )
        for cohort in committed_cohorts(status)
        if cohort.name not in names and not cohort.included
    )
    return (*planned, *dropped)


def _status(
    situation: State, status: RolloutStatus, cohort: Cohort, before: CommittedCohort | None
) -> CohortStatus:
    included, reason, message = _standing(status, cohort, before)
    share, unknown = _share(situation, cohort)
    risk = cohort.risk
    return CohortStatus(
        name=cohort.name,
        included=included,
        from_=cohort.from_,
        reason=reason,
        message=message,
        risk=CohortRiskStatus(level=risk.level.value, reason=risk.reason) if risk else None,
        share=None if share is None else number(share),
        share_unknown=unknown,
    )


def _standing(
    status: RolloutStatus, cohort: Cohort, before: CommittedCohort | None
) -> tuple[bool, str, str]:
    """Whether it is in, why in one word, and why for people."""
    if status.percent is None:
        return False, "NotStarted", f"comes in {_condition(cohort)}"
    if before is None:
        message = "new in the plan, which takes effect with the next step"
        return status.percent > 0, "AwaitsNextStep", f"{message}: comes in {_condition(cohort)}"
    is_so = f"takes part since {before.included_at}%" if before.included else "off"
    if before.from_ != cohort.from_ or not waits_alike(before, cohort):
        message = f"{is_so}, and changed in the plan, which takes effect with the next step"
        return before.included, "AwaitsNextStep", f"{message}: comes in {_condition(cohort)}"
    if before.included:
        return True, "CameIn", is_so
    reason = reason_of(before, status.percent)
    if reason == "AwaitsNextStep":
        return False, reason, "comes in with the next step"
    return False, reason, f"comes in {_condition(cohort)}"


def _condition(cohort: Cohort) -> str:
    condition = f"from {cohort.from_}%"
    if cohort.until_checkpoint is not None:
        condition += f", once checkpoint {cohort.until_checkpoint} is GO"
    if cohort.until_gate is not None:
        condition += f", with a step at which gate {cohort.until_gate} holds"
    return condition


def _share(situation: State, cohort: Cohort) -> tuple[float | None, str | None]:
    """The share of the work that is a cohort's, or why it is not known; neither if not asked."""
    if cohort.metric is None:
        return None, None
    snapshot, now = situation.snapshot, situation.now
    measurement = snapshot.measurements.get(cohort.metric)
    is_old = measurement is not None and is_stale(measurement, now, snapshot.evaluation_interval)
    if measurement is None or is_old or measurement.value is None:
        return None, f"{cohort.metric}: {unanswered(measurement, is_old, now)}"
    return measurement.value, None


def balance(situation: State) -> Balance | None:
    """How the work is spread over the cohorts; None where none of them names a metric."""
    asked = [cohort for cohort in situation.rollout.spec.cohorts if cohort.metric is not None]
    if not asked:
        return None
    shares = {cohort.name: _share(situation, cohort)[0] for cohort in asked}
    known = sorted((share, name) for name, share in shares.items() if share is not None)
    unknown = tuple(name for name, share in shares.items() if share is None)
    if not known:
        return Balance(unknown=unknown)
    (low, smallest), (high, largest) = known[0], known[-1]
    return Balance(
        largest=CohortShare(name=largest, share=number(high)),
        smallest=CohortShare(name=smallest, share=number(low)),
        ratio=number(high / low) if low > 0 else None,
        unknown=unknown,
    )
