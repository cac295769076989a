"""How the schema that a cluster serves differs from the one that this command was made with. Pure.

Everybody who may ask the API server anything may read its OpenAPI document; the
CustomResourceDefinitions themselves are for administrators.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from surefoot.api.v1alpha1.names import API_VERSION
from surefoot.crdgen.definitions import DEFINITIONS

JSON = Mapping[str, Any]
PATH = f"/openapi/v3/apis/{API_VERSION}"
SHOWN = 3
IGNORED = frozenset({"apiVersion", "kind", "metadata"})
"""Fields that every object has: the API server describes them in its own words."""


@dataclass(frozen=True, slots=True)
class Differences:
    """Fields as `Rollout.spec.steps[].hold`, and values as `Rollout.spec.triggers[].action=Hold`.

    ``newer``: what the cluster knows and this command does not. ``older``: the opposite.
    """

    newer: tuple[str, ...]
    older: tuple[str, ...]

    def in_words(self) -> str:
        """What to say of them."""
        newer = f"newer than this command, which does not know {_some(self.newer)}"
        older = f"older than this command, without {_some(self.older)}"
        if self.newer and self.older:
            return f"{newer}; and {older}"
        return newer if self.newer else older if self.older else "as this command knows them"


def _some(paths: tuple[str, ...]) -> str:
    more = len(paths) - SHOWN
    return ", ".join(paths[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def differences(document: JSON) -> Differences:
    """What the schemas of an OpenAPI document have more or less than the models."""
    served: dict[str, JSON] = {}
    for schema in (document.get("components") or {}).get("schemas", {}).values():
        for each in schema.get("x-kubernetes-group-version-kind") or ():
            if f"{each.get('group')}/{each.get('version')}" == API_VERSION:
                served[str(each.get("kind"))] = schema
    there, here = set[str](), set[str]()
    for definition in DEFINITIONS:
        (version,) = definition.manifest()["spec"]["versions"]
        here |= {definition.kind, *_paths(version["schema"]["openAPIV3Schema"], definition.kind)}
        if definition.kind in served:
            there |= {definition.kind, *_paths(served[definition.kind], definition.kind)}
    return Differences(_outermost(there - here), _outermost(here - there))


def _paths(schema: JSON, path: str) -> Iterator[str]:
    """Every field and every value that a schema allows, by path."""
    for value in schema.get("enum") or ():
        yield f"{path}={value}"
    for name, inner in (schema.get("properties") or {}).items():
        if name not in IGNORED or "." in path:
            yield f"{path}.{name}"
            yield from _paths(inner, f"{path}.{name}")
    for part, mark in (("items", "[]"), ("additionalProperties", "{}")):
        inner = schema.get(part)
        if isinstance(inner, Mapping):
            yield from _paths(inner, f"{path}{mark}")


def _outermost(paths: set[str]) -> tuple[str, ...]:
    """Without the parts of what is a difference as a whole."""
    return tuple(path for path in sorted(paths) if not any(up in paths for up in _above(path)))


def _above(path: str) -> Iterator[str]:
    for index, character in enumerate(path):
        if character in ".=[{":
            yield path[:index]
