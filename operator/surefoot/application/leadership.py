"""Which of several replicas acts: the one that holds a Lease, and only while it surely holds it.

The others keep their caches warm and wait. Two replicas that act at once would take no step twice,
since every write is conditional; the Lease keeps them from doing each other's work.

No clock of one replica is ever compared with another's. Whoever waits measures on its own
monotonic clock for how long the Lease has not changed. Whoever holds it counts from the moment
before a renewal was sent, and lets go well before the others can take it: from then on its writes
are refused here (`fence`), and the process ends, so that nothing it knew or began is left. It also
holds after the process was stopped for a while, since the first thing that is asked is the time.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from surefoot.application.ports import Clock
from surefoot.errors import ApiError, Conflict, LeadershipLost, Unavailable

log = structlog.get_logger(__name__)

GIVING_BACK = 3.0
"""Seconds in which the Lease is given back at the end; else the others wait until it runs out."""


@dataclass(frozen=True, slots=True)
class LeaseContent:
    """What the Lease says. ``duration`` is in seconds; an empty ``holder`` means nobody."""

    holder: str
    duration: float
    transitions: int


@dataclass(frozen=True, slots=True)
class LeaseVersion:
    """One version of the Lease, as read. ``acquired`` is the server's text for it, or empty."""

    version: str
    content: LeaseContent
    acquired: str = ""


class LeaseLock(Protocol):
    """Where the Lease is kept."""

    @property
    def title(self) -> str:
        """What it is called in logs."""

    async def read(self) -> LeaseVersion | None:
        """The Lease as it is; None where there is none. Raises `ApiError`."""

    async def write(self, before: LeaseVersion | None, content: LeaseContent) -> LeaseVersion:
        """Replace the version that was read, or create it. Raises `Conflict` and `ApiError`."""


@dataclass(frozen=True, slots=True)
class Times:
    """In seconds: how long the Lease lasts, how soon it must be renewed, how often that is tried.

    The leader acts no longer than ``renew_within`` after a renewal, the others act no sooner than
    ``lasts`` after the last renewal that they saw. What lies between is the room for requests that
    are on their way.
    """

    lasts: float
    renew_within: float
    retry_every: float


Lost = Callable[[], Awaitable[None]]
"""Waits until the leadership is lost, and then raises `LeadershipLost`."""


class Leadership(Protocol):
    """Whether this replica acts."""

    async def take(self) -> None:
        """Wait until this replica may act. Use `held` at once."""

    def held(self) -> contextlib.AbstractAsyncContextManager[Lost]:
        """Go on holding what was taken, within the block; give it back at its end."""

    def fence(self, what: str) -> None:
        """Raise `Unavailable` where this replica may not act. ``what`` begins the message."""


class Alone:
    """Without an election a replica always acts."""

    async def take(self) -> None:
        """Act at once."""

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[Lost]:
        """Nobody takes it away."""
        yield _never

    def fence(self, what: str) -> None:
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
        self._lock = lock
        self._clock = clock
        self._identity = identity
        self._times = times
        self._leads = leads
        self._current: LeaseVersion | None = None
        self._until: float | None = None
        """On the measuring clock: until when this replica may act. None while it does not lead."""
        self._seen: LeaseVersion | None = None
        self._seen_since = 0.0

    def fence(self, what: str) -> None:
        """Raise `Unavailable` where this replica does not surely hold the Lease."""
        if self._until is None:
            raise Unavailable(f"{what}: this replica does not lead, and writes nothing")
        if self._clock.elapsed() >= self._until:
            raise Unavailable(f"{what}: this replica could not renew its Lease, and writes nothing")

    async def take(self) -> None:
        """Wait until nobody holds the Lease, and take it."""
        self._leads(False)
        told = ""
        while not await self._try_to_take():
            holder = self._seen.content.holder if self._seen is not None else ""
            if holder != told:
                log.info("waiting; another replica leads", lease=self._lock.title, leader=holder)
                told = holder
            await self._clock.sleep(self._times.retry_every)
        log.info("leading", lease=self._lock.title, identity=self._identity)
        self._leads(True)

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[Lost]:
        """Renew the Lease within the block; give it back at its end."""
        renewing = asyncio.create_task(self._keep(), name="lease")

        async def lost() -> None:
            await asyncio.shield(renewing)

        try:
            yield lost
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            await self._give_back()
            self._leads(False)

    # Waiting for it

    async def _try_to_take(self) -> bool:
        try:
            found = await self._lock.read()
            if self._is_held_by_another(found):
                return False
            await self._write(found)
        except Conflict:
            return False
        except ApiError as error:
            log.warning("the Lease cannot be taken", lease=self._lock.title, fault=str(error))
            return False
        return True

    def _is_held_by_another(self, found: LeaseVersion | None) -> bool:
        if found is None or found.content.holder in {"", self._identity}:
            self._seen = found
            return False
        now = self._clock.elapsed()
        if self._seen is None or self._seen.version != found.version:
            self._seen, self._seen_since = found, now
        # Whatever somebody writes into the Lease, it does not end sooner than all of us agreed on.
        lasts = max(self._times.lasts, found.content.duration)
        return now - self._seen_since < lasts

    # Keeping it

    async def _keep(self) -> None:
        """Renew the Lease. Raises `LeadershipLost`."""
        while True:
            await self._clock.sleep(self._times.retry_every)
            left = self._left()
            if left <= 0:
                raise LeadershipLost(self._too_late())
            try:
                async with asyncio.timeout(left):
                    await self._renew()
            except TimeoutError:
                raise LeadershipLost(self._too_late()) from None
            except ApiError as error:
                log.warning("the Lease was not renewed", lease=self._lock.title, fault=str(error))

    async def _renew(self) -> None:
        try:
            await self._write(self._current)
        except Conflict:
            await self._look_again()

    async def _look_again(self) -> None:
        """Somebody wrote the Lease, or deleted it. It is ours unless another replica holds it."""
        found = await self._lock.read()
        holder = "" if found is None else found.content.holder
        if holder not in {"", self._identity}:
            raise LeadershipLost(f"Lease {self._lock.title} was taken by {holder}")
        log.warning(
            "the Lease was changed by somebody; it is written again", lease=self._lock.title
        )
        self._current = found
        with contextlib.suppress(Conflict):
            await self._write(found)

    async def _write(self, before: LeaseVersion | None) -> None:
        """Write the Lease as ours. It lasts, for us, from the moment before it was sent."""
        sent = self._clock.elapsed()
        transitions = 0 if before is None else before.content.transitions
        is_ours = before is not None and before.content.holder == self._identity
        content = LeaseContent(
            self._identity, self._times.lasts, transitions if is_ours else transitions + 1
        )
        self._current = await self._lock.write(before, content)
        self._until = sent + self._times.renew_within

    def _left(self) -> float:
        return 0.0 if self._until is None else self._until - self._clock.elapsed()

    def _too_late(self) -> str:
        return (
            f"Lease {self._lock.title} could not be renewed within {self._times.renew_within:g} s; "
            "another replica may take it soon"
        )

    # Giving it back

    async def _give_back(self) -> None:
        """Let another replica go on at once, where the Lease is still ours."""
        current, left = self._current, self._left()
        self._until = None
        if current is None or left <= 0:
            return
        content = LeaseContent("", self._times.lasts, current.content.transitions)
        try:
            async with asyncio.timeout(GIVING_BACK):
                await self._lock.write(current, content)
        except (ApiError, TimeoutError) as error:
            log.warning("the Lease was not given back", lease=self._lock.title, fault=str(error))
        else:
            log.info("gave the Lease back", lease=self._lock.title)
