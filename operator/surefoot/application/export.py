"""Every history entry to every sink: in order for each Rollout, at least once, never in the way.

The histories on the Rollouts are the queue. What has been delivered is remembered outside the
process (`Cursors`), after the delivery and never before: a crash in between delivers a few lines
again, and never skips one. Entries that drop out of a bounded history while a sink does not take
them are kept here, within bounds; beyond these they are lost to that sink, and a `Gap` says so.

Each sink has a task of its own. A decision or rollback only ever hands over what was written
already, and waits for nothing here.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import structlog

from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import Transition
from surefoot.application.backoff import Backoff
from surefoot.application.ports import Announcer, Clock, Kind, ObjectKey, Subject
from surefoot.domain.plan import Announcement
from surefoot.domain.record.transitions import KEPT_ENTRIES, sealed
from surefoot.domain.record.verification import (
    Line,
    Mark,
    Origin,
    following,
    lines,
    mark_of,
    origin_of,
)
from surefoot.errors import ApiError, SinkError

log = structlog.get_logger(__name__)

LONGEST_BACKLOG = 100
"""Entries kept for one Rollout."""
MOST_BEYOND = 2000
"""Entries kept for all Rollouts beyond those that they have in their own status."""
BATCH_LINES = 100
BATCH_BYTES = 512 * 1024
SAVE_RETRY = 5.0
AT_A_STRETCH = 20
"""Rollouts that are told before others have their turn on the event loop: each may be parsed."""


class Sink(Protocol):
    """Somewhere to keep lines. ``timeout`` is how many seconds one delivery may take."""

    name: str
    timeout: float

    async def deliver(self, lines: Sequence[str]) -> None:
        """Take all of these lines, in this order; they are safe when this returns.

        Raises `SinkError` where it is not known that all were taken: they all come again.
        """

    async def close(self) -> None:
        """Let go of connections."""


class Cursors(Protocol):
    """Remembers across restarts up to which entry a sink has a Rollout's history."""

    async def load(self, sink: str) -> dict[str, Mark]:
        """By Rollout UID. Raises `ApiError`."""

    async def save(self, sink: str, marks: Mapping[str, Mark]) -> None:
        """Replace what is remembered. Raises `ApiError`."""


class RecordTelemetry(Protocol):
    """What is counted of the sinks."""

    def exported(self, sink: str, count: int) -> None:
        """So many entries were delivered."""

    def export_failed(self, sink: str) -> None:
        """A delivery failed, or was given up because it hung."""

    def export_gaps(self, sink: str, count: int) -> None:
        """So often entries were lost before this sink took them."""

    def export_waiting(self, sink: str, count: int, lag: float) -> None:
        """So many entries wait, the oldest for so many seconds."""


@dataclass(slots=True)
class _Kept:
    """The entries of one Rollout that are kept here, oldest first."""

    origin: Origin
    entries: tuple[Transition, ...] = ()
    is_there: bool = True
    """Whether the Rollout still exists."""


class _Batch(NamedTuple):
    """Lines for one delivery, how far they bring each Rollout, and whose entries were lost."""

    lines: tuple[Line, ...]
    marks: dict[str, Mark]
    lost: tuple[Origin, ...]


class Record:
    """Hands histories to sinks. See the module."""

    def __init__(
        self, cursors: Cursors, clock: Clock, telemetry: RecordTelemetry, announcer: Announcer
    ) -> None:
        self._cursors = cursors
        self._clock = clock
        self._telemetry = telemetry
        self._announcer = announcer
        self._kept: dict[str, _Kept] = {}
        self._unchained: list[tuple[Origin, Transition]] = []
        self._deliveries: tuple[_Delivery, ...] = ()
        self._retired: list[_Delivery] = []
        self._exchanged = asyncio.Event()
        self._untold: Iterator[Rollout] | None = None
        """The Rollouts known before the sinks, as far as they are not told yet."""

    def exchange(self, sinks: Iterable[Sink], rollouts: Iterable[Rollout] = ()) -> None:
        """Use these sinks from now on.

        ``rollouts`` are those that are known already. They are told while others have their turn.
        """
        self._retired += self._deliveries
        self._deliveries = tuple(
            _Delivery(
                sink,
                self._kept,
                self._cursors,
                self._clock,
                self._telemetry,
                self._announcer,
                self._settle,
                self._chain,
            )
            for sink in sinks
        )
        if not self._deliveries:
            self._kept.clear()
            self._unchained.clear()
        self._untold = iter(rollouts) if self._deliveries else None
        self._exchanged.set()

    def keep_only(self, within: Callable[[str], bool]) -> None:
        """Leave Rollouts elsewhere to others; the end of a history that is here nobody else has."""
        for uid, kept in list(self._kept.items()):
            if kept.is_there and not within(kept.origin.namespace):
                del self._kept[uid]

    def observe(self, rollout: Rollout) -> None:
        """A version of a Rollout exists. Cheap where its history has nothing new."""
        history = rollout.status.history
        if not self._deliveries or not history:
            return
        origin = origin_of(rollout)
        kept = self._kept.setdefault(origin.uid, _Kept(origin))
        new = following(history, mark_of(kept.entries[-1]) if kept.entries else None)
        if not new:
            return
        kept.entries = (*kept.entries, *new)
        self._trim(origin.uid, kept)
        for delivery in self._deliveries:
            delivery.has_news(origin.uid)

    def end(self, origin: Origin, entry: Transition) -> None:
        """The last entry of a Rollout that is gone: no status has it, so it is chained here.

        It follows the last entry that is known of this Rollout, from its status or from what a
        sink has. If the process ends before a sink has it, it is lost to that sink.
        """
        if self._deliveries:
            self._unchained.append((origin, entry))
            self._chain()

    def _chain(self) -> None:
        """Seal what ends a history, as soon as it is known which entry it follows."""
        waiting, self._unchained = self._unchained, []
        for origin, entry in waiting:
            kept = self._kept.get(origin.uid) or _Kept(origin)
            is_told = self._untold is None and all(d.knows_what_it_has for d in self._deliveries)
            if not kept.entries and not is_told:
                self._unchained.append((origin, entry))
                continue
            kept.entries = (*kept.entries, self._following(origin.uid, kept, entry))
            self._kept[origin.uid] = kept
            for delivery in self._deliveries:
                delivery.has_news(origin.uid)

    def _following(self, uid: str, kept: _Kept, entry: Transition) -> Transition:
        if kept.entries:
            last = kept.entries[-1]
            told = {"plan_hash": last.plan_hash, "attempt": last.attempt}
            return sealed(entry.model_copy(update=told), last.hash)
        marks = (delivery.mark(uid) for delivery in self._deliveries)
        return sealed(entry, next((mark.hash for mark in marks if mark is not None), ""))

    def present(self, uids: Collection[str]) -> None:
        """By a complete list, these Rollouts exist, or their ConfigMaps wait for their release.

        Of others, what waits is still delivered.
        """
        there = {*uids, *(origin.uid for origin, _ in self._unchained)}
        for uid, kept in list(self._kept.items()):
            kept.is_there = uid in there
            self._settle(uid)
        for delivery in self._deliveries:
            delivery.forget_all_but(there | self._kept.keys())

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            self._exchanged.clear()
            retired, self._retired = self._retired, []
            await asyncio.gather(*(delivery.close() for delivery in retired))
            await asyncio.gather(*(delivery.load() for delivery in self._deliveries))
            await self._catch_up()
            tasks = [asyncio.create_task(delivery.run()) for delivery in self._deliveries]
            exchanged = asyncio.create_task(self._exchanged.wait())
            try:
                done, _ = await asyncio.wait(
                    {*tasks, exchanged}, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    task.result()
            finally:
                for task in (*tasks, exchanged):
                    task.cancel()
                await asyncio.gather(*tasks, exchanged, return_exceptions=True)

    async def _catch_up(self) -> None:
        """Hear of what was there before the sinks; nothing is delivered before."""
        untold = self._untold
        for number, rollout in enumerate(untold or ()):
            self._tell_of_the_past(rollout)
            if number % AT_A_STRETCH == 0:
                await asyncio.sleep(0)
            if self._untold is not untold:  # the sinks were exchanged again
                return
        self._untold = None
        self._chain()

    def _tell_of_the_past(self, rollout: Rollout) -> None:
        """Hear of a version that may not be the newest any more: what is known goes on from it."""
        kept = self._kept.get(rollout.metadata.uid)
        if kept is None or not kept.entries:
            self.observe(rollout)
            return
        first = kept.entries[0]
        past = rollout.status.history[: _place_of(first, rollout.status.history)]
        if past and past[-1].hash == first.prev_hash:
            kept.entries = (*past, *kept.entries)
            for delivery in self._deliveries:
                delivery.has_news(rollout.metadata.uid)

    async def close(self) -> None:
        """Let go of every sink."""
        await asyncio.gather(*(each.close() for each in (*self._retired, *self._deliveries)))

    def _settle(self, uid: str) -> None:
        """Keep no more of a Rollout than somebody still needs."""
        kept = self._kept.get(uid)
        if kept is None:
            return
        if not kept.is_there and all(delivery.has_all(uid, kept) for delivery in self._deliveries):
            del self._kept[uid]
        else:
            self._trim(uid, kept)

    def _trim(self, uid: str, kept: _Kept) -> None:
        """Keep what waits, and the last entry, which tells what is new: the status has the rest."""
        waiting = max(
            (delivery.waiting(uid, kept) for delivery in self._deliveries),
            default=0,
        )
        kept.entries = kept.entries[-min(max(waiting, 1), LONGEST_BACKLOG) :]
        if len(kept.entries) <= KEPT_ENTRIES:
            return
        beyond = sum(max(0, len(each.entries) - KEPT_ENTRIES) for each in self._kept.values())
        if beyond > MOST_BEYOND:
            kept.entries = kept.entries[-KEPT_ENTRIES:]


def _place_of(entry: Transition, history: Sequence[Transition]) -> int:
    """Where this entry is in a history; its length, where it is not."""
    hashes = [each.hash for each in history]
    return hashes.index(entry.hash) if entry.hash in hashes else len(hashes)


@dataclass(slots=True)
class _Delivery:
    """One sink: what it has, what it still has to get."""

    sink: Sink
    _kept: Mapping[str, _Kept]
    _cursors: Cursors
    _clock: Clock
    _telemetry: RecordTelemetry
    _announcer: Announcer
    _settle: Callable[[str], None]
    _is_loaded: Callable[[], None]
    _marks: dict[str, Mark] | None = None
    """How far the sink has each Rollout; None until it is known."""
    _todo: dict[str, None] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _is_saved: bool = True
    _backoff: Backoff = field(init=False)

    def __post_init__(self) -> None:
        self._backoff = Backoff(self._clock)

    def has_news(self, uid: str) -> None:
        """A Rollout has entries that may not have been delivered."""
        self._todo[uid] = None
        self._news.set()

    @property
    def knows_what_it_has(self) -> bool:
        """Whether it is known how far the sink has each Rollout."""
        return self._marks is not None

    def mark(self, uid: str) -> Mark | None:
        """The last entry of a Rollout that the sink has."""
        return None if self._marks is None else self._marks.get(uid)

    def waiting(self, uid: str, kept: _Kept) -> int:
        """How many of the entries kept the sink does not have yet."""
        if self._marks is None:
            return len(kept.entries)
        return len(following(kept.entries, self._marks.get(uid)))

    def has_all(self, uid: str, kept: _Kept) -> bool:
        """Whether nothing of a Rollout waits."""
        return self._marks is not None and not self.waiting(uid, kept)

    def forget_all_but(self, uids: Collection[str]) -> None:
        """Only these Rollouts can have further entries."""
        for uid in [uid for uid in self._marks or () if uid not in uids]:
            if self._marks is not None:
                del self._marks[uid]
                self._is_saved = False
                self._news.set()

    async def close(self) -> None:
        await self.sink.close()

    async def load(self) -> dict[str, Mark]:
        """Find out how far the sink has each Rollout."""
        if self._marks is None:
            self._marks = await self._loaded()
            self._is_loaded()
        return self._marks

    async def run(self) -> None:
        """Deliver until cancelled, and go on by itself after whatever the sink does."""
        marks = await self.load()
        self._todo = dict.fromkeys(self._kept)
        while True:
            self._news.clear()
            batch = self._next(marks)
            self._say_what_waits()
            if batch is not None:
                await self._deliver(batch, marks)
            elif not self._is_saved:
                await self._save(marks)
            else:
                await self._news.wait()

    async def _loaded(self) -> dict[str, Mark]:
        while True:
            try:
                return await self._cursors.load(self.sink.name)
            except ApiError as error:
                self._complain("what the sink has cannot be read", error)
            await self._backoff.pause()

    def _next(self, marks: Mapping[str, Mark]) -> _Batch | None:
        """As much as fits, at least one line; a Rollout that has nothing waiting is done."""
        taken: list[Line] = []
        reached: dict[str, Mark] = {}
        lost: list[Origin] = []
        size = 0
        for uid in list(self._todo):
            kept = self._kept.get(uid)
            after = marks.get(uid)
            waiting = following(kept.entries, after) if kept else ()
            if kept is None or not waiting:
                del self._todo[uid]
                self._settle(uid)
                continue
            for line in lines(kept.origin, waiting, after):
                size += len(line.text.encode()) + 1
                is_full = len(taken) >= BATCH_LINES or size > BATCH_BYTES
                # A gap is told together with the entry after it.
                if is_full and taken and not taken[-1].is_gap_line:
                    return _Batch(tuple(taken), reached, tuple(lost))
                taken.append(line)
                lost += [kept.origin] if line.is_gap else []
                if not line.is_gap_line:
                    reached[uid] = line.mark
        return _Batch(tuple(taken), reached, tuple(lost)) if taken else None

    async def _deliver(self, batch: _Batch, marks: dict[str, Mark]) -> None:
        try:
            async with asyncio.timeout(self.sink.timeout):
                await self.sink.deliver([line.text for line in batch.lines])
        except TimeoutError:
            await self._failed(f"it did not take the lines within {self.sink.timeout:g} s")
            return
        except SinkError as error:
            await self._failed(str(error))
            return
        if self._backoff.failures:
            failed = self._backoff.failures
            log.info("the sink takes lines again", sink=self.sink.name, failed=failed)
        self._backoff.reset()
        marks.update(batch.marks)
        self._is_saved = False
        self._count(batch)
        for uid in batch.marks:
            self._settle(uid)
        await self._save(marks)

    def _count(self, batch: _Batch) -> None:
        entries = sum(not line.is_gap_line for line in batch.lines)
        self._telemetry.exported(self.sink.name, entries)
        if batch.lost:
            gaps = len(batch.lost)
            self._telemetry.export_gaps(self.sink.name, gaps)
            log.error("entries were lost before the sink took them", sink=self.sink.name, gaps=gaps)
        for origin in batch.lost:
            message = f"entries of the history were lost before sink {self.sink.name} took them"
            subject = Subject(Kind.ROLLOUT, ObjectKey(origin.namespace, origin.name), origin.uid)
            self._announcer.announce(subject, (Announcement("RecordGap", message, warning=True),))

    async def _failed(self, fault: str) -> None:
        self._telemetry.export_failed(self.sink.name)
        self._complain("the sink does not take the record", fault)
        await self._backoff.pause()

    async def _save(self, marks: Mapping[str, Mark]) -> None:
        try:
            await self._cursors.save(self.sink.name, dict(marks))
        except ApiError as error:
            log.warning(
                "what the sink has is not remembered; after a restart it gets lines again",
                sink=self.sink.name,
                fault=str(error),
            )
            await self._clock.sleep(SAVE_RETRY)
        else:
            self._is_saved = True

    def _complain(self, what: str, fault: object) -> None:
        """Once in words, and then with each doubling of the failures."""
        if self._backoff.is_worth_telling():
            failures = self._backoff.failures + 1
            log.warning(what, sink=self.sink.name, fault=str(fault), failures=failures)

    def _say_what_waits(self) -> None:
        count, oldest = 0, None
        for uid in self._todo:
            kept = self._kept.get(uid)
            waiting = following(kept.entries, (self._marks or {}).get(uid)) if kept else ()
            count += len(waiting)
            for entry in waiting[:1]:
                oldest = entry.at if oldest is None else min(oldest, entry.at)
        lag = (self._clock.now() - oldest).total_seconds() if oldest else 0.0
        self._telemetry.export_waiting(self.sink.name, count, max(0.0, lag))
