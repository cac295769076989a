"""TriggersQuiet: no trigger fires, is about to, or has no data."""

from collections.abc import Iterable
from datetime import datetime

from surefoot.api.v1alpha1.rollout_status import Phase, TriggerState
from surefoot.domain.checks.check import LEAVING_A_STEP, Check, Group, Judgements
from surefoot.domain.derive.state import State
from surefoot.domain.derive.triggers import TriggerVerdict
from surefoot.domain.facts.bands import Bands, joined
from surefoot.domain.facts.questions import first_end_at, windowed
from surefoot.domain.facts.snapshot import FlagFacts
from surefoot.domain.facts.verdicts import (
    ConditionType,
    UnmetRequirement,
    Verdict,
    blocks,
    not_required,
    passes,
)

SETTLING = f"Trigger{TriggerState.SETTLING.value}"
_WORST_FIRST = (
    TriggerState.FIRING,
    TriggerState.PENDING,
    TriggerState.NO_DATA,
    TriggerState.SETTLING,
)


def judge(state: State, _: Judgements) -> Verdict:
    """Whether every trigger is quiet. One that fires stops every move that raises the flag."""
    if state.is_complete or not state.rollout.spec.triggers:
        return not_required(ConditionType.TRIGGERS_QUIET)
    loud = sorted(
        (verdict for verdict in state.triggers if verdict.state is not TriggerState.QUIET),
        key=lambda verdict: _WORST_FIRST.index(verdict.state),
    )
    if not loud:
        quiet = "; ".join(verdict.message for verdict in state.triggers)
        return passes(ConditionType.TRIGGERS_QUIET, "Quiet", quiet)
    unknown = all(verdict.state is TriggerState.NO_DATA for verdict in loud)
    unmet = (_unmet(state, verdict) for verdict in loud)
    return blocks(ConditionType.TRIGGERS_QUIET, *unmet, unknown=unknown)


def _unmet(state: State, verdict: TriggerVerdict) -> UnmetRequirement:
    return UnmetRequirement(
        f"Trigger{verdict.state.value}",
        f"trigger {verdict.name}: {verdict.message}",
        stops=verdict.state is TriggerState.FIRING,
        delays_start=verdict.state is TriggerState.SETTLING or _awaits_answer(state, verdict),
    )


def _awaits_answer(state: State, verdict: TriggerVerdict) -> bool:
    question = windowed(verdict.trigger.metric, verdict.trigger.length)
    return awaits_first_answer(state.snapshot, question, state.now)


def awaits_first_answer(facts: FlagFacts, query: str, now: datetime) -> bool:
    """Whether a query was asked for the first time, not long ago, and is not answered yet.

    A Start waits for the first answers of its triggers, at most two evaluation intervals.
    """
    since = facts.unanswered_since.get(query)
    if query in facts.measurements or since is None:
        return False
    return now - since < 2 * facts.evaluation_interval


def _says(state: State, verdict: Verdict) -> Iterable[str]:
    """What is settling, once no soak is left to wait for."""
    if state.soak is not None and not state.soak.is_complete:
        return ()
    return (item.message for item in verdict.unmet)


def settled_at(verdict: TriggerVerdict) -> datetime | None:
    """When a trigger that settles has its first point to judge; None where it does not settle."""
    measurement, judged_from = verdict.trigger.measurement, verdict.trigger.judged_from
    if verdict.state is not TriggerState.SETTLING or judged_from is None:
        return None
    if measurement is None:
        return judged_from
    return first_end_at(judged_from, measurement.end, measurement.step)


def _earliest(state: State, _: Verdict, _not_before: datetime) -> datetime | None:
    moments = (settled_at(verdict) for verdict in state.triggers)
    return max((moment for moment in moments if moment is not None), default=None)


def _steady_within(state: State, _: Verdict) -> Bands | None:
    """All that are quiet stay so while no value breaches."""
    if any(verdict.state is not TriggerState.QUIET for verdict in state.triggers):
        return None
    return joined(
        {windowed(verdict.trigger.metric, verdict.trigger.length): (band,)}
        for verdict in state.triggers
        if (band := verdict.trigger.quiet_within) is not None
    )


TRIGGERS_QUIET = Check(
    type=ConditionType.TRIGGERS_QUIET,
    group=Group.GUARD,
    applies_to=LEAVING_A_STEP,
    phase=Phase.HOLDING,
    judge=judge,
    waits="one that fires withdraws it by itself; what is pending or has no data may be over soon",
    stops="a trigger fires",
    is_paced=True,
    steady_within=_steady_within,
    earliest=_earliest,
    says=_says,
    clock_reasons=frozenset({SETTLING}),
)
