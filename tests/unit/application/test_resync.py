"""What watches miss is found by lists, and events that cannot be posted are let go."""

import asyncio

import structlog

from surefoot.api.v1alpha1.approval import Decision
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.application.announce import LONGEST_QUEUE, BackgroundAnnouncer
from surefoot.application.ports import Kind, ObjectKey, Subject
from surefoot.application.rbac import ROLE_REMEDY
from surefoot.application.resync import PeriodicResync, Resyncer
from surefoot.application.store import Store
from surefoot.domain.plan import Announcement
from surefoot.errors import Refused, Unavailable, UnreadableObject
from tests.support.fakes import FakeClock, FakeCluster, FakeTelemetry, turns
from tests.support.world import a_rollout
from tests.unit.application.test_store import an_approval, decided, fresh

KEY = ObjectKey("agents", "memory-sync")


class Yard:
    """A cluster, caches that may have missed something, and a resyncer."""

    def __init__(self) -> None:
        self.cluster = FakeCluster(a_rollout())
        self.clock = FakeClock()
        self.telemetry = FakeTelemetry()
        self.woken: list[str] = []
        self.restarts = 0
        self.store = Store(lambda key: self.woken.append(key.name))
        self.resyncer = Resyncer(
            self.cluster, self.store, self.clock, self.telemetry, self._restart
        )

    def _restart(self) -> None:
        self.restarts += 1

    async def sweep(self) -> None:
        """Sweep, however long it waits for events."""
        sweeping = asyncio.create_task(self.resyncer.sweep())
        while not sweeping.done():
            await self.clock.advance(0.5)
        await sweeping


async def test_what_no_event_told_is_read() -> None:
    """At the start too, if the source of events is late."""
    yard = Yard()
    await yard.sweep()
    assert yard.woken == ["memory-sync"]
    assert isinstance(yard.store.rollout(KEY), Rollout)
    assert yard.resyncer.succeeded_at is not None


async def test_what_events_bring_meanwhile_is_not_read() -> None:
    """The start lists everything once, not object by object."""
    yard = Yard()
    sweeping = asyncio.create_task(yard.sweep())
    await turns(3)
    yard.store.observe_fresh(Kind.ROLLOUT, KEY, yard.cluster.rollouts[KEY])
    await sweeping
    assert "read Rollout" not in yard.cluster.calls


async def test_what_was_deleted_in_a_gap_leaves() -> None:
    """No event will ever tell."""
    yard = Yard()
    await yard.sweep()
    del yard.cluster.rollouts[KEY]
    await yard.sweep()
    assert yard.store.rollout(KEY) is None
    assert yard.woken == ["memory-sync"] * 2


async def test_watches_that_miss_things_twice_in_a_row_are_begun_anew() -> None:
    """Once may be an event on its way."""
    yard = Yard()
    await yard.sweep()
    for restarts in (0, 1):
        yard.cluster.put_rollout(yard.cluster.rollouts[KEY])
        await yard.sweep()
        assert yard.restarts == restarts
    assert ("missed", "Rollout", 1) in yard.telemetry.said


async def test_decision_that_no_event_told_is_not_known_to_be_new() -> None:
    """A watch that hangs tells nothing: what a list finds may be of any moment since the last."""
    yard = Yard()
    approval, key = fresh(an_approval("a"), "150")
    yard.cluster.requests[Kind.APPROVAL, key] = approval
    await yard.sweep()
    assert yard.store.watched_requests(yard.store.approvals(KEY)) == {approval.metadata.uid}
    yard.cluster.requests[Kind.APPROVAL, key] = fresh(decided(approval), "200")[0]
    await yard.sweep()
    (found,) = yard.store.approvals(KEY)
    assert found.spec.decision is Decision.GO
    assert yard.store.watched_requests((found,)) == frozenset()


async def test_flags_are_swept_whatever_becomes_of_the_requests() -> None:
    """A rollback needs no list of Approvals, and nor does the start of an operator."""
    yard = Yard()
    swept: list[int] = []

    async def fails(call: str) -> None:
        if call in {"list Approval", "list Checkpoint"}:
            raise Refused("the server could not find the requested resource")

    yard.cluster.before = fails
    resync = PeriodicResync(yard.resyncer, yard.clock, lambda: swept.append(1))
    running = asyncio.create_task(resync.run(every=60))
    await yard.clock.advance(3)
    assert swept == [1]
    assert yard.resyncer.succeeded_at is None
    running.cancel()


async def test_failed_sweep_forgets_nothing_and_is_tried_again_soon() -> None:
    """Half a list proves no absence."""
    yard = Yard()
    await yard.sweep()
    swept: list[int] = []
    down = True

    async def fails(call: str) -> None:
        if down and call == "list ConfigMap":
            raise Unavailable("down")

    yard.cluster.before = fails
    resync = PeriodicResync(yard.resyncer, yard.clock, lambda: swept.append(1))
    running = asyncio.create_task(resync.run(every=60))
    await yard.clock.advance(1)
    assert swept == []
    assert yard.store.rollout(KEY) is not None
    down = False
    await yard.clock.advance(5)
    assert swept == [1]
    running.cancel()


async def test_sweep_that_rbac_refuses_says_what_to_do() -> None:
    """Nobody but RBAC refuses a list, and the role is the installation's."""
    yard = Yard()

    async def fails(call: str) -> None:
        if call == "list ConfigMap":
            raise Refused('User "us" cannot list resource "configmaps"', status=403)

    yard.cluster.before = fails
    resync = PeriodicResync(yard.resyncer, yard.clock, lambda: None)
    with structlog.testing.capture_logs() as logs:
        running = asyncio.create_task(resync.run(every=60))
        await yard.clock.advance(1)
        running.cancel()
    assert logs[0] == {
        "event": "sweep failed",
        "log_level": "warning",
        "error": 'User "us" cannot list resource "configmaps"',
        "remedy": ROLE_REMEDY,
    }


async def test_events_that_can_not_be_posted_are_let_go() -> None:
    """They are no audit trail, and must not be in the way."""
    cluster = FakeCluster()
    announcer = BackgroundAnnouncer(cluster)
    subject = Subject(Kind.ROLLOUT, KEY, "u")
    announcer.announce(subject, [Announcement("Late", str(n)) for n in range(LONGEST_QUEUE + 5)])
    refused = iter([True])

    async def once(_call: str) -> None:
        if next(refused, False):
            raise Refused("forbidden")

    cluster.before = once
    await announcer.drain()
    assert len(cluster.events) == LONGEST_QUEUE - 1
    assert cluster.events[-1].message == str(LONGEST_QUEUE + 4)


async def test_events_that_rbac_refuses_are_missed_in_the_log_once() -> None:
    """Somebody who waits for events has to learn why there are none, and what to do."""
    cluster, refusal = FakeCluster(), 'User "us" cannot create resource "events" in API group ""'
    announcer = BackgroundAnnouncer(cluster)
    subject = Subject(Kind.ROLLOUT, KEY, "u")

    async def fails(_call: str) -> None:
        raise Refused(refusal, status=403)

    cluster.before = fails
    announcer.announce(subject, [Announcement("Late", str(n)) for n in range(3)])
    with structlog.testing.capture_logs() as logs:
        await announcer.drain()
    assert logs == [
        {
            "event": "events are not posted",
            "log_level": "warning",
            "error": refusal,
            "remedy": ROLE_REMEDY,
        }
    ]


async def test_an_object_that_cannot_be_read_is_swept_once() -> None:
    """It is known from then on, so that no watch is suspected of having missed it again."""
    yard = Yard()

    async def unreadable(call: str) -> None:
        if call == "read Rollout":
            raise UnreadableObject(
                "wrong",
                kind="Rollout",
                namespace=KEY.namespace,
                name=KEY.name,
                uid="uid-memory-sync",
                resource_version=yard.cluster.rollouts[KEY].metadata.resource_version,
            )

    yard.cluster.before = unreadable
    for _ in range(3):
        await yard.sweep()
    assert isinstance(yard.store.rollout(KEY), UnreadableObject)
    assert yard.cluster.calls.count("list Rollout") == 3
    assert yard.restarts == 0
    assert not [each for each in yard.telemetry.said if each[0] == "missed"]


class Lists:
    """The two lists of the sources, and how often the work was begun."""

    def __init__(self, yard: Yard) -> None:
        self.flags, self.requests = asyncio.Event(), asyncio.Event()
        self.begun: list[int] = []
        self.resync = PeriodicResync(
            yard.resyncer, yard.clock, lambda: self.begun.append(1), (self.flags, self.requests)
        )


async def test_lists_of_the_sources_stand_for_the_first_sweep() -> None:
    """Nothing is listed twice at the start; the next sweep comes at its time."""
    yard = Yard()
    lists = Lists(yard)
    running = asyncio.create_task(lists.resync.run(every=60))
    await turns()
    lists.flags.set()
    await turns()
    assert lists.begun == [1]
    assert yard.resyncer.succeeded_at is None
    lists.requests.set()
    await turns()
    assert yard.resyncer.succeeded_at == 0
    assert yard.cluster.calls == []
    await yard.clock.advance(61)
    assert "list Rollout" in yard.cluster.calls
    running.cancel()


async def test_sources_that_list_nothing_do_not_keep_the_work_from_beginning() -> None:
    """Then it is swept, as if there were none."""
    yard = Yard()
    lists = Lists(yard)
    running = asyncio.create_task(lists.resync.run(every=60))
    for _ in range(20):
        await yard.clock.advance(0.5)
    assert lists.begun == [1]
    assert yard.woken == ["memory-sync"]
    running.cancel()
