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


@dataclass(frozen=True, slots=True)
class About:
    """The object that an announcement is about."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """Say it as `Rollout agents/memory-sync`."""
        return f"{self.kind} {self.namespace}/{self.name}"

    @property
    def look_command(self) -> str:
        """The command that shows why, for news that asks nobody for anything."""
        if self.kind == "Rollout":
            return f"kubectl surefoot explain {self.name} -n {self.namespace}"
        return f"kubectl surefoot get -n {self.namespace}"

    def page(self, dashboard: str) -> str:
        """The page of the dashboard that shows it."""
        base = dashboard.rstrip("/")
        is_rollout = self.kind == "Rollout"
        return f"{base}/rollouts/{self.namespace}/{self.name}" if is_rollout else f"{base}/"


def notification(
    about: About, announcement: Announcement, at: datetime, dashboard: str | None = None
) -> Notification:
    """The announcement for people, with a command that leads on.

    The words are those of the status and its events; so is the command, where there is one.
    ``dashboard`` is the address of the dashboard, where people have one in common. A link only
    shows a page: no link decides anything by itself.
    """
    severity = severity_of(announcement)
    if announcement.command:
        lines = [announcement.message, "", "To type:", announcement.command]
    else:
        lines = [announcement.message, "", "To see why:", about.look_command]
    if dashboard is not None:
        lines += ["", "To look at it:", about.page(dashboard)]
    lines += ["", f"{about}, {at:%Y-%m-%d %H:%M:%S} UTC"]
    return Notification(
        severity=severity,
        title=f"{severity.value}: {announcement.reason}: {about}",
        text="\n".join(lines),
    )
