"""What a decision asks to be done. Values only: `application.execute` carries them out, in order.

    Intend    record a transition, then apply it to the ConfigMap, then commit it
    Apply     go on with a transition that was recorded: apply, then commit
    Commit    the ConfigMap already carries the recorded transition: commit it
    Abandon   make sure that a recorded advance can never be applied, then write the status
    Restore   write the ConfigMap as committed, over somebody's change
    Undo      delete a ConfigMap that a withdrawn Start created after it was withdrawn
    WriteStatus, RecordRequest, OpenRequest   a single write each
    Rehearse  start a rollback rehearsal, which nothing waits for

At most one of Intend, Apply, Commit, Abandon, Restore and Undo is in a plan: they move the flag.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from surefoot.api.v1alpha1.approval import ApprovalSpec, ApprovalStatus
from surefoot.api.v1alpha1.checkpoint import CheckpointSpec, CheckpointStatus
from surefoot.api.v1alpha1.rollout_status import PendingTransition, RolloutStatus, Severity
from surefoot.domain.facts.bands import Bands


@dataclass(frozen=True, slots=True)
class Announcement:
    """A Kubernetes event on the Rollout, and a notification. ``warning`` decides the event's type.

    ``command`` is what a person can type about it. ``about`` tells the same news from other news of
    this reason, where the message does not, because it has numbers that change. ``severity`` is
    how urgent it is, where that does not follow from the reason.
    """

    reason: str
    message: str
    warning: bool = False
    command: str | None = None
    about: str | None = None
    severity: Severity | None = None


@dataclass(frozen=True, slots=True)
class WriteStatus:
    """Write the Rollout's status, against the resourceVersion that was judged."""

    status: RolloutStatus


@dataclass(frozen=True, slots=True)
class Intend:
    """Record ``status.pending`` (the commit point), then apply and commit it."""

    status: RolloutStatus


@dataclass(frozen=True, slots=True)
class Apply:
    """Apply and commit a transition that is already recorded."""

    pending: PendingTransition


@dataclass(frozen=True, slots=True)
class Commit:
    """Commit a transition that is recorded, and that the ConfigMap carries."""

    pending: PendingTransition


@dataclass(frozen=True, slots=True)
class Abandon:
    """Mark the ConfigMap so that ``pending`` can never be applied, then write ``status``.

    Where the ConfigMap turns out to carry the transition already, it is committed instead.
    ``marks_config_map`` is False where there is no ConfigMap to mark, as at most Starts: the status
    then remembers the id, and a create that lands late is undone.
    """

    pending: PendingTransition
    status: RolloutStatus
    marks_config_map: bool


@dataclass(frozen=True, slots=True)
class Restore:
    """Write the ConfigMap as committed, after the status said so where ``status`` is given."""

    status: RolloutStatus | None


@dataclass(frozen=True, slots=True)
class Undo:
    """Delete the ConfigMap that a Start created after it had been withdrawn.

    ``transition_id`` is that Start's; a ConfigMap that carries another is left alone.
    """

    transition_id: str


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """Create a Checkpoint or Approval under the first of ``names`` that is free.

    A taken name whose object makes the same request is success: somebody else opened it.
    """

    names: tuple[str, ...]
    spec: CheckpointSpec | ApprovalSpec


@dataclass(frozen=True, slots=True)
class RecordRequest:
    """Write the status of a Checkpoint or Approval, against the version that was judged.

    ``kind`` is `Checkpoint` or `Approval`.
    """

    kind: str
    name: str
    uid: str
    resource_version: str
    status: CheckpointStatus | ApprovalStatus


@dataclass(frozen=True, slots=True)
class Rehearse:
    """Begin a rollback rehearsal, unless one of this Rollout is under way.

    It goes from one percentage to another on a copy of the flag, for this plan and attempt. What
    it comes to is a fact of a later snapshot.
    """

    run: int
    from_: int
    to: int
    plan_hash: str
    attempt: int


Action = (
    WriteStatus
    | Intend
    | Apply
    | Commit
    | Abandon
    | Restore
    | Undo
    | OpenRequest
    | RecordRequest
    | Rehearse
)
MOVES = (Intend, Apply, Commit, Abandon, Restore, Undo)


@dataclass(frozen=True, slots=True)
class Calm:
    """What must stay as it is for nothing to be to do.

    ``ground`` are the facts beside the answers. ``until`` is the moment at which time alone may
    change something. ``bands`` has every question of the Rollout, with the bands that its answers
    must lie in. ``stale_after`` is the last moment at which each of the answers that were judged
    can be. ``read_from`` is what an answer must reach back to for the soak account to miss nothing;
    None where none is kept.
    """

    ground: tuple[object, ...]
    until: datetime
    bands: Bands
    stale_after: Mapping[str, datetime]
    read_from: datetime | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now, and when to look again at the latest.

    ``status`` is the Rollout's status as judged, whether or not it is due to be written.
    ``summary`` is the decision in a line, for the log. ``is_rollback``: it is the way down.
    ``calm`` is what must stay as it is for answers to need no look; None where each of them does.
    ``next_change`` is the next moment at which a verdict may change by time alone.
    """

    status: RolloutStatus
    actions: tuple[Action, ...]
    announcements: tuple[Announcement, ...]
    requeue_after: timedelta
    summary: str
    is_rollback: bool = False
    calm: Calm | None = None
    next_change: datetime | None = None

    @property
    def moves_the_flag(self) -> bool:
        """Whether the plan asks for a write that must be decided on fresh reads."""
        return any(isinstance(action, MOVES) for action in self.actions)

    @property
    def is_urgent(self) -> bool:
        """Whether the plan is the way down: it must not wait behind other work."""
        return self.is_rollback
