"""Escalation: people who were asked and are silent are told of again, each time more urgently.

A request is as urgent as it is old. Past its due time it is a Warning; one without a due time is
after `escalateAfter`. After another `escalateAfter` it is Critical. The level is on the status, so
that a restart neither forgets nor repeats it.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from surefoot.api.v1alpha1.checkpoint import Checkpoint
from surefoot.api.v1alpha1.rollout_status import Blocker, Severity
from surefoot.domain.derive.state import State
from surefoot.domain.facts.moments import later
from surefoot.domain.plan import Announcement
from surefoot.domain.signoff.requests import FINAL, Request, decide_command

LATE = "CheckpointLate"
NO_GO = "NoGo"
MEETING = "AwaitingMeeting"
_SHORTEST = timedelta(microseconds=1)


class Level(NamedTuple):
    """A degree of urgency, and the moment at which an undecided request reaches it."""

    moment: datetime
    severity: Severity


def escalated(state: State, blockers: tuple[Blocker, ...]) -> tuple[Blocker, ...]:
    """Add to each thing that is missing how urgent it has become."""
    if not any(blocker.command for blocker in blockers):
        return blockers
    asked = _asked(state)
    return tuple(
        blocker.model_copy(update={"escalated_to": _level(state, asked[blocker.command])})
        if blocker.command in asked
        else blocker
        for blocker in blockers
    )


def next_moment(state: State) -> timedelta | None:
    """How long until a request becomes more urgent; None if none will."""
    now = state.now
    ahead = [
        max(level.moment - now, _SHORTEST)
        for request in _asked(state).values()
        for level in levels(request, state.snapshot.escalate_after)
        if level.moment >= now
    ]
    return min(ahead, default=None)


def levels(request: Request, after: timedelta | None) -> tuple[Level, ...]:
    """List the moments at which a request becomes more urgent while it is undecided."""
    due = request.spec.request.due_at if isinstance(request, Checkpoint) else None
    created = request.metadata.creation_timestamp
    if due is None and created is not None and after is not None:
        due = later(created, after)
    if due is None:
        return ()
    if after is None:
        return (Level(due, Severity.WARNING),)
    return (Level(due, Severity.WARNING), Level(later(due, after), Severity.CRITICAL))


def escalation_events(
    state: State, before: Iterable[Blocker], after: Iterable[Blocker]
) -> list[Announcement]:
    """List what people are asked now and were not before, in the words of the status.

    Asked      somebody is to report, to sign, to acknowledge, or to meet a condition
    Conflict   GO stands against NO-GO, and somebody is to hold a meeting
    NoGo       somebody has said NO-GO
    Late       a checkpoint is past its due time
    Escalated  the people who were asked are still silent
    """
    before = tuple(before)
    earlier = {blocker.command: blocker for blocker in before}
    known = {(blocker.reason, _identity(blocker)) for blocker in before}
    asked = _asked(state)
    announcements = []
    for blocker in after:
        is_new = (blocker.reason, _identity(blocker)) not in known
        if blocker.reason == LATE and is_new:
            reason: str | None = "Late"
        elif blocker.reason == NO_GO:
            reason = "NoGo" if is_new else None
        elif blocker.reason == MEETING and blocker.command and is_new:
            reason = "Conflict"
        elif blocker.command in asked:
            reason = _asked_or_escalated(blocker, earlier.get(blocker.command))
        else:
            reason = None
        if reason is not None:
            announcements.append(_announcement(reason, blocker))
    return announcements


def _asked_or_escalated(now: Blocker, before: Blocker | None) -> str | None:
    if before is None:
        return "Asked"
    is_told_as_late = now.reason == LATE and now.escalated_to is Severity.WARNING
    is_worse = now.escalated_to not in {None, before.escalated_to} and not is_told_as_late
    return "Escalated" if is_worse else None


def _announcement(reason: str, blocker: Blocker) -> Announcement:
    return Announcement(
        reason,
        blocker.message,
        warning=reason != "Asked" or blocker.escalated_to is not None,
        command=blocker.command,
        about=_identity(blocker),
        severity=blocker.escalated_to,
    )


def _identity(blocker: Blocker) -> str | None:
    """Tell one thing that is missing from another, by a NO-GO's words, or the request's command."""
    return blocker.message if blocker.reason == NO_GO else blocker.command


def _asked(state: State) -> dict[str | None, Request]:
    """The requests that nobody has decided, by what is typed to decide them."""
    snapshot, uid = state.snapshot, state.rollout.metadata.uid
    requests: tuple[Request, ...] = (*snapshot.checkpoints, *snapshot.approvals)
    return {
        decide_command(request): request
        for request in requests
        if request.spec.request.rollout.uid == uid
        and request.spec.decision is None
        and request.status.state not in FINAL
    }


def _level(state: State, request: Request) -> Severity | None:
    reached = [
        level.severity
        for level in levels(request, state.snapshot.escalate_after)
        if level.moment < state.now
    ]
    return reached[-1] if reached else None
