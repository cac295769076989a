"""TargetInSync: the ConfigMap is as it was last committed."""

from datetime import datetime, timedelta

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

DRIFT_PACE = timedelta(seconds=10)
"""How often a ConfigMap is put back that somebody keeps changing."""


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
        ConditionType.TARGET_IN_SYNC, "InSync", f"ConfigMap {name} is at {state.percent}%"
    )


def _earliest(state: State, _: Verdict, _not_before: datetime) -> datetime | None:
    """When a ConfigMap that somebody fights for is put back next."""
    account = state.status.drift
    if state.drift is None or state.drift.by_the_plan or account is None:
        return None
    return account.last_at + DRIFT_PACE


TARGET_IN_SYNC = Check(
    type=ConditionType.TARGET_IN_SYNC,
    group=Group.GUARD,
    applies_to=EVERY_MOVE,
    phase=Phase.HOLDING,
    judge=judge,
    withdraws="the ConfigMap was changed",
    earliest=_earliest,
    outlives_completion=True,
)
