"""A claim on a Lease: it holds only while this replica has surely renewed it.

No clock of one replica is ever compared with another's. Anyone who waits measures on its own
monotonic clock for how long the Lease has not changed. Anyone who holds it counts from the moment
before a renewal was sent, and lets go well before the others can take it: from then on its writes
are refused here (`fence`). It also holds after the process was stopped for a while, since the first
thing that is asked is the time.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from surefoot.application.ports import Clock
from surefoot.errors import ApiError, Conflict, LeadershipLost, Unavailable

log = structlog.get_logger(__name__)

GIVING_BACK = 3.0
"""Seconds in which a Lease is given back at the end; else the others wait until it runs out."""


@dataclass(frozen=True, slots=True)
class LeaseContent:
    """What the Lease says. ``duration`` is in seconds; an empty ``holder`` means nobody.

    ``replicas`` are those that share it, each with a number that it raises while it lives.
    """

    holder: str
    duration: float
    transitions: int
    replicas: Mapping[str, int] = field(default_factory=dict)


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

    A replica acts no longer than ``renew_within`` after a renewal, the others act no sooner than
    ``lasts`` after the last renewal that they saw. What lies between is the room for requests that
    are on their way.
    """

    lasts: float
    renew_within: float
    retry_every: float


Replicas = Callable[[Mapping[str, int]], Mapping[str, int]]
"""What is to be written of those who share a Lease, by what was read of them."""


class Claim:
    """The claim of ``identity`` on one Lease.

    Several processes may have the same identity where they share the Lease: each then renews it for
    itself, and ``replicas`` tells what to write of those who share it. Else no two may have it.
    """

    def __init__(
        self,
        lock: LeaseLock,
        clock: Clock,
        identity: str,
        times: Times,
        replicas: Replicas | None = None,
    ) -> None:
        self.identity = identity
        self._lock = lock
        self._clock = clock
        self._times = times
        self._replicas = replicas
        self._current: LeaseVersion | None = None
        self._until: float | None = None
        """On the measuring clock: until when this replica holds it. None while it does not."""
        self._seen: LeaseVersion | None = None
        """The Lease as last seen while another one held it, and since when it has not changed."""
        self._seen_since = 0.0

    @property
    def title(self) -> str:
        """What the Lease is called in logs."""
        return self._lock.title

    @property
    def other_holder(self) -> str:
        """Who held it when it was last looked at, other than this replica; empty for nobody."""
        return "" if self._seen is None else self._seen.content.holder

    def fence(self, what: str) -> None:
        """Raise `Unavailable` where this replica does not surely hold the Lease."""
        if self._until is None:
            raise Unavailable(f"{what}: this replica does not hold Lease {self.title}")
        if self._clock.elapsed() >= self._until:
            raise Unavailable(f"{what}: this replica could not renew its Lease {self.title}")

    # Waiting for it

    async def look(self) -> bool:
        """Read the Lease: whether it can be taken now. Raises `ApiError`."""
        found = await self._lock.read()
        self._current = found
        return not self._is_held_by_another(found)

    async def take(self) -> bool:
        """Take what `look` has just found to be free. False: another one was faster."""
        try:
            await self._write(self._current)
        except Conflict:
            return False
        return True

    async def try_to_take(self) -> bool:
        """Take it if it is free; whatever fails is tried again by the next call."""
        try:
            return await self.look() and await self.take()
        except ApiError as error:
            log.warning("the Lease cannot be taken", lease=self.title, fault=str(error))
            return False

    def _is_held_by_another(self, found: LeaseVersion | None) -> bool:
        if found is not None and found.content.holder in {"", self.identity}:
            self._seen = None
            return False
        now = self._clock.elapsed()
        if found is not None and (self._seen is None or self._seen.version != found.version):
            self._seen, self._seen_since = found, now
        if self._seen is None:
            return False
        # Whatever somebody writes into the Lease, or deletes it, it does not end sooner than all of
        # us agreed on: its holder may not know yet.
        lasts = max(self._times.lasts, self._seen.content.duration)
        return now - self._seen_since < lasts

    # Keeping it

    async def keep(self) -> None:
        """Renew the Lease. Raises `LeadershipLost`."""
        while True:
            await self._clock.sleep(self._times.retry_every)
            left = self._left()
            if left <= 0:
                raise LeadershipLost(self._too_late())
            try:
                async with asyncio.timeout(left):
                    await self.renew()
            except TimeoutError:
                raise LeadershipLost(self._too_late()) from None
            except ApiError as error:
                log.warning("the Lease was not renewed", lease=self.title, fault=str(error))

    async def renew(self) -> None:
        """Write the Lease once more. Raises `LeadershipLost` where it is another's by now."""
        try:
            await self._write(self._current)
        except Conflict:
            await self._look_again()

    async def _look_again(self) -> None:
        """Somebody wrote the Lease, or deleted it. It is ours unless another one holds it."""
        found = await self._lock.read()
        holder = "" if found is None else found.content.holder
        if holder not in {"", self.identity}:
            raise LeadershipLost(f"Lease {self.title} was taken by {holder}")
        if self._replicas is None:
            log.warning("the Lease was changed by somebody; it is written again", lease=self.title)
        self._current = found
        with contextlib.suppress(Conflict):
            await self._write(found)

    async def _write(self, before: LeaseVersion | None) -> None:
        """Write the Lease as ours. It lasts, for us, from the moment before it was sent."""
        sent = self._clock.elapsed()
        transitions = 0 if before is None else before.content.transitions
        is_ours = before is not None and before.content.holder == self.identity
        content = LeaseContent(
            self.identity,
            self._times.lasts,
            transitions if is_ours else transitions + 1,
            self._shared_by({} if before is None else before.content.replicas),
        )
        self._current = await self._lock.write(before, content)
        self._until = sent + self._times.renew_within

    def _shared_by(self, found: Mapping[str, int]) -> Mapping[str, int]:
        return {} if self._replicas is None else self._replicas(found)

    def _left(self) -> float:
        return 0.0 if self._until is None else self._until - self._clock.elapsed()

    def _too_late(self) -> str:
        return (
            f"Lease {self.title} could not be renewed within {self._times.renew_within:g} s; "
            "another replica may take it soon"
        )

    # Giving it back

    async def give_back(self) -> None:
        """Let another replica go on at once, where the Lease is still ours."""
        current, left = self._current, self._left()
        self._until = None
        if current is None or left <= 0:
            return
        try:
            async with asyncio.timeout(GIVING_BACK):
                await self._hand_back(current)
        except (ApiError, TimeoutError) as error:
            log.warning("the Lease was not given back", lease=self.title, fault=str(error))
        else:
            log.info("gave the Lease back", lease=self.title)

    async def _hand_back(self, current: LeaseVersion) -> None:
        content = LeaseContent("", self._times.lasts, current.content.transitions)
        try:
            await self._lock.write(current, content)
        except Conflict:  # perhaps with a renewal whose answer nobody waited for
            found = await self._lock.read()
            if found is None or found.content.holder != self.identity:
                raise
            await self._lock.write(found, content)
