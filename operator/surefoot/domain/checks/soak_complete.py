"""SoakComplete: the percentage has been healthy for as long as the hold asks."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from surefoot.api.v1alpha1.durations import format_elapsed, in_words
from surefoot.api.v1alpha1.rollout_status import Phase, TriggerState
from surefoot.domain.checks.check import LEAVING_A_STEP, Check, Group, Judgements
from surefoot.domain.derive.soak import SoakAccount
from surefoot.domain.derive.state import State
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
    account = f"{_so_far(soak)} of {in_words(required)} of healthy time"
    if soak.is_complete:
        return passes(ConditionType.SOAK_COMPLETE, "SoakComplete", account)
    message = f"soak insufficient: {account}, {in_words(soak.left)} left"
    loud = ", ".join(v.name for v in state.triggers if v.state is not TriggerState.QUIET)
    if not state.plan_is_valid:
        unmet = UnmetRequirement("SoakPaused", f"{message}, read back once the plan is valid again")
    elif loud:
        unmet = UnmetRequirement("SoakPaused", f"{message}, not counting while {loud} is not quiet")
    elif not soak.running and state.began is not None:
        warm_up = in_words(state.began + state.hold.warm_up - state.now)
        unmet = UnmetRequirement(
            "WarmingUp", f"{message}, not counting before {warm_up} of warm-up are over"
        )
    else:
        unmet = UnmetRequirement("SoakInsufficient", message)
    return blocks(ConditionType.SOAK_COMPLETE, unmet)


def _so_far(soak: SoakAccount) -> str:
    """The healthy time in words, rounded down: never more than there was."""
    return format_elapsed(soak.healthy // timedelta(seconds=1) * timedelta(seconds=1))


def _next_change(state: State, _: Verdict) -> datetime | None:
    """When the soak may be over, or the warm-up before which it does not run."""
    if state.began is not None and state.now < state.began + state.hold.warm_up:
        return state.began + state.hold.warm_up
    if state.soak is None or not state.soak.running or not state.soak.left:
        return None
    return state.now + state.soak.left


def _says(state: State, verdict: Verdict) -> Iterable[str]:
    if state.soak is None or verdict.holds:
        return ()
    return (f"soak {in_words(state.soak.left)} left",)


SOAK_COMPLETE = Check(
    type=ConditionType.SOAK_COMPLETE,
    group=Group.HOLD,
    applies_to=LEAVING_A_STEP,
    phase=Phase.SOAKING,
    judge=judge,
    withdraws="the soak began again",
    is_paced=True,
    next_change=_next_change,
    says=_says,
)
