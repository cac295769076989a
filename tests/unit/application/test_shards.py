"""Replicas that share out shards: never two that may write in one namespace, and none without."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.application.leadership import Elected, Leadership
from surefoot.application.leases import LeaseContent
from surefoot.application.sharding import shard_of
from surefoot.application.shards import Sharded
from surefoot.errors import LeadershipLost, Unavailable
from tests.support.fakes import FakeClock, turns
from tests.support.leases import TIMES, Board, Lock, StoppableClock, hold

NAMESPACES = ("team-0", "team-1", "team-4", "team-8", "team-9", "team-11")
"""Some in each shard, of four and of two."""
SHARDS = 4


@dataclass
class Leases:
    """All Leases of one installation."""

    gate: Board = field(default_factory=Board)
    shards: tuple[Board, ...] = field(default_factory=lambda: tuple(Board() for _ in range(SHARDS)))

    def down(self, *, is_down: bool) -> None:
        """The API server does not answer, or does again."""
        for board in (self.gate, *self.shards):
            board.is_down = is_down


@dataclass
class Replica:
    """A replica, which is started again whenever it has lost a Lease.

    ``count`` is its number of shards; with 1 it elects one leader for all. ``finishing`` is how
    many seconds it takes to finish what is under way in a shard. One that ``comes_again`` is
    started again when it was stopped in good order.
    """

    name: str
    leases: Leases
    clock: FakeClock
    count: int = SHARDS
    finishing: float = 0.0
    comes_again: bool = False
    goes: asyncio.Event = field(default_factory=asyncio.Event)
    stops: asyncio.Event = field(default_factory=asyncio.Event)
    ends: list[str] = field(default_factory=list)
    let_go_of: list[int] = field(default_factory=list)
    leadership: Leadership = field(init=False)
    started: int = 0

    def __post_init__(self) -> None:
        self.goes.set()
        self._begin()

    def _begin(self) -> None:
        self.started += 1
        self._own = StoppableClock(self.clock, self.goes, hours=ord(self.name[0]))
        identity = f"{self.name}-{self.started}"
        gate = Lock(self.leases.gate, self.goes)
        if self.count == 1:
            self.leadership = Elected(gate, self._own, identity, TIMES)
            return
        self.leadership = Sharded(
            gate,
            [Lock(board, self.goes) for board in self.leases.shards[: self.count]],
            self._own,
            identity=identity,
            times=TIMES,
            owner=self,
        )

    def took(self, shards: frozenset[int]) -> None:
        """Nothing has to be done."""

    async def let_go(self, shard: int) -> None:
        """It takes a while."""
        await self._own.sleep(self.finishing)
        self.let_go_of.append(shard)

    async def run(self) -> None:
        while True:
            await self.leadership.take()
            try:
                await hold(self.leadership, until=self.stops)
                if not self.comes_again:
                    return
                self.stops.clear()
                self._begin()
            except LeadershipLost as error:
                self.ends.append(str(error))
                await self.goes.wait()
                self._begin()

    def may_write(self, namespace: str) -> bool:
        try:
            self.leadership.fence("write", namespace)
        except Unavailable:
            return False
        return True

    @property
    def works_in(self) -> set[str]:
        """Where it writes, and begins something new."""
        return {
            each for each in NAMESPACES if self.may_write(each) and self.leadership.covers(each)
        }

    @property
    def has(self) -> int:
        """In how many shards it works."""
        return len({shard_of(each, self.count) for each in self.works_in})


@contextlib.asynccontextmanager
async def running(*replicas: Replica) -> AsyncIterator[None]:
    """Replicas that run for the time of the block."""
    tasks = []
    for replica in replicas:
        tasks.append(asyncio.create_task(replica.run()))
        await turns()
    try:
        yield
    finally:
        for replica in replicas:
            replica.goes.set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def one_at_most(*replicas: Replica) -> Callable[[], None]:
    """A check that no two of them may write in one namespace."""

    def check() -> None:
        for namespace in NAMESPACES:
            assert sum(replica.may_write(namespace) for replica in replicas) <= 1

    return check


async def pass_time(clock: FakeClock, seconds: float, check: Callable[[], None]) -> None:
    for _ in range(round(seconds / 0.5)):
        await clock.advance(0.5)
        check()


def everywhere(*replicas: Replica) -> bool:
    """Whether one of them works in each namespace."""
    return set().union(*(replica.works_in for replica in replicas)) == set(NAMESPACES)


@pytest.fixture
def leases() -> Leases:
    return Leases()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def test_two_replicas_share_evenly_and_one_alone_has_everything(
    leases: Leases, clock: FakeClock
) -> None:
    first, second = Replica("a", leases, clock), Replica("b", leases, clock)
    check = one_at_most(first, second)
    async with running(first):
        await pass_time(clock, 3, check)
        assert first.has == 4
        async with running(second):
            await pass_time(clock, 5, check)
            assert (first.has, second.has) == (2, 2)
            assert len(first.let_go_of) == 2
            await pass_time(clock, 60, check)
            assert (first.has, second.has) == (2, 2)
            assert len(first.let_go_of) == 2


@pytest.mark.parametrize("name", ["a", "b", "c"])
async def test_shares_of_one_that_stops_are_taken_within_two_looks(
    leases: Leases, clock: FakeClock, name: str
) -> None:
    three = [Replica(each, leases, clock) for each in "abc"]
    check = one_at_most(*three)
    async with running(*three):
        await pass_time(clock, 10, check)
        assert sorted(replica.has for replica in three) == [1, 1, 2]
        (stopped,) = (replica for replica in three if replica.name == name)
        stopped.stops.set()
        await pass_time(clock, 3 * TIMES.retry_every, check)
        left = [replica for replica in three if replica is not stopped]
        assert everywhere(*left)
        assert [replica.has for replica in left] == [2, 2]


async def test_shares_of_one_that_dies_are_taken_once_its_leases_have_run_out(
    leases: Leases, clock: FakeClock
) -> None:
    first, second = Replica("a", leases, clock), Replica("b", leases, clock)
    check = one_at_most(first, second)
    async with running(first, second):
        await pass_time(clock, 10, check)
        first.goes.clear()
        await pass_time(clock, TIMES.renew_within + 1, check)
        assert second.has == 2
        await pass_time(clock, TIMES.lasts - TIMES.renew_within + 2, check)
        assert second.has == 4
        first.goes.set()
        await turns()
        assert "could not be renewed within 6 s" in first.ends[0]
        await pass_time(clock, 5, check)
        assert (first.has, second.has) == (2, 2)


async def test_shard_is_given_back_once_what_was_under_way_is_finished(
    leases: Leases, clock: FakeClock
) -> None:
    first = Replica("a", leases, clock, finishing=4.0)
    second = Replica("b", leases, clock)
    check = one_at_most(first, second)
    async with running(first):
        await pass_time(clock, 3, check)
        async with running(second):
            await pass_time(clock, 3, check)
            assert (first.has, second.has) == (2, 0)  # it begins nothing in there
            assert all(first.may_write(namespace) for namespace in NAMESPACES)
            await pass_time(clock, 4, check)
            assert (first.has, second.has) == (2, 2)


@pytest.mark.parametrize("edited", [None, LeaseContent("a-1", 1.0, 0)], ids=["deleted", "short"])
@pytest.mark.parametrize("which", ["installation", "shard"])
async def test_lease_that_somebody_changed_is_written_again(
    leases: Leases, clock: FakeClock, edited: LeaseContent | None, which: str
) -> None:
    first, second = Replica("a", leases, clock), Replica("b", leases, clock)
    check = one_at_most(first, second)
    async with running(first, second):
        await pass_time(clock, 10, check)
        if which == "shard":
            (number,) = {shard_of(next(iter(first.works_in)), SHARDS)}
            leases.shards[number].edit(edited)
        else:
            leases.gate.edit(edited and LeaseContent("shards/4", 1.0, 0))
        await pass_time(clock, 30, check)
        assert (first.has, second.has) == (2, 2)
        assert (first.ends, second.ends) == ([], [])


async def test_shard_that_somebody_gave_to_another_ends_the_process(
    leases: Leases, clock: FakeClock
) -> None:
    first, second = Replica("a", leases, clock), Replica("b", leases, clock)
    async with running(first, second):
        await pass_time(clock, 10, one_at_most(first, second))
        number = shard_of(next(iter(first.works_in)), SHARDS)
        leases.shards[number].edit(LeaseContent("somebody", 10.0, 3))
        await pass_time(clock, 2 * TIMES.retry_every, lambda: None)
        assert len(first.ends) == 1
        assert first.ends[0].endswith("was taken by somebody")
        await pass_time(clock, TIMES.lasts + 5, one_at_most(first, second))
        assert everywhere(first, second)


@pytest.mark.parametrize(("before", "after"), [(4, 2), (2, 4), (1, 4), (4, 1)])
async def test_another_number_of_shards_waits_for_the_last_of_those_before(
    leases: Leases, clock: FakeClock, before: int, after: int
) -> None:
    """As in a rolling update: one comes, one goes."""
    old = [Replica(name, leases, clock, before) for name in "ab"]
    new = [Replica(name, leases, clock, after) for name in "cd"]
    check = one_at_most(*old, *new)
    async with running(*old):
        await pass_time(clock, 10.5, check)  # the new ones look just after the old ones renewed
        async with running(*new):
            await pass_time(clock, 15.5, check)
            assert not any(replica.works_in for replica in new)
            old[0].stops.set()
            await pass_time(clock, 15, check)
            # A leader of all gives its Lease to the one that looks first.
            assert everywhere(old[1], *(new if before == 1 else ()))
            old[1].stops.set()
            await pass_time(clock, TIMES.lasts + 5, check)
            assert everywhere(*new)


async def test_nobody_writes_who_cannot_renew_the_lease_of_the_installation(
    leases: Leases, clock: FakeClock
) -> None:
    """It renewed those of its shards until it was stopped; then another number is in force."""
    first, second = Replica("a", leases, clock), Replica("b", leases, clock, 1)
    check = one_at_most(first, second)
    async with running(first, second):
        await pass_time(clock, 10, check)
        leases.gate.is_down = True
        await pass_time(clock, 5, check)
        first.goes.clear()
        leases.gate.is_down = False
        await pass_time(clock, 6, check)
        assert everywhere(second)


ALL = "abcd"
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *("down", "up", "edit"),
                *(f"{what} {name}" for what in ("stop", "go", "leave") for name in ALL),
            ]
        ),
        st.sampled_from([0.5, 1.0, 3.0, 7.0, 12.0]),
    ),
    max_size=8,
)


@given(events=EVENTS, finishing=st.sampled_from([0.0, 1.5, 8.0]))
def test_no_two_may_write_in_a_namespace_and_one_does_in_the_end(
    events: list[tuple[str, float]], finishing: float
) -> None:
    """Outages, processes that stand still for any time, three numbers of shards at once."""
    asyncio.run(_no_two_write(events, finishing))


async def _no_two_write(events: list[tuple[str, float]], finishing: float) -> None:
    leases, clock = Leases(), FakeClock()
    counts = {"a": 4, "b": 4, "c": 2, "d": 1}
    replicas = [Replica(name, leases, clock, counts[name], finishing, True) for name in ALL]
    named = {replica.name: replica for replica in replicas}
    check = one_at_most(*replicas)
    async with running(*replicas):
        for event, seconds in events:
            match event.split():
                case ["down"]:
                    leases.down(is_down=True)
                case ["up"]:
                    leases.down(is_down=False)
                case ["stop", name]:
                    named[name].goes.clear()
                case ["go", name]:
                    named[name].goes.set()
                case ["leave", name]:
                    named[name].stops.set()
                case _:
                    for board in (leases.gate, *leases.shards):
                        if board.content is not None:
                            board.edit(LeaseContent(board.content.holder, 1.0, 0))
            await turns()
            check()
            await pass_time(clock, seconds, check)
        leases.down(is_down=False)
        for replica in replicas:
            replica.goes.set()
        await pass_time(clock, 2 * TIMES.lasts + 5 + finishing, check)
        assert everywhere(*replicas)
