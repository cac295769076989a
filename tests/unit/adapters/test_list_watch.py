"""The source of events against a small server that plays the API server."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from surefoot.adapters.kubernetes import list_watch
from surefoot.adapters.kubernetes.access import Access
from surefoot.adapters.kubernetes.http import Http
from surefoot.adapters.kubernetes.list_watch import ListWatch, list_watches
from surefoot.adapters.kubernetes.objects import read
from surefoot.adapters.kubernetes.pages import Page
from surefoot.adapters.kubernetes.parcels import Packed
from surefoot.application.ports import Kind, ObjectHead, Observable, Parcel
from surefoot.errors import NotFound, Unavailable
from tests.support.fakes import FakeClock
from tests.support.testbed import SURELY
from tests.support.world import a_rollout

JSON = dict[str, Any]

CONFIG_MAPS = "/api/v1/configmaps"
Answer = tuple[int, JSON | bytes, dict[str, str]]


def item(name: str, version: int, uid: str = "") -> JSON:
    metadata = {"name": name, "namespace": "agents", "uid": uid or name}
    return {"metadata": {**metadata, "resourceVersion": str(version)}}


def listing(version: int, *items: JSON, following: str = "") -> Answer:
    metadata = {"resourceVersion": str(version), "continue": following}
    return 200, {"kind": "ConfigMapList", "metadata": metadata, "items": list(items)}, {}


def failure(code: int, **headers: str) -> Answer:
    status = {"kind": "Status", "code": code, "message": "as a test says"}
    return code, status, {name.replace("_", "-"): value for name, value in headers.items()}


def event(kind: str, found: JSON) -> JSON:
    return {"type": kind, "object": found}


def bookmark(version: int) -> JSON:
    return event("BOOKMARK", {"metadata": {"resourceVersion": str(version)}})


class ApiServer:
    """Answers lists and watches as told, one after the other; the last one forever."""

    def __init__(self) -> None:
        self.lists: list[Answer] = [listing(10)]
        self.watches: list[Answer | list[JSON | bytes]] = [[]]
        self.asked: list[dict[str, str]] = []
        self.was_asked = asyncio.Event()
        self.is_over = asyncio.Event()
        self.hangs_on = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append({"path": request.path, **request.query})
        self.was_asked.set()
        if request.path == self.hangs_on:
            await self.is_over.wait()
        script: list[Any] = self.watches if "watch" in request.query else self.lists
        is_last = len(script) == 1
        answer = script[0] if is_last else script.pop(0)
        if isinstance(answer, tuple):
            status, body, headers = answer
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            return web.Response(status=status, body=raw, headers=headers)
        return await self._stream(request, answer, stays_open=is_last)

    async def _stream(
        self, request: web.Request, events: list[JSON | bytes], *, stays_open: bool
    ) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for each in events:
            line = each if isinstance(each, bytes) else json.dumps(each).encode() + b"\n"
            for half in (line[: len(line) // 2], line[len(line) // 2 :]):
                await response.write(half)
        if stays_open:
            await self.is_over.wait()
        return response

    @property
    def versions_watched(self) -> list[str]:
        return [query["resourceVersion"] for query in self.asked if "watch" in query]


class Sink:
    """What was told, in the order in which it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.changed = asyncio.Event()
        self.fails_on = ""

    def _tell(self, text: str) -> None:
        self.told.append(text)
        self.changed.set()

    def observe(
        self,
        kind: Kind,
        head: ObjectHead,
        read: Callable[[], Observable],
        parcel: Parcel | None = None,
    ) -> None:
        if head.key.name == self.fails_on:
            raise RuntimeError("a defect")
        assert parcel is not None
        assert parcel.open() == read()
        self._tell(f"{head.key.name}@{head.resource_version}")

    def remove(self, kind: Kind, head: ObjectHead) -> None:
        self._tell(f"-{head.key.name}@{head.resource_version}")

    def listed(
        self, kind: Kind, namespace: str | None, heads: Collection[ObjectHead], version: str
    ) -> None:
        self._tell(f"all@{version}: {' '.join(sorted(head.key.name for head in heads))}".strip())

    def lost_sight(self, kind: Kind, namespace: str | None) -> None:
        self._tell(f"lost sight of {kind.value} in {namespace}")

    async def until(self, text: str) -> None:
        """Wait until it was told."""
        while text not in self.told:
            self.changed.clear()
            await asyncio.wait_for(self.changed.wait(), SURELY)


class HastyClock(FakeClock):
    """Sleeps are over at once, and noted."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


class Desk:
    """A source, what it asks and what it tells."""

    def __init__(self, server: ApiServer, http: Http) -> None:
        self.server = server
        self.http = http
        self.sink = Sink()
        self.clock = HastyClock()

    @asynccontextmanager
    async def watching(
        self, kind: Kind = Kind.CONFIG_MAP, namespace: str | None = None
    ) -> AsyncIterator[tuple[ListWatch, "asyncio.Task[None]"]]:
        source = ListWatch(self.http, self.clock, kind, namespace)
        running = asyncio.create_task(source.run(self.sink))
        try:
            yield source, running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    server = ApiServer()
    app = web.Application()
    app.router.add_get("/{rest:.*}", server.handle)
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [
            {"name": "k", "cluster": {"server": f"http://127.0.0.1:{runner.addresses[0][1]}"}}
        ],
        "users": [{"name": "u", "user": {"token": "secret"}}],
    }
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    http = Http(await Access.load(str(tmp_path / "config")))
    yield Desk(server, http)
    server.is_over.set()
    await http.close()
    await runner.cleanup()


async def test_list_is_read_page_by_page_and_then_watched(desk: Desk) -> None:
    """From the version of the list on, so that nothing between the two is missed."""
    desk.server.lists = [
        listing(10, item("a", 7), following="more"),
        listing(10, item("b", 8)),
    ]
    desk.server.watches = [[event("MODIFIED", item("a", 11)), event("DELETED", item("b", 12))]]
    async with desk.watching():
        await desk.sink.until("-b@12")
    assert desk.sink.told == ["a@7", "b@8", "all@10: a b", "a@11", "-b@12"]
    first, second, watch = desk.server.asked
    assert first == {
        "path": CONFIG_MAPS, "labelSelector": "surefoot.dev/managed=true", "limit": "500"
    }  # fmt: skip
    assert second == {**first, "continue": "more"}
    assert (watch["resourceVersion"], watch["allowWatchBookmarks"]) == ("10", "true")
    assert watch["labelSelector"] == first["labelSelector"]


async def test_watch_goes_on_where_the_last_one_ended(desk: Desk) -> None:
    """At the newest version that was seen, that of a bookmark as well; nothing is listed again."""
    desk.server.watches = [
        [event("ADDED", item("a", 11))],
        [bookmark(40)],
        failure(503),
        [event("ADDED", item("b", 41))],
    ]
    async with desk.watching():
        await desk.sink.until("b@41")
    assert desk.server.versions_watched == ["10", "11", "40", "40"]
    assert desk.sink.told == ["all@10:", "a@11", "b@41"]


@pytest.mark.parametrize(
    "gone",
    [failure(410), [event("ERROR", {"kind": "Status", "code": 410})]],
    ids=["status", "event"],
)
async def test_version_that_is_gone_is_listed_anew(
    desk: Desk, gone: Answer | list[JSON | bytes]
) -> None:
    """And what is no longer in the list can be told from it."""
    desk.server.lists = [listing(10, item("a", 7), item("b", 8)), listing(90, item("b", 80))]
    desk.server.watches = [gone, []]
    async with desk.watching():
        await desk.sink.until("all@90: b")
    assert desk.sink.told == ["a@7", "b@8", "all@10: a b", "b@80", "all@90: b"]


@pytest.mark.parametrize(
    "broken",
    [
        failure(500),
        failure(403),
        (200, b"<html>", {}),
        (200, {"kind": "ConfigMapList", "items": []}, {}),
        (200, {"kind": "ConfigMap", "metadata": {"resourceVersion": "1"}}, {}),
        listing(10, {}),
        (200, b'{"kind":"ConfigMapList","metadata":{"resourceVersion":"1"},"items":[{"meta', {}),
    ],
    ids=["500", "403", "html", "no version", "no list", "no name", "half"],
)
async def test_list_that_fails_is_tried_again_and_proves_nothing(
    desk: Desk, broken: Answer
) -> None:
    """Until it is complete, nobody is told what all there is is."""
    desk.server.lists = [broken, broken, broken, listing(20)]
    async with desk.watching():
        await desk.sink.until("all@20:")
    assert [text for text in desk.sink.told if text.startswith("all")] == ["all@20:"]
    pauses = desk.clock.slept
    assert len(pauses) == 3
    assert pauses[0] < pauses[2]


async def test_list_that_leads_back_is_not_read_for_ever(desk: Desk) -> None:
    desk.server.lists = [listing(10, following="a"), listing(10, following="a"), listing(20)]
    async with desk.watching():
        await desk.sink.until("all@20:")


async def test_server_that_asks_to_be_left_alone_is_left_alone(desk: Desk) -> None:
    """As long as it says, a little more or less."""
    desk.server.lists = [failure(429, Retry_After="3"), listing(20)]
    async with desk.watching():
        await desk.sink.until("all@20:")
    (pause,) = desk.clock.slept
    assert 2.4 <= pause <= 3.6


@pytest.mark.parametrize(
    "events",
    [
        [event("ERROR", {"kind": "Status", "code": 500, "message": "etcd"})],
        [b"{not json}\n"],
        [b'["a list"]\n'],
        [event("ADDED", {"metadata": {}})],
        [b'{"type":"ADDED","obj'],
    ],
    ids=["error", "no JSON", "no event", "no name", "half"],
)
async def test_watch_that_breaks_is_begun_again(desk: Desk, events: list[JSON | bytes]) -> None:
    """At the version that is known; nothing of the broken line counts."""
    desk.server.watches = [events, [event("ADDED", item("b", 41))]]
    async with desk.watching():
        await desk.sink.until("b@41")
    assert desk.server.versions_watched == ["10", "10"]


@pytest.mark.parametrize("kind", [Kind.APPROVAL, Kind.CHECKPOINT], ids=lambda kind: kind.value)
@pytest.mark.parametrize(
    "breaks",
    [failure(500), failure(403), [event("ERROR", {"code": 500})], [b"{not json}\n"]],
    ids=["500", "403", "error", "no JSON"],
)
async def test_what_a_broken_watch_of_requests_would_tell_late_is_listed(
    desk: Desk, kind: Kind, breaks: Answer | list[JSON | bytes]
) -> None:
    """A decision of meanwhile must not pass for one of now: first it is said that nobody looked."""
    desk.server.lists = [listing(10), listing(50)]
    desk.server.watches = [breaks, []]
    async with desk.watching(kind):
        await desk.sink.until("all@50:")
    lost = f"lost sight of {kind.value} in None"
    before, after = desk.sink.told.index("all@10:"), desk.sink.told.index("all@50:")
    assert set(desk.sink.told[before + 1 : after]) == {lost}
    assert desk.sink.told[0] == lost
    assert desk.clock.slept != []


async def test_watch_of_requests_that_the_api_server_ends_goes_on_in_sight(desk: Desk) -> None:
    """It ends each of them after some minutes, and nothing is missed."""
    gone = event("DELETED", item("a", 12))
    desk.server.watches = [[bookmark(11)], [gone]]
    desk.clock.elapsed = iter(range(0, 10_000, 300)).__next__  # type: ignore[method-assign]
    async with desk.watching(Kind.APPROVAL):
        await desk.sink.until("-a@12")
        assert desk.sink.told == ["lost sight of Approval in None", "all@10:", "-a@12"]
    assert desk.server.versions_watched == ["10", "11"]


@pytest.mark.parametrize("end", ["restart", "cancel"])
async def test_source_of_requests_that_ends_is_out_of_sight(desk: Desk, end: str) -> None:
    """From then on, and not only once it is run again."""
    async with desk.watching(Kind.APPROVAL, "agents") as (source, running):
        await desk.sink.until("all@10:")
        if end == "restart":
            source.restart()
        else:
            running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert desk.sink.told[-2:] == ["all@10:", "lost sight of Approval in agents"]


async def test_silent_watch_is_dead(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bookmark would have come: the connection is given up and made again."""
    monkeypatch.setattr(list_watch, "SILENCE", 0.2)
    async with desk.watching():
        while len(desk.server.versions_watched) < 2:  # noqa: ASYNC110 - the server's own list
            await asyncio.sleep(0.02)
    assert set(desk.server.versions_watched) == {"10"}


async def test_kind_that_is_not_served_ends_the_source(desk: Desk) -> None:
    """Somebody else knows how to wait for it."""
    desk.server.lists = [failure(404)]
    async with desk.watching() as (_, running):
        with pytest.raises(NotFound):
            await running


async def test_restart_ends_the_source_and_the_next_run_lists(desk: Desk) -> None:
    """That is how whatever was missed is found."""
    async with desk.watching() as (source, running):
        await desk.sink.until("all@10:")
        source.restart()
        await running
    desk.server.lists = [listing(50)]
    async with desk.watching():
        await desk.sink.until("all@50:")


async def test_object_that_provokes_a_defect_hides_no_other(desk: Desk) -> None:
    """Neither in a list nor in a watch."""
    desk.sink.fails_on = "bad"
    desk.server.lists = [listing(10, item("bad", 1), item("a", 2))]
    desk.server.watches = [[event("MODIFIED", item("bad", 11)), event("ADDED", item("b", 12))]]
    async with desk.watching():
        await desk.sink.until("b@12")
    assert desk.sink.told == ["a@2", "all@10: a bad", "b@12"]


async def test_each_kind_and_namespace_has_a_source_of_its_own(desk: Desk) -> None:
    """What ails one of them does not end the others."""
    everywhere = list_watches(desk.http, desk.clock)
    assert [source.kinds for source in everywhere] == [(kind,) for kind in Kind]
    assert len(list_watches(desk.http, desk.clock, ("one", "two"))) == 2 * len(Kind)
    async with desk.watching(Kind.APPROVAL, "one"):
        await desk.sink.until("all@10:")
    assert desk.server.asked[0]["path"] == "/apis/surefoot.dev/v1alpha1/namespaces/one/approvals"


@asynccontextmanager
async def answered_beside(
    desk: Desk, work: Sequence[Coroutine[Any, Any, Any]], is_under_way: Callable[[], bool]
) -> AsyncIterator[None]:
    """What is done inside is done in time while all of this work is under way."""
    tasks = [asyncio.create_task(item) for item in work]
    try:
        async with asyncio.timeout(SURELY):
            while not is_under_way():
                await desk.server.was_asked.wait()
                desk.server.was_asked.clear()
            yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_watches_take_no_connection_that_a_request_needs(desk: Desk) -> None:
    """A watch has its connection for itself, and there are four for each namespace."""
    namespaces = tuple(f"team-{number}" for number in range(20))
    sources = list_watches(desk.http, desk.clock, namespaces)
    async with answered_beside(
        desk,
        [source.run(desk.sink) for source in sources],
        lambda: len(desk.server.versions_watched) >= len(sources),
    ):
        await desk.http.raw("list", CONFIG_MAPS, {})


async def test_request_waits_for_no_other(desk: Desk) -> None:
    """The reads of a rollback go out while any number of others have no answer."""
    desk.server.hangs_on = "/slow"
    slow = [desk.http.raw("get", "/slow", {}) for _ in range(200)]
    async with answered_beside(desk, slow, lambda: len(desk.server.asked) >= len(slow)):
        await desk.http.raw("list", CONFIG_MAPS, {})


HEAD = '"kind":"XList","metadata":{"resourceVersion":"1","continue":"c"}'
ITEMS = '"items" : [ {"a":1} , {} ] '


@pytest.mark.parametrize("text", [f"{{{HEAD},{ITEMS}}}\n", f" {{ {ITEMS} , {HEAD} }} "])
def test_page_is_read_whatever_its_order(text: str) -> None:
    page = Page("list", text.encode())
    assert list(page.items()) == [({"a": 1}, '{"a":1}'), ({}, "{}")]
    assert (page.version, page.following) == ("1", "c")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        '{"items":[1]}',
        '{"items":[{}',
        '{"items":[{}]}',
        '{"a" 1}',
        "[" * 99,
    ],
)
def test_what_is_no_page_is_unavailable(text: str) -> None:
    with pytest.raises(Unavailable):
        list(Page("list", text.encode()).items())


def test_parcel_is_much_smaller_than_what_came_and_reads_the_same() -> None:
    """Whether it came in a list, or in an event of a watch."""
    raw = a_rollout().to_wire()
    raw["metadata"]["annotations"] = {"note": "words, words, words" * 500}
    text = json.dumps(raw)
    listed = Packed(Kind.ROLLOUT, text.encode())
    watched = Packed(Kind.ROLLOUT, json.dumps({"object": raw}).encode(), "object")
    assert listed.open() == watched.open() == read(Kind.ROLLOUT, raw)
    assert listed.size == len(text)
    assert sys.getsizeof(listed.packed) < len(text) / 4
