"""Keeps a source of events running, once there is what it watches."""

import asyncio
from collections.abc import Callable, Collection

import structlog

from surefoot.application.ports import (
    Clock,
    Cluster,
    EventSink,
    EventSource,
    Kind,
    ObjectHead,
    Observable,
    Parcel,
)
from surefoot.errors import ApiError, NotFound

log = structlog.get_logger(__name__)

RESTART_PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)
LONG = 60.0
"""Seconds after which a source that ends is started again without a long pause."""

LONGEST_LOOK = 3.0
"""Seconds in which the API server says whether it serves what is to be watched."""


class Watching:
    """One source of events, and what it feeds. ``listed_once`` is set once its first list is in."""

    def __init__(
        self, source: EventSource, sink: EventSink, cluster: Cluster, clock: Clock
    ) -> None:
        self._source = source
        self._sink = sink
        self._cluster = cluster
        self._clock = clock
        self.listed_once = asyncio.Event()

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds that are watched."""
        return self._source.kinds

    async def run(self) -> None:
        """Watch until cancelled. Meanwhile it is looked once at what the API server serves."""
        looking = asyncio.create_task(self._look_once())
        try:
            await self._keep_watching()
        finally:
            looking.cancel()

    async def _look_once(self) -> None:
        fault = await self._fault_of_kinds()
        if fault is not None:
            log.warning("the API server does not serve all that is watched", fault=fault)

    async def _keep_watching(self) -> None:
        pauses = list(RESTART_PAUSES)
        kinds = ", ".join(kind.value for kind in self.kinds)
        while True:
            began = self._clock.elapsed()
            try:
                await self._source.run(self)
            except NotFound:
                await self._wait_for_kinds()
            except Exception:  # whatever it was, without events the operator is blind
                log.exception("a source of events failed; it is started again", kinds=kinds)
            if self._clock.elapsed() - began > LONG:
                pauses = list(RESTART_PAUSES)
            await self._clock.sleep(pauses.pop(0) if len(pauses) > 1 else pauses[0])

    def observe(
        self,
        kind: Kind,
        head: ObjectHead,
        read: Callable[[], Observable],
        parcel: Parcel | None = None,
    ) -> None:
        """Hand it on."""
        self._sink.observe(kind, head, read, parcel)

    def remove(self, kind: Kind, head: ObjectHead) -> None:
        """Hand it on."""
        self._sink.remove(kind, head)

    def listed(
        self, kind: Kind, namespace: str | None, heads: Collection[ObjectHead], version: str
    ) -> None:
        """Hand it on, and tell anyone who waits for it."""
        self._sink.listed(kind, namespace, heads, version)
        self.listed_once.set()

    def lost_sight(self, kind: Kind, namespace: str | None) -> None:
        """Hand it on."""
        self._sink.lost_sight(kind, namespace)

    async def _wait_for_kinds(self) -> None:
        """Wait for what is to be watched."""
        complained = False
        while True:
            fault = await self._fault_of_kinds()
            if fault is None:
                return
            if not complained:
                log.error("waiting for the API", fault=fault)
                complained = True
            await self._clock.sleep(2)

    async def _fault_of_kinds(self) -> str | None:
        """Why the kinds cannot be watched; an answer that does not come is a reason too."""
        try:
            async with asyncio.timeout(LONGEST_LOOK):
                if await self._cluster.kinds_are_established(*self._source.kinds):
                    return None
        except ApiError as error:
            return str(error)
        except TimeoutError:
            return f"the API server does not say within {LONGEST_LOOK:g} s what it serves"
        return "the CRDs are not installed: kubectl apply --server-side -f crds/"
