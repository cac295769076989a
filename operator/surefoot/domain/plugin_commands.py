"""The plugin's own command for what a person can type, where it is shorter.

`command` is what works with kubectl alone. Anyone who has the plugin types less.
"""

import re
from collections.abc import Iterable, Mapping

from surefoot.api.v1alpha1.rollout_status import Blocker, RoleStatus

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


def with_plugin_commands(
    blockers: tuple[Blocker, ...], rollout: str, roles: Iterable[RoleStatus]
) -> tuple[Blocker, ...]:
    """The same, each with the plugin's own command where that is shorter than the one it has."""
    by_approval = {status.approval: status.role for status in roles if status.approval}
    return tuple(_with_it(blocker, rollout, by_approval) for blocker in blockers)


def _with_it(blocker: Blocker, rollout: str, roles: Mapping[str, str]) -> Blocker:
    own = plugin_command(blocker.command or "", rollout, roles)
    return blocker if own is None else blocker.model_copy(update={"plugin_command": own})


def plugin_command(command: str, rollout: str, roles: Mapping[str, str]) -> str | None:
    """What the plugin has for the same, if it is shorter. ``roles`` are those of Approvals."""
    match = _PATCH.fullmatch(command)
    own = None if match is None else _own(match, rollout, roles)
    return own if own is not None and len(own) < len(command) else None


def _own(match: "re.Match[str]", rollout: str, roles: Mapping[str, str]) -> str | None:
    name, patch, where = match["name"], match["patch"], f"-n {match['namespace']}"
    said = " ".join(f"{option} {OPEN}" for part, option in OPTIONS.items() if f'"{part}":' in patch)
    if match["plural"] == "checkpoints":
        return f"kubectl surefoot checkpoint {rollout} {name} {where} --go {said}"
    if match["plural"] == "approvals":
        if name in roles:
            return f"kubectl surefoot approve {rollout} {where} --role {roles[name]} {said}"
        return f"kubectl surefoot acknowledge {name} {where} {said}" if "-ack-" in name else None
    if '"paused":null' in patch or '"paused":false' in patch:
        return f"kubectl surefoot resume {name} {where}"
    if '"rehearsal"' in patch:
        return f"kubectl surefoot rehearse {name} {where}"
    if '"attempt"' in patch:
        lift = " --lift-ceiling" if '"rollback":null' in patch else ""
        return f"kubectl surefoot retry {name} {where}{lift}"
    return None
