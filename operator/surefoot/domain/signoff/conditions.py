"""Conditions: what a GO asks for, until a report by the same people says that it is met.

The report is for one decision exactly as it was written, so that nobody confirms other conditions
than they have read. A NO-GO says that they are not met; it is no vote on the step.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from surefoot.api.v1alpha1.approval import ApprovalRequest, Decision, RequestState
from surefoot.api.v1alpha1.checkpoint import (
    Checkpoint,
    CheckpointRequest,
    CheckpointSpec,
)
from surefoot.api.v1alpha1.meta import ConditionStatus
from surefoot.api.v1alpha1.rollout_status import DecisionEvidence
from surefoot.domain.derive.state import State
from surefoot.domain.facts.memory import remembered_with
from surefoot.domain.facts.verdicts import UnmetRequirement
from surefoot.domain.plan import OpenRequest
from surefoot.domain.signoff.evaluate import Answered, Exclusion, Rules, evaluate
from surefoot.domain.signoff.requests import (
    FINAL,
    Request,
    decide_command,
    exactly,
    format_people,
    free_names,
    named,
    people_asked,
)
from surefoot.domain.signoff.separation import planning

NAME = "conditions"
MAY_NOT_REPORT = "may not report on this"
_LONGEST_EVIDENCE = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionsView(Answered[Checkpoint]):
    """The conditions of one GO, and the report that says whether it is met."""

    of: Request

    @property
    def report(self) -> Checkpoint | None:
        """The report that is asked for."""
        return self.request

    @property
    def are_met(self) -> bool:
        """Whether the report says so."""
        return self.answer.is_go

    @property
    def unmet(self) -> tuple[str, ...]:
        """The names of those that keep the GO from counting."""
        if self.are_met:
            return ()
        return tuple(condition.name for condition in self.of.spec.conditions if condition.blocking)


def judge(state: State, request: Request | None) -> ConditionsView | None:
    """Judge the conditions of the GO on a request; None where there are none."""
    if request is None or request.spec.decision is not Decision.GO or not request.spec.conditions:
        return None
    asked = _asked(state).get(request.metadata.uid, ())
    meant = exactly(request)
    report = max(
        (
            checkpoint
            for checkpoint in asked
            if checkpoint.spec.request.conditions_of == meant and _counts(checkpoint)
        ),
        key=lambda checkpoint: checkpoint.spec.request.round,
        default=None,
    )
    return ConditionsView(
        of=request,
        answer=evaluate(state, report, _rules(state, request)),
        rounds=max((checkpoint.spec.request.round for checkpoint in asked), default=0),
    )


@remembered_with
def _asked(state: State) -> Mapping[str, tuple[Checkpoint, ...]]:
    """Every report on conditions that was asked for, by the UID of what asks for them."""
    by_uid: dict[str, list[Checkpoint]] = {}
    for checkpoint in state.snapshot.checkpoints:
        of = checkpoint.spec.request.conditions_of
        if of is not None:
            by_uid.setdefault(of.uid, []).append(checkpoint)
    return {uid: tuple(checkpoints) for uid, checkpoints in by_uid.items()}


def _rules(state: State, of: Request) -> Rules:
    """The same people are excluded as from the decision, whether or not their names fitted."""
    planners = planning(state.rollout) if of.spec.request.excluded_users else frozenset()
    return Rules(
        not_asked=MAY_NOT_REPORT,
        excluded=MAY_NOT_REPORT,
        exclusions=(Exclusion(planners, MAY_NOT_REPORT),),
    )


def _counts(report: Checkpoint) -> bool:
    """Whether it is not void; one that a step has used still says what it says."""
    return report.status.state not in FINAL - {RequestState.USED}


def openings(state: State, view: ConditionsView | None) -> tuple[OpenRequest, ...]:
    """The report that must be asked for now, if it is not yet."""
    return _opening(view) if view is not None and state.opens_requests else ()


def left_open(state: State) -> tuple[OpenRequest, ...]:
    """Reports to be asked for on what did not hold the step: that was taken before they were."""
    requests: tuple[Request, ...] = (
        *state.snapshot.approvals,
        *state.snapshot.checkpoints,
    )
    views = (
        judge(state, request)
        for request in requests
        if request.status.state is RequestState.USED
        and request.spec.request.rollout.uid == state.rollout.metadata.uid
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
        reporter=named(people.users, people.groups),
        conditions_of=exactly(view.of),
        evidence=_in_words(view.of),
        excluded_users=asked.excluded_users,
    )
    names = free_names(f"{view.of.metadata.name}-{NAME}", view.rounds + 1)
    return (OpenRequest(names, CheckpointSpec(request=request)),)


def _in_words(of: Request) -> str:
    """List the conditions, so that nobody has to look them up."""
    lines = [
        f"{condition.name}{' (blocking)' if condition.blocking else ''}: {condition.text}"
        for condition in of.spec.conditions
    ]
    return "\n".join(lines)[:_LONGEST_EVIDENCE]


def missing(view: ConditionsView, whose: str) -> UnmetRequirement:
    """Describe what keeps a GO from counting, and the command that says that it is met."""
    people = people_asked(view.of)
    named = ", ".join(view.unmet)
    others = format_people(people.users, people.groups)
    message = f"the GO of {whose} asks for {named} first: {others} must "
    message += "report that this is met"
    if view.void_reason is not None:
        message += f", again: {view.void_reason}"
    elif view.decision is not None:
        message += f"; {view.decision.by} reported that it is not: {view.decision.reason}"
    command = decide_command(view.report) if view.report is not None else None
    return UnmetRequirement(
        "ConditionsUnmet", message, command if view.void_reason is None else None
    )


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
    if view is None or not view.are_met:
        return ()
    asked = view.of.spec.request
    whose = asked.role if isinstance(asked, ApprovalRequest) else asked.name
    return view.as_counted(whose, "Conditions")
