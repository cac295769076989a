"""What checkpoints and approvals have in common: what was asked, what was decided, what counts.

The identity of a request is `spec.request`, never its name. A decision is known from the moment the
operator first saw it; a request that was decided while nobody watched counts from its creation.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from surefoot.api.v1alpha1.approval import (
    Approval,
    Decision,
    PastDecision,
    RequestState,
)
from surefoot.api.v1alpha1.checkpoint import Checkpoint
from surefoot.api.v1alpha1.meta import GROUP

Request = Approval | Checkpoint
Kind = TypeVar("Kind", Approval, Checkpoint)
FINAL = frozenset({RequestState.VOID, RequestState.EXPIRED, RequestState.USED})
KEPT_DECISIONS = 16


@dataclass(frozen=True, slots=True)
class Decided:
    """The decision that a request carries now, and since when the operator knows it.

    ``by`` is empty where nobody was named. ``history`` is every decision seen, this one included.
    """

    decision: Decision
    by: str
    reason: str
    at: datetime
    history: tuple[PastDecision, ...]

    @property
    def was_changed(self) -> bool:
        """Whether another decision stood here before."""
        return len(self.history) > 1


def decided(
    request: Request, seen_undecided: frozenset[str], verified: bool, now: datetime
) -> Decided | None:
    """The decision on a request, or None while there is none."""
    spec = request.spec
    if spec.decision is None:
        return None
    by = spec.decided_by.username if spec.decided_by else ""
    reason = (request.spec.reason if isinstance(request, Approval) else request.spec.summary) or ""
    history = request.status.decisions
    if not history or _differs(history[-1], spec.decision, by, reason):
        at = now if history or request.metadata.uid in seen_undecided else _created(request, now)
        entry = PastDecision(
            decision=spec.decision,
            by=by,
            verified=verified,
            reason=reason,
            generation=request.metadata.generation,
            seen_at=at,
        )
        history = (*history, entry)[-KEPT_DECISIONS:]
    return Decided(spec.decision, by, reason, history[-1].seen_at, history)


def _differs(entry: PastDecision, decision: Decision, by: str, reason: str) -> bool:
    return (entry.decision, entry.by, entry.reason) != (decision, by, reason)


def _created(request: Request, now: datetime) -> datetime:
    return request.metadata.creation_timestamp or now


def state_of(decision: Decided | None) -> RequestState:
    """The state of a request by its decision alone."""
    if decision is None:
        return RequestState.PENDING
    return RequestState.GO if decision.decision is Decision.GO else RequestState.NO_GO


def free_names(base: str, first_round: int) -> tuple[str, ...]:
    """Names to try for a request: the plain one first, or the round's, then those after it."""
    rounds = range(max(2, first_round), first_round + 20)
    names = tuple(f"{base}-r{number}" for number in rounds)
    return (base, *names) if first_round == 1 else names


def plural_of(request: Request) -> str:
    """The resource's name as kubectl takes it without doubt."""
    return f"{'approvals' if isinstance(request, Approval) else 'checkpoints'}.{GROUP}"


def decide_command(request: Request) -> str:
    """What to type to decide a request."""
    says = "reason" if isinstance(request, Approval) else "summary"
    return (
        f"kubectl patch {plural_of(request)} {request.metadata.name} "
        f"-n {request.metadata.namespace} --type=merge "
        f'-p \'{{"spec":{{"decision":"GO","{says}":"…"}}}}\''
    )


def who(users: Iterable[str], groups: Iterable[str]) -> str:
    """The people who may act, in words."""
    named = [*users, *(f"group {group}" for group in groups)]
    return ", ".join(named) or "nobody"


def is_eligible(request: Request, decision: Decided) -> bool:
    """Whether the signer may decide this request, as far as the operator can tell.

    Membership in a group is known to the API server only; a name that was not given can not be
    judged and is left to admission.
    """
    if not decision.by:
        return True
    asked = request.spec.request
    if decision.by.lower() in {name.lower() for name in asked.excluded_users}:
        return False
    people = (
        request.spec.request if isinstance(request, Approval) else request.spec.request.reporter
    )
    return decision.by in people.users or bool(people.groups)


def standing_no_go(
    known: Iterable[tuple[Kind, Decided | None]],
) -> tuple[Kind, Decided] | None:
    """The NO-GO that holds: the latest word of some signer, over all rounds, plans and attempts.

    Only who signed it lifts it, by deciding again. Nobody outvotes or outwaits it.
    """
    last_word: dict[str, tuple[Kind, Decided]] = {}
    for request, decision in known:
        if decision is None or not is_eligible(request, decision):
            continue
        earlier = last_word.get(decision.by.lower())
        if earlier is None or earlier[1].at <= decision.at:
            last_word[decision.by.lower()] = (request, decision)
    against = [pair for pair in last_word.values() if pair[1].decision is Decision.NO_GO]
    return max(against, key=lambda pair: pair[1].at, default=None)
