"""Asks the metrics providers, once per grid point and question, whatever the number of Rollouts.

Answers are kept here and Rollouts are woken for them; nobody waits for a provider. Every question
is a task of its own, bounded per provider, so that a slow or dead provider delays its own answers
and nothing else.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import structlog

from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.application.metrics_port import MetricsProviders
from surefoot.application.ports import Clock, ObjectKey, Telemetry
from surefoot.domain.facts.measurements import Measurement, RangeQuery

log = structlog.get_logger(__name__)

PER_PROVIDER = 8
"""Questions to one provider at a time."""
AFTER_THE_TICK = 0.02
"""Seconds after a grid point at which it is asked for, so that it surely lies in the past."""

Questions = Callable[[Rollout, datetime, timedelta], Mapping[str, RangeQuery]]
WakeFor = Callable[[ObjectKey, Mapping[str, Measurement]], None]


class Identity(NamedTuple):
    """What makes two questions the same one, whatever window is asked for."""

    provider: str
    promql: str
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
class _Interest:
    """A Rollout and the questions that it had last, by metric name."""

    rollout: Rollout
    questions: Mapping[str, RangeQuery] = field(default_factory=dict)


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
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    # What Rollouts ask of the feed

    def measurements(self, key: ObjectKey, rollout: Rollout) -> Mapping[str, Measurement]:
        """By metric name, what is known now. What is missing is asked at once, not waited for."""
        interest = self._note(key, rollout)
        known: dict[str, Measurement] = {}
        for metric, question in interest.questions.items():
            answer = self._serving(question)
            if answer is None:
                self._ask(question)
            else:
                known[metric] = answer
        return known

    def forget(self, key: ObjectKey) -> None:
        """The Rollout is gone, and with it its questions."""
        interest = self._interests.pop(key, None)
        if interest is not None:
            self._unsubscribe(key, interest)

    def _unsubscribe(self, key: ObjectKey, interest: _Interest) -> None:
        for question in interest.questions.values():
            askers = self._askers.get(_identity(question))
            if askers is not None:
                askers.discard(key)
                if not askers:
                    del self._askers[_identity(question)]

    def _note(self, key: ObjectKey, rollout: Rollout) -> _Interest:
        usable = self._providers.names(key.namespace)
        asked = self._questions(rollout, self._clock.now(), self.interval)
        interest = _Interest(
            rollout, {name: query for name, query in asked.items() if query.provider in usable}
        )
        self.forget(key)
        self._interests[key] = interest
        for question in interest.questions.values():
            self._askers.setdefault(_identity(question), set()).add(key)
        return interest

    def _serving(self, question: RangeQuery) -> Measurement | None:
        """The stored answer, cut to the window asked for, if it reaches back far enough."""
        topic = self._topics.get(_identity(question))
        if topic is None or topic.answer is None or topic.answered is None:
            return None
        if topic.answered.start > question.start:
            return None
        if topic.answer.end < question.start:
            return None
        return _trimmed(topic.answer, question.start)

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
            for question in self._note(key, interest.rollout).questions.values():
                identity = _identity(question)
                wanted[identity] = _widest(wanted.get(identity), question)
        for identity in [known for known in self._topics if known not in wanted]:
            self._topics.pop(identity)
        for question in wanted.values():
            self._ask(question, is_tick=True)

    def _ask(self, question: RangeQuery, *, is_tick: bool = False) -> None:
        topic = self._topics.setdefault(_identity(question), _Topic())
        if topic.asking is None:
            topic.asking = question
            self._spawn(topic)
        elif not is_tick and question.start < topic.asking.start:
            topic.wanted = _widest(topic.wanted, question)

    def _spawn(self, topic: _Topic) -> None:
        task = asyncio.create_task(self._answered(topic), name="question")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answered(self, topic: _Topic) -> None:
        while topic.asking is not None:
            question = topic.asking
            try:
                topic.answer, topic.answered = await self._measure(question), question
            except Exception:  # a defect of an adapter must not end the asking
                log.exception("a provider broke its promise", provider=question.provider)
            finally:
                topic.asking, topic.wanted = topic.wanted, None
            self._tell(_identity(question))

    async def _measure(self, question: RangeQuery) -> Measurement:
        slots = self._slots.setdefault(question.provider, asyncio.Semaphore(PER_PROVIDER))
        async with slots:
            began = self._clock.elapsed()
            answer = await self._providers.measure(question)
        self._telemetry.provider_answered(
            question.provider, answer.outcome.value, self._clock.elapsed() - began
        )
        return answer

    def _tell(self, identity: Identity) -> None:
        for key in sorted(self._askers.get(identity, ())):
            told = {
                metric: answer
                for metric, question in self._interests[key].questions.items()
                if _identity(question) == identity
                and (answer := self._serving(question)) is not None
            }
            if told:
                self._wake(key, told)

    async def stop(self) -> None:
        """Give up what is still being asked."""
        for task in list(self._tasks):
            task.cancel()
        for task in list(self._tasks):
            with contextlib.suppress(asyncio.CancelledError):
                await task


def _identity(question: RangeQuery) -> Identity:
    return Identity(question.provider, question.promql, question.step, question.stale_after)


def _widest(one: RangeQuery | None, other: RangeQuery) -> RangeQuery:
    if one is None:
        return other
    return replace(one, start=min(one.start, other.start), end=max(one.end, other.end))


def _trimmed(answer: Measurement, start: datetime) -> Measurement:
    if answer.start >= start:
        return answer
    samples = tuple(sample for sample in answer.samples if sample.at >= start)
    return replace(answer, start=start, samples=samples)
