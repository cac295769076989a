"""Attempts that are made in earnest, and what the control plane itself does with our objects."""

from functools import partial

import pytest

from tests.admission.attempt import API_VERSIONS, Attempt, Request, create, delete, merge
from tests.admission.builders import APPROVAL, CHECKPOINT, OWNER, decide
from tests.admission.cluster import Cluster, World, difference, new_world
from tests.admission.conftest import settled
from tests.admission.people import CORA, HUDSON, OPERATOR, Actor
from tests.admission.table import TABLE
from tests.support.testbed import SURELY, audit_events, wait_until

pytestmark = pytest.mark.apiserver

PARTLY_DONE = {"the operator deletes all ConfigMaps"}
"""A deletecollection deletes one object after the other until one is refused. Those that may be
deleted are gone by then; that the others stay is shown by the attempts on each of them."""


def everything(world: World) -> dict[str, str]:
    """The version of each object that is there."""
    versions = {}
    for kind in API_VERSIONS:
        for found in world.cluster.found(world, Request("GET", kind))["items"]:
            metadata = found["metadata"]
            if metadata["name"] != "kube-root-ca.crt":
                versions[f"{kind} {metadata['name']}"] = metadata["resourceVersion"]
    return versions


def do(world: World, by: Actor, request: Request) -> None:
    """Do something that must succeed."""
    world.cluster.send(world, by, request, dry=False).raise_for_status()


def is_gone(world: World, kind: str, name: str) -> bool:
    """Whether there is no such object."""
    answer = world.cluster.admin.get(world.path(Request("GET", kind, name)))
    assert answer.status_code in (200, 404)
    return answer.status_code == 404


def let_the_collector_know(world: World) -> None:
    """Wait until the garbage collector has learnt of our kinds: it then takes what is forlorn."""
    for kind, request in (("Approval", APPROVAL), ("Checkpoint", CHECKPOINT)):
        body = {"metadata": {"ownerReferences": [OWNER]}, "spec": {"request": request}}
        do(world, OPERATOR, create(kind, "forlorn", body))
        what = f"the garbage collector to take a {kind} whose owner is gone"
        wait_until(partial(is_gone, world, kind, "forlorn"), SURELY, what)


@pytest.mark.parametrize("mutation", [True, False], ids=["names filled in", "names not filled in"])
def test_what_is_refused_changes_nothing(cluster: Cluster, *, mutation: bool) -> None:
    """All that must be refused, in earnest and one after the other: nothing has moved."""
    with new_world(cluster, mutation=mutation) as world:
        settled(world)
        before = everything(world)

        answers = {
            attempt.name: difference(expected, world.becomes_of(attempt, for_real=True))
            for attempt in TABLE
            if (expected := world.expected(attempt)).code != 200 and attempt.name not in PARTLY_DONE
        }

        assert {name: answer for name, answer in answers.items() if answer} == {}
        assert everything(world) == before


def test_rollout_is_deleted_and_its_dependents_stay(cluster: Cluster) -> None:
    """`--cascade=orphan`: the garbage collector takes the owner off and its finalizer too."""
    with new_world(cluster, mutation=True) as world:
        settled(world)
        let_the_collector_know(world)

        do(world, CORA, delete("Rollout", "checkout", propagationPolicy="Orphan"))

        wait_until(partial(is_gone, world, "Rollout", "checkout"), SURELY, "the Rollout to be gone")
        for kind, name in (
            ("Approval", "go"),
            ("Checkpoint", "go"),
            ("ConfigMap", "checkout-flags"),
        ):
            found = world.cluster.found(world, Request("GET", kind, name))
            assert "ownerReferences" not in found["metadata"]


def test_rollout_is_deleted_with_its_dependents(cluster: Cluster) -> None:
    """`--cascade=foreground`: signatures, used ones too, and the flag's ConfigMap go with it."""
    with new_world(cluster, mutation=True) as world:
        settled(world)
        let_the_collector_know(world)

        do(world, CORA, delete("Rollout", "checkout", propagationPolicy="Foreground"))

        for kind, name in (
            ("Approval", "go"),
            ("Checkpoint", "go"),
            ("ConfigMap", "checkout-flags"),
            ("Rollout", "checkout"),
        ):
            wait_until(partial(is_gone, world, kind, name), SURELY, f"the {kind} to be gone")
        assert not is_gone(world, "Approval", "used")


def test_namespace_ends_with_everything_in_it(cluster: Cluster) -> None:
    """Nothing that policies keep from being deleted keeps a namespace from ending."""
    with new_world(cluster, mutation=True) as world:
        settled(world)
    path = f"/api/v1/namespaces/{world.namespace}"
    wait_until(
        lambda: cluster.admin.get(path).status_code == 404, SURELY, "the namespace to be gone"
    )


def test_audit_log_tells_who_decided(cluster: Cluster, filled: World) -> None:
    """The decision, the signer and the credential are in the event, whatever becomes of it."""
    request = merge("Approval", "pending", decide("GO"))
    assert filled.becomes_of(Attempt("", HUDSON, request, filled.expected(TABLE[0]))).code == 200

    annotations = wait_until(lambda: last_decision(filled), SURELY, "the event in the audit log")
    assert annotations["surefoot-decisions/decision"].startswith("GO by hudson, uid , credential ")
    assert annotations["surefoot-decisions/decision"].partition("credential ")[2] != ""


def last_decision(world: World) -> dict[str, str]:
    """The annotations of the last event about hudson's patch in this world."""
    found = [
        event["annotations"]
        for event in audit_events(world.cluster.bed, about=world.namespace)
        if event["user"]["username"] == "hudson"
        and event.get("objectRef", {}).get("namespace") == world.namespace
        and "surefoot-decisions/decision" in event.get("annotations", {})
    ]
    return found[-1] if found else {}
