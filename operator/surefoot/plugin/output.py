"""What is printed. Text that others wrote cannot play tricks on the terminal."""

import json
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

WITHOUT_A_TERMINAL = 10_000
"""Columns where no terminal limits them: anyone who reads a pipe wants lines, not pages."""


def safe(text: str) -> str:
    """The text without control characters and marks that turn its direction; lines stay lines."""
    return "".join("\ufffd" if _plays_tricks(character) else character for character in text)


def _plays_tricks(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf"} and character not in "\n\t\u200d"


def say(text: str) -> None:
    """Print it."""
    typer.echo(safe(text))


def warn(text: str) -> None:
    """Print it on standard error."""
    typer.echo(safe(text), err=True)


def say_json(value: Any) -> None:
    """Print it as JSON."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def say_table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print columns as kubectl does; on a terminal, long cells are folded."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for title in titles:
        table.add_column(safe(title.upper()), overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    console = _console()
    with console.capture() as capture:
        console.print(table)
    typer.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))


def _cell(value: object) -> str:
    return "" if value is None else safe(str(value))


def _console() -> Console:
    width = None if sys.stdout.isatty() else WITHOUT_A_TERMINAL
    return Console(file=sys.stdout, width=width, markup=False, highlight=False, emoji=False)
