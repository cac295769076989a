"""The risk register of a plan: an open risk that is too severe is a gate where the plan says so."""

from surefoot.api.v1alpha1.rollout import Level, Risk, RiskStatus, RolloutSpec
from surefoot.domain.facts.verdicts import UnmetRequirement

_MILDEST_FIRST = (Level.LOW, Level.MEDIUM, Level.HIGH)


def open_risks(spec: RolloutSpec) -> tuple[Risk, ...]:
    """The risks that are neither mitigated nor accepted, the worst first."""
    risks = [risk for risk in spec.risks if risk.status is RiskStatus.OPEN]
    return tuple(sorted(risks, key=lambda risk: -_MILDEST_FIRST.index(risk.severity)))


def risks_in_the_way(spec: RolloutSpec) -> tuple[UnmetRequirement, ...]:
    """The open risks that are worse than `limits.maxOpenRisk`; none where it is absent."""
    limit = spec.limits.max_open_risk if spec.limits else None
    if limit is None:
        return ()
    return tuple(
        UnmetRequirement(
            "RiskOpen",
            f"risk {risk.name} of severity {risk.severity.value} and probability "
            f"{risk.probability.value} is open, and limits.maxOpenRisk is {limit.value}; mitigate "
            "or accept it, and say so in the plan",
        )
        for risk in open_risks(spec)
        if _MILDEST_FIRST.index(risk.severity) > _MILDEST_FIRST.index(limit)
    )
