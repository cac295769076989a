"""The parties of a meeting: every role that had decided when the meeting did.

No one acknowledges for the side that they overrule: where a role said NO-GO, neither the chair of
the meeting nor a person who said GO for the same role does, unless the NO-GO is their own.
"""

from datetime import datetime
from typing import NamedTuple

from surefoot.api.v1alpha1.approval import Approval, Decision, PastDecision, Signing
from surefoot.api.v1alpha1.checkpoint import Checkpoint, CheckpointType
from surefoot.domain.derive.state import State
from surefoot.domain.facts.memory import remembered_with
from surefoot.domain.signoff.acknowledgements import Party
from surefoot.domain.signoff.decisions import ObservedDecision, current_decision, earliest
from surefoot.domain.signoff.percent_ranges import asked_percent, overlaps_next_step
from surefoot.domain.signoff.requests import is_eligible, named
from surefoot.domain.signoff.veto import Question, QuestionKind, Veto, active_no_gos


class _Said(NamedTuple):
    """An Approval of a role, and what people who were asked have said on it."""

    approval: Approval
    words: tuple[PastDecision, ...]


_Known = tuple[_Said, ...]


def parties(
    state: State, meeting: Checkpoint, outcome: ObservedDecision | None
) -> tuple[Party, ...]:
    """Those who must acknowledge the GO of a meeting: a party for each role."""
    is_meeting = meeting.spec.request.type is CheckpointType.DECISION_MEETING
    if not is_meeting or outcome is None or not outcome.is_go:
        return ()
    vetoes = {veto.question: veto for veto in active_no_gos(state, asked_percent(state))}
    found = []
    for role, known in _words_by_role(state):
        veto = vetoes.get(Question(QuestionKind.ROLE, role))
        if _had_decided(state, known, veto, outcome.seen_at):
            found.append(_party(state, role, known, veto, outcome))
    return tuple(found)


@remembered_with
def _words_by_role(state: State) -> tuple[tuple[str, tuple[_Said, ...]], ...]:
    """What the people of each role have said of the next step, for every meeting of the step."""
    by_role: dict[str, list[_Said]] = {}
    for approval in state.snapshot.approvals:
        if overlaps_next_step(state, approval):
            said = _Said(approval, _words(approval, current_decision(state, approval)))
            by_role.setdefault(approval.spec.request.role, []).append(said)
    return tuple((role, tuple(known)) for role, known in sorted(by_role.items()))


def _had_decided(state: State, known: _Known, veto: Veto | None, moment: datetime) -> bool:
    """Whether the role may have said anything before that could count, or its NO-GO stood."""
    if veto is not None and earliest(veto.entry) < moment:
        return True
    return any(
        earliest(entry) < moment
        for said in known
        if _is_of_now(state, said.approval)
        for entry in said.words
    )


def _is_of_now(state: State, approval: Approval) -> bool:
    asked = approval.spec.request
    return (asked.plan_hash, asked.attempt) == (state.plan_hash, state.attempt)


def _words(approval: Approval, decision: ObservedDecision | None) -> tuple[PastDecision, ...]:
    """The decisions of people who were asked."""
    history = decision.history if decision is not None else ()
    return tuple(entry for entry in history if is_eligible(approval, entry.by))


def _party(
    state: State, role: str, known: _Known, veto: Veto | None, outcome: ObservedDecision
) -> Party:
    policy = state.hold.approvals
    planned = next((each for each in policy.roles if each.name == role), None) if policy else None
    asked = planned or known[-1].approval.spec.request
    return Party(
        name=role,
        people=named(asked.users, asked.groups),
        excluded=frozenset() if veto is None else _excluded(known, veto, outcome),
        signing=asked.signing if planned is not None else Signing.OPTIONAL,
    )


def _excluded(known: _Known, veto: Veto, outcome: ObservedDecision) -> frozenset[str]:
    """Those who overrule the role's NO-GO. Only exactly its own signer is not one of them."""
    agreed = {entry.by for said in known for entry in said.words if entry.decision is Decision.GO}
    return frozenset({outcome.by, *agreed} - {veto.by})
