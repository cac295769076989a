"""Cohorts: named groups that are off until the flag has come far enough.

Who is in changes with a transition and with nothing else: what a transition decides is recorded
with it, so that drift correction writes the same document again, whatever the plan says meanwhile.
A step lets in those whose percentage, checkpoint or gate allows it when it is taken
(`checks/cohorts.py`); those who were let in stay in. A rollback knows only the record: it lets
nobody in, and puts out again who came in above.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import combinations

from surefoot.api.v1alpha1.cohorts import Match
from surefoot.api.v1alpha1.rollout import Cohort, RolloutSpec
from surefoot.api.v1alpha1.rollout_status import CohortEvidence, CommittedCohort, RolloutStatus
from surefoot.domain.facts.steps import allowed_percents, hold_of
from surefoot.domain.facts.verdicts import UnmetRequirement
from surefoot.domain.flag.formats.registry import formats_with_attributes, lacks_attributes

MAX_BYTES = 16 * 1024
"""All cohorts of a plan together: each flag's definition repeats them, within one ConfigMap."""


# What a transition decides.


def at_start(spec: RolloutSpec, percent: int) -> tuple[CommittedCohort, ...]:
    """The cohorts of a Start: nothing was reported or measured that could let one in."""
    return tuple(
        as_decided(cohort, included_at=percent)
        if percent >= cohort.from_ and cohort.until_checkpoint is None and cohort.until_gate is None
        else as_decided(cohort)
        for cohort in spec.cohorts
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
        for cohort in committed_cohorts(status)
    )


def _unless_above(to: int, percent: int | None) -> int | None:
    return percent if percent is not None and percent <= to else None


def as_decided(
    cohort: Cohort, *, go_at: int | None = None, included_at: int | None = None
) -> CommittedCohort:
    """A cohort as a transition decides it, with the percentages at which it was let in."""
    return CommittedCohort(
        name=cohort.name,
        match=cohort.match,
        from_=cohort.from_,
        until_checkpoint=cohort.until_checkpoint,
        until_gate=cohort.until_gate,
        go_at=go_at,
        included_at=included_at,
    )


def waits_alike(before: CommittedCohort, cohort: Cohort) -> bool:
    """Whether it is the same people who wait for the same thing: then what was reached counts."""
    return (before.match, before.until_checkpoint, before.until_gate) == (
        cohort.match,
        cohort.until_checkpoint,
        cohort.until_gate,
    )


def committed_cohorts(status: RolloutStatus) -> tuple[CommittedCohort, ...]:
    """The cohorts as the last transition recorded them."""
    return status.committed.cohorts if status.committed is not None else ()


def cohorts_by_name(status: RolloutStatus) -> dict[str, CommittedCohort]:
    """The recorded cohorts by their names."""
    return {cohort.name: cohort for cohort in committed_cohorts(status)}


def evidence_of(
    cohorts: tuple[CommittedCohort, ...], percent: int
) -> tuple[CohortEvidence, ...] | None:
    """Who is in and who is not after a transition, and why; None where there are no cohorts."""
    return (
        tuple(
            CohortEvidence(
                name=cohort.name, included=cohort.included, reason=reason_of(cohort, percent)
            )
            for cohort in cohorts
        )
        or None
    )


def reason_of(cohort: CommittedCohort, percent: int) -> str:
    """Why a cohort is in or is not, in one word."""
    if cohort.included:
        return "CameIn"
    if percent < cohort.from_:
        return "BelowFrom"
    if cohort.until_checkpoint is not None and cohort.go_at is None:
        return "AwaitsCheckpoint"
    return "AwaitsGate" if cohort.until_gate is not None else "AwaitsNextStep"


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
    size = len(json.dumps([as_decided(cohort).to_wire() for cohort in spec.cohorts]).encode())
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
            f"{whose} comes in from {cohort.from_}%, which is no step of the plan; name 0 or one "
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
            "step below 100% has, so no step would let it in; there are: "
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
        where = f"hold.gates of {spec.steps[last].percent}%" if last >= 0 else "a step below 100%"
        yield UnmetRequirement(
            "GateNotAskedFor",
            f"cohort {cohort.name} waits for the gate {cohort.until_gate}, without which the step "
            f"to 100% may be taken, so it might never come in; add it to {where}",
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
