"""A service with one metric that can be set, and a real Prometheus of its own that scrapes it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from surefoot.testbed.binaries import provide
from surefoot.testbed.layout import Layout
from surefoot.testbed.ports import free_ports
from surefoot.testbed.prometheus import Prometheus
from tests.support.testbed import SURELY, wait_until

SCRAPE_INTERVAL = timedelta(milliseconds=200)


class Service:
    """What is rolled out. ``prometheus_url`` is where its metric `error_rate` can be asked for.

    Beside it there can be any number of others of their own, `error_rate_of{what="…"}`.
    """

    def __init__(self, prometheus: Prometheus) -> None:
        self._prometheus = prometheus
        self._error_rates: dict[str, float] = {}

    @property
    def prometheus_url(self) -> str:
        return self._prometheus.url

    def exposition(self) -> bytes:
        lines = [f"{query_of(what)} {value}\n" for what, value in self._error_rates.items()]
        return "".join(lines).encode()

    def has_error_rate(self, value: float, of: str = "") -> None:
        """Change the metric, and wait until Prometheus knows."""
        self._error_rates[of] = value
        query = query_of(of)
        wait_until(lambda: self._values(query) == [value], SURELY, f"{query} {value} in Prometheus")

    def has_had_error_rate(self, value: float, window: str, of: str = "") -> None:
        """Wait until the metric has been no lower for so long.

        At the beginning of the window as well: on a busy machine it may be that nothing was scraped
        in the window but the last moment of it.
        """
        query = query_of(of)
        began = f"{query} offset {window} == {value}"
        lowest = f"min_over_time({query}[{window}]) and {began}"
        wait_until(
            lambda: self._values(lowest) == [value],
            SURELY,
            f"{query} {value} for {window} in Prometheus",
        )

    def _values(self, query: str) -> list[float]:
        return [sample.value for sample in self._prometheus.query(query)]


def query_of(what: str) -> str:
    """The query for a metric of the service."""
    return f'error_rate_of{{what="{what}"}}' if what else "error_rate"


@contextmanager
def a_service(directory: Path) -> Iterator[Service]:
    """Run both until the block ends."""
    program = provide(["prometheus"])["prometheus"]
    prometheus = Prometheus(
        Layout(directory), free_ports(1)[0], program, scrape_interval=SCRAPE_INTERVAL
    )
    service = Service(prometheus)

    class Exporter(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(service.exposition())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Keep the test's output clean."""

    prometheus.start()
    try:
        with ThreadingHTTPServer(("127.0.0.1", 0), Exporter) as server:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            prometheus.set_targets({"service": [f"127.0.0.1:{server.server_port}"]})
            service.has_error_rate(0.0)
            yield service
            server.shutdown()
    finally:
        prometheus.kill()
