"""Requests to the API server: JSON in and out, bounded in time, errors told apart.

A plain aiohttp session: a call through `kubernetes.aio`'s ApiClient was measured to take a further
1.0 to 1.6 ms of CPU, more than the request itself (0.9 ms), since it walks every body it sends.
"""

import asyncio
import json
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from surefoot.adapters.kubernetes.endpoint import Access, Endpoint
from surefoot.api.v1alpha1.names import FIELD_MANAGER
from surefoot.errors import ApiError, Conflict, NotFound, Refused, Unavailable

if TYPE_CHECKING:
    import aiohttp
    from aiohttp import AddrInfoType

# The commands of the plugin load this module and do without aiohttp: see plain_http.
# ruff: noqa: PLC0415

JSON = dict[str, Any]

READ_TIMEOUT = 10.0
LIST_TIMEOUT = 30.0
WRITE_TIMEOUT = 10.0
READ_BACKOFF = (0.1, 0.4)
LONGEST_RETRY_AFTER = 5.0
WORDS_OF_THE_SERVER = 800
PAGE = 500
UNKNOWN_FIELD = "strict decoding error: "
"""What the server says before the fields that its schema does not have."""
LONGEST_LINE = 16 * 1024 * 1024
"""Bytes; an object is at most a tenth of it."""
WHO = {"User-Agent": "surefoot"}
MANAGER = {"fieldManager": FIELD_MANAGER}
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
AS_TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"


class DateObserver(Protocol):
    """Takes the `Date` of an answer, with the monotonic times of the request.

    ``is_independent`` says that the answer is the first one on its connection.
    """

    def __call__(self, date: str, sent: float, received: float, *, is_independent: bool) -> None:
        """Take it in."""


class Http:
    """One session with one API server.

    ``on_date`` gets the `Date` of every answer of the API server itself. While ``new_connections``
    says so, every request gets a connection of its own. ``longest_words`` is where the server's own
    words are cut in errors, in characters. ``fence`` is asked before every write, by what it is
    and its namespace, and raises where nothing may be written.
    """

    def __init__(
        self,
        access: Access,
        on_date: DateObserver | None = None,
        longest_words: int = WORDS_OF_THE_SERVER,
        new_connections: Callable[[], bool] = lambda: False,
        fence: Callable[[str, str | None], None] = lambda _what, _namespace: None,
    ) -> None:
        self.fence = fence
        self._access = access
        self._on_date = on_date
        self._longest_words = longest_words
        self._new_connections = new_connections
        self._session: aiohttp.ClientSession | None = None
        self._endpoint: Endpoint | None = None

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, what: str, path: str, params: Mapping[str, str] | None = None) -> JSON:
        """Read. Asked again a little where the server is not available: reading changes nothing.

        ``what`` says it for people, as in `get Rollout shop/checkout`; errors begin with it.
        """
        for backoff in (*READ_BACKOFF, None):
            try:
                return await self._request(what, "GET", path, params=params, timeout=READ_TIMEOUT)
            except Unavailable as error:
                if backoff is None:
                    raise
                await asyncio.sleep(max(backoff, retry_after(error)))
        raise AssertionError("the last attempt returns or raises")

    async def pages(
        self,
        what: str,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        metadata_only: bool = False,
        as_table: bool = False,
        whole: int = 0,
    ) -> AsyncIterator[JSON]:
        """Read a list in pages. Raises `Unavailable` where it cannot be read to its end.

        ``as_table``: as `kubectl get` prints it, the rows made by the server. The first ``whole``
        of them come with their objects, the others with metadata only.
        """
        accept = METADATA_ONLY if metadata_only else "application/json"
        accept = AS_TABLE if as_table else accept
        query = {**(params or {}), "limit": str(whole or PAGE)}
        if whole:
            query["includeObject"] = "Object"
        read: set[str] = set()
        while True:
            page = await self._request(
                what, "GET", path, params=query, accept=accept, timeout=LIST_TIMEOUT
            )
            following = _next_page(what, page)
            if following in read:
                raise Unavailable(f"{what}: the answer leads back to a page that was read already")
            yield page
            if not following:
                return
            read.add(following)
            query |= {"continue": following, "limit": str(PAGE)}
            query.pop("includeObject", None)

    async def raw(self, what: str, path: str, params: Mapping[str, str]) -> bytes:
        """Read a page of a list, as it came. Raises `ApiError`."""
        send = _Send(what, "GET", path, params, None, "", "application/json", LIST_TIMEOUT, True)
        return (await self._bounded(send)).raw

    async def lines(
        self, what: str, path: str, params: Mapping[str, str], *, silence: float
    ) -> AsyncGenerator[bytes]:
        """What the server sends line by line, until it ends the answer.

        Raises `ApiError`; `Unavailable` also where nothing comes for so many seconds of silence.
        """
        send = _Send(what, "GET", path, params, None, "", "application/json", silence)
        for may_refresh in (True, False):
            try:
                async for line in self._lines(send):
                    yield line
            except _UnauthorizedError as error:
                if not may_refresh:
                    raise Unavailable(str(error), status=401) from error
                await self._access.refresh()
            else:
                return

    async def _lines(self, send: "_Send") -> AsyncIterator[bytes]:
        import aiohttp

        try:
            async with await self._opened(send, is_endless=True) as response:
                if response.status != 200:
                    answer = _Answer(response.status, response.headers, await response.read())
                    raise _error(send.what, answer, self._longest_words)
                rest = b""
                async for chunk in response.content.iter_any():
                    *whole, rest = (rest + chunk).split(b"\n")
                    if len(rest) > LONGEST_LINE:
                        raise Unavailable(f"{send.what}: the answer has a line without end")
                    for line in whole:
                        yield line
        except TimeoutError as error:
            raise Unavailable(f"{send.what}: nothing came for {send.timeout:.0f} s") from error
        except (aiohttp.ClientError, OSError, ValueError, RuntimeError) as error:
            raise Unavailable(f"{send.what}: the API server broke off: {error}") from error

    async def write(
        self, what: str, verb: str, path: str, body: JSON, *, is_fenced: bool = True
    ) -> JSON:
        """Write, once. Repeating is the reconciler's decision, after looking again.

        What stores nothing, and the Lease itself, is not fenced.
        """
        if is_fenced:
            self.fence(what, _namespace_in(path))
        return await self._request(
            what, verb, path, params=MANAGER, body=body, timeout=WRITE_TIMEOUT
        )

    async def merge(
        self, what: str, path: str, change: JSON, *, manager: str, dry_run: bool = False
    ) -> JSON:
        """Merge a change into an object, once, in the name of another tool than the operator.

        ``dry_run``: it is judged, admission included, and nothing is written. A field that the
        schema does not have is refused, where the server would drop it in silence.
        """
        return await self._request(
            what,
            "PATCH",
            path,
            params=_of_another_tool(manager, dry_run=dry_run),
            body=change,
            content_type="application/merge-patch+json",
            timeout=WRITE_TIMEOUT,
        )

    async def create(
        self, what: str, path: str, body: JSON, *, manager: str, dry_run: bool = False
    ) -> JSON:
        """Create an object in the name of another tool than the operator, or only judge it."""
        params = _of_another_tool(manager, dry_run=dry_run)
        return await self._request(
            what, "POST", path, params=params, body=body, timeout=WRITE_TIMEOUT
        )

    async def who_am_i(self, what: str) -> JSON:
        """Whom the API server takes this for: `username`, `groups` and more of its user info."""
        path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        review = await self.write(what, "POST", path, body, is_fenced=False)
        try:
            user: JSON = review["status"]["userInfo"]
            user["username"]
        except (KeyError, TypeError) as error:
            raise Unavailable(f"{what}: the answer does not say who this is") from error
        return user

    async def _request(
        self,
        what: str,
        verb: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: JSON | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout: float,  # noqa: ASYNC109 - aiohttp's own, which also closes the connection
    ) -> JSON:
        send = _Send(what, verb, path, params, body, content_type, accept, timeout)
        return _parsed(what, await self._bounded(send))

    async def _bounded(self, send: "_Send") -> "_Answer":
        within = 2 * send.timeout
        try:
            # aiohttp bounds its own part; credentials may come from a program that hangs.
            async with asyncio.timeout(within):
                return await self._twice(send)
        except TimeoutError as error:
            raise Unavailable(f"{send.what}: no answer within {within:.0f} s") from error

    async def _twice(self, send: "_Send") -> "_Answer":
        try:
            return await self._once(send)
        except _UnauthorizedError:
            await self._access.refresh()
        try:
            return await self._once(send)
        except _UnauthorizedError as error:
            raise Unavailable(str(error), status=401) from error

    async def _once(self, send: "_Send") -> "_Answer":
        try:
            answer = await self._send(send)
        except TimeoutError as error:
            raise Unavailable(f"{send.what}: no answer within {send.timeout:.0f} s") from error
        except (NoAnswerError, OSError, ValueError, RuntimeError) as error:
            # ValueError: a header that cannot be sent. RuntimeError: the session was closed since.
            raise Unavailable(f"{send.what}: no answer from the API server: {error}") from error
        if answer.date and self._on_date is not None and not send.is_raw and _tells_time(answer):
            self._on_date(
                answer.date, answer.sent, answer.received, is_independent=answer.is_independent
            )
        if answer.status < 300:
            return answer
        raise _error(send.what, answer, self._longest_words)

    async def _send(self, send: "_Send") -> "_Answer":
        """Send a request and read the answer. Raises `NoAnswerError` where none came."""
        import aiohttp

        from surefoot.adapters.kubernetes.codec import decoded

        trip = _Trip()
        _TRIP.set(trip)
        sent = time.monotonic()
        try:
            async with await self._opened(send) as response:
                received = time.monotonic()
                return _Answer(
                    response.status,
                    response.headers,
                    await response.read(),
                    sent,
                    received,
                    trip.has_own_connection,
                    decoded,
                )
        except aiohttp.ClientError as error:
            raise NoAnswerError(str(error)) from error

    async def _opened(
        self, send: "_Send", *, is_endless: bool = False
    ) -> "AbstractAsyncContextManager[aiohttp.ClientResponse]":
        """The request, to be entered. An endless answer is bounded from chunk to chunk."""
        import aiohttp

        from surefoot.adapters.kubernetes.codec import encoded

        headers = {"Accept": send.accept}
        authorization = await self._access.authorization()
        if authorization:
            headers["Authorization"] = authorization
        session, endpoint = await self._open()
        if self._new_connections():
            headers["Connection"] = "close"
        data: bytes | None = None
        if send.body is not None:
            headers["Content-Type"] = send.content_type
            data = encoded(send.body)
        seconds = send.timeout
        return session.request(
            send.verb,
            endpoint.server + send.path,
            params=send.params,
            data=data,
            headers=headers,
            timeout=aiohttp.ClientTimeout(
                total=None if is_endless else seconds,
                sock_read=seconds if is_endless else None,
                sock_connect=5,
            ),
            proxy=endpoint.proxy,
            server_hostname=endpoint.server_name,
            allow_redirects=False,
        )

    async def _open(self) -> "tuple[aiohttp.ClientSession, Endpoint]":
        endpoint = self._access.endpoint
        if self._session is not None and endpoint == self._endpoint:
            return self._session, endpoint
        session, old = new_session(endpoint), self._session
        self._session, self._endpoint = session, endpoint
        if old is not None:
            await old.close()
        return session, endpoint


def new_session(endpoint: Endpoint) -> "aiohttp.ClientSession":
    """A session for this endpoint; the caller closes it."""
    import aiohttp

    return aiohttp.ClientSession(connector=_connector(endpoint), headers=WHO)


def authorized_session(access: Access) -> "aiohttp.ClientSession":
    """A session for somebody who knows nothing of tokens: each request gets the present one."""
    import aiohttp

    endpoint = access.endpoint

    async def authorize(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        authorization = await access.authorization()
        if authorization:
            request.headers["Authorization"] = authorization
        request.server_hostname = endpoint.server_name
        return await handler(request)

    return aiohttp.ClientSession(
        connector=_connector(endpoint),
        headers=WHO,
        proxy=endpoint.proxy,
        middlewares=(authorize,),
    )


def _namespace_in(path: str) -> str | None:
    """The namespace of what is at this path; None for what is in none."""
    _, _, within = path.partition("/namespaces/")
    return within.partition("/")[0] or None


def _connector(endpoint: Endpoint) -> "aiohttp.TCPConnector":
    import aiohttp
    from aiohttp.connector import NEEDS_CLEANUP_CLOSED

    return aiohttp.TCPConnector(
        # None waits for another's: a watch keeps its own forever, and a rollback must go out while
        # others have no answer. How many there are is bounded by the number of workers.
        limit=0,
        ssl=endpoint.ssl_context(),
        keepalive_timeout=60,
        ttl_dns_cache=60,
        socket_factory=_new_socket,
        # A watch that is given up is cut off: through TLS the server might never say goodbye.
        enable_cleanup_closed=NEEDS_CLEANUP_CLOSED,
    )


class _Send(NamedTuple):
    """One request, whole."""

    what: str
    verb: str
    path: str
    params: Mapping[str, str] | None
    body: JSON | None
    content_type: str
    accept: str
    timeout: float
    is_raw: bool = False
    """Nobody reads the answer here: what it says of the time is not taken on trust."""


@dataclass(slots=True)
class _Trip:
    """How one request travelled."""

    has_own_connection: bool = False


_TRIP: ContextVar[_Trip | None] = ContextVar("trip", default=None)
"""The request that is under way in this task."""


def _new_socket(address: "AddrInfoType") -> socket.socket:
    """Make a socket, and note that the request under way is the first one on its connection."""
    trip = _TRIP.get()
    if trip is not None:
        trip.has_own_connection = True
    family, kind, protocol, _, _ = address
    return socket.socket(family, kind, protocol)


@dataclass(frozen=True)
class _Answer:
    """One answer, whole."""

    status: int
    headers: Mapping[str, str]
    raw: bytes
    sent: float = 0.0
    received: float = 0.0
    is_independent: bool = False
    decode: Callable[[bytes], Any] = json.loads

    @cached_property
    def content(self) -> Any:
        """What its body says as JSON; None where it is not JSON."""
        try:
            return self.decode(self.raw)
        except (ValueError, RecursionError):
            return None

    @property
    def date(self) -> str | None:
        return self.headers.get("Date")


class NoAnswerError(Exception):
    """No answer came, or it broke off. The message says why."""


class _UnauthorizedError(Exception):
    """The credentials were not accepted (401); they may just have been renewed."""


class _BusyError(Unavailable):
    """The API server answered that it cannot answer, and perhaps when to ask again."""

    def __init__(self, message: str, status: int, retry_after: float) -> None:
        super().__init__(message, status=status)
        self.retry_after = retry_after


def _of_another_tool(manager: str, *, dry_run: bool) -> dict[str, str]:
    said = {"fieldManager": manager, "fieldValidation": "Strict"}
    return said | ({"dryRun": "All"} if dry_run else {})


def _parsed(what: str, answer: _Answer) -> JSON:
    if answer.content is None:
        raise Unavailable(f"{what}: the answer is not JSON")
    if not isinstance(answer.content, dict):
        raise Unavailable(f"{what}: the answer is not a JSON object")
    if not _is_from_api_server(answer):
        raise Unavailable(f"{what}: the answer is not the API server's: it has no kind")
    return answer.content


def _next_page(what: str, page: JSON) -> str:
    """The token that asks for the next page; empty after the last one."""
    metadata = page.get("metadata") or {}
    following = metadata.get("continue") or "" if isinstance(metadata, dict) else None
    if not isinstance(following, str):
        raise Unavailable(f"{what}: the answer is not a list")
    return following


def _is_from_api_server(answer: _Answer) -> bool:
    """Whether the API server itself answered, and nothing that stands before it.

    Its errors are of kind Status. Few are plain text, such as that of an API that is not served:
    they carry the identifier under which the API server audits the request, as all its answers do.
    """
    content = answer.content if isinstance(answer.content, dict) else {}
    if answer.status < 300:
        return "kind" in content or "gitVersion" in content
    return content.get("kind") == "Status" or "Audit-Id" in answer.headers


def _tells_time(answer: _Answer) -> bool:
    """Whether the `Date` can be taken for the API server's time. See decision 25."""
    is_success_or_refusal = answer.status < 300 or 400 <= answer.status < 500
    is_cached = "Age" in answer.headers
    return is_success_or_refusal and not is_cached and _is_from_api_server(answer)


def _error(what: str, answer: _Answer, longest: int) -> ApiError | _UnauthorizedError:
    status = answer.status
    message = f"{what}: {status}: {_words(answer, longest)}"
    if status == 401:
        return _UnauthorizedError(message)
    if status in {408, 410, 429} or status >= 500:
        return _BusyError(message, status, _seconds(answer.headers.get("Retry-After")))
    if status < 400 or not _is_from_api_server(answer):
        # A proxy's 404 does not say that an object is gone, nor its 403 that a policy refused.
        return Unavailable(
            f"{what}: {status}: the answer is not the API server's: {_words(answer, longest)}",
            status=status,
        )
    if status == 404:
        return NotFound(message, status=status)
    if status == 409:
        return Conflict(message, status=status)
    return Refused(message, status=status)


def _words(answer: _Answer, longest: int) -> str:
    """What the server said, cut; never a whole page."""
    content = answer.content
    if isinstance(content, dict):
        message = str(content.get("message") or content.get("reason") or "")
        _, unknown, fields = message.rpartition(UNKNOWN_FIELD)
        message = unknown + fields  # what comes before is the whole object
    else:
        message = answer.raw[: longest + 1].decode("utf-8", "replace")
    if len(message) > longest:
        message = message[: longest - 1] + "…"
    return message or "no reason given"


def _seconds(text: str | None) -> float:
    if text is None or not (text.isascii() and text.isdigit()):
        return 0.0
    return min(float(text), LONGEST_RETRY_AFTER)


def retry_after(error: Unavailable) -> float:
    """Seconds for which the API server asks to be left alone."""
    return error.retry_after if isinstance(error, _BusyError) else 0.0
