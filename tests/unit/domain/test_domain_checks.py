"""Every check of the table keeps what it declares: one test for all of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import is_dataclass, replace
from typing import Any

import pytest

from surefoot.api.v1alpha1.rollout_status import Phase
from surefoot.domain import review as reviews
from surefoot.domain.checks.check import Check, Group, no_faults
from surefoot.domain.checks.table import CHECKS, verify_order
from surefoot.domain.derive.state import Move
from surefoot.domain.facts.verdicts import ConditionType, UnmetRequirement, Verdict
from surefoot.domain.plan import Abandon, Apply, Intend, WriteStatus
from surefoot.domain.review import evaluate
from tests.support.world import (
    World,
    a_checkpoint,
    a_gate,
    a_metric,
    a_role,
    a_rollout,
    a_trigger,
    minutes,
    seconds,
    steady,
    steps_of,
)

COMMAND = "kubectl do what helps"


def verdict_of(check: Check, *, holds: bool | None = False, stops: bool = False) -> Verdict:
    """A verdict of this check that lacks one thing."""
    unmet = UnmetRequirement("Lacking", f"{check.type.value} lacks it", COMMAND, stops=stops)
    return Verdict(check.type, holds, "Lacking", unmet.message, () if holds else (unmet,))


@contextmanager
def judged_as(verdict: Verdict) -> Iterator[None]:
    """This check says so, and every other says what it says."""
    judge_all = reviews.judge_all

    def judged(*args: Any) -> Any:
        found = dict(judge_all(*args))
        judgement: Any = found[verdict.condition]
        has_more = is_dataclass(judgement) and not isinstance(judgement, Verdict)
        found[verdict.condition] = replace(judgement, verdict=verdict) if has_more else verdict
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reviews, "judge_all", judged)
        yield


def ready_for(move: Move) -> World:
    """A rollout in which nothing stands in the way of this move, and which has not made it yet."""
    steps = {Move.START: steps_of(10, 100), Move.ADVANCE: steps_of(10, 100)}
    world = World(a_rollout(steps=steps.get(move, steps_of(100))))
    if move is not Move.START:
        world.settle_until_crash(after=3)
    return world


def decided(world: World, move: Move) -> bool:
    """Whether the move is made now."""
    (first, *_) = (*world.decide().actions, None)
    if move is Move.COMPLETE:
        return isinstance(first, WriteStatus) and first.status.completed_at is not None
    return isinstance(first, Intend)


def by_type(check: Check) -> str:
    """The name of a test's case."""
    return check.type.value


every_check = pytest.mark.parametrize("check", CHECKS, ids=by_type)


@pytest.mark.parametrize("holds", [False, None])
@pytest.mark.parametrize("move", Move)
@every_check
def test_check_blocks_every_move_that_it_applies_to(
    check: Check, move: Move, holds: bool | None
) -> None:
    """What is False and what is not known block alike; another move goes on."""
    world = ready_for(move)
    assert decided(world, move)
    with judged_as(verdict_of(check, holds=holds)):
        assert decided(world, move) is (move not in check.applies_to)


@pytest.mark.parametrize("move", Move)
@every_check
def test_what_stops_blocks_every_move(check: Check, move: Move) -> None:
    """A NO-GO and a trigger that fires block moves that their check does not apply to."""
    world = ready_for(move)
    with judged_as(verdict_of(check, stops=True)):
        assert not decided(world, move)


@every_check
def test_what_blocks_is_shown(check: Check) -> None:
    """In the condition, the phase, what it waits for, and what is missing, with the command."""
    world = ready_for(Move.ADVANCE)
    with judged_as(verdict_of(check)):
        world.settle()
    assert world.condition(check.type.value) == ("False", "Lacking")
    assert world.status.phase is check.phase
    entries = [b for b in world.status.blocked_by if b.condition == check.type.value]
    assert [(b.reason, b.command) for b in entries] == [("Lacking", COMMAND)]
    assert world.status.waiting_on or check.group is Group.HOLD


@every_check
def test_recorded_advance_is_withdrawn_or_waits_as_the_check_says(check: Check) -> None:
    """What is False withdraws it, or the check says why it waits; what is not known waits."""
    world = World(a_rollout(steps=steps_of(10, 100)))
    world.settle_until_crash(after=4)
    pending = world.status.pending
    assert pending is not None
    assert pending.type == "Advance"
    assert isinstance(world.decide().actions[0], Apply)
    with judged_as(verdict_of(check)):
        plan = world.decide()
        withdrawn = any(isinstance(action, Abandon) for action in plan.actions)
        assert withdrawn is bool(check.withdraws)
        if withdrawn:
            assert check.withdraws in plan.summary
    with judged_as(verdict_of(check, holds=None)):
        assert not any(isinstance(a, Abandon | Apply) for a in world.decide().actions)
    with judged_as(verdict_of(check, stops=True)):
        assert isinstance(world.decide().actions[0], Abandon)


ALWAYS_ASKED = {
    ConditionType.PLAN_VALID,
    ConditionType.TARGET_IN_SYNC,
    ConditionType.ADMISSION_ENFORCED,
    ConditionType.CLOCK_TRUSTED,
    ConditionType.NOT_PAUSED,
    ConditionType.NOT_ROLLED_BACK,
    ConditionType.WITHIN_EXPANSION_LIMIT,
}
"""What no plan can leave out."""

METRICS: dict[str, Any] = {"metrics": [a_metric()]}
NAMED: dict[ConditionType, dict[str, Any]] = {
    ConditionType.TRIGGERS_QUIET: METRICS | {"triggers": [a_trigger()]},
    ConditionType.SOAK_COMPLETE: {"hold": {"soak": "1h"}},
    ConditionType.BASELINE_RECORDED: METRICS | {"hold": {"baseline": "1h"}},
    ConditionType.CHECKPOINTS_PASSED: {"hold": {"checkpoints": [a_checkpoint("c", "atlas")]}},
    ConditionType.GATES_HEALTHY: METRICS | {"gates": [a_gate()]},
    ConditionType.APPROVED: {"approvals": {"roles": [a_role("security", "h")]}},
    ConditionType.REHEARSAL_FRESH: {"rehearsal": {"maxAge": "7d"}},
    ConditionType.COVERAGE_OBSERVED: METRICS | {"coverage": {"metric": "errors", "tolerance": 1}},
    ConditionType.WITHIN_SCHEDULE: {
        "schedule": {"freeze": [{"name": "f", "from": "Fri 16:00", "to": "Mon 08:00"}]}
    },
    ConditionType.DEPENDENCIES_MET: {"dependsOn": [{"rollout": "schema"}]},
    ConditionType.SCORECARD_PASSED: {"scorecard": {"gate": True}},
}
"""For each other check a plan that asks for it."""
NOT_BUILT = {ConditionType.DELIVERY_OBSERVED}


@every_check
def test_check_is_asked_by_plans_that_name_it_and_by_no_others(check: Check) -> None:
    """One that the plan does not name is NotRequired."""
    plan = {"hold": {"soak": "1h"}} | NAMED.get(check.type, {})
    asked = World(a_rollout(**plan), metrics={"errors": steady(0.0)})
    bare = World(a_rollout(steps=steps_of(10, 100), hold={"soak": "1h"}))
    if check.type is ConditionType.SOAK_COMPLETE:
        bare = World(a_rollout(steps=steps_of(10, 100), paused=True))
    for world in (asked, bare):
        world.settle()
        world.now += seconds(30)
    named = evaluate(asked.snapshot(), asked.now).verdict(check.type).reason
    unnamed = evaluate(bare.snapshot(), bare.now).verdict(check.type).reason
    if check.type in NOT_BUILT:
        assert (named, unnamed) == ("NotRequired", "NotRequired")
    elif check.type in ALWAYS_ASKED:
        assert "NotRequired" not in {named, unnamed}
    else:
        assert named != "NotRequired"
        assert unnamed == "NotRequired"


@every_check
def test_check_is_not_asked_of_a_complete_rollout_unless_it_outlives_it(check: Check) -> None:
    """Nothing of the hold is missing any more."""
    world = World(a_rollout(steps=steps_of(100)))
    world.settle()
    assert world.status.phase is Phase.COMPLETED
    with judged_as(verdict_of(check)):
        world.now += minutes(11)
        world.settle()
    shown = any(b.condition == check.type.value for b in world.status.blocked_by)
    assert shown is check.outlives_completion


# The table.


def test_table_refuses_a_check_before_what_it_reads() -> None:
    """So a cycle cannot stand in it either."""
    reader = next(check for check in CHECKS if check.reads)
    with pytest.raises(
        ValueError, match=rf"^{reader.type.value} reads .*, which must come before$"
    ):
        verify_order((reader, *(check for check in CHECKS if check is not reader)))


def test_table_refuses_two_of_one_kind_and_one_that_is_missing() -> None:
    """Each condition has one judge."""
    with pytest.raises(ValueError, match="is in the table of checks twice"):
        verify_order((*CHECKS, CHECKS[0]))
    with pytest.raises(ValueError, match=r"^no check judges ScorecardPassed$"):
        verify_order(check for check in CHECKS if check.type.value != "ScorecardPassed")


def test_table_refuses_a_check_that_does_not_say_whether_it_withdraws() -> None:
    """Or says both."""
    silent = replace(CHECKS[0], withdraws="")
    with pytest.raises(ValueError, match=r"must say either why it withdraws or why it waits"):
        verify_order((silent, *CHECKS[1:]))


def test_guards_come_before_the_hold_and_the_rest_after_it() -> None:
    """The order of the table is the order of the phases."""
    order = list(Group)
    groups = [order.index(check.group) for check in CHECKS]
    assert groups == sorted(groups)


def test_some_checks_have_faults_of_their_own() -> None:
    """The plan's faults come from the checks, and from no list beside them."""
    assert sum(check.faults is not no_faults for check in CHECKS) >= 9
