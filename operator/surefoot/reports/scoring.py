"""The score: six categories, each from 0 to 10 by stated rules, weighted.

Points are given for what the record shows, never for its absence: what should be on the record of
an expansion and is not earns nothing, and is said to be unknown. Only a category whose rules none
applies is left out, and the other weights are then taken for the whole.
"""

from collections.abc import Callable, Iterable
from fractions import Fraction

from surefoot.api.v1alpha1.rollout import RiskStatus, TriggerAction
from surefoot.api.v1alpha1.rollout_status import TransitionType
from surefoot.domain.facts.measurements import Outcome
from surefoot.domain.facts.snapshot import Admission
from surefoot.domain.facts.verdicts import ConditionType
from surefoot.reports.expansions import Expansion
from surefoot.reports.facts import Facts
from surefoot.reports.practices import Compliance, Practice
from surefoot.reports.rendering import Part

TEN = 10


class Criterion(Part):
    """One rule of a category, and the points that it earned."""

    rule: str
    points: float
    out_of: int
    found: str


class Category(Part):
    """A category of the score. ``score`` is None where none of its rules applies."""

    name: str
    weight: int
    score: float | None
    contribution: float | None
    """What it adds to the total."""
    criteria: tuple[Criterion, ...]
    left_out_because: str


class Score(Part):
    """The whole score. ``total`` is None where there is nothing to be scored yet."""

    total: float | None
    out_of: int = TEN
    categories: tuple[Category, ...]
    weights_used: int
    """The sum of the weights that were used; the total is a share of these."""
    notes: tuple[str, ...]


_Earned = tuple[Fraction, str]
_Rule = tuple[int, str, Callable[[Facts], _Earned | None]]
"""Points, the rule in words, and the share of the points that was earned; None: does not apply."""


def score_of(facts: Facts) -> Score:
    """The score of all expansions on the record."""
    if not facts.taken:
        return Score(
            total=None,
            categories=(),
            weights_used=0,
            notes=("nothing is scored yet: the record has no expansion from above 0%",),
        )
    judged = [
        (name, weight, _judge(rules, facts))
        for (name, rules), weight in zip(_CATEGORIES, _weights(facts), strict=True)
    ]
    used = sum(weight for _, weight, (score, _) in judged if score is not None)
    total = Fraction(0)
    categories: list[Category] = []
    for name, weight, (score, criteria) in judged:
        part = None if score is None or not used else score * weight / used
        total += part or 0
        categories.append(
            Category(
                name=name,
                weight=weight,
                score=None if score is None else round(float(score), 2),
                contribution=None if part is None else round(float(part), 3),
                criteria=criteria,
                left_out_because=(
                    "unknown: the plan asks for nothing that the record could show"
                    if score is None
                    else ""
                ),
            )
        )
    left_out = [each for each in categories if each.score is None]
    return Score(
        total=round(float(total), 2) if used else None,
        categories=tuple(categories),
        weights_used=used,
        notes=tuple(
            f"{each.name} is left out: {each.left_out_because}; the other weights, {used} in all, "
            "are taken for the whole"
            for each in left_out
        ),
    )


def _weights(facts: Facts) -> tuple[int, ...]:
    weights = facts.standards.weights
    return (
        weights.execution,
        weights.coordination,
        weights.decision,
        weights.workload,
        weights.monitoring,
        weights.risk,
    )


def _judge(rules: tuple[_Rule, ...], facts: Facts) -> tuple[Fraction | None, tuple[Criterion, ...]]:
    earned, possible = Fraction(0), 0
    criteria: list[Criterion] = []
    for points, rule, judge in rules:
        answer = judge(facts)
        if answer is None:
            continue
        share, found = answer
        earned += share * points
        possible += points
        criteria.append(
            Criterion(rule=rule, points=round(float(share * points), 2), out_of=points, found=found)
        )
    if not possible:
        return None, ()
    return earned * TEN / possible, tuple(criteria)


# Shares


def _share(good: Iterable[bool], what: str = "expansions") -> _Earned:
    """How many of all; where there are none, nothing is earned."""
    answers = tuple(good)
    if not answers:
        return Fraction(0), f"unknown: the record has no {what}"
    return Fraction(sum(answers), len(answers)), f"{sum(answers)} of {len(answers)} {what}"


def _practice(practice: Practice) -> Callable[[Facts], _Earned]:
    def judge(facts: Facts) -> _Earned:
        found = [each.of(practice).compliance for each in facts.taken_practices]
        share, said = _share(each is Compliance.COMPLIES for each in found)
        unknown = sum(each is Compliance.UNKNOWN for each in found)
        return share, f"{said}; unknown for {unknown}" if unknown else said

    return judge


def _shown(condition: ConditionType) -> Callable[[Facts], _Earned]:
    def judge(facts: Facts) -> _Earned:
        return _share(each.shows(condition) for each in facts.taken)

    return judge


# Deployment execution


def _stayed_up(facts: Facts) -> _Earned:
    return _share(not _was_undone(facts, each) for each in facts.taken)


def _was_undone(facts: Facts, expansion: Expansion) -> bool:
    """Whether the next move after it was a rollback."""
    moves = [each for each in facts.dossier.history if each.from_ != each.to]
    after = [each for each in moves if expansion.at is not None and each.at > expansion.at]
    return bool(after) and after[0].type is TransitionType.ROLLBACK


def _not_touched(facts: Facts) -> _Earned:
    times = sum(each.evidence.count or 1 for each in facts.entries(TransitionType.DRIFT_CORRECTED))
    if times:
        return Fraction(0), f"restored {times} times"
    if not facts.dossier.is_whole:
        return Fraction(0), "unknown: the record is not whole"
    return Fraction(1), "no restoration is on the record"


# Task coordination


def _handed_over(facts: Facts) -> _Earned:
    return _share((each.acknowledged for each in facts.handoffs_due), "handoffs")


def _in_time(facts: Facts) -> _Earned:
    due = facts.checkpoints_due
    decided = (each.spec.decision is not None and not each.status.late for each in due)
    return _share(decided, "checkpoints")


# Decision process


def _decided_by_somebody(facts: Facts) -> _Earned:
    return _share(_is_decided_by_name(each) for each in facts.taken)


def _is_decided_by_name(expansion: Expansion) -> bool:
    return any(each.verified and each.by for each in expansion.signatures)


def _admission_enforced(facts: Facts) -> _Earned:
    enforced = Admission.ENFORCED.value
    found = (
        each.entry is not None and each.entry.evidence.admission == enforced for each in facts.taken
    )
    return _share(found)


# Workload distribution


def _grouped(facts: Facts) -> _Earned | None:
    cohorts = facts.dossier.rollout.spec.cohorts
    if not cohorts:
        return None
    return Fraction(1), f"{len(cohorts)} cohorts have a percentage of their own"


def _covered(facts: Facts) -> _Earned | None:
    if facts.dossier.rollout.spec.coverage is None:
        return None
    return _shown(ConditionType.COVERAGE_OBSERVED)(facts)


# Monitoring


def _had_data(facts: Facts) -> _Earned:
    windows = (
        window.outcome == Outcome.VALUE.value
        for each in facts.taken
        if each.entry is not None
        for window in each.entry.evidence.windows
    )
    return _share(windows, "metric windows")


# Risk


def _rolls_back(facts: Facts) -> _Earned:
    triggers = [
        each.name
        for each in facts.dossier.rollout.spec.triggers
        if each.action is TriggerAction.ROLLBACK
    ]
    return Fraction(bool(triggers)), f"triggers that roll back: {', '.join(triggers) or 'none'}"


def _risks_addressed(facts: Facts) -> _Earned:
    risks = facts.dossier.rollout.spec.risks
    return _share((each.status is not RiskStatus.OPEN for each in risks), "risks in the plan")


_CATEGORIES: tuple[tuple[str, tuple[_Rule, ...]], ...] = (
    (
        "Deployment execution quality",
        (
            (4, "expansions that kept to the soak practice", _practice(Practice.SOAK)),
            (2, "expansions that kept to the expansion rate", _practice(Practice.RATE)),
            (2, "expansions that no rollback undid", _stayed_up),
            (2, "nobody changed the flag past the operator", _not_touched),
        ),
    ),
    (
        "Task coordination",
        (
            (4, "handoffs that their receivers acknowledged", _handed_over),
            (3, "expansions with a checkpoint that was GO", _practice(Practice.CHECKPOINT)),
            (3, "checkpoints that were reported in time", _in_time),
        ),
    ),
    (
        "Decision process",
        (
            (4, "expansions with the approvals of the practice", _practice(Practice.APPROVAL)),
            (2, "expansions with a checkpoint that was GO", _practice(Practice.CHECKPOINT)),
            (2, "expansions that a verified person decided", _decided_by_somebody),
            (2, "expansions with admission enforced", _admission_enforced),
        ),
    ),
    (
        "Workload distribution",
        (
            (5, "the plan keeps groups off below a percentage of their own", _grouped),
            (5, "expansions at which the observed share was that of the plan", _covered),
        ),
    ),
    (
        "Monitoring and observability",
        (
            (3, "expansions with the baseline of the practice", _practice(Practice.BASELINE)),
            (
                3,
                "expansions that metric gates were passed for",
                _shown(ConditionType.GATES_HEALTHY),
            ),
            (
                2,
                "expansions while triggers watched, and were quiet",
                _shown(ConditionType.TRIGGERS_QUIET),
            ),
            (2, "windows of gates and triggers that had data", _had_data),
        ),
    ),
    (
        "Risk management",
        (
            (3, "the plan has a trigger that rolls back", _rolls_back),
            (3, "expansions with a rehearsed rollback", _practice(Practice.REHEARSAL)),
            (4, "risks of the plan that are mitigated or accepted", _risks_addressed),
        ),
    ),
)
