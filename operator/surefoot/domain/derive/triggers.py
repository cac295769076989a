"""Triggers: conditions on metrics that move back, hold or degrade, in every state.

A trigger is Firing when every point present in its window breaches and at least 80% of the points
are present, so that a flapping exporter does not disarm it. After a rollback it is Settling until
its data can no longer speak of before.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from surefoot.api.v1alpha1.durations import in_words
from surefoot.api.v1alpha1.rollout import (
    OnNoData,
    RolloutSpec,
    Trigger,
    TriggerAction,
)
from surefoot.api.v1alpha1.rollout_status import (
    RolloutStatus,
    TriggerState,
    TriggerStatus,
    WindowEvidence,
)
from surefoot.domain.derive.baseline import ReferenceValue, reference_value
from surefoot.domain.facts.bands import Band
from surefoot.domain.facts.measurements import Measurement, is_stale
from surefoot.domain.facts.questions import length_of, windowed
from surefoot.domain.facts.snapshot import FlagFacts
from surefoot.domain.facts.steps import ZERO, previous_percent
from surefoot.domain.facts.windows import (
    ENOUGH_COVERAGE,
    SeenWindow,
    Window,
    bound_value,
    number,
    number_like,
    window_at,
)


@dataclass(frozen=True, slots=True)
class ArmedTrigger:
    """A trigger that can be judged: its metric answers, or at least could.

    ``judged_from`` is the earliest moment whose data it may judge; ``settles`` says that this is
    because of a rollback. ``is_at_zero_percent``: a point without a number means nothing there.
    ``reference_value`` is what its bound is relative to.
    """

    spec: Trigger
    measurement: Measurement | None
    is_stale: bool
    judged_from: datetime | None
    settles: bool
    is_at_zero_percent: bool
    reference_value: ReferenceValue

    @property
    def name(self) -> str:
        """Its name in the plan."""
        return self.spec.name

    @property
    def metric(self) -> str:
        """The metric it judges."""
        return self.spec.metric or self.spec.name

    @property
    def length(self) -> timedelta:
        """How long a breach must have held."""
        return length_of(self.spec.for_)

    def breaches(self, values: Iterable[float]) -> list[bool]:
        """Whether each value is beyond the bound. There must be something to compare with."""
        unit = self.reference_value.ratio_unit
        if self.spec.above is not None:
            above = bound_value(self.spec.above)
            return [value / unit > above for value in values]
        below = bound_value(self.spec.below) if self.spec.below is not None else -math.inf
        return [value / unit < below for value in values]

    @property
    def quiet_within(self) -> Band | None:
        """The values that do not breach; None where there is nothing to compare with."""
        unit = self.reference_value.unit
        if unit is None:
            return None
        if self.spec.above is not None:
            return Band(highest=bound_value(self.spec.above), unit=unit)
        below = bound_value(self.spec.below) if self.spec.below is not None else -math.inf
        return Band(lowest=below, unit=unit)

    @property
    def limit(self) -> int | str | None:
        """The bound as the plan writes it."""
        return self.spec.above if self.spec.above is not None else self.spec.below

    @property
    def bound(self) -> str:
        """The bound, in words."""
        side = "above" if self.spec.above is not None else "below"
        return f"{side} {self.limit}{self.reference_value.suffix}"

    def format_value(self, value: float) -> str:
        """A value beside the bound, in words."""
        return number_like(self.limit, self.reference_value.ratio(value))

    def window(self, measurement: Measurement, moment: datetime) -> Window:
        """What it looks at, at a point of the measurement's grid."""
        return window_at(measurement, moment, self.length, self.judged_from)

    def state_at(
        self, measurement: Measurement, moment: datetime, window: Window | None = None
    ) -> TriggerState:
        """What the trigger says at a point of the measurement's grid, of its window there."""
        if self.reference_value.unit is None:
            return TriggerState.NO_DATA
        if self.judged_from is not None and moment < self.judged_from:
            return TriggerState.SETTLING
        window = window or self.window(measurement, moment)
        if self._fires(window):
            return TriggerState.FIRING
        if window.newest is None or not window.newest.is_number:
            return TriggerState.QUIET if self.is_at_zero_percent else TriggerState.NO_DATA
        if self.breaches((window.newest.value,))[0]:
            return TriggerState.PENDING
        return TriggerState.QUIET

    def _fires(self, window: Window) -> bool:
        if not window.is_full or not window.numbers or window.coverage < ENOUGH_COVERAGE:
            return False
        return all(self.breaches(sample.value for sample in window.numbers))


@dataclass(frozen=True, slots=True)
class TriggerVerdict:
    """What a trigger says now. ``rolls_back`` is decided here; where to, in ``target``.

    ``seen`` is the window that it was judged by, None where there was no answer to judge.
    ``is_required`` is False where it has nothing to compare with yet, and need not have.
    """

    trigger: ArmedTrigger
    state: TriggerState
    message: str
    value: str | None
    rolls_back: bool
    seen: SeenWindow | None
    is_required: bool = True

    @property
    def name(self) -> str:
        """The trigger's name in the plan."""
        return self.trigger.name

    @property
    def action(self) -> TriggerAction:
        """What the trigger does when it fires."""
        return self.trigger.spec.action

    @property
    def measurement(self) -> Measurement | None:
        """The answer that it was judged by; None where there was none that could be."""
        return None if self.seen is None else self.seen.measurement

    @property
    def evidence(self) -> WindowEvidence | None:
        """The window that it was judged by, for the record."""
        return None if self.seen is None else self.seen.evidence

    def target(self, spec: RolloutSpec, percent: int) -> int:
        """Where a rollback goes from ``percent``; always lower, unless it is 0 already."""
        return target_of(self.trigger.spec, spec, percent)

    def as_status(self, earlier: TriggerStatus | None, now: datetime) -> TriggerStatus:
        """The entry on the status; ``since`` moves only with the state."""
        unchanged = earlier is not None and earlier.state == self.state
        return TriggerStatus(
            name=self.name,
            state=self.state,
            since=earlier.since if earlier is not None and unchanged else now,
            value=self.value,
            message=self.message,
        )


def target_of(trigger: Trigger, spec: RolloutSpec, percent: int) -> int:
    """Where a trigger that rolls back goes from ``percent``; lower, unless it is 0 already."""
    if trigger.to == "Zero":
        return 0
    if isinstance(trigger.to, int) and trigger.to < percent:
        return trigger.to
    return previous_percent(spec, percent)


def judge_trigger(
    facts: FlagFacts, status: RolloutStatus, spec: Trigger, now: datetime
) -> TriggerVerdict:
    """What a valid trigger of the plan says now. ``status`` has the baselines that count."""
    return _judge(facts, arm(facts, status, spec, now), now)


def arm(snapshot: FlagFacts, judged: RolloutStatus, spec: Trigger, now: datetime) -> ArmedTrigger:
    """Bind a trigger to its measurement, to its baseline, and to the time that it may judge."""
    status = snapshot.rollout.status
    metric = spec.metric or spec.name
    measurement = snapshot.measurements.get(windowed(metric, length_of(spec.for_)))
    judged_from, settles = _judged_from(snapshot, spec, metric)
    return ArmedTrigger(
        spec=spec,
        measurement=measurement,
        is_stale=measurement is not None
        and is_stale(measurement, now, snapshot.evaluation_interval),
        judged_from=judged_from,
        settles=settles,
        is_at_zero_percent=status.percent == 0,
        reference_value=reference_value(snapshot.rollout.spec, judged, spec.relative_to, metric),
    )


def _judged_from(snapshot: FlagFacts, spec: Trigger, metric: str) -> tuple[datetime | None, bool]:
    status = snapshot.rollout.status
    if status.committed is None or status.committed.type != "Rollback" or status.since is None:
        return status.since, False
    if _has_lower_absolute_target(spec, status.percent or 0):
        return status.since, False
    facts = snapshot.queries.get(metric)
    looks_back = facts.longest_range if facts else ZERO
    return status.since + length_of(spec.settle) + looks_back, True


def _has_lower_absolute_target(spec: Trigger, percent: int) -> bool:
    if spec.action is not TriggerAction.ROLLBACK:
        return False
    return percent > 0 and (spec.to == "Zero" or (isinstance(spec.to, int) and spec.to < percent))


def _judge(snapshot: FlagFacts, trigger: ArmedTrigger, now: datetime) -> TriggerVerdict:
    measurement = trigger.measurement
    if trigger.reference_value.unit is None:
        return _without_baseline(trigger)
    if measurement is None or trigger.is_stale or not _was_answered(measurement):
        return _without_answer(snapshot, trigger, now)
    window = trigger.window(measurement, measurement.end)
    state = trigger.state_at(measurement, measurement.end, window)
    nothing_for_long = state is TriggerState.NO_DATA and window.is_full and not window.numbers
    return TriggerVerdict(
        trigger=trigger,
        state=state,
        message=_message(trigger, state, window, measurement),
        value=number(window.newest.value) if window.newest else None,
        rolls_back=(state is TriggerState.FIRING and trigger.spec.action is TriggerAction.ROLLBACK)
        or (nothing_for_long and trigger.spec.on_no_data is OnNoData.ROLLBACK),
        seen=SeenWindow(
            trigger.metric,
            f"trigger {trigger.name}",
            measurement,
            window,
            trigger.reference_value.description,
        ),
    )


def _without_baseline(trigger: ArmedTrigger) -> TriggerVerdict:
    """Nothing to compare with: it holds, unless this is where the first baseline is recorded.

    That is no loss of data, which `onNoData` would answer: a person has to mend the plan.
    """
    required = trigger.reference_value.is_required
    return TriggerVerdict(
        trigger=trigger,
        state=TriggerState.NO_DATA if required else TriggerState.QUIET,
        message=f"{trigger.name}: {trigger.reference_value.description}",
        value=None,
        rolls_back=False,
        seen=None,
        is_required=required,
    )


def _was_answered(measurement: Measurement) -> bool:
    """Whether there is anything to look at: an answer that failed as a whole has no samples."""
    return bool(measurement.samples) or measurement.outcome == "NoData"


def _without_answer(snapshot: FlagFacts, trigger: ArmedTrigger, now: datetime) -> TriggerVerdict:
    """A provider that cannot be used says nothing, also at 0%: that is no missing traffic."""
    settling = trigger.settles and trigger.judged_from is not None and now < trigger.judged_from
    return TriggerVerdict(
        trigger=trigger,
        state=TriggerState.SETTLING if settling else TriggerState.NO_DATA,
        message=f"{trigger.name}: {unanswered(trigger.measurement, trigger.is_stale, now)}",
        value=None,
        rolls_back=not settling
        and trigger.spec.on_no_data is OnNoData.ROLLBACK
        and _has_been_silent(snapshot, trigger, now),
        seen=None,
    )


def _has_been_silent(snapshot: FlagFacts, trigger: ArmedTrigger, now: datetime) -> bool:
    """Whether it was without data for its `for` already, in the time that it may judge."""
    if trigger.judged_from is None:
        return False
    earlier = next(
        (entry for entry in snapshot.rollout.status.triggers if entry.name == trigger.name), None
    )
    if earlier is None or earlier.state is not TriggerState.NO_DATA:
        return False
    return now - max(earlier.since, trigger.judged_from) >= trigger.length


def unanswered(measurement: Measurement | None, is_stale: bool, now: datetime) -> str:
    """Why there is nothing to judge, in words."""
    if measurement is None:
        return "not measured yet"
    if is_stale and measurement.fresh_until is not None and now > measurement.fresh_until:
        over = in_words(now - measurement.fresh_until)
        return f"the newest sample is {over} older than staleAfter allows"
    if is_stale:
        return f"the last answer is {in_words(now - measurement.end)} old"
    return measurement.message or measurement.outcome.value


def _message(
    trigger: ArmedTrigger, state: TriggerState, window: Window, measurement: Measurement
) -> str:
    value = trigger.format_value(window.newest.value) if window.newest else "no value"
    over = f" for {trigger.spec.for_}" if trigger.length else ""
    match state:
        case TriggerState.FIRING:
            return f"{trigger.metric} is {value}, {trigger.bound}{over}"
        case TriggerState.PENDING:
            return f"{trigger.metric} is {value}, {trigger.bound}, not yet{over or ' confirmed'}"
        case TriggerState.NO_DATA:
            return f"{trigger.metric}: {measurement.message or 'no value at the newest point'}"
        case TriggerState.SETTLING if not trigger.settles:
            return f"{trigger.metric}: no sample from this step yet"
        case TriggerState.SETTLING:
            until = trigger.judged_from
            return f"samples up to {until:%H:%M:%S} UTC may be from before the rollback"
        case TriggerState.QUIET:
            return f"{trigger.metric} is {value}, not {trigger.bound}"
