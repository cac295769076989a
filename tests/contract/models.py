"""Which models the contract is made of."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from surefoot.api.v1alpha1.approval import Approval
from surefoot.api.v1alpha1.checkpoint import Checkpoint
from surefoot.api.v1alpha1.meta import ApiModel
from surefoot.api.v1alpha1.rollout import Rollout

KINDS: Mapping[str, type[ApiModel]] = {
    "Rollout": Rollout,
    "Checkpoint": Checkpoint,
    "Approval": Approval,
}


def models_of_the_contract() -> frozenset[type[ApiModel]]:
    """The three kinds, and every model that one of their fields, at any depth, is made of."""
    found: set[type[ApiModel]] = set()
    waiting = list(KINDS.values())
    while waiting:
        model = waiting.pop()
        if model not in found:
            found.add(model)
            for field in model.model_fields.values():
                waiting.extend(_models_in(field.annotation))
    return frozenset(found)


def _models_in(annotation: Any) -> Iterator[type[ApiModel]]:
    if isinstance(annotation, type) and issubclass(annotation, ApiModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
