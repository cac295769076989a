"""Rollback rehearsals on a real API server: what is written, what refuses it, and what is left."""

import asyncio
import json
from typing import Any

import pytest

from surefoot.adapters.provider_settings import ProviderSettings
from surefoot.adapters.settings import AdmissionMode
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.domain.flag.shadow import shadow_name
from tests.support.scene import JSON, Scene, Tap, Write, crash
from tests.support.testbed import SURELY

pytestmark = [pytest.mark.apiserver, pytest.mark.asyncio(loop_scope="module")]

SOAKING = {"soak": "1h"}
NOBODY_LISTENS = "http://127.0.0.1:9"
ROLL_BACK = Write("rehearse", 0)


async def _at_10(scene: Scene, rehearsal: JSON, **spec: Any) -> Rollout:
    """A rollout that will stand at 10% and be rehearsed."""
    steps = {"steps": (10, 25, 100), "hold": SOAKING} | spec
    return Rollout.model_validate(await scene.given_a_rollout(rehearsal=rehearsal, **steps))


async def _rehearsed(scene: Scene, run: int) -> JSON:
    async def there() -> JSON | None:
        found: JSON = (await scene.status()).get("rehearsal") or {}
        return found if found.get("run") == run else None

    found: JSON = await scene.until(there, f"rehearsal run {run}")
    return found


async def _is_gone(scene: Scene, name: str) -> None:
    async def gone() -> bool:
        return await scene.get("configmaps", name) is None

    await scene.until(gone, f"ConfigMap {name} to be gone")


def _written(scene: Scene, name: str) -> list[tuple[str, str | None]]:
    """What the operator did to a ConfigMap: the verb, and the percentage it then had."""
    found = []
    for event in scene.writes("configmaps"):
        body = event.get("requestObject") or {}
        about = event["objectRef"].get("name") or body.get("metadata", {}).get("name")
        if about == name and event["responseStatus"]["code"] < 300:
            found.append((event["verb"], body.get("data", {}).get(scene.name)))
    return found


async def test_rehearsal_passes_with_no_provider_and_leaves_nothing(scene: Scene) -> None:
    """The copy is really written and rolled back; the flag is not touched."""
    scene.providers = (ProviderSettings(name="default", address=NOBODY_LISTENS),)
    rollout = await _at_10(
        scene,
        {"maxAge": "1h", "run": 1},
        metrics=[{"name": "errors", "query": "vector(0)"}],
        triggers=[{"name": "errors", "above": 1}],
    )
    async with scene.an_operator():
        found = await _rehearsed(scene, 1)
        await scene.then_condition("RehearsalFresh", "True")
    shadow = shadow_name(rollout)
    assert (found["outcome"], found["from"], found["to"]) == ("Passed", 10, 0)
    assert "without any metrics provider" in found["message"]
    assert _written(scene, shadow) == [("create", "10"), ("update", "0"), ("delete", None)]
    assert scene.percents_written() == [10]
    assert await scene.get("configmaps", shadow) is None


async def test_copy_is_like_the_flag_and_is_found_by_nobody(scene: Scene) -> None:
    """The same keys and format, in its own name, owned by the Rollout, and without its labels."""
    stand, seen = asyncio.Event(), asyncio.Event()

    async def pose(write: Write) -> None:
        if write == ROLL_BACK:
            seen.set()
            await stand.wait()

    rollout = await _at_10(scene, {"maxAge": "1h", "run": 1})
    async with scene.an_operator(through=Tap(before=pose).around):
        async with asyncio.timeout(SURELY):
            await seen.wait()
        shadow = await scene.get("configmaps", shadow_name(rollout))
        flag = await scene.get("configmaps", scene.target)
        assert shadow is not None
        assert flag is not None
        stand.set()
        await _rehearsed(scene, 1)
    assert shadow["data"].keys() == flag["data"].keys()
    assert shadow["data"][scene.name] == flag["data"][scene.name]
    kept = ("surefoot.dev/rollout", "surefoot.dev/rollout-uid", "surefoot.dev/format")
    for name in kept:
        assert shadow["metadata"]["annotations"][name] == flag["metadata"]["annotations"][name]
    assert shadow["metadata"]["annotations"]["surefoot.dev/rehearsal-of"] == scene.target
    assert not shadow["metadata"]["labels"].items() & flag["metadata"]["labels"].items()
    assert [owner["uid"] for owner in shadow["metadata"]["ownerReferences"]] == [
        rollout.metadata.uid
    ]


async def test_outcome_is_one_status_write(attended_scene: Scene) -> None:
    """With the condition, and nothing else of the rehearsal in the status."""
    scene = attended_scene
    await _at_10(scene, {"maxAge": "1h"})
    await scene.then_condition("RehearsalFresh", "False")
    await scene.when_the_plan_is_patched(rehearsal={"run": 1})
    await _rehearsed(scene, 1)
    await scene.then_condition("RehearsalFresh", "True")

    async def written() -> list[JSON]:
        statuses = [event["requestObject"]["status"] for event in scene.writes("rollouts")]
        return [status for status in statuses if "rehearsal" in status]

    with_it = await scene.until(written, "the write in the audit log")
    assert len(with_it) == 1
    assert with_it[0]["rehearsal"]["outcome"] == "Passed"
    assert [entry["type"] for entry in with_it[0]["history"]] == ["Start"]


async def test_step_is_taken_once_a_rehearsal_has_passed(attended_scene: Scene) -> None:
    """Until then it is blocked, by the one thing that is missing."""
    scene = attended_scene
    await _at_10(scene, {"maxAge": "1h"}, hold={"soak": "0s"}, steps=(10, 100))
    await scene.then_condition("RehearsalFresh", "False")
    status = await scene.then_phase("Holding")
    assert [entry["condition"] for entry in status["blockedBy"]] == ["RehearsalFresh"]
    await scene.when_the_plan_is_patched(rehearsal={"run": 1})
    await scene.then_completed()
    assert scene.percents_written() == [10, 100]


async def test_rehearsal_that_is_too_old_counts_no_longer(attended_scene: Scene) -> None:
    """By the API server's time, without anything else happening; fresh, it may not even be seen."""
    scene = attended_scene
    await _at_10(scene, {"maxAge": "4s", "run": 1})
    assert (await _rehearsed(scene, 1))["outcome"] == "Passed"
    await scene.then_condition("RehearsalFresh", "False", "RehearsalExpired")


async def test_automatic_rehearses_by_itself(attended_scene: Scene) -> None:
    """Nobody raises anything, and the gate opens."""
    scene = attended_scene
    await _at_10(scene, {"maxAge": "1h", "mode": "Automatic"}, hold={"soak": "0s"})
    status = await scene.then_completed()
    assert scene.percents_written() == [10, 25, 100]
    assert status["rehearsal"]["outcome"] == "Passed"


@pytest.mark.parametrize("verb", ["update", "delete"])
async def test_right_that_is_missing_is_named(scene: Scene, verb: str) -> None:
    """A rollback that the operator may not do is known before it is needed."""
    _without(scene, verb)
    await _at_10(scene, {"maxAge": "1h", "run": 1})
    async with scene.an_operator():
        found = await _rehearsed(scene, 1)
        condition = await scene.then_condition("RehearsalFresh", "False", "RehearsalFailed")
    assert found["outcome"] == "Failed"
    assert f'cannot {verb} resource "configmaps"' in found["message"]
    assert scene.namespace in condition["message"]


def _without(scene: Scene, verb: str) -> None:
    """Let the operator run as an account that lacks one right on ConfigMaps."""
    name = f"operator-without-{verb}"
    role = json.loads(
        scene.bed.kubectl("get", "clusterrole", "surefoot-operator", "-o=json").stdout
    )
    for rule in role["rules"]:
        if rule["resources"] == ["configmaps"]:
            rule["verbs"].remove(verb)
    role["metadata"] = {"name": f"{scene.namespace}-{name}"}
    scene.client.post("/apis/rbac.authorization.k8s.io/v1/clusterroles", json=role)
    account = ("serviceaccount", name, f"--namespace={scene.namespace}")
    scene.bed.kubectl("create", *account)
    scene.bed.kubectl(
        "create",
        "clusterrolebinding",
        f"{scene.namespace}-{name}",
        f"--clusterrole={scene.namespace}-{name}",
        f"--serviceaccount={scene.namespace}:{name}",
    )
    scene.kubeconfig = scene.bed.kubeconfig_for_service_account(scene.namespace, name)


async def test_rehearsal_that_was_cut_off_is_done_again(scene: Scene) -> None:
    """The copy was up when the operator died; the next one ends the run and removes it."""
    rollout = await _at_10(scene, {"maxAge": "1h", "run": 1})
    async with scene.an_operator_that_crashes(crash("before", "rehearse", 0)):
        pass
    assert await scene.get("configmaps", shadow_name(rollout)) is not None
    assert "rehearsal" not in await scene.status()
    async with scene.an_operator():
        assert (await _rehearsed(scene, 1))["outcome"] == "Passed"
    assert await scene.get("configmaps", shadow_name(rollout)) is None
    assert scene.percents_written() == [10]


async def test_what_was_left_behind_is_swept(scene: Scene) -> None:
    """Also where the plan does not ask for rehearsals any more."""
    rollout = await _at_10(scene, {"maxAge": "1h", "run": 1})
    async with scene.an_operator_that_crashes(crash("after", "rehearse", 0)):
        pass
    await scene.when_the_plan_is_patched(rehearsal=None)
    async with scene.an_operator():
        await _is_gone(scene, shadow_name(rollout))
        await scene.then_condition("RehearsalFresh", "True")
    assert scene.percents_written() == [10]


async def test_rollback_in_the_middle_does_not_wait(scene: Scene) -> None:
    """The flag goes down while the copy stands still; then the rehearsal ends and is recorded."""
    stand, seen = asyncio.Event(), asyncio.Event()

    async def stand_still(write: Write) -> None:
        if write == ROLL_BACK:
            seen.set()
            await stand.wait()

    await _at_10(scene, {"maxAge": "1h", "run": 1})
    async with scene.an_operator(through=Tap(before=stand_still).around):
        async with asyncio.timeout(SURELY):
            await seen.wait()
        await scene.when_the_plan_is_patched(rollback={"to": 0, "reason": "a test"})
        status = await scene.then_at(0)
        assert "rehearsal" not in status
        stand.set()
        assert (await _rehearsed(scene, 1))["outcome"] == "Passed"
    assert [entry[0] for entry in await scene.history()] == ["Start", "Rollback"]


async def test_somebody_elses_config_map_is_left_alone(scene: Scene) -> None:
    """Its name is the copy's, by whatever chance: the rehearsal fails and says so."""
    rollout = await _at_10(scene, {"maxAge": "1h", "run": 1})
    name = shadow_name(rollout)
    made = await scene.create("configmaps", {"metadata": {"name": name}, "data": {"mine": "yes"}})
    async with scene.an_operator():
        found = await _rehearsed(scene, 1)
    assert found["outcome"] == "Failed"
    assert f"ConfigMap {scene.namespace}/{name} exists and is no rehearsal's" in found["message"]
    assert await scene.get("configmaps", name) == made


async def test_two_operators_come_to_one_outcome(scene: Scene) -> None:
    """They are in each other's way, and neither takes that for a failed rollback."""
    rollout = await _at_10(scene, {"maxAge": "1h", "run": 1})
    async with scene.an_operator(), scene.an_operator():
        assert (await _rehearsed(scene, 1))["outcome"] == "Passed"
        await _is_gone(scene, shadow_name(rollout))
    assert scene.percents_written() == [10]


async def test_rehearsal_goes_past_the_policies_in_force(guarded_scene: Scene) -> None:
    """They let the operator write the copy, and nobody else."""
    stand, seen = asyncio.Event(), asyncio.Event()

    async def stand_still(write: Write) -> None:
        if write == ROLL_BACK:
            seen.set()
            await stand.wait()

    scene = guarded_scene
    rollout = await _at_10(scene, {"maxAge": "1h", "run": 1})
    tap = Tap(before=stand_still)
    async with scene.an_operator(through=tap.around, admission=AdmissionMode.ENFORCED):
        async with asyncio.timeout(SURELY):
            await seen.wait()
        with pytest.raises(AssertionError, match="is written by the operator only"):
            await scene.patch("configmaps", shadow_name(rollout), {"data": {"mine": "yes"}})
        with pytest.raises(AssertionError, match="is written by the operator only"):
            await scene.delete("configmaps", shadow_name(rollout))
        stand.set()
        assert (await _rehearsed(scene, 1))["outcome"] == "Passed"
