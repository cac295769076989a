"""document, communications."""

from typing import Annotated

import typer

from surefoot.plugin.commands.options import (
    Context,
    Namespace,
    RecordFile,
    ReportFormat,
    ReportOutput,
    RolloutName,
    Where,
)

# ruff: noqa: PLC0415 - see the package

COMPLETE = "complete"


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(document)
    app.command()(communications)


def a_step(value: str) -> str:
    """A percentage, or the word for the end."""
    if value == COMPLETE or (value.isascii() and value.isdecimal() and int(value) <= 100):
        return value
    raise typer.BadParameter(
        f"{value!r} is no step: a percentage from 0 to 100, or {COMPLETE} for what comes after 100"
    )


Step = Annotated[
    str,
    typer.Option(
        metavar="PERCENT",
        callback=a_step,
        help=f"The percentage that the approvals lead to; {COMPLETE} for the end.",
    ),
]


def document(
    name: RolloutName,
    *,
    step: Step,
    record: RecordFile = None,
    namespace: Namespace = None,
    context: Context = None,
    output: ReportOutput = ReportFormat.MARKDOWN,
) -> None:
    """Print the approval document of a step: who decided what, why, on what evidence, and when."""
    from surefoot.plugin import reporting, session
    from surefoot.reports.document import document_of

    to = None if step == COMPLETE else int(step)

    async def work(now: session.Session) -> int:
        await reporting.report(now, name, lambda found: document_of(found, to), output, record)
        return 0

    session.run(Where(namespace, context=context), work)


def communications(
    name: RolloutName,
    *,
    record: RecordFile = None,
    namespace: Namespace = None,
    context: Context = None,
    output: ReportOutput = ReportFormat.MARKDOWN,
) -> None:
    """List who asked whom for what, what was answered, and what is still to be done."""
    from surefoot.plugin import reporting, session
    from surefoot.reports.communications import communications_of

    async def work(now: session.Session) -> int:
        await reporting.report(now, name, communications_of, output, record)
        return 0

    session.run(Where(namespace, context=context), work)
