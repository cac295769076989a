"""What requests and the record say of decisions, in the same words for every report."""

from dataclasses import dataclass
from datetime import datetime

from surefoot.api.v1alpha1.approval import Approval, ApprovalRequest, Decision, Purpose
from surefoot.api.v1alpha1.rollout_status import DecisionEvidence
from surefoot.domain.signoff.requests import Request, format_people, is_recorded, people_asked
from surefoot.reports.dossier import Dossier

ACKNOWLEDGE = "Acknowledge"
"""The purpose by which evidence tells an acknowledgement."""


@dataclass(frozen=True, slots=True)
class Said:
    """A decision that somebody wrote. ``verified`` and ``at`` are None until the operator saw it.

    ``stands`` says that the request still carries it.
    """

    decision: Decision
    by: str
    reason: str
    verified: bool | None
    at: datetime | None
    stands: bool


def all_said(request: Request) -> tuple[Said, ...]:
    """Every decision that a request carries or has carried, as far as it is kept, oldest first."""
    recorded = is_recorded(request)
    last = len(request.status.decisions) - 1
    seen = tuple(
        Said(
            decision=each.decision,
            by=each.by,
            reason=each.reason,
            verified=each.verified,
            at=each.seen_at,
            stands=recorded and index == last,
        )
        for index, each in enumerate(request.status.decisions)
    )
    spec = request.spec
    if recorded or spec.decision is None or spec.decided_by is None:
        return seen
    new = Said(spec.decision, spec.decided_by.username, reason_of(request), None, None, stands=True)
    return (*seen, new)


def reason_of(request: Request) -> str:
    """Why, in the words of who decided."""
    return (request.spec.reason if isinstance(request, Approval) else request.spec.summary) or ""


def asked_of(request: Request) -> str:
    """Who may answer, in words."""
    people = people_asked(request)
    return format_people(people.users, people.groups)


def is_acknowledgement(approval: Approval) -> bool:
    """Whether it confirms the outcome of a handoff or meeting."""
    return approval.spec.request.purpose is Purpose.ACKNOWLEDGE


def is_as_counted(request: Request, evidence: DecisionEvidence) -> bool:
    """Whether the object still says exactly what a decision used."""
    metadata = request.metadata
    return (metadata.uid, metadata.generation) == (evidence.uid, evidence.generation)


def part_of(request: Request) -> str:
    """As what it is answered: the role, or the checkpoint's name."""
    asked = request.spec.request
    return asked.role if isinstance(asked, ApprovalRequest) else asked.name


def requested_by(dossier: Dossier) -> str | None:
    """Who asked for the rollout; None where that is not known."""
    requester = dossier.rollout.status.requested_by
    return requester.username if requester is not None else None
