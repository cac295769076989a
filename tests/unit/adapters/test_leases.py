"""The Lease as the API server keeps it, and whatever somebody writes into it."""

from typing import Any

import pytest

from surefoot.adapters.kubernetes.leases import KubernetesLease
from surefoot.application.leases import LeaseContent
from tests.support.fakes import FakeClock

CONTENT = LeaseContent("shards/4", 10.0, 3, {"a_1": 7, "b_2": 9})


class FakeHttp:
    """One Lease."""

    def __init__(self) -> None:
        self.held: Any = None

    async def get(self, what: str, path: str) -> dict[str, Any]:
        assert path.endswith("/namespaces/surefoot-system/leases/surefoot")
        return dict(self.held)

    async def write(
        self, what: str, verb: str, path: str, body: dict[str, Any], *, is_fenced: bool
    ) -> dict[str, Any]:
        assert not is_fenced
        self.held = {**body, "metadata": {**body["metadata"], "resourceVersion": "1"}}
        return dict(self.held)


@pytest.fixture
def http() -> FakeHttp:
    return FakeHttp()


@pytest.fixture
def lease(http: Any) -> KubernetesLease:
    return KubernetesLease(http, FakeClock(), "surefoot-system", "surefoot")


async def test_what_is_written_is_read(lease: KubernetesLease) -> None:
    written = await lease.write(None, CONTENT)
    found = await lease.read()
    assert found is not None
    assert (written.content, found.content) == (CONTENT, CONTENT)


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"a": "many"}', "[" * 100_000, None])
async def test_replicas_that_somebody_wrote_by_hand_are_none(
    lease: KubernetesLease, http: FakeHttp, text: str | None
) -> None:
    await lease.write(None, CONTENT)
    http.held["metadata"]["annotations"] = {"surefoot.dev/replicas": text}
    found = await lease.read()
    assert found is not None
    assert found.content.replicas == {}
