"""Answers that need no look: with and without the look, the same happens at the same moments."""

import math
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.domain.calm import stays_calm
from surefoot.domain.plan import Calm
from tests.support.scenarios import Recording, Shape, Tale
from tests.support.world import START, World, a_rollout, steady

quiet = st.builds(
    Shape,
    percents=st.sampled_from([(10, 50, 100), (5, 10, 20, 100)]),
    soak=st.sampled_from(["20s", "1m"]),
    on_breach=st.sampled_from(["Reset", "Pause"]),
    action=st.sampled_from(["Rollback", "Hold", "Degrade"]),
    for_=st.sampled_from(["0s", "10s"]),
    gated=st.booleans(),
    roles=st.just(0),
    relative=st.booleans(),
)
weather = st.lists(
    st.tuples(st.integers(1, 12), st.sampled_from([0.0, 0.05, 0.09, 0.3, 0.9, None, math.nan])),
    max_size=5,
)
"""So many ticks later the metric has another value."""


class _Operator:
    """Looks at every answer, or only at those that need it; and when time says so."""

    def __init__(self, shape: Shape, seconds: int, *, skips: bool, late: int = 0) -> None:
        self.metric = Recording()
        self.world = World(
            a_rollout(**shape.spec()),
            now=START + timedelta(milliseconds=late),
            interval=timedelta(seconds=seconds),
            metrics={"errors": self.metric, "cost": steady(1.0)},
        )
        self.skips = skips
        self.looks = 0
        self._calm: Calm | None = None

    def tick(self) -> None:
        world = self.world
        world.now += world.interval
        if self._calm is not None and stays_calm(self._calm, world.snapshot(), world.now):
            return
        self.looks += 1
        plan = world.settle()
        self._calm = plan.calm if self.skips else None

    @property
    def done(self) -> list[tuple[Any, ...]]:
        written = [(w.at, w.by, w.kind, w.what) for w in self.world.log]
        return [*written, tuple(self.world.announcements), *self.world.percents]


@settings(max_examples=30)
@given(quiet, st.sampled_from([2, 5, 30]), st.integers(0, 1999), weather)
def test_the_same_is_done_at_the_same_moments(
    shape: Shape, seconds: int, late: int, story: list[tuple[int, float | None]]
) -> None:
    """Whatever the metric does, however short the interval is, and however late answers come."""
    eager = _Operator(shape, seconds, skips=False, late=late)
    calm = _Operator(shape, seconds, skips=True, late=late)
    for ticks, value in [*story, (8, 0.0)]:
        for operator in (eager, calm):
            for _ in range(ticks):
                operator.tick()
            operator.metric.say(operator.world.now, value)
    assert calm.done == eager.done


def test_most_answers_need_no_look() -> None:
    """Of a Rollout that soaks, with an answer every two seconds: about two looks a minute."""
    shape = Shape(soak="2m30s", roles=0, gated=True)
    operator = _Operator(shape, 2, skips=True)
    for _ in range(75):
        operator.tick()
    assert operator.world.percent == 10
    assert operator.looks < 15


def test_story_is_told_with_looks_that_nobody_needed() -> None:
    """The stories of the other tests have such moments, and judge that nothing was missed."""
    tale = Tale(Shape(soak="2m30s", gated=True))
    tale.world.interval = timedelta(seconds=5)
    tale.play(("tick", 6))
    tale.play(("tick", 6))
    assert tale.calm_looks
