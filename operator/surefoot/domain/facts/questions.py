"""How often a metric is asked for, and what the answers are called.

A gate or a trigger looks at a window as long as its `for`. A window of four seconds needs points
every second, and a window of five days cannot have them: a provider answers a limited number of
points at once. So every length is asked at a step that fits it, and answers are found by the metric
and the length. Lengths with the same step share one request.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from surefoot.api.v1alpha1.durations import parse_duration
from surefoot.api.v1alpha1.rollout import Gate, GateCondition, RolloutSpec, Trigger

MOST_INTERVALS = 10_000
"""The longest question, in steps: Prometheus answers at most 11,000 points of a series."""

MOST_WINDOW_POINTS = 720
"""Points in the longest window: six hours at 30 seconds. A longer window has coarser steps."""

_WINDOW_POINTS_OF_A_PLAN = 12_000
"""Points in all windows of a plan together: all of them are looked at in every pass."""
_FEWEST_WINDOW_POINTS = 24
_ACCOUNTED_POINTS_OF_A_PLAN = 16_000
"""Points in all questions of a plan that reach back over time without an operator."""
_POINTS_IN_A_SHORT_WINDOW = 4
_FINER_STEPS = tuple(timedelta(seconds=seconds) for seconds in (300, 150, 60, 30, 15, 7, 5, 2, 1))
"""Steps that are finer than the interval are few, so that different lengths share a request."""
_FINEST_STEP = _FINER_STEPS[-1]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ZERO = timedelta(0)


@lru_cache(maxsize=4096)
def length_of(for_: str) -> timedelta:
    """The length of a `for`. The texts are short, and there are few of them."""
    return parse_duration(for_)


def windowed(metric: str, length: timedelta) -> str:
    """The name of the question that a window of this length is looked at in."""
    # The name of a metric has no space in it.
    return f"{metric} for {length // timedelta(seconds=1)}s"


def conditions_of(gate: Gate) -> tuple[Gate | GateCondition, ...]:
    """The bounds of a gate: its own, or those of its group."""
    return gate.of if gate.of is not None else (gate,)


def metric_name(user: Gate | GateCondition | Trigger) -> str:
    """The metric that a gate, a condition or a trigger looks at."""
    return user.metric or user.name


def window_points(spec: RolloutSpec) -> int:
    """How many points a window of this plan may have, so that all of them are soon looked at."""
    users = len(spec.triggers) + sum(len(gate.of or (gate,)) for gate in spec.gates)
    share = _WINDOW_POINTS_OF_A_PLAN // max(1, users)
    return max(_FEWEST_WINDOW_POINTS, min(MOST_WINDOW_POINTS, share))


def intervals_to_account(spec: RolloutSpec) -> int:
    """How many steps a question may reach back to account for time without an operator."""
    share = _ACCOUNTED_POINTS_OF_A_PLAN // max(1, len(spec.triggers))
    return min(MOST_INTERVALS, share)


def step_for(length: timedelta, interval: timedelta, most_points: int) -> timedelta:
    """The step at which a window is asked for.

    It is the interval. It is finer where a short window would otherwise depend on one or two
    points, and the interval times a power of two where a long window would have too many.
    """
    if length > _ZERO and interval > _FINEST_STEP:
        fitting = max(_FINEST_STEP, length / _POINTS_IN_A_SHORT_WINDOW)
        if fitting < interval:
            return next(step for step in _FINER_STEPS if step <= fitting)
    step = interval
    while length // step > most_points:
        step *= 2
    return step


def last_point(now: datetime, step: timedelta, interval: timedelta) -> datetime:
    """The moment that a question ends at: the latest that everyone who asks it agrees on.

    It is never older than an interval, however coarse the step is.
    """
    grid = min(step, interval)
    return _EPOCH + (now - _EPOCH) // grid * grid


def first_end_at(moment: datetime, known: datetime, step: timedelta) -> datetime:
    """The first end of a question at or after a moment, where one of them is known."""
    return known - (known - moment) // step * step if moment > known else known


def first_point(wanted: datetime, end: datetime, step: timedelta, most: int) -> datetime:
    """The last point not later than the wanted moment, at most so many steps before the end."""
    steps = -((wanted - end) // step)
    return end - max(0, min(steps, most)) * step
