"""`record verify` on a file: no cluster, and an exit code that says what was found."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from surefoot.domain.record.verification import Origin, lines, mark_of
from surefoot.plugin.app import app
from tests.unit.domain.test_domain_record import HISTORY

ORIGIN = Origin("agents", "memory-sync", "uid-1")
RECORD = [line.text for line in lines(ORIGIN, HISTORY, None)]


def a_file(tmp_path: Path, record: list[str]) -> str:
    path = tmp_path / "record.jsonl"
    path.write_text("".join(f"{line}\n" for line in record), encoding="utf-8")
    return str(path)


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CliRunner:
    """No cluster is to be found."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    return CliRunner()


def test_an_intact_file_exits_0_and_names_the_last_entry(runner: CliRunner, tmp_path: Path) -> None:
    """So that it can be compared with what the cluster has."""
    answer = runner.invoke(app, ["record", "verify", a_file(tmp_path, RECORD)])
    assert answer.exit_code == 0, answer.output
    assert f"5 entries; last t4 {HISTORY[-1].hash}" in answer.output


def test_a_changed_file_exits_1_and_names_the_first_fault(
    runner: CliRunner, tmp_path: Path
) -> None:
    """With its line."""
    changed = [*RECORD[:2], RECORD[2].replace("it held", "it fell"), *RECORD[3:]]
    answer = runner.invoke(app, ["record", "verify", a_file(tmp_path, changed)])
    assert answer.exit_code == 1
    assert "is not intact: line 3: changed: entry t2" in answer.output


def test_bytes_that_are_no_text_are_found(runner: CliRunner, tmp_path: Path) -> None:
    """A flipped bit may leave no valid text at all."""
    path = Path(a_file(tmp_path, RECORD))
    path.write_bytes(path.read_bytes().replace(b"it held", b"it h\xffld", 1))
    assert runner.invoke(app, ["record", "verify", str(path)]).exit_code == 1


def test_a_gap_exits_1_unless_it_is_allowed(runner: CliRunner, tmp_path: Path) -> None:
    """Entries are missing, no matter who says so."""
    rest = [line.text for line in lines(ORIGIN, HISTORY[3:], mark_of(HISTORY[0]))]
    path = a_file(tmp_path, [RECORD[0], *rest])
    answer = runner.invoke(app, ["record", "verify", path])
    assert answer.exit_code == 1
    assert "line 3: gap: between entries t0 and t3" in answer.output
    assert runner.invoke(app, ["record", "verify", path, "--allow-gaps"]).exit_code == 0


def test_an_empty_file_is_not_intact(runner: CliRunner, tmp_path: Path) -> None:
    """Somebody may have emptied it."""
    answer = runner.invoke(app, ["record", "verify", a_file(tmp_path, [])])
    assert answer.exit_code == 1
    assert "has no entries" in answer.output


def test_json_has_what_was_found(runner: CliRunner, tmp_path: Path) -> None:
    """For tools."""
    path = a_file(tmp_path, RECORD[1:])
    answer = runner.invoke(app, ["record", "verify", path, "-o", "json"])
    assert answer.exit_code == 1
    found = json.loads(answer.stdout)
    assert found["intact"] is False
    assert found["faults"][0]["kind"] == "missing"
    assert found["rollouts"][0]["entries"] == 4


def test_what_is_neither_file_nor_name_is_a_wrong_use(runner: CliRunner) -> None:
    """Exit 2."""
    answer = runner.invoke(app, ["record", "verify", "no/such/file"])
    assert answer.exit_code == 2
    assert "there is no file no/such/file" in answer.output
