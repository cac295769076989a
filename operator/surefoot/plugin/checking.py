"""compliance: the operator's own answers, reported; a pipeline goes by the exit code."""

from datetime import timedelta

from surefoot.cli.exits import NO
from surefoot.plugin import output
from surefoot.plugin.commands.options import Format
from surefoot.plugin.compliance import report_on
from surefoot.plugin.reading import rollout_from
from surefoot.plugin.session import Session


async def compliance(
    session: Session, name: str, format_: Format, *, strict: bool, max_age: timedelta
) -> int:
    """Whether the next expansion would be allowed."""
    rollout = rollout_from(await session.rollout(name))
    report = report_on(rollout, session.now(), strict=strict, max_age=max_age)
    if format_ is Format.JSON:
        output.say_json(report.as_json())
    else:
        output.say("\n".join(report.in_lines()))
    return 0 if report.allowed else NO
