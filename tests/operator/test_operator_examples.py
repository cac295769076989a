"""Whoever begins with an example sees it start."""

import re
from typing import Any

import pytest
import yaml

from surefoot.adapters.provider_settings import ProviderSettings
from tests.contract.manifests import EXAMPLES, ROOT
from tests.support.scene import Scene

pytestmark = pytest.mark.apiserver


def plans() -> dict[str, dict[str, Any]]:
    """Every Rollout that users are shown: the examples, and the plan of the README."""
    shown = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in EXAMPLES}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL)):
        for document in yaml.safe_load_all(block):
            if isinstance(document, dict) and document.get("kind") == "Rollout":
                shown[f"README {number}"] = document
    return shown


PLANS = plans()


def test_the_readme_shows_a_plan() -> None:
    """Were it not found, nobody would try it."""
    assert any(name.startswith("README") for name in PLANS)


@pytest.mark.parametrize("name", PLANS)
async def test_plan_that_users_are_shown_starts(scene: Scene, name: str) -> None:
    """It is valid, within its own expansion limit, and its first percentage is written."""
    plan = PLANS[name]
    scene.name = plan["metadata"]["name"]
    scene.providers = (ProviderSettings(name="default", address=scene.bed.prometheus_url or ""),)
    target = plan["spec"]["target"]["configMapName"]
    first = plan["spec"]["steps"][0]["percent"]
    await scene.create("rollouts", {**plan, "metadata": {"name": scene.name}})

    async def has_started() -> bool:
        status = await scene.status()
        config_map = await scene.get("configmaps", target)
        flags = (config_map or {}).get("data") or {}
        return status.get("percent") == first and all(
            flags.get(flag) == str(first) for flag in plan["spec"]["target"]["flags"]
        )

    async with scene.an_operator():
        await scene.until(has_started, f"{name} to start")
        for condition in (await scene.status())["conditions"]:
            if condition["type"] in {"PlanValid", "WithinExpansionLimit"}:
                assert condition["status"] == "True", condition
