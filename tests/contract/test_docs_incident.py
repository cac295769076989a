"""The table of the incident names tests and commands that there are."""

import re
from pathlib import Path

import pytest
import typer
import typer.main

from surefoot.plugin.app import app

PROJECT = Path(__file__).parents[2]
TABLE = (PROJECT / "docs" / "incident.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
    for line in TABLE.splitlines()
    if re.match(r"\| \d", line)
]
TESTS = frozenset(
    name
    for file in (PROJECT / "tests").rglob("test_*.py")
    for name in re.findall(r"^\s*(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE)
)
SECTIONS = (
    *("1.1", "1.3", "1.4", "2.1", "2.2", "2.3", "3.1", "3.2", "3.3", "3.4"),
    *("4.1", "4.2", "4.3", "4.4", "5.1", "5.2", "5.3", "5.4", "6.1", "6.2", "6.3", "6.4"),
    *("7.1", "7.2", "7.3", "7.4", "8.1", "8.2", "8.3"),
    *("9.1 P1", "9.1 P2", "9.1 P3", "9.1 P4", "9.1 P5"),
    *("9.2.1", "9.2.2", "9.2.3", "9.2.4", "9.3"),
    *(f"9.4 risk {number}" for number in range(1, 6)),
    *("10.1", "10.2", "10.3", *(f"10.4 A{number}" for number in range(1, 7))),
    *(f"10.5 I{number}" for number in range(1, 6)),
    *("11.1", "11.2", "11.3", "11.4", "12"),
    *(f"App. {letter}" for letter in "ABCDE"),
)
"""Every part of the audit that recommends something, or finds that something was missing."""


def named_in(cell: str) -> set[str]:
    """The parts of the audit that the first cell of a row names."""
    return set(re.sub(r"App\. (\w), (\w)(?!\.)", r"App. \1, App. \2", cell).split(", "))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_row_names_tests_that_there_are(row: list[str]) -> None:
    """A feature whose test is gone is no longer shown to be there."""
    named = re.findall(r"`(test_\w+)`", row[3])
    assert named, row
    assert set(named) <= TESTS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_row_names_a_command_that_there_is(row: list[str]) -> None:
    """What can be typed can be found."""
    command = typer.main.get_command(app)
    assert isinstance(command, typer.core.TyperGroup)
    for name in re.findall(r"`kubectl surefoot ([a-z-]+)", row[4]):
        assert name in command.commands
    assert re.match(r"`(kubectl|make) ", row[4])


@pytest.mark.parametrize("section", SECTIONS)
def test_every_part_of_the_audit_is_answered(section: str) -> None:
    """None is left to discipline without a word."""
    assert any(section in named_in(row[0]) for row in ROWS)


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#]+)", TABLE))
def test_links_lead_somewhere(target: str) -> None:
    """Relative to the page."""
    assert (PROJECT / "docs" / target).exists()
