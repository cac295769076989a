"""Ranges of percentages: what a move enters, and what a word on a request is about."""

from typing import NamedTuple

from surefoot.api.v1alpha1.approval import Approval, ApprovalRequest, Purpose
from surefoot.domain.derive.state import State
from surefoot.domain.facts.memory import remembered_with
from surefoot.domain.signoff.requests import Request

COMPLETED = 101
"""Completed lies beyond 100%."""


class PercentRange(NamedTuple):
    """Percentages above ``from_``, up to and with ``to``."""

    from_: int
    to: int

    def overlaps(self, other: "PercentRange") -> bool:
        """Whether some percentage lies in both."""
        return self.from_ < other.to and other.from_ < self.to


def range_of_move(state: State, to: int) -> PercentRange:
    """The range that a move upward to this percentage enters; from 100 it completes."""
    here = state.percent or 0
    return PercentRange(here, _reached(here, to))


@remembered_with
def range_of_request(request: Request) -> PercentRange:
    """The range that a word on a request is about.

    A signature is about the step that is taken. A report on a percentage, and what is said of its
    outcome, is about everything that lies above it.
    """
    asked = request.spec.request
    if not isinstance(asked, ApprovalRequest):
        return PercentRange(asked.percent, COMPLETED)
    if asked.purpose is Purpose.ACKNOWLEDGE:
        return PercentRange(asked.from_, COMPLETED)
    return PercentRange(asked.from_, _reached(asked.from_, asked.to))


def overlaps_next_step(state: State, approval: Approval) -> bool:
    """Whether the next step would enter percentages that this request was about.

    A NO-GO to 50% is one to 40% or 100% as well, until 50% is reached: another target does not get
    around it.
    """
    asked = approval.spec.request
    return (
        asked.rollout.uid == state.rollout.metadata.uid
        and asked.purpose is state.purpose
        and range_of_request(approval).overlaps(range_of_move(state, asked_percent(state)))
    )


def asked_percent(state: State) -> int:
    """The percentage asked for; from 100 to 100 means Completed."""
    return 100 if state.target_percent is None else state.target_percent


def _reached(from_: int, to: int) -> int:
    return COMPLETED if from_ == 100 else to
