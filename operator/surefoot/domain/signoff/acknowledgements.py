"""Acknowledgements: Approvals by which people confirm the outcome of a handoff or a meeting.

Each is for one decision on one Checkpoint, exactly as it was written: once that is decided again,
it must be acknowledged again. A NO-GO refuses it, and holds until who refused it acknowledges.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from surefoot.api.v1alpha1.approval import (
    Approval,
    ApprovalRequest,
    ApprovalSpec,
    Decision,
    PastDecision,
    Purpose,
    RequestState,
    Signing,
)
from surefoot.api.v1alpha1.checkpoint import Checkpoint, People
from surefoot.api.v1alpha1.meta import ObjectReference
from surefoot.api.v1alpha1.rollout_status import DecisionEvidence, SignatureEvidence
from surefoot.domain.derive.state import State
from surefoot.domain.facts.verdicts import UnmetRequirement
from surefoot.domain.plan import OpenRequest
from surefoot.domain.signoff.percent_ranges import asked_percent
from surefoot.domain.signoff.requests import (
    FINAL,
    GIVEN_WITHOUT_ADMISSION,
    ObservedDecision,
    counted,
    current_decision,
    decide_command,
    exactly,
    format_people,
    free_names,
    has_unverified_membership,
    is_eligible,
    is_persons_name,
    is_signer_authenticated,
    not_a_name,
)
from surefoot.domain.signoff.signatures import is_undecided, signature_evidence, signature_fault
from surefoot.domain.signoff.veto import active_no_go

_LONGEST_EVIDENCE = 8192


@dataclass(frozen=True, slots=True)
class Party:
    """Who must acknowledge: a name for them all, one of the people, and who of these may not."""

    name: str
    people: People
    excluded: frozenset[str] = frozenset()
    signing: Signing = Signing.OPTIONAL


@dataclass(frozen=True, slots=True)
class AcknowledgementView:
    """One party's acknowledgement of a decision: the request that is current, and what it says.

    ``waits_for`` says what is not known yet of its detached signature.
    """

    party: Party
    outcome: Checkpoint
    request: Approval | None
    decision: ObservedDecision | None
    void_reason: str | None
    waits_for: str | None
    signature: SignatureEvidence | None
    rounds: int

    @property
    def is_go(self) -> bool:
        """Whether the party has acknowledged it."""
        return (
            self.void_reason is None
            and self.waits_for is None
            and self.decision is not None
            and self.decision.decision is Decision.GO
        )

    @property
    def state(self) -> RequestState:
        """The state that the current request has by now."""
        if self.void_reason is not None:
            return RequestState.VOID
        if self.decision is None or self.waits_for is not None:
            return RequestState.PENDING
        return RequestState.GO if self.decision.decision is Decision.GO else RequestState.NO_GO


def judge(
    situation: State, outcome: Checkpoint, parties: Iterable[Party]
) -> tuple[AcknowledgementView, ...]:
    """What each party says of an outcome."""
    return tuple(_view(situation, outcome, party) for party in parties)


def refusal(situation: State, asked: Iterable[Checkpoint]) -> tuple[Approval, PastDecision] | None:
    """A refusal that stands on a question, given in all its rounds, whoever was to acknowledge."""
    return active_no_go(situation, _known(situation, {each.metadata.uid for each in asked}))


def _known(situation: State, outcomes: set[str]) -> list[tuple[Approval, ObservedDecision | None]]:
    return [
        (approval, current_decision(situation, approval))
        for approval in situation.snapshot.approvals
        if approval.spec.request.purpose is Purpose.ACKNOWLEDGE
        and approval.spec.request.acknowledges is not None
        and approval.spec.request.acknowledges.uid in outcomes
    ]


def _view(situation: State, outcome: Checkpoint, party: Party) -> AcknowledgementView:
    mine = [
        pair
        for pair in _known(situation, {outcome.metadata.uid})
        if pair[0].spec.request.role == party.name
    ]
    request, decision = max(
        (
            pair
            for pair in mine
            if pair[0].spec.request.acknowledges == exactly(outcome)
            and pair[0].status.state not in FINAL
        ),
        key=lambda pair: pair[0].spec.request.round,
        default=(None, None),
    )
    fault, is_unknown = _signature_fault(situation, request)
    return AcknowledgementView(
        party=party,
        outcome=outcome,
        request=request,
        decision=decision,
        void_reason=_void_reason(situation, party, request, decision)
        or (None if is_unknown else fault),
        waits_for=fault if is_unknown else None,
        signature=_signature(situation, request),
        rounds=max((approval.spec.request.round for approval, _ in mine), default=0),
    )


def _void_reason(
    situation: State, party: Party, request: Approval | None, decision: ObservedDecision | None
) -> str | None:
    """Why an acknowledgement does not count, whatever it says; None if it may."""
    if request is None or decision is None:
        return None
    if not is_persons_name(decision.by):
        return not_a_name(decision.by)
    excluded = {name.lower() for name in party.excluded}
    if not is_eligible(request, decision.by) or decision.by.lower() in excluded:
        return f"{decision.by} may not acknowledge this for {party.name}"
    if has_unverified_membership(situation, request, decision):
        return f"nobody saw that {decision.by} is one of those who were asked"
    is_go = decision.decision is Decision.GO
    if is_go and not is_signer_authenticated(situation, request, decision):
        return GIVEN_WITHOUT_ADMISSION
    return None


def _signature_fault(situation: State, request: Approval | None) -> tuple[str | None, bool]:
    """What is wrong with the detached signature, and whether that is only not known yet."""
    if request is None:
        return None, False
    fact = situation.snapshot.signatures.get(request.metadata.uid)
    fault = signature_fault(request, fact, situation.latest_now)
    return fault, is_undecided(request, fact)


def _signature(situation: State, request: Approval | None) -> SignatureEvidence | None:
    if request is None:
        return None
    return signature_evidence(request, situation.snapshot.signatures.get(request.metadata.uid))


def openings(situation: State, views: Iterable[AcknowledgementView]) -> tuple[OpenRequest, ...]:
    """The acknowledgements that must be asked for now."""
    return tuple(
        _opening(situation, view)
        for view in views
        if situation.opens_requests and (view.request is None or view.void_reason is not None)
    )


def _opening(situation: State, view: AcknowledgementView) -> OpenRequest:
    metadata, party = situation.rollout.metadata, view.party
    request = ApprovalRequest(
        rollout=ObjectReference(name=metadata.name, uid=metadata.uid),
        plan_hash=situation.plan_hash,
        attempt=situation.attempt,
        round=view.rounds + 1,
        step=situation.index,
        from_=situation.percent or 0,
        to=asked_percent(situation),
        role=party.name,
        purpose=Purpose.ACKNOWLEDGE,
        acknowledges=exactly(view.outcome),
        users=party.people.users,
        groups=party.people.groups,
        excluded_users=tuple(sorted(party.excluded)),
        signing=party.signing,
        evidence=_outcome_in_words(view.outcome),
    )
    base = f"{view.outcome.metadata.name}-ack-{party.name}"
    return OpenRequest(free_names(base, view.rounds + 1), ApprovalSpec(request=request))


def _outcome_in_words(outcome: Checkpoint) -> str:
    """What is acknowledged, so that nobody has to look it up."""
    spec = outcome.spec
    by = spec.decided_by.username if spec.decided_by else ""
    parts = [f"{spec.request.name}: {spec.decision} by {by}: {spec.summary or ''}"]
    if spec.required_action:
        parts.append(f"Required action: {spec.required_action}")
    parts += [f"Dissent of {dissent.by}: {dissent.statement}" for dissent in spec.dissent]
    parts += [spec.report] if spec.report else []
    return "\n\n".join(parts)[:_LONGEST_EVIDENCE]


def missing(view: AcknowledgementView) -> UnmetRequirement:
    """What an acknowledgement waits for, and what to type."""
    name = view.outcome.spec.request.name
    people = format_people(view.party.people.users, view.party.people.groups)
    if view.void_reason is not None:
        return UnmetRequirement(
            "AcknowledgementVoid",
            f"checkpoint {name} must be acknowledged anew by {view.party.name} ({people}): "
            f"{view.void_reason}",
        )
    return UnmetRequirement(
        "AwaitingAcknowledgement",
        f"checkpoint {name} is GO and not acknowledged: {view.party.name} ({people}) "
        f"{view.waits_for or 'has not confirmed it'}",
        decide_command(view.request) if view.request is not None else None,
    )


def said_of_refusal(refusal: tuple[Approval, PastDecision]) -> UnmetRequirement:
    """A refusal that stands, and what its signer can type."""
    request, entry = refusal
    outcome = request.spec.request.acknowledges
    return UnmetRequirement(
        "NoGo",
        f"{request.spec.request.role} does not acknowledge {outcome.name if outcome else ''}: "
        f"NO-GO by {entry.by}: {entry.reason}; it holds until its signer decides again",
        decide_command(request),
    )


def evidence(views: Iterable[AcknowledgementView]) -> tuple[DecisionEvidence, ...]:
    """The acknowledgements that count, as they are."""
    return tuple(
        counted(
            view.request,
            view.decision,
            view.party.name,
            purpose=Purpose.ACKNOWLEDGE.value,
            signature=view.signature,
        )
        for view in views
        if view.is_go and view.request is not None and view.decision is not None
    )
