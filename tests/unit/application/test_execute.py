"""The write protocol against a cluster in memory, with the world changing between any two calls."""

from datetime import timedelta
from typing import Any

import pytest

from surefoot.api.v1alpha1.approval import (
    ApprovalRequest,
    ApprovalSpec,
    ApprovalStatus,
    RequestState,
)
from surefoot.api.v1alpha1.meta import (
    ABANDONED_ANNOTATION,
    MANAGED_LABEL,
    ROLLOUT_UID_ANNOTATION,
    ObjectReference,
)
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import Committed, PendingTransition, TransitionType
from surefoot.application.execute import Executed, Executor, Stop
from surefoot.application.ports import Kind, ObjectKey
from surefoot.application.rbac import ROLE_REMEDY
from surefoot.application.store import Store
from surefoot.domain.facts.snapshot import ConfigMap
from surefoot.domain.flag.config_map import rendering_of
from surefoot.domain.plan import (
    Abandon,
    Action,
    Apply,
    Commit,
    Intend,
    OpenRequest,
    RecordRequest,
    Restore,
    WriteStatus,
)
from surefoot.domain.record.transitions import committed
from surefoot.errors import Conflict, Refused
from tests.support.fakes import FakeClock, FakeCluster, FakeTelemetry
from tests.support.world import START, a_rollout

KEY = ObjectKey("agents", "memory-sync")
TARGET = ObjectKey("agents", "memory-sync-flags")


def a_transition(to: int, identity: str = "t25", **changes: Any) -> PendingTransition:
    """A recorded transition to this percentage."""
    kind = TransitionType.START if changes.get("from_") is None else TransitionType.ADVANCE
    return PendingTransition(
        **{
            "transition_id": identity,
            "type": kind,
            "to": to,
            "step": 0,
            "reason": "Due",
            "recorded_at": START,
        }
        | changes
    )


ADVANCE = a_transition(25, from_=10, step=1)
BACK = a_transition(0, "t0", from_=10, type=TransitionType.ROLLBACK, step=None)


class Stage:
    """A Rollout committed at 10%, its ConfigMap, and an executor."""

    def __init__(self, **spec: Any) -> None:
        self.cluster = FakeCluster()
        self.clock = FakeClock()
        self.telemetry = FakeTelemetry()
        self.executor = Executor(self.cluster, Store(), self.clock, self.telemetry, committed)
        start = a_rollout(**spec)
        at_10 = start.status.model_copy(
            update={
                "percent": 10,
                "step": 0,
                "committed": Committed(
                    transition_id="t10", type=TransitionType.START, recorded_at=START
                ),
            }
        )
        self.cluster.put_rollout(start.model_copy(update={"status": at_10}))
        rendering = rendering_of(self.rollout, at_10.committed)  # type: ignore[arg-type]
        self.cluster.put_config_map(
            ConfigMap(
                name=TARGET.name,
                uid="cm",
                resource_version="",
                data=rendering.data,
                labels=rendering.labels,
                annotations=rendering.annotations,
            )
        )

    @property
    def rollout(self) -> Rollout:
        return self.cluster.rollouts[KEY]

    @property
    def config_map(self) -> ConfigMap:
        return self.cluster.config_maps[TARGET]

    @property
    def flag(self) -> str:
        return self.config_map.data["memory-sync"]

    def with_pending(self, pending: PendingTransition | None) -> Rollout:
        """Somebody recorded this transition, or cleared it."""
        status = self.rollout.status.model_copy(update={"pending": pending})
        return self.cluster.put_rollout(self.rollout.model_copy(update={"status": status}))

    def patched(self, **changes: Any) -> None:
        """Somebody changed the ConfigMap."""
        from dataclasses import replace

        self.cluster.put_config_map(replace(self.config_map, **changes))

    def once_before(self, call: str, happens: Any) -> None:
        """Something happens just before the first such call."""

        async def before(name: str) -> None:
            if name == call:
                self.cluster.before = _quiet
                happens()

        self.cluster.before = before

    async def execute(self, *actions: Action, judged: Rollout | None = None) -> Executed:
        executed = await self.executor.execute(judged or self.rollout, actions)
        await self.executor.keep_books(judged or self.rollout, actions)
        return executed


async def _quiet(_name: str) -> None:
    return None


def an_intent(stage: Stage, pending: PendingTransition) -> Intend:
    """The intent to take this transition."""
    return Intend(stage.rollout.status.model_copy(update={"pending": pending}))


async def test_advance_is_intent_then_apply_then_commit() -> None:
    """In this order, with the ConfigMap read before the Rollout before it is written."""
    stage = Stage()
    done = await stage.execute(an_intent(stage, ADVANCE))
    assert stage.cluster.calls == [
        "write status",
        "read config map",
        "read rollout",
        "write config map",
        "write status",
    ]
    assert done.moved
    assert [each.reason for each in done.announcements] == ["Advance"]
    assert stage.flag == "25"
    assert (stage.rollout.status.percent, stage.rollout.status.pending) == (25, None)


async def test_intent_that_conflicts_writes_nothing_else() -> None:
    """The intent is the commit point."""
    stage = Stage()
    judged = stage.rollout
    stage.cluster.put_rollout(judged)
    with pytest.raises(Conflict):
        await stage.execute(an_intent(stage, ADVANCE), judged=judged)
    assert stage.cluster.writes() == ["write status"]
    assert stage.flag == "10"


async def test_commit_is_stamped_with_the_later_bound_of_the_clock() -> None:
    """A soak counted from it is never short."""
    stage = Stage()
    stage.clock.doubt = timedelta(milliseconds=40)
    await stage.execute(an_intent(stage, ADVANCE))
    assert stage.rollout.status.since == START + timedelta(milliseconds=40)


async def test_nothing_is_applied_once_the_intent_is_gone() -> None:
    """A stale leader reads that its transition is no longer pending."""
    stage = Stage()
    judged = stage.with_pending(ADVANCE)
    stage.with_pending(None)
    done = await stage.execute(Apply(ADVANCE), judged=judged)
    assert done == Executed(moved=False, stopped=Stop.NOT_PENDING)
    assert stage.flag == "10"


async def test_stale_leader_whose_config_map_has_moved_reads_again() -> None:
    """Abandoned between its reads and its write: the write fails, and the second look stops it."""
    stage = Stage()
    judged = stage.with_pending(ADVANCE)

    def abandoned_by_another() -> None:
        stage.patched(annotations={**stage.config_map.annotations, ABANDONED_ANNOTATION: "t25"})

    stage.once_before("write config map", abandoned_by_another)
    done = await stage.execute(Apply(ADVANCE), judged=judged)
    assert done.stopped is Stop.ABANDONED
    assert stage.flag == "10"


@pytest.mark.parametrize(
    ("change", "stop"),
    [
        ({"deletion_timestamp": START}, Stop.ROLLOUT_DELETING),
        ({"uid": "another"}, Stop.ROLLOUT_GONE),
    ],
)
async def test_nothing_is_applied_for_a_rollout_that_goes(change: Any, stop: Stop) -> None:
    """Deleted, or replaced by another of the same name."""
    stage = Stage()
    judged = stage.with_pending(ADVANCE)
    metadata = judged.metadata.model_copy(update=change)
    stage.cluster.put_rollout(judged.model_copy(update={"metadata": metadata}))
    assert (await stage.execute(Apply(ADVANCE), judged=judged)).stopped is stop
    assert stage.flag == "10"


async def test_rollout_that_is_gone_stops_it() -> None:
    """Deleted altogether."""
    stage = Stage()
    judged = stage.with_pending(ADVANCE)
    del stage.cluster.rollouts[KEY]
    assert (await stage.execute(Apply(ADVANCE), judged=judged)).stopped is Stop.ROLLOUT_GONE


async def test_applied_already_is_only_committed() -> None:
    """After a crash between apply and commit the ConfigMap is not written again."""
    stage = Stage()
    judged = stage.with_pending(ADVANCE)
    rendering = rendering_of(judged, ADVANCE)
    stage.patched(data=rendering.data, annotations=rendering.annotations)
    await stage.execute(Apply(ADVANCE), judged=judged)
    assert stage.cluster.writes() == ["write status"]
    assert stage.rollout.status.percent == 25


async def test_start_never_writes_a_foreign_config_map() -> None:
    """Whatever was decided, the last look before the write refuses."""
    stage = Stage()
    start = a_transition(10, "s10")
    status = stage.rollout.status.model_copy(
        update={"pending": start, "committed": None, "percent": None, "step": None}
    )
    judged = stage.cluster.put_rollout(stage.rollout.model_copy(update={"status": status}))
    stage.patched(annotations={}, labels={}, data={"memory-sync": "30"})
    assert (await stage.execute(Apply(start), judged=judged)).stopped is Stop.FOREIGN
    assert stage.flag == "30"


async def test_commit_that_somebody_else_did_is_fine() -> None:
    """Two operators at once: one history entry."""
    stage = Stage()
    judged = stage.with_pending(ADVANCE)

    def committed_by_another() -> None:
        status = committed(stage.rollout, ADVANCE, START)
        stage.cluster.put_rollout(stage.rollout.model_copy(update={"status": status}))

    stage.once_before("write status", committed_by_another)
    done = await stage.execute(Apply(ADVANCE), judged=judged)
    assert done == Executed(moved=True)
    assert [entry.transition_id for entry in stage.rollout.status.history] == ["t25"]


async def test_commit_is_computed_anew_when_people_write_meanwhile() -> None:
    """A patch of the spec moves the version; the commit goes onto the new one."""
    stage = Stage()
    judged = stage.with_pending(ADVANCE)
    stage.once_before("write status", lambda: stage.cluster.put_rollout(stage.rollout))
    await stage.execute(Commit(ADVANCE), judged=judged)
    assert stage.rollout.status.percent == 25


async def test_abandoning_marks_the_config_map_before_the_status() -> None:
    """From the mark on, nobody can apply it."""
    stage = Stage()
    judged = stage.with_pending(ADVANCE)
    cleared = judged.status.model_copy(update={"pending": None})
    await stage.execute(Abandon(ADVANCE, cleared, marks_config_map=True), judged=judged)
    assert stage.cluster.writes() == ["mark config map", "write status"]
    assert stage.config_map.annotations[ABANDONED_ANNOTATION] == "t25"
    assert (stage.flag, stage.rollout.status.pending) == ("10", None)


async def test_abandoning_what_was_applied_commits_it() -> None:
    """Too late: the flag says it already."""
    stage = Stage()
    judged = stage.with_pending(ADVANCE)
    rendering = rendering_of(judged, ADVANCE)
    stage.patched(data=rendering.data, annotations=rendering.annotations)
    cleared = judged.status.model_copy(update={"pending": None})
    await stage.execute(Abandon(ADVANCE, cleared, marks_config_map=True), judged=judged)
    assert stage.rollout.status.percent == 25
    assert ABANDONED_ANNOTATION not in stage.config_map.annotations


async def test_abandoning_into_a_rollback_carries_the_rollback_out() -> None:
    """One status write replaces the advance, and the same pass goes on."""
    stage = Stage()
    judged = stage.with_pending(ADVANCE)
    replaced = judged.status.model_copy(update={"pending": BACK})
    await stage.execute(Abandon(ADVANCE, replaced, marks_config_map=True), judged=judged)
    assert stage.cluster.writes() == [
        "mark config map",
        "write status",
        "write config map",
        "write status",
    ]
    assert (stage.flag, stage.rollout.status.percent) == ("0", 0)


async def test_abandoning_creates_a_config_map_that_is_missing() -> None:
    """As committed, and marked: its creation elsewhere would otherwise succeed."""
    stage = Stage()
    judged = stage.with_pending(ADVANCE)
    del stage.cluster.config_maps[TARGET]
    cleared = judged.status.model_copy(update={"pending": None})
    await stage.execute(Abandon(ADVANCE, cleared, marks_config_map=True), judged=judged)
    assert stage.config_map.annotations[ABANDONED_ANNOTATION] == "t25"
    assert stage.flag == "10"


async def test_start_is_abandoned_by_the_status_alone() -> None:
    """There is no ConfigMap to mark."""
    stage = Stage()
    start = a_transition(10, "s10")
    judged = stage.with_pending(start)
    cleared = judged.status.model_copy(update={"pending": None})
    await stage.execute(Abandon(start, cleared, marks_config_map=False), judged=judged)
    assert stage.cluster.writes() == ["write status"]


@pytest.mark.parametrize("uid", ["another Rollout", ""])
async def test_start_is_not_committed_by_what_somebody_else_wrote(uid: str) -> None:
    """The id of a Start can be read in the status: it proves nothing about who wrote the flag."""
    stage = Stage()
    start = a_transition(10, "s10")
    never = {"committed": None, "percent": None, "pending": start}
    status = stage.rollout.status.model_copy(update=never)
    judged = stage.cluster.put_rollout(stage.rollout.model_copy(update={"status": status}))
    rendering = rendering_of(judged, start)
    stage.patched(
        data=rendering.data,
        annotations={**rendering.annotations, ROLLOUT_UID_ANNOTATION: uid},
    )
    cleared = judged.status.model_copy(update={"pending": None})
    await stage.execute(Abandon(start, cleared, marks_config_map=True), judged=judged)
    assert stage.cluster.writes() == ["write status"]
    assert stage.rollout.status.committed is None


async def test_restoring_records_first_and_then_writes() -> None:
    """The history entry comes before the write, so that no correction goes unrecorded."""
    stage = Stage()
    stage.patched(data={"memory-sync": "100"})
    await stage.execute(Restore(stage.rollout.status))
    assert stage.cluster.writes() == ["write status", "write config map"]
    assert stage.flag == "10"
    assert ("drift",) in stage.telemetry.said


async def test_restoring_what_somebody_restored_records_nothing() -> None:
    """A snapshot may be older than the ConfigMap."""
    stage = Stage()
    done = await stage.execute(Restore(stage.rollout.status))
    assert (done.moved, done.stopped) == (True, Stop.RESTORED)
    assert stage.cluster.writes() == []


async def test_every_difference_that_is_drift_is_restored() -> None:
    """Also one that leaves the percentage right: immutable, it would hide the next one."""
    stage = Stage()
    stage.patched(immutable=True)
    await stage.execute(Restore(stage.rollout.status))
    assert not stage.config_map.immutable
    assert ("drift",) in stage.telemetry.said


async def test_restoring_stops_where_a_transition_is_pending() -> None:
    """The transition decides what the flag says."""
    stage = Stage()
    judged = stage.rollout
    stage.patched(data={"memory-sync": "100"})
    stage.with_pending(ADVANCE)
    assert (await stage.execute(Restore(None), judged=judged)).stopped is Stop.NOT_PENDING
    assert stage.flag == "100"


async def test_restoring_stops_where_another_transition_was_committed() -> None:
    """An operator that slept does not bring an old percentage back."""
    stage = Stage()
    judged = stage.rollout
    newer = Committed(transition_id="t25", type=TransitionType.ADVANCE, recorded_at=START)
    status = judged.status.model_copy(update={"percent": 25, "committed": newer})
    stage.cluster.put_rollout(judged.model_copy(update={"status": status}))
    assert (await stage.execute(Restore(None), judged=judged)).stopped is Stop.SUPERSEDED


async def test_immutable_config_map_is_deleted_and_created() -> None:
    """Exactly the version that was read."""
    stage = Stage()
    stage.patched(immutable=True, data={"memory-sync": "100"})
    await stage.execute(Restore(None))
    assert stage.cluster.writes() == ["delete config map", "create config map"]
    assert not stage.config_map.immutable
    assert stage.config_map.labels[MANAGED_LABEL] == "true"


async def test_config_map_that_keeps_changing_ends_the_pass() -> None:
    """A bounded number of rounds; then the whole is looked at again."""
    stage = Stage()
    judged = stage.with_pending(ADVANCE)

    async def changes(name: str) -> None:
        if name == "write config map":
            stage.patched(annotations={**stage.config_map.annotations, "x": "y"})

    stage.cluster.before = changes
    with pytest.raises(Conflict, match="keeps changing"):
        await stage.execute(Apply(ADVANCE), judged=judged)


def a_request(**changes: Any) -> ApprovalSpec:
    """A signature that is asked for."""
    return ApprovalSpec(
        request=ApprovalRequest(
            **{
                "rollout": ObjectReference(name=KEY.name, uid="uid-memory-sync"),
                "plan_hash": "h",
                "attempt": 0,
                "from_": 10,
                "to": 25,
                "role": "security",
                "users": ("hudson",),
            }
            | changes
        )
    )


async def test_request_takes_the_first_free_name() -> None:
    """A name taken by another request is left to it."""
    stage = Stage()
    await stage.execute(OpenRequest(("a", "a-r2"), a_request(plan_hash="old")))
    await stage.execute(OpenRequest(("a", "a-r2"), a_request()))
    assert [key.name for _, key in stage.cluster.requests] == ["a", "a-r2"]


async def test_request_that_is_open_already_is_not_opened_again() -> None:
    """Somebody else was first, with the same words."""
    stage = Stage()
    for _ in range(2):
        await stage.execute(OpenRequest(("a", "a-r2"), a_request()))
    assert [key.name for _, key in stage.cluster.requests] == ["a"]


async def test_request_without_a_free_name_is_refused_by_name() -> None:
    """The message says which names are taken."""
    stage = Stage()
    await stage.execute(OpenRequest(("a",), a_request(plan_hash="old")))
    with pytest.raises(Refused, match="a are taken"):
        await stage.execute(OpenRequest(("a",), a_request()))


async def test_requests_are_worked_on_side_by_side_and_all_of_them() -> None:
    """One that fails does not keep the others from being done."""
    stage = Stage()
    await stage.execute(OpenRequest(("a",), a_request()), OpenRequest(("b",), a_request(role="b")))
    status = ApprovalStatus(state=RequestState.GO)
    with pytest.raises(Conflict):
        await stage.execute(
            RecordRequest("Approval", "a", "uid-a", "stale", status),
            RecordRequest("Approval", "b", "uid-b", "1", status),
        )
    recorded = stage.cluster.requests[Kind.APPROVAL, ObjectKey("agents", "b")]
    assert recorded.status.state is RequestState.GO


async def test_status_written_first_is_the_version_that_is_intended_on() -> None:
    """Actions see what those before them wrote."""
    stage = Stage()
    status = stage.rollout.status
    await stage.execute(WriteStatus(status), Intend(status.model_copy(update={"pending": ADVANCE})))
    assert stage.flag == "25"


FORBIDDEN = Refused('write ConfigMap: User "us" cannot update resource "configmaps"', status=403)


def refusing(*names: str) -> Any:
    """An API server that refuses these calls."""

    async def before(call: str) -> None:
        if call in names:
            raise FORBIDDEN

    return before


@pytest.mark.parametrize("pending", [ADVANCE, BACK], ids=["advance", "rollback"])
async def test_status_says_what_refuses_a_recorded_move(pending: PendingTransition) -> None:
    """Until somebody mends it; it is said once, so that the write wakes nobody forever."""
    stage = Stage()
    status = stage.rollout.status.model_copy(update={"waiting_on": "it is being applied"})
    intended = Intend(status.model_copy(update={"pending": pending}))
    stage.cluster.before = refusing("write config map")
    with pytest.raises(Refused):
        await stage.execute(intended)
    for _ in range(2):
        with pytest.raises(Refused):
            await stage.execute(Apply(pending))
    kind = pending.type.value.lower()
    assert stage.rollout.status.waiting_on == (
        f"{kind} to {pending.to}% is refused: {FORBIDDEN}; {ROLE_REMEDY}"
    )
    assert stage.cluster.writes().count("write status") == 2
    stage.cluster.before = refusing()
    await stage.execute(Apply(pending))
    assert stage.flag == str(pending.to)


async def test_refusal_that_cannot_be_said_either_is_the_refusal_all_the_same() -> None:
    """The move is tried again as if the status had been written."""
    stage = Stage()
    recorded = stage.with_pending(BACK)
    stage.cluster.before = refusing("write config map", "write status")
    with pytest.raises(Refused) as raised:
        await stage.execute(Apply(BACK), judged=recorded)
    assert raised.value is FORBIDDEN
    stage.cluster.before = refusing()
    await stage.execute(Apply(BACK))
    assert (stage.flag, stage.rollout.status.percent) == ("0", 0)
