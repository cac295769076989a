"""The parties of a meeting: every role that had decided when the meeting did.

No one acknowledges for the side that they overrule: where a role said NO-GO, neither the chair of
the meeting nor a person who said GO for the same role does, unless the NO-GO is their own.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from surefoot.api.v1alpha1.approval import Approval, Decision, PastDecision, Signing
from surefoot.api.v1alpha1.checkpoint import Checkpoint, CheckpointType, People
from surefoot.domain.derive.state import State
from surefoot.domain.facts.memory import remembered_with
from surefoot.domain.signoff.acknowledgements import Party
from surefoot.domain.signoff.decisions import ObservedDecision, current_decision, earliest
from surefoot.domain.signoff.percent_ranges import asked_percent, overlaps_next_step
from surefoot.domain.signoff.requests import eligible_among, named
from surefoot.domain.signoff.veto import Question, QuestionKind, Veto, active_no_gos


class _Statements(NamedTuple):
    """An Approval of a role, and what people who were asked have said on it."""

    approval: Approval
    words: tuple[PastDecision, ...]


@dataclass(frozen=True)
class _Role:
    """A role that was asked about the next step: its people, and what they have said of it.

    ``agreed`` are those who ever said GO.
    """

    name: str
    people: People
    signing: Signing
    known: tuple[_Statements, ...]
    agreed: frozenset[str]


def parties(
    state: State, meeting: Checkpoint, outcome: ObservedDecision | None
) -> tuple[Party, ...]:
    """Those who must acknowledge the GO of a meeting: a party for each role."""
    is_meeting = meeting.spec.request.type is CheckpointType.DECISION_MEETING
    if not is_meeting or outcome is None or not outcome.is_go:
        return ()
    vetoes = {veto.question: veto for veto in active_no_gos(state, asked_percent(state))}
    with_vetoes = (
        (role, vetoes.get(Question(QuestionKind.ROLE, role.name))) for role in _roles(state)
    )
    return tuple(
        _party(role, None if veto is None else veto.by, outcome.by)
        for role, veto in with_vetoes
        if _had_decided(state, role, veto, outcome.seen_at)
    )


@remembered_with
def _roles(state: State) -> tuple[_Role, ...]:
    """Each role and what its people have said of the next step, for every meeting of the step."""
    by_role: dict[str, list[_Statements]] = {}
    for approval in state.snapshot.approvals:
        if overlaps_next_step(state, approval):
            statements = _Statements(approval, _words(approval, current_decision(state, approval)))
            by_role.setdefault(approval.spec.request.role, []).append(statements)
    return tuple(_role(state, name, tuple(known)) for name, known in sorted(by_role.items()))


def _role(state: State, name: str, known: tuple[_Statements, ...]) -> _Role:
    policy = state.hold.approvals
    planned = next((role for role in policy.roles if role.name == name), None) if policy else None
    asked = planned or known[-1].approval.spec.request
    words = (entry for statements in known for entry in statements.words)
    return _Role(
        name=name,
        people=named(asked.users, asked.groups),
        signing=asked.signing if planned is not None else Signing.OPTIONAL,
        known=known,
        agreed=frozenset(entry.by for entry in words if entry.decision is Decision.GO),
    )


def _had_decided(state: State, role: _Role, veto: Veto | None, moment: datetime) -> bool:
    """Whether the role may have said anything before that could count, or its NO-GO stood."""
    if veto is not None and earliest(veto.entry) < moment:
        return True
    return any(
        earliest(entry) < moment
        for statements in role.known
        if _is_of_now(state, statements.approval)
        for entry in statements.words
    )


def _is_of_now(state: State, approval: Approval) -> bool:
    asked = approval.spec.request
    return (asked.plan_hash, asked.attempt) == (state.plan_hash, state.attempt)


def _words(approval: Approval, decision: ObservedDecision | None) -> tuple[PastDecision, ...]:
    """The decisions of people who were asked."""
    if decision is None:
        return ()
    eligible = eligible_among(approval, {entry.by for entry in decision.history})
    return tuple(entry for entry in decision.history if entry.by in eligible)


@remembered_with
def _party(role: _Role, overruled: str | None, chair: str) -> Party:
    """The role as a party, without those who overrule its NO-GO, where one stands.

    Only exactly its own signer is not one of them.
    """
    overruling = frozenset({chair, *role.agreed} - {overruled})
    return Party(
        name=role.name,
        people=role.people,
        excluded=frozenset() if overruled is None else overruling,
        signing=role.signing,
    )
