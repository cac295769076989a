"""The review: what is so now. First what has changed since, then a verdict on every condition."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from surefoot.api.v1alpha1.durations import format_elapsed, in_words, parse_elapsed
from surefoot.api.v1alpha1.rollout import Rollout, TriggerAction
from surefoot.api.v1alpha1.rollout_status import (
    Evidence,
    PlanRecord,
    Readiness,
    RolloutStatus,
    TransitionType,
    TriggerState,
    WindowEvidence,
)
from surefoot.domain.checks.coverage import judge_coverage
from surefoot.domain.checks.dependencies import judge_dependencies, upstream_evidence
from surefoot.domain.checks.gates import GatesJudgement, judge_gates
from surefoot.domain.checks.plan_valid import judge_expansion, plan_faults, valid_triggers
from surefoot.domain.checks.rehearsal import judge_rehearsal, recorded
from surefoot.domain.checks.schedule import judge_schedule
from surefoot.domain.checks.scorecard import Evidences, judge_scorecard, score
from surefoot.domain.derive.baseline import BaselineJudgement, judge_baseline, without_step
from surefoot.domain.derive.soak import SoakAccount, accrue_soak
from surefoot.domain.derive.state import State, state_of_rollout
from surefoot.domain.derive.triggers import TriggerVerdict, judge_triggers
from surefoot.domain.facts.plan_hash import SOAK_BEARING_PARTS, changed_parts, plan_hash, plan_parts
from surefoot.domain.facts.snapshot import Admission, Snapshot
from surefoot.domain.facts.verdicts import (
    NEEDED_TO_START,
    ConditionType,
    UnmetRequirement,
    Verdict,
    blocks,
    not_required,
    passes,
)
from surefoot.domain.flag.config_map import Difference, difference, rendering_of
from surefoot.domain.plan import Rehearse
from surefoot.domain.record.transitions import entry, with_entry
from surefoot.domain.signoff.approvals import ApprovalsJudgement, judge_approvals
from surefoot.domain.signoff.checkpoints import CheckpointsJudgement, judge_checkpoints
from surefoot.domain.signoff.dry_run import DryRun, judge_dry_run, split_dry_runs

_NOT_ASKED_FOR = (ConditionType.DELIVERY_OBSERVED,)
"""Aspects whose features come later: a plan that asks for one of them is not valid."""

_OF_THE_HOLD = (
    ConditionType.SOAK_COMPLETE,
    ConditionType.BASELINE_RECORDED,
    ConditionType.CHECKPOINTS_PASSED,
    ConditionType.GATES_HEALTHY,
    ConditionType.COVERAGE_OBSERVED,
    ConditionType.APPROVED,
)


@dataclass(frozen=True, slots=True)
class Review:
    """Everything that is so now.

    ``status`` has what changed since the last one was written: plan, attempt, soak account, the
    moment up to which decisions are void. ``rehearsal`` is the one to be run now. ``verdicts`` has
    one entry for every condition.
    """

    situation: State
    status: RolloutStatus
    faults: tuple[UnmetRequirement, ...]
    triggers: tuple[TriggerVerdict, ...]
    soak: SoakAccount | None
    baseline: BaselineJudgement
    checkpoints: CheckpointsJudgement
    gates: GatesJudgement
    approvals: ApprovalsJudgement
    windows: tuple[WindowEvidence, ...]
    drift: Difference | None
    rehearsal: Rehearse | None
    verdicts: tuple[Verdict, ...]
    readiness: Readiness | None
    dry_run: DryRun

    def verdict(self, condition: ConditionType) -> Verdict:
        """The verdict on one condition."""
        return next(verdict for verdict in self.verdicts if verdict.condition is condition)

    def holds(self, condition: ConditionType) -> bool:
        """Whether a condition does not block."""
        return self.verdict(condition).holds is True

    @property
    def firing(self) -> tuple[TriggerVerdict, ...]:
        """The triggers that fire now."""
        return tuple(v for v in self.triggers if v.state is TriggerState.FIRING)

    @property
    def in_the_way(self) -> tuple[Verdict, ...]:
        """The verdicts that keep the next step from being taken. A Start asks for fewer."""
        asked = set(ConditionType)
        if not self.situation.has_started or self.situation.is_below_first:
            asked = {*NEEDED_TO_START, *((ConditionType.TRIGGERS_QUIET,) if self.firing else ())}
        return tuple(v for v in self.verdicts if v.condition in asked and v.holds is not True)

    @property
    def has_no_go(self) -> bool:
        """Whether somebody's NO-GO stands."""
        return bool(self.checkpoints.against or self.approvals.against)

    def evidence(self) -> Evidence:
        """Every input of this review that a decision on it uses."""
        metadata = self.situation.rollout.metadata
        return Evidence(
            resource_version=metadata.resource_version,
            generation=metadata.generation,
            decided_at=self.situation.now,
            since=self.status.since,
            soak=self.soak.as_status() if self.soak else None,
            windows=(
                *(verdict.evidence for verdict in self.triggers if verdict.evidence),
                *self.windows,
            )[:80],
            baselines=tuple(
                entry for entry in self.status.baselines if entry.percent == self.status.percent
            )[:32],
            decisions=(*self.checkpoints.evidence, *self.approvals.evidence)[:80],
            conditions=tuple(f"{v.condition.value}={v.reason}" for v in self.verdicts if v.holds),
            admission=self.situation.snapshot.admission.value,
            upstreams=upstream_evidence(self.situation.rollout, self.situation.snapshot.upstreams),
        )


def evaluate(snapshot: Snapshot, now: datetime) -> Review:
    """Judge every condition of a Rollout. Dry runs of the approval are judged apart."""
    snapshot, tries = split_dry_runs(snapshot)
    rollout = snapshot.rollout
    faults = plan_faults(snapshot)
    later_bound = now + snapshot.clock_uncertainty
    status = _with_plan(rollout, rollout.status, now, later_bound, valid=not faults)
    status = _with_attempt(status, rollout, now, later_bound)
    status = recorded(status, snapshot.rehearsed)
    situation = state_of_rollout(snapshot, status, now, plan_is_valid=not faults)
    triggers = (
        ()
        if situation.is_complete
        else judge_triggers(snapshot, status, valid_triggers(snapshot), now)
    )
    soak = _soak(situation, triggers)
    status = _with_void(_with_soak(status, soak), triggers, soak, now)
    situation = state_of_rollout(snapshot, status, now, plan_is_valid=not faults)
    baseline = judge_baseline(situation)
    status = status.model_copy(update={"baselines": baseline.baselines})
    situation = state_of_rollout(snapshot, status, now, plan_is_valid=not faults)
    checkpoints = judge_checkpoints(situation)
    gates = judge_gates(snapshot, status, situation.hold, situation.began, now)
    coverage, counted = judge_coverage(situation)
    approvals = judge_approvals(
        situation,
        hold_is_satisfied=(soak is not None and soak.is_complete)
        and baseline.verdict.holds is True
        and checkpoints.verdict.holds is True,
        reporters=checkpoints.reporters,
        replaced_at=checkpoints.replaced_at,
        meeting=checkpoints.meeting,
    )
    drift = _drift(situation)
    plan_valid, not_paused = _plan_valid(faults), _not_paused(snapshot, now)
    rehearsal = judge_rehearsal(situation, obstacle=_obstacle(plan_valid, not_paused))
    verdicts = (
        plan_valid,
        _target_in_sync(situation, drift),
        _admission(snapshot.admission, snapshot.admission_fault),
        not_paused,
        _not_rolled_back(situation),
        _triggers_quiet(situation, triggers),
        _soak_complete(situation, soak, triggers),
        baseline.verdict,
        checkpoints.verdict,
        gates.verdict,
        coverage,
        approvals.verdict,
        rehearsal.verdict,
        judge_expansion(rollout.spec),
        judge_schedule(situation),
        judge_dependencies(rollout, snapshot.upstreams, snapshot.shared_namespaces),
        *(not_required(condition) for condition in _NOT_ASKED_FOR),
    )
    readiness = _readiness(situation, verdicts, checkpoints)
    assessed = judge_scorecard(rollout.spec, readiness, is_complete=situation.is_complete)
    return Review(
        situation=situation,
        status=status,
        faults=faults,
        triggers=triggers,
        soak=soak,
        baseline=baseline,
        checkpoints=checkpoints,
        gates=gates,
        approvals=approvals,
        windows=(*counted, *gates.windows),
        drift=drift,
        rehearsal=rehearsal.due,
        verdicts=_in_order(_settled(situation, (*verdicts, assessed))),
        readiness=readiness,
        dry_run=judge_dry_run(situation, tries, checkpoints.reporters),
    )


def _in_order(verdicts: tuple[Verdict, ...]) -> tuple[Verdict, ...]:
    by_aspect = {verdict.condition: verdict for verdict in verdicts}
    return tuple(by_aspect[condition] for condition in ConditionType)


def _readiness(
    situation: State, verdicts: tuple[Verdict, ...], checkpoints: CheckpointsJudgement
) -> Readiness | None:
    """The score of the step ahead; once complete there is none."""
    if situation.is_complete:
        return None
    return score(
        Evidences(
            situation=situation,
            verdicts={verdict.condition: verdict for verdict in verdicts},
            checkpoints=checkpoints.views,
        )
    )


def _settled(situation: State, verdicts: tuple[Verdict, ...]) -> tuple[Verdict, ...]:
    """Once completed, nothing of the hold is asked any more."""
    if not situation.is_complete:
        return verdicts
    return tuple(
        passes(verdict.condition, "Completed", "the rollout is complete")
        if verdict.condition in _OF_THE_HOLD
        else verdict
        for verdict in verdicts
    )


# What changed since the status was written.


def _with_plan(
    rollout: Rollout, status: RolloutStatus, now: datetime, later_bound: datetime, *, valid: bool
) -> RolloutStatus:
    """The status under the plan that is in force: the last valid one.

    A hold that starts anew starts at the later bound of the clock: a soak is never short.
    """
    new_hash = plan_hash(rollout.spec)
    if not valid or new_hash == status.plan_hash or status.pending is not None:
        return status
    parts = plan_parts(rollout.spec)
    changed = changed_parts(status.plan.parts, parts) if status.plan else ()
    record = {"plan_hash": new_hash, "plan": PlanRecord(parts=parts)}
    if not status.plan_hash or status.percent is None:
        return status.model_copy(update=record)
    keeps_soak = status.plan is not None and not set(changed) & set(SOAK_BEARING_PARTS)
    if not keeps_soak:
        record |= {
            "hold_since": later_bound,
            "soak": None,
            "baselines": without_step(status.baselines, status.percent),
        }
    status = status.model_copy(update=record)
    kept = "the soak goes on" if keeps_soak else "the soak starts anew"
    return with_entry(
        status,
        entry(
            rollout,
            status,
            TransitionType.PLAN_CHANGED,
            reason="PlanChanged",
            message=f"{', '.join(changed)} changed: approvals are void, {kept}",
            now=now,
            evidence=Evidence(
                resource_version=rollout.metadata.resource_version,
                generation=rollout.metadata.generation,
                decided_at=now,
                changed_fields=changed[:64],
            ),
        ),
    )


def _with_attempt(
    status: RolloutStatus, rollout: Rollout, now: datetime, later_bound: datetime
) -> RolloutStatus:
    """The status in the attempt that a person asks for; it only rises.

    Before Start and after Completed there is nothing to try again: the number is noted.
    """
    wanted = max(rollout.spec.attempt or 0, status.attempt or 0)
    if status.attempt is None or status.percent is None or status.completed_at is not None:
        return status.model_copy(update={"attempt": wanted})
    if wanted == status.attempt or status.pending is not None:
        return status
    before = "after the rollback" if status.rolled_back else "while it ran"
    status = status.model_copy(
        update={
            "attempt": wanted,
            "rolled_back": False,
            "hold_since": later_bound,
            "soak": None,
            "baselines": (),
        }
    )
    return with_entry(
        status,
        entry(
            rollout,
            status,
            TransitionType.RETRY,
            reason="AttemptRaised",
            message=f"attempt raised to {wanted} {before}: requests are asked anew and the hold "
            "starts anew",
            now=now,
            by=("person",),
        ),
    )


def _soak(situation: State, triggers: tuple[TriggerVerdict, ...]) -> SoakAccount | None:
    """The account of this hold.

    Under an invalid plan it stays as it was: its triggers are not those that the soak is measured
    by. Once the plan is valid again, the time since is read back as that plan's triggers saw it.
    """
    if not situation.plan_is_valid:
        return _as_written(situation.status)
    if situation.began is None or not situation.asks_people:
        return None
    return accrue_soak(
        situation.status,
        situation.hold,
        tuple(verdict for verdict in triggers if verdict.is_required),
        began=situation.began,
        now=situation.now,
    )


def _as_written(status: RolloutStatus) -> SoakAccount | None:
    if status.soak is None:
        return None
    return SoakAccount(
        required=parse_elapsed(status.soak.required),
        healthy=parse_elapsed(status.soak.healthy),
        running=False,
        observed_at=status.soak.observed_at,
    )


def _with_soak(status: RolloutStatus, soak: SoakAccount | None) -> RolloutStatus:
    return status.model_copy(update={"soak": soak.as_status() if soak else None})


def _with_void(
    status: RolloutStatus,
    triggers: tuple[TriggerVerdict, ...],
    soak: SoakAccount | None,
    now: datetime,
) -> RolloutStatus:
    """Decisions given before a Rollback or Hold trigger fired are void."""
    fires = any(
        verdict.state is TriggerState.FIRING and verdict.action is not TriggerAction.DEGRADE
        for verdict in triggers
    )
    moments = [
        moment
        for moment in (status.void_before, soak.fired_at if soak else None, now if fires else None)
        if moment is not None
    ]
    return status.model_copy(update={"void_before": max(moments, default=None)})


def _drift(situation: State) -> Difference | None:
    committed = situation.status.committed
    if committed is None or situation.status.pending is not None:
        return None
    rendering = rendering_of(situation.rollout, committed)
    return difference(situation.snapshot.config_map, rendering, situation.rollout.metadata.uid)


# One verdict for each condition that is not a module of its own.


def _plan_valid(faults: tuple[UnmetRequirement, ...]) -> Verdict:
    if faults:
        return blocks(ConditionType.PLAN_VALID, *faults)
    return passes(ConditionType.PLAN_VALID, "Valid", "the plan is valid")


def _obstacle(*verdicts: Verdict) -> str | None:
    """What the first of these that does not hold says."""
    return next((verdict.message for verdict in verdicts if not verdict.holds), None)


def _target_in_sync(situation: State, drift: Difference | None) -> Verdict:
    name = situation.rollout.spec.target.config_map_name
    if drift is not None and not drift.by_the_plan:
        manager = situation.snapshot.config_map.manager if situation.snapshot.config_map else ""
        changed_by = f", changed by {manager}" if manager else ""
        account = situation.status.drift
        often = f"; restored {account.count} times" if account and account.count > 1 else ""
        return blocks(
            ConditionType.TARGET_IN_SYNC,
            UnmetRequirement("Drifted", f"ConfigMap {name}: {drift.message}{changed_by}{often}"),
        )
    if situation.status.committed is None:
        return passes(
            ConditionType.TARGET_IN_SYNC, "NotStarted", f"ConfigMap {name} is free to be taken"
        )
    return passes(
        ConditionType.TARGET_IN_SYNC, "InSync", f"ConfigMap {name} is at {situation.percent} %"
    )


def _admission(admission: Admission, fault: str) -> Verdict:
    match admission:
        case Admission.ENFORCED:
            return passes(
                ConditionType.ADMISSION_ENFORCED, "Enforced", "signatures are verified by admission"
            )
        case Admission.UNENFORCED:
            return passes(
                ConditionType.ADMISSION_ENFORCED,
                "Unenforced",
                "the administrator stated admission: Unenforced; signatures are not verified",
            )
        case Admission.NOT_ENFORCED:
            return blocks(
                ConditionType.ADMISSION_ENFORCED,
                UnmetRequirement(
                    "NotEnforced",
                    f"the admission policies are not in force: {fault or 'they are not installed'}",
                    # The first creates what is missing, the second takes back what was added.
                    "kubectl apply --server-side --force-conflicts -k manifests/policies && "
                    "kubectl replace -k manifests/policies",
                ),
            )
        case Admission.UNKNOWN:
            return blocks(
                ConditionType.ADMISSION_ENFORCED,
                UnmetRequirement(
                    "Unknown",
                    "it is not known whether the admission policies are in force"
                    f"{f': {fault}' if fault else ' yet'}",
                ),
                unknown=True,
            )


def _not_paused(snapshot: Snapshot, now: datetime) -> Verdict:
    metadata = snapshot.rollout.metadata
    missing = []
    halt = snapshot.halt
    if halt is not None and (halt.until is None or halt.until > now):
        until = f" until {halt.until:%Y-%m-%d %H:%M UTC}" if halt.until else ""
        by = f" by {halt.by[:256]} (not verified)" if halt.by else ""
        missing.append(
            UnmetRequirement(
                "Halted",
                f"halted in {halt.namespace}{by}{until}: {halt.reason or 'no reason was given'}",
                f"kubectl delete configmap surefoot-halt -n {halt.namespace}",
            )
        )
    if snapshot.rollout.spec.paused:
        missing.append(
            UnmetRequirement(
                "Paused",
                "spec.paused is true",
                f"kubectl patch rollouts.surefoot.dev {metadata.name} -n {metadata.namespace} "
                '--type=merge -p \'{"spec":{"paused":null}}\'',
            )
        )
    if missing:
        return blocks(ConditionType.NOT_PAUSED, *missing)
    return passes(ConditionType.NOT_PAUSED, "Running", "nobody paused or halted it")


def _not_rolled_back(situation: State) -> Verdict:
    metadata, status = situation.rollout.metadata, situation.status
    patch = (
        f"kubectl patch rollouts.surefoot.dev {metadata.name} -n {metadata.namespace} "
        "--type=merge -p "
    )
    missing = []
    if status.rolled_back:
        last = next((e for e in reversed(status.history) if e.type == "Rollback"), None)
        why = f": {last.message}" if last else ""
        missing.append(
            UnmetRequirement(
                last.reason if last else "TriggerFired",
                f"rolled back to {status.percent} %{why}; raise attempt to try again",
                f'{patch}\'{{"spec":{{"attempt":{situation.attempt + 1}}}}}\'',
            )
        )
    ceiling = situation.rollout.spec.rollback
    goal = situation.target_percent
    if ceiling is not None and goal is not None and goal > ceiling.to:
        missing.append(
            UnmetRequirement(
                "Ceiling",
                f"spec.rollback keeps it at or below {ceiling.to} %: "
                f"{ceiling.reason or 'no reason was given'}",
                f'{patch}\'{{"spec":{{"rollback":null}}}}\'',
            )
        )
    if missing:
        return blocks(ConditionType.NOT_ROLLED_BACK, *missing)
    return passes(ConditionType.NOT_ROLLED_BACK, "NotRolledBack", "no rollback stands")


_WORST_FIRST = (
    TriggerState.FIRING,
    TriggerState.PENDING,
    TriggerState.NO_DATA,
    TriggerState.SETTLING,
)


def _triggers_quiet(situation: State, triggers: tuple[TriggerVerdict, ...]) -> Verdict:
    if situation.is_complete or not situation.rollout.spec.triggers:
        return not_required(ConditionType.TRIGGERS_QUIET)
    loud = sorted(
        (verdict for verdict in triggers if verdict.state is not TriggerState.QUIET),
        key=lambda verdict: _WORST_FIRST.index(verdict.state),
    )
    if not loud:
        return passes(
            ConditionType.TRIGGERS_QUIET,
            "Quiet",
            "; ".join(verdict.message for verdict in triggers),
        )
    missing = [
        UnmetRequirement(f"Trigger{v.state.value}", f"trigger {v.name}: {v.message}") for v in loud
    ]
    unknown = all(v.state is TriggerState.NO_DATA for v in loud)
    return blocks(ConditionType.TRIGGERS_QUIET, *missing, unknown=unknown)


def _soak_complete(
    situation: State, soak: SoakAccount | None, triggers: tuple[TriggerVerdict, ...]
) -> Verdict:
    required = soak.required if soak else situation.hold.soak
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
    said = f"soak insufficient: {account}, {in_words(soak.left)} left"
    loud = ", ".join(v.name for v in triggers if v.state is not TriggerState.QUIET)
    if not situation.plan_is_valid:
        missing = UnmetRequirement("SoakPaused", f"{said}, read back once the plan is valid again")
    elif loud:
        missing = UnmetRequirement("SoakPaused", f"{said}, not counting while {loud} is not quiet")
    elif not soak.running and situation.began is not None:
        warm_up = in_words(situation.began + situation.hold.warm_up - situation.now)
        missing = UnmetRequirement(
            "WarmingUp", f"{said}, not counting before {warm_up} of warm-up are over"
        )
    else:
        missing = UnmetRequirement("SoakInsufficient", said)
    return blocks(ConditionType.SOAK_COMPLETE, missing)


def _so_far(soak: SoakAccount) -> str:
    """The healthy time in words, rounded down: never more than there was."""
    return format_elapsed(soak.healthy // timedelta(seconds=1) * timedelta(seconds=1))
