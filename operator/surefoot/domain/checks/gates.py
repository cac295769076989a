"""Metric gates: bounds that must have held, at every point, for as long as the plan says.

Only finite, single, fresh values count. A window with a hole in it has not held.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice

from surefoot.api.v1alpha1.durations import in_words
from surefoot.api.v1alpha1.rollout import Gate, GateCondition, RolloutSpec
from surefoot.api.v1alpha1.rollout_status import Phase, WindowEvidence
from surefoot.domain.checks.answers import first_answer_at
from surefoot.domain.checks.check import LEAVING_A_STEP, Check, Group
from surefoot.domain.derive.baseline import ReferenceValue, reference_value
from surefoot.domain.derive.state import State
from surefoot.domain.derive.trigger_faults import unknown_metric
from surefoot.domain.derive.triggers import unanswered
from surefoot.domain.facts.bands import Band, Bands, joined
from surefoot.domain.facts.measurements import Measurement, Outcome, is_stale
from surefoot.domain.facts.memory import remembered_with
from surefoot.domain.facts.moments import later
from surefoot.domain.facts.questions import conditions_of, length_of, metric_name, windowed
from surefoot.domain.facts.snapshot import Snapshot
from surefoot.domain.facts.steps import HoldPolicy
from surefoot.domain.facts.verdicts import (
    ConditionType,
    UnmetRequirement,
    Verdict,
    blocks,
    not_required,
    passes,
)
from surefoot.domain.facts.windows import (
    SeenWindow,
    Window,
    bound_value,
    number_like,
    window_at,
)


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """Whether one bound, or one group of bounds, held. ``holds`` is None without data."""

    name: str
    holds: bool | None
    reason: str
    message: str
    seen: tuple[SeenWindow, ...]


@dataclass(frozen=True, slots=True)
class GatesJudgement:
    """Whether the gates of a step hold, all together and one by one."""

    verdict: Verdict
    gates: tuple[GateVerdict, ...] = ()

    @property
    def windows(self) -> tuple[WindowEvidence, ...]:
        """The windows that say so, as many as the record keeps of them."""
        seen = (window for gate in self.gates for window in gate.seen)
        return tuple(window.evidence for window in islice(seen, MOST_WINDOWS))


_SECOND = timedelta(seconds=1)
MOST_WINDOWS = 80
"""As many windows as the evidence of a decision takes."""
_NOBODY = frozenset({Outcome.NO_DATA.value, Outcome.NOT_A_NUMBER.value})
NOT_REQUIRED = "NotRequired"
"""The reason of a gate that has nothing to compare with yet, and so asks for nothing."""
NOBODY_IS_IN = "NobodyIsIn"
"""The reason of a gate that holds without data, because the flag is at 0%."""


@dataclass(frozen=True, slots=True)
class _Look:
    """What a bound looks at: a window, and the lowest and the highest number in it."""

    measurement: Measurement
    window: Window
    lowest: float
    highest: float

    @property
    def held(self) -> str:
        """How long the window is so far, rounded down: never more than it is."""
        length = max(timedelta(0), self.measurement.end - self.window.start)
        return in_words(length // _SECOND * _SECOND)


def gates_of(spec: RolloutSpec, hold: HoldPolicy) -> tuple[Gate, ...]:
    """The gates needed to leave a step."""
    return tuple(gate for gate in spec.gates if hold.gates is None or gate.name in hold.gates)


def judge_gates(state: State) -> GatesJudgement:
    """Whether every gate of this step holds.

    At 0% a gate that the step does not ask for by name is not held without data.
    """
    gates = gates_of(state.rollout.spec, state.hold)
    if not gates:
        return GatesJudgement(not_required(ConditionType.GATES_HEALTHY))
    is_lenient = state.percent == 0 and state.hold.gates is None
    verdicts = tuple(_judged(state, gate.name, is_lenient) for gate in gates)
    warm = state.warm_until
    if state.hold.warm_up and warm is not None and state.now < warm:
        left = in_words(warm - state.now)
        warming_up = blocks(
            ConditionType.GATES_HEALTHY, UnmetRequirement("WarmingUp", f"warms up for {left}")
        )
        return GatesJudgement(warming_up, tuple(_warming_up(gate, left) for gate in verdicts))
    return GatesJudgement(_all_together(verdicts), verdicts)


def _warming_up(judged: GateVerdict, left: str) -> GateVerdict:
    """The gate before the warm-up is over: what it says does not count yet."""
    message = f"{judged.name}: warms up for {left}"
    return replace(judged, holds=False, reason="WarmingUp", message=message)


def _all_together(verdicts: tuple[GateVerdict, ...]) -> Verdict:
    failing = [verdict for verdict in verdicts if not verdict.holds]
    if not failing:
        message = "; ".join(verdict.message for verdict in verdicts)
        none_counts = all(verdict.reason == NOT_REQUIRED for verdict in verdicts)
        reason = NOT_REQUIRED if none_counts else "GatesHold"
        return passes(ConditionType.GATES_HEALTHY, reason, message)
    # What is known to be wrong is said before what is not known.
    failing.sort(key=lambda verdict: verdict.holds is None)
    missing = [UnmetRequirement(verdict.reason, f"gate {verdict.message}") for verdict in failing]
    unknown = all(verdict.holds is None for verdict in failing)
    return blocks(ConditionType.GATES_HEALTHY, *missing, unknown=unknown)


def judge_gate(state: State, gate: Gate) -> GateVerdict:
    """Whether one gate of the plan holds, asked for by its name, whatever this step needs."""
    warm = state.warm_until
    if warm is not None and state.now < warm:
        left = in_words(warm - state.now)
        return GateVerdict(gate.name, False, "WarmingUp", f"{gate.name}: warms up for {left}", ())
    return _judged(state, gate.name, False)


@remembered_with
def _judged(state: State, name: str, is_lenient: bool) -> GateVerdict:
    """A gate as its windows say; the step, the scorecard and cohorts may all ask for it."""
    gate = _gates_by_name(state.rollout.spec)[name]
    if gate.of is None or gate.passing is None:
        return _judge_bound(state, gate, f"gate {gate.name}", is_lenient)
    parts = [
        _judge_bound(state, part, f"gate {gate.name}/{part.name}", is_lenient) for part in gate.of
    ]
    passing = sum(part.holds is True for part in parts)
    possible = passing + sum(part.holds is None for part in parts)
    seen = tuple(window for part in parts for window in part.seen)
    message = f"{gate.name}: {passing} of {len(parts)} hold, {gate.passing} are needed"
    if passing >= gate.passing:
        return GateVerdict(gate.name, True, "GateHolds", message, seen)
    lacking = "; ".join(part.message for part in parts if not part.holds)
    return GateVerdict(
        name=gate.name,
        holds=None if possible >= gate.passing else False,
        reason="GateFails",
        message=f"{message}: {lacking}",
        seen=seen,
    )


@remembered_with
def _gates_by_name(spec: RolloutSpec) -> Mapping[str, Gate]:
    return {gate.name: gate for gate in spec.gates}


def _judge_bound(
    state: State, gate: Gate | GateCondition, used_by: str, is_lenient: bool
) -> GateVerdict:
    metric = gate.metric or gate.name
    unit = reference_value(state.rollout.spec, state.status, gate.relative_to, metric)
    if unit.unit is None:
        message = f"{gate.name}: {unit.description}"
        if not unit.is_required:
            return GateVerdict(gate.name, True, NOT_REQUIRED, message, ())
        return GateVerdict(gate.name, False, Outcome.INVALID.value, message, ())
    look = _look(state, metric, gate.for_)
    if look is None:
        return _without_value(state, gate, metric, is_lenient)
    window = look.window
    seen = (SeenWindow(metric, used_by, look.measurement, window, unit.description),)
    over = f" for {gate.for_}" if length_of(gate.for_) else ""
    breach = _newest_breach(gate, look, unit)
    if breach is not None:
        message = f"{gate.name}: {_format_value(gate, breach)}, must be {_bounds(gate, unit)}{over}"
        return GateVerdict(gate.name, False, "GateFails", message, seen)
    if not window.is_full:
        held = f"{_bounds(gate, unit)} for {look.held} of {gate.for_}"
        message = f"{gate.name}: {held if over else 'no value of this step is there yet'}"
        return GateVerdict(gate.name, False, "WindowNotFull", message, seen)
    if len(window.numbers) < window.expected and not is_lenient:
        message = (
            f"{gate.name}: {len(window.numbers)} of {window.expected} points of the last "
            f"{gate.for_} have a value"
        )
        return GateVerdict(gate.name, None, Outcome.NO_DATA.value, message, seen)
    newest = unit.ratio(window.numbers[-1].value)
    message = f"{gate.name}: {_format_value(gate, newest)}, {_bounds(gate, unit)}{over}"
    return GateVerdict(gate.name, True, "GateHolds", message, seen)


def _without_value(
    state: State, gate: Gate | GateCondition, metric: str, is_lenient: bool
) -> GateVerdict:
    """The verdict where there is no answer, or none that has a fresh value."""
    measurement = state.snapshot.measurements.get(windowed(metric, length_of(gate.for_)))
    is_old = measurement is not None and is_stale(
        measurement, state.now, state.snapshot.evaluation_interval
    )
    outcome = "NotYetMeasured" if measurement is None else measurement.outcome.value
    if is_lenient and not is_old and outcome in _NOBODY:
        message = f"{gate.name}: nobody is in at 0%"
        return GateVerdict(gate.name, True, NOBODY_IS_IN, message, ())
    reason = Outcome.STALE.value if is_old else outcome
    why = unanswered(measurement, is_old, state.now)
    return GateVerdict(gate.name, None, reason, f"{gate.name}: {why}", ())


@remembered_with
def _look(state: State, metric: str, for_: str) -> _Look | None:
    """The window of a metric that every bound of this length looks at; None without a value."""
    length = length_of(for_)
    measurement = state.snapshot.measurements.get(windowed(metric, length))
    if measurement is None or measurement.outcome is not Outcome.VALUE:
        return None
    if is_stale(measurement, state.now, state.snapshot.evaluation_interval):
        return None
    window = window_at(measurement, measurement.end, length, state.counted_from)
    values = [sample.value for sample in window.numbers]
    return _Look(measurement, window, min(values, default=0.0), max(values, default=0.0))


def _newest_breach(gate: Gate | GateCondition, look: _Look, unit: ReferenceValue) -> float | None:
    """The newest value that is not within the bounds, in their unit; None where all are.

    Most windows keep their bounds, which the lowest and the highest value tell.
    """
    numbers, one = look.window.numbers, unit.ratio_unit
    if not numbers or (_within(gate, look.lowest / one) and _within(gate, look.highest / one)):
        return None
    ratios = (sample.value / one for sample in reversed(numbers))
    return next((ratio for ratio in ratios if not _within(gate, ratio)), None)


def _format_value(gate: Gate | GateCondition, value: float) -> str:
    return number_like(gate.at_most if gate.at_most is not None else gate.at_least, value)


def _within(gate: Gate | GateCondition, value: float) -> bool:
    return (gate.at_most is None or value <= bound_value(gate.at_most)) and (
        gate.at_least is None or value >= bound_value(gate.at_least)
    )


def _bounds(gate: Gate | GateCondition, unit: ReferenceValue) -> str:
    bounds = []
    if gate.at_most is not None:
        bounds.append(f"at most {gate.at_most}")
    if gate.at_least is not None:
        bounds.append(f"at least {gate.at_least}")
    return f"{' and '.join(bounds)}{unit.suffix}"


def faults(snapshot: Snapshot) -> Iterable[UnmetRequirement]:
    """Gates on metrics, and holds on gates, that the plan does not define."""
    return faults_of(snapshot.rollout.spec)


@remembered_with
def faults_of(spec: RolloutSpec) -> tuple[UnmetRequirement, ...]:
    """The faults of a plan's gates: they follow from the plan alone."""
    return tuple(_faults(spec))


def _faults(spec: RolloutSpec) -> Iterator[UnmetRequirement]:
    for gate in spec.gates:
        for part in conditions_of(gate):
            yield from unknown_metric(spec, f"gate {gate.name}", part.metric or part.name)
    known = {gate.name for gate in spec.gates}
    holds = [("hold", spec.hold)]
    holds += [(f"steps[{step.percent}].hold", step.hold) for step in spec.steps]
    for where, hold in holds:
        for name in (hold.gates or ()) if hold else ():
            if name not in known:
                yield UnmetRequirement(
                    "UnknownGate",
                    f"{where} names the gate {name}, which the plan does not define; defined: "
                    f"{', '.join(sorted(known)) or 'none'}",
                )


def _earliest(state: State, judgement: GatesJudgement, _not_before: datetime) -> datetime | None:
    """When the warm-up is over, and every window that is not full lies within the step."""
    if state.counted_from is None or judgement.verdict.holds or not judgement.gates:
        return None
    loose = {gate.name for gate in judgement.gates if not gate.holds}
    full = [
        _window_is_full_at(state, gate, state.counted_from)
        for gate in gates_of(state.rollout.spec, state.hold)
        if gate.name in loose
    ]
    warm = state.warm_until if state.hold.warm_up else None
    return max((moment for moment in (*full, warm) if moment is not None), default=None)


def _window_is_full_at(state: State, gate: Gate, began: datetime) -> datetime:
    """When as many windows of the gate are full as must hold."""
    moments = sorted(_is_full_at(state, bound, began) for bound in conditions_of(gate))
    return moments[(gate.passing or 1) - 1 if gate.of is not None else 0]


def _is_full_at(state: State, bound: Gate | GateCondition, began: datetime) -> datetime:
    length = length_of(bound.for_)
    full = later(began, length)
    measurement = state.snapshot.measurements.get(windowed(bound.metric or bound.name, length))
    if measurement is None or full <= measurement.end:
        return full
    return first_answer_at(state, full, measurement.step)


def _steady_within(state: State, judgement: GatesJudgement) -> Bands | None:
    if not judgement.verdict.holds:
        return None
    return bands_of(state, gates_of(state.rollout.spec, state.hold))


def bands_of(state: State, gates: Iterable[Gate]) -> Bands:
    """The bands within which every bound of these gates is kept."""
    spec, status = state.rollout.spec, state.status
    bands: list[Bands] = []
    for gate in gates:
        for bound in conditions_of(gate):
            metric = metric_name(bound)
            unit = reference_value(spec, status, bound.relative_to, metric).unit
            if unit is not None:
                lowest = -math.inf if bound.at_least is None else bound_value(bound.at_least)
                highest = math.inf if bound.at_most is None else bound_value(bound.at_most)
                band = Band(lowest, highest, unit)
                bands.append({windowed(metric, length_of(bound.for_)): (band,)})
    return joined(bands)


GATES_HEALTHY = Check(
    type=ConditionType.GATES_HEALTHY,
    group=Group.HOLD,
    applies_to=LEAVING_A_STEP,
    phase=Phase.HOLDING,
    judge=lambda state, _earlier: judge_gates(state),
    withdraws="a gate does not hold any more",
    is_paced=True,
    steady_within=_steady_within,
    earliest=_earliest,
    faults=faults,
)
