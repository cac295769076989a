"""The page of conditions: what each asks, which reasons it has, and what is done about them."""

from collections.abc import Iterator

from surefoot.docgen.markdown import code, page, table
from surefoot.domain.checks.check import Check
from surefoot.domain.checks.table import CHECKS
from surefoot.domain.derive.state import Move
from surefoot.domain.facts.measurements import Outcome
from surefoot.domain.facts.verdicts import ConditionType

_INTRODUCTION = """\
A step is taken only while every condition on `status.conditions` that applies to it is `True`.
`Unknown` blocks like `False`. `status.blockedBy` has one entry for each thing that is missing, with the
command that helps; `kubectl surefoot explain` prints them.

`NotRequired` is the reason of every condition that the plan does not ask for. Where a reason is the
outcome of a metric (`NoData`, `Stale` and so on), [the list of outcomes](#outcomes-of-a-metric) has it.
"""

MEANINGS: dict[ConditionType, str] = {
    ConditionType.PLAN_VALID: "The plan can be carried out as it is written.",
    ConditionType.TARGET_IN_SYNC: "The ConfigMap is as it was last committed.",
    ConditionType.ADMISSION_ENFORCED: "The admission policies bind decisions to people.",
    ConditionType.NOT_PAUSED: "No one has paused the Rollout or halted its namespace.",
    ConditionType.NOT_ROLLED_BACK: "No rollback stands that a person has not answered.",
    ConditionType.TRIGGERS_QUIET: "Every trigger has data and is not breached.",
    ConditionType.SOAK_COMPLETE: "The step has had its healthy time.",
    ConditionType.BASELINE_RECORDED: "The metrics of the step are recorded for later steps.",
    ConditionType.CHECKPOINTS_PASSED: "Every checkpoint of the step is GO, and acknowledged.",
    ConditionType.GATES_HEALTHY: "Every gate of the step holds.",
    ConditionType.APPROVED: "Everybody has signed who must, and no NO-GO stands.",
    ConditionType.REHEARSAL_FRESH: "A rollback rehearsal has passed, not too long ago.",
    ConditionType.WITHIN_EXPANSION_LIMIT: "No step grows by more than the plan's limit.",
    ConditionType.COVERAGE_OBSERVED: "The observed share is the share that the plan says.",
    ConditionType.DELIVERY_OBSERVED: "Reserved: this version refuses a plan that asks for it.",
    ConditionType.WITHIN_SCHEDULE: "No freeze is in force.",
    ConditionType.DEPENDENCIES_MET: "The other Rollouts have come far enough.",
    ConditionType.SCORECARD_PASSED: "There are enough points, and no risk is open that may not be.",
    ConditionType.CLOCK_TRUSTED: "The API servers agree about the time.",
}

_COMMON_TO_PEOPLE = {
    "NoGo": "Somebody decided NO-GO. It holds until that person decides again or a meeting "
    "resolves it.",
    "AwaitingMeeting": "GO stands against NO-GO: the chair must hold a meeting.",
    "UnreadableNoGo": "A NO-GO stands on an object that cannot be read in full.",
    "AwaitingAcknowledgement": "An outcome waits for its receivers to acknowledge it.",
    "AcknowledgementVoid": "An acknowledgement no longer counts; the message says why.",
}

REASONS: dict[ConditionType, dict[str, str]] = {
    ConditionType.PLAN_VALID: {
        "Valid": "The plan is valid.",
        "NotSupported": "The plan uses a part of the API that this version does not have.",
        "ConfigMapClaimed": "Another Rollout moves the same ConfigMap.",
        "ConfigMapExists": "The ConfigMap exists and is not this Rollout's: offer it, or name "
        "another.",
        "CurrentStepRemoved": "The plan no longer has the percentage at which the flag stands.",
        "UnknownMetric": "A gate, trigger or cohort names a metric that the plan does not define.",
        "UnknownProvider": "A metric names a provider that is not configured for this namespace.",
        "InvalidQuery": "A query is not valid PromQL, or cannot yield a single series.",
        "QueryNotParsedYet": "A query is being parsed. This lasts seconds at most.",
        "TriggerTargetNotAStep": "A trigger goes to a percentage that is no step of the plan.",
        "ApprovalNeverCounts": "Approvals have a `maxAge` of 0s, so that no GO ever counts.",
        "MetricNeverFresh": "A metric has a `staleAfter` of 0s, so that no value is ever fresh.",
        "UnknownGate": "A hold or a cohort names a gate that the plan does not define.",
        "UnknownCheckpoint": "A checkpoint comes after one that the plan does not have there.",
        "DuplicateCheckpoint": "Two steps have a checkpoint of the same name.",
        "CheckpointCycle": "Checkpoints wait for each other.",
        "NothingToRecord": "`hold.baseline` is given, and the plan has no metrics.",
        "GroupIsRelative": "A group of gates has `relativeTo`, which belongs to its conditions.",
        "NobodyCanSign": "A role can be signed by nobody whom it names.",
        "RehearsalNeverFresh": "`rehearsal.maxAge` is `0s`, so no rehearsal would ever count.",
        "CohortsNeedAttributes": "The format has no attributes, so it cannot tell cohorts apart.",
        "CohortFromNotAStep": "A cohort comes in at a percentage that is no step of the plan.",
        "CohortOfEverybody": "A cohort matches everybody.",
        "CohortOfNobody": "A cohort matches nobody.",
        "CohortsOverlap": "Two cohorts name the same value.",
        "CohortsTooLarge": "The cohorts do not fit into the ConfigMap.",
        "GateNotAskedFor": "A cohort waits for a gate that the step to 100% does not need.",
        "DependencyCycle": "Rollouts wait for each other.",
        "NamespaceNotAllowed": "The namespace of a dependency is not open to others.",
        "UnknownTimeZone": "`schedule.timeZone` is no name of the IANA database.",
        "UnreadableWindow": "A freeze is not written as `Fri 16:00` or `2025-12-20 00:00`.",
        "NoSuchDate": "A freeze names a date that no calendar has.",
        "EndsBeforeItBegins": "A freeze ends before it begins.",
        "NeverEnds": "A freeze begins and ends at the same time.",
        "NeverOpen": "The freezes together last all week.",
        "PointsDoNotAddUp": "The items of the scorecard do not add up to 100 points.",
        "ThresholdsCrossed": "`goWithMonitoring` is above `go`.",
        "UnknownScorecardSource": "An item names a gate, condition or checkpoint that is not "
        "there.",
    },
    ConditionType.TARGET_IN_SYNC: {
        "InSync": "The ConfigMap is as it was committed.",
        "NotStarted": "The ConfigMap's name is free to be taken.",
        "Drifted": "Somebody changed the ConfigMap. The operator restores it and names who did it.",
        "Adopted": "A ConfigMap that was offered is taken over, without moving anybody.",
    },
    ConditionType.ADMISSION_ENFORCED: {
        "Enforced": "Decisions are verified by the API server.",
        "Unenforced": "The administrator configured `admission: Unenforced`: decisions are not "
        "verified.",
        "NotEnforced": "Policies are missing or changed. Apply the installation again.",
        "Unknown": "The policies have not been checked yet, or cannot be.",
    },
    ConditionType.NOT_PAUSED: {
        "Running": "Nothing stops it.",
        "Paused": "`spec.paused` is true.",
        "Halted": "There is a ConfigMap `surefoot-halt` in the namespace, or in the operator's.",
    },
    ConditionType.NOT_ROLLED_BACK: {
        "NotRolledBack": "No rollback stands.",
        "TriggerFired": "A trigger rolled the flag back. Raise `spec.attempt` to try again.",
        "Requested": "A person rolled the flag back. Raise `spec.attempt` to try again.",
        "Ceiling": "`spec.rollback` keeps the percentage down. Remove it to go on.",
    },
    ConditionType.TRIGGERS_QUIET: {
        "Quiet": "Every trigger is quiet.",
        "TriggerPending": "A trigger is breached, and not yet for as long as its `for`.",
        "TriggerFiring": "A trigger fires. Its action is taken at once.",
        "TriggerNoData": "A trigger has no data. A breach would not be seen.",
        "TriggerSettling": "After a rollback, data from before are not counted yet.",
    },
    ConditionType.SOAK_COMPLETE: {
        "NotStarted": "The rollout has not started.",
        "SoakComplete": "There was enough healthy time.",
        "SoakInsufficient": "Healthy time is missing; the message says how much.",
        "SoakPaused": "The clock stands still while a trigger is not quiet or the plan is invalid.",
        "WarmingUp": "The warm-up is not over.",
    },
    ConditionType.BASELINE_RECORDED: {
        "NotStarted": "The rollout has not started.",
        "Recorded": "The baseline is recorded.",
        "NotRecorded": "There were not samples for long enough yet.",
        "TooFewSamples": "The samples have gaps; the message has the numbers.",
    },
    ConditionType.CHECKPOINTS_PASSED: {
        "CheckpointsPassed": "Every checkpoint is GO.",
        "CheckpointMissing": "A report is missing.",
        "CheckpointLate": "A report is past its due time. It is still waited for.",
        "CheckpointVoid": "A report no longer counts, and is asked for again.",
        "AwaitingPredecessor": "A checkpoint comes after another that is not GO yet.",
        **_COMMON_TO_PEOPLE,
    },
    ConditionType.GATES_HEALTHY: {
        "GatesHold": "Every gate of the step holds.",
        "GateHolds": "A gate holds.",
        "GateFails": "A value is outside its bounds; the message has both.",
        "WindowNotFull": "A gate holds, and not yet for as long as its `for`.",
        "WarmingUp": "The warm-up is not over.",
        "NobodyIsIn": "Nobody is in at 0%, so there is nothing to measure.",
    },
    ConditionType.APPROVED: {
        "Approved": "Everybody has signed who must, or the quorum has.",
        "AwaitingApproval": "A signature is missing. The message says whose.",
        "ApprovalVoid": "A signature no longer counts; the message says why.",
        "ApprovalExpired": "A GO is older than `maxAge`.",
        "SignatureNotVerified": "A detached signature cannot be verified at present.",
        "ConditionsUnmet": "A GO has a condition that nobody has reported as met.",
        **_COMMON_TO_PEOPLE,
    },
    ConditionType.REHEARSAL_FRESH: {
        "Fresh": "The last rehearsal passed, for this plan and attempt.",
        "NotRehearsed": "No rollback was rehearsed yet.",
        "RehearsalExpired": "The last rehearsal is too old.",
        "RehearsalOutdated": "The plan was changed or the attempt raised since.",
        "RehearsalFailed": "The last rehearsal failed; the message says by what.",
        "Rehearsing": "A rehearsal is under way.",
        "RehearsalWaits": "A rehearsal waits until a pause or a halt is over, or the plan is valid.",
        "NothingAhead": "The last step is reached: nobody more comes in.",
    },
    ConditionType.WITHIN_EXPANSION_LIMIT: {
        "WithinLimit": "No step grows too much.",
        "ExpansionTooLarge": "A step grows by more than `limits.maxExpansionFactor`.",
    },
    ConditionType.COVERAGE_OBSERVED: {
        "WithinTolerance": "The observed share is within the tolerance.",
        "OutsideTolerance": "The observed share is outside the tolerance.",
        "NoPointYet": "There is no sample of this step yet.",
        "NotStarted": "The rollout has not started.",
        "NobodyIsIn": "Nobody is in at 0%, so there is nothing to observe.",
    },
    ConditionType.DELIVERY_OBSERVED: {},
    ConditionType.WITHIN_SCHEDULE: {
        "Open": "No freeze is in force.",
        "Frozen": "A freeze is in force; the message says until when. Rollback goes on.",
    },
    ConditionType.DEPENDENCIES_MET: {
        "DependenciesMet": "The other Rollouts have come far enough.",
        "UpstreamMissing": "A Rollout of that name does not exist.",
        "UpstreamNotThere": "The other Rollout has not come far enough.",
        "UpstreamRolledBack": "The other Rollout was rolled back.",
    },
    ConditionType.SCORECARD_PASSED: {
        "Go": "There are enough points.",
        "GoWithMonitoring": "There are enough points to go on with monitoring.",
        "RisksCovered": "No risk is open that may not be.",
        "NoGo": "There are too few points, and the scorecard is a gate.",
        "RiskOpen": "A risk is open that is worse than `limits.maxOpenRisk`.",
    },
    ConditionType.CLOCK_TRUSTED: {
        "AnswersAgree": "The API servers agree about the time.",
        "AnswersDisagree": "The API servers disagree. No soak is counted meanwhile.",
    },
}
"""What each reason means. A test compares them with those that the checks can give."""

OUTCOMES: dict[Outcome, str] = {
    Outcome.VALUE: "A single, finite, fresh value. Nothing else can open a gate.",
    Outcome.NO_DATA: "The answer has no series, or gaps. The service may export nothing.",
    Outcome.MANY_SERIES: "The answer has several series. Aggregate them with `sum` or `max`.",
    Outcome.NOT_A_NUMBER: "The value is NaN or infinite, such as a division by zero.",
    Outcome.PARTIAL: "The provider warned that its answer is not complete.",
    Outcome.STALE: "The newest sample is too old.",
    Outcome.UNREACHABLE: "The provider does not answer, or answers with an error.",
    Outcome.INVALID: "The provider does not understand the query, or the answer is malformed.",
}

_FOR_TOOLS = """\
## Ready, Reconciling, Stalled

These three are for tools that are built on kstatus, such as Flux. Their reason is the phase, and their
message is `status.waitingOn`.

| condition | True when |
|---|---|
| `Ready` | the rollout is completed |
| `Reconciling` | it is under way, and waits for time, data or people |
| `Stalled` | only a person can help: the plan is invalid, a rollback or a NO-GO stands, or somebody \
fights over the ConfigMap |
"""
_MOVES = {
    Move.START: "the start",
    Move.ADVANCE: "each advance",
    Move.COMPLETE: "completion",
}


def conditions_page() -> str:
    """The text of the page."""
    return page(
        "Conditions and reasons", "operator/surefoot/domain/checks", _INTRODUCTION, _lines()
    )


def _lines() -> Iterator[str]:
    yield "## Overview"
    yield ""
    yield from table(
        ("condition", "True when", "blocks", "phase while it blocks"),
        (
            (
                f"[{check.type.value}](#{check.type.value.lower()})",
                MEANINGS[check.type],
                _moves(check),
                check.phase.value,
            )
            for check in CHECKS
        ),
    )
    yield ""
    for check in CHECKS:
        yield from _condition(check)
    yield from _FOR_TOOLS.splitlines()
    yield ""
    yield "## Outcomes of a metric"
    yield ""
    yield from table(
        ("outcome", "meaning"),
        ((code(outcome.value), OUTCOMES[outcome]) for outcome in Outcome),
    )


def _moves(check: Check) -> str:
    return ", ".join(_MOVES.get(move, move.value) for move in Move if move in check.applies_to)


def _condition(check: Check) -> Iterator[str]:
    yield f"## {check.type.value}"
    yield ""
    yield MEANINGS[check.type] + " " + _recorded(check)
    yield ""
    if REASONS[check.type]:
        yield from table(
            ("reason", "meaning"),
            ((code(reason), meaning) for reason, meaning in REASONS[check.type].items()),
        )
        yield ""


def _recorded(check: Check) -> str:
    """What becomes of a step that is recorded and not taken yet when the condition is lost."""
    if check.withdraws:
        return "A recorded step is withdrawn when this becomes False."
    return "A recorded step waits while this is not True."
