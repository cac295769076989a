"""Build the documentation site into build/site, and fail on a link that leads nowhere.

    python -m deploy.site

The pages are docs/, the pages at the top of the repository, and every file that a page links to.
The site needs nothing else. Zensical checks the links between pages in its strict mode. Afterwards
each address in the finished pages is looked up, anchors included, and none may load anything from
another host.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
STAGE = ROOT / "build" / "docs"
SITE = ROOT / "build" / "site"
TOP_PAGES = ("SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md")
FILES = "files"
"""Below this folder of the site are the files of the repository that pages link to."""

_LINK = re.compile(r"(?<=\]\()(?P<path>[^)#\s:]+)(?P<anchor>#[^)\s]*)?(?=\))")
_DIAGRAM = re.compile(r"```mermaid\n.*?\n```\n\n?", re.DOTALL)
"""Left out on the site: drawing one loads a script from another host. The tables say the same."""
_LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}


class BrokenLinkError(Exception):
    """A page links to something that is not there."""


def main() -> int:
    """Run the command: 0 where every link leads somewhere, else 1."""
    try:
        stage(STAGE)
    except BrokenLinkError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    zensical = Path(sys.executable).with_name("zensical")
    command = [str(zensical), "build", "--strict", "--clean", "-f", str(ROOT / "zensical.toml")]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if built.returncode != 0:
        sys.stderr.write(built.stdout + built.stderr.partition("Traceback")[0])
        return 1
    faults = tuple(check(SITE))
    sys.stderr.writelines(f"{fault}\n" for fault in faults)
    return 1 if faults else 0


def stage(target: Path) -> None:
    """Lay out the pages as the site has them. Raises `BrokenLinkError`."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(ROOT / "docs", target)
    for name in TOP_PAGES:
        shutil.copy(ROOT / name, target / name)
    for page in sorted(target.rglob("*.md")):
        inside = page.relative_to(target)
        source = ROOT / inside if str(inside) in TOP_PAGES else ROOT / "docs" / inside
        text = _DIAGRAM.sub("", page.read_text(encoding="utf-8"))
        page.write_text(_with_links(text, source, page, target), encoding="utf-8")


def _with_links(text: str, source: Path, page: Path, target: Path) -> str:
    """The page with its links as they are on the site; the files that it links to are copied."""

    def moved(match: re.Match[str]) -> str:
        path = (source.parent / match["path"]).resolve()
        if not path.is_file():
            shown = source.relative_to(ROOT)
            raise BrokenLinkError(f"{shown}: {match['path']} is not a file of the repository")
        inside = path.relative_to(ROOT)
        if inside.is_relative_to("docs"):
            where = target / inside.relative_to("docs")
        elif str(inside) in TOP_PAGES:
            where = target / inside
        else:
            where = target / FILES / inside
            where.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, where)
        up = "../" * (len(page.relative_to(target).parts) - 1)
        return f"{up}{where.relative_to(target)}{match['anchor'] or ''}"

    return _LINK.sub(moved, text)


class _Page(HTMLParser):
    """The anchors, links and loaded resources of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """HTMLParser's hook: a tag opens."""
        values = {name: value for name, value in attrs if value is not None}
        self.anchors.update(values[name] for name in ("id", "name") if name in values)
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if _LOADED.get(tag) in values and values.get("rel") != "canonical":
            self.loaded.append(values[_LOADED[tag]])


def check(site: Path) -> Iterator[str]:
    """Everything in the finished pages that leads nowhere, or is loaded from elsewhere."""
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    for path, page in sorted(pages.items()):
        where = path.relative_to(site)
        for address in page.loaded:
            if urlsplit(address).netloc:
                yield f"{where}: loads {address}, which is not of this site"
        if path.name == "404.html":  # its addresses are those of a server's root
            continue
        for address in (*page.links, *page.loaded):
            fault = _fault(site, path, address, pages)
            if fault:
                yield f"{where}: {address}: {fault}"


def _fault(site: Path, path: Path, address: str, pages: dict[Path, _Page]) -> str:
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return ""
    target = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
    target = target / "index.html" if target.is_dir() else target
    if not target.is_file() or not target.is_relative_to(site):
        return "there is no such page or file"
    anchor = unquote(parts.fragment)
    if anchor and target in pages and anchor not in pages[target].anchors:
        return "the page has no such heading"
    return ""


if __name__ == "__main__":
    sys.exit(main())
