"""Acknowledgements: Approvals by which people confirm the outcome of a handoff or a meeting.

Each is for one decision on one Checkpoint, exactly as it was written: once that is decided again,
it must be acknowledged again. A NO-GO refuses it, and holds until who refused it acknowledges.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from surefoot.api.v1alpha1.approval import (
    Approval,
    ApprovalRequest,
    ApprovalSpec,
    Purpose,
    Signing,
)
from surefoot.api.v1alpha1.checkpoint import Checkpoint, People
from surefoot.api.v1alpha1.meta import ObjectReference
from surefoot.api.v1alpha1.rollout_status import DecisionEvidence
from surefoot.domain.derive.state import State
from surefoot.domain.facts.memory import remembered_with
from surefoot.domain.facts.verdicts import UnmetRequirement
from surefoot.domain.plan import OpenRequest
from surefoot.domain.signoff.evaluate import Answered, Exclusion, Rules, evaluate
from surefoot.domain.signoff.percent_ranges import asked_percent
from surefoot.domain.signoff.requests import (
    FINAL,
    decide_command,
    exactly,
    excluded_in_request,
    fold,
    format_people,
    free_names,
    without,
)

_LONGEST_EVIDENCE = 8192


@dataclass(frozen=True)
class Party:
    """One side that must acknowledge: its name, its people, and those of them who may not."""

    name: str
    people: People
    excluded: frozenset[str] = frozenset()
    signing: Signing = Signing.OPTIONAL

    @cached_property
    def may_acknowledge(self) -> People:
        """Those of its people who are not excluded."""
        return without(self.people, fold(self.excluded)) if self.excluded else self.people

    @cached_property
    def rules(self) -> Rules:
        """The rules of its acknowledgement."""
        may_not = f"may not acknowledge this for {self.name}"
        return Rules(
            not_asked=may_not,
            excluded=may_not,
            exclusions=(Exclusion(fold(self.excluded), may_not),),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgementView(Answered[Approval]):
    """One party's acknowledgement of a decision."""

    party: Party
    outcome: Checkpoint

    @property
    def is_go(self) -> bool:
        """Whether the party has acknowledged it."""
        return self.answer.is_go


def judge(
    state: State, outcome: Checkpoint, parties: Iterable[Party]
) -> tuple[AcknowledgementView, ...]:
    """Judge what each party says of an outcome."""
    return tuple(_view(state, outcome, party) for party in parties)


def _view(state: State, outcome: Checkpoint, party: Party) -> AcknowledgementView:
    mine = _asked(state).get((outcome.metadata.uid, party.name), ())
    meant = exactly(outcome)
    request = max(
        (
            approval
            for approval in mine
            if approval.spec.request.acknowledges == meant and approval.status.state not in FINAL
        ),
        key=lambda approval: approval.spec.request.round,
        default=None,
    )
    return AcknowledgementView(
        party=party,
        outcome=outcome,
        answer=evaluate(state, request, party.rules),
        rounds=max((approval.spec.request.round for approval in mine), default=0),
    )


@remembered_with
def _asked(state: State) -> Mapping[tuple[str, str], tuple[Approval, ...]]:
    """Every acknowledgement that was asked for, by the UID of the outcome and the party's name."""
    by_outcome: dict[tuple[str, str], list[Approval]] = {}
    for approval in state.snapshot.approvals:
        asked = approval.spec.request
        if asked.purpose is Purpose.ACKNOWLEDGE and asked.acknowledges is not None:
            by_outcome.setdefault((asked.acknowledges.uid, asked.role), []).append(approval)
    return {key: tuple(approvals) for key, approvals in by_outcome.items()}


def openings(state: State, views: Iterable[AcknowledgementView]) -> tuple[OpenRequest, ...]:
    """The acknowledgements that must be asked for now."""
    return tuple(
        _opening(state, view)
        for view in views
        if state.opens_requests and view.answer.must_be_asked
    )


def _opening(state: State, view: AcknowledgementView) -> OpenRequest:
    metadata, party = state.rollout.metadata, view.party
    request = ApprovalRequest(
        rollout=ObjectReference(name=metadata.name, uid=metadata.uid),
        plan_hash=state.plan_hash,
        attempt=state.attempt,
        round=view.rounds + 1,
        step=state.index,
        from_=state.percent or 0,
        to=asked_percent(state),
        role=party.name,
        purpose=Purpose.ACKNOWLEDGE,
        acknowledges=exactly(view.outcome),
        users=party.people.users,
        groups=party.people.groups,
        excluded_users=excluded_in_request(party.excluded, party.people),
        signing=party.signing,
        evidence=_outcome_in_words(view.outcome),
    )
    base = f"{view.outcome.metadata.name}-ack-{party.name}"
    return OpenRequest(free_names(base, view.rounds + 1), ApprovalSpec(request=request))


def _outcome_in_words(outcome: Checkpoint) -> str:
    """Describe the outcome, so that nobody has to look it up."""
    spec = outcome.spec
    by = spec.decided_by.username if spec.decided_by else ""
    parts = [f"{spec.request.name}: {spec.decision} by {by}: {spec.summary or ''}"]
    if spec.required_action:
        parts.append(f"Required action: {spec.required_action}")
    parts += [f"Dissent of {dissent.by}: {dissent.statement}" for dissent in spec.dissent]
    parts += [spec.report] if spec.report else []
    return "\n\n".join(parts)[:_LONGEST_EVIDENCE]


def missing(view: AcknowledgementView) -> UnmetRequirement:
    """Describe what an acknowledgement waits for, and what to type."""
    name = view.outcome.spec.request.name
    people = format_people(view.party.may_acknowledge.users, view.party.people.groups)
    if view.void_reason is not None:
        return UnmetRequirement(
            "AcknowledgementVoid",
            f"checkpoint {name} must be acknowledged again by {view.party.name} ({people}): "
            f"{view.void_reason}",
        )
    return UnmetRequirement(
        "AwaitingAcknowledgement",
        f"checkpoint {name} is GO and not acknowledged: {view.party.name} ({people}) "
        f"{view.waits_for or 'has not confirmed it'}",
        decide_command(view.request) if view.request is not None else None,
    )


def evidence(views: Iterable[AcknowledgementView]) -> tuple[DecisionEvidence, ...]:
    """The acknowledgements that count, as they are."""
    return tuple(
        item
        for view in views
        if view.is_go
        for item in view.as_counted(view.party.name, Purpose.ACKNOWLEDGE.value)
    )
