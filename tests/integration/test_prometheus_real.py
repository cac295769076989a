"""Measurements from a real Prometheus that scrapes a real exporter."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
import yaml
from typer.testing import CliRunner

from surefoot.adapters.probes import Probes
from surefoot.adapters.provider_settings import ProviderSettings
from surefoot.adapters.providers import Providers
from surefoot.adapters.serving import ServingSection, ServingTls
from surefoot.backtest.history import NoHistory, Stretch, read_history
from surefoot.backtest.report import backtest
from surefoot.backtest.suggesting import suggestions
from surefoot.backtest.temporary import find_programs, prometheus_of
from surefoot.domain.facts.measurements import Measurement, Outcome, RangeQuery
from surefoot.domain.metric_queries import metric_queries
from surefoot.domain.review import evaluate
from surefoot.plugin.app import app
from surefoot.testbed.binaries import provide
from surefoot.testbed.certificates import Authority
from surefoot.testbed.layout import Layout
from surefoot.testbed.ports import free_ports
from surefoot.testbed.prometheus import Prometheus
from tests.monitoring.promtool import promtool
from tests.support import world as memory
from tests.support.testbed import SURELY, wait_until, wait_until_async

pytestmark = pytest.mark.apiserver

STEP = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
OLD = 40 * MINUTE
"""How old the sample is that the exporter gives with a time of its own."""


class _Exporter(BaseHTTPRequestHandler):
    started: datetime

    def do_GET(self) -> None:
        old = int((self.started - OLD).timestamp() * 1000)
        body = (
            "# TYPE errors_total counter\nerrors_total 7\n"
            '# TYPE shard gauge\nshard{n="1"} 1\nshard{n="2"} 2\n'
            f"# TYPE growing gauge\ngrowing {time.monotonic()}\n"
            f'# TYPE cost gauge\ncost{{team="q\\"u\\\\o"}} 3 {old}\n'
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Keep the test's output clean."""


@dataclass(frozen=True)
class World:
    """A Prometheus with samples, and the moment to ask for: a grid point that it has data for."""

    prometheus: Prometheus
    now: datetime
    past: datetime
    """When the six hours begin that are in it from the start."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    program = provide(["prometheus"])["prometheus"]
    layout = Layout(tmp_path_factory.mktemp("prometheus"))
    past = _fill_with_history(layout)
    prometheus = Prometheus(
        layout,
        free_ports(1)[0],
        program,
        scrape_interval=timedelta(milliseconds=200),
    )
    prometheus.start()
    started = _time_of(prometheus)
    handler = type("_Started", (_Exporter,), {"started": started})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        prometheus.set_targets({"shop": [f"127.0.0.1:{server.server_port}"]})
        wait_until(lambda: prometheus.query("count_over_time(up[1m]) >= 5"), SURELY, "five scrapes")
        now = wait_until(lambda: _moment_with_data(prometheus), SURELY, "a moment with data")
        assert now is not None
        yield World(prometheus, now, past)
        server.shutdown()
    prometheus.kill()


def _fill_with_history(layout: Layout) -> datetime:
    """Six hours, a day ago: a tenth of all requests fails from 2h to 2h20m; 4h to 4h30m lack."""
    layout.prometheus_data.mkdir(parents=True, exist_ok=True)
    file = layout.directory / "history.txt"
    file.touch()
    began = datetime.fromtimestamp(file.stat().st_mtime // 60 * 60, UTC) - timedelta(days=1)
    lines: dict[str, list[str]] = {"past_requests": [], "past_errors": []}
    errors = 0
    for minute in range(6 * 60):
        errors += 60 if 120 <= minute < 140 else 1
        at = int(began.timestamp()) + 60 * minute
        if not 240 <= minute < 270:
            lines["past_requests"].append(f"past_requests_total {600 * minute} {at}")
            lines["past_errors"].append(f"past_errors_total {errors} {at}")
    text = "".join(
        f"# TYPE {name} counter\n{chr(10).join(samples)}\n" for name, samples in lines.items()
    )
    file.write_text(f"{text}# EOF\n")
    promtool("tsdb", "create-blocks-from", "openmetrics", str(file), str(layout.prometheus_data))
    return began


def _moment_with_data(prometheus: Prometheus) -> datetime | None:
    """The last second but one that is over, if the exporter was scraped well then and after it.

    On a busy machine a scrape may come too late: its series have no value then until the next one.
    """
    second = _time_of(prometheus).replace(microsecond=0) - 2 * STEP
    at = int(second.timestamp())
    fresh = f"errors_total @ {at} and on () (count_over_time(growing[10s] @ {at}) >= 5)"
    return second if prometheus.query(f"{fresh} and on () errors_total @ {at + 1}") else None


def _time_of(prometheus: Prometheus) -> datetime:
    return datetime.fromtimestamp(prometheus.query("time()")[0].value, UTC)


@pytest.fixture
async def providers(world: World) -> AsyncIterator[Providers]:
    settings = ProviderSettings(name="default", address=world.prometheus.url)
    providers = Providers([settings], lambda: world.now)
    yield providers
    await providers.close()


async def ask(
    providers: Providers,
    world: World,
    query: str,
    *,
    back: timedelta = MINUTE,
    stale_after: timedelta | None = None,
) -> Measurement:
    return await providers.measure(
        RangeQuery("default", query, world.now - back, world.now, STEP, stale_after)
    )


@pytest.mark.parametrize(
    ("query", "outcome", "value"),
    [
        ("errors_total", Outcome.VALUE, 7.0),
        ("sum(shard)", Outcome.VALUE, 3.0),
        ("0.5", Outcome.VALUE, 0.5),
        ("shard{n=~`\\d`} == 2", Outcome.VALUE, 2.0),
        ("nothing_like_it", Outcome.NO_DATA, None),
        ("errors_total > 7", Outcome.NO_DATA, None),
        ("cost", Outcome.NO_DATA, None),
        ("shard", Outcome.MANY_SERIES, None),
        ("vector(NaN)", Outcome.NOT_A_NUMBER, None),
        ("errors_total / 0", Outcome.NOT_A_NUMBER, None),
        ("quantile(2, shard)", Outcome.PARTIAL, None),
        ("errors_total + on() shard", Outcome.INVALID, None),
        ("errors_total[5m]", Outcome.INVALID, None),
        ("last_over_time(errors_total[290y])", Outcome.VALUE, 7.0),
    ],
)
async def test_outcome_is_told_apart(
    providers: Providers,
    world: World,
    query: str,
    outcome: Outcome,
    value: float | None,
) -> None:
    """As against a server that plays Prometheus, so against Prometheus."""
    measured = await ask(providers, world, query)
    assert (measured.outcome, measured.value) == (outcome, value), measured.message


async def test_points_are_on_the_grid(providers: Providers, world: World) -> None:
    """Times come back as they were asked for, also between two seconds."""
    off = timedelta(milliseconds=250)
    start, end = world.now - 3 * STEP + off, world.now - STEP + off
    measured = await providers.measure(RangeQuery("default", "vector(1)", start, end, STEP))
    assert [sample.at for sample in measured.samples] == [start, start + STEP, end]


async def test_refusal_is_in_the_words_of_prometheus(providers: Providers, world: World) -> None:
    """What only Prometheus can know of a query."""
    measured = await ask(providers, world, "errors_total + on() shard")
    assert measured.message.startswith(
        'provider "default" refused the query (HTTP 422): execution: found duplicate series '
    )


async def test_infos_are_not_warnings(providers: Providers, world: World) -> None:
    """A remark about a metric's name leaves the value usable."""
    measured = await ask(providers, world, 'rate(shard{n="1"}[10s])')
    assert measured.value == 0.0, measured.message


async def test_month_by_the_second_is_cut_to_what_prometheus_answers(
    providers: Providers, world: World
) -> None:
    """Its limit of 11,000 points is never met."""
    measured = await ask(providers, world, "errors_total", back=timedelta(days=30))
    assert (measured.value, measured.start) == (7.0, world.now - 10_000 * STEP)


async def test_growth_rate_is_a_query(providers: Providers, world: World) -> None:
    """What a trigger on it is above."""
    measured = await ask(providers, world, "max(deriv(growing[30s]))")
    assert measured.value is not None, measured.message
    assert measured.value > 0


@pytest.mark.parametrize(("length", "reason"), [("10m", "TooFewSamples"), ("1s", "Recorded")])
async def test_baseline_counts_the_time_that_had_samples(
    providers: Providers, world: World, length: str, reason: str
) -> None:
    """Of an hour at the step there are samples for some seconds."""
    at_10 = memory.World(
        memory.a_rollout(
            steps=memory.steps_of(10, 100, first={"baseline": length}),
            metrics=[memory.a_metric(query="errors_total")],
        ),
        now=world.now - 60 * MINUTE,
        interval=STEP,
    )
    at_10.settle()
    asked = metric_queries(at_10.rollout, world.now, STEP)
    answers = {name: await providers.measure(question) for name, question in asked.items()}
    found = evaluate(replace(at_10.snapshot(), measurements=answers), world.now)
    baseline = found.state.baseline
    assert baseline is not None
    assert (baseline.verdict.reason, baseline.left < 10 * MINUTE) == (reason, True)
    assert [entry.median for entry in found.status.baselines] == ["7"] * (reason == "Recorded")


async def test_windows_of_every_length_on_one_metric_are_answered(
    providers: Providers, world: World
) -> None:
    """Seconds beside days: each at a step that fits, and none longer than Prometheus answers."""
    lengths = ("0s", "4s", "4h", "5d", "9999d")
    rollout = memory.a_rollout(
        metrics=[memory.a_metric(query="errors_total")],
        triggers=[
            memory.a_trigger(f"t{n}", metric="errors", **{"for": length})
            for n, length in enumerate(lengths)
        ],
    )
    asked = metric_queries(rollout, world.now, STEP)
    assert len(asked) == len(lengths) + 1
    for question in asked.values():
        measured = await providers.measure(question)
        assert (measured.outcome, measured.value) == (Outcome.VALUE, 7.0), measured.message
        assert (measured.start, measured.end) == (question.start, question.end)


async def test_backtest_of_real_history(providers: Providers, world: World) -> None:
    """It would have rolled back once, five minutes after the rate of errors was beyond 5%."""
    rollout = memory.a_rollout(
        metrics=[
            {
                "name": "errors",
                "query": "(sum(rate(past_errors_total[5m])) or vector(0)) "
                "/ (sum(rate(past_requests_total[5m])) > 0)",
            }
        ],
        triggers=[memory.a_trigger(above="5%", **{"for": "5m"})],
        gates=[memory.a_gate(atMost="1%", **{"for": "10m"})],
    )
    start = world.past + timedelta(minutes=10)
    stretch = Stretch.of(start, world.past + timedelta(hours=5, minutes=50), MINUTE / 2)
    report = backtest(rollout, await read_history(rollout.spec, stretch, providers.measure))
    ((trigger, spell),) = report.rolls_back
    assert trigger.name == "errors"
    began = spell.start - world.past
    assert timedelta(hours=2, minutes=5) < began < timedelta(hours=2, minutes=12)
    assert timedelta(minutes=25) < report.missing["errors"] < timedelta(minutes=35)
    (worst,) = {room.worst for room in report.rooms}
    assert worst == pytest.approx(0.1, rel=0.01)
    found = {each.source: each for each in suggestions(rollout, report.history)}
    assert found["a fifth beyond"].alarms == 0


RAW_PLAN = """\
apiVersion: surefoot.dev/v1alpha1
kind: Rollout
metadata: {name: checkout}
spec:
  target: {configMapName: flags, flags: [checkout]}
  steps: [{percent: 50}, {percent: 100}]
  metrics: [{name: errors, query: "sum(rate(failures_total[5m])) / sum(rate(calls_total[5m]))"}]
  triggers: [{name: errors, above: "5%", for: 5m}]
"""


def test_file_of_raw_series_answers_any_query(tmp_path: Path) -> None:
    """A Prometheus that lives as long as the command evaluates it, and nothing of it is left."""
    calls = failures = 0
    lines: dict[str, list[str]] = {"calls": [], "failures": []}
    for minute in range(120):
        calls, failures = calls + 100, failures + (20 if 60 <= minute < 80 else 1)
        lines["calls"].append(f"calls_total {calls} {1772409600 + 60 * minute}")
        lines["failures"].append(f"failures_total {failures} {1772409600 + 60 * minute}")
    text = "".join(f"# TYPE {name} counter\n{chr(10).join(rows)}\n" for name, rows in lines.items())
    plan, samples = tmp_path / "plan.yaml", tmp_path / "samples.txt"
    plan.write_text(RAW_PLAN)
    samples.write_text(text)
    before = {child.pid for child in psutil.Process().children()}
    command = ["backtest", str(plan), "--openmetrics", str(samples), "--from", "110m", "-o", "json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1, result.output
    (trigger,) = (v for v in json.loads(result.stdout)["verdicts"] if v["kind"] == "trigger")
    assert [spell["state"] for spell in trigger["spells"]].count("firing") == 1
    assert {child.pid for child in psutil.Process().children()} <= before


def test_file_that_promtool_does_not_accept_is_told_in_its_words() -> None:
    """Before a Prometheus is started."""
    programs = find_programs()
    assert programs is not None, "the test bed has built both"
    with (
        pytest.raises(NoHistory, match=r"promtool does not accept f\.txt: .+"),
        prometheus_of("no metric at all\n# EOF\n", "f.txt", programs),
    ):
        pytest.fail("it was accepted")


LAST = "last_over_time(cost[2h])"


@pytest.mark.parametrize(
    ("query", "stale_after", "outcome"),
    [
        ("errors_total", MINUTE, Outcome.VALUE),
        ("rate(errors_total[30s])", MINUTE, Outcome.VALUE),
        (LAST, 2 * OLD, Outcome.VALUE),
        (LAST, OLD - MINUTE, Outcome.STALE),
        ('last_over_time(cost{team="q\\"u\\\\o"}[2h])', 2 * OLD, Outcome.VALUE),
        ('last_over_time(cost{team="q\\"u\\\\o"}[2h])', OLD - MINUTE, Outcome.STALE),
        ('last_over_time({__name__="cost"}[2h])', 2 * OLD, Outcome.VALUE),
        (f"{LAST} * on () errors_total", OLD - MINUTE, Outcome.STALE),
        (f"{LAST} * on () errors_total", 2 * OLD, Outcome.VALUE),
        ("max_over_time(cost[2h:1m])", OLD - MINUTE, Outcome.STALE),
        ("max_over_time(cost[2h:1m])", 2 * OLD, Outcome.VALUE),
        ("max_over_time(last_over_time(cost[1h])[1h:1m] offset 1m)", 2 * OLD, Outcome.VALUE),
        ("last_over_time(cost[2h] offset 35m)", 10 * MINUTE, Outcome.VALUE),
        ("last_over_time(cost[2h] offset 35m)", MINUTE, Outcome.STALE),
        ("cost offset 38m", 10 * MINUTE, Outcome.VALUE),
        ("cost offset 38m", MINUTE, Outcome.STALE),
        # Of a minute later, Prometheus would tell only what it has scraped by now, if anything.
        ("errors_total offset -1s", MINUTE, Outcome.VALUE),
        ("last_over_time(cost[2h] @ end())", OLD - MINUTE, Outcome.STALE),
        ("sum(never_seen) or sum(errors_total)", MINUTE, Outcome.VALUE),
        ("sum(never_seen) or vector(0)", MINUTE, Outcome.STALE),
        ("absent(never_seen)", MINUTE, Outcome.VALUE),
        ("vector(1)", MINUTE, Outcome.VALUE),
    ],
)
async def test_age_is_that_of_the_samples_themselves(
    providers: Providers,
    world: World,
    query: str,
    stale_after: timedelta,
    outcome: Outcome,
) -> None:
    """However a query reaches its samples, it is their own time that counts."""
    measured = await ask(providers, world, query, stale_after=stale_after)
    assert measured.outcome is outcome, measured.message
    assert bool(measured.samples) is (outcome is Outcome.VALUE)


async def test_provider_that_is_killed_is_unreachable_and_comes_back(tmp_path: Path) -> None:
    """Connections of before are not held against it."""
    program = provide(["prometheus"])["prometheus"]
    prometheus = Prometheus(Layout(tmp_path), free_ports(1)[0], program)
    prometheus.start()
    now = _time_of(prometheus)
    settings = ProviderSettings(name="default", address=prometheus.url)
    providers = Providers([settings], lambda: now)
    query = RangeQuery("default", "vector(1)", now - STEP, now, STEP)
    outcomes = [(await providers.measure(query)).outcome]
    prometheus.kill()
    outcomes.append((await providers.measure(query)).outcome)
    prometheus.start()
    outcomes.append((await providers.measure(query)).outcome)
    await providers.close()
    prometheus.kill()
    assert outcomes == [Outcome.VALUE, Outcome.UNREACHABLE, Outcome.VALUE]


async def test_prometheus_scrapes_by_tls_and_with_a_token(tmp_path: Path) -> None:
    """As the ServiceMonitor of the chart has it do, against the operator's own port."""
    authority = Authority(tmp_path / "certificates")
    token = tmp_path / "token"
    token.write_text("a-token")
    served = authority.server()
    section = ServingSection(
        tls=ServingTls(cert_file=served.certificate, key_file=served.key),
        metrics_token_file=token,
    )
    probes = Probes(lambda: b"m 1\n", lambda: None, lambda: None, section)
    await probes.start("127.0.0.1", 0)
    layout = Layout(tmp_path / "prometheus")
    layout.prometheus_config.parent.mkdir()
    target = {"static_configs": [{"targets": [f"127.0.0.1:{probes.port}"]}], "scheme": "https"}
    tls = {"tls_config": {"ca_file": str(authority.files.certificate), "server_name": "localhost"}}
    credentials = {"authorization": {"type": "Bearer", "credentials_file": str(token)}}
    jobs = {"trusted": tls | credentials, "anonymous": tls, "trusting": credentials}
    config = {
        "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms"},
        "scrape_configs": [{"job_name": job, **target, **how} for job, how in jobs.items()],
    }
    layout.prometheus_config.write_text(yaml.safe_dump(config))
    program = provide(["prometheus"])["prometheus"]
    prometheus = Prometheus(layout, free_ports(1)[0], program)

    def seen() -> dict[str, float]:
        found = prometheus.query("up")
        return {sample.labels["job"]: sample.value for sample in found}

    await asyncio.to_thread(prometheus.start)
    try:

        async def all_were_tried() -> bool:
            return (await asyncio.to_thread(seen)).keys() == jobs.keys()

        await wait_until_async(all_were_tried, SURELY, "Prometheus to scrape")
        # On a busy machine a scrape may come too late now and then.
        expected = {"trusted": 1, "anonymous": 0, "trusting": 0}
        await wait_until_async(
            lambda: asyncio.to_thread(lambda: seen() == expected), SURELY, "one job to succeed"
        )
    finally:
        prometheus.kill()
        await probes.stop()
