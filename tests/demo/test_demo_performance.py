"""The demo as people run it: a program, read line by line, and watched for what it leaves."""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from surefoot.demo import afterwards, performance
from surefoot.demo.interruption import Interruption
from surefoot.demo.production import CHECKOUT
from surefoot.demo.scene import Scene
from surefoot.demo.stage import Stage, stage
from surefoot.demo.story import Story
from surefoot.testbed.bed import TestBed
from surefoot.testbed.progress import Silent
from tests.demo.playing import Demo
from tests.support.testbed import SURELY, wait_until

pytestmark = pytest.mark.apiserver

STORY: tuple[str | tuple[str, ...], ...] = (
    r"kube-apiserver and Prometheus are ready",
    r"thon\$ kubectl apply --server-side -f \S+rollout\.yaml",
    r"ConfigMap checkout-flags says 10%",
    r"soak \d\.\d s of 8s; error-rate 0\.\d\d%",
    r"phase AwaitingApproval: security \(hudson\)",
    r" \$ kubectl patch approvals\.surefoot\.dev checkout-25-security -n shop .*\"reason\":\"…\"",
    r"cora\$ kubectl patch approvals\.surefoot\.dev checkout-25-security -n shop .*\"hudson\"",
    r"refused: cora may not decide approval checkout-25-security: hudson may",
    r"admin\$ kubectl patch configmap checkout-flags ",
    r"refused: ConfigMap checkout-flags carries the flags of rollout checkout",
    r"hudson\$ kubectl patch approvals\.surefoot\.dev checkout-25-security -n shop ",
    r"ConfigMap checkout-flags says 25%",
    r"release 2\.4\.1 is out",
    (r"ConfigMap checkout-flags says 10%", r"Rollback 25% → 10%, by trigger errors"),
    r"10% again, \d+\.\d s after the breach .* error-rate is \d+(\.\d+)?%, above 5% for 2s",
    r"thon\$ kubectl patch rollouts\.surefoot\.dev checkout -n shop .*\"attempt\":1",
    r"ConfigMap checkout-flags says 25%",
    r"cora\$ kubectl patch approvals\.surefoot\.dev checkout-50-lead",
    r"ConfigMap checkout-flags says 50%",
    r"atlas\$ kubectl patch checkpoints\.surefoot\.dev checkout-50-load-test",
    r"ConfigMap checkout-flags says 100%",
    r"phase Completed",
    r"who decided",
    r"Start, 10%",
    r"Advance, 10% → 25% +security: hudson",
    r"security, hudson: GO “no new findings”",
    r"Rollback, 25% → 10% +trigger errors",
    r"Advance, 50% → 100% +lead: cora",
    r"Complete, 100%",
    r"5 signatures and 1 report, each in the name of its author",
    r"The demo took \d+ s",
)
"""What must be told, in this order; but for what two watches tell, each in its own time."""


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """A demo whose output is a pipe."""
    running = Demo(tmp_path, "demo")
    yield running
    running.kill()


@contextlib.contextmanager
def a_place(directory: Path) -> Iterator[Stage]:
    """Set up a stage on which no story is played."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(directory))
        with stage(Silent(), Interruption(), CHECKOUT) as set_up:
            yield set_up


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage for several tests; the last of them takes it down."""
    with a_place(tmp_path_factory.mktemp("place")) as set_up:
        yield set_up


def test_demo_plays_the_main_job_and_leaves_nothing(demo: Demo) -> None:
    """Every part is real, so this is the acceptance test of the whole operator."""
    for told in STORY:
        demo.wait_for_lines(*((told,) if isinstance(told, str) else told))
    assert demo.exit_code() == 0
    assert demo.left_behind() == []


@pytest.mark.long
@pytest.mark.parametrize(
    ("line", "number"),
    [
        ("kube-apiserver and Prometheus are ready", signal.SIGTERM),
        ("ConfigMap checkout-flags says 10%", signal.SIGINT),
    ],
)
def test_interrupted_demo_leaves_nothing(demo: Demo, line: str, number: signal.Signals) -> None:
    """While it is starting as well as while it plays."""
    demo.wait_for_line(line)
    os.killpg(demo.process.pid, number)
    assert demo.exit_code() == 128 + number
    assert demo.left_behind() == []


def test_killed_demo_leaves_no_process(demo: Demo) -> None:
    """The guardians see to it: nobody can tidy up after SIGKILL by themselves."""
    demo.wait_for_line("ConfigMap checkout-flags says 10%")
    demo.process.kill()
    wait_until(lambda: demo.left_behind() == [], SURELY, "the guardians to end everything")


def test_prometheus_of_the_demo_scrapes_the_operator(place: Stage) -> None:
    """The dashboards and the alerts have something to read."""
    asked = 'surefoot_admission_enforced{job="operator"}'
    wait_until(lambda: place.bed.prometheus.query(asked), SURELY, "the operator to be scraped")


def test_demo_that_gets_stuck_says_where_it_stands(
    place: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it waited for, the Rollout in short, and the operator's last lines."""

    def at_10(scene: Scene) -> bool | None:
        """The flag says so before the status does."""
        return (scene.rollout is not None and scene.rollout.status.percent == 10) or None

    def wait_in_vain(story: Story) -> None:
        story._start()
        story._lookout.wait_for("the commit", at_10)
        story._lookout.wait_for("the moon", lambda _: None, within=0.5)

    monkeypatch.setattr(Story, "play", wait_in_vain)
    assert performance.Performance(Interruption()).play(place) is False
    told = capsys.readouterr().err
    assert "The demo got stuck: waited 0.5 s for the moon" in told
    assert re.search(r"Rollout checkout: \w+ at 10%, attempt 0\.", told)
    assert "ConfigMap checkout-flags says 10%." in told
    assert re.search(r"The operator's last lines \(ready\):\n.*\[info", told)


def test_what_a_kept_demo_says_to_type_does_what_it_says(place: Stage) -> None:
    """Each command, as the user it names; what is to be refused is refused by the API server."""
    place.bed.kubectl("apply", "--server-side", "-f", str(CHECKOUT.plan), user=CHECKOUT.author)
    at = ("get", "sfr", "checkout", "-n", "shop", "-o", "jsonpath={.status.percent}")
    wait_until(lambda: place.bed.kubectl(*at).stdout == "10", SURELY, "the first percentage")
    told = afterwards.how_to_go_on(place)
    folder = re.search(r'export PATH=(\S+):"', told)
    assert folder is not None
    for hint in afterwards.CHECKOUT_HINTS:
        for command in hint.commands:
            assert command in told
            done = typed(place, command, folder[1], hint.user or "admin")
            assert (done.returncode != 0) is hint.is_refused, (command, done.stdout, done.stderr)
            assert ("denied request" in done.stderr) is hint.is_refused


def typed(place: Stage, command: str, folder: str, user: str) -> subprocess.CompletedProcess[str]:
    """A command as a person types it, with the kubeconfig of a user and that folder on the PATH."""
    return subprocess.run(
        shlex.split(command),
        executable=shutil.which(shlex.split(command)[0], path=folder),
        env={
            **os.environ,
            "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
            "KUBECONFIG": str(place.bed.kubeconfig(user)),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_kept_demo_is_stopped_by_one_command(place: Stage) -> None:
    """``surefoot demo stop`` ends the operator and the service along with the test bed."""
    place.leave_standing()
    running = [*place.bed.components, place.operator, place.service]
    assert all(component.is_running for component in running)
    assert performance.clear(place.bed.directory) == 0
    assert not any(component.is_running for component in running)
    assert not place.bed.directory.exists()


@pytest.mark.long
def test_kept_demo_ends_with_its_test_bed(tmp_path: Path) -> None:
    """``surefoot testbed down`` knows nothing of a demo, and ends it all the same."""
    with a_place(tmp_path) as place:
        place.leave_standing()
        wards = [psutil.Process(pid) for pid in (place.operator.pid, place.service.pid) if pid]
        assert len(wards) == 2
        TestBed.attach(place.bed.directory).stop()
        wait_until(lambda: all(map(_has_ended, wards)), SURELY, "the guardian to end them")


def _has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE or not process.is_running()
    except psutil.NoSuchProcess:
        return True
