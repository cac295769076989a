"""YAML as Kubernetes' clients read it, with the place of every value.

The text is read as a stream of events, so that neither a deep document nor one of aliases that
multiply can exhaust the process: both are refused with the place where they go too far.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from surefoot.errors import SurefootError

MOST_BYTES = 3 * 1024 * 1024
"""As much as an API server takes in one request."""
MOST_VALUES = 200_000
"""Values in one file, those that aliases repeat included."""
DEEPEST = 100

Path = tuple[str | int, ...]

_YAML_STRING = "tag:yaml.org,2002:str"
_BOOLEANS = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE"), True),
    **dict.fromkeys(("on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE"), False),
    **dict.fromkeys(("off", "Off", "OFF"), False),
}
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_INTEGER = re.compile(r"[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = {".inf": float("inf"), "+.inf": float("inf"), "-.inf": float("-inf")}
_NOT_A_NUMBER = frozenset({".nan", ".NaN", ".NAN"})


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """From one character of a text to before another. Lines and columns are counted from 0."""

    start: int
    end: int
    line: int
    column: int


class BrokenText(SurefootError):
    """The text is no YAML that can be read. ``place`` is where it stops making sense."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.place = place


@dataclass(slots=True)
class Node:
    """A value of the text. ``content`` is a dict of names, a list, or what a scalar reads as.

    ``is_plain`` is True for a scalar without quotes.
    """

    place: Place
    content: Any
    is_plain: bool = False
    keys: dict[str, Place] = field(default_factory=dict)
    """Where the names of a mapping stand."""
    repeated: list[tuple[str, Place]] = field(default_factory=list)
    """Names that the mapping has once more."""

    def value(self) -> Any:
        """The value as JSON."""
        if isinstance(self.content, dict):
            return {name: node.value() for name, node in self.content.items()}
        if isinstance(self.content, list):
            return [node.value() for node in self.content]
        return self.content

    def at(self, path: Path) -> "Node | None":
        """The value at a path; None where there is none."""
        node = self
        for part in path:
            content = node.content
            is_there = (
                part in content
                if isinstance(content, dict)
                else isinstance(content, list) and isinstance(part, int) and part < len(content)
            )
            if not is_there:
                return None
            node = content[part]
        return node

    def place_of(self, path: Path) -> Place:
        """Where the value of a path is; where it should be, if it is not there."""
        for length in range(len(path), 0, -1):
            found = self.at(path[:length])
            if found is None:
                continue
            parent = self.at(path[: length - 1])
            name = path[length - 1]
            is_parent = length < len(path) or isinstance(found.content, dict | list)
            if is_parent and parent is not None and isinstance(name, str) and name in parent.keys:
                return parent.keys[name]
            return found.place
        return self.place

    def nodes(self, path: Path = ()) -> Iterator[tuple[Path, "Node"]]:
        """The value itself and all below it, with their paths."""
        yield path, self
        if isinstance(self.content, dict):
            for name, node in self.content.items():
                yield from node.nodes((*path, name))
        elif isinstance(self.content, list):
            for index, node in enumerate(self.content):
                yield from node.nodes((*path, index))


def documents(text: str) -> tuple[Node, ...]:
    """Every document of a text that says something. Raises `BrokenText`."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    strange = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if strange is not None:
        said = f"the character U+{ord(strange.group()):04X} may not be in YAML"
        raise BrokenText(said, _place_at(text, strange.start()))
    try:
        return tuple(_Builder().build(yaml.parse(text, Loader=loader)))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        index = min(mark.index, len(text)) if mark is not None else 0
        raise BrokenText(_in_words(error), _place_at(text, index)) from error
    except yaml.YAMLError as error:
        raise BrokenText(" ".join(str(error).split()), _place_at(text, 0)) from error


def _in_words(error: yaml.MarkedYAMLError) -> str:
    said = (error.problem or "it does not parse").strip()
    context = f" ({error.context.strip()})" if error.context else ""
    return f"{said}{context}"


def _place_at(text: str, index: int) -> Place:
    before = text[:index]
    line = before.count("\n")
    column = index - (before.rfind("\n") + 1)
    return Place(index, index + 1, line, column)


class _Builder:
    """Makes values of events. Neither depth nor repetition is without bound."""

    def __init__(self) -> None:
        self._anchors: dict[str, Node] = {}
        self._sizes: dict[int, int] = {}
        self._values = 0

    def build(self, events: Iterator[Any]) -> Iterator[Node]:
        """Every document that says something."""
        self._events = iter(events)
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors.clear()
                root = self._node(next(self._events), 0)
                if root.content is not None:
                    yield root

    def _node(self, event: Any, depth: int) -> Node:
        place = _place(event)
        if depth > DEEPEST:
            raise BrokenText(f"it is nested more than {DEEPEST} deep", place)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, place)
        before = self._values
        self._count(1, place)
        if isinstance(event, yaml.ScalarEvent):
            is_plain = event.style in {None, ""} and event.tag in {None, "!"}
            text = is_plain and event.tag is None
            node = Node(place, _read(event.value) if text else event.value, is_plain)
            self._remember(event, node, before)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = Node(place, [])
            self._sequence(node, depth)
            self._remember(event, node, before)
        else:
            node = Node(place, {})
            self._mapping(node, depth)
            self._remember(event, node, before)
        return node

    def _remember(self, event: Any, node: Node, before: int) -> None:
        if event.anchor is not None:
            self._anchors[event.anchor] = node
            self._sizes[id(node)] = self._values - before

    def _alias(self, event: Any, place: Place) -> Node:
        meant = self._anchors.get(event.anchor)
        if meant is None:
            raise BrokenText(f"the alias *{event.anchor} names nothing before it", place)
        self._count(self._sizes[id(meant)], place)
        return meant

    def _count(self, more: int, place: Place) -> None:
        self._values += more
        if self._values > MOST_VALUES:
            raise BrokenText(f"it has more than {MOST_VALUES} values, aliases included", place)

    def _sequence(self, node: Node, depth: int) -> None:
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                node.place = _up_to(node.place, event)
                return
            node.content.append(self._node(event, depth + 1))

    def _mapping(self, node: Node, depth: int) -> None:
        merged: list[Node] = []
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._node(event, depth + 1)
            value = self._node(next(self._events), depth + 1)
            if isinstance(key.content, dict | list):
                raise BrokenText("a name must be a text, not a list or a mapping", key.place)
            name = _name(key)
            if name == "<<" and key.is_plain:
                merged += value.content if isinstance(value.content, list) else [value]
                continue
            if name in node.content:
                node.repeated.append((name, key.place))
            node.content[name] = value
            node.keys[name] = key.place
        node.place = _up_to(node.place, event)
        for source in merged:
            for name, value in source.content.items() if isinstance(source.content, dict) else ():
                node.content.setdefault(name, value)
                node.keys.setdefault(name, source.keys.get(name, source.place))


def _name(key: Node) -> str:
    content = key.content
    if isinstance(content, bool):
        return "true" if content else "false"
    return "null" if content is None else str(content)


def _place(event: Any) -> Place:
    start, end = event.start_mark, event.end_mark
    return Place(start.index, max(end.index, start.index + 1), start.line, start.column)


def _up_to(place: Place, event: Any) -> Place:
    return Place(place.start, max(place.end, event.end_mark.index), place.line, place.column)


def _read(text: str) -> Any:
    """What a scalar without quotes reads as, by the rules of kubectl's library."""
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if text.lower() in _SPECIAL:
        return _SPECIAL[text.lower()]
    if text in _NOT_A_NUMBER:
        return float("nan")
    if _INTEGER.fullmatch(text) and len(text) <= 64:
        return _integer(text)
    if _NUMBER.fullmatch(text):
        return float(text)
    return text


def _integer(text: str) -> Any:
    digits = text.replace("_", "")
    sign, rest = (digits[0], digits[1:]) if digits[0] in "+-" else ("", digits)
    for prefix, base in (("0b", 2), ("0o", 8), ("0x", 16)):
        if rest.startswith(prefix):
            return int(f"{sign}{rest[2:]}", base)
    if len(rest) > 1 and rest[0] == "0":
        return int(f"{sign}{rest}", 8)
    return int(f"{sign}{rest}")
