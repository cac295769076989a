"""The stage: everything that the demo needs running, set up before and cleared away afterwards."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from surefoot.api.v1alpha1.meta import REQUESTED_BY_ANNOTATION
from surefoot.demo import companions
from surefoot.demo.interruption import Interruption
from surefoot.demo.production import Production
from surefoot.errors import TestbedError
from surefoot.testbed.bed import TestBed
from surefoot.testbed.process import Component
from surefoot.testbed.progress import Progress

SHIPPED = Path(__file__).parents[1] / "testbed" / "installs"
"""The folder of the wheel surefoot-testbed that holds `crds` and `manifests`."""
CLONE = Path(__file__).parents[3]
SOURCE = SHIPPED if SHIPPED.is_dir() else CLONE
"""The wheel's folder, or the root of a clone."""
CRDS = SOURCE / "crds"
MANIFESTS = SOURCE / "manifests" / "default"
HARDENING = SOURCE / "manifests" / "hardening"
POLL_EVERY = 0.3
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Interruptible:
    """A Progress whose steps can be interrupted: whatever waits tells it something all the time."""

    tell: Progress
    interruption: Interruption

    def say(self, line: str) -> None:
        """Tell something worth keeping on the screen."""
        self.interruption.check()
        self.tell.say(line)

    def update(self, line: str) -> None:
        """Tell how far the present step is."""
        self.interruption.check()
        self.tell.update(line)

    @contextmanager
    def step(self, doing: str, done: str) -> Iterator[None]:
        """Tell what is being done, and how long it took once it is done."""
        began = time.monotonic()
        self.update(doing)
        yield
        self.say(f"{done} ({time.monotonic() - began:.1f} s)")


@dataclass(frozen=True, slots=True)
class Stage:
    """A test bed with Surefoot installed, its operator running, and a service to roll out."""

    bed: TestBed
    operator: Component
    service: Component
    clearing: ExitStack

    def leave_standing(self) -> None:
        """Let everything run on after the demo, until ``surefoot demo stop``."""
        self.clearing.pop_all()
        self.bed.leave_running()


def shown(path: Path) -> Path:
    """The path of one of our files as people are told it: short in a clone, whole elsewhere."""
    return path if SHIPPED.is_dir() else path.relative_to(CLONE)


@contextmanager
def stage(tell: Progress, interruption: Interruption, played: Production) -> Iterator[Stage]:
    """Set the stage up for the block; afterwards nothing of it is left, if not left standing.

    Raises TestbedError with the last words of what did not start, or Interrupted.
    """
    _need_the_project()
    progress = Interruptible(tell, interruption)
    with ExitStack() as clearing:
        with progress.step("starting a control plane", "kube-apiserver and Prometheus are ready"):
            bed = TestBed.start(progress=progress)
            clearing.callback(bed.stop)
        with progress.step("kubectl apply", "CRDs, manifests/default and people are installed"):
            _install(bed, progress, played)
        with progress.step("admission policies", "the admission policies are in force"):
            _wait_for_the_policies(bed, progress, played)
        clearing.callback(companions.stop_companions, bed.directory)
        with progress.step("surefoot run", "the operator and the service to roll out are ready"):
            operator, service = _start_companions(bed, progress, played)
        yield Stage(bed, operator, service, clearing)


def _need_the_project() -> None:
    for folder in (CRDS, MANIFESTS):
        if not folder.is_dir():
            raise TestbedError(
                f"the demo installs what users install, and {folder} is not there. "
                f"Install it with `pip install 'surefoot[testbed]'`, or run `make demo` in a clone."
            )


def _install(bed: TestBed, progress: Progress, played: Production) -> None:
    namespace = f"--namespace={companions.OPERATOR_NAMESPACE}"
    for arguments in (
        ("apply", "--server-side", "-f", str(CRDS)),
        ("apply", "--server-side", "-k", str(MANIFESTS)),
        *(("apply", "--server-side", "-k", str(HARDENING / name)) for name in played.hardening),
        # No node would ever run its Pod: the operator runs as a process beside the test bed,
        # with the service account of the Deployment and no other right.
        ("scale", "deployment", companions.OPERATOR_ACCOUNT, "--replicas=0", namespace),
        ("apply", "--server-side", "-f", str(played.people)),
    ):
        progress.update(f"kubectl {' '.join(arguments)}")
        bed.kubectl(*arguments)


def _wait_for_the_policies(bed: TestBed, progress: Progress, played: Production) -> None:
    """Until an author's plan would be stamped: policies act a moment after they were applied."""
    plan = ("-f", str(played.plan))
    while True:
        tried = bed.kubectl(
            *("apply", "--server-side", "--dry-run=server", *plan),
            *("-o", "jsonpath={.metadata.annotations}"),
            user=played.author,
            check=False,
        )
        if f'"{REQUESTED_BY_ANNOTATION}":"{played.author}"' in tried.stdout:
            return
        progress.update("waiting for the admission policies to act")
        time.sleep(POLL_EVERY)


def _start_companions(
    bed: TestBed, progress: Progress, played: Production
) -> tuple[Component, Component]:
    operator, service = companions.operator(bed), companions.service(bed, played)
    operator.launch()
    service.launch()
    companions.guardian(bed.directory).launch()
    service.wait_until_ready(progress)
    operator.wait_until_ready(progress)
    return operator, service
