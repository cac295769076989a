"""``surefoot demo``: play the main job. Exit codes: 0 done, 1 it got stuck, 3 cannot start."""

from pathlib import Path
from typing import Annotated

import typer

# The libraries behind the demo are installed by the extra `testbed` only, and `surefoot run` loads
# this module too: they are imported where they are used.
# ruff: noqa: PLC0415

app = typer.Typer(
    help="Play the main job live on a real control plane, and leave nothing behind.",
    invoke_without_command=True,
    no_args_is_help=False,
)


@app.callback()
def demo(
    context: typer.Context,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave everything running, to go on by hand.")
    ] = False,
) -> None:
    """Play the main job live on a real control plane, and leave nothing behind."""
    if context.invoked_subcommand is None:
        from surefoot.demo.performance import perform

        raise typer.Exit(perform(keep=keep))


@app.command()
def incident(
    reports: Annotated[
        Path, typer.Option("--reports", metavar="DIR", help="Where the reports are written.")
    ] = Path("build/incident"),
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave everything running, to go on by hand.")
    ] = False,
) -> None:
    """Replay the incident: as it was, then with gates, then the proper way; audit both."""
    from surefoot.demo.incident.performance import perform

    raise typer.Exit(perform(reports, keep=keep))


@app.command()
def stop(
    directory: Annotated[
        Path, typer.Option("--dir", help="Where the demo lies that was kept: it said so.")
    ],
) -> None:
    """Stop a demo that was kept, and remove what it stored."""
    from surefoot.demo.performance import clear

    raise typer.Exit(clear(directory))
