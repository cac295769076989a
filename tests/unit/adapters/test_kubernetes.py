"""The adapter against a small HTTP server that plays the API server and its moods."""

import asyncio
import base64
import contextlib
import json
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import structlog
import yaml
from aiohttp import web

from surefoot.adapters.clock import ServerClock
from surefoot.adapters.kubernetes.access import Access
from surefoot.adapters.kubernetes.cluster import LISTS_AT_ONCE, VERSION, KubernetesCluster
from surefoot.adapters.kubernetes.http import Http
from surefoot.adapters.kubernetes.objects import last_manager, read
from surefoot.api.v1alpha1.meta import VERSION_LABEL
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import Committed, TransitionType
from surefoot.application.ports import Kind, Marks, ObjectHead, ObjectKey, Subject
from surefoot.domain.flag.config_map import Rendering, rendering_of
from surefoot.domain.plan import Announcement
from surefoot.errors import (
    ApiError,
    ConfigurationError,
    Conflict,
    NotFound,
    Refused,
    Unavailable,
    UnreadableObject,
)
from surefoot.wiring import _set_clock
from tests.support.fakes import FakeClock
from tests.support.world import START, a_rollout

KEY = ObjectKey("agents", "memory-sync")
FLAGS = ObjectKey("agents", "memory-sync-flags")


class MeasurementSource:
    """What the server says next, and what it was asked."""

    def __init__(self) -> None:
        self.next: list[tuple[int, Any, dict[str, str]]] = []
        self.asked: list[tuple[str, str, Any, dict[str, str]]] = []

    def will_say(self, status: int, body: Any = None, **headers: str) -> None:
        """The next answer; an object gets a kind, as all that the API server says has one."""
        answer = {} if body is None else body
        if isinstance(answer, dict):
            kind = "Object" if status < 300 else "Status"
            answer = {"kind": kind, "apiVersion": "v1", **answer}
        self.next.append((status, answer, headers))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        self.asked.append(
            (
                request.method,
                request.path_qs,
                json.loads(raw) if raw else None,
                dict(request.headers),
            )
        )
        if not self.next:
            self.will_say(200)
        status, answer, headers = self.next.pop(0)
        if answer == "hang":
            await asyncio.sleep(60)
        text = answer if isinstance(answer, str) else json.dumps(answer)
        return web.Response(status=status, text=text, headers=headers)


@pytest.fixture(autouse=True)
def _nobody_is_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a flag would have no owner, as where its namespace cannot be read."""
    monkeypatch.setattr("surefoot.adapters.kubernetes.cluster.NAMESPACE_WITHIN", 60.0)


@pytest.fixture
def answers() -> MeasurementSource:
    return MeasurementSource()


@pytest.fixture
async def address(answers: MeasurementSource) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", answers.handle)
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


def kubeconfig(path: Path, server: str, user: dict[str, Any] | None = None) -> Path:
    """Write a kubeconfig for this server and user."""
    path.write_text(
        yaml.safe_dump(
            {
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
                "clusters": [{"name": "k", "cluster": {"server": server}}],
                "users": [{"name": "u", "user": user or {"token": "secret"}}],
            }
        )
    )
    return path


@pytest.fixture
async def http(address: str, tmp_path: Path) -> AsyncIterator[Http]:
    made = Http(await Access.load(str(kubeconfig(tmp_path / "config", address))))
    yield made
    await made.close()


@pytest.fixture
def cluster(http: Http) -> KubernetesCluster:
    clock = FakeClock()
    return KubernetesCluster(http, clock, operator_namespace="surefoot-system")


def a_config_map(**metadata: Any) -> dict[str, Any]:
    """A ConfigMap as the API server tells it."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": FLAGS.name, "namespace": "agents", "uid": "cm", "resourceVersion": "7"}
        | metadata,
        "data": {"memory-sync": "10"},
    }


# Requests


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Refused),
        (403, Refused),
        (404, NotFound),
        (409, Conflict),
        (413, Refused),
        (422, Refused),
        (429, Unavailable),
        (500, Unavailable),
        (503, Unavailable),
        (504, Unavailable),
    ],
)
async def test_answers_are_told_apart(
    http: Http, answers: MeasurementSource, status: int, error: type[ApiError]
) -> None:
    """The message names the operation and has the server's words, cut."""
    answers.will_say(status, {"message": "the reason " + "x" * 1000})
    with pytest.raises(error) as raised:
        await http.write("write status of Rollout shop/checkout", "PUT", "/x", {})
    assert raised.value.status == status
    text = str(raised.value)
    assert text.startswith(f"write status of Rollout shop/checkout: {status}: the reason x")
    assert len(text) < 900
    assert len(answers.asked) == 1, "a write is never repeated blindly"


async def test_reads_are_repeated_a_little(http: Http, answers: MeasurementSource) -> None:
    """Reading changes nothing."""
    answers.will_say(503)
    answers.will_say(200, {"kind": "Status"})
    assert (await http.get("get it", "/x"))["kind"] == "Status"


async def test_reads_wait_as_long_as_the_server_asks(
    http: Http, answers: MeasurementSource
) -> None:
    """Retry-After, within bounds."""
    answers.will_say(429, None, **{"Retry-After": "1"})
    answers.will_say(200, {})
    began = asyncio.get_running_loop().time()
    await http.get("get it", "/x")
    assert asyncio.get_running_loop().time() - began >= 1


async def test_page_of_html_is_no_answer(http: Http, answers: MeasurementSource) -> None:
    """Some proxy stands in between."""
    answers.will_say(200, "<html>")
    with pytest.raises(Unavailable, match="get it: the answer is not JSON"):
        await http.write("get it", "GET", "/x", {})


async def test_silence_ends_in_time(
    http: Http, answers: MeasurementSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No request waits forever."""
    monkeypatch.setattr("surefoot.adapters.kubernetes.http.WRITE_TIMEOUT", 0.05)
    answers.will_say(200, "hang")
    with pytest.raises(Unavailable, match="write it: no answer within"):
        await http.write("write it", "PUT", "/x", {})


async def test_closed_door_is_unavailable(tmp_path: Path) -> None:
    """Nobody listens there."""
    access = await Access.load(str(kubeconfig(tmp_path / "config", "http://127.0.0.1:9")))
    http = Http(access)
    with pytest.raises(Unavailable, match="no answer from the API server"):
        await http.write("write it", "PUT", "/x", {})
    await http.close()


async def test_list_is_read_to_its_end(http: Http, answers: MeasurementSource) -> None:
    """Page by page."""
    answers.will_say(200, {"items": [1], "metadata": {"continue": "more"}})
    answers.will_say(200, {"items": [2], "metadata": {}})
    pages = [page["items"] async for page in http.pages("list", "/x")]
    assert pages == [[1], [2]]
    assert "continue=more" in answers.asked[1][1]


async def test_every_answer_tells_the_time(
    address: str, answers: MeasurementSource, tmp_path: Path
) -> None:
    """Refusals tell the time as well."""
    dates: list[str] = []
    access = await Access.load(str(kubeconfig(tmp_path / "config", address)))
    http = Http(access, on_date=lambda date, *_times, is_independent: dates.append(date))
    await http.get("get it", "/x")
    answers.will_say(403)
    with pytest.raises(Refused):
        await http.get("get it", "/x")
    assert len(dates) == 2
    await http.close()


# Answers that are not the API server's


HTML = "<html><body>Bad gateway</body></html>"
ODD_BODIES = [
    HTML,
    "",
    '{"kind": "ConfigMap", "metadata": {"na',
    "[" * 100_000,
    "9" * 5000,
    "\x00",
    "null",
    "true",
    '"kind"',
    "[1]",
    '{"login": "https://sso"}',
]


@pytest.mark.parametrize("body", ODD_BODIES)
@pytest.mark.parametrize("status", [200, 201, 302, 400, 401, 403, 404, 409, 422, 429, 500, 502])
async def test_answer_of_a_proxy_is_unavailable_and_names_the_request(
    http: Http, answers: MeasurementSource, status: int, body: str
) -> None:
    """A proxy's 404 does not say that an object is gone, nor its 409 that somebody was first."""
    for _ in range(2):
        answers.will_say(status, body)
    with pytest.raises(Unavailable) as raised:
        await http.write("write it", "PUT", "/x", {})
    assert str(raised.value).startswith("write it: ")
    assert len(str(raised.value)) < 900


@pytest.mark.parametrize(
    "retry_after", ["²", "-1", "1e9", "Wed, 21 Oct 2026 07:28:00 GMT", "", "9" * 400]
)
async def test_odd_wish_to_be_left_alone_is_unavailable(
    http: Http, answers: MeasurementSource, retry_after: str
) -> None:
    """Whatever Retry-After says, and never for longer than a few seconds."""
    answers.will_say(429, None, **{"Retry-After": retry_after})
    with pytest.raises(Unavailable) as raised:
        await http.write("write it", "PUT", "/x", {})
    assert 0 <= getattr(raised.value, "retry_after", 0) <= 5


async def test_plain_text_is_the_api_servers_where_it_audited_the_request(
    http: Http, answers: MeasurementSource
) -> None:
    """An API that is not served is answered so."""
    answers.will_say(404, "404 page not found\n", **{"Audit-Id": "7f"})
    with pytest.raises(NotFound, match="404 page not found"):
        await http.get("discover it", "/apis/x")


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n{}{}",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 abc\r\n\r\n",
        b"\x16\x03\x01\x00",
        b"",
    ],
)
async def test_answer_that_breaks_off_is_unavailable(tmp_path: Path, raw: bytes) -> None:
    """Whatever was sent of it."""

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    http = Http(await Access.load(str(kubeconfig(tmp_path / "config", address))))
    with pytest.raises(Unavailable, match=r"^write it: no answer from the API server"):
        await http.write("write it", "PUT", "/x", {})
    await http.close()
    server.close()


@pytest.mark.parametrize(
    "answer",
    [
        {"kind": "ConfigMap"},
        {"kind": "ConfigMap", "metadata": None},
        {"kind": "ConfigMap", "metadata": {"name": None}},
        {"kind": "List", "items": 7},
        {"kind": "List", "items": ["x"]},
        {"kind": "List", "items": [{}]},
        {"kind": "List", "metadata": {"continue": 7}, "items": []},
    ],
)
@pytest.mark.parametrize(
    "work", ["config_map", "heads", "halts", "approvals", "kinds", "terminating"]
)
async def test_answer_that_is_no_object_is_unavailable(
    cluster: KubernetesCluster, answers: MeasurementSource, answer: dict[str, Any], work: str
) -> None:
    """It is named by the request, and never another exception."""
    for _ in range(4):
        answers.will_say(200, answer)
    asked: dict[str, Callable[[], Awaitable[object]]] = {
        "config_map": lambda: cluster.config_map(FLAGS),
        "heads": lambda: cluster.heads(Kind.CONFIG_MAP),
        "halts": cluster.halts,
        "approvals": lambda: cluster.approvals(KEY),
        "kinds": lambda: cluster.kinds_are_established(Kind.ROLLOUT),
        "terminating": lambda: cluster.namespace_is_terminating("agents"),
    }
    outcome = await asyncio.gather(asked[work](), return_exceptions=True)
    if isinstance(outcome[0], BaseException):
        assert isinstance(outcome[0], Unavailable)
        assert re.match(r"(get|list|discover) \S+.*: the answer is not ", str(outcome[0]))
    else:
        assert outcome[0] in ((), False), "an empty list has nothing in it"


async def test_list_that_leads_back_is_not_read_for_ever(
    http: Http, answers: MeasurementSource
) -> None:
    """Some server always says that there is more."""
    for _ in range(3):
        answers.will_say(200, {"items": [], "metadata": {"continue": "again"}})
    with pytest.raises(Unavailable, match="list: the answer leads back"):
        async for _ in http.pages("list", "/x"):
            pass


async def test_program_that_gives_no_token_does_not_hold_requests_up(
    address: str, answers: MeasurementSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hangs: the present token is used on."""
    monkeypatch.setattr("surefoot.adapters.kubernetes.access.REFRESH_WITHIN", 0.05)
    http = Http(await Access.load(str(kubeconfig(tmp_path / "config", address))))

    async def hang(_access: Access) -> None:
        await asyncio.sleep(3600)

    monkeypatch.setattr(Access, "_look_again", hang)
    monkeypatch.setattr("surefoot.adapters.kubernetes.access.REFRESH_EVERY", -1.0)
    monkeypatch.setattr(http._access, "_refreshed_at", -1000.0)
    await http.get("get it", "/x")
    assert answers.asked[0][3]["Authorization"] == "Bearer secret"
    await http.close()


async def test_certificate_that_cannot_be_read_is_unavailable(address: str, tmp_path: Path) -> None:
    """It may be there again in a minute."""
    access = await Access.load(str(kubeconfig(tmp_path / "config", address)))
    access.endpoint = replace(access.endpoint, ca_file=str(tmp_path / "gone.crt"))
    http = Http(access)
    with pytest.raises(Unavailable, match="write it: no answer from the API server"):
        await http.write("write it", "PUT", "/x", {})
    await http.close()


# The time that answers tell


@pytest.mark.parametrize(
    "answer",
    [
        (200, HTML, {}),
        (200, {"kind": "Object"}, {"Age": "86400"}),
        (200, '{"login": "https://sso"}', {}),
        (302, "", {}),
        (403, HTML, {}),
        (404, "404 page not found", {}),
        (500, {"kind": "Status"}, {"Audit-Id": "7f"}),
        (502, HTML, {}),
        (503, {"kind": "Status"}, {}),
    ],
)
async def test_answer_that_may_not_be_the_api_servers_tells_no_time(
    address: str,
    answers: MeasurementSource,
    tmp_path: Path,
    answer: tuple[int, Any, dict[str, str]],
) -> None:
    """A proxy has a clock of its own, and a cache answers with an old one."""
    dates: list[str] = []
    access = await Access.load(str(kubeconfig(tmp_path / "config", address)))
    http = Http(access, on_date=lambda date, *_times, is_independent: dates.append(date))
    status, body, headers = answer
    answers.will_say(status, body, **headers)
    with contextlib.suppress(Unavailable):
        await http.write("write it", "PUT", "/x", {})
    assert dates == []
    await http.close()


LONG_AGO = "Mon, 02 Nov 2026 12:00:00 GMT"
FAR_OFF = "Sun, 02 Jan 2028 12:00:00 GMT"


@pytest.mark.parametrize("date", [LONG_AGO, FAR_OFF])
async def test_wrong_date_of_a_proxy_or_of_one_server_moves_no_clock(
    address: str,
    answers: MeasurementSource,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    date: str,
) -> None:
    """Not of its 502, and not of a whole answer that looks right."""
    monkeypatch.setattr("surefoot.adapters.clock.SETTLE_SECONDS", 0.0)
    clock = ServerClock()
    access = await Access.load(str(kubeconfig(tmp_path / "config", address)))
    http = Http(access, on_date=clock.observe, new_connections=lambda: clock.wants_new_connections)
    for _ in range(20):
        await http.get("get it", "/x")
    before = clock.now()
    answers.will_say(502, HTML, Date=date)
    with pytest.raises(Unavailable):
        await http.write("write it", "PUT", "/x", {})
    assert clock.disagreement() == ""
    answers.will_say(200, None, Date=date)
    await http.write("write it", "PUT", "/x", {})
    assert timedelta(0) <= clock.now() - before < timedelta(minutes=1)
    assert clock.uncertainty() < timedelta(seconds=2)
    assert clock.disagreement().startswith("the API server's answers disagree ")
    await http.close()


async def test_operator_does_not_start_where_nothing_tells_the_time(
    address: str, answers: MeasurementSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what is missing."""
    monkeypatch.setattr("surefoot.wiring.PROBES_OF_THE_CLOCK", 3)
    clock = ServerClock()
    access = await Access.load(str(kubeconfig(tmp_path / "config", address)))
    http = Http(access, on_date=clock.observe)
    for _ in range(4):
        answers.will_say(200, None, Date="Thu, 01 Jan 1970 00:00:00 GMT")
    with pytest.raises(Unavailable, match="no answer of the API server tells the time"):
        await _set_clock(http, clock)
    await http.close()


async def test_connections_of_their_own_are_used_as_long_as_they_are_wanted(
    address: str, tmp_path: Path
) -> None:
    """MeasurementSource on one connection all come from the same API server."""
    seen: list[bool] = []
    wanted = [True, True, True, False, False, False, True, True]
    access = await Access.load(str(kubeconfig(tmp_path / "config", address)))
    http = Http(
        access,
        on_date=lambda _date, *_times, is_independent: seen.append(is_independent),
        new_connections=lambda: wanted[len(seen)],
    )
    for _ in wanted:
        await http.get("get it", "/x")
    assert seen == [True, True, True, True, False, False, False, True]
    await http.close()


async def test_only_the_request_that_opens_a_connection_is_the_first_on_it(
    address: str, tmp_path: Path
) -> None:
    """Requests that are under way at once are told apart, whatever the others open."""
    seen: list[bool] = []
    access = await Access.load(str(kubeconfig(tmp_path / "config", address)))
    http = Http(access, on_date=lambda *_times, is_independent: seen.append(is_independent))

    async def independent_of(count: int) -> list[bool]:
        seen.clear()
        await asyncio.gather(*(http.get("get it", "/x") for _ in range(count)))
        return sorted(seen)

    assert await independent_of(2) == [True, True]
    assert await independent_of(2) == [False, False]
    assert await independent_of(3) == [False, False, True]
    await http.close()


# Access


async def test_token_goes_with_each_request(http: Http, answers: MeasurementSource) -> None:
    """As the kubeconfig has it."""
    await http.get("get it", "/x")
    assert answers.asked[0][3]["Authorization"] == "Bearer secret"


async def test_renewed_token_is_found_after_a_401(
    address: str, answers: MeasurementSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is read again at once, and the request is repeated with what it says."""
    path = kubeconfig(tmp_path / "config", address, {"token": "old"})
    access = await Access.load(str(path))
    http = Http(access)
    kubeconfig(path, address, {"token": "new"})
    monkeypatch.setattr(access, "_refreshed_at", -1000.0)
    answers.will_say(401)
    monkeypatch.setattr("surefoot.adapters.kubernetes.access.REFRESH_EVERY", 1e9)
    await http.get("get it", "/x")
    sent = [headers["Authorization"] for _, _, _, headers in answers.asked]
    assert sent == ["Bearer old", "Bearer new"]
    await http.close()


async def test_renewal_stays_in_the_context_that_was_asked_for(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the next write would go to the cluster of the current one."""
    path = kubeconfig(tmp_path / "config", "http://127.0.0.1:9")
    content = yaml.safe_load(path.read_text())
    content["clusters"].append({"name": "other", "cluster": {"server": address}})
    there = {"cluster": "other", "user": "u", "namespace": "shop"}
    content["contexts"].append({"name": "other", "context": there})
    path.write_text(yaml.safe_dump(content))
    access = await Access.load(str(path), context="other")
    assert (access.endpoint.server, access.namespace) == (address, "shop")
    monkeypatch.setattr(access, "_refreshed_at", -1000.0)
    await access.refresh()
    assert access.endpoint.server == address
    assert (await Access.load(str(path))).namespace == "default"


async def test_credentials_that_are_not_accepted_are_unavailable(
    http: Http, answers: MeasurementSource
) -> None:
    """They may be in order again in a minute."""
    for _ in range(2):
        answers.will_say(401, {"message": "Unauthorized"})
    with pytest.raises(Unavailable, match="401"):
        await http.write("write it", "PUT", "/x", {})


async def test_exec_plugin_gives_the_token(
    address: str, answers: MeasurementSource, tmp_path: Path
) -> None:
    """As kubectl runs it."""
    plugin = tmp_path / "plugin"
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "from-plugin"},
    }
    plugin.write_text(f"#!/bin/sh\necho '{json.dumps(credential)}'\n")
    plugin.chmod(0o700)
    user = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": str(plugin),
            "interactiveMode": "Never",
        }
    }
    http = Http(await Access.load(str(kubeconfig(tmp_path / "config", address, user))))
    await http.get("get it", "/x")
    assert answers.asked[0][3]["Authorization"] == "Bearer from-plugin"
    await http.close()


async def test_kubeconfig_is_found_as_kubectl_finds_it(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """$KUBECONFIG when it is asked for, not when the program was loaded."""
    path = kubeconfig(tmp_path / "config", address)
    monkeypatch.setenv("KUBECONFIG", str(path))
    access = await Access.load()
    assert (access.endpoint.server, access.origin) == (address, str(path))


async def test_no_configuration_at_all_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a file nor a pod."""
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigurationError, match="set KUBECONFIG"):
        await Access.load()


async def test_insecure_cluster_is_taken_as_told(tmp_path: Path) -> None:
    """The kubeconfig says so; nothing else does."""
    path = kubeconfig(tmp_path / "config", "https://127.0.0.1:1")
    content = yaml.safe_load(path.read_text())
    content["clusters"][0]["cluster"]["insecure-skip-tls-verify"] = True
    path.write_text(yaml.safe_dump(content))
    context = (await Access.load(str(path))).endpoint.ssl_context()
    assert context.verify_mode is ssl.CERT_NONE


# Objects


def test_unreadable_object_says_where() -> None:
    """Kind, namespace, name and the field."""
    raw = {"metadata": {"name": "checkout", "namespace": "shop"}, "spec": {"steps": "all"}}
    with pytest.raises(UnreadableObject, match=r"Rollout shop/checkout cannot be read: spec\."):
        read(Kind.ROLLOUT, raw)


def test_last_manager_is_somebody_else() -> None:
    """Of the newest second; nobody where that was the operator alone."""
    fields = [
        {"manager": "kubectl-edit", "time": "2026-11-23T12:00:00Z"},
        {"manager": "meddler", "time": "2026-11-23T12:00:05Z"},
        {"manager": "surefoot", "time": "2026-11-23T12:00:05Z"},
    ]
    assert last_manager(fields) == "meddler"
    assert last_manager([*fields, {"manager": "surefoot", "time": "2026-11-23T12:00:09Z"}]) == ""
    assert last_manager([]) == ""


async def test_config_map_keeps_what_others_put_into_its_metadata(
    cluster: KubernetesCluster, answers: MeasurementSource
) -> None:
    """Labels, annotations and owners of other people; its version goes along."""
    answers.will_say(
        200,
        a_config_map(
            labels={"team": "shop"},
            annotations={"note": "hands off"},
            ownerReferences=[{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "p"}],
        )
        | {"binaryData": {"x": base64.b64encode(b"x").decode()}},
    )
    held = await cluster.config_map(FLAGS)
    assert held is not None
    rollout = a_rollout(
        target={"configMapName": FLAGS.name, "flags": ["memory-sync"], "onDelete": "Delete"}
    )
    start = Committed(transition_id="t", type=TransitionType.START, recorded_at=START)
    status = rollout.status.model_copy(update={"percent": 25, "step": 1, "committed": start})
    rollout = rollout.model_copy(update={"status": status})
    answers.will_say(200, a_config_map())
    await cluster.render_config_map(held, rendering_of(rollout, start), rollout)
    verb, path, body, _ = answers.asked[-1]
    assert (verb, path.partition("?")[0]) == (
        "PUT",
        "/api/v1/namespaces/agents/configmaps/memory-sync-flags",
    )
    assert body["metadata"]["resourceVersion"] == "7"
    assert body["metadata"]["labels"]["team"] == "shop"
    assert body["metadata"]["annotations"]["note"] == "hands off"
    assert [owner["uid"] for owner in body["metadata"]["ownerReferences"]] == [
        "p",
        "uid-memory-sync",
    ]
    assert body["data"]["memory-sync"] == "25"
    assert "binaryData" not in body


async def test_config_map_that_went_meanwhile_is_a_conflict(
    cluster: KubernetesCluster, answers: MeasurementSource
) -> None:
    """It was there when it was read: read again."""
    answers.will_say(200, a_config_map())
    held = await cluster.config_map(FLAGS)
    assert held is not None
    answers.will_say(404)
    with pytest.raises(Conflict):
        await cluster.mark_config_map(held, Marks({}, {}))
    answers.will_say(404)
    with pytest.raises(Conflict):
        await cluster.delete_config_map(held)
    assert answers.asked[-1][2]["preconditions"] == {"uid": "cm", "resourceVersion": "7"}


async def test_status_goes_with_uid_and_version_and_without_the_spec(
    cluster: KubernetesCluster, answers: MeasurementSource
) -> None:
    """The API server keeps spec and metadata of what it has."""
    rollout = a_rollout()
    answers.will_say(200, rollout.to_wire())
    await cluster.write_rollout_status(rollout, rollout.status)
    verb, path, body, _ = answers.asked[0]
    assert verb == "PUT"
    assert path.startswith(
        "/apis/surefoot.dev/v1alpha1/namespaces/agents/rollouts/memory-sync/status"
    )
    assert "fieldManager=surefoot" in path
    assert body["metadata"] == {
        "name": "memory-sync",
        "namespace": "agents",
        "uid": "uid-memory-sync",
        "resourceVersion": "1",
    }
    assert "spec" not in body


async def test_written_status_is_not_read_again_where_it_was_taken_as_it_is(
    cluster: KubernetesCluster, answers: MeasurementSource
) -> None:
    """The answer tells the new version; the rest is what was judged and what was written."""
    rollout = a_rollout()
    status = rollout.status.model_copy(update={"percent": 10, "progress": "1/4"})
    stored = rollout.model_copy(update={"status": status}).to_wire()
    stored["metadata"]["resourceVersion"] = "2"
    answers.will_say(200, stored)
    written = await cluster.write_rollout_status(rollout, status)
    assert written == Rollout.model_validate(stored)
    assert written.spec is rollout.spec


async def test_written_status_is_as_the_api_server_keeps_it(
    cluster: KubernetesCluster, answers: MeasurementSource
) -> None:
    """It may have dropped a field that it does not know."""
    rollout = a_rollout()
    status = rollout.status.model_copy(update={"percent": 10, "progress": "1/4"})
    stored = rollout.model_copy(update={"status": status}).to_wire()
    stored["metadata"]["resourceVersion"] = "2"
    del stored["status"]["progress"]
    answers.will_say(200, stored)
    written = await cluster.write_rollout_status(rollout, status)
    assert written == Rollout.model_validate(stored)
    assert written.status.progress != "1/4"


async def test_version_that_is_known_is_not_read_again(
    http: Http, answers: MeasurementSource
) -> None:
    """And another version of it is."""
    rollout = a_rollout()
    cluster = KubernetesCluster(
        http, FakeClock(), operator_namespace="surefoot-system", known=lambda _kind, _key: rollout
    )
    wire = rollout.to_wire()
    answers.will_say(200, wire)
    assert await cluster.rollout(KEY) is rollout
    newer = {**wire, "metadata": {**wire["metadata"], "resourceVersion": "2"}}
    answers.will_say(200, newer)
    assert await cluster.rollout(KEY) == Rollout.model_validate(newer)
    replaced = {**wire, "metadata": {**wire["metadata"], "uid": "another"}}
    answers.will_say(200, replaced)
    assert await cluster.rollout(KEY) == Rollout.model_validate(replaced)


async def test_what_is_not_there_is_none(
    cluster: KubernetesCluster, answers: MeasurementSource
) -> None:
    """Absence is an answer, not an error."""
    for _ in range(3):
        answers.will_say(404)
    assert await cluster.rollout(KEY) is None
    assert await cluster.config_map(FLAGS) is None
    assert await cluster.namespace_is_terminating("agents")


async def test_requests_of_a_rollout_are_listed_by_its_name(
    cluster: KubernetesCluster, answers: MeasurementSource
) -> None:
    """On the server, by a selectable field."""
    answers.will_say(200, {"items": []})
    assert await cluster.approvals(KEY) == ()
    assert "fieldSelector=spec.request.rollout.name%3Dmemory-sync" in answers.asked[0][1]


async def test_halt_says_who_wrote_it(
    cluster: KubernetesCluster, answers: MeasurementSource
) -> None:
    """As they wrote themselves; who wrote nothing is nobody."""
    for data in ({"by": "cora"}, {}):
        found = {"metadata": {"name": "surefoot-halt", "namespace": "agents"}, "data": data}
        answers.will_say(200, found)
        answers.will_say(404)
        halt = await cluster.halt("agents")
        assert halt is not None
        assert halt.by == data.get("by", "")


@pytest.mark.parametrize(
    ("data", "halted"),
    [
        ({"reason": "incident"}, True),
        ({}, True),
        ({"until": "2100-01-01T00:00:00Z"}, True),
        ({"until": "2001-01-01T00:00:00Z"}, False),
        ({"until": "9999-12-31T23:59:59-05:00"}, True),
        ({"until": "0001-01-01T00:00:00+14:00"}, False),
        ({"until": "tomorrow"}, True),
        ({"until": "2001-01-01T00:00:00"}, True),
    ],
)
async def test_halt_holds_until_its_time_is_over(
    cluster: KubernetesCluster, answers: MeasurementSource, data: dict[str, str], halted: bool
) -> None:
    """An end that cannot be read is no end."""
    found = {"metadata": {"name": "surefoot-halt", "namespace": "agents"}, "data": data}
    answers.will_say(200, found)
    answers.will_say(404)
    assert (await cluster.halt("agents") is not None) is halted


@pytest.mark.parametrize(
    ("crd", "stays"),
    [
        (
            (
                200,
                {
                    "metadata": {"name": "x"},
                    "status": {"conditions": [{"type": "Established", "status": "True"}]},
                },
            ),
            True,
        ),
        (
            (
                200,
                {
                    "metadata": {"name": "x", "deletionTimestamp": "x"},
                    "status": {"conditions": [{"type": "Established", "status": "True"}]},
                },
            ),
            False,
        ),
        ((404, {}), False),
        ((403, {}), True),
    ],
)
async def test_kinds_that_are_about_to_go_are_not_established(
    cluster: KubernetesCluster, answers: MeasurementSource, crd: tuple[int, Any], stays: bool
) -> None:
    """While a CRD is deleted it is still served; where we may not look, discovery decides."""
    names = ("rollouts", "rollouts/status", "checkpoints", "approvals")
    answers.will_say(200, {"resources": [{"name": name} for name in names]})
    for _ in range(3):
        answers.will_say(*crd)
    assert await cluster.kinds_are_established(*Kind) is stays


async def test_crd_of_another_version_is_told_once_with_what_to_do(
    cluster: KubernetesCluster, answers: MeasurementSource
) -> None:
    """Also one that says no version: it is from before they did."""

    async def look(labels: dict[str, str]) -> list[str]:
        answers.will_say(200, {"resources": [{"name": "rollouts"}]})
        established = {"conditions": [{"type": "Established", "status": "True"}]}
        answers.will_say(200, {"metadata": {"name": "x", "labels": labels}, "status": established})
        with structlog.testing.capture_logs() as logs:
            assert await cluster.kinds_are_established(Kind.ROLLOUT)
        return [f"{entry['crd']} {entry['version']}: {entry['remedy']}" for entry in logs]

    mine = {VERSION_LABEL: VERSION}
    remedy = f"kubectl apply --server-side -f crds.yaml, of version {VERSION}"
    assert await look(mine) == []
    assert await look({}) == [f"rollouts.surefoot.dev none: {remedy}"]
    assert await look({}) == []
    assert await look({VERSION_LABEL: "0.0.1"}) == [f"rollouts.surefoot.dev 0.0.1: {remedy}"]


async def test_event_is_about_the_object(
    cluster: KubernetesCluster, answers: MeasurementSource
) -> None:
    """events.k8s.io/v1, short enough for the API server."""
    subject = Subject(Kind.ROLLOUT, KEY, "uid-memory-sync")
    await cluster.post_event(subject, Announcement("Rollback", "x" * 5000, warning=True))
    _, path, body, _ = answers.asked[0]
    assert path.startswith("/apis/events.k8s.io/v1/namespaces/agents/events")
    assert (body["type"], body["reason"], body["regarding"]["uid"]) == (
        "Warning",
        "Rollback",
        "uid-memory-sync",
    )
    assert len(body["note"]) == 1024


class _SlowLists:
    """An API server whose lists take a while. It counts how many of them are under way."""

    def __init__(self) -> None:
        self._under_way = 0
        self.most = 0

    async def pages(
        self, _what: str, path: str, *_: Any, **__: Any
    ) -> AsyncIterator[dict[str, Any]]:
        self._under_way += 1
        self.most = max(self.most, self._under_way)
        for _turn in range(3):
            await asyncio.sleep(0)
        self._under_way -= 1
        namespace = path.split("/")[4]
        yield {"items": [{"metadata": {"name": "surefoot-halt", "namespace": namespace}}]}


async def test_namespaces_that_are_listed_one_by_one_wait_for_few_others() -> None:
    """A few lists are under way at a time, and what comes of them is in the order asked for."""
    slow, namespaces = _SlowLists(), tuple(f"team-{number:02}" for number in range(30))
    cluster = KubernetesCluster(
        cast("Http", slow), FakeClock(), operator_namespace="team-00", namespaces=namespaces
    )
    assert [halt.namespace for halt in await cluster.halts()] == list(namespaces)
    assert slow.most == LISTS_AT_ONCE


async def test_metadata_lists_select_what_is_managed(
    cluster: KubernetesCluster, answers: MeasurementSource
) -> None:
    """Whole objects are not read for a sweep; an empty list may be null."""
    answers.will_say(200, {"items": None})
    assert await cluster.heads(Kind.CONFIG_MAP) == ()
    answers.will_say(200, {"items": [a_config_map()]})
    assert await cluster.heads(Kind.CONFIG_MAP) == (ObjectHead(FLAGS, "cm", "7"),)
    _, path, _, headers = answers.asked[0]
    assert "labelSelector=surefoot.dev/managed%3Dtrue" in path
    assert "PartialObjectMetadataList" in headers["Accept"]


NAMESPACE = {"metadata": {"name": "agents", "uid": "uid-agents"}}


def owners_written(answers: MeasurementSource) -> list[tuple[str, str]]:
    """The ownerReferences of the last ConfigMap that was written; none blocks a deletion."""
    owners = answers.asked[-1][2]["metadata"]["ownerReferences"]
    assert not any(owner["blockOwnerDeletion"] or owner["controller"] for owner in owners)
    return [(owner["kind"], owner["uid"]) for owner in owners]


async def test_flag_that_goes_with_its_rollout_has_no_other_owner(
    cluster: KubernetesCluster, answers: MeasurementSource
) -> None:
    """The garbage collector deletes it then."""
    answers.will_say(201, a_config_map())
    rendering = Rendering(data={}, labels={}, annotations={}, owned=True)
    await cluster.create_config_map(FLAGS, rendering, a_rollout())
    assert owners_written(answers) == [("Rollout", "uid-memory-sync")]


async def test_flag_that_stays_is_also_its_namespaces(
    cluster: KubernetesCluster, answers: MeasurementSource
) -> None:
    """Which is read for the first reference, and not again."""
    answers.will_say(200, NAMESPACE)
    answers.will_say(201, a_config_map())
    rendering = Rendering(data={}, labels={}, annotations={}, owned=False)
    await cluster.create_config_map(FLAGS, rendering, a_rollout())
    both = [("Rollout", "uid-memory-sync"), ("Namespace", "uid-agents")]
    assert owners_written(answers) == both
    written = answers.asked[-1][2]["metadata"]["ownerReferences"]
    answers.will_say(200, a_config_map(ownerReferences=written))
    held = await cluster.config_map(FLAGS)
    assert held is not None
    assert held.config_map.kept
    before = len(answers.asked)
    answers.will_say(200, a_config_map())
    await cluster.render_config_map(held, rendering, a_rollout())
    assert owners_written(answers) == both
    assert len(answers.asked) == before + 1


async def test_flag_that_stays_has_no_owner_where_its_namespace_cannot_be_read(
    cluster: KubernetesCluster, answers: MeasurementSource
) -> None:
    """A reference to the Rollout alone would have it deleted; and no write depends on that read."""
    answers.will_say(403, {"message": "no"})
    answers.will_say(201, a_config_map())
    rendering = Rendering(data={}, labels={}, annotations={}, owned=False)
    await cluster.create_config_map(FLAGS, rendering, a_rollout())
    assert owners_written(answers) == []


async def test_released_flag_has_no_owner_of_ours(
    cluster: KubernetesCluster, answers: MeasurementSource
) -> None:
    """Copied elsewhere with an owner that is not there, it would be deleted."""
    pod = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "p"}
    ours = (
        {"apiVersion": "surefoot.dev/v1alpha1", "kind": "Rollout", "name": "m", "uid": "m"},
        {"apiVersion": "v1", "kind": "Namespace", "name": "agents", "uid": "uid-agents"},
    )
    answers.will_say(200, a_config_map(ownerReferences=[pod, *ours]))
    held = await cluster.config_map(FLAGS)
    assert held is not None
    answers.will_say(200, a_config_map())
    await cluster.mark_config_map(held, Marks({}, {}, disowned=True))
    assert answers.asked[-1][2]["metadata"]["ownerReferences"] == [pod]
