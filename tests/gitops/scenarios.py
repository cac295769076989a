"""Rollouts in every phase, as the operator's own decision core describes them.

Each scenario is a function without arguments that returns the World it ends in. What GitOps tools
make of a Rollout is tested on these, so that a change of the core cannot leave the scripts behind.
"""

import functools
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from surefoot.domain.facts.snapshot import Admission
from tests.support.world import (
    World,
    a_checkpoint,
    a_gate,
    a_metric,
    a_role,
    a_rollout,
    a_trigger,
    hours,
    minutes,
    seconds,
    steady,
    steps_of,
)

SECURITY = {"roles": [a_role("security", "hudson")]}
WATCHED: dict[str, Any] = {"metrics": [a_metric()], "triggers": [a_trigger()]}


def a_world(*, errors: float | None = 0.0, **spec: Any) -> World:
    """A world with one metric that stays the same, before anything has happened."""
    spec.setdefault("steps", steps_of(10, 50, 100))
    rollout = a_rollout(**spec)
    return World(rollout, metrics={"errors": steady(errors)}, admission=Admission.ENFORCED)


def settled(world: World, *, after: timedelta = timedelta(minutes=1)) -> World:
    """The world some time later."""
    world.settle()
    world.run(after)
    return world


def pending() -> World:
    """Nothing has started, because the calendar allows no step yet."""
    freeze = {"name": "launch", "from": "2025-10-01 00:00", "to": "2025-11-30 00:00"}
    return settled(a_world(schedule={"timeZone": "UTC", "freeze": [freeze]}))


def invalid() -> World:
    """The plan asks for a metric that it does not define."""
    return settled(a_world(gates=[a_gate()]))


def soaking() -> World:
    """The first percentage is taken and earns its healthy time."""
    return settled(a_world(hold={"soak": "48h"}), after=hours(2))


def holding_for_a_trigger() -> World:
    """A trigger that holds is firing."""
    trigger = a_trigger(action="Hold")
    spec: dict[str, Any] = {"metrics": [a_metric()], "triggers": [trigger]}
    world = settled(a_world(hold={"soak": "48h"}, **spec), after=minutes(10))
    world.metrics["errors"] = steady(0.9)
    world.run(minutes(10))
    return world


def holding_for_a_gate() -> World:
    """A gate does not hold, and nobody has to sign."""
    return settled(a_world(errors=0.9, metrics=[a_metric()], gates=[a_gate()]), after=minutes(10))


def holding_for_a_gate_before_people() -> World:
    """A gate does not hold, and after it somebody has to sign."""
    world = a_world(metrics=[a_metric()], gates=[a_gate()], approvals=SECURITY)
    settled(world, after=minutes(10))
    world.metrics["errors"] = steady(0.9)
    world.run(minutes(10))
    return world


def awaiting_checkpoint() -> World:
    """A report is asked for."""
    hold = {"checkpoints": [a_checkpoint("hour-48", "atlas")]}
    return settled(a_world(hold=hold, approvals=SECURITY))


def awaiting_approval() -> World:
    """A signature is asked for."""
    return settled(a_world(approvals=SECURITY))


def paused() -> World:
    """A person has paused it."""
    world = settled(a_world(hold={"soak": "48h"}), after=hours(2))
    world.edit(paused=True)
    return settled(world)


def progressing() -> World:
    """The next percentage is recorded and not yet applied."""
    world = a_world(approvals=SECURITY)
    world.settle()
    world.run(minutes(1))
    world.sign("memory-sync-50-security", "hudson")
    world.settle_until_crash(before=world.transition_writes + 2)
    return world


def rolling_back() -> World:
    """A rollback is recorded and not yet applied."""
    world = settled(a_world(hold={"soak": "48h"}, **WATCHED), after=minutes(10))
    world.metrics["errors"] = steady(0.9)
    world.now += seconds(30)
    world.settle_until_crash(before=world.transition_writes + 2)
    return world


def rolled_back_by_a_trigger() -> World:
    """A trigger has fired."""
    world = settled(a_world(hold={"soak": "48h"}, **WATCHED), after=minutes(10))
    world.metrics["errors"] = steady(0.9)
    world.run(minutes(10))
    return world


def rolled_back_by_a_person() -> World:
    """A person has asked for it, and the ceiling stays."""
    world = settled(a_world(hold={"soak": "48h"}))
    world.edit(rollback={"to": 0, "reason": "the release is bad"})
    return settled(world)


def completed() -> World:
    """It went to the end."""
    return settled(a_world())


def refused() -> World:
    """Somebody has said NO-GO."""
    world = settled(a_world(approvals=SECURITY))
    world.sign("memory-sync-50-security", "hudson", decision="NO-GO", reason="it leaks")
    return settled(world)


def fought_over() -> World:
    """Somebody writes the ConfigMap again and again."""
    world = settled(a_world(hold={"soak": "48h"}))
    for _ in range(8):
        world.tamper(**{"memory-sync": "75"})
        world.settle()
        world.now += seconds(1)
    world.settle()
    return world


SCENARIOS: dict[str, tuple[Callable[[], World], str, str]] = {
    "pending": (pending, "Pending", "Progressing"),
    "invalid": (invalid, "Invalid", "Degraded"),
    "soaking": (soaking, "Soaking", "Progressing"),
    "holdingTrigger": (holding_for_a_trigger, "Holding", "Progressing"),
    "holdingGate": (holding_for_a_gate, "Holding", "Progressing"),
    "holdingGateBeforePeople": (holding_for_a_gate_before_people, "Holding", "Suspended"),
    "awaitingCheckpoint": (awaiting_checkpoint, "AwaitingCheckpoint", "Suspended"),
    "awaitingApproval": (awaiting_approval, "AwaitingApproval", "Suspended"),
    "paused": (paused, "Paused", "Suspended"),
    "progressing": (progressing, "Progressing", "Progressing"),
    "rollingBack": (rolling_back, "RollingBack", "Degraded"),
    "rolledBackTrigger": (rolled_back_by_a_trigger, "RolledBack", "Degraded"),
    "rolledBackRequested": (rolled_back_by_a_person, "RolledBack", "Degraded"),
    "completed": (completed, "Completed", "Healthy"),
    "refused": (refused, "AwaitingApproval", "Degraded"),
    "foughtOver": (fought_over, "Holding", "Degraded"),
}
"""Each scenario, the phase that it ends in, and the health that Argo CD must show."""


@functools.cache
def _played(name: str) -> str:
    return json.dumps(SCENARIOS[name][0]().rollout.to_wire())


def rollout_in(name: str) -> dict[str, Any]:
    """The Rollout in which a scenario ends, as the API server sends it; one's own copy."""
    rollout = json.loads(_played(name))
    assert isinstance(rollout, dict)
    return rollout


def an_approval(then: Callable[[World], None] | None = None) -> dict[str, Any]:
    """The Approval that a step waits for, after what people did, as the API server sends it."""
    world = awaiting_approval()
    if then is not None:
        then(world)
    return world.approvals["memory-sync-50-security"].to_wire()


def a_checkpoint_of(
    world: World, name: str, then: Callable[[World], None] | None = None
) -> dict[str, Any]:
    """A Checkpoint of a world, after what people did, as the API server sends it."""
    if then is not None:
        then(world)
    return world.checkpoints[name].to_wire()


def _decide(name: str, by: str, decision: str, reason: str, **more: Any) -> Callable[[World], None]:
    def then(world: World) -> None:
        world.sign(name, by, decision=decision, reason=reason, **more)
        settled(world)

    return then


def _decide_unseen(name: str, by: str) -> Callable[[World], None]:
    return lambda world: world.sign(name, by)


def _change_the_plan(world: World) -> None:
    world.edit(limits={"maxExpansionFactor": 90})
    settled(world)


def _wait_too_long(world: World) -> None:
    world.edit(steps=steps_of(10, 50, 100), paused=True)
    world.settle()
    world.sign("memory-sync-50-security", "hudson")
    world.settle()
    world.now += hours(24 * 8)
    world.settle()


def waiting_for_a_report(*, due: bool = False) -> World:
    """A report is asked for, within its time or after it."""
    report = a_checkpoint("hour-48", "atlas", dueAfter="1h")
    hold = {"checkpoints": [report]}
    return settled(a_world(hold=hold, approvals=SECURITY), after=hours(2 if due else 0.5))


def waiting_for_a_handoff() -> World:
    """Somebody is to hand over."""
    handoff = a_checkpoint("hand-over", "atlas", type="Handoff", receiver={"users": ["cora"]})
    return settled(a_world(hold={"checkpoints": [handoff]}, approvals=SECURITY))


SIGNATURE = "memory-sync-50-security"
REPORT = "memory-sync-10-hour-48"
HANDOFF = "memory-sync-10-hand-over"

APPROVALS: dict[str, tuple[Callable[[], dict[str, Any]], str, str]] = {
    "pending": (an_approval, "Pending", "Suspended"),
    "decidedAndNotSeen": (
        lambda: an_approval(_decide_unseen(SIGNATURE, "hudson")),
        "Pending",
        "Progressing",
    ),
    "noGo": (
        lambda: an_approval(_decide(SIGNATURE, "hudson", "NO-GO", "it leaks")),
        "NoGo",
        "Degraded",
    ),
    "used": (
        lambda: an_approval(_decide(SIGNATURE, "hudson", "GO", "no findings")),
        "Used",
        "Healthy",
    ),
    "void": (lambda: an_approval(_change_the_plan), "Void", "Healthy"),
    "expired": (lambda: an_approval(_wait_too_long), "Expired", "Healthy"),
}
"""Each Approval, its state, and the health that Argo CD must show."""

CHECKPOINTS: dict[str, tuple[Callable[[], dict[str, Any]], str, str]] = {
    "pending": (lambda: a_checkpoint_of(waiting_for_a_report(), REPORT), "Pending", "Suspended"),
    "late": (
        lambda: a_checkpoint_of(waiting_for_a_report(due=True), REPORT),
        "Pending",
        "Suspended",
    ),
    "go": (
        lambda: a_checkpoint_of(
            waiting_for_a_report(), REPORT, _decide(REPORT, "atlas", "GO", "48 h stable")
        ),
        "Go",
        "Healthy",
    ),
    "noGo": (
        lambda: a_checkpoint_of(
            waiting_for_a_report(), REPORT, _decide(REPORT, "atlas", "NO-GO", "errors at night")
        ),
        "NoGo",
        "Degraded",
    ),
    "handedOver": (
        lambda: a_checkpoint_of(
            waiting_for_a_handoff(),
            HANDOFF,
            _decide(HANDOFF, "atlas", "GO", "all is warm", requiredAction="watch the cache"),
        ),
        "Go",
        "Suspended",
    ),
    "void": (
        lambda: a_checkpoint_of(waiting_for_a_report(), REPORT, _change_the_plan),
        "Void",
        "Healthy",
    ),
}
"""Each Checkpoint, its state, and the health that Argo CD must show."""
