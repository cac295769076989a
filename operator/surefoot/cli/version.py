"""The option `--version`, the same for every program of the package."""

from typing import Annotated

import typer


def installed_version() -> str:
    """The version of the distribution."""
    from importlib.metadata import version  # noqa: PLC0415 - it takes long to load

    return version("surefoot")


def _print(wanted: bool) -> None:
    if wanted:
        typer.echo(installed_version())
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", callback=_print, is_eager=True, help="Print the version and exit."),
]
