"""halt, unhalt."""

from typing import TYPE_CHECKING, Annotated

import typer

from surefoot.plugin.commands.options import (
    Context,
    Everywhere,
    Namespace,
    Reason,
    Where,
    Yes,
    a_name,
)

if TYPE_CHECKING:
    from surefoot.plugin.halting import End

# ruff: noqa: PLC0415 - see the package

Home = Annotated[
    str,
    typer.Option(
        "--operator-namespace",
        metavar="NS",
        callback=a_name,
        help="The operator's namespace: a halt there is for all namespaces.",
    ),
]
OPERATOR_NAMESPACE = "surefoot-system"


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(halt)
    app.command()(unhalt)


def halt(
    *,
    reason: Reason,
    until: Annotated[
        str | None,
        typer.Option(
            metavar="MOMENT",
            help="The moment when it ends by itself, such as 2026-03-01T10:00:00Z, or in 2h.",
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Do it also where it is halted already.")
    ] = False,
    namespace: Namespace = None,
    everywhere: Everywhere = False,
    home: Home = OPERATOR_NAMESPACE,
    yes: Yes = False,
    context: Context = None,
) -> None:
    """Stop all automation in a namespace or the cluster, rollback excepted.

    Without a namespace it is the context's. On a terminal you are shown which Rollouts it stops.
    """
    where = _where(namespace, home, context, everywhere=everywhere)
    from surefoot.plugin import halting, session

    end = None if until is None else _end(until)
    wish = halting.Stop(reason, end, replace=replace, home=home, asks=not yes)
    session.run(where, lambda now: halting.halt(now, wish))


def unhalt(
    *,
    reason: Reason,
    namespace: Namespace = None,
    everywhere: Everywhere = False,
    home: Home = OPERATOR_NAMESPACE,
    yes: Yes = False,
    context: Context = None,
) -> None:
    """Let automation go on. Who halted and who lifted it stays on record in the ConfigMap."""
    where = _where(namespace, home, context, everywhere=everywhere)
    from surefoot.plugin import halting, session

    session.run(where, lambda now: halting.unhalt(now, reason, asks=not yes))


def _where(namespace: str | None, home: str, context: str | None, *, everywhere: bool) -> Where:
    if everywhere and namespace is not None:
        raise typer.BadParameter("either -n or --all-namespaces")
    return Where(home if everywhere else namespace, context=context)


def _end(until: str) -> "End":
    from surefoot.plugin.halting import End

    try:
        return End.read(until)
    except ValueError as error:
        raise typer.BadParameter(f"--until: {error}") from error
