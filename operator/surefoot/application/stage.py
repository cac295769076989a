"""A stage to rehearse a rollback on: the API server for everything but the flag and its status."""

from surefoot.api.v1alpha1.approval import Approval, ApprovalSpec, ApprovalStatus
from surefoot.api.v1alpha1.checkpoint import Checkpoint, CheckpointSpec, CheckpointStatus
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import RolloutStatus
from surefoot.application.ports import (
    ConfigMapVersion,
    FlagCluster,
    Kind,
    Marks,
    ObjectHead,
    ObjectKey,
    Request,
)
from surefoot.domain.facts.snapshot import ConfigMap, Halt
from surefoot.domain.flag.config_map import Rendering
from surefoot.domain.flag.shadow import as_shadow, is_shadow_of, versioned
from surefoot.errors import Conflict, Refused


class Stage:
    """The `FlagCluster` port for one rehearsal.

    The Rollout exists as long as the real one does; its status is kept here, in versions as the
    API server keeps them. Its ConfigMap is the shadow, and nothing else is ever read or written as
    one. What else a rollback reads is as it is; it asks nobody and signs nothing.
    """

    def __init__(self, cluster: FlagCluster, shadow: Rollout, target: str) -> None:
        self._cluster = cluster
        self._target = target
        self._version = 0
        self.shadow = shadow

    @property
    def key(self) -> ObjectKey:
        """Where the Rollout is."""
        return ObjectKey(self.shadow.metadata.namespace, self.shadow.metadata.name)

    @property
    def place(self) -> ObjectKey:
        """Where the shadow is."""
        return ObjectKey(self.key.namespace, self.shadow.spec.target.config_map_name)

    # Reading

    async def rollout(self, key: ObjectKey) -> Rollout | None:
        """The Rollout as it is played; None once the real one is gone."""
        real = await self._cluster.rollout(key)
        if real is None or real.metadata.uid != self.shadow.metadata.uid:
            return None
        deleted_at = real.metadata.deletion_timestamp
        metadata = self.shadow.metadata.model_copy(update={"deletion_timestamp": deleted_at})
        return self.shadow.model_copy(update={"metadata": metadata})

    async def config_map(self, key: ObjectKey) -> ConfigMapVersion | None:
        """The shadow. Raises `Refused` where something else has its name."""
        held = await self._cluster.config_map(self._shadow_only(key))
        if held is not None and not is_shadow_of(held.config_map, self.shadow):
            raise Refused(
                f"ConfigMap {key} exists and is no rehearsal's; delete it, or give it another name"
            )
        return held

    async def checkpoints(self, rollout: ObjectKey) -> tuple[Checkpoint, ...]:
        """As they are."""
        return await self._cluster.checkpoints(rollout)

    async def approvals(self, rollout: ObjectKey) -> tuple[Approval, ...]:
        """As they are."""
        return await self._cluster.approvals(rollout)

    async def request(self, kind: Kind, key: ObjectKey) -> Request | None:
        """As it is."""
        return await self._cluster.request(kind, key)

    async def halt(self, namespace: str) -> Halt | None:
        """As it is: a rollback does not heed it."""
        return await self._cluster.halt(namespace)

    # Writing

    async def write_rollout_status(self, judged: Rollout, status: RolloutStatus) -> Rollout:
        """Keep the status of exactly the version that was judged."""
        if judged.metadata.resource_version != self.shadow.metadata.resource_version:
            raise Conflict(f"the rehearsal of Rollout {self.key} has gone on since it was judged")
        self._version += 1
        written = self.shadow.model_copy(update={"status": status})
        self.shadow = versioned(written, self._version)
        return self.shadow

    async def create_config_map(
        self, key: ObjectKey, rendering: Rendering, owner: Rollout
    ) -> ConfigMap:
        """Create the shadow."""
        marked = as_shadow(rendering, self._target)
        return await self._cluster.create_config_map(self._shadow_only(key), marked, owner)

    async def render_config_map(
        self, held: ConfigMapVersion, rendering: Rendering, owner: Rollout
    ) -> ConfigMap:
        """Write the shadow over the version held."""
        marked = as_shadow(rendering, self._target)
        return await self._cluster.render_config_map(held, marked, owner)

    async def mark_config_map(
        self, held: ConfigMapVersion, marks: Marks, data: dict[str, str] | None = None
    ) -> ConfigMap:
        """Mark the shadow of the version held."""
        return await self._cluster.mark_config_map(held, marks, data)

    async def delete_config_map(self, held: ConfigMapVersion) -> None:
        """Delete exactly the version held."""
        await self._cluster.delete_config_map(held)

    async def open_request(
        self,
        name: str,
        spec: CheckpointSpec | ApprovalSpec,  # noqa: ARG002 - whatever it asks
        owner: Rollout,  # noqa: ARG002 - there is one only
    ) -> Request:
        """Never: a rollback asks nobody."""
        raise Refused(
            f"a rehearsal of Rollout {self.key} asks nobody, and would have opened {name}"
        )

    async def write_request_status(
        self,
        kind: Kind,
        head: ObjectHead,
        status: CheckpointStatus | ApprovalStatus,  # noqa: ARG002 - whatever it says
    ) -> Request:
        """Never: a rollback needs nobody's decision."""
        raise Refused(f"a rehearsal of Rollout {self.key} does not write {kind.value} {head.key}")

    def _shadow_only(self, key: ObjectKey) -> ObjectKey:
        if key != self.place:
            raise Refused(f"a rehearsal of Rollout {self.key} does not touch ConfigMap {key}")
        return key

    async def strike(self) -> None:
        """Remove the shadow."""
        held = await self.config_map(self.place)
        if held is not None:
            await self._cluster.delete_config_map(held)
