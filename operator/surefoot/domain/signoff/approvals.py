"""Approvals: signatures by role, bound to rollout, plan, attempt and step.

A NO-GO holds against everything but its own signer. A GO counts once, for a while, and only as long
as what it was given for is still so.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from surefoot.api.v1alpha1.approval import Approval, ApprovalRequest, ApprovalSpec, RequestState
from surefoot.api.v1alpha1.checkpoint import People
from surefoot.api.v1alpha1.meta import ObjectReference
from surefoot.api.v1alpha1.rollout import (
    ApprovalsPolicy,
    Opens,
    Role,
    SeparationOfDuties,
)
from surefoot.api.v1alpha1.rollout_status import DecisionEvidence
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
from surefoot.domain.signoff.evaluate import (
    CHECKPOINT_REPLACED,
    TRIGGER_FIRED,
    Answered,
    Exclusion,
    Rules,
    evaluate,
    why_excluded,
)
from surefoot.domain.signoff.meetings import Conflict, Position, judge_conflict
from surefoot.domain.signoff.percent_ranges import asked_percent
from surefoot.domain.signoff.requests import (
    FINAL,
    LONGEST_NAME,
    counts_for_nothing,
    decide_command,
    excluded_in_request,
    folded,
    format_people,
    free_names,
    without,
)
from surefoot.domain.signoff.separation import PLANNED, REPORTED, Reporters, kept_from, planning
from surefoot.domain.signoff.veto import Question, QuestionKind, Veto, active_no_gos, of_kind


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleView(Answered[Approval]):
    """One role of the step, and its signature.

    ``may_sign`` are those of its people whom nothing excludes, and ``excluded`` says of each of the
    others why. ``conditions`` is what its GO asks for. ``no_go`` is a NO-GO that stands, perhaps on
    an earlier round or another plan. ``earlier`` says why the signature of an earlier round no
    longer counts, and ``resolved`` which meeting resolved a NO-GO that would stand without it.
    """

    role: Role
    may_sign: People
    excluded: tuple[str, ...]
    conditions: ConditionsView | None
    no_go: Veto | None
    earlier: str | None
    resolved: str | None = None

    @property
    def is_go(self) -> bool:
        """Whether the role has a GO that counts."""
        return self.no_go is None and self.says_go

    @property
    def says_go(self) -> bool:
        """Whether somebody's GO would count for the role, were there no NO-GO."""
        return self.answer.is_go and not self.unmet

    @property
    def unmet(self) -> tuple[str, ...]:
        """The conditions that its GO asks for before it counts."""
        return self.conditions.unmet if self.conditions is not None else ()

    @property
    def can_be_signed(self) -> bool:
        """Whether anyone is left who may sign; who is in a group is not known."""
        return bool(self.may_sign.users or self.may_sign.groups)

    @property
    def is_named_for_sure(self) -> bool:
        """Whether admission or a key says who signed."""
        verified = self.decision is not None and self.decision.verified
        return verified or self.signature is not None


@dataclass(frozen=True, slots=True)
class ApprovalsJudgement:
    """Whether the step has the signatures it needs, and which must be asked for.

    ``against`` are the NO-GOs that stand, also of roles that the plan no longer has. ``may_ask``
    says that it is time to ask people. ``meeting`` is the one that a conflict among them opened.
    """

    verdict: Verdict
    views: tuple[RoleView, ...]
    opens: tuple[OpenRequest, ...]
    against: tuple[Veto, ...]
    may_ask: bool = False
    meeting: CheckpointView | None = None

    @property
    def evidence(self) -> tuple[DecisionEvidence, ...]:
        """The signatures that count, as they are."""
        evidence: list[DecisionEvidence] = []
        for view in self.views:
            if view.is_go:
                evidence += view.as_counted(view.role.name)
                evidence += conditions.evidence(view.conditions)
        if self.meeting is not None and any(view.resolved for view in self.views):
            evidence += evidence_of((self.meeting,))
        return tuple(evidence)

    @property
    def next_expiry(self) -> datetime | None:
        """When the first GO stops counting."""
        moments = [view.expires_at for view in self.views if view.is_go and view.expires_at]
        return min(moments, default=None)


def judge_approvals(
    state: State,
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
    policy = state.hold.approvals or ApprovalsPolicy()
    vetoes = of_kind(active_no_gos(state, asked_percent(state)), QuestionKind.ROLE)
    planned = {role.name for role in policy.roles}
    removed = tuple(veto for veto in vetoes.values() if veto.question.name not in planned)
    if not policy.roles and not removed:
        return ApprovalsJudgement(not_required(ConditionType.APPROVED), (), (), ())
    planned_by = _planners(state, policy)
    asking = _Asking(
        policy,
        planned_by,
        planning(state.rollout) if planned_by else frozenset(),
        reporters,
        replaced_at,
        _asked_by_role(state),
    )
    views = tuple(_view(state, asking, role, vetoes) for role in policy.roles)
    views = _one_role_a_person(views)
    may_ask = state.opens_requests and (policy.opens is Opens.STEP or hold_is_satisfied)
    opens = tuple(
        _opening(state, asking, view) for view in views if may_ask and view.answer.must_be_asked
    )
    for view in views:
        if state.opens_requests and view.answer.has_a_say:
            opens += conditions.openings(state, view.conditions)
    conflict = judge_conflict(state, policy, _positions(views, removed), meeting)
    views = tuple(_as_resolved(view, conflict) for view in views)
    removed = tuple(no_go for no_go in removed if not conflict.resolves(no_go))
    against = (*(view.no_go for view in views if view.no_go is not None), *removed)
    verdict = _verdict(policy, views, against, may_ask=may_ask, more=conflict.missing)
    own = conflict.view if conflict.view is not meeting else None
    return ApprovalsJudgement(verdict, views, (*opens, *conflict.opens), against, may_ask, own)


def _positions(views: tuple[RoleView, ...], removed: tuple[Veto, ...]) -> tuple[Position, ...]:
    """The position of each role: a GO that would count, a NO-GO that stands, or both."""
    return (
        *(
            Position(view.role.name, view.decision if view.says_go else None, view.no_go)
            for view in views
        ),
        *(Position(veto.question.name, None, veto, is_planned=False) for veto in removed),
    )


def _as_resolved(view: RoleView, conflict: Conflict) -> RoleView:
    """The role as it is once a meeting has resolved its NO-GO."""
    if view.no_go is None or conflict.view is None or not conflict.resolves(view.no_go):
        return view
    request = conflict.view.request
    resolution = f"the NO-GO of {view.no_go.by} was resolved by the meeting "
    resolution += request.metadata.name if request is not None else ""
    return replace(view, no_go=None, resolved=resolution)


@dataclass(frozen=True, slots=True)
class _Asking:
    """The things that all roles of the step have in common.

    ``planners`` are the names that asked for the rollout or wrote its plan, as they are recorded,
    and ``excluded`` are the same in lower case. ``asked`` are the requests of each role, by round.
    """

    policy: ApprovalsPolicy
    planners: tuple[str, ...]
    excluded: frozenset[str]
    reporters: Reporters
    replaced_at: datetime | None
    asked: Mapping[str, list[Approval]]


def _planners(state: State, policy: ApprovalsPolicy) -> tuple[str, ...]:
    if policy.separation_of_duties is SeparationOfDuties.OFF:
        return ()
    return planners(state.rollout)


def _asked_by_role(state: State) -> dict[str, list[Approval]]:
    by_role: defaultdict[str, list[Approval]] = defaultdict(list)
    for approval in sorted(
        state.snapshot.approvals, key=lambda request: request.spec.request.round
    ):
        if _is_about(state, approval):
            by_role[approval.spec.request.role].append(approval)
    return by_role


def _view(state: State, asking: _Asking, role: Role, vetoes: dict[Question, Veto]) -> RoleView:
    asked = asking.asked.get(role.name, [])
    request = next((approval for approval in reversed(asked) if _is_current(state, approval)), None)
    rules = _rules(state, asking, role)
    return RoleView(
        role=role,
        answer=evaluate(state, request, rules),
        rounds=asked[-1].spec.request.round if asked else 0,
        may_sign=without(role, *(exclusion.names for exclusion in rules.exclusions)),
        excluded=_why_excluded(role, rules),
        conditions=conditions.judge(state, request),
        no_go=vetoes.get(Question(QuestionKind.ROLE, role.name)),
        earlier=_earlier(state, asked),
    )


def _rules(state: State, asking: _Asking, role: Role) -> Rules:
    return Rules(
        not_asked="may not sign for this role",
        excluded="is excluded from signing for this role",
        exclusions=(
            Exclusion(kept_from(asking.policy, role, asking.reporters), REPORTED),
            Exclusion(asking.excluded, PLANNED),
        ),
        void_before=(
            (state.void_before, TRIGGER_FIRED),
            (asking.replaced_at, CHECKPOINT_REPLACED),
        ),
        max_age=state.max_age(),
        expires=state.dry_run is None,
        counts=state.dry_run is None,
    )


def _why_excluded(role: Role, rules: Rules) -> tuple[str, ...]:
    """Say of each named user who may not sign why that is so."""
    reasons = (why_excluded(user, rules.exclusions) for user in role.users)
    return tuple(why for why in reasons if why is not None)


def _earlier(state: State, asked: list[Approval]) -> str | None:
    """Say why the last signature on record does not count, until somebody signs again."""
    for approval in reversed(asked):
        status = approval.status
        if status.state is RequestState.USED:
            return None
        if status.decisions and not _is_current(state, approval):
            last = status.decisions[-1]
            why = "it has expired" if status.state is RequestState.EXPIRED else status.void_reason
            message = f"the {last.decision.value} of {last.by} does not count"
            return f"{message}: {why}" if why else message
    return None


def _is_about(state: State, approval: Approval) -> bool:
    request = approval.spec.request
    return (
        request.rollout.uid == state.rollout.metadata.uid
        and request.purpose is state.purpose
        and request.to == asked_percent(state)
        and (request.from_ == 100) == (state.percent == 100)
    )


def _is_current(state: State, approval: Approval) -> bool:
    request = approval.spec.request
    return (
        request.from_ == state.percent
        and request.plan_hash == state.plan_hash
        and request.attempt == state.attempt
        and approval.status.state not in FINAL
    )


def _one_role_a_person(views: tuple[RoleView, ...]) -> tuple[RoleView, ...]:
    """Of two roles signed by one person the earlier counts; of the same moment, the first by name.

    Signatures that do not count take no place from others.
    """
    signed = sorted(
        (view.decision.at, view.role.name, view.decision.by)
        for view in views
        if view.decision is not None and view.answer.has_a_say
    )
    first: dict[str, str] = {}
    for _, role, by in signed:
        first.setdefault(folded(by), role)
    return tuple(_in_one_role(view, first) for view in views)


def _in_one_role(view: RoleView, first: dict[str, str]) -> RoleView:
    if view.decision is None or not view.answer.has_a_say:
        return view
    by = view.decision.by
    role = first[folded(by)]
    if role == view.role.name:
        return view
    return view.voided(f"{by} already signs for {role}")


def _opening(state: State, asking: _Asking, view: RoleView) -> OpenRequest:
    metadata, role = state.rollout.metadata, view.role
    requesters = planners(state.rollout)
    excluded = {*asking.planners, *kept_from(asking.policy, role, asking.reporters)}
    to = asked_percent(state)
    request = ApprovalRequest(
        rollout=ObjectReference(name=metadata.name, uid=metadata.uid),
        plan_hash=state.plan_hash,
        attempt=state.attempt,
        round=view.rounds + 1,
        step=state.index,
        from_=state.percent or 0,
        to=to,
        role=role.name,
        type=role.type,
        purpose=state.purpose,
        dry_run=state.dry_run,
        users=role.users,
        groups=role.groups,
        excluded_users=excluded_in_request(excluded, role),
        required_sections=role.required_sections,
        signing=role.signing,
        requested_by=requesters[0][:LONGEST_NAME] if requesters else "",
        evidence="" if state.dry_run is None else counts_for_nothing(state.dry_run),
    )
    goal = "complete" if state.target_percent is None else str(to)
    suffix = "" if state.dry_run is None else f"-dry{state.dry_run}"
    names = free_names(f"{metadata.name}-{goal}-{role.name}{suffix}", view.rounds + 1)
    return OpenRequest(names, ApprovalSpec(request=request))


def _verdict(
    policy: ApprovalsPolicy,
    views: tuple[RoleView, ...],
    against: tuple[Veto, ...],
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
        sentences = [_format_signers([view for view in views if view.is_go])]
        sentences += [view.resolved for view in views if view.resolved is not None]
        return passes(ConditionType.APPROVED, "Approved", "; ".join(sentences))
    open_roles = [
        awaiting(view, may_ask=may_ask)
        for view in views
        if not view.is_go
        and view.no_go is None
        and not is_enough
        and not (stands_in and view.resolved)
    ]
    refused = (veto.requirement() for veto in against)
    return blocks(ConditionType.APPROVED, *refused, *more, *open_roles)


def _format_signers(agreed: list[RoleView]) -> str:
    """Name the signers, and say whether they are certain."""
    signers = ", ".join(
        f"{v.role.name} by {v.decision.by}" for v in agreed if v.decision is not None
    )
    certain = all(view.is_named_for_sure for view in agreed)
    return (
        signers if certain else f"{signers}; names are not verified, as admission is not enforced"
    )


def awaiting(view: RoleView, *, may_ask: bool) -> UnmetRequirement:
    """Describe what a role without a GO waits for, and why an earlier one does not count."""
    by = ""
    if view.can_be_signed:
        by = f" by {format_people(view.may_sign.users, view.may_sign.groups)}"
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
    if not view.can_be_signed:
        why += f"; none of its people may sign: {', '.join(view.excluded)}"
    open_request = reason == "AwaitingApproval"
    return UnmetRequirement(
        reason,
        f"{view.role.name} must be signed{by}{why}",
        decide_command(view.request) if open_request and view.request else None,
    )
