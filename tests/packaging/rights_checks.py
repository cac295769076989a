"""Each command of the plugin with the rights of docs/rights.md, and with one less.

`make install-test` runs this file: it starts some hundred programs.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from surefoot.api.v1alpha1.meta import HALT_CONFIGMAP
from surefoot.testbed.bed import TestBed
from surefoot.testbed.users import User
from tests.packaging.rights import Needs, table
from tests.support.crds import serve_crds
from tests.support.requests import a_request, a_rollout, made, path_of
from tests.support.testbed import SURELY, wait_until

WHY = ("--reason", "because", "--yes")
WORDS: dict[str, tuple[str, ...]] = {
    "get": ("get",),
    "record export": ("record", "export", "checkout"),
    "record verify": ("record", "verify", "checkout"),
    "document": ("document", "checkout", "--step", "100"),
    "approve": ("approve", "checkout", "--role", "security", *WHY),
    "reject": ("reject", "checkout", "--role", "security", *WHY),
    "withdraw": ("withdraw", "checkout", "--role", "security", *WHY),
    "acknowledge": ("acknowledge", "hour-48", *WHY),
    "checkpoint": ("checkpoint", "checkout", "hour-48", "--go", "--summary", "fine", "--yes"),
    "resume": ("resume", "checkout", "--force"),  # who made it has set the field
    "rollback": ("rollback", "checkout", "--to", "0", *WHY),
    "halt": ("halt", "--reason", "because"),
    "unhalt": ("unhalt", "--reason", "because"),
}
"""How each command is called; the others take nothing but the Rollout's name."""

WRITES = ("patch", "create")
DECIDE = ("approve", "reject", "withdraw", "acknowledge", "checkpoint")
"""Commands that write only what an operator has asked for, and none runs here.

`tests/operator/test_plugin.py` has them write, with the roles that are shipped.
"""


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestBed]:
    """A control plane with nothing but the CRDs."""
    folder = tmp_path_factory.mktemp("rights")
    with TestBed.start(folder / "bed", prometheus=False, owner=os.getpid()) as bed:
        serve_crds(bed)
        yield bed


@dataclass(frozen=True, slots=True)
class Attempt:
    """A command by somebody who has exactly these rights."""

    needs: Needs
    lacks: tuple[str, str] | None
    number: int

    @property
    def name(self) -> str:
        """The user, and the namespace that the attempt has for itself."""
        return f"attempt-{self.number}"


def attempts() -> list[Attempt]:
    """Every command with all of its rights, and with all but one of them."""
    pairs = [(needs, lacks) for needs in table() for lacks in (None, *needs.rights)]
    return [Attempt(needs, lacks, number) for number, (needs, lacks) in enumerate(pairs)]


def _prepare(bed: TestBed, attempt: Attempt) -> Path:
    """Make the attempt's namespace, objects, user and role; return the user's kubeconfig."""
    name = attempt.name
    rules = [
        {
            "apiGroups": ["" if resource == "configmaps" else "surefoot.dev"],
            "resources": [resource],
            "verbs": [verb],
        }
        for verb, resource in attempt.needs.rights
        if (verb, resource) != attempt.lacks
    ]
    with bed.client() as admin:
        rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{name}"
        for path, body in (
            ("/api/v1/namespaces", {"metadata": {"name": name}}),
            (f"{rbac}/roles", {"metadata": {"name": name}, "rules": rules}),
            (
                f"{rbac}/rolebindings",
                {
                    "metadata": {"name": name},
                    "roleRef": {
                        "apiGroup": "rbac.authorization.k8s.io",
                        "kind": "Role",
                        "name": name,
                    },
                    "subjects": [
                        {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}
                    ],
                },
            ),
        ):
            admin.post(path, json=body).raise_for_status()
        paused = {"paused": True} if attempt.needs.command == "resume" else {}
        plan = a_rollout("checkout", rehearsal={"maxAge": "7d"}, **paused)
        rollout = made(admin, name, plan)
        status = {"percent": 10, "rolledBack": attempt.needs.command == "retry"}
        path = f"{path_of(rollout)}/status"
        rollout = admin.put(path, json=rollout | {"status": status}).raise_for_status().json()
        for kind in ("Approval", "Checkpoint"):
            request = a_request(kind, "hour-48", rollout)
            request["spec"]["request"]["users"] = [name]
            made(admin, name, request)
        if attempt.needs.command == "unhalt":
            halt = {"metadata": {"name": HALT_CONFIGMAP}, "data": {"reason": "a test"}}
            admin.post(f"/api/v1/namespaces/{name}/configmaps", json=halt).raise_for_status()
    return bed.add_user(User(name))


def _run(kubeconfig: Path, attempt: Attempt) -> str:
    command = attempt.needs.command
    words = (*WORDS.get(command, (command, "checkout")), "-n", attempt.name)
    answer = subprocess.run(
        [sys.executable, "-c", "from surefoot.plugin.app import main; main()", *words],
        env={**os.environ, "KUBECONFIG": str(kubeconfig)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Usage:" not in answer.stderr, answer.stderr
    return answer.stderr


def test_commands_need_the_rights_that_the_page_names(bed: TestBed) -> None:
    """With all of them RBAC refuses nothing; with one less it refuses that one."""
    tried = attempts()
    kubeconfigs = [_prepare(bed, attempt) for attempt in tried]
    last = tried[-1]
    with bed.client(last.name) as client:
        verb, resource = next(right for right in last.needs.rights if right != last.lacks)
        wait_until(lambda: _may(client, last.name, verb, resource), SURELY, "the roles to act")
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(_run, kubeconfigs, tried))
    faults = []
    for attempt, answer in zip(tried, answers, strict=True):
        if attempt.lacks is None:
            if "cannot" in answer:
                faults.append(f"{attempt.needs.command} needs more: {answer}")
            continue
        verb, resource = attempt.lacks
        if verb in WRITES and attempt.needs.command in DECIDE:
            continue
        if not re.search(rf'cannot {verb} resource "{resource}"', answer):
            faults.append(f"{attempt.needs.command} does without {verb} {resource}: {answer}")
    assert not faults, "\n".join(faults)


def _may(client: httpx.Client, namespace: str, verb: str, resource: str) -> bool:
    attributes = {
        "namespace": namespace,
        "verb": verb,
        "resource": resource,
        "group": "" if resource == "configmaps" else "surefoot.dev",
    }
    review = client.post(
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        json={"spec": {"resourceAttributes": attributes}},
    ).raise_for_status()
    return bool(review.json()["status"]["allowed"])
