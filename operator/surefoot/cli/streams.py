"""Standard streams that fail: an answer that cannot be written ends a command in one line.

Any command may print at any place, and Python writes what is left at its very end. So the streams
themselves note why they could not write, and the way out of the program says it.
"""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

from surefoot.cli.exits import PIPE_CLOSED, UNWRITTEN

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class CheckedOutput(io.FileIO):
    """Standard output, which keeps the reason why it could not be written."""

    def __init__(self, descriptor: int, *, is_open: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.failure: OSError | None = None
        self._is_open = is_open
        self._is_given_up = False

    def write(self, content: "ReadableBuffer", /) -> int:
        """Write. Raises OSError, and keeps it."""
        if self._is_given_up:
            return _size_of(content)
        if not self._is_open:
            self.failure = OSError(errno.EBADF, os.strerror(errno.EBADF))
            raise self.failure
        try:
            return super().write(content)
        except OSError as error:
            self.failure = error
            raise

    def give_up(self) -> None:
        """Lose what is still in a buffer: it would fail once more when Python ends."""
        self._is_given_up = True


class QuietErrors(io.FileIO):
    """Standard error: where it cannot be written, no one is left who could be told."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)

    def write(self, content: "ReadableBuffer", /) -> int:
        """Write, or lose it."""
        with suppress(OSError):
            return super().write(content)
        return _size_of(content)


def _size_of(content: "ReadableBuffer") -> int:
    return memoryview(content).nbytes


@contextmanager
def checked_streams() -> Iterator[CheckedOutput]:
    """Within it, an answer that cannot be written ends the program with `UNWRITTEN` and one line.

    A closed pipe ends it without a word. Streams that are not those of the process, such as those
    of a test, stay as they are.
    """
    is_open = _open_closed_streams()
    out = CheckedOutput(1, is_open=is_open)
    before = sys.stdout, sys.stderr
    if _is_own(sys.stdout) or not is_open:
        sys.stdout = _text(out, sys.stdout)
    if _is_own(sys.stderr):
        sys.stderr = _text(QuietErrors(2), sys.stderr)
    try:
        try:
            yield out
        finally:
            sys.stdout.flush()
    except BaseException:
        if out.failure is None:
            raise
    if out.failure is not None:
        out.give_up()
        _end(out.failure)
    sys.stdout, sys.stderr = before


def _open_closed_streams() -> bool:
    """Open those that the caller closed, so that no other file gets their number.

    Returns whether standard output was open.
    """
    is_open = sys.stdout is not None
    if sys.stdin is None:
        os.open(os.devnull, os.O_RDONLY)
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        os.open(os.devnull, os.O_WRONLY)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        os.open(os.devnull, os.O_WRONLY)
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    return is_open


def _is_own(stream: TextIO) -> bool:
    return stream in (sys.__stdout__, sys.__stderr__)


def _text(raw: io.FileIO, like: TextIO) -> TextIO:
    """A stream of text over the raw one, in the encoding of the one before."""
    unbuffered = bool(getattr(like, "write_through", False))
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=like.encoding,
        errors=like.errors,
        line_buffering=unbuffered or bool(getattr(like, "line_buffering", False)),
    )


def _end(failure: OSError) -> None:
    if failure.errno == errno.EPIPE:
        sys.exit(PIPE_CLOSED)
    why = (failure.strerror or str(failure)).lower()
    sys.stderr.write(f"Error: cannot write to standard output: {why}; the answer is incomplete\n")
    sys.exit(UNWRITTEN)
