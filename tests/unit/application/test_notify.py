"""News to routes: to whom, how often, in which order, and what happens when it cannot be sent."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from surefoot.api.v1alpha1.rollout_status import Severity
from surefoot.application import backoff
from surefoot.application.announce import FanOutAnnouncer
from surefoot.application.notify import KEPT_FOR, LONGEST_QUEUE, Notifier, Route
from surefoot.application.ports import Kind, ObjectKey, Subject
from surefoot.domain.notifications import Notification
from surefoot.domain.plan import Announcement
from surefoot.errors import NotificationError
from tests.support.fakes import FakeAnnouncer, FakeClock, turns

CHECKOUT = Subject(Kind.ROLLOUT, ObjectKey("agents", "checkout"), "uid-1")
ROLLBACK = Announcement("Rollback", "25% → 10%: why", warning=True, about="t1")
ADVANCE = Announcement("Advance", "10% → 25%: why", about="t0")
LATE = Announcement("Late", "5m late", warning=True, about="patch it")


@dataclass
class FakeTarget:
    """Remembers what it took. Refuses while ``fault`` is set, and hangs while ``hangs``."""

    fault: str = ""
    hangs: bool = False
    tried: int = 0
    taken: list[str] = field(default_factory=list)

    async def send(self, notification: Notification) -> None:
        self.tried += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.fault:
            raise NotificationError(self.fault)
        self.taken.append(notification.title.split(": ")[1])


@dataclass
class Counts:
    """What was counted, by route."""

    said: list[tuple[str, str]] = field(default_factory=list)
    waiting: dict[str, int] = field(default_factory=dict)

    def notifications_waiting(self, route: str, count: int) -> None:
        self.waiting[route] = count

    def notified(self, route: str) -> None:
        self.said.append((route, "sent"))

    def notification_failed(self, route: str) -> None:
        self.said.append((route, "failed"))

    def notification_dropped(self, route: str) -> None:
        self.said.append((route, "dropped"))

    def forgot_route(self, route: str) -> None:
        del self.waiting[route]

    def of(self, what: str, route: str = "lead") -> int:
        return self.said.count((route, what))


class Office:
    """A notifier with its surroundings."""

    def __init__(self, *routes: Route) -> None:
        self.clock = FakeClock()
        self.counts = Counts()
        self.events = FakeAnnouncer()
        self.notifier = Notifier(self.clock, self.counts, self.events)
        self.notifier.exchange(routes)

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.notifier.run())
        await turns()
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def hears(self, *announcements: Announcement, of: Subject = CHECKOUT) -> None:
        self.notifier.announce(of, announcements)
        await turns()


def a_route(target: FakeTarget, name: str = "lead", **restrictions: Any) -> Route:
    return Route(name, target, **restrictions)


async def test_each_route_gets_what_it_asked_for() -> None:
    """By severity, namespace and reason; who restricts nothing gets all."""
    everybody, lead, meeting, elsewhere = (FakeTarget() for _ in range(4))
    office = Office(
        a_route(everybody, "all"),
        a_route(lead, severities=frozenset({Severity.WARNING, Severity.CRITICAL})),
        a_route(meeting, "meeting", reasons=frozenset({"Conflict"})),
        a_route(elsewhere, "elsewhere", namespaces=frozenset({"data"})),
    )
    async with office.working():
        await office.hears(ADVANCE, LATE, ROLLBACK, Announcement("Conflict", "x", warning=True))
    assert sorted(everybody.taken) == ["Advance", "Conflict", "Late", "Rollback"]
    assert sorted(lead.taken) == ["Conflict", "Late", "Rollback"]
    assert meeting.taken == ["Conflict"]
    assert elsewhere.taken == []
    assert office.counts.of("sent") == 3
    assert office.counts.waiting == {"all": 0, "lead": 0, "meeting": 0, "elsewhere": 0}


async def test_the_most_urgent_goes_first() -> None:
    """Nobody reads of an advance before the rollback that followed it while the target was down."""
    target = FakeTarget()
    office = Office(a_route(target))
    office.notifier.announce(CHECKOUT, [ADVANCE, LATE, ROLLBACK])
    async with office.working():
        await turns()
    assert target.taken == ["Rollback", "Late", "Advance"]


async def test_a_route_that_hangs_delays_itself_only() -> None:
    """And anyone who hands over waits for nobody."""
    hangs, works = FakeTarget(hangs=True), FakeTarget()
    office = Office(a_route(hangs), a_route(works, "other"))
    async with office.working():
        await office.hears(ADVANCE, ROLLBACK)
        assert works.taken == ["Rollback", "Advance"]
        assert office.counts.waiting == {"lead": 2, "other": 0}


async def test_what_fails_is_tried_again_and_sent_once() -> None:
    """With a pause that grows; the first failure is an event on the Rollout."""
    target = FakeTarget(fault="it was answered with HTTP 500")
    office = Office(a_route(target))
    async with office.working():
        await office.hears(ROLLBACK)
        assert office.events.said == [("checkout", "NotificationFailed")]
        await office.clock.advance(3)
        failures = target.tried
        assert failures == 3
        target.fault = ""
        await office.clock.advance(backoff.LONGEST)
        assert target.taken == ["Rollback"]
    assert (office.counts.of("failed"), office.counts.of("sent")) == (failures, 1)
    assert office.events.said == [("checkout", "NotificationFailed")]


async def test_one_that_is_not_taken_does_not_keep_the_others() -> None:
    """Of the same urgency, the next has its turn."""

    class Picky(FakeTarget):
        async def send(self, notification: Notification) -> None:
            self.fault = "too long" if "Halted" in notification.title else ""
            await super().send(notification)

    target = Picky()
    office = Office(a_route(target))
    async with office.working():
        await office.hears(Announcement("Halted", "x", warning=True), LATE)
        await office.clock.advance(5)
    assert target.taken == ["Late"]


async def test_what_can_not_be_sent_for_a_day_is_dropped_and_told() -> None:
    """By a number, and by an event on the Rollout."""
    office = Office(a_route(FakeTarget(fault="no")))
    async with office.working():
        await office.hears(ROLLBACK)
        await office.clock.advance(KEPT_FOR.total_seconds() + backoff.LONGEST)
    assert office.counts.of("dropped") == 1
    assert office.counts.waiting == {"lead": 0}
    assert office.events.said[-1] == ("checkout", "NotificationDropped")


async def test_the_oldest_of_the_least_urgent_is_dropped_where_too_many_wait() -> None:
    """A rollback is never dropped for an advance."""
    target = FakeTarget()
    office = Office(a_route(target))
    advances = [Announcement("Advance", str(n)) for n in range(LONGEST_QUEUE)]
    office.notifier.announce(CHECKOUT, [ROLLBACK, *advances, LATE])
    assert office.counts.of("dropped") == 2
    assert office.counts.waiting == {"lead": LONGEST_QUEUE}
    async with office.working():
        await turns(LONGEST_QUEUE * 3)
    assert target.taken[:2] == ["Rollback", "Late"]
    assert len(target.taken) == LONGEST_QUEUE


async def test_the_same_news_is_told_once_in_a_while() -> None:
    """Of the same Rollout and as urgent: a trigger that flaps, or an event that comes twice."""
    target = FakeTarget()
    office = Office(a_route(target, repeat_after=timedelta(hours=1)))
    flapping = Announcement("TriggerFiring", "0.9", warning=True, about="errors")
    again = Announcement("TriggerFiring", "0.8", warning=True, about="errors")
    async with office.working():
        await office.hears(flapping, again)
        await office.clock.advance(3599)
        await office.hears(again)
        assert len(target.taken) == 1
        await office.clock.advance(1)
        await office.hears(again)
        assert len(target.taken) == 2


async def test_other_news_is_told_at_once() -> None:
    """Another Rollout, another trigger, more urgent, or another transition."""
    target = FakeTarget()
    office = Office(a_route(target))
    other = Subject(Kind.ROLLOUT, ObjectKey("agents", "checkout"), "uid-2")
    critical = Announcement(
        "Late", "9h late", warning=True, about="patch it", severity=Severity.CRITICAL
    )
    async with office.working():
        await office.hears(LATE, critical, ROLLBACK)
        await office.hears(LATE, of=other)
        await office.hears(Announcement("Rollback", "25% → 10%: why", warning=True, about="t2"))
    assert len(target.taken) == 5


async def test_news_that_still_waits_is_not_queued_again() -> None:
    """However long the target has been down."""
    office = Office(a_route(FakeTarget(fault="no"), repeat_after=timedelta(0)))
    async with office.working():
        await office.hears(LATE)
        await office.clock.advance(60)
        await office.hears(LATE)
    assert office.counts.waiting == {"lead": 1}


async def test_routes_are_exchanged_while_it_runs() -> None:
    """What waits goes to the new target of the same name; what has no route any more is dropped."""
    broken, gone, mended = FakeTarget(fault="no"), FakeTarget(hangs=True), FakeTarget()
    office = Office(a_route(broken), a_route(gone, "gone"))
    async with office.working():
        await office.hears(ROLLBACK)
        office.notifier.exchange([a_route(mended), a_route(FakeTarget(), "new")])
        await office.clock.advance(backoff.LONGEST)
        await office.hears(LATE)
    assert mended.taken == ["Rollback", "Late"]
    assert office.counts.of("dropped", "gone") == 1
    assert office.counts.waiting == {"lead": 0, "new": 0}


async def test_at_the_end_what_waits_is_sent_and_the_rest_is_told() -> None:
    """Draining waits for those that take notifications; closing counts what is left."""
    works, hangs = FakeTarget(), FakeTarget(hangs=True)
    office = Office(a_route(works), a_route(hangs, "hung"))
    office.notifier.announce(CHECKOUT, [ADVANCE, ROLLBACK])
    async with office.working():
        draining = asyncio.create_task(office.notifier.drain())
        await turns()
        assert works.taken == ["Rollback", "Advance"]
        assert not draining.done()
        draining.cancel()
        office.notifier.close()
    assert office.counts.of("dropped", "hung") == 2
    assert office.counts.of("dropped") == 0


async def test_without_routes_nothing_waits() -> None:
    """There is nobody to tell."""
    office = Office()
    async with office.working():
        await office.hears(ROLLBACK)
        await office.notifier.drain()
    assert office.counts.said == []


def test_announcements_go_to_everybody() -> None:
    """The events, and the people elsewhere."""
    first, second = FakeAnnouncer(), FakeAnnouncer()
    FanOutAnnouncer(first, second).announce(CHECKOUT, [ROLLBACK])
    assert first.said == second.said == [("checkout", "Rollback")]
