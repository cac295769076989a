"""That dry runs change nothing: the same facts without them give the same decision."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from surefoot.api.v1alpha1.approval import ApprovalSpec, Purpose
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import RolloutStatus
from surefoot.domain import decide as decisions
from surefoot.domain.facts.snapshot import Snapshot
from surefoot.domain.plan import (
    Abandon,
    Action,
    Intend,
    OpenRequest,
    Plan,
    RecordRequest,
    Restore,
    WriteStatus,
)
from tests.support.invariants import demand


def change_nothing(facts: Snapshot, plan: Plan, now: datetime) -> None:
    """Demand S12: but for the account of the dry run itself, all is as it would be without any."""
    dry = {
        each.metadata.uid
        for each in facts.approvals
        if each.spec.request.purpose is Purpose.DRY_RUN
    }
    if not dry and facts.rollout.spec.approval_dry_run is None:
        return
    bare = replace(
        facts,
        rollout=_bare(facts.rollout),
        approvals=tuple(each for each in facts.approvals if each.metadata.uid not in dry),
    )
    without = decisions.decide(bare, now)
    demand(_status(plan.status) == _status(without.status), "S12", "a dry run changes the status")
    here, there = _actions(plan.actions, dry), _actions(without.actions, dry)
    demand(here == there, "S12", f"a dry run changes what is done: {here} and not {there}")


def _bare(rollout: Rollout) -> Rollout:
    spec = rollout.spec.model_copy(update={"approval_dry_run": None})
    return rollout.model_copy(update={"spec": spec, "status": _status(rollout.status)})


def _status(status: RolloutStatus) -> RolloutStatus:
    return status.model_copy(update={"approval_dry_run": None})


def _actions(actions: Iterable[Action], dry: set[str]) -> list[Action]:
    """What is done to the flag and to other requests. When the status is written may differ."""
    return [
        _with_bare_status(action)
        for action in actions
        if not isinstance(action, WriteStatus) and not _is_of_a_dry_run(action, dry)
    ]


def _is_of_a_dry_run(action: Action, dry: set[str]) -> bool:
    if isinstance(action, RecordRequest):
        return action.uid in dry
    asked = action.spec if isinstance(action, OpenRequest) else None
    return isinstance(asked, ApprovalSpec) and asked.request.purpose is Purpose.DRY_RUN


def _with_bare_status(action: Action) -> Action:
    if isinstance(action, Intend | Abandon):
        return replace(action, status=_status(action.status))
    if isinstance(action, Restore) and action.status is not None:
        return replace(action, status=_status(action.status))
    return action
