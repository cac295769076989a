"""No moment that a plan, a halt or a person writes makes a pass fail, however extreme."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from surefoot.api.v1alpha1.moments import EARLIEST, LATEST
from surefoot.domain.decide import decide
from surefoot.domain.facts.snapshot import Halt
from surefoot.domain.review import evaluate
from surefoot.domain.status import build_status
from tests.support.world import (
    World,
    a_checkpoint,
    a_gate,
    a_metric,
    a_role,
    a_rollout,
    a_trigger,
    steady,
    steps_of,
)

LONG = st.sampled_from(["0s", "1s", "30m", "7d", "9999d", "99999999s"])
MOMENTS = st.sampled_from(
    [
        datetime.min.replace(tzinfo=UTC),
        EARLIEST,
        LATEST,
        datetime(2025, 10, 23, 22, 0, tzinfo=UTC),
        datetime(2099, 12, 31, 23, 59, tzinfo=UTC),
        datetime(9000, 1, 1, tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
    ]
)
NOW = st.sampled_from(
    [
        EARLIEST,
        LATEST - timedelta(days=1),
        datetime(2025, 10, 23, 22, 0, tzinfo=UTC),
        datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2300, 1, 1, tzinfo=UTC),
    ]
)


@st.composite
def plans(draw: st.DrawFn) -> dict[str, Any]:
    """A valid plan whose lengths and dates are as far out as the schema lets them be."""
    hold = {name: draw(LONG) for name in ("soak", "warmUp", "baseline")}
    report = a_checkpoint(
        "r",
        "rex",
        opensAfter=draw(LONG),
        dueAfter=draw(LONG),
        dueFrom=draw(st.sampled_from(["Step", "Start"])),
    )
    over = {"for": draw(LONG)}
    return {
        "steps": steps_of(10, 50, 100),
        "hold": hold | {"checkpoints": [report]},
        "approvals": {"opens": "Step", "maxAge": draw(LONG), "roles": [a_role("security", "h")]},
        "rehearsal": {"maxAge": "9999d", "mode": draw(st.sampled_from(["Automatic", "Manual"]))},
        "metrics": [a_metric()],
        "gates": [a_gate(**over)],
        "triggers": [a_trigger(settle=draw(LONG), **over)],
        "schedule": {
            "timeZone": draw(st.sampled_from(["UTC", "Pacific/Kiritimati", "Etc/GMT+12"])),
            "freeze": [
                {"name": "w", "from": "Fri 16:00", "to": "Mon 08:00"},
                {"name": "d", "from": "2000-01-01 00:00", "to": "2099-12-31 23:59"},
            ][draw(st.integers(0, 1)) :],
        },
    }


@settings(max_examples=8, phases=[Phase.explicit, Phase.generate])
@given(plans(), NOW, st.none() | MOMENTS, MOMENTS, st.booleans())
def test_extreme_moments_stop_no_pass(
    plan: dict[str, Any], now: datetime, until: datetime | None, past: datetime, rolled: bool
) -> None:
    """Before the start, in the hold, and after a rollback."""
    world = World(a_rollout(**plan), now=now, metrics={"errors": steady(0.0)})
    world.escalate_after = timedelta(days=9999)
    for _ in range(3):
        if until is not None:
            world.halt = Halt("agents", "stop", until)
        status = world.rollout.status
        if status.since is not None:
            past = min(past, world.now)
            moments = {"since": past, "hold_since": past, "void_before": past}
            changed = status.model_copy(update=moments if rolled else {"void_before": past})
            world.rollout = world.rollout.model_copy(update={"status": changed})
        snapshot = world.snapshot()
        review = evaluate(snapshot, world.now)
        build_status(review, review.status)
        decide(snapshot, world.now)
        world.halt = None
        world.settle()
        world.now += timedelta(minutes=1)
