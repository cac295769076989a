"""What each sink has, in a ConfigMap `surefoot-record-<sink>` in the operator's namespace.

One write for each delivery, and nothing on the Rollouts, whose status must not be fought over. An
entry is some 130 bytes, so there is room for about 7000 Rollouts. Where several replicas act, each
of them writes what it delivered, and leaves the rest of the ConfigMap as it is. Anyone who changes
this ConfigMap makes lines come twice, or leaves out some: a reader of the record sees the first as
doubles and the second as missing.
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from surefoot.adapters.kubernetes.http import JSON, Http
from surefoot.api.v1alpha1.meta import MANAGED_BY_LABEL
from surefoot.domain.record.verification import Mark
from surefoot.errors import Conflict, NotFound

NAME = "surefoot-record-"
ATTEMPTS = 5
"""Writes until nobody else came first; then the next delivery writes it too."""


class ConfigMapCursors:
    """The `Cursors` port. ``fence`` is asked before every write.

    ``is_shared``: other replicas deliver too, to the same sinks.
    """

    def __init__(
        self,
        http: Http,
        namespace: str,
        fence: Callable[[str], None] = lambda _what: None,
        *,
        is_shared: bool = False,
    ) -> None:
        self._http = http
        self._namespace = namespace
        self._fence = fence
        self._is_shared = is_shared
        self._versions: dict[str, str | None] = {}
        self._stored: dict[str, dict[str, str]] = {}
        """By sink, what its ConfigMap held when it was last read or written."""
        self._ours: dict[str, dict[str, str]] = {}
        """By sink, what was last loaded or saved: what differs from that is ours to write."""

    async def load(self, sink: str) -> dict[str, Mark]:
        """By Rollout UID; what is not as it was written is left out. Raises `ApiError`."""
        await self._read(sink)
        self._ours[sink] = dict(self._stored[sink])
        marks = {uid: _mark(text) for uid, text in self._stored[sink].items()}
        return {uid: mark for uid, mark in marks.items() if mark is not None}

    async def save(self, sink: str, marks: Mapping[str, Mark]) -> None:
        """Write, over whatever somebody else has written meanwhile. Raises `ApiError`."""
        wanted = {uid: f"{mark.transition_id} {mark.hash}" for uid, mark in marks.items()}
        if sink not in self._versions:
            await self._read(sink)
        for _ in range(ATTEMPTS - 1):
            try:
                await self._write(sink, self._merged(sink, wanted))
                break
            except (Conflict, NotFound):
                await self._read(sink)
        else:
            await self._write(sink, self._merged(sink, wanted))
        self._ours[sink] = wanted

    def _merged(self, sink: str, wanted: dict[str, str]) -> dict[str, str]:
        """What is to be stored: what others have written of their Rollouts stays."""
        stored, before = self._stored[sink], self._ours.get(sink, {})
        if not self._is_shared or not stored:
            return wanted
        changed = {uid: mark for uid, mark in wanted.items() if before.get(uid) != mark}
        forgotten = before.keys() - wanted.keys()
        return {uid: mark for uid, mark in stored.items() if uid not in forgotten} | changed

    async def _read(self, sink: str) -> None:
        try:
            config_map = await self._http.get(f"get ConfigMap {_name(sink)}", self._path(sink))
        except NotFound:
            self._versions[sink], self._stored[sink] = None, {}
            return
        self._versions[sink] = config_map["metadata"]["resourceVersion"]
        self._stored[sink] = config_map.get("data") or {}

    async def _write(self, sink: str, data: dict[str, str]) -> None:
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
            "data": data,
        }
        verb, path = ("POST", self._collection) if version is None else ("PUT", self._path(sink))
        what = f"write ConfigMap {_name(sink)}"
        self._fence(what)
        written = await self._http.write(what, verb, path, body, is_fenced=False)
        self._versions[sink], self._stored[sink] = written["metadata"]["resourceVersion"], data

    @property
    def _collection(self) -> str:
        return f"/api/v1/namespaces/{quote(self._namespace)}/configmaps"

    def _path(self, sink: str) -> str:
        return f"{self._collection}/{quote(_name(sink))}"


def _name(sink: str) -> str:
    return f"{NAME}{sink}"


def _mark(text: Any) -> Mark | None:
    parts = str(text).split(" ")
    return Mark(*parts) if len(parts) == 2 else None
