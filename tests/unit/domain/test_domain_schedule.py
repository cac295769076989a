"""Freeze windows: when a step may be taken, in the time of the people who are on call."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from surefoot.api.v1alpha1.rollout import Schedule
from surefoot.domain.checks.schedule import local_time, next_open
from tests.support.world import (
    World,
    a_metric,
    a_rollout,
    a_trigger,
    hours,
    minutes,
    steady,
    steps_of,
)

BERLIN = "Europe/Berlin"


def at(text: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def weekly(start: str = "Fri 16:00", end: str = "Mon 08:00", name: str = "weekend") -> Any:
    """A window of every week, or one with dates."""
    return {"name": name, "from": start, "to": end}


def frozen(*windows: Any, zone: str = BERLIN, **spec: Any) -> Any:
    """A rollout with these windows."""
    return a_rollout(schedule={"timeZone": zone, "freeze": list(windows)}, **spec)


def schedule(*windows: Any, zone: str = BERLIN) -> Schedule:
    """The schedule by itself."""
    return Schedule.model_validate({"timeZone": zone, "freeze": list(windows)})


def test_no_step_is_taken_during_a_freeze_and_the_first_right_after_it() -> None:
    """Start waits as well; the status says until when, by the clocks of the place."""
    world = World(frozen(weekly(), hold={"soak": "1h"}), now=at("2025-10-24 14:00"))
    world.settle()
    assert world.percent is None
    assert world.blockers() == [("WithinSchedule", "Frozen")]
    assert world.message("WithinSchedule") == (
        "freeze weekend: no step is taken before Mon 2025-10-27 08:00 CET (Europe/Berlin); "
        "rollback works on"
    )
    assert world.status.waiting_on == world.message("WithinSchedule")
    assert world.status.earliest_advance == at("2025-10-27 07:00")
    world.pass_by(at("2025-10-27 07:00") - world.now)
    assert world.percents[0] == (at("2025-10-27 07:00"), 10)
    assert world.condition("WithinSchedule") == ("True", "Open")


def test_freeze_begins_and_ends_to_the_moment() -> None:
    """From the first instant, until just before the last."""
    second = timedelta(seconds=1)
    for moment, is_open in (
        (at("2025-10-17 14:00") - second, True),
        (at("2025-10-17 14:00"), False),
        (at("2025-10-20 06:00") - second, False),
        (at("2025-10-20 06:00"), True),
    ):
        world = World(frozen(weekly()), now=moment)
        world.settle()
        assert (world.percent is not None) is is_open, moment


def test_freeze_is_in_force_as_soon_as_it_may_have_begun() -> None:
    """The clock is known to a second or so: nobody is moved within a freeze."""
    world = World(frozen(weekly()), now=at("2025-10-17 13:59:59.5"), uncertainty=hours(1) / 3600)
    world.settle()
    assert world.percent is None


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2025-10-25 12:00", "2025-10-27 07:00"),  # the clocks are put back within the window
        ("2025-10-18 12:00", "2025-10-20 06:00"),  # the week before: summer time
        ("2026-03-28 12:00", "2026-03-30 06:00"),  # the clocks are put forward within the window
        ("2026-03-21 12:00", "2026-03-23 07:00"),  # the week before: winter time
    ],
)
def test_window_ends_at_the_same_local_time_whatever_the_clocks_are_put_to(
    now: str, opens: str
) -> None:
    """Monday 08:00 in Berlin is 06:00 UTC in summer and 07:00 UTC in winter."""
    assert next_open(schedule(weekly()), at(now)) == at(opens)


@pytest.mark.parametrize(
    ("window", "inside", "outside"),
    [
        # 02:30 comes twice on 26 October: at 00:30 and at 01:30 UTC.
        (("Sun 02:30", "Sun 04:00"), "2025-10-26 00:30", "2025-10-26 00:29"),
        (("Sat 20:00", "Sun 02:30"), "2025-10-26 01:29", "2025-10-26 01:30"),
        # 02:30 does not come at all on 29 March: the clocks go from 02:00 to 03:00 at 01:00 UTC.
        (("Sun 02:30", "Sun 04:00"), "2026-03-29 01:00", "2026-03-29 02:00"),
        (("Sat 20:00", "Sun 02:30"), "2026-03-29 01:00", "2026-03-29 01:30"),
    ],
)
def test_time_that_comes_twice_or_not_at_all_makes_the_window_longer(
    window: tuple[str, str], inside: str, outside: str
) -> None:
    """Never shorter than anybody could have meant."""
    found = schedule(weekly(*window))
    assert next_open(found, at(inside)) > at(inside)
    assert next_open(found, at(outside)) == at(outside)


def test_windows_that_meet_are_one_and_the_next_moment_lies_after_the_last() -> None:
    """A weekend, then the days between the years, which begin within it."""
    found = schedule(
        weekly("Fri 16:00", "Mon 08:00"),
        weekly("2025-12-22 00:00", "2026-01-03 12:00", name="holidays"),
    )
    opens = next_open(found, at("2025-12-20 12:00"))
    assert local_time(found, opens) == "Mon 2026-01-05 08:00 CET (Europe/Berlin)"
    assert next_open(found, at("2026-01-06 12:00")) == at("2026-01-06 12:00")


def test_window_may_lie_across_the_end_of_the_week() -> None:
    """Sunday night to Monday morning, seen from both sides."""
    found = schedule(weekly("Sun 22:00", "Mon 06:00"), zone="UTC")
    assert next_open(found, at("2025-10-26 23:00")) == at("2025-10-27 06:00")
    assert next_open(found, at("2025-10-27 05:59")) == at("2025-10-27 06:00")
    assert next_open(found, at("2025-10-26 21:59")) == at("2025-10-26 21:59")


def test_soak_runs_on_during_a_freeze_and_the_earliest_moment_has_both() -> None:
    """Started on Friday noon with a day of soak: done on Saturday, taken on Monday."""
    world = World(
        frozen(weekly(), steps=steps_of(10, 100), hold={"soak": "24h"}), now=at("2025-10-17 10:00")
    )
    world.settle()
    assert world.status.earliest_advance == at("2025-10-20 06:00")
    world.run(hours(5))
    assert (world.status.phase, world.condition("WithinSchedule")) == (
        "Soaking",
        ("False", "Frozen"),
    )
    assert world.status.waiting_on.startswith("soak 19h left, freeze weekend: no step")
    world.pass_by(hours(20))
    assert world.condition("SoakComplete")[0] == "True"
    assert (world.percent, world.status.phase) == (10, "Holding")
    assert world.run_until(100, hours(72)) == at("2025-10-20 06:00") - at("2025-10-18 11:00")


def test_rollback_ignores_a_freeze() -> None:
    """It works at every hour."""
    values = {"errors": 0.0}
    world = World(
        frozen(
            weekly(),
            steps=steps_of(10, 50, 100),
            hold={"soak": "5m"},
            metrics=[a_metric()],
            triggers=[a_trigger()],
        ),
        now=at("2025-10-17 13:54"),
        metrics={"errors": lambda _: values["errors"]},
    )
    world.run(minutes(5.5))
    assert world.percent == 50
    world.run(minutes(10))
    assert world.condition("WithinSchedule") == ("False", "Frozen")
    values["errors"] = 0.9
    world.run(minutes(1))
    assert world.percent == 10


def test_freeze_is_noticed_without_metrics_when_it_begins() -> None:
    """The next look is no later than the next beginning or end."""
    world = World(frozen(weekly(), hold={"soak": "7d"}), now=at("2025-10-17 13:55"))
    world.metrics["errors"] = steady(0.0)
    plan = world.settle()
    assert plan.requeue_after == minutes(5)


def test_complete_rollout_is_not_frozen() -> None:
    """Its conditions do not change every weekend."""
    world = World(frozen(weekly()), now=at("2025-10-16 12:00"))
    world.run(hours(1))
    assert world.status.phase == "Completed"
    world.pass_by(hours(48))
    assert world.condition("WithinSchedule") == ("True", "NotRequired")
    assert world.status.earliest_advance is None


FAULTS: list[tuple[str, str, dict[str, Any]]] = [
    (
        "UnknownTimeZone",
        (
            'schedule.timeZone "Europe/Berln" is no time zone; write a name of the IANA database, '
            "such as Europe/Berlin or UTC"
        ),
        {"timeZone": "Europe/Berln", "freeze": [weekly()]},
    ),
    (
        "UnknownTimeZone",
        (
            'schedule.timeZone "../etc/passwd" is no time zone; write a name of the IANA database, '
            "such as Europe/Berlin or UTC"
        ),
        {"timeZone": "../etc/passwd"},
    ),
    (
        "NeverEnds",
        (
            "freeze weekend, from Fri 16:00 to Fri 16:00, never ends; name an end that differs "
            "from its start"
        ),
        {"freeze": [weekly("Fri 16:00", "Fri 16:00")]},
    ),
    (
        "NeverOpen",
        (
            "the windows of schedule.freeze (a, b) together last all week, so that no step could "
            "ever be taken; leave some time between them"
        ),
        {"freeze": [weekly("Fri 16:00", "Tue 08:00", "a"), weekly("Tue 07:00", "Fri 16:00", "b")]},
    ),
    *(
        (
            "UnreadableWindow",
            (
                f"freeze weekend, from {start} to {end}, cannot be read; write a day and a time "
                "for both, such as Fri 16:00 and Mon 08:00, or a date and a time for both, such as "
                "2025-12-20 00:00"
            ),
            {"freeze": [weekly(start, end)]},
        )
        for start, end in (
            ("Friday 16:00", "Mon 08:00"),
            ("Fri 16:00", "8:00"),
            ("Fri 24:00", "Mon 08:00"),
            ("2025-12-20 00:00", "Mon 08:00"),
            ("Fri 16:00", "2026-01-02 08:00"),
            ("0 16 * * 5", "0 8 * * 1"),
        )
    ),
    (
        "EndsBeforeItBegins",
        (
            "freeze weekend, from 2025-12-20 00:00 to 2025-12-19 00:00, ends before it begins; "
            "exchange the two, or fix"
        ),
        {"freeze": [weekly("2025-12-20 00:00", "2025-12-19 00:00")]},
    ),
    (
        "NoSuchDate",
        (
            "freeze weekend, from 2025-02-30 00:00 to 2025-12-19 00:00, names a date that no "
            "calendar has; correct it"
        ),
        {"freeze": [weekly("2025-02-30 00:00", "2025-12-19 00:00")]},
    ),
]


@pytest.mark.parametrize(("reason", "message", "found"), FAULTS)
def test_schedule_that_can_not_be_kept_is_refused(
    reason: str, message: str, found: dict[str, Any]
) -> None:
    """`PlanValid=False`, and nobody is moved."""
    world = World(a_rollout(schedule=found))
    world.settle()
    assert (world.percent, world.blockers()) == (None, [("PlanValid", reason)])
    assert world.message("PlanValid") == message


def test_week_with_one_open_minute_is_taken() -> None:
    """It is enough for a step."""
    found = [weekly("Fri 16:00", "Tue 08:00", "a"), weekly("Tue 08:01", "Fri 16:00", "b")]
    world = World(a_rollout(schedule={"freeze": found}), now=at("2025-10-20 00:00"))
    world.settle()
    assert world.status.earliest_advance == at("2025-10-21 08:00")


def test_plan_without_a_schedule_asks_for_nothing() -> None:
    """`NotRequired`."""
    world = World(a_rollout())
    world.settle()
    assert world.condition("WithinSchedule") == ("True", "NotRequired")
