"""BaselineRecorded: every metric had samples for as long as the hold asks."""

from collections.abc import Iterable
from datetime import datetime

from surefoot.api.v1alpha1.rollout_status import Phase
from surefoot.domain.checks.answers import first_answer_at
from surefoot.domain.checks.check import LEAVING_A_STEP, Check, Group, Judgements
from surefoot.domain.derive.baseline import BaselineJudgement, judge_baseline
from surefoot.domain.derive.state import State
from surefoot.domain.facts.bands import Bands
from surefoot.domain.facts.moments import later
from surefoot.domain.facts.snapshot import Snapshot
from surefoot.domain.facts.steps import ZERO, hold_of
from surefoot.domain.facts.verdicts import ConditionType, UnmetRequirement
from surefoot.domain.metric_queries import baseline_step


def judge(state: State, _: Judgements) -> BaselineJudgement:
    """Whether the baseline is recorded: the fold has done so where it could be."""
    return state.baseline if state.baseline is not None else judge_baseline(state)


def faults(snapshot: Snapshot) -> Iterable[UnmetRequirement]:
    """Baselines of nothing, and gates that cannot be compared with one."""
    spec = snapshot.rollout.spec
    records = any(hold_of(spec, index).baseline > ZERO for index in range(len(spec.steps)))
    if records and not spec.metrics:
        yield UnmetRequirement(
            "NothingToRecord",
            "hold.baseline records the metrics of the plan, and it has none; add metrics, or "
            "remove hold.baseline",
        )
    for gate in spec.gates:
        if gate.of is not None and gate.relative_to is not None:
            yield UnmetRequirement(
                "GroupIsRelative",
                f"gate {gate.name} is a group, which has no bound of its own; give relativeTo to "
                "the conditions in its of",
            )


def _earliest(state: State, judgement: BaselineJudgement, _not_before: datetime) -> datetime | None:
    """When there are samples of enough time, if none is missing."""
    if judgement.counted_to is None:
        return None
    enough = later(judgement.counted_to, judgement.left)
    step = baseline_step(state.hold.baseline, state.snapshot.evaluation_interval)
    return first_answer_at(state, enough, step)


def _steady_within(_state: State, judgement: BaselineJudgement) -> Bands | None:
    return {} if judgement.verdict.holds else None


BASELINE_RECORDED = Check(
    type=ConditionType.BASELINE_RECORDED,
    group=Group.HOLD,
    applies_to=LEAVING_A_STEP,
    phase=Phase.SOAKING,
    judge=judge,
    waits="a baseline that lacks samples was never recorded, so that no advance was decided on it",
    steady_within=_steady_within,
    earliest=_earliest,
    faults=faults,
)
