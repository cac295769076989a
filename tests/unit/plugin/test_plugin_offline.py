"""lint, simulate, backtest and suggest as commands: no cluster, one clear line, the exit code."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from surefoot.adapters.prometheus.answers import Verdict, Window
from surefoot.adapters.prometheus.library import LibraryConnection
from surefoot.cli.main import app as surefoot
from surefoot.domain.facts.measurements import Outcome as MeasuredOutcome
from surefoot.plugin import backtesting, output, simulating
from surefoot.plugin.app import app
from surefoot.plugin.commands.offline import Format
from surefoot.simulate.faults import NOT_ASKED, Outcome
from surefoot.simulate.run import Run

PLAN = """\
apiVersion: surefoot.dev/v1alpha1
kind: Rollout
metadata: {name: checkout}
spec:
  target: {configMapName: flags, flags: [checkout]}
  steps: [{percent: 50}, {percent: 100}]
  hold: {soak: 1h}
  metrics: [{name: errors, query: errors}]
  triggers: [{name: errors, above: "0.5", for: 5m}]
"""
SAMPLES = "".join(f"errors 0.{n % 3 + 1} {1772409600 + 60 * n}\n" for n in range(60))


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with a plan, where nothing else is: no kubeconfig either."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN)
    (tmp_path / "samples.txt").write_text(SAMPLES)
    return path


def run(*arguments: str, given: str | bytes | None = None) -> Result:
    """The command, as somebody types it."""
    result = CliRunner().invoke(app, list(arguments), input=given)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def test_lint_is_silent_on_a_good_plan(plan: Path) -> None:
    """And says how many it looked at."""
    result = run("lint", str(plan))
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "1 Rollout checked: nothing found\n"


def test_lint_reads_standard_input_and_folders(plan: Path) -> None:
    """Every manifest below it."""
    assert run("lint", "-", given=PLAN.replace("soak", "sock")).exit_code == 1
    result = run("lint", str(plan.parent))
    assert (result.exit_code, result.stderr) == (0, "1 Rollout checked: nothing found\n")


def test_lint_mends_a_file_and_keeps_its_mode(plan: Path) -> None:
    """What is left is what takes a decision."""
    text = f"# kept\n{PLAN}".replace("1h", "soon")
    plan.write_text(text.replace('"0.5"', "0.5"))
    plan.chmod(0o640)
    result = run("lint", "--fix", str(plan), "-o", "json")
    assert result.exit_code == 1
    (finding,) = json.loads(result.stdout)["findings"]
    assert (finding["rule"], finding["path"]) == ("SF004", "spec.hold.soak")
    assert plan.read_text() == text
    assert plan.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("output", ["text", "json", "sarif", "github"])
def test_lint_exits_with_one_in_every_format(plan: Path, output: str) -> None:
    """A pipeline goes by the code."""
    plan.write_text(PLAN.replace("soak", "sock"))
    result = run("lint", str(plan), "-o", output)
    assert result.exit_code == 1
    assert "SF003" in result.stdout


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("lint missing.yaml", "missing.yaml: no such file or directory"),
        ("lint large.yaml", "large.yaml has 95.37 MiB: at most 3 MiB are read"),
        ("lint latin.yaml", "latin.yaml:2: it is no UTF-8 (byte 0xe4)"),
        ("lint other.yaml", "no Rollout is in other.yaml"),
        ("lint empty", "empty has no *.yaml"),
        ("simulate missing.yaml", "missing.yaml: no such file"),
        ("simulate other.yaml", "no Rollout is in other.yaml"),
        ("simulate two.yaml", "has 2 Rollouts: name one with --rollout (checkout, checkout)"),
        ("simulate two.yaml --rollout x", "no Rollout x is in two.yaml; there are: checkout"),
        ("simulate broken.yaml", "broken.yaml:1:5: did not find"),
        ("simulate broken.yaml", "a: [ ^"),
        ("simulate plan.yaml -o svg", "'-o': 'svg' is not one of"),
        ("simulate wrong.yaml", 'wrong.yaml:7:16: spec.hold.soak is "soon"; see `lint`'),
        ("simulate plan.yaml -s nothing", "there is no scenario nothing; there are: breach"),
        ("simulate plan.yaml -s missing.yaml", "missing.yaml: no such file"),
        ("simulate plan.yaml --start soon", "--start soon:"),
        ("simulate", "name a file with the plan"),
        ("simulate plan.yaml --find-earliest --all-single-faults", "ask one of the two"),
        ("backtest plan.yaml", "give one of --prometheus and --openmetrics"),
        ("backtest plan.yaml --openmetrics missing.txt", "missing.txt: no such file"),
        ("backtest plan.yaml --openmetrics plan.yaml", "plan.yaml is no OpenMetrics"),
        ("backtest plan.yaml --openmetrics samples.txt --from soon", "--from soon: write 2026"),
        ("backtest plan.yaml --openmetrics samples.txt --from 0s", "is no time"),
        ("backtest plan.yaml --openmetrics samples.txt --every 0s", "at least 1s"),
        ("backtest plan.yaml --prometheus ftp://x", "--prometheus ftp://x:"),
        ("suggest bare.yaml --openmetrics samples.txt", "has neither gates nor triggers"),
    ],
)
def test_wrong_use_is_one_clear_line(plan: Path, command: str, said: str) -> None:
    """It exits with 2, and never with a traceback."""
    folder = plan.parent
    with (folder / "large.yaml").open("wb") as file:
        file.truncate(100_000_000)
    (folder / "latin.yaml").write_bytes("a: b\nc: ä\n".encode("latin-1"))
    (folder / "other.yaml").write_text("kind: ConfigMap\napiVersion: v1\n")
    (folder / "empty").mkdir()
    (folder / "two.yaml").write_text(f"{PLAN}---\n{PLAN}")
    (folder / "broken.yaml").write_text("a: [")
    (folder / "wrong.yaml").write_text(PLAN.replace("1h", "soon"))
    (folder / "bare.yaml").write_text(PLAN.partition("  metrics")[0])
    result = run(*command.split())
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.replace("│", " ").split())


def test_simulation_prints_a_timeline_and_exits_by_what_was_expected(plan: Path) -> None:
    """A scenario in a file can be a test of the plan."""
    scenario = plan.parent / "s.yaml"
    scenario.write_text("expect: {within: 1h, rollbacks: 1}\n")
    result = run("simulate", str(plan), "--scenario", "s.yaml")
    assert result.exit_code == 1
    assert "Start 0% → 50%" in result.stdout
    assert "complete after 2h" in result.stdout
    assert result.stderr.splitlines() == [
        "expected otherwise: it rolled back 0 times, and 1 was expected",
        "expected otherwise: it took 2h, and at most 1h was expected",
    ]
    assert run("simulate", str(plan)).exit_code == 0


def test_simulation_for_programs(plan: Path) -> None:
    """With every moment of the timeline."""
    answer = json.loads(run("simulate", str(plan), "-o", "json").stdout)
    assert answer["tookSeconds"] == 7200
    assert [each["percent"] for each in answer["reached"]] == [50, 100]


def test_earliest_moment_says_what_it_waits_for(plan: Path) -> None:
    """From when it is said to begin."""
    result = run("simulate", str(plan), "--find-earliest", "--start", "2026-03-02T09:00:00Z")
    assert result.exit_code == 0
    assert "100%  Mon 02 Mar 2026 10:00 UTC  +1h" in result.stdout
    assert "after SoakComplete" in result.stdout


def test_what_takes_long_says_on_a_terminal_how_far_it_is(
    plan: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """On standard error, wiped in the end; a file or a pipe gets the answer alone."""
    output.progress("1 of 2")
    assert capfd.readouterr().err == ""
    monkeypatch.setattr(output, "is_watched", lambda: True)
    asked = simulating.Asked(str(plan), None, "happy-path", None)
    simulating.all_single_faults(asked, Format.TEXT)
    answer, said = capfd.readouterr()
    lines = said.split("\r")
    assert any("SoakComplete removed" in line for line in lines)
    assert lines[-1] == "\x1b[K"
    assert answer.startswith("without a fault: complete after")
    assert "DependenciesMet" in answer[answer.index("the plan does not ask for it:") :]


def test_scenarios_and_their_schema_are_printed(plan: Path) -> None:
    """Without a file."""
    assert "operator-down" in run("simulate", "--list").stdout
    assert "events" in json.loads(run("simulate", "--schema").stdout)["properties"]


def test_backtest_and_suggest_out_of_a_file(plan: Path) -> None:
    """With a picture."""
    source = ("--openmetrics", "samples.txt", "--from", "50m")
    result = run("backtest", str(plan), *source, "--svg", "b.svg")
    assert result.exit_code == 0
    assert "it would not have rolled back" in result.stdout
    assert (plan.parent / "b.svg").read_text().startswith("<svg")
    rows = json.loads(run("suggest", str(plan), *source, "-o", "json").stdout)
    assert rows[0]["present"] is True


def test_query_that_nothing_can_evaluate_says_what_would(
    plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file has samples, and without a Prometheus nothing evaluates PromQL."""
    monkeypatch.setattr(backtesting, "find_programs", lambda: None)
    plan.write_text(PLAN.replace("query: errors", '"query": "rate(calls[5m])"'))
    (plan.parent / "samples.txt").write_text(SAMPLES.replace("errors", "calls"))
    result = run("backtest", str(plan), "--openmetrics", "samples.txt", "--from", "50m")
    assert result.exit_code == 2
    assert "have prometheus and promtool on the PATH" in result.stderr


def test_picture_in_pixels_is_written(plan: Path) -> None:
    """The extra `pictures` draws the same picture, twice as wide."""
    source = ("--openmetrics", "samples.txt", "--from", "50m")
    assert run("backtest", str(plan), *source, "--png", "b.png").exit_code == 0
    content = (plan.parent / "b.png").read_bytes()
    assert content.startswith(b"\x89PNG\r\n")
    assert int.from_bytes(content[16:20]) == 1920


def test_picture_in_pixels_without_the_extra_says_what_to_install(
    plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody needs the library who does not ask for it."""
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    source = ("--openmetrics", "samples.txt", "--from", "50m")
    result = run("backtest", str(plan), *source, "--png", "b.png")
    assert result.exit_code == 2
    assert "pip install 'surefoot[pictures]'" in result.stderr


def test_backtest_exits_with_one_where_it_would_have_rolled_back(plan: Path) -> None:
    """A pipeline goes by the code."""
    plan.write_text(PLAN.replace('"0.5"', '"0.05"'))
    result = run("backtest", str(plan), "--openmetrics", "samples.txt", "--from", "50m")
    assert result.exit_code == 1
    assert "it would have rolled back once" in result.stdout


def test_prometheus_that_is_not_there_is_told_in_a_line(plan: Path) -> None:
    """It exits with 3, as where the API server is not there."""
    result = run("backtest", str(plan), "--prometheus", "http://127.0.0.1:9", "--from", "1h")
    assert result.exit_code == 3
    assert result.stderr.startswith("Error: metric errors: ")
    assert "cannot be reached" in result.stderr


@pytest.mark.parametrize("command", ["backtest", "suggest"])
def test_history_is_asked_for_through_the_library(
    plan: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """prometheus-api-client is what people know, and a look back is not the operator's hot path."""
    asked: list[str] = []

    async def answer(_: object, promql: str, window: Window) -> Verdict:
        asked.append(promql)
        return Verdict(MeasuredOutcome.UNREACHABLE, "answered by the library")

    monkeypatch.setattr(LibraryConnection, "ask_range", answer)
    result = run(command, str(plan), "--prometheus", "http://127.0.0.1:9", "--from", "1h")
    assert (result.exit_code, len(asked)) == (3, 1)
    assert "answered by the library" in result.stderr


def test_commands_are_under_surefoot_ctl_as_well(plan: Path) -> None:
    """For those who have no kubectl."""
    result = CliRunner().invoke(surefoot, ["ctl", "lint", str(plan)])
    assert result.exit_code == 0


@pytest.mark.parametrize(
    "command", ["simulate plan.yaml", "lint --help", "backtest plan.yaml --openmetrics samples.txt"]
)
def test_pipe_that_nobody_reads_ends_a_command_quietly(plan: Path, command: str) -> None:
    """As SIGPIPE ends other programs: no traceback, and not the code of a finding."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        program = "from surefoot.plugin.app import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", program, *command.split()],
            cwd=plan.parent,
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_scenarios_are_described_whole_at_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is cut off what happens in them."""
    monkeypatch.setenv("SUREFOOT_COLUMNS", "80")
    lines = run("simulate", "--list").output.splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in "".join(lines)


def test_cost_of_every_fault_can_be_read_at_80_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is cut off; what the plan does not ask for takes one line for all."""
    monkeypatch.setenv("SUREFOOT_COLUMNS", "80")
    begins = datetime(2026, 3, 2, 9, tzinfo=UTC)
    usual = Run(begins, begins + timedelta(days=4), completed_at=begins + timedelta(days=4))
    waits = "error-rate has no data, soak 1h left of 24h, security (hudson), metrics (forge)"
    held = Run(begins, begins + timedelta(days=60), percent=5, rollbacks=1, waits_for=waits)
    outcomes = [
        Outcome("NotRolledBack", "removed", None, "it is always there"),
        Outcome("NotRolledBack", "rolled back by a person, tried again after 1h", held),
        Outcome("CoverageObserved", "removed", None, NOT_ASKED),
        Outcome("CoverageObserved", "another share is in for 1h", None, NOT_ASKED),
    ]
    output.say_lines(simulating.faults_in_lines(usual, outcomes))
    assert capsys.readouterr().out == (
        "without a fault: complete after 4d\n"
        "NotRolledBack\n"
        "  -      removed: it is always there\n"
        "  never  rolled back by a person, tried again after 1h: at 5% after 60d, rolled\n"
        "    back once: error-rate has no data, soak 1h left of 24h, security (hudson),\n"
        "    metrics (forge)\n"
        "the plan does not ask for it: CoverageObserved\n"
    )
