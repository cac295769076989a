"""How little a command loads before it answers: a person waits for every import."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from surefoot.cli.main import COMMANDS, app
from surefoot.plugin.app import GROUPS, PluginGroup

SLOW = (
    "pydantic",
    "pydantic_core",
    "kubernetes",
    "aiohttp",
    "structlog",
    "rich",
    "requests",
    "kopf",
)
PROGRAM = """
import sys
try:
    {run}
except SystemExit:
    pass
print("LOADED", *sorted({{name.partition(".")[0] for name in sys.modules}}))
"""
PLUGIN = "from surefoot.plugin.entry import main; main()"
SUREFOOT = "from surefoot.cli.main import main; main()"
OPERATOR = (
    "from surefoot.cli.main import app; app(standalone_mode=False); "
    "import surefoot.wiring, surefoot.handlers.lifecycle"
)


def loaded(run: str, *words: str) -> set[str]:
    """The packages that a command has loaded once it has ended."""
    program = PROGRAM.format(run=run)
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True,
        text=True,
        check=True,
        env={"KUBECONFIG": "/nowhere", "HOME": "/nowhere", "PATH": ""},
    )
    return set(done.stdout.rpartition("LOADED")[2].split())


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (PLUGIN, ("--help",)),
        (PLUGIN, ("explain", "--help")),
        (PLUGIN, ("get",)),
        (PLUGIN, ("get", "checkout", "-A", "-o", "wide", "--as", "cora", "--as-group", "leads")),
        (PLUGIN, ("explain", "checkout", "-n", "shop")),
        (PLUGIN, ("describe", "checkout")),
        (PLUGIN, ("tree", "checkout")),
        (PLUGIN, ("watch",)),
        (PLUGIN, ("version",)),
        (SUREFOOT, ("--help",)),
        (SUREFOOT, ("--version",)),
        (SUREFOOT, ("ctl", "--help")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_command_that_looks_loads_no_slow_library(run: str, words: tuple[str, ...]) -> None:
    """Neither models, nor a client library, nor what prints logs."""
    assert loaded(run, *words).isdisjoint(SLOW)


def test_operator_loads_no_library_before_it_uses_it() -> None:
    """Neither what draws for people, nor what checks signatures, nor what sends notifications."""
    found = loaded(OPERATOR, "run", "--check-config")
    assert "kopf" in found
    assert found.isdisjoint({"rich", "pygments", "cryptography", "apprise", "requests"})


@pytest.mark.parametrize("module", GROUPS)
def test_group_has_exactly_the_commands_that_the_help_lists(module: str) -> None:
    """The help is written without loading them, so somebody must compare."""
    for name in GROUPS[module]:
        command = PluginGroup.lazy[name].load()
        assert command.name == name
        assert not command.hidden


def test_every_command_asks_a_cluster_the_way_kubectl_does() -> None:
    """Where there is a context, there are also the file and the name to act in."""
    for name, lazy in PluginGroup.lazy.items():
        command = lazy.load()
        for each in (command, *getattr(command, "commands", {}).values()):
            options = {option for param in each.params for option in param.opts}
            if "--context" in options:
                assert {"--kubeconfig", "--as", "--as-group"} <= options, name


@pytest.mark.parametrize("name", [*COMMANDS, "ctl", "testbed", "demo"])
def test_command_of_surefoot_is_loaded_when_it_is_used(name: str) -> None:
    """With its own help."""
    done = CliRunner().invoke(app, [name, "--help"], prog_name="surefoot")
    assert (done.exit_code, f"surefoot {name}" in done.output) == (0, True), done.output


def test_no_unknown_command_is_loaded() -> None:
    """A wrong word is wrong usage."""
    done = CliRunner().invoke(app, ["ctl", "nothing"])
    assert done.exit_code == 2
    assert "nothing" in done.output


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "\x1b[31m", " cora", "cora ", "a\u202eb"])
@pytest.mark.parametrize("option", ["--as", "--as-group"])
def test_name_of_somebody_else_that_fits_into_no_header_is_a_wrong_use(
    option: str, name: str
) -> None:
    """No server is asked, and none takes it for another name by cutting a space off."""
    done = CliRunner().invoke(app, ["ctl", "get", "--as", "cora", option, name])
    assert done.exit_code == 2, done.output
    assert "is no name of a user or a group" in " ".join(done.output.split())


def test_tests_know_the_package() -> None:
    """The subprocesses above load the package that is tested, and no other."""
    assert Path(sys.modules["surefoot"].__file__ or "").parent.name == "surefoot"


def test_interrupt_while_it_is_loaded_says_nothing() -> None:
    """Nobody who thinks better of a command is shown where in an import that was."""
    program = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # the starter of the tests may ignore it
class Impatient:
    def find_spec(self, name, *_):
        if name == "surefoot.plugin.app":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Impatient())
from surefoot.plugin.entry import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", program, "get"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
