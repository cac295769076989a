"""The triggers that users are shown are valid, and each does what it says."""

from typing import Any

import pytest

from surefoot.adapters.prometheus.queries import read
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.domain.checks.table import plan_faults
from surefoot.domain.facts.snapshot import Snapshot
from tests.contract.manifests import example
from tests.support.world import World, a_rollout, from_time, hours, minutes, seconds, steady

HEALTHY = {
    "error-rate": 0.001,
    "latency-p95": 0.2,
    "test-pass-rate": 0.98,
    "redis-up": 1.0,
    "database-login-failures": 0.0,
    "accuracy": 0.7,
    "memory-used": 0.6,
    "memory-growth": 1_000_000.0,
    "cost": 2.0,
}


def plan() -> dict[str, Any]:
    """The spec of the example."""
    spec: dict[str, Any] = example("incident-triggers")["spec"]
    return spec


@pytest.mark.parametrize("name", ["incident-triggers", "minimal"])
def test_example_has_no_faults_and_its_queries_parse(name: str) -> None:
    """By the parser that the operator asks."""
    rollout = Rollout.model_validate(example(name))
    queries = {metric.name: read(metric.query).facts for metric in rollout.spec.metrics}
    assert plan_faults(Snapshot(rollout, queries=queries)) == ()


def test_growth_rate_looks_back_as_far_as_its_range() -> None:
    """So that after a rollback it settles for that long."""
    metric = next(m for m in plan()["metrics"] if m["name"] == "memory-growth")
    assert read(metric["query"]).facts.longest_range == minutes(30)


@pytest.fixture(scope="module")
def came_to_25() -> World:
    """The example with a shorter hold, at 25%, its first baseline recorded, all of it healthy."""
    hold = {"soak": "1h", "baseline": "30m"}
    world = World(a_rollout(**plan() | {"hold": hold}), interval=minutes(1))
    world.metrics |= {name: steady(value) for name, value in HEALTHY.items()}
    world.run_until(25, hours(2))
    world.run(minutes(31))
    return world


@pytest.fixture
def at_25(came_to_25: World) -> World:
    """A world of its own, from there on."""
    return came_to_25.fork()


@pytest.mark.parametrize(
    ("trigger", "metric", "value", "after", "percent"),
    [
        ("errors", "error-rate", 0.006, 5, 10),
        ("slow", "latency-p95", 0.31, 5, 10),
        ("tests", "test-pass-rate", 0.94, 0, 10),
        ("redis", "redis-up", 0.0, 1, 25),
        ("database-login", "database-login-failures", 1.0, 1, 0),
        ("wrong-answers", "accuracy", 0.49, 15, 10),
        ("memory", "memory-used", 0.86, 5, 10),
        ("cost-spike", "cost", 4.1, 10, 10),
        ("memory-leak", "memory-growth", 300_000_000.0, 30, 25),
    ],
)
def test_trigger_of_the_example_acts_on_its_breach(  # noqa: PLR0917 - a table's columns
    at_25: World, trigger: str, metric: str, value: float, after: int, percent: int
) -> None:
    """No sooner than its `for`: back by a step, to 0, or nowhere."""
    world, since = at_25, at_25.now
    assert world.status.baselines[0].percent == 10
    world.metrics[metric] = from_time(since + seconds(1), HEALTHY[metric], value)
    world.run(minutes(after))
    assert world.percent == 25
    world.run(minutes(1))
    assert world.percent == percent
    if percent < 25:
        assert world.status.history[-1].by == (f"trigger {trigger}",)
    else:
        assert world.trigger(trigger) == "Firing"


def test_degrade_pauses_the_soak_and_keeps_what_it_has(at_25: World) -> None:
    """While the cache is down nobody moves; when it is back the soak goes on."""
    world = at_25
    down, up, since = world.now, world.now + minutes(10), world.status.since
    assert since is not None
    world.metrics["redis-up"] = lambda at: 0.0 if down < at <= up else 1.0
    world.run(minutes(5))
    assert (world.percent, world.trigger("redis")) == (25, "Firing")
    world.run_until(50, hours(2))
    assert hours(1) + minutes(10) <= world.now - since <= hours(1) + minutes(12)
