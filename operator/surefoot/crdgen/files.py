"""The files of `crds`: what they should hold."""

import functools
import json
from pathlib import Path, PurePath

import yaml

from surefoot.api.v1alpha1.meta import VERSION
from surefoot.crdgen.definitions import DEFINITIONS
from surefoot.crdgen.editor import editor_schema
from surefoot.crdgen.schema import Node
from surefoot.generated import Generator, PlainDumper, Texts

HEADER = "# Generated from the models in operator/surefoot/api by `make crds`: change those.\n"


@functools.cache
def generated_files() -> Texts:
    """The text of every generated file, by its path below the directory `crds`."""
    definitions = {
        PurePath(f"{definition.name}.yaml"): HEADER + _as_yaml(definition.manifest())
        for definition in DEFINITIONS
    }
    schemas = {
        PurePath("schemas", f"{definition.kind.lower()}_{VERSION}.json"): _as_json(
            editor_schema(definition.model)
        )
        for definition in DEFINITIONS
    }
    return definitions | schemas


def _as_yaml(manifest: Node) -> str:
    return yaml.dump(manifest, Dumper=PlainDumper, sort_keys=False, width=100, allow_unicode=True)


def _as_json(schema: Node) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


FILES = Generator(
    generated_files,
    patterns=("*.yaml", "schemas/*.json"),
    directory=Path("crds"),
    source="models",
    target="crds",
)
