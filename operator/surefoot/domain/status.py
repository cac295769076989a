"""The review in words: phase, progress, what it waits for, and the conditions that tools read."""

from datetime import datetime, timedelta

from surefoot.api.v1alpha1.durations import in_words
from surefoot.api.v1alpha1.meta import ON_BEHALF_OF_ANNOTATION, Condition
from surefoot.api.v1alpha1.rollout_status import (
    Blocker,
    MetricStatus,
    Phase,
    Requester,
    RoleStatus,
    RolloutStatus,
    TransitionType,
    TriggerState,
    TriggerStatus,
)
from surefoot.domain.checks.gates import gates_of, longest_for
from surefoot.domain.checks.schedule import next_open
from surefoot.domain.compliance import assess
from surefoot.domain.derive.state import planners
from surefoot.domain.facts.measurements import Measurement
from surefoot.domain.facts.verdicts import NEEDED_TO_START, ConditionType, as_condition
from surefoot.domain.facts.windows import number
from surefoot.domain.flag.cohorts import balance, cohort_statuses
from surefoot.domain.review import Review
from surefoot.domain.signoff.checkpoints import opens_at
from surefoot.domain.signoff.escalation import escalated
from surefoot.domain.signoff.requests import format_people
from surefoot.domain.signoff.role_status import role_statuses

SETTLING = f"Trigger{TriggerState.SETTLING.value}"
_HOLDING = (
    ConditionType.TRIGGERS_QUIET,
    ConditionType.TARGET_IN_SYNC,
    ConditionType.ADMISSION_ENFORCED,
    ConditionType.NOT_ROLLED_BACK,
    ConditionType.WITHIN_EXPANSION_LIMIT,
)
_BESIDE_THE_HOLD = (
    ConditionType.REHEARSAL_FRESH,
    ConditionType.WITHIN_SCHEDULE,
    ConditionType.DEPENDENCIES_MET,
    ConditionType.SCORECARD_PASSED,
)
"""What may be in the way while the hold goes on: said with it, and a phase only once it is over."""
_OF_THE_HOLD = frozenset(
    {
        ConditionType.SOAK_COMPLETE,
        ConditionType.BASELINE_RECORDED,
        ConditionType.CHECKPOINTS_PASSED,
        ConditionType.GATES_HEALTHY,
        ConditionType.COVERAGE_OBSERVED,
        ConditionType.APPROVED,
    }
)


def build_status(review: Review, status: RolloutStatus) -> RolloutStatus:
    """The status with everything that follows from the review."""
    situation, now = review.situation, review.situation.now
    phase = phase_of(review, status)
    return status.model_copy(
        update={
            "observed_generation": situation.rollout.metadata.generation,
            "observed_at": now,
            "phase": phase,
            "progress": _progress(review),
            "waiting_on": cut(waiting_on(review, status)),
            "next_percent": None if situation.is_complete else situation.target_percent,
            "earliest_advance": _earliest(review),
            "requested_by": _requester(review),
            "conditions": _conditions(review, status, phase),
            "metrics": _metrics(review),
            "triggers": _triggers(review),
            "blocked_by": escalated(situation, blockers(review)),
            "approvals": _approvals(review),
            "readiness": review.readiness,
            "approval_dry_run": review.dry_run.status,
            "compliance": None if status.completed_at is not None else assess(review),
            "cohorts": cohort_statuses(situation, status),
            "balance": balance(situation),
        }
    )


def cut(text: str, length: int = 2048) -> str:
    """A message at the length that the API server takes."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def phase_of(review: Review, status: RolloutStatus) -> Phase:
    """The one word for where it stands; the first that applies."""
    for phase, applies in (
        (Phase.INVALID, not review.holds(ConditionType.PLAN_VALID)),
        (Phase.ROLLING_BACK, _is_rolling_back(status)),
        (Phase.ROLLED_BACK, status.rolled_back),
        (Phase.COMPLETED, status.completed_at is not None),
        (Phase.PAUSED, not review.holds(ConditionType.NOT_PAUSED)),
        (Phase.PENDING, not review.situation.has_started),
        (Phase.HOLDING, _holds_back(review)),
        (Phase.SOAKING, not review.holds(ConditionType.SOAK_COMPLETE)),
        (Phase.SOAKING, not review.holds(ConditionType.BASELINE_RECORDED)),
        (Phase.HOLDING, not review.holds(ConditionType.GATES_HEALTHY)),
        (Phase.HOLDING, not review.holds(ConditionType.COVERAGE_OBSERVED)),
        (Phase.AWAITING_CHECKPOINT, not review.holds(ConditionType.CHECKPOINTS_PASSED)),
        (Phase.AWAITING_APPROVAL, not review.holds(ConditionType.APPROVED)),
        (Phase.HOLDING, not all(map(review.holds, _BESIDE_THE_HOLD))),
    ):
        if applies:
            return phase
    return Phase.PROGRESSING


def _is_rolling_back(status: RolloutStatus) -> bool:
    return status.pending is not None and status.pending.type is TransitionType.ROLLBACK


def _holds_back(review: Review) -> bool:
    """Whether something holds that is neither a clock, nor a gate, nor a person."""
    if _only_settles(review):
        return False
    return not all(review.holds(condition) for condition in _HOLDING)


def _only_settles(review: Review) -> bool:
    """Whether triggers wait for data that can speak of this step, and nothing is wrong with it."""
    return review.verdict(ConditionType.TRIGGERS_QUIET).reason == SETTLING and all(
        review.holds(condition)
        for condition in _HOLDING
        if condition is not ConditionType.TRIGGERS_QUIET
    )


def _progress(review: Review) -> str:
    steps = review.situation.rollout.spec.steps
    reached = review.situation.index
    return f"{0 if reached is None else reached + 1}/{len(steps)}"


def blockers(review: Review) -> tuple[Blocker, ...]:
    """Everything that is missing now: nothing that could not be mended yet."""
    if review.status.completed_at is not None:
        conditions = {ConditionType.PLAN_VALID, ConditionType.TARGET_IN_SYNC}
    elif review.situation.asks_people:
        conditions = set(ConditionType)
    else:
        conditions = {*NEEDED_TO_START, ConditionType.TRIGGERS_QUIET}
        if not review.situation.has_started and not review.firing:
            conditions.remove(ConditionType.TRIGGERS_QUIET)
    return tuple(
        blocker
        for verdict in review.verdicts
        if verdict.condition in conditions
        for blocker in verdict.blockers()
    )[:96]


def waiting_on(review: Review, status: RolloutStatus) -> str:
    """What it waits for, in a line: what stands in the way first, then clocks, then people."""
    pending = status.pending
    said = f"{pending.type.value.lower()} to {pending.to} % is" if pending is not None else ""
    if pending is not None and (_is_rolling_back(status) or not blockers(review)):
        return f"{said} being applied"
    before = f"{said} decided and waits: " if pending is not None else ""
    return f"{before}{_obstacles_clocks_and_people(review)}" if status.completed_at is None else ""


def _obstacles_clocks_and_people(review: Review) -> str:
    waits = {*_OF_THE_HOLD, *(_BESIDE_THE_HOLD if review.situation.asks_people else ())}
    obstacles = [
        blocker.message
        for blocker in blockers(review)
        if blocker.condition not in waits and blocker.reason != SETTLING
    ]
    if obstacles:
        more = f" (and {len(obstacles) - 1} more)" if len(obstacles) > 1 else ""
        return f"{obstacles[0]}{more}"
    if not review.situation.asks_people:
        return ""
    return "; then ".join(
        part for part in (_clocks_and_gates(review), ", ".join(_people(review))) if part
    )


def _clocks_and_gates(review: Review) -> str:
    parts = []
    if review.soak is not None and not review.holds(ConditionType.SOAK_COMPLETE):
        parts.append(f"soak {in_words(review.soak.left)} left")
    quiet = review.verdict(ConditionType.TRIGGERS_QUIET)
    if quiet.reason == SETTLING and not parts:
        parts.append(quiet.message)
    parts += [
        missing.message
        for condition in (
            ConditionType.BASELINE_RECORDED,
            ConditionType.GATES_HEALTHY,
            ConditionType.COVERAGE_OBSERVED,
            *_BESIDE_THE_HOLD,
        )
        for missing in review.verdict(condition).unmet
    ]
    return ", ".join(parts)


def _people(review: Review) -> list[str]:
    meeting = (review.approvals.meeting,) if review.approvals.meeting is not None else ()
    waits = [
        f"{view.plan.name} ({format_people(people.users, people.groups)})"
        for view in (*review.checkpoints.views, *meeting)
        if not view.is_go
        for people in view.awaited
    ]
    if not review.holds(ConditionType.APPROVED):
        waits += [
            f"{view.role.name} ({format_people(view.role.users, view.role.groups)})"
            for view in review.approvals.views
            if not view.is_go
        ]
    return waits


def _earliest(review: Review) -> datetime | None:
    """What the clocks alone allow, to the later second; None when no clock holds."""
    situation = review.situation
    latest = max(situation.now, _hold_clocks(review) or situation.now)
    schedule = situation.rollout.spec.schedule
    ends = situation.is_complete or situation.status.rolled_back or not situation.plan_is_valid
    if schedule is not None and not ends:
        latest = next_open(schedule, latest)
    return _to_the_later_second(latest) if latest > situation.now else None


def _hold_clocks(review: Review) -> datetime | None:
    """What the clocks of the step's hold and of a halt allow; None where they do not run."""
    situation, soak = review.situation, review.soak
    if situation.began is None or not situation.opens_requests or soak is None:
        return None
    now, began, hold = situation.now, situation.began, situation.hold
    moments = [
        opens_at(situation, view.plan) for view in review.checkpoints.views if not view.is_go
    ]
    if not soak.is_complete:
        counted_to = soak.observed_at if soak.running else max(now, soak.observed_at)
        moments.append(max(counted_to, began + hold.warm_up) + soak.left)
    if review.baseline.counted_to is not None:
        moments.append(review.baseline.counted_to + review.baseline.left)
    if gates_of(situation.rollout.spec, hold):
        longest = longest_for(situation.rollout.spec, hold)
        moments.append(began + max(hold.warm_up, longest))
    halt = situation.snapshot.halt
    moments.append(halt.until if halt is not None else None)
    return max((moment for moment in moments if moment is not None), default=None)


def _to_the_later_second(moment: datetime) -> datetime:
    return moment + timedelta(microseconds=-moment.microsecond % 1_000_000)


def _requester(review: Review) -> Requester | None:
    annotations = review.situation.rollout.metadata.annotations
    names = planners(annotations)
    if not names:
        return None
    return Requester(
        username=names[0],
        on_behalf_of=annotations.get(ON_BEHALF_OF_ANNOTATION),
        verified=review.situation.verified,
    )


def _conditions(review: Review, status: RolloutStatus, phase: Phase) -> tuple[Condition, ...]:
    earlier = review.situation.rollout.status.conditions
    now = review.situation.now
    generation = review.situation.rollout.metadata.generation
    found = [
        as_condition(
            verdict.condition.value,
            status=verdict.status,
            reason=verdict.reason,
            message=verdict.message,
            earlier=earlier,
            now=now,
            generation=generation,
        )
        for verdict in review.verdicts
    ]
    message = waiting_on(review, status) or phase.value
    complete = status.completed_at is not None
    stalled = is_stalled(review, status)
    for kind, holds in (
        ("Ready", complete),
        ("Reconciling", not complete and not stalled),
        ("Stalled", stalled),
    ):
        found.append(
            as_condition(
                kind,
                status=str(holds),
                reason=phase.value,
                message=message,
                earlier=earlier,
                now=now,
                generation=generation,
            )
        )
    return tuple(found)


def is_stalled(review: Review, status: RolloutStatus) -> bool:
    """Whether only a person can help."""
    return (
        not review.holds(ConditionType.PLAN_VALID)
        or status.rolled_back
        or review.has_no_go
        or (status.drift is not None and status.drift.count > 0)
    )


def _metrics(review: Review) -> tuple[MetricStatus, ...]:
    if review.situation.is_complete:
        return ()
    snapshot = review.situation.snapshot
    return tuple(
        _metric(metric.name, snapshot.measurements.get(metric.name))
        for metric in snapshot.rollout.spec.metrics
    )


def _metric(name: str, measurement: Measurement | None) -> MetricStatus:
    if measurement is None:
        return MetricStatus(name=name, outcome="NoData", message="not measured yet")
    value = measurement.value
    return MetricStatus(
        name=name,
        value=None if value is None else number(value),
        outcome=measurement.outcome.value,
        observed_at=measurement.observed_at,
        message=measurement.message,
    )


def _approvals(review: Review) -> tuple[RoleStatus, ...]:
    """Who signed for the step ahead; once complete there is none."""
    if review.status.completed_at is not None:
        return ()
    return role_statuses(review.approvals, review.situation.snapshot.signatures)


def _triggers(review: Review) -> tuple[TriggerStatus, ...]:
    earlier = {entry.name: entry for entry in review.situation.rollout.status.triggers}
    return tuple(
        verdict.as_status(earlier.get(verdict.name), review.situation.now)
        for verdict in review.triggers
    )
