"""The page of the operator's configuration file: every key, from the models that read it."""

from collections.abc import Iterator
from typing import Any

from surefoot.adapters.settings import Settings
from surefoot.crdgen.schema import WithDescriptions
from surefoot.docgen.markdown import code, page, table

_INTRODUCTION = """\
`surefoot run --config FILE` reads one YAML file. In the cluster it is the ConfigMap
`surefoot-config`, which the chart makes from `config` and kustomize from
[`manifests/base/config.yaml`](../../manifests/base/config.yaml). Every key is optional. A key that does
not exist is refused, and the message names it:

    surefoot run --config FILE --check-config

The operator reads the file again when it changes. A file that cannot be read changes nothing: the
configuration that was last readable stays in force, and the alert `SurefootConfigurationNotRead` fires.
`listen`, `workers`, `logFormat` and `operatorNamespace` are read at the start only.

Secrets are never in the file. Each is read from a file of its own, which a Secret provides.
"""


def configuration_page() -> str:
    """The text of the page."""
    schema = Settings.model_json_schema(schema_generator=WithDescriptions)
    return page(
        "Configuration",
        "operator/surefoot/adapters/settings.py",
        _INTRODUCTION,
        _sections(schema),
    )


def _sections(schema: dict[str, Any]) -> Iterator[str]:
    definitions = schema["$defs"]
    waiting = [("", schema)]
    while waiting:
        path, section = waiting.pop(0)
        yield f"## `{path}`" if path else "## The file"
        yield ""
        if section.get("description") and path:
            yield section["description"]
            yield ""
        required = set(section.get("required", ()))
        rows = []
        for name, field in section["properties"].items():
            where = f"{path}.{name}" if path else name
            below = _section_of(field, definitions)
            if below is not None:
                waiting.append((where + ("[]" if field.get("type") == "array" else ""), below))
            rows.append((code(name), _default(field, name in required), _meaning(field)))
        yield from table(("key", "default", "meaning"), rows)
        yield ""


def _section_of(field: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any] | None:
    for node in (field, field.get("items", {}), *field.get("anyOf", ())):
        name = node.get("$ref", "").rpartition("/")[2]
        if name and "properties" in definitions[name]:
            section: dict[str, Any] = definitions[name]
            return section
    return None


def _default(field: dict[str, Any], is_required: bool) -> str:
    if is_required:
        return "required"
    default = field.get("default")
    if default in (None, "", []) or isinstance(default, dict):
        return "none"
    return code(str(default).lower() if isinstance(default, bool) else str(default))


def _meaning(field: dict[str, Any]) -> str:
    meaning: str = field.get("description", "")
    bounds = [
        f"{word} {field[keyword]}{unit}."
        for keyword, word, unit in (
            ("minimum", "At least", ""),
            ("maximum", "At most", ""),
            ("maxItems", "At most", " entries"),
        )
        if keyword in field
    ]
    return " ".join((meaning, *bounds))
