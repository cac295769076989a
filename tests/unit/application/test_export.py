"""Every entry to every sink: order, retry, restart, gaps, and sinks that hang."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import RolloutStatus, Transition, TransitionType
from surefoot.application import backoff, export
from surefoot.application.export import AT_A_STRETCH, Record
from surefoot.domain.record.transitions import with_entry
from surefoot.domain.record.verification import Mark, origin_of, verify
from surefoot.errors import SinkError, Unavailable
from tests.support.fakes import FakeAnnouncer, FakeClock, turns
from tests.support.world import START, a_rollout


@dataclass
class FakeSink:
    """Remembers lines. It refuses while ``fault`` is set, and hangs while ``hangs``."""

    name: str = "archive"
    timeout: float = 3600.0
    fault: str = ""
    hangs: bool = False
    lines: list[str] = field(default_factory=list)
    tried: int = 0
    closed: bool = False

    async def deliver(self, lines: Sequence[str]) -> None:
        self.tried += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.fault:
            raise SinkError(self.fault)
        self.lines += lines

    async def close(self) -> None:
        self.closed = True

    @property
    def ids(self) -> list[str]:
        return [
            line["id"] if line["type"] != "Gap" else "gap" for line in map(json.loads, self.lines)
        ]


@dataclass
class FakeCursors:
    """What survives the process."""

    marks: dict[str, dict[str, Mark]] = field(default_factory=dict)
    saves: int = 0
    is_down: bool = False

    async def load(self, sink: str) -> dict[str, Mark]:
        if self.is_down:
            raise Unavailable("no answer")
        return dict(self.marks.get(sink, {}))

    async def save(self, sink: str, marks: Mapping[str, Mark]) -> None:
        if self.is_down:
            raise Unavailable("no answer")
        self.saves += 1
        self.marks[sink] = dict(marks)


@dataclass
class Counts:
    """What was counted."""

    entries: int = 0
    failures: int = 0
    gaps: int = 0
    waiting: tuple[int, float] = (0, 0.0)
    failed: asyncio.Event = field(default_factory=asyncio.Event)

    def exported(self, sink: str, count: int) -> None:
        self.entries += count

    def export_failed(self, sink: str) -> None:
        self.failures += 1
        self.failed.set()

    def export_gaps(self, sink: str, count: int) -> None:
        self.gaps += count

    def export_waiting(self, sink: str, count: int, lag: float) -> None:
        self.waiting = (count, lag)


class World:
    """A process that can be started again, and what outlives it."""

    def __init__(self, *sinks: FakeSink) -> None:
        self.sinks = sinks or (FakeSink(),)
        self.cursors = FakeCursors()
        self.clock = FakeClock()
        self.counts = Counts()
        self.announcer = FakeAnnouncer()
        self.rollouts: dict[str, Rollout] = {}
        self.record: Record | None = None

    @property
    def sink(self) -> FakeSink:
        return self.sinks[0]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """A process, which begins with the Rollouts that there are and ends at once."""
        self.record = Record(self.cursors, self.clock, self.counts, self.announcer)
        self.record.exchange(self.sinks, self.rollouts.values())
        task = asyncio.create_task(self.record.run())
        await turns()
        try:
            yield
        finally:
            self.record = None
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def happens(self, *ids: str, rollout: str = "memory-sync") -> None:
        """Entries, one status write each."""
        for each in ids:
            found = self.rollouts.get(rollout) or a_rollout(rollout)
            status = with_entry(found.status or RolloutStatus(), an_entry(each))
            self.rollouts[rollout] = found.model_copy(update={"status": status})
            if self.record is not None:
                self.record.observe(self.rollouts[rollout])
        await turns()


def an_entry(name: str) -> Transition:
    return Transition(
        transition_id=name, type=TransitionType.ADVANCE, to=10, at=START, reason="Because"
    )


def numbered(first: int, after: int) -> list[str]:
    return [str(number) for number in range(first, after)]


async def test_what_changes_or_ends_before_it_is_told_keeps_its_order() -> None:
    """With thousands of Rollouts the last is told seconds after the first."""
    world = World()
    await world.happens("1", "2")
    early = world.rollouts["memory-sync"]
    await world.happens("3")
    others = [a_rollout(f"other-{number}") for number in range(AT_A_STRETCH * 3)]
    record = Record(world.cursors, world.clock, world.counts, world.announcer)
    record.exchange(world.sinks, [*others, early])
    running = asyncio.create_task(record.run())
    await asyncio.sleep(0)
    record.observe(world.rollouts["memory-sync"])
    record.end(origin_of(early), an_entry("end"))
    await turns(100)
    assert world.sink.ids == ["1", "2", "3", "end"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_what_every_sink_has_is_not_kept_and_a_new_sink_gets_it_all_the_same() -> None:
    """The statuses have it: thousands of histories would take more than all else together."""
    world = World()
    async with world.running():
        await world.happens("1", "2", "3")
        assert world.record is not None
        [kept] = world.record._kept.values()
        assert [entry.transition_id for entry in kept.entries] == ["3"]
        late = FakeSink("late")
        world.record.exchange([world.sink, late], world.rollouts.values())
        await turns()
        await world.happens("4")
        assert world.sink.ids == late.ids == ["1", "2", "3", "4"]
        [kept] = world.record._kept.values()
        assert [entry.transition_id for entry in kept.entries] == ["4"]


async def test_entries_arrive_once_and_in_order() -> None:
    """Those that there were at the start, and those that come."""
    world = World()
    await world.happens("a", "b")
    async with world.running():
        await world.happens("c")
        await world.happens("d", "e")
    assert world.sink.ids == ["a", "b", "c", "d", "e"]
    assert verify(world.sink.lines).faults == ()
    assert world.counts.entries == 5


async def test_a_restart_goes_on_where_it_stopped() -> None:
    """What was delivered is remembered outside the process."""
    world = World()
    async with world.running():
        await world.happens("a", "b")
    await world.happens("c")
    async with world.running():
        await world.happens("d")
    assert world.sink.ids == ["a", "b", "c", "d"]


async def test_what_is_not_remembered_comes_again_the_same() -> None:
    """A crash between delivery and remembering doubles lines, and never loses any."""
    world = World()
    async with world.running():
        world.cursors.is_down = True
        await world.happens("a", "b")
    world.cursors.is_down = False
    async with world.running():
        await world.happens("c")
    assert world.sink.ids[-3:] == ["a", "b", "c"]
    found = verify(world.sink.lines)
    assert found.faults == ()
    assert found.chains[0].entries == 3


async def test_a_sink_that_refuses_is_tried_again_with_pauses() -> None:
    """Nothing is lost or overtaken meanwhile, and people can see it."""
    world = World(FakeSink(fault="disk full"))
    async with world.running():
        await world.happens("a")
        await world.happens("b")
        assert world.sink.tried == 1
        await world.clock.advance(10)
        assert world.counts.failures == world.sink.tried == 5
        assert world.counts.waiting == (2, 7.5)
        world.sink.fault = ""
        await world.clock.advance(backoff.LONGEST)
        assert world.sink.ids == ["a", "b"]
        assert world.counts.waiting == (0, 0.0)


async def test_a_sink_that_hangs_is_given_up_and_the_others_go_on() -> None:
    """One sink is no other's problem."""
    hanging, well = FakeSink("hanging", timeout=0.01, hangs=True), FakeSink("well")
    world = World(hanging, well)
    async with world.running():
        await world.happens("a")
        assert well.ids == ["a"]
        await world.counts.failed.wait()
        await turns()
        hanging.hangs = False
        await world.clock.advance(1)
        assert hanging.ids == ["a"]


async def test_entries_that_drop_out_of_the_history_are_delivered_later() -> None:
    """Forty entries while the sink is down; the object has the last twenty."""
    world = World(FakeSink(fault="down"))
    async with world.running():
        await world.happens(*numbered(0, 40))
        world.sink.fault = ""
        await world.clock.advance(backoff.LONGEST)
    assert world.sink.ids == numbered(0, 40)
    assert world.counts.gaps == 0


async def test_what_was_lost_while_nobody_ran_is_a_gap() -> None:
    """Another instance wrote thirty entries; ten of them are nowhere any more."""
    world = World()
    async with world.running():
        await world.happens("a")
    await world.happens(*numbered(0, 30))
    async with world.running():
        pass
    assert world.sink.ids == ["a", "gap", *numbered(10, 30)]
    assert world.counts.gaps == 1
    assert world.announcer.said == [("memory-sync", "RecordGap")]
    found = verify(world.sink.lines)
    assert found.faults == ()
    assert len(found.gaps) == 1


async def test_memory_is_bounded_while_a_sink_is_dead() -> None:
    """Beyond the bound the oldest are lost to this sink, and it is told so."""
    world = World(FakeSink())
    async with world.running():
        await world.happens("a")
        world.sink.fault = "down"
        await world.happens(*numbered(0, 300))
        world.sink.fault = ""
        await world.clock.advance(backoff.LONGEST)
    assert world.sink.ids == ["a", "gap", *numbered(300 - export.LONGEST_BACKLOG, 300)]


async def test_a_deleted_rollouts_entries_are_still_delivered() -> None:
    """And then nothing of it is remembered."""
    world = World(FakeSink(fault="down"))
    async with world.running():
        await world.happens("a")
        await world.happens("x", rollout="checkout")
        assert world.record is not None
        world.record.present({"uid-checkout"})
        world.sink.fault = ""
        await world.clock.advance(backoff.LONGEST)
        assert world.sink.ids == ["a", "x"]
        world.record.present({"uid-checkout"})
        await turns()
    assert set(world.cursors.marks["archive"]) == {"uid-checkout"}


async def test_a_burst_costs_one_write_of_what_was_delivered() -> None:
    """Twenty entries of one history are one delivery."""
    world = World()
    await world.happens(*numbered(0, 20))
    async with world.running():
        pass
    assert (world.sink.tried, world.cursors.saves) == (1, 1)


async def test_exchanged_sinks_get_everything_from_then_on() -> None:
    """The configuration was reloaded."""
    world, new = World(), FakeSink("new")
    async with world.running():
        await world.happens("a")
        assert world.record is not None
        world.record.exchange([new], world.rollouts.values())
        await world.happens("b")
    assert world.sink.ids == ["a"]
    assert world.sink.closed
    assert new.ids == ["a", "b"]


async def test_what_became_anothers_is_delivered_by_that_one() -> None:
    """A replica gave a namespace up: what waits there is no longer its own."""
    world = World()
    async with world.running():
        assert world.record is not None
        await world.happens("a")
        await world.happens("b", rollout="checkout")
        world.sink.fault = "the disk is full"
        await world.happens("c", "d")
        world.record.keep_only(lambda namespace: namespace != "agents")
        world.sink.fault = ""
        await world.clock.advance(120)
    assert world.sink.ids == ["a", "b"]
    async with world.running():
        pass
    assert world.sink.ids == ["a", "b", "c", "d"]


async def test_large_batches_are_split_and_stay_in_order() -> None:
    """Several Rollouts with more lines than one delivery takes."""
    world = World()
    for name in ("one", "two", "three", "four", "five", "six"):
        await world.happens(*(f"{name}{number}" for number in range(20)), rollout=name)
    async with world.running():
        await turns()
    assert world.sink.tried == 2
    assert verify(world.sink.lines).faults == ()
    assert len(world.sink.lines) == 120


# The end of a history


def the_end() -> Transition:
    """What ends a history, as the ConfigMap alone can tell it."""
    return Transition(
        transition_id="end",
        type=TransitionType.RELEASED,
        from_=10,
        to=0,
        at=START,
        reason="RolloutDeleted",
    )


async def test_end_follows_the_last_entry_of_the_status() -> None:
    """It is of the plan and attempt that ended with it."""
    world = World()
    await world.happens("a", "b")
    async with world.running():
        assert world.record is not None
        world.record.end(origin_of(world.rollouts["memory-sync"]), the_end())
        await turns()
    assert world.sink.ids == ["a", "b", "end"]
    found = verify(world.sink.lines)
    assert (found.faults, found.gaps) == ((), ())


async def test_end_after_a_restart_follows_what_the_sink_has() -> None:
    """The Rollout was deleted while no operator ran: only the cursor knows its last entry."""
    world = World(FakeSink("one"), FakeSink("two"))
    await world.happens("a", "b")
    async with world.running():
        pass
    gone = origin_of(world.rollouts.pop("memory-sync"))
    world.cursors.marks["two"].clear()
    async with world.running():
        assert world.record is not None
        world.record.present({gone.uid})
        world.record.end(gone, the_end())
        await turns()
        world.record.present(set())
        await turns()
    one, two = world.sinks
    assert one.ids == ["a", "b", "end"]
    assert verify(one.lines) == replace(verify(one.lines), faults=(), gaps=())
    assert two.ids == ["a", "b", "gap", "end"]
    assert world.cursors.marks == {"one": {}, "two": {}}


async def test_end_waits_until_it_is_known_what_it_follows() -> None:
    """The cursors cannot be read at the start; nothing is chained to a guess, and nothing lost."""
    world = World()
    await world.happens("a")
    async with world.running():
        pass
    gone = origin_of(world.rollouts.pop("memory-sync"))
    world.cursors.is_down = True
    async with world.running():
        assert world.record is not None
        world.record.end(gone, the_end())
        world.record.present(set())
        await turns()
        assert world.sink.ids == ["a"]
        world.cursors.is_down = False
        await world.clock.advance(120)
        assert world.sink.ids == ["a", "end"]
    assert verify(world.sink.lines).faults == ()


async def test_end_is_delivered_again_where_the_sink_failed() -> None:
    """The Rollout is gone from every list by then."""
    world = World(FakeSink(fault="full"))
    async with world.running():
        assert world.record is not None
        world.record.end(origin_of(a_rollout()), the_end())
        world.record.present(set())
        await turns()
        assert world.sink.lines == []
        world.sink.fault = ""
        await world.clock.advance(120)
        assert world.sink.ids == ["end"]
        world.record.present(set())
        await turns()
    assert world.cursors.marks["archive"] == {}


async def test_end_is_kept_for_nobody_without_sinks() -> None:
    """What nobody takes is not remembered."""
    world = World()
    world.sinks = ()
    async with world.running():
        assert world.record is not None
        world.record.end(origin_of(a_rollout()), the_end())
        world.record.exchange([late := FakeSink("late")])
        await turns()
    assert late.lines == []
