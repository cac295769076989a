"""lint, simulate, backtest, suggest: about a plan in a file, before anybody applies it."""

from typing import TYPE_CHECKING, Annotated

import typer

from surefoot.plugin.commands.options import Format, LintFormat, Output

if TYPE_CHECKING:
    from datetime import timedelta

# ruff: noqa: PLC0415 - see the package


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("lint")(lint)
    app.command("simulate")(simulate)


def lint(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE…|-", help="Files or folders; - is standard input.")
    ],
    *,
    fix: Annotated[
        bool, typer.Option("--fix", help="Mend in the files what is mended without a doubt.")
    ] = False,
    author: Annotated[
        str,
        typer.Option("--author", metavar="USER", help="Who will apply it, and so may not sign."),
    ] = "",
    scrape_interval: Annotated[
        str, typer.Option(metavar="DURATION", help="How often Prometheus takes samples.")
    ] = "30s",
    retention: Annotated[
        str, typer.Option(metavar="DURATION", help="How long Prometheus keeps them.")
    ] = "15d",
    output: Annotated[
        LintFormat, typer.Option("--output", "-o", help="How to print it.")
    ] = LintFormat.TEXT,
) -> None:
    """What is wrong with a plan, or can hardly be meant; needs no cluster; exits 1 on findings."""
    from surefoot.lint.meaning import Surroundings
    from surefoot.plugin.linting import lint_files

    around = Surroundings(
        author, length("--scrape-interval", scrape_interval), length("--retention", retention)
    )
    raise typer.Exit(lint_files(files, around, output, fix=fix))


PlanFile = Annotated[
    str, typer.Argument(metavar="FILE", help="A file with the plan; - is standard input.")
]
PlanName = Annotated[
    str | None,
    typer.Option("--rollout", metavar="NAME", help="Which Rollout, where the file has several."),
]


def simulate(
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="A file with the plan; - is stdin.")
    ] = None,
    *,
    scenario: Annotated[
        str,
        typer.Option("--scenario", "-s", metavar="NAME|FILE", help="What happens meanwhile."),
    ] = "happy-path",
    rollout: PlanName = None,
    start: Annotated[
        str | None,
        typer.Option("--start", metavar="MOMENT", help="When it begins: 2026-03-02T09:00:00Z."),
    ] = None,
    find_earliest: Annotated[
        bool, typer.Option("--find-earliest", help="When it could be at 100% at the earliest.")
    ] = False,
    all_single_faults: Annotated[
        bool,
        typer.Option("--all-single-faults", help="Every check removed or failed once: the cost."),
    ] = False,
    list_scenarios: Annotated[
        bool, typer.Option("--list", help="The scenarios that come with it.")
    ] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="The JSON Schema of scenarios, for editors.")
    ] = False,
    output: Output = Format.TEXT,
) -> None:
    """Play a plan in virtual time by the operator's own decisions; needs no cluster.

    Exits 1 where what the scenario expects does not come about.
    """
    from surefoot.plugin import simulating

    if schema or list_scenarios:
        raise typer.Exit(simulating.schema() if schema else simulating.scenarios(output))
    if file is None:
        raise typer.BadParameter("name a file with the plan", param_hint="FILE")
    if find_earliest and all_single_faults:
        raise typer.BadParameter("ask one of the two", param_hint="--find-earliest")
    asked = simulating.Asked(file, rollout, scenario, start)
    if find_earliest:
        raise typer.Exit(simulating.find_earliest(asked, output))
    if all_single_faults:
        raise typer.Exit(simulating.all_single_faults(asked, output))
    raise typer.Exit(simulating.play(asked, output))


def length(option: str, text: str) -> "timedelta":
    """The length of time that an option says. Raises ``BadParameter``."""
    from surefoot.api.v1alpha1.durations import parse_duration

    try:
        return parse_duration(text)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(str(error), param_hint=option) from error
