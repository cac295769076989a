"""Replicas as processes of their own on a real API server: every step is taken once.

One acts for all, or each in shards of its own.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import pytest

from surefoot.application.sharding import shard_of
from tests.support.scene import JSON, Scene
from tests.support.testbed import SURELY, whole_lines

pytestmark = pytest.mark.apiserver

LEASES = "/apis/coordination.k8s.io/v1/namespaces/surefoot-system/leases"
LEASE = f"{LEASES}/surefoot"
CONFIGURATION = """\
admission: Unenforced
evaluationInterval: 1s
operatorNamespace: surefoot-system
listen: 127.0.0.1:0
leaderElection: {leaseDuration: 12s, renewDeadline: 10s, retryPeriod: 0.5s}
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
        return [line for line in self.lines() if line.get("event") == event]

    def lines(self) -> list[JSON]:
        """All complete log lines."""
        return [json.loads(line) for line in whole_lines(self.log) if line[:1] == "{"]

    @property
    def shards(self) -> list[int]:
        """The shards in which it acts, as it said last."""
        told: list[list[int]] = [line["has"] for line in self.lines() if "has" in line]
        return told[-1] if told else []

    def moved_to(self, percent: int) -> set[str]:
        """The namespaces where it has decided on this step."""
        decisions = [line for line in self.said("decision") if "Intend" in line["did"]]
        return {
            line["rollout"].partition("/")[0]
            for line in decisions
            if f"{percent}%:" in line["summary"]
        }

    async def ends(self) -> int:
        """Wait for the process to end; its exit code."""
        async with asyncio.timeout(SURELY):
            return await self.process.wait()


@contextlib.asynccontextmanager
async def replicas(
    scene: Scene, folder: Path, *names: str, shards: int = 1, also: tuple[Scene, ...] = ()
) -> AsyncIterator[list[Replica]]:
    """Replicas of the operator, which are killed at the end."""
    config = folder / f"config-{shards}.yaml"
    config.write_text(f"{CONFIGURATION}shards: {shards}\n", encoding="utf-8")
    namespaces = [f"--namespace={each.namespace}" for each in (scene, *also)]
    found: list[Replica] = []
    try:
        for name in names:
            log = folder / f"{name}.log"
            with log.open("wb") as written:
                process = await asyncio.create_subprocess_exec(
                    str(Path(sys.executable).with_name("surefoot")), "run", "--leader-elect",
                    "--config", str(config), *namespaces,
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


async def _has_moved(replica: Replica, percent: int, namespaces: set[str]) -> bool:
    return replica.moved_to(percent) == namespaces


Elsewhere = Callable[[], Scene]


async def test_replicas_share_the_namespaces_and_take_over_in_good_order(
    scene: Scene, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    """Each acts in its own shards; what one gives back the other goes on with."""
    scenes = (scene, *(elsewhere() for _ in range(3)))
    for each in scenes:
        await each.given_a_rollout(steps=(10, 20, 100), rollback={"to": 10})
    async with replicas(scene, tmp_path, "a", "b", shards=4, also=scenes[1:]) as (one, other):
        await then_share(scene, one, other)
        for each in scenes:
            await each.when_the_plan_is_patched(rollback={"to": 20})
        for each in scenes:
            await each.then_at(20)
        namespaces = {each.namespace for each in scenes}
        for replica in (one, other):
            its = {name for name in namespaces if shard_of(name, 4) in replica.shards}
            await scene.until(partial(_has_moved, replica, 20, its), "its own steps to be logged")
        one.signal(signal.SIGTERM)
        assert await one.ends() == 0
        await then_share(scene, other)
        for each in scenes:
            await each.when_the_plan_is_patched(rollback=None)
        for each in scenes:
            await each.then_completed()
        await scene.until(partial(_has_moved, other, 100, namespaces), "all steps to be logged")
    for each in scenes:
        assert each.percents_written() == [10, 20, 100]


@pytest.mark.long
async def test_shards_survive_what_happens_to_replicas_and_leases(
    scene: Scene, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    """One is killed, one stands still, Leases are deleted and edited, another number is set."""
    scenes = (scene, *(elsewhere() for _ in range(3)))
    for each in scenes:
        await each.given_a_rollout(steps=(10, 20, 30, 40, 100), rollback={"to": 10})

    async def when_all_may_go_to(percent: int) -> None:
        for each in scenes:
            await each.when_the_plan_is_patched(rollback={"to": percent})
        for each in scenes:
            await each.then_at(percent)

    async with replicas(scene, tmp_path, "a", "b", shards=4, also=scenes[1:]) as (first, second):
        await then_share(scene, first, second)
        await when_all_may_go_to(10)
        first.signal(signal.SIGKILL)
        await then_share(scene, second)
        await when_all_may_go_to(20)
        async with replicas(scene, tmp_path, "c", shards=4, also=scenes[1:]) as (third,):
            await then_share(scene, second, third)
            for lease in ("surefoot", *(f"surefoot-{shard}" for shard in third.shards)):
                scene.client.delete(f"{LEASES}/{lease}").raise_for_status()
            for shard in second.shards:
                scene.client.patch(
                    f"{LEASES}/surefoot-{shard}",
                    json={"spec": {"leaseDurationSeconds": 1, "renewTime": None}},
                    headers={"Content-Type": "application/merge-patch+json"},
                ).raise_for_status()
            await when_all_may_go_to(30)
            await then_share(scene, second, third)

            second.signal(signal.SIGSTOP)
            await then_share(scene, third)
            await when_all_may_go_to(40)
            second.signal(signal.SIGCONT)
            assert await second.ends() == 1
            assert "could not be renewed within 10 s" in second.log.read_text()

            async with replicas(scene, tmp_path, "d", "e", shards=2, also=scenes[1:]) as (
                fourth,
                fifth,
            ):
                for replica in (fourth, fifth):
                    await scene.until(partial(_is_waiting, replica), "the new ones to wait")
                third.signal(signal.SIGTERM)
                assert await third.ends() == 0
                await then_share(scene, fourth, fifth, count=2)
                for each in scenes:
                    await each.when_the_plan_is_patched(rollback=None)
                for each in scenes:
                    await each.then_completed()
    for each in scenes:
        assert each.percents_written() == [10, 20, 30, 40, 100]
        moves = [entry for entry in await each.history() if entry[0] in {"Start", "Advance"}]
        assert moves == [
            ("Start", None, 10),
            ("Advance", 10, 20),
            ("Advance", 20, 30),
            ("Advance", 30, 40),
            ("Advance", 40, 100),
        ]


async def then_share(scene: Scene, *sharing: Replica, count: int = 4) -> None:
    """Wait until these have all shards, and evenly."""

    async def shared() -> bool:
        for replica in sharing:
            assert replica.process.returncode is None, replica.log.read_text()
        parts = [replica.shards for replica in sharing]
        sizes = [len(part) for part in parts]
        is_even = max(sizes) - min(sizes) <= 1
        return is_even and sorted(chain.from_iterable(parts)) == list(range(count))

    await scene.until(shared, "the shards to be shared")
