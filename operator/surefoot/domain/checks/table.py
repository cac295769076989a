"""The table: every check, in the order in which they are judged and decide the phase.

Everything that concerns all conditions iterates this table. To add a condition is to write its
module and to name it here.
"""

from collections.abc import Iterable
from typing import Final

from surefoot.domain.checks.admission_enforced import ADMISSION_ENFORCED
from surefoot.domain.checks.approved import APPROVED
from surefoot.domain.checks.baseline_recorded import BASELINE_RECORDED
from surefoot.domain.checks.check import Check, no_faults
from surefoot.domain.checks.checkpoints_passed import CHECKPOINTS_PASSED
from surefoot.domain.checks.clock_trusted import CLOCK_TRUSTED
from surefoot.domain.checks.coverage import COVERAGE_OBSERVED
from surefoot.domain.checks.delivery_observed import DELIVERY_OBSERVED
from surefoot.domain.checks.dependencies import DEPENDENCIES_MET
from surefoot.domain.checks.expansion_limit import WITHIN_EXPANSION_LIMIT
from surefoot.domain.checks.gates import GATES_HEALTHY
from surefoot.domain.checks.not_paused import NOT_PAUSED
from surefoot.domain.checks.not_rolled_back import NOT_ROLLED_BACK
from surefoot.domain.checks.plan_valid import PLAN_VALID
from surefoot.domain.checks.rehearsal import REHEARSAL_FRESH
from surefoot.domain.checks.schedule import WITHIN_SCHEDULE
from surefoot.domain.checks.scorecard import SCORECARD_PASSED
from surefoot.domain.checks.soak_complete import SOAK_COMPLETE
from surefoot.domain.checks.target_in_sync import TARGET_IN_SYNC
from surefoot.domain.checks.triggers_quiet import TRIGGERS_QUIET
from surefoot.domain.facts.snapshot import Snapshot
from surefoot.domain.facts.verdicts import ConditionType, UnmetRequirement

CHECKS: Final = (
    PLAN_VALID,
    NOT_PAUSED,
    TRIGGERS_QUIET,
    TARGET_IN_SYNC,
    ADMISSION_ENFORCED,
    CLOCK_TRUSTED,
    NOT_ROLLED_BACK,
    WITHIN_EXPANSION_LIMIT,
    SOAK_COMPLETE,
    BASELINE_RECORDED,
    DELIVERY_OBSERVED,
    GATES_HEALTHY,
    COVERAGE_OBSERVED,
    CHECKPOINTS_PASSED,
    APPROVED,
    REHEARSAL_FRESH,
    WITHIN_SCHEDULE,
    DEPENDENCIES_MET,
    SCORECARD_PASSED,
)


def verify_order(checks: Iterable[Check]) -> None:
    """Refuse a table in which a check does not come after all that it reads, or appears twice.

    Raises ``ValueError`` that names the check; a cycle cannot be ordered and is refused so as well.
    """
    seen: set[ConditionType] = set()
    for check in checks:
        if check.type in seen:
            raise ValueError(f"{check.type.value} is in the table of checks twice")
        later = [kind.value for kind in check.reads if kind not in seen]
        if later:
            raise ValueError(f"{check.type.value} reads {', '.join(later)}, which must come before")
        if bool(check.withdraws) == bool(check.waits):
            raise ValueError(f"{check.type.value} must say either why it withdraws or why it waits")
        seen.add(check.type)
    missing = [kind.value for kind in ConditionType if kind not in seen]
    if missing:
        raise ValueError(f"no check judges {', '.join(missing)}")


verify_order(CHECKS)


def plan_faults(snapshot: Snapshot) -> tuple[UnmetRequirement, ...]:
    """Everything that is wrong with the plan, target included. Empty for a valid plan."""
    return tuple(
        fault
        for check in CHECKS
        if check.faults is not no_faults
        for fault in check.faults(snapshot)
    )
