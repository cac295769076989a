"""What is written with a commit: the status that the next pass would write, and its bookkeeping.

A move ends with a commit. What the status says from then on (phase, conditions, who is asked next)
follows from what was gathered for the move, and from the move. So it is decided before the commit
is written, and both are one write. Nothing here moves the flag: where the flag would move again, or
where something more would enter the history, the commit is written alone; the next pass decides.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from surefoot.api.v1alpha1.approval import Approval, ApprovalSpec
from surefoot.api.v1alpha1.checkpoint import Checkpoint
from surefoot.api.v1alpha1.meta import ObjectMeta
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import RolloutStatus
from surefoot.domain.facts.snapshot import ConfigMap, Snapshot
from surefoot.domain.plan import Announcement, OpenRequest, Plan, RecordRequest, WriteStatus

Decide = Callable[[Snapshot, datetime], Plan]


@dataclass(frozen=True, slots=True)
class Settled:
    """The status to commit with, and what is to be done on requests once it is written.

    ``asked`` are the names under which the status takes the requests to be opened. Once all of it
    is done ``look_again_in`` says when something may happen next; None where more is to be done.
    """

    status: RolloutStatus
    books: tuple[OpenRequest | RecordRequest, ...]
    announcements: tuple[Announcement, ...]
    asked: tuple[str, ...] = ()
    look_again_in: timedelta | None = None


Settle = Callable[[Rollout, ConfigMap | None], Settled | None]
"""Asked with a Rollout as it is once committed, and with its flag where that was written just now.

None: the smallest status is written, and the next pass writes the rest.
"""


def commit_alone(_rollout: Rollout, _config_map: ConfigMap | None) -> Settled | None:
    """Settle nothing, as at a rollback, whose status is the smallest that says what happened."""
    return None


def settle(
    decide: Decide,
    gathered: Snapshot,
    committed: Rollout,
    config_map: ConfigMap | None,
    now: datetime,
) -> Settled | None:
    """What follows once this is committed, by the facts that were gathered for the move.

    The status says what people can type to answer a request that is about to be opened. Where its
    name turns out to be taken the next pass corrects it.
    """
    facts = replace(gathered, rollout=committed, config_map=config_map or gathered.config_map)
    plan = decide(facts, now)
    if not _only_tells(plan, committed):
        return None
    books = tuple(a for a in plan.actions if isinstance(a, OpenRequest | RecordRequest))
    is_all = len(books) + 1 == len(plan.actions)
    openings = [action for action in books if isinstance(action, OpenRequest)]
    asked: tuple[str, ...] = ()
    if openings:
        facts, asked = _with_opened(facts, openings)
        plan = decide(facts, now)
        if not _only_tells(plan, committed):
            return None
    again = plan.requeue_after if is_all else None
    return Settled(plan.status, books, plan.announcements, asked, again)


def _only_tells(plan: Plan, committed: Rollout) -> bool:
    """Whether it only writes a status, and nothing that is news for the history."""
    return (
        any(isinstance(action, WriteStatus) for action in plan.actions)
        and not plan.moves_the_flag
        and plan.status.history == committed.status.history
    )


def _with_opened(
    facts: Snapshot, openings: Iterable[OpenRequest]
) -> tuple[Snapshot, tuple[str, ...]]:
    """The facts with these requests as if they were there, under names that seem to be free."""
    approvals, checkpoints = list(facts.approvals), list(facts.checkpoints)
    namespace, asked = facts.rollout.metadata.namespace, []
    for opening in openings:
        known = approvals if isinstance(opening.spec, ApprovalSpec) else checkpoints
        taken = {request.metadata.name for request in known}
        name = next((name for name in opening.names if name not in taken), opening.names[0])
        metadata = ObjectMeta(name=name, namespace=namespace, uid=f"{name} is not there yet")
        asked.append(name)
        if isinstance(opening.spec, ApprovalSpec):
            approvals.append(Approval(metadata=metadata, spec=opening.spec))
        else:
            checkpoints.append(Checkpoint(metadata=metadata, spec=opening.spec))
    opened = replace(facts, approvals=tuple(approvals), checkpoints=tuple(checkpoints))
    return opened, tuple(asked)
