"""Reports: what there is on a Rollout, gathered, put together and printed."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import typer

from surefoot.plugin import output
from surefoot.plugin.commands.options import ReportFormat
from surefoot.plugin.files import read_record
from surefoot.plugin.reading import approval_from, checkpoint_from, readable, rollout_from
from surefoot.plugin.session import Session
from surefoot.reports.dossier import Dossier, dossier_of, with_record
from surefoot.reports.rendering import Report, html, markdown

R = TypeVar("R", bound=Report)


async def report(
    session: Session,
    name: str,
    build: Callable[[Dossier], R],
    format_: ReportFormat,
    record: Path | None = None,
) -> R:
    """Build the report of a Rollout and print it. Raises `RecordError` for a record at fault."""
    found = await dossier(session, name)
    made = build(found if record is None else _with_file(found, record))
    match format_:
        case ReportFormat.MARKDOWN:
            output.say(markdown(made).rstrip())
        case ReportFormat.HTML:
            typer.echo(html(made), nl=False)
        case ReportFormat.JSON:
            output.say_json(made.to_json())
    return made


async def dossier(session: Session, name: str) -> Dossier:
    """All that the cluster has on a Rollout."""
    raw = await session.rollout(name)
    checkpoints, approvals = await asyncio.gather(
        session.requests("checkpoints", raw), session.requests("approvals", raw)
    )
    return dossier_of(
        rollout_from(raw),
        readable(checkpoints, checkpoint_from),
        readable(approvals, approval_from),
        session.now(),
    )


def _with_file(found: Dossier, record: Path) -> Dossier:
    return with_record(found, read_record(str(record)), str(record))
