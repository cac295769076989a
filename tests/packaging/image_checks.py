"""What the image is, and that it runs as our Deployment runs it. `make image-test` runs this file.

Its name keeps it out of `make test`: it needs the image, and programs that run containers.
"""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from surefoot.testbed.bed import TestBed
from surefoot.testbed.ports import free_ports
from tests.packaging.container import (
    NAMESPACE,
    SECRETS,
    Container,
    ServiceAccountVolume,
    authority,
    host_and_port_of,
    is_answering,
    manifest,
    unpack,
)
from tests.support.crds import serve_crds
from tests.support.testbed import SURELY, wait_until

pytest_plugins = ["tests.support.testbed"]

ROLLOUT = """
apiVersion: surefoot.dev/v1alpha1
kind: Rollout
metadata: {name: checkout, namespace: default}
spec:
  target: {configMapName: checkout-flags, flags: [checkout-v2]}
  steps: [{percent: 10}, {percent: 25}, {percent: 50}, {percent: 100}]
  hold: {soak: 24h}
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked image."""
    return unpack(tmp_path_factory.mktemp("image"))


def test_image_runs_as_a_numeric_user_that_is_not_root() -> None:
    """A kubelet can verify runAsNonRoot for a number only."""
    _, config = manifest()
    assert config["config"]["User"] == "65532:65532"
    assert config["config"]["Entrypoint"] == ["/usr/local/bin/surefoot"]


def test_image_holds_neither_shell_nor_package_manager(bundle: Path) -> None:
    """An intruder finds nothing to work with but Python."""
    programs = {
        path.name
        for folder in ("usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin")
        for path in (bundle / "rootfs" / folder).glob("*")
    }
    assert programs == {"kubectl-surefoot", "python3", "python3.13", "surefoot"}


def test_image_is_at_most_120_mb_beyond_its_base(bundle: Path) -> None:
    """The libraries, Surefoot, and what Python has compiled of them."""
    folder = bundle / "rootfs" / "usr" / "local"
    size = sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
    print(f"beyond the base: {size / 1e6:.1f} MB")
    assert size <= 120_000_000


def test_image_holds_neither_test_bed_nor_demo(bundle: Path) -> None:
    """They are the extra `testbed`."""
    package = bundle / "rootfs/usr/local/lib/python3.13/dist-packages/surefoot"
    assert (package / "handlers").is_dir()
    assert not {"testbed", "demo", "crdgen"} & {path.name for path in package.iterdir()}


def test_nothing_in_the_image_is_set_uid_or_writable_by_everyone(bundle: Path) -> None:
    """But for /tmp and its like, which are read-only at run time."""
    root = bundle / "rootfs"
    offenders = [
        str(path.relative_to(root))
        for path in root.rglob("*")
        if not path.is_symlink()
        and (path.stat().st_mode & 0o6000 or (path.is_file() and path.stat().st_mode & 0o002))
    ]
    # Debian's folders for logs and local files belong to a group, which no user is in.
    assert [name for name in offenders if not name.startswith("var/")] == []


@pytest.fixture
def operator(testbed: TestBed, bundle: Path, tmp_path: Path) -> Iterator[Container]:
    """A container that is not started yet."""
    container = Container(bundle, f"surefoot-{os.getpid()}", tmp_path / "operator.log")
    yield container
    container.remove()
    print(container.log.read_text() if container.log.exists() else "it was not started")


def test_operator_runs_restricted_while_its_token_is_rotated(
    testbed: TestBed, operator: Container, tmp_path: Path
) -> None:
    """As user 65532, on a read-only root, without capabilities, with a Pod's own token.

    Once the Pod that the first token is bound to is gone, the API server refuses that token; the
    operator goes on with the one that was mounted in its place.
    """
    serve_crds(testbed)
    testbed.kubectl("apply", "--server-side", "-k", "manifests/default")
    (port,) = free_ports(1)
    config = tmp_path / "config"
    config.mkdir()
    (config / "config.yaml").write_text(f"listen: 127.0.0.1:{port}\nevaluationInterval: 2s\n")
    volume = ServiceAccountVolume(tmp_path / "token", authority(testbed))
    first = _pod_token(testbed, "operator-1")
    volume.write(first)
    host, server_port = host_and_port_of(testbed)
    operator.configure(
        {"/etc/surefoot": config, SECRETS: volume.folder},
        ["run", "--config", "/etc/surefoot/config.yaml"],
        {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": str(server_port)},
    )
    operator.start()
    ready = f"http://127.0.0.1:{port}/readyz"
    wait_until(lambda: is_answering(ready), SURELY, "the operator to be ready")
    testbed.kubectl("apply", "--server-side", "-f", "-", stdin=ROLLOUT)
    wait_until(lambda: _percent(testbed) == 10, SURELY, "the first step to be taken")

    volume.write(_pod_token(testbed, "operator-2"))
    testbed.kubectl("delete", "pod", "operator-1", f"-n={NAMESPACE}", "--force", "--grace-period=0")
    wait_until(lambda: not _is_accepted(testbed, first), SURELY, "the first token to be refused")
    testbed.kubectl(
        "patch", "rollouts.surefoot.dev/checkout", "--type=merge", "-p", '{"spec":{"paused":true}}'
    )
    wait_until(
        lambda: _phase(testbed) == "Paused", SURELY, "the operator to go on with a new token"
    )

    operator.signal(signal.SIGTERM)
    assert operator.process is not None
    assert operator.process.wait(timeout=SURELY) == 0, operator.log.read_text()


def _pod_token(bed: TestBed, name: str) -> str:
    """Make a Pod as the Deployment describes it, which its namespace admits, and a token for it."""
    text = bed.kubectl("get", "deployment/surefoot", f"-n={NAMESPACE}", "-o", "json").stdout
    template = json.loads(text)["spec"]["template"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {**template["spec"], "nodeName": "nowhere"},
    }
    bed.kubectl("create", "-f", "-", stdin=json.dumps(pod))
    return bed.kubectl(
        *("create", "token", "surefoot", f"-n={NAMESPACE}", "--duration=1h"),
        *("--bound-object-kind=Pod", f"--bound-object-name={name}"),
    ).stdout.strip()


def _rollout(bed: TestBed, path: str) -> str:
    return bed.kubectl(
        "get", "rollouts.surefoot.dev/checkout", "-o", f"jsonpath={{{path}}}"
    ).stdout.strip()


def _percent(bed: TestBed) -> int:
    return int(_rollout(bed, ".status.percent") or -1)


def _phase(bed: TestBed) -> str:
    return _rollout(bed, ".status.phase")


def _is_accepted(bed: TestBed, token: str) -> bool:
    with bed.client() as client:
        answer = client.post(
            "/apis/authentication.k8s.io/v1/tokenreviews", json={"spec": {"token": token}}
        )
        return bool(answer.raise_for_status().json()["status"].get("authenticated"))
