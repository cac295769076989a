"""What the status says: conditions, phase, blockedBy, waitingOn, earliestAdvance."""

from datetime import timedelta
from typing import Any

import pytest

from surefoot.api.v1alpha1.rollout_status import Phase, Requester
from surefoot.domain.facts.snapshot import Admission
from tests.support.world import (
    START,
    Metric,
    World,
    a_checkpoint,
    a_gate,
    a_metric,
    a_role,
    a_rollout,
    a_trigger,
    from_time,
    hours,
    minutes,
    seconds,
    steady,
    steps_of,
)

CONDITIONS = [
    "PlanValid",
    "TargetInSync",
    "AdmissionEnforced",
    "NotPaused",
    "NotRolledBack",
    "TriggersQuiet",
    "SoakComplete",
    "BaselineRecorded",
    "CheckpointsPassed",
    "GatesHealthy",
    "Approved",
    "RehearsalFresh",
    "WithinExpansionLimit",
    "CoverageObserved",
    "DeliveryObserved",
    "WithinSchedule",
    "DependenciesMet",
    "ScorecardPassed",
    "ClockTrusted",
    "Ready",
    "Reconciling",
    "Stalled",
]

FULL: dict[str, Any] = {
    "steps": steps_of(10, 50, 100),
    "hold": {"soak": "2h", "checkpoints": [a_checkpoint("hour-1", "atlas", opensAfter="1h")]},
    "approvals": {"roles": [a_role("security", "hudson"), a_role("owner", "cora")]},
    "metrics": [a_metric(), a_metric("cost")],
    "gates": [a_gate(), a_gate("cost", **{"for": "10m"})],
    "triggers": [a_trigger(action="Degrade")],
}


def full(name: str = "memory-sync", **changes: Any) -> World:
    """A rollout that asks for everything that is built."""
    metrics: dict[str, Metric] = {"errors": steady(0.0), "cost": steady(0.0)}
    return World(a_rollout(name, **FULL | changes), metrics=metrics)


def test_all_conditions_exist_from_the_first_visit() -> None:
    """Also before Start, in reading order, each with a reason."""
    world = full(paused=True)
    world.settle()
    assert [c.type for c in world.status.conditions] == CONDITIONS
    assert [(c.status, c.reason) for c in world.status.conditions] == [
        ("True", "Valid"),
        ("True", "NotStarted"),
        ("True", "Unenforced"),
        ("False", "Paused"),
        ("True", "NotRolledBack"),
        ("True", "Quiet"),
        ("False", "NotStarted"),
        ("True", "NotRequired"),
        ("False", "CheckpointMissing"),
        ("True", "GatesHold"),
        ("False", "AwaitingApproval"),
        ("True", "NotRequired"),
        ("True", "WithinLimit"),
        ("True", "NotRequired"),
        ("True", "NotRequired"),
        ("True", "NotRequired"),
        ("True", "NotRequired"),
        ("True", "NotRequired"),
        ("True", "AnswersAgree"),
        ("False", "Paused"),
        ("True", "Paused"),
        ("False", "Paused"),
    ]
    assert all(c.observed_generation == 1 for c in world.status.conditions)
    assert all(c.last_transition_time == START for c in world.status.conditions)


def test_what_the_plan_does_not_ask_for_is_not_required() -> None:
    """True, with that reason."""
    world = World(a_rollout(paused=True))
    world.settle()
    required = {c.type for c in world.status.conditions if c.reason != "NotRequired"}
    assert required == {
        "PlanValid",
        "TargetInSync",
        "AdmissionEnforced",
        "ClockTrusted",
        "NotPaused",
        "NotRolledBack",
        "WithinExpansionLimit",
        "Ready",
        "Reconciling",
        "Stalled",
    }


def test_transition_time_moves_only_with_the_status_of_a_condition() -> None:
    """Another reason alone does not move it."""
    world = full()
    world.run(hours(1))
    before = {c.type: c.last_transition_time for c in world.status.conditions}
    world.edit(paused=True)
    world.run(minutes(5))
    world.stop()
    world.run(minutes(5))
    after = {c.type: c.last_transition_time for c in world.status.conditions}
    assert after == before | {"NotPaused": START + hours(1)}
    assert world.condition("NotPaused") == ("False", "Halted")


def test_one_walk_through_every_phase() -> None:
    """In the order in which people meet them."""
    world = full(steps=steps_of(10, 100))
    seen: list[str] = []

    def look() -> None:
        world.settle()
        assert world.status.phase is not None
        seen.append(world.status.phase.value)

    world.edit(paused=True)
    look()
    world.edit(paused=None)
    world.admission = Admission.UNKNOWN
    look()
    world.admission = Admission.UNENFORCED
    look()
    world.metrics["errors"] = steady(0.9)
    world.now += seconds(30)
    look()
    world.metrics["errors"] = steady(0.0)
    world.now += hours(3)
    world.metrics["cost"] = steady(0.9)
    look()
    world.metrics["cost"] = steady(0.0)
    look()
    world.sign("memory-sync-10-hour-1", "atlas")
    look()
    world.edit(gates=[a_gate("nothing")])
    look()
    world.edit(gates=FULL["gates"], rollback={"to": 0})
    look()
    assert seen == [
        "Paused",
        "Pending",
        "Soaking",
        "Holding",
        "Holding",
        "AwaitingCheckpoint",
        "AwaitingApproval",
        "Invalid",
        "RolledBack",
    ]


def test_gate_that_fails_is_said_before_people() -> None:
    """Holding (gate) comes before AwaitingCheckpoint."""
    world = full(hold={"checkpoints": [a_checkpoint("r", "a")]})
    world.metrics["cost"] = from_time(START + minutes(15), 0.0, 0.9)
    world.run(minutes(20))
    assert (world.status.phase, world.condition("GatesHealthy")) == (
        Phase.HOLDING,
        ("False", "GateFails"),
    )
    assert world.status.waiting_on == (
        "gate cost: 0.9, must be at most 0.1 for 10m; then r (a), security (hudson), owner (cora)"
    )


def test_waiting_on_says_clocks_then_people() -> None:
    """In one line, in the order in which they are met."""
    world = full()
    world.settle()
    assert world.status.waiting_on == (
        "soak 2h left, gate cost: at most 0.1 for 0s of 10m; "
        "then hour-1 (atlas), security (hudson), owner (cora)"
    )
    world.run(hours(2))
    assert world.status.waiting_on == "hour-1 (atlas), security (hudson), owner (cora)"
    world.sign("memory-sync-10-hour-1", "atlas")
    world.settle()
    assert world.status.waiting_on == "security (hudson), owner (cora)"


def test_waiting_on_says_an_obstacle_first() -> None:
    """And how many more there are."""
    world = full()
    world.settle()
    world.edit(paused=True, rollback={"to": 10})
    world.settle()
    assert world.status.waiting_on == "spec.paused is true (and 1 more)"


def test_waiting_on_is_empty_when_it_waits_for_nothing() -> None:
    """Completed."""
    world = World(a_rollout())
    world.settle()
    assert (world.status.waiting_on, world.status.blocked_by) == ("", ())
    assert next(c for c in world.status.conditions if c.type == "Ready").message == "Completed"


def test_waiting_on_is_cut_to_what_the_api_server_takes() -> None:
    """A long list of people must never stop a status write."""
    names = [f"{i}-{'x' * 250}" for i in range(32)]
    roles = [a_role(f"role-{i}", *names) for i in range(16)]
    world = World(a_rollout(approvals={"roles": roles}))
    world.settle()
    assert (len(world.status.waiting_on), world.status.waiting_on[-1]) == (2048, "…")


@pytest.mark.parametrize(
    ("name", "words"),
    [("recall", "security (hudson), soak 2h"), ("memory-sync", "security, soak 2h")],
)
def test_short_words_name_people_then_clocks(name: str, words: str) -> None:
    """Names of people are left out where the name of the Rollout leaves no room for them."""
    roles = {"roles": [a_role("security", "hudson")]}
    world = full(name, approvals=roles, hold={"soak": "2h"}, gates=[])
    world.settle()
    assert world.status.waiting_on == "soak 2h left; then security (hudson)"
    assert world.status.waiting_on_short == words


def test_short_words_count_what_there_is_no_room_for() -> None:
    """The first of each kind stays."""
    world = full()
    world.settle()
    assert world.status.waiting_on_short == "hour-1, soak 2h +3"
    world.edit(paused=True, rollback={"to": 10})
    world.settle()
    assert world.status.waiting_on_short == "spec.paused is true +1"


def test_short_words_of_a_rollback_say_what_ends_it() -> None:
    """The column beside it says RolledBack, so it is not repeated."""
    world = full()
    world.settle()
    world.edit(rollback={"to": 0, "reason": "a long story"})
    world.settle()
    assert world.status.waiting_on_short == "retry, lift ceiling"
    world.edit(rollback=None)
    world.settle()
    assert world.status.waiting_on_short == "retry"


@pytest.mark.parametrize(("name", "words"), [("recall", "step too large"), ("x" * 41, "step too…")])
def test_short_words_of_a_step_that_is_too_large_can_be_read(name: str, words: str) -> None:
    """The message is cut, where neither it nor its reason has room: it has the plainer words."""
    world = World(a_rollout(name, steps=[{"percent": 10}, {"percent": 100}], limits=None))
    world.settle()
    assert world.status.waiting_on_short == words


@pytest.mark.parametrize("name", ["a", "recall", "memory-sync", "x" * 25, "x" * 63])
@pytest.mark.parametrize("role", ["lead", "implementation-readiness-of-everything"])
def test_row_is_at_most_80_wide_where_the_name_leaves_room(name: str, role: str) -> None:
    """Whatever it waits for; a longer name leaves the heading's width."""
    world = full(name, approvals={"roles": [a_role(role, "hudson")]})
    lengths = set()
    changes: tuple[dict[str, Any], ...] = (
        {},
        {"paused": True},
        {"paused": None, "rollback": {"to": 0, "reason": "a long story"}},
        {"rollback": None, "gates": [a_gate("nothing")]},
    )
    for change in changes:
        world.edit(**change)
        world.settle()
        lengths.add(len(world.status.waiting_on_short))
    assert max(lengths) <= max(len("WAITING-ON"), 80 - len(name) - len("AwaitingCheckpoint") - 27)
    assert min(lengths) > 0


def test_reason_says_more_than_the_phase_or_nothing() -> None:
    """`kubectl get -o wide` has both, side by side."""
    world = full(approvals=None, hold={"soak": "2h"}, gates=[a_gate("cost", **{"for": "10m"})])
    seen: list[tuple[str, str]] = []

    def look() -> None:
        world.settle()
        assert world.status.phase is not None
        seen.append((world.status.phase.value, world.status.reason))

    look()
    world.edit(paused=True)
    look()
    world.stop()
    look()
    assert seen == [("Soaking", "SoakInsufficient"), ("Paused", ""), ("Paused", "Halted")]
    assert all(phase != reason for phase, reason in seen)


def test_blocked_by_names_every_missing_thing() -> None:
    """One entry each, in reading order."""
    world = full()
    world.settle()
    assert [(b.condition, b.reason) for b in world.status.blocked_by] == [
        ("SoakComplete", "SoakInsufficient"),
        ("CheckpointsPassed", "CheckpointMissing"),
        ("GatesHealthy", "WindowNotFull"),
        ("Approved", "AwaitingApproval"),
        ("Approved", "AwaitingApproval"),
    ]


def test_blocked_by_before_start_names_what_start_needs() -> None:
    """Not what could not be mended yet."""
    delivery = {"metric": "errors", "within": "5m"}
    world = full(paused=True, rollback={"to": 0}, delivery=delivery)
    world.settle()
    assert world.blockers() == [
        ("PlanValid", "NotSupported"),
        ("NotPaused", "Paused"),
        ("NotRolledBack", "Ceiling"),
    ]


def test_blocked_by_after_a_rollback_names_what_a_retry_needs() -> None:
    """And a trigger that is not quiet."""
    world = full(triggers=[a_trigger()])
    world.metrics["errors"] = from_time(START + minutes(5), 0.0, 0.9)
    world.run(minutes(5))
    assert world.blockers() == [
        ("NotRolledBack", "TriggerFired"),
        ("TriggersQuiet", "TriggerSettling"),
    ]


def test_blocked_by_of_a_completed_rollout_names_the_plan_and_the_target_only() -> None:
    """Nothing of the hold is asked any more."""
    world = World(a_rollout())
    world.settle()
    world.edit(gates=[a_gate("nothing")], paused=True)
    world.settle()
    assert world.blockers() == [("PlanValid", "UnknownMetric")]
    assert {c.reason for c in world.status.conditions[6:11]} == {"Completed"}


def test_earliest_advance_is_what_clocks_alone_allow() -> None:
    """Soak, warm-up, windows, and when a checkpoint opens."""
    holds: tuple[tuple[dict[str, Any], timedelta | None], ...] = (
        ({"soak": "2h"}, hours(2)),
        ({"soak": "2h", "warmUp": "30m"}, hours(2.5)),
        ({"warmUp": "30m"}, minutes(30)),
        ({"soak": "5m"}, minutes(10)),
        ({"soak": "5m", "gates": ["errors"]}, minutes(5)),
        ({"soak": "5m", "gates": ["group"]}, minutes(20)),
        ({"checkpoints": [a_checkpoint("r", "a", opensAfter="3h")]}, hours(3)),
        ({"gates": []}, None),
    )
    for hold, expected in holds:
        group = {"name": "group", "passing": 1, "of": [a_gate("errors", **{"for": "20m"})]}
        gates = [*FULL["gates"], group] if "group" in hold.get("gates", ()) else FULL["gates"]
        world = full(hold=hold, gates=gates)
        world.settle()
        found = world.status.earliest_advance
        assert found == (None if expected is None else START + expected)


def test_earliest_advance_moves_while_the_soak_does_not_run() -> None:
    """It cannot be earlier than what is left from now."""
    world = full(hold={"soak": "2h"})
    world.run(hours(1))
    world.metrics["errors"] = from_time(START + hours(1) + seconds(30), 0.0, 0.9)
    world.run(minutes(30))
    assert world.decide().status.earliest_advance == world.now + hours(1)


def test_earliest_advance_is_rounded_to_the_later_second() -> None:
    """It is written without microseconds, and must not be early."""
    world = World(a_rollout(hold={"soak": "1h"}), now=START + seconds(0.25))
    world.settle()
    assert world.status.earliest_advance == START + hours(1) + seconds(1)


def test_earliest_advance_is_absent_where_no_clock_holds() -> None:
    """Rolled back, invalid, completed, before Start."""
    world = full()
    world.settle()
    world.edit(gates=[a_gate("nothing")])
    world.settle()
    assert world.status.earliest_advance is None
    world.edit(gates=None, rollback={"to": 0})
    world.settle()
    assert world.status.earliest_advance is None
    assert full(paused=True).decide().status.earliest_advance is None


def test_progress_and_next_percent() -> None:
    """How many steps of how many were reached."""
    world = World(a_rollout(steps=steps_of(10, 100), hold={"soak": "1h"}, paused=True))
    world.settle()
    assert (world.status.progress, world.status.next_percent) == ("0/2", 10)
    world.edit(paused=None)
    world.settle()
    assert (world.status.progress, world.status.next_percent) == ("1/2", 100)
    world.run(hours(1))
    assert (world.status.progress, world.status.next_percent) == ("2/2", None)
    world.run(hours(1))
    assert (world.status.phase, world.status.next_percent) == ("Completed", None)
    world.edit(rollback={"to": 0})
    world.settle()
    assert (world.status.progress, world.status.next_percent) == ("0/2", 10)


def test_requester_is_who_admission_recorded() -> None:
    """With the person behind a GitOps tool."""
    world = World(a_rollout(hold={"soak": "1h"}), admission=Admission.ENFORCED)
    world.annotate(requested_by="argo", on_behalf_of="ada")
    world.settle()
    assert world.status.requested_by == Requester(
        username="argo", on_behalf_of="ada", verified=True
    )
    plain = World(a_rollout(hold={"soak": "1h"}))
    plain.settle()
    assert plain.status.requested_by is None


def test_metrics_are_listed_with_value_and_outcome() -> None:
    """Those of the plan, also where nobody answered."""
    world = full()
    world.metrics |= {"errors": steady(0.123456789), "cost": steady(None)}
    world.settle()
    assert [(m.name, m.value, m.outcome) for m in world.status.metrics] == [
        ("errors", "0.123457", "Value"),
        ("cost", None, "NoData"),
    ]
    world.unanswered.add("cost")
    world.edit(paused=True)
    world.settle()
    assert world.status.metrics[1].message == "not measured yet"


@pytest.mark.parametrize(
    ("values", "holds", "reason", "message"),
    [
        ((0.0, 0.0, 0.0), "True", "GatesHold", "health: 3 of 3 hold, 2 are needed"),
        ((0.0, 0.9, 0.0), "True", "GatesHold", "health: 2 of 3 hold, 2 are needed"),
        (
            (0.0, 0.9, 0.9),
            "False",
            "GateFails",
            (
                "gate health: 1 of 3 hold, 2 are needed: b: 0.9, must be at most 0.1; "
                "c: 0.9, must be at most 0.1"
            ),
        ),
        (
            (0.0, 0.9, None),
            "Unknown",
            "GateFails",
            (
                "gate health: 1 of 3 hold, 2 are needed: b: 0.9, must be at most 0.1; "
                "c: no value at the newest point"
            ),
        ),
        (
            (0.9, 0.9, None),
            "False",
            "GateFails",
            (
                "gate health: 0 of 3 hold, 2 are needed: a: 0.9, must be at most 0.1; "
                "b: 0.9, must be at most 0.1; c: no value at the newest point"
            ),
        ),
    ],
)
def test_group_of_gates_needs_so_many_of_them(
    values: tuple[float | None, ...], holds: str, reason: str, message: str
) -> None:
    """Unknown only where what is unknown could still be enough."""
    parts = [a_gate(name) for name in "abc"]
    world = World(
        a_rollout(
            metrics=[a_metric(name) for name in "abc"],
            gates=[{"name": "health", "passing": 2, "of": parts}],
            approvals={"roles": [a_role("never", "n")]},
        ),
        metrics={name: steady(value) for name, value in zip("abc", values, strict=True)},
    )
    world.settle()
    assert world.condition("GatesHealthy") == (holds, reason)
    assert world.message("GatesHealthy") == message


@pytest.mark.parametrize(
    ("bounds", "value", "holds"),
    [
        ({"atMost": "0.1"}, 0.1, True),
        ({"atMost": "0.1"}, 0.1001, False),
        ({"atMost": None, "atLeast": "98%"}, 0.98, True),
        ({"atMost": None, "atLeast": "98%"}, 0.97, False),
        ({"atMost": 3, "atLeast": 2}, 2.5, True),
        ({"atMost": 3, "atLeast": 2}, 1, False),
        ({"atMost": 3, "atLeast": 2}, 4, False),
    ],
)
def test_bounds_of_a_gate_include_the_bound(
    bounds: dict[str, Any], value: float, holds: bool
) -> None:
    """At most, at least, or both."""
    world = World(
        a_rollout(
            metrics=[a_metric()],
            gates=[{k: v for k, v in a_gate(**bounds).items() if v is not None}],
            approvals={"roles": [a_role("never", "n")]},
        ),
        metrics={"errors": steady(value)},
    )
    world.settle()
    assert (world.condition("GatesHealthy")[0] == "True") is holds


def test_gate_says_its_value_and_its_bounds() -> None:
    """Both where it holds and where it does not."""
    world = World(
        a_rollout(
            metrics=[a_metric()],
            gates=[a_gate(atMost=3, atLeast=2, **{"for": "5m"})],
            approvals={"roles": [a_role("never", "n")]},
        ),
        metrics={"errors": steady(2.5)},
    )
    world.run(minutes(5))
    assert world.message("GatesHealthy") == "errors: 2.5, at most 3 and at least 2 for 5m"
    world.metrics["errors"] = steady(5)
    world.run(seconds(30))
    assert world.message("GatesHealthy") == (
        "gate errors: 5, must be at most 3 and at least 2 for 5m"
    )


def with_a_hole(hole: float | None) -> Metric:
    """A metric that is good but for one point."""
    return lambda at: hole if at == START + minutes(8) else 0.0


def test_hole_in_the_window_of_a_gate_has_not_held() -> None:
    """UnmetRequirement, or not a number, at any point."""
    for hole in (None, float("nan")):
        world = World(
            a_rollout(
                metrics=[a_metric()],
                gates=[a_gate(**{"for": "5m"})],
                approvals={"roles": [a_role("never", "n")]},
            ),
            metrics={"errors": with_a_hole(hole)},
        )
        world.run(minutes(10))
        assert world.condition("GatesHealthy") == ("Unknown", "NoData")
        assert world.message("GatesHealthy") == (
            "gate errors: 10 of 11 points of the last 5m have a value"
        )
        world.run(minutes(3.5))
        assert world.condition("GatesHealthy") == ("True", "GatesHold")


def test_breach_within_the_window_of_a_gate_fails_it() -> None:
    """The newest breach is named, though the newest value is good."""
    world = World(
        a_rollout(
            metrics=[a_metric()],
            gates=[a_gate(**{"for": "5m"})],
            approvals={"roles": [a_role("never", "n")]},
        ),
        metrics={"errors": lambda at: 0.5 if at == START + minutes(8) else 0.0},
    )
    world.run(minutes(10))
    assert world.condition("GatesHealthy") == ("False", "GateFails")
    assert world.message("GatesHealthy") == "gate errors: 0.5, must be at most 0.1 for 5m"


def test_known_failures_are_said_before_unknown_ones() -> None:
    """And make the condition False, not Unknown."""
    world = World(
        a_rollout(
            metrics=[a_metric("a"), a_metric("b")],
            gates=[a_gate("a"), a_gate("b")],
            approvals={"roles": [a_role("never", "n")]},
        ),
        metrics={"a": steady(None), "b": steady(0.9)},
    )
    world.settle()
    assert world.condition("GatesHealthy") == ("False", "GateFails")
    assert [m for c, m in world.blockers() if c == "GatesHealthy"] == ["GateFails", "NoData"]


def test_only_the_gates_that_the_step_names_are_needed() -> None:
    """Default all; none where the list is empty."""
    for names, holds in ((None, False), ([], True), (["a"], True), (["b"], False)):
        world = World(
            a_rollout(
                metrics=[a_metric("a"), a_metric("b")],
                gates=[a_gate("a"), a_gate("b")],
                hold={} if names is None else {"gates": names},
                steps=steps_of(10, 100),
            ),
            metrics={"a": steady(0.0), "b": steady(0.9)},
        )
        world.settle()
        assert (world.percent == 100) is holds
