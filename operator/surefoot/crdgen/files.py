"""The generated files: what they should hold, and how that differs from what is there."""

import difflib
import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

import yaml

from surefoot.api.v1alpha1.meta import VERSION
from surefoot.crdgen.definitions import DEFINITIONS
from surefoot.crdgen.editor import editor_schema
from surefoot.crdgen.schema import Node

HEADER = "# Generated from the models in operator/surefoot/api by `make crds`: change those.\n"

Texts = Mapping[PurePath, str]


class _Dumper(yaml.SafeDumper):
    """YAML without anchors: the same node in two places is written twice."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the same for all data
        """PyYAML's hook: True for what may not become an anchor."""
        return True


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


def present_files(directory: Path) -> Texts:
    """The text of every file that this generator owns or once made."""
    paths = (path for pattern in ("*.yaml", "schemas/*.json") for path in directory.glob(pattern))
    return {path.relative_to(directory): path.read_text(encoding="utf-8") for path in paths}


def write(directory: Path) -> None:
    """Make the directory hold the generated files, and none that is no longer generated."""
    wanted = generated_files()
    for stale in present_files(directory).keys() - wanted.keys():
        (directory / stale).unlink()
    for path, text in wanted.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text, encoding="utf-8")


def differences(directory: Path) -> Iterator[str]:
    """The lines of a unified diff from what is there to what should be."""
    present, wanted = present_files(directory), generated_files()
    for path in sorted(present.keys() | wanted.keys()):
        yield from difflib.unified_diff(
            present.get(path, "").splitlines(keepends=True),
            wanted.get(path, "").splitlines(keepends=True),
            fromfile=str(directory / path),
            tofile=f"{directory / path} (generated)",
        )


def _as_yaml(manifest: Node) -> str:
    return yaml.dump(manifest, Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True)


def _as_json(schema: Node) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
