"""The election among replicas: never two that may write, whatever happens to them or the Lease."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.application.leadership import Alone, Elected
from surefoot.application.leases import LeaseContent
from surefoot.errors import LeadershipLost, Unavailable
from tests.support.fakes import FakeClock, turns
from tests.support.leases import TIMES, Board, Lock, StoppableClock, hold


@dataclass
class Replica:
    """A replica, which is started again whenever it has lost the leadership.

    No two have the same time: their clocks are hours apart.
    """

    name: str
    board: Board
    clock: FakeClock
    goes: asyncio.Event = field(default_factory=asyncio.Event)
    election: Elected = field(init=False)
    told: list[bool] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    stops: asyncio.Event = field(default_factory=asyncio.Event)
    started: int = 0

    def __post_init__(self) -> None:
        self.goes.set()
        self._begin()

    def _begin(self) -> None:
        self.started += 1
        self.election = Elected(
            Lock(self.board, self.goes),
            StoppableClock(self.clock, self.goes, hours=ord(self.name[0])),
            f"{self.name}-{self.started}",
            TIMES,
            self.told.append,
        )

    async def run(self) -> None:
        while True:
            await self.election.take()
            try:
                await hold(self.election, until=self.stops)
                return
            except LeadershipLost as error:
                self.ends.append(str(error))
                await self.goes.wait()
                self._begin()

    @property
    def may_write(self) -> bool:
        try:
            self.election.fence("write", "shop")
        except Unavailable:
            return False
        return True


@contextlib.asynccontextmanager
async def replicas(*names: str) -> AsyncIterator[tuple[Board, FakeClock, list[Replica]]]:
    """Replicas that run for the time of the block."""
    board, clock = Board(), FakeClock()
    all_of_them = [Replica(name, board, clock) for name in names]
    tasks = []
    for replica in all_of_them:
        tasks.append(asyncio.create_task(replica.run()))
        await turns()
    try:
        yield board, clock, all_of_them
    finally:
        for replica in all_of_them:
            replica.goes.set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def pass_time(clock: FakeClock, seconds: float, check: Callable[[], None]) -> None:
    """Let time pass in small steps, with a look after each."""
    for _ in range(round(seconds / 0.5)):
        await clock.advance(0.5)
        check()


def writers(all_of_them: list[Replica]) -> list[str]:
    return [replica.name for replica in all_of_them if replica.may_write]


async def test_first_leads_and_the_other_waits_for_as_long_as_it_renews() -> None:
    async with replicas("a", "b") as (board, clock, both):
        await pass_time(clock, 60, lambda: None)
        assert writers(both) == ["a"]
        assert board.content is not None
        assert board.content.holder == "a-1"
        assert board.content.transitions == 1
        assert both[0].told == [False, True]
        assert both[1].told == [False]


async def test_leader_that_stops_hands_over_within_one_look() -> None:
    async with replicas("a", "b") as (board, clock, both):
        both[0].stops.set()
        await turns()
        assert board.content is not None
        assert board.content.holder == ""
        await pass_time(clock, TIMES.retry_every, lambda: None)
        assert writers(both) == ["b"]


async def test_leader_that_stops_while_a_renewal_is_under_way_hands_over_as_well() -> None:
    async with replicas("a", "b") as (board, clock, both):
        board.answers = False
        await clock.advance(TIMES.retry_every)
        board.answers = True
        both[0].stops.set()
        await turns()
        await pass_time(clock, TIMES.retry_every, lambda: None)
        assert writers(both) == ["b"]


async def test_leader_that_dies_is_replaced_once_its_lease_has_run_out() -> None:
    async with replicas("a", "b") as (_, clock, both):
        both[0].goes.clear()
        await pass_time(clock, TIMES.lasts + 2 * TIMES.retry_every, lambda: None)
        assert writers(both) == ["b"]


async def test_leader_that_was_stopped_for_longer_than_its_lease_writes_nothing_and_ends() -> None:
    async with replicas("a", "b") as (_, clock, both):
        both[0].goes.clear()
        await pass_time(clock, 30, lambda: None)
        with pytest.raises(Unavailable, match="could not renew its Lease"):
            both[0].election.fence("write Rollout", "shop")
        both[0].goes.set()
        await turns()
        assert "could not be renewed within 6 s" in both[0].ends[0]
        assert writers(both) == ["b"]


async def test_leader_ends_where_the_lease_cannot_be_renewed_before_another_can_take_it() -> None:
    async with replicas("a", "b") as (board, clock, both):
        board.is_down = True
        await pass_time(clock, TIMES.renew_within, lambda: None)
        assert writers(both) == []
        board.is_down = False
        await pass_time(clock, TIMES.lasts + TIMES.retry_every, lambda: None)
        assert len(writers(both)) == 1


async def test_one_failed_renewal_changes_nothing() -> None:
    async with replicas("a", "b") as (board, clock, both):
        board.is_down = True
        await pass_time(clock, 3, lambda: None)
        board.is_down = False
        await pass_time(clock, 30, lambda: None)
        assert writers(both) == ["a"]
        assert both[0].ends == []


@pytest.mark.parametrize(
    "edited",
    [
        None,
        LeaseContent("", 10.0, 7),
        LeaseContent("a-1", 1.0, 7),
        LeaseContent("a-1", 86400.0, 0),
    ],
    ids=["deleted", "nobody holds it", "a short one", "a long one"],
)
async def test_lease_that_somebody_changed_is_written_again(edited: LeaseContent | None) -> None:
    async with replicas("a") as (board, clock, (leader,)):
        board.edit(edited)
        await pass_time(clock, 2, lambda: None)
        assert leader.may_write
        assert board.content is not None
        assert (board.content.holder, board.content.duration) == ("a-1", TIMES.lasts)


async def test_lease_that_somebody_gave_to_another_is_lost_at_once() -> None:
    async with replicas("a") as (board, clock, (leader,)):
        board.edit(LeaseContent("somebody", 10.0, 3))
        await pass_time(clock, TIMES.retry_every, lambda: None)
        assert leader.ends == ["Lease surefoot-system/surefoot was taken by somebody"]
        assert not leader.may_write


async def test_duration_written_by_hand_makes_nobody_impatient() -> None:
    async with replicas("a", "b") as (board, clock, both):
        board.edit(LeaseContent("a-1", 0.0, 1))
        both[0].goes.clear()
        await pass_time(clock, TIMES.renew_within, lambda: None)
        assert writers(both) == []


async def test_without_an_election_nothing_is_refused() -> None:
    alone = Alone()
    await alone.take()
    alone.fence("write", "shop")
    async with alone.held() as lost:
        waiting = asyncio.ensure_future(lost())
        await turns()
        assert not waiting.done()
        waiting.cancel()


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(
            ["down", "up", "stop a", "stop b", "stop c", "go a", "go b", "go c", "edit"]
        ),
        st.sampled_from([0.5, 1.0, 3.0, 7.0, 12.0]),
    ),
    max_size=14,
)


@given(events=EVENTS)
def test_two_replicas_never_may_write_at_once_and_one_does_in_the_end(
    events: list[tuple[str, float]],
) -> None:
    """Outages, processes that stand still for any time, durations written by hand."""
    asyncio.run(_two_never_write(events))


async def _two_never_write(events: list[tuple[str, float]]) -> None:
    async with replicas("a", "b", "c") as (board, clock, all_of_them):
        named = {replica.name: replica for replica in all_of_them}

        def one_at_most() -> None:
            assert len(writers(all_of_them)) <= 1

        for event, seconds in events:
            match event.split():
                case ["down"]:
                    board.is_down = True
                case ["up"]:
                    board.is_down = False
                case ["stop", name]:
                    named[name].goes.clear()
                case ["go", name]:
                    named[name].goes.set()
                case _ if board.content is not None:
                    board.edit(LeaseContent(board.content.holder, 1.0, 0))
            await turns()
            one_at_most()
            await pass_time(clock, seconds, one_at_most)
        board.is_down = False
        for replica in all_of_them:
            replica.goes.set()
        await pass_time(clock, TIMES.lasts + 3 * TIMES.retry_every, one_at_most)
        assert len(writers(all_of_them)) == 1
