"""The readiness scorecard: points for what is shown, and a reason for every point that is not."""

import math
from typing import Any

import pytest

from tests.support.world import (
    World,
    a_checkpoint,
    a_gate,
    a_metric,
    a_role,
    a_rollout,
    minutes,
    steady,
    steps_of,
)

DEFAULTS = (
    ("health", "Technical"),
    ("test-pass-rate", "Technical"),
    ("error-rate", "Technical"),
    ("p95-latency", "Technical"),
    ("checkpoint-report", "Process"),
    ("approvals", "Process"),
    ("decision-meeting", "Process"),
    ("soak-time", "Validation"),
    ("cache-performance", "Validation"),
    ("retrieval-accuracy", "Validation"),
)


def items(*found: tuple[str, int, dict[str, str]]) -> list[dict[str, Any]]:
    """Items of a scorecard: name, points, and what earns them."""
    return [{"name": name, "points": points, **source} for name, points, source in found]


def scored(card: dict[str, Any], errors: float | None = 0.0, **spec: Any) -> World:
    """A rollout at 10%, scored once a minute of it has passed; one gate on errors."""
    plan: dict[str, Any] = {"steps": steps_of(10, 100), "hold": {"soak": "2m"}}
    plan |= {"metrics": [a_metric()], "gates": [a_gate()], "scorecard": card}
    world = World(a_rollout(**(plan | spec)), metrics={"errors": steady(errors)})
    world.run(minutes(1))
    return world


def earned(world: World) -> dict[str, int]:
    """The points of every item."""
    assert world.status.readiness is not None
    return {item.name: item.points for item in world.status.readiness.items}


def says(world: World, name: str) -> str:
    """Why an item has its points."""
    assert world.status.readiness is not None
    return next(item.message for item in world.status.readiness.items if item.name == name)


def test_default_items_are_ten_of_ten_points_in_three_sections() -> None:
    """Forty for technology, thirty for process, thirty for validation."""
    readiness = scored({}).status.readiness
    assert readiness is not None
    assert tuple((item.name, item.section) for item in readiness.items) == DEFAULTS
    assert {item.out_of for item in readiness.items} == {10}
    assert (readiness.score, readiness.out_of, readiness.verdict) == (0, 100, "NoGo")


def test_default_items_are_earned_by_gates_of_their_names_and_by_what_people_did() -> None:
    """All but the meeting, which this plan does not have."""
    names = [name for name, _ in DEFAULTS]
    gates = [name for name in names if name not in {"checkpoint-report", "approvals", "soak-time"}]
    gates.remove("decision-meeting")
    world = World(
        a_rollout(
            steps=steps_of(10, 100),
            hold={"soak": "1m", "checkpoints": [a_checkpoint("minute-1", "atlas")]},
            approvals={"roles": [a_role("security", "hudson")], "opens": "Step"},
            metrics=[a_metric(name) for name in gates],
            gates=[a_gate(name) for name in gates],
            scorecard={},
        ),
        metrics={name: steady(0.0) for name in gates},
    )
    world.run(minutes(2))
    assert world.status.readiness is not None
    assert (world.status.readiness.score, world.status.readiness.verdict) == (
        70,
        "GoWithMonitoring",
    )
    world.sign("memory-sync-10-minute-1", "atlas")
    world.settle()
    assert world.status.readiness.score == 80
    assert earned(world)["checkpoint-report"] == 10
    assert says(world, "decision-meeting") == (
        "not shown: this step has no checkpoint of type DecisionMeeting"
    )
    assert says(world, "soak-time").startswith("SoakComplete: 2m0s of 1m")


@pytest.mark.parametrize(
    ("errors", "points", "message"),
    [
        (0.05, 100, "gate errors: 0.05, at most 0.1"),
        (0.2, 0, "gate errors: 0.2, must be at most 0.1"),
        (None, 0, "not measured: gate errors: no value at the newest point"),
        (math.nan, 0, "not measured: gate errors: the newest value is not a number"),
    ],
)
def test_gate_earns_points_only_when_it_was_measured_and_holds(
    errors: float | None, points: int, message: str
) -> None:
    """No data is no points, and is said."""
    world = scored({"items": items(("errors", 100, {}))}, errors)
    assert (earned(world), says(world, "errors")) == ({"errors": points}, message)


def test_gate_is_scored_though_this_step_does_not_need_it() -> None:
    """It says something about readiness all the same."""
    world = scored(
        {"items": items(("quality", 100, {"gate": "errors"}))}, hold={"soak": "1h", "gates": []}
    )
    assert (world.condition("GatesHealthy"), earned(world)) == (
        ("True", "NotRequired"),
        {"quality": 100},
    )


def test_what_the_plan_does_not_ask_for_is_not_shown() -> None:
    """Nobody signed, since nobody had to: no points for that."""
    world = scored({"items": items(("signed", 100, {"condition": "Approved"}))})
    assert (earned(world), says(world, "signed")) == (
        {"signed": 0},
        "not shown: the plan asks for nothing that Approved could say",
    )


@pytest.mark.parametrize(
    ("go", "monitored", "verdict"),
    [(60, 50, "Go"), (61, 60, "GoWithMonitoring"), (90, 61, "NoGo")],
)
def test_verdict_follows_from_the_thresholds(go: int, monitored: int, verdict: str) -> None:
    """A score at a threshold has reached it; here it is 60."""
    card = {
        "go": go,
        "goWithMonitoring": monitored,
        "items": items(("errors", 60, {}), ("signed", 40, {"condition": "Approved"})),
    }
    readiness = scored(card).status.readiness
    assert readiness is not None
    assert (readiness.score, readiness.verdict) == (60, verdict)


def test_scorecard_without_a_gate_blocks_nothing() -> None:
    """It is for people to read."""
    world = scored({})
    assert world.condition("ScorecardPassed") == ("True", "NotRequired")
    world.run(minutes(2))
    assert world.percent == 100


def test_scorecard_as_a_gate_holds_until_enough_points_are_there() -> None:
    """It names every item that has not all its points."""
    values = {"errors": 0.05, "cost": 0.2}
    world = World(
        a_rollout(
            steps=steps_of(10, 100),
            hold={"gates": ["errors"]},
            metrics=[a_metric(), a_metric("cost")],
            gates=[a_gate(), a_gate("cost")],
            scorecard={"gate": True, "items": items(("errors", 40, {}), ("cost", 60, {}))},
        ),
        metrics={"errors": lambda _: values["errors"], "cost": lambda _: values["cost"]},
    )
    world.run(minutes(1))
    assert (world.percent, world.status.phase) == (10, "Holding")
    assert world.blockers() == [("ScorecardPassed", "NoGo")]
    assert world.status.waiting_on == ("readiness 40 of 100, at least 70 needed: cost 0 of 60")
    values["cost"] = 0.05
    world.run(minutes(1))
    assert world.percent == 100
    advance = next(entry for entry in world.status.history if entry.type == "Advance")
    assert "ScorecardPassed=Go" in advance.evidence.conditions


def test_start_needs_no_points() -> None:
    """There is nobody yet to have any data."""
    world = scored({"gate": True})
    assert (world.percent, world.condition("ScorecardPassed")) == (10, ("False", "NoGo"))


def test_complete_rollout_has_no_score() -> None:
    """There is no step ahead that it could be ready for."""
    world = scored({"items": items(("errors", 100, {}))}, steps=steps_of(100), hold={"soak": "0s"})
    assert (world.status.phase, world.status.readiness) == ("Completed", None)


FAULTS: list[tuple[str, str, dict[str, Any]]] = [
    (
        "PointsDoNotAddUp",
        "the points of scorecard.items add up to 99; they must add up to 100",
        {"items": items(("errors", 99, {}))},
    ),
    (
        "ThresholdsCrossed",
        "scorecard.go is 69 and goWithMonitoring 70; go must not be the lower one",
        {"go": 69},
    ),
    (
        "UnknownScorecardSource",
        "scorecard item cost is earned by the gate cost, which is unknown; known: errors",
        {"items": items(("cost", 100, {}))},
    ),
    (
        "UnknownScorecardSource",
        (
            "scorecard item a is earned by the checkpoint hour-48, which is unknown; known: "
            "DecisionMeeting, Handoff, Report"
        ),
        {"items": items(("a", 100, {"checkpoint": "hour-48"}))},
    ),
]


@pytest.mark.parametrize(("reason", "message", "card"), FAULTS)
def test_scorecard_that_can_not_be_counted_is_refused(
    reason: str, message: str, card: dict[str, Any]
) -> None:
    """`PlanValid=False`, and nobody is moved."""
    world = scored(card)
    assert (world.percent, world.condition("PlanValid")) == (None, ("False", reason))
    assert world.message("PlanValid") == message


@pytest.mark.parametrize("name", ["ScorecardPassed", "Ready", "soakComplete"])
def test_points_for_an_unknown_condition_are_refused(name: str) -> None:
    """The scorecard cannot be its own evidence, either."""
    world = scored({"items": items(("a", 100, {"condition": name}))})
    assert world.condition("PlanValid") == ("False", "UnknownScorecardSource")
    assert f"the condition {name}, which is unknown; known: PlanValid" in world.message("PlanValid")
