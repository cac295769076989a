"""The table of the state machine is what the operator does: no more, and no less."""

from collections.abc import Iterator
from itertools import pairwise

from hypothesis import given

from surefoot.api.v1alpha1.rollout_status import RolloutStatus, TransitionType
from surefoot.domain.state_machine import PLACES, Event, Place, place_of
from tests.support.scenarios import Op, Shape, Tale, sequences, shapes
from tests.support.world import World, a_rollout, steps_of

_UPWARD = {TransitionType.START, TransitionType.ADVANCE}


def events_between(before: RolloutStatus, after: RolloutStatus) -> Iterator[Event]:
    """What happened in one write, by what the status has on record, in the order of the table."""
    known = {entry.transition_id for entry in before.history}
    new = [entry for entry in after.history if entry.transition_id not in known]
    was, is_ = before.pending, after.pending
    if was is not None and (is_ is None or is_.transition_id != was.transition_id):
        is_committed = any(entry.transition_id == was.transition_id for entry in new)
        if was.type is TransitionType.ROLLBACK:
            assert is_committed, "a recorded rollback is never withdrawn"
            yield Event.ROLLBACK_COMMITTED
        else:
            yield Event.RAISE_COMMITTED if is_committed else Event.RAISE_WITHDRAWN
    types = {entry.type for entry in new}
    if TransitionType.RETRY in types:
        yield Event.RETRIED
    if TransitionType.COMPLETE in types:
        yield Event.COMPLETED
    if is_ is not None and (was is None or was.transition_id != is_.transition_id):
        yield Event.RAISE_RECORDED if is_.type in _UPWARD else Event.ROLLBACK_RECORDED


def arrows_of(world: World) -> set[tuple[Place, Event]]:
    """The rows of the table that this world went through; each must be there, and lead there."""
    found: set[tuple[Place, Event]] = set()
    statuses = [write.what.status for write in world.log if write.kind == "Rollout"]
    for before, after in pairwise(statuses):
        place = place_of(before)
        for event in events_between(before, after):
            assert event in PLACES[place].events, f"{place}: {event}"
            found.add((place, event))
            place = PLACES[place].events[event]
        assert place is place_of(after), f"from {place_of(before)} without an event"
    return found


def follow(shape: Shape, story: list[Op]) -> set[tuple[Place, Event]]:
    """Play a story to its end, and see that the status always has a phase of its place."""
    tale = Tale(shape)
    for op in story:
        tale.play(op)
        tale.look()
        status = tale.world.status
        row = PLACES[place_of(status)]
        assert status.phase in row.shows | {row.phase}
    return arrows_of(tale.world)


@given(shapes, sequences)
def test_no_story_leaves_the_table(shape: Shape, story: list[Op]) -> None:
    """Whatever people, metrics and crashes do, only what the table has happens."""
    follow(shape, story)


PLAIN = Shape(percents=(10, 100), roles=0, soak="1m")
ALL_THE_WAY: list[Op] = [("tick", 6), ("tick", 6)]
STORIES: tuple[list[Op], ...] = (
    # Up to the end, and down again in two steps.
    [*ALL_THE_WAY, ("ceiling", 10), ("ceiling", 0)],
    # Two attempts: after a rollback, and while it runs.
    [("metric", 0.9), ("tick", 1), ("metric", 0.0), ("tick", 1), ("attempt",), ("attempt",)],
)


def withdrawn(before: int) -> World:
    """A move that was recorded, and not applied when the operator died; then somebody pauses."""
    world = World(a_rollout(steps=steps_of(10, 100)))
    world.settle_until_crash(before=before)
    world.edit(paused=True)
    world.settle()
    return world


def test_every_row_of_the_table_happens() -> None:
    """The table has nothing that the operator never does."""
    seen = set[tuple[Place, Event]]()
    for story in STORIES:
        seen |= follow(PLAIN, story)
    for before in (2, 5):
        seen |= arrows_of(withdrawn(before))
    assert seen == {(place, event) for place, row in PLACES.items() for event in row.events}
