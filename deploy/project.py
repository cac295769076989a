"""The project as its files have it: where it lies, its version and its dependencies."""

import os
import subprocess
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from surefoot.errors import SurefootError

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
"""Where everything that a release consists of is put."""
BUILD = ROOT / "build"
"""Where intermediate results are put."""


@dataclass(frozen=True, slots=True)
class Project:
    """The parts of pyproject.toml that packaging needs."""

    version: str
    description: str
    requires_python: str
    testbed_dependencies: tuple[str, ...]

    @classmethod
    def read(cls, root: Path = ROOT) -> "Project":
        """Read pyproject.toml, the one place where the version stands."""
        content: dict[str, Any] = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
        return cls(
            version=content["project"]["version"],
            description=content["project"]["description"],
            requires_python=content["project"]["requires-python"],
            testbed_dependencies=tuple(content["dependency-groups"]["testbed"]),
        )


class DeployError(SurefootError):
    """Something could not be packaged; the message says what and why."""


def run(*command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run a program and return what it printed. Raises DeployError with its words if it fails."""
    words = [str(word) for word in command]
    answer = subprocess.run(
        words,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode != 0:
        raise DeployError(
            f"`{' '.join(words)}` ended with {answer.returncode}:\n{answer.stdout}{answer.stderr}"
        )
    return answer.stdout
