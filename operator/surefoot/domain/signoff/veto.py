"""A NO-GO holds until its signer decides again: whose word is whose, and what it is about.

It blocks every upward move that enters a percentage that it was about. No one outvotes it or waits
it out, and neither a new round nor another plan, attempt, role, checkpoint or percentage takes it
back. What is not certainly the signer's own GO does not lift it.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
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
    is_recorded,
    is_signer_authenticated,
)
from surefoot.domain.signoff.percent_ranges import PercentRange, range_of_move, range_of_request
from surefoot.domain.signoff.requests import Request, decide_command, eligible_among
from surefoot.domain.signoff.signatures import signature_fault, was_withdrawn


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
        statement = f"NO-GO by {self.by}: {self.reason}; {lifted}"
        match self.question.kind:
            case QuestionKind.ROLE:
                message = f"{self.question.name} is {statement}"
            case QuestionKind.CHECKPOINT:
                message = f"checkpoint {self.question.name} is {statement}"
            case QuestionKind.ACKNOWLEDGEMENT:
                message = f"{_party(self.request)} does not acknowledge {_outcome(self.request)}: "
                message += statement
        return UnmetRequirement("NoGo", message, decide_command(self.request), stops=True)


class Word(NamedTuple):
    """The last word of a signer on one request, and which percentages it is about."""

    question: Question
    about: PercentRange
    request: Request
    entry: PastDecision


@remembered_with
def active_no_gos(state: State, to: int) -> tuple[Veto, ...]:
    """The NO-GOs that block a move upward to this percentage, one for each question.

    Every question of a step asks for them, and they are found once.

    From 100% to 100% means Completed. A meeting may have resolved those of roles since: judging
    the step says so.
    """
    move = range_of_move(state, to)
    by_question: defaultdict[Question, list[Word]] = defaultdict(list)
    for word in _words(state):
        by_question[word.question].append(word)
    vetoes = (_standing(by_question[question], move) for question in sorted(by_question))
    return tuple(veto for veto in vetoes if veto is not None)


def of_kind(vetoes: Iterable[Veto], *kinds: QuestionKind) -> dict[Question, Veto]:
    """The NO-GOs that answer questions of some kinds, by their question."""
    return {veto.question: veto for veto in vetoes if veto.question.kind in kinds}


def _standing(words: list[Word], move: PercentRange) -> Veto | None:
    """The NO-GO that stands on a question: the latest, where several people say so."""
    no_gos, said_go = [], defaultdict[str, list[Word]](list)
    for word in words:
        if word.entry.decision is Decision.GO:
            said_go[word.entry.by].append(word)
        elif word.about.overlaps(move):
            no_gos.append(word)
    standing = [
        no_go
        for no_go in no_gos
        if no_go.entry.by not in said_go
        or not any(_lifts(go, no_go, move) for go in said_go[no_go.entry.by])
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
    """The last word of each signer on each request, as far as it is taken for theirs.

    Questions on which no one ever said NO-GO are left out.
    """
    requests: tuple[Request, ...] = (*state.snapshot.approvals, *state.snapshot.checkpoints)
    names = {
        checkpoint.metadata.uid: checkpoint.spec.request.name
        for checkpoint in state.snapshot.checkpoints
    }
    decided: list[tuple[Question, Request, ObservedDecision]] = []
    refused: set[Question] = set()
    for request in requests:
        question = _question(state, request, names)
        decision = current_decision(state, request) if question is not None else None
        if question is not None and decision is not None:
            decided.append((question, request, decision))
            if any(entry.decision is Decision.NO_GO for entry in decision.history):
                refused.add(question)
    for question, request, decision in decided:
        if question in refused:
            about = range_of_request(request)
            for entry in _last_words(state, request, decision):
                yield Word(question, about, request, entry)


def _last_words(
    state: State, request: Request, decision: ObservedDecision
) -> Iterable[PastDecision]:
    """The last word of each signer on a request, as far as it is taken for theirs.

    A NO-GO in doubt is, a GO in doubt is not.
    """
    is_used = request.status.state is RequestState.USED
    if is_recorded(request):
        last = dict(_earlier_words(request, is_used, state.verified))
    else:
        last = _words_of(request, decision.history[:-1], is_used, state.verified)
    newest = decision.history[-1]
    if (is_used or _last_is_theirs(state, request, decision)) and (
        newest.by in last or eligible_among(request, (newest.by,))
    ):
        last[newest.by] = newest
    return last.values()


def prepare(request: Request, *, verified: bool) -> None:
    """Work out what follows from a request alone, before a judgement asks for it.

    A judgement is one piece of work, and there may be hundreds of requests that were just read.
    """
    _earlier_words(request, request.status.state is RequestState.USED, verified)
    if isinstance(request, Approval):
        was_withdrawn(request)


@remembered_with
def _earlier_words(request: Request, is_used: bool, verified: bool) -> dict[str, PastDecision]:
    """The words on record but for the newest, by their signers: these do not change any more."""
    return _words_of(request, request.status.decisions[:-1], is_used, verified)


def _words_of(
    request: Request, history: tuple[PastDecision, ...], is_used: bool, verified: bool
) -> dict[str, PastDecision]:
    """The last word of each signer. What was counted is taken for theirs, whatever it is."""
    eligible = eligible_among(request, {entry.by for entry in history})
    return {
        entry.by: entry
        for entry in history
        if entry.by in eligible
        and (
            is_used
            or entry.decision is Decision.NO_GO
            or _earlier_go_is_theirs(request, entry, verified)
        )
    }


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


def _last_is_theirs(state: State, request: Request, decision: ObservedDecision) -> bool:
    if isinstance(request, Approval) and not _is_borne_out(state, request, decision):
        return False
    return not decision.is_go or is_signer_authenticated(state, request, decision)


def _is_borne_out(state: State, approval: Approval, decision: ObservedDecision) -> bool:
    """Whether nothing is wrong with the detached signature, at the time at which it was given."""
    fact = state.snapshot.signatures.get(approval.metadata.uid)
    fault = signature_fault(approval, fact, decision.at)
    return fault is None and not has_unverified_membership(state, approval, decision)


def _earlier_go_is_theirs(request: Request, entry: PastDecision, verified: bool) -> bool:
    """Whether a GO that was replaced since is its signer's: its signature is no longer there."""
    needed = isinstance(request, Approval) and request.spec.request.signing is Signing.REQUIRED
    return not needed and (entry.verified or not verified)
