"""A Lease that the replicas of the operator take turns to hold, in the operator's namespace."""

import json
import math
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from surefoot.adapters.kubernetes.http import JSON, Http
from surefoot.api.v1alpha1.meta import GROUP
from surefoot.application.leases import LeaseContent, LeaseVersion
from surefoot.application.ports import Clock
from surefoot.errors import Conflict, NotFound, Unavailable

LEASES = "/apis/coordination.k8s.io/v1/namespaces"
REPLICAS_ANNOTATION = f"{GROUP}/replicas"
"""Who shares a Lease, as JSON: a number for each replica, which it raises while it lives."""


class KubernetesLease:
    """The `LeaseLock` port."""

    def __init__(self, http: Http, clock: Clock, namespace: str, name: str) -> None:
        self._http = http
        self._clock = clock
        self._namespace = namespace
        self._name = name

    @property
    def title(self) -> str:
        """What it is called in logs."""
        return f"{self._namespace}/{self._name}"

    async def read(self) -> LeaseVersion | None:
        """The Lease as it is; None where there is none. Raises `ApiError`."""
        what = f"get Lease {self.title}"
        try:
            found = await self._http.get(what, self._path)
        except NotFound:
            return None
        return _version(what, found)

    async def write(self, before: LeaseVersion | None, content: LeaseContent) -> LeaseVersion:
        """Replace the version that was read, or create the Lease where there was none.

        Raises `Conflict` where somebody was faster, and `ApiError` otherwise.
        """
        what = f"write Lease {self.title}"
        now = self._clock.now()
        spec: JSON = {
            "holderIdentity": content.holder,
            "leaseDurationSeconds": math.ceil(content.duration),
            "renewTime": _micro_time(now),
            "leaseTransitions": content.transitions,
        }
        if before is not None and before.content.holder == content.holder:
            spec["acquireTime"] = before.acquired or _micro_time(now)
        else:
            spec["acquireTime"] = _micro_time(now)
        metadata: JSON = {"name": self._name, "namespace": self._namespace}
        if content.replicas:
            replicas = json.dumps(dict(content.replicas), sort_keys=True)
            metadata["annotations"] = {REPLICAS_ANNOTATION: replicas}
        if before is not None:
            metadata["resourceVersion"] = before.version
        body: JSON = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": spec,
        }
        verb, path = ("POST", self._collection) if before is None else ("PUT", self._path)
        try:
            written = await self._http.write(what, verb, path, body, is_fenced=False)
        except NotFound as error:
            if before is None:
                raise
            raise Conflict(f"{what}: it was deleted meanwhile", status=404) from error
        return _version(what, written)

    @property
    def _collection(self) -> str:
        return f"{LEASES}/{quote(self._namespace)}/leases"

    @property
    def _path(self) -> str:
        return f"{self._collection}/{quote(self._name)}"


def _version(what: str, found: JSON) -> LeaseVersion:
    """Whatever somebody wrote into the Lease by hand is understood as far as it goes."""
    metadata: Any = found.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("resourceVersion"), str):
        raise Unavailable(f"{what}: the answer is not a Lease")
    spec: Any = found.get("spec")
    spec = spec if isinstance(spec, dict) else {}
    content = LeaseContent(
        holder=str(spec.get("holderIdentity") or ""),
        duration=_seconds(spec.get("leaseDurationSeconds")),
        transitions=int(_seconds(spec.get("leaseTransitions"))),
        replicas=_replicas(metadata.get("annotations")),
    )
    acquired = spec.get("acquireTime")
    return LeaseVersion(
        metadata["resourceVersion"], content, acquired if isinstance(acquired, str) else ""
    )


def _replicas(annotations: Any) -> dict[str, int]:
    text = annotations.get(REPLICAS_ANNOTATION) if isinstance(annotations, dict) else None
    try:
        numbers = json.loads(text) if isinstance(text, str) else {}
    except (ValueError, RecursionError):
        return {}
    if not isinstance(numbers, dict):
        return {}
    return {name: number for name, number in numbers.items() if isinstance(number, int)}


def _seconds(number: Any) -> float:
    return float(number) if isinstance(number, int) and number > 0 else 0.0


def _micro_time(moment: datetime) -> str:
    """A time as Kubernetes writes its MicroTime."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
