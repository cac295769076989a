"""The Rollouts that benchmarks make: one shape, and what each asks beside it."""

from collections.abc import Iterable
from typing import Any

NAMESPACE = "bench"
SIGNED = {"separationOfDuties": "Off", "roles": [{"name": "ops", "users": ["admin"]}]}
"""What every step waits for where it is a signature that is measured."""


def percents(*numbers: int) -> list[dict[str, Any]]:
    return [{"percent": number} for number in numbers]


def a_rollout(
    name: str, steps: Iterable[dict[str, Any]], namespace: str = NAMESPACE, **spec: Any
) -> dict[str, Any]:
    return {
        "apiVersion": "surefoot.dev/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "target": {"configMapName": f"{name}-flags", "flags": ["flag"]},
            "limits": {"maxExpansionFactor": 100},
            "steps": list(steps),
        }
        | spec,
    }


def a_signed_rollout(name: str, namespace: str = NAMESPACE) -> dict[str, Any]:
    return a_rollout(name, percents(*range(1, 20), 100), namespace, approvals=SIGNED)
