"""What must be so on every version of Kubernetes that is supported. `make test-matrix` runs this.

SUREFOOT_TESTBED_KUBERNETES names the version of the test bed. Its name keeps this file out of
`make test`, which has far more of the same for the newest one.
"""

import os
import re
import subprocess
from typing import Any

import httpx
import pytest

from deploy.project import ROOT
from surefoot.adapters.settings import AdmissionMode
from surefoot.testbed.bed import TestBed
from surefoot.testbed.binaries import KUBERNETES_VARIABLE
from surefoot.testbed.components import KUBERNETES, OLDER_KUBERNETES
from tests.packaging.rendering import CHART, NAMESPACE, tool
from tests.support.policies import fills_in_names
from tests.support.requests import MERGE
from tests.support.scene import Scene
from tests.support.testbed import SURELY, wait_until

pytestmark = pytest.mark.apiserver

PAGE = ROOT / "docs" / "install.md"
ROW = re.compile(r"^\| (1\.\d+) \| (\w+) \| (\w+) \| `([\w-]+)` \|$", re.MULTILINE)
STAMPS = ("requested-by", "authors", "changed-by", "attempt-by")
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
DISK_GUARD = 'kubernetes_feature_enabled{name="ManifestBasedAdmissionControlConfig"'


@pytest.fixture
def version(guarded: TestBed) -> str:
    """The version of the API server, such as 1.34."""
    with guarded.client() as admin:
        found = admin.get("/version").raise_for_status().json()
    return f"{found['major']}.{found['minor']}"


def test_api_server_is_of_the_version_that_was_asked_for(version: str) -> None:
    """Else the matrix would show nothing."""
    wanted = os.environ.get(KUBERNETES_VARIABLE, KUBERNETES.version)
    assert version == ".".join(wanted.split(".")[:2])


def test_page_has_a_row_for_each_version_of_the_test_bed() -> None:
    """And no row for one that nobody tries."""
    built = [build.version.rpartition(".")[0] for build in (KUBERNETES, *OLDER_KUBERNETES)]
    assert [row[0] for row in ROW.findall(PAGE.read_text("utf-8"))] == built


def test_page_says_what_this_version_lacks(guarded: TestBed, version: str) -> None:
    """By what the API server serves, and by the features that it has turned on."""
    rows = {row[0]: row[1:] for row in ROW.findall(PAGE.read_text("utf-8"))}
    with guarded.client() as admin:
        fills = fills_in_names(admin)
        metrics = admin.get("/metrics").raise_for_status().text
    guard = any(
        line.startswith(DISK_GUARD) and line.endswith(" 1") for line in metrics.splitlines()
    )
    found = (
        "yes" if fills else "no",
        "yes" if guard else "no",
        "default" if fills else "without-mutation",
    )
    assert rows[version] == found


def test_overlay_for_this_version_is_taken_without_a_warning(
    guarded: TestBed, version: str
) -> None:
    """Every object, in strict mode; the overlay for other versions is refused by its kind."""
    rows = {row[0]: row[3] for row in ROW.findall(PAGE.read_text("utf-8"))}
    apply = ("apply", "--server-side", "--force-conflicts", "--validate=strict", "-k")
    taken = guarded.kubectl(*apply, f"manifests/{rows[version]}")
    assert taken.stderr == ""
    if rows[version] != "default":
        refused = guarded.kubectl(*apply, "manifests/default", check=False)
        assert 'no matches for kind "MutatingAdmissionPolicy"' in refused.stderr


def test_chart_is_told_by_this_api_server_what_it_serves(guarded: TestBed, version: str) -> None:
    """Where names cannot be filled in, it says which value to set, and that value is enough."""
    install = ("upgrade", "--install", "surefoot", str(CHART), "-n", NAMESPACE, "--dry-run=server")
    adopting = (*install, "--set", "adopt=true", "--take-ownership")

    def stderr_of(*arguments: str) -> str:
        return subprocess.run(
            [tool("helm"), *arguments, "--kubeconfig", str(guarded.kubeconfig())],
            check=False,
            capture_output=True,
            text=True,
        ).stderr

    said = stderr_of(*adopting)
    with guarded.client() as admin:
        refuses = not fills_in_names(admin)
    assert ("set policies.mutation=false, and people write their own names" in said) is refuses
    assert "policies.mutation" not in stderr_of(*adopting, "--set", "policies.mutation=false")


def test_expressions_of_all_policies_compile(guarded: TestBed) -> None:
    """The API server's own type checker complains of none."""

    def complaints(admin: httpx.Client) -> dict[str, Any] | None:
        found = admin.get(f"{ADMISSION}/validatingadmissionpolicies").raise_for_status().json()
        checked = {each["metadata"]["name"]: each.get("status", {}) for each in found["items"]}
        if not checked or any("observedGeneration" not in each for each in checked.values()):
            return None
        return {
            "found": [
                name
                for name, status in checked.items()
                if status.get("typeChecking", {}).get("expressionWarnings")
            ]
        }

    with guarded.client() as admin:
        answer = wait_until(lambda: complaints(admin), SURELY, "the policies to be type-checked")
    assert answer == {"found": []}


def decided(scene: Scene, name: str, by: str, says: str) -> httpx.Response:
    """Sign as ``by`` with the name ``says``; what RBAC allows is no matter here."""
    spec = {"decision": "GO", "reason": "a test", "decidedBy": {"username": says}}
    return scene.client.patch(
        f"/apis/surefoot.dev/v1alpha1/namespaces/{scene.namespace}/approvals/{name}",
        json={"spec": spec},
        headers=MERGE | {"Impersonate-User": by, "Impersonate-Group": "system:masters"},
    )


async def given_a_plan(scene: Scene, **spec: Any) -> None:
    """Apply a plan as admin, who writes the own name where no policy fills it in."""
    approvals = {"roles": [{"name": "security", "users": ["hudson"]}]}
    target = {"configMapName": scene.target, "flags": [scene.name], "onDelete": "Delete"}
    await scene.create(
        "rollouts",
        {
            "apiVersion": "surefoot.dev/v1alpha1",
            "kind": "Rollout",
            "metadata": {
                "name": scene.name,
                "annotations": {f"surefoot.dev/{stamp}": "admin" for stamp in STAMPS},
            },
            "spec": {
                "target": target,
                "steps": [{"percent": 10}, {"percent": 50}, {"percent": 100}],
                "limits": {"maxExpansionFactor": 100},
                "approvals": approvals,
                **spec,
            },
        },
    )


async def test_step_waits_for_its_signature_and_rolls_back_at_once(guarded_scene: Scene) -> None:
    """The main path: the operator's own account, its policies, a forged name, a rollback, the end.

    What it needs of an API server is in here: watches, conditional writes, status, admission,
    garbage collection.
    """
    scene = guarded_scene
    await given_a_plan(scene)
    async with scene.an_operator(admission=AdmissionMode.ENFORCED):
        await scene.then_at(10)
        asked = f"{scene.name}-50-security"
        await scene.until(lambda: scene.get("approvals", asked), asked)
        forged = decided(scene, asked, by="cora", says="hudson")
        assert (forged.status_code, "'surefoot-decisions'" in forged.text) == (403, True)
        moved = scene.client.patch(
            f"/api/v1/namespaces/{scene.namespace}/configmaps/{scene.target}",
            json={"data": {scene.name: "100"}},
            headers=MERGE,
        )
        assert "carries the flags of rollout checkout" in moved.text
        signed = decided(scene, asked, by="hudson", says="hudson")
        assert signed.is_success, signed.text
        await scene.then_at(50)
        await scene.then_request("approvals", asked, "Used")
        await scene.when_the_plan_is_patched(rollback={"to": 0, "reason": "a test"})
        status = await scene.then_at(0)
        assert [entry["to"] for entry in status["history"]] == [10, 50, 0]
        assert {entry["evidence"]["admission"] for entry in status["history"]} == {"Enforced"}
        await scene.delete("rollouts", scene.name)

        async def is_gone() -> bool:
            return await scene.get("configmaps", scene.target) is None

        # The controller manager looks for new kinds every half minute.
        await scene.until(is_gone, "the flag to go with its Rollout")
    assert scene.percents_written() == [10, 50, 0]
