"""What happens to the API server itself, or to its kinds: on a control plane that is not shared."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from surefoot.adapters.provider_settings import ProviderSettings
from surefoot.testbed.bed import TestBed
from tests.support.crds import CRDS, all_kinds_are_served
from tests.support.scene import JSON, MANIFESTS, Scene, in_each
from tests.support.service import Service, a_service, query_of
from tests.support.testbed import SURELY, new_namespace, wait_until

pytestmark = pytest.mark.apiserver

PREVIOUS = Path(__file__).parents[2] / "deploy" / "baseline"
APPROVALS = "crd/approvals.surefoot.dev"
SOAKING: JSON = {"soak": "1h"}
INTERVAL = 5.0
"""Seconds of an evaluation interval where nothing waits for one."""
AN_HOUR = 3600.0
"""Seconds between sweeps where a test shows that nothing waits for one."""


@pytest.fixture(scope="module")
def own_bed() -> Iterator[TestBed]:
    """A control plane that a test may stop, and whose CRDs it may change or delete."""
    with TestBed.start(prometheus=False) as bed:
        bed.kubectl("apply", "--server-side", "-k", str(MANIFESTS))
        yield bed


@pytest.fixture
def own_scene(own_bed: TestBed) -> Iterator[Scene]:
    """A stage on it. The CRDs are as shipped before each test."""
    given_todays_crds(own_bed)
    kubeconfig = own_bed.kubeconfig_for_service_account("surefoot-system", "surefoot")
    with own_bed.client() as client:
        wait_until(lambda: all_kinds_are_served(client), SURELY, "surefoot.dev to be served")
        yield Scene(own_bed, client, kubeconfig, new_namespace(client))


def given_todays_crds(bed: TestBed) -> None:
    """Install the CRDs as shipped, over whatever there is."""
    bed.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRDS))


def signed_by(*roles: str) -> JSON:
    """A sign-off of every step by these roles."""
    return {"roles": [{"name": role, "users": [role]} for role in roles], "opens": "Step"}


async def then_asked(scene: Scene, role: str) -> None:
    """Wait until this role is asked for the step to 100%."""
    name = f"{scene.name}-100-{role}"
    await scene.until(lambda: scene.get("approvals", name), name)


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
        given_todays_crds(scene.bed)
        with scene.bed.client() as api:
            await scene.until(partial(asyncio.to_thread, all_kinds_are_served, api), "the kinds")
        # What is served at first may be the kinds of before, which take nothing any more.
        await scene.until(partial(scene.given_a_rollout, steps=(10, 100)), "the plan to be taken")
        await scene.then_completed()


WILD_DATES = {
    "hudson": "9999-12-31T23:59:59-05:00",
    "cora": "0000-01-01T00:00:00Z",
    "forge": "2026-03-01T00:00:00+99:59",
}


async def test_flag_comes_down_over_dates_that_the_previous_schema_took(own_scene: Scene) -> None:
    """The operator starts over them, goes on with another Rollout, and lowers each one's flag."""
    scenes = {role: replace(own_scene, name=f"signed-{role}") for role in WILD_DATES}
    for role, each in scenes.items():
        await each.given_a_rollout(steps=(10, 100), hold={"approvals": signed_by(role)})
    async with own_scene.an_operator():
        for role, each in scenes.items():
            await each.then_at(10)
            await then_asked(each, role)
    crd = (PREVIOUS / "approvals.json").read_text()
    own_scene.bed.kubectl("replace", "-f", "-", stdin=crd)
    for role, date in WILD_DATES.items():
        said = {"decision": "GO", "reason": "a test", "decidedBy": {"username": role}}
        signature = {"value": "-----BEGIN SSH SIGNATURE-----", "expiresAt": date}
        change = {"spec": said | {"signature": signature}}
        # The API server refuses it while it does not know the schema yet.
        await own_scene.until(partial(is_stored, scenes[role], role, change), date)
    given_todays_crds(own_scene.bed)
    async with own_scene.an_operator(interval=INTERVAL, sweep_every=AN_HOUR):
        await in_each(scenes, Scene.then_judged)
        healthy = replace(own_scene, name="healthy")
        await healthy.given_a_rollout(steps=(10, 100))
        await healthy.then_completed()
        for each in scenes.values():
            await each.when_the_plan_is_patched(rollback={"to": 0})
        await in_each(scenes, Scene.then_lowered)
    for each in scenes.values():
        await each.then_wrote(10, 0)


async def is_stored(scene: Scene, role: str, change: JSON) -> JSON:
    """What the API server stored."""
    return await scene.patch("approvals", f"{scene.name}-100-{role}", change)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Metrics that can be made bad, and a Prometheus that has them."""
    with a_service(tmp_path_factory.mktemp("service")) as service:
        yield service


async def test_flag_comes_down_without_the_kind_of_the_approvals(
    own_scene: Scene, service: Service
) -> None:
    """Its CRD is deleted while an operator runs, and then another one is started without it."""
    scene = own_scene
    scene.providers = (ProviderSettings(name="default", address=service.prometheus_url),)
    hold = SOAKING | {"approvals": signed_by("hudson")}
    names = ("asked", "fires", "asked-later", "fires-later")
    scenes = {name: replace(scene, name=name) for name in names}
    for name, each in scenes.items():
        await asyncio.to_thread(service.has_error_rate, 0.0, name)
        trigger = {"name": "errors", "above": 1, "settle": "0s"}
        metric = {"name": "errors", "query": query_of(name)}
        await each.given_a_rollout(steps=(10, 100), hold=hold, metrics=[metric], triggers=[trigger])
    async with scene.an_operator(interval=1.0, sweep_every=AN_HOUR):
        for each in scenes.values():
            await each.then_at(10)
            await then_asked(each, "hudson")
        await asyncio.to_thread(scene.bed.kubectl, "delete", APPROVALS)
        await scene.until(partial(has_no_approvals, scene), "the Approvals to be gone")
        await then_come_down(service, scenes["asked"], scenes["fires"])
    async with scene.an_operator(interval=1.0, sweep_every=AN_HOUR):
        await then_come_down(service, scenes["asked-later"], scenes["fires-later"])
    for each in scenes.values():
        await each.then_wrote(10, 0)


async def has_no_approvals(scene: Scene) -> bool:
    """Whether they are served no longer."""
    answer = await scene._send("GET", scene._path("approvals"))
    return answer.status_code == 404


async def then_come_down(service: Service, asked: Scene, fires: Scene) -> None:
    """A person asks for one, and the other's metric goes bad."""
    await asked.when_the_plan_is_patched(rollback={"to": 0, "reason": "a test"})
    await asyncio.to_thread(service.has_error_rate, 5.0, fires.name)
    for each in (asked, fires):
        await each.then_lowered()
