"""A real HTTP server on loopback that answers as a test says, and keeps what it was asked."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
STEP = timedelta(seconds=30)

Reply = Callable[["Handler"], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What the server was asked."""

    path: str
    parameters: Mapping[str, str]
    headers: Mapping[str, str]
    port: int
    """Of anyone who asked: the same port is the same connection."""


@dataclass
class Server:
    """``replies`` are given in order, the last one forever."""

    url: str
    replies: list[Reply] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    gone: threading.Event = field(default_factory=threading.Event)
    """Set when the test is over: anyone who waits for it stops waiting."""

    def plays(self, *replies: Reply) -> None:
        """Answer with these from now on."""
        self.replies[:] = replies


class Handler(BaseHTTPRequestHandler):
    """One request to the server of a test."""

    protocol_version = "HTTP/1.1"
    play: Server

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.play.requests.append(
            Request(
                parts.path, dict(parse_qsl(parts.query)), dict(self.headers), self.client_address[1]
            )
        )
        replies = self.play.replies
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        try:
            reply(self)
        except OSError:  # anyone who asked has hung up
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what many tests are about."""


@contextmanager
def prometheus_server(tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A server that knows no series, until the test says otherwise."""
    http = _Quiet(("127.0.0.1", 0), Handler)
    if tls is not None:
        http.socket = tls.wrap_socket(http.socket, server_side=True)
    scheme = "http" if tls is None else "https"
    server = Server(f"{scheme}://127.0.0.1:{http.server_port}", [series()])
    http.RequestHandlerClass = type("_Handler", (Handler,), {"play": server})
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.gone.set()
        http.shutdown()
        http.server_close()
        thread.join()


def reply(
    body: str | bytes, *, status: int = 200, media_type: str = "application/json", **headers: str
) -> Reply:
    """Any answer. ``Content_Encoding="gzip"`` is a header."""

    def send(handler: Handler) -> None:
        content = body.encode() if isinstance(body, str) else body
        handler.send_response(status)
        handler.send_header("Content-Type", media_type)
        handler.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(content)

    return send


def success(result_type: str, result: Any, **more: Any) -> Reply:
    """An answer as Prometheus gives it."""
    data = {"resultType": result_type, "result": result}
    return reply(json.dumps({"status": "success", "data": data, **more}))


def error(status: int, kind: str, words: str) -> Reply:
    """A refusal as Prometheus gives it."""
    return reply(json.dumps({"status": "error", "errorType": kind, "error": words}), status=status)


def points(*values: str | None, end: datetime = NOON) -> list[list[Any]]:
    """Values every 30 s, the last one at ``end``; ``None`` leaves a gap."""
    oldest = end - STEP * (len(values) - 1)
    return [
        [(oldest + STEP * index).timestamp(), value]
        for index, value in enumerate(values)
        if value is not None
    ]


def series(*of: Sequence[str | None], **more: Any) -> Reply:
    """An answer to a range query: each argument is the values of one series."""
    return success(
        "matrix",
        [
            {"metric": {"__name__": "up", "pod": f"p{index}"}, "values": points(*values)}
            for index, values in enumerate(of)
        ],
        **more,
    )


def newest_samples(*times: datetime | None) -> Reply:
    """An answer to the question for the age of samples: one time an input, where it has any."""
    return success(
        "vector",
        [
            {"metric": {"input": str(index)}, "value": [NOON.timestamp(), str(time.timestamp())]}
            for index, time in enumerate(times)
            if time is not None
        ],
    )


def silence(asked: threading.Event | None = None) -> Reply:
    """Take the question and say nothing until the test is over."""

    def wait(handler: Handler) -> None:
        if asked is not None:
            asked.set()
        handler.play.gone.wait()
        handler.close_connection = True

    return wait


def drip(first: bytes, each: bytes) -> Reply:
    """Begin to answer and never finish: something comes well before any read times out."""

    def send(handler: Handler) -> None:
        handler.wfile.write(first)
        while not handler.play.gone.wait(0.01):
            handler.wfile.write(each)
            handler.wfile.flush()
        handler.close_connection = True

    return send


def hang_up(first: bytes = b"") -> Reply:
    """Close the connection in the middle of an answer."""

    def send(handler: Handler) -> None:
        handler.wfile.write(first)
        handler.close_connection = True

    return send
