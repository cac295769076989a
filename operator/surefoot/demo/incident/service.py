"""The rolled-out service: an agents' memory, whose cache warms up and whose answers get right.

    python -m surefoot.demo.incident.service KUBECONFIG PORT INBOX_PORT

It has the figures of the incident. What was done to it (ConfigMap ``memory-works``) is read from
the API server, and what comes of that is scraped by Prometheus; an hour of warming is a second.
"""

import random
import sys
import threading
import time
from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram, start_http_server

from surefoot.demo import inbox
from surefoot.demo.exporter import keep_reading
from surefoot.demo.watching import Object

CONFIG_MAPS = "/api/v1/namespaces/agents/configmaps"
WORKS = "memory-works"

REQUESTS_PER_SECOND = 500
TESTS, TESTS_PASSED = 10_000, 9_828
P95_SECONDS = 0.00084
WARM_AFTER = 3.0
"""Seconds until a configured cache is warm."""
HIT_RATE = 0.8
"""Of a warm cache."""
TICK = 0.1

REQUESTS = Counter("memory_requests", "Requests served.")
ERRORS = Counter("memory_errors", "Requests answered with an error.")
QUERIES = Counter("memory_database_queries", "Queries that the cache did not answer.")
LATENCY = Histogram(
    "memory_latency_seconds", "How long answers take.", buckets=(0.0003, 0.0006, 0.001, 0.003, 0.01)
)
P95 = Gauge("memory_latency_p95_seconds", "95 % of requests are faster.")
PASSED = Gauge("memory_tests_passed", "Tests passed at the last run.")
TOTAL = Gauge("memory_tests_total", "Tests there are.")
HITS = Gauge("memory_cache_hit_rate", "The share of lookups that the cache answers.")
PRECISION = Gauge("memory_precision_at_10", "Of ten results, how many are relevant.")
UP = Gauge("memory_component_up", "Whether it answers.", ["component"])
COMPONENTS = ("redis", "mongodb", "prometheus", "grafana")


class Memory:
    """What was done to it, and since when its cache has been configured."""

    def __init__(self) -> None:
        self.configured_at: float | None = None
        self.accuracy = 0.0

    def read_works(self, config_map: Object | None) -> None:
        """Take over what was done."""
        data = (config_map or {}).get("data") or {}
        if data.get("cache") != "configured":
            self.configured_at = None
        elif self.configured_at is None:
            self.configured_at = time.monotonic()
        passed, _, total = data.get("groundTruth", "0/6").partition("/")
        self.accuracy = int(passed) / int(total)

    def hit_rate(self, now: float) -> float:
        """How warm the cache is; it warms evenly."""
        if self.configured_at is None:
            return 0.0
        return HIT_RATE * min(1.0, (now - self.configured_at) / WARM_AFTER)

    def show(self, now: float) -> None:
        """Set what does not count up."""
        P95.set(P95_SECONDS)
        PASSED.set(TESTS_PASSED)
        TOTAL.set(TESTS)
        HITS.set(self.hit_rate(now))
        PRECISION.set(self.accuracy)
        for component in COMPONENTS:
            UP.labels(component).set(1)
        UP.labels("ground-truth").set(float(self.accuracy >= 1))


def run(kubeconfig: Path, port: int, inbox_port: int) -> None:
    """Serve until ended."""
    inbox.serve(inbox_port)
    memory = Memory()
    ERRORS.inc(0)
    reading = (kubeconfig, CONFIG_MAPS, WORKS, memory.read_works)
    threading.Thread(target=keep_reading, args=reading, daemon=True).start()
    memory.show(time.monotonic())
    start_http_server(port, addr="127.0.0.1")
    began, given = time.monotonic(), 0
    while True:
        now = time.monotonic()
        # By the clock, not by the tick: a busy machine serves no fewer requests.
        due = int((now - began) * REQUESTS_PER_SECOND)
        REQUESTS.inc(due - given)
        # One of many is measured: the figures are those of the incident, and do not spread much.
        LATENCY.observe(P95_SECONDS * random.uniform(0.3, 1.0))
        QUERIES.inc((due - given) * (1 - memory.hit_rate(now)))
        memory.show(now)
        given = due
        time.sleep(TICK)


if __name__ == "__main__":
    run(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
