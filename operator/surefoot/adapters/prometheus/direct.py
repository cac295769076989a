"""One provider asked over HTTP by the operator itself, on its event loop.

It takes a seventh of the CPU of prometheus-api-client (decision 54).
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import NEEDS_CLEANUP_CLOSED

from surefoot.adapters.prometheus import credentials
from surefoot.adapters.prometheus.answers import Answer, Verdict, Window, open_answer
from surefoot.adapters.prometheus.connection import (
    COMPRESSED,
    LARGEST_ANSWER,
    MOST_REQUESTS,
    NO_LONGER_CONFIGURED,
    RefusedError,
    instant_parameters,
    range_parameters,
    too_large,
    verdict_on,
)
from surefoot.adapters.prometheus.threads import BoundedCalls, NoPlaceError
from surefoot.adapters.provider_settings import ProviderSettings, TlsSettings
from surefoot.api.v1alpha1.durations import format_elapsed

_BROKEN_OFF = (
    aiohttp.ClientPayloadError,
    aiohttp.ClientResponseError,
    aiohttp.ServerDisconnectedError,
    aiohttp.ClientConnectionError,
)


class DirectConnection:
    """The `Connection` of the operator; belongs to one event loop."""

    def __init__(self, settings: ProviderSettings, *, limit: int = MOST_REQUESTS) -> None:
        self._settings = settings
        self._places = asyncio.Semaphore(limit)
        self._under_way = 0
        self._resolver = _Resolver(settings.name, settings.timeout.total_seconds())
        self._making = asyncio.Lock()
        self._client: _Client | None = None
        self._closed = False

    async def ask_range(self, promql: str, window: Window) -> Answer | Verdict:
        """Ask for the values of a query at every point of a window."""
        parameters = range_parameters(window, self._patience)
        return await self._ask("/api/v1/query_range", {"query": promql, **parameters})

    async def ask_instant(self, promql: str, at: datetime) -> Answer | Verdict:
        """Ask for the values of a query at one moment."""
        parameters = instant_parameters(at, self._patience)
        return await self._ask("/api/v1/query", {"query": promql, **parameters})

    async def close(self) -> None:
        """Ask nothing more, and let go of what is under way without waiting for an answer."""
        self._closed = True
        client, self._client = self._client, None
        if client is not None:
            await client.session.close()

    @property
    def _patience(self) -> float:
        return self._settings.timeout.total_seconds()

    async def _ask(self, path: str, parameters: Mapping[str, str]) -> Answer | Verdict:
        try:
            async with self._place(), asyncio.timeout(self._patience):
                if self._closed:
                    return NO_LONGER_CONFIGURED
                return await self._exchange(path, parameters)
        except Exception as error:  # noqa: BLE001 - an outcome, whatever a library may raise
            return verdict_on(error, format_elapsed(self._settings.timeout), broken_off=_BROKEN_OFF)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """A place among those who may ask at once. Waiting for it is bounded by the patience."""
        if self._places.locked():
            await self._wait_for_a_place()
        else:
            await self._places.acquire()
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            self._places.release()

    async def _wait_for_a_place(self) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await self._places.acquire()
        except TimeoutError:
            raise NoPlaceError(self._under_way) from None

    async def _exchange(self, path: str, parameters: Mapping[str, str]) -> Answer | Verdict:
        client = await self._current_client()
        client.users += 1
        try:
            async with client.session.get(
                self._settings.address + path,
                params=parameters,
                # A redirect is an answer like any other: the credentials are for this server.
                allow_redirects=False,
                server_hostname=self._settings.tls.server_name if self._settings.tls else None,
            ) as response:
                body = await _read(response)
        finally:
            client.users -= 1
            if client is not self._client and not client.users:
                await client.session.close()
        return open_answer(response.status, response.headers.get("Content-Type", ""), body)

    async def _current_client(self) -> "_Client":
        """The client for the files as they are now; a new one after any of them changed."""
        stamp = credentials.fingerprint(self._settings)
        if self._client is not None and self._client.fingerprint == stamp:
            return self._client
        async with self._making:
            if self._client is None or self._client.fingerprint != stamp:
                # Files are read and certificates are parsed: that is not for the event loop.
                headers, context = await asyncio.to_thread(_materials, self._settings)
                old = self._client
                self._client = self._new_client(stamp, headers, context)
                if old is not None and not old.users:
                    await old.session.close()
            return self._client

    def _new_client(
        self,
        fingerprint: tuple[object, ...],
        headers: Mapping[str, str],
        context: ssl.SSLContext | bool,
    ) -> "_Client":
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,
                ssl=context,
                resolver=self._resolver,
                keepalive_timeout=60,
                # Where a connection through TLS is given up, the other side may never say goodbye.
                enable_cleanup_closed=NEEDS_CLEANUP_CLOSED,
            ),
            headers={
                "User-Agent": "surefoot",
                "Accept": "application/json",
                # Prometheus would compress; without, the size on the wire is the size in memory.
                "Accept-Encoding": "identity",
                **headers,
            },
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            # Nothing from the environment: no proxy, and no .netrc instead of the credentials.
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None),
        )
        return _Client(fingerprint, session)


@dataclass(slots=True)
class _Client:
    fingerprint: tuple[object, ...]
    session: aiohttp.ClientSession
    users: int = 0
    """Requests under way: a session that was replaced is closed after the last of them."""


class _Resolver(AbstractResolver):
    """Resolves names in a thread of its own, so that a dead resolver takes nobody else's."""

    def __init__(self, name: str, patience: float) -> None:
        self._lookups = BoundedCalls(name, 1)
        self._patience = patience

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host. Raises OSError where it has none."""
        addresses = await self._lookups.run(
            lambda _: socket.getaddrinfo(host, port, family, socket.SOCK_STREAM), self._patience
        )
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=kind,
                proto=proto,
                flags=socket.AI_NUMERICHOST,
            )
            for kind, _, proto, _, address in addresses
        ]

    async def close(self) -> None:
        """Nothing is held."""


def _materials(settings: ProviderSettings) -> tuple[dict[str, str], ssl.SSLContext | bool]:
    """What the files say. Raises FileError, and OSError where TLS cannot read them."""
    return credentials.headers(settings), _context(settings.tls) if settings.is_https else True


def _context(tls: TlsSettings | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=None if tls is None else tls.ca_file)
    if tls is not None and tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls is not None and tls.cert_file is not None and tls.key_file is not None:
        # An empty passphrase instead of the prompt that OpenSSL would open on the terminal.
        context.load_cert_chain(tls.cert_file, tls.key_file, password="")
    return context


async def _read(response: aiohttp.ClientResponse) -> bytes:
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise RefusedError(COMPRESSED)
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > LARGEST_ANSWER:
            response.close()
            raise RefusedError(too_large(response.status))
    return bytes(body)
