"""Decisions: what a request says now, when it was given, and every decision seen before it.

The operator dates a decision to when it first sees it. Where it did not watch, or the clock was set
back behind what is on record, the decision was given within an interval, and each rule takes the
end that cannot let something pass that should not: the earliest moment for a GO, the latest for a
NO-GO.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from surefoot.api.v1alpha1.approval import (
    Approval,
    ApprovalSpec,
    Decision,
    PastDecision,
    RequestState,
    Signing,
)
from surefoot.api.v1alpha1.rollout_status import DecisionEvidence, SignatureEvidence
from surefoot.domain.derive.state import State
from surefoot.domain.derive.void import not_before_the_record
from surefoot.domain.facts.memory import remembered_with
from surefoot.domain.facts.snapshot import Admission
from surefoot.domain.signoff.requests import LONGEST_NAME, Request, people_asked

KEPT_DECISIONS = 16
MOST_DECISIONS = 64
"""As many are kept where so many people say NO-GO, each for themselves."""
LONGEST_REASON = 4096


@dataclass(frozen=True)
class ObservedDecision:
    """The decision that a request carries now.

    ``at`` is when it is taken to have been given. ``history`` is every decision seen, this one
    included.
    """

    decision: Decision
    by: str
    reason: str
    at: datetime
    history: tuple[PastDecision, ...]

    @property
    def is_go(self) -> bool:
        """Whether it says GO."""
        return self.decision is Decision.GO

    @cached_property
    def was_ever_no_go(self) -> bool:
        """Whether anyone has ever said NO-GO here."""
        return any(entry.decision is Decision.NO_GO for entry in self.history)

    @property
    def seen_at(self) -> datetime:
        """When the operator first saw it: it was given no later."""
        return self.history[-1].seen_at

    @property
    def was_changed(self) -> bool:
        """Whether another decision stood here before."""
        return len(self.history) > 1

    @property
    def verified(self) -> bool:
        """Whether admission established who decided, when it was first seen."""
        return self.history[-1].verified


def current_decision(state: State, request: Request) -> ObservedDecision | None:
    """The decision on a request, or None while there is none.

    Views, NO-GOs and records all ask for it, and it is found once.
    """
    recorded = recorded_decision(request)
    if recorded is not None:
        return recorded
    spec = request.spec
    if spec.decision is None or spec.decided_by is None:
        return None
    known = _decisions(state)
    cached = known.get(id(request))
    if cached is not None and cached[0] is request:
        return cached[1]
    entry = _observed(state, request, spec.decision, spec.decided_by.username)
    history = _bounded(request, (*_with_counted(state, request), entry))
    decision = _as_carried(request, spec.decision, history)
    known[id(request)] = (request, decision)
    return decision


@remembered_with
def recorded_decision(request: Request) -> ObservedDecision | None:
    """The decision on a request that is on record, or None while there is none."""
    decision = request.spec.decision
    if decision is None or not is_recorded(request):
        return None
    return _as_carried(request, decision, request.status.decisions)


@remembered_with
def _decisions(_state: State) -> dict[int, tuple[Request, ObservedDecision]]:
    """The decisions that were first seen now, by the identity of the object that carries them."""
    return {}


def _as_carried(
    request: Request, decision: Decision, history: tuple[PastDecision, ...]
) -> ObservedDecision:
    last = history[-1]
    return ObservedDecision(decision, last.by, _reason(request), given_at(last), history)


def given_at(entry: PastDecision) -> datetime:
    """When a decision is taken to have been given: a GO early, a NO-GO late."""
    return earliest(entry) if entry.decision is Decision.GO else entry.seen_at


def earliest(entry: PastDecision) -> datetime:
    """The moment before which a decision cannot have been given."""
    return entry.seen_at if entry.not_before is None else entry.not_before


def is_recorded(request: Request) -> bool:
    """Whether the last decision on record is the one that the request carries.

    `spec.request` cannot change, so a new generation means that the decision is another one.
    """
    spec, history = request.spec, request.status.decisions
    if not history or spec.decided_by is None:
        return False
    carried = (spec.decision, _cut(spec.decided_by.username), request.metadata.generation)
    last = history[-1]
    return (last.decision, last.by, last.generation) == carried


def has_no_unrecorded_decision(request: Request) -> bool:
    """Whether all that was decided is on record: what comes next is known to be new."""
    return request.spec.decision is None or is_recorded(request)


def may_be_recorded(state: State, request: Request) -> bool:
    """Whether it can be said who decided: not while it is unknown whether admission is enforced."""
    return has_no_unrecorded_decision(request) or state.snapshot.admission is not Admission.UNKNOWN


def state_of(decision: ObservedDecision | None) -> RequestState:
    """The state of a request by its decision alone."""
    if decision is None:
        return RequestState.PENDING
    return RequestState.GO if decision.is_go else RequestState.NO_GO


def has_unverified_membership(state: State, request: Request, decision: ObservedDecision) -> bool:
    """Whether no one has seen that the signer is in a group that was asked.

    A detached signature says who signed, and not in which groups they are. Admission knows those of
    anyone who writes; it was not in force then.
    """
    is_unseen = _is_signed(request) and state.verified and not decision.verified
    return is_unseen and decision.by not in people_asked(request).users


def is_signer_authenticated(state: State, request: Request, decision: ObservedDecision) -> bool:
    """Whether it is the signer's word: by admission, or because a detached signature says so.

    Where the administrator stated that admission is not enforced, names are believed.
    """
    return decision.verified or _is_signed(request) or not state.verified


def counted(
    request: Request,
    decision: ObservedDecision,
    role: str,
    *,
    purpose: str | None = None,
    signature: SignatureEvidence | None = None,
) -> DecisionEvidence:
    """A decision as it is counted, for the record."""
    metadata = request.metadata
    return DecisionEvidence(
        kind="Approval" if isinstance(request, Approval) else "Checkpoint",
        name=metadata.name,
        uid=metadata.uid,
        resource_version=metadata.resource_version,
        generation=metadata.generation,
        role=role,
        purpose=purpose,
        decision=decision.decision.value,
        by=decision.by,
        verified=decision.verified,
        decided_at=decision.at,
        reason=decision.reason[:1024],
        signature=signature,
    )


# What is seen for the first time.


def _observed(state: State, request: Request, decision: Decision, by: str) -> PastDecision:
    """What is seen now comes after all that was seen before, whatever the clock was set to since.

    So a NO-GO is later than a meeting that was held before it, and a GO is of now at the latest.
    """
    seen_at = not_before_the_record(state.snapshot, state.now)
    not_before = _not_before(state, request)
    return PastDecision(
        decision=decision,
        by=_cut(by),
        verified=state.verified and not _may_be_brought(request),
        reason=_reason(request)[:LONGEST_REASON],
        generation=request.metadata.generation,
        seen_at=seen_at,
        not_before=not_before if not_before < seen_at else None,
    )


def _not_before(state: State, request: Request) -> datetime:
    """When a decision can have been given at the earliest: now, where it was watched."""
    if request.metadata.uid in state.snapshot.watched_requests:
        return state.now
    history = _with_counted(state, request)
    moment = history[-1].seen_at if history else request.metadata.creation_timestamp
    return min(moment or state.now, state.now)


def _with_counted(state: State, request: Request) -> tuple[PastDecision, ...]:
    """The decisions on record, and GOs that were counted before they were put there.

    A GO may be counted by the very pass that saw it first, and its signer may change their mind
    before it is recorded. The transition that counts it says all that the record needs, and so does
    the rollback that took its place.
    """
    known = request.status.decisions
    last = known[-1].generation if known else 0
    missing = {
        entry.generation: entry
        for entry in _counted_on(state, request.metadata.uid)
        if last < entry.generation < request.metadata.generation
    }
    return (*known, *(missing[generation] for generation in sorted(missing)))


def _counted_on(state: State, uid: str) -> Iterator[PastDecision]:
    pending = state.rollout.status.pending
    transitions = [(item.evidence, item.at) for item in state.status.history]
    if pending is not None:
        transitions.append((pending.evidence, pending.recorded_at))
    for evidence, at in transitions:
        seen_at = evidence.decided_at or at
        for item in (*evidence.decisions, *(evidence.replaced or ())):
            if item.uid == uid and item.decision == Decision.GO.value:
                given = item.decided_at
                yield PastDecision(
                    decision=Decision.GO,
                    by=item.by,
                    verified=item.verified,
                    reason=item.reason,
                    generation=item.generation,
                    seen_at=seen_at,
                    not_before=given if given is not None and given < seen_at else None,
                )


def _reason(request: Request) -> str:
    return (request.spec.reason if isinstance(request, Approval) else request.spec.summary) or ""


def _cut(name: str) -> str:
    """A name at the length that the record takes; one that is cut can be no person's."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _may_be_brought(request: Request) -> bool:
    """Whether admission lets somebody else write this down: its detached signature says who it is.

    Only in the name of a user who was asked, and only where a signature is required. A member of a
    group writes their decision themselves, and so does everyone who says NO-GO without a signature.
    """
    spec = request.spec
    return (
        isinstance(spec, ApprovalSpec)
        and _is_signed(request)
        and spec.request.signing is Signing.REQUIRED
        and spec.decided_by is not None
        and spec.decided_by.username in spec.request.users
    )


def _is_signed(request: Request) -> bool:
    return isinstance(request, Approval) and request.spec.signature is not None


# What is kept.


def _bounded(request: Request, history: tuple[PastDecision, ...]) -> tuple[PastDecision, ...]:
    """The decisions that are kept. What a later one says again goes first, then a GO.

    So a NO-GO cannot be pushed off the record by deciding often, nor by a GO that does not lift it,
    nor by the NO-GOs of others.
    """
    while len(history) > KEPT_DECISIONS:
        place = _dispensable(request, history)
        if place is None and len(history) <= MOST_DECISIONS:
            break
        place = place or 0
        history = history[:place] + history[place + 1 :]
    return history


def _dispensable(request: Request, history: tuple[PastDecision, ...]) -> int | None:
    """Choose the entry to drop; None where each says something that no other one does.

    The last one never is dropped: it is what the request carries.
    """
    places = range(len(history) - 1)
    for is_dispensable in (_is_repeated, _is_said_again, _is_lifted, _is_go):
        for place in places:
            if is_dispensable(request, history[place], history[place + 1 :]):
                return place
    return None


def _is_repeated(_: Request, entry: PastDecision, after: tuple[PastDecision, ...]) -> bool:
    """Whether the same person's next word is the same, and as sure to be theirs."""
    following = next((other for other in after if other.by == entry.by), None)
    return following is not None and _replaces(following, entry)


def _is_said_again(_: Request, entry: PastDecision, after: tuple[PastDecision, ...]) -> bool:
    """Whether the same person says the same later, and has not only taken back a GO since.

    That a GO was taken back on a request matters to a detached signature, so that a GO goes only
    where another one before a NO-GO is kept.
    """
    own = [other for other in after if other.by == entry.by]
    again = next((i for i, other in enumerate(own) if _replaces(other, entry)), None)
    if again is None:
        return False
    taken_back = any(other.decision is Decision.NO_GO for other in own[again + 1 :])
    return entry.decision is Decision.NO_GO or taken_back


def _is_lifted(request: Request, entry: PastDecision, after: tuple[PastDecision, ...]) -> bool:
    """Whether it is a NO-GO that its signer has surely lifted."""
    if isinstance(request, Approval) and request.spec.request.signing is Signing.REQUIRED:
        return False
    return entry.decision is Decision.NO_GO and any(
        other.by == entry.by and other.verified and other.decision is Decision.GO for other in after
    )


def _is_go(_: Request, entry: PastDecision, _after: tuple[PastDecision, ...]) -> bool:
    return entry.decision is Decision.GO


def _replaces(later: PastDecision, entry: PastDecision) -> bool:
    return later.decision is entry.decision and later.verified >= entry.verified
