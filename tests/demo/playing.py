"""A demo as people run it: a program, read line by line, and watched for what it leaves."""

import contextlib
import os
import queue
import re
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

SUREFOOT = Path(sys.executable).with_name("surefoot")
LONGEST = 300.0
"""Seconds for anything at all, on a machine that is busy with other tests."""


class Demo:
    """A demo that runs, in a temporary directory of its own, with a mark on all it starts."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.directory = directory
        self.lines: list[str] = []
        self._mark = f"surefoot-demo-{uuid.uuid4()}"
        self.process = subprocess.Popen(
            [str(SUREFOOT), *arguments],
            env={**os.environ, "TMPDIR": str(directory), "MARK_OF_THE_TEST": self._mark},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._unread: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                self._unread.put(line.rstrip("\n"))
        self._unread.put(None)

    def wait_for_line(self, pattern: str) -> None:
        """Read until a line matches; fail with all that was read where none does."""
        deadline = time.monotonic() + LONGEST
        while (line := self._unread.get(timeout=deadline - time.monotonic())) is not None:
            self.lines.append(line)
            if re.search(pattern, line):
                return
        pytest.fail(f"no line matches {pattern!r}:\n" + "\n".join(self.lines))

    def wait_for_lines(self, *patterns: str) -> None:
        """Read until each of these was matched by a line, in whatever order."""
        left = set(patterns)
        while left:
            self.wait_for_line("|".join(f"(?:{pattern})" for pattern in sorted(left)))
            left = {each for each in left if not re.search(each, self.lines[-1])}

    def exit_code(self) -> int:
        """Wait for the end."""
        return self.process.wait(LONGEST)

    def left_behind(self) -> list[str]:
        """Command lines and files of it that are still there."""
        files = [str(path) for path in self.directory.iterdir()]
        return [command for _, command in self._processes()] + files

    def _processes(self) -> Iterator[tuple[psutil.Process, str]]:
        """Every living process that carries the mark, with its command line.

        Both are read at once: a process may end between any two looks at it, and what has ended,
        a zombie included, is not left behind.
        """
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):  # it ended, or it is not ours to look into
                if process.environ().get("MARK_OF_THE_TEST") == self._mark:
                    yield process, " ".join(process.cmdline())

    def kill(self) -> None:
        """Leave nothing behind, whatever the demo does about it."""
        for process, _ in list(self._processes()):
            with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended by itself
                process.kill()
        self.process.wait(LONGEST)
        self._reader.join(LONGEST)
