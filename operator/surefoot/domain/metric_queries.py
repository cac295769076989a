"""What must be asked of the providers to judge a Rollout now."""

from datetime import datetime, timedelta
from typing import NamedTuple

from surefoot.api.v1alpha1.rollout import Metric, Rollout, RolloutSpec
from surefoot.domain.derive.baseline import counted_from, measured_as, unrecorded
from surefoot.domain.facts.measurements import RangeQuery
from surefoot.domain.facts.memory import remembered_with
from surefoot.domain.facts.questions import (
    MOST_INTERVALS,
    conditions_of,
    first_point,
    intervals_to_account,
    last_point,
    length_of,
    metric_name,
    step_for,
    window_points,
    windowed,
)
from surefoot.domain.facts.steps import ZERO, hold_of, index_of

_POINTS_IN_A_BASELINE = 720
"""A baseline of six hours has a point every 30 seconds; of a longer one every point is coarser."""


def metric_queries(rollout: Rollout, now: datetime, interval: timedelta) -> dict[str, RangeQuery]:
    """The questions about each metric that something uses: one for each length of a `for`.

    They are named by `windowed`, those for baselines by `measured_as`. Under a metric's own name is
    its finest question once more, for those who only look at the newest value. All end at a moment
    that does not depend on the Rollout, so that those who ask the same query ask the same question.
    Once completed there is nothing to ask.
    """
    if rollout.status.completed_at is not None or not rollout.spec.metrics:
        return {}
    accounted_from = _soak_account_from(rollout)
    questions: dict[str, RangeQuery] = {}
    for asked in planned_queries(rollout.spec, interval):
        step, length = asked.step, asked.length
        end = last_point(now, step, interval)
        # An answer counts until it is two intervals old: its window must still be there to look at.
        # The points of an earlier answer may lie anywhere between those of this one.
        start = first_point(end - length - 2 * interval - step, end, step, MOST_INTERVALS)
        if accounted_from is not None and asked.most_accounted:
            # What lies further back than this is not proven, and does not count.
            from_then = accounted_from - length - 2 * step
            start = min(start, first_point(from_then, end, step, asked.most_accounted))
        question = _range_query(asked.metric, start, end, step)
        questions[asked.name] = question
        if asked.is_finest:
            questions[asked.metric.name] = question
    return questions | _baseline_questions(rollout, now, interval)


class _Asked(NamedTuple):
    """A question of a plan, whenever it is asked.

    ``most_accounted`` is how many steps it may reach back to account for time without an operator,
    and 0 where no trigger asks it. ``is_finest`` says that no other of its metric has finer steps.
    """

    name: str
    metric: Metric
    length: timedelta
    step: timedelta
    most_accounted: int
    is_finest: bool


@remembered_with
def planned_queries(spec: RolloutSpec, interval: timedelta) -> tuple[_Asked, ...]:
    """The questions of a plan, by metric."""
    used, most_points = _lengths(spec), window_points(spec)
    most_accounted = intervals_to_account(spec)
    questions: list[_Asked] = []
    for metric in spec.metrics:
        lengths = used.get(metric.name, {})
        steps = {length: step_for(length, interval, most_points) for length in lengths}
        finest = min(steps, key=steps.__getitem__, default=None)
        questions += [
            _Asked(
                name=windowed(metric.name, length),
                metric=metric,
                length=length,
                step=steps[length],
                most_accounted=most_accounted if is_of_trigger else 0,
                is_finest=length == finest,
            )
            for length, is_of_trigger in lengths.items()
        ]
    return tuple(questions)


def _baseline_questions(
    rollout: Rollout, now: datetime, interval: timedelta
) -> dict[str, RangeQuery]:
    """All that the step gave of each metric whose baseline it has not recorded yet."""
    status = rollout.status
    if status.committed is None or status.rolled_back:
        return {}
    hold = hold_of(rollout.spec, index_of(rollout.spec, status.percent))
    since = counted_from(status, hold)
    if since is None or since >= now:
        return {}
    step = baseline_step(hold.baseline, interval)
    end = last_point(now, step, interval)
    start = first_point(since, end, step, MOST_INTERVALS)
    return {
        measured_as(metric.name): _range_query(metric, start, end, step)
        for metric in unrecorded(rollout.spec, status)
    }


def baseline_step(baseline: timedelta, interval: timedelta) -> timedelta:
    """The step at which the samples for a baseline are asked for."""
    coarse = timedelta(seconds=-(-baseline // timedelta(seconds=_POINTS_IN_A_BASELINE)))
    return coarse if coarse > interval else step_for(baseline, interval, MOST_INTERVALS)


def _range_query(metric: Metric, start: datetime, end: datetime, step: timedelta) -> RangeQuery:
    return RangeQuery(
        provider=metric.provider,
        query=metric.query,
        start=start,
        end=end,
        step=step,
        stale_after=length_of(metric.stale_after) if metric.stale_after else None,
    )


def _soak_account_from(rollout: Rollout) -> datetime | None:
    """From when the soak account must be closed; None where there is none."""
    status = rollout.status
    if status.committed is None or status.rolled_back:
        return None
    began = status.hold_since or status.since
    if status.soak is None or began is None:
        return began
    return max(began, status.soak.observed_at)


def _lengths(spec: RolloutSpec) -> dict[str, dict[timedelta, bool]]:
    """By metric, the lengths of the windows that are looked at, and whether a trigger does."""
    used: dict[str, dict[timedelta, bool]] = {}
    for trigger in spec.triggers:
        used.setdefault(metric_name(trigger), {})[length_of(trigger.for_)] = True
    for gate in spec.gates:
        for condition in conditions_of(gate):
            used.setdefault(metric_name(condition), {}).setdefault(length_of(condition.for_), False)
    watched = [cohort.metric for cohort in spec.cohorts]
    watched.append(spec.coverage.metric if spec.coverage is not None else None)
    if _records_baselines(spec):
        watched += [metric.name for metric in spec.metrics]
    for name in watched:
        if name is not None and name not in used:
            used[name] = {ZERO: False}
    return used


def _records_baselines(spec: RolloutSpec) -> bool:
    """Whether some step records a baseline: that is one of every metric of the plan."""
    return any(hold_of(spec, index).baseline > ZERO for index in range(len(spec.steps)))
