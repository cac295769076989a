"""Flags whose Rollout is gone: released only where that is certain."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
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
from surefoot.api.v1alpha1.rollout_status import Transition
from surefoot.application.keeper import OrphanKeeper
from surefoot.application.ports import Kind, ObjectHead, ObjectKey
from surefoot.application.store import Store
from surefoot.domain.facts.snapshot import ConfigMap
from surefoot.domain.record.verification import Origin
from surefoot.errors import Conflict, Unavailable
from tests.support.fakes import FakeAnnouncer, FakeClock, FakeCluster, turns
from tests.support.world import a_rollout

FLAGS = ObjectKey("agents", "memory-sync-flags")
ROLLOUT = ObjectKey("agents", "memory-sync")


class House:
    """A cluster with an orphan in it, and its keeper."""

    def __init__(self, on_delete: str = "Keep", **changes: Any) -> None:
        self.cluster = FakeCluster()
        self.announcer = FakeAnnouncer()
        self.store = Store()
        self.clock = FakeClock()
        self.recorded: list[tuple[Origin, Transition]] = []
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
        self.store.observe_fresh(Kind.CONFIG_MAP, FLAGS, self.flags)
        self.keeper = OrphanKeeper(
            self.cluster,
            self.store,
            self.clock,
            self.announcer,
            lambda origin, entry: self.recorded.append((origin, entry)),
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The keeper's own task, which ends with the block."""
        task = asyncio.create_task(self.keeper.run())
        await turns()
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

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
    assert not house.flags.owner_uids
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


# What the history's sinks are told


async def test_end_of_the_history_is_recorded_with_what_was_written() -> None:
    """From where to where, whose history it ends, and that the operator did it."""
    house = House("Zero")
    await house.keeper.see_to_all()
    [(origin, entry)] = house.recorded
    assert origin == Origin("agents", "memory-sync", "uid-memory-sync")
    assert (entry.type, entry.from_, entry.to, entry.by) == ("Released", 25, 0, ("surefoot",))
    assert entry.message == (
        "wrote 0 to every flag and released ConfigMap memory-sync-flags: Rollout memory-sync is "
        "gone (onDelete: Zero)"
    )


async def test_flag_that_stays_is_recorded_where_it_stands() -> None:
    """Nobody was moved."""
    house = House("Keep")
    await house.keeper.see_to_all()
    [(_, entry)] = house.recorded
    assert (entry.type, entry.from_, entry.to) == ("Released", 25, 25)


async def test_release_whose_answer_was_lost_is_recorded_once() -> None:
    """It is found done at the next look: by then no cache knows the ConfigMap as managed."""
    house = House("Zero")

    async def lost(_call: str) -> None:
        raise Unavailable("the connection broke")

    house.cluster.after = lost
    await house.keeper.see_to_all()
    assert house.is_released
    assert house.recorded == []
    house.store.remove(Kind.CONFIG_MAP, ObjectHead(FLAGS, "cm", house.flags.resource_version))
    for _ in range(2):
        await house.keeper.see_to_all()
    assert [entry.type for _, entry in house.recorded] == ["Released"]
    assert house.announcer.said == [(FLAGS.name, "Released")]


async def test_immutable_flag_is_turned_off_by_a_new_one() -> None:
    """What is immutable can only be deleted; what took its place has the flags and nothing else."""
    house = House("Zero", immutable=True)
    await house.keeper.see_to_all()
    assert house.is_released
    assert house.flags.data["memory-sync"] == "0"
    assert not house.flags.immutable
    assert "x" not in house.flags.data
    assert [entry.to for _, entry in house.recorded] == [0]


async def test_binary_data_does_not_stay_beside_a_flag_that_is_off() -> None:
    """A program may read a flag from there as well."""
    house = House("Zero", has_binary_data=True)
    await house.keeper.see_to_all()
    assert not house.flags.has_binary_data


# At once


async def test_deleted_rollout_is_seen_to_without_a_list() -> None:
    """The watch tells of the deletion; nothing waits for the next sweep."""
    house = House("Zero")
    async with house.running():
        house.keeper.rollout_gone(ROLLOUT)
        await turns()
        assert house.is_released
        assert house.flags.data["memory-sync"] == "0"
        assert len(house.recorded) == 1


async def test_flag_of_another_rollout_is_left_alone() -> None:
    """Only what names the deleted Rollout is looked at."""
    house = House("Zero")
    async with house.running():
        house.keeper.rollout_gone(ObjectKey("agents", "another"))
        house.keeper.rollout_gone(ObjectKey("elsewhere", "memory-sync"))
        await house.clock.advance(10)
        assert not house.is_released


@pytest.mark.parametrize("doubt", ["alive", "kinds", "namespace"])
async def test_telling_that_a_rollout_is_gone_is_no_proof(doubt: str) -> None:
    """A watch may be wrong: the same fresh reads decide as after a list."""
    house = House("Zero")
    if doubt == "alive":
        house.cluster.put_rollout(a_rollout())
    house.cluster.established = doubt != "kinds"
    house.cluster.terminating = doubt == "namespace"
    async with house.running():
        house.keeper.rollout_gone(ROLLOUT)
        await house.clock.advance(10)
        assert not house.is_released
        assert house.flags.data["memory-sync"] == "25"


async def test_failed_answer_is_asked_for_again_soon() -> None:
    """A conflict or an API server that does not answer costs a moment, not a sweep."""
    house = House("Zero")
    faults = [Conflict("it has changed"), Unavailable("no answer")]

    async def fails(call: str) -> None:
        if call == "mark config map" and faults:
            raise faults.pop()

    house.cluster.before = fails
    async with house.running():
        house.keeper.rollout_gone(ROLLOUT)
        await house.clock.advance(2)
        assert house.is_released
        assert len(house.recorded) == 1


async def test_flag_that_was_on_its_way_is_found() -> None:
    """A create that was under way when the Rollout went lands after it."""
    house = House("Zero")
    flags = house.flags
    house.store.remove(Kind.CONFIG_MAP, ObjectHead(FLAGS, "cm", flags.resource_version))
    async with house.running():
        house.keeper.rollout_gone(ROLLOUT)
        await turns()
        assert not house.is_released
        house.store.put(Kind.CONFIG_MAP, flags, FLAGS)
        await house.clock.advance(2)
        assert house.is_released


async def test_many_deletions_are_seen_to_side_by_side() -> None:
    """One that hangs does not keep the others up."""
    house = House("Zero")
    other = replace(
        house.flags,
        name="other-flags",
        annotations={**house.flags.annotations, ROLLOUT_ANNOTATION: "other"},
    )
    house.cluster.put_config_map(other)
    house.store.observe_fresh(Kind.CONFIG_MAP, ObjectKey("agents", "other-flags"), other)
    released = house.cluster.config_maps
    first = asyncio.Event()

    async def hangs(call: str) -> None:
        if call == "mark config map" and not first.is_set():
            first.set()
            await asyncio.Event().wait()

    house.cluster.before = hangs
    async with house.running():
        house.keeper.rollout_gone(ROLLOUT)
        house.keeper.rollout_gone(ObjectKey("agents", "other"))
        await turns(60)
        marked = [each for each in released.values() if MANAGED_LABEL not in each.labels]
        assert [each.name for each in marked] == ["other-flags"]


@pytest.mark.parametrize("found", ["gone", "another", "the same", "unknown"])
async def test_conflict_is_checked_by_a_read_of_the_rollout(found: str) -> None:
    """Only a Rollout that is surely gone, or another of its name, leaves the caches."""
    house = House()
    known = a_rollout()
    house.store.observe_fresh(Kind.ROLLOUT, ROLLOUT, known)
    uid = {"another": "uid-other"}.get(found, known.metadata.uid)
    metadata = known.metadata.model_copy(update={"uid": uid})
    house.cluster.put_rollout(known.model_copy(update={"metadata": metadata}))
    if found == "gone":
        house.cluster.rollouts.clear()
    if found == "unknown":

        async def fails(_call: str) -> None:
            raise Unavailable("down")

        house.cluster.before = fails
    await house.keeper.check(ROLLOUT)
    is_kept = found in {"the same", "unknown"}
    assert (house.store.rollout(ROLLOUT) is not None) is is_kept


async def test_conflict_on_a_rollout_that_no_cache_knows_changes_nothing() -> None:
    """There is nothing to forget."""
    house = House()
    await house.keeper.check(ROLLOUT)
    assert house.store.rollout(ROLLOUT) is None
