"""Conditions: what a GO asks for, until a report by the same people says that it is met.

The report is for one decision exactly as it was written, so that nobody confirms other conditions
than they have read. A NO-GO says that they are not met; it is no vote on the step.
"""

from dataclasses import dataclass

from surefoot.api.v1alpha1.approval import ApprovalRequest, Decision, RequestState
from surefoot.api.v1alpha1.checkpoint import (
    Checkpoint,
    CheckpointRequest,
    CheckpointSpec,
    People,
)
from surefoot.api.v1alpha1.meta import ConditionStatus
from surefoot.api.v1alpha1.rollout_status import DecisionEvidence
from surefoot.domain.derive.state import State
from surefoot.domain.facts.verdicts import UnmetRequirement
from surefoot.domain.plan import OpenRequest
from surefoot.domain.signoff.requests import (
    FINAL,
    ObservedDecision,
    Request,
    counted,
    current_decision,
    decide_command,
    exactly,
    format_people,
    free_names,
    people_asked,
    state_of,
    why_report_is_void,
)

NAME = "conditions"
_LONGEST_EVIDENCE = 8192


@dataclass(frozen=True, slots=True)
class ConditionsView:
    """What one GO asks for, the report that is asked for, and what that says."""

    of: Request
    report: Checkpoint | None
    decision: ObservedDecision | None
    void_reason: str | None
    rounds: int

    @property
    def are_met(self) -> bool:
        """Whether the report says so."""
        return (
            self.void_reason is None
            and self.decision is not None
            and self.decision.decision is Decision.GO
        )

    @property
    def unmet(self) -> tuple[str, ...]:
        """The names of those that keep the GO from counting."""
        if self.are_met:
            return ()
        return tuple(condition.name for condition in self.of.spec.conditions if condition.blocking)

    @property
    def state(self) -> RequestState:
        """The state that the report has by now."""
        return RequestState.VOID if self.void_reason is not None else state_of(self.decision)


def judge(situation: State, request: Request | None) -> ConditionsView | None:
    """What the GO on a request asks for; None where there is no GO, or it asks for nothing."""
    if request is None or request.spec.decision is not Decision.GO or not request.spec.conditions:
        return None
    asked = [
        checkpoint
        for checkpoint in situation.snapshot.checkpoints
        if checkpoint.spec.request.conditions_of is not None
        and checkpoint.spec.request.conditions_of.uid == request.metadata.uid
    ]
    meant = exactly(request)
    report = max(
        (each for each in asked if each.spec.request.conditions_of == meant and _counts(each)),
        key=lambda each: each.spec.request.round,
        default=None,
    )
    decision = current_decision(situation, report) if report is not None else None
    return ConditionsView(
        of=request,
        report=report,
        decision=decision,
        void_reason=why_report_is_void(situation, report, decision) if report else None,
        rounds=max((each.spec.request.round for each in asked), default=0),
    )


def _counts(report: Checkpoint) -> bool:
    """Whether it is not void; one that a step has used still says what it says."""
    return report.status.state not in FINAL - {RequestState.USED}


def openings(situation: State, view: ConditionsView | None) -> tuple[OpenRequest, ...]:
    """The report that must be asked for now, if it is not yet."""
    return _opening(view) if view is not None and situation.opens_requests else ()


def left_open(situation: State) -> tuple[OpenRequest, ...]:
    """Reports to be asked for on what did not hold the step: that was taken before they were."""
    requests: tuple[Request, ...] = (
        *situation.snapshot.approvals,
        *situation.snapshot.checkpoints,
    )
    views = (
        judge(situation, request)
        for request in requests
        if request.status.state is RequestState.USED
        and request.spec.request.rollout.uid == situation.rollout.metadata.uid
    )
    return tuple(opening for view in views if view is not None for opening in _opening(view))


def _opening(view: ConditionsView) -> tuple[OpenRequest, ...]:
    if view.report is not None and view.void_reason is None:
        return ()
    asked, people = view.of.spec.request, people_asked(view.of)
    request = CheckpointRequest(
        rollout=asked.rollout,
        plan_hash=asked.plan_hash,
        attempt=asked.attempt,
        round=view.rounds + 1,
        step=asked.step,
        percent=asked.from_ if isinstance(asked, ApprovalRequest) else asked.percent,
        name=NAME,
        reporter=People(users=people.users, groups=people.groups),
        conditions_of=exactly(view.of),
        evidence=_in_words(view.of),
        excluded_users=asked.excluded_users,
    )
    names = free_names(f"{view.of.metadata.name}-{NAME}", view.rounds + 1)
    return (OpenRequest(names, CheckpointSpec(request=request)),)


def _in_words(of: Request) -> str:
    """What is asked for, so that nobody has to look it up."""
    lines = [
        f"{condition.name}{' (blocking)' if condition.blocking else ''}: {condition.text}"
        for condition in of.spec.conditions
    ]
    return "\n".join(lines)[:_LONGEST_EVIDENCE]


def missing(view: ConditionsView, whose: str) -> UnmetRequirement:
    """What keeps a GO from counting, who can say that it is met, and what they type."""
    people = people_asked(view.of)
    named = ", ".join(view.unmet)
    others = format_people(people.users, people.groups)
    said = f"the GO of {whose} asks for {named} first: {others} must "
    said += "report that this is met"
    if view.void_reason is not None:
        said += f", again: {view.void_reason}"
    elif view.decision is not None:
        said += f"; {view.decision.by} reported that it is not: {view.decision.reason}"
    command = decide_command(view.report) if view.report is not None else None
    return UnmetRequirement("ConditionsUnmet", said, command if view.void_reason is None else None)


def statuses(view: ConditionsView | None) -> tuple[ConditionStatus, ...]:
    """Each condition, blocking or not, and who reported it as met."""
    if view is None:
        return ()
    report = view.decision if view.are_met else None
    return tuple(
        ConditionStatus(
            name=condition.name,
            met=report is not None,
            at=report.at if report is not None else None,
            by=report.by if report is not None else "",
        )
        for condition in view.of.spec.conditions
    )


def evidence(view: ConditionsView | None) -> tuple[DecisionEvidence, ...]:
    """The report that conditions are met, as it is."""
    if view is None or not view.are_met or view.report is None or view.decision is None:
        return ()
    asked = view.of.spec.request
    whose = asked.role if isinstance(asked, ApprovalRequest) else asked.name
    return (counted(view.report, view.decision, whose, purpose="Conditions"),)
