"""Plans played in virtual time by the production core."""

from datetime import timedelta
from typing import Any

import pytest

from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import TransitionType
from surefoot.simulate.engine import simulate
from surefoot.simulate.run import Run
from surefoot.simulate.scenario import BadScenario, Scenario
from tests.support.world import (
    World,
    a_checkpoint,
    a_gate,
    a_metric,
    a_role,
    a_rollout,
    a_trigger,
    from_time,
    steady,
    steps_of,
)

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WATCHED: dict[str, Any] = {
    "steps": steps_of(10, 50, 100),
    "hold": {"soak": "2h"},
    "metrics": [a_metric()],
    "triggers": [a_trigger(**{"for": "5m"})],
    "gates": [a_gate(**{"for": "10m"})],
}


def played(scenario: dict[str, Any] | None = None, **plan: Any) -> Run:
    """The plan under the scenario, as its YAML would have it."""
    return simulate(a_rollout(**plan), Scenario.model_validate(scenario or {}))


def moves(run: Run) -> list[tuple[int, timedelta]]:
    """Where the flag came to, and after how long."""
    return [(each.percent, each.at - run.began) for each in run.reached]


def texts(run: Run, kind: str) -> list[str]:
    """What the timeline has of a kind."""
    return [entry.text for entry in run.entries if entry.kind == kind]


def test_soaks_are_as_long_as_the_plan_says() -> None:
    """To the second, however far the simulation jumps: nothing is lost between two looks."""
    run = played(**WATCHED | {"hold": {"soak": "48h", "warmUp": "1h"}})
    assert moves(run) == [(10, 0 * HOUR), (50, 49 * HOUR), (100, 98 * HOUR)]
    assert run.took == 147 * HOUR


@pytest.mark.parametrize("triggers", [1, 8, 32])
def test_no_soak_is_lost_where_one_question_reaches_less_far(triggers: int) -> None:
    """The more triggers, the less time one answer accounts for."""
    many = [a_trigger(f"t{n}", metric="errors", **{"for": "8s"}) for n in range(triggers)]
    run = played(steps=steps_of(10, 100), hold={"soak": "1h"}, metrics=[a_metric()], triggers=many)
    assert run.took == 2 * HOUR


def test_it_decides_as_a_world_that_looks_every_thirty_seconds() -> None:
    """Jumping over quiet time changes nothing: a breach is met at the same moment."""
    plan = WATCHED | {"hold": {"soak": "3h"}}
    world = World(a_rollout(**plan))
    breach = timedelta(hours=4, minutes=10)
    world.now = Scenario().begins
    world.metrics["errors"] = from_time(world.now + breach, 0.05, 0.9)
    world.run(timedelta(hours=4, minutes=30))
    event = {"at": "4h10m", "metric": {"name": "errors", "says": 0.9}}
    run = played({"until": "4h30m", "events": [event]}, **plan)
    expected = [
        (entry.type, entry.to, entry.at)
        for entry in world.status.history
        if entry.type in {TransitionType.START, TransitionType.ADVANCE, TransitionType.ROLLBACK}
    ]
    found = [(percent, at) for percent, at, _ in run.reached]
    assert found == [(to, at) for _, to, at in expected]
    assert run.rollbacks == 2  # one step after the other, as long as it lasts


def test_people_who_are_slow_are_waited_for() -> None:
    """The timeline says who, and the account for how long."""
    approvals = {"roles": [a_role("qa", "bob"), a_role("lead", "eve")]}
    scenario = {"people": {"approvals": "1h", "named": {"lead": "1d"}}}
    run = played(scenario, steps=steps_of(10, 100), approvals=approvals)
    assert run.took == DAY
    assert texts(run, "person") == ["bob says GO for qa", "eve says GO for lead"]
    assert run.waited["Approved"] == DAY


def test_one_person_is_not_taken_for_two_roles() -> None:
    """Who could do least else comes first: eve is the only one for lead."""
    approvals = {"roles": [a_role("qa", "eve", "bob"), a_role("lead", "eve")]}
    run = played(steps=steps_of(10, 100), approvals=approvals)
    assert texts(run, "person") == ["bob says GO for qa", "eve says GO for lead"]


def test_author_signs_nothing() -> None:
    """The plan cannot be signed by who applies it, and says so before it starts."""
    approvals = {"roles": [a_role("qa", "bob")]}
    run = played({"author": "bob"}, steps=steps_of(10, 100), approvals=approvals)
    assert run.took is None
    assert "nobody can sign for qa" in run.waits_for


def test_who_never_answers_ends_the_simulation_early() -> None:
    """Nothing more would happen: it is not played to the end of its sixty days."""
    approvals = {"roles": [a_role("qa", "bob")]}
    run = played({"people": {"approvals": "never"}}, steps=steps_of(10, 100), approvals=approvals)
    assert run.took is None
    assert run.ended - run.began < 10 * DAY
    assert run.waits_for == "qa (bob)"


def test_no_go_is_resolved_by_a_meeting() -> None:
    """Two hours after the conflict is there."""
    approvals = {"roles": [a_role("qa", "bob"), a_role("lead", "eve")]}
    scenario = {
        "people": {"meetings": "2h"},
        "events": [{"at": "first approval", "noGo": "lead"}],
    }
    run = played(scenario, steps=steps_of(10, 100), approvals=approvals)
    said = texts(run, "person")
    assert "eve says NO-GO for lead" in said
    assert any(" for conflict" in each for each in said)
    assert run.took is not None
    assert run.took >= 2 * HOUR


def test_flapping_data_make_the_soak_longer() -> None:
    """Half of the time counts."""
    event = {
        "at": "0s",
        "for": "2h",
        "metric": {"name": "*", "says": "flapping", "every": "10m"},
    }
    run = played({"events": [event]}, **WATCHED)
    usual = played(**WATCHED)
    assert run.took is not None
    assert usual.took is not None
    assert timedelta(minutes=50) < run.took - usual.took < timedelta(minutes=80)


def test_breach_at_a_percentage_rolls_back_and_is_tried_again() -> None:
    """At 50 %, ten minutes after it is there."""
    scenario = {
        "people": {"retry": "1h"},
        "events": [
            {"at": "50%", "after": "10m", "for": "8m", "metric": {"name": "trigger"}},
        ],
    }
    run = played(scenario, **WATCHED)
    assert [each.percent for each in run.reached] == [10, 50, 10, 50, 100]
    back = run.reached[2].at - run.reached[1].at
    assert timedelta(minutes=15) <= back <= timedelta(minutes=16)
    assert run.took is not None


def test_time_without_data_is_no_healthy_time() -> None:
    """An hour without Prometheus costs an hour of soak."""
    run = played({"events": [{"at": "1h", "for": "1h", "prometheus": "down"}]}, **WATCHED)
    assert run.took is not None
    assert timedelta(0) <= run.took - 7 * HOUR < timedelta(minutes=2)


def test_operator_that_was_down_reads_back_what_was() -> None:
    """An hour in the middle of a soak costs nothing: the data prove it healthy."""
    run = played({"events": [{"at": "30m", "for": "1h", "operator": "down"}]}, **WATCHED)
    assert run.took == 6 * HOUR
    assert run.spent["OperatorDown"] == HOUR


@pytest.mark.parametrize(
    ("event", "costs"),
    [
        ({"pause": True}, HOUR / 2),
        ({"halt": True}, HOUR / 2),
        ({"policies": "missing"}, HOUR / 2),
        ({"clock": "disagrees"}, None),
        ({"tamper": "100"}, 0 * HOUR),
    ],
)
def test_what_stands_in_the_way_costs_its_time(
    event: dict[str, Any], costs: timedelta | None
) -> None:
    """An hour from half an hour before the first advance on."""
    run = played({"events": [{"at": "90m", "for": "1h", **event}]}, **WATCHED)
    assert run.took is not None
    assert run.rollbacks == 0
    assert costs is None or run.took - 6 * HOUR == costs


def test_checkpoints_open_and_are_reported_when_they_may_be() -> None:
    """`opensAfter` is kept, and the delay counts from there."""
    hold = {"checkpoints": [a_checkpoint("report", "rex", opensAfter="3h")]}
    run = played({"people": {"checkpoints": "1h"}}, steps=steps_of(10, 100, first=hold))
    assert moves(run)[1] == (100, 4 * HOUR)


def test_rehearsals_are_asked_for_where_people_ask() -> None:
    """With mode Manual somebody raises the run."""
    plan = {"steps": steps_of(10, 100), "rehearsal": {"mode": "Manual"}}
    run = played({"people": {"rehearsals": "2h"}}, **plan)
    assert moves(run)[1] == (100, 2 * HOUR)


def test_what_the_scenario_says_of_the_plan_is_merged_into_it() -> None:
    """As a merge patch, before it begins."""
    run = played({"plan": {"hold": {"soak": "5h"}}}, **WATCHED)
    assert run.took == 15 * HOUR


@pytest.mark.parametrize(
    ("scenario", "said"),
    [
        ({"events": [{"metric": {"name": "nothing"}}]}, "no metric nothing; there are: errors"),
        ({"plan": {"steps": []}}, "as the scenario has it, is not valid: spec.steps"),
        ({"events": [{"change": {"hold": {"soak": "x"}}}]}, "changed so, is not valid: hold.soak"),
    ],
)
def test_scenario_that_does_not_fit_the_plan_is_refused(
    scenario: dict[str, Any], said: str
) -> None:
    """With the part that does not."""
    with pytest.raises(BadScenario, match=said.replace(".", r"\.")):
        played(scenario, **WATCHED)


def test_simulating_twice_gives_the_same() -> None:
    """Nothing of it depends on when or where it is played."""
    scenario = {"people": {"retry": "1h"}, "events": [{"at": "50%", "metric": {}, "for": "1h"}]}
    assert played(scenario, **WATCHED).as_json() == played(scenario, **WATCHED).as_json()


def test_quiet_time_takes_few_decisions() -> None:
    """A month of soak is no month of evaluations: there would be 86,400 of them."""
    run = played(**WATCHED | {"steps": steps_of(10, 100), "hold": {"soak": "15d"}})
    assert run.took == 30 * DAY
    assert run.decisions < 300


def test_steady_metrics_are_healthy_by_the_bounds_of_the_plan() -> None:
    """Also where a bound is from below, or relative to what was."""
    plan = WATCHED | {
        "hold": {"soak": "1h", "baseline": "30m"},
        "metrics": [a_metric(), a_metric("up"), a_metric("cost")],
        "triggers": [
            a_trigger(),
            a_trigger("up", below="0.9"),
            a_trigger("cost", above="1.5", relativeTo="Baseline"),
        ],
    }
    assert played(**plan).took == 3 * HOUR
    breach = {"at": "50%", "metric": {"name": "cost", "says": "breach"}}
    assert played({"events": [breach]}, **plan).rollbacks == 1


def test_world_is_healthy_too() -> None:
    """The comparison above compares two worlds that both move."""
    world = World(Rollout.model_validate(a_rollout(**WATCHED).to_wire()))
    world.metrics["errors"] = steady(0.05)
    world.run(timedelta(hours=2, minutes=1))
    assert world.percent == 50
