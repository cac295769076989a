"""Processes and their records: nobody else's process is ever touched."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from surefoot.errors import TestbedError
from surefoot.testbed.process import Component, Identity, StartError
from tests.support.testbed import SURELY, wait_until

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]


def _component(
    tmp_path: Path, command: list[str], *, answer: str | None = None, within: float = SURELY
) -> Component:
    return Component(
        "thing",
        command,
        log=tmp_path / "thing.log",
        record=tmp_path / "thing.json",
        not_ready_because=lambda: answer,
        ready_within=within,
        grace=2.0,
    )


@pytest.fixture
def component(tmp_path: Path) -> Iterator[Component]:
    """A running program that does nothing."""
    component = _component(tmp_path, SLEEPER)
    component.start()
    yield component
    component.kill()


@pytest.fixture
def innocent() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is none of ours."""
    with subprocess.Popen(SLEEPER, stdout=subprocess.DEVNULL) as process:
        yield process
        process.kill()


def test_started_program_runs_until_it_is_stopped(component: Component) -> None:
    """And leaves neither a process nor a zombie."""
    pid = component.pid
    assert pid is not None
    assert component.state == "ready"
    component.stop()
    assert component.pid is None
    assert component.state == "not running"
    assert not psutil.pid_exists(pid)


def test_starting_a_running_program_changes_nothing(component: Component) -> None:
    """So that starting is always safe to repeat."""
    before = component.pid
    component.start()
    assert component.pid == before


def test_program_is_found_again_by_its_record(component: Component, tmp_path: Path) -> None:
    """Another process that knows the directory can stop it."""
    again = _component(tmp_path, SLEEPER)
    assert again.pid == component.pid
    again.stop()
    assert not component.is_running


@pytest.mark.parametrize("same_boot", [True, False])
def test_reused_pid_is_never_killed(
    tmp_path: Path, innocent: subprocess.Popen[bytes], same_boot: bool
) -> None:
    """A record from before a reboot may name the pid of anybody."""
    ticks, _, boot = Identity.of(innocent.pid).began.partition("@")
    began = f"{int(ticks) - 100}@{boot}" if same_boot else f"{ticks}@another-boot"
    Identity(innocent.pid, began).write(tmp_path / "thing.json")
    component = _component(tmp_path, SLEEPER)
    assert component.state == "not running"
    component.stop()
    component.kill()
    assert innocent.poll() is None


@pytest.mark.parametrize("content", ["", "{", '{"pid": 1}', '{"pid": "x", "began": ""}', "[]"])
def test_damaged_record_names_nobody(tmp_path: Path, content: str) -> None:
    """A machine that lost power leaves such files."""
    (tmp_path / "thing.json").write_text(content)
    assert Identity.read(tmp_path / "thing.json") is None
    assert not _component(tmp_path, SLEEPER).is_running


def test_record_is_that_of_the_running_process(component: Component, tmp_path: Path) -> None:
    """Pid and start time, both."""
    assert component.pid is not None
    content = json.loads((tmp_path / "thing.json").read_text())
    assert Identity(**content).find() == psutil.Process(component.pid)


def test_program_that_ends_shows_its_own_last_lines(tmp_path: Path) -> None:
    """Only those of this start, however much the log holds from before."""
    (tmp_path / "thing.log").write_text("from yesterday\n")
    # Else what it prints comes after what it ends with, where Python keeps it back.
    lines = "[print('line', n, flush=True) for n in range(100)]"
    program = f"import sys; {lines}; sys.exit('no such flag: --x')"
    component = _component(tmp_path, [sys.executable, "-c", program], answer="refused")
    with pytest.raises(StartError) as raised:
        component.start()
    message = str(raised.value)
    assert message.startswith("thing ended before it was ready. Its last lines, from ")
    assert message.endswith("    line 99\n    no such flag: --x")
    assert "line 50" not in message
    assert "yesterday" not in message


def test_program_that_is_never_ready_says_what_it_answers(tmp_path: Path) -> None:
    """After its time, with the last answer."""
    component = _component(tmp_path, SLEEPER, answer="HTTP 500, [-]etcd failed", within=0.3)
    with pytest.raises(StartError, match=r"not ready within 0 s: HTTP 500, \[-\]etcd failed"):
        component.start()
    component.kill()


def test_taken_port_is_recognised(tmp_path: Path) -> None:
    """The bed then tries another."""
    program = "import sys; sys.exit('listen tcp 127.0.0.1:1: bind: address already in use')"
    with pytest.raises(StartError) as raised:
        _component(tmp_path, [sys.executable, "-c", program], answer="refused").start()
    assert raised.value.port_was_taken


def test_missing_program_says_which(tmp_path: Path) -> None:
    """A cache that was cleared while the bed was described."""
    with pytest.raises(TestbedError, match="thing could not be started: /nowhere/thing"):
        _component(tmp_path, ["/nowhere/thing"]).start()


def test_program_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    """After its grace."""
    program = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('deaf', flush=True); time.sleep(600)"
    )
    component = _component(tmp_path, [sys.executable, "-c", program])
    component.start()
    wait_until(lambda: "deaf" in component.last_lines(), SURELY, "the program to be deaf")
    component.stop()
    assert not component.is_running


def test_paused_program_lives_and_goes_on(component: Component) -> None:
    """It is still there, it does not answer; and a paused one can be stopped."""
    component.pause()
    wait_until(lambda: component.is_paused, SURELY, "the program to be paused")
    assert component.is_running
    assert component.state == "paused"
    component.resume()
    wait_until(lambda: not component.is_paused, SURELY, "the program to go on")
    component.pause()
    component.stop()
    assert not component.is_running


def test_program_is_out_of_reach_of_ctrl_c(component: Component) -> None:
    """The terminal signals a whole group; the owner stops its programs in order."""
    assert component.pid is not None
    assert os.getpgid(component.pid) != os.getpgid(0)
