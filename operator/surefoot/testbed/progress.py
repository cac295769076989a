"""How a long wait is told: live on a terminal, in plain lines elsewhere."""

import sys
import time
from contextlib import AbstractContextManager
from datetime import timedelta
from types import TracebackType
from typing import Protocol, Self, TextIO

from rich.console import Console
from rich.status import Status

PLAIN_LINE_EVERY = 15.0
"""Seconds between the lines that show a log's reader that something still happens."""


class Progress(Protocol):
    """Who is told what the test bed is doing."""

    def say(self, line: str) -> None:
        """Tell something worth keeping on the screen."""

    def update(self, line: str) -> None:
        """Tell how far the present step is; called often, replaces what was said before."""


class Silent:
    """Tells nobody."""

    def say(self, line: str) -> None:
        """Keep quiet."""

    def update(self, line: str) -> None:
        """Keep quiet."""


class PlainLines:
    """One line per event, and one every fifteen seconds while a step takes long."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._last = time.monotonic()

    def say(self, line: str) -> None:
        """Print the line."""
        self._last = time.monotonic()
        print(line, file=self._stream, flush=True)

    def update(self, line: str) -> None:
        """Print the line unless one was printed a moment ago."""
        if time.monotonic() - self._last >= PLAIN_LINE_EVERY:
            self.say(line)


class LiveLine(AbstractContextManager["LiveLine"]):
    """One moving line at the foot of a terminal, with the lasting ones above it."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._status: Status | None = None

    def say(self, line: str) -> None:
        """Print the line for good and take the moving one away."""
        self._clear()
        self._console.print(line, markup=False)

    def update(self, line: str) -> None:
        """Show the line in place of the one before."""
        if self._status is None:
            self._status = self._console.status("")
            self._status.start()
        self._status.update(line)

    def _clear(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the terminal as it was found."""
        self._clear()


class _Plain(PlainLines, AbstractContextManager["PlainLines"]):
    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None


def on_stderr() -> AbstractContextManager[Progress]:
    """Tell on standard error, in the way that suits it."""
    return LiveLine() if sys.stderr.isatty() else _Plain()


def spoken(duration: timedelta | float) -> str:
    """Say a duration the way people read it: ``8 s``, ``2 min 05 s``."""
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else duration
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
