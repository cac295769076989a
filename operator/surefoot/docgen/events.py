"""The page of events and notifications: every reason, how urgent it is, and what it means."""

from collections.abc import Iterator

from surefoot.api.v1alpha1.rollout_status import Severity
from surefoot.docgen.markdown import code, page, table
from surefoot.domain.notifications import severity_of
from surefoot.domain.plan import Announcement

_INTRODUCTION = """\
What happens to a Rollout is an event on it, and the same reasons are what a route of
[notifications](../notifications.md) may ask for:

    kubectl events --for rollouts.surefoot.dev/checkout -n shop

`Late` and `Escalated` become Critical where nobody answers for another `escalateAfter`.
"""

EVENTS: dict[str, tuple[bool, str]] = {
    "Start": (False, "The first percentage was written."),
    "Advance": (False, "A step was taken. The message names the percentages and who signed."),
    "Complete": (False, "The last hold is over: the rollout is completed."),
    "Rollback": (True, "The flag was lowered. The message says by which trigger or person."),
    "Retry": (False, "Somebody raised `spec.attempt` after a rollback."),
    "Paused": (False, "Somebody set `spec.paused`, or a halt began."),
    "Resumed": (False, "The pause or the halt is over."),
    "PlanChanged": (False, "The plan was edited. The message says which part, and by whom."),
    "DriftCorrected": (True, "Somebody changed the ConfigMap; the operator restored it."),
    "Released": (False, "The Rollout was deleted, and its ConfigMap is an ordinary one again."),
    "TriggerFiring": (True, "A trigger fires. The message has the value and the bound."),
    "Asked": (
        False,
        "Somebody is asked to report, to sign, to acknowledge, or to meet a condition.",
    ),
    "Conflict": (True, "GO stands against NO-GO: a decision meeting was opened."),
    "NoGo": (True, "Somebody decided NO-GO."),
    "Late": (True, "A checkpoint is past its due time. Late never means passed."),
    "Escalated": (True, "The people who were asked have not answered in time."),
    "InvalidPlan": (True, "The plan cannot be carried out. The message names the field."),
    "PlanWarning": (True, "The plan is valid and can hardly be meant as it is written."),
    "Halted": (True, "The namespace or the cluster is halted: nothing advances."),
    "AdmissionNotEnforced": (True, "The admission policies are not in force: nothing advances."),
    "AdmissionEnforced": (False, "The admission policies are in force again."),
    "RehearsalPassed": (False, "A rollback rehearsal passed."),
    "RehearsalFailed": (True, "A rollback rehearsal failed. The message says by what."),
    "SoakNotReadBack": (
        True,
        "Time lies further back than the questions of the plan reach; it does not count.",
    ),
    "RecordGap": (True, "History entries were lost before a sink took them."),
    "Refused": (True, "The API server refused what the operator wrote, now and later."),
    "Unreadable": (True, "An object cannot be read, and counts for nothing."),
    "NotificationFailed": (True, "A route did not take a notification; it is tried again."),
    "NotificationDropped": (True, "A notification was given up and never sent."),
}
"""Whether the event is a warning, and what it means. A test compares the reasons with the code."""


def events_page() -> str:
    """The text of the page."""
    return page("Events", "operator/surefoot/docgen/events.py", _INTRODUCTION, _lines())


def _lines() -> Iterator[str]:
    for severity in reversed(Severity):
        yield f"## {severity.value}"
        yield ""
        yield from table(
            ("reason", "meaning"),
            (
                (code(reason), meaning)
                for reason, (warning, meaning) in EVENTS.items()
                if severity_of(Announcement(reason, "", warning=warning)) is severity
            ),
        )
        yield ""
