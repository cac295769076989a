"""Whose a field is, by managedFields. Pure."""

from collections.abc import Mapping
from typing import Any

PEOPLES = "kubectl"
"""Managers of writes by people begin with it: kubectl, kubectl-edit, kubectl-patch and ours."""


def tool_that_owns(raw: Mapping[str, Any], field: str) -> str | None:
    """The manager, other than kubectl, that sets this field of the spec; None where none does."""
    for entry in raw["metadata"].get("managedFields") or ():
        manager = str(entry.get("manager") or "")
        is_tool = not manager.startswith(PEOPLES)
        if is_tool and f"f:{field}" in (entry.get("fieldsV1") or {}).get("f:spec", {}):
            return manager
    return None
