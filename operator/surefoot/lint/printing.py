"""Findings for people, for programs, for code scanning, and as annotations of GitHub."""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from typing import Any

from surefoot.lint.finding import Finding, Level
from surefoot.lint.rules import RULES

SARIF_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_WIDEST = 100
_BEFORE = 60


def in_lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Every finding with its place, the line of the text, a caret, and what to do."""
    for each in findings:
        said = f"{each.file}:{each.line}:{each.column}: {each.rule.level.value} {each.rule.id}"
        yield f"{said} {each.message}"
        yield from picture(each)
        if each.advice:
            mended = " (--fix does it)" if each.edit is not None else ""
            yield f"    {each.advice}{mended}"


def summary(findings: Sequence[Finding], plans: int) -> str:
    """How many of each there are, in a line."""
    counts = [(level, sum(f.rule.level is level for f in findings)) for level in Level]
    said = [f"{n} {level.value}{'s' if n != 1 else ''}" for level, n in counts if n]
    checked = f"{plans} Rollout{'s' if plans != 1 else ''} checked"
    return f"{checked}: {', '.join(said) or 'nothing found'}"


def picture(finding: Finding) -> Iterator[str]:
    """The line, cut around the place where it is long, and a caret below it."""
    at = finding.column - 1 - finding.shift
    start = max(0, at - _BEFORE)
    shown = finding.source[start : start + _WIDEST].replace("\t", " ")
    if not shown.strip():
        return
    before = shown[: at - start]
    carets = max(1, min(finding.length, len(shown) - (at - start)))
    yield f"    {shown}"
    yield f"    {' ' * _width(before)}{'^' * carets}"


def _width(text: str) -> int:
    """How many columns a terminal gives a text."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) > 0 for character in text)


def as_json(findings: Iterable[Finding], notes: Iterable[str], plans: int) -> dict[str, Any]:
    """The findings for programs."""
    return {
        "plans": plans,
        "notes": list(notes),
        "findings": [
            {
                "rule": each.rule.id,
                "name": each.rule.name,
                "level": each.rule.level.value,
                "file": each.file,
                "line": each.line,
                "column": each.column,
                "path": each.path,
                "message": each.message,
                "advice": each.advice,
                "fixable": each.edit is not None,
            }
            for each in findings
        ],
    }


def as_sarif(findings: Iterable[Finding]) -> dict[str, Any]:
    """The findings as SARIF 2.1.0, for code scanning."""
    indexes = {rule.id: index for index, rule in enumerate(RULES)}
    return {
        "$schema": SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "surefoot lint",
                        "semanticVersion": version("surefoot"),
                        "rules": [
                            {
                                "id": rule.id,
                                "name": _camel(rule.name),
                                "shortDescription": {"text": rule.why},
                                "defaultConfiguration": {"level": rule.level.value},
                            }
                            for rule in RULES
                        ],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(each, indexes[each.rule.id]) for each in findings],
            }
        ],
    }


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("-"))


def _result(finding: Finding, index: int) -> dict[str, Any]:
    from urllib.parse import quote  # noqa: PLC0415 - for this format only

    advice = f": {finding.advice}" if finding.advice else ""
    return {
        "ruleId": finding.rule.id,
        "ruleIndex": index,
        "level": finding.rule.level.value,
        "message": {"text": f"{finding.message}{advice}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(finding.file)},
                    "region": {
                        "startLine": finding.line,
                        "startColumn": finding.column,
                        "endColumn": finding.column + finding.length,
                    },
                }
            }
        ],
    }


def as_annotations(findings: Iterable[Finding]) -> Iterator[str]:
    """The findings as GitHub Actions shows them beside the lines of a change."""
    kinds = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}
    for each in findings:
        advice = f": {each.advice}" if each.advice else ""
        where = f"file={_property(each.file)},line={each.line},col={each.column}"
        title = _property(f"{each.rule.id} {each.rule.name}")
        said = _data(f"{each.message}{advice}")
        yield f"::{kinds[each.rule.level]} {where},title={title}::{said}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
