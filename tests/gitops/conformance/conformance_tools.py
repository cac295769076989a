"""Our stand-ins answer as the tools do: kstatus, and Flux' expressions.

A program made of the tools' own Go libraries is asked the same questions. It takes minutes to
build, so this is not among the tests that run each time: `make conformance`.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.gitops.argocd import KINDS
from tests.gitops.kstatus import status_of
from tests.gitops.record import objects
from tests.gitops.test_gitops_flux import KUSTOMIZATIONS, verdict

HERE = Path(__file__).parent
MADE = objects()
OBJECTS = [
    pytest.param(obj, id=f"{kind}-{name}") for kind in KINDS for name, obj in MADE[kind].items()
]
ROLLOUTS = [pytest.param(obj, id=name) for name, obj in MADE["Rollout"].items()]


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
