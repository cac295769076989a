"""Approvals: signatures by role, bound to rollout, plan, attempt and step.

A NO-GO holds against everything but its own signer. A GO counts once, for a while, and only as long
as what it was given for is still so.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from surefoot.api.v1alpha1.approval import (
    Approval,
    ApprovalRequest,
    ApprovalSpec,
    Decision,
    PastDecision,
    Purpose,
    RequestState,
    RoleType,
    Section,
)
from surefoot.api.v1alpha1.meta import ObjectReference
from surefoot.api.v1alpha1.rollout import (
    ApprovalsPolicy,
    Opens,
    Role,
    SeparationOfDuties,
)
from surefoot.api.v1alpha1.rollout_status import DecisionEvidence
from surefoot.domain.plan import OpenRequest
from surefoot.domain.requests import (
    FINAL,
    Decided,
    decide_command,
    decided,
    free_names,
    is_eligible,
    standing_no_go,
    unmet_conditions,
    who,
)
from surefoot.domain.situation import Situation, planners
from surefoot.domain.verdicts import Aspect, Missing, Verdict, blocks, not_required, passes

NoGo = tuple[Approval, PastDecision]
"""A NO-GO that stands, and where it was given."""


@dataclass(frozen=True, slots=True)
class RoleView:
    """One role of the step: the request that is current, and what its signer says.

    ``void_reason``, ``is_expired`` and ``unmet`` (what it asks for first) say why a GO does not
    count. ``no_go`` is a NO-GO that stands, perhaps on an earlier round or another plan.
    """

    role: Role
    request: Approval | None
    decision: Decided | None
    void_reason: str | None
    expires_at: datetime | None
    is_expired: bool
    unmet: tuple[str, ...]
    no_go: NoGo | None
    rounds: int

    @property
    def is_go(self) -> bool:
        """Whether the role has a GO that counts."""
        return (
            self.no_go is None
            and self.void_reason is None
            and not self.is_expired
            and not self.unmet
            and self.decision is not None
            and self.decision.decision is Decision.GO
        )

    @property
    def state(self) -> RequestState:
        """The state that the current request has by now."""
        if self.void_reason is not None:
            return RequestState.VOID
        if self.is_expired:
            return RequestState.EXPIRED
        if self.decision is None:
            return RequestState.PENDING
        return RequestState.GO if self.decision.decision is Decision.GO else RequestState.NO_GO


@dataclass(frozen=True, slots=True)
class ApprovalsJudgement:
    """Whether the step has the signatures it needs, and which must be asked for.

    ``against`` are the NO-GOs that stand, also of roles that the plan no longer has.
    """

    verdict: Verdict
    views: tuple[RoleView, ...]
    opens: tuple[OpenRequest, ...]
    against: tuple[NoGo, ...]

    @property
    def evidence(self) -> tuple[DecisionEvidence, ...]:
        """The signatures that count, as they are."""
        return tuple(
            DecisionEvidence(
                kind="Approval",
                name=view.request.metadata.name,
                uid=view.request.metadata.uid,
                resource_version=view.request.metadata.resource_version,
                generation=view.request.metadata.generation,
                role=view.role.name,
                decision=view.decision.decision.value,
                by=view.decision.by,
                verified=view.decision.history[-1].verified,
                decided_at=view.decision.at,
                reason=view.decision.reason[:1024],
            )
            for view in self.views
            if view.is_go and view.request is not None and view.decision is not None
        )

    @property
    def next_expiry(self) -> datetime | None:
        """When the first GO stops counting."""
        moments = [view.expires_at for view in self.views if view.is_go and view.expires_at]
        return min(moments, default=None)


def judge_approvals(
    situation: Situation,
    *,
    hold_is_satisfied: bool,
    reporters: frozenset[str],
    replaced_at: datetime | None,
) -> ApprovalsJudgement:
    """Whether everybody who must has signed for leaving this step.

    ``hold_is_satisfied`` says that soak, baseline and checkpoints hold: with `opens: AfterHold`
    people are asked only then. ``reporters`` have reported on the step and may not sign for it.
    """
    policy = situation.hold.approvals or ApprovalsPolicy()
    removed = _no_gos_of_removed(situation, {role.name for role in policy.roles})
    if not policy.roles and not removed:
        return ApprovalsJudgement(not_required(Aspect.APPROVED), (), (), ())
    views = tuple(_view(situation, policy, role, reporters, replaced_at) for role in policy.roles)
    views = _one_role_a_person(views)
    may_ask = situation.opens_requests and (policy.opens is Opens.STEP or hold_is_satisfied)
    opens = tuple(
        _opening(situation, policy, view, reporters)
        for view in views
        if may_ask and _must_be_asked(view)
    )
    against = (*(view.no_go for view in views if view.no_go is not None), *removed)
    verdict = _verdict(policy, views, against, may_ask=may_ask)
    return ApprovalsJudgement(verdict, views, opens, against)


def _no_gos_of_removed(situation: Situation, planned: set[str]) -> tuple[NoGo, ...]:
    """NO-GOs of roles that are not in the plan: removing the role does not take back its word."""
    removed: dict[str, list[tuple[Approval, Decided | None]]] = {}
    for approval in situation.snapshot.approvals:
        role = approval.spec.request.role
        if role not in planned and _is_about(situation, approval):
            removed.setdefault(role, []).append((approval, _decided(situation, approval)))
    found = (standing_no_go(known) for _, known in sorted(removed.items()))
    return tuple(no_go for no_go in found if no_go is not None)


def _view(
    situation: Situation,
    policy: ApprovalsPolicy,
    role: Role,
    reporters: frozenset[str],
    replaced_at: datetime | None,
) -> RoleView:
    asked = [
        approval
        for approval in situation.snapshot.approvals
        if approval.spec.request.role == role.name and _is_about(situation, approval)
    ]
    known = [(approval, _decided(situation, approval)) for approval in asked]
    request, decision = max(
        (pair for pair in known if _is_current(situation, pair[0])),
        key=lambda pair: pair[0].spec.request.round,
        default=(None, None),
    )
    max_age = situation.max_age()
    is_go = decision is not None and decision.decision is Decision.GO
    expires_at = decision.at + max_age if is_go and decision and max_age else None
    excluded = reporters if _reporters_are_excluded(policy, role) else frozenset[str]()
    return RoleView(
        role=role,
        request=request,
        decision=decision,
        void_reason=_void_reason(
            situation,
            request,
            decision,
            planning=_planning(situation, policy),
            reporters=excluded,
            replaced_at=replaced_at,
        ),
        expires_at=expires_at,
        is_expired=expires_at is not None and expires_at <= situation.latest_now,
        unmet=unmet_conditions(request) if request is not None and is_go else (),
        no_go=standing_no_go(known),
        rounds=max((approval.spec.request.round for approval in asked), default=0),
    )


def _is_about(situation: Situation, approval: Approval) -> bool:
    request = approval.spec.request
    return (
        request.rollout.uid == situation.rollout.metadata.uid
        and request.purpose is Purpose.ADVANCE
        and request.to == _asked_percent(situation)
        and (request.from_ == 100) == (situation.percent == 100)
    )


def _asked_percent(situation: Situation) -> int:
    """The percentage asked for; from 100 to 100 means Completed."""
    return 100 if situation.target_percent is None else situation.target_percent


def _is_current(situation: Situation, approval: Approval) -> bool:
    request = approval.spec.request
    return (
        request.from_ == situation.percent
        and request.plan_hash == situation.plan_hash
        and request.attempt == situation.attempt
        and approval.status.state not in FINAL
    )


def _decided(situation: Situation, approval: Approval) -> Decided | None:
    return decided(approval, situation.snapshot.seen_undecided, situation.verified, situation.now)


def _planning(situation: Situation, policy: ApprovalsPolicy) -> frozenset[str]:
    """Who may not sign because they asked for this, in lower case."""
    if policy.separation_of_duties is SeparationOfDuties.OFF:
        return frozenset()
    return frozenset(name.lower() for name in planners(situation.rollout.metadata.annotations))


def _reporters_are_excluded(policy: ApprovalsPolicy, role: Role) -> bool:
    return (
        policy.separation_of_duties is SeparationOfDuties.REQUIRED
        and role.type is not RoleType.CHECKPOINT_REPORT
    )


def _void_reason(
    situation: Situation,
    request: Approval | None,
    decision: Decided | None,
    *,
    planning: frozenset[str],
    reporters: frozenset[str],
    replaced_at: datetime | None,
) -> str | None:
    """Why a signature does not count, whatever it says; None if it may."""
    if request is None or decision is None:
        return None
    signer = decision.by.lower()
    if not is_eligible(request, decision.by):
        return f"{decision.by} may not sign for this role"
    if signer and signer in reporters:
        return f"{decision.by} reported on this step"
    if signer and signer in planning:
        return f"{decision.by} requested this rollout or wrote its plan"
    if decision.decision is Decision.NO_GO:
        return None
    lacking = _lacking_sections(request)
    if lacking:
        return f"it lacks {', '.join(lacking)}"
    if situation.void_before is not None and decision.at <= situation.void_before:
        return "a trigger fired since it was given"
    if replaced_at is not None and decision.at <= replaced_at:
        return "a checkpoint was replaced since it was given"
    return None


def _lacking_sections(request: Approval) -> tuple[str, ...]:
    spec = request.spec
    written = {
        Section.RISK_ASSESSMENT: spec.risk_assessment,
        Section.METRICS_SUMMARY: spec.metrics_summary,
        Section.SECURITY_STATUS: spec.security_status,
    }
    required = spec.request.required_sections
    return tuple(section.value for section in required if not (written[section] or "").strip())


def _one_role_a_person(views: tuple[RoleView, ...]) -> tuple[RoleView, ...]:
    """Of two roles signed by one person the earlier counts."""
    first: dict[str, RoleView] = {}
    for view in sorted(
        (view for view in views if view.decision is not None and view.void_reason is None),
        key=_signed_at,
    ):
        if view.decision is not None and view.decision.by:
            first.setdefault(view.decision.by.lower(), view)
    return tuple(
        replace(view, void_reason=f"{by} already signs for {first[by.lower()].role.name}")
        if view.decision is not None
        and view.void_reason is None
        and (by := view.decision.by)
        and first[by.lower()] is not view
        else view
        for view in views
    )


def _signed_at(view: RoleView) -> tuple[datetime, str]:
    if view.decision is None:
        raise ValueError(f"role {view.role.name} has not signed")
    return view.decision.at, view.role.name


def _must_be_asked(view: RoleView) -> bool:
    return view.request is None or view.void_reason is not None or view.is_expired


def _opening(
    situation: Situation, policy: ApprovalsPolicy, view: RoleView, reporters: frozenset[str]
) -> OpenRequest:
    metadata, role = situation.rollout.metadata, view.role
    planning = planners(metadata.annotations)
    required = policy.separation_of_duties is SeparationOfDuties.REQUIRED
    excluded = {*(planning if required else ())}
    if _reporters_are_excluded(policy, role):
        excluded |= reporters
    to = _asked_percent(situation)
    request = ApprovalRequest(
        rollout=ObjectReference(name=metadata.name, uid=metadata.uid),
        plan_hash=situation.plan_hash,
        attempt=situation.attempt,
        round=view.rounds + 1,
        step=situation.index,
        from_=situation.percent or 0,
        to=to,
        role=role.name,
        type=role.type,
        users=role.users,
        groups=role.groups,
        excluded_users=tuple(sorted(excluded)),
        required_sections=role.required_sections,
        requested_by=planning[0] if planning else "",
    )
    goal = "complete" if situation.target_percent is None else str(to)
    names = free_names(f"{metadata.name}-{goal}-{role.name}", view.rounds + 1)
    return OpenRequest(names, ApprovalSpec(request=request))


def _verdict(
    policy: ApprovalsPolicy,
    views: tuple[RoleView, ...],
    against: tuple[NoGo, ...],
    *,
    may_ask: bool,
) -> Verdict:
    agreed = sum(view.is_go for view in views)
    # Only the rule Quorum has a quorum.
    is_enough = agreed >= (policy.quorum or len(views))
    if not against and is_enough:
        said = ", ".join(_signature(view) for view in views if view.is_go)
        return passes(Aspect.APPROVED, "Approved", said)
    open_roles = [
        _awaiting(view, may_ask=may_ask)
        for view in views
        if not view.is_go and view.no_go is None and not is_enough
    ]
    return blocks(Aspect.APPROVED, *map(_no_go, against), *open_roles)


def _signature(view: RoleView) -> str:
    by = view.decision.by if view.decision else ""
    return f"{view.role.name} by {by}" if by else f"{view.role.name} (signer not named)"


def _no_go(no_go: NoGo) -> Missing:
    request, entry = no_go
    asked = request.spec.request
    return Missing(
        "NoGo",
        f"{asked.role} is NO-GO by {entry.by or who(asked.users, asked.groups)}: {entry.reason}; "
        "it holds until its signer decides again",
        decide_command(request),
    )


def _awaiting(view: RoleView, *, may_ask: bool) -> Missing:
    people = who(view.role.users, view.role.groups)
    if view.void_reason is not None:
        reason, why = "ApprovalVoid", f" again: {view.void_reason}"
    elif view.is_expired:
        reason, why = "ApprovalExpired", " again: the earlier GO has expired"
    elif view.unmet:
        reason = "ConditionsUnmet"
        why = (
            f" again without conditions once they are met: its GO asks for "
            f"{', '.join(view.unmet)} first, which this version can not follow up"
        )
    elif view.request is None:
        reason = "AwaitingApproval"
        why = "" if may_ask else ", once soak, baseline and checkpoints hold"
    else:
        reason, why = "AwaitingApproval", ""
    open_request = reason in {"AwaitingApproval", "ConditionsUnmet"}
    return Missing(
        reason,
        f"{view.role.name} must be signed by {people}{why}",
        decide_command(view.request) if open_request and view.request else None,
    )


def until_expiry(judgement: ApprovalsJudgement, now: datetime) -> timedelta | None:
    """How long the first GO still counts; None where none is given."""
    expiry = judgement.next_expiry
    return None if expiry is None else max(timedelta(0), expiry - now)
