"""The shadow: a copy of the flag that a rehearsal rolls back instead of the flag itself.

It has the flag's keys and format, and no label by which anybody looks for flags: what selects
`surefoot.dev/managed=true`, the operator's own watch included, does not find it. The policy that
guards flags guards it as well, since the label is there. It is owned by the Rollout, so that it
goes with it.
"""

import hashlib
from datetime import datetime
from types import MappingProxyType

from surefoot.api.v1alpha1.meta import (
    MANAGED_BY_LABEL,
    MANAGED_LABEL,
    REHEARSAL_OF_ANNOTATION,
    ROLLOUT_UID_ANNOTATION,
)
from surefoot.api.v1alpha1.rollout import OnDelete, RollbackRequest, Rollout
from surefoot.api.v1alpha1.rollout_status import Committed, TransitionType
from surefoot.domain.facts.snapshot import ConfigMap
from surefoot.domain.facts.steps import index_of
from surefoot.domain.flag.config_map import Rendering
from surefoot.domain.plan import Rehearse

SHADOW = "rehearsal"
"""What the label `surefoot.dev/managed` of a shadow says."""
SHADOW_LABELS = MappingProxyType({MANAGED_BY_LABEL: "surefoot-rehearsal", MANAGED_LABEL: SHADOW})
_LONGEST = 200
"""Of the target's name as many characters; a ConfigMap's name has at most 253."""


def shadow_name(rollout: Rollout) -> str:
    """The shadow's name: the target's, and what no other Rollout comes to."""
    target = rollout.spec.target.config_map_name
    digest = hashlib.sha256(f"{rollout.metadata.uid}\n{target}".encode()).hexdigest()[:10]
    return f"{target[:_LONGEST].rstrip('.-')}-rehearsal-{digest}"


def is_shadow_of(config_map: ConfigMap, rollout: Rollout) -> bool:
    """Whether a ConfigMap is what a rehearsal of this Rollout has written."""
    return (
        config_map.labels.get(MANAGED_LABEL) == SHADOW
        and config_map.annotations.get(ROLLOUT_UID_ANNOTATION) == rollout.metadata.uid
    )


def shadow_of(rollout: Rollout, rehearsal: Rehearse, now: datetime) -> Rollout:
    """The Rollout as if the shadow were its flag, at the percentage that is to be left.

    A person's ceiling asks for the rollback, as `kubectl surefoot rollback` does.
    """
    target = rollout.spec.target.model_copy(
        update={"config_map_name": shadow_name(rollout), "on_delete": OnDelete.DELETE}
    )
    spec = rollout.spec.model_copy(
        update={
            "target": target,
            "rehearsal": None,
            "rollback": RollbackRequest(to=rehearsal.to, reason="a rehearsal"),
        }
    )
    status = rollout.status.model_copy(
        update={
            "pending": None,
            "percent": rehearsal.from_,
            "step": index_of(rollout.spec, rehearsal.from_),
            "rolled_back": False,
            "completed_at": None,
            "drift": None,
            "committed": Committed(
                transition_id=_start_of(rollout, rehearsal),
                type=TransitionType.ADVANCE,
                recorded_at=now,
            ),
        }
    )
    return versioned(rollout.model_copy(update={"spec": spec, "status": status}), 0)


def versioned(shadow: Rollout, number: int) -> Rollout:
    """The shadow Rollout in a version that no real one ever has: nor does any id made from it."""
    version = f"{shadow.metadata.resource_version.partition('-')[0]}-{SHADOW}-{number}"
    metadata = shadow.metadata.model_copy(update={"resource_version": version})
    return shadow.model_copy(update={"metadata": metadata})


def as_shadow(rendering: Rendering, target: str) -> Rendering:
    """The rendering of a flag, marked as a copy of this target."""
    return Rendering(
        data=rendering.data,
        labels=SHADOW_LABELS,
        annotations={**rendering.annotations, REHEARSAL_OF_ANNOTATION: target},
        owned=rendering.owned,
    )


def _start_of(rollout: Rollout, rehearsal: Rehearse) -> str:
    text = "\n".join((rollout.metadata.uid, SHADOW, str(rehearsal.run), str(rehearsal.from_)))
    return hashlib.sha256(text.encode()).hexdigest()[:20]
