"""The schema tree: one node per field, without references, nulls and pydantic's own notes."""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from surefoot.api.v1alpha1.descriptions import descriptions_of
from surefoot.api.v1alpha1.meta import ApiModel, Rule

Node = dict[str, Any]

RULES = "x-kubernetes-validations"
INT_OR_STRING = "x-kubernetes-int-or-string"
LIST_TYPE = "x-kubernetes-list-type"

_LOCAL_REFERENCE = "#/$defs/"
_NULL = {"type": "null"}


def schema_tree(kind: type[ApiModel]) -> Node:
    """Everything that a kind says of its fields, spelled out from the root to the leaves."""
    schema = kind.model_json_schema(schema_generator=_WithRules)
    definitions = schema.pop("$defs", {})
    return each_node(_inlined(schema, definitions), _plain)


def each_node(node: Node, change: Callable[[Node], Node]) -> Node:
    """The schema with every node changed, the leaves first."""
    return change(_with_children(node, lambda child: each_node(child, change)))


class WithDescriptions(GenerateJsonSchema):
    """Pydantic's generator, putting what is written below each field beside it."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Pydantic's hook, called for each model."""
        node = super().model_schema(schema)
        model: type[BaseModel] = schema["cls"]
        texts = descriptions_of(model)
        for name, field in model.model_fields.items():
            if name in texts:
                node["properties"][field.alias or name].setdefault("description", texts[name])
        return node


class _WithRules(WithDescriptions):
    """The same with each model's rules."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Pydantic's hook, called for each model."""
        node = super().model_schema(schema)
        rules: tuple[Rule, ...] = getattr(schema["cls"], "rules", ())
        return {**node, RULES: [_validation(rule) for rule in rules]} if rules else node

    def sort(
        self,
        value: JsonSchemaValue,
        parent_key: str | None = None,  # noqa: ARG002 - the same for all
    ) -> JsonSchemaValue:
        """Pydantic's hook: the order in which things are said is the models'."""
        return value


def _validation(rule: Rule) -> Node:
    validation = {
        "rule": rule.cel,
        "message": rule.message,
        "reason": "FieldValueForbidden" if "oldSelf" in rule.cel else "FieldValueInvalid",
    }
    return {**validation, "fieldPath": rule.field} if rule.field else validation


def _with_children(node: Node, change: Callable[[Node], Node]) -> Node:
    changed = dict(node)
    if "properties" in node:
        changed["properties"] = {name: change(sub) for name, sub in node["properties"].items()}
    if "anyOf" in node:
        changed["anyOf"] = [change(alternative) for alternative in node["anyOf"]]
    for keyword in ("items", "additionalProperties"):
        if isinstance(node.get(keyword), dict):
            changed[keyword] = change(node[keyword])
    return changed


def _inlined(node: Node, definitions: dict[str, Node]) -> Node:
    """The node with references replaced by what they mean; the words beside one take precedence."""
    if "$ref" in node:
        meant = definitions[node["$ref"].removeprefix(_LOCAL_REFERENCE)]
        node = {**meant, **{key: value for key, value in node.items() if key != "$ref"}}
    return _with_children(node, lambda child: _inlined(child, definitions))


def _plain(node: Node) -> Node:
    steps = (_absent_rather_than_null, _default_that_says_something, _choice_for_a_constant)
    for step in (*steps, _one_paragraph, _no_title):
        node = step(node)
    return node


def _absent_rather_than_null(node: Node) -> Node:
    """Optional means that the field may be left out; nothing on the wire is ever null."""
    if _NULL not in node.get("anyOf", ()):
        return node
    alternatives = [alternative for alternative in node["anyOf"] if alternative != _NULL]
    rest = without(node, "anyOf")
    return (
        {**alternatives[0], **rest} if len(alternatives) == 1 else {**rest, "anyOf": alternatives}
    )


def _default_that_says_something(node: Node) -> Node:
    """An empty list, text or object by default is what absence means anyway."""
    default = node.get("default")
    says_nothing = default in (None, "", []) or isinstance(default, dict)
    return without(node, "default") if says_nothing else node


def _choice_for_a_constant(node: Node) -> Node:
    return {**without(node, "const"), "enum": [node["const"]]} if "const" in node else node


def _one_paragraph(node: Node) -> Node:
    if "description" not in node:
        return node
    return {"description": " ".join(node["description"].split()), **without(node, "description")}


def _no_title(node: Node) -> Node:
    return without(node, "title")


def without(node: Node, *keywords: str) -> Node:
    """The node less some keywords."""
    return {keyword: value for keyword, value in node.items() if keyword not in keywords}
