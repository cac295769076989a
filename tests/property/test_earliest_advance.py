"""`status.earliestAdvance`: one moment for a whole hold, at which the step is then taken."""

from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.api.v1alpha1.durations import in_words
from tests.support.world import (
    START,
    World,
    a_checkpoint,
    a_gate,
    a_metric,
    a_rollout,
    a_trigger,
    from_time,
    minutes,
    seconds,
    steady,
    steps_of,
)

FREEZES = [{"name": "f", "from": "2025-10-23 22:20", "to": "2025-10-23 23:10"}]


@st.composite
def holds(draw: st.DrawFn) -> dict[str, Any]:
    """A hold of any clocks."""
    hold: dict[str, Any] = {"gates": ["errors"]}
    for name in ("soak", "warmUp", "baseline"):
        length = draw(st.sampled_from([None, "40s", "5m", "20m"]))
        if length is not None:
            hold[name] = length
    opens = draw(st.sampled_from([None, "3m", "25m"]))
    if opens is not None:
        hold["checkpoints"] = [a_checkpoint("report", "rex", opensAfter=opens)]
    return hold


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A Rollout at some moment, whose metric is quiet."""
    over = {"for": draw(st.sampled_from(["0s", "4s", "2m", "11m"]))}
    plan: dict[str, Any] = {
        "steps": steps_of(10, 100),
        "hold": draw(holds()),
        "metrics": [a_metric()],
        "gates": [a_gate(**over)],
        "triggers": [a_trigger(**over)] if draw(st.booleans()) else [],
    }
    if draw(st.booleans()):
        plan["schedule"] = {"freeze": FREEZES}
    late = timedelta(microseconds=draw(st.integers(0, 59_999_999)))
    return World(a_rollout(**plan), now=START + late, metrics={"errors": steady(0.0)})


def look(world: World) -> datetime | None:
    """Let the operator and people act at this moment; what the status would say of the clocks."""
    for name, state in world.states().items():
        if state == "Pending":
            world.sign(name, "rex")
    world.settle()
    return world.decide().status.earliest_advance


@settings(max_examples=6)
@given(worlds())
def test_earliest_advance_is_one_moment_and_then_the_step_is_taken(world: World) -> None:
    """As long as nothing breaks, and people answer at once."""
    look(world)
    first = look(world)
    if first is None:
        assert world.percent == 100, world.status.waiting_on
        return
    while world.now + seconds(1) < first:
        found = look(world)
        assert world.percent == 10
        assert found == first
        world.now += world.interval
    world.now = max(world.now, first)
    look(world)
    look(world)
    assert world.percent == 100, world.status.waiting_on


@settings(max_examples=6)
@given(worlds(), st.integers(2, 12))
def test_earliest_advance_moves_only_later_after_a_breach(world: World, after: int) -> None:
    """It is never in the past."""
    at = world.now + after * world.interval
    world.metrics["errors"] = lambda moment: 0.3 if at <= moment <= at + minutes(1) else 0.0
    last = look(world)
    for _ in range(30):
        world.now += world.interval
        found = look(world)
        if world.percent != 10:
            return
        if found is not None:
            assert found > world.now
            assert last is None or found >= last
            last = found


def test_earliest_advance_knows_when_a_gate_is_asked_for_the_first_time() -> None:
    """Also a gate that looks at the newest value alone needs one of this step."""
    plan: dict[str, Any] = {"steps": steps_of(10, 100), "metrics": [a_metric()]}
    world = World(
        a_rollout(gates=[a_gate(**{"for": "0s"})], **plan),
        now=START + seconds(3.7),
        metrics={"errors": steady(0.0)},
    )
    expected = START + seconds(30)
    while world.now < expected:
        assert look(world) == expected
        assert world.status.waiting_on == "gate errors: no value of this step is there yet"
        world.now += seconds(7)
    world.now = expected
    look(world)
    assert world.percent == 100


def test_earliest_advance_knows_what_settles_after_a_rollback() -> None:
    """Back at 10%, and tried again at once: the data still speak of before."""
    trigger = a_trigger(settle="5m")
    world = World(
        a_rollout(
            steps=steps_of(10, 50, 100),
            hold={"soak": "10m"},
            metrics=[a_metric()],
            triggers=[trigger],
        ),
        metrics={"errors": from_time(START + minutes(12), 0.0, 0.9)},
    )
    world.run(minutes(13))
    assert world.percent == 10
    world.metrics["errors"] = steady(0.0)
    world.edit(attempt=1)
    world.settle()
    assert world.status.since is not None
    settled = world.status.since + minutes(5)
    expected = settled + minutes(10)
    said = set()
    while world.now < expected:
        world.settle()
        found = world.decide().status
        said.add(found.earliest_advance)
        if world.now < settled:
            left = in_words(settled - world.now)
            assert found.waiting_on == f"soak 10m left, counting in {left}"
        else:
            assert found.waiting_on == f"soak {in_words(expected - world.now)} left"
        world.now += seconds(30)
    assert said == {expected}
    world.settle()
    assert world.percent == 50
