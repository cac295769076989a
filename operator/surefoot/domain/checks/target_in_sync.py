"""TargetInSync: the ConfigMap is as it was last committed."""

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
    """Whether nobody has changed the ConfigMap since. A changed `onDelete` is no interference."""
    name, drift = state.rollout.spec.target.config_map_name, state.drift
    if drift is not None and not drift.by_the_plan:
        manager = state.snapshot.config_map.manager if state.snapshot.config_map else ""
        changed_by = f", changed by {manager}" if manager else ""
        account = state.status.drift
        often = f"; restored {account.count} times" if account and account.count > 1 else ""
        return blocks(
            ConditionType.TARGET_IN_SYNC,
            UnmetRequirement("Drifted", f"ConfigMap {name}: {drift.message}{changed_by}{often}"),
        )
    if state.status.committed is None:
        return passes(
            ConditionType.TARGET_IN_SYNC, "NotStarted", f"ConfigMap {name} is free to be taken"
        )
    return passes(
        ConditionType.TARGET_IN_SYNC, "InSync", f"ConfigMap {name} is at {state.percent} %"
    )


TARGET_IN_SYNC = Check(
    type=ConditionType.TARGET_IN_SYNC,
    group=Group.GUARD,
    applies_to=EVERY_MOVE,
    phase=Phase.HOLDING,
    judge=judge,
    withdraws="the ConfigMap was changed",
    outlives_completion=True,
)
