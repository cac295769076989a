"""What the status says of each role: who signed, until when it counts, or why it does not."""

from collections.abc import Callable
from typing import Any

import pytest

from surefoot.api.v1alpha1.rollout_status import RoleStatus
from surefoot.domain.facts.snapshot import Admission
from tests.support.world import (
    START,
    World,
    a_checkpoint,
    a_metric,
    a_role,
    a_rollout,
    a_trigger,
    hours,
    minutes,
    steady,
    steps_of,
)

SECURITY = "memory-sync-100-security"
OWNER = "memory-sync-100-owner"


def two_roles(**spec: Any) -> World:
    """A rollout at 10% that waits for hudson (or ivy) and for cora before 100%."""
    roles = [a_role("security", "hudson", "ivy"), a_role("owner", "cora")]
    policy = {"roles": roles, **spec.pop("policy", {})}
    world = World(
        a_rollout(**{"steps": steps_of(10, 100), "approvals": policy} | spec),
        admission=Admission.ENFORCED,
    )
    world.settle()
    return world


def test_role_that_is_asked_says_whom() -> None:
    """With the Approval to sign."""
    assert two_roles().status.approvals[0] == RoleStatus(
        role="security",
        approval=SECURITY,
        round=1,
        state="Pending",
        message="security must be signed by hudson, ivy",
    )


def test_role_that_is_not_asked_yet_says_when_it_will_be() -> None:
    """There is no Approval yet."""
    world = two_roles(hold={"soak": "1h"})
    assert world.role("owner") == RoleStatus(
        role="owner",
        state="Pending",
        message="owner must be signed by cora, once soak, baseline and checkpoints hold",
    )


def test_signature_that_counts_says_who_when_and_until_when() -> None:
    """Nothing is missing, so nothing more is said."""
    world = two_roles(policy={"maxAge": "2h"})
    world.now += minutes(3)
    world.sign(SECURITY, "hudson")
    world.settle()
    assert world.role("security") == RoleStatus(
        role="security",
        approval=SECURITY,
        round=1,
        state="Go",
        by="hudson",
        verified=True,
        decided_at=START + minutes(3),
        expires_at=START + minutes(123),
    )


def test_name_that_nobody_verified_is_said_to_be_so() -> None:
    """Where the administrator stated that admission is not enforced."""
    world = two_roles()
    world.admission = Admission.UNENFORCED
    world.sign(SECURITY, "hudson")
    world.settle()
    assert (world.role("security").state, world.role("security").verified) == ("Go", False)


def report_again(world: World) -> None:
    """The report of the step is replaced."""
    world.now += minutes(1)
    world.sign("memory-sync-10-report", "atlas", reason="still stable")


def break_the_trigger(world: World) -> None:
    """The trigger fires, and is quiet again."""
    world.metrics["errors"] = steady(0.9)
    world.settle()
    world.now += minutes(1)
    world.metrics["errors"] = steady(0.0)


LOST: dict[str, Callable[[World], None]] = {
    "the plan has changed": lambda w: w.edit(limits={"maxExpansionFactor": 90}),
    "attempt 1 has begun": lambda w: w.edit(attempt=1),
    "a trigger fired since it was given": break_the_trigger,
    "a checkpoint was replaced since it was given": report_again,
    "hudson requested this rollout or its attempt, or wrote its plan": (
        lambda w: w.annotate(authors="thon,Hudson")
    ),
    "it has expired": lambda w: setattr(w, "now", w.now + hours(2)),
}


@pytest.mark.parametrize(("why", "lose"), LOST.items())
def test_role_says_why_an_earlier_signature_does_not_count(
    why: str, lose: Callable[[World], None]
) -> None:
    """As long as nobody has signed again, in the words of the condition."""
    hold = {"checkpoints": [a_checkpoint("report", "atlas")]}
    world = two_roles(
        policy={"maxAge": "2h", "opens": "Step"},
        steps=steps_of(10, 100, first=hold),
        metrics=[a_metric()],
        triggers=[a_trigger(action="Hold")],
    )
    world.metrics["errors"] = steady(0.0)
    world.sign("memory-sync-10-report", "atlas")
    world.settle()
    world.now += minutes(1)
    world.sign(SECURITY, "hudson")
    world.settle()
    assert world.role("security").state == "Go"
    lose(world)
    world.settle()
    who_may = "ivy" if why.startswith("hudson requested") else "hudson, ivy"
    role = world.role("security")
    assert (role.state, role.by, role.approval, role.round) == (
        "Pending",
        None,
        f"{SECURITY}-r2",
        2,
    )
    assert role.message == (
        f"security must be signed by {who_may}; the GO of hudson does not count: {why}"
    )
    assert role.message in world.message("Approved")


def test_signature_that_is_lost_is_void_until_it_is_asked_again() -> None:
    """The state is what it is by now, not what was written."""
    world = two_roles()
    world.sign(SECURITY, "mallory")
    role = world.decide().status.approvals[0]
    assert (role.state, role.by) == ("Void", "mallory")
    assert role.message == (
        "security must be signed by hudson, ivy again: mallory may not sign for this role"
    )


def test_signature_that_is_too_old_is_expired_until_it_is_asked_again() -> None:
    """With the moment at which it did."""
    world = two_roles(policy={"maxAge": "1h"})
    world.sign(SECURITY, "hudson")
    world.settle()
    world.now += hours(1)
    role = world.decide().status.approvals[0]
    assert (role.state, role.by, role.expires_at) == ("Expired", "hudson", START + hours(1))
    assert (
        role.message == "security must be signed by hudson, ivy again: the earlier GO has expired"
    )


def test_earlier_signature_is_not_mentioned_once_somebody_signed_anew() -> None:
    """It is in the record of the earlier Approval."""
    world = two_roles()
    world.sign(SECURITY, "hudson")
    world.settle()
    world.edit(attempt=1)
    world.settle()
    world.sign(f"{SECURITY}-r2", "ivy")
    world.settle()
    role = world.role("security")
    assert (role.state, role.by, role.round, role.message) == ("Go", "ivy", 2, "")


def test_signature_that_was_used_is_no_reason_to_ask_again() -> None:
    """It did count, before the rollback."""
    world = World(a_rollout(steps=steps_of(10, 50, 100), approvals={"roles": [a_role("s", "h")]}))
    world.settle()
    world.sign("memory-sync-50-s", "h")
    world.settle()
    world.edit(rollback={"to": 10})
    world.settle()
    world.edit(rollback=None, attempt=1)
    world.settle()
    assert (world.role("s").round, world.role("s").message) == (2, "s must be signed by h")


def test_no_go_that_stands_is_the_state_of_its_role() -> None:
    """Also where a new round was asked since."""
    world = two_roles()
    world.now += minutes(1)
    world.sign(SECURITY, "hudson", decision="NO-GO", reason="leaks")
    world.settle()
    world.edit(attempt=1)
    world.settle()
    assert world.states()[f"{SECURITY}-r2"] == "Pending"
    assert world.role("security") == RoleStatus(
        role="security",
        approval=SECURITY,
        round=1,
        state="NoGo",
        by="hudson",
        verified=True,
        decided_at=START + minutes(1),
        message="security is NO-GO by hudson: leaks; it holds until its signer decides again",
    )


def test_no_go_of_a_role_that_the_plan_no_longer_has_is_listed() -> None:
    """After those that it has."""
    world = two_roles()
    world.sign(SECURITY, "hudson", decision="NO-GO", reason="leaks")
    world.settle()
    world.edit(approvals={"roles": [a_role("owner", "cora")]})
    world.settle()
    assert [(role.role, role.state) for role in world.status.approvals] == [
        ("owner", "Pending"),
        ("security", "NoGo"),
    ]


def test_no_more_roles_are_listed_than_the_status_takes() -> None:
    """A NO-GO of a role that is gone comes last."""
    world = two_roles()
    world.sign(SECURITY, "hudson", decision="NO-GO", reason="leaks")
    world.settle()
    world.edit(approvals={"roles": [a_role(f"role-{n}", "cora") for n in range(16)]})
    world.settle()
    assert [role.role for role in world.status.approvals] == [f"role-{n}" for n in range(16)]


def test_roles_of_the_first_step_are_shown_before_start() -> None:
    """So that people see what is coming."""
    world = two_roles(paused=True)
    assert [(role.role, role.state) for role in world.status.approvals] == [
        ("security", "Pending"),
        ("owner", "Pending"),
    ]


def test_nobody_is_listed_once_it_is_complete() -> None:
    """There is no step ahead."""
    world = two_roles()
    world.sign(SECURITY, "hudson")
    world.sign(OWNER, "cora")
    world.settle()
    assert (world.status.phase, world.status.approvals) == ("Completed", ())


def test_change_of_a_role_is_written_at_once() -> None:
    """Also where no condition changes with it."""
    world = two_roles()
    world.sign(SECURITY, "hudson")
    before = world.status_writes
    world.settle()
    assert world.status_writes == before + 1
    world.sign(SECURITY, "ivy")
    world.settle()
    assert (world.status_writes, world.role("security").by) == (before + 2, "ivy")


def test_names_that_admission_verified_are_not_doubted() -> None:
    """In what the condition and the history say."""
    world = two_roles()
    world.sign(SECURITY, "hudson")
    world.sign(OWNER, "cora")
    world.settle()
    assert world.status.history[1].message == "security by hudson, owner by cora"
