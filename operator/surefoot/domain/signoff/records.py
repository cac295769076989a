"""Records: the statuses that the Checkpoints and Approvals of a Rollout must have by now."""

from collections.abc import Iterable
from datetime import datetime
from typing import TypeVar

from surefoot.api.v1alpha1.approval import Approval, ApprovalRequest, ApprovalStatus, RequestState
from surefoot.api.v1alpha1.checkpoint import (
    Checkpoint,
    CheckpointRequest,
    CheckpointStatus,
    CheckpointType,
)
from surefoot.api.v1alpha1.rollout_status import RolloutStatus
from surefoot.domain.derive.state import State
from surefoot.domain.plan import RecordRequest
from surefoot.domain.signoff import conditions
from surefoot.domain.signoff.acknowledgements import AcknowledgementView
from surefoot.domain.signoff.approvals import RoleView
from surefoot.domain.signoff.checkpoints import CheckpointView, is_late
from surefoot.domain.signoff.conditions import ConditionsView
from surefoot.domain.signoff.decisions import (
    ObservedDecision,
    current_decision,
    may_be_recorded,
    state_of,
)
from surefoot.domain.signoff.evaluate import Answered
from surefoot.domain.signoff.requests import FINAL, Request, counts_for_nothing

Status = TypeVar("Status", ApprovalStatus, CheckpointStatus)


def records(
    state: State,
    checkpoints: Iterable[CheckpointView],
    roles: Iterable[RoleView],
) -> tuple[RecordRequest, ...]:
    """The statuses that must be written: what was decided, seen, used, voided or has expired.

    They follow from the facts, whatever else the pass does: a plan may carry them after the flag's
    move. What an open transition counts is Used only once that is committed, and void only once
    that is abandoned. As long as it is not known whether admission is enforced, a new decision is
    not put on record: the record says whether admission established who decided.
    """
    checkpoints = tuple(checkpoints)
    snapshot, uid = state.snapshot, state.rollout.metadata.uid
    used = _used(state.status)
    by_checkpoint = {v.request.metadata.uid: v for v in checkpoints if v.request is not None}
    by_approval = {v.request.metadata.uid: v for v in roles if v.request is not None}
    by_acknowledgement = {
        acknowledgement.request.metadata.uid: acknowledgement
        for view in checkpoints
        for acknowledgement in view.acknowledgements
        if acknowledgement.request is not None
    }
    by_report = _conditions_by_report(state)
    record_requests: list[RecordRequest] = []
    for checkpoint in snapshot.checkpoints:
        if checkpoint.spec.request.rollout.uid == uid:
            key = checkpoint.metadata.uid
            view = by_checkpoint.get(key) or by_report.get(key)
            status = _checkpoint_status(state, checkpoint, view, used)
            record_requests += _record(state, checkpoint, status)
    for approval in snapshot.approvals:
        if approval.spec.request.rollout.uid == uid:
            key = approval.metadata.uid
            view_of_it = by_approval.get(key) or by_acknowledgement.get(key)
            status_of_it = _approval_status(state, approval, view_of_it, used)
            record_requests += _record(state, approval, status_of_it)
    return tuple(record_requests)


def _conditions_by_report(state: State) -> dict[str, ConditionsView]:
    """The conditions that somebody reports on, by the report's UID: of all GOs not taken back."""
    requests: tuple[Request, ...] = (
        *state.snapshot.approvals,
        *state.snapshot.checkpoints,
    )
    views = (
        conditions.judge(state, request)
        for request in requests
        if request.status.state not in {RequestState.VOID, RequestState.EXPIRED}
    )
    return {v.report.metadata.uid: v for v in views if v is not None and v.report is not None}


def _record(
    state: State, request: Request, status: CheckpointStatus | ApprovalStatus
) -> tuple[RecordRequest, ...]:
    if status is request.status or not may_be_recorded(state, request):
        return ()
    if request.spec.decision is None and _says_nothing_yet(request, status):
        return ()
    metadata = request.metadata
    kind = "Approval" if isinstance(request, Approval) else "Checkpoint"
    return (RecordRequest(kind, metadata.name, metadata.uid, metadata.resource_version, status),)


def _says_nothing_yet(request: Request, status: ApprovalStatus | CheckpointStatus) -> bool:
    """Whether it would be the first status, of a request of which there is nothing to say.

    The API server shows such a request as Pending.
    """
    if request.status.observed_generation:
        return False
    return status.model_copy(update={"observed_generation": 0}) == request.status


_Used = dict[str, tuple[str, int]]


def _used(status: RolloutStatus) -> _Used:
    """The transition that used a decision, and at which generation, by the request's UID."""
    return {
        decision.uid: (entry.transition_id, decision.generation)
        for entry in status.history
        for decision in entry.evidence.decisions
    }


def _approval_status(
    state: State,
    approval: Approval,
    view: RoleView | AcknowledgementView | None,
    used: _Used,
) -> ApprovalStatus:
    current = _answered(view)
    if isinstance(view, RoleView):
        current = {**(current or {}), "expires_at": view.expires_at}
    changes = _changes(state, approval, current, used)
    if approval.spec.request.dry_run is not None:
        changes["message"] = counts_for_nothing(approval.spec.request.dry_run)
    return _with(approval.status, changes)


def _checkpoint_status(
    state: State,
    checkpoint: Checkpoint,
    view: CheckpointView | ConditionsView | None,
    used: _Used,
) -> CheckpointStatus:
    current = _answered(view)
    if isinstance(view, CheckpointView):
        late, acknowledged = is_late(view, state.now), view.is_acknowledged
        current = {**(current or {}), "late": late, "acknowledged": acknowledged}
    changes = _changes(state, checkpoint, current, used)
    if (
        checkpoint.metadata.uid in used
        and checkpoint.spec.request.type is not CheckpointType.REPORT
    ):
        # Nothing is counted that somebody still had to acknowledge.
        changes["acknowledged"] = True
    return _with(checkpoint.status, changes)


def _with(status: Status, changes: dict[str, object]) -> Status:
    """The status with what has changed; the very same where nothing has."""
    changed = {name: value for name, value in changes.items() if getattr(status, name) != value}
    return status.model_copy(update=changed) if changed else status


def _answered(view: Answered[Approval] | Answered[Checkpoint] | None) -> dict[str, object] | None:
    if view is None:
        return None
    return {"state": view.state, "void_reason": view.void_reason}


def _changes(
    state: State, request: Request, current: dict[str, object] | None, used: _Used
) -> dict[str, object]:
    """The changes of a status: ``current`` is None for a request that no longer counts."""
    known = current_decision(state, request)
    common = _common(state, request, known)
    if request.metadata.uid in used:
        transition, generation = used[request.metadata.uid]
        return {
            **common,
            "state": RequestState.USED,
            "counted_for": transition,
            "used_generation": generation,
        }
    if request.status.state in FINAL:
        return common
    if not state.plan_is_valid or request.metadata.uid in _counted_by_pending(state):
        # Nothing is voided for a plan that is not in force, nor what may be used already.
        return {**common, "state": state_of(known)}
    if current is None:
        return {
            **common,
            "state": RequestState.VOID,
            "void_reason": _why_void(state, request),
        }
    return {**common, **current}


def _counted_by_pending(state: State) -> frozenset[str]:
    """The requests that an open transition counts: whether they are used is yet to be seen."""
    pending = state.rollout.status.pending
    return frozenset(item.uid for item in pending.evidence.decisions) if pending else frozenset()


def _common(state: State, request: Request, known: ObservedDecision | None) -> dict[str, object]:
    """The part that is kept of every decision, also of one that does not count."""
    decided_at: datetime | None = known.at if known else None
    return {
        "decisions": known.history if known else request.status.decisions,
        "decided_at": decided_at,
        "conditions": conditions.statuses(conditions.judge(state, request)),
        "observed_generation": request.metadata.generation,
    }


def _why_void(state: State, request: Request) -> str:
    """Why a request is no longer the one that counts."""
    asked = request.spec.request
    if isinstance(asked, CheckpointRequest) and asked.conditions_of is not None:
        return "the decision that asks for these conditions no longer counts"
    run = asked.dry_run if isinstance(asked, ApprovalRequest) else None
    latest = state.status.approval_dry_run
    if run is not None and latest is not None and run != latest.run:
        return f"dry run {latest.run} was asked for"
    over = state.superseded_reason(attempt=asked.attempt, plan_hash=asked.plan_hash)
    if over is not None:
        return over
    percent = asked.from_ if isinstance(asked, ApprovalRequest) else asked.percent
    if percent != state.percent or state.is_complete:
        return "the step was left without it"
    return "it was asked again"
