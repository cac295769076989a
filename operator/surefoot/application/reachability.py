"""Says in the log when a metrics provider begins to be unreachable, and when it no longer is."""

from collections import defaultdict
from collections.abc import Hashable

import structlog

from surefoot.domain.facts.measurements import Measurement, Outcome

log = structlog.get_logger(__name__)


class ReachabilityLog:
    """One line for a provider, however many questions it does not answer."""

    def __init__(self) -> None:
        self._unanswered: defaultdict[str, set[Hashable]] = defaultdict(set)

    def note(self, provider: str, question: Hashable, answer: Measurement) -> None:
        """An answer came, or what there is instead of one."""
        unanswered = self._unanswered[provider]
        were_answered = not unanswered
        if answer.outcome is Outcome.UNREACHABLE:
            unanswered.add(question)
            if were_answered:
                log.warning(
                    "a metrics provider does not answer", provider=provider, fault=answer.message
                )
        elif not were_answered:
            unanswered.discard(question)
            if not unanswered:
                log.info("the metrics provider answers again", provider=provider)

    def forget(self, provider: str, question: Hashable) -> None:
        """The question is asked no more."""
        self._unanswered[provider].discard(question)
