"""Cases for the bounds of single fields, derived from the schema that the API server enforces.

For every node of every spec: a value of another type, and for each bound one value beyond it and,
where another rule does not forbid it, one that just keeps it. The fields are changed in the
manifests that have all of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from surefoot.api.v1alpha1.durations import BOUND_PATTERN, DURATION_PATTERN, LONGEST_DURATION
from surefoot.api.v1alpha1.moments import MOMENT_PATTERN
from surefoot.crdgen.definitions import DEFINITIONS
from surefoot.crdgen.schema import INT_OR_STRING, LIST_TYPE, RULES, Node
from surefoot.crdgen.structural import structural_schema
from tests.contract.case import Case
from tests.contract.manifests import COMPLETE, REMOVED

UNREACHABLE = (
    BOUND_PATTERN,
    DURATION_PATTERN,
    MOMENT_PATTERN,
    "^(PreviousStep|Zero)$",
    "^-----BEGIN SSH SIGNATURE-----",
)
"""Patterns that let no text through which is as long as its bound."""

COUPLED = frozenset(
    {
        "spec.steps at its most items",
        "spec.steps.0.percent at maximum",
        "spec.steps.0.hold.checkpoints.0.type as Report",
        "spec.steps.0.hold.checkpoints.0.type as DecisionMeeting",
        "spec.steps.0.hold.approvals.quorum at maximum",
        "spec.steps.0.hold.approvals.rule as All",
        "spec.gates.1.passing at maximum",
        "spec.request.purpose as Advance",
        "spec.request.purpose as Acknowledge",
        "spec.tests.0.passed at maximum",
        "spec.tests.0.total at minimum",
    }
)
"""What a bound allows but a rule over several fields does not; the table has those."""

NO_MOMENTS = (
    "tomorrow",
    "9999-12-31T23:59:59-05:00",
    "3000-01-01T00:00:00Z",
    "1969-12-31T23:59:59Z",
    "0000-01-01T00:00:00Z",
    "2026-03-01T10:00:00+99:59",
    "2026-03-01T10:00:00x5Z",
    "2026-03-01T10:00:00ZTx",
    "2026-02-29T10:00:00Z",
    "2100-02-29T10:00:00Z",
    "2026-04-31T10:00:00Z",
    "2026-13-01T10:00:00Z",
    "2026-00-10T10:00:00Z",
    "2026-03-01T24:00:00Z",
)
MOMENTS = (
    "1970-01-01T00:00:00Z",
    "2999-12-31T23:59:59Z",
    "2028-02-29t10:00:00z",
    "2400-02-29T23:59:59Z",
    "1972-02-29T00:00:00-12:00",
    "2026-03-01T10:00:00.123456789+05:30",
)

SAID_BY_A_RULE = frozenset({"spec.triggers.0.to"})
"""Fields whose bounds are for editors; a rule with a message for people says the same."""


@dataclass(frozen=True)
class Place:
    """A node of a kind's schema, and where the complete manifest has it."""

    kind: str
    path: str
    node: Node

    def __str__(self) -> str:
        return f"{self.kind} {self.path}"

    @property
    def field(self) -> str:
        """The name of the field, or of the list that this is an item of."""
        return [part for part in self.path.split(".") if not part.isdigit()][-1]

    def keeps(self, how: str, value: Any) -> Iterator[Case]:
        """A case in which the value is accepted."""
        name = f"{self.path} {how}"
        if name not in COUPLED:
            yield Case(f"{self.kind} {name}", self.kind, {self.path: value}, True, base=COMPLETE)

    def breaks(self, how: str, value: Any, says: str, at: str = "") -> Iterator[Case]:
        """A case in which the value is refused; the place is meant, or a field in it."""
        path = f"{self.path}.{at}" if at else self.path
        name = f"{self.kind} {path} {how}"
        yield Case(name, self.kind, {path: value}, False, says, base=COMPLETE)


def places() -> Iterator[Place]:
    """Every node of every spec; what several fields are made of only where it is met first."""
    for definition in DEFINITIONS:
        schema = structural_schema(definition.model, defaults=False)
        seen: list[Node] = []
        spec = schema["properties"]["spec"]
        yield from _places(definition.kind, "spec", spec, COMPLETE[definition.kind]["spec"], seen)


def _places(kind: str, path: str, node: Node, value: Any, seen: list[Node]) -> Iterator[Place]:
    yield Place(kind, path, _with_pattern(node))
    if "items" in node:
        yield from _places_in_items(kind, path, node["items"], value, seen)
    fields = node.get("properties")
    if fields is not None and fields not in seen:
        seen.append(fields)
        for name in filter(value.__contains__, fields):
            yield from _places(kind, f"{path}.{name}", fields[name], value[name], seen)


def _with_pattern(node: Node) -> Node:
    """A duration's or moment's form stands in a rule, for its message; here it is a pattern."""
    rules = "".join(rule["rule"] for rule in node.get(RULES, []))
    said = [form for form in (DURATION_PATTERN, MOMENT_PATTERN) if form in rules]
    return {**node, "pattern": said[0]} if said else node


def _places_in_items(
    kind: str, path: str, node: Node, items: list[Any], seen: list[Node]
) -> Iterator[Place]:
    """The places of an item: each in the first item that has it, as some exclude each other."""
    yield from _places(kind, f"{path}.0", node, items[0], seen)
    for index, item in enumerate(items[1:], start=1):
        for name in item:
            if not any(name in earlier for earlier in items[:index]):
                child = node["properties"][name]
                yield from _places(kind, f"{path}.{index}.{name}", child, item[name], seen)


def boundaries(place: Place) -> Iterator[Case]:
    """The cases of one place."""
    yield from _another_type(place)
    if place.path in SAID_BY_A_RULE:
        return
    for cases in (
        _length,
        _pattern,
        _choice,
        _range,
        _text_range,
        _length_of_time,
        _size,
        _needed,
        _moment,
    ):
        yield from cases(place)


def _another_type(place: Place) -> Iterator[Case]:
    other: Mapping[str, Any] = {
        "string": 7,
        "integer": "7",
        "boolean": "true",
        "array": "text",
        "object": "text",
    }
    value = [] if place.node.get(INT_OR_STRING) else other[place.node["type"]]
    yield from place.breaks("of another type", value, place.field)


def _length(place: Place) -> Iterator[Case]:
    node = place.node
    reachable = node.get("pattern") not in UNREACHABLE
    if node.get("pattern") == MOMENT_PATTERN:
        return  # its form says it all
    if "maxLength" in node and not node.get(INT_OR_STRING):
        longest = node["maxLength"]
        yield from place.breaks("too long", "x" * (longest + 1), str(longest))
        if reachable:
            yield from place.keeps("at its longest", "x" * longest)
    if "minLength" in node:
        shortest = node["minLength"]
        says = f"at least {shortest} char"
        yield from place.breaks("too short", "x" * (shortest - 1), says)
        if reachable:
            yield from place.keeps("at its shortest", "x" * shortest)


def _pattern(place: Place) -> Iterator[Case]:
    if "pattern" in place.node:
        yield from place.breaks("of another form", "!!", "!!")


def _choice(place: Place) -> Iterator[Case]:
    choices = place.node.get("enum", [])
    if choices:
        yield from place.breaks("of no choice", "Nonsense", choices[0])
    for choice in choices:
        yield from place.keeps(f"as {choice}", choice)


def _range(place: Place) -> Iterator[Case]:
    node = place.node
    if "maximum" in node:
        most = node["maximum"]
        says = _said_by_a_range(node) or f"less than or equal to {most}"
        yield from place.breaks("too large", most + 1, says)
        yield from place.keeps("at maximum", most)
    if "minimum" in node:
        least = node["minimum"]
        says = _said_by_a_range(node) or f"greater than or equal to {least}"
        yield from place.breaks("too small", least - 1, says)
        yield from place.keeps("at minimum", least)


def _said_by_a_range(node: Node) -> str:
    """What the rule says that bounds a number or percentage however it is written; may be empty."""
    rules = node.get(RULES, []) if node.get(INT_OR_STRING) else []
    return next((str(rule["message"]) for rule in rules), "")


def _text_range(place: Place) -> Iterator[Case]:
    """A number that is written as text has the same bounds, as a percentage too."""
    node = place.node
    if not node.get(INT_OR_STRING):
        return
    yield from place.breaks("of too many digits", "9" * 16, "9999999999999999")
    yield from place.breaks("of too many digits below 0", "-" + "9" * 16, "-9999999999999999")
    says = _said_by_a_range(node)
    if not says:
        return
    least, most = node["minimum"], node["maximum"]
    for text in (str(least), f"{least}.0", f"{least * 100}%", str(most), f"{most * 100}.00%"):
        yield from place.keeps(f"as {text}", text)
    for text in (
        f"{least - 1}",
        f"{least * 100 - 1}%",
        f"{most}.000000000001",
        f"{most * 100 + 1}%",
    ):
        yield from place.breaks(f"as {text}", text, says)


def _length_of_time(place: Place) -> Iterator[Case]:
    if place.node.get("pattern") != DURATION_PATTERN:
        return
    yield from place.keeps("at its longest", LONGEST_DURATION)
    yield from place.keeps("of nothing", "0s")
    yield from place.breaks("a second too long", f"{LONGEST_DURATION}1s", LONGEST_DURATION)
    yield from place.breaks("long by its parts", "9998d25h", LONGEST_DURATION)
    yield from place.breaks("below nothing", "-1s", "-1s")


def _size(place: Place) -> Iterator[Case]:
    node = place.node
    if "maxItems" in node and not _bounded_by_its_choices(node):
        most = node["maxItems"]
        yield from place.breaks("too many", _items(place, most + 1), f"at most {most} item")
        yield from place.keeps("at its most items", _items(place, most))
    if "minItems" in node:
        yield from place.breaks("too few", [], f"at least {node['minItems']} item")


def _bounded_by_its_choices(node: Node) -> bool:
    return node.get(LIST_TYPE) == "set" and "enum" in node["items"]


def _items(place: Place, count: int) -> list[Any]:
    """As many items like the first of the complete manifest, none like another if that matters."""
    value: Any = COMPLETE[place.kind]
    for part in place.path.split("."):
        value = value[int(part) if part.isdigit() else part]
    first = value[0]
    if place.node.get(LIST_TYPE) == "map":
        return [{**first, "name": f"item-{index}"} for index in range(count)]
    if isinstance(first, str) and "enum" not in place.node["items"]:
        return [f"item-{index}" for index in range(count)]
    return [first] * count


def _needed(place: Place) -> Iterator[Case]:
    for name in place.node.get("required", ()):
        # Server-side apply misses a list's key before the schema does, and calls it otherwise.
        says = "name" if name == "name" else "required"
        yield from place.breaks("missing", REMOVED, says, at=name)


def _moment(place: Place) -> Iterator[Case]:
    if place.node.get("pattern") == MOMENT_PATTERN:
        for moment in NO_MOMENTS:
            yield from place.breaks(f"as {moment}", moment, moment)
        for moment in MOMENTS:
            yield from place.keeps(f"as {moment}", moment)


PLACES = tuple(places())
BOUNDARIES = tuple(case for place in PLACES for case in boundaries(place))
