"""What is printed. Text that others wrote cannot play tricks on the terminal."""

import json
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import typer

from surefoot.plugin.commands.options import Format
from surefoot.reports.visible import visible

WITHOUT_A_TERMINAL = 10_000
"""Columns where no terminal limits them: anyone who reads a pipe wants lines, not pages."""
WITHOUT_A_SIZE = 80
"""Columns of a terminal that does not tell how wide it is."""
NARROWEST = 20
safe = visible


def say(text: str) -> None:
    """Print it."""
    typer.echo(safe(text))


Line = str | Sequence["Cell | str"]
"""A line, or its parts, some of which have a colour."""


def say_lines(lines: Iterable[Line]) -> None:
    """Print lines; on a terminal what is longer than it is wide goes on below, indented."""
    for line in lines:
        parts = [line] if isinstance(line, str) else line
        cells = [part if isinstance(part, Cell) else Cell(part) for part in parts]
        typer.echo("\n".join(_folded([Cell(safe(cell.text), cell.colour) for cell in cells])))


def _folded(cells: Sequence["Cell"], most: int | None = None) -> list[str]:
    """One line, or several where it is too long for the terminal. A command stays whole."""
    text = "".join(cell.text for cell in cells)
    most = columns() if most is None else most
    if width(text) <= most or text.lstrip().startswith("$ "):
        return ["".join(coloured(cell.text, cell.colour) for cell in cells)]
    colours = [cell.colour for cell in cells for _ in cell.text]
    own = len(text) - len(text.lstrip(" "))
    indent = " " * min(own + 2, most // 2)
    lines, start, end, before = [], 0, 0, ""
    for word in re.finditer(r"\S+", text):
        if text[start:end].strip() and width(f"{before}{text[start : word.end()]}") > most:
            lines.append(before + _coloured_part(text, colours, start, end))
            before, start = indent, word.start()
        end = word.end()
    return [*lines, before + _coloured_part(text, colours, start, end)]


def _coloured_part(text: str, colours: Sequence[str | None], start: int, end: int) -> str:
    runs = groupby(range(start, end), key=lambda place: colours[place])
    return "".join(coloured("".join(text[i] for i in places), colour) for colour, places in runs)


def warn(text: str) -> None:
    """Print it on standard error; on a terminal what is longer than it is wide goes on below."""
    most = _columns_of_errors()
    for line in safe(text).split("\n"):
        typer.echo("\n".join(_folded([Cell(line)], most)), err=True)


def _columns_of_errors() -> int:
    if not is_watched():
        return _columns_of_a_pipe()
    try:
        return max(NARROWEST, os.get_terminal_size(sys.stderr.fileno()).columns or WITHOUT_A_SIZE)
    except (OSError, ValueError):
        return WITHOUT_A_SIZE


def is_watched() -> bool:
    """Whether somebody sees what is printed on standard error."""
    return sys.stderr.isatty()


def progress(text: str) -> None:
    """Say on a terminal how far it is, over what was said before; nothing wipes it."""
    if is_watched():
        sys.stderr.write(f"\r{cut(safe(text), shutil.get_terminal_size().columns - 1)}\x1b[K")
        sys.stderr.flush()


def fault_text(error: Exception) -> str:
    """What to say of a fault of the program itself."""
    return (
        f"Error: a fault of this program: {type(error).__name__}: {error}; with SUREFOOT_TRACE=1 "
        "it shows where, and `kubectl surefoot report bundle` collects what a maintainer needs"
    )


def say_json(value: Any) -> None:
    """Print it as JSON."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def say_data(value: Any, format_: Format) -> None:
    """Print it as JSON or YAML."""
    if format_ is Format.JSON:
        say_json(value)
        return
    import yaml  # noqa: PLC0415 - it takes long to load

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text = yaml.dump(value, Dumper=dumper, sort_keys=False, allow_unicode=False, width=10_000)
    typer.echo(text, nl=False)


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name that may have been meant; None where none is like it."""
    from difflib import get_close_matches  # noqa: PLC0415 - for mistakes only

    return next(iter(get_close_matches(name, sorted(set(names)), 1, 0.6)), None)


class Cell(NamedTuple):
    """A text of a table, with its colour where it has one; `BOLD` is one."""

    text: str
    colour: str | None = None


BOLD = "bold"


def is_terminal() -> bool:
    """Whether the answer goes to somebody's eyes."""
    return sys.stdout.isatty()


def is_coloured() -> bool:
    """Whether colours are wanted: on a terminal that can show them, unless NO_COLOR is set."""
    has_colours = os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")
    return is_terminal() and has_colours


def coloured(text: str, colour: str | None) -> str:
    """The text in a colour, where colours are wanted."""
    if not colour or not is_coloured():
        return text
    return typer.style(text, bold=True) if colour == BOLD else typer.style(text, fg=colour)


def has_blocks() -> bool:
    """Whether bars can be drawn with more than ASCII."""
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


def _columns_of_a_pipe() -> int:
    """What SUREFOOT_COLUMNS says, where that is a number."""
    try:
        return max(NARROWEST, int(os.environ.get("SUREFOOT_COLUMNS") or WITHOUT_A_TERMINAL))
    except ValueError:
        return WITHOUT_A_TERMINAL


def columns() -> int:
    """How wide a line may be."""
    if not is_terminal():
        return _columns_of_a_pipe()
    return max(NARROWEST, shutil.get_terminal_size().columns)


def width(text: str) -> int:
    """How many columns it takes on a terminal."""
    return sum(
        0
        if unicodedata.combining(character)
        else 1 + (unicodedata.east_asian_width(character) in {"W", "F"})
        for character in text
    )


def cut(text: str, most: int) -> str:
    """The text in at most so many columns."""
    if width(text) <= most:
        return text
    kept = ""
    for character in text:
        if width(kept + character) >= most:
            break
        kept += character
    return f"{kept}…" if has_blocks() else f"{kept}~"


def table_lines(titles: Sequence[str], rows: Iterable[Sequence[Cell | object]]) -> list[str]:
    """Columns as kubectl prints them. What does not fit is cut off the widest columns."""
    lines = table_cells(titles, rows)
    return ["".join(coloured(cell.text, cell.colour) for cell in line) for line in lines]


def table_cells(
    titles: Sequence[str], rows: Iterable[Sequence[Cell | object]], limit: int | None = None
) -> list[list[Cell]]:
    """The same, to become a part of other lines."""
    cells = [[_cell(value) for value in row] for row in rows]
    heads = [Cell(safe(title.upper()), BOLD) for title in titles]
    widths = [max(width(row[i].text) for row in [heads, *cells]) for i in range(len(heads))]
    room = (limit or columns()) - 2 * (len(widths) - 1)
    while sum(widths) > room and max(widths) > 4:
        widths[max(range(len(widths)), key=lambda i: (widths[i], i))] -= 1
    while sum(widths) + 2 * (len(widths) - 1) > (limit or columns()) and len(widths) > 1:
        widths.pop()  # the last columns say what matters least in so little room
    return [_line(row, widths) for row in (heads, *cells)]


def _line(row: Sequence[Cell], widths: Sequence[int]) -> list[Cell]:
    parts = []
    for cell, most in zip(row, widths, strict=False):
        text = cut(cell.text, most)
        parts += [Cell(text, cell.colour), Cell(" " * (most - width(text) + 2))]
    while parts and not parts[-1].text.strip():
        parts.pop()
    return [*parts[:-1], *(Cell(text.rstrip(), colour) for text, colour in parts[-1:])]


def say_table(titles: Sequence[str], rows: Iterable[Sequence[Cell | object]]) -> None:
    """Print columns as kubectl does; on a terminal they fit its width."""
    typer.echo("\n".join(table_lines(titles, rows)))


def _cell(value: Cell | object) -> Cell:
    if isinstance(value, Cell):
        return Cell(_one_line(value.text), value.colour)
    return Cell("" if value is None else _one_line(str(value)))


def _one_line(text: str) -> str:
    return safe(text).replace("\n", " ").replace("\t", " ")


def has_room_for_bars() -> bool:
    """Whether a line has room for a bar beside its words."""
    return columns() >= 60


def marks() -> tuple[str, str]:
    """What bars are made of: what is full, and what is not."""
    return ("█", "░") if has_blocks() else ("#", "-")
