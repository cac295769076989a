"""Gathering the facts about one Rollout: from the caches, or again where it may move."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Protocol, TypeVar

import structlog

from surefoot.api.v1alpha1.approval import Approval
from surefoot.api.v1alpha1.checkpoint import Checkpoint
from surefoot.api.v1alpha1.meta import MANAGED_LABEL
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import RehearsalStatus
from surefoot.application.metrics_port import MetricsProviders
from surefoot.application.ports import (
    AdmissionStatus,
    Clock,
    ConfigMapRead,
    ConfigMapVersion,
    FlagCluster,
    Kind,
    ObjectKey,
    Request,
    Signatures,
)
from surefoot.application.store import Store
from surefoot.application.turns import by_turns
from surefoot.domain.facts.fallback import with_fallback
from surefoot.domain.facts.measurements import Measurement, QueryFacts
from surefoot.domain.facts.signatures import SignatureFact
from surefoot.domain.facts.snapshot import (
    Admission,
    ConfigMap,
    FlagFacts,
    Halt,
    Snapshot,
    UnreadableFact,
)
from surefoot.domain.facts.upstreams import names_of
from surefoot.domain.preparation import preparations
from surefoot.errors import UnreadableObject

log = structlog.get_logger(__name__)

Content = TypeVar("Content", Rollout, Checkpoint, Approval)
no_measurements: Mapping[str, Measurement] = MappingProxyType({})
no_queries: Mapping[str, QueryFacts] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Gone:
    """The Rollout does not exist."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The Rollout exists, but not in a shape that could be judged."""

    error: UnreadableObject


@dataclass(frozen=True, slots=True)
class Facts:
    """A snapshot, and the ConfigMap as read for it; ``read`` is None if out of the caches."""

    snapshot: Snapshot
    read: ConfigMapRead | None


@dataclass(frozen=True, slots=True)
class FlagRead:
    """What a rollback is decided from, read again, and the ConfigMap as read for it."""

    facts: FlagFacts
    read: ConfigMapRead


@dataclass(frozen=True, slots=True)
class _Flag:
    """A Rollout and its ConfigMap as they were read."""

    rollout: Rollout
    held: ConfigMapVersion | None

    @property
    def config_map(self) -> ConfigMap | None:
        """The ConfigMap without its version."""
        return _found(self.held)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the administrator set for all Rollouts."""

    evaluation_interval: timedelta
    status_refresh: timedelta
    shared_namespaces: frozenset[str] = frozenset()
    """Namespaces whose Rollouts those of others may depend on."""
    escalate_after: timedelta | None = None
    """How long somebody who was asked may be silent until somebody else hears of it."""


class MeasurementSource(Protocol):
    """What the metrics providers have said so far."""

    def measurements(self, key: ObjectKey, rollout: Rollout) -> Mapping[str, Measurement]:
        """By name, what is known now; asks for what is missing, and never waits for it."""

    def unanswered_since(self, key: ObjectKey) -> Mapping[str, datetime]:
        """By name, since when this operator has asked a question that has no answer yet."""

    def known_queries(self, key: ObjectKey, rollout: Rollout) -> Mapping[str, QueryFacts]:
        """By metric name, what is known now of the texts of the queries; parses nothing."""

    async def query_facts(self, key: ObjectKey, rollout: Rollout) -> Mapping[str, QueryFacts]:
        """By metric name, what the texts of the queries tell; a text may not be parsed yet."""


class AdmissionView(Protocol):
    """What is known of the admission policies."""

    @property
    def admission_status(self) -> AdmissionStatus:
        """As of the latest check."""

    async def refresh(self) -> AdmissionStatus:
        """As of a check that was made just now. Bounded in time; never raises."""


class Gatherer:
    """Makes snapshots. Never asks a metrics provider, so that none can delay a decision."""

    def __init__(
        self,
        cluster: FlagCluster,
        store: Store,
        clock: Clock,
        providers: MetricsProviders,
        measurements: MeasurementSource,
        *,
        admission: AdmissionView,
        signatures: Signatures | None = None,
        rehearsed: Callable[[Rollout], RehearsalStatus | None] = lambda _rollout: None,
        operator_namespace: str,
        rules: Rules,
    ) -> None:
        self.rules = rules
        self._cluster = cluster
        self._store = store
        self._clock = clock
        self._providers = providers
        self._measurements = measurements
        self._admission = admission
        self._signatures = signatures
        self._rehearsed = rehearsed
        self._operator_namespace = operator_namespace

    def known_flag(self, key: ObjectKey) -> FlagFacts | None:
        """What a rollback is decided from, out of the caches; None without a readable Rollout."""
        rollout = self._store.rollout(key)
        if not isinstance(rollout, Rollout):
            return None
        return self._flag_facts(key, rollout, self._store.config_map(_target_of(key, rollout)))

    def flag_with(self, key: ObjectKey, answers: Mapping[str, Measurement]) -> FlagFacts | None:
        """The same with these answers and no others, and without the ConfigMap."""
        rollout = self._store.rollout(key)
        if not isinstance(rollout, Rollout):
            return None
        return self._flag_facts(key, rollout, None, lambda: answers)

    async def read_flag(self, key: ObjectKey) -> FlagRead | Gone | Unreadable:
        """The same by fresh reads of the Rollout and its ConfigMap, and of nothing else."""
        flag = await self._read_flag(key)
        if not isinstance(flag, _Flag):
            return flag
        facts = self._flag_facts(key, flag.rollout, flag.config_map)
        return FlagRead(facts, ConfigMapRead(flag.held))

    async def _read_flag(
        self, key: ObjectKey, *, takes_known_rollout: bool = False
    ) -> "_Flag | Gone | Unreadable":
        """Fresh reads of the Rollout and its ConfigMap; the caches keep them.

        The name of the ConfigMap cannot change while the Rollout lives, so that both reads can be
        under way at once. A Rollout that was replaced meanwhile is read in two steps.
        """
        known = self._store.rollout(key)
        if takes_known_rollout and isinstance(known, Rollout):
            return self._with_flag(known, await self._cluster.config_map(_target_of(key, known)))
        try:
            expected = known if isinstance(known, Rollout) else await self._cluster.rollout(key)
            if expected is None:
                return Gone()
            target = _target_of(key, expected)
            rollout, held = await asyncio.gather(
                self._cluster.rollout(key), self._cluster.config_map(target)
            )
        except UnreadableObject as error:
            return Unreadable(error)
        if rollout is None:
            return Gone()
        if _target_of(key, rollout) != target:
            target = _target_of(key, rollout)
            held = await self._cluster.config_map(target)
        if isinstance(known, Rollout):
            rollout = _as_known((rollout,), (known,))[0]
        self._store.put(Kind.ROLLOUT, rollout, key)
        return self._with_flag(rollout, held)

    def _with_flag(self, rollout: Rollout, held: ConfigMapVersion | None) -> _Flag:
        if held is not None and MANAGED_LABEL in held.config_map.labels:
            key = ObjectKey(rollout.metadata.namespace, held.config_map.name)
            self._store.put(Kind.CONFIG_MAP, held.config_map, key)
        return _Flag(rollout, held)

    def _flag_facts(
        self,
        key: ObjectKey,
        rollout: Rollout,
        config_map: ConfigMap | None,
        answers: Callable[[], Mapping[str, Measurement]] | None = None,
    ) -> FlagFacts:
        """What the providers say, as far as they say anything: `spec.rollback` needs none of it."""
        measurements = answers or partial(self._measurements.measurements, key, rollout)
        queries = partial(self._measurements.known_queries, key, rollout)
        providers = partial(self._providers.names, key.namespace)
        return FlagFacts(
            rollout=rollout,
            config_map=config_map,
            measurements=with_fallback(no_measurements, measurements, _say_what_is_not_known),
            queries=with_fallback(no_queries, queries, _say_what_is_not_known),
            providers=with_fallback(frozenset[str](), providers, _say_what_is_not_known),
            evaluation_interval=self.rules.evaluation_interval,
            status_refresh=self.rules.status_refresh,
            clock_uncertainty=self._clock.uncertainty(),
            clock_disagreement=self._clock.disagreement(),
            skipped=self._clock.skipped(),
            admission=self._admission.admission_status.admission,
        )

    async def gather(
        self,
        key: ObjectKey,
        *,
        fresh: bool,
        admission: bool = False,
        takes_known_rollout: bool = False,
    ) -> Facts | Gone | Unreadable:
        """The facts as of now; ``admission``: with a check of the policies among the fresh reads.

        So are detached signatures, then, against the allowed signers of now. Without it the latest
        check must do, and nothing is waited for: so a rollback is gathered. With
        ``takes_known_rollout`` the Rollout itself is not read again: anyone who writes its status
        next, before anything else, is refused if it is not the newest version.
        """
        if fresh:
            return await self._by_fresh_reads(key, admission, takes_known_rollout)
        return await self._from_caches(key)

    async def _from_caches(self, key: ObjectKey) -> Facts | Gone | Unreadable:
        rollout = self._store.rollout(key)
        if rollout is None:
            return Gone()
        if isinstance(rollout, UnreadableObject):
            return Unreadable(rollout)
        target = _target_of(key, rollout)
        config_map = self._store.config_map(target)
        if config_map is None and rollout.status.committed is None:
            # Only managed ConfigMaps are watched, and this one may be somebody else's.
            config_map = _found(await self._cluster.config_map(target))
        approvals, checkpoints = self._store.approvals(key), self._store.checkpoints(key)
        admission = self._admission.admission_status
        await self._prepare(rollout, (*approvals, *checkpoints), admission)
        snapshot = self._snapshot(
            key,
            rollout,
            config_map=config_map,
            checkpoints=checkpoints,
            approvals=approvals,
            signatures=await self._verified(approvals, fresh=False),
            halt=self._store.halt(key.namespace, self._operator_namespace),
            admission_status=admission,
            queries=await self._measurements.query_facts(key, rollout),
            faults=self._store.unreadable(key),
        )
        return Facts(snapshot, None)

    async def _by_fresh_reads(
        self, key: ObjectKey, admission: bool, takes_known_rollout: bool
    ) -> Facts | Gone | Unreadable:
        try:
            flag, status, reports, signatures, halt = await asyncio.gather(
                self._read_flag(key, takes_known_rollout=takes_known_rollout),
                self._admission_status(fresh=admission),
                self._cluster.checkpoints(key),
                self._cluster.approvals(key),
                self._cluster.halt(key.namespace),
            )
        except UnreadableObject as error:
            return Unreadable(error)
        if not isinstance(flag, _Flag):
            return flag
        self._store.put_halt(halt, key.namespace, self._operator_namespace)
        rollout = flag.rollout
        faults = [item for item in (*reports, *signatures) if isinstance(item, UnreadableObject)]
        checkpoints = _as_known(
            (item for item in reports if isinstance(item, Checkpoint)), self._store.checkpoints(key)
        )
        approvals = _as_known(
            (item for item in signatures if isinstance(item, Approval)), self._store.approvals(key)
        )
        self._remember(key, (*checkpoints, *approvals))
        for fault in faults:
            self._store.put_unreadable(Kind(fault.kind), fault)
        if admission:
            await self._refresh_upstreams(rollout)
        queries = await self._measurements.query_facts(key, rollout)
        await self._prepare(rollout, (*approvals, *checkpoints), status)
        snapshot = self._snapshot(
            key,
            rollout,
            config_map=flag.config_map,
            checkpoints=checkpoints,
            approvals=approvals,
            signatures=await self._verified(approvals, fresh=admission),
            halt=halt,
            admission_status=status,
            queries=queries,
            faults=faults,
        )
        return Facts(snapshot, ConfigMapRead(flag.held))

    async def _prepare(
        self, rollout: Rollout, requests: Iterable[Request], status: AdmissionStatus
    ) -> None:
        """Work out by and by what follows from objects alone: there may be hundreds of them."""
        verified = status.admission is Admission.ENFORCED
        interval = self.rules.evaluation_interval
        pieces = preparations(rollout, requests, interval=interval, verified=verified)
        await by_turns(pieces, lambda piece: piece())

    async def _admission_status(self, *, fresh: bool) -> AdmissionStatus:
        return await self._admission.refresh() if fresh else self._admission.admission_status

    async def _verified(
        self, approvals: tuple[Approval, ...], *, fresh: bool
    ) -> Mapping[str, SignatureFact]:
        if self._signatures is None:
            return {}
        return await self._signatures.verify(approvals, afresh=fresh)

    async def _refresh_upstreams(self, rollout: Rollout) -> None:
        """Read what a Rollout waits for, as far as it is known: an advance is decided on it.

        What is not known is not there, and is waited for without a read. One that cannot be read is
        not there either.
        """
        known = self._store.upstreams(rollout, self.rules.shared_namespaces)
        keys = [ObjectKey(*name) for name in names_of(rollout) if name in known]
        heads = {key: self._store.head(Kind.ROLLOUT, key) for key in keys}
        upstreams = await asyncio.gather(*map(self._upstream, keys))
        for key, upstream in zip(keys, upstreams, strict=True):
            if isinstance(upstream, UnreadableObject):
                self._store.put_unreadable(Kind.ROLLOUT, upstream)
            elif upstream is not None:
                self._store.put(Kind.ROLLOUT, upstream, key)
            elif (head := heads[key]) is not None:
                self._store.remove(Kind.ROLLOUT, head)

    async def _upstream(self, key: ObjectKey) -> Rollout | UnreadableObject | None:
        try:
            return await self._cluster.rollout(key)
        except UnreadableObject as error:
            return error

    def _remember(self, key: ObjectKey, requests: tuple[Request, ...]) -> None:
        for request in requests:
            kind = Kind.CHECKPOINT if isinstance(request, Checkpoint) else Kind.APPROVAL
            self._store.put(kind, request, ObjectKey(key.namespace, request.metadata.name))

    def _snapshot(
        self,
        key: ObjectKey,
        rollout: Rollout,
        *,
        config_map: ConfigMap | None,
        checkpoints: tuple[Checkpoint, ...],
        approvals: tuple[Approval, ...],
        signatures: Mapping[str, SignatureFact],
        halt: Halt | None,
        admission_status: AdmissionStatus,
        queries: Mapping[str, QueryFacts],
        faults: Iterable[UnreadableObject],
    ) -> Snapshot:
        return Snapshot(
            rollout=rollout,
            config_map=config_map,
            checkpoints=checkpoints,
            approvals=approvals,
            watched_requests=self._store.watched_requests((*checkpoints, *approvals)),
            signatures=signatures,
            signers=self._signatures.signers() if self._signatures is not None else None,
            measurements=self._measurements.measurements(key, rollout),
            unanswered_since=self._measurements.unanswered_since(key),
            queries=queries,
            providers=self._providers.names(key.namespace),
            claims=self._store.claims_beside(rollout),
            halt=halt,
            upstreams=self._store.upstreams(rollout, self.rules.shared_namespaces),
            unreadable=_unreadable_facts(
                rollout, (*faults, *self._store.unreadable_upstreams(rollout))
            ),
            shared_namespaces=self.rules.shared_namespaces,
            rehearsed=self._rehearsed(rollout),
            admission=admission_status.admission,
            admission_fault=admission_status.fault,
            evaluation_interval=self.rules.evaluation_interval,
            status_refresh=self.rules.status_refresh,
            escalate_after=self.rules.escalate_after,
            clock_uncertainty=self._clock.uncertainty(),
            clock_disagreement=self._clock.disagreement(),
            skipped=self._clock.skipped(),
        )


def _say_what_is_not_known(error: Exception) -> None:
    log.error("what a rollback can do without is not known", error=repr(error), exc_info=error)


def _unreadable_facts(
    rollout: Rollout, faults: Iterable[UnreadableObject]
) -> tuple[UnreadableFact, ...]:
    """What cannot be read, parts of the Rollout's own status included, always in the same order."""
    own = [("Rollout", rollout.metadata.name, rollout.left_out, "")] if rollout.left_out else []
    facts = sorted((item.kind, item.name, str(item), item.decision) for item in faults)
    return tuple(UnreadableFact(*fact) for fact in (*own, *facts))


def _as_known(read: Iterable[Content], known: Iterable[Content]) -> tuple[Content, ...]:
    """What was read, as the caches have it where it has not changed.

    What follows from an object is remembered with that object.
    """
    by_version = {(item.metadata.uid, item.metadata.resource_version): item for item in known}
    return tuple(
        by_version.get((item.metadata.uid, item.metadata.resource_version), item) for item in read
    )


def _target_of(key: ObjectKey, rollout: Rollout) -> ObjectKey:
    return ObjectKey(key.namespace, rollout.spec.target.config_map_name)


def _found(held: ConfigMapVersion | None) -> ConfigMap | None:
    return None if held is None else held.config_map
