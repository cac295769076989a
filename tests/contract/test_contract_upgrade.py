"""What the previous version let in stays readable, and anyone who does not touch it may go on.

`deploy/baseline` has the CustomResourceDefinitions of that version, without descriptions. They are
installed under a group and names of their own, since the control plane is shared by all tests: for
kubectl, `rollouts` are those of the first group that has any.
"""

import copy
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from deploy.project import ROOT
from surefoot.adapters.kubernetes.objects import read
from surefoot.api.v1alpha1.meta import GROUP, VERSION
from surefoot.application.ports import Kind
from surefoot.crdgen.definitions import DEFINITIONS, Definition
from surefoot.testbed.bed import TestBed
from tests.contract.manifests import COMPLETE, Manifest, changed
from tests.support.testbed import SURELY, wait_until

pytestmark = pytest.mark.apiserver

PREVIOUS = ROOT / "deploy" / "baseline"
OLD_GROUP = "previous.surefoot.test"
PREFIX = "previous"
"""Before the names of resources in that group."""
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
AT = "9999-12-31T23:59:59-05:00"

NO_LONGER_TAKEN: dict[str, dict[str, Any]] = {
    "Rollout": {
        "spec.coverage.tolerance": -1,
        "spec.limits.maxExpansionFactor": "0.5",
        "spec.steps.0.hold.soak": "9999d99999h",
    },
    "Checkpoint": {"spec.request.dueAt": AT, "spec.request.opensAt": "0000-01-01T00:00:00Z"},
    "Approval": {"spec.signature.expiresAt": AT},
}
"""What the previous schema took and today's refuses."""
UNTOUCHED: dict[str, dict[str, Any]] = {
    "Rollout": {"spec.paused": False, "spec.coverage.metric": "other"},
    "Checkpoint": {"spec.summary": "changed"},
    "Approval": {"spec.reason": "changed"},
}
"""A change that has nothing to do with it."""


class Upgrade:
    """An API server that is upgraded while objects are stored in it."""

    def __init__(self, api: httpx.Client, namespace: str) -> None:
        self.api = api
        self.namespace = namespace

    def install(self, crd: Manifest) -> None:
        """Install a CustomResourceDefinition under the group of this test, or replace it."""
        crd = copy.deepcopy(crd)
        names = crd["spec"]["names"]
        plural = f"{PREFIX}{names['plural']}"
        name = f"{plural}.{OLD_GROUP}"
        crd["metadata"] = {"name": name}
        crd["spec"]["group"] = OLD_GROUP
        crd["spec"]["names"] = names | {
            "plural": plural,
            "singular": f"{PREFIX}{names['singular']}",
            "shortNames": [],
            "categories": [],
        }
        answer = self.api.patch(
            f"{CRDS}/{name}",
            params={"fieldManager": "upgrade", "force": "true"},
            content=json.dumps(crd),
            headers={"Content-Type": "application/apply-patch+yaml"},
        ).raise_for_status()
        generation = answer.json()["metadata"]["generation"]
        wait_until(lambda: self._is_served(plural, generation), SURELY, f"{name} to be served")

    def _is_served(self, plural: str, generation: int) -> bool:
        served = self.api.get(f"/apis/{OLD_GROUP}/{VERSION}/{plural}").is_success
        crd = self.api.get(f"{CRDS}/{plural}.{OLD_GROUP}").raise_for_status().json()
        return served and crd["metadata"]["generation"] == generation

    def send(self, method: str, manifest: Manifest) -> httpx.Response:
        """Create or replace an object."""
        path = f"/apis/{OLD_GROUP}/{VERSION}/namespaces/{self.namespace}"
        path += f"/{PREFIX}{manifest['kind'].lower()}s"
        if method == "PUT":
            path += f"/{manifest['metadata']['name']}"
        body = {**manifest, "apiVersion": f"{OLD_GROUP}/{VERSION}"}
        return self.api.request(method, path, json=body)


@pytest.fixture
def upgrade(testbed: TestBed, namespace: str) -> Iterator[Upgrade]:
    """The shared API server; the definitions are removed afterwards."""
    with testbed.client() as api:
        yield Upgrade(api, namespace)
        for definition in DEFINITIONS:
            api.delete(f"{CRDS}/{PREFIX}{definition.plural}.{OLD_GROUP}")


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda known: known.kind)
def test_what_the_previous_version_stored_stays_readable_and_can_be_changed(
    upgrade: Upgrade, definition: Definition
) -> None:
    """The API server goes on taking what nobody touches, and refuses the same anywhere else."""
    kind = definition.kind
    upgrade.install(json.loads((PREVIOUS / f"{definition.plural}.json").read_text()))
    manifest = changed(COMPLETE[kind], NO_LONGER_TAKEN[kind])
    stored = upgrade.send("POST", manifest).raise_for_status().json()

    upgrade.install(definition.manifest())
    refused = changed(manifest, {"metadata.name": "another"})
    wait_until(
        lambda: upgrade.send("POST", refused).status_code == 422,
        SURELY,
        "today's schema to be in force",
    )

    after = upgrade.send("PUT", changed(stored, UNTOUCHED[kind]))
    assert after.is_success, after.text
    found: Any = read(Kind(kind), after.json())
    assert found.metadata.name == manifest["metadata"]["name"]
    assert found.to_wire()["spec"]


def test_the_group_of_the_previous_definitions_is_ours() -> None:
    """They are the definitions that clusters have."""
    for definition in DEFINITIONS:
        crd = json.loads((PREVIOUS / f"{definition.plural}.json").read_text())
        assert crd["spec"]["group"] == GROUP
