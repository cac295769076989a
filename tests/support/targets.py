"""Real targets of notifications on loopback: a webhook that answers as told, and a mail server."""

import asyncio
import json
import threading
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.header import decode_header, make_header
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

TOKEN = "tOpSeCrEtToKeN0123456789"


@dataclass
class Webhook:
    """Takes notifications as JSON. Answers ``answers`` in turn, the last one forever; 0 hangs."""

    port: int = 0
    answers: list[int] = field(default_factory=lambda: [200])
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    gone: threading.Event = field(default_factory=threading.Event)
    """Set when the test is over: anyone who hangs is let go."""

    def url(self, token: str = TOKEN) -> str:
        """The URL of a route, with a token in its path and a password."""
        return f"json://me:{token}@127.0.0.1:{self.port}/hooks/{token}"

    @property
    def titles(self) -> list[str]:
        """Of what was taken, in order."""
        return [body["title"] for _, body in self.requests]


class _Handler(BaseHTTPRequestHandler):
    hook: Webhook

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = json.loads(self.rfile.read(length))
        hook = self.hook
        answer = hook.answers.pop(0) if len(hook.answers) > 1 else hook.answers[0]
        if answer == 0:
            hook.gone.wait()
            self.close_connection = True
            return
        if answer < 300:
            hook.requests.append((self.path, body))
        self.send_response(answer)
        if 300 <= answer < 400:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what some tests are about."""


@contextmanager
def a_webhook(*answers: int) -> Iterator[Webhook]:
    """A webhook that answers with these codes."""
    hook = Webhook(answers=list(answers) or [200])
    server = _Quiet(("127.0.0.1", 0), type("_Hook", (_Handler,), {"hook": hook}))
    hook.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        hook.gone.set()
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Mailbox:
    """Takes mail."""

    port: int = 0
    mails: list[tuple[str, str]] = field(default_factory=list)
    """Subject and text."""

    async def handle_DATA(  # noqa: N802 - the library's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Keep it."""
        content = envelope.content
        mail = message_from_bytes(content if isinstance(content, bytes) else b"")
        parts = [part for part in mail.walk() if part.get_content_type() == "text/plain"]
        payload = parts[0].get_payload(decode=True)
        text = payload.decode() if isinstance(payload, bytes) else ""
        self.mails.append((str(make_header(decode_header(mail["Subject"]))), text))
        return "250 OK"

    def url(self, password: str = TOKEN) -> str:
        """The URL of a route by which cora gets mail."""
        return (
            f"mailto://surefoot:{password}@127.0.0.1:{self.port}"
            "?from=surefoot@example.com&to=cora@example.com&mode=insecure&format=text"
        )


@asynccontextmanager
async def a_mailbox() -> AsyncIterator[Mailbox]:
    """A mail server that knows the password."""
    box = Mailbox()

    def knows(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> Any:
        known = isinstance(data, LoginPassword) and data.password == TOKEN.encode()
        return AuthResult(success=known, handled=False)

    def connected() -> SMTP:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that passwords are sent in the clear
            return SMTP(box, authenticator=knows, auth_required=True, auth_require_tls=False)

    server = await asyncio.get_running_loop().create_server(connected, "127.0.0.1", 0)
    box.port = server.sockets[0].getsockname()[1]
    async with server:
        yield box
