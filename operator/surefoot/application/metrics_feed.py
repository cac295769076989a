"""Asks the metrics providers, once per grid point and question, whatever the number of Rollouts.

Answers are kept here and Rollouts are woken for them; nobody waits for a provider. Each provider
has a line of its own, and a few tasks that ask what waits there. So a slow or dead provider delays
its own answers and nothing else, and thousands of questions need no more tasks than a few do.
"""

import asyncio
import bisect
import contextlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import structlog

from surefoot.api.v1alpha1.durations import format_elapsed
from surefoot.api.v1alpha1.rollout import Metric, Rollout
from surefoot.application.metrics_port import MetricsProviders
from surefoot.application.ports import Clock, ObjectKey, Telemetry
from surefoot.application.reachability import ReachabilityLog
from surefoot.domain.facts.measurements import (
    UNKNOWN_QUERY,
    Measurement,
    Outcome,
    QueryFacts,
    RangeQuery,
    is_stale,
)
from surefoot.domain.facts.questions import last_point

log = structlog.get_logger(__name__)

PER_PROVIDER = 8
"""Questions to one provider at a time."""
AFTER_THE_TICK = 0.02
"""Seconds after a grid point at which it is asked for, so that it surely lies in the past."""
INSPECTION_PATIENCE = 0.05
"""Seconds that one pass waits for the texts of its queries to be parsed, where they are new."""

_SECOND = timedelta(seconds=1)

Questions = Callable[[Rollout, datetime, timedelta], Mapping[str, RangeQuery]]
WakeFor = Callable[[ObjectKey, Mapping[str, Measurement]], None]


class Text(NamedTuple):
    """The text of a query, in its provider's language."""

    provider: str
    query: str


class Identity(NamedTuple):
    """What makes two questions the same one, whatever window is asked for."""

    provider: str
    query: str
    step: timedelta
    stale_after: timedelta | None


@dataclass(slots=True)
class _Topic:
    """One question, and the newest answer to it."""

    answer: Measurement | None = None
    answered: RangeQuery | None = None
    """What the answer is an answer to."""
    asking: RangeQuery | None = None
    wanted: RangeQuery | None = None
    """What must be asked as soon as the present question is answered."""


@dataclass(slots=True)
class _Line:
    """What waits to be asked of one provider, and how many tasks ask it.

    Namespaces take turns, so that one with thousands of questions keeps no other waiting.
    """

    waiting: dict[str, deque[_Topic]] = field(default_factory=dict)
    askers: int = 0

    def add(self, namespace: str, topic: _Topic) -> None:
        """Let it wait behind the others of its namespace."""
        self.waiting.setdefault(namespace, deque()).append(topic)

    def take(self) -> tuple[str, _Topic]:
        """The next one; its namespace goes to the end."""
        namespace = next(iter(self.waiting))
        topics = self.waiting.pop(namespace)
        topic = topics.popleft()
        if topics:
            self.waiting[namespace] = topics
        return namespace, topic


@dataclass(slots=True)
class _Interest:
    """A Rollout and the questions that it had last, by name.

    ``names`` has the names of those that are the same question. ``unanswered`` says of each that
    has no answer yet since when it has been asked.
    """

    rollout: Rollout
    questions: Mapping[str, RangeQuery] = field(default_factory=dict)
    names: Mapping[Identity, list[str]] = field(default_factory=dict)
    unanswered: dict[str, tuple[Identity, datetime]] = field(default_factory=dict)


class MetricsFeed:
    """See the module. ``wake`` is told which Rollout has new answers, and which they are."""

    def __init__(
        self,
        providers: MetricsProviders,
        clock: Clock,
        questions: Questions,
        wake: WakeFor,
        telemetry: Telemetry,
        *,
        interval: timedelta,
    ) -> None:
        self.interval = interval
        self._providers = providers
        self._clock = clock
        self._questions = questions
        self._wake = wake
        self._telemetry = telemetry
        self._interests: dict[ObjectKey, _Interest] = {}
        self._askers: dict[Identity, set[ObjectKey]] = {}
        self._topics: dict[Identity, _Topic] = {}
        self._lines: dict[str, _Line] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._reachability = ReachabilityLog()
        self._inspected: dict[ObjectKey, dict[Text, QueryFacts]] = {}
        self._inspecting: dict[ObjectKey, asyncio.Task[None]] = {}

    # What Rollouts ask of the feed

    def measurements(self, key: ObjectKey, rollout: Rollout) -> Mapping[str, Measurement]:
        """By name, what is known now. What is missing is asked at once, not waited for."""
        if _asks_nothing(rollout):  # it is not kept alive here: there may be thousands of them
            self._drop(key)
            return {}
        now = self._clock.now()
        before = self._interests.get(key)
        interest = self._note(key, rollout)
        known: dict[str, Measurement] = {}
        for name, question in interest.questions.items():
            answer = self._serving(question)
            if answer is None:
                self._ask(question)
                interest.unanswered[name] = _since(before, name, question, now)
            else:
                known[name] = self._marked(answer, now)
        return known

    def unanswered_since(self, key: ObjectKey) -> Mapping[str, datetime]:
        """By name, since when this operator has asked a question that has no answer yet."""
        interest = self._interests.get(key)
        if interest is None:
            return {}
        return {name: since for name, (_, since) in interest.unanswered.items()}

    def known_queries(self, key: ObjectKey, rollout: Rollout) -> Mapping[str, QueryFacts]:
        """By metric name, what is known now of the texts of the queries; parses nothing."""
        known = self._inspected.get(key, {})
        return {
            metric.name: known.get(_text(metric), UNKNOWN_QUERY) for metric in rollout.spec.metrics
        }

    async def query_facts(self, key: ObjectKey, rollout: Rollout) -> Mapping[str, QueryFacts]:
        """By metric name, what the texts of the queries tell.

        New texts are parsed beside the loop and waited for, but not for long: what is not known by
        then is said to be unknown, and the Rollout is woken once it is known.
        """
        texts = {metric.name: _text(metric) for metric in rollout.spec.metrics}
        known = self._inspected.get(key, {})
        facts = self._inspected[key] = {
            text: known[text] for text in texts.values() if text in known
        }
        missing = [text for text in dict.fromkeys(texts.values()) if text not in facts]
        if missing:
            await self._wait_for_inspection(key, facts, missing)
        return {name: facts.get(text, UNKNOWN_QUERY) for name, text in texts.items()}

    async def _wait_for_inspection(
        self, key: ObjectKey, facts: dict[Text, QueryFacts], missing: list[Text]
    ) -> None:
        earlier = self._inspecting.pop(key, None)
        if earlier is not None:
            earlier.cancel()
        task = asyncio.create_task(self._inspect(facts, missing), name="inspection")
        self._inspecting[key] = task
        await asyncio.wait({task}, timeout=INSPECTION_PATIENCE)
        if task.done():
            self._inspecting.pop(key, None)
        else:
            task.add_done_callback(lambda ended: self._inspection_ended(key, ended))

    async def _inspect(self, facts: dict[Text, QueryFacts], missing: list[Text]) -> None:
        # Short texts first: what takes long to parse delays the others least.
        ordered = sorted(missing, key=lambda text: len(text.query))
        await asyncio.gather(*(self._inspect_one(facts, text) for text in ordered))

    async def _inspect_one(self, facts: dict[Text, QueryFacts], text: Text) -> None:
        try:
            query = await self._providers.inspect(text.provider, text.query)
            if query.is_known:  # else its provider may be configured one day
                facts[text] = query
        except Exception:  # a defect of the parser must not end with the others
            log.exception("a query could not be inspected")
            facts[text] = QueryFacts(fault="the query could not be inspected")

    def _inspection_ended(self, key: ObjectKey, task: asyncio.Task[None]) -> None:
        if self._inspecting.get(key) is task:
            del self._inspecting[key]
        if not task.cancelled() and key in self._inspected:
            self._wake(key, {})

    def forget(self, key: ObjectKey) -> None:
        """The Rollout is gone, and with it its questions."""
        self._inspected.pop(key, None)
        task = self._inspecting.pop(key, None)
        if task is not None:
            task.cancel()
        self._drop(key)

    def _drop(self, key: ObjectKey) -> None:
        interest = self._interests.pop(key, None)
        if interest is not None:
            self._unsubscribe(key, interest)

    def _unsubscribe(self, key: ObjectKey, interest: _Interest) -> None:
        for identity in interest.names:
            askers = self._askers.get(identity)
            if askers is not None:
                askers.discard(key)
                if not askers:
                    del self._askers[identity]

    def _note(self, key: ObjectKey, rollout: Rollout) -> _Interest:
        usable = self._providers.names(key.namespace)
        asked = self._questions(rollout, self._clock.now(), self.interval)
        questions = {name: query for name, query in asked.items() if query.provider in usable}
        names: dict[Identity, list[str]] = {}
        for name, question in questions.items():
            names.setdefault(_identity(question), []).append(name)
        before = self._interests.get(key)
        interest = self._interests[key] = _Interest(rollout, questions, names)
        if before is None or before.names.keys() != names.keys():
            if before is not None:
                self._unsubscribe(key, before)
            for identity in names:
                self._askers.setdefault(identity, set()).add(key)
        return interest

    def _serving(self, question: RangeQuery) -> Measurement | None:
        """The stored answer, cut to the window asked for, if it reaches back far enough."""
        topic = self._topics.get(_identity(question))
        if topic is None or topic.answer is None or topic.answered is None:
            return None
        # The points of an answer may lie anywhere between those asked for now.
        if topic.answered.start - question.start >= question.step:
            return None
        if topic.answer.end < question.start:
            return None
        return _trimmed(topic.answer, question.start)

    def _marked(self, answer: Measurement, now: datetime) -> Measurement:
        """The answer, said to be stale where it is: it may have come late, or be the last one."""
        if answer.outcome is not Outcome.VALUE or not is_stale(answer, now, self.interval):
            return answer
        age = format_elapsed((now - answer.end) // _SECOND * _SECOND)
        message = f"the newest point is {age} old: {answer.message}"
        return replace(answer, outcome=Outcome.STALE, message=message)

    # Asking

    async def run(self) -> None:
        """Ask at every grid point, until cancelled."""
        while True:
            await self._clock.sleep(self._until_next_grid_point())
            self.tick()

    def _until_next_grid_point(self) -> float:
        now = self._clock.now()
        passed = (now - datetime.fromtimestamp(0, UTC)) % self.interval
        return (self.interval - passed).total_seconds() + AFTER_THE_TICK

    def tick(self) -> None:
        """Ask every question that anybody has, over the widest window that anybody needs."""
        wanted: dict[Identity, RangeQuery] = {}
        for key, interest in list(self._interests.items()):
            noted = self._note(key, interest.rollout)
            noted.unanswered.update(
                {
                    name: entry
                    for name, entry in interest.unanswered.items()
                    if name in noted.questions
                }
            )
            for identity, names in noted.names.items():
                for name in names:
                    wanted[identity] = _widest(wanted.get(identity), noted.questions[name])
        for identity in [known for known in self._topics if known not in wanted]:
            self._topics.pop(identity)
            self._reachability.forget(identity.provider, identity)
        for question in wanted.values():
            self._ask(question, is_tick=True)

    def _ask(self, question: RangeQuery, *, is_tick: bool = False) -> None:
        topic = self._topics.setdefault(_identity(question), _Topic())
        if topic.asking is None:
            topic.asking = question
            self._spawn(topic, question)
        elif not is_tick and question.start < topic.asking.start:
            topic.wanted = _widest(topic.wanted, question)

    def _spawn(self, topic: _Topic, question: RangeQuery) -> None:
        """Let it wait for its turn, among those of a namespace that asks it."""
        line = self._lines.setdefault(question.provider, _Line())
        askers = self._askers.get(_identity(question), ())
        line.add(min((key.namespace for key in askers), default=""), topic)
        if line.askers < PER_PROVIDER:
            line.askers += 1
            task = asyncio.create_task(self._serve(line), name="questions")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, line: _Line) -> None:
        """Ask what waits, one after the other, until nothing does."""
        try:
            while line.waiting:
                namespace, topic = line.take()
                try:
                    await self._answer(topic)
                except Exception:  # a defect of those who are woken must not end the asking
                    log.exception("an answer was not handed on")
                if topic.asking is not None:
                    line.add(namespace, topic)
        finally:
            line.askers -= 1

    async def _answer(self, topic: _Topic) -> None:
        question = topic.asking
        if question is None:
            return
        try:
            topic.answer, topic.answered = await self._measure(question)
        except Exception:  # a defect of an adapter must not end the asking
            log.exception("a provider broke its promise", provider=question.provider)
        finally:
            topic.asking, topic.wanted = topic.wanted, None
        self._tell(_identity(question))

    async def _measure(self, question: RangeQuery) -> tuple[Measurement, RangeQuery]:
        # It may have waited for its turn: what is asked is the present.
        question = self._moved_to_now(question)
        began = self._clock.elapsed()
        answer = await self._providers.measure(question)
        took = self._clock.elapsed() - began
        lag = (self._clock.now() - answer.end).total_seconds()
        self._telemetry.provider_answered(question.provider, answer.outcome.value, took, lag)
        self._reachability.note(question.provider, _identity(question), answer)
        return answer, question

    def _moved_to_now(self, question: RangeQuery) -> RangeQuery:
        end = last_point(self._clock.now(), question.step, self.interval)
        if end <= question.end:
            return question
        # Its points stay at whole steps from its end. It reaches back no less than before.
        steps = -((question.start - end) // question.step)
        return replace(question, start=end - steps * question.step, end=end)

    def _tell(self, identity: Identity) -> None:
        for key in sorted(self._askers.get(identity, ())):
            told = self._answers(self._interests[key], identity)
            if told:
                self._wake(key, told)

    def _answers(self, interest: _Interest, identity: Identity) -> dict[str, Measurement]:
        """By name, the answer to one question, which may be asked for over several windows."""
        told: dict[str, Measurement] = {}
        served: list[tuple[RangeQuery, Measurement | None]] = []
        for name in interest.names.get(identity, ()):
            question = interest.questions[name]
            known = [answer for other, answer in served if other is question]
            answer = known[0] if known else self._serving(question)
            served.append((question, answer))
            if answer is not None:
                told[name] = answer
        return told

    async def stop(self) -> None:
        """Give up what is still being asked, and read."""
        tasks = [*self._tasks, *self._inspecting.values()]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task


def _asks_nothing(rollout: Rollout) -> bool:
    """Whether a Rollout has no questions, and will have none until it is another version."""
    return not rollout.spec.metrics or rollout.status.completed_at is not None


def _text(metric: Metric) -> Text:
    return Text(metric.provider, metric.query)


def _identity(question: RangeQuery) -> Identity:
    return Identity(question.provider, question.query, question.step, question.stale_after)


def _widest(one: RangeQuery | None, other: RangeQuery) -> RangeQuery:
    if one is None or one is other:
        return other
    return replace(one, start=min(one.start, other.start), end=max(one.end, other.end))


def _since(
    before: _Interest | None, name: str, question: RangeQuery, now: datetime
) -> tuple[Identity, datetime]:
    identity = _identity(question)
    earlier = before.unanswered.get(name) if before is not None else None
    return earlier if earlier is not None and earlier[0] == identity else (identity, now)


def _trimmed(answer: Measurement, start: datetime) -> Measurement:
    """The answer from its first own point on that is not earlier than the one asked for."""
    if answer.start >= start:
        return answer
    start = answer.end - (answer.end - start) // answer.step * answer.step
    first = bisect.bisect_left(answer.samples, start, key=lambda sample: sample.at)
    return replace(answer, start=start, samples=answer.samples[first:])
