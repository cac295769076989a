"""Objects to send to an API server, and ways to send them: for tests that stand in for people."""

import base64
import ssl
from typing import Any

import httpx
import yaml

from surefoot.api.v1alpha1.meta import API_VERSION
from surefoot.testbed.bed import TestBed
from tests.contract.manifests import MINIMAL, changed

JSON = dict[str, Any]

MERGE = {"Content-Type": "application/merge-patch+json"}


def bound(bed: TestBed, namespace: str, role: str, subject: str) -> None:
    """Bind a ClusterRole in a namespace to ``--user=…``, ``--group=…`` or ``--serviceaccount=…``.

    It acts a moment later.
    """
    command = ("create", "rolebinding", role, f"--clusterrole={role}", subject)
    bed.kubectl("-n", namespace, *command)


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
