"""Ctrl-C, and being told to end: noted at once, acted on where nothing can be left half done.

A signal that raised wherever the program happens to be could strike between the start of a process
and the note that it was started. So the handler only takes a note, and everything that waits asks.
"""

import signal
import time
from types import FrameType
from typing import Self

ASK_EVERY = 0.05
"""Seconds."""


class Interrupted(Exception):
    """Somebody wants the demo to end now."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


class Interruption:
    """Takes note of SIGINT, SIGTERM and SIGHUP."""

    def __init__(self) -> None:
        self._number: int | None = None

    def listen(self) -> Self:
        """Take notes from now on, for as long as the process lives."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)
        # Under nohup it is ignored, and that is meant.
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._note)
        return self

    def _note(self, number: int, _frame: FrameType | None) -> None:
        # The first one counts; a second Ctrl-C does not stop the tidying up.
        self._number = self._number or number

    def check(self) -> None:
        """Raise Interrupted if anybody asked for it."""
        if self._number is not None:
            raise Interrupted(self._number)

    def sleep(self, seconds: float) -> None:
        """Let time pass. Raises Interrupted as soon as anybody asks for it."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.check()
            time.sleep(min(left, ASK_EVERY))
        self.check()
