"""get, describe, tree, explain, inbox: reads."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from surefoot.errors import NotFound, Refused
from surefoot.plugin import describing, explanation, output, summary
from surefoot.plugin.commands.options import Format
from surefoot.plugin.output import Cell
from surefoot.plugin.session import Session, error_text
from surefoot.plugin.tree import tree as tree_of

JSON = dict[str, Any]
NOT_ALLOWED = "you may not look at it"
FORBIDDEN = 403


async def get(session: Session, name: str | None, format_: Format) -> int:
    """A line for each; or the objects."""
    if format_ in {Format.JSON, Format.YAML}:
        output.say_data(_objects(await session.rollouts(name), name), format_)
        return 0
    columns, rows = await session.table(name)
    if not rows:
        output.warn(f"there is no Rollout {session.where}")
        return 0
    if format_ is Format.NAME:
        for row in rows:
            output.say(f"rollout.surefoot.dev/{row['object']['metadata']['name']}")
        return 0
    titles = list(summary.COLUMNS)
    cells = _cells(session, columns, rows, is_wide=format_ is Format.WIDE)
    if format_ is Format.WIDE:
        titles += summary.WIDE
    if session.everywhere:
        titles = ["Namespace", *titles]
        spaces = [Cell(row["object"]["metadata"]["namespace"]) for row in rows]
        cells = [[space, *row] for space, row in zip(spaces, cells, strict=True)]
    output.say_table(titles, cells)
    return 0


def _cells(
    session: Session, columns: list[JSON], rows: list[JSON], *, is_wide: bool
) -> list[list[Cell]]:
    """Of each row; those of which the object was not read have what the API server says."""
    now, marks = session.now(), output.marks()
    titles = {str(column["name"]): index for index, column in enumerate(columns)}
    found = []
    for row in rows:
        raw, cells = row["object"], list(row["cells"])
        if "spec" in raw:
            line = summary.row(raw, now, marks)
            line += summary.wide(raw, now) if is_wide else []
        else:
            line = summary.row_of_server(titles, cells, marks)
            line += list(summary.blank_wide(titles, cells)) if is_wide else []
        found.append(line)
    return found


def _objects(found: list[JSON], name: str | None) -> JSON:
    """The object that was asked for by name, else a list as kubectl prints it."""
    if name is not None and len(found) == 1:
        return found[0]
    return {"apiVersion": "v1", "kind": "List", "items": found}


async def explain(session: Session, name: str, format_: Format) -> int:
    """Why it does not move."""
    found = await session.rollouts(name)
    now = session.now()
    if format_ is Format.NAME:
        output.say("\n".join(f"rollout.surefoot.dev/{raw['metadata']['name']}" for raw in found))
    elif not format_.is_text:
        said = [explanation.explanation(raw, now) for raw in found]
        output.say_data({"items": said} if session.everywhere else said[0], format_)
    else:
        for raw in found:
            output.say_lines(explanation.in_lines(raw, now, output.marks()))
    return 0


async def describe(session: Session, name: str, format_: Format) -> int:
    """Everything about it."""
    raw = await session.rollout(name)
    checkpoints, approvals = await asyncio.gather(
        session.requests_if_allowed("checkpoints", raw),
        session.requests_if_allowed("approvals", raw),
    )
    if format_ is Format.NAME:
        output.say(f"rollout.surefoot.dev/{name}")
    elif not format_.is_text:
        requests = {"checkpoints": checkpoints or [], "approvals": approvals or []}
        output.say_data({"rollout": raw, **requests}, format_)
    else:
        now = session.now()
        mine = [_of(raw, requests) for requests in (checkpoints, approvals)]
        output.say_lines(describing.describe(raw, mine[0], mine[1], now, output.marks()))
    return 0


async def tree(session: Session, name: str, format_: Format) -> int:
    """What belongs to it."""
    raw = await session.rollout(name)
    checkpoints, approvals, config_map = await asyncio.gather(
        session.requests_if_allowed("checkpoints", raw),
        session.requests_if_allowed("approvals", raw),
        _config_map(session, raw),
    )
    checkpoints, approvals = _of(raw, checkpoints), _of(raw, approvals)
    if format_ is Format.NAME:
        for kind, requests in (("checkpoint", checkpoints), ("approval", approvals)):
            for each in requests or ():
                output.say(f"{kind}.surefoot.dev/{each['metadata']['name']}")
    elif not format_.is_text:
        output.say_data(
            {
                "rollout": raw,
                "configMap": None if isinstance(config_map, str) else config_map,
                "checkpoints": checkpoints or [],
                "approvals": approvals or [],
            },
            format_,
        )
    else:
        lines = tree_of(
            raw,
            config_map,
            NOT_ALLOWED if checkpoints is None else checkpoints,
            NOT_ALLOWED if approvals is None else approvals,
            session.now(),
            ascii_only=not output.has_blocks(),
        )
        output.say_lines(lines)
    return 0


async def _config_map(session: Session, raw: JSON) -> JSON | str:
    target = ((raw.get("spec") or {}).get("target") or {}).get("configMapName")
    try:
        return await session.config_map(raw["metadata"]["namespace"], str(target))
    except NotFound:
        return "it is not there"
    except Refused as error:
        if error.status != FORBIDDEN:
            raise
        return NOT_ALLOWED


def _of(raw: JSON, requests: list[JSON] | None) -> list[JSON] | None:
    """Those of this Rollout, and not of an earlier one of its name."""
    if requests is None:
        return None
    uid = raw["metadata"]["uid"]
    return [each for each in requests if _rollout_uid(each) == uid]


def _rollout_uid(request: JSON) -> object:
    rollout = ((request.get("spec") or {}).get("request") or {}).get("rollout") or {}
    return rollout.get("uid")


async def inbox(session: Session, format_: Format) -> int:
    """What waits for anyone who asks."""
    from surefoot.plugin.inbox import inbox_of  # noqa: PLC0415 - it reads models

    me = await session.whoami()  # first: who may not act as others hears of nothing else
    rollouts, approvals, checkpoints = await asyncio.gather(
        session.rollouts(),
        _said_if_not_allowed(session.requests("approvals")),
        _said_if_not_allowed(session.requests("checkpoints")),
    )
    return inbox_of(
        session,
        me,
        rollouts=rollouts,
        approvals=approvals,
        checkpoints=checkpoints,
        format_=format_,
    )


async def _said_if_not_allowed(asked: Awaitable[list[JSON]]) -> list[JSON]:
    """Nothing of a kind waits for somebody who may not even look at it, as a reporter may not."""
    try:
        return await asked
    except Refused as error:
        if error.status != FORBIDDEN:
            raise
        output.warn(f"Note: {error_text(error)}")
        return []
