"""One provider asked through prometheus-api-client, on a session that can be trusted with it.

It takes a thread for each call and seven times the CPU of `direct`. It is for where throughput does
not matter and people know the library.

The library sends the request and takes the result out of the answer. Everything it leaves open is
settled in the session that it is given: the credentials, the size of an answer, redirects, the
warnings and the type of a result (which the library drops), and what each failure is called.
"""

import io
import threading
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from prometheus_api_client.prometheus_connect import PrometheusConnect
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError
from urllib3.util.ssl_match_hostname import CertificateError

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
    unreachable,
    verdict_on,
)
from surefoot.adapters.prometheus.threads import BoundedCalls, Exchange
from surefoot.adapters.provider_settings import ProviderSettings
from surefoot.api.v1alpha1.durations import format_elapsed

_CHUNK = 64 * 1024
_TIMED_OUT = (TimeoutError, requests.Timeout, urllib3.exceptions.TimeoutError)
_BROKEN_OFF = (EOFError, requests.ConnectionError, urllib3.exceptions.ProtocolError)


class LibraryConnection:
    """The `Connection` through the library, in threads."""

    def __init__(self, settings: ProviderSettings, *, limit: int = MOST_REQUESTS) -> None:
        self._settings = settings
        self._calls = BoundedCalls(settings.name, limit)
        self._lock = threading.Lock()
        self._client: _Client | None = None
        self._closed = False
        if settings.tls is not None and settings.tls.insecure_skip_verify:
            # The administrator said so; a warning with every request says nothing new.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

    async def ask_range(self, promql: str, window: Window) -> Answer | Verdict:
        """Ask for the values of a query at every point of a window."""
        # The library rounds both ends to whole seconds: the exact ones take their place.
        exact = range_parameters(window, self._patience)
        return await self._ask(
            lambda connect: connect.custom_query_range(
                promql, window.start, window.end, exact["step"], params=exact
            )
        )

    async def ask_instant(self, promql: str, at: datetime) -> Answer | Verdict:
        """Ask for the values of a query at one moment."""
        exact = instant_parameters(at, self._patience)
        return await self._ask(lambda connect: connect.custom_query(promql, params=exact))

    async def close(self) -> None:
        """Ask nothing more, and let go of what is under way without waiting for it."""
        self._closed = True
        self._calls.give_up_all()
        if (client := self._client) is not None:
            client.session.close()

    @property
    def _patience(self) -> float:
        return self._settings.timeout.total_seconds()

    async def _ask(self, send: Callable[[PrometheusConnect], object]) -> Answer | Verdict:
        if self._closed:
            return NO_LONGER_CONFIGURED
        try:
            return await self._calls.run(
                lambda client: self._exchange(client, send), self._patience
            )
        except Exception as error:  # noqa: BLE001 - an outcome, whatever a library may raise
            return verdict_on(
                error,
                format_elapsed(self._settings.timeout),
                broken_off=_BROKEN_OFF,
                is_timeout=_is_timeout,
                other_name=(CertificateError,),
            )

    def _exchange(self, exchange: Exchange, send: Callable[[PrometheusConnect], object]) -> Answer:
        """Send and receive, in a thread."""
        client = self._current_client()
        _under_way.set(exchange)
        result = send(client.connect)
        if not isinstance(result, list):
            raise RefusedError(unreachable("answered without a list of series"))
        return replace(_answer.get(), result=result)

    def _current_client(self) -> "_Client":
        """The client for the files as they are now; a new one after any of them changed."""
        with self._lock:
            stamp = credentials.fingerprint(self._settings)
            if self._client is None or self._client.fingerprint != stamp:
                # The one before is not closed: requests may be under way on it.
                self._client = _new_client(self._settings, stamp)
            return self._client


def _is_timeout(cause: BaseException) -> bool:
    # A connection that is refused counts as a time-out by its ancestry, and only by that.
    return isinstance(cause, _TIMED_OUT) and not isinstance(cause, NewConnectionError)


# Each call runs in a thread of its own, so these are the call's own as well.
_under_way: ContextVar[Exchange] = ContextVar("under_way")
_answer: ContextVar[Answer] = ContextVar("answer")


@dataclass(frozen=True, slots=True)
class _Client:
    fingerprint: tuple[object, ...]
    session: requests.Session
    connect: PrometheusConnect


def _new_client(settings: ProviderSettings, fingerprint: tuple[object, ...]) -> _Client:
    session = _Session()
    session.headers.update({"User-Agent": "surefoot", "Accept": "application/json"})
    session.headers.update(credentials.headers(settings))
    server_name = None
    if (tls := settings.tls) is not None:
        server_name = tls.server_name
        session.verify = str(tls.ca_file) if tls.ca_file else not tls.insecure_skip_verify
        if tls.cert_file and tls.key_file:
            session.cert = (str(tls.cert_file), str(tls.key_file))
    retry = urllib3.Retry(0)
    connect = PrometheusConnect(
        url=settings.address,
        session=session,
        retry=retry,
        # Annotated as a whole number, handed on to requests as it is.
        timeout=settings.timeout.total_seconds(),  # type: ignore[arg-type]
    )
    # The library has mounted an adapter of its own for this address: this one takes its place.
    session.mount(settings.address, _Adapter(server_name, max_retries=retry))
    return _Client(fingerprint, session, connect)


class _Session(requests.Session):
    """Sends what the library asks for, and hands it only answers that it can read."""

    def __init__(self) -> None:
        super().__init__()
        # Nothing from the environment: a .netrc would replace the credentials that were configured.
        self.trust_env = False
        # Prometheus would compress; without, the size on the wire is the size in memory.
        self.headers["Accept-Encoding"] = "identity"
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def get_redirect_target(self, _resp: requests.Response) -> str | None:
        """None, always: a redirect is an answer like any other, and is not followed."""
        return None

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send, read at most `LARGEST_ANSWER`, judge. Raises RefusedError for all but success."""
        response = super().send(request, **{**options, "stream": True})
        try:
            body = _read(response)
        finally:
            response.close()
        media_type = response.headers.get("Content-Type", "")
        opened = open_answer(response.status_code, media_type, body)
        if isinstance(opened, Verdict):
            raise RefusedError(opened)
        _answer.set(opened)
        response.raw = io.BytesIO(body)
        return response


def _read(response: requests.Response) -> bytes:
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise RefusedError(COMPRESSED)
    body = bytearray()
    # read1 returns what has come; read would wait until the chunk is full.
    while chunk := response.raw.read1(_CHUNK, decode_content=False):
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise RefusedError(too_large(response.status_code))
    return bytes(body)


class _Http(HTTPConnection):
    exchange: Exchange | None = None

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send, and let the exchange know its socket."""
        super().request(*args, **kwargs)
        _watch(self)


class _Https(HTTPSConnection):
    exchange: Exchange | None = None

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send, and let the exchange know its socket."""
        super().request(*args, **kwargs)
        _watch(self)


def _watch(connection: _Http | _Https) -> None:
    if connection.sock is not None:
        _under_way.get().watch(connection, connection.sock)


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


class _Adapter(HTTPAdapter):
    """Connections that can be given up, and the name that a certificate must have."""

    def __init__(self, server_name: str | None, *, max_retries: urllib3.Retry) -> None:
        self._server_name = server_name
        super().__init__(pool_maxsize=MOST_REQUESTS, max_retries=max_retries)

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **options: Any
    ) -> None:
        """Make the pools, of our own kind of connections."""
        if self._server_name is not None:
            options |= {
                "server_hostname": self._server_name,
                "assert_hostname": self._server_name,
            }
        super().init_poolmanager(connections, maxsize, block, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
