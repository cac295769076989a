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
    """The one who starts a rollback rehearsal: a person, or also the operator."""

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
    """The flag that is moved.

    It cannot be changed after the Rollout was created, except `onDelete`.
    """

    config_map_name: ObjectName
    """The ConfigMap that programs read. The operator creates it, owns it, and takes back every
    change that somebody else makes. Example: checkout-flags."""
    flags: Annotated[tuple[_FLAG_ITEM, ...], Field(min_length=1, max_length=32), *SET_LIST]
    """The flags in the ConfigMap. They always have the same percentage. Each is a key, such as
    checkout-v2, that holds the whole number, and a second key checkout-v2.json with more about
    it."""
    format: FlagFormat = FlagFormat.PERCENTAGE
    """What programs read. Percentage: the number alone, and the program decides who is in. Flagd:
    also a file for flagd and OpenFeature SDKs. GoFeatureFlag and FeatureFlag are not supported yet
    and are refused."""
    bucketing_key: Annotated[str, Field(min_length=1, max_length=128)] = "targetingKey"
    """With format Flagd: the attribute that decides who is in, such as accountId. A user who has no
    such attribute is off at every percentage, also at 100%."""
    on_delete: OnDelete = OnDelete.KEEP
    """What becomes of the ConfigMap when the Rollout is deleted. Keep: it stays as it is. Zero: its
    flags are set to 0%. Delete: it is deleted."""

    rules = (
        Rule(
            cel="self.configMapName == oldSelf.configMapName && self.flags == oldSelf.flags && "
            "self.format == oldSelf.format && self.bucketingKey == oldSelf.bucketingKey",
            message="the target may not be changed, except onDelete: "
            "delete the Rollout and create it again",
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
    """Its name, unique in the whole plan. Example: hour-48."""
    type: CheckpointType = CheckpointType.REPORT
    """Report: somebody reports. Handoff: the receiver must also acknowledge. DecisionMeeting: a
    meeting decides, and dissent is recorded."""
    reporter: People
    """The people who may report. Programs may be among them."""
    receiver: People | None = None
    """The people of whom one must acknowledge. Required for a Handoff, and only there."""
    after: Annotated[tuple[Name, ...], Field(max_length=16), *SET_LIST] = ()
    """Names of checkpoints of this step or an earlier one that must be GO before this one is
    opened. A chain of handoffs is written with it."""
    opens_after: Duration = "0s"
    """How long after `dueFrom` it is opened. Before that nobody can report."""
    due_after: Duration | None = None
    """How long after `dueFrom` it is late. Late is shown and announced, and it never means passed.
    If absent, it is never late."""
    due_from: DueFrom = DueFrom.STEP
    """When both times begin to count. Step: when the percentage was reached. Start: when the
    rollout started."""

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
    """One signature that is needed, and the people who may give it.

    At least one user or group must be named.
    """

    name: Name
    """The name of the role, part of the name of its Approval. Example: security."""
    type: RoleType = RoleType.GENERAL
    """The kind of judgement that the role gives. It appears in requests and reports, and decides
    nothing."""
    users: Identities = ()
    """Users who may sign, by the names that `kubectl auth whoami` shows."""
    groups: Identities = ()
    """Groups whose members may sign, as the API server knows them."""
    required_sections: Annotated[tuple[Section, ...], Field(max_length=3), *SET_LIST] = ()
    """Sections that a GO must fill in, or the API server refuses it."""
    signing: Signing = Signing.OPTIONAL
    """Required: a GO also needs a detached signature, made with an SSH key of its signer, so that
    not even a cluster administrator can forge it. Optional: a signature that is given must hold."""

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
    """The people who must agree before a step is taken."""

    rule: ApprovalRule = ApprovalRule.ALL
    """All: every role must sign. Quorum: as many roles as `quorum` says. A NO-GO blocks in either
    case, and is never outvoted."""
    quorum: Annotated[int, Field(strict=True, ge=1, le=16)] | None = None
    """With rule Quorum: how many roles must sign, at most as many as there are roles."""
    max_age: Duration = "7d"
    """How long a GO counts after it was given. After that it is asked for again."""
    opens: Opens = Opens.AFTER_HOLD
    """When the roles are asked. AfterHold: once soak, baseline and checkpoints hold. Step: as soon
    as the percentage is reached."""
    separation_of_duties: SeparationOfDuties = SeparationOfDuties.REQUIRED
    """Required: people who requested the rollout, wrote its plan or reported on the step cannot
    sign. Off: they can. One person never fills two roles in either case."""
    meeting: People | None = None
    """The people who may chair the meeting that resolves a NO-GO. If absent, everybody who may sign
    for a role may."""
    roles: Annotated[tuple[Role, ...], Field(max_length=16), *map_list("name")] = ()
    """The signatures that are needed. Without roles, none is."""

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
    """What must be satisfied before a step is left.

    Everything that is given must hold at the same time.
    """

    soak: Duration | None = None
    """The healthy time that is needed at this percentage. It counts only while every trigger is
    quiet and has data. Example: 48h. 0s if absent."""
    on_breach: OnBreach | None = None
    """What happens to the soak when a trigger with action Hold fires. Reset (if absent): it begins
    at zero again. Pause: it stands still meanwhile."""
    warm_up: Duration | None = None
    """The time after the step was reached in which soak does not count and no gate holds, since
    caches are cold. Example: 2h. 0s if absent."""
    baseline: Duration | None = None
    """The time after the warm-up in which every metric of the plan must have had samples. Their
    medians are then recorded, and bounds with `relativeTo` compare with them. Example: 6h. If
    absent, nothing is recorded."""
    gates: Annotated[tuple[Name, ...], Field(max_length=32), *SET_LIST] | None = None
    """Names of the gates that must hold to leave this step. All gates of the plan if absent; none
    if empty."""
    checkpoints: (
        Annotated[tuple[CheckpointPlan, ...], Field(max_length=16), *map_list("name")] | None
    ) = None
    """Reports that must be GO. The operator opens a Checkpoint for each when the step is
    reached."""
    approvals: ApprovalsPolicy | None = None
    """The people who must agree to leave this step. It replaces `spec.approvals` as a whole."""


class Step(ApiModel):
    """A percentage, and what must be satisfied before it is left."""

    percent: Percent
    """The percentage of this step."""
    hold: Hold | None = None
    """What must be satisfied before this step is left. Every field that is absent here comes from
    `spec.hold`. The hold of the last step is the watch period before the rollout is completed."""


class Metric(ApiModel):
    """A named PromQL query."""

    name: Name
    """The name that gates and triggers use. Example: error-rate."""
    provider: Name = "default"
    """The metrics provider to ask, by the name that the administrator gave it. A plan never has an
    address."""
    query: Annotated[str, Field(min_length=1, max_length=4096)]
    """PromQL that yields a single series. Write `or vector(0)` where no series means 0, and `> 0`
    below a fraction, so that no traffic is no data. Example: sum(rate(errors[5m])) /
    (sum(rate(requests[5m])) > 0)."""
    stale_after: Duration | None = None
    """How old the newest sample may be, for metrics that arrive rarely. Example: 30m. If absent,
    the provider's own rule applies, which is five minutes for Prometheus."""


class GateCondition(ApiModel):
    """One condition of a group: bounds that a metric must keep."""

    name: Name
    """The name of the condition, and of its metric unless `metric` says otherwise."""
    metric: Name | None = None
    """The metric that is compared. The condition's own name if absent."""
    at_most: Bound | None = None
    """The value must not be more than this. A number, or a percentage such as 0.1%,
    which is 0.001."""
    at_least: Bound | None = None
    """The value must not be less than this. A number, or a percentage such as 98%,
    which is 0.98."""
    for_: Annotated[Duration, Field(alias="for")] = "0s"
    """How long the bounds must have been kept without a gap. With 0s the latest evaluation
    decides."""
    relative_to: RelativeTo | None = None
    """Compare with a recorded baseline: Baseline is the first one of the attempt, PreviousStep that
    of the step before. The bounds are then factors: 150% is one and a half times as much."""

    rules = (
        Rule(
            cel="has(self.atMost) || has(self.atLeast)",
            message="atMost or atLeast must be given",
            holds=lambda gate: gate.at_most is not None or gate.at_least is not None,
        ),
    )


class Gate(ApiModel):
    """A condition on metrics that must hold to advance.

    It has bounds on one metric, or counts several conditions.
    """

    name: Name
    """The name of the gate, and of its metric unless `metric` says otherwise. Example: errors."""
    metric: Name | None = None
    """The metric that is compared. The gate's own name if absent."""
    at_most: Bound | None = None
    """The value must not be more than this. A number, or a percentage such as 0.1%,
    which is 0.001."""
    at_least: Bound | None = None
    """The value must not be less than this. A number, or a percentage such as 98%,
    which is 0.98."""
    for_: Annotated[Duration, Field(alias="for")] = "0s"
    """How long the bounds must have been kept without a gap. With 0s the latest evaluation
    decides."""
    relative_to: RelativeTo | None = None
    """Compare with a recorded baseline: Baseline is the first one of the attempt, PreviousStep that
    of the step before. The bounds are then factors: 150% is one and a half times as much."""
    passing: Annotated[int, Field(strict=True, ge=1, le=16)] | None = None
    """For a group: how many conditions of `of` must hold. Example: 4, where `of` has five."""
    of: Annotated[tuple[GateCondition, ...], Field(max_length=16), *map_list("name")] | None = None
    """For a group: the conditions that are counted. Such a gate has no bounds of its own."""

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
    """A condition on a metric that moves back, holds or degrades.

    It is watched in every state, also while people are waited for.
    """

    name: Name
    """The name of the trigger, and of its metric unless `metric` says otherwise. Example:
    errors."""
    metric: Name | None = None
    """The metric that is compared. The trigger's own name if absent."""
    above: Bound | None = None
    """The trigger is breached while the value is more than this. A number, or a percentage such as
    0.5%. Exactly one of `above` and `below` must be given."""
    below: Bound | None = None
    """The trigger is breached while the value is less than this. A number, or a percentage such as
    95%."""
    for_: Annotated[Duration, Field(alias="for")] = "0s"
    """How long it must be breached, at every point that there is, before it fires. With 0s a single
    evaluation fires it. Example: 5m."""
    action: TriggerAction = TriggerAction.ROLLBACK
    """What happens when it fires. Rollback: the flag is lowered at once. Hold: no step is taken,
    and the soak begins again or pauses. Degrade: no step is taken, the soak pauses, and approvals
    stay."""
    to: Annotated[
        Annotated[int, Field(strict=True)] | Annotated[str, Field(max_length=16)],
        _percent_or("PreviousStep", "Zero"),
    ] = "PreviousStep"
    """The percentage that a Rollback goes to: PreviousStep, Zero, or the percentage of a step."""
    on_no_data: OnNoData = OnNoData.HOLD
    """What happens when there were no data for as long as `for`. Hold: no step is taken. Rollback:
    the flag is lowered as if the trigger had fired."""
    settle: Duration = "2m"
    """How long after a rollback the trigger waits before it judges again, since its data are still
    from before."""
    relative_to: RelativeTo | None = None
    """Compare with a recorded baseline: Baseline is the first one of the attempt, PreviousStep that
    of the step before. The bound is then a factor: 200% is twice as much."""

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
    """The largest growth from one step to the next, as a factor: with 3, 10% may be followed by at
    most 30%. It is 3 also where the plan has no limits. From 0% any percentage may follow. A plan
    with a larger step does not start."""
    max_open_risk: Level | None = None
    """The severity of the worst risk that may be Open when a step is taken. Any if absent."""


class Rehearsal(ApiModel):
    """A rollback rehearsal that must have passed before each expansion.

    It is done on a copy of the flag, and moves nobody.
    """

    max_age: Duration = "7d"
    """How old the last rehearsal may be. It must be more than 0s."""
    mode: RehearsalMode = RehearsalMode.MANUAL
    """Manual: a person raises `run`. Automatic: the operator also rehearses by itself, at every
    step and before the last rehearsal is too old."""
    run: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] | None = None
    """A person's field, not for Git: raise it above `status.rehearsal.run` to rehearse now. It can
    only rise."""

    rules = (
        Rule(
            cel="!has(self.run) || !has(oldSelf.run) || self.run >= oldSelf.run",
            message="run may only rise",
            holds=None,
            field=".run",
        ),
    )


class Coverage(ApiModel):
    """The observed share must match the percentage, or no step is taken."""

    metric: Name
    """The metric with the observed share, as a fraction from 0 to 1. Example: new-path-share."""
    tolerance: Annotated[Bound, Between(0, 100, "percentage points")] = 1
    """How far the share may be off, in percentage points. With 2, a flag at 10% may be observed at
    8% to 12%."""


class Delivery(ApiModel):
    """Not supported yet, and refused: soak begins when consumers report the new percentage."""

    metric: Name
    """The metric with the percentage that consumers report."""
    within: Duration
    """How long consumers may take to report it."""


class CohortRisk(ApiModel):
    """The reason why a cohort comes in late."""

    level: Level
    """How much is at risk."""
    reason: Annotated[str, Field(min_length=1, max_length=256)]
    """What could go wrong, or what must be shown first."""


class Cohort(ApiModel):
    """A named group that is off until the flag has come far enough, for formats with attributes.

    It comes in with a step, and goes out with a rollback to below that step. A user who belongs to
    several cohorts is off while one of them is.
    """

    name: Name
    """The name of the cohort."""
    match: Match
    """The users who belong to the cohort. Those who lack the attribute are off while it is off."""
    from_: Annotated[Percent, Field(alias="from")]
    """The percentage from which the cohort takes part: 0 or that of a step."""
    until_checkpoint: Name | None = None
    """A checkpoint of the plan that must be GO as well. The cohort comes in with the next step
    after that. At most one of `untilCheckpoint` and `untilGate` may be given."""
    until_gate: Name | None = None
    """A gate of the plan that must hold as well, at the moment when a step is taken. The cohort
    comes in with that step."""
    risk: CohortRisk | None = None
    """The reason why the cohort comes in late. It is shown wherever the cohort is."""
    metric: Name | None = None
    """The metric with the share of the work that is this cohort's, as a fraction. It is reported in
    `status.cohorts` and `status.balance`, and blocks nothing."""

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
    """The name of the window. Example: weekend."""
    from_: Annotated[str, Field(alias="from", min_length=1, max_length=64)]
    """When the window begins: `Fri 16:00` for every week, or `2026-12-19 00:00` for once."""
    to: Annotated[str, Field(min_length=1, max_length=64)]
    """When the window ends, in the same form: `Mon 08:00`, or `2027-01-04 08:00`."""


class Schedule(ApiModel):
    """When steps may be taken. Rollbacks ignore it, and the soak goes on counting."""

    time_zone: Annotated[str, Field(min_length=1, max_length=64)] = "UTC"
    """The time zone of the windows, as a name of the IANA database. Example: Europe/Berlin."""
    freeze: Annotated[tuple[Freeze, ...], Field(max_length=32), *map_list("name")] = ()
    """The windows in which no step is taken."""


class Dependency(ApiModel):
    """Another Rollout that must have come far enough before this one goes on."""

    rollout: Annotated[ObjectName, Field(max_length=63)]
    """The name of the other Rollout."""
    namespace: Name | None = None
    """The namespace of the other Rollout. This Rollout's own if absent. The administrator must have
    opened another namespace for it."""
    at_least: Percent | None = None
    """The percentage that the other Rollout must have reached. If absent, it must be completed."""


class Risk(ApiModel):
    """A known risk of the rollout, for reports and for `limits.maxOpenRisk`."""

    name: Name
    """The name of the risk. Example: double-charge."""
    severity: Level
    """How bad it would be."""
    probability: Level
    """How likely it is."""
    mitigation: Text = ""
    """What is done about it."""
    status: RiskStatus = RiskStatus.OPEN
    """Open: nothing is done yet. Mitigated: something was. Accepted: people live with it."""


_CHECKPOINT_ITEM = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?|Report|Handoff|DecisionMeeting)$"


class ScorecardItem(ApiModel):
    """Points for something that is ready.

    At most one of `gate`, `condition` and `checkpoint` may be given.
    """

    name: Name
    """The name of the item."""
    points: Annotated[int, Field(strict=True, ge=1, le=100)]
    """The points that it is worth. All items together must make 100."""
    section: Annotated[str, Field(max_length=63)] = "Technical"
    """The section of the scorecard that it belongs to."""
    gate: Name | None = None
    """The gate that earns the points while it holds. The gate of the item's own name if nothing is
    named."""
    condition: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """The condition that earns the points while it is True. Example: SoakComplete."""
    checkpoint: (
        Annotated[str, Field(min_length=1, max_length=63, pattern=_CHECKPOINT_ITEM)] | None
    ) = None
    """The checkpoint of this step that earns the points when it is GO, by its name. Report, Handoff
    or DecisionMeeting mean all of that type."""

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
    """Readiness in points out of 100, shown on every evaluation."""

    go: Percent = 90
    """The verdict is Go with this many points or more."""
    go_with_monitoring: Percent = 70
    """The verdict is GoWithMonitoring with this many points or more, and NoGo with fewer."""
    gate: Flag = False
    """True: a step is blocked while the verdict is NoGo. False: the score is only shown."""
    items: Annotated[tuple[ScorecardItem, ...], Field(max_length=50), *map_list("name")] = ()
    """What earns points. If absent, ten items of ten points each on technology, process and
    validation."""


class RollbackRequest(ApiModel):
    """A person's ceiling for the percentage."""

    to: Percent
    """The percentage is never more than this while `rollback` is set: 0 or that of a step."""
    reason: Annotated[str, Field(max_length=1024)] = ""
    """The reason, for the record. Example: customers see double charges."""


_STEPS_ORDERED = (
    "self.steps.map(s, s.percent).isSorted() && "
    "self.steps.all(s, self.steps.filter(t, t.percent == s.percent).size() == 1)"
)


def _strictly_increasing(spec: "RolloutSpec") -> bool:
    percents = [step.percent for step in spec.steps]
    return all(low < high for low, high in pairwise(percents))


class ApprovalDryRun(ApiModel):
    """A dry run of the approval.

    The people who would have to sign are asked, and it counts for nothing.
    """

    run: Annotated[int, Field(strict=True, ge=1, le=1_000_000_000)]
    """Raise it to ask everybody now. It can only rise."""
    to: Percent | None = None
    """The step whose approval is tried, by its percentage. The next step if absent."""

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
    """The plan, and after it the fields that people set while it runs."""

    target: Target
    """The flag that is moved, and the ConfigMap that it is in."""
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=20), ATOMIC]
    """The percentages, strictly increasing; the last is 100. The first is taken at once, and every
    later one must be earned. A first step of 0 gates the start. Example: 10, 25, 50, 100."""
    hold: Hold | None = None
    """What every step above 0% holds for, unless the step says otherwise, field by field."""
    approvals: ApprovalsPolicy | None = None
    """The people who must agree to every advance after the first percentage. The last step asks
    only for what its own hold names."""
    metrics: Annotated[tuple[Metric, ...], Field(max_length=32), *map_list("name")] = ()
    """Named queries for gates and triggers."""
    gates: Annotated[tuple[Gate, ...], Field(max_length=32), *map_list("name")] = ()
    """Conditions on metrics that must hold to advance."""
    triggers: Annotated[tuple[Trigger, ...], Field(max_length=32), *map_list("name")] = ()
    """Conditions on metrics that move back, hold or degrade. They are watched in every state."""
    limits: Limits | None = None
    """Bounds on the plan itself: how much a step may grow, and which risks may be open."""
    rehearsal: Rehearsal | None = None
    """A rollback rehearsal that must have passed before each expansion. None is needed if
    absent."""
    coverage: Coverage | None = None
    """The share of the work that is observed on the new path must match the percentage. Nothing
    is compared if absent."""
    delivery: Delivery | None = None
    """Not supported yet, and refused: soak begins when consumers report the new percentage."""
    cohorts: Annotated[tuple[Cohort, ...], Field(max_length=32), *map_list("name")] = ()
    """Groups that are off until a percentage, a checkpoint or a gate. A change of them takes effect
    with the next step, not before."""
    schedule: Schedule | None = None
    """When steps may be taken. At any time if absent."""
    depends_on: Annotated[tuple[Dependency, ...], Field(max_length=16), ATOMIC] = ()
    """Other Rollouts that must have come far enough before this one starts and goes on."""
    risks: Annotated[tuple[Risk, ...], Field(max_length=64), *map_list("name")] = ()
    """Known risks of the rollout."""
    scorecard: Scorecard | None = None
    """Readiness in points out of 100. There is no score if absent."""
    paused: Flag | None = None
    """A person's field, not for Git. True: nothing moves but a rollback. False if
    absent."""
    rollback: RollbackRequest | None = None
    """A person's field, not for Git: a ceiling for the percentage. A flag above it is lowered at
    once. Remove it and raise `attempt` to go on."""
    attempt: Whole | None = None
    """A person's field, not for Git: raise it by 1 to try again after a rollback, from where the
    flag stands. It can only rise, and nothing else restarts a rollout. 0 if absent."""
    approval_dry_run: ApprovalDryRun | None = None
    """A person's field, not for Git: raise its `run` to try the process of approval. It counts for
    nothing."""

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
    """The plan. `target` and `steps` are required. A step is left for the next one when everything
    that is asked for holds at once: its `hold` (soak, gates, checkpoints), `approvals`, quiet
    `triggers`, and whatever else the plan names. `triggers` and `rollback` lower the flag at any
    time and need no one. Git has the plan; `paused`, `rollback`, `attempt`, `rehearsal.run` and
    `approvalDryRun` belong to the people who run it."""
    status: RolloutStatus = RolloutStatus()
    """Its state: the percentage, why it does not move, who decided and on what evidence."""

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
