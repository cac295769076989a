"""Files that people name, read as far as that is sensible. Each fault is one line."""

import contextlib
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

from surefoot.errors import SurefootError
from surefoot.plugin import output

STDIN = "-"
MOST_BYTES_OF_RECORD = 256 * 1024 * 1024
"""Of a record. An entry has 1 KiB or so, and a cluster may have years of them."""
LONGEST_LINE = 16 * 1024 * 1024
"""Of a log that is read by the line. An API server's event has at most some 3 MiB."""


class BadFile(SurefootError):
    """A file cannot be used. The message names it and says why."""


def read_bytes(name: str, most: int) -> bytes:
    """The content of a file, or of standard input for `-`. Raises `BadFile`."""
    try:
        is_stdin = name == STDIN
        content = sys.stdin.buffer.read(most + 1) if is_stdin else _read(Path(name), most)
    except OSError as error:
        raise BadFile(f"{name}: {(error.strerror or str(error)).lower()}") from error
    if len(content) > most:
        shown = "standard input" if is_stdin else name
        raise BadFile(f"{shown} has more than {size_in_words(most)}: no more is read")
    return content


def read_text(name: str, most: int) -> str:
    """The text of a file, or of standard input for `-`. Raises `BadFile`."""
    content = read_bytes(name, most)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadFile(
            f"{name}:{line}: it is no UTF-8 (byte 0x{content[error.start]:02x})"
        ) from error


def _read(path: Path, most: int) -> bytes:
    with path.open("rb") as file:
        size = os.fstat(file.fileno())
        if stat.S_ISREG(size.st_mode) and size.st_size > most:
            raise BadFile(
                f"{path} has {size_in_words(size.st_size)}: at most {size_in_words(most)} are read"
            )
        return file.read(most + 1)


def read_record(name: str) -> list[str]:
    """The lines of a record that was exported. Raises `BadFile`."""
    # At line breaks only: what JSON does not escape may look like one to others.
    return read_bytes(name, MOST_BYTES_OF_RECORD).decode("utf-8", "replace").split("\n")


def lines_of(path: Path) -> Iterator[str]:
    """The lines of a file of any size, one after another. Raises `BadFile`."""
    try:
        with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
            for number in count(1):
                line = file.readline(LONGEST_LINE + 1)
                if not line:
                    return
                if len(line) > LONGEST_LINE:
                    limit = size_in_words(LONGEST_LINE)
                    raise BadFile(f"{path}:{number}: the line has more than {limit}")
                yield line
    except OSError as error:
        raise BadFile(f"{path}: {(error.strerror or str(error)).lower()}") from error


def say_lines(lines: Iterable[str]) -> None:
    """Print each on a line of its own, as it is: a picture of blocks must not be folded."""
    for line in lines:
        output.say(line)


def size_in_words(size: int) -> str:
    """A size in words."""
    if size < 1024 * 1024:
        return f"{size / 1024:.4g} KiB"
    return f"{size / 1024 / 1024:.4g} MiB"


def write_text(name: str, text: str) -> None:
    """Replace a file as a whole, or leave it as it is. Raises `BadFile`."""
    write_bytes(name, text.encode())


def write_bytes(name: str, content: bytes) -> None:
    """Replace a file as a whole, or leave it as it is. Raises `BadFile`."""
    import tempfile  # noqa: PLC0415 - most commands write no file

    path = Path(name).resolve()
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
            file.write(content)
        if path.exists():
            Path(file.name).chmod(stat.S_IMODE(path.stat().st_mode))
        Path(file.name).replace(path)
    except OSError as error:
        with contextlib.suppress(OSError, UnboundLocalError):
            Path(file.name).unlink()
        raise BadFile(f"{name}: {(error.strerror or str(error)).lower()}") from error
