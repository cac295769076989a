"""Checkpoints: reports that must be GO before the step is left."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from surefoot.api.v1alpha1.checkpoint import (
    Checkpoint,
    CheckpointRequest,
    CheckpointSpec,
    CheckpointType,
    People,
)
from surefoot.api.v1alpha1.durations import in_words, parse_duration
from surefoot.api.v1alpha1.meta import ObjectReference
from surefoot.api.v1alpha1.rollout import CheckpointPlan, DueFrom
from surefoot.api.v1alpha1.rollout_status import DecisionEvidence
from surefoot.domain.derive.state import State, planners
from surefoot.domain.facts.moments import later
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
from surefoot.domain.signoff.conditions import MAY_NOT_REPORT, ConditionsView
from surefoot.domain.signoff.decisions import current_decision
from surefoot.domain.signoff.evaluate import TRIGGER_FIRED, Answered, Exclusion, Rules, evaluate
from surefoot.domain.signoff.parties import parties
from surefoot.domain.signoff.percent_ranges import asked_percent
from surefoot.domain.signoff.requests import (
    FINAL,
    decide_command,
    excluded_by,
    excluded_in_request,
    fold,
    format_people,
    free_names,
    without,
)
from surefoot.domain.signoff.separation import PLANNED, Reporters, planning
from surefoot.domain.signoff.veto import Question, QuestionKind, Veto, active_no_gos, of_kind

_KINDS = (QuestionKind.CHECKPOINT, QuestionKind.ACKNOWLEDGEMENT)
_Vetoes = dict[Question, Veto]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointView(Answered[Checkpoint]):
    """One checkpoint of the step.

    ``no_go`` is a NO-GO that stands, perhaps on an earlier round or another plan. ``reporters`` are
    all who reported in this attempt, in lower case. ``conditions`` is what its GO asks for, and
    ``acknowledgements`` are those that its GO needs; ``refusal`` is a NO-GO among them that stands.
    ``may_report`` are those of its reporters whom nothing excludes.
    """

    plan: CheckpointPlan
    may_report: People
    conditions: ConditionsView | None
    no_go: Veto | None
    reporters: frozenset[str]
    due_at: datetime | None
    refusal: Veto | None = None
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
        """The conditions that its GO asks for before it counts."""
        return self.conditions.unmet if self.conditions is not None else ()

    @property
    def against(self) -> tuple[Veto, ...]:
        """The NO-GOs that stand against it."""
        return tuple(no_go for no_go in (self.no_go, self.refusal) if no_go is not None)

    @property
    def awaited(self) -> tuple[People, ...]:
        """The people who can bring it forward: reporters, or those who must acknowledge it."""
        waits = tuple(v.party.may_acknowledge for v in self.acknowledgements if not v.is_go)
        return waits if waits and self.is_reported_go else (self.may_report,)

    @property
    def is_acknowledged(self) -> bool:
        """Whether everyone has acknowledged it who must; not where no one must."""
        return bool(self.acknowledgements) and self.is_go

    @property
    def is_reported_go(self) -> bool:
        """Whether the report is GO and nothing stands against that, acknowledged or not."""
        return self.no_go is None and not self.unmet and self.answer.is_go


@dataclass(frozen=True, slots=True)
class CheckpointsJudgement:
    """The outcome of the step's checkpoints, and those that must be opened.

    ``against`` are the NO-GOs that stand, also on checkpoints that the plan no longer has.
    """

    verdict: Verdict
    views: tuple[CheckpointView, ...]
    opens: tuple[OpenRequest, ...]
    against: tuple[Veto, ...]

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
        """The people who have decided them, in lower case, by type."""
        return {
            kind: frozenset[str]().union(*(v.reporters for v in self.views if v.plan.type is kind))
            for kind in CheckpointType
        }

    @property
    def replaced_at(self) -> datetime | None:
        """When a report was replaced at the latest: by another decision, or by a new round.

        A meeting is about the approvals that were given, and voids none.
        """
        moments = []
        for view in self.views:
            if view.is_meeting:
                continue
            if view.decision is not None and view.decision.was_changed:
                moments.append(view.decision.seen_at)
            if view.request is not None and view.request.spec.request.round > 1:
                created = view.request.metadata.creation_timestamp
                moments += [created] if created is not None else []
        return max(moments, default=None)


def evidence_of(views: Iterable[CheckpointView]) -> tuple[DecisionEvidence, ...]:
    """Those of the checkpoints that are GO, their conditions, and who acknowledged them."""
    passed = [view for view in views if view.is_go]
    evidence: list[DecisionEvidence] = []
    for view in passed:
        evidence += view.as_counted(view.plan.name)
        evidence += conditions.evidence(view.conditions)
    for view in passed:
        evidence += acknowledgements.evidence(view.acknowledgements)
    return tuple(evidence)


def judge_meeting(state: State, plan: CheckpointPlan) -> CheckpointView:
    """Judge a meeting that is not in the plan."""
    return _view(state, plan, _vetoes(state))


def opening_of(
    state: State, view: CheckpointView, evidence: str, *, may_open: bool
) -> tuple[OpenRequest, ...]:
    """The requests for such a meeting: itself, and its acknowledgements."""
    if not state.opens_requests:
        return ()
    if view.answer.must_be_asked:
        return (_opening(state, view, evidence),) if may_open else ()
    asked = conditions.openings(state, view.conditions)
    if view.is_reported_go:
        asked += acknowledgements.openings(state, view.acknowledgements)
    return asked


def missing_of(state: State, view: CheckpointView) -> tuple[UnmetRequirement, ...]:
    """List what such a meeting waits for."""
    return _missing(state, view, set())


def judge_checkpoints(state: State) -> CheckpointsJudgement:
    """Judge the checkpoints of the step being left."""
    plans, vetoes = state.hold.checkpoints, _vetoes(state)
    asked = {plan.name for plan in plans}
    removed = tuple(veto for veto in vetoes.values() if veto.question.name not in asked)
    if not plans and not removed:
        return CheckpointsJudgement(not_required(ConditionType.CHECKPOINTS_PASSED), (), (), ())
    views = tuple(_view(state, plan, vetoes) for plan in plans)
    passed = {view.plan.name for view in views if view.is_go}
    opens = tuple(
        _opening(state, view)
        for view in views
        if state.opens_requests and _is_due_to_open(state, view, passed)
    )
    for view in views:
        if view.void_reason is None:
            opens += conditions.openings(state, view.conditions)
        if view.is_reported_go:
            opens += acknowledgements.openings(state, view.acknowledgements)
    against = (*(no_go for view in views for no_go in view.against), *removed)
    missing = [
        requirement
        for view in views
        if not view.is_go
        for requirement in _missing(state, view, passed)
    ]
    missing += [veto.requirement() for veto in removed]
    if missing:
        verdict = blocks(ConditionType.CHECKPOINTS_PASSED, *missing)
        return CheckpointsJudgement(verdict, views, opens, against)
    message = ", ".join(f"{view.plan.name} GO" for view in views)
    verdict = passes(ConditionType.CHECKPOINTS_PASSED, "CheckpointsPassed", message)
    return CheckpointsJudgement(verdict, views, opens, against)


def _asked(state: State) -> tuple[Checkpoint, ...]:
    """Every checkpoint of a plan about this percentage, of whatever plan, attempt and round."""
    return tuple(
        checkpoint
        for checkpoint in state.snapshot.checkpoints
        if checkpoint.spec.request.rollout.uid == state.rollout.metadata.uid
        and checkpoint.spec.request.percent == state.percent
        and checkpoint.spec.request.conditions_of is None
    )


def _vetoes(state: State) -> _Vetoes:
    """The NO-GOs in reports, and of people who must acknowledge them, that block the next step."""
    return of_kind(active_no_gos(state, asked_percent(state)), *_KINDS)


def _view(state: State, plan: CheckpointPlan, vetoes: _Vetoes) -> CheckpointView:
    asked = [
        checkpoint for checkpoint in _asked(state) if checkpoint.spec.request.name == plan.name
    ]
    request = max(
        (checkpoint for checkpoint in asked if _is_current(state, checkpoint)),
        key=lambda checkpoint: checkpoint.spec.request.round,
        default=None,
    )
    rules = _rules(state, plan)
    answer = evaluate(state, request, rules)
    needed: tuple[Party, ...] = ()
    if request is not None:
        needed = (*handoffs.parties(request), *parties(state, request, answer.decision))
    excluded = excluded_by(request.spec.request) if request is not None else frozenset()
    return CheckpointView(
        plan=plan,
        answer=answer,
        rounds=max((checkpoint.spec.request.round for checkpoint in asked), default=0),
        may_report=without(
            plan.reporter, excluded, *(exclusion.names for exclusion in rules.go_exclusions)
        ),
        conditions=conditions.judge(state, request),
        no_go=vetoes.get(Question(QuestionKind.CHECKPOINT, plan.name)),
        refusal=vetoes.get(Question(QuestionKind.ACKNOWLEDGEMENT, plan.name)),
        reporters=_reporters(state, asked),
        due_at=_due_at(state, plan),
        acknowledgements=(
            acknowledgements.judge(state, request, needed) if request is not None else ()
        ),
    )


def _rules(state: State, plan: CheckpointPlan) -> Rules:
    """People who asked for the rollout cannot lift a NO-GO, but may say NO-GO."""
    is_meeting = plan.type is CheckpointType.DECISION_MEETING
    return Rules(
        not_asked=MAY_NOT_REPORT,
        excluded=MAY_NOT_REPORT,
        go_exclusions=(Exclusion(planning(state.rollout), PLANNED),) if is_meeting else (),
        void_before=((state.void_before, TRIGGER_FIRED),),
    )


def _reporters(state: State, asked: Iterable[Checkpoint]) -> frozenset[str]:
    """Everyone who has decided a checkpoint in this attempt, in lower case."""
    decided = (
        current_decision(state, checkpoint)
        for checkpoint in asked
        if checkpoint.spec.request.attempt == state.attempt
    )
    return fold(
        entry.by for decision in decided if decision is not None for entry in decision.history
    )


def _is_current(state: State, checkpoint: Checkpoint) -> bool:
    request = checkpoint.spec.request
    return (
        request.plan_hash == state.plan_hash
        and request.attempt == state.attempt
        and checkpoint.status.state not in FINAL
    )


def _base(state: State, plan: CheckpointPlan) -> datetime | None:
    return state.counted_from if plan.due_from is DueFrom.STEP else state.started_counted_from


def _after_base(state: State, plan: CheckpointPlan, length: str | None) -> datetime | None:
    base = _base(state, plan)
    return None if base is None or length is None else later(base, parse_duration(length))


def _due_at(state: State, plan: CheckpointPlan) -> datetime | None:
    return _after_base(state, plan, plan.due_after)


def opens_at(state: State, plan: CheckpointPlan) -> datetime | None:
    """When a checkpoint may be opened at the earliest; None before Start."""
    return _after_base(state, plan, plan.opens_after)


def _waits_for(plan: CheckpointPlan, passed: set[str], here: set[str]) -> tuple[str, ...]:
    """The checkpoints of this step that must be GO first; those of earlier steps were."""
    return tuple(name for name in plan.after if name in here and name not in passed)


def _is_due_to_open(state: State, view: CheckpointView, passed: set[str]) -> bool:
    if not view.answer.must_be_asked:
        return False
    here = {plan.name for plan in state.hold.checkpoints}
    if _waits_for(view.plan, passed, here):
        return False
    moment = opens_at(state, view.plan)
    return moment is not None and moment <= state.now


def _opening(state: State, view: CheckpointView, evidence: str | None = None) -> OpenRequest:
    plan, metadata = view.plan, state.rollout.metadata
    number = view.rounds + 1
    request = CheckpointRequest(
        rollout=ObjectReference(name=metadata.name, uid=metadata.uid),
        plan_hash=state.plan_hash,
        attempt=state.attempt,
        round=number,
        step=state.index,
        percent=state.percent or 0,
        name=plan.name,
        type=plan.type,
        reporter=plan.reporter,
        receiver=plan.receiver,
        evidence=evidence,
        excluded_users=(
            excluded_in_request(planners(state.rollout), plan.reporter) if view.is_meeting else ()
        ),
        opens_at=opens_at(state, plan),
        due_at=view.due_at,
    )
    base = f"{metadata.name}-{state.percent}-{plan.name}"
    return OpenRequest(free_names(base, number), CheckpointSpec(request=request))


def _missing(state: State, view: CheckpointView, passed: set[str]) -> tuple[UnmetRequirement, ...]:
    """List what a checkpoint waits for: its report, or the acknowledgements that are missing."""
    refused = (view.refusal.requirement(),) if view.refusal else ()
    if not view.is_reported_go:
        return (*refused, _missing_report(state, view, passed))
    waits = (
        acknowledgements.missing(acknowledgement)
        for acknowledgement in view.acknowledgements
        if not acknowledgement.is_go
    )
    return refused or tuple(_due(state, view, missing) for missing in waits)


def _missing_report(state: State, view: CheckpointView, passed: set[str]) -> UnmetRequirement:
    reporters = format_people(view.may_report.users, view.may_report.groups)
    if view.no_go is not None:
        return view.no_go.requirement()
    here = {plan.name for plan in state.hold.checkpoints}
    waits = _waits_for(view.plan, passed, here)
    if waits:
        return UnmetRequirement(
            "AwaitingPredecessor",
            f"checkpoint {view.plan.name} ({reporters}) follows {', '.join(waits)}",
        )
    if view.request is None or view.answer.must_be_asked:
        return _not_open(state, view, reporters)
    if view.conditions is not None and view.unmet:
        return conditions.missing(view.conditions, f"checkpoint {view.plan.name}")
    return _due(
        state,
        view,
        UnmetRequirement(
            "CheckpointMissing",
            f"checkpoint {view.plan.name} is not approved: {reporters} has not reported",
            decide_command(view.request),
        ),
    )


def _due(state: State, view: CheckpointView, missing: UnmetRequirement) -> UnmetRequirement:
    """The same with when it is due; late is a reason of its own, which somebody is told of."""
    if view.due_at is None:
        return missing
    late = state.now > view.due_at
    distance = in_words(abs(view.due_at - state.now))
    due = f"{distance} late" if late else f"due in {distance}"
    reason = "CheckpointLate" if late else missing.reason
    return replace(missing, reason=reason, message=f"{missing.message}, {due}")


def _not_open(state: State, view: CheckpointView, reporters: str) -> UnmetRequirement:
    if view.void_reason is not None:
        return UnmetRequirement(
            "CheckpointVoid",
            f"checkpoint {view.plan.name} must be reported again by {reporters}: "
            f"{view.void_reason}",
        )
    moment = opens_at(state, view.plan)
    when = ""
    if moment is not None and moment > state.now:
        when = f", opens in {in_words(moment - state.now)}"
    return UnmetRequirement(
        "CheckpointMissing", f"checkpoint {view.plan.name} ({reporters}) is missing{when}"
    )


def is_late(view: CheckpointView, now: datetime) -> bool:
    """Whether the report is, or was, later than due, with whatever it needs to be acknowledged."""
    if view.due_at is None:
        return False
    given = [
        view.decision,
        *(acknowledgement.decision for acknowledgement in view.acknowledgements),
    ]
    return max(decision.at if decision else now for decision in given) > view.due_at


def next_moment(state: State) -> timedelta | None:
    """How long until a checkpoint opens or becomes late; None if nothing of the kind is ahead."""
    ahead = [
        moment - state.now
        for plan in state.hold.checkpoints
        for moment in (opens_at(state, plan), _due_at(state, plan))
        if moment is not None and moment > state.now
    ]
    return min(ahead, default=None)
