"""Prometheus, or anything that speaks its query API, as a metrics provider."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

from surefoot.adapters.prometheus import queries
from surefoot.adapters.prometheus.answers import Verdict, Window, judge_age, judge_range
from surefoot.adapters.prometheus.connection import Connection
from surefoot.adapters.prometheus.direct import DirectConnection
from surefoot.adapters.prometheus.words import one_line
from surefoot.adapters.provider_settings import ProviderSettings
from surefoot.domain.facts.measurements import Measurement, Outcome, QueryFacts, RangeQuery

_SHOWN_QUERY = 300
_FEW_POINTS = 500
"""Up to so many points are judged at once, in a millisecond; to hand them over would cost more."""

# The parser holds the interpreter's lock: more threads than one would gain nothing.
_reader = ThreadPoolExecutor(1, thread_name_prefix="promql")


class PrometheusProvider:
    """One provider; belongs to one event loop.

    It has its own connections, so that one which hangs delays no other. An answer takes at most the
    provider's timeout, and at most as long again in its waiting line.
    """

    def __init__(
        self,
        settings: ProviderSettings,
        now: Callable[[], datetime],
        *,
        connect: Callable[[ProviderSettings], Connection] = DirectConnection,
    ) -> None:
        self._name = settings.name
        self._now = now
        self._connection = connect(settings)

    async def inspect(self, query: str) -> QueryFacts:
        """What the text of a query tells. It is parsed in a thread, and remembered."""
        return (await _read(query)).facts

    async def measure(self, query: RangeQuery) -> Measurement:
        """Ask one query. Never raises: what went wrong is the measurement's outcome."""
        limit = query.stale_after
        if query.step <= timedelta(0) or query.end < query.start:
            window = Window(query.end, query.step, 0)
            verdict = Verdict(Outcome.INVALID, "was not asked: the window is empty")
        else:
            window = Window.of(query)
            verdict = await self._judge(query, window)
        return Measurement(
            start=window.start,
            end=window.end,
            step=window.step,
            samples=verdict.samples,
            outcome=verdict.outcome,
            message=f'provider "{self._name}" {verdict.text}; '
            f"query: {one_line(query.query, _SHOWN_QUERY)}",
            observed_at=self._now(),
            fresh_until=verdict.sampled_at + limit if limit and verdict.sampled_at else None,
        )

    async def close(self) -> None:
        """Let go of every connection, without waiting for answers that may never come."""
        await self._connection.close()

    async def _judge(self, query: RangeQuery, window: Window) -> Verdict:
        asked = await _read(query.query)
        if asked.facts.fault is not None:
            return Verdict(Outcome.INVALID, f"was not asked: {asked.facts.fault}")
        answer = await self._connection.ask_range(query.query, window)
        if isinstance(answer, Verdict):
            return answer
        if window.intervals <= _FEW_POINTS:
            verdict = judge_range(answer, window)
        else:  # thousands of points take their time, and it is not the event loop's
            verdict = await asyncio.to_thread(judge_range, answer, window)
        if verdict.outcome is not Outcome.VALUE or query.stale_after is None or not asked.inputs:
            return verdict
        age = await self._judge_age(asked.inputs, window.end, query.stale_after)
        return age if isinstance(age, Verdict) else replace(verdict, sampled_at=age)

    async def _judge_age(
        self, inputs: tuple[queries.Input, ...], at: datetime, limit: timedelta
    ) -> Verdict | datetime:
        answer = await self._connection.ask_instant(queries.freshness_query(inputs), at)
        verdict = (
            answer
            if isinstance(answer, Verdict)
            else judge_age(answer, inputs=inputs, at=at, limit=limit)
        )
        if isinstance(verdict, datetime) or verdict.outcome is Outcome.STALE:
            return verdict
        return replace(verdict, text=f"{verdict.text} (when asked how old its samples are)")


async def _read(promql: str) -> queries.Query:
    known = queries.remembered(promql)
    if known is not None:
        return known
    return await asyncio.get_running_loop().run_in_executor(_reader, queries.read, promql)
