"""Handoffs: a message, what to do next, and the acknowledgement of who receives it."""

from typing import Any

import pytest

from surefoot.domain.facts.snapshot import Admission
from tests.support.world import (
    World,
    a_checkpoint,
    a_role,
    a_rollout,
    a_trigger,
    hours,
    minutes,
    steady,
    steps_of,
)

BUILD = "memory-sync-10-build"
REVIEW = "memory-sync-10-review"
ACK = f"{BUILD}-ack-receiver"
ACTION = "watch the cache for a night"


def a_handoff(name: str, by: str, to: str, **changes: Any) -> dict[str, Any]:
    """Somebody hands over to somebody else."""
    return a_checkpoint(name, by, type="Handoff", receiver={"users": [to]}, **changes)


def handing_over(*checkpoints: dict[str, Any], **spec: Any) -> World:
    """A rollout at 10% that waits for these handoffs before 100%."""
    world = World(
        a_rollout(**{"steps": steps_of(10, 100, first={"checkpoints": list(checkpoints)})} | spec),
        admission=Admission.ENFORCED,
    )
    world.settle()
    return world


def hand_over(world: World, name: str, by: str, **more: Any) -> None:
    """Report GO with a required action, a minute later."""
    world.now += minutes(1)
    world.sign(name, by, reason="all green", **{"requiredAction": ACTION} | more)
    world.settle()


def acknowledge(world: World, name: str, by: str, decision: str = "GO") -> None:
    """Decide an acknowledgement, a minute later."""
    world.now += minutes(1)
    world.sign(name, by, decision=decision, reason=f"{decision} by {by}")
    world.settle()


def test_handoff_asks_its_receiver_once_it_is_handed_over() -> None:
    """Bound to the very decision that is acknowledged; who hands over is excluded."""
    world = handing_over(a_handoff("build", "forge", "cora"))
    assert world.states() == {BUILD: "Pending"}
    hand_over(world, BUILD, "forge", report="# Night shift")
    metadata = world.checkpoints[BUILD].metadata
    request = world.approvals[ACK].spec.request
    assert request.acknowledges is not None
    assert request.acknowledges.to_wire() == {
        "name": BUILD,
        "uid": metadata.uid,
        "generation": metadata.generation,
    }
    assert (request.purpose, request.role, request.users, request.excluded_users) == (
        "Acknowledge",
        "receiver",
        ("cora",),
        ("forge",),
    )
    assert (request.from_, request.to, request.round) == (10, 100, 1)
    assert request.evidence == (
        f"build: GO by forge: all green\n\nRequired action: {ACTION}\n\n# Night shift"
    )


def test_handoff_passes_only_when_its_receiver_has_acknowledged() -> None:
    """Until then the step says who has to confirm what, and what to type."""
    world = handing_over(a_handoff("build", "forge", "cora"))
    hand_over(world, BUILD, "forge")
    (blocker,) = world.status.blocked_by
    assert (world.percent, blocker.reason, blocker.message) == (
        10,
        "AwaitingAcknowledgement",
        "checkpoint build is GO and not acknowledged: receiver (cora) has not confirmed it",
    )
    assert blocker.command is not None
    assert f"approvals.surefoot.dev {ACK} " in blocker.command
    assert world.status.waiting_on == "build (cora)"
    acknowledge(world, ACK, "cora")
    assert (world.percent, world.states()) == (100, {BUILD: "Used", ACK: "Used"})
    assert world.checkpoints[BUILD].status.acknowledged
    decisions = world.status.history[1].evidence.decisions
    assert [(d.kind, d.name, d.purpose, d.by) for d in decisions] == [
        ("Checkpoint", BUILD, None, "forge"),
        ("Approval", ACK, "Acknowledge", "cora"),
    ]


def test_broken_chain_gates_the_step() -> None:
    """The next handoff is opened when the one before was taken over, and not when it was sent."""
    world = handing_over(
        a_handoff("build", "forge", "cora"), a_handoff("review", "cora", "hudson", after=["build"])
    )
    hand_over(world, BUILD, "forge")
    assert REVIEW not in world.checkpoints
    assert {"checkpoint review (cora) follows build"} <= {
        blocker.message for blocker in world.status.blocked_by
    }
    acknowledge(world, ACK, "cora")
    hand_over(world, REVIEW, "cora")
    assert world.percent == 10
    acknowledge(world, f"{REVIEW}-ack-receiver", "hudson")
    assert world.percent == 100


@pytest.mark.parametrize(
    ("who", "why"),
    [
        ("forge", "forge may not acknowledge this for receiver"),
        ("FORGE", "FORGE may not acknowledge this for receiver"),
        ("thon", "thon may not acknowledge this for receiver"),
    ],
)
def test_only_the_receiver_acknowledges(who: str, why: str) -> None:
    """Not even who handed over, where they are among the receivers."""
    plan = a_checkpoint(
        "build", "forge", type="Handoff", receiver={"users": ["cora", "forge", "FORGE"]}
    )
    world = handing_over(plan)
    hand_over(world, BUILD, "forge")
    acknowledge(world, ACK, who)
    assert world.percent == 10
    assert world.approvals[ACK].status.void_reason == why
    acknowledge(world, f"{ACK}-r2", "cora")
    assert world.percent == 100


def test_handoff_that_has_changed_must_be_acknowledged_again() -> None:
    """Who confirmed one thing has not confirmed another."""
    world = handing_over(a_handoff("build", "forge", "cora"), a_checkpoint("report", "atlas"))
    hand_over(world, BUILD, "forge")
    acknowledge(world, ACK, "cora")
    assert world.checkpoints[BUILD].status.acknowledged
    hand_over(world, BUILD, "forge", requiredAction="and restart it at noon")
    assert world.states()[ACK] == "Void"
    assert not world.checkpoints[BUILD].status.acknowledged
    world.sign("memory-sync-10-report", "atlas")
    world.settle()
    assert (world.percent, world.states()[f"{ACK}-r2"]) == (10, "Pending")
    acknowledge(world, f"{ACK}-r2", "cora")
    assert world.percent == 100


def test_refusal_holds_until_its_signer_acknowledges() -> None:
    """Neither another handoff nor another receiver, plan or attempt takes it back."""
    plan = a_checkpoint("build", "forge", type="Handoff", receiver={"users": ["cora", "hudson"]})
    world = handing_over(plan)
    hand_over(world, BUILD, "forge")
    acknowledge(world, ACK, "cora", decision="NO-GO")
    assert world.blockers() == [("CheckpointsPassed", "NoGo")]
    assert world.message("CheckpointsPassed") == (
        f"receiver does not acknowledge {BUILD}: NO-GO by cora: NO-GO by cora; it holds until its "
        "signer decides again"
    )
    world.edit(attempt=1)
    world.settle()
    hand_over(world, f"{BUILD}-r2", "forge")
    acknowledge(world, f"{BUILD}-r2-ack-receiver", "hudson")
    world.edit(limits={"maxExpansionFactor": 90})
    world.settle()
    assert (world.percent, ("CheckpointsPassed", "NoGo") in world.blockers()) == (10, True)
    hand_over(world, f"{BUILD}-r3", "forge")
    acknowledge(world, ACK, "cora")
    assert (world.percent, world.blockers()) == (
        10,
        [("CheckpointsPassed", "AwaitingAcknowledgement")],
    )
    acknowledge(world, f"{BUILD}-r3-ack-receiver", "hudson")
    assert world.percent == 100


def test_refusal_is_lifted_by_acknowledging_what_was_handed_over_since() -> None:
    """The reporter mends it and hands over again; who refused confirms that."""
    world = handing_over(a_handoff("build", "forge", "cora"))
    hand_over(world, BUILD, "forge")
    acknowledge(world, ACK, "cora", decision="NO-GO")
    hand_over(world, BUILD, "forge", report="mended")
    acknowledge(world, f"{ACK}-r2", "cora")
    assert world.percent == 100


def test_handoff_without_a_required_action_is_void() -> None:
    """Also where it was written before the API server asked for one."""
    world = handing_over(a_handoff("build", "forge", "cora"))
    checkpoint = world.checkpoints[BUILD]
    world.sign(BUILD, "forge", requiredAction="x")
    signed = world.checkpoints[BUILD]
    spec = signed.spec.model_copy(update={"required_action": " "})
    world.checkpoints[BUILD] = signed.model_copy(update={"spec": spec})
    world.settle()
    assert checkpoint.spec.request == signed.spec.request
    assert world.checkpoints[BUILD].status.void_reason == "it lacks requiredAction"
    assert world.states() == {BUILD: "Void", f"{BUILD}-r2": "Pending"}


def test_command_of_a_handoff_has_all_that_its_go_needs() -> None:
    """What the person has to say is left open."""
    world = handing_over(a_handoff("build", "forge", "cora"))
    (blocker,) = world.status.blocked_by
    assert blocker.command is not None
    assert '"summary":"…","requiredAction":"…"' in blocker.command


def test_acknowledgement_that_is_late_is_escalated() -> None:
    """Late is never passed."""
    world = handing_over(a_handoff("build", "forge", "cora", dueAfter="2h"))
    hand_over(world, BUILD, "forge")
    world.run(hours(3))
    (blocker,) = world.status.blocked_by
    assert (world.percent, blocker.reason) == (10, "CheckpointLate")
    assert blocker.message.endswith("has not confirmed it, 1h1m late")
    assert [item.reason for item in world.announcements if item.reason == "Late"] == ["Late"]
    assert world.checkpoints[BUILD].status.late


def test_trigger_that_fires_voids_a_handoff_with_its_acknowledgement() -> None:
    """What was handed over is no longer so."""
    world = handing_over(
        a_handoff("build", "forge", "cora"),
        a_checkpoint("report", "atlas"),
        metrics=[{"name": "errors", "query": "sum(errors)"}],
        triggers=[a_trigger(action="Hold")],
    )
    world.metrics["errors"] = steady(0.0)
    world.settle()
    hand_over(world, BUILD, "forge")
    acknowledge(world, ACK, "cora")
    world.metrics["errors"] = steady(0.9)
    world.settle()
    assert world.states()[BUILD] == "Void"
    assert world.states()[ACK] == "Void"


def test_forged_acknowledgement_does_not_count_once_admission_is_enforced_again() -> None:
    """Each is bound to its person."""
    world = handing_over(a_handoff("build", "forge", "cora"))
    hand_over(world, BUILD, "forge")
    world.admission = Admission.NOT_ENFORCED
    acknowledge(world, ACK, "cora")
    world.admission = Admission.ENFORCED
    world.settle()
    assert (world.percent, world.states()[ACK]) == (10, "Void")


def test_receiver_may_still_sign_for_a_role() -> None:
    """They did not report; and an acknowledgement is no signature for the step."""
    world = handing_over(
        a_handoff("build", "forge", "cora"), approvals={"roles": [a_role("lead", "cora")]}
    )
    hand_over(world, BUILD, "forge")
    acknowledge(world, ACK, "cora")
    assert (world.percent, world.role("lead").state) == (10, "Pending")
    world.sign("memory-sync-100-lead", "cora")
    world.settle()
    assert world.percent == 100
