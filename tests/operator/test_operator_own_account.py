"""The operator within the bounds of its own account: it needs no more, and says where they end."""

from collections.abc import Iterator
from functools import partial

import httpx
import pytest

from surefoot.adapters.settings import AdmissionMode
from surefoot.testbed.bed import TestBed
from tests.support.policies import in_force
from tests.support.requests import OPERATOR
from tests.support.scene import JSON, Scene
from tests.support.testbed import SURELY, wait_until

pytestmark = pytest.mark.apiserver

SOAKING = {"soak": "1h"}
AS_OPERATOR = {
    "Impersonate-User": "system:serviceaccount:{}:{}".format(*OPERATOR),
    "Impersonate-Group": "system:masters",
}
"""An administrator who says to be the operator: its own RBAC has no patch."""
MERGE = {"Content-Type": "application/merge-patch+json"}
BINDING = "validatingadmissionpolicybinding"


@pytest.fixture
def flags_of_the_scene(guarded_scene: Scene) -> str:
    """Where the ConfigMap of the scene's flags is."""
    return f"/api/v1/namespaces/{guarded_scene.namespace}/configmaps/{guarded_scene.target}"


@pytest.fixture
def policies(guarded: TestBed) -> Iterator[TestBed]:
    """The bed whose policies a test may spoil; they are put back."""
    yield guarded
    in_force(guarded)


async def given_at_10(scene: Scene, **spec: object) -> None:
    """A Rollout that stays at 10%."""
    target = {"configMapName": scene.target, "flags": [scene.name], "onDelete": "Zero"}
    await scene.given_a_rollout(
        steps=(10, 100), hold=SOAKING, target=target, rehearsal={"maxAge": "1h"}, **spec
    )


def refusals(scene: Scene) -> list[str]:
    """What the API server refused the operator to write, by the audit log."""
    return [
        event["responseStatus"]["message"]
        for event in scene.writes("configmaps")
        if event["responseStatus"]["code"] == 403
    ]


async def test_operator_needs_nothing_that_its_own_policy_refuses(
    guarded_scene: Scene, flags_of_the_scene: str
) -> None:
    """It adopts, moves, replaces what is immutable, rehearses, rolls back and releases."""
    scene = guarded_scene
    offered = {
        "metadata": {"name": scene.target, "annotations": {"surefoot.dev/adopt": scene.name}},
        "data": {scene.name: "10"},
        "immutable": True,
    }
    await scene.create("configmaps", offered)
    await given_at_10(scene)
    async with scene.an_operator(admission=AdmissionMode.ENFORCED):
        await scene.then_at(10)
        change: JSON = {"data": {scene.name: "99"}, "immutable": True}
        scene.client.patch(
            flags_of_the_scene, json=change, headers=AS_OPERATOR | MERGE
        ).raise_for_status()
        await scene.then_at(10)
        await scene.when_the_plan_is_patched(rehearsal={"run": 1})

        async def is_rehearsed() -> JSON | None:
            return (await scene.status()).get("rehearsal")

        assert (await scene.until(is_rehearsed, "the rehearsal"))["outcome"] == "Passed"
        await scene.when_the_plan_is_patched(rollback={"to": 0, "reason": "a test"})
        await scene.then_at(0)
        await scene.when_the_plan_is_patched(rollback=None, attempt=1)
        await scene.then_at(10)
        await scene.delete("rollouts", scene.name)

        async def is_released() -> JSON | None:
            found = await scene.get("configmaps", scene.target)
            assert found is not None
            is_managed = "surefoot.dev/managed" in found["metadata"].get("labels", {})
            return None if is_managed else found

        found = await scene.until(is_released, "the flag to be released")
    assert found["data"][scene.name] == "0"
    assert refusals(scene) == []


async def test_flag_that_lost_its_label_while_no_policy_acted_is_restored(
    guarded_scene: Scene, flags_of_the_scene: str, policies: TestBed
) -> None:
    """The operator knows it by the mark of its Rollout, which people cannot take off."""
    scene = guarded_scene
    await given_at_10(scene)
    async with scene.an_operator():
        await scene.then_at(10)
    policies.kubectl("delete", BINDING, "surefoot-configmaps")
    change = {"metadata": {"labels": {"surefoot.dev/managed": None}}, "data": {scene.name: "100"}}
    patched = partial(scene.client.patch, flags_of_the_scene, json=change, headers=MERGE)
    wait_until(lambda: patched().is_success, SURELY, "the label to be taken off")
    in_force(policies)
    async with scene.an_operator():
        await scene.then_at(10)
        found = await scene.get("configmaps", scene.target)
    assert found is not None
    assert found["metadata"]["labels"]["surefoot.dev/managed"] == "true"
    assert refusals(scene) == []


async def test_rollback_over_a_config_map_of_somebody_else_names_the_remedy(
    guarded_scene: Scene, flags_of_the_scene: str
) -> None:
    """The operator says how to offer it, and does not write over it before that was done."""
    scene = guarded_scene
    await given_at_10(scene)
    async with scene.an_operator():
        await scene.then_at(10)
    scene.client.delete(flags_of_the_scene, headers=AS_OPERATOR).raise_for_status()
    squatter = {"metadata": {"name": scene.target}, "data": {scene.name: "100"}}
    await scene.create("configmaps", squatter)

    async with scene.an_operator():
        told = await scene.until(lambda: told_refused(scene), "the refusal to be told")
        command = f"kubectl annotate configmap --namespace {scene.namespace} {scene.target} "
        assert f"{command}surefoot.dev/adopt={scene.name}" in told
        assert "delete it, and it is created again" in told
        found = await scene.get("configmaps", scene.target)
        assert found is not None
        assert found["data"] == {scene.name: "100"}
        # This is what the event says.
        arguments = told.partition("kubectl ")[2].split()[:6]
        scene.bed.kubectl(*arguments)
        await scene.when_the_plan_is_patched(rollback={"to": 0, "reason": "a test"})
        await scene.then_at(0)


async def test_flag_is_created_again_once_what_took_its_place_is_deleted(
    guarded_scene: Scene, flags_of_the_scene: str
) -> None:
    """To delete it is the other remedy."""
    scene = guarded_scene
    await given_at_10(scene)
    async with scene.an_operator():
        await scene.then_at(10)
    scene.client.delete(flags_of_the_scene, headers=AS_OPERATOR).raise_for_status()
    await scene.create("configmaps", {"metadata": {"name": scene.target}, "data": {}})
    async with scene.an_operator():
        await scene.until(lambda: told_refused(scene), "the refusal to be told")
        await scene.delete("configmaps", scene.target)
        await scene.when_the_plan_is_patched(rollback={"to": 0, "reason": "a test"})
        await scene.then_at(0)


async def told_refused(scene: Scene) -> str | None:
    """The event that says that the operator may not write."""
    events = await scene.get("events", "") or {}
    found = [event["note"] for event in events.get("items", ()) if event["reason"] == "Refused"]
    return str(found[0]) if found else None


def test_token_of_the_operator_rewrites_nothing_but_flags(
    guarded_scene: Scene, policies: TestBed
) -> None:
    """A ConfigMap of the control plane is safe from it, and is not where the policy is missing."""
    scene = guarded_scene
    of_others = f"/api/v1/namespaces/{scene.namespace}/configmaps/kube-root-ca.crt"
    wait_until(lambda: scene.client.get(of_others).is_success, SURELY, "a ConfigMap of others")
    change = {"data": {"ca.crt": "of somebody else"}}

    def attempt() -> httpx.Response:
        body = scene.client.get(of_others).raise_for_status().json() | change
        dry = {"dryRun": "All"}
        return scene.client.put(of_others, params=dry, json=body, headers=AS_OPERATOR)

    assert attempt().status_code == 403
    assert "surefoot-own-account" in attempt().text
    policies.kubectl("delete", BINDING, "surefoot-own-account")
    wait_until(lambda: attempt().is_success, SURELY, "the policy to act no longer")
