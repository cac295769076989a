"""Soak is healthy time: persisted, read back, and never short."""

from datetime import timedelta
from typing import Any

import pytest

from surefoot.api.v1alpha1.durations import parse_elapsed
from surefoot.domain.facts.measurements import Outcome
from tests.support.world import (
    START,
    Metric,
    World,
    a_checkpoint,
    a_gate,
    a_metric,
    a_rollout,
    a_trigger,
    from_time,
    hours,
    minutes,
    seconds,
    steady,
    steps_of,
)

QUIET = steady(0.0)


def soaking(
    metric: Metric = QUIET,
    *,
    action: str = "Hold",
    length: str = "1h",
    hold: dict[str, Any] | None = None,
    **spec: Any,
) -> World:
    """A rollout at 10% that soaks before 100%, with a trigger on `errors`."""
    return World(
        a_rollout(
            **{
                "steps": steps_of(10, 100),
                "metrics": [a_metric()],
                "triggers": [a_trigger(action=action)],
                "hold": {"soak": length} | (hold or {}),
            }
            | spec
        ),
        metrics={"errors": metric},
    )


def healthy(world: World) -> timedelta:
    """The account as decided now, written or not."""
    soak = world.decide().status.soak
    assert soak is not None
    return parse_elapsed(soak.healthy)


def until_left(world: World, limit: timedelta = timedelta(hours=9)) -> timedelta:
    """How long after Start the step was left."""
    world.run_until(100, limit)
    return world.now - START


def test_soak_without_triggers_counts_all_time() -> None:
    """Without triggers time without an operator counts, too."""
    world = World(a_rollout(steps=steps_of(10, 100), hold={"soak": "1h"}))
    world.run(minutes(10))
    world.skip(minutes(49))
    world.settle()
    assert world.percent == 10
    world.now += minutes(1)
    world.settle()
    assert world.percent == 100


@pytest.mark.parametrize("uncertainty", [seconds(0), seconds(0.9)])
def test_soak_is_not_short_by_the_uncertainty_of_the_clock(uncertainty: timedelta) -> None:
    """A restart makes `now` less certain; what may not have passed yet does not count."""
    world = World(a_rollout(steps=steps_of(10, 100), hold={"soak": "1h"}))
    world.settle()
    world.uncertainty = uncertainty
    world.now += hours(1) - seconds(0.5)
    world.settle()
    assert world.percent == 10
    world.now += seconds(0.5)
    world.settle()
    assert world.percent == 100


def test_successor_with_an_earlier_clock_counts_no_moment_twice() -> None:
    """Accounts closed by clocks that differ add up to no more than the later one says."""
    world = World(a_rollout(steps=steps_of(10, 100), hold={"soak": "1h"}))
    world.run(minutes(30))
    world.now -= seconds(0.8)
    world.settle()
    world.edit(approvals={"roles": []})
    world.settle()
    world.now = START + hours(1) - seconds(0.1)
    world.settle()
    assert world.percent == 10
    world.now += seconds(0.1)
    world.settle()
    assert world.percent == 100


def test_commit_stamp_is_the_later_bound_of_the_clock() -> None:
    """What the soak is counted from may be later than the truth, never earlier."""
    world = World(a_rollout(hold={"soak": "1h"}), uncertainty=seconds(1))
    world.settle()
    assert (world.status.since, world.status.hold_since) == (START + seconds(1),) * 2


def test_restart_neither_loses_nor_gains_time() -> None:
    """The account is closed from data, not from counting evaluations."""
    world = soaking()
    world.run(minutes(20) + seconds(10))
    world.skip(minutes(20))
    assert until_left(world) == hours(1) + seconds(10)


def test_gap_counts_as_far_as_data_were_present_and_quiet() -> None:
    """Ten minutes of missing data within a gap cost ten minutes and the points beside them."""
    world = soaking(lambda at: None if minutes(30) <= at - START < minutes(40) else 0.0)
    world.run(minutes(20))
    world.skip(minutes(30))
    world.settle()
    assert healthy(world) == minutes(50) - minutes(10.5)


def test_gap_with_a_breach_pauses_where_on_breach_says_so() -> None:
    """The breach is read back from the data."""
    breach: Metric = lambda at: 0.9 if minutes(30) <= at - START < minutes(40) else 0.0  # noqa: E731
    world = soaking(breach, hold={"onBreach": "Pause"})
    world.run(minutes(20))
    world.skip(minutes(30))
    world.settle()
    assert healthy(world) == minutes(50) - minutes(10.5)


def test_gap_with_a_breach_resets_by_default() -> None:
    """Counted from the last point at which it fired, and from the next point that was quiet."""
    world = soaking(lambda at: 0.9 if minutes(30) <= at - START < minutes(40) else 0.0)
    world.run(minutes(20))
    world.skip(minutes(30))
    world.settle()
    assert healthy(world) == minutes(10)
    assert world.status.void_before == START + minutes(39.5)


def test_rollback_trigger_that_fired_in_a_gap_takes_the_soak_with_it() -> None:
    """Rollback: soak again, whatever onBreach says of Hold."""
    world = soaking(
        lambda at: 0.9 if minutes(30) <= at - START < minutes(40) else 0.0,
        action="Rollback",
        hold={"onBreach": "Pause"},
    )
    world.run(minutes(20))
    world.skip(minutes(30))
    world.settle()
    assert (world.percent, healthy(world)) == (10, minutes(10))


def test_degrade_in_a_gap_only_pauses() -> None:
    """And voids nothing."""
    world = soaking(
        lambda at: 0.9 if minutes(30) <= at - START < minutes(40) else 0.0, action="Degrade"
    )
    world.run(minutes(20))
    world.skip(minutes(30))
    world.settle()
    assert healthy(world) == minutes(50) - minutes(10.5)
    assert world.status.void_before is None


def test_provider_that_was_down_is_asked_for_that_time_once_it_is_back() -> None:
    """Nothing is lost by an outage of the provider alone."""
    world = soaking()
    world.run(minutes(20))
    world.failing["errors"] = (Outcome.UNREACHABLE, "connection refused")
    world.run(minutes(30))
    assert (healthy(world), world.condition("SoakComplete")) == (
        minutes(20),
        ("False", "SoakPaused"),
    )
    world.failing.clear()
    assert until_left(world) == hours(1)


def test_time_that_the_provider_can_not_answer_for_does_not_count() -> None:
    """Longer ago than one answer reaches nothing proves it healthy."""
    world = soaking(length="9h")
    world.run(minutes(20))
    world.longest_answer = hours(1)
    world.skip(hours(4))
    world.settle()
    assert healthy(world) == minutes(20) + hours(1)


def test_slowest_metric_decides_until_when_the_account_is_closed() -> None:
    """Every trigger must have been quiet: the earliest of their newest points counts."""
    world = soaking(
        triggers=[a_trigger(action="Hold"), a_trigger("slow", action="Hold", **{"for": "8s"})],
        metrics=[a_metric(), a_metric("slow")],
    )
    world.metrics["slow"] = steady(0.0)
    world.run(minutes(10))
    world.now += seconds(29)
    assert healthy(world) == minutes(10)


def test_nothing_counts_while_one_trigger_has_no_answer() -> None:
    """Also where the others are quiet."""
    world = soaking(
        triggers=[a_trigger(action="Hold"), a_trigger("other", action="Hold")],
        metrics=[a_metric(), a_metric("other")],
    )
    world.metrics["other"] = steady(0.0)
    world.run(minutes(10))
    world.failing["other"] = (Outcome.MANY_SERIES, "two")
    world.run(minutes(10))
    assert healthy(world) == minutes(10)


def test_soak_runs_on_while_paused_and_halted() -> None:
    """Paused, halt: percent stays, soak runs on, GOs stay."""
    world = soaking()
    world.settle()
    world.edit(paused=True)
    world.stop()
    world.run(hours(1))
    assert world.condition("SoakComplete") == ("True", "SoakComplete")
    world.halt = None
    world.edit(paused=None)
    world.settle()
    assert world.percent == 100


def test_warm_up_comes_before_the_soak() -> None:
    """Soak does not run before it is over."""
    world = soaking(hold={"warmUp": "30m"})
    world.run(minutes(29))
    assert world.status.soak is not None
    assert (world.status.soak.healthy, world.status.soak.running) == ("0s", False)
    assert world.condition("SoakComplete") == ("False", "WarmingUp")
    assert world.decide().status.earliest_advance == START + minutes(90)
    assert until_left(world) == minutes(90)


def test_gates_are_false_before_the_warm_up_is_over() -> None:
    """Also where their values are good."""
    world = soaking(gates=[a_gate()], length="0s", hold={"warmUp": "30m"})
    world.run(minutes(29.5))
    assert (world.percent, world.condition("GatesHealthy")) == (10, ("False", "WarmingUp"))
    world.run(minutes(0.5))
    assert world.percent == 100


def test_breach_during_warm_up_costs_nothing() -> None:
    """There is no soak yet to be reset."""
    world = soaking(lambda at: 0.9 if at - START < minutes(20) else 0.0, hold={"warmUp": "30m"})
    world.metrics["errors"] = lambda at: 0.9 if seconds(1) < at - START < minutes(20) else 0.0
    assert until_left(world) == minutes(90)


def test_commit_beside_the_grid_costs_no_more_than_two_intervals() -> None:
    """Points of before the hold say nothing of it."""
    world = soaking()
    world.now = START + seconds(17)
    world.settle()
    world.now = START + seconds(30)
    took = until_left(world)
    assert hours(1) + seconds(17) <= took <= hours(1) + seconds(60)


def test_status_says_since_when_a_reader_may_add_time() -> None:
    """`healthy` is as of `observedAt`, and runs while `running`."""
    world = soaking()
    world.run(minutes(10))
    soak = world.decide().status.soak
    assert soak is not None
    assert (soak.required, soak.healthy, soak.running, soak.observed_at) == (
        "1h0m0s",
        "10m0s",
        True,
        START + minutes(10),
    )


def test_condition_says_how_much_is_missing_and_who_stops_it() -> None:
    """With numbers, rounded against the reader's hopes."""
    world = soaking(lambda at: 0.9 if at - START >= minutes(10) else 0.0, action="Degrade")
    world.run(minutes(9))
    assert world.decide().status.waiting_on == "soak 51m left"
    world.run(minutes(2))
    assert world.message("SoakComplete") == (
        "soak insufficient: 9m30s of 1h of healthy time, 50m30s left, "
        "not counting while errors is not quiet"
    )


def test_soak_before_start_is_not_started() -> None:
    """The condition describes the first step's hold."""
    world = soaking(paused=True)
    world.settle()
    assert world.condition("SoakComplete") == ("False", "NotStarted")
    assert world.message("SoakComplete") == "1h of healthy time are needed"


def test_soak_after_a_rollback_starts_with_the_attempt() -> None:
    """Rolled back, nothing is being soaked for."""
    world = World(a_rollout(steps=steps_of(10, 50, 100), hold={"soak": "10m"}, rollback=None))
    world.run_until(50, hours(1))
    world.edit(rollback={"to": 10, "reason": "no"})
    world.run(hours(1))
    assert (world.percent, world.status.soak) == (10, None)
    world.edit(rollback=None, attempt=1)
    world.run(minutes(9))
    assert world.percent == 10
    world.run(minutes(1))
    assert world.percent == 50


def test_point_of_the_commit_itself_belongs_to_the_hold() -> None:
    """A breach at that very point stops the soak until the next."""
    world = soaking(lambda at: 0.9 if at == START else 0.0, triggers=[a_trigger(**{"for": "2m"})])
    assert until_left(world) == hours(1) + seconds(30)


def test_time_that_is_not_read_back_is_named() -> None:
    """One question reaches back so far; what lies before does not count, and people are told."""
    world = soaking(length="30h")
    world.longest_answer = hours(1)
    world.run(hours(1))
    world.skip(hours(5))
    world.announcements.clear()
    world.settle()
    soak = world.status.soak
    assert soak is not None
    assert (soak.healthy, soak.not_read_back) == ("2h0m0s", "4h0m0s")
    said = "4h0m0s could not be read back and do not count"
    assert said in world.message("SoakComplete")
    assert [(a.reason, said in a.message) for a in world.announcements] == [
        ("SoakNotReadBack", True)
    ]
    world.run(hours(1))
    assert said in world.message("SoakComplete")
    assert len(world.announcements) == 1


def test_time_that_is_not_read_back_is_forgotten_with_the_soak() -> None:
    """Once the soak begins again, nothing of before matters."""
    world = soaking(length="30h")
    world.longest_answer = hours(1)
    world.run(hours(1))
    world.skip(hours(5))
    world.settle()
    world.metrics["errors"] = from_time(world.now + minutes(5), 0.0, 0.9)
    world.run(minutes(20))
    soak = world.status.soak
    assert soak is not None
    assert soak.not_read_back is None


# Time that never passed: the API server's clock was set forward over it.

LENGTHS: dict[str, dict[str, Any]] = {
    "soak": {"hold": {"soak": "1h"}},
    "soak without metrics": {"hold": {"soak": "1h"}, "metrics": [], "triggers": []},
    "soak after a warm-up": {"hold": {"warmUp": "30m", "soak": "30m"}},
    "gate after a warm-up": {"hold": {"warmUp": "1h"}, "gates": [a_gate()]},
    "gate for a while": {"hold": {"soak": "0s"}, "gates": [a_gate(**{"for": "1h"})]},
    "group of gates for a while": {
        "hold": {"soak": "0s"},
        "gates": [
            {
                "name": "all",
                "passing": 1,
                "of": [a_gate(**{"for": "1h", "metric": "errors"})],
            }
        ],
    },
    "baseline": {"hold": {"baseline": "1h"}},
    "baseline after a warm-up": {"hold": {"warmUp": "30m", "baseline": "30m"}},
    "checkpoint of the step": {
        "hold": {"checkpoints": [{**a_checkpoint("c", "a"), "opensAfter": "1h"}]}
    },
    "checkpoint of the start": {
        "hold": {
            "checkpoints": [{**a_checkpoint("c", "a"), "opensAfter": "1h", "dueFrom": "Start"}]
        }
    },
}


@pytest.mark.parametrize("elapsed", [minutes(5), minutes(25)])
@pytest.mark.parametrize("length", LENGTHS)
def test_no_length_counts_time_that_never_passed(length: str, elapsed: timedelta) -> None:
    """There are samples of it all the same, and each would prove it healthy."""
    world = soaking(**{"length": "0s", "triggers": [a_trigger(action="Hold")]} | LENGTHS[length])
    world.settle()
    looked_at_after(world, elapsed)
    world.clock_jumps(hours(3))
    looked_at_after(world, hours(1) - elapsed - minutes(2))
    assert (world.percent, list(world.checkpoints)) == (10, [])
    looked_at_after(world, elapsed + minutes(3))
    assert world.percent == 100 or list(world.checkpoints) == ["memory-sync-10-c"]


def looked_at_after(world: World, length: timedelta) -> None:
    """Let time pass, and look at the end of it."""
    world.now += length
    world.settle()
