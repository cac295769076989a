"""The `surefoot` command. Parts whose libraries are not installed say how to get them."""

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import typer

from surefoot.cli.exits import USAGE, fail
from surefoot.cli.lazy import LazyCommand, LazyGroup
from surefoot.cli.lean import as_if_absent, without_plugins_of_pydantic
from surefoot.cli.streams import checked_streams
from surefoot.cli.version import Version, installed_version

TESTBED_PARTS = {
    "testbed": "A real Kubernetes control plane and a real Prometheus on loopback.",
    "demo": "Play the main job live on a real control plane.",
}
"""The commands of the extra `testbed`, which is a distribution of its own: surefoot-testbed."""

COMMANDS = {
    "run": ("run:run_operator", "Run the operator, in a cluster or with a kubeconfig."),
    "sign": ("sign:sign_decision", "Decide on an Approval, and sign with your own SSH key."),
    "policies": ("policies:print_policies", "Print the admission policies, as manifests."),
    "notify-test": ("notify:send_a_test", "Send a test notification to every route."),
    "version": ("main:version", "Print the version."),
}
"""By name, the function in this package and what the help says."""


def version() -> None:
    """Print the version."""
    typer.echo(installed_version())


def _command(name: str, place: str) -> Any:
    """Build the command of a function."""
    module, _, function = place.partition(":")
    part = typer.Typer(context_settings={"help_option_names": ["-h", "--help"]})
    with as_if_absent("rich"):  # structlog would load it, for tracebacks that are not used here
        found = importlib.import_module(f"surefoot.cli.{module}")
    part.command(name)(getattr(found, function))
    return typer.main.get_command(part)


def _group(place: str, name: str) -> Any:
    """Build the commands of a part that has an app of its own."""
    group: Any = typer.main.get_command(importlib.import_module(place).app)
    group.name = name
    return group


def _part(name: str, summary: str) -> Any:
    """Build a part of the test bed, or a command that says how to install it."""
    module = f"surefoot.{name}.cli"
    try:
        return _group(module, name)
    except ModuleNotFoundError as error:
        return _missing_part(name, summary, error.name or module)


def _missing_part(name: str, summary: str, missing: str) -> Any:
    part = typer.Typer()

    # Whatever follows the name is taken, `--help` included: the answer is always the same.
    @part.command(
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

    return typer.main.get_command(part)


def how_to_install(part: str, missing: str) -> str:
    """Say what the command `surefoot PART` lacks, and how to install it."""
    return (
        f"`surefoot {part}` is part of the test bed, and {missing} is not installed. "
        "Run: pip install 'surefoot[testbed]', or pipx install --force 'surefoot[testbed]'"
    )


def _summary(name: str, summary: str) -> str:
    """What the help says of a part of the test bed."""
    is_there = importlib.util.find_spec(f"surefoot.{name}") is not None
    return summary if is_there else f"{summary} Not installed: see `surefoot {name}`."


class MainGroup(LazyGroup):
    """The commands of `surefoot`."""

    lazy: ClassVar[Mapping[str, LazyCommand]] = {
        **{
            name: LazyCommand(summary, partial(_command, name, place))
            for name, (place, summary) in COMMANDS.items()
        },
        "ctl": LazyCommand(
            "Do what `kubectl surefoot` does.", partial(_group, "surefoot.plugin.app", "ctl")
        ),
        **{
            name: LazyCommand(_summary(name, summary), partial(_part, name, summary))
            for name, summary in TESTBED_PARTS.items()
        },
    }


app = typer.Typer(
    name="surefoot",
    cls=MainGroup,
    help="Progressive feature-flag rollouts behind gates that cannot be bypassed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def surefoot(
    version: Version = False,
) -> None:
    """Progressive feature-flag rollouts behind gates that cannot be bypassed."""


def main() -> None:
    """The entry point."""
    without_plugins_of_pydantic()
    if "run" in sys.argv[1:2]:  # the operator prints no answer, and lives longer than a full disk
        app()
        return
    with checked_streams():
        _answer()


def _answer() -> None:
    try:
        app()
    except ModuleNotFoundError as error:
        # The parts of the test bed import their libraries where they use them.
        part = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
        if part not in TESTBED_PARTS:
            raise
        typer.echo(f"Error: {how_to_install(part, error.name or str(error))}", err=True)
        sys.exit(USAGE)
