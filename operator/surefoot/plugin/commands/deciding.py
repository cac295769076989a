"""approve, reject, withdraw, checkpoint, acknowledge."""

from collections.abc import Mapping
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
    an_object,
    complete,
)

# ruff: noqa: PLC0415 - see the package

LONGEST_REPORT = 32 * 1024
"""Characters that the API server takes."""

Role = Annotated[
    str,
    typer.Option(
        "--role",
        metavar="ROLE",
        callback=a_name,
        autocompletion=complete("roles"),
        help="As whom, in the plan.",
    ),
]
Selector = Annotated[
    str | None,
    typer.Option(
        "--selector",
        "-l",
        metavar="LABELS",
        help="Sign for all Rollouts with these labels, instead of one.",
    ),
]
RiskAssessment = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT", callback=a_text, help="The risks that you see, and what is done about them."
    ),
]
MetricsSummary = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT", callback=a_text, help="The meaning of the numbers, in your words."
    ),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Answer the dry run of the approval: it counts for nothing."),
]
SecurityStatus = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        callback=a_text,
        help="Security concerns, or the statement that none are left.",
    ),
]
Conditions = Annotated[
    list[str] | None,
    typer.Option(
        "--condition",
        metavar='"NAME: TEXT"',
        help="Something that the GO asks for; may be repeated.",
    ),
]
BlockingConditions = Annotated[
    list[str] | None,
    typer.Option(
        "--blocking-condition",
        metavar='"NAME: TEXT"',
        help="The same, and the GO does not count before it is met.",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(approve)
    app.command()(reject)
    app.command()(withdraw)
    app.command()(checkpoint)
    app.command()(acknowledge)


def approve(
    name: MaybeRolloutName = None,
    *,
    role: Role,
    reason: Reason,
    risk_assessment: RiskAssessment = None,
    metrics_summary: MetricsSummary = None,
    security_status: SecurityStatus = None,
    condition: Conditions = None,
    blocking_condition: BlockingConditions = None,
    dry_run: DryRun = False,
    selector: Selector = None,
    yes: Yes = False,
    namespace: Namespace = None,
    context: Context = None,
) -> None:
    """Sign GO for the step that a Rollout asks about."""
    said = {
        **texts(reason, risk_assessment, metrics_summary, security_status),
        **_asked_for(condition, blocking_condition),
    }
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
    said: Mapping[str, object],
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
        typer.Argument(
            metavar="CHECKPOINT",
            callback=an_object,
            autocompletion=complete("checkpoints"),
            help="Its name in the plan, or the object's.",
        ),
    ],
    *,
    go: Annotated[
        bool | None,
        typer.Option("--go/--no-go", help="Your decision.", show_default=False),
    ] = None,
    summary: Annotated[
        str,
        typer.Option("--summary", metavar="TEXT", callback=a_text, help="The report in one line."),
    ],
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", exists=True, dir_okay=False, help="A file with the report in Markdown."
        ),
    ] = None,
    test: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=PASSED/TOTAL", help="The result of a test; may be repeated."),
    ] = None,
    required_action: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", callback=a_text, help="The next action of the receiver of a handoff."
        ),
    ] = None,
    dissent: Annotated[
        list[str] | None,
        typer.Option(
            metavar="BY=STATEMENT",
            help="A person who did not agree in a meeting, and why; may be repeated.",
        ),
    ] = None,
    condition: Conditions = None,
    blocking_condition: BlockingConditions = None,
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
    if required_action is not None:
        said["requiredAction"] = required_action
    if dissent:
        said["dissent"] = [_dissent(each) for each in dissent]
    asked_for = _asked_for(condition, blocking_condition)
    if asked_for and not go:
        raise typer.BadParameter("conditions are what a GO asks for: a NO-GO has none")
    said |= asked_for
    from surefoot.api.v1alpha1.approval import Decision
    from surefoot.plugin import deciding, session

    decision = Decision.GO if go else Decision.NO_GO
    answer = deciding.Answer(decision, checkpoint, said, asks=not yes)
    where = Where(namespace, context=context)
    session.run(where, lambda now: deciding.report(now, name, answer))


def acknowledge(
    name: Annotated[
        str,
        typer.Argument(
            metavar="OBJECT",
            callback=an_object,
            help="The Checkpoint that was decided, or the Approval that acknowledges it.",
        ),
    ],
    *,
    reason: Reason,
    no_go: Annotated[
        bool, typer.Option("--no-go", help="Refuse it: the step is blocked until you acknowledge.")
    ] = False,
    yes: Yes = False,
    namespace: Namespace = None,
    context: Context = None,
) -> None:
    """Confirm the outcome of a handoff or a meeting that asks for it."""
    from surefoot.api.v1alpha1.approval import Decision
    from surefoot.plugin import acknowledging, deciding, session

    decision = Decision.NO_GO if no_go else Decision.GO
    answer = deciding.Answer(decision, name, {"reason": reason}, asks=not yes)
    where = Where(namespace, context=context)
    session.run(where, lambda now: acknowledging.acknowledge(now, answer))


def _asked_for(plain: list[str] | None, blocking: list[str] | None) -> dict[str, object]:
    """The conditions of a GO; nothing where it asks for nothing."""
    found = [
        *(_condition("--condition", each, blocks=False) for each in plain or ()),
        *(_condition("--blocking-condition", each, blocks=True) for each in blocking or ()),
    ]
    names = [each["name"] for each in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise typer.BadParameter(f"the condition {twice} is there twice")
    return {"conditions": found} if found else {}


def _condition(option: str, text: str, *, blocks: bool) -> dict[str, object]:
    name, colon, said = (part.strip() for part in text.partition(":"))
    if not (colon and said and name and a_name(name)):
        raise typer.BadParameter(
            f"{option}: {text!r} is not NAME: TEXT, such as 'watch: watch the queue for a day'"
        )
    return {"name": name, "text": said, "blocking": blocks}


def _dissent(text: str) -> dict[str, object]:
    by, _, statement = (part.strip() for part in text.partition("="))
    if not (by and statement):
        raise typer.BadParameter(
            f"--dissent: {text!r} is not BY=STATEMENT, such as hudson='it is not proved'"
        )
    return {"by": by, "statement": statement}


def _read(report: Path) -> str:
    from surefoot.plugin.files import BadFile, read_text

    try:
        text = read_text(str(report), 4 * LONGEST_REPORT)  # a character has up to four bytes
    except BadFile as error:
        raise typer.BadParameter(f"--report: {error}") from error
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
