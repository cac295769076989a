"""The policies and the API servers that act on them: restarted, several at once, and older ones."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from surefoot.testbed.bed import TestBed
from tests.contract.manifests import changed
from tests.support.policies import (
    POLICIES,
    all_is_seen,
    fills_in_names,
    in_force,
    prepare,
    refuses_a_flag,
)
from tests.support.requests import (
    MERGE,
    OPERATOR,
    a_flag,
    a_request,
    a_rollout,
    bound,
    client_of_account,
    collection,
    decision_by,
    made,
    patched,
    path_of,
)
from tests.support.testbed import SURELY, new_namespace, wait_until

pytestmark = [pytest.mark.apiserver]

JSON = dict[str, Any]

AFTERWARDS = 100
"""Refusals that each forger still gets once the API server says that it is ready."""

VALIDATING = "ValidatingAdmissionPolicy"


@pytest.fixture(scope="module")
def bed() -> Iterator[TestBed]:
    """A bed with policies whose API server may be restarted."""
    with TestBed.start(prometheus=False) as bed:
        prepare(bed)
        yield bed


class Stage:
    """A namespace with a Rollout, the Approvals that hudson is asked for, and a flag."""

    def __init__(self, bed: TestBed, *, annotations: JSON | None = None) -> None:
        with bed.client() as admin, client_of_account(bed, *OPERATOR) as operator:
            self.namespace = new_namespace(admin)
            bound(admin, self.namespace, "surefoot-approver", user="hudson")
            plan = changed(a_rollout("checkout"), {"metadata.annotations": annotations or {}})
            self.rollout = wait_until(
                lambda: made(admin, self.namespace, plan), SURELY, "the Rollout to be created"
            )
            self.first, self.second = (
                made(operator, self.namespace, a_request("Approval", name, self.rollout))
                for name in ("checkout-100-first", "checkout-100-second")
            )
            flag = made(operator, self.namespace, a_flag("checkout-flags", self.rollout))
            self.flag = {**flag, "kind": "ConfigMap"}

    def forgeries(self) -> dict[str, Callable[[httpx.Client], httpx.Response]]:
        """What somebody with all rights tries."""
        status = f"{path_of(self.rollout)}/status"
        percent = {"status": {"percent": 100}}
        return {
            "signs as another": lambda admin: patched(admin, self.first, decision_by("hudson")),
            "moves the flag": lambda admin: patched(admin, self.flag, {"data": {"checkout": "99"}}),
            "writes a status": lambda admin: admin.request(
                "PATCH", status, json=percent, headers=MERGE
            ),
        }

    def is_untouched(self, admin: httpx.Client) -> bool:
        """Whether all is stored as it was made."""
        return all(
            admin.get(path_of(manifest)).raise_for_status().json()["metadata"]["resourceVersion"]
            == manifest["metadata"]["resourceVersion"]
            for manifest in (self.rollout, self.first, self.second, self.flag)
        )


class Forger:
    """Tries one forgery again and again, also while nobody listens."""

    def __init__(self, bed: TestBed, forgery: Callable[[httpx.Client], httpx.Response]) -> None:
        self._bed = bed
        self._forgery = forgery
        self.answers: Counter[int] = Counter()
        self.admitted: list[str] = []

    def run(self, enough: threading.Event) -> None:
        """Try until it is enough."""
        with self._bed.client() as admin:
            while not enough.is_set():
                try:
                    answer = self._forgery(admin)
                except httpx.TransportError:
                    continue
                self.answers[answer.status_code] += 1
                if answer.is_success:
                    self.admitted.append(answer.text)


def test_no_forged_write_gets_in_while_the_api_server_restarts(bed: TestBed) -> None:
    """From the first connection that it accepts, the policies act or nothing does."""
    stage = Stage(bed)
    forgers = {what: Forger(bed, forgery) for what, forgery in stage.forgeries().items()}
    enough = threading.Event()
    with ThreadPoolExecutor(len(forgers)) as threads:
        running = [threads.submit(forger.run, enough) for forger in forgers.values()]
        try:
            bed.api_server.restart()
            ready = {what: forger.answers[403] for what, forger in forgers.items()}
            wait_until(
                lambda: all(
                    forger.answers[403] >= ready[what] + AFTERWARDS
                    for what, forger in forgers.items()
                ),
                SURELY,
                "the forgers to be answered",
            )
        finally:
            enough.set()
        for each in running:
            each.result()
    told = {what: dict(forger.answers) for what, forger in forgers.items()}
    admitted = {what: forger.admitted for what, forger in forgers.items() if forger.admitted}
    assert not admitted, f"admitted: {admitted}; answers by status: {told}"
    with bed.client() as admin:
        assert stage.is_untouched(admin)


def test_two_api_servers_refuse_and_serve_alike(bed: TestBed) -> None:
    """Policies that are applied through one act on both; a decision is seen by both."""
    other = bed.another_api_server()
    with bed.client() as admin, bed.client(server=other.server) as elsewhere:
        bed.kubectl("delete", "-k", str(POLICIES))
        all_is_seen(admin, admin, elsewhere)
        for api in (admin, elsewhere):
            assert not refuses_a_flag(api)
        in_force(bed)
        all_is_seen(admin, elsewhere)

        stage = Stage(bed)
        for what, forgery in stage.forgeries().items():
            for api in (admin, elsewhere):
                answer = forgery(api)
                assert answer.status_code == 403, f"{what} at {api.base_url}: {answer.text}"
                assert VALIDATING in answer.text
        assert stage.is_untouched(elsewhere)

        _decides(bed, stage.first, f"--server={bed.server}")
        _decides(bed, stage.second, f"--server={other.server}")
        for api in (admin, elsewhere):
            for approval in (stage.first, stage.second):
                spec = api.get(path_of(approval)).json()["spec"]
                assert (spec["decision"], spec["decidedBy"]["username"]) == ("GO", "hudson")


def _decides(bed: TestBed, approval: JSON, server: str) -> None:
    """Type what people are told to type, as hudson."""
    metadata = approval["metadata"]
    decision = json.dumps({"spec": {"decision": "GO", "reason": "no findings"}})
    command = (
        *("patch", "approvals.surefoot.dev", metadata["name"], "-n", metadata["namespace"]),
        *("--type=merge", "-p", decision, server),
    )
    wait_until(
        lambda: bed.kubectl(*command, user="hudson").returncode == 0, SURELY, "the role to act"
    )


OLDEST_EMULATED = "1.34"
"""The oldest that kube-apiserver 1.37 emulates: without mutating policies in version v1."""


def test_policies_without_mutation_hold_on_an_older_api_server() -> None:
    """They compile there without a complaint, refuse forged names and let right ones pass."""
    flags = [f"--emulated-version={OLDEST_EMULATED}"]
    with TestBed.start(prometheus=False, api_server_flags=flags) as bed, bed.client() as admin:
        prepare(bed)
        assert not fills_in_names(admin)
        wait_until(lambda: _complaints(admin) == {}, SURELY, "the policies to be type-checked")
        stamps = ("requested-by", "authors", "changed-by", "attempt-by")
        stage = Stage(bed, annotations={f"surefoot.dev/{stamp}": "admin" for stamp in stamps})
        for what, forgery in stage.forgeries().items():
            answer = forgery(admin)
            assert answer.status_code == 403, f"{what}: {answer.text}"
            assert VALIDATING in answer.text
        forged = admin.post(collection("Rollout", stage.namespace), json=a_rollout("forged"))
        assert forged.status_code == 403
        assert 'surefoot.dev/requested-by: "admin"' in forged.json()["message"]
        with bed.client("hudson") as hudson:
            wait_until(
                lambda: hudson.get(path_of(stage.first)).is_success, SURELY, "the role to act"
            )
            assert patched(hudson, stage.first, decision_by("cora")).status_code == 403
            assert patched(hudson, stage.first, decision_by("hudson")).is_success


def _complaints(admin: httpx.Client) -> JSON:
    """What the API server's type checker says of each policy; a policy not yet checked counts."""
    found = admin.get("/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies")
    statuses = {
        policy["metadata"]["name"]: policy.get("status", {})
        for policy in found.raise_for_status().json()["items"]
    }
    assert statuses
    return {
        name: status
        for name, status in statuses.items()
        if "observedGeneration" not in status
        or status.get("typeChecking", {}).get("expressionWarnings")
    }
