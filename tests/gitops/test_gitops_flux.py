"""Flux waits for a Rollout as the page says: by kstatus, and by the expressions of the page."""

import functools
from pathlib import Path
from typing import Any

import celpy
import pytest
import yaml
from celpy.adapter import json_to_cel
from celpy.evaluation import CELEvalError

from tests.gitops.argocd import PROJECT, as_json
from tests.gitops.kstatus import CURRENT, FAILED, IN_PROGRESS, status_of
from tests.gitops.scenarios import SCENARIOS, rollout_in

PAGE = PROJECT / "docs" / "flux.md"
EXAMPLES = PROJECT / "manifests" / "examples" / "flux"


def documents(path: Path) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all(path.read_text()) if each]


KUSTOMIZATIONS = {
    each["metadata"]["name"]: each["spec"]["healthCheckExprs"][0]
    for each in documents(EXAMPLES / "kustomizations.yaml")
    if each["kind"] == "Kustomization" and "healthCheckExprs" in each["spec"]
}

UNKNOWN = "Unknown"
"""An expression cannot be evaluated: Flux goes on waiting."""
KSTATUS = {
    "Healthy": CURRENT,
    "Degraded": FAILED,
    "Progressing": IN_PROGRESS,
    "Suspended": IN_PROGRESS,
}
"""What kstatus must say where Argo CD says this: the two agree."""


def verdict(exprs: dict[str, str], obj: dict[str, Any]) -> str:
    """What Flux makes of the expressions, in its order; one that fails says nothing."""
    observed = obj.get("status", {}).get("observedGeneration")
    if observed is not None and observed != obj["metadata"]["generation"]:
        return IN_PROGRESS
    for name, state in (("inProgress", IN_PROGRESS), ("failed", FAILED), ("current", CURRENT)):
        try:
            if name in exprs and evaluated(exprs[name], obj):
                return state
        except CELEvalError:
            return UNKNOWN
    return IN_PROGRESS


@functools.cache
def compiled(expression: str) -> celpy.Runner:
    """The expression as a program."""
    environment = celpy.Environment()
    return environment.program(environment.compile(expression))


def evaluated(expression: str, obj: dict[str, Any]) -> bool:
    """The expression's value; the object's fields are its variables, as in Flux."""
    variables = {name: json_to_cel(value) for name, value in obj.items()}
    value = compiled(expression).evaluate(variables)
    assert isinstance(value, celpy.celtypes.BoolType)
    return bool(value)


def expected_of(name: str) -> str:
    """A rollback that is under way is in progress, and failed a second later."""
    return IN_PROGRESS if name == "rollingBack" else KSTATUS[SCENARIOS[name][2]]


@pytest.mark.parametrize("name", SCENARIOS)
def test_kstatus_agrees_with_the_health(name: str) -> None:
    """Anyone who reads the conditions only sees the same as anyone who runs our scripts."""
    state, message = status_of(rollout_in(name))
    assert (state, bool(message)) == (expected_of(name), True)


def test_kstatus_never_takes_an_unseen_change_for_done() -> None:
    """The generation comes first."""
    for name in SCENARIOS:
        rollout = rollout_in(name)
        rollout["metadata"]["generation"] += 1
        assert status_of(rollout)[0] == IN_PROGRESS


def test_kstatus_takes_an_object_without_a_status_for_done() -> None:
    """That is its rule, and why the page uses expressions: they do not."""
    rollout = rollout_in("soaking")
    del rollout["status"]
    assert status_of(rollout)[0] == CURRENT
    for exprs in KUSTOMIZATIONS.values():
        assert verdict(exprs, rollout) == UNKNOWN


@pytest.mark.parametrize("name", SCENARIOS)
def test_expressions_that_wait_for_the_end(name: str) -> None:
    """They say what the conditions say."""
    found = verdict(KUSTOMIZATIONS["checkout-until-completed"], rollout_in(name))
    assert found == expected_of(name)


@pytest.mark.parametrize("name", SCENARIOS)
def test_expressions_that_wait_for_acceptance(name: str) -> None:
    """A rollout of weeks holds nothing up: what the operator has taken on is done for Flux."""
    phase = SCENARIOS[name][1]
    rollout = rollout_in(name)
    bad = phase == "Invalid" or "Rolled" in phase or phase == "RollingBack" or name == "refused"
    expected = FAILED if bad or name == "foughtOver" else CURRENT
    assert verdict(KUSTOMIZATIONS["checkout"], as_json(rollout)) == expected


def test_page_shows_the_expressions_of_the_example() -> None:
    """Copied from the page, they are those that were tested."""
    text = PAGE.read_text()
    for exprs in KUSTOMIZATIONS.values():
        for name in ("current", "inProgress", "failed"):
            if name in exprs:
                assert f"{name}: {exprs[name]}" in text
