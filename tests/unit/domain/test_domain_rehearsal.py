"""Rollback rehearsals: when one counts, who starts one, what it rehearses, and what it gates."""

from typing import Any

import pytest

from surefoot.api.v1alpha1.rollout_status import RehearsalStatus
from surefoot.domain.plan import Rehearse
from tests.support.world import (
    START,
    World,
    a_metric,
    a_rollout,
    a_trigger,
    from_time,
    hours,
    minutes,
    seconds,
    steady,
)

DAY = hours(24)


def a_world(come_to: str | None = "Passed", **spec: Any) -> World:
    """A plan that asks for rehearsals, by hand, and for nothing else."""
    asked = {"rehearsal": {"maxAge": "1d"}, "hold": {"soak": "1h"}} | spec
    return World(a_rollout(**asked), rehearsals_come_to=come_to)


def rehearse(world: World, run: int, **plan: Any) -> None:
    """Raise the run, as `kubectl surefoot rehearse` does."""
    world.edit(rehearsal={"maxAge": "1d", "run": run} | plan)
    world.settle()


def runs(world: World) -> list[tuple[int, int, int]]:
    """Run, from and to of every rehearsal that was begun."""
    return [(each.run, each.from_, each.to) for each in world.rehearsals]


def verdict(world: World) -> tuple[str, str]:
    """Status and reason of RehearsalFresh."""
    return world.condition("RehearsalFresh")


def the_last(world: World) -> RehearsalStatus:
    """The rehearsal on the status."""
    assert world.status.rehearsal is not None
    return world.status.rehearsal


# What it gates


def test_plan_that_asks_for_none_needs_none() -> None:
    """And none is run."""
    world = World(a_rollout())
    world.settle()
    assert (verdict(world), world.percent) == (("True", "NotRequired"), 100)
    assert world.rehearsals == []


def test_start_needs_no_rehearsal() -> None:
    """There is nothing yet to roll back."""
    world = a_world()
    world.settle()
    assert world.percent == 10
    assert verdict(world) == ("False", "NotRehearsed")


def test_step_waits_until_one_has_passed() -> None:
    """Also when everything else holds; then it is taken at once."""
    world = a_world()
    world.run(hours(5))
    assert world.percent == 10
    assert world.blockers() == [("RehearsalFresh", "NotRehearsed")]
    assert world.status.phase == "Holding"
    assert world.status.waiting_on == "no rollback was rehearsed yet"
    rehearse(world, 1)
    assert world.percent == 25


def test_command_is_the_one_that_rehearses() -> None:
    """Whole, with the next run."""
    world = a_world("Failed")
    world.run(hours(2))
    command = (
        "kubectl patch rollouts.surefoot.dev memory-sync -n agents --type=merge -p "
        '\'{{"spec":{{"rehearsal":{{"run":{}}}}}}}\''
    )
    assert world.status.blocked_by[0].command == command.format(1)
    rehearse(world, 3)
    assert world.status.blocked_by[0].command == command.format(4)


def test_failed_rehearsal_gates_and_says_what_failed() -> None:
    """A number alone would let it be taken for one that passed."""
    world = a_world("Failed")
    rehearse(world, 1)
    world.run(hours(2))
    assert (world.percent, verdict(world)) == (10, ("False", "RehearsalFailed"))
    assert world.message("RehearsalFresh") == "rehearsal run 1 failed: rehearsed in a test"


def test_failure_after_a_pass_takes_it_back() -> None:
    """What is known last is what counts."""
    world = a_world()
    rehearse(world, 1)
    assert verdict(world) == ("True", "Fresh")
    world.rehearsals_come_to = "Failed"
    rehearse(world, 2)
    assert verdict(world) == ("False", "RehearsalFailed")


def test_one_counts_for_as_long_as_the_plan_says() -> None:
    """And not a moment longer."""
    world = a_world(hold={"soak": "48h"})
    rehearse(world, 1)
    world.run(DAY - seconds(1))
    assert verdict(world) == ("True", "Fresh")
    world.run(seconds(1))
    assert verdict(world) == ("False", "RehearsalExpired")
    world.run(hours(30))
    assert (world.percent, world.blockers()) == (10, [("RehearsalFresh", "RehearsalExpired")])


def test_doubt_about_the_time_is_no_time_that_counts() -> None:
    """It may be later than now: then it may be too old."""
    world = a_world(hold={"soak": "48h"})
    rehearse(world, 1)
    world.uncertainty = seconds(2)
    world.run(DAY - seconds(1))
    assert verdict(world) == ("False", "RehearsalExpired")


def test_changed_plan_asks_for_another() -> None:
    """It was another plan's rollback that was rehearsed."""
    world = a_world()
    rehearse(world, 1)
    world.edit(hold={"soak": "2h"})
    world.settle()
    assert verdict(world) == ("False", "RehearsalOutdated")


def test_next_attempt_asks_for_another() -> None:
    """After a rollback nothing is as it was."""
    world = a_world()
    rehearse(world, 1)
    world.edit(attempt=1)
    world.settle()
    assert verdict(world) == ("False", "RehearsalOutdated")
    rehearse(world, 2)
    assert verdict(world) == ("True", "Fresh")


def test_one_counts_at_the_steps_after_as_well() -> None:
    """Within its age and this plan: `maxAge` is what the plan asks for."""
    world = a_world()
    rehearse(world, 1)
    world.run(hours(5))
    assert world.percent == 100
    assert runs(world) == [(1, 10, 0)]


def test_last_step_is_completed_without_one() -> None:
    """Nobody more comes in."""
    world = a_world(rehearsal={"maxAge": "210m"})
    rehearse(world, 1, maxAge="210m")
    world.run(hours(4))
    assert (world.percent, world.status.phase) == (100, "Completed")
    assert verdict(world) == ("True", "NothingAhead")


def test_evidence_of_a_step_says_that_one_was_fresh() -> None:
    """So that anybody can judge the step again."""
    world = a_world()
    rehearse(world, 1)
    world.run(hours(1))
    advance = next(entry for entry in world.status.history if entry.type == "Advance")
    assert "RehearsalFresh=Fresh" in advance.evidence.conditions


def test_pending_advance_waits_for_a_rehearsal_and_gets_it() -> None:
    """It became too old between the intent and a crash; the advance is not stuck."""
    world = a_world()
    rehearse(world, 1)
    world.now += hours(1)
    world.settle_until_crash(after=world.transition_writes + 1)
    assert world.status.pending is not None
    world.skip(DAY)
    world.settle()
    assert (world.percent, verdict(world)) == (10, ("False", "RehearsalExpired"))
    rehearse(world, 2)
    assert world.percent == 25


# What is rehearsed


@pytest.mark.parametrize(
    ("spec", "way"),
    [
        pytest.param({}, (10, 0), id="to the previous step, here none"),
        pytest.param({"steps": [{"percent": 0}, {"percent": 5}, {"percent": 100}]}, (5, 0), id="0"),
    ],
)
def test_rollback_that_is_rehearsed_is_the_one_that_would_be(
    spec: dict[str, Any], way: tuple[int, int]
) -> None:
    """From the percentage stood on, or the next one where nobody is in."""
    world = a_world(**spec)
    rehearse(world, 1)
    assert runs(world) == [(1, *way)]


def at_50(**spec: Any) -> World:
    """A world whose flag stands at 50%."""
    steps = [{"percent": percent} for percent in (10, 25)]
    world = a_world(
        hold={}, steps=[*steps, {"percent": 50, "hold": {"soak": "9h"}}, {"percent": 100}]
    )
    rehearse(world, 1)
    assert world.percent == 50
    world.edit(**spec)
    world.metrics["errors"] = steady(0.0)
    world.settle()
    return world


def test_without_triggers_it_goes_to_the_previous_step() -> None:
    """As a person's rollback does."""
    world = at_50()
    rehearse(world, 2)
    assert runs(world)[-1] == (2, 50, 25)


def test_it_goes_as_far_as_the_farthest_trigger() -> None:
    """Those that only hold go nowhere."""
    world = at_50(
        metrics=[a_metric()],
        triggers=[
            a_trigger(to=10),
            a_trigger("worse", metric="errors"),
            a_trigger("hold", metric="errors", action="Hold", to="Zero"),
        ],
    )
    rehearse(world, 2)
    assert runs(world)[-1] == (2, 50, 10)


# Who starts one


def test_run_is_done_once() -> None:
    """Whatever happens afterwards."""
    world = a_world(hold={"soak": "30h"})
    rehearse(world, 1)
    world.run(hours(25))
    assert runs(world) == [(1, 10, 0)]
    assert the_last(world).run == 1


def test_run_that_is_not_higher_is_done_already() -> None:
    """Absent means as the status has it."""
    world = a_world()
    rehearse(world, 3)
    world.edit(rehearsal={"maxAge": "1d"})
    world.settle()
    rehearse(world, 2)
    assert runs(world) == [(3, 10, 0)]


def test_failed_run_is_not_repeated_by_itself() -> None:
    """In mode Manual people decide when."""
    world = a_world("Failed")
    rehearse(world, 1)
    world.run(hours(2))
    assert runs(world) == [(1, 10, 0)]


def test_run_that_was_cut_off_is_done_again() -> None:
    """It is on no status."""
    world = a_world(come_to=None)
    rehearse(world, 1)
    assert verdict(world) == ("False", "Rehearsing")
    world.skip(minutes(1))
    world.rehearsals_come_to = "Passed"
    world.settle()
    assert (runs(world), verdict(world)) == ([(1, 10, 0)], ("True", "Fresh"))


def test_outcome_is_one_write_of_the_status() -> None:
    """With all that follows from it."""
    world = a_world(come_to=None)
    rehearse(world, 1)
    before = world.status_writes
    world.rehearsals_come_to = "Passed"
    world.settle()
    assert world.status_writes == before + 1


def test_outcome_is_announced_once() -> None:
    """A failure as a warning."""
    world = a_world("Failed")
    rehearse(world, 1)
    world.run(minutes(5))
    said = [(each.reason, each.warning) for each in world.announcements]
    assert said.count(("RehearsalFailed", True)) == 1


def test_run_before_start_waits_for_it() -> None:
    """There is no flag yet."""
    world = a_world(paused=True)
    rehearse(world, 1)
    assert runs(world) == []
    world.edit(paused=None)
    world.settle()
    assert runs(world) == [(1, 10, 0)]


@pytest.mark.parametrize("mode", ["Manual", "Automatic"])
@pytest.mark.parametrize("stop", ["pause", "halt"])
def test_stopped_rollout_rehearses_nothing_and_says_so(stop: str, mode: str) -> None:
    """Neither what a person asks for, nor what is kept fresh; afterwards it does."""
    world = a_world()
    world.settle()
    if stop == "halt":
        world.stop("incident 7")
    plan = {"maxAge": "1d", "mode": mode, **({"run": 1} if mode == "Manual" else {})}
    world.edit(rehearsal=plan, **({"paused": True} if stop == "pause" else {}))
    world.run(minutes(10))
    assert runs(world) == []
    assert verdict(world) == ("False", "RehearsalWaits")
    assert "run 1 waits: " in world.message("RehearsalFresh")
    world.unstop()
    world.edit(paused=None)
    world.settle()
    assert (runs(world), verdict(world)) == ([(1, 10, 0)], ("True", "Fresh"))


def test_one_that_counts_goes_on_counting_while_another_waits() -> None:
    """And the condition says that one waits."""
    world = a_world()
    rehearse(world, 1)
    world.stop("incident 7")
    rehearse(world, 2)
    assert verdict(world) == ("True", "Fresh")
    assert world.message("RehearsalFresh").endswith("run 2 waits: halted in agents: incident 7")


def test_invalid_plan_rehearses_nothing() -> None:
    """Its steps are not to be trusted."""
    world = a_world(gates=[{"name": "errors", "atMost": 1}])
    rehearse(world, 1)
    assert (runs(world), world.status.phase) == ([], "Invalid")


def test_rollback_goes_before_a_rehearsal() -> None:
    """Nothing is rehearsed in the pass that rolls back; what is asked for is run afterwards."""
    world = a_world(come_to=None)
    rehearse(world, 1)
    world.edit(rollback={"to": 0})
    assert [type(action).__name__ for action in world.decide().actions] == ["Intend"]
    world.settle()
    assert world.percent == 0
    assert isinstance(world.decide().actions[-1], Rehearse)


# Automatic


def automatic(**spec: Any) -> World:
    """A plan whose rehearsals the operator keeps fresh."""
    return a_world(rehearsal={"maxAge": "10h", "mode": "Automatic"}, **spec)


def test_automatic_rehearses_at_every_step_by_itself() -> None:
    """No step waits for a person on its account, and each rollback was tried before the next."""
    world = automatic()
    world.run(hours(5))
    assert world.status.phase == "Completed"
    assert runs(world) == [(1, 10, 0), (2, 25, 10), (3, 50, 25)]


def test_automatic_renews_before_the_last_is_too_old() -> None:
    """So that the gate never closes by age."""
    world = automatic(hold={"soak": "30h"})
    world.settle()
    closed = []
    while world.now < START + hours(29):
        world.run(minutes(15))
        closed += [verdict(world)] if verdict(world) != ("True", "Fresh") else []
    assert closed == []
    assert runs(world) == [(1, 10, 0), (2, 10, 0), (3, 10, 0), (4, 10, 0)]


def test_automatic_tries_again_a_while_after_a_failure() -> None:
    """Not at once: what failed is likely to fail again."""
    world = automatic()
    world.rehearsals_come_to = "Failed"
    world.settle()
    world.run(minutes(4))
    assert len(runs(world)) == 1
    world.rehearsals_come_to = "Passed"
    world.run(minutes(1))
    assert (len(runs(world)), verdict(world)) == (2, ("True", "Fresh"))


def test_automatic_rehearses_a_changed_plan() -> None:
    """At once, so that the gate is open again."""
    world = automatic()
    world.settle()
    world.edit(hold={"soak": "2h"})
    world.settle()
    assert (len(runs(world)), verdict(world)) == (2, ("True", "Fresh"))


def test_automatic_does_nothing_where_no_step_is_ahead() -> None:
    """After a rollback until another attempt, and once completed."""
    world = automatic(metrics=[a_metric()], triggers=[a_trigger()])
    world.metrics["errors"] = from_time(START + minutes(30), 0.0, 0.9)
    world.run(minutes(45))
    assert (world.percent, len(runs(world))) == (0, 1)
    world.interval = minutes(10)
    world.run(hours(20))
    assert len(runs(world)) == 1


def test_person_may_rehearse_in_automatic_mode() -> None:
    """The number must be higher than the last one's."""
    world = automatic()
    world.settle()
    rehearse(world, 7, maxAge="10h", mode="Automatic")
    assert runs(world) == [(1, 10, 0), (7, 10, 0)]


# Bad input


@pytest.mark.parametrize("max_age", ["0s", "0h"])
def test_age_at_which_none_would_ever_count_is_a_fault(max_age: str) -> None:
    """Else the rollout would wait forever, or rehearse without end."""
    world = a_world(rehearsal={"maxAge": max_age, "mode": "Automatic"})
    world.settle()
    assert (world.blockers(), runs(world)) == ([("PlanValid", "RehearsalNeverFresh")], [])
    assert f"rehearsal.maxAge is {max_age}" in world.message("PlanValid")
