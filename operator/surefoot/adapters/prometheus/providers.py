"""The port to metrics providers, made of connections, judgements and a clock."""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from surefoot.adapters.prometheus import queries
from surefoot.adapters.prometheus.answers import (
    Verdict,
    Window,
    judge_age,
    judge_range,
)
from surefoot.adapters.prometheus.connection import Connection
from surefoot.adapters.prometheus.words import one_line
from surefoot.adapters.provider_settings import ProviderSettings
from surefoot.domain.facts.measurements import (
    UNKNOWN_QUERY,
    Measurement,
    Outcome,
    QueryFacts,
    RangeQuery,
)

_SHOWN_QUERY = 300


@dataclass(frozen=True, slots=True)
class _Provider:
    settings: ProviderSettings
    connection: Connection


class PrometheusProviders:
    """All configured providers by name; belongs to one event loop.

    Each has its own threads and its own connections, so that one which hangs delays no other. An
    answer takes at most the provider's timeout, and at most as long again in its waiting line.
    """

    def __init__(
        self, settings: Iterable[ProviderSettings], *, now: Callable[[], datetime]
    ) -> None:
        self._now = now
        # The parser holds the interpreter's lock: more threads than one would gain nothing.
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="promql")
        self._closed = False
        self._providers = {each.name: _Provider(each, Connection(each)) for each in settings}

    def names(self, namespace: str) -> frozenset[str]:
        """Names of the providers that Rollouts of this namespace may use."""
        return frozenset(
            name for name, each in self._providers.items() if each.settings.serves(namespace)
        )

    async def inspect(self, promql: str) -> QueryFacts:
        """What the text of a query tells. It is parsed in a thread, and remembered."""
        return (await self._read(promql)).facts

    async def _read(self, promql: str) -> queries.Query:
        known = queries.remembered(promql)
        if known is not None:
            return known
        if self._closed:
            # Others are in use by now, and will be asked.
            return queries.Query(UNKNOWN_QUERY)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reader, queries.read, promql)

    async def measure(self, query: RangeQuery) -> Measurement:
        """Ask one question. Never raises: what went wrong is the measurement's outcome."""
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
            message=f'provider "{query.provider}" {verdict.text}; '
            f"query: {one_line(query.promql, _SHOWN_QUERY)}",
            observed_at=self._now(),
            fresh_until=verdict.sampled_at + limit if limit and verdict.sampled_at else None,
        )

    def close(self) -> None:
        """Let go of every connection, without waiting for answers that may never come."""
        self._closed = True
        self._reader.shutdown(wait=False, cancel_futures=True)
        for each in self._providers.values():
            each.connection.close()

    async def _judge(self, query: RangeQuery, window: Window) -> Verdict:
        provider = self._providers.get(query.provider)
        if provider is None:
            known = ", ".join(sorted(self._providers)) or "none"
            return Verdict(Outcome.INVALID, f"is not configured (there are: {known})")
        asked = await self._read(query.promql)
        if asked.facts.fault is not None:
            return Verdict(Outcome.INVALID, f"was not asked: {asked.facts.fault}")
        answer = await provider.connection.ask_range(query.promql, window)
        if isinstance(answer, Verdict):
            return answer
        # Thousands of points take their time, and it is not the event loop's.
        verdict = await asyncio.to_thread(judge_range, answer.envelope, answer.result, window)
        if verdict.outcome is not Outcome.VALUE or query.stale_after is None or not asked.inputs:
            return verdict
        age = await self._judge_age(provider, asked.inputs, window.end, query.stale_after)
        return age if isinstance(age, Verdict) else replace(verdict, sampled_at=age)

    async def _judge_age(
        self,
        provider: _Provider,
        inputs: tuple[queries.Input, ...],
        at: datetime,
        limit: timedelta,
    ) -> Verdict | datetime:
        answer = await provider.connection.ask_instant(queries.freshness_query(inputs), at)
        verdict = (
            answer
            if isinstance(answer, Verdict)
            else judge_age(answer.envelope, answer.result, inputs=inputs, at=at, limit=limit)
        )
        if isinstance(verdict, datetime) or verdict.outcome is Outcome.STALE:
            return verdict
        return replace(verdict, text=f"{verdict.text} (when asked how old its samples are)")
