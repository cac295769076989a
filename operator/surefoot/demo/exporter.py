"""The rolled-out service: it reads its flag from the ConfigMap, serves requests, counts errors.

    python -m surefoot.demo.exporter KUBECONFIG PORT INBOX_PORT

Requests are simulated, a thousand a second. As many percent of them as the flag says take the new
path, and fail there as often as the release in force makes them (ConfigMap ``checkout-release``).
Everything else is real: the API server it watches, and the metrics that Prometheus scrapes.
"""

import random
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import Counter, Gauge, start_http_server

from surefoot.api.v1alpha1.durations import parse_bound
from surefoot.demo import inbox
from surefoot.demo.watching import Object, client_with_token, follow

CONFIG_MAPS = "/api/v1/namespaces/shop/configmaps"
FLAGS = "checkout-flags"
FLAG = "checkout-v2"
RELEASE = "checkout-release"

REQUESTS_PER_SECOND = 1000
FAILING_ON_THE_OLD_PATH = 0.001
TICK = 0.1
"""Seconds between two helpings of requests."""

REQUESTS = Counter("checkout_requests", "Requests served.", ["path"])
ERRORS = Counter("checkout_errors", "Requests answered with an error.", ["path"])
PERCENT = Gauge("checkout_flag_percent", "The percentage that the service reads from its flag.")


@dataclass(frozen=True, slots=True)
class Share:
    """Of how many requests, how many failed."""

    requests: int
    errors: int


def served(requests: int, failing: float, dice: random.Random) -> Share:
    """Serve so many requests, each of which fails with this probability."""
    return Share(requests, sum(dice.random() < failing for _ in range(requests)))


class Service:
    """What the service knows: its flag's percentage, and how good the new path is."""

    def __init__(self) -> None:
        self.percent = 0
        self.failing = 0.0

    def read_flags(self, config_map: Object | None) -> None:
        """Take over the percentage; a flag that is not there is off."""
        data = (config_map or {}).get("data") or {}
        self.percent = int(data.get(FLAG, "0"))
        PERCENT.set(self.percent)

    def read_release(self, config_map: Object | None) -> None:
        """Take over what was released; what says nothing about itself does not fail."""
        data = (config_map or {}).get("data") or {}
        self.failing = parse_bound(data.get("failing", "0%"))

    def serve(self, requests: int, dice: random.Random) -> None:
        """Serve requests, the flag's share of them on the new path."""
        new = sum(dice.random() * 100 < self.percent for _ in range(requests))
        for path, share in (
            ("new", served(new, self.failing, dice)),
            ("old", served(requests - new, FAILING_ON_THE_OLD_PATH, dice)),
        ):
            REQUESTS.labels(path).inc(share.requests)
            ERRORS.labels(path).inc(share.errors)


def keep_reading(
    kubeconfig: Path, config_maps: str, name: str, read: Callable[[Object | None], None]
) -> None:
    """Hand over every state of a ConfigMap, forever; what cannot be read changes nothing."""
    with client_with_token(kubeconfig) as client:
        for config_map in follow(client, config_maps, name):
            try:
                read(config_map)
            except ValueError as error:
                print(f"ConfigMap {name}: {error}", file=sys.stderr, flush=True)


def run(kubeconfig: Path, port: int, inbox_port: int) -> None:
    """Serve until ended."""
    inbox.serve(inbox_port)
    service = Service()
    for name, read in ((FLAGS, service.read_flags), (RELEASE, service.read_release)):
        reading = (kubeconfig, CONFIG_MAPS, name, read)
        threading.Thread(target=keep_reading, args=reading, daemon=True).start()
    start_http_server(port, addr="127.0.0.1")
    dice = random.Random()
    began, given = time.monotonic(), 0
    while True:
        # By the clock, not by the tick: a busy machine serves no fewer requests.
        due = int((time.monotonic() - began) * REQUESTS_PER_SECOND)
        service.serve(due - given, dice)
        given = due
        time.sleep(TICK)


if __name__ == "__main__":
    run(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
