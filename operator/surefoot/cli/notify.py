"""`surefoot notify-test`: whether somebody hears of it, before it matters."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from surefoot.adapters import settings
from surefoot.adapters.notification_settings import RouteSettings
from surefoot.api.v1alpha1.rollout_status import Severity
from surefoot.cli.exits import NO, USAGE, fail
from surefoot.domain.notifications import Notification
from surefoot.errors import ConfigurationError, NotificationError

_TEST = Notification(
    severity=Severity.INFO,
    title="Info: Test: this route works",
    text="Somebody typed `surefoot notify-test`. There is nothing to do.",
)


def send_a_test(
    config: Annotated[
        Path, typer.Option("--config", metavar="FILE", help="The operator's configuration.")
    ],
    route: Annotated[
        str | None, typer.Argument(help="The route to try; all of them if not given.")
    ] = None,
) -> None:
    """Send a test message to every route of the configuration, and say what became of it."""
    try:
        found = settings.load(config).notifications.routes
    except ConfigurationError as error:
        fail(NO, str(error))
    named = tuple(each for each in found if route in {None, each.name})
    if not named:
        names = ", ".join(each.name for each in found) or "none"
        fail(USAGE, f"{config} has no route {route or 'at all'}; its routes: {names}")
    if not all(asyncio.run(_sent_to_each(named))):
        raise typer.Exit(NO)


async def _sent_to_each(routes: tuple[RouteSettings, ...]) -> list[bool]:
    return list(await asyncio.gather(*map(_sent, routes)))


async def _sent(route: RouteSettings) -> bool:
    from surefoot.adapters.notifications import AppriseTarget  # noqa: PLC0415 - takes long to load

    try:
        await AppriseTarget(route).send(_TEST)
    except NotificationError as error:
        typer.echo(f"{route.name}: not sent: {error}")
        return False
    typer.echo(f"{route.name}: sent")
    return True
