"""Baselines: recorded at a step from samples that were there, compared with at later ones."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from surefoot.domain.derive.baseline import MOST_BASELINES, measured_as
from surefoot.domain.facts.measurements import Outcome
from surefoot.domain.metric_queries import metric_queries
from tests.support.world import (
    START,
    Metric,
    World,
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

COST: dict[str, Any] = {"metrics": [a_metric("cost")]}
RELATIVE = {"name": "cost", "atMost": "200%", "relativeTo": "Baseline"}


def running(cost: Metric, first: dict[str, Any] | None = None, **spec: Any) -> World:
    """A rollout at 10% that records the cost of its first hour there, unless told otherwise."""
    steps = steps_of(10, 25, 50, 100, first=first or {"baseline": "1h"})
    world = World(a_rollout(**{"steps": steps} | COST | spec))
    world.metrics["cost"] = cost
    world.settle()
    return world


def wave(at: datetime) -> float:
    """0.01, 0.02, 0.03, and again, a value every 30 seconds."""
    return 0.01 * (1 + (at - START) // seconds(30) % 3)


def absent(begin: timedelta, end: timedelta, value: float = 0.01) -> Metric:
    """A metric without samples for some time."""
    return lambda at: None if START + begin < at <= START + end else value


def said(world: World, kind: str) -> str:
    """What a condition says at this moment, whether or not it is due to be written."""
    return next(c.message for c in world.decide().status.conditions if c.type == kind)


# Recording.


def test_baseline_holds_the_step_until_there_were_samples_for_as_long() -> None:
    """Then it is recorded, and the step may be left."""
    world = running(wave)
    world.run(minutes(59))
    assert (world.percent, world.condition("BaselineRecorded")) == (10, ("False", "TooFewSamples"))
    world.run(minutes(1))
    assert world.percent == 100
    (entry,) = world.status.baselines
    assert entry.to_wire() | {"query": ""} == {
        "percent": 10,
        "metric": "cost",
        "count": 120,
        "coverage": "100%",
        "median": "0.02",
        "p95": "0.03",
        "stddev": "0.00816496580927726",
        "present": "1h0m0s",
        "query": "",
        "recordedAt": "2025-10-23T23:00:00.000000Z",
    }


def test_too_few_samples_are_said_with_numbers() -> None:
    """Time in which there was none does not count, and is named."""
    world = running(absent(minutes(10), minutes(50)))
    world.run(minutes(40))
    assert said(world, "BaselineRecorded") == (
        "baseline of cost: 10m0s of 1h had samples (20 of 80 points; "
        "now: no value at the newest point)"
    )
    assert (world.status.phase, world.status.baselines) == ("Soaking", ())
    assert world.status.waiting_on.startswith("baseline of cost: 10m0s of 1h had samples")
    assert world.run_until(100, hours(2)) == minutes(60)
    assert (world.status.baselines[0].count, world.status.baselines[0].coverage) == (120, "60%")


def test_every_metric_of_the_plan_is_recorded_whether_or_not_a_gate_uses_it() -> None:
    """What a step cost is on the record; the step waits for the last of them."""
    world = running(steady(3), metrics=[a_metric("cost"), a_metric("hits")])
    world.metrics["hits"] = absent(minutes(0), minutes(30), 0.9)
    world.run(minutes(89))
    assert (world.percent, world.status.baselines) == (10, ())
    world.run(minutes(1))
    assert [(b.metric, b.median) for b in world.status.baselines] == [
        ("cost", "3"),
        ("hits", "0.9"),
    ]


def test_advance_has_the_baselines_of_the_step_it_left_as_evidence() -> None:
    """So what the step cost stays on the record."""
    world = running(steady(0.02))
    world.run(hours(1))
    advance = next(entry for entry in world.status.history if entry.to == 25)
    assert [(b.percent, b.metric, b.median) for b in advance.evidence.baselines] == [
        (10, "cost", "0.02")
    ]
    assert "BaselineRecorded=Recorded" in advance.evidence.conditions
    assert "medians at 10%: cost 0.02 (120 samples)" in advance.message


def test_metrics_that_lack_the_same_are_named_together() -> None:
    """A line for each of eleven metrics says no more than one for all."""
    world = running(steady(3), metrics=[a_metric("cost"), a_metric("hits")])
    world.metrics["hits"] = steady(0.9)
    world.run(minutes(10))
    assert said(world, "BaselineRecorded") == (
        "baseline of cost, hits: 10m0s of 1h had samples (20 of 20 points)"
    )


def test_value_that_is_no_number_is_no_sample() -> None:
    """NaN and the infinities are answers that say nothing."""
    world = running(steady(float("inf")))
    world.run(hours(3))
    assert (world.percent, world.status.baselines) == (10, ())


def test_provider_that_can_not_be_reached_is_named() -> None:
    """Without any sample nothing is recorded."""
    world = running(steady(1))
    world.failing["cost"] = (Outcome.UNREACHABLE, "connection refused")
    world.run(hours(2))
    assert said(world, "BaselineRecorded") == (
        "baseline of cost: 0s of 1h had samples (0 of 240 points; now: connection refused)"
    )


def test_warm_up_is_no_part_of_a_baseline() -> None:
    """A cold cache is nothing to compare with."""
    world = running(
        from_time(START + minutes(31), 9.0, 1.0), first={"baseline": "1h", "warmUp": "30m"}
    )
    assert world.run_until(100, hours(3)) == minutes(90)
    assert (world.status.baselines[0].median, world.status.baselines[0].count) == ("1", 120)


def test_baseline_is_never_short_by_the_time_before_the_first_point() -> None:
    """A point speaks for the time up to it, but not for that of before the step."""
    world = World(a_rollout(steps=steps_of(10, 100, first={"baseline": "1h"}), **COST))
    world.metrics["cost"] = steady(1)
    world.now += seconds(17)
    assert world.run_until(100, hours(2)) >= hours(1)


def test_restart_neither_loses_nor_changes_a_baseline() -> None:
    """Until it is recorded it is read back; then it stays."""
    world = running(wave, approvals={"roles": [a_role("lead", "cora")]})
    world.skip(hours(3))
    world.settle()
    recorded = world.status.baselines
    assert (recorded[0].count, recorded[0].present) == (360, "3h0m0s")
    world.metrics["cost"] = steady(7)
    world.skip(hours(3))
    world.run(hours(1))
    assert (world.percent, world.status.baselines) == (10, recorded)


@pytest.mark.parametrize("write", [1, 2, 3])
def test_crash_around_the_advance_keeps_the_baseline(write: int) -> None:
    """It is on the status with the intent at the latest."""
    world = running(wave)
    world.run(minutes(59))
    world.now += minutes(1)
    world.settle_until_crash(after=world.transition_writes + write)
    recorded = world.status.baselines
    assert [entry.percent for entry in recorded] == [10]
    world.metrics["cost"] = steady(7)
    world.settle()
    assert (world.percent, world.status.baselines) == (100, recorded)


def test_people_are_asked_once_the_baseline_is_recorded() -> None:
    """It is part of the hold that approvals open after."""
    world = running(wave, approvals={"roles": [a_role("lead", "cora")]})
    world.run(minutes(59))
    assert world.approvals == {}
    world.run(minutes(1))
    assert list(world.approvals) == ["memory-sync-25-lead"]


def test_earliest_advance_counts_the_baseline() -> None:
    """What is missing, from the newest point on."""
    world = running(steady(1))
    world.run(minutes(10))
    assert world.decide().status.earliest_advance == START + hours(1)


def test_soak_that_starts_anew_takes_the_unrecorded_baseline_with_it() -> None:
    """While a Hold trigger fires the samples are nothing to compare with."""
    world = running(
        steady(1),
        metrics=[a_metric("cost"), a_metric()],
        triggers=[a_trigger(action="Hold")],
    )
    world.metrics["errors"] = lambda at: 0.9 if at == START + minutes(30) else 0.0
    assert world.run_until(100, hours(3)) == minutes(90)


def test_plan_change_that_starts_the_soak_anew_starts_the_baseline_anew() -> None:
    """What was measured by other metrics is not compared with."""
    world = running(wave, approvals={"roles": [a_role("lead", "cora")]})
    world.run(hours(1))
    assert [entry.recorded_at for entry in world.status.baselines] == [START + hours(1)]
    world.edit(metrics=[a_metric("cost", query="sum(other)")])
    world.settle()
    assert world.condition("BaselineRecorded") == ("False", "TooFewSamples")
    world.run(hours(1))
    assert [entry.recorded_at for entry in world.status.baselines] == [START + hours(2)]


def test_longer_baseline_in_the_plan_is_recorded_anew() -> None:
    """What is on record was enough for the plan of then, not for that of now."""
    world = running(wave, approvals={"roles": [a_role("lead", "cora")]})
    world.run(hours(1))
    world.edit(steps=steps_of(10, 25, 50, 100, first={"baseline": "2h"}))
    world.run(minutes(59))
    assert world.condition("BaselineRecorded") == ("False", "TooFewSamples")
    world.run(minutes(1))
    assert [entry.present for entry in world.status.baselines] == ["2h0m0s"]


def test_attempt_that_is_raised_begins_all_baselines_anew() -> None:
    """Comparisons are within an attempt."""
    world = running(wave, approvals={"roles": [a_role("lead", "cora")]})
    world.run(hours(1))
    world.edit(attempt=1)
    world.settle()
    assert (world.status.baselines, world.condition("BaselineRecorded")[0]) == ((), "False")


def test_invalid_plan_records_nothing() -> None:
    """Nor does it take anything away."""
    world = running(wave)
    world.run(minutes(30))
    world.edit(gates=[a_gate("nothing")])
    world.run(hours(2))
    assert (world.status.baselines, world.percent) == ((), 10)
    world.edit(gates=None)
    world.settle()
    assert (world.status.baselines[0].present, world.percent) == ("2h30m0s", 100)


def test_status_takes_no_more_baselines_than_its_bound() -> None:
    """The first of each metric stays, for later steps are compared with it."""
    names = [f"m{number}" for number in range(10)]
    percents = [*range(1, 20), 100]
    world = World(
        a_rollout(
            steps=steps_of(*percents),
            hold={"baseline": "1m"},
            metrics=[a_metric(name) for name in names],
        )
    )
    world.metrics |= {name: steady(1) for name in names}
    world.run_until(100, hours(1))
    world.run(minutes(2))
    kept = world.status.baselines
    assert len(kept) == MOST_BASELINES
    assert {entry.metric for entry in kept if entry.percent == 1} == set(names)
    assert {entry.metric for entry in kept if entry.percent == 100} == set(names)


# What is asked.


def test_question_covers_the_whole_step_until_the_baseline_is_recorded() -> None:
    """In points that are as coarse as its length allows, and then no more."""
    world = running(wave, approvals={"roles": [a_role("lead", "cora")]})
    world.now += minutes(50)
    found = metric_queries(world.rollout, world.now, world.interval)[measured_as("cost")]
    assert (found.start, found.end, found.step) == (START, START + minutes(50), seconds(30))
    world.run(minutes(10))
    asked = metric_queries(world.rollout, world.now, world.interval)
    assert list(asked) == ["cost for 0s", "cost"]


@pytest.mark.parametrize(("length", "step"), [("10s", 2), ("1m", 15), ("6h", 30), ("7d", 840)])
def test_points_of_a_baseline_are_few_enough_to_be_answered_at_once(length: str, step: int) -> None:
    """And a short one does not hang on one or two of them."""
    world = running(wave, first={"baseline": length})
    world.now += seconds(1)
    asked = metric_queries(world.rollout, world.now, world.interval)[measured_as("cost")]
    assert asked.step == seconds(step)


def test_question_never_has_more_points_than_a_provider_answers() -> None:
    """Where samples are rare it looks back no further."""
    world = running(steady(None))
    world.now += hours(2000)
    asked = metric_queries(world.rollout, world.now, world.interval)[measured_as("cost")]
    assert (asked.end - asked.start) / asked.step == 10_000


def test_operator_that_has_just_started_waits_for_the_samples_of_a_baseline() -> None:
    """To say TooFewSamples meanwhile would be wrong."""
    world = running(wave)
    world.run(minutes(30))
    world.unanswered = {"cost"}
    assert world.decide().summary == "waits for the first metrics"


# Comparing.


def at_25(value: float, relative: dict[str, Any], **spec: Any) -> World:
    """A rollout that came to 25% at a cost of 0.02, and costs this there."""
    world = running(steady(0.02), gates=[relative], approvals=_APPROVED_AT_10, **spec)
    world.run(hours(1))
    world.sign("memory-sync-25-lead", "cora")
    world.settle()
    assert world.percent == 25
    world.metrics["cost"] = from_time(world.now + seconds(1), 0.02, value)
    world.now += minutes(2)
    world.settle()
    return world


_APPROVED_AT_10 = {"roles": [a_role("lead", "cora")], "maxAge": "30d"}


def test_relative_gate_is_not_required_at_the_step_that_records_the_first() -> None:
    """There is nothing to compare with, and that is as planned."""
    world = running(steady(0.02), gates=[RELATIVE])
    world.run(minutes(30))
    assert world.condition("GatesHealthy") == ("True", "NotRequired")
    assert world.message("GatesHealthy") == "cost: the first baseline is that of 10% itself"
    world.run(minutes(30))
    assert world.percent == 100


@pytest.mark.parametrize(
    ("value", "condition", "message"),
    [
        (0.04, ("True", "GatesHold"), "cost: 200%, at most 200% of the median 0.02 at 10%"),
        (
            0.05,
            ("False", "GateFails"),
            "gate cost: 250%, must be at most 200% of the median 0.02 at 10%",
        ),
    ],
)
def test_relative_gate_compares_with_the_first_baseline(
    value: float, condition: tuple[str, str], message: str
) -> None:
    """Its bounds are factors of the median."""
    world = at_25(value, RELATIVE)
    assert (world.condition("GatesHealthy"), said(world, "GatesHealthy")) == (condition, message)


def test_evidence_of_a_relative_gate_says_what_it_was_compared_with() -> None:
    """With the values as they were measured."""
    world = at_25(0.04, RELATIVE)
    world.sign("memory-sync-50-lead", "cora")
    world.settle()
    advance = next(entry for entry in world.status.history if entry.to == 50)
    (window,) = (w for w in advance.evidence.windows if w.used_by == "gate cost")
    assert (window.last, window.compared_with) == ("0.04", "the median 0.02 at 10%")


def test_group_counts_relative_conditions() -> None:
    """Each with its own comparison."""
    group = {"name": "g", "passing": 1, "of": [RELATIVE, {"name": "cost-low", "metric": "cost"}]}
    group["of"][1] |= {"atMost": "0.03"}  # type: ignore[index]
    assert at_25(0.04, group).condition("GatesHealthy") == ("True", "GatesHold")
    assert at_25(0.05, group).condition("GatesHealthy") == ("False", "GateFails")


@pytest.mark.parametrize(("relative_to", "percent"), [("Baseline", 10), ("PreviousStep", 25)])
def test_relative_gate_compares_with_the_first_or_with_the_step_before(
    relative_to: str, percent: int
) -> None:
    """Each of the steps records one; a step is never compared with itself."""
    world = running(
        lambda at: 0.01 * 2 ** ((at - START - seconds(1)) // hours(1)),
        hold={"baseline": "1h"},
        gates=[RELATIVE | {"relativeTo": relative_to, "atMost": "300%"}],
    )
    world.run(hours(2) + minutes(10))
    assert [entry.percent for entry in world.status.baselines] == [10, 25]
    assert world.percent == 50
    assert world.decide().status.conditions[9].message.endswith(f"at {percent}%")


@pytest.mark.parametrize("first", [{"baseline": "0s"}, {"soak": "1m"}])
def test_missing_baseline_is_invalid(first: dict[str, Any]) -> None:
    """Nothing passes, and it is said what to do."""
    world = running(steady(1), first=first, gates=[RELATIVE])
    world.run(hours(1))
    assert (world.percent, world.condition("GatesHealthy")) == (10, ("False", "Invalid"))
    assert world.message("GatesHealthy") == (
        "gate cost: no baseline of cost is recorded in this attempt; give 10%, or a step before "
        "it, a hold.baseline"
    )


@pytest.mark.parametrize("value", [0.0, -1.0, 1.7e308])
def test_baseline_that_nothing_is_a_multiple_of_is_invalid(value: float) -> None:
    """Zero, or less."""
    world = running(steady(value), gates=[RELATIVE])
    world.run(hours(2))
    assert (world.percent, world.condition("GatesHealthy")) == (25, ("False", "Invalid"))


def test_baseline_of_another_query_is_not_compared_with() -> None:
    """Under the same name it may be in another unit."""
    world = at_25(0.04, RELATIVE)
    world.edit(metrics=[a_metric("cost", query="sum(cents)")])
    world.settle()
    assert world.condition("GatesHealthy") == ("False", "Invalid")


SPIKE = {"name": "spike", "metric": "cost", "above": "200%", "relativeTo": "Baseline", "for": "1m"}


def spiking(value: float, **changes: Any) -> World:
    """A rollout at 25% with a trigger on the ratio to the baseline, at a cost of this."""
    return at_25(value, a_gate("cost", atMost=99), triggers=[a_trigger(**SPIKE | changes)])


def test_cost_spike_against_the_baseline_rolls_back() -> None:
    """At 25% it costs more than twice of what it cost at 10%."""
    world = spiking(0.05)
    world.run(minutes(2))
    assert (world.percent, world.status.rolled_back) == (10, True)
    assert "cost is 250%, above 200% of the median 0.02 at 10% for 1m" in (
        world.status.history[-1].message
    )


def test_cost_within_the_factor_is_quiet() -> None:
    """Twice as much is not more than twice as much."""
    world = spiking(0.04)
    world.run(minutes(5))
    assert (world.percent, world.trigger("spike")) == (25, "Quiet")


def test_relative_trigger_does_not_stop_the_soak_of_the_step_that_records_the_first() -> None:
    """It is not required there, with or without data."""
    world = running(
        steady(0.02),
        first={"baseline": "1h", "soak": "1h"},
        triggers=[a_trigger(**SPIKE)],
        approvals=_APPROVED_AT_10,
    )
    world.run(minutes(59))
    assert world.condition("TriggersQuiet")[0] == "True"
    world.run(minutes(1))
    assert list(world.approvals) == ["memory-sync-25-lead"]


@pytest.mark.parametrize("on_no_data", ["Hold", "Rollback"])
def test_trigger_without_a_baseline_holds_and_never_rolls_back(on_no_data: str) -> None:
    """No data were lost: a person has to mend the plan."""
    world = running(
        steady(1), first={"soak": "10m"}, triggers=[a_trigger(**SPIKE, onNoData=on_no_data)]
    )
    world.run(hours(2))
    assert (world.percent, world.status.rolled_back, world.trigger("spike")) == (
        10,
        False,
        "NoData",
    )
    assert ("TriggersQuiet", "TriggerNoData") in world.blockers()


def test_first_step_of_zero_is_not_held_by_what_has_no_baseline_yet() -> None:
    """Nobody is in: there is nothing to compare."""
    world = running(
        steady(None),
        steps=[{"percent": 0}, {"percent": 10}, {"percent": 100}],
        triggers=[a_trigger(**SPIKE)],
    )
    assert world.percent == 10
