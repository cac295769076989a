"""Planned against actual, and when the next step may be taken."""

from datetime import timedelta

import pytest

from surefoot.reports.lengths import difference, spoken
from surefoot.reports.standards import Standards
from surefoot.reports.timeline import CriticalPath, Stage, timeline_of
from tests.support.world import START, World, a_checkpoint, a_rollout, hours, steps_of
from tests.unit.reports.conducted import (
    a_conflict,
    dossier,
    the_incident,
    the_proper_path,
    with_status,
)

STANDARDS = Standards()
LATE = a_checkpoint("hour-1", "atlas", dueAfter="1h")


def stage(path: CriticalPath, name: str) -> Stage:
    """One stage."""
    return next(each for each in path.stages if each.stage.startswith(name))


def test_the_incidents_critical_path_shows_what_was_left_out() -> None:
    """As its audit found, from the longer of plan and standard."""
    (path,) = timeline_of(the_incident(), STANDARDS).schedule.paths
    soak = stage(path, "Soak")
    assert (soak.plan, soak.standard, soak.actual, soak.deviation) == (
        "1h42m",
        "24h",
        "1h42m",
        "-93%",
    )
    assert stage(path, "Checkpoints").deviation == "-100%"
    assert stage(path, "Verified").deviation == "-100%"
    assert stage(path, "Decision").deviation == "none was asked"
    assert stage(path, "Time").deviation == "-93%"
    assert path.decided_last == "no person: only clocks and metrics"


def test_a_standard_of_two_days_gives_the_deviation_that_the_audit_found() -> None:
    """1.7 of 48 hours: 96.5% below."""
    (path,) = timeline_of(the_incident(), Standards(soak="48h")).schedule.paths
    assert stage(path, "Soak").deviation == "-96%"


def test_the_proper_path_names_who_decided_last() -> None:
    """Every stage as planned."""
    (path,) = timeline_of(the_proper_path(), STANDARDS).schedule.paths
    assert [each.deviation for each in path.stages] == [
        "+1%",
        "+0%",
        "+0%",
        "none was asked",
        "-1%",
    ]
    assert path.decided_last == "implementation by thon, 0s before the step"


def test_a_meeting_that_a_conflict_opened_was_held_and_not_planned() -> None:
    """It is no checkpoint of the plan."""
    (path,) = timeline_of(a_conflict(), STANDARDS).schedule.paths
    meetings, checkpoints = stage(path, "Decision"), stage(path, "Checkpoints")
    assert (meetings.plan, meetings.actual) == ("0", "1")
    assert (checkpoints.plan, checkpoints.actual) == ("0", "0")


def test_events_are_in_the_order_of_time_with_their_variance() -> None:
    """Reports by when they were due; steps by when the stay before was to end."""
    events = timeline_of(the_proper_path(), STANDARDS).schedule.events
    assert [(each.event, each.variance) for each in events] == [
        ("Start 0% → 10%", ""),
        ("Checkpoint night-shift at 10%", "30 min early"),
        ("Checkpoint hour-48 at 10%", "30 min early"),
        ("Advance 10% → 25%", "30 min early"),
        ("Advance 25% → 100%", ""),
    ]
    assert events[-1].actual is None
    assert events[-1].remark == "ahead, by the plan's clocks alone"


def test_a_standard_of_days_does_not_squeeze_a_rollout_of_seconds_into_a_line() -> None:
    """The picture is as long as what happened; the standard's stay is cut off at its edge."""
    beside, beyond = (
        timeline_of(the_incident(), Standards(soak=soak)).schedule.course for soak in ("48h", "90d")
    )
    assert beside is not None
    assert beside.ends > max(stay.until for stay in beside.standard)
    assert beyond is not None
    assert beyond.ends < max(stay.until for stay in beyond.standard)
    assert beyond.now < beyond.ends < beside.ends


def test_the_next_times_are_the_plans_clocks_and_twice_the_longer_soak() -> None:
    """Reached at 23:42 on the 23rd, with 48 hours of soak."""
    reached = START + hours(1.7)
    found = timeline_of(the_incident(), STANDARDS).schedule.next
    assert (found.expansion, found.minimum) == ("25% → 50%", reached + hours(48))
    assert found.recommended == reached + hours(96)
    stricter = timeline_of(the_incident(), Standards(soak="72h")).schedule.next
    assert (stricter.minimum, stricter.recommended) == (reached + hours(48), reached + hours(144))


def test_without_a_clock_the_minimum_is_now() -> None:
    """And it says so."""
    found = with_status(the_incident(), earliest_advance=None)
    made = timeline_of(found, STANDARDS).schedule.next
    assert (made.minimum, made.remark) == (found.now, "no clock of the plan holds it")


def test_nothing_comes_next_after_the_end_or_a_rollback() -> None:
    """Until somebody raises the attempt."""
    world = World(a_rollout(steps=steps_of(10, 100)))
    world.settle()
    done = timeline_of(dossier(world), STANDARDS).schedule.next
    assert (done.expansion, done.minimum, done.recommended) == (None, None, None)
    back = timeline_of(with_status(the_incident(), rolled_back=True), STANDARDS).schedule.next
    assert (back.minimum, back.recommended) == (None, None)
    assert "raises the attempt" in back.remark


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (hours(2), "2 h late"),
        (-hours(31.25), "31 h 15 min early"),
        (timedelta(seconds=59), "on time"),
        (-timedelta(seconds=59), "on time"),
        (timedelta(minutes=1), "1 min late"),
    ],
)
def test_variances_say_late_or_early(length: timedelta, said: str) -> None:
    """Less than a minute is on time."""
    assert difference(length) == said


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (timedelta(seconds=0), "0 s"),
        (timedelta(seconds=58.4), "59 s"),
        (timedelta(minutes=6), "6 min"),
        (timedelta(seconds=90), "1 min 30 s"),
        (timedelta(minutes=12, seconds=1), "13 min"),
        (hours(1.7), "1 h 42 min"),
        (hours(48), "48 h"),
        (hours(75), "3 days 3 h"),
    ],
)
def test_lengths_are_in_units_that_people_use(length: timedelta, said: str) -> None:
    """Rounded up to the smallest unit that is said."""
    assert spoken(length) == said


def test_report_that_nobody_gave_is_overdue() -> None:
    """By how much, as of now."""
    world = World(a_rollout(steps=steps_of(10, 100), hold={"checkpoints": [LATE]}))
    world.run(hours(1) + timedelta(minutes=6))
    (event,) = [
        each
        for each in timeline_of(dossier(world), STANDARDS).schedule.events
        if each.event == "Checkpoint hour-1 at 10%"
    ]
    assert (event.variance, event.remark) == ("overdue by 6 min", "not decided: Pending")


def test_what_an_earlier_plan_asked_is_unknown_but_for_the_soak() -> None:
    """The entry keeps the soak; of the rest, what the plan did not ask for."""
    changed = with_status(the_proper_path(), plan_hash="sha256:another")
    (path,) = timeline_of(changed, STANDARDS).schedule.paths
    assert [each.plan for each in path.stages] == ["48h", "unknown", "unknown", "unknown", "48h"]
    changed = with_status(the_incident(), plan_hash="sha256:another")
    (path,) = timeline_of(changed, STANDARDS).schedule.paths
    assert [each.plan for each in path.stages] == ["1h42m", "0", "0", "0", "1h42m"]
