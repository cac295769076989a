"""The check of the admission policies against a small server that plays the API server."""

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from surefoot.adapters.kubernetes import policies
from surefoot.adapters.kubernetes.access import Access
from surefoot.adapters.kubernetes.http import Http
from surefoot.adapters.kubernetes.policies import KubernetesPolicies, first_difference
from surefoot.application.ports import AdmissionStatus
from surefoot.application.rbac import ROLE_REMEDY
from surefoot.domain.facts.snapshot import Admission
from surefoot.policies import PolicySettings, shipped
from tests.support.testbed import SURELY

JSON = dict[str, Any]

API = "/apis/admissionregistration.k8s.io/v1"
APPROVALS = "/apis/surefoot.dev/v1alpha1/namespaces/home/approvals"
CONFIG_MAPS = "/api/v1/namespaces/home/configmaps"
REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
OPERATOR = "system:serviceaccount:home:walker"
SETTINGS = PolicySettings(operator=OPERATOR)
PLURALS = {
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
    "MutatingAdmissionPolicy": "mutatingadmissionpolicies",
    "MutatingAdmissionPolicyBinding": "mutatingadmissionpolicybindings",
}


def failure(code: int, message: str) -> tuple[int, JSON]:
    """What an API server says where it does not do what it was asked."""
    return code, {"kind": "Status", "status": "Failure", "code": code, "message": message}


def denied(resource: str, policy: str) -> tuple[int, JSON]:
    """Refused by a policy."""
    said = (
        f"ValidatingAdmissionPolicy '{policy}' with binding '{policy}' denied request: "
        "nothing is opened that is decided already"
    )
    code, body = failure(403, f'{resource} "surefoot-probe" is forbidden: {said}')
    return code, {**body, "reason": "Forbidden", "details": {"causes": [{"message": said}]}}


def path_of(kind: str, name: str = "") -> str:
    return f"{API}/{PLURALS[kind]}/{name}" if name else f"{API}/{PLURALS[kind]}"


class ApiServer:
    """What is there, and what it was asked. By default everything is as shipped, and acts."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, JSON]] = {
            APPROVALS: denied("approvals.surefoot.dev", "surefoot-decisions"),
            CONFIG_MAPS: denied("configmaps", "surefoot-configmaps"),
            REVIEWS: (
                201,
                {"kind": "SelfSubjectReview", "status": {"userInfo": {"username": OPERATOR}}},
            ),
        }
        for manifest in shipped(SETTINGS):
            path = path_of(manifest["kind"], manifest["metadata"]["name"])
            found = copy.deepcopy(manifest)
            found["metadata"] |= {"uid": "u", "generation": 1, "resourceVersion": "7"}
            self.answers[path] = (200, found)
        self.silent: set[str] = set()
        self.asked: list[tuple[str, str, JSON, dict[str, str]]] = []

    def loses(self, kind: str, name: str = "") -> None:
        """One of a kind is deleted, or all of them."""
        for path in [path for path in self.answers if path.startswith(f"{path_of(kind)}/{name}")]:
            del self.answers[path]

    def changes(self, which: str, change: Callable[[JSON], None]) -> None:
        """Somebody edits the spec of a policy or binding: kind and name."""
        found = self.answers[path_of(*which.split())][1]
        change(found["spec"])
        found["metadata"]["resourceVersion"] = "8"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.asked.append(
            (request.method, request.path, json.loads(body or "{}"), dict(request.query))
        )
        if request.path in self.silent:
            await asyncio.sleep(60)
        status, answer = self.answers.get(request.path, failure(404, "not found"))
        if request.method == "GET":
            assert request.query["labelSelector"] == "app.kubernetes.io/part-of=surefoot"
            assert "resourceVersion" not in request.query, "a list may be out of a cache"
            status, answer = self.answers.get(request.path, (200, self.listed(request)))
        return web.json_response(answer, status=status)

    def listed(self, request: web.Request) -> JSON:
        """What there is of the kind, or its metadata alone."""
        found = [
            each for path, (_, each) in self.answers.items() if path.startswith(f"{request.path}/")
        ]
        if "PartialObjectMetadataList" in request.headers["Accept"]:
            found = [{"metadata": each["metadata"]} for each in found]
        return {"kind": "List", "metadata": {}, "items": found}


@pytest.fixture(autouse=True)
def _nobody_is_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine does not make answers unknown, but for the test that is about it."""
    monkeypatch.setattr(policies, "WITHIN", SURELY)


@pytest.fixture
def server() -> ApiServer:
    return ApiServer()


@pytest.fixture
async def checked(server: ApiServer, tmp_path: Path) -> AsyncIterator[KubernetesPolicies]:
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", server.handle)
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [
            {"name": "k", "cluster": {"server": f"http://127.0.0.1:{runner.addresses[0][1]}"}}
        ],
        "users": [{"name": "u", "user": {"token": "secret"}}],
    }
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    http = Http(await Access.load(str(tmp_path / "config")))
    yield KubernetesPolicies(http, SETTINGS, namespace="home")
    await http.close()
    await runner.cleanup()


async def test_policies_as_shipped_that_refuse_the_probes_are_in_force(
    server: ApiServer, checked: KubernetesPolicies
) -> None:
    """Nothing else is."""
    assert await checked.check() == AdmissionStatus(Admission.ENFORCED)


async def test_probes_are_stored_by_nobody(server: ApiServer, checked: KubernetesPolicies) -> None:
    """Whatever becomes of them: the API server is asked for a dry run."""
    await checked.check()
    probes = {path: (body, query) for verb, path, body, query in server.asked if verb != "GET"}
    assert set(probes) == {APPROVALS, CONFIG_MAPS, REVIEWS}
    for path in (APPROVALS, CONFIG_MAPS):
        assert probes[path][1]["dryRun"] == "All"
    assert probes[APPROVALS][0]["spec"]["decision"]
    assert probes[APPROVALS][0]["spec"]["decidedBy"]["username"]
    assert probes[CONFIG_MAPS][0]["metadata"]["labels"] == {"surefoot.dev/managed": "probe"}


@pytest.mark.parametrize("path", [APPROVALS, CONFIG_MAPS])
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            (201, {"kind": "Object"}),
            AdmissionStatus(Admission.NOT_ENFORCED, "was let pass, which the policies refuse"),
        ),
        (
            (200, {"kind": "Object"}),
            AdmissionStatus(Admission.NOT_ENFORCED, "was let pass, which the policies refuse"),
        ),
        (
            failure(409, 'approvals "surefoot-probe" already exists'),
            AdmissionStatus(Admission.NOT_ENFORCED, "was let pass"),
        ),
        (
            failure(
                403,
                f'approvals.surefoot.dev is forbidden: User "{OPERATOR}" cannot create resource '
                '"approvals" in API group "surefoot.dev" in the namespace "home"',
            ),
            AdmissionStatus(
                Admission.NOT_ENFORCED,
                'cannot create resource "approvals" in API group "surefoot.dev" in the namespace',
            ),
        ),
        (
            denied("approvals.surefoot.dev", "somebody-elses"),
            AdmissionStatus(Admission.NOT_ENFORCED, "ValidatingAdmissionPolicy 'somebody-elses'"),
        ),
        (
            failure(
                403,
                'admission webhook "x" denied: 403: approvals "surefoot-probe" is forbidden: '
                "ValidatingAdmissionPolicy 'surefoot-decisions' with binding",
            ),
            AdmissionStatus(Admission.NOT_ENFORCED, "admission webhook"),
        ),
        (
            failure(503, "policy not ready"),
            AdmissionStatus(Admission.UNKNOWN, "503: policy not ready"),
        ),
        (
            failure(422, "spec.request: Required value"),
            AdmissionStatus(Admission.UNKNOWN, "422: spec.request"),
        ),
        (
            failure(404, 'namespaces "home" not found'),
            AdmissionStatus(Admission.UNKNOWN, '"home" not found'),
        ),
        (failure(429, "slow down"), AdmissionStatus(Admission.UNKNOWN, "429: slow down")),
    ],
)
async def test_only_a_refusal_by_our_policies_is_a_sign_of_life(
    server: ApiServer,
    checked: KubernetesPolicies,
    path: str,
    answer: tuple[int, JSON],
    expected: AdmissionStatus,
) -> None:
    """Of either probe; what else there is says what is wrong."""
    server.answers[path] = answer
    found = await checked.check()
    assert found.admission is expected.admission
    assert expected.fault in found.fault


@pytest.mark.parametrize(
    "path",
    [APPROVALS, CONFIG_MAPS, REVIEWS, path_of("ValidatingAdmissionPolicy")],
)
async def test_no_answer_in_time_is_not_known(
    server: ApiServer, checked: KubernetesPolicies, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each request has its own bound, so a check takes no longer than one."""
    monkeypatch.setattr(policies, "WITHIN", 0.5)
    server.silent.add(path)
    found = await checked.check()
    assert found.admission is Admission.UNKNOWN
    assert "no answer within" in found.fault


@pytest.mark.parametrize("kind", ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"])
@pytest.mark.parametrize(
    "name", ["surefoot-status", "surefoot-allowed-signers", "surefoot-own-account"]
)
async def test_missing_policy_or_binding_is_named(
    server: ApiServer, checked: KubernetesPolicies, kind: str, name: str
) -> None:
    """Also one that no probe would miss."""
    server.loses(kind, name)
    assert await checked.check() == AdmissionStatus(
        Admission.NOT_ENFORCED,
        f"{kind} {name} is missing, or has lost its label app.kubernetes.io/part-of=surefoot",
    )


async def test_policies_that_fill_in_names_may_be_missing(
    server: ApiServer, checked: KubernetesPolicies
) -> None:
    """And so may their API, as on Kubernetes 1.31 to 1.35: both are a 404."""
    server.loses("MutatingAdmissionPolicy")
    assert await checked.check() == AdmissionStatus(Admission.ENFORCED)
    server.answers[path_of("MutatingAdmissionPolicyBinding")] = failure(404, "not found")
    assert await checked.check() == AdmissionStatus(Admission.ENFORCED)


def weaken(part: str) -> Callable[[JSON], None]:
    """An edit of somebody who wants to get past a policy."""
    edits: dict[str, Callable[[JSON], None]] = {
        "expression": lambda spec: spec["validations"][3].update(expression="true"),
        "policy": lambda spec: spec.update(failurePolicy="Ignore"),
        "condition": lambda spec: spec.update(matchConditions=[{"name": "no", "expression": "0"}]),
        "validation": lambda spec: spec["validations"].pop(),
        "operation": lambda spec: spec["matchConstraints"]["resourceRules"][0]["operations"].pop(),
        "actions": lambda spec: spec.update(validationActions=["Audit"]),
        "resources": lambda spec: spec.update(matchResources={"namespaceSelector": {}}),
        "mutation": lambda spec: spec["mutations"][0].update(patchType="ApplyConfiguration"),
    }
    return edits[part]


@pytest.mark.parametrize(
    ("which", "part", "differs"),
    [
        (
            "ValidatingAdmissionPolicy surefoot-decisions",
            "expression",
            r"validations[3].expression",
        ),
        ("ValidatingAdmissionPolicy surefoot-status", "policy", "failurePolicy"),
        ("ValidatingAdmissionPolicy surefoot-stamps", "condition", "matchConditions"),
        ("ValidatingAdmissionPolicy surefoot-configmaps", "validation", "validations[1]"),
        (
            "ValidatingAdmissionPolicy surefoot-metadata",
            "operation",
            "matchConstraints.resourceRules[0].operations[",
        ),
        (
            "ValidatingAdmissionPolicyBinding surefoot-metadata",
            "actions",
            "validationActions[0]",
        ),
        ("ValidatingAdmissionPolicyBinding surefoot-metadata", "resources", "matchResources"),
        ("MutatingAdmissionPolicy surefoot-stamps", "mutation", "mutations[0].patchType"),
    ],
)
async def test_what_differs_from_what_was_shipped_is_named(
    server: ApiServer, checked: KubernetesPolicies, which: str, part: str, differs: str
) -> None:
    """Where it is, in few words; the probes are still refused."""
    server.changes(which, weaken(part))
    found = await checked.check()
    assert found.admission is Admission.NOT_ENFORCED
    assert found.fault.startswith(f"{which} is not as shipped: {differs}")
    assert found.fault.endswith(" differs")


async def test_policy_that_may_not_be_read_is_not_in_force(
    server: ApiServer, checked: KubernetesPolicies
) -> None:
    """Nobody can tell; the fault says which permission is missing."""
    said = f'User "{OPERATOR}" cannot list resource "validatingadmissionpolicies"'
    server.answers[path_of("ValidatingAdmissionPolicy")] = failure(403, said)
    found = await checked.check()
    assert found.admission is Admission.NOT_ENFORCED
    assert found.fault.endswith(f"{said}; {ROLE_REMEDY}")


async def test_operator_under_another_name_is_told_what_to_set(
    server: ApiServer, checked: KubernetesPolicies
) -> None:
    """The policies would refuse its every write, which looks like anything but this."""
    server.answers[REVIEWS] = (
        201,
        {"kind": "SelfSubjectReview", "status": {"userInfo": {"username": "admin"}}},
    )
    assert await checked.check() == AdmissionStatus(
        Admission.NOT_ENFORCED,
        f"the operator runs as admin, the policies are made for {OPERATOR}: set policies.operator",
    )


async def test_name_is_asked_for_once(server: ApiServer, checked: KubernetesPolicies) -> None:
    """It does not change while the operator runs."""
    for _ in range(3):
        await checked.check()
    assert [path for _, path, _, _ in server.asked].count(REVIEWS) == 1


async def test_what_is_certainly_wrong_outranks_what_is_not_known(
    server: ApiServer, checked: KubernetesPolicies
) -> None:
    """And one fault is enough for a message; the others are counted."""
    server.answers[APPROVALS] = failure(503, "busy")
    for name in ("surefoot-decisions", "surefoot-stamps"):
        server.loses("ValidatingAdmissionPolicyBinding", name)
    assert await checked.check() == AdmissionStatus(
        Admission.NOT_ENFORCED,
        "ValidatingAdmissionPolicyBinding surefoot-decisions is missing, "
        "or has lost its label app.kubernetes.io/part-of=surefoot (and 1 more)",
    )


async def test_what_is_proven_is_not_proven_again(
    server: ApiServer, checked: KubernetesPolicies
) -> None:
    """While all is of the same version: two lists and one probe."""
    await checked.check()
    server.asked.clear()
    assert await checked.check(whole=False) == AdmissionStatus(Admission.ENFORCED)
    asked = sorted(path for _, path, *_ in server.asked)
    assert asked == sorted([
        APPROVALS, path_of("ValidatingAdmissionPolicy"), path_of("ValidatingAdmissionPolicyBinding")
    ])  # fmt: skip


@pytest.mark.parametrize("kind", ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"])
async def test_policy_deleted_since_is_missed(
    server: ApiServer, checked: KubernetesPolicies, kind: str
) -> None:
    """However short the look."""
    await checked.check()
    server.loses(kind, "surefoot-own-account")
    found = await checked.check(whole=False)
    assert found.admission is Admission.NOT_ENFORCED
    assert f"{kind} surefoot-own-account is missing" in found.fault


async def test_policy_changed_since_is_compared(
    server: ApiServer, checked: KubernetesPolicies
) -> None:
    """And found weakened, or as shipped and then good again."""
    await checked.check()
    server.changes("ValidatingAdmissionPolicy surefoot-status", weaken("policy"))
    assert (await checked.check(whole=False)).admission is Admission.NOT_ENFORCED
    server.changes(
        "ValidatingAdmissionPolicy surefoot-status", lambda spec: spec.update(failurePolicy="Fail")
    )
    server.asked.clear()
    assert await checked.check(whole=False) == AdmissionStatus(Admission.ENFORCED)
    assert CONFIG_MAPS in [path for _, path, *_ in server.asked], "both are probed again"


async def test_short_look_before_a_whole_one_is_whole(
    server: ApiServer, checked: KubernetesPolicies
) -> None:
    """Nothing was proven yet; nor is it after a look that found a fault."""
    server.answers[CONFIG_MAPS] = (201, {"kind": "ConfigMap"})
    for _ in range(2):
        assert (await checked.check(whole=False)).admission is Admission.NOT_ENFORCED


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (APPROVALS, failure(503, "busy")),
        (path_of("ValidatingAdmissionPolicyBinding"), failure(429, "slow down")),
        (path_of("ValidatingAdmissionPolicy"), (200, {"kind": "List", "items": [{}]})),
    ],
)
async def test_short_look_without_an_answer_is_not_known(
    server: ApiServer, checked: KubernetesPolicies, path: str, answer: tuple[int, JSON]
) -> None:
    """What was proven before proves nothing now."""
    await checked.check()
    server.answers[path] = answer
    assert (await checked.check(whole=False)).admission is Admission.UNKNOWN


@pytest.mark.parametrize(
    ("wanted", "found", "differs"),
    [
        ({"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1}, None),
        ({"a": {"b": [{"c": 1}]}}, {"a": {"b": [{"c": 2}]}}, "a.b[0].c"),
        ({"a": 1}, {"a": 1, "b": None}, "b"),
        ({"a": [1]}, {"a": [1, 2]}, "a[1]"),
        ({"a": [1]}, {"a": []}, "a[0]"),
        ({"a": {}}, {"a": []}, "a"),
        ({"a": 1}, None, ""),
    ],
)
def test_first_difference_is_named_by_its_path(
    wanted: Any, found: Any, differs: str | None
) -> None:
    """The order of members means nothing, that of items does."""
    assert first_difference(wanted, found) == differs
