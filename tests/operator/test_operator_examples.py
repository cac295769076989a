"""Every plan that users are shown starts: the examples, the README's, and the tutorials'."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from surefoot.adapters.prometheus.queries import read
from surefoot.adapters.provider_settings import ProviderSettings
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.domain.checks.table import plan_faults
from surefoot.domain.facts.snapshot import Snapshot
from tests.contract.manifests import EXAMPLES, ROOT, rollouts_in
from tests.support.scene import Scene

PAGES = (ROOT / "README.md", *sorted((ROOT / "docs" / "tutorial").glob("*.md")))


def shown_in(page: Path) -> list[dict[str, Any]]:
    """The whole Rollouts that a page shows."""
    blocks = re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    documents = (document for block in blocks for document in yaml.safe_load_all(block))
    return [each for each in documents if isinstance(each, dict) and each.get("kind") == "Rollout"]


def plans() -> dict[str, dict[str, Any]]:
    """Every plan by its name. No two have the same one, so that they can stand side by side."""
    found = [plan for path in EXAMPLES for plan in rollouts_in(path)]
    found += [plan for page in PAGES for plan in shown_in(page)]
    names = [plan["metadata"]["name"] for plan in found]
    assert len(set(names)) == len(names), names
    return dict(zip(names, found, strict=True))


PLANS = plans()


def test_readme_and_both_tutorials_show_a_plan() -> None:
    """A plan that was not found would not be tried."""
    assert [page.name for page in PAGES if shown_in(page)] == [
        "README.md",
        "cluster.md",
        "testbed.md",
    ]


def test_there_are_ten_examples_and_more() -> None:
    """The page that lists them names each of their files."""
    page = (ROOT / "docs" / "how-to" / "examples.md").read_text(encoding="utf-8")
    assert len(EXAMPLES) >= 10
    assert [path.name for path in EXAMPLES if path.name not in page] == []


@pytest.mark.parametrize("name", PLANS)
def test_plan_that_users_are_shown_has_no_fault(name: str) -> None:
    """Its schedule can be read, and its queries parse, by the parser that the operator asks."""
    rollout = Rollout.model_validate(PLANS[name])
    queries = {metric.name: read(metric.query).facts for metric in rollout.spec.metrics}
    assert plan_faults(Snapshot(rollout, queries=queries)) == ()


@pytest.mark.apiserver
async def test_plans_that_users_are_shown_start(scene: Scene) -> None:
    """Each writes its first percentage, or waits for the Rollouts that it depends on.

    Schedules are left out: whether one is open depends on the day on which the test runs.
    """
    scene.providers = (ProviderSettings(name="default", address=scene.bed.prometheus_url or ""),)
    for name, plan in PLANS.items():
        spec = {key: value for key, value in plan["spec"].items() if key != "schedule"}
        await scene.create("rollouts", {**plan, "metadata": {"name": name}, "spec": spec})

    async def those_that_have_not_started() -> list[str]:
        return [name for name, plan in PLANS.items() if not await stands_as_it_should(name, plan)]

    async def stands_as_it_should(name: str, plan: dict[str, Any]) -> bool:
        status = ((await scene.get("rollouts", name)) or {}).get("status") or {}
        conditions = {entry["type"]: entry["status"] for entry in status.get("conditions", ())}
        if conditions.get("PlanValid") != "True":
            return False
        if "dependsOn" in plan["spec"]:
            return bool(conditions["DependenciesMet"] == "False")
        target, first = plan["spec"]["target"], plan["spec"]["steps"][0]["percent"]
        config_map = await scene.get("configmaps", target["configMapName"])
        flags = (config_map or {}).get("data") or {}
        return bool(
            status.get("percent") == first
            and conditions["WithinExpansionLimit"] == "True"
            and all(flags.get(flag) == str(first) for flag in target["flags"])
        )

    async def all_have() -> bool:
        return not await those_that_have_not_started()

    async with scene.an_operator():
        await scene.until(all_have, "the plans to start")
