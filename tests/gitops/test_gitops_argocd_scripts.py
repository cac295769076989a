"""Argo CD's health and actions for the three kinds, on test data and on what the core writes."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from surefoot.api.v1alpha1.approval import RequestState
from surefoot.api.v1alpha1.rollout_status import Phase
from surefoot.domain.facts.snapshot import Admission
from surefoot.manifestgen.argocd import generated_files, settings
from tests.gitops import argocd
from tests.gitops.argocd import CUSTOMIZATIONS, KINDS, LuaError, as_json
from tests.gitops.scenarios import (
    APPROVALS,
    CHECKPOINTS,
    SCENARIOS,
    SECURITY,
    a_world,
    rollout_in,
    settled,
    soaking,
)
from tests.support.world import (
    START,
    World,
    a_gate,
    a_metric,
    a_trigger,
    minutes,
    seconds,
)

ROOT = CUSTOMIZATIONS / "surefoot.dev"
ROLLOUT = ROOT / "Rollout"


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def cases(kind: str) -> Iterator[Any]:
    for case in read(ROOT / kind / "health_test.yaml")["tests"]:
        yield pytest.param(kind, case, id=f"{kind}-{Path(case['inputPath']).stem}")


HEALTH_CASES = [case for kind in KINDS for case in cases(kind)]
ACTION_CASES = read(ROLLOUT / "actions" / "action_test.yaml")


# The files, as Argo CD's own suites run them


@pytest.mark.parametrize(("kind", "case"), HEALTH_CASES)
def test_health_of_the_test_data(kind: str, case: dict[str, Any]) -> None:
    """Argo CD's own test does just this, on the same files."""
    obj = read(ROOT / kind / case["inputPath"])
    assert argocd.health(obj) == case["healthStatus"]


@pytest.mark.parametrize(
    "case", ACTION_CASES["discoveryTests"], ids=lambda case: Path(case["inputPath"]).stem
)
def test_actions_that_are_offered_in_the_test_data(case: dict[str, Any]) -> None:
    """Each action is there, enabled or not."""
    found = argocd.actions(read(ROLLOUT / "actions" / case["inputPath"]))
    assert found == {each.pop("name"): each for each in map(dict, case["result"])}


@pytest.mark.parametrize("case", ACTION_CASES["actionTests"], ids=lambda case: case["action"])
def test_what_an_action_makes_of_the_test_data(case: dict[str, Any]) -> None:
    """The object afterwards, or what the person is told."""
    folder = ROLLOUT / "actions"
    obj = read(folder / case["inputPath"])
    script = argocd.script_of("Rollout", f"actions/{case['action']}/action.lua")
    if "expectedErrorMessage" in case:
        with pytest.raises(LuaError) as refused:
            argocd.result_of(obj, script, case.get("parameters"))
        assert str(refused.value) == case["expectedErrorMessage"]
    else:
        after = argocd.result_of(obj, script, case.get("parameters"))
        assert after == read(folder / case["expectedOutputPath"])


def test_every_file_of_the_test_data_is_used() -> None:
    """A file that no case names tests nothing."""
    named = {ROOT / kind / case["inputPath"] for kind, case in (p.values for p in HEALTH_CASES)}
    for case in ACTION_CASES["discoveryTests"] + ACTION_CASES["actionTests"]:
        for key in ("inputPath", "expectedOutputPath"):
            if key in case:
                named.add(ROLLOUT / "actions" / case[key])
    assert named == set(ROOT.glob("**/testdata/*.yaml"))


# What the operator writes today, whatever was recorded


@pytest.mark.parametrize("name", SCENARIOS)
def test_health_of_what_the_core_writes(name: str) -> None:
    """The phase leads to the health that people must see, with a reason."""
    _, phase, expected = SCENARIOS[name]
    rollout = rollout_in(name)
    assert rollout["status"]["phase"] == phase
    health = argocd.health(rollout)
    assert health["status"] == expected
    assert phase in health["message"]
    if expected in {"Suspended", "Degraded"}:
        assert len(health["message"].split(": ", 1)[1]) > 10


@pytest.mark.parametrize(
    ("make", "state", "expected"),
    [*APPROVALS.values(), *CHECKPOINTS.values()],
    ids=[*(f"approval-{name}" for name in APPROVALS), *(f"report-{name}" for name in CHECKPOINTS)],
)
def test_health_of_requests_that_the_core_writes(make: Any, state: str, expected: str) -> None:
    """A request that somebody has to answer is not done."""
    raw = as_json(make())
    assert raw["status"]["state"] == state
    assert argocd.health(raw)["status"] == expected


def test_every_phase_has_a_scenario() -> None:
    """A phase that is added needs a health as well."""
    assert {phase for _, phase, _ in SCENARIOS.values()} == {phase.value for phase in Phase}


def test_only_what_is_finished_is_healthy() -> None:
    """A rollout that waits, or was rolled back, never looks done."""
    healthy = {phase for _, phase, health in SCENARIOS.values() if health == "Healthy"}
    assert healthy == {"Completed"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [None, {}, {"conditions": []}])
def test_object_without_a_status_is_in_progress(kind: str, status: Any) -> None:
    """The operator has not looked at it yet: it is not done, and nothing is wrong."""
    raw = {"kind": kind, "metadata": {"name": "new", "generation": 1}, "spec": {}}
    if status is not None:
        raw["status"] = status
    assert argocd.health(raw)["status"] == "Progressing"


@pytest.mark.parametrize("kind", ["Approval", "Checkpoint"])
@pytest.mark.parametrize("state", RequestState)
def test_every_state_of_a_request_has_a_health(kind: str, state: RequestState) -> None:
    """Whatever the state, an undecided request of which nothing else is known gets an answer."""
    raw = {"kind": kind, "metadata": {"generation": 1}, "spec": {}, "status": {"state": state}}
    answer = argocd.health(as_json(raw))
    assert answer["message"]
    assert (answer["status"] == "Healthy") == (state not in {"Pending", "NoGo"})


def test_change_that_was_not_looked_at_is_in_progress() -> None:
    """Also of a rollout that was completed: the plan may ask for more now."""
    for name in SCENARIOS:
        rollout = rollout_in(name)
        rollout["metadata"]["generation"] += 1
        assert argocd.health(rollout)["status"] == "Progressing"


# Flapping


def watched(world: World, evaluations: int) -> tuple[set[str], set[str]]:
    """The phases, and the healths, at so many evaluations."""
    phases, healths = set(), set()
    for _ in range(evaluations):
        world.run(seconds(30))
        phases.add(str(world.status.phase))
        healths.add(argocd.health(as_json(world.rollout.to_wire()))["status"])
    return phases, healths


def flapping(at: datetime) -> float:
    """A metric that is too high at every second evaluation."""
    return 0.9 if (at - START).total_seconds() // 30 % 2 else 0.0


HOLD = [a_trigger(action="Hold")]
DEGRADE = [a_trigger(action="Degrade")]
SOAK = {"soak": "48h"}


@pytest.mark.parametrize(
    ("spec", "phases", "health"),
    [
        (
            {"gates": [a_gate()], "approvals": SECURITY},
            {"Holding", "AwaitingApproval"},
            "Suspended",
        ),
        (
            {"triggers": DEGRADE, "approvals": SECURITY},
            {"Holding", "AwaitingApproval"},
            "Suspended",
        ),
        ({"triggers": HOLD, "hold": SOAK}, {"Holding", "Soaking"}, "Progressing"),
        ({"triggers": DEGRADE, "hold": SOAK}, {"Holding", "Soaking"}, "Progressing"),
    ],
    ids=["gate-before-people", "trigger-before-people", "hold", "degrade"],
)
def test_metric_that_flaps_does_not_flap_the_health(
    spec: dict[str, Any], phases: set[str], health: str
) -> None:
    """Phases come and go with it; what people see stays."""
    world = settled(a_world(metrics=[a_metric()], **spec))
    world.metrics["errors"] = flapping
    world.run(minutes(1))
    assert watched(world, 20) == (phases, {health})


def test_admission_that_flaps_does_not_flap_the_health() -> None:
    """Anyone who is asked to sign is asked all the while."""
    world = settled(a_world(approvals=SECURITY))
    phases, healths = set(), set()
    for turn in range(10):
        world.enforce(Admission.ENFORCED if turn % 2 else Admission.UNKNOWN)
        more_phases, more_healths = watched(world, 1)
        phases |= more_phases
        healths |= more_healths
    assert (phases, healths) == ({"Holding", "AwaitingApproval"}, {"Suspended"})


# Actions


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("action", ["pause", "resume", "rollback", "retry"])
def test_an_action_writes_nothing_but_a_field_of_peoples(name: str, action: str) -> None:
    """What goes through Lua comes back as it was: a status in the patch would be refused."""
    rollout = rollout_in(name)
    try:
        patch = argocd.act(rollout, action)
    except LuaError:
        return
    fields = {"pause": "paused", "resume": "paused", "rollback": "rollback", "retry": "attempt"}
    assert patch in ({}, {"spec": {fields[action]: patch.get("spec", {}).get(fields[action])}})


def test_actions_do_what_the_plugin_does() -> None:
    """Paused, resumed, lowered to the step before, tried again: the core takes it as meant."""
    world = soaking()

    def act(action: str, **params: str) -> None:
        rollout = as_json(world.rollout.to_wire())
        assert argocd.actions(rollout)[action]["disabled"] is False
        world.edit(**argocd.act(rollout, action, params)["spec"])
        settled(world)

    act("pause")
    assert stands(world) == ("Paused", 10)
    act("resume")
    assert stands(world) == ("Soaking", 10)
    act("rollback", reason="the release is bad")
    assert stands(world) == ("RolledBack", 0)
    world.edit(rollback=None)
    settled(world)
    act("retry")
    assert stands(world) == ("Soaking", 10)


def stands(world: World) -> tuple[str, int | None]:
    """The phase and the percentage."""
    return str(world.status.phase), world.percent


def test_retry_leaves_a_ceiling_to_whoever_set_it() -> None:
    """It says which command lifts it."""
    with pytest.raises(LuaError, match="--lift-ceiling"):
        argocd.act(rollout_in("rolledBackRequested"), "retry")


def test_nobody_signs_from_argo_cd() -> None:
    """It acts under its own account, so a decision is no action of it."""
    for kind in ("Approval", "Checkpoint"):
        assert not (ROOT / kind / "actions").exists()


# The patch


def test_patch_of_argocd_cm_runs_the_same_scripts() -> None:
    """Health of all three kinds and actions of a Rollout are in the keys that Argo CD reads."""
    (text,) = generated_files().values()
    data = yaml.safe_load(text)["data"]
    assert data == settings()
    assert data.keys() == {
        *(f"resource.customizations.health.surefoot.dev_{kind}" for kind in KINDS),
        "resource.customizations.actions.surefoot.dev_Rollout",
    }
    rollout = rollout_in("soaking")
    script = data["resource.customizations.health.surefoot.dev_Rollout"]
    assert argocd.health(rollout, script) == argocd.health(rollout)
    actions = yaml.safe_load(data["resource.customizations.actions.surefoot.dev_Rollout"])
    assert argocd.actions(rollout, actions["discovery.lua"]) == argocd.actions(rollout)
    assert {each["name"] for each in actions["definitions"]} == set(argocd.actions(rollout))
    for each in actions["definitions"]:
        own = argocd.script_of("Rollout", f"actions/{each['name']}/action.lua")
        assert each["action.lua"] == own


# The engine that the tests stand on


@pytest.mark.parametrize(
    "script",
    [
        "return {a = string.format('%d', 1)}",
        "return {a = ('x'):upper()}",
        "return {a = math.floor(1.5)}",
        "return {a = require('os')}",
        "while true do end",
    ],
)
def test_engine_has_no_more_than_argo_cds(script: str) -> None:
    """A script that needs another library fails here as it would there."""
    with pytest.raises(LuaError):
        argocd.run(script, {})
