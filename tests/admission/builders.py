"""What is there before anybody attempts anything: each object has one story, told by its name.

Everything is written by who would write it: the requests by the operator, the decisions by people.
"""

from collections.abc import Mapping
from typing import Any

from tests.admission.attempt import Request, create, merge, replace
from tests.admission.people import (
    ADMIN,
    CORA,
    CUSTODIAN,
    FORGE,
    HUDSON,
    HUDSON_1,
    OPERATOR,
    THON,
    Actor,
)

LONG_AGO = "2026-03-01T10:00:00.000000Z"
SOONER = "2030-03-01T10:00:00Z"
LATER = "2036-03-01T10:00:00Z"

APPROVAL = {
    "rollout": {"name": "checkout", "uid": "b0c1"},
    "planHash": "sha256:0f",
    "attempt": 0,
    "from": 10,
    "to": 100,
    "role": "security",
    "excludedUsers": ["cora", "thon", "atlas"],
}
"""Who requested, who wrote the plan, who reported: the operator has put them in."""

CHECKPOINT = {
    "rollout": {"name": "checkout", "uid": "b0c1"},
    "planHash": "sha256:0f",
    "attempt": 0,
    "percent": 10,
    "name": "hour-48",
    "reporter": {"users": ["atlas"], "groups": ["reporters", "authors"]},
    "excludedUsers": ["cora", "thon"],
}

ARMORED = "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----"
SIGNATURE = {"value": ARMORED, "expiresAt": LATER}

PLAN = {
    "target": {"configMapName": "checkout-flags", "flags": ["checkout"]},
    "steps": [{"percent": 10}, {"percent": 100}],
    "attempt": 1,
    "rehearsal": {"maxAge": "7d"},
    "limits": {"maxExpansionFactor": 10},
}
WITHOUT_ATTEMPT = {key: value for key, value in PLAN.items() if key != "attempt"}
EDITED_STEPS = [{"percent": 20}, {"percent": 100}]

REQUESTED_BY = "surefoot.dev/requested-by"
AUTHORS = "surefoot.dev/authors"
CHANGED_BY = "surefoot.dev/changed-by"
ATTEMPT_BY = "surefoot.dev/attempt-by"
ON_BEHALF_OF = "surefoot.dev/on-behalf-of"

EVERYBODY = ["hudson", "forge", "admin"]
OWNER = {
    "apiVersion": "surefoot.dev/v1alpha1",
    "kind": "Rollout",
    "name": "gone",
    "uid": "00000000-0000-0000-0000-000000000000",
}
"""An owner that does not exist: the garbage collector deletes what has no other."""

UID_OF_CHECKOUT = "(the UID of the Rollout checkout)"
"""Wherever it stands in a request, the UID is put in its place."""
ROLLOUT_AS_OWNER = {**OWNER, "name": "checkout", "uid": UID_OF_CHECKOUT}
MARK = "surefoot.dev/mark"
MARKS = {
    MARK: "made",
    "kopf.dev/mark": "made",
    "kopf.zalando.org/mark": "made",
    "surefoot.dev/requested-by": "cora",
    "example.com/free": "made",
}
"""Annotations and labels that are there; all but the last are the operator's."""

MANAGED = {"app.kubernetes.io/managed-by": "surefoot", "surefoot.dev/managed": "true"}
ALLOWED_SIGNERS = "surefoot-allowed-signers"
CONFIG = "surefoot-config"
"""The operator's own configuration, in its own namespace."""
CURSOR = "surefoot-record-webhook"
"""A cursor says what a sink has received. It is in the operator's namespace."""
OFFERED = "offered-flags"
"""A ConfigMap that people offer to the Rollout checkout, with something of their own in it."""
BARE = "without-rollout"
"""A ConfigMap with the managed label that names no Rollout; by name it comes after the flags."""
LOST = "lost-flags"
"""A flag of the Rollout checkout, from which somebody took the label while no policy acted."""


def stamps(requested: str, authors: str, changed: str, attempt: str) -> dict[str, str]:
    """The annotations of a Rollout that say who did what."""
    return {REQUESTED_BY: requested, AUTHORS: authors, CHANGED_BY: changed, ATTEMPT_BY: attempt}


def decide(
    decision: str, by: str | None = None, *, uid: str | None = None, **more: Any
) -> dict[str, Any]:
    """The body of a decision on an Approval; without ``by`` it does not say whose."""
    signer = {} if by is None else {"decidedBy": {"username": by, **({"uid": uid} if uid else {})}}
    return {"spec": {"decision": decision, "reason": "looked at it", **signer, **more}}


def report(decision: str, by: str | None = None, **more: Any) -> dict[str, Any]:
    """The body of a decision on a Checkpoint."""
    signer = {} if by is None else {"decidedBy": {"username": by}}
    return {"spec": {"decision": decision, "summary": "48 h stable", **signer, **more}}


def asks(kind: str, name: str, request: Mapping[str, Any]) -> tuple[Actor, Request]:
    """The operator opens a request."""
    common = APPROVAL if kind == "Approval" else CHECKPOINT
    body = {
        "metadata": {"labels": {"surefoot.dev/rollout": "checkout"}},
        "spec": {"request": {**common, **request}},
    }
    return OPERATOR, create(kind, name, body)


def owned(kind: str, name: str) -> tuple[Actor, Request]:
    """The operator hangs an object on the Rollout, and marks it."""
    metadata = {"ownerReferences": [ROLLOUT_AS_OWNER], "annotations": MARKS, "labels": MARKS}
    return OPERATOR, merge(kind, name, {"metadata": metadata})


def flags(name: str, labels: Mapping[str, str], **metadata: Any) -> Request:
    """A ConfigMap with a flag in it."""
    body = {"metadata": {"labels": dict(labels), **metadata}, "data": {"checkout": "10"}}
    return create("ConfigMap", name, body)


APPROVALS: Mapping[str, Mapping[str, Any]] = {
    "pending": {"users": ["hudson"], "groups": ["security", "leads", "authors", "reporters"]},
    "go": {"users": EVERYBODY, "groups": ["security"]},
    "no-go": {"users": EVERYBODY, "groups": ["security"]},
    "used": {"users": EVERYBODY, "groups": ["security"]},
    "by-group": {"groups": ["security"]},
    "go-by-group": {"groups": ["security"]},
    "for-nobody": {},
    "with-sections": {"users": ["hudson"], "requiredSections": ["riskAssessment"]},
    "look-alikes": {
        "users": [
            *("hudsоn", "hudson\u00a0", "hud\u200bson", "hudson "),  # noqa: RUF001
            *("system:hudson", "hudson,forge"),
            "system:serviceaccount:surefoot-system:surefoot",
            "system:serviceaccount:tools:courier",
        ],
        "groups": [
            *("system:masters", "system:authenticated", "system:unauthenticated"),
            *("system:serviceaccounts", "system:nodes"),
        ],
    },
    "excluded-re-cased": {"users": ["hudson"], "excludedUsers": ["Hudson"]},
    "go-of-the-first": {"groups": ["security"]},
    "signed": {"users": EVERYBODY, "signing": "Required", "excludedUsers": ["admin"]},
    "signed-by-group": {"groups": ["security"], "signing": "Required"},
    "signed-go": {"users": EVERYBODY, "signing": "Required"},
    "acknowledge": {"users": ["hudson"], "purpose": "Acknowledge"},
    "dry-run": {
        "users": ["hudson", "cora"],
        "purpose": "DryRun",
        "dryRun": 1,
        "requiredSections": ["riskAssessment"],
    },
}

CHECKPOINTS: Mapping[str, Mapping[str, Any]] = {
    "pending": {},
    "go": {"reporter": {"users": ["atlas", "forge"]}},
    "used": {"reporter": {"users": ["atlas", "forge"]}},
    "handoff": {"type": "Handoff", "receiver": {"users": ["hudson"]}},
    "for-all": {"reporter": {"groups": ["system:authenticated"], "users": ["system:hudson"]}},
}


def _state(state: str) -> dict[str, Any]:
    return {"status": {"state": state, "decidedAt": LONG_AGO}}


THINGS: tuple[tuple[Actor, Request], ...] = (
    *(asks("Approval", name, request) for name, request in APPROVALS.items()),
    (HUDSON, merge("Approval", "go", decide("GO", "hudson"))),
    (HUDSON, merge("Approval", "no-go", decide("NO-GO", "hudson"))),
    (HUDSON, merge("Approval", "used", decide("GO", "hudson"))),
    (OPERATOR, replace("Approval", "used", _state("Used"), subresource="/status")),
    (HUDSON, merge("Approval", "go-by-group", decide("GO", "hudson"))),
    (HUDSON_1, merge("Approval", "go-of-the-first", decide("GO", "hudson", uid="u-1"))),
    (HUDSON, merge("Approval", "signed-go", decide("GO", "hudson", signature=SIGNATURE))),
    *(asks("Checkpoint", name, request) for name, request in CHECKPOINTS.items()),
    (FORGE, merge("Checkpoint", "go", report("GO", "forge"))),
    (FORGE, merge("Checkpoint", "used", report("GO", "forge"))),
    (OPERATOR, replace("Checkpoint", "used", _state("Used"), subresource="/status")),
    (
        CORA,
        create(
            "Rollout",
            "checkout",
            {"metadata": {"annotations": stamps("cora", "cora", "cora", "cora")}, "spec": PLAN},
        ),
    ),
    (
        THON,
        merge(
            "Rollout",
            "checkout",
            {
                "metadata": {"annotations": stamps("thon", "cora,thon", "thon", "cora")},
                "spec": {"steps": [{"percent": 25}, {"percent": 100}]},
            },
        ),
    ),
    (
        CORA,
        create(
            "Rollout",
            "third-time",
            {
                "metadata": {
                    "annotations": {**stamps("cora", "cora", "cora", "cora"), ON_BEHALF_OF: "atlas"}
                },
                "spec": WITHOUT_ATTEMPT,
            },
        ),
    ),
    # As if it were being deleted and its dependents orphaned; the garbage collector takes it off.
    (
        OPERATOR,
        merge(
            "Rollout",
            "third-time",
            {"metadata": {"finalizers": ["orphan"], "annotations": {MARK: "made"}}},
        ),
    ),
    (OPERATOR, replace("Rollout", "third-time", {"status": {"attempt": 3}}, subresource="/status")),
    (OPERATOR, flags("checkout-flags", MANAGED, annotations={"surefoot.dev/rollout": "checkout"})),
    (
        OPERATOR,
        merge("ConfigMap", "checkout-flags", {"metadata": {"ownerReferences": [ROLLOUT_AS_OWNER]}}),
    ),
    owned("Approval", "go"),
    owned("Checkpoint", "go"),
    (CORA, flags("free", {})),
    (
        CORA,
        create(
            "ConfigMap",
            OFFERED,
            {
                "metadata": {"annotations": {"surefoot.dev/adopt": "checkout"}},
                "data": {"checkout": "10", "notes": "not a flag"},
                "binaryData": {"icon": "MTAw"},
            },
        ),
    ),
    (
        OPERATOR,
        flags(
            LOST,
            MANAGED,
            annotations={
                "surefoot.dev/rollout": "checkout",
                "surefoot.dev/rollout-uid": UID_OF_CHECKOUT,
            },
        ),
    ),
    (OPERATOR, flags(BARE, MANAGED)),
    (ADMIN, create("ConfigMap", CONFIG, {"data": {"config.yaml": ""}}, at_home=True)),
    (ADMIN, create("ConfigMap", CURSOR, {"data": {}}, at_home=True)),
    (
        OPERATOR,
        create(
            "FeatureFlag",
            "checkout-flags",
            {
                "metadata": {
                    "labels": MANAGED,
                    "annotations": {"surefoot.dev/rollout": "checkout"},
                },
                "spec": {"flagSpec": {"flags": {}}},
            },
        ),
    ),
    (CORA, create("FeatureFlag", "free", {"spec": {"flagSpec": {"flags": {}}}})),
    (
        CUSTODIAN,
        create("ConfigMap", ALLOWED_SIGNERS, {"data": {"allowed_signers": ""}}, at_home=True),
    ),
)
"""In this order."""
