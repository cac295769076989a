"""Who asked for an entry of the history, and how that is said.

Admission stamps on a Rollout who changed what. A retry, a rollback that a person asks for, a
changed plan, a pause and its end carry the name from the stamp. Where admission was not enforced
anybody may have written the stamp, so the name is not verified.
"""

from types import MappingProxyType
from typing import NamedTuple

from surefoot.api.v1alpha1.meta import (
    ATTEMPT_BY_ANNOTATION,
    CHANGED_BY_ANNOTATION,
    REQUESTED_BY_ANNOTATION,
)
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import PendingTransition, Transition, TransitionType

SUREFOOT = "surefoot"
REQUESTED = "Requested"
"""The reason of a rollback that a person asks for with `spec.rollback`."""
UNNAMED = "somebody whose name was not recorded"
_FORMERLY_UNNAMED = "person"
"""What earlier versions wrote instead of a name."""

_STAMPS = MappingProxyType(
    {
        TransitionType.RETRY: ATTEMPT_BY_ANNOTATION,
        TransitionType.PLAN_CHANGED: REQUESTED_BY_ANNOTATION,
        TransitionType.ROLLBACK: CHANGED_BY_ANNOTATION,
        TransitionType.PAUSED: CHANGED_BY_ANNOTATION,
        TransitionType.RESUMED: CHANGED_BY_ANNOTATION,
    }
)


class By(NamedTuple):
    """Who an entry is by. ``names`` is empty where nobody was named."""

    names: tuple[str, ...]
    verified: bool | None
    """Whether the API server's admission established who it was; None for the operator itself."""


def requester(rollout: Rollout, kind: TransitionType, *, verified: bool) -> By:
    """Who asked for a transition of this kind, by the stamps on the Rollout.

    Of a rollback this is who asked for it by `spec.rollback`; what a trigger decides is the
    trigger's. ``verified`` says whether admission is enforced. The stamp of the last change of the
    spec names the right person for certain only where the operator had seen every change but one:
    of several changes, another may be the one that is meant, and the name is then not verified.
    """
    stamp = _STAMPS.get(kind)
    if stamp is None:
        return By((SUREFOOT,), verified=None)
    name = rollout.metadata.annotations.get(stamp, "").strip()
    if not name:
        return By((), verified=False)
    unseen = rollout.metadata.generation - rollout.status.observed_generation
    is_certain = stamp != CHANGED_BY_ANNOTATION or unseen == 1
    return By((name,), verified=verified and is_certain)


def is_requested(item: Transition | PendingTransition) -> bool:
    """Whether a person asked for it, rather than a trigger, a signature or the operator itself."""
    if item.type is TransitionType.ROLLBACK:
        return item.reason == REQUESTED
    return item.type in _STAMPS


def named(item: Transition | PendingTransition) -> tuple[str, ...]:
    """The names that it is by, without what stood there where no name was recorded.

    Who wrote that did not say whether a name is verified; a person may be called like it.
    """
    if not is_requested(item) or item.verified is not None:
        return item.by
    return tuple(name for name in item.by if name not in {SUREFOOT, _FORMERLY_UNNAMED})


def format_by(item: Transition | PendingTransition, otherwise: str = SUREFOOT) -> str:
    """Who it is by, for people; ``otherwise`` where the operator recorded nobody.

    A name that admission did not establish says so. Who signed for a step is told of by the
    evidence, with each signature.
    """
    names = ", ".join(named(item))
    if not is_requested(item):
        return names or otherwise
    return f"{names}{'' if item.verified else ' (not verified)'}" if names else UNNAMED
