"""Upstreams: what a Rollout may know of those that it waits for."""

from dataclasses import dataclass
from typing import NamedTuple

from surefoot.api.v1alpha1.rollout import Dependency, Rollout
from surefoot.api.v1alpha1.rollout_status import TransitionType


class RolloutName(NamedTuple):
    """Where a Rollout is."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """The way kubectl writes it."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Upstream:
    """What others may know of a Rollout: how far it is, and whom it waits for itself.

    ``percent`` is what is committed, None before Start. ``rolled_back`` says that a rollback stands
    or is under way.
    """

    uid: str
    resource_version: str
    percent: int | None
    completed: bool
    rolled_back: bool
    deleting: bool
    depends_on: tuple[RolloutName, ...]

    @property
    def matters(self) -> tuple[object, ...]:
        """What others act on: they are woken when it changes."""
        return (
            self.uid,
            self.percent,
            self.completed,
            self.rolled_back,
            self.deleting,
            self.depends_on,
        )


def upstream_of(rollout: Rollout) -> Upstream:
    """A Rollout as those see it that depend on it."""
    metadata, status = rollout.metadata, rollout.status
    pending = status.pending
    goes_back = pending is not None and pending.type is TransitionType.ROLLBACK
    return Upstream(
        uid=metadata.uid,
        resource_version=metadata.resource_version,
        percent=status.percent if status.committed is not None else None,
        completed=status.completed_at is not None,
        rolled_back=status.rolled_back or goes_back,
        deleting=metadata.deletion_timestamp is not None,
        depends_on=names_of(rollout),
    )


def name_of(dependency: Dependency, namespace: str) -> RolloutName:
    """Which Rollout is meant, by a plan of this namespace."""
    return RolloutName(dependency.namespace or namespace, dependency.rollout)


def names_of(rollout: Rollout) -> tuple[RolloutName, ...]:
    """The Rollouts that a plan waits for, each once."""
    namespace = rollout.metadata.namespace
    return tuple(
        dict.fromkeys(name_of(dependency, namespace) for dependency in rollout.spec.depends_on)
    )


def may_depend(namespace: str, on: RolloutName, shared: frozenset[str]) -> bool:
    """Whether plans of a namespace may wait for this Rollout.

    ``shared`` are the namespaces that the administrator opened to those of others.
    """
    return on.namespace == namespace or on.namespace in shared
