"""The pages about GitOps and monitoring link to what there is."""

import re
from pathlib import Path

import pytest

from tests.gitops.argocd import PROJECT

PAGES = ("argocd.md", "flux.md", "monitoring.md", "runbooks.md")
LINKS = [
    (page, target)
    for page in PAGES
    for target in re.findall(r"\]\(([^)]+)\)", (PROJECT / "docs" / page).read_text())
]


def anchors_of(page: Path) -> set[str]:
    """The anchors that a page's headings make."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize(("page", "target"), LINKS)
def test_link_leads_somewhere(page: str, target: str) -> None:
    """To a file that there is, and to a heading in it."""
    name, _, anchor = target.partition("#")
    path = PROJECT / "docs" / (name or page)
    assert path.exists()
    if anchor:
        assert anchor in anchors_of(path)
