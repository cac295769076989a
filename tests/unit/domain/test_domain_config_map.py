"""The flag in its ConfigMap: how it is written, drift, adoption, foreign and late ones."""

import json
from dataclasses import replace
from typing import Any

import pytest

from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.domain.facts.snapshot import ConfigMap
from surefoot.domain.flag.config_map import is_abandoned, may_be_written, rendering_of
from surefoot.domain.plan import Restore
from tests.support.world import (
    START,
    World,
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

MARKS = {"surefoot.dev/rollout": "memory-sync", "surefoot.dev/rollout-uid": "uid-memory-sync"}


def resting(**spec: Any) -> World:
    """A rollout that stands at 10% for long."""
    world = World(a_rollout(**{"hold": {"soak": "90h"}} | spec))
    world.settle()
    return world


def a_config_map(data: dict[str, str], **changes: Any) -> ConfigMap:
    """A ConfigMap that was there before."""
    annotations = {
        f"surefoot.dev/{k.replace('_', '-')}": v for k, v in changes.pop("marks", {}).items()
    }
    return ConfigMap(
        name="memory-sync-flags",
        uid="uid-config-map",
        resource_version="5",
        data=data,
        annotations=annotations,
        **changes,
    )


def both(value: str) -> dict[str, str]:
    """Both flags at a value."""
    return {"memory-sync": value, "hybrid-rag": value}


def test_config_map_has_a_value_and_a_document_for_every_flag() -> None:
    """With labels and annotations that say whose it is."""
    world = resting()
    found = world.config_map
    assert found is not None
    identifier = world.status.history[0].transition_id
    document = (
        f'{{"percent":10,"step":0,"transitionId":"{identifier}",'
        '"since":"2025-10-23T22:00:00.000000Z"}'
    )
    assert dict(found.data) == {
        "memory-sync": "10",
        "memory-sync.json": document,
        "hybrid-rag": "10",
        "hybrid-rag.json": document,
    }
    assert found.labels == {
        "app.kubernetes.io/managed-by": "surefoot",
        "surefoot.dev/managed": "true",
    }
    assert found.annotations == MARKS | {
        "surefoot.dev/transition-id": identifier,
        "surefoot.dev/on-delete": "Keep",
        "surefoot.dev/format": "Percentage",
    }
    assert not found.goes_with("uid-memory-sync")


def test_document_at_zero_has_no_step() -> None:
    """0 lies below the first step."""
    world = resting()
    world.edit(rollback={"to": 0})
    world.settle()
    assert world.config_map is not None
    document = json.loads(world.config_map.data["memory-sync.json"])
    assert (document["percent"], "step" in document) == (0, False)


def test_drift_is_restored_and_the_manager_is_named() -> None:
    """One history entry; the ConfigMap keeps the committed id."""
    world = resting()
    before = world.config_map
    judged = world.rollout.metadata.resource_version
    world.tamper("kubectl-edit", **{"memory-sync": "100"})
    world.settle()
    assert before is not None
    assert world.config_map is not None
    assert (world.config_map.data, world.config_map.annotations) == (
        before.data,
        before.annotations,
    )
    entry = world.status.history[-1]
    assert (entry.type, entry.from_, entry.to, entry.reason) == (
        "DriftCorrected",
        10,
        10,
        "Drifted",
    )
    assert entry.message == 'kubectl-edit changed the ConfigMap: memory-sync is "100", not "10"'
    assert (entry.evidence.manager, entry.evidence.count) == ("kubectl-edit", 1)
    assert (entry.evidence.resource_version, entry.evidence.decided_at) == (judged, START)
    assert [a.reason for a in world.announcements if a.warning] == ["DriftCorrected"]
    assert world.condition("TargetInSync") == ("True", "InSync")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"data": {"memory-sync": "10"}}, "memory-sync.json is absent, not"),
        ({"labels": {}}, 'label app.kubernetes.io/managed-by is absent, not "surefoot"'),
        ({"annotations": {}}, "annotation surefoot.dev/rollout is absent"),
        ({"has_binary_data": True}, "it has binaryData"),
        ({"immutable": True}, "the ConfigMap is immutable"),
        ({"deleting": True}, "the ConfigMap is being deleted"),
    ],
)
def test_any_difference_is_drift(change: dict[str, Any], said: str) -> None:
    """Of data, labels, annotations, or of what hides later changes."""
    world = resting()
    world.change_config_map(**change)
    world.settle()
    assert world.history()[-1] == ("DriftCorrected", 10)
    assert said in world.status.history[-1].message
    assert world.config_map is not None
    assert not world.config_map.immutable


def test_foreign_key_is_drift() -> None:
    """Only what the operator wrote is there."""
    world = resting()
    world.tamper(other="1")
    world.settle()
    assert world.status.history[-1].message == (
        "kubectl-edit changed the ConfigMap: other is not the operator's"
    )
    assert world.config_map is not None
    assert "other" not in world.config_map.data


def test_missing_config_map_is_created_again() -> None:
    """Deleted mid-step."""
    world = resting()
    world.config_map = None
    world.settle()
    assert (world.percent, world.status.history[-1].message) == (10, "the ConfigMap is missing")


def test_extra_labels_and_annotations_are_nobodys_business() -> None:
    """Other tools may mark it."""
    world = resting()
    assert world.config_map is not None
    world.change_config_map(
        labels={**world.config_map.labels, "team": "x"},
        annotations={**world.config_map.annotations, "note": "y"},
    )
    world.settle()
    assert world.history() == [("Start", 10)]


def test_changed_on_delete_is_written_without_a_word() -> None:
    """It is the plan's doing, not somebody's."""
    world = resting()
    target = {"configMapName": "memory-sync-flags", "flags": ["memory-sync", "hybrid-rag"]}
    world.edit(target=target | {"onDelete": "Delete"})
    plan = world.decide()
    assert [action for action in plan.actions if isinstance(action, Restore)] == [Restore(None)]
    world.settle()
    assert world.config_map is not None
    assert world.config_map.annotations["surefoot.dev/on-delete"] == "Delete"
    assert world.config_map.goes_with("uid-memory-sync")
    world.edit(target=target)
    world.settle()
    assert not world.config_map.goes_with("uid-memory-sync")
    assert world.history() == [("Start", 10)]


def test_owner_reference_that_somebody_removed_comes_back() -> None:
    """`Delete` is an ownerReference."""
    target = {"configMapName": "m", "flags": ["f"], "onDelete": "Delete"}
    world = resting(target=target)
    world.change_config_map(owner_uids=())
    world.settle()
    assert world.config_map is not None
    assert world.config_map.owner_uids == ("uid-memory-sync",)


def test_missing_references_of_a_flag_that_stays_are_nobodys_doing() -> None:
    """As an operator of an earlier version left it, and as the garbage collector does."""
    world = resting()
    world.change_config_map(owner_uids=(), kept=False)
    plan = world.decide()
    assert not [action for action in plan.actions if isinstance(action, Restore)]


def test_flag_that_stays_and_would_go_with_its_rollout_is_written_again() -> None:
    """Its reference to the namespace is gone, and nothing else would keep it."""
    world = resting()
    world.change_config_map(kept=False)
    assert world.config_map is not None
    assert world.config_map.goes_with("uid-memory-sync")
    world.settle()
    assert not world.config_map.goes_with("uid-memory-sync")
    assert world.history() == [("Start", 10)]


def test_long_values_are_cut_in_messages() -> None:
    """And only the first differences are told."""
    world = resting()
    world.tamper(**{"memory-sync": "9" * 70, "hybrid-rag": "1", "a": "", "b": "", "c": ""})
    world.settle()
    assert world.status.history[-1].message == (
        f'kubectl-edit changed the ConfigMap: memory-sync is "{"9" * 59}…", not "10"; '
        'hybrid-rag is "1", not "10"; a is not the operator\'s; b is not the operator\'s'
    )


def fight(world: World, length: Any) -> None:
    """Somebody writes 99 every second, and the operator looks every second."""
    world.settle()
    end = world.now + length
    while world.now < end:
        world.now += seconds(1)
        world.tamper(**{"memory-sync": "99"})
        plan = world.decide()
        world.perform(plan, world.rollout)
        world.settle()


def test_storm_of_drift_is_slowed_down_and_counted() -> None:
    """After 5 restorations in a minute at most one every 10 s, one history entry, Stalled."""
    world = resting()
    writes = len(world.log)
    fight(world, seconds(65))
    restored = [
        write
        for write in world.log[writes:]
        if write.by == "operator" and write.kind == "ConfigMap"
    ]
    moments = [(write.at - START).total_seconds() for write in restored]
    assert moments == [1, 2, 3, 4, 5, 6, 16, 26, 36, 46, 56]
    assert world.history() == [("Start", 10), *[("DriftCorrected", 10)] * 5]
    assert world.condition("Stalled")[0] == "True"
    assert world.status.drift is not None
    assert (world.status.drift.count, world.status.drift.manager) == (6, "kubectl-edit")


def test_storm_that_is_over_becomes_one_entry_with_its_count() -> None:
    """Once nobody interfered for a minute."""
    world = resting()
    fight(world, seconds(36))
    world.run(seconds(50))
    assert (world.condition("Stalled")[0], world.condition("TargetInSync")[0]) == ("True", "True")
    world.run(minutes(1))
    assert world.status.drift is None
    assert world.condition("Stalled")[0] == "False"
    entry = world.status.history[-1]
    assert (len(world.status.history), entry.evidence.count, entry.message) == (
        7,
        4,
        "kubectl-edit changed the ConfigMap: restored 4 times",
    )


def test_slow_drift_is_no_storm() -> None:
    """Five a minute are told one by one."""
    world = resting()
    for _ in range(9):
        world.now += seconds(15)
        world.tamper(**{"memory-sync": "99"})
        world.settle()
    assert len(world.history()) == 10
    assert world.status.drift is None


def test_restoration_cut_short_is_finished_and_told_once() -> None:
    """Died between the history entry and the ConfigMap."""
    world = resting()
    world.tamper(**{"memory-sync": "99"})
    plan = world.decide()
    (restore,) = [action for action in plan.actions if isinstance(action, Restore)]
    assert restore.status is not None
    world._write_status(restore.status, world.rollout)
    world.skip(minutes(1))
    world.settle()
    assert (world.percent, world.history()) == (10, [("Start", 10), ("DriftCorrected", 10)])


def test_rollback_outranks_drift() -> None:
    """It writes the ConfigMap anyway."""
    world = resting()
    world.tamper(**{"memory-sync": "99"})
    world.edit(rollback={"to": 0})
    world.settle()
    assert (world.percent, world.history()) == (0, [("Start", 10), ("Rollback", 0)])


def test_drift_is_corrected_while_paused_rolled_back_and_invalid() -> None:
    """In every state."""
    world = resting(paused=None)
    world.edit(rollback={"to": 0}, paused=True, gates=[a_gate("nothing")])
    world.settle()
    world.tamper(**{"memory-sync": "99"})
    world.settle()
    assert (world.percent, world.history()[-1]) == (0, ("DriftCorrected", 0))


def test_foreign_config_map_is_refused_with_the_command_to_adopt_it() -> None:
    """And left as it is."""
    foreign = a_config_map(both("30"))
    world = World(a_rollout(), config_map=foreign)
    world.run(minutes(5))
    assert (world.config_map, world.status.phase) == (foreign, "Invalid")
    (blocker,) = world.status.blocked_by
    assert (blocker.condition, blocker.reason, blocker.command) == (
        "PlanValid",
        "ConfigMapExists",
        "kubectl annotate configmap memory-sync-flags -n agents surefoot.dev/adopt=memory-sync",
    )
    assert blocker.message.startswith(
        "ConfigMap memory-sync-flags exists and is not this Rollout's"
    )


@pytest.mark.parametrize("percent", [10, 50, 100])
def test_adoption_starts_where_the_flag_stands_and_moves_nobody(percent: int) -> None:
    """At a step's percentage."""
    world = World(
        a_rollout(hold={"soak": "1h"}),
        config_map=a_config_map(both(str(percent)), marks={"adopt": "memory-sync"}),
    )
    world.settle()
    (entry,) = world.status.history
    assert (world.percent, entry.type, entry.to, entry.reason, entry.from_) == (
        percent,
        "Start",
        percent,
        "Adopted",
        None,
    )
    assert entry.message == (
        f"ConfigMap memory-sync-flags was adopted at {percent}%; nobody was moved"
    )
    assert world.status.step == [10, 25, 50, 100].index(percent)


def test_adoption_at_zero_starts_there() -> None:
    """Then the first percentage is taken like after any Start at 0."""
    world = World(
        a_rollout(hold={"soak": "1h"}),
        config_map=a_config_map(both("0"), marks={"adopt": "memory-sync"}),
    )
    world.settle()
    assert world.history() == [("Start", 0), ("Start", 10)]
    assert world.status.history[0].step is None


def test_adopted_flag_is_held_like_any_other() -> None:
    """Its approvals are asked for the step after it."""
    world = World(
        a_rollout(approvals={"roles": [a_role("security", "h")]}),
        config_map=a_config_map(both("25"), marks={"adopt": "memory-sync"}),
    )
    world.run(hours(1))
    assert (world.percent, list(world.approvals)) == (25, ["memory-sync-50-security"])


REFUSED: list[tuple[str, str, dict[str, Any], dict[str, str]]] = [
    (
        "AdoptedPercentNotAStep",
        (
            "stands at 30%, which is no step of the plan (10, 25, 50, 100); add a step with "
            "percent 30 to adopt it without moving anybody"
        ),
        {},
        both("30"),
    ),
    (
        "AdoptedFlagsDiffer",
        'found memory-sync="10", hybrid-rag="25"',
        {},
        {"memory-sync": "10", "hybrid-rag": "25"},
    ),
    ("AdoptedFlagsDiffer", 'found memory-sync="10", hybrid-rag=absent', {}, {"memory-sync": "10"}),
    ("AdoptedFlagsDiffer", "found memory-sync=absent, hybrid-rag=absent", {}, {}),
    ("AdoptedFlagsDiffer", 'found memory-sync="true"', {}, both("true")),
    ("AdoptedFlagsDiffer", 'found memory-sync="10.5"', {}, both("10.5")),
    ("AdoptedFlagsDiffer", 'found memory-sync="101"', {}, both("101")),
    ("AdoptedFlagsDiffer", 'found memory-sync="²"', {}, both("²")),
    ("AdoptedFlagsDiffer", 'found memory-sync="٢٥"', {}, both("٢٥")),
    ("AdoptedFlagsDiffer", 'found memory-sync="0010"', {}, both("0010")),
    (
        "AdoptedForeignKeys",
        "no flags of the plan: other, zeta;",
        {},
        both("10") | {"zeta": "", "other": "1"},
    ),
    (
        "AdoptedForeignKeys",
        "no flags of the plan: binaryData;",
        {"has_binary_data": True},
        both("10"),
    ),
    (
        "AdoptedDocumentDiffers",
        'a document hybrid-rag.json that does not say "percent":10 as the flag does',
        {},
        both("10") | {"hybrid-rag.json": '{"percent":50}'},
    ),
    ("AdoptedDocumentDiffers", "hybrid-rag.json", {}, both("10") | {"hybrid-rag.json": "not json"}),
    ("AdoptedDocumentDiffers", "hybrid-rag.json", {}, both("10") | {"hybrid-rag.json": "[10]"}),
    (
        "AdoptedDocumentDiffers",
        "hybrid-rag.json",
        {},
        both("10") | {"hybrid-rag.json": '{"percent":10.0}'},
    ),
]


@pytest.mark.parametrize(("reason", "said", "changes", "data"), REFUSED)
def test_adoption_is_refused_where_it_would_move_somebody(
    reason: str, said: str, changes: dict[str, Any], data: dict[str, str]
) -> None:
    """And the ConfigMap is left as it is."""
    offered = a_config_map(data, marks={"adopt": "memory-sync"}, **changes)
    world = World(a_rollout(), config_map=offered)
    world.run(minutes(5))
    assert (world.config_map, world.blockers()) == (offered, [("PlanValid", reason)])
    assert said in world.message("PlanValid")


def test_adoption_accepts_documents_that_agree() -> None:
    """As the operator itself left them."""
    document = {"memory-sync.json": '{"percent":10}', "hybrid-rag.json": '{"percent":10,"step":0}'}
    world = World(
        a_rollout(hold={"soak": "1h"}),
        config_map=a_config_map(both("10") | document, marks={"adopt": "memory-sync"}),
    )
    world.settle()
    assert world.history() == [("Start", 10)]


def test_offer_to_another_rollout_is_no_offer() -> None:
    """It names who may adopt it."""
    world = World(a_rollout(), config_map=a_config_map(both("10"), marks={"adopt": "other"}))
    world.settle()
    assert world.blockers() == [("PlanValid", "ConfigMapExists")]


@pytest.mark.parametrize("deleting", [True, False])
def test_config_map_that_no_watch_tells_of_is_looked_at_at_every_evaluation(deleting: bool) -> None:
    """It is not managed: that it is gone, or offered, is seen where somebody looks."""
    world = World(a_rollout())
    found = ConfigMap("memory-sync-flags", "uid-cm", "7", data={"memory-sync": "10"})
    world.config_map = replace(found, deleting=deleting)
    plan = world.settle()
    assert world.condition("PlanValid")[0] == "False"
    assert plan.requeue_after <= world.interval
    world.config_map = None
    world.settle()
    assert world.history()[0] == ("Start", 10)


def test_adoption_waits_for_what_start_needs() -> None:
    """A pause holds it, too."""
    offered = a_config_map(both("25"), marks={"adopt": "memory-sync"})
    world = World(a_rollout(paused=True), config_map=offered)
    world.run(minutes(5))
    assert (world.config_map, world.status.percent) == (offered, None)


def test_config_map_is_the_rollouts_once_start_is_committed() -> None:
    """Whatever its labels say."""
    world = resting()
    world.change_config_map(labels={}, annotations={"surefoot.dev/rollout-uid": "other"}, data={})
    world.settle()
    assert world.percent == 10
    assert may_be_written(a_config_map({}), world.rollout)
    assert not may_be_written(a_config_map({}), a_rollout())
    assert may_be_written(None, a_rollout())


def test_abandoned_id_is_known_by_its_annotation() -> None:
    """Nobody applies it."""
    marked = a_config_map({}, marks={"abandoned": "abc"})
    assert is_abandoned(marked, "abc")
    assert not is_abandoned(marked, "abd")


def test_rendering_needs_a_percentage() -> None:
    """A committed transition without one cannot be."""
    world = resting()
    broken: Rollout = world.rollout.model_copy(
        update={"status": world.status.model_copy(update={"percent": None})}
    )
    assert world.status.committed is not None
    with pytest.raises(
        ValueError, match="memory-sync has a committed transition but no percentage"
    ):
        rendering_of(broken, world.status.committed)


def test_restored_flag_does_not_advance_in_the_same_pass() -> None:
    """TargetInSync must be True on the status that was just written."""
    world = World(
        a_rollout(metrics=[a_metric()], triggers=[a_trigger()], steps=steps_of(10, 100)),
        metrics={"errors": steady(None)},
    )
    world.settle()
    world.metrics["errors"] = steady(0.0)
    world.tamper(**{"memory-sync": "3"})
    world.now += seconds(30)
    plan = world.decide()
    assert [type(action) for action in plan.actions] == [Restore]
    assert plan.status.conditions[1].reason == "Drifted"
    world.settle()
    assert [entry for entry, _ in world.history()] == [
        "Start",
        "DriftCorrected",
        "Advance",
        "Complete",
    ]
