"""Blocking calls in a bounded number of threads, each with a deadline that is kept.

Every provider has its own :class:`BoundedCalls`, so that one that hangs takes the threads of no
other. The threads are daemons, one a call: unlike those of ``concurrent.futures`` they never keep
the process from exiting, and starting one costs a tenth of what the query in it costs.
"""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Protocol, TypeVar

from surefoot.errors import SurefootError

T = TypeVar("T")


class NoPlaceError(SurefootError):
    """No thread is free: ``waiting`` calls have not come back."""

    def __init__(self, waiting: int) -> None:
        super().__init__(f"{waiting} requests are still waiting for an answer")
        self.waiting = waiting


class Cable(Protocol):
    """A connection that knows whose request is on it, as far as an :class:`Exchange` cares."""

    exchange: "Exchange | None"


class Exchange:
    """One call, seen from both sides: the thread that waits, and the loop that may give it up.

    A read time-out starts again with each byte, so a server that trickles could hold a thread for
    ever. Giving up therefore shuts the socket, which wakes the thread at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._given_up = False
        self._wire: tuple[Cable, socket.socket] | None = None

    def watch(self, cable: Cable, wire: socket.socket) -> None:
        """Say which socket carries this exchange. Shut at once if it was given up already."""
        with self._lock:
            cable.exchange = self
            self._wire = (cable, wire)
            if self._given_up:
                self._shut()

    def give_up(self) -> None:
        """Nobody waits for the answer any more."""
        with self._lock:
            self._given_up = True
            self._shut()

    def _shut(self) -> None:
        if self._wire is None:
            return
        cable, wire = self._wire
        if cable.exchange is not self:
            return  # done here, and kept alive for another exchange
        with contextlib.suppress(OSError):
            # Not the method of a TLS socket: that one also takes the session from under the reader.
            socket.socket.shutdown(wire, socket.SHUT_RDWR)


class BoundedCalls:
    """At most ``limit`` blocking calls at a time; belongs to one event loop."""

    def __init__(self, name: str, limit: int) -> None:
        self._name = name
        self._limit = limit
        self._places = asyncio.Semaphore(limit)
        self._under_way: set[Exchange] = set()
        self._overdue: set[Exchange] = set()

    async def run(self, work: Callable[[Exchange], T], patience: float) -> T:
        """Run ``work`` in a thread and wait at most ``patience`` seconds for what it returns.

        Waiting for a free thread is bounded by ``patience`` once more. Raises TimeoutError,
        NoPlaceError (at once, when every thread is past its deadline), and what ``work`` raises.
        """
        if len(self._overdue) >= self._limit:
            raise NoPlaceError(len(self._overdue))
        try:
            async with asyncio.timeout(patience):
                await self._places.acquire()
        except TimeoutError:
            raise NoPlaceError(len(self._under_way)) from None
        exchange = Exchange()
        outcome = self._start(exchange, work)
        try:
            async with asyncio.timeout(patience):
                return await outcome
        except (TimeoutError, asyncio.CancelledError):
            if exchange in self._under_way:
                self._overdue.add(exchange)
            exchange.give_up()
            raise

    def give_up_all(self) -> None:
        """Wake every thread; none is waited for."""
        for exchange in tuple(self._under_way):
            exchange.give_up()

    def _start(self, exchange: Exchange, work: Callable[[Exchange], T]) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[T] = loop.create_future()

        def report(settle: Callable[[], None]) -> None:
            self._under_way.discard(exchange)
            self._overdue.discard(exchange)
            self._places.release()
            if not outcome.done():
                settle()

        def body() -> None:
            settle: Callable[[], None]
            try:
                result = work(exchange)
            except BaseException as caught:  # noqa: BLE001 - handed on whole to anyone who waits
                error = caught
                settle = lambda: outcome.set_exception(error)  # noqa: E731
            else:
                settle = lambda: outcome.set_result(result)  # noqa: E731
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(report, settle)

        thread = threading.Thread(target=body, name=f"prometheus-{self._name}", daemon=True)
        self._under_way.add(exchange)
        try:
            thread.start()
        except RuntimeError:  # the machine has no more threads
            self._under_way.discard(exchange)
            self._places.release()
            raise
        return outcome
