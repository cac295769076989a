"""What must be asked of the providers to judge a Rollout now."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from surefoot.api.v1alpha1.rollout import Metric, Rollout, RolloutSpec
from surefoot.domain.derive.baseline import counted_from, measured_as, unrecorded
from surefoot.domain.facts.measurements import RangeQuery
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
    if rollout.status.completed_at is not None:
        return {}
    used = _lengths(rollout.spec)
    questions: dict[str, RangeQuery] = {}
    for metric in rollout.spec.metrics:
        if metric.name in used:
            questions |= _questions(rollout, metric, used[metric.name], now, interval)
    return questions | _baseline_questions(rollout, now, interval)


def _questions(
    rollout: Rollout,
    metric: Metric,
    lengths: Mapping[timedelta, bool],
    now: datetime,
    interval: timedelta,
) -> Iterator[tuple[str, RangeQuery]]:
    finest: RangeQuery | None = None
    for length, is_of_trigger in lengths.items():
        accounted_from = _soak_account_from(rollout) if is_of_trigger else None
        step = step_for(length, interval, window_points(rollout.spec))
        end = last_point(now, step, interval)
        # An answer counts until it is two intervals old: its window must still be there to look at.
        # The points of an earlier answer may lie anywhere between those of this one.
        start = first_point(end - length - 2 * interval - step, end, step, MOST_INTERVALS)
        if accounted_from is not None:
            # What lies further back than this is not proven, and does not count.
            most = intervals_to_account(rollout.spec)
            start = min(start, first_point(accounted_from - length - 2 * step, end, step, most))
        question = _range_query(metric, start, end, step)
        yield windowed(metric.name, length), question
        if finest is None or question.step < finest.step:
            finest = question
    if finest is not None:
        yield metric.name, finest


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
