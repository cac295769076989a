"""What the application needs of the world, as protocols. Adapters make them real.

Objects cross these ports as models and frozen facts; raw JSON stays in the adapters.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol

from surefoot.api.v1alpha1.approval import Approval, ApprovalSpec, ApprovalStatus
from surefoot.api.v1alpha1.checkpoint import Checkpoint, CheckpointSpec, CheckpointStatus
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import RolloutStatus
from surefoot.domain.facts.clock import SkippedTime
from surefoot.domain.facts.signatures import SignatureFact
from surefoot.domain.facts.snapshot import Admission, ConfigMap, Halt
from surefoot.domain.flag.config_map import Rendering
from surefoot.domain.plan import Announcement
from surefoot.errors import UnreadableObject

Request = Checkpoint | Approval
ReadCheckpoint = Checkpoint | UnreadableObject
ReadApproval = Approval | UnreadableObject
"""An object of a list, or why it cannot be read: one that cannot does not hide the others."""
Observable = Rollout | Checkpoint | Approval | ConfigMap


class ObjectKey(NamedTuple):
    """Where an object is: namespace and name. A Rollout's key names its work."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """The way kubectl writes it."""
        return f"{self.namespace}/{self.name}"


class Kind(StrEnum):
    """The kinds that are watched. Of ConfigMaps only those labelled as managed."""

    ROLLOUT = "Rollout"
    CHECKPOINT = "Checkpoint"
    APPROVAL = "Approval"
    CONFIG_MAP = "ConfigMap"


class ObjectHead(NamedTuple):
    """Which version of which object something is about."""

    key: ObjectKey
    uid: str
    resource_version: str


class ConfigMapVersion(NamedTuple):
    """A ConfigMap that was read in order to be written.

    ``origin`` is the adapter's own record of the read; it keeps what others put into the metadata.
    """

    config_map: ConfigMap
    origin: object


class ConfigMapRead(NamedTuple):
    """What a fresh read found: the ConfigMap, or that there was none."""

    held: ConfigMapVersion | None


@dataclass(frozen=True, slots=True)
class Marks:
    """What is to become of labels and annotations: values to set, ``None`` to remove.

    ``disowned``: the ownerReferences that the operator has written go as well.
    """

    labels: dict[str, str | None]
    annotations: dict[str, str | None]
    disowned: bool = False


class FlagCluster(Protocol):
    """The Kubernetes API, as far as a Rollout is judged by it and its flag is moved in it.

    Every write carries the resourceVersion of what was read, except creation. Everything raises
    an `ApiError`: `Conflict` where somebody else was first, `Unavailable` where it is not known
    whether a write was done.
    """

    async def rollout(self, key: ObjectKey) -> Rollout | None:
        """A fresh read; None if it does not exist."""

    async def config_map(self, key: ObjectKey) -> ConfigMapVersion | None:
        """A fresh read; None if it does not exist."""

    async def checkpoints(self, rollout: ObjectKey) -> tuple[ReadCheckpoint, ...]:
        """A fresh list of those that name this Rollout, the unreadable ones among them."""

    async def approvals(self, rollout: ObjectKey) -> tuple[ReadApproval, ...]:
        """A fresh list of those that name this Rollout, the unreadable ones among them."""

    async def request(self, kind: Kind, key: ObjectKey) -> Request | None:
        """A fresh read of a Checkpoint or Approval; None if it does not exist."""

    async def halt(self, namespace: str) -> Halt | None:
        """A fresh read of what halts this namespace: its own halt, or the operator's."""

    async def write_rollout_status(self, judged: Rollout, status: RolloutStatus) -> Rollout:
        """Replace the status of exactly the version that was judged."""

    async def create_config_map(
        self, key: ObjectKey, rendering: Rendering, owner: Rollout
    ) -> ConfigMap:
        """Create it; ``Conflict`` if one exists."""

    async def render_config_map(
        self, held: ConfigMapVersion, rendering: Rendering, owner: Rollout
    ) -> ConfigMap:
        """Write the rendering over the version held. What others put into the metadata stays."""

    async def mark_config_map(
        self, held: ConfigMapVersion, marks: Marks, data: dict[str, str] | None = None
    ) -> ConfigMap:
        """Change labels and annotations, and the data where given, of the version held."""

    async def delete_config_map(self, held: ConfigMapVersion) -> None:
        """Delete exactly the version held."""

    async def open_request(
        self, name: str, spec: CheckpointSpec | ApprovalSpec, owner: Rollout
    ) -> Request:
        """Create a Checkpoint or Approval; ``Conflict`` if the name is taken."""

    async def write_request_status(
        self, kind: Kind, head: ObjectHead, status: CheckpointStatus | ApprovalStatus
    ) -> Request:
        """Replace the status of exactly the version that was judged."""


class Cluster(FlagCluster, Protocol):
    """The Kubernetes API, as far as the operator uses it."""

    async def observe(self, kind: Kind, key: ObjectKey) -> Observable | None:
        """A fresh read of anything that is watched; None if it does not exist."""

    async def heads(self, kind: Kind) -> tuple[ObjectHead, ...]:
        """A complete list of what is watched of this kind, metadata only."""

    async def halts(self) -> tuple[Halt, ...]:
        """Every halt in the namespaces that are watched, and in the operator's."""

    async def recreate_config_map(self, held: ConfigMapVersion, data: dict[str, str]) -> ConfigMap:
        """Delete exactly the version held, and create it again with this data, and mutable.

        Its labels and annotations stay. It is for a ConfigMap whose Rollout is gone.
        """

    async def namespace_is_terminating(self, namespace: str) -> bool:
        """Whether the namespace is being deleted, or is gone."""

    async def kinds_are_established(self, *kinds: Kind) -> bool:
        """Whether the API server serves these of our kinds, and none is about to go."""

    async def shadows(self) -> tuple[ConfigMapVersion, ...]:
        """A complete list of what rehearsals have written and not removed."""

    async def post_event(self, subject: "Subject", announcement: Announcement) -> None:
        """Post a Kubernetes event about an object."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a Kubernetes event is about."""

    kind: Kind
    key: ObjectKey
    uid: str


class Clock(Protocol):
    """The API server's time."""

    def now(self) -> datetime:
        """A moment that the API server's clock has reached, as far as its answers agree."""

    def uncertainty(self) -> timedelta:
        """How much later than `now` it may be by the API server's clock."""

    def disagreement(self) -> str:
        """What is wrong with the API server's answers, where they disagree about the time.

        It is empty where they agree. While it is not, no time may be credited to anything.
        """

    def skipped(self) -> tuple[SkippedTime, ...]:
        """Times that never passed. No length of time that decides anything may count them."""

    def elapsed(self) -> float:
        """Seconds on a clock that only measures; it starts anywhere."""

    async def sleep(self, seconds: float) -> None:
        """Wait, by the measuring clock."""


class Announcer(Protocol):
    """Takes Kubernetes events and posts them when it can. Never delays, never fails."""

    def announce(self, subject: Subject, announcements: Collection[Announcement]) -> None:
        """Hand them over."""


class Parcel(Protocol):
    """An object as it came, kept small until somebody looks at it."""

    @property
    def size(self) -> int:
        """Bytes of its JSON."""

    def open(self) -> Observable:
        """Read it, as often as is needed. Raises `UnreadableObject`."""


class EventSink(Protocol):
    """Takes what a source of events saw, on the loop of the operator."""

    def observe(
        self,
        kind: Kind,
        head: ObjectHead,
        read: Callable[[], Observable],
        parcel: Parcel | None = None,
    ) -> None:
        """An object exists in this version. ``read`` parses it, if that is still needed.

        Where there is a ``parcel``, it can be forgotten and read again.
        """

    def remove(self, kind: Kind, head: ObjectHead) -> None:
        """An object was deleted, or is no longer among those watched."""

    def listed(
        self, kind: Kind, namespace: str | None, heads: Collection[ObjectHead], version: str
    ) -> None:
        """These are all that there are in a namespace, or everywhere, as of a version.

        Each of them was observed before. What changes from here on is told as it happens.
        """

    def lost_sight(self, kind: Kind, namespace: str | None) -> None:
        """What changes is not told as it happens any more, until everything was listed again."""


class EventSource(Protocol):
    """Watches some kinds and tells a sink. Delivery may be late, doubled or missing."""

    @property
    def kinds(self) -> tuple["Kind", ...]:
        """The kinds that it watches."""

    async def run(self, sink: EventSink) -> None:
        """Watch until cancelled. Returns or raises when the watching ended otherwise."""

    def restart(self) -> None:
        """Give up the present watches and begin again: they miss things."""


class TransitionRecord(NamedTuple):
    """A committed transition, for counting."""

    type: str
    seconds: float


class Telemetry(Protocol):
    """What the operator counts. See `surefoot.adapters.telemetry` for the names."""

    def reconciled(self, result: str, seconds: float) -> None:
        """One pass over a Rollout ended."""

    def judged(self, rollout: Rollout, status: RolloutStatus) -> None:
        """What a pass found: the live values."""

    def approvals_pending(self, key: ObjectKey, count: int) -> None:
        """How many signatures a Rollout waits for."""

    def forgot(self, key: ObjectKey) -> None:
        """A Rollout is gone: its series go as well."""

    def transition(self, record: TransitionRecord) -> None:
        """A transition was committed."""

    def drift_corrected(self) -> None:
        """A ConfigMap was restored."""

    def rehearsed(self, outcome: str, seconds: float) -> None:
        """A rollback rehearsal ended: Passed or Failed."""

    def provider_answered(self, provider: str, outcome: str, seconds: float, lag: float) -> None:
        """A provider answered, or did not.

        ``lag`` is how old the newest point is that the answer speaks of, in seconds.
        """

    def queue_depth(self, lane: str, depth: int) -> None:
        """How many keys wait in a lane."""

    def watch_missed(self, kind: str, count: int) -> None:
        """Changes that a sweep found and no watch had told."""

    def unreadable_objects(self, kind: str, count: int) -> None:
        """How many objects of a kind cannot be read."""


class AdmissionStatus(NamedTuple):
    """How the admission policies stand. ``fault`` says what is wrong; empty where nothing is."""

    admission: Admission
    fault: str = ""


class Policies(Protocol):
    """The admission policies, as far as the operator must know that they are in force."""

    async def check(self, *, whole: bool = True) -> AdmissionStatus:
        """Look once, now. Bounded in time; a fault is an answer and never raised.

        Where not the ``whole`` is asked for, what the last whole look found need not be found out
        again, as far as it is certain that it is still so.
        """


class Signatures(Protocol):
    """Verifies the detached signatures of decisions."""

    async def verify(
        self, approvals: Iterable[Approval], *, afresh: bool
    ) -> Mapping[str, SignatureFact]:
        """What is to be said of each signature, by the Approval's UID; a fault is never raised.

        ``afresh``: against allowed signers that are read now. Without it the latest known must do.
        """

    def signers(self) -> frozenset[str] | None:
        """The user names that a key is allowed for, as far as is known; None while it is not."""
