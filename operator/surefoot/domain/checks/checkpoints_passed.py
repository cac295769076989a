"""CheckpointsPassed: every report of the step is GO, and no NO-GO stands."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from surefoot.api.v1alpha1.rollout import CheckpointPlan, RolloutSpec
from surefoot.api.v1alpha1.rollout_status import Phase
from surefoot.domain.checks.check import LEAVING_A_STEP, Check, Group, Judgements
from surefoot.domain.derive.state import State
from surefoot.domain.facts.memory import remembered_with
from surefoot.domain.facts.snapshot import Snapshot
from surefoot.domain.facts.steps import hold_of
from surefoot.domain.facts.verdicts import ConditionType, UnmetRequirement
from surefoot.domain.signoff.checkpoints import (
    CheckpointsJudgement,
    CheckpointView,
    judge_checkpoints,
    next_moment,
    opens_at,
)
from surefoot.domain.signoff.requests import format_people
from surefoot.domain.signoff.unreadable import with_unreadable_no_gos


def faults(snapshot: Snapshot) -> Iterable[UnmetRequirement]:
    """Names that are used twice or unknown, and checkpoints that wait for each other."""
    return faults_of(snapshot.rollout.spec)


@remembered_with
def faults_of(spec: RolloutSpec) -> tuple[UnmetRequirement, ...]:
    """The faults of a plan's checkpoints: they follow from the plan alone."""
    return tuple(_faults(spec))


def _faults(spec: RolloutSpec) -> Iterator[UnmetRequirement]:
    own = [
        (step.percent, plan)
        for step in spec.steps
        for plan in ((step.hold.checkpoints or ()) if step.hold else ())
    ]
    first_at: dict[str, int] = {}
    for percent, plan in own:
        if plan.name in first_at:
            yield UnmetRequirement(
                "DuplicateCheckpoint",
                f"checkpoint {plan.name} is at {first_at[plan.name]}% and again at {percent}%; "
                "names must be unique in the plan",
            )
        first_at.setdefault(plan.name, percent)
    known: set[str] = set()
    for index, step in enumerate(spec.steps):
        here = hold_of(spec, index).checkpoints
        known |= {plan.name for plan in here}
        for plan in here:
            for name in plan.after:
                if name not in known:
                    yield UnmetRequirement(
                        "UnknownCheckpoint",
                        f"checkpoint {plan.name} follows {name}, which is no checkpoint of "
                        f"{step.percent}% or an earlier step",
                    )
        cycle = _cycle(here)
        if cycle:
            yield UnmetRequirement(
                "CheckpointCycle",
                f"checkpoints wait for each other: {' after '.join(cycle)}; remove one `after`",
            )


def _cycle(plans: tuple[CheckpointPlan, ...]) -> tuple[str, ...]:
    """Names along a cycle of `after`, the first repeated at the end; empty if there is none.

    Each checkpoint is walked from once: the ways between them are many more than they are.
    """
    after = {plan.name: plan.after for plan in plans}
    walked: set[str] = set()

    def walk(path: tuple[str, ...]) -> tuple[str, ...]:
        if path[-1] in walked:
            return ()
        for name in after.get(path[-1], ()):
            if name in path:
                return (*path[path.index(name) :], name)
            cycle = walk((*path, name)) if name in after else ()
            if cycle:
                return cycle
        walked.add(path[-1])
        return ()

    return next((cycle for plan in plans if (cycle := walk((plan.name,)))), ())


def _next_change(state: State, _: CheckpointsJudgement) -> datetime | None:
    ahead = next_moment(state) if state.asks_people else None
    return None if ahead is None else state.now + ahead


def _earliest(
    state: State, judgement: CheckpointsJudgement, _not_before: datetime
) -> datetime | None:
    """When the last of the reports that are still awaited is opened."""
    moments = (opens_at(state, view.plan) for view in judgement.views if not view.is_go)
    return max((moment for moment in moments if moment is not None), default=None)


def _says(_state: State, judgement: CheckpointsJudgement) -> Iterable[str]:
    return who_is_awaited(judgement.views)


def who_is_awaited(views: Iterable[CheckpointView]) -> Iterable[str]:
    """Every report that is awaited, with the people who can give it."""
    return (
        f"{view.plan.name} ({format_people(people.users, people.groups)})"
        for view in views
        if not view.is_go
        for people in view.awaited
    )


def judge(state: State, _: Judgements) -> CheckpointsJudgement:
    """What the checkpoints of the step say."""
    judgement = judge_checkpoints(state)
    verdict = with_unreadable_no_gos(state, "Checkpoint", judgement.verdict)
    return replace(judgement, verdict=verdict)


CHECKPOINTS_PASSED = Check(
    type=ConditionType.CHECKPOINTS_PASSED,
    group=Group.HOLD,
    applies_to=LEAVING_A_STEP,
    phase=Phase.AWAITING_CHECKPOINT,
    judge=judge,
    stops="somebody decided NO-GO",
    withdraws="a report no longer counts",
    next_change=_next_change,
    earliest=_earliest,
    says=_says,
    faults=faults,
    asks_people=True,
)
