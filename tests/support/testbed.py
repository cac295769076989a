"""The test bed for pytest: one control plane and one Prometheus per run, however many workers.

Load it as a plugin: ``pytest_plugins = ["tests.support.testbed"]``.

``testbed``     the running bed, started by the first test that asks for it, in whichever worker
                that is; all of them share it, so nobody stops or pauses its parts: a test that
                does starts a bed of its own.
``namespace``   a fresh namespace per test, deleted afterwards without waiting.
``wait_until``  polls until something is so; tests have no other way to wait.

The bed belongs to the process that runs the session (with pytest-xdist: the one that has the
workers). It stops the bed at the end, and the bed's guardian does so if it is killed.
"""

import asyncio
import json
import os
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import filelock
import httpx
import pytest

from surefoot.errors import SurefootError, TestbedError
from surefoot.testbed.bed import TestBed
from surefoot.testbed.progress import on_stderr

T = TypeVar("T")

POLL_EVERY = 0.05
"""Seconds."""

SURELY = 180.0
"""Seconds in which everything happens that tests wait for, however busy the machine is."""

NOT_YET = (AssertionError, SurefootError, httpx.HTTPError)
"""What a predicate may raise to say that it is too early."""

RUN_DIRECTORY = pytest.StashKey[Path]()
"""Where the run keeps what its workers share."""
SESSION_PROCESS = pytest.StashKey[int]()
"""The process that a bed ends with."""


def pytest_configure(config: pytest.Config) -> None:
    """Agree on a directory for the run; nothing is started yet.

    In it kubectl keeps what it knows of an API server, for hours, by its port: a bed of an earlier
    run may have had the same one, and other kinds.
    """
    from_controller = getattr(config, "workerinput", None)
    if from_controller is None:
        config.stash[RUN_DIRECTORY] = Path(tempfile.mkdtemp(prefix="surefoot-tests-"))
        config.stash[SESSION_PROCESS] = os.getpid()
    else:
        config.stash[RUN_DIRECTORY] = Path(from_controller["surefoot_run_directory"])
        config.stash[SESSION_PROCESS] = from_controller["surefoot_session_process"]
    os.environ["KUBECACHEDIR"] = str(config.stash[RUN_DIRECTORY] / "kubectl")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where the run's bed is, and whose."""
    node.workerinput["surefoot_run_directory"] = str(node.config.stash[RUN_DIRECTORY])
    node.workerinput["surefoot_session_process"] = node.config.stash[SESSION_PROCESS]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the bed if any test has started it; the workers are gone by now."""
    if hasattr(config, "workerinput") or RUN_DIRECTORY not in config.stash:
        return
    directory = config.stash[RUN_DIRECTORY]
    if TestBed.exists_in(directory / "bed"):
        TestBed.attach(directory / "bed").stop()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def testbed(request: pytest.FixtureRequest) -> TestBed:
    """The control plane and the Prometheus of this run."""
    run = request.config.stash[RUN_DIRECTORY]
    failure = run / "failure"
    with filelock.FileLock(run / "starting.lock"):
        if TestBed.exists_in(run / "bed"):
            bed = TestBed.attach(run / "bed")
            if bed.is_ready:  # not so if the worker that started it was killed meanwhile
                return bed
        if failure.exists():
            # Another worker has tried, and took its time: no use in trying again.
            pytest.fail(failure.read_text(), pytrace=False)
        try:
            with _seen_by_people(request.config), on_stderr() as progress:
                return TestBed.start(
                    run / "bed",
                    owner=request.config.stash[SESSION_PROCESS],
                    remove_with_owner=True,
                    progress=progress,
                )
        except TestbedError as error:
            failure.write_text(str(error))
            pytest.fail(str(error), pytrace=False)


@pytest.fixture
def namespace(testbed: TestBed) -> Iterator[str]:
    """The name of a namespace that only this test uses."""
    with testbed.client() as client:
        name = new_namespace(client)
        yield name
        client.delete(f"/api/v1/namespaces/{name}").raise_for_status()


def new_namespace(client: httpx.Client) -> str:
    """Make a namespace, and answer with its name."""
    answer = client.post("/api/v1/namespaces", json={"metadata": {"generateName": "test-"}})
    return str(answer.raise_for_status().json()["metadata"]["name"])


def audit_events(bed: TestBed, *, about: str, from_byte: int = 0) -> list[dict[str, Any]]:
    """Read every event that is whole and has this text in it, such as the name of a namespace.

    All tests of a run write into one log: to understand all of it takes seconds. The API server may
    just be writing one more event, and it may have been when the place to begin was chosen.
    """
    with bed.audit_log.open("rb") as log:
        log.seek(max(from_byte - 1, 0))
        content = log.read()
    if from_byte > 0:
        _, _, content = content.partition(b"\n")
    whole, _, _ = content.rpartition(b"\n")
    return [json.loads(line) for line in whole.split(b"\n") if about.encode() in line]


def whole_lines(path: Path) -> list[str]:
    """Read the lines of a file that a program may just be writing: not the one that is not whole.

    Half a line may end with half a character, which cannot be read at all.
    """
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    return whole.decode().split("\n") if whole else []


def wait_until(predicate: Callable[[], T], timeout: float, what: str) -> T:
    """Ask until the answer is true, and give it back; fail after ``timeout`` seconds.

    ``what`` completes the sentence "waited 10 s for …". The predicate may raise an assertion,
    one of our errors or one of httpx to say that it is too early; any other ends the wait.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            answer = predicate()
            if answer:
                return answer
            last = f"the last answer was {answer!r}"
        except NOT_YET as error:
            last = f"the last answer was {type(error).__name__}: {error}"
        if time.monotonic() >= deadline:
            _waited_in_vain(timeout, what, last)
        time.sleep(POLL_EVERY)


async def wait_until_async(
    predicate: Callable[[], Awaitable[T]],
    timeout: float,  # noqa: ASYNC109 - it fails with a message, asyncio.timeout without
    what: str,
) -> T:
    """Wait as ``wait_until`` does, letting other tasks run."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            answer = await predicate()
            if answer:
                return answer
            last = f"the last answer was {answer!r}"
        except NOT_YET as error:
            last = f"the last answer was {type(error).__name__}: {error}"
        if time.monotonic() >= deadline:
            print_tasks()
            _waited_in_vain(timeout, what, last)
        await asyncio.sleep(POLL_EVERY)


def print_tasks() -> None:
    """Print where each task of this event loop waits: the first question after a wait in vain."""
    for task in asyncio.all_tasks():
        waits = " > ".join(_frames(task.get_coro()))
        print(f"{task.get_name()}: {waits}")


def _frames(coroutine: Any) -> Iterator[str]:
    """Where a coroutine stands, and the one that it waits for, to the innermost."""
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "ag_frame", None)
        frame = frame or getattr(coroutine, "gi_frame", None)
        if frame is None:
            yield type(coroutine).__name__
        else:
            yield f"{frame.f_code.co_qualname}:{frame.f_lineno}"
        coroutine = next(
            (
                inner
                for name in ("cr_await", "ag_await", "gi_yieldfrom")
                if (inner := getattr(coroutine, name, None)) is not None
            ),
            None,
        )


def _waited_in_vain(timeout: float, what: str, last: str) -> NoReturn:
    pytest.fail(f"waited {timeout:g} s for {what}; {last}")


def _seen_by_people(config: pytest.Config) -> Any:
    """Let through what is said while the bed starts: a first build takes minutes."""
    return config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled()
