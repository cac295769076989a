"""A world in memory for the decision core: virtual time, objects with versions, metrics as functions.

It carries plans out as the operator does (intent, apply, commit, with resourceVersions), so that a
test reads: given a plan, when time passes and people act, then the flag stands there, because.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from surefoot.api.v1alpha1.approval import Approval, ApprovalSpec
from surefoot.api.v1alpha1.checkpoint import Checkpoint
from surefoot.api.v1alpha1.durations import parse_duration
from surefoot.api.v1alpha1.meta import ABANDONED_ANNOTATION, ObjectMeta, Signer
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import PendingTransition, RolloutStatus
from surefoot.domain.config_map import carries, may_be_written, rendering_of
from surefoot.domain.decide import decide
from surefoot.domain.measurements import Measurement, Outcome, QueryFacts, RangeQuery, Sample
from surefoot.domain.plan import (
    Abandon,
    Action,
    Announcement,
    Apply,
    Commit,
    Intend,
    OpenRequest,
    Plan,
    RecordRequest,
    Restore,
    WriteStatus,
)
from surefoot.domain.questions import questions
from surefoot.domain.snapshot import Admission, Claim, ConfigMap, Halt, Snapshot
from surefoot.domain.transitions import committed

START = datetime(2025, 10, 23, 22, 0, tzinfo=UTC)

Metric = Callable[[datetime], float | None]


def minutes(number: float) -> timedelta:
    """A length of time in minutes."""
    return timedelta(minutes=number)


def hours(number: float) -> timedelta:
    """A length of time in hours."""
    return timedelta(hours=number)


def a_spec(**changes: Any) -> dict[str, Any]:
    """The spec of a small valid plan: 10, 25, 50, 100, nothing to hold for."""
    return {
        "target": {"configMapName": "memory-sync-flags", "flags": ["memory-sync", "hybrid-rag"]},
        "steps": [{"percent": percent} for percent in (10, 25, 50, 100)],
    } | changes


def a_rollout(name: str = "memory-sync", **spec: Any) -> Rollout:
    """A Rollout as the API server would have stored it, never judged."""
    return Rollout.model_validate(
        {
            "metadata": {
                "name": name,
                "namespace": "agents",
                "uid": f"uid-{name}",
                "resourceVersion": "1",
                "generation": 1,
                "creationTimestamp": START.isoformat(),
            },
            "spec": a_spec(**spec),
        }
    )


@dataclass
class World:
    """One Rollout and everything around it. Time moves only when told to."""

    rollout: Rollout
    now: datetime = START
    interval: timedelta = timedelta(seconds=30)
    config_map: ConfigMap | None = None
    checkpoints: dict[str, Checkpoint] = field(default_factory=dict)
    approvals: dict[str, Approval] = field(default_factory=dict)
    metrics: dict[str, Metric] = field(default_factory=dict)
    failing: dict[str, tuple[Outcome, str]] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    ranges: dict[str, timedelta] = field(default_factory=dict)
    providers: frozenset[str] = frozenset({"default"})
    claims: tuple[Claim, ...] = ()
    halt: Halt | None = None
    admission: Admission = Admission.UNENFORCED
    seen_undecided: set[str] = field(default_factory=set)
    version: int = 1
    announcements: list[Announcement] = field(default_factory=list)
    percents: list[tuple[datetime, int]] = field(default_factory=list)
    status_writes: int = 0
    plans: list[Plan] = field(default_factory=list)

    # Facts.

    def snapshot(self) -> Snapshot:
        """Everything as it is now, metrics answered at once."""
        asked = questions(self.rollout, self.now, self.interval)
        return Snapshot(
            rollout=self.rollout,
            config_map=self.config_map,
            checkpoints=tuple(self.checkpoints.values()),
            approvals=tuple(self.approvals.values()),
            seen_undecided=frozenset(self.seen_undecided),
            measurements={name: self._measure(name, query) for name, query in asked.items()},
            queries={
                metric.name: QueryFacts(
                    self.faults.get(metric.name), self.ranges.get(metric.name, timedelta(0))
                )
                for metric in self.rollout.spec.metrics
            },
            providers=self.providers,
            claims=self.claims,
            halt=self.halt,
            admission=self.admission,
            evaluation_interval=self.interval,
        )

    def _measure(self, name: str, query: RangeQuery) -> Measurement:
        samples = []
        if name in self.failing:
            outcome, message = self.failing[name]
        else:
            moment = query.start
            while moment <= query.end:
                value = self.metrics[name](moment)
                if value is not None:
                    samples.append(Sample(moment, value))
                moment += query.step
            outcome, message = _outcome_of(samples, query.end)
        return Measurement(
            query.start, query.end, query.step, tuple(samples), outcome, message, self.now
        )

    @property
    def status(self) -> RolloutStatus:
        """The status as written."""
        return self.rollout.status

    @property
    def percent(self) -> int | None:
        """The percentage that the ConfigMap says."""
        if self.config_map is None:
            return None
        return int(self.config_map.data[self.rollout.spec.target.flags[0]])

    def condition(self, kind: str) -> tuple[str, str]:
        """Status and reason of a condition."""
        found = next(c for c in self.status.conditions if c.type == kind)
        return found.status, found.reason

    def history(self) -> list[tuple[str, int]]:
        """Type and percentage of every history entry."""
        return [(entry.type.value, entry.to) for entry in self.status.history]

    # Time and the operator.

    def decide(self) -> Plan:
        """The decision on the facts as they are, not carried out."""
        return decide(self.snapshot(), self.now)

    def settle(self, limit: int = 30) -> Plan:
        """Reconcile until nothing more is to be done at this moment."""
        for _ in range(limit):
            plan = self.decide()
            self.plans.append(plan)
            if not plan.actions:
                return plan
            for action in plan.actions:
                self.carry_out(action)
            self.announcements += plan.announcements
        raise AssertionError(f"does not settle: {[p.summary for p in self.plans[-5:]]}")

    def run(self, length: timedelta) -> None:
        """Let time pass, reconciling at every evaluation."""
        end = self.now + length
        self.settle()
        while self.now < end:
            self.now = min(end, self.now + self.interval)
            self.settle()

    def skip(self, length: timedelta) -> None:
        """Let time pass with no operator running."""
        self.now += length

    # People.

    def edit(self, **changes: Any) -> None:
        """Change the Rollout's spec, by the names of the manifest."""
        wire = self.rollout.to_wire()
        for name, value in changes.items():
            if value is None:
                wire["spec"].pop(name, None)
            else:
                wire["spec"][name] = value
        wire["metadata"]["generation"] += 1
        wire["metadata"]["resourceVersion"] = self._next_version()
        self.rollout = Rollout.model_validate(wire)

    def sign(self, name: str, by: str = "", *, decision: str = "GO", reason: str = "ok") -> None:
        """Decide an Approval or Checkpoint, as `kubectl patch` would."""
        store: Any = self.approvals if name in self.approvals else self.checkpoints
        request = store[name]
        says = "reason" if isinstance(request, Approval) else "summary"
        update = {"decision": decision, says: reason}
        if by:
            update["decided_by"] = Signer(username=by)
        spec = type(request.spec).model_validate(
            request.spec.model_dump(by_alias=True, exclude_none=True)
            | {"decision": decision, says: reason}
            | ({"decidedBy": {"username": by}} if by else {})
        )
        metadata = request.metadata.model_copy(
            update={
                "generation": request.metadata.generation + 1,
                "resource_version": self._next_version(),
            }
        )
        store[name] = request.model_copy(update={"spec": spec, "metadata": metadata})

    def tamper(self, manager: str = "kubectl-edit", **data: str) -> None:
        """Change the ConfigMap past the operator."""
        assert self.config_map is not None
        self.config_map = replace(
            self.config_map,
            data={**self.config_map.data, **data},
            manager=manager,
            resource_version=self._next_version(),
        )

    # Carrying out, as the operator does.

    def _next_version(self) -> str:
        self.version += 1
        return str(self.version)

    def _write_status(self, status: RolloutStatus) -> None:
        # Through the wire, so that nothing survives that could not be stored.
        stored = RolloutStatus.model_validate(status.to_wire())
        self.status_writes += 1
        metadata = self.rollout.metadata.model_copy(
            update={"resource_version": self._next_version()}
        )
        self.rollout = self.rollout.model_copy(update={"status": stored, "metadata": metadata})

    def carry_out(self, action: Action) -> None:
        """Do one action of a plan."""
        match action:
            case WriteStatus(status=status):
                self._write_status(status)
            case Intend(status=status):
                self._write_status(status)
                assert self.status.pending is not None
                self.apply(self.status.pending)
                self.commit(self.status.pending)
            case Apply(pending=pending):
                self.apply(pending)
                self.commit(pending)
            case Commit(pending=pending):
                self.commit(pending)
            case Abandon(pending=pending, status=status, marks_config_map=marks):
                if marks and self.config_map is not None:
                    self.config_map = replace(
                        self.config_map,
                        annotations={
                            **self.config_map.annotations,
                            ABANDONED_ANNOTATION: pending.transition_id,
                        },
                        resource_version=self._next_version(),
                    )
                self._write_status(status)
            case Restore(status=status):
                if status is not None:
                    self._write_status(status)
                assert self.status.committed is not None
                self._write_config_map(rendering_of(self.rollout, self.status.committed))
            case OpenRequest(names=names, spec=spec):
                self._open(names, spec)
            case RecordRequest(name=name, status=status):
                store: Any = self.approvals if name in self.approvals else self.checkpoints
                request = store[name]
                stored = type(request.status).model_validate(status.to_wire())
                metadata = request.metadata.model_copy(
                    update={"resource_version": self._next_version()}
                )
                store[name] = request.model_copy(update={"status": stored, "metadata": metadata})

    def apply(self, pending: PendingTransition) -> None:
        """Write the ConfigMap for a recorded transition."""
        rendering = rendering_of(self.rollout, pending)
        if self.config_map is not None and carries(self.config_map, rendering):
            return
        assert may_be_written(self.config_map, self.rollout)
        self._write_config_map(rendering)

    def commit(self, pending: PendingTransition) -> None:
        """Write the status for a transition that was applied."""
        self._write_status(committed(self.rollout, pending, self.now))

    def _write_config_map(self, rendering: Any) -> None:
        self.config_map = ConfigMap(
            name=self.rollout.spec.target.config_map_name,
            uid="uid-config-map",
            resource_version=self._next_version(),
            data=rendering.data,
            labels=rendering.labels,
            annotations=rendering.annotations,
            manager="surefoot",
            owner_uids=(self.rollout.metadata.uid,) if rendering.owned else (),
        )
        if not self.percents or self.percents[-1][1] != self.percent:
            assert self.percent is not None
            self.percents.append((self.now, self.percent))

    def _open(self, names: tuple[str, ...], spec: Any) -> None:
        kind: Any = Approval if isinstance(spec, ApprovalSpec) else Checkpoint
        store: Any = self.approvals if kind is Approval else self.checkpoints
        name = next(name for name in names if name not in store)
        uid = f"uid-{name}"
        self.seen_undecided.add(uid)
        store[name] = kind(
            metadata=ObjectMeta(
                name=name,
                namespace="agents",
                uid=uid,
                resource_version=self._next_version(),
                generation=1,
                creation_timestamp=self.now,
            ),
            spec=type(spec).model_validate(spec.to_wire()),
        )


def _outcome_of(samples: list[Sample], end: datetime) -> tuple[Outcome, str]:
    if not samples or samples[-1].at != end:
        return Outcome.NO_DATA, "no value at the newest point"
    if not samples[-1].is_number:
        return Outcome.NOT_A_NUMBER, "the newest value is not a number"
    return Outcome.VALUE, ""


def steady(value: float | None) -> Metric:
    """A metric that never changes."""
    return lambda _: value


def from_time(moment: datetime, before: float | None, after: float | None) -> Metric:
    """A metric that changes once."""
    return lambda at: after if at >= moment else before


def duration(text: str) -> timedelta:
    """A length of time as manifests write it."""
    return parse_duration(text)
