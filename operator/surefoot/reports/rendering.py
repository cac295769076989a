"""A report as Markdown, as a page of HTML that stands on its own, or as JSON.

What a template prints is made safe for Markdown on the way, no matter who wrote it: no name or
reason can begin a table, a heading or a link. What is not known prints as "unknown".
"""

import re
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, ClassVar

from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from surefoot.api.v1alpha1.durations import in_words

UNKNOWN = "unknown"
_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#|~!&])")
_OPENER = re.compile(r"^(|\d+(?=[.)](?:\s|$)))([-+=:.)])")


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


class Verbatim(str):
    """Text that is Markdown already, and printed as it is."""

    __slots__ = ()


def markdown(report: Report) -> str:
    """The report as Markdown, with a line break at the end."""
    text = _ENVIRONMENT.get_template(report.template).render(report=report)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def html(report: Report) -> str:
    """The report as one HTML file that needs no other, and prints well."""
    body = _MARKDOWN.render(markdown(report))
    return _PAGES.get_template("page.html.j2").render(title=report.title, body=body)


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
    return str(value)


def escaped(text: str) -> str:
    """Text in a line, of which Markdown takes nothing for a mark."""
    line = " ".join(text.split())
    return _OPENER.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", line))


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
    environment.filters |= {"quoted": quoted, "code": code, "joined": joined}
    return environment


# Markdown has its own escapes, by `printed`; HTML gets Jinja's.
_ENVIRONMENT = _environment(finalize=printed, autoescape=False)
_PAGES = _environment(autoescape=True)
# Images would be loaded from elsewhere, by anyone who opens the page.
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
