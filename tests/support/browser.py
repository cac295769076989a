"""A real browser, without a window, for tests of pages. `make browser` installs one.

``browser``   Chromium, driven by Playwright; one for all tests of a module.
"""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

PROGRAMS = ("chromium-headless-shell", "chromium", "google-chrome")
"""The system's own, where it has one; otherwise the one that Playwright has downloaded."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """It runs as whoever runs the tests, who may be root: its sandbox needs another account."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"]
        )
        yield running
        running.close()
