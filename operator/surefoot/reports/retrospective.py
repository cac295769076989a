"""A draft of a retrospective: what the record shows, and as questions what it cannot know."""

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from surefoot.api.v1alpha1.approval import Decision
from surefoot.api.v1alpha1.durations import in_words
from surefoot.api.v1alpha1.rollout_status import TransitionType
from surefoot.domain.facts.verdicts import ConditionType
from surefoot.domain.record.requesters import format_by
from surefoot.reports.dossier import Dossier
from surefoot.reports.facts import Facts, facts_of
from surefoot.reports.lengths import ON_TIME, spoken
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
    """What the record teaches: where expansions differ, and what departures cost or risked."""
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
        yield f"rollback from {entry.from_}% to {entry.to}% by {by}: {why}"
    for entry in facts.entries(TransitionType.DRIFT_CORRECTED):
        manager = entry.evidence.manager or "somebody unknown"
        yield f"{manager} could write the flag's ConfigMap"


def _lessons(facts: Facts) -> Iterator[str]:
    """What the record teaches: where expansions differ, and what each departure cost or risked."""
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
        for name in broken:
            yield f"{name}: {_TAUGHT[practice]}"
    yield from _taught_by_rollbacks(facts)
    for checkpoint in facts.dossier.checkpoints:
        asked, at = checkpoint.spec.request, checkpoint.status.decided_at
        if asked.due_at is not None and at is not None and at - asked.due_at >= ON_TIME:
            late = spoken(at - asked.due_at)
            yield (
                f"{asked.name} at {asked.percent}% was reported {late} late: its reporter needs "
                f"an earlier word, or the plan a later dueAfter"
            )
    for conflict in facts.conflicts:
        end = "was resolved" if conflict.resolved else "still stands"
        for opinion in conflict.opinions:
            if opinion.decision == Decision.NO_GO.value:
                yield f"{opinion.by} said NO-GO ({opinion.reason}): it held the step, and {end}"


_TAUGHT = {
    Practice.SOAK: "what shows itself only after hours could not be seen before the step",
    Practice.CHECKPOINT: "whether it was ready for the step is on no record, and can only be told",
    Practice.APPROVAL: "not everybody who is responsible stands behind the step by name",
    Practice.BASELINE: "there is too little to compare the next percentage with",
    Practice.RATE: "many met the change for the first time at the same moment",
    Practice.REHEARSAL: "whether the way back works was not known when it might have been needed",
}


def _taught_by_rollbacks(facts: Facts) -> Iterator[str]:
    arrived: dict[int, datetime] = {}
    for entry in facts.dossier.history:
        since = arrived.get(entry.from_ or 0)
        if entry.type is TransitionType.ROLLBACK and since is not None:
            after = spoken(entry.at - since)
            by = format_by(entry, otherwise="somebody unknown")
            fault = ": a shorter stay would have carried the fault to the next percentage"
            is_breach = entry.reason == "TriggerFired"
            yield f"{by} ended {entry.from_}% after {after}{fault if is_breach else ''}"
        if entry.from_ != entry.to:
            arrived[entry.to] = entry.at


_ASKED = {
    Practice.SOAK: "who or what decided that the stay was long enough, and on what grounds?",
    Practice.CHECKPOINT: "who should have reported, and what would the report have said?",
    Practice.APPROVAL: "who wanted the step then, and who of those responsible was not asked?",
    Practice.BASELINE: "what are the figures of the next percentage compared with?",
    Practice.RATE: "why was there no step in between?",
    Practice.REHEARSAL: "would the way back have worked, and who would have noticed if not?",
}


def _questions(facts: Facts) -> Iterator[Question]:
    for each in facts.entries(TransitionType.ROLLBACK):
        why = each.message or each.reason
        yield Question(
            about=f"rollback from {each.from_}% to {each.to}%",
            question=f"what was behind it ({why}), and which gate would have shown it before?",
        )
    for each in facts.entries(TransitionType.DRIFT_CORRECTED):
        manager = each.evidence.manager or "that field manager"
        yield Question(
            about=f"change past the operator, {each.at:%Y-%m-%d %H:%M} UTC",
            question=f"who is behind {manager}, what did they want, and which right let them?",
        )
    for expansion in facts.taken_practices:
        for judged in expansion.practices:
            if judged.compliance is not Compliance.COMPLIES:
                yield Question(
                    about=f"{expansion.expansion}, {judged.practice.value.lower()}",
                    question=_ASKED[judged.practice],
                )
    yield Question(about="users", question="who noticed the change, and what did they say?")
    yield Question(about="root cause", question="what let it happen, beyond what is listed above?")
    yield Question(
        about="lessons",
        question="which of them becomes a line of the next plan, and who writes it?",
    )
