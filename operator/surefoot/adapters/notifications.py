"""Routes by apprise, which knows how to speak to Slack, mail, webhooks and a hundred others.

A route's URL is a secret: it has tokens and passwords in it. It is read from its file for each
notification, so a rotated one is used at once, and no word of it gets into a message, a log line or
an error. What apprise itself says may quote parts of it, so that only HTTP codes are taken from it.

apprise takes a second or two and 25 MB to load: it is loaded by the first route that needs it, in a
thread. It is synchronous, and so is its waiting for targets that do not answer: it works in threads
that never keep the process from exiting, at most one for each route.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from surefoot.adapters.notification_settings import NotificationSection, RouteSettings
from surefoot.adapters.prometheus.threads import BoundedCalls, NoPlaceError
from surefoot.api.v1alpha1.rollout_status import Severity
from surefoot.application.notify import Route
from surefoot.domain.notifications import Notification
from surefoot.errors import NotificationError

if TYPE_CHECKING:
    from apprise import Apprise

# ruff: noqa: PLC0415 - see the module

LARGEST_FILE = 64 * 1024
LOADING = 60.0
"""Seconds that loading apprise may take on a busy machine."""
_TYPES = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.CRITICAL: "failure"}
_KIND = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,24}(?=://)")
_HTTP_CODE = re.compile(r"error\s*[=:]\s*([1-5]\d\d)\b")


class AppriseTarget:
    """The `Target` port."""

    def __init__(self, settings: RouteSettings) -> None:
        self._url_file = settings.url_file
        self._timeout = settings.timeout.total_seconds()
        # One at a time: what was given up may still end, and is not sent a second time beside it.
        self._calls = BoundedCalls(f"route-{settings.name}", limit=1)

    async def send(self, notification: Notification) -> None:
        """Send one, within the route's time-out. Raises `NotificationError`."""
        await self._in_thread(_loaded, LOADING)
        await self._in_thread(lambda: _send(self._url_file, notification), self._timeout)

    async def _in_thread(self, work: Callable[[], None], patience: float) -> None:
        try:
            # The deadline that counts is ours; that of the calls only says what is overdue.
            async with asyncio.timeout(patience):
                await self._calls.run(lambda _exchange: work(), patience * 2)
        except TimeoutError:
            raise NotificationError(f"no answer within {patience:g} s") from None
        except NoPlaceError:
            raise NotificationError("an earlier notification still hangs") from None
        except NotificationError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises may quote the URL
            raise NotificationError(f"it could not be sent ({type(error).__name__})") from None


def routes(section: NotificationSection) -> tuple[Route, ...]:
    """One for each entry, in order."""
    return tuple(
        Route(
            name=route.name,
            target=AppriseTarget(route),
            severities=frozenset(route.severities),
            namespaces=frozenset(route.namespaces),
            reasons=frozenset(route.reasons),
            repeat_after=route.repeat_after,
        )
        for route in section.routes
    )


def check(settings: RouteSettings) -> str | None:
    """What is wrong with a route's file now, in words; nothing is sent."""
    try:
        _service(settings.url_file)
    except NotificationError as error:
        return f'route "{settings.name}": {error}'
    return None


def _loaded() -> None:
    """Load apprise and all it knows, and keep it from writing lines of its own."""
    import apprise

    logger = logging.getLogger(apprise.LOGGER_NAME)
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    # The plugins are loaded by the first look at a URL.
    apprise.Apprise.instantiate("json://localhost")


def _send(url_file: Path, notification: Notification) -> None:
    service = _service(url_file)
    result = service.notify(
        title=notification.title,
        body=notification.text,
        body_format="text",
        notify_type=_TYPES[notification.severity],
    )
    if not result:
        raise NotificationError(_why(" ".join(entry.message for entry in result.logs())))


def _why(message: str) -> str:
    """Why it was not sent, by what apprise says of it, without its words."""
    code = _HTTP_CODE.search(message)
    if code is not None:
        return f"it was answered with HTTP {code[1]}"
    if "onnection error" in message or "ocket" in message:
        return "the target could not be reached, or broke the connection"
    return "the target did not take it"


def _service(url_file: Path) -> "Apprise":
    _loaded()
    import apprise

    url = _read(url_file)
    asset = apprise.AppriseAsset(
        app_id="Surefoot",
        app_desc="Surefoot",
        # In this thread, and nowhere else; the time-out is ours.
        async_mode=False,
        service_timeout=0,
        # Credentials are for this server.
        http_redirects=False,
        storage_mode=apprise.PersistentStoreMode.MEMORY,
    )
    kind = _KIND.match(url)
    if kind is None:
        raise NotificationError(
            f"urlFile {url_file}: must hold one line such as slack://… or mailtos://…"
        )
    try:
        plugin = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=False)
    except Exception:  # noqa: BLE001 - whatever a plugin raises may quote the URL
        raise NotificationError(
            f"urlFile {url_file}: is no complete URL of a {kind[0]}:// target; "
            f"docs/notifications.md has examples"
        ) from None
    if plugin is None:
        raise NotificationError(
            f"urlFile {url_file}: {kind[0]}:// is not a kind of target that apprise knows, or the "
            f"URL is not complete; docs/notifications.md has examples, such as json:// and slack://"
        )
    service = apprise.Apprise(asset=asset)
    service.add(plugin)
    return service


def _read(url_file: Path) -> str:
    try:
        with url_file.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise NotificationError(
            f"urlFile {url_file}: {reason}; mount the Secret that has the URL"
        ) from None
    try:
        text = content.decode().strip()
    except UnicodeDecodeError:
        raise NotificationError(f"urlFile {url_file}: is not UTF-8 text") from None
    if not text or not text.isprintable() or len(content) > LARGEST_FILE:
        raise NotificationError(f"urlFile {url_file}: must hold one URL in one line")
    return text
