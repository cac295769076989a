"""What becomes of a ConfigMap when its Rollout is gone. Pure.

There is no finalizer, so nothing stops a Rollout from going. The ConfigMap itself says what was
wished (`surefoot.dev/on-delete`), and is released once it is certain that the Rollout is gone:
anything less than certain means wait, because a released flag is nobody's.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from surefoot.api.v1alpha1.meta import (
    ADOPT_ANNOTATION,
    MANAGED_LABEL,
    ON_DELETE_ANNOTATION,
    ROLLOUT_ANNOTATION,
    ROLLOUT_UID_ANNOTATION,
)
from surefoot.api.v1alpha1.rollout import OnDelete
from surefoot.api.v1alpha1.rollout_status import Evidence, Transition, TransitionType
from surefoot.domain.facts.snapshot import ConfigMap
from surefoot.domain.flag.formats import registry
from surefoot.domain.record.requesters import SUREFOOT


class Whereabouts(StrEnum):
    """What is known of the Rollout that a ConfigMap names."""

    ALIVE = "Alive"
    """A Rollout of this name and UID exists."""
    REPLACED = "Replaced"
    """A Rollout of this name exists, with another UID."""
    ABSENT = "Absent"
    """A fresh read found none of this name."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What was found around a ConfigMap, by fresh reads after a complete list."""

    rollout: Whereabouts
    kinds_established: bool
    namespace_terminating: bool


@dataclass(frozen=True, slots=True)
class Release:
    """Give the ConfigMap back to the people: it is no longer managed.

    ``data`` is what it says from now on; ``zeroed`` whether the flags were turned off for it.
    ``at`` is when this was decided.
    """

    config_map: ConfigMap
    rollout_name: str
    rollout_uid: str
    data: dict[str, str]
    zeroed: bool
    at: datetime

    @property
    def labels(self) -> dict[str, str | None]:
        """The managed label goes."""
        return {MANAGED_LABEL: None}

    @property
    def annotations(self) -> dict[str, str | None]:
        """A Rollout of the same name may adopt it; the old one's UID goes."""
        return {ADOPT_ANNOTATION: self.rollout_name, ROLLOUT_UID_ANNOTATION: None}

    @property
    def entry(self) -> Transition:
        """The entry that ends the history, as far as the ConfigMap alone can tell it.

        The Rollout is gone, and its plan and the chain of its history with it.
        """
        percent = registry.percent_of(self.config_map.data)
        text = "\n".join((self.rollout_uid, self.config_map.uid, TransitionType.RELEASED.value))
        return Transition(
            transition_id=hashlib.sha256(text.encode()).hexdigest()[:20],
            type=TransitionType.RELEASED,
            from_=percent,
            to=0 if self.zeroed else percent or 0,
            at=self.at,
            reason="RolloutDeleted",
            message=self.message,
            evidence=Evidence(decided_at=self.at),
            by=(SUREFOOT,),
        )

    @property
    def message(self) -> str:
        """What happened, in a line."""
        what = "wrote 0 to every flag and released" if self.zeroed else "released"
        return (
            f"{what} ConfigMap {self.config_map.name}: Rollout {self.rollout_name} is gone "
            f"(onDelete: {'Zero' if self.zeroed else 'Keep'})"
        )


def rollout_named_by(config_map: ConfigMap) -> tuple[str, str] | None:
    """Name and UID of the Rollout that a managed ConfigMap names, or None if it names none."""
    name = config_map.annotations.get(ROLLOUT_ANNOTATION)
    uid = config_map.annotations.get(ROLLOUT_UID_ANNOTATION)
    return (name, uid) if name and uid else None


def release(config_map: ConfigMap, around: Circumstances, now: datetime) -> Release | None:
    """The release that is due, or None: the Rollout lives, or it is not certain that it is gone."""
    named = rollout_named_by(config_map)
    if named is None or config_map.deleting or MANAGED_LABEL not in config_map.labels:
        return None
    if around.rollout is Whereabouts.ALIVE:
        return None
    if not around.kinds_established or around.namespace_terminating:
        return None
    wished = config_map.annotations.get(ON_DELETE_ANNOTATION)
    if wished == OnDelete.DELETE.value and config_map.goes_with(named[1]):
        return None  # the garbage collector deletes it
    zeroed = wished == OnDelete.ZERO.value
    return Release(
        config_map=config_map,
        rollout_name=named[0],
        rollout_uid=named[1],
        data=registry.zero(config_map.data, now) if zeroed else dict(config_map.data),
        zeroed=zeroed,
        at=now,
    )
