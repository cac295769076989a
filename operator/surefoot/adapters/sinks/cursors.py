"""What each sink has, in a ConfigMap `surefoot-record-<sink>` in the operator's namespace.

One write for each delivery, and nothing on the Rollouts, whose status must not be fought over. An
entry is some 130 bytes, so there is room for about 7000 Rollouts. Anyone who changes this ConfigMap
makes lines come twice, or leaves out some: a reader of the record sees the first as doubles and
the second as missing.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from surefoot.adapters.kubernetes.http import JSON, Http
from surefoot.api.v1alpha1.meta import MANAGED_BY_LABEL
from surefoot.domain.record.verification import Mark
from surefoot.errors import Conflict, NotFound


class ConfigMapCursors:
    """The `Cursors` port."""

    def __init__(self, http: Http, namespace: str) -> None:
        self._http = http
        self._namespace = namespace
        self._versions: dict[str, str | None] = {}

    async def load(self, sink: str) -> dict[str, Mark]:
        """By Rollout UID; what is not as it was written is left out. Raises `ApiError`."""
        config_map = await self._read(sink)
        data = (config_map or {}).get("data") or {}
        marks = {uid: _mark(text) for uid, text in data.items()}
        return {uid: mark for uid, mark in marks.items() if mark is not None}

    async def save(self, sink: str, marks: Mapping[str, Mark]) -> None:
        """Write, over whatever somebody else has written meanwhile. Raises `ApiError`."""
        if sink not in self._versions:
            await self._read(sink)
        try:
            await self._write(sink, marks)
        except (Conflict, NotFound):
            await self._read(sink)
            await self._write(sink, marks)

    async def _read(self, sink: str) -> JSON | None:
        try:
            config_map = await self._http.get(f"get ConfigMap {_name(sink)}", self._path(sink))
        except NotFound:
            self._versions[sink] = None
            return None
        self._versions[sink] = config_map["metadata"]["resourceVersion"]
        return config_map

    async def _write(self, sink: str, marks: Mapping[str, Mark]) -> None:
        version = self._versions.get(sink)
        metadata: dict[str, Any] = {
            "name": _name(sink),
            "namespace": self._namespace,
            "labels": {MANAGED_BY_LABEL: "surefoot"},
        }
        if version is not None:
            metadata["resourceVersion"] = version
        body: JSON = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "data": {uid: f"{mark.transition_id} {mark.hash}" for uid, mark in marks.items()},
        }
        verb, path = ("POST", self._collection) if version is None else ("PUT", self._path(sink))
        written = await self._http.write(f"write ConfigMap {_name(sink)}", verb, path, body)
        self._versions[sink] = written["metadata"]["resourceVersion"]

    @property
    def _collection(self) -> str:
        return f"/api/v1/namespaces/{quote(self._namespace)}/configmaps"

    def _path(self, sink: str) -> str:
        return f"{self._collection}/{quote(_name(sink))}"


def _name(sink: str) -> str:
    return f"surefoot-record-{sink}"


def _mark(text: Any) -> Mark | None:
    parts = str(text).split(" ")
    return Mark(*parts) if len(parts) == 2 else None
