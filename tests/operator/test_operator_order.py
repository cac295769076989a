"""Order between rollouts on a real API server: what happens to one wakes who waits for it."""

from dataclasses import replace

import pytest

from tests.support.scene import Scene

pytestmark = [pytest.mark.apiserver, pytest.mark.asyncio(loop_scope="module")]

SOAKING = {"soak": "1h"}
AT_WORK = {"interval": 60.0, "sweep_every": 60.0}


async def test_rollout_starts_when_the_other_is_far_enough_and_is_held_by_its_rollback(
    attended_scene: Scene,
) -> None:
    """By events alone: nobody looks again by the clock for a minute."""
    scene = attended_scene
    later = replace(scene, name="later")
    await later.given_a_rollout(
        steps=(10, 100),
        hold=SOAKING,
        dependsOn=[{"rollout": scene.name, "atLeast": 25}],
    )
    await later.then_condition("DependenciesMet", "False")
    await scene.given_a_rollout(steps=(10, 25, 100), hold=SOAKING)
    await scene.then_at(10)
    assert (await later.status()).get("percent") is None
    await scene.when_the_plan_is_patched(hold={"soak": "0s"}, steps=steps_held_at(25))
    await scene.then_at(25)
    await later.then_at(10)
    await scene.when_the_plan_is_patched(rollback={"to": 10, "reason": "a test"})
    await scene.then_at(10)
    await later.then_condition("DependenciesMet", "False", "UpstreamRolledBack")
    assert await later.history() == [("Start", None, 10)]


async def test_rollouts_that_wait_for_each_other_are_both_refused(attended_scene: Scene) -> None:
    """The second plan makes the cycle; the first is told of it as well."""
    scene = attended_scene
    later = replace(scene, name="later")
    await scene.given_a_rollout(dependsOn=[{"rollout": "later"}])
    await scene.then_condition("DependenciesMet", "False")
    await later.given_a_rollout(dependsOn=[{"rollout": scene.name}])
    for each, other in ((scene, later), (later, scene)):
        condition = await each.then_condition("PlanValid", "False")
        names = [f"{s.namespace}/{s.name}" for s in (each, other, each)]
        assert " after ".join(names) in condition["message"]
    assert scene.percents_written() == []


def steps_held_at(held: int) -> list[dict[str, object]]:
    """The steps, of which one is held."""
    return [
        {"percent": percent} | ({"hold": SOAKING} if percent == held else {})
        for percent in (10, 25, 100)
    ]
