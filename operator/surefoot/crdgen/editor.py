"""JSON Schemas for editors: completion, hover texts, and a red line under a misspelt field."""

from surefoot.api.v1alpha1.meta import ApiModel
from surefoot.crdgen.schema import INT_OR_STRING, LIST_TYPE, RULES, Node, each_node, schema_tree

DRAFT = "http://json-schema.org/draft-07/schema#"


def editor_schema(kind: type[ApiModel]) -> Node:
    """What an editor checks of a manifest of this kind, as draft-07, which all of them speak."""
    tree = schema_tree(kind)
    metadata = {
        "description": "Standard object metadata; a name is needed.",
        "type": "object",
        "required": ["name"],
    }
    fields = {**tree["properties"], "metadata": metadata}
    fields["apiVersion"] = _said_of(fields["apiVersion"], "The version of this contract.")
    fields["kind"] = _said_of(fields["kind"], "What kind of object this is.")
    schema = each_node({**tree, "properties": fields}, _for_editors)
    return {
        "$schema": DRAFT,
        "title": kind.__name__,
        **schema,
        "required": ["apiVersion", "kind", "metadata", "spec"],
    }


def _said_of(node: Node, description: str) -> Node:
    return {"description": description, **node}


def _for_editors(node: Node) -> Node:
    for step in (_either_type, _closed, _told_of_rules, _without_extensions):
        node = step(node)
    return node


def _either_type(node: Node) -> Node:
    if not node.get(INT_OR_STRING):
        return node
    rest = {keyword: value for keyword, value in node.items() if keyword != "anyOf"}
    return {**rest, "type": ["integer", "string"]}


def _closed(node: Node) -> Node:
    """An object that names its fields has no others; an editor should say so."""
    return {**node, "additionalProperties": False} if "properties" in node else node


def _told_of_rules(node: Node) -> Node:
    """No editor runs CEL, in which the rules are: at least the hover text has them."""
    if RULES not in node:
        return node
    rules = (rule["message"] for rule in node[RULES])
    return {**node, "description": "\n".join((node["description"], "", *map("- {}".format, rules)))}


def _without_extensions(node: Node) -> Node:
    kept = {key: value for key, value in node.items() if not key.startswith("x-kubernetes-")}
    return {**kept, "uniqueItems": True} if node.get(LIST_TYPE) == "set" else kept
