"""What the test bed builds: the programs, their versions, and how each is compiled.

The folder ``modules/<name>`` holds the go.mod and go.sum of each build, so that everybody
compiles the same bytes, verified against go.sum. Raising a version means changing it there
and here.
"""

import hashlib
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from surefoot.errors import TestbedError

KUBERNETES_VERSION = "1.37.2"
OLDER_KUBERNETES_VERSIONS = ("1.36.3", "1.35.4", "1.34.4")
"""Which are supported as well. They are built for whoever asks for one of them."""
ETCD_VERSION = "3.7.3"
PROMETHEUS_VERSION = "3.13.5"
MODULES = Path(__file__).parent / "modules"


@dataclass(frozen=True, slots=True)
class Program:
    """One executable. ``go_name`` is what Go calls it when left to itself."""

    name: str
    package: str
    go_name: str


@dataclass(frozen=True, slots=True)
class Build:
    """One ``go build``: the programs of one upstream module, which share most of their packages."""

    name: str
    version: str
    programs: tuple[Program, ...]
    usually: timedelta
    """A cold build on two cores, fetching included."""
    memory: str
    """The peak of a cold build, for the advice when one is killed."""
    tags: tuple[str, ...] = ()
    stamps: tuple[tuple[str, str], ...] = ()
    """Variables set by the linker: without its version no client can parse the API server's."""
    modules: Path = MODULES
    """The folder whose subfolder of this build's name has go.mod and go.sum."""

    @property
    def module(self) -> Path:
        """The folder with go.mod and go.sum."""
        return self.modules / self.name

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments of ``go build``, without output and packages."""
        linker = " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in self.stamps)])
        tags = (f"-tags={','.join(self.tags)}",) if self.tags else ()
        return ("-mod=readonly", "-trimpath", "-buildvcs=false", *tags, f"-ldflags={linker}")

    def key(self, *, system: str = sys.platform, machine: str = platform.machine()) -> str:
        """Name the folder in the cache: it changes with whatever changes the programs."""
        digest = hashlib.sha256()
        for part in (
            (self.module / "go.mod").read_bytes(),
            (self.module / "go.sum").read_bytes(),
            *(argument.encode() for argument in self.arguments),
            *(f"{program.name}={program.package}".encode() for program in self.programs),
        ):
            digest.update(len(part).to_bytes(8, "big") + part)
        return f"{self.name}-{self.version}-{system}-{machine}-{digest.hexdigest()[:10]}"


ETCD = Build(
    name="etcd",
    version=ETCD_VERSION,
    programs=(Program("etcd", "go.etcd.io/etcd/server/v3", "server"),),
    usually=timedelta(seconds=40),
    memory="1 GB",
)

# The second is what its clients, such as the controllers, call themselves in the audit log.
_VERSION_PACKAGES = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")


def _kubernetes(version: str, modules: Path = MODULES) -> Build:
    major, minor, _ = version.split(".")
    return Build(
        name="kubernetes",
        version=version,
        programs=tuple(
            Program(name, f"k8s.io/kubernetes/cmd/{name}", name)
            for name in ("kube-apiserver", "kube-controller-manager")
        ),
        usually=timedelta(minutes=8),
        memory="3 GB",
        stamps=tuple(
            (f"{package}.{variable}", value)
            for package in _VERSION_PACKAGES
            for variable, value in (
                ("gitVersion", f"v{version}"),
                ("gitMajor", major),
                ("gitMinor", minor),
            )
        ),
        modules=modules,
    )


KUBERNETES = _kubernetes(KUBERNETES_VERSION)
OLDER_KUBERNETES = tuple(
    _kubernetes(version, MODULES / "older" / version.rpartition(".")[0])
    for version in OLDER_KUBERNETES_VERSIONS
)

_PROMETHEUS = "github.com/prometheus/prometheus/cmd"

PROMETHEUS = Build(
    name="prometheus",
    version=PROMETHEUS_VERSION,
    programs=(
        Program("prometheus", f"{_PROMETHEUS}/prometheus", "prometheus"),
        Program("promtool", f"{_PROMETHEUS}/promtool", "promtool"),
    ),
    usually=timedelta(minutes=2, seconds=30),
    memory="2 GB",
    # Static targets are all the test bed scrapes; the clients of every cloud would be compiled
    # for nothing.
    tags=("remove_all_sd",),
    stamps=(("github.com/prometheus/common/version.Version", PROMETHEUS_VERSION),),
)

BUILDS = (ETCD, PROMETHEUS, KUBERNETES)
"""In the order of building: the short ones first, so that a fault shows early."""


def builds_with(kubernetes: str) -> Sequence[Build]:
    """The builds with another Kubernetes, named as `1.34` or `1.34.4`.

    Raises TestbedError for one that is not among those supported.
    """
    known = (KUBERNETES, *OLDER_KUBERNETES)
    for build in known:
        if kubernetes in (build.version, build.version.rpartition(".")[0]):
            return (ETCD, PROMETHEUS, build)
    versions = ", ".join(build.version for build in known)
    raise TestbedError(f"the test bed has no Kubernetes {kubernetes}; it has {versions}.")


def build_of(program: str, builds: Sequence[Build] = BUILDS) -> Build:
    """Find the build that makes the program."""
    return next(build for build in builds if program in {made.name for made in build.programs})
