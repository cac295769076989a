"""What holds of the generated schemas as a whole, whatever the models say in particular."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from surefoot.api.v1alpha1.durations import (
    BOUND_PATTERN,
    DURATION_PATTERN,
    ELAPSED_PATTERN,
    LARGEST_BOUND,
    LONGEST_DURATION,
)
from surefoot.api.v1alpha1.moments import MOMENT_PATTERN
from surefoot.crdgen.definitions import DEFINITIONS, Definition
from surefoot.crdgen.editor import editor_schema
from surefoot.crdgen.schema import INT_OR_STRING, LIST_TYPE, RULES, Node
from surefoot.crdgen.structural import structural_schema
from tests.contract.bounds import BOUNDARIES
from tests.contract.cases import CASES
from tests.contract.manifests import COMPLETE, MINIMAL, changed
from tests.contract.models import KINDS

EVERY_KIND = pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda known: known.kind)
EDITOR_SCHEMAS = {kind: editor_schema(model) for kind, model in KINDS.items()}
EDITORS = {kind: jsonschema.Draft7Validator(schema) for kind, schema in EDITOR_SCHEMAS.items()}


def structural(definition: Definition) -> Node:
    """The schema in the CustomResourceDefinition."""
    version = definition.manifest()["spec"]["versions"][0]
    schema: Node = version["schema"]["openAPIV3Schema"]
    return schema


def nodes(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Every node with its path."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for keyword, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if keyword in node:
            yield from nodes(node[keyword], path + mark)


def ours(definition: Definition) -> Iterator[tuple[str, Node]]:
    """Every node of spec and status."""
    for part in ("spec", "status"):
        yield from nodes(structural(definition)["properties"][part], f".{part}")


@EVERY_KIND
def test_every_field_is_described(definition: Definition) -> None:
    """A description ends as a sentence does; of a list's scalars the list's own will do."""
    silent = [
        path
        for path, node in ours(definition)
        if (not path.endswith(("[]", "{}")) or "properties" in node)
        and not node.get("description", "").endswith((".", "`"))
    ]
    assert silent == []


@EVERY_KIND
def test_every_string_list_and_map_is_bounded(definition: Definition) -> None:
    """Without bounds a rule's cost cannot be estimated, and an object can grow past etcd."""
    bounds: dict[str, set[str]] = {
        "string": {"maxLength", "enum", "format", "pattern"},
        "array": {"maxItems"},
        "object": {"properties", "maxProperties"},
        "integer": {"maximum"},
        "boolean": {"type"},
    }
    unbounded = [
        path
        for path, node in ours(definition)
        if not bounds["string" if node.get(INT_OR_STRING) else node["type"]] & node.keys()
    ]
    assert unbounded == []


@EVERY_KIND
def test_every_list_says_how_it_is_merged(definition: Definition) -> None:
    """Server-side apply by several managers needs to know; atomic is a choice to be made."""
    unsaid = [p for p, node in ours(definition) if "items" in node and LIST_TYPE not in node]
    assert unsaid == []


@EVERY_KIND
def test_schema_is_structural(definition: Definition) -> None:
    """One type per node, nothing that refers, chooses, closes or is null."""
    foreign = {"$ref", "anyOf", "oneOf", "allOf", "const", "title", "nullable", "$defs"}
    for path, node in nodes(structural(definition)):
        assert not foreign & node.keys(), path
        assert ("type" in node) != (INT_OR_STRING in node), path
        assert isinstance(node.get("additionalProperties", {}), dict), path
        assert node.get("default", ...) not in (None, "", [], {}), path


@EVERY_KIND
def test_status_has_neither_defaults_nor_rules(definition: Definition) -> None:
    """A status is what the operator wrote, and nothing may ever stop it from writing.

    What was asked and not answered is Pending until then.
    """
    status = structural(definition)["properties"]["status"]
    at_first = status.pop("default", None)
    assert at_first == (None if definition.kind == "Rollout" else {"state": "Pending"})
    assert [path for path, node in nodes(status) if {"default", RULES} & node.keys()] == []


@EVERY_KIND
def test_metadata_is_left_to_the_api_server(definition: Definition) -> None:
    """Its schema is the same for all kinds, and not ours."""
    assert structural(definition)["properties"]["metadata"] == {"type": "object"}


@EVERY_KIND
def test_rules_say_in_words_what_must_be(definition: Definition) -> None:
    """Every rule has a message, and one that forbids a change says so by its reason."""
    for path, node in nodes(structural(definition)):
        for rule in node.get(RULES, ()):
            forbids = "oldSelf" in rule["rule"]
            assert rule["message"], path
            assert rule["reason"] == ("FieldValueForbidden" if forbids else "FieldValueInvalid")


def test_complete_manifests_have_every_field() -> None:
    """The bounds are tried on them: a field that they lack would not be tried."""
    for definition in DEFINITIONS:
        spec = structural(definition)["properties"]["spec"]
        assert list(lacking(spec, COMPLETE[definition.kind]["spec"], "spec")) == []


def lacking(node: Node, value: Any, path: str) -> Iterator[str]:
    """The fields of the schema that are nowhere in the value."""
    values = value if "items" in node else [value]
    for name, child in node.get("items", node).get("properties", {}).items():
        having = [one[name] for one in values if name in one]
        if not having:
            yield f"{path}.{name}"
        else:
            yield from lacking(child, having[0], f"{path}.{name}")


@pytest.mark.parametrize("kind", KINDS)
def test_editor_schema_is_a_json_schema(kind: str) -> None:
    """Of the draft that it claims to be."""
    jsonschema.Draft7Validator.check_schema(EDITOR_SCHEMAS[kind])


def test_editor_underlines_nothing_that_is_right() -> None:
    """What the API server takes, an editor takes."""
    underlined = [
        case.name
        for case in (*CASES, *BOUNDARIES)
        if case.accepted and not EDITORS[case.kind].is_valid(case.manifest)
    ]
    assert underlined == []


def test_editor_underlines_what_is_out_of_bounds() -> None:
    """Every bound of a single field is seen while typing.

    The calendar is up to the editor's formats, and what a text comes to as a number is said in the
    description: no editor runs the rules.
    """
    overlooked = [
        case
        for case in BOUNDARIES
        if not case.accepted and EDITORS[case.kind].is_valid(case.manifest)
    ]
    up_to_others = ("must be from ", LONGEST_DURATION)
    assert [c.name for c in overlooked if not any(word in c.says for word in up_to_others)] == []


@pytest.mark.parametrize(
    "path",
    ["spec.stepps", "spec.target.flag", "spec.hold.soack", "sepc", "spec.steps.0.holds"],
)
def test_editor_underlines_a_misspelt_field(path: str) -> None:
    """Which the API server would only warn of."""
    manifest = changed(MINIMAL["Rollout"], {"spec.hold": {}, path: {}})
    (error,) = EDITORS["Rollout"].iter_errors(manifest)
    assert path.rsplit(".", 1)[-1] in error.message


@pytest.mark.parametrize("kind", KINDS)
def test_editor_leaves_metadata_open(kind: str) -> None:
    """Labels, annotations and the rest are Kubernetes' own, only the name is asked for."""
    labelled = changed(MINIMAL[kind], {"metadata.labels": {"team": "search"}})
    assert EDITORS[kind].is_valid(labelled)
    assert not EDITORS[kind].is_valid({**MINIMAL[kind], "metadata": {}})
    assert not EDITORS[kind].is_valid({**MINIMAL[kind], "kind": "Rolout"})


def test_editor_shows_rules_it_cannot_check() -> None:
    """No editor runs CEL, but the hover text of the object names the rules."""
    spec = EDITOR_SCHEMAS["Rollout"]["properties"]["spec"]
    assert "- the last step must be 100" in spec["description"]


def _numbers(path: str, node: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every number of a schema, and every text that stands for one, by its path."""
    pattern = str(node.get("pattern", ""))
    rules = "".join(rule["rule"] for rule in node.get("x-kubernetes-validations", ()))
    is_length = pattern == ELAPSED_PATTERN or DURATION_PATTERN in rules
    is_moment = pattern == MOMENT_PATTERN or MOMENT_PATTERN in rules
    is_number = node.get("type") in {"integer", "number"} or node.get("x-kubernetes-int-or-string")
    if is_number or is_length or is_moment:
        yield path, node
    for name, child in node.get("properties", {}).items():
        yield from _numbers(f"{path}.{name}", child)
    for keyword in ("items", "additionalProperties"):
        if isinstance(node.get(keyword), dict):
            yield from _numbers(f"{path}[]", node[keyword])


NUMBERS = [
    pytest.param(node, id=path)
    for definition in DEFINITIONS
    for path, node in _numbers(
        definition.kind, structural_schema(definition.model, defaults=definition.defaults)
    )
]
BOUNDED_TEXTS = {ELAPSED_PATTERN, BOUND_PATTERN, MOMENT_PATTERN, "^(PreviousStep|Zero)$"}
"""Forms that let no number through which is larger or smaller than a number that they name."""


@pytest.mark.parametrize("node", NUMBERS)
def test_every_number_has_a_lower_and_an_upper_bound(node: dict[str, Any]) -> None:
    """Counts, percentages, bounds, lengths of time and moments alike, in plan and status."""
    if node.get("type") in {"integer", "number"}:
        assert node["minimum"] < node["maximum"] <= 1_000_000_000
        return
    if node.get("x-kubernetes-int-or-string"):
        assert node["minimum"] < node["maximum"] <= LARGEST_BOUND
    rules = [rule["message"] for rule in node.get("x-kubernetes-validations", ())]
    is_length = f"must be a duration of at most {LONGEST_DURATION}" in rules
    is_moment = any(rule.startswith("must be a moment from 1970 to 2999") for rule in rules)
    assert is_length or is_moment or node["pattern"] in BOUNDED_TEXTS


def test_there_are_numbers_of_every_kind() -> None:
    """Were they not found, the test above would prove nothing."""
    assert len(NUMBERS) > 100


def test_descriptions_name_defaults_and_bounds() -> None:
    """`kubectl explain` shows no other part of a schema than descriptions and choices."""
    rollout = next(known for known in DEFINITIONS if known.kind == "Rollout")
    spec = structural(rollout)["properties"]["spec"]["properties"]
    assert spec["approvals"]["properties"]["maxAge"]["description"].endswith("Default: 7d.")
    step = spec["steps"]["items"]["properties"]["percent"]
    assert step["description"].endswith("A whole number from 0 to 100.")
    assert spec["steps"]["description"].endswith("From 1 to 20 entries.")
    gate = spec["gates"]["items"]["properties"]["for"]
    assert gate["description"].endswith("A duration such as 90s, 30m, 48h or 7d. Default: 0s.")


@EVERY_KIND
def test_definition_can_be_applied_by_the_client(definition: Definition) -> None:
    """Client-side apply keeps a copy in an annotation, for which there are 262144 bytes."""
    manifest = json.dumps(definition.manifest(), separators=(",", ":"))
    assert len(manifest.encode()) < 200_000
