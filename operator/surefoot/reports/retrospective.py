"""A draft of a retrospective: what the record shows, and as questions what it cannot know."""

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from surefoot.api.v1alpha1.durations import in_words
from surefoot.api.v1alpha1.rollout_status import TransitionType
from surefoot.domain.facts.verdicts import ConditionType
from surefoot.domain.record.requesters import format_by
from surefoot.reports.dossier import Dossier
from surefoot.reports.facts import Facts, facts_of
from surefoot.reports.practices import Compliance, Practice
from surefoot.reports.rendering import Part, Report
from surefoot.reports.severity import Finding, Severity, severities_of
from surefoot.reports.standards import Standards

OPEN = "to be named"


class ActionItem(Part):
    """Something to be done, for people to take on."""

    action: str
    because: str
    severity: Severity
    owner: str = OPEN
    deadline: str = OPEN


class Question(Part):
    """What only people can answer."""

    about: str
    question: str


class Retrospective(Report):
    """The draft."""

    template: ClassVar[str] = "retrospective.md.j2"

    namespace: str
    rollout: str
    made_at: datetime
    record_is_whole: bool
    stands: str
    went_well: tuple[str, ...]
    went_wrong: tuple[str, ...]
    causes: tuple[str, ...]
    """What the record shows of causes."""
    actions: tuple[ActionItem, ...]
    lessons: tuple[str, ...]
    """What was there in expansions that kept to everything, and was missing in others."""
    questions: tuple[Question, ...]


def retrospective_of(dossier: Dossier, standards: Standards) -> Retrospective:
    """The draft of a Rollout's retrospective."""
    facts = facts_of(dossier, standards)
    metadata, status = dossier.rollout.metadata, dossier.rollout.status
    found = severities_of(facts)
    phase = status.phase.value if status.phase else "Pending"
    return Retrospective(
        title=f"Retrospective: {metadata.name}",
        namespace=metadata.namespace,
        rollout=metadata.name,
        made_at=dossier.now,
        record_is_whole=dossier.is_whole,
        stands=f"{phase} at {status.percent if status.percent is not None else 0}%",
        went_well=tuple(went_well(facts)),
        went_wrong=tuple(
            f"{each.severity.value}: {each.found}"
            for each in found.of(Severity.P0, Severity.P1, Severity.P2)
        ),
        causes=tuple(_causes(facts)),
        actions=tuple(_actions(found.findings)),
        lessons=tuple(_lessons(facts)),
        questions=tuple(_questions(facts)),
    )


def _actions(findings: tuple[Finding, ...]) -> Iterator[ActionItem]:
    """What is advised, each once, the most urgent first."""
    for advice in dict.fromkeys(each.advice for each in findings if each.advice):
        reasons = [each for each in findings if each.advice == advice]
        yield ActionItem(
            action=advice,
            because="; ".join(each.found for each in reasons),
            severity=reasons[0].severity,
        )


def went_well(facts: Facts) -> Iterator[str]:
    """What the record shows to have gone as it should."""
    for expansion in facts.taken_practices:
        kept = [
            each.practice.value
            for each in expansion.practices
            if each.compliance is Compliance.COMPLIES
        ]
        if kept:
            yield f"{expansion.expansion} kept to: {', '.join(kept)}"
    if facts.taken and not facts.entries(TransitionType.ROLLBACK) and facts.dossier.is_whole:
        yield "nothing had to be rolled back"
    if facts.taken and not facts.entries(TransitionType.DRIFT_CORRECTED) and facts.dossier.is_whole:
        yield "nobody changed the flag past the operator"
    acknowledged = sum(each.acknowledged for each in facts.handoffs_due)
    if acknowledged:
        yield f"{acknowledged} of {len(facts.handoffs_due)} handoffs were acknowledged"
    resolved = sum(each.resolved for each in facts.conflicts)
    if resolved:
        yield f"{resolved} of {len(facts.conflicts)} conflicts were resolved"
    if facts.dossier.rollout.status.completed_at is not None:
        yield "the rollout was completed"


_ASPECTS = {
    Practice.CHECKPOINT: ConditionType.CHECKPOINTS_PASSED,
    Practice.APPROVAL: ConditionType.APPROVED,
    Practice.BASELINE: ConditionType.BASELINE_RECORDED,
    Practice.REHEARSAL: ConditionType.REHEARSAL_FRESH,
}


def _causes(facts: Facts) -> Iterator[str]:
    for expansion, judged in zip(facts.taken, facts.taken_practices, strict=True):
        not_asked = [
            practice.value
            for practice, condition in _ASPECTS.items()
            if judged.of(practice).compliance is Compliance.FAILS
            and expansion.reason(condition) == "NotRequired"
        ]
        if not_asked:
            yield f"{expansion.name}: the plan did not ask for: {', '.join(not_asked)}"
        asked, least = expansion.soak_required, facts.standards.least_soak
        if asked is not None and asked < least:
            said = f"the plan asked for a soak of {in_words(asked)}, the standard for"
            yield f"{expansion.name}: {said} {in_words(least)}"
    for entry in facts.entries(TransitionType.ROLLBACK):
        by = format_by(entry, otherwise="unknown")
        why = entry.message or entry.reason
        yield f"rollback from {entry.from_} to {entry.to}% by {by}: {why}"
    for entry in facts.entries(TransitionType.DRIFT_CORRECTED):
        manager = entry.evidence.manager or "somebody unknown"
        yield f"{manager} could write the flag's ConfigMap"


def _lessons(facts: Facts) -> Iterator[str]:
    for practice in Practice:
        kept, broken = [], []
        for each in facts.taken_practices:
            found = each.of(practice).compliance
            if found is Compliance.COMPLIES:
                kept.append(each.expansion)
            elif found is Compliance.FAILS:
                broken.append(each.expansion)
        if kept and broken:
            yield f"{practice.value} was kept at {', '.join(kept)}, and not at {', '.join(broken)}"


def _questions(facts: Facts) -> Iterator[Question]:
    for each in facts.entries(TransitionType.ROLLBACK):
        yield Question(
            about=f"rollback from {each.from_} to {each.to}%",
            question="what was the cause behind it, and would it be noticed earlier now?",
        )
    for each in facts.entries(TransitionType.DRIFT_CORRECTED):
        yield Question(
            about=f"change past the operator, {each.at:%Y-%m-%d %H:%M} UTC",
            question="who is behind that field manager, and what did they want?",
        )
    for expansion in facts.taken_practices:
        broken = [
            each.practice.value
            for each in expansion.practices
            if each.compliance is not Compliance.COMPLIES
        ]
        if broken:
            yield Question(
                about=expansion.expansion,
                question=f"why was it taken without: {', '.join(broken)}?",
            )
    yield Question(about="users", question="who noticed the change, and what did they say?")
    yield Question(about="root cause", question="what let it happen, beyond what is listed above?")
    yield Question(about="lessons", question="what will be done differently next time?")
