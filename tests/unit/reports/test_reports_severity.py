"""Findings and confidence, each by the rule that is printed with it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from surefoot.api.v1alpha1.meta import Condition
from surefoot.api.v1alpha1.rollout import RolloutSpec
from surefoot.api.v1alpha1.rollout_status import TriggerState, TriggerStatus
from surefoot.reports.confidence import Confidence, confidence_of
from surefoot.reports.dossier import Dossier
from surefoot.reports.facts import facts_of
from surefoot.reports.severity import Severity, SeverityList, severities_of
from surefoot.reports.standards import Standards
from tests.support.world import START, World, a_role, a_rollout, steps_of
from tests.unit.reports.conducted import (
    ROLES,
    dossier,
    properly,
    rehearsed,
    the_incident,
    the_proper_path,
    with_evidence,
    with_status,
)


def severities(found: Dossier) -> SeverityList:
    """All findings."""
    return severities_of(facts_of(found, Standards()))


def confidence(found: Dossier) -> Confidence:
    """In the step ahead."""
    return confidence_of(facts_of(found, Standards()))


def test_the_incident_has_no_p0_and_three_p1() -> None:
    """The flag is well; soak, checkpoint and approval failed."""
    found = severities(the_incident())
    assert found.worst is Severity.P1
    assert [each.severity.value for each in found.findings] == ["P1"] * 3 + ["P2"] * 2 + ["P3"] * 2
    assert [each.found.split(": ")[1] for each in found.of(Severity.P1)] == [
        "Initial soak",
        "Checkpoint validation",
        "Stakeholder approval",
    ]


def test_the_proper_path_has_no_findings() -> None:
    """And none are made up."""
    found = severities(the_proper_path())
    assert (found.worst, found.findings) == (None, ())
    assert len(found.rules) > 10


def test_a_firing_trigger_and_a_flag_out_of_sync_are_the_worst() -> None:
    """They are so now."""
    firing = TriggerStatus(
        name="errors", state=TriggerState.FIRING, since=START, message="0.9, above 0.5"
    )
    drifted = Condition(
        type="TargetInSync",
        status="False",
        reason="Drifted",
        message="memory-sync is 100",
        last_transition_time=START,
    )
    found = severities(with_status(the_proper_path(), triggers=(firing,), conditions=(drifted,)))
    assert [each.found for each in found.of(Severity.P0)] == [
        "trigger errors fires: 0.9, above 0.5",
        "the flag is not what is recorded: memory-sync is 100",
    ]


def test_what_is_unknown_ranks_one_below_what_is_known_to_have_failed() -> None:
    """P2 where the failure is a P1."""
    shortened = with_evidence(the_proper_path(), decisions=(), shortened=True)
    (finding,) = severities(shortened).findings
    assert (finding.severity, finding.found.split(":")[0]) == (
        Severity.P2,
        "unknown, 10% → 25%",
    )


def test_people_who_decide_without_admission_are_a_p1() -> None:
    """Nobody then knows who it was."""
    found = severities(with_evidence(the_proper_path(), admission="Unenforced"))
    (finding,) = found.of(Severity.P1)
    assert finding.found == "10% → 25%: it was decided while admission was Unenforced"


def test_a_change_past_the_operator_is_a_p1_and_names_who() -> None:
    """By its field manager."""
    world = World(a_rollout(steps=steps_of(10, 100), hold={"soak": "1h"}))
    world.settle()
    world.tamper("argocd", **{"memory-sync": "100"})
    world.settle()
    (finding,) = severities(dossier(world)).of(Severity.P1)
    assert finding.found == ("argocd changed the flag past the operator; it was set back to 10%")


def test_an_open_risk_of_high_severity_and_a_late_report_are_p2() -> None:
    """The process needs mending."""
    found = the_proper_path()
    risk = {"name": "cold-cache", "severity": "High", "probability": "Low"}
    spec = RolloutSpec.model_validate(found.rollout.spec.to_wire() | {"risks": [risk]})
    report, *others = found.checkpoints
    late = report.model_copy(update={"status": report.status.model_copy(update={"late": True})})
    found = replace(
        found,
        rollout=found.rollout.model_copy(update={"spec": spec}),
        checkpoints=(late, *others),
    )
    assert [each.found for each in severities(found).of(Severity.P2)] == [
        "checkpoint hour-48 at 10% was decided late",
        "risk cold-cache of severity High is open",
    ]


def test_confidence_is_the_share_of_facts_that_are_shown() -> None:
    """All but the last signature, and that there is no earlier step to learn from."""
    found = confidence(rehearsed(dossier(properly(taken=False))))
    lacking = {each.fact: each.shown for each in found.builders if each.shown is not True}
    assert lacking == {
        "its approvals are complete": False,
        "all earlier expansions kept to every practice": None,
    }
    assert (found.expansion, found.percent, found.level) == ("10% → 25%", 80, "HIGH")


def test_the_incidents_confidence_is_low_and_names_why() -> None:
    """Nothing is shown."""
    found = confidence(the_incident())
    assert (found.percent, found.level) == (0, "LOW")
    assert found.builders[0].found == "lacking: checkpoints, approvals, admission enforced"


def test_there_is_no_confidence_where_nothing_is_ahead() -> None:
    """Neither 0 nor 100."""
    world = World(a_rollout(steps=steps_of(10, 100)))
    world.settle()
    found = confidence(dossier(world))
    assert (found.percent, found.level) == (None, "unknown: no expansion is ahead")


@pytest.mark.parametrize(("passed", "shown"), [(6, True), (5, False)])
def test_reports_that_carry_failing_tests_build_no_confidence(passed: int, shown: bool) -> None:
    """A GO does not hide them."""
    found = dossier(properly(taken=False))
    test = {"name": "ground-truth", "passed": passed, "total": 6}
    reports = tuple(
        each.model_copy(
            update={"spec": each.spec.model_validate(each.spec.to_wire() | {"tests": [test]})}
        )
        if each.spec.tests
        else each
        for each in found.checkpoints
    )
    builders = confidence(replace(found, checkpoints=reports)).builders
    (tests,) = [each for each in builders if each.fact.startswith("its reports carry")]
    assert (tests.shown, tests.found) == (shown, f"{passed} of 6 tests")


def test_a_standing_no_go_takes_confidence_and_is_a_conflict() -> None:
    """Until its signer says GO, if only in a later attempt; it is no fault to have waited."""
    roles = [a_role(role, user) for role, user in ROLES.items()]
    world = World(a_rollout(steps=steps_of(10, 25, 100), approvals={"roles": roles}))
    world.settle()
    world.sign("memory-sync-25-security", "hudson", decision="NO-GO", reason="a leak")
    world.settle()
    facts = facts_of(dossier(world), Standards())
    (conflict,) = facts.conflicts
    assert (conflict.resolved, conflict.how) == (False, "NO-GO stands: security")
    assert severities_of(facts).of(Severity.P1) == ()
    assert [(each.of, each.by, each.reason) for each in conflict.opinions] == [
        ("security", "hudson", "a leak")
    ]
    over = [
        each for each in confidence_of(facts).builders if each.fact.startswith("whatever conflict")
    ]
    assert [each.shown for each in over] == [False]
    world.edit(attempt=1)
    world.settle()
    world.now += timedelta(minutes=1)
    world.sign("memory-sync-25-security-r2", "hudson", reason="mended")
    world.settle()
    (conflict,) = facts_of(dossier(world), Standards()).conflicts
    assert (conflict.resolved, conflict.how) == (True, "anyone who said NO-GO decided GO later")
