"""Coverage: the observed share against the percentage."""

from typing import Any

import pytest

from surefoot.domain.facts.measurements import Outcome
from tests.support.world import (
    START,
    World,
    a_metric,
    a_rollout,
    a_trigger,
    minutes,
    seconds,
    steady,
    steps_of,
)

PLAN: dict[str, Any] = {
    "steps": steps_of(10, 100),
    "metrics": [a_metric("share")],
    "coverage": {"metric": "share"},
}


def at_10(share: float | None, steps: tuple[int, ...] = (10, 100), **coverage: Any) -> World:
    """A rollout whose metric counts this share, as a fraction."""
    changes = {"steps": steps_of(*steps), "coverage": {"metric": "share"} | coverage}
    world = World(a_rollout(**PLAN | changes))
    world.metrics["share"] = steady(share)
    world.run(minutes(1))
    return world


@pytest.mark.parametrize(
    ("share", "passes"), [(0.09, True), (0.11, True), (0.1101, False), (0.08, False)]
)
def test_share_within_a_point_of_the_percentage_passes(share: float, passes: bool) -> None:
    """In percentage points, either way."""
    world = at_10(share)
    assert world.percent == (100 if passes else 10)


def test_share_outside_the_tolerance_is_said_with_numbers() -> None:
    """What was found, and what was expected."""
    world = at_10(0.142, tolerance="2.5")
    assert world.condition("CoverageObserved") == ("False", "OutsideTolerance")
    assert world.message("CoverageObserved") == (
        "14.2% are in as share counts them, 10% were let in; 2.5 points off are tolerated"
    )
    assert (world.status.phase, world.status.waiting_on) == (
        "Holding",
        world.message("CoverageObserved"),
    )


def test_tolerance_of_the_plan_is_taken() -> None:
    """Wider than the default of one point."""
    assert at_10(0.142, tolerance=5).percent == 100


def test_advance_has_the_share_as_evidence() -> None:
    """Measured at the step that is left."""
    world = at_10(0.1)
    windows = next(entry for entry in world.status.history if entry.to == 100).evidence.windows
    assert [(w.metric, w.used_by, w.last) for w in windows] == [("share", "coverage", "0.1")]


@pytest.mark.parametrize(
    ("outcome", "said"),
    [(Outcome.UNREACHABLE, "connection refused"), (Outcome.MANY_SERIES, "two series")],
)
def test_share_that_is_not_known_is_unknown(outcome: Outcome, said: str) -> None:
    """Which blocks, with the provider's words."""
    world = at_10(0.5)
    world.failing["share"] = (outcome, said)
    world.run(minutes(1))
    assert world.condition("CoverageObserved") == ("Unknown", outcome.value)
    assert world.message("CoverageObserved") == f"coverage share: {said}"


def test_answer_that_is_old_is_stale() -> None:
    """Older than two evaluations."""
    world = at_10(0.5)
    world.metrics["share"] = steady(0.1)
    world.answered_at["share"] = world.now - minutes(2)
    assert next(
        (c.status, c.reason)
        for c in world.decide().status.conditions
        if c.type == "CoverageObserved"
    ) == ("Unknown", "Stale")


def test_share_of_before_the_step_says_nothing_of_it() -> None:
    """The first point of the step decides."""
    world = World(a_rollout(**PLAN), now=START + seconds(17))
    world.metrics["share"] = steady(0.1)
    world.settle()
    assert (world.percent, world.condition("CoverageObserved")) == (10, ("False", "NoPointYet"))
    world.run(seconds(13))
    assert world.percent == 100


@pytest.mark.parametrize("share", [None, float("nan"), 0.0])
def test_without_anybody_in_there_need_be_no_share(share: float | None) -> None:
    """At 0% no data hold nothing."""
    assert at_10(share, steps=(0, 100)).percent == 100


def test_somebody_in_at_zero_percent_blocks() -> None:
    """A share of 5% where nobody was let in."""
    assert at_10(0.05, steps=(0, 100)).percent == 0


def test_share_that_flaps_is_written_at_most_every_ten_seconds() -> None:
    """Once a second it is known, and then again it is not."""
    world = World(a_rollout(**PLAN), interval=seconds(1))
    world.metrics["share"] = lambda at: None if at.second % 2 else 0.5
    world.run(seconds(5))
    before = world.status_writes
    world.run(minutes(1))
    assert 1 <= world.status_writes - before <= 7


def test_coverage_ends_with_the_rollout() -> None:
    """Completed, nothing is asked any more."""
    world = at_10(1.0, steps=(100,))
    assert world.condition("CoverageObserved") == ("True", "Completed")


def test_trigger_acts_whatever_the_coverage() -> None:
    """Coverage is a condition to advance, and no more."""
    world = at_10(0.5)
    world.edit(metrics=[a_metric("share"), a_metric()], triggers=[a_trigger(to="Zero")])
    world.metrics["errors"] = steady(0.9)
    world.run(minutes(1))
    assert world.percent == 0
