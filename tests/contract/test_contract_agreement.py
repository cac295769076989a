"""The two validators agree: whatever the API server stores, the models read and can write again."""

import json
import os
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from surefoot.adapters.kubernetes.objects import read
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.application.ports import Kind
from surefoot.testbed.bed import TestBed
from tests.contract.case import apply, collection
from tests.contract.manifests import COMPLETE, Manifest, changed
from tests.contract.models import KINDS
from tests.contract.wild import GROUNDS, Ground, Path

pytestmark = pytest.mark.apiserver

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
WILD = settings(
    derandomize=not LONG,
    deadline=None,
    max_examples=20_000 if LONG else 40,
    database=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)
NAMESPACE = "agreement"


class Server:
    """An API server that is asked what it would store, and stores nothing but one object a kind."""

    def __init__(self, api: httpx.Client) -> None:
        self.api = api
        self.versions: dict[str, str] = {}

    def try_to_store(self, half: str, manifest: Manifest) -> httpx.Response:
        """What the API server says; with an answer of success, what it would store."""
        path = collection(manifest["kind"], NAMESPACE)
        if half == "spec":
            return self._send("POST", path, manifest)
        version, name = self._version(manifest["kind"]), _stored_name(manifest["kind"])
        metadata = {**manifest["metadata"], "name": name, "resourceVersion": version}
        return self._send("PUT", f"{path}/{name}/status", {**manifest, "metadata": metadata})

    def _send(self, method: str, path: str, body: Any) -> httpx.Response:
        return self.api.request(
            method,
            path,
            params={"dryRun": "All", "fieldValidation": "Ignore"},
            content=json.dumps(body),
            headers={"Content-Type": "application/json"},
        )

    def _version(self, kind: str) -> str:
        if kind not in self.versions:
            base = changed(COMPLETE[kind], {"metadata.name": _stored_name(kind)})
            answer = apply(self.api, NAMESPACE, base).raise_for_status()
            self.versions[kind] = answer.json()["metadata"]["resourceVersion"]
        return self.versions[kind]


def _stored_name(kind: str) -> str:
    """The name of the one object of a kind that is there."""
    return f"stored-{kind.lower()}"


@pytest.fixture(scope="module")
def server(testbed: TestBed, crds: None) -> Iterator[Server]:
    """The API server, with a namespace that nothing is left in."""
    with testbed.client() as api:
        api.post("/api/v1/namespaces", json={"metadata": {"name": NAMESPACE}})
        yield Server(api)


def agree(server: Server, ground: Ground, attempt: Manifest) -> httpx.Response:
    """Assert that the models read what the API server would store, and answer with what it said."""
    answer = server.try_to_store(ground.half, attempt)
    if not answer.is_success:
        assert answer.status_code in {400, 413, 422}, answer.text
        assert answer.json()["message"]
        return answer
    stored = answer.json()
    found: Any = read(Kind(ground.kind), stored)
    assert not (isinstance(found, Rollout) and found.left_out)
    KINDS[ground.kind].model_validate(stored)
    again = {**attempt, ground.half: found.to_wire()[ground.half]}
    written = server.try_to_store(ground.half, again)
    assert written.is_success, written.text
    return answer


@pytest.mark.parametrize("ground", GROUNDS, ids=str)
@WILD
@given(data=st.data())
def test_whatever_the_api_server_stores_the_models_read(
    server: Server, ground: Ground, data: st.DataObject
) -> None:
    """And whatever they would not read, it refuses and says why."""
    agree(server, ground, data.draw(ground.attempts()))


@pytest.mark.parametrize("ground", GROUNDS, ids=str)
def test_models_read_every_field_at_its_edges(server: Server, ground: Ground) -> None:
    """Every odd character in every text, every extreme in every moment, length, bound and number.

    All fields at once, less those that the API server refuses, until it takes the rest.
    """
    taken = 0
    for everywhere in ground.at_one_edge().values():
        changes = everywhere
        while changes:
            answer = agree(server, ground, ground.with_values(changes))
            if answer.is_success:
                taken += 1
                break
            changes = _less_the_refused(changes, answer.json())
    assert taken


def _less_the_refused(changes: dict[Path, Any], refusal: Any) -> dict[Path, Any]:
    """The changes that the refusal does not name; all but one where it names none of them."""
    named = [
        tuple(int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", each))
        for each in (cause.get("field", "") for cause in refusal["details"].get("causes", []))
    ]
    kept = {
        path: value
        for path, value in changes.items()
        if not any(path[: len(name)] == name for name in named if name)
    }
    return kept if len(kept) < len(changes) else dict(list(changes.items())[1:])
