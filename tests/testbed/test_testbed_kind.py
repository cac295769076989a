"""When kind is used, and what it is asked to do."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from surefoot.errors import TestbedError
from surefoot.testbed.kind import Kind


class _Shell:
    """Answers commands from a table; anything else succeeds silently."""

    def __init__(self, answers: dict[str, tuple[int, str]] | None = None) -> None:
        self.answers = answers or {}
        self.commands: list[str] = []

    def __call__(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        line = " ".join(command)
        self.commands.append(line)
        code, text = self.answers.get(line, (0, ""))
        return subprocess.CompletedProcess(command, code, text, text if code else "")


def _kind(shell: _Shell, *programs: str) -> Kind:
    return Kind(run=shell, which=lambda name: name if name in programs else None)


@pytest.mark.parametrize(
    ("programs", "docker_info", "reason"),
    [
        (("docker",), (0, ""), "kind is not on PATH"),
        (("kind",), (0, ""), "docker is not on PATH"),
        (("kind", "docker"), (1, "Client:\nCannot connect to the Docker daemon"), "Cannot connect"),
        (("kind", "docker"), (0, "Server: 28"), None),
    ],
)
def test_kind_is_usable_where_docker_answers(
    programs: tuple[str, ...], docker_info: tuple[int, str], reason: str | None
) -> None:
    """Both programs, and a daemon behind the second."""
    answer = _kind(_Shell({"docker info": docker_info}), *programs).unusable_because()
    assert answer is None if reason is None else reason in str(answer)


def test_cluster_is_created_once(tmp_path: Path) -> None:
    """One that is there is used again."""
    shell = _Shell()
    _kind(shell, "kind", "docker").create(tmp_path / "kind.yaml")
    assert shell.commands[-1].startswith("kind create cluster --name surefoot --kubeconfig ")
    shell = _Shell({"kind get clusters": (0, "other\nsurefoot\n")})
    _kind(shell, "kind", "docker").create(tmp_path / "kind.yaml")
    assert shell.commands[-1].startswith("kind export kubeconfig --name surefoot --kubeconfig ")


def test_failure_of_kind_is_passed_on(tmp_path: Path) -> None:
    """With its own words."""
    shell = _Shell({"kind get clusters": (1, "permission denied")})
    with pytest.raises(TestbedError, match="kind get clusters ended with 1: permission denied"):
        _kind(shell, "kind", "docker").create(tmp_path / "kind.yaml")


def test_nothing_is_made_where_docker_is_missing(tmp_path: Path) -> None:
    """The command names what is missing."""
    with pytest.raises(TestbedError, match="--kind was asked for, but docker is not on PATH"):
        _kind(_Shell(), "kind").create(tmp_path / "kind.yaml")
