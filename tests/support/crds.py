"""The three kinds in the shared control plane, installed once per run.

Load it as a plugin beside the test bed: ``pytest_plugins = ["tests.support.crds"]``.
"""

from pathlib import Path

import httpx
import pytest

from surefoot.api.v1alpha1.meta import API_VERSION
from surefoot.crdgen.definitions import DEFINITIONS
from surefoot.testbed.bed import TestBed
from tests.support.testbed import SURELY, wait_until

CRDS = Path(__file__).parents[2] / "crds"


@pytest.fixture(scope="session")
def crds(testbed: TestBed) -> None:
    """The API server knows the three kinds, and serves them.

    Every worker applies them: applying what is there already changes nothing.
    """
    serve_crds(testbed)


def serve_crds(testbed: TestBed) -> None:
    """Apply the CRDs, and wait until objects of these kinds can be applied."""
    testbed.kubectl("apply", "--server-side", "-f", str(CRDS))
    with testbed.client() as api:
        wait_until(
            lambda: all_kinds_are_served(api), SURELY, "the API server to serve surefoot.dev"
        )


def all_kinds_are_served(api: httpx.Client) -> bool:
    """Whether objects can be listed, and discovery and OpenAPI, which kubectl asks, know the kinds.

    The condition Established comes before all of that; `kubectl wait` for it fails when it looks
    before there are any conditions.
    """
    kinds = {definition.kind for definition in DEFINITIONS}
    group = api.get(f"/apis/{API_VERSION}")
    if not group.is_success:
        return False
    listed = [api.get(f"/apis/{API_VERSION}/{definition.plural}") for definition in DEFINITIONS]
    return (
        kinds <= {resource["kind"] for resource in group.json()["resources"]}
        and all(answer.is_success for answer in listed)
        and kinds <= kinds_described(api)
    )


def kinds_described(api: httpx.Client) -> set[str]:
    """The kinds of our group that have an OpenAPI schema."""
    documents = api.get("/openapi/v3").raise_for_status().json()["paths"]
    if f"apis/{API_VERSION}" not in documents:
        return set()
    url = documents[f"apis/{API_VERSION}"]["serverRelativeURL"]
    schemas = api.get(url).raise_for_status().json()["components"]["schemas"]
    return {name.rsplit(".", 1)[-1] for name in schemas}
