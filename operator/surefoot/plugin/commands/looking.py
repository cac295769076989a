"""get, watch, describe, tree, explain, inbox."""

from typing import Annotated

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
    transition: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="Take this recorded decision again; exit 1 if another comes out."
        ),
    ] = None,
    field: Annotated[
        str | None,
        typer.Option(
            metavar="PATH", help="Say what a change of this field would do, such as hold.soak."
        ),
    ] = None,
    namespace: Namespace = None,
    everywhere: Everywhere = False,
    context: Context = None,
    output: Output = Format.TEXT,
) -> None:
    """Say why a Rollout does not move, who is missing, and what to type.

    With --transition, a decision on its record is taken again from the evidence that was recorded.
    With --field, it is said what a change of this field of the plan would cost.
    """
    if transition is not None and field is not None:
        raise typer.BadParameter("either --transition or --field")
    from surefoot.plugin import looking, session

    where = Where(namespace, everywhere, context)
    if transition is not None:
        from surefoot.plugin import retaking

        session.run(where, lambda now: retaking.replayed(now, name, transition, output))
    if field is not None:
        from surefoot.plugin import fields

        session.run(where, lambda now: fields.explain_field(now, name, field, output))
    if transition is None and field is None:
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
