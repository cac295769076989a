"""The one place that says whether an answer counts: what every answer must satisfy, and its rules.

An answer is a person's decision on a request: a signature, a report, an acknowledgement, or the
word that conditions are met. What differs between these is a value of `Rules`.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Generic, NamedTuple, Self, TypeVar

from surefoot.api.v1alpha1.approval import Approval, Decision, RequestState, lacking_sections
from surefoot.api.v1alpha1.checkpoint import Checkpoint, lacks_required_action
from surefoot.api.v1alpha1.rollout_status import DecisionEvidence, SignatureEvidence
from surefoot.domain.derive.state import State
from surefoot.domain.facts.moments import later
from surefoot.domain.signoff.decisions import (
    ObservedDecision,
    counted,
    current_decision,
    has_unverified_membership,
    is_signer_authenticated,
    state_of,
)
from surefoot.domain.signoff.requests import (
    Request,
    folded,
    is_asked,
    is_excluded,
    is_persons_name,
    not_a_name,
)
from surefoot.domain.signoff.signatures import is_undecided, signature_evidence, signature_fault

GIVEN_WITHOUT_ADMISSION = (
    "it was given while admission was not enforced, so that nobody knows who gave it"
)
TRIGGER_FIRED = "a trigger fired since it was given"
CHECKPOINT_REPLACED = "a checkpoint was replaced since it was given"

Kind = TypeVar("Kind", Approval, Checkpoint)


@dataclass(frozen=True, slots=True)
class Exclusion:
    """People who may not answer, by names in lower case, and what is said of them."""

    names: frozenset[str]
    reason: str


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one kind of question.

    ``not_asked`` is said of anyone who was not asked, and ``excluded`` of those whom the request
    excludes. ``exclusions`` keep people from answering at all, and ``go_exclusions`` from saying
    GO. ``void_before`` are moments up to which a GO does not count, and why. ``max_age`` is how
    long a GO counts, and ``expires`` says whether it ever stops to. ``counts`` is False for a dry
    run, whose signatures must have held when they were given.
    """

    not_asked: str
    excluded: str
    exclusions: tuple[Exclusion, ...] = ()
    go_exclusions: tuple[Exclusion, ...] = ()
    void_before: tuple[tuple[datetime | None, str], ...] = ()
    max_age: timedelta | None = None
    expires: bool = False
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Answer(Generic[Kind]):
    """The decision on the request that is current, and whether it counts.

    ``void_reason``, ``is_expired`` and ``waits_for`` (its detached signature, to be verified) say
    why it does not. ``signature`` is the detached signature where one holds.
    """

    request: Kind | None
    decision: ObservedDecision | None = None
    void_reason: str | None = None
    waits_for: str | None = None
    expires_at: datetime | None = None
    is_expired: bool = False
    signature: SignatureEvidence | None = None

    @property
    def has_a_say(self) -> bool:
        """Whether nothing is wrong with it, whatever it says."""
        return self.void_reason is None and self.waits_for is None and not self.is_expired

    @property
    def is_go(self) -> bool:
        """Whether it is a GO that counts."""
        return self.has_a_say and self.decision is not None and self.decision.is_go

    @property
    def must_be_asked(self) -> bool:
        """Whether nobody is asked who could still answer."""
        return self.request is None or self.void_reason is not None or self.is_expired

    @property
    def state(self) -> RequestState:
        """The state that the request has by now."""
        if self.void_reason is not None:
            return RequestState.VOID
        if self.is_expired:
            return RequestState.EXPIRED
        return RequestState.PENDING if self.waits_for is not None else state_of(self.decision)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(Generic[Kind]):
    """A question of some kind, with its answer. ``rounds`` is how often it was asked."""

    answer: Answer[Kind]
    rounds: int = 0

    @property
    def request(self) -> Kind | None:
        """The request that is current."""
        return self.answer.request

    @property
    def decision(self) -> ObservedDecision | None:
        """The decision of its signer."""
        return self.answer.decision

    @property
    def void_reason(self) -> str | None:
        """Why the answer does not count."""
        return self.answer.void_reason

    @property
    def is_expired(self) -> bool:
        """Whether it was a GO, too long ago."""
        return self.answer.is_expired

    @property
    def expires_at(self) -> datetime | None:
        """Until when a GO counts."""
        return self.answer.expires_at

    @property
    def waits_for(self) -> str | None:
        """Why it cannot be said yet whether its detached signature holds."""
        return self.answer.waits_for

    @property
    def signature(self) -> SignatureEvidence | None:
        """The detached signature, where one holds."""
        return self.answer.signature

    @property
    def state(self) -> RequestState:
        """The state that the current request has by now."""
        return self.answer.state

    def voided(self, reason: str) -> Self:
        """The same with an answer that does not count."""
        return replace(self, answer=replace(self.answer, void_reason=reason))

    def as_counted(self, name: str, purpose: str | None = None) -> tuple[DecisionEvidence, ...]:
        """The answer for the record; nothing where there is none."""
        request, decision = self.request, self.decision
        if request is None or decision is None:
            return ()
        return (counted(request, decision, name, purpose=purpose, signature=self.signature),)


def evaluate(state: State, request: Kind | None, rules: Rules) -> Answer[Kind]:
    """Whether the decision on a request counts by these rules."""
    if request is None:
        return Answer(None)
    decision = current_decision(state, request)
    expires_at = _expires_at(request, decision, rules)
    detached = _detached_signature(state, request, decision, rules)
    return Answer(
        request=request,
        decision=decision,
        void_reason=_void_reason(state, request, decision, rules, detached.fault),
        waits_for=detached.waits_for,
        expires_at=expires_at,
        is_expired=expires_at is not None and expires_at <= state.latest_now,
        signature=detached.evidence,
    )


def _void_reason(
    state: State,
    request: Request,
    decision: ObservedDecision | None,
    rules: Rules,
    signature_fault: str | None,
) -> str | None:
    """Why an answer does not count, whatever it says; None if it may."""
    if decision is None:
        return None
    fault = (
        _why_not_theirs(request, decision.by, rules)
        or _why_not_a_member(state, request, decision)
        or signature_fault
    )
    if fault is not None or not decision.is_go:
        return fault
    return _why_go_does_not_count(state, request, decision, rules)


def _why_not_theirs(request: Request, by: str, rules: Rules) -> str | None:
    if not is_persons_name(by):
        return not_a_name(by)
    excluded = why_excluded(by, rules.exclusions)
    if excluded is not None:
        return excluded
    if is_excluded(request, by):
        return f"{by} {rules.excluded}"
    if not is_asked(request, by):
        return f"{by} {rules.not_asked}"
    return None


def why_excluded(by: str, exclusions: tuple[Exclusion, ...]) -> str | None:
    """Why the plan's rules keep this person from deciding, or None where they do not."""
    name = folded(by)
    reasons = (item.reason for item in exclusions if name in item.names)
    return next((f"{by} {reason}" for reason in reasons), None)


def _why_not_a_member(state: State, request: Request, decision: ObservedDecision) -> str | None:
    if not has_unverified_membership(state, request, decision):
        return None
    return (
        f"{decision.by} is not among the users of this role, and nobody saw that they are in one "
        "of its groups: a detached signature does not say so"
    )


class _DetachedSignature(NamedTuple):
    """What is to be said of a detached signature.

    ``fault`` is what is wrong with it, ``waits_for`` why that cannot be said yet, and ``evidence``
    the signature itself where it holds.
    """

    fault: str | None = None
    waits_for: str | None = None
    evidence: SignatureEvidence | None = None


_NOTHING_SIGNED = _DetachedSignature()


def _detached_signature(
    state: State, request: Request, decision: ObservedDecision | None, rules: Rules
) -> _DetachedSignature:
    """What is not known yet is not wrong.

    A signature must hold until it is counted. In a dry run that is never, and it must have held
    when it was given.
    """
    if not isinstance(request, Approval) or decision is None:
        return _NOTHING_SIGNED
    fact = state.snapshot.signatures.get(request.metadata.uid)
    fault = signature_fault(request, fact, state.latest_now if rules.counts else decision.at)
    if is_undecided(request, fact):
        return _DetachedSignature(waits_for=fault)
    return _DetachedSignature(fault=fault, evidence=signature_evidence(request, fact))


def _why_go_does_not_count(
    state: State, request: Request, decision: ObservedDecision, rules: Rules
) -> str | None:
    excluded = why_excluded(decision.by, rules.go_exclusions)
    if excluded is not None:
        return excluded
    if not is_signer_authenticated(state, request, decision):
        return GIVEN_WITHOUT_ADMISSION
    lacking = _what_it_lacks(request)
    if lacking:
        return f"it lacks {', '.join(lacking)}"
    for moment, reason in rules.void_before:
        if moment is not None and decision.at <= moment:
            return reason
    return None


def _what_it_lacks(request: Request) -> tuple[str, ...]:
    if isinstance(request, Approval):
        return tuple(section.value for section in lacking_sections(request.spec))
    return ("requiredAction",) if lacks_required_action(request.spec) else ()


def _expires_at(
    request: Request, decision: ObservedDecision | None, rules: Rules
) -> datetime | None:
    """When a GO stops counting: it is too old, or its detached signature says so.

    What counts for nothing does not stop counting either: nobody is asked again for a dry run.
    """
    if decision is None or decision.decision is not Decision.GO or not rules.expires:
        return None
    signature = request.spec.signature if isinstance(request, Approval) else None
    moments = [
        later(decision.at, rules.max_age) if rules.max_age is not None else None,
        signature.expires_at if signature is not None else None,
    ]
    return min((moment for moment in moments if moment is not None), default=None)
