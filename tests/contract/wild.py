"""Objects at and beyond every bound, made from the schemas that the API server enforces.

Whatever has a schema is covered: a field that is added to a model is tried as well.
"""

import copy
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from surefoot.api.v1alpha1.durations import BOUND_PATTERN, DURATION_PATTERN
from surefoot.api.v1alpha1.meta import (
    ATTEMPT_BY_ANNOTATION,
    AUTHORS_ANNOTATION,
    ON_BEHALF_OF_ANNOTATION,
    REQUESTED_BY_ANNOTATION,
)
from surefoot.api.v1alpha1.moments import MOMENT_PATTERN
from surefoot.crdgen.definitions import DEFINITIONS
from surefoot.crdgen.schema import INT_OR_STRING, RULES, Node
from surefoot.crdgen.structural import structural_schema
from tests.contract.manifests import COMPLETE, Manifest
from tests.contract.samples import sample

Path = tuple[str | int, ...]

ODD_CHARACTERS = (
    *map(chr, range(0x20)),
    *"\x7f\x80\x85\x9f\xa0\xad\u0130\u0131\u0300\u034f\u061c\u1680\u180e\u2000\u200b\u200e\u2028",
    *"\u2029\u202e\u202f\u205f\u2060\u2066\u3000\ud800\udfff\ue000\ufdd0\ufeff\ufffd\ufffe\uffff",
    *"\U0001f3f4\U000e0067\U0010ffff",
)
"""Control characters, every white space, direction marks, halves of pairs, the last there is."""

ODD_TEXTS = st.sampled_from(ODD_CHARACTERS).flatmap(
    lambda odd: st.sampled_from((odd, odd * 3, f"a{odd}", f"{odd}a", f"a{odd}b", f" {odd} "))
)
TEXTS = st.one_of(ODD_TEXTS, st.text(max_size=12), st.sampled_from(("", " ", "a", "true", "7")))

MOMENTS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(
            ("0000", "0001", "0999", "1969", "1970", "2026", "2999", "3000", "9999", "10000", "-1")
        ),
        st.sampled_from(("-01-01", "-12-31", "-02-28", "-02-30", "-13-01", "-00-00", "")),
        st.sampled_from(("T", "t", " ", "")),
        st.sampled_from(("00:00:00", "23:59:59", "23:59:60", "24:00:00", "12:00", "1:2:3")),
        st.sampled_from(("", "", ".5", ".999999999", ".1234567890123", ",5", "x5", ".")),
        st.sampled_from(
            (
                "Z",
                "Z",
                "z",
                "",
                "+00:00",
                "-05:00",
                "+14:00",
                "+23:59",
                "-23:59",
                "+99:59",
                "-24:00",
            )
        ),
        st.sampled_from(("", "", "", "Tx", " ")),
    ),
)
DURATIONS = st.one_of(
    st.from_regex(DURATION_PATTERN, fullmatch=True),
    st.sampled_from(
        ("0s", "9999d", "9999d1s", "9999d99999h999999m99999999s", "1w", "-1h", "1.5h", "00d", "٣h")
    ),
)
BOUNDS = st.one_of(
    st.from_regex(BOUND_PATTERN, fullmatch=True),
    st.integers(-(10**16), 10**16),
    st.sampled_from(("-1", "-0.1%", "0", "100", "100.000000000001", "10000%", "1e3", "NaN", "٣")),
)
NUMBERS = st.sampled_from((0, 1, -1, 2**31, 2**53 + 1, 2**63, 10**30, 0.5, 1.0, 1e300))
STRANGE: st.SearchStrategy[Any] = st.sampled_from((None, True, 7, 0.5, "text", [], {}, [None]))


def values(node: Node) -> st.SearchStrategy[Any]:
    """Values for a field: most of the right type and many at a bound, some of another type."""
    typed = of_its_type(node)
    return st.one_of(typed, typed, typed, STRANGE)


_MADE: dict[int, st.SearchStrategy[Any]] = {}


def of_its_type(node: Node) -> st.SearchStrategy[Any]:
    """Values of the field's own type. Made once for a node: schemas are deep."""
    if id(node) not in _MADE:
        _MADE[id(node)] = st.deferred(lambda: _of_its_type(node))
    return _MADE[id(node)]


def _of_its_type(node: Node) -> st.SearchStrategy[Any]:
    if node.get(INT_OR_STRING):
        near = [node[bound] + by for bound in ("minimum", "maximum") for by in (-1, 0, 1)]
        return st.one_of(BOUNDS, st.sampled_from([*near, *map(str, near)]), TEXTS)
    if "enum" in node:
        return st.one_of(st.sampled_from(node["enum"]), ODD_TEXTS)
    match node["type"]:
        case "integer":
            near = [node[bound] + by for bound in ("minimum", "maximum") for by in (-1, 0, 1)]
            return st.one_of(st.sampled_from(near), st.integers(-3, 103), NUMBERS)
        case "boolean":
            return st.booleans()
        case "string":
            return _texts(node)
        case "array":
            return _arrays(node)
        case _:
            return _objects(node)


def _is_moment(node: Node) -> bool:
    return node.get("pattern") == MOMENT_PATTERN or any(
        MOMENT_PATTERN in rule["rule"] for rule in node.get(RULES, ())
    )


def _texts(node: Node) -> st.SearchStrategy[str]:
    if _is_moment(node):
        return st.one_of(MOMENTS, MOMENTS, ODD_TEXTS)
    if any(DURATION_PATTERN in rule["rule"] for rule in node.get(RULES, ())):
        return st.one_of(DURATIONS, TEXTS)
    choices = [TEXTS]
    if "pattern" in node:
        choices.append(st.from_regex(node["pattern"], fullmatch=True))
    if "maxLength" in node:
        most = node["maxLength"]
        choices.append(
            st.builds(
                lambda character, length: character * length,
                st.sampled_from(("x", "é", "\U0001f3f4", "\t")),
                st.sampled_from((most - 1, most, most + 1)),
            )
        )
    return st.one_of(choices)


def _arrays(node: Node) -> st.SearchStrategy[list[Any]]:
    most = node["maxItems"]
    return st.one_of(
        st.lists(values(node["items"]), max_size=2),
        st.builds(
            lambda item, count: [copy.deepcopy(item) for _ in range(count)],
            of_its_type(node["items"]),
            st.sampled_from((2, most, most + 1)),
        ),
    )


def _objects(node: Node) -> st.SearchStrategy[dict[str, Any]]:
    if "properties" not in node:
        return st.dictionaries(TEXTS, values(node["additionalProperties"]), max_size=3)
    needed = {
        name: of_its_type(child)
        for name, child in node["properties"].items()
        if name in node.get("required", ())
    }
    rest = [(name, child) for name, child in node["properties"].items() if name not in needed]
    others = st.sampled_from(rest).flatmap(
        lambda field: st.tuples(st.just(field[0]), values(field[1]))
    )
    return st.builds(
        lambda given, more: {**given, **dict(more)},
        st.fixed_dictionaries(needed),
        st.lists(others, max_size=3) if rest else st.just([]),
    )


ANNOTATIONS = st.dictionaries(
    st.sampled_from(
        (
            REQUESTED_BY_ANNOTATION,
            AUTHORS_ANNOTATION,
            ON_BEHALF_OF_ANNOTATION,
            ATTEMPT_BY_ANNOTATION,
            "surefoot.dev/adopt",
            "anything",
        )
    ),
    st.one_of(
        TEXTS,
        st.builds(
            lambda text, count: text * count,
            st.sampled_from(("a", "é", "a,", ",", "ab,", " ")),
            st.sampled_from((255, 256, 257, 258, 1024, 100_000)),
        ),
    ),
)


@dataclass(frozen=True)
class Ground:
    """One half of a kind, spec or status: every field in it, and an object that has them all."""

    kind: str
    half: str
    base: Manifest
    places: tuple[tuple[Path, Node], ...]

    def __str__(self) -> str:
        return f"{self.kind} {self.half}"

    def attempts(self) -> st.SearchStrategy[Manifest]:
        """The complete object with a few of its fields changed."""
        changes = st.lists(
            st.sampled_from(self.places).flatmap(
                lambda place: st.tuples(st.just(place[0]), values(place[1]))
            ),
            min_size=1,
            max_size=3,
        )
        annotations = st.one_of(st.just({}), st.just({}), st.just({}), ANNOTATIONS)
        return st.builds(self._changed, changes, annotations)

    def at_one_edge(self) -> dict[str, dict[Path, Any]]:
        """For each edge that a field can have: all fields that have it, each with its value."""
        edges: dict[str, dict[Path, Any]] = {}
        for path, node in self.places:
            present = _value_at(self.base, path)
            for edge, value in _edges(node, present):
                edges.setdefault(edge, {})[path] = value
        return edges

    def with_values(self, changes: dict[Path, Any]) -> Manifest:
        """The complete object with these fields changed."""
        return self._changed(list(changes.items()), {})

    def _changed(self, changes: list[tuple[Path, Any]], annotations: dict[str, str]) -> Manifest:
        manifest = copy.deepcopy(self.base)
        for path, value in changes:
            _put(manifest, path, copy.deepcopy(value))
        if annotations:
            manifest["metadata"]["annotations"] = annotations
        return manifest


OTHER_TYPES: tuple[Any, ...] = ([], [None], ["a"], {}, 7, "7")
EXTREME_MOMENTS = (
    "9999-12-31T23:59:59-05:00",
    "9999-12-31T23:59:59Z",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "2026-03-01T10:00:00+99:59",
    "2026-03-01T10:00:00.1234567890123Z",
    "2026-03-01T10:00:00x5Z",
    "2026-03-01t10:00:00z",
    "2026-03-01T10:00:00ZTx",
    "2026-02-30T10:00:00Z",
    "1970-01-01T00:00:00+23:59",
    "2999-12-31T23:59:59.999999999-23:59",
    "3000-01-01T00:00:00Z",
)
EXTREME_DURATIONS = (
    "",
    "0s",
    "9999d",
    "9999d1s",
    "9999d99999h999999m99999999s",
    "99999999s",
    "1s\n",
)
EXTREME_BOUNDS = (
    "0", "-0", "-1", "-0.000000000001", "100", "100.000000000001", "10000%", "10000.000000000001%",
    "999999999999999.999999999999", "-999999999999999.999999999999%", "1\n",
)  # fmt: skip


def _edges(node: Node, present: Any) -> Iterator[tuple[str, Any]]:
    """The edges of one field, by a name that fields of the same kind share."""
    if node.get(INT_OR_STRING):
        yield from (("bound " + repr(bound), bound) for bound in EXTREME_BOUNDS)
    if "maximum" in node:
        yield from (("least", node["minimum"]), ("most", node["maximum"]))
        yield from (("too small", node["minimum"] - 1), ("too large", node["maximum"] + 1))
    yield from ((f"of another type: {other}", other) for other in OTHER_TYPES)
    if node.get("type") != "string" or "enum" in node:
        return
    if _is_moment(node):
        yield from (("moment " + repr(moment), moment) for moment in EXTREME_MOMENTS)
        return
    if any(DURATION_PATTERN in rule["rule"] for rule in node.get(RULES, ())):
        yield from (("duration " + repr(length), length) for length in EXTREME_DURATIONS)
        return
    if "pattern" in node:
        yield from ((f"tail {odd!a}", f"{present}{odd}") for odd in "\n\0\u2028\u0660")
        return
    yield from ((f"text {odd!a}", odd) for odd in ODD_CHARACTERS)
    if "maxLength" in node:
        yield "longest", "\U0001f3f4" * node["maxLength"]
        yield "too long", "\U0001f3f4" * (node["maxLength"] + 1)


def _value_at(node: Any, path: Path) -> Any:
    for part in path:
        try:
            node = node[part]
        except (KeyError, IndexError):
            return None
    return node


def _put(node: Any, path: Path, value: Any) -> None:
    """Put a value where the path leads, unless an earlier change took the way there."""
    *parents, last = path
    try:
        for parent in parents:
            node = node[parent]
        node[last] = value
    except (KeyError, IndexError, TypeError):
        return


def _places(path: Path, node: Node) -> Iterator[tuple[Path, Node]]:
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from _places((*path, name), child)
    if "items" in node:
        yield from _places((*path, 0), node["items"])


def _grounds() -> Iterator[Ground]:
    for definition, half in itertools.product(DEFINITIONS, ("spec", "status")):
        schema = structural_schema(definition.model, defaults=False)["properties"][half]
        base = copy.deepcopy(COMPLETE[definition.kind])
        if half == "status":
            base["status"] = sample(schema)
        yield Ground(definition.kind, half, base, tuple(_places((half,), schema)))


GROUNDS = tuple(_grounds())
