"""Triggers and windows: what fires, what holds, and what follows."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from surefoot.domain.decide import decide
from surefoot.domain.facts.measurements import Outcome
from tests.support.world import (
    START,
    Metric,
    World,
    a_checkpoint,
    a_gate,
    a_metric,
    a_role,
    a_rollout,
    a_trigger,
    from_time,
    hours,
    minutes,
    seconds,
    steady,
    steps_of,
)


def watched(metric: Metric, *, triggers: list[dict[str, Any]] | None = None, **spec: Any) -> World:
    """A rollout that soaks for hours at 10, 25, 50, 100 with a trigger on `errors`."""
    return World(
        a_rollout(
            **(
                {"metrics": [a_metric()], "triggers": triggers or [a_trigger()]}
                | {"hold": {"soak": "48h"}}
                | spec
            )
        ),
        metrics={"errors": metric},
    )


def at_fifty(metric: Metric, **spec: Any) -> World:
    """As `watched`, having walked to 50%, where it stays for long."""
    quick = {"soak": "1m"}
    steps = [
        {"percent": 10, "hold": quick},
        {"percent": 25, "hold": quick},
        {"percent": 50},
        {"percent": 100},
    ]
    world = watched(metric, steps=steps, **spec)
    world.run_until(50, minutes(9))
    return world


def bad_from(length: Any) -> Metric:
    """Healthy until some time after the start."""
    return from_time(START + length, 0.0, 0.9)


def test_firing_trigger_rolls_back_to_the_previous_step() -> None:
    """And says so in status and history."""
    world = at_fifty(bad_from(minutes(10)))
    world.run_until(25, minutes(11))
    last = world.status.history[-1]
    assert (last.type, last.from_, last.to, last.reason) == ("Rollback", 50, 25, "TriggerFired")
    assert last.message == "trigger errors: errors is 0.9, above 0.5"
    assert last.by == ("trigger errors",)
    assert world.condition("NotRolledBack") == ("False", "TriggerFired")


def test_previous_step_of_the_first_is_zero() -> None:
    """PreviousStep at the first step is 0."""
    world = watched(bad_from(minutes(5)))
    world.run(minutes(5))
    assert (world.percent, world.status.step) == (0, None)


@pytest.mark.parametrize(
    ("to", "lands"),
    [("PreviousStep", 25), ("Zero", 0), (0, 0), (10, 10), (25, 25), (50, 25), (100, 25)],
)
def test_rollback_goes_where_the_trigger_says_and_always_down(to: int | str, lands: int) -> None:
    """A `to` that is not below the current percentage means the previous step."""
    world = at_fifty(bad_from(minutes(10)), triggers=[a_trigger(to=to)])
    world.run_until(lands, minutes(20))
    assert [p for _, p in world.percents][:4] == [10, 25, 50, lands]


def test_lowest_target_wins_when_two_triggers_fire() -> None:
    """The safest of what is asked for."""
    triggers = [a_trigger("errors"), a_trigger("late", metric="errors", to="Zero")]
    world = at_fifty(bad_from(minutes(10)), triggers=triggers)
    world.run_until(0, minutes(20))
    assert [p for _, p in world.percents] == [10, 25, 50, 0]


def test_window_lies_within_the_step() -> None:
    """A breach of 5m must have lasted 5m at this percentage."""
    world = watched(steady(0.9), triggers=[a_trigger(**{"for": "5m"})])
    world.metrics["errors"] = from_time(START + seconds(1), 0.0, 0.9)
    world.run(minutes(5))
    assert (world.percent, world.trigger("errors")) == (10, "Pending")
    world.run(seconds(30))
    assert world.percent == 0


def test_breach_of_before_the_step_does_not_count_towards_its_window() -> None:
    """Also where a lower absolute target acts at once after a rollback."""
    world = at_fifty(bad_from(minutes(10)), triggers=[a_trigger(to="Zero", **{"for": "5m"})])
    world.run(START + minutes(12) - world.now)
    world.edit(rollback={"to": 25})
    world.run(minutes(4.5))
    assert (world.percent, world.trigger("errors")) == (25, "Pending")
    world.run(minutes(0.5))
    assert world.percents[-1] == (START + minutes(17), 0)


def test_gate_is_false_until_its_window_is_full() -> None:
    """Also where all data of before the step were good."""
    world = World(
        a_rollout(metrics=[a_metric()], gates=[a_gate(**{"for": "10m"})], steps=steps_of(10, 100)),
        metrics={"errors": steady(0.0)},
    )
    world.run(minutes(9.5))
    assert (world.percent, world.condition("GatesHealthy")) == (10, ("False", "WindowNotFull"))
    world.run(minutes(0.5))
    assert world.percent == 100


@pytest.mark.parametrize(("missing", "fires"), [(1, True), (2, False)])
def test_flapping_exporter_does_not_disarm_a_trigger(missing: int, fires: bool) -> None:
    """It fires when every point present breaches and coverage is at least 80%."""

    def flapping(at: Any) -> float | None:
        point = int((at - START) / seconds(30))
        return None if point % 5 >= 5 - missing else 0.9

    world = watched(flapping, triggers=[a_trigger(**{"for": "2m"})])
    world.metrics["errors"] = lambda at: 0.0 if at <= START else flapping(at)
    world.run(minutes(10))
    assert (world.percent == 0) is fires


def test_single_healthy_point_in_the_window_disarms() -> None:
    """Every point present must breach."""
    world = watched(
        lambda at: 0.0 if at.minute % 4 == 0 else 0.9, triggers=[a_trigger(**{"for": "5m"})]
    )
    world.run(minutes(30))
    assert world.percent == 10


def test_missing_newest_point_fires_when_the_rest_of_the_window_breaches() -> None:
    """Nine of eleven are more than 80%."""
    world = watched(
        lambda at: None if at > START + minutes(9.4) else (0.9 if at > START else 0.0),
        triggers=[a_trigger(**{"for": "5m"})],
    )
    world.run(minutes(5))
    assert world.trigger("errors") == "Pending"
    world.run(minutes(1))
    assert world.percent == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_value_that_is_no_number_is_no_data(value: float) -> None:
    """Neither quiet nor firing: it holds and stops the soak."""
    world = watched(from_time(START + minutes(5), 0.0, value))
    world.run(minutes(10))
    assert (world.percent, world.trigger("errors")) == (10, "NoData")
    assert world.condition("TriggersQuiet") == ("Unknown", "TriggerNoData")
    assert world.status.soak is not None
    assert (world.status.soak.healthy, world.status.soak.running) == ("4m30s", False)


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome.MANY_SERIES,
        Outcome.UNREACHABLE,
        Outcome.STALE,
        Outcome.PARTIAL,
        Outcome.INVALID,
    ],
)
def test_unusable_answer_holds(outcome: Outcome) -> None:
    """Only finite, single, fresh values count."""
    world = watched(steady(0.0), hold={"soak": "10m"}, gates=[a_gate()], steps=steps_of(10, 100))
    world.run(minutes(9))
    world.failing["errors"] = (outcome, "why")
    world.run(hours(1))
    assert (world.percent, world.status.phase) == (10, "Holding")
    assert world.condition("TriggersQuiet") == ("Unknown", "TriggerNoData")
    assert world.condition("GatesHealthy") == ("Unknown", outcome.value)
    assert world.status.metrics[0].outcome == outcome.value


def test_answer_older_than_two_intervals_is_stale() -> None:
    """A provider that stopped answering says nothing of now."""
    world = watched(steady(0.0), hold={"soak": "10m"}, gates=[a_gate()])
    world.run(minutes(5))
    world.answered_at["errors"] = world.now
    world.now += seconds(60)
    world.settle()
    assert world.condition("TriggersQuiet") == ("True", "Quiet")
    world.now += seconds(1)
    world.settle()
    assert world.condition("TriggersQuiet") == ("Unknown", "TriggerNoData")
    assert world.condition("GatesHealthy") == ("Unknown", "Stale")
    assert "the last answer is 1m1s old" in world.message("TriggersQuiet")


def test_data_of_before_are_stale_whenever_their_answer_arrived() -> None:
    """A question that waited brings old data: 80 s under a limit of 60 s were served as fresh."""
    world = watched(steady(0.0), hold={"soak": "10m"}, gates=[a_gate()])
    world.run(minutes(5))
    world.answered_at["errors"] = world.now
    world.now += seconds(80)
    snapshot = world.snapshot()
    arrived = {
        name: replace(measurement, observed_at=world.now)
        for name, measurement in snapshot.measurements.items()
    }
    status = decide(replace(snapshot, measurements=arrived), world.now).status
    conditions = {c.type: (c.status, c.reason) for c in status.conditions}
    assert conditions["TriggersQuiet"] == ("Unknown", "TriggerNoData")
    assert conditions["GatesHealthy"] == ("Unknown", "Stale")


def test_samples_grow_older_than_stale_after_while_their_answer_is_kept() -> None:
    """The sample's own time counts, up to the moment of the decision."""
    world = watched(steady(0.0), hold={"soak": "10m"}, gates=[a_gate()])
    world.run(minutes(5))
    snapshot = world.snapshot()
    for fresh_until, reason in ((world.now, "GatesHold"), (world.now - seconds(1), "Stale")):
        limited = {
            name: replace(measurement, fresh_until=fresh_until)
            for name, measurement in snapshot.measurements.items()
        }
        status = decide(replace(snapshot, measurements=limited), world.now).status
        assert next(c.reason for c in status.conditions if c.type == "GatesHealthy") == reason


def test_trigger_without_data_can_be_told_to_roll_back() -> None:
    """NoData for the trigger's `for`, within the step."""
    world = watched(steady(None), triggers=[a_trigger(onNoData="Rollback", **{"for": "5m"})])
    world.run(minutes(4.5))
    assert world.percent == 10
    world.run(minutes(0.5))
    assert (world.percent, world.status.history[-1].reason) == (0, "TriggerFired")


def test_one_value_within_the_window_keeps_it_from_rolling_back_without_data() -> None:
    """It was not without data for all of its `for`."""
    world = watched(
        lambda at: 0.0 if at.minute % 4 == 0 and at.second == 0 else None,
        triggers=[a_trigger(onNoData="Rollback", **{"for": "5m"})],
    )
    world.run(minutes(30))
    assert world.percent == 10


def test_unreachable_provider_rolls_back_after_the_same_time_if_told() -> None:
    """The time is that of the state on the status."""
    world = watched(steady(0.0), triggers=[a_trigger(onNoData="Rollback", **{"for": "5m"})])
    world.run(minutes(10))
    world.failing["errors"] = (Outcome.UNREACHABLE, "connection refused")
    world.run(minutes(4.5))
    assert world.percent == 10
    world.run(minutes(0.5))
    assert world.percent == 0


def test_unreachable_provider_only_holds_by_default() -> None:
    """A trigger without data holds."""
    world = watched(steady(0.0))
    world.run(minutes(10))
    world.failing["errors"] = (Outcome.UNREACHABLE, "connection refused")
    world.pass_by(hours(10), seen=minutes(30))
    assert (world.percent, world.status.phase) == (10, "Holding")


def test_one_outage_is_one_rollback() -> None:
    """Settling holds for a provider that cannot be reached, too: it does not cascade at once."""
    triggers = [a_trigger(onNoData="Rollback", settle="30m", **{"for": "1m"})]
    world = at_fifty(steady(0.0), triggers=triggers)
    world.failing["errors"] = (Outcome.UNREACHABLE, "connection refused")
    world.run_until(25, minutes(5))
    world.run(minutes(30))
    assert (world.percent, world.trigger("errors")) == (25, "NoData")
    world.run(minutes(2))
    assert world.percent == 10


def test_no_answer_yet_never_rolls_back() -> None:
    """Before Start there is nothing to be silent about."""
    world = watched(steady(0.0), triggers=[a_trigger(onNoData="Rollback")], paused=True)
    world.failing["errors"] = (Outcome.UNREACHABLE, "connection refused")
    world.run(minutes(10))
    assert (world.percent, world.status.pending) == (None, None)


def test_one_breach_does_not_cascade() -> None:
    """Data of before the rollback are not judged: commit, settle, and the query's longest range."""
    world = at_fifty(bad_from(minutes(10)))
    world.metrics["errors"] = lambda at: 0.9 if minutes(10) <= at - START <= minutes(16) else 0.0
    world.ranges["errors"] = minutes(5)
    world.run_until(25, minutes(11))
    rolled_back = world.percents[-1][0]
    world.run(rolled_back + minutes(7) - world.now - seconds(1))
    assert world.trigger("errors") == "Settling"
    assert world.condition("TriggersQuiet") == ("False", "TriggerSettling")
    world.run(hours(1))
    assert (world.percent, world.trigger("errors")) == (25, "Quiet")


def test_breach_that_goes_on_after_settling_is_another_rollback() -> None:
    """The lower percentage is bad as well."""
    world = at_fifty(bad_from(minutes(10)))
    world.run(hours(1))
    moments = [(at - START, percent) for at, percent in world.percents[2:]]
    assert [percent for _, percent in moments] == [50, 25, 10, 0]
    assert all(b[0] - a[0] >= minutes(2) for a, b in itertools.pairwise(moments))


def test_lower_absolute_target_acts_at_once_after_a_rollback() -> None:
    """It was meant to go further down anyway."""
    triggers = [
        a_trigger("errors"),
        a_trigger("many-errors", metric="errors", above="0.7", to="Zero", **{"for": "1m"}),
    ]
    world = at_fifty(bad_from(minutes(10)), triggers=triggers)
    world.run_until(25, minutes(10))
    assert world.run_until(0, minutes(10)) <= minutes(1.5)


def test_hold_trigger_keeps_the_percentage_and_resets_the_soak() -> None:
    """Hold, firing: percent stays, soak by onBreach, ends with quiet."""
    world = watched(
        lambda at: 0.9 if at - START == hours(1) else 0.0,
        triggers=[a_trigger(action="Hold")],
        hold={"soak": "2h"},
        steps=steps_of(10, 100),
    )
    world.run(hours(1))
    assert (world.percent, world.condition("TriggersQuiet")) == (10, ("False", "TriggerFiring"))
    world.run(hours(2))
    assert (world.percent, world.condition("TriggersQuiet")) == (10, ("True", "Quiet"))
    world.run(minutes(1))
    assert world.percent == 100


def test_hold_trigger_with_on_breach_pause_only_pauses() -> None:
    """Five minutes of breach cost five minutes and the points beside them."""
    world = watched(
        lambda at: 0.9 if hours(1) <= at - START <= hours(1) + minutes(5) else 0.0,
        triggers=[a_trigger(action="Hold")],
        hold={"soak": "2h", "onBreach": "Pause"},
        steps=steps_of(10, 100),
    )
    world.run(hours(2) + minutes(5))
    assert world.percent == 10
    world.run(minutes(1.5))
    assert world.percent == 100


def test_degrade_trigger_warns_keeps_the_percentage_and_never_resets() -> None:
    """Degrade, firing: soak pauses whatever onBreach says, GOs stay."""
    world = watched(
        lambda at: 0.9 if hours(1) <= at - START <= hours(1) + minutes(5) else 0.0,
        triggers=[a_trigger(action="Degrade")],
        hold={"soak": "2h"},
        steps=steps_of(10, 100),
        approvals={"opens": "Step", "roles": [a_role("security", "h")]},
    )
    world.run(minutes(30))
    world.sign("memory-sync-100-security", "h")
    world.run(minutes(32))
    assert (world.percent, world.trigger("errors")) == (10, "Firing")
    assert [a.reason for a in world.announcements if a.warning] == ["TriggerFiring"]
    world.run(hours(2) + minutes(6.5) - (world.now - START))
    assert (world.percent, world.states()) == (100, {"memory-sync-100-security": "Used"})


def test_pending_trigger_pauses_and_never_resets() -> None:
    """Pending: percent stays, GOs stay, ends with quiet."""
    world = watched(
        lambda at: 0.9 if hours(1) <= at - START < hours(1) + minutes(3) else 0.0,
        triggers=[a_trigger(action="Hold", **{"for": "5m"})],
        hold={"soak": "2h"},
        steps=steps_of(10, 100),
        approvals={"opens": "Step", "roles": [a_role("security", "h")]},
    )
    world.settle()
    world.sign("memory-sync-100-security", "h")
    world.run(hours(1) + minutes(2))
    assert world.trigger("errors") == "Pending"
    world.run(hours(1) + minutes(2.5))
    assert world.percent == 100


def test_missing_data_pause_and_never_reset() -> None:
    """No data (Hold): percent stays, soak pauses, GOs stay, ends with data."""
    world = watched(
        lambda at: None if hours(1) <= at - START < hours(1) + minutes(30) else 0.0,
        triggers=[a_trigger(action="Hold")],
        hold={"soak": "2h"},
        steps=steps_of(10, 100),
    )
    world.run(hours(2) + minutes(30))
    assert world.percent == 10
    world.run(minutes(1))
    assert world.percent == 100


@pytest.mark.parametrize(
    ("action", "voids"), [("Hold", True), ("Rollback", True), ("Degrade", False)]
)
def test_hold_and_rollback_void_earlier_gos_and_degrade_does_not(action: str, voids: bool) -> None:
    """Of approvals and of checkpoints alike."""
    world = watched(
        lambda at: 0.9 if at - START == minutes(30) else 0.0,
        triggers=[a_trigger(action=action, to=10)],
        hold={"soak": "2h", "checkpoints": [a_checkpoint("report", "r")]},
        steps=steps_of(10, 50, 100),
        approvals={"opens": "Step", "roles": [a_role("security", "h")]},
    )
    if action == "Rollback":
        world.edit(steps=steps_of(50, 100))
        world = watched(
            lambda at: 0.9 if at - START == minutes(30) else 0.0,
            triggers=[a_trigger(to="Zero")],
            hold={"soak": "2h", "checkpoints": [a_checkpoint("report", "r")]},
            steps=steps_of(50, 100),
            approvals={"opens": "Step", "roles": [a_role("security", "h")]},
        )
    world.settle()
    for name in (*world.checkpoints, *world.approvals):
        world.sign(name, world.states()[name] and ("r" if name.endswith("report") else "h"))
    world.run(minutes(31))
    first_round = {name: s for name, s in world.states().items() if not name.endswith("-r2")}
    expected = "Void" if voids else "Go"
    assert set(first_round.values()) == {expected}


def test_go_given_while_a_hold_trigger_fires_is_void_at_once() -> None:
    """The trigger fires after it was given as well."""
    world = watched(
        lambda at: 0.9 if minutes(30) <= at - START <= minutes(40) else 0.0,
        triggers=[a_trigger(action="Hold")],
        hold={"soak": "0s"},
        steps=steps_of(10, 100),
        gates=[a_gate("never", metric="errors", atMost="-1")],
        approvals={"opens": "Step", "roles": [a_role("security", "h")]},
    )
    world.run(minutes(35))
    (name,) = [n for n, state in world.states().items() if state == "Pending"]
    world.sign(name, "h")
    world.settle()
    assert world.states()[name] == "Void"
    assert world.approvals[name].status.void_reason == "a trigger fired since it was given"


def test_triggers_are_enforced_while_waiting_for_people() -> None:
    """flagger #1801: a failed check must not be ignored at a manual gate."""
    world = watched(
        bad_from(hours(2)),
        hold={"soak": "1h"},
        approvals={"roles": [a_role("security", "h")]},
    )
    world.run(hours(1.5))
    assert world.status.phase == "AwaitingApproval"
    world.run(hours(0.5))
    assert world.percent == 0


def test_triggers_are_enforced_while_paused_and_halted() -> None:
    """Both stop everything but rollback."""
    world = watched(bad_from(hours(1)))
    world.settle()
    world.edit(paused=True)
    world.stop()
    world.run(hours(1))
    assert (world.percent, world.status.phase) == (0, "RolledBack")


@pytest.mark.parametrize("value", [None, float("nan")])
def test_at_zero_missing_data_neither_hold_fire_nor_stop_soak(value: float | None) -> None:
    """At 0% nobody is in."""
    world = World(
        a_rollout(
            steps=steps_of(0, 10, 100, first={"soak": "1h"}),
            metrics=[a_metric()],
            triggers=[a_trigger(onNoData="Rollback", **{"for": "5m"})],
            gates=[a_gate()],
        ),
        metrics={"errors": steady(value)},
    )
    world.run(minutes(59.5))
    assert (world.percent, world.trigger("errors")) == (0, "Quiet")
    world.metrics["errors"] = from_time(START + hours(1) + seconds(1), value, 0.0)
    world.run(minutes(0.5))
    assert world.percents[-1] == (START + hours(1), 10)


def test_at_zero_a_breach_still_counts() -> None:
    """Data that are there are judged."""
    world = World(
        a_rollout(
            steps=steps_of(0, 10, 100, first={"soak": "10m"}),
            metrics=[a_metric()],
            triggers=[a_trigger()],
        ),
        metrics={"errors": steady(0.0)},
    )
    world.run(minutes(5))
    world.metrics["errors"] = bad_from(minutes(5))
    world.run(hours(1))
    assert (world.percent, world.status.phase) == (0, "Holding")


@pytest.mark.parametrize("outcome", [Outcome.UNREACHABLE, Outcome.MANY_SERIES, Outcome.STALE])
def test_at_zero_a_provider_that_can_not_be_used_holds(outcome: Outcome) -> None:
    """That is no missing traffic."""
    world = World(
        a_rollout(
            steps=steps_of(0, 10, 100),
            metrics=[a_metric()],
            triggers=[a_trigger()],
        ),
        failing={"errors": (outcome, "why")},
    )
    world.run(minutes(5))
    assert (world.percent, world.trigger("errors")) == (0, "NoData")


def test_at_zero_a_gate_that_the_step_names_needs_data() -> None:
    """It was asked for by name; no data never passes."""
    world = World(
        a_rollout(
            steps=steps_of(0, 10, 100, first={"gates": ["errors"]}),
            metrics=[a_metric()],
            gates=[a_gate()],
        ),
        metrics={"errors": steady(None)},
    )
    world.run(minutes(5))
    assert (world.percent, world.condition("GatesHealthy")) == (0, ("Unknown", "NoData"))


def test_trigger_below_its_bound_fires() -> None:
    """`below: 1` is a health check."""
    world = watched(from_time(START + minutes(5), 1.0, 0.0), triggers=[a_trigger(below=1)])
    world.run(minutes(5))
    assert (world.percent, world.status.history[-1].message) == (
        0,
        "trigger errors: errors is 0, below 1",
    )


@pytest.mark.parametrize(("bound", "value"), [({"above": "0.5"}, 0.5), ({"below": 1}, 1.0)])
def test_value_on_the_bound_does_not_breach(bound: dict[str, Any], value: float) -> None:
    """Above and below are strict."""
    world = watched(steady(value), triggers=[{"name": "errors", **bound}])
    world.run(minutes(5))
    assert (world.percent, world.trigger("errors")) == (10, "Quiet")


def test_since_of_a_trigger_moves_only_with_its_state() -> None:
    """So that one sees how long it has been so."""
    world = watched(bad_from(minutes(10)), triggers=[a_trigger(action="Degrade")])
    world.run(minutes(20))
    (entry,) = world.status.triggers
    assert (entry.state, entry.since, entry.value) == ("Firing", START + minutes(10), "0.9")


def test_right_after_a_commit_there_is_no_point_of_the_step_yet() -> None:
    """The newest point of the grid is of before: neither quiet nor firing, and nothing is wrong."""
    world = watched(steady(0.0))
    world.now = START + seconds(7)
    world.settle()
    assert (world.trigger("errors"), world.message("TriggersQuiet")) == (
        "Settling",
        "trigger errors: errors: no sample from this step yet",
    )
    assert (world.status.phase, world.status.waiting_on) == ("Soaking", "soak 48h1m left")
    world.now = START + seconds(30)
    world.run(seconds(0))
    world.now = START + seconds(40)
    world.settle()
    assert world.trigger("errors") == "Quiet"


def test_two_triggers_are_worst_first_in_the_condition() -> None:
    """Firing before Pending before NoData."""
    world = World(
        a_rollout(
            metrics=[a_metric("a"), a_metric("b"), a_metric("c"), a_metric("d")],
            triggers=[
                a_trigger("a", action="Degrade"),
                a_trigger("b", action="Degrade"),
                a_trigger("c", action="Degrade", **{"for": "1h"}),
                a_trigger("d", action="Degrade"),
            ],
        ),
        metrics={"a": steady(0.0), "b": steady(None), "c": steady(0.0), "d": steady(0.0)},
    )
    world.settle()
    world.metrics["c"] = from_time(START + seconds(1), 0.0, 0.9)
    world.metrics["d"] = steady(0.9)
    world.run(minutes(1))
    assert world.blockers() == [
        ("TriggersQuiet", "TriggerFiring"),
        ("TriggersQuiet", "TriggerPending"),
        ("TriggersQuiet", "TriggerNoData"),
    ]
