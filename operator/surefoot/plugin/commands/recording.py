"""record export, record verify."""

from pathlib import Path
from typing import Annotated

import typer

from surefoot.cli.exits import USAGE, fail
from surefoot.plugin.commands.options import (
    Context,
    Everywhere,
    Format,
    MaybeRolloutName,
    Namespace,
    Output,
    Where,
    a_name,
)

# ruff: noqa: PLC0415 - see the package

record = typer.Typer(
    help="Export the record that outlives the cluster, and check that it is whole.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(record, name="record")


@record.command()
def export(
    name: MaybeRolloutName = None,
    *,
    namespace: Namespace = None,
    everywhere: Everywhere = False,
    context: Context = None,
) -> None:
    """Print every history entry as a line of JSON, with the Rollout that it belongs to.

    Of one Rollout, or of all in the namespace, or with -A of all.
    """
    from surefoot.plugin import recording, session

    where = Where(namespace, everywhere, context)
    session.run(where, lambda now: recording.export(now, name))


@record.command()
def verify(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE|NAME",
            help="A file of lines, or - for standard input; otherwise the name of a Rollout.",
        ),
    ],
    *,
    allow_gaps: Annotated[
        bool, typer.Option("--allow-gaps", help="Accept gaps that the record itself names.")
    ] = False,
    namespace: Namespace = None,
    everywhere: Everywhere = False,
    context: Context = None,
    output: Output = Format.TEXT,
) -> None:
    """Say whether entries were changed, are missing or stand in another order; exits 1 if so."""
    from surefoot.plugin import recording, session

    if source == "-" or Path(source).exists():
        code = recording.verify_file(source, output, allow_gaps=allow_gaps)
        raise typer.Exit(code)
    try:
        name = a_name(source) or ""
    except typer.BadParameter:
        fail(USAGE, f"there is no file {source}, and a Rollout cannot have this name")
    where = Where(namespace, everywhere, context)
    session.run(where, lambda now: recording.verify(now, name, output, allow_gaps=allow_gaps))
