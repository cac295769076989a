"""What is wrong with a plan: each with a clear message, and the percentage unmoved."""

from typing import Any

import pytest

from surefoot.api.v1alpha1.rollout import RolloutSpec
from surefoot.domain.checks.expansion_limit import judge_expansion
from surefoot.domain.derive.trigger_faults import valid_triggers
from surefoot.domain.facts.snapshot import Claim
from tests.support.world import (
    START,
    World,
    a_checkpoint,
    a_gate,
    a_metric,
    a_role,
    a_rollout,
    a_spec,
    a_trigger,
    minutes,
    steady,
    steps_of,
)


def judged(**spec: Any) -> World:
    """A rollout that was looked at once, with a metric that is always 0."""
    world = World(a_rollout(**spec), metrics={"errors": steady(0.0)})
    world.settle()
    return world


NOT_BUILT: list[tuple[str, dict[str, Any]]] = [
    (
        "target.format GoFeatureFlag",
        {"target": {"configMapName": "x", "flags": ["f"], "format": "GoFeatureFlag"}},
    ),
    (
        "target.format FeatureFlag",
        {"target": {"configMapName": "x", "flags": ["f"], "format": "FeatureFlag"}},
    ),
    ("delivery", {"delivery": {"metric": "errors", "within": "5m"}}),
]


@pytest.mark.parametrize(("what", "spec"), NOT_BUILT)
def test_field_that_is_not_built_is_refused_and_never_ignored(
    what: str, spec: dict[str, Any]
) -> None:
    """`PlanValid=False`, `NotSupported`, with the field's name."""
    world = judged(metrics=[a_metric()], **spec)
    assert (world.percent, world.blockers()) == (None, [("PlanValid", "NotSupported")])
    assert world.status.blocked_by[0].message == (
        f"this version does not support {what} yet; remove it, or wait for a version that does"
    )


def test_baseline_that_every_step_sets_to_zero_is_not_asked_for() -> None:
    """What holds at no step needs no support."""
    steps = [{"percent": 100, "hold": {"baseline": "0s"}}]
    assert judged(steps=steps, hold={"baseline": "6h"}).percent == 100


INVALID: list[tuple[str, str, dict[str, Any]]] = [
    (
        "UnknownMetric",
        "coverage uses the metric share, which the plan does not define; defined: none",
        {"coverage": {"metric": "share"}},
    ),
    (
        "NothingToRecord",
        (
            "hold.baseline records the metrics of the plan, and it has none; add metrics, or "
            "remove hold.baseline"
        ),
        {"steps": steps_of(10, 100, first={"baseline": "6h"})},
    ),
    (
        "GroupIsRelative",
        (
            "gate g is a group, which has no bound of its own; give relativeTo to the conditions "
            "in its of"
        ),
        {
            "metrics": [a_metric()],
            "gates": [{"name": "g", "relativeTo": "Baseline", "passing": 1, "of": [a_gate()]}],
        },
    ),
    (
        "UnknownMetric",
        "gate errors uses the metric errors, which the plan does not define; defined: none",
        {"gates": [a_gate()]},
    ),
    (
        "UnknownMetric",
        "gate g uses the metric errors, which the plan does not define; defined: cost",
        {"metrics": [a_metric("cost")], "gates": [{"name": "g", "passing": 1, "of": [a_gate()]}]},
    ),
    (
        "UnknownMetric",
        "trigger t uses the metric x, which the plan does not define; defined: none",
        {"triggers": [a_trigger("t", metric="x")]},
    ),
    (
        "UnknownGate",
        "hold names the gate g, which the plan does not define; defined: none",
        {"hold": {"gates": ["g"]}},
    ),
    (
        "UnknownGate",
        "steps[10].hold names the gate g, which the plan does not define; defined: cost, errors",
        {
            "metrics": [a_metric(), a_metric("cost")],
            "gates": [a_gate(), a_gate("cost")],
            "steps": steps_of(10, 100, first={"gates": ["g"]}),
        },
    ),
    (
        "UnknownProvider",
        (
            "metric errors names the provider other, which is not configured for this namespace; "
            "configured: default"
        ),
        {"metrics": [a_metric(provider="other")]},
    ),
    (
        "TriggerTargetNotAStep",
        "trigger errors goes to 33%, which is no step of the plan; name 0 or one of 10, 100",
        {"metrics": [a_metric()], "triggers": [a_trigger(to=33)], "steps": steps_of(10, 100)},
    ),
    (
        "DuplicateCheckpoint",
        "checkpoint c is at 10% and again at 100%; names must be unique in the plan",
        {
            "steps": [
                {"percent": 10, "hold": {"checkpoints": [a_checkpoint("c", "a")]}},
                {"percent": 100, "hold": {"checkpoints": [a_checkpoint("c", "a")]}},
            ]
        },
    ),
    (
        "UnknownCheckpoint",
        "checkpoint c follows d, which is no checkpoint of 10% or an earlier step",
        {
            "steps": [
                {"percent": 10, "hold": {"checkpoints": [a_checkpoint("c", "a", after=["d"])]}},
                {"percent": 100, "hold": {"checkpoints": [a_checkpoint("d", "a")]}},
            ]
        },
    ),
    (
        "CheckpointCycle",
        "checkpoints wait for each other: a after b after c after a; remove one `after`",
        {
            "steps": steps_of(
                10,
                100,
                first={
                    "checkpoints": [
                        a_checkpoint("x", "p", after=["a"]),
                        a_checkpoint("a", "p", after=["b"]),
                        a_checkpoint("b", "p", after=["c"]),
                        a_checkpoint("c", "p", after=["a"]),
                    ]
                },
            )
        },
    ),
    (
        "CheckpointCycle",
        "checkpoints wait for each other: a after a; remove one `after`",
        {"steps": steps_of(10, 100, first={"checkpoints": [a_checkpoint("a", "p", after=["a"])]})},
    ),
]


@pytest.mark.parametrize(("reason", "message", "spec"), INVALID)
def test_invalid_plan_says_what_was_found_and_what_is_expected(
    reason: str, message: str, spec: dict[str, Any]
) -> None:
    """And nothing starts."""
    world = judged(**spec)
    assert (world.percent, world.status.phase) == (None, "Invalid")
    assert [(b.condition, b.reason, b.message) for b in world.status.blocked_by] == [
        ("PlanValid", reason, message)
    ]


def test_query_that_does_not_parse_is_said_with_the_parsers_words() -> None:
    """Before anybody asks a provider."""
    world = World(a_rollout(metrics=[a_metric()]), faults={"errors": 'unexpected "}"'}, metrics={})
    world.settle()
    assert (world.blockers(), world.status.blocked_by[0].message) == (
        [("PlanValid", "InvalidQuery")],
        'metric errors: unexpected "}"',
    )


def test_every_fault_is_an_entry_of_its_own() -> None:
    """So that nobody mends them one apply at a time."""
    delivery = {"metric": "errors", "within": "5m"}
    triggers = [a_trigger("t", metric="x", to=33)]
    world = judged(gates=[a_gate()], delivery=delivery, triggers=triggers)
    assert [reason for _, reason in world.blockers()] == [
        "NotSupported",
        "UnknownMetric",
        "TriggerTargetNotAStep",
        "UnknownMetric",
    ]


def test_chain_without_a_cycle_is_valid() -> None:
    """A diamond is none."""
    world = judged(
        steps=steps_of(
            10,
            100,
            first={
                "checkpoints": [
                    a_checkpoint("d", "p", after=["b", "c"]),
                    a_checkpoint("c", "p", after=["a"]),
                    a_checkpoint("b", "p", after=["a"]),
                    a_checkpoint("a", "p"),
                ]
            },
        )
    )
    assert world.condition("PlanValid") == ("True", "Valid")


@pytest.mark.parametrize(
    ("percents", "limits", "message"),
    [
        (
            (10, 31, 100),
            None,
            (
                "step too large: 10% → 31% is 3.1 times as much, "
                "more than limits.maxExpansionFactor 3; "
                "add a step between, or raise the limit; "
                "step too large: 31% → 100% is 3.2 times as much, "
                "more than limits.maxExpansionFactor 3; "
                "add a step between, or raise the limit"
            ),
        ),
        (
            (10, 21, 40, 70, 100),
            {"maxExpansionFactor": 2},
            (
                "step too large: 10% → 21% is 2.1 times as much, "
                "more than limits.maxExpansionFactor 2; "
                "add a step between, or raise the limit"
            ),
        ),
    ],
)
def test_expansion_beyond_the_limit_is_judged_at_first_sight(
    percents: tuple[int, ...], limits: dict[str, Any] | None, message: str
) -> None:
    """Over all steps, before anything starts."""
    world = judged(steps=steps_of(*percents), limits=limits)
    assert (world.percent, world.condition("WithinExpansionLimit")) == (
        None,
        ("False", "ExpansionTooLarge"),
    )
    assert world.message("WithinExpansionLimit") == message


@pytest.mark.parametrize(
    ("percents", "limits"),
    [
        ((10, 30, 90, 100), None),
        ((0, 90, 100), None),
        ((90, 99, 100), {"maxExpansionFactor": "1.1"}),
        ((70, 77, 80, 88, 90, 99, 100), {"maxExpansionFactor": "110%"}),
        ((1, 100), {"maxExpansionFactor": 100}),
    ],
)
def test_expansion_at_the_limit_is_within_it(
    percents: tuple[int, ...], limits: dict[str, Any] | None
) -> None:
    """From 0 any percentage is, and a factor is not inexact."""
    assert judged(steps=steps_of(*percents), limits=limits).percent == 100


def test_exact_factor_is_never_too_large() -> None:
    """For every factor with two decimals that hits a whole percentage."""
    for low in range(1, 100):
        for hundredths in range(101, 400):
            high, rest = divmod(low * hundredths, 100)
            if rest == 0 and low < high < 100:
                limits = {"maxExpansionFactor": f"{hundredths}%"}
                spec = RolloutSpec.model_validate(
                    a_spec(steps=steps_of(low, high, 100), limits=limits)
                )
                assert f"{low}% to {high}%" not in judge_expansion(spec).message


def claim(name: str, *, older: bool, started: bool, uid: str = "zzz") -> Claim:
    """Another Rollout on the same ConfigMap."""
    return Claim(name, uid, START - minutes(5) if older else START + minutes(5), started)


@pytest.mark.parametrize(
    ("rival", "wins"),
    [
        (claim("b", older=True, started=False), False),
        (claim("b", older=False, started=False), True),
        (claim("b", older=False, started=True), False),
        (Claim("b", "aaa", START, started=False), False),
        (Claim("b", "zzz", START, started=False), True),
    ],
)
def test_config_map_of_two_rollouts_is_one_rollouts(rival: Claim, wins: bool) -> None:
    """Who committed Start there, then the older, then by UID."""
    world = World(a_rollout(), claims=(rival,))
    world.settle()
    assert world.percent == (100 if wins else None)
    if not wins:
        assert world.blockers() == [("PlanValid", "ConfigMapClaimed")]
        assert world.status.blocked_by[0].message == (
            "ConfigMap memory-sync-flags is moved by Rollout b; name another ConfigMap, "
            "or delete one of the two Rollouts"
        )


def test_strongest_of_several_claims_is_named() -> None:
    """The one that started, though others are older."""
    claims = (
        claim("older", older=True, started=False),
        claim("started", older=False, started=True),
    )
    world = World(a_rollout(), claims=claims)
    world.settle()
    assert "moved by Rollout started" in world.message("PlanValid")


def test_config_map_is_the_rollouts_that_started_whoever_comes_later() -> None:
    """Also where the newcomer pretends to be older."""
    world = World(a_rollout(hold={"soak": "1h"}))
    world.settle()
    world.claims = (claim("b", older=True, started=False),)
    world.run(minutes(60))
    assert world.percent == 25


def test_role_and_gate_order_and_unused_parts_are_no_fault() -> None:
    """A metric that nobody uses is not even asked."""
    world = judged(
        metrics=[a_metric(), a_metric("unused")],
        gates=[a_gate()],
        approvals={"roles": [a_role("b", "x"), a_role("a", "y")]},
    )
    assert world.condition("PlanValid") == ("True", "Valid")


@pytest.mark.parametrize("max_age", ["0s", "0d0h"])
def test_age_at_which_no_signature_counts_is_a_fault(max_age: str) -> None:
    """Else people would sign, and sign again, and the step were never taken."""
    policy = {"maxAge": max_age, "roles": [a_role("lead", "cora")]}
    world = World(a_rollout(approvals=policy))
    world.settle()
    assert {reason for _, reason in world.blockers()} == {"ApprovalNeverCounts"}
    assert f"approvals.maxAge is {max_age}, so that no GO would ever count" in world.message(
        "PlanValid"
    )


def test_age_at_which_nobody_signs_is_none() -> None:
    """Without roles nothing is signed that could be too old."""
    world = World(a_rollout(approvals={"maxAge": "0s", "roles": []}))
    world.settle()
    assert world.condition("PlanValid") == ("True", "Valid")


def test_metric_that_is_never_fresh_is_a_fault_and_its_trigger_stays_in_force() -> None:
    """No gate could open on it; a trigger on it has no data, and rolls back where it is told to."""
    world = World(
        a_rollout(metrics=[a_metric()], triggers=[a_trigger(onNoData="Rollback")]),
        metrics={"errors": steady(0.0)},
    )
    world.settle()
    world.edit(metrics=[a_metric(staleAfter="0s")])
    world.settle()
    assert ("PlanValid", "MetricNeverFresh") in world.blockers()
    assert [trigger.name for trigger in valid_triggers(world.snapshot())] == ["errors"]
