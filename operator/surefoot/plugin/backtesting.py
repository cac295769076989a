"""backtest and suggest: a plan of a file against what Prometheus, or a file, remembers."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from surefoot.adapters.logs import configure_for_commands
from surefoot.api.v1alpha1.durations import parse_duration
from surefoot.api.v1alpha1.moments import parse_moment
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.backtest.history import Ask, History, NoHistory, Stretch, read_history
from surefoot.backtest.openmetrics import MOST_BYTES, NotASeries, SampleFile
from surefoot.backtest.picture import as_svg, in_blocks
from surefoot.backtest.report import backtest
from surefoot.backtest.suggesting import suggestions
from surefoot.backtest.temporary import find_programs, prometheus_of
from surefoot.cli.exits import NO, UNREACHABLE, USAGE
from surefoot.plugin import output
from surefoot.plugin.commands.offline import Format
from surefoot.plugin.files import BadFile, read_text, say_lines, write_bytes, write_text
from surefoot.plugin.plans import plan_from

_TIMEOUT = "1m"
_PIXELS = 1920
"""How wide a PNG is: twice the picture's own width, for sharp letters."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be looked at, and where it is."""

    file: str
    rollout: str | None
    prometheus: str | None
    openmetrics: str | None
    start: str
    end: str | None
    every: timedelta
    headers_file: Path | None = None
    bearer_token_file: Path | None = None
    basic_auth_file: Path | None = None
    ca_file: Path | None = None


def run_backtest(asked: Asked, format_: Format, *, svg: str | None, png: str | None) -> int:
    """What gates and triggers would have said; 1 where it would have rolled back."""

    def told(rollout: Rollout, history: History) -> int:
        report = backtest(rollout, history)
        if svg is not None:
            write_text(svg, as_svg(report))
        if png is not None:
            write_bytes(png, _as_png(as_svg(report)))
        if format_ is Format.JSON:
            output.say_json(report.as_json())
        else:
            say_lines(in_blocks(report))
            output.say("")
            say_lines(report.in_lines())
        return NO if report.rolls_back else 0

    return _with(asked, told)


def _as_png(svg: str) -> bytes:
    """The picture in pixels, on white, by the library of an extra. Raises `BadFile`."""
    try:
        import resvg_py  # noqa: PLC0415 - only where it is asked for, and an extra
    except ImportError as error:
        raise BadFile("--png needs one library more: pip install 'surefoot[pictures]'") from error
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, background="white", width=_PIXELS))


def run_suggest(asked: Asked, format_: Format) -> int:
    """Bounds from what was, and the false alarms that each would have raised."""

    def told(rollout: Rollout, history: History) -> int:
        found = list(suggestions(rollout, history))
        if format_ is Format.JSON:
            output.say_json([each.as_json() for each in found])
        else:
            titles = ("of", "metric", "from", "bound", "false alarms", "for")
            output.say_table(titles, [each.as_row() for each in found])
        return 0

    return _with(asked, told)


def _with(asked: Asked, work: Callable[[Rollout, History], int]) -> int:
    configure_for_commands()
    try:
        rollout = _plan(asked)
        return work(rollout, asyncio.run(_history(asked, rollout)))
    except NoHistory as error:
        output.warn(f"Error: {error}")
        return UNREACHABLE if error.is_down else USAGE
    except BadFile as error:
        output.warn(f"Error: {error}")
        return USAGE


def _plan(asked: Asked) -> Rollout:
    rollout = plan_from(asked.file, asked.rollout)
    if not rollout.spec.gates and not rollout.spec.triggers:
        raise BadFile(f"{asked.file} has neither gates nor triggers: nothing is to be judged")
    return rollout


async def _history(asked: Asked, rollout: Rollout) -> History:
    if asked.openmetrics is not None:
        return await _read_file(asked.openmetrics, asked, rollout)
    now = datetime.now(UTC)  # noqa: TID251 - a person's own clock: nothing is decided by it
    return await _ask_prometheus(asked, rollout, _stretch(asked, now))


async def _read_file(name: str, asked: Asked, rollout: Rollout) -> History:
    """A file as it is, or by a temporary Prometheus where a query has to be evaluated."""
    file = SampleFile(read_text(name, MOST_BYTES), name)
    stretch = _stretch(asked, file.newest)
    try:
        file.find_metrics(rollout.spec)
    except NotASeries:
        programs = find_programs()
        if programs is None:
            raise
        with prometheus_of(file.text, name, programs) as url:
            return await _ask_prometheus(replace(asked, prometheus=url), rollout, stretch)
    return await read_history(rollout.spec, stretch, file.ask)


async def _ask_prometheus(asked: Asked, rollout: Rollout, stretch: Stretch) -> History:
    # The client of Prometheus loads slowly, and a file needs none.
    from surefoot.adapters.prometheus.library import LibraryConnection  # noqa: PLC0415
    from surefoot.adapters.prometheus.provider import PrometheusProvider  # noqa: PLC0415
    from surefoot.adapters.provider_settings import ProviderSettings, ProviderType  # noqa: PLC0415
    from surefoot.adapters.providers import Providers  # noqa: PLC0415

    options = {
        "headersFile": asked.headers_file,
        "bearerTokenFile": asked.bearer_token_file,
        "basicAuthFile": asked.basic_auth_file,
        "tls": {"caFile": asked.ca_file} if asked.ca_file is not None else None,
    }
    given = {name: value for name, value in options.items() if value is not None}
    names = {metric.provider for metric in rollout.spec.metrics}
    try:
        settings = [
            ProviderSettings.model_validate(
                {"name": name, "address": asked.prometheus, "timeout": _TIMEOUT, **given}
            )
            for name in sorted(names)
        ]
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        said = first["msg"].removeprefix("Value error, ")
        raise BadFile(f"--prometheus {asked.prometheus}: {said}") from error
    maker = partial(PrometheusProvider, connect=LibraryConnection)
    makers = {ProviderType.PROMETHEUS: maker}
    providers = Providers(settings, now=lambda: stretch.end, makers=makers)
    ask: Ask = providers.measure
    try:
        return await read_history(rollout.spec, stretch, ask)
    finally:
        await providers.close()


def _stretch(asked: Asked, newest: datetime) -> Stretch:
    end = newest if asked.end is None else _moment("--to", asked.end, newest)
    return Stretch.of(_moment("--from", asked.start, end), end, asked.every)


def _moment(option: str, text: str, end: datetime) -> datetime:
    """A moment, or a length of time before the end."""
    try:
        return end - parse_duration(text.removeprefix("-"))
    except (ValueError, OverflowError):
        pass
    try:
        return parse_moment(text)
    except ValueError as error:
        raise BadFile(f"{option} {text}: write 2026-03-01T10:00:00Z, or a length: 7d") from error
