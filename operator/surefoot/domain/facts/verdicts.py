"""Verdicts: one per condition, each with a reason, a message with numbers, and what would help."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache

from surefoot.api.v1alpha1.meta import Condition
from surefoot.api.v1alpha1.rollout_status import Blocker


class ConditionType(StrEnum):
    """The conditions that must all be True for a step to be taken, in reading order."""

    PLAN_VALID = "PlanValid"
    TARGET_IN_SYNC = "TargetInSync"
    ADMISSION_ENFORCED = "AdmissionEnforced"
    NOT_PAUSED = "NotPaused"
    NOT_ROLLED_BACK = "NotRolledBack"
    TRIGGERS_QUIET = "TriggersQuiet"
    SOAK_COMPLETE = "SoakComplete"
    BASELINE_RECORDED = "BaselineRecorded"
    CHECKPOINTS_PASSED = "CheckpointsPassed"
    GATES_HEALTHY = "GatesHealthy"
    APPROVED = "Approved"
    REHEARSAL_FRESH = "RehearsalFresh"
    WITHIN_EXPANSION_LIMIT = "WithinExpansionLimit"
    COVERAGE_OBSERVED = "CoverageObserved"
    DELIVERY_OBSERVED = "DeliveryObserved"
    WITHIN_SCHEDULE = "WithinSchedule"
    DEPENDENCIES_MET = "DependenciesMet"
    SCORECARD_PASSED = "ScorecardPassed"
    CLOCK_TRUSTED = "ClockTrusted"


@dataclass(frozen=True, slots=True)
class UnmetRequirement:
    """One thing that is missing. ``command`` is what a person can type about it.

    One that ``stops`` blocks every move that raises the flag, whatever moves its check applies to,
    and withdraws a recorded one: a NO-GO, or a trigger that fires. One that ``delays_start`` blocks
    a Start, to which its check does not apply otherwise.
    """

    reason: str
    message: str
    command: str | None = None
    stops: bool = False
    delays_start: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a condition blocks. ``holds`` is None where it is not known, which blocks as well."""

    condition: ConditionType
    holds: bool | None
    reason: str
    message: str
    unmet: tuple[UnmetRequirement, ...] = ()

    @property
    def verdict(self) -> "Verdict":
        """The verdict itself: a check with nothing else to tell judges with no more than this."""
        return self

    @property
    def stops(self) -> bool:
        """Whether something that is missing stops every move that raises the flag."""
        return any(item.stops for item in self.unmet)

    @property
    def status(self) -> str:
        """True, False or Unknown, as a condition has it."""
        return "Unknown" if self.holds is None else str(self.holds)

    def blockers(self) -> tuple[Blocker, ...]:
        """What is missing, one entry each; nothing where the condition holds."""
        if self.holds:
            return ()
        missing = self.unmet or (UnmetRequirement(self.reason, self.message),)
        return tuple(
            Blocker(
                condition=self.condition.value,
                reason=item.reason,
                message=item.message,
                command=item.command,
            )
            for item in missing
        )


def passes(condition: ConditionType, reason: str, message: str = "") -> Verdict:
    """A verdict that does not block."""
    return Verdict(condition, True, reason, message)


@cache
def not_required(condition: ConditionType) -> Verdict:
    """The verdict on what the plan does not ask for."""
    return Verdict(condition, True, "NotRequired", "the plan does not ask for this")


def blocks(condition: ConditionType, *missing: UnmetRequirement, unknown: bool = False) -> Verdict:
    """A verdict that blocks, for every reason given; the first names it."""
    message = "; ".join(item.message for item in missing)
    return Verdict(condition, None if unknown else False, missing[0].reason, message, missing)


def as_condition(
    kind: str,
    *,
    status: str,
    reason: str,
    message: str,
    before: Condition | None,
    now: datetime,
    generation: int,
) -> Condition:
    """A condition whose transition time moves only when its status does.

    ``before`` is the condition as it was written last.
    """
    unchanged = before is not None and before.status == status
    if (
        before is not None
        and unchanged
        and before.reason == reason
        and before.message == message
        and before.observed_generation == generation
    ):
        return before
    return Condition(
        type=kind,
        status=status,
        reason=reason,
        message=message,
        last_transition_time=before.last_transition_time if before and unchanged else now,
        observed_generation=generation,
    )
