"""Sees to the ConfigMaps whose Rollout is gone: the decision is `surefoot.domain.flag.release`."""

import structlog

from surefoot.application.ports import (
    Announcer,
    Clock,
    Cluster,
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
from surefoot.errors import ApiError, Conflict, UnreadableObject

log = structlog.get_logger(__name__)


class OrphanKeeper:
    """Releases orphans. Call ``see_to_all`` after a complete list, and never before."""

    def __init__(self, cluster: Cluster, store: Store, clock: Clock, announcer: Announcer) -> None:
        self._cluster = cluster
        self._store = store
        self._clock = clock
        self._announcer = announcer

    async def see_to_all(self) -> None:
        """Look at every managed ConfigMap whose Rollout the caches do not know."""
        for key, _ in list(self._store.orphans()):
            try:
                await self._see_to(key)
            except Conflict as error:
                log.debug("orphan changed meanwhile", config_map=str(key), error=str(error))
            except ApiError as error:
                log.warning("orphan left for now", config_map=str(key), error=str(error))

    async def _see_to(self, key: ObjectKey) -> None:
        held = await self._cluster.config_map(key)
        if held is None:
            return
        around = await self._circumstances(key, held.config_map)
        due = None if around is None else release(held.config_map, around, self._clock.now())
        if due is None:
            return
        marks = Marks(labels=due.labels, annotations=due.annotations)
        released = await self._cluster.mark_config_map(
            held, marks, due.data if due.zeroed else None
        )
        self._record(key, released, due)

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
        self._announcer.announce(
            Subject(Kind.CONFIG_MAP, key, released.uid), (Announcement("Released", due.message),)
        )
