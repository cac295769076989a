"""Soak against a brute-force oracle: random metrics, and an operator that comes and goes.

The oracle knows the whole past of the metric and walks over it second by second. It knows nothing
of accounts: what is healthy is healthy, no matter who was looking.
"""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from surefoot.api.v1alpha1.durations import parse_elapsed
from tests.support.scenarios import Recording
from tests.support.world import START, World, a_metric, a_rollout, a_trigger, seconds, steps_of

STEP = seconds(30)
REQUIRED = timedelta(minutes=6)
Stretch = tuple[int, float | None]

stretches = st.lists(
    st.tuples(st.integers(1, 12), st.sampled_from([0.0, 0.0, 0.0, 0.9, None])),
    min_size=1,
    max_size=12,
)
"""So many points of the grid, and the value at each."""
visits = st.lists(st.integers(1, 400), min_size=1, max_size=12)
"""Seconds between the moments at which there is an operator."""


def told(history: list[Stretch]) -> Recording:
    """The metric that the stretches describe; quiet up to Start, and quiet at the end."""
    metric, point = Recording(), 0
    for length, value in history:
        metric.say(START + point * STEP, value)
        point += length
    metric.say(START + point * STEP, 0.0)
    return metric


def healthy_by_the_clock(metric: Recording, now: timedelta, *, resets: bool) -> timedelta:
    """Seconds after Start that lie between two quiet points, since the last breach that resets."""
    total = 0
    for second in range(int(now.total_seconds())):
        before = START + seconds(second // 30 * 30)
        after = before + STEP
        values = [metric(moment) for moment in (before, after) if moment <= START + now]
        if any(value is not None and value > 0.5 for value in values) and resets:
            total = 0
        elif all(value is not None and value <= 0.5 for value in values):
            total += 1
    return seconds(total)


def soaking(metric: Recording, on_breach: str, action: str) -> World:
    """A rollout that soaks at 10% under a trigger."""
    return World(
        a_rollout(
            steps=steps_of(10, 100, first={"soak": "6m", "onBreach": on_breach}),
            metrics=[a_metric()],
            triggers=[a_trigger(action=action)],
            hold={"soak": "90h"},
        ),
        metrics={"errors": metric},
    )


@given(
    stretches,
    visits,
    st.sampled_from([("Reset", "Hold"), ("Pause", "Hold"), ("Reset", "Degrade")]),
    st.booleans(),
)
def test_soak_is_never_longer_than_the_truth(
    history: list[Stretch], moments: list[int], policy: tuple[str, str], restarts: bool
) -> None:
    """Whenever somebody looks, the account says no more than the oracle; and no step is early."""
    on_breach, action = policy
    metric = told(history)
    world = soaking(metric, on_breach, action)
    world.settle()
    for length in moments:
        if restarts:
            world.skip(seconds(length))
        else:
            world.now += seconds(length)
        passed = world.now - START
        truth = healthy_by_the_clock(metric, passed, resets=policy == ("Reset", "Hold"))
        plan = world.decide()
        if world.percent == 10 and plan.status.soak is not None:
            assert parse_elapsed(plan.status.soak.healthy) <= truth
        world.settle()
        if world.percent == 100:
            assert truth >= REQUIRED
            return


@given(stretches, visits)
def test_who_was_looking_makes_no_difference(history: list[Stretch], moments: list[int]) -> None:
    """An operator that came and went has the same account as one that always looked."""
    metric = told(history)
    always, sometimes = soaking(metric, "Pause", "Hold"), soaking(metric, "Pause", "Hold")
    always.edit(paused=True)
    sometimes.edit(paused=True)
    for world in (always, sometimes):
        world.edit(paused=None, rollback={"to": 10})
        world.settle()
    for length in moments:
        sometimes.skip(seconds(length))
        sometimes.settle()
        always.run(sometimes.now - always.now)
        one, other = always.decide().status.soak, sometimes.decide().status.soak
        assert one is not None
        assert other is not None
        assert (one.healthy, one.observed_at) == (other.healthy, other.observed_at)


@given(st.lists(st.integers(1, 900), min_size=1, max_size=20), st.integers(0, 2_000_000))
def test_time_without_triggers_adds_up_whatever_clocks_say(moments: list[int], start: int) -> None:
    """Operators with other bounds of the clock never count more than has passed."""
    world = World(
        a_rollout(steps=steps_of(10, 100), hold={"soak": "1h"}),
        now=START + timedelta(microseconds=start),
    )
    world.settle()
    began = world.now
    truth = world.now
    for number, length in enumerate(moments):
        truth += seconds(length)
        # The truth lies within the bounds; `now` is never later than it.
        world.uncertainty = seconds(number % 3 * 0.45)
        world.now = truth - world.uncertainty
        world.skip(seconds(0))
        world.settle()
        if world.percent == 100:
            assert truth - began >= timedelta(hours=1)
            return
