"""approve, reject, withdraw, checkpoint."""

from pathlib import Path
from typing import Annotated

import typer

from surefoot.plugin.commands.options import (
    Context,
    MaybeRolloutName,
    Namespace,
    Reason,
    RolloutName,
    Where,
    Yes,
    a_name,
    a_text,
)

# ruff: noqa: PLC0415 - see the package

LONGEST_REPORT = 32 * 1024
"""Characters that the API server takes."""

Role = Annotated[
    str, typer.Option("--role", metavar="ROLE", callback=a_name, help="As whom, in the plan.")
]
Selector = Annotated[
    str | None,
    typer.Option(
        "--selector", "-l", metavar="LABELS", help="For all Rollouts with these labels, not one."
    ),
]
RiskAssessment = Annotated[
    str | None,
    typer.Option(metavar="TEXT", callback=a_text, help="Risks seen and what is done about them."),
]
MetricsSummary = Annotated[
    str | None, typer.Option(metavar="TEXT", callback=a_text, help="What the numbers say.")
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Answer the dry run of the approval: it counts for nothing."),
]
SecurityStatus = Annotated[
    str | None,
    typer.Option(metavar="TEXT", callback=a_text, help="Security concerns, or that none are left."),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(approve)
    app.command()(reject)
    app.command()(withdraw)
    app.command()(checkpoint)


def approve(
    name: MaybeRolloutName = None,
    *,
    role: Role,
    reason: Reason,
    risk_assessment: RiskAssessment = None,
    metrics_summary: MetricsSummary = None,
    security_status: SecurityStatus = None,
    dry_run: DryRun = False,
    selector: Selector = None,
    yes: Yes = False,
    namespace: Namespace = None,
    context: Context = None,
) -> None:
    """Sign GO for the step that a Rollout asks about."""
    said = texts(reason, risk_assessment, metrics_summary, security_status)
    where = Where(namespace, context=context)
    _decide("GO", name, selector, role, said, where=where, yes=yes, dry_run=dry_run)


def reject(
    name: MaybeRolloutName = None,
    *,
    role: Role,
    reason: Reason,
    risk_assessment: RiskAssessment = None,
    metrics_summary: MetricsSummary = None,
    security_status: SecurityStatus = None,
    dry_run: DryRun = False,
    selector: Selector = None,
    yes: Yes = False,
    namespace: Namespace = None,
    context: Context = None,
) -> None:
    """Sign NO-GO for the step that a Rollout asks about: it holds until you decide again."""
    said = texts(reason, risk_assessment, metrics_summary, security_status)
    where = Where(namespace, context=context)
    _decide("NO-GO", name, selector, role, said, where=where, yes=yes, dry_run=dry_run)


def withdraw(
    name: MaybeRolloutName = None,
    *,
    role: Role,
    reason: Reason,
    selector: Selector = None,
    yes: Yes = False,
    namespace: Namespace = None,
    context: Context = None,
) -> None:
    """Turn your own GO that nothing has used yet into a NO-GO."""
    where = Where(namespace, context=context)
    said = {"reason": reason}
    _decide("NO-GO", name, selector, role, said, where=where, yes=yes, withdraws=True)


def texts(
    reason: str, risk: str | None, metrics: str | None, security: str | None
) -> dict[str, str]:
    """What a person says with a decision, by the fields of `spec`; what they left out is absent."""
    parts = {
        "reason": reason,
        "riskAssessment": risk,
        "metricsSummary": metrics,
        "securityStatus": security,
    }
    return {part: text for part, text in parts.items() if text is not None}


def _decide(
    decision: str,
    name: str | None,
    selector: str | None,
    role: str,
    said: dict[str, str],
    *,
    where: Where,
    yes: bool,
    withdraws: bool = False,
    dry_run: bool = False,
) -> None:
    if (name is None) == (selector is None):
        raise typer.BadParameter("name one Rollout, or several by -l: exactly one of both")
    from surefoot.api.v1alpha1.approval import Decision
    from surefoot.plugin import deciding, session

    answer = deciding.Answer(
        Decision(decision), role, said, asks=not yes, withdraws=withdraws, dry_run=dry_run
    )
    session.run(where, lambda now: deciding.decide(now, name, selector, answer))


def checkpoint(
    name: RolloutName,
    checkpoint: Annotated[
        str,
        typer.Argument(metavar="CHECKPOINT", callback=a_name, help="Its name in the plan."),
    ],
    *,
    go: Annotated[
        bool | None,
        typer.Option("--go/--no-go", help="What you decide.", show_default=False),
    ] = None,
    summary: Annotated[
        str,
        typer.Option("--summary", metavar="TEXT", callback=a_text, help="The report in a line."),
    ],
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", exists=True, dir_okay=False, help="The report, Markdown."),
    ] = None,
    test: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=PASSED/TOTAL", help="A test's result; may be repeated."),
    ] = None,
    yes: Yes = False,
    namespace: Namespace = None,
    context: Context = None,
) -> None:
    """Report on a step, and decide GO or NO-GO on a checkpoint."""
    if go is None:
        raise typer.BadParameter("say what you decide: --go or --no-go")
    said: dict[str, object] = {"summary": summary}
    if report is not None:
        said["report"] = _read(report)
    if test:
        said["tests"] = [_test(each) for each in test]
    from surefoot.api.v1alpha1.approval import Decision
    from surefoot.plugin import deciding, session

    decision = Decision.GO if go else Decision.NO_GO
    answer = deciding.Answer(decision, checkpoint, said, asks=not yes)
    where = Where(namespace, context=context)
    session.run(where, lambda now: deciding.report(now, name, answer))


def _read(report: Path) -> str:
    try:
        text = report.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"--report: {report} can not be read: {error}") from error
    if len(text) > LONGEST_REPORT:
        raise typer.BadParameter(
            f"--report: {report} has {len(text)} characters; at most {LONGEST_REPORT} are taken: "
            "shorten it, or link to the whole"
        )
    return text


def _test(text: str) -> dict[str, object]:
    name, _, result = text.rpartition("=")
    passed, _, total = result.partition("/")
    if not (name and passed.isdecimal() and total.isdecimal() and int(passed) <= int(total)):
        raise typer.BadParameter(f"--test: {text!r} is not NAME=PASSED/TOTAL, such as unit=58/60")
    return {"name": name, "passed": int(passed), "total": int(total)}
