"""The plain command: what people type, what is stored then, and what they read if refused."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from tests.admission.builders import (
    AUTHORS,
    CHANGED_BY,
    EDITED_STEPS,
    ON_BEHALF_OF,
    REQUESTED_BY,
    decide,
    stamps,
)
from tests.admission.cluster import Cluster, World, new_world
from tests.admission.conftest import settled

pytestmark = pytest.mark.apiserver

PATCH = ("patch", "approval", "pending", "--type=merge", "-p")


@pytest.fixture
def filled_anew(cluster: Cluster) -> Iterator[World]:
    """A world of this test's own, in which names are filled in."""
    with new_world(cluster, mutation=True) as world:
        yield settled(world)


@pytest.fixture
def unfilled_anew(cluster: Cluster) -> Iterator[World]:
    """A world of this test's own, in which everybody says who they are."""
    with new_world(cluster, mutation=False) as world:
        yield settled(world)


def kubectl(world: World, user: str, *arguments: str, stdin: str | None = None) -> str:
    """What kubectl prints; it must succeed."""
    command = ("-n", world.namespace, *arguments)
    return world.cluster.bed.kubectl(*command, user=user, stdin=stdin).stdout


def refusal(world: World, user: str, *arguments: str) -> str:
    """What a person reads when kubectl fails; it must."""
    done = world.cluster.bed.kubectl("-n", world.namespace, *arguments, user=user, check=False)
    assert done.returncode != 0
    return done.stderr


def stored(world: World, kind: str, name: str) -> Any:
    """An object as it is there."""
    return json.loads(kubectl(world, "admin", "get", kind, name, "-o", "json"))


def exported(world: World, *, with_old_stamps: bool = False) -> Any:
    """The Rollout as somebody keeps it in a file, with another plan."""
    manifest = yaml.safe_load(kubectl(world, "hudson", "get", "rollout", "checkout", "-o", "yaml"))
    for field in ("managedFields", "resourceVersion", "uid", "creationTimestamp", "generation"):
        manifest["metadata"].pop(field, None)
    if with_old_stamps:
        manifest["metadata"]["annotations"] = stamps("cora", "cora", "cora", "cora")
    manifest["spec"]["steps"] = EDITED_STEPS
    return manifest


def file_of(manifest: Any) -> str:
    """A manifest as text."""
    text: str = yaml.safe_dump(manifest)
    return text


def patched(world: World) -> None:
    """`kubectl patch`."""
    body = json.dumps({"spec": {"steps": EDITED_STEPS}})
    kubectl(world, "hudson", "patch", "rollout", "checkout", "--type=merge", "-p", body)


def json_patched(world: World) -> None:
    """`kubectl patch --type=json`."""
    body = json.dumps([{"op": "replace", "path": "/spec/steps", "value": EDITED_STEPS}])
    kubectl(world, "hudson", "patch", "rollout", "checkout", "--type=json", "-p", body)


def applied(world: World) -> None:
    """`kubectl apply` of an exported manifest, which carries the stamps of before."""
    kubectl(world, "hudson", "apply", "-f", "-", stdin=file_of(exported(world)))


def applied_on_the_server(world: World) -> None:
    """`kubectl apply --server-side`."""
    text = file_of(exported(world, with_old_stamps=True))
    arguments = ("apply", "--server-side", "--force-conflicts", "-f", "-")
    kubectl(world, "hudson", *arguments, stdin=text)


def replaced(world: World) -> None:
    """`kubectl replace` of a manifest that was exported long ago."""
    text = file_of(exported(world, with_old_stamps=True))
    kubectl(world, "hudson", "replace", "-f", "-", stdin=text)


@pytest.mark.parametrize(
    "change", [patched, json_patched, applied, applied_on_the_server, replaced]
)
def test_plain_change_of_a_plan_is_stamped(
    filled_anew: World, change: Callable[[World], None]
) -> None:
    """However hudson changes the plan, he is one of its authors, and so are those before him."""
    change(filled_anew)

    rollout = stored(filled_anew, "rollout", "checkout")
    assert [step["percent"] for step in rollout["spec"]["steps"]] == [20, 100]
    annotations = rollout["metadata"]["annotations"]
    assert annotations.items() >= stamps("hudson", "cora,thon,hudson", "hudson", "cora").items()


def test_edit_of_a_plan_is_stamped(filled_anew: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """`kubectl edit` sends a patch as any other."""
    monkeypatch.setenv("KUBE_EDITOR", "sed -i -e s/percent:.25/percent:\\ 20/")

    kubectl(filled_anew, "hudson", "edit", "rollout", "checkout")

    annotations = stored(filled_anew, "rollout", "checkout")["metadata"]["annotations"]
    assert annotations[AUTHORS] == "cora,thon,hudson"


def test_applying_the_same_file_again_and_again(filled_anew: World) -> None:
    """Who applies a file twice is stamped once, and who applies the same file after them is not."""
    text = file_of(exported(filled_anew, with_old_stamps=True))

    for user in ("hudson", "hudson", "forge"):
        kubectl(filled_anew, user, "apply", "-f", "-", stdin=text)

    annotations = stored(filled_anew, "rollout", "checkout")["metadata"]["annotations"]
    assert annotations.items() >= stamps("hudson", "cora,thon,hudson", "hudson", "cora").items()


def test_plain_patch_is_a_signature(filled_anew: World) -> None:
    """Nobody has to type their own name; and what is decided stays decided."""
    kubectl(filled_anew, "hudson", *PATCH, json.dumps(decide("GO")))

    assert stored(filled_anew, "approval", "pending")["spec"]["decidedBy"] == {"username": "hudson"}
    assert "admin may not decide approval pending: hudson, members of group security" in refusal(
        filled_anew, "admin", *PATCH, json.dumps({"spec": {"decision": "NO-GO"}})
    )
    assert "approval pending is part of the record and is not deleted" in refusal(
        filled_anew, "admin", "delete", "approval", "pending"
    )


def test_signer_changes_their_mind_and_back(filled_anew: World) -> None:
    """Until it is used, a decision is its signer's."""
    for decision in ("GO", "NO-GO", "GO"):
        kubectl(filled_anew, "hudson", *PATCH, json.dumps(decide(decision)))
        assert stored(filled_anew, "approval", "pending")["spec"]["decision"] == decision


def test_server_side_apply_can_decide_twice(filled_anew: World) -> None:
    """The name that was filled in is not in the way of the next apply of the same file."""
    text = yaml.safe_dump(
        {
            "apiVersion": "surefoot.dev/v1alpha1",
            "kind": "Approval",
            "metadata": {"name": "pending"},
            **decide("GO"),
        }
    )
    for _ in range(2):
        kubectl(filled_anew, "hudson", "apply", "--server-side", "-f", "-", stdin=text)

    assert stored(filled_anew, "approval", "pending")["spec"]["decidedBy"] == {"username": "hudson"}


def test_refusal_says_how_to_sign(unfilled_anew: World) -> None:
    """What the API server tells to add can be typed as it is told, and then it is a signature."""
    body = decide("GO")
    told = refusal(unfilled_anew, "hudson", *PATCH, json.dumps(body))

    (to_add,) = re.findall(r'add ("decidedBy":.*?"}) to spec', told)
    whoami = "'$(kubectl auth whoami -o jsonpath='{.status.userInfo.username}')'"
    command = ("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
    name = kubectl(unfilled_anew, "hudson", *command)
    body["spec"].update(json.loads("{" + to_add.replace(whoami, name) + "}"))
    kubectl(unfilled_anew, "hudson", *PATCH, json.dumps(body))

    assert stored(unfilled_anew, "approval", "pending")["spec"]["decidedBy"]["username"] == "hudson"


def test_refusal_says_which_stamps_to_write(unfilled_anew: World) -> None:
    """What the API server tells to write under metadata.annotations is accepted as it is told."""
    arguments = ("patch", "rollout", "checkout", "--type=merge", "-p")
    body: dict[str, Any] = {"spec": {"steps": EDITED_STEPS}}
    told = refusal(unfilled_anew, "hudson", *arguments, json.dumps(body))

    written = dict(re.findall(r'(surefoot\.dev/[a-z-]+): "([^"]*)"', told))
    assert written == {
        REQUESTED_BY: "hudson",
        AUTHORS: "cora,thon,hudson",
        CHANGED_BY: "hudson",
    }
    body["metadata"] = {"annotations": written}
    kubectl(unfilled_anew, "hudson", *arguments, json.dumps(body))

    annotations = stored(unfilled_anew, "rollout", "checkout")["metadata"]["annotations"]
    assert annotations == stamps("hudson", "cora,thon,hudson", "hudson", "cora")


def test_labels_and_free_annotations_are_anybodys(filled_anew: World) -> None:
    """`kubectl label` and `kubectl annotate` work as on any object."""
    kubectl(filled_anew, "atlas", "label", "rollout", "checkout", "team=one")
    kubectl(filled_anew, "atlas", "annotate", "rollout", "checkout", f"{ON_BEHALF_OF}=cora")
    kubectl(filled_anew, "atlas", "label", "approval", "go", "team=one")

    rollout = stored(filled_anew, "rollout", "checkout")["metadata"]
    assert rollout["labels"] == {"team": "one"}
    assert rollout["annotations"] == {
        **stamps("thon", "cora,thon", "thon", "cora"),
        ON_BEHALF_OF: "cora",
    }
    assert "surefoot.dev/mark may be set, changed or removed by the operator only" in refusal(
        filled_anew, "admin", "annotate", "--overwrite", "approval", "go", "surefoot.dev/mark=x"
    )
