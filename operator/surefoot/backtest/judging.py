"""What each gate and trigger would have said at every point, judged as the operator judges."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import TypeVar

from surefoot.api.v1alpha1.rollout import Gate, GateCondition, Rollout, RolloutSpec, Trigger
from surefoot.api.v1alpha1.rollout_status import RolloutStatus, TriggerState
from surefoot.backtest.history import History, step_of
from surefoot.domain.checks.gates import judge_gates
from surefoot.domain.derive.baseline import ABSOLUTE
from surefoot.domain.derive.state import State
from surefoot.domain.derive.triggers import ArmedTrigger
from surefoot.domain.facts.measurements import Measurement, Outcome
from surefoot.domain.facts.questions import conditions_of, length_of, metric_name, windowed
from surefoot.domain.facts.snapshot import Snapshot
from surefoot.domain.facts.steps import HoldPolicy
from surefoot.domain.facts.windows import bound_value, samples_between

T = TypeVar("T", Gate, GateCondition)
HOLDS, FAILS, NO_DATA = "holds", "fails", "no data"
QUIET, PENDING, FIRING = "quiet", "pending", "firing"
_STATES = {
    TriggerState.QUIET: QUIET,
    TriggerState.PENDING: PENDING,
    TriggerState.FIRING: FIRING,
    TriggerState.NO_DATA: NO_DATA,
    TriggerState.SETTLING: NO_DATA,
}


@dataclass(frozen=True, slots=True)
class Spell:
    """A stretch in which a gate or trigger said the same; from ``end`` on, something else."""

    state: str
    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        """How long it was."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What one gate or trigger of the plan said over the whole time."""

    kind: str
    """gate or trigger."""
    name: str
    says: str
    """Its bounds, in words."""
    action: str
    """What a trigger does; empty for a gate."""
    metrics: tuple[str, ...]
    spells: tuple[Spell, ...]

    def spent(self, state: str) -> timedelta:
        """How long it said this."""
        return sum((each.length for each in self.spells if each.state == state), timedelta(0))

    def times(self, state: str) -> tuple[Spell, ...]:
        """When it said this."""
        return tuple(each for each in self.spells if each.state == state)


@dataclass(frozen=True, slots=True)
class Bound:
    """One bound of the plan on a metric, as a number."""

    user: str
    metric: str
    side: str
    """above or atMost: from above; below or atLeast: from below."""
    text: str
    value: float
    for_: timedelta

    @property
    def is_upper(self) -> bool:
        """Whether values must not exceed it."""
        return self.side in {"above", "atMost"}

    @property
    def said(self) -> str:
        """`at most 1%`."""
        words = {"atMost": "at most", "atLeast": "at least"}
        return f"{words.get(self.side, self.side)} {self.text}"

    def is_broken_by(self, value: float) -> bool:
        """Whether a value is beyond it."""
        return value > self.value if self.is_upper else value < self.value


def absolute(spec: RolloutSpec, history: History) -> RolloutSpec:
    """The plan with relative bounds as factors of the middle value of the history."""
    triggers = tuple(_absolute_trigger(each, history) for each in spec.triggers)
    gates = tuple(_absolute_gate(each, history) for each in spec.gates)
    return spec.model_copy(update={"triggers": triggers, "gates": gates})


def _absolute_trigger(trigger: Trigger, history: History) -> Trigger:
    if trigger.relative_to is None:
        return trigger
    update = _bounds_times(trigger, history.median(metric_name(trigger)), ("above", "below"))
    return trigger.model_copy(update=update)


def _absolute_gate(gate: Gate, history: History) -> Gate:
    if gate.of is not None:
        parts = tuple(_absolute_part(each, history) for each in gate.of)
        return gate.model_copy(update={"of": parts})
    return _absolute_part(gate, history)


def _absolute_part(part: T, history: History) -> T:
    if part.relative_to is None:
        return part
    update = _bounds_times(part, history.median(metric_name(part)), ("at_most", "at_least"))
    return part.model_copy(update=update)


def _bounds_times(
    user: Trigger | Gate | GateCondition, unit: float | None, names: tuple[str, ...]
) -> dict[str, object]:
    update: dict[str, object] = {"relative_to": None}
    for name in names:
        bound = getattr(user, name)
        if bound is not None and unit is not None:
            update[name] = as_bound(bound_value(bound) * unit)
    return update


def as_bound(value: float) -> str:
    """A number as a plan writes it."""
    text = f"{value:.12f}".rstrip("0").rstrip(".")
    return text if text not in {"", "-", "-0"} else "0"


def bounds_of(spec: RolloutSpec) -> Iterator[Bound]:
    """Every bound of the plan."""
    for trigger in spec.triggers:
        for side, bound in (("above", trigger.above), ("below", trigger.below)):
            if bound is not None:
                yield _bound(f"trigger {trigger.name}", metric_name(trigger), side, bound, trigger)
    for gate in spec.gates:
        for part in conditions_of(gate):
            name = gate.name if part is gate else f"{gate.name}/{part.name}"
            for side, bound in (("atMost", part.at_most), ("atLeast", part.at_least)):
                if bound is not None:
                    yield _bound(f"gate {name}", metric_name(part), side, bound, part)


def _bound(
    user: str, metric: str, side: str, bound: int | str, asked: Trigger | Gate | GateCondition
) -> Bound:
    return Bound(user, metric, side, str(bound), bound_value(bound), length_of(asked.for_))


def judge(rollout: Rollout, history: History) -> tuple[Verdicts, ...]:
    """What every trigger and every gate of the plan said."""
    spec = absolute(rollout.spec, history)
    triggers = tuple(judge_trigger(spec, each, history) for each in spec.triggers)
    return (*triggers, *_judge_gates(rollout.model_copy(update={"spec": spec}), history))


def judge_trigger(spec: RolloutSpec, trigger: Trigger, history: History) -> Verdicts:
    """What one trigger said, at every point of its question."""
    metric, length = metric_name(trigger), length_of(trigger.for_)
    measurement = history.series.get((metric, step_of(spec, length, history.stretch.every)))
    says = f"{'above' if trigger.above is not None else 'below'} "
    says += f"{trigger.above if trigger.above is not None else trigger.below}"
    says += f" for {trigger.for_}" if length else ""
    spells: tuple[Spell, ...] = ()
    if measurement is not None:
        armed = ArmedTrigger(
            spec=trigger,
            measurement=measurement,
            is_stale=False,
            judged_from=None,
            settles=False,
            is_at_zero_percent=False,
            reference_value=ABSOLUTE,
        )
        points = (
            (moment, _STATES[armed.state_at(measurement, moment)])
            for moment in _points(measurement, history.stretch.start)
        )
        spells = _spells(points, measurement.step, history.stretch.end)
    return Verdicts("trigger", trigger.name, says, trigger.action.value, (metric,), spells)


def _points(measurement: Measurement, start: datetime) -> Iterator[datetime]:
    moment = measurement.start + -(-(start - measurement.start) // measurement.step) * (
        measurement.step
    )
    while moment <= measurement.end:
        yield moment
        moment += measurement.step


def _judge_gates(rollout: Rollout, history: History) -> tuple[Verdicts, ...]:
    """All gates together, at every point: at each, the core sees what it would have seen then."""
    spec, stretch = rollout.spec, history.stretch
    if not spec.gates:
        return ()
    status = RolloutStatus(percent=spec.steps[-1].percent)
    rollout = rollout.model_copy(update={"status": status})
    said: dict[str, list[tuple[datetime, str]]] = {gate.name: [] for gate in spec.gates}
    moment, hold = stretch.start, HoldPolicy()
    while moment <= stretch.end:
        snapshot = Snapshot(
            rollout=rollout,
            measurements=_as_of(spec, history, moment),
            evaluation_interval=stretch.every,
        )
        there = State(
            snapshot=snapshot,
            status=status,
            attempt=0,
            index=None,
            next_index=None,
            began=None,
            started_at=None,
            hold=hold,
            now=moment,
        )
        for verdict in judge_gates(there).gates:
            state = HOLDS if verdict.holds else FAILS if verdict.holds is False else NO_DATA
            said[verdict.name].append((moment, state))
        moment += stretch.every
    return tuple(
        Verdicts(
            "gate",
            gate.name,
            _says(gate),
            "",
            tuple(dict.fromkeys(metric_name(part) for part in conditions_of(gate))),
            _spells(said[gate.name], stretch.every, stretch.end),
        )
        for gate in spec.gates
    )


def _says(gate: Gate) -> str:
    if gate.of is not None:
        return f"{gate.passing} of {len(gate.of)}"
    bounds = []
    if gate.at_most is not None:
        bounds.append(f"at most {gate.at_most}")
    if gate.at_least is not None:
        bounds.append(f"at least {gate.at_least}")
    return " and ".join(bounds) + (f" for {gate.for_}" if length_of(gate.for_) else "")


def _as_of(spec: RolloutSpec, history: History, moment: datetime) -> dict[str, Measurement]:
    """The measurements of gates as they were at a moment."""
    found: dict[str, Measurement] = {}
    for gate in spec.gates:
        for part in conditions_of(gate):
            metric, length = metric_name(part), length_of(part.for_)
            name = windowed(metric, length)
            whole = history.series.get((metric, step_of(spec, length, history.stretch.every)))
            if whole is None or name in found:
                continue
            end = whole.start + (moment - whole.start) // whole.step * whole.step
            start = end - -(-length // whole.step) * whole.step
            samples = samples_between(whole.samples, start, end)
            outcome = Outcome.NO_DATA
            if samples and samples[-1].at == end:
                outcome = Outcome.VALUE if samples[-1].is_number else Outcome.NOT_A_NUMBER
            found[name] = replace(
                whole, start=start, end=end, samples=samples, outcome=outcome, observed_at=moment
            )
    return found


def _spells(
    points: Iterator[tuple[datetime, str]] | list[tuple[datetime, str]],
    step: timedelta,
    end: datetime,
) -> tuple[Spell, ...]:
    """Points that say the same, as stretches that follow one another."""
    starts = [(state, next(group)[0]) for state, group in groupby(points, key=lambda p: p[1])]
    ends = [moment for _, moment in starts[1:]] + [end + step]
    return tuple(
        Spell(state, start, until) for (state, start), until in zip(starts, ends, strict=True)
    )
