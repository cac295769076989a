"""The dry run of an approval: it asks whom the step would ask, and counts for nothing."""

from dataclasses import replace
from typing import Any

import pytest

from surefoot.api.v1alpha1.rollout_status import ApprovalDryRunStatus
from surefoot.domain.facts.snapshot import Admission
from surefoot.domain.signoff.dry_run import split_dry_runs
from tests.support.world import (
    World,
    a_checkpoint,
    a_role,
    a_rollout,
    hours,
    steps_of,
)

SECURITY = "memory-sync-50-security-dry1"
OWNER = "memory-sync-50-owner-dry1"
ROLES = [a_role("security", "hudson"), a_role("owner", "cora", "forge")]
POLICY = {"roles": ROLES}
COUNTS_FOR_NOTHING = (
    "dry run 1 of the approval: it counts for nothing; answer as you would for real"
)


def tried(to: int | None = 50, *, run: int = 1, **spec: Any) -> World:
    """A rollout at 10% that soaks, with a dry run of its approval of 50%."""
    policy = POLICY | spec.pop("approvals", {})
    plan = {
        "steps": steps_of(10, 25, 50, 100),
        "hold": {"soak": "24h"},
        "approvals": policy,
    }
    world = World(a_rollout(**plan | spec))
    world.settle()
    ask(world, run, to)
    return world


def ask(world: World, run: int, to: int | None = 50) -> None:
    """Somebody raises the run."""
    world.edit(approvalDryRun={"run": run} | ({} if to is None else {"to": to}))
    world.settle()


def outcome(world: World) -> ApprovalDryRunStatus:
    """What the status says of it."""
    found = world.status.approval_dry_run
    assert found is not None
    return found


def test_request_asks_as_the_step_would_and_says_that_it_is_a_dry_run() -> None:
    """From 25 to 50% while the rollout stands at 10%, at once though it soaks."""
    world = tried(approvals={"roles": [a_role("security", "hudson", groups=["sec"])]})
    asked = world.approvals[SECURITY].spec.request.to_wire()
    assert asked == {
        "rollout": {"name": "memory-sync", "uid": "uid-memory-sync"},
        "planHash": world.status.plan_hash,
        "attempt": 0,
        "round": 1,
        "step": 1,
        "from": 25,
        "to": 50,
        "role": "security",
        "type": "General",
        "purpose": "DryRun",
        "dryRun": 1,
        "users": ["hudson"],
        "groups": ["sec"],
        "excludedUsers": [],
        "requiredSections": [],
        "signing": "Optional",
        "requestedBy": "",
        "evidence": COUNTS_FOR_NOTHING,
    }
    assert world.approvals[SECURITY].status.message == COUNTS_FOR_NOTHING
    assert (world.status.phase, world.percent) == ("Soaking", 10)


def test_everybody_signs_and_it_would_be_approved() -> None:
    """The status names who signed; the requests stay as they are and nothing is used."""
    world = tried()
    found = outcome(world)
    assert not found.would_be_approved
    assert found.message == (
        "dry run 1 of the approval of the step to 50%: it counts for nothing; it would not be "
        "approved: security must be signed by hudson; owner must be signed by cora, forge"
    )
    world.sign(SECURITY, "hudson")
    world.sign(OWNER, "forge")
    world.settle()
    found = outcome(world)
    assert found.would_be_approved
    assert found.message.startswith(
        "dry run 1 of the approval of the step to 50%: it counts for nothing; it would be "
        "approved: security by hudson, owner by forge"
    )
    assert [(role.role, role.state, role.by) for role in found.roles] == [
        ("security", "Go", "hudson"),
        ("owner", "Go", "forge"),
    ]
    assert world.states() == {SECURITY: "Go", OWNER: "Go"}
    assert (found.run, found.from_, found.to, found.obstacles) == (1, 25, 50, ())


def test_no_signature_of_a_dry_run_counts_for_the_step_itself() -> None:
    """The same people are asked again, and the step waits for them."""
    world = tried(None, hold={})
    dry = {
        f"memory-sync-25-{role}-dry1": by
        for role, by in (("security", "hudson"), ("owner", "cora"))
    }
    for name, by in dry.items():
        world.sign(name, by)
    world.run(hours(1))
    assert outcome(world).would_be_approved
    assert (world.percent, world.condition("Approved")) == (10, ("False", "AwaitingApproval"))
    assert [role.state for role in world.status.approvals] == ["Pending", "Pending"]
    world.sign("memory-sync-25-security", "hudson")
    world.sign("memory-sync-25-owner", "cora")
    world.settle()
    advance = world.status.history[-1]
    assert (world.percent, sorted(d.name for d in advance.evidence.decisions)) == (
        25,
        ["memory-sync-25-owner", "memory-sync-25-security"],
    )


def test_no_go_in_a_dry_run_holds_nothing_and_opens_no_meeting() -> None:
    """It is said what a meeting would have to do; the step itself is taken with the real GOs."""
    world = tried(None, hold={})
    world.sign("memory-sync-25-security-dry1", "hudson", decision="NO-GO", reason="not like this")
    world.sign("memory-sync-25-owner-dry1", "cora")
    world.settle()
    found = outcome(world)
    assert "security is NO-GO by hudson: not like this" in found.message
    assert "GO stands against NO-GO" in found.message
    assert not world.checkpoints
    assert world.status.phase == "AwaitingApproval"
    world.sign("memory-sync-25-security", "hudson")
    world.sign("memory-sync-25-owner", "cora")
    world.settle()
    assert world.percent == 25


def test_signing_one_role_for_real_and_another_dry_is_no_second_role() -> None:
    """Nobody is kept from a role by what they tried in another; within the dry run they are."""
    roles = [a_role("security", "hudson", "cora"), a_role("owner", "hudson", "cora")]
    world = tried(None, hold={}, approvals={"roles": roles})
    world.sign("memory-sync-25-owner-dry1", "hudson")
    world.sign("memory-sync-25-security", "hudson")
    world.settle()
    assert world.role("security").state == "Go"
    world.sign("memory-sync-25-security-dry1", "hudson")
    world.settle()
    assert world.states()["memory-sync-25-security-dry1"] == "Void"
    (security, _) = outcome(world).roles
    assert security.message.endswith("hudson already signs for owner")
    assert "memory-sync-25-security-dry1-r2" in world.approvals


def test_condition_of_a_go_is_said_and_no_report_is_asked_for() -> None:
    """A dry run asks for signatures alone."""
    world = tried()
    asks = [{"name": "fix", "text": "fix it", "blocking": True}]
    world.sign(SECURITY, "hudson", conditions=asks)
    world.sign(OWNER, "cora")
    world.settle()
    assert "the GO of security asks for fix first" in outcome(world).message
    assert not world.checkpoints


def test_later_run_supersedes_the_earlier() -> None:
    """Also another step; what was signed before is void and says why."""
    world = tried()
    world.sign(SECURITY, "hudson")
    world.settle()
    ask(world, 2, 100)
    states = world.states()
    assert states[SECURITY] == states[OWNER] == "Void"
    assert world.approvals[SECURITY].status.void_reason == "dry run 2 was asked for"
    assert {name for name, state in states.items() if state == "Pending"} == {
        "memory-sync-100-security-dry2",
        "memory-sync-100-owner-dry2",
    }
    assert (outcome(world).run, outcome(world).from_, outcome(world).to) == (2, 50, 100)


def test_lower_run_is_no_run() -> None:
    """The number only rises, also where the field was taken away in between."""
    world = tried(run=3)
    world.edit(approvalDryRun=None)
    world.settle()
    ask(world, 2, 100)
    assert (outcome(world).run, outcome(world).to) == (3, 50)


def past(world: World) -> None:
    """To 50%, by the real signatures."""
    for percent in (25, 50):
        for role, by in (("security", "hudson"), ("owner", "cora")):
            world.sign(f"memory-sync-{percent}-{role}", by)
        world.settle()
    assert world.percent == 50


@pytest.mark.parametrize(
    ("ends", "because", "void"),
    [
        (past, "the step was taken", "the step was left without it"),
        (
            lambda world: world.edit(rollback={"to": 0, "reason": "told"}),
            "a rollback ended the attempt",
            "a rollback ended the attempt",
        ),
        (lambda world: world.edit(attempt=1), "attempt 1 has begun", "attempt 1 has begun"),
        (
            lambda world: world.edit(approvals={"roles": ROLES[:1]}),
            "the plan has changed",
            "the plan has changed",
        ),
    ],
    ids=["taken", "rolled back", "attempt", "plan"],
)
def test_run_ends_with_what_it_tries_and_its_outcome_stays(
    ends: Any, because: str, void: str
) -> None:
    """Its requests become void, never used; the status keeps what was found."""
    world = tried(hold={})
    world.sign(SECURITY, "hudson")
    world.sign(OWNER, "cora")
    world.settle()
    before = outcome(world)
    ends(world)
    world.settle()
    found = outcome(world)
    assert (found.ended_because, found.ended_at is not None) == (because, True)
    assert (found.would_be_approved, found.message, found.roles) == (
        True,
        before.message,
        before.roles,
    )
    assert {name: world.states()[name] for name in (SECURITY, OWNER)} == {
        SECURITY: "Void",
        OWNER: "Void",
    }
    assert world.approvals[SECURITY].status.void_reason == void
    assert world.approvals[SECURITY].status.message is not None


def test_completion_is_tried_from_the_last_step_and_ends_with_it() -> None:
    """From 100 to 100%, under the name of completion."""
    last = {"approvals": {"roles": [a_role("owner", "cora")]}}
    steps = [{"percent": 10}, {"percent": 100, "hold": last}]
    world = World(a_rollout(steps=steps))
    world.settle()
    ask(world, 1, None)
    name = "memory-sync-complete-owner-dry1"
    world.sign(name, "cora")
    world.settle()
    assert "of the approval of completion" in outcome(world).message
    assert outcome(world).would_be_approved
    assert world.status.completed_at is None
    world.sign("memory-sync-complete-owner", "cora")
    world.settle()
    assert world.status.completed_at is not None
    assert (world.states()[name], outcome(world).ended_because) == ("Void", "the step was taken")


@pytest.mark.parametrize(
    ("to", "spec", "says"),
    [
        (30, {}, "no step is at 30%: raise run with to at one of 10, 25, 50, 100, or without"),
        (10, {}, "10% is reached: raise run with to at a later step, or without"),
        (50, {"approvals": None}, "nobody has to sign for the step to 50%"),
    ],
)
def test_run_that_can_not_begin_says_why_and_asks_nobody(
    to: int, spec: dict[str, Any], says: str
) -> None:
    """And blocks nothing."""
    plan = {"steps": steps_of(10, 25, 50, 100), "hold": {"soak": "1h"}, "approvals": POLICY}
    world = World(a_rollout(**plan | spec))
    world.settle()
    before = world.status.blocked_by
    ask(world, 1, to)
    assert outcome(world).message == f"dry run 1 of the approval has not begun: {says}"
    assert outcome(world).started_at is None
    assert not [name for name in world.approvals if "dry" in name]
    assert world.status.blocked_by == before


def test_run_asked_for_after_a_rollback_begins_with_the_next_attempt() -> None:
    """What waits is said, and it needs nobody to ask again."""
    world = tried(run=1)
    world.edit(rollback={"to": 0, "reason": "told"})
    world.settle()
    ask(world, 2, None)
    assert "a rollback ended the attempt; raise attempt first" in outcome(world).message
    world.edit(rollback=None, attempt=1)
    world.settle()
    assert (outcome(world).attempt, outcome(world).to) == (1, 25)


def test_invalid_plan_asks_nobody_and_voids_nothing() -> None:
    """A run is of the last valid plan, as everything else is."""
    world = tried()
    world.edit(gates=[{"name": "nothing", "atMost": 1}])
    world.settle()
    assert world.status.phase == "Invalid"
    assert world.states() == {SECURITY: "Pending", OWNER: "Pending"}
    assert outcome(world).ended_at is None


def test_raising_it_changes_neither_plan_nor_hold() -> None:
    """Who signed keeps their signature, and the soak goes on."""
    world = tried(run=1, hold={"soak": "24h"}, approvals={"opens": "Step"})
    world.sign("memory-sync-25-security", "hudson")
    world.pass_by(hours(20))
    before = world.status
    ask(world, 2)
    assert (world.status.plan_hash, world.status.hold_since) == (
        before.plan_hash,
        before.hold_since,
    )
    assert world.role("security").state == "Go"
    assert [entry.type for entry in world.status.history] == ["Start"]


def test_nothing_that_only_time_or_the_flag_does_asks_anybody_again() -> None:
    """No GO of a dry run expires: there is nothing that it could stop counting for."""
    world = tried(approvals={"maxAge": "1h"}, hold={"soak": "30d"})
    world.sign(SECURITY, "hudson")
    world.settle()
    world.pass_by(hours(200))
    assert world.states() == {SECURITY: "Go", OWNER: "Pending"}
    assert world.approvals[SECURITY].status.expires_at is None


def test_who_reported_on_the_step_may_not_sign_in_its_dry_run_either() -> None:
    """The same separation of duties, and the role is asked again."""
    hold = {"soak": "24h", "checkpoints": [a_checkpoint("hour-1", "hudson", "atlas")]}
    world = tried(None, hold=hold)
    world.sign("memory-sync-25-security-dry1", "hudson")
    world.settle()
    world.sign("memory-sync-10-hour-1", "hudson")
    world.settle()
    (security, _) = outcome(world).roles
    assert security.message.endswith("hudson reported on this step")


def test_forged_signature_is_no_better_in_a_dry_run() -> None:
    """What admission did not see does not count there either."""
    world = tried()
    world.enforce(Admission.NOT_ENFORCED)
    world.settle()
    world.sign(SECURITY, "hudson")
    world.settle()
    world.enforce(Admission.ENFORCED)
    world.settle()
    assert outcome(world).roles[0].state != "Go"


def test_requests_of_dry_runs_are_out_of_sight_of_every_other_judgement() -> None:
    """They are taken out of the facts by their purpose, whatever else they say."""
    world = tried(None, approvals={"opens": "Step"}, hold={})
    facts, requests = split_dry_runs(world.snapshot())
    assert {each.spec.request.purpose for each in facts.approvals} == {"Advance"}
    assert {each.spec.request.purpose for each in requests} == {"DryRun"}
    assert len(facts.approvals) + len(requests) == len(world.approvals)
    assert replace(facts, approvals=world.snapshot().approvals) == world.snapshot()


def test_roles_that_can_not_be_signed_are_said_before_anybody_signs() -> None:
    """Also what is not known."""
    world = tried(
        25,
        approvals={"roles": [a_role("security", "hudson"), a_role("owner", groups=["o"])]},
        steps=steps_of(
            10, 25, 100, first={"checkpoints": [a_checkpoint("report", "hudson", "ivy")]}
        ),
    )
    world.sign("memory-sync-10-report", "hudson")
    world.settle()
    ask(world, 2, 25)
    (said,) = outcome(world).obstacles
    assert said.startswith("nobody can sign for security: hudson reported on this step")
    assert outcome(world).message.endswith("Who is in group o is not known to the operator")
