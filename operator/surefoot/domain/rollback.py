"""The way down: when the flag must be lowered, how far, and the plan that does it.

It needs no person, no gate and no valid plan. It is decided first, from the Rollout's own object,
the ConfigMap and the triggers' answers, and from nothing else. What can fail beside it (a trigger
that cannot be judged, cohorts that cannot be read) does not keep it from happening.
"""

from dataclasses import dataclass
from datetime import datetime

from surefoot.api.v1alpha1.rollout_status import (
    CommittedCohort,
    Evidence,
    PendingTransition,
    Phase,
    RolloutStatus,
    TransitionType,
    TriggerState,
    TriggerStatus,
)
from surefoot.domain.derive.judged_triggers import judge_triggers
from surefoot.domain.derive.triggers import TriggerVerdict
from surefoot.domain.facts.fallback import with_fallback
from surefoot.domain.facts.snapshot import Admission, FlagFacts
from surefoot.domain.facts.steps import ZERO, allowed_percents, index_of
from surefoot.domain.flag.cohorts import at_rollback, evidence_of
from surefoot.domain.flag.config_map import carries, rendering_of
from surefoot.domain.plan import Abandon, Announcement, Apply, Commit, Intend, Plan
from surefoot.domain.record.requesters import REQUESTED, requester
from surefoot.domain.record.transitions import transition_id


@dataclass(frozen=True, slots=True)
class Rollback:
    """Where to, why, and who or what decided it."""

    to: int
    reason: str
    message: str
    by: tuple[str, ...]
    verified: bool | None = None
    """Whether admission established who asked for it; None where no person did."""


def roll_back(facts: FlagFacts, now: datetime) -> Plan | None:
    """The plan that lowers the flag, or goes on with lowering it; None where nothing asks for it.

    A move that the ConfigMap shows to be applied is committed first, whichever it is: the flag
    stands there already, and what it is to be lowered from must be on record. The status that this
    writes is the smallest that says what happens: the pass after the commit writes the whole one.
    """
    rollout = facts.rollout
    pending = rollout.status.pending
    if rollout.metadata.deletion_timestamp is not None:
        return None
    if pending is not None and _is_applied(facts, pending):
        return _plan(facts, rollout.status, Commit(pending), f"commits {describe_move(pending)}")
    if pending is not None and pending.type is TransitionType.ROLLBACK:
        # A recorded rollback is never asked again.
        summary = f"goes on with {describe_move(pending)}"
        return _plan(facts, rollout.status, Apply(pending), summary)
    triggers = judge_triggers(facts, now).verdicts
    required = required_rollback(facts, triggers)
    if required is None:
        return None
    replacement = _pending(facts, required, triggers, now)
    status = _status(facts, replacement, triggers, now)
    if pending is not None:
        action = Abandon(pending, status, marks_config_map=facts.config_map is not None)
        summary = f"abandons {describe_move(pending)}: a rollback is required"
        return _plan(facts, status, action, summary, triggers)
    summary = f"decides {describe_move(replacement)}: {replacement.message}"
    return _plan(facts, status, Intend(status), summary, triggers)


def required_rollback(facts: FlagFacts, triggers: tuple[TriggerVerdict, ...]) -> Rollback | None:
    """The lowest of what a person and the triggers ask for; None where the flag may stay."""
    percent = facts.rollout.status.percent
    if percent is None or percent == 0:
        return None
    asked = [
        rollback
        for rollback in (
            _requested(facts, percent),
            *(_triggered(facts, verdict, percent) for verdict in triggers),
        )
        if rollback is not None and rollback.to < percent
    ]
    return min(asked, key=lambda rollback: rollback.to, default=None)


def _requested(facts: FlagFacts, percent: int) -> Rollback | None:
    spec = facts.rollout.spec
    ceiling = spec.rollback
    if ceiling is None or ceiling.to >= percent:
        return None
    to = max(step for step in allowed_percents(spec) if step <= ceiling.to)
    reason = ceiling.reason or "no reason was given"
    is_enforced = facts.admission is Admission.ENFORCED
    by = requester(facts.rollout, TransitionType.ROLLBACK, verified=is_enforced)
    message = f"spec.rollback asks for {ceiling.to}%: {reason}"
    return Rollback(to, REQUESTED, message, by.names, by.verified)


def _triggered(facts: FlagFacts, verdict: TriggerVerdict, percent: int) -> Rollback | None:
    if not verdict.rolls_back:
        return None
    return Rollback(
        to=verdict.target(facts.rollout.spec, percent),
        reason="TriggerFired",
        message=f"trigger {verdict.name}: {verdict.message}",
        by=(f"trigger {verdict.name}",),
    )


def _is_applied(facts: FlagFacts, pending: PendingTransition) -> bool:
    config_map = facts.config_map
    return config_map is not None and carries(config_map, rendering_of(facts.rollout, pending))


def _pending(
    facts: FlagFacts, required: Rollback, triggers: tuple[TriggerVerdict, ...], now: datetime
) -> PendingTransition:
    rollout, status = facts.rollout, facts.rollout.status
    spec = rollout.spec
    committed = status.committed.cohorts if status.committed is not None else ()
    cohorts: tuple[CommittedCohort, ...] = with_fallback(
        committed, lambda: at_rollback(status, required.to)
    )
    return PendingTransition(
        transition_id=transition_id(rollout, TransitionType.ROLLBACK, required.to),
        type=TransitionType.ROLLBACK,
        step=index_of(spec, required.to) if required.to > 0 else None,
        from_=status.percent,
        to=required.to,
        reason=required.reason,
        message=required.message,
        plan_hash=status.plan_hash,
        attempt=max(spec.attempt or 0, status.attempt or 0),
        recorded_at=now,
        by=required.by,
        verified=required.verified,
        cohorts=cohorts,
        evidence=with_fallback(
            Evidence(decided_at=now), lambda: _evidence(facts, triggers, now)
        ).model_copy(
            update={
                "cohorts": with_fallback(None, lambda: evidence_of(cohorts, required.to)),
                "replaced": status.pending.evidence.decisions if status.pending else None,
            }
        ),
    )


def _evidence(facts: FlagFacts, triggers: tuple[TriggerVerdict, ...], now: datetime) -> Evidence:
    rollout, status = facts.rollout, facts.rollout.status
    return Evidence(
        resource_version=rollout.metadata.resource_version,
        generation=rollout.metadata.generation,
        decided_at=now,
        since=status.since,
        admission=facts.admission.value,
        soak=status.soak,
        windows=tuple(verdict.evidence for verdict in triggers if verdict.evidence)[:80],
        baselines=tuple(entry for entry in status.baselines if entry.percent == status.percent)[
            :32
        ],
    )


def _status(
    facts: FlagFacts,
    pending: PendingTransition,
    triggers: tuple[TriggerVerdict, ...],
    now: datetime,
) -> RolloutStatus:
    status = facts.rollout.status
    return status.model_copy(
        update={
            "pending": pending,
            "phase": Phase.ROLLING_BACK,
            "reason": pending.reason,
            "waiting_on": f"rollback to {pending.to}% is being applied",
            "waiting_on_short": f"rollback to {pending.to}%",
            "triggers": with_fallback(
                status.triggers, lambda: _trigger_statuses(status, triggers, now)
            ),
        }
    )


KEPT_IN_FEWEST_WORDS = (
    *("attempt", "plan_hash", "plan", "step", "percent", "since", "hold_since", "committed"),
    *("abandoned_starts", "baselines", "void_before", "rolled_back", "paused", "completed_at"),
)
"""What no later pass can find out again."""


def in_fewest_words(status: RolloutStatus) -> RolloutStatus:
    """A status of a rollback that takes as little room as can be.

    Of the history only the last entry is kept, to which the next is chained. All else is made again
    by the pass after the commit, where there is room for it.
    """
    pending = status.pending
    if pending is not None:
        evidence = pending.evidence
        brief = Evidence(decided_at=evidence.decided_at, replaced=evidence.replaced)
        pending = pending.model_copy(update={"evidence": brief})
    kept = {name: getattr(status, name) for name in KEPT_IN_FEWEST_WORDS}
    return RolloutStatus(**kept, pending=pending, history=status.history[-1:])


def _trigger_statuses(
    status: RolloutStatus, triggers: tuple[TriggerVerdict, ...], now: datetime
) -> tuple[TriggerStatus, ...]:
    earlier = {entry.name: entry for entry in status.triggers}
    return tuple(verdict.as_status(earlier.get(verdict.name), now) for verdict in triggers)


def with_silence(facts: FlagFacts, now: datetime) -> RolloutStatus | None:
    """The status that says since when triggers have no data; None where it says so already.

    A trigger may lower the flag once it has been silent for its `for`. Since when it is, only the
    status knows, and where the whole one cannot be made this much of it is written.
    """
    status = facts.rollout.status
    judged = {verdict.name: verdict for verdict in judge_triggers(facts, now).verdicts}
    silent = {name: v for name, v in judged.items() if v.state is TriggerState.NO_DATA}
    # What else a trigger says is news to the pass that can act on it.
    kept = tuple(
        entry
        for entry in status.triggers
        if entry.name not in judged
        or (entry.state is TriggerState.NO_DATA) is (entry.name in silent)
    )
    known = {entry.name for entry in kept}
    begun = tuple(v.as_status(None, now) for name, v in silent.items() if name not in known)
    triggers = (*kept, *begun)
    if status.committed is None or triggers == status.triggers:
        return None
    return status.model_copy(update={"triggers": triggers})


def _plan(
    facts: FlagFacts,
    status: RolloutStatus,
    action: Intend | Apply | Commit | Abandon,
    summary: str,
    triggers: tuple[TriggerVerdict, ...] = (),
) -> Plan:
    announcements: tuple[Announcement, ...] = ()
    if isinstance(action, Intend | Abandon):
        announcements = trigger_announcements(facts.rollout.status, triggers)
    return Plan(
        status=status,
        actions=(action,),
        announcements=announcements,
        requeue_after=min(facts.status_refresh, facts.evaluation_interval) or ZERO,
        summary=summary,
        is_rollback=True,
    )


def trigger_announcements(
    before: RolloutStatus, triggers: tuple[TriggerVerdict, ...]
) -> tuple[Announcement, ...]:
    """The triggers that fire now and did not fire when the status was written."""
    fired = {entry.name for entry in before.triggers if entry.state is TriggerState.FIRING}
    return tuple(
        Announcement("TriggerFiring", f"trigger {v.name}: {v.message}", warning=True, about=v.name)
        for v in triggers
        if v.state is TriggerState.FIRING and v.name not in fired
    )


def describe_move(pending: PendingTransition) -> str:
    """A transition in a few words: `Advance 10% → 25%`."""
    start = "" if pending.from_ is None else f"{pending.from_}% → "
    return f"{pending.type.value} {start}{pending.to}%"
