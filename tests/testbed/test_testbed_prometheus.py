"""The Prometheus of the test bed, scraping a real exporter."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from surefoot.errors import TestbedError
from surefoot.testbed.binaries import provide
from surefoot.testbed.layout import Layout
from surefoot.testbed.ports import free_ports
from surefoot.testbed.prometheus import Prometheus
from tests.support.testbed import SURELY, wait_until

pytestmark = pytest.mark.apiserver


class _Exporter(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"# TYPE errors_total counter\nerrors_total 7\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Keep the test's output clean."""


@pytest.fixture
def exporter() -> Iterator[str]:
    """The address of a program with one metric."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Exporter) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Prometheus]:
    """One of its own per test, so that targets and samples are those of the test."""
    program = provide(["prometheus"])["prometheus"]
    prometheus = Prometheus(
        Layout(tmp_path), free_ports(1)[0], program, scrape_interval=timedelta(milliseconds=200)
    )
    prometheus.start()
    yield prometheus
    prometheus.kill()


def test_targets_are_scraped(prometheus: Prometheus, exporter: str) -> None:
    """`up` and the metric itself arrive within a few intervals."""
    prometheus.set_targets({"shop": [exporter]})
    wait_until(lambda: _value(prometheus, 'up{job="shop"}') == 1, SURELY, "the target to be up")
    # On a busy machine a scrape may come too late: it has no value then until the next one.
    (sample,) = wait_until(lambda: prometheus.query("errors_total"), SURELY, "the metric itself")
    assert sample.value == 7
    assert (sample.labels["job"], sample.labels["instance"]) == ("shop", exporter)


def test_targets_replace_those_before(prometheus: Prometheus, exporter: str) -> None:
    """What is no longer asked for becomes stale and leaves the answers."""
    prometheus.set_targets({"shop": [exporter]})
    wait_until(lambda: prometheus.query("errors_total"), SURELY, "the first scrape")
    prometheus.set_targets({})
    wait_until(lambda: not prometheus.query("errors_total"), SURELY, "the series to become stale")


def test_dead_target_is_down(prometheus: Prometheus) -> None:
    """A target that nobody serves is seen as such."""
    prometheus.set_targets({"shop": [f"127.0.0.1:{free_ports(1)[0]}"]})
    wait_until(lambda: _value(prometheus, 'up{job="shop"}') == 0, SURELY, "the target to be down")


def test_targets_survive_a_restart(prometheus: Prometheus, exporter: str) -> None:
    """A restart is an outage, not a new beginning."""
    prometheus.set_targets({"shop": [exporter]})
    prometheus.restart()
    wait_until(lambda: prometheus.query("errors_total"), SURELY, "a scrape after the restart")


def test_samples_survive_a_restart(prometheus: Prometheus, exporter: str) -> None:
    """Also after a crash."""
    prometheus.set_targets({"shop": [exporter]})
    wait_until(lambda: prometheus.query("errors_total"), SURELY, "the first scrape")
    prometheus.set_targets({})
    prometheus.kill()
    prometheus.start()
    assert _value(prometheus, "last_over_time(errors_total[1h])") == 7


def test_targets_set_while_stopped_are_scraped_after_the_start(
    prometheus: Prometheus, exporter: str
) -> None:
    """The configuration is a file; the process need not run."""
    prometheus.stop()
    prometheus.set_targets({"shop": [exporter]})
    prometheus.start()
    wait_until(lambda: prometheus.query("errors_total"), SURELY, "a scrape after the start")


def test_stopped_prometheus_is_named(prometheus: Prometheus) -> None:
    """The error says which address does not answer."""
    prometheus.stop()
    with pytest.raises(TestbedError, match=f"Prometheus at {prometheus.url} does not answer"):
        prometheus.query("up")


def test_refused_expression_comes_back_with_the_reason(prometheus: Prometheus) -> None:
    """Prometheus's own words are kept."""
    with pytest.raises(TestbedError, match=r"refused 'up\{'.*parse error"):
        prometheus.query("up{")


def test_samples_can_be_forgotten(prometheus: Prometheus, exporter: str) -> None:
    """For tests of missing data."""
    prometheus.set_targets({"shop": [exporter]})
    wait_until(lambda: prometheus.query("errors_total"), SURELY, "the first scrape")
    prometheus.set_targets({})

    def forgotten() -> bool:
        prometheus.forget("errors_total")  # again, if a last scrape came in between
        return not prometheus.query("last_over_time(errors_total[1h])")

    wait_until(forgotten, SURELY, "the samples to be gone")


def test_a_scalar_is_one_sample_without_labels(prometheus: Prometheus) -> None:
    """The one shape serves both."""
    assert [(s.labels, s.value) for s in prometheus.query("6 * 7")] == [({}, 42.0)]


def _value(prometheus: Prometheus, expression: str) -> float | None:
    samples = prometheus.query(expression)
    return samples[0].value if samples else None
