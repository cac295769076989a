"""Coverage: as many are in as the percentage says, as somebody who counts them sees it."""

from collections.abc import Iterable
from dataclasses import dataclass

from surefoot.api.v1alpha1.durations import parse_bound
from surefoot.api.v1alpha1.rollout_status import Phase, WindowEvidence
from surefoot.domain.checks.check import LEAVING_A_STEP, Check, Group, Judgements
from surefoot.domain.derive.state import State
from surefoot.domain.derive.trigger_faults import unknown_metric
from surefoot.domain.derive.triggers import unanswered
from surefoot.domain.facts.bands import Band, Bands
from surefoot.domain.facts.measurements import Outcome, is_stale
from surefoot.domain.facts.snapshot import Snapshot
from surefoot.domain.facts.steps import ZERO
from surefoot.domain.facts.verdicts import (
    ConditionType,
    UnmetRequirement,
    Verdict,
    blocks,
    not_required,
    passes,
)
from surefoot.domain.facts.windows import number, window_at, window_evidence

_ROUNDING = 1e-9
"""A share such as 0.26 is not exact in binary; a whole point off is a whole point."""
_NOBODY = frozenset({Outcome.NO_DATA, Outcome.NOT_A_NUMBER})


@dataclass(frozen=True, slots=True)
class CoverageJudgement:
    """Whether as many are in as were let in, and the windows that say so."""

    verdict: Verdict
    windows: tuple[WindowEvidence, ...] = ()


def judge(state: State, _: Judgements) -> CoverageJudgement:
    """Whether the observed share is within the tolerance of the percentage, in points."""
    return CoverageJudgement(*_judge(state))


def _judge(situation: State) -> tuple[Verdict, tuple[WindowEvidence, ...]]:
    plan = situation.rollout.spec.coverage
    if plan is None:
        return not_required(ConditionType.COVERAGE_OBSERVED), ()
    percent, began = situation.percent, situation.counted_from
    if percent is None or began is None:
        return _lacks("NotStarted", f"{plan.metric} is looked at once a percentage is taken"), ()
    snapshot, now = situation.snapshot, situation.now
    measurement = snapshot.measurements.get(plan.metric)
    is_old = measurement is not None and is_stale(measurement, now, snapshot.evaluation_interval)
    if measurement is None or is_old or measurement.value is None:
        if measurement and not is_old and percent == 0 and measurement.outcome in _NOBODY:
            return passes(ConditionType.COVERAGE_OBSERVED, "NobodyIsIn", "nobody is in at 0%"), ()
        outcome = measurement.outcome.value if measurement else "NotYetMeasured"
        reason = Outcome.STALE.value if is_old else outcome
        why = f"coverage {plan.metric}: {unanswered(measurement, is_old, now)}"
        return blocks(
            ConditionType.COVERAGE_OBSERVED, UnmetRequirement(reason, why), unknown=True
        ), ()
    if measurement.end < began:
        return _lacks("NoPointYet", f"coverage {plan.metric}: no sample from this step yet"), ()
    window = window_at(measurement, measurement.end, ZERO, began)
    evidence = (window_evidence(plan.metric, "coverage", measurement, window),)
    share = measurement.value * 100
    message = (
        f"{number(share)}% are in as {plan.metric} counts them, {percent}% were let in; "
        f"{plan.tolerance} points off are tolerated"
    )
    if abs(share - percent) > parse_bound(plan.tolerance) + _ROUNDING:
        return _lacks("OutsideTolerance", message), evidence
    return passes(ConditionType.COVERAGE_OBSERVED, "WithinTolerance", message), evidence


def _lacks(reason: str, message: str) -> Verdict:
    return blocks(ConditionType.COVERAGE_OBSERVED, UnmetRequirement(reason, message))


def faults(snapshot: Snapshot) -> Iterable[UnmetRequirement]:
    """A metric that the plan does not define."""
    spec = snapshot.rollout.spec
    return unknown_metric(spec, "coverage", spec.coverage.metric) if spec.coverage else ()


def _steady_within(state: State, judgement: CoverageJudgement) -> Bands | None:
    plan, percent = state.rollout.spec.coverage, state.percent
    if plan is None:
        return {}
    if not judgement.verdict.holds or percent is None:
        return None
    tolerance = parse_bound(plan.tolerance)
    band = Band((percent - tolerance) / 100, (percent + tolerance) / 100)
    return {plan.metric: (band,)}


COVERAGE_OBSERVED = Check(
    type=ConditionType.COVERAGE_OBSERVED,
    group=Group.HOLD,
    applies_to=LEAVING_A_STEP,
    phase=Phase.HOLDING,
    judge=judge,
    withdraws="another share is in than was let in",
    is_paced=True,
    steady_within=_steady_within,
    faults=faults,
)
