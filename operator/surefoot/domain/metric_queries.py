"""What must be asked of the providers to judge a Rollout now."""

from datetime import UTC, datetime, timedelta

from surefoot.api.v1alpha1.durations import parse_duration
from surefoot.api.v1alpha1.rollout import (
    Gate,
    GateCondition,
    Metric,
    Rollout,
    RolloutSpec,
    Trigger,
)
from surefoot.domain.derive.baseline import counted_from, measured_as, unrecorded
from surefoot.domain.facts.measurements import RangeQuery
from surefoot.domain.facts.steps import ZERO, hold_of, index_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FINEST_STEP = timedelta(seconds=1)
_POINTS_IN_A_FOR = 4
_POINTS_IN_A_BASELINE = 720
"""A baseline of six hours has a point every 30 seconds; of a longer one every point is coarser."""
_MOST_POINTS = 10_000
"""What a provider answers at once: where samples are rare, a baseline looks back no further."""


def metric_queries(rollout: Rollout, now: datetime, interval: timedelta) -> dict[str, RangeQuery]:
    """One question for each metric that something uses, by metric name, and those for baselines.

    All end at a point of a grid that does not depend on the Rollout, so that those who ask the same
    query ask the same question. Once completed there is nothing to ask.
    """
    if rollout.status.completed_at is not None:
        return {}
    used = {
        metric.name: _question(rollout, metric, now, interval)
        for metric in rollout.spec.metrics
        if _fors(rollout, metric.name)
    }
    return used | _baseline_questions(rollout, now, interval)


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
    coarse = timedelta(seconds=-(-hold.baseline // timedelta(seconds=_POINTS_IN_A_BASELINE)))
    step = max(coarse, _grid_step((hold.baseline,), interval))
    end = _on_the_grid(now, step)
    start = max(_on_the_grid(since, step), end - _MOST_POINTS * step)
    return {
        measured_as(metric.name): _range_query(metric, min(start, end), end, step)
        for metric in unrecorded(rollout.spec, status)
    }


def _on_the_grid(moment: datetime, step: timedelta) -> datetime:
    """The last point of the grid that is not later."""
    return _EPOCH + (moment - _EPOCH) // step * step


def _question(rollout: Rollout, metric: Metric, now: datetime, interval: timedelta) -> RangeQuery:
    lengths = _fors(rollout, metric.name)
    step = _grid_step(lengths, interval)
    end = _on_the_grid(now, step)
    # An answer counts until it is two intervals old: its window must still be there to look at.
    start = end - max(lengths) - 2 * interval
    soak_from = _soak_account_from(rollout)
    if soak_from is not None and any(_metric_of(t) == metric.name for t in rollout.spec.triggers):
        start = min(start, soak_from - max(lengths) - step)
    return _range_query(metric, _on_the_grid(start, step), end, step)


def _range_query(metric: Metric, start: datetime, end: datetime, step: timedelta) -> RangeQuery:
    return RangeQuery(
        provider=metric.provider,
        promql=metric.query,
        start=start,
        end=end,
        step=step,
        stale_after=parse_duration(metric.stale_after) if metric.stale_after else None,
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


def _grid_step(lengths: tuple[timedelta, ...], interval: timedelta) -> timedelta:
    """The interval, or finer where a short `for` would otherwise hang on one or two points."""
    shortest = min((length for length in lengths if length > ZERO), default=None)
    if shortest is None or interval <= _FINEST_STEP:
        return interval
    finer = timedelta(seconds=shortest // timedelta(seconds=1) // _POINTS_IN_A_FOR)
    return max(_FINEST_STEP, min(interval, finer))


def _fors(rollout: Rollout, metric: str) -> tuple[timedelta, ...]:
    users: list[Gate | GateCondition | Trigger] = [*rollout.spec.triggers]
    for gate in rollout.spec.gates:
        users += gate.of if gate.of is not None else (gate,)
    lengths = tuple(parse_duration(user.for_) for user in users if _metric_of(user) == metric)
    coverage = rollout.spec.coverage
    is_looked_at = (coverage is not None and coverage.metric == metric) or any(
        cohort.metric == metric for cohort in rollout.spec.cohorts
    )
    return lengths or ((ZERO,) if is_looked_at or _records_baselines(rollout.spec) else ())


def _records_baselines(spec: RolloutSpec) -> bool:
    """Whether some step records a baseline: that is one of every metric of the plan."""
    return any(hold_of(spec, index).baseline > ZERO for index in range(len(spec.steps)))


def _metric_of(user: Gate | GateCondition | Trigger) -> str:
    return user.metric or user.name
