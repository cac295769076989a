"""The sinks: standard output, files, HTTP; and what the settings say of them."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import ValidationError

from surefoot.adapters.settings import Settings
from surefoot.adapters.sinks.cursors import ConfigMapCursors
from surefoot.adapters.sinks.http import HttpSink
from surefoot.adapters.sinks.made import sinks
from surefoot.adapters.sinks.streams import FileSink, StdoutSink
from surefoot.domain.record.verification import Mark
from surefoot.errors import Conflict, NotFound, SinkError, Unavailable


async def test_lines_are_appended_to_the_file(tmp_path: Path) -> None:
    """Delivery after delivery, whatever is in it."""
    path = tmp_path / "record.jsonl"
    sink = FileSink("archive", 10, path)
    await sink.deliver(["one", "two"])
    await sink.deliver(["three €"])
    assert path.read_text(encoding="utf-8") == "one\ntwo\nthree €\n"


async def test_a_renamed_file_is_begun_anew(tmp_path: Path) -> None:
    """As log rotation does."""
    path = tmp_path / "record.jsonl"
    sink = FileSink("archive", 10, path)
    await sink.deliver(["one"])
    path.rename(tmp_path / "record.1")
    await sink.deliver(["two"])
    assert path.read_text() == "two\n"


async def test_a_line_that_was_cut_short_stays_a_line_of_its_own(tmp_path: Path) -> None:
    """The next one does not continue it."""
    path = tmp_path / "record.jsonl"
    path.write_text('one\n{"cut')
    await FileSink("archive", 10, path).deliver(["two"])
    assert path.read_text() == 'one\n{"cut\ntwo\n'


async def test_a_file_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    """With the reason."""
    path = tmp_path / "nowhere" / "record.jsonl"
    with pytest.raises(SinkError, match=r"nowhere/record\.jsonl takes no lines: no such file"):
        await FileSink("archive", 10, path).deliver(["one"])


async def test_a_full_pipe_holds_nobody_up() -> None:
    """Nobody reads: the delivery is given up, none is begun beside it, and later all goes on."""
    reading, writing = os.pipe()
    try:
        sink = StdoutSink("out", 10, writing)
        large = "x" * 300_000
        delivery = asyncio.create_task(sink.deliver([large]))
        os.set_blocking(reading, True)
        # Once a byte is there, the thread is writing, and the pipe has no room for the rest.
        got = len(await asyncio.to_thread(os.read, reading, 1))
        delivery.cancel()
        await asyncio.gather(delivery, return_exceptions=True)
        with pytest.raises(SinkError, match="still hangs"):
            await sink.deliver(["next"])
        while got < len(large) + 1:
            got += len(await asyncio.to_thread(os.read, reading, 65536))
        while True:
            try:
                await sink.deliver(["next"])
                break
            except SinkError:
                await asyncio.sleep(0)
        assert os.read(reading, 100) == b"next\n"
    finally:
        os.close(reading)
        os.close(writing)


@dataclass
class Server:
    """Takes lines and answers as it is told."""

    status: int = 204
    url: str = ""
    bodies: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.text())
        self.headers.append(dict(request.headers))
        location = {"Location": "/elsewhere"} if 300 <= self.status < 400 else {}
        return web.Response(status=self.status, headers=location)


@contextlib.asynccontextmanager
async def a_server(status: int = 204) -> AsyncIterator[Server]:
    server = Server(status)
    app = web.Application()
    app.add_routes([web.route("*", "/{path:.*}", server.answer)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/record"
    try:
        yield server
    finally:
        await runner.cleanup()


async def test_lines_are_posted_with_the_token_of_the_moment(tmp_path: Path) -> None:
    """A token that was renewed is used at once."""
    token = tmp_path / "token"
    token.write_text("first\n")
    async with a_server() as server:
        sink = HttpSink("archive", 10, server.url, token)
        await sink.deliver(["one", "two"])
        token.write_text("second\n")
        await sink.deliver(["three"])
        await sink.close()
    assert server.bodies == ["one\ntwo\n", "three\n"]
    assert [each["Authorization"] for each in server.headers] == ["Bearer first", "Bearer second"]
    assert server.headers[0]["Content-Type"] == "application/x-ndjson"


@pytest.mark.parametrize("status", [302, 400, 401, 503])
async def test_an_answer_other_than_2xx_is_a_failure(status: int, tmp_path: Path) -> None:
    """A redirect as well: nobody else gets the token, and no message has it."""
    token = tmp_path / "token"
    token.write_text("very-secret")
    async with a_server(status) as server:
        sink = HttpSink("archive", 10, server.url, token)
        with pytest.raises(SinkError, match=f"answered {status}, expected 2xx") as caught:
            await sink.deliver(["one"])
        await sink.close()
    assert len(server.bodies) == 1
    assert "very-secret" not in str(caught.value)


async def test_a_token_that_is_none_is_told_without_it(tmp_path: Path) -> None:
    """And nothing is sent."""
    token = tmp_path / "token"
    token.write_text("two words")
    sink = HttpSink("archive", 10, "http://127.0.0.1:9/record", token)
    with pytest.raises(SinkError, match="must hold one ASCII token") as caught:
        await sink.deliver(["one"])
    assert "two words" not in str(caught.value)


async def test_a_server_that_is_not_there_is_a_failure() -> None:
    """Nobody listens."""
    async with a_server() as server:
        url = server.url
    sink = HttpSink("archive", 10, url)
    with pytest.raises(SinkError, match="no answer from"):
        await sink.deliver(["one"])
    await sink.close()


# Settings


def test_the_settings_make_the_sinks() -> None:
    """One of each type."""
    settings = Settings.model_validate(
        {
            "record": {
                "sinks": [
                    {"name": "out", "type": "Stdout"},
                    {"name": "archive", "type": "File", "path": "/var/record.jsonl"},
                    {"name": "siem", "type": "Http", "url": "https://siem/in", "timeout": "3s"},
                ]
            }
        }
    )
    made = sinks(settings.record)
    assert [type(each) for each in made] == [StdoutSink, FileSink, HttpSink]
    assert [each.timeout for each in made] == [10, 10, 3]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"type": "File"}, "path goes with type File"),
        ({"type": "File", "path": "record.jsonl"}, "path must be absolute"),
        ({"type": "Stdout", "path": "/x"}, "path goes with type File, and with no other"),
        ({"type": "Http"}, "url goes with type Http"),
        ({"type": "Stdout", "tokenFile": "/x"}, "tokenFile goes with type Http only"),
        ({"type": "Http", "url": "https://me:secret@siem"}, "may not contain credentials"),
        ({"type": "Kafka"}, "'Stdout', 'File' or 'Http'"),
        ({"type": "Stdout", "timeout": "0s"}, "must be more than 0s"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes: dict[str, Any], words: str) -> None:
    """In words that name the setting."""
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"record": {"sinks": [{"name": "archive", **changes}]}})
    assert words in str(caught.value)


def test_a_sink_is_there_once() -> None:
    """What it has is remembered by its name."""
    twice = [{"name": "out", "type": "Stdout"}] * 2
    with pytest.raises(ValidationError, match='the sink "out" is there twice'):
        Settings.model_validate({"record": {"sinks": twice}})


# What a sink has


class FakeHttp:
    """One ConfigMap, with versions."""

    def __init__(self) -> None:
        self.held: dict[str, Any] | None = None
        self.version = 0
        self.is_down = False

    async def get(self, what: str, path: str) -> dict[str, Any]:
        if self.held is None:
            raise NotFound(what, status=404)
        return self.held

    async def write(
        self, what: str, verb: str, path: str, body: dict[str, Any], *, is_fenced: bool
    ) -> dict[str, Any]:
        assert not is_fenced
        if self.is_down:
            raise Unavailable(what)
        sent = body["metadata"].get("resourceVersion")
        if sent != (self.held["metadata"]["resourceVersion"] if self.held else None):
            raise Conflict(what, status=409)
        self.version += 1
        metadata = {**body["metadata"], "resourceVersion": str(self.version)}
        self.held = {**body, "metadata": metadata}
        return self.held


MARKS = {"uid-1": Mark("t1", "sha256:1"), "uid-2": Mark("t2", "sha256:2")}


async def test_what_a_sink_has_is_read_back() -> None:
    """By another process."""
    http: Any = FakeHttp()
    first = ConfigMapCursors(http, "surefoot-system")
    assert await first.load("archive") == {}
    await first.save("archive", MARKS)
    assert await ConfigMapCursors(http, "surefoot-system").load("archive") == MARKS
    assert http.held["metadata"]["name"] == "surefoot-record-archive"


async def test_what_a_sink_has_is_written_over_what_came_in_between() -> None:
    """We know what was delivered; and it may have been deleted meanwhile."""
    http: Any = FakeHttp()
    cursors = ConfigMapCursors(http, "surefoot-system")
    await cursors.save("archive", {})
    await ConfigMapCursors(http, "surefoot-system").save("archive", {})
    await cursors.save("archive", MARKS)
    assert await cursors.load("archive") == MARKS
    http.held = None
    await cursors.save("archive", MARKS)
    assert await cursors.load("archive") == MARKS


async def test_replicas_that_share_the_cursors_leave_each_others_alone() -> None:
    """Each writes what it delivered or forgot since it has read them."""
    http: Any = FakeHttp()
    first, second = (ConfigMapCursors(http, "surefoot-system", is_shared=True) for _ in range(2))
    await first.save("archive", MARKS)
    assert await second.load("archive") == MARKS
    later, new = Mark("t3", "sha256:3"), {"uid-3": Mark("t9", "sha256:9")}
    await first.save("archive", {**MARKS, "uid-1": later})
    await second.save("archive", {"uid-1": MARKS["uid-1"], **new})
    await first.save("archive", {**MARKS, "uid-1": later})
    assert await first.load("archive") == {"uid-1": later, **new}


async def test_replica_that_may_not_write_remembers_nothing() -> None:
    http: Any = FakeHttp()

    def fence(what: str) -> None:
        raise Unavailable(f"{what}: this replica does not lead")

    with pytest.raises(Unavailable, match="write ConfigMap surefoot-record-archive"):
        await ConfigMapCursors(http, "surefoot-system", fence).save("archive", MARKS)
    assert http.held is None


async def test_an_entry_that_nobody_of_us_wrote_is_left_out() -> None:
    """Somebody edited it: those lines come again."""
    http: Any = FakeHttp()
    cursors = ConfigMapCursors(http, "surefoot-system")
    await cursors.save("archive", MARKS)
    http.held["data"]["uid-1"] = "what is this"
    assert await cursors.load("archive") == {"uid-2": MARKS["uid-2"]}
