"""Conditions of a GO: listed until a report says that they are met; blocking ones hold the step."""

from typing import Any

import pytest

from surefoot.domain.facts.snapshot import Admission
from tests.support.world import (
    World,
    a_checkpoint,
    a_role,
    a_rollout,
    minutes,
    steps_of,
)

SECURITY = "memory-sync-50-security"
REPORT = f"{SECURITY}-conditions"
SCAN = {"name": "scan", "text": "scan the image first", "blocking": True}
WATCH = {"name": "watch", "text": "watch it over night"}


def signing(*roles: dict[str, Any], **spec: Any) -> World:
    """A rollout at 10% that waits for these roles before 50%."""
    roles = roles or (a_role("security", "hudson", "ivy"),)
    world = World(
        a_rollout(**{"steps": steps_of(10, 50, 100), "approvals": {"roles": list(roles)}} | spec),
        admission=Admission.ENFORCED,
    )
    world.settle()
    return world


def decide(world: World, name: str, by: str, decision: str = "GO", **more: Any) -> None:
    """Decide a request, a minute later."""
    world.now += minutes(1)
    world.sign(name, by, decision=decision, reason=f"{decision} by {by}", **more)
    world.settle()


def listed(world: World, name: str = SECURITY) -> list[dict[str, Any]]:
    """What the status of a request says of the conditions of its GO."""
    request = (world.approvals | world.checkpoints)[name]
    return [condition.to_wire() for condition in request.status.conditions]


def test_blocking_condition_keeps_a_go_from_counting_until_it_is_met() -> None:
    """The role's people report that; the status names what is open and who can say so."""
    world = signing()
    decide(world, SECURITY, "hudson", conditions=[SCAN, WATCH])
    (blocker,) = world.status.blocked_by
    assert (world.percent, blocker.reason, blocker.message) == (
        10,
        "ConditionsUnmet",
        "the GO of security asks for scan first: hudson, ivy must report that this is met",
    )
    assert blocker.command is not None
    assert f"checkpoints.surefoot.dev {REPORT} " in blocker.command
    assert [condition["met"] for condition in listed(world)] == [False, False]
    decide(world, REPORT, "ivy")
    reported_at = world.checkpoints[REPORT].status.decisions[0].to_wire()["seenAt"]
    assert world.percent == 50
    assert listed(world) == [
        {"name": "scan", "met": True, "at": reported_at, "by": "ivy"},
        {"name": "watch", "met": True, "at": reported_at, "by": "ivy"},
    ]


def test_report_is_bound_to_the_decision_that_asks_for_it() -> None:
    """With the conditions in words, and asked of those who may sign for the role."""
    world = signing()
    world.annotate(authors="thon")
    world.settle()
    name = f"{SECURITY}"
    decide(world, name, "hudson", conditions=[SCAN, WATCH])
    request = world.checkpoints[REPORT].spec.request
    metadata = world.approvals[SECURITY].metadata
    assert request.conditions_of is not None
    assert request.conditions_of.to_wire() == {
        "name": SECURITY,
        "uid": metadata.uid,
        "generation": metadata.generation,
    }
    assert (request.type, request.percent, request.reporter.users) == (
        "Report",
        10,
        ("hudson", "ivy"),
    )
    assert request.evidence == ("scan (blocking): scan the image first\nwatch: watch it over night")


def test_conditions_that_do_not_block_are_listed_and_hold_nothing() -> None:
    """They can be reported as met also when the step is long taken."""
    world = signing()
    decide(world, SECURITY, "hudson", conditions=[WATCH])
    assert world.percent == 50
    world.run(minutes(5))
    assert world.states()[REPORT] == "Pending"
    assert listed(world) == [{"name": "watch", "met": False, "by": ""}]
    decide(world, REPORT, "hudson")
    assert [(c["met"], c["by"]) for c in listed(world)] == [(True, "hudson")]


def test_report_that_counts_is_part_of_the_evidence_and_used() -> None:
    """It is as much a reason for the step as the GO itself."""
    world = signing()
    decide(world, SECURITY, "hudson", conditions=[SCAN])
    decide(world, REPORT, "hudson")
    decisions = world.status.history[1].evidence.decisions
    assert [(d.kind, d.name, d.role, d.purpose) for d in decisions] == [
        ("Approval", SECURITY, "security", None),
        ("Checkpoint", REPORT, "security", "Conditions"),
    ]
    assert world.states()[REPORT] == "Used"


def test_conditions_that_are_not_met_are_no_vote_on_the_step() -> None:
    """The GO stays without effect, and the same person may report again."""
    world = signing()
    decide(world, SECURITY, "hudson", conditions=[SCAN])
    decide(world, REPORT, "ivy", decision="NO-GO")
    (blocker,) = world.status.blocked_by
    assert (world.percent, blocker.reason) == (10, "ConditionsUnmet")
    assert blocker.message.endswith("; ivy reported that it is not: NO-GO by ivy")
    decide(world, REPORT, "ivy")
    assert world.percent == 50


def test_other_conditions_need_another_report() -> None:
    """Nobody confirms what they have not read."""
    owner = a_role("owner", "cora")
    world = signing(a_role("security", "hudson", "ivy"), owner)
    decide(world, SECURITY, "hudson", conditions=[SCAN])
    decide(world, REPORT, "ivy")
    decide(world, SECURITY, "hudson", conditions=[SCAN | {"text": "scan all images"}])
    assert world.states()[REPORT] == "Void"
    assert world.checkpoints[REPORT].status.void_reason == (
        "the decision that asks for these conditions no longer counts"
    )
    decide(world, "memory-sync-50-owner", "cora")
    assert (world.percent, listed(world)[0]["met"]) == (10, False)
    decide(world, f"{REPORT}-r2", "ivy")
    assert world.percent == 50


@pytest.mark.parametrize("who", ["mallory", "thon"])
def test_only_the_roles_people_report(who: str) -> None:
    """Neither a stranger nor who planned it; the report is asked for again."""
    world = World(
        a_rollout(
            steps=steps_of(10, 50, 100),
            approvals={"roles": [a_role("security", "hudson", "thon")]},
        ),
        admission=Admission.ENFORCED,
    )
    world.annotate(requested_by="thon")
    world.settle()
    decide(world, SECURITY, "hudson", conditions=[SCAN])
    decide(world, REPORT, who)
    assert (world.percent, world.states()[REPORT]) == (10, "Void")
    assert world.checkpoints[REPORT].status.void_reason == f"{who} may not report on this"
    decide(world, f"{REPORT}-r2", "hudson")
    assert world.percent == 50


def test_report_of_a_checkpoint_may_have_conditions_too() -> None:
    """Its reporters say when they are met."""
    world = World(
        a_rollout(steps=steps_of(10, 100, first={"checkpoints": [a_checkpoint("report", "atlas")]}))
    )
    world.settle()
    decide(world, "memory-sync-10-report", "atlas", conditions=[SCAN])
    assert world.blockers() == [("CheckpointsPassed", "ConditionsUnmet")]
    decide(world, "memory-sync-10-report-conditions", "atlas")
    assert world.percent == 100
    assert listed(world, "memory-sync-10-report")[0]["met"]


def test_go_without_the_condition_counts_at_once() -> None:
    """Its signer may also take the condition back."""
    world = signing()
    decide(world, SECURITY, "hudson", conditions=[SCAN])
    decide(world, SECURITY, "hudson", conditions=[])
    assert (world.percent, listed(world)) == (50, [])


def test_report_given_while_admission_was_not_enforced_does_not_count() -> None:
    """Nobody knows who gave it."""
    world = signing()
    decide(world, SECURITY, "hudson", conditions=[SCAN])
    world.admission = Admission.NOT_ENFORCED
    decide(world, REPORT, "hudson")
    world.admission = Admission.ENFORCED
    world.settle()
    assert (world.percent, world.states()[REPORT]) == (10, "Void")
