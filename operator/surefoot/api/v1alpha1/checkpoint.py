"""Checkpoint: a report with a decision."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from surefoot.api.v1alpha1.approval import Decision, PastDecision, RequestState
from surefoot.api.v1alpha1.meta import (
    API_VERSION,
    ATOMIC,
    MOST_EXCLUDED,
    SIGNED_BY_SOMEBODY,
    ApiModel,
    ConditionStatus,
    DecisionCondition,
    DecisionReference,
    Identities,
    Identity,
    Instant,
    Message,
    Name,
    ObjectMeta,
    ObjectReference,
    Percent,
    Rule,
    Signer,
    Text,
    Whole,
    Word,
    is_blank,
    map_list,
)


class CheckpointType(StrEnum):
    """What kind of checkpoint it is."""

    REPORT = "Report"
    HANDOFF = "Handoff"
    DECISION_MEETING = "DecisionMeeting"


class People(ApiModel):
    """Users, and groups whose members are meant."""

    users: Identities = ()
    """User names, as `kubectl auth whoami` shows them."""
    groups: Identities = ()
    """Group names, as the API server knows them."""

    rules = (
        Rule(
            cel="(has(self.users) && size(self.users) > 0) || "
            "(has(self.groups) && size(self.groups) > 0)",
            message="at least one user or group must be named",
            holds=lambda people: bool(people.users or people.groups),
        ),
    )


class CheckpointRequest(ApiModel):
    """What is asked, of whom, bound to one step of one plan. Written by the operator, immutable."""

    rollout: ObjectReference
    """The Rollout that asks."""
    plan_hash: Annotated[str, Field(max_length=80)]
    """The plan that the report is for; under another plan it does not count."""
    attempt: Whole
    """The attempt that the report is for."""
    round: Whole = 1
    """How often this was asked: 1, then 2 where it had to be asked again."""
    step: Whole | None = None
    """Index of the step that the report is about."""
    percent: Percent
    """The percentage that the report is about, and that is left when it is GO."""
    name: Name
    """The checkpoint's name in the plan."""
    type: CheckpointType = CheckpointType.REPORT
    """Report, Handoff or DecisionMeeting."""
    reporter: People
    """The people who may report."""
    receiver: People | None = None
    """The people of whom one must acknowledge a handoff."""
    conditions_of: DecisionReference | None = None
    """The decision whose conditions this reports as met; absent for a checkpoint of the plan."""
    evidence: Annotated[str, Field(max_length=8192)] | None = None
    """What was known when the request was opened, in words."""
    excluded_users: Annotated[tuple[Identity, ...], Field(max_length=MOST_EXCLUDED), ATOMIC] = ()
    """Users who may not decide this."""
    opens_at: Instant | None = None
    """The moment from which it may be decided."""
    due_at: Instant | None = None
    """When it is late. Late never means passed."""


class CheckpointTest(ApiModel):
    """A test result that a report carries."""

    name: Annotated[str, Field(min_length=1, max_length=63)]
    """What was tested."""
    passed: Whole
    """How many passed."""
    total: Whole
    """How many there are."""

    rules = (
        Rule(
            cel="self.passed <= self.total",
            message="passed must not be more than total",
            holds=lambda test: test.passed <= test.total,
            field=".passed",
        ),
    )


class Dissent(ApiModel):
    """An opinion that was not followed, kept on the record."""

    by: Identity
    """The person who dissented."""
    statement: Text
    """What they said."""


def lacks_required_action(spec: "CheckpointSpec") -> bool:
    """Whether this is a handoff that does not say what its receiver has to do."""
    is_handoff = spec.request.type is CheckpointType.HANDOFF
    return is_handoff and is_blank(spec.required_action)


class CheckpointSpec(ApiModel):
    """The request, and the report and decision of the person who was asked."""

    request: CheckpointRequest
    """What is asked. Written by the operator; may not be changed."""
    decision: Decision | None = None
    """GO or NO-GO. A NO-GO blocks until a later decision resolves it."""
    summary: Text | None = None
    """The report in a sentence. Required with a decision."""
    report: Annotated[str, Field(max_length=32768)] | None = None
    """The report in Markdown, at most 32 KiB."""
    required_action: Text | None = None
    """What the receiver of a handoff must do next. Required with its GO."""
    tests: Annotated[tuple[CheckpointTest, ...], Field(max_length=64), *map_list("name")] = ()
    """Test results."""
    conditions: Annotated[
        tuple[DecisionCondition, ...], Field(max_length=16), *map_list("name")
    ] = ()
    """What the GO asks for. A blocking condition must be reported as met before the GO counts."""
    dissent: Annotated[tuple[Dissent, ...], Field(max_length=16), ATOMIC] = ()
    """Opinions that were not followed."""
    decided_by: Signer | None = None
    """The person who decided, as the API server's admission established it."""

    rules = (
        SIGNED_BY_SOMEBODY,
        Rule(
            cel="!has(self.decision) || (has(self.summary) && size(self.summary.trim()) > 0)",
            message='a decision must have a summary: add "summary":"…" to spec',
            holds=lambda spec: spec.decision is None or not is_blank(spec.summary),
            field=".summary",
        ),
        Rule(
            cel="!has(self.decision) || self.decision != 'GO' || "
            "self.request.?type.orValue('Report') != 'Handoff' || "
            "(has(self.requiredAction) && size(self.requiredAction.trim()) > 0)",
            message="the GO of a handoff must say what its receiver has to do: add "
            '"requiredAction":"…" to spec',
            holds=lambda spec: spec.decision is not Decision.GO or not lacks_required_action(spec),
            field=".requiredAction",
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


class CheckpointStatus(ApiModel):
    """What became of the request. Written by the operator."""

    state: RequestState = RequestState.PENDING
    """Pending: no decision counts, which is so until the operator has seen one. Go: a GO counts.
    NoGo: a NO-GO blocks the step. Used: a step was taken with it. Void: it does not count, as
    `voidReason` says. A Checkpoint never expires. Default: Pending."""
    decided_at: Instant | None = None
    """When the operator first saw the decision."""
    late: bool = False
    """Whether it was, or is, decided later than due."""
    acknowledged: bool = False
    """Whether everybody who must has acknowledged it."""
    counted_for: Word | None = None
    """The transition that used it."""
    used_generation: Whole | None = None
    """The object's generation that was counted."""
    void_reason: Message | None = None
    """Why it does not count."""
    decisions: Annotated[tuple[PastDecision, ...], Field(max_length=64), ATOMIC] = ()
    """Every decision seen, oldest first: sixteen, and more where as many people say NO-GO."""
    conditions: Annotated[tuple[ConditionStatus, ...], Field(max_length=16), *map_list("name")] = ()
    """What the GO asks for, and whether it was reported as met."""
    observed_generation: Whole = 0
    """The object's generation that this was written for."""


class Checkpoint(ApiModel):
    """A report with a decision, which a step waits for: decide with `kubectl patch`."""

    api_version: Literal["surefoot.dev/v1alpha1"] = API_VERSION
    kind: Literal["Checkpoint"] = "Checkpoint"
    metadata: ObjectMeta
    spec: CheckpointSpec
    """The request, and the report and decision of the person who was asked."""
    status: CheckpointStatus = CheckpointStatus()
    """What became of the request."""

    rules = (
        Rule(
            cel="!has(oldSelf.status) || !has(oldSelf.status.state) || "
            "oldSelf.status.state != 'Used' || self.spec == oldSelf.spec",
            message="this checkpoint has been used and may not be changed",
            holds=None,
            field=".spec",
        ),
    )
