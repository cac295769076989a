"""Anyone who was in stays in on the way up, whatever gates say meanwhile; a rollback undoes it."""

from datetime import timedelta
from itertools import product
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from surefoot.domain.flag.formats.flagd import FLAGD_KEY
from tests.support.flagd import evaluator, is_in
from tests.support.world import World, a_gate, a_metric, a_rollout, steady

PERCENTS = (10, 25, 50, 75, 100)
WORKLOADS = ("payments", "search", "batch", None)
PEOPLE = tuple(product((f"account-{number}" for number in range(25)), WORKLOADS))
TARGET = {"configMapName": "m", "flags": ["f"], "format": "Flagd", "bucketingKey": "accountId"}


@st.composite
def cohorts(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Up to three workloads, each from a percentage, some with a gate."""
    named = draw(st.lists(st.sampled_from(WORKLOADS[:3]), unique=True, max_size=3))
    return [
        {
            "name": name,
            "match": {"attribute": "workload", "in": [name]},
            "from": draw(st.sampled_from((0, *PERCENTS))),
        }
        | ({"untilGate": "warm"} if draw(st.booleans()) else {})
        for name in named
    ]


def who_is_in(world: World) -> frozenset[tuple[str, str | None]]:
    """Which of the people are in, as the SDK decides by the ConfigMap."""
    assert world.config_map is not None
    core = evaluator(world.config_map.data[FLAGD_KEY])
    return frozenset(
        (key, workload)
        for key, workload in PEOPLE
        if is_in(core, "f", accountId=key, workload=workload)
    )


@given(
    planned=cohorts(),
    warm=st.lists(st.booleans(), min_size=3, max_size=3),
    back=st.sampled_from((0, *PERCENTS[:-1])),
)
def test_way_up_loses_nobody_and_the_way_down_is_the_way_up(
    planned: list[dict[str, Any]], warm: list[bool], back: int
) -> None:
    """Step by step with a gate that flaps; then back to where it was, with those who were in."""
    rollout = a_rollout(
        target=TARGET,
        cohorts=planned,
        metrics=[a_metric("warm")],
        gates=[a_gate("warm")],
        hold={"gates": []},
        steps=[
            {"percent": percent} | ({"hold": {"gates": ["warm"]}} if percent == 75 else {})
            for percent in PERCENTS
        ],
        rollback={"to": 10},
    )
    world = World(rollout, metrics={"warm": steady(1.0)})
    seen: dict[int, frozenset[tuple[str, str | None]]] = {0: frozenset()}
    before: frozenset[tuple[str, str | None]] = frozenset()
    for percent, holds in zip(PERCENTS, (False, *warm, True), strict=True):
        world.metrics["warm"] = steady(0.0 if holds else 1.0)
        world.now += timedelta(minutes=1)
        world.edit(rollback={"to": percent})
        world.settle()
        assert world.percent == percent
        seen[percent] = who_is_in(world)
        assert before <= seen[percent]
        before = seen[percent]
    assert seen[100] == set(PEOPLE)
    world.metrics["warm"] = steady(1.0)
    world.edit(rollback={"to": back})
    world.settle()
    assert (world.percent, who_is_in(world)) == (back, seen[back])
