"""A page for each kind: every field with its type, default, bounds and meaning."""

from collections.abc import Iterator
from typing import Any

from surefoot.crdgen.definitions import DEFINITIONS, Definition
from surefoot.crdgen.schema import INT_OR_STRING, RULES, Node
from surefoot.docgen.markdown import code, listed, page, table

_INTRODUCTION = """\
{description} The same texts are in the cluster: `kubectl explain {short}.spec`.

- API version: `surefoot.dev/v1alpha1`
- Kind: `{kind}`, in the plural `{plural}`, short `{short}`; in commands beside other projects'
  kinds write `{plural}.surefoot.dev`
- Scope: a namespace
"""


def kind_pages() -> Iterator[tuple[str, str]]:
    """The name and the text of each page."""
    for definition in DEFINITIONS:
        yield f"{definition.kind.lower()}.md", _kind_page(definition)


def _kind_page(definition: Definition) -> str:
    version = definition.manifest()["spec"]["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]
    introduction = _INTRODUCTION.format(
        description=schema["description"],
        kind=definition.kind,
        plural=definition.plural,
        short=definition.short_name,
    )
    return page(
        definition.kind,
        "operator/surefoot/api",
        introduction,
        (*_columns(version), *_sections(schema)),
    )


def _columns(version: Node) -> Iterator[str]:
    yield "## Columns of `kubectl get`"
    yield ""
    yield from table(
        ("column", "meaning", "shown"),
        (
            (
                column["name"],
                column["description"],
                "`-o wide`" if column.get("priority") else "always",
            )
            for column in version["additionalPrinterColumns"]
        ),
    )
    yield ""


def _sections(schema: Node) -> Iterator[str]:
    known: dict[str, str] = {}
    for name in ("spec", "status"):
        yield from _section(name, schema["properties"][name], known)


def _section(path: str, node: Node, known: dict[str, str]) -> Iterator[str]:
    """A table of the object's fields, then the sections of the objects below it."""
    below = []
    yield f"## `{path}`"
    yield ""
    yield from _description(node)
    rows = []
    required = set(node.get("required", ()))
    for name, field in node["properties"].items():
        where = f"{path}.{name}" + ("[]" if _is_list_of_objects(field) else "")
        child = field.get("items", field) if _is_list_of_objects(field) else field
        meaning = field.get("description", child.get("description", ""))
        if child.get("properties"):
            shape = repr(child["properties"])
            first = known.setdefault(shape, where)
            if first == where:
                below.append((where, child))
            meaning += f" See [`{first}`](#{_anchor(first)})."
        needed = "yes" if name in required else ""
        rows.append((code(name), _type(field), needed, meaning))
    yield from table(("field", "type", "required", "meaning"), rows)
    yield ""
    yield from _rules(node)
    for where, child in below:
        yield from _section(where, child, known)


def _description(node: Node) -> Iterator[str]:
    if node.get("description"):
        yield node["description"]
        yield ""


def _rules(node: Node) -> Iterator[str]:
    messages = [rule["message"] for rule in node.get(RULES, ())]
    if messages:
        yield "Rules that the API server enforces:"
        yield ""
        yield from (f"- {message}" for message in messages)
        yield ""


def _is_list_of_objects(field: Node) -> bool:
    return "properties" in field.get("items", {})


def _type(field: Node) -> str:
    if "enum" in field:
        return " or ".join(map(code, map(_plain, field["enum"])))
    if field.get(INT_OR_STRING):
        return "number or text"
    if field.get("type") == "array":
        items = field["items"]
        if "enum" in items:
            return f"list of {listed(items['enum'])}"
        return f"list of {'objects' if 'properties' in items else _type(items)}"
    if field.get("format") == "date-time":
        return "moment"
    return {"integer": "whole number", "string": "text", "boolean": "true or false"}.get(
        field.get("type", ""), "object"
    )


def _plain(value: Any) -> str:
    return str(value)


def _anchor(path: str) -> str:
    return "".join(letter for letter in path.lower() if letter.isalnum() or letter == "_")
