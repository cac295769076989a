"""The API server's time, told from cut seconds and a monotonic clock."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from surefoot.adapters.clock import ClockNotSetError, ServerClock

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Server:
    """A server whose clock we know, and a clock that learns it from answers."""

    def __init__(self, starts_at: datetime = NOON) -> None:
        self.monotonic = 5000.0
        self.offset = starts_at.timestamp() - self.monotonic
        self.clock = ServerClock(lambda: self.monotonic)

    @property
    def true_time(self) -> datetime:
        return datetime.fromtimestamp(self.monotonic + self.offset, UTC)

    def answers(self, *, there: float = 0.004, back: float = 0.004) -> None:
        """One request, with its times on the way."""
        sent = self.monotonic
        self.monotonic += there
        date = format_datetime(self.true_time.replace(microsecond=0), usegmt=True)
        self.monotonic += back
        self.clock.observe(date, sent, self.monotonic)

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


@pytest.mark.parametrize("by", [HOUR, -HOUR])
def test_server_whose_clock_was_set_is_followed(by: timedelta) -> None:
    """Forwards and backwards: standing still for an hour would stop every rollback."""
    server = Server()
    server.probed()
    server.offset += by.total_seconds()
    server.probed()
    assert abs(server.clock.now() - server.true_time) < timedelta(milliseconds=60)


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


def test_date_that_is_none_is_ignored() -> None:
    """Some proxy made it up."""
    server = Server()
    server.probed()
    before = server.clock.uncertainty()
    server.clock.observe("yesterday", 0.0, 0.0)
    assert server.clock.uncertainty() == before
