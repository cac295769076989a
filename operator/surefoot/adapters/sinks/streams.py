"""Sinks that are files: standard output, and files on disk.

Writing blocks where a pipe is full or a disk hangs. So it is done in a thread of its own, at most
one for each sink: what was given up may still end, and nothing is written beside it meanwhile.
"""

import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from surefoot.adapters.prometheus.threads import BoundedCalls, NoPlaceError
from surefoot.errors import SinkError

STDOUT = 1


class _Blocking:
    def __init__(self, name: str, timeout: float) -> None:
        self.name = name
        self.timeout = timeout
        # The deadline that counts is the caller's; this one only says when a thread is overdue.
        self._patience = timeout * 2
        self._calls = BoundedCalls(f"sink-{name}", limit=1)

    async def close(self) -> None:
        """Nothing is held open between deliveries."""

    async def _in_thread(self, work: Callable[[], None]) -> None:
        try:
            await self._calls.run(lambda _exchange: work(), self._patience)
        except NoPlaceError:
            raise SinkError(f"an earlier write to sink {self.name} still hangs") from None


class StdoutSink(_Blocking):
    """Lines to standard output; the operator's log goes to standard error."""

    def __init__(self, name: str, timeout: float, descriptor: int = STDOUT) -> None:
        super().__init__(name, timeout)
        self._descriptor = descriptor

    async def deliver(self, lines: Sequence[str]) -> None:
        """Write all lines. Raises `SinkError`."""
        await self._in_thread(lambda: self._write(_joined(lines)))

    def _write(self, content: bytes) -> None:
        try:
            _write_all(self._descriptor, content)
        except OSError as error:
            raise SinkError(f"standard output takes no lines: {_reason(error)}") from error


class FileSink(_Blocking):
    """Lines appended to a file, which is opened for each delivery and may be renamed in between."""

    def __init__(self, name: str, timeout: float, path: Path) -> None:
        super().__init__(name, timeout)
        self._path = path

    async def deliver(self, lines: Sequence[str]) -> None:
        """Append all lines, and have them written to the disk. Raises `SinkError`."""
        await self._in_thread(lambda: self._append(_joined(lines)))

    def _append(self, content: bytes) -> None:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o640)
            try:
                status = os.fstat(descriptor)
                is_regular = stat.S_ISREG(status.st_mode)
                if is_regular and _is_cut_short(descriptor, status.st_size):
                    # What is cut short stays as it is: nothing that was recorded is ever removed.
                    content = b"\n" + content
                _write_all(descriptor, content)
                if is_regular:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise SinkError(f"{self._path} takes no lines: {_reason(error)}") from error


def _joined(lines: Sequence[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _is_cut_short(descriptor: int, size: int) -> bool:
    """Whether the file ends within a line: a crash, or a full disk, came in between."""
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"


def _write_all(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
