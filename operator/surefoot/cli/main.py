"""The `surefoot` command. Parts whose libraries are not installed say how to get them."""

import importlib
from importlib.metadata import version as installed_version

import typer

from surefoot.cli.exits import USAGE, fail
from surefoot.cli.notify import send_a_test
from surefoot.cli.policies import print_policies
from surefoot.cli.run import run_operator
from surefoot.cli.sign import sign_decision

app = typer.Typer(
    name="surefoot",
    help="Progressive feature-flag rollouts behind gates that cannot be bypassed.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("run")(run_operator)
app.command("sign")(sign_decision)
app.command("policies")(print_policies)
app.command("notify-test")(send_a_test)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(installed_version("surefoot"))


def _add(name: str, module: str, attribute: str = "app") -> None:
    """Add a group of commands, or say how to get it where its libraries are not installed."""
    try:
        part = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        missing = error.name or str(error)
        if missing.startswith("surefoot.") and not module.startswith(missing):
            raise
        _add_missing(name, missing)
        return
    if isinstance(part, typer.Typer):
        app.add_typer(part, name=name)
    else:
        app.command(name)(part)


def _add_missing(name: str, missing: str) -> None:
    @app.command(name, hidden=missing.startswith("surefoot."))
    def explain() -> None:
        fail(USAGE, f"`surefoot {name}` needs {missing}: pip install 'surefoot[testbed]'")


_add("ctl", "surefoot.plugin.app")
_add("testbed", "surefoot.testbed.cli")
_add("demo", "surefoot.demo.cli")


def main() -> None:
    """The entry point."""
    app()
