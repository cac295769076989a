"""explain --transition: the reads and the answer around `replaying`."""

import asyncio

from surefoot.adapters.kubernetes.objects import approval_from, checkpoint_from, rollout_from
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.cli.exits import NO
from surefoot.plugin import output
from surefoot.plugin.amounts import written
from surefoot.plugin.commands.options import Format
from surefoot.plugin.reading import readable
from surefoot.plugin.replaying import replay
from surefoot.plugin.session import Declined, Session


async def replayed(session: Session, name: str, transition: str, format_: Format) -> int:
    """Take the decision again; 1 where another one comes out, or none can."""
    raw = await session.rollout(name)
    checkpoints, approvals = await asyncio.gather(
        session.requests("checkpoints", raw), session.requests("approvals", raw)
    )
    rollout = rollout_from(raw)
    found = replay(
        rollout,
        transition,
        readable(checkpoints, checkpoint_from),
        readable(approvals, approval_from),
    )
    if found is None:
        raise Declined(_which_there_are(rollout, transition))
    if format_.is_text:
        output.say_lines(found.in_lines())
    else:
        output.say_data(
            {
                "transitionId": found.entry.transition_id,
                "same": found.same,
                "message": found.message,
                "assumed": list(found.assumed),
            },
            Format.JSON if format_ is Format.NAME else format_,
        )
    return 0 if found.same else NO


def _which_there_are(rollout: Rollout, transition: str) -> str:
    lines = [
        f"  {entry.transition_id}  {entry.type.value} to {entry.to}% at {written(entry.at)}"
        for entry in rollout.status.history
    ]
    there = "its history has\n" + "\n".join(lines) if lines else "it has no history yet"
    is_one_of_several = any(
        entry.transition_id.startswith(transition) for entry in rollout.status.history
    )
    begins = "several transitions that begin with" if is_one_of_several else "no transition"
    return f"{rollout.metadata.name} has {begins} {transition}: {there}"
