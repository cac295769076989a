"""The course of a rollout: its percentage over time, as it was planned and as it went.

This is what the drawing of the timeline shows, and what it is made from in JSON.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum

from surefoot.api.v1alpha1.approval import ApprovalRequest, Decision
from surefoot.api.v1alpha1.durations import in_words
from surefoot.api.v1alpha1.rollout_status import Transition, TransitionType
from surefoot.domain.facts.steps import hold_of
from surefoot.domain.record.requesters import format_by
from surefoot.domain.signoff.requests import Request
from surefoot.reports.expansions import planned_stay
from surefoot.reports.facts import Facts
from surefoot.reports.rendering import Part
from surefoot.reports.requests import all_said, part_of

_LOOKS_AHEAD = 1.15
"""How much longer than what happened the picture is at most, for what is planned next."""
_STRETCHES = 50
"""How many times longer than what happened the standard may make the picture. A standard of days
beside a rollout of seconds would squeeze the rollout into a line, so it is cut off at the edge."""


class Point(Part):
    """From this moment on it is this percentage."""

    at: datetime
    percent: int


class Mark(StrEnum):
    """What kind of thing happened; each has a shape of its own."""

    GO = "GO"
    NO_GO = "NO-GO"
    BREACH = "Breach"
    ROLLBACK = "Rollback"
    BY_HAND = "By hand"


class Incident(Part):
    """Something that happened at a moment: who signed, what was breached, who interfered."""

    at: datetime
    percent: int
    mark: Mark
    said: str


class Stay(Part):
    """How long the standard would have stayed at a percentage that was left."""

    percent: int
    since: datetime
    until: datetime
    left: datetime
    said: str


class Course(Part):
    """Everything that the drawing of the timeline shows."""

    actual: tuple[Point, ...]
    planned: tuple[Point, ...]
    """By the plan in force, from the last Start on."""
    standard: tuple[Stay, ...]
    incidents: tuple[Incident, ...]
    steps: tuple[int, ...]
    """The percentages of the plan."""
    begins: datetime
    now: datetime
    ends: datetime


def course_of(facts: Facts) -> Course | None:
    """The course; None where nothing has moved yet."""
    moves = [each for each in facts.dossier.history if each.from_ != each.to]
    if not moves:
        return None
    begins, now = moves[0].at, facts.dossier.now
    standard = tuple(_stays(facts))
    last = max((now, *(each.until for each in standard)))
    if last - begins > (now - begins) * _STRETCHES:
        last = now
    planned = tuple(_planned(facts, moves))
    ends = begins + (last - begins) * _LOOKS_AHEAD
    return Course(
        actual=tuple(Point(at=each.at, percent=each.to) for each in moves),
        planned=planned,
        standard=standard,
        incidents=tuple(sorted(_incidents(facts), key=lambda each: each.at)),
        steps=tuple(step.percent for step in facts.dossier.rollout.spec.steps),
        begins=begins,
        now=now,
        ends=max(ends, begins + timedelta(seconds=1)),
    )


def _planned(facts: Facts, moves: list[Transition]) -> Iterator[Point]:
    """The plan's own clocks from the last Start on, as if nothing had come between."""
    starts = [each for each in moves if each.type is TransitionType.START]
    if not starts:
        return
    spec, moment = facts.dossier.rollout.spec, starts[-1].at
    for index, step in enumerate(spec.steps):
        if step.percent >= starts[-1].to:
            yield Point(at=moment, percent=step.percent)
            moment += planned_stay(hold_of(spec, index))


def _stays(facts: Facts) -> Iterator[Stay]:
    """What the standard asks for at each percentage that was left."""
    for each in facts.taken:
        if each.at is not None and each.stood is not None:
            since, least = each.at - each.stood, facts.standards.least_soak
            yield Stay(
                percent=each.from_,
                since=since,
                until=since + least,
                left=each.at,
                said=f"the standard stays {in_words(least)} at {each.from_}%",
            )


def _incidents(facts: Facts) -> Iterator[Incident]:
    """What the objects say, and what the history keeps of objects that are gone."""
    requests: tuple[Request, ...] = (*facts.dossier.checkpoints, *facts.dossier.approvals)
    for request in requests:
        for said in all_said(request):
            if said.at is not None:
                percent = left_by(request)
                yield _signed(percent, part_of(request), said.decision.value, said.by, said.at)
    known = {request.metadata.uid for request in requests}
    for entry in facts.dossier.history:
        for each in entry.evidence.decisions:
            if each.uid not in known and each.decided_at is not None:
                yield _signed(entry.from_ or 0, each.role, each.decision, each.by, each.decided_at)
        yield from _of_entry(entry)


def left_by(request: Request) -> int:
    """The percentage at which something was asked."""
    asked = request.spec.request
    return (asked.from_ if isinstance(asked, ApprovalRequest) else asked.percent) or 0


def _signed(percent: int, of: str, decision: str, by: str, at: datetime) -> Incident:
    mark = Mark.GO if decision == Decision.GO.value else Mark.NO_GO
    said = f"{of}: {mark.value} by {by or 'somebody unknown'}"
    return Incident(at=at, percent=percent, mark=mark, said=said)


def _of_entry(entry: Transition) -> Iterator[Incident]:
    from_ = entry.from_ or 0
    if entry.type is TransitionType.ROLLBACK:
        is_breach = entry.reason == "TriggerFired"
        by = entry.message if is_breach else f"asked for by {format_by(entry, otherwise='unknown')}"
        yield Incident(
            at=entry.at,
            percent=from_,
            mark=Mark.BREACH if is_breach else Mark.ROLLBACK,
            said=f"{from_}% → {entry.to}%: {by or entry.reason}",
        )
    if entry.type is TransitionType.DRIFT_CORRECTED:
        manager = entry.evidence.manager or "somebody unknown"
        yield Incident(
            at=entry.at,
            percent=entry.to,
            mark=Mark.BY_HAND,
            said=f"{manager} changed the flag past the operator",
        )
