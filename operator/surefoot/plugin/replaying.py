"""explain --transition: a recorded decision, taken again by the production `decide`. Pure.

The entry of the history has every input in short: windows as count, coverage, least, greatest and
last value. The replay puts the facts together as they were, as far as the record goes, and says
what it had to assume.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from surefoot.api.v1alpha1.approval import Approval, RequestState
from surefoot.api.v1alpha1.checkpoint import Checkpoint
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import (
    Committed,
    Evidence,
    PlanRecord,
    RolloutStatus,
    SoakStatus,
    Transition,
    TransitionType,
    WindowEvidence,
)
from surefoot.domain.decide import decide
from surefoot.domain.derive.baseline import metric_of
from surefoot.domain.facts.measurements import Measurement, Outcome, QueryFacts, RangeQuery, Sample
from surefoot.domain.facts.plan_hash import plan_hash, plan_parts
from surefoot.domain.facts.signatures import SignatureFact
from surefoot.domain.facts.snapshot import Admission, ConfigMap, Snapshot
from surefoot.domain.facts.steps import index_of
from surefoot.domain.facts.upstreams import RolloutName, Upstream
from surefoot.domain.flag.config_map import rendering_of
from surefoot.domain.metric_queries import metric_queries
from surefoot.domain.plan import Plan
from surefoot.domain.review import evaluate

MOVES = frozenset({TransitionType.START, TransitionType.ADVANCE, TransitionType.ROLLBACK})
INTERVAL = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of it. ``same`` is None where the record does not allow a replay."""

    entry: Transition
    same: bool | None
    message: str
    assumed: tuple[str, ...] = ()

    def in_lines(self) -> Iterator[str]:
        """For people."""
        entry = self.entry
        left = "the start" if entry.from_ is None else f"{entry.from_}%"
        yield f"{entry.type.value} {left} → {entry.to}% ({entry.transition_id}), {entry.reason}"
        if entry.message:
            yield f"  recorded   {entry.message}"
        verdict = {True: "the same decision", False: "ANOTHER DECISION", None: "no replay"}
        yield f"  replayed   {verdict[self.same]}: {self.message}"
        yield from (f"  assumed    {each}" for each in self.assumed)


def replay(
    rollout: Rollout,
    transition: str,
    checkpoints: Iterable[Checkpoint],
    approvals: Iterable[Approval],
) -> Replay | None:
    """Take a recorded decision again; None where the history has no such entry."""
    found = [e for e in rollout.status.history if e.transition_id.startswith(transition)]
    if len(found) != 1:
        return None
    entry = found[0]
    why_not = _why_not(rollout, entry)
    if why_not is not None:
        return Replay(entry, None, why_not)
    assumed = list(_assumptions(rollout, entry, (*checkpoints, *approvals)))
    snapshot = _snapshot(rollout, entry, tuple(checkpoints), tuple(approvals))
    now = entry.evidence.decided_at or entry.at
    plan = decide(snapshot, now)
    same = _is_same(plan, entry)
    return Replay(entry, same, _said(plan, snapshot, now, entry, same=same), tuple(assumed))


def _why_not(rollout: Rollout, entry: Transition) -> str | None:
    evidence = entry.evidence
    if entry.type not in {*MOVES, TransitionType.COMPLETE}:
        return f"{entry.type.value} is no decision of the operator about the percentage"
    if entry.type is TransitionType.ROLLBACK and entry.reason == "Requested":
        return "a person asked for it, and a rollback that is asked for is always taken"
    if entry.plan_hash and entry.plan_hash != plan_hash(rollout.spec):
        return "it was decided under another plan, which the object does not have any more"
    if evidence.decided_at is None or evidence.shortened:
        return "the record of its evidence was shortened to keep the history small"
    if entry.reason == "Adopted":
        return "it adopted a ConfigMap, which now says something else"
    return None


def _assumptions(
    rollout: Rollout, entry: Transition, requests: Iterable[Checkpoint | Approval]
) -> Iterator[str]:
    windows = entry.evidence.windows
    if windows:
        yield (
            "of each window only the least, the greatest and the last value are on record: the "
            "others lie between"
        )
    there = {request.metadata.uid: request for request in requests}
    for decision in entry.evidence.decisions:
        request = there.get(decision.uid)
        if request is None:
            yield f"{decision.kind} {decision.name} is gone, and could not be counted"
        elif decision.generation and request.metadata.generation != decision.generation:
            yield f"{decision.kind} {decision.name} was changed since it was counted"
    if rollout.spec.rehearsal is not None:
        yield "the rehearsal that counted then is the one on the status"


def _snapshot(
    rollout: Rollout,
    entry: Transition,
    checkpoints: tuple[Checkpoint, ...],
    approvals: tuple[Approval, ...],
) -> Snapshot:
    """The facts as they were when it was decided."""
    evidence = entry.evidence
    before = _before(rollout, entry)
    counted = {decision.uid for decision in evidence.decisions}
    now = evidence.decided_at or entry.at
    signatures = {
        decision.uid: SignatureFact(None, key=decision.signature.key)
        for decision in evidence.decisions
        if decision.signature is not None
    }
    snapshot = Snapshot(
        rollout=before,
        config_map=_config_map(before),
        checkpoints=tuple(_as_counted(e, now) for e in checkpoints if e.metadata.uid in counted),
        approvals=tuple(_as_counted(e, now) for e in approvals if e.metadata.uid in counted),
        watched_requests=frozenset(counted),
        signatures=signatures,
        providers=frozenset(metric.provider for metric in rollout.spec.metrics) | {"default"},
        queries={metric.name: QueryFacts() for metric in rollout.spec.metrics},
        admission=_admission(evidence),
        upstreams={
            RolloutName(each.namespace, each.name): Upstream(
                each.uid, each.resource_version, each.percent, each.percent == 100, False, False, ()
            )
            for each in evidence.upstreams or ()
        },
        shared_namespaces=frozenset(each.namespace for each in evidence.upstreams or ()),
        evaluation_interval=INTERVAL,
    )
    asked = metric_queries(before, now, INTERVAL)
    measured = {
        name: _measurement(query, evidence, metric_of(name), now) for name, query in asked.items()
    }
    return replace(snapshot, measurements={n: m for n, m in measured.items() if m is not None})


def _admission(evidence: Evidence) -> Admission:
    try:
        return Admission(evidence.admission)
    except ValueError:
        return Admission.UNENFORCED


def _before(rollout: Rollout, entry: Transition) -> Rollout:
    """The Rollout as it stood before: what people asked for since is not there yet."""
    evidence, status = entry.evidence, rollout.status
    index = next(i for i, e in enumerate(status.history) if e is entry)
    earlier = status.history[:index]
    moved = next((e for e in reversed(earlier) if e.type in MOVES), None)
    percent = None if entry.type is TransitionType.START and moved is None else entry.from_
    parts = plan_parts(rollout.spec)
    cohorts = status.committed.cohorts if status.committed is not None else ()
    made = RolloutStatus(
        observed_generation=evidence.generation,
        plan_hash=plan_hash(rollout.spec),
        plan=PlanRecord(parts=parts),
        attempt=entry.attempt,
        percent=percent,
        step=index_of(rollout.spec, percent) if percent is not None else None,
        since=evidence.since,
        soak=evidence.soak or _no_soak(evidence, entry),
        baselines=_baselines(status, entry),
        rehearsal=status.rehearsal,
        history=earlier,
        committed=None
        if percent is None
        else Committed(
            transition_id=moved.transition_id if moved is not None else "unknown",
            type=moved.type if moved is not None else TransitionType.START,
            recorded_at=evidence.since or entry.at,
            cohorts=cohorts,
        ),
    )
    spec = rollout.spec.model_copy(
        update={
            "paused": None,
            "rollback": None,
            "approval_dry_run": None,
            "attempt": entry.attempt if rollout.spec.attempt is not None else None,
        }
    )
    metadata = rollout.metadata.model_copy(
        update={
            "generation": evidence.generation,
            "resource_version": evidence.resource_version,
            "deletion_timestamp": None,
        }
    )
    return rollout.model_copy(update={"spec": spec, "status": made, "metadata": metadata})


def _no_soak(evidence: Evidence, entry: Transition) -> SoakStatus:
    """An account without healthy time: what is not on record must not be earned by the replay."""
    at = evidence.decided_at or entry.at
    return SoakStatus(required="0s", healthy="0s", running=True, observed_at=at)


def _baselines(status: RolloutStatus, entry: Transition) -> tuple[object, ...]:
    """What was recorded at the step, and at those before it."""
    here = {(each.percent, each.metric) for each in entry.evidence.baselines}
    left = entry.from_ if entry.from_ is not None else 0
    older = (b for b in status.baselines if b.percent < left and (b.percent, b.metric) not in here)
    return (*older, *entry.evidence.baselines)


def _config_map(before: Rollout) -> ConfigMap | None:
    """The ConfigMap as it was committed; nobody had changed it."""
    if before.status.committed is None:
        return None
    rendering = rendering_of(before, before.status.committed)
    return ConfigMap(
        name=before.spec.target.config_map_name,
        uid="uid",
        resource_version="1",
        data=rendering.data,
        labels=rendering.labels,
        annotations=rendering.annotations,
        owner_uids=(before.metadata.uid,) if rendering.owned else (),
    )


def _as_counted(request: "Checkpoint | Approval", now: datetime) -> "Checkpoint | Approval":
    """The request as it was before it was used."""
    status = request.status
    expires_at = getattr(status, "expires_at", None)
    update: dict[str, object] = {"state": RequestState.GO, "void_reason": ""}
    if isinstance(request, Approval):
        update |= {"counted_for": None}
        if expires_at is not None and expires_at <= now:
            update |= {"expires_at": now + timedelta(days=1)}
    return request.model_copy(update={"status": status.model_copy(update=update)})


def _measurement(
    query: RangeQuery, evidence: Evidence, metric: str, now: datetime
) -> Measurement | None:
    """An answer that fits what is on record of a metric; None where nothing is."""
    windows = [window for window in evidence.windows if window.metric == metric]
    if not windows:
        return None
    window = max(windows, key=lambda each: each.count)
    samples = tuple(_samples(query, window))
    try:
        outcome = Outcome(window.outcome)
    except ValueError:
        outcome = Outcome.INVALID
    return Measurement(query.start, query.end, query.step, samples, outcome, "", now)


def _samples(query: RangeQuery, window: WindowEvidence) -> Iterator[Sample]:
    """Points of the grid, the newest with the last value, the others between least and greatest."""
    if window.last is None:
        return
    last = float(window.last)
    others = [float(each) for each in (window.min, window.max) if each is not None] or [last]
    count = (query.end - query.start) // query.step
    for index in range(count + 1):
        at = query.start + index * query.step
        yield Sample(at, last if index == count else others[index % len(others)])


def _is_same(plan: Plan, entry: Transition) -> bool:
    pending = plan.status.pending
    if entry.type is TransitionType.COMPLETE:
        return plan.status.completed_at is not None
    return pending is not None and (pending.type, pending.to) == (entry.type, entry.to)


def _said(plan: Plan, snapshot: Snapshot, now: datetime, entry: Transition, *, same: bool) -> str:
    """The decision in a line; where it is another one, with the conditions that differ."""
    if same or plan.is_rollback:
        return plan.summary
    recorded = {text.partition("=")[0] for text in entry.evidence.conditions}
    differ = [
        f"{verdict.condition.value} is {verdict.status} ({verdict.reason})"
        for verdict in evaluate(snapshot, now).verdicts
        if not verdict.holds and verdict.condition.value in recorded
    ]
    more = f"; on record as True, and not in the replay: {', '.join(differ)}" if differ else ""
    return f"{plan.summary}{more}"
