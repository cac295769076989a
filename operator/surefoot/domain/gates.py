"""Metric gates: bounds that must have held, at every point, for as long as the plan says.

Only finite, single, fresh values count. A window with a hole in it has not held.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from surefoot.api.v1alpha1.durations import in_words, parse_bound, parse_duration
from surefoot.api.v1alpha1.rollout import Gate, GateCondition
from surefoot.api.v1alpha1.rollout_status import WindowEvidence
from surefoot.domain.measurements import Outcome
from surefoot.domain.snapshot import Snapshot
from surefoot.domain.steps import HoldPolicy
from surefoot.domain.triggers import unanswered
from surefoot.domain.verdicts import Aspect, Missing, Verdict, blocks, not_required, passes
from surefoot.domain.windows import number, window_at, window_evidence


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """Whether one bound, or one group of bounds, held. ``holds`` is None without data."""

    name: str
    holds: bool | None
    reason: str
    message: str
    evidence: tuple[WindowEvidence, ...]


def judge_gates(
    snapshot: Snapshot, hold: HoldPolicy, began: datetime | None, now: datetime
) -> tuple[Verdict, tuple[WindowEvidence, ...]]:
    """Whether every gate of this step holds, and the windows that say so."""
    gates = [
        gate
        for gate in snapshot.rollout.spec.gates
        if hold.gates is None or gate.name in hold.gates
    ]
    if not gates:
        return not_required(Aspect.GATES_HEALTHY), ()
    verdicts = [_judge_gate(snapshot, gate, began, now) for gate in gates]
    evidence = tuple(window for verdict in verdicts for window in verdict.evidence)
    if began is not None and now < began + hold.warm_up:
        left = in_words(began + hold.warm_up - now)
        return blocks(Aspect.GATES_HEALTHY, Missing("WarmingUp", f"warms up for {left}")), evidence
    failing = [verdict for verdict in verdicts if not verdict.holds]
    if not failing:
        said = "; ".join(verdict.message for verdict in verdicts)
        return passes(Aspect.GATES_HEALTHY, "GatesHold", said), evidence
    # What is known to be wrong is said before what is not known.
    failing.sort(key=lambda verdict: verdict.holds is None)
    missing = [Missing(verdict.reason, f"gate {verdict.message}") for verdict in failing]
    unknown = all(verdict.holds is None for verdict in failing)
    return blocks(Aspect.GATES_HEALTHY, *missing, unknown=unknown), evidence


def _judge_gate(
    snapshot: Snapshot, gate: Gate, began: datetime | None, now: datetime
) -> GateVerdict:
    if gate.of is None or gate.passing is None:
        return _judge_bound(snapshot, gate, f"gate {gate.name}", began, now)
    parts = [
        _judge_bound(snapshot, part, f"gate {gate.name}/{part.name}", began, now)
        for part in gate.of
    ]
    passing = sum(part.holds is True for part in parts)
    possible = passing + sum(part.holds is None for part in parts)
    evidence = tuple(window for part in parts for window in part.evidence)
    message = f"{gate.name}: {passing} of {len(parts)} hold, {gate.passing} are needed"
    if passing >= gate.passing:
        return GateVerdict(gate.name, True, "GateHolds", message, evidence)
    lacking = "; ".join(part.message for part in parts if not part.holds)
    return GateVerdict(
        name=gate.name,
        holds=None if possible >= gate.passing else False,
        reason="GateFails",
        message=f"{message}: {lacking}",
        evidence=evidence,
    )


def _judge_bound(
    snapshot: Snapshot,
    gate: Gate | GateCondition,
    used_by: str,
    began: datetime | None,
    now: datetime,
) -> GateVerdict:
    metric = gate.metric or gate.name
    measurement = snapshot.measurements.get(metric)
    is_stale = (
        measurement is not None and now - measurement.observed_at > 2 * snapshot.evaluation_interval
    )
    if measurement is None or is_stale or measurement.outcome is not Outcome.VALUE:
        outcome = "NotYetMeasured" if measurement is None else measurement.outcome.value
        reason = Outcome.STALE.value if is_stale else outcome
        why = unanswered(measurement, is_stale, now)
        return GateVerdict(gate.name, None, reason, f"{gate.name}: {why}", ())
    length = parse_duration(gate.for_)
    window = window_at(measurement, measurement.end, length, began)
    evidence = (window_evidence(metric, used_by, measurement, window),)
    breach = next((s for s in reversed(window.numbers) if not _within(gate, s.value)), None)
    over = f" for {gate.for_}" if length else ""
    if breach is not None:
        message = f"{gate.name}: {number(breach.value)}, must be {_bounds(gate)}{over}"
        return GateVerdict(gate.name, False, "GateFails", message, evidence)
    if not window.is_full:
        held = _held_so_far(window.start, measurement.end)
        message = f"{gate.name}: {_bounds(gate)} for {held} of {gate.for_}"
        return GateVerdict(gate.name, False, "WindowNotFull", message, evidence)
    if len(window.numbers) < window.expected:
        message = (
            f"{gate.name}: {len(window.numbers)} of {window.expected} points of the last "
            f"{gate.for_} have a value"
        )
        return GateVerdict(gate.name, None, Outcome.NO_DATA.value, message, evidence)
    value = number(window.numbers[-1].value)
    return GateVerdict(
        gate.name, True, "GateHolds", f"{gate.name}: {value}, {_bounds(gate)}{over}", evidence
    )


def _held_so_far(start: datetime, end: datetime) -> str:
    return in_words(max(timedelta(0), end - start))


def _within(gate: Gate | GateCondition, value: float) -> bool:
    return (gate.at_most is None or value <= parse_bound(gate.at_most)) and (
        gate.at_least is None or value >= parse_bound(gate.at_least)
    )


def _bounds(gate: Gate | GateCondition) -> str:
    bounds = []
    if gate.at_most is not None:
        bounds.append(f"at most {gate.at_most}")
    if gate.at_least is not None:
        bounds.append(f"at least {gate.at_least}")
    return " and ".join(bounds)
