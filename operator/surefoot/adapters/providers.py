"""The metrics providers that the administrator configured: one object of its type for each."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from surefoot.adapters.prometheus.provider import PrometheusProvider
from surefoot.adapters.provider_settings import ProviderSettings, ProviderType
from surefoot.application.metrics_port import MetricsProvider
from surefoot.domain.facts.measurements import (
    UNKNOWN_QUERY,
    Measurement,
    Outcome,
    QueryFacts,
    RangeQuery,
)

Maker = Callable[[ProviderSettings, Callable[[], datetime]], MetricsProvider]

MAKERS: Mapping[ProviderType, Maker] = {
    ProviderType.PROMETHEUS: PrometheusProvider,
}
"""By type, what makes a provider of its settings and of the API server's time."""


class _Configured(NamedTuple):
    settings: ProviderSettings
    provider: MetricsProvider


class Providers:
    """The `MetricsProviders` port, whose settings can be exchanged while it is used."""

    def __init__(
        self,
        settings: Iterable[ProviderSettings],
        now: Callable[[], datetime],
        makers: Mapping[ProviderType, Maker] = MAKERS,
    ) -> None:
        self._now = now
        self._makers = makers
        self._providers: dict[str, _Configured] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._take(settings)

    def exchange(self, settings: Iterable[ProviderSettings]) -> None:
        """Use other settings from now on. What is as before keeps its connections."""
        old = self._providers
        self._take(settings)
        for configured in old.values():
            if configured not in self._providers.values():
                closing = asyncio.ensure_future(configured.provider.close())
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)

    def _take(self, settings: Iterable[ProviderSettings]) -> None:
        known, self._providers = self._providers, {}
        for provider_settings in settings:
            present = known.get(provider_settings.name)
            if present is None or present.settings != provider_settings:
                present = _Configured(
                    provider_settings,
                    self._makers[provider_settings.type](provider_settings, self._now),
                )
            self._providers[provider_settings.name] = present

    def names(self, namespace: str) -> frozenset[str]:
        """Names of the providers that Rollouts of this namespace may use."""
        return frozenset(
            name
            for name, configured in self._providers.items()
            if configured.settings.serves(namespace)
        )

    async def inspect(self, provider: str, query: str) -> QueryFacts:
        """What the text of a query tells to its provider; nothing where there is no such one."""
        configured = self._providers.get(provider)
        return UNKNOWN_QUERY if configured is None else await configured.provider.inspect(query)

    async def measure(self, query: RangeQuery) -> Measurement:
        """Ask one query. Never raises: what went wrong is the measurement's outcome."""
        configured = self._providers.get(query.provider)
        if configured is not None:
            return await configured.provider.measure(query)
        known = ", ".join(sorted(self._providers)) or "none"
        return Measurement(
            start=query.start,
            end=query.end,
            step=query.step,
            samples=(),
            outcome=Outcome.INVALID,
            message=f'provider "{query.provider}" is not configured (there are: {known}); '
            f"query: {query.query[:300]}",
            observed_at=self._now(),
        )

    async def close(self) -> None:
        """Let go of every connection."""
        closing = (configured.provider.close() for configured in self._providers.values())
        await asyncio.gather(*closing, *self._closing)
