"""Carries out a plan against the API server: one idempotent branch per action.

The order of reads and writes is the write protocol (`docs/architecture.md`). Nothing here decides;
it only finds out, by fresh reads, whether what was decided still holds, and stops where not.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeVar, assert_never

import structlog

from surefoot.api.v1alpha1.checkpoint import CheckpointSpec
from surefoot.api.v1alpha1.meta import ABANDONED_ANNOTATION
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import (
    PendingTransition,
    RolloutStatus,
    TransitionType,
)
from surefoot.application.ports import (
    Clock,
    ConfigMapRead,
    ConfigMapVersion,
    FlagCluster,
    Kind,
    Marks,
    ObjectHead,
    ObjectKey,
    Request,
    TransitionRecord,
)
from surefoot.application.rbac import with_remedy
from surefoot.application.settling import Settle, Settled, commit_alone
from surefoot.application.store import Store
from surefoot.domain.facts.snapshot import ConfigMap
from surefoot.domain.flag.config_map import (
    Rendering,
    carries,
    difference,
    is_abandoned,
    is_own_start,
    may_be_marked,
    may_be_written,
    rendering_of,
    was_written_for,
)
from surefoot.domain.plan import (
    Abandon,
    Action,
    Announcement,
    Apply,
    Commit,
    Intend,
    OpenRequest,
    RecordRequest,
    Rehearse,
    Restore,
    Undo,
    WriteStatus,
)
from surefoot.domain.record.transitions import announcement
from surefoot.domain.rollback import in_fewest_words
from surefoot.domain.status import cut
from surefoot.errors import ApiError, Conflict, Refused, Unavailable, UnreadableObject

log = structlog.get_logger(__name__)

ROUNDS = 5
"""How often a conflict repeats the reads within one pass; then the whole pass is repeated."""

Committer = Callable[[Rollout, PendingTransition, datetime], RolloutStatus]
T = TypeVar("T")


class Stop(StrEnum):
    """Why a transition was not applied by this pass. None of them is an error."""

    ROLLOUT_GONE = "the Rollout is gone"
    ROLLOUT_DELETING = "the Rollout is being deleted"
    NOT_PENDING = "another transition is pending, or none"
    ABANDONED = "the transition was abandoned"
    FOREIGN = "the ConfigMap is not this Rollout's"
    SUPERSEDED = "the ConfigMap was committed to something else"
    RESTORED = "the ConfigMap is as committed already"


@dataclass(frozen=True, slots=True)
class Executed:
    """What became of a plan. ``moved`` where the status changed under it: look again at once.

    ``announcements`` tell what this pass committed; a plan does not know what will be committed.
    ``committed`` is the Rollout with that, where more than that was ``settled`` by the same write.
    """

    moved: bool
    stopped: Stop | None = None
    announcements: tuple[Announcement, ...] = ()
    committed: Rollout | None = None
    settled: Settled | None = None


@dataclass(frozen=True, slots=True)
class _Applied:
    """The ConfigMap carries the transition; ``rollout`` was read after it did not yet."""

    rollout: Rollout
    config_map: ConfigMap


class Counts(Protocol):
    """What is counted of what became of the flag."""

    def transition(self, record: TransitionRecord) -> None:
        """A transition was committed."""

    def drift_corrected(self) -> None:
        """A ConfigMap was restored."""


class Executor:
    """Carries out plans for Rollouts that were just judged.

    ``rehearse`` begins a rehearsal, and waits for none.
    """

    def __init__(
        self,
        cluster: FlagCluster,
        store: Store,
        clock: Clock,
        telemetry: Counts,
        committed: Committer,
        *,
        rehearse: Callable[[Rollout, Rehearse], None] = lambda _rollout, _rehearsal: None,
    ) -> None:
        self._cluster = cluster
        self._store = store
        self._clock = clock
        self._telemetry = telemetry
        self._committed = committed
        self._rehearse = rehearse

    async def execute(
        self,
        judged: Rollout,
        actions: tuple[Action, ...],
        read: ConfigMapRead | None = None,
        settle: Settle = commit_alone,
    ) -> Executed:
        """Carry out the actions on the Rollout and its flag, in order.

        ``read`` is the ConfigMap as it was read before these actions were decided. ``settle`` tells
        what a commit is written with.

        Raises `Conflict` where somebody else wrote first: gather again and decide again.
        """
        rollout = judged
        outcome = Executed(moved=False)
        for action in actions:
            match action:
                case WriteStatus():
                    rollout = await self._write_status(rollout, action.status)
                case Intend():
                    outcome = await self._intend(rollout, action, read, settle)
                case Apply():
                    outcome = await self._finish(rollout, action.pending, settle=settle)
                case Commit():
                    outcome = await self._commit(rollout, action.pending, None, settle)
                case Abandon():
                    outcome = await self._abandon(rollout, action)
                case Restore():
                    outcome = await self._restore(rollout, action)
                case Undo():
                    outcome = await self._undo(rollout, action)
                case Rehearse():
                    self._rehearse(rollout, action)
                case OpenRequest() | RecordRequest():
                    pass  # see `keep_books`
                case _:
                    assert_never(action)
        return outcome

    async def keep_books(self, rollout: Rollout, actions: Iterable[Action]) -> tuple[str, ...]:
        """Carry out the actions on Checkpoints and Approvals, side by side.

        Answers with the names of what was opened. Raises the first failure, once all of them were
        tried.
        """
        done = await _all(
            self._on_request(rollout, action)
            for action in actions
            if isinstance(action, OpenRequest | RecordRequest)
        )
        return tuple(name for name in done if name is not None)

    # The Rollout's status

    async def _write_status(self, judged: Rollout, status: RolloutStatus) -> Rollout:
        key = _key(judged)
        with self._store.writing(Kind.ROLLOUT, key):
            written = await self._cluster.write_rollout_status(judged, status)
            self._store.put(Kind.ROLLOUT, written, key)
        return written

    async def _write_move(
        self, judged: Rollout, status: RolloutStatus, move: PendingTransition | None
    ) -> Rollout:
        """Write the status of a move: that of a rollback in fewest words, if need be.

        The plan may have grown until the API server has no room for more than there is now.
        """
        try:
            return await self._write_status(judged, status)
        except (Refused, Unavailable) as error:
            is_rollback = move is not None and move.type is TransitionType.ROLLBACK
            is_about_this_write = isinstance(error, Refused) or error.status == 500
            if not (is_rollback and is_about_this_write):
                raise
            log.warning("status in fewest words", rollout=str(_key(judged)), why=str(error))
            return await self._write_status(judged, in_fewest_words(status))

    # Transitions

    async def _intend(
        self, judged: Rollout, action: Intend, read: ConfigMapRead | None, settle: Settle
    ) -> Executed:
        if action.status.pending is None:
            raise ValueError("an intent must have a pending transition")
        # This write is the commit point: if it conflicts, nothing was decided.
        recorded = await self._write_move(judged, action.status, action.status.pending)
        return await self._finish(recorded, action.status.pending, read, settle)

    async def _finish(
        self,
        rollout: Rollout,
        pending: PendingTransition,
        read: ConfigMapRead | None = None,
        settle: Settle = commit_alone,
    ) -> Executed:
        applied = await self._apply(rollout, pending, read)
        if isinstance(applied, Stop):
            log.info(
                "transition stopped",
                rollout=str(_key(rollout)),
                transition=pending.transition_id,
                why=applied.value,
            )
            return Executed(moved=False, stopped=applied)
        return await self._commit(applied.rollout, pending, applied.config_map, settle)

    async def _apply(
        self, judged: Rollout, pending: PendingTransition, read: ConfigMapRead | None
    ) -> _Applied | Stop:
        """Write the ConfigMap. With ``read``, the intent was written after it, just now."""
        for number in range(ROUNDS):
            # The ConfigMap first, then the Rollout: a stale leader then loses either way. Either
            # the Rollout shows that its transition is gone, or the ConfigMap's version has moved.
            # The answer to an intent shows the Rollout as well as a read after it would.
            rollout: Rollout | None
            if read is not None and number == 0:
                held, rollout = read.held, judged
            else:
                held = await self._cluster.config_map(_target(judged))
                rollout = await self._cluster.rollout(_key(judged))
            stop = _reason_to_stop(judged, rollout, pending, held)
            if stop is not None or rollout is None:
                return stop or Stop.ROLLOUT_GONE
            rendering = rendering_of(rollout, pending)
            if held is not None and carries(held.config_map, rendering):
                return _Applied(rollout, held.config_map)
            try:
                written = await self._write_config_map(held, rendering, rollout)
            except Conflict:
                continue
            except Refused as error:
                await self._say_refused(rollout, pending, error)
                raise
            return _Applied(rollout, written)
        raise Conflict(f"ConfigMap {_target(judged)} keeps changing; looking again")

    async def _say_refused(
        self, rollout: Rollout, pending: PendingTransition, error: Refused
    ) -> None:
        """Say on the status what keeps a recorded move from being applied, once for the same words.

        Only a person can end it. Whether this is written or not, the move is tried again.
        """
        move = f"{pending.type.value.lower()} to {pending.to}%"
        waiting_on = cut(f"{move} is refused: {with_remedy(error)}")
        if rollout.status.waiting_on == waiting_on:
            return
        status = rollout.status.model_copy(update={"waiting_on": waiting_on})
        with contextlib.suppress(ApiError):
            await self._write_status(rollout, status)

    async def _commit(
        self,
        rollout: Rollout,
        pending: PendingTransition,
        config_map: ConfigMap | None = None,
        settle: Settle = commit_alone,
    ) -> Executed:
        if pending.type is TransitionType.ROLLBACK:
            settle = commit_alone
        current: Rollout | None = rollout
        for _ in range(ROUNDS):
            if current is None or not _is_pending(current, rollout, pending):
                return Executed(moved=True)  # somebody else committed it
            # Stamps that gate something must be the later bound: a soak is never short.
            moment = self._clock.now() + self._clock.uncertainty()
            smallest = self._committed(current, pending, moment)
            settled = await settle(current.model_copy(update={"status": smallest}), config_map)
            try:
                written, settled = await self._write_commit(current, pending, smallest, settled)
            except Conflict:
                current = await self._cluster.rollout(_key(rollout))
                continue
            took = (moment - pending.recorded_at).total_seconds()
            self._telemetry.transition(TransitionRecord(pending.type.value, took))
            told = _told(smallest, pending)
            if settled is None:
                return Executed(moved=True, announcements=told)
            told = (*told, *settled.announcements)
            return Executed(moved=True, announcements=told, committed=written, settled=settled)
        raise Conflict(f"Rollout {_key(rollout)} keeps changing; looking again")

    async def _write_commit(
        self,
        judged: Rollout,
        pending: PendingTransition,
        smallest: RolloutStatus,
        settled: Settled | None,
    ) -> tuple[Rollout, Settled | None]:
        """Write the commit with what was settled; by itself where the API server refuses that."""
        if settled is not None:
            try:
                return await self._write_status(judged, settled.status), settled
            except Refused as error:
                log.warning("a commit is written alone", rollout=str(_key(judged)), why=str(error))
        return await self._write_move(judged, smallest, pending), None

    async def _abandon(self, judged: Rollout, action: Abandon) -> Executed:
        if action.marks_config_map and not await self._mark_abandoned(judged, action.pending):
            return await self._commit(judged, action.pending)
        written = await self._write_move(judged, action.status, action.status.pending)
        if written.status.pending is not None:  # replaced by a rollback in the same write
            return await self._finish(written, written.status.pending)
        return Executed(moved=True)

    async def _mark_abandoned(self, judged: Rollout, pending: PendingTransition) -> bool:
        """Make it impossible to apply the transition; False where it was applied already."""
        for _ in range(ROUNDS):
            held = await self._cluster.config_map(_target(judged))
            if held is not None and not _is_ours_to_mark(held, judged):
                return True  # it proves nothing, and nothing is written to it
            if held is not None and was_written_for(held.config_map, pending.transition_id):
                return False
            if held is not None and is_abandoned(held.config_map, pending.transition_id):
                return True
            marked = {ABANDONED_ANNOTATION: pending.transition_id}
            try:
                if held is not None:
                    await self._cluster.mark_config_map(held, Marks({}, dict(marked)))
                else:
                    await self._create_marked(judged, marked)
            except Conflict:
                continue
            return True
        raise Conflict(f"ConfigMap {_target(judged)} keeps changing; looking again")

    async def _create_marked(self, judged: Rollout, marked: dict[str, str]) -> None:
        """Somebody deleted the ConfigMap: it comes back as committed, and marked."""
        if judged.status.committed is None:
            return  # below a first Start there is nothing to come back
        as_committed = rendering_of(judged, judged.status.committed)
        rendering = Rendering(
            data=as_committed.data,
            labels=as_committed.labels,
            annotations={**as_committed.annotations, **marked},
            owned=as_committed.owned,
        )
        await self._write_config_map(None, rendering, judged)

    # Drift

    async def _restore(self, judged: Rollout, action: Restore) -> Executed:
        rollout = judged
        if action.status is not None:
            if await self._is_as_committed(judged):
                return Executed(moved=True, stopped=Stop.RESTORED)
            rollout = await self._write_status(judged, action.status)
        for _ in range(ROUNDS):
            held = await self._cluster.config_map(_target(judged))
            fresh = await self._cluster.rollout(_key(judged))
            if fresh is None or fresh.metadata.uid != judged.metadata.uid:
                return Executed(moved=False, stopped=Stop.ROLLOUT_GONE)
            if fresh.metadata.deletion_timestamp is not None:
                return Executed(moved=False, stopped=Stop.ROLLOUT_DELETING)
            if fresh.status.pending is not None:
                return Executed(moved=False, stopped=Stop.NOT_PENDING)
            if not _is_committed_alike(fresh, rollout) or fresh.status.committed is None:
                return Executed(moved=False, stopped=Stop.SUPERSEDED)
            rendering = rendering_of(fresh, fresh.status.committed)
            try:
                await self._write_config_map(held, rendering, fresh)
            except Conflict:
                continue
            self._telemetry.drift_corrected()
            return Executed(moved=action.status is not None)
        raise Conflict(f"ConfigMap {_target(judged)} keeps changing; looking again")

    async def _is_as_committed(self, judged: Rollout) -> bool:
        """Whether the ConfigMap, read after the Rollout, is as that Rollout was committed.

        A snapshot reads both at once, so its ConfigMap may be older than the commit it shows.
        """
        held = await self._cluster.config_map(_target(judged))
        if held is None or judged.status.committed is None:
            return False
        rendering = rendering_of(judged, judged.status.committed)
        return difference(held.config_map, rendering, judged.metadata.uid) is None

    # A Start that was withdrawn

    async def _undo(self, judged: Rollout, action: Undo) -> Executed:
        """Delete what a withdrawn Start created late, as long as it is that and nothing else."""
        held = await self._cluster.config_map(_target(judged))
        rollout = await self._cluster.rollout(_key(judged))
        if rollout is None or rollout.metadata.uid != judged.metadata.uid:
            return Executed(moved=False, stopped=Stop.ROLLOUT_GONE)
        if rollout.status.committed is not None or rollout.status.pending is not None:
            return Executed(moved=True, stopped=Stop.SUPERSEDED)
        if held is None or not was_written_for(held.config_map, action.transition_id):
            return Executed(moved=True, stopped=Stop.SUPERSEDED)
        if not is_own_start(held.config_map, rollout):
            return Executed(moved=False, stopped=Stop.FOREIGN)
        await self._cluster.delete_config_map(held)
        log.warning(
            "a withdrawn Start had been applied; its ConfigMap is deleted again",
            rollout=str(_key(judged)),
            transition=action.transition_id,
        )
        return Executed(moved=True)

    # The ConfigMap

    async def _write_config_map(
        self, held: ConfigMapVersion | None, rendering: Rendering, rollout: Rollout
    ) -> ConfigMap:
        target = _target(rollout)
        if held is not None and held.config_map.immutable:
            # Immutable data cannot be written: what was read goes, and a new object comes.
            await self._cluster.delete_config_map(held)
            held = None
        with self._store.writing(Kind.CONFIG_MAP, target):
            if held is None:
                written = await self._cluster.create_config_map(target, rendering, rollout)
            else:
                written = await self._cluster.render_config_map(held, rendering, rollout)
            self._store.put(Kind.CONFIG_MAP, written, target)
        return written

    # Checkpoints and Approvals

    async def _on_request(
        self, rollout: Rollout, action: OpenRequest | RecordRequest
    ) -> str | None:
        if isinstance(action, OpenRequest):
            return await self._open(rollout, action)
        await self._record(rollout, action)
        return None

    async def _open(self, rollout: Rollout, action: OpenRequest) -> str:
        kind = Kind.CHECKPOINT if isinstance(action.spec, CheckpointSpec) else Kind.APPROVAL
        for name in action.names:
            key = ObjectKey(rollout.metadata.namespace, name)
            with self._store.writing(kind, key):
                if await self._open_as(key, kind, action, rollout):
                    return name
        raise Refused(
            f"no name is free for a {kind.value} of Rollout {_key(rollout)}: "
            f"{', '.join(action.names)} are taken; delete one that is no longer needed"
        )

    async def _open_as(
        self, key: ObjectKey, kind: Kind, action: OpenRequest, rollout: Rollout
    ) -> bool:
        """Whether the request is there under this name; False where another one has the name."""
        try:
            opened = await self._cluster.open_request(key.name, action.spec, rollout)
        except Conflict:
            found = await self._readable(kind, key)
            if found is None or found.spec.request != action.spec.request:
                return False  # the name is taken by another request
            opened = found
        self._store.put(kind, opened, key)
        return True

    async def _readable(self, kind: Kind, key: ObjectKey) -> Request | None:
        """A fresh read; None too where it cannot be read: then its name is taken, and no more."""
        try:
            return await self._cluster.request(kind, key)
        except UnreadableObject as error:
            self._store.put_unreadable(kind, error)
            return None

    async def _record(self, rollout: Rollout, action: RecordRequest) -> None:
        kind = Kind(action.kind)
        key = ObjectKey(rollout.metadata.namespace, action.name)
        head = ObjectHead(key, action.uid, action.resource_version)
        with self._store.writing(kind, key):
            written = await self._cluster.write_request_status(kind, head, action.status)
            self._store.put(kind, written, key)


def _told(status: RolloutStatus, pending: PendingTransition) -> tuple[Announcement, ...]:
    return tuple(
        announcement(item) for item in status.history if item.transition_id == pending.transition_id
    )


async def _all(work: Iterable[Awaitable[T]]) -> list[T]:
    """Do all of it, also where some of it fails; then raise the first failure."""
    outcomes = await asyncio.gather(*work, return_exceptions=True)
    failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    unexpected = [failure for failure in failures if not isinstance(failure, ApiError)]
    for failure in (*unexpected, *failures):
        raise failure
    return [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]


def _reason_to_stop(
    judged: Rollout,
    rollout: Rollout | None,
    pending: PendingTransition,
    held: ConfigMapVersion | None,
) -> Stop | None:
    if rollout is None or rollout.metadata.uid != judged.metadata.uid:
        return Stop.ROLLOUT_GONE
    if rollout.metadata.deletion_timestamp is not None:
        return Stop.ROLLOUT_DELETING
    if not _is_pending(rollout, judged, pending):
        return Stop.NOT_PENDING
    if held is not None and is_abandoned(held.config_map, pending.transition_id):
        return Stop.ABANDONED
    if not may_be_written(None if held is None else held.config_map, rollout):
        return Stop.FOREIGN
    return None


def _is_ours_to_mark(held: ConfigMapVersion, rollout: Rollout) -> bool:
    return rollout.status.committed is not None or may_be_marked(held.config_map, rollout)


def _is_pending(rollout: Rollout, judged: Rollout, pending: PendingTransition) -> bool:
    return (
        rollout.metadata.uid == judged.metadata.uid
        and rollout.status.pending is not None
        and rollout.status.pending.transition_id == pending.transition_id
    )


def _is_committed_alike(one: Rollout, other: Rollout) -> bool:
    return (
        one.status.committed is not None
        and other.status.committed is not None
        and one.status.committed.transition_id == other.status.committed.transition_id
    )


def _key(rollout: Rollout) -> ObjectKey:
    return ObjectKey(rollout.metadata.namespace, rollout.metadata.name)


def _target(rollout: Rollout) -> ObjectKey:
    return ObjectKey(rollout.metadata.namespace, rollout.spec.target.config_map_name)
