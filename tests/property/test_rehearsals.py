"""Whatever the plan and whatever is in its way: a rehearsal never changes the flag."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import Conflict, NotFound, Refused, Unavailable
from tests.support.rehearsing import FLAG, KEY, Rehearsals

ERRORS = st.sampled_from(
    [None, None, None, Conflict("late"), Unavailable("busy"), NotFound("gone"), Refused("no")]
)
PERCENTS = st.lists(st.integers(1, 99), min_size=1, max_size=5, unique=True).map(sorted)


@given(PERCENTS, st.lists(ERRORS, max_size=25), st.data())
def test_rehearsal_never_changes_the_flag_nor_the_rollout(
    percents: list[int], troubles: list[Exception | None], data: st.DataObject
) -> None:
    """Not for a moment: the flag is the same version before and after each call."""
    at = data.draw(st.sampled_from(percents))
    to = data.draw(st.sampled_from([0, *(percent for percent in percents if percent < at)]))
    steps = [{"percent": percent} for percent in (*percents, 100)]
    scene = Rehearsals(percent=at, steps=steps)

    changes: list[str] = []

    async def trouble(call: str) -> None:
        is_as_before = scene.cluster.config_maps.get(FLAG) == scene.flag
        is_alone = scene.cluster.rollouts == {KEY: scene.rollout} and not list(scene.others())
        changes.extend([] if is_as_before and is_alone else [call])
        error = troubles.pop(0) if troubles else None
        if error is not None:
            raise error

    scene.cluster.before = trouble
    was_refused = any(isinstance(error, Refused) for error in troubles)
    found = asyncio.run(scene.come_to(from_=at, to=to))
    assert changes == []
    assert found is not None
    assert found.outcome == "Passed" or was_refused
    assert scene.cluster.config_maps[FLAG] == scene.flag
    assert scene.cluster.rollouts[KEY] == scene.rollout
    asyncio.run(scene.rehearser.sweep())
    asyncio.run(scene.rehearser.sweep())
    assert found.outcome != "Passed" or set(scene.cluster.config_maps) == {FLAG}
