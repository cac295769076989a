"""The time that a real API server tells, and what of its answers is its own."""

import asyncio
import base64
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from surefoot.adapters.clock import ServerClock
from surefoot.adapters.kubernetes.access import Access
from surefoot.adapters.kubernetes.cluster import KubernetesCluster
from surefoot.adapters.kubernetes.http import DateObserver, Http
from surefoot.application.ports import Kind, ObjectKey
from surefoot.errors import NotFound, Refused
from surefoot.wiring import _set_clock
from tests.support.scene import Scene

OK = re.compile(rb"HTTP/1\.1 2[^\r]*")
DATE = re.compile(rb"\r\nDate: ([^\r]*)")

pytestmark = [pytest.mark.apiserver]


@asynccontextmanager
async def connected(scene: Scene) -> AsyncIterator[tuple[Http, ServerClock]]:
    """A clock that learns from every answer, as that of the operator."""
    clock = ServerClock()
    async with connected_to(scene, clock, clock.observe) as http:
        yield http, clock


@asynccontextmanager
async def connected_to(
    scene: Scene, clock: ServerClock, on_date: DateObserver
) -> AsyncIterator[Http]:
    """Requests whose answers go to this observer of the clock."""
    http = Http(
        await Access.load(str(scene.kubeconfig)),
        on_date=on_date,
        new_connections=lambda: clock.wants_new_connections,
    )
    yield http
    await http.close()


async def test_every_answer_of_the_api_server_tells_the_time(scene: Scene) -> None:
    """Objects, lists, refusals, and the plain text that an API is not served with."""
    key = ObjectKey(scene.namespace, "not-there")
    async with connected(scene) as (http, clock):
        cluster = KubernetesCluster(http, clock, operator_namespace="surefoot-system")
        asked = 0
        for work in (
            cluster.rollout(key),
            cluster.config_map(key),
            cluster.approvals(key),
            cluster.heads(Kind.ROLLOUT),
            cluster.halts(),
            cluster.namespace_is_terminating(scene.namespace),
            http.who_am_i("ask who this is"),
            http.get("ask for the version", "/version"),
        ):
            await work
            asked += 1
            assert clock.counts.agreed == asked
        with pytest.raises(NotFound, match="404 page not found"):
            await http.get("discover it", "/apis/nothing.surefoot.dev/v1")
        with pytest.raises(Refused):
            await http.write("write it", "POST", "/api/v1/namespaces", {"kind": "Namespace"})
        assert clock.counts.agreed == asked + 2
        assert (clock.counts.disagreed, clock.counts.unusable) == (0, 0)


async def test_clock_is_settled_before_the_operator_works(scene: Scene) -> None:
    """Its first answers came on connections of their own; then one connection is enough.

    A second of the API server's clock began between two answers, so it is known to the time between
    them: from when the one was asked for to when the other had come.
    """
    clock = ServerClock()
    asked: list[tuple[float, float]] = []

    def observe(date: str, sent: float, received: float, *, is_independent: bool) -> None:
        asked.append((sent, received))
        clock.observe(date, sent, received, is_independent=is_independent)

    async with connected_to(scene, clock, observe) as http:
        await _set_clock(http, clock)
        assert not clock.wants_new_connections
        assert clock.disagreement() == ""
        between = max(later[1] - earlier[0] for earlier, later in pairwise(asked))
        assert clock.uncertainty().total_seconds() <= between + 0.01


class LyingProxy:
    """Stands before the API server, and changes the `Date` of so many answers as it is told.

    ``as_error`` makes them answers of a proxy that reaches nobody. ``only_some`` leaves every
    second answer alone, as if there were two API servers of which one is wrong.
    """

    def __init__(self, kubeconfig: Path) -> None:
        self._content = yaml.safe_load(kubeconfig.read_text())
        cluster = self._content["clusters"][0]["cluster"]
        self._to = urlsplit(cluster["server"])
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._tls = ssl.create_default_context(cadata=authority)
        self._serving: set[asyncio.Task[Any]] = set()
        self._answers = 0
        self._as_error = False
        self._only_some = False
        self.wrong_by = timedelta(0)
        self.lies = 0

    @asynccontextmanager
    async def before(self, scene: Scene, home: Path) -> AsyncIterator[None]:
        """Let the operators of a scene come through here."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self._content["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{port}"}
        path = home / "kubeconfig"
        path.write_text(yaml.safe_dump(self._content))
        direct, scene.kubeconfig = scene.kubeconfig, path
        try:
            yield
        finally:
            scene.kubeconfig = direct
            server.close()
            serving = tuple(self._serving)
            for task in serving:
                task.cancel()
            await asyncio.gather(*serving, return_exceptions=True)

    def will_lie(
        self, times: int, *, days: int, as_error: bool = False, only_some: bool = False
    ) -> None:
        """The next answers tell a time that is wrong by so many days."""
        self.wrong_by = timedelta(days=days)
        self.lies = times
        self._as_error, self._only_some = as_error, only_some

    async def has_lied(self) -> bool:
        """Whether all of them were told."""
        return self.lies == 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        opened = [writer]
        # Cancelled at the end, it has nothing more to say.
        with contextlib.suppress(asyncio.CancelledError, OSError):
            there, back = await asyncio.open_connection(
                self._to.hostname, self._to.port, ssl=self._tls
            )
            opened.append(back)
            ways = (
                self._pass(reader, back, lambda data: data),
                self._pass(there, writer, self._lie),
            )
            await asyncio.gather(*ways, return_exceptions=True)
        for each in opened:
            each.close()
            with contextlib.suppress(OSError):
                await each.wait_closed()
        self._serving.discard(task)

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        change: Callable[[bytes], bytes],
    ) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(change(data))
                await writer.drain()
        finally:
            writer.close()

    def _lie(self, data: bytes) -> bytes:
        if not self.lies or not data.startswith(b"HTTP/1.1 2") or b"\r\nDate: " not in data:
            return data
        self._answers += 1
        if self._only_some and self._answers % 2 == 0:
            return data
        self.lies -= 1
        if self._as_error:
            data = OK.sub(b"HTTP/1.1 503 Service Unavailable", data, count=1)
        return DATE.sub(self._wrong, data, count=1)

    def _wrong(self, line: re.Match[bytes]) -> bytes:
        right = parsedate_to_datetime(line[1].decode())
        return b"\r\nDate: " + format_datetime(right + self.wrong_by, usegmt=True).encode()


async def then_it_has_looked_again(scene: Scene) -> None:
    """Wait until passes were made after whatever happened before."""
    for _ in range(2):
        await scene.when_the_plan_is_patched(paused=True)
        await scene.then_phase("Paused")
        await scene.when_the_plan_is_patched(paused=None)
        await scene.then_condition("NotPaused", "True")


OFTEN = 0.2
"""Seconds between sweeps, so that an answer comes every 50 ms and not every 200."""
LIES: dict[str, dict[str, Any]] = {
    "one answer": {"times": 1, "days": 3},
    "answers of a proxy that reaches nobody": {"times": 5, "days": 3, "as_error": True},
    "one API server of two": {"times": 40, "days": 3, "only_some": True},
    "many answers": {"times": 80, "days": 3},
    "many answers, of the past": {"times": 80, "days": -3},
    "many answers, of the distant future": {"times": 80, "days": 2_000_000},
}
"""Many of them go on for longer than the two seconds after which they widen the doubt."""


async def test_soak_does_not_end_by_wrong_dates(scene: Scene, tmp_path: Path) -> None:
    """An API server of several, or a proxy, is days ahead or behind; then the flag comes down.

    A rollback asks no clock.
    """
    proxy = LyingProxy(scene.kubeconfig)
    async with proxy.before(scene, tmp_path):
        await scene.given_a_rollout(steps=(10, 100), hold={"soak": "48h"})
        async with scene.an_operator(sweep_every=OFTEN):
            await scene.then_at(10)
            for lie, answers in LIES.items():
                proxy.will_lie(**answers)
                await scene.until(proxy.has_lied, f"the wrong dates to be told: {lie}")
                await then_it_has_looked_again(scene)
                assert scene.percents_written() == [10], lie
            proxy.will_lie(10_000, days=-3)
            await scene.when_the_plan_is_patched(rollback={"to": 0})
            await scene.then_at(0)
    assert scene.percents_written() == [10, 0]


async def test_no_step_is_taken_while_answers_disagree_about_the_time(
    scene: Scene, tmp_path: Path
) -> None:
    """A commit with a stamp that is days early would give its soak away once the time is right."""
    proxy = LyingProxy(scene.kubeconfig)
    async with proxy.before(scene, tmp_path), scene.an_operator():
        proxy.will_lie(10_000, days=-3)
        await scene.given_a_rollout(steps=(10, 100), hold={"soak": "48h"})
        await scene.then_condition("ClockTrusted", "Unknown")
    assert scene.percents_written() == []
