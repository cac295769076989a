"""The risk register: an open risk that is too severe is a gate where the plan says so."""

from typing import Any

import pytest

from tests.support.world import World, a_rollout, minutes, steps_of


def a_risk(name: str = "cold-cache", severity: str = "High", **changes: Any) -> dict[str, Any]:
    """A risk that nobody has done anything about."""
    return {"name": name, "severity": severity, "probability": "Low"} | changes


def at_ten_percent(limit: str | None, *risks: dict[str, Any]) -> World:
    """A rollout that may go on at once, as far as its risks let it."""
    limits = {"maxExpansionFactor": 100} | ({"maxOpenRisk": limit} if limit else {})
    world = World(a_rollout(steps=steps_of(10, 100), limits=limits, risks=list(risks)))
    world.run(minutes(1))
    return world


@pytest.mark.parametrize(
    ("limit", "severity", "blocks"),
    [
        (None, "High", False),
        ("High", "High", False),
        ("Medium", "High", True),
        ("Medium", "Medium", False),
        ("Low", "High", True),
        ("Low", "Medium", True),
        ("Low", "Low", False),
    ],
)
def test_open_risk_blocks_where_it_is_worse_than_the_plan_allows(
    limit: str | None, severity: str, blocks: bool
) -> None:
    """Without a limit the register is only a register."""
    world = at_ten_percent(limit, a_risk(severity=severity))
    expected = [("ScorecardPassed", "RiskOpen")] if blocks else []
    assert (world.percent, world.blockers()) == (10 if blocks else 100, expected)


@pytest.mark.parametrize("status", ["Mitigated", "Accepted"])
def test_risk_that_was_dealt_with_does_not_block(status: str) -> None:
    """Mitigated, or accepted by those who sign for the plan."""
    assert at_ten_percent("Medium", a_risk(status=status)).percent == 100


def test_every_risk_in_the_way_is_named_the_worst_first_and_the_flag_goes_on_without() -> None:
    """The start is not blocked; the phase says that something holds."""
    world = at_ten_percent("Low", a_risk("slow", "Medium"), a_risk(), a_risk("tiny", "Low"))
    assert [b.message for b in world.status.blocked_by] == [
        (
            "risk cold-cache of severity High and probability Low is open, and limits.maxOpenRisk "
            "is Low; mitigate or accept it, and say so in the plan"
        ),
        (
            "risk slow of severity Medium and probability Low is open, and limits.maxOpenRisk is "
            "Low; mitigate or accept it, and say so in the plan"
        ),
    ]
    assert world.status.phase == "Holding"
    world.edit(risks=[a_risk("slow", "Medium", status="Accepted"), a_risk(status="Mitigated")])
    world.run(minutes(1))
    assert world.percent == 100


def test_limit_that_is_kept_is_said() -> None:
    """The condition names what it stands for."""
    world = World(
        a_rollout(limits={"maxOpenRisk": "Low"}, steps=steps_of(90, 100), hold={"soak": "1h"})
    )
    world.settle()
    assert world.condition("ScorecardPassed") == ("True", "RisksCovered")
    assert world.message("ScorecardPassed") == "no risk worse than Low is open"
