"""Flagd documents as programs read them: by the evaluator of the OpenFeature SDK for Python."""

import json
from typing import Any

from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext

KEYS = tuple(f"account-{number}" for number in range(10_000))
"""As many as are needed to see a percentage."""


def evaluator(document: str) -> FlagdCore:
    """An evaluator that has loaded a document."""
    core = FlagdCore()
    core.set_flags(document)
    return core


def is_in(core: FlagdCore, flag: str, key: str | None = None, **attributes: Any) -> bool:
    """Whether somebody is in. The evaluation must succeed: an error would serve the default."""
    context = EvaluationContext(targeting_key=key, attributes=attributes)
    details = core.resolve_boolean_value(flag, False, context)
    assert details.error_code is None
    assert details.variant in {"on", "off"}, f"nothing was decided: {details}"
    return details.value


def who_is_in(document: str, flag: str, by: str = "targetingKey", **attributes: Any) -> set[str]:
    """Which of the keys are in, all having the same other attributes."""
    core = evaluator(document)
    if by == "targetingKey":
        return {key for key in KEYS if is_in(core, flag, key, **attributes)}
    return {key for key in KEYS if is_in(core, flag, **attributes, **{by: key})}


def targeting(document: str, flag: str) -> Any:
    """The rule by which a flag is decided."""
    return json.loads(document)["flags"][flag]["targeting"]
