"""Every command of ours that the documentation shows exists, with the options that it shows."""

import re
import shlex
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from surefoot.cli.main import app as surefoot
from surefoot.plugin.app import app as plugin

ROOT = Path(__file__).parents[3]
PAGES = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")))
COMMAND = re.compile(
    r"(?:^|\$ |\| |&& |run: |as \w+ )"
    r"(?P<program>kubectl surefoot|surefoot)(?P<words>(?: [^\s`|#;&…]+)+)"
)
"""A command at the start of its line, after a prompt, or behind another one."""
PLACEHOLDERS = frozenset({"COMMAND", "[OPTIONS]"})
IN_CODE = re.compile(r"^(?: {4}|\s*\$ )(.*)$|`([^`\n]+)`")
ROOTS: dict[str, Any] = {
    "kubectl surefoot": typer.main.get_command(plugin),
    "surefoot": typer.main.get_command(surefoot),
}


def shown() -> Iterator[tuple[str, str, str]]:
    """Where a command stands, its program, and the words after it."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        for number, line in enumerate(text.splitlines(), 1):
            for code in IN_CODE.finditer(line):
                for match in COMMAND.finditer(code[1] or code[2] or ""):
                    where = f"{page.relative_to(ROOT)}:{number}"
                    yield where, match["program"], match["words"].strip()


@cache
def below(command: Any) -> Mapping[str, Any]:
    """The commands of a group, loaded once; a group loads them again each time it is asked."""
    found: Mapping[str, Any] = getattr(command, "commands", {})
    return found


def fault(program: str, text: str) -> str:
    """What is wrong with a command; empty if nothing is."""
    command = ROOTS[program]
    try:
        words = shlex.split(text)
    except ValueError:
        words = text.split()
    while words and words[0] in below(command):
        command = below(command)[words.pop(0)]
    is_word = bool(words) and not words[0].startswith("-") and words[0] not in PLACEHOLDERS
    if below(command) and is_word:
        return f"there is no command {words[0]}"
    known = {"-h", "--help", "--version", "--install-completion"}
    known |= {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    unknown = [word for word in words if re.match(r"--?[a-z]", word) and word not in known]
    return f"there is no option {unknown[0]}" if unknown else ""


def test_commands_that_are_shown_exist() -> None:
    """Anyone who copies one from a page must not be told that it does not exist."""
    faults = [
        f"{where}: {program} {text}: {wrong}"
        for where, program, text in shown()
        if (wrong := fault(program, text))
    ]
    assert faults == []


def test_enough_commands_are_found_to_say_so() -> None:
    """A pattern that matches nothing would find no fault."""
    assert len(list(shown())) > 100


@pytest.mark.parametrize(
    ("program", "text", "expected"),
    [
        ("kubectl surefoot", "explain checkout -n shop", ""),
        ("kubectl surefoot", "explian checkout", "there is no command explian"),
        ("kubectl surefoot", "record verify --record x", "there is no option --record"),
        ("surefoot", "ctl inbox -A", ""),
    ],
)
def test_fault_of_a_command_is_named(program: str, text: str, expected: str) -> None:
    """Subcommands are followed; words that are no options are arguments."""
    assert fault(program, text) == expected
