"""`surefoot run`: the operator."""

import asyncio
from pathlib import Path
from typing import Annotated

import structlog
import typer

from surefoot.adapters import settings
from surefoot.adapters.logs import LogFormat, configure
from surefoot.adapters.settings import Settings
from surefoot.cli.exits import NO, UNREACHABLE, fail
from surefoot.errors import ApiError, ConfigurationError, LeadershipLost

# The operator's libraries take seconds to load, and every command loads this module: they are
# imported where they are used.
# ruff: noqa: PLC0415

log = structlog.get_logger(__name__)


def run_operator(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="The configuration file, which is read again when it changes.",
        ),
    ] = None,
    namespace: Annotated[
        list[str] | None,
        typer.Option(
            "--namespace", "-n", metavar="NS", help="Watch only this namespace; may be repeated."
        ),
    ] = None,
    check_config: Annotated[
        bool, typer.Option("--check-config", help="Say what is wrong with the file, and exit.")
    ] = False,
    leader_elect: Annotated[
        bool,
        typer.Option(
            "--leader-elect",
            help="Act only while holding the Lease; needed where there is more than one replica.",
        ),
    ] = False,
    log_format: Annotated[
        LogFormat | None,
        typer.Option(
            "--log-format", help="The format of the log, instead of the file's logFormat."
        ),
    ] = None,
    *,
    debug: Annotated[
        bool, typer.Option("--debug", help="Log also decisions that change nothing.")
    ] = False,
) -> None:
    """Run the operator, with the kubeconfig as kubectl finds it, or in-cluster."""
    from surefoot.adapters import notifications, serving
    from surefoot.adapters.prometheus import credentials

    try:
        found = settings.load(config)
    except ConfigurationError as error:
        fail(NO, str(error))
    faults = tuple(fault for each in found.providers for fault in credentials.check(each))
    if check_config:
        routes = (notifications.check(each) for each in found.notifications.routes)
        _report(config, (*faults, *filter(None, (*routes, serving.check(found.serving)))))
        return
    configure(log_format or found.log_format, debug=debug)
    for fault in faults:
        log.error("provider cannot be used", fault=fault)
    try:
        asyncio.run(_until_signalled(found, tuple(namespace or ()), config, elects=leader_elect))
    except ConfigurationError as error:
        fail(UNREACHABLE, str(error))
    except ApiError as error:
        fail(UNREACHABLE, f"cannot reach the API server: {error}")
    except LeadershipLost as error:
        fail(NO, f"{error}; this replica ends, and waits for its turn when it is started again")
    except OSError as error:
        fail(NO, f"cannot listen on {found.listen}: {error}")


def _report(config: Path | None, faults: tuple[str, ...]) -> None:
    if faults:
        fail(NO, "\n".join(faults))
    typer.echo(f"{config or 'the default configuration'} is good")


async def _until_signalled(
    found: Settings, namespaces: tuple[str, ...], config: Path | None, *, elects: bool
) -> None:
    from surefoot.handlers.lifecycle import run
    from surefoot.process.memory import keep_what_is_loaded
    from surefoot.process.open_files import allow_as_many_as_possible
    from surefoot.wiring import Start

    allow_as_many_as_possible()
    keep_what_is_loaded()
    start = Start(settings=found, namespaces=namespaces, config_file=config, elects=elects)
    await run(start)
    log.info("stopped")
