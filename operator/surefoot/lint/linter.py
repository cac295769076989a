"""Text in, findings out: every document of a file, and what it says."""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice
from typing import Any

from surefoot.api.v1alpha1.meta import GROUP
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.lint import rules, shape
from surefoot.lint.finding import Edit, Fault, Finding, Rule, written
from surefoot.lint.meaning import ReadQuery, Surroundings, faults_of
from surefoot.lint.text import BrokenText, Node, Path, Place, documents

MOST_FINDINGS = 500
"""Of one file. More would be read by nobody."""
LONGEST_LINE = 400
"""Characters of a line that are kept to be shown; of a longer one, those around the place."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was found in a file, how many Rollouts it has, and in ``notes`` what was skipped."""

    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    plans: int


def lint(file: str, text: str, around: Surroundings | None = None) -> Report:
    """Everything that is to be said of a file's text."""
    lines = _Lines(file, text)
    found = list(islice(_hidden_characters(lines, text), MOST_FINDINGS))
    try:
        read = documents(text)
    except BrokenText as error:
        return Report((lines.finding(rules.YAML, str(error), error.place), *found), (), 0)
    notes: list[str] = []
    plans = 0
    for number, document in enumerate(read, 1):
        for path, node in _objects(document):
            why = _why_skipped(node)
            if why is not None:
                notes.append(f"{file}: document {number} is {why}: skipped")
                continue
            plans += 1
            found += [
                replace(lines.at(node, fault), path=written((*path, *fault.path)))
                for fault in _faults(node, around or Surroundings())
            ]
    found.sort(key=lambda each: (each.line, each.column, each.rule.id))
    if len(found) > MOST_FINDINGS:
        notes.append(f"{file}: {len(found) - MOST_FINDINGS} findings more are not shown")
    return Report(tuple(found[:MOST_FINDINGS]), tuple(notes), plans)


def values(text: str) -> tuple[Any, ...]:
    """The Rollouts of a text as plain values, in order. Raises `BrokenText`."""
    nodes = [node for document in documents(text) for _, node in _objects(document)]
    return tuple(node.value() for node in nodes if _why_skipped(node) is None)


def rollouts(text: str) -> tuple[Rollout, ...]:
    """The Rollouts of a text that can be read, in order. Raises `BrokenText`."""
    nodes = [node for document in documents(text) for _, node in _objects(document)]
    read = (shape.read(node)[0] for node in nodes if _why_skipped(node) is None)
    return tuple(rollout for rollout in read if rollout is not None)


def read_queries(rollout: Rollout) -> dict[str, ReadQuery]:
    """What the texts of a plan's queries tell, by the names of its metrics."""
    if not rollout.spec.metrics:
        return {}
    from surefoot.adapters.prometheus.queries import read  # noqa: PLC0415 - the parser loads slowly

    found = {}
    for metric in rollout.spec.metrics:
        query = read(metric.query)
        ranges = [each.window for each in query.inputs if each.window > timedelta(0)]
        found[metric.name] = ReadQuery(query.facts, min(ranges, default=None))
    return found


def _faults(node: Node, around: Surroundings) -> Iterator[Fault]:
    rollout, faults = shape.read(node)
    yield from faults
    if rollout is not None:
        yield from faults_of(rollout, read_queries(rollout), around)


def _objects(document: Node) -> Iterator[tuple[Path, Node]]:
    """The object of a document, or those of a list."""
    items = document.at(("items",))
    kind = document.at(("kind",))
    is_list = kind is not None and isinstance(kind.content, str) and kind.content.endswith("List")
    if is_list and items is not None and isinstance(items.content, list):
        for index, node in enumerate(items.content):
            yield ("items", index), node
        return
    yield (), document


def _why_skipped(node: Node) -> str | None:
    """What a document is, where it is no Rollout of ours; None where it is one."""
    if not isinstance(node.content, dict):
        return "no object"
    version, kind = _text(node, "apiVersion"), _text(node, "kind")
    if kind is None:
        return "no object: it has no kind"
    if version is None:
        return None if kind == "Rollout" else f"a {kind}"
    group = version.partition("/")[0]
    is_ours = group == GROUP or (kind == "Rollout" and "/" not in version)
    if is_ours and kind.lower() in {"rollout", "rollouts"}:
        return None
    return f"a {kind} of {group}" if kind == "Rollout" else f"a {kind}"


def _text(node: Node, name: str) -> str | None:
    found: Any = node.at((name,))
    return found.content if found is not None and isinstance(found.content, str) else None


class _Lines:
    """A text by its lines, to show where something was found."""

    def __init__(self, file: str, text: str) -> None:
        self._file = file
        self._text = text

    def at(self, node: Node, fault: Fault) -> Finding:
        """A fault with its place."""
        place = fault.place or node.place_of(fault.path)
        return self.finding(fault.rule, fault.message, place, fault.advice, fault.edit)

    def finding(
        self, rule: Rule, message: str, place: Place, advice: str = "", edit: Edit | None = None
    ) -> Finding:
        """What was found at a place."""
        begin = place.start - place.column
        end = self._text.find("\n", begin)
        end = end if end >= 0 else len(self._text)
        shift = max(0, place.column - LONGEST_LINE // 2)
        source = self._text[begin + shift : min(end, begin + shift + LONGEST_LINE)].rstrip("\r")
        return Finding(
            rule=rule,
            message=message,
            advice=advice,
            file=self._file,
            line=place.line + 1,
            column=place.column + 1,
            length=max(1, min(place.end - place.start, end - place.start)),
            path="",
            source=source,
            shift=shift,
            edit=edit,
        )


def _hidden_characters(lines: _Lines, text: str) -> Iterator[Finding]:
    """The first of each line."""
    line = column = 0
    told = -1
    for index, character in enumerate(text):
        if character == "\n":
            line, column = line + 1, 0
            continue
        is_mark = index == 0 and character == "\ufeff"
        if told != line and _is_hidden(character) and not is_mark:
            told = line
            name = unicodedata.name(character, "a control character")
            yield lines.finding(
                rules.HIDDEN_CHARACTER,
                f"U+{ord(character):04X} ({name.lower()}) is not seen, or hides what is",
                Place(index, index + 1, line, column),
                "remove it, or write it as an escape in double quotes",
            )
        column += 1


def _is_hidden(character: str) -> bool:
    return not character.isascii() and unicodedata.category(character) in {"Cf", "Cc", "Co"}


def apply(text: str, findings: Iterable[Finding]) -> tuple[str, int]:
    """The text with all safe edits made, and how many they are. Those that overlap wait."""
    made, reached = 0, len(text) + 1
    edits = {each.edit for each in findings if each.edit is not None}
    for edit in sorted(edits, key=lambda each: each.start, reverse=True):
        if edit.end <= reached:
            text = f"{text[: edit.start]}{edit.text}{text[edit.end :]}"
            made, reached = made + 1, edit.start
    return text, made
