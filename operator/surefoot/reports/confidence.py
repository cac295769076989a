"""How confident one may be in the step ahead: the share of stated facts that the record shows."""

from collections.abc import Callable

from surefoot.api.v1alpha1.approval import RequestState
from surefoot.api.v1alpha1.checkpoint import CheckpointType
from surefoot.domain.facts.snapshot import Admission
from surefoot.domain.facts.verdicts import ConditionType
from surefoot.reports.expansions import Expansion
from surefoot.reports.facts import Facts
from surefoot.reports.practices import Compliance, ExpansionPractices, Practice
from surefoot.reports.rendering import Part

_LEVELS = ((80, "HIGH"), (60, "MEDIUM"), (40, "MEDIUM-LOW"), (0, "LOW"))


class Builder(Part):
    """A fact that builds confidence, and whether the record shows it. None is unknown."""

    fact: str
    shown: bool | None
    found: str


class Confidence(Part):
    """The confidence in the step ahead. ``percent`` is None where no step is ahead."""

    expansion: str | None
    percent: int | None
    level: str
    builders: tuple[Builder, ...]
    rule: str = (
        "every fact counts the same; what is unknown counts as not shown; from 80% it is HIGH, "
        "from 60% MEDIUM, from 40% MEDIUM-LOW"
    )


_Answer = tuple[bool | None, str]


def confidence_of(facts: Facts) -> Confidence:
    """The confidence in the step ahead."""
    if facts.ahead is None or facts.ahead_practices is None:
        return Confidence(
            expansion=None, percent=None, level="unknown: no expansion is ahead", builders=()
        )
    builders = tuple(
        Builder(fact=fact, shown=shown, found=found)
        for fact, judge in _BUILDERS
        for shown, found in (judge(facts, facts.ahead, facts.ahead_practices),)
    )
    percent = round(100 * sum(each.shown is True for each in builders) / len(builders))
    level = next(word for least, word in _LEVELS if percent >= least)
    return Confidence(expansion=facts.ahead.name, percent=percent, level=level, builders=builders)


_Judge = Callable[[Facts, Expansion, ExpansionPractices], _Answer]


def _gates_are_enforced(_: Facts, ahead: Expansion, __: ExpansionPractices) -> _Answer:
    hold = ahead.hold
    if hold is None:
        return None, "the plan has no such step"
    asked = {
        "soak": bool(hold.soak),
        "checkpoints": bool(hold.checkpoints),
        "approvals": bool(hold.approvals and hold.approvals.roles),
        "admission enforced": ahead.reason(ConditionType.ADMISSION_ENFORCED)
        == Admission.ENFORCED.value,
    }
    lacking = [name for name, is_there in asked.items() if not is_there]
    return not lacking, f"lacking: {', '.join(lacking)}" if lacking else "all are"


def _practice(practice: Practice) -> _Judge:
    def judge(_: Facts, __: Expansion, judged: ExpansionPractices) -> _Answer:
        found = judged.of(practice)
        answers = {Compliance.COMPLIES: True, Compliance.FAILS: False, Compliance.UNKNOWN: None}
        return answers[found.compliance], found.found

    return judge


def _metrics_hold(_: Facts, ahead: Expansion, __: ExpansionPractices) -> _Answer:
    shown = [
        condition.value
        for condition in (ConditionType.GATES_HEALTHY, ConditionType.TRIGGERS_QUIET)
        if ahead.shows(condition)
    ]
    return len(shown) == 2, f"shown: {', '.join(shown) or 'neither'}"


def _tests_pass(facts: Facts, ahead: Expansion, _: ExpansionPractices) -> _Answer:
    tests = [
        test
        for checkpoint in facts.dossier.checkpoints
        if checkpoint.spec.request.percent == ahead.from_
        and checkpoint.status.state in {RequestState.GO, RequestState.USED}
        for test in checkpoint.spec.tests
    ]
    if not tests:
        return None, "no report of this step that is GO carries test results"
    passed, total = sum(test.passed for test in tests), sum(test.total for test in tests)
    return passed == total and total > 0, f"{passed} of {total} tests"


def _conflicts_are_over(facts: Facts, ahead: Expansion, _: ExpansionPractices) -> _Answer:
    open_ones = [
        each for each in facts.conflicts if each.percent == ahead.from_ and not each.resolved
    ]
    meetings = any(
        each.spec.request.type is CheckpointType.DECISION_MEETING
        and each.spec.request.percent == ahead.from_
        for each in facts.dossier.checkpoints
    )
    if open_ones:
        return False, "; ".join(each.how for each in open_ones)
    if not ahead.signatures and not ahead.checkpoints:
        return None, "nobody has decided anything yet"
    return True, "resolved by a meeting" if meetings else "nobody said NO-GO"


def _earlier_kept_to_it(facts: Facts, _: Expansion, __: ExpansionPractices) -> _Answer:
    if not facts.taken_practices:
        return None, "there was none"
    kept = sum(each.complied == each.out_of for each in facts.taken_practices)
    return kept == len(facts.taken_practices), f"{kept} of {len(facts.taken_practices)}"


_BUILDERS: tuple[tuple[str, _Judge], ...] = (
    ("the step asks for soak, checkpoints and approvals, and admission holds", _gates_are_enforced),
    ("it was stable for the soak of the standard", _practice(Practice.SOAK)),
    ("a baseline of the standard is recorded", _practice(Practice.BASELINE)),
    ("its checkpoints are GO", _practice(Practice.CHECKPOINT)),
    ("its approvals are complete", _practice(Practice.APPROVAL)),
    ("its reports carry tests, and all pass", _tests_pass),
    ("metric gates hold and triggers are quiet, with data", _metrics_hold),
    ("a rollback was rehearsed", _practice(Practice.REHEARSAL)),
    ("whatever conflict there was is resolved", _conflicts_are_over),
    ("all earlier expansions kept to every practice", _earlier_kept_to_it),
)
