"""A Rollout in Git, synced as Argo CD does, with the operator and the policies at work."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from surefoot.adapters.settings import AdmissionMode
from surefoot.domain.facts.plan_hash import plan_hash
from surefoot.manifestgen.argocd import settings
from surefoot.testbed.bed import TestBed
from tests.gitops import argocd
from tests.gitops.argocd import PROJECT
from tests.gitops.sync import ACCOUNT, TRACKING, USER, Application, install_account
from tests.support.requests import client_of_account
from tests.support.scene import Scene
from tests.support.world import a_rollout

pytestmark = pytest.mark.apiserver

ENFORCED = AdmissionMode.ENFORCED
MANIFEST: dict[str, Any] = {
    "apiVersion": "surefoot.dev/v1alpha1",
    "kind": "Rollout",
    "metadata": {
        "name": "checkout",
        "labels": {"app.kubernetes.io/instance": "shop"},
        "annotations": {"argocd.argoproj.io/sync-options": "Prune=confirm,Delete=confirm"},
    },
    "spec": {
        "target": {"configMapName": "checkout-flags", "flags": ["checkout"]},
        "steps": [{"percent": 10, "hold": {"soak": "48h"}}, {"percent": 50}, {"percent": 100}],
        "limits": {"maxExpansionFactor": 10},
        "approvals": {"roles": [{"name": "security", "users": ["hudson"]}]},
    },
}
WATCHED: dict[str, Any] = {
    "metrics": [{"name": "errors", "query": "vector(0)"}],
    "gates": [{"name": "errors", "atMost": "0.1%"}],
    "triggers": [{"name": "errors", "above": "0.5%", "for": "1m"}],
}
PAGE = (PROJECT / "docs" / "argocd.md").read_text(encoding="utf-8")
PEOPLES = tuple(re.findall(r"^    - (/spec/\S+)$", PAGE, re.MULTILINE))
EXAMPLES = PROJECT / "manifests" / "examples" / "argocd"
MODES = [
    pytest.param((server_side, self_heal), id=f"{'server' if server_side else 'client'}-{heals}")
    for server_side in (False, True)
    for self_heal, heals in ((False, "shows"), (True, "heals"))
]


@pytest.fixture(scope="module")
def account(guarded: TestBed) -> Path:
    """Argo CD's account."""
    return install_account(guarded)


@pytest.fixture(scope="module")
def client(guarded: TestBed, account: Path) -> Iterator[httpx.Client]:
    """A connection of that account."""
    with client_of_account(guarded, *ACCOUNT) as client:
        yield client


@pytest.fixture
def application(
    guarded_scene: Scene, account: Path, client: httpx.Client, request: pytest.FixtureRequest
) -> Application:
    """The Application, not synced yet; the test's parameters say how it syncs."""
    server_side, self_heal = request.param
    return Application(
        guarded_scene.bed,
        account,
        client,
        guarded_scene.namespace,
        MANIFEST,
        server_side=server_side,
        self_heal=self_heal,
    )


def with_spec(**changes: Any) -> dict[str, Any]:
    """Git's manifest with other values."""
    return MANIFEST | {"spec": MANIFEST["spec"] | changes}


@pytest.mark.parametrize("application", MODES, indirect=True)
async def test_sync_settles_at_once_and_stays(
    guarded_scene: Scene, application: Application
) -> None:
    """One sync; neither stamps, defaults, status nor what people steer makes a difference."""
    application.sync()
    assert application.refresh() == {}
    async with guarded_scene.an_operator(admission=ENFORCED):
        await guarded_scene.then_at(10)
        assert application.refresh(3) == {}
        live = application.live()
        assert live is not None
        stamped = live["metadata"]["annotations"]
        assert stamped["surefoot.dev/requested-by"] == USER
        assert live["status"]["percent"] == 10

        # A person pauses: Git does not carry the field, so it stays.
        await guarded_scene.when_the_plan_is_patched(paused=True)
        await guarded_scene.then_phase("Paused")
        assert application.refresh(3) == {}
        await guarded_scene.then_phase("Paused")

        # Git changes the plan: that is one more sync, and the pause stays.
        assert application.syncs == 1
        application.manifest = with_spec(steps=[{"percent": 10}, {"percent": 100}])
        assert application.differences().keys() == {"spec"}
        application.sync()
        assert application.refresh(3) == {}
        assert application.syncs == 2
        await guarded_scene.then_phase("Paused")

        # A person ends it, and rolls back.
        ceiling = {"to": 0, "reason": "the release is bad"}
        await guarded_scene.when_the_plan_is_patched(paused=None, rollback=ceiling)
        await guarded_scene.then_at(0)
        assert application.refresh(3) == {}
    assert application.syncs == 2
    live = application.live()
    assert live is not None
    assert live["spec"]["rollback"] == ceiling
    assert argocd.health(live)["status"] == "Degraded"


@pytest.mark.parametrize("application", [(False, True), (True, True)], indirect=True)
def test_field_of_peoples_in_git_is_fought_over(application: Application) -> None:
    """Self-heal undoes what a person does, unless the difference is ignored and respected."""
    application.manifest = with_spec(paused=False, **WATCHED)
    application.sync()
    assert application.refresh() == {}
    pause(application)
    application.refresh()
    assert paused(application) is False

    application.ignored = PEOPLES
    pause(application)
    assert application.refresh(3) == {}
    assert paused(application) is True
    application.sync()
    assert paused(application) is True


@pytest.mark.parametrize("application", [(False, False)], indirect=True)
async def test_nothing_that_the_operator_makes_looks_prunable(
    guarded_scene: Scene, application: Application
) -> None:
    """Neither the tracking id nor the label by which Argo CD knows its own is on a child."""
    application.manifest = with_spec(
        steps=[{"percent": 10}, {"percent": 100}], approvals=MANIFEST["spec"]["approvals"]
    )
    application.sync()
    async with guarded_scene.an_operator(admission=ENFORCED):
        await guarded_scene.then_at(10)
        await guarded_scene.until(
            lambda: guarded_scene.get("approvals", "checkout-100-security"), "the Approval"
        )
    for resource, name in (
        ("configmaps", "checkout-flags"),
        ("approvals", "checkout-100-security"),
    ):
        child = await guarded_scene.get(resource, name)
        assert child is not None
        assert TRACKING not in child["metadata"].get("annotations", {})
        assert "app.kubernetes.io/instance" not in child["metadata"].get("labels", {})


@pytest.mark.parametrize("application", [(False, True)], indirect=True)
async def test_actions_are_taken_by_the_api_server(
    guarded_scene: Scene, application: Application
) -> None:
    """Pause, resume, roll back and retry, as the merge patches that Argo CD sends."""
    application.manifest = with_spec(approvals={"roles": []})
    application.sync()
    async with guarded_scene.an_operator(admission=ENFORCED):
        await guarded_scene.then_at(10)
        for action, phase in (
            ("pause", "Paused"),
            ("resume", "Soaking"),
            ("rollback", "RolledBack"),
        ):
            live = application.live()
            assert live is not None
            await guarded_scene.patch("rollouts", "checkout", argocd.act(live, action))
            await guarded_scene.then_phase(phase)
        await guarded_scene.when_the_plan_is_patched(rollback=None)
        live = application.live()
        assert live is not None
        await guarded_scene.patch("rollouts", "checkout", argocd.act(live, "retry"))
        await guarded_scene.then_at(10)
        assert application.refresh() == {}
    assert application.syncs == 1


def test_page_ignores_all_that_is_peoples() -> None:
    """The list for `ignoreDifferences` has every field of the table, and they are people's."""
    named = re.findall(r"^\| `spec\.([\w.]+)` \|", PAGE, re.MULTILINE)
    assert [pointer.removeprefix("/spec/").replace("/", ".") for pointer in PEOPLES] == named
    plan = a_rollout(rehearsal={"maxAge": "7d"})
    for name in named:
        value: Any = {"paused": True, "rollback": {"to": 0}}.get(name, 1)
        if name == "approvalDryRun.run":
            value = {"run": 1}
        if name == "rehearsal.run":
            value = {"maxAge": "7d", "run": 1}
        steered = a_rollout(**{"rehearsal": {"maxAge": "7d"}, name.split(".")[0]: value})
        assert plan_hash(steered.spec) == plan_hash(plan.spec), name


def test_patch_of_argocd_cm_leaves_other_keys(guarded: TestBed, account: Path) -> None:
    """As the page applies it; what somebody else has there stays theirs."""
    theirs = {"url": "https://argo.example", "application.instanceLabelKey": "shop"}
    literals = [f"--from-literal={key}={value}" for key, value in theirs.items()]
    guarded.kubectl("create", "configmap", "argocd-cm", "-n", "argocd", *literals)
    (command,) = re.findall(r"^    kubectl (apply .+argocd-cm\.yaml)$", PAGE, re.MULTILINE)
    words = [str(PROJECT / word) if word.endswith(".yaml") else word for word in command.split()]
    guarded.kubectl(*words)
    data = json.loads(
        guarded.kubectl("get", "cm", "argocd-cm", "-n", "argocd", "-o", "json").stdout
    )
    assert data["data"] == theirs | settings()


def test_example_is_taken_by_the_api_server(guarded: TestBed, guarded_namespace: str) -> None:
    """With its annotations, which admission does not take for the operator's."""
    example = str(EXAMPLES / "rollout.yaml")
    guarded.kubectl("apply", "-n", guarded_namespace, "-f", example)


def pause(application: Application) -> None:
    """Somebody pauses, as `kubectl patch` does."""
    with application.bed.client() as person:
        person.patch(
            application.path,
            json={"spec": {"paused": True}},
            headers={"Content-Type": "application/merge-patch+json"},
        ).raise_for_status()


def paused(application: Application) -> bool:
    """Whether it is paused now."""
    live = application.live()
    assert live is not None
    return bool(live["spec"].get("paused"))
