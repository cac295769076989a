"""Routes to real targets: webhooks, mail, targets that hang; and that no secret is told."""

import asyncio
import logging
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from surefoot.adapters.notification_settings import NotificationSection, RouteSettings
from surefoot.adapters.notifications import AppriseTarget, check, routes
from surefoot.adapters.settings import Settings
from surefoot.api.v1alpha1.rollout_status import Severity
from surefoot.domain.notifications import Notification
from surefoot.errors import NotificationError
from tests.support.targets import TOKEN, a_mailbox, a_webhook
from tests.support.testbed import SURELY

NEWS = Notification(
    Severity.CRITICAL,
    "Critical: Rollback: Rollout agents/checkout",
    "25% → 10%: a < b & c\n\nTo type:\nkubectl patch x -p '{\"spec\":{}}'",
)


@pytest.fixture(autouse=True)
def all_that_is_logged() -> Iterator[StringIO]:
    """What any library logs to where the operator's log goes; nothing of a URL may be in it."""
    said = StringIO()
    handler = logging.StreamHandler(said)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    yield said
    root.removeHandler(handler)
    root.setLevel(before)
    assert TOKEN not in said.getvalue()
    assert "127.0.0.1" not in said.getvalue()


def a_route(path: Path, url: str | None = None, **changes: Any) -> RouteSettings:
    """A route whose URL is in a file."""
    file = path / "url"
    if url is not None:
        file.write_text(f"{url}\n", encoding="utf-8")
    wire = {"name": "lead", "urlFile": str(file), "timeout": "1m", **changes}
    return RouteSettings.model_validate(wire)


async def refused(route: RouteSettings) -> str:
    """Why it was not sent; never with a secret in it."""
    with pytest.raises(NotificationError) as caught:
        await AppriseTarget(route).send(NEWS)
    said = f"{caught.value} {caught.value!r} {caught.value.__cause__!r}"
    assert TOKEN not in said
    return str(caught.value)


async def test_a_webhook_gets_title_text_and_urgency(tmp_path: Path) -> None:
    """As they are, with nothing escaped."""
    with a_webhook() as hook:
        await AppriseTarget(a_route(tmp_path, hook.url())).send(NEWS)
        ((path, body),) = hook.requests
    assert path == f"/hooks/{TOKEN}"
    assert (body["title"], body["message"], body["type"]) == (NEWS.title, NEWS.text, "failure")


async def test_mail_gets_title_and_text(tmp_path: Path) -> None:
    """Over a real mail server, with a password."""
    async with a_mailbox() as box:
        await AppriseTarget(a_route(tmp_path, box.url())).send(NEWS)
        ((subject, text),) = box.mails
    assert subject == NEWS.title
    assert NEWS.text in text.replace("\r\n", "\n")


async def test_mail_server_that_does_not_know_the_password_is_told(tmp_path: Path) -> None:
    """And the password is not."""
    async with a_mailbox() as box:
        said = await refused(a_route(tmp_path, box.url(f"wrong{TOKEN}")))
        assert box.mails == []
    assert "the target could not be reached" in said or "did not take it" in said


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (500, "it was answered with HTTP 500"),
        (403, "it was answered with HTTP 403"),
        (307, "it was answered with HTTP 307"),
    ],
)
async def test_a_refusal_is_told_by_its_code(tmp_path: Path, code: int, said: str) -> None:
    """A redirect is not followed: the credentials are for this server."""
    with a_webhook(code) as hook:
        assert await refused(a_route(tmp_path, hook.url())) == said
        assert hook.requests == []


async def test_a_target_that_is_not_there_is_told(tmp_path: Path) -> None:
    """Without its address, which may be part of a secret."""
    with a_webhook() as hook:
        url = hook.url()
    said = await refused(a_route(tmp_path, url))
    assert said == "the target could not be reached, or broke the connection"


async def test_a_target_that_hangs_is_given_up_and_nothing_is_sent_beside_it(
    tmp_path: Path,
) -> None:
    """The event loop goes on meanwhile, the thread is one, and keeps no process from ending."""
    with a_webhook(0, 200) as hook:
        # Its own time-outs are longer than ours.
        target = AppriseTarget(a_route(tmp_path, f"{hook.url()}?rto=60&cto=60", timeout="1s"))
        with pytest.raises(NotificationError, match="no answer within 1 s"):
            await target.send(NEWS)
        with pytest.raises(NotificationError, match="an earlier notification still hangs"):
            await target.send(NEWS)
        hung = [each for each in threading.enumerate() if each.name.endswith("route-lead")]
        assert [each.daemon for each in hung] == [True]
        hook.gone.set()
        await asyncio.to_thread(hung[0].join)
        await asyncio.sleep(0)
        target._timeout = SURELY
        await target.send(NEWS)
        assert hook.titles == [NEWS.title]


def test_a_process_ends_though_a_target_hangs(tmp_path: Path) -> None:
    """At once: nothing waits for the thread."""
    with a_webhook(0) as hook:
        (tmp_path / "url").write_text(f"{hook.url()}?rto=600")
        program = (
            "import asyncio, sys\n"
            "from tests.unit.adapters.test_notifications import NEWS, a_route\n"
            "from surefoot.adapters.notifications import AppriseTarget\n"
            "from pathlib import Path\n"
            "route = a_route(Path(sys.argv[1]), timeout='1s')\n"
            "try:\n    asyncio.run(AppriseTarget(route).send(NEWS))\n"
            "except Exception as error:\n    print(error)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)],
            capture_output=True,
            text=True,
            timeout=SURELY,
            check=True,
        )
    assert done.stdout == "no answer within 1 s\n"
    assert TOKEN not in done.stderr


async def test_a_rotated_secret_is_used_at_once(tmp_path: Path) -> None:
    """The file is exchanged while the operator runs, as kubelet does it."""
    with a_webhook() as hook:
        target = AppriseTarget(a_route(tmp_path, hook.url("first")))
        await target.send(NEWS)
        (tmp_path / "new").write_text(hook.url("second"))
        (tmp_path / "new").replace(tmp_path / "url")
        await target.send(NEWS)
        assert [path for path, _ in hook.requests] == ["/hooks/first", "/hooks/second"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file or directory; mount the Secret"),
        ("", "must hold one URL in one line"),
        (f"json://a/{TOKEN}\njson://b", "must hold one URL in one line"),
        (TOKEN, "must hold one line such as slack://"),
        (f"slak://{TOKEN}/x/y", "slak:// is not a kind of target that apprise knows"),
        (f"slack://{TOKEN}", "is no complete URL of a slack:// target"),
        (f"mailtos://:{TOKEN}@", "mailtos://"),
    ],
)
async def test_a_file_without_a_usable_url_is_named(
    tmp_path: Path, content: str | None, words: str
) -> None:
    """By a check and by an attempt, with what to do, and without what is in it."""
    route = a_route(tmp_path, content)
    said = check(route)
    assert said is not None
    assert said.startswith(f'route "lead": urlFile {tmp_path}/url')
    assert words in said
    assert TOKEN not in said
    assert await refused(route) in said


def test_a_usable_route_has_nothing_wrong_with_it(tmp_path: Path) -> None:
    """Nothing is sent for that."""
    slack = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#rollouts"
    assert check(a_route(tmp_path, slack)) is None
    assert check(a_route(tmp_path, "json://127.0.0.1:9/x")) is None


def test_urls_of_the_manual_are_usable(tmp_path: Path) -> None:
    """Each line of its table."""
    manual = (Path(__file__).parents[3] / "docs" / "notifications.md").read_text(encoding="utf-8")
    urls = re.findall(r"^\| [^|]+ \| `([a-z]+://[^`]+)` \|$", manual, re.MULTILINE)
    assert len(urls) == 5
    assert [url for url in urls if check(a_route(tmp_path, url)) is not None] == []


def test_settings_name_routes() -> None:
    """With what each wants to know."""
    settings = Settings.model_validate(
        {
            "notifications": {
                "escalateAfter": "24h",
                "routes": [
                    {"name": "all", "urlFile": "/etc/routes/all"},
                    {
                        "name": "lead",
                        "urlFile": "/etc/routes/lead",
                        "severities": ["Warning", "Critical"],
                        "namespaces": ["agents"],
                        "reasons": ["Conflict"],
                        "repeatAfter": "0s",
                    },
                ],
            }
        }
    )
    everything, lead = routes(settings.notifications)
    assert everything.wants(Severity.INFO, "anywhere", "Start")
    assert lead.wants(Severity.WARNING, "agents", "Conflict")
    assert not lead.wants(Severity.INFO, "agents", "Conflict")
    assert not lead.wants(Severity.WARNING, "data", "Conflict")
    assert not lead.wants(Severity.WARNING, "agents", "Late")


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"routes": [{"name": "a"}]}, "urlFile"),
        ({"routes": [{"name": "a", "url": "json://x"}]}, "Extra inputs"),
        ({"routes": [{"name": "A b", "urlFile": "/x"}]}, "name"),
        ({"routes": [{"name": "a", "urlFile": "/x", "severities": ["Loud"]}]}, "'Info', 'Warning'"),
        ({"routes": [{"name": "a", "urlFile": "/x", "timeout": "0s"}]}, "more than 0s"),
        ({"routes": [{"name": "a", "urlFile": "/x", "timeout": "2m"}]}, "at most 1m"),
        ({"routes": [{"name": "a", "urlFile": "/x", "reasons": ["Rolback"]}]}, "Rollback"),
        ({"routes": [{"name": "a", "urlFile": "/x", "repeatAfter": 60}]}, "60 is not a duration"),
        ({"routes": [{"name": "a", "urlFile": "/x"}] * 2}, 'the route "a" is there twice'),
        ({"escalateAfter": "1s"}, "at least 1m"),
        ({"escalateAfter": "31d"}, "at most 30d"),
    ],
)
def test_settings_that_do_not_fit_are_refused(section: dict[str, Any], words: str) -> None:
    """In words that say what was expected."""
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"notifications": section})
    assert words in str(caught.value)


@pytest.mark.parametrize("url", ["https://flags.example.com", "http://127.0.0.1:8080/surefoot/"])
def test_dashboard_is_where_links_begin(url: str) -> None:
    """With or without a path."""
    assert NotificationSection.model_validate({"dashboard": url}).dashboard == url


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("flags.example.com", "is not a URL"),
        ("javascript:alert(1)", "is not a URL"),
        ("https://", "is not a URL"),
        ("https://a b", "is not a URL"),
        ("https://[", "is not a URL"),
        ("https://cora:secret@flags.example.com", "must have no user"),
        ("https://flags.example.com/?approve=1", "no query"),
        ("https://flags.example.com/#approve", "no fragment"),
    ],
)
def test_dashboard_that_links_cannot_begin_with_is_refused(url: str, said: str) -> None:
    """Nothing secret gets into a message, and nothing that acts when it is opened."""
    with pytest.raises(ValidationError, match=said):
        NotificationSection.model_validate({"dashboard": url})
