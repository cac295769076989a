"""What becomes of a ConfigMap when its Rollout is gone. Pure.

There is no finalizer, so nothing stops a Rollout from going. The ConfigMap itself says what was
wished (`surefoot.dev/on-delete`), and is released once it is certain that the Rollout is gone:
anything less than certain means wait, because a released flag is nobody's.
"""

import json
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
from surefoot.domain.facts.snapshot import ConfigMap
from surefoot.domain.flag.formats.flagd import FLAGD_KEY, flagd_document


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
    """

    config_map: ConfigMap
    rollout_name: str
    data: dict[str, str]
    zeroed: bool

    @property
    def labels(self) -> dict[str, str | None]:
        """The managed label goes."""
        return {MANAGED_LABEL: None}

    @property
    def annotations(self) -> dict[str, str | None]:
        """A Rollout of the same name may adopt it; the old one's UID goes."""
        return {ADOPT_ANNOTATION: self.rollout_name, ROLLOUT_UID_ANNOTATION: None}

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
    if wished == OnDelete.DELETE.value and named[1] in config_map.owner_uids:
        return None  # the garbage collector deletes it
    zeroed = wished == OnDelete.ZERO.value
    return Release(
        config_map=config_map,
        rollout_name=named[0],
        data=_all_off(config_map, now) if zeroed else dict(config_map.data),
        zeroed=zeroed,
    )


def _all_off(config_map: ConfigMap, now: datetime) -> dict[str, str]:
    """Every flag at 0, the documents beside them included."""
    document = {"percent": 0, "since": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
    flags = {
        key.removesuffix(".json")
        for key in config_map.data
        if key.endswith(".json") and key.removesuffix(".json") in config_map.data
    }
    off = dict(config_map.data)
    for flag in flags:
        off[flag] = "0"
        off[f"{flag}.json"] = json.dumps(document, separators=(",", ":"))
    if FLAGD_KEY in off:
        off[FLAGD_KEY] = flagd_document(sorted(flags), 0, "")
    return off
