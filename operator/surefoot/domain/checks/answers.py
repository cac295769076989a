"""When the answers come that a clock is judged by: a check holds no sooner than data say so."""

from datetime import datetime, timedelta

from surefoot.domain.derive.state import State
from surefoot.domain.facts.questions import first_end_at, last_point

_TICK = timedelta(microseconds=1)


def first_answer_at(state: State, moment: datetime, step: timedelta) -> datetime:
    """The first moment from this one on that an answer is about; one that is late comes after now.

    Only for what the answers up to now have not shown yet.
    """
    interval = state.snapshot.evaluation_interval
    known = last_point(state.now, step, interval)
    return first_end_at(max(moment, state.now + _TICK), known, min(step, interval))
