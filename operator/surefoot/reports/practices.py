"""The six practices of a progressive rollout, judged for one expansion.

Each rule is a function of what the record shows and of the standards. What the record does not
show is unknown: it neither complies nor is it said not to.
"""

from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum

from surefoot.api.v1alpha1.durations import in_words, parse_elapsed
from surefoot.domain.facts.verdicts import ConditionType
from surefoot.domain.facts.windows import number
from surefoot.reports.expansions import NOTHING_ASKED, Expansion
from surefoot.reports.rendering import Part
from surefoot.reports.standards import Standards


class Compliance(StrEnum):
    """Whether an expansion kept to a practice."""

    COMPLIES = "complies"
    FAILS = "does not comply"
    UNKNOWN = "unknown"


class Practice(StrEnum):
    """The practices, as the report names them."""

    SOAK = "Initial soak"
    CHECKPOINT = "Checkpoint validation"
    APPROVAL = "Stakeholder approval"
    BASELINE = "Monitoring baseline"
    RATE = "Expansion rate"
    REHEARSAL = "Rollback rehearsal"


class Judged(Part):
    """One practice, for one expansion."""

    practice: Practice
    standard: str
    found: str
    compliance: Compliance


class ExpansionPractices(Part):
    """All practices for one expansion, taken or ahead."""

    expansion: str
    from_percent: int
    to_percent: int
    taken: bool
    practices: tuple[Judged, ...]
    complied: int
    out_of: int
    percent: int

    def of(self, practice: Practice) -> Judged:
        """The judgement on one practice."""
        return next(each for each in self.practices if each.practice is practice)


_Found = tuple[Compliance, str]


def practices_of(expansion: Expansion, standards: Standards) -> ExpansionPractices:
    """Judge every practice."""
    judged = tuple(
        Judged(practice=practice, standard=said(expansion, standards), found=found, compliance=is_)
        for practice, said, judge in _RULES
        for is_, found in (judge(expansion, standards),)
    )
    complied = sum(each.compliance is Compliance.COMPLIES for each in judged)
    return ExpansionPractices(
        expansion=expansion.name,
        from_percent=expansion.from_,
        to_percent=expansion.to,
        taken=expansion.at is not None,
        practices=judged,
        complied=complied,
        out_of=len(judged),
        percent=round(100 * complied / len(judged)),
    )


# Initial soak


def _soak_standard(_: Expansion, standards: Standards) -> str:
    return f"{in_words(standards.least_soak)} of healthy time before it is left"


def _soak(expansion: Expansion, standards: Standards) -> _Found:
    least = standards.least_soak
    if expansion.healthy is not None:
        watched = expansion.shows(ConditionType.TRIGGERS_QUIET) or expansion.at is None
        unwatched = "" if watched else ", which no trigger watched"
        said = f"{in_words(expansion.healthy)} at {expansion.from_}%{unwatched}"
        return _at_least(expansion.healthy, least, said)
    if expansion.stood is not None and expansion.stood < least:
        said = f"it stood at {expansion.from_}% for {in_words(expansion.stood)}"
        return _at_least(expansion.stood, least, said)
    return Compliance.UNKNOWN, "the record has no soak account"


def _at_least(found: timedelta, least: timedelta, said: str) -> _Found:
    if found >= least:
        return Compliance.COMPLIES, said
    return Compliance.FAILS, f"{said}, {below(found, least)}"


def below(found: timedelta, least: timedelta) -> str:
    """How far something falls short, such as `93% below`."""
    return f"{round(100 * (1 - found / least))}% below"


# Checkpoint validation


def _checkpoint_standard(_: Expansion, __: Standards) -> str:
    return "at least one checkpoint of the step is GO before it is left"


def _checkpoint(expansion: Expansion, _: Standards) -> _Found:
    if expansion.shows(ConditionType.CHECKPOINTS_PASSED) or expansion.checkpoints:
        named = ", ".join(expansion.checkpoints) or "by CheckpointsPassed"
        if expansion.at is not None or expansion.shows(ConditionType.CHECKPOINTS_PASSED):
            return Compliance.COMPLIES, f"GO: {named}"
        return Compliance.FAILS, f"not all are GO; GO: {named}"
    reason = expansion.reason(ConditionType.CHECKPOINTS_PASSED)
    if reason in NOTHING_ASKED:
        return Compliance.FAILS, "the plan asked for none"
    if expansion.held_is_whole:
        return Compliance.FAILS, "none is GO"
    return Compliance.UNKNOWN, "the record does not show whether one was"


# Stakeholder approval


def approvals_needed(expansion: Expansion, standards: Standards) -> int:
    """How many verified GOs there must be: as many as the plan asks for, and at least one."""
    if standards.approvals is not None:
        return standards.approvals
    return max(1, expansion.approvals_asked or 0)


def _approval_standard(expansion: Expansion, standards: Standards) -> str:
    needed = approvals_needed(expansion, standards)
    by_plan = standards.approvals is None and needed == expansion.approvals_asked
    return f"{needed} verified GO{'' if needed == 1 else 's'}{', as in the plan' * by_plan}"


def _approval(expansion: Expansion, standards: Standards) -> _Found:
    needed = approvals_needed(expansion, standards)
    verified = [each for each in expansion.signatures if each.verified]
    named = ", ".join(f"{each.role} by {each.by or 'nobody named'}" for each in verified)
    said = f"{len(verified)} verified{f': {named}' if named else ''}"
    unverified = len(expansion.signatures) - len(verified)
    if unverified:
        said += f"; {unverified} not verified, of which it is unknown who gave it"
    if len(verified) >= needed:
        if standards.approvals is None and expansion.approvals_asked is None:
            said += "; how many the plan of then asked for is unknown"
        return Compliance.COMPLIES, said
    if len(expansion.signatures) >= needed or not expansion.decisions_are_whole:
        return Compliance.UNKNOWN, said
    return Compliance.FAILS, said


# Monitoring baseline


def _baseline_standard(_: Expansion, standards: Standards) -> str:
    return f"{in_words(standards.least_baseline)} with samples of every metric"


def _baseline(expansion: Expansion, standards: Standards) -> _Found:
    lengths = [(parse_elapsed(each.present), each.metric) for each in expansion.baselines]
    if lengths:
        shortest, metric = min(lengths)
        said = f"{len(lengths)} recorded, the shortest {in_words(shortest)} ({metric})"
        return _at_least(shortest, standards.least_baseline, said)
    if not expansion.baselines_are_whole:
        return Compliance.UNKNOWN, "the record does not show it: the entry was shortened"
    return Compliance.FAILS, f"none was recorded at {expansion.from_}%"


# Expansion rate


def _rate_standard(_: Expansion, standards: Standards) -> str:
    return f"at most {number(standards.largest_factor)} times what it was"


def _rate(expansion: Expansion, standards: Standards) -> _Found:
    factor = expansion.to / expansion.from_
    is_within = expansion.to <= standards.largest_factor * expansion.from_
    said = f"{number(round(factor, 2))} times ({expansion.name})"
    return (Compliance.COMPLIES if is_within else Compliance.FAILS), said


# Rollback rehearsal


def _rehearsal_standard(_: Expansion, standards: Standards) -> str:
    return f"a rollback was rehearsed, at most {in_words(standards.oldest_rehearsal)} before"


def _rehearsal(expansion: Expansion, standards: Standards) -> _Found:
    last, oldest = expansion.rehearsal, standards.oldest_rehearsal
    is_before = last is not None and last.at <= expansion.as_of
    if last is not None and is_before:
        said = f"run {last.run} {last.outcome}, {in_words(expansion.as_of - last.at)} before"
        in_time = expansion.as_of - last.at <= oldest
        if last.outcome == "Passed" and in_time:
            return Compliance.COMPLIES, said
        return Compliance.FAILS, said
    if expansion.shows(ConditionType.REHEARSAL_FRESH):
        return _fresh_by_the_plan(expansion, oldest)
    if last is not None:
        return (
            Compliance.UNKNOWN,
            "the last rehearsal was after it; of earlier ones nothing is kept",
        )
    if not expansion.held_is_whole:
        return Compliance.UNKNOWN, "the record does not show whether one was"
    return Compliance.FAILS, "no rehearsal is on the record"


def _fresh_by_the_plan(expansion: Expansion, oldest: timedelta) -> _Found:
    reason = expansion.reason(ConditionType.REHEARSAL_FRESH)
    asked = expansion.rehearsal_max_age
    if asked is not None and asked <= oldest:
        return Compliance.COMPLIES, f"{reason}, at most {in_words(asked)} before by the plan"
    return Compliance.UNKNOWN, f"{reason}; how long before is unknown"


_RULES: tuple[
    tuple[
        Practice, Callable[[Expansion, Standards], str], Callable[[Expansion, Standards], _Found]
    ],
    ...,
] = (
    (Practice.SOAK, _soak_standard, _soak),
    (Practice.CHECKPOINT, _checkpoint_standard, _checkpoint),
    (Practice.APPROVAL, _approval_standard, _approval),
    (Practice.BASELINE, _baseline_standard, _baseline),
    (Practice.RATE, _rate_standard, _rate),
    (Practice.REHEARSAL, _rehearsal_standard, _rehearsal),
)
