"""inbox: what waits for anyone who asks."""

from typing import Any

from surefoot.plugin import output, waiting
from surefoot.plugin.commands.options import Format
from surefoot.plugin.reading import approval_from, checkpoint_from, readable, rollout_from
from surefoot.plugin.session import Person, Session

JSON = dict[str, Any]


def inbox_of(
    session: Session,
    me: Person,
    *,
    rollouts: list[JSON],
    approvals: list[JSON],
    checkpoints: list[JSON],
    format_: Format,
) -> int:
    """Print it."""
    items = waiting.waiting_for(
        me.username,
        me.groups,
        rollouts=readable(rollouts, rollout_from),
        approvals=readable(approvals, approval_from),
        checkpoints=readable(checkpoints, checkpoint_from),
        now=session.now(),
    )
    if format_ is Format.NAME:
        for item in items:
            output.say(f"{str(item['kind']).lower()}.surefoot.dev/{item['name']}")
    elif format_ is Format.WIDE:
        rows = [(item["namespace"], item["about"], item["command"]) for item in items]
        output.say_table(("Namespace", "About", "Command"), rows)
    elif not format_.is_text:
        output.say_data({"user": me.username, "groups": sorted(me.groups), "items": items}, format_)
    elif items:
        output.say("\n".join(waiting.in_lines(items, session.now())).rstrip())
    else:
        output.say(f"nothing waits for {me.username} {session.where}")
    return 0
