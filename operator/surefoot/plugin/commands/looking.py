"""get, explain, inbox."""

import typer

from surefoot.plugin.commands.options import (
    Context,
    Everywhere,
    Format,
    MaybeRolloutName,
    Namespace,
    Output,
    RolloutName,
    Where,
)

# ruff: noqa: PLC0415 - see the package


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(get)
    app.command()(explain)
    app.command()(inbox)


def get(
    name: MaybeRolloutName = None,
    *,
    namespace: Namespace = None,
    everywhere: Everywhere = False,
    context: Context = None,
    output: Output = Format.TEXT,
) -> None:
    """Show where Rollouts stand, one line each."""
    from surefoot.plugin import looking, session

    where = Where(namespace, everywhere, context)
    session.run(where, lambda now: looking.get(now, name, output))


def explain(
    name: RolloutName,
    *,
    namespace: Namespace = None,
    everywhere: Everywhere = False,
    context: Context = None,
    output: Output = Format.TEXT,
) -> None:
    """Explain why a Rollout does not move, who is missing, and what to type."""
    from surefoot.plugin import looking, session

    where = Where(namespace, everywhere, context)
    session.run(where, lambda now: looking.explain(now, name, output))


def inbox(
    *,
    namespace: Namespace = None,
    everywhere: Everywhere = False,
    context: Context = None,
    output: Output = Format.TEXT,
) -> None:
    """List every decision that you are asked for, with evidence and the command."""
    from surefoot.plugin import looking, session

    where = Where(namespace, everywhere, context)
    session.run(where, lambda now: looking.inbox(now, output))
