"""YAML that people read: no anchors, scripts as literal blocks, keys in their own order."""

from typing import Any

import yaml

from surefoot.generated import PlainDumper

WIDTH = 100


class _Dumper(PlainDumper):
    """Text of several lines as a literal block."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style)


_Dumper.add_representer(str, _text)


def as_yaml(value: Any) -> str:
    """A value as YAML."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=WIDTH, allow_unicode=True)
