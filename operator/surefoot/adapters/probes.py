"""/metrics, /healthz and /readyz over HTTP."""

import asyncio
from collections.abc import Callable

import structlog
from aiohttp import web

from surefoot.adapters.serving import MetricsToken, ServedTls, ServingSection
from surefoot.errors import ConfigurationError

log = structlog.get_logger(__name__)

BEAT = 0.5
PLAIN = ServingSection()


class EventLoopMonitor:
    """Beats on the event loop. Its age says whether the loop still turns."""

    def __init__(self) -> None:
        self._last = asyncio.get_running_loop().time()
        self.longest = 0.0
        """The longest that the loop ever stood still, in seconds."""

    async def run(self) -> None:
        """Beat until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            self.longest = max(self.longest, now - self._last - BEAT)
            self._last = now
            await asyncio.sleep(BEAT)

    @property
    def age(self) -> float:
        """Seconds since the last beat."""
        return asyncio.get_running_loop().time() - self._last


class Probes:
    """The HTTP server. ``sick`` and ``unready`` say why not, or None.

    Raises `ConfigurationError` where the files of ``serving`` cannot be used.
    """

    def __init__(
        self,
        exposition: Callable[[], bytes],
        sick: Callable[[], str | None],
        unready: Callable[[], str | None],
        serving: ServingSection = PLAIN,
    ) -> None:
        self._exposition = exposition
        self._sick = sick
        self._unready = unready
        self._tls = None if serving.tls is None else ServedTls(serving.tls)
        file = serving.metrics_token_file
        self._token = None if file is None else MetricsToken(file)
        self._runner: web.AppRunner | None = None
        self.port = 0
        """The port that is listened on, once started."""

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises ``OSError`` where the port is taken."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/metrics", self._metrics),
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        context = None if self._tls is None else self._tls.context
        site = web.TCPSite(self._runner, host or None, port, ssl_context=context)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _metrics(self, request: web.Request) -> web.Response:
        try:
            if self._token and not self._token.admits(request.headers.get("Authorization", "")):
                return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})
        except ConfigurationError as error:
            log.warning("nobody may read the metrics", fault=str(error))
            return _answer("the token cannot be read: see the operator's log")
        # With thousands of Rollouts it takes seconds, in which no rollback may have to wait.
        text = await asyncio.to_thread(self._exposition)
        return web.Response(body=text, headers={"Content-Type": "text/plain; version=0.0.4"})

    async def _healthz(self, _request: web.Request) -> web.Response:
        return _answer(self._sick())

    async def _readyz(self, _request: web.Request) -> web.Response:
        return _answer(self._sick() or self._unready())


def _answer(fault: str | None) -> web.Response:
    return web.Response(text=f"{fault or 'ok'}\n", status=503 if fault else 200)
