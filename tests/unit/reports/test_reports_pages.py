"""The reports as a browser shows them: on a screen, in the dark, on a phone, on paper."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from surefoot.reports.audit import audit_of
from surefoot.reports.communications import communications_of
from surefoot.reports.document import document_of
from surefoot.reports.rendering import Report, html
from surefoot.reports.retrospective import retrospective_of
from surefoot.reports.standards import Standards
from surefoot.reports.timeline import timeline_of
from tests.support.browser import browser
from tests.unit.reports.conducted import a_conflict, the_incident, the_proper_path

__all__ = ["browser"]

pytestmark = pytest.mark.long
"""It needs a browser, which `make browser` installs."""

PHONE = 390
PAGES: dict[str, Report] = {
    "incident": audit_of(the_incident(), Standards()),
    "proper": audit_of(the_proper_path(), Standards()),
    "conflict": audit_of(a_conflict(), Standards()),
    "timeline": timeline_of(the_proper_path(), Standards()),
    "retrospective": retrospective_of(the_incident(), Standards()),
    "communications": communications_of(the_proper_path()),
    "document": document_of(the_proper_path(), 25),
}
CONTRAST = """() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map((n) => n / 255);
  const light = (colour) => {
    const linear = (c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    const [r, g, b] = parts(colour).map(linear);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = getComputedStyle(document.body).backgroundColor;
  return [...document.querySelectorAll("body, p, li, td, th, code, svg text")].map((element) => {
    const style = getComputedStyle(element);
    const ink = element instanceof SVGElement ? style.fill : style.color;
    const [one, other] = [light(ink), light(paper)].sort((a, b) => b - a);
    return (one + 0.05) / (other + 0.05);
  }).reduce((least, each) => Math.min(least, each), 21);
}"""
"""The least contrast of any text with the paper, as the WCAG reckons it."""


@pytest.fixture(params=list(PAGES.values()), ids=list(PAGES))
def file(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A report as a file that a browser can open."""
    path = tmp_path / "report.html"
    path.write_text(html(request.param), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A tab, which fails the test where the page asks anybody for anything."""
    with browser.new_context() as context:
        asked: list[str] = []
        tab = context.new_page()
        tab.on("request", lambda request: asked.append(request.url))
        yield tab
        assert [url for url in asked if not url.startswith("file:")] == []


def test_phone_shows_a_page_without_scrolling_sideways(page: Page, file: str) -> None:
    """What is wide scrolls by itself, and rows of a table become cards that name their columns."""
    page.set_viewport_size({"width": PHONE, "height": 844})
    page.goto(file)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE
    cells = page.locator("td:visible")
    for index in range(min(cells.count(), 12)):
        box = cells.nth(index).bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= PHONE
        assert cells.nth(index).get_attribute("data-label")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_can_be_read(page: Page, file: str, scheme: Literal["light", "dark"]) -> None:
    """Any text stands out from the paper by 4.5 to 1 at least, by day and by night."""
    page.emulate_media(color_scheme=scheme)
    page.goto(file)
    assert page.evaluate(CONTRAST) >= 4.5


def test_paper_is_white_whatever_the_screen_is(page: Page, file: str) -> None:
    """Nobody prints a black page."""
    page.emulate_media(color_scheme="dark", media="print")
    page.goto(file)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate(CONTRAST) >= 4.5
    assert page.pdf().startswith(b"%PDF")


def test_no_table_has_an_empty_head(page: Page, file: str) -> None:
    """What has no columns is a list."""
    page.goto(file)
    heads = page.locator("thead tr").all_inner_texts()
    assert all(head.strip() for head in heads)


@pytest.mark.parametrize("name", ["incident", "proper", "conflict"])
def test_audit_begins_with_its_score_and_draws_its_course(
    page: Page, tmp_path: Path, name: str
) -> None:
    """The gauge is seen without scrolling; every number in the drawing is explained below it."""
    path = tmp_path / "audit.html"
    path.write_text(html(PAGES[name]), encoding="utf-8")
    page.set_viewport_size({"width": 1000, "height": 700})
    page.goto(path.as_uri())
    box = page.locator("figure.gauge").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < 700
    numbers = page.locator("figure.course .number").all_text_contents()
    assert len(numbers) == page.locator("ol.marks > li").count()
    assert numbers == [str(n) for n in range(1, len(numbers) + 1)]
    shapes = page.locator("figure.course svg").first.locator("circle.go, rect.no-go, path.breach")
    assert shapes.count() == len(numbers)
    assert page.locator("path.actual").first.bounding_box() is not None
