"""The compliance check on a real API server: on status, by command, and on the record."""

import asyncio
from typing import Any

import pytest

from tests.operator.test_plugin import typed
from tests.support.commands import Done
from tests.support.scene import Scene, Tap, Write

pytestmark = [pytest.mark.apiserver, pytest.mark.asyncio(loop_scope="module")]

JSON = dict[str, Any]

REPORT = {"name": "hour-1", "reporter": {"users": ["atlas"]}}
SECURITY = {"name": "security", "users": ["hudson"]}


async def given_it_waits_for_people(scene: Scene) -> None:
    """At 10% on the way to 100%, it waits for a report and for a signature."""
    approvals = {"roles": [SECURITY], "opens": "Step"}
    hold = {"checkpoints": [REPORT]}
    await scene.given_a_rollout(steps=(10, 100), hold=hold, approvals=approvals)


async def checked(scene: Scene, *words: str) -> Done:
    """Run the command, in a process of its own."""
    kubeconfig = scene.bed.kubeconfig("admin")
    return await typed(kubeconfig, "compliance", scene.name, "-n", scene.namespace, *words)


async def then_told(scene: Scene, words: str) -> Done:
    """Run the command until it says this; the status may be of before the requests were opened."""

    async def is_told() -> Done | None:
        done = await checked(scene)
        return done if words in done.out else None

    told: Done = await scene.until(is_told, f"the command to say {words!r}")
    return told


async def then_said(scene: Scene, **outcomes: str) -> JSON:
    """Wait until the status gives these answers."""

    async def there() -> JSON | None:
        compliance: JSON = (await scene.status()).get("compliance") or {"checks": []}
        found = {check["name"]: check["outcome"] for check in compliance["checks"]}
        return compliance if found.items() >= outcomes.items() else None

    answered: JSON = await scene.until(there, f"compliance {outcomes}")
    return answered


async def when_atlas_reports(scene: Scene, percent: int = 10) -> None:
    """GO, once he is asked."""
    name = f"{scene.name}-{percent}-hour-1"
    await scene.until(lambda: scene.get("checkpoints", name), name)
    decided = {"decision": "GO", "summary": "stable", "decidedBy": {"username": "atlas"}}
    await scene.patch("checkpoints", name, {"spec": decided})


async def test_status_and_command_follow_the_facts(attended_scene: Scene) -> None:
    """What people do changes the answers; a pause is told beside them, and all of it exits 1."""
    scene = attended_scene
    await given_it_waits_for_people(scene)
    await scene.then_at(10)
    waits = {"CheckpointReport": "Failed", "ApprovalDocument": "Failed"}
    compliance = await then_said(scene, **waits, AllSignatures="Failed", SoakTime="NotAsked")
    assert (compliance["step"], compliance["from"], compliance["to"]) == (0, 10, 100)
    assert (compliance["passed"], compliance.get("furtherBlockers", [])) == (False, [])
    done = await then_told(scene, "checkpoint hour-1 is not approved: atlas has not reported")
    assert done.code == 1, done.err
    assert f"$ kubectl surefoot checkpoint {scene.name} {scene.name}-10-hour-1 -n" in done.out
    assert "BLOCKED by 3: CheckpointReport, ApprovalDocument, AllSignatures" in done.out

    await when_atlas_reports(scene)
    await scene.when_the_plan_is_patched(paused=True)
    await then_said(scene, CheckpointReport="Passed", AllSignatures="Failed")
    await scene.then_condition("NotPaused", "False")
    found = (await checked(scene, "-o", "json")).json
    assert found["blockers"] == ["ApprovalDocument", "AllSignatures", "NotPaused"]
    assert [each["message"] for each in found["further"]] == ["spec.paused is true"]


async def test_step_that_is_about_to_be_taken_is_allowed_and_recorded(scene: Scene) -> None:
    """0 from the intent on; the history keeps the answers; Completed leaves nothing to allow."""
    looked = asyncio.Event()

    async def until_looked(write: Write) -> None:
        if write == Write("apply", 100):
            await looked.wait()

    await given_it_waits_for_people(scene)
    async with scene.an_operator(through=Tap(before=until_looked).around):
        await when_atlas_reports(scene)
        await scene.when_somebody_decides("security", "GO", 100)
        await then_said(scene, CheckpointReport="Passed", AllSignatures="Passed")
        allowed = await checked(scene)
        assert allowed.code == 0, allowed.out
        assert allowed.out.splitlines()[-1] == "ALLOWED: nothing is in the way of this step"
        strict = await checked(scene, "--strict", "-o", "json")
        assert (strict.code, strict.json["allowed"]) == (1, False)
        assert strict.json["blockers"] == ["SoakTime", "HealthChecks", "TestPassRate"]
        looked.set()
        await when_atlas_reports(scene, 100)
        status = await scene.then_completed()
        assert "compliance" not in status
        (advance,) = [entry for entry in status["history"] if entry["type"] == "Advance"]
        assert advance["evidence"]["compliance"] == [
            "CheckpointReport=Passed",
            "ApprovalDocument=Passed",
            "AllSignatures=Passed",
            "SoakTime=NotAsked",
            "HealthChecks=NotAsked",
            "TestPassRate=NotAsked",
        ]
        done = await checked(scene)
        assert (done.code, "it is Completed, and no step is ahead" in done.out) == (1, True)


async def test_plan_that_the_operator_has_not_judged_is_not_allowed(scene: Scene) -> None:
    """Never seen, or changed since: there is no answer, whatever was answered before."""
    await given_it_waits_for_people(scene)
    never = await checked(scene)
    assert never.code == 1
    assert "the operator has not judged this plan: it is generation 1, judged was none" in never.out
    async with scene.an_operator():
        await scene.then_at(10)
        await then_said(scene, CheckpointReport="Failed")
    await scene.when_the_plan_is_patched(hold={"checkpoints": []})
    changed = await checked(scene, "-o", "json")
    assert (changed.code, changed.json["checks"]) == (1, [])
    assert changed.json["unanswered"] == (
        "the operator has not judged this plan: it is generation 2, judged was 1"
    )
    assert (await checked(scene, "--max-age", "soon")).code == 2


async def test_rolled_back_rollout_is_not_allowed(attended_scene: Scene) -> None:
    """That it was rolled back is what stands in the way, with what to type."""
    scene = attended_scene
    await scene.given_a_rollout(steps=(10, 50, 100), hold={"checkpoints": [REPORT]})
    await scene.then_at(10)
    await scene.when_the_plan_is_patched(rollback={"to": 0, "reason": "errors"})
    await scene.then_phase("RolledBack")
    done = await checked(scene)
    assert done.code == 1
    assert "NotRolledBack: rolled back to 0%" in done.out
    assert f"$ kubectl surefoot retry {scene.name} -n {scene.namespace}" in done.out
