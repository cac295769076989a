"""Which of several replicas acts: the one that holds a Lease, and only while it surely holds it.

The others keep their caches warm and wait. Two replicas that act at once would take no step twice,
since every write is conditional; the Lease keeps them from doing each other's work.

A leadership that is lost ends the process, so that nothing it knew or began is left.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

import structlog

from surefoot.application.leases import Claim, LeaseLock, Times
from surefoot.application.ports import Clock

log = structlog.get_logger(__name__)

Lost = Callable[[], Awaitable[None]]
"""Waits until the leadership is lost, and then raises `LeadershipLost`."""


class Leadership(Protocol):
    """Whether this replica acts, and in which namespaces."""

    async def take(self) -> None:
        """Wait until this replica may act. Use `held` at once."""

    def held(self) -> contextlib.AbstractAsyncContextManager[Lost]:
        """Go on holding what was taken, within the block; give it back at its end."""

    def covers(self, namespace: str) -> bool:
        """Whether a namespace is this replica's to act in once it acts, or not another's."""

    def fence(self, what: str, namespace: str | None) -> None:
        """Raise `Unavailable` where this replica may not write. ``what`` begins the message.

        ``namespace`` is where; None for what is the operator's own.
        """


class Alone:
    """Without an election a replica always acts."""

    async def take(self) -> None:
        """Act at once."""

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[Lost]:
        """Nobody takes it away."""
        yield _never

    def covers(self, _namespace: str) -> bool:
        """Everywhere."""
        return True

    def fence(self, what: str, namespace: str | None) -> None:
        """Refuse nothing."""


async def _never() -> None:
    await asyncio.Event().wait()


class Elected:
    """The election for one replica, which the Lease knows as ``identity``.

    ``leads`` is told whether this replica acts. No two processes may have the same identity.
    """

    def __init__(
        self,
        lock: LeaseLock,
        clock: Clock,
        identity: str,
        times: Times,
        leads: Callable[[bool], None] = lambda _leads: None,
    ) -> None:
        self._claim = Claim(lock, clock, identity, times)
        self._clock = clock
        self._times = times
        self._leads = leads

    def covers(self, _namespace: str) -> bool:
        """Everywhere: what waits is known when this replica begins to act."""
        return True

    def fence(self, what: str, _namespace: str | None) -> None:
        """Raise `Unavailable` where this replica does not surely hold the Lease."""
        self._claim.fence(what)

    async def take(self) -> None:
        """Wait until nobody holds the Lease, and take it."""
        self._leads(False)
        await taken(self._claim, self._clock, self._times)
        self._leads(True)

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[Lost]:
        """Renew the Lease within the block; give it back at its end."""
        renewing = asyncio.create_task(self._claim.keep(), name="lease")

        async def lost() -> None:
            await asyncio.shield(renewing)

        try:
            yield lost
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            await self._claim.give_back()
            self._leads(False)


async def taken(claim: Claim, clock: Clock, times: Times) -> None:
    """Wait until a Lease is free, and take it. Who holds it is told once."""
    told = ""
    while not await claim.try_to_take():
        if claim.other_holder != told:
            told = claim.other_holder
            log.info("waiting; another replica leads", lease=claim.title, leader=told)
        await clock.sleep(times.retry_every)
    log.info("leading", lease=claim.title, identity=claim.identity)
