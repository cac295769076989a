"""The review in words: phase, progress, what it waits for, and the conditions that tools read."""

from datetime import datetime, timedelta
from typing import NamedTuple

from surefoot.api.v1alpha1.meta import ON_BEHALF_OF_ANNOTATION, Condition
from surefoot.api.v1alpha1.rollout_status import (
    Blocker,
    MetricStatus,
    Phase,
    Requester,
    RoleStatus,
    RolloutStatus,
    TransitionType,
    TriggerStatus,
    Unreadable,
    Warned,
)
from surefoot.domain.abbreviation import abbreviate, headline, room_beside
from surefoot.domain.checks.check import Group, no_clock
from surefoot.domain.checks.cohorts import balance, cohort_statuses
from surefoot.domain.checks.table import CHECKS
from surefoot.domain.compliance import assess
from surefoot.domain.derive.state import FORESEEABLE, Move, planners
from surefoot.domain.facts.measurements import Measurement
from surefoot.domain.facts.moments import later
from surefoot.domain.facts.verdicts import ConditionType, Verdict, as_condition
from surefoot.domain.facts.windows import number
from surefoot.domain.plan_warnings import plan_warnings
from surefoot.domain.plugin_commands import with_plugin_commands
from surefoot.domain.review import Review
from surefoot.domain.signoff.escalation import escalated
from surefoot.domain.signoff.role_status import role_statuses
from surefoot.domain.state_machine import phase_at, place_of

_CHECK = {check.type: check for check in CHECKS}
_OF_THE_HOLD = frozenset(check.type.value for check in CHECKS if check.group is Group.HOLD)
_AFTER_GUARDS = frozenset(check.type.value for check in CHECKS if check.group is not Group.GUARD)
_CLOCKS = frozenset((c.type.value, reason) for c in CHECKS for reason in c.clock_reasons)
"""Conditions and reasons under which only time is missing."""


def build_status(review: Review, status: RolloutStatus) -> RolloutStatus:
    """The status with everything that follows from the review."""
    state, now = review.state, review.state.now
    phase = phase_of(review, status)
    waits = _waits(review)
    waits_for = waiting_on(status, waits)
    roles = _approvals(review)
    return status.model_copy(
        update={
            "observed_generation": state.rollout.metadata.generation,
            "observed_at": now,
            "phase": phase,
            "progress": _progress(review),
            "reason": _reason(review, status, phase),
            "waiting_on": cut(waits_for),
            "waiting_on_short": waiting_on_short(review, status, waits),
            "next_percent": None if state.is_complete else state.target_percent,
            "earliest_advance": _earliest(review),
            "requested_by": _requester(review),
            "conditions": _conditions(review, status, phase, waits_for),
            "metrics": _metrics(review),
            "triggers": _triggers(review),
            "blocked_by": with_plugin_commands(
                escalated(state, waits.missing), state.rollout.metadata.name, roles
            ),
            "approvals": roles,
            "readiness": review.readiness,
            "warnings": _warnings(review),
            "unreadable": tuple(
                Unreadable(kind=fact.kind, name=fact.name, message=cut(fact.message, 1024))
                for fact in state.snapshot.unreadable[:MOST_UNREADABLE]
            ),
            "approval_dry_run": review.dry_run.status,
            "compliance": None if status.completed_at is not None else assess(review),
            "cohorts": cohort_statuses(state, status),
            "balance": balance(state),
        }
    )


MOST_UNREADABLE = 16


def _warnings(review: Review) -> tuple[Warned, ...]:
    """What can hardly be meant; once complete nobody is troubled with it."""
    state = review.state
    if review.status.completed_at is not None:
        return ()
    facts = state.snapshot
    return tuple(
        Warned(reason=warning.reason, message=cut(warning.message, 1024), path=warning.path)
        for warning in plan_warnings(state.rollout.spec, facts.queries, facts.measurements)
    )


def cut(text: str, length: int = 2048) -> str:
    """A message at the length that the API server takes."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def phase_of(review: Review, status: RolloutStatus) -> Phase:
    """The one word for where it stands; the first that applies."""
    verdicts = review.by_condition
    blocked = tuple(
        check.phase
        for check in CHECKS
        if verdicts[check.type].holds is not True
        and verdicts[check.type].reason not in check.clock_reasons
    )
    return phase_at(place_of(status), blocked)


def _reason(review: Review, status: RolloutStatus, phase: Phase) -> str:
    """Why it is in this phase, in one word; empty where that would repeat the phase."""
    if status.pending is not None and phase in {Phase.ROLLING_BACK, Phase.PROGRESSING}:
        return status.pending.reason
    reasons = (
        item.reason
        for check in CHECKS
        if check.phase is phase and not review.holds(check.type)
        for item in review.verdict(check.type).blockers()
    )
    return next((reason for reason in reasons if reason != phase.value), "")


def _is_rolling_back(status: RolloutStatus) -> bool:
    return status.pending is not None and status.pending.type is TransitionType.ROLLBACK


def _progress(review: Review) -> str:
    steps = review.state.rollout.spec.steps
    reached = review.state.index
    return f"{0 if reached is None else reached + 1}/{len(steps)}"


def blockers(review: Review) -> tuple[Blocker, ...]:
    """Everything that is missing now: nothing that could not be mended yet."""
    unmet = (verdict for verdict in review.verdicts if verdict.holds is not True)
    return tuple(
        blocker
        for verdict in unmet
        if _may_be_mended(review, verdict)
        for blocker in verdict.blockers()
    )[:96]


def _may_be_mended(review: Review, verdict: Verdict) -> bool:
    """Whether what is missing is asked for at this point of the rollout."""
    state, check = review.state, _CHECK[verdict.condition]
    if review.status.completed_at is not None:
        return check.outlives_completion
    if state.asks_people or check.blocks(verdict, Move.START):
        return True
    return state.has_started and check.group is Group.GUARD


class _Waits(NamedTuple):
    """What it waits for: what is missing, and of that what no hold explains.

    Without any of the latter these are the clocks and data, and the people, in words.
    """

    missing: tuple[Blocker, ...]
    obstacles: tuple[Blocker, ...] = ()
    clocks_and_data: tuple[str, ...] = ()
    people: tuple[str, ...] = ()


def _waits(review: Review) -> _Waits:
    missing = blockers(review)
    later = _AFTER_GUARDS if review.state.asks_people else _OF_THE_HOLD
    obstacles = tuple(
        blocker
        for blocker in missing
        if blocker.condition not in later and (blocker.condition, blocker.reason) not in _CLOCKS
    )
    if obstacles or not missing or not review.state.asks_people:
        return _Waits(missing, obstacles)
    return _Waits(
        missing,
        clocks_and_data=_what_is_awaited(review, asks_people=False),
        people=_what_is_awaited(review, asks_people=True),
    )


def _what_is_awaited(review: Review, *, asks_people: bool) -> tuple[str, ...]:
    """What is waited for, of each check whose condition does not hold."""
    return tuple(
        words
        for check in CHECKS
        if check.asks_people is asks_people
        for words in check.says(review.state, review.judgements[check.type])
    )


def waiting_on(status: RolloutStatus, waits: _Waits) -> str:
    """What it waits for, in a line: what stands in the way first, then clocks, then people."""
    if status.completed_at is not None:
        return ""
    pending = status.pending
    if pending is None:
        return _obstacles_clocks_and_people(waits)
    move = f"{pending.type.value.lower()} to {pending.to}% is"
    if _is_rolling_back(status) or not waits.missing:
        return f"{move} being applied"
    return f"{move} decided and waits: {_obstacles_clocks_and_people(waits)}"


def _obstacles_clocks_and_people(waits: _Waits) -> str:
    """What no hold explains comes first. Without any of that: the clocks and data, then people."""
    if waits.obstacles:
        more = f" (and {len(waits.obstacles) - 1} more)" if len(waits.obstacles) > 1 else ""
        return f"{waits.obstacles[0].message}{more}"
    parts = (", ".join(waits.clocks_and_data), ", ".join(waits.people))
    return "; then ".join(part for part in parts if part)


def waiting_on_short(review: Review, status: RolloutStatus, waits: _Waits) -> str:
    """The same in the few characters of a column: `security (hudson), soak 2h`."""
    pending = status.pending
    if pending is not None and (_is_rolling_back(status) or not waits.missing):
        return f"{pending.type.value.lower()} to {pending.to}%"
    if status.completed_at is not None:
        return ""
    room = room_beside(review.state.rollout.metadata.name)
    if waits.obstacles:
        return abbreviate((), [_in_a_word(blocker, room) for blocker in waits.obstacles], room)
    if not review.state.asks_people:
        return ""
    return abbreviate(waits.people, [headline(words) for words in waits.clocks_and_data], room)


def _in_a_word(blocker: Blocker, room: int) -> str:
    """What is in the way, or its reason where only that has room.

    The phase beside it says that it was rolled back; this says what ends that.
    """
    if blocker.condition == ConditionType.NOT_ROLLED_BACK:
        return "lift ceiling" if blocker.reason == "Ceiling" else "retry"
    words = headline(blocker.message)
    return blocker.reason if len(blocker.reason) <= room < len(words) else words


def _earliest(review: Review) -> datetime | None:
    """What the clocks alone allow, to the later second; None when no clock holds.

    The table of checks is gone through in its order: a freeze is met where all else is over.
    """
    state, move = review.state, review.state.move
    if move is None or state.status.rolled_back or not state.plan_is_valid:
        return None
    latest = state.now
    for check in CHECKS:
        if move in check.applies_to and check.earliest is not no_clock:
            moment = check.earliest(state, review.judgements[check.type], latest)
            latest = max(latest, moment or latest)
    foreseeable = later(state.now, FORESEEABLE)
    return _to_the_later_second(latest) if state.now < latest < foreseeable else None


def _to_the_later_second(moment: datetime) -> datetime:
    return moment + timedelta(microseconds=-moment.microsecond % 1_000_000)


def _requester(review: Review) -> Requester | None:
    annotations = review.state.rollout.metadata.annotations
    names = planners(review.state.rollout)
    if not names:
        return None
    return Requester(
        username=names[0],
        on_behalf_of=annotations.get(ON_BEHALF_OF_ANNOTATION),
        verified=review.state.verified,
    )


def _conditions(
    review: Review, status: RolloutStatus, phase: Phase, waits_for: str
) -> tuple[Condition, ...]:
    """The condition of each verdict, and those that tools read."""
    rollout, now = review.state.rollout, review.state.now
    written = {condition.type: condition for condition in rollout.status.conditions}
    is_complete, stalled = status.completed_at is not None, is_stalled(review, status)
    for_tools = {
        "Ready": is_complete,
        "Reconciling": not is_complete and not stalled,
        "Stalled": stalled,
    }
    message = waits_for or phase.value
    told = [(v.condition.value, v.status, v.reason, v.message) for v in review.verdicts]
    told += [(kind, str(holds), phase.value, message) for kind, holds in for_tools.items()]
    return tuple(
        as_condition(
            kind,
            status=holds,
            reason=reason,
            message=message,
            before=written.get(kind),
            now=now,
            generation=rollout.metadata.generation,
        )
        for kind, holds, reason, message in told
    )


def is_stalled(review: Review, status: RolloutStatus) -> bool:
    """Whether only a person can help."""
    return (
        not review.holds(ConditionType.PLAN_VALID)
        or status.rolled_back
        or review.has_no_go
        or (status.drift is not None and status.drift.count > 0)
    )


def _metrics(review: Review) -> tuple[MetricStatus, ...]:
    if review.state.is_complete:
        return ()
    snapshot = review.state.snapshot
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
    return role_statuses(review.approvals, review.state.snapshot.signatures)


def _triggers(review: Review) -> tuple[TriggerStatus, ...]:
    earlier = {entry.name: entry for entry in review.state.rollout.status.triggers}
    return tuple(
        verdict.as_status(earlier.get(verdict.name), review.state.now)
        for verdict in review.state.triggers
    )
