"""simulate: a plan of a file and a scenario, played, and how it is told."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from surefoot.api.v1alpha1.moments import parse_moment
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.cli.exits import NO, USAGE
from surefoot.lint.text import MOST_BYTES
from surefoot.plugin import output
from surefoot.plugin.amounts import written
from surefoot.plugin.commands.offline import Format
from surefoot.plugin.files import BadFile, read_text, say_lines
from surefoot.plugin.plans import plan_from
from surefoot.simulate import scenario as scenarios_
from surefoot.simulate.engine import simulate
from surefoot.simulate.faults import NOT_ASKED, Outcome, single_faults
from surefoot.simulate.run import Run
from surefoot.simulate.scenario import BadScenario, Scenario


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be played."""

    file: str
    rollout: str | None
    scenario: str
    start: str | None


def schema() -> int:
    """Print the JSON Schema of scenarios."""
    output.say_json(scenarios_.schema())
    return 0


def scenarios(format_: Format) -> int:
    """Print the scenarios that come with Surefoot."""
    found = {name: scenarios_.parse(name, text) for name, text in scenarios_.shipped().items()}
    if format_ is Format.JSON:
        output.say_json({name: each.description for name, each in found.items()})
    else:
        widest = max(map(len, found))
        output.say_lines(f"{name:<{widest}}  {each.description}" for name, each in found.items())
    return 0


def play(asked: Asked, format_: Format) -> int:
    """Play the plan; 1 where what the scenario expects does not come about."""

    def played(rollout: Rollout, scenario: Scenario) -> int:
        run = simulate(rollout, scenario)
        unmet = list(run.unmet(scenario.expect))
        if format_ is Format.JSON:
            output.say_json({**run.as_json(), "unmet": unmet})
        else:
            say_lines(run.in_lines())
            for each in unmet:
                output.warn(f"expected otherwise: {each}")
        return NO if unmet else 0

    return _with(asked, played)


def find_earliest(asked: Asked, format_: Format) -> int:
    """When the flag is at 100% at the earliest, and when the rollout is complete."""

    def found(rollout: Rollout, scenario: Scenario) -> int:
        start = asked.start or written(datetime.now(UTC))  # noqa: TID251 - a person's own clock
        begins = _moment(start).replace(microsecond=0)
        run = simulate(rollout, Scenario(start=begins, plan=scenario.plan))
        said = run.as_json()
        full = next((each["at"] for each in said["reached"] if each["percent"] == 100), None)
        if format_ is Format.JSON:
            output.say_json({"earliest": full, **said})
        else:
            say_lines(run.steps_in_lines())
            output.say(run.conclusion())
        return NO if full is None else 0

    return _with(asked, found)


def all_single_faults(asked: Asked, format_: Format) -> int:
    """What each check costs, removed or failed once."""

    def told(rollout: Rollout, scenario: Scenario) -> int:
        output.progress("without a fault")
        usual, played = single_faults(rollout, scenario)
        outcomes = []
        for each in played:
            output.progress(f"{each.check} {each.fault}")
            outcomes.append(each)
        output.progress("")
        if format_ is Format.JSON:
            faults = [each.as_json(usual) for each in outcomes]
            output.say_json({"usual": usual.as_json(), "faults": faults})
        else:
            output.say_lines(faults_in_lines(usual, outcomes))
        return 0

    return _with(asked, told)


def faults_in_lines(usual: Run, outcomes: Sequence[Outcome]) -> Iterator[str]:
    """What each fault came to, under its check; what the plan does not ask for, in one line."""
    yield f"without a fault: {usual.conclusion()}"
    widest = max((len(each.cost(usual)) for each in outcomes), default=0)
    unasked = []
    for check, group in groupby(outcomes, lambda each: each.check):
        of_check = list(group)
        if all(each.words == NOT_ASKED for each in of_check):
            unasked.append(check)
            continue
        yield check
        for each in of_check:
            yield f"  {each.cost(usual) or '-':<{widest}}  {each.fault}: {each.outcome}"
    if unasked:
        yield f"{NOT_ASKED}: {', '.join(unasked)}"


def _with(asked: Asked, work: Callable[[Rollout, Scenario], int]) -> int:
    try:
        rollout = plan_from(asked.file, asked.rollout)
        scenario = _scenario(asked)
        return work(rollout, scenario)
    except (BadFile, BadScenario) as error:
        output.warn(f"Error: {error}")
        return USAGE


def _scenario(asked: Asked) -> Scenario:
    shipped = scenarios_.shipped()
    name = asked.scenario
    if name in shipped:
        found = scenarios_.parse(name, shipped[name])
    elif "/" in name or name == "-" or Path(name).exists() or name.endswith((".yaml", ".yml")):
        found = scenarios_.parse(name, read_text(name, MOST_BYTES))
    else:
        raise BadScenario(f"there is no scenario {name}; there are: {', '.join(shipped)}")
    if asked.start is not None:
        found = found.model_copy(update={"start": _moment(asked.start)})
    return found


def _moment(text: str) -> datetime:
    try:
        return parse_moment(text)
    except ValueError as error:
        raise BadScenario(f"--start {text}: {error}") from error
