"""The second table: changes of an object, which only the API server can judge.

A transition rule compares two objects; Python has only ever one of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from surefoot.api.v1alpha1.approval import Approval, ApprovalSpec
from surefoot.api.v1alpha1.checkpoint import Checkpoint, CheckpointSpec
from surefoot.api.v1alpha1.meta import ApiModel
from surefoot.api.v1alpha1.rollout import ApprovalDryRun, Rehearsal, RolloutSpec, Target
from tests.contract.manifests import MINIMAL, REMOVED, Manifest, changed

Change = Mapping[str, Any]


@dataclass(frozen=True)
class Transition:
    """From one object to another: ``before`` changes the minimal one, ``after`` changes that.

    ``state`` is what the operator has written into its status in between.
    """

    name: str
    kind: str
    before: Change
    after: Change
    accepted: bool
    says: str = ""
    breaks: type[ApiModel] | None = None
    state: Change = field(default_factory=dict)

    @property
    def old(self) -> Manifest:
        """The object as it was created."""
        return changed(MINIMAL[self.kind], self.before)

    @property
    def new(self) -> Manifest:
        """The object as somebody would have it."""
        return changed(self.old, self.after)


def allowed(kind: str, name: str, before: Change, after: Change, **state: Any) -> Transition:
    """A change that is accepted."""
    return Transition(name, kind, before, after, True, state=state)


def forbidden(
    kind: str,
    name: str,
    before: Change,
    after: Change,
    *,
    says: str,
    by: type[ApiModel],
    **state: Any,
) -> Transition:
    """A change that is refused, by a rule of the model, with the reason."""
    return Transition(name, kind, before, after, False, says, by, state)


FIXED = "the target may not be changed"
HUDSON = {"username": "hudson"}
GO = {"spec.decision": "GO", "spec.reason": "re-validated", "spec.decidedBy": HUDSON}
REPORTED = {"spec.decision": "GO", "spec.summary": "stable", "spec.decidedBy": HUDSON}
SIGNED = {
    "value": "-----BEGIN SSH SIGNATURE-----",
    "expiresAt": "2026-03-08T10:00:00Z",
}

TRANSITIONS = (
    *(
        forbidden(
            "Rollout",
            f"target.{name} changed",
            {},
            {f"spec.target.{name}": value},
            says=FIXED,
            by=Target,
        )
        for name, value in (
            ("configMapName", "other"),
            ("flags", ["other"]),
            ("flags", ["checkout", "other"]),
            ("format", "Flagd"),
            ("bucketingKey", "accountId"),
        )
    ),
    forbidden(
        "Rollout",
        "target.format removed",
        {"spec.target.format": "Flagd"},
        {"spec.target.format": REMOVED},
        says=FIXED,
        by=Target,
    ),
    allowed("Rollout", "target.onDelete changed", {}, {"spec.target.onDelete": "Delete"}),
    allowed("Rollout", "target as before, said in full", {}, {"spec.target.format": "Percentage"}),
    allowed("Rollout", "plan changed", {}, {"spec.steps": [{"percent": 5}, {"percent": 100}]}),
    forbidden(
        "Rollout",
        "attempt lowered",
        {"spec.attempt": 2},
        {"spec.attempt": 1},
        says="attempt may only rise",
        by=RolloutSpec,
    ),
    allowed("Rollout", "attempt raised", {"spec.attempt": 2}, {"spec.attempt": 3}),
    allowed("Rollout", "attempt set", {}, {"spec.attempt": 0}),
    allowed("Rollout", "attempt removed", {"spec.attempt": 2}, {"spec.attempt": REMOVED}),
    forbidden(
        "Rollout",
        "rehearsal run lowered",
        {"spec.rehearsal": {"run": 2}},
        {"spec.rehearsal.run": 1},
        says="run may only rise",
        by=Rehearsal,
    ),
    forbidden(
        "Rollout",
        "dry run lowered",
        {"spec.approvalDryRun": {"run": 2}},
        {"spec.approvalDryRun.run": 1},
        says="run may only rise",
        by=ApprovalDryRun,
    ),
    allowed("Rollout", "dry run asked for", {}, {"spec.approvalDryRun": {"run": 1, "to": 25}}),
    allowed(
        "Rollout",
        "another step dry-run",
        {"spec.approvalDryRun": {"run": 1, "to": 25}},
        {"spec.approvalDryRun": {"run": 2}},
    ),
    *(
        forbidden(
            "Rollout",
            f"dry run of another step {how} without another run",
            {"spec.approvalDryRun": before},
            {"spec.approvalDryRun": {"run": 1} | after},
            says="to goes with a run",
            by=ApprovalDryRun,
        )
        for how, before, after in (
            ("set", {"run": 1}, {"to": 25}),
            ("changed", {"run": 1, "to": 25}, {"to": 100}),
        )
    ),
    forbidden(
        "Rollout",
        "dry run of another step removed without another run",
        {"spec.approvalDryRun": {"run": 1, "to": 25}},
        {"spec.approvalDryRun.to": REMOVED},
        says="to goes with a run",
        by=ApprovalDryRun,
    ),
    allowed("Rollout", "rehearsed", {"spec.rehearsal": {"run": 2}}, {"spec.rehearsal.run": 3}),
    allowed(
        "Rollout",
        "rehearsal run removed",
        {"spec.rehearsal": {"run": 2}},
        {"spec.rehearsal.run": REMOVED},
    ),
    allowed("Rollout", "rehearsal run set", {"spec.rehearsal": {}}, {"spec.rehearsal.run": 1}),
    *(
        forbidden(
            kind,
            f"request.{name} changed",
            {},
            {f"spec.request.{name}": value},
            says="spec.request is the operator's",
            by=spec,
        )
        for kind, spec, name, value in (
            ("Approval", ApprovalSpec, "users", ["mallory"]),
            ("Approval", ApprovalSpec, "to", 50),
            ("Approval", ApprovalSpec, "planHash", "sha256:ff"),
            ("Checkpoint", CheckpointSpec, "reporter", {"users": ["mallory"]}),
            ("Checkpoint", CheckpointSpec, "percent", 50),
        )
    ),
    allowed("Approval", "decided", {}, GO),
    allowed("Approval", "decided again", GO, {"spec.decision": "NO-GO"}),
    allowed("Approval", "reworded", GO, {"spec.reason": "no new findings"}),
    allowed("Approval", "decided by another", GO, {"spec.decidedBy": {"username": "ivy"}}),
    forbidden(
        "Approval",
        "signer removed",
        GO,
        {"spec.decidedBy": REMOVED},
        says="a decision and its signer go together",
        by=ApprovalSpec,
    ),
    forbidden(
        "Approval",
        "section taken back",
        {"spec.request.requiredSections": ["riskAssessment"], "spec.riskAssessment": "low", **GO},
        {"spec.riskAssessment": REMOVED},
        says="needs a riskAssessment",
        by=ApprovalSpec,
    ),
    forbidden(
        "Approval",
        "signature taken back",
        {"spec.request.signing": "Required", "spec.signature": SIGNED, **GO},
        {"spec.signature": REMOVED},
        says="needs a detached signature",
        by=ApprovalSpec,
    ),
    allowed(
        "Approval",
        "withdrawn without a signature",
        {"spec.request.signing": "Required", "spec.signature": SIGNED, **GO},
        {"spec.decision": "NO-GO", "spec.signature": REMOVED},
    ),
    forbidden(
        "Approval",
        "decision and signer removed",
        GO,
        {"spec.decision": REMOVED, "spec.decidedBy": REMOVED},
        says="a decision may not be removed",
        by=ApprovalSpec,
    ),
    allowed("Approval", "changed when expired", GO, {"spec.reason": "late"}, state="Expired"),
    *(
        forbidden(
            "Approval",
            f"{name} after use",
            GO,
            after,
            says="this signature has been used",
            by=Approval,
            state="Used",
        )
        for name, after in (
            ("decided again", {"spec.decision": "NO-GO"}),
            ("reworded", {"spec.reason": "it was not me"}),
            ("commented", {"spec.riskAssessment": "after the fact"}),
            ("signed by another", {"spec.decidedBy": {"username": "ivy"}}),
            ("signed", {"spec.signature": SIGNED}),
        )
    ),
    allowed("Approval", "labelled after use", GO, {"metadata.labels": {"a": "b"}}, state="Used"),
    allowed("Checkpoint", "reported", {}, REPORTED),
    allowed("Checkpoint", "reported again", REPORTED, {"spec.decision": "NO-GO"}),
    forbidden(
        "Checkpoint",
        "signer removed",
        REPORTED,
        {"spec.decidedBy": REMOVED},
        says="a decision and its signer go together",
        by=CheckpointSpec,
    ),
    forbidden(
        "Checkpoint",
        "decision and signer removed",
        REPORTED,
        {"spec.decision": REMOVED, "spec.decidedBy": REMOVED},
        says="a decision may not be removed",
        by=CheckpointSpec,
    ),
    forbidden(
        "Checkpoint",
        "reported again after use",
        REPORTED,
        {"spec.report": "# Another"},
        says="this checkpoint has been used",
        by=Checkpoint,
        state="Used",
    ),
)
