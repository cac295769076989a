"""Long work on the event loop, in short stretches: what is urgent has its turn in between."""

import asyncio
from collections.abc import Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

AT_A_STRETCH = 0.005
"""Seconds for which others wait at the most, and then as long as one more item takes."""


async def by_turns(items: Iterable[Item], work: Callable[[Item], Outcome]) -> list[Outcome]:
    """What ``work`` makes of each item. Its work may not depend on what others do meanwhile."""
    loop = asyncio.get_running_loop()
    outcomes: list[Outcome] = []
    began = loop.time()
    for item in items:
        if loop.time() - began > AT_A_STRETCH:
            await asyncio.sleep(0)
            began = loop.time()
        outcomes.append(work(item))
    return outcomes
