"""pause, resume, rollback, retry, rehearse, dry-run."""

from typing import Annotated

import typer

from surefoot.plugin.commands.options import (
    Context,
    Everywhere,
    Force,
    MaybeRolloutName,
    Namespace,
    Reason,
    RolloutName,
    Where,
    Yes,
    complete,
)

# ruff: noqa: PLC0415 - see the package


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(pause)
    app.command()(resume)
    app.command()(rollback)
    app.command()(retry)
    app.command()(rehearse)
    app.command("dry-run")(dry_run)


def pause(
    name: RolloutName,
    *,
    force: Force = False,
    yes: Yes = False,
    namespace: Namespace = None,
    context: Context = None,
) -> None:
    """Stop everything but rollback. Soak runs on, signatures stay."""
    from surefoot.plugin import session, steering

    where = Where(namespace, context=context)
    session.run(where, lambda now: steering.pause(now, name, force=force, asks=not yes))


def resume(
    name: RolloutName,
    *,
    force: Force = False,
    yes: Yes = False,
    namespace: Namespace = None,
    context: Context = None,
) -> None:
    """End a pause."""
    from surefoot.plugin import session, steering

    where = Where(namespace, context=context)
    session.run(where, lambda now: steering.resume(now, name, force=force, asks=not yes))


def rollback(
    name: MaybeRolloutName = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every Rollout that is in.")] = False,
    to: Annotated[
        int | None,
        typer.Option(
            metavar="PERCENT",
            autocompletion=complete("steps"),
            min=0,
            max=100,
            help="0 or a step's percentage; the previous step's if not given.",
        ),
    ] = None,
    reason: Reason,
    force: Force = False,
    yes: Yes = False,
    namespace: Namespace = None,
    everywhere: Everywhere = False,
    context: Context = None,
) -> None:
    """Go down at once, and stay there until somebody types retry."""
    if (name is None) != every:
        raise typer.BadParameter("name one Rollout, or --all: exactly one of both")
    if everywhere and not every:
        raise typer.BadParameter("-A goes with --all")
    from surefoot.plugin import session, steering

    wish = steering.RollbackOptions(to, reason, force=force, asks=not yes)
    where = Where(namespace, everywhere, context)
    session.run(where, lambda now: steering.rollback(now, name, wish))


def retry(
    name: RolloutName,
    *,
    lift: Annotated[
        bool, typer.Option("--lift-ceiling", help="Remove the ceiling of a rollback by a person.")
    ] = False,
    anew: Annotated[
        bool, typer.Option("--anew", help="Also where nothing was rolled back: all begins anew.")
    ] = False,
    force: Force = False,
    yes: Yes = False,
    namespace: Namespace = None,
    context: Context = None,
) -> None:
    """Try again after a rollback, from the percentage that it stands at."""
    from surefoot.plugin import session, steering

    where = Where(namespace, context=context)
    wish = steering.RetryOptions(lift=lift, anew=anew, force=force, asks=not yes)
    session.run(where, lambda now: steering.retry(now, name, wish))


def rehearse(
    name: RolloutName,
    *,
    wait: Annotated[
        bool, typer.Option("--wait", help="Until it was run; exit 1 where it failed.")
    ] = False,
    force: Force = False,
    yes: Yes = False,
    namespace: Namespace = None,
    context: Context = None,
) -> None:
    """Roll a copy of the flag back, the way a rollback goes. The flag itself stays as it is."""
    from surefoot.plugin import session, steering

    where = Where(namespace, context=context)
    wish = steering.RehearsalOptions(waits=wait, force=force, asks=not yes)
    session.run(where, lambda now: steering.rehearse(now, name, wish))


def dry_run(
    name: RolloutName,
    *,
    to: Annotated[
        int | None,
        typer.Option(
            metavar="PERCENT",
            autocompletion=complete("steps"),
            min=0,
            max=100,
            help="The percentage of a later step; the next step's if not given.",
        ),
    ] = None,
    force: Force = False,
    yes: Yes = False,
    namespace: Namespace = None,
    context: Context = None,
) -> None:
    """Try the approval of a step with everybody who would sign: it counts for nothing."""
    from surefoot.plugin import session, steering

    where = Where(namespace, context=context)
    session.run(where, lambda now: steering.dry_run(now, name, to, force=force, asks=not yes))
