"""`dependsOn`: one rollout waits for another."""

from dataclasses import replace
from typing import Any

import pytest

from surefoot.domain.facts.upstreams import RolloutName, Upstream, upstream_of
from tests.support.world import World, a_metric, a_rollout, a_trigger, hours, minutes, steps_of

SCHEMA = RolloutName("agents", "schema-v2")
OWN = RolloutName("agents", "memory-sync")


def standing(percent: int | None = 50, **changes: Any) -> Upstream:
    """A Rollout that others wait for."""
    found = Upstream(
        uid="uid-schema-v2",
        resource_version="7",
        percent=percent,
        completed=False,
        rolled_back=False,
        deleting=False,
        depends_on=(),
    )
    return replace(found, **changes)


def waiting(*dependencies: Any, **spec: Any) -> World:
    """A rollout that waits for others, judged once; none of them exists yet."""
    names = dependencies or ({"rollout": "schema-v2", "atLeast": 50},)
    world = World(a_rollout(dependsOn=list(names), hold={"soak": "1h"}, **spec))
    world.settle()
    return world


def test_start_waits_for_the_percentage_of_another_rollout() -> None:
    """UnmetRequirement, not started, behind, there."""
    world = waiting()
    assert (world.percent, world.blockers()) == (
        None,
        [("DependenciesMet", "UpstreamMissing")],
    )
    assert world.status.waiting_on == (
        "waits for Rollout agents/schema-v2, which does not exist; create it, or remove it from "
        "dependsOn"
    )
    for percent, said in ((None, "has not started"), (49, "is at 49%")):
        world.upstreams[SCHEMA] = standing(percent)
        world.settle()
        assert world.message("DependenciesMet") == (
            f"waits for Rollout agents/schema-v2 at 50%: it {said}"
        )
        assert (world.percent, world.condition("DependenciesMet")) == (
            None,
            ("False", "UpstreamNotThere"),
        )
    world.upstreams[SCHEMA] = standing(50)
    world.settle()
    assert (world.percent, world.condition("DependenciesMet")) == (10, ("True", "DependenciesMet"))
    assert world.message("DependenciesMet") == "Rollout agents/schema-v2 is at 50%"


def test_without_a_percentage_the_other_must_be_completed() -> None:
    """100% alone is not complete: its last hold may be running."""
    world = waiting({"rollout": "schema-v2"})
    world.upstreams[SCHEMA] = standing(100)
    world.settle()
    assert world.message("DependenciesMet") == (
        "waits for Rollout agents/schema-v2 to be Completed: it is at 100%"
    )
    world.upstreams[SCHEMA] = standing(100, completed=True)
    world.settle()
    assert world.percent == 10


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rolled_back": True}, "UpstreamRolledBack"),
        ({"deleting": True}, "UpstreamMissing"),
        ({"percent": 10}, "UpstreamNotThere"),
    ],
)
def test_what_happens_to_the_other_holds_every_later_step(
    changes: dict[str, Any], reason: str
) -> None:
    """A rollback holds though the percentage it went back to would be enough; soak runs on."""
    world = waiting()
    world.upstreams[SCHEMA] = standing(50)
    world.settle()
    world.upstreams[SCHEMA] = standing(**{"percent": 50, **changes})
    world.run(hours(2))
    assert (world.percent, world.blockers()) == (10, [("DependenciesMet", reason)])
    assert (world.status.phase, world.condition("SoakComplete")[0]) == ("Holding", "True")
    world.upstreams[SCHEMA] = standing(50)
    world.settle()
    assert world.percent == 25


def test_rollback_of_ones_own_waits_for_nobody() -> None:
    """It works whatever becomes of the others."""
    values = {"errors": 0.0}
    world = World(
        a_rollout(
            dependsOn=[{"rollout": "schema-v2", "atLeast": 50}],
            steps=steps_of(10, 100),
            hold={"soak": "1h"},
            metrics=[a_metric()],
            triggers=[a_trigger()],
        ),
        upstreams={SCHEMA: standing(50)},
        metrics={"errors": lambda _: values["errors"]},
    )
    world.settle()
    del world.upstreams[SCHEMA]
    values["errors"] = 0.9
    world.run(minutes(1))
    assert world.percent == 0


def test_every_dependency_must_be_met() -> None:
    """Each that is not is named."""
    world = waiting({"rollout": "schema-v2", "atLeast": 50}, {"rollout": "other", "atLeast": 1})
    world.upstreams[SCHEMA] = standing(50)
    world.settle()
    assert world.percent is None
    assert [b.message for b in world.status.blocked_by] == [
        (
            "waits for Rollout agents/other, which does not exist; create it, or remove it from "
            "dependsOn"
        )
    ]


def test_another_namespace_only_where_the_administrator_opened_it() -> None:
    """Otherwise the plan is not valid, whether or not there is such a Rollout."""
    name = RolloutName("data", "schema-v2")
    world = waiting({"rollout": "schema-v2", "namespace": "data", "atLeast": 50})
    assert world.blockers()[0] == ("PlanValid", "NamespaceNotAllowed")
    assert world.message("PlanValid") == (
        "dependsOn names Rollout data/schema-v2, but Rollouts of data may not be depended on from "
        "agents; namespaces open to others: none; the administrator opens one under "
        "dependencies.namespaces in the operator's configuration"
    )
    world.shared_namespaces = frozenset({"data"})
    world.upstreams[name] = standing(50)
    world.settle()
    assert world.percent == 10


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({OWN: (OWN,)}, "agents/memory-sync after agents/memory-sync"),
        (
            {SCHEMA: (OWN,)},
            "agents/memory-sync after agents/schema-v2 after agents/memory-sync",
        ),
        (
            {SCHEMA: (RolloutName("agents", "c"),), RolloutName("agents", "c"): (SCHEMA, OWN)},
            "agents/memory-sync after agents/schema-v2 after agents/c after agents/memory-sync",
        ),
    ],
)
def test_cycle_is_refused_by_its_names(
    others: dict[RolloutName, tuple[RolloutName, ...]], said: str
) -> None:
    """Nobody on it could ever start."""
    first = next(iter(others)).name
    world = waiting({"rollout": first, "atLeast": 1})
    world.upstreams = {
        name: standing(50, depends_on=depends_on) for name, depends_on in others.items()
    }
    world.settle()
    assert (world.percent, world.condition("PlanValid")) == (None, ("False", "DependencyCycle"))
    assert world.message("PlanValid") == (
        f"Rollouts wait for each other: {said}; remove one of these from dependsOn"
    )


def test_cycle_elsewhere_is_not_ones_own_fault() -> None:
    """It is theirs; here it is waited for."""
    other = RolloutName("agents", "c")
    world = waiting()
    world.upstreams = {
        SCHEMA: standing(None, depends_on=(other,)),
        other: standing(None, depends_on=(SCHEMA,)),
    }
    world.settle()
    assert world.blockers() == [("DependenciesMet", "UpstreamNotThere")]


def test_record_says_how_far_the_others_were() -> None:
    """With the version that was judged."""
    world = waiting()
    world.upstreams[SCHEMA] = standing(60)
    world.settle()
    [entry] = world.status.history
    assert entry.evidence.upstreams is not None
    assert [each.to_wire() for each in entry.evidence.upstreams] == [
        {
            "namespace": "agents",
            "name": "schema-v2",
            "uid": "uid-schema-v2",
            "resourceVersion": "7",
            "percent": 60,
        }
    ]


def test_rollout_as_others_see_it() -> None:
    """Nothing before Start; a rollback as soon as it is recorded, until the attempt is raised."""
    values = {"errors": 0.0}
    world = World(
        a_rollout(
            "schema-v2",
            steps=steps_of(10, 100),
            hold={"soak": "1h"},
            metrics=[a_metric()],
            triggers=[a_trigger(settle="0s")],
            dependsOn=[{"rollout": "a", "atLeast": 1}, {"rollout": "b", "namespace": "data"}],
        ),
        shared_namespaces=frozenset({"data"}),
        metrics={"errors": lambda _: values["errors"]},
    )
    world.settle()
    seen = upstream_of(world.rollout)
    assert (seen.percent, seen.rolled_back, seen.completed) == (None, False, False)
    assert seen.depends_on == (RolloutName("agents", "a"), RolloutName("data", "b"))
    world.edit(dependsOn=None)
    world.settle()
    assert upstream_of(world.rollout).percent == 10
    values["errors"] = 0.9
    world.settle_until_crash(after=world.transition_writes + 1)
    assert (world.percent, upstream_of(world.rollout).rolled_back) == (10, True)
    world.settle()
    assert (upstream_of(world.rollout).percent, upstream_of(world.rollout).rolled_back) == (0, True)
    values["errors"] = 0.0
    world.run(minutes(10))
    world.edit(attempt=1)
    world.settle()
    assert not upstream_of(world.rollout).rolled_back
