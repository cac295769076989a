"""Scenes in which an operator is at work already: one for all tests of a file.

    pytestmark = [pytest.mark.apiserver, pytest.mark.asyncio(loop_scope="module")]

    async def test_plan_without_metrics_is_completed(attended_scene: Scene) -> None:
        await attended_scene.given_a_rollout(steps=(10, 25, 100))
        await attended_scene.then_completed()

To start and to stop an operator takes longer than most of what is asked of it. A test that does not
stop it, and asks for no settings of its own, plays in a namespace of its own beside the others'.
What the operator is started with may be given in the file as ``AT_WORK``.

``attended_scene``          on the bed that all tests share
``guarded_attended_scene``  on the one with the policies in force, which the operator then needs
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from surefoot.adapters.settings import AdmissionMode
from surefoot.testbed.bed import TestBed
from tests.support.scene import Acting, Scene
from tests.support.testbed import new_namespace


@dataclass
class Attended:
    """The scenes that are left, and the operator that watches all of them."""

    scenes: list[Scene]
    acting: Acting

    def next_scene(self) -> Scene:
        """A scene in which nothing was played yet."""
        assert not self.acting.task.done(), "the operator of this file has ended"
        return replace(self.scenes.pop())  # it reads the audit log from here on


@asynccontextmanager
async def attended(
    request: pytest.FixtureRequest, fixture: str, bed: TestBed, account: Path, **settings: Any
) -> AsyncIterator[Attended]:
    """Run an operator for as many scenes as the tests of the file need."""
    number = sum(
        getattr(item, "module", None) is request.module and fixture in item.fixturenames
        for item in request.session.items
        if isinstance(item, pytest.Function)
    )
    with bed.client() as client:
        scenes = [Scene(bed, client, account, new_namespace(client)) for _ in range(number)]
        chosen = settings | getattr(request.module, "AT_WORK", {})
        async with scenes[0].an_operator(beside=scenes, **chosen) as acting:
            yield Attended(scenes.copy(), acting)
        for each in scenes:
            client.delete(f"/api/v1/namespaces/{each.namespace}").raise_for_status()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def operator_at_work(
    request: pytest.FixtureRequest, testbed: TestBed, service_account: Path
) -> AsyncIterator[Attended]:
    """The operator of this file."""
    async with attended(request, "attended_scene", testbed, service_account) as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded_operator_at_work(
    request: pytest.FixtureRequest, guarded: TestBed, guarded_service_account: Path
) -> AsyncIterator[Attended]:
    """The operator of this file for whom admission must be enforced."""
    enforced = {"admission": AdmissionMode.ENFORCED}
    async with attended(
        request, "guarded_attended_scene", guarded, guarded_service_account, **enforced
    ) as found:
        yield found


@pytest.fixture
def attended_scene(operator_at_work: Attended) -> Scene:
    """A namespace with nothing in it that an operator watches."""
    return operator_at_work.next_scene()


@pytest.fixture
def guarded_attended_scene(guarded_operator_at_work: Attended) -> Scene:
    """The same on the bed with policies."""
    return guarded_operator_at_work.next_scene()
