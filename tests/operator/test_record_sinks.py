"""The record on a real API server: every entry in a file, in order, across restarts."""

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from surefoot.adapters.settings import Settings
from surefoot.adapters.sinks.settings import RecordSection
from surefoot.domain.record.verification import Verification, exported, verify
from surefoot.plugin.app import app
from tests.support.scene import JSON, Scene

pytestmark = pytest.mark.apiserver


def a_section(scene: Scene, path: Path) -> RecordSection:
    """A file as a sink whose name is no other test's."""
    sink = {"name": scene.namespace, "type": "File", "path": str(path)}
    return Settings.model_validate({"record": {"sinks": [sink]}}).record


def told(path: Path) -> list[str]:
    """The lines of the file."""
    return path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []


async def then_recorded(scene: Scene, path: Path) -> Verification:
    """Wait until the file has the Rollout's last entry, and verify it."""

    async def there() -> Verification | None:
        history: list[JSON] = (await scene.status())["history"]
        found = verify(told(path))
        lasts = [chain.last.hash for chain in found.chains if chain.last is not None]
        return found if lasts == [history[-1]["hash"]] else None

    found: Verification = await scene.until(there, "the last entry in the file")
    return found


async def test_every_entry_arrives_in_order_across_a_restart(scene: Scene, tmp_path: Path) -> None:
    """Start and advance, a restart, then a rollback: one chain, and what the object has."""
    path = tmp_path / "record.jsonl"
    section = a_section(scene, path)
    await scene.given_a_rollout(steps=(10, 50, 100))
    async with scene.an_operator(record=section):
        await scene.then_completed()
        await then_recorded(scene, path)
    async with scene.an_operator(record=section):
        await scene.when_the_plan_is_patched(rollback={"to": 0, "reason": "a test"})
        await scene.then_at(0)
        found = await then_recorded(scene, path)
    assert (found.faults, found.gaps) == ((), ())
    history = (await scene.status())["history"]
    assert found.chains[0].entries == len(history)
    whole = told(path)
    assert verify([whole[0].replace("Start", "Stop"), *whole[1:]]).faults
    assert verify([whole[0], *whole[2:]]).faults
    assert verify([whole[1], whole[0], *whole[2:]]).faults
    raw = await scene.get("rollouts", scene.name)
    assert raw is not None
    assert verify(exported(raw)).faults == ()


async def test_a_dead_sink_stops_no_rollback(scene: Scene, tmp_path: Path) -> None:
    """Its directory is missing; the entries come once it is there."""
    path = tmp_path / "later" / "record.jsonl"
    await scene.given_a_rollout(steps=(10, 100), hold={"soak": "1h"})
    async with scene.an_operator(record=a_section(scene, path)):
        await scene.then_at(10)
        await scene.when_the_plan_is_patched(rollback={"to": 0, "reason": "a test"})
        await scene.then_at(0)
        path.parent.mkdir()
        found = await then_recorded(scene, path)
    assert (found.faults, found.gaps) == ((), ())


async def test_an_export_is_verified_without_a_cluster(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taken out with one command, checked with another that has no kubeconfig."""
    await scene.given_a_rollout(steps=(10, 100))
    async with scene.an_operator():
        await scene.then_completed()
    monkeypatch.setenv("KUBECONFIG", str(scene.bed.kubeconfig()))
    where = ["-n", scene.namespace]
    taken = await asyncio.to_thread(CliRunner().invoke, app, ["record", "export", *where])
    assert taken.exit_code == 0, taken.output
    there = await asyncio.to_thread(
        CliRunner().invoke, app, ["record", "verify", scene.name, *where]
    )
    assert there.exit_code == 0, there.output
    path = tmp_path / "export.jsonl"
    path.write_text(taken.stdout, encoding="utf-8")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert CliRunner().invoke(app, ["record", "verify", str(path)]).exit_code == 0
    path.write_text("".join(taken.stdout.splitlines(keepends=True)[:-1]), encoding="utf-8")
    cut = CliRunner().invoke(app, ["record", "verify", str(path)])
    assert cut.exit_code == 1
    assert "names as the last" in cut.output
