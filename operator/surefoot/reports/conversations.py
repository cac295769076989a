"""What people said to one another through Checkpoints and Approvals: handoffs and conflicts."""

from collections.abc import Iterator
from datetime import datetime

from surefoot.api.v1alpha1.approval import Approval, Decision, PastDecision, Purpose, RequestState
from surefoot.api.v1alpha1.checkpoint import Checkpoint, CheckpointType
from surefoot.domain.signoff.requests import format_people
from surefoot.reports.dossier import Dossier
from surefoot.reports.rendering import Part


class Handoff(Part):
    """Work that was handed over, and whether its receiver has taken it."""

    checkpoint: str
    percent: int
    attempt: int
    from_whom: str | None
    """Who handed over; None while nobody has."""
    to_whom: str
    message: str | None
    required_action: str | None
    at: datetime | None
    acknowledged: bool
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    state: str


class Opinion(Part):
    """What somebody decided, and why."""

    of: str
    """The role or checkpoint."""
    decision: str
    by: str | None
    verified: bool
    at: datetime
    reason: str


class DissentingOpinion(Part):
    """What somebody said who was not followed."""

    by: str
    statement: str


class Conflict(Part):
    """A NO-GO, or several, on one percentage, and how it ended."""

    percent: int
    attempt: int
    opinions: tuple[Opinion, ...]
    """All that was decided there, in time order."""
    meeting: str | None
    chaired_by: str | None
    resolution: str | None
    rationale: str | None
    dissent: tuple[DissentingOpinion, ...]
    acknowledged: bool
    resolved: bool
    """By a meeting whose GO all acknowledged, or because each signer decided GO later."""
    how: str


def handoffs_of(dossier: Dossier) -> tuple[Handoff, ...]:
    """Every handoff that was asked for, in the order of the percentages and of time."""
    found = [
        _handoff(dossier, each)
        for each in dossier.checkpoints
        if each.spec.request.type is CheckpointType.HANDOFF and not _was_asked_again(each)
    ]
    return tuple(sorted(found, key=lambda each: (each.attempt, each.percent, each.checkpoint)))


def _was_asked_again(checkpoint: Checkpoint) -> bool:
    return checkpoint.status.state is RequestState.VOID and checkpoint.spec.decision is None


def _handoff(dossier: Dossier, checkpoint: Checkpoint) -> Handoff:
    spec, asked = checkpoint.spec, checkpoint.spec.request
    answer = next((each for each in _acknowledgements(dossier, checkpoint) if _is_go(each)), None)
    receiver = asked.receiver
    return Handoff(
        checkpoint=asked.name,
        percent=asked.percent,
        attempt=asked.attempt,
        from_whom=spec.decided_by.username if spec.decided_by else None,
        to_whom=format_people(receiver.users, receiver.groups) if receiver else "nobody",
        message=spec.summary,
        required_action=spec.required_action,
        at=checkpoint.status.decided_at,
        acknowledged=checkpoint.status.acknowledged,
        acknowledged_by=_decider(answer),
        acknowledged_at=answer.status.decided_at if answer else None,
        state=checkpoint.status.state.value,
    )


def _acknowledgements(dossier: Dossier, checkpoint: Checkpoint) -> Iterator[Approval]:
    for approval in dossier.approvals:
        meant = approval.spec.request.acknowledges
        if meant is not None and meant.uid == checkpoint.metadata.uid:
            yield approval


def _is_go(approval: Approval) -> bool:
    return approval.spec.decision is Decision.GO and approval.status.state in {
        RequestState.GO,
        RequestState.USED,
    }


def _decider(approval: Approval | None) -> str | None:
    if approval is None or approval.spec.decided_by is None:
        return None
    return approval.spec.decided_by.username


def conflicts_of(dossier: Dossier) -> tuple[Conflict, ...]:
    """Every percentage, by attempt, at which somebody said NO-GO or a meeting was opened."""
    places = sorted(
        {
            (attempt, percent)
            for attempt, percent, opinion in _opinions(dossier)
            if opinion.decision == Decision.NO_GO.value
        }
        | {
            (each.spec.request.attempt, each.spec.request.percent)
            for each in dossier.checkpoints
            if each.spec.request.type is CheckpointType.DECISION_MEETING
        }
    )
    return tuple(_conflict(dossier, attempt, percent) for attempt, percent in places)


def _opinions(dossier: Dossier) -> Iterator[tuple[int, int, Opinion]]:
    for approval in dossier.approvals:
        asked = approval.spec.request
        if asked.purpose is Purpose.ADVANCE:
            for past in approval.status.decisions:
                yield asked.attempt, asked.from_, _opinion(asked.role, past)
    for checkpoint in dossier.checkpoints:
        report = checkpoint.spec.request
        if report.type is not CheckpointType.DECISION_MEETING and report.conditions_of is None:
            for past in checkpoint.status.decisions:
                yield report.attempt, report.percent, _opinion(report.name, past)


def _opinion(of: str, past: PastDecision) -> Opinion:
    return Opinion(
        of=of,
        decision=past.decision.value,
        by=past.by or None,
        verified=past.verified,
        at=past.seen_at,
        reason=past.reason,
    )


def _conflict(dossier: Dossier, attempt: int, percent: int) -> Conflict:
    opinions = sorted(
        (said for tries, at, said in _opinions(dossier) if (tries, at) == (attempt, percent)),
        key=lambda each: each.at,
    )
    meeting = _meeting(dossier, attempt, percent)
    spec = meeting.spec if meeting else None
    is_held = meeting is not None and meeting.spec.decision is Decision.GO
    is_acknowledged = meeting is not None and meeting.status.acknowledged
    since = sorted(
        (said for tries, at, said in _opinions(dossier) if tries >= attempt and at == percent),
        key=lambda each: each.at,
    )
    resolved, how = _resolution(tuple(since), is_resolved=is_held and is_acknowledged)
    return Conflict(
        percent=percent,
        attempt=attempt,
        opinions=tuple(opinions),
        meeting=meeting.metadata.name if meeting else None,
        chaired_by=spec.decided_by.username if spec and spec.decided_by else None,
        resolution=f"{spec.decision.value}: {spec.summary}" if spec and spec.decision else None,
        rationale=spec.report if spec else None,
        dissent=tuple(
            DissentingOpinion(by=each.by, statement=each.statement)
            for each in (spec.dissent if spec else ())
        ),
        acknowledged=is_acknowledged,
        resolved=resolved,
        how=how,
    )


def _meeting(dossier: Dossier, attempt: int, percent: int) -> Checkpoint | None:
    """The last round of the meeting on this percentage."""
    found = [
        each
        for each in dossier.checkpoints
        if each.spec.request.type is CheckpointType.DECISION_MEETING
        and (each.spec.request.attempt, each.spec.request.percent) == (attempt, percent)
    ]
    return max(found, key=lambda each: each.spec.request.round, default=None)


def _resolution(opinions: tuple[Opinion, ...], *, is_resolved: bool) -> tuple[bool, str]:
    """What became of the NO-GOs: one holds, also in later attempts, until its signer says GO."""
    last = {(each.of, each.by): each.decision for each in opinions}
    standing = sorted({of for (of, _), said in last.items() if said == Decision.NO_GO.value})
    if is_resolved:
        return True, "the meeting decided GO, and every party acknowledged it"
    if not any(each.decision == Decision.NO_GO.value for each in opinions):
        return True, "nobody said NO-GO"
    if not standing:
        return True, "anyone who said NO-GO decided GO later"
    return False, f"NO-GO stands: {', '.join(standing)}"
