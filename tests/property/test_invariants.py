"""Random plans and stories: the invariants hold after every plan, and all ends well."""

from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from surefoot.api.v1alpha1.durations import parse_duration
from tests.support.scenarios import Op, Shape, a_tale, sequences, shapes
from tests.support.world import START, World, a_rollout, steady


@given(shapes, sequences)
def test_invariants_hold_through_every_story(shape: Shape, story: list[Op]) -> None:
    """S1 to S7 and S9 to S11 after each plan; and once faults are over it completes (L4)."""
    a_tale(shape, story)


@given(
    st.builds(
        Shape,
        percents=st.sampled_from([(10, 50, 100), (0, 10, 100)]),
        soak=st.sampled_from(["0s", "1m", "2m30s"]),
        for_=st.sampled_from(["0s", "1m"]),
        watches=st.booleans(),
        gated=st.booleans(),
        roles=st.just(0),
    ),
    st.integers(0, 29_999),
)
def test_step_is_taken_within_two_intervals_of_its_gates_holding(
    shape: Shape, milliseconds: int
) -> None:
    """L1: wherever on the grid it starts."""
    started = START + timedelta(milliseconds=milliseconds)
    world = World(a_rollout(**shape.spec()), now=started, metrics={"errors": steady(0.0)})
    soak, slack = parse_duration(shape.soak), 2 * world.interval
    world.run(len(shape.percents) * (soak + slack))
    assert [percent for _, percent in world.percents] == list(shape.percents)
    for (before, percent), (after, _) in pairwise(world.percents):
        assert after - before <= (soak if percent else timedelta(0)) + slack
    assert world.status.completed_at is not None
    assert world.status.completed_at - world.percents[-1][0] <= soak + slack
