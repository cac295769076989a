"""How commands end: 0 success, 1 the answer is no, 2 usage, 3 cannot reach or not allowed."""

from typing import NoReturn

import typer

NO = 1
USAGE = 2
UNREACHABLE = 3
FAULT = 70
"""A fault of the program itself."""
UNWRITTEN = 74
"""The answer could not be written: a full disk. BSD has this code for input and output."""
PIPE_CLOSED = 141
"""No one reads on, as for a program that SIGPIPE ends."""


def fail(code: int, message: str) -> NoReturn:
    """End the command with this code and a message on standard error."""
    typer.echo(f"Error: {message}", err=True)
    raise typer.Exit(code)
