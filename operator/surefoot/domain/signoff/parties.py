"""The parties of a meeting: every role that had decided when the meeting did.

Nobody acknowledges for the side that they overrule: where a role said NO-GO, neither who chaired
the meeting nor who said GO for the same role does, unless the NO-GO is their own.
"""

from datetime import datetime

from surefoot.api.v1alpha1.approval import Approval, Decision, PastDecision, Signing
from surefoot.api.v1alpha1.checkpoint import Checkpoint, CheckpointType, People
from surefoot.domain.derive.state import State
from surefoot.domain.signoff.acknowledgements import Party
from surefoot.domain.signoff.percent_ranges import overlaps_next_step
from surefoot.domain.signoff.requests import ObservedDecision, current_decision, is_eligible
from surefoot.domain.signoff.veto import active_no_go

_Known = list[tuple[Approval, ObservedDecision | None]]


def parties(
    situation: State, meeting: Checkpoint, outcome: ObservedDecision | None
) -> tuple[Party, ...]:
    """Who must acknowledge the GO of a meeting: a party for each role."""
    is_meeting = meeting.spec.request.type is CheckpointType.DECISION_MEETING
    if not is_meeting or outcome is None or outcome.decision is not Decision.GO:
        return ()
    by_role: dict[str, _Known] = {}
    for approval in situation.snapshot.approvals:
        if overlaps_next_step(situation, approval):
            pair = (approval, current_decision(situation, approval))
            by_role.setdefault(approval.spec.request.role, []).append(pair)
    return tuple(
        _party(situation, role, known, outcome)
        for role, known in sorted(by_role.items())
        if _had_decided(situation, known, outcome.at)
    )


def _had_decided(situation: State, known: _Known, moment: datetime) -> bool:
    """Whether the role had said anything that could count, or a NO-GO of whenever stood."""
    no_go = active_no_go(situation, known)
    if no_go is not None and no_go[1].seen_at < moment:
        return True
    return any(
        entry.seen_at < moment
        for approval, decision in known
        if _is_of_now(situation, approval)
        for entry in _words(approval, decision)
    )


def _is_of_now(situation: State, approval: Approval) -> bool:
    asked = approval.spec.request
    return (asked.plan_hash, asked.attempt) == (situation.plan_hash, situation.attempt)


def _words(approval: Approval, decision: ObservedDecision | None) -> list[PastDecision]:
    """What was said by people who were asked."""
    history = decision.history if decision is not None else ()
    return [entry for entry in history if is_eligible(approval, entry.by)]


def _party(situation: State, role: str, known: _Known, outcome: ObservedDecision) -> Party:
    policy = situation.hold.approvals
    planned = next((each for each in policy.roles if each.name == role), None) if policy else None
    asked = planned or known[-1][0].spec.request
    return Party(
        name=role,
        people=People(users=asked.users, groups=asked.groups),
        excluded=_excluded(situation, known, outcome),
        signing=asked.signing if planned is not None else Signing.OPTIONAL,
    )


def _excluded(situation: State, known: _Known, outcome: ObservedDecision) -> frozenset[str]:
    no_go = active_no_go(situation, known)
    if no_go is None:
        return frozenset()
    agreed = {
        entry.by
        for approval, decision in known
        for entry in _words(approval, decision)
        if entry.decision is Decision.GO
    }
    own = no_go[1].by.lower()
    return frozenset(name for name in {outcome.by, *agreed} if name.lower() != own)
