"""Finding Go and kubectl."""

import os
from pathlib import Path

import pytest

from surefoot.errors import TestbedError
from surefoot.testbed import toolchain
from surefoot.testbed.toolchain import Version, find_go, find_kubectl, parse_version


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("go1.26.8", Version(1, 26, 8)),
        ("go1.27rc1", Version(1, 27, 0)),
        ("devel go1.28-1a2b3c", Version(1, 28, 0)),
        ("Client Version: v1.32.4-dispatcher\nKustomize Version: v5.5.0", Version(1, 32, 4)),
        ("command not found", None),
        ("", None),
    ],
)
def test_versions_are_read_as_the_tools_write_them(text: str, expected: Version | None) -> None:
    """The first version in the answer counts."""
    assert parse_version(text) == expected


def _program(directory: Path, name: str, says: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH, and no wheels."""
    folder = tmp_path / "bin"
    folder.mkdir()
    # /bin stays, for the shell that the pretended programs are written in.
    monkeypatch.setenv("PATH", os.pathsep.join([str(folder)]))
    monkeypatch.setattr(toolchain, "_file_of_wheel", lambda distribution, name: None)
    return folder


def test_go_on_path_is_taken_when_new_enough(on_path: Path) -> None:
    """Nothing is installed where something fitting is there."""
    program = _program(on_path, "go", "go1.26.0")
    assert find_go() == toolchain.Go(program, Version(1, 26, 0))


def test_old_go_on_path_gives_way_to_the_wheel(
    on_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Distributions ship old ones; the wheel needs to be told where its library is."""
    _program(on_path, "go", "go1.22.2")
    in_wheel = _program(tmp_path / "wheel" / "go" / "bin", "go", "go1.27.3")
    monkeypatch.setattr(toolchain, "_file_of_wheel", lambda distribution, name: in_wheel)
    go = find_go()
    assert (go.path, go.version) == (in_wheel, Version(1, 27, 3))
    assert go.environment == {"GOROOT": str(tmp_path / "wheel" / "go")}


def test_missing_go_says_what_was_found_and_what_to_do(on_path: Path) -> None:
    """Both places are named."""
    _program(on_path, "go", "go1.22.2")
    with pytest.raises(TestbedError, match=r"Go 1\.26\.0 or later.*1\.22\.2.*pip install"):
        find_go()


def test_missing_kubectl_says_what_to_do(on_path: Path) -> None:
    """With the extra that brings it."""
    with pytest.raises(TestbedError, match=r"none on PATH.*surefoot\[testbed\]"):
        find_kubectl()


def test_kubectl_that_does_not_answer_is_passed_over(
    on_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken one on PATH does not hide the good one of the wheel."""
    _program(on_path, "kubectl", "segmentation fault")
    in_wheel = _program(tmp_path / "wheel", "kubectl", "Client Version: v1.37.1")
    monkeypatch.setattr(toolchain, "_file_of_wheel", lambda distribution, name: in_wheel)
    assert find_kubectl() == in_wheel
