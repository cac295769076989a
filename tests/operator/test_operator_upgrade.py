"""An operator takes over what an earlier version has stored in the middle of its rollouts.

`stored/` has the objects as its operator left them; `tests.packaging.previous` has written them.
They are put into the store itself, so that every UID, stamp and status is as it was: signatures and
the chain of the history depend on them.
"""

import base64
import dataclasses
import json
from email.utils import parsedate_to_datetime
from functools import partial

import httpx
import pytest
import structlog

from surefoot.adapters.kubernetes.cluster import VERSION
from surefoot.adapters.settings import AdmissionMode
from surefoot.api.v1alpha1.meta import GROUP, VERSION_LABEL
from surefoot.domain.record.verification import exported, verify
from surefoot.testbed.bed import TestBed
from tests.operator.test_operator_governance import decide
from tests.packaging.previous import APPLIED, INTENDED, STORED, WAITING
from tests.support.scene import JSON, Scene

pytestmark = pytest.mark.apiserver


def put_into_the_store(bed: TestBed, namespace: str, objects: list[JSON]) -> None:
    """Write objects into etcd as they are, under another namespace; nobody is asked."""
    address = next(
        argument.partition("=")[2]
        for argument in bed.etcd.command
        if argument.startswith("--listen-client-urls=")
    )
    with httpx.Client(base_url=address, trust_env=False) as etcd:
        for found in objects:
            kind, name = found["kind"], found["metadata"]["name"]
            group = f"{GROUP}/" if found["apiVersion"].startswith(GROUP) else ""
            moved = {**found, "metadata": {**found["metadata"], "namespace": namespace}}
            moved["metadata"].pop("resourceVersion")
            key = f"/registry/{group}{kind.lower()}s/{namespace}/{name}"
            body = {"key": _encoded(key), "value": _encoded(json.dumps(moved))}
            etcd.post("/v3/kv/put", json=body).raise_for_status()


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def test_rollouts_of_an_earlier_version_go_on_where_they_stand(
    guarded: TestBed, guarded_scene: Scene
) -> None:
    """No step is moved or repeated, the history stays as it is, and who has signed has signed."""
    objects = json.loads(STORED.read_text("utf-8"))
    before = {o["metadata"]["name"]: o for o in objects if o["kind"] == "Rollout"}
    # An upgrade takes seconds: a move that was recorded hours ago would be decided again.
    now = parsedate_to_datetime(guarded_scene.client.get("/version").headers["Date"])
    before[INTENDED]["status"]["pending"]["recordedAt"] = f"{now:%FT%TZ}"
    put_into_the_store(guarded, guarded_scene.namespace, objects)
    scenes = {name: dataclasses.replace(guarded_scene, name=name) for name in before}
    waiting, intended, applied = (scenes[name] for name in (WAITING, INTENDED, APPLIED))

    async with waiting.an_operator(admission=AdmissionMode.ENFORCED):
        for scene in (intended, applied):
            status = await scene.then_at(25)
            pending = before[scene.name]["status"]["pending"]
            *earlier, last = status["history"]
            assert earlier == before[scene.name]["status"]["history"]
            assert (last["transitionId"], last["to"]) == (pending["transitionId"], 25)
            assert {each["by"] for each in last["evidence"]["decisions"]} >= {"hudson", "forge"}
        await intended.until(partial(_is_judged, waiting), "the one that waits to be judged")
        status = await waiting.status()
        assert status["history"] == before[WAITING]["status"]["history"]
        assert status["waitingOn"] == "lead (forge)"
        written = {name: scene.percents_written() for name, scene in scenes.items()}
        assert written == {WAITING: [], INTENDED: [25], APPLIED: []}

        await decide(waiting, "approvals", f"{WAITING}-50-lead", "forge")
        status = await waiting.then_at(50)
        assert waiting.percents_written() == [50]
        kept = [await scene.get("rollouts", scene.name) or {} for scene in scenes.values()]
    *earlier, last = status["history"]
    assert earlier == before[WAITING]["status"]["history"]
    assert verify(line for each in kept for line in exported(each)).faults == ()
    signed = {each["by"] for each in last["evidence"]["decisions"] if each["verified"]}
    assert signed >= {"hudson", "forge"}


async def _is_judged(scene: Scene) -> bool:
    """Whether this version's operator has written a status of it since it took over."""
    return any(
        event["objectRef"]["name"] == scene.name and event["objectRef"].get("subresource")
        for event in scene.writes("rollouts")
    )


async def test_crd_of_another_version_is_named_in_the_log(
    guarded: TestBed, guarded_scene: Scene
) -> None:
    """At the start, with what to apply: somebody has upgraded the operator alone."""
    crd = "approvals.surefoot.dev"
    label = ("label", "--overwrite", f"crd/{crd}")
    guarded.kubectl(*label, f"{VERSION_LABEL}=0.0.1")
    try:
        with structlog.testing.capture_logs() as logs:
            async with guarded_scene.an_operator():

                async def told() -> list[str]:
                    return [entry["remedy"] for entry in logs if entry.get("crd") == crd]

                remedies = await guarded_scene.until(told, "the line of the log")
    finally:
        guarded.kubectl(*label, f"{VERSION_LABEL}={VERSION}")
    assert remedies == [f"kubectl apply --server-side -f crds.yaml, of version {VERSION}"]
