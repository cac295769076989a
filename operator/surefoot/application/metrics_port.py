"""The port to metrics providers. Answers are values: a provider that is down is an outcome."""

from typing import Protocol

from surefoot.domain.facts.measurements import Measurement, QueryFacts, RangeQuery


class MetricsProvider(Protocol):
    """One provider, of whatever type: it knows the language of its queries."""

    async def inspect(self, query: str) -> QueryFacts:
        """What the text of a query tells. Parsing takes time, and none of the event loop's."""

    async def measure(self, query: RangeQuery) -> Measurement:
        """Ask one query. Never raises: what went wrong is the measurement's outcome."""

    async def close(self) -> None:
        """Let go of every connection, without waiting for answers that may never come."""


class MetricsProviders(Protocol):
    """The providers that the administrator configured, by name."""

    def names(self, namespace: str) -> frozenset[str]:
        """Names of the providers that Rollouts of this namespace may use."""

    async def inspect(self, provider: str, query: str) -> QueryFacts:
        """What the text of a query tells to a provider. A provider that is not there knows none."""

    async def measure(self, query: RangeQuery) -> Measurement:
        """Ask one query. Never raises: what went wrong is the measurement's outcome."""
