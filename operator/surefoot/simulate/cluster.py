"""The objects of one Rollout in memory, and how a plan of the core is carried out on them.

Nobody else writes between a decision and its writes, and no write fails: what that takes is the
operator's own, and tested there. Everything that is decided is decided by the core. The world of
the tests carries plans out by itself, so that a fault here shows as a difference between the two.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from surefoot.api.v1alpha1.approval import Approval, ApprovalSpec
from surefoot.api.v1alpha1.checkpoint import Checkpoint
from surefoot.api.v1alpha1.meta import (
    ABANDONED_ANNOTATION,
    ATTEMPT_BY_ANNOTATION,
    AUTHORS_ANNOTATION,
    CHANGED_BY_ANNOTATION,
    REQUESTED_BY_ANNOTATION,
    ObjectMeta,
)
from surefoot.api.v1alpha1.rollout import Rollout, RolloutSpec
from surefoot.api.v1alpha1.rollout_status import (
    PendingTransition,
    RehearsalStatus,
    RolloutStatus,
)
from surefoot.domain.decide import decide
from surefoot.domain.derive.baseline import metric_of
from surefoot.domain.facts.measurements import (
    Measurement,
    Outcome,
    QueryFacts,
    RangeQuery,
)
from surefoot.domain.facts.questions import (
    intervals_to_account,
    length_of,
    step_for,
    window_points,
)
from surefoot.domain.facts.signatures import SignatureFact
from surefoot.domain.facts.snapshot import Admission, ConfigMap, Halt, Snapshot
from surefoot.domain.facts.upstreams import Upstream, names_of
from surefoot.domain.flag.config_map import Rendering, carries, rendering_of
from surefoot.domain.metric_queries import metric_queries
from surefoot.domain.plan import (
    Abandon,
    Action,
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
from surefoot.lint.linter import read_queries
from surefoot.simulate.curves import Curve

INTERVAL = timedelta(seconds=30)
"""The operator's evaluation interval, if nothing else is set."""
LONGEST_REACH = timedelta(hours=6)
NAMESPACE = "simulated"
Request = Approval | Checkpoint


class Cluster:
    """One Rollout and everything around it, at one moment of virtual time."""

    def __init__(
        self,
        rollout: Rollout,
        curves: dict[str, Curve],
        *,
        now: datetime,
        author: str,
    ) -> None:
        self.now = now
        self.curves = curves
        self.provider_is_down = False
        self.clock_disagreement = ""
        self.rehearsals_to_fail = 0
        self.admission = Admission.ENFORCED
        self.halt: Halt | None = None
        self.reach = _reach(rollout.spec)
        """How much time is accounted for at once: as far as one question reaches, and half."""
        self.decisions = 0
        """How often the core has decided."""
        self.config_map: ConfigMap | None = None
        self.requests: dict[str, Request] = {}
        self._queries = _facts(rollout)
        self._version = 0
        self._watched: set[str] = set()
        self._signatures: dict[str, SignatureFact] = {}
        self._rehearsed: RehearsalStatus | None = None
        self.rollout = _as_stored(rollout, now, author)
        self._upstreams = {name: _standing_at(100) for name in names_of(self.rollout)}

    @property
    def status(self) -> RolloutStatus:
        """The status as written."""
        return self.rollout.status

    @property
    def spec(self) -> RolloutSpec:
        """The plan."""
        return self.rollout.spec

    # The operator.

    def snapshot(self) -> Snapshot:
        """Everything as it is now, with metrics that are answered at once."""
        asked = metric_queries(self.rollout, self.now, INTERVAL)
        requests = self.requests.values()
        return Snapshot(
            rollout=self.rollout,
            config_map=self.config_map,
            checkpoints=tuple(r for r in requests if isinstance(r, Checkpoint)),
            approvals=tuple(r for r in requests if isinstance(r, Approval)),
            watched_requests=frozenset(self._watched),
            signatures=self._signatures,
            measurements=self._measurements(asked),
            queries=self._queries,
            providers=frozenset(metric.provider for metric in self.spec.metrics),
            halt=self.halt,
            upstreams=self._upstreams,
            shared_namespaces=frozenset(name.namespace for name in self._upstreams),
            rehearsed=self._rehearsed,
            admission=self.admission,
            clock_disagreement=self.clock_disagreement,
            admission_fault="" if self.admission is Admission.ENFORCED else "no policies are there",
            evaluation_interval=INTERVAL,
            status_refresh=self.reach,
        )

    def _measurements(self, asked: dict[str, RangeQuery]) -> dict[str, Measurement]:
        """The answers. The same question about the same metric has the same answer."""
        known: dict[tuple[str, datetime, timedelta], Measurement] = {}
        found = {}
        for name, query in asked.items():
            key = (metric_of(name), query.start, query.step)
            if key not in known:
                known[key] = self._measured(name, query)
            found[name] = known[key]
        return found

    def _measured(self, name: str, query: RangeQuery) -> Measurement:
        start, end, step = query.start, query.end, query.step
        if self.provider_is_down:
            said = "Prometheus does not answer"
            return Measurement(start, end, step, (), Outcome.UNREACHABLE, said, self.now)
        samples = self.curves[metric_of(name)].samples(start, end, step)
        if samples and samples[-1].at == end:
            return Measurement(start, end, step, samples, Outcome.VALUE, "", self.now)
        said = "no value at the newest point"
        return Measurement(start, end, step, samples, Outcome.NO_DATA, said, self.now)

    def settle(self, limit: int = 50) -> Plan:
        """Decide and carry out until there is nothing more to do at this moment."""
        for _ in range(limit):
            snapshot = self.snapshot()
            for request in self.requests.values():
                if has_no_unrecorded_decision(request):
                    self._watched.add(request.metadata.uid)
            plan = decide(snapshot, self.now)
            self.decisions += 1
            if not plan.actions:
                return plan
            for action in plan.actions:
                self._carry_out(action)
        return plan

    def miss(self) -> None:
        """The operator was away: of what is decided by now it did not see when."""
        self._watched.clear()

    def _carry_out(self, action: Action) -> None:
        match action:
            case WriteStatus(status=status):
                self._write(status)
            case Intend(status=status):
                self._write(status)
                if status.pending is not None:
                    self._apply(status.pending)
            case Apply(pending=pending):
                self._apply(pending)
            case Commit(pending=pending):
                self._commit(pending)
            case Abandon(pending=pending, status=status):
                self._abandon(pending, status)
            case Restore(status=status):
                self._restore(status)
            case Undo():
                self.config_map = None
            case OpenRequest():
                self._open(action)
            case RecordRequest():
                self._record(action)
            case Rehearse():
                self._rehearse(action)

    def _write(self, status: RolloutStatus) -> None:
        self._replace(status=status)

    def _replace(self, **update: Any) -> None:
        metadata = self.rollout.metadata.model_copy(update={"resource_version": self._next()})
        self.rollout = self.rollout.model_copy(update={"metadata": metadata, **update})

    def _next(self) -> str:
        self._version += 1
        return str(self._version)

    def _apply(self, pending: PendingTransition) -> None:
        rendering = rendering_of(self.rollout, pending)
        if self.config_map is None or not carries(self.config_map, rendering):
            self._render(rendering)
        self._commit(pending)

    def _commit(self, pending: PendingTransition) -> None:
        self._write(committed(self.rollout, pending, self.now))

    def _abandon(self, pending: PendingTransition, status: RolloutStatus) -> None:
        if self.config_map is not None:
            marked = {**self.config_map.annotations, ABANDONED_ANNOTATION: pending.transition_id}
            self.config_map = replace(
                self.config_map, annotations=marked, resource_version=self._next()
            )
        self._write(status)

    def _restore(self, status: RolloutStatus | None) -> None:
        if status is not None:
            self._write(status)
        if self.status.committed is not None:
            self._render(rendering_of(self.rollout, self.status.committed))

    def _render(self, rendering: Rendering) -> None:
        found = self.config_map
        self.config_map = ConfigMap(
            name=self.spec.target.config_map_name,
            uid="config-map",
            resource_version=self._next(),
            data=rendering.data,
            labels={**(found.labels if found else {}), **rendering.labels},
            annotations={**(found.annotations if found else {}), **rendering.annotations},
            manager="surefoot",
            owner_uids=(self.rollout.metadata.uid,) if rendering.owned else (),
        )

    def _open(self, action: OpenRequest) -> None:
        kind: type[Request] = Approval if isinstance(action.spec, ApprovalSpec) else Checkpoint
        for name in action.names:
            found = self.requests.get(name)
            if found is not None and found.spec.request != action.spec.request:
                continue
            if found is None:
                metadata = ObjectMeta(
                    name=name,
                    namespace=NAMESPACE,
                    uid=f"request-{self._next()}",
                    resource_version=self._next(),
                    generation=1,
                    creation_timestamp=self.now,
                )
                self.requests[name] = kind.model_validate(
                    {"metadata": metadata, "spec": action.spec}
                )
                self._watched.add(metadata.uid)
            return

    def _record(self, action: RecordRequest) -> None:
        request = self.requests[action.name]
        metadata = request.metadata.model_copy(update={"resource_version": self._next()})
        self.requests[action.name] = request.model_copy(
            update={"status": action.status, "metadata": metadata}
        )

    def _rehearse(self, action: Rehearse) -> None:
        fails = self.rehearsals_to_fail > 0
        self.rehearsals_to_fail -= fails
        self._rehearsed = RehearsalStatus(
            run=action.run,
            at=self.now,
            took="0.1s",
            outcome="Failed" if fails else "Passed",
            message="rehearsed in a simulation",
            from_=action.from_,
            to=action.to,
            plan_hash=action.plan_hash,
            attempt=action.attempt,
        )

    # People and things around.

    def change(self, spec: dict[str, Any], by: str, *, plans: bool) -> None:
        """Somebody writes a spec. ``plans``: it is the plan that they change."""
        stamps = {CHANGED_BY_ANNOTATION: by}
        if plans:
            stamps |= {REQUESTED_BY_ANNOTATION: by, AUTHORS_ANNOTATION: by}
        if spec.get("attempt") != self.spec.attempt:
            stamps[ATTEMPT_BY_ANNOTATION] = by
        metadata = self.rollout.metadata.model_copy(
            update={
                "generation": self.rollout.metadata.generation + 1,
                "annotations": {**self.rollout.metadata.annotations, **stamps},
            }
        )
        self.rollout = self.rollout.model_copy(update={"metadata": metadata})
        self._replace(spec=RolloutSpec.model_validate(spec))
        self._queries = _facts(self.rollout)
        self.reach = _reach(self.spec)

    def decide_request(self, name: str, changes: dict[str, Any]) -> None:
        """Somebody decides a request."""
        request = self.requests[name]
        wire = {**request.spec.to_wire(), **changes}
        spec = type(request.spec).model_validate(wire)
        metadata = request.metadata.model_copy(
            update={
                "generation": request.metadata.generation + 1,
                "resource_version": self._next(),
            }
        )
        if "signature" in changes:
            self._signatures[metadata.uid] = SignatureFact(None, key="SHA256:simulated")
        self.requests[name] = request.model_copy(update={"spec": spec, "metadata": metadata})

    def tamper(self, text: str) -> None:
        """Somebody writes into the ConfigMap, past the operator."""
        if self.config_map is not None:
            data = {**self.config_map.data, self.spec.target.flags[0]: text}
            self.config_map = replace(
                self.config_map, data=data, manager="kubectl-edit", resource_version=self._next()
            )

    def move_upstreams(self, percent: int) -> None:
        """All that the plan depends on stands at a percentage."""
        self._upstreams = {name: _standing_at(percent) for name in self._upstreams}


def _reach(spec: RolloutSpec) -> timedelta:
    most, points = intervals_to_account(spec), window_points(spec)
    steps = [step_for(length_of(each.for_), INTERVAL, points) for each in spec.triggers]
    return min([LONGEST_REACH, *(step * most / 2 for step in steps)])


def _facts(rollout: Rollout) -> dict[str, QueryFacts]:
    return {name: query.facts for name, query in read_queries(rollout).items()}


def _as_stored(rollout: Rollout, now: datetime, author: str) -> Rollout:
    stamps = dict.fromkeys(
        (REQUESTED_BY_ANNOTATION, AUTHORS_ANNOTATION, ATTEMPT_BY_ANNOTATION, CHANGED_BY_ANNOTATION),
        author,
    )
    metadata = rollout.metadata.model_copy(
        update={
            "namespace": rollout.metadata.namespace or NAMESPACE,
            "uid": "rollout",
            "resource_version": "0",
            "generation": 1,
            "creation_timestamp": now,
            "annotations": {**rollout.metadata.annotations, **stamps},
        }
    )
    return rollout.model_copy(update={"metadata": metadata, "status": RolloutStatus()})


def _standing_at(percent: int) -> Upstream:
    return Upstream(
        uid="upstream",
        resource_version="0",
        percent=percent,
        completed=percent == 100,
        rolled_back=False,
        deleting=False,
        depends_on=(),
    )
