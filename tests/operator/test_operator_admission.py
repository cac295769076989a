"""The operator and the policies of a real API server: without them nothing goes forward."""

import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from surefoot.adapters.kubernetes.access import Access
from surefoot.adapters.kubernetes.http import Http
from surefoot.adapters.kubernetes.policies import KubernetesPolicies
from surefoot.adapters.settings import AdmissionMode
from surefoot.application.admission import RECENT
from surefoot.application.ports import AdmissionStatus
from surefoot.domain.facts.snapshot import Admission
from surefoot.policies import PolicySettings
from surefoot.testbed.bed import TestBed
from tests.support.policies import in_force
from tests.support.scene import Acting, Scene

pytestmark = [pytest.mark.apiserver]

POLICY = "validatingadmissionpolicy"
BINDING = "validatingadmissionpolicybinding"
SOAKING = {"soak": "1h"}
NEVER = 3600.0
"""Seconds between two checks of a beat that takes no part in a test."""


@pytest.fixture
def policies(guarded: TestBed) -> Iterator[TestBed]:
    """The bed whose policies a test may spoil; they are put back."""
    yield guarded
    in_force(guarded)


def enforcing(scene: Scene, every: float = 1.0) -> AbstractAsyncContextManager[Acting]:
    """An operator for whom admission must be enforced."""
    return scene.an_operator(admission=AdmissionMode.ENFORCED, admission_every=every)


def spoil(bed: TestBed, policy: str, *change: dict[str, Any]) -> None:
    """Apply a JSON patch to a policy."""
    bed.kubectl("patch", POLICY, policy, "--type=json", "-p", json.dumps(change))


@contextlib.asynccontextmanager
async def looking_as(kubeconfig: Path, settings: PolicySettings) -> AsyncIterator[AdmissionStatus]:
    """What a check finds, made with these credentials."""
    http = Http(await Access.load(str(kubeconfig)))
    try:
        yield await KubernetesPolicies(http, settings, namespace="surefoot-system").check()
    finally:
        await http.close()


async def given_held_at_10(scene: Scene) -> None:
    """A plan that would go on at once, were there no soak."""
    await scene.given_a_rollout(steps=(10, 100), hold=SOAKING)


async def when_the_soak_is_waived(scene: Scene) -> None:
    """Nothing but admission can be in the way from now on."""
    await scene.when_the_plan_is_patched(hold=None)


async def then_only_admission_blocks(scene: Scene) -> str:
    """Wait for that, with the present plan judged; answer with the message."""

    async def blocked() -> str | None:
        rollout = await scene.get("rollouts", scene.name) or {}
        status = rollout.get("status", {})
        found = [blocker["condition"] for blocker in status.get("blockedBy", [])]
        is_judged = status.get("observedGeneration") == rollout["metadata"]["generation"]
        if found != ["AdmissionEnforced"] or not is_judged:
            return None
        return str(status["blockedBy"][0]["message"])

    return str(await scene.until(blocked, "admission to be all that blocks"))


async def then_the_last_check_counts_no_longer(scene: Scene, acting: Acting) -> None:
    """Wait until an advance needs a check of its own."""
    operator = acting.operator

    async def is_old() -> bool:
        at = operator.admission.checked_at
        return at is not None and operator._clock.elapsed() - at >= RECENT

    await scene.until(is_old, "the last check to be old")


async def reasons_announced(scene: Scene) -> set[str]:
    """The reasons of all events in the namespace."""
    events = await scene.get("events", "") or {}
    return {event["reason"] for event in events.get("items", [])}


async def then_shown(scene: Scene, acting: Acting, value: float) -> None:
    """Wait until `surefoot_admission_enforced` has this value."""

    async def is_shown() -> bool:
        text = acting.operator.telemetry.exposition().decode()
        return f"surefoot_admission_enforced {value:.1f}" in text.splitlines()

    await scene.until(is_shown, f"surefoot_admission_enforced to be {value}")


async def test_rollout_advances_while_the_policies_are_in_force(guarded_scene: Scene) -> None:
    """With the permissions shipped, and every history entry says so."""
    await guarded_scene.given_a_rollout(steps=(10, 100))
    async with enforcing(guarded_scene) as acting:
        status = await guarded_scene.then_completed()
        await then_shown(guarded_scene, acting, 1)
    assert {entry["evidence"]["admission"] for entry in status["history"]} == {"Enforced"}
    condition = await guarded_scene.then_condition("AdmissionEnforced", "True")
    assert condition["reason"] == "Enforced"


async def test_stated_unenforced_is_said_in_status_and_history(guarded_scene: Scene) -> None:
    """And nothing is probed, though the policies are there."""
    await guarded_scene.given_a_rollout(steps=(10, 100))
    async with guarded_scene.an_operator() as acting:
        status = await guarded_scene.then_completed()
        await then_shown(guarded_scene, acting, 0)
        assert "surefoot_admission_checks_total{" not in (
            acting.operator.telemetry.exposition().decode()
        )
    assert {entry["evidence"]["admission"] for entry in status["history"]} == {"Unenforced"}
    condition = await guarded_scene.then_condition("AdmissionEnforced", "True")
    assert condition["reason"] == "Unenforced"


async def test_lost_binding_stops_every_advance_until_it_is_back(
    guarded_scene: Scene, policies: TestBed
) -> None:
    """It is told by condition, event and metric, and nobody has to restart anything."""
    scene = guarded_scene
    await given_held_at_10(scene)
    async with enforcing(scene) as acting:
        await scene.then_at(10)
        policies.kubectl("delete", BINDING, "surefoot-stamps")
        await scene.then_condition("AdmissionEnforced", "False", "NotEnforced")
        await when_the_soak_is_waived(scene)
        message = await then_only_admission_blocks(scene)
        assert "ValidatingAdmissionPolicyBinding surefoot-stamps is missing" in message
        await then_shown(scene, acting, 0)
        assert scene.percents_written() == [10]
        in_force(policies)
        await scene.then_completed()
        await then_shown(scene, acting, 1)
        assert scene.percents_written() == [10, 100]

        async def told() -> bool:
            return {"AdmissionNotEnforced", "AdmissionEnforced"} <= await reasons_announced(scene)

        await scene.until(told, "both events")


async def test_policies_are_looked_at_before_an_advance_and_not_only_now_and_then(
    guarded_scene: Scene, policies: TestBed
) -> None:
    """The beat has not noticed yet."""
    scene = guarded_scene
    await given_held_at_10(scene)
    async with enforcing(scene, every=NEVER) as acting:
        await scene.then_at(10)
        policies.kubectl("delete", BINDING, "surefoot-allowed-signers")
        await then_the_last_check_counts_no_longer(scene, acting)
        await when_the_soak_is_waived(scene)
        message = await then_only_admission_blocks(scene)
    assert "surefoot-allowed-signers is missing" in message
    assert scene.percents_written() == [10]


async def test_flag_goes_back_while_admission_is_not_enforced(
    guarded_scene: Scene, policies: TestBed
) -> None:
    """Rollback depends on no policy."""
    scene = guarded_scene
    await given_held_at_10(scene)
    async with enforcing(scene):
        await scene.then_at(10)
        missing = ("decisions", "configmaps", "own-account", "rollout-uid")
        policies.kubectl("delete", BINDING, *(f"surefoot-{name}" for name in missing))
        await scene.then_condition("AdmissionEnforced", "False")
        await scene.when_the_plan_is_patched(rollback={"to": 0})
        status = await scene.then_at(0)
    assert scene.percents_written() == [10, 0]
    assert status["history"][-1]["type"] == "Rollback"
    assert status["history"][-1]["evidence"]["admission"] == "NotEnforced"


async def test_weakened_expression_is_named(guarded_scene: Scene, policies: TestBed) -> None:
    """The policy still refuses every probe; what was changed is somewhere else in it."""
    scene = guarded_scene
    await given_held_at_10(scene)
    async with enforcing(scene):
        await scene.then_at(10)
        spoil(
            policies,
            "surefoot-decisions",
            {"op": "replace", "path": "/spec/validations/3/expression", "value": "true"},
        )
        condition = await scene.then_condition("AdmissionEnforced", "False", "NotEnforced")
    assert (
        "ValidatingAdmissionPolicy surefoot-decisions is not as shipped: "
        "validations[3].expression differs" in condition["message"]
    )


async def test_added_condition_is_named(guarded_scene: Scene, policies: TestBed) -> None:
    """One that is never met would switch the policy off."""
    scene = guarded_scene
    await given_held_at_10(scene)
    condition = [{"name": "never", "expression": "false"}]
    async with enforcing(scene):
        await scene.then_at(10)
        spoil(
            policies,
            "surefoot-status",
            {"op": "add", "path": "/spec/matchConditions", "value": condition},
        )
        found = await scene.then_condition("AdmissionEnforced", "False", "NotEnforced")
    assert "surefoot-status is not as shipped: matchConditions differs" in found["message"]


async def test_policies_that_fill_in_names_may_be_missing(
    policies: TestBed, guarded_service_account: Path
) -> None:
    """As in the variant without mutation."""
    for kind in ("mutatingadmissionpolicy", "mutatingadmissionpolicybinding"):
        policies.kubectl("delete", kind, "surefoot-decided-by", "surefoot-stamps")
    async with looking_as(guarded_service_account, PolicySettings()) as found:
        assert found == AdmissionStatus(Admission.ENFORCED)


async def test_operator_under_another_name_is_told(guarded: TestBed) -> None:
    """Its probes are refused as well, which alone would look like life."""
    settings = PolicySettings(operator="system:serviceaccount:elsewhere:surefoot")
    async with looking_as(guarded.kubeconfig(), settings) as found:
        assert found.admission is Admission.NOT_ENFORCED
        assert found.fault.startswith(
            "the operator runs as admin, the policies are made for "
            "system:serviceaccount:elsewhere:surefoot: set policies.operator"
        )


async def test_missing_permission_is_named(guarded: TestBed) -> None:
    """Anyone who may not look cannot tell that the policies are in force."""
    async with looking_as(guarded.kubeconfig("thon"), PolicySettings(operator="thon")) as found:
        assert found.admission is Admission.NOT_ENFORCED
        assert 'cannot list resource "validatingadmissionpolicies"' in found.fault
