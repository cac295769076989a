"""An earlier version of Surefoot that leaves a Rollout half-way, and what it has stored.

The version is checked out of this repository's history and installed as it was locked. What it does
is taken from the API server's audit log, so that any moment can be had afterwards: also the one
between the intent of a step and its commit.
"""

import contextlib
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from deploy.project import ROOT
from surefoot.testbed.bed import TestBed
from surefoot.testbed.health import complaint
from surefoot.testbed.ports import free_ports
from tests.support.testbed import SURELY, audit_events, wait_until

JSON = dict[str, Any]

COMMIT = "377f8e6"
"""The version before the first that could be installed by a chart."""
STORED = ROOT / "tests" / "operator" / "stored" / f"{COMMIT}.json"
NAMESPACE = "shop"
WAITING, INTENDED, APPLIED = "checkout", "search", "basket"
"""Three Rollouts with the same plan: of each, the test data has another moment."""
PLAN = """
apiVersion: surefoot.dev/v1alpha1
kind: Rollout
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  target: {{configMapName: {name}-flags, flags: [{name}]}}
  limits: {{maxExpansionFactor: 100}}
  steps: [{{percent: 10}}, {{percent: 25}}, {{percent: 50}}, {{percent: 100}}]
  hold:
    soak: 1s
    checkpoints:
    - {{name: report, type: Report, reporter: {{users: [atlas]}}}}
  approvals:
    roles:
    - {{name: security, users: [hudson]}}
    - {{name: lead, users: [forge]}}
"""
KINDS = ("configmaps", "rollouts", "checkpoints", "approvals")


def is_in_history() -> bool:
    """Whether the commit can be checked out: a shallow clone does not have it."""
    found = subprocess.run(["git", "cat-file", "-e", f"{COMMIT}^{{commit}}"], cwd=ROOT, check=False)
    return found.returncode == 0


def installed(folder: Path) -> Path:
    """Check the version out, and install it into an environment of its own; return the folder."""
    archive = subprocess.run(
        ["git", "archive", COMMIT], cwd=ROOT, check=True, capture_output=True
    ).stdout
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    uv, python = Path(sys.executable).with_name("uv"), folder / ".venv" / "bin" / "python"
    for command in (
        ("venv", "--quiet", "--python", sys.executable, folder / ".venv"),
        ("pip", "sync", "--quiet", "--python", python, "requirements.lock"),
        ("pip", "install", "--quiet", "--python", python, "--no-deps", "--no-build-isolation", "."),
    ):
        subprocess.run([uv, *command], cwd=folder, check=True)
    return folder


@contextlib.contextmanager
def operator(bed: TestBed, program: Path) -> Iterator[None]:
    """An operator beside the cluster, with its own account, as long as the block lasts."""
    (port,) = free_ports(1)
    config = bed.directory / "operator.yaml"
    config.write_text(
        f"listen: 127.0.0.1:{port}\nevaluationInterval: 1s\nstatusRefresh: 1s\n"
        "operatorNamespace: surefoot-system\nlogFormat: console\n"
    )
    account = bed.kubeconfig_for_service_account("surefoot-system", "surefoot")
    log = bed.directory / "operator.log"
    environment = {**os.environ, "KUBECONFIG": str(account)}
    with (
        log.open("wb") as file,
        subprocess.Popen(
            (program, "run", "--config", config), env=environment, stdout=file, stderr=file
        ) as process,
    ):
        try:
            wait_until(
                lambda: complaint(f"http://127.0.0.1:{port}/readyz") is None,
                SURELY,
                f"{program} to be ready; its log is {log}",
            )
            yield
        finally:
            process.terminate()


def install(bed: TestBed, root: Path) -> None:
    """Apply the CRDs and manifests of a checkout, and wait until a plan is taken."""
    apply = ("apply", "--server-side", "--force-conflicts")
    bed.kubectl(*apply, "-f", str(root / "crds"))
    wait_until(
        lambda: (
            bed.kubectl(*apply, "-k", str(root / "manifests/default"), check=False).returncode == 0
        ),
        SURELY,
        "the manifests to be applied",
    )
    probe = ("create", "--dry-run=server", "-f", "-")
    text = a_plan("probe", "default")
    wait_until(
        lambda: bed.kubectl(*probe, stdin=text, check=False).returncode == 0,
        SURELY,
        "the policies to know the kinds",
    )


def decide(bed: TestBed, resource: str, name: str, by: str) -> None:
    """Say GO in somebody's name, once it is asked for. What RBAC allows is no matter here."""
    words = "summary" if resource == "checkpoints" else "reason"
    change = json.dumps({"spec": {"decision": "GO", words: f"GO by {by}"}})
    command = (
        *("patch", f"{resource}.surefoot.dev", name, f"-n={NAMESPACE}", "--type=merge"),
        *("-p", change, f"--as={by}", "--as-group=system:masters"),
    )
    wait_until(
        lambda: bed.kubectl(*command, check=False).returncode == 0,
        SURELY,
        f"{name} to be asked for",
    )


def rollout(bed: TestBed, name: str) -> JSON:
    """The Rollout as it is."""
    text = bed.kubectl("get", "rollouts.surefoot.dev", name, f"-n={NAMESPACE}", "-o=json").stdout
    found: JSON = json.loads(text)
    return found


def leave_half_way(bed: TestBed, *names: str) -> None:
    """Go to 25% with every signature, report, and sign for 50% by one of two roles."""
    bed.kubectl("create", "namespace", NAMESPACE)
    for name in names:
        bed.kubectl("apply", "--server-side", "-f", "-", stdin=a_plan(name))
    for name in names:
        _go_half_way(bed, name)


def a_plan(name: str, namespace: str = NAMESPACE) -> str:
    """The plan of this name."""
    return PLAN.format(name=name, namespace=namespace)


def _go_half_way(bed: TestBed, name: str) -> None:
    def status() -> JSON:
        found: JSON = rollout(bed, name).get("status", {})  # there is none before it was judged
        return found

    def percent() -> int:
        return int(status().get("percent", -1))

    def waits_for_one() -> bool:
        # Right after a move the roles of the next step are not named yet.
        asked = {each["role"]: each for each in status().get("approvals", ())}
        if not asked.keys() >= {"security", "lead"}:
            return False
        return "by" in json.dumps(asked["security"]) and asked["lead"]["state"] == "Pending"

    wait_until(lambda: percent() == 10, SURELY, "10%")
    decide(bed, "checkpoints", f"{name}-10-report", "atlas")
    decide(bed, "approvals", f"{name}-25-security", "hudson")
    decide(bed, "approvals", f"{name}-25-lead", "forge")
    wait_until(lambda: percent() == 25, SURELY, "25%")
    decide(bed, "checkpoints", f"{name}-25-report", "atlas")
    decide(bed, "approvals", f"{name}-50-security", "hudson")
    wait_until(waits_for_one, SURELY, "one of two signatures to be seen")


def writes(bed: TestBed, *, since: int = 0) -> list[JSON]:
    """What was written into the namespace, in the order of the store."""
    done = [
        event["responseObject"]
        for event in audit_events(bed, about=NAMESPACE, from_byte=since)
        if event["verb"] in {"create", "update", "patch"}
        and event.get("objectRef", {}).get("namespace") == NAMESPACE
        and event["objectRef"]["resource"] in KINDS
        and event["objectRef"].get("name") != "kube-root-ca.crt"
        and event["responseStatus"]["code"] < 300
        and "dryRun" not in event["requestURI"]
    ]
    return sorted(done, key=lambda found: int(found["metadata"]["resourceVersion"]))


def stored(
    done: list[JSON], name: str, so: Callable[[JSON, str], bool] | None = None
) -> list[JSON]:
    """What was stored of one Rollout when ``so`` held of it and its flag; by default at the end."""
    store: dict[str, JSON] = {}
    for found in done:
        metadata = found["metadata"]
        if metadata["name"] == name or metadata["name"].startswith(f"{name}-"):
            metadata.pop("managedFields", None)
            store[f"{found['kind']}/{metadata['name']}"] = found
        flag = store.get(f"ConfigMap/{name}-flags")
        if so is not None and flag and so(store[f"Rollout/{name}"], flag["data"][name]):
            break
    else:
        assert so is None, "that moment never came"
    return [*store.values()]


def moments(done: list[JSON]) -> list[JSON]:
    """One Rollout that waits, one between intent and apply, one between apply and commit."""

    def goes_to_25(found: JSON) -> bool:
        return bool(found.get("status", {}).get("pending", {}).get("to") == 25)

    return [
        *stored(done, WAITING),
        *stored(done, INTENDED, lambda found, flag: goes_to_25(found) and flag == "10"),
        *stored(done, APPLIED, lambda found, flag: goes_to_25(found) and flag == "25"),
    ]


def main() -> int:
    """Record: `python -m tests.packaging.previous` writes the test data again."""
    with TestBed.start(prometheus=False) as bed:
        root = installed(bed.directory / "previous")
        install(bed, root)
        with operator(bed, root / ".venv/bin/surefoot"):
            leave_half_way(bed, WAITING, INTENDED, APPLIED)
        found = moments(writes(bed))
    STORED.parent.mkdir(exist_ok=True)
    STORED.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", "utf-8")
    print(f"{len(found)} objects in {STORED.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
