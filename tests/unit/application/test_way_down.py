"""A rollback needs the Rollout, its ConfigMap and the triggers' answers: all else may fail."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import RolloutStatus
from surefoot.application.admission import AdmissionWatch
from surefoot.application.execute import Executor
from surefoot.application.gather import Gatherer, Rules
from surefoot.application.ports import AdmissionStatus, Kind, ObjectKey
from surefoot.application.reconcile import Reconciler, Result
from surefoot.application.store import Store
from surefoot.domain.decide import decide
from surefoot.domain.derive import judged_triggers
from surefoot.domain.derive.triggers import judge_trigger
from surefoot.domain.facts.measurements import Measurement, Outcome, QueryFacts, Sample
from surefoot.domain.facts.snapshot import Admission
from surefoot.domain.record.transitions import committed
from surefoot.domain.rollback import roll_back
from surefoot.errors import ApiError, Conflict, NotFound, Refused, Unavailable, UnreadableObject
from tests.support.fakes import FakeAnnouncer, FakeClock, FakeCluster, FakeTelemetry, turns
from tests.support.world import a_checkpoint, a_metric, a_role, a_rollout, a_trigger

KEY = ObjectKey("agents", "memory-sync")
TARGET = ObjectKey("agents", "memory-sync-flags")
INTERVAL = timedelta(seconds=30)
PLAN: dict[str, Any] = {
    "hold": {"soak": "1h", "checkpoints": [a_checkpoint("hour-48", "atlas")]},
    "metrics": [a_metric()],
    "triggers": [a_trigger(onNoData="Rollback")],
    "approvals": {"opens": "Step", "roles": [a_role("security", "h")]},
    "dependsOn": [],
}


class Metrics:
    """One provider and its answers: a value for every point of the last hour."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.value = 0.0
        self.is_silent = False

    def names(self, namespace: str) -> frozenset[str]:
        return frozenset({"default"})

    async def inspect(self, provider: str, query: str) -> QueryFacts:
        return QueryFacts()

    def unanswered_since(self, key: ObjectKey) -> dict[str, Any]:
        return {}

    def known_queries(self, key: ObjectKey, rollout: Any) -> dict[str, QueryFacts]:
        return {metric.name: QueryFacts() for metric in rollout.spec.metrics}

    async def query_facts(self, key: ObjectKey, rollout: Any) -> dict[str, QueryFacts]:
        return self.known_queries(key, rollout)

    async def measure(self, query: Any) -> Any:
        raise AssertionError("nobody asks")

    def measurements(self, key: ObjectKey, rollout: Any) -> dict[str, Measurement]:
        end, step = self._clock.now(), timedelta(seconds=1)
        samples = tuple(Sample(end - n * step, self.value) for n in range(60, -1, -1))
        answer = Measurement(end - 60 * step, end, step, samples, Outcome.VALUE, "", end)
        if self.is_silent:
            answer = replace(answer, samples=(), outcome=Outcome.UNREACHABLE, message="it is down")
        return dict.fromkeys(("errors", "errors for 0s"), answer)


class Policies:
    """The admission policies are in force."""

    async def check(self, *, whole: bool = True) -> AdmissionStatus:
        return AdmissionStatus(Admission.ENFORCED)


class Signatures:
    """There are no detached signatures."""

    async def verify(self, approvals: Any, *, afresh: bool) -> dict[str, Any]:
        return {}

    def signers(self) -> frozenset[str] | None:
        return None


class Office:
    """A reconciler and everything that it works with."""

    def __init__(self) -> None:
        self.cluster = FakeCluster(a_rollout(**PLAN))
        self.clock = FakeClock()
        self.recorded: Callable[[Any], None] = lambda _rollout: None
        self.store = Store(recorded=lambda rollout: self.recorded(rollout))  # noqa: PLW0108
        self.telemetry = FakeTelemetry()
        self.announcer = FakeAnnouncer()
        self.metrics = Metrics(self.clock)
        self.admission = AdmissionWatch(Policies(), self.clock)
        self.signatures = Signatures()
        self.rehearsed: Callable[[Any], Any] = lambda _rollout: None
        self.decide = decide
        self.gatherer = Gatherer(
            self.cluster,
            self.store,
            self.clock,
            self.metrics,
            self.metrics,
            admission=self.admission,
            signatures=self.signatures,
            rehearsed=lambda rollout: self.rehearsed(rollout),  # noqa: PLW0108
            operator_namespace="surefoot-system",
            rules=Rules(INTERVAL, timedelta(minutes=10)),
        )
        self.reconciler = Reconciler(
            gatherer=self.gatherer,
            decide=lambda snapshot, now: self.decide(snapshot, now),  # noqa: PLW0108
            executor=Executor(self.cluster, self.store, self.clock, self.telemetry, committed),
            store=self.store,
            clock=self.clock,
            announcer=self.announcer,
            telemetry=self.telemetry,
            forget=lambda _key: None,
            roll_back=roll_back,
        )
        self.learn()

    def learn(self) -> None:
        """The caches see the Rollout as it is."""
        self.store.observe_fresh(Kind.ROLLOUT, KEY, self.cluster.rollouts[KEY])

    @property
    def percent(self) -> str:
        return self.cluster.config_maps[TARGET].data["memory-sync"]

    async def at_ten(self) -> "Office":
        """The first percentage is taken, and held."""
        await self.admission.refresh()
        for _ in range(4):
            await self.reconciler.reconcile(KEY)
            self.learn()
        assert self.percent == "10"
        await self.clock.advance(60)
        return self

    def ask_for_zero(self) -> None:
        """A person sets `spec.rollback`, and the watch tells."""
        rollout = self.cluster.rollouts[KEY]
        asked = a_rollout(**PLAN, rollback={"to": 0})
        generation = rollout.metadata.generation + 1
        metadata = rollout.metadata.model_copy(update={"generation": generation})
        self.cluster.put_rollout(
            rollout.model_copy(update={"spec": asked.spec, "metadata": metadata})
        )
        self.learn()

    async def two_intervals(self) -> None:
        """Passes are made as their outcome asks, for two evaluation intervals."""
        for _ in range(6):
            await self.reconciler.reconcile(KEY)
            await self.clock.advance(INTERVAL.total_seconds() / 3)


def breach(office: Office) -> None:
    """The trigger's metric is beyond its bound."""
    office.metrics.value = 0.9


def silence(office: Office) -> None:
    """The trigger's provider does not answer, which the plan answers with a rollback."""
    office.metrics.is_silent = True


REASONS = {
    "a trigger fires": breach,
    "a trigger has no data": silence,
    "a person asks": Office.ask_for_zero,
}
NOT_NEEDED = [
    "list checkpoints",
    "list approvals",
    "read request",
    "read halt",
    "list halts",
    "read namespace",
    "read kinds",
    "open",
    "record",
    "post event",
    "read Rollout",
    "list Approval",
    "list Checkpoint",
]
"""Calls to the API server that a rollback does not need."""
FAULTS: list[Exception] = [
    Unavailable("down"),
    Refused("forbidden"),
    NotFound("the server could not find the requested resource"),
    Conflict("changed"),
    UnreadableObject("spec: wrong"),
    ApiError("not JSON"),
    ValueError("a defect"),
    OverflowError("date value out of range"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
@pytest.mark.parametrize("reason", REASONS)
async def test_flag_comes_down_whatever_the_api_server_answers_beside_it(
    reason: str, fault: Exception
) -> None:
    """Every call fails but those on the Rollout, its status and its ConfigMap."""
    office = await Office().at_ten()

    async def fails(call: str) -> None:
        if any(call.startswith(name) for name in NOT_NEEDED):
            raise fault

    office.cluster.before = fails
    REASONS[reason](office)
    await office.two_intervals()
    assert office.percent == "0"
    assert office.cluster.rollouts[KEY].status.history[-1].type == "Rollback"


def _raises(*_args: Any, **_kwargs: Any) -> Any:
    raise OverflowError("date value out of range")


BROKEN: list[tuple[str, Callable[[Office], None]]] = [
    ("decide", lambda o: setattr(o, "decide", _raises)),
    ("rehearsed", lambda o: setattr(o, "rehearsed", _raises)),
    ("record", lambda o: setattr(o, "recorded", _raises)),
    *(
        (f"{part}.{name}", lambda o, part=part, name=name: setattr(getattr(o, part), name, _raises))
        for part, names in {
            "admission": ["refresh"],
            "signatures": ["verify", "signers"],
            "announcer": ["announce"],
            "telemetry": ["judged", "approvals_pending", "transition", "reconciled"],
            "store": [
                "checkpoints",
                "approvals",
                "watched_requests",
                "claims_beside",
                "upstreams",
                "halt",
            ],
        }.items()
        for name in names
    ),
]


@pytest.mark.parametrize("break_it", [pytest.param(does, id=part) for part, does in BROKEN])
@pytest.mark.parametrize("reason", REASONS)
async def test_flag_comes_down_whatever_collaborator_is_broken(
    reason: str, break_it: Callable[[Office], None]
) -> None:
    """Each part of a pass is replaced by one that raises, one at a time."""
    office = await Office().at_ten()
    break_it(office)
    REASONS[reason](office)
    for _ in range(6):
        with contextlib.suppress(OverflowError):  # of telemetry, at the very end of a pass
            await office.reconciler.reconcile(KEY)
        await office.clock.advance(10)
    assert office.percent == "0"
    assert office.cluster.rollouts[KEY].status.committed is not None


async def test_silence_that_has_ended_counts_no_longer() -> None:
    """It is written where the whole status cannot be, and taken back by the first answer."""
    office = await Office().at_ten()
    office.decide = _raises
    for is_silent, states in ((True, ["NoData"]), (False, [])):
        office.metrics.is_silent = is_silent
        await office.reconciler.reconcile(KEY)
        status = office.cluster.rollouts[KEY].status
        assert [entry.state for entry in status.triggers] == states
    assert office.percent == "10"


@pytest.mark.parametrize("broken", ["measurements", "known_queries", "names"])
async def test_flag_comes_down_for_a_person_without_any_provider(broken: str) -> None:
    """`spec.rollback` asks no provider anything."""
    office = await Office().at_ten()
    setattr(office.metrics, broken, _raises)
    office.ask_for_zero()
    await office.two_intervals()
    assert office.percent == "0"


@pytest.mark.parametrize("reason", REASONS)
async def test_flag_comes_down_from_a_start_that_was_applied_and_never_committed(
    reason: str,
) -> None:
    """The operator died in between, and what is read beside the flag fails ever since."""
    office = Office()
    await office.admission.refresh()

    async def dies(call: str) -> None:
        if office.cluster.config_maps and call == "write status":
            raise Unavailable("down")

    async def fails(call: str) -> None:
        if any(call.startswith(name) for name in NOT_NEEDED):
            raise Unavailable("down")

    office.cluster.before = dies
    await office.reconciler.reconcile(KEY)
    office.learn()
    office.store.observe_fresh(Kind.CONFIG_MAP, TARGET, office.cluster.config_maps[TARGET])
    assert (office.percent, office.cluster.rollouts[KEY].status.percent) == ("10", None)
    office.cluster.before = fails
    REASONS[reason](office)
    await office.two_intervals()
    assert office.percent == "0"
    history = office.cluster.rollouts[KEY].status.history
    assert [(entry.type, entry.to) for entry in history] == [("Start", 10), ("Rollback", 0)]


def has_no_room(office: Office) -> None:
    """The plan has grown: the API server takes no status that is larger than the present one."""
    write = office.cluster.write_rollout_status
    room = len(office.cluster.rollouts[KEY].status.model_dump_json(exclude_none=True))

    async def write_within(judged: Rollout, status: RolloutStatus) -> Rollout:
        if len(status.model_dump_json(exclude_none=True)) > room:
            raise Unavailable("500: etcdserver: request is too large", status=500)
        return await write(judged, status)

    setattr(office.cluster, "write_rollout_status", write_within)  # noqa: B010


@pytest.mark.parametrize("reason", REASONS)
async def test_flag_comes_down_where_there_is_no_room_to_say_more(reason: str) -> None:
    """What a later pass can find out again is left out, and the history stays a chain."""
    office = await Office().at_ten()
    has_no_room(office)
    last = office.cluster.rollouts[KEY].status.history[-1]
    REASONS[reason](office)
    await office.two_intervals()
    status = office.cluster.rollouts[KEY].status
    assert (office.percent, status.percent, status.rolled_back) == ("0", 0, True)
    assert (status.history[-1].type, status.history[-1].prev_hash) == ("Rollback", last.hash)


@pytest.mark.parametrize(
    "message",
    [
        "500: etcdserver: request is too large",
        "500: rpc error: trying to send message larger than max (2097289 vs. 2097152)",
    ],
)
async def test_event_tells_where_there_is_no_room_for_a_status(message: str) -> None:
    """The status cannot tell: it is what finds no room. An event is an object of its own."""
    office = await Office().at_ten()

    async def fails(call: str) -> None:
        if call == "write status":
            raise Unavailable(message, status=500)

    office.cluster.before = fails
    office.ask_for_zero()
    await office.two_intervals()
    assert [reason for _, reason in office.announcer.said].count("Refused") == 1


async def test_no_event_tells_of_an_api_server_that_is_out_of_reach() -> None:
    """It has no room for an event either, and it will be back."""
    office = await Office().at_ten()

    async def fails(call: str) -> None:
        if call == "write status":
            raise Unavailable("500: etcdserver: leader changed", status=500)

    office.cluster.before = fails
    office.ask_for_zero()
    await office.two_intervals()
    assert "Refused" not in [reason for _, reason in office.announcer.said]


HANGS = ["list checkpoints", "list approvals", "read halt", "open"]


@pytest.mark.parametrize("hanging", HANGS)
@pytest.mark.parametrize("reason", ["a trigger fires", "a person asks"])
async def test_pass_that_hangs_is_interrupted_for_a_rollback(reason: str, hanging: str) -> None:
    """What a pass waits for is given up once a rollback may be required."""
    office = await Office().at_ten()
    hangs = asyncio.Event()

    async def hang(call: str) -> None:
        if call.startswith(hanging):
            hangs.set()
            await asyncio.Event().wait()

    office.cluster.before = hang
    office.decide = _moving(office)
    working = asyncio.create_task(office.reconciler.reconcile(KEY))
    await turns(50)
    assert hangs.is_set() is not working.done()
    REASONS[reason](office)
    office.reconciler.interrupt(KEY)
    await turns(50)
    assert working.done()
    assert (await working).result is Result.INTERRUPTED
    await office.reconciler.reconcile(KEY)
    assert office.percent == "0"


def _moving(office: Office) -> Any:
    """A decision that always needs fresh reads, and asks for a request to be opened."""
    from dataclasses import replace

    from surefoot.domain.plan import OpenRequest, Restore

    def moves(snapshot: Any, now: Any) -> Any:
        plan = decide(snapshot, now)
        status = snapshot.rollout.status
        spec = office.cluster.requests[next(iter(office.cluster.requests))].spec
        opens = OpenRequest(("another",), spec)
        return replace(plan, actions=(Restore(None), opens, *plan.actions), status=status)

    return moves


PASSES: dict[str, Callable[[Office], None]] = {
    "it waits": lambda _office: None,
    "it lowers the flag": breach,
    "it reads everything again": lambda office: setattr(office, "decide", _moving(office)),
}


@pytest.mark.parametrize("prepare", PASSES.values(), ids=PASSES)
async def test_pass_judges_each_trigger_once(
    prepare: Callable[[Office], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way down judges first, and what it found is handed on as long as the facts are so."""
    office = await Office().at_ten()
    prepare(office)
    judged: list[str] = []

    def counting(facts: Any, status: Any, trigger: Any, now: Any) -> Any:
        judged.append(trigger.name)
        return judge_trigger(facts, status, trigger, now)

    monkeypatch.setattr(judged_triggers, "judge_trigger", counting)
    await office.reconciler.reconcile(KEY)
    assert judged == ["errors"]


async def test_answer_that_comes_during_a_pass_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was judged when the pass began says nothing of an answer that came while it read."""
    office = await Office().at_ten()

    async def answer(call: str) -> None:
        if call.startswith("list approvals"):
            breach(office)

    office.cluster.before = answer
    office.decide = _moving(office)
    await office.reconciler.reconcile(KEY)
    assert office.percent == "0"
