"""Approved: everybody who must has signed for leaving the step, and no NO-GO stands."""

from collections.abc import Iterable
from datetime import datetime

from surefoot.api.v1alpha1.rollout_status import Phase
from surefoot.domain.checks.check import LEAVING_A_STEP, Check, Group, Judgements
from surefoot.domain.checks.checkpoints_passed import who_is_awaited
from surefoot.domain.derive.state import State
from surefoot.domain.facts.verdicts import ConditionType
from surefoot.domain.signoff.approvals import ApprovalsJudgement, judge_approvals
from surefoot.domain.signoff.checkpoints import CheckpointsJudgement
from surefoot.domain.signoff.requests import format_people

READS = (
    ConditionType.SOAK_COMPLETE,
    ConditionType.BASELINE_RECORDED,
    ConditionType.CHECKPOINTS_PASSED,
)


def judge(state: State, earlier: Judgements) -> ApprovalsJudgement:
    """What the roles of the step say. With `opens: AfterHold` they are asked once READS hold."""
    reports = earlier[ConditionType.CHECKPOINTS_PASSED]
    if not isinstance(reports, CheckpointsJudgement):
        raise TypeError("CheckpointsPassed is not judged by checkpoints")
    soaked = state.soak is not None and state.soak.is_complete
    return judge_approvals(
        state,
        hold_is_satisfied=soaked and all(earlier[kind].verdict.holds is True for kind in READS),
        reporters=reports.reporters,
        replaced_at=reports.replaced_at,
        meeting=reports.meeting,
    )


def _next_change(_state: State, judgement: ApprovalsJudgement) -> datetime | None:
    return judgement.next_expiry


def _says(_state: State, judgement: ApprovalsJudgement) -> Iterable[str]:
    if judgement.meeting is not None:
        yield from who_is_awaited((judgement.meeting,))
    if not judgement.verdict.holds:
        for view in judgement.views:
            if not view.is_go:
                yield f"{view.role.name} ({format_people(view.role.users, view.role.groups)})"


APPROVED = Check(
    type=ConditionType.APPROVED,
    group=Group.HOLD,
    applies_to=LEAVING_A_STEP,
    phase=Phase.AWAITING_APPROVAL,
    judge=judge,
    stops="somebody decided NO-GO",
    withdraws="a signature no longer counts",
    reads=READS,
    next_change=_next_change,
    says=_says,
    asks_people=True,
)
