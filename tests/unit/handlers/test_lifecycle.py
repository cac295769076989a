"""The process under kopf: it ends with the operator, and says what ended it."""

import asyncio
from typing import Any, cast

import pytest

from surefoot.handlers.lifecycle import _Process
from surefoot.wiring import Operator


class FakeOperator:
    """Works until it is cancelled or told to fail; then finishes what is in work."""

    def __init__(self) -> None:
        self.fails = asyncio.Event()
        self.has_begun = asyncio.Event()
        self.has_finished = False

    async def run(self) -> None:
        self.has_begun.set()
        try:
            await self.fails.wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            self.has_finished = True
            raise
        raise RuntimeError("no part may raise this")


def under_kopf() -> tuple[FakeOperator, asyncio.Event, _Process]:
    operator, stop = FakeOperator(), asyncio.Event()
    return operator, stop, _Process(cast("Operator", cast("Any", operator)), stop)


async def test_operator_that_fails_ends_kopf_and_the_process() -> None:
    """kopf is told to stop, and what ended the operator is raised."""
    operator, stop, process = under_kopf()
    process.start()
    operator.fails.set()
    await stop.wait()
    with pytest.raises(RuntimeError, match="no part may raise this"):
        await process.ended()


async def test_process_that_is_stopped_lets_the_operator_finish() -> None:
    """What is in work is finished before kopf is let go, and nothing is raised."""
    operator, stop, process = under_kopf()
    process.start()
    await operator.has_begun.wait()
    await process.finish()
    assert operator.has_finished
    assert stop.is_set()
    await process.ended()


async def test_process_that_never_started_ends_quietly() -> None:
    """A signal may come before kopf has started anything."""
    _, _, process = under_kopf()
    await process.finish()
    await process.ended()
