"""A rollout at 10% in a cluster in memory, and a rehearser beside it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from typing import Any

from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import Committed, RehearsalStatus, TransitionType
from surefoot.application.ports import ObjectKey
from surefoot.application.reconcile import RollBack
from surefoot.application.rehearse import Parts, Rehearser
from surefoot.domain.checks.rehearsal import BUDGET
from surefoot.domain.facts.snapshot import ConfigMap
from surefoot.domain.flag.config_map import rendering_of
from surefoot.domain.flag.shadow import shadow_name
from surefoot.domain.plan import Rehearse
from surefoot.domain.record.transitions import committed
from surefoot.domain.rollback import roll_back
from tests.support.fakes import FakeClock, FakeCluster, FakeTelemetry, turns
from tests.support.world import START, a_rollout

KEY = ObjectKey("agents", "memory-sync")
FLAG = ObjectKey("agents", "memory-sync-flags")


class QuickClock(FakeClock):
    """Nobody waits: time passes by itself."""

    async def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        await asyncio.sleep(0)


class Rehearsals:
    """A cluster with a flag at a percentage, and rehearsals of its Rollout."""

    def __init__(
        self,
        *,
        percent: int = 10,
        decides: RollBack = roll_back,
        budget: timedelta = BUDGET,
        **spec: Any,
    ) -> None:
        self.cluster = FakeCluster()
        self.clock = QuickClock()
        self.telemetry = FakeTelemetry()
        self.woken: list[ObjectKey] = []
        start = a_rollout(**spec)
        steps = [step.percent for step in start.spec.steps]
        status = start.status.model_copy(
            update={
                "percent": percent,
                "step": steps.index(percent),
                "since": START,
                "plan_hash": "sha256:1",
                "committed": Committed(
                    transition_id="t1", type=TransitionType.START, recorded_at=START
                ),
            }
        )
        self.rollout = self.cluster.put_rollout(start.model_copy(update={"status": status}))
        assert status.committed is not None
        rendering = rendering_of(self.rollout, status.committed)
        self.flag = self.cluster.put_config_map(
            ConfigMap(FLAG.name, "cm", "", rendering.data, rendering.labels, rendering.annotations)
        )
        parts = Parts(self.cluster, self.clock, decides, committed)
        self.rehearser = Rehearser(parts, self.telemetry, self.woken.append, budget)

    @property
    def place(self) -> ObjectKey:
        """Where the copy is."""
        return ObjectKey(KEY.namespace, shadow_name(self.rollout))

    def others(self) -> Iterator[ObjectKey]:
        """ConfigMaps that are neither the flag nor its copy."""
        return (key for key in self.cluster.config_maps if key not in {FLAG, self.place})

    def begin(self, run: int = 1, from_: int = 10, to: int = 0) -> None:
        """Ask for a rehearsal."""
        wish = Rehearse(run=run, from_=from_, to=to, plan_hash="sha256:1", attempt=0)
        self.rehearser.begin(self.rollout, wish)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["asyncio.Task[None]"]:
        """The rehearser at work, for the time of the block."""
        task = asyncio.create_task(self.rehearser.run())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def come_to(self, run: int = 1, from_: int = 10, to: int = 0) -> RehearsalStatus | None:
        """Run one to its end."""
        self.begin(run, from_, to)
        async with self.running():
            while not self.woken:
                await turns(1)
        self.woken.clear()
        return self.rehearser.outcome(self.rollout)

    def of_another(self) -> Rollout:
        """A Rollout of the same name, and another UID."""
        metadata = self.rollout.metadata.model_copy(update={"uid": "another"})
        return self.rollout.model_copy(update={"metadata": metadata})

    def goes(self, at: datetime = START) -> Rollout:
        """The Rollout, as somebody deletes it."""
        metadata = self.rollout.metadata.model_copy(update={"deletion_timestamp": at})
        return self.rollout.model_copy(update={"metadata": metadata})
