"""Options that commands share, and what they read."""

import re
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
LONGEST_NAME = 63
LONGEST_OBJECT_NAME = 253


class Format(StrEnum):
    """How an answer is printed."""

    TEXT = "text"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"

    @property
    def is_text(self) -> bool:
        """Whether it is for people."""
        return self in {Format.TEXT, Format.WIDE}


class ReportFormat(StrEnum):
    """How a report is printed."""

    MARKDOWN = "markdown"
    JSON = "json"
    HTML = "html"


@dataclass(frozen=True, slots=True)
class Where:
    """Which cluster and which namespaces; None is what kubectl would take."""

    namespace: str | None = None
    everywhere: bool = False
    context: str | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach the cluster, and in whose name, besides the context; None is kubectl's way."""

    kubeconfig: str | None = None
    user: str | None = None
    groups: tuple[str, ...] = ()


CONNECTION: ContextVar[Connection] = ContextVar("connection", default=Connection())  # noqa: B039
"""Of the command that runs: `plugin.app` adds these options to every command with `--context`."""


def a_name(value: str | None) -> str | None:
    """A name as the API server takes it, so that nothing else is ever put into a URL."""
    if value is None or (len(value) <= LONGEST_NAME and NAME.fullmatch(value)):
        return value
    raise typer.BadParameter(
        f"{value!r} is not a name: at most {LONGEST_NAME} of a-z, 0-9 and -, beginning and ending "
        "with a letter or digit"
    )


def an_object(value: str) -> str:
    """The name of an object, which may be made from several names."""
    parts = value.split(".")
    if len(value) <= LONGEST_OBJECT_NAME and all(NAME.fullmatch(part) for part in parts):
        return value
    raise typer.BadParameter(f"{value!r} is not the name of an object")


def a_text(value: str | None) -> str | None:
    """Something that says something."""
    if value is not None and not value.strip():
        raise typer.BadParameter("it must say something")
    return value


def complete(what: str) -> Callable[[typer.Context, str], list[str]]:
    """Suggest what the cluster has: names, roles, checkpoints or steps."""

    def suggest(ctx: typer.Context, incomplete: str) -> list[str]:
        from surefoot.plugin import completing  # noqa: PLC0415 - see the package

        params = dict(ctx.params)
        if params.get("name") is None and ctx.args:
            params["name"] = ctx.args[0]  # while an option lacks its value, no word is read
        found = completing.suggestions(params, getattr(completing, what))
        return [each for each in found if each.startswith(incomplete)]

    return suggest


Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        "-n",
        metavar="NS",
        callback=a_name,
        help="The namespace, instead of the context's.",
    ),
]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="Look at all namespaces.")]
Context = Annotated[
    str | None, typer.Option("--context", metavar="NAME", help="The context of the kubeconfig.")
]
Output = Annotated[Format, typer.Option("--output", "-o", help="The format of the answer.")]
ReportOutput = Annotated[
    ReportFormat,
    typer.Option("--output", "-o", help="The format; html is one file that needs no other."),
]
RecordFile = Annotated[
    Path | None,
    typer.Option(
        "--record",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="An exported record, for what the object's bounded history no longer has.",
    ),
]
RolloutName = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        callback=a_name,
        autocompletion=complete("names"),
        help="The Rollout's name.",
    ),
]
MaybeRolloutName = Annotated[
    str | None,
    typer.Argument(
        metavar="[NAME]",
        callback=a_name,
        autocompletion=complete("names"),
        help="The Rollout's name.",
    ),
]
Reason = Annotated[
    str,
    typer.Option("--reason", metavar="TEXT", callback=a_text, help="The reason, for the record."),
]
Yes = Annotated[
    bool,
    typer.Option(
        "--yes", "-y", help="Do not ask for confirmation; without a terminal nobody is asked."
    ),
]
Force = Annotated[
    bool,
    typer.Option(
        "--force", help="Do it also where a GitOps tool owns the field and would set it back."
    ),
]
