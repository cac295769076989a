"""The plugin's commands, put together."""

from importlib.metadata import version as installed_version
from typing import Annotated

import typer

from surefoot.plugin.commands import (
    auditing,
    checking,
    deciding,
    halting,
    looking,
    recording,
    reporting,
    steering,
)

GROUPS = (looking, checking, deciding, steering, halting, recording, reporting, auditing)

app = typer.Typer(
    help="Look at Rollouts, decide what you are asked for, and steer.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in GROUPS:
    group.add_to(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(installed_version("surefoot"))
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None: ...


def main() -> None:
    """The entry point of `kubectl-surefoot`, which kubectl runs for `kubectl surefoot`."""
    app(prog_name="kubectl surefoot")
