"""The alerts of `manifests/monitoring`, judged by Prometheus' own tool."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from surefoot.adapters.telemetry import PrometheusTelemetry
from surefoot.testbed.binaries import provide

pytestmark = pytest.mark.apiserver

MANIFEST = Path(__file__).parents[2] / "manifests" / "monitoring" / "prometheus-rule.yaml"
SERIES = 'surefoot_admission_enforced{instance="operator:8080"}'
UNVERIFIED, ABSENT = "SurefootAdmissionNotEnforced", "SurefootAbsent"
UNSENT, DROPPED = "SurefootNotificationsFail", "SurefootNotificationsDropped"
GAP = "SurefootRecordGap"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """The rule file that the PrometheusRule stands for."""
    spec = yaml.safe_load(MANIFEST.read_text())["spec"]
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump(spec))
    return path


def promtool(*arguments: str) -> str:
    """Run it; fail with what it says where it does."""
    program = provide(["promtool"])["promtool"]
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def all_alerts(rules: Path) -> list[dict[str, Any]]:
    groups = yaml.safe_load(rules.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_rules_are_well_formed(rules: Path) -> None:
    """Expressions, durations and templates."""
    promtool("check", "rules", "--lint=all", "--lint-fatal", str(rules))


def test_every_metric_that_a_rule_asks_for_is_exposed(rules: Path) -> None:
    """A rule over a name that nobody exports would never fire, or always."""
    exposed = set(
        re.findall(r"^# TYPE (\S+)", PrometheusTelemetry().exposition().decode(), re.MULTILINE)
    )
    asked = {
        name for each in all_alerts(rules) for name in re.findall(r"surefoot_\w+", each["expr"])
    }
    assert asked
    assert asked <= exposed


@pytest.mark.parametrize(
    ("values", "after", "expected"),
    [
        ("1x100", "20m", []),
        ("1x7 0x100", "3m", []),
        ("1x7 0x100", "4m", [UNVERIFIED]),
        ("0x3 1x100", "10m", []),
        ("0x40 1x100", "12m", []),
        ("1x3 _x100", "8m", []),
        ("1x3 _x100", "12m", [ABSENT]),
        (None, "4m", []),
        (None, "5m", [ABSENT]),
    ],
)
def test_alerts_fire_when_somebody_must_come(
    rules: Path, values: str | None, after: str, expected: list[str]
) -> None:
    """Not in a blink, and no longer than it lasts. A series that ends is stale after 5 minutes."""
    series = [{"series": SERIES, "values": values}] if values else []
    judge(rules, series, after, expected)


def judge(rules: Path, series: list[dict[str, str]], after: str, expected: list[str]) -> None:
    """Ask Prometheus which alerts fire after so long."""
    case = {
        "rule_files": [str(rules)],
        "evaluation_interval": "15s",
        "tests": [
            {
                "interval": "15s",
                "input_series": series,
                "promql_expr_test": [
                    {
                        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                        "eval_time": after,
                        "exp_samples": [
                            {"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in expected
                        ],
                    }
                ],
            }
        ],
    }
    path = rules.with_name("case.yaml")
    path.write_text(yaml.safe_dump(case))
    promtool("test", "rules", str(path))


WELL = {"series": SERIES, "values": "1x400"}


@pytest.mark.parametrize(
    ("failed", "sent", "after", "expected"),
    [
        ("0x400", "0x400", "30m", []),
        ("0x8 1x400", "0x12 1x400", "8m", []),
        ("0x8 1x8 2x400", "0x400", "6m", []),
        ("0+1x400", "0x400", "6m", [UNSENT]),
        ("0+1x400", "0x30 1x400", "9m", []),
        ("0x8 1x400", "0x400", "20m", []),
    ],
)
def test_alert_where_a_route_takes_nothing(
    rules: Path, failed: str, sent: str, after: str, expected: list[str]
) -> None:
    """Not for one attempt that failed, and not as long as something gets through."""
    at = 'instance="operator:8080",route="lead"'
    series = [
        WELL,
        {"series": f"surefoot_notifications_failed_total{{{at}}}", "values": failed},
        {"series": f"surefoot_notifications_sent_total{{{at}}}", "values": sent},
    ]
    judge(rules, series, after, expected)


@pytest.mark.parametrize(
    ("values", "after", "expected"),
    [("0x400", "10m", []), ("0x8 1x400", "5m", [DROPPED]), ("0x8 1x400", "20m", [])],
)
def test_alert_where_a_notification_was_given_up(
    rules: Path, values: str, after: str, expected: list[str]
) -> None:
    """For a quarter of an hour."""
    name = 'surefoot_notifications_dropped_total{instance="operator:8080",route="lead"}'
    judge(rules, [WELL, {"series": name, "values": values}], after, expected)


@pytest.mark.parametrize(
    ("values", "after", "expected"),
    [
        ("0x400", "90m", []),
        ("0x8 1x400", "30m", [GAP]),
        ("0x8 1x400", "90m", []),
        ("_x8 1x400", "30m", [GAP]),
        ("_x8 1x400", "90m", []),
        ("3x300 _x4 1x400", "80m", [GAP]),
    ],
)
def test_alert_where_the_record_has_a_gap(
    rules: Path, values: str, after: str, expected: list[str]
) -> None:
    """For an hour; also where the gap is there from the first scrape on, as after a restart."""
    name = 'surefoot_record_gaps_total{instance="operator:8080",sink="archive"}'
    judge(rules, [WELL, {"series": name, "values": values}], after, expected)
