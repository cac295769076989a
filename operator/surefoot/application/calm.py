"""Which Rollouts need no look for answers of providers that stay as they are, and until when.

A pass that found nothing to do says what the answers must look like for the next one to find
nothing either. It is forgotten when another pass begins, so that whatever comes during that one is
looked at.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from surefoot.application.ports import Clock, ObjectKey
from surefoot.domain.calm import stays_calm
from surefoot.domain.facts.measurements import Measurement, stale_after
from surefoot.domain.facts.snapshot import FlagFacts
from surefoot.domain.plan import Calm

Answered = Callable[[ObjectKey, Mapping[str, Measurement]], FlagFacts | None]
"""The facts of a Rollout with these answers and no others; None where it cannot be read."""
_JUST_AFTER = 0.001
"""Seconds after the last moment at which something counts."""


@dataclass(slots=True)
class _Entry:
    calm: Calm
    stale_after: dict[str, float]
    """By question, for how long its newest answer counts, on the clock that measures."""


class CalmRollouts:
    """See the module. What it answers is in how many seconds a Rollout is to be looked at."""

    def __init__(self, answered: Answered, clock: Clock) -> None:
        self._answered = answered
        self._clock = clock
        self._entries: dict[ObjectKey, _Entry] = {}

    def note(self, key: ObjectKey, calm: Calm) -> float:
        """Nothing is to be done, and nothing will be while the answers stay within its bands."""
        now, elapsed = self._clock.now(), self._clock.elapsed()
        ends = {
            question: elapsed + (end - now).total_seconds()
            for question, end in calm.stale_after.items()
        }
        self._entries[key] = _Entry(calm, ends)
        return self._look_in(self._entries[key])

    def stays(self, key: ObjectKey, answers: Mapping[str, Measurement]) -> float | None:
        """Whether these answers leave it calm; None where they do not, or it is not."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        facts, now = self._answered(key, answers), self._clock.now()
        if facts is None or not answers or not stays_calm(entry.calm, facts, now):
            self.forget(key)
            return None
        elapsed = self._clock.elapsed()
        for question, answer in answers.items():
            end = stale_after(answer, facts.evaluation_interval)
            entry.stale_after[question] = elapsed + (end - now).total_seconds()
        return self._look_in(entry)

    def forget(self, key: ObjectKey) -> None:
        """It is looked at now, or it is gone."""
        self._entries.pop(key, None)

    def _look_in(self, entry: _Entry) -> float:
        until = (entry.calm.until - self._clock.now()).total_seconds()
        stale = min(entry.stale_after.values()) - self._clock.elapsed()
        return max(0.0, min(until, stale)) + _JUST_AFTER
