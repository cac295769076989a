"""The risk register, and what each step cost."""

from datetime import datetime

from surefoot.api.v1alpha1.rollout import Gate, GateCondition, RiskStatus, RolloutSpec, Trigger
from surefoot.api.v1alpha1.rollout_status import Baseline
from surefoot.reports.dossier import Dossier
from surefoot.reports.rendering import Part

COST = "cost"


class RiskRow(Part):
    """A risk of the plan."""

    name: str
    severity: str
    probability: str
    mitigation: str | None
    status: str


class RiskRegister(Part):
    """The risks, and how many of them something is done about. None: no risk is named."""

    risks: tuple[RiskRow, ...]
    addressed: int
    coverage_percent: int | None


class CostRow(Part):
    """What was recorded of a cost metric at a percentage."""

    percent: int
    metric: str
    median: str
    p95: str
    count: int
    coverage: str
    recorded_at: datetime


class Costs(Part):
    """The cost of each step. ``metrics`` are those that are taken for costs."""

    metrics: tuple[str, ...]
    rows: tuple[CostRow, ...]
    rule: str = (
        'a metric is taken for a cost where "cost" is a word of its name, or of the name of a gate '
        "or trigger on it"
    )


def register_of(dossier: Dossier) -> RiskRegister:
    """The risks that the plan names."""
    risks = dossier.rollout.spec.risks
    addressed = sum(each.status is not RiskStatus.OPEN for each in risks)
    return RiskRegister(
        risks=tuple(
            RiskRow(
                name=each.name,
                severity=each.severity.value,
                probability=each.probability.value,
                mitigation=each.mitigation or None,
                status=each.status.value,
            )
            for each in risks
        ),
        addressed=addressed,
        coverage_percent=round(100 * addressed / len(risks)) if risks else None,
    )


def costs_of(dossier: Dossier) -> Costs:
    """What was recorded of every cost metric, at each step on the record."""
    metrics = cost_metrics(dossier.rollout.spec)
    found: dict[tuple[int, str, datetime], Baseline] = {
        (each.percent, each.metric, each.recorded_at): each
        for recorded in (
            *(entry.evidence.baselines for entry in dossier.history),
            dossier.rollout.status.baselines,
        )
        for each in recorded
        if each.metric in metrics
    }
    return Costs(
        metrics=metrics,
        rows=tuple(
            CostRow(
                percent=each.percent,
                metric=each.metric,
                median=each.median,
                p95=each.p95,
                count=each.count,
                coverage=each.coverage,
                recorded_at=each.recorded_at,
            )
            for _, each in sorted(found.items(), key=lambda item: item[1].recorded_at)
        ),
    )


def cost_metrics(spec: RolloutSpec) -> tuple[str, ...]:
    """The metrics that are taken for costs, by name."""
    named: list[Gate | GateCondition | Trigger] = [
        *spec.gates,
        *(condition for gate in spec.gates for condition in gate.of or ()),
        *spec.triggers,
    ]
    found = {each.metric or each.name for each in named if COST in each.name.split("-")}
    found |= {each.name for each in spec.metrics if COST in each.name.split("-")}
    return tuple(sorted(found & {each.name for each in spec.metrics}))
