"""A Lease that several replicas share, without an API server, and processes that can be stopped."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from surefoot.application.leadership import Leadership
from surefoot.application.leases import LeaseContent, LeaseVersion, Times
from surefoot.errors import Conflict, Unavailable
from tests.support.fakes import FakeClock

TIMES = Times(lasts=10.0, renew_within=6.0, retry_every=1.0)


@dataclass
class Board:
    """Where the Lease is kept, as the API server would."""

    version: int = 0
    content: LeaseContent | None = None
    is_down: bool = False
    answers: bool = True
    """Whether what was written is said to be; else nothing is said forever."""
    writes: int = 0

    def edit(self, content: LeaseContent | None) -> None:
        """Somebody writes or deletes the Lease by hand."""
        self.content = content
        self.version += 1


@dataclass
class Lock:
    """One replica's way to the board; requests hang while the replica is stopped."""

    board: Board
    goes: asyncio.Event
    title: str = "surefoot-system/surefoot"

    async def read(self) -> LeaseVersion | None:
        await self._reach()
        if self.board.content is None:
            return None
        return LeaseVersion(str(self.board.version), self.board.content)

    async def write(self, before: LeaseVersion | None, content: LeaseContent) -> LeaseVersion:
        await self._reach()
        present = None if self.board.content is None else str(self.board.version)
        if (None if before is None else before.version) != present:
            raise Conflict("somebody was faster", status=409)
        self.board.edit(content)
        self.board.writes += 1
        if not self.board.answers:
            await asyncio.Event().wait()
        return LeaseVersion(str(self.board.version), content)

    async def _reach(self) -> None:
        await self.goes.wait()
        if self.board.is_down:
            raise Unavailable("the API server does not answer", status=503)


class StoppableClock(FakeClock):
    """The clock of a process that can be stopped: time passes, and its sleeps do not end.

    It is hours ahead of the shared one.
    """

    def __init__(self, shared: FakeClock, goes: asyncio.Event, hours: int) -> None:
        super().__init__()
        self._shared = shared
        self._goes = goes
        self._ahead = 3600.0 * hours

    def elapsed(self) -> float:
        return self._shared.elapsed() + self._ahead

    def now(self) -> datetime:
        return self._shared.now() + timedelta(seconds=self._ahead)

    async def sleep(self, seconds: float) -> None:
        await self._shared.sleep(seconds)
        await self._goes.wait()


async def hold(leadership: Leadership, *, until: asyncio.Event) -> None:
    """Hold what was taken until the event, or until it is lost: then `LeadershipLost` is raised."""
    async with leadership.held() as lost:
        waiting = [asyncio.ensure_future(lost()), asyncio.ensure_future(until.wait())]
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for each in waiting:
            each.cancel()
        for each in done:
            each.result()
