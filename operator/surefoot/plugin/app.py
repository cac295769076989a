"""The plugin's commands, put together."""

import typer

from surefoot.plugin.commands import (
    auditing,
    checking,
    deciding,
    halting,
    looking,
    recording,
    reporting,
    steering,
)

GROUPS = (looking, checking, deciding, steering, halting, recording, reporting, auditing)

app = typer.Typer(
    help="Look at Rollouts, decide what you are asked for, and steer.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in GROUPS:
    group.add_to(app)


def main() -> None:
    """The entry point of `kubectl-surefoot`, which kubectl runs for `kubectl surefoot`."""
    app(prog_name="kubectl surefoot")
