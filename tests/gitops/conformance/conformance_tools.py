"""Our stand-ins answer as the tools do: Argo CD's Lua, kstatus, and Flux' expressions.

A program made of the tools' own Go libraries is asked the same questions. It takes minutes to
build, so this is not among the tests that run each time: `make conformance`.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.gitops import argocd
from tests.gitops.argocd import KINDS, LuaError, script_of
from tests.gitops.kstatus import status_of
from tests.gitops.record import objects
from tests.gitops.test_gitops_flux import KUSTOMIZATIONS, verdict

HERE = Path(__file__).parent
MADE = objects()
OBJECTS = [
    pytest.param(obj, id=f"{kind}-{name}") for kind in KINDS for name, obj in MADE[kind].items()
]
ROLLOUTS = [pytest.param(obj, id=name) for name, obj in MADE["Rollout"].items()]
ACTIONS = ("pause", "resume", "rollback", "retry")
"""Each is tried on each Rollout, whether or not it is offered there."""


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, built from the versions that go.sum pins."""
    path = tmp_path_factory.mktemp("conformance") / "conformance"
    # The Go of the lock: the tools' libraries ask for a newer one than the test bed does.
    go = Path(sys.executable).with_name("go")
    subprocess.run([go, "build", "-trimpath", "-o", str(path), "."], cwd=HERE, check=True)
    return path


def asked(program: Path, **question: Any) -> dict[str, Any]:
    """The tools' answer to one question."""
    done = subprocess.run(
        [program], input=json.dumps(question), capture_output=True, text=True, check=True
    )
    answer = json.loads(done.stdout)
    assert isinstance(answer, dict)
    return answer


@pytest.mark.parametrize("obj", OBJECTS)
def test_health_is_what_argo_cds_lua_says(program: Path, obj: dict[str, Any]) -> None:
    """On every object of the test data."""
    script = script_of(obj["kind"], "health.lua")
    assert asked(program, object=obj, script=script)["lua"] == argocd.health(obj)


@pytest.mark.parametrize("obj", ROLLOUTS)
def test_actions_are_what_argo_cds_lua_offers(program: Path, obj: dict[str, Any]) -> None:
    """Enabled or not, with their parameters."""
    script = script_of("Rollout", "actions/discovery.lua")
    assert asked(program, object=obj, script=script)["lua"] == argocd.actions(obj)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("obj", ROLLOUTS)
def test_action_does_what_it_does_in_argo_cds_lua(
    program: Path, obj: dict[str, Any], action: str
) -> None:
    """The same patch, or the same words of refusal."""
    script = script_of("Rollout", f"actions/{action}/action.lua")
    answer = asked(program, object=obj, script=script, params={"reason": "a test"})
    ours: dict[str, Any] = {}
    try:
        ours["lua"] = argocd.run(script, obj, {"reason": "a test"})
    except LuaError as error:
        ours["error"] = str(error)
    assert {key: answer[key] for key in ("lua", "error") if key in answer} == ours


@pytest.mark.parametrize("obj", OBJECTS)
def test_kstatus_says_what_its_stand_in_says(program: Path, obj: dict[str, Any]) -> None:
    """On every object of the test data, requests included."""
    assert asked(program, object=obj)["kstatus"] == status_of(obj)[0]


@pytest.mark.parametrize("name", KUSTOMIZATIONS)
@pytest.mark.parametrize("obj", ROLLOUTS)
def test_flux_evaluates_the_expressions_as_the_tests_do(
    program: Path, obj: dict[str, Any], name: str
) -> None:
    """Where a status is missing as well."""
    exprs = KUSTOMIZATIONS[name]
    assert asked(program, object=obj, exprs={name: exprs})["flux"][name] == verdict(exprs, obj)
