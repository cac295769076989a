"""The API server's time, told from cut seconds and a monotonic clock."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from surefoot.adapters.clock import ClockNotSetError, ServerClock

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOTHING = timedelta(0)
SECOND = timedelta(seconds=1)


class Server:
    """A server whose clock we know, and a clock that learns it from answers."""

    def __init__(self, starts_at: datetime = NOON) -> None:
        self.monotonic = 5000.0
        self.offset = starts_at.timestamp() - self.monotonic
        self.clock = ServerClock(lambda: self.monotonic)

    @property
    def true_time(self) -> datetime:
        return datetime.fromtimestamp(self.monotonic + self.offset, UTC)

    def answers(
        self,
        *,
        there: float = 0.004,
        back: float = 0.004,
        wrong_by: timedelta = NOTHING,
        is_independent: bool = True,
    ) -> None:
        """One request, with its times on the way, perhaps to a server with a wrong clock."""
        sent = self.monotonic
        self.monotonic += there
        stamp = (self.true_time + wrong_by).replace(microsecond=0)
        self.monotonic += back
        self.clock.observe(
            format_datetime(stamp, usegmt=True),
            sent,
            self.monotonic,
            is_independent=is_independent,
        )

    def serves(self, seconds: float, every: float = 5.3, wrong_by: timedelta = NOTHING) -> None:
        """Asked now and then, as an operator at work does."""
        end = self.monotonic + seconds
        while self.monotonic < end:
            self.monotonic += every
            self.answers(wrong_by=wrong_by)

    @property
    def stamp(self) -> datetime:
        """What a commit at this moment is stamped with."""
        return self.clock.now() + self.clock.uncertainty()

    def credited_since(self, stamp: datetime) -> timedelta:
        """The time that something begun at this stamp may count now."""
        now = self.clock.now()
        skipped = sum(
            (
                max(NOTHING, min(skip.end, now) - max(skip.start, stamp))
                for skip in self.clock.skipped()
            ),
            NOTHING,
        )
        return now - stamp - skipped

    def probed(self, times: int = 40, over: float = 1.05) -> None:
        """Asked often, as at the start."""
        for _ in range(times):
            self.answers()
            self.monotonic += over / times


def test_nobody_knows_the_time_before_the_first_answer() -> None:
    """The operator's own clock is no substitute."""
    with pytest.raises(ClockNotSetError):
        ServerClock().now()


def test_one_answer_leaves_a_second_of_doubt() -> None:
    """The date was cut: it may be almost a second later."""
    server = Server(NOON + timedelta(seconds=0.7))
    server.answers()
    assert server.clock.now() <= server.true_time
    assert timedelta(seconds=1) <= server.clock.uncertainty() < timedelta(seconds=1.02)


@pytest.mark.parametrize("fraction", [0.0, 0.2, 0.5, 0.999])
def test_probing_over_a_tick_narrows_the_doubt_to_hundredths(fraction: float) -> None:
    """And the truth lies within the bounds."""
    server = Server(NOON + timedelta(seconds=fraction))
    server.probed()
    now, doubt = server.clock.now(), server.clock.uncertainty()
    assert now <= server.true_time <= now + doubt
    assert doubt < timedelta(milliseconds=60)


def test_operators_own_clock_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour ahead, it is not asked."""
    monkeypatch.setattr("time.time", (NOON + HOUR).timestamp)
    server = Server()
    server.probed()
    assert abs(server.clock.now() - server.true_time) < timedelta(milliseconds=60)


def test_time_goes_on_between_answers_and_never_back() -> None:
    """Also while answers narrow the bounds."""
    server = Server(NOON + timedelta(seconds=0.3))
    server.answers()
    seen = [server.clock.now()]
    for _ in range(500):
        server.monotonic += 0.017
        server.answers(there=0.001, back=0.03)
        seen.append(server.clock.now())
    assert seen == sorted(seen)
    server.monotonic += 3600
    assert server.clock.now() >= seen[-1] + HOUR


def test_slow_answer_does_not_mislead() -> None:
    """It only says less."""
    server = Server(NOON + timedelta(seconds=0.5))
    server.probed()
    server.answers(there=4.0, back=5.0)
    now = server.clock.now()
    assert now <= server.true_time <= now + server.clock.uncertainty()
    assert server.clock.uncertainty() < timedelta(milliseconds=60)


@pytest.mark.parametrize("by", [HOUR, -HOUR, 4000 * HOUR, -4000 * HOUR])
def test_server_whose_clock_was_set_is_followed(by: timedelta) -> None:
    """Forwards and backwards: standing still for an hour would stop every rollback.

    It takes a minute, in which every answer has told the new time.
    """
    server = Server()
    server.probed()
    server.offset += by.total_seconds()
    server.serves(75)
    assert abs(server.clock.now() - server.true_time) < SECOND
    assert server.clock.disagreement() == ""
    server.probed()
    assert abs(server.clock.now() - server.true_time) < timedelta(milliseconds=100)
    assert server.clock.uncertainty() < timedelta(milliseconds=150)


@pytest.mark.parametrize("by", [HOUR, -HOUR, 4000 * HOUR, -4000 * HOUR, 5 * SECOND, -5 * SECOND])
def test_single_date_far_from_the_known_bounds_moves_nothing(by: timedelta) -> None:
    """Neither the time nor what a commit is stamped with."""
    server = Server()
    server.probed()
    server.answers(wrong_by=by)
    assert abs(server.clock.now() - server.true_time) < timedelta(milliseconds=60)
    assert NOTHING <= server.stamp - server.true_time < timedelta(milliseconds=60)


@pytest.mark.parametrize("by", [48 * HOUR, -48 * HOUR])
def test_disagreement_is_told_and_ends(by: timedelta) -> None:
    """It is over when no answer has told the other time for two minutes."""
    server = Server()
    server.probed()
    assert server.clock.disagreement() == ""
    server.answers(wrong_by=by)
    text = "the API server's answers disagree about the time by 48h"
    assert server.clock.disagreement() == text
    server.serves(110)
    assert server.clock.disagreement() == text
    server.serves(20)
    assert server.clock.disagreement() == ""
    assert server.clock.skipped() == ()
    assert (server.clock.counts.disagreed, server.clock.counts.set_forward) == (1, 0)


@pytest.mark.parametrize("by", [5 * HOUR, -5 * HOUR])
def test_one_of_several_servers_that_is_hours_off_is_never_believed(by: timedelta) -> None:
    """Their answers alternate, for hours."""
    server = Server()
    server.probed()
    start, stamp = server.true_time, server.stamp
    for _ in range(600):
        server.serves(10)
        server.serves(10, wrong_by=by)
        assert abs(server.clock.now() - server.true_time) < SECOND
    assert server.clock.disagreement()
    assert server.clock.skipped() == ()
    assert server.credited_since(stamp) <= server.true_time - start


def test_later_time_that_several_answers_agree_on_widens_the_doubt() -> None:
    """Either of them may be right. A stamp that gates something takes the later one."""
    server = Server()
    server.probed()
    for _ in range(3):
        server.serves(5)
        server.serves(5, wrong_by=5 * HOUR)
    assert 5 * HOUR <= server.clock.uncertainty() < 5 * HOUR + 2 * SECOND
    server.serves(130)
    assert server.clock.uncertainty() < SECOND


def test_doubt_is_never_wider_than_a_day() -> None:
    """A commit that is stamped with another century cannot be taken back."""
    server = Server()
    server.probed()
    for _ in range(5):
        server.serves(10, wrong_by=800_000 * HOUR)
        server.serves(10)
    assert server.clock.disagreement()
    assert server.clock.uncertainty() < 24 * HOUR + 2 * SECOND


@pytest.mark.parametrize("by", [HOUR, -HOUR])
def test_answers_on_one_connection_are_not_believed_against_others(by: timedelta) -> None:
    """They all come from the same API server. Connections of their own are asked for."""
    server = Server()
    server.probed()
    assert not server.clock.wants_new_connections
    for _ in range(100):
        server.monotonic += 5
        server.answers(wrong_by=by, is_independent=False)
    assert abs(server.clock.now() - server.true_time) < SECOND
    assert server.clock.wants_new_connections


@pytest.mark.parametrize("by", [48 * HOUR, -48 * HOUR, 3 * SECOND, 0.6 * SECOND])
@pytest.mark.parametrize("first", [1, 3, 15])
def test_first_answers_that_are_wrong_are_outvoted(by: timedelta, first: int) -> None:
    """Nothing is known before. Within the first second, most answers decide."""
    server = Server()
    for _ in range(first):
        server.answers(wrong_by=by)
    server.probed()
    assert abs(server.clock.now() - server.true_time) < SECOND
    assert server.stamp >= server.true_time


@pytest.mark.parametrize("by", [48 * HOUR, -48 * HOUR])
def test_time_that_is_asked_for_before_it_is_known_does_no_harm(by: timedelta) -> None:
    """It was read after the first answer, which was wrong."""
    server = Server()
    server.answers(wrong_by=by)
    stamp, began = server.stamp, server.monotonic
    server.probed()
    server.serves(300)
    assert abs(server.clock.now() - server.true_time) < SECOND
    assert server.credited_since(stamp).total_seconds() <= server.monotonic - began + 0.3


@pytest.mark.parametrize("by", [48 * HOUR, -48 * HOUR])
def test_step_of_the_servers_clock_is_credited_to_nothing(by: timedelta) -> None:
    """A soak that began before it has exactly the time that passed, or less."""
    server = Server()
    server.probed()
    stamp, began = server.stamp, server.monotonic
    server.serves(60)
    server.offset += by.total_seconds()
    server.serves(180)
    assert abs(server.clock.now() - server.true_time) < SECOND
    assert server.credited_since(stamp).total_seconds() <= server.monotonic - began + 0.3
    if by > NOTHING:
        assert server.credited_since(stamp).total_seconds() >= server.monotonic - began - 2
        (skip,) = server.clock.skipped()
        assert abs(skip.end - skip.start - by) < 2 * SECOND


def test_commit_stamped_while_all_answers_were_early_gives_nothing_away() -> None:
    """The only API server that answered at the start was two days behind."""
    server = Server()
    server.offset -= (48 * HOUR).total_seconds()
    server.probed()
    stamp, began = server.stamp, server.monotonic
    server.offset += (48 * HOUR).total_seconds()
    server.serves(180)
    assert abs(server.clock.now() - server.true_time) < SECOND
    assert server.credited_since(stamp).total_seconds() <= server.monotonic - began + 0.3


def test_suspended_monotonic_clock_is_a_step() -> None:
    """The time of the suspension is not credited: nobody watched."""
    server = Server()
    server.probed()
    stamp, began = server.stamp, server.monotonic
    server.offset += 30_000  # the server's clock went on, the monotonic one did not
    assert server.clock.now() <= server.true_time
    server.serves(75)
    assert abs(server.clock.now() - server.true_time) < SECOND
    assert server.credited_since(stamp).total_seconds() <= server.monotonic - began + 0.3


@pytest.mark.parametrize("skew", [timedelta(seconds=s) for s in (0.3, -0.3, 1.4, -1.4)])
def test_servers_that_differ_a_little_disturb_nobody(skew: timedelta) -> None:
    """Behind one address, with clocks that are kept by NTP."""
    server = Server()
    server.probed()
    for _ in range(200):
        server.serves(7, every=1.7)
        server.serves(7, every=1.7, wrong_by=skew)
        assert server.clock.disagreement() == ""
        assert not server.clock.wants_new_connections
        assert abs(server.clock.now() - server.true_time) < 2 * SECOND


@pytest.mark.parametrize("by", [0.5 * SECOND, -0.5 * SECOND, 1.7 * SECOND])
def test_small_step_is_followed_on_one_connection(by: timedelta) -> None:
    """No other connection is asked for then, which would slow every request down."""
    server = Server()
    server.probed()
    server.offset += by.total_seconds()
    for _ in range(200):
        server.monotonic += 5.3
        server.answers(is_independent=False)
    assert abs(server.clock.now() - server.true_time) < timedelta(milliseconds=500)
    assert server.clock.now() <= server.true_time + timedelta(milliseconds=100)


def test_small_step_back_is_waited_out() -> None:
    """API servers behind one address differ a little; time does not go back for that."""
    server = Server()
    server.probed()
    before = server.clock.now()
    server.offset -= 1.5
    server.answers()
    assert server.clock.now() >= before


def test_drift_is_followed() -> None:
    """Old answers are forgotten, so that bounds do not grow stale."""
    server = Server()
    server.probed()
    for _ in range(2000):
        server.monotonic += 2.0
        server.offset += 2.0 * 40e-6  # 40 ppm
        server.answers()
    now = server.clock.now()
    assert abs(now - server.true_time) < timedelta(milliseconds=150)


@pytest.mark.parametrize(
    "date",
    [
        "",
        "yesterday",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Mon, 01 Jan 0001 00:00:00 GMT",
        "Mon, 01 Jan 0001 00:00:00 +2359",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Mon, 23 Nov -2026 12:00:00 GMT",
        "Mon, 23 Nov 2026 25:61:61 GMT",
        "Mon, 23 Nov 2026 12:00:00 +99999999999999",
        "2026-11-23T12:00:00Z",
        "-1",
        "99999999999999999999",
        "\x00\ud800",
    ],
)
@pytest.mark.parametrize("times", [1, 50])
def test_date_that_cannot_be_one_is_ignored(date: str, times: int) -> None:
    """It says nothing about the time, however often it comes, and before any other answer."""
    server = Server()
    for _ in range(times):
        server.clock.observe(date, server.monotonic, server.monotonic)
    assert not server.clock.is_set
    server.probed()
    before = server.stamp
    for _ in range(times):
        server.clock.observe(date, server.monotonic, server.monotonic)
    assert server.stamp == before
    assert server.clock.disagreement() == ""
    assert server.clock.counts.unusable == 2 * times
