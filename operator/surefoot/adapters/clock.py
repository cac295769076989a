"""The API server's time, from the `Date` of its answers and the monotonic clock.

The operator's own wall clock is never asked: it may be an hour off. A single `Date` is not believed
either, since an API server of several, or a proxy, may be hours off as well:

- The time that is believed changes only after all answers have agreed on another one for a minute.
- While answers disagree, `disagreement` says so, and `uncertainty` reaches to the latest time that
  several answers agree on.
- Time never runs faster than the monotonic clock, however the answers change. Where the believed
  time has to jump forward, the time that was left out is in `skipped`: it never passed, and counts
  for nothing. See decision 24.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import structlog

from surefoot.adapters.clock_estimates import DRIFT, TOLERANCE, Answer, Estimate, read_answer
from surefoot.api.v1alpha1.durations import in_words
from surefoot.domain.facts.clock import SkippedTime

log = structlog.get_logger(__name__)

SETTLE_ANSWERS = 5
SETTLE_SECONDS = 1.0
SETTLE_INDEPENDENT = 8
"""At the start all answers are heard for a second, and the time that most of them tell is believed.
So many of them are asked for on connections of their own."""
BELIEVE_AFTER = 60.0
BELIEVE_ANSWERS = 3
"""Another time is believed after no answer has contradicted it for so many seconds, and after so
many answers: on connections of their own, unless the difference is negligible."""
FORGET_AFTER = 120.0
FORGET_ANSWERS = 5
"""Another time is forgotten when it was not told for so many seconds, by so many answers."""
WIDEN_ANSWERS = 3
WIDEN_SECONDS = 2.0
"""How many answers over how many seconds must tell a later time before it widens the doubt: stamps
must not follow a single answer."""
WIDEST = timedelta(days=1).total_seconds()
"""The doubt is never widened by more: a stamp that is wrong by years cannot be taken back."""
NEGLIGIBLE = 2.0
"""Seconds by which API servers may differ without anyone being told."""
STEP_BACK = 3.0
"""A server clock that was set back by more than this is followed. Less is waited out."""
MOST_RIVALS = 8
MOST_SKIPS = 64


class ClockNotSetError(RuntimeError):
    """No answer of the API server has told the time yet."""


@dataclass(slots=True)
class ClockCounts:
    """How many answers told the time, and what was done with it."""

    agreed: int = 0
    disagreed: int = 0
    unusable: int = 0
    set_forward: int = 0
    set_back: int = 0


class _Ceiling(NamedTuple):
    """The highest difference that the clock may show without having left out time."""

    at: float
    offset: float


class _Skip(NamedTuple):
    start: float
    end: float


class ServerClock:
    """The `Clock` port. Feed it with ``observe`` at every answer of the API server itself."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._believed: Estimate | None = None
        self._rivals: list[Estimate] = []
        self._is_settled = False
        self._last = 0.0
        self._ceiling: _Ceiling | None = None
        self._skips: list[_Skip] = []
        self._is_disagreeing = False
        self.counts = ClockCounts()

    @property
    def is_set(self) -> bool:
        """Whether anything is known."""
        return self._believed is not None

    @property
    def wants_new_connections(self) -> bool:
        """Whether answers on connections of their own would tell more.

        Answers on one connection all come from the same API server. So others are wanted at the
        start, and while answers disagree.
        """
        if self._believed is None or self.disagreement_seconds > NEGLIGIBLE:
            return True
        return not self._is_settled and self._believed.independent < SETTLE_INDEPENDENT

    # Learning

    def observe(
        self, date: str, sent: float, received: float, *, is_independent: bool = True
    ) -> None:
        """Take in the `Date` of an answer to a request sent and received at these moments."""
        answer = read_answer(date, sent, received, is_independent=is_independent)
        if answer is None:
            self.counts.unusable += 1
        elif self._believed is None:
            self.counts.agreed += 1
            self._believed = Estimate(answer)
        else:
            self._compare(answer, self._believed)
        self._tell()

    def _compare(self, answer: Answer, believed: Estimate) -> None:
        agreeing = [rival for rival in self._rivals if rival.agrees(answer)]
        if believed.agrees(answer):
            self.counts.agreed += 1
            believed.add(answer)
            if not agreeing:
                for rival in self._rivals:
                    rival.oppose()
        else:
            self.counts.disagreed += 1
            self._support_rival(answer, agreeing)
        if self._is_settled:
            self._believe_unopposed_rival(believed)
            self._forget_rivals(answer)
        else:
            self._settle(answer)

    def _support_rival(self, answer: Answer, agreeing: list[Estimate]) -> None:
        if agreeing:
            rival = max(agreeing, key=lambda estimate: estimate.answers)
            rival.add(answer)
        else:
            rival = Estimate(answer)
            self._rivals = sorted(
                (*self._rivals, rival), key=lambda estimate: estimate.last_at, reverse=True
            )[:MOST_RIVALS]
        for other in self._rivals:
            if other is not rival and not other.agrees(answer):
                other.oppose()
        rival.support(answer)

    def _settle(self, answer: Answer) -> None:
        """At the start, believe what most answers tell; the earliest of those that are equal."""
        estimates = self._estimates()
        best = max(
            estimates,
            key=lambda estimate: (estimate.independent, estimate.answers, -estimate.lowest),
        )
        self._believed = best
        self._rivals = [estimate for estimate in estimates if estimate is not best]
        since = min(estimate.first_at for estimate in estimates)
        self._is_settled = (
            best.answers >= SETTLE_ANSWERS and answer.received - since >= SETTLE_SECONDS
        )
        if self._is_settled:
            self._follow_back(best)

    def _believe_unopposed_rival(self, believed: Estimate) -> None:
        for rival in self._rivals:
            is_negligible = rival.distance(believed) <= NEGLIGIBLE
            answers = rival.unopposed if is_negligible else rival.unopposed_independent
            unopposed_for = rival.last_at - rival.unopposed_since
            if answers >= BELIEVE_ANSWERS and unopposed_for >= BELIEVE_AFTER:
                self._believe(rival)
                return

    def _forget_rivals(self, answer: Answer) -> None:
        """Forget the times that answers have ceased to tell. Silence proves nothing."""
        for rival in self._rivals:
            rival.unheard += answer.received > rival.last_at
        self._rivals = [
            rival
            for rival in self._rivals
            if answer.received - rival.last_at < FORGET_AFTER or rival.unheard < FORGET_ANSWERS
        ]

    def _believe(self, rival: Estimate) -> None:
        believed = self._believed
        self._believed = rival
        self._rivals = [other for other in self._rivals if other is not rival]
        by = rival.lowest - (believed.lowest if believed is not None else 0.0)
        if by > 0:
            self.counts.set_forward += 1
        else:
            self.counts.set_back += 1
        log.warning("the API server's clock was set", by_seconds=round(by, 3))
        self._follow_back(rival)

    def _follow_back(self, estimate: Estimate) -> None:
        if self._last - (self._monotonic() + estimate.lowest) > STEP_BACK:
            self._last = 0.0

    def _tell(self) -> None:
        """Log that answers begin or cease to disagree."""
        fault = self.disagreement()
        if bool(fault) == self._is_disagreeing:
            return
        self._is_disagreeing = bool(fault)
        if fault:
            log.warning("the time of the API server is in doubt", fault=fault)
        else:
            log.info("the answers of the API server agree about the time again")

    def _estimates(self) -> list[Estimate]:
        return self._rivals if self._believed is None else [self._believed, *self._rivals]

    # Telling

    def now(self) -> datetime:
        """A moment that the API server's clock has reached, as far as its answers agree.

        It never goes back, unless the server's clock was set back by seconds.
        """
        return datetime.fromtimestamp(self._read()[0], UTC)

    def uncertainty(self) -> timedelta:
        """How much later than `now` it may be by the API server's clock."""
        now, latest = self._read()
        return timedelta(seconds=latest - now)

    def disagreement(self) -> str:
        """What is wrong with the answers, where they disagree about the time; else empty."""
        by = self.disagreement_seconds
        if by <= NEGLIGIBLE:
            return ""
        unit = 60 if by >= 3600 else 1
        length = in_words(timedelta(seconds=unit * round(by / unit)))
        return f"the API server's answers disagree about the time by {length}"

    @property
    def disagreement_seconds(self) -> float:
        """By how much answers differ from the time that is believed, at most."""
        believed = self._believed
        if believed is None:
            return 0.0
        return max((rival.distance(believed) for rival in self._rivals), default=0.0)

    def skipped(self) -> tuple[SkippedTime, ...]:
        """Times that never passed: the clock was set forward over them."""
        self._read()
        return tuple(
            SkippedTime(
                datetime.fromtimestamp(skip.start, UTC), datetime.fromtimestamp(skip.end, UTC)
            )
            for skip in self._skips
        )

    def elapsed(self) -> float:
        """Seconds on the monotonic clock."""
        return self._monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(max(0.0, seconds))

    def _read(self) -> tuple[float, float]:
        """The present time, and the latest that it may be."""
        believed = self._believed
        if believed is None:
            raise ClockNotSetError("no answer of the API server has told the time yet")
        at = self._monotonic()
        if self._is_settled:
            now = self._last = max(self._last, at + believed.lowest)
            latest = max(now, at + self._widened(believed))
        else:
            estimates = self._estimates()
            now = self._last = at + min(estimate.lowest for estimate in estimates)
            latest = at + max(estimate.highest for estimate in estimates)
        self._account(at, now, latest, believed)
        return now, latest

    def _widened(self, believed: Estimate) -> float:
        later = [
            rival.highest
            for rival in self._rivals
            if rival.answers >= WIDEN_ANSWERS and rival.last_at - rival.first_at >= WIDEN_SECONDS
        ]
        return min(max((believed.highest, *later)), believed.highest + WIDEST)

    def _account(self, at: float, now: float, latest: float, believed: Estimate) -> None:
        """Record what the clock left out.

        Whatever was stamped with the latest time so far, the clock has gained nothing on it but
        what the monotonic clock measured, a drift, and what is recorded as skipped.
        """
        offset = now - at
        if self._ceiling is None:
            self._ceiling = _Ceiling(at, latest - at)
            return
        allowed = self._ceiling.offset + DRIFT * (at - self._ceiling.at)
        if offset <= allowed + TOLERANCE:
            self._ceiling = _Ceiling(at, min(allowed, latest - at))
            return
        highest = max(offset, believed.highest)
        self._skips.append(_Skip(at + allowed, at + highest))
        if len(self._skips) > MOST_SKIPS:
            first, second, *others = self._skips
            self._skips = [
                _Skip(min(first.start, second.start), max(first.end, second.end)),
                *others,
            ]
        self._ceiling = _Ceiling(at, highest)
