"""A real browser, without a window, for tests of pages. `make browser` installs one.

``browser``   Chromium, driven by Playwright; one for all tests of a module.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

PROGRAMS = ("chromium-headless-shell", "chromium", "google-chrome")
"""The system's own, where it has one; otherwise the one that Playwright has downloaded."""


def program_of(downloaded: str) -> str:
    """The browser's program; skips the test, and says why, where there is none."""
    own = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if own is None and not Path(downloaded).exists():
        pytest.skip("there is no browser on this machine: `make browser` installs one")
    return own or downloaded


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """It runs as anyone who runs the tests, who may be root: its sandbox needs another account."""
    with sync_playwright() as playwright:
        program = program_of(playwright.chromium.executable_path)
        running = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"]
        )
        yield running
        running.close()
