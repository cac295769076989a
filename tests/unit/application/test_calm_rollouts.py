"""Calm Rollouts: whom answers need not wake, and when they are looked at all the same."""

from collections.abc import Mapping
from dataclasses import replace

from surefoot.application.calm import CalmRollouts
from surefoot.application.ports import ObjectKey
from surefoot.domain.facts.measurements import Measurement
from surefoot.domain.facts.snapshot import FlagFacts
from surefoot.domain.plan import Calm
from tests.support.fakes import FakeClock
from tests.support.world import (
    World,
    a_metric,
    a_rollout,
    a_trigger,
    minutes,
    seconds,
    steady,
    steps_of,
)

KEY = ObjectKey("agents", "memory-sync")


class Watch:
    """A Rollout that soaks under a trigger, and what is known of its calm."""

    def __init__(self) -> None:
        rollout = a_rollout(
            steps=steps_of(10, 100, first={"soak": "1h"}),
            metrics=[a_metric()],
            triggers=[a_trigger()],
        )
        self.world = World(rollout, interval=seconds(2), metrics={"errors": steady(0.0)})
        self.world.run(minutes(1))
        self.clock = FakeClock()
        self.clock.at = self.world.now
        self.is_gone = False
        self.rollouts = CalmRollouts(self.answered, self.clock)

    def answered(self, _: ObjectKey, answers: Mapping[str, Measurement]) -> FlagFacts | None:
        return None if self.is_gone else replace(self.world.snapshot(), measurements=answers)

    def calm(self) -> Calm:
        calm = self.world.settle().calm
        assert calm is not None
        return calm

    def answer(self, value: float = 0.0) -> float | None:
        """The next answer comes."""
        self.world.now += self.world.interval
        self.clock.at = self.world.now
        before = self.world.metrics["errors"]
        now = self.world.now
        self.world.metrics["errors"] = lambda at: value if at > now - seconds(1) else before(at)
        return self.rollouts.stays(KEY, self.world.snapshot().measurements)


def test_without_answers_it_is_looked_at_when_the_last_one_is_stale() -> None:
    """Two intervals after the newest point: then it is no data."""
    watch = Watch()
    assert watch.rollouts.note(KEY, watch.calm()) == 4.001
    assert watch.answer() == 4.001


def test_breach_is_looked_at_at_once_and_so_is_everything_after_it() -> None:
    """Until a pass has found again that nothing is to be done."""
    watch = Watch()
    watch.rollouts.note(KEY, watch.calm())
    assert watch.answer(0.9) is None
    assert watch.answer(0.0) is None


def test_pass_that_is_under_way_misses_nothing() -> None:
    """What comes while a Rollout is looked at is looked at after that."""
    watch = Watch()
    watch.rollouts.note(KEY, watch.calm())
    watch.rollouts.forget(KEY)
    assert watch.answer() is None


def test_calm_ends_with_its_time() -> None:
    """A minute at the latest, and it is looked at then and not only with the next answer."""
    watch = Watch()
    waits = watch.rollouts.note(KEY, watch.calm())
    for _ in range(29):
        waits = watch.answer() or 0.0
    assert waits == 2.001
    assert watch.answer() is None


def test_rollout_that_is_gone_is_not_calm() -> None:
    """Nor is one for which nothing was answered."""
    watch = Watch()
    watch.rollouts.note(KEY, watch.calm())
    assert watch.rollouts.stays(KEY, {}) is None
    watch.rollouts.note(KEY, watch.calm())
    watch.is_gone = True
    assert watch.answer() is None
