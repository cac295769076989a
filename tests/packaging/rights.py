"""The table of docs/rights.md, which command needs which rights."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from deploy.project import ROOT

PAGE = ROOT / "docs" / "rights.md"
ROW = re.compile(r"^\| (`.+`) \| ((?:\w+ \w+(?:, )?)+) \| ([\w, ]+) \|$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Needs:
    """What a command needs, as the page says: verbs on resources, and the roles that have these."""

    command: str
    rights: tuple[tuple[str, str], ...]
    roles: tuple[str, ...]


def table() -> Iterator[Needs]:
    """The rows of the page, one for each command."""
    for commands, rights, roles in ROW.findall(PAGE.read_text("utf-8")):
        for command in re.findall(r"`(.+?)`", commands):
            yield Needs(
                command,
                tuple((verb, resource) for verb, resource in map(str.split, rights.split(", "))),
                tuple(roles.split(", ")),
            )
