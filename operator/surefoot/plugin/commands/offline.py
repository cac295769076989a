"""lint, simulate, backtest, suggest: about a plan in a file, before anybody applies it."""

import inspect
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from datetime import timedelta

    from surefoot.plugin.backtesting import Asked

# ruff: noqa: PLC0415 - see the package


class Format(StrEnum):
    """How an answer is printed."""

    TEXT = "text"
    JSON = "json"


class LintFormat(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


Output = Annotated[Format, typer.Option("--output", "-o", help="How to print it.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("lint")(lint)
    app.command("simulate")(simulate)
    app.command("backtest")(backtest)
    app.command("suggest")(suggest)


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


Prometheus = Annotated[
    str | None, typer.Option("--prometheus", metavar="URL", help="Where the history is.")
]
OpenMetrics = Annotated[
    str | None,
    typer.Option("--openmetrics", metavar="FILE", help="A file with the history instead."),
]
From = Annotated[
    str, typer.Option("--from", metavar="MOMENT|LENGTH", help="From when: 7d is before --to.")
]
To = Annotated[
    str | None, typer.Option("--to", metavar="MOMENT|LENGTH", help="Until when; now if absent.")
]
Every = Annotated[
    str, typer.Option("--every", metavar="DURATION", help="The operator's evaluation interval.")
]
BearerToken = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A file with the token to send.")
]
BasicAuth = Annotated[Path | None, typer.Option(metavar="FILE", help="A file with user:password.")]
Headers = Annotated[Path | None, typer.Option(metavar="FILE", help="YAML of headers to send.")]
Authorities = Annotated[
    Path | None, typer.Option("--ca-file", metavar="FILE", help="PEM of the authorities to trust.")
]


def _history(
    file: PlanFile,
    *,
    prometheus: Prometheus = None,
    openmetrics: OpenMetrics = None,
    from_: From = "7d",
    to: To = None,
    every: Every = "30s",
    rollout: PlanName = None,
    bearer_token_file: BearerToken = None,
    basic_auth_file: BasicAuth = None,
    headers_file: Headers = None,
    ca_file: Authorities = None,
) -> "Asked":
    """Which plan, and where its history is: the options of every command about history."""
    from surefoot.plugin.backtesting import Asked

    asked = Asked(
        file,
        rollout,
        prometheus,
        openmetrics,
        from_,
        to,
        length("--every", every),
        headers_file,
        bearer_token_file,
        basic_auth_file,
        ca_file,
    )
    _one_source(asked)
    return asked


def _about_history(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `_history`, and what they ask as its first argument."""
    shared = inspect.signature(_history).parameters
    own = inspect.signature(command).parameters

    def run(**given: Any) -> None:
        asked = _history(**{name: given.pop(name) for name in shared})
        command(asked, **given)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    parameters = [*shared.values(), *(own[name] for name in list(own)[1:])]
    vars(run)["__signature__"] = inspect.Signature(parameters)
    return run


@_about_history
def backtest(
    asked: "Asked",
    *,
    svg: Annotated[
        str | None, typer.Option("--svg", metavar="FILE", help="Draw it into this file.")
    ] = None,
    png: Annotated[
        str | None, typer.Option("--png", metavar="FILE", help="The same as PNG.")
    ] = None,
    output: Output = Format.TEXT,
) -> None:
    """What gates and triggers would have said over history; exits 1 on a rollback."""
    from surefoot.plugin.backtesting import run_backtest

    raise typer.Exit(run_backtest(asked, output, svg=svg, png=png))


@_about_history
def suggest(asked: "Asked", *, output: Output = Format.TEXT) -> None:
    """Bounds from what was seen, with the false alarms that each would have raised."""
    from surefoot.plugin.backtesting import run_suggest

    raise typer.Exit(run_suggest(asked, output))


def _one_source(asked: "Asked") -> None:
    from datetime import timedelta

    if (asked.prometheus is None) == (asked.openmetrics is None):
        raise typer.BadParameter("give one of --prometheus and --openmetrics")
    if asked.every < timedelta(seconds=1):
        raise typer.BadParameter("at least 1s", param_hint="--every")


def length(option: str, text: str) -> "timedelta":
    """The length of time that an option says. Raises ``BadParameter``."""
    from surefoot.api.v1alpha1.durations import parse_duration

    try:
        return parse_duration(text)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(str(error), param_hint=option) from error
