"""What an automation with all rights in its namespace can try to move the flags on its own."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from surefoot.api.v1alpha1.rollout import Rollout


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way around the gates: what it is, what is typed, and an object for standard input."""

    intention: str
    command: str
    stdin: str | None = None


def attempts(rollout: Rollout) -> Iterator[Attempt]:
    """Every way there is: the flags themselves, the record, each kind of signature, the plan."""
    name, namespace = rollout.metadata.name, rollout.metadata.namespace
    flags = rollout.spec.target.config_map_name
    where = f"-n {namespace}"
    yield Attempt(
        "set the six flags to 25, as it did",
        _patch("configmap", flags, where, {"data": dict.fromkeys(rollout.spec.target.flags, "25")}),
    )
    yield Attempt(
        "delete the ConfigMap, to create it at 25", f"kubectl delete configmap {flags} {where}"
    )
    yield Attempt(
        "say on the Rollout's status that it is at 25",
        _patch("rollout", name, f"{where} --subresource=status", {"status": {"percent": 25}}),
    )
    yield Attempt(
        "report that all is well, in atlas' place",
        _patch(
            "checkpoint",
            f"{name}-10-cache",
            where,
            {"spec": {"decision": "GO", "summary": "fine", "requiredAction": "none"}},
        ),
    )
    yield Attempt(
        "sign for the lead, in cora's name",
        _patch(
            "approval",
            f"{name}-25-lead",
            where,
            {
                "spec": {
                    "decision": "GO",
                    "reason": "time has passed",
                    "decidedBy": {"username": "cora"},
                }
            },
        ),
    )
    yield Attempt(
        "make a signature of its own",
        f"kubectl create {where} -f -",
        json.dumps(_own_signature(rollout)),
    )
    yield Attempt(
        "take the gates out of the plan",
        _patch("rollout", name, where, {"spec": {"approvals": None, "hold": {"soak": "0s"}}}),
    )


def _patch(kind: str, name: str, options: str, patch: dict[str, Any]) -> str:
    said = json.dumps(patch, separators=(",", ":"))
    return f"kubectl patch {kind} {name} {options} --type=merge -p '{said}'"


def _own_signature(rollout: Rollout) -> dict[str, Any]:
    metadata = rollout.metadata
    return {
        "apiVersion": rollout.api_version,
        "kind": "Approval",
        "metadata": {"name": f"{metadata.name}-25-everybody", "namespace": metadata.namespace},
        "spec": {
            "request": {
                "rollout": {"name": metadata.name, "uid": metadata.uid},
                "planHash": rollout.status.plan_hash,
                "attempt": 0,
                "step": 0,
                "from": 10,
                "to": 25,
                "role": "lead",
                "type": "DeploymentLead",
                "purpose": "Advance",
                "users": ["cora"],
            },
            "decision": "GO",
            "reason": "time has passed",
            "decidedBy": {"username": "cora"},
        },
    }
