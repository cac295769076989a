"""Fakes for the ports of the application: a cluster in memory, a clock that is told the time."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from surefoot.api.v1alpha1.approval import Approval, ApprovalSpec, ApprovalStatus
from surefoot.api.v1alpha1.checkpoint import Checkpoint, CheckpointSpec, CheckpointStatus
from surefoot.api.v1alpha1.meta import MANAGED_LABEL, ObjectMeta
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import RolloutStatus
from surefoot.application.ports import (
    ConfigMapVersion,
    Kind,
    Marks,
    ObjectHead,
    ObjectKey,
    Observable,
    Request,
    Subject,
    TransitionRecord,
)
from surefoot.domain.facts.clock import SkippedTime
from surefoot.domain.facts.snapshot import ConfigMap, Halt
from surefoot.domain.flag.config_map import Rendering
from surefoot.domain.flag.shadow import SHADOW
from surefoot.domain.plan import Announcement
from surefoot.errors import Conflict, Refused
from tests.support.world import START

Interruption = Callable[[str], Awaitable[None]]


class FakeClock:
    """Time moves when it is told to; sleepers are woken when their time has come."""

    def __init__(self) -> None:
        self.at = START
        self.doubt = timedelta(0)
        self.fault = ""
        self.left_out: tuple[SkippedTime, ...] = ()
        self._sleepers: list[tuple[datetime, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self.at

    def uncertainty(self) -> timedelta:
        return self.doubt

    def disagreement(self) -> str:
        return self.fault

    def skipped(self) -> tuple[SkippedTime, ...]:
        return self.left_out

    def elapsed(self) -> float:
        return (self.at - START).total_seconds()

    def time(self) -> float:
        return self.elapsed()

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        until: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.at + timedelta(seconds=seconds), until))
        await until

    async def advance(self, seconds: float) -> None:
        """Let so many seconds pass, and anyone who slept until then do its work."""
        end = self.at + timedelta(seconds=seconds)
        await turns()
        while due := [sleeper for sleeper in self._sleepers if sleeper[0] <= end]:
            moment, until = min(due, key=lambda sleeper: sleeper[0])
            self._sleepers.remove((moment, until))
            self.at = max(self.at, moment)
            if not until.done():
                until.set_result(None)
            await turns()
        self.at = end
        await turns()


async def turns(count: int = 30) -> None:
    """Let every task run until it waits for something."""
    for _ in range(count):
        await asyncio.sleep(0)


class FakeTelemetry:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.said: list[tuple[Any, ...]] = []
        self.lags: list[float] = []

    def reconciled(self, result: str, seconds: float) -> None:
        self.said.append(("reconciled", result))

    def judged(self, rollout: Rollout, status: RolloutStatus) -> None:
        self.said.append(("judged", rollout.metadata.name))

    def approvals_pending(self, key: ObjectKey, count: int) -> None:
        self.said.append(("approvals", key.name, count))

    def forgot(self, key: ObjectKey) -> None:
        self.said.append(("forgot", key.name))

    def transition(self, record: TransitionRecord) -> None:
        self.said.append(("transition", record.type))

    def drift_corrected(self) -> None:
        self.said.append(("drift",))

    def rehearsed(self, outcome: str, seconds: float) -> None:
        self.said.append(("rehearsed", outcome))

    def provider_answered(self, provider: str, outcome: str, seconds: float, lag: float) -> None:
        self.lags.append(lag)
        self.said.append(("provider", provider, outcome))

    def queue_depth(self, lane: str, depth: int) -> None:
        """Too often to be remembered."""

    def watch_missed(self, kind: str, count: int) -> None:
        self.said.append(("missed", kind, count))

    def unreadable_objects(self, kind: str, count: int) -> None:
        self.said.append(("unreadable", kind, count))


@dataclass
class FakeAnnouncer:
    """Remembers what was announced."""

    said: list[tuple[str, str]] = field(default_factory=list)

    def announce(self, subject: Subject, announcements: Collection[Announcement]) -> None:
        self.said += [(subject.key.name, each.reason) for each in announcements]


async def _undisturbed(_call: str) -> None:
    return None


class FakeCluster:
    """An API server in memory: versions, conflicts, and a list of every call in order.

    ``before`` is awaited before each call with its name: a test changes the world there. ``after``
    is awaited once a ConfigMap was marked, before the answer is given.
    """

    def __init__(self, *rollouts: Rollout) -> None:
        self.rollouts: dict[ObjectKey, Rollout] = {}
        self.config_maps: dict[ObjectKey, ConfigMap] = {}
        self.requests: dict[tuple[Kind, ObjectKey], Request] = {}
        self.halted: Halt | None = None
        self.established = True
        self.terminating = False
        self.calls: list[str] = []
        self.events: list[Announcement] = []
        self.before: Interruption = _undisturbed
        self.after: Interruption = _undisturbed
        self._version = 100
        for rollout in rollouts:
            self.put_rollout(rollout)

    # What tests do to it

    def next_version(self) -> str:
        self._version += 1
        return str(self._version)

    def put_rollout(self, rollout: Rollout) -> Rollout:
        """Store it as a new version."""
        stored = _as_version(rollout, self.next_version())
        self.rollouts[_key(stored)] = stored
        return stored

    def put_config_map(self, config_map: ConfigMap, namespace: str = "agents") -> ConfigMap:
        """Store it as a new version."""
        stored = replace(config_map, resource_version=self.next_version())
        self.config_maps[ObjectKey(namespace, stored.name)] = stored
        return stored

    def writes(self) -> list[str]:
        """The calls that changed something, in order."""
        reads = ("read", "list")
        return [call for call in self.calls if not call.startswith(reads)]

    async def _call(self, name: str) -> None:
        await self.before(name)
        self.calls.append(name)

    # The port

    async def rollout(self, key: ObjectKey) -> Rollout | None:
        await self._call("read rollout")
        return self.rollouts.get(key)

    async def config_map(self, key: ObjectKey) -> ConfigMapVersion | None:
        await self._call("read config map")
        found = self.config_maps.get(key)
        return None if found is None else ConfigMapVersion(found, key)

    async def checkpoints(self, rollout: ObjectKey) -> tuple[Checkpoint, ...]:
        await self._call("list checkpoints")
        return tuple(r for r in self.requests.values() if isinstance(r, Checkpoint))

    async def approvals(self, rollout: ObjectKey) -> tuple[Approval, ...]:
        await self._call("list approvals")
        return tuple(r for r in self.requests.values() if isinstance(r, Approval))

    async def request(self, kind: Kind, key: ObjectKey) -> Request | None:
        await self._call("read request")
        return self.requests.get((kind, key))

    async def observe(self, kind: Kind, key: ObjectKey) -> Observable | None:
        await self._call(f"read {kind.value}")
        if kind is Kind.ROLLOUT:
            return self.rollouts.get(key)
        if kind is Kind.CONFIG_MAP:
            return self.config_maps.get(key)
        return self.requests.get((kind, key))

    async def heads(self, kind: Kind) -> tuple[ObjectHead, ...]:
        await self._call(f"list {kind.value}")
        if kind is Kind.ROLLOUT:
            return tuple(_head(key, each) for key, each in self.rollouts.items())
        if kind is Kind.CONFIG_MAP:
            return tuple(
                ObjectHead(key, each.uid, each.resource_version)
                for key, each in self.config_maps.items()
                if each.labels.get(MANAGED_LABEL) == "true"
            )
        return tuple(
            _head(key, each) for (other, key), each in self.requests.items() if other is kind
        )

    async def shadows(self) -> tuple[ConfigMapVersion, ...]:
        await self._call("list shadows")
        return tuple(
            ConfigMapVersion(each, key)
            for key, each in self.config_maps.items()
            if each.labels.get(MANAGED_LABEL) == SHADOW
        )

    async def halts(self) -> tuple[Halt, ...]:
        await self._call("list halts")
        return () if self.halted is None else (self.halted,)

    async def halt(self, namespace: str) -> Halt | None:
        await self._call("read halt")
        return self.halted

    async def namespace_is_terminating(self, namespace: str) -> bool:
        await self._call("read namespace")
        return self.terminating

    async def kinds_are_established(self, *kinds: Kind) -> bool:
        await self._call("read kinds")
        return self.established

    async def write_rollout_status(self, judged: Rollout, status: RolloutStatus) -> Rollout:
        await self._call("write status")
        stored = self.rollouts.get(_key(judged))
        if (
            stored is None
            or stored.metadata.uid != judged.metadata.uid
            or stored.metadata.resource_version != judged.metadata.resource_version
        ):
            raise Conflict("the Rollout has changed")
        return self.put_rollout(stored.model_copy(update={"status": status}))

    async def create_config_map(
        self, key: ObjectKey, rendering: Rendering, owner: Rollout
    ) -> ConfigMap:
        await self._call("create config map")
        if key in self.config_maps:
            raise Conflict("it exists")
        return self.put_config_map(
            ConfigMap(
                name=key.name,
                uid=f"cm-{self.next_version()}",
                resource_version="",
                data=rendering.data,
                labels=rendering.labels,
                annotations=rendering.annotations,
                owner_uids=(owner.metadata.uid,),
                kept=not rendering.owned,
            ),
            key.namespace,
        )

    async def render_config_map(
        self, held: ConfigMapVersion, rendering: Rendering, owner: Rollout
    ) -> ConfigMap:
        await self._call("write config map")
        found = self._held(held)
        return self.put_config_map(
            replace(
                found,
                data=rendering.data,
                labels={**found.labels, **rendering.labels},
                annotations={**found.annotations, **rendering.annotations},
                has_binary_data=False,
                owner_uids=(owner.metadata.uid,),
                kept=not rendering.owned,
            )
        )

    async def mark_config_map(
        self, held: ConfigMapVersion, marks: Marks, data: dict[str, str] | None = None
    ) -> ConfigMap:
        await self._call("mark config map")
        found = self._held(held)
        if found.immutable and data is not None and data != found.data:
            raise Refused("its data is immutable")
        marked = self.put_config_map(
            replace(
                found,
                data=found.data if data is None else data,
                has_binary_data=found.has_binary_data and data is None,
                labels=_merged(dict(found.labels), marks.labels),
                annotations=_merged(dict(found.annotations), marks.annotations),
                owner_uids=() if marks.disowned else found.owner_uids,
                kept=found.kept and not marks.disowned,
            )
        )
        await self.after("mark config map")
        return marked

    async def recreate_config_map(self, held: ConfigMapVersion, data: dict[str, str]) -> ConfigMap:
        await self._call("recreate config map")
        found = self._held(held)
        return self.put_config_map(
            replace(
                found,
                uid=f"cm-{self.next_version()}",
                data=data,
                has_binary_data=False,
                immutable=False,
                owner_uids=(),
                kept=False,
            )
        )

    async def delete_config_map(self, held: ConfigMapVersion) -> None:
        await self._call("delete config map")
        found = self._held(held)
        del self.config_maps[ObjectKey("agents", found.name)]

    def _held(self, held: ConfigMapVersion) -> ConfigMap:
        stored = self.config_maps.get(ObjectKey("agents", held.config_map.name))
        if stored is None or stored.resource_version != held.config_map.resource_version:
            raise Conflict("the ConfigMap has changed")
        return stored

    async def open_request(
        self, name: str, spec: CheckpointSpec | ApprovalSpec, owner: Rollout
    ) -> Request:
        await self._call(f"open {name}")
        key = ObjectKey(owner.metadata.namespace, name)
        metadata = ObjectMeta(
            name=name,
            namespace=key.namespace,
            uid=f"uid-{name}",
            resource_version="1",
            creation_timestamp=START,
        )
        opened: Request
        if isinstance(spec, CheckpointSpec):
            kind, opened = Kind.CHECKPOINT, Checkpoint(metadata=metadata, spec=spec)
        else:
            kind, opened = Kind.APPROVAL, Approval(metadata=metadata, spec=spec)
        if (kind, key) in self.requests:
            raise Conflict("the name is taken")
        self.requests[kind, key] = opened
        return opened

    async def write_request_status(
        self, kind: Kind, head: ObjectHead, status: CheckpointStatus | ApprovalStatus
    ) -> Request:
        await self._call(f"record {head.key.name}")
        stored = self.requests[kind, head.key]
        if stored.metadata.resource_version != head.resource_version:
            raise Conflict("the request has changed")
        metadata = stored.metadata.model_copy(update={"resource_version": self.next_version()})
        written = stored.model_copy(update={"status": status, "metadata": metadata})
        self.requests[kind, head.key] = written
        return written

    async def post_event(self, subject: Subject, announcement: Announcement) -> None:
        await self._call("post event")
        self.events.append(announcement)


def _key(rollout: Rollout) -> ObjectKey:
    return ObjectKey(rollout.metadata.namespace, rollout.metadata.name)


def _head(key: ObjectKey, each: Rollout | Request) -> ObjectHead:
    return ObjectHead(key, each.metadata.uid, each.metadata.resource_version)


def _as_version(rollout: Rollout, version: str) -> Rollout:
    metadata = rollout.metadata.model_copy(update={"resource_version": version})
    return rollout.model_copy(update={"metadata": metadata})


def _merged(present: dict[str, str], changes: dict[str, str | None]) -> dict[str, str]:
    return {name: text for name, text in {**present, **changes}.items() if text is not None}
