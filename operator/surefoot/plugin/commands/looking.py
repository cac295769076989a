"""get, watch, describe, tree, explain, inbox."""

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
    for command in (get, watch, describe, tree, explain, inbox):
        app.command()(command)


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


def watch(
    name: MaybeRolloutName = None,
    *,
    namespace: Namespace = None,
    everywhere: Everywhere = False,
    context: Context = None,
) -> None:
    """Show where Rollouts stand, and go on showing it as it changes, until Ctrl-C."""
    from surefoot.plugin import session, watching

    where = Where(namespace, everywhere, context)
    session.run(where, lambda now: watching.watch(now, name))


def describe(
    name: RolloutName,
    *,
    namespace: Namespace = None,
    context: Context = None,
    output: Output = Format.TEXT,
) -> None:
    """Show everything about a Rollout, in sections."""
    from surefoot.plugin import looking, session

    where = Where(namespace, context=context)
    session.run(where, lambda now: looking.describe(now, name, output))


def tree(
    name: RolloutName,
    *,
    namespace: Namespace = None,
    context: Context = None,
    output: Output = Format.TEXT,
) -> None:
    """Show what belongs to a Rollout: its ConfigMap, its requests and their states."""
    from surefoot.plugin import looking, session

    where = Where(namespace, context=context)
    session.run(where, lambda now: looking.tree(now, name, output))


def explain(
    name: RolloutName,
    *,
    namespace: Namespace = None,
    everywhere: Everywhere = False,
    context: Context = None,
    output: Output = Format.TEXT,
) -> None:
    """Say why a Rollout does not move, who is missing, and what to type."""
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
    """Show every decision that waits for you, with evidence and the command."""
    from surefoot.plugin import looking, session

    where = Where(namespace, everywhere, context)
    session.run(where, lambda now: looking.inbox(now, output))
