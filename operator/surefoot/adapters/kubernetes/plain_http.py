"""Requests to the API server by the standard library's HTTP client, for commands.

A command makes a handful of requests, and aiohttp takes longer to load than they take. Each request
runs in a thread; connections are kept and used again.
"""

import asyncio
import contextlib
import http.client
import json
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode, urlsplit

from surefoot.adapters.kubernetes.http import (
    READ_TIMEOUT,
    WORDS_OF_THE_SERVER,
    Http,
    NoAnswerError,
    _Answer,
    _error,
    _Send,
)
from surefoot.errors import ApiError, ConfigurationError, Unavailable

if TYPE_CHECKING:
    from surefoot.adapters.kubernetes.endpoint import Endpoint
    from surefoot.adapters.kubernetes.http import DateObserver
    from surefoot.adapters.kubernetes.kubeconfig import KubeconfigAccess

JSON = dict[str, Any]
CONNECT_TIMEOUT = 5.0


class PlainHttp(Http):
    """One command's session with one API server."""

    def __init__(
        self, access: "KubeconfigAccess", on_date: "DateObserver", longest_words: int
    ) -> None:
        super().__init__(access, on_date=on_date, longest_words=longest_words)
        self._kubeconfig = access
        self._path = urlsplit(access.endpoint.server).path
        self._idle: list[http.client.HTTPConnection] = []
        self._busy: set[http.client.HTTPConnection] = set()
        self._trusted: tuple[Endpoint, ssl.SSLContext] | None = None

    async def close(self) -> None:
        """Close all connections; anyone who still waits for an answer stops waiting."""
        for connection in (*self._idle, *self._busy):
            if connection.sock is not None:
                with contextlib.suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._idle.clear()

    async def watch(self, what: str, path: str, params: Mapping[str, str]) -> AsyncIterator[JSON]:
        """The events of a watch, until the API server ends it. Raises `Unavailable`."""
        query = {**params, "watch": "1"}
        send = _Send(what, "GET", self._path + path, query, None, "", "application/json", 0)
        headers = await self._headers(send)
        connection = self._new_connection()
        self._busy.add(connection)
        try:
            await asyncio.to_thread(connect, connection, None)
            response = await asyncio.to_thread(_exchange, connection, send, headers)
            if response.status != 200:
                raw = await asyncio.to_thread(response.read)
                raise _refusal(
                    what,
                    _Answer(response.status, _headers_of(response), raw),
                )
            while line := await asyncio.to_thread(response.readline):
                yield json.loads(line)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unavailable(f"{what}: the watch ended: {error}") from error
        finally:
            self._busy.discard(connection)
            with contextlib.suppress(OSError):
                if connection.sock is not None:
                    connection.sock.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads
            connection.close()

    async def text(self, what: str, path: str, params: Mapping[str, str]) -> str:
        """An answer that is text, such as a log."""
        answer = await self._send(_Send(what, "GET", path, params, None, "", "*/*", READ_TIMEOUT))
        if answer.status >= 300:
            raise _refusal(what, answer)
        return answer.raw.decode("utf-8", "replace")

    async def _send(self, send: _Send) -> _Answer:
        send = send._replace(path=self._path + send.path)
        headers = await self._headers(send)
        return await asyncio.to_thread(self._answer, send, headers)

    async def _headers(self, send: _Send) -> list[tuple[str, str]]:
        headers = [("Accept", send.accept), ("User-Agent", "kubectl-surefoot")]
        authorization = await self._kubeconfig.authorization()
        if authorization:
            headers.append(("Authorization", authorization))
        if send.body is not None:
            headers.append(("Content-Type", send.content_type))
        # `http.client` writes texts as Latin-1, and the API server reads UTF-8.
        return [
            *headers,
            *(
                (key, value.encode().decode("latin-1"))
                for key, value in self._kubeconfig.impersonation
            ),
        ]

    def _answer(self, send: _Send, headers: list[tuple[str, str]]) -> _Answer:
        """One request and its answer."""
        connection, is_new = self._connection()
        self._busy.add(connection)
        try:
            return self._answer_on(connection, send, headers, is_new=is_new)
        finally:
            self._busy.discard(connection)

    def _answer_on(
        self,
        connection: http.client.HTTPConnection,
        send: _Send,
        headers: list[tuple[str, str]],
        *,
        is_new: bool,
    ) -> _Answer:
        """The same on a connection. If the server had closed it meanwhile, on another one."""
        sent = time.monotonic()
        try:
            connect(connection, send.timeout)
            response = _exchange(connection, send, headers)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as error:
            connection.close()
            if is_new:
                raise NoAnswerError(str(error)) from error
            return self._answer(send, headers)
        except (http.client.HTTPException, ssl.SSLError, OSError) as error:
            connection.close()
            raise NoAnswerError(_why(error, connection)) from error
        received = time.monotonic()
        try:
            raw = response.read()
        except (http.client.HTTPException, OSError) as error:
            connection.close()
            raise NoAnswerError(f"the answer broke off: {error}") from error
        if response.will_close:
            connection.close()
        else:
            self._idle.append(connection)
        return _Answer(response.status, _headers_of(response), raw, sent, received, is_new)

    def _connection(self) -> tuple[http.client.HTTPConnection, bool]:
        """A connection, and whether it is a new one."""
        if self._idle:
            return self._idle.pop(), False
        return self._new_connection(), True

    def _new_connection(self) -> http.client.HTTPConnection:
        endpoint = self._kubeconfig.endpoint
        server = urlsplit(endpoint.server)
        host, is_secure = server.hostname or "", server.scheme == "https"
        proxy = _proxy(endpoint)
        connects_to = urlsplit(proxy) if proxy else server
        make = _tls(endpoint, self._tls_context(endpoint)) if is_secure else _PLAIN
        port = connects_to.port or (443 if connects_to.scheme == "https" else 80)
        connection = make(connects_to.hostname or "", port, timeout=CONNECT_TIMEOUT)
        if proxy:
            connection.set_tunnel(host, server.port or (443 if is_secure else 80))
        return connection

    def _tls_context(self, endpoint: "Endpoint") -> ssl.SSLContext:
        """The context for an endpoint: a program may have given out another certificate."""
        if self._trusted is None or self._trusted[0] != endpoint:
            try:
                self._trusted = (endpoint, endpoint.ssl_context())
            except (ssl.SSLError, OSError) as error:
                origin = self._kubeconfig.origin
                raise ConfigurationError(f"{origin}: a certificate cannot be used: {error}") from (
                    error
                )
        return self._trusted[1]


def connect(connection: http.client.HTTPConnection, timeout: float | None) -> None:
    """Connect where it is not connected; from then on, wait so long for each answer."""
    if connection.sock is None:
        connection.connect()
    connection.sock.settimeout(timeout)


def _headers_of(response: http.client.HTTPResponse) -> Mapping[str, str]:
    """The headers, whatever their case."""
    return cast("Mapping[str, str]", response.headers)


def _refusal(what: str, answer: _Answer) -> ApiError:
    error = _error(what, answer, WORDS_OF_THE_SERVER)
    return error if isinstance(error, ApiError) else Unavailable(str(error), status=answer.status)


def _exchange(
    connection: http.client.HTTPConnection, send: _Send, headers: list[tuple[str, str]]
) -> http.client.HTTPResponse:
    query = f"?{urlencode(send.params)}" if send.params else ""
    data = None if send.body is None else json.dumps(send.body, separators=(",", ":")).encode()
    connection.putrequest(send.verb, send.path + query, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    if data is not None:
        connection.putheader("Content-Length", str(len(data)))
    connection.endheaders(data)
    return connection.getresponse()


_PLAIN: Callable[..., http.client.HTTPConnection] = http.client.HTTPConnection


def _tls(
    endpoint: "Endpoint", context: ssl.SSLContext
) -> Callable[..., http.client.HTTPConnection]:
    class Connection(http.client.HTTPSConnection):
        """A connection whose certificate is checked for the name that the kubeconfig gives."""

        def connect(self) -> None:
            http.client.HTTPConnection.connect(self)
            name = endpoint.server_name or urlsplit(endpoint.server).hostname
            self.sock = context.wrap_socket(self.sock, server_hostname=name)

    def make(host: str, port: int, timeout: float) -> http.client.HTTPConnection:
        return Connection(host, port, timeout=timeout, context=context)

    return make


def _proxy(endpoint: "Endpoint") -> str | None:
    if endpoint.proxy:
        return endpoint.proxy
    server = urlsplit(endpoint.server)
    name = f"{server.scheme}_proxy"
    proxy = os.environ.get(name) or os.environ.get(name.upper())
    if not proxy:
        return None
    from urllib.request import proxy_bypass  # noqa: PLC0415 - it takes long to load

    return None if proxy_bypass(server.netloc) else proxy


def _why(error: Exception, connection: http.client.HTTPConnection) -> str:
    where = f"{connection.host}:{connection.port}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{where} is not the cluster of the kubeconfig: {error.verify_message}"
    if isinstance(error, ConnectionRefusedError):
        return f"nothing listens at {where}"
    return f"{where}: {error}"
