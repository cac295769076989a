"""Rollouts as they were conducted: the incident and the proper path, by the decision core."""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from surefoot.api.v1alpha1.rollout_status import RehearsalStatus, Transition
from surefoot.domain.facts.snapshot import Admission
from surefoot.reports.dossier import Dossier, dossier_of
from tests.support.world import (
    START,
    World,
    a_checkpoint,
    a_gate,
    a_metric,
    a_role,
    a_rollout,
    a_trigger,
    hours,
    minutes,
    steady,
    steps_of,
)

ROLES = {
    "deployment-lead": "cora",
    "metrics": "forge",
    "checkpoint": "atlas",
    "security": "hudson",
    "implementation": "thon",
}
"""Five roles; atlas reports, and signs for the report itself."""
AT_10 = "memory-sync-10"

TYPES = {
    "deployment-lead": "DeploymentLead",
    "metrics": "MetricsValidation",
    "checkpoint": "CheckpointReport",
    "security": "SecurityReview",
    "implementation": "ImplementationReadiness",
}


def dossier(world: World) -> Dossier:
    """What the cluster has of it."""
    return dossier_of(
        world.rollout, world.checkpoints.values(), world.approvals.values(), world.now
    )


@cache
def the_incident() -> Dossier:
    """From 10 to 25% after 1.7 hours, which is all that the plan asks; 18 minutes ago."""
    steps = steps_of(10, 25, 50, 100, first={"soak": "1h42m"})
    world = World(a_rollout(steps=steps, hold={"soak": "48h"}))
    world.run(hours(2))
    assert world.history() == [("Start", 10), ("Advance", 25)]
    return dossier(world)


def a_plan(**changes: Any) -> dict[str, Any]:
    """A plan that asks for everything at 10%."""
    handoff = a_checkpoint(
        "night-shift", "thon", type="Handoff", receiver={"users": ["cora"]}, dueAfter="1h"
    )
    first = {
        "soak": "48h",
        "baseline": "6h",
        "checkpoints": [a_checkpoint("hour-48", "atlas", dueAfter="49h"), handoff],
    }
    return {
        "steps": steps_of(10, 25, 100, first=first),
        "hold": {"soak": "48h"},
        "approvals": {
            "separationOfDuties": "Off",
            "roles": [a_role(role, user, type=TYPES[role]) for role, user in ROLES.items()],
        },
        "metrics": [a_metric(), a_metric("cost")],
        "gates": [a_gate(), a_gate("cost", atMost="200%", relativeTo="Baseline")],
        "triggers": [a_trigger()],
        "risks": [
            {
                "name": "cold-cache",
                "severity": "High",
                "probability": "Low",
                "mitigation": "warm it up",
                "status": "Mitigated",
            }
        ],
    } | changes


def properly(*, taken: bool = True, **changes: Any) -> World:
    """The proper path to 25%; or up to the moment before the last signature."""
    world = World(
        a_rollout(**a_plan(**changes)),
        interval=minutes(30),
        metrics={"errors": steady(0.0), "cost": steady(4.0)},
        admission=Admission.ENFORCED,
    )
    world.settle()
    world.run(minutes(30))
    world.sign(f"{AT_10}-night-shift", "thon", requiredAction="watch the cache")
    world.settle()
    world.sign(f"{AT_10}-night-shift-ack-receiver", "cora")
    world.run(hours(48))
    tests = [{"name": "ground-truth", "passed": 6, "total": 6}]
    world.sign(f"{AT_10}-hour-48", "atlas", reason="48 h stable", tests=tests)
    world.settle()
    for role, user in ROLES.items():
        if taken or role != "security":
            world.sign(f"memory-sync-25-{role}", user, reason=f"{role} is content")
    world.settle()
    assert world.percent == (25 if taken else 10), world.status.waiting_on
    return world


def rehearsed(found: Dossier, at: datetime = START + timedelta(hours=40)) -> Dossier:
    """The same, with a rehearsal that passed."""
    run = RehearsalStatus(run=1, at=at, took="4s", outcome="Passed")
    status = found.rollout.status.model_copy(update={"rehearsal": run})
    return replace(found, rollout=found.rollout.model_copy(update={"status": status}))


@cache
def the_proper_path() -> Dossier:
    """48 hours at 10%, a report, a handoff, five signatures, a rehearsal, and then 25%."""
    return rehearsed(dossier(properly()))


@cache
def a_conflict() -> Dossier:
    """GO against NO-GO, a meeting with a dissent, and everybody's acknowledgement."""
    roles = [a_role("security", "hudson"), a_role("lead", "forge")]
    policy = {"roles": roles, "meeting": {"users": ["cora"]}}
    world = World(a_rollout(steps=steps_of(10, 25, 100), approvals=policy, hold={"soak": "0s"}))
    world.settle()
    world.sign("memory-sync-25-security", "hudson", decision="NO-GO", reason="a leak")
    world.settle()
    world.now += minutes(1)
    world.sign("memory-sync-25-lead", "forge", reason="all green")
    world.settle()
    world.now += minutes(1)
    dissent = [{"by": "hudson", "statement": "we have not proved it"}]
    meeting = "memory-sync-10-conflict"
    world.sign(meeting, "cora", reason="go on", report="It is elsewhere.", dissent=dissent)
    world.settle()
    for role, user in (("security", "hudson"), ("lead", "forge")):
        world.sign(f"{meeting}-ack-{role}", user)
        world.settle()
    assert world.percent == 25
    return dossier(world)


def with_status(found: Dossier, **changes: Any) -> Dossier:
    """The same, with another status."""
    status = found.rollout.status.model_copy(update=changes)
    return replace(found, rollout=found.rollout.model_copy(update={"status": status}))


def advance(found: Dossier) -> Transition:
    """The step to 25%."""
    return next(entry for entry in found.history if entry.to == 25)


def with_evidence(found: Dossier, **changes: Any) -> Dossier:
    """The same, with other evidence for the step to 25%."""
    meant = advance(found)
    other = meant.model_copy(update={"evidence": meant.evidence.model_copy(update=changes)})
    history = tuple(other if entry is meant else entry for entry in found.history)
    return replace(found, history=history)
