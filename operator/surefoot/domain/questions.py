"""What must be asked of the providers to judge a Rollout now."""

from datetime import UTC, datetime, timedelta

from surefoot.api.v1alpha1.durations import parse_duration
from surefoot.api.v1alpha1.rollout import Gate, GateCondition, Metric, Rollout, Trigger
from surefoot.domain.measurements import RangeQuery
from surefoot.domain.steps import ZERO

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FINEST_STEP = timedelta(seconds=1)
_POINTS_IN_A_FOR = 4


def questions(rollout: Rollout, now: datetime, interval: timedelta) -> dict[str, RangeQuery]:
    """One question for each metric that a gate or trigger uses, by metric name.

    All end at a point of a grid that does not depend on the Rollout, so that those who ask the same
    query ask the same question. Once completed there is nothing to ask.
    """
    if rollout.status.completed_at is not None:
        return {}
    return {
        metric.name: _question(rollout, metric, now, interval)
        for metric in rollout.spec.metrics
        if _fors(rollout, metric.name)
    }


def _question(rollout: Rollout, metric: Metric, now: datetime, interval: timedelta) -> RangeQuery:
    lengths = _fors(rollout, metric.name)
    step = _grid_step(lengths, interval)
    end = _EPOCH + (now - _EPOCH) // step * step
    # An answer counts until it is two intervals old: its window must still be there to look at.
    start = end - max(lengths) - 2 * interval
    soak_from = _soak_account_from(rollout)
    if soak_from is not None and any(_metric_of(t) == metric.name for t in rollout.spec.triggers):
        start = min(start, soak_from - max(lengths) - step)
    return RangeQuery(
        provider=metric.provider,
        promql=metric.query,
        start=_EPOCH + (start - _EPOCH) // step * step,
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
    return tuple(parse_duration(user.for_) for user in users if _metric_of(user) == metric)


def _metric_of(user: Gate | GateCondition | Trigger) -> str:
    return user.metric or user.name
