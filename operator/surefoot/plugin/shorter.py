"""The plugin's own command for what the operator says to type, where it is shorter. Pure.

The operator names commands that work without the plugin; who reads them by the plugin has it.
"""

import re
from collections.abc import Mapping
from typing import Any

OPEN = '"…"'
"""What stands in a command where only the person knows what to say."""
OPTIONS = {
    "reason": "--reason",
    "riskAssessment": "--risk-assessment",
    "metricsSummary": "--metrics-summary",
    "securityStatus": "--security-status",
    "summary": "--summary",
    "requiredAction": "--required-action",
}
_PATCH = re.compile(
    r"kubectl patch (?P<plural>rollouts|approvals|checkpoints)\.surefoot\.dev (?P<name>\S+) "
    r"-n (?P<namespace>\S+) --type=merge -p '(?P<patch>.*)'"
)


def shorter(command: str, raw: Mapping[str, Any]) -> str:
    """The shorter of the command and what the plugin has for the same."""
    match = _PATCH.fullmatch(command)
    own = None if match is None else _own(match, raw)
    return own if own is not None and len(own) < len(command) else command


def _own(match: "re.Match[str]", raw: Mapping[str, Any]) -> str | None:
    name, patch, where = match["name"], match["patch"], f"-n {match['namespace']}"
    rollout = raw["metadata"]["name"]
    said = " ".join(f"{option} {OPEN}" for part, option in OPTIONS.items() if f'"{part}":' in patch)
    if match["plural"] == "checkpoints":
        return f"kubectl surefoot checkpoint {rollout} {name} {where} --go {said}"
    if match["plural"] == "approvals":
        roles = (raw.get("status") or {}).get("approvals") or ()
        role = next((each["role"] for each in roles if each.get("approval") == name), None)
        if role is not None:
            return f"kubectl surefoot approve {rollout} {where} --role {role} {said}"
        return f"kubectl surefoot acknowledge {name} {where} {said}" if "-ack-" in name else None
    if '"paused":null' in patch or '"paused":false' in patch:
        return f"kubectl surefoot resume {name} {where}"
    if '"rehearsal"' in patch:
        return f"kubectl surefoot rehearse {name} {where}"
    if '"attempt"' in patch:
        lift = " --lift-ceiling" if '"rollback":null' in patch else ""
        return f"kubectl surefoot retry {name} {where}{lift}"
    return None
