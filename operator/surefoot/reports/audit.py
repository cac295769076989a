"""The audit: everything that the record says of how a rollout was conducted."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from surefoot.reports.asked import AskedByPerson, asked_by_people
from surefoot.reports.confidence import Confidence, confidence_of
from surefoot.reports.conversations import Conflict, Handoff
from surefoot.reports.decisions import Matrix, StepTaken, matrix_of, steps_taken
from surefoot.reports.dossier import Dossier
from surefoot.reports.drawings import Bar, Bars, Gauge
from surefoot.reports.facts import Facts, facts_of
from surefoot.reports.practices import ExpansionPractices
from surefoot.reports.refusals import AuditLog, Refusals, refusals_of
from surefoot.reports.register import Costs, RiskRegister, costs_of, register_of
from surefoot.reports.rendering import Drawing, Part, Report
from surefoot.reports.retrospective import went_well
from surefoot.reports.scoring import Score, score_of
from surefoot.reports.severity import SeverityList, severities_of
from surefoot.reports.standards import Standards
from surefoot.reports.timeline import Schedule, schedule_of


class Blocking(Part):
    """Something that is in the way of the step ahead."""

    condition: str
    reason: str
    message: str
    command: str | None


class Check(Part):
    """An answer of the compliance check of the step ahead."""

    name: str
    outcome: str
    blocking: bool
    message: str


class ReadinessRow(Part):
    """An item of the scorecard."""

    section: str
    name: str
    points: int
    out_of: int
    message: str


class ReadinessScore(Part):
    """The readiness of the step ahead, as the plan's scorecard has it."""

    score: int
    out_of: int
    verdict: str
    items: tuple[ReadinessRow, ...]


class Kept(Part):
    """All practices of all expansions that were taken."""

    complied: int
    out_of: int
    percent: int | None
    """None where there was no expansion."""


class Audit(Report):
    """The audit of one Rollout."""

    template: ClassVar[str] = "audit.md.j2"

    namespace: str
    rollout: str
    uid: str
    made_at: datetime
    phase: str
    percent: int | None
    plan_hash: str
    requested_by: str | None
    """Who asked for the rollout, and whether admission established it."""
    record_is_whole: bool
    standards: Standards
    score: Score
    compliance: Kept
    taken: tuple[ExpansionPractices, ...]
    ahead: ExpansionPractices | None
    checks: tuple[Check, ...]
    blocked_by: tuple[Blocking, ...]
    strengths: tuple[str, ...]
    severity: SeverityList
    confidence: Confidence
    schedule: Schedule
    steps: tuple[StepTaken, ...]
    asked: tuple[AskedByPerson, ...]
    """Retries, rollbacks, changed plans and pauses that people asked for."""
    matrix: Matrix
    handoffs: tuple[Handoff, ...]
    conflicts: tuple[Conflict, ...]
    risks: RiskRegister
    readiness: ReadinessScore | None
    costs: Costs
    refusals: Refusals

    def drawings(self) -> Mapping[str, Drawing]:
        """The score, its categories, and the percentage over time."""
        bars = tuple(Bar(each.name, each.score) for each in self.score.categories)
        return {
            "gauge": Gauge(self.score.total, self.score.out_of),
            **({"bars": Bars(bars, self.score.out_of)} if bars else {}),
            **self.schedule.drawings(),
        }


def audit_of(dossier: Dossier, standards: Standards, log: AuditLog | None = None) -> Audit:
    """The audit of a Rollout, compared with standards; ``log`` is what the API server refused."""
    facts = facts_of(dossier, standards)
    metadata, status = dossier.rollout.metadata, dossier.rollout.status
    return Audit(
        title=f"Audit: {metadata.name}",
        namespace=metadata.namespace,
        rollout=metadata.name,
        uid=metadata.uid,
        made_at=dossier.now,
        phase=status.phase.value if status.phase else "Pending",
        percent=status.percent,
        plan_hash=status.plan_hash,
        requested_by=_requester(dossier),
        record_is_whole=dossier.is_whole,
        standards=standards,
        score=score_of(facts),
        compliance=_compliance(facts),
        taken=facts.taken_practices,
        ahead=facts.ahead_practices,
        checks=_checks(dossier),
        blocked_by=tuple(
            Blocking(
                condition=each.condition,
                reason=each.reason,
                message=each.message,
                command=each.command,
            )
            for each in status.blocked_by
        ),
        strengths=tuple(went_well(facts)),
        severity=severities_of(facts),
        confidence=confidence_of(facts),
        schedule=schedule_of(facts),
        steps=steps_taken(dossier),
        asked=asked_by_people(dossier),
        matrix=matrix_of(dossier),
        handoffs=facts.handoffs,
        conflicts=facts.conflicts,
        risks=register_of(dossier),
        readiness=_readiness(dossier),
        costs=costs_of(dossier),
        refusals=refusals_of(dossier, log),
    )


def _requester(dossier: Dossier) -> str | None:
    asked = dossier.rollout.status.requested_by
    if asked is None:
        return None
    return f"{asked.username}, {'verified' if asked.verified else 'not verified'}"


def _compliance(facts: Facts) -> Kept:
    complied = sum(each.complied for each in facts.taken_practices)
    out_of = sum(each.out_of for each in facts.taken_practices)
    return Kept(
        complied=complied,
        out_of=out_of,
        percent=round(100 * complied / out_of) if out_of else None,
    )


def _checks(dossier: Dossier) -> tuple[Check, ...]:
    found = dossier.rollout.status.compliance
    return tuple(
        Check(
            name=each.name,
            outcome=each.outcome.value,
            blocking=each.blocking,
            message=each.message,
        )
        for each in (found.checks if found is not None else ())
    )


def _readiness(dossier: Dossier) -> ReadinessScore | None:
    found = dossier.rollout.status.readiness
    if found is None:
        return None
    return ReadinessScore(
        score=found.score,
        out_of=found.out_of,
        verdict=found.verdict,
        items=tuple(
            ReadinessRow(
                section=each.section,
                name=each.name,
                points=each.points,
                out_of=each.out_of,
                message=each.message,
            )
            for each in found.items
        ),
    )
