"""An API server of which one part at a time is broken: a proxy that passes on everything else.

    async with BrokenApi(scene.kubeconfig).before(scene, tmp_path) as api:
        async with scene.an_operator():
            api.breaks("/approvals", answers_500)
            await scene.until(api.was_asked, "the fault to be met")

Requests and watches that are under way are cut off when their part breaks, as by a server that
restarts.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import yaml
from aiohttp import web

from surefoot.adapters.kubernetes.access import Access
from tests.support.scene import Scene

Fault = Callable[[], Awaitable[web.StreamResponse | None]]
"""How a request is answered; None: it is passed on after all."""

OF_ONE_HOP = {"connection", "host", "keep-alive", "transfer-encoding"}


def _status(code: int, reason: str) -> web.Response:
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": reason,
        "message": "broken by a test",
        "code": code,
    }
    return web.json_response(status, status=code)


async def answers_500() -> web.StreamResponse:
    """An error of the server."""
    return _status(500, "InternalError")


async def answers_429() -> web.StreamResponse:
    """Too much to do: ask again in a second."""
    answer = _status(429, "TooManyRequests")
    answer.headers["Retry-After"] = "1"
    return answer


async def answers_404() -> web.StreamResponse:
    """What a server says of a kind that it does not know."""
    return _status(404, "NotFound")


async def answers_html() -> web.StreamResponse:
    """A page of a gateway, with a code of success."""
    return web.Response(text="<html><body>Please log in</body></html>", content_type="text/html")


def waits_for(moment: asyncio.Event) -> Fault:
    """No answer before this moment; then the right one."""

    async def wait() -> None:
        await moment.wait()

    return wait


async def hangs() -> web.StreamResponse:
    """No answer, ever."""
    await asyncio.Event().wait()
    raise AssertionError


class BrokenApi:
    """Stands between an operator and its API server. Use ``before``."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._part = ""
        self._fault: Fault = answers_500
        self._breaks_writes = False
        self._under_way: dict[asyncio.Task[object], str] = {}
        self._session: aiohttp.ClientSession
        self.asked = 0
        """How often the broken part was asked."""

    @classmethod
    @asynccontextmanager
    async def before(cls, scene: Scene, home: Path) -> AsyncIterator["BrokenApi"]:
        """Let the operators of a scene come through here."""
        api = cls(await Access.load(str(scene.kubeconfig)))
        endpoint = api._access.endpoint
        connector = aiohttp.TCPConnector(limit=0, ssl=endpoint.ssl_context())
        application = web.Application(client_max_size=2**24)
        application.router.add_route("*", "/{path:.*}", api._answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        content = yaml.safe_load(scene.kubeconfig.read_text())
        content["clusters"][0]["cluster"] = {"server": f"http://{host}:{port}"}
        path = home / f"kubeconfig-{port}"
        path.write_text(yaml.safe_dump(content))
        direct, scene.kubeconfig = scene.kubeconfig, path
        try:
            async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
                api._session = session
                yield api
        finally:
            scene.kubeconfig = direct
            await runner.cleanup()

    def breaks(self, part: str, fault: Fault, *, writes: bool = False) -> None:
        """From now on every read with this in its path or query meets the fault.

        So does every write, where ``writes`` says so.
        """
        self._part, self._fault, self.asked = part, fault, 0
        self._breaks_writes = writes
        for task, target in self._under_way.items():
            if part in target:
                task.cancel()

    def is_mended(self) -> None:
        """Pass everything on again."""
        self._part = ""

    async def was_asked(self) -> bool:
        """Whether somebody has met the fault."""
        return self.asked > 0

    async def is_idle(self) -> bool:
        """Whether nothing is passed on at present."""
        return not self._under_way

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        target = f"{request.path_qs}{'' if request.query_string else '?'}"
        is_meant = request.method == "GET" or self._breaks_writes
        if self._part and self._part in target and is_meant:
            self.asked += 1
            answer = await self._fault()
            if answer is not None:
                return answer
        task = asyncio.current_task()
        assert task is not None
        self._under_way[task] = target if request.method == "GET" else ""
        try:
            return await self._pass_on(request)
        finally:
            del self._under_way[task]

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in OF_ONE_HOP}
        async with self._session.request(
            request.method,
            self._access.endpoint.server + request.raw_path,
            headers=headers,
            data=await request.read() or None,
            timeout=aiohttp.ClientTimeout(total=None),
        ) as found:
            answer = web.StreamResponse(status=found.status)
            for name, value in found.headers.items():
                if name.lower() not in OF_ONE_HOP:
                    answer.headers[name] = value
            await answer.prepare(request)
            async for piece in found.content.iter_any():
                await answer.write(piece)
            await answer.write_eof()
            return answer
