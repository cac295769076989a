"""Whether the operator is alive, and whether it is ready: the answers of its probes."""

import asyncio

from surefoot.adapters.probes import EventLoopMonitor
from surefoot.application.ports import Clock
from surefoot.application.resync import Resyncer

UNHEALTHY_AFTER = 180.0
"""Seconds without a try to sweep, or between two beats of the event loop, that are too long."""


class Health:
    """Says what is wrong, or None. ``synced`` is set once the flags are known."""

    def __init__(
        self, monitor: EventLoopMonitor, resyncer: Resyncer, clock: Clock, synced: asyncio.Event
    ) -> None:
        self._monitor = monitor
        self._resyncer = resyncer
        self._clock = clock
        self._synced = synced

    def sick(self) -> str | None:
        """Why the process should be restarted."""
        if self._monitor.age > UNHEALTHY_AFTER:
            return f"the event loop has stood still for {self._monitor.age:.0f} s"
        idle = self._clock.elapsed() - self._resyncer.tried_at
        if idle > UNHEALTHY_AFTER:
            return f"no sweep was tried for {idle:.0f} s"
        return None

    def unready(self) -> str | None:
        """Why the operator does not do all of its work yet."""
        if not self._synced.is_set() or self._resyncer.succeeded_at is None:
            return "the caches are not synced yet"
        old = self._clock.elapsed() - self._resyncer.succeeded_at
        return f"no sweep succeeded for {old:.0f} s" if old > UNHEALTHY_AFTER else None
