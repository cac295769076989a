"""Who is asked is told of, and told of again while silent: once each, more urgently each time."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import surefoot.domain
from surefoot.api.v1alpha1.rollout_status import Severity
from surefoot.domain.facts.snapshot import Admission
from surefoot.domain.notifications import REASONS, About, notification, severity_of
from surefoot.domain.plan import Announcement
from tests.support.world import (
    START,
    World,
    a_checkpoint,
    a_metric,
    a_role,
    a_rollout,
    a_trigger,
    hours,
    minutes,
    steady,
    steps_of,
)

ASKING = {"Asked", "Conflict", "NoGo", "Late", "Escalated"}
SECURITY = "memory-sync-100-security"
REPORT = "memory-sync-10-report"


def waiting(
    *roles: dict[str, Any], after: timedelta | None = None, checkpoints: Any = (), **policy: Any
) -> World:
    """A rollout at 10 % that waits for people before 100 %."""
    plan: dict[str, Any] = {"steps": steps_of(10, 100, first={"checkpoints": list(checkpoints)})}
    if roles:
        plan["approvals"] = {"roles": list(roles)} | policy
    world = World(a_rollout(**plan), admission=Admission.ENFORCED, escalate_after=after)
    world.annotate(requested_by="thon")
    world.settle()
    return world


def told(world: World) -> list[tuple[str, str]]:
    """What people were told of those who are asked, and how urgently."""
    return [
        (each.reason, severity_of(each).value)
        for each in world.announcements
        if each.reason in ASKING
    ]


def urgency(world: World) -> list[Severity | None]:
    """How urgent each thing missing is, by the status."""
    return [blocker.escalated_to for blocker in world.status.blocked_by]


def test_whoever_is_asked_is_told_in_the_words_of_the_status() -> None:
    """Who, why, and the whole command, once the request can be decided."""
    world = waiting(a_role("security", "hudson"))
    (asked,) = [each for each in world.announcements if each.reason == "Asked"]
    (blocker,) = world.status.blocked_by
    assert (asked.message, asked.command) == (blocker.message, blocker.command)
    assert "security must be signed by hudson" in asked.message
    assert asked.command is not None
    assert asked.command.startswith(f"kubectl patch approvals.surefoot.dev {SECURITY} -n agents")


def test_an_approval_that_nobody_gives_becomes_a_warning_and_then_critical() -> None:
    """Each once, at its time, and no more after that."""
    world = waiting(a_role("security", "hudson"), after=hours(4))
    world.run(hours(4))
    assert (told(world), urgency(world)) == ([("Asked", "Info")], [None])
    world.run(minutes(1))
    assert told(world)[1:] == [("Escalated", "Warning")]
    assert urgency(world) == [Severity.WARNING]
    world.run(hours(4))
    assert told(world)[2:] == [("Escalated", "Critical")]
    assert urgency(world) == [Severity.CRITICAL]
    world.pass_by(hours(48), seen=hours(5))
    assert len(told(world)) == 3


def test_escalation_comes_at_its_time_and_not_at_the_next_refresh() -> None:
    """The decision says itself when to look again."""
    world = waiting(a_role("security", "hudson"), after=minutes(3))
    plan = world.settle()
    assert plan.requeue_after == minutes(3)


def test_nothing_is_escalated_that_was_decided_in_time() -> None:
    """The other role is still silent."""
    world = waiting(a_role("security", "hudson"), a_role("lead", "cora"), after=hours(4))
    world.run(hours(1))
    world.sign(SECURITY, "hudson")
    world.run(hours(4))
    (escalated,) = [each for each in world.announcements if each.reason == "Escalated"]
    assert "lead must be signed by cora" in escalated.message


def test_without_a_time_to_escalate_after_nothing_without_a_due_time_is_urgent() -> None:
    """The administrator did not ask for it."""
    world = waiting(a_role("security", "hudson"))
    world.pass_by(hours(72))
    assert (told(world), urgency(world)) == ([("Asked", "Info")], [None])


@pytest.mark.parametrize("after", [None, hours(2)])
def test_a_late_report_is_told_as_late_and_escalated_only_after_that(
    after: timedelta | None,
) -> None:
    """Its due time counts, however long ago it was asked."""
    report = a_checkpoint("report", "atlas", dueAfter="24h")
    world = waiting(checkpoints=[report], after=after)
    world.pass_by(hours(24))
    assert told(world) == [("Asked", "Info")]
    world.run(hours(1))
    assert told(world)[1:] == [("Late", "Warning")]
    world.pass_by(hours(48), seen=hours(5))
    assert told(world)[2:] == ([("Escalated", "Critical")] if after else [])


def test_an_operator_that_was_away_tells_only_what_is_so_now() -> None:
    """One message, as urgent as it has become; and a restart repeats none."""
    report = a_checkpoint("report", "atlas", dueAfter="24h")
    world = waiting(checkpoints=[report], after=hours(2))
    world.skip(hours(100))
    world.run(hours(1))
    assert told(world)[1:] == [("Late", "Critical")]
    world.watched_requests.clear()
    world.run(hours(1))
    assert len(told(world)) == 2


def test_a_no_go_and_the_meeting_that_it_opens_are_warnings() -> None:
    """Conflicting recommendations are somebody's to resolve."""
    world = waiting(a_role("security", "hudson"), a_role("lead", "cora"))
    world.now += minutes(1)
    world.sign(SECURITY, "hudson", decision="NO-GO", reason="an open finding")
    world.settle()
    assert told(world)[2:] == [("NoGo", "Warning")]
    world.now += minutes(1)
    world.sign("memory-sync-100-lead", "cora")
    world.run(minutes(10))
    assert told(world)[3:] == [("Conflict", "Warning")]
    (conflict,) = [each for each in world.announcements if each.reason == "Conflict"]
    assert conflict.message.startswith("GO stands against NO-GO: ")
    assert "checkpoints.surefoot.dev memory-sync-10-conflict" in (conflict.command or "")


def test_a_halt_says_how_to_end_it() -> None:
    """In the command of the status."""
    world = waiting(a_role("security", "hudson"))
    world.stop("incident")
    world.settle()
    (halted,) = [each for each in world.announcements if each.reason == "Halted"]
    assert halted.command == "kubectl delete configmap surefoot-halt -n agents"


def test_a_trigger_that_fires_again_is_the_same_news() -> None:
    """Whatever its numbers are."""
    trigger = a_trigger(action="Hold")
    world = World(a_rollout(metrics=[a_metric()], triggers=[trigger], hold={"soak": "24h"}))
    world.metrics["errors"] = steady(0.1)
    world.run(minutes(5))
    for value in (0.9, 0.1, 0.8):
        world.metrics["errors"] = steady(value)
        world.run(minutes(5))
    fired = [each for each in world.announcements if each.reason == "TriggerFiring"]
    assert [each.about for each in fired] == ["errors", "errors"]
    assert fired[0].message != fired[1].message


@pytest.mark.parametrize(
    ("announcement", "expected"),
    [
        (Announcement("Start", ""), "Info"),
        (Announcement("Advance", ""), "Info"),
        (Announcement("Complete", ""), "Info"),
        (Announcement("Asked", ""), "Info"),
        (Announcement("AdmissionEnforced", ""), "Info"),
        (Announcement("Late", "", warning=True), "Warning"),
        (Announcement("DriftCorrected", "", warning=True), "Warning"),
        (Announcement("InvalidPlan", "", warning=True), "Warning"),
        (Announcement("Halted", "", warning=True), "Warning"),
        (Announcement("RecordGap", "", warning=True), "Warning"),
        (Announcement("Rollback", "", warning=True), "Critical"),
        (Announcement("TriggerFiring", "", warning=True), "Critical"),
        (Announcement("AdmissionNotEnforced", "", warning=True), "Critical"),
        (Announcement("Late", "", warning=True, severity=Severity.CRITICAL), "Critical"),
    ],
)
def test_severity_follows_from_the_announcement(announcement: Announcement, expected: str) -> None:
    """In one place."""
    assert severity_of(announcement).value == expected


def test_every_reason_that_is_announced_can_be_asked_for() -> None:
    """By a route."""
    package = Path(surefoot.domain.__file__).parents[1]
    said = {
        reason
        for path in package.rglob("*.py")
        for reason in re.findall(r'Announcement\(\s*"(\w+)"', path.read_text(encoding="utf-8"))
    }
    assert {"TriggerFiring", "RecordGap", "Released"} <= said
    assert said | ASKING <= REASONS


def test_notification_has_who_why_and_what_to_type() -> None:
    """As plain text; a command stands on a line of its own, so that it can be copied whole."""
    said = notification(
        About("Rollout", "agents", "memory-sync"),
        Announcement("Asked", "security must be signed by hudson", command="kubectl patch x"),
        START,
    )
    assert said.title == "Info: Asked: Rollout agents/memory-sync"
    assert said.text.splitlines() == [
        "security must be signed by hudson",
        "",
        "To type:",
        "kubectl patch x",
        "",
        "Rollout agents/memory-sync, 2025-10-23 22:00:00 UTC",
    ]


def test_every_notification_leads_on() -> None:
    """News that asks nobody for anything says how to see why; a dashboard, where it is shown."""
    news = Announcement("Rollback", "25 % → 10 %: why")
    bare = notification(About("Rollout", "a", "b"), news, START)
    assert bare.severity is Severity.CRITICAL
    assert bare.text.splitlines()[2:4] == ["To see why:", "kubectl surefoot explain b -n a"]
    assert "http" not in bare.text
    linked = notification(About("Rollout", "a", "b"), news, START, "https://flags.example.com/x/")
    assert "To look at it:\nhttps://flags.example.com/x/rollouts/a/b\n" in linked.text
    elsewhere = notification(About("ConfigMap", "a", "c"), news, START, "https://flags.example.com")
    assert "kubectl surefoot get -n a\n\nTo look at it:\nhttps://flags.example.com/\n" in (
        elsewhere.text
    )
