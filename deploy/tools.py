"""`python -m deploy.tools NAME`: a program that packaging needs, built once into the user's cache.

Without a name it builds what `make test` needs: helm, kustomize and kubeconform.
They are built as the programs of the test bed are: by Go, from the modules that go.sum pins.
`deploy/go/<name>` holds the go.mod and go.sum of each.
"""

import argparse
import sys
from collections.abc import Collection, Sequence
from datetime import timedelta
from pathlib import Path

from surefoot.errors import TestbedError
from surefoot.testbed.binaries import provide
from surefoot.testbed.components import Build, Program
from surefoot.testbed.progress import Progress, on_stderr

HELM_VERSION = "4.3.2"
KUSTOMIZE_VERSION = "5.8.2"
KUBECONFORM_VERSION = "0.8.0"
ACTIONLINT_VERSION = "1.7.12"
KREW_VERSION = "0.4.3"
_MODULES = Path(__file__).parent / "go"

HELM = Build(
    name="helm",
    version=HELM_VERSION,
    programs=(Program("helm", "helm.sh/helm/v4/cmd/helm", "helm"),),
    usually=timedelta(minutes=3),
    memory="2 GB",
    stamps=(("helm.sh/helm/v4/internal/version.version", f"v{HELM_VERSION}"),),
    modules=_MODULES,
)
KUSTOMIZE = Build(
    name="kustomize",
    version=KUSTOMIZE_VERSION,
    programs=(Program("kustomize", "sigs.k8s.io/kustomize/kustomize/v5", "kustomize"),),
    usually=timedelta(minutes=1),
    memory="1 GB",
    stamps=(("sigs.k8s.io/kustomize/api/provenance.version", f"v{KUSTOMIZE_VERSION}"),),
    modules=_MODULES,
)
KUBECONFORM = Build(
    name="kubeconform",
    version=KUBECONFORM_VERSION,
    programs=(
        Program("kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform", "kubeconform"),
    ),
    usually=timedelta(seconds=20),
    memory="1 GB",
    modules=_MODULES,
)
ACTIONLINT = Build(
    name="actionlint",
    version=ACTIONLINT_VERSION,
    programs=(Program("actionlint", "github.com/rhysd/actionlint/cmd/actionlint", "actionlint"),),
    usually=timedelta(seconds=20),
    memory="1 GB",
    modules=_MODULES,
)
KREW = Build(
    name="krew",
    version=KREW_VERSION,
    programs=(Program("kubectl-krew", "sigs.k8s.io/krew/cmd/krew", "krew"),),
    usually=timedelta(minutes=1),
    memory="1 GB",
    modules=_MODULES,
)
TOOLS = (KUBECONFORM, KUSTOMIZE, HELM)
"""What `make test` needs."""
RARE_TOOLS = (ACTIONLINT, KREW)
"""What single targets need."""


def tools(names: Collection[str], progress: Progress | None = None) -> dict[str, Path]:
    """Answer with the path of each tool, building those that are not there yet."""
    return provide(names, progress=progress, builds=(*TOOLS, *RARE_TOOLS))


def main(arguments: Sequence[str] | None = None) -> int:
    """Build tools, telling on standard error, and print where each one is."""
    parser = argparse.ArgumentParser(prog="python -m deploy.tools", description=__doc__)
    programs = [program.name for build in (*TOOLS, *RARE_TOOLS) for program in build.programs]
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(programs))
    names = parser.parse_args(arguments).names or [tool.name for tool in TOOLS]
    try:
        with on_stderr() as progress:
            for name, path in tools(names, progress).items():
                print(f"{name}\t{path}")
    except TestbedError as error:
        print(error, file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
