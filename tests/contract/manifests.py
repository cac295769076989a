"""Manifests to change: the least that each kind takes, and one with every field that there is."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

Manifest = dict[str, Any]

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(
    path
    for path in (ROOT / "manifests" / "examples").glob("*.yaml")
    if "kind: Rollout\n" in path.read_text(encoding="utf-8")
)


def rollouts_in(path: Path) -> list[Manifest]:
    """The Rollouts of a file, which may have several documents."""
    documents = yaml.safe_load_all(path.read_text(encoding="utf-8"))
    return [document for document in documents if document["kind"] == "Rollout"]


REMOVED: Final = object()
"""As a value in a change: the field goes."""


def changed(manifest: Manifest, change: Mapping[str, Any]) -> Manifest:
    """The manifest with some fields changed, each named by its path, as `spec.steps.0.percent`."""
    result = copy.deepcopy(manifest)
    for path, value in change.items():
        *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        node: Any = result
        for parent in parents:
            node = node[parent] if isinstance(parent, int) else node.setdefault(parent, {})
        if value is REMOVED:
            del node[last]
        else:
            node[last] = copy.deepcopy(value)
    return result


def example(name: str) -> Manifest:
    """One of the manifests that users are shown."""
    text = (ROOT / "manifests" / "examples" / f"{name}.yaml").read_text(encoding="utf-8")
    manifest: Manifest = yaml.safe_load(text)
    return manifest


def _object(kind: str, name: str, spec: Manifest) -> Manifest:
    return {
        "apiVersion": "surefoot.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }


MINIMAL: Mapping[str, Manifest] = {
    "Rollout": _object(
        "Rollout",
        "checkout",
        {
            "target": {"configMapName": "checkout-flags", "flags": ["checkout"]},
            "steps": [{"percent": 10}, {"percent": 100}],
        },
    ),
    "Checkpoint": _object(
        "Checkpoint",
        "checkout-10-hour-48",
        {
            "request": {
                "rollout": {"name": "checkout", "uid": "b0c1"},
                "planHash": "sha256:0f",
                "attempt": 0,
                "percent": 10,
                "name": "hour-48",
                "reporter": {"users": ["atlas"]},
            }
        },
    ),
    "Approval": _object(
        "Approval",
        "checkout-100-security",
        {
            "request": {
                "rollout": {"name": "checkout", "uid": "b0c1"},
                "planHash": "sha256:0f",
                "attempt": 0,
                "from": 10,
                "to": 100,
                "role": "security",
            }
        },
    ),
}

_PEOPLE = {"users": ["cora"], "groups": ["leads"]}

_POLICY = {
    "rule": "Quorum",
    "quorum": 1,
    "maxAge": "3d",
    "opens": "Step",
    "separationOfDuties": "Off",
    "meeting": _PEOPLE,
    "roles": [
        {
            "name": "security",
            "type": "SecurityReview",
            "users": ["hudson"],
            "groups": ["security"],
            "requiredSections": ["riskAssessment"],
            "signing": "Required",
        }
    ],
}

_HOLD = {
    "soak": "48h",
    "onBreach": "Pause",
    "warmUp": "2h",
    "baseline": "6h",
    "gates": ["errors"],
    "checkpoints": [
        {
            "name": "hand-over",
            "type": "Handoff",
            "reporter": _PEOPLE,
            "receiver": _PEOPLE,
            "after": ["cache-warm"],
            "opensAfter": "40h",
            "dueAfter": "2d",
            "dueFrom": "Start",
        }
    ],
    "approvals": _POLICY,
}

_BOUNDS = {
    "name": "errors",
    "metric": "error-rate",
    "atMost": "0.1%",
    "atLeast": -1,
    "for": "10m",
    "relativeTo": "PreviousStep",
}

_TRIGGER = {
    "metric": "error-rate",
    "for": "5m",
    "action": "Hold",
    "to": "Zero",
    "onNoData": "Rollback",
    "settle": "3m",
    "relativeTo": "Baseline",
}

_DECISION = {
    "decision": "GO",
    "conditions": [{"name": "tell-support", "text": "before noon", "blocking": True}],
    "decidedBy": {"username": "atlas", "uid": "u-1"},
}

COMPLETE: Mapping[str, Manifest] = {
    "Rollout": changed(
        MINIMAL["Rollout"],
        {
            "spec.target.format": "Flagd",
            "spec.target.bucketingKey": "accountId",
            "spec.target.onDelete": "Zero",
            "spec.steps.0.hold": _HOLD,
            "spec.hold": _HOLD,
            "spec.approvals": _POLICY,
            "spec.metrics": [
                {"name": "error-rate", "provider": "main", "query": "up", "staleAfter": "26h"}
            ],
            "spec.gates": [_BOUNDS, {"name": "some", "for": "5m", "passing": 1, "of": [_BOUNDS]}],
            "spec.triggers": [
                {**_TRIGGER, "name": "errors", "above": "0.5%"},
                {**_TRIGGER, "name": "redis", "below": 1},
            ],
            "spec.limits": {"maxExpansionFactor": "2.5", "maxOpenRisk": "Medium"},
            "spec.rehearsal": {"maxAge": "3d", "mode": "Automatic", "run": 1},
            "spec.coverage": {"metric": "observed", "tolerance": "0.5"},
            "spec.delivery": {"metric": "seen", "within": "5m"},
            "spec.cohorts": [
                {
                    "name": "payments",
                    "match": {"attribute": "workload", "in": ["payments"], "notIn": ["test"]},
                    "from": 50,
                    "untilCheckpoint": "hour-48",
                    "risk": {"level": "High", "reason": "real money"},
                    "metric": "payments-share",
                },
                {
                    "name": "search",
                    "match": {"attribute": "workload", "in": ["search"]},
                    "from": 25,
                    "untilGate": "some",
                },
            ],
            "spec.schedule": {
                "timeZone": "Europe/Berlin",
                "freeze": [{"name": "weekend", "from": "Fri 16:00", "to": "Mon 08:00"}],
            },
            "spec.dependsOn": [{"rollout": "schema-v2", "namespace": "data", "atLeast": 100}],
            "spec.risks": [
                {
                    "name": "cold-cache",
                    "severity": "High",
                    "probability": "Low",
                    "mitigation": "warm it",
                    "status": "Mitigated",
                }
            ],
            "spec.scorecard": {
                "go": 95,
                "goWithMonitoring": 75,
                "gate": True,
                "items": [
                    {"name": "errors", "points": 40, "section": "Business", "gate": "errors"},
                    {"name": "soak", "points": 30, "condition": "SoakComplete"},
                    {"name": "report", "points": 30, "checkpoint": "Report"},
                ],
            },
            "spec.paused": True,
            "spec.rollback": {"to": 10, "reason": "complaints"},
            "spec.attempt": 1,
            "spec.approvalDryRun": {"run": 1, "to": 25},
        },
    ),
    "Checkpoint": changed(
        MINIMAL["Checkpoint"],
        {
            "spec.request.round": 2,
            "spec.request.step": 0,
            "spec.request.type": "Handoff",
            "spec.request.reporter": _PEOPLE,
            "spec.request.receiver": _PEOPLE,
            "spec.request.conditionsOf": {"name": "a-25-security", "uid": "6b", "generation": 2},
            "spec.request.evidence": "cache: warm it first",
            "spec.request.excludedUsers": ["thon"],
            "spec.request.opensAt": "2026-03-01T10:00:00.000000Z",
            "spec.request.dueAt": "2026-03-02T10:00:00.000000Z",
            "spec.summary": "48 h stable",
            "spec.report": "# Report",
            "spec.requiredAction": "watch the cache for a night",
            "spec.tests": [{"name": "ground-truth", "passed": 5, "total": 6}],
            "spec.dissent": [{"by": "forge", "statement": "too early"}],
            **{f"spec.{field}": value for field, value in _DECISION.items()},
        },
    ),
    "Approval": changed(
        MINIMAL["Approval"],
        {
            "spec.request.round": 2,
            "spec.request.step": 0,
            "spec.request.type": "SecurityReview",
            "spec.request.purpose": "DryRun",
            "spec.request.dryRun": 1,
            "spec.request.acknowledges": {"name": "a-10-handoff", "uid": "6a", "generation": 2},
            "spec.request.users": ["hudson"],
            "spec.request.groups": ["security"],
            "spec.request.excludedUsers": ["thon"],
            "spec.request.requiredSections": ["riskAssessment"],
            "spec.request.signing": "Required",
            "spec.request.requestedBy": "thon",
            "spec.request.evidence": "error rate 0.02%",
            "spec.reason": "no new findings",
            "spec.riskAssessment": "none",
            "spec.metricsSummary": "flat",
            "spec.securityStatus": "clean",
            "spec.signature": {
                "value": "-----BEGIN SSH SIGNATURE-----",
                "expiresAt": "2026-03-08T10:00:00Z",
            },
            **{f"spec.{field}": value for field, value in _DECISION.items()},
        },
    ),
}
