"""version, report bundle."""

from pathlib import Path
from typing import Annotated

import typer

from surefoot.plugin.commands.options import (
    Context,
    Everywhere,
    Format,
    Namespace,
    Output,
    Where,
    a_name,
)

# ruff: noqa: PLC0415 - see the package

report = typer.Typer(
    help="Collect what a maintainer needs, without secrets.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
OPERATOR_NAMESPACE = "surefoot-system"
Home = Annotated[
    str,
    typer.Option(
        "--operator-namespace", metavar="NS", callback=a_name, help="Where the operator runs."
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(version)
    app.add_typer(report, name="report")


def version(
    *,
    client: Annotated[
        bool, typer.Option("--client", help="Of this command alone; asks no cluster.")
    ] = False,
    home: Home = OPERATOR_NAMESPACE,
    context: Context = None,
    output: Output = Format.TEXT,
) -> None:
    """Show the versions of this command, the CRDs and the operator."""
    from surefoot.plugin import helping, session

    if client:
        helping.tell_client(output)
        return
    where = Where(home, context=context)
    session.run(where, lambda now: helping.version(now, output))


@report.command()
def bundle(
    *,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", "-f", metavar="FILE", dir_okay=False, help="Where to write the archive."
        ),
    ] = None,
    namespace: Namespace = None,
    everywhere: Everywhere = False,
    home: Home = OPERATOR_NAMESPACE,
    context: Context = None,
) -> None:
    """Write an archive of all that a maintainer needs to understand a fault, without secrets.

    Rollouts with their requests, events and flags, versions, the operator's state and its log. It
    reads with your rights, reads no Secret, and lists what it could not read.
    """
    from surefoot.plugin import bundling, session

    where = Where(namespace, everywhere, context)
    session.run(where, lambda now: bundling.bundle(now, file, home))
