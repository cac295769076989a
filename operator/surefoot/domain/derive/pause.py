"""A pause and its end as entries of the history.

The history is bounded, so what it last said of a pause is kept beside it in `status.paused`.
"""

from datetime import datetime

from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import Evidence, RolloutStatus, TransitionType
from surefoot.domain.record.requesters import requester
from surefoot.domain.record.transitions import entry, with_entry

_MESSAGES = {
    TransitionType.PAUSED: "paused: until it is resumed only a rollback moves the flag",
    TransitionType.RESUMED: "resumed: the next step is taken once everything else holds",
}


def with_pause(
    rollout: Rollout, status: RolloutStatus, now: datetime, *, verified: bool
) -> RolloutStatus:
    """The status with an entry where `spec.paused` differs from what the history last said.

    ``status`` may be ahead of the Rollout's own. The history begins with Start: a pause before it
    is no entry, and neither is one that ended before any operator saw it. A transition that is
    recorded and not yet committed does not keep it from being recorded.
    """
    is_paused = rollout.spec.paused is True
    if status.percent is None or is_paused == status.paused:
        return status
    kind = TransitionType.PAUSED if is_paused else TransitionType.RESUMED
    by = requester(rollout, kind, verified=verified)
    status = status.model_copy(update={"paused": is_paused})
    return with_entry(
        status,
        entry(
            rollout,
            status,
            kind,
            reason="PauseRequested" if is_paused else "PauseEnded",
            message=_MESSAGES[kind],
            now=now,
            evidence=Evidence(
                resource_version=rollout.metadata.resource_version,
                generation=rollout.metadata.generation,
                decided_at=now,
            ),
            by=by.names,
            verified=by.verified,
        ),
    )
