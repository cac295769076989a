"""The communication log: who said what to whom, what is to be done, and what became of it.

Nobody writes it: it is a view over the requests with all their decisions, and over the history.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby
from typing import Annotated, ClassVar

from pydantic import Field

from surefoot.api.v1alpha1.approval import Approval, Decision, RequestState
from surefoot.api.v1alpha1.checkpoint import Checkpoint, CheckpointType
from surefoot.api.v1alpha1.rollout_status import (
    DecisionEvidence,
    PendingTransition,
    Transition,
    TransitionType,
)
from surefoot.domain.record.requesters import SUREFOOT, UNNAMED, is_requested, named
from surefoot.domain.signoff.meetings import NAME as CONFLICT
from surefoot.domain.signoff.requests import Request, format_people, is_dry_run
from surefoot.reports.dossier import Dossier
from surefoot.reports.rendering import Part, Report
from surefoot.reports.requests import (
    ACKNOWLEDGE,
    Said,
    all_said,
    asked_of,
    is_acknowledgement,
    part_of,
    requested_by,
)

EVERYBODY = "everybody"
_HOUR = timedelta(hours=1)
_ROLLED_BACK = "Find out why; raise the attempt to go on"


class Kind(StrEnum):
    """What kind of message it is."""

    REQUEST = "Request"
    CONFLICT = "Conflict"
    DECISION = "Decision"
    HANDOFF = "Handoff"
    MEETING = "Meeting"
    DISSENT = "Dissent"
    ACKNOWLEDGEMENT = "Acknowledgement"
    ESCALATION = "Escalation"
    TRANSITION = "Transition"


class Message(Part):
    """One message. ``at`` is None where nobody knows when it was said."""

    kind: Kind
    at: datetime | None
    hour: int | None
    """Whole hours since the start."""
    percent: int | None = None
    """The percentage that was in then; None before the start."""
    from_: Annotated[str, Field(alias="from")]
    to: str
    message: str
    action_required: str
    """Empty where nobody has to do anything."""
    pending: bool
    """Whether what it asks for is not done yet."""
    status: str
    about: str
    """The object or transition that it is read from."""


class Exchange(Part):
    """Messages of one kind that somebody sent at one moment, to one or several."""

    kind: Kind
    at: datetime | None
    from_: str
    messages: tuple[Message, ...]


class Period(Part):
    """An hour at one percentage, or what came before the start, or at an unknown time."""

    hour: int | None
    percent: int | None
    is_dated: bool
    exchanges: tuple[Exchange, ...]


class Communications(Report):
    """Everything that was said about one Rollout, by time."""

    template: ClassVar[str] = "communications.md.j2"

    namespace: str
    rollout: str
    uid: str
    as_of: datetime
    messages: tuple[Message, ...]
    is_whole: bool
    """Whether the history is there from its first entry."""

    @property
    def periods(self) -> tuple[Period, ...]:
        """The same messages, together by hour and percentage, moment and sender."""
        return tuple(
            Period(hour=hour, percent=percent, is_dated=dated, exchanges=_exchanges(messages))
            for (dated, hour, percent), messages in groupby(
                self.messages, lambda each: (each.at is not None, each.hour, each.percent)
            )
        )


def _exchanges(messages: Iterable[Message]) -> tuple[Exchange, ...]:
    return tuple(
        Exchange(kind=kind, at=at, from_=from_, messages=tuple(sent))
        for (kind, at, from_), sent in groupby(
            messages, lambda each: (each.kind, each.at, each.from_)
        )
    )


def communications_of(dossier: Dossier) -> Communications:
    """The log, oldest first. What nobody knows the time of comes last."""
    found = [
        message
        for messages in (
            *(_of_checkpoint(dossier, each) for each in dossier.checkpoints),
            *(_of_approval(dossier, each) for each in (*dossier.approvals, *dossier.dry_runs)),
            *(_of_transition(dossier, each) for each in dossier.history),
            _of_intent(dossier),
        )
        for message in messages
    ]
    metadata = dossier.rollout.metadata
    return Communications(
        title=f"{metadata.name}: communication log",
        namespace=metadata.namespace,
        rollout=metadata.name,
        uid=metadata.uid,
        as_of=dossier.now,
        messages=tuple(_in_order(dossier, found)),
        is_whole=dossier.is_whole and (bool(dossier.history) or not _has_moved(dossier)),
    )


def _has_moved(dossier: Dossier) -> bool:
    return dossier.rollout.status.percent is not None


_ORDER = tuple(Kind)


def _in_order(dossier: Dossier, found: list[Message]) -> Iterable[Message]:
    """By time; of one moment, what was asked comes before what was answered."""
    first = next((e for e in dossier.history if e.type is TransitionType.START), None)
    moves = {e.transition_id: e.to for e in dossier.history}
    percent = first.to if first is not None else None
    # When an object was made is known to the second only.
    start = first.at.replace(microsecond=0) if first is not None else None
    known = [each for each in found if each.at is not None]
    opening = {entry.at for entry in dossier.history if entry.at.microsecond}
    known.sort(
        key=lambda each: (
            each.at,
            each.kind is Kind.REQUEST and each.at in opening,
            _ORDER.index(each.kind),
            each.about,
        )
    )
    for each in known:
        percent = moves.get(each.about, percent)
        if start is not None and each.at is not None and each.at >= start:
            hour = (each.at - start) // _HOUR
            yield each.model_copy(update={"hour": hour, "percent": percent})
        else:
            yield each
    yield from (each for each in found if each.at is None)


def _opened(dossier: Dossier, request: Checkpoint | Approval, percent: int) -> datetime | None:
    """When it was opened, at this percentage.

    When an object was made is known to the second only: no sooner than the step that opened it.
    """
    made = request.metadata.creation_timestamp
    steps = (entry.at for entry in dossier.history if entry.to == percent)
    return max((at for at in steps if at.replace(microsecond=0) == made), default=made)


# Checkpoints: reports, handoffs, meetings


def _of_checkpoint(dossier: Dossier, checkpoint: Checkpoint) -> Iterable[Message]:
    yield _checkpoint_asked(dossier, checkpoint)
    late = _lateness(dossier, checkpoint)
    if late is not None:
        yield late
    for said in all_said(checkpoint):
        yield _reported(dossier, checkpoint, said)
    yield from _dissent(checkpoint)


def _checkpoint_asked(dossier: Dossier, checkpoint: Checkpoint) -> Message:
    asked = checkpoint.spec.request
    is_conflict = asked.name == CONFLICT and asked.type is CheckpointType.DECISION_MEETING
    what = f"{asked.type.value} {asked.name} at {asked.percent}%{_round(checkpoint)}"
    if asked.conditions_of is not None:
        what = f"What the GO {asked.conditions_of.name} asks for{_round(checkpoint)}"
    if is_conflict:
        what = f"GO stands against NO-GO at {asked.percent}%: a meeting is needed"
    known = f": {asked.evidence}" if asked.evidence else ""
    due = f"; due {_moment(asked.due_at)}" if asked.due_at is not None else ""
    return _message(
        checkpoint,
        Kind.CONFLICT if is_conflict else Kind.REQUEST,
        _opened(dossier, checkpoint, asked.percent),
        SUREFOOT,
        asked_of(checkpoint),
        message=f"{what}{known}",
        action=f"{_ACTIONS[asked.type]}{due}",
        pending=_waits(checkpoint),
    )


_ACTIONS = {
    CheckpointType.REPORT: "Report, and decide GO or NO-GO",
    CheckpointType.HANDOFF: "Hand over: say what was done, and what the receiver must do",
    CheckpointType.DECISION_MEETING: "Hold the meeting; record its resolution and who dissents",
}


def _lateness(dossier: Dossier, checkpoint: Checkpoint) -> Message | None:
    asked, status = checkpoint.spec.request, checkpoint.status
    due = asked.due_at
    if due is None or not (status.late or (_waits(checkpoint) and due < dossier.now)):
        return None
    return _message(
        checkpoint,
        Kind.ESCALATION,
        due,
        SUREFOOT,
        f"{asked_of(checkpoint)}; {requested_by(dossier) or EVERYBODY}",
        message=f"{asked.type.value} {asked.name} at {asked.percent}% is late: it was due now",
        action=_ACTIONS[asked.type],
        pending=_waits(checkpoint),
    )


_KINDS = {
    CheckpointType.REPORT: Kind.DECISION,
    CheckpointType.HANDOFF: Kind.HANDOFF,
    CheckpointType.DECISION_MEETING: Kind.MEETING,
}


def _reported(dossier: Dossier, checkpoint: Checkpoint, said: Said) -> Message:
    spec, asked = checkpoint.spec, checkpoint.spec.request
    acknowledgers = _acknowledgers(dossier, checkpoint)
    to = requested_by(dossier) or EVERYBODY
    action = _asks_for(checkpoint, said)
    if asked.type is CheckpointType.HANDOFF and asked.receiver is not None:
        to = format_people(asked.receiver.users, asked.receiver.groups)
        action = spec.required_action or "" if said.stands else ""
    elif asked.type is CheckpointType.DECISION_MEETING:
        to = ", ".join(acknowledgers) or to
    is_open = _is_unacknowledged(checkpoint, said)
    if is_open and asked.type is CheckpointType.DECISION_MEETING:
        action = "; ".join(filter(None, ("Acknowledge the resolution", action)))
    return _message(
        checkpoint,
        _KINDS[asked.type],
        said.at,
        said.by,
        to,
        message=f"{asked.name}: {said.decision.value}: {said.reason}",
        action=action,
        pending=is_open,
        said=said,
    )


def _acknowledging(dossier: Dossier, checkpoint: Checkpoint) -> list[Approval]:
    """The acknowledgements that are asked for the decision as it stands."""
    metadata = checkpoint.metadata
    meant = (metadata.uid, metadata.generation)
    return [
        approval
        for approval in dossier.approvals
        if (reference := approval.spec.request.acknowledges) is not None
        and (reference.uid, reference.generation) == meant
        and approval.status.state is not RequestState.VOID
    ]


def _acknowledgers(dossier: Dossier, checkpoint: Checkpoint) -> list[str]:
    asked = _acknowledging(dossier, checkpoint)
    return [f"{asked_of(each)} ({part_of(each)})" for each in asked]


def _is_unacknowledged(checkpoint: Checkpoint, said: Said) -> bool:
    is_needed = checkpoint.spec.request.type is not CheckpointType.REPORT
    is_go = said.stands and said.decision is Decision.GO
    is_open = checkpoint.status.state in {RequestState.PENDING, RequestState.GO}
    return is_needed and is_go and is_open and not checkpoint.status.acknowledged


def _dissent(checkpoint: Checkpoint) -> Iterable[Message]:
    spec, chair = checkpoint.spec, checkpoint.spec.decided_by
    for each in spec.dissent:
        yield _message(
            checkpoint,
            Kind.DISSENT,
            checkpoint.status.decided_at,
            each.by,
            chair.username if chair is not None else EVERYBODY,
            message=f"{spec.request.name}: {each.statement}",
            said="on the record",
        )


# Approvals and acknowledgements


def _of_approval(dossier: Dossier, approval: Approval) -> Iterable[Message]:
    yield _approval_asked(dossier, approval)
    for said in all_said(approval):
        is_one = is_acknowledgement(approval)
        acknowledged = approval.spec.request.acknowledges
        about = f"{acknowledged.name}: " if is_one and acknowledged is not None else _dry(approval)
        yield _message(
            approval,
            Kind.ACKNOWLEDGEMENT if is_one else Kind.DECISION,
            said.at,
            said.by,
            _who_hears(dossier, approval),
            message=f"{about}{part_of(approval)}: {said.decision.value}: {said.reason}",
            action=_asks_for(approval, said),
            said=said,
        )


def _who_hears(dossier: Dossier, approval: Approval) -> str:
    """Who said what is acknowledged; else who asked for the rollout."""
    reference = approval.spec.request.acknowledges
    for checkpoint in dossier.checkpoints:
        decider = checkpoint.spec.decided_by
        is_meant = reference is not None and checkpoint.metadata.uid == reference.uid
        if is_meant and decider is not None:
            return decider.username
    asked = approval.spec.request.requested_by
    return asked or requested_by(dossier) or EVERYBODY


def _approval_asked(dossier: Dossier, approval: Approval) -> Message:
    asked = approval.spec.request
    sections = ", ".join(each.value for each in asked.required_sections)
    step = "to be complete" if asked.from_ == 100 else f"from {asked.from_}% to {asked.to}%"
    message, action = f"{asked.role}: the step {step}", "Decide GO or NO-GO, with a reason"
    if asked.acknowledges is not None:
        message, action = (
            f"{asked.role}: {asked.evidence}",
            f"Acknowledge {asked.acknowledges.name}",
        )
    elif sections:
        action += f" and {sections}"
    return _message(
        approval,
        Kind.REQUEST,
        _opened(dossier, approval, asked.from_),
        SUREFOOT,
        asked_of(approval),
        message=f"{_dry(approval)}{message}{_round(approval)}",
        action=action,
        pending=_waits(approval),
    )


def _dry(approval: Approval) -> str:
    return "dry run, counts for nothing: " if is_dry_run(approval) else ""


# What happened


def _of_transition(dossier: Dossier, entry: Transition) -> Iterable[Message]:
    requests: tuple[Request, ...] = (*dossier.approvals, *dossier.checkpoints)
    known = {each.metadata.uid for each in requests}
    yield from (
        _of_record(entry, each) for each in entry.evidence.decisions if each.uid not in known
    )
    moved = f"{entry.type.value}, {entry.from_ or 0}% → {entry.to}%"
    is_back = entry.type is TransitionType.ROLLBACK
    is_last = not any(later.type is TransitionType.RETRY for later in _after(dossier, entry))
    yield Message(
        kind=Kind.TRANSITION,
        at=entry.at,
        hour=None,
        from_=_by(entry),
        to=EVERYBODY,
        message=f"{moved}: {entry.message or entry.reason}",
        action_required=_ROLLED_BACK if is_back else "",
        pending=is_back and is_last,
        status=f"committed as {entry.transition_id}{_in_doubt(_is_verified(entry))}",
        about=entry.transition_id,
    )


def _by(entry: Transition | PendingTransition) -> str:
    return ", ".join(named(entry)) or (UNNAMED if is_requested(entry) else SUREFOOT)


def _is_verified(entry: Transition | PendingTransition) -> bool | None:
    """Whether the name is that of the one who asked; None where no person did, or none is named."""
    return bool(entry.verified) if is_requested(entry) and named(entry) else None


def _after(dossier: Dossier, entry: Transition) -> tuple[Transition, ...]:
    return dossier.history[dossier.history.index(entry) + 1 :]


def _of_record(entry: Transition, decision: DecisionEvidence) -> Message:
    """A decision that was used and whose object is gone."""
    said = f": {decision.reason}" if decision.reason else ""
    return Message(
        kind=Kind.ACKNOWLEDGEMENT if decision.purpose == ACKNOWLEDGE else Kind.DECISION,
        at=decision.decided_at,
        hour=None,
        from_=decision.by,
        to=EVERYBODY,
        message=f"{decision.role}: {decision.decision}{said}",
        action_required="",
        pending=False,
        status=f"counted for {entry.transition_id}{_in_doubt(decision.verified)}",
        about=decision.name,
    )


def _of_intent(dossier: Dossier) -> Iterable[Message]:
    pending = dossier.rollout.status.pending
    if pending is not None:
        yield Message(
            kind=Kind.TRANSITION,
            at=pending.recorded_at,
            hour=None,
            from_=_by(pending),
            to=EVERYBODY,
            message=f"{pending.type.value}, {pending.from_ or 0}% → {pending.to}%: "
            f"{pending.message or pending.reason}",
            action_required="",
            pending=True,
            status=f"decided, and not yet written to the flag{_in_doubt(_is_verified(pending))}",
            about=pending.transition_id,
        )


# In words


def _message(
    request: Request,
    kind: Kind,
    at: datetime | None,
    from_: str,
    to: str,
    *,
    message: str,
    action: str = "",
    pending: bool = False,
    said: Said | str | None = None,
) -> Message:
    return Message(
        kind=kind,
        at=at,
        hour=None,
        from_=from_,
        to=to,
        message=message,
        action_required=action,
        pending=pending,
        status=said if isinstance(said, str) else _state(request, said),
        about=request.metadata.name,
    )


def _waits(request: Request) -> bool:
    return request.status.state is RequestState.PENDING and request.spec.decision is None


def _state(request: Request, said: Said | None) -> str:
    """What became of a request, or of one of the decisions on it."""
    status = request.status
    if said is not None and not said.stands:
        return f"decided again since{_in_doubt(said.verified)}"
    if said is not None and said.verified is None:
        return "the operator has not seen it yet"
    doubt = _in_doubt(said.verified) if said is not None else ""
    if status.state is RequestState.VOID:
        return f"void: {status.void_reason or 'the reason is not recorded'}{doubt}"
    if status.state is RequestState.EXPIRED:
        return f"expired{doubt}"
    if status.state is RequestState.USED:
        return f"counted for {status.counted_for}{doubt}"
    if said is not None:
        is_go = said.decision is Decision.GO
        return f"{'given, and not used yet' if is_go else 'it holds'}{doubt}"
    return _answered(request)


def _answered(request: Request) -> str:
    decider = request.spec.decided_by
    if request.spec.decision is None or decider is None:
        return "not answered"
    return f"answered: {request.spec.decision.value} by {decider.username}"


def _in_doubt(verified: bool | None) -> str:
    return "; the name is not verified" if verified is False else ""


def _asks_for(request: Request, said: Said) -> str:
    """The conditions of a GO that stands."""
    if not said.stands or said.decision is not Decision.GO:
        return ""
    met = {each.name for each in request.status.conditions if each.met}
    return "; ".join(
        f"{each.name}: {each.text} ({'met' if each.name in met else 'not met'})"
        for each in request.spec.conditions
    )


def _round(request: Request) -> str:
    number = request.spec.request.round
    return f" (request number {number})" if number > 1 else ""


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")
