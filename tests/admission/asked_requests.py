"""Opening requests, changing what is asked, and getting rid of them."""

from typing import Any

from tests.admission.attempt import (
    Attempt,
    accepted,
    apply,
    by_each,
    create,
    delete,
    delete_all,
    invalid,
    json_patch,
    merge,
    refused,
    replace,
    replaced,
)
from tests.admission.builders import APPROVAL, CHECKPOINT, decide, report
from tests.admission.people import (
    ADMIN,
    ATLAS,
    CONTROLLER_MANAGER,
    CORA,
    COURIER,
    EVERYBODY_ELSE,
    FORGE,
    GARBAGE_COLLECTOR,
    HUDSON,
    IMPOSTOR,
    NAMESPACE_CONTROLLER,
    OPERATOR,
    PRETENDERS,
)

POLICY = "decisions"
NOT_YOURS = refused(POLICY, "anyone who could would choose who may sign it")
DECIDED_ALREADY = refused(POLICY, "nothing is opened that is decided already")
ON_RECORD = refused(POLICY, "is part of the record and is not deleted; it goes with its Rollout")

ASKED: dict[str, Any] = {"spec": {"request": {**APPROVAL, "users": ["cora"]}}}
REPORT_ASKED: dict[str, Any] = {"spec": {"request": CHECKPOINT}}
DECIDED = {"spec": {**ASKED["spec"], **decide("GO", "cora")["spec"]}}
REPORTED = {"spec": {**REPORT_ASKED["spec"], **report("GO", "atlas")["spec"]}}
BY_OPERATOR = decide("GO", "system:serviceaccount:surefoot-system:surefoot")["spec"]

OPENING = (
    Attempt(
        "the operator opens an approval",
        OPERATOR,
        create("Approval", "new", ASKED),
        accepted(spec__request__users=["cora"]),
    ),
    Attempt(
        "the operator opens a checkpoint",
        OPERATOR,
        create("Checkpoint", "new", REPORT_ASKED),
        accepted(spec__request__name="hour-48"),
    ),
    Attempt(
        "the operator opens an approval with an owner",
        OPERATOR,
        create(
            "Approval",
            "new",
            {
                **ASKED,
                "metadata": {
                    "labels": {"app.kubernetes.io/managed-by": "surefoot"},
                    "ownerReferences": [
                        {
                            "apiVersion": "surefoot.dev/v1alpha1",
                            "kind": "Rollout",
                            "name": "checkout",
                            "uid": "b0c1",
                        }
                    ],
                },
            },
        ),
        accepted(metadata__name="new"),
    ),
    *by_each(
        (*EVERYBODY_ELSE, GARBAGE_COLLECTOR, NAMESPACE_CONTROLLER),
        "opens an approval",
        create("Approval", "new", ASKED),
        NOT_YOURS,
    ),
    *by_each(
        (ADMIN, ATLAS, CORA, COURIER),
        "opens a checkpoint",
        create("Checkpoint", "new", REPORT_ASKED),
        NOT_YOURS,
    ),
    *by_each(PRETENDERS, "opens an approval", create("Approval", "new", ASKED), NOT_YOURS),
    Attempt(
        "cora opens an approval with a generated name",
        CORA,
        create("Approval", "", {**ASKED, "metadata": {"generateName": "checkout-100-"}}),
        NOT_YOURS,
    ),
    Attempt(
        "admin opens an approval with an apply on the server",
        ADMIN,
        apply("Approval", "new", ASKED, manager="surefoot"),
        NOT_YOURS,
    ),
    Attempt(
        "cora creates an approval that she has signed already",
        CORA,
        create("Approval", "new", DECIDED),
        NOT_YOURS,
    ),
    Attempt(
        "cora creates an approval that hudson is said to have signed",
        CORA,
        create("Approval", "new", {"spec": {**ASKED["spec"], **decide("GO", "hudson")["spec"]}}),
        NOT_YOURS,
    ),
    Attempt(
        "admin creates a decided approval by an apply on the server",
        ADMIN,
        apply("Approval", "new", DECIDED),
        NOT_YOURS,
    ),
    Attempt(
        "atlas creates a report",
        ATLAS,
        create("Checkpoint", "new", REPORTED),
        NOT_YOURS,
    ),
    Attempt(
        "the operator creates an approval that is signed already",
        OPERATOR,
        create("Approval", "new", DECIDED),
        DECIDED_ALREADY,
    ),
    Attempt(
        "the operator creates an approval that it has signed itself",
        OPERATOR,
        create("Approval", "new", {"spec": {**ASKED["spec"], **BY_OPERATOR}}),
        DECIDED_ALREADY,
    ),
    Attempt(
        "the operator creates a checkpoint that is decided already",
        OPERATOR,
        create("Checkpoint", "new", REPORTED),
        DECIDED_ALREADY,
    ),
)

_REQUEST_FIELDS: dict[str, Any] = {
    "rollout": {"name": "other", "uid": "b0c2"},
    "planHash": "sha256:1f",
    "attempt": 5,
    "round": 7,
    "step": 3,
    "from": 50,
    "to": 50,
    "role": "other",
    "type": "DeploymentLead",
    "purpose": "Acknowledge",
    "dryRun": 1,
    "users": ["forge"],
    "groups": ["metrics"],
    "excludedUsers": [],
    "requiredSections": ["securityStatus"],
    "signing": "Required",
    "requestedBy": "hudson",
    "evidence": "all is well",
}
_CHECKPOINT_FIELDS: dict[str, Any] = {
    "percent": 50,
    "name": "other",
    "type": "DecisionMeeting",
    "reporter": {"users": ["forge"]},
    "receiver": {"users": ["forge"]},
    "excludedUsers": [],
    "opensAt": "2026-03-01T10:00:00.000000Z",
    "dueAt": "2036-03-01T10:00:00.000000Z",
}
_IMMUTABLE = invalid("spec.request is the operator's and may not be changed")

REWRITING = (
    Attempt(
        "hudson, who may sign, turns a dry run into the real thing",
        HUDSON,
        merge("Approval", "dry-run", {"spec": {"request": {"purpose": "Advance", "dryRun": None}}}),
        _IMMUTABLE,
    ),
    Attempt(
        "hudson, who may sign, makes another dry run of it",
        HUDSON,
        merge("Approval", "dry-run", {"spec": {"request": {"dryRun": 2}}}),
        _IMMUTABLE,
    ),
    *(
        Attempt(
            f"hudson, who may sign, changes request.{field}",
            HUDSON,
            merge("Approval", "pending", {"spec": {"request": {field: value}}}),
            _IMMUTABLE,
        )
        for field, value in _REQUEST_FIELDS.items()
    ),
    *(
        Attempt(
            f"atlas, who may report, changes request.{field}",
            ATLAS,
            merge("Checkpoint", "pending", {"spec": {"request": {field: value}}}),
            _IMMUTABLE,
        )
        for field, value in _CHECKPOINT_FIELDS.items()
    ),
    Attempt(
        "admin adds forge to those who may sign, with force",
        ADMIN,
        apply("Approval", "pending", {"spec": {"request": {"users": ["forge"]}}}),
        invalid("spec"),
    ),
    Attempt(
        "the operator changes who may sign",
        OPERATOR,
        merge("Approval", "pending", {"spec": {"request": {"users": ["forge"]}}}),
        _IMMUTABLE,
    ),
    Attempt(
        "forge makes the role one of forge's and signs in one go",
        FORGE,
        merge(
            "Approval",
            "pending",
            {"spec": {**decide("GO", "forge")["spec"], "request": {"users": ["forge"]}}},
        ),
        _IMMUTABLE,
    ),
    Attempt(
        "cora takes herself out of the excluded with a JSON patch",
        CORA,
        json_patch("Approval", "pending", replaced("/spec/request/excludedUsers", [])),
        _IMMUTABLE,
    ),
    Attempt(
        "cora takes the request out with a replace",
        CORA,
        replace("Approval", "pending", {"spec": {}}),
        invalid("spec.request"),
    ),
)

REMOVING = (
    *by_each(
        (*EVERYBODY_ELSE, IMPOSTOR),
        "deletes a NO-GO",
        delete("Approval", "no-go"),
        ON_RECORD,
    ),
    *by_each(
        (ADMIN, ATLAS, FORGE, IMPOSTOR),
        "deletes a report",
        delete("Checkpoint", "go"),
        ON_RECORD,
    ),
    Attempt(
        "admin deletes an undecided approval",
        ADMIN,
        delete("Approval", "pending"),
        ON_RECORD,
    ),
    Attempt(
        "hudson deletes his own GO",
        HUDSON,
        delete("Approval", "go"),
        ON_RECORD,
    ),
    Attempt(
        "admin deletes a used signature at once, in the foreground",
        ADMIN,
        delete("Approval", "used", propagationPolicy="Foreground", gracePeriodSeconds=0),
        ON_RECORD,
    ),
    Attempt(
        "admin deletes a NO-GO and orphans what depends on it",
        ADMIN,
        delete("Approval", "no-go", propagationPolicy="Orphan"),
        ON_RECORD,
    ),
    *by_each(
        (ADMIN, CORA),
        "deletes all approvals",
        delete_all("Approval"),
        ON_RECORD,
    ),
    Attempt(
        "cora deletes all approvals of a rollout",
        CORA,
        delete_all("Approval", labelSelector="surefoot.dev/rollout=checkout"),
        ON_RECORD,
    ),
    Attempt(
        "admin deletes one approval as a collection of one",
        ADMIN,
        delete_all("Approval", fieldSelector="metadata.name=no-go"),
        ON_RECORD,
    ),
    Attempt(
        "admin deletes all checkpoints",
        ADMIN,
        delete_all("Checkpoint"),
        ON_RECORD,
    ),
    Attempt(
        "the operator deletes a used signature",
        OPERATOR,
        delete("Approval", "used"),
        ON_RECORD,
    ),
    Attempt(
        "the operator deletes a used report",
        OPERATOR,
        delete("Checkpoint", "used"),
        ON_RECORD,
    ),
    Attempt(
        "the operator deletes all approvals",
        OPERATOR,
        delete_all("Approval"),
        ON_RECORD,
    ),
    Attempt(
        "the operator deletes what nobody has decided",
        OPERATOR,
        delete("Approval", "pending"),
        ON_RECORD,
    ),
    *(
        Attempt(
            f"{collector} deletes a used signature",
            collector,
            delete("Approval", "used"),
            accepted(),
        )
        for collector in (GARBAGE_COLLECTOR, NAMESPACE_CONTROLLER, CONTROLLER_MANAGER)
    ),
    Attempt(
        "the namespace controller deletes all approvals",
        NAMESPACE_CONTROLLER,
        delete_all("Approval"),
        accepted(),
    ),
    Attempt(
        "the namespace controller deletes all checkpoints",
        NAMESPACE_CONTROLLER,
        delete_all("Checkpoint"),
        accepted(),
    ),
    Attempt(
        "the garbage collector changes a decision",
        GARBAGE_COLLECTOR,
        merge("Approval", "no-go", {"spec": {"decision": "GO"}}),
        refused(POLICY, "is not a person"),
    ),
)

REQUESTS = (*OPENING, *REWRITING, *REMOVING)
