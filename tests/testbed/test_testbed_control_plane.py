"""What the control plane of the test bed can do, asked of a real one."""

import json
import re
from datetime import datetime
from typing import Any

import pytest
import yaml

from surefoot.errors import TestbedError
from surefoot.testbed.bed import TestBed
from surefoot.testbed.components import KUBERNETES_VERSION
from surefoot.testbed.users import EXAMPLE_USERS, User
from tests.support.testbed import SURELY, audit_events, wait_until

pytestmark = pytest.mark.apiserver


def test_every_component_is_ready(testbed: TestBed) -> None:
    """A started bed needs no further waiting."""
    ready = {
        "etcd": "ready",
        "kube-apiserver": "ready",
        "kube-controller-manager": "ready",
        "prometheus": "ready",
    }

    def all_are_ready() -> bool:
        """They were so before; a busy machine may not answer in time when they are asked again."""
        return {component.name: component.state for component in testbed.components} == ready

    wait_until(all_are_ready, SURELY, "every component to be ready")


def test_clients_can_parse_the_servers_version(testbed: TestBed) -> None:
    """A build without its version stamped answers v0.0.0-master, which breaks clients."""
    answer = json.loads(testbed.kubectl("version", "--output=json").stdout)
    server = answer["serverVersion"]
    assert (server["gitVersion"], server["major"], server["minor"]) == (
        f"v{KUBERNETES_VERSION}",
        "1",
        "37",
    )


@pytest.mark.parametrize("user", EXAMPLE_USERS, ids=lambda user: user.name)
def test_users_are_known_by_name_and_groups(testbed: TestBed, user: User) -> None:
    """The API server itself says who it thinks is asking."""
    answer = json.loads(testbed.kubectl("auth", "whoami", "--output=json", user=user.name).stdout)
    info = answer["status"]["userInfo"]
    assert info["username"] == user.name
    assert info["groups"] == [*user.groups, "system:authenticated"]


def test_users_can_be_added(testbed: TestBed) -> None:
    """Groups are the caller's choice, also while the bed runs, and others see them too."""
    testbed.add_user(User("zoe", ("quality",)))
    answer = TestBed.attach(testbed.directory).kubectl(
        "auth", "whoami", "--output=json", user="zoe"
    )
    assert json.loads(answer.stdout)["status"]["userInfo"]["groups"][0] == "quality"


def test_unknown_user_is_named_with_those_known(testbed: TestBed) -> None:
    """A slip in a name says which there are."""
    with pytest.raises(TestbedError, match=r"no user 'hudsen'; it has admin, .*hudson"):
        testbed.kubeconfig("hudsen")


def test_kubeconfigs_are_private_and_trust_our_authority_only(testbed: TestBed) -> None:
    """They hold keys; and TLS is verified, not skipped."""
    path = testbed.kubeconfig("cora")
    assert path.stat().st_mode & 0o077 == 0
    cluster = yaml.safe_load(path.read_text())["clusters"][0]["cluster"]
    assert set(cluster) == {"server", "certificate-authority-data"}
    assert cluster["server"].startswith("https://127.0.0.1:")


def test_a_user_without_rights_is_denied(testbed: TestBed, namespace: str) -> None:
    """RBAC decides; nobody but admin has any right at first."""
    denied = testbed.kubectl("-n", namespace, "get", "configmaps", user="thon", check=False)
    assert denied.returncode != 0
    assert 'User "thon" cannot list resource "configmaps"' in denied.stderr


def test_a_group_that_was_given_a_role_is_let_in(testbed: TestBed, namespace: str) -> None:
    """Certificates carry groups that RoleBindings can name."""
    testbed.kubectl(
        *("-n", namespace, "create", "rolebinding", "see"),
        *("--clusterrole=view", "--group=security"),
    )

    def hudson_may() -> bool:
        command = ("-n", namespace, "auth", "can-i", "list", "configmaps")
        return testbed.kubectl(*command, user="hudson", check=False).returncode == 0

    assert wait_until(hudson_may, SURELY, "the authorizer to see the new role binding")


def test_audit_log_says_who_did_what_with_microseconds(testbed: TestBed, namespace: str) -> None:
    """Metadata for everything; ConfigMaps with their bodies."""
    testbed.kubectl("-n", namespace, "create", "configmap", "flags", "--from-literal=a=25")
    testbed.kubectl("-n", namespace, "create", "serviceaccount", "robot")
    configmap = _audited(testbed, namespace, "configmaps", "flags")
    account = _audited(testbed, namespace, "serviceaccounts", "robot")
    assert configmap["user"]["username"] == "admin"
    assert "system:masters" in configmap["user"]["groups"]
    assert configmap["requestObject"]["data"] == {"a": "25"}
    assert account["level"] == "Metadata"
    assert "requestObject" not in account
    for stamp in ("requestReceivedTimestamp", "stageTimestamp"):
        assert re.search(r"\.\d{6}Z$", configmap[stamp])
        assert datetime.fromisoformat(configmap[stamp])


def _audited(testbed: TestBed, namespace: str, resource: str, name: str) -> dict[str, Any]:
    """Wait for the creation of this object in the audit log."""

    wanted = {"resource": resource, "namespace": namespace, "name": name}

    def found() -> dict[str, Any] | None:
        for entry in audit_events(testbed, about=namespace):
            reference = entry.get("objectRef", {})
            if entry["verb"] == "create" and wanted.items() <= reference.items():
                return entry
        return None

    entry = wait_until(found, SURELY, f"the creation of {resource}/{name} in the audit log")
    assert entry is not None
    return entry


def test_dependents_go_when_their_owner_does(testbed: TestBed, namespace: str) -> None:
    """Garbage collection by ownerReference."""
    testbed.kubectl("-n", namespace, "create", "configmap", "owner")
    uid = testbed.kubectl(
        *("-n", namespace, "get", "configmap", "owner", "--output=jsonpath={.metadata.uid}")
    ).stdout
    owned = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "owned",
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
            ],
        },
    }
    testbed.kubectl("-n", namespace, "create", "-f", "-", stdin=json.dumps(owned))
    testbed.kubectl("-n", namespace, "delete", "configmap", "owner")
    wait_until(
        lambda: _is_gone(testbed, "-n", namespace, "configmap", "owned"),
        SURELY,
        "the garbage collector to delete the owned ConfigMap",
    )


def test_deletion_of_a_namespace_finishes(testbed: TestBed) -> None:
    """With everything in it."""
    testbed.kubectl("create", "namespace", "short-lived")
    testbed.kubectl("-n", "short-lived", "create", "configmap", "content")
    testbed.kubectl("delete", "namespace", "short-lived", "--wait=false")
    wait_until(
        lambda: _is_gone(testbed, "namespace", "short-lived"), SURELY, "the namespace to be gone"
    )


def _is_gone(testbed: TestBed, *what: str) -> bool:
    answer = testbed.kubectl("get", *what, "--ignore-not-found", "--output=name")
    return not answer.stdout.strip()


def test_service_accounts_authenticate_by_token(testbed: TestBed, namespace: str) -> None:
    """The token is one the API server issued, bound to the account."""
    testbed.kubectl("-n", namespace, "create", "serviceaccount", "robot")
    kubeconfig = testbed.kubeconfig_for_service_account(namespace, "robot")
    answer = testbed.kubectl(
        *("auth", "whoami", "--output=json", f"--kubeconfig={kubeconfig}"),
    )
    info = json.loads(answer.stdout)["status"]["userInfo"]
    assert info["username"] == f"system:serviceaccount:{namespace}:robot"
    assert f"system:serviceaccounts:{namespace}" in info["groups"]


def test_token_for_a_missing_account_says_how_to_create_it(
    testbed: TestBed, namespace: str
) -> None:
    """The message is a way out."""
    with pytest.raises(TestbedError, match=f"kubectl -n {namespace} create serviceaccount nobody"):
        testbed.kubeconfig_for_service_account(namespace, "nobody")


def test_controllers_run_as_their_service_accounts(testbed: TestBed) -> None:
    """So that what they do is told apart in the audit log."""
    account = "system:serviceaccount:kube-system:service-account-controller"
    wait_until(
        lambda: audit_events(testbed, about=account),
        SURELY,
        "a controller's account in the audit log",
    )


def test_deployments_get_as_far_as_their_pods(testbed: TestBed, namespace: str) -> None:
    """There is no node, so the Pod waits; but it has passed admission."""
    testbed.kubectl(*("-n", namespace, "create", "deployment", "web", "--image=example.com/web:1"))
    wait_until(
        lambda: testbed.kubectl("-n", namespace, "get", "pods", "--output=name").stdout,
        SURELY,
        "the Pod of the Deployment",
    )


def test_mutating_admission_policy_is_served(testbed: TestBed) -> None:
    """In version v1, without a feature gate."""
    kinds = testbed.kubectl(
        *("api-resources", "--api-group=admissionregistration.k8s.io", "--output=name")
    ).stdout
    assert "mutatingadmissionpolicies.admissionregistration.k8s.io" in kinds.split()
    with testbed.client() as client:
        group = client.get("/apis/admissionregistration.k8s.io/v1").json()
    assert "mutatingadmissionpolicies" in {entry["name"] for entry in group["resources"]}
