"""`python -m deploy.release`: everything that a release consists of, in dist/, with checksums.

The image is built first, so that the chart and install.yaml pin its digest. `--image` names the
place that the archive will be pushed to; without it they name `surefoot`, which no registry has.
"""

import argparse
import gzip
import hashlib
import io
import shutil
import sys
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from deploy import debian, image, wheels
from deploy.project import BUILD, DIST, ROOT, DeployError, Project, run
from deploy.sbom import sbom
from deploy.tools import tools
from surefoot.errors import TestbedError
from surefoot.generated import PlainDumper

CHECKSUMS = "SHA256SUMS"
PROJECT_URL = "https://surefoot.dev"


def release(repository: str, url: str) -> Iterator[Path]:
    """Make the files of the release in dist/, and yield each."""
    project = Project.read()
    shutil.rmtree(DIST, ignore_errors=True)
    yield from wheels.build_distributions(DIST)
    archive, digest = image.make(project)
    yield archive
    yield _written(
        f"surefoot-image-{project.version}-{debian.architecture()}.cdx.json",
        sbom(project, digest, debian.read_pins(), BUILD / "image" / "site"),
    )
    yield _chart(project, repository, digest)
    for name, overlay in (
        ("install.yaml", "default"),
        ("install-without-mutation.yaml", "without-mutation"),
        ("install-namespaced.yaml", "namespaced"),
        ("install-high-availability.yaml", "high-availability"),
    ):
        yield _written(name, _install(overlay, f"{repository}@{digest}"))
    yield _written("crds.yaml", _crds())
    yield _written("prometheus-rules.yaml", _rules())
    for dashboard in sorted((ROOT / "manifests").glob("**/dashboards/*.json")):
        yield _written(f"dashboard-{dashboard.name}", dashboard.read_text("utf-8"))
    plugin = _plugin(project)
    yield plugin
    yield _written("krew-surefoot.yaml", _krew(project, plugin, url))


def _written(name: str, text: str) -> Path:
    path = DIST / name
    path.write_text(text, encoding="utf-8")
    return path


def _chart(project: Project, repository: str, digest: str) -> Path:
    """Package the chart with the image of this release in its values."""
    copy = BUILD / "chart" / "surefoot"
    shutil.rmtree(copy.parent, ignore_errors=True)
    shutil.copytree(ROOT / "charts" / "surefoot", copy)
    values = (copy / "values.yaml").read_text("utf-8")
    for old, new in (
        ("  repository: surefoot\n", f"  repository: {repository}\n"),
        ('  digest: ""\n', f"  digest: {digest}\n"),
    ):
        if values.count(old) != 1:
            raise DeployError(f"values.yaml of the chart has no single line {old.strip()!r}")
        values = values.replace(old, new)
    (copy / "values.yaml").write_text(values, encoding="utf-8")
    run(tools(["helm"])["helm"], "package", copy, "--destination", DIST)
    return DIST / f"surefoot-{project.version}.tgz"


def _install(overlay: str, reference: str) -> str:
    """CRDs and one overlay as one file for `kubectl apply --server-side -f`."""
    built = run(tools(["kustomize"])["kustomize"], "build", ROOT / "manifests" / overlay)
    objects = list(yaml.safe_load_all(built))
    for deployment in (found for found in objects if found["kind"] == "Deployment"):
        deployment["spec"]["template"]["spec"]["containers"][0]["image"] = reference
    return _crds() + _dump(objects)


def _crds() -> str:
    paths = sorted((ROOT / "crds").glob("*.yaml"))
    return _dump([yaml.safe_load(path.read_text("utf-8")) for path in paths])


def _rules() -> str:
    """The alerts as an ordinary rule file of Prometheus."""
    text = (ROOT / "manifests/monitoring/prometheus-rule.yaml").read_text("utf-8")
    return yaml.dump(yaml.safe_load(text)["spec"], sort_keys=False, allow_unicode=True, width=100)


def _dump(objects: Sequence[Any]) -> str:
    return yaml.dump_all(
        objects,
        Dumper=PlainDumper,
        sort_keys=False,
        allow_unicode=True,
        width=100,
        explicit_start=True,
    )


def _plugin(project: Project) -> Path:
    """The archive that Krew installs: a launcher and the licence, for every system."""
    launcher = (ROOT / "deploy/krew/kubectl-surefoot").read_text("utf-8")
    files = {
        "kubectl-surefoot": launcher.replace("@VERSION@", project.version),
        "LICENSE": (ROOT / "LICENSE").read_text("utf-8"),
    }
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text.encode()), 0o755 if name != "LICENSE" else 0o644
            tar.addfile(entry, io.BytesIO(text.encode()))
    path = DIST / f"kubectl-surefoot-{project.version}.tar.gz"
    path.write_bytes(gzip.compress(content.getvalue(), mtime=0))
    return path


def _krew(project: Project, plugin: Path, url: str) -> str:
    manifest = {
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
        "kind": "Plugin",
        "metadata": {"name": "surefoot"},
        "spec": {
            "version": f"v{project.version}",
            "homepage": url,
            "shortDescription": "Roll out feature flags behind gates",
            "description": (
                "See where the rollouts of feature flags stand and why they do not move, sign and\n"
                "report, pause, roll back and audit.\n"
            ),
            "caveats": (
                "The plugin is a Python program: it needs uv or pipx, and Python 3.11 or later.\n"
            ),
            "platforms": [
                {
                    "selector": {
                        "matchExpressions": [
                            {"key": "os", "operator": "In", "values": ["linux", "darwin"]}
                        ]
                    },
                    "uri": f"{url}/releases/download/v{project.version}/{plugin.name}",
                    "sha256": _sha256(plugin),
                    "bin": "kubectl-surefoot",
                }
            ],
        },
    }
    return _dump([manifest])


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the release, and print what it consists of."""
    parser = argparse.ArgumentParser(prog="python -m deploy.release", description=__doc__)
    parser.add_argument("--image", default="surefoot", help="where the image will be pushed to")
    parser.add_argument("--url", default=PROJECT_URL, help="where the release will be published")
    options = parser.parse_args(arguments)
    try:
        files = sorted(release(options.image, options.url))
    except (DeployError, TestbedError) as error:
        print(error, file=sys.stderr)
        return 3
    sums = "".join(f"{_sha256(path)}  {path.name}\n" for path in files)
    _written(CHECKSUMS, sums)
    for path in files:
        print(f"{path.stat().st_size / 1024:9.0f} KiB  {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
