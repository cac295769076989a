"""Separation of duties: whose reports on a step keep whom from signing for which role."""

from collections.abc import Mapping

from surefoot.api.v1alpha1.approval import RoleType
from surefoot.api.v1alpha1.checkpoint import CheckpointType
from surefoot.api.v1alpha1.rollout import ApprovalsPolicy, Role, SeparationOfDuties

Reporters = Mapping[CheckpointType, frozenset[str]]
"""Who has decided checkpoints of the step, in lower case, by the type of these."""
NOBODY: Reporters = {}


def kept_from(policy: ApprovalsPolicy, role: Role, reporters: Reporters) -> frozenset[str]:
    """Who may not sign for a role because of what they reported, in lower case."""
    if policy.separation_of_duties is SeparationOfDuties.OFF:
        return frozenset()
    kept = (names for kind, names in reporters.items() if is_a_report_on(kind, role))
    return frozenset[str]().union(*kept)


def is_a_report_on(kind: CheckpointType, role: Role) -> bool:
    """Whether who decides such a checkpoint reports on what the role is to judge.

    A meeting is about the approvals. The role `CheckpointReport` is the reporter's own, and whoever
    did the work hands it over and says for `ImplementationReadiness` whether it is ready.
    """
    match role.type:
        case RoleType.CHECKPOINT_REPORT:
            return False
        case RoleType.IMPLEMENTATION_READINESS:
            return kind is CheckpointType.REPORT
        case _:
            return kind is not CheckpointType.DECISION_MEETING
