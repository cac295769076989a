"""Rollback rehearsals: whether one that counts has passed, and whether one is to be run now.

A rehearsal goes the way of a rollback on a copy of the flag (`surefoot.domain.flag.shadow`). It
counts for the plan and the attempt that it was run for, and for as long as the plan says.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from surefoot.api.v1alpha1.durations import in_words, parse_duration
from surefoot.api.v1alpha1.rollout import Rehearsal, RehearsalMode, RolloutSpec, TriggerAction
from surefoot.api.v1alpha1.rollout_status import Phase, RehearsalStatus
from surefoot.domain.checks.check import LEAVING_A_STEP, Check, Group, Judgements
from surefoot.domain.derive.state import State
from surefoot.domain.derive.triggers import target_of
from surefoot.domain.facts.moments import later
from surefoot.domain.facts.snapshot import Snapshot
from surefoot.domain.facts.steps import ZERO, previous_percent
from surefoot.domain.facts.verdicts import (
    ConditionType,
    UnmetRequirement,
    Verdict,
    blocks,
    not_required,
    passes,
)
from surefoot.domain.plan import Rehearse

BUDGET = timedelta(minutes=2)
"""A rollback that takes longer has failed."""
PASSED, FAILED = "Passed", "Failed"
_RENEWAL = 0.9
"""The share of its age after which one that the operator keeps fresh is run again."""
_RETRY = timedelta(minutes=5)
"""How long after a failure the operator tries again by itself, at the latest."""


@dataclass(frozen=True, slots=True)
class RehearsalJudgement:
    """Whether a rehearsal that counts has passed, and the one to be run now, if any."""

    verdict: Verdict
    due: Rehearse | None


def judge_rehearsal(situation: State, *, obstacle: str | None) -> RehearsalJudgement:
    """``obstacle`` says why nothing may be rehearsed now: a pause, a halt, an invalid plan."""
    plan = situation.rollout.spec.rehearsal
    if plan is None:
        return RehearsalJudgement(not_required(ConditionType.REHEARSAL_FRESH), None)
    due = _due(situation, plan)
    waits = obstacle if due is not None else None
    verdict = _judge(situation, plan, due, waits)
    return RehearsalJudgement(verdict, due if waits is None else None)


def judge(state: State, earlier: Judgements) -> RehearsalJudgement:
    """Nothing is rehearsed under an invalid plan, a pause or a halt."""
    verdicts = (
        earlier[ConditionType.PLAN_VALID].verdict,
        earlier[ConditionType.NOT_PAUSED].verdict,
    )
    obstacle = next((verdict.message for verdict in verdicts if not verdict.holds), None)
    return judge_rehearsal(state, obstacle=obstacle)


def faults(snapshot: Snapshot) -> Iterable[UnmetRequirement]:
    """What is wrong with what a plan asks for."""
    spec = snapshot.rollout.spec
    if spec.rehearsal is not None and parse_duration(spec.rehearsal.max_age) <= ZERO:
        yield UnmetRequirement(
            "RehearsalNeverFresh",
            f"rehearsal.maxAge is {spec.rehearsal.max_age}, so that no rehearsal would ever count; "
            "give how long one does, such as 7d",
        )


def next_moment(situation: State) -> datetime | None:
    """When the last rehearsal next stops counting, or is to be run again."""
    plan, last = situation.rollout.spec.rehearsal, situation.status.rehearsal
    if plan is None or last is None:
        return None
    moments = [later(last.at, _max_age(plan))]
    if plan.mode is RehearsalMode.AUTOMATIC:
        moments.append(_again_at(plan, last))
    return min((moment for moment in moments if moment > situation.now), default=None)


def _earliest(
    situation: State, judgement: RehearsalJudgement, _not_before: datetime
) -> datetime | None:
    """When the operator rehearses again by itself, after a failure."""
    plan, last = situation.rollout.spec.rehearsal, situation.status.rehearsal
    if plan is None or last is None or judgement.verdict.holds or judgement.due is not None:
        return None
    return _again_at(plan, last) if plan.mode is RehearsalMode.AUTOMATIC else None


def _judge(situation: State, plan: Rehearsal, due: Rehearse | None, waits: str | None) -> Verdict:
    last, max_age = situation.status.rehearsal, _max_age(plan)
    waiting = f"; run {due.run} waits: {waits}" if due is not None and waits is not None else ""
    if situation.has_started and (situation.is_complete or situation.next_index is None):
        message = f"no step is ahead that a rehearsal would have to come before{waiting}"
        return passes(ConditionType.REHEARSAL_FRESH, "NothingAhead", message)
    missing = _why_none_counts(situation, last, max_age)
    if missing is None and last is not None:
        until = f"{later(last.at, max_age):%Y-%m-%d %H:%M UTC}"
        message = f"run {last.run} passed in {last.took} and counts until {until}{waiting}"
        return passes(ConditionType.REHEARSAL_FRESH, "Fresh", message)
    reason = "" if missing is None else missing.message
    if due is not None and waits is not None:
        missing = UnmetRequirement("RehearsalWaits", f"{reason}{waiting}")
    elif due is not None:
        missing = UnmetRequirement("Rehearsing", f"{reason}; run {due.run} is under way")
    return blocks(
        ConditionType.REHEARSAL_FRESH, missing or UnmetRequirement("NotRehearsed", reason)
    )


def _why_none_counts(
    situation: State, last: RehearsalStatus | None, max_age: timedelta
) -> UnmetRequirement | None:
    """What is missing for the last rehearsal to count; None where it does."""
    command = _command(situation)
    if last is None:
        return UnmetRequirement("NotRehearsed", "no rollback was rehearsed yet", command)
    if last.outcome != PASSED:
        message = f"rehearsal run {last.run} failed: {last.message}"
        return UnmetRequirement("RehearsalFailed", message, command)
    if not _is_of_this_plan(situation, last):
        message = f"rehearsal run {last.run} was for another plan or attempt"
        return UnmetRequirement("RehearsalOutdated", message, command)
    if situation.latest_now - last.at >= max_age:
        message = f"rehearsal run {last.run} is older than {in_words(max_age)}"
        return UnmetRequirement("RehearsalExpired", message, command)
    return None


def _command(situation: State) -> str:
    metadata = situation.rollout.metadata
    run = _last_run(situation) + 1
    return (
        f"kubectl patch rollouts.surefoot.dev {metadata.name} -n {metadata.namespace} "
        f'--type=merge -p \'{{"spec":{{"rehearsal":{{"run":{run}}}}}}}\''
    )


def _is_of_this_plan(situation: State, last: RehearsalStatus) -> bool:
    return (last.plan_hash, last.attempt) == (situation.plan_hash, situation.attempt)


def _due(situation: State, plan: Rehearsal) -> Rehearse | None:
    """What is to be rehearsed: what a person asks for, or what the operator keeps fresh."""
    percent = situation.percent
    if percent is None:
        return None
    leaves = percent or situation.target_percent or 0
    to = _where_a_rollback_goes(situation.rollout.spec, leaves)
    done, asked = _last_run(situation), plan.run or 0
    is_kept_fresh = plan.mode is RehearsalMode.AUTOMATIC and _is_to_be_renewed(
        situation, plan, leaves
    )
    if asked <= done and not is_kept_fresh:
        return None
    return Rehearse(
        run=max(asked, done + 1),
        from_=leaves,
        to=to,
        plan_hash=situation.plan_hash,
        attempt=situation.attempt,
    )


def _last_run(situation: State) -> int:
    last = situation.status.rehearsal
    return 0 if last is None else last.run


def _where_a_rollback_goes(spec: RolloutSpec, percent: int) -> int:
    """The lowest percentage that a trigger would go to, or else the previous step's."""
    targets = [
        target_of(trigger, spec, percent)
        for trigger in spec.triggers
        if trigger.action is TriggerAction.ROLLBACK
    ]
    return min(targets, default=previous_percent(spec, percent))


def _is_to_be_renewed(situation: State, plan: Rehearsal, leaves: int) -> bool:
    """Whether the operator runs one by itself: before a step that is ahead, none is as good."""
    if not situation.asks_people or situation.next_index is None:
        return False
    last = situation.status.rehearsal
    if last is None or not _is_of_this_plan(situation, last) or last.from_ != leaves:
        return True
    return situation.latest_now >= _again_at(plan, last)


def _again_at(plan: Rehearsal, last: RehearsalStatus) -> datetime:
    max_age = _max_age(plan)
    return later(last.at, max_age * _RENEWAL if last.outcome == PASSED else min(_RETRY, max_age))


def _max_age(plan: Rehearsal) -> timedelta:
    return parse_duration(plan.max_age)


REHEARSAL_FRESH = Check(
    type=ConditionType.REHEARSAL_FRESH,
    group=Group.AFTER_HOLD,
    applies_to=LEAVING_A_STEP,
    phase=Phase.HOLDING,
    judge=judge,
    withdraws="no rehearsal counts any more",
    reads=(ConditionType.PLAN_VALID, ConditionType.NOT_PAUSED),
    next_change=lambda state, _judgement: next_moment(state),
    earliest=_earliest,
    faults=faults,
)
