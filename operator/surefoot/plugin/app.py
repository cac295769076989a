"""The plugin's commands, put together. A module of commands is loaded when one of them is used."""

import importlib
import os
import sys
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Annotated, Any, ClassVar, NoReturn

import typer

from surefoot.cli.coercion import without_pydantic
from surefoot.cli.exits import FAULT
from surefoot.cli.lazy import LazyCommand, LazyGroup
from surefoot.cli.lean import without_plugins_of_pydantic
from surefoot.cli.streams import checked_streams
from surefoot.cli.version import Version
from surefoot.plugin.commands.options import CONNECTION, Connection

GROUPS: Mapping[str, Mapping[str, str]] = {
    "looking": {
        "get": "Show where Rollouts stand, one line each.",
        "watch": "Show the same, and go on showing it as it changes.",
        "describe": "Show everything about a Rollout, in sections.",
        "tree": "Show what belongs to a Rollout: its flag, its requests and their states.",
        "explain": "Say why a Rollout does not move, who is missing, and what to type.",
        "inbox": "Show every decision that waits for you, with evidence and the command.",
    },
    "checking": {"compliance": "Check what must hold before the next expansion; exit 1 if not."},
    "planning": {
        "diff": "Say what an edit of the plan would cost.",
        "adopt": "Print a plan that takes over a flag that is live already.",
    },
    "offline": {
        "lint": "Say what is wrong with a plan, or can hardly be meant. Needs no cluster.",
        "simulate": "Play a plan in virtual time, by the operator's own decisions.",
        "backtest": "Judge a plan's gates and triggers by what was measured.",
        "suggest": "Derive bounds from what was measured, with their false alarms.",
    },
    "deciding": {
        "approve": "Sign GO for the step that a Rollout asks about.",
        "reject": "Sign NO-GO for it: it holds until you decide again.",
        "withdraw": "Turn your own GO that nothing has used yet into a NO-GO.",
        "checkpoint": "Report on a step, and decide GO or NO-GO on a checkpoint.",
        "acknowledge": "Confirm the outcome of a handoff or a meeting.",
    },
    "steering": {
        "pause": "Stop everything but rollback.",
        "resume": "End a pause.",
        "rollback": "Go down at once, and stay there until somebody types retry.",
        "retry": "Try again after a rollback.",
        "rehearse": "Roll a copy of the flag back; the flag itself stays as it is.",
        "dry-run": "Try the approval of a step: it counts for nothing.",
    },
    "halting": {
        "halt": "Stop all automation in a namespace or the cluster.",
        "unhalt": "Let automation go on.",
    },
    "recording": {"record": "Export and verify the record that outlives the cluster."},
    "reporting": {
        "document": "Print the approval document of a step.",
        "communications": "Print who asked whom for what, and what was answered.",
    },
    "auditing": {
        "audit": "Print how a rollout was conducted, with a score.",
        "timeline": "Print what was planned and what happened when.",
        "retrospective": "Print a draft of a retrospective.",
    },
    "opening": {"dashboard": "Serve a page on this machine: all rollouts live, and your say."},
    "helping": {
        "version": "Show the versions of this command, the CRDs and the operator.",
        "report": "Collect what a maintainer needs, without secrets.",
    },
}
"""By module in `commands/`, the commands that its `add_to` adds, and what `--help` says of each."""


def _load(module: str, name: str) -> Any:
    """Build one command of a module."""
    part = typer.Typer(
        rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]}
    )
    part.callback()(lambda: None)  # so that a single command stays one of a group
    importlib.import_module(f"surefoot.plugin.commands.{module}").add_to(part)
    group: Any = typer.main.get_command(part)
    return _with_connection(group.commands[name])


class PluginGroup(LazyGroup):
    """The commands of all groups."""

    lazy: ClassVar[Mapping[str, LazyCommand]] = {
        name: LazyCommand(summary, partial(_load, module, name))
        for module, commands in GROUPS.items()
        for name, summary in commands.items()
    }


def _with_connection(command: Any) -> Any:
    """Add the options that say how to reach the cluster where there is one that says which."""
    for below in getattr(command, "commands", {}).values():
        _with_connection(below)
    if any(param.name == "context" for param in command.params):
        part = typer.Typer()
        part.command()(_connection)
        options = [each for each in typer.main.get_command(part).params if each.name in _FIELDS]
        for option in options:
            option.expose_value = False
        command.params += options
    return without_pydantic(command)


_FIELDS = ("kubeconfig", "user", "groups")


def _keep(param: typer.CallbackParam, value: Any) -> Any:
    """Keep what was said for anyone who connects."""
    if value:
        if str(param.name) != "kubeconfig":
            _check_names([value] if isinstance(value, str) else value)
        kept = CONNECTION.get()
        values = {field: getattr(kept, field) for field in _FIELDS}
        said = tuple(value) if param.name == "groups" else value
        CONNECTION.set(Connection(**{**values, str(param.name): said}))
    return value


def _check_names(names: Iterable[str]) -> None:
    """Names go into headers, where a line would end, and a server cuts spaces off."""
    for name in names:
        if not name.isprintable() or name != name.strip():
            raise typer.BadParameter(
                f"{name!r} is no name of a user or a group: it may have no control characters, "
                "and no space at its ends"
            )


def _connection(
    kubeconfig: Annotated[
        str | None,
        typer.Option(metavar="FILE", callback=_keep, help="Instead of KUBECONFIG."),
    ] = None,
    user: Annotated[
        str | None,
        typer.Option("--as", metavar="USER", callback=_keep, help="In somebody else's name."),
    ] = None,
    groups: Annotated[
        list[str] | None,
        typer.Option("--as-group", metavar="GROUP", callback=_keep, help="And of this group."),
    ] = None,
) -> None:
    """Carry the options of every command that asks a cluster."""


app = typer.Typer(
    cls=PluginGroup,
    help="Rollouts from the command line: what stands where, what waits for you, and your say.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def surefoot(
    version: Version = False,
) -> None:
    """Rollouts from the command line: what stands where, what waits for you, and your say."""


def main() -> None:
    """The entry point of `kubectl-surefoot`, which kubectl runs for `kubectl surefoot`."""
    without_plugins_of_pydantic()
    with checked_streams() as out:
        try:
            app(prog_name="kubectl surefoot")
        except Exception as error:  # noqa: BLE001 - never a traceback for people
            if out.failure is None:
                _tell_a_fault(error)


def _tell_a_fault(error: Exception) -> NoReturn:
    if os.environ.get("SUREFOOT_TRACE"):
        raise error
    from surefoot.plugin import output  # noqa: PLC0415 - see the package

    output.warn(output.fault_text(error))
    sys.exit(FAULT)
