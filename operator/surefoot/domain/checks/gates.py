"""Metric gates: bounds that must have held, at every point, for as long as the plan says.

Only finite, single, fresh values count. A window with a hole in it has not held.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice

from surefoot.api.v1alpha1.durations import in_words
from surefoot.api.v1alpha1.rollout import Gate, GateCondition, RolloutSpec
from surefoot.api.v1alpha1.rollout_status import Phase, RolloutStatus, WindowEvidence
from surefoot.domain.checks.answers import first_answer_at
from surefoot.domain.checks.check import LEAVING_A_STEP, Check, Group
from surefoot.domain.derive.baseline import ReferenceValue, reference_value
from surefoot.domain.derive.state import State, warm_until
from surefoot.domain.derive.trigger_faults import unknown_metric
from surefoot.domain.derive.triggers import unanswered
from surefoot.domain.facts.measurements import Measurement, Outcome, is_stale
from surefoot.domain.facts.moments import later
from surefoot.domain.facts.questions import conditions_of, length_of, windowed
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
    Window,
    bound_value,
    number_like,
    window_at,
    window_evidence,
)


@dataclass(frozen=True, slots=True)
class SeenWindow:
    """A window that a bound was judged by. The record is made of it only where one is kept."""

    metric: str
    used_by: str
    measurement: Measurement
    window: Window
    compared_with: str

    @property
    def evidence(self) -> WindowEvidence:
        """The window as the record keeps it."""
        return window_evidence(
            self.metric, self.used_by, self.measurement, self.window, self.compared_with
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


MOST_WINDOWS = 80
"""As many windows as the evidence of a decision takes."""
_NOBODY = frozenset({Outcome.NO_DATA.value, Outcome.NOT_A_NUMBER.value})
NOT_REQUIRED = "NotRequired"
"""The reason of a gate that has nothing to compare with yet, and so asks for nothing."""
NOBODY_IS_IN = "NobodyIsIn"
"""The reason of a gate that holds without data, because the flag is at 0%."""


@dataclass(frozen=True, slots=True)
class _GateContext:
    """What all gates of a step are judged by. ``by_default`` where it names none of them.

    ``status`` has the baselines that count.
    """

    snapshot: Snapshot
    status: RolloutStatus
    began: datetime | None
    now: datetime
    by_default: bool

    @property
    def is_at_zero_percent(self) -> bool:
        """At 0% a gate that was not asked for by name is not held without data."""
        return self.snapshot.rollout.status.percent == 0 and self.by_default


def gates_of(spec: RolloutSpec, hold: HoldPolicy) -> tuple[Gate, ...]:
    """The gates needed to leave a step."""
    return tuple(gate for gate in spec.gates if hold.gates is None or gate.name in hold.gates)


def judge_gates(
    snapshot: Snapshot,
    status: RolloutStatus,
    hold: HoldPolicy,
    began: datetime | None,
    now: datetime,
) -> GatesJudgement:
    """Whether every gate of this step holds."""
    gates = gates_of(snapshot.rollout.spec, hold)
    if not gates:
        return GatesJudgement(not_required(ConditionType.GATES_HEALTHY))
    look = _GateContext(snapshot, status, began, now, hold.gates is None)
    verdicts = tuple(_judge_gate(look, gate) for gate in gates)
    warm = warm_until(began, hold, snapshot)
    if hold.warm_up and warm is not None and now < warm:
        left = in_words(warm - now)
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
        said = "; ".join(verdict.message for verdict in verdicts)
        none_counts = all(verdict.reason == NOT_REQUIRED for verdict in verdicts)
        reason = NOT_REQUIRED if none_counts else "GatesHold"
        return passes(ConditionType.GATES_HEALTHY, reason, said)
    # What is known to be wrong is said before what is not known.
    failing.sort(key=lambda verdict: verdict.holds is None)
    missing = [UnmetRequirement(verdict.reason, f"gate {verdict.message}") for verdict in failing]
    unknown = all(verdict.holds is None for verdict in failing)
    return blocks(ConditionType.GATES_HEALTHY, *missing, unknown=unknown)


def judge_gate(situation: State, gate: Gate) -> GateVerdict:
    """Whether one gate of the plan holds, asked for by its name, whatever this step needs."""
    began, now, warm = situation.began, situation.now, situation.warm_until
    if warm is not None and now < warm:
        left = in_words(warm - now)
        return GateVerdict(gate.name, False, "WarmingUp", f"{gate.name}: warms up for {left}", ())
    look = _GateContext(situation.snapshot, situation.status, began, now, by_default=False)
    return _judge_gate(look, gate)


def _judge_gate(look: _GateContext, gate: Gate) -> GateVerdict:
    if gate.of is None or gate.passing is None:
        return _judge_bound(look, gate, f"gate {gate.name}")
    parts = [_judge_bound(look, part, f"gate {gate.name}/{part.name}") for part in gate.of]
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


def _judge_bound(look: _GateContext, gate: Gate | GateCondition, used_by: str) -> GateVerdict:
    metric = gate.metric or gate.name
    unit = reference_value(look.snapshot.rollout.spec, look.status, gate.relative_to, metric)
    if unit.unit is None:
        said = f"{gate.name}: {unit.said}"
        if not unit.is_required:
            return GateVerdict(gate.name, True, NOT_REQUIRED, said, ())
        return GateVerdict(gate.name, False, Outcome.INVALID.value, said, ())
    length = length_of(gate.for_)
    measurement = look.snapshot.measurements.get(windowed(metric, length))
    is_old = measurement is not None and is_stale(
        measurement, look.now, look.snapshot.evaluation_interval
    )
    if measurement is None or is_old or measurement.outcome is not Outcome.VALUE:
        outcome = "NotYetMeasured" if measurement is None else measurement.outcome.value
        if look.is_at_zero_percent and not is_old and outcome in _NOBODY:
            said = f"{gate.name}: nobody is in at 0%"
            return GateVerdict(gate.name, True, NOBODY_IS_IN, said, ())
        reason = Outcome.STALE.value if is_old else outcome
        why = unanswered(measurement, is_old, look.now)
        return GateVerdict(gate.name, None, reason, f"{gate.name}: {why}", ())
    window = window_at(measurement, measurement.end, length, look.began)
    seen = (SeenWindow(metric, used_by, measurement, window, unit.said),)
    ratios = [unit.ratio(sample.value) for sample in window.numbers]
    breach = next((ratio for ratio in reversed(ratios) if not _within(gate, ratio)), None)
    over = f" for {gate.for_}" if length else ""
    if breach is not None:
        message = f"{gate.name}: {_said(gate, breach)}, must be {_bounds(gate, unit)}{over}"
        return GateVerdict(gate.name, False, "GateFails", message, seen)
    if not window.is_full:
        held = _held_so_far(window.start, measurement.end)
        message = f"{gate.name}: {_bounds(gate, unit)} for {held} of {gate.for_}"
        return GateVerdict(gate.name, False, "WindowNotFull", message, seen)
    if len(window.numbers) < window.expected and not look.is_at_zero_percent:
        message = (
            f"{gate.name}: {len(window.numbers)} of {window.expected} points of the last "
            f"{gate.for_} have a value"
        )
        return GateVerdict(gate.name, None, Outcome.NO_DATA.value, message, seen)
    message = f"{gate.name}: {_said(gate, ratios[-1])}, {_bounds(gate, unit)}{over}"
    return GateVerdict(gate.name, True, "GateHolds", message, seen)


def _held_so_far(start: datetime, end: datetime) -> str:
    """How long it has held, rounded down: never more than it has."""
    return in_words(max(timedelta(0), end - start) // timedelta(seconds=1) * timedelta(seconds=1))


def _said(gate: Gate | GateCondition, value: float) -> str:
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
    spec = snapshot.rollout.spec
    for gate in spec.gates:
        for part in gate.of if gate.of is not None else (gate,):
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
    if state.began is None or judgement.verdict.holds or not judgement.gates:
        return None
    loose = {gate.name for gate in judgement.gates if not gate.holds}
    full = [
        _window_is_full_at(state, gate, state.began)
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
    if measurement is None or not length or full <= measurement.end:
        return full
    return first_answer_at(state, full, measurement.step)


GATES_HEALTHY = Check(
    type=ConditionType.GATES_HEALTHY,
    group=Group.HOLD,
    applies_to=LEAVING_A_STEP,
    phase=Phase.HOLDING,
    judge=lambda state, _earlier: judge_gates(
        state.snapshot, state.status, state.hold, state.began, state.now
    ),
    withdraws="a gate does not hold any more",
    is_paced=True,
    earliest=_earliest,
    faults=faults,
)
