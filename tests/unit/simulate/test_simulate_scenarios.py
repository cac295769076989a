"""Scenarios: the shipped ones, their schema, and what is wrong with others."""

from pathlib import Path

import jsonschema
import pytest

from surefoot.domain.checks.table import CHECKS
from surefoot.lint.linter import rollouts
from surefoot.lint.text import documents
from surefoot.simulate.engine import simulate
from surefoot.simulate.faults import FAULTS, single_faults
from surefoot.simulate.scenario import BadScenario, Scenario, parse, schema, shipped
from tests.support.world import a_gate, a_metric, a_role, a_rollout, a_trigger, steps_of

NAMED = {
    "happy-path",
    "slow-approver",
    "flapping-exporter",
    "breach-at-each-step",
    "prometheus-down",
    "freeze-over-a-weekend",
    "no-go-and-meeting",
    "operator-down",
    "missed-checkpoint",
    "retry-after-rollback",
}
MINIMAL = Path(__file__).parents[3] / "manifests" / "examples" / "minimal.yaml"


def a_small_plan() -> object:
    """Two steps with everything that scenarios talk about."""
    return a_rollout(
        steps=steps_of(10, 100),
        hold={"soak": "6h"},
        metrics=[a_metric()],
        triggers=[a_trigger(**{"for": "5m"})],
        gates=[a_gate(**{"for": "10m"})],
        approvals={"roles": [a_role("qa", "bob", "kim"), a_role("lead", "eve", "joe")]},
    )


def test_library_has_what_is_promised() -> None:
    """Ten at least, each with a sentence."""
    found = shipped()
    assert set(found) >= NAMED
    assert all(parse(name, text).description.endswith(".") for name, text in found.items())


@pytest.mark.parametrize("name", sorted(shipped()))
def test_shipped_scenarios_fit_their_schema_and_come_out_as_expected(name: str) -> None:
    """On a plan of two steps."""
    text = shipped()[name]
    (document,) = documents(text)
    jsonschema.Draft202012Validator(schema()).validate(document.value())
    scenario = parse(name, text)
    run = simulate(a_small_plan(), scenario)  # type: ignore[arg-type]
    assert list(run.unmet(scenario.expect)) == []


def test_shipped_scenarios_can_be_played_with_a_plan_that_asks_for_little() -> None:
    """What it has not is not missed."""
    (rollout,) = rollouts(MINIMAL.read_text())
    for name in ("no-go-and-meeting", "missed-checkpoint", "breach-at-each-step"):
        assert simulate(rollout, parse(name, shipped()[name])).entries


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("events: [{at: 1h}]", "s:1:10: events.0: an event must have exactly one of metric"),
        ("events: [{at: 1h, pause: true, halt: true}]", "exactly one of"),
        ("events:\n- {at: soon, pause: true}", 's:2:3: events.0: "soon" is not a duration'),
        ("peple: {}", "s:1:1: peple: Extra inputs are not permitted"),
        ("until: forever", "s:1:8: until:"),
        ("[1]", "is no scenario"),
        ("a: [", "s:1:5: did not find"),
        ("{}\n---\n{until: 1d}", "has 2 documents"),
    ],
)
def test_scenario_that_cannot_be_read_is_refused_with_its_place(text: str, said: str) -> None:
    """In one line."""
    with pytest.raises(BadScenario) as refused:
        parse("s", text)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_every_check_of_the_core_is_among_the_faults() -> None:
    """One that is added to the table has to say how it fails."""
    assert set(FAULTS) == {check.type for check in CHECKS}


def test_single_faults_tell_what_each_check_costs() -> None:
    """Removed and failed, each against the run in which nothing is wrong."""
    usual, outcomes = single_faults(a_small_plan(), Scenario())  # type: ignore[arg-type]
    costs = {(each.check, each.fault): each.cost(usual) for each in outcomes}
    assert costs["SoakComplete", "removed"].startswith("-")
    assert costs["NotPaused", "paused for 1h"] == "+30m"
    assert costs["Approved", "signed a day late"] == "+24h"
    assert costs["Operator", "is down for 1h"] == "+30m"
    assert costs["CoverageObserved", "removed"] == ""
    assert costs["WithinSchedule", "a freeze of a day"] == "+24h"
    assert {name for name, _ in costs} >= {check.type.value for check in CHECKS}
