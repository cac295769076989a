"""The flagd document on a real API server, read by the real OpenFeature SDK as programs read it."""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from openfeature.contrib.provider.flagd import FlagdProvider
from openfeature.contrib.provider.flagd.config import ResolverType
from openfeature.contrib.provider.flagd.resolvers.in_process import InProcessResolver
from openfeature.contrib.provider.flagd.resolvers.process.connector.file_watcher import FileWatcher
from openfeature.evaluation_context import EvaluationContext

from surefoot.domain.flag.formats.flagd import FLAGD_KEY
from tests.support.flagd import KEYS
from tests.support.scene import JSON, Scene
from tests.support.testbed import SURELY, wait_until_async

pytestmark = [pytest.mark.apiserver, pytest.mark.asyncio(loop_scope="module")]

PAYMENTS: JSON = {
    "name": "payments",
    "match": {"attribute": "workload", "in": ["payments"]},
    "from": 50,
    "risk": {"level": "High", "reason": "real money"},
}


@dataclass
class Program:
    """A program that has the ConfigMap mounted, and asks the SDK about each of 10,000 accounts.

    Each delivery replaces the file at once, with a later time, as the kubelet does: the SDK loads
    no file that is not newer, and it may look at any moment.
    """

    path: Path
    flag: str
    provider: FlagdProvider | None = field(default=None)
    delivered: int = 0

    async def gets(self, found: JSON | None) -> None:
        """The kubelet brings the ConfigMap, and the SDK has taken it up."""
        assert found is not None
        self.delivered += 1
        arriving = self.path.with_suffix(".arriving")
        arriving.write_text(found["data"][FLAGD_KEY], encoding="utf-8")
        os.utime(arriving, (1_000_000 + self.delivered,) * 2)
        arriving.replace(self.path)
        if self.provider is None:
            self.provider = FlagdProvider(
                resolver_type=ResolverType.IN_PROCESS,
                offline_flag_source_path=str(self.path),
                deadline_ms=50,
            )
            await asyncio.to_thread(self.provider.initialize, EvaluationContext())
        resolver = self.provider.resolver
        assert isinstance(resolver, InProcessResolver)
        watcher = resolver.connector
        assert isinstance(watcher, FileWatcher)

        async def taken_up() -> bool:
            return watcher.last_modified == 1_000_000 + self.delivered

        await wait_until_async(taken_up, SURELY, "the SDK to load the file")

    def who_is_in(self, **attributes: Any) -> set[str]:
        """The accounts that are in."""
        assert self.provider is not None
        found = set()
        for key in KEYS:
            context = EvaluationContext(attributes={"accountId": key, **attributes})
            details = self.provider.resolve_boolean_details(self.flag, False, context)
            assert details.variant in {"on", "off"}
            if details.value:
                found.add(key)
        return found


@pytest.fixture
def program(attended_scene: Scene, tmp_path: Path) -> Iterator[Program]:
    """A program with an SDK that is shut down in the end."""
    running = Program(tmp_path / FLAGD_KEY, attended_scene.name)
    yield running
    if running.provider is not None:
        running.provider.shutdown()


def target(scene: Scene) -> JSON:
    """The flag in flagd's format."""
    return {
        "configMapName": scene.target,
        "flags": [scene.name],
        "format": "Flagd",
        "bucketingKey": "accountId",
    }


async def the_flag(scene: Scene) -> JSON | None:
    """The ConfigMap as it is."""
    return await scene.get("configmaps", scene.target)


async def test_sdk_sees_every_step_and_loses_nobody_on_the_way(
    attended_scene: Scene, program: Program
) -> None:
    """10,000 accounts: each step its share, nobody lost, a rollback leaves who was in before."""
    scene = attended_scene
    await scene.given_a_rollout(
        steps=(0, 10, 25, 50, 75, 100), target=target(scene), paused=True, rollback={"to": 0}
    )
    seen: dict[int, set[str]] = {}
    before: set[str] = set()
    await scene.when_the_plan_is_patched(paused=None)
    for percent in (0, 10, 25, 50, 75, 100):
        await scene.when_the_plan_is_patched(rollback={"to": percent})
        await scene.then_at(percent)
        await program.gets(await the_flag(scene))
        seen[percent] = program.who_is_in()
        assert before <= seen[percent]
        assert abs(len(seen[percent]) / len(KEYS) * 100 - percent) < 1.5
        before = seen[percent]
    await scene.when_the_plan_is_patched(rollback={"to": 25, "reason": "a test"})
    await scene.then_at(25)
    await program.gets(await the_flag(scene))
    assert program.who_is_in() == seen[25]


async def test_cohort_comes_in_with_its_step_and_goes_out_with_the_rollback(
    attended_scene: Scene, program: Program
) -> None:
    """The SDK, the status and the history agree on who is in."""
    scene = attended_scene
    await scene.given_a_rollout(
        steps=(25, 50, 100), target=target(scene), cohorts=[PAYMENTS], rollback={"to": 25}
    )
    others: set[str] = set()

    async def then_payments_are(*, included: bool, percent: int) -> None:
        nonlocal others
        await scene.then_at(percent)
        await program.gets(await the_flag(scene))
        others = program.who_is_in(workload="search")
        assert others
        assert program.who_is_in(workload="payments") == (others if included else set())
        status = await scene.until(lambda: _judged(scene, percent), "the cohorts to be judged")
        (cohort,) = status["cohorts"]
        assert (cohort["included"], cohort["risk"]["reason"]) == (included, "real money")
        (recorded,) = status["history"][-1]["evidence"]["cohorts"]
        assert recorded["included"] is included

    await then_payments_are(included=False, percent=25)
    await scene.when_the_plan_is_patched(rollback={"to": 50})
    await then_payments_are(included=True, percent=50)
    await scene.when_the_plan_is_patched(rollback={"to": 25})
    await then_payments_are(included=False, percent=25)
    await scene.patch("configmaps", scene.target, {"data": {FLAGD_KEY: "{}"}}, manager="meddler")
    await scene.until(lambda: _restored(scene), "the document to be restored")
    await program.gets(await the_flag(scene))
    assert program.who_is_in(workload="search") == others
    assert program.who_is_in(workload="payments") == set()


async def _judged(scene: Scene, percent: int) -> JSON | None:
    status = await scene.status()
    reasons = {cohort["name"]: cohort["reason"] for cohort in status.get("cohorts", [])}
    expected = "CameIn" if percent >= PAYMENTS["from"] else "BelowFrom"
    return status if reasons == {"payments": expected} else None


async def _restored(scene: Scene) -> bool:
    found = await the_flag(scene)
    history = await scene.history()
    return (
        found is not None
        and found["data"][FLAGD_KEY] != "{}"
        and history[-1][0] == "DriftCorrected"
    )
