"""What the replay sees and does: Rollouts and flags on the API server, and people at keyboards."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.demo.incident.lanes import GO, NO_GO, REFUSED, Lane, Lanes
from surefoot.demo.news import Mood, News
from surefoot.demo.patience import LONGEST, DemoError, Patience
from surefoot.demo.screen import Screen
from surefoot.testbed.bed import TestBed
from surefoot.testbed.toolchain import find_kubectl

T = TypeVar("T")

NAMESPACE = "agents"
AUTOMATION = "automation"
DENIED = "denied request: "
SHOWN = "kubectl"
SIGNS = {"approve": GO, "checkpoint": GO, "acknowledge": GO, "reject": NO_GO}
"""What a command of the plugin is drawn as."""


class Done(Protocol):
    """What a command came to."""

    returncode: int
    stdout: str
    stderr: str


class Onlooker:
    """Types for people, shows what they typed and what came of it, and looks at what follows."""

    def __init__(self, bed: TestBed, patience: Patience, screen: Screen, lanes: Lanes) -> None:
        self._bed = bed
        self._lanes = lanes
        self._patience = patience
        self._screen = screen
        account = bed.kubeconfig_for_service_account(NAMESPACE, AUTOMATION)
        self._kubeconfigs: dict[str, Path] = {AUTOMATION: account}

    # Looking

    def rollout(self, name: str) -> Rollout | None:
        """The Rollout as it is now, if it is there."""
        path = f"/apis/surefoot.dev/v1alpha1/namespaces/{NAMESPACE}/rollouts/{name}"
        with self._bed.client() as client:
            answer = client.get(path)
        return None if answer.status_code == 404 else Rollout.model_validate(answer.json())

    def percents(self, config_map: str) -> frozenset[int]:
        """What the flags of a ConfigMap say: one number, where they move together."""
        path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{config_map}"
        with self._bed.client() as client:
            answer = client.get(path)
        data = {} if answer.status_code == 404 else answer.json()["data"]
        return frozenset(int(text) for key, text in data.items() if not key.endswith(".json"))

    def wait_until(
        self, what: str, name: str, seen: Callable[[Rollout], T | None], within: float = LONGEST
    ) -> T:
        """Wait until ``seen`` finds it on the Rollout. Raises DemoError where it does not come."""

        def look() -> T | None:
            rollout = self.rollout(name)
            return None if rollout is None else seen(rollout)

        return self._patience.wait_for(what, look, within=within)

    def wait_for_percent(self, lane: Lane, percent: int) -> None:
        """Wait until all flags have said it, and the record: a watch misses no state on the way."""

        def look() -> bool | None:
            return True if lane.has_been_at(percent) else None

        self._patience.wait_for(f"{lane.name} at {percent}%", look, within=LONGEST)
        self._screen.happened(News(f"all six flags of {lane.config_map} say {percent}%", Mood.GOOD))

    # Doing

    def types(self, who: str, command: str) -> str:
        """Somebody types it, and it works. Raises DemoError with its words where it does not."""
        done = self._run(who, command)
        if done.returncode != 0:
            raise DemoError(f"{who} typed: {command}\n{done.stderr.strip() or done.stdout.strip()}")
        sign = next((sign for word, sign in SIGNS.items() if f" {word} " in command), None)
        if sign is not None:
            self._lanes.present.sign(sign)
        said = done.stdout.strip()
        if said:
            self._screen.happened(News(said))
        return done.stdout

    def asks(self, who: str, command: str, *, code: int) -> str:
        """Somebody asks, and the answer has this exit code. Raises DemoError where it has not."""
        done = self._run(who, command)
        if done.returncode != code:
            raise DemoError(f"{command} ended with {done.returncode}, not {code}: {done.stderr}")
        for line in done.stdout.rstrip().splitlines():
            self._screen.happened(News(line))
        return done.stdout

    def is_refused(self, who: str, command: str, stdin: str | None = None) -> str:
        """Somebody tries what must not work. Raises DemoError where it does."""
        done = self._run(who, command, stdin)
        if done.returncode == 0:
            raise DemoError(f"the API server let {who} do what nobody may: {command}")
        said = done.stderr.strip()
        reason = said.partition(DENIED)[2] or said
        self._lanes.present.sign(REFUSED)
        self._screen.happened(News(f"refused: {reason}", Mood.BAD))
        return reason

    def why_not(self, who: str, command: str, by: str) -> str | None:
        """Why a command is refused by this policy; None where it is not, or for another reason."""
        done = _ended(self._arguments(command), self._kubeconfig(who), None)
        return done.stderr if done.returncode != 0 and by in done.stderr else None

    def quietly(self, who: str, command: str) -> str:
        """The output of a command that the audience need not see."""
        done = _ended(self._arguments(command), self._kubeconfig(who), None)
        if done.returncode != 0:
            raise DemoError(f"{command}: {done.stderr.strip()}")
        return done.stdout

    def _run(self, who: str, command: str, stdin: str | None = None) -> Done:
        self._screen.show_command(who, command)
        return _ended(self._arguments(command), self._kubeconfig(who), stdin)

    def _kubeconfig(self, who: str) -> Path:
        return self._kubeconfigs.get(who) or self._bed.kubeconfig(who)

    def _arguments(self, command: str) -> list[str]:
        """`kubectl surefoot` is what kubectl would run: our own program beside this Python."""
        program, *arguments = shlex.split(command)
        if program != SHOWN:
            raise DemoError(f"expected a command for kubectl, found: {command}")
        if arguments[0] == "surefoot":
            return [str(Path(sys.executable).with_name("kubectl-surefoot")), *arguments[1:]]
        return [str(find_kubectl()), *arguments]


def _ended(arguments: list[str], kubeconfig: Path, stdin: str | None) -> Done:
    return subprocess.run(
        arguments,
        env={**os.environ, "KUBECONFIG": str(kubeconfig)},
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        check=False,
    )
