"""Options that commands share, and what they read."""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
LONGEST_NAME = 63


class Format(StrEnum):
    """How an answer is printed."""

    TEXT = "text"
    JSON = "json"


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


def a_name(value: str | None) -> str | None:
    """A name as the API server takes it, so that nothing else is ever put into a URL."""
    if value is None or (len(value) <= LONGEST_NAME and NAME.fullmatch(value)):
        return value
    raise typer.BadParameter(
        f"{value!r} is not a name: at most {LONGEST_NAME} of a-z, 0-9 and -, beginning and ending "
        "with a letter or digit"
    )


def a_text(value: str | None) -> str | None:
    """Something that says something."""
    if value is not None and not value.strip():
        raise typer.BadParameter("it must say something")
    return value


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
    str, typer.Argument(metavar="NAME", callback=a_name, help="The Rollout's name.")
]
MaybeRolloutName = Annotated[
    str | None, typer.Argument(metavar="[NAME]", callback=a_name, help="The Rollout's name.")
]
Reason = Annotated[
    str,
    typer.Option("--reason", metavar="TEXT", callback=a_text, help="The reason, for the record."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
Force = Annotated[
    bool,
    typer.Option(
        "--force", help="Do it also where a GitOps tool owns the field and would set it back."
    ),
]
