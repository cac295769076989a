"""Each trigger fires once its own window is full, whatever else looks at the same metric."""

from datetime import timedelta

from hypothesis import example, given, settings
from hypothesis import strategies as st

from surefoot.api.v1alpha1.durations import parse_elapsed
from surefoot.domain.facts.questions import MOST_INTERVALS
from surefoot.domain.metric_queries import metric_queries
from tests.support.world import (
    START,
    World,
    a_metric,
    a_rollout,
    a_trigger,
    minutes,
    seconds,
    steps_of,
)

LONGEST = 9999 * 86_400  # seconds; the schema takes no longer duration
"""Seconds: the longest time that the schema's pattern lets a plan write."""

lengths = st.one_of(
    st.sampled_from([0, 1, 3, 4, 5, 59, 60, 61, 119, 120, 3_600, 4 * 3_600, 5 * 86_400, LONGEST]),
    st.integers(0, 600),
    st.integers(0, 14 * 86_400),
    st.integers(0, LONGEST),
)


def written(length: int) -> str:
    """A length as a plan writes it: at most 8 digits of seconds fit."""
    days = min(9_999, length // 86_400)
    hours = min(99_999, (length - days * 86_400) // 3_600)
    rest = length - days * 86_400 - hours * 3_600
    minutes = min(999_999, rest // 60)
    return f"{days}d{hours}h{minutes}m{rest - minutes * 60}s"


intervals = st.one_of(st.sampled_from([1, 2, 30, 600]), st.integers(1, 600))


def watching(windows: list[int], interval: int) -> World:
    """A rollout whose triggers look at one metric, which breaches from Start on, for good."""
    return World(
        a_rollout(
            steps=steps_of(10, 100),
            metrics=[a_metric()],
            triggers=[
                a_trigger(f"t{n}", metric="errors", action="Hold", **{"for": written(length)})
                for n, length in enumerate(windows)
            ],
            hold={"soak": "90h"},
        ),
        interval=seconds(interval),
        metrics={"errors": lambda moment: 1.0 if moment > START else 0.0},
    )


@settings(max_examples=settings().max_examples // 2)
@given(st.lists(lengths, min_size=1, max_size=5, unique=True), intervals)
@example([4, 4 * 3_600], 30)
@example([5 * 86_400], 30)
@example([0, 4, 4 * 3_600, 5 * 86_400], 1)
def test_every_trigger_fires_once_its_window_is_full(windows: list[int], interval: int) -> None:
    """Neither a short window beside it nor its own length keeps a trigger from firing."""
    world = watching(windows, interval)
    world.settle()
    for n, length in sorted(enumerate(windows), key=lambda pair: pair[1]):
        step = max(seconds(interval), seconds(length) / 10)
        world.now = max(world.now, START + seconds(length) + 2 * step)
        world.settle()
        status = world.decide().status
        states = {trigger.name: trigger.state.value for trigger in status.triggers}
        assert states[f"t{n}"] == "Firing"
        assert status.soak is not None
        assert parse_elapsed(status.soak.healthy) == timedelta(0)


@given(st.lists(lengths, min_size=1, max_size=5, unique=True), intervals, st.integers(0, 10**6))
def test_no_question_asks_for_more_than_a_provider_answers(
    windows: list[int], interval: int, outage: int
) -> None:
    """However long the windows are, and however long the operator was away."""
    world = watching(windows, interval)
    world.settle()
    asked = metric_queries(world.rollout, START + minutes(outage), seconds(interval))
    assert asked
    for question in asked.values():
        assert question.step > timedelta(0)
        assert (question.end - question.start) / question.step <= MOST_INTERVALS
