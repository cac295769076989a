"""A NO-GO blocks every upward move that enters a percentage that it was about."""

from typing import Any

import pytest

from surefoot.domain.review import Review, evaluate
from surefoot.domain.signoff.veto import active_no_gos
from tests.support.world import World, a_checkpoint, a_role, a_rollout, minutes, steps_of

REPORT = "memory-sync-10-report"
HANDOFF = "memory-sync-10-handoff"
A_REPORT = a_checkpoint("report", "atlas", "ivy")
A_HANDOFF = a_checkpoint("handoff", "atlas", type="Handoff", receiver={"users": ["cora"]})


def reviewed(world: World) -> Review:
    """What is so now."""
    return evaluate(world.snapshot(), world.now)


def blocked_to(world: World, to: int) -> bool:
    """Whether a NO-GO blocks a move to this percentage."""
    return bool(active_no_gos(reviewed(world).state, to))


def stops(world: World) -> list[str]:
    """What is unmet and stops every upward move, by condition."""
    return [
        verdict.condition.value
        for verdict in reviewed(world).verdicts
        for item in verdict.unmet
        if item.stops
    ]


def reported_no_go(percent: int = 10, **spec: Any) -> World:
    """A rollout whose first step atlas reports as NO-GO."""
    first = {"checkpoints": [A_REPORT]}
    world = World(a_rollout(**{"steps": steps_of(percent, 50, 100, first=first)} | spec))
    world.settle()
    world.now += minutes(1)
    world.sign(f"memory-sync-{percent}-report", "atlas", decision="NO-GO", reason="leaks")
    world.settle()
    return world


def refused_handoff() -> World:
    """A rollout at 10% whose handoff cora refuses to acknowledge."""
    world = World(a_rollout(steps=steps_of(10, 50, 100, first={"checkpoints": [A_HANDOFF]})))
    world.settle()
    world.now += minutes(1)
    world.sign(HANDOFF, "atlas", requiredAction="watch it")
    world.settle()
    world.now += minutes(1)
    world.sign(f"{HANDOFF}-ack-receiver", "cora", decision="NO-GO", reason="not ready")
    world.settle()
    return world


def rolled_back_to_zero(world: World, **spec: Any) -> World:
    """The same, rolled back to 0, with the attempt raised and another plan."""
    world.edit(rollback={"to": 0})
    world.settle()
    assert world.percent == 0
    world.edit(rollback=None, attempt=1, **spec)
    return world


def test_no_go_of_a_checkpoint_is_not_escaped_by_another_first_percentage() -> None:
    """Rolled back to 0, the plan writes 11 instead of 10: whatever lies above 10 was refused."""
    world = rolled_back_to_zero(reported_no_go(), steps=steps_of(11, 50, 100))
    assert stops(world) == ["CheckpointsPassed"]
    assert (blocked_to(world, 10), blocked_to(world, 11), blocked_to(world, 100)) == (
        False,
        True,
        True,
    )


def test_start_up_to_what_a_checkpoint_was_about_is_not_blocked() -> None:
    """A NO-GO to leaving 10% says nothing about reaching 10%."""
    world = rolled_back_to_zero(reported_no_go())
    assert stops(world) == []
    world.settle()
    assert world.percent == 10
    assert stops(world) == ["CheckpointsPassed"]


def test_no_go_of_a_checkpoint_holds_at_every_percentage_above() -> None:
    """It was given on a request of an earlier round, when 10% had been left."""
    first = {"checkpoints": [A_REPORT]}
    world = World(
        a_rollout(steps=steps_of(10, 50, 100, first=first), hold={"soak": "1h"}),
    )
    world.settle()
    world.sign(REPORT, "ivy")
    world.edit(attempt=1)
    world.settle()
    world.now += minutes(1)
    world.sign(f"{REPORT}-r2", "ivy")
    world.run_until(50, minutes(90))
    world.sign(REPORT, "atlas", decision="NO-GO", reason="leaks")
    world.run(minutes(90))
    assert (world.percent, world.blockers()) == (50, [("CheckpointsPassed", "NoGo")])


def test_no_go_on_a_first_step_of_zero_is_not_escaped_by_deleting_the_step() -> None:
    """What would be a Start then is an upward move like any other."""
    world = reported_no_go(0)
    assert world.percent == 0
    world.edit(steps=steps_of(10, 50, 100))
    assert (stops(world), blocked_to(world, 10)) == (["CheckpointsPassed"], True)


def test_approval_no_go_on_a_first_step_of_zero_is_not_escaped_by_deleting_the_step() -> None:
    """Neither does the plan without any role lift it."""
    roles = {"roles": [a_role("security", "hudson", "ivy")]}
    world = World(a_rollout(steps=steps_of(0, 10, 100), approvals=roles))
    world.settle()
    world.sign("memory-sync-10-security", "hudson", decision="NO-GO", reason="leaks")
    world.settle()
    world.edit(steps=steps_of(10, 100), approvals=None)
    assert (stops(world), blocked_to(world, 5), blocked_to(world, 10)) == (
        ["Approved"],
        True,
        True,
    )


def test_refused_acknowledgement_is_not_escaped_by_another_first_percentage() -> None:
    """A refusal is about all that lies above the percentage of its checkpoint."""
    world = rolled_back_to_zero(refused_handoff(), steps=steps_of(11, 50, 100))
    assert (stops(world), blocked_to(world, 10), blocked_to(world, 11)) == (
        ["CheckpointsPassed"],
        False,
        True,
    )


@pytest.mark.parametrize("hold", [None, {"checkpoints": [a_checkpoint("other", "ivy")]}])
def test_refused_acknowledgement_outlives_its_checkpoint(hold: dict[str, Any] | None) -> None:
    """The plan no longer has the handoff."""
    world = refused_handoff()
    world.edit(steps=steps_of(10, 50, 100, first=hold))
    world.settle()
    assert (world.percent, stops(world)) == (10, ["CheckpointsPassed"])


def test_no_go_is_lifted_by_its_signer_on_the_request_where_it_was_given() -> None:
    """Nothing else is asked of them while the rollout stands at 0."""
    world = rolled_back_to_zero(reported_no_go(), steps=steps_of(11, 50, 100))
    world.now += minutes(1)
    world.sign(REPORT, "atlas", reason="mended")
    world.settle()
    assert (world.percent, stops(world)) == (100, [])


def test_go_of_a_lower_step_does_not_lift_a_no_go_of_a_higher_one() -> None:
    """To leave 10% again says nothing of leaving 50%."""
    report = a_checkpoint("report", "atlas")
    world = World(a_rollout(steps=steps_of(10, 50, 100), hold={"checkpoints": [report]}))
    world.settle()
    world.sign(REPORT, "atlas")
    world.settle()
    world.now += minutes(1)
    world.sign("memory-sync-50-report", "atlas", decision="NO-GO", reason="leaks")
    world.settle()
    world.edit(rollback={"to": 10})
    world.settle()
    world.edit(rollback=None, attempt=1)
    world.settle()
    world.now += minutes(1)
    world.sign(f"{REPORT}-r2", "atlas")
    world.settle()
    assert (world.percent, stops(world)) == (50, ["CheckpointsPassed"])


def test_no_go_to_completion_does_not_block_a_way_up_to_100() -> None:
    """Completed lies beyond 100%."""
    steps = steps_of(10, 100)
    steps[1]["hold"] = {"approvals": {"roles": [a_role("security", "hudson")]}}
    world = World(a_rollout(steps=steps))
    world.settle()
    world.sign("memory-sync-complete-security", "hudson", decision="NO-GO", reason="leaks")
    world.settle()
    assert (world.percent, stops(world)) == (100, ["Approved"])
    world.edit(rollback={"to": 10})
    world.settle()
    assert not blocked_to(world, 100)


def test_before_start_nothing_is_stopped_by_what_is_only_missing() -> None:
    """Only a NO-GO stops a Start; roles that have not signed do not."""
    world = World(a_rollout(approvals={"roles": [a_role("security", "hudson")]}, paused=True))
    world.settle()
    assert (world.condition("Approved")[0], stops(world)) == ("False", [])
