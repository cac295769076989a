"""What the operator's account and the roles for people may do, on a real API server.

What the operator does is read from the audit log while it is driven through everything it can do:
a permission that it does not use is one too many.
"""

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import structlog

from surefoot.adapters.settings import AdmissionMode
from surefoot.application.rbac import ROLE_REMEDY
from surefoot.testbed.bed import TestBed
from tests.contract.manifests import changed
from tests.support.requests import (
    MERGE,
    OPERATOR,
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
from tests.support.scene import MANIFESTS, Scene
from tests.support.testbed import SURELY, audit_events, wait_until

pytestmark = pytest.mark.apiserver

JSON = dict[str, Any]

WHO_AM_I = ("create", "authentication.k8s.io", "selfsubjectreviews", None)
"""Kubernetes lets everybody ask."""


class Permission(NamedTuple):
    """One thing that may be done, or was. ``name`` where the rule is for certain names only."""

    verb: str
    group: str
    resource: str
    name: str | None


def _expanded(rules: Iterable[Mapping[str, Any]]) -> set[Permission]:
    return {
        Permission(verb, group, resource, name)
        for rule in rules
        for verb in rule["verbs"]
        for group in rule.get("apiGroups", ())
        for resource in rule.get("resources", ())
        for name in rule.get("resourceNames") or [None]
    }


def _granted(bed: TestBed) -> set[Permission]:
    role = bed.kubectl("get", "clusterrole", "surefoot-operator", "--output=json").stdout
    return _expanded(json.loads(role)["rules"])


def _events_of_the_operator(scene: Scene) -> list[JSON]:
    """What its account asked for, about this namespace, its own, and the whole cluster."""
    account = "system:serviceaccount:{}:{}".format(*OPERATOR)
    return [
        event
        for event in audit_events(scene.bed, about=account, from_byte=scene.audit_from)
        if event["user"]["username"] == account
        and event.get("objectRef", {}).get("namespace") in {None, scene.namespace, OPERATOR[0]}
    ]


def _used(events: Iterable[JSON], granted: set[Permission]) -> set[Permission]:
    """As permissions: with names only where those are granted by name."""
    by_name = {(each.group, each.resource) for each in granted if each.name is not None}
    found = set()
    for event in events:
        if "objectRef" not in event:  # discovery
            continue
        reference = event["objectRef"]
        group = reference.get("apiGroup", "")
        parts = (reference["resource"], reference.get("subresource"))
        resource = "/".join(part for part in parts if part)
        name = reference.get("name") if (group, resource) in by_name else None
        found.add(Permission(event["verb"], group, resource, name))
    return found


async def _advance_with_report_and_signature(scene: Scene) -> None:
    """Report, signature, advance; somebody has taken the names that would be tried first."""
    report, signature = f"{scene.name}-10-report", f"{scene.name}-100-security"
    of_another = {"metadata": {"name": "another", "uid": "none"}}
    for kind, name in (("Checkpoint", report), ("Approval", signature)):
        taken = changed(a_request(kind, name, of_another), {"metadata.ownerReferences": []})
        await scene.create(f"{kind.lower()}s", taken)
    await scene.when_the_plan_is_patched(
        approvals={"roles": [{"name": "security", "users": ["hudson"]}]},
        hold={"soak": None, "checkpoints": [{"name": "report", "reporter": {"users": ["atlas"]}}]},
    )
    await scene.then_request("checkpoints", f"{report}-r2", "Pending")
    await scene.patch("checkpoints", f"{report}-r2", decision_by("atlas", "Checkpoint"))
    await scene.then_request("approvals", f"{signature}-r2", "Pending")
    await scene.patch("approvals", f"{signature}-r2", decision_by("hudson"))
    await scene.then_at(100)


async def _drive_through_everything(scene: Scene) -> None:
    """Start, drift, an immutable flag, halt, advance, rollback, release; at last the policies."""
    await scene.given_a_rollout(steps=(10, 100), hold={"soak": "1h"})
    async with scene.an_operator():
        await scene.then_at(10)
        await scene.when_somebody_changes_the_flag("100")
        await scene.then_at(10)
        change = {"immutable": True, "data": {scene.name: "100"}}
        await scene.patch("configmaps", scene.target, change)
        await scene.then_at(10)
        halt = {"metadata": {"name": "surefoot-halt"}, "data": {"reason": "a test"}}
        await scene.create("configmaps", halt)
        await scene.then_phase("Paused")
        await scene.delete("configmaps", "surefoot-halt")
        await _advance_with_report_and_signature(scene)
        await scene.when_the_plan_is_patched(rollback={"to": 10, "reason": "a test"})
        await scene.then_at(10)
        await scene.delete("rollouts", scene.name)

        async def released() -> bool:
            found = await scene.get("configmaps", scene.target)
            assert found is not None
            return "surefoot.dev/managed" not in found["metadata"].get("labels", {})

        await scene.until(released, "the flag to be released")
    await scene.given_a_rollout(steps=(10, 100))
    async with scene.an_operator(admission=AdmissionMode.ENFORCED):
        await scene.then_condition("AdmissionEnforced", "False")


async def test_operator_uses_everything_that_it_may_and_asks_for_nothing_else(
    scene: Scene,
) -> None:
    """By the audit log of an operator that was driven through all that it does."""
    await _drive_through_everything(scene)
    events = _events_of_the_operator(scene)
    refused = [
        event["requestURI"]
        for event in events
        if event.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid"
    ]
    assert refused == []
    granted = _granted(scene.bed)
    assert _used(events, granted) - {WHO_AM_I} == granted


@pytest.fixture
def as_operator(testbed: TestBed, service_account: Path) -> Iterator[httpx.Client]:
    """An HTTP client with a token of the operator's account."""
    with client_of_account(testbed, *OPERATOR) as client:
        yield client


def test_nothing_else_grants_the_operator_anything(
    testbed: TestBed, as_operator: httpx.Client
) -> None:
    """What the authorizer counts up is what every service account may, and the two roles.

    In its own namespace it also has the Lease that replicas hold in turns.
    """
    with client_of_account(testbed, OPERATOR[0], "default") as nobody_special:
        everybody_may = _counted_up(nobody_special)
    lease = ("get", "role", "surefoot-leader-election", f"-n={OPERATOR[0]}", "--output=json")
    at_home = _expanded(json.loads(testbed.kubectl(*lease).stdout)["rules"])
    assert _counted_up(as_operator) - everybody_may == _granted(testbed) | at_home


def _counted_up(client: httpx.Client) -> set[Permission]:
    review = client.post(
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
        json={
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": OPERATOR[0]},
        },
    )
    found = review.raise_for_status().json()["status"]
    assert not found["incomplete"]
    return _expanded(found["resourceRules"])


ROLLOUTS = "/apis/surefoot.dev/v1alpha1/namespaces/{}/rollouts"
APPROVALS = "/apis/surefoot.dev/v1alpha1/namespaces/{}/approvals"
CHECKPOINTS = "/apis/surefoot.dev/v1alpha1/namespaces/{}/checkpoints"
CONFIG_MAPS = "/api/v1/namespaces/{}/configmaps"
POLICIES = "/apis/admissionregistration.k8s.io/v1"
NOT_THE_OPERATORS = (
    ("POST", ROLLOUTS),
    ("PUT", f"{ROLLOUTS}/some"),
    ("PATCH", f"{ROLLOUTS}/some"),
    ("DELETE", f"{ROLLOUTS}/some"),
    ("DELETE", ROLLOUTS),
    ("PATCH", f"{ROLLOUTS}/some/status"),
    ("PUT", f"{APPROVALS}/some"),
    ("PATCH", f"{APPROVALS}/some"),
    ("DELETE", f"{APPROVALS}/some"),
    ("DELETE", APPROVALS),
    ("PATCH", f"{APPROVALS}/some/status"),
    ("PATCH", f"{CHECKPOINTS}/some"),
    ("DELETE", f"{CHECKPOINTS}/some"),
    ("PATCH", f"{CONFIG_MAPS}/some"),
    ("DELETE", CONFIG_MAPS),
    ("GET", "/api/v1/namespaces/{}/secrets"),
    ("GET", "/api/v1/namespaces/{}/pods"),
    ("POST", "/api/v1/namespaces/{}/pods"),
    ("POST", "/api/v1/namespaces/{}/serviceaccounts/default/token"),
    ("GET", "/api/v1/namespaces"),
    ("DELETE", "/api/v1/namespaces/{}"),
    ("GET", "/apis/events.k8s.io/v1/namespaces/{}/events"),
    ("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"),
    ("DELETE", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/rollouts.surefoot.dev"),
    ("GET", f"{POLICIES}/validatingadmissionpolicies/somebody-elses"),
    ("PATCH", f"{POLICIES}/validatingadmissionpolicies/surefoot-decisions"),
    ("DELETE", f"{POLICIES}/validatingadmissionpolicybindings/surefoot-decisions"),
    ("DELETE", f"{POLICIES}/mutatingadmissionpolicies/surefoot-stamps"),
    ("POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings"),
)


@pytest.mark.parametrize(("verb", "path"), NOT_THE_OPERATORS, ids=str)
def test_operator_is_refused(
    as_operator: httpx.Client, verb: str, path: str, namespace: str
) -> None:
    """By RBAC, before anything looks at what was sent."""
    answer = as_operator.request(
        verb,
        path.format(namespace),
        json=None if verb in {"GET", "DELETE"} else {},
        headers=MERGE if verb == "PATCH" else None,
    )
    assert answer.status_code == 403
    assert "cannot" in answer.json()["message"]


def test_operator_may_not_act_as_somebody_else(as_operator: httpx.Client) -> None:
    """Or it could sign for everybody."""
    answer = as_operator.get("/api/v1/namespaces/default", headers={"Impersonate-User": "hudson"})
    assert answer.status_code == 403
    assert "cannot impersonate" in answer.json()["message"]


class Served(NamedTuple):
    """The UIDs of what the API server served a request by."""

    flow: str
    level: str


SERVED_BY = ("X-Kubernetes-PF-FlowSchema-UID", "X-Kubernetes-PF-PriorityLevel-UID")
MOVES_A_FLAG = (
    ("GET", "/api/v1/namespaces/{}/configmaps/none"),
    ("PUT", "/api/v1/namespaces/{}/configmaps/none"),
    ("GET", f"{ROLLOUTS}/none"),
    ("PUT", f"{ROLLOUTS}/none/status"),
)
CAN_WAIT = (
    ("GET", "/api/v1/namespaces/{}/configmaps"),
    ("GET", ROLLOUTS),
    ("POST", APPROVALS),
    ("PUT", f"{APPROVALS}/none/status"),
    ("POST", "/apis/events.k8s.io/v1/namespaces/{}/events"),
)


def test_api_server_serves_what_moves_a_flag_at_a_level_of_its_own(
    testbed: TestBed, as_operator: httpx.Client, namespace: str
) -> None:
    """Once `manifests/priority` is there: lists, events and requests for people take no seat of it.

    The API server says with each answer, whatever it is, by which rule the request was served.
    """
    testbed.kubectl("apply", "--server-side", "-k", str(MANIFESTS.parent / "priority"))
    own = _served_as(testbed, "surefoot-flags", "surefoot-flags")
    shared = _served_as(testbed, "surefoot", "workload-high")

    def served(requests: Iterable[tuple[str, str]]) -> set[Served]:
        answers = [
            as_operator.request(verb, path.format(namespace), json=None if verb == "GET" else {})
            for verb, path in requests
        ]
        return {Served(*(answer.headers[header] for header in SERVED_BY)) for answer in answers}

    wait_until(
        lambda: (served(MOVES_A_FLAG), served(CAN_WAIT)) == ({own}, {shared}),
        SURELY,
        "the API server to act on the FlowSchemas",
    )


def _served_as(testbed: TestBed, flow: str, level: str) -> Served:
    kinds = ("flowschema", flow), ("prioritylevelconfiguration", level)
    found = [testbed.kubectl("get", *each, "--output=json").stdout for each in kinds]
    return Served(*(json.loads(each)["metadata"]["uid"] for each in found))


# The roles for people

READ = {"get", "list", "watch"}
ALL_VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
RESOURCES = tuple(
    f"{kind}{part}" for kind in ("rollouts", "checkpoints", "approvals") for part in ("", "/status")
)
SEES_ALL = {"rollouts": READ, "checkpoints": READ, "approvals": READ}
PLANS = READ | {"create", "update", "patch"}
MAY = {
    "surefoot-viewer": SEES_ALL,
    "surefoot-author": {"rollouts": PLANS},
    "surefoot-approver": {**SEES_ALL, "approvals": READ | {"patch"}},
    "surefoot-reporter": {"rollouts": READ, "checkpoints": READ | {"patch"}},
    "view": SEES_ALL,
    "edit": {**SEES_ALL, "rollouts": PLANS},
    "admin": {**SEES_ALL, "rollouts": PLANS},
}


@pytest.mark.parametrize("role", MAY)
def test_role_allows_what_it_says_and_no_more(
    testbed: TestBed, service_account: Path, namespace: str, role: str
) -> None:
    """Every verb on every resource of ours, asked of the authorizer."""
    expected = {resource: MAY[role].get(resource, set()) for resource in RESOURCES}
    with testbed.client() as admin, testbed.client("forge") as forge:
        bound(admin, namespace, role, user="forge")
        # Those of Kubernetes get one of our roles after the other.
        wait_until(
            lambda: all(
                _may(forge, namespace, verb, resource)
                for resource, verbs in expected.items()
                for verb in verbs
            ),
            SURELY,
            f"{role} to be aggregated",
        )
        found = {
            resource: {verb for verb in ALL_VERBS if _may(forge, namespace, verb, resource)}
            for resource in RESOURCES
        }
    assert found == expected


def _may(user: httpx.Client, namespace: str, verb: str, resource: str) -> bool:
    plural, _, subresource = resource.partition("/")
    review = user.post(
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        json={
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {
                "resourceAttributes": {
                    "group": "surefoot.dev",
                    "resource": plural,
                    "subresource": subresource,
                    "namespace": namespace,
                    "verb": verb,
                }
            },
        },
    ).raise_for_status()
    return bool(review.json()["status"]["allowed"])


def test_approver_signs_and_does_nothing_else(
    testbed: TestBed, service_account: Path, namespace: str
) -> None:
    """A patch of an Approval goes through; replacing, deleting, opening and planning do not."""
    with testbed.client() as admin, testbed.client("hudson") as hudson:
        bound(admin, namespace, "surefoot-approver", group="security")
        rollout = made(admin, namespace, a_rollout("checkout"))
        approval = made(admin, namespace, a_request("Approval", "checkout-100", rollout))
        wait_until(
            lambda: patched(hudson, approval, decision_by("hudson")).is_success,
            SURELY,
            "the role to act",
        )
        status = {"status": {"state": "Used"}}
        refused = [
            hudson.put(path_of(approval), json=approval),
            hudson.delete(path_of(approval)),
            hudson.post(collection("Approval", namespace), json=approval),
            hudson.request("PATCH", f"{path_of(approval)}/status", json=status, headers=MERGE),
            patched(hudson, rollout, {"spec": {"paused": True}}),
            hudson.delete(path_of(rollout)),
        ]
    assert [answer.status_code for answer in refused] == [403] * len(refused)


async def test_operator_whose_role_is_not_bound_says_so(guarded_scene: Scene) -> None:
    """A line of its log has what is refused, and what to do about it."""
    account = ("default", guarded_scene.namespace)
    path = f"/api/v1/namespaces/{guarded_scene.namespace}/serviceaccounts/default"
    await guarded_scene.until(
        lambda: asyncio.to_thread(lambda: guarded_scene.client.get(path).is_success),
        "the controller to make the namespace's account",
    )
    guarded_scene.kubeconfig = guarded_scene.bed.kubeconfig_for_service_account(*account[::-1])
    with structlog.testing.capture_logs() as logs:
        async with guarded_scene.an_operator(wait=False):

            async def told() -> list[str]:
                return [entry["error"] for entry in logs if entry.get("remedy") == ROLE_REMEDY]

            refused = await guarded_scene.until(told, "the line of the log")
    assert "cannot list resource" in refused[0]
