"""The attempt in force: it only rises, and only because a person asks for it."""

from datetime import datetime

from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import RolloutStatus, TransitionType
from surefoot.domain.record.requesters import requester
from surefoot.domain.record.transitions import entry, with_entry


def begin_attempt(
    status: RolloutStatus,
    rollout: Rollout,
    now: datetime,
    later_bound: datetime,
    *,
    verified: bool,
) -> RolloutStatus:
    """The status in the attempt that a person asks for.

    ``verified`` says whether admission is enforced, so that the name of who asks is theirs. Before
    Start and after Completed there is nothing to try again: the number is noted.
    """
    wanted = max(rollout.spec.attempt or 0, status.attempt or 0)
    if status.attempt is None or status.percent is None or status.completed_at is not None:
        return status.model_copy(update={"attempt": wanted})
    if wanted == status.attempt or status.pending is not None:
        return status
    before = "after the rollback" if status.rolled_back else "while it ran"
    status = status.model_copy(
        update={
            "attempt": wanted,
            "rolled_back": False,
            "hold_since": later_bound,
            "soak": None,
            "baselines": (),
        }
    )
    by = requester(rollout, TransitionType.RETRY, verified=verified)
    return with_entry(
        status,
        entry(
            rollout,
            status,
            TransitionType.RETRY,
            reason="AttemptRaised",
            message=f"attempt raised to {wanted} {before}: requests are asked again and the hold "
            "starts again",
            now=now,
            by=by.names,
            verified=by.verified,
        ),
    )
