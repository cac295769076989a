"""The policies do not stand in the way of the cluster's own tidying up, nor of GitOps tools."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest

from surefoot.testbed.bed import TestBed
from tests.contract.manifests import changed
from tests.support.requests import (
    OPERATOR,
    a_flag,
    a_request,
    a_rollout,
    bound,
    client_of_account,
    decision_by,
    made,
    patched,
    path_of,
)
from tests.support.testbed import SURELY, wait_until

pytestmark = [pytest.mark.apiserver]

JSON = dict[str, Any]


class Family(NamedTuple):
    """A Rollout and what the operator made for it."""

    rollout: JSON
    approval: JSON
    checkpoint: JSON
    flag: JSON

    @property
    def dependents(self) -> tuple[JSON, ...]:
        """What has an ownerReference to the Rollout."""
        return (self.approval, self.checkpoint, self.flag)


@pytest.fixture
def admin(guarded: TestBed) -> Iterator[httpx.Client]:
    """An HTTP client of the administrator."""
    with guarded.client() as client:
        yield client


@pytest.fixture
def family(guarded: TestBed, admin: httpx.Client, guarded_namespace: str) -> Family:
    """One whose Approval is given and used, which nobody but the collectors may delete."""
    place = guarded_namespace
    bound(admin, place, "surefoot-approver", user="hudson")
    target = {"configMapName": "checkout-flags", "flags": ["checkout"], "onDelete": "Delete"}
    rollout = made(admin, place, a_rollout("checkout", target=target))
    with client_of_account(guarded, *OPERATOR) as operator, guarded.client("hudson") as hudson:
        approval = made(operator, place, a_request("Approval", "checkout-100-security", rollout))
        checkpoint = made(operator, place, a_request("Checkpoint", "checkout-10-report", rollout))
        flag = made(operator, place, a_flag("checkout-flags", rollout, owned=True))
        wait_until(
            lambda: patched(hudson, approval, decision_by("hudson")).is_success,
            SURELY,
            "the role to act",
        )
        decided = admin.get(path_of(approval)).json()
        used = operator.put(
            f"{path_of(approval)}/status", json={**decided, "status": {"state": "Used"}}
        )
        assert used.is_success, used.text
        the_collector_knows(admin, operator, place)
    return Family(rollout, approval, checkpoint, {**flag, "kind": "ConfigMap"})


def the_collector_knows(admin: httpx.Client, operator: httpx.Client, namespace: str) -> None:
    """Wait until the garbage collector has learnt of all that was made here before.

    It hears of the objects of a kind in their order. What it has not heard of as its owner is
    orphaned keeps that owner's name, and goes later.
    """
    forlorn = {"metadata": {"name": "forlorn", "uid": "of-nobody"}}
    flag = changed(a_flag("forlorn", forlorn, owned=True), {"metadata.labels": {}})
    made_now = (
        made(operator, namespace, a_request("Approval", "forlorn", forlorn)),
        made(operator, namespace, a_request("Checkpoint", "forlorn", forlorn)),
        {**made(admin, namespace, flag), "kind": "ConfigMap"},
    )
    wait_until(
        lambda: all(_is_gone(admin, each) for each in made_now),
        SURELY,
        "the garbage collector to take what is forlorn",
    )


def _is_gone(admin: httpx.Client, manifest: JSON) -> bool:
    return admin.get(path_of(manifest)).status_code == 404


def test_administrator_may_not_delete_what_the_collectors_may(
    admin: httpx.Client, family: Family
) -> None:
    """Else the other tests here would show nothing."""
    for manifest in family.dependents:
        assert admin.delete(path_of(manifest)).status_code == 403


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
def test_requests_and_flag_go_with_their_rollout(
    admin: httpx.Client, family: Family, policy: str
) -> None:
    """By the garbage collector, a used Approval as well, whichever goes first."""
    admin.delete(path_of(family.rollout), params={"propagationPolicy": policy}).raise_for_status()
    wait_until(
        lambda: all(_is_gone(admin, manifest) for manifest in family),
        SURELY,
        "the garbage collector",
    )


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
def test_flag_that_stays_only_loses_its_reference_to_the_rollout(
    guarded: TestBed, admin: httpx.Client, guarded_namespace: str, policy: str
) -> None:
    """Its namespace is an owner as well, which is there: the garbage collector keeps the flag."""
    rollout = made(admin, guarded_namespace, a_rollout("checkout"))
    namespace = admin.get(f"/api/v1/namespaces/{guarded_namespace}").raise_for_status().json()
    flag = a_flag("checkout-flags", rollout, owned=True)
    keeper = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "name": guarded_namespace,
        "uid": namespace["metadata"]["uid"],
    }
    flag["metadata"]["ownerReferences"].append(keeper)
    with client_of_account(guarded, *OPERATOR) as operator:
        stored = {**made(operator, guarded_namespace, flag), "kind": "ConfigMap"}
    admin.delete(path_of(rollout), params={"propagationPolicy": policy}).raise_for_status()

    def owners() -> list[str]:
        left = admin.get(path_of(stored)).raise_for_status().json()
        return [owner["kind"] for owner in left["metadata"]["ownerReferences"]]

    wait_until(lambda: owners() == ["Namespace"], SURELY, "the garbage collector")
    wait_until(lambda: _is_gone(admin, rollout), SURELY, "the Rollout to be gone")
    assert admin.get(path_of(stored)).json()["data"] == flag["data"]


def test_orphans_are_left_without_their_owner(admin: httpx.Client, family: Family) -> None:
    """The garbage collector takes the ownerReferences off, and leaves everything else."""
    admin.delete(path_of(family.rollout), params={"propagationPolicy": "Orphan"}).raise_for_status()
    wait_until(lambda: _is_gone(admin, family.rollout), SURELY, "the Rollout to be let go")
    for manifest in family.dependents:
        left = admin.get(path_of(manifest)).raise_for_status().json()
        assert not left["metadata"].get("ownerReferences"), left["metadata"]["name"]
    assert admin.get(path_of(family.flag)).json()["data"] == family.flag["data"]


def test_namespace_ends_with_all_that_is_in_it(
    guarded: TestBed, admin: httpx.Client, family: Family
) -> None:
    """Nothing hangs on a deletion that is refused."""
    namespace = f"/api/v1/namespaces/{family.rollout['metadata']['namespace']}"
    admin.delete(namespace).raise_for_status()
    wait_until(lambda: admin.get(namespace).status_code == 404, SURELY, "the namespace to end")
    # Anyone who cleans up afterwards finds it again.
    name = namespace.rpartition("/")[2]
    admin.post("/api/v1/namespaces", json={"metadata": {"name": name}}).raise_for_status()


# A GitOps tool that applies by force, as Argo CD does

TOOL = "application-controller"


class GitOps:
    """A service account with all rights that applies what is in Git, again and again."""

    def __init__(self, bed: TestBed, namespace: str) -> None:
        self._bed = bed
        self._namespace = namespace
        bed.kubectl("-n", namespace, "create", "serviceaccount", TOOL)
        binding = f"{namespace}-{TOOL}"
        self.name = f"system:serviceaccount:{namespace}:{TOOL}"
        bed.kubectl(
            *("create", "clusterrolebinding", binding, "--clusterrole=cluster-admin"),
            f"--user={self.name}",
        )
        self._kubeconfig = bed.kubeconfig_for_service_account(namespace, TOOL)
        wait_until(self._may_do_everything, SURELY, "the role to act")

    def _may_do_everything(self) -> bool:
        command = ("auth", "can-i", "*", "*", f"--kubeconfig={self._kubeconfig}")
        return self._bed.kubectl(*command, check=False).returncode == 0

    def applies(self, manifest: JSON) -> str:
        """Apply by force. Answers with what kubectl says where it is refused, else nothing."""
        done = self._bed.kubectl(
            *("apply", "--server-side", "--force-conflicts", "--field-manager=argocd-controller"),
            *(f"--kubeconfig={self._kubeconfig}", "-n", self._namespace, "-f", "-"),
            stdin=json.dumps(manifest),
            check=False,
        )
        return done.stderr if done.returncode else ""


@pytest.fixture
def gitops(guarded: TestBed, guarded_namespace: str) -> GitOps:
    """A tool that may do everything, as far as RBAC goes."""
    return GitOps(guarded, guarded_namespace)


def test_applying_the_same_plan_again_changes_nothing(
    admin: httpx.Client, gitops: GitOps, guarded_namespace: str
) -> None:
    """Not even a version; the stamps name the tool, and survive what they do not say."""
    plan = a_rollout("checkout")
    assert gitops.applies(plan) == ""
    path = f"/apis/surefoot.dev/v1alpha1/namespaces/{guarded_namespace}/rollouts/checkout"
    applied = admin.get(path).raise_for_status().json()
    assert gitops.applies(plan) == ""
    assert gitops.applies(plan) == ""
    again = admin.get(path).raise_for_status().json()
    assert again == applied
    stamps = ("requested-by", "authors", "changed-by", "attempt-by")
    assert again["metadata"]["annotations"] == {
        f"surefoot.dev/{stamp}": gitops.name for stamp in stamps
    }


def test_plan_in_git_and_peoples_fields_live_together(
    admin: httpx.Client, gitops: GitOps, guarded_namespace: str
) -> None:
    """Somebody pauses; applied again, the pause and its stamp stay. A new plan is the tool's."""
    plan = a_rollout("checkout")
    assert gitops.applies(plan) == ""
    path = f"/apis/surefoot.dev/v1alpha1/namespaces/{guarded_namespace}/rollouts/checkout"
    paused = patched(admin, admin.get(path).json(), {"spec": {"paused": True}})
    assert paused.is_success, paused.text
    assert gitops.applies(plan) == ""
    found = admin.get(path).json()
    assert found == paused.json()
    assert found["metadata"]["annotations"]["surefoot.dev/changed-by"] == "admin"
    assert gitops.applies(a_rollout("checkout", hold={"soak": "1h"})) == ""
    changed = admin.get(path).json()
    assert changed["spec"]["paused"] is True
    assert changed["metadata"]["generation"] == found["metadata"]["generation"] + 1
    assert changed["metadata"]["annotations"]["surefoot.dev/requested-by"] == gitops.name


def test_decisions_and_flags_are_not_applied_by_force(
    admin: httpx.Client, gitops: GitOps, family: Family
) -> None:
    """All rights and force are not enough to sign for somebody, or to move people."""
    forged = (
        (_decided(family.checkpoint, "atlas"), "'surefoot-decisions'"),
        (_decided(family.approval, "hudson"), "this signature has been used"),
        ({**family.flag, "data": {"checkout": "100"}}, "'surefoot-configmaps'"),
    )
    for manifest, refusal in forged:
        said = gitops.applies({**manifest, "metadata": {"name": manifest["metadata"]["name"]}})
        assert refusal in said
    assert "decision" not in admin.get(path_of(family.checkpoint)).json()["spec"]
    assert admin.get(path_of(family.flag)).json()["data"] == {"checkout": "10"}


def _decided(manifest: JSON, user: str) -> JSON:
    decision = decision_by(user, manifest["kind"])["spec"] | {"decision": "NO-GO"}
    return {**manifest, "spec": {**manifest["spec"], **decision}}
