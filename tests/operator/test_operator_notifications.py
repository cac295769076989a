"""Notifications by the whole operator on a real API server, to real targets."""

import json
from pathlib import Path
from typing import Any

import pytest

from surefoot.adapters.notification_settings import NotificationSection
from surefoot.adapters.settings import Settings
from tests.support.scene import JSON, Acting, Scene
from tests.support.targets import TOKEN, Mailbox, Webhook, a_mailbox, a_webhook

pytestmark = pytest.mark.apiserver


def a_section(path: Path, **routes: dict[str, Any]) -> NotificationSection:
    """Routes whose URLs are in files, as mounted Secrets are; `url` is written there."""
    entries = []
    for name, route in routes.items():
        (path / name).write_text(route.pop("url"))
        entries.append({"name": name, "urlFile": str(path / name), "timeout": "1m", **route})
    return Settings.model_validate({"notifications": {"routes": entries}}).notifications


def counted(acting: Acting, what: str, route: str) -> float:
    """A counter of a route."""
    series = f'surefoot_notifications_{what}{{route="{route}"}} '
    text = acting.operator.telemetry.exposition().decode()
    assert TOKEN not in text
    return next(float(line[len(series) :]) for line in text.splitlines() if series in line)


async def then_counted(
    scene: Scene, acting: Acting, what: str, route: str, *, at_least: float
) -> None:
    """Wait for a counter of a route: the flag is down before news of it is under way."""

    async def there() -> bool:
        return counted(acting, what, route) >= at_least

    await scene.until(there, f"{what} of {route} to be {at_least} or more")


async def events(scene: Scene) -> list[JSON]:
    """Every event of the namespace."""
    answer = await scene._send("GET", scene._path("events"))
    assert TOKEN not in answer.text
    found: list[JSON] = json.loads(answer.text)["items"]
    return found


async def then_told(scene: Scene, reason: str) -> JSON:
    """Wait for an event of this reason."""

    async def there() -> JSON | None:
        return next((each for each in await events(scene) if each["reason"] == reason), None)

    found: JSON = await scene.until(there, f"an event {reason}")
    return found


async def then_titles(scene: Scene, target: Webhook | Mailbox, *titles: str) -> None:
    """Wait until a target has taken messages with these titles, in any order."""

    async def there() -> bool:
        taken = target.titles if isinstance(target, Webhook) else [s for s, _ in target.mails]
        return sorted(taken) == sorted(titles)

    await scene.until(there, f"{titles} to be taken")


async def test_a_route_that_hangs_holds_up_no_rollback(
    scene: Scene, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The flag is back at 0%; what was not sent is a number, an event and a line in the log."""
    await scene.given_a_rollout(steps=(10, 100), hold={"soak": "1h"})
    with a_webhook(0) as hung:
        route = {"url": f"{hung.url()}?rto=600&cto=600", "timeout": "2s"}
        section = a_section(tmp_path, hung=route)
        async with scene.an_operator(notifications=section) as acting:
            await scene.then_at(10)
            await scene.when_the_plan_is_patched(rollback={"to": 0, "reason": "a test"})
            await scene.then_at(0)
            failed = await then_told(scene, "NotificationFailed")
            assert failed["regarding"]["name"] == scene.name
            assert failed["note"].startswith("route hung was not told of ")
            assert "; it is tried again" in failed["note"]
            await then_counted(scene, acting, "failed_total", "hung", at_least=1)
            await then_counted(scene, acting, "waiting", "hung", at_least=2)
            assert counted(acting, "sent_total", "hung") == 0
        assert hung.requests == []
    said = "".join(capfd.readouterr())
    assert "notification not sent" in said
    assert TOKEN not in said


async def test_each_route_hears_once_of_what_it_asked_for(scene: Scene, tmp_path: Path) -> None:
    """A webhook hears all, a lead by mail what is critical; the first attempt fails. A restart of
    the operator repeats nothing."""
    of = f"Rollout {scene.namespace}/{scene.name}"
    with a_webhook(500, 200) as hook:
        async with a_mailbox() as box:
            section = a_section(
                tmp_path,
                all={"url": hook.url()},
                lead={"url": box.url(), "severities": ["Critical"]},
            )
            roles = [{"name": "security", "users": ["hudson"]}]
            await scene.given_a_rollout(steps=(10, 100), approvals={"roles": roles})
            async with scene.an_operator(notifications=section) as acting:
                titles = [f"Info: Start: {of}", f"Info: Asked: {of}"]
                await then_titles(scene, hook, *titles)
                assert counted(acting, "failed_total", "all") == 1
            async with scene.an_operator(notifications=section) as acting:
                await scene.when_the_plan_is_patched(rollback={"to": 0, "reason": "a test"})
                await then_titles(scene, hook, *titles, f"Critical: Rollback: {of}")
                await then_titles(scene, box, f"Critical: Rollback: {of}")
                assert counted(acting, "failed_total", "all") == 0
    (asked,) = [body["message"] for _, body in hook.requests if "Asked" in body["title"]]
    assert "security must be signed by hudson" in asked
    assert (
        f"\nkubectl patch approvals.surefoot.dev {scene.name}-100-security -n {scene.namespace} "
        in asked
    )
    (mail,) = [text for _, text in box.mails]
    assert "10% → 0%: " in mail
