"""Meetings: GO against NO-GO opens one; its GO counts when every role that had decided agrees."""

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
LEAD = "memory-sync-50-lead"
MEETING = "memory-sync-10-conflict"
ROLES = (a_role("security", "hudson", "ivy"), a_role("lead", "forge"))


def signing(*roles: dict[str, Any], policy: Any = None, **spec: Any) -> World:
    """A rollout at 10% that waits for these roles before 50%; cora chairs."""
    approvals = {"roles": list(roles or ROLES), "meeting": {"users": ["cora", "thon"]}}
    plan = {"steps": steps_of(10, 50, 100), "approvals": approvals | (policy or {})}
    world = World(a_rollout(**plan | spec), admission=Admission.ENFORCED)
    world.annotate(requested_by="thon")
    world.settle()
    return world


def decide(world: World, name: str, by: str, decision: str = "GO", **more: Any) -> None:
    """Decide a request, a minute later."""
    world.now += minutes(1)
    world.sign(name, by, decision=decision, reason=f"{decision} by {by}", **more)
    world.settle()


def in_conflict(*roles: dict[str, Any], **spec: Any) -> World:
    """Security says NO-GO and lead GO."""
    world = signing(*roles, **spec)
    decide(world, SECURITY, "hudson", "NO-GO")
    decide(world, LEAD, "forge")
    return world


def ack(role: str, again: str = "") -> str:
    """The name of a role's acknowledgement."""
    return f"{MEETING}-ack-{role}{again}"


def stands(world: World) -> bool:
    """Whether a NO-GO of a role is in the way."""
    return ("Approved", "NoGo") in world.blockers()


def test_go_against_no_go_opens_a_meeting() -> None:
    """Chaired by who the plan says, without who asked for it, and with each party's reasons."""
    world = in_conflict()
    request = world.checkpoints[MEETING].spec.request
    assert (request.type, request.name, request.percent) == ("DecisionMeeting", "conflict", 10)
    assert (request.reporter.users, request.excluded_users) == (("cora", "thon"), ("thon",))
    assert request.evidence == (
        "security: NO-GO by hudson: NO-GO by hudson\nlead: GO by forge: GO by forge"
    )
    blocker = next(b for b in world.status.blocked_by if b.reason == "AwaitingMeeting")
    assert blocker.message == "GO stands against NO-GO: cora must hold a meeting"
    assert blocker.command is not None
    assert f"checkpoints.surefoot.dev {MEETING} " in blocker.command
    assert world.status.waiting_on == "conflict (cora), security (hudson, ivy)"


def test_no_meeting_before_every_other_role_has_decided() -> None:
    """A NO-GO with nobody against it is no conflict."""
    world = signing(*ROLES, a_role("owner", "atlas"))
    decide(world, SECURITY, "hudson", "NO-GO")
    assert MEETING not in world.checkpoints
    decide(world, LEAD, "forge")
    assert MEETING not in world.checkpoints
    decide(world, "memory-sync-50-owner", "atlas")
    assert MEETING in world.checkpoints


def test_another_signer_of_the_same_role_makes_a_conflict() -> None:
    """Ivy says GO where hudson's NO-GO stands; neither she nor the chair confirms for his side."""
    world = signing(a_role("security", "hudson", "ivy", "cora", "atlas"))
    decide(world, SECURITY, "hudson", "NO-GO")
    world.edit(attempt=1)
    world.settle()
    decide(world, f"{SECURITY}-r2", "ivy")
    decide(world, MEETING, "cora")
    assert world.approvals[ack("security")].spec.request.excluded_users == ("cora", "ivy")
    decide(world, ack("security"), "ivy")
    assert (world.percent, world.states()[ack("security")]) == (10, "Void")
    decide(world, ack("security", "-r2"), "atlas")
    assert world.percent == 50


def test_meeting_counts_when_every_role_that_had_decided_has_acknowledged() -> None:
    """Then it stands in for the role that said NO-GO, and all of it is on record."""
    world = in_conflict()
    decide(world, MEETING, "cora", dissent=[{"by": "hudson", "statement": "too early"}])
    assert {ack("security"), ack("lead")} <= world.states().keys()
    evidence = world.approvals[ack("lead")].spec.request.evidence
    assert evidence == "conflict: GO by cora: GO by cora\n\nDissent of hudson: too early"
    decide(world, ack("lead"), "forge")
    assert (world.percent, stands(world)) == (10, True)
    decide(world, ack("security"), "ivy")
    assert world.percent == 50
    advance = world.status.history[1]
    assert [(d.name, d.purpose) for d in advance.evidence.decisions] == [
        (LEAD, None),
        (MEETING, None),
        (ack("lead"), "Acknowledge"),
        (ack("security"), "Acknowledge"),
    ]
    assert f"the NO-GO of hudson was resolved by the meeting {MEETING}" in advance.message
    used = {name for name, state in world.states().items() if state == "Used"}
    assert used == {LEAD, MEETING, ack("lead"), ack("security")}
    assert world.checkpoints[MEETING].status.acknowledged


@pytest.mark.parametrize("who", ["hudson", "forge", "thon"])
def test_only_the_chair_decides(who: str) -> None:
    """Neither a party, nor who asked for the rollout although they are named."""
    world = in_conflict()
    decide(world, MEETING, who)
    assert (world.percent, world.states()[MEETING]) == (10, "Void")
    assert world.states()[f"{MEETING}-r2"] == "Pending"


def test_whoever_became_an_author_since_may_not_have_chaired() -> None:
    """Who wrote the plan does not resolve what was said against it."""
    world = in_conflict()
    decide(world, MEETING, "cora")
    world.annotate(requested_by="thon", authors="cora")
    world.settle()
    assert (stands(world), world.states()[MEETING]) == (True, "Void")


def test_acknowledgement_is_of_persons_of_that_role() -> None:
    """Nobody confirms for others."""
    world = in_conflict()
    decide(world, MEETING, "cora")
    decide(world, ack("lead"), "forge")
    decide(world, ack("security"), "forge")
    assert (world.percent, world.states()[ack("security")]) == (10, "Void")


def test_meeting_resolves_only_older_no_gos() -> None:
    """Said again, it holds again, until the meeting decides again."""
    world = in_conflict(*ROLES, a_role("owner", "atlas"))
    decide(world, "memory-sync-50-owner", "atlas")
    decide(world, MEETING, "cora")
    for role, by in (("lead", "forge"), ("owner", "atlas")):
        decide(world, ack(role), by)
    decide(world, SECURITY, "hudson", "NO-GO", riskAssessment="still leaks")
    decide(world, ack("security"), "ivy")
    assert (world.percent, stands(world)) == (10, True)
    blocker = next(b for b in world.status.blocked_by if b.reason == "AwaitingMeeting")
    assert blocker.message == ("meeting conflict was held before this NO-GO: it must decide again")
    decide(world, MEETING, "cora", report="we have looked at the leak")
    for role, by in (("lead", "forge"), ("owner", "atlas"), ("security", "hudson")):
        decide(world, ack(role, "-r2"), by)
    assert world.percent == 50


def test_meeting_never_stands_in_for_a_role_that_has_not_decided() -> None:
    """Under Quorum it adds no voice; under All the undecided still must sign."""
    quorum = {"rule": "Quorum", "quorum": 2}
    world = signing(*ROLES, a_role("owner", "atlas"), policy=quorum)
    decide(world, SECURITY, "hudson", "NO-GO")
    decide(world, LEAD, "forge")
    decide(world, "memory-sync-50-owner", "atlas")
    assert world.percent == 10
    decide(world, MEETING, "cora")
    for role, by in (("lead", "forge"), ("owner", "atlas"), ("security", "ivy")):
        decide(world, ack(role), by)
    assert world.percent == 50


def test_quorum_is_not_filled_by_a_meeting() -> None:
    """Two of two are needed, and one of them said NO-GO."""
    world = in_conflict(policy={"rule": "Quorum", "quorum": 2})
    decide(world, MEETING, "cora")
    decide(world, ack("lead"), "forge")
    decide(world, ack("security"), "ivy")
    assert (world.percent, stands(world)) == (10, False)
    assert ("Approved", "AwaitingApproval") in world.blockers()


def test_no_go_of_the_chair_holds() -> None:
    """The meeting has decided against it."""
    world = in_conflict()
    decide(world, MEETING, "cora", "NO-GO")
    assert ("CheckpointsPassed", "NoGo") in world.blockers()
    decide(world, SECURITY, "hudson")
    assert world.percent == 10
    decide(world, MEETING, "cora")
    assert world.percent == 50


def test_signer_who_decides_again_ends_the_conflict() -> None:
    """There is nothing left to meet about."""
    world = in_conflict()
    decide(world, SECURITY, "hudson")
    assert (world.percent, world.states()[MEETING]) == (50, "Void")


def test_meeting_counts_for_its_plan_only() -> None:
    """What was resolved was said of another plan: the NO-GO stands again."""
    world = in_conflict(policy={"opens": "Step"}, hold={"soak": "1h"})
    decide(world, MEETING, "cora")
    decide(world, ack("lead"), "forge")
    decide(world, ack("security"), "ivy")
    assert not stands(world)
    world.edit(limits={"maxExpansionFactor": 90})
    world.settle()
    assert (stands(world), world.states()[MEETING]) == (True, "Void")


def test_default_chair_is_whoever_may_sign() -> None:
    """Where the plan names nobody."""
    world = signing(policy={"meeting": None})
    decide(world, SECURITY, "hudson", "NO-GO")
    decide(world, LEAD, "forge")
    assert world.checkpoints[MEETING].spec.request.reporter.users == ("hudson", "ivy", "forge")


def test_steps_own_meeting_resolves_the_conflict() -> None:
    """It must be held either way, and again where the NO-GO came after it."""
    own = a_checkpoint("board", "cora", type="DecisionMeeting")
    world = signing(steps=steps_of(10, 50, 100, first={"checkpoints": [own]}))
    board = "memory-sync-10-board"
    assert world.status.phase == "AwaitingCheckpoint"
    decide(world, board, "cora")
    decide(world, SECURITY, "hudson", "NO-GO")
    decide(world, LEAD, "forge")
    assert MEETING not in world.checkpoints
    blocker = next(b for b in world.status.blocked_by if b.reason == "AwaitingMeeting")
    assert blocker.message == "meeting board was held before this NO-GO: it must decide again"
    decide(world, board, "cora", report="go on")
    assert world.states()[LEAD] == "Go"
    decide(world, f"{board}-ack-lead", "forge")
    decide(world, f"{board}-ack-security", "ivy")
    assert world.percent == 50


def test_name_in_other_letters_does_not_acknowledge_for_the_side_it_overruled() -> None:
    """Who chaired does not confirm for the role whose NO-GO somebody of a like name gave."""
    roles = (a_role("security", "cora", "Cora", "ivy"), a_role("lead", "forge"))
    world = signing(*roles, policy={"meeting": {"users": ["Cora"]}})
    decide(world, SECURITY, "cora", "NO-GO")
    decide(world, LEAD, "forge")
    decide(world, MEETING, "Cora")
    decide(world, ack("lead"), "forge")
    decide(world, ack("security"), "Cora")
    assert (world.percent, world.states()[ack("security")]) == (10, "Void")


def test_forged_acknowledgement_does_not_count() -> None:
    """Each is bound to its person by admission."""
    world = in_conflict()
    decide(world, MEETING, "cora")
    decide(world, ack("lead"), "forge")
    world.admission = Admission.NOT_ENFORCED
    decide(world, ack("security"), "ivy")
    world.admission = Admission.ENFORCED
    world.settle()
    assert (world.percent, world.states()[ack("security")]) == (10, "Void")
