"""Handoffs and conflicts on a real API server with the policies: each word bound to its person."""

from typing import Any

import httpx
import pytest

from tests.support.requests import MERGE
from tests.support.scene import Scene

pytestmark = [pytest.mark.apiserver, pytest.mark.asyncio(loop_scope="module")]

JSON = dict[str, Any]


def send(scene: Scene, resource: str, name: str, by: str, **spec: Any) -> httpx.Response:
    """Patch a request as this user; what RBAC allows them is no matter here."""
    return scene.client.patch(
        f"/apis/surefoot.dev/v1alpha1/namespaces/{scene.namespace}/{resource}/{name}",
        json={"spec": spec},
        headers=MERGE | {"Impersonate-User": by, "Impersonate-Group": "system:masters"},
    )


async def decide(
    scene: Scene, resource: str, name: str, by: str, decision: str = "GO", **more: Any
) -> None:
    """Decide a request once it is there, as this user; the policies fill in who that is."""
    await scene.until(lambda: scene.get(resource, name), name)
    words = "reason" if resource == "approvals" else "summary"
    spec = {"decision": decision, words: f"{decision} by {by}", **more}
    answer = send(scene, resource, name, by, **spec)
    assert answer.is_success, answer.text


def a_handoff(name: str, by: str, to: str, **more: Any) -> JSON:
    """Somebody hands over to somebody else."""
    people = {"reporter": {"users": [by]}, "receiver": {"users": [to, by]}}
    return {"name": name, "type": "Handoff", **people, **more}


async def test_chain_of_handoffs_gates_the_step(guarded_attended_scene: Scene) -> None:
    """Nobody takes over from themselves, and nothing follows what was not taken over."""
    scene = guarded_attended_scene
    handoffs = [a_handoff("build", "forge", "cora"), a_handoff("run", "cora", "hudson")]
    handoffs[1]["after"] = ["build"]
    await scene.given_a_rollout(steps=(10, 100), hold={"checkpoints": handoffs})
    await scene.then_at(10)
    build, run = (f"{scene.name}-10-{name}" for name in ("build", "run"))
    await scene.until(lambda: scene.get("checkpoints", build), build)
    refused = send(scene, "checkpoints", build, "forge", decision="GO", summary="done")
    assert "must say what its receiver has to do" in refused.text
    await decide(scene, "checkpoints", build, "forge", requiredAction="watch it")
    received = f"{build}-ack-receiver"
    await scene.until(lambda: scene.get("approvals", received), received)
    own = send(scene, "approvals", received, "forge", decision="GO", reason="taken over")
    assert own.status_code == 403, own.text
    assert await scene.get("checkpoints", run) is None
    await decide(scene, "approvals", received, "cora")
    await decide(scene, "checkpoints", run, "cora", requiredAction="watch it on")
    await decide(scene, "approvals", f"{run}-ack-receiver", "hudson")
    await scene.then_at(100)
    await scene.then_request("approvals", received, "Used")
    (advance,) = [entry for entry in (await scene.status())["history"] if entry["to"] == 100][:1]
    said = [
        (item["name"], item["by"], item["verified"]) for item in advance["evidence"]["decisions"]
    ]
    assert (received, "cora", True) in said


async def test_conflict_is_resolved_by_a_meeting_that_the_parties_acknowledge(
    guarded_attended_scene: Scene,
) -> None:
    """GO against NO-GO: it proceeds with every acknowledgement, and with none the less."""
    scene = guarded_attended_scene
    roles = [{"name": "security", "users": ["hudson"]}, {"name": "lead", "users": ["forge"]}]
    policy = {"roles": roles, "meeting": {"users": ["cora"]}}
    await scene.given_a_rollout(steps=(10, 100), hold={}, approvals=policy)
    # The last hold names no approvals: to 100 % they are asked, to Completed they are not.
    await decide(scene, "approvals", f"{scene.name}-100-security", "hudson", "NO-GO")
    await decide(scene, "approvals", f"{scene.name}-100-lead", "forge")
    meeting = f"{scene.name}-10-conflict"
    await decide(
        scene,
        "checkpoints",
        meeting,
        "cora",
        report="The leak is in code that this flag does not reach.",
        dissent=[{"by": "hudson", "statement": "we have not proved it"}],
    )
    await decide(scene, "approvals", f"{meeting}-ack-lead", "forge")
    name = f"{meeting}-ack-security"
    await scene.until(lambda: scene.get("approvals", name), name)
    other = send(scene, "approvals", name, "forge", decision="GO", reason="for hudson")
    assert other.status_code == 403, other.text
    assert (await scene.status())["percent"] == 10
    await decide(scene, "approvals", name, "hudson")
    await scene.then_completed()
    await scene.then_request("checkpoints", meeting, "Used")
    kept = await scene.get("checkpoints", meeting) or {}
    assert kept["spec"]["request"]["evidence"].splitlines() == [
        "security: NO-GO by hudson: NO-GO by hudson",
        "lead: GO by forge: GO by forge",
    ]
    assert kept["spec"]["dissent"] == [{"by": "hudson", "statement": "we have not proved it"}]
    assert kept["status"]["acknowledged"] is True


async def test_dry_run_is_signed_by_its_people_and_counts_for_nothing(
    guarded_attended_scene: Scene,
) -> None:
    """The policies bind it as they bind the real thing, which then needs every signature anew."""
    scene = guarded_attended_scene
    roles = [{"name": "security", "users": ["hudson"]}, {"name": "lead", "users": ["forge"]}]
    await scene.given_a_rollout(steps=(10, 100), hold={}, approvals={"roles": roles})
    await scene.then_at(10)
    await scene.when_the_plan_is_patched(approvalDryRun={"run": 1})
    dry = {name: f"{scene.name}-100-{name}-dry1" for name in ("security", "lead")}
    await scene.until(lambda: scene.get("approvals", dry["security"]), dry["security"])
    forged = send(scene, "approvals", dry["security"], "forge", decision="GO", reason="me")
    assert forged.status_code == 403, forged.text
    await decide(scene, "approvals", dry["security"], "hudson")
    await decide(scene, "approvals", dry["lead"], "forge", "NO-GO")
    await scene.then_request("approvals", dry["lead"], "NoGo")
    before = await then_dry_run(scene, "lead is NO-GO by forge")
    assert not before["wouldBeApproved"]
    await decide(scene, "approvals", dry["lead"], "forge")
    run = await then_dry_run(scene, "it would be approved: security by hudson, lead by forge")
    assert (run["wouldBeApproved"], run["from"], run["to"]) == (True, 10, 100)
    status = await scene.status()
    assert (status["percent"], status["phase"]) == (10, "AwaitingApproval")
    assert {role["state"] for role in status["approvals"]} == {"Pending"}
    for name, by in (("security", "hudson"), ("lead", "forge")):
        await decide(scene, "approvals", f"{scene.name}-100-{name}", by)
    status = await scene.then_completed()
    for name in dry.values():
        await scene.then_request("approvals", name, "Void")
    advance = next(entry for entry in status["history"] if entry["to"] == 100)
    assert {item["name"] for item in advance["evidence"]["decisions"]} == {
        f"{scene.name}-100-security",
        f"{scene.name}-100-lead",
    }
    kept = await scene.get("approvals", dry["lead"]) or {}
    assert "it counts for nothing" in kept["status"]["message"]
    assert "it counts for nothing" in kept["spec"]["request"]["evidence"]
    assert [each["decision"] for each in kept["status"]["decisions"]] == ["NO-GO", "GO"]


async def then_dry_run(scene: Scene, says: str) -> JSON:
    """Wait until the dry run says this."""

    async def there() -> JSON | None:
        run: JSON = (await scene.status()).get("approvalDryRun") or {}
        return run if says in run.get("message", "") else None

    found: JSON = await scene.until(there, f"the dry run to say {says!r}")
    return found


async def test_later_dry_run_supersedes_and_names_what_is_impossible(
    guarded_attended_scene: Scene,
) -> None:
    """A step further on, with keys that nobody has; it voids only what it replaces."""
    scene = guarded_attended_scene
    roles = [
        {"name": "security", "users": ["hudson"], "signing": "Required"},
        {"name": "lead", "users": ["forge"]},
        {"name": "owner", "users": ["forge", "atlas"]},
    ]
    await scene.given_a_rollout(
        steps=(10, 25, 100), hold={"soak": "1h"}, approvals={"roles": roles, "opens": "Step"}
    )
    await scene.then_at(10)
    await scene.when_the_plan_is_patched(approvalDryRun={"run": 1})
    first = f"{scene.name}-25-lead-dry1"
    await decide(scene, "approvals", first, "forge")
    await scene.then_request("approvals", first, "Go")
    refused = send(scene, "rollouts", scene.name, "cora", approvalDryRun={"run": 1, "to": 100})
    assert "raise run as well" in refused.text
    await scene.when_the_plan_is_patched(approvalDryRun={"run": 2, "to": 100})
    await scene.then_request("approvals", first, "Void")
    run = await then_dry_run(scene, "dry run 2 of the approval of the step to 100 %")
    await scene.then_request("approvals", f"{scene.name}-100-lead-dry2", "Pending")
    await scene.then_request("approvals", f"{scene.name}-25-lead", "Pending")
    assert run["obstacles"] == [
        "nobody can sign for security: hudson has no key among the allowed signers",
    ]
