"""A NO-GO holds until its signer decides again: whose word is whose, and which is the last.

Nobody outvotes or outwaits it, and neither a new round nor another plan, attempt or role takes it
back. What is not certainly the signer's own GO does not lift it.
"""

from collections.abc import Iterable
from typing import TypeVar

from surefoot.api.v1alpha1.approval import (
    Approval,
    Decision,
    PastDecision,
    RequestState,
    Signing,
)
from surefoot.api.v1alpha1.checkpoint import Checkpoint
from surefoot.domain.derive.state import State
from surefoot.domain.signoff.requests import (
    ObservedDecision,
    Request,
    has_unverified_membership,
    is_eligible,
    is_signer_authenticated,
    signer,
)
from surefoot.domain.signoff.signatures import signature_fault

Kind = TypeVar("Kind", Approval, Checkpoint)


def active_no_go(
    situation: State, known: Iterable[tuple[Kind, ObservedDecision | None]]
) -> tuple[Kind, PastDecision] | None:
    """The NO-GO that holds: the latest word of some signer, over all requests that are given."""
    words = [
        word
        for request, decision in known
        if decision is not None
        for word in _last_words(situation, request, decision).items()
    ]
    # Of two words in the same moment, on two requests, the NO-GO is taken for the later.
    words.sort(key=lambda word: (word[1][1].seen_at, word[1][1].decision is Decision.NO_GO))
    against = [pair for pair in dict(words).values() if pair[1].decision is Decision.NO_GO]
    return max(against, key=lambda pair: pair[1].seen_at, default=None)


def _last_words(
    situation: State, request: Kind, decision: ObservedDecision
) -> dict[str, tuple[Kind, PastDecision]]:
    return {
        signer(entry): (request, entry)
        for entry in decision.history
        if is_eligible(request, entry.by)
        and _is_taken_for_theirs(situation, request, decision, entry)
    }


def _is_taken_for_theirs(
    situation: State, request: Request, decision: ObservedDecision, entry: PastDecision
) -> bool:
    """Whether a word is taken for its signer's: a NO-GO in doubt is, a GO in doubt is not."""
    if request.status.state is RequestState.USED:
        return True
    if entry is decision.history[-1]:
        return _last_is_theirs(situation, request, decision)
    return entry.decision is Decision.NO_GO or _earlier_go_is_theirs(situation, request, entry)


def _last_is_theirs(situation: State, request: Request, decision: ObservedDecision) -> bool:
    if isinstance(request, Approval) and not _is_borne_out(situation, request, decision):
        return False
    is_go = decision.decision is Decision.GO
    return not is_go or is_signer_authenticated(situation, request, decision)


def _is_borne_out(situation: State, approval: Approval, decision: ObservedDecision) -> bool:
    """Whether nothing is wrong with the detached signature, at the time at which it was given."""
    fact = situation.snapshot.signatures.get(approval.metadata.uid)
    fault = signature_fault(approval, fact, decision.at)
    return fault is None and not has_unverified_membership(situation, approval, decision)


def _earlier_go_is_theirs(situation: State, request: Request, entry: PastDecision) -> bool:
    """Whether a GO that was replaced since is its signer's: its signature is no longer there."""
    needed = isinstance(request, Approval) and request.spec.request.signing is Signing.REQUIRED
    return not needed and (entry.verified or not situation.verified)
