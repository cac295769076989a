"""Files that people name, read as far as that is sensible. Each fault is one line."""

import contextlib
import os
import stat
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from surefoot.errors import SurefootError
from surefoot.plugin import output

STDIN = "-"


class BadFile(SurefootError):
    """A file cannot be used. The message names it and says why."""


def read_text(name: str, most: int) -> str:
    """The text of a file, or of standard input for `-`. Raises `BadFile`."""
    try:
        is_stdin = name == STDIN
        content = sys.stdin.buffer.read(most + 1) if is_stdin else _read(Path(name), most)
    except OSError as error:
        raise BadFile(f"{name}: {(error.strerror or str(error)).lower()}") from error
    shown = "standard input" if is_stdin else name
    if len(content) > most:
        raise BadFile(f"{shown} has more than {in_megabytes(most)}: no more is read")
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
                f"{path} has {in_megabytes(size.st_size)}: at most {in_megabytes(most)} are read"
            )
        return file.read(most + 1)


def say_lines(lines: Iterable[str]) -> None:
    """Print each on a line of its own, as it is: a picture of blocks must not be folded."""
    for line in lines:
        output.say(line)


def in_megabytes(size: int) -> str:
    """A size in words."""
    return f"{size / 1024 / 1024:.4g} MiB"


def write_text(name: str, text: str) -> None:
    """Replace a file as a whole, or leave it as it is. Raises `BadFile`."""
    write_bytes(name, text.encode())


def write_bytes(name: str, content: bytes) -> None:
    """Replace a file as a whole, or leave it as it is. Raises `BadFile`."""
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
