"""The compliance check: six answers that follow from the verdicts, and are never greener."""

from typing import Any

import pytest

from surefoot.domain.plan import Intend
from tests.support.world import (
    World,
    a_checkpoint,
    a_gate,
    a_metric,
    a_role,
    a_rollout,
    minutes,
    steady,
    steps_of,
)

ALL = (
    "CheckpointReport",
    "ApprovalDocument",
    "AllSignatures",
    "SoakTime",
    "HealthChecks",
    "TestPassRate",
)
HEALTH = {
    "name": "health",
    "passing": 4,
    "of": [{"name": name, "atLeast": 1} for name in ("a", "b", "c", "d", "e")],
}
TESTS = {"name": "test-pass-rate", "atLeast": "98%"}


def at_ten(values: dict[str, float | None] | None = None, **spec: Any) -> World:
    """A rollout at 10% of two steps, a minute after it got there, nothing asked for by default."""
    gates = spec.get("gates", [])
    names = [part["name"] for gate in gates for part in gate.get("of", [gate])]
    metrics = [a_metric(name) for name in names]
    plan: dict[str, Any] = {"steps": steps_of(10, 100), "hold": {"soak": "1h"}, "metrics": metrics}
    known = dict.fromkeys(names, 1.0) | (values or {})
    world = World(
        a_rollout(**(plan | spec)), metrics={name: steady(v) for name, v in known.items()}
    )
    world.run(minutes(1))
    return world


def answer(world: World, name: str) -> tuple[str, bool, str]:
    """Outcome, whether it blocks, and what is said, as the status has it."""
    assert world.status.compliance is not None
    check = next(check for check in world.status.compliance.checks if check.name == name)
    return check.outcome.value, check.blocking, check.message


def further(world: World) -> tuple[str, ...]:
    """The conditions in the way that none of the six speaks of."""
    assert world.status.compliance is not None
    return world.status.compliance.further_blockers


def passed(world: World) -> bool:
    """Whether nothing is in the way."""
    assert world.status.compliance is not None
    return world.status.compliance.passed


def test_status_has_the_six_in_order_for_the_step_ahead() -> None:
    """The step being left, where it goes, and one answer each."""
    compliance = at_ten().status.compliance
    assert compliance is not None
    assert (compliance.step, compliance.from_, compliance.to) == (0, 10, 100)
    assert tuple(check.name for check in compliance.checks) == ALL
    assert not compliance.passed


def test_what_the_plan_does_not_ask_for_neither_passes_nor_blocks() -> None:
    """It says so; the step waits for the soak alone."""
    world = at_ten()
    said = {
        "CheckpointReport": "this step has no report and no handoff",
        "ApprovalDocument": "this step asks nobody to sign",
        "AllSignatures": "this step asks nobody to sign",
        "HealthChecks": "this step has no group of gates and none named health",
        "TestPassRate": "this step has no gate named test-pass-rate",
    }
    assert {name: answer(world, name) for name in said} == {
        name: ("NotAsked", False, why) for name, why in said.items()
    }
    assert answer(world, "SoakTime")[0] == "Failed"
    assert further(world) == ()


def test_soak_is_told_with_what_there_was_of_what_is_needed() -> None:
    """Too little of it blocks, in the operator's words; enough of it passes; none is not asked."""
    world = at_ten()
    world.edit(paused=True)
    world.settle()
    assert answer(world, "SoakTime") == (
        "Failed",
        True,
        "soak insufficient: 1m0s of 1h of healthy time, 59m left",
    )
    world.run(minutes(60))
    outcome, blocking, said = answer(world, "SoakTime")
    assert (outcome, blocking) == ("Passed", False)
    assert said.endswith(" of 1h of healthy time")
    unasked = at_ten(hold={"checkpoints": [a_checkpoint("hour-1", "atlas")]})
    assert answer(unasked, "SoakTime") == ("NotAsked", False, "this step asks for no soak")


def test_report_fails_until_it_is_go() -> None:
    """Not there, there and open, NO-GO, GO: each in the operator's words."""
    report = a_checkpoint("hour-1", "atlas", opensAfter="2m")
    world = at_ten(hold={"checkpoints": [report]})
    world.edit(paused=True)
    world.settle()
    assert answer(world, "CheckpointReport") == (
        "Failed",
        True,
        "checkpoint hour-1 (atlas) is missing, opens in 1m",
    )
    world.run(minutes(2))
    assert answer(world, "CheckpointReport")[2] == (
        "checkpoint hour-1 is not approved: atlas has not reported"
    )
    world.sign("memory-sync-10-hour-1", "atlas", decision="NO-GO", reason="leaks")
    world.settle()
    assert "checkpoint hour-1 is NO-GO by atlas: leaks" in answer(world, "CheckpointReport")[2]
    world.sign("memory-sync-10-hour-1", "atlas")
    world.settle()
    assert answer(world, "CheckpointReport") == ("Passed", False, "hour-1 GO by atlas")


def test_handoff_counts_as_a_report_and_waits_for_its_receiver() -> None:
    """The check passes with the acknowledgement and not before."""
    handoff = a_checkpoint("run", "forge", type="Handoff", receiver={"users": ["cora"]})
    world = at_ten(hold={"checkpoints": [handoff], "soak": "1h"})
    world.sign("memory-sync-10-run", "forge", requiredAction="watch it")
    world.settle()
    assert answer(world, "CheckpointReport")[0] == "Failed"
    world.sign("memory-sync-10-run-ack-receiver", "cora")
    world.settle()
    assert answer(world, "CheckpointReport") == ("Passed", False, "run GO by forge")


def test_meeting_of_the_plan_is_no_report_and_blocks_beside_the_six() -> None:
    """Where only the meeting is missing, no report is, and the step waits all the same."""
    meeting = a_checkpoint("go-or-not", "cora", type="DecisionMeeting")
    world = at_ten(hold={"checkpoints": [meeting]})
    assert answer(world, "CheckpointReport")[0] == "NotAsked"
    assert (further(world), passed(world)) == (("CheckpointsPassed",), False)


def test_document_waits_for_everybody_to_be_asked_and_to_decide() -> None:
    """People are asked after the hold; until then the document cannot be whole."""
    world = at_ten(approvals={"roles": [a_role("security", "hudson"), a_role("lead", "forge")]})
    outcome, blocking, said = answer(world, "ApprovalDocument")
    assert (outcome, blocking) == ("Failed", True)
    assert said.startswith("0 of 2 roles have decided: security must be signed by hudson, once ")
    assert answer(world, "AllSignatures")[2].startswith("0 of 2 signed: ")


def signing(*roles: dict[str, Any], **policy: Any) -> World:
    """A rollout whose step waits for these, who are asked at once."""
    return at_ten(approvals={"roles": list(roles), "opens": "Step"} | policy)


def test_no_go_completes_the_document_and_is_no_signature() -> None:
    """A document may say no; the step needs it to say yes."""
    world = signing(a_role("security", "hudson"))
    world.sign("memory-sync-100-security", "hudson", decision="NO-GO", reason="leaks")
    world.settle()
    assert answer(world, "ApprovalDocument") == ("Passed", False, "1 of 1 roles have decided")
    outcome, blocking, said = answer(world, "AllSignatures")
    assert (outcome, blocking) == ("Failed", True)
    assert said.startswith("0 of 1 signed: security is NO-GO by hudson: leaks")


def test_decision_without_its_required_section_leaves_the_document_incomplete() -> None:
    """Though somebody signed: what it must say is not there."""
    world = signing(a_role("security", "hudson", requiredSections=["riskAssessment"]))
    name = "memory-sync-100-security"
    world.sign(name, "hudson", riskAssessment="low")
    signed = world.approvals[name]
    # The API server refuses this; whatever it let pass before it did must not count either.
    spec = signed.spec.model_copy(update={"risk_assessment": None})
    world.approvals[name] = signed.model_copy(update={"spec": spec})
    world.settle()
    outcome, _, said = answer(world, "ApprovalDocument")
    assert outcome == "Failed"
    assert "it lacks riskAssessment" in said


def test_unmet_blocking_condition_leaves_the_document_incomplete() -> None:
    """A GO that asks for something first is not whole until that is reported as met."""
    world = signing(a_role("security", "hudson"))
    condition = {"name": "support", "text": "tell them", "blocking": True}
    world.sign("memory-sync-100-security", "hudson", conditions=[condition])
    world.settle()
    assert answer(world, "ApprovalDocument")[0] == "Failed"
    assert "support" in answer(world, "ApprovalDocument")[2]
    world.sign("memory-sync-100-security-conditions", "hudson")
    world.settle()
    assert answer(world, "ApprovalDocument")[0] == "Passed"
    assert answer(world, "AllSignatures") == (
        "Passed",
        False,
        "1 of 1 signed: security by hudson; names are not verified, as admission is not enforced",
    )


def test_quorum_that_has_signed_needs_no_more_of_the_others() -> None:
    """Numbers say who is still silent; nothing is blocked that the operator would let pass."""
    roles = [a_role(name, name) for name in ("ann", "bob", "eve")]
    world = signing(*roles, rule="Quorum", quorum=2)
    world.sign("memory-sync-100-ann", "ann")
    world.settle()
    assert answer(world, "AllSignatures")[2].startswith("1 of 3 (2 needed) signed: ")
    assert answer(world, "ApprovalDocument")[0] == "Failed"
    world.sign("memory-sync-100-bob", "bob")
    world.settle()
    assert answer(world, "AllSignatures")[:2] == ("Passed", False)
    assert answer(world, "ApprovalDocument") == ("Passed", False, "2 of 3 roles have decided")


@pytest.mark.parametrize(
    ("values", "outcome", "said"),
    [
        ({}, "Passed", "health: 5 of 5 hold, 4 are needed"),
        ({"a": 0.0}, "Passed", "health: 4 of 5 hold, 4 are needed"),
        ({"a": 0.0, "b": 0.0}, "Failed", "health: 3 of 5 hold, 4 are needed: a: 0"),
        ({"a": None, "b": None}, "Failed", "health: 3 of 5 hold, 4 are needed: a: no value"),
    ],
)
def test_health_is_told_in_numbers(
    values: dict[str, float | None], outcome: str, said: str
) -> None:
    """Four of five are enough, three are not, and no data is not health."""
    world = at_ten(values, gates=[HEALTH])
    found, blocking, message = answer(world, "HealthChecks")
    assert (found, blocking) == (outcome, outcome == "Failed")
    assert message.startswith(said)


def test_gate_named_health_needs_no_group() -> None:
    """One bound of that name is the health check as well."""
    world = at_ten({"health": 0.05}, gates=[a_gate("health")])
    assert answer(world, "HealthChecks") == ("Passed", False, "health: 0.05, at most 0.1")


@pytest.mark.parametrize(
    ("value", "outcome", "said"),
    [
        (0.99, "Passed", "test-pass-rate: 99%, at least 98%"),
        (0.97, "Failed", "test-pass-rate: 97%, must be at least 98%"),
        (None, "Failed", "test-pass-rate: no value at the newest point"),
    ],
)
def test_tests_pass_by_the_gate_of_that_name(value: float | None, outcome: str, said: str) -> None:
    """As it was measured; what was not measured has not passed."""
    world = at_ten({"test-pass-rate": value}, gates=[TESTS])
    assert answer(world, "TestPassRate") == (outcome, outcome == "Failed", said)
    assert answer(world, "HealthChecks")[0] == "NotAsked"


def test_gate_that_this_step_does_not_need_is_not_asked() -> None:
    """The operator would not wait for it."""
    world = at_ten({"test-pass-rate": 0.5}, gates=[TESTS], hold={"soak": "1h", "gates": []})
    assert answer(world, "TestPassRate")[0] == "NotAsked"


def test_gate_shows_nothing_during_the_warm_up() -> None:
    """What it measures then does not count, and the step waits."""
    world = at_ten(gates=[HEALTH], hold={"soak": "1m", "warmUp": "10m"})
    outcome, _, said = answer(world, "HealthChecks")
    assert outcome == "Failed"
    assert said.startswith("health: warms up for ")


def test_gate_that_nobody_could_breach_has_shown_nothing() -> None:
    """At 0% without data the operator goes on; the check says that nothing was measured."""
    world = at_ten(
        {"test-pass-rate": None},
        gates=[TESTS],
        steps=steps_of(0, 100),
        approvals={"roles": [a_role("lead", "forge")]},
    )
    assert answer(world, "TestPassRate") == (
        "NotAsked",
        False,
        "test-pass-rate: nobody is in at 0%",
    )


def test_other_gate_that_fails_blocks_beside_the_six() -> None:
    """Health may be perfect while errors are not."""
    errors = a_gate("errors")
    world = at_ten({"errors": 0.5}, gates=[HEALTH, errors])
    assert answer(world, "HealthChecks")[0] == "Passed"
    assert further(world) == ("GatesHealthy",)
    world = at_ten({"errors": 0.05, "a": 0.0, "b": 0.0}, gates=[HEALTH, errors])
    assert (answer(world, "HealthChecks")[0], further(world)) == ("Failed", ())


def test_pause_and_freeze_block_beside_the_six() -> None:
    """Every condition that is not met is named, in reading order."""
    freeze = {"name": "all-week", "from": "Mon 00:00", "to": "Sun 23:59"}
    world = at_ten()
    world.edit(paused=True, schedule={"timeZone": "Etc/UTC", "freeze": [freeze]})
    world.settle()
    assert further(world) == ("NotPaused", "WithinSchedule")


def test_rolled_back_rollout_is_blocked_by_that() -> None:
    """It stays so until a higher attempt."""
    world = at_ten(steps=steps_of(10, 50, 100), hold={"soak": "1m"})
    world.run_until(50, minutes(2))
    world.edit(rollback={"to": 10, "reason": "errors"})
    world.run(minutes(2))
    assert world.status.rolled_back
    assert "NotRolledBack" in further(world)
    assert not passed(world)


def test_start_is_asked_nothing_of_the_hold() -> None:
    """Below the first step there is nothing to have soaked or been reported on."""
    world = World(a_rollout(paused=True, approvals={"roles": [a_role("lead", "forge")]}))
    world.settle()
    compliance = world.status.compliance
    assert compliance is not None
    assert (compliance.step, compliance.from_, compliance.to) == (None, None, 10)
    assert {check.outcome.value for check in compliance.checks} == {"NotAsked"}
    assert (compliance.passed, compliance.further_blockers) == (False, ("NotPaused",))


def test_completed_rollout_has_no_compliance() -> None:
    """No step is ahead; at the last one Completed is."""
    world = at_ten(hold={"soak": "1m"})
    world.run_until(100, minutes(2))
    assert world.status.compliance is not None
    assert (world.status.compliance.from_, world.status.compliance.to) == (100, None)
    world.run(minutes(3))
    assert world.status.completed_at is not None
    assert world.status.compliance is None


def test_step_is_recorded_with_the_answers_it_was_taken_on() -> None:
    """On the advance and on Completed, by name; a start and a rollback are taken on others."""
    world = at_ten({"a": 0.0}, gates=[HEALTH], hold={"soak": "2m"})
    world.run(minutes(10))
    recorded = {entry.type.value: entry.evidence.compliance for entry in world.status.history}
    left = (
        "CheckpointReport=NotAsked",
        "ApprovalDocument=NotAsked",
        "AllSignatures=NotAsked",
        "SoakTime=Passed",
        "HealthChecks=Passed",
        "TestPassRate=NotAsked",
    )
    assert recorded == {"Start": (), "Advance": left, "Complete": left}


def test_step_is_taken_when_the_check_has_passed_and_not_before() -> None:
    """The intent is written with a check that passed, what was before it with one that did not."""
    world = at_ten(
        gates=[HEALTH],
        hold={"soak": "2m", "checkpoints": [a_checkpoint("hour-1", "atlas")]},
        approvals={"roles": [a_role("lead", "forge")]},
    )
    told = []

    def look() -> None:
        plan = world.decide()
        moves = any(isinstance(action, Intend) for action in plan.actions)
        assert plan.status.compliance is not None
        told.append((moves, plan.status.compliance.passed))

    look()
    world.sign("memory-sync-10-hour-1", "atlas")
    world.run(minutes(2))
    look()
    world.sign("memory-sync-100-lead", "forge")
    look()
    assert told == [(False, False), (False, False), (True, True)]


def test_changed_answer_is_written_at_once() -> None:
    """The status shows a decision in the pass that sees it."""
    world = signing(a_role("security", "hudson"), a_role("lead", "forge"))
    writes = world.status_writes
    world.sign("memory-sync-100-lead", "forge")
    world.settle()
    assert world.status_writes > writes
    assert answer(world, "ApprovalDocument")[2].startswith("1 of 2 roles have decided")
