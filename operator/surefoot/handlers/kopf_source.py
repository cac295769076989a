"""The source of watch events: kopf's low-level handlers wake and feed, and decide nothing.

kopf runs in a thread and event loop of its own. When it ends, for whatever reason, it cancels every
task of the loop it ran in, and it installs signal handlers in the main thread: neither must reach
the work on Rollouts. What it sees is handed over to the operator's loop.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import kopf

from surefoot.adapters.kubernetes.access import Access
from surefoot.adapters.kubernetes.cluster import MANAGED_SELECTOR
from surefoot.adapters.kubernetes.http import authorized_session
from surefoot.adapters.kubernetes.objects import head_of, read
from surefoot.api.v1alpha1.meta import GROUP, VERSION
from surefoot.application.ports import EventSink, Kind
from surefoot.application.resync import FLAG_KINDS, REQUEST_KINDS

RESOURCES: dict[Kind, tuple[str, ...]] = {
    Kind.ROLLOUT: (GROUP, VERSION, "rollouts"),
    Kind.CHECKPOINT: (GROUP, VERSION, "checkpoints"),
    Kind.APPROVAL: (GROUP, VERSION, "approvals"),
    Kind.CONFIG_MAP: ("", "v1", "configmaps"),
}
BACKOFFS = (0.2, 0.5, 1, 2, 5, *(10,) * 12)
"""Seconds between attempts; kopf gives up after the last, and is then started again."""

CLOSING = 0.25
"""Seconds for the TLS connections of broken watches to be closed before their loop is gone; aiohttp
does not wait for them, and its documentation advises this."""

Hand = Callable[..., None]


class KopfSource:
    """The `EventSource` port, for some kinds. ``namespaces`` empty means the whole cluster."""

    def __init__(
        self,
        kinds: tuple[Kind, ...],
        *,
        kubeconfig: str | None = None,
        namespaces: tuple[str, ...] = (),
    ) -> None:
        self.kinds = kinds
        self._kubeconfig = kubeconfig
        self._namespaces = namespaces
        self._stop: Callable[[], None] = lambda: None
        self._unwanted = False

    async def run(self, sink: EventSink) -> None:
        """Watch until cancelled, or until kopf ends; raises what ended it."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()

        def settle(error: BaseException | None) -> None:
            if ended.done():
                return
            if error is None:
                ended.set_result(None)
            else:
                ended.set_exception(error)

        def in_thread() -> None:
            error: BaseException | None = None
            try:
                asyncio.run(self._watch(sink, partial(_hand_over, loop)))
            except BaseException as raised:  # noqa: BLE001 - told to anyone who waits for this source
                error = raised if isinstance(raised, Exception) else None
            _hand_over(loop, settle, error)

        self._unwanted = False
        thread = threading.Thread(target=in_thread, name="kopf", daemon=True)
        thread.start()
        try:
            await ended
        finally:
            self.restart()
            await loop.run_in_executor(None, thread.join, 10)

    def restart(self) -> None:
        """Stop kopf; anyone who runs this source runs it again."""
        self._unwanted = True
        self._stop()

    async def _watch(self, sink: EventSink, hand: Hand) -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        self._stop = partial(_hand_over, loop, stop.set)
        access = await Access.load(self._kubeconfig)
        if self._unwanted:  # stopped before there was anything to stop
            return
        try:
            async with contextlib.AsyncExitStack() as sessions:
                registry = _registry(self.kinds, sink, hand, access, sessions)
                await self._run_kopf(registry, stop)
        finally:
            await asyncio.sleep(CLOSING)

    async def _run_kopf(self, registry: kopf.OperatorRegistry, stop: asyncio.Event) -> None:
        await kopf.operator(
            registry=registry,
            settings=_settings(),
            stop_flag=stop,
            standalone=True,
            clusterwide=not self._namespaces,
            namespaces=self._namespaces,
        )


def kopf_sources(
    kubeconfig: str | None = None, namespaces: tuple[str, ...] = ()
) -> tuple[KopfSource, ...]:
    """A source for the flags and one for the requests: what ails one does not end the other."""
    return tuple(
        KopfSource(kinds, kubeconfig=kubeconfig, namespaces=namespaces)
        for kinds in (FLAG_KINDS, REQUEST_KINDS)
    )


def _hand_over(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *args: Any) -> None:
    try:
        loop.call_soon_threadsafe(call, *args)
    except RuntimeError:  # that loop is closed: nobody is left to be told
        logging.getLogger(__name__).debug("nobody to hand over to")


def _registry(
    kinds: tuple[Kind, ...],
    sink: EventSink,
    hand: Hand,
    access: Access,
    sessions: contextlib.AsyncExitStack,
) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.AiohttpSession:
        await access.refresh()
        session = await sessions.enter_async_context(authorized_session(access))
        return kopf.AiohttpSession(server=access.endpoint.server, aiohttp_session=session)

    def observe(kind: Kind) -> None:
        @kopf.on.event(*RESOURCES[kind], registry=registry)
        async def wake(event: kopf.RawEvent, **_: Any) -> None:
            raw: Any = event["object"]
            raw["metadata"].pop("managedFields", None)
            if event["type"] == "DELETED":
                hand(sink.remove, kind, head_of(raw))
            else:
                hand(sink.observe, kind, head_of(raw), partial(read, kind, raw))

    for kind in kinds:
        observe(kind)
    return registry


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.persistence.finalizer = f"{GROUP}/never-used"
    settings.persistence.diffbase_storage = _NoDiffBase()
    settings.persistence.progress_storage = _NoProgress()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.process.ultimate_exiting_timeout = None
    settings.queueing.idle_timeout = 0.5
    settings.queueing.exit_timeout = 0.5
    settings.watching.chunk_size = 500
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.watching.connect_timeout = 5
    settings.watching.inactivity_timeout = 70
    settings.watching.label_selectors["v1", "configmaps"] = MANAGED_SELECTOR
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = BACKOFFS
    return settings


class _NoDiffBase(kopf.DiffBaseStorage):
    """No copy of objects is kept or compared: decisions are made from the objects themselves."""

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> Any:
        return None

    def store(self, **_: Any) -> None:
        """Nothing is stored."""


class _NoProgress(kopf.ProgressStorage):
    """Low-level handlers make no progress that could be lost."""

    def fetch(self, **_: Any) -> Any:
        return None

    def store(self, **_: Any) -> None:
        """Nothing is stored."""

    def purge(self, **_: Any) -> None:
        """Nothing is stored."""

    def touch(self, **_: Any) -> None:
        """Nothing is stored."""

    def clear(self, *, essence: Any) -> Any:
        return essence
