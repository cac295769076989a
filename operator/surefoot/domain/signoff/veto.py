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
    is_signer_authenticated,
    recorded_decision,
)
from surefoot.domain.signoff.percent_ranges import PercentRange, range_of_move, range_of_request
from surefoot.domain.signoff.requests import Request, decide_command, eligible_among
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


class _Word(NamedTuple):
    """What somebody said, and which percentages it is about."""

    about: PercentRange
    entry: PastDecision


class _Words(NamedTuple):
    """The last words of those who decided on a request, as far as they are taken for theirs.

    ``no_gos`` are those that say NO-GO, those given last first, and ``gos`` the others. ``signers``
    are all whose word may be taken for theirs, the newest signer included.
    """

    no_gos: tuple[PastDecision, ...]
    gos: tuple[PastDecision, ...]
    signers: frozenset[str]


class _Statement(NamedTuple):
    """What was said on one request, and which percentages it is about."""

    about: PercentRange
    request: Request
    words: _Words


@remembered_with
def active_no_gos(state: State, to: int) -> tuple[Veto, ...]:
    """The NO-GOs that block a move upward to this percentage, one for each question.

    Every question of a step asks for them, and they are found once.

    From 100% to 100% means Completed. A meeting may have resolved those of roles since: judging
    the step says so.
    """
    move = range_of_move(state, to)
    asked = _statements(state)
    vetoes = (_standing(question, asked[question], move) for question in sorted(asked))
    return tuple(veto for veto in vetoes if veto is not None)


def of_kind(vetoes: Iterable[Veto], *kinds: QuestionKind) -> dict[Question, Veto]:
    """The NO-GOs that answer questions of some kinds, by their question."""
    return {veto.question: veto for veto in vetoes if veto.question.kind in kinds}


def _standing(question: Question, statements: list[_Statement], move: PercentRange) -> Veto | None:
    """The NO-GO that stands on a question: the latest, where several people say so."""
    said_go: defaultdict[str, list[_Word]] = defaultdict(list)
    for about, _, words in statements:
        for go in words.gos:
            said_go[go.by].append(_Word(about, go))
    latest: Veto | None = None
    for about, request, words in statements:
        if not words.no_gos or not about.overlaps(move):
            continue
        for entry in words.no_gos:
            gos, no_go = said_go.get(entry.by, ()), _Word(about, entry)
            if not any(_lifts(question, go, no_go, move) for go in gos):
                if latest is None or given_at(entry) > latest.given_at:
                    latest = Veto(question, request, entry)
                break
    return latest


def _lifts(question: Question, go: _Word, no_go: _Word, move: PercentRange) -> bool:
    """Whether a signer's GO is later than their NO-GO, and about as much of the way.

    Signers are told apart exactly: names that differ in case may be two people's. Of two words in
    the same moment, on two requests, the NO-GO is taken for the later.
    """
    is_later = given_at(go.entry) > given_at(no_go.entry)
    if question.kind is QuestionKind.ROLE:
        return is_later and go.about.overlaps(move)
    return is_later and go.about.from_ >= no_go.about.from_


def _statements(state: State) -> dict[Question, list[_Statement]]:
    """What was said on each question.

    Questions on which no one ever said NO-GO are left out.
    """
    requests: tuple[Request, ...] = (*state.snapshot.approvals, *state.snapshot.checkpoints)
    names = {
        checkpoint.metadata.uid: checkpoint.spec.request.name
        for checkpoint in state.snapshot.checkpoints
    }
    decided: defaultdict[Question, list[tuple[Request, ObservedDecision]]] = defaultdict(list)
    for request in requests:
        question = _question(state, request, names)
        decision = current_decision(state, request) if question is not None else None
        if question is not None and decision is not None:
            decided[question].append((request, decision))
    return {
        question: [
            _Statement(range_of_request(request), request, _last_words(state, request, decision))
            for request, decision in answers
        ]
        for question, answers in decided.items()
        if any(decision.was_ever_no_go for _, decision in answers)
    }


def _last_words(state: State, request: Request, decision: ObservedDecision) -> _Words:
    """The last word of each signer on a request, as far as it is taken for theirs.

    A NO-GO in doubt is, a GO in doubt is not.
    """
    is_used = request.status.state is RequestState.USED
    if recorded_decision(request) is not None:
        words = words_on_record(request, is_used, state.verified)
    else:
        words = _words_of(request, decision.history, is_used, state.verified)
    newest = decision.history[-1]
    if newest.by not in words.signers or not (is_used or _last_is_theirs(state, request, decision)):
        return words
    no_gos = tuple(word for word in words.no_gos if word.by != newest.by)
    gos = tuple(word for word in words.gos if word.by != newest.by)
    if newest.decision is Decision.GO:
        return _Words(no_gos, (*gos, newest), words.signers)
    return _Words(_newest_first((*no_gos, newest)), gos, words.signers)


@remembered_with
def words_on_record(request: Request, is_used: bool, verified: bool) -> _Words:
    """The words on record but for the newest: these do not change any more."""
    return _words_of(request, request.status.decisions, is_used, verified)


def _words_of(
    request: Request, history: tuple[PastDecision, ...], is_used: bool, verified: bool
) -> _Words:
    """The words of a history but for its newest. What was counted is theirs, whatever it is."""
    eligible = eligible_among(request, {entry.by for entry in history})
    last = {
        entry.by: entry
        for entry in history[:-1]
        if entry.by in eligible
        and (
            is_used
            or entry.decision is Decision.NO_GO
            or _earlier_go_is_theirs(request, entry, verified)
        )
    }
    no_gos = (word for word in last.values() if word.decision is Decision.NO_GO)
    gos = (word for word in last.values() if word.decision is Decision.GO)
    return _Words(_newest_first(no_gos), tuple(gos), eligible)


def _newest_first(words: Iterable[PastDecision]) -> tuple[PastDecision, ...]:
    return tuple(sorted(words, key=given_at, reverse=True))


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
