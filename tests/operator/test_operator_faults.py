"""What a hostile review found, on a real API server: no other way up, and a way down in any case.

The flag never moves past the checks (the first part), and nothing that somebody writes, deletes or
breaks keeps a rollback from lowering it (the second part).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from surefoot.adapters.provider_settings import ProviderSettings
from surefoot.adapters.settings import AdmissionMode
from surefoot.testbed.bed import TestBed
from tests.support.broken_api import (
    BrokenApi,
    Fault,
    answers_404,
    answers_500,
    answers_html,
    hangs,
)
from tests.support.crds import CRDS, all_kinds_are_served
from tests.support.scene import JSON, MANIFESTS, Scene, Tap, Write, crash
from tests.support.service import Service, a_service
from tests.support.testbed import wait_until

pytestmark = pytest.mark.apiserver

PREVIOUS = Path(__file__).parents[1] / "contract" / "previous"
SOAKING: JSON = {"soak": "1h"}
INTERVAL = 5.0
"""Seconds of an evaluation interval here: so long that a busy machine does not matter."""
AN_HOUR = 3600.0
"""Seconds between sweeps where a test shows that nothing waits for one."""
APPROVALS = "crd/approvals.surefoot.dev"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A metric that can be made bad, and a Prometheus that has it."""
    with a_service(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture
def healthy(service: Service, scene: Scene) -> Service:
    """The service, well, and known to the operators of the scene."""
    service.has_error_rate(0.0)
    scene.providers = (ProviderSettings(name="default", address=service.prometheus_url),)
    return service


@pytest.fixture(scope="module")
def spoilt() -> Iterator[TestBed]:
    """A control plane whose CRDs a test may change or delete; it puts them back."""
    with TestBed.start(prometheus=False) as bed:
        bed.kubectl("apply", "--server-side", "-k", str(MANIFESTS))
        with bed.client() as api:
            given_todays_crds(bed)
            wait_until(lambda: all_kinds_are_served(api), 60, "surefoot.dev to be served")
        yield bed


@pytest.fixture
def spoilt_scene(spoilt: TestBed, service: Service) -> Iterator[Scene]:
    """A stage on it. The CRDs are as shipped before and after."""
    kubeconfig = spoilt.kubeconfig_for_service_account("surefoot-system", "surefoot")
    service.has_error_rate(0.0)
    with spoilt.client() as client:
        made = client.post("/api/v1/namespaces", json={"metadata": {"generateName": "test-"}})
        name: str = made.raise_for_status().json()["metadata"]["name"]
        scene = Scene(spoilt, client, kubeconfig, name)
        scene.providers = (ProviderSettings(name="default", address=service.prometheus_url),)
        yield scene
        given_todays_crds(spoilt)
        wait_until(lambda: all_kinds_are_served(client), 60, "surefoot.dev to be served")


def given_todays_crds(bed: TestBed) -> None:
    """Install the CRDs as shipped, over whatever there is."""
    bed.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRDS))


def a_trigger(action: str = "Rollback") -> JSON:
    """A trigger on the service's metric, and the metric."""
    return {
        "metrics": [{"name": "errors", "query": "error_rate"}],
        "triggers": [{"name": "errors", "above": 1, "settle": "0s", "action": action}],
    }


def signed_by(*roles: str) -> JSON:
    """A sign-off of every step by these roles."""
    return {"roles": [{"name": role, "users": [role]} for role in roles], "opens": "Step"}


async def then_blocked_by(scene: Scene, condition: str, reason: str) -> JSON:
    """Wait until the present plan is judged, and this is in its way; answer with the status."""

    async def is_blocked() -> JSON | None:
        rollout = await scene.get("rollouts", scene.name) or {}
        status: JSON = rollout.get("status", {})
        found = {(each["condition"], each["reason"]) for each in status.get("blockedBy", ())}
        is_judged = status.get("observedGeneration") == rollout["metadata"]["generation"]
        assert (condition, reason) in found, status
        return status if is_judged else None

    return dict(await scene.until(is_blocked, f"{condition}={reason} to block"))


async def then_another_rollout_goes_on(scene: Scene) -> None:
    """What ails one Rollout is nothing to another of the same namespace."""
    ill, scene.name = scene.name, "healthy"
    await scene.given_a_rollout(steps=(10, 100))
    await scene.then_completed()
    scene.name = ill


async def then_lowered(scene: Scene) -> None:
    """Wait until the ConfigMap says 0, for at most two evaluation intervals."""

    async def is_lowered() -> bool:
        found = await scene.get("configmaps", scene.target)
        return found is not None and found["data"][scene.name] == "0"

    await scene.until(is_lowered, f"{scene.name} to be lowered", within=2 * INTERVAL)


# A. No other way up


@pytest.mark.parametrize(
    ("spec", "admission", "reason"),
    [
        ({"paused": True}, AdmissionMode.UNENFORCED, ("NotPaused", "Paused")),
        ({"steps": (0, 100)}, AdmissionMode.UNENFORCED, None),
        ({}, AdmissionMode.ENFORCED, ("AdmissionEnforced", None)),
    ],
    ids=["paused", "first step of 0", "admission not enforced"],
)
async def test_planted_config_map_is_never_committed(
    scene: Scene,
    spec: dict[str, Any],
    admission: AdmissionMode,
    reason: tuple[str, str | None] | None,
) -> None:
    """Somebody writes the Rollout's uid and any id on an object of their own, at 100%."""
    rollout = await scene.given_a_rollout(**spec)
    annotations = {
        "surefoot.dev/rollout": scene.name,
        "surefoot.dev/rollout-uid": rollout["metadata"]["uid"],
        "surefoot.dev/transition-id": "0123456789abcdef0123",
    }
    planted = {"metadata": {"name": scene.target, "annotations": annotations}}
    found = await scene.create("configmaps", planted | {"data": {scene.name: "100"}})
    async with scene.an_operator(admission=admission):
        status = await then_blocked_by(scene, "PlanValid", "ConfigMapExists")
    assert "percent" not in status
    assert status.get("history", []) == []
    assert await scene.get("configmaps", scene.target) == found
    assert scene.writes("configmaps") == []
    blockers = {each["condition"] for each in status["blockedBy"]}
    assert reason is None or reason[0] in blockers


async def test_no_go_on_a_first_step_of_0_is_not_escaped_by_deleting_it(scene: Scene) -> None:
    """The first step is then 10, and to go there asks for the NO-GO all the same."""
    first = {"percent": 0, "hold": {"approvals": signed_by("hudson")}}
    await scene.given_a_rollout(steps=(0, 10, 100), hold=SOAKING)
    await scene.when_the_plan_is_patched(steps=[first, {"percent": 10}, {"percent": 100}])
    async with scene.an_operator():
        await scene.then_at(0)
        await scene.when_somebody_decides("hudson", "NO-GO", 10)
        await then_blocked_by(scene, "Approved", "NoGo")
        await scene.when_the_plan_is_patched(steps=[{"percent": 10}, {"percent": 100}])
        await then_blocked_by(scene, "Approved", "NoGo")
    assert scene.percents_written() == [0]


async def test_no_go_of_a_report_is_not_escaped_by_11_instead_of_10(scene: Scene) -> None:
    """Rolled back to 0, attempted again, and one percent more than was reported on."""
    report = {"name": "hour-48", "reporter": {"users": ["atlas"]}}
    hold = {"checkpoints": [report]}
    steps = [{"percent": 10, "hold": hold}, {"percent": 100}]
    await scene.given_a_rollout(hold=SOAKING)
    await scene.when_the_plan_is_patched(steps=steps)
    async with scene.an_operator():
        await scene.then_at(10)
        name = f"{scene.name}-10-hour-48"
        await scene.until(lambda: scene.get("checkpoints", name), name)
        said = {"decision": "NO-GO", "summary": "errors", "decidedBy": {"username": "atlas"}}
        await scene.patch("checkpoints", name, {"spec": said})
        await scene.then_request("checkpoints", name, "NoGo")
        await scene.when_the_plan_is_patched(rollback={"to": 0})
        await scene.then_at(0)
        steps = [{"percent": 11, "hold": hold}, {"percent": 100}]
        await scene.when_the_plan_is_patched(rollback=None, attempt=1, steps=steps)
        await then_blocked_by(scene, "CheckpointsPassed", "NoGo")
    assert scene.percents_written() == [10, 0]


@pytest.mark.parametrize("moment", ["after", "before"])
async def test_adoption_does_not_turn_on_what_was_turned_off_meanwhile(
    scene: Scene, moment: str
) -> None:
    """Recorded at 50, and the unmanaged flag is turned off between the intent and the write."""
    off = asyncio.Event()

    async def turn_off(write: Write) -> None:
        if write == Write("intent" if moment == "after" else "apply", 50) and not off.is_set():
            off.set()
            await scene.when_somebody_changes_the_flag("0")

    annotations = {"surefoot.dev/adopt": scene.name}
    offered = {"metadata": {"name": scene.target, "annotations": annotations}}
    await scene.create("configmaps", offered | {"data": {scene.name: "50"}})
    await scene.given_a_rollout(steps=(10, 50, 100), hold=SOAKING)
    tap = Tap(after=turn_off) if moment == "after" else Tap(before=turn_off)
    async with scene.an_operator(through=tap.around):
        await scene.then_at(10)
    assert off.is_set()
    assert [to for _, _, to in await scene.history()] == [0, 10]
    assert set(scene.percents_written()) == {0, 10}


async def test_recorded_advance_does_not_outlive_a_trigger_that_fired_while_nobody_looked(
    scene: Scene, healthy: Service
) -> None:
    """It fired and ended while the operator was down; what was recorded is not applied later."""
    await scene.given_a_rollout(
        steps=(10, 50, 100), approvals=signed_by("hudson"), **a_trigger("Hold")
    )
    async with scene.an_operator_that_crashes(crash("after", "intent", to=50)):
        await scene.then_at(10)
        await scene.when_somebody_decides("hudson", "GO", 50)
    await asyncio.to_thread(healthy.has_error_rate, 5.0)
    await asyncio.to_thread(healthy.has_had_error_rate, 5.0, "2s")
    await asyncio.to_thread(healthy.has_error_rate, 0.0)
    async with scene.an_operator():
        await scene.then_request("approvals", f"{scene.name}-50-hudson", "Void")
        await scene.when_somebody_decides("hudson-r2", "GO", 50)
        await scene.then_at(50)
        await scene.then_request("approvals", f"{scene.name}-50-hudson-r2", "Used")
        entry = (await scene.status())["history"][-1]
    assert [each["name"] for each in entry["evidence"]["decisions"]] == [
        f"{scene.name}-50-hudson-r2"
    ]
    assert scene.percents_written()[-1] == 50


# B. A way down in any case: what people may write

Spoil = Callable[[Scene], Awaitable[None]]


def a_halt(until: str) -> Spoil:
    """Halt the namespace until then."""

    async def halt(scene: Scene) -> None:
        data = {"reason": "a test", "by": "hudson", "until": until}
        await scene.create("configmaps", {"metadata": {"name": "surefoot-halt"}, "data": data})

    return halt


def a_decision(reason: str) -> Spoil:
    """Decide one of the two requests that are open."""

    async def decide(scene: Scene) -> None:
        said = {"decision": "GO", "reason": reason, "decidedBy": {"username": "hudson"}}
        await scene.patch("approvals", f"{scene.name}-100-hudson", {"spec": said})

    return decide


def an_annotation(name: str, text: str) -> Spoil:
    """Annotate the Rollout, and change its plan: the requests that name people open again."""

    async def annotate(scene: Scene) -> None:
        change: JSON = {"metadata": {"annotations": {f"surefoot.dev/{name}": text}}}
        change["spec"] = {"steps": [{"percent": 10}, {"percent": 90}, {"percent": 100}]}
        await scene.patch("rollouts", scene.name, change)

    return annotate


WINDOW = {"schedule": {"windows": [{"days": ["Mon"], "from": "09:00", "to": "10:00"}]}}
END_OF_TIME = "9999-12-31T23:59:59Z"
WRITTEN: dict[str, tuple[Spoil, JSON]] = {
    "separator as reason": (a_decision("\u001f"), {}),
    "halt to the end of time": (a_halt(END_OF_TIME), {}),
    "halt to the end of time, and a schedule": (a_halt(END_OF_TIME), WINDOW),
    "halt to the end of time in the west, and a schedule": (
        a_halt("9999-12-31T23:59:59-14:00"),
        WINDOW,
    ),
    "halt from before time": (a_halt("0001-01-01T00:00:00+14:00"), WINDOW),
    "on behalf of a long name": (an_annotation("on-behalf-of", "x" * 300), {}),
    "author with a long name": (an_annotation("authors", "x" * 5000), {}),
    "many authors": (
        an_annotation("authors", ",".join(f"author-{number}" for number in range(300))),
        {},
    ),
}


@pytest.mark.parametrize("case", WRITTEN)
async def test_flag_comes_down_whatever_is_written(scene: Scene, case: str) -> None:
    """An operator that is started over it judges the Rollout, lowers the flag, and says so."""
    spoil, spec = WRITTEN[case]
    hold = {"approvals": signed_by("hudson", "cora")}
    await scene.given_a_rollout(steps=(10, 100), hold=hold, **spec)
    async with scene.an_operator():
        await scene.then_at(10)
        for role in ("hudson", "cora"):
            await then_asked(scene, role)
    await spoil(scene)
    async with scene.an_operator(interval=INTERVAL, sweep_every=AN_HOUR):
        await then_judged(scene)
        await scene.when_the_plan_is_patched(rollback={"to": 0, "reason": "a test"})
        await then_lowered(scene)
        await scene.then_at(0)
    assert scene.percents_written() == [10, 0]


WILD_DATES = {
    "hudson": "9999-12-31T23:59:59-05:00",
    "cora": "0000-01-01T00:00:00Z",
    "forge": "2026-03-01T00:00:00+99:59",
}


async def test_flag_comes_down_over_dates_that_the_previous_schema_took(
    spoilt_scene: Scene,
) -> None:
    """The operator starts over them, goes on with another Rollout, and lowers this one's flag."""
    scene = spoilt_scene
    await scene.given_a_rollout(steps=(10, 100), hold={"approvals": signed_by(*WILD_DATES)})
    async with scene.an_operator():
        await scene.then_at(10)
        for role in WILD_DATES:
            await then_asked(scene, role)
    crd = (PREVIOUS / "approvals.json").read_text()
    scene.bed.kubectl("replace", "-f", "-", stdin=crd)
    for role, date in WILD_DATES.items():
        said = {"decision": "GO", "reason": "a test", "decidedBy": {"username": role}}
        signature = {"value": "-----BEGIN SSH SIGNATURE-----", "expiresAt": date}
        change = {"spec": said | {"signature": signature}}
        await scene.until(partial(stored, scene, role, change), date)
    given_todays_crds(scene.bed)
    async with scene.an_operator(interval=INTERVAL, sweep_every=AN_HOUR):
        await then_judged(scene)
        await then_another_rollout_goes_on(scene)
        await scene.when_the_plan_is_patched(rollback={"to": 0})
        await then_lowered(scene)
    assert scene.percents_written() == [10, 0]


async def then_asked(scene: Scene, role: str) -> None:
    """Wait until this role is asked for the step to 100%."""
    name = f"{scene.name}-100-{role}"
    await scene.until(lambda: scene.get("approvals", name), name)


async def stored(scene: Scene, role: str, change: JSON) -> JSON:
    """What the API server stored; it refuses while it does not know the schema yet."""
    return await scene.patch("approvals", f"{scene.name}-100-{role}", change)


async def then_judged(scene: Scene) -> None:
    """Wait until the operator has judged the present plan."""

    async def is_judged() -> bool:
        rollout = await scene.get("rollouts", scene.name) or {}
        status = rollout.get("status", {})
        return bool(status.get("observedGeneration") == rollout["metadata"]["generation"])

    await scene.until(is_judged, "the plan to be judged")


# B. A way down in any case: what is gone or broken


def a_request(scene: Scene, _service: Service) -> Awaitable[None]:
    """A person asks."""
    return scene.when_the_plan_is_patched(rollback={"to": 0, "reason": "a test"})


def a_breach(_scene: Scene, service: Service) -> Awaitable[None]:
    """The trigger's metric goes bad."""
    return asyncio.to_thread(service.has_error_rate, 5.0)


REASONS = pytest.mark.parametrize("reason", [a_request, a_breach])


async def when_the_crd_is_deleted(scene: Scene) -> None:
    """Delete the CRD of the Approvals, and wait until they are served no longer."""
    await asyncio.to_thread(scene.bed.kubectl, "delete", APPROVALS)

    async def is_gone() -> bool:
        answer = await scene._send("GET", scene._path("approvals"))
        return answer.status_code == 404

    await scene.until(is_gone, "the Approvals to be gone")


@REASONS
@pytest.mark.parametrize("started", ["before", "after"])
async def test_flag_comes_down_without_the_kind_of_the_approvals(
    spoilt_scene: Scene,
    service: Service,
    reason: Callable[[Scene, Service], Awaitable[None]],
    started: str,
) -> None:
    """Its CRD is deleted while the operator runs, or before it is started."""
    scene = spoilt_scene
    hold = SOAKING | {"approvals": signed_by("hudson")}
    await scene.given_a_rollout(steps=(10, 100), hold=hold, **a_trigger())
    async with scene.an_operator(interval=INTERVAL, sweep_every=AN_HOUR):
        await scene.then_at(10)
        if started == "before":
            await when_the_crd_is_deleted(scene)
            await reason(scene, service)
            await then_lowered(scene)
    if started == "after":
        await when_the_crd_is_deleted(scene)
        async with scene.an_operator(interval=INTERVAL, sweep_every=AN_HOUR):
            await reason(scene, service)
            await then_lowered(scene)
    assert scene.percents_written() == [10, 0]


NOT_NEEDED = {
    "approvals": "/approvals",
    "checkpoints": "/checkpoints",
    "halts": "surefoot-halt",
    "policies": "/admissionregistration.k8s.io/",
    "namespaces": "/api/v1/namespaces/{namespace}?",
    "CRDs": "/customresourcedefinitions",
    "discovery": "/apis/surefoot.dev/v1alpha1?",
    "an upstream": "/rollouts/upstream",
    "allowed signers": "surefoot-allowed-signers",
}
"""What is read of the API server, and what a rollback does not need."""
FAULTS = pytest.mark.parametrize("fault", [answers_500, answers_404, answers_html, hangs])


@FAULTS
async def test_flag_comes_down_whatever_part_of_the_api_is_broken(
    scene: Scene, healthy: Service, tmp_path: Path, fault: Fault
) -> None:
    """One part after the other breaks, and each time a person asks for a rollback."""
    hold = SOAKING | {"approvals": signed_by("hudson")}
    names = [f"without-{part.replace(' ', '-').lower()}" for part in NOT_NEEDED]
    async with BrokenApi.before(scene, tmp_path) as api:
        async with scene.an_operator(interval=INTERVAL, sweep_every=1.0):
            for scene.name in names:
                await scene.given_a_rollout(steps=(10, 100), hold=hold)
            for scene.name in names:
                await scene.then_at(10)
            kept_up = []
            for scene.name, part in zip(names, NOT_NEEDED.values(), strict=True):
                api.breaks(part.format(namespace=scene.namespace), fault)
                await a_request(scene, healthy)
                try:
                    await then_lowered(scene)
                except pytest.fail.Exception as error:
                    kept_up.append(str(error))
                api.is_mended()
        assert kept_up == []


@pytest.mark.parametrize(
    ("part", "fault"),
    [
        ("CRDs", answers_500),
        ("CRDs", answers_404),
        ("CRDs", hangs),
        ("discovery", answers_html),
        ("discovery", hangs),
        ("approvals", hangs),
    ],
)
async def test_flag_comes_down_by_an_operator_that_starts_while_it_is_broken(
    scene: Scene, healthy: Service, tmp_path: Path, part: str, fault: Fault
) -> None:
    """It has never seen this part whole; the watches it needs are begun all the same."""
    hold = SOAKING | {"approvals": signed_by("hudson")}
    await scene.given_a_rollout(steps=(10, 100), hold=hold)
    async with scene.an_operator():
        await scene.then_at(10)
    async with BrokenApi.before(scene, tmp_path) as api:
        api.breaks(NOT_NEEDED[part], fault)
        async with scene.an_operator(interval=INTERVAL, sweep_every=AN_HOUR):
            await scene.until(api.was_asked, "the fault to be met")
            await a_request(scene, healthy)
            await then_lowered(scene)
