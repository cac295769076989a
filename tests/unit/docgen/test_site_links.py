"""What the build of the documentation site refuses."""

import re
from pathlib import Path

import pytest

from deploy import site


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """A site of two pages."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "index.html").write_text('<h2 id="here">Here</h2>')
    return tmp_path


@pytest.mark.parametrize(
    ("html", "fault"),
    [
        ('<a href="other/#here">', None),
        ('<a href="https://example.com/x#y">', None),
        ('<a href="other/#there">', "index.html: other/#there: the page has no such heading"),
        ('<a href="gone/">', "index.html: gone/: there is no such page or file"),
        ('<a href="#nowhere">', "index.html: #nowhere: the page has no such heading"),
        ('<img src="lost.svg">', "index.html: lost.svg: there is no such page or file"),
        (
            '<script src="https://cdn.example/x.js"></script>',
            "index.html: loads https://cdn.example/x.js, which is not of this site",
        ),
    ],
)
def test_link_that_leads_nowhere_is_named(pages: Path, html: str, fault: str | None) -> None:
    """Links within the page and to others, pictures, and what is loaded."""
    (pages / "index.html").write_text(html)
    assert list(site.check(pages)) == ([fault] if fault else [])


def test_link_to_no_file_of_the_repository_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The site copies what pages link to; a folder or a missing file cannot be copied."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text("[x](../manifests/lost.yaml)")
    for name in site.TOP_PAGES:
        (tmp_path / name).write_text("")
    monkeypatch.setattr(site, "ROOT", tmp_path)
    with pytest.raises(site.BrokenLinkError, match=r"docs/page\.md: \.\./manifests/lost\.yaml"):
        site.stage(tmp_path / "build" / "docs")


def test_linked_file_is_on_the_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also from a page in a folder; and diagrams that would load a script are left out."""
    (tmp_path / "docs" / "how-to").mkdir(parents=True)
    text = "```mermaid\nx\n```\n\n[x](../../plan.yaml) [y](../../SECURITY.md#top)\n"
    (tmp_path / "docs" / "how-to" / "page.md").write_text(text)
    (tmp_path / "plan.yaml").write_text("a plan")
    for name in site.TOP_PAGES:
        (tmp_path / name).write_text("")
    monkeypatch.setattr(site, "ROOT", tmp_path)
    staged = tmp_path / "build" / "docs"
    site.stage(staged)
    assert (staged / "how-to" / "page.md").read_text() == (
        "[x](../files/plan.yaml) [y](../SECURITY.md#top)\n"
    )
    assert (staged / "files" / "plan.yaml").read_text() == "a plan"


def test_every_decision_is_listed_in_its_order() -> None:
    """Somebody who wonders looks there first."""
    folder = Path(site.ROOT) / "docs" / "decisions"
    listed = re.findall(r"^\| \[\d+\]\(([^)]+)\)", (folder / "README.md").read_text(), re.MULTILINE)
    assert listed == sorted(file.name for file in folder.glob("0*.md"))
