"""Who gets in: the browser that was given the link and its own pages, and nobody else here."""

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.responses import PlainTextResponse

from surefoot.dashboard.guard import Guard

PORT = 7780
OWN = {"Origin": f"http://localhost:{PORT}", "X-Surefoot": "1", "Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def guard() -> Guard:
    """Before an application that says yes to everything."""
    found = Guard(PORT)
    found.serve(PlainTextResponse("secret"))
    return found


@pytest.fixture
async def browser(guard: Guard) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that keeps cookies, as the link reaches it."""
    to_app = httpx.ASGITransport(guard)
    async with httpx.AsyncClient(transport=to_app, base_url=f"http://localhost:{PORT}") as client:
        yield client


@pytest.fixture
async def inside(guard: Guard, browser: httpx.AsyncClient) -> httpx.AsyncClient:
    """The same, once the link was opened."""
    answer = await browser.get(guard.link)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"{guard.base}/"
    return browser


async def test_link_opens_the_page(guard: Guard, inside: httpx.AsyncClient) -> None:
    assert (await inside.get(f"{guard.base}/")).text == "secret"


async def test_link_is_good_for_one_use(guard: Guard, inside: httpx.AsyncClient) -> None:
    inside.cookies.clear()
    assert (
        await inside.get(f"{guard.base}/open", params={"ticket": guard.link[-32:]})
    ).status_code == 403
    assert (await inside.get(f"{guard.base}/")).status_code == 403


@pytest.mark.parametrize("path", ["/", "/open?ticket=x", "/static/dashboard.js"])
async def test_without_the_secret_path_there_is_nothing(
    inside: httpx.AsyncClient, path: str
) -> None:
    assert (await inside.get(path)).status_code == 404


async def test_cookie_is_sent_to_the_secret_path_only_and_read_by_no_script(
    guard: Guard, browser: httpx.AsyncClient
) -> None:
    """Cookies know no ports: another program of this machine would get one for the whole host."""
    cookie = (await browser.get(guard.link)).headers["set-cookie"].lower()
    assert f"path={guard.base.lower()}/" in cookie
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


@pytest.mark.parametrize(
    "host", ["evil.example", f"evil.example:{PORT}", "localhost", f"localhost:{PORT + 1}", ""]
)
async def test_name_that_was_made_to_point_here_is_refused(
    guard: Guard, inside: httpx.AsyncClient, host: str
) -> None:
    assert (await inside.get(f"{guard.base}/", headers={"Host": host})).status_code == 421


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_page_of_somebody_else_reads_nothing(
    guard: Guard, inside: httpx.AsyncClient, site: str
) -> None:
    answer = await inside.get(f"{guard.base}/", headers={"Sec-Fetch-Site": site})
    assert answer.status_code == 403
    assert "secret" not in answer.text


async def test_own_page_may_write(guard: Guard, inside: httpx.AsyncClient) -> None:
    assert (await inside.post(f"{guard.base}/write/x", headers=OWN)).text == "secret"


@pytest.mark.parametrize(
    "changed",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": f"https://localhost:{PORT}"},
        {"Origin": f"http://localhost:{PORT + 1}"},
        {"Origin": ""},
        {"X-Surefoot": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
async def test_form_of_another_page_writes_nothing(
    guard: Guard, inside: httpx.AsyncClient, changed: dict[str, str]
) -> None:
    answer = await inside.post(f"{guard.base}/write/x", headers={**OWN, **changed})
    assert answer.status_code == 403


async def test_every_answer_forbids_to_be_framed_and_to_load_from_elsewhere(
    guard: Guard, inside: httpx.AsyncClient
) -> None:
    for path in (f"{guard.base}/", "/elsewhere"):
        headers = (await inside.get(path)).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"


def test_two_dashboards_have_nothing_in_common() -> None:
    one, other = Guard(PORT), Guard(PORT)
    assert one.base != other.base
    assert one.link.rpartition("=")[2] != other.link.rpartition("=")[2]
