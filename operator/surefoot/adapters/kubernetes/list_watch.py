"""The source of watch events: a list and then a watch from its version on, for one kind.

Nothing is missed between the two, nor between one watch and the next: each begins at the version
where the last one ended. Where the API server no longer has that version, everything is listed
again, and what is not in the list is gone. So are Checkpoints and Approvals where a watch failed:
what it would tell late might pass for news, and when a decision was given matters.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import aclosing, suppress
from functools import partial
from typing import Any

import structlog

from surefoot.adapters.kubernetes.cluster import MANAGED_SELECTOR, collection_path
from surefoot.adapters.kubernetes.codec import decoded
from surefoot.adapters.kubernetes.http import Http, retry_after
from surefoot.adapters.kubernetes.objects import head_of, is_object, read
from surefoot.adapters.kubernetes.pages import Page
from surefoot.adapters.kubernetes.parcels import Packed
from surefoot.application.ports import Clock, EventSink, Kind, ObjectHead
from surefoot.errors import ApiError, NotFound, Unavailable

log = structlog.get_logger(__name__)

JSON = dict[str, Any]

SILENCE = 80.0
"""Seconds without anything, after which a watch is dead: a bookmark comes every minute."""
SHORTEST_WATCH, LONGEST_WATCH = 240, 360
"""Seconds after which the API server ends a watch; at random, so that they do not end at once."""
PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds between attempts that fail one after the other."""
AT_A_STRETCH = 20
"""Items of a list that are taken in before others have their turn on the event loop."""
SHORT = 1.0
"""Seconds. A watch that ended sooner is not begun again without a pause."""
NO_LONGER_THERE = 410


IN_SIGHT = (Kind.CHECKPOINT, Kind.APPROVAL)
"""The kinds of which it is said where changes are no longer told as they happen."""


class MustListError(Exception):
    """The watch cannot go on where it ended: everything has to be listed again."""


class ListWatch:
    """The `EventSource` port for one kind, in one namespace or in all."""

    def __init__(self, http: Http, clock: Clock, kind: Kind, namespace: str | None = None) -> None:
        self.kinds = (kind,)
        self._http = http
        self._clock = clock
        self._kind = kind
        self._namespace = namespace
        self._path = collection_path(kind, namespace)
        self._selected = {"labelSelector": MANAGED_SELECTOR} if kind is Kind.CONFIG_MAP else {}
        self._what = f"{kind.value} objects" + (f" of namespace {namespace}" if namespace else "")
        self._running: asyncio.Timeout | None = None
        self._version = ""
        self._failures = 0

    async def run(self, sink: EventSink) -> None:
        """List and watch until cancelled or restarted. Raises `NotFound` where it is not served."""
        try:
            async with asyncio.timeout(None) as self._running:
                await self._follow(sink)
        except TimeoutError:
            log.info("watching begins again", what=self._what)
        finally:
            self._running = None
            self._lose_sight(sink)

    def restart(self) -> None:
        """Give up the present watch; anyone who runs this source runs it again."""
        if self._running is not None and not self._running.expired():
            self._running.reschedule(asyncio.get_running_loop().time())

    async def _follow(self, sink: EventSink) -> None:
        while True:
            self._lose_sight(sink)
            await self._patiently(partial(self._list, sink))
            with suppress(MustListError):
                while True:
                    await self._patiently(partial(self._go_on_watching, sink))

    def _lose_sight(self, sink: EventSink) -> None:
        if self._kind in IN_SIGHT:
            sink.lost_sight(self._kind, self._namespace)

    async def _patiently(self, work: Callable[[], Any]) -> None:
        """Try again and again, with pauses. What fails after it had worked is tried at once."""
        while True:
            before = self._version
            try:
                await work()
            except NotFound:
                raise
            except ApiError as error:
                await self._pause(error, has_worked=self._version != before)
            else:
                return

    async def _pause(self, error: ApiError, *, has_worked: bool) -> None:
        failures = self._failures = 0 if has_worked else self._failures + 1
        pause = PAUSES[min(failures, len(PAUSES) - 1)]
        if isinstance(error, Unavailable):
            pause = max(pause, retry_after(error))
        if failures & (failures - 1) == 0:  # the first, second, fourth and so on
            log.warning("watching", what=self._what, error=str(error), failures=failures)
        await self._clock.sleep(pause * random.uniform(0.8, 1.2))

    async def _list(self, sink: EventSink) -> None:
        what, query = f"list {self._what}", {**self._selected, "limit": "500"}
        heads: list[ObjectHead] = []
        tokens: set[str] = set()
        while True:
            page = Page(what, await self._http.raw(what, self._path, query))
            for item, text in page.items():
                heads.append(self._take(sink, what, item, Packed(self._kind, text.encode())))
                if len(heads) % AT_A_STRETCH == 0:
                    await asyncio.sleep(0)
            if not page.following:
                break
            if page.following in tokens:
                raise Unavailable(f"{what}: the answer leads back to a page that was read already")
            tokens.add(page.following)
            query["continue"] = page.following
        sink.listed(self._kind, self._namespace, heads, page.version)
        self._version = page.version

    async def _go_on_watching(self, sink: EventSink) -> None:
        """Watch until the API server ends it. Raises `MustListError` where it cannot go on."""
        before = self._version
        try:
            await self._watch(sink)
        except NotFound:
            raise
        except ApiError as error:
            if self._kind not in IN_SIGHT:
                raise
            self._lose_sight(sink)
            await self._pause(error, has_worked=self._version != before)
            raise MustListError from error
        self._failures = 0

    async def _watch(self, sink: EventSink) -> None:
        what, began = f"watch {self._what}", self._clock.elapsed()
        params = {
            **self._selected,
            "watch": "1",
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(random.randint(SHORTEST_WATCH, LONGEST_WATCH)),
        }
        try:
            async with aclosing(
                self._http.lines(what, self._path, params, silence=SILENCE)
            ) as lines:
                async for line in lines:
                    self._see(sink, what, line)
        except Unavailable as error:
            if error.status == NO_LONGER_THERE:
                raise self._expired() from error
            raise
        if self._clock.elapsed() - began < SHORT:
            raise Unavailable(f"{what}: the API server ended it at once")

    def _see(self, sink: EventSink, what: str, line: bytes) -> None:
        try:
            event = decoded(line)
            kind, content = event["type"], event["object"]
        except (ValueError, RecursionError, KeyError, TypeError) as error:
            raise Unavailable(f"{what}: the answer has a line that is no event") from error
        if kind == "ERROR":
            self._fail(what, content)
        if not isinstance(content, dict) or not isinstance(content.get("metadata"), dict):
            raise Unavailable(f"{what}: an event without an object")
        if kind in {"ADDED", "MODIFIED"}:
            self._take(sink, what, content, Packed(self._kind, line, "object"))
        elif kind == "DELETED":
            sink.remove(self._kind, self._head(what, content))
        self._version = str(content["metadata"].get("resourceVersion") or self._version)

    def _fail(self, what: str, status: Any) -> None:
        status = status if isinstance(status, dict) else {}
        if status.get("code") == NO_LONGER_THERE:
            raise self._expired()
        raise Unavailable(f"{what}: {status.get('code')}: {str(status.get('message'))[:300]}")

    def _expired(self) -> MustListError:
        log.info("a version is gone; everything is listed again", what=self._what)
        return MustListError()

    def _take(self, sink: EventSink, what: str, item: JSON, packed: Packed) -> ObjectHead:
        head = self._head(what, item)
        try:
            sink.observe(self._kind, head, partial(read, self._kind, item), packed)
        except Exception as error:  # a defect that one object provokes must not hide the others
            log.exception("an object was not taken in", object=str(head.key), error=repr(error))
        return head

    def _head(self, what: str, item: JSON) -> ObjectHead:
        if not is_object(item):
            raise Unavailable(f"{what}: the answer has an item without a name")
        return head_of(item)


def list_watches(
    http: Http, clock: Clock, namespaces: tuple[str, ...] = ()
) -> tuple[ListWatch, ...]:
    """A source for each kind, and where only some namespaces are watched, for each of them.

    What ails one of them does not end the others.
    """
    return tuple(
        ListWatch(http, clock, kind, namespace)
        for kind in Kind
        for namespace in (namespaces or (None,))
    )
