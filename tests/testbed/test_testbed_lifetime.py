"""From start to nothing left: beds of their own, stopped, crashed, restarted, left, and found."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import pytest

from surefoot.errors import TestbedError
from surefoot.testbed import bed as bed_module
from surefoot.testbed import binaries, control_plane
from surefoot.testbed.bed import Record, TestBed
from surefoot.testbed.process import StartError
from tests.support.testbed import SURELY, wait_until

pytestmark = pytest.mark.apiserver

SOURCE_ROOT = Path(binaries.__file__).parents[2]


@pytest.fixture(scope="module")
def own_bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestBed]:
    """A bed that the tests of this module may stop and pause, if they start it again."""
    with TestBed.start(tmp_path_factory.mktemp("own") / "bed", prometheus=False) as bed:
        yield bed


def _processes_of(directory: Path) -> list[str]:
    """Every living process that has the directory in its command line."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        # None for processes that one may not look into: they are not ours.
        command = " ".join(process.info["cmdline"] or [])
        if str(directory) in command and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(command)
    return found


def test_bed_leaves_nothing(tmp_path: Path) -> None:
    """No process, no zombie, no file."""
    with TestBed.start(tmp_path / "bed") as bed:
        pids = [component.pid for component in bed.components]
        assert None not in pids
        assert len(_processes_of(bed.directory)) == 5  # four, and the guardian
    assert _processes_of(tmp_path) == []
    assert [pid for pid in pids if pid is not None and psutil.pid_exists(pid)] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_bed_without_a_directory_leaves_nothing_either() -> None:
    """Its directory is temporary."""
    with TestBed.start(prometheus=False) as bed:
        assert bed.directory.exists()
        assert bed.prometheus_url is None
        with pytest.raises(TestbedError, match="was started without Prometheus"):
            bed.prometheus.query("up")
    assert not bed.directory.exists()


def test_two_beds_side_by_side(own_bed: TestBed, testbed: TestBed) -> None:
    """Different addresses, different objects, and each trusts its own authority."""
    own_bed.kubectl("create", "namespace", "only-here")
    assert own_bed.server != testbed.server
    assert testbed.kubectl("get", "namespace", "only-here", check=False).returncode != 0
    stranger = testbed.kubectl(
        *("get", "namespaces", f"--server={own_bed.server}"),
        check=False,
    )
    assert "certificate" in stranger.stderr


def test_restarted_api_server_keeps_address_and_objects(own_bed: TestBed) -> None:
    """An outage, as tests of the operator need it."""
    own_bed.kubectl("create", "namespace", "kept-over-restart")
    before = own_bed.api_server.pid
    own_bed.api_server.stop()
    with own_bed.client() as client, pytest.raises(httpx.ConnectError):
        client.get("/readyz")
    own_bed.api_server.start()
    assert own_bed.api_server.pid != before
    own_bed.kubectl("get", "namespace", "kept-over-restart", "--output=name")


def test_paused_api_server_keeps_connections_and_does_not_answer(own_bed: TestBed) -> None:
    """A hang is not an outage: clients need their own time limits."""
    with own_bed.client() as client:
        client.get("/readyz").raise_for_status()
        own_bed.api_server.pause()
        try:
            # The signal is sent then, and on a busy machine not yet heard.
            wait_until(lambda: own_bed.api_server.is_paused, SURELY, "it to stand still")
            with pytest.raises(httpx.ReadTimeout):
                client.get("/readyz", timeout=0.3)
        finally:
            own_bed.api_server.resume()
        wait_until(lambda: client.get("/readyz").is_success, SURELY, "the API server to answer")


def test_running_bed_is_found_by_its_directory(own_bed: TestBed) -> None:
    """From any process; and the finder does not stop it."""
    with TestBed.attach(own_bed.directory) as found:
        assert found.server == own_bed.server
        assert found.api_server.pid == own_bed.api_server.pid
    assert own_bed.api_server.is_running


@pytest.mark.long
def test_data_can_be_kept(tmp_path: Path) -> None:
    """The next start finds objects, users and certificates again, on the same address."""
    directory = tmp_path / "bed"
    with TestBed.start(directory, prometheus=False) as bed:
        bed.kubectl("create", "namespace", "kept")
        credentials = bed.kubeconfig("cora").read_bytes()
        bed.stop(keep_data=True)
        assert _processes_of(directory) == []
    with TestBed.start(directory, prometheus=False) as bed:
        bed.kubectl("get", "namespace", "kept")
        assert bed.kubeconfig("cora").read_bytes() == credentials
    assert not directory.exists()


def test_another_api_server_shares_store_people_and_flags_and_ends_with_the_bed(
    tmp_path: Path,
) -> None:
    """It is one of the bed's components, also for anyone who attaches to the bed."""
    flags = ("--anonymous-auth=false",)
    with TestBed.start(tmp_path / "bed", prometheus=False, api_server_flags=flags) as bed:
        another = bed.another_api_server()
        bed.kubectl("create", "namespace", "by-the-first")
        seen = bed.kubectl("get", "namespaces", "--output=name", f"--server={another.server}")
        assert "namespace/by-the-first" in seen.stdout.split()
        with bed.client("cora", server=another.server) as cora:
            assert cora.get("/api/v1/nodes").status_code == 403
        for server in (bed.server, another.server):
            anonymous = httpx.get(f"{server}/version", verify=False, trust_env=False)
            assert anonymous.status_code == 401
        found = TestBed.attach(bed.directory)
        assert {component.name: component.pid for component in found.components} == {
            component.name: component.pid for component in bed.components
        }
        assert another.pid in {component.pid for component in bed.components}
    assert _processes_of(tmp_path) == []


@pytest.mark.long
def test_taken_port_is_exchanged_for_another(
    own_bed: TestBed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody may take a port between our choice and the start."""
    taken = Record.read(own_bed.directory / "bed.json").ports
    real = bed_module.Ports.free
    chosen = iter([taken, real()])
    monkeypatch.setattr(bed_module.Ports, "free", lambda: next(chosen))
    with TestBed.start(tmp_path / "bed", prometheus=False) as bed:
        assert bed.server != own_bed.server
        assert bed.api_server.is_ready
    assert own_bed.api_server.is_ready


def test_failed_start_shows_the_programs_words_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The directory stays: its logs may be wanted."""
    directory = tmp_path / "bed"
    monkeypatch.setattr(control_plane, "AUDIT_POLICY", {"kind": "Nonsense"})
    with pytest.raises(StartError, match=r"(?s)kube-apiserver ended .*audit.*policy"):
        TestBed.start(directory, prometheus=False)
    assert _processes_of(directory) == []
    assert (directory / "logs" / "kube-apiserver.log").exists()


def test_foreign_directory_is_refused(tmp_path: Path) -> None:
    """Stopping would remove things from it."""
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(TestbedError, match=r"holds no test bed but other files: thesis\.tex"):
        TestBed.start(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_directory_without_a_bed_says_how_to_start_one(tmp_path: Path) -> None:
    """The command is in the message."""
    with pytest.raises(TestbedError, match=f"surefoot testbed up --dir {tmp_path}"):
        TestBed.attach(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"ports": 1}'])
def test_damaged_record_is_named(tmp_path: Path, content: str) -> None:
    """And what may be removed."""
    (tmp_path / "bed.json").write_text(content)
    with pytest.raises(TestbedError, match=r"bed\.json is not the record of a test bed"):
        TestBed.attach(tmp_path)


@pytest.mark.parametrize(
    "sent", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.long)]
)
def test_bed_ends_with_its_owner_however_that_ends(tmp_path: Path, sent: signal.Signals) -> None:
    """Also by a signal that nobody can catch."""
    owner = _owner(tmp_path, "bed = TestBed.start(directory, prometheus=False)")
    owner.send_signal(sent)
    owner.communicate(timeout=SURELY)
    wait_until(lambda: not _processes_of(tmp_path / "bed"), SURELY, "the guardian to end the bed")


@pytest.mark.long
def test_bed_ends_with_a_process_that_forgot_to_stop_it(tmp_path: Path) -> None:
    """At its exit, with all files."""
    owner = _owner(tmp_path, "bed = TestBed.start(directory, prometheus=False)")
    owner.communicate("exit\n", timeout=SURELY)
    assert owner.returncode == 0
    assert _processes_of(tmp_path / "bed") == []
    assert not (tmp_path / "bed").exists()


@pytest.mark.long
def test_bed_that_was_left_stays(tmp_path: Path) -> None:
    """Until somebody stops it."""
    owner = _owner(
        tmp_path, "bed = TestBed.start(directory, prometheus=False); bed.leave_running()"
    )
    owner.communicate("exit\n", timeout=SURELY)
    bed = TestBed.attach(tmp_path / "bed")
    try:
        assert bed.is_ready
        assert not any("guardian" in command for command in _processes_of(tmp_path / "bed"))
    finally:
        bed.stop()
    assert _processes_of(tmp_path / "bed") == []


def _owner(tmp_path: Path, program: str) -> subprocess.Popen[str]:
    """Run the program in a process of its own, and return when its bed is up."""
    script = f"""
        from pathlib import Path
        from surefoot.testbed.bed import TestBed
        directory = Path({str(tmp_path / "bed")!r})
        {program}
        print("up", flush=True)
        input()
    """
    owner = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={**os.environ, "PYTHONPATH": str(SOURCE_ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == "up\n"
    return owner


def test_reused_pids_are_spared_when_a_bed_is_stopped(tmp_path: Path, own_bed: TestBed) -> None:
    """After a reboot the records name pids that are somebody else's."""
    directory = tmp_path / "bed"
    record = Record.read(own_bed.directory / "bed.json")
    (directory / "processes").mkdir(parents=True)
    replace(record, users=()).write(directory / "bed.json")
    pid = own_bed.api_server.pid
    for name in ("etcd", "kube-apiserver", "kube-controller-manager", "guardian"):
        stale = f'{{"pid": {pid}, "began": "another time"}}'
        (directory / "processes" / f"{name}.json").write_text(stale)
    TestBed.attach(directory).stop()
    assert own_bed.api_server.pid == pid
    assert not directory.exists()
