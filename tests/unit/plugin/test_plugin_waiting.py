"""What waits for whom, and which request a command means."""

from typing import Any

import pytest

from surefoot.api.v1alpha1.approval import Approval
from surefoot.plugin import questions
from surefoot.plugin.waiting import in_lines, waiting_for
from tests.unit.plugin.things import JSON, NOW, approval, checkpoint, rollout

GO = {"decision": "GO", "reason": "fine", "decidedBy": {"username": "hudson"}}
REPORT = {"decision": "GO", "summary": "stable", "decidedBy": {"username": "atlas"}}


def inbox(username: str, *groups: str, **there: Any) -> list[JSON]:
    """Of somebody, with one Approval for the group security and one Checkpoint for atlas."""
    return waiting_for(
        username,
        frozenset(groups),
        rollouts=there.get("rollouts", [rollout()]),
        approvals=there.get("approvals", [approval()]),
        checkpoints=there.get("checkpoints", [checkpoint()]),
        now=NOW,
    )


def test_member_of_the_group_gets_the_whole_command_and_the_evidence() -> None:
    """Soak as of now, and not as of when the status was written; reports that were given."""
    reported = checkpoint(REPORT | {"tests": [{"name": "unit", "passed": 6, "total": 6}]})
    (item,) = inbox("hudson", "security", checkpoints=[reported])
    assert item["command"] == (
        'kubectl surefoot approve checkout -n shop --role security --reason "…"'
    )
    assert item["evidence"]["soak"]["healthy"] == "1h0m0s"
    lines = "\n".join(in_lines([item], NOW))
    assert "soak      1h left of 2h, running" in lines
    assert "report    hour-48 GO by atlas: stable (unit 6/6)" in lines


def test_value_in_the_inbox_has_the_unit_of_its_bounds() -> None:
    """The JSON has it as the query has it, too."""
    errors = {"name": "errors", "value": "0.0065", "outcome": "Value"}
    plan = {
        "metrics": [{"name": "errors", "query": "errors"}],
        "gates": [{"name": "errors", "atMost": "1%"}],
    }
    there = {"rollouts": [rollout({"metrics": [errors]}, **plan)]}
    (item,) = inbox("hudson", "security", **there)
    assert item["evidence"]["metrics"][0]["value"] == "0.0065"
    assert "  metric    errors = 0.65%" in list(in_lines([item], NOW))


def test_reporter_sees_that_it_is_late() -> None:
    """With the command that reports."""
    (item,) = inbox("atlas")
    assert item["late"]
    assert item["command"] == (
        'kubectl surefoot checkpoint checkout hour-48 -n shop --go --summary "…"'
    )


@pytest.mark.parametrize(
    "there",
    [
        {"approvals": [approval(decided=GO)]},
        {"approvals": [approval(state="Void")]},
        {"approvals": [approval(excludedUsers=["Hudson"])]},
        {"approvals": [approval(planHash="sha256:0")]},
        {"approvals": [approval(attempt=1)]},
        {"approvals": [approval(from_=25, to=100)]},
        {"approvals": [approval(rollout={"name": "checkout", "uid": "another"})]},
        {"rollouts": []},
        {
            "rollouts": [
                rollout({"approvals": [{"role": "metrics", "state": "Go", "by": "hudson"}]})
            ]
        },
    ],
    ids=[
        "decided",
        "void",
        "excluded, in another case",
        "of another plan",
        "of another attempt",
        "of another step",
        "of an earlier Rollout of the name",
        "the Rollout is gone",
        "signs in another role",
    ],
)
def test_what_can_not_be_answered_does_not_wait(there: dict[str, Any]) -> None:
    """A decision would be refused, or worth nothing."""
    assert inbox("hudson", "security", **there) == []


def test_service_account_of_the_group_has_nothing_to_decide() -> None:
    """A decision is a person's."""
    assert inbox("system:serviceaccount:shop:bot", "security") == []


def test_role_that_signs_with_a_key_is_told_how() -> None:
    """By another command, with the object's own name."""
    (item,) = inbox("hudson", "security", approvals=[approval(signing="Required")])
    assert item["command"].startswith("surefoot sign checkout-25-security -n shop --decision GO")


def a_dry_run(**asked: Any) -> Approval:
    """By which the security of a later step is tried."""
    return approval(purpose="DryRun", dryRun=2, **{"from_": 25, "to": 100} | asked)


def test_dry_run_that_is_on_waits_and_says_that_it_counts_for_nothing() -> None:
    """Also of a step where the Rollout does not stand, with the command that answers it."""
    (item,) = inbox(
        "hudson",
        "security",
        approvals=[a_dry_run()],
        rollouts=[rollout({"approvalDryRun": {"run": 2}})],
        checkpoints=[],
    )
    assert item["dryRun"]
    assert item["command"] == (
        'kubectl surefoot approve checkout -n shop --role security --dry-run --reason "…"'
    )
    line = next(in_lines([item], NOW))
    assert line.startswith("dry run, counts for nothing: checkout 25% → 100%, as security")


@pytest.mark.parametrize(
    "latest",
    [
        {},
        {"approvalDryRun": {"run": 3}},
        {"approvalDryRun": {"run": 2, "endedAt": "2026-03-01T09:00:00.000000Z"}},
        {
            "approvalDryRun": {
                "run": 2,
                "roles": [{"role": "metrics", "state": "Go", "by": "hudson"}],
            }
        },
    ],
    ids=["none", "superseded", "ended", "signs in another role"],
)
def test_dry_run_that_is_over_waits_for_nobody(latest: JSON) -> None:
    """As with what counts."""
    there = {"approvals": [a_dry_run()], "rollouts": [rollout(latest)]}
    assert inbox("hudson", "security", **there) == []


def test_go_in_a_dry_run_keeps_nobody_from_signing_for_real() -> None:
    """Nor is it what `withdraw` takes back."""
    roles = [{"role": "metrics", "state": "Go", "by": "hudson"}]
    tried = rollout({"approvalDryRun": {"run": 2, "roles": roles}})
    assert len(inbox("hudson", "security", rollouts=[tried])) == 1
    given = [a_dry_run(decided=GO, state="Go")]
    assert questions.unused_go(tried, given, "security", "hudson") is None


def test_latest_round_is_meant() -> None:
    """And none that is void."""
    asked = [approval(round=1), approval(round=3, state="Void"), approval(round=2)]
    found = questions.current_approval(rollout(), asked, "security")
    assert found is not None
    assert found.spec.request.round == 2


def test_go_of_another_is_not_withdrawn() -> None:
    """Only one's own, and only while nothing has used it."""
    given = [approval(decided=GO, state="Go")]
    assert questions.unused_go(rollout(), given, "security", "cora") is None
    assert questions.unused_go(rollout(), given, "security", "hudson") == given[0]
    used = [approval(decided=GO, state="Used")]
    assert questions.unused_go(rollout(), used, "security", "hudson") is None
