"""Puts the operator together and runs it.

The operator is started and stopped by kopf (`surefoot.handlers`), and nothing below knows it.
"""

import asyncio
import contextlib
import socket
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from surefoot.adapters.clock import ServerClock
from surefoot.adapters.kubernetes.access import Access, own_namespace
from surefoot.adapters.kubernetes.cluster import KubernetesCluster
from surefoot.adapters.kubernetes.http import Http
from surefoot.adapters.kubernetes.leases import KubernetesLease
from surefoot.adapters.kubernetes.list_watch import list_watches
from surefoot.adapters.kubernetes.policies import KubernetesPolicies
from surefoot.adapters.notifications import routes
from surefoot.adapters.probes import EventLoopMonitor, Probes
from surefoot.adapters.providers import Providers
from surefoot.adapters.settings import AdmissionMode, Settings, host_and_port
from surefoot.adapters.signatures import SshSignatures
from surefoot.adapters.sinks.cursors import ConfigMapCursors
from surefoot.adapters.sinks.made import sinks
from surefoot.adapters.telemetry import PrometheusTelemetry
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.application.admission import EVERY as ADMISSION_EVERY
from surefoot.application.admission import AdmissionWatch
from surefoot.application.announce import BackgroundAnnouncer, FanOutAnnouncer
from surefoot.application.calm import CalmRollouts
from surefoot.application.execute import Committer, Executor
from surefoot.application.export import Record
from surefoot.application.gather import Gatherer, Rules
from surefoot.application.keeper import OrphanKeeper
from surefoot.application.lanes import may_roll_back
from surefoot.application.leadership import Alone, Elected, Leadership, Lost
from surefoot.application.leases import Times
from surefoot.application.metrics_feed import MetricsFeed, Questions
from surefoot.application.notify import Notifier
from surefoot.application.ports import (
    AdmissionStatus,
    Cluster,
    Kind,
    ObjectKey,
    Observable,
    Policies,
)
from surefoot.application.queue import Lane, Workers, WorkQueue
from surefoot.application.reconcile import Decide, Reconciler, Result, RollBack
from surefoot.application.rehearse import Parts, Rehearser
from surefoot.application.resync import FLAG_KINDS, PeriodicResync, Resyncer
from surefoot.application.shards import Sharded
from surefoot.application.store import Store
from surefoot.domain.decide import decide
from surefoot.domain.facts.measurements import Measurement
from surefoot.domain.metric_queries import metric_queries
from surefoot.domain.record.transitions import committed
from surefoot.domain.rollback import roll_back
from surefoot.errors import ApiError, Unavailable
from surefoot.process.health import Health
from surefoot.process.memory import give_back
from surefoot.process.polling import AllowedSignersPoller, HaltPoller
from surefoot.process.reload import Exchanges, Reload, show_admission_mode
from surefoot.process.shares import Shares
from surefoot.process.tasks import first_of, kept_up, together
from surefoot.process.watching import Watching

log = structlog.get_logger(__name__)

Part = Callable[[], Coroutine[Any, Any, None]]

DEFAULT_OPERATOR_NAMESPACE = "surefoot-system"
PROBES_OF_THE_CLOCK = 40
CLOCK_PROBING = 1.05
"""Seconds over which the clock is probed: a little more than one tick of the API server's."""
SWEEP_EVERY = 60.0
LONGEST_WAIT = 2.0
"""Seconds for which the start waits for the policies and requests: no rollback needs them."""
STOP_WITHIN = 10.0
NOTIFY_WITHIN = 3.0
"""Seconds in which notifications that wait are sent at the end; then they are dropped."""


@dataclass(frozen=True, slots=True)
class TestOverrides:
    """What tests exchange."""

    cluster: Callable[[Cluster], Cluster] = lambda cluster: cluster
    decide: Decide = decide
    roll_back: RollBack = roll_back
    questions: Questions = metric_queries
    committed: Committer = committed
    sweep_every: float = SWEEP_EVERY
    admission_every: float = ADMISSION_EVERY


@dataclass(frozen=True, slots=True)
class Start:
    """How to start an operator."""

    settings: Settings
    kubeconfig: str | None = None
    namespaces: tuple[str, ...] = ()
    config_file: Path | None = None
    elects: bool = False
    """Whether a leader is elected, whatever the configuration says."""
    overrides: TestOverrides = field(default_factory=TestOverrides)


class Operator:
    """All parts of one running operator. Use ``running``."""

    def __init__(self, start: Start, http: Http, clock: ServerClock) -> None:
        settings = start.settings
        self._start = start
        self._http = http
        self._clock = clock
        self._operator_namespace = settings.operator_namespace or own_namespace(
            DEFAULT_OPERATOR_NAMESPACE
        )
        self._acts = False
        """Whether this replica leads: until then it only keeps its caches warm."""
        self._swept = asyncio.Event()
        self._listed = (asyncio.Event(), asyncio.Event())
        """Set once the sources have listed the flags, and everything."""
        self._is_clock_set = asyncio.Event()
        """Set once the clock was probed: until then nothing is decided."""
        self.synced = asyncio.Event()
        """Set once the caches hold every flag there is."""

        self.telemetry = self._make_telemetry()
        reader = self._make_cluster()
        self.cluster = start.overrides.cluster(reader)
        self.signatures = SshSignatures(reader.allowed_signers)
        self.queue = WorkQueue(asyncio.get_running_loop(), self.telemetry, self._is_ours)
        http.fence = self._fence

        # What the operator says, and to whom
        self.announcer = BackgroundAnnouncer(self.cluster)
        self.notifier = Notifier(clock, self.telemetry, self.announcer)
        self._exchange_routes(settings)
        self._announcers = FanOutAnnouncer(self.announcer, self.notifier)
        self.record = self._make_record()

        # What it knows
        self.store = Store(self.wake, self._recorded, self._rollout_gone, self._count_unreadable)
        self.leadership = self._election(settings)
        self.providers = Providers(settings.providers, clock.now)
        self.feed = self._make_feed()
        self.admission = self._make_admission()
        self._sources = list_watches(http, clock, start.namespaces)
        self._watching = tuple(
            Watching(source, self.store, self.cluster, clock) for source in self._sources
        )
        self.resyncer = Resyncer(
            self.cluster, self.store, clock, self.telemetry, self._restart_sources
        )
        self.resync = PeriodicResync(self.resyncer, clock, self._after_sweep, self._listed)

        # What it does about it
        self.rehearser = self._make_rehearser()
        self.gatherer = self._make_gatherer()
        self.calm = CalmRollouts(self.gatherer.flag_with, clock)
        self.reconciler = self._make_reconciler()
        self.keeper = self._make_keeper()
        self._halts = HaltPoller(
            self.cluster,
            self.store,
            clock,
            self.gatherer,
            self.wake,
            operator_namespace=self._operator_namespace,
        )
        self._allowed_signers = AllowedSignersPoller(self.signatures, clock, self._wake_all)

        # How it is, and how it is told to be
        self.event_loop_monitor = EventLoopMonitor()
        self.health = Health(self.event_loop_monitor, self.resyncer, clock, self.synced)
        self.probes = Probes(
            self.telemetry.exposition, self.health.sick, self.health.unready, settings.serving
        )
        self.reload = self._make_reload()

    # Making the parts

    def _make_telemetry(self) -> PrometheusTelemetry:
        telemetry = PrometheusTelemetry()
        telemetry.follow_clock(self._clock)
        telemetry.admission_mode(self._start.settings.admission)
        return telemetry

    def _make_cluster(self) -> KubernetesCluster:
        return KubernetesCluster(
            self._http,
            self._clock,
            operator_namespace=self._operator_namespace,
            namespaces=self._start.namespaces,
            known=self._known,
        )

    def _make_record(self) -> Record:
        cursors = ConfigMapCursors(
            self._http,
            self._operator_namespace,
            self._fence,
            is_shared=self._start.settings.shards > 1,
        )
        return Record(cursors, self._clock, self.telemetry, self._announcers)

    def _make_feed(self) -> MetricsFeed:
        return MetricsFeed(
            self.providers,
            self._clock,
            self._start.overrides.questions,
            self.wake_for_answers,
            self.telemetry,
            interval=self._start.settings.evaluation_interval,
        )

    def _make_admission(self) -> AdmissionWatch:
        return AdmissionWatch(
            self._policies(self._start.settings),
            self._clock,
            checked=lambda status: self.telemetry.admission_checked(status.admission),
            changed=self._admission_changed,
        )

    def _make_rehearser(self) -> Rehearser:
        overrides = self._start.overrides
        parts = Parts(
            self.cluster, self._clock, overrides.roll_back, overrides.committed, self._acts_in
        )
        return Rehearser(parts, self.telemetry, self.wake)

    def _make_gatherer(self) -> Gatherer:
        return Gatherer(
            self.cluster,
            self.store,
            self._clock,
            self.providers,
            self.feed,
            admission=self.admission,
            signatures=self.signatures,
            rehearsed=self.rehearser.outcome,
            operator_namespace=self._operator_namespace,
            rules=_rules(self._start.settings),
        )

    def _make_reconciler(self) -> Reconciler:
        overrides = self._start.overrides
        executor = Executor(
            self.cluster,
            self.store,
            self._clock,
            self.telemetry,
            overrides.committed,
            rehearse=self.rehearser.begin,
        )
        return Reconciler(
            gatherer=self.gatherer,
            decide=overrides.decide,
            executor=executor,
            store=self.store,
            clock=self._clock,
            announcer=self._announcers,
            telemetry=self.telemetry,
            forget=self._forget,
            roll_back=overrides.roll_back,
        )

    def _make_keeper(self) -> OrphanKeeper:
        return OrphanKeeper(
            self.cluster,
            self.store,
            self._clock,
            self._announcers,
            self.record.end,
            acts_in=self._acts_in,
        )

    def _make_reload(self) -> Reload:
        parts: dict[tuple[str, ...], Callable[[Settings], None]] = {
            ("admission", "policies"): self._exchange_admission,
            ("notifications",): self._exchange_routes,
            ("providers",): self._exchange_providers,
            ("record",): self._exchange_record,
        }
        exchanges = Exchanges(self._exchange_rules, parts, self._look_at_all)
        start = self._start
        return Reload(start.settings, start.config_file, exchanges, self.telemetry)

    def _known(self, kind: Kind, key: ObjectKey) -> Observable | None:
        return self.store.known(kind, key)

    # Shares

    def _acts_in(self, namespace: str) -> bool:
        return self.leadership.covers(namespace)

    def _is_ours(self, key: ObjectKey) -> bool:
        return self._acts_in(key.namespace)

    def _fence(self, what: str, namespace: str | None = None) -> None:
        self.leadership.fence(what, namespace)

    def _recorded(self, rollout: Rollout) -> None:
        if self._acts_in(rollout.metadata.namespace):
            self.record.observe(rollout)

    def _shards_came(self) -> None:
        self._exchange_record(self.reload.in_force)
        self._swept.set()  # what others did not finish may lie there

    def _shards_went(self) -> None:
        self.record.keep_only(self._acts_in)

    def _leave_to_others(self, key: ObjectKey) -> None:
        self._forget(key)
        self.telemetry.forgot(key)

    # Waking

    def wake(self, key: ObjectKey) -> None:
        """Something changed for a Rollout."""
        self._enqueue(key, Lane.URGENT if self.store.is_urgent(key) else Lane.NORMAL)

    def _count_unreadable(self, kind: Kind, count: int) -> None:
        self.telemetry.unreadable_objects(kind.value, count)

    def wake_for_answers(self, key: ObjectKey, answers: Mapping[str, Measurement]) -> None:
        """A provider answered. What leaves a Rollout calm needs no look at the whole of it."""
        again_after = self.calm.stays(key, answers)
        if again_after is not None:
            self.queue.forget(key)
            self.queue.add_after(key, again_after)
            return
        rollout = self.store.rollout(key)
        urgent = self.store.is_urgent(key) or (
            isinstance(rollout, Rollout) and may_roll_back(rollout, answers)
        )
        self._enqueue(key, Lane.URGENT if urgent else Lane.ROUTINE)

    def _enqueue(self, key: ObjectKey, lane: Lane) -> None:
        self.queue.add(key, lane)
        if lane is Lane.URGENT:
            self.reconciler.interrupt(key)

    def _rollout_gone(self, key: ObjectKey) -> None:
        # Anyone who begins to act looks at every ConfigMap.
        if self._acts and self._is_ours(key):
            self.keeper.rollout_gone(key)

    def _admission_changed(self, status: AdmissionStatus) -> None:
        self.telemetry.admission(status.admission)
        self._wake_all()

    def _wake_all(self) -> None:
        for key in self.store.rollout_keys():
            self.queue.add(key, Lane.URGENT if self.store.is_urgent(key) else Lane.ROUTINE)

    def _forget(self, key: ObjectKey) -> None:
        self.feed.forget(key)
        self.rehearser.forget(key)
        self.calm.forget(key)
        self.queue.forget(key)

    # Running

    async def run(self) -> None:
        """Work until cancelled. Raises what no part may raise; the process should then end."""
        settings = self._start.settings
        host, port = host_and_port(settings.listen)
        await self.probes.start(host, port)
        log.info("started", listen=f"{host}:{self.probes.port}", namespaces=self._watched())
        show_admission_mode(self.reload.in_force.admission, self.telemetry)
        async with together(
            self._kept_up(self._learn_the_time),
            self._kept_up(self.event_loop_monitor.run),
            *(self._kept_up(watching.run) for watching in self._watching),
            self._kept_up(self._wait_for_lists),
            self._kept_up(lambda: self.resync.run(self._start.overrides.sweep_every)),
            self._kept_up(lambda: self.admission.run(self._start.overrides.admission_every)),
            self._kept_up(self._halts.run),
            self._kept_up(self._allowed_signers.run),
            self._kept_up(self.feed.run),
            self._kept_up(self.reload.run),
            self._kept_up(self._look_at_kinds),
        ) as failed:
            await first_of(self.synced.wait(), failed())
            log.info("caches synced", rollouts=len(self.store.rollout_keys()))
            await first_of(self.leadership.take(), failed())
            async with self.leadership.held() as lost:
                await self._act(lost, failed)

    async def _act(self, lost: Lost, failed: Lost) -> None:
        """Work on Rollouts: what only one replica does at a time."""
        self._acts = True
        self._exchange_record(self.reload.in_force)
        async with together(
            self._kept_up(self._keep_orphans),
            self._kept_up(self.keeper.run),
            self._kept_up(self.announcer.run),
            self._kept_up(self.rehearser.run),
            self._kept_up(self.notifier.run),
            self._kept_up(self.record.run),
        ) as failed_acting:
            # Else every start would say of every Rollout, for a moment, that neither the policies
            # nor its requests are known.
            known = first_of(self._is_informed(), self._clock.sleep(LONGEST_WAIT))
            await first_of(known, failed(), failed_acting(), lost())
            await first_of(self._is_clock_set.wait(), failed(), failed_acting(), lost())
            self.queue.defer(self._is_due)
            workers = Workers(self.queue, self._work, self._start.settings.workers)
            try:
                await first_of(workers.failed(), failed(), failed_acting(), lost())
            except asyncio.CancelledError:
                await self._finish(workers)
                raise
            finally:
                await workers.abort()

    def _is_due(self, key: ObjectKey) -> bool:
        return self.store.is_due(key, self._clock.now())

    async def _learn_the_time(self) -> None:
        await _set_clock(self._http, self._clock)
        uncertainty = round(self._clock.uncertainty().total_seconds(), 3)
        log.info("clock set", uncertainty=uncertainty)
        self._is_clock_set.set()

    async def _is_informed(self) -> None:
        await asyncio.gather(self.admission.refresh(), self._listed[1].wait())

    async def _finish(self, workers: Workers) -> None:
        log.info("stopping", in_work=[str(key) for key in self.queue.in_work])
        await workers.stop(STOP_WITHIN)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(NOTIFY_WITHIN):
                await self.notifier.drain()
        self.notifier.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await self.announcer.drain()

    async def close(self) -> None:
        """Let go of everything."""
        await self.record.close()
        await self.feed.stop()
        await self.probes.stop()
        await self.providers.close()

    async def _work(self, key: ObjectKey, _lane: Lane) -> None:
        self.queue.forget(key)
        self.calm.forget(key)
        outcome = await self.reconciler.reconcile(key)
        if outcome.result is Result.CONFLICT:
            await self.keeper.check(key)
        again_after = outcome.again_after
        if outcome.calm is not None:
            again_after = self.calm.note(key, outcome.calm)
        if again_after is not None:
            self.queue.add_after(key, again_after, outcome.lane)

    def _kept_up(self, part: Part) -> Coroutine[Any, Any, None]:
        return kept_up(part, self._clock, self.telemetry.part_failed)

    def _restart_sources(self) -> None:
        for source in self._sources:
            source.restart()

    async def _wait_for_lists(self) -> None:
        flags = [watching for watching in self._watching if set(watching.kinds) <= set(FLAG_KINDS)]
        for awaited, event in ((flags, self._listed[0]), (self._watching, self._listed[1])):
            for watching in awaited:
                await watching.listed_once.wait()
            event.set()

    def _after_sweep(self) -> None:
        there = {head.uid for head in self.store.heads(Kind.ROLLOUT).values()}
        there |= {origin.uid for _, origin in self.store.orphans()}
        self.record.present(there)
        give_back()
        self.synced.set()
        self._swept.set()

    async def _look_at_kinds(self) -> None:
        """Look at the CRDs once everything is read: the log names one of another version."""
        await self.synced.wait()
        with contextlib.suppress(ApiError):
            await self.cluster.kinds_are_established(Kind.ROLLOUT, Kind.CHECKPOINT, Kind.APPROVAL)

    async def _keep_orphans(self) -> None:
        """After each complete list: what it did not have may be gone."""
        while True:
            await self._swept.wait()
            self._swept.clear()
            await self.keeper.see_to_all()
            await self.rehearser.sweep()

    # Configuration

    def _exchange_rules(self, wanted: Settings) -> None:
        self.feed.interval = wanted.evaluation_interval
        self.gatherer.rules = _rules(wanted)

    def _exchange_admission(self, wanted: Settings) -> None:
        self.admission.exchange(self._policies(wanted))
        show_admission_mode(wanted.admission, self.telemetry)

    def _exchange_routes(self, wanted: Settings) -> None:
        section = wanted.notifications
        self.notifier.exchange(routes(section), section.dashboard)

    def _exchange_providers(self, wanted: Settings) -> None:
        self.providers.exchange(wanted.providers)

    def _exchange_record(self, wanted: Settings) -> None:
        if self._acts:
            self.record.exchange(sinks(wanted.record), self.store.rollouts(self._acts_in))

    async def _look_at_all(self) -> None:
        self._wake_all()
        await self.admission.refresh()

    def _policies(self, settings: Settings) -> Policies | None:
        if settings.admission is AdmissionMode.UNENFORCED:
            return None
        made_for = settings.policies.settings
        return KubernetesPolicies(self._http, made_for, namespace=self._operator_namespace)

    def _election(self, settings: Settings) -> Leadership:
        wanted = settings.leader_election
        if not (wanted.enabled or self._start.elects):
            return Alone()
        identity = f"{socket.gethostname()}_{uuid.uuid4()}"
        times = Times(
            lasts=wanted.lease_duration.total_seconds(),
            renew_within=wanted.renew_deadline.total_seconds(),
            retry_every=wanted.retry_period.total_seconds(),
        )
        lease = self._lease(wanted.lease_name)
        if settings.shards == 1:
            tell = self.telemetry.leads
            return Elected(lease, self._clock, identity, times, lambda is_so: tell(is_leader=is_so))
        shares = Shares(
            self.store,
            self.queue,
            self.announcer,
            self._clock,
            settings.shards,
            came=self._shards_came,
            went=self._shards_went,
            forget=self._leave_to_others,
        )
        names = (f"{wanted.lease_name}-{number}" for number in range(settings.shards))
        locks = tuple(map(self._lease, names))
        return Sharded(
            lease,
            locks,
            self._clock,
            identity=identity,
            times=times,
            owner=shares,
            holds=lambda count: self.telemetry.holds_shards(count, settings.shards),
        )

    def _lease(self, name: str) -> KubernetesLease:
        return KubernetesLease(self._http, self._clock, self._operator_namespace, name)

    def _watched(self) -> str:
        return ", ".join(self._start.namespaces) or "all"


def _rules(settings: Settings) -> Rules:
    return Rules(
        evaluation_interval=settings.evaluation_interval,
        status_refresh=settings.status_refresh,
        shared_namespaces=frozenset(settings.dependencies.namespaces),
        escalate_after=settings.notifications.escalate_after,
    )


@contextlib.asynccontextmanager
async def assembled(start: Start) -> AsyncIterator[Operator]:
    """An operator with its connections open and a first idea of the time, not yet running.

    Raises `ConfigurationError` or `ApiError` where the API server cannot be found or reached.
    """
    access = await Access.load(start.kubeconfig)
    clock = ServerClock()
    http = Http(access, on_date=clock.observe, new_connections=lambda: clock.wants_new_connections)
    try:
        await http.get("connect", "/version")
        if not clock.is_set:
            await _set_clock(http, clock)
        log.info("connected", server=access.endpoint.server, credentials=access.origin)
        operator = Operator(start, http, clock)
        try:
            yield operator
        finally:
            await operator.close()
    finally:
        await http.close()


async def _set_clock(http: Http, clock: ServerClock) -> None:
    """Ask often over one tick of the API server's clock, so that the tick itself is seen."""
    pause = CLOCK_PROBING / PROBES_OF_THE_CLOCK
    what = "probe the clock"
    await http.get(what, "/version")
    for _ in range(PROBES_OF_THE_CLOCK):
        await asyncio.sleep(pause)
        await http.get(what, "/version")
    if not clock.is_set:
        raise Unavailable(
            f"{what}: no answer of the API server tells the time. Its answers, unchanged by a "
            "proxy, have a header `Date` with a year from 2020 to 2199."
        )
