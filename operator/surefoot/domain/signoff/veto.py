"""A NO-GO holds until its signer decides again: whose word is whose, and what it is about.

It blocks every upward move that enters a percentage that it was about. No one outvotes it or waits
it out, and neither a new round nor another plan, attempt, role, checkpoint or percentage takes it
back. What is not certainly the signer's own GO does not lift it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from typing import NamedTuple

from surefoot.api.v1alpha1.approval import (
    Approval,
    Decision,
    PastDecision,
    Purpose,
    RequestState,
    Signing,
)
from surefoot.domain.derive.state import State
from surefoot.domain.facts.memory import remembered_with
from surefoot.domain.facts.verdicts import UnmetRequirement
from surefoot.domain.signoff.decisions import (
    ObservedDecision,
    current_decision,
    given_at,
    has_unverified_membership,
    is_signer_authenticated,
)
from surefoot.domain.signoff.percent_ranges import PercentRange, range_of_move, range_of_request
from surefoot.domain.signoff.requests import Request, decide_command, is_eligible
from surefoot.domain.signoff.signatures import signature_fault


class QuestionKind(StrEnum):
    """What a word answers."""

    ROLE = "Role"
    CHECKPOINT = "Checkpoint"
    ACKNOWLEDGEMENT = "Acknowledgement"


class Question(NamedTuple):
    """A question that is asked again and again: of a role, in a checkpoint, or about its outcome.

    A signer's later GO on the same question lifts their NO-GO.
    """

    kind: QuestionKind
    name: str


@dataclass(frozen=True, slots=True)
class Veto:
    """A NO-GO that stands: the question, the request on which it was given, and what was said."""

    question: Question
    request: Request
    entry: PastDecision

    @property
    def by(self) -> str:
        """Who said it."""
        return self.entry.by

    @property
    def reason(self) -> str:
        """Why, in their words."""
        return self.entry.reason

    @property
    def given_at(self) -> datetime:
        """When it was given at the latest."""
        return given_at(self.entry)

    def requirement(self) -> UnmetRequirement:
        """What is missing as long as it stands, and what its signer can type."""
        lifted = "it holds until its signer decides again"
        said = f"NO-GO by {self.by}: {self.reason}; {lifted}"
        match self.question.kind:
            case QuestionKind.ROLE:
                message = f"{self.question.name} is {said}"
            case QuestionKind.CHECKPOINT:
                message = f"checkpoint {self.question.name} is {said}"
            case QuestionKind.ACKNOWLEDGEMENT:
                message = f"{_party(self.request)} does not acknowledge {_outcome(self.request)}: "
                message += said
        return UnmetRequirement("NoGo", message, decide_command(self.request), stops=True)


class Word(NamedTuple):
    """The last word of a signer on one request, and which percentages it is about."""

    question: Question
    about: PercentRange
    request: Request
    entry: PastDecision

    @property
    def is_no_go(self) -> bool:
        """Whether it says NO-GO."""
        return self.entry.decision is Decision.NO_GO


@remembered_with
def active_no_gos(state: State, to: int) -> tuple[Veto, ...]:
    """The NO-GOs that block a move upward to this percentage, one for each question.

    Every question of a step asks for them, and they are found once.

    From 100% to 100% means Completed. A meeting may have resolved those of roles since: judging
    the step says so.
    """
    move = range_of_move(state, to)
    words = sorted(_words(state), key=_asked_of)
    by_question = groupby(words, key=lambda word: word.question)
    found = (_standing(tuple(group), move) for _, group in by_question)
    return tuple(veto for veto in found if veto is not None)


def of_kind(vetoes: Iterable[Veto], *kinds: QuestionKind) -> dict[Question, Veto]:
    """The NO-GOs that answer questions of some kinds, by their question."""
    return {veto.question: veto for veto in vetoes if veto.question.kind in kinds}


def _asked_of(word: Word) -> Question:
    return word.question


def _standing(words: tuple[Word, ...], move: PercentRange) -> Veto | None:
    """The NO-GO that stands on a question: the latest, where several people say so."""
    said_go: dict[str, list[Word]] = {}
    for word in words:
        if not word.is_no_go:
            said_go.setdefault(word.entry.by, []).append(word)
    standing = [
        word
        for word in words
        if word.is_no_go
        and word.about.overlaps(move)
        and not any(_lifts(go, word, move) for go in said_go.get(word.entry.by, ()))
    ]
    latest = max(standing, key=lambda word: given_at(word.entry), default=None)
    return None if latest is None else Veto(latest.question, latest.request, latest.entry)


def _lifts(go: Word, no_go: Word, move: PercentRange) -> bool:
    """Whether a signer's GO is later than their NO-GO, and about as much of the way.

    Signers are told apart exactly: names that differ in case may be two people's. Of two words in
    the same moment, on two requests, the NO-GO is taken for the later.
    """
    is_later = given_at(go.entry) > given_at(no_go.entry)
    if go.question.kind is QuestionKind.ROLE:
        return is_later and go.about.overlaps(move)
    return is_later and go.about.from_ >= no_go.about.from_


def _words(state: State) -> Iterable[Word]:
    """The last word of each signer on each request, as far as it is taken for theirs."""
    requests: tuple[Request, ...] = (*state.snapshot.approvals, *state.snapshot.checkpoints)
    names = {
        checkpoint.metadata.uid: checkpoint.spec.request.name
        for checkpoint in state.snapshot.checkpoints
    }
    for request in requests:
        question = _question(state, request, names)
        decision = current_decision(state, request) if question is not None else None
        if question is None or decision is None:
            continue
        about, eligible = range_of_request(request), _eligible_signers(request)
        last = {
            entry.by: entry
            for entry in decision.history
            if (entry.by in eligible or is_eligible(request, entry.by))
            and _is_taken_for_theirs(state, request, decision, entry)
        }
        yield from (Word(question, about, request, entry) for entry in last.values())


@remembered_with
def _eligible_signers(request: Request) -> frozenset[str]:
    """Those whose decisions are on record and who may decide the request."""
    signers = {entry.by for entry in request.status.decisions}
    return frozenset(signer for signer in signers if is_eligible(request, signer))


def _question(state: State, request: Request, names: dict[str, str]) -> Question | None:
    """The question that a request asks; None where an answer is no vote on a move."""
    asked = request.spec.request
    if asked.rollout.uid != state.rollout.metadata.uid:
        return None
    if isinstance(request, Approval):
        outcome = request.spec.request.acknowledges
        if request.spec.request.purpose is state.purpose:
            return Question(QuestionKind.ROLE, request.spec.request.role)
        if request.spec.request.purpose is Purpose.ACKNOWLEDGE and outcome is not None:
            return Question(QuestionKind.ACKNOWLEDGEMENT, names.get(outcome.uid, outcome.name))
        return None
    if request.spec.request.conditions_of is not None:
        return None
    return Question(QuestionKind.CHECKPOINT, request.spec.request.name)


def _party(request: Request) -> str:
    return request.spec.request.role if isinstance(request, Approval) else ""


def _outcome(request: Request) -> str:
    outcome = request.spec.request.acknowledges if isinstance(request, Approval) else None
    return outcome.name if outcome is not None else ""


# Whose word it is.


def _is_taken_for_theirs(
    state: State, request: Request, decision: ObservedDecision, entry: PastDecision
) -> bool:
    """Whether a word is taken for its signer's: a NO-GO in doubt is, a GO in doubt is not."""
    if request.status.state is RequestState.USED:
        return True
    if entry is decision.history[-1]:
        return _last_is_theirs(state, request, decision)
    return entry.decision is Decision.NO_GO or _earlier_go_is_theirs(state, request, entry)


def _last_is_theirs(state: State, request: Request, decision: ObservedDecision) -> bool:
    if isinstance(request, Approval) and not _is_borne_out(state, request, decision):
        return False
    return not decision.is_go or is_signer_authenticated(state, request, decision)


def _is_borne_out(state: State, approval: Approval, decision: ObservedDecision) -> bool:
    """Whether nothing is wrong with the detached signature, at the time at which it was given."""
    fact = state.snapshot.signatures.get(approval.metadata.uid)
    fault = signature_fault(approval, fact, decision.at)
    return fault is None and not has_unverified_membership(state, approval, decision)


def _earlier_go_is_theirs(state: State, request: Request, entry: PastDecision) -> bool:
    """Whether a GO that was replaced since is its signer's: its signature is no longer there."""
    needed = isinstance(request, Approval) and request.spec.request.signing is Signing.REQUIRED
    return not needed and (entry.verified or not state.verified)
