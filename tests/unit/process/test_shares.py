"""What a replica does when a shard becomes its own, or another's."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from surefoot.application.ports import Kind, ObjectKey
from surefoot.application.queue import ALL_LANES, WorkQueue
from surefoot.application.sharding import shard_of
from surefoot.application.store import Store
from surefoot.process.shares import FINISH_WITHIN, Shares
from tests.support.fakes import FakeClock, FakeTelemetry, turns
from tests.support.world import a_rollout

KEY = ObjectKey("agents", "memory-sync")
SHARD = shard_of(KEY.namespace, 4)


class Events:
    """Events that are posted at once."""

    async def drain(self) -> None:
        """Nothing waits."""


@dataclass
class World:
    """A replica with one Rollout in a shard of its own."""

    clock: FakeClock = field(default_factory=FakeClock)
    is_ours: bool = True
    told: list[str] = field(default_factory=list)
    forgotten: list[ObjectKey] = field(default_factory=list)

    def __post_init__(self) -> None:
        loop: Any = asyncio.get_running_loop()
        self.queue = WorkQueue(loop, FakeTelemetry(), lambda _key: self.is_ours)
        store = Store()
        store.put(Kind.ROLLOUT, a_rollout(), KEY)
        events: Any = Events()
        self.shares = Shares(
            store,
            self.queue,
            events,
            self.clock,
            4,
            came=lambda: self.told.append("came"),
            went=lambda: self.told.append("went"),
            forget=self.forgotten.append,
        )


async def test_everything_in_a_shard_is_looked_at_once_it_is_ours() -> None:
    world = World()
    world.shares.took(frozenset({SHARD}))
    assert world.told == ["came"]
    found = await world.queue.take(*ALL_LANES)
    assert found is not None
    assert found[0] == KEY


async def test_nothing_in_another_shard_is_looked_at() -> None:
    world = World()
    world.shares.took(frozenset({0, 1, 2, 3} - {SHARD}))
    taking = asyncio.create_task(world.queue.take(*ALL_LANES))
    await turns()
    assert not taking.done()
    taking.cancel()


async def test_what_is_under_way_is_finished_before_a_shard_is_let_go() -> None:
    world = World()
    world.queue.add(KEY)
    assert await world.queue.take(*ALL_LANES) is not None
    world.is_ours = False
    going = asyncio.create_task(world.shares.let_go(SHARD))
    await world.clock.advance(5)
    assert not going.done()
    assert world.forgotten == []
    world.queue.done(KEY)
    await world.clock.advance(1)
    assert going.done()
    assert (world.told, world.forgotten) == (["went"], [KEY])


async def test_what_waits_is_forgotten_and_not_finished() -> None:
    world = World()
    world.queue.add(KEY)
    world.is_ours = False
    await world.shares.let_go(SHARD)
    assert world.forgotten == [KEY]
    world.is_ours = True
    taking = asyncio.create_task(world.queue.take(*ALL_LANES))
    await turns()
    assert not taking.done()
    taking.cancel()


async def test_what_hangs_keeps_a_shard_for_a_while_only() -> None:
    world = World()
    world.queue.add(KEY)
    assert await world.queue.take(*ALL_LANES) is not None
    world.is_ours = False
    going = asyncio.create_task(world.shares.let_go(SHARD))
    await world.clock.advance(FINISH_WITHIN + 1)
    assert going.done()
    assert world.forgotten == [KEY]
