"""diff, adopt."""

from typing import Annotated

import typer

from surefoot.plugin.commands.options import (
    Context,
    Format,
    Namespace,
    Output,
    Where,
    a_name,
)

# ruff: noqa: PLC0415 - see the package


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(diff)
    app.command()(adopt)


def diff(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="The manifest as it is to be; - for standard input."),
    ],
    *,
    namespace: Namespace = None,
    context: Context = None,
    output: Output = Format.TEXT,
) -> None:
    """Say what an edit of the plan would cost: signatures, soak and time. Changes nothing.

    It ends with 1 where the API server would refuse the edit.
    """
    from surefoot.plugin import planning, session

    wanted = planning.read_manifest(file)
    where = Where(namespace or wanted.namespace, context=context)
    session.run(where, lambda now: planning.diff(now, wanted, output))


def adopt(
    config_map: Annotated[
        str, typer.Argument(metavar="CONFIGMAP", help="The ConfigMap that holds the flag now.")
    ],
    *,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", callback=a_name, help="Of the Rollout; the flag's if not given."
        ),
    ] = None,
    namespace: Namespace = None,
    context: Context = None,
) -> None:
    """Print a plan that takes over a flag that is live already, and moves nobody.

    It writes nothing: apply what it prints, and the operator goes on from where the flag stands.
    """
    from surefoot.plugin import planning, session

    session.run(
        Where(namespace, context=context), lambda now: planning.adopt(now, config_map, name)
    )
