"""The opt-in hardening of `manifests/hardening`, on a control plane that has all of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from surefoot.testbed.bed import TestBed
from tests.support.policies import POLICIES, prepare
from tests.support.requests import (
    MERGE,
    OPERATOR,
    a_flag,
    a_request,
    a_rollout,
    bound,
    client_of_account,
    client_with_token,
    collection,
    decision_by,
    made,
    patched,
    path_of,
)
from tests.support.testbed import SURELY, audit_events, new_namespace, wait_until

pytestmark = [pytest.mark.apiserver]

JSON = dict[str, Any]

HARDENING = POLICIES.parent / "hardening"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture(scope="module")
def static_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the API server looks for policies on its disk; they are there before it starts."""
    folder = tmp_path_factory.mktemp("static")
    _lay(folder)
    return folder


def _lay(folder: Path) -> None:
    for file in (HARDENING / "static-guard" / "policies").iterdir():
        # Renamed into place, as a file that is half written would be read.
        partial = folder.parent / file.name
        partial.write_text(file.read_text())
        partial.replace(folder / file.name)


@pytest.fixture(scope="module")
def hardened(static_folder: Path) -> Iterator[TestBed]:
    """A bed with the policies and every hardening, the guard on the API server's disk first."""
    configuration = yaml.safe_load((HARDENING / "static-guard" / "admission.yaml").read_text())
    configuration["plugins"][0]["configuration"]["staticManifestsDir"] = str(static_folder)
    file = static_folder.parent / "admission.yaml"
    file.write_text(yaml.safe_dump(configuration))
    flags = [f"--admission-control-config-file={file}"]
    with TestBed.start(prometheus=False, api_server_flags=flags) as bed:
        prepare(bed)
        for name in ("credential-id", "pod-bound-operator", "required-gates"):
            bed.kubectl("apply", "--server-side", "-k", str(HARDENING / name))
        yield bed


@pytest.fixture(scope="module")
def admin(hardened: TestBed) -> Iterator[httpx.Client]:
    """An HTTP client of somebody in system:masters."""
    with hardened.client() as client:
        yield client


@pytest.fixture
def space(hardened: TestBed, admin: httpx.Client) -> str:
    """The name of a fresh namespace."""
    return new_namespace(admin)


@pytest.fixture(scope="module")
def in_a_pod(hardened: TestBed, admin: httpx.Client) -> Iterator[httpx.Client]:
    """An HTTP client with a token such as the kubelet gives the operator's Pod."""
    pods = f"/api/v1/namespaces/{OPERATOR[0]}/pods"
    pod = wait_until(
        lambda: admin.get(pods).raise_for_status().json()["items"], SURELY, "the operator's Pod"
    )[0]
    reference = {
        "kind": "Pod",
        "apiVersion": "v1",
        "name": pod["metadata"]["name"],
        "uid": pod["metadata"]["uid"],
    }
    token = admin.post(
        "/api/v1/namespaces/{}/serviceaccounts/{}/token".format(*OPERATOR),
        json={
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"boundObjectRef": reference},
        },
    ).raise_for_status()
    with client_with_token(hardened, token.json()["status"]["token"]) as client:
        yield client


def _is_refused_by(policy: str, answer: httpx.Response) -> bool:
    return answer.status_code == 403 and f"'{policy}' with binding" in answer.text


# A credential of one's own


def test_decision_by_impersonation_is_refused_and_by_certificate_is_not(
    hardened: TestBed, admin: httpx.Client, in_a_pod: httpx.Client, space: str
) -> None:
    """Anyone who may impersonate hudson is not hudson."""
    bound(admin, space, "surefoot-approver", user="hudson")
    rollout = made(admin, space, a_rollout("checkout"))
    approval = made(in_a_pod, space, a_request("Approval", "checkout-100", rollout))
    decision = decision_by("hudson")

    def impersonated(**options: str) -> bool:
        headers = {**MERGE, "Impersonate-User": "hudson"}
        answer = admin.request(
            "PATCH", path_of(approval), params=options, json=decision, headers=headers
        )
        return _is_refused_by("credential-id.hardening.surefoot.dev", answer)

    wait_until(lambda: impersonated(dryRun="All"), SURELY, "the role and the policy to act")
    assert impersonated()
    with hardened.client("hudson") as hudson:
        answer = patched(hudson, approval, decision)
    assert answer.is_success, answer.text
    assert answer.json()["spec"]["decidedBy"]["username"] == "hudson"


def test_made_up_credential_is_let_pass_and_recorded(
    hardened: TestBed, admin: httpx.Client, in_a_pod: httpx.Client, space: str
) -> None:
    """The limit that is documented: the audit log says who it was."""
    rollout = made(admin, space, a_rollout("checkout"))
    approval = made(in_a_pod, space, a_request("Approval", "checkout-100", rollout))
    headers = {
        **MERGE,
        "Impersonate-User": "hudson",
        "Impersonate-Group": "system:masters",  # for RBAC; it decides nothing here
        "Impersonate-Extra-Authentication.kubernetes.io%2Fcredential-id": "made-up",
    }
    answer = admin.request("PATCH", path_of(approval), json=decision_by("hudson"), headers=headers)
    assert answer.is_success, answer.text
    identity = answer.headers["Audit-Id"]
    [event] = [
        each for each in audit_events(hardened, about=identity) if each["auditID"] == identity
    ]
    assert event["user"]["username"] == "admin"
    assert event["impersonatedUser"]["username"] == "hudson"
    assert "made-up" in str(event["impersonatedUser"]["extra"])


def test_writes_that_decide_nothing_need_no_credential(
    hardened: TestBed, admin: httpx.Client, in_a_pod: httpx.Client, space: str
) -> None:
    """Labels of one's own may be put on an Approval by anybody who may patch it."""
    rollout = made(admin, space, a_rollout("checkout"))
    approval = made(in_a_pod, space, a_request("Approval", "checkout-100", rollout))
    headers = {**MERGE, "Impersonate-User": "cora", "Impersonate-Group": "system:masters"}
    change = {"metadata": {"labels": {"team": "shop"}}}
    answer = admin.request("PATCH", path_of(approval), json=change, headers=headers)
    assert answer.is_success, answer.text


# The operator's account writes from its Pod


@pytest.fixture(params=["impersonated", "token made by hand"])
def pretender(
    request: pytest.FixtureRequest, hardened: TestBed, admin: httpx.Client
) -> Iterator[httpx.Client]:
    """Somebody who is the operator by name, and not in its Pod."""
    if request.param == "impersonated":
        with hardened.client() as client:
            client.headers["Impersonate-User"] = "system:serviceaccount:{}:{}".format(*OPERATOR)
            yield client
    else:
        with client_of_account(hardened, *OPERATOR) as client:
            yield client


def test_operators_account_writes_from_its_pod_only(
    hardened: TestBed,
    admin: httpx.Client,
    in_a_pod: httpx.Client,
    pretender: httpx.Client,
    space: str,
) -> None:
    """Requests, status and flags alike; the same writes go through from the Pod."""
    rollout = made(admin, space, a_rollout("checkout"))
    approval = a_request("Approval", "checkout-100", rollout)
    flag = a_flag("checkout-flags", rollout)

    def tried(client: httpx.Client, **options: str) -> dict[str, httpx.Response]:
        status = {**rollout, "status": {"percent": 10}}
        return {
            "open": client.post(collection("Approval", space), params=options, json=approval),
            "status": client.put(f"{path_of(rollout)}/status", params=options, json=status),
            "flag": client.post(collection("ConfigMap", space), params=options, json=flag),
        }

    def is_refused(answer: httpx.Response) -> bool:
        return answer.status_code == 403 and "hardening.surefoot.dev" in answer.text

    wait_until(
        # Nothing may be stored before they act: what is there already is no longer refused by them.
        lambda: all(map(is_refused, tried(pretender, dryRun="All").values())),
        SURELY,
        "the policies to act",
    )
    assert all(map(is_refused, tried(pretender).values()))
    accepted = tried(in_a_pod)
    assert {what: answer.is_success for what, answer in accepted.items()} == {
        "open": True,
        "status": True,
        "flag": True,
    }
    written = accepted["flag"].json()
    assert patched(pretender, {**written, "kind": "ConfigMap"}, {}).status_code == 403
    assert pretender.delete(path_of({**written, "kind": "ConfigMap"})).status_code == 403


# A plan asks for gates

GATED: JSON = {
    "steps": [{"percent": 0}, {"percent": 10}, {"percent": 100}],
    "hold": {
        "soak": "24h",
        "checkpoints": [{"name": "report", "reporter": {"users": ["atlas"]}}],
    },
    "approvals": {"roles": [{"name": "lead", "users": ["cora"]}]},
    "metrics": [{"name": "errors", "query": "vector(0)"}],
    "triggers": [{"name": "errors", "above": 1}],
}


@pytest.fixture
def strict_space(admin: httpx.Client, space: str) -> str:
    """A namespace in which plans must ask for gates, once that is so."""
    labels = {"metadata": {"labels": {"surefoot.dev/gates": "required"}}}
    answer = admin.request(
        "PATCH", f"/api/v1/namespaces/{space}", json=labels, headers=MERGE
    ).raise_for_status()
    assert answer.json()["metadata"]["labels"]["surefoot.dev/gates"] == "required"
    _wait_for_the_gates(admin, space)
    return space


def _wait_for_the_gates(admin: httpx.Client, space: str) -> None:
    def is_refused() -> bool:
        answer = _tried(admin, space, a_rollout("probe"))
        return _is_refused_by("required-gates.hardening.surefoot.dev", answer)

    wait_until(is_refused, SURELY, "the policy to act")


def _tried(client: httpx.Client, space: str, rollout: JSON) -> httpx.Response:
    return client.post(collection("Rollout", space), params={"dryRun": "All"}, json=rollout)


def test_plan_with_every_gate_is_taken(admin: httpx.Client, strict_space: str) -> None:
    """At 0% nothing can be observed, and after 100% nothing follows."""
    answer = _tried(admin, strict_space, a_rollout("checkout", **GATED))
    assert answer.is_success, answer.text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"approvals": {}}, "must ask for approvals"),
        ({"steps": [{"percent": 10, "hold": {"approvals": {}}}, {"percent": 100}]}, "must ask for"),
        ({"approvals": {**GATED["approvals"], "separationOfDuties": "Off"}}, "separationOfDuties"),
        ({"hold": {**GATED["hold"], "soak": "0s"}}, "must have a soak"),
        ({"hold": {"checkpoints": GATED["hold"]["checkpoints"]}}, "must have a soak"),
        ({"steps": [{"percent": 10, "hold": {"soak": "0h0m"}}, {"percent": 100}]}, "have a soak"),
        ({"hold": {"soak": "24h"}}, "must have a checkpoint"),
        (
            {"steps": [{"percent": 10, "hold": {"checkpoints": []}}, {"percent": 100}]},
            "must have a checkpoint",
        ),
        ({"triggers": []}, "must have a trigger that rolls back"),
        ({"triggers": [{**GATED["triggers"][0], "action": "Hold"}]}, "must have a trigger"),
    ],
)
def test_plan_without_a_gate_is_refused(
    admin: httpx.Client, strict_space: str, change: JSON, words: str
) -> None:
    """The refusal says which."""
    answer = _tried(admin, strict_space, a_rollout("checkout", **{**GATED, **change}))
    assert _is_refused_by("required-gates.hardening.surefoot.dev", answer), answer.text
    assert words in answer.text


def test_gates_can_not_be_taken_out_and_people_can_still_steer(
    admin: httpx.Client, strict_space: str
) -> None:
    """To pause or to go back changes no plan."""
    rollout = made(admin, strict_space, a_rollout("checkout", **GATED))
    answer = patched(admin, rollout, {"spec": {"approvals": None}})
    assert _is_refused_by("required-gates.hardening.surefoot.dev", answer), answer.text
    steering = {"spec": {"paused": True, "rollback": {"to": 0, "reason": "a test"}, "attempt": 1}}
    answer = patched(admin, rollout, steering)
    assert answer.is_success, answer.text


def test_plan_from_before_can_still_be_paused(admin: httpx.Client, space: str) -> None:
    """The label may come to a namespace in which there are rollouts already."""
    rollout = made(admin, space, a_rollout("checkout"))
    labels = {"metadata": {"labels": {"surefoot.dev/gates": "required"}}}
    admin.request("PATCH", f"/api/v1/namespaces/{space}", json=labels, headers=MERGE)
    _wait_for_the_gates(admin, space)
    assert patched(admin, rollout, {"spec": {"paused": True}}).is_success


# What guards is guarded


def _changes(admin: httpx.Client) -> dict[str, httpx.Response]:
    """What somebody with all rights would try; nothing is stored where it is let pass."""
    vap = f"{ADMISSION}/validatingadmissionpolicies"
    vapb = f"{ADMISSION}/validatingadmissionpolicybindings"
    mapb = f"{ADMISSION}/mutatingadmissionpolicybindings"
    crd = f"{CRDS}/approvals.surefoot.dev"
    without_rules = admin.get(crd).raise_for_status().json()
    spec = without_rules["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    del spec["x-kubernetes-validations"]
    service = "/apis/apiregistration.k8s.io/v1/apiservices/v1alpha1.surefoot.dev"

    def patch(path: str, spec: JSON) -> httpx.Response:
        return admin.request(
            "PATCH", path, params={"dryRun": "All"}, json={"spec": spec}, headers=MERGE
        )

    def delete(path: str) -> httpx.Response:
        return admin.delete(path, params={"dryRun": "All"})

    only_ours = {"labelSelector": "app.kubernetes.io/name=surefoot", "dryRun": "All"}
    return {
        "delete a policy": delete(f"{vap}/surefoot-decisions"),
        "delete all policies": admin.delete(vap, params=only_ours),
        "delete a hardening": delete(f"{vap}/credential-id.hardening.surefoot.dev"),
        "let a policy fail open": patch(f"{vap}/surefoot-status", {"failurePolicy": "Ignore"}),
        "delete a binding": delete(f"{vapb}/surefoot-configmaps"),
        "only warn": patch(f"{vapb}/surefoot-decisions", {"validationActions": ["Warn"]}),
        "delete a mutation": delete(f"{mapb}/surefoot-decided-by"),
        "delete a CRD": delete(crd),
        "loosen a CRD": admin.put(crd, params={"dryRun": "All"}, json=without_rules),
        "redirect the group": patch(
            service, {"service": {"name": "forged", "namespace": "default"}}
        ),
        "delete the group": delete(service),
    }


def test_nobody_changes_what_the_guard_protects(admin: httpx.Client) -> None:
    """Not even system:masters, and not in bulk."""
    let_pass = {
        what: answer.text
        for what, answer in _changes(admin).items()
        if not _is_refused_by("surefoot-guard.static.k8s.io", answer)
    }
    assert let_pass == {}


def test_guard_itself_is_out_of_reach(admin: httpx.Client) -> None:
    """It is not an object of the API, and none of its name can be made."""
    name = "surefoot-guard.static.k8s.io"
    assert admin.get(f"{ADMISSION}/validatingadmissionpolicies/{name}").status_code == 404
    harmless = {
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {"resourceRules": []},
            "validations": [{"expression": "true"}],
        },
    }
    answer = admin.post(f"{ADMISSION}/validatingadmissionpolicies", json=harmless)
    assert not answer.is_success


def test_guard_lets_pass_what_changes_nothing_and_what_is_others(
    hardened: TestBed, admin: httpx.Client
) -> None:
    """A GitOps tool applies the same again and again; other policies are not its business."""
    hardened.kubectl("apply", "--server-side", "-k", str(POLICIES))
    hardened.kubectl("apply", "--server-side", "-f", str(POLICIES.parents[1] / "crds"))
    theirs = {
        "metadata": {"name": "theirs"},
        "spec": {
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": ["example.com"],
                        "apiVersions": ["*"],
                        "operations": ["*"],
                        "resources": ["*"],
                    }
                ]
            },
            "validations": [{"expression": "true"}],
        },
    }
    path = f"{ADMISSION}/validatingadmissionpolicies"
    admin.post(path, json=theirs).raise_for_status()
    admin.request(
        "PATCH", f"{path}/theirs", json={"spec": {"failurePolicy": "Ignore"}}, headers=MERGE
    ).raise_for_status()
    admin.delete(f"{path}/theirs").raise_for_status()


def test_guard_is_lifted_on_the_disk_for_an_upgrade_and_laid_back(
    admin: httpx.Client, static_folder: Path
) -> None:
    """The API server sees the folder change; no restart is needed."""
    [guard] = static_folder.iterdir()
    guard.unlink()

    def allowed() -> set[str]:
        return {what for what, answer in _changes(admin).items() if answer.is_success}

    # The API server has one admission for its own kinds, one for CRDs and one for groups of others:
    # each of them sees the folder change in its own time.
    lifted = {"delete a policy", "delete a CRD", "loosen a CRD", "redirect the group"}
    try:
        wait_until(lambda: lifted <= allowed(), SURELY, "the guard to be gone")
    finally:
        _lay(static_folder)
    wait_until(lambda: not allowed(), SURELY, "the guard to be back")
