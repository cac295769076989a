"""`python -m deploy.render FOLDER`: every variant of the installation, for tools that read it."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.project import ROOT, run
from deploy.tools import tools

OVERLAYS = ("default", "namespaced", "high-availability", "without-mutation", "monitoring")
NAMESPACE = "surefoot-system"


def render(folder: Path) -> None:
    """Write each overlay as kustomize builds it, and each set of values as helm renders it."""
    found = tools(["helm", "kustomize"])
    folder.mkdir(parents=True, exist_ok=True)
    chart = ROOT / "charts" / "surefoot"
    for name in OVERLAYS:
        built = run(found["kustomize"], "build", ROOT / "manifests" / name)
        (folder / f"kustomize-{name}.yaml").write_text(built, encoding="utf-8")
        values = chart / "ci" / f"{name}.yaml"
        text = run(found["helm"], "template", "surefoot", chart, "-n", NAMESPACE, "-f", values)
        (folder / f"helm-{name}.yaml").write_text(text, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Render everything into the folder."""
    parser = argparse.ArgumentParser(prog="python -m deploy.render", description=__doc__)
    parser.add_argument("folder", type=Path)
    render(parser.parse_args(arguments).folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
