"""The status of each role of the step ahead, in the words of the condition Approved."""

from collections.abc import Mapping

from surefoot.api.v1alpha1.approval import RequestState
from surefoot.api.v1alpha1.rollout_status import RoleStatus
from surefoot.domain.facts.signatures import SignatureFact
from surefoot.domain.signoff.approvals import ApprovalsJudgement, RoleView, awaiting
from surefoot.domain.signoff.veto import Veto

MOST_ROLES = 16


def role_statuses(
    judgement: ApprovalsJudgement, signatures: Mapping[str, SignatureFact]
) -> tuple[RoleStatus, ...]:
    """The signature of each role, also of roles that are no longer asked but whose NO-GO stands."""
    planned = {view.role.name for view in judgement.views}
    removed = [veto for veto in judgement.against if veto.question.name not in planned]
    statuses = (
        *(_of_role(view, signatures, may_ask=judgement.may_ask) for view in judgement.views),
        *(_of_veto(veto, signatures) for veto in removed),
    )
    return statuses[:MOST_ROLES]


def _of_role(
    view: RoleView, signatures: Mapping[str, SignatureFact], *, may_ask: bool
) -> RoleStatus:
    if view.no_go is not None:
        return _of_veto(view.no_go, signatures)
    request, decision = view.request, view.decision
    message = "" if view.is_go else view.resolved or awaiting(view, may_ask=may_ask).message
    if request is None:
        return RoleStatus(role=view.role.name, state=RequestState.PENDING, message=message)
    return RoleStatus(
        role=view.role.name,
        approval=request.metadata.name,
        round=request.spec.request.round,
        state=view.state,
        by=decision.by if decision else None,
        verified=decision.verified if decision else None,
        key=_key(request.metadata.uid, signatures),
        decided_at=decision.at if decision else None,
        expires_at=view.expires_at,
        message=message,
    )


def _of_veto(veto: Veto, signatures: Mapping[str, SignatureFact]) -> RoleStatus:
    """A NO-GO that stands says more than what was asked since."""
    request, entry = veto.request, veto.entry
    is_last = request.spec.decided_by is not None and request.spec.decided_by.username == entry.by
    return RoleStatus(
        role=veto.question.name,
        approval=request.metadata.name,
        round=request.spec.request.round,
        state=RequestState.NO_GO,
        by=entry.by,
        verified=entry.verified,
        key=_key(request.metadata.uid, signatures) if is_last else None,
        decided_at=veto.given_at,
        message=veto.requirement().message,
    )


def _key(uid: str, signatures: Mapping[str, SignatureFact]) -> str | None:
    fact = signatures.get(uid)
    return fact.key or None if fact is not None else None
