"""The status of a Rollout, written by the operator only."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from surefoot.api.v1alpha1.approval import RequestState
from surefoot.api.v1alpha1.cohorts import Match
from surefoot.api.v1alpha1.meta import (
    ATOMIC,
    ApiModel,
    Condition,
    Elapsed,
    Instant,
    Message,
    Name,
    Percent,
    Time,
    Whole,
    Word,
    map_list,
)


class Phase(StrEnum):
    """The one word for where a rollout stands; the first that applies, in this order."""

    INVALID = "Invalid"
    ROLLING_BACK = "RollingBack"
    ROLLED_BACK = "RolledBack"
    COMPLETED = "Completed"
    PAUSED = "Paused"
    HOLDING = "Holding"
    SOAKING = "Soaking"
    AWAITING_CHECKPOINT = "AwaitingCheckpoint"
    AWAITING_APPROVAL = "AwaitingApproval"
    PROGRESSING = "Progressing"
    PENDING = "Pending"


class TriggerState(StrEnum):
    """What a trigger says now."""

    QUIET = "Quiet"
    PENDING = "Pending"
    FIRING = "Firing"
    NO_DATA = "NoData"
    SETTLING = "Settling"


class TransitionType(StrEnum):
    """What kind of entry a history has."""

    START = "Start"
    ADVANCE = "Advance"
    ROLLBACK = "Rollback"
    COMPLETE = "Complete"
    DRIFT_CORRECTED = "DriftCorrected"
    PLAN_CHANGED = "PlanChanged"
    RETRY = "Retry"
    PAUSED = "Paused"
    RESUMED = "Resumed"
    RELEASED = "Released"


class SoakStatus(ApiModel):
    """The account of healthy time at this step."""

    required: Elapsed
    """How much is needed."""
    healthy: Elapsed
    """How much there was, as of `observedAt`."""
    running: bool
    """Whether it counts now: then add the time since `observedAt`."""
    observed_at: Instant
    """When this was accounted."""
    not_read_back: Elapsed | None = None
    """How much time lies further back than the questions of this plan reach: nobody looked at it
    then, and it does not count."""


class MetricStatus(ApiModel):
    """The last answer for a metric."""

    name: Word
    """The metric."""
    value: Word | None = None
    """The newest value, as text, where there is one."""
    outcome: Word
    """Value, NoData, ManySeries, NotANumber, Partial, Stale, Unreachable or Invalid."""
    observed_at: Instant | None = None
    """When it was asked."""
    message: Message = ""
    """What is wrong with it, if anything."""


class TriggerStatus(ApiModel):
    """What a trigger says."""

    name: Word
    """The trigger."""
    state: TriggerState
    """Quiet, Pending, Firing, NoData or Settling."""
    since: Instant
    """Since when."""
    value: Word | None = None
    """The newest value, as text, where there is one."""
    message: Message = ""
    """Why, with numbers."""


class Severity(StrEnum):
    """How urgent news is."""

    INFO = "Info"
    """Somebody may want to know, or is asked for something in time."""
    WARNING = "Warning"
    """Somebody should look into it."""
    CRITICAL = "Critical"
    """Somebody must look into it now."""


class Blocker(ApiModel):
    """One thing that is missing, and how to get it."""

    condition: Word
    """The condition that is not True."""
    reason: Word
    """Why, in one word."""
    message: Message
    """Why, for people."""
    command: Message | None = None
    """What to type, where a person can help. It needs nothing but kubectl."""
    plugin_command: Message | None = None
    """The same by `kubectl surefoot`, where that is shorter."""
    escalated_to: Severity | None = None
    """How urgent it has become, since the people asked are late: Warning, then Critical."""


class WindowEvidence(ApiModel):
    """A window of samples that a decision used."""

    metric: Word
    """The metric."""
    used_by: Word
    """The gate or trigger."""
    outcome: Word
    """How the newest point came out."""
    count: Whole
    """How many samples there were."""
    coverage: Word
    """Which share of the window's points had one."""
    min: Word | None = None
    """The smallest value."""
    max: Word | None = None
    """The largest value."""
    last: Word | None = None
    """The newest value."""
    observed_at: Instant | None = None
    """When the provider was asked."""
    samples_hash: Word = ""
    """sha256 over the samples."""
    compared_with: Word | None = None
    """For a relative bound: what the values were compared with."""


class Baseline(ApiModel):
    """What was recorded of a metric at a step, to be compared with later."""

    percent: Percent
    """The step's percentage."""
    metric: Word
    """The metric."""
    count: Whole
    """How many samples there were."""
    coverage: Word
    """Which share of the points had one."""
    median: Word
    """The middle value; relative bounds are factors of it."""
    p95: Word
    """The value that 95% of the samples do not exceed."""
    stddev: Word
    """The spread: the standard deviation of the samples."""
    present: Elapsed
    """For how long there were samples."""
    query: Word
    """sha256 over the provider and the query: another query has no baseline yet."""
    recorded_at: Instant
    """When it was recorded."""


class SignatureEvidence(ApiModel):
    """A detached signature as it was counted; `ssh-keygen -Y verify` alone can check it again."""

    key: Word
    """The fingerprint of the key, as `ssh-keygen -l` prints it."""
    document: Annotated[str, Field(max_length=2048)]
    """The bytes that were signed."""
    value: Annotated[str, Field(max_length=8192)]
    """The armored signature."""


class DecisionEvidence(ApiModel):
    """A checkpoint or approval that a decision used, as it was."""

    kind: Word
    """Checkpoint or Approval."""
    name: Word
    """The object's name."""
    uid: Word
    """The object's UID."""
    resource_version: Word
    """The object's version that was counted."""
    generation: Whole = 0
    """The object's generation that was counted."""
    role: Word
    """The role, or the checkpoint's name in the plan."""
    purpose: Word | None = None
    """Acknowledge, where it confirms the outcome of a handoff or meeting."""
    decision: Word
    """GO or NO-GO."""
    by: Word = ""
    """The person who decided; empty where no one was named."""
    verified: bool = False
    """Whether the API server's admission established who it was."""
    decided_at: Instant | None = None
    """When the operator first saw it."""
    reason: Annotated[str, Field(max_length=1024)] = ""
    """Why, in their words."""
    signature: SignatureEvidence | None = None
    """The detached signature, where one was given."""


class UpstreamEvidence(ApiModel):
    """Another Rollout that a decision waited for, as it was."""

    namespace: Word
    """Its namespace."""
    name: Word
    """Its name."""
    uid: Word
    """Its UID."""
    resource_version: Word
    """Its version that was judged."""
    percent: Percent
    """The percentage that it was committed to."""


class CohortEvidence(ApiModel):
    """A cohort as a transition left it."""

    name: Word
    """The cohort."""
    included: bool
    """Whether it takes part from then on."""
    reason: Word
    """Why, in one word."""


class Evidence(ApiModel):
    """Every input that a decision used, so that anybody can take it again."""

    resource_version: Word = ""
    """The Rollout's version that was judged."""
    generation: Whole = 0
    """The Rollout's generation that was judged."""
    decided_at: Instant | None = None
    """`now` of the decision, by the API server's time."""
    since: Instant | None = None
    """Since when the percentage being left stood."""
    soak: SoakStatus | None = None
    """The soak account."""
    windows: Annotated[tuple[WindowEvidence, ...], Field(max_length=80), ATOMIC] = ()
    """The windows of gates and triggers."""
    baselines: Annotated[tuple[Baseline, ...], Field(max_length=32), ATOMIC] = ()
    """What was recorded of each metric at the step being left, its cost among them."""
    decisions: Annotated[tuple[DecisionEvidence, ...], Field(max_length=80), ATOMIC] = ()
    """The checkpoints and approvals that were counted."""
    replaced: Annotated[tuple[DecisionEvidence, ...], Field(max_length=80), ATOMIC] | None = None
    """With a Rollback that took the place of a move upward which was recorded and not yet written:
    the checkpoints and approvals that this move had counted. They were not used."""
    upstreams: Annotated[tuple[UpstreamEvidence, ...], Field(max_length=16), ATOMIC] | None = None
    """The Rollouts that `dependsOn` names, where it names any."""
    cohorts: Annotated[tuple[CohortEvidence, ...], Field(max_length=32), ATOMIC] | None = None
    """Which cohorts were included and which were not, where the plan has any."""
    conditions: Annotated[tuple[Word, ...], Field(max_length=32), ATOMIC] = ()
    """The conditions that were True, with their reasons, as `Type=Reason`."""
    compliance: Annotated[tuple[Word, ...], Field(max_length=6), ATOMIC] = ()
    """What the compliance check said when a step was left, as `Name=Outcome`."""
    admission: Word = ""
    """Whether signatures were verified by admission: Enforced or Unenforced."""
    changed_fields: Annotated[tuple[Word, ...], Field(max_length=64), ATOMIC] = ()
    """With PlanChanged: the fields that changed."""
    manager: Word = ""
    """With DriftCorrected: the field manager that had changed the ConfigMap."""
    count: Whole | None = None
    """With DriftCorrected: how often in a row."""
    shortened: bool = False
    """Whether some of it was left out to keep the entry small."""


class Transition(ApiModel):
    """One entry of the history: what happened, when, why, by whom, on what evidence."""

    transition_id: Word
    """Unique; the ConfigMap carries the id of the transition it was written for."""
    type: TransitionType
    """Start, Advance, Rollback, Complete, DriftCorrected, PlanChanged, Retry, Paused, Resumed or
    Released."""
    step: Whole | None = None
    """Index of the step arrived at; absent below the first step."""
    from_: Annotated[Percent | None, Field(alias="from")] = None
    """The percentage before; absent before Start."""
    to: Percent
    """The percentage after."""
    at: Instant
    """When it was committed."""
    plan_hash: Word = ""
    """The plan it was decided under."""
    attempt: Whole = 0
    """The attempt it belongs to."""
    reason: Word
    """Why, in one word."""
    message: Message = ""
    """Why, for people."""
    evidence: Evidence = Evidence()
    """Every input that the decision used."""
    by: Annotated[tuple[Word, ...], Field(max_length=32), ATOMIC] = ()
    """The deciders: the signers, or the trigger, or the operator; of a retry, a rollback by
    `spec.rollback`, a changed plan, a pause and its end the user who asked for it. Absent where
    nobody was named."""
    verified: bool | None = None
    """Whether the API server's admission established who asked for it; absent where no person did.
    The evidence says the same of every signature."""
    took: Elapsed | None = None
    """From the intent to the commit."""
    prev_hash: Word = ""
    """The hash of the entry before."""
    hash: Word = ""
    """sha256 over this entry, `prevHash` included."""


class CommittedCohort(ApiModel):
    """A cohort as a transition writes it: what rollback and drift correction write again."""

    name: Name
    """The cohort."""
    match: Match
    """The users who belong to it."""
    from_: Annotated[Percent, Field(alias="from")]
    """The percentage from which it may come in."""
    until_checkpoint: Name | None = None
    """The checkpoint that it waits, or waited, for."""
    until_gate: Name | None = None
    """The gate that it waits, or waited, for."""
    go_at: Percent | None = None
    """The percentage that was taken when the checkpoint was GO; absent while it is not."""
    included_at: Percent | None = None
    """The percentage with which it came in; absent while it is off. Below it, it is off again."""

    @property
    def included(self) -> bool:
        """Whether it takes part."""
        return self.included_at is not None


COMMITTED_COHORTS = Annotated[tuple[CommittedCohort, ...], Field(max_length=32), ATOMIC]


class PendingTransition(ApiModel):
    """A transition that was decided and is not yet committed: the intent."""

    transition_id: Word
    """20 hex digits; the ConfigMap will carry it."""
    type: TransitionType
    """Start, Advance or Rollback."""
    step: Whole | None = None
    """Index of the step to arrive at; absent below the first step."""
    from_: Annotated[Percent | None, Field(alias="from")] = None
    """The percentage being left; absent before Start."""
    to: Percent
    """The percentage to be written."""
    reason: Word
    """Why, in one word."""
    message: Message = ""
    """Why, for people."""
    plan_hash: Word = ""
    """The plan it was decided under."""
    attempt: Whole = 0
    """The attempt it was decided in."""
    recorded_at: Instant
    """When it was decided."""
    by: Annotated[tuple[Word, ...], Field(max_length=32), ATOMIC] = ()
    """The person who decided."""
    verified: bool | None = None
    """Whether the API server's admission established who asked for it; absent where no person did.
    """
    cohorts: COMMITTED_COHORTS = ()
    """Which cohorts will be in, and which not."""
    evidence: Evidence = Evidence()
    """Every input that the decision used."""


class Committed(ApiModel):
    """The transition that the ConfigMap was last committed to."""

    transition_id: Word
    """Its id, which the ConfigMap carries."""
    type: TransitionType
    """Start, Advance or Rollback."""
    recorded_at: Instant
    """When it was decided; the ConfigMap says this as `since`."""
    cohorts: COMMITTED_COHORTS = ()
    """Which cohorts are in, and which not."""


class DriftAccount(ApiModel):
    """How often the ConfigMap had to be restored lately."""

    count: Whole
    """Restorations that no history entry counts yet."""
    first_at: Instant
    """When the first of them was."""
    last_at: Instant
    """When the last of them was."""
    manager: Word = ""
    """The field manager that had changed the ConfigMap last."""


class CohortRiskStatus(ApiModel):
    """Why a cohort comes in late."""

    level: Word
    """How much is at risk."""
    reason: Word
    """What could go wrong."""


class CohortStatus(ApiModel):
    """Whether a cohort takes part, and why."""

    name: Name
    """The cohort."""
    included: bool
    """Whether it takes part now."""
    from_: Annotated[Percent | None, Field(alias="from")] = None
    """The percentage from which the plan lets it in; absent where the plan no longer has it."""
    reason: Word
    """CameIn, BelowFrom, AwaitsCheckpoint, AwaitsGate, AwaitsNextStep, NotStarted or Removed."""
    message: Message = ""
    """Why, for people."""
    risk: CohortRiskStatus | None = None
    """Why it comes in late, where the plan says so."""
    share: Word | None = None
    """Which share of the work is its own, as a fraction; absent where it is not known."""
    share_unknown: Message | None = None
    """Why the share is not known, where it is asked for."""


class CohortShare(ApiModel):
    """A cohort's share of the work."""

    name: Name
    """The cohort."""
    share: Word
    """Its share, as a fraction."""


class Balance(ApiModel):
    """How the work is spread over the cohorts whose shares are known."""

    largest: CohortShare | None = None
    """The cohort with the largest share; absent where no share is known."""
    smallest: CohortShare | None = None
    """The cohort with the smallest share."""
    ratio: Word | None = None
    """How many times the smallest share the largest is; absent where the smallest is 0."""
    unknown: Annotated[tuple[Name, ...], Field(max_length=32), ATOMIC] = ()
    """Cohorts that name a metric, and whose share is not known now."""


class RehearsalStatus(ApiModel):
    """The last rollback rehearsal."""

    run: Whole
    """Which run it was; each has a higher number than the one before."""
    at: Instant
    """When it ended."""
    took: Elapsed
    """How long the rollback took, from the decision until the copy of the flag was down."""
    outcome: Annotated[str, Field(pattern="^(Passed|Failed)$")]
    """Passed or Failed."""
    message: Message = ""
    """What was found."""
    from_: Annotated[Percent | None, Field(alias="from")] = None
    """The percentage that was rolled back from, on a copy of the flag."""
    to: Percent | None = None
    """The percentage that was rolled back to."""
    plan_hash: Word = ""
    """The plan it counts for."""
    attempt: Whole = 0
    """The attempt it counts for."""


class Requester(ApiModel):
    """The person who asked for the rollout."""

    username: Word
    """The user who last changed the plan."""
    on_behalf_of: Word | None = None
    """The person behind a GitOps tool, not verified."""
    verified: bool
    """Whether the API server's admission established who it was."""


class ReadinessItem(ApiModel):
    """Points of the scorecard."""

    name: Word
    """The item."""
    points: Whole
    """The points it earned."""
    out_of: Whole
    """The points it can earn."""
    section: Word = ""
    """The section it belongs to."""
    message: Message = ""
    """Why."""


class Readiness(ApiModel):
    """The readiness score."""

    score: Whole
    """The points earned."""
    out_of: Whole
    """The points there are."""
    verdict: Annotated[str, Field(pattern="^(Go|GoWithMonitoring|NoGo)$")]
    """Go, GoWithMonitoring or NoGo."""
    items: Annotated[tuple[ReadinessItem, ...], Field(max_length=50), ATOMIC] = ()
    """What earned points and what did not."""


class ComplianceOutcome(StrEnum):
    """The answer to one question of the compliance check."""

    PASSED = "Passed"
    FAILED = "Failed"
    NOT_ASKED = "NotAsked"


class ComplianceCheck(ApiModel):
    """One question of the compliance check, and the answer."""

    name: Word
    """CheckpointReport, ApprovalDocument, AllSignatures, SoakTime, HealthChecks or TestPassRate."""
    outcome: ComplianceOutcome
    """Passed, Failed, or NotAsked: the plan does not ask for it, and nothing was shown."""
    blocking: bool
    """Whether the step waits for it now. What is not asked for does not block."""
    message: Message = ""
    """Why, with numbers."""


class Compliance(ApiModel):
    """The compliance check of the step ahead, made from the conditions and never greener."""

    step: Whole | None = None
    """Index of the step being left; absent below the first step."""
    from_: Annotated[Percent | None, Field(alias="from")] = None
    """The percentage being left; absent before Start."""
    to: Percent | None = None
    """The percentage that comes next; absent at the last step, where Completed comes next."""
    passed: bool
    """Whether nothing is in the way of the step: neither these checks nor anything else."""
    checks: Annotated[tuple[ComplianceCheck, ...], Field(max_length=6), ATOMIC] = ()
    """The six checks, always in the same order."""
    further_blockers: Annotated[tuple[Word, ...], Field(max_length=32), ATOMIC] = ()
    """The conditions in the way that none of the six speaks of; `blockedBy` says more."""


class RoleStatus(ApiModel):
    """What became of one role's signature on the step ahead."""

    role: Name
    """The role."""
    approval: Word | None = None
    """The Approval that asks for it; absent while nobody is asked."""
    round: Whole | None = None
    """How often it was asked."""
    state: RequestState
    """Pending, Go, NoGo, Void or Expired."""
    by: Word | None = None
    """The person who signed."""
    verified: bool | None = None
    """Whether the API server's admission established who it was."""
    key: Word | None = None
    """The fingerprint of the key that made the detached signature, where there is one."""
    decided_at: Instant | None = None
    """When the operator first saw the decision."""
    expires_at: Instant | None = None
    """Until when the GO counts."""
    message: Message = ""
    """Why it does not count, or what it waits for."""


class ApprovalDryRunStatus(ApiModel):
    """The last dry run of the approval process. It counts for nothing."""

    run: Whole
    """Which run it is."""
    from_: Annotated[Percent | None, Field(alias="from")] = None
    """The percentage that would be left; absent where the run has not begun."""
    to: Percent | None = None
    """The percentage whose approval is tried; from 100 to 100 means Completed."""
    would_be_approved: bool = False
    """Whether everybody who must has signed as they would for the step itself."""
    message: Message = ""
    """That it counts for nothing, and how it stands."""
    obstacles: Annotated[tuple[Message, ...], Field(max_length=32), ATOMIC] = ()
    """What nobody could mend by signing, as far as the plan shows it."""
    roles: Annotated[tuple[RoleStatus, ...], Field(max_length=16), *map_list("role")] = ()
    """For each role who signed, or why it would not count, as it was when the run ended."""
    plan_hash: Word = ""
    """The plan that it tries; it ends with that plan."""
    attempt: Whole | None = None
    """The attempt that it began in; it ends with that attempt."""
    started_at: Instant | None = None
    """When people were asked; absent while it cannot begin."""
    ended_at: Instant | None = None
    """When it ended; what is said above is as of then."""
    ended_because: Message | None = None
    """Why it ended: the step was taken, or plan or attempt are no longer the same."""


class PlanRecord(ApiModel):
    """Hashes of the plan's parts, so that a later plan can be told from this one."""

    parts: Annotated[dict[str, Annotated[str, Field(max_length=80)]], Field(max_length=128)] = (
        Field(default_factory=dict)
    )
    """For each part of the plan its hash; a step is `steps[10]`."""


class Warned(ApiModel):
    """Something that cannot be meant as it is written. Nothing is refused for it."""

    reason: Word
    """What kind of thing, in one word."""
    message: Message
    """What was found, what was expected, and what to do."""
    path: Word = ""
    """The field it is about, such as `spec.gates[errors].atMost`; empty where it is about none."""


class Unreadable(ApiModel):
    """An object that no model can read. It counts for nothing, and nothing else waits for it."""

    kind: Word
    """Approval or Checkpoint; Rollout for one that this waits for, or for a part of this one."""
    name: Word
    """The object's name."""
    message: Message
    """What is wrong with it."""


class RolloutStatus(ApiModel):
    """The state of a rollout: its percentage, what it waits for, who decided, on what evidence."""

    observed_generation: Whole = 0
    """The generation of the plan that was judged."""
    observed_at: Instant | None = None
    """When this was judged; values are as of then."""
    phase: Phase | None = None
    """The one word for it."""
    reason: Word = ""
    """Why it is in this phase, in one word; empty where the phase says it all."""
    progress: Word = ""
    """Which step of how many, such as 2/4."""
    waiting_on: Message = ""
    """What it waits for, in a line."""
    waiting_on_short: Word = ""
    """The same in the few characters that a column of `kubectl get` has."""
    attempt: Whole | None = None
    """The attempt that runs, or ran."""
    plan_hash: Word = ""
    """sha256 over the plan as RFC 8785 JSON."""
    plan: PlanRecord | None = None
    """Hashes of the plan's parts."""
    step: Whole | None = None
    """Index of the current percentage in `spec.steps`; absent below the first step."""
    percent: Percent | None = None
    """The percentage that the ConfigMap was last committed to; absent before Start."""
    since: Instant | None = None
    """Since when."""
    hold_since: Instant | None = None
    """Since when the hold is counted: `since`, or later where it began again."""
    committed: Committed | None = None
    """The transition that the ConfigMap was last committed to; absent before Start."""
    abandoned_starts: Annotated[tuple[Word, ...], Field(max_length=8), ATOMIC] = ()
    """Starts that were decided and then withdrawn: a create of one that lands late is undone."""
    drift: DriftAccount | None = None
    """How often the ConfigMap had to be restored lately."""
    next_percent: Percent | None = None
    """The percentage that comes next."""
    earliest_advance: Time | None = None
    """What clocks alone allow; absent when no clock holds."""
    requested_by: Requester | None = None
    """The person who asked for the rollout."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=32), *map_list("type")] = ()
    """Every gate kind, True where it does not block; and Ready, Reconciling, Stalled for tools."""
    soak: SoakStatus | None = None
    """The account of healthy time at this step."""
    baselines: Annotated[tuple[Baseline, ...], Field(max_length=128), ATOMIC] = ()
    """What was recorded at the steps of this attempt, oldest first."""
    rehearsal: RehearsalStatus | None = None
    """The last rollback rehearsal."""
    approvals: Annotated[tuple[RoleStatus, ...], Field(max_length=16), *map_list("role")] = ()
    """For each role of the step ahead: who signed, until when it counts, or why it does not."""
    approval_dry_run: ApprovalDryRunStatus | None = None
    """The last dry run of the approval process; it counts for nothing."""
    metrics: Annotated[tuple[MetricStatus, ...], Field(max_length=32), *map_list("name")] = ()
    """The last answer for every metric."""
    triggers: Annotated[tuple[TriggerStatus, ...], Field(max_length=32), *map_list("name")] = ()
    """What every trigger says."""
    cohorts: Annotated[tuple[CohortStatus, ...], Field(max_length=64), *map_list("name")] = ()
    """Which cohorts take part, which do not, and why."""
    balance: Balance | None = None
    """How the work is spread over the cohorts, where they name metrics."""
    void_before: Instant | None = None
    """Decisions seen before this moment do not count: a Rollback or Hold trigger fired then."""
    rolled_back: bool = False
    """Whether a rollback ended the attempt; only a higher `spec.attempt` starts again."""
    paused: bool = False
    """Whether the last pause is not over, by the history, of which it may have dropped out."""
    completed_at: Instant | None = None
    """When the rollout was completed."""
    blocked_by: Annotated[tuple[Blocker, ...], Field(max_length=96), ATOMIC] = ()
    """Everything that is missing, one entry each."""
    warnings: Annotated[tuple[Warned, ...], Field(max_length=16), ATOMIC] = ()
    """What cannot be meant as it is written; nothing is refused for it."""
    unreadable: Annotated[tuple[Unreadable, ...], Field(max_length=16), ATOMIC] = ()
    """Objects of this Rollout that cannot be read. They count for nothing."""
    readiness: Readiness | None = None
    """The readiness score."""
    compliance: Compliance | None = None
    """The compliance check of the step ahead; absent once Completed."""
    pending: PendingTransition | None = None
    """The transition that was decided and is not yet committed."""
    history: Annotated[tuple[Transition, ...], Field(max_length=20), ATOMIC] = ()
    """What happened, oldest first, the last twenty."""
