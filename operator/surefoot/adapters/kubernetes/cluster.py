"""The `Cluster` port on a real API server."""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from importlib.metadata import version as installed_version
from typing import Any, TypeVar, cast
from urllib.parse import quote

import structlog

from surefoot.adapters.kubernetes.http import JSON, Http
from surefoot.adapters.kubernetes.objects import (
    M,
    approval_from,
    as_written,
    checkpoint_from,
    config_map_from,
    head_of,
    is_object,
    is_to_namespace,
    read,
    read_or_fault,
    rollout_from,
)
from surefoot.api.v1alpha1.approval import Approval, ApprovalSpec, ApprovalStatus
from surefoot.api.v1alpha1.checkpoint import Checkpoint, CheckpointSpec, CheckpointStatus
from surefoot.api.v1alpha1.meta import (
    ALLOWED_SIGNERS_CONFIGMAP,
    ALLOWED_SIGNERS_KEY,
    API_VERSION,
    GROUP,
    HALT_CONFIGMAP,
    MANAGED_BY_LABEL,
    MANAGED_LABEL,
    VERSION_LABEL,
)
from surefoot.api.v1alpha1.moments import within_calendar
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import RolloutStatus
from surefoot.application.ports import (
    Clock,
    ConfigMapVersion,
    Kind,
    Marks,
    ObjectHead,
    ObjectKey,
    Observable,
    ReadApproval,
    ReadCheckpoint,
    Request,
    Subject,
)
from surefoot.application.turns import by_turns
from surefoot.domain.facts.snapshot import ConfigMap, Halt
from surefoot.domain.flag.config_map import Rendering
from surefoot.domain.flag.shadow import SHADOW
from surefoot.domain.plan import Announcement
from surefoot.errors import ApiError, Conflict, NotFound, Refused, Unavailable

log = structlog.get_logger(__name__)

T = TypeVar("T")

VERSION = installed_version("surefoot")

PLURALS = {
    Kind.ROLLOUT: "rollouts",
    Kind.CHECKPOINT: "checkpoints",
    Kind.APPROVAL: "approvals",
    Kind.CONFIG_MAP: "configmaps",
}
API_PATHS = {
    Kind.ROLLOUT: "/apis/surefoot.dev/v1alpha1",
    Kind.CHECKPOINT: "/apis/surefoot.dev/v1alpha1",
    Kind.APPROVAL: "/apis/surefoot.dev/v1alpha1",
    Kind.CONFIG_MAP: "/api/v1",
}
MANAGED_SELECTOR = f"{MANAGED_LABEL}=true"
SHADOW_SELECTOR = f"{MANAGED_LABEL}={SHADOW}"
ROLLOUT_LABEL = f"{GROUP}/rollout"
EVENT_NOTE = 1024
"""The API server takes no longer notes."""
LISTS_AT_ONCE = 8
"""Lists under way at a time, where each namespace has its own."""
NAMESPACE_WITHIN = 2.0
"""Seconds in which a namespace is read before a flag is written."""


class KubernetesCluster:
    """The `Cluster` port. ``namespaces`` is what is watched; empty means all.

    ``known`` is what is known of an object already: a read that shows that version need not be
    understood once more.
    """

    def __init__(
        self,
        http: Http,
        clock: Clock,
        *,
        operator_namespace: str,
        namespaces: tuple[str, ...] = (),
        instance: str = "surefoot",
        known: Callable[[Kind, ObjectKey], Observable | None] = lambda _kind, _key: None,
    ) -> None:
        self._http = http
        self._clock = clock
        self._operator_namespace = operator_namespace
        self._namespaces = namespaces
        self._instance = instance
        self._crd_versions: dict[str, str | None] = {}
        self._known = known

    # Reading

    async def rollout(self, key: ObjectKey) -> Rollout | None:
        """A fresh read; None if it does not exist."""
        raw = await self._get(Kind.ROLLOUT, key)
        return None if raw is None else self._understood(Kind.ROLLOUT, rollout_from)(raw)

    async def config_map(self, key: ObjectKey) -> ConfigMapVersion | None:
        """A fresh read; None if it does not exist."""
        raw = await self._get(Kind.CONFIG_MAP, key)
        return None if raw is None else ConfigMapVersion(config_map_from(raw), raw)

    async def checkpoints(self, rollout: ObjectKey) -> tuple[ReadCheckpoint, ...]:
        """A fresh list of those that name this Rollout, the unreadable ones among them."""
        items = await self._naming(Kind.CHECKPOINT, rollout)
        reader = self._understood(Kind.CHECKPOINT, checkpoint_from)
        return tuple(await by_turns(items, partial(read_or_fault, reader)))

    async def approvals(self, rollout: ObjectKey) -> tuple[ReadApproval, ...]:
        """A fresh list of those that name this Rollout, the unreadable ones among them."""
        items = await self._naming(Kind.APPROVAL, rollout)
        reader = self._understood(Kind.APPROVAL, approval_from)
        return tuple(await by_turns(items, partial(read_or_fault, reader)))

    async def request(self, kind: Kind, key: ObjectKey) -> Request | None:
        """A fresh read of a Checkpoint or Approval; None if it does not exist."""
        raw = await self._get(kind, key)
        return None if raw is None else _request_from(kind, raw)

    async def observe(self, kind: Kind, key: ObjectKey) -> Observable | None:
        """A fresh read of anything that is watched; None if it does not exist."""
        raw = await self._get(kind, key)
        return None if raw is None else read(kind, raw)

    async def heads(self, kind: Kind) -> tuple[ObjectHead, ...]:
        """A complete list of what is watched of this kind, metadata only."""
        params = {"labelSelector": MANAGED_SELECTOR} if kind is Kind.CONFIG_MAP else {}
        what, paths = f"list {PLURALS[kind]}", self._watched_paths(kind)
        return tuple(await self._listed(what, paths, params, head_of, metadata_only=True))

    async def shadows(self) -> tuple[ConfigMapVersion, ...]:
        """A complete list of what rehearsals have written and not removed."""
        params = {"labelSelector": SHADOW_SELECTOR}
        what, paths = "list shadows of rehearsals", self._watched_paths(Kind.CONFIG_MAP)
        return tuple(
            await self._listed(
                what, paths, params, lambda item: ConfigMapVersion(config_map_from(item), item)
            )
        )

    async def halts(self) -> tuple[Halt, ...]:
        """Every halt in the namespaces that are watched, and in the operator's."""
        params = {"fieldSelector": f"metadata.name={HALT_CONFIGMAP}", "resourceVersion": "0"}
        paths = self._watched_paths(Kind.CONFIG_MAP)
        if self._namespaces and self._operator_namespace not in self._namespaces:
            paths = (*paths, collection_path(Kind.CONFIG_MAP, self._operator_namespace))
        found = await self._listed(f"list {HALT_CONFIGMAP}", paths, params, self._in_force)
        return tuple(halt for halt in found if halt is not None)

    async def halt(self, namespace: str) -> Halt | None:
        """A fresh read of what halts this namespace: its own halt, or the operator's."""
        places = dict.fromkeys((namespace, self._operator_namespace))
        read_all = [
            self._get(Kind.CONFIG_MAP, ObjectKey(place, HALT_CONFIGMAP)) for place in places
        ]
        for raw in await asyncio.gather(*read_all):
            halt = None if raw is None else self._in_force(raw)
            if halt is not None:
                return halt
        return None

    async def allowed_signers(self) -> str | None:
        """A fresh read of the allowed signers, as `ssh-keygen` takes them; None if there are none.

        They are the operator's own namespace's, so that no team can admit keys of its own.
        """
        key = ObjectKey(self._operator_namespace, ALLOWED_SIGNERS_CONFIGMAP)
        raw = await self._get(Kind.CONFIG_MAP, key)
        return None if raw is None else (raw.get("data") or {}).get(ALLOWED_SIGNERS_KEY)

    def _in_force(self, raw: JSON) -> Halt | None:
        """The halt that a ConfigMap declares, unless its time is over.

        An `until` that cannot be read is no end: a halt must not be lost to a misspelling.
        """
        data = raw.get("data") or {}
        until: datetime | None = None
        with contextlib.suppress(ValueError, TypeError):
            until = datetime.fromisoformat(data["until"]) if "until" in data else None
        until = within_calendar(until) if until is not None and until.tzinfo is not None else None
        if until is not None and until <= self._clock.now():
            return None
        reason, by = data.get("reason") or "no reason given", data.get("by") or ""
        return Halt(raw["metadata"]["namespace"], reason, until, by)

    async def namespace_is_terminating(self, namespace: str) -> bool:
        """Whether the namespace is being deleted, or is gone."""
        path = f"/api/v1/namespaces/{quote(namespace)}"
        what = f"get Namespace {namespace}"
        try:
            raw = _object(what, await self._http.get(what, path))
        except NotFound:
            return True
        terminating = (raw.get("status") or {}).get("phase") == "Terminating"
        return terminating or "deletionTimestamp" in raw["metadata"]

    async def kinds_are_established(self, *kinds: Kind) -> bool:
        """Whether the API server serves these of our kinds, and none is about to go.

        A CRD that is being deleted is still served while its objects are deleted. Where the
        operator may not look at CRDs (installed for some namespaces only), discovery decides.
        """
        plurals = {PLURALS[kind] for kind in kinds if kind is not Kind.CONFIG_MAP}
        try:
            answer = await self._http.get("discover surefoot.dev", API_PATHS[Kind.ROLLOUT])
        except NotFound:
            return not plurals
        resources = _objects("discover surefoot.dev", answer.get("resources"))
        served = {resource.get("name") for resource in resources}
        if not plurals <= served:
            return False
        return all(await asyncio.gather(*map(self._crd_stays, sorted(plurals))))

    async def _crd_stays(self, plural: str) -> bool:
        name = f"{plural}.{GROUP}"
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"
        what = f"get CustomResourceDefinition {name}"
        try:
            raw = _object(what, await self._http.get(what, path))
        except NotFound:
            return False
        except Refused:
            return True
        if "deletionTimestamp" in raw["metadata"]:
            return False
        self._complain_of_version(name, (raw["metadata"].get("labels") or {}).get(VERSION_LABEL))
        return any(
            condition.get("type") == "Established" and condition.get("status") == "True"
            for condition in (raw.get("status") or {}).get("conditions") or ()
        )

    def _complain_of_version(self, name: str, found: str | None) -> None:
        """Say once that a CRD is of another version: fields that it does not know are dropped."""
        if found in (VERSION, self._crd_versions.get(name, VERSION)):
            return
        self._crd_versions[name] = found
        log.error(
            "a CRD is of another version than the operator: it may drop what the operator writes",
            crd=name,
            version=found or "none",
            remedy=f"kubectl apply --server-side -f crds.yaml, of version {VERSION}",
        )

    def _understood(
        self, kind: Kind, reader: Callable[[Mapping[str, Any]], M]
    ) -> Callable[[Mapping[str, Any]], M]:
        """A reader that takes what is known where that is the version that was read."""

        def read_or_known(raw: Mapping[str, Any]) -> M:
            head = head_of(raw)
            known = self._known(kind, head.key)
            if isinstance(known, Rollout | Checkpoint | Approval):
                metadata = known.metadata
                if (metadata.uid, metadata.resource_version) == (head.uid, head.resource_version):
                    return cast("M", known)
            return reader(raw)

        return read_or_known

    async def _get(self, kind: Kind, key: ObjectKey) -> JSON | None:
        what = f"get {kind.value} {key}"
        try:
            raw = await self._http.get(what, _path(kind, key))
        except NotFound:
            return None
        return _object(what, raw)

    async def _naming(self, kind: Kind, rollout: ObjectKey) -> list[JSON]:
        params = {"fieldSelector": f"spec.request.rollout.name={rollout.name}"}
        items: list[JSON] = []
        what = f"list {PLURALS[kind]} of Rollout {rollout}"
        async for page in self._http.pages(what, collection_path(kind, rollout.namespace), params):
            items += _items(what, page)
        return items

    async def _listed(
        self,
        what: str,
        paths: Iterable[str],
        params: Mapping[str, str],
        take: Callable[[JSON], T],
        *,
        metadata_only: bool = False,
    ) -> list[T]:
        """What is taken of each object of several lists. A few of them are read at a time."""
        slots = asyncio.Semaphore(LISTS_AT_ONCE)

        async def taken(path: str) -> list[T]:
            async with slots:
                pages = self._http.pages(what, path, params, metadata_only=metadata_only)
                return [take(item) async for page in pages for item in _items(what, page)]

        return [each for part in await asyncio.gather(*map(taken, paths)) for each in part]

    def _watched_paths(self, kind: Kind) -> tuple[str, ...]:
        if not self._namespaces:
            return (collection_path(kind),)
        return tuple(collection_path(kind, namespace) for namespace in self._namespaces)

    # Writing

    async def write_rollout_status(self, judged: Rollout, status: RolloutStatus) -> Rollout:
        """Replace the status of exactly the version that was judged."""
        metadata = judged.metadata
        head = ObjectHead(
            ObjectKey(metadata.namespace, metadata.name), metadata.uid, metadata.resource_version
        )
        sent = status.to_wire()
        answer = await self._put_status(Kind.ROLLOUT, head, sent)
        return as_written(judged, status, sent, answer) or rollout_from(answer)

    async def write_request_status(
        self, kind: Kind, head: ObjectHead, status: CheckpointStatus | ApprovalStatus
    ) -> Request:
        """Replace the status of exactly the version that was judged."""
        return _request_from(kind, await self._put_status(kind, head, status.to_wire()))

    async def _put_status(self, kind: Kind, head: ObjectHead, status: JSON) -> JSON:
        # The API server takes spec and metadata from the stored object: they need not be sent.
        body = {
            "apiVersion": API_VERSION,
            "kind": kind.value,
            "metadata": {
                "name": head.key.name,
                "namespace": head.key.namespace,
                "uid": head.uid,
                "resourceVersion": head.resource_version,
            },
            "status": status,
        }
        what = f"write status of {kind.value} {head.key}"
        return await self._http.write(what, "PUT", f"{_path(kind, head.key)}/status", body)

    async def create_config_map(
        self, key: ObjectKey, rendering: Rendering, owner: Rollout
    ) -> ConfigMap:
        """Create it; ``Conflict`` if one exists."""
        body: JSON = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": key.name,
                "namespace": key.namespace,
                "labels": dict(rendering.labels),
                "annotations": dict(rendering.annotations),
                "ownerReferences": await self._owners(owner, owned=rendering.owned),
            },
            "data": dict(rendering.data),
        }
        path = collection_path(Kind.CONFIG_MAP, key.namespace)
        return config_map_from(
            await self._http.write(f"create ConfigMap {key}", "POST", path, body)
        )

    async def render_config_map(
        self, held: ConfigMapVersion, rendering: Rendering, owner: Rollout
    ) -> ConfigMap:
        """Write the rendering over the version held. What others put into the metadata stays."""
        body = _as_read(held)
        metadata = body["metadata"]
        metadata["labels"] = {**(metadata.get("labels") or {}), **rendering.labels}
        metadata["annotations"] = {**(metadata.get("annotations") or {}), **rendering.annotations}
        before = metadata.get("ownerReferences") or ()
        metadata["ownerReferences"] = [
            *_of_others(before),
            *await self._owners(owner, owned=rendering.owned, before=before),
        ]
        body["data"] = dict(rendering.data)
        body.pop("binaryData", None)
        return await self._put_config_map(body)

    async def _owners(
        self, owner: Rollout, *, owned: bool, before: Iterable[JSON] = ()
    ) -> list[JSON]:
        """The ownerReferences of a flag: to its Rollout, and to the namespace that keeps it.

        The garbage collector deletes what has no owner left. So a flag that is to stay has no
        reference to its Rollout without one to its namespace. The namespace is read for the first
        one only, and no write depends on it.
        """
        if owned:
            return [_owner_reference(owner)]
        namespace = next(
            (reference for reference in before if is_to_namespace(reference)), None
        ) or await self._reference_to(owner.metadata.namespace)
        return [] if namespace is None else [_owner_reference(owner), namespace]

    async def _reference_to(self, namespace: str) -> JSON | None:
        """An ownerReference to the namespace; None where it cannot be read soon."""
        what = f"get Namespace {namespace}"
        try:
            async with asyncio.timeout(NAMESPACE_WITHIN):
                raw = _object(
                    what, await self._http.get(what, f"/api/v1/namespaces/{quote(namespace)}")
                )
        except (ApiError, TimeoutError) as error:
            log.debug("flag written without owners", namespace=namespace, error=str(error))
            return None
        return {
            "apiVersion": "v1",
            "kind": "Namespace",
            "name": namespace,
            "uid": raw["metadata"]["uid"],
            "controller": False,
            "blockOwnerDeletion": False,
        }

    async def mark_config_map(
        self, held: ConfigMapVersion, marks: Marks, data: dict[str, str] | None = None
    ) -> ConfigMap:
        """Change labels and annotations, and the data where given, of the version held."""
        body = _as_read(held)
        metadata = body["metadata"]
        metadata["labels"] = _changed(metadata.get("labels"), marks.labels)
        metadata["annotations"] = _changed(metadata.get("annotations"), marks.annotations)
        if marks.disowned:
            metadata["ownerReferences"] = _of_others(metadata.get("ownerReferences") or ())
        if data is not None:
            body["data"] = data
            body.pop("binaryData", None)
        return await self._put_config_map(body)

    async def recreate_config_map(self, held: ConfigMapVersion, data: dict[str, str]) -> ConfigMap:
        """Delete exactly the version held, and create it again with this data, and mutable."""
        read = _as_read(held)["metadata"]
        metadata = {
            part: read[part]
            for part in ("name", "namespace", "labels", "annotations")
            if part in read
        }
        body: JSON = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
        key = head_of(_as_read(held)).key
        await self.delete_config_map(held)
        path = collection_path(Kind.CONFIG_MAP, key.namespace)
        return config_map_from(
            await self._http.write(f"create ConfigMap {key}", "POST", path, body)
        )

    async def _put_config_map(self, body: JSON) -> ConfigMap:
        head = head_of(body)
        path = _path(Kind.CONFIG_MAP, head.key)
        try:
            raw = await self._http.write(f"write ConfigMap {head.key}", "PUT", path, body)
        except NotFound as error:  # it was there when it was read: somebody deleted it since
            raise Conflict(str(error), status=404) from error
        return config_map_from(raw)

    async def delete_config_map(self, held: ConfigMapVersion) -> None:
        """Delete exactly the version held."""
        head = head_of(_as_read(held))
        body: JSON = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": head.uid, "resourceVersion": head.resource_version},
        }
        path = _path(Kind.CONFIG_MAP, head.key)
        try:
            await self._http.write(f"delete ConfigMap {head.key}", "DELETE", path, body)
        except NotFound as error:
            raise Conflict(str(error), status=404) from error

    async def open_request(
        self, name: str, spec: CheckpointSpec | ApprovalSpec, owner: Rollout
    ) -> Request:
        """Create a Checkpoint or Approval; ``Conflict`` if the name is taken."""
        kind = Kind.CHECKPOINT if isinstance(spec, CheckpointSpec) else Kind.APPROVAL
        key = ObjectKey(owner.metadata.namespace, name)
        body: JSON = {
            "apiVersion": API_VERSION,
            "kind": kind.value,
            "metadata": {
                "name": key.name,
                "namespace": key.namespace,
                "labels": {
                    MANAGED_BY_LABEL: "surefoot",
                    ROLLOUT_LABEL: owner.metadata.name,
                },
                "ownerReferences": [_owner_reference(owner)],
            },
            "spec": spec.to_wire(),
        }
        path = collection_path(kind, key.namespace)
        raw = await self._http.write(f"create {kind.value} {key}", "POST", path, body)
        return _request_from(kind, raw)

    async def post_event(self, subject: Subject, announcement: Announcement) -> None:
        """Post a Kubernetes event about an object."""
        at = self._clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        api_version = "v1" if subject.kind is Kind.CONFIG_MAP else API_VERSION
        body: JSON = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {
                "name": _event_name(subject, announcement, at),
                "namespace": subject.key.namespace,
            },
            "eventTime": at,
            "reportingController": "surefoot.dev/operator",
            "reportingInstance": self._instance[:128],
            "action": announcement.reason,
            "reason": announcement.reason,
            "type": "Warning" if announcement.warning else "Normal",
            "note": announcement.message[:EVENT_NOTE],
            "regarding": {
                "apiVersion": api_version,
                "kind": subject.kind.value,
                "namespace": subject.key.namespace,
                "name": subject.key.name,
                "uid": subject.uid,
            },
        }
        path = f"/apis/events.k8s.io/v1/namespaces/{quote(subject.key.namespace)}/events"
        what = f"create Event about {subject.kind.value} {subject.key}"
        await self._http.write(what, "POST", path, body)


def _object(what: str, raw: JSON) -> JSON:
    if not is_object(raw):
        raise Unavailable(f"{what}: the answer is not an object: it has no name")
    return raw


def _objects(what: str, items: Any) -> list[JSON]:
    if not isinstance(items, list | None) or not all(
        isinstance(item, dict) for item in items or ()
    ):
        raise Unavailable(f"{what}: the answer is not a list of objects")
    return items or []


def _items(what: str, page: JSON) -> list[JSON]:
    return [_object(what, item) for item in _objects(what, page.get("items"))]


def collection_path(kind: Kind, namespace: str | None = None) -> str:
    """Where the objects of a kind are: those of one namespace, or all."""
    within = f"namespaces/{quote(namespace)}/" if namespace is not None else ""
    return f"{API_PATHS[kind]}/{within}{PLURALS[kind]}"


def _path(kind: Kind, key: ObjectKey) -> str:
    return f"{collection_path(kind, key.namespace)}/{quote(key.name)}"


def _request_from(kind: Kind, raw: JSON) -> Request:
    return checkpoint_from(raw) if kind is Kind.CHECKPOINT else approval_from(raw)


def _as_read(held: ConfigMapVersion) -> JSON:
    """A copy of what was read, to be changed and sent back with its resourceVersion."""
    if not isinstance(held.origin, dict):
        raise TypeError("this ConfigMap was not read by this adapter")
    return {**held.origin, "metadata": dict(held.origin["metadata"])}


def _owner_reference(owner: Rollout) -> JSON:
    return {
        "apiVersion": API_VERSION,
        "kind": "Rollout",
        "name": owner.metadata.name,
        "uid": owner.metadata.uid,
        "controller": False,
        "blockOwnerDeletion": False,
    }


def _of_others(references: Iterable[JSON]) -> list[JSON]:
    """The ownerReferences that the operator does not write: to anything else."""
    return [
        reference
        for reference in references
        if not is_to_namespace(reference)
        and not (
            reference.get("kind") == "Rollout"
            and str(reference.get("apiVersion", "")).startswith(f"{GROUP}/")
        )
    ]


def _changed(
    present: Mapping[str, str] | None, changes: Mapping[str, str | None]
) -> dict[str, str]:
    merged: dict[str, str | None] = {**(present or {}), **changes}
    return {name: value for name, value in merged.items() if value is not None}


def _event_name(subject: Subject, announcement: Announcement, at: str) -> str:
    digest = hashlib.sha256(
        f"{subject.uid}/{announcement.reason}/{announcement.message}/{at}".encode()
    ).hexdigest()[:16]
    return f"{subject.key.name[:200]}.{digest}"
