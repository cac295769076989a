"""The dashboard is there when its link is, and it ends without a word of its own."""

import asyncio
import logging
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from surefoot.dashboard import serving
from surefoot.dashboard.app import Dashboard
from surefoot.plugin import output
from surefoot.plugin.session import Person, Session

PORT = 7781


class _Session(Session):
    """Somebody whom no API server knows."""

    def __init__(self) -> None:
        """It has no connection."""

    where = "in namespace shop"

    async def whoami(self) -> Person:
        return Person("hudson")


class _NoLive:
    """Nothing is followed."""

    async def run(self) -> None:
        await asyncio.Event().wait()


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.setattr("surefoot.dashboard.app.Live", lambda _session: _NoLive())
    logger = logging.getLogger("asyncio")
    level = logger.level
    yield _Session()
    logger.setLevel(level)


async def _until(event: asyncio.Event, task: asyncio.Task[int]) -> None:
    """Serve until something has happened, or it has failed; then end as Ctrl-C does."""
    waits = asyncio.create_task(event.wait())
    await asyncio.wait({task, waits}, return_when=asyncio.FIRST_COMPLETED)
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for each in others:
        each.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def test_link_works_from_the_moment_it_is_printed(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The browser may be faster than the server."""
    reached = asyncio.Event()

    def printed(line: str) -> None:
        found = re.search(r"http://localhost:(\d+)", line)
        if found:
            socket.create_connection(("127.0.0.1", int(found[1])), timeout=10).close()
            reached.set()

    monkeypatch.setattr(output, "say", printed)
    await _until(reached, asyncio.create_task(serving.serve(session, 0, opens=False)))
    assert reached.is_set()


async def test_end_during_the_start_says_nothing(
    session: Session, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C is no fault, whenever it is pressed."""
    began = asyncio.Event()

    @asynccontextmanager
    async def slow(_self: Dashboard, _app: Any) -> AsyncIterator[None]:
        began.set()
        await asyncio.Event().wait()
        yield

    monkeypatch.setattr(Dashboard, "_life", slow)
    await _until(began, asyncio.create_task(serving.serve(session, 0, opens=False)))
    assert began.is_set()
    assert capfd.readouterr().err == ""


async def test_fault_of_the_program_is_one_line(
    session: Session, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """In the terminal and on the page; a traceback is for those who ask for it."""

    async def broken(_self: Dashboard, _request: Any) -> Any:
        raise ZeroDivisionError("of course")

    monkeypatch.setattr(Dashboard, "_overview", broken)
    dashboard = Dashboard(session, PORT)
    to_app = httpx.ASGITransport(dashboard.guard, raise_app_exceptions=False)
    base = f"http://localhost:{PORT}"
    async with httpx.AsyncClient(transport=to_app, base_url=base) as browser:
        await browser.get(dashboard.guard.link)
        answer = await browser.get(f"{dashboard.guard.base}/")
    said = capfd.readouterr().err
    assert answer.status_code == 500
    assert "ZeroDivisionError: of course" in answer.text
    assert said.startswith("Error: a fault of this program: ZeroDivisionError: of course")
    assert said.count("\n") == 1
