"""Record a session of the plugin and of the dashboard, and photograph it: docs/pictures/.

    python -m deploy.screens

The demo is played on a real control plane, so that there is a rollout with a past; two more are
begun beside it. Then hudson looks: on a terminal of 80 columns, and in a browser without a window,
light, dark, and as wide as a telephone. In the end he decides there, with the keyboard alone.
"""

import base64
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect, sync_playwright

from deploy.film import Still, film
from deploy.picture import played
from deploy.session import picture
from surefoot.demo.interruption import Interrupted, Interruption
from surefoot.demo.production import CHECKOUT
from surefoot.demo.stage import Stage, stage
from surefoot.testbed.progress import PlainLines
from tests.support.browser import program_of

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "pictures"
NAMESPACE, ONLOOKER = CHECKOUT.namespace, "hudson"
SESSION = (
    "kubectl surefoot get",
    "kubectl surefoot explain search",
    "kubectl surefoot inbox",
)
PLANS = """\
apiVersion: surefoot.dev/v1alpha1
kind: Rollout
metadata: {name: search, namespace: shop}
spec:
  target: {configMapName: search-flags, flags: [search-ranking]}
  steps: [{percent: 5}, {percent: 15}, {percent: 45}, {percent: 100}]
  hold: {soak: 24h}
  approvals:
    opens: Step
    roles:
    - {name: security, type: SecurityReview, users: [hudson]}
    - {name: lead, type: DeploymentLead, groups: [leads]}
  metrics:
  - name: error-rate
    query: >-
      (sum(rate(checkout_errors_total[5s])) or vector(0))
      / (sum(rate(checkout_requests_total[5s])) > 0)
  gates: [{name: errors, metric: error-rate, atMost: "1%", for: 3s}]
  triggers: [{name: errors, metric: error-rate, above: "5%", for: 2s, action: Rollback}]
---
apiVersion: surefoot.dev/v1alpha1
kind: Rollout
metadata: {name: payments, namespace: shop}
spec:
  target: {configMapName: payments-flags, flags: [payments-v3]}
  steps: [{percent: 10}, {percent: 25}, {percent: 60}, {percent: 100}]
  hold: {soak: 1s}
  approvals: {roles: [{name: security, type: SecurityReview, users: [hudson]}]}
"""
DESKTOP, PHONE = {"width": 1180, "height": 860}, {"width": 390, "height": 844}
QUALITY = 88
WITHIN = 60.0


def main() -> int:
    """Run the command: 0 where everything was recorded."""
    interruption = Interruption().listen()
    try:
        with stage(PlainLines(sys.stdout), interruption, CHECKOUT) as place:
            played(place, interruption)
            _begin_more(place)
            environment = _of_the_onlooker(place)
            os.environ |= environment
            PICTURES.mkdir(parents=True, exist_ok=True)
            (PICTURES / "plugin.svg").write_text(picture(list(SESSION)), encoding="utf-8")
            with _dashboard(environment) as link:
                _photograph(link)
    except Interrupted as interrupted:
        return interrupted.exit_code
    return 0


def _begin_more(place: Stage) -> None:
    """Two rollouts that wait: one for time and people, one for hudson alone."""
    plans = place.bed.directory / "more.yaml"
    plans.write_text(PLANS)
    place.bed.kubectl("apply", "--server-side", "-f", str(plans), user=CHECKOUT.author)
    _wait_until(place, "rollout/search", "{.status.phase}", "Soaking")
    _wait_until(place, "rollout/payments", "{.status.phase}", "AwaitingApproval")
    _wait_until(place, "approval/search-15-security", "{.metadata.name}", "search-15-security")


def _wait_until(place: Stage, name: str, path: str, expected: str) -> None:
    ends = time.monotonic() + WITHIN
    query = ("get", name, "-n", NAMESPACE, "-o", f"jsonpath={path}")
    while place.bed.kubectl(*query, check=False).stdout != expected:
        if time.monotonic() > ends:
            raise TimeoutError(f"{name} has not come to {expected}")
        time.sleep(0.3)


def _of_the_onlooker(place: Stage) -> dict[str, str]:
    """The environment in which the commands run: one's own kubeconfig, and our programs first."""
    folder = str(Path(sys.executable).parent)
    kubeconfig = place.bed.directory / "onlooker.yaml"
    kubeconfig.write_text(place.bed.kubeconfig(ONLOOKER).read_text())
    environment = {
        "KUBECONFIG": str(kubeconfig),
        "PATH": os.pathsep.join((folder, os.environ.get("PATH", ""))),
    }
    subprocess.run(
        ["kubectl", "config", "set-context", "--current", f"--namespace={NAMESPACE}"],
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
    )
    return environment


@contextmanager
def _dashboard(environment: dict[str, str]) -> Iterator[str]:
    """Serve it; the value is the link."""
    command = ["kubectl-surefoot", "dashboard", "--no-open", "-n", NAMESPACE]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
    ) as process:
        try:
            lines = map(re.compile(r"http://localhost:\S+").search, process.stdout or ())
            yield next(found[0] for found in lines if found)
        finally:
            process.terminate()


def _photograph(link: str) -> None:
    """The list and one rollout: light, dark, and on a telephone."""
    with sync_playwright() as playwright:
        program = program_of(playwright.chromium.executable_path)
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        context = browser.new_context(viewport=DESKTOP)  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(link)
        home = page.url
        _keep(page, "dashboard-light", DESKTOP)
        page.emulate_media(color_scheme="dark")
        _open(page, home, "checkout")
        _keep(page, "dashboard-dark", DESKTOP)
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        page.emulate_media(color_scheme="light")
        _open(page, home, "search")
        _keep(page, "dashboard-phone", PHONE)
        page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]
        page.goto(home)
        text = film(list(_deciding(page)), DESKTOP["width"], DESKTOP["height"])
        (PICTURES / "dashboard.svg").write_text(text, encoding="utf-8")
        browser.close()


def _deciding(page: Page) -> Iterator[Still]:
    """From the list to a flag that has moved, by keys alone; a still of each stop."""
    dialog = page.get_by_role("dialog")
    yield _still(page, "What stands where, and what waits for you.")
    page.get_by_role("link", name=f"{NAMESPACE}/payments").last.focus()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text(f"{NAMESPACE}/payments")
    yield _still(page, "One rollout: why it does not move, and who is missing.")
    page.get_by_role("button", name=re.compile("as security")).focus()
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("textbox").first).to_be_focused()
    page.keyboard.type("The key rotation is done, and nothing was found.")
    yield _still(page, "You say why, for the record.")
    dialog.get_by_role("button", name="GO…", exact=True).focus()
    page.keyboard.press("Enter")
    expect(dialog.locator("pre.lines")).to_contain_text("plan")
    yield _still(page, "What will be written is shown first; the API server has judged it.")
    dialog.get_by_role("button", name="Yes, that is meant").focus()
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("status")).to_have_text(re.compile(r"^GO by"))
    yield _still(page, "Only the second answer writes it, in your name.")
    page.keyboard.press("Escape")
    expect(page.locator(".figure")).to_contain_text("25%")
    yield _still(page, "The flag has moved, and the page has seen it.")


def _open(page: Page, home: str, name: str) -> None:
    page.goto(home)
    page.get_by_role("link", name=f"{NAMESPACE}/{name}").first.click()
    expect(page.locator("h1")).to_have_text(f"{NAMESPACE}/{name}")


def _still(page: Page, words: str) -> Still:
    return Still(_seen(page, DESKTOP), words)


def _keep(page: Page, name: str, size: dict[str, int]) -> None:
    """A picture of what is seen without scrolling, in a file."""
    (PICTURES / f"{name}.webp").write_bytes(_seen(page, size))
    if os.environ.get("SUREFOOT_PICTURES_PNG"):
        page.screenshot(path=f"{os.environ['SUREFOOT_PICTURES_PNG']}/{name}.png")


def _seen(page: Page, size: dict[str, int]) -> bytes:
    """A picture of what is seen without scrolling, as WebP, which is a fifth of a PNG."""
    expect(page.locator(".state")).to_have_text("Live")
    page.evaluate("document.fonts.ready")
    options: dict[str, Any] = {
        "format": "webp",
        "quality": QUALITY,
        "clip": {"x": 0, "y": 0, "scale": 1, **size},
    }
    devtools = page.context.new_cdp_session(page)
    taken = devtools.send("Page.captureScreenshot", options)
    return base64.b64decode(taken["data"])


if __name__ == "__main__":
    sys.exit(main())
