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
def latest_on_record(snapshot: Snapshot) -> datetime | None:
    """When the newest decision on record was seen. What is seen now was not seen before it.

    It may lie ahead: the clock was set back since.
    """
    requests: tuple[Approval | Checkpoint, ...] = (*snapshot.approvals, *snapshot.checkpoints)
    seen = (entry.seen_at for request in requests for entry in request.status.decisions[-1:])
    return max(seen, default=None)


def not_before_the_record(snapshot: Snapshot, now: datetime) -> datetime:
    """The moment by which what happens now comes after all that is on record."""
    return max(now, latest_on_record(snapshot) or now)


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
