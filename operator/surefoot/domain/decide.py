"""The decision: from frozen facts and a moment to a plan. The only place where anything is decided.

Rollback outranks everything, then what is already recorded, then drift, then the next step. A step
is taken when every condition holds, and by nothing else.
"""

from datetime import datetime, timedelta

from surefoot.api.v1alpha1.meta import TRANSITION_ID_ANNOTATION
from surefoot.api.v1alpha1.rollout_status import (
    DriftAccount,
    Evidence,
    PendingTransition,
    RehearsalStatus,
    RolloutStatus,
    Transition,
    TransitionType,
    TriggerState,
)
from surefoot.domain.checks import rehearsal, schedule
from surefoot.domain.checks.plan_valid import metric_fault
from surefoot.domain.compliance import outcomes
from surefoot.domain.derive.baseline import metric_of
from surefoot.domain.due import write_due_in
from surefoot.domain.facts.plan_hash import plan_hash
from surefoot.domain.facts.snapshot import Admission, Snapshot
from surefoot.domain.facts.steps import ZERO, index_of
from surefoot.domain.facts.verdicts import NEEDED_TO_START, ConditionType, Verdict
from surefoot.domain.flag.cohorts import at_rollback, at_start, at_step, evidence_of, windows_of
from surefoot.domain.flag.config_map import (
    adoption,
    belongs_to,
    carries,
    difference,
    is_offered,
    is_percentage,
    rendering_of,
    written_at,
)
from surefoot.domain.metric_queries import metric_queries
from surefoot.domain.plan import (
    Abandon,
    Action,
    Announcement,
    Apply,
    Commit,
    Intend,
    Plan,
    Restore,
    WriteStatus,
)
from surefoot.domain.record.transitions import announcement, entry, transition_id, with_entry
from surefoot.domain.review import Review, evaluate
from surefoot.domain.rollback import Rollback, required_rollback
from surefoot.domain.signoff import checkpoints, escalation
from surefoot.domain.signoff.approvals import until_expiry
from surefoot.domain.signoff.conditions import left_open
from surefoot.domain.signoff.escalation import escalation_events
from surefoot.domain.signoff.records import records
from surefoot.domain.status import build_status

AT_ONCE = ZERO
DRIFT_STORM = 5
DRIFT_WINDOW = timedelta(minutes=1)
DRIFT_PACE = timedelta(seconds=10)


def decide(snapshot: Snapshot, now: datetime) -> Plan:
    """What to do about a Rollout now. ``now`` is the API server's time, not later than the truth.

    Deterministic: the same facts at the same moment give the same plan.
    """
    rollout = snapshot.rollout
    if rollout.metadata.deletion_timestamp is not None:
        return _idle(
            rollout.status, snapshot.status_refresh, "is being deleted: nothing is applied"
        )
    review = evaluate(snapshot, now)
    wanted = required_rollback(review)
    if rollout.status.pending is not None:
        return _with_pending(review, rollout.status.pending, wanted)
    if wanted is not None:
        return _intend(review, _rollback_pending(review, wanted))
    if _awaits_first_answers(snapshot, now):
        return _idle(rollout.status, timedelta(seconds=1), "waits for the first metrics")
    late = _late_start(review)
    if late is not None:
        return _intend(review, late)
    if review.drift is not None:
        return _restore(review)
    if _all_hold(review):
        return _take_the_step(review)
    return _wait(review)


# What is already recorded.


def _with_pending(review: Review, pending: PendingTransition, wanted: Rollback | None) -> Plan:
    """Go on with a recorded transition, or abandon it where somebody or something said stop."""
    rollout, config_map = review.situation.rollout, review.situation.snapshot.config_map
    if config_map is not None and carries(config_map, rendering_of(rollout, pending)):
        return _plan(review, review.status, (Commit(pending),), f"commits {_said(pending)}")
    if pending.type is TransitionType.ROLLBACK:
        return _plan(review, review.status, (Apply(pending),), f"goes on with {_said(pending)}")
    stop = _stop(review, pending, wanted)
    if stop is None and _needed_for(review, pending):
        return _plan(review, review.status, (Apply(pending),), f"goes on with {_said(pending)}")
    stop = stop or _interference(review)
    if stop is None:
        return _wait(review)
    replacement = _rollback_pending(review, wanted) if wanted is not None else None
    status = build_status(review, review.status.model_copy(update={"pending": replacement}))
    # A first Start has no ConfigMap to mark: if its create lands late, it is committed.
    action = Abandon(pending, status, marks_config_map=review.situation.has_started)
    return _plan(review, status, (action,), f"abandons {_said(pending)}: {stop}")


def _interference(review: Review) -> str | None:
    """Somebody changed the ConfigMap while a recorded advance waits: it is restored first."""
    situation, committed = review.situation, review.status.committed
    if committed is None:
        return None
    rendering = rendering_of(situation.rollout, committed)
    uid = situation.rollout.metadata.uid
    changed = difference(situation.snapshot.config_map, rendering, uid)
    if changed is None or changed.by_the_plan:
        return None
    return f"the ConfigMap was changed: {changed.message}"


def _stop(review: Review, pending: PendingTransition, wanted: Rollback | None) -> str | None:
    """The positive reason against a recorded advance, if there is one. Missing data only wait."""
    situation, spec = review.situation, review.situation.rollout.spec
    for reason, applies in (
        ("a rollback is wanted", wanted is not None),
        ("a trigger fires", bool(review.firing)),
        ("spec.rollback is lower", spec.rollback is not None and spec.rollback.to < pending.to),
        ("it is paused or halted", not review.holds(ConditionType.NOT_PAUSED)),
        ("somebody decided NO-GO", review.has_no_go),
        ("the plan is not valid", not review.holds(ConditionType.PLAN_VALID)),
        (
            "admission is not enforced",
            review.verdict(ConditionType.ADMISSION_ENFORCED).holds is False,
        ),
        # Known, and it may last for days: what was found before it must not be acted on after it.
        ("a freeze is in force", not review.holds(ConditionType.WITHIN_SCHEDULE)),
        (
            "a Rollout that it depends on is not where it must be",
            not review.holds(ConditionType.DEPENDENCIES_MET),
        ),
        ("the plan has changed", _plan_has_changed(review, pending)),
        ("the attempt was raised", max(spec.attempt or 0, situation.attempt) != pending.attempt),
    ):
        if applies:
            return reason
    return None


def _plan_has_changed(review: Review, pending: PendingTransition) -> bool:
    return not review.faults and plan_hash(review.situation.rollout.spec) != pending.plan_hash


def _needed_for(review: Review, pending: PendingTransition) -> bool:
    if pending.type is TransitionType.START:
        return all(review.holds(condition) for condition in NEEDED_TO_START)
    return all(verdict.holds for verdict in review.verdicts)


def _late_start(review: Review) -> PendingTransition | None:
    """A Start whose create landed after it was abandoned, or whose answer was never seen.

    The ConfigMap is this Rollout's and nobody else could have written it: it is recorded once more,
    under the id that it carries, and committed.
    """
    situation, config_map = review.situation, review.situation.snapshot.config_map
    if situation.has_started or config_map is None:
        return None
    rollout = situation.rollout
    text = config_map.data.get(rollout.spec.target.flags[0], "")
    written = config_map.annotations.get(TRANSITION_ID_ANNOTATION, "")
    if not belongs_to(config_map, rollout) or not is_percentage(text) or not written:
        return None
    percent = int(text)
    index = index_of(rollout.spec, percent)
    cohorts = at_start(rollout.spec, percent)
    return PendingTransition(
        transition_id=written,
        type=TransitionType.START,
        step=index if percent > 0 else None,
        to=percent,
        reason="AppliedLate",
        message=f"a Start to {percent} % had been applied when it was found",
        plan_hash=review.status.plan_hash,
        attempt=situation.attempt,
        recorded_at=written_at(config_map, rollout) or situation.now,
        by=("surefoot",),
        cohorts=cohorts,
        evidence=Evidence(decided_at=situation.now, cohorts=evidence_of(cohorts, percent)),
    )


# Rollback.


def _rollback_pending(review: Review, wanted: Rollback) -> PendingTransition:
    situation = review.situation
    spec = situation.rollout.spec
    cohorts = at_rollback(situation.status, wanted.to)
    return PendingTransition(
        transition_id=transition_id(situation.rollout, TransitionType.ROLLBACK, wanted.to),
        type=TransitionType.ROLLBACK,
        step=index_of(spec, wanted.to) if wanted.to > 0 else None,
        from_=situation.percent,
        to=wanted.to,
        reason=wanted.reason,
        message=wanted.message,
        plan_hash=review.status.plan_hash,
        attempt=max(spec.attempt or 0, situation.attempt),
        recorded_at=situation.now,
        by=wanted.by,
        cohorts=cohorts,
        evidence=review.evidence().model_copy(
            update={"decisions": (), "cohorts": evidence_of(cohorts, wanted.to)}
        ),
    )


# The next step.


def _all_hold(review: Review) -> bool:
    return not review.situation.is_complete and not review.in_the_way


def _take_the_step(review: Review) -> Plan:
    situation = review.situation
    if situation.next_index is None:
        return _complete(review)
    if not situation.has_started or situation.is_below_first:
        return _intend(review, _start_pending(review))
    to = situation.rollout.spec.steps[situation.next_index].percent
    cohorts = at_step(situation, review.checkpoints.views, to)
    evidence = _evidence_of_the_hold(review)
    return _intend(
        review,
        PendingTransition(
            transition_id=transition_id(situation.rollout, TransitionType.ADVANCE, to),
            type=TransitionType.ADVANCE,
            step=situation.next_index,
            from_=situation.percent,
            to=to,
            reason="AllConditionsHold",
            message=_why_it_may(review),
            plan_hash=review.status.plan_hash,
            attempt=situation.attempt,
            recorded_at=situation.now,
            by=_signers(review),
            cohorts=cohorts,
            evidence=evidence.model_copy(
                update={
                    "cohorts": evidence_of(cohorts, to),
                    "windows": (*evidence.windows, *windows_of(situation))[:80],
                }
            ),
        ),
    )


def _start_pending(review: Review) -> PendingTransition:
    """The first percentage, or the one that an adopted ConfigMap stands at."""
    situation = review.situation
    rollout, config_map = situation.rollout, situation.snapshot.config_map
    index = situation.next_index or 0
    percent: int = rollout.spec.steps[index].percent
    reason, message = "Started", f"the first percentage of the plan is {percent} %"
    if not situation.has_started and config_map is not None and is_offered(config_map, rollout):
        adopted = adoption(config_map, rollout).percent
        if adopted is not None:
            percent, reason = adopted, "Adopted"
            message = f"ConfigMap {config_map.name} was adopted at {percent} %; nobody was moved"
    cohorts = at_start(rollout.spec, percent)
    return PendingTransition(
        transition_id=transition_id(rollout, TransitionType.START, percent),
        type=TransitionType.START,
        step=index_of(rollout.spec, percent) if percent > 0 else None,
        from_=situation.percent,
        to=percent,
        reason=reason,
        message=message,
        plan_hash=review.status.plan_hash,
        attempt=situation.attempt,
        recorded_at=situation.now,
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
    said = [
        review.verdict(condition).message
        for condition in (
            ConditionType.SOAK_COMPLETE,
            ConditionType.BASELINE_RECORDED,
            ConditionType.CHECKPOINTS_PASSED,
            ConditionType.GATES_HEALTHY,
            ConditionType.COVERAGE_OBSERVED,
            ConditionType.APPROVED,
        )
        if review.verdict(condition).reason != "NotRequired"
    ]
    return "; ".join(said) or "every condition holds"


def _complete(review: Review) -> Plan:
    """Completed is one status write with its evidence: the flag already stands at 100 %.

    What it used, and what the step before it used, is put on record by the next pass, at once:
    nothing else need happen any more that would bring one about.
    """
    situation = review.situation
    status = review.status.model_copy(update={"completed_at": situation.now})
    status = with_entry(
        status,
        entry(
            situation.rollout,
            status,
            TransitionType.COMPLETE,
            reason="AllConditionsHold",
            message=_why_it_may(review),
            now=situation.now,
            evidence=_evidence_of_the_hold(review),
            by=_signers(review),
        ),
    )
    status = build_status(review, status)
    return _requeued(_plan(review, status, (WriteStatus(status),), "completes"), AT_ONCE)


def _intend(review: Review, pending: PendingTransition) -> Plan:
    status = build_status(review, review.status.model_copy(update={"pending": pending}))
    return _plan(review, status, (Intend(status),), f"decides {_said(pending)}: {pending.message}")


# Drift.


def _restore(review: Review) -> Plan:
    """Put the ConfigMap back. Who fights for it is named, counted, and slowed down."""
    drift, situation = review.drift, review.situation
    if drift is None:
        raise ValueError(f"{situation.name} has not drifted")
    if drift.by_the_plan:
        return _plan(review, review.status, (Restore(None),), drift.message)
    status = review.status
    account = status.drift
    now = situation.now
    if account is not None and account.count and now < account.last_at + DRIFT_PACE:
        wait = account.last_at + DRIFT_PACE - now
        return _requeued(_wait(review), min(wait, review.situation.snapshot.evaluation_interval))
    manager = situation.snapshot.config_map.manager if situation.snapshot.config_map else ""
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
    situation = review.situation
    message = review.drift.message if review.drift else f"restored {count} times"
    by = f"{manager} changed the ConfigMap: " if manager else ""
    return entry(
        situation.rollout,
        status,
        TransitionType.DRIFT_CORRECTED,
        reason="Drifted",
        message=f"{by}{message}",
        now=situation.now,
        evidence=Evidence(
            resource_version=situation.rollout.metadata.resource_version,
            decided_at=situation.now,
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
    status, now = review.status, review.situation.now
    account = status.drift
    if account is None or review.drift is not None or now - account.last_at < DRIFT_WINDOW:
        return status
    status = status.model_copy(update={"drift": None})
    return with_entry(status, _drift_entry(review, status, account.manager, account.count))


# Waiting.


def _wait(review: Review) -> Plan:
    """Nothing moves: say why, ask whom it takes, and keep the record of what they decided."""
    situation = review.situation
    snapshot, now = situation.snapshot, situation.now
    status = build_status(review, _after_the_storm(review))
    due = write_due_in(snapshot.rollout.status, status, now, snapshot.status_refresh)
    tried = review.dry_run
    opens = (
        *review.checkpoints.opens,
        *review.approvals.opens,
        *left_open(situation),
        *tried.opens,
    )
    meeting = (review.approvals.meeting,) if review.approvals.meeting is not None else ()
    kept = records(situation, (*review.checkpoints.views, *meeting), review.approvals.views)
    kept += records(tried.situation, (), tried.views)
    writes: tuple[Action, ...] = (WriteStatus(status),) if due <= ZERO else ()
    rehearses = (review.rehearsal,) if review.rehearsal is not None else ()
    actions = (*writes, *kept, *opens, *rehearses)
    plan = _plan(review, status, actions, f"waits: {status.waiting_on}")
    return _requeued(plan, due if due > ZERO else snapshot.evaluation_interval)


def _plan(review: Review, status: RolloutStatus, actions: tuple[Action, ...], summary: str) -> Plan:
    return Plan(
        status=status,
        actions=actions,
        announcements=_announcements(review, status) if any(map(_writes_status, actions)) else (),
        requeue_after=_look_again_in(review),
        summary=summary,
    )


def _writes_status(action: Action) -> bool:
    if isinstance(action, Restore):
        return action.status is not None
    return isinstance(action, WriteStatus | Intend | Abandon)


def _requeued(plan: Plan, after: timedelta) -> Plan:
    return Plan(
        status=plan.status,
        actions=plan.actions,
        announcements=plan.announcements,
        requeue_after=max(ZERO, min(plan.requeue_after, after)),
        summary=plan.summary,
    )


def _idle(status: RolloutStatus, after: timedelta, summary: str) -> Plan:
    return Plan(status, (), (), after, summary)


def _look_again_in(review: Review) -> timedelta:
    """When something that is only a matter of time happens next."""
    situation = review.situation
    snapshot, now = situation.snapshot, situation.now
    halt = snapshot.halt
    freezes_or_thaws = schedule.next_change(situation)
    ages = rehearsal.next_moment(situation)
    ahead = [
        snapshot.status_refresh,
        snapshot.evaluation_interval if snapshot.rollout.spec.metrics else None,
        review.soak.left if review.soak and review.soak.running and review.soak.left else None,
        _warm_up_left(review),
        checkpoints.next_moment(situation) if situation.asks_people else None,
        escalation.next_moment(situation) if situation.asks_people else None,
        until_expiry(review.approvals, now),
        halt.until - now if halt is not None and halt.until is not None else None,
        freezes_or_thaws - now if freezes_or_thaws is not None else None,
        ages - now if ages is not None else None,
        DRIFT_PACE if review.status.drift else None,
    ]
    positive = [length for length in ahead if length is not None and length > ZERO]
    return min(positive)


def _warm_up_left(review: Review) -> timedelta | None:
    began = review.situation.began
    return None if began is None else began + review.situation.hold.warm_up - review.situation.now


def _awaits_first_answers(snapshot: Snapshot, now: datetime) -> bool:
    """Whether a Rollout that was judged before has metrics that nobody has answered for yet.

    Only right after the operator has started. To judge now would say NoData for a moment, pause the
    soak and wake people, for nothing. A provider that is down answers too: with an outcome.
    """
    rollout = snapshot.rollout
    if rollout.status.observed_generation != rollout.metadata.generation:
        return False
    asked = metric_queries(rollout, now, snapshot.evaluation_interval)
    return any(
        name not in snapshot.measurements and metric_fault(snapshot, metric_of(name)) is None
        for name in asked
    )


def _announcements(review: Review, status: RolloutStatus) -> tuple[Announcement, ...]:
    """Events for what the status says now and did not say before."""
    before = review.situation.rollout.status
    known = {item.transition_id for item in before.history}
    said = [announcement(item) for item in status.history if item.transition_id not in known]
    fired = {t.name for t in before.triggers if t.state is TriggerState.FIRING}
    said += [
        Announcement("TriggerFiring", f"trigger {v.name}: {v.message}", warning=True, about=v.name)
        for v in review.firing
        if v.name not in fired
    ]
    reasons = {c.type: c.reason for c in before.conditions}
    for condition, reason in (
        (ConditionType.NOT_PAUSED, "Halted"),
        (ConditionType.PLAN_VALID, None),
    ):
        verdict = review.verdict(condition)
        is_new = reasons.get(condition.value) != verdict.reason
        if verdict.holds is False and is_new and reason in {None, verdict.reason}:
            said.append(
                Announcement(
                    reason or "InvalidPlan",
                    verdict.message,
                    warning=True,
                    command=_first_command(verdict),
                )
            )
    said += _news_of_admission(review, reasons.get(ConditionType.ADMISSION_ENFORCED.value))
    said += _news_of_rehearsals(before.rehearsal, status.rehearsal)
    said += escalation_events(review.situation, before.blocked_by, status.blocked_by)
    return tuple(said)


def _news_of_admission(review: Review, before: str | None) -> tuple[Announcement, ...]:
    """That signatures are verified from now on, or no longer; not knowing it is no news."""
    verdict = review.verdict(ConditionType.ADMISSION_ENFORCED)
    if before in {None, verdict.reason} or review.situation.snapshot.admission is Admission.UNKNOWN:
        return ()
    if review.situation.verified:
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
    failed = now.outcome != rehearsal.PASSED
    words = f"rehearsal run {now.run}, {now.took}: {now.message}"
    return (Announcement(f"Rehearsal{now.outcome}", words, warning=failed),)


def _said(pending: PendingTransition) -> str:
    start = "" if pending.from_ is None else f"{pending.from_} % → "
    return f"{pending.type.value} {start}{pending.to} %"
