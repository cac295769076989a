"""`audit` and what it is given: a wrong use is told before any cluster is asked."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from surefoot.plugin.app import app


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CliRunner:
    """No cluster is to be found."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    return CliRunner()


@pytest.mark.parametrize("command", ["audit", "timeline", "retrospective"])
def test_standards_that_do_not_add_up_are_a_wrong_use(
    runner: CliRunner, tmp_path: Path, command: str
) -> None:
    """2, with the sum."""
    path = tmp_path / "standards.yaml"
    path.write_text("weights: {risk: 30}\n")
    answer = runner.invoke(app, [command, "checkout", "--standards", str(path)])
    assert answer.exit_code == 2
    assert "the weights must add up to 100" in answer.output
    assert "= 110" in answer.output


@pytest.mark.parametrize(
    "words",
    [
        ("--at-least", "11"),
        ("--at-least", "-1"),
        ("--standards", "no-such-file.yaml"),
        ("--audit-log", "no-such.log"),
        ("-o", "pdf"),
    ],
)
def test_what_can_not_be_is_a_wrong_use(runner: CliRunner, words: tuple[str, ...]) -> None:
    """Nothing is asked of any cluster."""
    assert runner.invoke(app, ["audit", "checkout", *words]).exit_code == 2


def test_without_a_cluster_it_is_3(runner: CliRunner) -> None:
    """As every command."""
    assert runner.invoke(app, ["audit", "checkout"]).exit_code == 3
