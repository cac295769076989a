"""The plan in force: the last valid one, and what a change of it costs."""

from datetime import datetime

from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import (
    Evidence,
    PlanRecord,
    RolloutStatus,
    TransitionType,
)
from surefoot.domain.derive.baseline import without_step
from surefoot.domain.facts.plan_hash import (
    SOAK_BEARING_PARTS,
    changed_parts,
    plan_hash,
    plan_parts,
)
from surefoot.domain.record.requesters import requester
from surefoot.domain.record.transitions import entry, with_entry


def take_over_plan(
    rollout: Rollout,
    status: RolloutStatus,
    now: datetime,
    later_bound: datetime,
    *,
    plan_is_valid: bool,
    verified: bool,
) -> RolloutStatus:
    """The status under the plan that is in force: the last valid one.

    A hold that starts again starts at the later bound of the clock: a soak is never short.
    """
    new_hash = plan_hash(rollout.spec)
    if not plan_is_valid or new_hash == status.plan_hash or status.pending is not None:
        return status
    parts = plan_parts(rollout.spec)
    changed = changed_parts(status.plan.parts, parts) if status.plan else ()
    record = {"plan_hash": new_hash, "plan": PlanRecord(parts=parts)}
    if not status.plan_hash or status.percent is None:
        return status.model_copy(update=record)
    keeps_soak = status.plan is not None and not set(changed) & set(SOAK_BEARING_PARTS)
    if not keeps_soak:
        record |= {
            "hold_since": later_bound,
            "soak": None,
            "baselines": without_step(status.baselines, status.percent),
        }
    status = status.model_copy(update=record)
    kept = "the soak goes on" if keeps_soak else "the soak starts again"
    by = requester(rollout, TransitionType.PLAN_CHANGED, verified=verified)
    return with_entry(
        status,
        entry(
            rollout,
            status,
            TransitionType.PLAN_CHANGED,
            reason="PlanChanged",
            message=f"{', '.join(changed)} changed: approvals are void, {kept}",
            now=now,
            evidence=Evidence(
                resource_version=rollout.metadata.resource_version,
                generation=rollout.metadata.generation,
                decided_at=now,
                changed_fields=changed[:64],
            ),
            by=by.names,
            verified=by.verified,
        ),
    )
