"""What a replica does when shards of the namespaces become its own, or another's."""

import asyncio
import contextlib
from collections.abc import Callable, Collection
from dataclasses import dataclass

from surefoot.application.announce import BackgroundAnnouncer
from surefoot.application.ports import Clock, ObjectKey
from surefoot.application.queue import Lane, WorkQueue
from surefoot.application.sharding import shard_of
from surefoot.application.store import Store

FINISH_WITHIN = 10.0
"""Seconds in which what is under way in a shard is finished; then its writes are refused."""
GLANCE = 0.05
EVENTS_WITHIN = 2.0


@dataclass(frozen=True, slots=True)
class Shares:
    """The `Owner` port.

    The caches hold what is in all shards, so that a shard can be taken over at once. ``came`` and
    ``went`` are told that shards did, ``forget`` which Rollout is another's now.
    """

    store: Store
    queue: WorkQueue
    announcer: BackgroundAnnouncer
    clock: Clock
    shards: int
    came: Callable[[], None]
    went: Callable[[], None]
    forget: Callable[[ObjectKey], None]

    def took(self, shards: frozenset[int]) -> None:
        """Look at everything in there, what must be rolled back and what is due first."""
        for key in self._rollouts(shards):
            self.queue.add(key, self._lane(key))
        self.came()

    async def let_go(self, shard: int) -> None:
        """Finish what is under way in there, and forget the rest. Nothing new is begun by now."""
        for key in self._rollouts({shard}):
            self.queue.drop(key)
        until = self.clock.elapsed() + FINISH_WITHIN
        while self._is_in_work(shard) and self.clock.elapsed() < until:
            await self.clock.sleep(GLANCE)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EVENTS_WITHIN):
                await self.announcer.drain()
        self.went()
        for key in self._rollouts({shard}):
            self.forget(key)

    def _is_in_work(self, shard: int) -> bool:
        return any(self._is_in(key, {shard}) for key in self.queue.in_work)

    def _rollouts(self, shards: Collection[int]) -> list[ObjectKey]:
        return [key for key in self.store.rollout_keys() if self._is_in(key, shards)]

    def _is_in(self, key: ObjectKey, shards: Collection[int]) -> bool:
        return shard_of(key.namespace, self.shards) in shards

    def _lane(self, key: ObjectKey) -> Lane:
        if self.store.is_urgent(key):
            return Lane.URGENT
        return Lane.NORMAL if self.store.is_due(key, self.clock.now()) else Lane.ROUTINE
