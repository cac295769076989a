"""`kubectl surefoot` on a real API server with the policies: what people type and what it does.

Everybody has only the role that is meant for what they do.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import re
import signal
import struct
import sys
import termios
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from surefoot.plugin.watching import HIDE, SHOW
from surefoot.testbed.bed import TestBed
from tests.support import commands
from tests.support.commands import Done
from tests.support.policies import answer_to_a_rollout, in_force
from tests.support.requests import bound
from tests.support.scene import Scene
from tests.support.testbed import SURELY, wait_until

pytestmark = [pytest.mark.apiserver, pytest.mark.asyncio(loop_scope="module")]

JSON = dict[str, Any]

ROLES = {
    "hudson": "surefoot-approver",
    "forge": "surefoot-approver",
    "cora": "surefoot-author",
    "atlas": "surefoot-reporter",
}
SECURITY = {"name": "security", "groups": ["security"], "requiredSections": ["riskAssessment"]}
METRICS = {"name": "metrics", "users": ["forge"]}
NARROW = 60
"""Columns of a narrow terminal."""


@dataclass
class Shell:
    """Where people type."""

    scene: Scene

    async def __call__(self, user: str, *words: str) -> Done:
        """Run `kubectl surefoot` as somebody, in the scene's namespace."""
        kubeconfig = self.scene.bed.kubeconfig(user)
        return await typed(kubeconfig, *words, "-n", self.scene.namespace)


async def typed(kubeconfig: Path, *words: str) -> Done:
    """Run what kubectl runs for `kubectl surefoot`, with a kubeconfig."""
    env = {"KUBECONFIG": str(kubeconfig)}
    return await asyncio.to_thread(commands.run, "kubectl-surefoot", *words, env=env)


@pytest.fixture
def shell(guarded_attended_scene: Scene) -> Shell:
    """People with the roles that are shipped, where an operator is at work."""
    return where_people_type(guarded_attended_scene)


def where_people_type(scene: Scene) -> Shell:
    """Give people in a scene the roles that are shipped."""
    for user, role in ROLES.items():
        bound(scene.client, scene.namespace, role, user=user)
    return Shell(scene)


async def given_it_waits_for(scene: Scene, *roles: JSON, **hold: Any) -> None:
    """A Rollout at 10% whose next step these must sign."""
    await scene.given_a_rollout(steps=(10, 100), approvals={"roles": list(roles)}, hold=hold)


async def asked(scene: Scene, *roles: str) -> None:
    """Wait until these are asked, and the Rollout's status names what they are asked by."""
    for role in roles:
        await scene.then_named("approvals", f"checkout-100-{role}")


async def test_what_waits_is_approved_and_the_step_is_taken(
    guarded_attended_scene: Scene, shell: Shell
) -> None:
    """Inbox, approve, 100%: by a member of the group, with the role for approvers alone."""
    scene = guarded_attended_scene
    await given_it_waits_for(scene, SECURITY)
    await asked(scene, "security")
    await scene.then_at(10)

    inbox = await shell("hudson", "inbox")
    assert inbox.code == 0, inbox.err
    assert (
        f"$ kubectl surefoot approve checkout -n {scene.namespace} --role security "
        '--reason "…" --risk-assessment "…"'
    ) in inbox.out
    (item,) = (await shell("hudson", "inbox", "-o", "json")).json["items"]
    assert (item["role"], item["from"], item["to"]) == ("security", 10, 100)
    assert item["evidence"]["soak"]["complete"]

    lacking = await shell("hudson", "approve", "checkout", "--role=security", "--reason=ok")
    assert lacking.code == 1
    assert '--risk-assessment "…"' in lacking.err

    words = ("--role=security", "--reason=no findings", "--risk-assessment=low")
    done = await shell("hudson", "approve", "checkout", *words)
    assert (done.code, done.out) == (
        0,
        "GO by hudson: checkout 10% → 100%, as security\n",
    ), done.err
    status = await scene.then_at(100)
    advance = next(entry for entry in status["history"] if entry["type"] == "Advance")
    (evidence,) = advance["evidence"]["decisions"]
    assert (evidence["by"], evidence["verified"]) == ("hudson", True)
    nothing = await shell("hudson", "inbox")
    assert (nothing.code, nothing.out) == (
        0,
        f"nothing waits for hudson in namespace {scene.namespace}\n",
    )


async def test_who_is_not_asked_is_refused_in_the_servers_words(
    guarded_attended_scene: Scene, shell: Shell
) -> None:
    """1 where a policy says no, 3 where there is no right to ask at all; nothing waits for them."""
    scene = guarded_attended_scene
    await given_it_waits_for(scene, METRICS)
    await asked(scene, "metrics")
    words = ("approve", "checkout", "--role=metrics", "--reason=looks good to me")
    refused = await shell("hudson", *words)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("Error: hudson may not decide approval checkout-100-metrics")
    forbidden = await shell("cora", *words)
    assert forbidden.code == 3
    assert 'User "cora" cannot list resource "approvals"' in forbidden.err
    assert (
        f"$ kubectl create rolebinding cora-surefoot-viewer -n {scene.namespace} "
        "--clusterrole=surefoot-viewer --user=cora"
    ) in forbidden.err
    stranger = await shell("thon", "inbox")
    assert stranger.code == 3
    assert (await shell("hudson", "inbox", "-o", "json")).json["items"] == []
    unknown = await shell("forge", "approve", "checkout", "--role=cto", "--reason=because")
    assert unknown.code == 1
    assert "has no role cto: its roles are metrics" in unknown.err
    assert scene.percents_written() == [10]


async def test_dry_run_is_asked_for_answered_and_explained(
    guarded_attended_scene: Scene, shell: Shell
) -> None:
    """The author asks, who would sign answers, and the step waits for the real signature."""
    scene = guarded_attended_scene
    await given_it_waits_for(scene, METRICS)
    await asked(scene, "metrics")
    none = await shell("forge", "approve", "checkout", "--role=metrics", "--reason=x", "--dry-run")
    assert none.code == 1
    assert "`dry-run checkout` begins one" in none.err
    nobody = await shell("forge", "dry-run", "checkout")
    assert nobody.code == 3, nobody.err
    begun = await shell("cora", "dry-run", "checkout", "--to=100")
    assert begun.code == 0, begun.err
    assert "counts for nothing" in begun.out
    await asked(scene, "metrics-dry1")

    inbox = await shell("forge", "inbox")
    assert (
        f"$ kubectl surefoot approve checkout -n {scene.namespace} --role metrics --dry-run "
        '--reason "…"'
    ) in inbox.out
    words = ("--role=metrics", "--reason=as if", "--dry-run")
    done = await shell("forge", "approve", "checkout", *words)
    assert (done.code, done.out) == (
        0,
        ("GO by forge: dry run, counts for nothing: checkout 10% → 100%, as metrics\n"),
    ), done.err
    await scene.then_request("approvals", "checkout-100-metrics-dry1", "Go")

    async def is_explained() -> bool:
        said = (await shell("cora", "explain", "checkout")).out
        return "it would be approved: metrics by forge" in said

    await scene.until(is_explained, "the outcome to be explained")
    real = await shell("forge", "inbox", "-o", "json")
    assert [(item["name"], item["dryRun"]) for item in real.json["items"]] == [
        ("checkout-100-metrics", False)
    ]
    assert scene.percents_written() == [10]


async def test_own_unused_go_is_withdrawn_and_holds_as_a_no_go(
    guarded_attended_scene: Scene, shell: Shell
) -> None:
    """And nobody's else; a GO by the same signer ends it."""
    scene = guarded_attended_scene
    await given_it_waits_for(scene, METRICS, SECURITY | {"requiredSections": []})
    await asked(scene, "metrics", "security")
    go = ("--role=security", "--reason=no findings", "--risk-assessment=low")
    assert (await shell("hudson", "approve", "checkout", *go)).code == 0
    await scene.then_request("approvals", "checkout-100-security", "Go")

    nobodys = await shell("forge", "withdraw", "checkout", "--role=metrics", "--reason=x")
    assert nobodys.code == 1
    assert "forge has no GO as metrics for checkout" in nobodys.err
    words = ("--role=security", "--reason=a new finding")
    assert (await shell("hudson", "withdraw", "checkout", *words)).code == 0
    await scene.then_request("approvals", "checkout-100-security", "NoGo")
    approval = await scene.get("approvals", "checkout-100-security")
    assert approval is not None
    assert "riskAssessment" not in approval["spec"]  # it was said of the GO

    assert (await shell("forge", "reject", "checkout", "--role=metrics", "--reason=y")).code == 0
    await scene.then_request("approvals", "checkout-100-metrics", "NoGo")
    explained = await shell("hudson", "explain", "checkout")
    assert explained.code == 0
    assert "security is NO-GO by hudson: a new finding" in explained.out
    roles = (await shell("hudson", "explain", "checkout", "-o", "json")).json["roles"]
    assert {each["role"]: each["state"] for each in roles} == {
        "security": "NoGo",
        "metrics": "NoGo",
    }
    for user, role in (("hudson", "security"), ("forge", "metrics")):
        mended = (f"--role={role}", "--reason=mended")
        unlabelled = await shell(user, "approve", "-l", "app=checkout", *mended)
        assert unlabelled.code == 1
        assert (await shell(user, "approve", "checkout", *mended)).code == 0
    await scene.then_at(100)


async def test_step_is_reported_with_tests_and_a_file(
    guarded_attended_scene: Scene, shell: Shell, tmp_path: Path
) -> None:
    """As the reporter, with nothing but the role for reporters."""
    scene = guarded_attended_scene
    report = tmp_path / "report.md"
    report.write_text("# All is well\n")
    checkpoint = {"name": "hour-1", "type": "Report", "reporter": {"users": ["atlas"]}}
    await scene.given_a_rollout(steps=(10, 100), hold={"checkpoints": [checkpoint]})
    name = "checkout-10-hour-1"
    await scene.until(lambda: scene.get("checkpoints", name), name)
    (item,) = (await shell("atlas", "inbox", "-o", "json")).json["items"]
    assert item["command"].startswith("kubectl surefoot checkpoint checkout hour-1 -n ")
    no_such = await shell("atlas", "checkpoint", "checkout", "hour-9", "--go", "--summary=x")
    assert no_such.code == 1
    assert "no checkpoint hour-9: its checkpoints are hour-1" in no_such.err
    done = await shell(
        "atlas",
        *("checkpoint", "checkout", "hour-1", "--go", "--summary=stable"),
        *("--test=unit=6/6", "--report", str(report)),
    )
    assert done.code == 0, done.err
    await scene.then_at(100)
    found = await scene.get("checkpoints", name)
    assert found is not None
    spec = found["spec"]
    assert (spec["decidedBy"]["username"], spec["report"]) == ("atlas", "# All is well\n")
    assert spec["tests"] == [{"name": "unit", "passed": 6, "total": 6}]


async def test_rollback_is_rehearsed_and_waited_for(
    guarded_attended_scene: Scene, shell: Shell
) -> None:
    """By somebody who may plan; the flag stays where it is."""
    scene = guarded_attended_scene
    asks = {"maxAge": "7d"}
    await scene.given_a_rollout(steps=(10, 50, 100), hold={"soak": "1h"}, rehearsal=asks)
    await scene.then_at(10)
    done = await shell("cora", "rehearse", "checkout", "--wait")
    assert done.code == 0, done.err
    assert "checkout: run 1 Passed, " in done.out
    await scene.then_condition("RehearsalFresh", "True")
    assert scene.percents_written() == [10]


async def test_plan_is_paused_rolled_back_and_tried_again(
    guarded_attended_scene: Scene, shell: Shell
) -> None:
    """Each by its author, who is recorded; what a tool sets is left alone unless forced."""
    scene = guarded_attended_scene
    await scene.given_a_rollout(steps=(10, 50, 100), hold={"soak": "1h"}, attempt=0)
    await scene.then_at(10)
    assert (await shell("cora", "pause", "checkout")).code == 0
    await scene.then_phase("Paused")
    again = await shell("cora", "pause", "checkout")
    assert (again.code, again.out) == (0, "checkout is paused already\n")
    rollout = await scene.get("rollouts", "checkout")
    assert rollout is not None
    assert rollout["metadata"]["annotations"]["surefoot.dev/changed-by"] == "cora"
    assert (await shell("cora", "resume", "checkout")).code == 0
    await scene.then_phase("Soaking")

    for words, said in (
        (("--to=10",), "is at 10%: a ceiling there or above moves nothing"),
        (("--to=7",), "has no step of 7%: it can go down to 0"),
    ):
        refused = await shell("cora", "rollback", "checkout", *words, "--reason=errors")
        assert refused.code == 1
        assert said in refused.err
    early = await shell("cora", "retry", "checkout")
    assert early.code == 1
    assert "was not rolled back" in early.err or "is set by" in early.err
    assert (await shell("cora", "rollback", "--all", "--reason=errors rise")).code == 0
    await scene.then_at(0)
    standing = await shell("cora", "retry", "checkout")
    assert standing.code == 1
    assert "may not go above 0% (errors rise)" in standing.err
    # The creator has set the attempt, by another client than kubectl.
    owned = await shell("cora", "retry", "checkout", "--lift-ceiling")
    assert owned.code == 1
    assert "spec.attempt of checkout is set by python-httpx" in owned.err
    forced = await shell("cora", "retry", "checkout", "--lift-ceiling", "--force")
    assert (forced.code, forced.out) == (0, "checkout: attempt 1, from 0%\n"), forced.err
    status = await scene.then_at(10)
    assert status["attempt"] == 1
    got = await shell("cora", "get", "checkout", "-o", "wide")
    titles = "NAME PERCENT PROGRESS PHASE WAITING-ON SOAK TRIGGERS EARLIEST READY REASON AGE"
    assert " ".join(got.out.splitlines()[0].split()) == titles
    assert "checkout" in got.out
    everywhere = await shell("admin", "get", "-A")
    assert everywhere.out.startswith("NAMESPACE")
    assert scene.namespace in everywhere.out
    assert (await shell("cora", "get", "-A")).code == 3  # only this namespace is hers to see
    assert (await shell("cora", "get", "-o", "json")).json["items"][0]["kind"] == "Rollout"
    assert (await shell("cora", "get", "checkout", "-o", "json")).json["kind"] == "Rollout"


async def test_halt_says_who_and_why_on_every_rollout_and_is_lifted(
    guarded_attended_scene: Scene, shell: Shell
) -> None:
    """A second one does not take the place of the first by mistake."""
    scene = guarded_attended_scene
    nothing = await shell("admin", "halt", "--reason=incident 7")
    assert nothing.code == 1
    assert f"namespace {scene.namespace} has no Rollouts: nothing was halted" in nothing.err
    assert await scene.get("configmaps", "surefoot-halt") is None
    await scene.given_a_rollout(steps=(10, 100), paused=True)
    halted = await shell("admin", "halt", "--reason=incident 7")
    assert halted.code == 0
    assert f"halted namespace {scene.namespace} (1 Rollout: checkout)" in halted.out
    await scene.when_the_plan_is_patched(paused=None)
    await scene.then_blocked_by("NotPaused", "Halted")
    said = (await shell("cora", "explain", "checkout")).out
    assert f"halted in {scene.namespace} by admin (not verified): incident 7" in said
    second = await shell("admin", "halt", "--reason=other", "--until=2h")
    assert second.code == 1
    assert "halted by admin: incident 7" in second.err
    assert (await shell("admin", "halt", "--reason=other", "--until=2h", "--replace")).code == 0
    lifted = await shell("admin", "unhalt", "--reason=it is over")
    assert lifted.code == 0, lifted.err
    await scene.then_completed()
    kept = await scene.get("configmaps", "surefoot-halt")
    assert kept is not None
    assert (kept["data"]["liftedBy"], kept["data"]["liftReason"]) == ("admin", "it is over")
    assert (await shell("admin", "unhalt", "--reason=again")).out.endswith("is not halted\n")
    assert (await shell("cora", "halt", "--reason=may I?")).code == 3


@pytest.fixture
def nothing_is_filled_in(guarded: TestBed) -> Iterator[None]:
    """The policies of `manifests/without-mutation`, for one test."""
    kinds = "mutatingadmissionpolicybindings.admissionregistration.k8s.io"
    with guarded.client() as api:

        def is_told() -> bool:
            return "there must be" in answer_to_a_rollout(api).text

        guarded.kubectl("delete", kinds, "surefoot-decided-by", "surefoot-stamps")
        try:
            wait_until(is_told, SURELY, "names not to be filled in")
            yield
        finally:
            in_force(guarded)
            wait_until(lambda: not is_told(), SURELY, "names to be filled in again")


async def test_everything_works_where_no_policy_fills_names_in(
    nothing_is_filled_in: None, guarded_attended_scene: Scene, shell: Shell
) -> None:
    """The commands write who it is themselves: a decision, a pause, an attempt."""
    scene = guarded_attended_scene
    by_admin = {
        f"surefoot.dev/{stamp}": "admin"
        for stamp in ("requested-by", "authors", "changed-by", "attempt-by")
    }
    plan = {
        "apiVersion": "surefoot.dev/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "checkout", "annotations": by_admin},
        "spec": {
            "target": {"configMapName": "checkout-flags", "flags": ["checkout"]},
            "steps": [{"percent": 10}, {"percent": 100}],
            "limits": {"maxExpansionFactor": 100},
            "hold": {"approvals": {"roles": [METRICS]}},
        },
    }
    await scene.create("rollouts", plan)
    await asked(scene, "metrics")
    for words in (
        ("cora", "pause", "checkout"),
        ("cora", "resume", "checkout"),
        ("cora", "rollback", "checkout", "--reason=errors"),
    ):
        done = await shell(*words)
        assert done.code == 0, done.err
    await scene.then_phase("RolledBack")
    done = await shell("cora", "retry", "checkout", "--lift-ceiling")
    assert done.code == 0, done.err
    await scene.then_at(10)
    await scene.until(
        lambda: scene.get("approvals", "checkout-100-metrics-r2"), "the next attempt's"
    )
    done = await shell("forge", "approve", "checkout", "--role=metrics", "--reason=good")
    assert done.code == 0, done.err
    await scene.then_at(100)


async def test_what_can_not_be_answered_is_told_apart(
    guarded_attended_scene: Scene, shell: Shell, tmp_path: Path
) -> None:
    """1: there is none. 2: that is no name. 3: not let in, or nobody there."""
    missing = await shell("cora", "explain", "nothing")
    assert missing.code == 1
    assert (
        f"there is no Rollout nothing in namespace {guarded_attended_scene.namespace}"
        in missing.err
    )
    assert (await shell("cora", "get", "nothing")).code == 1
    await guarded_attended_scene.given_a_rollout(steps=(10, 100))
    assert "did you mean checkout?" in (await shell("cora", "get", "chekout")).err
    for words in (
        ("get", "a/../b"),
        ("get", "--", "-x"),
        ("get", "-x"),
        ("explain", "Checkout"),
        ("approve", "checkout", "--role=../x", "--reason=x"),
        ("approve", "--role=x", "--reason=x"),
        ("approve", "checkout", "--role=x"),
        ("checkpoint", "checkout", "c", "--summary=x"),
        ("rollback", "--reason=x"),
        ("halt", "--reason= "),
    ):
        assert (await shell("cora", *words)).code == 2, words
    versions = await typed(guarded_attended_scene.bed.kubeconfig("cora"), "version")
    assert "v1alpha1, as this command knows them\n" in versions.out
    config = yaml.safe_load(guarded_attended_scene.bed.kubeconfig("cora").read_text())
    config["users"][0]["user"] = {"token": "not-a-token"}
    stranger = tmp_path / "stranger"
    stranger.write_text(yaml.safe_dump(config))
    expired = await typed(stranger, "get")
    assert expired.code == 3
    assert "does not accept your credentials: they may have expired; log in again" in expired.err
    elsewhere = await typed(
        guarded_attended_scene.bed.kubeconfig("cora"), "get", "--context", "moon"
    )
    assert (elsewhere.code, "there is no context 'moon'" in elsewhere.err) == (3, True)
    as_another = await shell("admin", "get", "--as", "thon")
    assert as_another.code == 3
    assert 'User "thon" cannot list resource "rollouts"' in as_another.err
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    stranger.write_text(yaml.safe_dump(config))
    nobody = await typed(stranger, "get")
    assert (nobody.code, "nothing listens at 127.0.0.1:1" in nobody.err) == (3, True)
    nowhere = await typed(tmp_path / "nowhere", "get")
    assert nowhere.code == 3
    assert "cannot find the API server" in nowhere.err


async def test_what_belongs_to_a_rollout_is_shown_and_what_an_edit_costs(
    guarded_attended_scene: Scene, shell: Shell, tmp_path: Path
) -> None:
    """describe, tree, diff and the replay, by people with the roles that are shipped."""
    scene = guarded_attended_scene
    roles = {"roles": [METRICS], "opens": "Step"}
    plan = await scene.given_a_rollout(steps=(10, 100), approvals=roles, hold={"soak": "1h"})
    await asked(scene, "metrics")
    signed = await shell("forge", "approve", "checkout", "--role=metrics", "--reason=good")
    assert signed.code == 0, signed.err
    assert f"rollout   checkout in {scene.namespace}: 10% → 100%" in signed.err
    await scene.then_request("approvals", "checkout-100-metrics", "Go")

    described = await shell("forge", "describe", "checkout")
    assert described.code == 0, described.err
    assert "checkout-100-metrics  Go" in described.out
    assert "You may not list them." in (await shell("cora", "describe", "checkout")).out
    tree = await shell("admin", "tree", "checkout")
    assert f"ConfigMap {scene.target}  checkout=10" in tree.out
    assert "checkout-100-metrics  Go  GO by forge" in tree.out
    assert "you may not look at it" in (await shell("forge", "tree", "checkout")).out

    (start,) = (await scene.status())["history"]
    again = await shell("admin", "explain", "checkout", "--transition", start["transitionId"])
    assert (again.code, "the same decision" in again.out) == (0, True), again.out + again.err

    spec = {name: plan["spec"][name] for name in ("target", "steps", "limits", "approvals")}
    edit = {"kind": "Rollout", "metadata": {"name": "checkout"}}
    file = tmp_path / "plan.yaml"
    file.write_text(yaml.safe_dump(edit | {"spec": spec | {"hold": {"soak": "30m"}}}))
    costs = await shell("admin", "diff", str(file))
    assert costs.code == 0, costs.err
    assert "hold.soak: 1h → 30m" in costs.out
    assert "void, and asked for again: GO by forge as metrics" in costs.out
    assert "the API server would take it" in costs.out
    target = {"configMapName": "other", "flags": ["checkout"]}
    file.write_text(yaml.safe_dump(edit | {"spec": spec | {"target": target}}))
    refused = await shell("admin", "diff", str(file), "-o", "json")
    assert (refused.code, bool(refused.json["refusal"])) == (1, True), refused.err
    assert scene.percents_written() == [10]


async def test_watch_on_a_narrow_terminal_is_redrawn_in_place(
    guarded_attended_scene: Scene, shell: Shell
) -> None:
    """No line is longer than the terminal is wide, and Ctrl-C gives the cursor back."""
    scene = guarded_attended_scene
    primary, secondary = os.openpty()
    fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", 24, NARROW, 0, 0))
    program = "from surefoot.plugin.app import main; main()"
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}

    def take_the_terminal() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    watching = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, "watch", "-n", scene.namespace),
        stdin=secondary,
        stdout=secondary,
        stderr=secondary,
        env={**environment, "KUBECONFIG": str(scene.bed.kubeconfig("cora")), "TERM": "xterm"},
        start_new_session=True,
        preexec_fn=take_the_terminal,
    )
    os.close(secondary)
    seen = b""
    try:
        await scene.given_a_rollout(steps=(10, 100), hold={"soak": "1h"})
        async with asyncio.timeout(SURELY):
            while b" 10%" not in seen:
                seen += await asyncio.to_thread(os.read, primary, 65536)
            os.write(primary, b"\x03")
            with contextlib.suppress(OSError):  # EIO: nobody has the terminal any more
                while more := await asyncio.to_thread(os.read, primary, 65536):
                    seen += more
            assert await watching.wait() == 130
    finally:
        if watching.returncode is None:
            watching.kill()
            await watching.wait()
        os.close(primary)
    text = seen.decode()
    assert text.startswith(HIDE)
    assert text.rstrip().endswith(SHOW)
    assert "Traceback" not in text
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "").splitlines()
    assert max(map(len, lines)) <= NARROW


async def test_watch_shows_what_changes_until_it_is_interrupted(
    guarded_attended_scene: Scene, shell: Shell
) -> None:
    """A line for each change, from the first on; an interruption ends it quietly."""
    scene = guarded_attended_scene
    program = "from surefoot.plugin.app import main; main()"
    watching = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, "watch", "-n", scene.namespace),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "KUBECONFIG": str(scene.bed.kubeconfig("cora"))},
        # Tests that run in the background have it ignored, and so would what they start.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert watching.stdout is not None
        assert watching.stderr is not None
        await scene.given_a_rollout(steps=(10, 100), hold={"soak": "1h"})
        async with asyncio.timeout(SURELY):
            async for line in watching.stdout:
                if line.startswith(b"checkout") and b" 10%" in line:
                    break
            watching.send_signal(signal.SIGINT)
            assert await watching.wait() == 130
            assert await watching.stderr.read() == b""
    finally:
        if watching.returncode is None:
            watching.kill()
            await watching.wait()


async def test_kubectl_finds_it_and_hands_over_what_was_typed(
    guarded: TestBed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its name on the path; the first line of its help is kubectl's way to call it."""
    plugin = tmp_path / "kubectl-surefoot"
    main = "from surefoot.plugin.app import main; main()"
    plugin.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c '{main}' \"$@\"\n")
    plugin.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    get = ("surefoot", "get")
    done = await asyncio.to_thread(guarded.kubectl, *get, "-n", "kube-public", "-o", "json")
    assert json.loads(done.stdout) == {"apiVersion": "v1", "kind": "List", "items": []}
    help_ = await asyncio.to_thread(guarded.kubectl, *get, "-h")
    assert "kubectl surefoot get [OPTIONS]" in help_.stdout
