"""Requests to the API server: JSON in and out, bounded in time, errors told apart.

A plain aiohttp session: a call through `kubernetes.aio`'s ApiClient was measured to take a further
1.0 to 1.6 ms of CPU, more than the request itself (0.9 ms), since it walks every body it sends.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, NamedTuple

import aiohttp

from surefoot.adapters.kubernetes.access import Access, Endpoint
from surefoot.adapters.kubernetes.objects import FIELD_MANAGER
from surefoot.errors import ApiError, Conflict, NotFound, Refused, Unavailable

JSON = dict[str, Any]

READ_TIMEOUT = 10.0
LIST_TIMEOUT = 30.0
WRITE_TIMEOUT = 10.0
READ_BACKOFF = (0.1, 0.4)
LONGEST_RETRY_AFTER = 5.0
WORDS_OF_THE_SERVER = 800
PAGE = 500
WHO = {"User-Agent": "surefoot"}
MANAGER = {"fieldManager": FIELD_MANAGER}
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
AS_TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"


class Http:
    """One session with one API server. ``on_date`` gets the Date of every answer.

    ``longest_words``: where the server's own words are cut in errors, in characters.
    """

    def __init__(
        self,
        access: Access,
        on_date: Callable[[str, float, float], None] = lambda _date, _sent, _received: None,
        longest_words: int = WORDS_OF_THE_SERVER,
    ) -> None:
        self._access = access
        self._on_date = on_date
        self._longest_words = longest_words
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
                await asyncio.sleep(max(backoff, _retry_after(error)))
        raise AssertionError("the last attempt returns or raises")

    async def pages(
        self,
        what: str,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        metadata_only: bool = False,
        as_table: bool = False,
    ) -> AsyncIterator[JSON]:
        """Read a list in pages. Raises `Unavailable` where it can not be read to its end.

        ``as_table``: as `kubectl get` prints it, the rows made by the server.
        """
        accept = METADATA_ONLY if metadata_only else "application/json"
        accept = AS_TABLE if as_table else accept
        query = {**(params or {}), "limit": str(PAGE)}
        while True:
            page = await self._request(
                what, "GET", path, params=query, accept=accept, timeout=LIST_TIMEOUT
            )
            yield page
            following = page.get("metadata", {}).get("continue")
            if not following:
                return
            query["continue"] = following

    async def write(self, what: str, verb: str, path: str, body: JSON) -> JSON:
        """Write, once. Repeating is the reconciler's decision, after looking again."""
        return await self._request(
            what, verb, path, params=MANAGER, body=body, timeout=WRITE_TIMEOUT
        )

    async def merge(self, what: str, path: str, change: JSON, *, manager: str) -> JSON:
        """Merge a change into an object, once, in the name of another tool than the operator."""
        return await self._request(
            what,
            "PATCH",
            path,
            params={"fieldManager": manager},
            body=change,
            content_type="application/merge-patch+json",
            timeout=WRITE_TIMEOUT,
        )

    async def who_am_i(self, what: str) -> JSON:
        """Whom the API server takes this for: `username`, `groups` and more of its user info."""
        path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        review = await self.write(what, "POST", path, body)
        user: JSON = review["status"]["userInfo"]
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
        try:
            return await self._once(send)
        except _UnauthorizedError:
            await self._access.refresh()
        try:
            return await self._once(send)
        except _UnauthorizedError as error:
            raise Unavailable(str(error), status=401) from error

    async def _once(self, send: "_Send") -> JSON:
        session, endpoint = await self._open()
        headers = {"Accept": send.accept}
        authorization = await self._access.authorization()
        if authorization:
            headers["Authorization"] = authorization
        data: bytes | None = None
        if send.body is not None:
            headers["Content-Type"] = send.content_type
            data = json.dumps(send.body, separators=(",", ":")).encode()
        loop = asyncio.get_running_loop()
        sent = loop.time()
        try:
            async with session.request(
                send.verb,
                endpoint.server + send.path,
                params=send.params,
                data=data,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=send.timeout, sock_connect=5),
                proxy=endpoint.proxy,
                server_hostname=endpoint.server_name,
                allow_redirects=False,
            ) as response:
                date = response.headers.get("Date")
                if date:
                    self._on_date(date, sent, loop.time())
                raw = await response.read()
                if response.status < 300:
                    return _parsed(send.what, raw)
                said = _words(raw, self._longest_words)
                raise _error(send.what, response.status, response.headers, said)
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error, TimeoutError):
                said = f"no answer within {send.timeout:.0f} s"
            else:
                said = f"no answer from the API server: {error}"
            raise Unavailable(f"{send.what}: {said}") from error

    async def _open(self) -> tuple[aiohttp.ClientSession, Endpoint]:
        endpoint = self._access.endpoint
        if self._session is None or endpoint != self._endpoint:
            await self.close()
            self._endpoint = endpoint
            self._session = new_session(endpoint)
        return self._session, endpoint


def new_session(endpoint: Endpoint) -> aiohttp.ClientSession:
    """A session for this endpoint; the caller closes it."""
    return aiohttp.ClientSession(connector=_connector(endpoint), headers=WHO)


def authorized_session(access: Access) -> aiohttp.ClientSession:
    """A session for somebody who knows nothing of tokens: each request gets the present one."""
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


def _connector(endpoint: Endpoint) -> aiohttp.TCPConnector:
    return aiohttp.TCPConnector(
        limit=64, ssl=endpoint.ssl_context(), keepalive_timeout=60, ttl_dns_cache=60
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


class _UnauthorizedError(Exception):
    """The credentials were not accepted (401); they may just have been renewed."""


class _BusyError(Unavailable):
    """The API server answered that it can not answer, and perhaps when to ask again."""

    def __init__(self, message: str, status: int, retry_after: float) -> None:
        super().__init__(message, status=status)
        self.retry_after = retry_after


def _parsed(what: str, raw: bytes) -> JSON:
    try:
        answer = json.loads(raw)
    except ValueError as error:
        raise Unavailable(f"{what}: the answer is not JSON") from error
    if not isinstance(answer, dict):
        raise Unavailable(f"{what}: the answer is not a JSON object")
    return answer


def _error(
    what: str, status: int, headers: Mapping[str, str], said: str
) -> ApiError | _UnauthorizedError:
    message = f"{what}: {status}: {said}"
    if status == 401:
        return _UnauthorizedError(message)
    if status == 404:
        return NotFound(message, status=status)
    if status == 409:
        return Conflict(message, status=status)
    if status in {408, 410, 429} or status >= 500:
        return _BusyError(message, status, _seconds(headers.get("Retry-After")))
    return Refused(message, status=status)


def _words(raw: bytes, longest: int) -> str:
    """What the server said, cut; never a whole page."""
    try:
        answer = json.loads(raw)
        said = str(answer.get("message") or answer.get("reason") or "")
    except (ValueError, AttributeError):
        said = raw[:longest].decode("utf-8", "replace")
    if len(said) > longest:
        said = said[: longest - 1] + "…"
    return said or "no reason given"


def _seconds(text: str | None) -> float:
    if text is None or not text.isdigit():
        return 0.0
    return min(float(text), LONGEST_RETRY_AFTER)


def _retry_after(error: Unavailable) -> float:
    return error.retry_after if isinstance(error, _BusyError) else 0.0
