"""The ladder: Start, the steps after it, Completed."""

import itertools
from datetime import timedelta
from typing import Any

import pytest

from surefoot.domain.facts.snapshot import Admission
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
    seconds,
    steady,
    steps_of,
)


def test_rollout_that_asks_for_nothing_walks_all_steps_and_completes() -> None:
    """A section that is absent asks for nothing."""
    world = World(a_rollout())
    world.settle()
    assert world.history() == [
        ("Start", 10),
        ("Advance", 25),
        ("Advance", 50),
        ("Advance", 100),
        ("Complete", 100),
    ]
    assert world.status.phase == "Completed"


def test_first_percentage_is_taken_at_once() -> None:
    """Start asks for no hold: the first step's hold comes before leaving it."""
    world = World(a_rollout(hold={"soak": "48h"}, approvals={"roles": [a_role("security", "h")]}))
    world.settle()
    assert (world.percent, world.now) == (10, START)


def test_start_needs_no_data() -> None:
    """There is nobody yet to have any."""
    world = World(
        a_rollout(
            metrics=[a_metric()],
            gates=[a_gate()],
            triggers=[a_trigger(onNoData="Rollback", **{"for": "5m"})],
        ),
        metrics={"errors": steady(None)},
    )
    world.settle()
    assert world.percent == 10


def test_start_waits_while_a_trigger_fires() -> None:
    """No trigger may be Firing at Start, whatever it would do."""
    world = World(
        a_rollout(metrics=[a_metric()], triggers=[a_trigger(action="Degrade")]),
        metrics={"errors": lambda at: 0.9 if at < START + minutes(5) else 0.0},
    )
    world.settle()
    assert (world.percent, world.blockers()) == (None, [("TriggersQuiet", "TriggerFiring")])
    world.run(minutes(5))
    assert world.history()[0] == ("Start", 10)
    assert world.percents[0] == (START + minutes(5), 10)


@pytest.mark.parametrize(
    ("admission", "missing"),
    [
        (Admission.NOT_ENFORCED, ("AdmissionEnforced", "NotEnforced")),
        (Admission.UNKNOWN, ("AdmissionEnforced", "Unknown")),
    ],
)
def test_start_needs_admission(admission: Admission, missing: tuple[str, str]) -> None:
    """Signatures that nobody verifies are only counted where the administrator says so."""
    world = World(a_rollout(), admission=admission)
    world.settle()
    assert (world.percent, world.blockers()) == (None, [missing])


@pytest.mark.parametrize("admission", [Admission.ENFORCED, Admission.UNENFORCED])
def test_start_goes_on_with_known_admission(admission: Admission) -> None:
    """Enforced, or stated as unenforced."""
    world = World(a_rollout(), admission=admission)
    world.settle()
    assert world.percent == 100


def test_start_needs_not_paused() -> None:
    """A person's pause holds before Start too."""
    world = World(a_rollout(paused=True))
    world.settle()
    assert (world.percent, world.status.phase) == (None, "Paused")
    world.edit(paused=None)
    world.settle()
    assert world.percent == 100


def test_start_needs_the_ceiling() -> None:
    """A ceiling below the first percentage holds Start."""
    world = World(a_rollout(rollback={"to": 0, "reason": "not yet"}))
    world.settle()
    assert (world.percent, world.blockers()) == (None, [("NotRolledBack", "Ceiling")])


def test_first_step_of_zero_gates_the_start() -> None:
    """It is taken at once, and left only when its hold is satisfied."""
    world = World(
        a_rollout(steps=steps_of(0, 10, 100, first={"checkpoints": [a_checkpoint("ready", "a")]}))
    )
    world.settle()
    assert (world.percent, world.status.step) == (0, None)
    world.sign("memory-sync-0-ready", "a")
    world.settle()
    assert world.history() == [
        ("Start", 0),
        ("Advance", 10),
        ("Advance", 100),
        ("Complete", 100),
    ]


def test_common_hold_does_not_reach_the_step_of_zero() -> None:
    """`spec.hold` is the default for every step above 0."""
    world = World(a_rollout(steps=steps_of(0, 10, 100), hold={"soak": "1h"}))
    world.settle()
    assert world.percent == 10


def test_hold_overrides_the_common_one_field_by_field() -> None:
    """A step that says only `soak` keeps the other fields of `spec.hold`."""
    world = World(
        a_rollout(
            steps=steps_of(10, 100, first={"soak": "1h"}),
            hold={"soak": "5h", "checkpoints": [a_checkpoint("ready", "a")]},
        )
    )
    world.settle()
    world.sign("memory-sync-10-ready", "a")
    world.run(minutes(59))
    assert world.percent == 10
    world.run(minutes(1))
    assert world.percent == 100
    assert world.status.soak is not None
    assert world.status.soak.required == "5h0m0s"


def test_zero_in_a_step_overrides_the_common_hold() -> None:
    """`0s` is legal and says: no soak here."""
    world = World(a_rollout(steps=steps_of(10, 100, first={"soak": "0s"}), hold={"soak": "5h"}))
    world.settle()
    assert world.percent == 100
    assert world.status.phase == "Soaking"


def test_approvals_apply_to_the_advance_to_one_hundred() -> None:
    """`spec.approvals` applies to every advance after the first percentage."""
    world = World(
        a_rollout(steps=steps_of(50, 100), approvals={"roles": [a_role("security", "h")]})
    )
    world.settle()
    assert (world.percent, list(world.approvals)) == (50, ["memory-sync-100-security"])


def test_approvals_do_not_apply_to_completed_unless_the_last_hold_names_them() -> None:
    """After the approved advance to 100 nobody is asked again."""
    world = World(
        a_rollout(steps=steps_of(50, 100), approvals={"roles": [a_role("security", "h")]})
    )
    world.settle()
    world.sign("memory-sync-100-security", "h")
    world.settle()
    assert world.history() == [("Start", 50), ("Advance", 100), ("Complete", 100)]


def test_approvals_of_the_last_hold_are_asked_before_completed() -> None:
    """Their objects are named after `complete`."""
    last: list[dict[str, Any]] = [
        {"percent": 50},
        {"percent": 100, "hold": {"approvals": {"roles": [a_role("owner", "o")]}}},
    ]
    world = World(a_rollout(steps=last))
    world.settle()
    assert (world.percent, world.status.phase) == (100, "AwaitingApproval")
    request = world.approvals["memory-sync-complete-owner"].spec.request
    assert (request.from_, request.to, request.step) == (100, 100, 1)
    world.sign("memory-sync-complete-owner", "o")
    world.settle()
    assert world.history()[-1] == ("Complete", 100)
    assert world.status.history[-1].by == ("owner: o",)
    assert world.states() == {"memory-sync-complete-owner": "Used"}


def test_completion_says_who_signed_and_why() -> None:
    """And whether it is certain who it was."""
    world = World(a_rollout(steps=steps_of(100), hold={"approvals": {"roles": [a_role("o", "o")]}}))
    world.settle()
    world.sign("memory-sync-complete-o", "o")
    plans = len(world.plans)
    world.settle()
    last = world.status.history[-1]
    assert (last.type, last.by, last.reason, last.message) == (
        "Complete",
        ("o: o",),
        "AllConditionsHold",
        "o by o; names are not verified, as admission is not enforced",
    )
    assert (last.from_, last.to, last.step, last.evidence.decisions[0].role) == (100, 100, 0, "o")
    assert "completes" in [plan.summary for plan in world.plans[plans:]]


def test_completion_is_followed_at_once_by_the_record_of_what_was_used() -> None:
    """Nothing else need happen any more that would make anybody look."""
    world = World(a_rollout(steps=steps_of(100), hold={"approvals": {"roles": [a_role("o", "o")]}}))
    world.settle()
    world.sign("memory-sync-complete-o", "o")
    plan = world.decide()
    assert (plan.summary, plan.requeue_after) == ("completes", timedelta(0))
    world.perform(plan, world.rollout)
    assert "RecordRequest" in {type(action).__name__ for action in world.decide().actions}


def test_completion_that_asked_for_nothing_says_so() -> None:
    """By the operator itself."""
    world = World(a_rollout(steps=steps_of(100)))
    world.settle()
    last = world.status.history[-1]
    assert (last.by, last.message) == (("surefoot",), "every condition holds")


def test_approvals_of_the_common_hold_reach_completed_too() -> None:
    """The last hold names them through `spec.hold`."""
    world = World(a_rollout(steps=steps_of(100), hold={"approvals": {"roles": [a_role("o", "o")]}}))
    world.settle()
    assert list(world.approvals) == ["memory-sync-complete-o"]


def test_empty_approvals_of_a_step_replace_the_common_ones_as_a_whole() -> None:
    """`approvals: {roles: []}` asks nobody at this step."""
    world = World(
        a_rollout(
            steps=steps_of(10, 100, first={"approvals": {"roles": []}}),
            approvals={"roles": [a_role("security", "h")]},
        )
    )
    world.settle()
    assert world.percent == 100


def test_last_hold_is_the_watch_period_before_completed() -> None:
    """At 100% it soaks before it is Completed."""
    world = World(a_rollout(steps=steps_of(100), hold={"soak": "1h"}))
    world.run(minutes(59.5))
    assert (world.percent, world.status.phase) == (100, "Soaking")
    world.run(minutes(0.5))
    assert world.status.phase == "Completed"


def test_complete_is_one_status_write_and_the_config_map_keeps_its_id() -> None:
    """The flag already stands at 100%."""
    world = World(a_rollout(steps=steps_of(100), hold={"soak": "1h"}))
    world.run(minutes(59.5))
    before = world.config_map
    world.run(minutes(0.5))
    assert world.config_map == before
    assert world.status.history[-1].transition_id != world.status.history[0].transition_id


def test_completed_stays_completed_whatever_metrics_say() -> None:
    """Triggers end with Complete, and nothing is asked of a provider any more."""
    world = World(
        a_rollout(metrics=[a_metric()], triggers=[a_trigger(onNoData="Rollback")]),
        metrics={"errors": lambda at: 0.0 if at <= START + minutes(20) else 0.9},
    )
    world.run(minutes(20))
    assert world.status.phase == "Completed"
    world.run(hours(1))
    assert (world.percent, world.status.phase, world.status.triggers) == (100, "Completed", ())
    assert world.condition("TriggersQuiet") == ("True", "NotRequired")


def test_rollback_request_stays_in_force_after_completed() -> None:
    """So does drift correction."""
    world = World(a_rollout())
    world.settle()
    world.tamper(**{"memory-sync": "3"})
    world.settle()
    assert world.percent == 100
    world.edit(rollback={"to": 25, "reason": "late report"})
    world.settle()
    assert (world.percent, world.status.phase) == (25, "RolledBack")
    assert world.status.completed_at is None


def test_attempt_raised_after_completed_is_noted_and_starts_nothing() -> None:
    """There is nothing to try again; only a later rise is a Retry after a later rollback."""
    world = World(a_rollout())
    world.settle()
    entries = world.history()
    world.edit(attempt=3)
    world.settle()
    assert (world.history(), world.status.attempt, world.status.phase) == (entries, 3, "Completed")
    world.edit(rollback={"to": 25, "reason": "late report"})
    world.settle()
    world.edit(rollback=None)
    world.settle()
    assert (world.percent, world.status.phase) == (25, "RolledBack")


def test_deletion_applies_nothing() -> None:
    """After the Rollout's deletion nothing is applied, recorded or asked."""
    world = World(a_rollout(hold={"soak": "1h"}))
    world.settle()
    gone = world.rollout.metadata.model_copy(update={"deletion_timestamp": world.now})
    world.rollout = world.rollout.model_copy(update={"metadata": gone})
    world.now += hours(2)
    plan = world.decide()
    assert (plan.actions, plan.announcements, plan.status) == ((), (), world.status)
    assert "being deleted" in plan.summary


def test_step_is_taken_at_the_very_moment_that_a_clock_ends() -> None:
    """The plan says when to look again: no evaluation has to come by."""
    world = World(a_rollout(steps=steps_of(10, 100, first={"soak": "90s"})))
    plan = world.settle()
    world.now += plan.requeue_after
    while world.percent == 10:
        world.now += world.settle().requeue_after
    assert world.percents[-1] == (START + seconds(90), 100)


def test_advances_within_two_intervals_of_its_gates_holding() -> None:
    """L1, with an off-grid commit and a metric."""
    world = World(
        a_rollout(metrics=[a_metric()], gates=[a_gate()], triggers=[a_trigger()]),
        now=START + seconds(7),
        metrics={"errors": steady(0.0)},
    )
    world.settle()
    for percent in (25, 50, 100):
        assert world.run_until(percent, minutes(10)) <= timedelta(seconds=60)


def test_soak_over_the_whole_plan_takes_no_less_than_the_sum() -> None:
    """Three steps of an hour."""
    world = World(
        a_rollout(steps=steps_of(10, 50, 100), hold={"soak": "1h"}), now=START + seconds(7.3)
    )
    world.run(hours(3) + seconds(60))
    moments = [moment for moment, _ in world.percents]
    assert [percent for _, percent in world.percents] == [10, 50, 100]
    assert all(b - a >= hours(1) for a, b in itertools.pairwise(moments))
    assert world.status.phase == "Completed"
