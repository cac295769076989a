"""A decision that was not watched was given within an interval; each rule takes the safe end."""

from datetime import timedelta
from typing import Any

import pytest

from surefoot.domain.facts.snapshot import Admission
from tests.support.world import (
    START,
    World,
    a_checkpoint,
    a_metric,
    a_role,
    a_rollout,
    a_trigger,
    hours,
    minutes,
    steady,
    steps_of,
)

SECURITY = "memory-sync-50-security"
LEAD = "memory-sync-50-lead"
MEETING = "memory-sync-10-conflict"
ROLES = [a_role("security", "hudson", "ivy"), a_role("lead", "forge")]


def signing(**spec: Any) -> World:
    """A rollout at 10% that waits for two roles before 50%; cora chairs."""
    approvals = {"roles": ROLES, "meeting": {"users": ["cora"]}}
    plan = {"steps": steps_of(10, 50, 100), "approvals": approvals}
    world = World(a_rollout(**plan | spec), admission=Admission.ENFORCED)
    world.settle()
    return world


def decide(world: World, name: str, by: str, decision: str = "GO", **more: Any) -> None:
    """Decide a request, a minute later."""
    world.now += minutes(1)
    world.sign(name, by, decision=decision, reason=f"{decision} by {by}", **more)
    world.settle()


def test_no_go_given_while_the_operator_was_down_is_not_resolved_by_an_older_meeting() -> None:
    """It may have been given after the meeting: the latest moment counts for it."""
    world = signing()
    decide(world, SECURITY, "hudson", "NO-GO")
    decide(world, LEAD, "forge")
    decide(world, MEETING, "cora")
    decide(world, f"{MEETING}-ack-lead", "forge")
    world.skip(hours(1))
    world.sign(SECURITY, "hudson", decision="NO-GO", reason="new findings")
    world.sign(f"{MEETING}-ack-security", "ivy")
    world.settle()
    assert (world.percent, ("Approved", "NoGo") in world.blockers()) == (10, True)


def test_first_no_go_given_while_the_operator_was_down_outlives_an_older_meeting() -> None:
    """The request was older than the meeting; its decision was not."""
    world = signing()
    decide(world, LEAD, "forge", "NO-GO")
    world.edit(attempt=1)
    world.settle()
    decide(world, SECURITY + "-r2", "ivy")
    decide(world, MEETING, "cora")
    decide(world, f"{MEETING}-ack-security", "ivy")
    world.skip(hours(1))
    world.sign(LEAD + "-r2", "forge", decision="NO-GO", reason="new findings")
    world.sign(f"{MEETING}-ack-lead", "forge")
    world.settle()
    world.run(minutes(5))
    assert (world.percent, world.role("lead").state) == (10, "NoGo")


def test_unwatched_no_go_says_within_which_time_it_was_given() -> None:
    """Seen when the operator came back, given at the earliest when it was asked."""
    world = signing()
    world.skip(hours(1))
    world.sign(SECURITY, "hudson", decision="NO-GO", reason="leaks")
    world.settle()
    (entry,) = world.approvals[SECURITY].status.decisions
    assert (entry.not_before, entry.seen_at) == (START, START + hours(1))
    assert world.role("security").decided_at == START + hours(1)


def test_unwatched_go_counts_from_the_last_decision_before_it() -> None:
    """It was given after that one, and perhaps right after it."""
    world = signing()
    decide(world, SECURITY, "hudson")
    world.skip(hours(1))
    world.sign(SECURITY, "hudson", reason="still fine")
    world.settle()
    entry = world.approvals[SECURITY].status.decisions[-1]
    assert (entry.not_before, entry.seen_at) == (
        START + minutes(1),
        START + minutes(61),
    )
    assert world.role("security").decided_at == START + minutes(1)


def test_unwatched_go_that_replaced_another_is_void_if_a_trigger_fired_since() -> None:
    """It may have been given before the trigger fired."""
    world = signing(
        metrics=[a_metric()],
        triggers=[a_trigger(action="Hold")],
        approvals={"opens": "Step", "roles": ROLES},
        hold={"soak": "9h"},
    )
    world.metrics["errors"] = steady(0.1)
    decide(world, SECURITY, "hudson")
    world.metrics["errors"] = steady(0.9)
    world.run(minutes(1))
    fired = world.status.void_before
    assert fired is not None
    world.skip(hours(1))
    world.metrics["errors"] = steady(0.1)
    round_2 = f"{SECURITY}-r2"
    assert world.states()[SECURITY] == "Void"
    world.sign(round_2, "hudson")
    world.run(minutes(1))
    assert world.states()[round_2] == "Void"


def test_unwatched_go_on_another_request_does_not_lift_a_no_go_that_may_be_later() -> None:
    """Both were given while the operator was down: the NO-GO is taken for the later."""
    world = signing()
    world.edit(attempt=1)
    world.settle()
    world.skip(hours(1))
    world.sign(SECURITY, "hudson", decision="NO-GO", reason="leaks")
    world.sign(f"{SECURITY}-r2", "hudson")
    world.settle()
    assert world.role("security").state == "NoGo"


def test_report_replaced_while_the_operator_was_down_voids_earlier_approvals() -> None:
    """It may have been replaced just before the operator came back."""
    first = {"checkpoints": [a_checkpoint("report", "atlas")]}
    approvals = {"opens": "Step", "roles": ROLES}
    world = signing(steps=steps_of(10, 50, 100, first=first), approvals=approvals)
    decide(world, "memory-sync-10-report", "atlas")
    decide(world, SECURITY, "hudson")
    world.skip(hours(1))
    world.sign("memory-sync-10-report", "atlas", reason="with other numbers")
    world.settle()
    assert world.states()[SECURITY] == "Void"


def test_watched_change_of_a_decision_is_dated_to_when_it_was_seen() -> None:
    """The operator saw the decision before it, so that it knows when this one came."""
    world = signing()
    decide(world, SECURITY, "hudson")
    decide(world, SECURITY, "hudson", riskAssessment="looked again")
    entry = world.approvals[SECURITY].status.decisions[-1]
    assert (entry.not_before, entry.seen_at) == (None, START + minutes(2))


# The clock is set back: what comes later has an earlier time.


def test_no_go_is_not_resolved_by_a_meeting_of_a_time_that_was_taken_back() -> None:
    """The meeting was held while the API server's clock was fast; the NO-GO came after it."""
    world = signing()
    decide(world, SECURITY, "hudson", "NO-GO")
    decide(world, LEAD, "forge")
    world.now += hours(3)
    decide(world, MEETING, "cora")
    world.clock_is_set_back(hours(3))
    decide(world, SECURITY, "ivy", "NO-GO")
    for name in [name for name in world.approvals if name.startswith(f"{MEETING}-ack-")]:
        decide(world, name, "forge" if name.endswith("lead") else "ivy")
    world.run(minutes(5))
    assert (world.percent, ("Approved", "NoGo") in world.blockers()) == (10, True)


def test_no_go_is_not_lifted_by_a_go_of_a_time_that_was_taken_back() -> None:
    """The signer said GO first, and NO-GO on the next request."""
    world = signing(hold={"soak": "5h"})
    world.edit(approvals={"opens": "Step", "roles": ROLES})
    world.settle()
    world.now += hours(3)
    decide(world, SECURITY, "hudson")
    world.clock_is_set_back(hours(3))
    world.edit(attempt=1)
    world.settle()
    decide(world, f"{SECURITY}-r2", "hudson", "NO-GO")
    decide(world, f"{SECURITY}-r2", "ivy")
    assert ("Approved", "NoGo") in world.blockers()


@pytest.mark.parametrize("set_back", [minutes(0), hours(3)])
def test_go_of_before_a_trigger_is_void_also_where_the_clock_was_set_back(
    set_back: timedelta,
) -> None:
    """It was given before a Hold trigger fired, whatever the time was called."""
    world = signing(
        metrics=[a_metric()],
        triggers=[a_trigger(action="Hold")],
        approvals={"opens": "Step", "roles": ROLES},
    )
    world.metrics["errors"] = steady(0.0)
    world.settle()
    world.now += set_back
    decide(world, SECURITY, "hudson")
    world.clock_is_set_back(set_back)
    world.metrics["errors"] = steady(0.9)
    world.run(minutes(1))
    world.metrics["errors"] = steady(0.0)
    world.run(minutes(1))
    decide(world, LEAD, "forge")
    assert (world.percent, world.states()[SECURITY]) == (10, "Void")
