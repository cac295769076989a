"""Objects to send to an API server, and ways to send them: for tests that stand in for people."""

import base64
import ssl
from typing import Any

import httpx
import yaml

from surefoot.api.v1alpha1.meta import API_VERSION, GROUP
from surefoot.testbed.bed import TestBed
from tests.contract.manifests import MINIMAL, changed
from tests.support.testbed import SURELY, wait_until

JSON = dict[str, Any]

OPERATOR = ("surefoot-system", "surefoot")
"""Namespace and name of the operator's account."""
MERGE = {"Content-Type": "application/merge-patch+json"}


ALLOWS = {
    "surefoot-author": ("create", "rollouts"),
    "surefoot-approver": ("patch", "approvals"),
    "surefoot-reporter": ("patch", "checkpoints"),
}
"""Something that each of our roles allows and no smaller one does."""


def bound(
    admin: httpx.Client, namespace: str, role: str, *, user: str = "", group: str = ""
) -> None:
    """Bind a ClusterRole in a namespace to a user or a group, and wait until it acts."""
    kind, name = ("User", user) if user else ("Group", group)
    api = "rbac.authorization.k8s.io"
    binding = {
        "metadata": {"generateName": f"{role}-"},
        "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": api, "kind": kind, "name": name}],
    }
    path = f"/apis/{api}/v1/namespaces/{namespace}/rolebindings"
    admin.post(path, json=binding).raise_for_status()
    verb, resource = ALLOWS.get(role, ("get", "rollouts"))
    wait_until(
        lambda: may(admin, verb, resource, namespace, user=user, group=group),
        SURELY,
        f"{role} to act for {name} in {namespace}",
    )


def may(
    admin: httpx.Client,
    verb: str,
    resource: str,
    namespace: str | None = None,
    *,
    user: str = "",
    group: str = "",
    of: str = GROUP,
) -> bool:
    """Whether the authorizer lets somebody do this; it hears of roles after they are stored."""
    attributes = {"group": of, "resource": resource, "verb": verb}
    spec = {
        "user": user or "nobody",
        "groups": [group] if group else [],
        "resourceAttributes": attributes | ({"namespace": namespace} if namespace else {}),
    }
    review = admin.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", json={"spec": spec})
    return bool(review.raise_for_status().json()["status"]["allowed"])


def operator_may_work(admin: httpx.Client) -> bool:
    """Whether the roles of the operator's account act, that of its own namespace as well."""
    namespace, name = OPERATOR
    user = f"system:serviceaccount:{namespace}:{name}"
    lease = may(admin, "create", "leases", namespace, user=user, of="coordination.k8s.io")
    return lease and may(admin, "list", "rollouts", user=user)


def client_with_token(bed: TestBed, token: str) -> httpx.Client:
    """Give an HTTP client that shows this token and no certificate."""
    cluster = yaml.safe_load(bed.kubeconfig().read_text())["clusters"][0]["cluster"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    return httpx.Client(
        base_url=bed.server,
        verify=ssl.create_default_context(cadata=authority),
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
        timeout=30.0,
    )


def client_of_account(bed: TestBed, namespace: str, name: str) -> httpx.Client:
    """Give an HTTP client with a token of this service account that is bound to nothing else."""
    kubeconfig = yaml.safe_load(bed.kubeconfig_for_service_account(namespace, name).read_text())
    return client_with_token(bed, kubeconfig["users"][0]["user"]["token"])


def collection(kind: str, namespace: str) -> str:
    """The path of a kind's objects in a namespace."""
    group = f"/apis/{API_VERSION}" if kind in MINIMAL else "/api/v1"
    return f"{group}/namespaces/{namespace}/{kind.lower()}s"


def path_of(manifest: JSON) -> str:
    """The path of an object that was read."""
    metadata = manifest["metadata"]
    return f"{collection(manifest['kind'], metadata['namespace'])}/{metadata['name']}"


def made(client: httpx.Client, namespace: str, manifest: JSON) -> JSON:
    """Create an object and give it back as it is stored."""
    answer = client.post(collection(manifest["kind"], namespace), json=manifest)
    assert answer.is_success, answer.text
    stored: JSON = answer.json()
    return stored


def patched(client: httpx.Client, manifest: JSON, change: JSON) -> httpx.Response:
    """Merge a change into an object that was read."""
    return client.request("PATCH", path_of(manifest), json=change, headers=MERGE)


def a_rollout(name: str, **spec: Any) -> JSON:
    """A plan that the API server takes."""
    target = {"configMapName": f"{name}-flags", "flags": [name]}
    fields = {f"spec.{field}": value for field, value in spec.items()}
    return changed(MINIMAL["Rollout"], {"metadata.name": name, "spec.target": target, **fields})


def a_request(kind: str, name: str, rollout: JSON) -> JSON:
    """What the operator opens for a Rollout: an Approval by hudson, or a Checkpoint by atlas."""
    metadata = rollout["metadata"]
    who = {"spec.request.users": ["hudson"]} if kind == "Approval" else {}
    return changed(
        MINIMAL[kind],
        {
            "metadata": {"name": name, "ownerReferences": [owner_reference(rollout)]},
            "spec.request.rollout": {"name": metadata["name"], "uid": metadata["uid"]},
            **who,
        },
    )


def a_flag(name: str, rollout: JSON, *, owned: bool = False) -> JSON:
    """The ConfigMap that the operator makes for a Rollout; ``owned`` where it goes with it."""
    references = [owner_reference(rollout)] if owned else []
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "labels": {"surefoot.dev/managed": "true"},
            "ownerReferences": references,
        },
        "data": {rollout["metadata"]["name"]: "10"},
    }


def decision_by(user: str, kind: str = "Approval") -> JSON:
    """A change that says GO, signed with this name."""
    words = "reason" if kind == "Approval" else "summary"
    return {"spec": {"decision": "GO", words: "a test", "decidedBy": {"username": user}}}


def owner_reference(rollout: JSON) -> JSON:
    """What makes the garbage collector delete something together with a Rollout."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Rollout",
        "name": rollout["metadata"]["name"],
        "uid": rollout["metadata"]["uid"],
        "controller": False,
        "blockOwnerDeletion": False,
    }
