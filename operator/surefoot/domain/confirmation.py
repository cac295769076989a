"""Whether a decision stands on facts that were gathered again just after it was made.

A decision is a function of the snapshot and of two moments: `now`, and the latest that it may be.
The snapshots are compared whole, so that a fact which is added one day is compared as well.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from surefoot.domain.facts.snapshot import Snapshot
from surefoot.domain.plan import Plan

SAME_MOMENT = timedelta(seconds=1)
"""A decision may be so old when fresh reads confirm it; then it is made again."""
DRIFT = timedelta(milliseconds=1)
"""By so much the doubt about the time grows in a moment by itself, as good clocks drift apart."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A plan, the facts that it was decided on, and the moment at which it was."""

    snapshot: Snapshot
    plan: Plan
    at: datetime

    def stands(self, snapshot: Snapshot, now: datetime) -> bool:
        """Whether the same would be decided on these facts now.

        It may have become less doubtful what time it is: what ends with time ends by the latest
        moment that it may be. Nothing may have changed by time alone up to that moment.
        """
        known = self.snapshot
        changes, latest = self.plan.next_change, now + snapshot.clock_uncertainty
        return (
            now - self.at <= SAME_MOMENT
            and snapshot.clock_uncertainty <= known.clock_uncertainty + DRIFT
            and (changes is None or latest < changes)
            and replace(snapshot, clock_uncertainty=known.clock_uncertainty) == known
        )
