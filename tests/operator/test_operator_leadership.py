"""Replicas as processes of their own on a real API server: one acts, and steps are taken once."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.support.scene import JSON, Scene
from tests.support.testbed import SURELY

pytestmark = pytest.mark.apiserver

LEASE = "/apis/coordination.k8s.io/v1/namespaces/surefoot-system/leases/surefoot"
CONFIGURATION = """\
admission: Unenforced
evaluationInterval: 1s
operatorNamespace: surefoot-system
listen: 127.0.0.1:0
leaderElection: {leaseDuration: 12s, renewDeadline: 10s, retryPeriod: 0.2s}
"""
"""Who leads must renew the Lease in time on a busy machine, too: else it ends, as it should."""


@dataclass
class Replica:
    """A replica of the operator. ``identity`` is what the Lease calls it, once it leads."""

    process: Process
    log: Path
    identity: str = ""

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        self.process.send_signal(number)

    def said(self, event: str) -> list[JSON]:
        """The log lines of this event."""
        whole, _, _ = self.log.read_text().rpartition("\n")  # it may just be writing one more line
        lines = [json.loads(line) for line in whole.splitlines() if line[:1] == "{"]
        return [line for line in lines if line.get("event") == event]

    async def ends(self) -> int:
        """Wait for the process to end; its exit code."""
        async with asyncio.timeout(SURELY):
            return await self.process.wait()


@contextlib.asynccontextmanager
async def replicas(scene: Scene, folder: Path, *names: str) -> AsyncIterator[list[Replica]]:
    """Replicas of the operator, which are killed at the end."""
    config = folder / "config.yaml"
    config.write_text(CONFIGURATION, encoding="utf-8")
    found: list[Replica] = []
    try:
        for name in names:
            log = folder / f"{name}.log"
            with log.open("wb") as written:
                process = await asyncio.create_subprocess_exec(
                    str(Path(sys.executable).with_name("surefoot")), "run", "--leader-elect",
                    "--config", str(config), "--namespace", scene.namespace,
                    stdout=written, stderr=asyncio.subprocess.STDOUT,
                    env={**os.environ, "KUBECONFIG": str(scene.kubeconfig)},
                )  # fmt: skip
            found.append(Replica(process, log))
        yield found
    finally:
        for replica in found:
            with contextlib.suppress(ProcessLookupError):
                replica.process.kill()
            await replica.process.wait()


async def then_leads(scene: Scene, among: list[Replica]) -> Replica:
    """Wait until one of these holds the Lease and knows it."""

    async def there() -> Replica | None:
        answer = await asyncio.to_thread(scene.client.get, LEASE)
        holder = answer.json().get("spec", {}).get("holderIdentity") or ""
        for replica in among:
            assert replica.process.returncode is None, replica.log.read_text()
            if any(line["identity"] == holder for line in replica.said("leading")):
                replica.identity = holder
                return replica
        return None

    found = await scene.until(there, "a replica to lead")
    assert isinstance(found, Replica)
    return found


async def test_replicas_take_over_from_each_other_and_every_step_is_taken_once(
    scene: Scene, tmp_path: Path
) -> None:
    """One is stopped in good order, one stands still for longer than its Lease, one is killed."""
    await scene.given_a_rollout(steps=(10, 20, 30, 100), rollback={"to": 10})
    async with replicas(scene, tmp_path, "a", "b", "c", "d") as waiting:
        first = await then_leads(scene, waiting)
        await scene.then_at(10)
        waiting.remove(first)
        for replica in waiting:
            await scene.until(partial(_is_waiting, replica), "the others to wait")

        first.signal(signal.SIGTERM)
        second = await then_leads(scene, waiting)
        assert await first.ends() == 0
        assert first.said("gave the Lease back")
        await scene.when_the_plan_is_patched(rollback={"to": 20})
        await scene.then_at(20)

        second.signal(signal.SIGSTOP)
        waiting.remove(second)
        third = await then_leads(scene, waiting)
        await scene.when_the_plan_is_patched(rollback={"to": 30})
        await scene.then_at(30)
        second.signal(signal.SIGCONT)
        assert await second.ends() == 1
        assert "could not be renewed within 10 s" in second.log.read_text()

        third.signal(signal.SIGKILL)
        waiting.remove(third)
        last = await then_leads(scene, waiting)
        await scene.when_the_plan_is_patched(rollback=None)
        await scene.then_completed()
        assert [last] == waiting
    assert scene.percents_written() == [10, 20, 30, 100]
    moves = [entry for entry in await scene.history() if entry[0] in {"Start", "Advance"}]
    assert moves == [
        ("Start", None, 10),
        ("Advance", 10, 20),
        ("Advance", 20, 30),
        ("Advance", 30, 100),
    ]


async def _is_waiting(replica: Replica) -> bool:
    return bool(replica.said("waiting; another replica leads"))
