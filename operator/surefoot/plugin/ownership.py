"""Whose a field is, by managedFields. Pure."""

from collections.abc import Mapping
from typing import Any

PEOPLES = "kubectl"
"""Managers of writes by people begin with it: kubectl, kubectl-edit, kubectl-patch and ours."""


def tool_that_owns(raw: Mapping[str, Any], field: str) -> str | None:
    """The manager, other than kubectl, that sets this field of the spec; None where none does.

    A field within another is written as `rehearsal.run`.
    """
    for entry in raw["metadata"].get("managedFields") or ():
        manager = str(entry.get("manager") or "")
        is_tool = not manager.startswith(PEOPLES)
        if is_tool and _has(entry.get("fieldsV1") or {}, f"spec.{field}"):
            return manager
    return None


def _has(fields: Mapping[str, Any], path: str) -> bool:
    for part in path.split("."):
        if f"f:{part}" not in fields:
            return False
        fields = fields[f"f:{part}"]
    return True
