"""What `kubectl explain` says of a field after its meaning: its default, its unit, its bounds.

`kubectl explain` shows the description and the choices of a field, and nothing else of its schema.
So these are added to the description, from the schema itself: they cannot differ from it.
"""

from collections.abc import Iterator

from surefoot.api.v1alpha1.durations import DURATION_PATTERN, LARGEST_BOUND
from surefoot.crdgen.schema import INT_OR_STRING, Node

LARGEST_WHOLE = 1_000_000_000
"""A bound that only keeps numbers within what computers store is not worth a sentence."""
LONG_TEXT = 128
"""Texts that may be longer than this are prose, and people may reach their limit."""


def with_bounds_in_words(node: Node) -> Node:
    """The node with a description that names its default and its bounds."""
    if "description" not in node or "properties" in node:
        return node
    return {**node, "description": " ".join((node["description"], *_facts(node)))}


def _facts(node: Node) -> Iterator[str]:
    yield from _form(node)
    if "default" in node:
        default = node["default"]
        yield f"Default: {str(default).lower() if isinstance(default, bool) else default}."


def _form(node: Node) -> Iterator[str]:
    if node.get("pattern") == DURATION_PATTERN:
        yield "A duration such as 90s, 30m, 48h or 7d."
    elif node.get("type") == "array":
        least, most = node.get("minItems", 0), node.get("maxItems")
        if most is not None:
            yield f"{f'From {least} to' if least else 'At most'} {most} entries."
    elif node.get("type") == "integer" or node.get(INT_OR_STRING):
        yield from _range(node)
    elif node.get("type") == "string" and "enum" not in node:
        most = node.get("maxLength", 0)
        if most > LONG_TEXT and "pattern" not in node:
            yield f"At most {most} characters."


def _range(node: Node) -> Iterator[str]:
    least, most = node.get("minimum"), node.get("maximum")
    if least is None or most is None or most == LARGEST_BOUND:
        return
    if most == LARGEST_WHOLE:
        yield f"A whole number, {least} or more."
    elif node.get("type") == "integer":
        yield f"A whole number from {least} to {most}."
    else:
        yield f"From {least} to {most}."
