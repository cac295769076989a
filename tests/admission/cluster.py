"""A cluster with the policies in force, and in it the worlds in which attempts are made.

A world is a namespace with everything of `things` in it. Its labels say which policies bind it, so
that both variants, and a policy with a defect, live side by side on one API server.
"""

import base64
import functools
import json
import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import httpx
import yaml

from surefoot.api.v1alpha1.meta import MANAGED_LABEL
from surefoot.policies import Manifest, PolicySettings, shipped
from surefoot.testbed.bed import TestBed
from tests.admission.attempt import (
    API_VERSIONS,
    FLAGS_API,
    MERGE,
    Attempt,
    Outcome,
    Request,
    merge,
)
from tests.admission.builders import LOST, THINGS, UID_OF_CHECKOUT
from tests.admission.people import (
    ADMIN,
    CUSTODIAN,
    CUSTODIAN_GROUP,
    HOME,
    TOOLS,
    Actor,
)
from tests.contract.manifests import changed
from tests.support.crds import CRDS, all_kinds_are_served
from tests.support.policies import fills_in_names
from tests.support.testbed import SURELY, wait_until

FILLED = "example.com/names-are-filled-in"
"""On a namespace: whether the policies that fill in names are in force there."""
MUTANT_OF = "example.com/mutant-of"
"""On a namespace: the policy that is replaced there by one with a defect."""

KNOW_THE_NAMESPACE = ("surefoot-allowed-signers", "surefoot-own-account")

SETTINGS = PolicySettings(custodian_users=(CUSTODIAN.name,), custodian_groups=(CUSTODIAN_GROUP,))
AT_ONCE = 4
"""How many attempts are made at the same time."""

EVERYTHING_OF_SUREFOOT = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "metadata": {"name": "everything-of-surefoot"},
    "rules": [
        {
            "apiGroups": ["surefoot.dev", "core.openfeature.dev"],
            "resources": ["*"],
            "verbs": ["*"],
        },
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]},
    ],
}
"""So that whatever is refused is refused by a policy."""

FOR_EVERYBODY = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": "everything-of-surefoot"},
    "roleRef": {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole",
        "name": "everything-of-surefoot",
    },
    "subjects": [
        {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": name}
        for name in ("system:authenticated", "system:unauthenticated")
    ],
}

FEATURE_FLAGS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "featureflags.core.openfeature.dev"},
    "spec": {
        "group": "core.openfeature.dev",
        "names": {"kind": "FeatureFlag", "plural": "featureflags"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": FLAGS_API.rpartition("/")[2],
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": True,
                    }
                },
            }
        ],
    },
}

_DENIED_BY = re.compile(r"ValidatingAdmissionPolicy '([^']+)'")
MUTANT = "-mutant"


@dataclass
class Cluster:
    """An API server and a connection to it for everybody who makes attempts."""

    bed: TestBed
    clients: dict[tuple[str, str], httpx.Client] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def as_(self, actor: Actor) -> httpx.Client:
        """A connection that is this one to the API server; those who impersonate are admin."""
        name = ADMIN.name if actor.by == "impersonation" else actor.name
        with self.lock:
            if (actor.by, name) not in self.clients:
                self.clients[actor.by, name] = self._connect(actor, name)
            return self.clients[actor.by, name]

    def _connect(self, actor: Actor, name: str) -> httpx.Client:
        if actor.by in ("certificate", "impersonation"):
            return self.bed.client(name)
        headers = {"Authorization": f"Bearer {self._token(name)}"} if actor.by == "token" else {}
        return httpx.Client(
            base_url=self.bed.server,
            verify=self._trust(),
            headers=headers,
            trust_env=False,
            timeout=30.0,
        )

    def _trust(self) -> ssl.SSLContext:
        config = yaml.safe_load(self.bed.kubeconfig().read_text())
        authority = config["clusters"][0]["cluster"]["certificate-authority-data"]
        return ssl.create_default_context(cadata=base64.b64decode(authority).decode())

    def _token(self, name: str) -> str:
        _, _, namespace, account = name.split(":")
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        with self.bed.client() as admin:
            answer = admin.post(path, json={"spec": {"expirationSeconds": 7200}})
            token: str = answer.raise_for_status().json()["status"]["token"]
        return token

    @property
    def admin(self) -> httpx.Client:
        """A connection as admin."""
        return self.as_(ADMIN)

    def close(self) -> None:
        """Close all connections."""
        for client in self.clients.values():
            client.close()

    def install(self) -> None:
        """Everything that attempts need; a second time it changes nothing."""
        for manifest in (EVERYTHING_OF_SUREFOOT, FOR_EVERYBODY, FEATURE_FLAGS):
            self.put(manifest)
        for path in sorted(CRDS.glob("*.yaml")):
            self.put(yaml.safe_load(path.read_text(encoding="utf-8")))
        for namespace, account in (
            (HOME, "surefoot"),
            (HOME, "default"),
            (TOOLS, "courier"),
            (TOOLS, "generic-garbage-collector"),
        ):
            self.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
            metadata = {"name": account, "namespace": namespace}
            self.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
        for manifest in shipped(SETTINGS, mutation=self.fills_in_names):
            self.put(bound_by_labels(manifest))
        wait_until(lambda: all_kinds_are_served(self.admin), SURELY, "surefoot.dev to be served")
        flags = f"/apis/{FLAGS_API}/featureflags"
        wait_until(lambda: self.admin.get(flags).is_success, SURELY, f"{flags} to be served")

    @functools.cached_property
    def fills_in_names(self) -> bool:
        """Whether the API server knows the policies that fill in names."""
        return fills_in_names(self.admin)

    def put(self, manifest: Manifest) -> httpx.Response:
        """Apply a manifest as admin, whatever was there; the answer is checked."""
        answer = self.try_to_put(manifest)
        answer.raise_for_status()
        return answer

    def try_to_put(self, manifest: Manifest) -> httpx.Response:
        """Apply a manifest as admin, whatever was there."""
        return self.admin.patch(
            _path_of(manifest),
            content=json.dumps(manifest),
            params={"fieldManager": "tests", "force": "true"},
            headers={"Content-Type": "application/apply-patch+yaml"},
        )

    def remove(self, manifest: Manifest) -> None:
        """Delete as admin what the manifest made."""
        self.admin.delete(_path_of(manifest)).raise_for_status()

    def found(self, world: "World", request: Request) -> Any:
        """The object that a request is about, as it is there."""
        return self.admin.get(world.path(request)).raise_for_status().json()

    def send(self, world: "World", by: Actor, request: Request, *, dry: bool) -> httpx.Response:
        """Send the request as this one; dry, nothing comes of it."""
        body = request.body
        if request.edits is not None:
            body = changed(self.found(world, request), request.edits)
        if dry and request.method == "DELETE" and body is not None:
            body = {**body, "dryRun": ["All"]}  # with a body, the options in the URL do not count
        text = None if body is None else json.dumps(body)
        if text is not None and UID_OF_CHECKOUT in text:
            text = text.replace(UID_OF_CHECKOUT, self._uid_of_checkout(world))
        headers = {**_impersonating(by), "Content-Type": request.content_type}
        if request.impersonating:
            headers["Impersonate-User"] = request.impersonating
        return self.as_(by).request(
            request.method,
            world.path(request),
            params={**request.options, **({"dryRun": "All"} if dry else {})},
            content=text,
            headers=[(name.encode(), value.encode()) for name, value in _pairs(headers)],
        )

    def _uid_of_checkout(self, world: "World") -> str:
        uid: str = self.found(world, Request("GET", "Rollout", "checkout"))["metadata"]["uid"]
        return uid


@dataclass(frozen=True, slots=True)
class World:
    """A namespace with all things in it. ``mutation``: names are filled in there."""

    cluster: Cluster
    namespace: str
    mutation: bool
    home: str = HOME

    def path(self, request: Request) -> str:
        """Where the request goes."""
        version = API_VERSIONS[request.kind]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        namespace = self.home if request.at_home else self.namespace
        collection = f"{root}/namespaces/{namespace}/{request.kind.lower()}s"
        return f"{collection}/{request.name}{request.subresource}" if request.name else collection

    def becomes_of(self, attempt: Attempt, *, for_real: bool = False) -> Outcome:
        """Make the attempt, by default without effect, and say what became of it."""
        answer = self.cluster.send(self, attempt.by, attempt.request, dry=not for_real)
        return outcome_of(answer, self.expected(attempt).shows)

    def expected(self, attempt: Attempt) -> Outcome:
        """What must become of it here."""
        return attempt.expected(mutation=self.mutation)

    def fault(self, attempt: Attempt) -> str:
        """What is otherwise than the table says; empty when nothing is."""
        return difference(self.expected(attempt), self.becomes_of(attempt))

    def furnish(self) -> None:
        """Put all things in."""
        for actor, request in THINGS:
            sending = functools.partial(self._served, actor, request)
            answer = wait_until(sending, SURELY, "the API server to serve what a policy matches")
            is_there = request.at_home and answer.status_code == 409
            assert answer.is_success or is_there, f"{actor}: {request} → {answer.text}"
        self._unlabel(LOST)

    def _unlabel(self, name: str) -> None:
        """Take the managed label off a flag, while the policy against that does not act here."""
        path = f"/api/v1/namespaces/{self.namespace}"
        labels = self.cluster.admin.get(path).raise_for_status().json()["metadata"]["labels"]
        unlabelled = merge("ConfigMap", name, {"metadata": {"labels": {MANAGED_LABEL: None}}})
        labelled = merge("ConfigMap", name, {"metadata": {"labels": {MANAGED_LABEL: "true"}}})

        def binds(mutant_of: str | None) -> None:
            change = json.dumps({"metadata": {"labels": {MUTANT_OF: mutant_of}}})
            headers = {"Content-Type": MERGE}
            self.cluster.admin.patch(path, content=change, headers=headers).raise_for_status()

        def is_done(request: Request, *, dry: bool) -> bool:
            return self.cluster.send(self, ADMIN, request, dry=dry).is_success

        binds("surefoot-configmaps")
        wait_until(lambda: is_done(unlabelled, dry=False), SURELY, f"{name} to lose its label")
        binds(labels.get(MUTANT_OF))
        if labels.get(MUTANT_OF) != "surefoot-configmaps":
            wait_until(
                lambda: not is_done(labelled, dry=True), SURELY, "surefoot-configmaps to act"
            )

    def _served(self, actor: Actor, request: Request) -> httpx.Response:
        answer = self.cluster.send(self, actor, request, dry=False)
        assert answer.status_code != 503, answer.text
        return answer


def outcome_of(answer: httpx.Response, shown: Mapping[str, Any]) -> Outcome:
    """What the answer says, in the words of the table. ``shown``: which paths to look at."""
    body = answer.json()
    if answer.is_success:
        return Outcome(200, "Accepted", shows={path: _at(body, path) for path in shown})
    message = body["message"]
    denied = _DENIED_BY.search(message)
    layer = {422: "CRD", 403: "RBAC"}.get(answer.status_code, "HTTP")
    if denied:
        layer = denied[1].removesuffix(MUTANT)
    return Outcome(answer.status_code, layer, message)


def difference(expected: Outcome, actual: Outcome) -> str:
    """What is otherwise than expected, for a person; empty when nothing is."""
    if expected.also_by and (expected.code, expected.also_by) == (actual.code, actual.layer):
        return ""
    if (expected.code, expected.layer) != (actual.code, actual.layer):
        return (
            f"expected {expected.code} by {expected.layer}, "
            f"got {actual.code} by {actual.layer}: {actual.says}"
        )
    if expected.says not in actual.says:
        return f"expected it to say {expected.says!r}, it says: {actual.says}"
    if dict(expected.shows) != dict(actual.shows):
        return f"expected {dict(expected.shows)}, it is {dict(actual.shows)}"
    return ""


def faults(world: World, attempts: Sequence[Attempt]) -> list[str]:
    """What is otherwise than the table says, with several attempts at the same time."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(world.fault, attempts)
        return [f"{one.name}: {fault}" for one, fault in zip(attempts, found, strict=True) if fault]


@contextmanager
def new_world(cluster: Cluster, *, mutation: bool, mutant_of: str = "") -> Iterator[World]:
    """A world of one's own, in which the policies are in force."""
    labels = {FILLED: str(mutation).lower(), **({MUTANT_OF: mutant_of} if mutant_of else {})}
    answer = cluster.admin.post(
        "/api/v1/namespaces", json={"metadata": {"generateName": "world-", "labels": labels}}
    )
    name = answer.raise_for_status().json()["metadata"]["name"]
    # These policies say something about the operator's namespace, so their mutants need another.
    if mutant_of in KNOW_THE_NAMESPACE:
        answer = cluster.admin.post(
            "/api/v1/namespaces", json={"metadata": {"generateName": "home-", "labels": labels}}
        )
        home = answer.raise_for_status().json()["metadata"]["name"]
    else:
        home = HOME
    yield World(cluster, name, mutation, home)
    for namespace in (name,) if home == HOME else (name, home):
        cluster.admin.delete(f"/api/v1/namespaces/{namespace}").raise_for_status()


def bound_by_labels(manifest: Manifest) -> Manifest:
    """The manifest as shipped, but a binding keeps to the namespaces whose labels ask for it."""
    if manifest["kind"] == "MutatingAdmissionPolicyBinding":
        selector: Manifest = {"matchLabels": {FILLED: "true"}}
    elif manifest["kind"] == "ValidatingAdmissionPolicyBinding":
        name = manifest["metadata"]["name"]
        selector = {"matchExpressions": [{"key": MUTANT_OF, "operator": "NotIn", "values": [name]}]}
    else:
        return manifest
    return changed(manifest, {"spec.matchResources": {"namespaceSelector": selector}})


def _path_of(manifest: Manifest) -> str:
    version, name = manifest["apiVersion"], manifest["metadata"]["name"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    if "namespace" in manifest["metadata"]:
        root += f"/namespaces/{manifest['metadata']['namespace']}"
    kind = manifest["kind"].lower()
    plural = f"{kind[:-1]}ies" if kind.endswith("policy") else f"{kind}s"
    return f"{root}/{plural}/{name}"


def _impersonating(actor: Actor) -> dict[str, Any]:
    if actor.by != "impersonation":
        return {}
    return {
        "Impersonate-User": actor.name,
        "Impersonate-Group": actor.groups,
        **({"Impersonate-Uid": actor.uid} if actor.uid else {}),
    }


def _pairs(headers: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in headers.items():
        for one in value if isinstance(value, tuple) else (value,):
            yield name, one


def _at(node: Any, path: str) -> Any:
    for part in path.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    return node


def start(directory: Path, owner: int) -> TestBed:
    """A bed without a Prometheus, which ends with its owner."""
    return TestBed.start(directory, prometheus=False, owner=owner, remove_with_owner=True)
