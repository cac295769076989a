"""The last rollback rehearsal, as the status has it."""

from surefoot.api.v1alpha1.rollout_status import RehearsalStatus, RolloutStatus


def record_rehearsal(status: RolloutStatus, rehearsed: RehearsalStatus | None) -> RolloutStatus:
    """The status with the outcome of a rehearsal, unless it has that or a later one already."""
    last = status.rehearsal
    if rehearsed is None or (last is not None and last.run >= rehearsed.run):
        return status
    return status.model_copy(update={"rehearsal": rehearsed})
