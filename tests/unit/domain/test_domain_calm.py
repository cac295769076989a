"""Calm: which answers need no look, and which do."""

import math
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest

from surefoot.domain.calm import LONGEST, stays_calm
from surefoot.domain.facts.clock import SkippedTime
from surefoot.domain.facts.measurements import Measurement, Outcome, QueryFacts, Sample
from surefoot.domain.facts.snapshot import Admission, FlagFacts, Snapshot
from surefoot.domain.plan import Calm
from tests.support.world import (
    START,
    World,
    a_gate,
    a_metric,
    a_rollout,
    a_trigger,
    minutes,
    seconds,
    steady,
    steps_of,
)

QUESTION = "errors for 0s"
INTERVAL = seconds(2)


def soaking(value: float | None = 0.05, **changes: Any) -> World:
    """A Rollout that has soaked at 10% for a while, with an answer every two seconds."""
    spec: dict[str, Any] = {
        "steps": steps_of(10, 100, first={"soak": "1h"}),
        "metrics": [a_metric()],
        "triggers": [a_trigger()],
    }
    metrics = {"errors": steady(value)}
    world = World(a_rollout(**spec | changes), interval=INTERVAL, metrics=metrics)
    world.run(minutes(1))
    return world


def calm_of(world: World) -> Calm | None:
    return world.settle().calm


def with_the_next_answer(world: World) -> Snapshot:
    world.now += world.interval
    return world.snapshot()


def test_answers_within_the_bounds_need_no_look() -> None:
    """Whatever their values are, as long as the trigger is quiet and the gate holds."""
    world = soaking(gates=[a_gate()])
    calm = calm_of(world)
    assert calm is not None
    world.metrics["errors"] = lambda at: 0.04 if at.second % 4 else 0.1
    assert stays_calm(calm, with_the_next_answer(world), world.now)


def test_part_of_the_answers_is_enough() -> None:
    """One answer is judged as it comes; the others count for as long as they are not stale."""
    world = soaking(
        metrics=[a_metric(), a_metric("cost")], triggers=[a_trigger(), a_trigger("cost")]
    )
    world.metrics["cost"] = steady(0.0)
    world.run(minutes(1))
    calm = calm_of(world)
    assert calm is not None
    facts = with_the_next_answer(world)
    one = replace(facts, measurements={QUESTION: facts.measurements[QUESTION]})
    assert stays_calm(calm, one, world.now)


def _retold(
    facts: FlagFacts, change: Callable[[tuple[Sample, ...]], tuple[Sample, ...]]
) -> FlagFacts:
    measurements = {
        question: replace(answer, samples=change(answer.samples))
        for question, answer in facts.measurements.items()
    }
    return replace(facts, measurements=measurements)


def _answered(facts: FlagFacts, **changes: Any) -> FlagFacts:
    measurements: dict[str, Measurement] = {
        question: replace(answer, **changes) for question, answer in facts.measurements.items()
    }
    return replace(facts, measurements=measurements)


def _with_point(place: int, value: float) -> Callable[[FlagFacts], FlagFacts]:
    def change(samples: tuple[Sample, ...]) -> tuple[Sample, ...]:
        told = list(samples)
        told[place] = Sample(told[place].at, value)
        return tuple(told)

    return lambda facts: _retold(facts, change)


DISTURBED: dict[str, Callable[[FlagFacts], FlagFacts]] = {
    "the newest point breaches": _with_point(-1, 0.9),
    "an older point breaches": _with_point(-3, 0.9),
    "the newest point is beyond the gate's bound": _with_point(-1, 0.2),
    "a point is not a number": _with_point(-2, math.nan),
    "a point is infinite": _with_point(-2, -math.inf),
    "a point is missing": lambda facts: _retold(facts, lambda told: (*told[:-2], told[-1])),
    "the newest point is missing": lambda facts: _retold(facts, lambda told: told[:-1]),
    "there is no data": lambda facts: _answered(facts, outcome=Outcome.NO_DATA, samples=()),
    "the provider is down": lambda facts: _answered(facts, outcome=Outcome.UNREACHABLE),
    "the answer is old": lambda facts: _answered(
        facts, end=facts.measurements[QUESTION].end - 4 * INTERVAL
    ),
    "the samples are old": lambda facts: _answered(
        facts, fresh_until=facts.measurements[QUESTION].end - INTERVAL
    ),
    "the answer does not reach back far enough": lambda facts: _answered(
        facts,
        start=facts.measurements[QUESTION].end,
        samples=facts.measurements[QUESTION].samples[-1:],
    ),
    "a question is new": lambda facts: replace(
        facts, measurements={"latency": facts.measurements[QUESTION]}
    ),
    "the clock is not trusted": lambda facts: replace(facts, clock_disagreement="by an hour"),
    "time was skipped": lambda facts: replace(facts, skipped=(SkippedTime(START, START),)),
    "admission is not known": lambda facts: replace(facts, admission=Admission.UNKNOWN),
    "the status is due at another pace": lambda facts: replace(facts, status_refresh=seconds(3)),
    "a provider is gone": lambda facts: replace(facts, providers=frozenset()),
    "a query is known to be wrong": lambda facts: replace(
        facts, queries={"errors": QueryFacts(fault="it does not parse")}
    ),
    "the interval is another": lambda facts: replace(facts, evaluation_interval=seconds(3)),
    "the Rollout has changed": lambda facts: replace(
        facts,
        rollout=facts.rollout.model_copy(
            update={
                "metadata": facts.rollout.metadata.model_copy(update={"resource_version": "999"})
            }
        ),
    ),
}


def test_every_fact_is_compared_or_told_of_otherwise() -> None:
    """A fact that is added one day needs a look, unless something else sees to it.

    A watch tells of the ConfigMap, calm needs every answer, and doubt about the time lets
    nothing move.
    """
    calm = calm_of(soaking())
    assert calm is not None
    told_otherwise = {"config_map", "unanswered_since", "clock_uncertainty"}
    judged = {"rollout", "measurements"}
    uid_and_version = 2
    compared = len(fields(FlagFacts)) - len(told_otherwise | judged) + uid_and_version
    assert len(calm.ground) == compared


@pytest.mark.parametrize("case", DISTURBED)
def test_anything_else_needs_a_look(case: str) -> None:
    """Every deviation from what the last judgement stood on is looked at."""
    world = soaking(gates=[a_gate()])
    calm = calm_of(world)
    assert calm is not None
    facts = with_the_next_answer(world)
    assert stays_calm(calm, facts, world.now)
    assert not stays_calm(calm, DISTURBED[case](facts), world.now)


def test_trigger_that_cannot_be_judged_needs_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its judging fails with; and every trigger on an answer is judged."""
    world = soaking()
    calm = calm_of(world)
    assert calm is not None
    judged = []

    def fails(_facts: Any, _status: Any, trigger: Any, _now: Any) -> Any:
        judged.append(trigger.name)
        raise RuntimeError("a defect")

    monkeypatch.setattr("surefoot.domain.calm.judge_trigger", fails)
    assert not stays_calm(calm, with_the_next_answer(world), world.now)
    assert judged == ["errors"]


def test_soak_ends_it() -> None:
    """The first answer that may say that the soak is over is looked at, however soon it comes."""
    world = soaking(steps=steps_of(10, 100, first={"soak": "90s"}))
    world.now += seconds(1.5)  # the newest answer is older than that
    calm = calm_of(world)
    assert calm is not None
    assert world.status.since is not None
    assert calm.until == world.status.since + timedelta(seconds=90)


def test_rollout_is_looked_at_once_a_minute_all_the_same() -> None:
    """Whatever its answers are."""
    world = soaking()
    calm = calm_of(world)
    assert calm is not None
    assert calm.until == world.now + LONGEST


@pytest.mark.parametrize(
    "changes",
    [
        {"metrics": [], "triggers": []},
        {"gates": [a_gate(atMost="0.01")]},
        {"gates": [a_gate(**{"for": "30m"})]},
        {"triggers": [a_trigger(above="0.01", action="Hold")]},
        {"steps": steps_of(10, 100, first={"soak": "1h", "baseline": "30m"})},
        {"coverage": {"metric": "errors", "tolerance": "1"}},
    ],
    ids=["no metrics", "gate fails", "window not full", "holding", "baseline", "coverage"],
)
def test_what_time_or_any_answer_may_change_is_not_calm(changes: dict[str, Any]) -> None:
    """Nothing is left out that the next answer may decide."""
    world = soaking(**changes)
    assert world.settle().actions == ()
    assert calm_of(world) is None


def test_coverage_is_calm_within_its_tolerance() -> None:
    """And needs a look beyond it."""
    world = soaking(0.1, coverage={"metric": "errors", "tolerance": "2"})
    calm = calm_of(world)
    assert calm is not None
    world.metrics["errors"] = lambda at: 0.115 if at > world.now - seconds(3) else 0.1
    assert stays_calm(calm, with_the_next_answer(world), world.now)
    world.metrics["errors"] = lambda at: 0.125 if at > world.now - seconds(3) else 0.1
    assert not stays_calm(calm, with_the_next_answer(world), world.now)


def test_gate_that_only_the_scorecard_asks_for_must_keep_its_bound() -> None:
    """Its points are on the status, whatever the step needs to be left."""
    card = {"items": [{"name": "cost", "section": "Technical", "points": 100}]}
    world = soaking(
        steps=steps_of(10, 100, first={"soak": "1h", "gates": ["errors"]}),
        metrics=[a_metric(), a_metric("cost")],
        gates=[a_gate(), a_gate("cost", atMost="5")],
        scorecard=card,
    )
    world.metrics["cost"] = steady(1.0)
    world.run(minutes(1))
    calm = calm_of(world)
    assert calm is not None
    assert stays_calm(calm, with_the_next_answer(world), world.now)
    world.metrics["cost"] = lambda at: 6.0 if at > world.now - seconds(3) else 1.0
    assert not stays_calm(calm, with_the_next_answer(world), world.now)


def test_flag_that_has_not_started_is_never_calm() -> None:
    """Its ConfigMap may be anybody's, and no event tells of it."""
    rollout = a_rollout(metrics=[a_metric()], triggers=[a_trigger()])
    world = World(rollout, interval=INTERVAL, metrics={"errors": steady(0.0)})
    world.stop()
    world.run(minutes(1))
    assert world.status.committed is None
    assert calm_of(world) is None
