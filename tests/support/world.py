"""A world in memory for the decision core: virtual time, versions, metrics as functions.

It carries plans out as the operator does (intent, apply, commit, with resourceVersions), so that a
test reads: given a plan, when time passes and people act, then the flag stands there, because.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from surefoot.api.v1alpha1.approval import Approval, ApprovalSpec
from surefoot.api.v1alpha1.checkpoint import Checkpoint
from surefoot.api.v1alpha1.durations import parse_duration
from surefoot.api.v1alpha1.meta import (
    ABANDONED_ANNOTATION,
    ObjectMeta,
)
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import (
    PendingTransition,
    RehearsalStatus,
    RoleStatus,
    RolloutStatus,
    TransitionType,
)
from surefoot.application.settling import Settled, look_ahead, settle
from surefoot.domain.decide import decide
from surefoot.domain.derive.baseline import metric_of
from surefoot.domain.facts.clock import SkippedTime
from surefoot.domain.facts.measurements import Measurement, Outcome, QueryFacts, RangeQuery, Sample
from surefoot.domain.facts.signatures import SignatureFact
from surefoot.domain.facts.snapshot import Admission, Claim, ConfigMap, Halt, Snapshot
from surefoot.domain.facts.upstreams import RolloutName, Upstream
from surefoot.domain.flag.config_map import (
    Rendering,
    carries,
    is_abandoned,
    is_own_start,
    may_be_written,
    rendering_of,
    was_written_for,
)
from surefoot.domain.metric_queries import metric_queries
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
    Rehearse,
    Restore,
    Undo,
    WriteStatus,
)
from surefoot.domain.record.transitions import committed
from surefoot.domain.signoff.decisions import has_no_unrecorded_decision

START = datetime(2025, 10, 23, 22, 0, tzinfo=UTC)

Metric = Callable[[datetime], float | None]


def minutes(number: float) -> timedelta:
    """A length of time in minutes."""
    return timedelta(minutes=number)


def seconds(number: float) -> timedelta:
    """A length of time in seconds."""
    return timedelta(seconds=number)


def hours(number: float) -> timedelta:
    """A length of time in hours."""
    return timedelta(hours=number)


def a_spec(**changes: Any) -> dict[str, Any]:
    """The spec of a small valid plan: 10, 25, 50, 100, nothing to hold for, steps of any size."""
    return {
        "target": {"configMapName": "memory-sync-flags", "flags": ["memory-sync", "hybrid-rag"]},
        "steps": [{"percent": percent} for percent in (10, 25, 50, 100)],
        "limits": {"maxExpansionFactor": 100},
    } | changes


def a_trigger(name: str = "errors", **changes: Any) -> dict[str, Any]:
    """A trigger on a metric of the same name: above 0.5 rolls back at once."""
    bound = {} if "below" in changes else {"above": "0.5"}
    return {"name": name, **bound, **changes}


def a_gate(name: str = "errors", **changes: Any) -> dict[str, Any]:
    """A gate on a metric of the same name: at most 0.1."""
    return {"name": name, "atMost": "0.1"} | changes


def a_metric(name: str = "errors", **changes: Any) -> dict[str, Any]:
    """A metric with a query."""
    return {"name": name, "query": f"sum({name.replace('-', '_')})"} | changes


def a_role(name: str, *users: str, **changes: Any) -> dict[str, Any]:
    """A role and who may sign for it."""
    return {"name": name, "users": list(users)} | changes


def a_checkpoint(name: str, *users: str, **changes: Any) -> dict[str, Any]:
    """A report and who may give it."""
    return {"name": name, "reporter": {"users": list(users)}} | changes


def steps_of(*percents: int, first: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Steps, of which the first has a hold of its own where one is given."""
    steps: list[dict[str, Any]] = [{"percent": percent} for percent in percents]
    if first is not None:
        steps[0]["hold"] = first
    return steps


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


class ConflictError(Exception):
    """The object has changed since it was read: gather and decide again."""


class CrashError(Exception):
    """The operator died here."""


@dataclass(frozen=True)
class Write:
    """One write that the API server accepted, in order.

    ``what`` is the object as it is now, or None where it was deleted; ``by`` says who wrote it.
    """

    at: datetime
    by: str
    kind: str
    what: Any


@dataclass(repr=False)
class World:
    """One Rollout and everything around it. Time moves only when told to."""

    rollout: Rollout
    now: datetime = START
    interval: timedelta = timedelta(seconds=30)
    uncertainty: timedelta = timedelta(0)
    skipped: tuple[SkippedTime, ...] = ()
    config_map: ConfigMap | None = None
    checkpoints: dict[str, Checkpoint] = field(default_factory=dict)
    approvals: dict[str, Approval] = field(default_factory=dict)
    metrics: dict[str, Metric] = field(default_factory=dict)
    failing: dict[str, tuple[Outcome, str]] = field(default_factory=dict)
    unanswered: set[str] = field(default_factory=set)
    unanswered_since: dict[str, datetime] = field(default_factory=dict)
    answered_at: dict[str, datetime] = field(default_factory=dict)
    longest_answer: timedelta | None = None
    faults: dict[str, str] = field(default_factory=dict)
    ranges: dict[str, timedelta] = field(default_factory=dict)
    providers: frozenset[str] = frozenset({"default"})
    claims: tuple[Claim, ...] = ()
    halt: Halt | None = None
    upstreams: dict[RolloutName, Upstream] = field(default_factory=dict)
    shared_namespaces: frozenset[str] = frozenset()
    admission: Admission = Admission.UNENFORCED
    admission_fault: str = ""
    escalate_after: timedelta | None = None
    watched_requests: set[str] = field(default_factory=set)
    signatures: dict[str, SignatureFact] = field(default_factory=dict)
    rehearsed: RehearsalStatus | None = None
    rehearsals_come_to: str | None = "Passed"
    rehearsals: list[Rehearse] = field(default_factory=list)
    version: int = 1
    announcements: list[Announcement] = field(default_factory=list)
    percents: list[tuple[datetime, int]] = field(default_factory=list)
    status_writes: int = 0
    plans: list[Plan] = field(default_factory=list)
    log: list[Write] = field(default_factory=list)
    crash_before: int | None = None
    crash_after: int | None = None
    transition_writes: int = 0
    _gathered: Snapshot | None = None

    def __post_init__(self) -> None:
        """What is there at the beginning is the first thing on record."""
        self._record("person", "Rollout", self.rollout)

    def fork(self) -> "World":
        """A world that is the same so far, and goes on by itself."""
        other = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, dict | list | set):
                setattr(other, name, value.copy())
        return other

    # Facts.

    def snapshot(self) -> Snapshot:
        """Everything as it is now, metrics answered at once."""
        asked = metric_queries(self.rollout, self.now, self.interval)
        return Snapshot(
            rollout=self.rollout,
            config_map=self.config_map,
            checkpoints=tuple(self.checkpoints.values()),
            approvals=tuple(self.approvals.values()),
            watched_requests=frozenset(self.watched_requests),
            signatures=dict(self.signatures),
            measurements={
                name: self._measure(metric_of(name), query)
                for name, query in asked.items()
                if metric_of(name) not in self.unanswered
            },
            unanswered_since=dict(self.unanswered_since),
            queries={
                metric.name: QueryFacts(
                    self.faults.get(metric.name), self.ranges.get(metric.name, timedelta(0))
                )
                for metric in self.rollout.spec.metrics
            },
            providers=self.providers,
            claims=self.claims,
            halt=self.halt,
            upstreams=dict(self.upstreams),
            shared_namespaces=self.shared_namespaces,
            rehearsed=self.rehearsed,
            admission=self.admission,
            admission_fault=self.admission_fault,
            evaluation_interval=self.interval,
            escalate_after=self.escalate_after,
            clock_uncertainty=self.uncertainty,
            skipped=self.skipped,
        )

    def _measure(self, name: str, query: RangeQuery) -> Measurement:
        samples = []
        at = self.answered_at.get(name, self.now)
        if at < query.end:
            # An answer speaks of the time before it came.
            late = -(-(query.end - at) // query.step) * query.step
            query = replace(query, start=query.start - late, end=query.end - late)
        # No more than the provider answers at once, cut at the old side.
        start = query.start
        points = (query.end - start) // query.step
        if self.longest_answer is not None:
            points = min(points, self.longest_answer // query.step)
        start = query.end - min(points, 10_000) * query.step
        if name in self.failing:
            outcome, message = self.failing[name]
        else:
            moment = start
            while moment <= query.end:
                value = self.metrics.get(name, steady(None))(moment)
                if value is not None:
                    samples.append(Sample(moment, value))
                moment += query.step
            outcome, message = _outcome_of(samples, query.end)
        return Measurement(start, query.end, query.step, tuple(samples), outcome, message, at)

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

    def message(self, kind: str) -> str:
        """What a condition says."""
        return next(c.message for c in self.status.conditions if c.type == kind)

    def role(self, name: str) -> RoleStatus:
        """What the status says of a role."""
        return next(role for role in self.status.approvals if role.role == name)

    def blockers(self) -> list[tuple[str, str]]:
        """Condition and reason of everything that is missing."""
        return [(entry.condition, entry.reason) for entry in self.status.blocked_by]

    def trigger(self, name: str) -> str:
        """The state of a trigger, as written."""
        return next(entry.state.value for entry in self.status.triggers if entry.name == name)

    def history(self) -> list[tuple[str, int]]:
        """Type and percentage of every history entry."""
        return [(entry.type.value, entry.to) for entry in self.status.history]

    def states(self) -> dict[str, str]:
        """The state of every request, by name."""
        requests: list[Any] = [*self.checkpoints.values(), *self.approvals.values()]
        return {request.metadata.name: request.status.state.value for request in requests}

    # Time and the operator.

    def decide(self) -> Plan:
        """The decision on the facts as they are, not carried out."""
        snapshot = self.snapshot()
        requests: tuple[Approval | Checkpoint, ...] = (*snapshot.checkpoints, *snapshot.approvals)
        for request in requests:
            if has_no_unrecorded_decision(request):
                self.watched_requests.add(request.metadata.uid)
        return decide(snapshot, self.now)

    def settle(self, limit: int = 30) -> Plan:
        """Reconcile until nothing more is to be done at this moment."""
        for _ in range(limit):
            plan = self.decide()
            self.plans.append(plan)
            if all(self._is_under_way(action) for action in plan.actions):
                return plan
            self.perform(plan, self.rollout)
            self.announcements += plan.announcements
        raise AssertionError(f"does not settle: {[p.summary for p in self.plans[-5:]]}")

    def _is_under_way(self, action: Action) -> bool:
        """Whether it is a rehearsal, and none is to end in this world."""
        return isinstance(action, Rehearse) and self.rehearsals_come_to is None

    def settle_until_crash(self, *, before: int | None = None, after: int | None = None) -> None:
        """Reconcile until the operator dies around a write of a transition, counted from 1."""
        self.crash_before, self.crash_after = before, after
        try:
            self.settle()
        except CrashError:
            self.watched_requests.clear()
        else:
            raise AssertionError("the operator did not die")
        finally:
            self.crash_before = self.crash_after = None

    def run(self, length: timedelta) -> None:
        """Let time pass, reconciling at every evaluation, or when the last plan said."""
        end = self.now + length
        plan = self.settle()
        while self.now < end:
            self.now = min(end, self.now + self._until_next(plan))
            plan = self.settle()

    def _until_next(self, plan: Plan) -> timedelta:
        if self.rollout.spec.metrics:
            return self.interval
        return max(plan.requeue_after, timedelta(milliseconds=1))

    def run_until(self, percent: int, limit: timedelta) -> timedelta:
        """Let time pass until the ConfigMap says this; how long it took."""
        began = self.now
        plan = self.settle()
        while self.percent != percent:
            if self.now - began > limit:
                raise AssertionError(f"still at {self.percent}%: {self.status.waiting_on}")
            self.now += self._until_next(plan)
            plan = self.settle()
        return self.now - began

    def pass_by(self, length: timedelta, seen: timedelta = timedelta(hours=2)) -> None:
        """Let a long time pass of which only the first and the last part are looked at.

        What is decided depends on the moment and the record, and not on how often one looked.
        """
        self.run(seen)
        self.skip(length - 2 * seen)
        self.run(seen)

    def skip(self, length: timedelta) -> None:
        """Let time pass with no operator running."""
        self.now += length
        self.watched_requests.clear()

    def clock_jumps(self, length: timedelta) -> None:
        """The API server's clock is set forward; the operator saw that no time passed."""
        self.skipped = (*self.skipped, SkippedTime(self.now, self.now + length))
        self.now += length

    def clock_is_set_back(self, length: timedelta) -> None:
        """The API server's clock is set back, and the operator follows."""
        self.now -= length

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
        self._record("person", "Rollout", self.rollout)

    def annotate(self, **annotations: str) -> None:
        """Annotate the Rollout: `requested_by`, `authors`, `attempt_by`, `on_behalf_of`."""
        named = {f"surefoot.dev/{key.replace('_', '-')}": v for key, v in annotations.items()}
        metadata = self.rollout.metadata.model_copy(
            update={"annotations": named, "resource_version": self._next_version()}
        )
        self.rollout = self.rollout.model_copy(update={"metadata": metadata})

    def sign(
        self, name: str, by: str, *, decision: str = "GO", reason: str = "ok", **more: Any
    ) -> None:
        """Decide an Approval or Checkpoint, as `kubectl patch` would."""
        store: Any = self.approvals if name in self.approvals else self.checkpoints
        request = store[name]
        says = "reason" if isinstance(request, Approval) else "summary"
        wire = request.spec.model_dump(by_alias=True, exclude_none=True)
        wire |= {"decision": decision, says: reason, "decidedBy": {"username": by}, **more}
        spec = type(request.spec).model_validate(wire)
        if spec == request.spec:
            return
        if request.status.state.value == "Used":
            raise AssertionError(f"{name} has been used: the API server refuses this")
        metadata = request.metadata.model_copy(
            update={
                "generation": request.metadata.generation + 1,
                "resource_version": self._next_version(),
            }
        )
        store[name] = request.model_copy(update={"spec": spec, "metadata": metadata})
        self._record(by, type(request).__name__, store[name])

    def verify(self, name: str, fact: SignatureFact | None) -> None:
        """What the verifier says of an Approval's detached signature; None: nothing yet."""
        uid = self.approvals[name].metadata.uid
        if fact is None:
            self.signatures.pop(uid, None)
        else:
            self.signatures[uid] = fact

    def tamper(self, manager: str = "kubectl-edit", **data: str) -> None:
        """Change the ConfigMap past the operator."""
        assert self.config_map is not None
        changed = {**self.config_map.data, **data}
        self.change_config_map(data=changed, manager=manager)

    def change_config_map(self, **changes: Any) -> None:
        """Change anything of the ConfigMap past the operator."""
        assert self.config_map is not None
        self.config_map = replace(
            self.config_map, **{"manager": "kubectl-edit", **changes}, resource_version="0"
        )
        self.config_map = replace(self.config_map, resource_version=self._next_version())
        self._record("person", "ConfigMap", self.config_map)

    def enforce(self, admission: Admission) -> None:
        """What is known of the admission policies from now on."""
        self.admission = admission
        self._record("person", "Admission", admission)

    def stand(self, name: RolloutName, upstream: Upstream | None) -> None:
        """Where another Rollout stands from now on; None where there is none."""
        self.upstreams.pop(name, None)
        if upstream is not None:
            self.upstreams[name] = upstream
        self._record("person", "Upstream", (name, upstream))

    def stop(self, reason: str = "incident", until: datetime | None = None) -> None:
        """Halt everything in the namespace."""
        self.halt = Halt("agents", reason, until)
        self._record("person", "Halt", self.halt)

    def unstop(self) -> None:
        """End the halt."""
        self.halt = None
        self._record("person", "Halt", None)

    # Carrying out, as the operator does.

    def _next_version(self) -> str:
        self.version += 1
        return str(self.version)

    def _record(self, by: str, kind: str, what: Any) -> None:
        self.log.append(Write(self.now, by, kind, what))

    @contextmanager
    def _dangerous(self) -> Iterator[None]:
        """One of the writes of a transition: the operator may die before or after it."""
        self.transition_writes += 1
        if self.crash_before == self.transition_writes:
            raise CrashError
        yield
        if self.crash_after == self.transition_writes:
            raise CrashError

    def _write_status(self, status: RolloutStatus, judged: Rollout) -> Rollout:
        if judged.metadata.resource_version != self.rollout.metadata.resource_version:
            raise ConflictError
        # Through the wire, so that nothing survives that could not be stored.
        stored = RolloutStatus.model_validate(status.to_wire())
        assert stored.to_wire() == status.to_wire(), "the API server would refuse or cut it"
        self.status_writes += 1
        metadata = self.rollout.metadata.model_copy(
            update={"resource_version": self._next_version()}
        )
        self.rollout = self.rollout.model_copy(update={"status": stored, "metadata": metadata})
        self._record("operator", "Rollout", self.rollout)
        return self.rollout

    def perform(self, plan: Plan, judged: Rollout, facts: Snapshot | None = None) -> None:
        """Carry a plan out that was decided on ``judged``, and on these facts, else those of now.

        Raises `ConflictError` where somebody else wrote first, `CrashError` where a test wants it.
        """
        self._gathered = facts
        for action in plan.actions:
            judged = self.carry_out(action, judged)
        self._gathered = None

    def carry_out(self, action: Action, judged: Rollout | None = None) -> Rollout:
        """Do one action of a plan, and return the Rollout as it was then written."""
        judged = judged or self.rollout
        match action:
            case WriteStatus(status=status):
                return self._write_status(status, judged)
            case Intend(status=status):
                with self._dangerous():
                    recorded = self._write_status(status, judged)
                assert status.pending is not None
                self._finish(status.pending, recorded)
            case Apply(pending=pending):
                self._finish(pending, judged)
            case Commit(pending=pending):
                self.commit(pending)
            case Abandon():
                self._abandon(action, judged)
            case Restore(status=status):
                self._restore(status, judged)
            case Undo(transition_id=transition_id):
                self._undo(transition_id)
            case OpenRequest(names=names, spec=spec):
                self._open(names, spec)
            case RecordRequest():
                self._record_request(action)
            case Rehearse():
                self._rehearse(action)
        return self.rollout

    def _finish(self, pending: PendingTransition, judged: Rollout) -> None:
        if self.apply(pending, judged):
            self.commit(pending)

    def apply(self, pending: PendingTransition, judged: Rollout) -> bool:
        """Write the ConfigMap for a recorded transition, unless fresh reads say otherwise."""
        fresh = self.rollout
        if fresh.metadata.deletion_timestamp is not None:
            return False
        if not _is_pending(fresh, judged, pending):
            return False
        if self.config_map is not None and is_abandoned(self.config_map, pending.transition_id):
            return False
        if not may_be_written(self.config_map, fresh):
            return False
        rendering = rendering_of(fresh, pending)
        if self.config_map is None or not carries(self.config_map, rendering):
            with self._dangerous():
                self._write_config_map(rendering)
        return True

    def commit(self, pending: PendingTransition) -> None:
        """Write the status for a transition that was applied, unless somebody else did.

        Its bookkeeping follows, a write for each; where somebody was first, the next pass keeps it.
        """
        if not _is_pending(self.rollout, self.rollout, pending):
            return
        smallest = committed(self.rollout, pending, self.now + self.uncertainty)
        settled = self._settled(smallest, pending)
        with self._dangerous():
            self._write_status(smallest if settled is None else settled.status, self.rollout)
        if settled is None:
            return
        self.announcements += settled.announcements
        for action in settled.books:
            with self._dangerous(), suppress(ConflictError):
                self.carry_out(action)

    def _settled(self, smallest: RolloutStatus, pending: PendingTransition) -> Settled | None:
        if pending.type is TransitionType.ROLLBACK:
            return None
        after = self.rollout.model_copy(update={"status": smallest})
        facts = self._gathered or self.snapshot()
        ahead = look_ahead(decide, facts, after, self.config_map, self.now)
        return None if ahead is None else settle(decide, ahead, self.now)

    def _abandon(self, action: Abandon, judged: Rollout) -> None:
        if action.marks_config_map:
            found = self.config_map
            if found is not None and was_written_for(found, action.pending.transition_id):
                self.commit(action.pending)
                return
            self._mark_abandoned(action.pending, judged)
        written = self._write_status(action.status, judged)
        if written.status.pending is not None:
            self._finish(written.status.pending, written)

    def _mark_abandoned(self, pending: PendingTransition, judged: Rollout) -> None:
        mark = {ABANDONED_ANNOTATION: pending.transition_id}
        if self.config_map is None:
            assert judged.status.committed is not None
            as_committed = rendering_of(judged, judged.status.committed)
            self._write_config_map(as_committed)
        assert self.config_map is not None
        self.config_map = replace(
            self.config_map,
            annotations={**self.config_map.annotations, **mark},
            resource_version=self._next_version(),
        )
        self._record("operator", "ConfigMap", self.config_map)

    def _undo(self, transition_id: str) -> None:
        status, found = self.rollout.status, self.config_map
        if status.pending is not None or status.committed is not None or found is None:
            return
        if was_written_for(found, transition_id) and is_own_start(found, self.rollout):
            self.config_map = None
            self._record("operator", "ConfigMap", None)

    def _restore(self, status: RolloutStatus | None, judged: Rollout) -> None:
        rollout = judged
        if status is not None:
            rollout = self._write_status(status, judged)
        fresh = self.rollout
        if fresh.status.pending is not None or fresh.metadata.deletion_timestamp is not None:
            return
        if fresh.status.committed == rollout.status.committed and fresh.status.committed:
            self._write_config_map(rendering_of(fresh, fresh.status.committed))

    def _write_config_map(self, rendering: Rendering) -> None:
        found = self.config_map
        kept = None if found is None or found.immutable else found
        self.config_map = ConfigMap(
            name=self.rollout.spec.target.config_map_name,
            uid="uid-config-map",
            resource_version=self._next_version(),
            data=rendering.data,
            labels={**(kept.labels if kept else {}), **rendering.labels},
            annotations={**(kept.annotations if kept else {}), **rendering.annotations},
            manager="surefoot",
            owner_uids=(self.rollout.metadata.uid,),
            kept=not rendering.owned,
        )
        self._record("operator", "ConfigMap", self.config_map)
        if not self.percents or self.percents[-1][1] != self.percent:
            assert self.percent is not None
            self.percents.append((self.now, self.percent))

    def _rehearse(self, action: Rehearse) -> None:
        """It takes no time, and comes to what the test says; None: it goes on forever."""
        if self.rehearsals_come_to is None:
            return
        self.rehearsals.append(action)
        self.rehearsed = RehearsalStatus(
            run=action.run,
            at=self.now,
            took="0.1s",
            outcome=self.rehearsals_come_to,
            message="rehearsed in a test",
            from_=action.from_,
            to=action.to,
            plan_hash=action.plan_hash,
            attempt=action.attempt,
        )

    def _record_request(self, action: RecordRequest) -> None:
        store: Any = self.approvals if action.kind == "Approval" else self.checkpoints
        request = store.get(action.name)
        if request is None or request.metadata.resource_version != action.resource_version:
            raise ConflictError
        stored = type(request.status).model_validate(action.status.to_wire())
        assert stored.to_wire() == action.status.to_wire(), "the API server would refuse or cut it"
        metadata = request.metadata.model_copy(update={"resource_version": self._next_version()})
        store[action.name] = request.model_copy(update={"status": stored, "metadata": metadata})
        self._record("operator", action.kind, store[action.name])

    def _open(self, names: tuple[str, ...], spec: Any) -> None:
        kind: Any = Approval if isinstance(spec, ApprovalSpec) else Checkpoint
        store: Any = self.approvals if kind is Approval else self.checkpoints
        for name in names:
            if name not in store:
                break
            if store[name].spec.request == spec.request:
                return
        else:
            raise AssertionError(f"no name is free: {names}")
        uid = f"uid-{name}-{self._next_version()}"
        self.watched_requests.add(uid)
        store[name] = kind(
            metadata=ObjectMeta(
                name=name,
                namespace="agents",
                uid=uid,
                resource_version=self._next_version(),
                generation=1,
                creation_timestamp=self.now.replace(microsecond=0),
            ),
            spec=type(spec).model_validate(spec.to_wire()),
        )
        self._record("operator", kind.__name__, store[name])


def _is_pending(fresh: Rollout, judged: Rollout, pending: PendingTransition) -> bool:
    found = fresh.status.pending
    same = fresh.metadata.uid == judged.metadata.uid
    return same and found is not None and found.transition_id == pending.transition_id


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
