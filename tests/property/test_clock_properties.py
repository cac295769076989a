"""Whatever the answers say, the clock gives no time away.

Hypothesis builds the worlds here: answers of a server whose clock is right, mixed with answers
whose `Date` is wrong by anything, with gaps, slow ways and clocks that are really set.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from surefoot.adapters.clock import ServerClock
from surefoot.adapters.clock_estimates import DRIFT, TOLERANCE
from surefoot.application.ports import SkippedTime

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NOTHING = timedelta(0)
ROUNDING = 0.001
"""Seconds, for floats and microseconds."""

ERRORS = st.sampled_from([0.0, 0.2, 1.0, 1.6, 4.0, 3600.0, 18_000.0, 172_800.0, 4e6]).flatmap(
    lambda size: st.sampled_from([size, -size])
) | st.floats(-1e6, 1e6)


class Answer(NamedTuple):
    """One answer: how long after the last, how slow, how wrong, and whether the clock is read."""

    after: float
    there: float
    back: float
    wrong_by: float
    is_independent: bool
    is_read: bool


ANSWERS = st.builds(
    Answer,
    after=st.sampled_from([0.03, 1.3, 7.1, 22.0, 61.0, 130.0]),
    there=st.sampled_from([0.001, 0.05, 4.0]),
    back=st.sampled_from([0.001, 0.05, 4.0]),
    wrong_by=ERRORS,
    is_independent=st.booleans(),
    is_read=st.booleans(),
)


class Reading(NamedTuple):
    """What the clock said at a moment of monotonic time."""

    at: float
    now: datetime
    stamp: datetime
    skipped: tuple[SkippedTime, ...]


class Operator:
    """An operator with a clock, a monotonic clock, and the truth."""

    def __init__(self) -> None:
        self.monotonic = 5000.25
        self.offset = NOON.timestamp() - 5000.0
        self.clock = ServerClock(lambda: self.monotonic)
        self.readings: list[Reading] = []

    @property
    def truth(self) -> datetime:
        return datetime.fromtimestamp(self.monotonic + self.offset, UTC)

    def hears(self, answer: Answer) -> None:
        self.monotonic += answer.after
        sent = self.monotonic
        self.monotonic += answer.there
        said = (self.truth + timedelta(seconds=answer.wrong_by)).replace(microsecond=0)
        self.monotonic += answer.back
        date = format_datetime(said, usegmt=True)
        self.clock.observe(date, sent, self.monotonic, is_independent=answer.is_independent)
        if answer.is_read and self.clock.is_set:
            self.reads()

    def reads(self) -> Reading:
        now = self.clock.now()
        stamp = now + self.clock.uncertainty()
        self.readings.append(Reading(self.monotonic, now, stamp, self.clock.skipped()))
        return self.readings[-1]

    def probes(self) -> None:
        for _ in range(40):
            self.hears(RIGHT._replace(after=0.026))


RIGHT = Answer(5.3, 0.004, 0.004, 0.0, is_independent=True, is_read=False)


def overlap(start: datetime, end: datetime, skipped: Sequence[SkippedTime]) -> timedelta:
    """How much of this time never passed."""
    moments = sorted({start, end, *(m for skip in skipped for m in skip if start < m < end)})
    pieces = pairwise(moments)
    return sum(
        (
            until - since
            for since, until in pieces
            if any(skip.start <= since and until <= skip.end for skip in skipped)
        ),
        NOTHING,
    )


def soaked(readings: Sequence[Reading]) -> float:
    """A soak account begun at the stamp of the first reading, and closed at each later one."""
    observed, healthy = readings[0].stamp, NOTHING
    for reading in readings[1:]:
        if reading.now > observed:
            healthy += reading.now - observed - overlap(observed, reading.now, reading.skipped)
            observed = reading.now
    return healthy.total_seconds()


@given(st.lists(ANSWERS, max_size=60))
def test_no_soak_is_longer_than_the_time_that_passed(answers: list[Answer]) -> None:
    """Whatever is answered: by no more than the drift and a tenth of a second."""
    operator = Operator()
    for answer in answers:
        operator.hears(answer)
    if operator.readings:
        elapsed = operator.readings[-1].at - operator.readings[0].at
        bound = elapsed * (1 + DRIFT) + TOLERANCE + ROUNDING
        assert soaked(operator.readings) <= bound


@given(st.lists(ANSWERS, max_size=40), st.sampled_from([0.0, 3600.0, -3600.0, 4e6, -0.7]))
def test_clock_converges_when_the_answers_agree_again(answers: list[Answer], step: float) -> None:
    """Within five minutes, also where the server's clock was really set."""
    operator = Operator()
    for answer in answers:
        operator.hears(answer)
    operator.offset += step
    for number in range(65):
        operator.hears(RIGHT._replace(after=5.0 + number % 7 / 10))
    reading = operator.reads()
    assert operator.clock.disagreement() == ""
    assert abs((reading.now - operator.truth).total_seconds()) < 2.0
    assert (reading.stamp - operator.truth).total_seconds() > -2.0
    assert (reading.stamp - reading.now).total_seconds() < 4.0


OUTLIERS = st.lists(
    st.tuples(st.sampled_from([3.0, -3.0, 3600.0, -3600.0, 172_800.0, -172_800.0, 4e8, -6e7])),
    min_size=0,
    max_size=4,
)


@given(st.lists(OUTLIERS, max_size=25))
def test_outliers_among_right_answers_change_nothing(rounds: list[list[tuple[float]]]) -> None:
    """As long as right answers come in between, the time is right and no time is left out."""
    operator = Operator()
    operator.probes()
    for outliers in rounds:
        for (wrong_by,) in outliers:
            operator.hears(RIGHT._replace(wrong_by=wrong_by))
        operator.hears(RIGHT)
        reading = operator.reads()
        assert -1.1 < (reading.now - operator.truth).total_seconds() <= TOLERANCE + ROUNDING
        assert reading.stamp >= operator.truth - timedelta(seconds=TOLERANCE)
        assert reading.skipped == ()
        assert bool(operator.clock.disagreement()) == bool(operator.clock.wants_new_connections)


@given(st.text(max_size=40))
def test_any_text_is_taken_for_a_date_or_left(text: str) -> None:
    """No answer can make the clock fail."""
    operator = Operator()
    operator.clock.observe(text, 1.0, 1.0)
    operator.probes()
    assert abs((operator.reads().now - operator.truth).total_seconds()) < 1.1
