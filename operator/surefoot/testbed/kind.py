"""A cluster made by kind, for those who have Docker and want nodes."""

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from surefoot.errors import TestbedError

CLUSTER = "surefoot"

Run = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))


class Kind:
    """The kind cluster named ``surefoot``."""

    def __init__(self, run: Run = _run, which: Callable[[str], str | None] = shutil.which) -> None:
        """Use these ways of running and finding programs."""
        self._run = run
        self._which = which

    def unusable_because(self) -> str | None:
        """Why no cluster can be made here. None when ``kind`` is there and Docker answers."""
        for program in ("kind", "docker"):
            if self._which(program) is None:
                return f"{program} is not on PATH"
        answer = self._run(["docker", "info"])
        if answer.returncode != 0:
            said = (answer.stderr.strip() or answer.stdout.strip()).splitlines()
            return f"docker info fails: {said[-1] if said else answer.returncode}"
        return None

    def refuse_if_unusable(self) -> None:
        """Raise TestbedError where no cluster can be made."""
        reason = self.unusable_because()
        if reason is not None:
            raise TestbedError(
                f"--kind was asked for, but {reason}. Without --kind nothing of it is needed."
            )

    def create(self, kubeconfig: Path) -> None:
        """Make the cluster, or find it again, and write its kubeconfig there."""
        self.refuse_if_unusable()
        names = self._checked(["kind", "get", "clusters"]).split()
        if CLUSTER in names:
            self._checked(
                ["kind", "export", "kubeconfig", "--name", CLUSTER, "--kubeconfig", str(kubeconfig)]
            )
        else:
            self._checked(
                ["kind", "create", "cluster", "--name", CLUSTER, "--kubeconfig", str(kubeconfig)]
            )

    def delete(self) -> None:
        """Delete the cluster; does nothing where there is none."""
        self._checked(["kind", "delete", "cluster", "--name", CLUSTER])

    def _checked(self, command: Sequence[str]) -> str:
        answer = self._run(command)
        if answer.returncode != 0:
            raise TestbedError(
                f"{' '.join(command)} ended with {answer.returncode}: {answer.stderr.strip()}"
            )
        return answer.stdout
