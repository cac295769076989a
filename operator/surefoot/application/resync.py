"""The resync: compares the caches with complete lists, because watches miss things.

A list of metadata tells what is gone and what is newer than known. What a watch missed is read and
taken in; where the same kind of thing is found twice in a row, the watches are begun again.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import NoReturn

import structlog

from surefoot.application.ports import Clock, Cluster, Kind, ObjectHead, ObjectKey, Telemetry
from surefoot.application.rbac import remedy_of
from surefoot.application.store import Store, is_newer
from surefoot.errors import ApiError, UnreadableObject

log = structlog.get_logger(__name__)

FLAG_KINDS = (Kind.ROLLOUT, Kind.CONFIG_MAP)
REQUEST_KINDS = (Kind.CHECKPOINT, Kind.APPROVAL)
AT_ONCE = 8
GRACE = 2.0
"""Seconds without any news after which what is not known counts as missed."""
PATIENCE = 3.0
"""Seconds in which the sources should have listed everything; then it is swept all the same."""
GLANCE = 0.1
"""Seconds between looks at whether events are still coming in."""


class Resyncer:
    """Sweeps on demand, and knows when it last succeeded."""

    def __init__(
        self,
        cluster: Cluster,
        store: Store,
        clock: Clock,
        telemetry: Telemetry,
        restart_watches: Callable[[], None],
    ) -> None:
        self._cluster = cluster
        self._store = store
        self._clock = clock
        self._telemetry = telemetry
        self._restart_watches = restart_watches
        self._missed = 0
        self._missed_before = False
        self.succeeded_at: float | None = None
        """When the last sweep ended well, on the measuring clock; None before the first."""
        self.tried_at = clock.elapsed()
        """When the last sweep began."""

    async def sweep(self) -> None:
        """Compare all kinds. Raises `ApiError` where a list cannot be read to its end."""
        await self.sweep_flags()
        await self.sweep_requests()

    async def sweep_flags(self) -> None:
        """Compare Rollouts and ConfigMaps: all that a rollback needs, whatever else fails.

        Raises `ApiError` where one of their lists cannot be read to its end.
        """
        self.tried_at = self._clock.elapsed()
        self._missed = await self._sweep_kinds(FLAG_KINDS)

    async def sweep_requests(self) -> None:
        """Compare Checkpoints and Approvals. Raises `ApiError` as `sweep_flags` does."""
        missed = self._missed + await self._sweep_kinds(REQUEST_KINDS)
        if missed and self._missed_before:
            log.warning("watches miss changes; they are started again", missed=missed)
            self._restart_watches()
            missed = 0
        self._missed_before = missed > 0
        self.succeeded_at = self._clock.elapsed()

    def was_listed(self) -> None:
        """The sources have listed everything just now: there is nothing to compare yet."""
        self.tried_at = self.succeeded_at = self._clock.elapsed()

    async def _sweep_kinds(self, kinds: tuple[Kind, ...]) -> int:
        first = self.succeeded_at is None
        swept = (self._sweep_kind(kind, first=first) for kind in kinds)
        return sum(await asyncio.gather(*swept))

    async def _sweep_kind(self, kind: Kind, *, first: bool) -> int:
        known_before = self._store.heads(kind)
        listed = {head.key: head for head in await self._cluster.heads(kind)}
        await self._events_come_in(kind, listed)
        for key, known in known_before.items():
            present = listed.get(key)
            if present is None or present.uid != known.uid:
                self._store.remove(kind, known)
        unknown = self._unknown(kind, listed)
        for head in unknown:
            self._store.was_missed(head)
        slots = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(self._take_in(kind, head.key, slots) for head in unknown))
        if unknown and not first:
            self._telemetry.watch_missed(kind.value, len(unknown))
            return len(unknown)
        return 0

    async def _events_come_in(self, kind: Kind, listed: dict[ObjectKey, ObjectHead]) -> None:
        """Wait while events still tell what the list has: at the start, that is everything."""
        fewest, quiet = len(self._unknown(kind, listed)), 0.0
        while fewest and quiet < GRACE:
            await self._clock.sleep(GLANCE)
            unknown = len(self._unknown(kind, listed))
            quiet = 0.0 if unknown < fewest else quiet + GLANCE
            fewest = min(fewest, unknown)

    def _unknown(self, kind: Kind, listed: dict[ObjectKey, ObjectHead]) -> list[ObjectHead]:
        known = self._store.heads(kind)
        return [
            head
            for key, head in listed.items()
            if key not in known
            or known[key].uid != head.uid
            or is_newer(head.resource_version, than=known[key].resource_version)
        ]

    async def _take_in(self, kind: Kind, key: ObjectKey, slots: asyncio.Semaphore) -> None:
        async with slots:
            try:
                content = await self._cluster.observe(kind, key)
            except UnreadableObject as error:
                self._store.observe(kind, _head_of(error, key), partial(_raise, error))
                return
        if content is not None:
            self._store.observe_fresh(kind, key, content)


def _head_of(error: UnreadableObject, key: ObjectKey) -> ObjectHead:
    return ObjectHead(key, error.uid, error.resource_version)


def _raise(error: UnreadableObject) -> NoReturn:
    raise error


class PeriodicResync:
    """Sweeps every minute, and soon again after a failure.

    ``after`` is called once the flags are swept, whatever becomes of the requests. The first sweep
    is made by the sources: ``lists`` are set when the flags, and then the requests, are listed.
    """

    def __init__(
        self,
        resyncer: Resyncer,
        clock: Clock,
        after: Callable[[], None],
        lists: tuple[asyncio.Event, ...] = (),
    ) -> None:
        self._resyncer = resyncer
        self._clock = clock
        self._after = after
        self._lists = lists

    async def run(self, every: float) -> None:
        """Sweep until cancelled."""
        if self._lists and await self._were_listed():
            await self._clock.sleep(every)
        while True:
            pause = every
            try:
                await self._resyncer.sweep_flags()
                self._after()
                await self._resyncer.sweep_requests()
            except ApiError as error:
                remedy = remedy_of(error)
                said = {"remedy": remedy} if remedy else {}
                log.warning("sweep failed", error=str(error), **said)
                pause = min(5.0, every)
            await self._clock.sleep(pause)

    async def _were_listed(self) -> bool:
        """Whether the sources list everything soon. Once the flags are in, the work begins."""
        flags, requests = self._lists
        if not await self._is_set(flags):
            return False
        self._after()
        if not await self._is_set(requests):
            return False
        self._resyncer.was_listed()
        return True

    async def _is_set(self, event: asyncio.Event) -> bool:
        timer = asyncio.ensure_future(self._clock.sleep(PATIENCE))
        happens = asyncio.ensure_future(event.wait())
        try:
            await asyncio.wait({timer, happens}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
            happens.cancel()
        return event.is_set()
