"""Notifications: how urgent an announcement is, and how it is said to people elsewhere."""

from dataclasses import dataclass
from datetime import datetime

from surefoot.api.v1alpha1.rollout_status import Severity, TransitionType
from surefoot.domain.plan import Announcement

_CRITICAL = frozenset({"Rollback", "TriggerFiring", "AdmissionNotEnforced"})
REASONS = frozenset(kind.value for kind in TransitionType) | {
    "AdmissionEnforced", "AdmissionNotEnforced", "Asked", "Conflict", "Escalated", "Halted",
    "InvalidPlan", "Late", "NoGo", "PlanWarning", "RecordGap", "Refused", "RehearsalFailed",
    "RehearsalPassed", "SoakNotReadBack",
    "TriggerFiring", "Unreadable",
}  # fmt: skip
"""Everything that anybody is notified of."""


@dataclass(frozen=True, slots=True)
class Notification:
    """What somebody is told, as plain text."""

    severity: Severity
    title: str
    text: str


def severity_of(announcement: Announcement) -> Severity:
    """How urgent an announcement is.

    Critical: users were moved back, a trigger fires, or nobody's signature is verified any more;
    and a request that was escalated so far. Warning: whatever else is an event of that type.
    """
    if announcement.severity is not None:
        return announcement.severity
    if announcement.reason in _CRITICAL:
        return Severity.CRITICAL
    return Severity.WARNING if announcement.warning else Severity.INFO


def notification(subject: str, announcement: Announcement, at: datetime) -> Notification:
    """The announcement about ``subject``, such as `Rollout agents/memory-sync`, for people.

    The words are those of the status and its events; so is the command.
    """
    severity = severity_of(announcement)
    type_it = f"To type:\n{announcement.command}\n\n" if announcement.command else ""
    return Notification(
        severity=severity,
        title=f"{severity.value}: {announcement.reason}: {subject}",
        text=f"{announcement.message}\n\n{type_it}{subject}, {at:%Y-%m-%d %H:%M:%S} UTC",
    )
