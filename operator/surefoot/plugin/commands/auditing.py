"""audit, timeline, retrospective."""

from pathlib import Path
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

StandardsFile = Annotated[
    Path | None,
    typer.Option(
        "--standards",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="A YAML file with standards that replace the defaults of docs/audit.md.",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(audit)
    app.command()(timeline)
    app.command()(retrospective)


def audit(
    name: RolloutName,
    *,
    record: RecordFile = None,
    standards: StandardsFile = None,
    audit_log: Annotated[
        Path | None,
        typer.Option(
            "--audit-log",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="The API server's audit log, as JSON lines, for the attempts that it refused.",
        ),
    ] = None,
    at_least: Annotated[
        float | None,
        typer.Option(
            "--at-least",
            metavar="SCORE",
            min=0,
            max=10,
            help="Exit with 1 if the score is lower, or unknown.",
        ),
    ] = None,
    namespace: Namespace = None,
    context: Context = None,
    output: ReportOutput = ReportFormat.MARKDOWN,
) -> None:
    """Report how a rollout was conducted: practices, decisions, timeline, refusals, score."""
    from surefoot.plugin import auditing, session

    compared = auditing.standards_from(standards)
    session.run(
        Where(namespace, everywhere=False, context=context),
        lambda now: auditing.audit(
            now, name, output, standards=compared, record=record, log=audit_log, at_least=at_least
        ),
    )


def timeline(
    name: RolloutName,
    *,
    record: RecordFile = None,
    standards: StandardsFile = None,
    namespace: Namespace = None,
    context: Context = None,
    output: ReportOutput = ReportFormat.MARKDOWN,
) -> None:
    """Show what was planned, what happened and when, and when the next step may be taken."""
    from surefoot.plugin import auditing, session

    compared = auditing.standards_from(standards)
    session.run(
        Where(namespace, everywhere=False, context=context),
        lambda now: auditing.timeline(now, name, output, standards=compared, record=record),
    )


def retrospective(
    name: RolloutName,
    *,
    record: RecordFile = None,
    standards: StandardsFile = None,
    namespace: Namespace = None,
    context: Context = None,
    output: ReportOutput = ReportFormat.MARKDOWN,
) -> None:
    """Draft a retrospective: what the record shows, and what it cannot know, as questions."""
    from surefoot.plugin import auditing, session

    compared = auditing.standards_from(standards)
    session.run(
        Where(namespace, everywhere=False, context=context),
        lambda now: auditing.retrospective(now, name, output, standards=compared, record=record),
    )
