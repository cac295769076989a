"""What there is to see: the Rollout, its ConfigMap, the release, and the metric, as they change.

Three watches on the API server and a question to Prometheus five times a second feed a Lookout.
The story waits on it and the screen is drawn from it; nothing that an audience sees comes from
anywhere else.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.demo.exporter import CONFIG_MAPS, FLAG, FLAGS, RELEASE
from surefoot.demo.interruption import Interruption
from surefoot.demo.patience import LONGEST, LOOK_EVERY, Patience
from surefoot.demo.watching import Object, follow
from surefoot.errors import TestbedError
from surefoot.testbed.bed import TestBed
from surefoot.testbed.process import Component

T = TypeVar("T")

ROLLOUTS = "/apis/surefoot.dev/v1alpha1/namespaces/shop/rollouts"
ROLLOUT = "checkout"
SERVICE_READS = "checkout_flag_percent"
PROMETHEUS_EVERY = 0.2
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A value, and since when: seconds since the Lookout began to look."""

    at: float
    value: float | None


@dataclass(frozen=True, slots=True)
class Scene:
    """What is known at one moment. ``percent`` is what the ConfigMap says, None without one."""

    rollout: Rollout | None = None
    percent: int | None = None
    percent_since: float = 0.0
    release: str = ""
    release_since: float = 0.0
    error_rate: float | None = None
    """What Prometheus answers to the query of the Rollout's first metric."""
    service_reads: int | None = None
    """What the service says it read from its flag, by way of Prometheus."""


@dataclass(slots=True)
class Tracks:
    """What the chart is drawn from."""

    percents: list[Moment] = field(default_factory=list)
    error_rates: list[Moment] = field(default_factory=list)


class Lookout:
    """Looks at everything at once; ``on_change`` is told the scene before and the new one."""

    def __init__(
        self,
        bed: TestBed,
        operator: Component,
        interruption: Interruption,
        on_change: Callable[[Scene, Scene], None],
    ) -> None:
        self.scene = Scene()
        self.tracks = Tracks()
        self._bed = bed
        self._patience = Patience(operator, interruption)
        self._on_change = on_change
        self._changed = threading.Condition()
        self._began = time.monotonic()
        self._looking = True

    # Time

    @property
    def elapsed(self) -> float:
        """Seconds since the Lookout began to look."""
        return time.monotonic() - self._began

    # Looking

    def look(self) -> None:
        """Begin to look, in the background."""
        for body in (
            self._watch(ROLLOUTS, ROLLOUT, self._see_rollout),
            self._watch(CONFIG_MAPS, FLAGS, self._see_flags),
            self._watch(CONFIG_MAPS, RELEASE, self._see_release),
            self._ask_prometheus,
        ):
            threading.Thread(target=body, daemon=True).start()

    def stop(self) -> None:
        """See nothing any more: what is cleared away is not part of the story."""
        with self._changed:
            self._looking = False

    def _watch(
        self, collection: str, name: str, see: Callable[[Object | None], None]
    ) -> Callable[[], None]:
        def keep_watching() -> None:
            with self._bed.client() as client:
                for state in follow(client, collection, name):
                    if not self._looking:
                        return
                    see(state)

        return keep_watching

    def _see_rollout(self, state: Object | None) -> None:
        rollout = None if state is None else Rollout.model_validate(state)
        self._see(lambda scene: replace(scene, rollout=rollout))

    def _see_flags(self, state: Object | None) -> None:
        percent = None if state is None else int(state["data"][FLAG])
        if percent != self.scene.percent:
            at = self.elapsed
            self.tracks.percents.append(Moment(at, percent))
            self._see(lambda scene: replace(scene, percent=percent, percent_since=at))

    def _see_release(self, state: Object | None) -> None:
        version = "" if state is None else state["data"]["version"]
        if version != self.scene.release:
            at = self.elapsed
            self._see(lambda scene: replace(scene, release=version, release_since=at))

    def _ask_prometheus(self) -> None:
        while self._looking:
            rollout = self.scene.rollout
            if rollout is not None:
                self._see_metrics(rollout.spec.metrics[0].query)
            time.sleep(PROMETHEUS_EVERY)

    def _see_metrics(self, query: str) -> None:
        rate, reads = self._answer_to(query), self._answer_to(SERVICE_READS)
        self.tracks.error_rates.append(Moment(self.elapsed, rate))
        percent = None if reads is None else int(reads)
        self._see(lambda scene: replace(scene, error_rate=rate, service_reads=percent))

    def _answer_to(self, query: str) -> float | None:
        try:
            samples = self._bed.prometheus.query(query)
        except TestbedError:
            return None
        if len(samples) != 1 or math.isnan(samples[0].value):
            return None
        return samples[0].value

    def _see(self, changed: Callable[[Scene], Scene]) -> None:
        with self._changed:
            if not self._looking:
                return
            before, after = self.scene, changed(self.scene)
            # First: who waits for the scene in another thread goes on as soon as it is there.
            self._on_change(before, after)
            self.scene = after
            self._changed.notify_all()

    # Waiting

    def wait_for(
        self, what: str, seen: Callable[[Scene], T | None], *, within: float = LONGEST
    ) -> T:
        """Wait until ``seen`` finds it in a scene, and give it back. See `Patience`."""

        def look() -> T | None:
            return seen(self.scene)

        return self._patience.wait_for(what, look, within=within, pause=self._until_it_changes)

    def _until_it_changes(self) -> None:
        with self._changed:
            self._changed.wait(LOOK_EVERY)

    def let_pass(self, seconds: float) -> None:
        """Give the audience time. Raises Interrupted when somebody asks for it."""
        self._patience.let_pass(seconds)
