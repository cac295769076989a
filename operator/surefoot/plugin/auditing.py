"""audit, timeline, retrospective: reports on how a rollout was conducted."""

from pathlib import Path

from surefoot.cli.exits import NO, USAGE, fail
from surefoot.errors import AuditError
from surefoot.plugin import output
from surefoot.plugin.commands.options import ReportFormat
from surefoot.plugin.files import BadFile, lines_of, read_text
from surefoot.plugin.reporting import report
from surefoot.plugin.session import Session
from surefoot.reports.audit import Audit, audit_of
from surefoot.reports.dossier import Dossier
from surefoot.reports.refusals import AuditLog, audit_log
from surefoot.reports.retrospective import retrospective_of
from surefoot.reports.standards import Standards, read_standards
from surefoot.reports.timeline import timeline_of

MOST_BYTES_OF_STANDARDS = 64 * 1024
"""All standards that there are take 1 KiB."""


def standards_from(path: Path | None) -> Standards:
    """The standards of a file, else the defaults. Ends the command where it cannot be used."""
    if path is None:
        return Standards()
    try:
        return read_standards(read_text(str(path), MOST_BYTES_OF_STANDARDS), str(path))
    except (AuditError, BadFile) as error:
        fail(USAGE, output.safe(str(error)))


async def audit(
    session: Session,
    name: str,
    format_: ReportFormat,
    *,
    standards: Standards,
    record: Path | None,
    log: Path | None,
    at_least: float | None,
) -> int:
    """The audit. Raises `AuditError` where the log is none."""

    def build(dossier: Dossier) -> Audit:
        return audit_of(dossier, standards, None if log is None else _read_log(dossier, log))

    made = await report(session, name, build, format_, record)
    total = made.score.total
    if at_least is None or (total is not None and total >= at_least):
        return 0
    said = "is unknown" if total is None else f"is {total}"
    output.warn(f"the score {said}, and {at_least} is asked for")
    return NO


def _read_log(dossier: Dossier, log: Path) -> AuditLog:
    return audit_log(dossier, lines_of(log), str(log))


async def timeline(
    session: Session,
    name: str,
    format_: ReportFormat,
    *,
    standards: Standards,
    record: Path | None,
) -> int:
    """The timeline alone."""
    await report(session, name, lambda found: timeline_of(found, standards), format_, record)
    return 0


async def retrospective(
    session: Session,
    name: str,
    format_: ReportFormat,
    *,
    standards: Standards,
    record: Path | None,
) -> int:
    """The draft of a retrospective."""
    await report(session, name, lambda found: retrospective_of(found, standards), format_, record)
    return 0
