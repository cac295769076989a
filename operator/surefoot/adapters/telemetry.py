"""What the operator counts, as Prometheus metrics. The names are part of the wire contract."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from surefoot.adapters.clock import ServerClock
from surefoot.adapters.rollout_series import RolloutSeries
from surefoot.adapters.settings import AdmissionMode
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import RolloutStatus
from surefoot.application.ports import Kind, ObjectKey, TransitionRecord
from surefoot.domain.facts.snapshot import Admission


class _Series:
    """Where the series of every subject are registered. Each subject has its own class."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry


class _Leading(_Series):
    """Where this operator acts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self._leader = Gauge(
            "surefoot_leader",
            "1 where this operator acts, 0 where it stands by for another",
            registry=registry,
        )
        self._shards = Gauge(
            "surefoot_shards",
            "In how many shards the namespaces are shared out among the replicas",
            registry=registry,
        )
        self._shards_held = Gauge(
            "surefoot_shards_held", "Shards in which this operator acts", registry=registry
        )
        self._shards.set(1)
        self.leads(is_leader=True)

    def leads(self, *, is_leader: bool) -> None:
        """Whether this operator acts; without an election it always does."""
        self._leader.set(1 if is_leader else 0)
        self._shards_held.set(1 if is_leader else 0)

    def holds_shards(self, count: int, among: int) -> None:
        """In so many shards this operator acts, where others act in the rest."""
        self.leads(is_leader=count > 0)
        self._shards.set(among)
        self._shards_held.set(count)


class _Trusting(_Series):
    """What is known of the admission policies, and of the configuration."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self._admission = Gauge(
            "surefoot_admission_enforced",
            "1 where admission binds signatures to people",
            registry=registry,
        )
        self._admission_mode = Gauge(
            "surefoot_admission_mode",
            "1 for the mode of admission that the configuration in force has",
            ("mode",),
            registry=registry,
        )
        self._configuration = Gauge(
            "surefoot_config_last_reload_successful",
            "1 where the configuration file can be read, and is in force",
            registry=registry,
        )
        self._admission_checks = Counter(
            "surefoot_admission_checks",
            "Checks of the admission policies",
            ("result",),
            registry=registry,
        )

    def admission(self, state: Admission) -> None:
        """What is known of admission."""
        self._admission.set(1 if state is Admission.ENFORCED else 0)

    def admission_mode(self, mode: AdmissionMode) -> None:
        """The configuration in force has this mode of admission."""
        for candidate in AdmissionMode:
            self._admission_mode.labels(candidate.value).set(1 if candidate is mode else 0)

    def admission_checked(self, state: Admission) -> None:
        """A check of the policies ended with this."""
        self._admission_checks.labels(state.value).inc()

    def configuration_read(self, *, is_in_force: bool) -> None:
        """The configuration file was read, and what it says is in force, or it could not be."""
        self._configuration.set(1 if is_in_force else 0)


class _Working(_Series):
    """Passes over Rollouts, and what keeps the operator at them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self._passes = Counter(
            "surefoot_reconciles", "Passes over Rollouts", ("result",), registry=registry
        )
        self._seconds = Histogram(
            "surefoot_reconcile_seconds",
            "Duration of a pass",
            registry=registry,
            buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10),
        )
        self._depth = Gauge(
            "surefoot_queue_depth",
            "Rollouts that wait to be looked at",
            ("lane",),
            registry=registry,
        )
        self._missed = Counter(
            "surefoot_watch_missed", "Changes found by a sweep", ("kind",), registry=registry
        )
        self._unreadable = Gauge(
            "surefoot_unreadable_objects",
            "Objects that cannot be read and count for nothing",
            ("kind",),
            registry=registry,
        )
        self._failures = Counter(
            "surefoot_part_failures", "Background parts that failed", registry=registry
        )
        for kind in (Kind.ROLLOUT, Kind.CHECKPOINT, Kind.APPROVAL):
            self.unreadable_objects(kind.value, 0)
        # There from the beginning, so that the first one is a rise.
        for kind in Kind:
            self._missed.labels(kind.value)

    def reconciled(self, result: str, seconds: float) -> None:
        """One pass over a Rollout ended."""
        self._passes.labels(result).inc()
        self._seconds.observe(seconds)

    def queue_depth(self, lane: str, depth: int) -> None:
        """How many keys wait in a lane."""
        self._depth.labels(lane).set(depth)

    def watch_missed(self, kind: str, count: int) -> None:
        """Changes that a sweep found and no watch had told."""
        self._missed.labels(kind).inc(count)

    def unreadable_objects(self, kind: str, count: int) -> None:
        """How many objects of a kind cannot be read."""
        self._unreadable.labels(kind).set(count)

    def part_failed(self) -> None:
        """A part of the operator failed and was started again."""
        self._failures.inc()


class _Moving(_Series):
    """What happens to flags, and in rehearsals."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self._transitions = Counter(
            "surefoot_transitions", "Committed transitions", ("type",), registry=registry
        )
        self._transition_seconds = Histogram(
            "surefoot_transition_seconds",
            "From the intent to the commit",
            ("type",),
            registry=registry,
            buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 120),
        )
        self._drift = Counter(
            "surefoot_drift_corrections", "ConfigMaps restored", registry=registry
        )
        self._rehearsals = Counter(
            "surefoot_rehearsal_runs", "Rollback rehearsals", ("outcome",), registry=registry
        )
        self._rehearsal_seconds = Histogram(
            "surefoot_rehearsal_seconds",
            "Duration of a rehearsed rollback, or until it had failed",
            ("outcome",),
            registry=registry,
            buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 120),
        )
        # There from the beginning, so that the first one is a rise.
        for outcome in ("Passed", "Failed"):
            self._rehearsals.labels(outcome)
            self._rehearsal_seconds.labels(outcome)

    def transition(self, record: TransitionRecord) -> None:
        """A transition was committed."""
        self._transitions.labels(record.type).inc()
        self._transition_seconds.labels(record.type).observe(max(0.0, record.seconds))

    def drift_corrected(self) -> None:
        """A ConfigMap was restored."""
        self._drift.inc()

    def rehearsed(self, outcome: str, seconds: float) -> None:
        """A rollback rehearsal ended: Passed or Failed."""
        self._rehearsals.labels(outcome).inc()
        self._rehearsal_seconds.labels(outcome).observe(seconds)


class _Asking(_Series):
    """Questions to metrics providers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self._asked = Counter(
            "surefoot_provider_requests",
            "Answers of metrics providers",
            ("provider", "outcome"),
            registry=registry,
        )
        self._asked_seconds = Histogram(
            "surefoot_provider_request_seconds",
            "Duration of a question to a provider",
            ("provider",),
            registry=registry,
            buckets=(0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10),
        )
        self._lag = Histogram(
            "surefoot_evaluation_lag_seconds",
            "How old the newest point of an answer is when it comes",
            ("provider",),
            registry=registry,
            buckets=(0.1, 0.3, 1, 2, 5, 10, 30, 60, 300),
        )

    def provider_answered(self, provider: str, outcome: str, seconds: float, lag: float) -> None:
        """A provider answered, or did not. ``lag`` is the age of the newest point of the answer."""
        self._lag.labels(provider).observe(lag)
        self._asked.labels(provider, outcome).inc()
        self._asked_seconds.labels(provider).observe(seconds)


class _Recording(_Series):
    """What the sinks of the record take."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self._exported = Counter(
            "surefoot_record_exported", "Entries that a sink took", ("sink",), registry=registry
        )
        self._export_failures = Counter(
            "surefoot_record_failures", "Deliveries that failed", ("sink",), registry=registry
        )
        self._export_gaps = Counter(
            "surefoot_record_gaps",
            "Places where entries were lost before a sink took them",
            ("sink",),
            registry=registry,
        )
        self._export_waiting = Gauge(
            "surefoot_record_waiting", "Entries that wait for a sink", ("sink",), registry=registry
        )
        self._export_lag = Gauge(
            "surefoot_record_lag_seconds",
            "Age of the oldest entry that waits for a sink",
            ("sink",),
            registry=registry,
        )

    def exported(self, sink: str, count: int) -> None:
        """A sink took so many entries."""
        self._exported.labels(sink).inc(count)

    def export_failed(self, sink: str) -> None:
        """A delivery failed, or was given up because it hung."""
        self._export_failures.labels(sink).inc()

    def export_gaps(self, sink: str, count: int) -> None:
        """So often entries were lost before this sink took them."""
        self._export_gaps.labels(sink).inc(count)

    def export_waiting(self, sink: str, count: int, lag: float) -> None:
        """So many entries wait, the oldest for so many seconds."""
        for counter in (self._exported, self._export_failures, self._export_gaps):
            counter.labels(sink)  # there from the beginning, so that the first one is a rise
        self._export_waiting.labels(sink).set(count)
        self._export_lag.labels(sink).set(lag)


class _Notifying(_Series):
    """What the routes of notifications take."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self._notified = Counter(
            "surefoot_notifications_sent",
            "Notifications that a route took",
            ("route",),
            registry=registry,
        )
        self._notify_failures = Counter(
            "surefoot_notifications_failed",
            "Attempts to notify that failed",
            ("route",),
            registry=registry,
        )
        self._notify_drops = Counter(
            "surefoot_notifications_dropped",
            "Notifications that were never sent",
            ("route",),
            registry=registry,
        )
        self._notify_waiting = Gauge(
            "surefoot_notifications_waiting",
            "Notifications that wait for a route",
            ("route",),
            registry=registry,
        )

    def notifications_waiting(self, route: str, count: int) -> None:
        """So many notifications wait. From then on the route's other series are there as well."""
        self._notify_waiting.labels(route).set(count)
        for counter in (self._notified, self._notify_failures, self._notify_drops):
            counter.labels(route)

    def notified(self, route: str) -> None:
        """A route took a notification."""
        self._notified.labels(route).inc()

    def notification_failed(self, route: str) -> None:
        """An attempt to notify failed."""
        self._notify_failures.labels(route).inc()

    def notification_dropped(self, route: str) -> None:
        """A notification was given up and never sent."""
        self._notify_drops.labels(route).inc()

    def forgot_route(self, route: str) -> None:
        """A route is no longer configured."""
        self._notify_waiting.remove(route)


class PrometheusTelemetry(_Leading, _Trusting, _Working, _Moving, _Asking, _Recording, _Notifying):
    """The `Telemetry` port, on a registry of its own."""

    def __init__(self) -> None:
        super().__init__(CollectorRegistry())
        self._rollouts = RolloutSeries()
        self._registry.register(self._rollouts)

    def exposition(self) -> bytes:
        """Everything, in the text format. It may be called in any thread."""
        return generate_latest(self._registry)

    def follow_clock(self, clock: ServerClock) -> None:
        """Show from now on what this clock knows."""
        self._registry.register(_ClockCollector(clock))

    def judged(self, rollout: Rollout, status: RolloutStatus) -> None:
        """What a pass found: the live values."""
        key = ObjectKey(rollout.metadata.namespace, rollout.metadata.name)
        self._rollouts.judged(key, status)

    def approvals_pending(self, key: ObjectKey, count: int) -> None:
        """How many signatures a Rollout waits for."""
        self._rollouts.approvals_pending(key, count)

    def forgot(self, key: ObjectKey) -> None:
        """A Rollout is gone: its series go as well."""
        self._rollouts.forgot(key)


class _ClockCollector(Collector):
    """What is known of the API server's clock, at the moment of asking."""

    def __init__(self, clock: ServerClock) -> None:
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        """All of it, as metrics."""
        counts = self._clock.counts
        answers = CounterMetricFamily(
            "surefoot_clock_answers",
            "Answers of the API server that told the time, by what became of them",
            labels=["result"],
        )
        answers.add_metric(["agreed"], counts.agreed)
        answers.add_metric(["disagreed"], counts.disagreed)
        answers.add_metric(["unusable"], counts.unusable)
        yield answers
        steps = CounterMetricFamily(
            "surefoot_clock_steps",
            "How often another time of the API server was believed",
            labels=["direction"],
        )
        steps.add_metric(["forward"], counts.set_forward)
        steps.add_metric(["back"], counts.set_back)
        yield steps
        yield GaugeMetricFamily(
            "surefoot_clock_disagreement_seconds",
            "By how much answers of the API server differ about the time",
            self._clock.disagreement_seconds,
        )
        if self._clock.is_set:
            yield GaugeMetricFamily(
                "surefoot_clock_uncertainty_seconds",
                "How much later than assumed it may be by the API server's clock",
                self._clock.uncertainty().total_seconds(),
            )
