"""A Rollout and what it asks, as the API server has them."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from surefoot.api.v1alpha1.approval import Approval
from surefoot.api.v1alpha1.checkpoint import Checkpoint
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.plugin.output import Line

JSON = dict[str, Any]
MARKS = ("#", "-")

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)


def text_of(lines: Iterable[Line]) -> list[str]:
    """Lines as they are read, without their colours."""
    return [
        line
        if isinstance(line, str)
        else "".join(part if isinstance(part, str) else part.text for part in line)
        for line in lines
    ]


def metadata(name: str, **more: Any) -> JSON:
    """Of an object in the namespace shop."""
    return {"name": name, "namespace": "shop", "uid": f"uid-{name}", "resourceVersion": "7"} | more


def raw_rollout(status: JSON | None = None, **spec: Any) -> JSON:
    """At 10% on the way to 25%, half way through its soak."""
    return {
        "apiVersion": "surefoot.dev/v1alpha1",
        "kind": "Rollout",
        "metadata": metadata("checkout", generation=1),
        "spec": {
            "target": {"configMapName": "checkout-flags", "flags": ["checkout"]},
            "steps": [{"percent": 10}, {"percent": 25}, {"percent": 100}],
            "approvals": {"roles": [{"name": "security", "groups": ["security"]}]},
        }
        | spec,
        "status": {
            "observedGeneration": 1,
            "phase": "Soaking",
            "progress": "1/3",
            "planHash": "sha256:1",
            "attempt": 0,
            "step": 0,
            "percent": 10,
            "nextPercent": 25,
            "since": "2026-03-01T09:00:00.000000Z",
            "waitingOn": "soak 1h left; then security (group security)",
            "earliestAdvance": "2026-03-01T11:00:00Z",
            "soak": {
                "required": "2h",
                "healthy": "45m0s",
                "running": True,
                "observedAt": "2026-03-01T09:45:00.000000Z",
            },
        }
        | (status or {}),
    }


def rollout(status: JSON | None = None, **spec: Any) -> Rollout:
    """The same, read."""
    return Rollout.model_validate(raw_rollout(status, **spec))


def raw_approval(
    role: str = "security", *, state: str = "Pending", decided: JSON | None = None, **asked: Any
) -> JSON:
    """By which a role is asked about 10% → 25%."""
    request = {
        "rollout": {"name": "checkout", "uid": "uid-checkout"},
        "planHash": "sha256:1",
        "attempt": 0,
        "round": 1,
        "from": 10,
        "to": 25,
        "role": role,
        "groups": ["security"],
    } | {name.rstrip("_"): value for name, value in asked.items()}
    return {
        "apiVersion": "surefoot.dev/v1alpha1",
        "kind": "Approval",
        "metadata": metadata(f"checkout-25-{role}"),
        "spec": {"request": request} | (decided or {}),
        "status": {"state": state},
    }


def approval(role: str = "security", **more: Any) -> Approval:
    """The same, read."""
    return Approval.model_validate(raw_approval(role, **more))


def raw_checkpoint(decided: JSON | None = None, **asked: Any) -> JSON:
    """The report on 10%, due an hour ago."""
    request = {
        "rollout": {"name": "checkout", "uid": "uid-checkout"},
        "planHash": "sha256:1",
        "attempt": 0,
        "percent": 10,
        "name": "hour-48",
        "reporter": {"users": ["atlas"]},
        "dueAt": (NOW - timedelta(hours=1)).isoformat(),
    } | asked
    return {
        "apiVersion": "surefoot.dev/v1alpha1",
        "kind": "Checkpoint",
        "metadata": metadata("checkout-10-hour-48"),
        "spec": {"request": request} | (decided or {}),
    }


def checkpoint(decided: JSON | None = None, **asked: Any) -> Checkpoint:
    """The same, read."""
    return Checkpoint.model_validate(raw_checkpoint(decided, **asked))


GO_BY_HUDSON: JSON = {"decision": "GO", "reason": "fine", "decidedBy": {"username": "hudson"}}
