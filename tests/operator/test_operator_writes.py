"""The write protocol on a real API server: every percentage once, whatever happens in between."""

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from tests.support.scene import Scene, Tap, Write, crash, crash_at_each, in_each
from tests.support.testbed import SURELY

pytestmark = [pytest.mark.apiserver, pytest.mark.asyncio(loop_scope="module")]

MOMENTS = [
    (moment, step) for step in ("intent", "apply", "commit") for moment in ("before", "after")
]
ROLE = {"roles": [{"name": "security", "users": ["hudson"]}]}


async def test_plan_without_metrics_is_completed(attended_scene: Scene) -> None:
    """Start, Advance, Complete: each percentage and each history entry once, events posted."""
    scene = attended_scene
    await scene.given_a_rollout(steps=(10, 25, 100))
    status = await scene.then_completed()
    assert scene.percents_written() == [10, 25, 100]
    assert await scene.history() == [
        ("Start", None, 10),
        ("Advance", 10, 25),
        ("Advance", 25, 100),
        ("Complete", 100, 100),
    ]
    assert status["percent"] == 100

    async def events_are_posted() -> bool:
        events = (await scene.get("events", "")) or {}
        return {"Start", "Advance", "Complete"} <= {event["reason"] for event in events["items"]}

    await scene.until(events_are_posted, "an event for every entry of the history")


async def test_every_update_carries_the_version_that_was_judged(attended_scene: Scene) -> None:
    """No write is blind, by the API server's own record."""
    scene = attended_scene
    await scene.given_a_rollout(steps=(10, 100), approvals=ROLE)
    await scene.when_somebody_decides("security", "GO", 100)
    await scene.then_completed()
    await scene.then_request("approvals", f"{scene.name}-100-security", "Used")
    for resource in ("rollouts", "approvals", "configmaps"):
        updates = [event for event in scene.writes(resource) if event["verb"] == "update"]
        assert updates, resource
        for event in updates:
            assert event["requestObject"]["metadata"]["resourceVersion"], event["requestURI"]


async def test_crash_at_any_write_changes_nothing_of_the_outcome(scene: Scene) -> None:
    """The next operator goes on where the crashed one was, at the start and at an advance.

    The create of the ConfigMap is not repeated, nor lost.
    """
    goes_to = {moment: 20 + number for number, moment in enumerate(MOMENTS)}
    starts_at = {moment: 1 + number for number, moment in enumerate(MOMENTS)}
    plans: dict[str, tuple[int, ...]] = {}
    plans |= {named("advance", moment): (10, percent, 100) for moment, percent in goes_to.items()}
    plans |= {named("start", moment): (percent, 100) for moment, percent in starts_at.items()}
    scenes = {name: replace(scene, name=name) for name in plans}
    for name, steps in plans.items():
        await scenes[name].given_a_rollout(steps=steps)
    reached = (*goes_to.items(), *starts_at.items())
    moments = [(moment, Write(step, percent)) for (moment, step), percent in reached]
    async with scene.an_operator_that_crashes(crash_at_each(moments)):
        pass
    async with scene.an_operator():
        await in_each(scenes, Scene.then_completed)
    for name, steps in plans.items():
        assert scenes[name].percents_written() == list(steps), name
        kinds = [kind for kind, _, _ in await scenes[name].history()]
        assert kinds == ["Start", *["Advance"] * (len(steps) - 1), "Complete"], name


def named(what: str, moment: tuple[str, str]) -> str:
    """A Rollout's name that says where its operator crashes."""
    return "-".join((what, *moment))


async def _pause(scene: Scene, _percent: int) -> None:
    await scene.when_the_plan_is_patched(paused=True)


async def _say_no_go(scene: Scene, percent: int) -> None:
    await scene.when_somebody_decides("security", "NO-GO", percent)


async def _change_the_plan(scene: Scene, percent: int) -> None:
    steps = [{"percent": each} for each in (10, percent, 50, 100)]
    await scene.when_the_plan_is_patched(steps=steps)


STOPS = {"pause": _pause, "no-go": _say_no_go, "plan": _change_the_plan}


async def test_intent_found_after_a_stop_is_abandoned(scene: Scene) -> None:
    """A recorded advance that was not applied is asked again, and a positive stop ends it."""
    moments = [(stop, at) for stop in STOPS for at in (("after", "intent"), ("before", "apply"))]
    scenes = {named(*each): replace(scene, name=named(*each)) for each in moments}
    goes_to = dict(zip(scenes, range(20, 20 + len(moments)), strict=True))
    for name, each in scenes.items():
        await each.given_a_rollout(steps=(10, goes_to[name], 100), approvals=ROLE)
    reached = [
        (moment, Write(step, percent))
        for (_, (moment, step)), percent in zip(moments, goes_to.values(), strict=True)
    ]
    async with scene.an_operator_that_crashes(crash_at_each(reached)):
        for name, each in scenes.items():
            await each.when_somebody_decides("security", "GO", goes_to[name])
    abandoned = {}
    for (stop, _), (name, each) in zip(moments, scenes.items(), strict=True):
        abandoned[name] = (await each.status())["pending"]["transitionId"]
        await STOPS[stop](each, goes_to[name])
    async with scene.an_operator():
        for name, each in scenes.items():
            await each.then_at(10)
            found = await each.get("configmaps", each.target)
            assert found is not None
            assert found["metadata"]["annotations"]["surefoot.dev/abandoned"] == abandoned[name]
            assert found["data"][name] == "10"
    for name, each in scenes.items():
        assert set(each.percents_written()) == {10}, name


async def test_applied_transition_is_committed_though_paused_meanwhile(scene: Scene) -> None:
    """What the flag says already is told as it is; the pause holds from there on."""
    goes_to = {("after", "apply"): 25, ("before", "commit"): 26}
    scenes = {named("paused", at): replace(scene, name=named("paused", at)) for at in goes_to}
    moments = [(moment, Write(step, percent)) for (moment, step), percent in goes_to.items()]
    for each, percent in zip(scenes.values(), goes_to.values(), strict=True):
        await each.given_a_rollout(steps=(10, percent, 100))
    async with scene.an_operator_that_crashes(crash_at_each(moments)):
        pass
    for each in scenes.values():
        await each.when_the_plan_is_patched(paused=True)
    async with scene.an_operator():
        for each, percent in zip(scenes.values(), goes_to.values(), strict=True):
            await each.then_at(percent)
            await each.then_phase("Paused")
            await each.when_the_plan_is_patched(paused=None)
            await each.then_completed()
            assert each.percents_written() == [10, percent, 100]


async def test_rollback_recorded_before_a_crash_is_done_after_it(scene: Scene) -> None:
    """A person's ceiling, a crash after the intent: the next operator rolls back."""
    await scene.given_a_rollout(steps=(10, 25, 100), hold={"soak": "1h"})
    async with scene.an_operator_that_crashes(crash("after", "intent", to=0)):
        await scene.then_at(10)
        await scene.when_the_plan_is_patched(rollback={"to": 0, "reason": "bad"})
    async with scene.an_operator():
        await scene.then_at(0)
    assert (await scene.history())[-1] == ("Rollback", 10, 0)
    assert scene.percents_written() == [10, 0]


async def refused(scene: Scene) -> list[dict[str, Any]]:
    """Every write of a ConfigMap that met a conflict."""
    return [each for each in scene.writes("configmaps") if each["responseStatus"]["code"] == 409]


async def test_stale_leader_that_wakes_up_writes_nothing(scene: Scene) -> None:
    """Held between its reads and its write while another abandons: its write must fail."""
    held, release = asyncio.Event(), asyncio.Event()

    async def hold(write: Write) -> None:
        if write == Write("apply", 25):
            held.set()
            await release.wait()

    await scene.given_a_rollout(steps=(10, 25, 100))
    async with scene.an_operator(through=Tap(before=hold).around):
        async with asyncio.timeout(SURELY):
            await held.wait()
        await scene.when_the_plan_is_patched(paused=True)
        async with scene.an_operator():
            await scene.then_at(10)
            release.set()
            await scene.then_phase("Paused")
        await scene.until(partial(refused, scene), "the stale write to be refused")
        await scene.then_at(10)
    assert len(await refused(scene)) == 1
    assert 25 not in scene.percents_written()


async def test_stale_leader_does_not_undo_a_rollback(scene: Scene) -> None:
    """Held before writing 25% while another rolls back to 0: the flag stays at 0."""
    held, release = asyncio.Event(), asyncio.Event()

    async def hold(write: Write) -> None:
        if write == Write("apply", 25):
            held.set()
            await release.wait()

    await scene.given_a_rollout(steps=(10, 25, 100))
    async with scene.an_operator(through=Tap(before=hold).around):
        async with asyncio.timeout(SURELY):
            await held.wait()
        await scene.when_the_plan_is_patched(rollback={"to": 0, "reason": "bad release"})
        async with scene.an_operator():
            await scene.then_at(0)
            release.set()
            await scene.then_phase("RolledBack")
    assert scene.percents_written()[-1] == 0
    assert 25 not in scene.percents_written()


async def test_two_operators_at_once_write_everything_once(scene: Scene) -> None:
    """They conflict, and one of them wins each time."""
    await scene.given_a_rollout(steps=(10, 25, 50, 100))
    async with scene.an_operator(), scene.an_operator():
        await scene.then_completed()
    assert scene.percents_written() == [10, 25, 50, 100]
    assert [kind for kind, _, _ in await scene.history()] == [
        "Start", "Advance", "Advance", "Advance", "Complete",
    ]  # fmt: skip


async def test_graceful_stop_finishes_a_transition_in_flight(scene: Scene) -> None:
    """Asked to stop between intent and apply, the operator applies and commits first."""
    reached = asyncio.Event()

    async def tell(write: Write) -> None:
        if write == Write("apply", 25):
            reached.set()
            await asyncio.sleep(0)

    await scene.given_a_rollout(steps=(10, 25, 100), hold={"soak": "1s"})
    async with scene.an_operator(through=Tap(before=tell).around):
        async with asyncio.timeout(SURELY):
            await reached.wait()
    status = await scene.status()
    assert status["percent"] == 25
    assert "pending" not in status
