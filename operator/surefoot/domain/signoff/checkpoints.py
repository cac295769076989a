"""Checkpoints: reports that must be GO before the step is left."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from surefoot.api.v1alpha1.approval import Approval, Decision, PastDecision, RequestState
from surefoot.api.v1alpha1.checkpoint import (
    Checkpoint,
    CheckpointRequest,
    CheckpointSpec,
    CheckpointType,
    People,
    lacks_required_action,
)
from surefoot.api.v1alpha1.durations import in_words, parse_duration
from surefoot.api.v1alpha1.meta import ObjectReference
from surefoot.api.v1alpha1.rollout import CheckpointPlan, DueFrom
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
from surefoot.domain.signoff import acknowledgements, conditions, handoffs
from surefoot.domain.signoff.acknowledgements import AcknowledgementView, Party
from surefoot.domain.signoff.conditions import ConditionsView
from surefoot.domain.signoff.parties import parties
from surefoot.domain.signoff.requests import (
    FINAL,
    ObservedDecision,
    counted,
    current_decision,
    decide_command,
    format_people,
    free_names,
    why_report_is_void,
)
from surefoot.domain.signoff.separation import Reporters
from surefoot.domain.signoff.veto import active_no_go

NoGo = tuple[Checkpoint, PastDecision] | tuple[Approval, PastDecision]
"""A NO-GO that stands, and where it was given: in a report, or in its acknowledgement."""


@dataclass(frozen=True, slots=True)
class CheckpointView:
    """One checkpoint of the step: the request that is current, and what it says.

    ``no_go`` is a NO-GO that stands, perhaps on an earlier round or another plan. ``reporters`` are
    all who reported in this attempt, in lower case. ``conditions`` is what its GO asks for, and
    ``acknowledgements`` are those that its GO needs; ``refusal`` is a NO-GO among them that stands.
    """

    plan: CheckpointPlan
    request: Checkpoint | None
    decision: ObservedDecision | None
    void_reason: str | None
    conditions: ConditionsView | None
    no_go: tuple[Checkpoint, PastDecision] | None
    reporters: frozenset[str]
    due_at: datetime | None
    refusal: tuple[Approval, PastDecision] | None = None
    acknowledgements: tuple[AcknowledgementView, ...] = ()

    @property
    def is_go(self) -> bool:
        """Whether it is GO, all have acknowledged it who must, and nothing stands against that."""
        return (
            self.is_reported_go
            and self.refusal is None
            and all(view.is_go for view in self.acknowledgements)
        )

    @property
    def is_meeting(self) -> bool:
        """Whether it is a DecisionMeeting."""
        return self.plan.type is CheckpointType.DECISION_MEETING

    @property
    def unmet(self) -> tuple[str, ...]:
        """What its GO asks for before it counts."""
        return self.conditions.unmet if self.conditions is not None else ()

    @property
    def against(self) -> tuple[NoGo, ...]:
        """The NO-GOs that stand against it."""
        return tuple(no_go for no_go in (self.no_go, self.refusal) if no_go is not None)

    @property
    def awaited(self) -> tuple[People, ...]:
        """Who can bring it forward: its reporters, or all who have not acknowledged it."""
        waits = tuple(view.party.people for view in self.acknowledgements if not view.is_go)
        return waits if waits and self.is_reported_go else (self.plan.reporter,)

    @property
    def is_acknowledged(self) -> bool:
        """Whether everybody has acknowledged it who must; not where nobody must."""
        return bool(self.acknowledgements) and self.is_go

    @property
    def is_reported_go(self) -> bool:
        """Whether the report is GO and nothing stands against that, acknowledged or not."""
        return (
            self.no_go is None
            and self.void_reason is None
            and not self.unmet
            and self.decision is not None
            and self.decision.decision is Decision.GO
        )


@dataclass(frozen=True, slots=True)
class CheckpointsJudgement:
    """What the step's checkpoints say, and which of them must be opened.

    ``against`` are the NO-GOs that stand, also on checkpoints that the plan no longer has.
    """

    verdict: Verdict
    views: tuple[CheckpointView, ...]
    opens: tuple[OpenRequest, ...]
    against: tuple[NoGo, ...]

    @property
    def evidence(self) -> tuple[DecisionEvidence, ...]:
        """The reports that say GO, as they are, and who acknowledged them."""
        return evidence_of(self.views)

    @property
    def meeting(self) -> CheckpointView | None:
        """The step's own meeting, where the plan has one."""
        return next((view for view in self.views if view.is_meeting), None)

    @property
    def reporters(self) -> Reporters:
        """Who has decided them, in lower case, by type."""
        return {
            kind: frozenset[str]().union(*(v.reporters for v in self.views if v.plan.type is kind))
            for kind in CheckpointType
        }

    @property
    def replaced_at(self) -> datetime | None:
        """When a report was last replaced: by another decision, or by a new round.

        A meeting is about the approvals that were given, and voids none.
        """
        moments = []
        for view in self.views:
            if view.is_meeting:
                continue
            if view.decision is not None and view.decision.was_changed:
                moments.append(view.decision.at)
            if view.request is not None and view.request.spec.request.round > 1:
                created = view.request.metadata.creation_timestamp
                moments += [created] if created is not None else []
        return max(moments, default=None)


def evidence_of(views: Iterable[CheckpointView]) -> tuple[DecisionEvidence, ...]:
    """Those of the checkpoints that are GO, their conditions, and who acknowledged them."""
    passed = [view for view in views if view.is_go]
    found: list[DecisionEvidence] = []
    for view in passed:
        if view.request is not None and view.decision is not None:
            found.append(counted(view.request, view.decision, view.plan.name))
            found += conditions.evidence(view.conditions)
    for view in passed:
        found += acknowledgements.evidence(view.acknowledgements)
    return tuple(found)


def judge_meeting(situation: State, plan: CheckpointPlan) -> CheckpointView:
    """What a meeting that is not in the plan says."""
    return _view(situation, plan)


def opening_of(
    situation: State, view: CheckpointView, evidence: str, *, may_open: bool
) -> tuple[OpenRequest, ...]:
    """What must be asked for such a meeting: itself, and its acknowledgements."""
    if not situation.opens_requests:
        return ()
    if view.request is None or view.void_reason is not None:
        return (_opening(situation, view, evidence),) if may_open else ()
    asked = conditions.openings(situation, view.conditions)
    if view.is_reported_go:
        asked += acknowledgements.openings(situation, view.acknowledgements)
    return asked


def missing_of(situation: State, view: CheckpointView) -> tuple[UnmetRequirement, ...]:
    """What such a meeting waits for."""
    return _missing(situation, view, set())


def judge_checkpoints(situation: State) -> CheckpointsJudgement:
    """What the checkpoints of the step being left say."""
    plans = situation.hold.checkpoints
    removed = _no_gos_of_removed(situation, {plan.name for plan in plans})
    if not plans and not removed:
        return CheckpointsJudgement(not_required(ConditionType.CHECKPOINTS_PASSED), (), (), ())
    views = tuple(_view(situation, plan) for plan in plans)
    passed = {view.plan.name for view in views if view.is_go}
    opens = tuple(
        _opening(situation, view)
        for view in views
        if situation.opens_requests and _is_due_to_open(situation, view, passed)
    )
    for view in views:
        if view.void_reason is None:
            opens += conditions.openings(situation, view.conditions)
        if view.is_reported_go:
            opens += acknowledgements.openings(situation, view.acknowledgements)
    against = (*(no_go for view in views for no_go in view.against), *removed)
    missing = [
        found for view in views if not view.is_go for found in _missing(situation, view, passed)
    ]
    missing += [_no_go(no_go) for no_go in removed]
    if missing:
        verdict = blocks(ConditionType.CHECKPOINTS_PASSED, *missing)
        return CheckpointsJudgement(verdict, views, opens, against)
    said = ", ".join(f"{view.plan.name} GO" for view in views)
    verdict = passes(ConditionType.CHECKPOINTS_PASSED, "CheckpointsPassed", said)
    return CheckpointsJudgement(verdict, views, opens, against)


def _asked(situation: State) -> tuple[Checkpoint, ...]:
    """Every checkpoint of a plan about this percentage, of whatever plan, attempt and round."""
    return tuple(
        checkpoint
        for checkpoint in situation.snapshot.checkpoints
        if checkpoint.spec.request.rollout.uid == situation.rollout.metadata.uid
        and checkpoint.spec.request.percent == situation.percent
        and checkpoint.spec.request.conditions_of is None
    )


def _no_gos_of_removed(situation: State, planned: set[str]) -> tuple[NoGo, ...]:
    """NO-GOs on checkpoints that are not in the plan: removing the question does not answer it."""
    removed: dict[str, list[Checkpoint]] = {}
    for checkpoint in _asked(situation):
        if checkpoint.spec.request.name not in planned:
            removed.setdefault(checkpoint.spec.request.name, []).append(checkpoint)
    found: list[NoGo | None] = []
    for _, asked in sorted(removed.items()):
        known = [(checkpoint, current_decision(situation, checkpoint)) for checkpoint in asked]
        found += [active_no_go(situation, known), acknowledgements.refusal(situation, asked)]
    return tuple(no_go for no_go in found if no_go is not None)


def _view(situation: State, plan: CheckpointPlan) -> CheckpointView:
    known = [
        (checkpoint, current_decision(situation, checkpoint))
        for checkpoint in _asked(situation)
        if checkpoint.spec.request.name == plan.name
    ]
    current = max(
        (pair for pair in known if _is_current(situation, pair[0])),
        key=lambda pair: pair[0].spec.request.round,
        default=None,
    )
    request, decision = current or (None, None)
    needed: tuple[Party, ...] = ()
    if request is not None:
        needed = (*handoffs.parties(request), *parties(situation, request, decision))
    return CheckpointView(
        plan=plan,
        request=request,
        decision=decision,
        void_reason=_void_reason(situation, request, decision),
        conditions=conditions.judge(situation, request),
        no_go=active_no_go(situation, known),
        refusal=acknowledgements.refusal(situation, (checkpoint for checkpoint, _ in known)),
        reporters=frozenset(
            entry.by.lower()
            for checkpoint, reported in known
            if checkpoint.spec.request.attempt == situation.attempt and reported is not None
            for entry in reported.history
        ),
        due_at=_due_at(situation, plan),
        acknowledgements=(
            acknowledgements.judge(situation, request, needed) if request is not None else ()
        ),
    )


def _is_current(situation: State, checkpoint: Checkpoint) -> bool:
    request = checkpoint.spec.request
    return (
        request.plan_hash == situation.plan_hash
        and request.attempt == situation.attempt
        and checkpoint.status.state not in FINAL
    )


def _void_reason(
    situation: State, request: Checkpoint | None, decision: ObservedDecision | None
) -> str | None:
    if request is None or decision is None:
        return None
    wrong = why_report_is_void(situation, request, decision)
    if wrong is not None or decision.decision is Decision.NO_GO:
        return wrong
    asked_for_it = {name.lower() for name in planners(situation.rollout.metadata.annotations)}
    is_meeting = request.spec.request.type is CheckpointType.DECISION_MEETING
    if is_meeting and decision.by.lower() in asked_for_it:
        return f"{decision.by} requested this rollout or its attempt, or wrote its plan"
    if lacks_required_action(request.spec):
        return "it lacks requiredAction"
    fired = situation.void_before
    if fired is not None and decision.at <= fired:
        return "a trigger fired since"
    return None


def _base(situation: State, plan: CheckpointPlan) -> datetime | None:
    return situation.began if plan.due_from is DueFrom.STEP else situation.started_at


def _after_base(situation: State, plan: CheckpointPlan, length: str | None) -> datetime | None:
    base = _base(situation, plan)
    return None if base is None or length is None else base + parse_duration(length)


def _due_at(situation: State, plan: CheckpointPlan) -> datetime | None:
    return _after_base(situation, plan, plan.due_after)


def opens_at(situation: State, plan: CheckpointPlan) -> datetime | None:
    """When a checkpoint may be opened at the earliest; None before Start."""
    return _after_base(situation, plan, plan.opens_after)


def _waits_for(plan: CheckpointPlan, passed: set[str], here: set[str]) -> tuple[str, ...]:
    """The checkpoints of this step that must be GO first; those of earlier steps were."""
    return tuple(name for name in plan.after if name in here and name not in passed)


def _is_due_to_open(situation: State, view: CheckpointView, passed: set[str]) -> bool:
    if view.request is not None and view.void_reason is None:
        return False
    here = {plan.name for plan in situation.hold.checkpoints}
    if _waits_for(view.plan, passed, here):
        return False
    moment = opens_at(situation, view.plan)
    return moment is not None and moment <= situation.now


def _opening(situation: State, view: CheckpointView, evidence: str | None = None) -> OpenRequest:
    plan, metadata = view.plan, situation.rollout.metadata
    rounds = [
        checkpoint.spec.request.round
        for checkpoint in _asked(situation)
        if checkpoint.spec.request.name == plan.name
    ]
    number = max(rounds, default=0) + 1
    request = CheckpointRequest(
        rollout=ObjectReference(name=metadata.name, uid=metadata.uid),
        plan_hash=situation.plan_hash,
        attempt=situation.attempt,
        round=number,
        step=situation.index,
        percent=situation.percent or 0,
        name=plan.name,
        type=plan.type,
        reporter=plan.reporter,
        receiver=plan.receiver,
        evidence=evidence,
        # Who asked for this does not decide whether a NO-GO stands.
        excluded_users=planners(metadata.annotations) if view.is_meeting else (),
        opens_at=opens_at(situation, plan),
        due_at=view.due_at,
    )
    base = f"{metadata.name}-{situation.percent}-{plan.name}"
    return OpenRequest(free_names(base, number), CheckpointSpec(request=request))


def _missing(
    situation: State, view: CheckpointView, passed: set[str]
) -> tuple[UnmetRequirement, ...]:
    """What a checkpoint waits for: its report, or everybody who has not acknowledged it."""
    refused = (acknowledgements.said_of_refusal(view.refusal),) if view.refusal else ()
    if not view.is_reported_go:
        return (*refused, _missing_report(situation, view, passed))
    waits = (acknowledgements.missing(each) for each in view.acknowledgements if not each.is_go)
    return refused or tuple(_due(situation, view, missing) for missing in waits)


def _missing_report(situation: State, view: CheckpointView, passed: set[str]) -> UnmetRequirement:
    reporters = format_people(view.plan.reporter.users, view.plan.reporter.groups)
    if view.no_go is not None:
        return _no_go(view.no_go)
    here = {plan.name for plan in situation.hold.checkpoints}
    waits = _waits_for(view.plan, passed, here)
    if waits:
        return UnmetRequirement(
            "AwaitingPredecessor",
            f"checkpoint {view.plan.name} ({reporters}) follows {', '.join(waits)}",
        )
    if view.request is None or view.void_reason is not None:
        return _not_open(situation, view, reporters)
    if view.conditions is not None and view.unmet:
        return conditions.missing(view.conditions, f"checkpoint {view.plan.name}")
    return _due(
        situation,
        view,
        UnmetRequirement(
            "CheckpointMissing",
            f"checkpoint {view.plan.name} is not approved: {reporters} has not reported",
            decide_command(view.request),
        ),
    )


def _due(situation: State, view: CheckpointView, missing: UnmetRequirement) -> UnmetRequirement:
    """The same with when it is due; late is a reason of its own, which somebody is told of."""
    if view.due_at is None:
        return missing
    late = situation.now > view.due_at
    distance = in_words(abs(view.due_at - situation.now))
    due = f"{distance} late" if late else f"due in {distance}"
    reason = "CheckpointLate" if late else missing.reason
    return replace(missing, reason=reason, message=f"{missing.message}, {due}")


def _no_go(no_go: NoGo) -> UnmetRequirement:
    request, entry = no_go
    if isinstance(request, Approval):
        return acknowledgements.said_of_refusal((request, entry))
    return UnmetRequirement(
        "NoGo",
        f"checkpoint {request.spec.request.name} is NO-GO by {entry.by}: {entry.reason}; it holds "
        "until its signer decides again",
        decide_command(request),
    )


def _not_open(situation: State, view: CheckpointView, reporters: str) -> UnmetRequirement:
    if view.void_reason is not None:
        return UnmetRequirement(
            "CheckpointVoid",
            f"checkpoint {view.plan.name} must be reported anew by {reporters}: {view.void_reason}",
        )
    moment = opens_at(situation, view.plan)
    when = ""
    if moment is not None and moment > situation.now:
        when = f", opens in {in_words(moment - situation.now)}"
    return UnmetRequirement(
        "CheckpointMissing", f"checkpoint {view.plan.name} ({reporters}) is missing{when}"
    )


def is_late(view: CheckpointView, now: datetime) -> bool:
    """Whether the report is, or was, later than due, with whatever it needs to be acknowledged."""
    if view.due_at is None:
        return False
    given = [view.decision, *(each.decision for each in view.acknowledgements)]
    return max(each.at if each else now for each in given) > view.due_at


def next_moment(situation: State) -> timedelta | None:
    """How long until a checkpoint opens or becomes late; None if nothing of the kind is ahead."""
    ahead = [
        moment - situation.now
        for plan in situation.hold.checkpoints
        for moment in (opens_at(situation, plan), _due_at(situation, plan))
        if moment is not None and moment > situation.now
    ]
    return min(ahead, default=None)


def state_now(view: CheckpointView) -> RequestState:
    """The state that the current request has by now."""
    if view.void_reason is not None:
        return RequestState.VOID
    if view.decision is None:
        return RequestState.PENDING
    return RequestState.GO if view.decision.decision is Decision.GO else RequestState.NO_GO
