"""compliance."""

from typing import TYPE_CHECKING, Annotated

import typer

from surefoot.plugin.commands.options import (
    Context,
    Format,
    Namespace,
    Output,
    RolloutName,
    Where,
)

if TYPE_CHECKING:
    from datetime import timedelta

# ruff: noqa: PLC0415 - see the package


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(compliance)


def compliance(
    name: RolloutName,
    *,
    strict: Annotated[
        bool, typer.Option("--strict", help="Let what the plan does not ask for block as well.")
    ] = False,
    max_age: Annotated[
        str,
        typer.Option(
            "--max-age",
            metavar="DURATION",
            help="How old the operator's judgement may be: twice its statusRefresh.",
        ),
    ] = "20m",
    namespace: Namespace = None,
    context: Context = None,
    output: Output = Format.TEXT,
) -> None:
    """Answer the six checks before an expansion, and exit with 1 if it is blocked."""
    from surefoot.plugin import checking, session

    where = Where(namespace, everywhere=False, context=context)
    oldest = _length(max_age)
    session.run(
        where,
        lambda now: checking.compliance(now, name, output, strict=strict, max_age=oldest),
    )


def _length(text: str) -> "timedelta":
    from surefoot.api.v1alpha1.durations import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--max-age") from error
