"""A changed plan mid-rollout: what it voids, what it keeps, what it may not do."""

import json
from functools import cache
from typing import Any

import pytest

from tests.support.world import (
    START,
    World,
    a_checkpoint,
    a_gate,
    a_metric,
    a_role,
    a_rollout,
    a_trigger,
    hours,
    minutes,
    steady,
    steps_of,
)

PLAN: dict[str, Any] = {
    "steps": steps_of(10, 100),
    "hold": {"soak": "48h"},
    "metrics": [a_metric()],
    "triggers": [a_trigger(action="Hold")],
    "approvals": {"opens": "Step", "roles": [a_role("security", "hudson")]},
}


def running(length: float = 47, **spec: Any) -> World:
    """A rollout that has soaked for hours at 10%; they passed once for all tests."""
    return _soaked(length, json.dumps(spec)).fork()


@cache
def _soaked(length: float, spec: str) -> World:
    plan = PLAN | json.loads(spec)
    world = World(a_rollout(**plan), metrics={"errors": steady(0.0), "cost": steady(0.0)})
    world.interval = minutes(30)
    world.run(hours(length))
    return world


def healthy(world: World) -> str:
    """The account as decided now."""
    soak = world.decide().status.soak
    assert soak is not None
    return soak.healthy


def test_replacing_an_approver_at_hour_47_does_not_cost_48_hours() -> None:
    """It voids the approvals, and the soak goes on."""
    world = running()
    world.edit(approvals={"opens": "Step", "roles": [a_role("security", "ivy")]})
    world.settle()
    assert world.history()[-1] == ("PlanChanged", 10)
    entry = world.status.history[-1]
    assert entry.evidence.changed_fields == ("approvals",)
    assert entry.message == "approvals changed: approvals are void, the soak goes on"
    assert (entry.plan_hash, world.percent) == (world.status.plan_hash, 10)
    world.sign("memory-sync-100-security-r2", "ivy")
    assert world.run_until(100, hours(2)) == hours(1)


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"hold": {"soak": "40h"}}, ("hold",)),
        ({"gates": [a_gate()]}, ("gates",)),
        ({"steps": steps_of(10, 50, 100)}, ("steps[50]",)),
        ({"steps": steps_of(5, 10, 100)}, ("steps[5]",)),
        ({"steps": steps_of(10, 100, first={"onBreach": "Pause"})}, ("steps[10]",)),
        ({"limits": {"maxExpansionFactor": 50}}, ("limits",)),
    ],
)
def test_soak_goes_on_where_the_change_does_not_touch_what_it_measured(
    change: dict[str, Any], fields: tuple[str, ...]
) -> None:
    """Target, metrics, triggers, cohorts and this step's percent are as they were."""
    world = running()
    world.edit(**change)
    world.settle()
    assert world.status.history[-1].evidence.changed_fields == fields
    assert (healthy(world), world.status.hold_since) == ("47h0m0s", START)


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"metrics": [a_metric(), a_metric("cost")]}, ("metrics",)),
        ({"metrics": [a_metric(query="other")]}, ("metrics",)),
        ({"triggers": [a_trigger(action="Hold", above="0.6")]}, ("triggers",)),
        ({"triggers": None}, ("triggers",)),
        ({"triggers": None, "gates": [a_gate()]}, ("gates", "triggers")),
    ],
)
def test_soak_starts_anew_where_the_change_touches_what_it_measured(
    change: dict[str, Any], fields: tuple[str, ...]
) -> None:
    """Metrics or triggers are others."""
    world = running()
    world.edit(**change)
    world.settle()
    assert world.status.history[-1].evidence.changed_fields == fields
    assert world.status.history[-1].message == (
        f"{', '.join(fields)} changed: approvals are void, the soak starts again"
    )
    assert (healthy(world), world.status.hold_since) == ("0s", START + hours(47))
    assert world.status.since == START


def test_plan_written_before_parts_were_recorded_starts_the_soak_anew() -> None:
    """What is not known to be the same is not the same."""
    world = running()
    status = world.status.model_copy(update={"plan": None})
    world.rollout = world.rollout.model_copy(update={"status": status})
    world.edit(approvals=None)
    world.settle()
    assert healthy(world) == "0s"


def test_people_fields_and_on_delete_change_no_plan() -> None:
    """Approvals stay."""
    world = running()
    before = world.status.plan_hash
    world.sign("memory-sync-100-security", "hudson")
    world.settle()
    target = PLAN_TARGET | {"onDelete": "Zero"}
    world.edit(paused=True, rollback={"to": 50}, target=target)
    world.settle()
    assert (world.status.plan_hash, world.states()) == (before, {"memory-sync-100-security": "Go"})
    assert world.history() == [("Start", 10), ("Paused", 10)]


PLAN_TARGET = {"configMapName": "memory-sync-flags", "flags": ["memory-sync", "hybrid-rag"]}


@pytest.mark.parametrize("percents", [(5, 50, 100), (9, 11, 100), (50, 100)])
def test_current_step_may_not_be_removed_or_lowered(percents: tuple[int, ...]) -> None:
    """The plan is invalid, and the percentage is unmoved."""
    world = running()
    world.edit(steps=steps_of(*percents))
    world.run(hours(5))
    assert (world.percent, world.status.phase) == (10, "Invalid")
    assert world.condition("PlanValid") == ("False", "CurrentStepRemoved")
    assert world.condition("Stalled") == ("True", "Invalid")
    named = ", ".join(map(str, percents))
    assert world.message("PlanValid") == (
        f"the flag stands at 10%, which the plan no longer has ({named}); "
        "put the step with percent 10 back"
    )
    assert [a.reason for a in world.announcements if a.reason == "InvalidPlan"] == ["InvalidPlan"]


@pytest.mark.parametrize(
    "broken",
    [
        {"steps": steps_of(50, 100)},
        {"gates": [a_gate("nothing")]},
        {"triggers": None, "gates": [a_gate("nothing")]},
        {"approvals": {"roles": [a_role("other", "o")]}, "gates": [a_gate("nothing")]},
        {"delivery": {"metric": "errors", "within": "5m"}},
    ],
)
def test_reverting_an_invalid_plan_voids_nothing(broken: dict[str, Any]) -> None:
    """Approvals, reports and soak are as if nothing had been."""
    world = running(40, hold={"soak": "48h", "checkpoints": [a_checkpoint("r", "a")]})
    for name, by in (("memory-sync-10-r", "a"), ("memory-sync-100-security", "hudson")):
        world.sign(name, by)
        world.now += minutes(1)
        world.settle()
    entries, states = world.history(), world.states()
    world.edit(**broken)
    world.run(hours(2))
    assert (world.percent, world.status.phase, world.states()) == (10, "Invalid", states)
    before = {key: PLAN.get(key) for key in broken}
    world.edit(**before)
    world.settle()
    assert (world.states(), world.history()) == (states, entries)
    assert world.run_until(100, hours(7)) > hours(5)
    assert world.now - START >= hours(48)


def test_soak_under_an_invalid_plan_is_read_back_by_the_valid_one() -> None:
    """A plan without its triggers would count what they would have stopped."""
    world = running(40)
    world.metrics["errors"] = lambda at: None if at - START > hours(40) else 0.0
    world.edit(triggers=None, gates=[a_gate("nothing")])
    world.run(hours(10))
    assert healthy(world) == "40h0m0s"
    assert world.condition("SoakComplete") == ("False", "SoakPaused")
    assert "read back once the plan is valid again" in world.message("SoakComplete")
    world.edit(triggers=PLAN["triggers"], gates=None)
    world.settle()
    assert world.percent == 10
    assert healthy(world) < "40h0m1s"


def test_decision_under_an_invalid_plan_is_recorded_and_counts_afterwards() -> None:
    """Everything a person decides is kept within moments."""
    world = running(1)
    world.edit(gates=[a_gate("nothing")])
    world.settle()
    world.sign("memory-sync-100-security", "hudson")
    world.settle()
    status = world.approvals["memory-sync-100-security"].status
    assert (status.state, status.decided_at) == ("Go", START + hours(1))
    world.edit(gates=None)
    world.settle()
    assert world.states() == {"memory-sync-100-security": "Go"}


def test_invalid_plan_asks_nobody() -> None:
    """Requests are opened for a plan that is in force."""
    world = running(1)
    world.edit(
        gates=[a_gate("nothing")], approvals={"opens": "Step", "roles": [a_role("other", "o")]}
    )
    world.settle()
    assert list(world.approvals) == ["memory-sync-100-security"]


def test_no_go_under_an_invalid_plan_still_stands() -> None:
    """Also where the invalid plan has no such role."""
    world = running(1)
    world.sign("memory-sync-100-security", "hudson", decision="NO-GO", reason="no")
    world.settle()
    world.edit(gates=[a_gate("nothing")], approvals=None)
    world.settle()
    assert ("Approved", "NoGo") in world.blockers()


def test_triggers_that_are_valid_act_under_an_invalid_plan() -> None:
    """Faults elsewhere disarm nothing."""
    world = running(1, triggers=[a_trigger()])
    world.edit(steps=steps_of(50, 100), gates=[a_gate("nothing")])
    world.settle()
    world.metrics["errors"] = steady(0.9)
    world.run(minutes(30))
    assert (world.percent, world.status.rolled_back) == (0, True)


def test_rollback_request_acts_under_an_invalid_plan() -> None:
    """It needs nothing of the plan but its steps."""
    world = running(1)
    world.edit(steps=steps_of(5, 50, 100), rollback={"to": 7})
    world.settle()
    assert world.percent == 5


def test_trigger_that_is_itself_invalid_is_not_judged() -> None:
    """Its metric cannot be asked, or its target is no step; the others are."""
    triggers = [
        a_trigger("errors", action="Degrade"),
        a_trigger("unknown", metric="nothing", above="0"),
        a_trigger("nowhere", metric="errors", to=33, above="0"),
        a_trigger("unparsed", metric="bad", above="-1"),
    ]
    world = running(1)
    world.metrics |= {"bad": steady(0.9), "errors": steady(0.9)}
    world.faults["bad"] = "unexpected end"
    world.edit(triggers=triggers, metrics=[a_metric(), a_metric("bad")])
    world.run(hours(2))
    assert (world.percent, [t.name for t in world.status.triggers]) == (10, ["errors"])


def test_provider_that_vanishes_makes_the_plan_invalid_and_comes_back() -> None:
    """Its trigger cannot be asked meanwhile; nothing advances."""
    world = running(40)
    world.sign("memory-sync-100-security", "hudson")
    world.settle()
    world.providers = frozenset({"other"})
    world.run(hours(10))
    assert (world.percent, world.condition("PlanValid")) == (10, ("False", "UnknownProvider"))
    world.providers = frozenset({"default"})
    world.settle()
    assert world.percent == 100


def test_plan_change_and_raised_attempt_are_two_entries() -> None:
    """In one edit."""
    world = running(1)
    world.edit(hold={"soak": "2h"}, attempt=1)
    world.settle()
    assert world.history() == [("Start", 10), ("PlanChanged", 10), ("Retry", 10)]
    ids = [entry.transition_id for entry in world.status.history]
    assert len(set(ids)) == 3


def test_plan_changed_before_start_is_only_noted() -> None:
    """There is no history yet to tell it in."""
    world = World(a_rollout(paused=True))
    world.settle()
    world.edit(hold={"soak": "2h"})
    world.settle()
    before = world.status.plan_hash
    world.edit(hold=None)
    world.settle()
    assert (world.status.plan_hash != before, world.history()) == (True, [])


def test_wrong_plan_then_right_is_the_same_as_right() -> None:
    """The way to a plan leaves no trace in the state but history."""
    right = World(a_rollout(hold={"soak": "9h"}))
    right.settle()
    wrong = World(a_rollout(hold={"soak": "9h"}, gates=[a_gate("nothing")]))
    wrong.settle()
    assert wrong.condition("PlanValid") == ("False", "UnknownMetric")
    wrong.edit(gates=None)
    wrong.settle()
    assert wrong.history() == right.history()
    assert [(c.type, c.status, c.reason) for c in wrong.status.conditions] == [
        (c.type, c.status, c.reason) for c in right.status.conditions
    ]
