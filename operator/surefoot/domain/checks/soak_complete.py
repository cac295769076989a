"""SoakComplete: the percentage has been healthy for as long as the hold asks."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from surefoot.api.v1alpha1.durations import format_elapsed, in_words
from surefoot.api.v1alpha1.rollout_status import Phase, TriggerState
from surefoot.domain.checks.answers import first_answer_at
from surefoot.domain.checks.check import LEAVING_A_STEP, Check, Group, Judgements
from surefoot.domain.checks.triggers_quiet import settled_at
from surefoot.domain.derive.soak import SoakAccount
from surefoot.domain.derive.state import State
from surefoot.domain.facts.moments import later
from surefoot.domain.facts.questions import intervals_to_account
from surefoot.domain.facts.verdicts import (
    ConditionType,
    UnmetRequirement,
    Verdict,
    blocks,
    not_required,
    passes,
)


def judge(state: State, _: Judgements) -> Verdict:
    """Whether the percentage has been healthy for as long as the hold asks."""
    soak = state.soak
    required = soak.required if soak else state.hold.soak
    if not required:
        return not_required(ConditionType.SOAK_COMPLETE)
    if soak is None:
        return blocks(
            ConditionType.SOAK_COMPLETE,
            UnmetRequirement("NotStarted", f"{in_words(required)} of healthy time are needed"),
        )
    account = f"{_to_the_second(soak.healthy)} of {in_words(required)} of healthy time"
    lost = not_read_back(state)
    if soak.is_complete:
        return passes(ConditionType.SOAK_COMPLETE, "SoakComplete", account + lost)
    message = f"soak insufficient: {account}, {in_words(soak.left)} left{lost}"
    loud = ", ".join(v.name for v in state.triggers if v.state is not TriggerState.QUIET)
    if not state.plan_is_valid:
        unmet = UnmetRequirement("SoakPaused", f"{message}, read back once the plan is valid again")
    elif loud:
        unmet = UnmetRequirement("SoakPaused", f"{message}, not counting while {loud} is not quiet")
    elif not soak.running and state.began is not None:
        warm_up = in_words((state.warm_until or state.now) - state.now)
        unmet = UnmetRequirement(
            "WarmingUp", f"{message}, not counting before {warm_up} of warm-up are over"
        )
    else:
        unmet = UnmetRequirement("SoakInsufficient", message)
    return blocks(ConditionType.SOAK_COMPLETE, unmet)


def not_read_back(state: State) -> str:
    """How much time without an answer does not count, and why; empty where there was none."""
    if state.soak is None or not state.soak.not_read_back:
        return ""
    points = f"{intervals_to_account(state.rollout.spec):,}"
    return (
        f"; {_to_the_second(state.soak.not_read_back)} could not be read back and do not count: a "
        f"question of this plan reaches back {points} points at most"
    )


def _to_the_second(length: timedelta) -> str:
    """A length in words, rounded down: never more than there was."""
    return format_elapsed(length // timedelta(seconds=1) * timedelta(seconds=1))


def _next_change(state: State, _: Verdict) -> datetime | None:
    """When the soak may be over, or the warm-up before which it does not run."""
    if state.warm_until is not None and state.now < state.warm_until:
        return state.warm_until
    if state.soak is None or not state.soak.running or not state.soak.left:
        return None
    return later(state.now, state.soak.left)


def _begins_at(state: State, soak: SoakAccount) -> datetime:
    """From when the time counts that is missing: once warm, settled, and quiet."""
    began = state.began or soak.observed_at
    moments = [soak.observed_at, state.warm_until or began]
    if any(v.state not in {TriggerState.QUIET, TriggerState.SETTLING} for v in state.triggers):
        moments.append(state.now)
    for trigger in state.triggers:
        settled = settled_at(trigger)
        judged_from = trigger.trigger.judged_from
        # What a step's first point says is said of the time since the step began.
        if settled is not None and judged_from is not None and judged_from > began:
            moments.append(settled)
    if not state.plan_is_valid or state.snapshot.clock_disagreement:
        moments.append(state.now)
    return max(moments)


def _complete_at(state: State, soak: SoakAccount) -> datetime:
    """When the soak is complete if nothing breaks: at a moment that every trigger speaks of."""
    moment = later(_begins_at(state, soak), soak.left)
    measurements = (trigger.trigger.measurement for trigger in state.triggers)
    answers = (
        first_answer_at(state, moment, measurement.step)
        for measurement in measurements
        if measurement
    )
    return max(answers, default=moment)


def _earliest(state: State, _: Verdict, _not_before: datetime) -> datetime | None:
    soak = state.soak
    return None if soak is None or soak.is_complete else _complete_at(state, soak)


def _says(state: State, verdict: Verdict) -> Iterable[str]:
    """How long the soak takes from now on, and what it does not begin before."""
    soak = state.soak
    if soak is None or verdict.holds:
        return ()
    begins = _begins_at(state, soak)
    if begins > state.now:
        waits = in_words(begins - state.now)
        return (f"soak {in_words(soak.left)} left, counting in {waits}",)
    return (f"soak {in_words(_complete_at(state, soak) - state.now)} left",)


SOAK_COMPLETE = Check(
    type=ConditionType.SOAK_COMPLETE,
    group=Group.HOLD,
    applies_to=LEAVING_A_STEP,
    phase=Phase.SOAKING,
    judge=judge,
    withdraws="the soak began again",
    is_paced=True,
    next_change=_next_change,
    earliest=_earliest,
    says=_says,
)
