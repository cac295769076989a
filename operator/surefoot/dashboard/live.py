"""What the cluster has, kept as it is while somebody looks: Rollouts by a watch, requests beside.

The last values of each metric are kept too, so that a page has something to draw from the moment
it is opened.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from surefoot.errors import SurefootError
from surefoot.plugin.metrics import readings_of
from surefoot.plugin.session import Session, error_text
from surefoot.plugin.watching import Follower, Key

JSON = dict[str, Any]
KEPT_SAMPLES = 720
LOOK_EVERY = 5.0
"""Seconds after which the requests are read again though no Rollout has changed."""
SETTLE = 0.2
"""Seconds in which further changes are waited for, so that a burst is one new picture."""
AGAIN_AFTER = 2.0


@dataclass(slots=True)
class Picture:
    """Everything that pages show. ``fault`` says why it is not up to date; empty where it is."""

    rollouts: dict[Key, JSON] = field(default_factory=dict)
    approvals: list[JSON] = field(default_factory=list)
    checkpoints: list[JSON] = field(default_factory=list)
    at: datetime | None = None
    fault: str = ""
    version: int = 0


Samples = dict[tuple[Key, str], deque[tuple[float, float]]]


class Live:
    """Follows the cluster, and tells whoever waits of each new picture."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._follower = Follower(session, None, lambda _raw: None)
        self._told = asyncio.Condition()
        self.picture = Picture()
        self.samples: Samples = {}

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            following = asyncio.create_task(self._follower.follow())
            try:
                await self._take_pictures(following)
            except SurefootError as error:
                await self._tell(fault=error_text(error))
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
            await asyncio.sleep(AGAIN_AFTER)

    async def _take_pictures(self, following: asyncio.Task[None]) -> None:
        while True:
            changed = asyncio.create_task(self._follower.changed.wait())
            done, _ = await asyncio.wait(
                {changed, following}, timeout=LOOK_EVERY, return_when=asyncio.FIRST_COMPLETED
            )
            changed.cancel()
            if following in done:
                following.result()
                return
            self._follower.changed.clear()
            if self._follower.is_synced:
                await self.look()
            await asyncio.sleep(SETTLE)

    async def look(self) -> None:
        """Read the requests, and put a new picture together. Raises `SurefootError`."""
        session = self._session
        approvals, checkpoints = await asyncio.gather(
            session.requests("approvals"), session.requests("checkpoints")
        )
        self.picture.approvals, self.picture.checkpoints = approvals, checkpoints
        self.picture.rollouts = dict(self._follower.found)
        self._take_samples()
        await self._tell()

    def _take_samples(self) -> None:
        for key, raw in self.picture.rollouts.items():
            for reading in readings_of(raw):
                if reading.value is None or reading.observed_at is None:
                    continue
                kept = self.samples.setdefault((key, reading.name), deque(maxlen=KEPT_SAMPLES))
                sample = (reading.observed_at.timestamp(), reading.value)
                if not kept or kept[-1][0] < sample[0]:
                    kept.append(sample)
        for key, name in list(self.samples):
            if key not in self.picture.rollouts:
                del self.samples[key, name]

    async def _tell(self, fault: str = "") -> None:
        async with self._told:
            self.picture.fault = fault
            with contextlib.suppress(SurefootError):  # before the first answer there is no time
                self.picture.at = self._session.now()
            self.picture.version += 1
            self._told.notify_all()

    async def pictures(self) -> AsyncIterator[Picture]:
        """The picture as it is, and each new one. Nothing is queued: only the latest counts."""
        seen = -1
        while True:
            async with self._told:
                await self._told.wait_for(lambda known=seen: self.picture.version != known)  # type: ignore[misc]
                seen = self.picture.version
            yield self.picture
