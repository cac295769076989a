"""When a status is written, and that it can be."""

from collections.abc import Callable
from typing import Any

from surefoot.domain.plan import WriteStatus
from tests.support.world import (
    START,
    World,
    a_gate,
    a_metric,
    a_role,
    a_rollout,
    a_trigger,
    hours,
    minutes,
    seconds,
    steady,
)


def flapping(period: float) -> Any:
    """A metric that breaches every other period, in seconds."""
    return lambda at: 0.9 if at > START and int((at - START) / seconds(period)) % 2 else 0.0


def resting(**spec: Any) -> World:
    """A rollout that soaks for days."""
    world = World(
        a_rollout(
            **{
                "hold": {"soak": "90h"},
                "metrics": [a_metric()],
                "gates": [a_gate(atMost=1)],
                "triggers": [a_trigger(action="Degrade")],
                "approvals": {"roles": [a_role("security", "h")]},
            }
            | spec
        ),
        metrics={"errors": steady(0.0)},
    )
    world.settle()
    return world


def test_idle_rollout_writes_once_per_status_refresh() -> None:
    """At most one write in ten minutes."""
    world = resting()
    world.run(minutes(1))
    before = world.status_writes
    world.run(hours(1))
    assert world.status_writes - before == 6


def test_values_alone_are_not_written() -> None:
    """They are in the metrics of the operator."""
    world = resting()
    world.run(minutes(1))
    world.metrics["errors"] = lambda at: (at - START) / hours(1000)
    before = world.status_writes
    world.run(minutes(8))
    assert world.status_writes == before


def test_change_that_a_person_waits_for_is_written_at_once() -> None:
    """A pause, a signature, a halt, a plan."""
    world = resting()
    acts: list[Callable[[], None]] = [
        lambda: world.edit(paused=True),
        world.stop,
        lambda: world.edit(paused=None),
        lambda: world.edit(hold={"soak": "80h"}),
        lambda: world.annotate(requested_by="ada"),
        lambda: world.edit(attempt=1),
    ]
    for act in acts:
        act()
        before = world.status_writes
        world.settle()
        assert world.status_writes == before + 1


def test_first_breach_after_long_quiet_is_written_at_once() -> None:
    """A flapping one is slowed down, not the first."""
    world = resting()
    world.interval = seconds(1)
    world.run(minutes(2))
    world.metrics["errors"] = steady(0.9)
    world.run(seconds(1))
    assert world.trigger("errors") == "Firing"


def test_flapping_fact_is_written_at_most_every_ten_seconds() -> None:
    """And the plan wakes up to write what it held back."""
    world = resting()
    world.interval = seconds(1)
    world.run(minutes(1))
    world.metrics["errors"] = flapping(1)
    before = world.status_writes
    world.run(minutes(10))
    assert 30 <= world.status_writes - before <= 62


def test_fact_held_back_is_written_when_its_time_has_come() -> None:
    """`requeue_after` says when."""
    world = resting(gates=[])
    world.interval = seconds(1)
    world.run(minutes(1))
    world.metrics["errors"] = lambda at: 0.9 if at <= START + seconds(62) else 0.0
    world.run(seconds(2))
    assert world.trigger("errors") == "Firing"
    world.now += seconds(3)
    plan = world.settle()
    assert (world.trigger("errors"), plan.status.triggers[0].state) == ("Firing", "Quiet")
    assert plan.requeue_after <= seconds(1)
    world.run(seconds(7))
    assert world.trigger("errors") == "Quiet"


def test_write_that_was_lost_is_made_again() -> None:
    """Right after a commit everything is written again."""
    world = resting()
    status = world.status.model_copy(update={"observed_at": None})
    world.rollout = world.rollout.model_copy(update={"status": status})
    assert any(isinstance(action, WriteStatus) for action in world.decide().actions)


def test_plan_looks_again_at_the_next_evaluation_where_there_are_metrics() -> None:
    """And at the refresh where there are none."""
    assert resting().settle().requeue_after == seconds(30)
    plain = World(a_rollout(approvals={"roles": [a_role("security", "h")]}))
    assert plain.settle().requeue_after == minutes(10)


def test_announcements_come_with_the_write_that_tells_them() -> None:
    """A pass that writes nothing says nothing."""
    world = resting()
    world.metrics["errors"] = steady(0.9)
    world.run(minutes(30))
    assert [a.reason for a in world.announcements if a.about == "errors"] == ["TriggerFiring"]
    assert world.announcements[-1].message == "trigger errors: errors is 0.9, above 0.5"
