"""Rehearsals against a cluster in memory, with something in their way between any two calls."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from surefoot.application.ports import ObjectKey
from surefoot.domain.facts.snapshot import ConfigMap, FlagFacts
from surefoot.domain.plan import Plan
from surefoot.domain.rollback import roll_back
from surefoot.errors import Conflict, NotFound, Refused, Unavailable
from tests.support.fakes import turns
from tests.support.rehearsing import FLAG, KEY, Rehearsals
from tests.support.world import a_gate, a_metric, a_trigger


def in_the_way(times: int, call: str, error: Exception) -> Any:
    """The first calls of this name end so."""
    left = [times]

    async def before(name: str) -> None:
        if name == call and left[0] > 0:
            left[0] -= 1
            raise error

    return before


async def test_way_is_that_of_a_rollback() -> None:
    """The copy is put up, then read before the Rollout, then written, then looked at, and gone."""
    scene = Rehearsals()
    found = await scene.come_to()
    assert found is not None
    assert (found.run, found.outcome, found.from_, found.to) == (1, "Passed", 10, 0)
    assert (found.plan_hash, found.attempt) == ("sha256:1", 0)
    assert scene.cluster.writes() == ["create config map", "write config map", "delete config map"]
    assert scene.cluster.config_maps == {FLAG: scene.flag}
    assert scene.cluster.rollouts[KEY] == scene.rollout


async def test_decision_has_no_provider_and_no_answers() -> None:
    """The plan names metrics; nobody is there who could be asked."""
    seen: list[FlagFacts] = []

    def watching(facts: FlagFacts, now: datetime) -> Plan | None:
        seen.append(facts)
        return roll_back(facts, now)

    scene = Rehearsals(
        decides=watching, metrics=[a_metric()], triggers=[a_trigger()], gates=[a_gate()]
    )
    found = await scene.come_to()
    assert found is not None
    assert found.outcome == "Passed"
    assert {(bool(each.measurements), each.providers) for each in seen} == {(False, frozenset())}


async def test_it_goes_from_where_the_flag_stands_to_where_it_is_told() -> None:
    """The copy has those percentages, and no other."""
    scene = Rehearsals(percent=50)
    seen = []

    async def look(_name: str) -> None:
        copy = scene.cluster.config_maps.get(scene.place)
        seen.append(None if copy is None else copy.data["memory-sync"])

    scene.cluster.before = look
    await scene.come_to(from_=50, to=10)
    assert list(dict.fromkeys(seen)) == [None, "50", "10"]


@pytest.mark.parametrize(
    "error", [Conflict("too late"), Unavailable("no answer"), NotFound("gone")], ids=repr
)
@pytest.mark.parametrize(
    "call", ["create config map", "write config map", "delete config map", "read config map"]
)
async def test_what_passes_is_tried_again(call: str, error: Exception) -> None:
    """As a rollback does; it is no failure."""
    scene = Rehearsals()
    scene.cluster.before = in_the_way(7, call, error)
    found = await scene.come_to()
    assert found is not None
    assert found.outcome == "Passed"
    assert scene.cluster.config_maps == {FLAG: scene.flag}


@pytest.mark.parametrize("call", ["create config map", "write config map", "delete config map"])
async def test_what_is_refused_fails_with_the_words_of_the_refusal(call: str) -> None:
    """And what was written is removed, as far as that goes."""
    scene = Rehearsals()
    scene.cluster.before = in_the_way(1, call, Refused("surefoot cannot update configmaps"))
    found = await scene.come_to()
    assert found is not None
    assert (found.outcome, found.message) == ("Failed", "surefoot cannot update configmaps")
    assert scene.cluster.config_maps == {FLAG: scene.flag}
    assert ("rehearsed", "Failed") in scene.telemetry.said


async def test_one_that_takes_longer_than_its_budget_has_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And says what was last in the way."""
    scene = Rehearsals(budget=timedelta(seconds=7))
    usual, budget = asyncio.timeout, asyncio.timeout(None)

    def timeout(seconds: float) -> asyncio.Timeout:
        return budget if seconds == 7 else usual(seconds)

    async def until_it_is_over(name: str) -> None:
        if name == "write config map":
            # However busy the machine is: not before something was in the way.
            budget.reschedule(asyncio.get_running_loop().time())
            raise Unavailable("no answer")

    monkeypatch.setattr(asyncio, "timeout", timeout)
    scene.cluster.before = until_it_is_over
    found = await scene.come_to()
    assert found is not None
    assert found.outcome == "Failed"
    assert found.message.startswith("over its ")
    assert found.message.endswith("last in the way: no answer")


async def test_decision_that_does_not_roll_back_fails() -> None:
    """A rehearsal that finds no reason to lower the copy has shown nothing."""

    def undecided(_facts: FlagFacts, _now: datetime) -> None:
        return None

    found = await Rehearsals(decides=undecided).come_to()
    assert found is not None
    assert found.outcome == "Failed"
    assert found.message == "it was not decided to roll back"


async def test_defect_fails_and_ends_nobody() -> None:
    """The next rehearsal is run."""

    def broken(_facts: FlagFacts, _now: datetime) -> Plan:
        raise ValueError("a defect")

    scene = Rehearsals(decides=broken)
    found = await scene.come_to()
    assert found is not None
    assert (found.outcome, found.message) == ("Failed", "it broke: ValueError('a defect')")
    assert scene.cluster.config_maps == {FLAG: scene.flag}
    again = await scene.come_to(run=2)
    assert again is not None
    assert again.run == 2


async def test_copy_that_somebody_changes_meanwhile_fails() -> None:
    """It does not hold what the rollback wrote."""
    scene = Rehearsals()
    reads = []

    async def meddle(name: str) -> None:
        copy = scene.cluster.config_maps.get(scene.place)
        if name == "read config map" and copy is not None and copy.data.get("memory-sync") == "0":
            reads.append(name)
            if len(reads) == 1:
                scene.cluster.put_config_map(
                    ConfigMap(copy.name, copy.uid, "", {"x": "y"}, copy.labels, copy.annotations)
                )

    scene.cluster.before = meddle
    found = await scene.come_to()
    assert found is not None
    assert found.outcome == "Failed"
    assert "does not hold what the rollback wrote" in found.message


@pytest.mark.parametrize("what", ["put up again", "removed"])
async def test_another_operator_that_plays_the_same_one_is_no_failure(what: str) -> None:
    """It puts the copy up after this one's rollback, or has removed it: both begin again."""
    scene = Rehearsals()
    put_up: list[ConfigMap] = []

    async def another(name: str) -> None:
        copy = scene.cluster.config_maps.get(scene.place)
        if name != "read config map" or copy is None:
            return
        if copy.data.get("memory-sync") == "10":
            put_up.append(copy)
        elif len(put_up) == 1:
            if what == "removed":
                del scene.cluster.config_maps[scene.place]
            else:
                scene.cluster.put_config_map(put_up[0])

    scene.cluster.before = another
    came_to = await scene.come_to()
    assert came_to is not None
    assert came_to.outcome == "Passed", came_to.message
    assert scene.place not in scene.cluster.config_maps


@pytest.mark.parametrize("how", ["gone", "replaced", "going"])
async def test_rollout_that_goes_meanwhile_comes_to_nothing(how: str) -> None:
    """No outcome, and nothing is left."""
    scene = Rehearsals()

    async def goes(name: str) -> None:
        if name == "write config map":
            if how == "gone":
                scene.cluster.rollouts.clear()
            elif how == "replaced":
                scene.cluster.put_rollout(scene.of_another())
            else:
                scene.cluster.put_rollout(scene.goes())
            raise Conflict("look again")

    scene.cluster.before = goes
    assert await scene.come_to() is None
    assert scene.cluster.config_maps == {FLAG: scene.flag}


async def test_config_map_of_somebody_else_is_neither_written_nor_removed() -> None:
    """It has the copy's name, by whatever chance."""
    scene = Rehearsals()
    theirs = scene.cluster.put_config_map(ConfigMap(scene.place.name, "x", "", {"mine": "yes"}))
    found = await scene.come_to()
    assert found is not None
    assert found.outcome == "Failed"
    assert "exists and is no rehearsal's" in found.message
    assert scene.cluster.config_maps[scene.place] == theirs


async def test_left_over_copy_is_used_and_removed() -> None:
    """Whatever it holds: the last rehearsal was cut off."""
    scene = Rehearsals()
    await _cut_off(scene)
    assert scene.place in scene.cluster.config_maps
    found = await scene.come_to()
    assert found is not None
    assert found.outcome == "Passed"
    assert scene.cluster.config_maps == {FLAG: scene.flag}


async def _cut_off(scene: Rehearsals) -> None:
    """The process ends in the middle of a rehearsal, without another call."""

    class EndError(BaseException):
        pass

    async def end(name: str) -> None:
        if name == "write config map":
            raise EndError

    scene.cluster.before = end
    scene.begin()
    async with scene.running() as task:
        with pytest.raises(EndError):
            await task
    scene.cluster.before = in_the_way(0, "", Exception())


async def test_sweep_removes_what_was_left_and_not_what_is_in_hand() -> None:
    """Neither the flag nor the copy that is being rolled back."""
    scene = Rehearsals()
    await _cut_off(scene)
    await scene.rehearser.sweep()
    assert scene.cluster.config_maps == {FLAG: scene.flag}

    stand = asyncio.Event()

    async def stand_still(name: str) -> None:
        if name == "write config map":
            await stand.wait()

    scene.cluster.before = stand_still
    scene.begin()
    async with scene.running():
        await turns()
        await scene.rehearser.sweep()
        assert scene.place in scene.cluster.config_maps
        stand.set()
        while not scene.woken:
            await turns(1)
    assert scene.cluster.config_maps == {FLAG: scene.flag}


async def test_sweep_without_an_answer_is_for_the_next_one() -> None:
    """It raises nothing."""
    scene = Rehearsals()
    await _cut_off(scene)
    scene.cluster.before = in_the_way(1, "list shadows", Unavailable("no answer"))
    await scene.rehearser.sweep()
    scene.cluster.before = in_the_way(1, "delete config map", Conflict("too late"))
    await scene.rehearser.sweep()
    assert scene.place in scene.cluster.config_maps
    await scene.rehearser.sweep()
    assert scene.place not in scene.cluster.config_maps


async def test_stop_removes_the_copy() -> None:
    """And comes to nothing: it is run again by anyone who is next."""
    scene = Rehearsals()

    async def stand_still(name: str) -> None:
        if name == "write config map":
            await asyncio.Event().wait()

    scene.cluster.before = stand_still
    scene.begin()
    async with scene.running():
        await turns()
        assert scene.place in scene.cluster.config_maps
    await turns()
    assert scene.cluster.config_maps == {FLAG: scene.flag}
    assert scene.rehearser.outcome(scene.rollout) is None


async def test_run_is_begun_once() -> None:
    """However often it is asked for, before and after it has ended."""
    scene = Rehearsals()
    scene.begin()
    scene.begin()
    await scene.come_to()
    scene.begin()
    async with scene.running():
        await turns()
    assert scene.cluster.calls.count("create config map") == 1


async def test_few_are_run_side_by_side() -> None:
    """Connections are left for those who move flags."""
    scene = Rehearsals()
    standing = []

    async def stand_still(name: str) -> None:
        if name == "create config map":
            standing.append(name)
            await asyncio.Event().wait()

    scene.cluster.before = stand_still
    for number in range(10):
        metadata = scene.rollout.metadata.model_copy(update={"uid": f"uid-{number}"})
        scene.rollout = scene.rollout.model_copy(update={"metadata": metadata})
        scene.cluster.put_rollout(scene.rollout)
        scene.begin()
    async with scene.running():
        await turns()
        assert len(standing) <= 4


async def test_outcome_is_of_one_rollout_and_forgotten_with_it() -> None:
    """Another one of its name has none."""
    scene = Rehearsals()
    assert await scene.come_to() is not None
    assert scene.rehearser.outcome(scene.of_another()) is None
    scene.rehearser.forget(ObjectKey("agents", "memory-sync"))
    assert scene.rehearser.outcome(scene.rollout) is None
