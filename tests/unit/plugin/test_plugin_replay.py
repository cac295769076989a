"""A recorded decision is taken again from its record and comes out the same, or is told apart."""

import pytest

from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import TransitionType
from surefoot.plugin.replaying import Replay, replay
from tests.support.world import (
    World,
    a_gate,
    a_metric,
    a_role,
    a_rollout,
    a_trigger,
    minutes,
)


def a_world() -> World:
    """Two steps with soak, a gate, a trigger and a signature."""
    world = World(
        a_rollout(
            steps=[{"percent": 10}, {"percent": 50}, {"percent": 100}],
            hold={"soak": "10m"},
            metrics=[a_metric()],
            gates=[a_gate(**{"for": "5m"})],
            triggers=[a_trigger(**{"for": "1m"})],
            approvals={"opens": "Step", "roles": [a_role("security", "hudson")]},
        )
    )
    world.metrics["errors"] = lambda _: 0.05
    world.annotate(requested_by="cora", authors="cora")
    return world


@pytest.fixture(scope="module")
def complete() -> World:
    """It went to its end, and everybody signed."""
    world = a_world()
    for percent in (50, 100):
        world.run(minutes(1))
        world.sign(f"memory-sync-{percent}-security", "hudson")
        world.run_until(percent, minutes(30))
    world.run(minutes(20))
    assert world.status.completed_at is not None
    return world


def replayed(world: World, kind: TransitionType, rollout: Rollout | None = None) -> list[Replay]:
    """Every entry of a type, taken again."""
    rollout = rollout or world.rollout
    checkpoints, approvals = tuple(world.checkpoints.values()), tuple(world.approvals.values())
    found = [
        replay(rollout, entry.transition_id, checkpoints, approvals)
        for entry in rollout.status.history
        if entry.type is kind
    ]
    return [each for each in found if each is not None]


@pytest.mark.parametrize(
    ("kind", "times"),
    [(TransitionType.START, 1), (TransitionType.ADVANCE, 2), (TransitionType.COMPLETE, 1)],
)
def test_decision_comes_out_the_same_from_its_record(
    complete: World, kind: TransitionType, times: int
) -> None:
    """By the production core, from what the history has, long after it was taken."""
    found = replayed(complete, kind)
    assert len(found) == times
    for each in found:
        assert each.same, each.message
        assert any("the same decision" in line for line in each.in_lines())


def test_rollback_of_a_trigger_comes_out_the_same() -> None:
    """Also on the windows that are on record."""
    world = a_world()
    world.run(minutes(15))
    began = world.now
    world.metrics["errors"] = lambda at: 0.05 if at < began else 0.9
    world.run_until(0, minutes(10))
    (found,) = replayed(world, TransitionType.ROLLBACK)
    assert found.same, found.message


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({"decisions": ()}, "Approved is False"),
        ({"soak": None}, "SoakComplete is False"),
        ({"windows": ()}, "GatesHealthy is"),
    ],
    ids=["without the signature", "without the soak", "without the windows"],
)
def test_decision_that_its_record_does_not_bear_is_told(
    complete: World, change: dict[str, object], differs: str
) -> None:
    """Somebody wrote an entry that the operator would not have written."""
    rollout = complete.rollout
    history = tuple(
        entry.model_copy(update={"evidence": entry.evidence.model_copy(update=change)})
        for entry in rollout.status.history
    )
    status = rollout.status.model_copy(update={"history": history})
    forged = rollout.model_copy(update={"status": status})
    for each in replayed(complete, TransitionType.ADVANCE, forged):
        assert each.same is False
        assert differs in each.message


def test_record_that_does_not_allow_a_replay_says_why(complete: World) -> None:
    """Another plan; a request that is gone is said too."""
    spec = complete.rollout.spec.model_copy(update={"steps": complete.rollout.spec.steps[1:]})
    changed = complete.rollout.model_copy(update={"spec": spec})
    for each in replayed(complete, TransitionType.ADVANCE, changed):
        assert each.same is None
        assert "under another plan" in each.message
    entry = complete.rollout.status.history[1]
    gone = replay(complete.rollout, entry.transition_id, (), ())
    assert gone is not None
    assert any("is gone, and could not be counted" in said for said in gone.assumed)
    assert replay(complete.rollout, "nothing", (), ()) is None
