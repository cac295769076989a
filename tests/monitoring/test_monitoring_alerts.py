"""The rules of `manifests/monitoring`, judged by Prometheus' own tool.

Each case has the series of a cluster in which all is well, and some others. After so long the
alert fires or rests, and no other alert fires.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from surefoot.adapters.telemetry import PrometheusTelemetry
from tests.monitoring.promtool import PROJECT, judge, promtool, verdict

pytestmark = pytest.mark.apiserver

PLAIN = PROJECT / "manifests" / "monitoring" / "rules" / "surefoot.yaml"
WRAPPED = PROJECT / "manifests" / "monitoring" / "prometheus-rule.yaml"
PAGE = PROJECT / "docs" / "monitoring.md"
RUNBOOKS = PROJECT / "docs" / "runbooks.md"
RULES = [rule for group in yaml.safe_load(PLAIN.read_text())["groups"] for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}

OPERATOR = 'instance="operator:8080",namespace="surefoot-system"'
ANOTHER_POD = 'instance="operator:8081",namespace="surefoot-system"'
ROLLOUT = 'namespace="shop",rollout="checkout"'
ENFORCED = f"surefoot_admission_enforced{{{OPERATOR}}}"
LEADER = f"surefoot_leader{{{OPERATOR}}}"
SHARDS = f"surefoot_shards{{{OPERATOR}}}"
HELD = f"surefoot_shards_held{{{OPERATOR}}}"
WELL = {ENFORCED: "1x2000", LEADER: "1x2000"}


def blocked(condition: str) -> str:
    return f'surefoot_rollout_blocked{{condition="{condition}",{ROLLOUT}}}'


def counted(name: str, **labels: str) -> str:
    more = "".join(f',{key}="{value}"' for key, value in labels.items())
    return f"surefoot_{name}{{{OPERATOR}{more}}}"


def trigger(state: str) -> str:
    return f'surefoot_trigger_state{{{ROLLOUT},trigger="errors",state="{state}"}}'


PERCENT = f"surefoot_rollout_percent{{{ROLLOUT}}}"
FAILED = counted("notifications_failed_total", route="lead")
SENT = counted("notifications_sent_total", route="lead")
DROPPED = counted("notifications_dropped_total", route="lead")
GAPS = counted("record_gaps_total", sink="archive")
LAG = counted("record_lag_seconds", sink="archive")
CONFIGURATION = counted("config_last_reload_successful")
DONE = counted("reconciles_total", result="done")
ERRORS = counted("reconciles_total", result="error")
ANSWERS = counted("provider_requests_total", provider="default", outcome="Value")
SILENCE = counted("provider_requests_total", provider="default", outcome="Unreachable")
LATE = f'surefoot_requests_overdue{{{ROLLOUT},severity="Warning"}}'
PENDING = f"surefoot_approvals_pending{{{ROLLOUT}}}"


@dataclass(frozen=True)
class Case:
    """What there is, in samples a minute apart, and after how long the alert does what."""

    title: str
    after: str
    fires: bool
    series: Mapping[str, str] = field(default_factory=dict)
    well: Mapping[str, str] = field(default_factory=lambda: WELL)
    others: tuple[str, ...] = ()
    """Alerts that fire beside it, or instead of it."""
    every: str = "1m"
    """How often rules are judged: rarely, where it takes days."""


def fires(title: str, after: str, **how: Any) -> Case:
    return Case(title, after, True, **how)


def rests(title: str, after: str, **how: Any) -> Case:
    return Case(title, after, False, **how)


CASES: dict[str, Sequence[Case]] = {
    "SurefootAdmissionNotEnforced": (
        rests("all is well", "20m"),
        rests("for a blink", "3m", series={ENFORCED: "1x2 0x300"}),
        fires("for two minutes", "6m", series={ENFORCED: "1x2 0x300"}),
        rests("it is enforced again", "10m", series={ENFORCED: "0x4 1x300"}),
    ),
    "SurefootAbsent": (
        rests("nothing was ever scraped", "30m", well={}),
        rests("it has just gone", "8m", well={ENFORCED: "1x3 stale"}),
        fires("it has gone for five minutes", "11m", well={ENFORCED: "1x3 stale"}),
        fires("it has been gone for six days", "8640m", well={ENFORCED: "1x3 stale"}, every="2h"),
        rests(
            "it has been gone for eight days",
            "11520m",
            well={ENFORCED: "1x3 stale"},
            every="2h",
            others=("SurefootNotScraped",),
        ),
        rests(
            "the pod was replaced",
            "30m",
            well={
                ENFORCED: "1x10 stale",
                f"surefoot_admission_enforced{{{ANOTHER_POD}}}": "_x12 1x300",
            },
        ),
        rests(
            "the scrape job has another name",
            "30m",
            well={
                'surefoot_admission_enforced{job="pods",namespace="surefoot-system"}': "1x10 stale",
                'surefoot_admission_enforced{job="surefoot",namespace="surefoot-system"}': "1x300",
            },
        ),
        fires(
            "one of two clusters has lost it",
            "30m",
            well={
                'surefoot_admission_enforced{cluster="a",namespace="surefoot-system"}': "1x300",
                'surefoot_admission_enforced{cluster="b",namespace="surefoot-system"}': "1x9 stale",
            },
        ),
    ),
    "SurefootNotScraped": (
        rests("rules were just loaded", "30m", well={}),
        fires("nothing was scraped for an hour", "65m", well={}),
        rests("it is scraped", "300m"),
        rests(
            "it was scraped this week",
            "1440m",
            well={ENFORCED: "1x3 stale"},
            every="2h",
            others=("SurefootAbsent",),
        ),
    ),
    "SurefootLeaderLost": (
        rests("one of two leads", "30m", series={f"surefoot_leader{{{ANOTHER_POD}}}": "0x300"}),
        rests("the lead has just gone over", "5m", series={LEADER: "1x4 0x1 1x300"}),
        fires("none leads", "10m", series={LEADER: "1x4 0x300"}),
    ),
    "SurefootShardLost": (
        rests("one replica acts for all", "30m", series={SHARDS: "1x300", HELD: "1x300"}),
        rests(
            "two share them",
            "30m",
            series={
                SHARDS: "4x300",
                HELD: "2x300",
                f"surefoot_shards_held{{{ANOTHER_POD}}}": "2x300",
            },
        ),
        rests("they have just gone over", "5m", series={SHARDS: "4x300", HELD: "4x4 2x1 4x300"}),
        fires("nobody has two of them", "10m", series={SHARDS: "4x300", HELD: "4x4 2x300"}),
    ),
    "SurefootConfigurationNotRead": (
        rests("it was read", "30m", series={CONFIGURATION: "1x300"}),
        rests("it is mended at once", "30m", series={CONFIGURATION: "1x5 0x3 1x300"}),
        fires("nobody mends it", "30m", series={CONFIGURATION: "1x5 0x300"}),
    ),
    "SurefootReconcileFails": (
        rests("all passes end well", "30m", series={DONE: "0+60x300"}),
        rests("few fail", "30m", series={DONE: "0+60x300", ERRORS: "0+2x300"}),
        fires("a third fails", "30m", series={DONE: "0+60x300", ERRORS: "0+30x300"}),
        fires("all fail", "30m", series={ERRORS: "0+30x300"}),
    ),
    "SurefootProviderUnreachable": (
        rests("it answers", "30m", series={ANSWERS: "0+60x300"}),
        rests("it missed some", "30m", series={ANSWERS: "0+60x300", SILENCE: "0+20x300"}),
        fires("it misses most", "30m", series={ANSWERS: "0+20x300", SILENCE: "0+60x300"}),
        rests("it misses most for a moment", "5m", series={ANSWERS: "0x300", SILENCE: "0+60x300"}),
    ),
    "SurefootRolloutStuck": (
        rests(
            "it waits for people", "1h", series={blocked("Approved"): "1x300", PERCENT: "10x300"}
        ),
        rests("it is complete", "1h", series={blocked("Approved"): "0x300", PERCENT: "100x300"}),
        rests("for a moment", "5m", series={blocked("Approved"): "0x300", PERCENT: "10x300"}),
        fires("nothing blocks", "1h", series={blocked("Approved"): "0x300", PERCENT: "10x300"}),
        rests(
            "one thing of two blocks",
            "1h",
            series={
                blocked("Approved"): "0x300",
                blocked("SoakComplete"): "1x300",
                PERCENT: "10x300",
            },
        ),
    ),
    "SurefootPlanInvalid": (
        rests("while it is written", "10m", series={blocked("PlanValid"): "1x300"}),
        fires("nobody mends it", "30m", series={blocked("PlanValid"): "1x300"}),
        rests(
            "it was mended", "30m", series={blocked("PlanValid"): "1x10 0x300", PERCENT: "100x99"}
        ),
    ),
    "SurefootTriggerWithoutData": (
        rests("it has data", "1h", series={trigger("NoData"): "0x300", trigger("Quiet"): "1x300"}),
        rests("for a scrape or two", "30m", series={trigger("NoData"): "0x25 1x2 0x300"}),
        fires("there are none", "30m", series={trigger("NoData"): "1x300"}),
        fires("they come and go", "40m", series={trigger("NoData"): "1 1 1 0 " * 60}),
    ),
    "SurefootRolledBack": (
        rests("nothing was", "5m", series={blocked("NotRolledBack"): "0x300", PERCENT: "100x300"}),
        fires("it was", "5m", series={blocked("NotRolledBack"): "1x300"}),
        rests(
            "somebody tried again",
            "30m",
            series={blocked("NotRolledBack"): "1x10 0x300", PERCENT: "100x300"},
        ),
    ),
    "SurefootRequestOverdue": (
        rests("in time", "1h", series={LATE: "0x300"}),
        fires("late", "1h", series={LATE: "0x10 1x300"}),
        rests("it was given", "1h", series={LATE: "0x10 1x10 0x300"}),
    ),
    "SurefootApprovalPending": (
        rests("for half a day", "720m", series={PENDING: "1x2000"}, every="30m"),
        fires("for a day", "1500m", series={PENDING: "1x2000"}, every="30m"),
        rests("it was given", "1500m", series={PENDING: "1x1000 0x1000"}, every="30m"),
    ),
    "SurefootDrift": (
        rests("never", "30m", series={counted("drift_corrections_total"): "0x300"}),
        fires("just now", "15m", series={counted("drift_corrections_total"): "0x10 1x300"}),
        rests("long ago", "60m", series={counted("drift_corrections_total"): "0x10 1x300"}),
    ),
    "SurefootTargetNotInSync": (
        rests(
            "restored at once",
            "5m",
            series={blocked("TargetInSync"): "0 1 0x300", PERCENT: "100x9"},
        ),
        fires("fought over", "10m", series={blocked("TargetInSync"): "1x300"}),
    ),
    "SurefootSinkBehind": (
        rests("it keeps up", "1h", series={LAG: "3x300"}),
        rests("a slow delivery", "1h", series={LAG: "3x30 700x3 3x300"}),
        fires("it takes nothing", "1h", series={LAG: "0+60x300"}),
    ),
    "SurefootRecordGap": (
        rests("none", "90m", series={GAPS: "0x400"}),
        fires("within the hour", "30m", series={GAPS: "0x8 1x400"}),
        rests("more than an hour ago", "90m", series={GAPS: "0x8 1x400"}),
        fires("from the first scrape on", "30m", series={GAPS: "_x8 1x400"}),
        rests("from the first scrape on, long ago", "90m", series={GAPS: "_x8 1x400"}),
        fires("after a restart", "380m", series={GAPS: "3x300 _x20 1x400"}),
    ),
    "SurefootNotificationsFail": (
        rests("none fails", "30m", series={FAILED: "0x400", SENT: "0x400"}),
        rests("one attempt fails", "30m", series={FAILED: "0x8 1x400", SENT: "0x12 1x400"}),
        fires("none gets through", "20m", series={FAILED: "0+1x400", SENT: "0x400"}),
        rests("some get through", "40m", series={FAILED: "0+1x400", SENT: "0x30 1x400"}),
    ),
    "SurefootNotificationsDropped": (
        rests("none", "10m", series={DROPPED: "0x400"}),
        fires("one", "15m", series={DROPPED: "0x8 1x400"}),
        rests("one, long ago", "40m", series={DROPPED: "0x8 1x400"}),
    ),
}


def test_rules_are_well_formed(tmp_path: Path) -> None:
    """Expressions, durations and templates."""
    promtool("check", "rules", "--lint=all", "--lint-fatal", str(PLAIN))


def test_prometheus_rule_has_the_plain_rules() -> None:
    """With the Prometheus Operator or without, the same is watched."""
    assert yaml.safe_load(WRAPPED.read_text())["spec"] == yaml.safe_load(PLAIN.read_text())


def test_every_alert_has_cases() -> None:
    """An alert that was never seen to fire, and to rest, is a guess."""
    assert CASES.keys() == ALERTS.keys()
    for name, cases in CASES.items():
        assert {case.fires for case in cases} == {True, False}, name


@pytest.mark.parametrize("alert", CASES)
def test_alert_fires_when_somebody_must_come(alert: str, tmp_path: Path) -> None:
    """And rests otherwise: not in a blink, and no longer than it lasts."""
    by_interval: dict[str, list[dict[str, Any]]] = {}
    for case in CASES[alert]:
        firing = [alert, *case.others] if case.fires else case.others
        series = {**case.well, **case.series}
        test = verdict(case.title, series, case.after, firing)
        by_interval.setdefault(case.every, []).append(test)
    judge(PLAIN, by_interval, tmp_path)


def test_every_metric_that_a_rule_asks_for_is_exposed() -> None:
    """A rule over a name that nobody exports would never fire, or always."""
    exposition = PrometheusTelemetry().exposition().decode()
    exposed = set(re.findall(r"^# TYPE (\S+)", exposition, re.MULTILINE))
    exposed |= {f"{name}_bucket" for name in exposed}
    recorded = {rule["record"] for rule in RULES if "record" in rule}
    asked = {name for rule in RULES for name in re.findall(r"[\w:]*surefoot_[\w:]+", rule["expr"])}
    assert asked
    assert asked <= exposed | recorded


def test_page_names_every_alert_with_its_severity() -> None:
    """Who chooses what wakes them finds all of it in one table."""
    rows = re.findall(r"^\| ((?:Surefoot\w+(?:, )?)+) \| (\w+) \|", PAGE.read_text(), re.MULTILINE)
    named = {alert: severity for alerts, severity in rows for alert in alerts.split(", ")}
    assert named == {name: rule["labels"]["severity"] for name, rule in ALERTS.items()}


def test_every_alert_says_what_to_do_and_where_it_is_written() -> None:
    """Each has a section in the runbooks, and the runbooks have no other sections."""
    sections = re.findall(r"^## (Surefoot\w+)$", RUNBOOKS.read_text(), re.MULTILINE)
    assert sections == list(ALERTS)
    for name, rule in ALERTS.items():
        annotations = rule["annotations"]
        assert annotations["runbook_url"] == f"https://surefoot.dev/runbooks/#{name.lower()}"
        assert annotations["summary"]
        assert annotations["description"].endswith(".")
        assert rule["labels"]["severity"] in {"critical", "warning"}
