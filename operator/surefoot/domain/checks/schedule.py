"""When steps may be taken: freeze windows in somebody's local time. Rollback ignores them.

A window that comes every week is laid out on the calendar of its time zone and only then turned
into moments, so that it begins and ends at the same local time whatever the clocks are put to.
Where they skip or repeat a time, the window is the longer one that can be meant.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from surefoot.api.v1alpha1.rollout import Freeze, Schedule
from surefoot.api.v1alpha1.rollout_status import Phase
from surefoot.domain.checks.check import EVERY_MOVE, Check, Group
from surefoot.domain.derive.state import FORESEEABLE, State
from surefoot.domain.facts.verdicts import (
    ConditionType,
    UnmetRequirement,
    Verdict,
    blocks,
    not_required,
    passes,
)

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WEEK = timedelta(weeks=1)
_WEEKLY = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun) ([01][0-9]|2[0-3]):[0-5][0-9]")
_DATED = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2} ([01][0-9]|2[0-3]):[0-5][0-9]")
_SOME_WEEK = datetime(2024, 1, 1)  # noqa: DTZ001 - a Monday on no clock in particular


@dataclass(frozen=True, slots=True)
class _Window:
    """One occurrence of a freeze: from ``start`` until just before ``end``."""

    name: str
    start: datetime
    end: datetime


def judge_schedule(situation: State) -> Verdict:
    """Whether steps may be taken now. Soak, gates and people go on during a freeze."""
    schedule = situation.rollout.spec.schedule
    if schedule is None or situation.is_complete or not situation.plan_is_valid:
        return not_required(ConditionType.WITHIN_SCHEDULE)
    frozen = _frozen(schedule, situation.now, situation.latest_now)
    if not frozen:
        return passes(ConditionType.WITHIN_SCHEDULE, "Open", "no freeze is in force")
    again = local_time(schedule, next_open(schedule, max(window.end for window in frozen)))
    names = ", ".join(dict.fromkeys(window.name for window in frozen))
    return blocks(
        ConditionType.WITHIN_SCHEDULE,
        UnmetRequirement(
            "Frozen", f"freeze {names}: no step is taken before {again}; rollback works on"
        ),
    )


def next_open(schedule: Schedule, moment: datetime) -> datetime:
    """The first moment from this one on at which a step may be taken.

    Only for a schedule without faults: one that is never open has no such moment.
    """
    while frozen := _frozen(schedule, moment, moment):
        moment = max(window.end for window in frozen)
    return moment


def next_change(situation: State) -> datetime | None:
    """When a freeze begins or ends next; None where no schedule is in force."""
    schedule, now = situation.rollout.spec.schedule, situation.now
    if schedule is None or not situation.plan_is_valid:
        return None
    edges = (edge for w in _windows(schedule, now) for edge in (w.start, w.end))
    return min((edge for edge in edges if edge > now), default=None)


def _earliest(situation: State, _: Verdict, not_before: datetime) -> datetime | None:
    """When a step may be taken, once everything before it lets one be."""
    schedule = situation.rollout.spec.schedule
    if schedule is None or not situation.plan_is_valid:
        return None
    if not_before - situation.now > FORESEEABLE:
        return None
    return next_open(schedule, not_before)


def local_time(schedule: Schedule, moment: datetime) -> str:
    """A moment as the clocks of the schedule's time zone show it: `Mon 2025-10-27 08:00 CET`."""
    zone = _zone(schedule.time_zone)
    local = moment.astimezone(zone)
    return f"{local:%a %Y-%m-%d %H:%M %Z} ({schedule.time_zone})"


def schedule_faults(schedule: Schedule | None) -> Iterator[UnmetRequirement]:
    """What is wrong with a schedule, beyond what its schema can tell."""
    if schedule is None:
        return
    if _zone(schedule.time_zone) is None:
        yield UnmetRequirement(
            "UnknownTimeZone",
            f'schedule.timeZone "{schedule.time_zone}" is no time zone; write a name of the IANA '
            "database, such as Europe/Berlin or UTC",
        )
    faults = [fault for freeze in schedule.freeze if (fault := _freeze_fault(freeze)) is not None]
    yield from faults
    if not faults and not _is_ever_open(schedule.freeze):
        names = ", ".join(freeze.name for freeze in schedule.freeze if not _is_dated(freeze))
        yield UnmetRequirement(
            "NeverOpen",
            f"the windows of schedule.freeze ({names}) together last all week, so that no step "
            "could ever be taken; leave some time between them",
        )


def _freeze_fault(freeze: Freeze) -> UnmetRequirement | None:
    where = f"freeze {freeze.name}, from {freeze.from_} to {freeze.to},"
    if not any(p.fullmatch(freeze.from_) and p.fullmatch(freeze.to) for p in (_WEEKLY, _DATED)):
        return UnmetRequirement(
            "UnreadableWindow",
            f"{where} cannot be read; write a day and a time for both, such as Fri 16:00 and "
            "Mon 08:00, or a date and a time for both, such as 2025-12-20 00:00",
        )
    if not _is_dated(freeze):
        if freeze.from_ != freeze.to:
            return None
        return UnmetRequirement(
            "NeverEnds", f"{where} never ends; name an end that differs from its start"
        )
    try:
        start, end = _once(freeze)
    except ValueError:
        return UnmetRequirement(
            "NoSuchDate", f"{where} names a date that no calendar has; correct it"
        )
    if start < end:
        return None
    return UnmetRequirement(
        "EndsBeforeItBegins", f"{where} ends before it begins; exchange the two, or fix"
    )


def _is_ever_open(freezes: tuple[Freeze, ...]) -> bool:
    """Whether some time of the week is left. If any is, then right after the end of some window."""
    weekly = [_laid_out(freeze, _SOME_WEEK) for freeze in freezes if not _is_dated(freeze)]
    in_every_week = [(s + k * _WEEK, e + k * _WEEK) for s, e in weekly for k in (-1, 0, 1)]
    return not weekly or any(
        not any(start <= end < other_end for start, other_end in in_every_week) for _, end in weekly
    )


def _is_dated(freeze: Freeze) -> bool:
    return freeze.from_[0].isdigit()


def _once(freeze: Freeze) -> tuple[datetime, datetime]:
    """A window with dates, in local time. Raises ``ValueError`` for a date that there is not."""
    return datetime.fromisoformat(freeze.from_), datetime.fromisoformat(freeze.to)


def _laid_out(freeze: Freeze, monday: datetime) -> tuple[datetime, datetime]:
    """A weekly window in the week of this Monday, in local time; it ends within a week."""
    start, end = (_into_the_week(text) for text in (freeze.from_, freeze.to))
    return monday + start, monday + start + (end - start) % _WEEK


def _into_the_week(text: str) -> timedelta:
    """`Fri 16:00` as the time since Monday 00:00."""
    day, time = text.split()
    hours, minutes = time.split(":")
    return timedelta(days=_DAYS.index(day), hours=int(hours), minutes=int(minutes))


def _frozen(schedule: Schedule, moment: datetime, latest: datetime) -> tuple[_Window, ...]:
    """The windows in force at a moment that is not known better than ``moment`` to ``latest``."""
    return tuple(w for w in _windows(schedule, moment) if w.start <= latest and moment < w.end)


def _windows(schedule: Schedule, moment: datetime) -> Iterable[_Window]:
    """Every window that may be in force at a moment or begins within a week of it."""
    zone = _zone(schedule.time_zone)
    if zone is None:
        raise ValueError(f"{schedule.time_zone} is no time zone")
    today = moment.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    monday = today - timedelta(days=today.weekday())
    return _laid_out_around(schedule, monday)


@lru_cache(maxsize=1024)
def _laid_out_around(schedule: Schedule, monday: datetime) -> tuple[_Window, ...]:
    zone = ZoneInfo(schedule.time_zone)
    mondays = (monday - _WEEK, monday, monday + _WEEK)
    return tuple(
        _Window(freeze.name, min(_readings(start, zone)), max(_readings(end, zone)))
        for freeze in schedule.freeze
        for start, end in (
            [_once(freeze)] if _is_dated(freeze) else [_laid_out(freeze, m) for m in mondays]
        )
    )


def _readings(local: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The two moments that a local time can mean; they differ where the clocks are put."""
    first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return first, second


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo | None:
    """A time zone by its name in the IANA database; None if there is no such."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


WITHIN_SCHEDULE = Check(
    type=ConditionType.WITHIN_SCHEDULE,
    group=Group.AFTER_HOLD,
    applies_to=EVERY_MOVE,
    phase=Phase.HOLDING,
    judge=lambda state, _earlier: judge_schedule(state),
    # It may last for days: what was found before it must not be acted on after it.
    withdraws="a freeze is in force",
    next_change=lambda state, _verdict: next_change(state),
    earliest=_earliest,
    faults=lambda snapshot: schedule_faults(snapshot.rollout.spec.schedule),
)
