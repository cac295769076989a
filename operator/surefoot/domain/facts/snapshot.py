"""Frozen facts about one Rollout: everything that `decide` may know."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from surefoot.api.v1alpha1.approval import Approval
from surefoot.api.v1alpha1.checkpoint import Checkpoint
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import RehearsalStatus
from surefoot.domain.facts.measurements import Measurement, QueryFacts
from surefoot.domain.facts.upstreams import RolloutName, Upstream
from surefoot.domain.signoff.signatures import SignatureFact


class Admission(StrEnum):
    """What is known of the admission policies that bind signatures to people."""

    ENFORCED = "Enforced"
    """The policies were seen alive within the last minute."""
    UNENFORCED = "Unenforced"
    """The administrator stated that there are none."""
    NOT_ENFORCED = "NotEnforced"
    """They should be there, and are not."""
    UNKNOWN = "Unknown"
    """They should be there; it is not known whether they are."""


@dataclass(frozen=True, slots=True)
class ConfigMap:
    """A ConfigMap as the API server had it.

    ``manager`` is the field manager of its latest change, as `managedFields` tell it.
    ``owner_uids`` are the UIDs of its ownerReferences.
    """

    name: str
    uid: str
    resource_version: str
    data: Mapping[str, str]
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    annotations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    has_binary_data: bool = False
    immutable: bool = False
    deleting: bool = False
    manager: str = ""
    owner_uids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """Another Rollout of the namespace that names the same ConfigMap."""

    name: str
    uid: str
    created_at: datetime
    started: bool


@dataclass(frozen=True, slots=True)
class Halt:
    """Somebody stopped all automation, rollback excepted.

    ``by`` is who, as they wrote themselves: nobody has verified it. Empty where nobody is named.
    """

    namespace: str
    reason: str
    until: datetime | None = None
    by: str = ""


@dataclass(frozen=True, slots=True)
class FlagFacts:
    """What a rollback is decided from, and all that it is decided from.

    ``measurements`` and ``queries`` are keyed by metric name. A metric that has not been answered
    since this operator started has no measurement; ``unanswered_since`` is since when it is asked.
    ``clock_uncertainty`` is how much later than ``now`` it may be by the API server's clock.
    """

    rollout: Rollout
    config_map: ConfigMap | None = None
    measurements: Mapping[str, Measurement] = field(default_factory=lambda: MappingProxyType({}))
    unanswered_since: Mapping[str, datetime] = field(default_factory=lambda: MappingProxyType({}))
    queries: Mapping[str, QueryFacts] = field(default_factory=lambda: MappingProxyType({}))
    providers: frozenset[str] = frozenset({"default"})
    evaluation_interval: timedelta = timedelta(seconds=30)
    status_refresh: timedelta = timedelta(minutes=10)
    clock_uncertainty: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Snapshot(FlagFacts):
    """What is known about one Rollout at one moment, people and surroundings included.

    ``approvals`` and ``checkpoints`` are those that name this Rollout, whatever their state, also
    those of an earlier Rollout of the same name.
    ``watched_requests`` are the UIDs of those that this operator has seen without a decision: a
    decision on them was given while it watched.
    ``signatures`` has what a verifier says of each detached signature, by the Approval's UID.
    ``signers`` are the user names that a key is allowed for, and None where that is not known.
    ``admission_fault`` says what is wrong with the policies, where they are not enforced.
    ``upstreams`` are the Rollouts that this one waits for, and those that they wait for in turn, as
    far as they exist; ``shared_namespaces`` are those whose Rollouts others may wait for.
    ``rehearsed`` is what the last rollback rehearsal that this operator ran came to.
    ``escalate_after`` is how long somebody who was asked may be silent; None: for ever.
    """

    checkpoints: tuple[Checkpoint, ...] = ()
    approvals: tuple[Approval, ...] = ()
    watched_requests: frozenset[str] = frozenset()
    signatures: Mapping[str, SignatureFact] = field(default_factory=lambda: MappingProxyType({}))
    signers: frozenset[str] | None = None
    claims: tuple[Claim, ...] = ()
    halt: Halt | None = None
    upstreams: Mapping[RolloutName, Upstream] = field(default_factory=lambda: MappingProxyType({}))
    shared_namespaces: frozenset[str] = frozenset()
    rehearsed: RehearsalStatus | None = None
    admission: Admission = Admission.UNENFORCED
    admission_fault: str = ""
    escalate_after: timedelta | None = None
