"""Who an entry of the history is by, read off it as it is. Pure.

`surefoot.domain.record.requesters` says the same of the models; this loads none.
"""

from collections.abc import Mapping
from typing import Any

PEOPLE_ASK = frozenset({"Retry", "PlanChanged", "Paused", "Resumed"})
UNNAMED = "somebody whose name was not recorded"
FORMERLY_UNNAMED = frozenset({"surefoot", "person"})
"""What earlier versions, which did not say whether a name is verified, wrote instead of one."""


def is_requested(entry: Mapping[str, Any]) -> bool:
    """Whether a person asked for it, rather than a trigger, a signature or the operator itself."""
    is_rollback = entry.get("type") == "Rollback" and entry.get("reason") == "Requested"
    return is_rollback or entry.get("type") in PEOPLE_ASK


def names_in(entry: Mapping[str, Any]) -> list[str]:
    """The names that it is by, without what stood there where no name was recorded."""
    names = list(map(str, entry.get("by") or ()))
    if not is_requested(entry) or entry.get("verified") is not None:
        return names
    return [name for name in names if name not in FORMERLY_UNNAMED]


def by_of(entry: Mapping[str, Any]) -> str:
    """The same in words; what a person asked for says so where nobody established the name."""
    names = ", ".join(names_in(entry))
    if not is_requested(entry):
        return names
    return f"{names}{verified_in(entry)}" if names else UNNAMED


def verified_in(said: Mapping[str, Any]) -> str:
    """What stands behind a name that admission did not establish."""
    return "" if said.get("verified") else " (not verified)"
