"""The process under kopf: its handlers start the operator, give kopf our login, and stop it.

kopf watches nothing here. Objects come from a list and a watch of our own, which take a fraction of
the time and memory (decision 56).
"""

import asyncio
import contextlib
from typing import Any

import kopf

from surefoot.adapters.kubernetes.access import Access
from surefoot.adapters.kubernetes.http import authorized_session
from surefoot.api.v1alpha1.meta import GROUP
from surefoot.wiring import Operator, Start, assembled

BACKOFFS = (0.2, 0.5, 1, 2, 5, *(10,) * 12)
"""Seconds between kopf's own attempts to reach the API server while it starts."""


async def run(start: Start) -> None:
    """Run an operator until a signal comes. What is in work then is finished, within bounds.

    Raises what no part of an operator may raise, and what kept it from starting.
    """
    stop = asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        operator = await stack.enter_async_context(assembled(start))
        process = _Process(operator, stop)
        await kopf.operator(
            registry=_registry(process, start, stack),
            settings=_settings(),
            stop_flag=stop,
            standalone=True,
            clusterwide=not start.namespaces,
            namespaces=start.namespaces,
        )
        await process.ended()


class _Process:
    """The operator as a task, which ends kopf when it ends."""

    def __init__(self, operator: Operator, stop: asyncio.Event) -> None:
        self._operator = operator
        self._stop = stop
        self._working: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._working = asyncio.create_task(self._operator.run(), name="operator")
        self._working.add_done_callback(lambda _: self._stop.set())

    async def finish(self) -> None:
        """Let what is in work finish."""
        if self._working is not None:
            self._working.cancel()
            await asyncio.wait({self._working})

    async def ended(self) -> None:
        """Raises what ended the operator, where nobody had asked it to end."""
        await self.finish()
        if self._working is not None:
            with contextlib.suppress(asyncio.CancelledError):
                self._working.result()


def _registry(
    process: _Process, start: Start, stack: contextlib.AsyncExitStack
) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()

    @kopf.on.startup(registry=registry)
    async def start_up(**_: Any) -> None:
        process.start()

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.AiohttpSession:
        access = await Access.load(start.kubeconfig)
        session = await stack.enter_async_context(authorized_session(access))
        return kopf.AiohttpSession(server=access.endpoint.server, aiohttp_session=session)

    @kopf.on.cleanup(registry=registry)
    async def clean_up(**_: Any) -> None:
        await process.finish()

    return registry


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.persistence.finalizer = f"{GROUP}/never-used"
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.process.ultimate_exiting_timeout = None
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = BACKOFFS
    return settings
