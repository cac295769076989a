"""The checkpoints of a step: what was asked for, reported and acknowledged."""

from collections.abc import Iterable
from datetime import datetime

from surefoot.api.v1alpha1.approval import RequestState
from surefoot.api.v1alpha1.checkpoint import Checkpoint
from surefoot.api.v1alpha1.rollout import CheckpointPlan
from surefoot.api.v1alpha1.rollout_status import DecisionEvidence
from surefoot.domain.signoff.requests import format_people
from surefoot.reports.dossier import Dossier
from surefoot.reports.rendering import Part
from surefoot.reports.requests import ACKNOWLEDGE, all_said, asked_of, is_as_counted
from surefoot.reports.steps import (
    Stage,
    Step,
    belongs,
    counted_for,
    evidence_of,
    hold_before,
    is_counted,
)


class Acknowledgement(Part):
    """What a party of a handoff or meeting says of its outcome."""

    party: str
    approval: str
    asked_of: str | None
    state: str | None
    decision: str = ""
    by: str = ""
    verified: bool | None = None
    decided_at: datetime | None = None
    reason: str | None = ""


class Test(Part):
    """A test result of a report."""

    name: str
    passed: int
    total: int


class CheckpointReport(Part):
    """A checkpoint of the step being left. ``decision`` is empty while nobody has decided."""

    name: str
    type: str | None
    checkpoint: str | None
    asked_of: str | None
    due_at: datetime | None = None
    late: bool | None = None
    state: str | None
    decision: str = ""
    by: str = ""
    verified: bool | None = None
    decided_at: datetime | None = None
    counts: bool | None
    why: str
    summary: str | None = ""
    report: str | None = ""
    required_action: str | None = ""
    known_before: str | None = ""
    """What was known when it was asked for; for a meeting on a conflict, what each party said."""
    tests: tuple[Test, ...] | None = ()
    acknowledgements: tuple[Acknowledgement, ...] = ()


def checkpoints_of(dossier: Dossier, step: Step) -> tuple[Checkpoint, ...]:
    """The Checkpoints of the percentage being left, in whatever round."""
    found = [
        checkpoint
        for checkpoint in dossier.checkpoints
        if checkpoint.spec.request.conditions_of is None
        and checkpoint.spec.request.percent == step.from_
        and belongs(dossier, step, checkpoint)
    ]
    return tuple(sorted(found, key=_when_asked))


def _when_asked(checkpoint: Checkpoint) -> tuple[str, str, int]:
    asked, created = checkpoint.spec.request, checkpoint.metadata.creation_timestamp
    return (created.isoformat() if created else "", asked.name, asked.round)


def reports_of(
    dossier: Dossier, step: Step, checkpoints: tuple[Checkpoint, ...]
) -> tuple[CheckpointReport, ...]:
    """One for each Checkpoint, for each that no object is left of, for each not opened yet."""
    return (
        *(_report(dossier, step, each) for each in checkpoints),
        *_reports_of_the_record(step, checkpoints),
        *_not_yet_asked(dossier, step, checkpoints),
    )


def _report(dossier: Dossier, step: Step, checkpoint: Checkpoint) -> CheckpointReport:
    spec, status, asked = checkpoint.spec, checkpoint.status, checkpoint.spec.request
    evidence = evidence_of(step).get(checkpoint.metadata.uid)
    was_counted = is_counted(step, checkpoint) if step.stage is Stage.TAKEN else None
    given = [each for each in all_said(checkpoint) if each.stands]
    is_same = evidence is None or is_as_counted(checkpoint, evidence)
    about = CheckpointReport(
        name=asked.name,
        type=asked.type.value,
        checkpoint=checkpoint.metadata.name,
        asked_of=asked_of(checkpoint),
        due_at=asked.due_at,
        late=_is_late(dossier, checkpoint),
        state=status.state.value,
        counts=was_counted if was_counted is not None else _is_go(checkpoint),
        why=counted_for(step) if was_counted else status.void_reason or "",
        known_before=asked.evidence or "",
        acknowledgements=tuple(_acknowledgements(dossier, step, checkpoint)),
    )
    if evidence is not None:
        about = about.model_copy(update=_decided_by(evidence))
    elif given:
        about = about.model_copy(
            update={
                "decision": given[-1].decision.value,
                "by": given[-1].by,
                "verified": given[-1].verified,
                "decided_at": given[-1].at,
            }
        )
    else:
        return about
    words: dict[str, object] = dict.fromkeys(("report", "required_action", "tests"))
    words["summary"] = evidence.reason or None if evidence is not None else None
    if is_same:
        words = {
            "summary": spec.summary or "",
            "report": spec.report or "",
            "required_action": spec.required_action or "",
            "tests": tuple(Test(name=t.name, passed=t.passed, total=t.total) for t in spec.tests),
        }
    return about.model_copy(update=words)


def _is_go(checkpoint: Checkpoint) -> bool | None:
    """Whether it says GO now; None where that hangs on more than the object shows."""
    if checkpoint.status.state is not RequestState.GO:
        return False
    return None


def _is_late(dossier: Dossier, checkpoint: Checkpoint) -> bool:
    due, status = checkpoint.spec.request.due_at, checkpoint.status
    is_open = status.state is RequestState.PENDING and due is not None and due < dossier.now
    return status.late or is_open


def _decided_by(evidence: DecisionEvidence) -> dict[str, object]:
    return {
        "decision": evidence.decision,
        "by": evidence.by,
        "verified": evidence.verified,
        "decided_at": evidence.decided_at,
    }


def _acknowledgements(
    dossier: Dossier, step: Step, checkpoint: Checkpoint
) -> Iterable[Acknowledgement]:
    left = set()
    for approval in dossier.approvals:
        asked = approval.spec.request
        if asked.acknowledges is None or asked.acknowledges.uid != checkpoint.metadata.uid:
            continue
        left.add(approval.metadata.uid)
        given = [each for each in all_said(approval) if each.stands]
        yield Acknowledgement(
            party=asked.role,
            approval=approval.metadata.name,
            asked_of=asked_of(approval),
            state=approval.status.state.value,
            decision=given[-1].decision.value if given else "",
            by=given[-1].by if given else "",
            verified=given[-1].verified if given else None,
            decided_at=given[-1].at if given else None,
            reason=given[-1].reason if given else "",
        )
    begin = f"{checkpoint.metadata.name}-ack-"
    yield from _acknowledged_by_record(step, begin, left)


def _acknowledged_by_record(step: Step, begin: str, left: set[str]) -> Iterable[Acknowledgement]:
    """Those that no object is left of. Their names are made from the Checkpoint's."""
    for each in evidence_of(step).values():
        is_one = each.purpose == ACKNOWLEDGE and each.name.startswith(begin)
        if is_one and each.uid not in left:
            yield Acknowledgement(
                party=each.role,
                approval=each.name,
                asked_of=None,
                state=RequestState.USED.value,
                **_decided_by(each),
                reason=each.reason or None,
            )


def _reports_of_the_record(
    step: Step, checkpoints: tuple[Checkpoint, ...]
) -> Iterable[CheckpointReport]:
    """What the transition used and no object is left of."""
    left = {each.metadata.uid for each in checkpoints}
    for each in evidence_of(step).values():
        if each.kind != "Checkpoint" or each.purpose is not None or each.uid in left:
            continue
        yield CheckpointReport(
            name=each.role,
            type=None,
            checkpoint=each.name,
            asked_of=None,
            state=RequestState.USED.value,
            **_decided_by(each),
            counts=True,
            why=counted_for(step),
            summary=each.reason or None,
            report=None,
            required_action=None,
            known_before=None,
            tests=None,
            acknowledgements=tuple(_acknowledged_by_record(step, f"{each.name}-ack-", set())),
        )


def _not_yet_asked(
    dossier: Dossier, step: Step, checkpoints: tuple[Checkpoint, ...]
) -> Iterable[CheckpointReport]:
    """Checkpoints of the plan that are not opened yet."""
    if step.stage is Stage.TAKEN:
        return
    known = {each.spec.request.name for each in checkpoints}
    for plan in hold_before(dossier, step).checkpoints:
        if plan.name not in known:
            yield _planned_report(plan)


def _planned_report(plan: CheckpointPlan) -> CheckpointReport:
    return CheckpointReport(
        name=plan.name,
        type=plan.type.value,
        checkpoint=None,
        asked_of=format_people(plan.reporter.users, plan.reporter.groups),
        state=RequestState.PENDING.value,
        counts=False,
        why="it is not open yet",
    )
