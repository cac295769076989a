"""Triggers and providers, with the real Prometheus of the test bed."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from surefoot.adapters.provider_settings import ProviderSettings
from tests.support.scene import Scene, Tap, Write, crash
from tests.support.service import a_service
from tests.support.testbed import SURELY

pytestmark = pytest.mark.apiserver

NOBODY_LISTENS = "http://127.0.0.1:9"


def _asks(scene: Scene, *others: ProviderSettings) -> None:
    default = ProviderSettings(name="default", address=scene.bed.prometheus_url or "")
    scene.providers = (default, *others)


def _breached_from(scene: Scene, percent: int) -> dict[str, object]:
    """A trigger on a metric that is bad: armed by patching its bound."""
    return {
        "metrics": [{"name": "errors", "query": "vector(5)"}],
        "triggers": [{"name": "errors", "above": percent, "settle": "0s"}],
    }


async def test_breach_rolls_back_within_one_interval(scene: Scene) -> None:
    """The trigger fires on the first answer after it is breached; no person is asked."""
    _asks(scene)
    await scene.given_a_rollout(steps=(10, 25, 100), **_breached_from(scene, 100))
    # It stays at 25% for as long as it takes to arm the trigger.
    stays = {"percent": 25, "hold": {"soak": "1h"}}
    await scene.when_the_plan_is_patched(steps=[{"percent": 10}, stays, {"percent": 100}])
    async with scene.an_operator():
        await scene.then_at(25)
        await scene.when_the_plan_is_patched(
            triggers=[{"name": "errors", "above": 1, "settle": "0s"}]
        )

        async def is_rolled_back() -> bool:
            return ("Rollback", 25, 10) in await scene.history()

        # It may be at 0% a moment later: the metric is still bad.
        await scene.until(is_rolled_back, "the rollback from 25%")


async def test_recorded_rollback_needs_no_prometheus(scene: Scene) -> None:
    """A rollback that was recorded is carried out though its provider is gone since."""
    recorded = asyncio.Event()

    async def stop_there(write: Write) -> None:
        if write == Write("apply", 0):
            recorded.set()
            await asyncio.Event().wait()

    _asks(scene)
    await scene.given_a_rollout(steps=(10, 100), hold={"soak": "1h"}, **_breached_from(scene, 100))
    async with scene.an_operator():
        await scene.then_at(10)
    async with scene.an_operator(through=Tap(before=stop_there).around) as second:
        await scene.when_the_plan_is_patched(
            triggers=[{"name": "errors", "above": 1, "settle": "0s"}]
        )
        async with asyncio.timeout(SURELY):
            await recorded.wait()
        second.task.cancel()
        await asyncio.sleep(0)
        second.kill()
    scene.providers = (ProviderSettings(name="default", address=NOBODY_LISTENS),)
    async with scene.an_operator():
        await scene.then_at(0)


async def test_dead_provider_delays_no_other_rollout(scene: Scene) -> None:
    """A Rollout that asks nobody goes its way while another one's provider does not answer."""

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(never, "127.0.0.1", 0) as silent:
        address = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}"
        _asks(
            scene,
            ProviderSettings(name="silent", address=address, timeout=timedelta(seconds=30)),
        )
        waiting = {
            "metrics": [{"name": "errors", "query": "vector(0)", "provider": "silent"}],
            "triggers": [{"name": "errors", "above": 1}],
        }
        await scene.given_a_rollout(steps=(10, 25, 100), **waiting)
        async with scene.an_operator():
            await scene.then_at(10)
            scene.name = "healthy"
            await scene.given_a_rollout(
                steps=(10, 25, 100),
                metrics=[{"name": "errors", "query": "vector(0)"}],
                triggers=[{"name": "errors", "above": 1}],
            )
            await scene.then_completed()
        scene.name = "checkout"
        assert (await scene.status())["percent"] == 10


@pytest.mark.parametrize(("moment", "step"), [("after", "intent"), ("before", "apply")])
async def test_intent_found_after_a_breach_becomes_a_rollback(
    scene: Scene, tmp_path: Path, moment: str, step: str
) -> None:
    """The service goes bad between crash and restart: the recorded advance never happens."""
    with a_service(tmp_path) as service:
        scene.providers = (ProviderSettings(name="default", address=service.prometheus_url),)
        await scene.given_a_rollout(
            steps=(10, 25, 100),
            metrics=[{"name": "errors", "query": "error_rate"}],
            triggers=[{"name": "errors", "above": 1, "settle": "0s"}],
            approvals={"roles": [{"name": "security", "users": ["hudson"]}]},
        )
        async with scene.an_operator_that_crashes(crash(moment, step, to=25)):
            await scene.when_somebody_decides("security", "GO", 25)
        await asyncio.to_thread(service.has_error_rate, 5.0)
        async with scene.an_operator():
            await scene.then_at(0)
    # The second 10 is the mark that abandons the advance: the same data, another version.
    assert scene.percents_written() == [10, 10, 0]
    assert await scene.history() == [("Start", None, 10), ("Rollback", 10, 0)]
