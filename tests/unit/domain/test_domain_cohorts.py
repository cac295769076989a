"""Cohorts: off until a percentage, a checkpoint or a gate; and what a rollback or an edit does."""

from datetime import datetime
from typing import Any

import pytest

from surefoot.domain.facts.snapshot import ConfigMap
from surefoot.domain.flag.config_map import adoption
from surefoot.domain.flag.formats.flagd import FLAGD_KEY, flagd_document
from tests.contract.manifests import example
from tests.support.flagd import evaluator, is_in
from tests.support.world import (
    START,
    World,
    a_checkpoint,
    a_gate,
    a_metric,
    a_rollout,
    from_time,
    hours,
    minutes,
    steady,
    steps_of,
)

TARGET = {"configMapName": "m", "flags": ["f"], "format": "Flagd", "bucketingKey": "accountId"}
RISKY = {"level": "High", "reason": "real money"}


def a_cohort(name: str = "payments", from_: int = 50, **changes: Any) -> dict[str, Any]:
    """A cohort of the workload of its own name."""
    match = {"attribute": "workload", "in": [name]}
    return {"name": name, "match": match, "from": from_} | changes


def a_world(*cohorts: dict[str, Any], **spec: Any) -> World:
    """A rollout with cohorts, an hour at each step."""
    plan: dict[str, Any] = {"target": TARGET, "hold": {"soak": "1h"}, "cohorts": list(cohorts)}
    return World(a_rollout(**plan | spec))


def excluded(world: World, *names: str) -> set[str]:
    """Which of the workloads are off altogether, as the SDK decides for somebody who is in."""
    assert world.config_map is not None
    assert world.percent is not None
    core = evaluator(world.config_map.data[FLAGD_KEY])
    without = evaluator(flagd_document(["f"], world.percent, "accountId"))
    somebody = next(
        key
        for key in (f"account-{number}" for number in range(1000))
        if is_in(without, "f", accountId=key)
    )
    return {name for name in names if not is_in(core, "f", accountId=somebody, workload=name)}


def stands(world: World, name: str = "payments") -> tuple[bool, str]:
    """Whether the status says that a cohort is in, and why."""
    (found,) = [cohort for cohort in world.status.cohorts if cohort.name == name]
    return found.included, found.reason


def recorded(world: World) -> list[tuple[int, list[str]]]:
    """By history entry: the percentage, and the cohorts that it left in."""
    return [
        (entry.to, [cohort.name for cohort in entry.evidence.cohorts or () if cohort.included])
        for entry in world.status.history
    ]


def test_cohort_comes_in_at_its_percentage() -> None:
    """Off below it; the history says who was in from which transition on."""
    world = a_world(a_cohort(), a_cohort("search", 10))
    world.settle()
    assert excluded(world, "payments", "search", "other") == {"payments"}
    assert (stands(world), stands(world, "search")) == ((False, "BelowFrom"), (True, "CameIn"))
    world.run_until(25, hours(2))
    assert excluded(world, "payments", "search", "other") == {"payments"}
    world.run_until(50, hours(2))
    assert excluded(world, "payments", "search", "other") == set()
    assert stands(world) == (True, "CameIn")
    assert recorded(world) == [(10, ["search"]), (25, ["search"]), (50, ["payments", "search"])]


def test_document_stays_as_it_is_between_transitions() -> None:
    """Passing time, and passing gates, change nobody's answer."""
    world = gated(START + minutes(20), soak="2h")
    world.settle()
    assert world.config_map is not None
    before = world.config_map.resource_version
    world.run(hours(1))
    assert world.config_map.resource_version == before
    assert stands(world) == (False, "AwaitsGate")
    assert excluded(world, "payments") == {"payments"}


def gated(warm_at: datetime, *, soak: str = "1h", from_: int = 10) -> World:
    """A cohort that waits for a gate which the last step alone needs."""
    rollout = a_rollout(
        target=TARGET,
        cohorts=[a_cohort(from_=from_, untilGate="warm")],
        metrics=[a_metric("warm")],
        gates=[a_gate("warm")],
        hold={"soak": soak, "gates": []},
        steps=[*steps_of(10, 25), {"percent": 50, "hold": {"gates": ["warm"]}}, {"percent": 100}],
    )
    return World(rollout, metrics={"warm": from_time(warm_at, 1.0, 0.0)})


def test_cohort_comes_in_with_the_step_at_which_its_gate_holds() -> None:
    """And its window is in the evidence, though the step itself did not need it."""
    world = gated(START + minutes(90))
    world.run_until(25, hours(2))
    assert (stands(world), excluded(world, "payments")) == ((False, "AwaitsGate"), {"payments"})
    world.run_until(50, hours(2))
    assert (stands(world), excluded(world, "payments")) == ((True, "CameIn"), set())
    evidence = world.status.history[-1].evidence
    assert [(window.used_by, window.last) for window in evidence.windows] == [("gate warm", "0")]


def test_cohort_that_came_in_stays_in_when_its_gate_fails_later() -> None:
    """Anyone who was in stays in, until a rollback."""
    world = gated(START)
    world.run_until(25, hours(2))
    assert stands(world) == (True, "CameIn")
    world.metrics["warm"] = steady(1.0)
    world.run_until(50, hours(2))
    assert (stands(world), excluded(world, "payments")) == ((True, "CameIn"), set())


def test_gate_without_data_lets_nobody_in() -> None:
    """No data never passes."""
    world = gated(START)
    world.metrics["warm"] = steady(None)
    world.run_until(50, hours(3))
    assert (stands(world), excluded(world, "payments")) == ((False, "AwaitsGate"), {"payments"})


def test_gate_that_has_nothing_to_compare_with_yet_lets_nobody_in() -> None:
    """At the step that records the first baseline it is not required, which is not measured."""
    world = a_world(
        a_cohort(from_=10, untilGate="cost"),
        metrics=[a_metric("cost")],
        gates=[a_gate("cost", atMost="200%", relativeTo="Baseline")],
        hold={"soak": "1h"},
        steps=steps_of(10, 25, 50, 100, first={"baseline": "30m"}),
    )
    world.metrics["cost"] = steady(1.0)
    world.run_until(25, hours(2))
    assert (stands(world), excluded(world, "payments")) == ((False, "AwaitsGate"), {"payments"})
    world.run_until(50, hours(2))
    assert (stands(world), excluded(world, "payments")) == ((True, "CameIn"), set())


def test_gate_that_holds_does_not_let_in_below_the_percentage() -> None:
    """Both are needed."""
    world = gated(START, from_=50)
    world.run_until(25, hours(2))
    assert stands(world) == (False, "BelowFrom")
    world.run_until(50, hours(2))
    assert stands(world) == (True, "CameIn")


def checkpointed(from_: int) -> World:
    """A cohort that waits for a report at 10%."""
    return a_world(
        a_cohort(from_=from_, untilCheckpoint="cache-warm"),
        steps=steps_of(
            10, 25, 50, 100, first={"checkpoints": [a_checkpoint("cache-warm", "atlas")]}
        ),
    )


def test_cohort_comes_in_with_the_step_after_its_checkpoint() -> None:
    """The GO alone changes nothing: who is in changes with a transition."""
    world = checkpointed(10)
    world.run(hours(2))
    assert stands(world) == (False, "AwaitsCheckpoint")
    world.sign("memory-sync-10-cache-warm", "atlas")
    plan = world.decide()
    assert plan.moves_the_flag
    assert excluded(world, "payments") == {"payments"}
    world.settle()
    assert (world.percent, stands(world), excluded(world, "payments")) == (
        25,
        (True, "CameIn"),
        set(),
    )


def test_go_of_an_earlier_step_is_remembered_until_the_percentage_is_reached() -> None:
    """The report is asked for at 10%, the cohort comes in from 50%."""
    world = checkpointed(50)
    world.settle()
    world.sign("memory-sync-10-cache-warm", "atlas")
    world.run_until(25, hours(2))
    assert stands(world) == (False, "BelowFrom")
    world.run_until(50, hours(2))
    assert (stands(world), excluded(world, "payments")) == ((True, "CameIn"), set())


def test_rollback_puts_out_again_who_came_in_above_it() -> None:
    """Below 50 it is off as it was; nothing is measured or asked for that."""
    world = a_world(a_cohort(), a_cohort("search", 25))
    world.run_until(50, hours(3))
    world.edit(rollback={"to": 25})
    world.settle()
    assert (world.percent, excluded(world, "payments", "search")) == (25, {"payments"})
    assert recorded(world)[-1] == (25, ["search"])
    assert (stands(world), stands(world, "search")) == ((False, "BelowFrom"), (True, "CameIn"))


def test_rollback_keeps_in_who_came_in_below_it() -> None:
    """With a gate that holds no longer, too."""
    world = gated(START)
    world.run_until(50, hours(3))
    world.metrics["warm"] = steady(1.0)
    world.edit(rollback={"to": 25})
    world.settle()
    assert (world.percent, excluded(world, "payments")) == (25, set())


def test_checkpoint_below_the_rollback_counts_and_above_it_is_asked_again() -> None:
    """The GO at 10% let it in at 25%; back at 10%, it waits for a new one."""
    world = checkpointed(10)
    world.settle()
    world.sign("memory-sync-10-cache-warm", "atlas")
    world.run_until(50, hours(3))
    world.edit(rollback={"to": 25})
    world.settle()
    assert stands(world) == (True, "CameIn")
    world.edit(rollback={"to": 10})
    world.settle()
    assert stands(world) == (False, "AwaitsCheckpoint")
    world.edit(rollback=None, attempt=1)
    world.run(hours(2))
    assert (world.percent, stands(world)) == (10, (False, "AwaitsCheckpoint"))
    world.sign("memory-sync-10-cache-warm-r2", "atlas")
    world.settle()
    assert (world.percent, stands(world)) == (25, (True, "CameIn"))


def test_rollback_under_an_invalid_plan_writes_what_was_recorded() -> None:
    """Neither late nor other: it lets nobody in whom the plan of the last step kept off."""
    world = a_world(a_cohort())
    world.run_until(25, hours(2))
    world.edit(cohorts=[a_cohort(from_=33)], rollback={"to": 10})
    world.settle()
    assert world.status.phase == "Invalid"
    assert (world.percent, excluded(world, "payments")) == (10, {"payments"})


def test_drift_is_restored_to_the_recorded_cohorts() -> None:
    """Whatever the plan says meanwhile."""
    world = a_world(a_cohort())
    world.settle()
    world.edit(cohorts=[a_cohort("search")])
    world.settle()
    world.tamper(**{FLAGD_KEY: flagd_document(["f"], 10, "accountId")})
    world.settle()
    assert excluded(world, "payments", "search") == {"payments"}
    assert world.history()[-1] == ("DriftCorrected", 10)


def test_changed_cohorts_take_effect_with_the_next_step() -> None:
    """An edit moves nobody; the soak starts again, since it was of other people."""
    world = a_world(a_cohort())
    world.run(minutes(30))
    world.edit(cohorts=[a_cohort("search")])
    world.settle()
    assert world.status.history[-1].message == (
        "cohorts changed: approvals are void, the soak starts again"
    )
    assert excluded(world, "payments", "search") == {"payments"}
    assert {cohort.name: (cohort.included, cohort.reason) for cohort in world.status.cohorts} == {
        "search": (True, "AwaitsNextStep"),
        "payments": (False, "Removed"),
    }
    world.run_until(25, hours(2))
    assert excluded(world, "payments", "search") == {"search"}
    assert [cohort.name for cohort in world.status.cohorts] == ["search"]


def test_cohort_with_other_members_has_to_wait_again() -> None:
    """What was reached was reached for others."""
    world = checkpointed(10)
    world.settle()
    world.sign("memory-sync-10-cache-warm", "atlas")
    world.run_until(25, hours(2))
    wider = {"attribute": "workload", "in": ["payments", "search"]}
    world.edit(cohorts=[a_cohort(from_=10, untilCheckpoint="cache-warm", match=wider)])
    world.settle()
    assert (stands(world), excluded(world, "payments", "search")) == (
        (True, "AwaitsNextStep"),
        set(),
    )
    world.run_until(50, hours(2))
    assert (stands(world), excluded(world, "payments", "search")) == (
        (False, "AwaitsCheckpoint"),
        {"payments", "search"},
    )


def test_recorded_advance_writes_the_cohorts_it_was_decided_with() -> None:
    """Died after the intent: what holds when it is found does not count for them."""
    world = gated(START)
    world.settle()
    world.run(minutes(59))
    world.now += minutes(1)
    world.settle_until_crash(after=world.transition_writes + 1)
    assert world.status.pending is not None
    world.metrics["warm"] = steady(1.0)
    world.settle()
    assert (world.percent, excluded(world, "payments")) == (25, set())


def test_document_is_adopted_with_the_cohorts_of_the_plan() -> None:
    """Without them it would let in members whom the plan keeps off, and is refused."""
    rollout = a_rollout(target=TARGET, cohorts=[a_cohort()])
    for percent, matches, adopted in (
        (10, (), None),
        (10, (rollout.spec.cohorts[0].match,), 10),
        (50, (), 50),
    ):
        document = flagd_document(["f"], percent, "accountId", matches)
        found = ConfigMap("m", "u", "5", {"f": str(percent), FLAGD_KEY: document})
        assert adoption(found, rollout).percent == adopted


# What is said of them.


def test_status_names_the_risk_and_what_is_waited_for() -> None:
    """Before the start, while it is off, and when it is in."""
    world = a_world(a_cohort(risk=RISKY), paused=True)
    world.settle()
    (before,) = world.status.cohorts
    world.edit(paused=None)
    world.settle()
    (off,) = world.status.cohorts
    world.run_until(50, hours(3))
    (on,) = world.status.cohorts
    assert (before.reason, before.message) == ("NotStarted", "comes in from 50%")
    assert (off.included, off.from_, off.message) == (False, 50, "comes in from 50%")
    assert (on.included, on.message) == (True, "takes part since 50%")
    for cohort in (before, off, on):
        assert cohort.risk is not None
        assert (cohort.risk.level, cohort.risk.reason) == ("High", "real money")


def test_what_is_waited_for_is_named() -> None:
    """The checkpoint and the gate, by name."""
    world = checkpointed(10)
    world.settle()
    other = gated(START + hours(9))
    other.settle()
    assert [cohort.message for cohort in (*world.status.cohorts, *other.status.cohorts)] == [
        "comes in from 10%, once checkpoint cache-warm is GO",
        "comes in from 10%, with a step at which gate warm holds",
    ]


def balanced(**shares: float | None) -> World:
    """Cohorts of these shares of the work."""
    world = a_world(
        *(a_cohort(name, 10, metric=name) for name in shares),
        metrics=[a_metric(name) for name in shares],
    )
    world.metrics |= {name: steady(share) for name, share in shares.items()}
    world.run(minutes(1))
    return world


def test_balance_names_the_largest_and_the_smallest_share() -> None:
    """And how many times the one is the other."""
    world = balanced(data=0.31, infrastructure=0.155, legal=0.2)
    assert [(cohort.name, cohort.share) for cohort in world.status.cohorts] == [
        ("data", "0.31"),
        ("infrastructure", "0.155"),
        ("legal", "0.2"),
    ]
    assert world.status.balance is not None
    assert world.status.balance.to_wire() == {
        "largest": {"name": "data", "share": "0.31"},
        "smallest": {"name": "infrastructure", "share": "0.155"},
        "ratio": "2",
        "unknown": [],
    }


def test_share_that_is_not_measured_is_unknown_and_holds_nothing() -> None:
    """It is said to be unknown, never guessed; steps are taken without it."""
    world = balanced(data=0.3, legal=None)
    legal = world.status.cohorts[1]
    assert (legal.share, legal.share_unknown) == (None, "legal: no value at the newest point")
    assert world.status.balance is not None
    assert world.status.balance.to_wire() == {
        "largest": {"name": "data", "share": "0.3"},
        "smallest": {"name": "data", "share": "0.3"},
        "ratio": "1",
        "unknown": ["legal"],
    }
    world.run_until(100, hours(4))


def test_smallest_share_of_nothing_has_no_ratio() -> None:
    """Nothing is so many times 0."""
    balance = balanced(data=0.3, legal=0.0).status.balance
    assert balance is not None
    assert (balance.smallest, balance.ratio) == (
        balance.smallest and balance.smallest.model_copy(update={"share": "0"}),
        None,
    )


def test_cohorts_without_metrics_have_no_balance() -> None:
    """Nothing was asked for."""
    world = a_world(a_cohort())
    world.settle()
    (cohort,) = world.status.cohorts
    assert (world.status.balance, cohort.share, cohort.share_unknown) == (None, None, None)


def test_changing_shares_alone_write_no_status() -> None:
    """Values change with every evaluation."""
    world = balanced(data=0.3)
    writes = world.status_writes
    world.metrics["data"] = steady(0.4)
    world.run(minutes(5))
    assert world.status_writes == writes


# What is wrong with a plan.

INVALID: list[tuple[str, str, dict[str, Any]]] = [
    (
        "CohortsNeedAttributes",
        "cohorts (payments) are told apart by an attribute, and the format Percentage has none",
        {"target": {"configMapName": "m", "flags": ["f"]}, "cohorts": [a_cohort()]},
    ),
    (
        "CohortFromNotAStep",
        "cohort payments comes in from 33%, which is no step of the plan; name 0 or one of 10, 25",
        {"cohorts": [a_cohort(from_=33)]},
    ),
    (
        "CohortOfEverybody",
        "cohort payments names no values of workload",
        {"cohorts": [a_cohort(match={"attribute": "workload"})]},
    ),
    (
        "CohortOfNobody",
        "cohort payments takes out with notIn every value of workload",
        {"cohorts": [a_cohort(match={"attribute": "workload", "in": ["a"], "notIn": ["a"]})]},
    ),
    (
        "UnknownCheckpoint",
        "cohort payments waits for the checkpoint x, which no step below 100% has",
        {"cohorts": [a_cohort(untilCheckpoint="x")]},
    ),
    (
        "UnknownCheckpoint",
        "there are: none",
        {
            "cohorts": [a_cohort(untilCheckpoint="end")],
            "steps": [
                *steps_of(10, 50),
                {"percent": 100, "hold": {"checkpoints": [a_checkpoint("end", "atlas")]}},
            ],
        },
    ),
    (
        "UnknownGate",
        "cohort payments waits for the gate x, which the plan does not define; defined: none",
        {"cohorts": [a_cohort(untilGate="x")]},
    ),
    (
        "GateNotAskedFor",
        "might never come in; add it to hold.gates of 50%",
        {
            "cohorts": [a_cohort(untilGate="errors")],
            "metrics": [a_metric()],
            "gates": [a_gate()],
            "hold": {"gates": []},
        },
    ),
    (
        "GateNotAskedFor",
        "add it to a step below 100%",
        {
            "cohorts": [a_cohort(from_=100, untilGate="errors")],
            "metrics": [a_metric()],
            "gates": [a_gate()],
            "steps": steps_of(100),
        },
    ),
    (
        "UnknownMetric",
        "cohort payments uses the metric x, which the plan does not define; defined: none",
        {"cohorts": [a_cohort(metric="x")]},
    ),
    (
        "CohortsOverlap",
        "cohorts payments and money are the same people; remove one of them",
        {"cohorts": [a_cohort(), a_cohort("money") | {"match": a_cohort()["match"]}]},
    ),
    (
        "CohortsOverlap",
        "payments of workload is in cohort payments and in money, and would be off while one",
        {
            "cohorts": [
                a_cohort(),
                a_cohort("money", match={"attribute": "workload", "in": ["payments", "funds"]}),
            ]
        },
    ),
    (
        "CohortsTooLarge",
        "bytes, at most 16384 fit",
        {"cohorts": [a_cohort(match={"attribute": "w", "in": [f"{n:0256}" for n in range(64)]})]},
    ),
]


@pytest.mark.parametrize(("reason", "said", "spec"), INVALID)
def test_cohort_that_could_not_work_is_refused(
    reason: str, said: str, spec: dict[str, Any]
) -> None:
    """With the cohort's name, what was found, and what to do."""
    world = World(a_rollout(**{"target": TARGET} | spec), metrics={"errors": steady(0.0)})
    world.settle()
    assert (world.percent, world.blockers()) == (None, [("PlanValid", reason)])
    assert said in world.status.blocked_by[0].message


def test_those_who_are_not_named_may_be_in_several_cohorts() -> None:
    """Off while one of them is: everything but batch from 25%, and payments from 50%."""
    world = a_world(
        a_cohort("most", 25, match={"attribute": "workload", "notIn": ["batch"]}), a_cohort()
    )
    world.settle()
    assert excluded(world, "payments", "search", "batch") == {"payments", "search"}
    world.run_until(25, hours(2))
    assert excluded(world, "payments", "search", "batch") == {"payments"}


def test_at_100_percent_every_cohort_of_a_valid_plan_is_in() -> None:
    """A gate that is waited for is needed by the last step, and a checkpoint by one before it."""
    world = gated(START + hours(4))
    world.run_until(50, hours(3))
    assert stands(world) == (False, "AwaitsGate")
    world.run_until(100, hours(2))
    assert (stands(world), excluded(world, "payments")) == ((True, "CameIn"), set())
    assert world.now >= START + hours(4)


def test_example_is_a_valid_plan() -> None:
    """Three cohorts are off at the start, each for a reason of its own; two shares are reported."""
    spec = example("cohorts")["spec"]
    world = World(a_rollout(**spec), metrics={"data-share": steady(0.4)})
    world.settle()
    assert world.percent == 10
    assert {cohort.name: cohort.reason for cohort in world.status.cohorts} == {
        "data": "CameIn",
        "financial": "BelowFrom",
        "external-api": "BelowFrom",
        "database-writers": "BelowFrom",
    }
    assert world.status.balance is not None
    assert world.status.balance.unknown == ("financial",)
