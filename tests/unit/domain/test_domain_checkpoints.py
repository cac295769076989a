"""Checkpoints: reports that must be GO before the step is left."""

from datetime import timedelta
from typing import Any

from surefoot.api.v1alpha1.approval import PastDecision
from surefoot.domain.plan import OpenRequest
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


def reporting(*checkpoints: dict[str, Any], **spec: Any) -> World:
    """A rollout at 10% that waits for these checkpoints before 100%."""
    world = World(
        a_rollout(**{"steps": steps_of(10, 100, first={"checkpoints": list(checkpoints)})} | spec)
    )
    world.settle()
    return world


def test_checkpoint_is_opened_when_the_step_is_reached() -> None:
    """Bound to Rollout, plan, attempt, step, percentage, round."""
    world = reporting(a_checkpoint("hour-48", "atlas", dueAfter="48h"))
    checkpoint = world.checkpoints["memory-sync-10-hour-48"]
    assert checkpoint.spec.request.to_wire() == {
        "rollout": {"name": "memory-sync", "uid": "uid-memory-sync"},
        "planHash": world.status.plan_hash,
        "attempt": 0,
        "round": 1,
        "step": 0,
        "percent": 10,
        "name": "hour-48",
        "type": "Report",
        "reporter": {"users": ["atlas"], "groups": []},
        "excludedUsers": [],
        "opensAt": "2025-10-23T22:00:00.000000Z",
        "dueAt": "2025-10-25T22:00:00.000000Z",
    }


def test_step_waits_for_the_report_and_says_what_to_type() -> None:
    """One entry per missing thing, with the command that brings it."""
    world = reporting(a_checkpoint("hour-48", "atlas", dueAfter="48h"))
    (blocker,) = world.status.blocked_by
    assert (blocker.condition, blocker.reason, blocker.message, blocker.command) == (
        "CheckpointsPassed",
        "CheckpointMissing",
        "checkpoint hour-48 is not approved: atlas has not reported, due in 48h",
        (
            "kubectl patch checkpoints.surefoot.dev memory-sync-10-hour-48 -n agents --type=merge "
            '-p \'{"spec":{"decision":"GO","summary":"…"}}\''
        ),
    )
    assert world.status.phase == "AwaitingCheckpoint"


def test_go_lets_the_step_be_left_and_is_used() -> None:
    """The evidence names the object, its version, and who decided."""
    world = reporting(a_checkpoint("report", "atlas"))
    world.sign("memory-sync-10-report", "atlas", reason="48 h stable")
    version = world.checkpoints["memory-sync-10-report"].metadata.resource_version
    world.settle()
    advance = world.status.history[1]
    (decision,) = advance.evidence.decisions
    assert (decision.kind, decision.name, decision.role, decision.decision, decision.by) == (
        "Checkpoint",
        "memory-sync-10-report",
        "report",
        "GO",
        "atlas",
    )
    assert (decision.resource_version, decision.generation, decision.reason) == (
        version,
        2,
        "48 h stable",
    )
    status = world.checkpoints["memory-sync-10-report"].status
    assert (status.state, status.counted_for, status.used_generation) == (
        "Used",
        advance.transition_id,
        2,
    )


def test_no_go_holds() -> None:
    """Until its signer decides again."""
    world = reporting(a_checkpoint("report", "atlas"))
    world.sign("memory-sync-10-report", "atlas", decision="NO-GO", reason="leaks")
    world.run(hours(1))
    assert (world.percent, world.blockers()) == (10, [("CheckpointsPassed", "NoGo")])
    assert world.condition("Stalled")[0] == "True"
    assert world.message("CheckpointsPassed") == (
        "checkpoint report is NO-GO by atlas: leaks; it holds until its signer decides again"
    )
    world.sign("memory-sync-10-report", "atlas", reason="mended")
    world.settle()
    assert world.percent == 100


def test_no_go_outlives_plan_attempt_and_round() -> None:
    """Asked again, it still stands: only its signer lifts it, also on the old request."""
    world = reporting(a_checkpoint("report", "atlas", "bo"))
    world.sign("memory-sync-10-report", "atlas", decision="NO-GO", reason="leaks")
    world.settle()
    world.edit(gates=[], metrics=[a_metric()], attempt=1)
    world.settle()
    assert world.states() == {
        "memory-sync-10-report": "Void",
        "memory-sync-10-report-r2": "Pending",
    }
    world.sign("memory-sync-10-report-r2", "bo")
    world.settle()
    assert world.blockers() == [("CheckpointsPassed", "NoGo")]
    world.sign("memory-sync-10-report", "atlas", reason="mended")
    world.settle()
    assert world.percent == 100


def test_no_go_is_not_outvoted_on_the_same_request() -> None:
    """Another reporter who decides the same object does not take the first one's word back."""
    world = reporting(a_checkpoint("report", "atlas", "bo"))
    world.sign("memory-sync-10-report", "atlas", decision="NO-GO", reason="leaks")
    world.settle()
    world.now += minutes(1)
    world.sign("memory-sync-10-report", "bo", reason="looks fine to me")
    world.run(minutes(1))
    assert (world.percent, world.blockers()) == (10, [("CheckpointsPassed", "NoGo")])


def test_no_go_on_a_checkpoint_that_the_plan_no_longer_has_holds() -> None:
    """Removing the question does not answer it."""
    world = reporting(a_checkpoint("report", "atlas"))
    world.sign("memory-sync-10-report", "atlas", decision="NO-GO", reason="leaks")
    world.settle()
    world.edit(steps=steps_of(10, 100))
    world.run(minutes(5))
    assert (world.percent, world.blockers()) == (10, [("CheckpointsPassed", "NoGo")])
    world.sign("memory-sync-10-report", "atlas", reason="mended")
    world.settle()
    assert world.percent == 100


def test_request_that_was_opened_is_looked_at_again_at_once() -> None:
    """No event tells an operator of what it wrote itself, and the state of the request is next."""
    world = reporting(a_checkpoint("report", "atlas"))
    opening = [
        plan for plan in world.plans if any(isinstance(a, OpenRequest) for a in plan.actions)
    ]
    assert [plan.requeue_after for plan in opening] == [timedelta(0)]
    assert world.states() == {"memory-sync-10-report": "Pending"}


def test_chain_opens_one_after_the_other() -> None:
    """`after` names what must be GO before."""
    world = reporting(a_checkpoint("second", "b", after=["first"]), a_checkpoint("first", "a"))
    assert list(world.checkpoints) == ["memory-sync-10-first"]
    assert world.blockers() == [
        ("CheckpointsPassed", "AwaitingPredecessor"),
        ("CheckpointsPassed", "CheckpointMissing"),
    ]
    assert "checkpoint second (b) follows first" in world.message("CheckpointsPassed")
    world.sign("memory-sync-10-first", "a")
    world.settle()
    assert list(world.checkpoints) == ["memory-sync-10-first", "memory-sync-10-second"]
    world.sign("memory-sync-10-second", "b")
    world.settle()
    assert world.percent == 100


def test_checkpoint_may_follow_one_of_an_earlier_step() -> None:
    """Which was GO, or the step would not have been left."""
    steps = steps_of(10, 50, 100, first={"checkpoints": [a_checkpoint("first", "a")]})
    steps[1]["hold"] = {"checkpoints": [a_checkpoint("second", "b", after=["first"])]}
    world = reporting(steps=steps)
    world.sign("memory-sync-10-first", "a")
    world.settle()
    assert (world.percent, world.states()["memory-sync-50-second"]) == (50, "Pending")


def test_checkpoint_opens_after_its_time() -> None:
    """Counted from the step."""
    world = reporting(a_checkpoint("report", "a", opensAfter="1h"))
    assert world.checkpoints == {}
    assert world.status.waiting_on == "report (a)"
    assert "opens in 1h" in world.message("CheckpointsPassed")
    plan = world.settle()
    assert plan.requeue_after == hours(1) or plan.requeue_after == minutes(10)
    world.run(minutes(59.5))
    assert world.checkpoints == {}
    world.run(minutes(0.5))
    assert list(world.checkpoints) == ["memory-sync-10-report"]


def test_times_from_start_are_counted_from_the_start_of_the_rollout() -> None:
    """`dueFrom: Start`, of both."""
    steps = steps_of(10, 50, 100, first={"soak": "2h"})
    steps[1]["hold"] = {
        "checkpoints": [a_checkpoint("r", "a", opensAfter="3h", dueAfter="5h", dueFrom="Start")]
    }
    world = reporting(steps=steps)
    world.run(hours(2.5))
    assert (world.percent, world.checkpoints) == (50, {})
    world.run(hours(0.5))
    request = world.checkpoints["memory-sync-50-r"].spec.request
    assert (request.opens_at, request.due_at) == (START + hours(3), START + hours(5))


def test_late_report_escalates_and_never_passes_by_itself() -> None:
    """One event, and `late` on its status."""
    world = reporting(a_checkpoint("other", "o"), a_checkpoint("report", "a", dueAfter="1h"))
    world.run(hours(1))
    assert [a.reason for a in world.announcements if a.reason == "Late"] == []
    world.run(hours(2))
    assert [a.reason for a in world.announcements if a.reason == "Late"] == ["Late"]
    assert ("CheckpointsPassed", "CheckpointLate") in world.blockers()
    assert "a has not reported, " in world.message("CheckpointsPassed")
    assert world.checkpoints["memory-sync-10-report"].status.late
    assert world.percent == 10
    world.sign("memory-sync-10-report", "a")
    world.sign("memory-sync-10-other", "o")
    world.settle()
    assert world.percent == 100
    assert world.checkpoints["memory-sync-10-report"].status.late


def test_report_in_time_is_not_late() -> None:
    """Also when looked at long after."""
    world = reporting(a_checkpoint("report", "a", dueAfter="1h"), a_checkpoint("other", "o"))
    world.sign("memory-sync-10-report", "a")
    world.run(hours(2))
    assert not world.checkpoints["memory-sync-10-report"].status.late


def test_report_by_somebody_else_is_void_and_asked_again() -> None:
    """Who was not asked may not report."""
    world = reporting(a_checkpoint("report", "a"))
    world.sign("memory-sync-10-report", "mallory")
    world.settle()
    assert world.states() == {
        "memory-sync-10-report": "Void",
        "memory-sync-10-report-r2": "Pending",
    }
    assert world.checkpoints["memory-sync-10-report"].status.void_reason == (
        "mallory may not report on this"
    )


def test_member_of_a_group_may_report() -> None:
    """Membership is for admission to know."""
    world = reporting({"name": "report", "reporter": {"groups": ["sre"]}})
    world.sign("memory-sync-10-report", "somebody")
    world.settle()
    assert world.percent == 100


def test_changed_report_voids_the_approvals_given_before() -> None:
    """A checkpoint is replaced when its decision half changes: also its text alone."""
    world = reporting(
        a_checkpoint("report", "a"),
        approvals={"roles": [a_role("one", "x"), a_role("two", "y")]},
    )
    world.sign("memory-sync-10-report", "a", report="fine")
    world.settle()
    world.now += minutes(1)
    world.sign("memory-sync-100-one", "x")
    world.settle()
    world.now += minutes(1)
    world.sign("memory-sync-10-report", "a", report="not so fine")
    world.settle()
    assert world.states() == {
        "memory-sync-10-report": "Go",
        "memory-sync-100-one": "Void",
        "memory-sync-100-two": "Pending",
        "memory-sync-100-one-r2": "Pending",
    }
    assert world.approvals["memory-sync-100-one"].status.void_reason == (
        "a checkpoint was replaced since it was given"
    )


def test_approval_given_after_the_report_changed_counts() -> None:
    """What it was given for is still so."""
    world = reporting(a_checkpoint("report", "a"), approvals={"roles": [a_role("one", "x")]})
    world.sign("memory-sync-10-report", "a", report="fine")
    world.settle()
    world.sign("memory-sync-10-report", "a", report="better")
    world.settle()
    world.now += minutes(1)
    world.sign("memory-sync-100-one", "x")
    world.settle()
    assert world.percent == 100


def test_new_round_of_a_checkpoint_voids_the_approvals_given_before() -> None:
    """They were given on another report."""
    world = reporting(
        a_checkpoint("report", "a"),
        approvals={"opens": "Step", "roles": [a_role("one", "x")]},
    )
    world.sign("memory-sync-100-one", "x")
    world.settle()
    world.now += minutes(1)
    world.sign("memory-sync-10-report", "mallory")
    world.settle()
    world.now += minutes(1)
    world.settle()
    assert world.states()["memory-sync-100-one"] == "Void"


def test_hold_trigger_voids_the_report_given_before() -> None:
    """It must be reported again."""
    world = World(
        a_rollout(
            steps=steps_of(10, 100, first={"soak": "1h", "checkpoints": [a_checkpoint("r", "a")]}),
            metrics=[a_metric()],
            triggers=[a_trigger(action="Hold")],
        ),
        metrics={"errors": lambda at: 0.9 if at == START + minutes(10) else 0.0},
    )
    world.settle()
    world.sign("memory-sync-10-r", "a")
    world.run(minutes(10))
    assert world.states() == {"memory-sync-10-r": "Void", "memory-sync-10-r-r2": "Pending"}
    world.metrics["errors"] = steady(0.0)
    world.run(hours(2))
    assert world.percent == 10
    world.sign("memory-sync-10-r-r2", "a")
    world.settle()
    assert world.percent == 100


def test_checkpoints_of_the_common_hold_are_asked_at_every_step_above_zero() -> None:
    """Names are told apart by the percentage."""
    world = World(
        a_rollout(steps=steps_of(10, 100), hold={"checkpoints": [a_checkpoint("r", "a")]})
    )
    world.settle()
    world.sign("memory-sync-10-r", "a")
    world.settle()
    assert world.states() == {"memory-sync-10-r": "Used", "memory-sync-100-r": "Pending"}


def test_every_decision_that_was_seen_is_kept() -> None:
    """In order, with who, why and when; the last one says when it was decided."""
    world = reporting(a_checkpoint("report", "a"))
    world.sign("memory-sync-10-report", "a", decision="NO-GO", reason="leaks")
    world.settle()
    world.now += minutes(1)
    world.sign("memory-sync-10-report", "a", decision="NO-GO", reason="still leaks")
    world.settle()
    status = world.checkpoints["memory-sync-10-report"].status
    assert status.decisions == (
        PastDecision(decision="NO-GO", by="a", reason="leaks", generation=2, seen_at=START),
        PastDecision(
            decision="NO-GO", by="a", reason="still leaks", generation=3, seen_at=START + minutes(1)
        ),
    )
    assert (status.decided_at, status.observed_generation) == (START + minutes(1), 3)


def test_taken_name_takes_the_next_free_round() -> None:
    """Identity is the request, never the name."""
    other = reporting(a_checkpoint("report", "a"))
    stale = other.checkpoints["memory-sync-10-report"]
    request = stale.spec.request
    foreign = request.model_copy(
        update={"rollout": request.rollout.model_copy(update={"uid": "x"})}
    )
    world = World(
        a_rollout(steps=steps_of(10, 100, first={"checkpoints": [a_checkpoint("report", "a")]})),
        checkpoints={
            "memory-sync-10-report": stale.model_copy(
                update={"spec": stale.spec.model_copy(update={"request": foreign})}
            )
        },
    )
    world.settle()
    assert world.states() == {
        "memory-sync-10-report": "Pending",
        "memory-sync-10-report-r2": "Pending",
    }
    world.sign("memory-sync-10-report", "a")
    world.settle()
    assert world.percent == 10


def test_condition_of_a_go_is_named_with_what_to_do() -> None:
    """Only what blocks; and who can report that it is met."""
    world = reporting(a_checkpoint("report", "a"))
    conditions = [
        {"name": name, "text": "first", "blocking": name != "later"}
        for name in ("cache", "later", "scan")
    ]
    world.sign("memory-sync-10-report", "a", conditions=conditions)
    world.settle()
    (blocker,) = world.status.blocked_by
    assert blocker.message == (
        "the GO of checkpoint report asks for cache, scan first: a must report that this is met"
    )
    assert blocker.command is not None
    assert blocker.command.startswith(
        "kubectl patch checkpoints.surefoot.dev memory-sync-10-report-conditions "
    )


def test_checkpoint_that_is_just_being_opened_is_missing_without_a_time() -> None:
    """Its time has come."""
    world = reporting(a_checkpoint("report", "a", opensAfter="1h"))
    world.now += hours(1)
    (condition,) = [c for c in world.decide().status.conditions if c.type == "CheckpointsPassed"]
    assert condition.message == "checkpoint report (a) is missing"
