"""The distributions: the operator alone, and its extra with the test bed and the demo."""

import ast
import importlib.util
import json
import os
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
import yaml

from deploy.project import ROOT, Project
from deploy.wheels import build_distributions

RUN = "import sys; sys.argv[0] = 'surefoot'; from surefoot.cli.main import main; main()"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both wheels, by the names of their distributions."""
    built = build_distributions(tmp_path_factory.mktemp("dist"))
    return {path.name.partition("-")[0]: path for path in built if path.suffix == ".whl"}


@pytest.fixture(scope="module")
def alone(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but the operator's wheel unpacked."""
    folder = tmp_path_factory.mktemp("alone")
    zipfile.ZipFile(wheels["surefoot"]).extractall(folder)
    return folder


@pytest.fixture(scope="module")
def together(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both wheels unpacked, as pip installs them."""
    folder = tmp_path_factory.mktemp("together")
    for wheel in wheels.values():
        zipfile.ZipFile(wheel).extractall(folder)
    return folder


def _surefoot(
    folder: Path, *arguments: str, program: str = RUN
) -> subprocess.CompletedProcess[str]:
    """Run what lies in the folder, away from the clone; the libraries are those of the tests."""
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_operators_wheel_holds_the_operator_alone(alone: Path) -> None:
    """What is for trying it and for working on it lies elsewhere."""
    parts = {path.name for path in (alone / "surefoot").iterdir()}
    assert not {"testbed", "demo", "crdgen", "docgen"} & parts
    assert {"handlers", "plugin", "reports", "cli"} <= parts
    assert (alone / "surefoot/reports/templates/page.html.j2").is_file()


def test_plans_are_looked_at_from_the_wheel_alone(alone: Path, tmp_path: Path) -> None:
    """Neither a clone nor a cluster is needed, and the scenarios come with it."""
    plan = tmp_path / "plan.yaml"
    plan.write_text((ROOT / "manifests/examples/minimal.yaml").read_text())
    linted = _surefoot(alone, "ctl", "lint", str(plan))
    assert linted.returncode == 0, linted.stderr
    played = _surefoot(alone, "ctl", "simulate", str(plan), "--scenario", "operator-down")
    assert played.returncode == 0, played.stderr
    assert "the operator is down" in played.stdout


def test_extras_ask_for_the_test_bed_in_the_same_version_and_for_pictures(alone: Path) -> None:
    """`surefoot[testbed]` is surefoot-testbed of exactly this version, and nothing else."""
    (metadata,) = alone.glob("*.dist-info/METADATA")
    headers = Parser().parsestr(metadata.read_text())
    version = Project.read().version
    assert headers["Version"] == version
    extra = [line for line in headers.get_all("Requires-Dist", []) if "extra ==" in line]
    assert extra == [
        "resvg-py<0.6,>=0.5; extra == 'pictures'",
        f"surefoot-testbed=={version}; extra == 'testbed'",
    ]


NOT_INSTALLED = (
    ("demo",),
    ("demo", "--keep"),
    ("demo", "--help"),
    ("demo", "incident", "--reports", "there"),
    ("testbed",),
    ("testbed", "up", "--dir", "there"),
)
VERSIONS = (("--version",), ("version",))
HELP = (("-h",),)

EACH = """
import json, os, sys, tempfile
from surefoot.cli.main import main
answers = []
for arguments in json.loads(sys.argv[1]):
    files = tempfile.TemporaryFile(), tempfile.TemporaryFile()
    pid = os.fork()
    if pid == 0:
        for standard, file in enumerate(files, 1):
            os.dup2(file.fileno(), standard)
        sys.argv = ["surefoot", *arguments]
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    for file in files:
        file.seek(0)
    answers.append([code, *(file.read().decode() for file in files)])
print(json.dumps(answers))
"""
"""The command once for each list of arguments. It is imported once: that takes longest."""


@pytest.fixture(scope="module")
def answers(alone: Path) -> dict[tuple[str, ...], tuple[int, str, str]]:
    """What the operator's wheel answers: exit code, output and errors, by the arguments."""
    asked = (*NOT_INSTALLED, *VERSIONS, *HELP)
    told = _surefoot(alone, json.dumps(asked), program=EACH)
    assert told.returncode == 0, told.stderr
    return dict(zip(asked, map(tuple, json.loads(told.stdout)), strict=True))


@pytest.mark.parametrize("arguments", NOT_INSTALLED, ids=" ".join)
def test_part_that_is_not_installed_says_how_to_install_it(
    answers: dict[tuple[str, ...], tuple[int, str, str]], arguments: tuple[str, ...]
) -> None:
    """A line and exit code 2, never a traceback."""
    code, out, err = answers[arguments]
    assert code == 2
    assert out == ""
    assert err == (
        f"Error: `surefoot {arguments[0]}` is part of the test bed, and surefoot.{arguments[0]} is "
        "not installed. Run: pip install 'surefoot[testbed]', or pipx install --force "
        "'surefoot[testbed]'\n"
    )


def test_library_of_the_demo_that_is_missing_is_named(together: Path) -> None:
    """As after `pip install --no-deps`: the code is there, and a library is not."""
    hide = "import sys; sys.modules['psutil'] = None; " + RUN
    answer = _surefoot(together, "demo", program=hide)
    assert answer.returncode == 2
    assert "psutil is not installed. Run: pip install 'surefoot[testbed]'" in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("arguments", VERSIONS, ids=" ".join)
def test_version_is_that_of_the_distribution(
    answers: dict[tuple[str, ...], tuple[int, str, str]], arguments: tuple[str, ...]
) -> None:
    """From one place: pyproject.toml."""
    assert answers[arguments][:2] == (0, f"{Project.read().version}\n")


def test_plugin_says_its_version(alone: Path) -> None:
    """As kubectl runs it, and as `surefoot ctl`."""
    program = "from surefoot.plugin.app import main; main()"
    version = f"{Project.read().version}\n"
    assert _surefoot(alone, "--version", program=program).stdout == version
    assert _surefoot(alone, "ctl", "--version").stdout == version


def test_short_help_lists_the_commands(
    answers: dict[tuple[str, ...], tuple[int, str, str]],
) -> None:
    """What is not installed is listed as well, and says so."""
    code, out, _ = answers[HELP[0]]
    assert code == 0
    assert "Usage: surefoot" in out
    for command in ("run", "ctl", "policies", "sign", "testbed", "demo"):
        assert f" {command} " in out
    assert "Not installed" in out


def test_kubectl_completes_the_plugin(alone: Path) -> None:
    """The words that begin so, with their help, and a directive."""
    program = "from surefoot.cli.completion import main; main()"
    lines = _surefoot(alone, "appr", program=program).stdout.splitlines()
    assert [line.partition("\t")[0] for line in lines] == ["approve", ":4"]
    lines = _surefoot(alone, "approve", "--ro", program=program).stdout.splitlines()
    assert [line.partition("\t")[0] for line in lines] == ["--role", ":4"]


def test_demo_finds_what_it_installs_without_a_clone(together: Path) -> None:
    """The same CRDs and manifests as in the clone."""
    program = (
        "from surefoot.demo.stage import CRDS, HARDENING, MANIFESTS as M; print(CRDS, M, HARDENING)"
    )
    crds, default, hardening = map(Path, _surefoot(together, program=program).stdout.split())
    assert crds.is_relative_to(together)
    for path in sorted((ROOT / "crds").glob("*.yaml")):
        assert (crds / path.name).read_bytes() == path.read_bytes()
    for resource in yaml.safe_load((default / "kustomization.yaml").read_text())["resources"]:
        assert (default / resource / "kustomization.yaml").is_file()
    assert (hardening / "required-gates" / "kustomization.yaml").is_file()


IMPORT_ALL = """
import importlib, pkgutil, surefoot.demo, surefoot.testbed
for package in (surefoot.demo, surefoot.testbed):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
        print(module.name)
"""


def test_every_module_of_the_extra_is_imported_without_a_clone(together: Path) -> None:
    """None of them looks for the clone while it is imported."""
    answer = _surefoot(together, program=IMPORT_ALL)
    assert answer.returncode == 0, answer.stderr
    assert {"surefoot.demo.incident.story", "surefoot.testbed.bed"} <= set(answer.stdout.split())


def test_second_build_makes_the_same_bytes(wheels: dict[str, Path], tmp_path: Path) -> None:
    """So that anybody can verify a release."""
    again = {path.name: path for path in build_distributions(tmp_path)}
    for wheel in wheels.values():
        assert again[wheel.name].read_bytes() == wheel.read_bytes()


def test_version_stands_in_one_place() -> None:
    """Whatever else names it says the same."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((ROOT / "charts/surefoot/Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (version, version)
    base = yaml.safe_load((ROOT / "manifests/base/kustomization.yaml").read_text())
    assert base["images"][0]["newTag"] == version
    for path in (ROOT / "crds").glob("*.yaml"):
        labels = yaml.safe_load(path.read_text())["metadata"]["labels"]
        assert labels["app.kubernetes.io/version"] == version


def test_image_is_built_with_modules_that_there_are() -> None:
    """It imports them to see that no library is missing; one that is gone ends the build."""
    text = (ROOT / "deploy" / "container" / "arrange.py").read_text("utf-8")
    needed = ast.literal_eval(text.partition("NEEDED = ")[2].partition('"""')[0].strip())
    assert [name for name in needed if importlib.util.find_spec(name) is None] == []
