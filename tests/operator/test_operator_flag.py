"""The ConfigMap on a real API server: drift, deletion, immutability, strangers, and the end."""

import json
from dataclasses import replace
from functools import partial

import pytest

from tests.support.scene import JSON, Scene, in_each

pytestmark = [pytest.mark.apiserver, pytest.mark.asyncio(loop_scope="module")]

SOAKING = {"soak": "1h"}
AN_HOUR = 3600.0
AT_WORK = {"sweep_every": AN_HOUR}
"""No sweep but the first: the watches tell of everything here."""


async def _at_10(scene: Scene, **target: str) -> JSON:
    names = {"configMapName": scene.target, "flags": [scene.name]}
    return await scene.given_a_rollout(steps=(10, 100), hold=SOAKING, target=names | target)


async def test_six_flags_move_together_or_not_at_all(attended_scene: Scene) -> None:
    """One write has all of them: nobody ever reads two percentages."""
    scene = attended_scene
    flags = [scene.name, *(f"flag-{number}" for number in range(2, 7))]
    target = {"configMapName": scene.target, "flags": flags}
    await scene.given_a_rollout(steps=(10, 25, 100), target=target)
    await scene.then_completed()
    written = [event["requestObject"]["data"] for event in scene.writes("configmaps")]
    assert [{data[flag] for flag in flags} for data in written] == [{"10"}, {"25"}, {"100"}]


async def test_drift_is_restored_and_its_manager_named(attended_scene: Scene) -> None:
    """The flag goes back to what was committed, and history says who had changed it."""
    scene = attended_scene
    await _at_10(scene)
    await scene.then_at(10)
    await scene.when_somebody_changes_the_flag("100", manager="meddler")

    async def corrected() -> list[JSON]:
        entries = (await scene.status()).get("history", [])
        return [entry for entry in entries if entry["type"] == "DriftCorrected"]

    [entry] = await scene.until(corrected, "the correction in history")
    await scene.then_at(10)
    assert entry["evidence"]["manager"] == "meddler"


async def test_what_others_put_into_the_metadata_stays(attended_scene: Scene) -> None:
    """Labels and annotations that are not the operator's survive its writes."""
    scene = attended_scene
    await _at_10(scene)
    await scene.then_at(10)
    change = {"metadata": {"labels": {"team": "shop"}, "annotations": {"note": "hands off"}}}
    await scene.patch("configmaps", scene.target, change)
    await scene.when_somebody_changes_the_flag("77")
    await scene.then_at(10)
    found = await scene.get("configmaps", scene.target)
    assert found is not None
    assert found["metadata"]["labels"]["team"] == "shop"
    assert found["metadata"]["annotations"]["note"] == "hands off"


async def test_deleted_config_map_comes_back(attended_scene: Scene) -> None:
    """Deleted in the middle of a step, it is created again as committed."""
    scene = attended_scene
    await _at_10(scene)
    await scene.then_at(10)
    await scene.delete("configmaps", scene.target)
    await scene.then_at(10)
    await scene.then_wrote(10, 10)


async def test_managed_label_that_was_removed_comes_back(attended_scene: Scene) -> None:
    """Without its label the watch does not see the ConfigMap; it is the Rollout's all the same."""
    scene = attended_scene
    await _at_10(scene)
    await scene.then_at(10)
    await scene.patch(
        "configmaps", scene.target, {"metadata": {"labels": {"surefoot.dev/managed": None}}}
    )

    async def labelled() -> bool:
        found = await scene.get("configmaps", scene.target) or {}
        labels = found.get("metadata", {}).get("labels", {})
        return bool(labels.get("surefoot.dev/managed") == "true")

    await scene.until(labelled, "the label to be back")


async def test_immutable_config_map_is_replaced(attended_scene: Scene) -> None:
    """Somebody made it immutable and wrong: what was read is deleted, a new one comes."""
    scene = attended_scene
    await _at_10(scene)
    await scene.then_at(10)
    await scene.patch("configmaps", scene.target, {"immutable": True, "data": {scene.name: "100"}})
    await scene.then_at(10)
    found = await scene.get("configmaps", scene.target)
    assert found is not None
    assert not found.get("immutable")


async def test_foreign_config_map_is_refused(attended_scene: Scene) -> None:
    """One that exists and does not ask to be adopted is left alone."""
    scene = attended_scene
    await scene.create(
        "configmaps", {"metadata": {"name": scene.target}, "data": {scene.name: "30"}}
    )
    await _at_10(scene)
    status = await scene.then_phase("Invalid")
    assert "surefoot.dev/adopt" in json.dumps(status["blockedBy"])
    found = await scene.get("configmaps", scene.target)
    assert found is not None
    assert found["data"] == {scene.name: "30"}
    assert scene.writes("configmaps") == []


async def test_config_map_offered_for_adoption_moves_nobody(attended_scene: Scene) -> None:
    """It starts where the flag stands."""
    scene = attended_scene
    await scene.create(
        "configmaps",
        {
            "metadata": {
                "name": scene.target,
                "annotations": {"surefoot.dev/adopt": scene.name},
            },
            "data": {scene.name: "25"},
        },
    )
    await scene.given_a_rollout(steps=(10, 25, 100), hold=SOAKING)
    await scene.then_at(25)
    assert scene.percents_written() == [25]


@pytest.mark.parametrize(
    ("on_delete", "left", "written"), [("Keep", "10", [10, 10]), ("Zero", "0", [10, 0])]
)
async def test_flag_of_a_deleted_rollout_is_released(
    attended_scene: Scene, on_delete: str, left: str, written: list[int]
) -> None:
    """Kept as it is or written to 0, it is nobody's from then on, and may be adopted.

    Until then it belongs to its Rollout, so that tools show it there, and its namespace keeps it.
    The watch tells of the deletion: the next complete list is an hour away.
    """
    scene = attended_scene
    created = await _at_10(scene, onDelete=on_delete)
    await scene.then_at(10)
    flag = await scene.get("configmaps", scene.target) or {}
    owners = [(each["kind"], each["name"]) for each in flag["metadata"]["ownerReferences"]]
    assert owners == [("Rollout", scene.name), ("Namespace", scene.namespace)]
    assert flag["metadata"]["ownerReferences"][0]["uid"] == created["metadata"]["uid"]
    await scene.delete("rollouts", scene.name)
    found = await scene.until(lambda: _released(scene), "the flag to be released")
    assert found["data"][scene.name] == left
    assert found["metadata"]["annotations"]["surefoot.dev/adopt"] == scene.name
    assert "ownerReferences" not in found["metadata"]
    await scene.then_wrote(*written)


async def test_flag_of_a_rollout_deleted_while_no_operator_ran_goes_down(scene: Scene) -> None:
    """The next start finds it; where it is immutable, a new ConfigMap takes its place."""
    scenes = {name: replace(scene, name=name) for name in ("mutable", "immutable")}
    for each in scenes.values():
        await _at_10(each, onDelete="Zero")
    async with scene.an_operator(sweep_every=AN_HOUR):
        await in_each(scenes, lambda each: each.then_at(10))
    immutable = scenes["immutable"]
    await immutable.patch("configmaps", immutable.target, {"immutable": True})
    for each in scenes.values():
        await each.delete("rollouts", each.name)
    async with scene.an_operator(sweep_every=AN_HOUR):
        for name, each in scenes.items():
            found = await each.until(partial(_released, each), f"the {name} flag to be released")
            assert found["data"][name] == "0"
            assert "immutable" not in found


async def test_flag_goes_down_before_the_next_rollout_of_this_name_takes_it(
    attended_scene: Scene,
) -> None:
    """Deleted and created again at once: it is another one by its UID, and starts from 0."""
    scene = attended_scene
    await _at_10(scene, onDelete="Zero")
    await scene.then_at(10)
    await scene.delete("rollouts", scene.name)
    created = await _at_10(scene, onDelete="Zero")
    await scene.until(lambda: _belongs_to(scene, created), "the flag to be adopted")
    assert scene.percents_written()[:2] == [10, 0]


async def test_flag_is_deleted_with_its_rollout_where_that_was_asked(attended_scene: Scene) -> None:
    """By the garbage collector, through its ownerReference; the requests go as well."""
    scene = attended_scene
    approvals = {"roles": [{"name": "security", "users": ["hudson"]}]}
    names = {"configMapName": scene.target, "flags": [scene.name], "onDelete": "Delete"}
    await scene.given_a_rollout(steps=(10, 100), approvals=approvals, target=names)
    await scene.then_at(10)
    await scene.until(lambda: scene.get("approvals", f"{scene.name}-100-security"), "the Approval")
    await scene.delete("rollouts", scene.name)

    async def gone() -> bool:
        flag = await scene.get("configmaps", scene.target)
        approval = await scene.get("approvals", f"{scene.name}-100-security")
        return flag is None and approval is None

    # The controller manager looks for new kinds every half minute.
    await scene.until(gone, "the garbage collector")
    assert scene.percents_written() == [10]


async def test_rollout_created_again_under_its_name_goes_on_from_the_flag(
    attended_scene: Scene,
) -> None:
    """It is another Rollout: the flag is released by the old one and adopted by the new one."""
    scene = attended_scene
    await _at_10(scene)
    await scene.then_at(10)
    await scene.delete("rollouts", scene.name)
    created = await _at_10(scene)
    await scene.then_at(10)
    found = await scene.get("configmaps", scene.target)
    assert found is not None
    owner = found["metadata"]["annotations"]["surefoot.dev/rollout-uid"]
    assert owner == created["metadata"]["uid"]
    assert set(scene.percents_written()) == {10}


async def test_namespace_can_be_deleted(attended_scene: Scene) -> None:
    """Nothing of ours holds it up, and nothing is written into it any more."""
    scene = attended_scene
    await _at_10(scene, onDelete="Zero")
    await scene.then_at(10)
    path = f"/api/v1/namespaces/{scene.namespace}"
    scene.client.delete(path).raise_for_status()

    async def gone() -> bool:
        answer = await scene._send("GET", path)
        return answer.status_code == 404

    await scene.until(gone, "the namespace to be gone")
    assert 0 not in scene.percents_written()
    scene.client.post(
        "/api/v1/namespaces", json={"metadata": {"name": scene.namespace}}
    ).raise_for_status()


async def _belongs_to(scene: Scene, rollout: JSON) -> bool:
    found = await scene.get("configmaps", scene.target)
    annotations = found["metadata"]["annotations"] if found is not None else {}
    return bool(annotations.get("surefoot.dev/rollout-uid") == rollout["metadata"]["uid"])


async def _released(scene: Scene) -> JSON | None:
    found = await scene.get("configmaps", scene.target)
    if found is None or "surefoot.dev/managed" in found["metadata"].get("labels", {}):
        return None
    return found
