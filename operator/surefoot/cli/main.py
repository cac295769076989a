"""The `surefoot` command. Parts whose libraries are not installed say how to get them."""

import importlib
import sys
from importlib.metadata import version as installed_version
from typing import Annotated

import typer

from surefoot.cli.exits import USAGE, fail
from surefoot.cli.notify import send_a_test
from surefoot.cli.policies import print_policies
from surefoot.cli.run import run_operator
from surefoot.cli.sign import sign_decision
from surefoot.plugin.app import app as plugin

TESTBED_PARTS = {
    "testbed": "A real Kubernetes control plane and a real Prometheus on loopback.",
    "demo": "Play the main job live on a real control plane.",
}
"""The commands of the extra `testbed`, which is a distribution of its own: surefoot-testbed."""

app = typer.Typer(
    name="surefoot",
    help="Progressive feature-flag rollouts behind gates that cannot be bypassed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run_operator)
app.command("sign")(sign_decision)
app.command("policies")(print_policies)
app.command("notify-test")(send_a_test)
app.add_typer(plugin, name="ctl")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(installed_version("surefoot"))
        raise typer.Exit


@app.callback()
def surefoot(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Progressive feature-flag rollouts behind gates that cannot be bypassed."""


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(installed_version("surefoot"))


def _add_part(name: str, summary: str) -> None:
    """Add a part of the test bed, or a command that says how to install it."""
    module = f"surefoot.{name}.cli"
    try:
        app.add_typer(importlib.import_module(module).app, name=name)
    except ModuleNotFoundError as error:
        _add_missing_part(name, summary, error.name or module)


def _add_missing_part(name: str, summary: str, missing: str) -> None:
    # Whatever follows the name is taken, `--help` included: the answer is always the same.
    @app.command(
        name,
        help=f"{summary} Not installed: see `surefoot {name}`.",
        context_settings={
            "ignore_unknown_options": True,
            "allow_extra_args": True,
            "help_option_names": [],
        },
    )
    def explain() -> None:
        fail(USAGE, how_to_install(name, missing))


def how_to_install(part: str, missing: str) -> str:
    """Say what the command `surefoot PART` lacks, and how to install it."""
    return (
        f"`surefoot {part}` is part of the test bed, and {missing} is not installed. "
        "Run: pip install 'surefoot[testbed]', or pipx install --force 'surefoot[testbed]'"
    )


for _name, _summary in TESTBED_PARTS.items():
    _add_part(_name, _summary)


def main() -> None:
    """The entry point."""
    try:
        app()
    except ModuleNotFoundError as error:
        # The parts of the test bed import their libraries where they use them.
        part = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
        if part not in TESTBED_PARTS:
            raise
        typer.echo(f"Error: {how_to_install(part, error.name or str(error))}", err=True)
        sys.exit(USAGE)
