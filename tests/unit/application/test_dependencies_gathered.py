"""Facts about other Rollouts: who is woken by them; an advance is decided on fresh ones."""

from datetime import timedelta
from typing import Any

import pytest

from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import RolloutStatus
from surefoot.application.admission import AdmissionWatch
from surefoot.application.gather import Facts, Gatherer, Rules, Unreadable
from surefoot.application.ports import Kind, ObjectHead, ObjectKey
from surefoot.application.store import Store
from surefoot.domain.facts.upstreams import RolloutName, names_of
from surefoot.errors import UnreadableObject
from tests.support.fakes import FakeClock, FakeCluster
from tests.support.world import a_rollout

SCHEMA = RolloutName("agents", "schema-v2")


class Woken:
    """A store, and who was woken by it since one last looked."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.version = 100
        self.store = Store(lambda key: self.keys.append(str(key)))

    def look(self) -> list[str]:
        found, self.keys = sorted(self.keys), []
        return found

    def sees(self, rollout: Rollout) -> None:
        """An event."""
        self.version += 1
        key, uid = key_of(rollout), rollout.metadata.uid
        self.store.observe(Kind.ROLLOUT, ObjectHead(key, uid, str(self.version)), lambda: rollout)

    def writes(self, rollout: Rollout) -> None:
        """A write of our own."""
        self.version += 1
        metadata = rollout.metadata.model_copy(update={"resource_version": str(self.version)})
        written = rollout.model_copy(update={"metadata": metadata})
        self.store.put(Kind.ROLLOUT, written, key_of(rollout))


def key_of(rollout: Rollout) -> ObjectKey:
    return ObjectKey(rollout.metadata.namespace, rollout.metadata.name)


def named(name: str, *after: str, namespace: str = "agents", **spec: Any) -> Rollout:
    """A Rollout on a ConfigMap of its own, after others."""
    found = a_rollout(
        name,
        target={"configMapName": name, "flags": [name]},
        dependsOn=[
            {"rollout": each.rpartition("/")[2], "atLeast": 1}
            | ({"namespace": each.partition("/")[0]} if "/" in each else {})
            for each in after
        ],
        **spec,
    )
    metadata = found.metadata.model_copy(
        update={"namespace": namespace, "uid": f"{namespace}-{name}"}
    )
    return found.model_copy(update={"metadata": metadata})


def at(rollout: Rollout, percent: int, **status: Any) -> Rollout:
    """The Rollout, committed to a percentage."""
    committed = {"transitionId": "t", "type": "Start", "recordedAt": "2025-10-23T22:00:00Z"}
    found = {"percent": percent, "committed": committed, **status}
    return rollout.model_copy(update={"status": RolloutStatus.model_validate(found)})


def test_what_others_act_on_wakes_them_whoever_wrote_it() -> None:
    """Our own write is no news to its own Rollout, and is to those that wait for it."""
    woken = Woken()
    for rollout in (named("a"), named("b", "a"), named("c", "b"), named("d")):
        woken.sees(rollout)
    woken.look()
    woken.sees(at(named("a"), 10))
    assert woken.look() == ["agents/a", "agents/b", "agents/c"]
    woken.writes(at(named("a"), 25))
    assert woken.look() == ["agents/b", "agents/c"]
    woken.writes(at(named("a"), 10, rolledBack=True))
    assert woken.look() == ["agents/b", "agents/c"]
    woken.writes(at(named("a"), 10, rolledBack=True, waitingOn="somebody"))
    assert woken.look() == []


def test_others_are_woken_when_one_appears_or_is_gone() -> None:
    """Also across namespaces."""
    woken = Woken()
    woken.sees(named("b", "data/a"))
    woken.look()
    first = named("a", namespace="data")
    woken.sees(first)
    assert woken.look() == ["agents/b", "data/a"]
    woken.store.remove(Kind.ROLLOUT, ObjectHead(key_of(first), first.metadata.uid, "9999"))
    assert woken.look() == ["agents/b", "data/a"]


def test_who_no_longer_waits_is_not_woken() -> None:
    """The plan was changed."""
    woken = Woken()
    woken.sees(named("b", "a"))
    woken.sees(named("b"))
    woken.look()
    woken.sees(named("a"))
    assert woken.look() == ["agents/a"]


def test_rollouts_that_wait_for_each_other_are_each_woken_once() -> None:
    """A cycle ends."""
    woken = Woken()
    woken.sees(named("a", "b"))
    woken.look()
    woken.sees(named("b", "a"))
    assert woken.look() == ["agents/a", "agents/b"]


def test_upstreams_are_all_that_are_waited_for_as_far_as_they_may_be() -> None:
    """What is in a namespace that is not open is not looked at."""
    woken = Woken()
    rollout = named("a", "b", "data/x", "secret/y", "none")
    for each in (rollout, named("b", "c"), named("c", "a"), named("x", "z", namespace="data")):
        woken.sees(each)
    for name in ("z", "y"):
        woken.sees(named(name, namespace="data" if name == "z" else "secret"))
    found = woken.store.upstreams(rollout, frozenset({"data"}))
    assert sorted(map(str, found)) == ["agents/a", "agents/b", "agents/c", "data/x", "data/z"]
    assert found[RolloutName("agents", "b")].depends_on == names_of(named("b", "c"))


class Nobody:
    """There are no metrics."""

    def names(self, namespace: str) -> frozenset[str]:
        return frozenset()

    def measurements(self, key: ObjectKey, rollout: Rollout) -> dict[str, Any]:
        return {}

    def unanswered_since(self, key: ObjectKey) -> dict[str, Any]:
        return {}

    def known_queries(self, key: ObjectKey, rollout: Rollout) -> dict[str, Any]:
        return {}

    async def query_facts(self, key: ObjectKey, rollout: Rollout) -> dict[str, Any]:
        return {}


def gathering(cluster: FakeCluster, store: Store) -> Gatherer:
    """What makes snapshots for these tests."""
    clock, nobody = FakeClock(), Nobody()
    return Gatherer(
        cluster,
        store,
        clock,
        nobody,  # type: ignore[arg-type]
        nobody,
        admission=AdmissionWatch(None, clock),
        operator_namespace="surefoot-system",
        rules=Rules(timedelta(seconds=30), timedelta(minutes=10)),
    )


async def test_advance_is_decided_on_fresh_reads_and_a_rollback_waits_for_none() -> None:
    """The cache may be late."""
    upstream, rollout = at(named("schema-v2"), 50), named("b", "schema-v2")
    cluster, woken = FakeCluster(upstream, rollout), Woken()
    for key, each in cluster.rollouts.items():
        woken.store.put(Kind.ROLLOUT, each, key)
    cluster.put_rollout(at(named("schema-v2"), 10, rolledBack=True))
    gatherer = gathering(cluster, woken.store)
    key = key_of(rollout)
    for fresh, admission, percent in ((False, False, 50), (True, False, 50), (True, True, 10)):
        facts = await gatherer.gather(key, fresh=fresh, admission=admission)
        assert isinstance(facts, Facts)
        found = facts.snapshot.upstreams[SCHEMA]
        assert (found.percent, found.rolled_back) == (percent, percent == 10)


async def test_upstream_that_is_gone_by_now_is_not_there() -> None:
    """A fresh read finds none."""
    upstream, rollout = at(named("schema-v2"), 50), named("b", "schema-v2")
    cluster, woken = FakeCluster(rollout), Woken()
    for each in (upstream, rollout):
        woken.store.put(Kind.ROLLOUT, each, key_of(each))
    facts = await gathering(cluster, woken.store).gather(
        key_of(rollout), fresh=True, admission=True
    )
    assert isinstance(facts, Facts)
    assert facts.snapshot.upstreams == {}


async def test_nothing_is_decided_while_an_upstream_can_not_be_read() -> None:
    """It is known to be there, and not how far it is."""
    upstream, rollout = at(named("schema-v2"), 50), named("b", "schema-v2")
    cluster, woken = FakeCluster(upstream, rollout), Woken()
    for key, each in cluster.rollouts.items():
        woken.store.put(Kind.ROLLOUT, each, key)
    reads = iter(range(99))

    async def garbled(call: str) -> None:
        if call == "read rollout" and next(reads) == 1:
            raise UnreadableObject("agents/schema-v2: no such shape")

    cluster.before = garbled
    facts = await gathering(cluster, woken.store).gather(
        key_of(rollout), fresh=True, admission=True
    )
    assert isinstance(facts, Unreadable)


@pytest.mark.parametrize("known", [True, False])
async def test_rollout_without_dependencies_reads_no_others(known: bool) -> None:
    """The reads of an advance stay as few as they were."""
    cluster, woken = FakeCluster(named("b"), at(named("schema-v2"), 50)), Woken()
    if known:
        for key, each in cluster.rollouts.items():
            woken.store.put(Kind.ROLLOUT, each, key)
    cluster.calls.clear()
    await gathering(cluster, woken.store).gather(
        ObjectKey("agents", "b"), fresh=True, admission=True
    )
    assert cluster.calls.count("read rollout") == (1 if known else 2)
