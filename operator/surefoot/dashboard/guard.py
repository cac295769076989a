"""Who may talk to the dashboard: the browser that was given its link, and its own pages.

The page acts with the rights of whoever started it, and other programs and other pages can reach a
port of this machine as well. So:

- everything lies below a secret path, and a cookie that is sent to that path only names the
  session. Cookies are sent to every port of a host: another program's page never sees this one;
- the link in the terminal is good for one use, so that it is worth nothing in a history;
- the `Host` must be this machine's, or a name that was made to point here could be used (DNS
  rebinding); what changes something must come from a page of our own (`Origin`, `Sec-Fetch-Site`,
  and a header that no form can send);
- no page may show ours within itself, and ours loads nothing from elsewhere and runs no script
  that is not one of its files.
"""

import hmac
import secrets
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "surefoot"
OWN_HEADER = "x-surefoot"
"""A header that only a script of the same origin can send without asking first."""
SAFE = frozenset({"GET", "HEAD"})
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
HOW_TO_GET_IN = "This page opens with the link that `kubectl surefoot dashboard` prints, once.\n"


class Guard:
    """Lets in what belongs here, and puts protection on every answer. An ASGI middleware.

    ``port`` is where the dashboard listens. ``base`` is the secret path. ``serve`` says what is
    behind it.
    """

    def __init__(self, port: int) -> None:
        self._app: ASGIApp = PlainTextResponse("nothing is served yet", 503)
        self._hosts = frozenset(f"{name}:{port}" for name in ("localhost", "127.0.0.1"))
        self._ticket: str | None = secrets.token_urlsafe(24)
        self._session = secrets.token_urlsafe(32)
        self.base = f"/{secrets.token_urlsafe(18)}"
        self._port = port

    def serve(self, app: ASGIApp) -> None:
        """Let this application answer what is let in."""
        self._app = app

    @property
    def link(self) -> str:
        """What is opened first. A passkey of the page belongs to the name localhost."""
        return f"http://localhost:{self._port}{self.base}/open?ticket={self._ticket}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        request = Request(scope)
        refusal = self._refusal(request)
        await (self._app if refusal is None else refusal)(scope, receive, protected)

    def _refusal(self, request: Request) -> Response | None:
        """What to answer instead; None where the request may go on."""
        headers = request.headers
        if headers.get("host", "") not in self._hosts:
            return PlainTextResponse("This is not the name of this machine.\n", 421)
        if not request.url.path.startswith(f"{self.base}/"):
            return PlainTextResponse(HOW_TO_GET_IN, 404)
        if request.url.path == f"{self.base}/open" and request.method == "GET":
            return self._open(request.query_params.get("ticket", ""))
        if not self._is_known(request):
            return PlainTextResponse(HOW_TO_GET_IN, 403)
        if not self._is_own(request.method, headers):
            return PlainTextResponse("This did not come from a page of this dashboard.\n", 403)
        return None

    def _open(self, ticket: str) -> Response:
        """Begin the session, once."""
        if self._ticket is None or not hmac.compare_digest(ticket.encode(), self._ticket.encode()):
            return PlainTextResponse(HOW_TO_GET_IN, 403)
        self._ticket = None
        answer = RedirectResponse(f"{self.base}/", 303)
        answer.set_cookie(
            COOKIE, self._session, path=f"{self.base}/", httponly=True, samesite="strict"
        )
        return answer

    def _is_known(self, request: Request) -> bool:
        cookie = request.cookies.get(COOKIE, "")
        return hmac.compare_digest(cookie.encode(), self._session.encode())

    def _is_own(self, method: str, headers: Headers) -> bool:
        """Whether a page of our own sent it; a link that a person opens may come from nowhere."""
        site = headers.get("sec-fetch-site", "same-origin")
        if method in SAFE:
            return site in {"same-origin", "none"}
        origin = headers.get("origin", "")
        return (
            site == "same-origin"
            and origin == f"http://{headers['host']}"
            and headers.get(OWN_HEADER) == "1"
        )
