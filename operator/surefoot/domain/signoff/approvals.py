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
    RequestState,
    lacking_sections,
)
from surefoot.api.v1alpha1.meta import ObjectReference
from surefoot.api.v1alpha1.rollout import (
    ApprovalsPolicy,
    Opens,
    Role,
    SeparationOfDuties,
)
from surefoot.api.v1alpha1.rollout_status import DecisionEvidence, SignatureEvidence
from surefoot.domain.derive.state import State, planners
from surefoot.domain.facts.verdicts import (
    ConditionType,
    UnmetRequirement,
    Verdict,
    blocks,
    not_required,
    passes,
)
from surefoot.domain.plan import OpenRequest
from surefoot.domain.signoff import conditions
from surefoot.domain.signoff.checkpoints import CheckpointView, evidence_of
from surefoot.domain.signoff.conditions import ConditionsView
from surefoot.domain.signoff.meetings import Conflict, Position, judge_conflict
from surefoot.domain.signoff.percent_ranges import asked_percent, overlaps_next_step
from surefoot.domain.signoff.requests import (
    FINAL,
    GIVEN_WITHOUT_ADMISSION,
    ObservedDecision,
    counted,
    counts_for_nothing,
    current_decision,
    decide_command,
    format_people,
    free_names,
    has_unverified_membership,
    is_asked,
    is_excluded,
    is_persons_name,
    is_signer_authenticated,
    not_a_name,
)
from surefoot.domain.signoff.separation import Reporters, kept_from
from surefoot.domain.signoff.signatures import is_undecided, signature_evidence, signature_fault
from surefoot.domain.signoff.veto import active_no_go

NoGo = tuple[Approval, PastDecision]
"""A NO-GO that stands, and where it was given."""


@dataclass(frozen=True, slots=True)
class RoleView:
    """One role of the step: the request that is current, and what its signer says.

    ``void_reason``, ``is_expired``, ``waits_for`` (its detached signature, to be verified) and
    ``conditions`` (what it asks for) say why a GO does not count. ``signature`` is the detached
    signature where one holds. ``no_go`` is a NO-GO that stands, perhaps on an earlier round or
    another plan. ``earlier`` says why the signature of an earlier round no longer counts, and
    ``resolved`` which meeting resolved a NO-GO that would stand without it.
    """

    role: Role
    request: Approval | None
    decision: ObservedDecision | None
    void_reason: str | None
    expires_at: datetime | None
    is_expired: bool
    waits_for: str | None
    conditions: ConditionsView | None
    signature: SignatureEvidence | None
    no_go: NoGo | None
    earlier: str | None
    rounds: int
    resolved: str | None = None

    @property
    def is_go(self) -> bool:
        """Whether the role has a GO that counts."""
        return self.no_go is None and self.says_go

    @property
    def says_go(self) -> bool:
        """Whether somebody's GO would count for the role, were there no NO-GO."""
        return (
            self.void_reason is None
            and not self.is_expired
            and self.waits_for is None
            and not self.unmet
            and self.decision is not None
            and self.decision.decision is Decision.GO
        )

    @property
    def unmet(self) -> tuple[str, ...]:
        """What its GO asks for before it counts."""
        return self.conditions.unmet if self.conditions is not None else ()

    @property
    def is_named_for_sure(self) -> bool:
        """Whether admission or a key says who signed."""
        verified = self.decision is not None and self.decision.verified
        return verified or self.signature is not None

    @property
    def state(self) -> RequestState:
        """The state that the current request has by now."""
        if self.void_reason is not None:
            return RequestState.VOID
        if self.is_expired:
            return RequestState.EXPIRED
        if self.decision is None or self.waits_for is not None:
            return RequestState.PENDING
        return RequestState.GO if self.decision.decision is Decision.GO else RequestState.NO_GO


@dataclass(frozen=True, slots=True)
class ApprovalsJudgement:
    """Whether the step has the signatures it needs, and which must be asked for.

    ``against`` are the NO-GOs that stand, also of roles that the plan no longer has. ``may_ask``
    says that it is time to ask people. ``meeting`` is the one that a conflict among them opened.
    """

    verdict: Verdict
    views: tuple[RoleView, ...]
    opens: tuple[OpenRequest, ...]
    against: tuple[NoGo, ...]
    may_ask: bool = False
    meeting: CheckpointView | None = None

    @property
    def evidence(self) -> tuple[DecisionEvidence, ...]:
        """The signatures that count, as they are."""
        found: list[DecisionEvidence] = []
        for view in self.views:
            if view.is_go and view.request is not None and view.decision is not None:
                found.append(
                    counted(view.request, view.decision, view.role.name, signature=view.signature)
                )
                found += conditions.evidence(view.conditions)
        if self.meeting is not None and any(view.resolved for view in self.views):
            found += evidence_of((self.meeting,))
        return tuple(found)

    @property
    def next_expiry(self) -> datetime | None:
        """When the first GO stops counting."""
        moments = [view.expires_at for view in self.views if view.is_go and view.expires_at]
        return min(moments, default=None)


def judge_approvals(
    situation: State,
    *,
    hold_is_satisfied: bool,
    reporters: Reporters,
    replaced_at: datetime | None,
    meeting: CheckpointView | None = None,
) -> ApprovalsJudgement:
    """Whether everybody who must has signed for leaving this step.

    ``hold_is_satisfied`` says that soak, baseline and checkpoints hold: with `opens: AfterHold`
    people are asked only then. ``reporters`` have reported on the step and may not sign for it.
    ``meeting`` is the step's own, which then resolves conflicts too.
    """
    policy = situation.hold.approvals or ApprovalsPolicy()
    removed = _no_gos_of_removed(situation, {role.name for role in policy.roles})
    if not policy.roles and not removed:
        return ApprovalsJudgement(not_required(ConditionType.APPROVED), (), (), ())
    views = tuple(_view(situation, policy, role, reporters, replaced_at) for role in policy.roles)
    views = _one_role_a_person(views)
    may_ask = situation.opens_requests and (policy.opens is Opens.STEP or hold_is_satisfied)
    opens = tuple(
        _opening(situation, policy, view, reporters)
        for view in views
        if may_ask and _must_be_asked(view)
    )
    for view in views:
        if situation.opens_requests and _has_a_say(view):
            opens += conditions.openings(situation, view.conditions)
    conflict = judge_conflict(situation, policy, _positions(views, removed), meeting)
    views = tuple(_as_resolved(view, conflict) for view in views)
    removed = tuple(no_go for no_go in removed if not conflict.resolves(no_go[1]))
    against = (*(view.no_go for view in views if view.no_go is not None), *removed)
    verdict = _verdict(policy, views, against, may_ask=may_ask, more=conflict.missing)
    own = conflict.view if conflict.view is not meeting else None
    return ApprovalsJudgement(verdict, views, (*opens, *conflict.opens), against, may_ask, own)


def _positions(views: tuple[RoleView, ...], removed: tuple[NoGo, ...]) -> tuple[Position, ...]:
    """What each role says: a GO that would count, a NO-GO that stands, both, or nothing yet."""
    return (
        *(
            Position(
                view.role.name,
                view.decision if view.says_go else None,
                view.no_go[1] if view.no_go is not None else None,
            )
            for view in views
        ),
        *(
            Position(request.spec.request.role, None, no_go, is_planned=False)
            for request, no_go in removed
        ),
    )


def _as_resolved(view: RoleView, conflict: Conflict) -> RoleView:
    """The role as it is once a meeting has resolved its NO-GO."""
    if view.no_go is None or conflict.view is None or not conflict.resolves(view.no_go[1]):
        return view
    request = conflict.view.request
    said = f"the NO-GO of {view.no_go[1].by} was resolved by the meeting "
    said += request.metadata.name if request is not None else ""
    return replace(view, no_go=None, resolved=said)


def _no_gos_of_removed(situation: State, planned: set[str]) -> tuple[NoGo, ...]:
    """NO-GOs of roles that are not in the plan: removing the role does not take back its word."""
    removed: dict[str, list[tuple[Approval, ObservedDecision | None]]] = {}
    for approval in situation.snapshot.approvals:
        role = approval.spec.request.role
        if role not in planned and overlaps_next_step(situation, approval):
            removed.setdefault(role, []).append((approval, current_decision(situation, approval)))
    found = (active_no_go(situation, known) for _, known in sorted(removed.items()))
    return tuple(no_go for no_go in found if no_go is not None)


def _view(
    situation: State,
    policy: ApprovalsPolicy,
    role: Role,
    reporters: Reporters,
    replaced_at: datetime | None,
) -> RoleView:
    known = [
        (approval, current_decision(situation, approval))
        for approval in situation.snapshot.approvals
        if approval.spec.request.role == role.name
    ]
    asked = sorted(
        (approval for approval, _ in known if _is_about(situation, approval)),
        key=lambda approval: approval.spec.request.round,
    )
    request = next((each for each in reversed(asked) if _is_current(situation, each)), None)
    decision = current_decision(situation, request) if request is not None else None
    expires_at = _expires_at(situation, request, decision)
    excluded = kept_from(policy, role, reporters)
    void_reason = _void_reason(
        situation,
        request,
        decision,
        planning=_planning(situation, policy),
        reporters=excluded,
        replaced_at=replaced_at,
    )
    return RoleView(
        role=role,
        request=request,
        decision=decision,
        void_reason=void_reason,
        expires_at=expires_at,
        is_expired=expires_at is not None and expires_at <= situation.latest_now,
        waits_for=_waits_for(situation, request),
        conditions=conditions.judge(situation, request),
        signature=_signature(situation, request),
        no_go=active_no_go(
            situation, (pair for pair in known if overlaps_next_step(situation, pair[0]))
        ),
        earlier=_earlier(situation, asked),
        rounds=asked[-1].spec.request.round if asked else 0,
    )


def _expires_at(
    situation: State, request: Approval | None, decision: ObservedDecision | None
) -> datetime | None:
    """When a GO stops counting: it is too old, or its detached signature says so.

    What counts for nothing does not stop counting either: nobody is asked again for a dry run.
    """
    max_age = situation.max_age()
    if request is None or decision is None or decision.decision is not Decision.GO:
        return None
    if situation.dry_run is not None:
        return None
    signature = request.spec.signature
    moments = [
        decision.at + max_age if max_age is not None else None,
        signature.expires_at if signature is not None else None,
    ]
    return min((moment for moment in moments if moment is not None), default=None)


def _earlier(situation: State, asked: list[Approval]) -> str | None:
    """Why the last signature on record does not count, as long as nobody has signed anew."""
    for approval in reversed(asked):
        status = approval.status
        if status.state is RequestState.USED:
            return None
        if status.decisions and not _is_current(situation, approval):
            last = status.decisions[-1]
            why = "it has expired" if status.state is RequestState.EXPIRED else status.void_reason
            said = f"the {last.decision.value} of {last.by} does not count"
            return f"{said}: {why}" if why else said
    return None


def _is_about(situation: State, approval: Approval) -> bool:
    request = approval.spec.request
    return (
        request.rollout.uid == situation.rollout.metadata.uid
        and request.purpose is situation.purpose
        and request.to == asked_percent(situation)
        and (request.from_ == 100) == (situation.percent == 100)
    )


def _is_current(situation: State, approval: Approval) -> bool:
    request = approval.spec.request
    return (
        request.from_ == situation.percent
        and request.plan_hash == situation.plan_hash
        and request.attempt == situation.attempt
        and approval.status.state not in FINAL
    )


def _planning(situation: State, policy: ApprovalsPolicy) -> frozenset[str]:
    """Who may not sign because they asked for this, in lower case."""
    if policy.separation_of_duties is SeparationOfDuties.OFF:
        return frozenset()
    return frozenset(name.lower() for name in planners(situation.rollout.metadata.annotations))


def _void_reason(
    situation: State,
    request: Approval | None,
    decision: ObservedDecision | None,
    *,
    planning: frozenset[str],
    reporters: frozenset[str],
    replaced_at: datetime | None,
) -> str | None:
    """Why a signature does not count, whatever it says; None if it may."""
    if request is None or decision is None:
        return None
    wrong_signer = _why_not_theirs_to_sign(request, decision.by, planning, reporters)
    if wrong_signer is None and has_unverified_membership(situation, request, decision):
        wrong_signer = (
            f"{decision.by} is not among the users of this role, and nobody saw that they are in "
            "one of its groups: a detached signature does not say so"
        )
    fault = wrong_signer or _signature_fault(situation, request, decision)
    if fault is not None or decision.decision is Decision.NO_GO:
        return fault
    return _why_go_does_not_count(situation, request, decision, replaced_at)


def _why_not_theirs_to_sign(
    request: Approval, by: str, planning: frozenset[str], reporters: frozenset[str]
) -> str | None:
    if not is_persons_name(by):
        return not_a_name(by)
    if by.lower() in reporters:
        return f"{by} reported on this step"
    if by.lower() in planning:
        return f"{by} requested this rollout or its attempt, or wrote its plan"
    if is_excluded(request, by):
        return f"{by} is excluded from signing for this role"
    if not is_asked(request, by):
        return f"{by} may not sign for this role"
    return None


def _signature_fault(situation: State, request: Approval, decision: ObservedDecision) -> str | None:
    """What is wrong with the detached signature; what is not known yet is not wrong.

    It must hold until it is counted. In a dry run that is never, and it must have held when given.
    """
    fact = situation.snapshot.signatures.get(request.metadata.uid)
    if is_undecided(request, fact):
        return None
    moment = situation.latest_now if situation.dry_run is None else decision.at
    return signature_fault(request, fact, moment)


def _waits_for(situation: State, request: Approval | None) -> str | None:
    """Why it can not be said yet whether the detached signature holds."""
    if request is None:
        return None
    fact = situation.snapshot.signatures.get(request.metadata.uid)
    fault = signature_fault(request, fact, situation.latest_now)
    return fault if is_undecided(request, fact) else None


def _signature(situation: State, request: Approval | None) -> SignatureEvidence | None:
    if request is None:
        return None
    return signature_evidence(request, situation.snapshot.signatures.get(request.metadata.uid))


def _why_go_does_not_count(
    situation: State, request: Approval, decision: ObservedDecision, replaced_at: datetime | None
) -> str | None:
    if not is_signer_authenticated(situation, request, decision):
        return GIVEN_WITHOUT_ADMISSION
    lacking = lacking_sections(request.spec)
    if lacking:
        return f"it lacks {', '.join(lacking)}"
    if situation.void_before is not None and decision.at <= situation.void_before:
        return "a trigger fired since it was given"
    if replaced_at is not None and decision.at <= replaced_at:
        return "a checkpoint was replaced since it was given"
    return None


def _one_role_a_person(views: tuple[RoleView, ...]) -> tuple[RoleView, ...]:
    """Of two roles signed by one person the earlier counts; of the same moment, the first by name.

    Signatures that do not count take no place from others.
    """
    signed = sorted(
        (view.decision.at, view.role.name, view.decision.by)
        for view in views
        if view.decision is not None and _has_a_say(view)
    )
    first: dict[str, str] = {}
    for _, role, by in signed:
        first.setdefault(by.lower(), role)
    return tuple(_in_one_role(view, first) for view in views)


def _has_a_say(view: RoleView) -> bool:
    return view.void_reason is None and view.waits_for is None and not view.is_expired


def _in_one_role(view: RoleView, first: dict[str, str]) -> RoleView:
    if view.decision is None or not _has_a_say(view):
        return view
    by = view.decision.by
    role = first[by.lower()]
    if role == view.role.name:
        return view
    return replace(view, void_reason=f"{by} already signs for {role}")


def _must_be_asked(view: RoleView) -> bool:
    return view.request is None or view.void_reason is not None or view.is_expired


def _opening(
    situation: State, policy: ApprovalsPolicy, view: RoleView, reporters: Reporters
) -> OpenRequest:
    metadata, role = situation.rollout.metadata, view.role
    planning = planners(metadata.annotations)
    required = policy.separation_of_duties is SeparationOfDuties.REQUIRED
    excluded = {*(planning if required else ()), *kept_from(policy, role, reporters)}
    to = asked_percent(situation)
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
        purpose=situation.purpose,
        dry_run=situation.dry_run,
        users=role.users,
        groups=role.groups,
        excluded_users=tuple(sorted(excluded)),
        required_sections=role.required_sections,
        signing=role.signing,
        requested_by=planning[0] if planning else "",
        evidence="" if situation.dry_run is None else counts_for_nothing(situation.dry_run),
    )
    goal = "complete" if situation.target_percent is None else str(to)
    suffix = "" if situation.dry_run is None else f"-dry{situation.dry_run}"
    names = free_names(f"{metadata.name}-{goal}-{role.name}{suffix}", view.rounds + 1)
    return OpenRequest(names, ApprovalSpec(request=request))


def _verdict(
    policy: ApprovalsPolicy,
    views: tuple[RoleView, ...],
    against: tuple[NoGo, ...],
    *,
    may_ask: bool,
    more: tuple[UnmetRequirement, ...] = (),
) -> Verdict:
    agreed = sum(view.is_go for view in views)
    stands_in = policy.quorum is None
    if stands_in:
        # Under All a meeting speaks for roles whose NO-GO it resolved. Only Quorum has a quorum.
        agreed += sum(view.resolved is not None and not view.is_go for view in views)
    is_enough = agreed >= (policy.quorum or len(views))
    if not against and is_enough:
        said = [_said([view for view in views if view.is_go])]
        said += [view.resolved for view in views if view.resolved is not None]
        return passes(ConditionType.APPROVED, "Approved", "; ".join(said))
    open_roles = [
        awaiting(view, may_ask=may_ask)
        for view in views
        if not view.is_go
        and view.no_go is None
        and not is_enough
        and not (stands_in and view.resolved)
    ]
    return blocks(ConditionType.APPROVED, *map(said_of_no_go, against), *more, *open_roles)


def _said(agreed: list[RoleView]) -> str:
    """Who signed, and whether that is certain."""
    said = ", ".join(f"{v.role.name} by {v.decision.by}" for v in agreed if v.decision is not None)
    certain = all(view.is_named_for_sure for view in agreed)
    return said if certain else f"{said}; names are not verified, as admission is not enforced"


def said_of_no_go(no_go: NoGo) -> UnmetRequirement:
    """A NO-GO that stands, and what its signer can type."""
    request, entry = no_go
    return UnmetRequirement(
        "NoGo",
        f"{request.spec.request.role} is NO-GO by {entry.by}: {entry.reason}; it holds until its "
        "signer decides again",
        decide_command(request),
    )


def awaiting(view: RoleView, *, may_ask: bool) -> UnmetRequirement:
    """What a role without a GO that counts waits for, and why an earlier one does not count."""
    people = format_people(view.role.users, view.role.groups)
    if view.void_reason is not None:
        reason, why = "ApprovalVoid", f" again: {view.void_reason}"
    elif view.is_expired:
        reason, why = "ApprovalExpired", " again: the earlier GO has expired"
    elif view.waits_for is not None:
        reason, why = "SignatureNotVerified", f": {view.waits_for}"
    elif view.conditions is not None and view.unmet:
        return conditions.missing(view.conditions, view.role.name)
    else:
        reason = "AwaitingApproval"
        later = view.request is None and not may_ask
        why = ", once soak, baseline and checkpoints hold" if later else ""
        why += f"; {view.earlier}" if view.earlier else ""
    open_request = reason == "AwaitingApproval"
    return UnmetRequirement(
        reason,
        f"{view.role.name} must be signed by {people}{why}",
        decide_command(view.request) if open_request and view.request else None,
    )


def until_expiry(judgement: ApprovalsJudgement, now: datetime) -> timedelta | None:
    """How long the first GO still counts; None where none is given."""
    expiry = judgement.next_expiry
    return None if expiry is None else max(timedelta(0), expiry - now)
