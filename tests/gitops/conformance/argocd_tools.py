"""Argo CD itself on our objects: health, actions, sync with a real API server, and the tree.

The program takes ten minutes to build the first time, so this is not among the tests that run each
time: `make conformance`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from surefoot.adapters.settings import AdmissionMode
from surefoot.manifestgen.argocd import settings
from surefoot.testbed.bed import TestBed
from tests.gitops import argocd
from tests.gitops.argocd import KINDS, LuaError, merge_patch, script_of
from tests.gitops.conformance import argocd_program
from tests.gitops.conformance.argocd_program import LiveApplication, Repository, Running, ask
from tests.gitops.record import objects
from tests.gitops.sync import install_account
from tests.gitops.test_gitops_argocd_sync import MANIFEST, MODES, PEOPLES, WATCHED, with_spec
from tests.support.scene import Scene

MADE = objects()
OBJECTS = [
    pytest.param(obj, id=f"{kind}-{name}") for kind in KINDS for name, obj in MADE[kind].items()
]
ROLLOUTS = [pytest.param(obj, id=name) for name, obj in MADE["Rollout"].items()]
ACTIONS = ("pause", "resume", "rollback", "retry")
"""Each is tried on each Rollout, whether or not it is offered there."""
REPORT = {"name": "report", "reporter": {"users": ["atlas"]}}
PATCH = argocd.PROJECT / "manifests" / "argocd" / "argocd-cm.yaml"


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Argo CD's parts in one program."""
    return argocd_program.build(tmp_path_factory.mktemp("argocd"))


@pytest.mark.parametrize("obj", OBJECTS)
def test_argo_cd_shows_the_health_that_our_stand_in_shows(
    program: Path, obj: dict[str, Any]
) -> None:
    """With the scripts of the patch for argocd-cm, on every object of the test data."""
    assert ask(program, settings=settings(), object=obj) == {"result": argocd.health(obj)}


@pytest.mark.parametrize("obj", ROLLOUTS)
def test_argo_cd_offers_the_actions_that_our_stand_in_offers(
    program: Path, obj: dict[str, Any]
) -> None:
    """Enabled or not."""
    answer = ask(program, settings=settings(), object=obj, action="actions")
    offered = {action["name"]: action.get("disabled", False) for action in answer["result"]}
    ours = {name: action.get("disabled", False) for name, action in argocd.actions(obj).items()}
    assert offered == ours


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("obj", ROLLOUTS)
def test_argo_cd_makes_of_an_object_what_our_stand_in_makes(
    program: Path, obj: dict[str, Any], action: str
) -> None:
    """The same patch, or the same words of refusal."""
    params = {"reason": "a test"}
    answer = ask(program, settings=settings(), object=obj, action=action, params=params)
    script = script_of("Rollout", f"actions/{action}/action.lua")
    if "error" in answer:
        with pytest.raises(LuaError) as refused:
            argocd.result_of(obj, script, params)
        assert str(refused.value) in answer["error"]
    else:
        ours = argocd.result_of(obj, script, params)
        assert merge_patch(obj, answer["result"]) == merge_patch(obj, ours)


@pytest.fixture(scope="module")
def argo_cd(
    program: Path, guarded: TestBed, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """Argo CD at work on the bed, under an account as its installation has one."""
    folder = tmp_path_factory.mktemp("running")
    argocd_program.install(guarded, install_account(guarded), PATCH)
    with argocd_program.running(program, guarded, folder) as running:
        yield running


@pytest.fixture
def application(
    argo_cd: Running, guarded_scene: Scene, tmp_path: Path
) -> Iterator[LiveApplication]:
    """An Application that is not created yet, and its repository with the plan."""
    repository = Repository(tmp_path / "git")
    repository.commit(MANIFEST)
    bed, name = guarded_scene.bed, guarded_scene.namespace
    yield LiveApplication(bed, name, repository, bed.server)
    bed.kubectl("delete", "application", name, "-n", argocd_program.NAMESPACE)


@pytest.mark.parametrize("mode", MODES)
async def test_argo_cd_settles_after_one_sync_and_stays(
    guarded_scene: Scene, application: LiveApplication, mode: tuple[bool, bool]
) -> None:
    """Neither stamps, defaults, status nor what people steer makes a difference."""
    server_side, self_heal = mode
    application.create(guarded_scene.namespace, server_side=server_side, self_heal=self_heal)
    application.wait_until_synced(1)
    async with guarded_scene.an_operator(admission=AdmissionMode.ENFORCED):
        await guarded_scene.then_at(10)
        assert application.refresh()["sync"]["status"] == "Synced"
        await has_health(guarded_scene, application, "Progressing")

        await guarded_scene.when_the_plan_is_patched(paused=True)
        await guarded_scene.then_phase("Paused")
        assert application.refresh()["sync"]["status"] == "Synced"
        await has_health(guarded_scene, application, "Suspended")

        application.repository.commit(with_spec(steps=[{"percent": 10}, {"percent": 100}]))
        application.refresh()
        application.wait_until_synced(2)
        await guarded_scene.then_phase("Paused")

        ceiling = {"to": 0, "reason": "the release is bad"}
        await guarded_scene.when_the_plan_is_patched(paused=None, rollback=ceiling)
        await guarded_scene.then_at(0)
        assert application.refresh()["sync"]["status"] == "Synced"
        await has_health(guarded_scene, application, "Degraded")
    assert application.syncs() == 2


@pytest.mark.parametrize("server_side", [False, True], ids=["client", "server"])
async def test_argo_cd_undoes_a_field_of_peoples_in_git_unless_it_is_ignored(
    guarded_scene: Scene, application: LiveApplication, server_side: bool
) -> None:
    """As the page says, and the page's `ignoreDifferences` ends the fight."""
    application.repository.commit(with_spec(paused=False, **WATCHED))
    application.create(guarded_scene.namespace, server_side=server_side, self_heal=True)
    application.wait_until_synced(1)
    await guarded_scene.when_the_plan_is_patched(paused=True)

    async def is_undone() -> bool:
        application.refresh()
        return not await is_paused(guarded_scene)

    await guarded_scene.until(is_undone, "the pause to be undone")

    application.create(
        guarded_scene.namespace,
        server_side=server_side,
        self_heal=True,
        options=["RespectIgnoreDifferences=true"],
        ignoreDifferences=[
            {"group": "surefoot.dev", "kind": "Rollout", "jsonPointers": list(PEOPLES)}
        ],
    )
    application.refresh()
    await guarded_scene.when_the_plan_is_patched(paused=True)
    assert application.refresh()["sync"]["status"] == "Synced"
    assert await is_paused(guarded_scene)


@pytest.mark.parametrize(
    ("on_delete", "hold", "request_"),
    [
        ("Delete", {"checkpoints": [REPORT]}, ("Checkpoint", "checkout-10-report")),
        ("Keep", {}, ("Approval", "checkout-100-security")),
    ],
    ids=["delete-checkpoint", "keep-approval"],
)
async def test_argo_cd_shows_what_the_operator_makes_below_the_rollout(
    argo_cd: Running,
    guarded_scene: Scene,
    application: LiveApplication,
    *,
    on_delete: str,
    hold: dict[str, Any],
    request_: tuple[str, str],
) -> None:
    """A ConfigMap that stays hangs below its namespace as well, which is not in the tree."""
    application.repository.commit(
        with_spec(
            target=MANIFEST["spec"]["target"] | {"onDelete": on_delete},
            steps=[{"percent": 10, "hold": hold}, {"percent": 100}],
        )
    )
    application.create(guarded_scene.namespace, server_side=True, self_heal=True)
    application.wait_until_synced(1)
    rollout, namespace = "Rollout checkout", f"Namespace {guarded_scene.namespace}"
    expected = {
        rollout: (set(), "Suspended"),
        "ConfigMap checkout-flags": (
            {rollout} if on_delete == "Delete" else {rollout, namespace},
            None,
        ),
        " ".join(request_): ({rollout}, "Suspended"),
    }

    async def is_shown() -> bool:
        nodes = argo_cd.tree(application.name)
        assert {_named(node): (_parents(node), _health(node)) for node in nodes} == expected
        assert len(nodes) == len(expected)
        return True

    async with guarded_scene.an_operator(admission=AdmissionMode.ENFORCED):
        await guarded_scene.then_request(f"{request_[0].lower()}s", request_[1], "Pending")
        await guarded_scene.until(is_shown, "the ConfigMap and the request to be in the tree")


def _named(node: dict[str, Any]) -> str:
    """Kind and name."""
    return f"{node['kind']} {node['name']}"


def _parents(node: dict[str, Any]) -> set[str]:
    """What a node of the tree hangs below."""
    return {_named(parent) for parent in node.get("parentRefs", ())}


def _health(node: dict[str, Any]) -> str | None:
    """The health that a node of the tree shows, if any."""
    return (node.get("health") or {}).get("status")


async def has_health(scene: Scene, application: LiveApplication, health: str) -> None:
    """Wait until Argo CD shows a health of the Application."""

    async def is_shown() -> bool:
        return application.health() == health

    await scene.until(is_shown, f"Argo CD to show {health}")


async def is_paused(scene: Scene) -> bool:
    """Whether the plan is paused now."""
    plan = await scene.get("rollouts", "checkout")
    assert plan is not None
    return bool(plan["spec"].get("paused"))
