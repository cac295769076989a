"""The decision: from frozen facts and a moment to a plan. The only place where anything is decided.

Rollback outranks everything, then what is already recorded, then drift, then the next step. A step
is taken when every check of the table that applies to it holds, and by nothing else.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from surefoot.api.v1alpha1.durations import parse_elapsed
from surefoot.api.v1alpha1.meta import TRANSITION_ID_ANNOTATION
from surefoot.api.v1alpha1.rollout_status import (
    DriftAccount,
    Evidence,
    PendingTransition,
    RehearsalStatus,
    RolloutStatus,
    SoakStatus,
    Transition,
    TransitionType,
)
from surefoot.domain.calm import calm_until
from surefoot.domain.checks.check import Group, no_change
from surefoot.domain.checks.cohorts import at_step, windows_of
from surefoot.domain.checks.rehearsal import PASSED
from surefoot.domain.checks.table import CHECKS
from surefoot.domain.checks.target_in_sync import DRIFT_PACE
from surefoot.domain.checks.triggers_quiet import awaits_first_answer
from surefoot.domain.compliance import outcomes
from surefoot.domain.derive.baseline import metric_of
from surefoot.domain.derive.state import Move
from surefoot.domain.derive.trigger_faults import metric_fault
from surefoot.domain.due import write_due_in
from surefoot.domain.facts.plan_hash import plan_hash
from surefoot.domain.facts.snapshot import Admission, Snapshot
from surefoot.domain.facts.steps import ZERO, index_of
from surefoot.domain.facts.verdicts import ConditionType, Verdict
from surefoot.domain.flag.cohorts import at_start, evidence_of
from surefoot.domain.flag.config_map import (
    ADOPTED,
    adoption,
    difference,
    is_offered,
    is_own_start,
    may_be_marked,
    may_be_written,
    rendering_of,
)
from surefoot.domain.metric_queries import metric_queries
from surefoot.domain.plan import (
    Abandon,
    Action,
    Announcement,
    Apply,
    Intend,
    Plan,
    Restore,
    Undo,
    WriteStatus,
)
from surefoot.domain.record.transitions import announcement, entry, transition_id, with_entry
from surefoot.domain.review import Review, evaluate
from surefoot.domain.rollback import describe_move, roll_back, trigger_announcements
from surefoot.domain.signoff import escalation
from surefoot.domain.signoff.conditions import left_open
from surefoot.domain.signoff.escalation import escalation_events
from surefoot.domain.signoff.records import records
from surefoot.domain.status import build_status

AT_ONCE = ZERO
DRIFT_STORM = 5
DRIFT_WINDOW = timedelta(minutes=1)
_CHECK = {check.type: check for check in CHECKS}
STANDS_FOR = timedelta(hours=1)
"""A move that is recorded is applied within seconds, or after a restart. Later it is decided again:
what began and ended meanwhile (a halt, a pause, a freeze, a trigger) leaves no trace."""
REMEMBERED_STARTS = 8
"""As many withdrawn Starts the status remembers. A create lands within seconds, or not at all."""


def decide(snapshot: Snapshot, now: datetime) -> Plan:
    """What to do about a Rollout now. ``now`` is the API server's time, not later than the truth.

    Deterministic: the same facts at the same moment give the same plan.
    """
    rollout = snapshot.rollout
    if rollout.metadata.deletion_timestamp is not None:
        return _idle(
            rollout.status, snapshot.status_refresh, "is being deleted: nothing is applied"
        )
    way_down = roll_back(snapshot, now)
    if way_down is not None:
        return way_down
    if rollout.status.pending is None and _awaits_first_answers(snapshot, now):
        return _idle(rollout.status, timedelta(seconds=1), "waits for the first metrics")
    review = evaluate(snapshot, now)
    if rollout.status.pending is not None:
        return _with_pending(review, rollout.status.pending)
    late = _late_start(review)
    if late is not None:
        return _plan(review, review.status, (Undo(late),), f"undoes Start {late}: it was withdrawn")
    if review.state.drift is not None:
        return _restore(review)
    if not review.state.is_complete and not review.in_the_way:
        return _take_the_step(review)
    return _wait(review)


# What is already recorded.


def _with_pending(review: Review, pending: PendingTransition) -> Plan:
    """Go on with a recorded move, or withdraw it where it would not be decided any more."""
    stop = _reason_to_withdraw(review, pending)
    if stop is None and not review.blocking(_move_of(pending)):
        action = Apply(pending)
        return _plan(review, review.status, (action,), f"goes on with {describe_move(pending)}")
    stop = stop or _interference(review)
    if stop is None:
        return _wait(review)
    return _withdraw(review, pending, stop)


def _move_of(pending: PendingTransition) -> Move:
    return Move.START if pending.type is TransitionType.START else Move.ADVANCE


def _withdraw(review: Review, pending: PendingTransition, why: str) -> Plan:
    """Make sure that a recorded move can never be applied.

    At a Start there may be no ConfigMap to mark. The status then remembers the id, so that a create
    that lands late is undone.
    """
    status = review.status.model_copy(update={"pending": None})
    if pending.type is TransitionType.START:
        starts = (*status.abandoned_starts, pending.transition_id)[-REMEMBERED_STARTS:]
        status = status.model_copy(update={"abandoned_starts": starts})
    action = Abandon(pending, build_status(review, status), marks_config_map=_may_be_marked(review))
    summary = f"abandons {describe_move(pending)}: {why}"
    return _plan(review, action.status, (action, *_bookkeeping(review)), summary)


def _may_be_marked(review: Review) -> bool:
    """Whether there is a ConfigMap that is the operator's to mark, or offered to it."""
    state, config_map = review.state, review.state.snapshot.config_map
    if state.has_started:
        return True
    return config_map is not None and may_be_marked(config_map, state.rollout)


def _interference(review: Review) -> str | None:
    """Somebody changed the ConfigMap while a recorded advance waits: it is restored first."""
    state, committed = review.state, review.status.committed
    if committed is None:
        return None
    rendering = rendering_of(state.rollout, committed)
    changed = difference(state.snapshot.config_map, rendering, state.rollout.metadata.uid)
    if changed is None or changed.by_the_plan:
        return None
    return f"the ConfigMap was changed: {changed.message}"


def _reason_to_withdraw(review: Review, pending: PendingTransition) -> str | None:
    """Why a recorded move would not be decided any more; what is not known only waits."""
    state, spec = review.state, review.state.rollout.spec
    if not state.faults and plan_hash(spec) != pending.plan_hash:
        return "the plan has changed"
    if max(spec.attempt or 0, state.attempt) != pending.attempt:
        return "the attempt was raised"
    if not may_be_written(state.snapshot.config_map, state.rollout):
        return "the ConfigMap is no longer what the Start was decided on"
    blocking = [(_CHECK[v.condition], v) for v in review.blocking(_move_of(pending))]
    for check, verdict in blocking:
        if verdict.stops:
            return check.withdrawal(verdict)
    if state.void_before is not None and state.void_before >= pending.recorded_at:
        return "a trigger has fired since it was decided"
    counted = {(item.uid, item.generation) for item in pending.evidence.decisions}
    if counted - {(item.uid, item.generation) for item in review.evidence().decisions}:
        return "a decision that it counted does not count any more"
    for check, verdict in blocking:
        reason = check.withdrawal(verdict)
        if reason is not None:
            return reason
    if state.now - pending.recorded_at > STANDS_FOR:
        return "it was decided long ago, and what happened since is not known"
    return None


def _late_start(review: Review) -> str | None:
    """The id of a withdrawn Start whose create landed after all; the object is the operator's own.

    Nothing that is found in a ConfigMap ever becomes a percentage that was not decided.
    """
    state, config_map = review.state, review.state.snapshot.config_map
    if state.has_started or config_map is None or not is_own_start(config_map, state.rollout):
        return None
    return config_map.annotations[TRANSITION_ID_ANNOTATION]


# The next step.


def _take_the_step(review: Review) -> Plan:
    state = review.state
    if state.move is Move.COMPLETE:
        return _complete(review)
    if state.move is Move.START or state.next_index is None:
        return _intend(review, _start_pending(review))
    to = state.rollout.spec.steps[state.next_index].percent
    cohorts = at_step(state, review.checkpoints.views, to)
    evidence = _evidence_of_the_hold(review)
    return _intend(
        review,
        PendingTransition(
            transition_id=transition_id(state.rollout, TransitionType.ADVANCE, to),
            type=TransitionType.ADVANCE,
            step=state.next_index,
            from_=state.percent,
            to=to,
            reason="AllConditionsHold",
            message=_why_it_may(review),
            plan_hash=review.status.plan_hash,
            attempt=state.attempt,
            recorded_at=state.now,
            by=_signers(review),
            cohorts=cohorts,
            evidence=evidence.model_copy(
                update={
                    "cohorts": evidence_of(cohorts, to),
                    "windows": (*evidence.windows, *windows_of(state))[:80],
                }
            ),
        ),
    )


def _start_pending(review: Review) -> PendingTransition:
    """The first percentage, or the one that an adopted ConfigMap stands at."""
    state = review.state
    rollout, config_map = state.rollout, state.snapshot.config_map
    index = state.next_index or 0
    percent: int = rollout.spec.steps[index].percent
    reason, message = "Started", f"the first percentage of the plan is {percent}%"
    if not state.has_started and config_map is not None and is_offered(config_map, rollout):
        adopted = adoption(config_map, rollout).percent
        if adopted is not None:
            percent, reason = adopted, ADOPTED
            message = f"ConfigMap {config_map.name} was adopted at {percent}%; nobody was moved"
    cohorts = at_start(rollout.spec, percent)
    return PendingTransition(
        transition_id=transition_id(rollout, TransitionType.START, percent),
        type=TransitionType.START,
        step=index_of(rollout.spec, percent) if percent > 0 else None,
        from_=state.percent,
        to=percent,
        reason=reason,
        message=message,
        plan_hash=review.status.plan_hash,
        attempt=state.attempt,
        recorded_at=state.now,
        by=("surefoot",),
        cohorts=cohorts,
        evidence=review.evidence().model_copy(
            update={"decisions": (), "cohorts": evidence_of(cohorts, percent)}
        ),
    )


def _evidence_of_the_hold(review: Review) -> Evidence:
    """What a step was left on, with the answers of the compliance check."""
    return review.evidence().model_copy(update={"compliance": outcomes(review)})


def _signers(review: Review) -> tuple[str, ...]:
    signers = tuple(f"{item.role}: {item.by}" for item in review.approvals.evidence)
    return signers or ("surefoot",)


def _why_it_may(review: Review) -> str:
    hold = {check.type for check in CHECKS if check.group is Group.HOLD}
    reasons = [
        verdict.message
        for verdict in review.verdicts
        if verdict.condition in hold and verdict.reason != "NotRequired"
    ]
    return "; ".join(reasons) or "every condition holds"


def _complete(review: Review) -> Plan:
    """Completed is one status write with its evidence: the flag already stands at 100%.

    What it used, and what the step before it used, is put on record by the next pass, at once:
    nothing else need happen any more that would bring one about.
    """
    state = review.state
    status = review.status.model_copy(update={"completed_at": state.now})
    status = with_entry(
        status,
        entry(
            state.rollout,
            status,
            TransitionType.COMPLETE,
            reason="AllConditionsHold",
            message=_why_it_may(review),
            now=state.now,
            evidence=_evidence_of_the_hold(review),
            by=_signers(review),
        ),
    )
    status = build_status(review, status)
    return _requeued(_plan(review, status, (WriteStatus(status),), "completes"), AT_ONCE)


def _intend(review: Review, pending: PendingTransition) -> Plan:
    status = build_status(review, review.status.model_copy(update={"pending": pending}))
    return _plan(
        review, status, (Intend(status),), f"decides {describe_move(pending)}: {pending.message}"
    )


# Drift.


def _restore(review: Review) -> Plan:
    """Put the ConfigMap back. Who fights for it is named, counted, and slowed down."""
    drift, state = review.state.drift, review.state
    if drift is None:
        raise ValueError(f"{state.name} has not drifted")
    if drift.by_the_plan:
        return _plan(review, review.status, (Restore(None),), drift.message)
    status = review.status
    account = status.drift
    now = state.now
    if account is not None and account.count and now < account.last_at + DRIFT_PACE:
        wait = account.last_at + DRIFT_PACE - now
        return _requeued(_wait(review), min(wait, review.state.snapshot.evaluation_interval))
    manager = state.snapshot.config_map.manager if state.snapshot.config_map else ""
    if _is_recorded(status) and account is None:
        return _plan(review, status, (Restore(None),), f"restores the ConfigMap: {drift.message}")
    if _is_storm(status, now):
        count = account.count + 1 if account else 1
        first_at = account.first_at if account else now
        status = status.model_copy(
            update={
                "drift": DriftAccount(count=count, first_at=first_at, last_at=now, manager=manager)
            }
        )
    else:
        status = with_entry(status, _drift_entry(review, status, manager, 1))
    status = build_status(review, status)
    by = f" changed by {manager}" if manager else ""
    return _plan(review, status, (Restore(status),), f"restores the ConfigMap{by}: {drift.message}")


def _drift_entry(review: Review, status: RolloutStatus, manager: str, count: int) -> Transition:
    state = review.state
    message = review.state.drift.message if review.state.drift else f"restored {count} times"
    by = f"{manager} changed the ConfigMap: " if manager else ""
    return entry(
        state.rollout,
        status,
        TransitionType.DRIFT_CORRECTED,
        reason="Drifted",
        message=f"{by}{message}",
        now=state.now,
        evidence=Evidence(
            resource_version=state.rollout.metadata.resource_version,
            decided_at=state.now,
            manager=manager,
            count=count,
        ),
    )


def _is_recorded(status: RolloutStatus) -> bool:
    """Whether the drift that is seen now is already in the history: nothing was in sync since."""
    return any(
        condition.type == ConditionType.TARGET_IN_SYNC.value and condition.reason == "Drifted"
        for condition in status.conditions
    )


def _is_storm(status: RolloutStatus, now: datetime) -> bool:
    if status.drift is not None:
        return True
    recent = [
        item
        for item in status.history
        if item.type is TransitionType.DRIFT_CORRECTED and now - item.at < DRIFT_WINDOW
    ]
    return len(recent) >= DRIFT_STORM


def _after_the_storm(review: Review) -> RolloutStatus:
    """Once nobody interfered for a minute, what was only counted becomes one history entry."""
    status, now = review.status, review.state.now
    account = status.drift
    if account is None or review.state.drift is not None or now - account.last_at < DRIFT_WINDOW:
        return status
    status = status.model_copy(update={"drift": None})
    return with_entry(status, _drift_entry(review, status, account.manager, account.count))


# Waiting.


def _wait(review: Review) -> Plan:
    """Nothing moves: say why, ask whom it takes, and keep the record of what they decided.

    Of what is opened the status says more once it is there. The next pass writes that, at once: no
    event tells of what was written by the operator itself.
    """
    state = review.state
    snapshot, now = state.snapshot, state.now
    status = build_status(review, _after_the_storm(review))
    due = write_due_in(snapshot.rollout.status, status, now, snapshot.status_refresh)
    writes: tuple[Action, ...] = (WriteStatus(status),) if due <= ZERO else ()
    rehearsal = review.rehearsal.due
    rehearses = (rehearsal,) if rehearsal is not None else ()
    openings = _openings(review)
    actions = (*writes, *_bookkeeping(review), *openings, *rehearses)
    plan = _plan(review, status, actions, f"waits: {status.waiting_on}")
    plan = _requeued(plan, due if due > ZERO else snapshot.evaluation_interval)
    if openings:
        return _requeued(plan, AT_ONCE)
    if actions:
        return plan
    changes = _time_changes_in(review, plan.next_change)
    return replace(plan, calm=calm_until(review, now + min(due, changes)))


def _bookkeeping(review: Review) -> tuple[Action, ...]:
    """What the status of every request must say by now."""
    meeting = (review.approvals.meeting,) if review.approvals.meeting is not None else ()
    tried = review.dry_run
    return (
        *records(review.state, (*review.checkpoints.views, *meeting), review.approvals.views),
        *(() if tried.situation is None else records(tried.situation, (), tried.views)),
    )


def _openings(review: Review) -> tuple[Action, ...]:
    """The requests that must be opened now."""
    return (
        *review.checkpoints.opens,
        *review.approvals.opens,
        *left_open(review.state),
        *review.dry_run.opens,
    )


def _plan(review: Review, status: RolloutStatus, actions: tuple[Action, ...], summary: str) -> Plan:
    next_change = _next_change(review)
    return Plan(
        status=status,
        actions=actions,
        announcements=_announcements(review, status) if any(map(_writes_status, actions)) else (),
        requeue_after=_look_again_in(review, next_change),
        summary=summary,
        next_change=next_change,
    )


def _writes_status(action: Action) -> bool:
    if isinstance(action, Restore):
        return action.status is not None
    return isinstance(action, WriteStatus | Intend | Abandon)


def _requeued(plan: Plan, after: timedelta) -> Plan:
    return replace(plan, requeue_after=max(ZERO, min(plan.requeue_after, after)))


def _idle(status: RolloutStatus, after: timedelta, summary: str) -> Plan:
    return Plan(status, (), (), after, summary)


def _next_change(review: Review) -> datetime | None:
    """The next moment at which the verdict of a check may change by time alone."""
    state = review.state
    moments = (
        check.next_change(state, review.judgements[check.type])
        for check in CHECKS
        if check.next_change is not no_change
        and (not state.is_complete or check.outlives_completion)
    )
    ahead = (moment for moment in moments if moment is not None and moment > state.now)
    return min(ahead, default=None)


def _look_again_in(review: Review, next_change: datetime | None) -> timedelta:
    """When something may happen next that no event tells of."""
    snapshot, changes = review.state.snapshot, _time_changes_in(review, next_change)
    # A ConfigMap that is not managed yet is not watched.
    is_foreign = snapshot.config_map is not None and snapshot.rollout.status.committed is None
    if snapshot.rollout.spec.metrics or is_foreign:
        return min(changes, snapshot.evaluation_interval)
    return changes


def _time_changes_in(review: Review, next_change: datetime | None) -> timedelta:
    """When something that is only a matter of time happens next."""
    state = review.state
    ahead = [
        state.snapshot.status_refresh,
        escalation.next_moment(state) if state.asks_people else None,
        DRIFT_PACE if review.status.drift else None,
        None if next_change is None else next_change - state.now,
    ]
    return min(length for length in ahead if length is not None and length > ZERO)


def _awaits_first_answers(snapshot: Snapshot, now: datetime) -> bool:
    """Whether a query is not parsed yet, or one of a judged Rollout has no answer at all yet.

    The latter is so only right after the operator has started. To judge now would say NoData for a
    moment, pause the soak and wake people, for nothing. A provider that is down answers too: with
    an outcome.
    """
    rollout = snapshot.rollout
    if any(not query.is_known for query in snapshot.queries.values()):
        return True  # its text is being parsed, which takes a moment
    if rollout.status.observed_generation != rollout.metadata.generation:
        return False
    asked = metric_queries(rollout, now, snapshot.evaluation_interval)
    return any(
        name not in snapshot.measurements
        and metric_fault(snapshot, metric_of(name)) is None
        and (name not in snapshot.unanswered_since or awaits_first_answer(snapshot, name, now))
        for name in asked
    )


def _announcements(review: Review, status: RolloutStatus) -> tuple[Announcement, ...]:
    """Events for what the status says now and did not say before."""
    before = review.state.rollout.status
    known = {item.transition_id for item in before.history}
    announcements = [
        announcement(item) for item in status.history if item.transition_id not in known
    ]
    announcements += trigger_announcements(before, review.state.triggers)
    reasons = {c.type: c.reason for c in before.conditions}
    for condition, reason in (
        (ConditionType.NOT_PAUSED, "Halted"),
        (ConditionType.PLAN_VALID, None),
    ):
        verdict = review.verdict(condition)
        is_new = reasons.get(condition.value) != verdict.reason
        if verdict.holds is False and is_new and reason in {None, verdict.reason}:
            announcements.append(
                Announcement(
                    reason or "InvalidPlan",
                    verdict.message,
                    warning=True,
                    command=_first_command(verdict),
                )
            )
    known_warnings = {(warned.reason, warned.path) for warned in before.warnings}
    announcements += [
        Announcement("PlanWarning", f"{w.path}: {w.message}", warning=True, about=w.path)
        for w in status.warnings
        if (w.reason, w.path) not in known_warnings
    ]
    known_unreadable = {(fact.kind, fact.name) for fact in before.unreadable}
    announcements += [
        Announcement("Unreadable", f"{u.kind} {u.name}: {u.message}", warning=True, about=u.name)
        for u in status.unreadable
        if (u.kind, u.name) not in known_unreadable
    ]
    announcements += _news_of_soak(review, before.soak)
    announcements += _news_of_admission(review, reasons.get(ConditionType.ADMISSION_ENFORCED.value))
    announcements += _news_of_rehearsals(before.rehearsal, status.rehearsal)
    announcements += escalation_events(review.state, before.blocked_by, status.blocked_by)
    return tuple(announcements)


def _news_of_soak(review: Review, before: SoakStatus | None) -> tuple[Announcement, ...]:
    """That time was lost to the soak because nobody can look at it any more."""
    soak = review.state.soak
    if soak is None or not soak.not_read_back:
        return ()
    if before is not None and soak.not_read_back <= parse_elapsed(before.not_read_back or "0s"):
        return ()
    message = review.verdict(ConditionType.SOAK_COMPLETE).message
    return (Announcement("SoakNotReadBack", message, warning=True, about="soak"),)


def _news_of_admission(review: Review, before: str | None) -> tuple[Announcement, ...]:
    """That signatures are verified from now on, or no longer; not knowing it is no news."""
    verdict = review.verdict(ConditionType.ADMISSION_ENFORCED)
    if before in {None, verdict.reason} or review.state.snapshot.admission is Admission.UNKNOWN:
        return ()
    if review.state.verified:
        return (Announcement("AdmissionEnforced", verdict.message),)
    return (
        Announcement(
            "AdmissionNotEnforced",
            verdict.message,
            warning=True,
            command=_first_command(verdict),
            about="admission",
        ),
    )


def _first_command(verdict: Verdict) -> str | None:
    return next((item.command for item in verdict.unmet if item.command), None)


def _news_of_rehearsals(
    before: RehearsalStatus | None, now: RehearsalStatus | None
) -> tuple[Announcement, ...]:
    if now is None or now == before:
        return ()
    failed = now.outcome != PASSED
    words = f"rehearsal run {now.run}, {now.took}: {now.message}"
    return (Announcement(f"Rehearsal{now.outcome}", words, warning=failed),)
