"""The readiness scorecard: points for what is shown to hold now, out of 100.

What was not measured, not asked for or not decided scores 0 and says so: points are given for
evidence, never for its absence.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from surefoot.api.v1alpha1.checkpoint import CheckpointType
from surefoot.api.v1alpha1.rollout import RolloutSpec, Scorecard, ScorecardItem
from surefoot.api.v1alpha1.rollout_status import Phase, Readiness, ReadinessItem
from surefoot.domain.checks.check import LEAVING_A_STEP, Check, Group, Judgements
from surefoot.domain.checks.gates import bands_of, judge_gate
from surefoot.domain.checks.risks import risks_in_the_way
from surefoot.domain.derive.state import State
from surefoot.domain.facts.bands import Bands
from surefoot.domain.facts.steps import hold_of
from surefoot.domain.facts.verdicts import (
    ConditionType,
    UnmetRequirement,
    Verdict,
    blocks,
    not_required,
    passes,
)
from surefoot.domain.signoff.checkpoints import CheckpointsJudgement, CheckpointView

OUT_OF = 100
_TYPES = frozenset(kind.value for kind in CheckpointType)
_SCORED = tuple(
    condition.value
    for condition in ConditionType
    if condition is not ConditionType.SCORECARD_PASSED
)


def _item(
    name: str, section: str, *, condition: str | None = None, checkpoint: str | None = None
) -> ScorecardItem:
    return ScorecardItem(
        name=name, section=section, points=10, condition=condition, checkpoint=checkpoint
    )


DEFAULT_ITEMS = (
    _item("health", "Technical"),
    _item("test-pass-rate", "Technical"),
    _item("error-rate", "Technical"),
    _item("p95-latency", "Technical"),
    _item("checkpoint-report", "Process", checkpoint="Report"),
    _item("approvals", "Process", condition="Approved"),
    _item("decision-meeting", "Process", checkpoint="DecisionMeeting"),
    _item("soak-time", "Validation", condition="SoakComplete"),
    _item("cache-performance", "Validation"),
    _item("retrieval-accuracy", "Validation"),
)
"""What is scored where the plan names no items; those without a source are gates of that name."""


@dataclass(frozen=True, slots=True)
class Evidences:
    """What items are scored by: the gates' data, the other verdicts, the step's checkpoints."""

    situation: State
    verdicts: Mapping[ConditionType, Verdict]
    checkpoints: tuple[CheckpointView, ...]


def score(evidence: Evidences) -> Readiness | None:
    """The score as of now, item by item; None where the plan has no scorecard."""
    card = evidence.situation.rollout.spec.scorecard
    if card is None:
        return None
    items = tuple(_scored(evidence, item) for item in card.items or DEFAULT_ITEMS)
    total = sum(item.points for item in items)
    return Readiness(score=total, out_of=OUT_OF, verdict=_verdict_of(card, total), items=items)


def _verdict_of(card: Scorecard, total: int) -> str:
    if total >= card.go:
        return "Go"
    return "GoWithMonitoring" if total >= card.go_with_monitoring else "NoGo"


def _scored(evidence: Evidences, item: ScorecardItem) -> ReadinessItem:
    if item.condition is not None:
        earned, message = _by_condition(evidence, item.condition)
    elif item.checkpoint is not None:
        earned, message = _by_checkpoint(evidence, item.checkpoint)
    else:
        earned, message = _by_gate(evidence, item.gate or item.name)
    return ReadinessItem(
        name=item.name,
        points=item.points if earned else 0,
        out_of=item.points,
        section=item.section,
        message=message,
    )


def _by_gate(evidence: Evidences, name: str) -> tuple[bool, str]:
    gates = evidence.situation.rollout.spec.gates
    gate = next((gate for gate in gates if gate.name == name), None)
    if gate is None:
        return False, f"not measured: the plan has no gate {name}"
    judged = judge_gate(evidence.situation, gate)
    measured = judged.holds is not None and judged.reason != "NotRequired"
    subject = "gate" if measured else "not measured: gate"
    return measured and judged.holds is True, f"{subject} {judged.message}"


def _by_condition(evidence: Evidences, name: str) -> tuple[bool, str]:
    verdict = evidence.verdicts.get(ConditionType(name)) if name in _SCORED else None
    if verdict is None or verdict.reason == "NotRequired":
        return False, f"not shown: the plan asks for nothing that {name} could say"
    return verdict.holds is True, f"{name}: {verdict.message}"


def _by_checkpoint(evidence: Evidences, name: str) -> tuple[bool, str]:
    views = [
        view for view in evidence.checkpoints if name in {view.plan.name, view.plan.type.value}
    ]
    if not views:
        kind = f"of type {name}" if name in _TYPES else name
        return False, f"not shown: this step has no checkpoint {kind}"
    waits = [view.plan.name for view in views if not view.is_go]
    if waits:
        return False, f"checkpoint {', '.join(waits)} is not GO"
    return True, f"checkpoint {', '.join(view.plan.name for view in views)} is GO"


@dataclass(frozen=True, slots=True)
class ScorecardJudgement:
    """Whether the plan's own assessment allows the step, and the score of the step ahead."""

    verdict: Verdict
    readiness: Readiness | None


def judge(state: State, earlier: Judgements) -> ScorecardJudgement:
    """The score of everything that is judged before it. Once complete there is none."""
    readiness = None
    if not state.is_complete:
        reports = earlier[ConditionType.CHECKPOINTS_PASSED]
        views = reports.views if isinstance(reports, CheckpointsJudgement) else ()
        verdicts = {kind: judgement.verdict for kind, judgement in earlier.items()}
        readiness = score(Evidences(situation=state, verdicts=verdicts, checkpoints=views))
    verdict = judge_scorecard(state.rollout.spec, readiness, is_complete=state.is_complete)
    return ScorecardJudgement(verdict, readiness)


def judge_scorecard(
    spec: RolloutSpec, readiness: Readiness | None, *, is_complete: bool
) -> Verdict:
    """Whether nothing in the plan's own assessment is in the way: open risks, and the score."""
    if is_complete:
        return not_required(ConditionType.SCORECARD_PASSED)
    card = spec.scorecard
    missing = [*risks_in_the_way(spec)]
    if card is not None and card.gate and readiness is not None and readiness.verdict == "NoGo":
        missing.append(_too_low(card, readiness))
    if missing:
        return blocks(ConditionType.SCORECARD_PASSED, *missing)
    if card is not None and card.gate and readiness is not None:
        message = f"readiness {readiness.score} of {readiness.out_of}"
        return passes(ConditionType.SCORECARD_PASSED, readiness.verdict, message)
    if spec.limits is not None and spec.limits.max_open_risk is not None:
        message = f"no risk worse than {spec.limits.max_open_risk.value} is open"
        return passes(ConditionType.SCORECARD_PASSED, "RisksCovered", message)
    return not_required(ConditionType.SCORECARD_PASSED)


def _too_low(card: Scorecard, readiness: Readiness) -> UnmetRequirement:
    """What lacks points; why each does is said in `status.readiness`."""
    lacking = ", ".join(
        f"{item.name} {item.points} of {item.out_of}"
        for item in readiness.items
        if item.points < item.out_of
    )
    return UnmetRequirement(
        "NoGo",
        f"readiness {readiness.score} of {readiness.out_of}, at least {card.go_with_monitoring} "
        f"needed: {lacking}",
    )


def scorecard_faults(spec: RolloutSpec) -> Iterator[UnmetRequirement]:
    """Items that name something that there is not."""
    card = spec.scorecard
    if card is None:
        return
    points = sum(item.points for item in card.items)
    if card.items and points != OUT_OF:
        yield UnmetRequirement(
            "PointsDoNotAddUp",
            f"the points of scorecard.items add up to {points}; they must add up to {OUT_OF}",
        )
    if card.go < card.go_with_monitoring:
        yield UnmetRequirement(
            "ThresholdsCrossed",
            f"scorecard.go is {card.go} and goWithMonitoring {card.go_with_monitoring}; go must "
            "not be the lower one",
        )
    gates = [gate.name for gate in spec.gates]
    checkpoints = {
        plan.name for index in range(len(spec.steps)) for plan in hold_of(spec, index).checkpoints
    }
    for item in card.items:
        if item.condition is not None:
            yield from _unknown(item, "condition", item.condition, _SCORED)
        elif item.checkpoint is not None:
            known = [*sorted(checkpoints), *sorted(_TYPES)]
            yield from _unknown(item, "checkpoint", item.checkpoint, known)
        else:
            yield from _unknown(item, "gate", item.gate or item.name, gates)


def _unknown(
    item: ScorecardItem, what: str, name: str, known: Iterable[str]
) -> Iterator[UnmetRequirement]:
    names = tuple(known)
    if name not in names:
        yield UnmetRequirement(
            "UnknownScorecardSource",
            f"scorecard item {item.name} is earned by the {what} {name}, which is unknown; known: "
            f"{', '.join(names) or 'none'}",
        )


def _steady_within(state: State, _: ScorecardJudgement) -> Bands | None:
    """Every gate that scores goes on doing so while its bounds are kept."""
    spec = state.rollout.spec
    if spec.scorecard is None or state.is_complete:
        return {}
    named = {
        item.gate or item.name
        for item in spec.scorecard.items or DEFAULT_ITEMS
        if item.condition is None and item.checkpoint is None
    }
    gates = [gate for gate in spec.gates if gate.name in named]
    if not all(judge_gate(state, gate).holds for gate in gates):
        return None
    return bands_of(state, gates)


SCORECARD_PASSED = Check(
    type=ConditionType.SCORECARD_PASSED,
    group=Group.AFTER_HOLD,
    applies_to=LEAVING_A_STEP,
    phase=Phase.HOLDING,
    judge=judge,
    waits="what is not measured for a moment scores nothing, and what it lacks blocks by itself",
    is_paced=True,
    steady_within=_steady_within,
    reads=tuple(kind for kind in ConditionType if kind is not ConditionType.SCORECARD_PASSED),
    faults=lambda snapshot: scorecard_faults(snapshot.rollout.spec),
)
