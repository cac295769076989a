"""Type mistakes are answered by the schema, which names the field, and never by a policy."""

import functools
from typing import Any

import httpx
import pytest

from surefoot.api.v1alpha1.meta import API_VERSION
from surefoot.crdgen.schema import INT_OR_STRING
from tests.contract.bounds import PLACES, Place
from tests.contract.manifests import COMPLETE, Manifest, changed
from tests.support.scene import Scene

pytestmark = pytest.mark.apiserver

OPERATOR = "system:serviceaccount:surefoot-system:surefoot"
KINDS = ("Rollout", "Checkpoint", "Approval")
UNDECIDED = {"decision", "decidedBy", "conditions", "signature"}
OTHERS: dict[str, tuple[Any, ...]] = {
    "string": (7, [], {}),
    "integer": ("25%", "7", 0.5, [], {}),
    "boolean": ("true", 1, []),
    "array": ("hudson", 7, {}),
    "object": ("text", 7, []),
}
"""For each type, values of another."""


def mistakes(place: Place) -> tuple[Any, ...]:
    """Values of another type than the place has."""
    if place.node.get(INT_OR_STRING):
        return (0.5, True, [], {})
    return OTHERS[place.node["type"]]


class Guarded:
    """An API server on which every policy acts, names are filled in, and nothing is stored."""

    def __init__(self, scene: Scene) -> None:
        self._client = scene.client
        self._path = f"/apis/{API_VERSION}/namespaces/{scene.namespace}"

    def send(self, method: str, manifest: Manifest, **options: str) -> httpx.Response:
        """Create or replace an object; requests for decisions as the operator, others as admin."""
        path = f"{self._path}/{manifest['kind'].lower()}s"
        if method == "PUT":
            path += f"/{manifest['metadata']['name']}"
        opens = method == "POST" and manifest["kind"] != "Rollout"
        headers = {"Impersonate-User": OPERATOR} if opens else {}
        return self._client.request(method, path, params=options, json=manifest, headers=headers)

    def stored(self, kind: str) -> Manifest:
        """An object of this kind that is there."""
        base = COMPLETE[kind]
        spec = {name: value for name, value in base["spec"].items() if name not in UNDECIDED}
        answer = self.send("POST", {**base, "spec": spec}).raise_for_status()
        stored: Manifest = answer.json()
        return stored


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_type_mistake_is_answered_with_the_name_of_the_field(
    guarded_scene: Scene, kind: str, method: str
) -> None:
    """Every field, in new objects and in changes of old ones: no policy has a word in it."""
    server = Guarded(guarded_scene)
    base = COMPLETE[kind]
    send = functools.partial(server.send, method, dryRun="All")
    if method == "PUT":
        stored = server.stored(kind)
        base = {**stored, "spec": base["spec"]}
    for place in PLACES:
        if place.kind != kind:
            continue
        # The schema is the same for both: of a change, one mistake shows that it is asked first.
        for mistake in mistakes(place)[: 1 if method == "PUT" else None]:
            answer = send(changed(base, {place.path: mistake}))
            assert answer.status_code == 422, (place.path, mistake, answer.text)
            said = answer.json()
            assert "policy '" not in said["message"], (place.path, mistake, said["message"])
            fields = [cause.get("field", "") for cause in said["details"]["causes"]]
            assert any(place.field in field for field in fields), (place.path, mistake, fields)


@pytest.mark.parametrize("spec", ["text", 7, [], None], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_a_spec_of_another_type_is_answered_by_the_schema(
    guarded_scene: Scene, kind: str, spec: Any
) -> None:
    """Policies look into the spec: they leave one that is none to the schema."""
    answer = Guarded(guarded_scene).send("POST", {**COMPLETE[kind], "spec": spec})
    assert answer.status_code == 422
    assert "policy '" not in answer.json()["message"]
    assert "spec" in answer.json()["message"]
