"""What a hostile review found, on a real API server: there is no other way up.

The flag never moves past the checks. That nothing keeps it from coming down is shown in
`test_operator_way_down.py` and `test_operator_own_bed.py`.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from surefoot.adapters.provider_settings import ProviderSettings
from surefoot.adapters.settings import AdmissionMode
from tests.support.broken_api import BrokenApi, Fault, answers_500, hangs
from tests.support.scene import JSON, Scene, Tap, Write, crash_at_each, in_each
from tests.support.service import Service, a_service, query_of

pytestmark = pytest.mark.apiserver

SOAKING: JSON = {"soak": "1h"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A metric that can be made bad, and a Prometheus that has it."""
    with a_service(tmp_path_factory.mktemp("service")) as service:
        yield service


def signed_by(*roles: str) -> JSON:
    """A sign-off of every step by these roles."""
    return {"roles": [{"name": role, "users": [role]} for role in roles], "opens": "Step"}


def named(scene: Scene, *names: str) -> dict[str, Scene]:
    """A Rollout of each name, in one namespace."""
    return {name: replace(scene, name=name) for name in names}


# A planted ConfigMap

WAITING: dict[str, JSON] = {
    "free": {},
    "paused": {"paused": True},
    "first-step-of-0": {"steps": (0, 100)},
    "waits-for-another": {"dependsOn": [{"rollout": "nobody"}]},
    "asks-people": {"hold": SOAKING | {"approvals": signed_by("hudson")}},
}
"""Plans of which none may begin at 100%, and what makes the Rollout wait."""


async def when_somebody_plants_it(scene: Scene) -> JSON:
    """Write the Rollout's uid and any id on an object of one's own, with the first flag at 100."""
    rollout = await scene.get("rollouts", scene.name) or {}
    annotations = {
        "surefoot.dev/rollout": scene.name,
        "surefoot.dev/rollout-uid": rollout["metadata"]["uid"],
        "surefoot.dev/transition-id": "0123456789abcdef0123",
    }
    planted = {"metadata": {"name": scene.target, "annotations": annotations}}
    return await scene.create("configmaps", planted | {"data": {scene.name: "100"}})


async def test_planted_config_map_is_never_committed(scene: Scene) -> None:
    """Neither where it lay there before the operator came, nor where it comes while one waits."""
    scenes = named(scene, *WAITING, "late")
    for name, spec in (WAITING | {"late": {"paused": True}}).items():
        target = {"configMapName": f"{name}-flags", "flags": [name, "another"]}
        await scenes[name].given_a_rollout(target=target, **spec)
    found = {name: await when_somebody_plants_it(scenes[name]) for name in WAITING}

    async def is_refused(each: Scene) -> None:
        status = await each.then_blocked_by("PlanValid", "ConfigMapExists")
        assert "percent" not in status
        assert status.get("history", []) == []
        assert await each.get("configmaps", each.target) == found[each.name]

    async with scene.an_operator():
        await scenes["late"].then_phase("Paused")
        found["late"] = await when_somebody_plants_it(scenes["late"])
        await scenes["late"].when_the_plan_is_patched(paused=None)
        await in_each(scenes, is_refused)
    async with scene.an_operator(admission=AdmissionMode.ENFORCED):
        for each in scenes.values():
            await each.then_condition("AdmissionEnforced", "False")
        await in_each(scenes, is_refused)
    assert scene.writes("configmaps") == []


# A NO-GO


@pytest.mark.parametrize("said_by", ["signature", "report"])
async def test_no_go_on_a_first_step_of_0_is_not_escaped(scene: Scene, said_by: str) -> None:
    """Not by deleting that step, nor by making another percentage of it, nor by asking nobody."""
    people: dict[str, JSON] = {
        "signature": {"approvals": signed_by("hudson")},
        "report": {"checkpoints": [{"name": "ready", "reporter": {"users": ["atlas"]}}]},
    }
    plans = {
        "deleted": (10, 100),
        "another": (5, 10, 100),
        "asks-nobody": (0, 10, 100),
    }
    scenes = named(scene, *plans)
    steps: list[JSON] = [{"percent": 0, "hold": people[said_by]}, {"percent": 10}, {"percent": 100}]
    for each in scenes.values():
        await each.given_a_rollout(hold=SOAKING)
        await each.when_the_plan_is_patched(steps=steps)
    condition = "Approved" if said_by == "signature" else "CheckpointsPassed"
    async with scene.an_operator():
        for each in scenes.values():
            await each.then_at(0)
            if said_by == "signature":
                await each.when_somebody_decides("hudson", "NO-GO", 10)
            else:
                await each.when_somebody_reports("ready", "NO-GO", 0)
            await each.then_blocked_by(condition, "NoGo")
            plan = [{"percent": percent} for percent in plans[each.name]]
            await each.when_the_plan_is_patched(steps=plan)
        await in_each(scenes, lambda each: each.then_blocked_by(condition, "NoGo"))
    assert {name: each.percents_written() for name, each in scenes.items()} == {
        name: [0] for name in scenes
    }


async def test_no_go_of_a_report_is_not_escaped_by_another_percentage(scene: Scene) -> None:
    """Rolled back to 0, attempted again, and not to the percentage that was reported on.

    To less than that it may go, and not on from there.
    """
    report = {"name": "hour-48", "reporter": {"users": ["atlas"]}}
    another = report | {"name": "hour-24"}
    plans: dict[str, tuple[int, JSON]] = {
        "more": (11, report),
        "less": (9, report),
        "much-more": (60, report),
        "another-report": (11, another),
    }
    scenes = named(scene, *plans)
    steps = [{"percent": 10, "hold": {"checkpoints": [report]}}, {"percent": 100}]
    for each in scenes.values():
        await each.given_a_rollout(hold=SOAKING)
        await each.when_the_plan_is_patched(steps=steps)
    async with scene.an_operator():
        for each in scenes.values():
            await each.then_at(10)
            await each.when_somebody_reports("hour-48", "NO-GO", 10)
            await each.then_request("checkpoints", f"{each.name}-10-hour-48", "NoGo")
            await each.when_the_plan_is_patched(rollback={"to": 0})
        for name, (percent, asked) in plans.items():
            await scenes[name].then_at(0)
            steps = [{"percent": percent, "hold": {"checkpoints": [asked]}}, {"percent": 100}]
            await scenes[name].when_the_plan_is_patched(rollback=None, attempt=1, steps=steps)
        await in_each(scenes, lambda each: each.then_blocked_by("CheckpointsPassed", "NoGo"))
        await scenes["less"].then_at(9)
    written = {name: [10, 0] for name in scenes} | {"less": [10, 0, 9]}
    assert {name: each.percents_written() for name, each in scenes.items()} == written


async def test_no_go_given_while_the_operator_was_down_is_not_resolved_by_an_older_meeting(
    scene: Scene,
) -> None:
    """One that is said again, the first one on a request that is older, and one that was a GO."""
    scenes = named(scene, "again", "first", "turned")
    roles = [
        {"name": "security", "users": ["hudson", "ivy"]},
        {"name": "lead", "users": ["forge"]},
    ]
    policy = {"roles": roles, "meeting": {"users": ["cora"]}, "opens": "Step"}
    for each in scenes.values():
        await each.given_a_rollout(steps=(10, 50, 100), hold={"approvals": policy})
    again, first, turned = scenes.values()
    async with scene.an_operator():
        await decides(turned, "50-security", "hudson", "GO")
        await decides(turned, "50-lead", "forge", "NO-GO")
        await decides(again, "50-security", "hudson", "NO-GO")
        await decides(again, "50-lead", "forge", "GO")
        await decides(first, "50-lead", "forge", "NO-GO")
        await first.when_the_plan_is_patched(attempt=1)
        await decides(first, "50-security-r2", "ivy", "GO")
        for each in scenes.values():
            await each.when_somebody_reports("conflict", "GO", 10, by="cora")
            await each.then_request("checkpoints", f"{each.name}-10-conflict", "Go")
        await decides(again, "10-conflict-ack-lead", "forge", "GO")
        await decides(first, "10-conflict-ack-security", "ivy", "GO")
        await decides(turned, "10-conflict-ack-security", "ivy", "GO")
        waiting = (
            (again, "10-conflict-ack-security"),
            (first, "10-conflict-ack-lead"),
            (turned, "10-conflict-ack-lead"),
        )
        for each, name in waiting:
            await each.then_request("approvals", f"{each.name}-{name}", "Pending")
    await patched(again, "50-security", "hudson", "NO-GO", reason="new findings")
    await patched(first, "50-lead-r2", "forge", "NO-GO", reason="new findings")
    await patched(again, "10-conflict-ack-security", "ivy", "GO")
    await patched(first, "10-conflict-ack-lead", "forge", "GO")
    await patched(turned, "50-security", "hudson", "NO-GO", reason="new findings")
    await patched(turned, "10-conflict-ack-lead", "forge", "GO")
    async with scene.an_operator():
        for each, name in waiting:
            await each.then_request("approvals", f"{each.name}-{name}", "Go")
        await in_each(scenes, lambda each: each.then_blocked_by("Approved", "NoGo"))
        for each in scenes.values():
            assert each.percents_written() == [10]
        await again.when_somebody_reports("conflict", "GO", 10, by="cora", summary="looked again")
        for role, by in (("lead", "forge"), ("security", "ivy")):
            await decides(again, f"10-conflict-ack-{role}-r2", by, "GO")
        await again.then_at(50)
    for each in (first, turned):
        assert each.percents_written() == [10]


async def decides(scene: Scene, name: str, by: str, decision: str) -> None:
    """Decide once the request is there, and wait until the operator has it on record."""
    full = f"{scene.name}-{name}"
    await scene.until(lambda: scene.get("approvals", full), full)
    await patched(scene, name, by, decision)

    async def is_on_record() -> bool:
        found = await scene.get("approvals", full) or {}
        said = [each["decision"] for each in found.get("status", {}).get("decisions", ())]
        return said[-1:] == [decision]

    await scene.until(is_on_record, f"{decision} on {full} to be recorded")


async def patched(
    scene: Scene, name: str, by: str, decision: str, *, reason: str = "a test"
) -> None:
    """Decide a request that is there."""
    said = {"decision": decision, "reason": reason, "decidedBy": {"username": by}}
    await scene.patch("approvals", f"{scene.name}-{name}", {"spec": said})


# Adoption


async def test_adoption_does_not_turn_on_what_was_turned_off_meanwhile(scene: Scene) -> None:
    """Somebody turned the unmanaged flag off, or deleted it, between the intent and the write."""
    scenes = named(scene, "after-the-intent", "before-the-write", "deleted")
    stood_at = {"after-the-intent": 50, "before-the-write": 25, "deleted": 75}
    moments = {
        ("after", Write("intent", 50)): "after-the-intent",
        ("before", Write("apply", 25)): "before-the-write",
        ("after", Write("intent", 75)): "deleted",
    }
    done: set[str] = set()

    async def meddle(moment: str, write: Write) -> None:
        name = moments.get((moment, write))
        if name is None or name in done:
            return
        done.add(name)
        if name == "deleted":
            await scenes[name].delete("configmaps", scenes[name].target)
        else:
            await scenes[name].when_somebody_changes_the_flag("0")

    for name, each in scenes.items():
        annotations = {"surefoot.dev/adopt": name}
        offered = {"metadata": {"name": each.target, "annotations": annotations}}
        await each.create("configmaps", offered | {"data": {name: str(stood_at[name])}})
        await each.given_a_rollout(steps=(10, 25, 50, 75, 100), hold=SOAKING)
    tap = Tap(before=partial(meddle, "before"), after=partial(meddle, "after"))
    async with scene.an_operator(through=tap.around):
        await in_each(scenes, lambda each: each.then_at(10))
    assert done == set(scenes)
    for name, each in scenes.items():
        assert set(each.percents_written()) <= {0, 10}, name
        assert [to for _, _, to in await each.history()][-1] == 10, name
        assert stood_at[name] not in [to for _, _, to in await each.history()], name


async def a_flag_is_offered(scene: Scene, percent: int, **metadata: Any) -> JSON:
    """A ConfigMap that nobody manages, with the flag at this percentage, for the Rollout."""
    annotations = {"surefoot.dev/adopt": scene.name}
    offered = {"name": scene.target, "annotations": annotations} | metadata
    data = {scene.name: str(percent)}
    return await scene.create("configmaps", {"metadata": offered, "data": data})


async def when_it_is_raised(scene: Scene) -> None:
    """Somebody turns the flag on for all."""
    await scene.when_somebody_changes_the_flag("100")


async def when_it_is_no_step(scene: Scene) -> None:
    """Somebody moves it to a percentage that the plan does not have."""
    await scene.when_somebody_changes_the_flag("33")


async def when_the_offer_is_withdrawn(scene: Scene) -> None:
    """Its owner wants to keep it."""
    annotations = {"surefoot.dev/adopt": None}
    await scene.patch("configmaps", scene.target, {"metadata": {"annotations": annotations}})


async def when_it_is_to_go(scene: Scene) -> None:
    """It is deleted, and stays until a finalizer is taken off."""
    await scene.delete("configmaps", scene.target)


@pytest.mark.parametrize("step", ["intent", "apply"], ids=["after-the-intent", "before-the-write"])
async def test_adoption_judges_anew_what_was_done_to_the_flag_meanwhile(
    scene: Scene, step: str
) -> None:
    """Nothing is written over it, and nothing is committed of what was found before."""
    meddlers = {
        "is-raised": (20, when_it_is_raised),
        "is-no-step": (30, when_it_is_no_step),
        "is-withdrawn": (40, when_the_offer_is_withdrawn),
        "is-to-go": (50, when_it_is_to_go),
    }
    scenes = named(scene, *meddlers)
    left = {percent: name for name, (percent, _) in meddlers.items()}

    async def meddle(write: Write) -> None:
        if write.step == step and write.to in left:
            name = left.pop(write.to)
            await meddlers[name][1](scenes[name])

    for name, each in scenes.items():
        await a_flag_is_offered(each, meddlers[name][0], finalizers=["example.com/a-test"])
        await each.given_a_rollout(steps=(10, 20, 30, 40, 50, 100), hold=SOAKING)
    tap = Tap(after=meddle) if step == "intent" else Tap(before=meddle)
    reasons = {
        "is-no-step": ("AdoptedPercentNotAStep", 33),
        "is-withdrawn": ("ConfigMapExists", 40),
        "is-to-go": ("AdoptedBeingDeleted", 50),
    }
    async with scene.an_operator(through=tap.around):
        await scenes["is-raised"].then_at(100)
        for name, (reason, stands_at) in reasons.items():
            await scenes[name].then_blocked_by("PlanValid", reason)
            # That a move is withdrawn may be marked on the ConfigMap, which stays as it is.
            assert set(scenes[name].percents_written()) <= {stands_at}, name
            assert await scenes[name].history() == [], name
        assert left == {}
        assert set(scenes["is-raised"].percents_written()) == {100}
        flag = scenes["is-to-go"].target
        await scene.patch("configmaps", flag, {"metadata": {"finalizers": None}})
        await scenes["is-to-go"].then_at(10)
    for each in scenes.values():
        found = await each.get("configmaps", each.target)
        if found is not None and found["metadata"].get("finalizers"):
            await scene.patch("configmaps", each.target, {"metadata": {"finalizers": None}})


# A start while a trigger's metric breaches


async def test_nothing_starts_while_the_metric_of_a_trigger_breaches(
    scene: Scene, service: Service
) -> None:
    """Neither at first sight nor where it comes while the operator runs."""
    metric = "breaches at the start"
    scene.providers = (ProviderSettings(name="default", address=service.prometheus_url),)
    await asyncio.to_thread(service.has_error_rate, 5.0, metric)
    trigger: JSON = {
        "metrics": [{"name": "errors", "query": query_of(metric)}],
        "triggers": [{"name": "errors", "above": 1, "settle": "0s"}],
        "hold": SOAKING,
    }
    plans: dict[str, JSON] = {
        "first-sight": {},
        "several": {"triggers": [{"name": "errors", "above": 1, "settle": "0s", "action": "Hold"}]},
        "while-it-runs": {},
    }
    scenes = named(scene, *plans)
    late = scenes.pop("while-it-runs")
    for name, each in scenes.items():
        await each.given_a_rollout(**(trigger | plans[name]))
    async with scene.an_operator():
        await late.given_a_rollout(**trigger)
        scenes["while-it-runs"] = late
        await in_each(scenes, lambda each: each.then_blocked_by("TriggersQuiet", "TriggerFiring"))
        for each in scenes.values():
            assert each.percents_written() == [], each.name
        await asyncio.to_thread(service.has_error_rate, 0.0, metric)
        await in_each(scenes, lambda each: each.then_at(10))
    for each in scenes.values():
        assert each.percents_written() == [10], each.name


# What was recorded before the operator was down


async def test_recorded_advance_does_not_outlive_a_trigger_that_fired_while_nobody_looked(
    scene: Scene, service: Service
) -> None:
    """It fired and ended while the operator was down; what was recorded is not applied later."""
    scene.providers = (ProviderSettings(name="default", address=service.prometheus_url),)
    scenes = named(scene, "after-the-intent", "before-the-write")
    goes_to = {"after-the-intent": 50, "before-the-write": 40}
    trigger: dict[str, Any] = {
        "metrics": [{"name": "errors", "query": "error_rate"}],
        "triggers": [{"name": "errors", "above": 1, "settle": "0s", "action": "Hold"}],
    }
    await asyncio.to_thread(service.has_error_rate, 0.0)
    for name, each in scenes.items():
        steps = (10, goes_to[name], 100)
        await each.given_a_rollout(steps=steps, approvals=signed_by("hudson"), **trigger)
    moments = [("after", Write("intent", 50)), ("before", Write("apply", 40))]
    async with scene.an_operator_that_crashes(crash_at_each(moments)):
        for name, each in scenes.items():
            await each.then_at(10)
            await each.when_somebody_decides("hudson", "GO", goes_to[name])
    await asyncio.to_thread(service.has_error_rate, 5.0)
    await asyncio.to_thread(service.has_had_error_rate, 5.0, "2s")
    await asyncio.to_thread(service.has_error_rate, 0.0)
    async with scene.an_operator():
        for name, each in scenes.items():
            request = f"{name}-{goes_to[name]}-hudson"
            await each.then_request("approvals", request, "Void")
            await each.when_somebody_decides("hudson-r2", "GO", goes_to[name])
            await each.then_at(goes_to[name])
            await each.then_request("approvals", f"{request}-r2", "Used")
            entry = (await each.status())["history"][-1]
            counted = [decision["name"] for decision in entry["evidence"]["decisions"]]
            assert counted == [f"{request}-r2"]
            assert each.percents_written()[-1] == goes_to[name]


# What happened while the operator was cut off


@pytest.mark.parametrize("fault", [answers_500, hangs], ids=["answers-500", "hangs"])
async def test_go_given_while_the_operator_was_cut_off_does_not_outlive_a_trigger_that_fired_then(
    scene: Scene, service: Service, tmp_path: Path, fault: Fault
) -> None:
    """It runs and asks Prometheus, but the API server is out of its reach, and its watches end.

    A GO that was given then was given before the trigger fired, for all that anybody knows.
    """
    metric = f"cut off {fault.__name__}"
    scene.providers = (ProviderSettings(name="default", address=service.prometheus_url),)
    await asyncio.to_thread(service.has_error_rate, 0.0, metric)
    trigger: JSON = {
        "metrics": [{"name": "errors", "query": query_of(metric)}],
        "triggers": [{"name": "errors", "above": 1, "settle": "0s", "action": "Hold"}],
    }
    request = f"{scene.name}-100-hudson"
    await scene.given_a_rollout(steps=(10, 100), approvals=signed_by("hudson"), **trigger)
    async with BrokenApi.before(scene, tmp_path) as api, scene.an_operator():
        await scene.then_at(10)
        await scene.then_named("approvals", request)
        api.breaks("/", fault, writes=True)
        await scene.until(api.was_asked, "the operator to be cut off")
        await scene.when_somebody_decides("hudson", "GO", 100)
        await asyncio.to_thread(service.has_error_rate, 5.0, metric)
        await asyncio.to_thread(service.has_had_error_rate, 5.0, "2s", metric)
        await asyncio.to_thread(service.has_error_rate, 0.0, metric)
        api.is_mended()
        await scene.then_request("approvals", request, "Void")
        await scene.when_somebody_decides("hudson-r2", "GO", 100)
        await scene.then_at(100)
    entry = next(e for e in (await scene.status())["history"] if e["to"] == 100)
    assert [each["name"] for each in entry["evidence"]["decisions"]] == [f"{request}-r2"]
