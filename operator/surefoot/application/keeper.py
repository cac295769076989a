"""Sees to the ConfigMaps whose Rollout is gone: the decision is `surefoot.domain.flag.release`.

It acts as soon as a watch tells that a Rollout was deleted, and looks at every orphan after each
complete list, because watches miss things and nobody watched before the operator started. Either
way fresh reads must make it certain that the Rollout is gone.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import structlog

from surefoot.api.v1alpha1.rollout_status import Transition
from surefoot.application.ports import (
    Announcer,
    Clock,
    Cluster,
    ConfigMapVersion,
    Kind,
    Marks,
    ObjectKey,
    Subject,
)
from surefoot.application.store import Store
from surefoot.domain.facts.snapshot import ConfigMap
from surefoot.domain.flag.release import (
    Circumstances,
    Release,
    Whereabouts,
    release,
    rollout_named_by,
)
from surefoot.domain.plan import Announcement
from surefoot.domain.record.verification import Origin
from surefoot.errors import ApiError, Conflict, Unavailable, UnreadableObject

log = structlog.get_logger(__name__)

AT_ONCE = 8
LOOKS = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds before each look after a deletion: a write that was on its way may make the ConfigMap
appear later, and an answer may fail. After the last look the next complete list is waited for."""


class OrphanKeeper:
    """Releases orphans. ``recorded`` takes the entry that ends the history of their Rollout.

    ``acts_in`` says in which namespaces.
    """

    def __init__(
        self,
        cluster: Cluster,
        store: Store,
        clock: Clock,
        announcer: Announcer,
        recorded: Callable[[Origin, Transition], None] = lambda _origin, _entry: None,
        *,
        acts_in: Callable[[str], bool] = lambda _namespace: True,
    ) -> None:
        self._cluster = cluster
        self._store = store
        self._clock = clock
        self._announcer = announcer
        self._recorded = recorded
        self._acts_in = acts_in
        self._gone: asyncio.Queue[ObjectKey] = asyncio.Queue()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._in_work: set[ObjectKey] = set()
        self._unsure: dict[ObjectKey, Release] = {}
        """Releases that were written, and of which no answer told whether they were taken."""

    def rollout_gone(self, rollout: ObjectKey) -> None:
        """A watch or a list tells that this Rollout was deleted, or another took its name."""
        self._gone.put_nowait(rollout)

    async def check(self, rollout: ObjectKey) -> None:
        """A write met a conflict: perhaps the Rollout is gone, and no watch has told yet."""
        head = self._store.head(Kind.ROLLOUT, rollout)
        try:
            current = await self._cluster.rollout(rollout)
        except ApiError as error:
            log.debug("rollout not read", rollout=str(rollout), error=str(error))
            return
        if head is not None and (current is None or current.metadata.uid != head.uid):
            self._store.remove(Kind.ROLLOUT, head)

    async def run(self) -> None:
        """See to the ConfigMaps of each Rollout that is told to be gone, until cancelled."""
        async with asyncio.TaskGroup() as following:
            while True:
                following.create_task(self._follow(await self._gone.get()))

    async def see_to_all(self) -> None:
        """Look at every managed ConfigMap whose Rollout the caches do not know.

        Call this after a complete list, and never before: until then they know too little.
        """
        keys = {key for key, _ in self._store.orphans()} | self._unsure.keys()
        await asyncio.gather(*(self._try(key) for key in sorted(keys)))

    async def _follow(self, rollout: ObjectKey) -> None:
        for pause in LOOKS:
            await self._clock.sleep(pause)
            left = [
                key
                for key, origin in self._store.orphans()
                if (origin.namespace, origin.name) == rollout
            ]
            await asyncio.gather(*(self._try(key) for key in left))

    async def _try(self, key: ObjectKey) -> None:
        if key in self._in_work or not self._acts_in(key.namespace):
            return
        self._in_work.add(key)
        try:
            async with self._slots:
                await self._see_to(key)
        except Conflict as error:
            log.debug("orphan changed meanwhile", config_map=str(key), error=str(error))
        except ApiError as error:
            log.warning("orphan left for now", config_map=str(key), error=str(error))
        finally:
            self._in_work.discard(key)

    async def _see_to(self, key: ObjectKey) -> None:
        held = await self._cluster.config_map(key)
        unsure = self._unsure.pop(key, None)
        if held is None:
            return
        if unsure is not None and _is_done(unsure, held.config_map):
            self._record(key, held.config_map, unsure)
            return
        around = await self._circumstances(key, held.config_map)
        due = None if around is None else release(held.config_map, around, self._clock.now())
        if due is None:
            return
        if due.zeroed and held.config_map.immutable:
            # What is immutable stays as it is forever: a new one comes, and then it is released.
            due = replace(due, data=_flags_alone(due.data))
            await self._cluster.recreate_config_map(held, due.data)
            held = await self._cluster.config_map(key)
            if held is None:
                return
        self._record(key, await self._release(key, held, due), due)

    async def _release(self, key: ObjectKey, held: ConfigMapVersion, due: Release) -> ConfigMap:
        marks = Marks(due.labels, due.annotations, disowned=True)
        data = due.data if due.zeroed else None
        try:
            released = await self._cluster.mark_config_map(held, marks, data)
        except Unavailable:
            self._unsure[key] = due
            raise
        self._store.put(Kind.CONFIG_MAP, released, key)
        return released

    async def _circumstances(self, key: ObjectKey, config_map: ConfigMap) -> Circumstances | None:
        """Fresh reads, after the ConfigMap was read: nobody can have come back since."""
        named = rollout_named_by(config_map)
        if named is None:
            return None
        name, uid = named
        try:
            rollout = await self._cluster.rollout(ObjectKey(key.namespace, name))
        except UnreadableObject:
            return None
        if rollout is None:
            whereabouts = Whereabouts.ABSENT
        elif rollout.metadata.uid == uid:
            whereabouts = Whereabouts.ALIVE
        else:
            whereabouts = Whereabouts.REPLACED
        return Circumstances(
            rollout=whereabouts,
            kinds_established=await self._cluster.kinds_are_established(Kind.ROLLOUT),
            namespace_terminating=await self._cluster.namespace_is_terminating(key.namespace),
        )

    def _record(self, key: ObjectKey, released: ConfigMap, due: Release) -> None:
        log.info(
            "released",
            config_map=str(key),
            rollout=f"{key.namespace}/{due.rollout_name}",
            zeroed=due.zeroed,
        )
        self._recorded(Origin(key.namespace, due.rollout_name, due.rollout_uid), due.entry)
        self._announcer.announce(
            Subject(Kind.CONFIG_MAP, key, released.uid), (Announcement("Released", due.message),)
        )


def _flags_alone(data: dict[str, str]) -> dict[str, str]:
    """What the operator's account may create: numbers and documents, and no text of others."""
    return {key: value for key, value in data.items() if value == "0" or key.endswith(".json")}


def _is_done(due: Release, found: ConfigMap) -> bool:
    """Whether a release was taken after all, as the ConfigMap shows."""
    return (
        not due.labels.keys() & found.labels.keys()
        and all(found.annotations.get(name) == value for name, value in due.annotations.items())
        and dict(found.data) == due.data
    )
