"""The port to metrics providers. Answers are values: a provider that is down is an outcome."""

from typing import Protocol

from surefoot.domain.facts.measurements import Measurement, QueryFacts, RangeQuery


class MetricsProviders(Protocol):
    """The providers that the administrator configured, by name."""

    def names(self, namespace: str) -> frozenset[str]:
        """Names of the providers that Rollouts of this namespace may use."""

    async def inspect(self, promql: str) -> QueryFacts:
        """What the text of a query tells. Parsing takes time, and none of the event loop's."""

    async def measure(self, query: RangeQuery) -> Measurement:
        """Ask one question. Never raises: what went wrong is the measurement's outcome."""
