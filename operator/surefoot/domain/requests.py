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
    ApprovalRequest,
    Decision,
    PastDecision,
    RequestState,
)
from surefoot.api.v1alpha1.checkpoint import Checkpoint, People
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
    if not history or _differs(history[-1], request, by, reason):
        at = now if history or request.metadata.uid in seen_undecided else _created(request, now)
        entry = PastDecision(
            decision=spec.decision,
            by=by,
            verified=verified,
            reason=reason,
            generation=request.metadata.generation,
            seen_at=at,
        )
        history = _bounded((*history, entry))
    return Decided(spec.decision, by, reason, history[-1].seen_at, history)


def _differs(entry: PastDecision, request: Request, by: str, reason: str) -> bool:
    """Whether anything of the decision half changed: `spec.request` can not, so any generation."""
    now = (request.spec.decision, by, reason, request.metadata.generation)
    return (entry.decision, entry.by, entry.reason, entry.generation) != now


def _bounded(history: tuple[PastDecision, ...]) -> tuple[PastDecision, ...]:
    """The last decisions. What a later one of the same signer replaced goes first, then a GO.

    So a NO-GO can not be pushed out by deciding often.
    """
    while len(history) > KEPT_DECISIONS:
        later = [{other.by for other in history[place + 1 :]} for place in range(len(history))]
        place = next(
            (i for i, entry in enumerate(history) if entry.by in later[i]),
            next((i for i, entry in enumerate(history) if entry.decision is Decision.GO), 0),
        )
        history = history[:place] + history[place + 1 :]
    return history


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


def is_eligible(request: Request, by: str) -> bool:
    """Whether the signer may decide this request, as far as the operator can tell.

    Membership in a group is known to the API server only; a name that was not given can not be
    judged and is left to admission.
    """
    if not by:
        return True
    if by.lower() in {name.lower() for name in request.spec.request.excluded_users}:
        return False
    people = _asked(request)
    return by in people.users or bool(people.groups)


def unmet_conditions(request: Request) -> tuple[str, ...]:
    """Names of what a GO asks for first, and what this version can not follow up."""
    return tuple(condition.name for condition in request.spec.conditions if condition.blocking)


def _asked(request: Request) -> ApprovalRequest | People:
    asked = request.spec.request
    return asked if isinstance(asked, ApprovalRequest) else asked.reporter


def _signer(request: Request, entry: PastDecision) -> str:
    """Who decided: by name, or as the only one who may, or whoever it was that wrote here."""
    people = _asked(request)
    if entry.by:
        return entry.by.lower()
    if len(people.users) == 1 and not people.groups:
        return people.users[0].lower()
    return f"whoever decided {request.metadata.uid}"


def standing_no_go(
    known: Iterable[tuple[Kind, Decided | None]],
) -> tuple[Kind, PastDecision] | None:
    """The NO-GO that holds: the latest word of some signer, over all rounds, plans and attempts.

    Only who signed it lifts it, by deciding again: not somebody else who decides the same request,
    nor a new round of it. Nobody outvotes or outwaits it.
    """
    words = [
        word
        for request, decision in known
        if decision is not None
        for word in _last_words(request, decision).items()
    ]
    # Of two words in the same moment, on two requests, the NO-GO is taken for the later.
    words.sort(key=lambda word: (word[1][1].seen_at, word[1][1].decision is Decision.NO_GO))
    against = [pair for pair in dict(words).values() if pair[1].decision is Decision.NO_GO]
    return max(against, key=lambda pair: pair[1].seen_at, default=None)


def _last_words(request: Kind, decision: Decided) -> dict[str, tuple[Kind, PastDecision]]:
    return {
        _signer(request, entry): (request, entry)
        for entry in decision.history
        if is_eligible(request, entry.by)
    }
