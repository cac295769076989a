"""The stretch of percentages that the next step enters, and which signatures are about it."""

from surefoot.api.v1alpha1.approval import Approval
from surefoot.domain.derive.state import State


def overlaps_next_step(situation: State, approval: Approval) -> bool:
    """Whether the next step would enter percentages that this request was about.

    A NO-GO to 50 % is one to 40 % or 100 % as well, until 50 % is reached. Another target does not
    get around it.
    """
    asked = approval.spec.request
    if asked.rollout.uid != situation.rollout.metadata.uid:
        return False
    if asked.purpose is not situation.purpose:
        return False
    from_, to = _stretch(asked.from_, asked.to)
    here, there = _stretch(situation.percent or 0, asked_percent(situation))
    return from_ < there and here < to


def _stretch(from_: int, to: int) -> tuple[int, int]:
    """The percentages that are left and entered; Completed lies beyond 100."""
    return from_, 101 if from_ == 100 else to


def asked_percent(situation: State) -> int:
    """The percentage asked for; from 100 to 100 means Completed."""
    return 100 if situation.target_percent is None else situation.target_percent
