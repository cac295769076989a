"""Flags whose Rollout is gone: released only where that is certain."""

from dataclasses import replace
from typing import Any

import pytest

from surefoot.api.v1alpha1.meta import (
    ADOPT_ANNOTATION,
    MANAGED_LABEL,
    ON_DELETE_ANNOTATION,
    ROLLOUT_ANNOTATION,
    ROLLOUT_UID_ANNOTATION,
)
from surefoot.application.keeper import OrphanKeeper
from surefoot.application.ports import Kind, ObjectKey
from surefoot.application.store import Store
from surefoot.domain.facts.snapshot import ConfigMap
from tests.support.fakes import FakeAnnouncer, FakeClock, FakeCluster
from tests.support.world import a_rollout

FLAGS = ObjectKey("agents", "memory-sync-flags")


class House:
    """A cluster with an orphan in it, and its keeper."""

    def __init__(self, on_delete: str = "Keep", **changes: Any) -> None:
        self.cluster = FakeCluster()
        self.announcer = FakeAnnouncer()
        store = Store()
        self.cluster.put_config_map(
            replace(
                ConfigMap(
                    name=FLAGS.name,
                    uid="cm",
                    resource_version="",
                    data={"memory-sync": "25", "memory-sync.json": '{"percent":25}', "x": "y"},
                    labels={MANAGED_LABEL: "true"},
                    annotations={
                        ROLLOUT_ANNOTATION: "memory-sync",
                        ROLLOUT_UID_ANNOTATION: "uid-memory-sync",
                        ON_DELETE_ANNOTATION: on_delete,
                    },
                ),
                **changes,
            )
        )
        store.observe_fresh(Kind.CONFIG_MAP, FLAGS, self.flags)
        self.keeper = OrphanKeeper(self.cluster, store, FakeClock(), self.announcer)

    @property
    def flags(self) -> ConfigMap:
        return self.cluster.config_maps[FLAGS]

    @property
    def is_released(self) -> bool:
        return MANAGED_LABEL not in self.flags.labels


async def test_kept_flag_is_released_as_it_is() -> None:
    """It may be adopted by a Rollout of the same name, and says nothing of the old one's UID."""
    house = House("Keep")
    await house.keeper.see_to_all()
    assert house.is_released
    assert house.flags.data["memory-sync"] == "25"
    assert house.flags.annotations[ADOPT_ANNOTATION] == "memory-sync"
    assert ROLLOUT_UID_ANNOTATION not in house.flags.annotations
    assert house.announcer.said == [(FLAGS.name, "Released")]


async def test_zeroed_flag_is_off_and_released_in_one_write() -> None:
    """What is no flag is left alone."""
    house = House("Zero")
    await house.keeper.see_to_all()
    assert house.cluster.writes() == ["mark config map"]
    assert house.flags.data["memory-sync"] == "0"
    assert house.flags.data["memory-sync.json"].startswith('{"percent":0,')
    assert house.flags.data["x"] == "y"


async def test_owned_flag_is_left_to_the_garbage_collector() -> None:
    """It deletes it."""
    house = House("Delete", owner_uids=("uid-memory-sync",))
    await house.keeper.see_to_all()
    assert not house.is_released


async def test_flag_of_a_rollout_that_lives_after_all_is_not_released() -> None:
    """The caches did not know it yet."""
    house = House()
    house.cluster.put_rollout(a_rollout())
    await house.keeper.see_to_all()
    assert not house.is_released


async def test_flag_is_released_where_another_rollout_has_the_name() -> None:
    """By UID it is another one, which may adopt it."""
    house = House()
    another = a_rollout()
    metadata = another.metadata.model_copy(update={"uid": "another"})
    house.cluster.put_rollout(another.model_copy(update={"metadata": metadata}))
    await house.keeper.see_to_all()
    assert house.is_released


@pytest.mark.parametrize("doubt", ["kinds", "namespace"])
async def test_flag_is_not_released_in_doubt(doubt: str) -> None:
    """The CRD is gone, or the namespace goes: then absence says nothing."""
    house = House("Zero")
    house.cluster.established = doubt != "kinds"
    house.cluster.terminating = doubt == "namespace"
    await house.keeper.see_to_all()
    assert not house.is_released
    assert house.flags.data["memory-sync"] == "25"


async def test_flag_that_changes_meanwhile_is_left_for_the_next_round() -> None:
    """Its version has moved, so nothing is written over it."""
    house = House("Zero")

    async def changed(call: str) -> None:
        if call == "mark config map":
            house.cluster.put_config_map(replace(house.flags, data={"memory-sync": "50"}))

    house.cluster.before = changed
    await house.keeper.see_to_all()
    assert house.flags.data == {"memory-sync": "50"}
    assert not house.is_released
