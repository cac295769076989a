"""The write protocol on a real API server: every percentage once, whatever happens in between."""

import asyncio
from typing import Any

import pytest

from tests.support.scene import Scene, Tap, Write, crash

pytestmark = pytest.mark.apiserver

MOMENTS = [
    (moment, step) for step in ("intent", "apply", "commit") for moment in ("before", "after")
]
ROLE = {"roles": [{"name": "security", "users": ["hudson"]}]}


async def test_plan_without_metrics_is_completed(scene: Scene) -> None:
    """Start, Advance, Complete: each percentage and each history entry once, events posted."""
    await scene.given_a_rollout(steps=(10, 25, 100))
    async with scene.an_operator():
        status = await scene.then_completed()
    assert scene.percents_written() == [10, 25, 100]
    assert await scene.history() == [
        ("Start", None, 10),
        ("Advance", 10, 25),
        ("Advance", 25, 100),
        ("Complete", 100, 100),
    ]
    assert status["percent"] == 100
    events = (await scene.get("events", "")) or {}
    assert {event["reason"] for event in events["items"]} >= {"Start", "Advance", "Complete"}


async def test_every_update_carries_the_version_that_was_judged(scene: Scene) -> None:
    """No write is blind, by the API server's own record."""
    await scene.given_a_rollout(steps=(10, 100), approvals=ROLE)
    async with scene.an_operator():
        await scene.when_somebody_decides("security", "GO", 100)
        await scene.then_completed()
        await scene.then_request("approvals", f"{scene.name}-100-security", "Used")
    for resource in ("rollouts", "approvals", "configmaps"):
        updates = [event for event in scene.writes(resource) if event["verb"] == "update"]
        assert updates, resource
        for event in updates:
            assert event["requestObject"]["metadata"]["resourceVersion"], event["requestURI"]


@pytest.mark.parametrize(("moment", "step"), MOMENTS)
async def test_crash_at_any_write_changes_nothing_of_the_outcome(
    scene: Scene, moment: str, step: str
) -> None:
    """The next operator goes on where the crashed one was."""
    await scene.given_a_rollout(steps=(10, 25, 100))
    async with scene.an_operator_that_crashes(crash(moment, step, to=25)):
        pass
    async with scene.an_operator():
        await scene.then_completed()
    assert scene.percents_written() == [10, 25, 100]
    assert [kind for kind, _, _ in await scene.history()] == [
        "Start", "Advance", "Advance", "Complete",
    ]  # fmt: skip


@pytest.mark.parametrize(("moment", "step"), MOMENTS)
async def test_crash_at_the_start(scene: Scene, moment: str, step: str) -> None:
    """The create of the ConfigMap is not repeated, nor lost."""
    await scene.given_a_rollout(steps=(10, 100))
    async with scene.an_operator_that_crashes(crash(moment, step, to=10)):
        pass
    async with scene.an_operator():
        await scene.then_completed()
    assert scene.percents_written() == [10, 100]


async def _pause(scene: Scene) -> None:
    await scene.when_the_plan_is_patched(paused=True)


async def _say_no_go(scene: Scene) -> None:
    await scene.when_somebody_decides("security", "NO-GO", 25)


async def _change_the_plan(scene: Scene) -> None:
    steps = [{"percent": percent} for percent in (10, 25, 50, 100)]
    await scene.when_the_plan_is_patched(steps=steps)


@pytest.mark.parametrize("between", [_pause, _say_no_go, _change_the_plan])
@pytest.mark.parametrize(("moment", "step"), [("after", "intent"), ("before", "apply")])
async def test_intent_found_after_a_stop_is_abandoned(
    scene: Scene, between: Any, moment: str, step: str
) -> None:
    """A recorded advance that was not applied is asked again, and a positive stop ends it."""
    await scene.given_a_rollout(steps=(10, 25, 100), approvals=ROLE)
    async with scene.an_operator_that_crashes(crash(moment, step, to=25)):
        await scene.when_somebody_decides("security", "GO", 25)
    abandoned = (await scene.status())["pending"]["transitionId"]
    await between(scene)
    async with scene.an_operator():
        status = await scene.then_at(10)
        found = await scene.get("configmaps", scene.target)
    assert found is not None
    assert found["metadata"]["annotations"]["surefoot.dev/abandoned"] == abandoned
    assert found["data"][scene.name] == "10"
    assert status["percent"] == 10
    assert 25 not in scene.percents_written()


@pytest.mark.parametrize(("moment", "step"), [("after", "apply"), ("before", "commit")])
async def test_applied_transition_is_committed_though_paused_meanwhile(
    scene: Scene, moment: str, step: str
) -> None:
    """What the flag says already is told as it is; the pause holds from there on."""
    await scene.given_a_rollout(steps=(10, 25, 100))
    async with scene.an_operator_that_crashes(crash(moment, step, to=25)):
        pass
    await scene.when_the_plan_is_patched(paused=True)
    async with scene.an_operator():
        await scene.then_at(25)
        await scene.then_phase("Paused")
        await scene.when_the_plan_is_patched(paused=None)
        await scene.then_completed()
    assert scene.percents_written() == [10, 25, 100]


async def test_rollback_recorded_before_a_crash_is_done_after_it(scene: Scene) -> None:
    """A person's ceiling, a crash after the intent: the next operator rolls back."""
    hold = {"soak": "1h"}
    await scene.given_a_rollout(steps=(10, 25, 100), hold=hold)
    await scene.when_the_plan_is_patched(rollback={"to": 0, "reason": "bad"})
    async with scene.an_operator():
        await scene.then_condition("NotRolledBack", "False")
    await scene.when_the_plan_is_patched(rollback=None)
    async with scene.an_operator():
        await scene.then_at(10)
    async with scene.an_operator_that_crashes(crash("after", "intent", to=0)):
        await scene.when_the_plan_is_patched(rollback={"to": 0, "reason": "bad"})
    async with scene.an_operator():
        await scene.then_at(0)
    assert (await scene.history())[-1] == ("Rollback", 10, 0)
    assert scene.percents_written() == [10, 0]


async def test_stale_leader_that_wakes_up_writes_nothing(scene: Scene) -> None:
    """Held between its reads and its write while another abandons: its write must fail."""
    held, release = asyncio.Event(), asyncio.Event()

    async def hold(write: Write) -> None:
        if write == Write("apply", 25):
            held.set()
            await release.wait()

    await scene.given_a_rollout(steps=(10, 25, 100))
    async with scene.an_operator(through=Tap(before=hold).around):
        async with asyncio.timeout(60):
            await held.wait()
        await scene.when_the_plan_is_patched(paused=True)
        async with scene.an_operator():
            await scene.then_at(10)
            release.set()
            await scene.then_phase("Paused")
        refused = [
            event for event in scene.writes("configmaps") if event["responseStatus"]["code"] == 409
        ]
        assert len(refused) == 1
        await scene.then_at(10)
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
        async with asyncio.timeout(60):
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
        async with asyncio.timeout(60):
            await reached.wait()
    status = await scene.status()
    assert status["percent"] == 25
    assert "pending" not in status
