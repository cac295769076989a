"""Every question once a tick, whoever asks it, and nobody waits for the answer."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.application.metrics_feed import MetricsFeed
from surefoot.application.ports import ObjectKey
from surefoot.domain.facts.measurements import Measurement, Outcome, QueryFacts, RangeQuery, Sample
from tests.support.fakes import FakeClock, FakeTelemetry, turns
from tests.support.world import START, a_rollout

STEP = timedelta(seconds=30)
ONE, TWO = ObjectKey("agents", "one"), ObjectKey("agents", "two")


class Desk:
    """A provider, a feed that asks it, and what came of it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.asked: list[RangeQuery] = []
        self.hanging: set[str] = set()
        self.broken = False
        self.woken: list[tuple[str, str]] = []
        self.windows: dict[str, timedelta] = {}
        self.usable = frozenset({"default", "other"})
        self.feed = MetricsFeed(
            self, self.clock, self.questions, self.wake, FakeTelemetry(), interval=STEP
        )

    def names(self, namespace: str) -> frozenset[str]:
        return self.usable

    def inspect(self, promql: str) -> QueryFacts:
        return QueryFacts()

    async def measure(self, query: RangeQuery) -> Measurement:
        self.asked.append(query)
        if self.broken:
            raise RuntimeError("this adapter is broken")
        if query.provider in self.hanging:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        samples, at = [], query.start
        while at <= query.end:
            samples.append(Sample(at, 1.0))
            at += query.step
        return Measurement(
            query.start, query.end, query.step, tuple(samples), Outcome.VALUE, "1", query.end
        )

    def wake(self, key: ObjectKey, answers: Mapping[str, Measurement]) -> None:
        self.woken += [(key.name, metric) for metric in answers]

    def questions(
        self, rollout: Rollout, now: datetime, interval: timedelta
    ) -> dict[str, RangeQuery]:
        zero = datetime.fromtimestamp(0, UTC)
        end = zero + (now - zero) // interval * interval
        window = self.windows.get(rollout.metadata.name, timedelta(minutes=5))
        return {
            metric.name: RangeQuery(metric.provider, metric.query, end - window, end, interval)
            for metric in rollout.spec.metrics
        }


def asks(name: str, promql: str = "errors", **metric: Any) -> Rollout:
    """A Rollout with one question."""
    return a_rollout(name, metrics=[{"name": "errors", "query": promql} | metric])


async def test_first_question_is_asked_at_once_and_not_waited_for() -> None:
    """The answer wakes the Rollout; then it is there."""
    desk = Desk()
    assert desk.feed.measurements(ONE, asks("one")) == {}
    await turns()
    assert desk.woken == [("one", "errors")]
    assert desk.feed.measurements(ONE, asks("one"))["errors"].value == 1.0
    assert len(desk.asked) == 1


async def test_same_question_of_two_rollouts_is_asked_once_over_the_widest_window() -> None:
    """Each gets what it asked for."""
    desk = Desk()
    desk.windows = {"one": timedelta(minutes=5), "two": timedelta(hours=1)}
    for key in (ONE, TWO):
        desk.feed.measurements(key, asks(key.name))
    await turns()
    desk.asked.clear()
    desk.feed.tick()
    await turns()
    [question] = desk.asked
    assert question.end - question.start == timedelta(hours=1)
    narrow = desk.feed.measurements(ONE, asks("one"))["errors"]
    assert (narrow.start, len(narrow.samples)) == (START - timedelta(minutes=5), 11)


async def test_answer_that_does_not_reach_back_far_enough_is_asked_anew() -> None:
    """At once, and until then there is none: half a window proves nothing."""
    desk = Desk()
    desk.feed.measurements(ONE, asks("one"))
    await turns()
    desk.windows["one"] = timedelta(hours=2)
    assert desk.feed.measurements(ONE, asks("one")) == {}
    await turns()
    assert desk.feed.measurements(ONE, asks("one"))["errors"].start == START - timedelta(hours=2)


async def test_wider_question_during_a_narrow_one_is_asked_after_it() -> None:
    """Not beside it: one question of a kind at a time."""
    desk = Desk()
    desk.windows["two"] = timedelta(hours=1)
    desk.feed.measurements(ONE, asks("one"))
    desk.feed.measurements(TWO, asks("two"))
    await turns()
    assert [q.end - q.start for q in desk.asked] == [timedelta(minutes=5), timedelta(hours=1)]
    assert desk.feed.measurements(TWO, asks("two")) != {}


async def test_unanswered_question_is_not_asked_a_second_time() -> None:
    """A dead provider gets no queue of questions."""
    desk = Desk()
    desk.hanging = {"default"}
    desk.feed.measurements(ONE, asks("one"))
    await turns()
    for _ in range(3):
        desk.feed.tick()
        await turns()
    assert len(desk.asked) == 1
    await desk.feed.stop()


async def test_dead_provider_delays_no_other() -> None:
    """However many questions hang at it."""
    desk = Desk()
    desk.hanging = {"other"}
    for number in range(50):
        name = f"r-{number}"
        rollout = asks(name, f"q{number}", provider="other")
        desk.feed.measurements(ObjectKey("agents", name), rollout)
    desk.feed.measurements(ONE, asks("one"))
    await turns()
    assert desk.woken == [("one", "errors")]
    assert sum(q.provider == "other" for q in desk.asked) == 8
    await desk.feed.stop()


async def test_questions_come_at_the_points_of_the_grid() -> None:
    """Once per interval, by the API server's clock."""
    desk = Desk()
    desk.clock.at = START + timedelta(seconds=7)
    desk.feed.measurements(ONE, asks("one"))
    running = asyncio.create_task(desk.feed.run())
    await desk.clock.advance(1)
    assert len(desk.asked) == 1
    await desk.clock.advance(60)
    assert [q.end for q in desk.asked] == [START, START + STEP, START + 2 * STEP]
    running.cancel()


async def test_question_that_nobody_has_any_more_is_not_asked() -> None:
    """The Rollout is gone."""
    desk = Desk()
    desk.feed.measurements(ONE, asks("one"))
    await turns()
    desk.feed.forget(ONE)
    desk.asked.clear()
    desk.feed.tick()
    await turns()
    assert desk.asked == []


async def test_provider_that_may_not_be_used_is_not_asked() -> None:
    """The namespace is not among the provider's."""
    desk = Desk()
    desk.usable = frozenset()
    assert desk.feed.measurements(ONE, asks("one")) == {}
    await turns()
    assert desk.asked == []


async def test_defect_of_an_adapter_does_not_end_the_asking() -> None:
    """The next tick asks again."""
    desk = Desk()
    desk.broken = True
    desk.feed.measurements(ONE, asks("one"))
    await turns()
    desk.broken = False
    desk.feed.tick()
    await turns()
    assert desk.feed.measurements(ONE, asks("one")) != {}
