"""Every panel of the dashboards is answered by a real Prometheus that scrapes the real names."""

import json
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from surefoot.adapters.settings import AdmissionMode
from surefoot.adapters.telemetry import PrometheusTelemetry
from surefoot.api.v1alpha1.meta import Condition
from surefoot.api.v1alpha1.rollout_status import (
    Blocker,
    RolloutStatus,
    Severity,
    TriggerState,
    TriggerStatus,
)
from surefoot.application.ports import ObjectKey, TransitionRecord
from surefoot.domain.facts.snapshot import Admission
from surefoot.testbed.binaries import provide
from surefoot.testbed.layout import Layout
from surefoot.testbed.ports import free_ports
from surefoot.testbed.prometheus import Prometheus
from tests.monitoring.promtool import PROJECT
from tests.support.testbed import SURELY, wait_until
from tests.support.world import START, a_rollout

pytestmark = pytest.mark.apiserver

DASHBOARDS = PROJECT / "manifests" / "monitoring" / "dashboards"
RULES = PROJECT / "manifests" / "monitoring" / "rules" / "surefoot.yaml"
EXAMPLE = PROJECT / "manifests" / "examples" / "monitoring" / "incident-alerts.yaml"
OPERATOR = json.loads((DASHBOARDS / "surefoot-operator.json").read_text())
FLAG = json.loads((DASHBOARDS / "surefoot-flag.json").read_text())
KEY = ObjectKey("agents", "memory-sync")
CHOSEN = {
    "$namespace": KEY.namespace,
    "$rollout": KEY.name,
    "$app": "recall",
    "$__rate_interval": "1m",
    "$__range": "5m",
}


def panels(dashboard: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in dashboard["panels"]:
        yield from panel.get("panels") or ()
        if panel["type"] != "row":
            yield panel


def queries(dashboard: Mapping[str, Any]) -> list[Any]:
    return [
        pytest.param(target["expr"], id=f"{panel['title']}-{target['refId']}")
        for panel in panels(dashboard)
        for target in panel["targets"]
    ]


# What is scraped


class Operator:
    """The operator's own metrics, of an operator that has seen everything at least once."""

    def __init__(self) -> None:
        self.telemetry = PrometheusTelemetry()
        self.turn = 0

    def exposition(self) -> bytes:
        """One more turn of everything, and what there is then."""
        self.turn += 1
        told = self.telemetry
        told.admission(Admission.ENFORCED)
        told.admission_checked(Admission.ENFORCED)
        told.admission_mode(AdmissionMode.ENFORCED)
        told.configuration_read(is_in_force=True)
        told.part_failed()
        told.reconciled("done", 0.02)
        told.judged(a_rollout(KEY.name), self._status())
        told.approvals_pending(KEY, 1)
        told.transition(TransitionRecord("Advance", 0.4))
        told.drift_corrected()
        told.rehearsed("Passed", 0.3)
        told.provider_answered("default", "Value", 0.01, 0.5)
        told.queue_depth("urgent", 0)
        told.watch_missed("Rollout", 1)
        told.exported("archive", 1)
        told.export_failed("archive")
        told.export_gaps("archive", 1)
        told.export_waiting("archive", 2, 3.0)
        told.notifications_waiting("lead", 1)
        told.notified("lead")
        told.notification_failed("lead")
        told.notification_dropped("lead")
        return told.exposition()

    def _status(self) -> RolloutStatus:
        kinds = {"Approved": "False", "PlanValid": "True", "NotRolledBack": "True"}
        return RolloutStatus(
            percent=25 if self.turn % 2 else 100,
            conditions=tuple(
                Condition(type=kind, status=status, reason="R", last_transition_time=START)
                for kind, status in kinds.items()
            ),
            triggers=(TriggerStatus(name="errors", state=TriggerState.FIRING, since=START),),
            blocked_by=(
                Blocker(
                    condition="Approved", reason="R", message="m", escalated_to=Severity.WARNING
                ),
            ),
        )


class Service:
    """A service with the metrics that the example's rules ask for."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        app = ("app",)
        of: dict[str, Any] = {"registry": registry}
        self.requests = Counter("http_requests", "-", ("app", "service", "code"), **of)
        self.latency = Histogram("http_request_duration_seconds", "-", app, **of)
        self.passed = Gauge("recall_tests_passed", "-", app, **of)
        self.total = Gauge("recall_tests_total", "-", app, **of)
        self.hits = Counter("redis_keyspace_hits", "-", app, **of)
        self.misses = Counter("redis_keyspace_misses", "-", app, **of)
        self.accuracy = Gauge("recall_ground_truth_accuracy", "-", app, **of)
        self.asked = Counter("mongodb_queries", "-", app, **of)
        self.memory = Gauge("container_memory_working_set_bytes", "-", ("container",), **of)
        self.limit = Gauge("container_spec_memory_limit_bytes", "-", ("container",), **of)

    def exposition(self) -> bytes:
        """A few more requests."""
        self.requests.labels("recall", "web", "200").inc(100)
        self.latency.labels("recall").observe(0.1)
        self.passed.labels("recall").set(9828)
        self.total.labels("recall").set(10000)
        self.hits.labels("recall").inc(80)
        self.misses.labels("recall").inc(20)
        self.accuracy.labels("recall").set(0.7)
        self.asked.labels("recall").inc(20)
        self.memory.labels("recall").set(5e8)
        self.limit.labels("recall").set(1e9)
        return generate_latest(self.registry)


@dataclass
class Exporter:
    """Serves what something exposes; it keeps on counting."""

    source: Operator | Service

    def serve(self) -> ThreadingHTTPServer:
        """Start it, on a port of its own."""
        source = self.source

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = source.exposition()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
                """Keep the test's output clean."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return server


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that has scraped both several times, and has judged the rules."""
    directory = tmp_path_factory.mktemp("prometheus")
    example = directory / "example.yaml"
    example.write_text(yaml.safe_dump(yaml.safe_load(EXAMPLE.read_text())["spec"]))
    program = provide(["prometheus"])["prometheus"]
    running = Prometheus(
        Layout(directory), free_ports(1)[0], program, scrape_interval=timedelta(milliseconds=250)
    )
    running.set_rules([RULES, example])
    running.start()
    servers = [Exporter(Operator()).serve(), Exporter(Service()).serve()]
    try:
        ports = [f"127.0.0.1:{server.server_port}" for server in servers]
        running.set_targets({"surefoot": ports[:1], "recall": ports[1:]})
        for series in ("surefoot_leader", "app:database_queries_per_request:ratio_rate15m"):
            expr = f"count_over_time({series}[1m]) >= 3"
            wait_until(partial(running.query, expr), SURELY, f"three samples of {series}")
        yield running
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
        running.stop()


def as_chosen(expr: str) -> str:
    """The query as Grafana sends it for a reader's choices."""
    for name, value in CHOSEN.items():
        expr = expr.replace(name, value)
    assert "$" not in expr
    return expr


@pytest.mark.parametrize("expr", [*queries(OPERATOR), *queries(FLAG)])
def test_panel_is_answered(prometheus: Prometheus, expr: str) -> None:
    """With at least one series; of a day before there cannot be one here, and it is only read."""
    prometheus.query(as_chosen(expr))
    # On a busy machine a scrape may come too late: its series have no value then until the next.
    today = as_chosen(expr.removesuffix(" offset 1d"))
    wait_until(lambda: prometheus.query(today), SURELY, today)


@pytest.mark.parametrize("dashboard", [OPERATOR, FLAG], ids=["operator", "flag"])
def test_choices_have_something_to_choose_from(
    prometheus: Prometheus, dashboard: dict[str, Any]
) -> None:
    """Each is a label that some series has."""
    asked = [
        re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
        for variable in dashboard["templating"]["list"]
        if variable["type"] == "query"
    ]
    assert asked
    for match in asked:
        assert match is not None
        series, label = match.groups()

        def found(series: str = series, label: str = label) -> set[str]:
            samples = prometheus.query(as_chosen(series))
            return {sample.labels[label] for sample in samples if label in sample.labels}

        wait_until(found, SURELY, f"{label} of {series}")


def test_steps_are_marked_in_the_panels_of_the_flag(prometheus: Prometheus) -> None:
    """Anyone who looks at a curve sees where the percentage changed."""
    (steps,) = FLAG["annotations"]["list"]
    wait_until(lambda: prometheus.query(as_chosen(steps["expr"])), SURELY, "a step to be marked")


def test_everything_that_the_operator_counts_is_shown() -> None:
    """A metric that nobody shows is found by nobody."""
    exposition = Operator().exposition().decode()
    names = set(re.findall(r"^# TYPE (\S+?)(?:_created)? ", exposition, re.MULTILINE))
    shown = json.dumps(OPERATOR)
    missing = sorted(name for name in names if name not in shown)
    assert not missing, "add a panel to operator/surefoot/manifestgen/dashboards/operator.py"


def test_dashboard_of_the_flag_has_the_six_panels_of_the_review() -> None:
    """Tests, errors by service, latency as a histogram, cache as a gauge, accuracy, cost."""
    kinds = {panel["title"]: panel["type"] for panel in panels(FLAG)}
    assert kinds == {
        "Percentage of the flag": "timeseries",
        "Test pass rate": "timeseries",
        "Error rate by service": "timeseries",
        "Latency": "heatmap",
        "Latency, 95%": "timeseries",
        "Cache hit rate": "gauge",
        "Retrieval accuracy": "timeseries",
        "Cost": "timeseries",
    }
    (accuracy,) = (panel for panel in panels(FLAG) if panel["title"] == "Retrieval accuracy")
    assert accuracy["fieldConfig"]["defaults"]["custom"]["drawStyle"] == "points"


@pytest.mark.parametrize("dashboard", [OPERATOR, FLAG], ids=["operator", "flag"])
def test_dashboards_say_what_they_show_and_do_not_overlap(dashboard: dict[str, Any]) -> None:
    """Each panel has a sentence about what it answers, and a place of its own."""
    places: set[tuple[int, int]] = set()
    for panel in panels(dashboard):
        assert panel["description"].endswith("."), panel["title"]
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert at["x"] + at["w"] <= 24
        assert not cells & places, panel["title"]
        places |= cells
        assert panel["datasource"]["uid"] == "${datasource}"
