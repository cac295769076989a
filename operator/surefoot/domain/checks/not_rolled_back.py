"""NotRolledBack: no rollback ended the attempt, and `spec.rollback` allows the next percentage."""

from surefoot.api.v1alpha1.rollout_status import Phase
from surefoot.domain.checks.check import EVERY_MOVE, Check, Group, Judgements
from surefoot.domain.derive.state import State
from surefoot.domain.facts.verdicts import (
    ConditionType,
    UnmetRequirement,
    Verdict,
    blocks,
    passes,
)


def judge(state: State, _: Judgements) -> Verdict:
    """Whether no rollback stands, and no ceiling lies below the next percentage."""
    metadata, status = state.rollout.metadata, state.status
    patch = (
        f"kubectl patch rollouts.surefoot.dev {metadata.name} -n {metadata.namespace} "
        "--type=merge -p "
    )
    missing = []
    if status.rolled_back:
        last = next((e for e in reversed(status.history) if e.type == "Rollback"), None)
        why = f": {last.message}" if last else ""
        missing.append(
            UnmetRequirement(
                last.reason if last else "TriggerFired",
                f"rolled back to {status.percent}%{why}; raise attempt to try again",
                f'{patch}\'{{"spec":{{"attempt":{state.attempt + 1}}}}}\'',
            )
        )
    ceiling = state.rollout.spec.rollback
    goal = state.target_percent
    if ceiling is not None and goal is not None and goal > ceiling.to:
        missing.append(
            UnmetRequirement(
                "Ceiling",
                f"spec.rollback keeps it at or below {ceiling.to}%: "
                f"{ceiling.reason or 'no reason was given'}",
                f'{patch}\'{{"spec":{{"rollback":null}}}}\'',
            )
        )
    if missing:
        return blocks(ConditionType.NOT_ROLLED_BACK, *missing)
    return passes(ConditionType.NOT_ROLLED_BACK, "NotRolledBack", "no rollback stands")


NOT_ROLLED_BACK = Check(
    type=ConditionType.NOT_ROLLED_BACK,
    group=Group.GUARD,
    applies_to=EVERY_MOVE,
    phase=Phase.HOLDING,
    judge=judge,
    withdraws="a rollback stands, or spec.rollback is lower",
)
