"""Kubernetes events, posted in the background: late or lost rather than in the way."""

import asyncio
from collections import deque
from collections.abc import Collection

import structlog

from surefoot.application.ports import Announcer, Cluster, Subject
from surefoot.application.rbac import remedy_of
from surefoot.domain.plan import Announcement
from surefoot.errors import ApiError, Refused

log = structlog.get_logger(__name__)

LONGEST_QUEUE = 1000


class FanOutAnnouncer:
    """The `Announcer` port, for several at once."""

    def __init__(self, *announcers: Announcer) -> None:
        self._announcers = announcers

    def announce(self, subject: Subject, announcements: Collection[Announcement]) -> None:
        """Hand them to each."""
        for announcer in self._announcers:
            announcer.announce(subject, announcements)


class BackgroundAnnouncer:
    """The `Announcer` port. The oldest announcements are dropped where too many wait."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._waiting: deque[tuple[Subject, Announcement]] = deque(maxlen=LONGEST_QUEUE)
        self._some = asyncio.Event()
        self._has_complained = False

    def announce(self, subject: Subject, announcements: Collection[Announcement]) -> None:
        """Hand them over."""
        self._waiting.extend((subject, announcement) for announcement in announcements)
        if self._waiting:
            self._some.set()

    async def run(self) -> None:
        """Post what is handed over, until cancelled."""
        while True:
            await self._some.wait()
            await self.drain()

    async def drain(self) -> None:
        """Post what waits now."""
        while self._waiting:
            subject, announcement = self._waiting.popleft()
            try:
                await self._cluster.post_event(subject, announcement)
            except Refused as error:
                self._complain(error)
            except ApiError as error:
                log.debug("event not posted", subject=str(subject.key), error=str(error))
        self._some.clear()

    def _complain(self, error: Refused) -> None:
        """Say once why there are no events, where RBAC refuses them."""
        remedy = remedy_of(error)
        if remedy and not self._has_complained:
            log.warning("events are not posted", error=str(error), remedy=remedy)
            self._has_complained = True
