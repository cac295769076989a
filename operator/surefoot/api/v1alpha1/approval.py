"""Approval: one person's signature on one step."""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from surefoot.api.v1alpha1.meta import (
    API_VERSION,
    ATOMIC,
    LONGEST_IDENTITY,
    MOST_EXCLUDED,
    SIGNED_BY_SOMEBODY,
    ApiModel,
    ConditionStatus,
    DecisionCondition,
    DecisionReference,
    Expiry,
    Identities,
    Identity,
    Instant,
    Message,
    ObjectMeta,
    ObjectReference,
    Percent,
    Rule,
    Signer,
    Whole,
    Word,
    is_blank,
    map_list,
)

LongText = Annotated[str, Field(max_length=8192)]


class Decision(StrEnum):
    """What a person decides. A NO-GO is never outvoted or outwaited."""

    GO = "GO"
    NO_GO = "NO-GO"


class RequestState(StrEnum):
    """The state of a request. Void, Expired and Used are final."""

    PENDING = "Pending"
    GO = "Go"
    NO_GO = "NoGo"
    USED = "Used"
    VOID = "Void"
    EXPIRED = "Expired"


class RoleType(StrEnum):
    """Which kind of judgement a role gives."""

    GENERAL = "General"
    DEPLOYMENT_LEAD = "DeploymentLead"
    METRICS_VALIDATION = "MetricsValidation"
    CHECKPOINT_REPORT = "CheckpointReport"
    SECURITY_REVIEW = "SecurityReview"
    IMPLEMENTATION_READINESS = "ImplementationReadiness"


class Section(StrEnum):
    """A part of an approval that a role may require."""

    RISK_ASSESSMENT = "riskAssessment"
    METRICS_SUMMARY = "metricsSummary"
    SECURITY_STATUS = "securityStatus"


class Signing(StrEnum):
    """Whether a GO needs a detached signature: the signer's own key, not only their account."""

    OPTIONAL = "Optional"
    REQUIRED = "Required"


class Purpose(StrEnum):
    """What a signature is for."""

    ADVANCE = "Advance"
    ACKNOWLEDGE = "Acknowledge"
    DRY_RUN = "DryRun"
    """To try the process of approval: it counts for nothing."""


class ApprovalRequest(ApiModel):
    """What is asked, of whom, bound to one step of one plan. Written by the operator, immutable."""

    rollout: ObjectReference
    """The Rollout that asks."""
    plan_hash: Annotated[str, Field(max_length=80)]
    """The plan that the signature is for; under another plan it does not count."""
    attempt: Whole
    """The attempt that the signature is for."""
    round: Whole = 1
    """How often this was asked: 1, then 2 where it had to be asked again."""
    step: Whole | None = None
    """Index of the step being left; absent below the first step."""
    from_: Annotated[Percent, Field(alias="from")]
    """The percentage being left."""
    to: Percent
    """The percentage asked for; from 100 to 100 means Completed."""
    role: Annotated[str, Field(max_length=63)]
    """The role that is asked."""
    type: RoleType = RoleType.GENERAL
    """Which kind of judgement the role gives."""
    purpose: Purpose = Purpose.ADVANCE
    """What the signature is for: to advance, to acknowledge a meeting's or handoff's outcome, or
    DryRun: to try the process of approval, which counts for nothing."""
    dry_run: Whole | None = None
    """With purpose DryRun: which dry run it belongs to."""
    acknowledges: DecisionReference | None = None
    """With purpose Acknowledge: the decision on a Checkpoint that is acknowledged, and no other."""
    users: Identities = ()
    """Users who may sign."""
    groups: Identities = ()
    """Groups whose members may sign."""
    excluded_users: Annotated[tuple[Identity, ...], Field(max_length=MOST_EXCLUDED), ATOMIC] = ()
    """Users who may not sign: they requested the rollout, wrote its plan or reported on the
    step."""
    required_sections: Annotated[tuple[Section, ...], Field(max_length=3), ATOMIC] = ()
    """Parts that a decision must fill in."""
    signing: Signing = Signing.OPTIONAL
    """Required: a GO needs a detached signature. Optional: one that is there must hold."""
    requested_by: Annotated[str, Field(max_length=LONGEST_IDENTITY)] = ""
    """The person who asked for the rollout."""
    evidence: Annotated[str, Field(max_length=8192)] = ""
    """What was known when the request was opened, in words."""

    rules = (
        Rule(
            cel="(self.?purpose.orValue('Advance') == 'DryRun') == has(self.dryRun)",
            message="a DryRun must say which dry run it belongs to, and nothing else has one",
            holds=lambda request: (
                (request.purpose is Purpose.DRY_RUN) == (request.dry_run is not None)
            ),
            field=".dryRun",
        ),
    )


class DetachedSignature(ApiModel):
    """A decision signed with the signer's own SSH key, as `ssh-keygen -Y sign` makes it.

    A cluster administrator cannot forge it, and it holds wherever the object travels.
    """

    value: Annotated[
        str,
        Field(min_length=1, max_length=8192, pattern="^-----BEGIN SSH SIGNATURE-----"),
    ]
    """The armored signature that `surefoot sign` or `ssh-keygen -Y sign` prints. Its namespace is
    approval@surefoot.dev."""
    expires_at: Expiry
    """The moment until which the signature may be used. It is part of what is signed.
    Example: 2026-12-01T09:00:00Z."""


def _holds_section(section: Section) -> Callable[["ApprovalSpec"], bool]:
    def holds(spec: "ApprovalSpec") -> bool:
        return spec.decision is not Decision.GO or section not in lacking_sections(spec)

    return holds


def lacking_sections(spec: "ApprovalSpec") -> tuple[Section, ...]:
    """The sections that the role requires and that say nothing."""
    written = {
        Section.RISK_ASSESSMENT: spec.risk_assessment,
        Section.METRICS_SUMMARY: spec.metrics_summary,
        Section.SECURITY_STATUS: spec.security_status,
    }
    required = spec.request.required_sections
    return tuple(section for section in required if is_blank(written[section]))


def _lacks_no_signature(spec: "ApprovalSpec") -> bool:
    is_required = spec.request.signing is Signing.REQUIRED and spec.decision is Decision.GO
    return spec.signature is not None or not is_required


class ApprovalSpec(ApiModel):
    """The request, and the decision of the person who was asked."""

    request: ApprovalRequest
    """What is asked. Written by the operator; may not be changed."""
    decision: Decision | None = None
    """GO or NO-GO. A NO-GO blocks until its signer decides again or a meeting resolves it."""
    reason: Annotated[str, Field(max_length=4096)] | None = None
    """The reason for the decision, which must have one."""
    risk_assessment: LongText | None = None
    """Risks seen and what is done about them."""
    metrics_summary: LongText | None = None
    """What the numbers say."""
    security_status: LongText | None = None
    """Security concerns, or that there are none."""
    conditions: Annotated[
        tuple[DecisionCondition, ...], Field(max_length=16), *map_list("name")
    ] = ()
    """What the GO asks for. A blocking condition must be reported as met before the GO counts."""
    signature: DetachedSignature | None = None
    """A detached signature of this decision; required where the role says so."""
    decided_by: Signer | None = None
    """The person who decided, as the API server's admission established it."""

    rules = (
        SIGNED_BY_SOMEBODY,
        Rule(
            cel="!has(self.decision) || (has(self.reason) && size(self.reason.trim()) > 0)",
            message='a decision must have a reason: add "reason":"…" to spec',
            holds=lambda spec: spec.decision is None or not is_blank(spec.reason),
            field=".reason",
        ),
        *(
            Rule(
                cel="!has(self.decision) || self.decision != 'GO' || "
                "!has(self.request.requiredSections) || "
                f"!('{section.value}' in self.request.requiredSections) || "
                f"(has(self.{section.value}) && size(self.{section.value}.trim()) > 0)",
                message=f'the GO of this role needs a {section.value}: add "{section.value}":"…" '
                "to spec",
                holds=_holds_section(section),
                field=f".{section.value}",
            )
            for section in Section
        ),
        Rule(
            cel="!has(self.decision) || self.decision != 'GO' || "
            "self.request.?signing.orValue('Optional') != 'Required' || has(self.signature)",
            message="the GO of this role needs a detached signature: run surefoot sign",
            holds=_lacks_no_signature,
            field=".signature",
        ),
        Rule(
            cel="!has(self.signature) || has(self.decision)",
            message="a signature must come with the decision that it signs",
            holds=lambda spec: spec.signature is None or spec.decision is not None,
            field=".signature",
        ),
        Rule(
            cel="self.request == oldSelf.request",
            message="spec.request is the operator's and may not be changed",
            holds=None,
            field=".request",
        ),
        Rule(
            cel="!has(oldSelf.decision) || has(self.decision)",
            message="a decision may not be removed: withdraw a GO by deciding NO-GO",
            holds=None,
            field=".decision",
        ),
    )


class PastDecision(ApiModel):
    """A decision that the operator saw."""

    decision: Decision
    """GO or NO-GO."""
    by: Annotated[str, Field(max_length=256)] = ""
    """The person who decided; empty where no one was named."""
    verified: bool = False
    """Whether the API server's admission established who it was."""
    reason: Annotated[str, Field(max_length=4096)] = ""
    """Why, in their words."""
    generation: Whole
    """The object's generation that carried it."""
    seen_at: Instant
    """When the operator first saw it: it was given no later."""
    not_before: Instant | None = None
    """When it can have been given at the earliest; absent where the operator watched."""


class ApprovalStatus(ApiModel):
    """What became of the request. Written by the operator."""

    state: RequestState = RequestState.PENDING
    """Pending: no decision counts, which is so until the operator has seen one. Go: a GO counts.
    NoGo: a NO-GO blocks the step. Used: a step was taken with it. Void: it does not count, as
    `voidReason` says. Expired: it is past `expiresAt`. Default: Pending."""
    decided_at: Instant | None = None
    """When the operator first saw the decision; `maxAge` counts from here."""
    expires_at: Instant | None = None
    """The moment until which a GO counts."""
    counted_for: Word | None = None
    """The transition that used the signature."""
    used_generation: Whole | None = None
    """The object's generation that was counted."""
    void_reason: Message | None = None
    """Why the signature does not count."""
    message: Message | None = None
    """Anything else that people should know. A dry run says here that it counts for nothing."""
    decisions: Annotated[tuple[PastDecision, ...], Field(max_length=64), ATOMIC] = ()
    """Every decision seen, oldest first: sixteen, and more where as many people say NO-GO."""
    conditions: Annotated[tuple[ConditionStatus, ...], Field(max_length=16), *map_list("name")] = ()
    """What the GO asks for, and whether it was reported as met."""
    observed_generation: Whole = 0
    """The object's generation that this was written for."""


class Approval(ApiModel):
    """One person's signature on one step of a rollout: decide with `kubectl patch`."""

    api_version: Literal["surefoot.dev/v1alpha1"] = API_VERSION
    kind: Literal["Approval"] = "Approval"
    metadata: ObjectMeta
    spec: ApprovalSpec
    """The request, and the decision of the person who was asked."""
    status: ApprovalStatus = ApprovalStatus()
    """What became of the request."""

    rules = (
        Rule(
            cel="!has(oldSelf.status) || !has(oldSelf.status.state) || "
            "oldSelf.status.state != 'Used' || self.spec == oldSelf.spec",
            message="this signature has been used and may not be changed",
            holds=None,
            field=".spec",
        ),
    )
