"""A source of events is kept running, whatever ends it."""

import asyncio

from surefoot.application.ports import EventSink, Kind
from surefoot.application.store import Store
from surefoot.errors import NotFound, Unavailable
from surefoot.process.watching import Watching
from tests.support.fakes import FakeClock, FakeCluster
from tests.support.world import a_rollout


class Source:
    """Ends as told, time after time; then it goes on forever."""

    kinds = (Kind.ROLLOUT,)

    def __init__(self, *ends: Exception | None) -> None:
        self.ends = list(ends)
        self.runs = 0

    async def run(self, sink: EventSink) -> None:
        self.runs += 1
        sink.listed(Kind.ROLLOUT, None, [], "1")
        if not self.ends:
            await asyncio.Event().wait()
        end = self.ends.pop(0)
        if end is not None:
            raise end

    def restart(self) -> None:
        raise AssertionError("nobody asks for it")


class Cluster(FakeCluster):
    """Serves the kinds from some time on."""

    def __init__(self, clock: FakeClock, serves_after: float) -> None:
        super().__init__(a_rollout())
        self._clock = clock
        self._after = serves_after
        self.looked = 0

    async def kinds_are_established(self, *kinds: Kind) -> bool:
        self.looked += 1
        if self.looked == 1:
            raise Unavailable("not now")
        return self._clock.elapsed() >= self._after


async def watched(source: Source, clock: FakeClock, serves_after: float = 0.0) -> Cluster:
    """Watch for a minute."""
    cluster = Cluster(clock, serves_after)
    watching = Watching(source, Store(), cluster, clock)
    running = asyncio.create_task(watching.run())
    for _ in range(60):
        await clock.advance(1)
    assert watching.listed_once.is_set()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return cluster


async def test_source_that_ends_is_run_again() -> None:
    """By itself, by a defect, or because it was told to begin again."""
    source = Source(None, RuntimeError("a defect"), Unavailable("down"))
    cluster = await watched(source, FakeClock())
    assert source.runs == 4
    assert cluster.looked == 1, "it is looked once at what is served, and not waited for"


async def test_kind_that_is_not_served_is_waited_for() -> None:
    """The source is not run before there is something to watch."""
    source, clock = Source(NotFound("no such kind")), FakeClock()
    await watched(source, clock, serves_after=20)
    assert source.runs == 2
