"""A control plane of its own on which the admission policies are in force.

    async def test_forged_name_is_refused(guarded_scene: Scene) -> None: ...

``guarded``            the bed: CRDs, the operator's account, and every policy, filling in included.
``guarded_namespace``  a fresh namespace in it, for one test.
``guarded_scene``      the stage for the whole operator, in such a namespace.

Policies are for a whole cluster, so the bed that the other tests share has none. Every worker has a
guarded bed of its own, and one file's tests run in one worker, one after another: one that changes
the policies puts them back (`in_force`).
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from surefoot.testbed.bed import TestBed
from surefoot.testbed.progress import on_stderr
from tests.support.crds import CRDS, all_kinds_are_served
from tests.support.requests import OPERATOR, operator_may_work
from tests.support.scene import MANIFESTS, Scene
from tests.support.testbed import SURELY, new_namespace, wait_until

POLICIES = MANIFESTS.parent / "policies"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
ROLLOUTS = "/apis/surefoot.dev/v1alpha1/namespaces/default/rollouts"


@pytest.fixture(scope="session")
def guarded(request: pytest.FixtureRequest) -> Iterator[TestBed]:
    """A bed with everything of `manifests/default` in force."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled(), on_stderr() as progress:
        bed = TestBed.start(prometheus=False, progress=progress)
    with bed:
        prepare(bed)
        yield bed


@pytest.fixture(scope="session")
def guarded_service_account(guarded: TestBed) -> Path:
    """The kubeconfig of the operator's own service account."""
    return guarded.kubeconfig_for_service_account(*OPERATOR)


@pytest.fixture
def guarded_namespace(guarded: TestBed) -> Iterator[str]:
    """The name of a namespace that only this test uses."""
    with guarded.client() as client:
        name = new_namespace(client)
        yield name
        client.delete(f"/api/v1/namespaces/{name}").raise_for_status()


@pytest.fixture
def guarded_scene(
    guarded: TestBed, guarded_service_account: Path, guarded_namespace: str
) -> Iterator[Scene]:
    """A namespace with nothing in it, on the bed with policies."""
    with guarded.client() as client:
        yield Scene(guarded, client, guarded_service_account, guarded_namespace)


def prepare(bed: TestBed) -> None:
    """Apply CRDs, manifests and policies to a bed of one's own; return when the policies act."""
    bed.kubectl("apply", "--server-side", "-f", str(CRDS))
    with bed.client() as admin:
        wait_until(lambda: all_kinds_are_served(admin), SURELY, "surefoot.dev to be served")
    bed.kubectl("apply", "--server-side", "-k", str(MANIFESTS))
    with bed.client() as admin:
        wait_until(lambda: operator_may_work(admin), SURELY, "the operator's roles to act")
    in_force(bed)


def in_force(bed: TestBed) -> None:
    """Apply the policies as shipped, over whatever there is, and wait until they act.

    Those that fill in names are left out on an API server that does not know their kind.
    """
    with bed.client() as api:
        folder = POLICIES if fills_in_names(api) else POLICIES / "validating"
    bed.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(folder))
    # To apply leaves what somebody else has added; to replace conflicts while types are checked.
    wait_until(
        lambda: bed.kubectl("replace", "-k", str(folder), check=False).returncode == 0,
        SURELY,
        "the policies to be as shipped",
    )
    with bed.client() as api:
        all_is_seen(api, api)
        wait_until(
            lambda: refuses_a_request(api), SURELY, "surefoot-decisions to know what an Approval is"
        )
        wait_until(
            lambda: judges_a_rollout(api), SURELY, "surefoot-stamps to know what a Rollout is"
        )
        _wait_until_a_status_is_refused(api)


def fills_in_names(api: httpx.Client) -> bool:
    """Whether the API server serves MutatingAdmissionPolicy of v1, as it does since 1.36."""
    kinds = api.get(ADMISSION).raise_for_status().json()["resources"]
    return "mutatingadmissionpolicies" in {kind["name"] for kind in kinds}


def all_is_seen(admin: httpx.Client, *servers: httpx.Client) -> None:
    """Wait until API servers go by all that was done to policies before, by whatever they refuse.

    An API server looks once a second for what has become of the policies, and sees changes in their
    order. It has one admission for its own kinds and another one for those of CRDs, and each of
    them looks for itself. Policies that come now and act there say that nothing before is unseen.
    """
    with _a_policy_of_every_sort(admin) as name:
        for api in servers:
            what = f"{api.base_url} to see every policy"
            wait_until(partial(_refuses, api, CONFIG_MAPS, name), SURELY, f"{what} for ConfigMaps")
            wait_until(partial(_refuses, api, ROLLOUTS, name), SURELY, f"{what} for Rollouts")
            if fills_in_names(api):
                wait_until(partial(_labels, api, name), SURELY, f"{what} that fills something in")


@contextmanager
def _a_policy_of_every_sort(admin: httpx.Client) -> Iterator[str]:
    """Policies by which nothing of this name is made, and by which its namesake gets a label."""
    name = f"seen-{uuid.uuid4().hex[:12]}"
    sorts = {"validating": _refusing(name)}
    if fills_in_names(admin):
        sorts["mutating"] = _labelling(name)
    try:
        for sort, (policy, binding) in sorts.items():
            for plural, spec in ((f"{sort}admissionpolicies", policy), (_bindings(sort), binding)):
                body = {"metadata": {"name": name}, "spec": spec}
                admin.post(f"{ADMISSION}/{plural}", json=body).raise_for_status()
        yield name
    finally:
        for sort in sorts:
            for plural in (_bindings(sort), f"{sort}admissionpolicies"):
                admin.delete(f"{ADMISSION}/{plural}/{name}")


def _bindings(sort: str) -> str:
    return f"{sort}admissionpolicybindings"


def _refusing(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    policy = _about(name) | {"validations": [{"expression": "false", "reason": "Forbidden"}]}
    return policy, {"policyName": name, "validationActions": ["Deny"]}


def _labelling(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    patch = "[JSONPatch{op: 'add', path: '/metadata/labels', value: {'seen': 'yes'}}]"
    policy = _about(f"{name}-too") | {
        "reinvocationPolicy": "Never",
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": patch}}],
    }
    return policy, {"policyName": name}


def _about(name: str) -> dict[str, Any]:
    """What a policy about new ConfigMaps and Rollouts of this name has in common with others."""
    rules = [
        {"apiGroups": [group], "apiVersions": ["*"], "operations": ["CREATE"], "resources": [kind]}
        for group, kind in (("", "configmaps"), ("surefoot.dev", "rollouts"))
    ]
    is_meant = f"object.metadata.?name.orValue('') == '{name}'"
    return {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": rules},
        "matchConditions": [{"name": "by-its-name", "expression": is_meant}],
    }


def _refuses(api: httpx.Client, path: str, name: str) -> bool:
    """Whether the policy of this name keeps anything of this name from being made."""
    return _is_denied_by(name, _tried(api, path, name))


def _labels(api: httpx.Client, name: str) -> bool:
    """Whether the other policy of this name fills something in."""
    answer = _tried(api, ROLLOUTS, f"{name}-too")
    return answer.is_success and answer.json()["metadata"].get("labels") == {"seen": "yes"}


def _tried(api: httpx.Client, path: str, name: str) -> httpx.Response:
    made = {"metadata": {"name": name}} if path == CONFIG_MAPS else _a_stamped_rollout(name=name)
    return api.post(path, params={"dryRun": "All"}, json=made)


def refuses_a_flag(api: httpx.Client) -> bool:
    """Whether a ConfigMap that carries flags cannot be created by this client."""
    probe = {
        "metadata": {"name": "probe", "labels": {"surefoot.dev/managed": "probe"}},
        "data": {},
    }
    answer = api.post(CONFIG_MAPS, params={"dryRun": "All"}, json=probe)
    return _is_denied_by("surefoot-configmaps", answer)


def refuses_a_request(api: httpx.Client) -> bool:
    """Whether an Approval cannot be created by this client."""
    probe = {
        "apiVersion": "surefoot.dev/v1alpha1",
        "kind": "Approval",
        "metadata": {"name": "probe"},
        "spec": {
            "request": {
                "rollout": {"name": "probe", "uid": "probe"},
                "planHash": "probe",
                "attempt": 0,
                "from": 0,
                "to": 100,
                "role": "probe",
            }
        },
    }
    path = "/apis/surefoot.dev/v1alpha1/namespaces/default/approvals?dryRun=All"
    return _is_denied_by("surefoot-decisions", api.post(path, json=probe))


def _wait_until_a_status_is_refused(api: httpx.Client) -> None:
    """There must be a Rollout for that: only an update of one is judged by surefoot-status."""
    probe = _a_stamped_rollout(generateName="probe-")
    made = api.post(ROLLOUTS, json=probe).raise_for_status().json()
    path = f"{ROLLOUTS}/{made['metadata']['name']}"

    def is_refused() -> bool:
        forged = made | {"status": {"percent": 100}}
        answer = api.put(f"{path}/status", params={"dryRun": "All"}, json=forged)
        return _is_denied_by("surefoot-status", answer)

    wait_until(is_refused, SURELY, "surefoot-status to act")
    api.delete(path).raise_for_status()


def judges_a_rollout(api: httpx.Client) -> bool:
    """Whether a Rollout is taken or refused; soon after its CRD, policies do not know the kind."""
    return answer_to_a_rollout(api).status_code != 503


def answer_to_a_rollout(api: httpx.Client) -> httpx.Response:
    """What the API server says to a Rollout without stamps; it is not stored."""
    return api.post(ROLLOUTS, params={"dryRun": "All"}, json=_a_rollout(name="probe"))


def _a_stamped_rollout(**metadata: Any) -> dict[str, Any]:
    """As admin writes it where nobody fills in who it is."""
    stamps = ("requested-by", "authors", "changed-by", "attempt-by")
    annotations = {f"surefoot.dev/{stamp}": "admin" for stamp in stamps}
    return _a_rollout(annotations=annotations, **metadata)


def _a_rollout(**metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "surefoot.dev/v1alpha1",
        "kind": "Rollout",
        "metadata": metadata,
        "spec": {
            "target": {"configMapName": "probe-flags", "flags": ["probe"]},
            "steps": [{"percent": 100}],
        },
    }


def _is_denied_by(policy: str, answer: httpx.Response) -> bool:
    return answer.status_code == 403 and f"'{policy}'" in answer.text
