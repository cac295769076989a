"""One program of the bed: launched, waited for, stopped, found again by its record.

A record on disk says which process a pid meant when it was written. Nothing here ever sends a
signal to a pid without comparing the process's start time with that record: after a restart
of the machine, or a long night, the pid may belong to somebody else.
"""

import atexit
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import psutil

from surefoot.errors import TestbedError
from surefoot.testbed.progress import Progress, Silent, spoken

LAST_LINES = 20

_launched: list[subprocess.Popen[bytes]] = []
"""Children of this process, kept so that they can be collected when they end."""


@atexit.register
def _let_go() -> None:
    """What still runs at the end was left running on purpose; Python need not report it."""
    for child in _launched:
        if child.poll() is None:
            child.returncode = 0


def _birth_of(pid: int) -> str:
    """Say when the process began, in a way that neither a set clock nor a reboot can confuse.

    Raises psutil.NoSuchProcess where there is no such process.
    """
    if not sys.platform.startswith("linux"):
        return f"{psutil.Process(pid).create_time():.0f}"
    try:
        # The name in parentheses may hold anything; field 22 counts ticks since the boot.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError as error:
        raise psutil.NoSuchProcess(pid) from error
    return f"{fields[19]}@{boot}"


@dataclass(frozen=True, slots=True)
class Identity:
    """Which process is meant: its pid, and when that process began."""

    pid: int
    began: str

    @classmethod
    def of(cls, pid: int) -> Self:
        """Take down the identity of a process that runs now."""
        return cls(pid, _birth_of(pid))

    @classmethod
    def read(cls, record: Path) -> Self | None:
        """Read a record. None where there is none, or where it was cut off while being written."""
        try:
            content = json.loads(record.read_text())
            return cls(int(content["pid"]), str(content["began"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, record: Path) -> None:
        """Write the record so that no reader ever sees half of it."""
        partial = record.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self)))
        partial.replace(record)

    def find(self) -> psutil.Process | None:
        """Find this very process. None if it ended, also when its pid was given to another."""
        try:
            if _birth_of(self.pid) != self.began:
                return None
            process = psutil.Process(self.pid)
            return None if _has_ended(process) else process
        except psutil.NoSuchProcess:
            return None


def _has_ended(process: psutil.Process) -> bool:
    """Whether only the exit code is left of it.

    The first thread of a killed program may be a zombie while others still hold its ports.
    """
    return process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1


class StartError(TestbedError):
    """A program ended, or did not become ready. The message ends with its own last lines."""

    def __init__(self, message: str, last_lines: str) -> None:
        super().__init__(message)
        self.last_lines = last_lines

    @property
    def port_was_taken(self) -> bool:
        """Whether another program took the port between our choice and the start."""
        return "address already in use" in self.last_lines


class Component:
    """One program: ``start``, ``stop``, ``kill``, ``restart``, ``pause``, ``resume``.

    It may have been launched by another process: what is known of it lies in its record.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        record: Path,
        not_ready_because: Callable[[], str | None],
        ready_within: float = 120.0,
        grace: float = 10.0,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Describe a program without starting it.

        ``not_ready_because`` asks the program: None means ready, anything else is what it said.
        ``ready_within`` and ``grace``, how long ``stop`` waits before it kills, are in
        seconds. ``environment`` is added to that of this process.
        """
        self.name = name
        self.command = tuple(command)
        self.log = log
        self._record = record
        self._not_ready_because = not_ready_because
        self._ready_within = ready_within
        self._grace = grace
        self._environment = dict(environment or {})
        self._log_began = 0

    @property
    def pid(self) -> int | None:
        """The pid, while the program runs."""
        process = self._process()
        return None if process is None else process.pid

    @property
    def is_running(self) -> bool:
        """Whether the program lives; a paused one does."""
        return self._process() is not None

    @property
    def is_paused(self) -> bool:
        """Whether the program is frozen by ``pause``."""
        process = self._process()
        with suppress(psutil.NoSuchProcess):
            return process is not None and process.status() == psutil.STATUS_STOPPED
        return False

    @property
    def state(self) -> str:
        """In a few words: ready, paused, not running, or what it answers instead."""
        if not self.is_running:
            return "not running"
        if self.is_paused:
            return "paused"
        answer = self._not_ready_because()
        return "ready" if answer is None else f"not ready: {answer}"

    @property
    def is_ready(self) -> bool:
        """Whether the program runs and says that it is ready."""
        return self.is_running and self._not_ready_because() is None

    def start(self, progress: Progress | None = None) -> None:
        """Start the program and wait until it is ready; does nothing when it runs already.

        Raises StartError, with the program's last lines, when it ends or takes too long.
        """
        self.launch()
        self.wait_until_ready(progress)

    def launch(self) -> None:
        """Start the program without waiting for it."""
        if self.is_running:
            return
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._record.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._log_began = log.tell()
            try:
                # Its own session: Ctrl-C is for the owner, who stops the programs in order.
                child = subprocess.Popen(
                    self.command,
                    env={**os.environ, **self._environment},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise TestbedError(
                    f"{self.name} could not be started: {self.command[0]}: {error.strerror}. "
                    f"Remove that file and start again; it is built again."
                ) from error
        _launched.append(child)
        Identity.of(child.pid).write(self._record)

    def wait_until_ready(self, progress: Progress | None = None) -> None:
        """Wait until the launched program is ready. Raises StartError as ``start`` does."""
        tell = progress or Silent()
        began = time.monotonic()
        while (answer := self._not_ready_because()) is not None:
            waited = time.monotonic() - began
            if not self.is_running:
                raise self._failed("ended before it was ready")
            if waited > self._ready_within:
                raise self._failed(f"was not ready within {spoken(self._ready_within)}: {answer}")
            tell.update(f"waiting for {self.name} ({spoken(waited)}): {answer}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Ask the program to end and wait; when its grace is over it is killed."""
        self.resume()
        self._signal(signal.SIGTERM)
        if not self._ends_within(self._grace):
            self.kill()
        self._record.unlink(missing_ok=True)

    def kill(self) -> None:
        """End the program at once, as a crash would, and wait until it is gone."""
        self._signal(signal.SIGKILL)
        if not self._ends_within(30.0):
            raise TestbedError(
                f"{self.name} (pid {self.pid}) did not end within 30 s of being killed; "
                f"the kernel holds it. Look at: ps -o stat,wchan -p {self.pid}"
            )
        self._record.unlink(missing_ok=True)

    @classmethod
    def stop_recorded(cls, record: Path) -> None:
        """Stop a program of which nothing but its record is known."""
        cls(record.stem, (), log=record, record=record, not_ready_because=lambda: None).stop()

    def restart(self) -> None:
        """Stop and start again, on the same port and the same data."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze the program: connections stay open and nobody answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused program go on."""
        self._signal(signal.SIGCONT)

    def last_lines(self, count: int = LAST_LINES) -> str:
        """Give the last lines it wrote since it was last launched by this process."""
        try:
            with self.log.open("rb") as log:
                size = log.seek(0, os.SEEK_END)
                # Lines of a Go program may be long, a log may be huge: read its end only.
                log.seek(max(self._log_began, size - 64 * 1024))
                text = log.read().decode(errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-count:])

    def _process(self) -> psutil.Process | None:
        identity = Identity.read(self._record)
        return None if identity is None else identity.find()

    def _signal(self, number: signal.Signals) -> None:
        process = self._process()
        if process is not None:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def _ends_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.is_running:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        _reap()
        return True

    def _failed(self, how: str) -> StartError:
        lines = self.last_lines()
        shown = "\n".join(f"    {line}" for line in lines.splitlines()) or "    (it said nothing)"
        return StartError(f"{self.name} {how}. Its last lines, from {self.log}:\n{shown}", lines)


def _reap() -> None:
    """Collect those of our children that have ended, so that no zombie is left."""
    for child in list(_launched):
        if child.poll() is not None:
            _launched.remove(child)
