"""The dashboard in a real browser, before a real API server: seen live, decided, signed.

Everybody has their own kubeconfig and only the role that is meant for what they do.
"""

import asyncio
import contextlib
import functools
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, async_playwright, expect

from tests.support.allowed_signers import AllowedSigners
from tests.support.browser import program_of
from tests.support.requests import bound
from tests.support.scene import Scene
from tests.support.testbed import SURELY

pytestmark = [pytest.mark.apiserver, pytest.mark.long]
"""They need a browser, which `make browser` installs."""

JSON = dict[str, Any]
TRICK = "good\u202egnihton\u001b[31m <script>document.title='gone'</script>"


@contextlib.asynccontextmanager
async def a_dashboard(scene: Scene, user: str) -> AsyncIterator[str]:
    """Serve it as somebody; the value is the link."""
    command = [
        str(Path(sys.executable).with_name("kubectl-surefoot")),
        *("dashboard", "--no-open", "-n", scene.namespace),
    ]
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stdin=asyncio.subprocess.DEVNULL,
        env={**os.environ, "KUBECONFIG": str(scene.bed.kubeconfig(user))},
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(SURELY):
            while True:
                line = (await process.stdout.readline()).decode()
                assert line, "it ended before it printed its link"
                found = re.search(r"http://localhost:\S+", line)
                if found:
                    break
        yield found[0]
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


@contextlib.asynccontextmanager
async def a_browser() -> AsyncIterator[BrowserContext]:
    """A browser without a window."""
    async with async_playwright() as playwright:
        program = program_of(playwright.chromium.executable_path)
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        context = await browser.new_context()
        context.set_default_timeout(SURELY * 1000)
        expect.set_options(timeout=SURELY * 1000)
        try:
            yield context
        finally:
            await browser.close()


async def opened(context: BrowserContext, link: str) -> tuple[Page, list[str]]:
    """The page behind the link, and what went wrong in it, as it goes on."""
    page = await context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    await page.goto(link)
    return page, faults


def given_rights(scene: Scene, **roles: str) -> None:
    """Bind each user to one of the roles that are shipped."""
    for user, role in roles.items():
        bound(scene.client, scene.namespace, role, user=user)


async def test_decision_is_shown_before_it_is_written_and_the_page_goes_on_by_itself(
    scene: Scene,
) -> None:
    """Hudson decides; the page shows what is new without being loaded again, and nothing else."""
    given_rights(scene, hudson="surefoot-approver")
    roles = [{"name": "security", "users": ["hudson"], "requiredSections": ["riskAssessment"]}]
    await scene.given_a_rollout(steps=(10, 100), approvals={"roles": roles})
    async with (
        scene.an_operator(),
        a_dashboard(scene, "hudson") as link,
        a_browser() as context,
    ):
        page, faults = await opened(context, link)
        await expect(page.locator(".state")).to_have_text("Live")
        await page.get_by_role("link", name=f"{scene.namespace}/checkout").first.click()
        await expect(page.locator("h1")).to_have_text(f"{scene.namespace}/checkout")
        await expect(page.locator(".figure strong")).to_have_text("10%")

        await page.get_by_role("button", name=re.compile("as security")).click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Why, for the record").fill(TRICK)
        await dialog.get_by_role("button", name="GO…", exact=True).click()
        await expect(dialog.get_by_role("alert")).to_contain_text("--risk-assessment")
        await dialog.get_by_role("button", name="Close").click()

        await page.get_by_role("button", name=re.compile("as security")).click()
        await dialog.get_by_label("Why, for the record").fill(TRICK)
        await dialog.get_by_label("Risks seen").fill("low")
        await dialog.get_by_role("button", name="GO…", exact=True).click()
        shown = dialog.locator(".lines")
        await expect(shown).to_contain_text("10% → 100%")
        await expect(shown).to_contain_text("plan      sha256:")
        assert "\u202e" not in await shown.inner_text()
        assert (await scene.get("approvals", "checkout-100-security") or {})["spec"].get(
            "decision"
        ) is None, "what is only shown is not written"

        await dialog.get_by_role("button", name="Yes, that is meant").click()
        await expect(dialog.get_by_role("status")).to_contain_text("GO by hudson")
        await dialog.get_by_role("button", name="Close").click()
        await expect(page.locator(".figure strong")).to_have_text("100%")
        assert "checkout" in await page.title(), "a reason is text and no part of the page"
        assert faults == []
    decided = await scene.get("approvals", "checkout-100-security")
    assert decided is not None
    assert decided["spec"]["decidedBy"] == {"username": "hudson"}


async def test_who_may_not_decide_is_told_so_before_anything_is_written(scene: Scene) -> None:
    """Forge sees the same page with their own rights, and is not asked."""
    given_rights(scene, forge="surefoot-approver")
    roles = [{"name": "security", "users": ["hudson"]}]
    await scene.given_a_rollout(steps=(10, 100), approvals={"roles": roles})
    async with (
        scene.an_operator(),
        a_dashboard(scene, "forge") as link,
        a_browser() as context,
    ):
        asked = functools.partial(scene.get, "approvals", "checkout-100-security")
        await scene.until(asked, "the Approval")
        page, _ = await opened(context, link)
        await expect(page.get_by_text("Nothing waits for you")).to_be_visible()
        base = page.url
        path = f"answer/Approval/{scene.namespace}/checkout-100-security"
        said = await page.evaluate(
            """async ([url, body]) => (await fetch(url, {method: "POST", body,
                headers: {"X-Surefoot": "1"}})).text()""",
            [base + path, "decision=GO&reason=please"],
        )
        assert "forge may not decide checkout-100-security" in said
        assert "hudson may" in said


async def test_go_is_signed_with_a_passkey_that_the_custodians_allow(
    scene: Scene, allowed_signers: AllowedSigners
) -> None:
    """A passkey is made in the page, allowed, and signs a GO that the operator counts."""
    given_rights(scene, hudson="surefoot-approver")
    roles = [{"name": "security", "users": ["hudson"], "signing": "Required"}]
    await scene.given_a_rollout(steps=(10, 100), hold={"approvals": {"roles": roles}})
    async with (
        scene.an_operator(),
        a_dashboard(scene, "hudson") as link,
        a_browser() as context,
    ):
        page, faults = await opened(context, link)
        await _given_a_security_key(page)
        await page.get_by_role("link", name="Passkey").click()
        await page.get_by_role("button", name="Make a passkey for hudson").click()
        await expect(page.locator("#passkey-line")).to_contain_text("sk-ecdsa")
        line = await page.locator("#passkey-line").text_content()
        assert line is not None
        assert line.startswith('hudson namespaces="approval@surefoot.dev" sk-ecdsa-sha2-')
        allowed_signers.are_written(line)
        await page.get_by_role("link", name="Surefoot").click()
        await page.get_by_role("button", name="Decide…").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Why, for the record").fill("numbers are good")
        await dialog.get_by_role("button", name="GO…", exact=True).click()
        await dialog.get_by_role("button", name="Sign", exact=True).click()
        await expect(dialog.get_by_role("status")).to_contain_text("GO by hudson")
        await scene.then_at(100)
        assert faults == []
    (advance,) = [
        entry for entry in (await scene.status())["history"] if entry["type"] == "Advance"
    ]
    (decision,) = advance["evidence"]["decisions"]
    assert decision["signature"]["key"].startswith("SHA256:")


async def _given_a_security_key(page: Page) -> None:
    """A key that is plugged in and touched whenever it is asked."""
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "usb",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    await devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
