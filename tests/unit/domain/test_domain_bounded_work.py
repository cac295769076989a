"""Work of one pass: it grows with the requests and checkpoints, and not with their product."""

from collections.abc import Iterator
from functools import partial

import pytest

from surefoot.domain.checks import checkpoints_passed
from surefoot.domain.decide import decide
from surefoot.domain.review import evaluate
from surefoot.domain.signoff import decisions, veto
from tests.support.calls import calls_in, named
from tests.support.largest import the_largest
from tests.support.world import World, a_checkpoint, a_role, a_rollout, steps_of


def calls_of_one_pass(monkeypatch: pytest.MonkeyPatch, meetings: int) -> int:
    """How often a request's decision is asked for by the search for standing NO-GOs."""
    reports = [
        a_checkpoint(f"c{number}", "rex", "max", type="DecisionMeeting")
        for number in range(meetings)
    ]
    roles = [a_role("security", "hana")]
    approvals = {"opens": "Step", "roles": roles}
    world = World(
        a_rollout(
            steps=steps_of(10, 100),
            hold={"checkpoints": reports, "soak": "1h"},
            approvals=approvals,
        )
    )
    world.settle()
    for name in world.states():
        world.sign(name, "hana" if name in world.approvals else "rex")
    world.settle()
    asked = 0
    real = decisions.current_decision

    def counting(*args: object) -> object:
        nonlocal asked
        asked += 1
        return real(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(veto, "current_decision", counting)
        evaluate(world.snapshot(), world.now)
    return asked


def test_decisions_are_read_once_however_many_meetings_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Twice the meetings, twice the requests: at most about twice the work."""
    few, many = (calls_of_one_pass(monkeypatch, meetings) for meetings in (4, 8))
    assert 0 < many <= 2 * few


def test_checkpoints_that_all_follow_each_other_are_walked_once() -> None:
    """There are 2¹⁵ ways through sixteen checkpoints of which each follows all before it."""
    read = 0

    class Plan:
        def __init__(self, name: str, after: tuple[str, ...]) -> None:
            self.name, self.names = name, after

        @property
        def after(self) -> "Counted":
            return Counted(self.names)

    class Counted(tuple[str, ...]):
        __slots__ = ()

        def __iter__(self) -> Iterator[str]:
            nonlocal read
            read += len(self)
            return super().__iter__()

    names = [f"c{number}" for number in range(16)]
    plans = tuple(Plan(name, tuple(names[:place])) for place, name in enumerate(names))
    assert checkpoints_passed._cycle(plans) == ()  # type: ignore[arg-type]
    assert read <= 16 * 16


def test_work_of_a_pass_is_bounded_for_each_thing_that_a_rollout_contains() -> None:
    """Meetings, their acknowledgements, triggers and bounds: no search among all for each."""
    calls, things = [], []
    for size in (2, 4):
        world = the_largest(size)
        snapshot, spec = world.snapshot(), world.rollout.spec
        requests = len(snapshot.approvals) + len(snapshot.checkpoints)
        bounds = sum(len(gate.of or ()) for gate in spec.gates)
        things.append(requests + bounds + len(spec.triggers))
        calls.append(calls_in(partial(decide, snapshot, world.now)).total())
    assert calls[1] <= 200 * things[1]
    assert calls[1] / things[1] <= calls[0] / things[0]


def test_pass_of_one_approval_asks_little_twice() -> None:
    """What follows from the facts is found once, and not for each condition that asks for it."""
    world = World(a_rollout(steps=steps_of(50, 100), approvals={"roles": [a_role("lead", "cora")]}))
    world.settle()
    world.sign("memory-sync-100-lead", "cora")
    counted = calls_in(partial(decide, world.snapshot(), world.now))
    assert named(counted) < 585
    assert max(counted.values()) <= 50
