"""The work queue: once, never twice at once, rollback first."""

import asyncio

from surefoot.application.ports import ObjectKey
from surefoot.application.queue import Lane, Workers, WorkQueue
from tests.support.fakes import FakeTelemetry, turns

A, B, C = (ObjectKey("ns", name) for name in "abc")


class FakeTimer:
    """Appointments that are kept when time is moved."""

    def __init__(self) -> None:
        self.now = 0.0
        self.appointments: list[FakeHandle] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: object) -> "FakeHandle":
        handle = FakeHandle(self, self.now + delay, callback)
        self.appointments.append(handle)
        return handle

    def advance(self, seconds: float) -> None:
        self.now += seconds
        for each in [each for each in self.appointments if each.at <= self.now]:
            self.appointments.remove(each)
            each.callback()  # type: ignore[operator]


class FakeHandle:
    def __init__(self, timer: FakeTimer, at: float, callback: object) -> None:
        self.timer, self.at, self.callback = timer, at, callback

    def when(self) -> float:
        return self.at

    def cancel(self) -> None:
        self.timer.appointments.remove(self)


def a_queue() -> tuple[WorkQueue, FakeTimer]:
    timer = FakeTimer()
    return WorkQueue(timer, FakeTelemetry()), timer


async def taken(queue: WorkQueue, *lanes: Lane) -> ObjectKey | None:
    found = await queue.take(*(lanes or (Lane.URGENT, Lane.NORMAL)))
    return None if found is None else found[0]


async def test_key_waits_once() -> None:
    """However often it was woken."""
    queue, _ = a_queue()
    for key in (A, B, A, A):
        queue.add(key)
    assert [await taken(queue), await taken(queue)] == [A, B]
    waiting = asyncio.create_task(taken(queue))
    await turns()
    assert not waiting.done()
    waiting.cancel()


async def test_rollback_goes_before_everything() -> None:
    """Also a key that waited in the other lane already, and it stays urgent."""
    queue, _ = a_queue()
    queue.add(A)
    queue.add(B)
    queue.add(C)
    queue.add(C, Lane.URGENT)
    queue.add(C)
    assert [await taken(queue) for _ in range(3)] == [C, A, B]


async def test_what_happened_to_one_goes_before_routine() -> None:
    """And a key that waited for its routine look is looked at with the others."""
    queue, _ = a_queue()
    for key in (A, B):
        queue.add(key, Lane.ROUTINE)
    queue.add(C)
    queue.add(B)
    queue.add(B, Lane.ROUTINE)
    assert [await taken(queue, *Lane) for _ in range(3)] == [C, B, A]


async def test_namespaces_take_turns() -> None:
    """One that has many Rollouts to be rolled back delays no rollback of another."""
    queue, _ = a_queue()
    crowd = [ObjectKey("crowd", f"r{number}") for number in range(5000)]
    for key in crowd:
        queue.add(key, Lane.URGENT)
    queue.add(A, Lane.URGENT)
    queue.add(B, Lane.URGENT)
    assert [await taken(queue) for _ in range(5)] == [crowd[0], A, crowd[1], B, crowd[2]]
    assert [await taken(queue) for _ in range(4997)] == crowd[3:]


async def test_what_is_not_due_is_deferred() -> None:
    """At the start everything waits; it is looked at in the end."""
    queue, _ = a_queue()
    for key in (A, B):
        queue.add(key)
    queue.add(C, Lane.URGENT)
    queue.defer(lambda key: key == B)
    assert [await queue.take(*Lane) for _ in range(3)] == [
        (C, Lane.URGENT), (B, Lane.NORMAL), (A, Lane.ROUTINE)
    ]  # fmt: skip


async def test_key_woken_while_it_is_worked_on_runs_again_afterwards() -> None:
    """Never twice at once; the more urgent wake counts."""
    queue, _ = a_queue()
    queue.add(A)
    assert await taken(queue) == A
    queue.add(A, Lane.URGENT)
    queue.add(A)
    again = asyncio.create_task(queue.take(Lane.URGENT, Lane.NORMAL))
    await turns()
    assert not again.done()
    queue.done(A)
    assert await again == (A, Lane.URGENT)


async def test_earlier_appointment_stays() -> None:
    """Looking again in an hour does not undo looking again in a second, but the other way round."""
    queue, timer = a_queue()
    queue.add_after(A, 10)
    queue.add_after(A, 3600)
    queue.add_after(B, 3600)
    queue.add_after(B, 10)
    assert sorted(each.at for each in timer.appointments) == [10, 10]
    timer.advance(10)
    assert {await taken(queue), await taken(queue)} == {A, B}


async def test_forgotten_appointment_is_not_kept() -> None:
    """The Rollout is gone, or was just looked at."""
    queue, timer = a_queue()
    queue.add_after(A, 10)
    queue.forget(A)
    assert timer.appointments == []


async def test_what_is_anothers_is_neither_taken_in_nor_kept() -> None:
    """Neither what waits, nor appointments, nor what was woken while it was worked on."""
    ours = {A, B, C}
    timer = FakeTimer()
    queue = WorkQueue(timer, FakeTelemetry(), lambda key: key in ours)
    queue.add(A)
    assert await taken(queue) == A
    queue.add(A)
    queue.add(B)
    queue.add_after(C, 5)
    ours.clear()
    for key in (A, B, C):
        queue.drop(key)
    queue.done(A)
    queue.add(A)
    queue.add_after(B, 1)
    timer.advance(10)
    ours |= {A, B, C}
    queue.add(C)
    assert await taken(queue) == C
    assert queue.in_work == {C}


async def test_worker_for_rollbacks_takes_nothing_else() -> None:
    """So that there is always one free."""
    queue, _ = a_queue()
    queue.add(A)
    urgent = asyncio.create_task(taken(queue, Lane.URGENT))
    await turns()
    assert not urgent.done()
    queue.add(B, Lane.URGENT)
    assert await urgent == B


async def test_wake_given_to_a_cancelled_worker_goes_to_another() -> None:
    """No key is lost with it."""
    queue, _ = a_queue()
    first, second = (asyncio.create_task(taken(queue)) for _ in range(2))
    await turns()
    queue.add(A)
    first.cancel()
    assert await second == A


async def test_workers_work_on_different_keys_at_once_and_stop_gracefully() -> None:
    """What is in work is finished; what waits is not begun."""
    queue, _ = a_queue()
    began: list[ObjectKey] = []
    go_on = asyncio.Event()

    async def work(key: ObjectKey, _lane: Lane) -> None:
        began.append(key)
        await go_on.wait()

    workers = Workers(queue, work, count=2)
    for key in (A, B, C):
        queue.add(key)
    await turns()
    assert began == [A, B]
    assert queue.in_work == {A, B}
    stopping = asyncio.create_task(workers.stop(within=60))
    await turns()
    assert not stopping.done()
    go_on.set()
    await stopping
    assert began == [A, B]


async def test_rollback_is_not_kept_waiting_by_workers_that_hang() -> None:
    """Two workers have nothing else to do."""
    queue, _ = a_queue()
    began: list[ObjectKey] = []

    async def work(key: ObjectKey, _lane: Lane) -> None:
        began.append(key)
        await asyncio.Event().wait()

    workers = Workers(queue, work, count=1)
    queue.add(A)
    await turns()
    queue.add(B, Lane.URGENT)
    await turns()
    assert began == [A, B]
    await workers.abort()
