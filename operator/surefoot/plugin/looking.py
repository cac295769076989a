"""get, explain, inbox: reads."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from surefoot.adapters.kubernetes.http import JSON
from surefoot.adapters.kubernetes.objects import approval_from, checkpoint_from, rollout_from
from surefoot.errors import Refused
from surefoot.plugin import explanation, output, waiting
from surefoot.plugin.commands.options import Format
from surefoot.plugin.reading import readable
from surefoot.plugin.session import Session

T = TypeVar("T")


async def get(session: Session, name: str | None, format_: Format) -> int:
    """The columns of the CRD, as the API server prints them; or the objects."""
    if format_ is Format.JSON:
        output.say_json(_objects(await session.rollouts(name), name))
        return 0
    columns, rows = await session.table(name)
    if not rows:
        output.warn(f"there is no Rollout {session.where}")
        return 0
    titles = [str(column["name"]) for column in columns]
    cells = [list(row["cells"]) for row in rows]
    if session.everywhere:
        titles = ["Namespace", *titles]
        namespaces = [row["object"]["metadata"]["namespace"] for row in rows]
        cells = [[space, *row] for space, row in zip(namespaces, cells, strict=True)]
    output.say_table(titles, cells)
    return 0


def _objects(found: list[JSON], name: str | None) -> JSON:
    """The object that was asked for by name, else a list as kubectl prints it."""
    if name is not None and len(found) == 1:
        return found[0]
    return {"apiVersion": "v1", "kind": "List", "items": found}


async def explain(session: Session, name: str, format_: Format) -> int:
    """Why it does not move."""
    found = readable(await session.rollouts(name), rollout_from)
    now = session.now()
    if format_ is Format.JSON:
        said = [explanation.explanation(rollout, now) for rollout in found]
        output.say_json({"items": said} if session.everywhere else said[0])
        return 0
    for rollout in found:
        output.say("\n".join(explanation.in_lines(rollout, now)))
    return 0


async def inbox(session: Session, format_: Format) -> int:
    """What waits for anyone who asks."""
    me, rollouts, approvals, checkpoints = await asyncio.gather(
        session.whoami(),
        session.rollouts(),
        _if_allowed(session.requests("approvals")),
        _if_allowed(session.requests("checkpoints")),
    )
    items = waiting.waiting_for(
        me.username,
        me.groups,
        rollouts=readable(rollouts, rollout_from),
        approvals=readable(approvals, approval_from),
        checkpoints=readable(checkpoints, checkpoint_from),
        now=session.now(),
    )
    if format_ is Format.JSON:
        output.say_json({"user": me.username, "groups": sorted(me.groups), "items": items})
    elif items:
        output.say("\n".join(waiting.in_lines(items)).rstrip())
    else:
        output.say(f"nothing waits for {me.username} {session.where}")
    return 0


async def _if_allowed(asked: Awaitable[list[JSON]]) -> list[JSON]:
    """Nothing of a kind waits for somebody who may not even look at it, as a reporter may not."""
    try:
        return await asked
    except Refused as error:
        if error.status != 403:
            raise
        output.warn(f"Note: {error}")
        return []
