"""Commands that are loaded when they are used, so that all others start at once."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

from typer.core import TyperGroup

from surefoot.cli.coercion import read_plainly


class LazyCommand(NamedTuple):
    """What the help says of a command, and what makes it."""

    summary: str
    load: Callable[[], Any]


class LazyGroup(TyperGroup):
    """Knows its commands by name, and loads only the one that is used."""

    lazy: ClassVar[Mapping[str, LazyCommand]] = {}

    def get_params(self, ctx: Any) -> list[Any]:
        """The group's own options."""
        return [read_plainly(param) for param in super().get_params(ctx)]

    @property
    def commands(self) -> dict[str, Any]:
        """All of them, loaded: for whoever writes about every command."""
        return {name: command.load() for name, command in self.lazy.items()}

    @commands.setter
    def commands(self, _: object) -> None:
        """The base class would keep them here."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """All names, in the order of the help."""
        return list(self.lazy)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """One command; None where there is none of this name."""
        command = self.lazy.get(cmd_name)
        return None if command is None else command.load()

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """List them for the help, without loading any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.summary) for name, command in self.lazy.items()])
