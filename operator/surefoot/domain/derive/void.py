"""Up to which moment decisions are void: a trigger that rolls back or holds fired then."""

from datetime import datetime

from surefoot.api.v1alpha1.approval import Approval
from surefoot.api.v1alpha1.checkpoint import Checkpoint
from surefoot.api.v1alpha1.rollout import TriggerAction
from surefoot.api.v1alpha1.rollout_status import RolloutStatus, TriggerState
from surefoot.domain.derive.soak import SoakAccount
from surefoot.domain.derive.triggers import TriggerVerdict
from surefoot.domain.facts.memory import remembered_with
from surefoot.domain.facts.snapshot import Snapshot


@remembered_with
def not_before_the_record(snapshot: Snapshot, now: datetime) -> datetime:
    """The moment by which what is seen now comes after every decision on record.

    It is later than now where the clock was set back since.
    """
    requests: tuple[Approval | Checkpoint, ...] = (*snapshot.approvals, *snapshot.checkpoints)
    latest = now
    for request in requests:
        if request.status.decisions:
            latest = max(latest, request.status.decisions[-1].seen_at)
    return latest


def void_decisions(
    status: RolloutStatus,
    triggers: tuple[TriggerVerdict, ...],
    soak: SoakAccount | None,
    now: datetime,
) -> RolloutStatus:
    """The status in which decisions given before a Rollback or Hold trigger fired are void."""
    fires = any(
        verdict.state is TriggerState.FIRING and verdict.action is not TriggerAction.DEGRADE
        for verdict in triggers
    )
    moments = [
        moment
        for moment in (status.void_before, soak.fired_at if soak else None, now if fires else None)
        if moment is not None
    ]
    return status.model_copy(update={"void_before": max(moments, default=None)})
