"""What `make release` made, installed as docs/install.md says, by the tools that it names.

Its name keeps this file out of `make test`, since pipx and uv ask a package index for the
dependencies: `make release-test` makes the release and runs it.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.project import DIST, ROOT, Project
from deploy.release import CHECKSUMS
from deploy.tools import tools
from surefoot.testbed.toolchain import find_kubectl

UV = Path(sys.executable).with_name("uv")
VERSION = Project.read().version
WHEEL = DIST / f"surefoot-{VERSION}-py3-none-any.whl"
PLAN = ROOT / "manifests" / "examples" / "rollout.yaml"
NEITHER = "kubectl surefoot needs uv or pipx, and Python 3.11 or later: install one of them.\n"


def _run(*command: str | Path, **environment: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program that finds the wheels of the release beside those of the package index."""
    places = {"UV_FIND_LINKS": DIST, "PIP_FIND_LINKS": DIST, **environment}
    return subprocess.run(
        [str(word) for word in command],
        env={**os.environ, **{key: str(value) for key, value in places.items()}},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def _output(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_checksums_are_those_of_the_files() -> None:
    """As the page says, with nothing in the folder that they do not name."""
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", CHECKSUMS], cwd=DIST, check=False, capture_output=True
    )
    assert done.returncode == 0, done.stdout
    named = {line.split()[1] for line in (DIST / CHECKSUMS).read_text().splitlines()}
    assert named == {path.name for path in DIST.iterdir()} - {CHECKSUMS}


def test_pipx_installs_the_commands(tmp_path: Path) -> None:
    """From the wheel alone; without the extra, the demo says what to install."""
    folders = {"PIPX_HOME": tmp_path / "home", "PIPX_BIN_DIR": tmp_path / "bin"}
    _output(_run(UV, "tool", "run", "--quiet", "pipx", "install", WHEEL, **folders))
    programs = tmp_path / "bin"
    assert _output(_run(programs / "surefoot", "--version")) == VERSION
    _output(_run(programs / "kubectl-surefoot", "lint", PLAN))
    demo = _run(programs / "surefoot", "demo")
    assert demo.returncode == 2
    assert "pipx install --force 'surefoot[testbed]'" in demo.stderr


def test_uv_runs_the_demo_of_the_extra() -> None:
    """`uvx --from 'surefoot[testbed]'`, without a clone."""
    from_ = ("--quiet", "--from", f"surefoot[testbed]=={VERSION}", "surefoot")
    assert "--keep" in _output(_run(UV, "tool", "run", *from_, "demo", "--help", COLUMNS="120"))


@pytest.mark.parametrize("launcher", ["uv", "pipx"])
def test_krew_installs_the_plugin(tmp_path: Path, launcher: str) -> None:
    """By the manifest and the archive of the release. It runs where there is one of the two."""
    root = tmp_path / "krew"
    programs = tmp_path / "programs"
    programs.mkdir()
    kubectl = programs / "kubectl"
    kubectl.symlink_to(find_kubectl())
    (programs / "kubectl-krew").symlink_to(tools(["kubectl-krew"])["kubectl-krew"])
    for name in ("python3", "realpath", "dirname"):  # what pipx and the scripts of wheels ask for
        (programs / name).symlink_to(shutil.which(name) or name)
    places = {"KREW_ROOT": root, "PATH": f"{root / 'bin'}{os.pathsep}{programs}"}
    _output(
        _run(
            *(kubectl, "krew", "install", f"--manifest={DIST / 'krew-surefoot.yaml'}"),
            f"--archive={DIST / f'kubectl-surefoot-{VERSION}.tar.gz'}",
            **places,
        )
    )
    alone = _run(kubectl, "surefoot", "--version", **places)
    assert (alone.returncode, alone.stderr) == (3, NEITHER)

    program = programs / launcher
    runs = {"uv": f'"{UV}"', "pipx": f'"{UV}" tool run --quiet pipx'}
    program.write_text(f'#!/bin/sh\nexec {runs[launcher]} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    places |= {"PIPX_HOME": tmp_path / "pipx", "UV_PYTHON": sys.executable}
    assert _output(_run(kubectl, "surefoot", "--version", **places)) == VERSION
    _output(_run(kubectl, "surefoot", "lint", PLAN, **places))
