"""watch: the lines of `get`, live from a watch. On a terminal they are redrawn in place."""

import asyncio
import contextlib
import shutil
import sys
from collections.abc import Callable, Mapping
from typing import Any

import typer

from surefoot.errors import SurefootError, Unavailable
from surefoot.plugin import output, summary
from surefoot.plugin.session import Session, path_of

JSON = dict[str, Any]
Key = tuple[str, str]
REDRAW_EVERY = 1.0
"""Seconds: the soak runs on between two changes."""
AGAIN_AFTER = 2.0
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"
BEGIN, END = "\x1b[?2026h", "\x1b[?2026l"
"""Around a frame: a terminal that knows them shows it at once."""
CLEAR_REST, CLEAR_BELOW = "\x1b[K", "\x1b[J"
GONE = 410


async def watch(session: Session, name: str | None) -> int:
    """Show Rollouts until interrupted."""
    if not output.is_terminal():
        await Follower(session, name, _printer(session)).follow()
        return 0
    follower, screen = Follower(session, name, lambda _: None), Screen()
    following = asyncio.create_task(follower.follow())
    try:
        typer.echo(HIDE, nl=False)
        while not following.done():
            follower.changed.clear()
            if follower.is_synced:
                screen.draw(_lines(session, follower.found))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(follower.changed.wait(), REDRAW_EVERY)
        following.result()
    finally:
        typer.echo(SHOW, nl=False)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    return 0


class Screen:
    """Lines that are written over those of before, so that nothing flickers."""

    def __init__(self) -> None:
        self._drawn = 0

    def draw(self, lines: list[str]) -> None:
        """Put these where the last ones were."""
        height = shutil.get_terminal_size().lines - 1
        if len(lines) > height:
            more = len(lines) - height + 1
            lines = [*lines[: height - 1], f"and {more} more: a higher window shows them"]
        up = f"\x1b[{self._drawn}F" if self._drawn else ""
        frame = "".join(f"{line}{CLEAR_REST}\n" for line in lines)
        sys.stdout.write(f"{BEGIN}{up}{frame}{CLEAR_BELOW}{END}")
        sys.stdout.flush()
        self._drawn = len(lines)


def _lines(session: Session, found: Mapping[Key, JSON]) -> list[str]:
    now, marks = session.now(), output.marks()
    titles = list(summary.COLUMNS)
    rows = [summary.row(found[key], now, marks) for key in sorted(found)]
    if session.everywhere:
        titles = ["Namespace", *titles]
        rows = [
            [output.Cell(key[0]), *cells] for key, cells in zip(sorted(found), rows, strict=True)
        ]
    lines = output.table_lines(titles, rows) if rows else [f"no Rollout {session.where} yet"]
    return [*lines, "", f"{now:%H:%M:%S} UTC; Ctrl-C ends this"]


def _printer(session: Session) -> Callable[[JSON], None]:
    """Prints a line for a Rollout whenever it says something else."""
    printed: dict[Key, str] = {}

    def show(raw: JSON) -> None:
        key, now = _key_of(raw), session.now()
        cells = summary.row(raw, now, output.marks())
        line = "  ".join(cell.text for cell in cells).rstrip()
        # The soak runs on by itself; what it waits for is news only where something else changed.
        news = f"{cells[1].text} {(raw.get('status') or {}).get('waitingOn')}"
        if printed.get(key) != news:
            printed[key] = news
            output.say(f"{key[0]}/{line}" if session.everywhere else line)
            sys.stdout.flush()

    return show


def _key_of(raw: JSON) -> Key:
    return raw["metadata"]["namespace"], raw["metadata"]["name"]


class Follower:
    """Keeps Rollouts as they are: a list, and a watch from there on, again and again."""

    def __init__(self, session: Session, name: str | None, show: Callable[[JSON], None]) -> None:
        self._session = session
        self._name = name
        self._show = show
        self.found: dict[Key, JSON] = {}
        self.is_synced = False
        self.changed = asyncio.Event()

    async def follow(self) -> None:
        """Go on until cancelled. `Declined` where there is no Rollout of the name at first."""
        while True:
            version = await self._list()
            self.changed.set()
            with contextlib.suppress(Unavailable):
                await self._watch_from(version)
            await asyncio.sleep(AGAIN_AFTER)

    async def _list(self) -> str:
        version, there = await self._session.versioned_rollouts(self._name)
        if self._name is not None and not there and not self.is_synced:
            await self._session.rollouts(self._name)  # says which name may have been meant
        self.found = {_key_of(raw): raw for raw in there}
        self.is_synced = True
        for raw in there:
            self._show(raw)
        return version

    async def _watch_from(self, version: str) -> None:
        """Take in events until the API server ends the watch, or has forgotten where it began."""
        params = {"resourceVersion": version, "allowWatchBookmarks": "true"}
        if self._name is not None:
            params["fieldSelector"] = f"metadata.name={self._name}"
        session = self._session
        path = path_of("rollouts", None if session.everywhere else session.namespace)
        async for event in session.watch("watch rollouts", path, params):
            kind, raw = event.get("type"), event.get("object") or {}
            if kind == "ERROR":
                if raw.get("code") == GONE:
                    return
                raise SurefootError(f"watch rollouts: {raw.get('message')}")
            if kind == "DELETED":
                self.found.pop(_key_of(raw), None)
            elif kind != "BOOKMARK":
                self.found[_key_of(raw)] = raw
                self._show(raw)
            self.changed.set()
