"""Rollout: the plan, written by people. Its state is in `rollout_status`."""

from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr

from surefoot.api.v1alpha1.approval import RoleType, Section, Signing
from surefoot.api.v1alpha1.checkpoint import CheckpointType, People
from surefoot.api.v1alpha1.cohorts import Match
from surefoot.api.v1alpha1.meta import (
    API_VERSION,
    ATOMIC,
    SET_LIST,
    ApiModel,
    Between,
    Bound,
    Duration,
    Extension,
    Flag,
    Identities,
    Name,
    ObjectMeta,
    ObjectName,
    Percent,
    Rule,
    Text,
    Whole,
    extension,
    map_list,
)
from surefoot.api.v1alpha1.rollout_status import RolloutStatus

__all__ = ["Rollout", "RolloutSpec"]


class FlagFormat(StrEnum):
    """How the flags are written for their consumers."""

    PERCENTAGE = "Percentage"
    FLAGD = "Flagd"
    GO_FEATURE_FLAG = "GoFeatureFlag"
    FEATURE_FLAG = "FeatureFlag"


class OnDelete(StrEnum):
    """What becomes of the ConfigMap when the Rollout is gone."""

    KEEP = "Keep"
    ZERO = "Zero"
    DELETE = "Delete"


class OnBreach(StrEnum):
    """What a firing Hold trigger does to the soak."""

    RESET = "Reset"
    PAUSE = "Pause"


class DueFrom(StrEnum):
    """From when a checkpoint's times are counted."""

    STEP = "Step"
    START = "Start"


class ApprovalRule(StrEnum):
    """How many of the roles must say GO."""

    ALL = "All"
    QUORUM = "Quorum"


class Opens(StrEnum):
    """When approvals are asked for."""

    AFTER_HOLD = "AfterHold"
    STEP = "Step"


class SeparationOfDuties(StrEnum):
    """Whether who planned or reported may not sign."""

    REQUIRED = "Required"
    OFF = "Off"


class RelativeTo(StrEnum):
    """What a relative bound is compared with."""

    BASELINE = "Baseline"
    PREVIOUS_STEP = "PreviousStep"


class TriggerAction(StrEnum):
    """What a firing trigger does."""

    ROLLBACK = "Rollback"
    HOLD = "Hold"
    DEGRADE = "Degrade"


class OnNoData(StrEnum):
    """What a trigger without data does."""

    HOLD = "Hold"
    ROLLBACK = "Rollback"


class RehearsalMode(StrEnum):
    """Who starts a rollback rehearsal."""

    MANUAL = "Manual"
    AUTOMATIC = "Automatic"


class Level(StrEnum):
    """How much, of a risk's severity or probability."""

    LOW = "Low"
    MEDIUM = "Medium"
    HIGH = "High"


class RiskStatus(StrEnum):
    """What is done about a risk."""

    OPEN = "Open"
    MITIGATED = "Mitigated"
    ACCEPTED = "Accepted"


FLAG_KEY = r"^\.?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$"
"""What a ConfigMap takes for a key: neither "." nor anything that begins with ".."."""
OF_THE_EVALUATOR = "$flagd"
"""What flagd adds to every context by itself: the same for everybody, so it tells nobody apart."""
RESERVED_KEYS = ("flags.flagd", "flags.flagd.json", "flags.goff.yaml")
_FLAG_ITEM = Annotated[str, Field(min_length=1, max_length=128, pattern=FLAG_KEY)]

NOT_A_ROUND = Rule(
    cel="!self.name.matches('-r[0-9]+$')",
    message='a name may not end in "-r" and a number: that marks a round of a request',
    holds=lambda named: not _ends_like_a_round(named.name),
    field=".name",
)


def _ends_like_a_round(name: str) -> bool:
    _, separator, tail = name.rpartition("-r")
    return bool(separator) and tail.isascii() and tail.isdigit()


def _percent_or(*words: str) -> Extension:
    """Say so to editors; the API server and Python have a rule with a message for people."""
    return extension(
        x_kubernetes_int_or_string=True, minimum=0, maximum=100, pattern=f"^({'|'.join(words)})$"
    )


class Target(ApiModel):
    """What is moved. Immutable but for `onDelete`."""

    config_map_name: ObjectName
    """The ConfigMap that the operator creates and owns."""
    flags: Annotated[tuple[_FLAG_ITEM, ...], Field(min_length=1, max_length=32), *SET_LIST]
    """The flags in it, which move together."""
    format: FlagFormat = FlagFormat.PERCENTAGE
    """How consumers read them: Percentage, Flagd, GoFeatureFlag or FeatureFlag."""
    bucketing_key: Annotated[str, Field(min_length=1, max_length=128)] = "targetingKey"
    """The attribute that decides who is in, for formats that bucket. Who has no such attribute is
    off at every percentage."""
    on_delete: OnDelete = OnDelete.KEEP
    """What becomes of the ConfigMap when the Rollout is gone: Keep, Zero or Delete."""

    rules = (
        Rule(
            cel="self.configMapName == oldSelf.configMapName && self.flags == oldSelf.flags && "
            "self.format == oldSelf.format && self.bucketingKey == oldSelf.bucketingKey",
            message="the target may not be changed, except onDelete: "
            "delete the Rollout and create it anew",
            holds=None,
        ),
        Rule(
            cel="self.flags.all(f, !((f + '.json') in self.flags))",
            message='two flags may not write the same key: "x" also writes "x.json"',
            holds=lambda target: not any(f"{flag}.json" in target.flags for flag in target.flags),
            field=".flags",
        ),
        Rule(
            cel="!self.flags.exists(f, "
            "f in ['flags.flagd', 'flags.flagd.json', 'flags.goff.yaml'])",
            message="flags.flagd, flags.flagd.json and flags.goff.yaml are reserved keys",
            holds=lambda target: not set(target.flags) & set(RESERVED_KEYS),
            field=".flags",
        ),
        Rule(
            cel=f"!self.bucketingKey.startsWith('{OF_THE_EVALUATOR}')",
            message="attributes that begin with $flagd are the same for everybody: name a "
            "bucketingKey of your own",
            holds=lambda target: not target.bucketing_key.startswith(OF_THE_EVALUATOR),
            field=".bucketingKey",
        ),
        Rule(
            cel="self.configMapName != 'surefoot-halt'",
            message="surefoot-halt is the name of the ConfigMap that halts rollouts",
            holds=lambda target: target.config_map_name != "surefoot-halt",
            field=".configMapName",
        ),
    )


class CheckpointPlan(ApiModel):
    """A report that must be GO before the step is left."""

    name: Name
    """Its name; unique in the plan."""
    type: CheckpointType = CheckpointType.REPORT
    """Report, Handoff or DecisionMeeting."""
    reporter: People
    """Who reports."""
    receiver: People | None = None
    """Who must acknowledge a handoff."""
    after: Annotated[tuple[Name, ...], Field(max_length=16), *SET_LIST] = ()
    """Checkpoints of this or an earlier step that must be GO before this one is opened."""
    opens_after: Duration = "0s"
    """How long after `dueFrom` it is opened."""
    due_after: Duration | None = None
    """How long after `dueFrom` it is late. Late never means passed."""
    due_from: DueFrom = DueFrom.STEP
    """From when both are counted: Step or Start."""

    rules = (
        NOT_A_ROUND,
        Rule(
            cel="self.name != 'conflict'",
            message="conflict is the name of the meeting that a NO-GO opens",
            holds=lambda checkpoint: checkpoint.name != "conflict",
            field=".name",
        ),
        Rule(
            cel="(self.?type.orValue('Report') == 'Handoff') == has(self.receiver)",
            message="a Handoff must name its receiver, and only a Handoff has one",
            holds=lambda checkpoint: (
                (checkpoint.type is CheckpointType.HANDOFF) == (checkpoint.receiver is not None)
            ),
            field=".receiver",
        ),
    )


class Role(ApiModel):
    """One signature that is needed, and who may give it."""

    name: Name
    """What the role is called."""
    type: RoleType = RoleType.GENERAL
    """Which kind of judgement it gives."""
    users: Identities = ()
    """Users who may sign for it."""
    groups: Identities = ()
    """Groups whose members may sign for it."""
    required_sections: Annotated[tuple[Section, ...], Field(max_length=3), *SET_LIST] = ()
    """Parts that a decision must fill in."""
    signing: Signing = Signing.OPTIONAL
    """Required: a GO counts only with a detached signature by a key of the allowed signers."""

    rules = (
        NOT_A_ROUND,
        Rule(
            cel="(has(self.users) && size(self.users) > 0) || "
            "(has(self.groups) && size(self.groups) > 0)",
            message="a role must name at least one user or group",
            holds=lambda role: bool(role.users or role.groups),
        ),
    )


class ApprovalsPolicy(ApiModel):
    """Who must agree before a step is taken."""

    rule: ApprovalRule = ApprovalRule.ALL
    """All: every role. Quorum: as many as `quorum` says. A NO-GO holds in either case."""
    quorum: Annotated[int, Field(strict=True, ge=1, le=16)] | None = None
    """How many roles, with rule Quorum."""
    max_age: Duration = "7d"
    """How long a GO counts, from when the operator first saw it."""
    opens: Opens = Opens.AFTER_HOLD
    """When they are asked for: AfterHold, once soak, baseline and checkpoints hold, or Step."""
    separation_of_duties: SeparationOfDuties = SeparationOfDuties.REQUIRED
    """Required: who requested the rollout, wrote its plan or reported on the step may not sign."""
    meeting: People | None = None
    """Who chairs the meeting that resolves a conflict; whoever may sign for a role if absent."""
    roles: Annotated[tuple[Role, ...], Field(max_length=16), *map_list("name")] = ()
    """The signatures that are needed."""

    rules = (
        Rule(
            cel="(self.?rule.orValue('All') == 'Quorum') == has(self.quorum)",
            message="rule Quorum must state its quorum, and only Quorum has one",
            holds=lambda policy: (
                (policy.rule is ApprovalRule.QUORUM) == (policy.quorum is not None)
            ),
            field=".quorum",
        ),
        Rule(
            cel="!has(self.quorum) || (has(self.roles) && self.quorum <= size(self.roles))",
            message="quorum must not be larger than the number of roles",
            holds=lambda policy: policy.quorum is None or policy.quorum <= len(policy.roles),
            field=".quorum",
        ),
    )


class Hold(ApiModel):
    """What must be satisfied before a step is left."""

    soak: Duration | None = None
    """Least healthy time at this percentage; 0s if absent. It counts only while every trigger is
    quiet and has data."""
    on_breach: OnBreach | None = None
    """What a firing Hold trigger does to the soak: Reset (if absent) or Pause."""
    warm_up: Duration | None = None
    """Time before which soak does not run and gates are not passed."""
    baseline: Duration | None = None
    """Least time, after the warm-up, in which samples of every metric of the plan were present:
    then they are recorded, so that later steps have something to be compared with."""
    gates: Annotated[tuple[Name, ...], Field(max_length=32), *SET_LIST] | None = None
    """Names of the gates needed to leave this step; all if absent."""
    checkpoints: (
        Annotated[tuple[CheckpointPlan, ...], Field(max_length=16), *map_list("name")] | None
    ) = None
    """Reports that must be GO."""
    approvals: ApprovalsPolicy | None = None
    """Who must agree to leave this step; replaces `spec.approvals` as a whole."""


class Step(ApiModel):
    """A percentage, and what must be satisfied before it is left."""

    percent: Percent
    """The percentage of this step."""
    hold: Hold | None = None
    """What must be satisfied before leaving it; what is absent comes from `spec.hold`."""


class Metric(ApiModel):
    """A named PromQL query."""

    name: Name
    """What gates and triggers call it."""
    provider: Name = "default"
    """The provider to ask, as the administrator named it."""
    query: Annotated[str, Field(min_length=1, max_length=4096)]
    """PromQL that yields a single series."""
    stale_after: Duration | None = None
    """How old the newest sample may be, for metrics that arrive rarely."""


class GateCondition(ApiModel):
    """Bounds that a metric must keep."""

    name: Name
    """What it is called; the metric's name, unless `metric` says otherwise."""
    metric: Name | None = None
    """The metric; the gate's own name if absent."""
    at_most: Bound | None = None
    """The value must not be more than this."""
    at_least: Bound | None = None
    """The value must not be less than this."""
    for_: Annotated[Duration, Field(alias="for")] = "0s"
    """How long it must have held, at every point; 0s means that the latest evaluation decides."""
    relative_to: RelativeTo | None = None
    """Compare with what was recorded at an earlier step; the bounds are then factors of that."""

    rules = (
        Rule(
            cel="has(self.atMost) || has(self.atLeast)",
            message="atMost or atLeast must be given",
            holds=lambda gate: gate.at_most is not None or gate.at_least is not None,
        ),
    )


class Gate(ApiModel):
    """A condition on metrics that must hold to advance: one bound, or some of several."""

    name: Name
    """What it is called."""
    metric: Name | None = None
    """The metric; the gate's own name if absent."""
    at_most: Bound | None = None
    """The value must not be more than this."""
    at_least: Bound | None = None
    """The value must not be less than this."""
    for_: Annotated[Duration, Field(alias="for")] = "0s"
    """How long it must have held, at every point; 0s means that the latest evaluation decides."""
    relative_to: RelativeTo | None = None
    """Compare with what was recorded at an earlier step; the bounds are then factors of that."""
    passing: Annotated[int, Field(strict=True, ge=1, le=16)] | None = None
    """How many of `of` must hold."""
    of: Annotated[tuple[GateCondition, ...], Field(max_length=16), *map_list("name")] | None = None
    """The conditions that are counted."""

    rules = (
        Rule(
            cel="has(self.of) ? !has(self.atMost) && !has(self.atLeast) && !has(self.metric) "
            ": has(self.atMost) || has(self.atLeast)",
            message="a gate must have either bounds (atMost, atLeast) or passing and of",
            holds=lambda gate: (
                gate.at_most is None and gate.at_least is None and gate.metric is None
                if gate.of is not None
                else gate.at_most is not None or gate.at_least is not None
            ),
        ),
        Rule(
            cel="has(self.of) == has(self.passing)",
            message="passing and of must be given together",
            holds=lambda gate: (gate.of is None) == (gate.passing is None),
            field=".passing",
        ),
        Rule(
            cel="!has(self.of) || !has(self.passing) || self.passing <= size(self.of)",
            message="passing must not be larger than the number of conditions in of",
            holds=lambda gate: (
                gate.of is None or gate.passing is None or gate.passing <= len(gate.of)
            ),
            field=".passing",
        ),
    )


class Trigger(ApiModel):
    """A condition on a metric that moves back, holds or degrades, in every state."""

    name: Name
    """What it is called."""
    metric: Name | None = None
    """The metric; the trigger's own name if absent."""
    above: Bound | None = None
    """Breached when the value is more than this."""
    below: Bound | None = None
    """Breached when the value is less than this."""
    for_: Annotated[Duration, Field(alias="for")] = "0s"
    """How long it must be breached, at every point present, before it fires."""
    action: TriggerAction = TriggerAction.ROLLBACK
    """Rollback, Hold or Degrade."""
    to: Annotated[
        Annotated[int, Field(strict=True)] | Annotated[str, Field(max_length=16)],
        _percent_or("PreviousStep", "Zero"),
    ] = "PreviousStep"
    """Where a Rollback goes: PreviousStep, Zero, 0 or a step's percentage."""
    on_no_data: OnNoData = OnNoData.HOLD
    """What happens without data for the trigger's `for`: Hold or Rollback."""
    settle: Duration = "2m"
    """How long after a rollback its data still belong to before."""
    relative_to: RelativeTo | None = None
    """Compare with what was recorded at an earlier step; the bound is then a factor of that."""

    rules = (
        Rule(
            cel="has(self.above) != has(self.below)",
            message="exactly one of above and below must be given",
            holds=lambda trigger: (trigger.above is None) != (trigger.below is None),
        ),
        Rule(
            cel="!has(self.to) || (type(self.to) == int ? self.to >= 0 && self.to <= 100 "
            ": self.to in ['PreviousStep', 'Zero'])",
            message="to must be PreviousStep, Zero, or a percentage from 0 to 100",
            holds=lambda trigger: (
                0 <= trigger.to <= 100
                if isinstance(trigger.to, int)
                else trigger.to in {"PreviousStep", "Zero"}
            ),
            field=".to",
        ),
    )


class Limits(ApiModel):
    """Bounds on the plan itself."""

    max_expansion_factor: Annotated[Bound, Between(1, 100, "times the step before")] = 3
    """Largest growth from one step to the next: 3 lets 10 be followed by at most 30. If absent, it
    is 3, also where the plan has no limits; from 0 any percentage may follow. A plan with a larger
    step does not start."""
    max_open_risk: Level | None = None
    """Severity of the worst risk that may be Open when a step is taken; any if absent."""


class Rehearsal(ApiModel):
    """A rollback rehearsal that must have passed before each expansion."""

    max_age: Duration = "7d"
    """How old the last one may be; more than 0s."""
    mode: RehearsalMode = RehearsalMode.MANUAL
    """Manual: raise `run` to rehearse. Automatic: the operator also rehearses by itself, at every
    step and before the last one is too old."""
    run: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] | None = None
    """A person's: raise it above `status.rehearsal.run` to rehearse. Only rises; not for Git."""

    rules = (
        Rule(
            cel="!has(self.run) || !has(oldSelf.run) || self.run >= oldSelf.run",
            message="run may only rise",
            holds=None,
            field=".run",
        ),
    )


class Coverage(ApiModel):
    """The observed share must match the percentage."""

    metric: Name
    """The share that was observed, as a fraction of the eligible."""
    tolerance: Annotated[Bound, Between(0, 100, "percentage points")] = 1
    """How far it may be off, in percentage points."""


class Delivery(ApiModel):
    """Soak begins when consumers report the new percentage."""

    metric: Name
    """The percentage that consumers report."""
    within: Duration
    """How long they may take."""


class CohortRisk(ApiModel):
    """Why a cohort comes in late."""

    level: Level
    """How much is at risk: Low, Medium or High."""
    reason: Annotated[str, Field(min_length=1, max_length=256)]
    """What could go wrong, or what must be shown first."""


class Cohort(ApiModel):
    """A named group that is off until the flag has come far enough. For formats with attributes.

    It comes in with a step, and goes out with a rollback to below that step. Who belongs to several
    is off while one of them is.
    """

    name: Name
    """What it is called."""
    match: Match
    """Who belongs to it. Who has no such attribute counts as excluded."""
    from_: Annotated[Percent, Field(alias="from")]
    """The percentage from which it takes part: 0 or a step's."""
    until_checkpoint: Name | None = None
    """It is off, also at that percentage, until this checkpoint of the plan is GO; it comes in with
    the next step."""
    until_gate: Name | None = None
    """It is off, also at that percentage, until this gate of the plan holds at the moment when a
    step is taken; it comes in with that step."""
    risk: CohortRisk | None = None
    """Why it comes in late; said wherever the cohort is."""
    metric: Name | None = None
    """The metric that says which share of the work is this cohort's, as a fraction. Reported in
    `status.cohorts` and `status.balance`; it holds nothing."""

    rules = (
        Rule(
            cel="!has(self.untilCheckpoint) || !has(self.untilGate)",
            message="at most one of untilCheckpoint and untilGate must be given",
            holds=lambda cohort: cohort.until_checkpoint is None or cohort.until_gate is None,
        ),
        Rule(
            cel=f"!self.match.attribute.startsWith('{OF_THE_EVALUATOR}')",
            message="attributes that begin with $flagd are the same for everybody: name one of "
            "your own",
            holds=lambda cohort: not cohort.match.attribute.startswith(OF_THE_EVALUATOR),
            field=".match.attribute",
        ),
    )


class Freeze(ApiModel):
    """A window in which no step is taken: every week, or once."""

    name: Name
    """What it is called."""
    from_: Annotated[str, Field(alias="from", min_length=1, max_length=64)]
    """When it begins: `Fri 16:00` every week, or `2025-12-20 00:00` once."""
    to: Annotated[str, Field(min_length=1, max_length=64)]
    """When it ends, in the same form: `Mon 08:00`, or `2026-01-02 08:00`."""


class Schedule(ApiModel):
    """When steps may be taken. Rollback ignores it."""

    time_zone: Annotated[str, Field(min_length=1, max_length=64)] = "UTC"
    """The time zone of the windows."""
    freeze: Annotated[tuple[Freeze, ...], Field(max_length=32), *map_list("name")] = ()
    """Windows in which no step is taken."""


class Dependency(ApiModel):
    """Another Rollout that must have come far enough."""

    rollout: Annotated[ObjectName, Field(max_length=63)]
    """Its name."""
    namespace: Name | None = None
    """Its namespace; this one if absent."""
    at_least: Percent | None = None
    """The percentage that it must have reached; if absent, it must be Completed."""


class Risk(ApiModel):
    """A known risk of the rollout."""

    name: Name
    """What it is called."""
    severity: Level
    """How bad it would be."""
    probability: Level
    """How likely it is."""
    mitigation: Text = ""
    """What is done about it."""
    status: RiskStatus = RiskStatus.OPEN
    """Open, Mitigated or Accepted."""


_CHECKPOINT_ITEM = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?|Report|Handoff|DecisionMeeting)$"


class ScorecardItem(ApiModel):
    """Points for something that is ready."""

    name: Name
    """What it is called."""
    points: Annotated[int, Field(strict=True, ge=1, le=100)]
    """What it is worth."""
    section: Annotated[str, Field(max_length=63)] = "Technical"
    """The section it belongs to."""
    gate: Name | None = None
    """The gate that earns the points; the one of the item's own name, if nothing is named."""
    condition: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """The condition that earns the points, such as SoakComplete or Approved."""
    checkpoint: (
        Annotated[str, Field(min_length=1, max_length=63, pattern=_CHECKPOINT_ITEM)] | None
    ) = None
    """The checkpoint of this step that earns the points when it is GO, by its name; or Report,
    Handoff or DecisionMeeting for all of that type."""

    rules = (
        Rule(
            cel="[has(self.gate), has(self.condition), has(self.checkpoint)]"
            ".filter(given, given).size() <= 1",
            message="at most one of gate, condition and checkpoint must be given",
            holds=lambda item: (
                sum(source is not None for source in (item.gate, item.condition, item.checkpoint))
                <= 1
            ),
        ),
    )


class Scorecard(ApiModel):
    """Readiness in points out of 100."""

    go: Percent = 90
    """From here it is a Go."""
    go_with_monitoring: Percent = 70
    """From here it is a GoWithMonitoring."""
    gate: Flag = False
    """Whether less than a GoWithMonitoring blocks."""
    items: Annotated[tuple[ScorecardItem, ...], Field(max_length=50), *map_list("name")] = ()
    """What earns points, 100 in all; if absent, ten items of ten points on technology, process and
    validation."""


class RollbackRequest(ApiModel):
    """A person's ceiling."""

    to: Percent
    """The percentage is never more than this: 0 or a step's percentage."""
    reason: Annotated[str, Field(max_length=1024)] = ""
    """Why."""


_STEPS_ORDERED = (
    "self.steps.map(s, s.percent).isSorted() && "
    "self.steps.all(s, self.steps.filter(t, t.percent == s.percent).size() == 1)"
)


def _strictly_increasing(spec: "RolloutSpec") -> bool:
    percents = [step.percent for step in spec.steps]
    return all(low < high for low, high in pairwise(percents))


class ApprovalDryRun(ApiModel):
    """A dry run of the approval process: the same people are asked, and it counts for nothing."""

    run: Annotated[int, Field(strict=True, ge=1, le=1_000_000_000)]
    """Raise it to ask everybody who would have to sign. Only rises."""
    to: Percent | None = None
    """The step whose approval is tried, by its percentage; the next step's if absent."""

    rules = (
        Rule(
            cel="self.run >= oldSelf.run",
            message="run may only rise",
            holds=None,
            field=".run",
        ),
        Rule(
            cel="self.run > oldSelf.run || (has(self.to) == has(oldSelf.to) && "
            "(!has(self.to) || self.to == oldSelf.to))",
            message="to goes with a run: raise run as well, to dry-run another step",
            holds=None,
            field=".to",
        ),
    )


class RolloutSpec(ApiModel):
    """The plan, and below it what people set while it runs."""

    target: Target
    """What is moved."""
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=20), ATOMIC]
    """Strictly increasing percentages; the last is 100; a first step of 0 gates the start."""
    hold: Hold | None = None
    """What every step above 0 holds for, unless it says otherwise, field by field."""
    approvals: ApprovalsPolicy | None = None
    """Who must agree to every advance after the first percentage."""
    metrics: Annotated[tuple[Metric, ...], Field(max_length=32), *map_list("name")] = ()
    """Named queries for gates and triggers."""
    gates: Annotated[tuple[Gate, ...], Field(max_length=32), *map_list("name")] = ()
    """Conditions on metrics that must hold to advance."""
    triggers: Annotated[tuple[Trigger, ...], Field(max_length=32), *map_list("name")] = ()
    """Conditions on metrics that move back, hold or degrade."""
    limits: Limits | None = None
    """Bounds on the plan itself."""
    rehearsal: Rehearsal | None = None
    """A rollback rehearsal that must have passed before each expansion."""
    coverage: Coverage | None = None
    """The observed share must match the percentage."""
    delivery: Delivery | None = None
    """Soak begins when consumers report the new percentage."""
    cohorts: Annotated[tuple[Cohort, ...], Field(max_length=32), *map_list("name")] = ()
    """Groups that are off until a percentage, a checkpoint or a gate. A change of them takes effect
    with the next step, not before."""
    schedule: Schedule | None = None
    """When steps may be taken."""
    depends_on: Annotated[tuple[Dependency, ...], Field(max_length=16), ATOMIC] = ()
    """Other Rollouts that must have come far enough."""
    risks: Annotated[tuple[Risk, ...], Field(max_length=64), *map_list("name")] = ()
    """Known risks of the rollout."""
    scorecard: Scorecard | None = None
    """Readiness in points out of 100."""
    paused: Flag | None = None
    """A person's: stop everything but rollback. Not for Git."""
    rollback: RollbackRequest | None = None
    """A person's: a ceiling for the percentage; lowering is a rollback at once. Not for Git."""
    attempt: Whole | None = None
    """A person's: raise it to try again after a rollback. Only rises; not for Git."""
    approval_dry_run: ApprovalDryRun | None = None
    """A person's: raise its run to try the process of approval. Counts for nothing; not for Git."""

    rules = (
        Rule(
            cel=_STEPS_ORDERED,
            message="the percentages of steps must be strictly increasing",
            holds=_strictly_increasing,
            field=".steps",
        ),
        Rule(
            cel="size(self.steps) == 0 || self.steps[size(self.steps) - 1].percent == 100",
            message="the last step must be 100",
            holds=lambda spec: spec.steps[-1].percent == 100,
            field=".steps",
        ),
        Rule(
            cel="!has(self.attempt) || !has(oldSelf.attempt) || self.attempt >= oldSelf.attempt",
            message="attempt may only rise",
            holds=None,
            field=".attempt",
        ),
    )


class Rollout(ApiModel):
    """A progressive rollout of feature flags behind gates that cannot be bypassed."""

    api_version: Literal["surefoot.dev/v1alpha1"] = API_VERSION
    kind: Literal["Rollout"] = "Rollout"
    metadata: ObjectMeta
    spec: RolloutSpec
    """The plan."""
    status: RolloutStatus = RolloutStatus()
    """Where it stands, why it does not move, who decided and on what evidence."""

    _left_out: str = PrivateAttr("")

    @property
    def left_out(self) -> str:
        """Which parts of the stored status could not be read and why; empty where all could."""
        return self._left_out

    def without(self, parts: str) -> "Rollout":
        """A copy that says which parts of its status could not be read."""
        copied = self.model_copy()
        copied._left_out = parts  # noqa: SLF001 - the copy's own
        return copied

    rules = (
        Rule(
            cel="size(self.metadata.name) <= 63",
            message="the name of a Rollout must have at most 63 characters",
            holds=lambda rollout: len(rollout.metadata.name) <= 63,
        ),
        Rule(
            cel="!self.metadata.name.matches('-r[0-9]+$')",
            message='a name may not end in "-r" and a number: that marks a round of a request',
            holds=lambda rollout: not _ends_like_a_round(rollout.metadata.name),
        ),
    )
