"""What an audit compares with: the practices' least values, and the weights of the score."""

from datetime import timedelta
from typing import Annotated

import yaml
from pydantic import Field, ValidationError, model_validator

from surefoot.api.v1alpha1.durations import parse_bound, parse_duration
from surefoot.api.v1alpha1.meta import Bound, Duration
from surefoot.errors import AuditError
from surefoot.reports.rendering import Part

ALL = 100
CONSERVATIVE = 2
"""The recommended time at a step is this many times the least."""

Weight = Annotated[int, Field(strict=True, ge=0, le=ALL)]


class Weights(Part):
    """What share of the score each category has, in percent: 100 in all."""

    execution: Weight = 20
    coordination: Weight = 15
    decision: Weight = 20
    workload: Weight = 10
    monitoring: Weight = 15
    risk: Weight = 20

    @model_validator(mode="after")
    def _add_up(self) -> "Weights":
        given = self.model_dump()
        if sum(given.values()) != ALL:
            said = " + ".join(f"{name} {weight}" for name, weight in given.items())
            raise ValueError(
                f"the weights must add up to {ALL}, and {said} = {sum(given.values())}; those that "
                "are not named keep their defaults"
            )
        return self


class Standards(Part):
    """The least that is asked of every expansion, whatever its plan asks."""

    soak: Duration = "24h"
    """Healthy time at a percentage before it is left."""
    baseline: Duration = "6h"
    """Time with samples of every metric that a baseline is recorded from."""
    expansion_factor: Bound = 3
    """Largest growth from one percentage to the next."""
    approvals: Annotated[int, Field(strict=True, ge=1, le=16)] | None = None
    """How many verified GOs; as many as the plan asks for, and at least one, if absent."""
    rehearsal_max_age: Duration = "7d"
    """How old the last rollback rehearsal may be."""
    weights: Weights = Weights()
    """The weights of the score."""

    @model_validator(mode="after")
    def _may_grow(self) -> "Standards":
        if self.largest_factor < 1:
            raise ValueError(f"expansionFactor is {self.expansion_factor}; it must be at least 1")
        return self

    @property
    def least_soak(self) -> timedelta:
        """The soak, as a length."""
        return parse_duration(self.soak)

    @property
    def least_baseline(self) -> timedelta:
        """The baseline, as a length."""
        return parse_duration(self.baseline)

    @property
    def largest_factor(self) -> float:
        """The expansion factor, as a number."""
        return parse_bound(self.expansion_factor)

    @property
    def oldest_rehearsal(self) -> timedelta:
        """The rehearsal's age, as a length."""
        return parse_duration(self.rehearsal_max_age)


def read_standards(text: str, source: str) -> Standards:
    """The standards in a YAML document; what it does not name keeps its default.

    Raises `AuditError` naming ``source``, what was found and what is expected.
    """
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        said = " ".join(str(error).split()) or "nested too deeply"
        raise AuditError(f"{source} is not YAML: {said}") from error
    if content is not None and not isinstance(content, dict):
        raise AuditError(f"{source} must be a map such as `soak: 24h`, and is no map")
    try:
        return Standards.model_validate(content or {})
    except ValidationError as error:
        said = "; ".join(_in_words(fault) for fault in error.errors(include_url=False))
        raise AuditError(f"{source}: {said}") from error


def _in_words(fault: object) -> str:
    details = fault if isinstance(fault, dict) else {}
    path = ".".join(map(str, details["loc"]))
    if details["type"] == "extra_forbidden":
        model = Weights if path.startswith("weights.") else Standards
        known = ", ".join(field.alias or name for name, field in model.model_fields.items())
        return f"{path} is not known; known: {known}"
    if details["type"] == "string_pattern_mismatch":
        return f'{path}: "{details["input"]}" is not a duration: write 24h, 30m, 90s or 1h30m'
    said = str(details["msg"]).removeprefix("Value error, ")
    return f"{path}: {said}" if path else said
