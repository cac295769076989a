"""Values made from a schema: one for every field that there is."""

from typing import Any

from surefoot.api.v1alpha1.durations import ELAPSED_PATTERN
from surefoot.api.v1alpha1.moments import MOMENT_PATTERN
from surefoot.crdgen.schema import Node

MATCHING = {
    ELAPSED_PATTERN: "1h2m3.000004s",
    MOMENT_PATTERN: "2026-03-01T10:00:00.000001Z",
    "^(True|False|Unknown)$": "Unknown",
    "^(Passed|Failed)$": "Failed",
    "^(Go|GoWithMonitoring|NoGo)$": "NoGo",
    "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$": "text",
}
"""For each pattern in a status, a text that matches it."""


def sample(node: Node) -> Any:
    """A value that the schema takes, with every field and one entry in every list and map."""
    if "enum" in node:
        return node["enum"][-1]
    match node["type"]:
        case "object" if "properties" in node:
            return {name: sample(child) for name, child in node["properties"].items()}
        case "object":
            return {"key": sample(node["additionalProperties"])}
        case "array":
            return [sample(node["items"])]
        case "integer":
            return node["minimum"] + 1
        case "boolean":
            return True
        case "string":
            return MATCHING[node["pattern"]] if "pattern" in node else "text"
    raise AssertionError(f"no sample for {node}")
