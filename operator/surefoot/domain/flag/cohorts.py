"""Cohorts: named groups that are off until the flag has come far enough.

Who is in changes with a transition and with nothing else: what a transition decides is recorded
with it, so that drift correction writes the same document again, whatever the plan says meanwhile.
A step lets in those whose percentage, checkpoint or gate allows it when it is taken; who was let in
stays in. A rollback knows only the record: it lets nobody in, and puts out again who came in above.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import combinations

from surefoot.api.v1alpha1.cohorts import Match
from surefoot.api.v1alpha1.rollout import Cohort, RolloutSpec
from surefoot.api.v1alpha1.rollout_status import (
    Balance,
    CohortEvidence,
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
from surefoot.domain.facts.steps import allowed_percents, hold_of
from surefoot.domain.facts.verdicts import UnmetRequirement
from surefoot.domain.facts.windows import number
from surefoot.domain.flag.formats.registry import formats_with_attributes, lacks_attributes
from surefoot.domain.signoff.checkpoints import CheckpointView

MAX_BYTES = 16 * 1024
"""All cohorts of a plan together: each flag's definition repeats them, within one ConfigMap."""


# What a transition decides.


def at_start(spec: RolloutSpec, percent: int) -> tuple[CommittedCohort, ...]:
    """The cohorts of a Start: nothing was reported or measured that could let one in."""
    return tuple(
        _with(cohort, included_at=percent)
        if percent >= cohort.from_ and cohort.until_checkpoint is None and cohort.until_gate is None
        else _with(cohort)
        for cohort in spec.cohorts
    )


def at_step(
    situation: State, checkpoints: Iterable[CheckpointView], to: int
) -> tuple[CommittedCohort, ...]:
    """The cohorts of an advance, by what holds now."""
    passed = {view.plan.name for view in checkpoints if view.is_go}
    before = _by_name(situation.status)
    return tuple(
        _stepped(situation, cohort, before.get(cohort.name), passed, to)
        for cohort in situation.rollout.spec.cohorts
    )


def at_rollback(status: RolloutStatus, to: int) -> tuple[CommittedCohort, ...]:
    """The cohorts of a rollback: those of before, without what happened above its percentage."""
    return tuple(
        cohort.model_copy(
            update={
                "go_at": _unless_above(to, cohort.go_at),
                "included_at": _unless_above(to, cohort.included_at),
            }
        )
        for cohort in _committed(status)
    )


def _unless_above(to: int, percent: int | None) -> int | None:
    return percent if percent is not None and percent <= to else None


def _stepped(
    situation: State,
    cohort: Cohort,
    before: CommittedCohort | None,
    passed: set[str],
    to: int,
) -> CommittedCohort:
    known = before if before is not None and _waits_alike(before, cohort) else _with(cohort)
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
    return _with(cohort, go_at=go_at, included_at=included_at)


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


def _with(
    cohort: Cohort, *, go_at: int | None = None, included_at: int | None = None
) -> CommittedCohort:
    return CommittedCohort(
        name=cohort.name,
        match=cohort.match,
        from_=cohort.from_,
        until_checkpoint=cohort.until_checkpoint,
        until_gate=cohort.until_gate,
        go_at=go_at,
        included_at=included_at,
    )


def _waits_alike(before: CommittedCohort, cohort: Cohort) -> bool:
    """Whether it is the same people who wait for the same thing: then what was reached counts."""
    return (before.match, before.until_checkpoint, before.until_gate) == (
        cohort.match,
        cohort.until_checkpoint,
        cohort.until_gate,
    )


def _committed(status: RolloutStatus) -> tuple[CommittedCohort, ...]:
    return status.committed.cohorts if status.committed is not None else ()


def _by_name(status: RolloutStatus) -> dict[str, CommittedCohort]:
    return {cohort.name: cohort for cohort in _committed(status)}


def evidence_of(
    cohorts: tuple[CommittedCohort, ...], percent: int
) -> tuple[CohortEvidence, ...] | None:
    """Who is in and who is not after a transition, and why; None where there are no cohorts."""
    return (
        tuple(
            CohortEvidence(
                name=cohort.name, included=cohort.included, reason=_reason(cohort, percent)
            )
            for cohort in cohorts
        )
        or None
    )


# What the status says.


def _reason(cohort: CommittedCohort, percent: int) -> str:
    if cohort.included:
        return "CameIn"
    if percent < cohort.from_:
        return "BelowFrom"
    if cohort.until_checkpoint is not None and cohort.go_at is None:
        return "AwaitsCheckpoint"
    return "AwaitsGate" if cohort.until_gate is not None else "AwaitsNextStep"


def cohort_statuses(situation: State, status: RolloutStatus) -> tuple[CohortStatus, ...]:
    """Which cohorts take part, which do not, and why; then those that the plan has dropped."""
    spec, before = situation.rollout.spec, _by_name(status)
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
        for cohort in _committed(status)
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
        said = "new in the plan, which takes effect with the next step"
        return status.percent > 0, "AwaitsNextStep", f"{said}: comes in {_condition(cohort)}"
    is_so = f"takes part since {before.included_at} %" if before.included else "off"
    if before.from_ != cohort.from_ or not _waits_alike(before, cohort):
        said = f"{is_so}, and changed in the plan, which takes effect with the next step"
        return before.included, "AwaitsNextStep", f"{said}: comes in {_condition(cohort)}"
    if before.included:
        return True, "CameIn", is_so
    reason = _reason(before, status.percent)
    if reason == "AwaitsNextStep":
        return False, reason, "comes in with the next step"
    return False, reason, f"comes in {_condition(cohort)}"


def _condition(cohort: Cohort) -> str:
    said = f"from {cohort.from_} %"
    if cohort.until_checkpoint is not None:
        said += f", once checkpoint {cohort.until_checkpoint} is GO"
    if cohort.until_gate is not None:
        said += f", with a step at which gate {cohort.until_gate} holds"
    return said


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
    found = {cohort.name: _share(situation, cohort)[0] for cohort in asked}
    known = sorted((share, name) for name, share in found.items() if share is not None)
    unknown = tuple(name for name, share in found.items() if share is None)
    if not known:
        return Balance(unknown=unknown)
    (low, smallest), (high, largest) = known[0], known[-1]
    return Balance(
        largest=CohortShare(name=largest, share=number(high)),
        smallest=CohortShare(name=smallest, share=number(low)),
        ratio=number(high / low) if low > 0 else None,
        unknown=unknown,
    )


# What is wrong with the plan.


def cohort_faults(spec: RolloutSpec) -> Iterator[UnmetRequirement]:
    """Cohorts that could not be kept off, or would never come in."""
    if not spec.cohorts:
        return
    if lacks_attributes(spec.target.format):
        yield UnmetRequirement(
            "CohortsNeedAttributes",
            f"cohorts ({_listed(cohort.name for cohort in spec.cohorts)}) are told apart by an "
            f"attribute, and the format {spec.target.format.value} has none; remove them, or "
            f"delete the Rollout and create it again with target.format "
            f"{' or '.join(formats_with_attributes())}",
        )
    size = len(json.dumps([_with(cohort).to_wire() for cohort in spec.cohorts]).encode())
    if size > MAX_BYTES:
        yield UnmetRequirement(
            "CohortsTooLarge",
            f"the cohorts take {size} bytes, at most {MAX_BYTES} fit; mark their members with an "
            "attribute of their own instead of listing them",
        )
    for cohort in spec.cohorts:
        yield from _faults_of(spec, cohort)
    for one, other in combinations(spec.cohorts, 2):
        yield from _overlap(one, other)


def _faults_of(spec: RolloutSpec, cohort: Cohort) -> Iterator[UnmetRequirement]:
    whose = f"cohort {cohort.name}"
    if cohort.from_ not in allowed_percents(spec):
        yield UnmetRequirement(
            "CohortFromNotAStep",
            f"{whose} comes in from {cohort.from_} %, which is no step of the plan; name 0 or one "
            f"of {_listed(str(step.percent) for step in spec.steps)}",
        )
    if not cohort.match.in_ and not cohort.match.not_in:
        yield UnmetRequirement(
            "CohortOfEverybody",
            f"{whose} names no values of {cohort.match.attribute}; say which are meant with in or "
            "notIn",
        )
    elif cohort.match.in_ and not _named(cohort.match):
        yield UnmetRequirement(
            "CohortOfNobody",
            f"{whose} takes out with notIn every value of {cohort.match.attribute} that it names "
            "with in; remove one of them",
        )
    yield from _faults_of_checkpoint(spec, cohort)
    yield from _faults_of_gate(spec, cohort)


def _faults_of_checkpoint(spec: RolloutSpec, cohort: Cohort) -> Iterator[UnmetRequirement]:
    known = {
        plan.name
        for index in range(len(spec.steps) - 1)
        for plan in hold_of(spec, index).checkpoints
    }
    if cohort.until_checkpoint is not None and cohort.until_checkpoint not in known:
        yield UnmetRequirement(
            "UnknownCheckpoint",
            f"cohort {cohort.name} waits for the checkpoint {cohort.until_checkpoint}, which no "
            "step below 100 % has, so no step would let it in; there are: "
            f"{_listed(sorted(known))}",
        )


def _faults_of_gate(spec: RolloutSpec, cohort: Cohort) -> Iterator[UnmetRequirement]:
    """A gate that the last step is taken without might let nobody in, ever."""
    if cohort.until_gate is None:
        return
    known = [gate.name for gate in spec.gates]
    if cohort.until_gate not in known:
        yield UnmetRequirement(
            "UnknownGate",
            f"cohort {cohort.name} waits for the gate {cohort.until_gate}, which the plan does not "
            f"define; defined: {_listed(known)}",
        )
        return
    last = len(spec.steps) - 2
    asked = hold_of(spec, last).gates if last >= 0 else ()
    if asked is not None and cohort.until_gate not in asked:
        where = f"hold.gates of {spec.steps[last].percent} %" if last >= 0 else "a step below 100 %"
        yield UnmetRequirement(
            "GateNotAskedFor",
            f"cohort {cohort.name} waits for the gate {cohort.until_gate}, without which the step "
            f"to 100 % may be taken, so it might never come in; add it to {where}",
        )


def _overlap(one: Cohort, other: Cohort) -> Iterator[UnmetRequirement]:
    if one.match.attribute != other.match.attribute:
        return
    if one.match == other.match:
        yield UnmetRequirement(
            "CohortsOverlap",
            f"cohorts {one.name} and {other.name} are the same people; remove one of them",
        )
        return
    twice = sorted(_named(one.match) & _named(other.match))
    if twice:
        yield UnmetRequirement(
            "CohortsOverlap",
            f"{_listed(twice[:8])} of {one.match.attribute} is in cohort {one.name} and in "
            f"{other.name}, and would be off while one of them is; name it in one of them",
        )


def _named(match: Match) -> set[str]:
    return set(match.in_) - set(match.not_in)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
