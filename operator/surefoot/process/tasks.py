"""Tasks that begin and end together, and parts that are started again when they fail."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from typing import Any, Protocol

import structlog

log = structlog.get_logger(__name__)


class Sleeper(Protocol):
    """Waits."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


async def kept_up(
    part: Callable[[], Coroutine[Any, Any, None]], clock: Sleeper, failed: Callable[[], None]
) -> None:
    """Run a part; a defect in it is logged and counted, and must not end the others."""
    while True:
        try:
            await part()
            return
        except Exception as error:
            failed()
            log.exception("a part of the operator failed; it is started again", error=repr(error))
        await clock.sleep(1)


@contextlib.asynccontextmanager
async def together(
    *parts: Coroutine[Any, Any, None],
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Run parts beside the block, and end them with it. The value waits for one to fail."""
    tasks = [asyncio.create_task(part) for part in parts]

    async def failed() -> None:
        waiting: Iterable[asyncio.Task[None]] = tasks
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()

    try:
        yield failed
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def first_of(*work: Awaitable[Any]) -> None:
    """Wait for the first to end; raise what it raised."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
