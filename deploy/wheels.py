"""`python -m deploy.wheels`: both distributions, as wheels and as source archives, into dist/.

surefoot holds the operator, its command line and the kubectl plugin. surefoot-testbed holds the
packages `surefoot.testbed` and `surefoot.demo`, together with the CRDs and manifests that the demo
installs. Its source tree is put together below build/, so that its archive builds on its own.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import tomlkit

from deploy.project import BUILD, DIST, ROOT, Project, run

PARTS = ("testbed", "demo")
INSTALLED = (
    "crds",
    "manifests/base",
    "manifests/default",
    "manifests/policies",
    "manifests/without-mutation",
    "manifests/hardening",
)
"""What the demo installs. The folders of kustomize refer to each other by relative paths."""
README = """# surefoot-testbed

A real kube-apiserver, etcd and Prometheus on loopback, without Docker, and a demo of Surefoot that
runs on it. This is the extra `testbed` of the distribution `surefoot`:

    pipx run --spec 'surefoot[testbed]' surefoot demo
"""


def stage_testbed(project: Project, target: Path) -> Path:
    """Put the source tree of surefoot-testbed together in the target, and return it."""
    shutil.rmtree(target, ignore_errors=True)
    for part in PARTS:
        shutil.copytree(
            ROOT / "operator" / "surefoot" / part,
            target / "surefoot" / part,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    for folder in INSTALLED:
        shutil.copytree(
            ROOT / folder,
            target / "surefoot" / "testbed" / "installs" / folder,
            ignore=shutil.ignore_patterns("schemas"),
        )
    shutil.copy(ROOT / "LICENSE", target)
    (target / "README.md").write_text(README, encoding="utf-8")
    (target / "pyproject.toml").write_text(_testbed_pyproject(project), encoding="utf-8")
    return target


def _testbed_pyproject(project: Project) -> str:
    return tomlkit.dumps(
        {
            "build-system": {
                "requires": ["hatchling>=1.27,<2"],
                "build-backend": "hatchling.build",
            },
            "project": {
                "name": "surefoot-testbed",
                "version": project.version,
                "description": "The test bed and the demo of Surefoot: its extra `testbed`.",
                "readme": "README.md",
                "license": "Apache-2.0",
                "license-files": ["LICENSE"],
                "requires-python": project.requires_python,
                "dependencies": [
                    f"surefoot=={project.version}",
                    *project.testbed_dependencies,
                ],
            },
            "tool": {"hatch": {"build": {"targets": {"wheel": {"only-include": ["surefoot"]}}}}},
        }
    )


def build_distributions(target: Path) -> tuple[Path, ...]:
    """Build both distributions into the target, and return the files in the order of their names.

    Hatchling stamps every file with the same date, so a second build makes the same bytes.
    """
    project = Project.read()
    target.mkdir(parents=True, exist_ok=True)
    for old in (*target.glob("surefoot*.whl"), *target.glob("surefoot*.tar.gz")):
        old.unlink()
    for tree in (ROOT, stage_testbed(project, BUILD / "surefoot-testbed")):
        run(
            *(sys.executable, "-m", "hatchling", "build", "--directory", target.absolute()),
            cwd=tree,
            env={"SOURCE_DATE_EPOCH": "1577836800"},
        )
    return tuple(sorted((*target.glob("surefoot*.whl"), *target.glob("surefoot*.tar.gz"))))


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the distributions and print their names."""
    parser = argparse.ArgumentParser(prog="python -m deploy.wheels", description=__doc__)
    parser.add_argument("--directory", type=Path, default=DIST)
    for path in build_distributions(parser.parse_args(arguments).directory):
        print(f"{path.stat().st_size / 1024:8.0f} KiB  {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
