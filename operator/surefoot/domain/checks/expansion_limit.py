"""WithinExpansionLimit: no step of the plan grows more than its limit."""

from itertools import pairwise

from surefoot.api.v1alpha1.durations import parse_bound
from surefoot.api.v1alpha1.rollout import RolloutSpec
from surefoot.api.v1alpha1.rollout_status import Phase
from surefoot.domain.checks.check import EVERY_MOVE, Check, Group
from surefoot.domain.facts.verdicts import (
    ConditionType,
    UnmetRequirement,
    Verdict,
    blocks,
    passes,
)

DEFAULT_EXPANSION_FACTOR = 3
_ROUNDING = 1e-9
"""A factor such as 1.1 is not exact in binary; percentages are whole numbers."""


def judge_expansion(spec: RolloutSpec) -> Verdict:
    """Whether no step grows more than the plan's limit, judged over all steps at first sight."""
    limit = (
        parse_bound(spec.limits.max_expansion_factor)
        if spec.limits
        else float(DEFAULT_EXPANSION_FACTOR)
    )
    too_large = [
        UnmetRequirement(
            "ExpansionTooLarge",
            f"step too large: {low.percent}% → {high.percent}% is "
            f"{high.percent / low.percent:.2g} times as much, more than "
            f"limits.maxExpansionFactor {limit:g}; add a step between, or raise the limit",
        )
        for low, high in pairwise(spec.steps)
        if low.percent > 0 and high.percent > low.percent * limit + _ROUNDING
    ]
    if too_large:
        return blocks(ConditionType.WITHIN_EXPANSION_LIMIT, *too_large)
    return passes(
        ConditionType.WITHIN_EXPANSION_LIMIT,
        "WithinLimit",
        f"no step grows more than {limit:g} times",
    )


WITHIN_EXPANSION_LIMIT = Check(
    type=ConditionType.WITHIN_EXPANSION_LIMIT,
    group=Group.GUARD,
    applies_to=EVERY_MOVE,
    phase=Phase.HOLDING,
    judge=lambda state, _earlier: judge_expansion(state.rollout.spec),
    withdraws="a step grows more than the plan's limit",
)
