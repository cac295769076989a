"""A Rollout that contains as much as the schema takes, or a part of that, with all its requests."""

from datetime import timedelta
from typing import Any

from surefoot.api.v1alpha1.approval import Approval, Decision, PastDecision
from surefoot.api.v1alpha1.checkpoint import Checkpoint
from surefoot.api.v1alpha1.meta import AUTHOR_SEPARATOR
from surefoot.domain.facts.signatures import SignatureFact
from tests.support.world import (
    World,
    a_checkpoint,
    a_metric,
    a_role,
    a_rollout,
    a_trigger,
    steady,
    steps_of,
)

MOST = 16
"""Roles of a step, checkpoints of a step, conditions of a gate, and decisions on a request."""
AUTHORS = 200
LENGTHS = ("0s", "5m", "6h", "2d")
AN_OUTAGE = timedelta(days=3)
"""Every window is full by then, and the soak is read back."""

SIGNATURE = {"value": "-----BEGIN SSH SIGNATURE-----\na", "expiresAt": "2027-01-01T00:00:00Z"}


def a_plan(size: int = MOST) -> dict[str, Any]:
    """As many meetings and roles as ``size``, twice as many triggers and groups of conditions."""
    users = [f"user-{number}" for number in range(32)]
    names = [f"m{number}" for number in range(2 * size)]
    return {
        "steps": steps_of(10, 100),
        "hold": {
            "soak": "30d",
            "checkpoints": [
                a_checkpoint(
                    f"c{number}",
                    *users[1:],
                    "chair",
                    type="DecisionMeeting",
                    after=[f"c{before}" for before in range(number)],
                )
                for number in range(size)
            ],
        },
        "approvals": {
            "opens": "Step",
            "roles": [
                a_role(f"role-{number}", f"signer-{number}", *users[1:], signing="Required")
                for number in range(size)
            ],
        },
        "metrics": [a_metric(name) for name in names],
        "triggers": [
            a_trigger(f"t{number}", metric=name, **{"for": LENGTHS[number % len(LENGTHS)]})
            for number, name in enumerate(names)
        ],
        "gates": [
            {
                "name": f"g{number}",
                "passing": size,
                "of": [
                    {
                        "name": f"b{bound}",
                        "metric": names[(number + bound) % len(names)],
                        "atMost": "0.1",
                        "for": LENGTHS[bound % len(LENGTHS)],
                    }
                    for bound in range(size)
                ],
            }
            for number in range(2 * size)
        ],
        "scorecard": {
            "items": [
                {"name": f"i{number}", "points": points, "gate": f"g{number}"}
                for number, points in enumerate(_points(2 * size))
            ]
        },
    }


def _points(items: int) -> list[int]:
    return [100 // items] * (items - 1) + [100 - 100 // items * (items - 1)]


def the_largest(size: int = MOST, decisions: int = MOST, authors: int = AUTHORS) -> World:
    """Everybody has decided everything, again and again: the meetings, and what follows them."""
    plan = a_plan(size)
    world = World(
        a_rollout(**plan), metrics={metric["name"]: steady(0.0) for metric in plan["metrics"]}
    )
    world.annotate(
        requested_by="user-0",
        authors=AUTHOR_SEPARATOR.join(f"author-{number}" for number in range(authors)),
    )
    world.settle()
    while _sign_what_waits(world):
        world.now += timedelta(seconds=1)
        world.settle(200)
    _remember(world, decisions)
    world.skip(AN_OUTAGE)
    return world


def _sign_what_waits(world: World) -> bool:
    """Every role signs before any meeting, so that all of them are parties of each."""
    waiting = [name for name, state in world.states().items() if state == "Pending"]
    approvals = [name for name in waiting if name in world.approvals]
    for name in approvals:
        number = world.approvals[name].spec.request.role.rpartition("-")[2]
        world.sign(name, f"signer-{number}", signature=SIGNATURE)
        world.verify(name, SignatureFact(fault=None, key="SHA256:a"))
    for name in waiting if not approvals else ():
        world.sign(name, "chair")
    return bool(waiting)


def _remember(world: World, decisions: int) -> None:
    """Every request had as many decisions before as its record takes, by as many people."""
    stores: tuple[dict[str, Any], ...] = (world.approvals, world.checkpoints)
    for store in stores:
        for name, request in store.items():
            store[name] = _with_past(request, decisions)


def _with_past(request: Approval | Checkpoint, decisions: int) -> Approval | Checkpoint:
    last = request.status.decisions[-1]
    past = tuple(
        PastDecision(
            decision=Decision.NO_GO if number % 2 else Decision.GO,
            by=f"user-{1 + number // 2}",
            verified=True,
            reason="so it seems to me",
            generation=number + 1,
            seen_at=last.seen_at - timedelta(seconds=decisions - number),
        )
        for number in range(decisions - 1)
    )
    generation = decisions
    carried = last.model_copy(update={"generation": generation})
    status = request.status.model_copy(update={"decisions": (*past, carried)})
    metadata = request.metadata.model_copy(update={"generation": generation})
    return request.model_copy(update={"status": status, "metadata": metadata})
