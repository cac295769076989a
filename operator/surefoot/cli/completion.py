"""`kubectl_complete-surefoot`, which kubectl runs to complete `kubectl surefoot …`.

kubectl passes the words behind the plugin's name, the last of which is being typed. It expects one
candidate a line, with a description behind a tab, and then a directive. The shell fish expects the
same of typer, but for the directive, so typer is asked as fish would ask it.
"""

import os
import shlex
import sys
from collections.abc import Mapping, Sequence

import typer

from surefoot.cli.main import app
from surefoot.cli.streams import checked_streams

NO_FILES = ":4"
"""The directive of kubectl's completion that keeps it from offering the names of files."""


def question(words: Sequence[str]) -> Mapping[str, str]:
    """Return the variables by which fish asks for the completions of these words."""
    return {
        "_SUREFOOT_COMPLETE": "complete_fish",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_ARGS": shlex.join(["surefoot", "ctl", *words])
        if all(words)
        else (shlex.join(["surefoot", "ctl", *filter(None, words)]) + " "),
    }


def main() -> None:
    """The entry point."""
    os.environ.update(question(sys.argv[1:]))
    sys.argv[1:] = []
    with checked_streams() as out:
        try:
            app(prog_name="surefoot")
        except SystemExit:
            if out.failure is None:
                typer.echo(NO_FILES)
