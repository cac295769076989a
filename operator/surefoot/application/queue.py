"""The work queue: which Rollouts are to be looked at, and the workers that do.

A key waits at most once and is never worked on twice at once; woken while it is worked on, it runs
again afterwards. There are three lanes: rollback goes before everything, and has workers of its
own; what happened to one Rollout goes before what only has to be looked at some time. Within a lane
the namespaces take turns, so that none of them delays another by its size.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from enum import StrEnum
from typing import Protocol

from surefoot.application.ports import ObjectKey, Telemetry


class Lane(StrEnum):
    """Which work goes first."""

    URGENT = "urgent"
    """It may have to be rolled back."""
    NORMAL = "normal"
    """Something happened to it, or is due."""
    ROUTINE = "routine"
    """It is looked at with many others: at the start, after an answer that changes little."""


ALL_LANES = tuple(Lane)
"""The most urgent first."""


class Handle(Protocol):
    """An appointment that can be cancelled."""

    def cancel(self) -> None:
        """Do not keep it."""

    def when(self) -> float:
        """When it is, on the timer's clock."""


class Timer(Protocol):
    """Makes appointments. An asyncio event loop is one."""

    def call_later(self, delay: float, callback: Callable[[], None], /) -> Handle:
        """Call back after ``delay`` seconds."""

    def time(self) -> float:
        """Now, on the timer's clock."""


class _Turns:
    """Keys that wait in one lane. Each namespace has its turn, and its own keys come in order."""

    def __init__(self) -> None:
        self._namespaces: OrderedDict[str, OrderedDict[ObjectKey, None]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: ObjectKey) -> bool:
        return key in self._namespaces.get(key.namespace, ())

    def add(self, key: ObjectKey) -> None:
        """Wait, if it does not wait already."""
        if key not in self:
            self._namespaces.setdefault(key.namespace, OrderedDict())[key] = None
            self._count += 1

    def discard(self, key: ObjectKey) -> None:
        """Do not wait any more."""
        if key in self:
            self._count -= 1
            waiting = self._namespaces[key.namespace]
            del waiting[key]
            if not waiting:
                del self._namespaces[key.namespace]

    def take(self) -> ObjectKey:
        """The next key; there must be one."""
        namespace, waiting = self._namespaces.popitem(last=False)
        key, _ = waiting.popitem(last=False)
        self._count -= 1
        if waiting:
            self._namespaces[namespace] = waiting
        return key

    def __iter__(self) -> Iterator[ObjectKey]:
        for waiting in self._namespaces.values():
            yield from waiting


class WorkQueue:
    """Keys that wait, with their lanes. ``accepts`` says which keys are to be worked on at all."""

    def __init__(
        self,
        timer: Timer,
        telemetry: Telemetry,
        accepts: Callable[[ObjectKey], bool] = lambda _key: True,
    ) -> None:
        self._timer = timer
        self._telemetry = telemetry
        self._accepts = accepts
        self._waiting = {lane: _Turns() for lane in Lane}
        self._working: set[ObjectKey] = set()
        self._again: dict[ObjectKey, Lane] = {}
        self._later: dict[ObjectKey, Handle] = {}
        self._idle: list[tuple[tuple[Lane, ...], asyncio.Future[None]]] = []
        self._closed = False

    def add(self, key: ObjectKey, lane: Lane = Lane.NORMAL) -> None:
        """Look at this Rollout as soon as possible."""
        if self._closed or not self._accepts(key):
            return
        if key in self._working:
            self._again[key] = _more_urgent(lane, self._again.get(key))
            return
        place = ALL_LANES.index(lane)
        if any(key in self._waiting[other] for other in ALL_LANES[:place]):
            return
        for other in ALL_LANES[place + 1 :]:
            self._waiting[other].discard(key)
        self._waiting[lane].add(key)
        self._count()
        self._rouse(lane)

    def defer(self, is_due: Callable[[ObjectKey], bool]) -> None:
        """Of what waits in the normal lane, leave there what is due; the rest becomes routine."""
        normal, routine = self._waiting[Lane.NORMAL], self._waiting[Lane.ROUTINE]
        for key in [key for key in normal if not is_due(key)]:
            normal.discard(key)
            routine.add(key)
        self._count()

    def add_after(self, key: ObjectKey, seconds: float, lane: Lane = Lane.NORMAL) -> None:
        """Look at this Rollout in a while, at the latest; an earlier appointment stays."""
        if self._closed or not self._accepts(key):
            return
        if seconds <= 0:
            self.add(key, lane)
            return
        present = self._later.get(key)
        if present is not None:
            if present.when() <= self._timer.time() + seconds:
                return
            present.cancel()
        self._later[key] = self._timer.call_later(seconds, lambda: self._due(key, lane))

    def forget(self, key: ObjectKey) -> None:
        """Keep no appointment for it: it is gone, or it was just looked at."""
        appointment = self._later.pop(key, None)
        if appointment is not None:
            appointment.cancel()

    def drop(self, key: ObjectKey) -> None:
        """Do not look at it any more: what waits, and what was agreed on, is forgotten."""
        for waiting in self._waiting.values():
            waiting.discard(key)
        self._again.pop(key, None)
        self.forget(key)
        self._count()

    def _due(self, key: ObjectKey, lane: Lane) -> None:
        self._later.pop(key, None)
        self.add(key, lane)

    async def take(self, *lanes: Lane) -> tuple[ObjectKey, Lane] | None:
        """The next key of these lanes, the first lane first; None when the queue is closed."""
        while not self._closed:
            for lane in lanes:
                if self._waiting[lane]:
                    key = self._waiting[lane].take()
                    self._working.add(key)
                    self._count()
                    return key, lane
            await self._wait(lanes)
        return None

    async def _wait(self, lanes: tuple[Lane, ...]) -> None:
        roused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._idle.append((lanes, roused))
        try:
            await roused
        except asyncio.CancelledError:
            if roused.done() and not roused.cancelled():  # it was for us: somebody else must go
                for lane in lanes:
                    if self._waiting[lane]:
                        self._rouse(lane)
            raise
        finally:
            with contextlib.suppress(ValueError):
                self._idle.remove((lanes, roused))

    def _rouse(self, lane: Lane) -> None:
        for waiter in self._idle:
            if lane in waiter[0] and not waiter[1].done():
                self._idle.remove(waiter)
                waiter[1].set_result(None)
                return

    def done(self, key: ObjectKey) -> None:
        """It was worked on. If it was woken meanwhile, it waits again."""
        self._working.discard(key)
        lane = self._again.pop(key, None)
        if lane is not None:
            self.add(key, lane)

    def close(self) -> None:
        """Accept nothing more and hand out nothing more."""
        self._closed = True
        for appointment in self._later.values():
            appointment.cancel()
        self._later.clear()
        for _, roused in self._idle:
            if not roused.done():
                roused.set_result(None)

    @property
    def in_work(self) -> frozenset[ObjectKey]:
        """What is being worked on."""
        return frozenset(self._working)

    def _count(self) -> None:
        for lane in Lane:
            self._telemetry.queue_depth(lane.value, len(self._waiting[lane]))


def _more_urgent(one: Lane, other: Lane | None) -> Lane:
    return one if other is None else min(one, other, key=ALL_LANES.index)


class Workers:
    """Take keys from the queue and work on them, until stopped."""

    URGENT_ONLY = 2
    """Workers that nothing but rollback can keep busy."""

    def __init__(
        self, queue: WorkQueue, work: Callable[[ObjectKey, Lane], Awaitable[None]], count: int
    ) -> None:
        self._queue = queue
        self._work = work
        self._tasks = [
            asyncio.create_task(self._serve(*ALL_LANES), name=f"worker {number}")
            for number in range(count)
        ] + [
            asyncio.create_task(self._serve(Lane.URGENT), name=f"urgent worker {number}")
            for number in range(self.URGENT_ONLY)
        ]

    async def _serve(self, *lanes: Lane) -> None:
        while (taken := await self._queue.take(*lanes)) is not None:
            key, lane = taken
            try:
                await self._work(key, lane)
            finally:
                self._queue.done(key)

    async def failed(self) -> None:
        """Wait until a worker ends by itself, which it never should; raises what ended it."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def stop(self, within: float) -> None:
        """Take nothing more; let what is in work finish within so many seconds."""
        self._queue.close()
        await asyncio.wait(self._tasks, timeout=within)
        await self.abort()

    async def abort(self) -> None:
        """Stop at once, whatever is in work."""
        self._queue.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
