"""The dashboard for a keyboard and a screen reader: what the browser tells them, in every state."""

import copy
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from surefoot.errors import Refused
from tests.support.testbed import SURELY
from tests.unit.dashboard.pages import Shown, a_browser, a_move, a_shown_dashboard, states

pytestmark = pytest.mark.long
"""It needs a browser, which `make browser` installs."""

JSON = dict[str, Any]
PATHS = ("", *(f"rollouts/shop/{name}" for name in ("checkout", "paused", "back", "no-go")))
MORE_PATHS = ("passkey", "rollouts/shop/done", "rollouts/shop/fresh", "rollouts/shop/none")
PHONE = {"width": 390, "height": 800}
NAMED = {
    *("button", "link", "textbox", "switch", "checkbox", "meter", "progressbar", "image"),
    *("table", "dialog", "region"),
}
"""Roles that say nothing without a name."""


@dataclass
class Visit:
    """Somebody before the dashboard."""

    shown: Shown
    page: Page

    async def go(self, path: str) -> None:
        """Open a page of it, and wait until it shows what there is."""
        await self.page.goto(f"{self.shown.base}/{path}")
        if path != "passkey":
            await expect(self.page.locator(".state")).to_have_text(re.compile("Live|no Rollout"))

    async def faults(self) -> list[str]:
        """What axe-core finds at fault."""
        found = await Axe().run(self.page)
        return [
            f"{each['id']}: {each['help']}: {[node['html'][:160] for node in each['nodes']]}"
            for each in found.response["violations"]
        ]

    async def tree(self) -> list[tuple[str, str]]:
        """The role and the name of everything that a screen reader is told of."""
        devtools = await self.page.context.new_cdp_session(self.page)
        nodes = (await devtools.send("Accessibility.getFullAXTree"))["nodes"]
        await devtools.detach()
        told = (node for node in nodes if not node.get("ignored"))
        return [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in told]

    async def decide(self) -> None:
        """Fill in the form for the step, and ask to see what would be signed."""
        await self.page.get_by_role("button", name="as security").click()
        await self.page.get_by_label("Why, for the record").fill("fine")
        await self.page.get_by_label("Risks seen").fill("low")
        await self.page.get_by_role("button", name="GO…", exact=True).click()


@pytest.fixture
async def visit() -> AsyncIterator[Visit]:
    """Hudson, who is asked to sign and to report, and Rollouts in every state."""
    async with a_shown_dashboard() as shown, a_browser() as browser:
        await shown.show(*states())
        # axe-core is put into the page, which no policy of the page would let in.
        context = await browser.new_context(bypass_csp=True, reduced_motion="reduce")
        context.set_default_timeout(SURELY * 1000)
        page = await context.new_page()
        await page.goto(shown.dashboard.guard.link)
        yield Visit(shown, page)


async def test_no_page_and_no_dialog_is_at_fault(visit: Visit) -> None:
    """In the light, in the dark and on a phone: names, contrast, headings, tables, keyboard."""
    faults: list[str] = []
    for scheme, size, paths in (
        ("light", {"width": 1200, "height": 900}, (*PATHS, *MORE_PATHS)),
        ("dark", {"width": 1200, "height": 900}, PATHS),
        ("light", PHONE, PATHS),
    ):
        await visit.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        await visit.page.set_viewport_size(size)  # type: ignore[arg-type]
        for path in paths:
            await visit.go(path)
            faults += [f"/{path}, {scheme}, {size}: {each}" for each in await visit.faults()]
        await visit.go("rollouts/shop/checkout")
        dialog = visit.page.get_by_role("dialog")
        await visit.page.get_by_role("button", name="as security").click()
        await expect(dialog.get_by_label("Risks seen")).to_be_visible()
        faults += [f"form, {scheme}: {each}" for each in await visit.faults()]
        await visit.page.keyboard.press("Escape")
        await visit.decide()
        await expect(dialog.locator(".lines")).to_be_visible()
        faults += [f"preview, {scheme}: {each}" for each in await visit.faults()]
        await dialog.get_by_role("button", name="Yes, that is meant").click()
        await expect(dialog.get_by_role("status")).to_be_visible()
        faults += [f"done, {scheme}: {each}" for each in await visit.faults()]
        await visit.page.keyboard.press("Escape")
        visit.shown.server.refusal = Refused("denied request: hudson may not", status=403)
        await visit.decide()
        await expect(dialog.get_by_role("alert")).to_be_visible()
        faults += [f"refusal, {scheme}: {each}" for each in await visit.faults()]
        visit.shown.server.refusal = None
    assert faults == []


async def test_everything_has_a_name_of_its_own(visit: Visit) -> None:
    """A list of all buttons says which is which, and each picture, table and meter what it is."""
    for path in (*PATHS, "passkey"):
        await visit.go(path)
        tree = await visit.tree()
        assert [role for role, name in tree if role in NAMED and not name.strip()] == [], path
        for role in ("button", "table", "region", "rowheader"):
            names = [name for each, name in tree if each == role]
            assert len(names) == len(set(names)), (path, names)


async def test_news_take_neither_the_focus_nor_what_is_open(visit: Visit) -> None:
    """Anyone who reads the evidence goes on reading, though something else has changed."""
    await visit.go("rollouts/shop/checkout")
    await visit.page.locator("summary").first.click()
    await visit.page.get_by_role("button", name="as security").focus()
    rollouts, requests = states()
    changed = copy.deepcopy(rollouts)
    changed[0]["status"]["approvals"][0]["message"] = "some news"
    changed[0]["status"]["history"].append(a_move("Advance", 10, 25, 10))
    await visit.shown.show(changed, requests)
    await expect(visit.page.get_by_text("some news")).to_be_visible()
    await expect(visit.page.locator("summary")).to_have_count(2)
    await expect(visit.page.get_by_role("button", name="as security")).to_be_focused()
    await expect(visit.page.locator("details").nth(1)).to_have_attribute("open", "")
    await expect(visit.page.locator("details[open]")).to_have_count(1)


async def test_focus_is_not_lost_with_what_had_it(visit: Visit) -> None:
    """The button is gone that was decided on: the focus stays in the content of the page."""
    await visit.go("rollouts/shop/checkout")
    await visit.page.get_by_role("button", name="as security").focus()
    rollouts, _ = states()
    await visit.shown.show(rollouts)
    await expect(visit.page.get_by_role("button", name="as security")).to_have_count(0)
    await expect(visit.page.locator("#content")).to_be_focused()


async def test_focus_comes_back_from_a_dialog_though_there_were_news(visit: Visit) -> None:
    """To the same button, which was drawn again behind the dialog."""
    await visit.go("rollouts/shop/checkout")
    await visit.page.get_by_role("button", name="as security").click()
    await expect(visit.page.get_by_role("dialog")).to_be_visible()
    rollouts, requests = states()
    changed = copy.deepcopy(rollouts)
    changed[0]["status"]["approvals"][0]["message"] = "some news"
    await visit.shown.show(changed, requests)
    await expect(visit.page.get_by_text("some news")).to_have_count(1)
    await visit.page.keyboard.press("Escape")
    await expect(visit.page.get_by_role("dialog")).to_have_count(0)
    await expect(visit.page.get_by_role("button", name="as security")).to_be_focused()


async def test_what_is_to_be_signed_is_read_before_it_can_be_signed(visit: Visit) -> None:
    """The focus is on the title: Enter, pressed once too often, signs nothing."""
    await visit.go("rollouts/shop/checkout")
    await visit.decide()
    await expect(visit.page.locator(".lines")).to_be_visible()
    dialog = visit.page.get_by_role("dialog")
    await expect(dialog.get_by_role("heading")).to_be_focused()
    await visit.page.keyboard.press("Enter")
    await visit.page.keyboard.press("Tab")
    await expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    await visit.page.keyboard.press("Tab")
    await expect(dialog.get_by_role("button", name="Yes, that is meant")).to_be_focused()
    await visit.page.keyboard.press("Enter")
    await expect(visit.page.get_by_role("status").filter(has_text="GO by hudson")).to_be_visible()
    await expect(visit.page.get_by_role("button", name="Close")).to_have_accessible_description(
        re.compile("GO by hudson")
    )


async def test_what_moves_is_told(visit: Visit) -> None:
    """Anyone who sees no picture hears where the flag is now, politely, and nothing besides."""
    await visit.go("rollouts/shop/checkout")
    told = visit.page.locator("[role=status]#stands")
    await expect(told).to_have_text("checkout is AwaitingApproval at 10%")
    rollouts, requests = states()
    changed = copy.deepcopy(rollouts)
    changed[0]["status"] |= {"percent": 25, "phase": "Soaking"}
    await visit.shown.show(changed, requests)
    await expect(told).to_have_text("checkout is Soaking at 25%")
    await visit.shown.show(*states())
    await visit.go("")
    await expect(told).to_have_text("2 decisions wait for you")
