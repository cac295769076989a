"""The timeline: what was planned, what happened, and by how much it differs."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import ClassVar

from surefoot.api.v1alpha1.approval import RequestState
from surefoot.api.v1alpha1.checkpoint import Checkpoint, CheckpointType
from surefoot.api.v1alpha1.durations import in_words
from surefoot.api.v1alpha1.rollout import CheckpointPlan
from surefoot.api.v1alpha1.rollout_status import Transition
from surefoot.domain.facts.steps import hold_of
from surefoot.domain.record.requesters import format_by, is_requested
from surefoot.reports import asked
from surefoot.reports.course import Course, course_of
from surefoot.reports.dossier import Dossier
from surefoot.reports.drawings import CourseDrawing
from surefoot.reports.expansions import Expansion, planned_stay
from surefoot.reports.facts import Facts, facts_of
from surefoot.reports.lengths import difference, spoken
from surefoot.reports.practices import approvals_needed
from surefoot.reports.rendering import Drawing, Part, Report
from surefoot.reports.standards import CONSERVATIVE, Standards

ZERO = timedelta(0)


class Event(Part):
    """Something that was planned, or happened, or both."""

    event: str
    planned: datetime | None
    actual: datetime | None
    variance: str
    """Such as `26 min late`, `31 h 15 min early`, `on time`, or `overdue by 6 min`."""
    remark: str


class Stage(Part):
    """A stage of the critical path, planned against actual."""

    stage: str
    plan: str
    standard: str
    actual: str
    deviation: str
    """From the longer or larger of plan and standard."""


class CriticalPath(Part):
    """What it took to leave a percentage."""

    expansion: str
    stages: tuple[Stage, ...]
    decided_last: str
    """What came last, and so decided when the step was taken."""


class NextTimes(Part):
    """When the step ahead may be taken. None where none is, or a person must act first."""

    expansion: str | None
    minimum: datetime | None
    recommended: datetime | None
    remark: str
    rule: str = (
        "the minimum is what the plan's clocks allow, whatever else is missing; the recommended "
        f"time is {CONSERVATIVE} times the longer soak of plan and standard after the percentage "
        "was reached, and never before the minimum"
    )


class Schedule(Part):
    """Events, critical paths, and the times that come next."""

    course: Course | None
    """The same as a picture; None where nothing has moved."""
    events: tuple[Event, ...]
    paths: tuple[CriticalPath, ...]
    next: NextTimes

    def drawings(self) -> Mapping[str, Drawing]:
        """The percentage over time."""
        return {} if self.course is None else {"course": CourseDrawing(self.course)}


class Timeline(Report):
    """The timeline as a report of its own."""

    template: ClassVar[str] = "timeline.md.j2"

    namespace: str
    rollout: str
    made_at: datetime
    record_is_whole: bool
    schedule: Schedule

    def drawings(self) -> Mapping[str, Drawing]:
        """The percentage over time."""
        return self.schedule.drawings()


def timeline_of(dossier: Dossier, standards: Standards) -> Timeline:
    """The timeline of a Rollout."""
    metadata = dossier.rollout.metadata
    return Timeline(
        title=f"Timeline: {metadata.name}",
        namespace=metadata.namespace,
        rollout=metadata.name,
        made_at=dossier.now,
        record_is_whole=dossier.is_whole,
        schedule=schedule_of(facts_of(dossier, standards)),
    )


def schedule_of(facts: Facts) -> Schedule:
    """Everything on time that the record shows."""
    return Schedule(
        course=course_of(facts),
        events=_events(facts),
        paths=tuple(_path(facts.dossier, each, facts.standards) for each in facts.taken),
        next=_next(facts),
    )


# Events


def _events(facts: Facts) -> tuple[Event, ...]:
    """In the order of time: what happened, else what was planned; undated ones last."""
    found = [*_checkpoints(facts.dossier), *_moves(facts), *_ahead(facts)]
    last = datetime.max.replace(tzinfo=facts.dossier.now.tzinfo)
    return tuple(sorted(found, key=lambda each: each.actual or each.planned or last))


def _moves(facts: Facts) -> list[Event]:
    """Every history entry. An expansion was planned for when the stay before it was to end."""
    by_entry = {each.entry.transition_id: each for each in facts.taken if each.entry is not None}
    return [
        _event(_said(entry), _planned(by_entry.get(entry.transition_id)), entry.at, _remark(entry))
        for entry in facts.dossier.history
    ]


def _remark(entry: Transition) -> str:
    """What the entry says, and who asked for it where a person did."""
    if not is_requested(entry):
        return entry.message
    return f"{entry.message}; by {format_by(entry)}" if entry.message else f"by {format_by(entry)}"


def _said(entry: Transition) -> str:
    if entry.from_ == entry.to:
        return f"{entry.type.value} at {entry.to}%"
    return f"{entry.type.value} {entry.from_ if entry.from_ is not None else 0}% → {entry.to}%"


def _planned(expansion: Expansion | None) -> datetime | None:
    if expansion is None or expansion.at is None or expansion.stood is None:
        return None
    stay = _asked_stay(expansion)
    return None if stay is None else expansion.at - expansion.stood + stay


def _asked_stay(expansion: Expansion) -> timedelta | None:
    """How long the plan meant to stay: of an earlier plan, only the soak is known."""
    if expansion.hold is not None:
        return planned_stay(expansion.hold)
    return expansion.soak_required


def _event(event: str, planned: datetime | None, actual: datetime | None, remark: str) -> Event:
    variance = "" if planned is None or actual is None else difference(actual - planned)
    return Event(event=event, planned=planned, actual=actual, variance=variance, remark=remark)


def _checkpoints(dossier: Dossier) -> list[Event]:
    found = []
    for each in dossier.checkpoints:
        asked, decision = each.spec.request, each.spec.decision
        by = each.spec.decided_by.username if each.spec.decided_by else "nobody"
        remark = f"{decision.value} by {by}" if decision else f"not decided: {each.status.state}"
        event = _event(
            f"Checkpoint {asked.name} at {asked.percent}%",
            asked.due_at,
            each.status.decided_at,
            remark,
        )
        if is_awaited(each) and asked.due_at is not None and asked.due_at < dossier.now:
            overdue = f"overdue by {spoken(dossier.now - asked.due_at)}"
            event = event.model_copy(update={"variance": overdue})
        found.append(event)
    return found


def is_awaited(checkpoint: Checkpoint) -> bool:
    """Whether it is asked for, and nobody has decided it."""
    return checkpoint.spec.decision is None and checkpoint.status.state is RequestState.PENDING


def _ahead(facts: Facts) -> list[Event]:
    """The steps that are still to come, by the plan's clocks alone."""
    status, spec = facts.dossier.rollout.status, facts.dossier.rollout.spec
    began = status.hold_since or status.since
    if facts.ahead is None or began is None:
        return []
    found, moment = [], began
    steps = spec.steps
    for index, step in enumerate(steps[:-1]):
        if step.percent < (status.percent or 0):
            continue
        moment += planned_stay(hold_of(spec, index))
        if index == status.step and status.earliest_advance is not None:
            moment = max(moment, status.earliest_advance)
        said = f"Advance {step.percent}% → {steps[index + 1].percent}%"
        found.append(_event(said, moment, None, "ahead, by the plan's clocks alone"))
    return found


# The critical path


def _path(dossier: Dossier, expansion: Expansion, standards: Standards) -> CriticalPath:
    return CriticalPath(
        expansion=expansion.name,
        stages=(
            _soak(expansion, standards),
            _checkpoint(expansion),
            _approvals(expansion, standards),
            _meeting(expansion),
            _total(expansion, standards),
        ),
        decided_last=_decided_last(dossier, expansion),
    )


def _length(value: timedelta | None) -> str:
    return "unknown" if value is None else in_words(value)


def _deviation(actual: float | None, expected: float) -> str:
    if actual is None:
        return "unknown"
    if not expected:
        return "none was asked"
    return f"{round(100 * (actual / expected - 1)):+d}%"


def _off(actual: timedelta | None, expected: timedelta) -> str:
    seconds = None if actual is None else actual.total_seconds()
    return _deviation(seconds, expected.total_seconds())


def _soak(expansion: Expansion, standards: Standards) -> Stage:
    actual = expansion.healthy if expansion.healthy is not None else expansion.stood
    expected = max(expansion.soak_required or ZERO, standards.least_soak)
    return Stage(
        stage=f"Soak at {expansion.from_}%",
        plan=_length(expansion.soak_required),
        standard=in_words(standards.least_soak),
        actual=_length(actual),
        deviation=_off(actual, expected),
    )


def _count(value: int | None) -> str:
    return "unknown" if value is None else str(value)


def _checkpoint(expansion: Expansion) -> Stage:
    planned = expansion.checkpoints_asked
    actual = len(expansion.checkpoints) if expansion.decisions_are_whole else None
    return Stage(
        stage="Checkpoints that were GO",
        plan=_count(planned),
        standard="1",
        actual=_count(actual),
        deviation=_deviation(actual, max(1, planned or 0)),
    )


def _approvals(expansion: Expansion, standards: Standards) -> Stage:
    needed = approvals_needed(expansion, standards)
    actual = None
    if expansion.decisions_are_whole:
        actual = sum(each.verified for each in expansion.signatures)
    return Stage(
        stage="Verified approvals",
        plan=_count(expansion.approvals_asked),
        standard=str(needed),
        actual=_count(actual),
        deviation=_deviation(actual, max(needed, expansion.approvals_asked or 0)),
    )


def _meeting(expansion: Expansion) -> Stage:
    """Planned meetings; one that a conflict opened is held without having been planned."""
    planned = expansion.meetings_asked
    hold = expansion.hold
    named = {each.name for each in (hold.checkpoints if hold is not None else ()) if _meets(each)}
    held = sum(each in named for each in expansion.checkpoints)
    actual = held + expansion.resolved_a_conflict
    is_known = expansion.decisions_are_whole and planned is not None
    return Stage(
        stage="Decision meetings",
        plan=_count(planned),
        standard="where people disagree",
        actual=_count(actual if is_known else None),
        deviation=_deviation(actual if is_known else None, planned or 0),
    )


def _meets(checkpoint: CheckpointPlan) -> bool:
    return checkpoint.type is CheckpointType.DECISION_MEETING


def _total(expansion: Expansion, standards: Standards) -> Stage:
    planned = _asked_stay(expansion)
    expected = max(planned or ZERO, standards.least_soak)
    stood = expansion.stood
    return Stage(
        stage=f"Time at {expansion.from_}%",
        plan=_length(planned),
        standard=in_words(standards.least_soak),
        actual=_length(stood),
        deviation=_off(stood, expected),
    )


def _decided_last(dossier: Dossier, expansion: Expansion) -> str:
    """The last signature or report, or what a person asked for after it, as the end of a pause."""
    entry = expansion.entry
    if entry is None or not expansion.decisions_are_whole:
        return "unknown: the entry was shortened"
    dated = [
        *((each.at, asked.in_words(each)) for each in asked.asked_before(dossier, entry)),
        *(
            (each.decided_at, f"{each.role} by {each.by or 'nobody named'}")
            for each in entry.evidence.decisions
            if each.decided_at is not None
        ),
    ]
    if not dated:
        return "no person: only clocks and metrics"
    moment, said = max(reversed(dated), key=lambda each: each[0])
    return f"{said}, {in_words(entry.at - moment)} before the step"


# The next times


def _next(facts: Facts) -> NextTimes:
    status, now, step = facts.dossier.rollout.status, facts.dossier.now, facts.ahead
    began = status.hold_since or status.since
    if step is None or began is None:
        return NextTimes(
            expansion=None, minimum=None, recommended=None, remark="no expansion is ahead"
        )
    if status.rolled_back:
        remark = "it was rolled back: nothing comes next until somebody raises the attempt"
        return NextTimes(expansion=step.name, minimum=None, recommended=None, remark=remark)
    minimum = status.earliest_advance or now
    hold = step.hold
    soak = max(step.soak_required or ZERO, facts.standards.least_soak)
    warm_up = hold.warm_up if hold is not None else ZERO
    recommended = max(minimum, began + warm_up + CONSERVATIVE * soak)
    remark = "" if status.earliest_advance else "no clock of the plan holds it"
    return NextTimes(expansion=step.name, minimum=minimum, recommended=recommended, remark=remark)
