"""Separation of duties: whom their part in a rollout keeps from signing for a role, and why."""

from collections.abc import Mapping

from surefoot.api.v1alpha1.approval import RoleType
from surefoot.api.v1alpha1.checkpoint import CheckpointType
from surefoot.api.v1alpha1.rollout import ApprovalsPolicy, Role, Rollout, SeparationOfDuties
from surefoot.domain.derive.state import planners
from surefoot.domain.facts.memory import remembered_with
from surefoot.domain.signoff.requests import fold

Reporters = Mapping[CheckpointType, frozenset[str]]
"""The people who have decided checkpoints of the step, in lower case, by type."""
NOBODY: Reporters = {}
PLANNED = "requested this rollout or its attempt, or wrote its plan"
REPORTED = "reported on this step"


@remembered_with
def planning(rollout: Rollout) -> frozenset[str]:
    """Everyone who asked for a rollout or wrote its plan, in lower case."""
    return fold(planners(rollout))


def kept_from(policy: ApprovalsPolicy, role: Role, reporters: Reporters) -> frozenset[str]:
    """Those who may not sign for a role because of what they reported, in lower case."""
    if policy.separation_of_duties is SeparationOfDuties.OFF:
        return frozenset()
    kept = (names for kind, names in reporters.items() if is_a_report_on(kind, role))
    return frozenset[str]().union(*kept)


def is_a_report_on(kind: CheckpointType, role: Role) -> bool:
    """Whether deciding such a checkpoint is to report on what the role is to judge.

    A meeting is about the approvals. The role `CheckpointReport` is the reporter's own, and one who
    did the work hands it over and says for `ImplementationReadiness` whether it is ready.
    """
    match role.type:
        case RoleType.CHECKPOINT_REPORT:
            return False
        case RoleType.IMPLEMENTATION_READINESS:
            return kind is CheckpointType.REPORT
        case _:
            return kind is not CheckpointType.DECISION_MEETING
