"""Meetings: GO against NO-GO opens one by itself, and its GO resolves the NO-GOs before it.

The step's own DecisionMeeting serves; without one, a meeting of the name `conflict` is opened. It
counts for this plan and attempt, once every role that had decided has acknowledged it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from surefoot.api.v1alpha1.checkpoint import CheckpointType, People
from surefoot.api.v1alpha1.rollout import ApprovalsPolicy, CheckpointPlan
from surefoot.domain.derive.state import State
from surefoot.domain.facts.verdicts import UnmetRequirement
from surefoot.domain.plan import OpenRequest
from surefoot.domain.signoff.checkpoints import (
    CheckpointView,
    judge_meeting,
    missing_of,
    opening_of,
)
from surefoot.domain.signoff.decisions import ObservedDecision
from surefoot.domain.signoff.requests import decide_command, folded, format_people, named
from surefoot.domain.signoff.veto import Veto

NAME = "conflict"
_MOST_PEOPLE = 32
_LONGEST_EVIDENCE = 8192


@dataclass(frozen=True, slots=True)
class Position:
    """The position of a role: the GO that would count and the NO-GO that stands, if any."""

    role: str
    go: ObservedDecision | None
    no_go: Veto | None
    is_planned: bool = True


@dataclass(frozen=True, slots=True)
class Conflict:
    """A conflict, if there is one, and the meeting that is to resolve it."""

    view: CheckpointView | None = None
    opens: tuple[OpenRequest, ...] = ()
    missing: tuple[UnmetRequirement, ...] = ()

    def resolves(self, no_go: Veto) -> bool:
        """Whether the meeting has resolved this NO-GO, which must surely be older."""
        view = self.view
        if view is None or not view.is_go or view.decision is None:
            return False
        return no_go.given_at < view.decision.at


def judge_conflict(
    state: State,
    policy: ApprovalsPolicy,
    positions: tuple[Position, ...],
    own: CheckpointView | None,
) -> Conflict:
    """Whether GO stands against NO-GO, and what the meeting about it says."""
    against = [position.no_go for position in positions if position.no_go is not None]
    if not against or not policy.roles:
        return Conflict()
    is_on = _is_conflict(policy, positions)
    if own is not None:
        is_open = is_on and not all(map(Conflict(own).resolves, against))
        return Conflict(own, missing=_again(own) if is_open else ())
    plan = _plan(policy)
    view = judge_meeting(state, plan)
    if not is_on and view.decision is None:
        return Conflict()
    opens = opening_of(state, view, _in_words(positions), may_open=is_on)
    is_over = all(map(Conflict(view).resolves, against))
    missing = () if is_over else _missing(state, view)
    return Conflict(view, opens, missing)


def _is_conflict(policy: ApprovalsPolicy, positions: Iterable[Position]) -> bool:
    """Whether every other role that is needed says GO, or another signer of the same role does.

    Names that differ in case may be one person's, who does not contradict themselves.
    """
    planned = [position for position in positions if position.is_planned]
    others = [position for position in planned if position.no_go is None]
    agreed = [position for position in others if position.go is not None]
    needed = min(policy.quorum or len(others), len(others))
    within_a_role = any(
        position.no_go is not None
        and position.go is not None
        and folded(position.go.by) != folded(position.no_go.by)
        for position in planned
    )
    return within_a_role or (bool(agreed) and len(agreed) >= needed)


def _plan(policy: ApprovalsPolicy) -> CheckpointPlan:
    """The meeting as a checkpoint. Its name is reserved: no plan may have one of that name."""
    return CheckpointPlan.model_construct(
        name=NAME, type=CheckpointType.DECISION_MEETING, reporter=policy.meeting or _all(policy)
    )


def _all(policy: ApprovalsPolicy) -> People:
    """Everyone who may sign for a role, as many as a request can name."""
    users = dict.fromkeys(user for role in policy.roles for user in role.users)
    groups = dict.fromkeys(group for role in policy.roles for group in role.groups)
    return named(tuple(users)[:_MOST_PEOPLE], tuple(groups)[:_MOST_PEOPLE])


def _in_words(positions: Iterable[Position]) -> str:
    """Write down what each party says and why, so that the meeting begins with it."""
    lines = []
    for position in positions:
        if position.no_go is not None:
            no_go = position.no_go
            lines.append(f"{position.role}: NO-GO by {no_go.by}: {no_go.reason}")
        if position.go is not None:
            lines.append(f"{position.role}: GO by {position.go.by}: {position.go.reason}")
    return "\n".join(lines)[:_LONGEST_EVIDENCE]


def _missing(state: State, view: CheckpointView) -> tuple[UnmetRequirement, ...]:
    """List what the meeting waits for; a NO-GO of its chair is reported already."""
    if view.no_go is not None:
        return ()
    if view.is_go:
        return _again(view)
    if view.decision is not None:
        return missing_of(state, view)
    chairs = format_people(view.may_report.users, view.may_report.groups)
    command = decide_command(view.request) if view.request is not None else None
    return (
        UnmetRequirement(
            "AwaitingMeeting", f"GO stands against NO-GO: {chairs} must hold a meeting", command
        ),
    )


def _again(view: CheckpointView) -> tuple[UnmetRequirement, ...]:
    if view.request is None or not view.is_go:
        return ()
    return (
        UnmetRequirement(
            "AwaitingMeeting",
            f"meeting {view.plan.name} was held before this NO-GO: it must decide again",
            decide_command(view.request),
        ),
    )
