"""Keeps a source of events running, for the kinds that it watches and for no others."""

from collections.abc import Callable

import structlog

from surefoot.application.ports import Clock, Cluster, EventSink, EventSource
from surefoot.errors import ApiError

log = structlog.get_logger(__name__)

RESTART_PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)
LONG = 60.0
"""Seconds after which a source that ends is started again without a long pause."""


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
            try:
                await self._source.run(self._sink)
                log.warning("a source of events ended; it is started again", kinds=kinds)
            except Exception:  # whatever it was, without events the operator is blind
                log.exception("a source of events failed; it is started again", kinds=kinds)
            if self._clock.elapsed() - began > LONG:
                pauses = list(RESTART_PAUSES)
            await self._clock.sleep(pauses.pop(0) if len(pauses) > 1 else pauses[0])
            await self._wait_for_kinds()
            self._restarted()

    async def _wait_for_kinds(self) -> None:
        complained = False
        while True:
            try:
                if await self._cluster.kinds_are_established(*self._source.kinds):
                    return
                fault = "the CRDs are not installed: kubectl apply --server-side -f crds/"
            except ApiError as error:
                fault = str(error)
            if not complained:
                log.error("waiting for the API", fault=fault)
                complained = True
            await self._clock.sleep(2)
