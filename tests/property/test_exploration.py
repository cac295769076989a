"""A small world explored to the end: every order of a few events, crash included.

Breadth first, over the production function: states are what the API server holds and what the
metric says. No order of events breaks an invariant, and from every state all ends well.
"""

from collections import deque

import pytest

from surefoot.api.v1alpha1.rollout_status import Phase
from tests.support.scenarios import Op, Shape, Tale

SHAPE = Shape(percents=(10, 100), soak="0s", roles=1, watches=True, action="Rollback")
EVENTS: tuple[Op, ...] = (
    ("tick", 1),
    ("sign", 0, "ann", "GO"),
    ("sign", 0, "bob", "NO-GO"),
    ("metric", 0.9),
    ("metric", 0.0),
    ("attempt",),
    ("pause", True),
    ("pause", False),
    ("crash", "after", 1),
    ("crash", "before", 2),
    ("crash", "after", 2),
    ("crash", "after", 3),
)


def fingerprint(tale: Tale) -> tuple[object, ...]:
    """What is the same about two worlds, but for time, versions and names."""
    world, status = tale.world, tale.world.status
    spec = world.rollout.spec
    return (
        world.percent,
        status.percent,
        status.phase,
        status.attempt,
        status.rolled_back,
        status.pending.type if status.pending else None,
        status.pending.to if status.pending else None,
        spec.paused,
        spec.attempt,
        tale.metric.values[-1],
        tuple(sorted(world.states().items())),
        world.crash_before is not None and world.crash_before - world.transition_writes,
        world.crash_after is not None and world.crash_after - world.transition_writes,
        tuple(entry.state for entry in status.triggers),
    )


@pytest.mark.parametrize("depth_of_all", [3, pytest.param(4, marks=pytest.mark.long)])
def test_every_order_of_a_few_events_is_safe_and_ends_well(depth_of_all: int) -> None:
    """To this depth of events, out of twelve, without visiting the same state twice."""
    start = Tale(SHAPE)
    seen = {fingerprint(start)}
    queue: deque[tuple[Tale, int]] = deque([(start, 0)])
    ends: set[Phase | None] = set()
    while queue:
        tale, depth = queue.popleft()
        ends.add(tale.world.status.phase)
        tale.fork().end_well()
        if depth == depth_of_all:
            continue
        for event in EVENTS:
            following = tale.fork()
            following.play(event)
            if event[0] != "tick":
                following.play(("look",))
            mark = fingerprint(following)
            if mark not in seen:
                seen.add(mark)
                queue.append((following, depth + 1))
    assert len(seen) > 100
    assert {Phase.AWAITING_APPROVAL, Phase.PAUSED, Phase.ROLLED_BACK, Phase.COMPLETED} <= ends
