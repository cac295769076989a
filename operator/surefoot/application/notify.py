"""News to people elsewhere: each to every route that wants it, retried, never in the way.

Announcements come when a status that says so was written, so they come once. Each route has a task
and a bounded queue of its own: one that hangs delays itself only, and a decision or rollback
only hands over what has happened and waits for nothing here. What waits is in memory; the record
(`export`) is what loses nothing.
"""

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from surefoot.api.v1alpha1.rollout_status import Severity
from surefoot.application.backoff import Backoff
from surefoot.application.ports import Announcer, Clock, Subject
from surefoot.domain.notifications import About, Notification, notification
from surefoot.domain.plan import Announcement
from surefoot.errors import NotificationError

log = structlog.get_logger(__name__)

LONGEST_QUEUE = 200
"""Notifications that wait for one route."""
KEPT_FOR = timedelta(hours=24)
"""How long a notification that cannot be sent is tried again."""
MOST_REMEMBERED = 5000
"""Notifications of one route that are remembered, so that none is sent twice."""
_LEAST_FIRST = (Severity.INFO, Severity.WARNING, Severity.CRITICAL)


class Target(Protocol):
    """Somewhere to send notifications to."""

    async def send(self, notification: Notification) -> None:
        """Send one; it was taken when this returns. Bounded in time.

        Raises `NotificationError`, whose words tell nothing of the target's secrets.
        """


@dataclass(frozen=True, slots=True)
class Route:
    """A target and what it wants to know; what is empty restricts nothing."""

    name: str
    target: Target
    severities: frozenset[Severity] = frozenset()
    namespaces: frozenset[str] = frozenset()
    reasons: frozenset[str] = frozenset()
    repeat_after: timedelta = timedelta(hours=1)

    def wants(self, severity: Severity, namespace: str, reason: str) -> bool:
        """Whether such news is for this route."""
        return (
            severity in (self.severities or _LEAST_FIRST)
            and (not self.namespaces or namespace in self.namespaces)
            and (not self.reasons or reason in self.reasons)
        )


class NotifyTelemetry(Protocol):
    """What is counted of the routes."""

    def notifications_waiting(self, route: str, count: int) -> None:
        """So many notifications wait."""

    def notified(self, route: str) -> None:
        """A route took a notification."""

    def notification_failed(self, route: str) -> None:
        """An attempt to notify failed."""

    def notification_dropped(self, route: str) -> None:
        """A notification was given up and never sent."""

    def forgot_route(self, route: str) -> None:
        """A route is no longer configured."""


_Identity = tuple[str, str, str, Severity]
"""What makes it the same news: whose, of what kind, about what, and how urgent."""


@dataclass(slots=True, eq=False)
class _News:
    """A notification on its way to one route."""

    subject: Subject
    reason: str
    what: Notification
    identity: _Identity
    at: datetime
    attempts: int = 0


class Notifier:
    """The `Announcer` port, towards people elsewhere. ``events`` is told what could not be sent."""

    def __init__(self, clock: Clock, telemetry: NotifyTelemetry, events: Announcer) -> None:
        self._clock = clock
        self._telemetry = telemetry
        self._events = events
        self._deliveries: dict[str, _Delivery] = {}
        self._exchanged = asyncio.Event()
        self._dashboard: str | None = None

    def exchange(self, routes: Iterable[Route], dashboard: str | None = None) -> None:
        """Use these routes from now on. What waits for a route of the same name stays with it.

        ``dashboard`` is the address that links begin with; without it there are none.
        """
        self._dashboard = dashboard
        wanted = {route.name: route for route in routes}
        for name in self._deliveries.keys() - wanted:
            self._deliveries.pop(name).give_up("the route is no longer configured")
            self._telemetry.forgot_route(name)
        for name, route in wanted.items():
            if name in self._deliveries:
                self._deliveries[name].route = route
            else:
                self._deliveries[name] = _Delivery(
                    route, self._clock, self._telemetry, self._events
                )
        self._exchanged.set()

    def announce(self, subject: Subject, announcements: Collection[Announcement]) -> None:
        """Hand them over."""
        now = self._clock.now()
        key = subject.key
        whom = About(subject.kind.value, key.namespace, key.name)
        for announcement in announcements:
            message = notification(whom, announcement, now, self._dashboard)
            about = announcement.message if announcement.about is None else announcement.about
            identity = (subject.uid, announcement.reason, about, message.severity)
            for delivery in self._deliveries.values():
                if delivery.route.wants(
                    message.severity, subject.key.namespace, announcement.reason
                ):
                    delivery.put(_News(subject, announcement.reason, message, identity, now))

    async def run(self) -> None:
        """Deliver until cancelled."""
        tasks: dict[_Delivery, asyncio.Task[None]] = {}
        try:
            while True:
                self._exchanged.clear()
                present = set(self._deliveries.values())
                for gone in tasks.keys() - present:
                    tasks.pop(gone).cancel()
                for new in present - tasks.keys():
                    tasks[new] = asyncio.create_task(new.run())
                await _first_of(*tasks.values(), again=self._exchanged)
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)

    async def drain(self) -> None:
        """Wait until nothing waits any more."""
        await asyncio.gather(*(delivery.idle.wait() for delivery in self._deliveries.values()))

    def close(self) -> None:
        """Say what was not sent."""
        for delivery in self._deliveries.values():
            delivery.give_up("the operator ends")


async def _first_of(*tasks: "asyncio.Task[None]", again: asyncio.Event) -> None:
    """Wait for the event, or raise what a task raised."""
    waiting = asyncio.create_task(again.wait())
    try:
        done, _ = await asyncio.wait({*tasks, waiting}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        waiting.cancel()


@dataclass(slots=True, eq=False)
class _Delivery:
    """One route: what waits for it, and what it was told."""

    route: Route
    _clock: Clock
    _telemetry: NotifyTelemetry
    _events: Announcer
    _waiting: list[_News] = field(default_factory=list)
    _under_way: _News | None = None
    _told: dict[_Identity, datetime] = field(default_factory=dict)
    _some: asyncio.Event = field(default_factory=asyncio.Event)
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while nothing waits."""
    _backoff: Backoff = field(init=False)

    def __post_init__(self) -> None:
        self._backoff = Backoff(self._clock)
        self._say_what_waits()

    def put(self, news: _News) -> None:
        """Take news, unless it was taken already, lately."""
        last = self._told.pop(news.identity, None)
        is_repeated = last is not None and news.at - last < self.route.repeat_after
        still_waits = any(waiting.identity == news.identity for waiting in self._waiting)
        if last is not None and (is_repeated or still_waits):
            self._told[news.identity] = last
            log.debug("not told again", route=self.route.name, title=news.what.title)
            return
        self._told[news.identity] = news.at
        if len(self._told) > MOST_REMEMBERED:
            del self._told[next(iter(self._told))]
        self._waiting.append(news)
        if len(self._waiting) > LONGEST_QUEUE:
            others = (waiting for waiting in self._waiting if waiting is not self._under_way)
            self._drop(
                min(others, key=_urgency),
                f"more than {LONGEST_QUEUE} wait, and it was the least urgent",
            )
        self._say_what_waits()
        self._some.set()

    async def run(self) -> None:
        """Send what waits, the most urgent first, until cancelled."""
        while True:
            self._some.clear()
            if not self._waiting:
                await self._some.wait()
                continue
            await self._send(max(self._waiting, key=_urgency))

    async def _send(self, news: _News) -> None:
        self._under_way = news
        try:
            await self.route.target.send(news.what)
        except NotificationError as error:
            self._under_way = None
            self._failed(news, str(error))
            await self._backoff.pause()
            return
        self._under_way = None
        if self._backoff.failures:
            log.info("the route takes notifications again", route=self.route.name)
        self._backoff.reset()
        self._telemetry.notified(self.route.name)
        self._forget(news)

    def _failed(self, news: _News, fault: str) -> None:
        name = self.route.name
        news.attempts += 1
        self._telemetry.notification_failed(name)
        if self._backoff.is_worth_telling():
            failures = self._backoff.failures + 1
            log.warning("notification not sent", route=name, fault=fault, failures=failures)
        if self._clock.now() - news.at >= KEPT_FOR:
            self._drop(news, f"it could not be sent: {fault}")
            return
        if news.attempts == 1:
            self._tell_events(news, "NotificationFailed", f"{fault}; it is tried again")
        # Another one may be taken where this one is not.
        self._waiting.remove(news)
        self._waiting.append(news)

    def _drop(self, news: _News, why: str) -> None:
        self._telemetry.notification_dropped(self.route.name)
        log.warning("notification dropped", route=self.route.name, title=news.what.title, why=why)
        self._tell_events(news, "NotificationDropped", why)
        self._forget(news)

    def _tell_events(self, news: _News, reason: str, why: str) -> None:
        message = f"route {self.route.name} was not told of {news.reason}: {why}"
        self._events.announce(news.subject, (Announcement(reason, message, warning=True),))

    def give_up(self, why: str) -> None:
        """Drop all that waits."""
        for news in tuple(self._waiting):
            self._drop(news, why)

    def _forget(self, news: _News) -> None:
        if news in self._waiting:
            self._waiting.remove(news)
        self._say_what_waits()

    def _say_what_waits(self) -> None:
        self._telemetry.notifications_waiting(self.route.name, len(self._waiting))
        if self._waiting:
            self.idle.clear()
        else:
            self.idle.set()


def _urgency(news: _News) -> int:
    return _LEAST_FIRST.index(news.what.severity)
