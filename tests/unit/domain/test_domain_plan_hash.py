"""What makes two plans the same plan."""

from typing import Any

import pytest

from surefoot.api.v1alpha1.rollout import RolloutSpec
from surefoot.domain.facts import plan_hash as plan_hash_module
from surefoot.domain.facts.plan_hash import plan_hash, plan_parts
from tests.support.world import (
    a_checkpoint,
    a_gate,
    a_metric,
    a_role,
    a_spec,
    a_trigger,
    steps_of,
)


@pytest.fixture(autouse=True)
def _nothing_is_remembered() -> None:
    """Every test computes its hashes itself."""
    plan_hash_module._known.clear()
    plan_hash_module._defaults.cache_clear()


FULL: dict[str, Any] = {
    "steps": steps_of(10, 100, first={"soak": "48h"}),
    "hold": {"soak": "24h", "checkpoints": [a_checkpoint("r", "a")]},
    "approvals": {"roles": [a_role("security", "h")]},
    "metrics": [a_metric()],
    "gates": [a_gate(**{"for": "10m"})],
    "triggers": [a_trigger()],
    "limits": None,
}


def hash_of(**changes: Any) -> str:
    """The hash of the full plan with changes."""
    return plan_hash(RolloutSpec.model_validate(a_spec(**FULL | changes)))


def test_hash_is_sha256_of_the_canonical_plan() -> None:
    """Pinned: an upgrade must not change it."""
    assert hash_of() == PINNED


PINNED = "sha256:369e5302b3d262c4236f102f726d13de77ceb286bba32cc9e279ef5bf7c26eef"


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": steps_of(10, 100, first={"soak": "2d"})},
        {"steps": steps_of(10, 100, first={"soak": "172800s"})},
        {"hold": {"soak": "1d", "checkpoints": [a_checkpoint("r", "a")]}},
        {"hold": FULL["hold"] | {"onBreach": "Reset", "warmUp": "0s", "baseline": "0s"}},
        {"gates": [a_gate(**{"for": "600s"})]},
        {"gates": [a_gate(atMost="10%", **{"for": "10m"})]},
        {"gates": [a_gate(atMost="0.10", **{"for": "10m"})]},
        {"triggers": [a_trigger(above="50%")]},
        {
            "triggers": [
                a_trigger(action="Rollback", to="PreviousStep", onNoData="Hold", settle="120s")
                | {"for": "0m"}
            ]
        },
        {"metrics": [a_metric(provider="default")]},
        {
            "approvals": {
                "rule": "All",
                "maxAge": "168h",
                "opens": "AfterHold",
                "separationOfDuties": "Required",
                "roles": [a_role("security", "h", type="General", groups=[])],
            }
        },
        {"limits": {}},
        {"limits": {"maxExpansionFactor": 3}},
        {"limits": {"maxExpansionFactor": "300%"}},
        {"steps": [{"percent": 10, "hold": {"soak": "48h"}}, {"percent": 100, "hold": {}}]},
        {"paused": True},
        {"rollback": {"to": 0, "reason": "x"}},
        {"attempt": 7},
        {"approvalDryRun": {"run": 2, "to": 100}},
        {"cohorts": []},
        {
            "target": {
                "configMapName": "memory-sync-flags",
                "flags": ["memory-sync", "hybrid-rag"],
                "format": "Percentage",
                "bucketingKey": "targetingKey",
                "onDelete": "Zero",
            }
        },
    ],
)
def test_spelling_defaults_and_peoples_fields_are_not_the_plan(changes: dict[str, Any]) -> None:
    """The same hash, and the same parts."""
    assert hash_of(**changes) == hash_of()
    spec = RolloutSpec.model_validate(a_spec(**FULL | changes))
    assert plan_parts(spec) == plan_parts(RolloutSpec.model_validate(a_spec(**FULL)))


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"steps": steps_of(10, 100, first={"soak": "47h"})}, "steps[10]"),
        ({"steps": steps_of(10, 100, first={"soak": "0s"})}, "steps[10]"),
        ({"steps": steps_of(10, 100, first={"soak": "48h", "onBreach": "Reset"})}, "steps[10]"),
        ({"steps": steps_of(10, 100, first={"soak": "48h", "gates": []})}, "steps[10]"),
        ({"hold": {"soak": "23h", "checkpoints": [a_checkpoint("r", "a")]}}, "hold"),
        ({"hold": FULL["hold"] | {"onBreach": "Pause"}}, "hold"),
        ({"gates": [a_gate(**{"for": "11m"})]}, "gates"),
        ({"triggers": [a_trigger(settle="3m")]}, "triggers"),
        ({"metrics": [a_metric(staleAfter="1h")]}, "metrics"),
        ({"approvals": {"roles": [a_role("security", "i")]}}, "approvals"),
        ({"limits": {"maxExpansionFactor": 4}}, "limits"),
        ({"rehearsal": {}}, "rehearsal"),
        ({"scorecard": {}}, "scorecard"),
    ],
)
def test_what_changes_the_plan_changes_the_hash(changes: dict[str, Any], part: str) -> None:
    """And is named by its part."""
    assert hash_of(**changes) != hash_of()
    before = plan_parts(RolloutSpec.model_validate(a_spec(**FULL)))
    after = plan_parts(RolloutSpec.model_validate(a_spec(**FULL | changes)))
    changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    assert changed == {part}


def test_rehearsal_run_is_a_persons() -> None:
    """Raising it is no change of plan."""
    assert hash_of(rehearsal={"maxAge": "1d"}) == hash_of(rehearsal={"maxAge": "24h", "run": 3})


def test_empty_common_hold_is_none() -> None:
    """A section that asks for nothing."""
    assert hash_of(hold={}) == hash_of(hold=None) == hash_of(hold={"soak": "0s", "checkpoints": []})
