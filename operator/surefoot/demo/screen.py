"""Where the story is told: as lines in a log here, or drawn live on a terminal (see ``live``)."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TextIO

from rich.console import Console

from surefoot.demo.news import News, news
from surefoot.demo.scene import Scene
from surefoot.testbed import progress


def is_live() -> bool:
    """Whether the output goes to a terminal that can be drawn on, and not to a file or a pipe."""
    return sys.stdout.isatty() and not Console().is_dumb_terminal


def telling() -> AbstractContextManager[progress.Progress]:
    """How the setting up is told: in a moving line on a terminal, else in lines."""
    return progress.LiveLine() if is_live() else nullcontext(progress.PlainLines(sys.stdout))


class Screen(Protocol):
    """What the story needs of the place where it is told; watchers and the story call it alike."""

    def narrate(self, text: str) -> None:
        """Say what the audience is about to see."""

    def show_command(self, who: str, command: str) -> None:
        """Show what a person types, or could type."""

    def happened(self, item: News) -> None:
        """Show something that happened."""

    def scene_changed(self, before: Scene, after: Scene) -> None:
        """Show what is new."""

    def end(self) -> None:
        """Leave standing what is there."""


class Elapsing(Protocol):
    """Something that began."""

    @property
    def elapsed(self) -> float:
        """Seconds since then."""


class PlainLines:
    """A line for everything that changes, with the time since the beginning before it.

    ``stamp`` writes that time; minutes and seconds, if not given.
    """

    def __init__(
        self, stream: TextIO | None = None, stamp: Callable[[float], str] | None = None
    ) -> None:
        self._stream = stream or sys.stdout
        self._stamp = stamp or clock
        self._lookout: Elapsing | None = None
        self._alone = threading.Lock()

    def begin(self, lookout: Elapsing) -> None:
        """The clock starts."""
        self._lookout = lookout

    def narrate(self, text: str) -> None:
        """A line that stands out."""
        self._print(f"== {text}")

    def show_command(self, who: str, command: str) -> None:
        """The command on a line of its own, to be copied."""
        self._print(f"   {who}$ {command}")

    def happened(self, item: News) -> None:
        """A line."""
        self._print(f"   {item.text}")

    def scene_changed(self, before: Scene, after: Scene) -> None:
        """A line for each thing that is new."""
        for item in news(before, after):
            self.happened(item)

    def end(self) -> None:
        """Nothing is left to do: what is printed is printed."""

    def _print(self, text: str) -> None:
        seconds = self._lookout.elapsed if self._lookout else 0.0
        with self._alone:
            try:
                print(f"{self._stamp(seconds):>5} {text}", file=self._stream, flush=True)
            except BrokenPipeError:
                _nobody_listens(self._stream)


def _nobody_listens(stream: TextIO) -> None:
    """End as one does whose terminal is gone; what is printed meanwhile goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    os.kill(os.getpid(), signal.SIGHUP)


def clock(seconds: float) -> str:
    """A time since the beginning: ``1:07``."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
