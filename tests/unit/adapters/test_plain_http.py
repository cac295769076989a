"""The HTTP client of commands: connections that are kept, the name it asks in, and what it says."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from surefoot.adapters.kubernetes.kubeconfig import KubeconfigAccess, KubeconfigOptions
from surefoot.adapters.kubernetes.plain_http import PlainHttp
from surefoot.errors import NotFound, Refused, Unavailable

STATUS = {"kind": "Status", "message": "said by the server"}


@dataclass
class Script:
    """What the server answers, by path, and what it was asked."""

    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    connections: set[int] = field(default_factory=set)
    closes: bool = False


@pytest.fixture
def server() -> Iterator[tuple[str, Script]]:
    """A server on loopback that follows a script."""
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            script.asked.append((self.path, dict(self.headers.items())))
            script.connections.add(self.client_address[1])
            code, content = script.answers.get(path, (404, STATUS))
            lines = content if isinstance(content, list) else [content]
            body = "\n".join(each if isinstance(each, str) else json.dumps(each) for each in lines)
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())
            # Without saying so: the next request on this connection finds it closed.
            self.close_connection = script.closes

        def do_PATCH(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    found = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=found.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{found.server_port}", script
    found.shutdown()
    found.server_close()
    thread.join()


def client(url: str, **options: Any) -> PlainHttp:
    """A client of it."""
    access = KubeconfigAccess(
        "a test", {}, {"server": url}, {"token": "t"}, KubeconfigOptions(**options)
    )
    return PlainHttp(access, lambda *_, **__: None, 4096)


async def test_connection_is_kept_and_the_name_of_somebody_else_is_said(
    server: tuple[str, Script],
) -> None:
    """One connection for several requests; below the path that the kubeconfig names."""
    url, script = server
    script.answers["/cluster/x"] = (200, {"kind": "X"})
    http = client(f"{url}/cluster/", user="cora", groups=("leads", "authors"))
    for _ in range(3):
        assert await http.get("get x", "/x", {"a": "b c"}) == {"kind": "X"}
    await http.close()
    assert len(script.connections) == 1
    path, headers = script.asked[0]
    assert path == "/cluster/x?a=b+c"
    assert headers["Authorization"] == "Bearer t"
    assert (headers["Impersonate-User"], headers["Impersonate-Group"]) == ("cora", "authors")


async def test_name_of_somebody_else_is_sent_as_kubectl_sends_it(
    server: tuple[str, Script],
) -> None:
    """As UTF-8, which is what the API server takes a header for."""
    url, script = server
    script.answers["/x"] = (200, {"kind": "X"})
    http = client(url, user="東京", groups=("Zoë",))
    assert await http.get("get x", "/x") == {"kind": "X"}
    await http.close()
    (_, headers) = script.asked[0]
    sent = [headers[f"Impersonate-{part}"].encode("latin-1") for part in ("User", "Group")]
    assert sent == ["東京".encode(), "Zoë".encode()]


async def test_field_that_the_server_does_not_know_is_refused_and_named(
    server: tuple[str, Script],
) -> None:
    """An older CRD would drop it in silence, and what was asked would seem done.

    What the server says of it comes after the whole object, of which nobody wants to read.
    """
    url, script = server
    said = (
        f'patch: Invalid value: "{"x" * 9000}": strict decoding error: unknown field "spec.paused"'
    )
    script.answers["/x"] = (422, {"kind": "Status", "message": said})
    http = client(url)
    with pytest.raises(Refused) as caught:
        await http.merge("write x", "/x", {"spec": {"paused": True}}, manager="m", dry_run=True)
    await http.close()
    assert script.asked[0][0] == "/x?fieldManager=m&fieldValidation=Strict&dryRun=All"
    assert str(caught.value) == ('write x: 422: strict decoding error: unknown field "spec.paused"')


async def test_connection_that_was_closed_meanwhile_is_made_again(
    server: tuple[str, Script],
) -> None:
    """The person hears nothing of it."""
    url, script = server
    script.answers["/x"] = (200, {"kind": "X"})
    script.closes = True
    http = client(url)
    for _ in range(3):
        assert await http.get("get x", "/x") == {"kind": "X"}
    await http.close()
    assert len(script.connections) == 3


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        ((404, STATUS), NotFound, "get x: 404: said by the server"),
        ((403, STATUS), Refused, "get x: 403: said by the server"),
        ((401, STATUS), Unavailable, "get x: 401: said by the server"),
        ((404, "<html>"), Unavailable, "the answer is not the API server's"),
        ((200, "<html>"), Unavailable, "the answer is not JSON"),
        ((302, "elsewhere"), Unavailable, "the answer is not the API server's"),
    ],
)
async def test_answers_mean_what_they_mean_to_the_operator(
    server: tuple[str, Script],
    monkeypatch: pytest.MonkeyPatch,
    answer: tuple[int, Any],
    error: type[Exception],
    said: str,
) -> None:
    """It is the same class with another way to send."""
    monkeypatch.setattr("surefoot.adapters.kubernetes.http.READ_BACKOFF", ())
    url, script = server
    script.answers["/x"] = answer
    http = client(url)
    with pytest.raises(error, match=said):
        await http.get("get x", "/x")
    await http.close()


async def test_nobody_there_is_said_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the address."""
    monkeypatch.setattr("surefoot.adapters.kubernetes.http.READ_BACKOFF", ())
    with pytest.raises(Unavailable, match=r"nothing listens at 127\.0\.0\.1:1"):
        await client("http://127.0.0.1:1").get("get x", "/x")


async def test_watch_gives_events_until_the_server_ends_it(server: tuple[str, Script]) -> None:
    """And a refusal is one, not an event."""
    url, script = server
    events = [{"type": "ADDED", "object": {"n": 1}}, {"type": "MODIFIED", "object": {"n": 2}}]
    script.answers["/x"] = (200, events)
    http = client(url)
    found = [event async for event in http.watch("watch x", "/x", {"resourceVersion": "7"})]
    assert found == events
    assert script.asked[0][0] == "/x?resourceVersion=7&watch=1"
    script.answers["/x"] = (403, STATUS)
    with pytest.raises(Refused, match="watch x: 403"):
        _ = [event async for event in http.watch("watch x", "/x", {})]
    await http.close()
