"""Several replicas that all act, each in namespaces of its own: each shard of them is a Lease.

Two things must hold before this replica writes in a namespace. It holds the Lease of the
namespace's shard, as a leader holds its own. And its number of shards is the one in force: the
Lease of the installation is held by a *number of shards*, and all replicas that work with this
number renew it together. Another number, or a replica that elects one leader for all, can take it
only after every one of them has stopped writing.

The same Lease tells which replicas live, so that each can work out its share. Nothing depends on
that but who gets how much. A replica that has more than its share lets a shard go in good order:
what is under way is finished, everything else is forgotten, and only then the Lease is given back.
A Lease that is lost in any other way ends the process, as a lost leadership does.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Protocol

import structlog

from surefoot.application.leadership import Lost, taken
from surefoot.application.leases import GIVING_BACK, Claim, LeaseLock, Times
from surefoot.application.ports import Clock
from surefoot.application.sharding import Pulses, quotas, shard_of
from surefoot.errors import ApiError, LeadershipLost

log = structlog.get_logger(__name__)


class Owner(Protocol):
    """Who works on what is in a shard."""

    def took(self, shards: frozenset[int]) -> None:
        """These are this replica's from now on."""

    async def let_go(self, shard: int) -> None:
        """It is about to be another's: finish what is under way, and forget the rest."""


class Sharded:
    """The `Leadership` port for a replica that acts in some shards.

    ``gate`` is the Lease of the installation, ``locks`` are those of the shards. ``identity`` is
    what this replica is called: no two may have the same. ``holds`` is told how many it has.
    """

    def __init__(
        self,
        gate: LeaseLock,
        locks: Sequence[LeaseLock],
        clock: Clock,
        *,
        identity: str,
        times: Times,
        owner: Owner,
        holds: Callable[[int], None] = lambda _count: None,
    ) -> None:
        self._clock = clock
        self._identity = identity
        self._times = times
        self._owner = owner
        self._holds = holds
        self._gate = Claim(gate, clock, f"shards/{len(locks)}", times, self._share_of_gate)
        self._shards = tuple(Claim(lock, clock, identity, times) for lock in locks)
        self._pulses = Pulses(times.lasts)
        self._alive = frozenset[str]()
        self._takes_part = True
        self._held: set[int] = set()
        """What this replica acts in; it still holds the Leases of those that it lets go."""
        self._keeping: dict[int, asyncio.Task[None]] = {}

    def covers(self, namespace: str) -> bool:
        """Whether this replica acts in a namespace."""
        return shard_of(namespace, len(self._shards)) in self._held

    def fence(self, what: str, namespace: str | None) -> None:
        """Raise `Unavailable` where this replica does not surely hold what it takes to write."""
        self._gate.fence(what)
        if namespace is not None:
            self._shards[shard_of(namespace, len(self._shards))].fence(what)

    async def take(self) -> None:
        """Wait until this number of shards is in force."""
        self._holds(0)
        await taken(self._gate, self._clock, self._times)

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[Lost]:
        """Take a share of the shards and keep it, within the block; give it back at its end."""
        running = asyncio.create_task(self._run(), name="leases")

        async def lost() -> None:
            await asyncio.shield(running)

        try:
            yield lost
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            self._held.clear()
            await self._leave()
            self._holds(0)

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._gate.keep(), name="lease of the installation")
                while True:
                    await self._share_out(group)
                    await self._clock.sleep(self._times.retry_every)
        except ExceptionGroup as failed:
            lost, _ = failed.split(LeadershipLost)
            if lost is None:
                raise
            raise LeadershipLost(str(lost.exceptions[0])) from None

    # Shares

    def _share_of_gate(self, found: Mapping[str, int]) -> Mapping[str, int]:
        """Write that this replica lives, and leave out those that no longer do."""
        alive = self._pulses.note(found, self._clock.elapsed())
        numbers = {each: found[each] for each in alive if each != self._identity}
        if self._takes_part:
            numbers[self._identity] = found.get(self._identity, 0) + 1
        self._alive = frozenset(numbers)
        return numbers

    async def _share_out(self, group: asyncio.TaskGroup) -> None:
        """Look at the Leases of the other shards, and take or let go what is due."""
        others = [each for each in range(len(self._shards)) if each not in self._keeping]
        looks = await asyncio.gather(*map(self._look, others))
        free = [each for each, is_free in zip(others, looks, strict=True) if is_free]
        holders = Counter(self._shards[each].other_holder for each in others if each not in free)
        holders[self._identity] = len(self._held)
        share = quotas(holders, {*self._alive, self._identity}, len(self._shards))[self._identity]
        due = free[: max(0, share - len(self._held))]
        took = [each for each in due if await self._take(each, group)]
        if took:
            self._held.update(took)
            self._say("took shards", took)
            self._owner.took(frozenset(took))
        for each in sorted(self._held)[share:]:
            self._held.discard(each)
            group.create_task(self._let_go(each), name="shard")

    async def _look(self, shard: int) -> bool:
        """Whether it is free; what cannot be read is not."""
        try:
            return await self._shards[shard].look()
        except ApiError as error:
            log.warning("a Lease cannot be read", lease=self._shards[shard].title, fault=str(error))
            return False

    async def _take(self, shard: int, group: asyncio.TaskGroup) -> bool:
        claim = self._shards[shard]
        try:
            if not await claim.take():
                return False
        except ApiError as error:
            log.warning("the Lease cannot be taken", lease=claim.title, fault=str(error))
            return False
        # It is renewed at once, however long the next one takes.
        self._keeping[shard] = group.create_task(claim.keep(), name=f"lease of shard {shard}")
        return True

    async def _let_go(self, shard: int) -> None:
        """Give a shard to those who have too little."""
        self._say("lets a shard go", [shard])
        await self._owner.let_go(shard)
        keeping = self._keeping[shard]
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await self._shards[shard].give_back()
        del self._keeping[shard]

    def _say(self, event: str, shards: Sequence[int]) -> None:
        log.info(event, shards=shards, has=sorted(self._held), replicas=len(self._alive))
        self._holds(len(self._held))

    async def _leave(self) -> None:
        """Take part no longer, and give back what is held: the others share it at once.

        The Lease of the installation is not given back: who else works with this number of shards
        is known well enough to share out work, and not well enough for that.
        """
        self._takes_part = False
        with contextlib.suppress(ApiError, TimeoutError, LeadershipLost):
            async with asyncio.timeout(GIVING_BACK):
                await self._gate.renew()
        self._keeping.clear()
        await asyncio.gather(*(shard.give_back() for shard in self._shards))
