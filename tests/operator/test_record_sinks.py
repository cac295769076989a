"""The record on a real API server: every entry in a file, in order, across restarts."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from surefoot.adapters.settings import Settings
from surefoot.adapters.sinks.settings import RecordSection
from surefoot.domain.record.verification import Verification, exported, verify
from surefoot.plugin.app import app
from tests.support.record_page import checked
from tests.support.scene import JSON, Scene
from tests.support.testbed import whole_lines

pytestmark = pytest.mark.apiserver


def a_section(scene: Scene, path: Path) -> RecordSection:
    """A file as a sink whose name is no other test's."""
    sink = {"name": scene.namespace, "type": "File", "path": str(path)}
    return Settings.model_validate({"record": {"sinks": [sink]}}).record


def told(path: Path) -> list[str]:
    """The lines of the file."""
    return whole_lines(path) if path.exists() else []


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


@pytest.mark.parametrize("is_running", [True, False], ids=["running", "down"])
async def test_end_of_a_deleted_rollout_arrives(
    scene: Scene, tmp_path: Path, is_running: bool
) -> None:
    """What `onDelete: Zero` wrote is the last entry of its chain, also where nobody watched."""
    path = tmp_path / "record.jsonl"
    section = a_section(scene, path)
    target = {"configMapName": scene.target, "flags": [scene.name], "onDelete": "Zero"}
    await scene.given_a_rollout(steps=(10, 100), hold={"soak": "1h"}, target=target)

    async def ended() -> bool:
        return [json.loads(line)["type"] for line in told(path)] == ["Start", "Released"]

    async with scene.an_operator(record=section, sweep_every=3600):
        await scene.then_at(10)
        await then_recorded(scene, path)
        if is_running:
            await scene.delete("rollouts", scene.name)
            await scene.until(ended, "the end in the file")
    if not is_running:
        await scene.delete("rollouts", scene.name)
        async with scene.an_operator(record=section, sweep_every=3600):
            await scene.until(ended, "the end in the file")
    found = verify(told(path))
    assert (found.faults, found.gaps, len(found.chains)) == ((), (), 1)
    entry = json.loads(told(path)[-1])["entry"]
    assert (entry["from"], entry["to"], entry["by"]) == (10, 0, ["surefoot"])


async def test_program_of_the_page_confirms_a_real_history(scene: Scene, tmp_path: Path) -> None:
    """A third party's few lines, on what the API server has and on what a sink took."""
    path = tmp_path / "record.jsonl"
    await scene.given_a_rollout(steps=(10, 25, 100), hold={"soak": "0s"})
    async with scene.an_operator(record=a_section(scene, path)):
        await scene.then_completed()
        await scene.when_the_plan_is_patched(rollback={"to": 10, "reason": "a tést “test” \u2028"})
        await scene.then_at(10)
        await then_recorded(scene, path)
    raw = await scene.get("rollouts", scene.name)
    code, said = checked(json.dumps(raw))
    assert (code, len(said)) == (0, len((await scene.status())["history"]))
    assert checked(path.read_text("utf-8")) == (0, said)


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
