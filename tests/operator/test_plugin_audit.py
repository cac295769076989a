"""`audit`, `timeline` and `retrospective` of a rollout on a real API server, and of its own log.

Somebody tries to get past the process, is refused, and then it goes the proper way.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from surefoot.adapters.settings import AdmissionMode
from surefoot.testbed.bed import TestBed
from tests.operator.test_operator_governance import a_handoff, decide, send
from tests.operator.test_plugin import typed
from tests.support.commands import Done
from tests.support.scene import Scene
from tests.support.testbed import new_namespace

pytestmark = [pytest.mark.apiserver, pytest.mark.asyncio(loop_scope="module")]

JSON = dict[str, Any]
STANDARDS = "soak: 1s\nbaseline: 1s\nexpansionFactor: 3\napprovals: 1\n"


async def ask(scene: Scene, *words: str, user: str = "admin") -> Done:
    """Type a command in the scene's namespace."""
    return await typed(scene.bed.kubeconfig(user), *words, "-n", scene.namespace)


async def given_it_was_tried_and_then_done(scene: Scene) -> None:
    """Refused: a flag past the operator, another's signature, one without a reason. Then 25%."""
    checkpoints = [
        {"name": "hour-48", "reporter": {"users": ["atlas"]}},
        a_handoff("night-shift", "thon", "cora"),
    ]
    roles = [{"name": "security", "users": ["hudson"]}]
    await scene.given_a_rollout(
        hold={"soak": "1s", "checkpoints": checkpoints},
        approvals={"roles": roles, "opens": "Step"},
    )
    async with scene.an_operator(admission=AdmissionMode.ENFORCED):
        approval = f"{scene.name}-25-security"
        await scene.until(lambda: scene.get("approvals", approval), approval)
        flag = f"/api/v1/namespaces/{scene.namespace}/configmaps/{scene.target}"
        past = scene.client.patch(
            flag,
            json={"data": {scene.name: "25"}},
            headers={"Content-Type": "application/merge-patch+json", "User-Agent": "automation/1"},
        )
        assert past.status_code == 403, past.text
        another = send(scene, "approvals", approval, "forge", decision="GO", reason="it is fine")
        assert another.status_code == 403, another.text
        no_reason = send(scene, "approvals", approval, "hudson", decision="GO")
        assert no_reason.status_code == 422, no_reason.text
        tests = [{"name": "ground-truth", "passed": 6, "total": 6}]
        night = f"{scene.name}-10-night-shift"
        await decide(scene, "checkpoints", night, "thon", requiredAction="watch it")
        await decide(scene, "approvals", f"{night}-ack-receiver", "cora")
        await decide(scene, "checkpoints", f"{scene.name}-10-hour-48", "atlas", tests=tests)
        await decide(scene, "approvals", approval, "hudson")
        await scene.then_at(25)
        # The operator writes its books after the move, side by side: one that is written says
        # nothing about the others, and what is not written when it stops is not on the record.
        used = (
            ("checkpoints", night),
            ("approvals", f"{night}-ack-receiver"),
            ("checkpoints", f"{scene.name}-10-hour-48"),
            ("approvals", approval),
        )
        for resource, name in used:
            await scene.then_request(resource, name, "Used")
        for name in ("night-shift", "hour-48"):
            await scene.then_request("checkpoints", f"{scene.name}-25-{name}", "Pending")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tried(guarded: TestBed, guarded_service_account: Path) -> AsyncIterator[Scene]:
    """A Rollout of which all that is over. It is only looked at."""
    with guarded.client() as client:
        scene = Scene(guarded, client, guarded_service_account, new_namespace(client))
        await given_it_was_tried_and_then_done(scene)
        yield scene


async def test_audit_tells_what_was_done_and_what_was_refused(tried: Scene, tmp_path: Path) -> None:
    """In all three formats, by the record and the API server's own log."""
    scene = tried
    standards = tmp_path / "standards.yaml"
    standards.write_text(STANDARDS)
    words = (
        *("audit", scene.name, "--standards", str(standards)),
        *("--audit-log", str(scene.bed.audit_log)),
    )

    done = await ask(scene, *words, "-o", "json")
    assert done.code == 0, done.err
    found: JSON = done.json
    (practices,) = found["taken"]
    kept = {each["practice"]: each["compliance"] for each in practices["practices"]}
    assert kept == {
        "Initial soak": "complies",
        "Checkpoint validation": "complies",
        "Stakeholder approval": "complies",
        "Monitoring baseline": "does not comply",
        "Expansion rate": "complies",
        "Rollback rehearsal": "does not comply",
    }
    refused = [
        (each["by"], each["object"].split("/")[0], each["code"], each["refusedBy"])
        for each in found["refusals"]["log"]["refusals"]
    ]
    assert refused == [
        ("admin", "configmaps", 403, "policy surefoot-configmaps"),
        ("forge", "approvals", 403, "policy surefoot-decisions"),
        ("hudson", "approvals", 422, "the rules of the kind"),
    ]
    past, another, no_reason = found["refusals"]["log"]["refusals"]
    assert past["client"] == "automation/1"
    assert another["through"] == "admin"
    assert another["said"].startswith("forge may not decide")
    assert "a decision must have a reason" in no_reason["said"]
    handoffs = [
        (each["percent"], each["fromWhom"], each["acknowledgedBy"]) for each in found["handoffs"]
    ]
    assert handoffs == [(10, "thon", "cora"), (25, None, None)]
    step = found["steps"][-1]
    assert {(each["of"], each["by"], each["verified"]) for each in step["decisions"]} == {
        ("hour-48", "atlas", True),
        ("night-shift", "thon", True),
        ("receiver", "cora", True),
        ("security", "hudson", True),
    }
    assert found["recordIsWhole"] is True

    told = (await ask(scene, *words)).out
    assert "### 10% → 25%: 4 of 6 (67%)" in told
    assert "forge may not decide" in told
    page = (await ask(scene, *words, "-o", "html")).out
    assert page.startswith("<!doctype html>")
    assert page.rstrip().endswith("</html>")
    assert "forge may not decide" in page

    total = found["score"]["total"]
    assert (await ask(scene, *words, "--at-least", str(total))).code == 0
    missed = await ask(scene, *words, "--at-least", "9.9")
    assert (missed.code, missed.err) == (1, f"the score is {total}, and 9.9 is asked for\n")


async def test_timeline_and_retrospective_are_made_from_the_record(
    tried: Scene, tmp_path: Path
) -> None:
    """Also from an exported one; who may not look is told so."""
    scene = tried
    timeline = await ask(scene, "timeline", scene.name, "-o", "json")
    assert timeline.code == 0, timeline.err
    (path,) = timeline.json["schedule"]["paths"]
    soak, *_ = path["stages"]
    assert (soak["plan"], soak["standard"]) == ("1s", "24h")
    assert timeline.json["schedule"]["next"]["expansion"] == "25% → 100%"

    record = tmp_path / "record.jsonl"
    record.write_text((await ask(scene, "record", "export", scene.name)).out)
    looked_back = await ask(scene, "retrospective", scene.name, "--record", str(record))
    assert looked_back.code == 0, looked_back.err
    assert "## Open questions" in looked_back.out
    assert "1 of 1 handoffs were acknowledged" in looked_back.out

    changed = record.read_text().replace('"to":25', '"to":26')
    record.write_text(changed)
    tampered = await ask(scene, "audit", scene.name, "--record", str(record))
    assert (tampered.code, tampered.out) == (1, "")
    assert "is not intact" in tampered.err
    no_log = await ask(scene, "audit", scene.name, "--audit-log", str(record))
    assert (no_log.code, no_log.out) == (1, "")
    assert "is no audit log" in no_log.err
    assert (await ask(scene, "audit", scene.name, user="thon")).code == 3
    nothing = await ask(scene, "audit", "nothing")
    assert nothing.code == 1
    assert "there is no Rollout nothing" in nothing.err
    assert json.loads((await ask(scene, "audit", scene.name, "-o", "json")).out)["refusals"][
        "logUnknown"
    ].startswith("unknown")
