"""One pass: caches first, fresh facts where the flag would move, and every failure survived."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
import structlog

from surefoot.api.v1alpha1.approval import ApprovalStatus
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import PendingTransition, TransitionType
from surefoot.application.admission import AdmissionWatch
from surefoot.application.execute import Executor
from surefoot.application.gather import Gatherer, Rules
from surefoot.application.lanes import must_roll_back
from surefoot.application.ports import Kind, ObjectHead, ObjectKey
from surefoot.application.queue import Lane
from surefoot.application.rbac import ROLE_REMEDY
from surefoot.application.reconcile import Pass, Reconciler, Result
from surefoot.application.store import Store
from surefoot.domain.decide import decide
from surefoot.domain.facts.measurements import QueryFacts
from surefoot.domain.facts.snapshot import FlagFacts, Halt, Snapshot
from surefoot.domain.plan import (
    Abandon,
    Announcement,
    Intend,
    Plan,
    RecordRequest,
    Restore,
    WriteStatus,
)
from surefoot.domain.record.transitions import committed
from surefoot.domain.rollback import roll_back
from surefoot.errors import Conflict, NotFound, Refused, Unavailable, UnreadableObject
from surefoot.process.polling import HaltPoller
from tests.support.fakes import FakeAnnouncer, FakeClock, FakeCluster, FakeTelemetry
from tests.support.world import START, a_rollout

KEY = ObjectKey("agents", "memory-sync")
SOON = timedelta(seconds=5)


class NoProviders:
    """There are none."""

    def names(self, namespace: str) -> frozenset[str]:
        return frozenset()

    async def inspect(self, provider: str, query: str) -> QueryFacts:
        return QueryFacts()

    async def measure(self, query: Any) -> Any:
        raise AssertionError("nobody asks")

    def measurements(self, key: ObjectKey, rollout: Rollout) -> dict[str, Any]:
        return {}

    def unanswered_since(self, key: ObjectKey) -> dict[str, Any]:
        return {}

    def known_queries(self, key: ObjectKey, rollout: Rollout) -> dict[str, Any]:
        return {}

    async def query_facts(self, key: ObjectKey, rollout: Rollout) -> dict[str, Any]:
        return {}


class Office:
    """A reconciler with everything around it."""

    def __init__(
        self,
        decision: Callable[[Snapshot, datetime], Plan] = decide,
        way_down: Callable[[FlagFacts, datetime], Plan | None] = roll_back,
    ) -> None:
        self.cluster = FakeCluster(a_rollout())
        self.clock = FakeClock()
        self.store = Store()
        self.telemetry = FakeTelemetry()
        self.announcer = FakeAnnouncer()
        self.forgotten: list[ObjectKey] = []
        providers = NoProviders()
        self.gatherer = Gatherer(
            self.cluster,
            self.store,
            self.clock,
            providers,
            providers,
            admission=AdmissionWatch(None, self.clock),
            operator_namespace="surefoot-system",
            rules=Rules(timedelta(seconds=30), timedelta(minutes=10)),
        )
        self.executor = Executor(self.cluster, self.store, self.clock, self.telemetry, committed)
        self.reconciler = Reconciler(
            gatherer=self.gatherer,
            decide=decision,
            executor=self.executor,
            store=self.store,
            clock=self.clock,
            announcer=self.announcer,
            telemetry=self.telemetry,
            forget=self.forgotten.append,
            roll_back=way_down,
        )
        self.learn()

    def learn(self) -> None:
        """The caches see the Rollout as it is."""
        self.store.observe_fresh(Kind.ROLLOUT, KEY, self.cluster.rollouts[KEY])

    def learn_of_a_rollback(self) -> None:
        """One is recorded, and not applied yet."""
        back = PendingTransition(
            transition_id="t", type=TransitionType.ROLLBACK, to=0, reason="r", recorded_at=START
        )
        rollout = self.cluster.rollouts[KEY]
        status = rollout.status.model_copy(update={"pending": back})
        self.cluster.put_rollout(rollout.model_copy(update={"status": status}))
        self.learn()

    async def look(self) -> Pass:
        return await self.reconciler.reconcile(KEY)


def plans(
    *actions: Any, announcements: tuple[Announcement, ...] = ()
) -> Callable[[Snapshot, datetime], Plan]:
    """A decision that is always this one."""

    def decided(snapshot: Snapshot, now: datetime) -> Plan:
        status = snapshot.rollout.status
        return Plan(
            status=status,
            actions=tuple(action(status) for action in actions),
            announcements=announcements,
            requeue_after=SOON,
            summary="as told",
        )

    return decided


def fails_with(error: Exception) -> Callable[[Snapshot, datetime], Plan]:
    """A decision that cannot be made."""

    def decided(snapshot: Snapshot, now: datetime) -> Plan:
        raise error

    return decided


async def test_pass_that_changes_nothing_reads_and_writes_nothing_afresh() -> None:
    """A blocked Rollout costs no request, but the ConfigMap that is not watched yet."""
    office = Office(plans())
    assert await office.look() == Pass(Result.IDLE, 5.0)
    assert office.cluster.calls == ["read config map"]


async def test_flag_moves_on_fresh_facts_only() -> None:
    """The caches say go; a halt that only a fresh read shows says no."""
    office = Office()
    office.cluster.halted = Halt("agents", "incident")
    await office.look()
    assert "read halt" in office.cluster.calls
    assert office.cluster.config_maps == {}
    assert office.cluster.writes() == ["write status"]


@dataclass
class Counting:
    """The real decisions, counted until the flag moves; fresh reads may take a while."""

    decided: int = 0

    def __call__(self, snapshot: Snapshot, now: datetime) -> Plan:
        self.decided += snapshot.rollout.status.committed is None
        return decide(snapshot, now)


@pytest.mark.parametrize("seconds", [0.0, 3.0])
async def test_decision_that_fresh_reads_confirm_is_not_made_twice(seconds: float) -> None:
    """The same facts give the same plan; but not forever."""
    decision = Counting()
    office = Office(decision)

    async def slow(call: str) -> None:
        if call == "read halt":
            office.clock.at += timedelta(seconds=seconds)

    office.cluster.before = slow
    await office.look()
    assert office.cluster.config_maps
    assert decision.decided == (2 if seconds else 1)


@pytest.mark.parametrize(
    ("before", "after", "decisions"), [(0, 500, 2), (500, 0, 1), (300, 300, 1)]
)
async def test_doubt_about_the_time_that_has_grown_is_judged_again(
    before: int, after: int, decisions: int
) -> None:
    """What ends with time may have ended by the later moment; less doubt takes nothing away."""
    decision = Counting()
    office = Office(decision)
    office.clock.doubt = timedelta(milliseconds=before)

    async def another_answer_tells_the_time(call: str) -> None:
        if call == "read halt":
            office.clock.doubt = timedelta(milliseconds=after)

    office.cluster.before = another_answer_tells_the_time
    await office.look()
    assert office.cluster.config_maps
    assert decision.decided == decisions


async def test_move_decided_on_an_older_rollout_is_refused_and_decided_again() -> None:
    """Somebody pauses the Rollout, and no event tells of it: its write shows it, and is refused."""
    decision = Counting()
    office = Office(decision)
    rollout = office.cluster.rollouts[KEY]
    paused = rollout.spec.model_copy(update={"paused": True})
    office.cluster.put_rollout(rollout.model_copy(update={"spec": paused}))
    assert (await office.look()).result is Result.CONFLICT
    assert office.cluster.writes() == ["write status"]
    assert office.cluster.rollouts[KEY].status.pending is None
    decision.decided, office.cluster.calls = 0, []
    await office.look()
    assert decision.decided == 2
    assert "read rollout" in office.cluster.calls
    assert office.cluster.config_maps == {}
    assert office.cluster.rollouts[KEY].status.pending is None


@pytest.mark.parametrize("place", ["agents", "surefoot-system"])
async def test_halt_that_only_a_fresh_read_has_shown_is_known_to_have_ended(place: str) -> None:
    """The list of halts was made before it and after it: its end is news all the same."""
    office = Office()
    woken: list[ObjectKey] = []
    poller = HaltPoller(
        office.cluster,
        office.store,
        office.clock,
        office.gatherer,
        woken.append,
        operator_namespace="surefoot-system",
    )
    await poller.poll()
    office.cluster.halted = Halt(place, "incident")
    await office.look()
    assert office.cluster.rollouts[KEY].status.percent is None, "the fresh read has stopped it"
    office.cluster.halted = None
    await poller.poll()
    assert woken == [KEY]
    await office.look()
    assert office.cluster.rollouts[KEY].status.percent is not None


async def test_whole_plan_without_holds_is_walked_pass_by_pass() -> None:
    """The real decisions, one transition a pass, until nothing is left to do."""
    office = Office()
    for _ in range(20):
        await office.look()
    status = office.cluster.rollouts[KEY].status
    assert status.phase == "Completed"
    assert [entry.type.value for entry in status.history] == [
        "Start",
        "Advance",
        "Advance",
        "Advance",
        "Complete",
    ]
    assert {reason for _, reason in office.announcer.said} >= {"Start", "Advance", "Complete"}


async def test_conflict_ends_the_pass_and_is_tried_again_at_once() -> None:
    """With a little more patience each time."""
    office = Office(plans(WriteStatus))

    async def somebody_writes(call: str) -> None:
        if call == "write status":
            office.cluster.put_rollout(office.cluster.rollouts[KEY])

    office.cluster.before = somebody_writes
    pauses = [(await office.look()).again_after for _ in range(4)]
    assert pauses == [0.02, 0.04, 0.08, 0.16]


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (Conflict("changed"), Result.CONFLICT),
        (Unavailable("no answer"), Result.UNAVAILABLE),
        (Refused("not allowed"), Result.REFUSED),
        (KeyError("a defect"), Result.ERROR),
    ],
)
async def test_no_failure_ends_the_operator(error: Exception, result: Result) -> None:
    """It is counted, and the Rollout is looked at again."""
    office = Office(fails_with(error))
    outcome = await office.look()
    assert outcome.result is result
    assert outcome.again_after is not None
    assert office.telemetry.said[-1] == ("reconciled", result.value)


def fails_once_recorded(facts: FlagFacts, _now: datetime) -> Plan | None:
    """The way down of an operator whose API server is down."""
    if facts.rollout.status.pending is not None:
        raise Unavailable("down")
    return None


async def test_backoff_is_bounded_and_short_for_a_rollback() -> None:
    """Ten seconds at most; one where a rollback is recorded."""
    office = Office(fails_with(Unavailable("down")), fails_once_recorded)
    pauses = [(await office.look()).again_after for _ in range(12)]
    assert pauses[-1] == 10.0
    office.learn_of_a_rollback()
    assert await office.look() == Pass(Result.UNAVAILABLE, 1.0, Lane.URGENT)


async def test_refused_rollback_is_tried_again_soon_and_first() -> None:
    """Whatever refused it may be mended any moment; a refused advance can wait."""
    office = Office(fails_with(Refused("forbidden")))
    assert await office.look() == Pass(Result.REFUSED, 30.0, Lane.NORMAL)
    office.learn_of_a_rollback()

    async def refuses(call: str) -> None:
        if call == "create config map":
            raise Refused("forbidden")

    office.cluster.before = refuses
    assert await office.look() == Pass(Result.REFUSED, 5.0, Lane.URGENT)


async def test_refusal_is_announced_once() -> None:
    """A person must help; saying it every half minute would not."""
    office = Office(fails_with(Refused("forbidden: no permission")))
    for _ in range(3):
        await office.look()
    assert office.announcer.said == [("memory-sync", "Refused")]


async def test_write_that_rbac_refuses_says_what_to_do() -> None:
    """The API server names the verb and the resource; the remedy is the installation's."""
    refusal = 'User "us" cannot update resource "configmaps" in API group ""'
    office = Office(fails_with(Refused(refusal, status=403)))
    with structlog.testing.capture_logs() as logs:
        await office.look()
    assert [entry["error"] for entry in logs] == [f"{refusal}; {ROLE_REMEDY}"]


async def test_unreadable_rollout_is_announced_once_and_left_alone() -> None:
    """It exists, but nothing can be said about it."""
    office = Office()

    def unreadable() -> Rollout:
        raise UnreadableObject("spec.steps: wrong")

    office.store.observe(Kind.ROLLOUT, ObjectHead(KEY, "uid-memory-sync", "999"), unreadable)
    for _ in range(2):
        assert (await office.look()).result is Result.UNREADABLE
    assert office.announcer.said == [("memory-sync", "Unreadable")]
    assert office.cluster.writes() == []


async def test_rollout_that_is_gone_is_forgotten() -> None:
    """Its questions and its series go as well."""
    office = Office()
    office.store.remove(Kind.ROLLOUT, office.store.heads(Kind.ROLLOUT)[KEY])
    assert await office.look() == Pass(Result.GONE, None)
    assert office.forgotten == [KEY]
    assert ("forgot", "memory-sync") in office.telemetry.said


async def test_pass_that_was_stopped_looks_again_soon() -> None:
    """Its facts have changed, and what has changed them may be nothing that is watched."""
    office = Office(plans(lambda _status: Restore(None)))
    assert await office.look() == Pass(Result.STOPPED, 1.0)


async def test_moves_without_end_are_slowed_down() -> None:
    """Something undoes them; the API server must not pay for it."""
    back = PendingTransition(
        transition_id="t", type=TransitionType.ADVANCE, to=25, reason="r", recorded_at=START
    )
    intend = lambda status: Intend(status.model_copy(update={"pending": back}))  # noqa: E731
    office = Office(plans(intend))
    pauses = [(await office.look()).again_after for _ in range(12)]
    assert pauses[:10] == [0.0] * 10
    assert pauses[-1] == 1.0


async def test_announcements_follow_what_was_done() -> None:
    """None where the write did not succeed."""
    office = Office(plans(WriteStatus, announcements=(Announcement("Late", "it is late"),)))

    async def down(call: str) -> None:
        if call == "write status":
            raise Unavailable("down")

    office.cluster.before = down
    await office.look()
    assert office.announcer.said == []
    office.cluster.before = _nothing
    await office.look()
    assert office.announcer.said == [("memory-sync", "Late")]


async def _nothing(_call: str) -> None:
    return None


def test_ceiling_below_the_flag_is_urgent() -> None:
    """And at or above it is not."""
    for ceiling, urgent in ((10, True), (25, False), (50, False)):
        rollout = a_rollout(rollback={"to": ceiling})
        status = rollout.status.model_copy(update={"percent": 25})
        assert must_roll_back(rollout.model_copy(update={"status": status})) is urgent


async def test_dry_run_is_not_counted_among_the_signatures_that_are_waited_for() -> None:
    """Nothing waits for it; the real ones are counted as before."""
    office = Office()
    roles = {"roles": [{"name": "security", "users": ["hudson"]}], "opens": "Step"}
    office.cluster.put_rollout(
        a_rollout(hold={"soak": "1h"}, approvals=roles, approvalDryRun={"run": 1})
    )
    office.learn()
    for _ in range(6):
        await office.look()
    asked = await office.cluster.approvals(KEY)
    assert sorted(each.spec.request.purpose for each in asked) == ["Advance", "DryRun"]
    assert [said for said in office.telemetry.said if said[0] == "approvals"][-1][2] == 1


def a_move() -> PendingTransition:
    """An advance that is recorded and not applied."""
    return PendingTransition(
        transition_id="t", type=TransitionType.ADVANCE, to=25, reason="r", recorded_at=START
    )


def withdrawing() -> Office:
    """A pass that withdraws an advance, and has a decision that only the advance tells of."""
    record = RecordRequest("Approval", "lead", "uid-lead", "1", ApprovalStatus())
    return Office(
        plans(
            lambda status: Abandon(a_move(), status, marks_config_map=False), lambda _status: record
        )
    )


@pytest.mark.parametrize(
    "fault", [None, Refused("forbidden"), NotFound("gone"), Unavailable("down")], ids=str
)
async def test_what_a_move_counted_is_recorded_before_it_is_withdrawn(
    fault: Exception | None,
) -> None:
    """Afterwards nothing tells of it; and no failure keeps the move from being withdrawn."""
    office = withdrawing()
    kept: list[str] = []

    async def keep_books(_rollout: Rollout, actions: tuple[Any, ...]) -> None:
        office.cluster.calls.append("keep books")
        kept.extend(type(action).__name__ for action in actions)
        if fault is not None:
            raise fault

    office.executor.keep_books = keep_books  # type: ignore[method-assign,assignment]
    assert (await office.look()).result is Result.DONE
    assert kept == ["Abandon", "RecordRequest"]
    assert office.cluster.writes() == ["keep books", "write status"]


async def test_conflict_of_what_a_move_counted_is_judged_again() -> None:
    """Somebody has decided again: the move stays recorded until that is seen."""
    office = withdrawing()

    async def keep_books(_rollout: Rollout, _actions: tuple[Any, ...]) -> None:
        raise Conflict("changed")

    office.executor.keep_books = keep_books  # type: ignore[method-assign,assignment]
    assert (await office.look()).result is Result.CONFLICT
    assert office.cluster.writes() == []
