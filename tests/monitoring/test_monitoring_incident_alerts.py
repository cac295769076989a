"""The nine alerts of the example fire where the review of the incident wanted them to."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring.promtool import PROJECT, judge, promtool, verdict

pytestmark = pytest.mark.apiserver

EXAMPLE = PROJECT / "manifests" / "examples" / "monitoring" / "incident-alerts.yaml"
SPEC = yaml.safe_load(EXAMPLE.read_text())["spec"]
ALERTS = [rule["alert"] for group in SPEC["groups"] for rule in group["rules"] if "alert" in rule]

OK = 'http_requests_total{app="recall",service="web",code="200"}'
BROKEN = 'http_requests_total{app="recall",service="web",code="500"}'
BUCKET = 'http_request_duration_seconds_bucket{app="recall",le="%s"}'
MEMORY = 'container_memory_working_set_bytes{container="recall"}'
LIMIT = 'container_spec_memory_limit_bytes{container="recall"}'
PASSED, TOTAL = 'recall_tests_passed{app="recall"}', 'recall_tests_total{app="recall"}'
HITS, MISSES = (
    'redis_keyspace_hits_total{app="recall"}',
    'redis_keyspace_misses_total{app="recall"}',
)
QUERIES = 'mongodb_queries_total{app="recall"}'
LOGINS = 'mongodb_authentication_failures_total{app="recall"}'
WELL = {
    OK: "0+6000x1600",
    BUCKET % "0.2": "0+6000x1600",
    BUCKET % "0.5": "0+6000x1600",
    BUCKET % "+Inf": "0+6000x1600",
    PASSED: "9828x1600",
    TOTAL: "10000x1600",
    HITS: "0+800x1600",
    MISSES: "0+200x1600",
    'redis_up{app="recall"}': "1x1600",
    LOGINS: "0x1600",
    'recall_ground_truth_accuracy{app="recall"}': "0.7x1600",
    QUERIES: "0+6000x1600",
    MEMORY: "500x1600",
    LIMIT: "1000x1600",
}
BREACHES: dict[str, dict[str, str]] = {
    "RolloutErrorRateHigh": {BROKEN: "0+60x1600"},
    "TestPassRateLow": {PASSED: "9400x1600"},
    "CacheHitRateLow": {MISSES: "0+900x1600"},
    "RetrievalLatencyHigh": {BUCKET % "0.2": "0+600x1600"},
    "RedisDown": {'redis_up{app="recall"}': "0x1600"},
    "DatabaseLoginFails": {LOGINS: "0+1x1600"},
    "AnswersGetWrong": {'recall_ground_truth_accuracy{app="recall"}': "0.4x1600"},
    "CostSpike": {QUERIES: "0+6000x1500 9000000+30000x100"},
    "MemoryHigh": {MEMORY: "900x1600"},
}


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """The rule file that the PrometheusRule stands for."""
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump(SPEC))
    return path


def test_rules_of_the_example_are_well_formed(rules: Path) -> None:
    """Expressions, durations and templates."""
    promtool("check", "rules", "--lint=all", "--lint-fatal", str(rules))


def test_example_has_the_nine_alerts() -> None:
    """Four that the incident's team had, and the five that it missed."""
    assert list(BREACHES) == ALERTS
    assert len(ALERTS) == 9


@pytest.mark.parametrize("alert", ALERTS)
def test_alert_of_the_example_fires_on_its_breach(alert: str, rules: Path, tmp_path: Path) -> None:
    """After its time, alone, and on nothing else."""
    after = "1560m" if alert == "CostSpike" else "60m"
    cases: list[dict[str, Any]] = [
        verdict("all is well", WELL, after, []),
        verdict("a breach", {**WELL, **BREACHES[alert]}, after, [alert]),
    ]
    if alert != "CostSpike":
        cases.append(verdict("a breach of a moment", {**WELL, **BREACHES[alert]}, "0m", []))
    judge(rules, {"2m": cases} if alert == "CostSpike" else {"1m": cases}, tmp_path)
