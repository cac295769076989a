"""Findings by severity, each from a stated rule."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from enum import StrEnum

from surefoot.api.v1alpha1.checkpoint import CheckpointType
from surefoot.api.v1alpha1.rollout import Level
from surefoot.api.v1alpha1.rollout_status import TransitionType, TriggerState
from surefoot.domain.checks.risks import open_risks
from surefoot.domain.facts.snapshot import Admission
from surefoot.domain.facts.verdicts import ConditionType
from surefoot.domain.record.requesters import format_by, is_requested
from surefoot.reports.facts import Facts
from surefoot.reports.lengths import ON_TIME, difference, spoken
from surefoot.reports.practices import Compliance, Practice
from surefoot.reports.rendering import Part


class Severity(StrEnum):
    """How bad a finding is."""

    P0 = "P0"
    P1 = "P1"
    P2 = "P2"
    P3 = "P3"


MEANING = {
    Severity.P0: "something is wrong with the flag now",
    Severity.P1: "the process failed",
    Severity.P2: "the process needs mending",
    Severity.P3: "good to know",
}


class Finding(Part):
    """Something that an auditor would write down, with what may be done about it."""

    severity: Severity
    found: str
    advice: str
    """What may be done; empty where it is over."""


class SeverityRule(Part):
    """A rule by which findings are made."""

    severity: Severity
    rule: str


class SeverityList(Part):
    """All findings, the worst first, and the rules."""

    worst: Severity | None
    findings: tuple[Finding, ...]
    rules: tuple[SeverityRule, ...]

    def of(self, *severities: Severity) -> tuple[Finding, ...]:
        """The findings of these severities."""
        return tuple(each for each in self.findings if each.severity in severities)


_Said = tuple[str, str]
"""What was found, and the advice."""


def severities_of(facts: Facts) -> SeverityList:
    """Everything that a rule finds."""
    found = [
        Finding(severity=severity, found=said, advice=advice)
        for severity, _, find in _RULES
        for said, advice in find(facts)
    ]
    findings = tuple(sorted(found, key=lambda each: each.severity.value))
    return SeverityList(
        worst=findings[0].severity if findings else None,
        findings=findings,
        rules=tuple(SeverityRule(severity=severity, rule=rule) for severity, rule, _ in _RULES),
    )


# What is so now


def _firing(facts: Facts) -> Iterator[_Said]:
    for trigger in facts.dossier.rollout.status.triggers:
        if trigger.state is TriggerState.FIRING:
            yield f"trigger {trigger.name} fires: {trigger.message}", "find out why it fires"


def _out_of_sync(facts: Facts) -> Iterator[_Said]:
    for each in facts.dossier.rollout.status.conditions:
        if each.type == ConditionType.TARGET_IN_SYNC.value and each.status != "True":
            yield f"the flag is not what is recorded: {each.message}", "find out who writes it"


# Failures of the process


_ADVICE = {
    Practice.SOAK: "ask for it in the plan: hold.soak",
    Practice.CHECKPOINT: "ask for a report in the plan: hold.checkpoints",
    Practice.APPROVAL: "ask for signatures in the plan: approvals.roles",
    Practice.BASELINE: "ask for it in the plan: hold.baseline",
    Practice.RATE: "put a step in between, and keep limits.maxExpansionFactor",
    Practice.REHEARSAL: "ask for it in the plan: rehearsal",
}


def _practices(compliance: Compliance, *practices: Practice) -> Callable[[Facts], Iterator[_Said]]:
    def find(facts: Facts) -> Iterator[_Said]:
        for expansion in facts.taken_practices:
            for each in expansion.practices:
                if each.practice in practices and each.compliance is compliance:
                    said = f"{expansion.expansion}: {each.practice.value}: {each.found}"
                    known = "" if compliance is Compliance.FAILS else "unknown, "
                    yield f"{known}{said} (standard: {each.standard})", _ADVICE[each.practice]

    return find


def _drifted(facts: Facts) -> Iterator[_Said]:
    for each in facts.entries(TransitionType.DRIFT_CORRECTED):
        manager = each.evidence.manager or "somebody unknown"
        times = f" {each.evidence.count} times" if (each.evidence.count or 1) > 1 else ""
        yield (
            f"{manager} changed the flag past the operator{times}; it was set back to {each.to}%",
            "take the right to write the ConfigMap away from it",
        )


def _nobody_verified(facts: Facts) -> Iterator[_Said]:
    for each in facts.taken:
        how = each.entry.evidence.admission if each.entry is not None else ""
        if each.signatures and how != Admission.ENFORCED.value:
            yield (
                f"{each.name}: it was decided while admission was {how or 'not known to be'} "
                f"{'' if how else 'enforced'}".rstrip(),
                "put the admission policies into force, and say admission: Enforced",
            )


def _unresolved(facts: Facts) -> Iterator[_Said]:
    for each in facts.conflicts:
        if not each.resolved and (each.attempt, each.percent) in facts.left:
            yield f"{each.percent}% was left although {each.how}", "hold the meeting"


# What needs mending


def _undone(facts: Facts) -> Iterator[_Said]:
    for each in facts.entries(TransitionType.ROLLBACK):
        by = f" by {format_by(each)}" if is_requested(each) else ""
        yield (
            f"rolled back from {each.from_}% to {each.to}%{by}: {each.message or each.reason}",
            "find the cause before it is tried again",
        )


def _no_handoffs(facts: Facts) -> Iterator[_Said]:
    if facts.taken and not facts.handoffs_due:
        yield "no handoff is on the record", "ask for one: a checkpoint of type Handoff"


def _open_handoffs(facts: Facts) -> Iterator[_Said]:
    for each in facts.handoffs:
        if each.at is not None and not each.acknowledged:
            place = f"handoff {each.checkpoint} at {each.percent}%"
            yield f"{place} is not acknowledged by {each.to_whom}", "acknowledge it, or say NO-GO"


def _late(facts: Facts) -> Iterator[_Said]:
    attempts = {each.spec.request.attempt for each in facts.dossier.checkpoints}
    for each in facts.dossier.checkpoints:
        if not each.status.late:
            continue
        asked = each.spec.request
        until = each.status.decided_at or facts.dossier.now
        length = until - asked.due_at if asked.due_at is not None else timedelta(0)
        of_attempt = f" (attempt {asked.attempt})" if len(attempts) > 1 else ""
        place = f"checkpoint {asked.name} at {asked.percent}%{of_attempt}"
        if each.spec.decision is None:
            yield f"{place} is overdue by {spoken(length)}", "report, or say NO-GO"
        else:
            late = difference(length) if length >= ON_TIME else "late"
            yield f"{place} was decided {late}", "tell its reporter earlier, or give more time"


def _meetings(facts: Facts) -> Iterator[_Said]:
    for each in facts.dossier.checkpoints:
        asked = each.spec.request
        if asked.type is CheckpointType.DECISION_MEETING and each.spec.decision is None:
            yield f"the meeting {each.metadata.name} has not decided", "hold it"


def _high_risks(facts: Facts) -> Iterator[_Said]:
    for risk in open_risks(facts.dossier.rollout.spec):
        if risk.severity is Level.HIGH:
            yield f"risk {risk.name} of severity High is open", "mitigate or accept it"


# Good to know


def _plan_changed(facts: Facts) -> Iterator[_Said]:
    for each in facts.entries(TransitionType.PLAN_CHANGED):
        fields = ", ".join(each.evidence.changed_fields) or "fields that are not kept"
        yield f"the plan was changed at {each.to}% by {format_by(each)}: {fields}", ""


def _not_whole(facts: Facts) -> Iterator[_Said]:
    if not facts.dossier.is_whole:
        yield (
            "the record is not whole: earlier entries were dropped from the object",
            "give the exported record with --record",
        )


def _no_risks(facts: Facts) -> Iterator[_Said]:
    if not facts.dossier.rollout.spec.risks:
        yield "the plan names no risks", "name them: spec.risks"


_RULES: tuple[tuple[Severity, str, Callable[[Facts], Iterator[_Said]]], ...] = (
    (Severity.P0, "a trigger fires now", _firing),
    (Severity.P0, "the flag is not now what is recorded", _out_of_sync),
    (
        Severity.P1,
        "an expansion did not keep to soak, checkpoint, approval or expansion rate",
        _practices(
            Compliance.FAILS,
            Practice.SOAK,
            Practice.CHECKPOINT,
            Practice.APPROVAL,
            Practice.RATE,
        ),
    ),
    (Severity.P1, "somebody changed the flag past the operator", _drifted),
    (Severity.P1, "people decided while admission was not enforced", _nobody_verified),
    (Severity.P1, "a percentage was left although a NO-GO stood", _unresolved),
    (
        Severity.P2,
        "an expansion did not keep to the monitoring baseline",
        _practices(Compliance.FAILS, Practice.BASELINE),
    ),
    (
        Severity.P2,
        "it is unknown whether an expansion kept to a practice whose failure is a P1",
        _practices(
            Compliance.UNKNOWN,
            Practice.SOAK,
            Practice.CHECKPOINT,
            Practice.APPROVAL,
            Practice.RATE,
        ),
    ),
    (Severity.P2, "the flag was rolled back", _undone),
    (Severity.P2, "there was an expansion, and no handoff is on the record", _no_handoffs),
    (Severity.P2, "a handoff is not acknowledged", _open_handoffs),
    (Severity.P2, "a checkpoint is late, or was", _late),
    (Severity.P2, "a meeting has not decided", _meetings),
    (Severity.P2, "a risk of severity High is open", _high_risks),
    (
        Severity.P3,
        "an expansion was taken without a rehearsed rollback",
        _practices(Compliance.FAILS, Practice.REHEARSAL),
    ),
    (
        Severity.P3,
        "it is unknown whether there was a baseline or a rehearsal",
        _practices(Compliance.UNKNOWN, Practice.BASELINE, Practice.REHEARSAL),
    ),
    (Severity.P3, "the plan was changed while it ran", _plan_changed),
    (Severity.P3, "the record is not whole", _not_whole),
    (Severity.P3, "the plan names no risks", _no_risks),
)
