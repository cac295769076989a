"""One pass and the admission policies: an advance waits for a check, a rollback for nothing."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.application.admission import AdmissionWatch
from surefoot.application.execute import Executor
from surefoot.application.gather import Gatherer, Rules
from surefoot.application.ports import AdmissionStatus, Kind, ObjectKey
from surefoot.application.reconcile import Pass, Reconciler
from surefoot.application.store import Store
from surefoot.domain.decide import decide
from surefoot.domain.facts.measurements import QueryFacts
from surefoot.domain.facts.snapshot import Admission, Snapshot
from surefoot.domain.plan import Plan
from surefoot.domain.record.transitions import committed
from tests.support.fakes import FakeAnnouncer, FakeClock, FakeCluster, FakeTelemetry
from tests.support.testbed import SURELY
from tests.support.world import a_rollout

KEY = ObjectKey("agents", "memory-sync")
TARGET = ObjectKey("agents", "memory-sync-flags")
ENFORCED = AdmissionStatus(Admission.ENFORCED)
GONE = AdmissionStatus(
    Admission.NOT_ENFORCED, "ValidatingAdmissionPolicy surefoot-decisions is missing"
)


class Policies:
    """What a check would find now, and how often one was made."""

    def __init__(self) -> None:
        self.admission_status = ENFORCED
        self.asked = 0
        self.silent = False

    async def check(self, *, whole: bool = True) -> AdmissionStatus:
        self.asked += 1
        if self.silent:
            await asyncio.Event().wait()
        return self.admission_status


class Nobody:
    """No metrics providers, and no answers of any."""

    def names(self, namespace: str) -> frozenset[str]:
        return frozenset()

    async def inspect(self, provider: str, query: str) -> QueryFacts:
        return QueryFacts()

    async def measure(self, query: Any) -> Any:
        raise AssertionError("nobody asks")

    def measurements(self, key: ObjectKey, rollout: Rollout) -> dict[str, Any]:
        return {}

    def unanswered_since(self, key: ObjectKey) -> dict[str, Any]:
        return {}

    def known_queries(self, key: ObjectKey, rollout: Rollout) -> dict[str, Any]:
        return {}

    async def query_facts(self, key: ObjectKey, rollout: Rollout) -> dict[str, Any]:
        return {}


class Desk:
    """A reconciler over a cluster in memory, with admission watched."""

    def __init__(self, rollout: Rollout) -> None:
        self.cluster = FakeCluster(rollout)
        self.clock = FakeClock()
        self.store = Store()
        self.policies = Policies()
        self.watch = AdmissionWatch(self.policies, self.clock)
        self.announcer = FakeAnnouncer()
        self.judged: list[Snapshot] = []
        telemetry = FakeTelemetry()
        self.reconciler = Reconciler(
            gatherer=Gatherer(
                self.cluster,
                self.store,
                self.clock,
                Nobody(),
                Nobody(),
                admission=self.watch,
                operator_namespace="surefoot-system",
                rules=Rules(timedelta(seconds=30), timedelta(minutes=10)),
            ),
            decide=self._decide,
            executor=Executor(self.cluster, self.store, self.clock, telemetry, committed),
            store=self.store,
            clock=self.clock,
            announcer=self.announcer,
            telemetry=telemetry,
            forget=lambda _key: None,
        )
        self.learn()

    def _decide(self, snapshot: Snapshot, now: datetime) -> Plan:
        self.judged.append(snapshot)
        return decide(snapshot, now)

    def learn(self) -> None:
        """The caches see the Rollout as it is."""
        self.store.observe_fresh(Kind.ROLLOUT, KEY, self.cluster.rollouts[KEY])

    @property
    def rollout(self) -> Rollout:
        return self.cluster.rollouts[KEY]

    @property
    def percent(self) -> str | None:
        found = self.cluster.config_maps.get(TARGET)
        return None if found is None else found.data["memory-sync"]

    def change(self, **spec: Any) -> None:
        """Somebody changes the plan; the caches do not know it yet."""
        changed = a_rollout(**spec)
        metadata = self.rollout.metadata.model_copy(
            update={"generation": self.rollout.metadata.generation + 1}
        )
        self.cluster.put_rollout(
            self.rollout.model_copy(update={"spec": changed.spec, "metadata": metadata})
        )

    async def look(self) -> Pass:
        return await self.reconciler.reconcile(KEY)

    async def at_ten(self) -> None:
        """Known to be enforced, and the first percentage taken; the soak holds it there."""
        await self.watch.refresh()
        await self.look()
        assert self.percent == "10"
        self.learn()


def held() -> Rollout:
    """A plan that stays at its first percentage."""
    return a_rollout(hold={"soak": "1h"})


async def test_advance_is_checked_for_though_the_last_check_was_good() -> None:
    """The caches say Enforced; the policies went a moment ago."""
    desk = Desk(a_rollout())
    await desk.watch.refresh()
    await desk.clock.advance(5)
    desk.policies.admission_status = GONE
    await desk.look()
    assert desk.percent is None
    assert desk.cluster.writes() == ["write status"]
    condition = {c.type: c for c in desk.rollout.status.conditions}["AdmissionEnforced"]
    assert (condition.status, condition.reason) == ("False", "NotEnforced")
    assert "surefoot-decisions is missing" in condition.message


async def test_history_says_what_the_check_of_this_advance_found() -> None:
    """Enforced, in the evidence of the entry."""
    desk = Desk(held())
    await desk.at_ten()
    assert desk.rollout.status.history[-1].evidence is not None
    assert desk.rollout.status.history[-1].evidence.admission == "Enforced"


async def test_look_that_moves_nothing_asks_for_no_check() -> None:
    """A thousand Rollouts that wait cost no probes."""
    desk = Desk(held())
    await desk.at_ten()
    before = desk.policies.asked
    await desk.clock.advance(60)
    await desk.look()
    assert desk.policies.asked == before


async def test_rollback_waits_for_no_check() -> None:
    """Not even for one that is under way and never ends."""
    desk = Desk(held())
    await desk.at_ten()
    desk.change(hold={"soak": "1h"}, rollback={"to": 0})
    desk.learn()
    desk.policies.silent = True
    await desk.clock.advance(5)
    stuck = asyncio.create_task(desk.watch.refresh())
    await asyncio.sleep(0)
    before = desk.policies.asked
    async with asyncio.timeout(SURELY):
        await desk.look()
    assert desk.percent == "0"
    assert desk.policies.asked == before
    stuck.cancel()


async def test_rollback_goes_on_while_not_enforced() -> None:
    """The policies guard signatures; the way down needs none, and does not ask for them."""
    desk = Desk(held())
    await desk.at_ten()
    desk.policies.admission_status = GONE
    await desk.clock.advance(5)
    await desk.watch.refresh()
    desk.change(hold={"soak": "1h"}, rollback={"to": 0})
    desk.learn()
    await desk.look()
    assert desk.percent == "0"
    assert desk.rollout.status.history[-1].type == "Rollback"
    assert desk.rollout.status.history[-1].evidence.admission == "NotEnforced"


async def test_advance_that_only_fresh_reads_show_is_checked_for_too() -> None:
    """The caches say rollback, the Rollout no longer does: the way forward has no short cut."""
    desk = Desk(held())
    await desk.at_ten()
    desk.change(hold={"soak": "1h"}, rollback={"to": 0})
    desk.learn()
    desk.change()
    desk.policies.admission_status = GONE
    await desk.clock.advance(5)
    await desk.look()
    assert desk.percent == "10"
    assert desk.judged[-1].admission is Admission.NOT_ENFORCED


async def test_restoring_a_flag_waits_for_no_check() -> None:
    """It puts back what was decided before."""
    desk = Desk(held())
    await desk.at_ten()
    found = desk.cluster.config_maps[TARGET]
    data = {**found.data, "memory-sync": "99"}
    drifted = desk.cluster.put_config_map(replace(found, data=data))
    desk.store.observe_fresh(Kind.CONFIG_MAP, TARGET, drifted)
    desk.policies.silent = True
    await desk.clock.advance(5)
    async with asyncio.timeout(SURELY):
        await desk.look()
    assert desk.percent == "10"


async def test_losing_and_regaining_the_policies_is_announced_once_each() -> None:
    """People read events; a Rollout that waits must not repeat them."""
    desk = Desk(held())
    await desk.at_ten()
    desk.announcer.said.clear()
    for admission_status in (GONE, GONE, ENFORCED, ENFORCED):
        desk.policies.admission_status = admission_status
        await desk.clock.advance(5)
        await desk.watch.refresh()
        await desk.look()
        desk.learn()
    assert [reason for _, reason in desk.announcer.said] == [
        "AdmissionNotEnforced",
        "AdmissionEnforced",
    ]
