"""What people set while it runs: paused, halt, rollback, attempt."""

from typing import Any

import pytest

from surefoot.domain.facts.snapshot import Halt
from tests.support.world import (
    START,
    World,
    a_metric,
    a_role,
    a_rollout,
    a_trigger,
    hours,
    minutes,
    steady,
    steps_of,
)


def at(percent: int, **spec: Any) -> World:
    """A rollout 10, 25, 50, 100 that stands at a percentage and soaks an hour at each."""
    world = World(a_rollout(**{"hold": {"soak": "1h"}} | spec))
    world.run_until(percent, hours(9))
    return world


def test_pause_keeps_the_percentage_and_the_approvals() -> None:
    """Soak runs on, GOs stay, ends with a person."""
    world = at(10, approvals={"opens": "Step", "roles": [a_role("s", "h")]})
    world.sign("memory-sync-25-s", "h")
    world.settle()
    world.edit(paused=True)
    world.run(hours(2))
    assert (world.percent, world.status.phase, world.states()) == (
        10,
        "Paused",
        {"memory-sync-25-s": "Go"},
    )
    assert [(b.condition, b.reason, b.message, b.command) for b in world.status.blocked_by] == [
        (
            "NotPaused",
            "Paused",
            "spec.paused is true",
            (
                "kubectl patch rollouts.surefoot.dev memory-sync -n agents --type=merge "
                '-p \'{"spec":{"paused":null}}\''
            ),
        )
    ]
    assert world.status.waiting_on == "spec.paused is true"
    world.edit(paused=False)
    world.settle()
    assert world.percent == 25


def test_halt_stops_all_but_rollback_and_is_announced_once() -> None:
    """With who, where and how to end it."""
    world = at(10)
    world.stop("incident 7")
    world.run(hours(2))
    assert (world.percent, world.condition("NotPaused")) == (10, ("False", "Halted"))
    assert world.message("NotPaused") == "halted in agents: incident 7"
    assert world.status.blocked_by[0].command == (
        "kubectl delete configmap surefoot-halt -n agents"
    )
    assert [a.reason for a in world.announcements if a.reason == "Halted"] == ["Halted"]
    world.edit(rollback={"to": 0})
    world.settle()
    assert world.percent == 0


def test_halt_ends_by_itself_where_it_says_until() -> None:
    """And the plan wakes up for it."""
    world = at(10)
    world.stop("", until=START + hours(2) + minutes(3))
    world.run(hours(2))
    assert world.message("NotPaused") == (
        "halted in agents until 2025-10-24 00:03 UTC: no reason was given"
    )
    assert world.status.earliest_advance == START + hours(2) + minutes(3)
    assert world.settle().requeue_after == minutes(3)
    world.now += minutes(3)
    world.settle()
    assert world.percent == 25


def test_halt_names_who_said_so_and_that_nobody_verified_it() -> None:
    """Anyone who may write the ConfigMap may write any name."""
    world = at(10)
    world.halt = Halt("agents", "incident 7", by="cora")
    world.settle()
    assert world.message("NotPaused") == "halted in agents by cora (not verified): incident 7"


def test_pause_and_halt_are_two_entries() -> None:
    """Each with what ends it."""
    world = at(10, paused=None)
    world.edit(paused=True)
    world.stop()
    world.settle()
    assert world.blockers()[:2] == [("NotPaused", "Halted"), ("NotPaused", "Paused")]


def test_request_to_roll_back_is_a_rollback_like_any_other() -> None:
    """At once, with the reason and who."""
    world = at(50)
    world.edit(rollback={"to": 10, "reason": "bad feeling"})
    world.settle()
    last = world.status.history[-1]
    assert (last.type, last.from_, last.to, last.step, last.reason, last.by) == (
        "Rollback",
        50,
        10,
        0,
        "Requested",
        (),
    )
    assert last.message == "spec.rollback asks for 10%: bad feeling"
    assert (world.percent, world.status.phase) == (10, "RolledBack")
    assert world.condition("NotRolledBack") == ("False", "Requested")
    assert world.condition("Stalled") == ("True", "RolledBack")
    assert [a.reason for a in world.announcements if a.warning] == []


def test_request_without_a_reason_says_so() -> None:
    """Nobody is made to write one in a hurry."""
    world = at(50)
    world.edit(rollback={"to": 10})
    world.settle()
    assert world.status.history[-1].message == ("spec.rollback asks for 10%: no reason was given")


@pytest.mark.parametrize(("to", "lands"), [(0, 0), (5, 0), (10, 10), (24, 10), (25, 25), (49, 25)])
def test_ceiling_between_steps_goes_to_the_step_below(to: int, lands: int) -> None:
    """Below the first step it is 0."""
    world = at(50)
    world.edit(rollback={"to": to})
    world.settle()
    assert world.percent == lands


@pytest.mark.parametrize("to", [50, 60, 100])
def test_ceiling_at_or_above_the_percentage_moves_nothing(to: int) -> None:
    """It only keeps it from rising above."""
    world = at(50)
    world.edit(rollback={"to": to})
    world.settle()
    assert (world.percent, world.status.rolled_back) == (50, False)
    world.run(hours(2))
    assert world.percent == (100 if to == 100 else 50)
    if to != 100:
        assert world.condition("NotRolledBack") == ("False", "Ceiling")
        world.edit(rollback=None)
        world.settle()
        assert world.percent == 100


def test_removed_ceiling_leaves_the_percentage_until_the_attempt_rises() -> None:
    """Nothing else restarts it."""
    world = at(50)
    world.edit(rollback={"to": 10})
    world.settle()
    world.edit(rollback=None)
    world.run(hours(9))
    assert (world.percent, world.blockers()) == (10, [("NotRolledBack", "Requested")])
    assert world.status.blocked_by[0].command == (
        "kubectl patch rollouts.surefoot.dev memory-sync -n agents --type=merge "
        '-p \'{"spec":{"attempt":1}}\''
    )
    world.edit(attempt=1)
    world.settle()
    assert world.history()[-1] == ("Retry", 10)
    assert world.run_until(25, hours(2)) == hours(1)


def test_attempt_raised_under_a_ceiling_still_keeps_below_it() -> None:
    """Both must be lifted."""
    world = at(50)
    world.edit(rollback={"to": 10, "reason": "wait"})
    world.settle()
    world.edit(attempt=1)
    world.run(hours(2))
    assert (world.percent, world.blockers()) == (10, [("NotRolledBack", "Ceiling")])
    assert world.message("NotRolledBack") == "spec.rollback keeps it at or below 10%: wait"


def test_from_zero_a_retry_is_a_start() -> None:
    """0 lies below the first step: nothing asks to hold there."""
    world = at(50, approvals={"roles": []})
    world.edit(rollback={"to": 0})
    world.settle()
    assert (world.percent, world.status.step) == (0, None)
    world.edit(rollback=None, attempt=1)
    world.settle()
    assert world.history()[-3:] == [("Rollback", 0), ("Retry", 0), ("Start", 10)]
    assert world.status.attempt == 1


def test_several_raises_are_one() -> None:
    """Only the last number is seen."""
    world = at(50)
    world.edit(rollback={"to": 10})
    world.settle()
    world.edit(rollback=None, attempt=1)
    world.edit(attempt=2)
    world.edit(attempt=5)
    world.settle()
    assert [e for e in world.history() if e[0] == "Retry"] == [("Retry", 10)]
    assert world.status.attempt == 5


def test_attempt_is_that_of_the_intent() -> None:
    """Raised in the same edit as the request: only a later rise is a Retry."""
    world = at(50)
    world.edit(rollback={"to": 10}, attempt=3)
    world.settle()
    assert (world.status.history[-1].attempt, world.status.rolled_back) == (3, True)
    world.edit(rollback=None)
    world.run(hours(2))
    assert (world.percent, world.status.phase) == (10, "RolledBack")
    world.edit(attempt=4)
    world.settle()
    assert world.history()[-1] == ("Retry", 10)


def test_raise_seen_with_a_firing_trigger_is_not_a_retry_of_that_rollback() -> None:
    """The rollback's attempt is the one that stood when it was decided, and nothing was retried."""
    world = World(
        a_rollout(hold={"soak": "9h"}, metrics=[a_metric()], triggers=[a_trigger()]),
        metrics={"errors": steady(0.0)},
    )
    world.run(minutes(5))
    world.metrics["errors"] = steady(0.9)
    world.edit(attempt=1)
    world.settle()
    assert world.history() == [("Start", 10), ("Rollback", 0)]
    assert (world.status.attempt, world.status.rolled_back) == (1, True)
    world.run(hours(1))
    assert world.percent == 0


def test_lower_attempt_is_ignored() -> None:
    """It only rises; absent means as the status has it."""
    world = at(10, attempt=4)
    world.edit(attempt=2)
    world.settle()
    assert world.status.attempt == 4
    world.edit(attempt=None)
    world.settle()
    assert (world.status.attempt, world.history()) == (4, [("Start", 10)])


def test_attempt_raised_while_running_starts_the_hold_anew() -> None:
    """Requests are asked again, too."""
    world = at(10)
    world.run(minutes(50))
    world.edit(attempt=1)
    world.settle()
    assert world.status.history[-1].message == (
        "attempt raised to 1 while it ran: requests are asked again and the hold starts again"
    )
    assert world.status.hold_since == START + minutes(50)
    assert world.status.since == START
    assert world.run_until(25, hours(2)) == hours(1)


def test_attempt_after_a_rollback_says_so() -> None:
    """In the history, with the attempt it begins."""
    world = at(50)
    world.edit(rollback={"to": 10})
    world.settle()
    world.edit(rollback=None, attempt=1)
    world.settle()
    last = world.status.history[-1]
    assert (last.reason, last.attempt, last.message) == (
        "AttemptRaised",
        1,
        (
            "attempt raised to 1 after the rollback: "
            "requests are asked again and the hold starts again"
        ),
    )


def test_hold_that_starts_anew_is_counted_from_the_later_bound() -> None:
    """A soak is never short."""
    world = at(10)
    world.run(minutes(50))
    world.uncertainty = minutes(1)
    world.edit(attempt=1)
    world.settle()
    assert world.status.hold_since == START + minutes(51)


def test_rollback_after_a_rollback_goes_further_down() -> None:
    """A person lowers the ceiling twice."""
    world = at(50)
    world.edit(rollback={"to": 25})
    world.settle()
    world.edit(rollback={"to": 10})
    world.settle()
    assert [p for _, p in world.percents] == [10, 25, 50, 25, 10]
    assert world.condition("NotRolledBack") == ("False", "Requested")


def test_step_of_one_percent_is_a_step() -> None:
    """Started at, adopted, and rolled back to."""
    world = at(2, steps=steps_of(1, 2, 100))
    assert [entry.step for entry in world.status.history] == [0, 1]
    world.edit(rollback={"to": 1})
    world.settle()
    assert (world.percent, world.status.step, world.status.history[-1].step) == (1, 0, 0)
