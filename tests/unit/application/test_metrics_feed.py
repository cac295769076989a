"""Every question once a tick, no matter who asks it, and nobody waits for the answer."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.application.metrics_feed import PER_PROVIDER, MetricsFeed
from surefoot.application.ports import ObjectKey
from surefoot.domain.facts.measurements import (
    UNKNOWN_QUERY,
    Measurement,
    Outcome,
    QueryFacts,
    RangeQuery,
    Sample,
)
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
        self.let_go = asyncio.Event()
        self.broken = False
        self.unreachable = ""
        self.inspected: list[str] = []
        self.slow: set[str] = set()
        self.woken: list[tuple[str, str]] = []
        self.windows: dict[str, timedelta] = {}
        self.usable = frozenset({"default", "other"})
        self.telemetry = FakeTelemetry()
        self.feed = MetricsFeed(
            self, self.clock, self.questions, self.wake, self.telemetry, interval=STEP
        )

    def names(self, namespace: str) -> frozenset[str]:
        return self.usable

    async def inspect(self, provider: str, query: str) -> QueryFacts:
        self.inspected.append(query)
        if query in self.slow:
            await self.let_go.wait()
        return QueryFacts(longest_range=STEP)

    async def measure(self, query: RangeQuery) -> Measurement:
        self.asked.append(query)
        if self.broken:
            raise RuntimeError("this adapter is broken")
        if query.provider in self.hanging:
            await self.let_go.wait()
        await asyncio.sleep(0)
        if self.unreachable:
            window = (query.start, query.end, query.step)
            return Measurement(*window, (), Outcome.UNREACHABLE, self.unreachable, query.end)
        samples, at = [], query.start
        while at <= query.end:
            samples.append(Sample(at, 1.0))
            at += query.step
        return Measurement(
            query.start, query.end, query.step, tuple(samples), Outcome.VALUE, "1", query.end
        )

    def wake(self, key: ObjectKey, answers: Mapping[str, Measurement]) -> None:
        self.woken += [(key.name, metric) for metric in answers] or [(key.name, "")]

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


def asks(name: str, query: str = "errors", **metric: Any) -> Rollout:
    """A Rollout with one question."""
    return a_rollout(name, metrics=[{"name": "errors", "query": query} | metric])


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


async def test_thousands_of_questions_that_differ_by_a_label_wait_without_a_task_each() -> None:
    """However many there are, a provider is asked a few at a time, and all are answered."""
    desk = Desk()
    names = {f"r{number}" for number in range(1000)}
    before = len(asyncio.all_tasks())
    for name in names:
        rollout = asks(name, f'errors{{run="{name}"}}')
        assert desk.feed.measurements(ObjectKey("agents", name), rollout) == {}
    desk.feed.tick()
    while len(desk.woken) < len(names):
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) - before <= PER_PROVIDER
    assert {name for name, _ in desk.woken} == names


async def test_namespace_with_thousands_of_questions_keeps_no_other_waiting() -> None:
    """Namespaces take turns: the one question of another is asked after a handful."""
    desk = Desk()
    for number in range(1000):
        key = ObjectKey("crowded", f"flag-{number}")
        desk.feed.measurements(key, asks(key.name, f'errors{{flag="{number}"}}'))
    desk.feed.measurements(ONE, asks("one", "theirs"))
    await turns(4000)
    asked = [question.query for question in desk.asked]
    assert len(asked) == 1001
    assert asked.index("theirs") <= PER_PROVIDER + 1
    desk.asked.clear()
    desk.feed.tick()
    await turns(4000)
    assert [question.query for question in desk.asked].index("theirs") <= PER_PROVIDER + 1


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


async def test_question_that_waited_for_its_turn_asks_for_the_present() -> None:
    """Not for the window of the moment at which it was put: those data would be old on arrival."""
    desk = Desk()
    desk.hanging = {"other"}
    for number in range(8):
        name = f"r-{number}"
        desk.feed.measurements(
            ObjectKey("agents", name), asks(name, f"q{number}", provider="other")
        )
    desk.feed.measurements(ONE, asks("one", provider="other"))
    await turns()
    desk.asked.clear()
    desk.clock.at = START + timedelta(seconds=80)
    desk.hanging.clear()
    desk.let_go.set()
    await turns()
    question = next(asked for asked in desk.asked if asked.query == "errors")
    assert question.end == START + 2 * STEP
    assert question.start <= START - timedelta(minutes=5)
    assert (question.end - question.start) % question.step == timedelta(0)
    assert desk.feed.measurements(ONE, asks("one", provider="other"))["errors"].end == question.end


async def test_answer_that_is_late_is_stale() -> None:
    """Its age is that of its newest point, not the time since it arrived."""
    desk = Desk()
    desk.feed.measurements(ONE, asks("one"))
    await turns()
    desk.clock.at = START + 2 * STEP
    assert desk.feed.measurements(ONE, asks("one"))["errors"].outcome is Outcome.VALUE
    desk.clock.at += timedelta(seconds=20)
    late = desk.feed.measurements(ONE, asks("one"))["errors"]
    assert (late.outcome, late.message) == (
        Outcome.STALE,
        "the newest point is 1m20s old: 1",
    )


async def test_feed_says_since_when_a_question_has_no_answer() -> None:
    """So that a decision can wait for it, and not forever."""
    desk = Desk()
    desk.hanging = {"default"}
    desk.feed.measurements(ONE, asks("one"))
    assert desk.feed.unanswered_since(ONE) == {"errors": START}
    desk.clock.at = START + timedelta(seconds=40)
    desk.feed.tick()
    desk.feed.measurements(ONE, asks("one"))
    assert desk.feed.unanswered_since(ONE) == {"errors": START}
    desk.feed.measurements(ONE, asks("one", "other_query"))
    assert desk.feed.unanswered_since(ONE) == {"errors": desk.clock.at}
    assert desk.feed.unanswered_since(TWO) == {}
    await turns()
    desk.let_go.set()
    await turns()
    desk.feed.measurements(ONE, asks("one", "other_query"))
    assert desk.feed.unanswered_since(ONE) == {}


async def test_provider_that_may_not_be_used_is_not_waited_for() -> None:
    """It is asked nothing."""
    desk = Desk()
    desk.usable = frozenset()
    desk.feed.measurements(ONE, asks("one"))
    assert desk.feed.unanswered_since(ONE) == {}


async def test_query_is_inspected_once_while_its_rollout_lives() -> None:
    """However often it is looked at; another text is another query."""
    desk = Desk()
    for _ in range(3):
        facts = await desk.feed.query_facts(ONE, asks("one"))
        assert facts == {"errors": QueryFacts(longest_range=STEP)}
    await desk.feed.query_facts(ONE, asks("one", "others"))
    assert desk.inspected == ["errors", "others"]
    desk.feed.forget(ONE)
    await desk.feed.query_facts(ONE, asks("one"))
    assert desk.inspected == ["errors", "others", "errors"]


async def test_query_that_takes_long_to_inspect_is_unknown_and_delays_no_other() -> None:
    """Its Rollout is woken once it is known."""
    desk = Desk()
    desk.slow = {"slow"}
    rollout = a_rollout("one", metrics=[{"name": n, "query": n} for n in ("slow", "errors")])
    facts = await desk.feed.query_facts(ONE, rollout)
    assert facts == {"errors": QueryFacts(longest_range=STEP), "slow": UNKNOWN_QUERY}
    assert desk.woken == []
    desk.let_go.set()
    await turns()
    assert desk.woken == [("one", "")]
    facts = await desk.feed.query_facts(ONE, rollout)
    assert facts["slow"] == QueryFacts(longest_range=STEP)
    assert sorted(desk.inspected) == ["errors", "slow"]


async def test_age_of_an_answer_is_told() -> None:
    """A provider that takes its time makes every answer older; then it counts as stale."""
    desk = Desk()
    desk.hanging.add("default")
    began = desk.clock.now()
    desk.feed.measurements(ONE, asks("one"))
    await turns()
    await desk.clock.advance(3 * STEP.total_seconds())
    desk.let_go.set()
    await turns()
    newest = desk.asked[0].end
    assert newest <= began
    assert desk.telemetry.lags == [(desk.clock.now() - newest).total_seconds()]
    assert desk.feed.measurements(ONE, asks("one"))["errors"].outcome is Outcome.STALE


async def test_provider_that_becomes_unreachable_is_in_the_log_once() -> None:
    """An administrator reads there which provider it is and why, and when it answers again."""
    desk = Desk()
    for name, query in (("one", "errors"), ("two", "latency")):
        desk.feed.measurements(ObjectKey("agents", name), asks(name, query))
    await turns()
    with structlog.testing.capture_logs() as logs:
        desk.unreachable = 'provider "default" has a certificate that is not accepted'
        for _ in range(2):
            desk.feed.tick()
            await turns()
        desk.unreachable = ""
        desk.feed.tick()
        await turns()
    assert logs == [
        {
            "event": "a metrics provider does not answer",
            "log_level": "warning",
            "provider": "default",
            "fault": 'provider "default" has a certificate that is not accepted',
        },
        {
            "event": "the metrics provider answers again",
            "log_level": "info",
            "provider": "default",
        },
    ]
