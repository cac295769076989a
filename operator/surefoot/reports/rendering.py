"""A report as Markdown, as a page of HTML that stands on its own, or as JSON.

What a template prints is made safe for Markdown on the way, no matter who wrote it: no name or
reason can begin a table, a heading or a link, and no mark that is not seen is left. What is not
known prints as "unknown".
"""

import re
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, ClassVar, Protocol

from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from surefoot.api.v1alpha1.durations import in_words, parse_duration
from surefoot.reports.visible import visible

UNKNOWN = "unknown"
_ALWAYS = r"[\\`*\[\]<|]"
_WITHIN = r"""(?x)
    (?<!\w)_ | _(?!\w)                 # within a word it is a letter
  | ~(?=~) | (?<=~)~                   # one alone strikes nothing out
  | &(?=\#|\w)                        # the beginning of an entity
  | \#(?=\#*$)                        # the end of a heading
"""
_SPECIAL = re.compile(f"{_WITHIN}|{_ALWAYS}")
_OPENER = re.compile(
    r"""(?x)^(
    (?=\#{1,6}(?:\s|$)) | (?=>) | (?=[-+](?:\s|$))   # a heading, a quotation, an item of a list
  | \d+(?=[.)](?:\s|$))                # a numbered item
  | (?=[-=:\s]+$)                      # a line below a heading, or below the head of a table
    )([-+=:.)\#>])"""
)
_SHAPED = {
    "good": ("complies", "Passed", "GO", "Mitigated", "HIGH"),
    "bad": ("does not comply", "Failed", "NO-GO", "P0", "P1"),
    "open": ("unknown", "NotAsked", "Pending", "P2", "P3"),
}
"""Cells that are told apart by a sign and a colour: what they say, by what it means."""


class Part(BaseModel):
    """A piece of a report: frozen; camelCase in JSON."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )

    def to_json(self) -> dict[str, Any]:
        """As JSON values. What is not known is null."""
        return self.model_dump(mode="json", by_alias=True)


class Report(Part):
    """A whole report. ``template`` is the file in `templates/` that says it in Markdown."""

    template: ClassVar[str]

    title: str
    """What the page is called."""

    def drawings(self) -> Mapping[str, "Drawing"]:
        """What a page of HTML shows where the template names it, and Markdown leaves out."""
        return {}


class Drawing(Protocol):
    """A picture: what stands where. ``template`` is the file in `templates/` that draws it."""

    template: ClassVar[str]


class Verbatim(str):
    """Text that is Markdown already, and printed as it is."""

    __slots__ = ()


def markdown(report: Report) -> str:
    """The report as Markdown, with a line break at the end."""
    return _said(report, lambda _: Verbatim())


def _said(report: Report, draw: Callable[[str], Verbatim]) -> str:
    text = _ENVIRONMENT.get_template(report.template).render(report=report, drawing=draw)
    return visible(re.sub(r"\n{3,}", "\n\n", text).strip() + "\n")


def html(report: Report) -> str:
    """The report as one HTML file that needs no other, and prints well."""
    drawings = report.drawings()
    # Nobody can write a mark that is made after everything else was written.
    marks = {name: f"drawing-{uuid.uuid4().hex}" for name in drawings}
    text = _said(report, lambda name: Verbatim(marks.get(name, "")))
    body = _MARKDOWN.renderer.render(_with_tables(_MARKDOWN.parse(text)), _MARKDOWN.options, {})
    for name, drawing in drawings.items():
        drawn = _PAGES.get_template(drawing.template).render(drawing=drawing)
        body = body.replace(f"<p>{marks[name]}</p>", drawn)
    # An entity in a quotation becomes its character here, so all of it is looked at.
    return visible(_PAGES.get_template("page.html.j2").render(title=report.title, body=body))


def _with_tables(tokens: list[Token]) -> list[Token]:
    """Cells that know their column, for narrow screens, and that show what they mean."""
    titles: list[str] = []
    column, is_head = 0, False
    for token, inside in zip(tokens, [*tokens[1:], None], strict=True):
        match token.type:
            case "thead_open":
                titles, is_head = [], True
            case "tbody_open":
                is_head = False
            case "tr_open":
                column = 0
            case "th_open" | "td_open" if inside is not None:
                text = "".join(child.content for child in inside.children or ())
                if is_head:
                    titles.append(text)
                else:
                    token.attrSet("data-label", titles[column])
                    kind = next((k for k, words in _SHAPED.items() if text in words), None)
                    if kind is not None:
                        token.attrSet("class", kind)
                column += 1
            case _:
                pass
    return tokens


def printed(value: object) -> str:
    """A value as it stands in a sentence or a cell, safe for Markdown."""
    if isinstance(value, Verbatim):
        return value
    if isinstance(value, str) and not isinstance(value, Enum):
        return escaped(value)
    return escaped(_in_words(value))


def _in_words(value: object) -> str:
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S UTC")
    if isinstance(value, timedelta):
        return in_words(value)
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def escaped(text: str) -> str:
    """Text in a line, of which Markdown takes nothing for a mark; no more escapes than it takes."""
    line = " ".join(text.split())
    line = _SPECIAL.sub(lambda found: f"\\{found[0]}", line)
    return _OPENER.sub(lambda found: f"{found[1]}\\{found[2]}", line)


def quoted(text: str | None) -> Verbatim:
    """Somebody's own Markdown as a quotation, so that it cannot pass for the report's words."""
    lines = (text or UNKNOWN).strip().splitlines()
    return Verbatim("\n".join(f"> {line}".rstrip() for line in lines))


def code(text: str) -> Verbatim:
    """Text to be typed as it stands, in a line."""
    line = " ".join(text.split())
    fence = "`" * (1 + max((len(run) for run in re.findall(r"`+", line)), default=0))
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    # A table would take a bar for the end of the cell, also within code.
    return Verbatim(f"{fence}{pad}{line}{pad}{fence}".replace("|", r"\|"))


def rounded(length: str | None) -> str | None:
    """A length of the record, such as `25.82259s`, as people say it: `26s`."""
    return None if length is None else in_words(parse_duration(length))


def joined(values: tuple[str, ...] | list[str], nothing: str = "nobody") -> str:
    """Names in a row; ``nothing`` where there are none."""
    return ", ".join(values) or nothing


def _environment(**options: Any) -> Environment:
    environment = Environment(  # noqa: S701 - both callers say which escapes it has
        loader=PackageLoader("surefoot.reports"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **options,
    )
    environment.filters |= {
        "quoted": quoted,
        "code": code,
        "joined": joined,
        "rounded": rounded,
        "verbatim": Verbatim,
    }
    return environment


# Markdown has its own escapes, by `printed`; HTML gets Jinja's.
_ENVIRONMENT = _environment(finalize=printed, autoescape=False)
_PAGES = _environment(autoescape=True)
# Images would be loaded from elsewhere, by anyone who opens the page.
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
