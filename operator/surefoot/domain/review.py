"""The review: the state of a Rollout, and what every check of the table says about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TypeVar

from surefoot.api.v1alpha1.rollout_status import Evidence, Readiness, RolloutStatus, TriggerState
from surefoot.domain.checks.check import Check, Group, Judgement, Judgements
from surefoot.domain.checks.coverage import CoverageJudgement
from surefoot.domain.checks.dependencies import upstream_evidence
from surefoot.domain.checks.gates import GatesJudgement
from surefoot.domain.checks.rehearsal import RehearsalJudgement
from surefoot.domain.checks.scorecard import ScorecardJudgement
from surefoot.domain.checks.table import CHECKS, plan_faults
from surefoot.domain.derive.fold import derive
from surefoot.domain.derive.judged_triggers import judge_triggers
from surefoot.domain.derive.soak import SoakAccount
from surefoot.domain.derive.state import Move, State
from surefoot.domain.derive.triggers import TriggerVerdict
from surefoot.domain.facts.snapshot import Snapshot
from surefoot.domain.facts.verdicts import ConditionType, Verdict, passes
from surefoot.domain.signoff.approvals import ApprovalsJudgement
from surefoot.domain.signoff.checkpoints import CheckpointsJudgement
from surefoot.domain.signoff.dry_run import DryRun, judge_dry_run, split_dry_runs

J = TypeVar("J")


@dataclass(frozen=True)
class Review:
    """The state now, and the judgement of every check on it, by the condition that it is about.

    What follows from these is computed once: a pass asks for it many times.
    """

    state: State
    judgements: Judgements
    dry_run: DryRun

    @property
    def status(self) -> RolloutStatus:
        """The status with what changed since it was written."""
        return self.state.status

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The verdict on every condition, in reading order."""
        return tuple(self.by_condition.values())

    @cached_property
    def by_condition(self) -> Mapping[ConditionType, Verdict]:
        """The same by condition. Once completed, nothing of the hold is asked any more."""
        judgements = self.judgements
        is_complete = self.state.is_complete
        return {
            kind: passes(kind, "Completed", "the rollout is complete")
            if is_complete and _CHECK[kind].group is Group.HOLD
            else judgements[kind].verdict
            for kind in ConditionType
        }

    def verdict(self, condition: ConditionType) -> Verdict:
        """The verdict on one condition."""
        return self.by_condition[condition]

    def holds(self, condition: ConditionType) -> bool:
        """Whether a condition does not block."""
        return self.by_condition[condition].holds is True

    def blocking(self, move: Move | None) -> tuple[Verdict, ...]:
        """The verdicts that keep a move from being made, in reading order."""
        if move is None:
            return ()
        return tuple(v for v in self.verdicts if _CHECK[v.condition].blocks(v, move))

    @cached_property
    def in_the_way(self) -> tuple[Verdict, ...]:
        """The verdicts that keep the next move from being made."""
        return self.blocking(self.state.move)

    @property
    def firing(self) -> tuple[TriggerVerdict, ...]:
        """The triggers that fire now."""
        return tuple(v for v in self.state.triggers if v.state is TriggerState.FIRING)

    @property
    def soak(self) -> SoakAccount | None:
        """The account of healthy time."""
        return self.state.soak

    @cached_property
    def checkpoints(self) -> CheckpointsJudgement:
        """What the step's checkpoints say."""
        return self._judgement(ConditionType.CHECKPOINTS_PASSED, CheckpointsJudgement)

    @cached_property
    def approvals(self) -> ApprovalsJudgement:
        """What the step's roles say."""
        return self._judgement(ConditionType.APPROVED, ApprovalsJudgement)

    @cached_property
    def gates(self) -> GatesJudgement:
        """What the step's gates say."""
        return self._judgement(ConditionType.GATES_HEALTHY, GatesJudgement)

    @cached_property
    def coverage(self) -> CoverageJudgement:
        """Whether as many are in as were let in."""
        return self._judgement(ConditionType.COVERAGE_OBSERVED, CoverageJudgement)

    @cached_property
    def rehearsal(self) -> RehearsalJudgement:
        """Whether a rehearsal counts, and the one to be run now."""
        return self._judgement(ConditionType.REHEARSAL_FRESH, RehearsalJudgement)

    @property
    def readiness(self) -> Readiness | None:
        """The score of the step ahead."""
        return self._judgement(ConditionType.SCORECARD_PASSED, ScorecardJudgement).readiness

    def _judgement(self, condition: ConditionType, kind: type[J]) -> J:
        judgement = self.judgements[condition]
        if not isinstance(judgement, kind):
            raise TypeError(f"{condition.value} is judged by another check than expected")
        return judgement

    @property
    def has_no_go(self) -> bool:
        """Whether somebody's NO-GO stands."""
        return bool(self.checkpoints.against or self.approvals.against)

    def evidence(self) -> Evidence:
        """Every input of this review that a decision on it uses."""
        state, status = self.state, self.status
        metadata = state.rollout.metadata
        return Evidence(
            resource_version=metadata.resource_version,
            generation=metadata.generation,
            decided_at=state.now,
            since=status.since,
            soak=state.soak.as_status() if state.soak else None,
            windows=(
                *(verdict.evidence for verdict in state.triggers if verdict.evidence),
                *self.coverage.windows,
                *self.gates.windows,
            )[:80],
            baselines=tuple(entry for entry in status.baselines if entry.percent == status.percent)[
                :32
            ],
            decisions=(*self.checkpoints.evidence, *self.approvals.evidence)[:80],
            conditions=tuple(f"{v.condition.value}={v.reason}" for v in self.verdicts if v.holds),
            admission=state.snapshot.admission.value,
            upstreams=upstream_evidence(state.rollout, state.snapshot.upstreams),
        )


_CHECK = {check.type: check for check in CHECKS}


def evaluate(snapshot: Snapshot, now: datetime) -> Review:
    """Derive the state and judge every condition on it. Dry runs of the approval are kept apart."""
    triggers = judge_triggers(snapshot, now)
    snapshot, tries = split_dry_runs(snapshot)
    state = derive(snapshot, plan_faults(snapshot), triggers, now)
    judgements = judge_all(state, CHECKS)
    reports = judgements[ConditionType.CHECKPOINTS_PASSED]
    reporters = reports.reporters if isinstance(reports, CheckpointsJudgement) else {}
    return Review(state, judgements, judge_dry_run(state, tries, reporters))


def judge_all(state: State, checks: tuple[Check, ...]) -> Judgements:
    """The judgement of every check of the table, each with those of the checks that it reads."""
    judgements: dict[ConditionType, Judgement] = {}
    for check in checks:
        judgements[check.type] = check.judge(
            state, {kind: judgements[kind] for kind in check.reads}
        )
    return judgements
