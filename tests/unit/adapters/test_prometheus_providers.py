"""Every way in which a provider can answer, or not, against a real HTTP server.

Both ways of asking Prometheus pass the same tests; those of a thread are the library's alone.
"""

import asyncio
import base64
import gc
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from surefoot.adapters.prometheus.connection import LARGEST_ANSWER, MOST_REQUESTS, Connection
from surefoot.adapters.prometheus.direct import DirectConnection
from surefoot.adapters.prometheus.library import LibraryConnection
from surefoot.adapters.prometheus.provider import PrometheusProvider
from surefoot.adapters.provider_settings import ProviderSettings, ProviderType
from surefoot.adapters.providers import Providers
from surefoot.application.metrics_port import MetricsProviders
from surefoot.domain.facts.measurements import Measurement, Outcome, RangeQuery, Sample
from tests.support.testbed import SURELY, wait_until_async
from tests.unit.adapters.prometheus_server import (
    NOON,
    STEP,
    Reply,
    Request,
    Server,
    drip,
    error,
    hang_up,
    newest_samples,
    points,
    prometheus_server,
    reply,
    series,
    silence,
    success,
)

ANSWERED_AT = NOON + timedelta(seconds=1)
SHORT = timedelta(milliseconds=150)

Configure = Callable[..., Providers]


@pytest.fixture
def server() -> Iterator[Server]:
    with prometheus_server() as running:
        yield running


WAYS: dict[str, Callable[[ProviderSettings], Connection]] = {
    "direct": DirectConnection,
    "library": LibraryConnection,
}
library_only = pytest.mark.parametrize("configure", ["library"], indirect=True)


def providers_by(way: str, *settings: ProviderSettings, now: Callable[[], datetime]) -> Providers:
    """Providers that are asked in one of the ways."""
    maker = partial(PrometheusProvider, connect=WAYS[way])
    return Providers(settings, now, {ProviderType.PROMETHEUS: maker})


@pytest.fixture(params=WAYS)
async def configure(request: pytest.FixtureRequest) -> AsyncIterator[Configure]:
    made: list[Providers] = []

    def make(
        *settings: ProviderSettings, now: Callable[[], datetime] = lambda: ANSWERED_AT
    ) -> Providers:
        made.append(providers_by(request.param, *settings, now=now))
        return made[-1]

    yield make
    for providers in made:
        await providers.close()


def settings_for(server: Server, **more: Any) -> ProviderSettings:
    return ProviderSettings(**{"name": "default", "address": server.url, **more})


def a_query(**more: Any) -> RangeQuery:
    query = RangeQuery("default", "sum(x)", NOON - 2 * STEP, NOON, STEP)
    return replace(query, **more)


def a_measurement(outcome: Outcome, text: str, *values: float | None) -> Measurement:
    """What is made of `a_query`, with the values of its newest points, the newest last."""
    oldest = NOON - STEP * (len(values) - 1)
    return Measurement(
        start=NOON - 2 * STEP,
        end=NOON,
        step=STEP,
        samples=tuple(
            Sample(oldest + STEP * index, value)
            for index, value in enumerate(values)
            if value is not None
        ),
        outcome=outcome,
        message=f'provider "default" {text}; query: sum(x)',
        observed_at=ANSWERED_AT,
    )


def test_providers_are_what_the_application_expects() -> None:
    """The class keeps the promise of the port, as the type checker sees it."""
    port: MetricsProviders = Providers((), lambda: NOON)
    assert port.names("agents") == frozenset()


async def test_single_fresh_series_is_a_value(server: Server, configure: Configure) -> None:
    """One finite value at each point: the newest is the value."""
    server.plays(series(["0.1", "0.25", "4e-3"]))
    measured = await configure(settings_for(server)).measure(a_query())
    assert measured == a_measurement(
        Outcome.VALUE,
        "answered 0.004 at 2026-03-01T12:00:00Z; 3 of 3 points have a value",
        0.1,
        0.25,
        0.004,
    )
    assert measured.value == 0.004


async def test_the_question_is_asked_exactly(server: Server, configure: Configure) -> None:
    """Both ends to the millisecond, the step, and for how long anybody will wait."""
    server.plays(series(["1"]))
    half = timedelta(milliseconds=500)
    query = a_query(start=NOON - 2 * STEP + half, end=NOON + half)
    await configure(settings_for(server, address=f"{server.url}/prefix/")).measure(query)
    (asked,) = server.requests
    assert (asked.path, asked.parameters) == (
        "/prefix/api/v1/query_range",
        {
            "query": "sum(x)",
            "start": f"{(NOON - 2 * STEP).timestamp() + 0.5:.3f}",
            "end": f"{NOON.timestamp() + 0.5:.3f}",
            "step": "30.0",
            "timeout": "5.0",
        },
    )


async def test_connections_are_kept_while_answers_are_whole(
    server: Server, configure: Configure
) -> None:
    """One connection for questions one after another."""
    server.plays(series(["1"]), reply("", status=503), series(["1"]))
    providers = configure(settings_for(server))
    for _ in range(4):
        await providers.measure(a_query())
    assert len({request.port for request in server.requests}) == 1


MIB = LARGEST_ANSWER // 1024 // 1024
TRUNCATED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{"

ANSWERS: list[tuple[str, Reply, Measurement]] = [
    (
        "nothing",
        series(),
        a_measurement(
            Outcome.NO_DATA,
            "has no data at 2026-03-01T12:00:00Z: 0 of 3 points have a value",
        ),
    ),
    (
        "a newest point that is missing",
        series(["1", "2", None]),
        a_measurement(
            Outcome.NO_DATA,
            "has no data at 2026-03-01T12:00:00Z: the newest value is of 2026-03-01T11:59:30Z, "
            "2 of 3 points have a value",
            1.0,
            2.0,
            None,
        ),
    ),
    (
        "a gap before the newest point",
        series(["1", None, "3"]),
        a_measurement(
            Outcome.VALUE,
            "answered 3 at 2026-03-01T12:00:00Z; 2 of 3 points have a value",
            1.0,
            None,
            3.0,
        ),
    ),
    (
        "an infinity",
        series(["1", "+Inf"]),
        a_measurement(
            Outcome.NOT_A_NUMBER,
            "answered +Inf at 2026-03-01T12:00:00Z, which is not a number; "
            "2 of 3 points have a value",
            1.0,
            float("inf"),
        ),
    ),
    (
        "several series",
        series(["1"], ["2"], ["3"], ["4"], ["5"]),
        a_measurement(
            Outcome.MANY_SERIES,
            'answered 5 series where one is needed: {pod="p0"}, {pod="p1"}, {pod="p2"} and 2 more; '
            "aggregate them, as with sum(…) or max(…)",
        ),
    ),
    (
        "a warning",
        series(["1"], warnings=["PromQL: some\nstore is down", "another"]),
        a_measurement(
            Outcome.PARTIAL,
            "answered from part of its data, with the warning: "
            "PromQL: some store is down and 1 more",
        ),
    ),
    (
        "an info, which is no warning",
        series(["7"], infos=["PromQL info: metric might not be a counter"], warnings=[]),
        a_measurement(
            Outcome.VALUE,
            "answered 7 at 2026-03-01T12:00:00Z; 1 of 3 points have a value",
            7.0,
        ),
    ),
    (
        "histograms",
        success("matrix", [{"metric": {}, "histograms": [[NOON.timestamp(), {}]]}]),
        a_measurement(
            Outcome.INVALID,
            "answered with histograms: take a number of them, as with histogram_quantile",
        ),
    ),
    (
        "another type of result",
        success("vector", []),
        a_measurement(Outcome.UNREACHABLE, "answered a vector, not a matrix"),
    ),
    (
        "a scalar",
        success("scalar", [NOON.timestamp(), "1"]),
        a_measurement(Outcome.UNREACHABLE, "answered a scalar, not a matrix"),
    ),
    (
        "points off the grid",
        success("matrix", [{"metric": {}, "values": points("1", end=NOON - STEP / 2)}]),
        a_measurement(
            Outcome.UNREACHABLE,
            "answered other points than those asked for: "
            "from 2026-03-01T11:59:00Z to 2026-03-01T12:00:00Z, every 30s",
        ),
    ),
    (
        "points in the wrong order",
        success("matrix", [{"metric": {}, "values": points("1", "2")[::-1]}]),
        a_measurement(
            Outcome.UNREACHABLE,
            "answered other points than those asked for: "
            "from 2026-03-01T11:59:00Z to 2026-03-01T12:00:00Z, every 30s",
        ),
    ),
    (
        "a value in words",
        success("matrix", [{"metric": {}, "values": points("many")}]),
        a_measurement(Outcome.UNREACHABLE, "answered a value that is not a number"),
    ),
    (
        "a point of another shape",
        success("matrix", [{"metric": {}, "values": [[NOON.timestamp(), 1]]}]),
        a_measurement(Outcome.UNREACHABLE, "answered a point that is not a time and a value"),
    ),
    (
        "a time beyond all calendars",
        success("matrix", [{"metric": {}, "values": [[1e300, "1"]]}]),
        a_measurement(
            Outcome.UNREACHABLE,
            "answered other points than those asked for: "
            "from 2026-03-01T11:59:00Z to 2026-03-01T12:00:00Z, every 30s",
        ),
    ),
    (
        "a series of another shape",
        success("matrix", ["x"]),
        a_measurement(Outcome.UNREACHABLE, "answered a series without values"),
    ),
    (
        "a web page",
        reply("<html>secret</html>", media_type="text/html; charset=utf-8"),
        a_measurement(
            Outcome.UNREACHABLE,
            "answered text/html where JSON was expected: is the address right?",
        ),
    ),
    (
        "JSON of another kind",
        reply('{"status": "success", "data": []}'),
        a_measurement(
            Outcome.UNREACHABLE,
            "answered JSON that is not of the query API: is the address right?",
        ),
    ),
    (
        "JSON nested without end",
        reply("[" * 200_000),
        a_measurement(
            Outcome.UNREACHABLE,
            "answered application/json where JSON was expected: is the address right?",
        ),
    ),
    (
        "a redirect",
        reply("", status=302, Location="http://127.0.0.1:1/"),
        a_measurement(
            Outcome.UNREACHABLE,
            "redirects (HTTP 302), which is not followed: give the final address",
        ),
    ),
    (
        "503",
        reply("secret", status=503),
        a_measurement(Outcome.UNREACHABLE, "answered HTTP 503"),
    ),
    (
        "500",
        reply("secret", status=500),
        a_measurement(Outcome.UNREACHABLE, "answered HTTP 500"),
    ),
    (
        "429",
        reply("secret", status=429),
        a_measurement(Outcome.UNREACHABLE, "asks to be left alone for now (HTTP 429)"),
    ),
    (
        "401",
        reply("secret", status=401),
        a_measurement(Outcome.UNREACHABLE, "refused the credentials (HTTP 401)"),
    ),
    (
        "404",
        reply("secret", status=404),
        a_measurement(Outcome.UNREACHABLE, "has no query API at its address (HTTP 404)"),
    ),
    (
        "414",
        reply("secret", status=414),
        a_measurement(Outcome.INVALID, "refused the query as too long (HTTP 414)"),
    ),
    (
        "400 in the words of Prometheus",
        error(400, "bad_data", "parse\x07 error:\nunexpected " + "x" * 300),
        a_measurement(
            Outcome.INVALID,
            "refused the query (HTTP 400): bad_data: parse error: unexpected " + "x" * 165 + "…",
        ),
    ),
    (
        "422 in the words of Prometheus",
        error(422, "execution", "many-to-many matching not allowed"),
        a_measurement(
            Outcome.INVALID,
            "refused the query (HTTP 422): execution: many-to-many matching not allowed",
        ),
    ),
    (
        "400 of somebody else",
        reply("<html>secret</html>", status=400),
        a_measurement(
            Outcome.INVALID,
            "refused the query (HTTP 400): "
            "it does not say why; is that the address of a Prometheus?",
        ),
    ),
    (
        "compression that was not asked for",
        reply(b"\x1f\x8b", Content_Encoding="gzip"),
        a_measurement(Outcome.UNREACHABLE, "answered with a compression that was not asked for"),
    ),
    (
        "half an answer",
        hang_up(TRUNCATED),
        a_measurement(
            Outcome.UNREACHABLE, "broke off the connection before its answer was complete"
        ),
    ),
    (
        "no HTTP",
        hang_up(b"SSH-2.0-OpenSSH\r\n\r\n"),
        a_measurement(
            Outcome.UNREACHABLE, "broke off the connection before its answer was complete"
        ),
    ),
    (
        "too much",
        reply(b" " * (LARGEST_ANSWER + 1)),
        a_measurement(Outcome.UNREACHABLE, f"answered more than {MIB} MiB, too large"),
    ),
    (
        "an error without end",
        reply(b" " * (LARGEST_ANSWER + 1), status=500),
        a_measurement(Outcome.UNREACHABLE, "answered HTTP 500"),
    ),
]


@pytest.mark.parametrize(
    ("answer", "expected"), [pytest.param(*row[1:], id=row[0]) for row in ANSWERS]
)
async def test_answer_becomes_its_outcome(
    server: Server, configure: Configure, answer: Reply, expected: Measurement
) -> None:
    """Each answer has its own outcome and words, and no body is repeated in them."""
    server.plays(answer)
    measured = await configure(settings_for(server)).measure(a_query())
    assert measured == expected
    assert len(server.requests) == 1, "nothing is asked again, and no redirect is followed"


async def test_no_answer_at_all_is_unreachable(server: Server, configure: Configure) -> None:
    """A kept connection may just have been closed: the question is asked once more at the most."""
    server.plays(hang_up())
    measured = await configure(settings_for(server)).measure(a_query())
    assert measured == a_measurement(
        Outcome.UNREACHABLE, "broke off the connection before its answer was complete"
    )
    assert len(server.requests) <= 2


async def test_not_a_number_is_told_apart_from_no_data(
    server: Server, configure: Configure
) -> None:
    """NaN comes as a string and stays a sample; a number before it does not make up for it."""
    server.plays(series(["1", "NaN"]))
    measured = await configure(settings_for(server)).measure(a_query())
    assert [measured.samples[0], str(measured.samples[1].value)] == [
        Sample(NOON - STEP, 1.0),
        "nan",
    ]
    assert replace(measured, samples=()) == a_measurement(
        Outcome.NOT_A_NUMBER,
        "answered NaN at 2026-03-01T12:00:00Z, which is not a number; 2 of 3 points have a value",
    )


async def test_endless_answer_is_cut_off(server: Server, configure: Configure) -> None:
    """An answer that never ends is refused once it is too large, not kept in memory."""
    server.plays(drip(b"HTTP/1.1 200 OK\r\n\r\n", b" " * 1024 * 1024))
    measured = await configure(settings_for(server)).measure(a_query())
    assert measured == a_measurement(
        Outcome.UNREACHABLE, f"answered more than {MIB} MiB, too large"
    )


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(silence(), id="silence"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\n\r\n", b" "), id="body byte by byte"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x"), id="header byte by byte"),
        pytest.param(
            drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
            id="chunk by chunk",
        ),
    ],
)
async def test_answer_that_does_not_come_to_an_end_times_out_and_frees_its_place(
    server: Server, configure: Configure, answer: Reply
) -> None:
    """The time is that of the whole answer; afterwards no place is lost."""
    providers = configure(settings_for(server, timeout=SHORT))
    server.plays(answer)
    late = await asyncio.gather(*(providers.measure(a_query()) for _ in range(MOST_REQUESTS)))
    assert late == [a_measurement(Outcome.UNREACHABLE, "did not answer within 0.15s")] * len(late)
    await _threads_are_gone()
    await _then_it_answers(server, providers)


async def _then_it_answers(server: Server, providers: Providers) -> None:
    """At last: on a busy machine it may take longer than the short time that is given."""
    server.plays(series(["1"]))

    async def answers() -> bool:
        return (await providers.measure(a_query())).outcome is Outcome.VALUE

    await wait_until_async(answers, SURELY, "a place to be free")


async def _threads_are_gone() -> None:
    for thread in threading.enumerate():
        if thread.name == "prometheus-default":
            await asyncio.to_thread(thread.join)


@library_only
async def test_provider_whose_threads_never_come_back_is_answered_for_at_once(
    configure: Configure, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    """Threads that even shutting the socket does not free are counted, and not added to."""
    resolved = threading.Event()

    def hangs(*_: Any, **__: Any) -> list[Any]:
        resolved.wait()
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    providers = configure(settings_for(server, timeout=SHORT))
    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    try:
        await asyncio.gather(*(providers.measure(a_query()) for _ in range(MOST_REQUESTS)))
        at_once = await providers.measure(a_query())
    finally:
        resolved.set()
    assert at_once == a_measurement(
        Outcome.UNREACHABLE, f"was not asked: {MOST_REQUESTS} requests are still waiting"
    )
    await _threads_are_gone()
    monkeypatch.undo()
    await _then_it_answers(server, providers)


async def test_waiting_line_is_bounded(server: Server, configure: Configure) -> None:
    """Who finds no free thread within the timeout is not asked for, and is told so."""
    providers = configure(settings_for(server, timeout=SHORT))
    server.plays(silence())
    measured = await asyncio.gather(
        *(providers.measure(a_query()) for _ in range(3 * MOST_REQUESTS))
    )
    assert {each.outcome for each in measured} == {Outcome.UNREACHABLE}
    assert len(server.requests) <= 2 * MOST_REQUESTS


async def test_dead_provider_does_not_delay_another(configure: Configure) -> None:
    """While every thread of one provider hangs, the other answers all that it is asked."""
    with prometheus_server() as dead, prometheus_server() as alive:
        asked = [threading.Event() for _ in range(MOST_REQUESTS)]
        dead.plays(*(silence(event) for event in asked))
        alive.plays(series(["1"]))
        providers = configure(
            settings_for(dead, name="dead", timeout=timedelta(minutes=1)),
            settings_for(alive, name="alive"),
        )
        hanging = [
            asyncio.create_task(providers.measure(a_query(provider="dead")))
            for _ in range(3 * MOST_REQUESTS)
        ]
        for event in asked:
            await asyncio.to_thread(event.wait)
        answered = [await providers.measure(a_query(provider="alive")) for _ in range(20)]
        assert {each.outcome for each in answered} == {Outcome.VALUE}
        assert not any(task.done() for task in hanging)
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)


async def test_closed_providers_let_go_of_what_is_under_way(
    server: Server, configure: Configure
) -> None:
    """Closing waits for nobody; what is under way is unreachable, what comes later is not sent."""
    asked = threading.Event()
    server.plays(silence(asked))
    providers = configure(settings_for(server, timeout=timedelta(minutes=1)))
    under_way = asyncio.create_task(providers.measure(a_query()))
    await asyncio.to_thread(asked.wait)
    await providers.close()
    assert (await under_way).outcome is Outcome.UNREACHABLE
    assert await providers.measure(a_query()) == a_measurement(
        Outcome.UNREACHABLE, "is no longer configured"
    )
    assert len(server.requests) == 1


async def test_settings_that_stay_keep_their_connections(
    server: Server, configure: Configure
) -> None:
    """An exchange of settings lets go of what changed, and of nothing else."""
    server.plays(series(["1"]))
    stays, goes = settings_for(server), settings_for(server, name="goes")
    providers = configure(stays, goes)
    await providers.measure(a_query())
    providers.exchange([stays])
    assert (await providers.measure(a_query())).value == 1.0
    assert len({request.port for request in server.requests}) == 1
    assert providers.names("agents") == {"default"}


@library_only
async def test_stuck_threads_do_not_keep_the_process_alive(
    server: Server, configure: Configure
) -> None:
    """They are daemons, so that a hanging provider never delays a graceful stop."""
    asked = threading.Event()
    server.plays(silence(asked))
    providers = configure(settings_for(server, name="stuck"))
    under_way = asyncio.create_task(providers.measure(a_query(provider="stuck")))
    await asyncio.to_thread(asked.wait)
    stuck = [each for each in threading.enumerate() if each.name == "prometheus-stuck"]
    assert [each.daemon for each in stuck] == [True]
    under_way.cancel()
    await asyncio.gather(under_way, return_exceptions=True)


async def test_refused_connection_is_unreachable(configure: Configure) -> None:
    """Nobody listens there."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # bound and not listening: nobody else can take the port
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        providers = configure(ProviderSettings(name="default", address=url))
        measured = await providers.measure(a_query())
    assert measured == a_measurement(Outcome.UNREACHABLE, "cannot be reached: connection refused")


async def test_name_that_does_not_resolve_is_unreachable(configure: Configure) -> None:
    """The reserved domain `.invalid` never resolves; the words are those of the resolver."""
    providers = configure(ProviderSettings(name="default", address="http://nobody.invalid"))
    measured = await providers.measure(a_query())
    assert measured.outcome is Outcome.UNREACHABLE
    assert measured.message.startswith('provider "default" has an address that does not resolve: ')


async def test_server_without_tls_is_unreachable_over_https(
    server: Server, configure: Configure
) -> None:
    """A plain answer to a TLS greeting is named as what it is."""
    address = server.url.replace("http:", "https:")
    measured = await configure(settings_for(server, address=address)).measure(a_query())
    assert measured.outcome is Outcome.UNREACHABLE
    assert measured.message.startswith('provider "default" could not agree on TLS: ')


async def test_unknown_provider_is_invalid(server: Server, configure: Configure) -> None:
    """The message names it and those that are there."""
    providers = configure(settings_for(server, name="b"), settings_for(server, name="a"))
    assert await providers.measure(a_query()) == a_measurement(
        Outcome.INVALID, "is not configured (there are: a, b)"
    )


async def test_query_that_does_not_parse_is_not_sent(server: Server, configure: Configure) -> None:
    """What can be known here is not asked."""
    providers = configure(settings_for(server))
    assert await providers.measure(a_query(query="sum(x")) == replace(
        a_measurement(Outcome.INVALID, ""),
        message='provider "default" was not asked: the query does not parse: '
        "unclosed left parenthesis; query: sum(x",
    )
    assert server.requests == []


async def test_long_query_is_cut_in_the_message_and_sent_whole(
    server: Server, configure: Configure
) -> None:
    """A message stays short and on one line."""
    text = "sum(\n  " + "x" * 400 + ")"
    measured = await configure(settings_for(server)).measure(a_query(query=text))
    assert measured.message == (
        'provider "default" has no data at 2026-03-01T12:00:00Z: 0 of 3 points have a value; '
        "query: sum( " + "x" * 294 + "…"
    )
    assert server.requests[0].parameters["query"] == text


@pytest.mark.parametrize(
    "change", [{"step": timedelta(0)}, {"end": NOON - 3 * STEP}], ids=["no step", "no time"]
)
async def test_window_without_points_is_invalid(
    server: Server, configure: Configure, change: dict[str, Any]
) -> None:
    """A question that cannot be asked is answered all the same."""
    measured = await configure(settings_for(server)).measure(a_query(**change))
    assert (measured.outcome, measured.samples) == (Outcome.INVALID, ())
    assert server.requests == []


async def test_window_too_long_for_prometheus_keeps_its_newest_part(
    server: Server, configure: Configure
) -> None:
    """Prometheus refuses more than 11,000 points; the measurement says what was asked."""
    server.plays(series(["1"]))
    query = a_query(start=NOON - 20_000 * STEP)
    measured = await configure(settings_for(server)).measure(query)
    assert measured == Measurement(
        start=NOON - 10_000 * STEP,
        end=NOON,
        step=STEP,
        samples=(Sample(NOON, 1.0),),
        outcome=Outcome.VALUE,
        message='provider "default" answered 1 at 2026-03-01T12:00:00Z; '
        "1 of 10001 points have a value; query: sum(x)",
        observed_at=ANSWERED_AT,
    )
    assert server.requests[0].parameters["start"] == f"{measured.start.timestamp():.3f}"


async def test_newest_point_is_the_end_also_where_the_start_is_off_the_grid(
    server: Server, configure: Configure
) -> None:
    """Prometheus counts from the start; a start between two points is moved to the later one."""
    server.plays(series(["1"]))
    query = a_query(start=NOON - 2.5 * STEP)
    measured = await configure(settings_for(server)).measure(query)
    assert (measured.start, measured.value) == (NOON - 2 * STEP, 1.0)


HOUR = timedelta(hours=1)


async def test_sample_within_its_age_is_a_value(server: Server, configure: Configure) -> None:
    """With `stale_after`, one more question is asked: for the time of the newest sample."""
    server.plays(series(["1"]), newest_samples(NOON - HOUR))
    measured = await configure(settings_for(server)).measure(a_query(stale_after=HOUR))
    assert measured.value == 1.0
    assert measured.fresh_until == NOON
    assert server.requests[1] == Request(
        path="/api/v1/query",
        parameters={
            "query": 'label_replace(max(timestamp(x)), "input", "0", "", "")',
            "time": f"{NOON.timestamp():.3f}",
            "timeout": "5.0",
        },
        headers=server.requests[1].headers,
        port=server.requests[0].port,
    )


async def test_sample_past_its_age_is_stale(server: Server, configure: Configure) -> None:
    """The message has both numbers, and nobody gets to see the samples."""
    server.plays(series(["1"]), newest_samples(NOON - HOUR - timedelta(seconds=1)))
    assert await configure(settings_for(server)).measure(a_query(stale_after=HOUR)) == (
        a_measurement(
            Outcome.STALE,
            "reads x, whose newest sample is 1h0m1s old: at most 1h is allowed",
        )
    )


async def test_oldest_input_decides(server: Server, configure: Configure) -> None:
    """A fresh denominator does not make up for a numerator that has stopped."""
    server.plays(series(["1"]), newest_samples(NOON - 2 * HOUR, NOON))
    query = a_query(query="sum(errors) / sum(requests)", stale_after=HOUR)
    measured = await configure(settings_for(server)).measure(query)
    assert (measured.outcome, measured.samples, measured.message) == (
        Outcome.STALE,
        (),
        (
            'provider "default" reads errors, whose newest sample is 2h0m0s old: '
            "at most 1h is allowed; query: sum(errors) / sum(requests)"
        ),
    )


async def test_input_that_never_had_a_sample_is_left_out(
    server: Server, configure: Configure
) -> None:
    """`or vector(0)` is how one counts what has not happened yet."""
    server.plays(series(["0"]), newest_samples(None, NOON))
    query = a_query(query="(errors or vector(0)) / requests", stale_after=HOUR)
    assert (await configure(settings_for(server)).measure(query)).value == 0.0


async def test_value_made_of_no_sample_at_all_is_stale(
    server: Server, configure: Configure
) -> None:
    """A value that was read from nothing is not fresh."""
    server.plays(series(["0"]), newest_samples(None))
    query = a_query(query="errors or vector(0)", stale_after=HOUR)
    measured = await configure(settings_for(server)).measure(query)
    assert (measured.outcome, measured.message) == (
        Outcome.STALE,
        (
            'provider "default" reads errors, of which there is no sample: '
            "one at most 1h old is needed; query: errors or vector(0)"
        ),
    )


async def test_query_that_reads_no_samples_has_no_age(server: Server, configure: Configure) -> None:
    """There is nothing to ask for."""
    server.plays(series(["1"]))
    query = a_query(query="vector(1)", stale_after=HOUR)
    assert (await configure(settings_for(server)).measure(query)).value == 1.0
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "outcome", "text"),
    [
        pytest.param(reply("", status=503), Outcome.UNREACHABLE, "answered HTTP 503", id="503"),
        pytest.param(
            success("vector", [], warnings=["gone"]),
            Outcome.PARTIAL,
            "answered from part of its data, with the warning: gone",
            id="a warning",
        ),
        pytest.param(
            success("matrix", []),
            Outcome.UNREACHABLE,
            "answered a matrix, not a vector",
            id="another type of result",
        ),
        pytest.param(
            success("vector", [{"metric": {}, "value": [0, "1"]}]),
            Outcome.UNREACHABLE,
            "answered the question for the age of its samples in an unknown way",
            id="a series that nobody asked for",
        ),
        pytest.param(
            success("vector", [{"metric": {"input": "0"}, "value": [0, "NaN"]}]),
            Outcome.UNREACHABLE,
            "answered the question for the age of its samples in an unknown way",
            id="a time that is none",
        ),
        pytest.param(
            success("vector", [{"metric": {"input": "0"}, "value": [0, "1e300"]}]),
            Outcome.UNREACHABLE,
            "answered the question for the age of its samples in an unknown way",
            id="a time beyond all calendars",
        ),
    ],
)
async def test_unknown_age_is_never_a_value(
    server: Server, configure: Configure, answer: Reply, outcome: Outcome, text: str
) -> None:
    """What cannot be told fresh is not used, and the message says which question failed."""
    server.plays(series(["1"]), answer)
    assert await configure(settings_for(server)).measure(
        a_query(stale_after=HOUR)
    ) == a_measurement(outcome, f"{text} (when asked how old its samples are)")


def credentials_of(request: Request) -> dict[str, str]:
    kept = {"Authorization", "X-Scope-OrgID", "Accept-Encoding", "Cookie"}
    return {name: value for name, value in request.headers.items() if name in kept}


async def test_headers_and_token_are_sent_and_read_anew_when_they_change(
    server: Server, configure: Configure, tmp_path: Path
) -> None:
    """Secrets are rotated by replacing files: the next question has the new ones."""
    token, headers = tmp_path / "token", tmp_path / "headers.yaml"
    token.write_text("first\n")
    headers.write_text("X-Scope-OrgID: team-a\n")
    providers = configure(settings_for(server, bearer_token_file=token, headers_file=headers))
    server.plays(reply("{}", Set_Cookie="a=b"))
    await providers.measure(a_query())
    fresh = tmp_path / "fresh"
    fresh.write_text("second")
    fresh.replace(token)
    headers.write_text(json.dumps({"X-Scope-OrgID": "team-b"}))
    await providers.measure(a_query())
    assert [credentials_of(each) for each in server.requests] == [
        {
            "Authorization": "Bearer first",
            "X-Scope-OrgID": "team-a",
            "Accept-Encoding": "identity",
        },
        {
            "Authorization": "Bearer second",
            "X-Scope-OrgID": "team-b",
            "Accept-Encoding": "identity",
        },
    ]
    gc.collect()  # the connections of the first session are closed without a complaint


async def test_user_and_password_are_sent(
    server: Server, configure: Configure, tmp_path: Path
) -> None:
    """The password may have colons and letters of any script."""
    pair = tmp_path / "basic"
    pair.write_text("cora:pä:ss\n")
    await configure(settings_for(server, basic_auth_file=pair)).measure(a_query())
    sent = credentials_of(server.requests[0])["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(sent).decode() == "cora:pä:ss"


async def test_missing_file_is_unreachable_until_it_is_there(
    server: Server, configure: Configure, tmp_path: Path
) -> None:
    """Nothing is sent without the credentials that were asked for."""
    token = tmp_path / "token"
    providers = configure(settings_for(server, bearer_token_file=token))
    assert await providers.measure(a_query()) == a_measurement(
        Outcome.UNREACHABLE,
        f"was not asked: bearerTokenFile {token}: no such file or directory",
    )
    assert server.requests == []
    token.write_text("now")
    server.plays(series(["1"]))
    assert (await providers.measure(a_query())).value == 1.0


async def test_environment_does_not_replace_credentials(
    server: Server, configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a .netrc nor a proxy from the environment has a say."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    server.plays(series(["1"]))
    measured = await configure(settings_for(server)).measure(a_query())
    assert measured.outcome is Outcome.VALUE
    assert credentials_of(server.requests[0]) == {"Accept-Encoding": "identity"}


async def test_provider_serves_the_namespaces_it_names(
    server: Server, configure: Configure
) -> None:
    """None named means all."""
    providers = configure(
        settings_for(server, name="everybody"),
        settings_for(server, name="payments-only", namespaces=("payments",)),
    )
    assert [providers.names("payments"), providers.names("agents")] == [
        frozenset({"everybody", "payments-only"}),
        frozenset({"everybody"}),
    ]


async def test_clock_is_asked_when_the_answer_is_there(
    server: Server, configure: Configure
) -> None:
    """`observed_at` is the time of the answer, not that of the question."""
    server.plays(series(["1"]))
    asked_when: list[int] = []

    def now() -> datetime:
        asked_when.append(len(server.requests))
        return ANSWERED_AT

    await configure(settings_for(server), now=now).measure(a_query())
    assert asked_when == [1]
