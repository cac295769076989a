"""``surefoot testbed up|down|status`` as a person at a shell sees it."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from surefoot.testbed import binaries
from surefoot.testbed.bed import TestBed
from tests.support.testbed import SURELY, wait_until

pytestmark = pytest.mark.apiserver

SOURCE_ROOT = Path(binaries.__file__).parents[2]
PROGRAM = "from surefoot.testbed.cli import app; app()"


def _surefoot_testbed(
    *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        env={**os.environ, "PYTHONPATH": str(SOURCE_ROOT), **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A place whose name a shell must quote; whatever runs in it is stopped afterwards."""
    directory = tmp_path / "my bed"
    yield directory
    _surefoot_testbed("down", "--dir", str(directory))


def test_a_day_with_the_test_bed(directory: Path) -> None:
    """Up, use, status, up again without Prometheus, and down in two steps."""
    place = ("--dir", str(directory))
    up = _surefoot_testbed("up", *place)
    assert up.returncode == 0, up.stderr
    assert "hudson (security)" in up.stderr
    assert "Prometheus: http://127.0.0.1:" in up.stderr
    assert f"surefoot testbed down --dir {shlex.quote(str(directory))}" in up.stderr

    # What is printed is evaluated by a shell, and kubectl then reaches the cluster.
    script = f'{up.stdout}\ntest -n "$PROMETHEUS_URL" && kubectl create namespace mine'
    shell = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    assert shell.stdout == "namespace/mine created\n", shell.stderr

    # Its own programs come first on the PATH that it prints, and only they.
    look = "for name in kubectl kubectl-surefoot promtool sh; do command -v $name; done"
    shell = subprocess.run(
        ["sh", "-c", f"{up.stdout}\n{look}"],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    programs = directory / "bin"
    *ours, other = shell.stdout.splitlines()
    assert ours == [str(programs / name) for name in ("kubectl", "kubectl-surefoot", "promtool")]
    assert not other.startswith(str(programs))

    status = _surefoot_testbed("status", *place)
    assert status.returncode == 0
    assert status.stdout.count(" ready\n") == 4

    again = _surefoot_testbed("up", *place)
    assert (again.returncode, again.stdout) == (0, up.stdout)

    # What runs is left alone, but what is no longer wanted ends.
    without = _surefoot_testbed("up", "--no-prometheus", *place)
    assert without.returncode == 0
    assert "PROMETHEUS_URL" not in without.stdout
    assert _surefoot_testbed("status", *place).stdout.count(" ready\n") == 3

    assert _surefoot_testbed("down", "--keep-data", *place).returncode == 0
    status = _surefoot_testbed("status", *place)
    assert status.returncode == 1
    assert status.stdout.count(" not running\n") == 3
    assert (directory / "etcd").exists()

    assert _surefoot_testbed("down", *place).returncode == 0
    assert not directory.exists()


def test_nothing_runs_at_first(directory: Path) -> None:
    """The answer is no, exit code 1; and stopping nothing is fine."""
    status = _surefoot_testbed("status", "--dir", str(directory))
    assert status.returncode == 1
    assert status.stdout.startswith(f"no test bed in {directory}; start one: surefoot testbed up")
    assert _surefoot_testbed("down", "--dir", str(directory)).returncode == 0


def test_default_place_is_the_users_state_directory(tmp_path: Path) -> None:
    """Nothing lands in the current directory."""
    status = _surefoot_testbed(
        "status", environment={"XDG_STATE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    )
    assert status.returncode == 1
    assert f"no test bed in {tmp_path}" in status.stdout


def test_existing_cluster_is_used_when_asked_for_and_left_alone(
    testbed: TestBed, directory: Path
) -> None:
    """Only Prometheus is ours, and it alone is stopped."""
    place = ("--dir", str(directory))
    kubeconfig = testbed.kubeconfig("admin")
    up = _surefoot_testbed("up", "--kubeconfig", str(kubeconfig), *place)
    assert up.returncode == 0, up.stderr
    assert f"export KUBECONFIG={shlex.quote(str(kubeconfig))}\n" in up.stdout
    status = _surefoot_testbed("status", *place)
    assert (status.returncode, status.stdout.count(" ready\n")) == (0, 1)
    own = _surefoot_testbed("up", *place)
    assert own.returncode == 3
    assert "is a borrowed cluster. Stop it first" in own.stderr
    assert _surefoot_testbed("down", *place).returncode == 0
    assert not directory.exists()
    wait_until(lambda: testbed.is_ready, SURELY, "the cluster to be as it was")


def test_production_looking_cluster_needs_consent(directory: Path, tmp_path: Path) -> None:
    """Refused without the flag, exit code 3, nothing started."""
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(
        "{current-context: prod, contexts: [{name: prod, context: {cluster: c}}],"
        " clusters: [{name: c, cluster: {server: 'https://203.0.113.5'}}]}"
    )
    arguments = ("--kubeconfig", str(kubeconfig), "--no-prometheus", "--dir", str(directory))
    refused = _surefoot_testbed("up", *arguments)
    assert refused.returncode == 3
    assert "the context is named prod" in refused.stderr
    assert refused.stdout == ""
    assert not directory.exists()
    assert _surefoot_testbed("up", "--yes-use-this-cluster", *arguments).returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("up", "--kind", "--kubeconfig", "x"),
        ("up", "--yes-use-this-cluster"),
        ("sideways",),
        ("down", "--unknown"),
    ],
)
def test_misuse_is_exit_code_two(arguments: tuple[str, ...]) -> None:
    """As everywhere in the command line."""
    assert _surefoot_testbed(*arguments).returncode == 2


def test_missing_libraries_are_named_with_the_way_to_get_them(tmp_path: Path) -> None:
    """The extra is not installed in production."""
    program = f"import sys; sys.modules['filelock'] = None; {PROGRAM}"
    done = subprocess.run(
        [sys.executable, "-c", program, "up", "--dir", str(tmp_path / "bed")],
        env={**os.environ, "PYTHONPATH": str(SOURCE_ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "needs the library filelock" in done.stderr
    assert "pip install 'surefoot[testbed]'" in done.stderr
