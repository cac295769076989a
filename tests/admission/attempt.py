"""An attempt: who tries what, and what becomes of it. The modules beside this one are the table."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from surefoot.api.v1alpha1.meta import API_VERSION
from tests.admission.people import Actor

FLAGS_API = "core.openfeature.dev/v1beta1"

API_VERSIONS: Final[Mapping[str, str]] = {
    "Rollout": API_VERSION,
    "Checkpoint": API_VERSION,
    "Approval": API_VERSION,
    "ConfigMap": "v1",
    "FeatureFlag": FLAGS_API,
}

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
PLAIN = "application/json"


@dataclass(frozen=True, slots=True)
class Request:
    """One request to the API server, in words that hold for every world.

    ``edits``: the body is the object as it is there, with these paths changed (a PUT).
    ``at_home``: it is about the operator's own namespace.
    """

    method: str
    kind: str
    name: str = ""
    body: Any = None
    content_type: str = PLAIN
    edits: Mapping[str, Any] | None = None
    subresource: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    at_home: bool = False
    impersonating: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the API server answers.

    ``layer``: the policy that refuses, or CRD, RBAC, Accepted. ``says``: part of what a person
    reads. ``shows``: what the object is then like, by paths. ``also_by``: another policy that
    refuses the same. The API server shows the refusal of one of them, and never says which.
    """

    code: int
    layer: str
    says: str = ""
    shows: Mapping[str, Any] = field(default_factory=dict)
    also_by: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A line of the table. ``unfilled``: what becomes of it where no policy fills in names."""

    name: str
    by: Actor
    request: Request
    outcome: Outcome
    unfilled: Outcome | None = None

    def expected(self, *, mutation: bool) -> Outcome:
        """What must become of it in a cluster with or without the policies that fill in names."""
        return self.outcome if mutation or self.unfilled is None else self.unfilled


def accepted(**shows: Any) -> Outcome:
    """It is done; ``shows`` has dots in its paths written as two underscores."""
    return showing({path.replace("__", "."): value for path, value in shows.items()})


def showing(shows: Mapping[str, Any]) -> Outcome:
    """It is done, and this is what the object is then like."""
    return Outcome(200, "Accepted", shows=shows)


def refused(policy: str, says: str = "", *, also_by: str = "") -> Outcome:
    """A policy refuses it, with 403."""
    return Outcome(
        403, f"surefoot-{policy}", says, also_by=f"surefoot-{also_by}" if also_by else ""
    )


def invalid(says: str) -> Outcome:
    """The CRD refuses it, with 422, whatever policies there are."""
    return Outcome(422, "CRD", says)


def forbidden(says: str) -> Outcome:
    """RBAC refuses it."""
    return Outcome(403, "RBAC", says)


def merge(
    kind: str, name: str, body: Any, *, at_home: bool = False, subresource: str = "", **options: str
) -> Request:
    """`kubectl patch --type=merge`."""
    return Request(
        "PATCH",
        kind,
        name,
        body,
        MERGE,
        subresource=subresource,
        options=options,
        at_home=at_home,
    )


def json_patch(kind: str, name: str, *operations: Mapping[str, Any], **more: Any) -> Request:
    """`kubectl patch --type=json`."""
    return Request("PATCH", kind, name, list(operations), JSON_PATCH, **more)


def replaced(path: str, value: Any) -> Mapping[str, Any]:
    """One operation of a JSON patch."""
    return {"op": "replace", "path": path, "value": value}


def added(path: str, value: Any) -> Mapping[str, Any]:
    """One operation of a JSON patch."""
    return {"op": "add", "path": path, "value": value}


def removed(path: str) -> Mapping[str, Any]:
    """One operation of a JSON patch."""
    return {"op": "remove", "path": path}


def apply(
    kind: str,
    name: str,
    body: Mapping[str, Any],
    *,
    force: bool = True,
    manager: str = "kubectl",
    subresource: str = "",
    at_home: bool = False,
) -> Request:
    """`kubectl apply --server-side`."""
    options = {"fieldManager": manager, **({"force": "true"} if force else {})}
    return Request(
        "PATCH",
        kind,
        name,
        manifest(kind, name, body),
        APPLY,
        subresource=subresource,
        options=options,
        at_home=at_home,
    )


def replace(kind: str, name: str, edits: Mapping[str, Any], **more: Any) -> Request:
    """`kubectl replace` of the object as it is there, with some paths changed."""
    return Request("PUT", kind, name, edits=edits, **more)


def create(kind: str, name: str, body: Mapping[str, Any], **more: Any) -> Request:
    """`kubectl create`."""
    return Request("POST", kind, body=manifest(kind, name, body), **more)


def delete(kind: str, name: str, *, at_home: bool = False, **options: Any) -> Request:
    """`kubectl delete`; ``options`` are those of the API."""
    return Request("DELETE", kind, name, options or None, at_home=at_home)


def delete_all(kind: str, *, at_home: bool = False, **options: str) -> Request:
    """`kubectl delete --all`, in one request."""
    return Request("DELETE", kind, options=options, at_home=at_home)


def manifest(kind: str, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The body with kind and name."""
    metadata = {"name": name} if name else {}
    return {
        "apiVersion": API_VERSIONS[kind],
        "kind": kind,
        **body,
        "metadata": {**metadata, **body.get("metadata", {})},
    }


def as_if(request: Request, user: str) -> Request:
    """The same, said to be from somebody else: `kubectl --as`."""
    return dataclasses.replace(request, impersonating=user)


def by_each(
    who: Sequence[Actor], name: str, request: Request, outcome: Outcome
) -> tuple[Attempt, ...]:
    """The same, tried by several."""
    return tuple(Attempt(f"{actor} {name}", actor, request, outcome) for actor in who)
