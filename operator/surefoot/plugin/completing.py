"""What can be typed next: names, roles, checkpoints and steps, as the cluster has them.

Whoever presses Tab gets an answer soon or none: nothing is said of what goes wrong.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from surefoot.errors import SurefootError
from surefoot.plugin.commands.options import CONNECTION, Connection, Where
from surefoot.plugin.session import Session, connected

JSON = dict[str, Any]
PATIENCE = 3.0
"""Seconds until there are no suggestions."""


def suggestions(
    params: JSON, find: Callable[[Session, str | None], Awaitable[Iterable[str]]]
) -> list[str]:
    """What is found in the cluster that the words typed so far name."""
    groups = tuple(params.get("groups") or ())
    CONNECTION.set(Connection(params.get("kubeconfig"), params.get("user"), groups))
    where = Where(params.get("namespace"), bool(params.get("everywhere")), params.get("context"))

    async def ask() -> list[str]:
        async with asyncio.timeout(PATIENCE), connected(where) as session:
            return sorted(await find(session, params.get("name")))

    try:
        return asyncio.run(ask())
    except (SurefootError, TimeoutError, OSError, LookupError, TypeError):
        return []


async def names(session: Session, _: str | None) -> Iterable[str]:
    """The Rollouts."""
    _columns, rows = await session.table(None)
    return {row["object"]["metadata"]["name"] for row in rows}


async def roles(session: Session, name: str | None) -> Iterable[str]:
    """The roles of a Rollout's plan, or of all."""
    found = set()
    for raw in await session.rollouts(name):
        for policy in _policies(raw["spec"]):
            found |= {role["name"] for role in policy.get("roles") or ()}
    return found


async def checkpoints(session: Session, name: str | None) -> Iterable[str]:
    """The checkpoints of a Rollout's plan."""
    found = set()
    for raw in await session.rollouts(name):
        for hold in _holds(raw["spec"]):
            found |= {each["name"] for each in hold.get("checkpoints") or ()}
    return found


async def steps(session: Session, name: str | None) -> Iterable[str]:
    """The percentages of a Rollout's plan."""
    return {
        str(step["percent"])
        for raw in await session.rollouts(name)
        for step in raw["spec"]["steps"]
    }


def _holds(spec: JSON) -> list[JSON]:
    return [spec.get("hold") or {}, *(step.get("hold") or {} for step in spec["steps"])]


def _policies(spec: JSON) -> list[JSON]:
    held = [hold.get("approvals") or {} for hold in _holds(spec)]
    return [spec.get("approvals") or {}, *held]
