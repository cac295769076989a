"""Keeps a source of events running, for the kinds that it watches and for no others."""

import asyncio
from collections.abc import Callable

import structlog

from surefoot.application.ports import Clock, Cluster, EventSink, EventSource, Kind
from surefoot.errors import ApiError

log = structlog.get_logger(__name__)

RESTART_PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)
SETTLED_AFTER = 5.0
"""Seconds after which a source that was started watches everything."""
LONG = 60.0
"""Seconds after which a source that ends is started again without a long pause."""

LONGEST_LOOK = 3.0
"""Seconds in which the API server says whether it serves what is to be watched."""


class Watching:
    """One source of events. ``restarted`` is called where events may have been missed."""

    def __init__(
        self,
        source: EventSource,
        sink: EventSink,
        cluster: Cluster,
        clock: Clock,
        restarted: Callable[[], None],
    ) -> None:
        self._source = source
        self._sink = sink
        self._cluster = cluster
        self._clock = clock
        self._restarted = restarted

    async def run(self) -> None:
        """Watch until cancelled."""
        pauses = list(RESTART_PAUSES)
        kinds = ", ".join(kind.value for kind in self._source.kinds)
        await self._wait_for_kinds()
        while True:
            began = self._clock.elapsed()
            settled = asyncio.create_task(self._ask_once_settled())
            try:
                await self._source.run(self._sink)
                log.warning("a source of events ended; it is started again", kinds=kinds)
            except Exception:  # whatever it was, without events the operator is blind
                log.exception("a source of events failed; it is started again", kinds=kinds)
            finally:
                settled.cancel()
            if self._clock.elapsed() - began > LONG:
                pauses = list(RESTART_PAUSES)
            await self._clock.sleep(pauses.pop(0) if len(pauses) > 1 else pauses[0])
            await self._wait_for_kinds()
            self._restarted()

    async def _ask_once_settled(self) -> None:
        """A change between the first list and the first watch is told by no event."""
        await self._clock.sleep(SETTLED_AFTER)
        self._restarted()

    async def _wait_for_kinds(self) -> None:
        """Wait for what is to be watched. Until then sweeps alone tell what happens to a flag."""
        complained = False
        while True:
            fault = await self._fault_of_kinds()
            if fault is None:
                return
            if not complained:
                log.error("waiting for the API", fault=fault)
                complained = True
            if Kind.ROLLOUT in self._source.kinds:
                self._restarted()
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
