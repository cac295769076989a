"""The fold: what follows from the facts, one step after the other.

Each step takes the status as the step before left it. The order is part of the meaning: a plan is
in force before an attempt begins under it, triggers have been judged before the soak that they
pause, and the soak is accrued before decisions are voided by what fired during it.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from surefoot.api.v1alpha1.durations import parse_elapsed
from surefoot.api.v1alpha1.rollout_status import RolloutStatus
from surefoot.domain.derive.attempt import begin_attempt
from surefoot.domain.derive.baseline import judge_baseline
from surefoot.domain.derive.judged_triggers import TriggersJudgement
from surefoot.domain.derive.pause import with_pause
from surefoot.domain.derive.plan import take_over_plan
from surefoot.domain.derive.rehearsal import record_rehearsal
from surefoot.domain.derive.soak import SoakAccount, accrue_soak
from surefoot.domain.derive.state import State, state_of_rollout
from surefoot.domain.derive.triggers import TriggerVerdict
from surefoot.domain.derive.void import not_before_the_record, void_decisions
from surefoot.domain.facts.snapshot import Admission, Snapshot
from surefoot.domain.facts.verdicts import UnmetRequirement
from surefoot.domain.flag.config_map import Difference, difference, rendering_as_committed


def derive(
    snapshot: Snapshot,
    faults: Iterable[UnmetRequirement],
    judged: TriggersJudgement,
    now: datetime,
) -> State:
    """Where the Rollout stands now. ``faults`` are those of its plan; without any it is valid."""
    rollout, faults = snapshot.rollout, tuple(faults)
    valid, later_bound = not faults, now + snapshot.clock_uncertainty
    status = rollout.status
    verified = snapshot.admission is Admission.ENFORCED
    status = take_over_plan(
        rollout, status, now, later_bound, plan_is_valid=valid, verified=verified
    )
    status = begin_attempt(status, rollout, now, later_bound, verified=verified)
    status = with_pause(rollout, status, now, verified=verified)
    status = record_rehearsal(status, snapshot.rehearsed)
    state = state_of_rollout(snapshot, status, now, plan_is_valid=valid)
    triggers = judged.under(status, snapshot, now)
    soak = _accrue_soak(state, triggers)
    status = status.model_copy(update={"soak": soak.as_status() if soak else None})
    status = void_decisions(status, triggers, soak, not_before_the_record(snapshot, now))
    state = replace(state, status=status)
    baseline = judge_baseline(state)
    return replace(
        state,
        status=status.model_copy(update={"baselines": baseline.baselines}),
        faults=faults,
        triggers=triggers,
        soak=soak,
        baseline=baseline,
        drift=_find_drift(state),
    )


def _accrue_soak(state: State, triggers: tuple[TriggerVerdict, ...]) -> SoakAccount | None:
    """The account of this hold.

    Under an invalid plan it stays as it was: its triggers are not those that the soak is measured
    by. Once the plan is valid again, the time since is read back as that plan's triggers saw it.
    So is the time during which the API server's answers disagreed about what time it was.
    """
    if not state.plan_is_valid or (state.snapshot.clock_disagreement and state.asks_people):
        return _as_written(state.status)
    if state.began is None or not state.asks_people:
        return None
    return accrue_soak(
        state.status,
        state.hold,
        tuple(verdict for verdict in triggers if verdict.is_required),
        began=state.began,
        now=state.now,
        skipped=state.snapshot.skipped,
    )


def _as_written(status: RolloutStatus) -> SoakAccount | None:
    if status.soak is None:
        return None
    return SoakAccount(
        required=parse_elapsed(status.soak.required),
        healthy=parse_elapsed(status.soak.healthy),
        running=False,
        observed_at=status.soak.observed_at,
        not_read_back=parse_elapsed(status.soak.not_read_back or "0s"),
    )


def _find_drift(state: State) -> Difference | None:
    """How the ConfigMap differs from what was committed; not judged while a transition is open."""
    rendering = rendering_as_committed(state.rollout)
    if rendering is None or state.status.pending is not None:
        return None
    return difference(state.snapshot.config_map, rendering, state.rollout.metadata.uid)
