"""One door upward: nothing raises the flag except what the table of checks has let through."""

import json
from dataclasses import replace
from typing import Any

import pytest

from surefoot.domain.derive import judged_triggers
from surefoot.domain.derive.triggers import judge_trigger
from surefoot.domain.facts.measurements import Outcome
from surefoot.domain.facts.snapshot import Admission, ConfigMap
from surefoot.domain.plan import Abandon, Intend, Undo
from surefoot.domain.review import evaluate
from surefoot.domain.rollback import roll_back
from tests.support.world import (
    START,
    CrashError,
    World,
    a_checkpoint,
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

MANAGED = {"app.kubernetes.io/managed-by": "surefoot", "surefoot.dev/managed": "true"}


def planted(percent: str, transition_id: str, **changes: Any) -> ConfigMap:
    """A ConfigMap that claims to be this Rollout's flag at some percentage."""
    document = json.dumps({"percent": 10, "since": "2025-10-23T21:59:00.000000Z"})
    return ConfigMap(
        name="memory-sync-flags",
        uid="uid-planted",
        resource_version="7",
        data={"memory-sync": percent, "memory-sync.json": document},
        annotations={
            "surefoot.dev/rollout": "memory-sync",
            "surefoot.dev/rollout-uid": "uid-memory-sync",
            "surefoot.dev/transition-id": transition_id,
        },
        **changes,
    )


WAITS: list[tuple[str, dict[str, Any], Admission]] = [
    ("paused", {"paused": True}, Admission.UNENFORCED),
    ("admission is not enforced", {}, Admission.NOT_ENFORCED),
    ("the first step is 0", {"steps": steps_of(0, 10, 100)}, Admission.UNENFORCED),
    ("nothing is in the way", {"hold": {"soak": "1h"}}, Admission.UNENFORCED),
]


@pytest.mark.parametrize("labels", [{}, MANAGED])
@pytest.mark.parametrize("percent", ["100", "10", "x", "-1", ""])
@pytest.mark.parametrize(("_why", "spec", "admission"), WAITS)
def test_what_is_found_in_a_config_map_is_never_committed(
    _why: str, spec: dict[str, Any], admission: Admission, percent: str, labels: dict[str, str]
) -> None:
    """An id that was never decided proves nothing, on whatever object somebody has written it."""
    found = planted(percent, "0123456789abcdef0123", labels=labels)
    world = World(a_rollout(**spec), config_map=found, admission=admission)
    world.run(minutes(5))
    assert (world.status.percent, world.status.history) == (None, ())
    assert world.config_map == found
    assert ("PlanValid", "ConfigMapExists") in world.blockers()


def withdrawn_start() -> tuple[World, str]:
    """A Start whose intent was written and which was withdrawn, since somebody paused it."""
    world = World(a_rollout(hold={"soak": "1h"}))
    world.settle_until_crash(after=1)
    pending = world.status.pending
    assert pending is not None
    world.edit(paused=True)
    world.settle()
    assert world.status.pending is None
    return world, pending.transition_id


def test_withdrawn_start_that_lands_late_is_undone() -> None:
    """The create of an operator that was slow is deleted again, and nothing is committed."""
    world, identity = withdrawn_start()
    world.config_map = planted("10", identity, labels=MANAGED)
    assert [type(action) for action in world.decide().actions] == [Undo]
    world.settle()
    assert world.config_map is None
    assert (world.status.percent, world.status.history) == (None, ())
    world.edit(paused=None)
    world.settle()
    assert world.history() == [("Start", 10)]


def test_withdrawn_start_that_lands_on_a_new_one_is_written_over() -> None:
    """The new Start is what was decided, and it alone is committed."""
    world, identity = withdrawn_start()
    world.edit(paused=None)
    world.settle_until_crash(after=world.transition_writes + 1)
    world.config_map = planted("100", identity, labels=MANAGED)
    world.settle()
    assert (world.percent, world.history()) == (10, [("Start", 10)])


def test_look_alike_of_a_withdrawn_start_is_left_alone() -> None:
    """Without the managed label it is not the operator's, although its id is known."""
    world, identity = withdrawn_start()
    found = planted("10", identity)
    world.config_map = found
    world.edit(paused=None)
    world.settle()
    assert (world.config_map, world.status.percent) == (found, None)
    assert world.blockers() == [("PlanValid", "ConfigMapExists")]


def test_look_alike_of_a_recorded_start_is_not_committed() -> None:
    """The id of a recorded Start can be read by anyone, and written on anything."""
    world = World(a_rollout(hold={"soak": "1h"}))
    world.settle_until_crash(after=1)
    assert world.status.pending is not None
    found = planted("100", world.status.pending.transition_id)
    world.config_map = found
    world.settle()
    assert (world.config_map, world.status.percent) == (found, None)


# Adoption.


def offered(percent: str, **changes: Any) -> ConfigMap:
    """A ConfigMap that asks to be adopted."""
    return ConfigMap(
        name="memory-sync-flags",
        uid="uid-offered",
        resource_version="7",
        data={"memory-sync": percent, "hybrid-rag": percent},
        annotations={"surefoot.dev/adopt": "memory-sync"},
        **changes,
    )


@pytest.mark.parametrize("percent", ["0", "25", "100"])
@pytest.mark.parametrize("side", ["after", "before"])
def test_adoption_does_not_write_over_what_somebody_did_meanwhile(side: str, percent: str) -> None:
    """Recorded at 50, and turned off by hand before the write: the flag stays off."""
    world = World(a_rollout(hold={"soak": "1h"}), config_map=offered("50"))
    world.settle_until_crash(**{side: 1 if side == "after" else 2})
    recorded = world.status.pending
    assert recorded is not None
    assert (recorded.to, recorded.reason) == (50, "Adopted")
    world.tamper(**{"memory-sync": percent, "hybrid-rag": percent})
    assert not world.apply(recorded, world.rollout)
    plan = world.decide()
    assert isinstance(plan.actions[0], Abandon)
    assert "the ConfigMap is no longer what the Start was decided on" in plan.summary
    world.settle()
    assert world.history()[0] == ("Start", int(percent))
    assert 50 not in {to for _, to in world.history()}


def test_adoption_creates_nothing_where_the_flag_was_deleted_meanwhile() -> None:
    """A flag that is gone is off: nobody is let in because it stood at 50 before."""
    world = World(a_rollout(hold={"soak": "1h"}), config_map=offered("50"))
    world.settle_until_crash(after=1)
    recorded = world.status.pending
    assert recorded is not None
    world.config_map = None
    assert not world.apply(recorded, world.rollout)
    world.settle()
    assert world.history() == [("Start", 10)]


@pytest.mark.parametrize("percent", ["0", "50"])
@pytest.mark.parametrize("crashes", [True, False])
def test_flag_that_is_being_deleted_is_not_adopted(crashes: bool, percent: str) -> None:
    """It goes off with its ConfigMap, and a drift correction would bring it back at 50."""
    world = World(a_rollout(hold={"soak": "1h"}), config_map=offered("50"))
    if crashes:
        world.settle_until_crash(after=1)
    world.change_config_map(data={"memory-sync": percent, "hybrid-rag": percent}, deleting=True)
    world.settle()
    assert (world.status.percent, world.status.pending) == (None, None)
    assert world.blockers() == [("PlanValid", "AdoptedBeingDeleted")]
    world.config_map = None
    world.settle()
    assert world.history() == [("Start", 10)]


@pytest.mark.parametrize("adopts", [True, False])
def test_what_is_wrong_with_a_config_map_is_said_in_few_words(adopts: bool) -> None:
    """It may have as many keys as somebody can put there, and each pass says so."""
    keys = {f"k{number}": "x" for number in range(5000)}
    world = World(a_rollout(hold={"soak": "1h"}))
    if adopts:
        world.config_map = replace(offered("50"), data=keys)
    else:
        world.settle()
        world.tamper(**keys)
    state = evaluate(world.snapshot(), world.now).state
    said = [fault.message for fault in state.faults]
    said += [state.drift.message] if state.drift is not None else []
    assert len(said) == 1
    assert len(said[0]) < 300


def test_recorded_adoption_goes_on_while_the_offer_stands() -> None:
    """A crash between intent and apply costs nothing."""
    world = World(a_rollout(hold={"soak": "1h"}), config_map=offered("50"))
    world.settle_until_crash(after=1)
    world.settle()
    assert (world.percent, world.history()) == (50, [("Start", 50)])


# A NO-GO, and a move that is a Start.


def test_a_start_asks_for_standing_no_gos() -> None:
    """A NO-GO on leaving 0 is not escaped by deleting that step."""
    world = World(
        a_rollout(
            steps=[
                {"percent": 0, "hold": {"approvals": {"roles": [a_role("security", "h")]}}},
                {"percent": 10},
                {"percent": 100},
            ],
            hold={"soak": "1h"},
        )
    )
    world.settle()
    world.sign("memory-sync-10-security", "h", decision="NO-GO", reason="not yet")
    world.settle()
    world.edit(steps=steps_of(10, 100))
    world.run(minutes(5))
    assert world.percent == 0
    assert ("Approved", "NoGo") in world.blockers()


@pytest.mark.parametrize("percent", [5, 11, 25, 100])
def test_no_go_of_a_report_is_not_escaped_by_another_percentage(percent: int) -> None:
    """It is about everything above the step that it was given on, in every attempt."""
    first = {"checkpoints": [a_checkpoint("hour-48", "atlas")]}
    world = World(a_rollout(steps=steps_of(10, 100, first=first)))
    world.settle()
    world.sign("memory-sync-10-hour-48", "atlas", decision="NO-GO", reason="errors")
    world.settle()
    world.edit(rollback={"to": 0})
    world.settle()
    steps = steps_of(percent, 100) if percent < 100 else steps_of(100)
    world.edit(rollback=None, attempt=1, steps=steps)
    world.run(minutes(5))
    assert (world.percent or 0) <= 10


# A recorded advance and what happened since.


def signed_and_crashed(**trigger: Any) -> World:
    """An advance to 50% was recorded on a signature, and then the operator died."""
    world = World(
        a_rollout(
            steps=steps_of(10, 50, 100),
            metrics=[a_metric()],
            triggers=[a_trigger(action="Hold", **trigger)],
            approvals={"opens": "Step", "roles": [a_role("security", "h")]},
        ),
        metrics={"errors": steady(0.0)},
    )
    world.run(minutes(5))
    world.sign("memory-sync-50-security", "h")
    world.crash_after = world.transition_writes + 1
    with pytest.raises(CrashError):
        world.settle()
    world.crash_after = None
    world.watched_requests.clear()
    assert world.status.pending is not None
    return world


def test_trigger_that_fired_and_ended_meanwhile_withdraws_a_recorded_advance() -> None:
    """The operator was down: what was decided before is not applied after it."""
    world = signed_and_crashed()
    breach = world.now + minutes(1)
    quiet = breach + minutes(2)
    world.metrics["errors"] = lambda at: 0.9 if breach <= at < quiet else 0.0
    world.skip(minutes(10))
    world.settle()
    assert (world.percent, world.status.pending) == (10, None)
    assert world.states()["memory-sync-50-security"] == "Void"
    world.sign("memory-sync-50-security-r2", "h")
    world.settle()
    assert world.percent == 50
    evidence = world.status.history[-1].evidence
    assert [decision.name for decision in evidence.decisions] == ["memory-sync-50-security-r2"]
    assert world.states()["memory-sync-50-security"] == "Void"


# Start and the triggers' first answers.


def test_start_waits_for_the_first_answers_of_its_triggers() -> None:
    """At first sight nobody has answered yet; two intervals later no data is what it is."""
    world = World(
        a_rollout(metrics=[a_metric()], triggers=[a_trigger()], hold={"soak": "1h"}),
        metrics={"errors": steady(0.9)},
        unanswered={"errors"},
        unanswered_since={"errors": START, "errors for 0s": START},
    )
    world.settle()
    assert (world.percent, world.blockers()) == (None, [("TriggersQuiet", "TriggerNoData")])
    world.now += seconds(59)
    assert not any(isinstance(action, Intend) for action in world.decide().actions)
    world.now += seconds(2)
    world.settle()
    assert world.percent == 10


def test_first_step_of_zero_is_not_left_on_an_answer_of_before_it() -> None:
    """The first answer came after Start and is about the time before it; it breaches."""
    world = World(
        a_rollout(metrics=[a_metric()], triggers=[a_trigger()], steps=steps_of(0, 10, 100)),
        metrics={"errors": steady(0.9)},
        unanswered={"errors"},
        unanswered_since={"errors": START, "errors for 0s": START},
    )
    world.now += seconds(61)
    world.settle()
    assert world.percent == 0
    world.unanswered = set()
    world.run(hours(1))
    assert world.percents == [(START + seconds(61), 0)]


def test_retry_waits_until_its_triggers_can_be_judged_again() -> None:
    """Right after a rollback they settle: to start then would be to start without them."""
    world = World(
        a_rollout(metrics=[a_metric()], triggers=[a_trigger()], hold={"soak": "1h"}),
        metrics={"errors": steady(0.0)},
    )
    world.settle()
    world.metrics["errors"] = steady(0.9)
    world.run(minutes(1))
    assert (world.percent, world.status.rolled_back) == (0, True)
    world.edit(attempt=1)
    world.run(hours(1))
    assert [percent for _, percent in world.percents] == [10, 0]
    world.metrics["errors"] = steady(0.0)
    world.run(minutes(1))
    assert world.percent == 10


def test_start_does_not_happen_while_a_trigger_fires() -> None:
    """The first answer says so, and nobody is moved there and back."""
    world = World(
        a_rollout(metrics=[a_metric()], triggers=[a_trigger()], hold={"soak": "1h"}),
        metrics={"errors": steady(0.9)},
        unanswered={"errors"},
        unanswered_since={"errors": START, "errors for 0s": START},
    )
    world.settle()
    world.unanswered = set()
    world.run(hours(1))
    assert (world.percent, world.status.history) == (None, ())


def test_way_down_needs_no_more_than_the_flags_facts() -> None:
    """`roll_back` decides from the Rollout, the ConfigMap and the answers, and decide calls it."""
    world = World(
        a_rollout(metrics=[a_metric()], triggers=[a_trigger()], hold={"soak": "1h"}),
        metrics={"errors": steady(0.0)},
    )
    world.run(minutes(5))
    world.metrics["errors"] = steady(0.9)
    world.now += seconds(30)
    snapshot = world.snapshot()
    plan = roll_back(snapshot, world.now)
    assert plan is not None
    assert plan == world.decide()
    assert plan == roll_back(replace(snapshot, halt=None, approvals=(), checkpoints=()), world.now)


def test_answer_that_says_nothing_is_no_reason_to_start_later_than_two_intervals() -> None:
    """A provider that is down has answered: with an outcome."""
    world = World(
        a_rollout(metrics=[a_metric()], triggers=[a_trigger()], hold={"soak": "1h"}),
        failing={"errors": (Outcome.UNREACHABLE, "connection refused")},
    )
    world.settle()
    assert world.percent == 10


def test_trigger_that_cannot_be_judged_silences_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The flag comes down for the trigger that fires, and does not go up past the broken one."""
    world = World(
        a_rollout(
            metrics=[a_metric(), a_metric("latency")],
            triggers=[a_trigger("latency"), a_trigger()],
            hold={"soak": "5m"},
        ),
        metrics={"errors": steady(0.0), "latency": steady(0.0)},
    )
    world.run(minutes(4))

    def breaking(facts: Any, status: Any, trigger: Any, now: Any) -> Any:
        if trigger.name == "latency":
            raise ValueError("a defect")
        return judge_trigger(facts, status, trigger, now)

    monkeypatch.setattr(judged_triggers, "judge_trigger", breaking)
    world.now += minutes(5)
    with pytest.raises(ValueError, match="a defect"):
        world.decide()
    assert world.percent == 10
    world.metrics["errors"] = steady(0.9)
    world.now += seconds(30)
    assert world.decide().is_rollback
