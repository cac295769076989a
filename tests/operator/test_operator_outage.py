"""The API server goes away and comes back. A control plane of its own: the other is shared."""

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from surefoot.testbed.bed import TestBed
from tests.support.crds import CRDS, all_kinds_are_served
from tests.support.scene import MANIFESTS, Scene

pytestmark = pytest.mark.apiserver


@pytest.fixture
def own_scene(tmp_path: Path) -> Iterator[Scene]:
    """A scene on a control plane that this test may stop."""
    with TestBed.start(tmp_path / "bed", prometheus=False) as bed:
        bed.kubectl("apply", "--server-side", "-f", str(CRDS))
        bed.kubectl("wait", "--for=condition=Established", "--timeout=60s", "--all", "crd")
        bed.kubectl("apply", "--server-side", "-k", str(MANIFESTS))
        bed.kubectl("create", "namespace", "shop")
        kubeconfig = bed.kubeconfig_for_service_account("surefoot-system", "surefoot")
        with bed.client() as client:
            yield Scene(bed, client, kubeconfig, "shop")


async def test_operator_outlives_a_restart_of_the_api_server(own_scene: Scene) -> None:
    """It goes on by itself, and what people did meanwhile is seen."""
    scene = own_scene
    await scene.given_a_rollout(steps=(10, 25, 100), paused=True)
    async with scene.an_operator() as acting:
        await scene.then_phase("Paused")
        scene.bed.api_server.stop()
        scene.bed.api_server.start()
        await scene.when_the_plan_is_patched(paused=None)
        await scene.then_completed()
        assert not acting.task.done()
    assert scene.percents_written() == [10, 25, 100]


async def test_crds_may_come_later_than_the_operator(own_scene: Scene) -> None:
    """Without them it waits and says so; once they are there it works."""
    scene = own_scene
    scene.bed.kubectl("delete", "-f", str(CRDS))
    async with scene.an_operator(wait=False) as acting:
        assert acting.operator.health.unready() is not None
        scene.bed.kubectl("apply", "--server-side", "-f", str(CRDS))
        with scene.bed.client() as api:
            await scene.until(partial(asyncio.to_thread, all_kinds_are_served, api), "the kinds")
        await scene.given_a_rollout(steps=(10, 100))
        await scene.then_completed()
