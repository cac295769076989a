"""kstatus: how Flux, kpt and others tell from any object whether it is done.

This follows the algorithm that kstatus documents for kinds that it does not know: a deletion, then
the generations, then Reconciling and Stalled in the order of the conditions, and then Ready.
An object that says nothing of itself counts as done.
"""

from collections.abc import Mapping
from typing import Any

CURRENT, IN_PROGRESS, FAILED = "Current", "InProgress", "Failed"
TERMINATING = "Terminating"


def status_of(obj: Mapping[str, Any]) -> tuple[str, str]:
    """Current, InProgress, Failed or Terminating, and the message."""
    metadata, status = obj["metadata"], obj.get("status") or {}
    if metadata.get("deletionTimestamp"):
        return TERMINATING, "it is being deleted"
    observed = status.get("observedGeneration")
    if observed is not None and observed != metadata.get("generation"):
        return IN_PROGRESS, "the last change was not looked at yet"
    conditions = status.get("conditions") or ()
    for condition in conditions:
        state = {"Reconciling": IN_PROGRESS, "Stalled": FAILED}.get(condition.get("type"))
        if state is not None and condition["status"] == "True":
            return state, condition["message"]
    for condition in conditions:
        if condition.get("type") == "Ready" and condition["status"] != "True":
            return IN_PROGRESS, condition["message"]
    return CURRENT, "nothing says that it is not done"
