"""kstatus: how Flux, kpt and others tell from any object whether it is done.

This follows the algorithm that kstatus documents for kinds of which it knows nothing: a deletion, then
the generations, then the conditions Reconciling and Stalled, and then Ready. An object that says nothing
of itself counts as done.
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
    conditions = {each.get("type"): each for each in status.get("conditions") or ()}
    for kind, state in (("Reconciling", IN_PROGRESS), ("Stalled", FAILED)):
        condition = conditions.get(kind)
        if condition is not None and condition["status"] == "True":
            return state, condition["message"]
    ready = conditions.get("Ready")
    if ready is not None and ready["status"] != "True":
        return IN_PROGRESS, ready["message"]
    return CURRENT, "nothing says that it is not done"
