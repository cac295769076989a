"""What a report prints is what it was given, and nothing that anybody wrote becomes markup."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import DictLoader
from markdown_it import MarkdownIt

from surefoot.domain.facts.measurements import Outcome
from surefoot.reports import rendering
from surefoot.reports.rendering import Report, code, html, markdown, printed, quoted

TRICKY = (
    "# heading",
    "a | b",
    "*loud* _leaning_",
    "[here](https://example.com)",
    "<b>bold</b>",
    "<https://example.com>",
    "- item",
    "1. item",
    "> quotation",
    "`code`",
    "&amp; &lt;",
    "===",
    "---",
    "+ plus",
    "\\*",
    "~~struck~~",
    "![image](x)",
)


def text_of(source: str) -> str:
    """The text that a reader of this Markdown sees, if it is a single paragraph of plain text."""
    tokens = MarkdownIt("commonmark").enable("table").parse(source)
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    children = tokens[1].children or []
    assert {child.type for child in children} <= {"text", "text_special"}
    return "".join(child.content for child in children)


@pytest.mark.parametrize("said", TRICKY)
def test_what_somebody_wrote_is_shown_letter_by_letter(said: str) -> None:
    """Marks of Markdown and HTML are text."""
    assert text_of(printed(said)) == said


@given(st.text(alphabet="\\`*_{}[]()<>#|~!&-+=:.;' a1é", min_size=1, max_size=12))
def test_whatever_is_written_is_shown_letter_by_letter(said: str) -> None:
    """Alone, in a heading, in a list, in a sentence, in a cell; also where lines are struck out."""
    said = " ".join(said.split()) or "x"
    renderer = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    for before, after in (("", ""), ("- ", ""), ("### ", ""), ("So: ", "."), ("", "\n\nx")):
        source = f"{before}{printed(said)}{after}"
        inline = next(token for token in renderer.parse(source) if token.type == "inline")
        assert {child.type for child in inline.children or ()} <= {"text", "text_special"}
        shown = "".join(child.content for child in inline.children or ())
        assert shown == (f"So: {said}." if before == "So: " else said)
    table = f"| a | b |\n|---|---|\n| {printed(said)} | y |"
    cells = [token.content for token in renderer.parse(table) if token.type == "inline"]
    assert cells[-1] == "y"
    assert len(cells) == 4


@pytest.mark.parametrize(
    "said", ["a (b), c", "-90%", "+6m", "a_b", "2.5 times", "Tom & Jerry", "ok!", "~5 s", "#12 is"]
)
def test_what_is_no_mark_has_no_escape(said: str) -> None:
    """Anyone who reads Markdown as text reads it without backslashes."""
    assert printed(said) == said


def test_several_lines_of_one_become_one() -> None:
    """A cell of a table is a line."""
    assert printed("one\ntwo\r\n three") == "one two three"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "unknown"),
        (True, "yes"),
        (False, "no"),
        (datetime(2026, 3, 1, 9, 30, tzinfo=UTC), "2026-03-01 09:30:00 UTC"),
        (timedelta(hours=46), "46h"),
        (25, "25"),
        (2.5, "2.5"),
    ],
)
def test_values_are_printed_in_words(value: object, said: str) -> None:
    """Moments are UTC, what is not known says so."""
    assert printed(value) == said


def test_a_word_of_the_api_is_printed_as_it_is_written_there() -> None:
    """Not as Python calls it."""
    outcome = next(iter(Outcome))
    assert printed(outcome) == outcome.value


def test_a_quotation_stays_a_quotation_over_all_its_lines() -> None:
    """A report in Markdown cannot end the quotation it stands in."""
    tokens = MarkdownIt("commonmark").parse(quoted("# GO\n\nall is well\n\n---"))
    assert tokens[0].type == "blockquote_open"
    assert tokens[-1].type == "blockquote_close"
    assert [token.level for token in tokens].count(0) == 2


@pytest.mark.parametrize("command", ["kubectl get x", "echo `date`", "`", "a `` b"])
def test_a_command_can_be_copied_as_it_is(command: str) -> None:
    """Whatever marks it has."""
    (_, inline, _) = MarkdownIt("commonmark").parse(code(command))
    (child,) = inline.children or []
    assert (child.type, child.content) == ("code_inline", command)


def test_a_bar_within_a_command_does_not_end_the_cell() -> None:
    """Commands stand in tables."""
    table = f"| a |\n|---|\n| {code('x | y')} |"
    tokens = MarkdownIt("commonmark").enable("table").parse(table)
    assert [token.type for token in tokens].count("td_open") == 1


class _Remark(Report):
    """Somebody's words in the title, in a quotation and in a command."""

    template = "remark.md.j2"

    said: str


@pytest.mark.parametrize("trick", ["\u202e", "\u200b", "\x1b[31m", "\u2066", "&#x202e;"])
def test_no_report_has_marks_that_are_not_seen(trick: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its page nor its text: they hide what is there, or turn it around."""
    text = "{{ report.title }}\n\n{{ report.said | quoted }}\n\n{{ report.said | code }}\n"
    templates = DictLoader({"remark.md.j2": text})
    monkeypatch.setattr(rendering._ENVIRONMENT, "loader", templates)
    said = f"GO {trick}ON"
    report = _Remark(title=said, said=said)
    for shown in (markdown(report), html(report)):
        assert not any(mark in shown for mark in ("\u202e", "\u200b", "\x1b", "\u2066"))
        assert "GO" in shown
