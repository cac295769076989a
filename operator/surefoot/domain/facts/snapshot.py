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
from surefoot.domain.facts.clock import SkippedTime
from surefoot.domain.facts.measurements import Measurement, QueryFacts
from surefoot.domain.facts.signatures import SignatureFact
from surefoot.domain.facts.upstreams import RolloutName, Upstream


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
    ``owner_uids`` are the UIDs of its ownerReferences. ``kept`` is whether its own namespace is one
    of the owners: then it is not deleted with the others.
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
    kept: bool = False

    def goes_with(self, uid: str) -> bool:
        """Whether it is deleted with the owner of this UID."""
        return uid in self.owner_uids and not self.kept


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
class UnreadableFact:
    """An object that no model can read, or a part of the Rollout's status that was left out.

    ``kind`` is Approval or Checkpoint for a request that names the Rollout, and Rollout for one
    that it waits for or for itself. ``decision`` is the decision that a request carries, as far as
    it can be told: an unreadable NO-GO is still somebody's NO-GO.
    """

    kind: str
    name: str
    message: str
    decision: str = ""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class FlagFacts:
    """What a rollback is decided from, and all that it is decided from.

    ``measurements`` and ``queries`` are keyed by metric name. A metric that has not been answered
    since this operator started has no measurement; ``unanswered_since`` is since when it is asked.
    ``clock_uncertainty`` is how much later than ``now`` it may be by the API server's clock.
    ``clock_disagreement`` says how its answers disagree about the time; empty where they agree.
    ``skipped`` are times that never passed: its clock was set forward over them.
    ``admission`` is how the policies stood when they were last looked at: by it the name of whom
    asks for a rollback is verified or not, and nothing else.
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
    clock_disagreement: str = ""
    skipped: tuple[SkippedTime, ...] = ()
    admission: Admission = Admission.UNENFORCED


@dataclass(frozen=True, slots=True)
class Snapshot(FlagFacts):
    """What is known about one Rollout at one moment, people and surroundings included.

    ``approvals`` and ``checkpoints`` are those that name this Rollout, whatever their state, also
    those of an earlier Rollout of the same name.
    ``watched_requests`` are the UIDs of those that this operator has seen before their present
    decision, without one or with the last one on record: it was given while the operator watched.
    ``signatures`` has what a verifier says of each detached signature, by the Approval's UID.
    ``signers`` are the user names that a key is allowed for, and None where that is not known.
    ``admission_fault`` says what is wrong with the policies, where they are not enforced.
    ``upstreams`` are the Rollouts that this one waits for, and those that they wait for in turn, as
    far as they exist; ``shared_namespaces`` are those whose Rollouts others may wait for.
    ``rehearsed`` is what the last rollback rehearsal that this operator ran came to.
    ``escalate_after`` is how long somebody who was asked may be silent; None: forever.
    ``unreadable`` are the objects that belong to this Rollout and cannot be read: they count for
    nothing.
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
    unreadable: tuple[UnreadableFact, ...] = ()
    admission_fault: str = ""
    escalate_after: timedelta | None = None
