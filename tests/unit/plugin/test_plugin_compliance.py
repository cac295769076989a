"""The compliance report: the operator's answers, and no answer where it has not judged."""

from datetime import timedelta
from typing import Any

import pytest

from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.plugin.compliance import Report, report_on
from tests.unit.plugin.things import NOW, raw_rollout

JSON = dict[str, Any]

OLDEST = timedelta(minutes=20)
SOAK = "soak insufficient: 45m0s of 2h of healthy time, 1h15m left"


def a_check(name: str, outcome: str, message: str = "why") -> JSON:
    """One of the six."""
    blocking = outcome == "Failed"
    return {"name": name, "outcome": outcome, "blocking": blocking, "message": message}


PASSING = (
    a_check("CheckpointReport", "Passed", "hour-48 GO by atlas"),
    a_check("SoakTime", "Passed", "2h of 2h of healthy time"),
    a_check("TestPassRate", "NotAsked", "this step has no gate named test-pass-rate"),
)
FAILING = (*PASSING[:1], a_check("SoakTime", "Failed", SOAK), *PASSING[2:])
PAUSED = {"condition": "NotPaused", "reason": "Paused", "message": "spec.paused is true"}


def reported(
    *checks: JSON, strict: bool = False, further: tuple[str, ...] = (), **status: Any
) -> Report:
    """The report on a Rollout that was judged a minute ago."""
    raw = raw_rollout(
        {
            "observedAt": (NOW - timedelta(minutes=1)).isoformat(),
            "compliance": {
                "step": 0,
                "from": 10,
                "to": 25,
                "passed": not further and all(not check["blocking"] for check in checks),
                "checks": list(checks),
                "furtherBlockers": list(further),
            },
        }
        | status
    )
    return report_on(Rollout.model_validate(raw), NOW, strict=strict, max_age=OLDEST)


def test_step_with_nothing_in_its_way_is_allowed() -> None:
    """Each check in a line; what is not asked for is told and does not block."""
    report = reported(*PASSING)
    assert list(report.in_lines()) == [
        "checkout in shop: compliance of 10% → 25%, as judged at 2026-03-01T09:59:00Z",
        "  PASS       CheckpointReport  hour-48 GO by atlas",
        "  PASS       SoakTime          2h of 2h of healthy time",
        "  NOT ASKED  TestPassRate      this step has no gate named test-pass-rate",
        "ALLOWED: nothing is in the way of this step",
    ]
    assert report.allowed


def test_blocked_step_names_what_blocks_it_and_what_to_type() -> None:
    """The six first, then whatever else the operator waits for, in its own words."""
    blocked_by = [PAUSED | {"command": "kubectl patch this"}]
    report = reported(*FAILING, further=("NotPaused",), blockedBy=blocked_by)
    assert list(report.in_lines())[2:] == [
        f"  FAIL       SoakTime          {SOAK}",
        "  NOT ASKED  TestPassRate      this step has no gate named test-pass-rate",
        "Further blockers:",
        "  NotPaused: spec.paused is true",
        "What helps:",
        "  $ kubectl patch this",
        "BLOCKED by 2: SoakTime, NotPaused",
    ]
    assert not report.allowed


def test_condition_that_is_no_blocker_yet_is_told_by_its_message() -> None:
    """As before the start and after a rollback, where the operator asks nobody for anything."""
    condition = {
        "type": "NotPaused",
        "status": "False",
        "reason": "Paused",
        "message": "spec.paused is true",
        "lastTransitionTime": "2026-03-01T09:00:00Z",
    }
    report = reported(*PASSING, further=("NotPaused",), conditions=[condition])
    assert [each.to_wire() for each in report.further] == [PAUSED]
    assert report.blockers == ("NotPaused",)


def test_strict_takes_what_is_not_asked_for_as_a_blocker() -> None:
    """For those who want every check to be in the plan."""
    report = reported(*PASSING, strict=True)
    assert not report.allowed
    assert list(report.in_lines())[-1] == "BLOCKED by 1: TestPassRate"


def test_operator_that_says_no_is_believed_though_all_checks_passed() -> None:
    """The report is never greener than the operator."""
    compliance = {"from": 10, "to": 25, "passed": False, "checks": list(PASSING)}
    assert not reported(compliance=compliance).allowed


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (
            {"observedGeneration": 0},
            "the operator has not judged this plan: it is generation 1, judged was none",
        ),
        ({"observedAt": None}, "the operator has not judged it since the last step"),
        (
            {"observedAt": (NOW - timedelta(minutes=21)).isoformat()},
            "the operator has not judged this plan for 21m, more than 20m: see whether it runs",
        ),
        (
            {"completedAt": NOW.isoformat(), "compliance": None},
            "it is Completed, and no step is ahead",
        ),
        (
            {"compliance": None},
            "the operator reports no compliance: it is older than this command",
        ),
    ],
)
def test_without_an_answer_nothing_is_allowed(status: JSON, said: str) -> None:
    """What was judged earlier, or of another plan, is not shown as if it were an answer."""
    report = reported(*PASSING, **status)
    assert list(report.in_lines()) == [
        f"checkout in shop: {said}",
        "BLOCKED: there is no answer to go by",
    ]
    assert not report.allowed
    wire = report.as_json()
    assert (wire["allowed"], wire["unanswered"], wire["checks"]) == (False, said, [])


def test_rollout_that_is_being_deleted_takes_no_step() -> None:
    """Whatever its status still says."""
    raw = raw_rollout({"observedAt": NOW.isoformat()})
    raw["metadata"]["deletionTimestamp"] = "2026-03-01T10:00:00Z"
    report = report_on(Rollout.model_validate(raw), NOW, strict=False, max_age=OLDEST)
    assert report.unanswered == "it is being deleted, and no step is taken any more"


def test_programs_get_the_same() -> None:
    """The step, the answer, each check, and the names of what blocks."""
    assert reported(*FAILING, further=("NotPaused",), blockedBy=[PAUSED]).as_json() == {
        "namespace": "shop",
        "name": "checkout",
        "from": 10,
        "to": 25,
        "observedAt": "2026-03-01T09:59:00Z",
        "allowed": False,
        "strict": False,
        "unanswered": None,
        "checks": list(FAILING),
        "blockers": ["SoakTime", "NotPaused"],
        "further": [PAUSED],
    }


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"to": 10}, "compliance of the start → 10%"),
        ({"from": 100}, "compliance of 100% → Completed"),
    ],
)
def test_first_and_last_step_are_named(step: JSON, said: str) -> None:
    """Before Start there is no percentage to leave, at the last none to reach."""
    report = reported(compliance={"passed": False, "checks": list(PASSING), **step})
    assert said in next(report.in_lines())
