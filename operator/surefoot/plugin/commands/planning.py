"""lint, simulate, backtest, suggest: about a plan in a file, before anybody applies it."""

from typing import TYPE_CHECKING, Annotated

import typer

from surefoot.plugin.commands.options import LintFormat

if TYPE_CHECKING:
    from datetime import timedelta

# ruff: noqa: PLC0415 - see the package


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("lint")(lint)


def lint(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE…|-", help="Files or folders; - is standard input.")
    ],
    *,
    fix: Annotated[
        bool, typer.Option("--fix", help="Mend in the files what is mended without a doubt.")
    ] = False,
    author: Annotated[
        str,
        typer.Option("--author", metavar="USER", help="Who will apply it, and so may not sign."),
    ] = "",
    scrape_interval: Annotated[
        str, typer.Option(metavar="DURATION", help="How often Prometheus takes samples.")
    ] = "30s",
    retention: Annotated[
        str, typer.Option(metavar="DURATION", help="How long Prometheus keeps them.")
    ] = "15d",
    output: Annotated[
        LintFormat, typer.Option("--output", "-o", help="How to print it.")
    ] = LintFormat.TEXT,
) -> None:
    """What is wrong with a plan, or can hardly be meant; needs no cluster; exits 1 on findings."""
    from surefoot.lint.meaning import Surroundings
    from surefoot.plugin.linting import lint_files

    around = Surroundings(
        author, length("--scrape-interval", scrape_interval), length("--retention", retention)
    )
    raise typer.Exit(lint_files(files, around, output, fix=fix))


def length(option: str, text: str) -> "timedelta":
    """The length of time that an option says. Raises ``BadParameter``."""
    from surefoot.api.v1alpha1.durations import parse_duration

    try:
        return parse_duration(text)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(str(error), param_hint=option) from error
