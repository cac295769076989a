"""The reports and `acknowledge` on a real API server with the policies, as people type them."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from surefoot.adapters.settings import AdmissionMode
from tests.operator.test_plugin import Shell, asked, shell, where_people_type
from tests.support.requests import MERGE, bound
from tests.support.scene import Scene

__all__ = ["shell"]

JSON = dict[str, Any]

pytestmark = [pytest.mark.apiserver, pytest.mark.asyncio(loop_scope="module")]

OPERATOR = "system:serviceaccount:surefoot-system:surefoot"
SECURITY = {
    "name": "security",
    "type": "SecurityReview",
    "groups": ["security"],
    "requiredSections": ["riskAssessment", "metricsSummary", "securityStatus"],
}
SECTIONS = (
    "--reason=no findings",
    "--risk-assessment=low: one page",
    "--metrics-summary=errors at 0.02%",
    "--security-status=re-validated",
)


async def test_approval_document_before_and_after_the_step(
    guarded_attended_scene: Scene, shell: Shell
) -> None:
    """Who is missing; then who signed what, by which transition: nothing of it typed twice."""
    scene = guarded_attended_scene
    # What a GO asks for is reported as met by the people of its role.
    bound(scene.client, scene.namespace, "surefoot-reporter", user="hudson")
    checkpoint = {"name": "hour-1", "type": "Report", "reporter": {"users": ["atlas"]}}
    await scene.given_a_rollout(
        steps=(10, 100), hold={"checkpoints": [checkpoint]}, approvals={"roles": [SECURITY]}
    )
    await scene.then_named("checkpoints", "checkout-10-hour-1")
    words = ("checkpoint", "checkout", "hour-1", "--go", "--summary=stable", "--test=unit=6/6")
    assert (await shell("atlas", *words)).code == 0
    await asked(scene, "security")

    before = await shell("hudson", "document", "checkout", "--step=100")
    assert before.code == 0, before.err
    assert "**Decision: NOT DECIDED**: 0 of 1 needed signatures count" in before.out
    assert "security must be signed by group security: `kubectl patch approvals" in before.out
    assert "### hour-1 (Report): GO by atlas" in before.out

    conditions = ("--blocking-condition=watch: watch the queue",)
    done = await shell("hudson", "approve", "checkout", "--role=security", *SECTIONS, *conditions)
    assert done.code == 0, done.err
    report = "checkout-100-security-conditions"
    await scene.then_named("checkpoints", report)
    asks = (await shell("hudson", "document", "checkout", "--step=100", "-o", "json")).json
    assert (asks["verdict"], asks["conditions"][0]["met"]) == ("NOT DECIDED", False)
    assert asks["signatures"][0]["counts"] is False
    watched = ("checkpoint", "checkout", report, "--go", "--summary=watched")
    done = await shell("hudson", *watched)
    assert done.code == 0, done.err
    await scene.then_at(100)
    await scene.then_request("approvals", "checkout-100-security", "Used")

    after = (await shell("hudson", "document", "checkout", "--step=100", "-o", "json")).json
    (advance,) = [e for e in (await scene.status())["history"] if e["type"] == "Advance"]
    assert (after["verdict"], after["stage"]) == ("GO", "Taken")
    assert after["transitionId"] == advance["transitionId"]
    assert after["planHash"] == advance["planHash"]
    (signature,) = after["signatures"]
    assert (signature["by"], signature["verified"], signature["counts"]) == ("hudson", True, True)
    assert signature["riskAssessment"] == "low: one page"
    (condition,) = after["conditions"]
    assert (condition["met"], condition["by"]) == (True, "hudson")
    page = await shell("hudson", "document", "checkout", "--step=100")
    assert f"by transition {advance['transitionId']}" in page.out
    assert "### security: GO by hudson\n\n> re-validated" in page.out
    assert "- Test unit: 6 of 6 passed" in page.out
    html = await shell("hudson", "document", "checkout", "--step=100", "-o", "html")
    assert html.out.startswith("<!doctype html>")
    unknown = await shell("hudson", "document", "checkout", "--step=50")
    assert unknown.code == 1
    assert "no step to 50%, and its record has none: its steps are 10, 100" in unknown.err
    assert (await shell("hudson", "document", "checkout", "--step=half")).code == 2
    assert (await shell("hudson", "document", "checkout", "--step=complete")).code == 0


async def test_record_that_was_exported_fills_in_what_the_history_lost(
    guarded_scene: Scene, tmp_path: Path
) -> None:
    """And one that was tampered with is refused."""
    scene, shell = guarded_scene, where_people_type(guarded_scene)
    await scene.given_a_rollout(steps=(10, 100), hold={})
    async with scene.an_operator(admission=AdmissionMode.ENFORCED):
        await scene.then_completed()
    exported = (await shell("cora", "record", "export", "checkout")).out
    record = tmp_path / "record.jsonl"
    record.write_text(exported)
    kept = (await scene.status())["history"][-1:]
    forgotten = scene.client.patch(
        f"/apis/surefoot.dev/v1alpha1/namespaces/{scene.namespace}/rollouts/checkout/status",
        json={"status": {"history": kept}},
        headers=MERGE | {"Impersonate-User": OPERATOR, "Impersonate-Group": "system:masters"},
    )
    assert forgotten.is_success, forgotten.text
    words = ("document", "checkout", "--step=100", "-o", "json")
    without = await shell("hudson", *words)
    assert without.json["transitionId"] is None
    found = await shell("hudson", *words, "--record", str(record))
    assert found.json["transitionId"] is not None, found.err
    record.write_text(exported.replace('"to":100', '"to":50'))
    refused = await shell("hudson", *words, "--record", str(record))
    assert refused.code == 1
    assert "is not intact" in refused.err


async def test_handoff_is_acknowledged_by_its_receiver_alone_and_all_of_it_is_in_the_log(
    guarded_attended_scene: Scene, shell: Shell
) -> None:
    """Asked, handed over, taken over: who said what to whom, and what is still to be done."""
    scene = guarded_attended_scene
    handoff = {
        "name": "build",
        "type": "Handoff",
        "reporter": {"users": ["atlas"]},
        "receiver": {"users": ["hudson"]},
    }
    await scene.given_a_rollout(steps=(10, 100), hold={"checkpoints": [handoff]})
    build = "checkout-10-build"
    await scene.then_named("checkpoints", build)
    early = await shell("hudson", "acknowledge", build, "--reason=taken over")
    assert early.code == 1
    assert "is not decided yet" in early.err
    (item,) = (await shell("atlas", "inbox", "-o", "json")).json["items"]
    assert item["command"].endswith('--go --summary "…" --required-action "…"')
    words = ("checkpoint", "checkout", "build", "--go", "--summary=built")
    done = await shell("atlas", *words, "--required-action=watch the queue")
    assert done.code == 0, done.err
    await scene.then_named("approvals", f"{build}-ack-receiver")

    (message,) = await log(shell, "Handoff")
    assert (message["from"], message["to"], message["pending"]) == ("atlas", "hudson", True)
    assert message["actionRequired"] == "watch the queue"
    wrong = await shell("forge", "acknowledge", build, "--reason=for hudson")
    assert wrong.code == 1
    assert f"forge may not acknowledge {build}, but as receiver hudson" in wrong.err
    inbox = await shell("hudson", "inbox")
    command = f"kubectl surefoot acknowledge {build}-ack-receiver -n {scene.namespace}"
    assert f'$ {command} --reason "…"' in inbox.out
    right = await shell("hudson", "acknowledge", build, "--reason=taken over")
    assert right.code == 0, right.err
    await scene.then_at(100)
    await scene.then_request("approvals", f"{build}-ack-receiver", "Used")
    (message,) = await log(shell, "Handoff")
    assert (message["pending"], message["actionRequired"]) == (False, "watch the queue")
    (answer,) = await log(shell, "Acknowledgement")
    assert (answer["from"], answer["to"]) == ("hudson", "atlas")
    everything = await log(shell)
    moments = [datetime.fromisoformat(each["at"]) for each in everything]
    assert moments == sorted(moments)
    # At 100% it is asked again.
    assert {each["about"] for each in everything if each["pending"]} <= {"checkout-100-build"}
    over = await shell("hudson", "acknowledge", build, "--reason=again")
    assert over.code == 1
    assert "nobody is asked to acknowledge" in over.err


async def log(shell: Shell, kind: str | None = None) -> list[JSON]:
    """The communication log; the messages of one kind."""
    done = await shell("hudson", "communications", "checkout", "-o", "json")
    assert done.code == 0, done.err
    return [each for each in done.json["messages"] if kind in (None, each["kind"])]


async def test_meeting_on_a_conflict_is_in_the_log_and_in_the_document(
    guarded_attended_scene: Scene, shell: Shell
) -> None:
    """GO against NO-GO, the chair's resolution, who dissents, and every acknowledgement."""
    scene = guarded_attended_scene
    roles = [{"name": "security", "users": ["hudson"]}, {"name": "lead", "users": ["forge"]}]
    policy = {"roles": roles, "meeting": {"users": ["atlas"]}}
    await scene.given_a_rollout(steps=(10, 100), hold={}, approvals=policy)
    await asked(scene, "security", "lead")
    against = await shell("hudson", "reject", "checkout", "--role=security", "--reason=a leak")
    assert against.code == 0, against.err
    await scene.then_request("approvals", "checkout-100-security", "NoGo")
    said = await shell("hudson", "document", "checkout", "--step=100", "-o", "json")
    assert said.json["verdict"] == "NO-GO"
    assert "security is NO-GO by hudson: a leak" in said.json["decided"]
    await shell("forge", "approve", "checkout", "--role=lead", "--reason=fine")
    meeting = "checkout-10-conflict"
    await scene.then_named("checkpoints", meeting)
    words = ("checkpoint", "checkout", "conflict", "--go", "--summary=the leak is elsewhere")
    done = await shell("atlas", *words, "--dissent=hudson=we have not proved it")
    assert done.code == 0, done.err
    for user, role in (("forge", "lead"), ("hudson", "security")):
        await scene.then_named("approvals", f"{meeting}-ack-{role}")
        done = await shell(user, "acknowledge", meeting, "--reason=agreed")
        assert (done.code, done.out) == (
            0,
            f"GO by {user}: checkout: acknowledgement of {meeting}, as {role}\n",
        ), done.err
    await scene.then_completed()
    await scene.then_request("checkpoints", meeting, "Used")
    (conflict,) = await log(shell, "Conflict")
    assert "security: NO-GO by hudson: a leak" in conflict["message"]
    (held,) = await log(shell, "Meeting")
    assert (held["from"], held["to"]) == ("atlas", "forge (lead), hudson (security)")
    (dissent,) = await log(shell, "Dissent")
    assert dissent["from"] == "hudson"
    made = (await shell("hudson", "document", "checkout", "--step=100", "-o", "json")).json
    (report,) = made["checkpoints"]
    assert [(each["party"], each["by"]) for each in report["acknowledgements"]] == [
        ("lead", "forge"),
        ("security", "hudson"),
    ]
    assert [each["statement"] for each in made["dissent"]] == ["a leak", "we have not proved it"]
