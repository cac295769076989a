"""Which work goes first: whatever may roll back, and then what is due. Pure predicates."""

from collections.abc import Mapping
from datetime import UTC, datetime

from surefoot.api.v1alpha1.durations import parse_bound
from surefoot.api.v1alpha1.rollout import OnNoData, Rollout, Trigger, TriggerAction
from surefoot.api.v1alpha1.rollout_status import TransitionType, TriggerState
from surefoot.domain.derive.baseline import metric_of
from surefoot.domain.facts.measurements import Measurement

AT_ONCE = datetime.min.replace(tzinfo=UTC)


def must_roll_back(rollout: Rollout) -> bool:
    """Whether the Rollout itself says so: a pending rollback, a firing trigger, a lower ceiling."""
    status, ceiling = rollout.status, rollout.spec.rollback
    if status.pending is not None and status.pending.type is TransitionType.ROLLBACK:
        return True
    if ceiling is not None and status.percent is not None and ceiling.to < status.percent:
        return True
    return not status.rolled_back and any(
        trigger.state is TriggerState.FIRING for trigger in status.triggers
    )


def due_since(rollout: Rollout) -> datetime | None:
    """Since, or from, when something may be possible, as far as the Rollout itself tells.

    It only decides what is looked at first after a start: everything is looked at.
    """
    status = rollout.status
    if status.pending is not None or status.committed is None:
        return AT_ONCE
    if status.observed_generation != rollout.metadata.generation:
        return AT_ONCE
    return None if status.completed_at is not None else status.earliest_advance


def may_roll_back(rollout: Rollout, answers: Mapping[str, Measurement]) -> bool:
    """Whether a new answer may fire a trigger that rolls back, as far as its newest value tells."""
    if rollout.status.rolled_back or not rollout.status.percent:
        return False
    return any(
        metric_of(question) == (trigger.metric or trigger.name) and _may_fire(trigger, answer)
        for question, answer in answers.items()
        for trigger in rollout.spec.triggers
    )


def _may_fire(trigger: Trigger, answer: Measurement) -> bool:
    """A window with a gap at its end may be full of breaches, or without data for long enough."""
    rolls_back = trigger.action is TriggerAction.ROLLBACK
    if answer.value is None:
        return rolls_back or trigger.on_no_data is OnNoData.ROLLBACK
    return rolls_back and _is_breached(trigger, answer.value)


def _is_breached(trigger: Trigger, value: float) -> bool:
    if trigger.relative_to is not None:
        return True  # the baseline decides; too much urgency does no harm
    if trigger.above is not None:
        return value > parse_bound(trigger.above)
    return trigger.below is not None and value < parse_bound(trigger.below)
