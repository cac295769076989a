"""The plan: its ladder of percentages, what each rung asks for before it is left, its metrics.

An index is a position in `spec.steps`; `None` lies below the first step, where the percentage is 0
or not set at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from surefoot.api.v1alpha1.durations import parse_duration
from surefoot.api.v1alpha1.rollout import (
    ApprovalsPolicy,
    CheckpointPlan,
    Hold,
    Metric,
    OnBreach,
    RolloutSpec,
)
from surefoot.domain.facts.memory import remembered_with

ZERO = timedelta(0)


@dataclass(frozen=True, slots=True)
class HoldPolicy:
    """A hold with everything resolved: the step's own, then `spec.hold`, then the defaults.

    ``gates`` are the names needed, or None for all of the plan. ``approvals`` is None where nobody
    has to sign.
    """

    soak: timedelta = ZERO
    on_breach: OnBreach = OnBreach.RESET
    warm_up: timedelta = ZERO
    baseline: timedelta = ZERO
    gates: tuple[str, ...] | None = None
    checkpoints: tuple[CheckpointPlan, ...] = ()
    approvals: ApprovalsPolicy | None = None


def index_of(spec: RolloutSpec, percent: int | None) -> int | None:
    """The index of the step with exactly this percentage, if the plan has one."""
    return next((i for i, step in enumerate(spec.steps) if step.percent == percent), None)


def next_index(spec: RolloutSpec, percent: int | None) -> int | None:
    """The index of the step after this percentage; None after the last."""
    if percent is None:
        return 0
    return next((i for i, step in enumerate(spec.steps) if step.percent > percent), None)


def previous_percent(spec: RolloutSpec, percent: int) -> int:
    """The percentage of the step before this one; 0 before the first."""
    return max((step.percent for step in spec.steps if step.percent < percent), default=0)


@remembered_with
def allowed_percents(spec: RolloutSpec) -> frozenset[int]:
    """Where the flag may stand: 0, and every step."""
    return frozenset({0, *(step.percent for step in spec.steps)})


@remembered_with
def metrics_by_name(spec: RolloutSpec) -> Mapping[str, Metric]:
    """The metrics of the plan, by the names that gates and triggers call them."""
    return {metric.name: metric for metric in spec.metrics}


@remembered_with
def hold_of(spec: RolloutSpec, index: int | None) -> HoldPolicy:
    """What must be satisfied before leaving this step. Below the first step: nothing."""
    if index is None:
        return HoldPolicy(gates=())
    step = spec.steps[index]
    own = step.hold or Hold()
    common = (spec.hold or Hold()) if step.percent > 0 else Hold()
    is_last = index == len(spec.steps) - 1
    named = own.approvals or common.approvals
    return HoldPolicy(
        soak=_first(own.soak, common.soak),
        on_breach=own.on_breach or common.on_breach or OnBreach.RESET,
        warm_up=_first(own.warm_up, common.warm_up),
        baseline=_first(own.baseline, common.baseline),
        gates=own.gates if own.gates is not None else common.gates,
        checkpoints=_either(own.checkpoints, common.checkpoints),
        approvals=named if named is not None or is_last else spec.approvals,
    )


def _first(*durations: str | None) -> timedelta:
    return next((parse_duration(text) for text in durations if text is not None), ZERO)


def _either(
    own: tuple[CheckpointPlan, ...] | None, common: tuple[CheckpointPlan, ...] | None
) -> tuple[CheckpointPlan, ...]:
    if own is not None:
        return own
    return common or ()
