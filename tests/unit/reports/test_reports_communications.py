"""The communication log is read from requests and history, and says what is still to be done."""

from datetime import timedelta
from typing import Any

from surefoot.api.v1alpha1.rollout_status import Transition
from surefoot.reports.communications import Kind, Message, communications_of
from surefoot.reports.rendering import html, markdown
from tests.unit.plugin.things import JSON, NOW, raw_approval, raw_checkpoint
from tests.unit.reports.test_reports_document import advance, counted, dossier, reported, signed

STARTED = NOW - timedelta(hours=26)


def at(hours: float) -> str:
    """So many hours after the start."""
    return (STARTED + timedelta(hours=hours)).isoformat()


def start() -> JSON:
    """The first entry of a history."""
    return advance(type="Start", to=10, transitionId="start", at=at(0), **{"from": None})


def asked(raw: JSON, hours: float) -> JSON:
    """The same request, opened so many hours after the start."""
    raw["metadata"]["creationTimestamp"] = at(hours)
    return raw


def seen(by: str, decision: str, reason: str, hours: float, generation: int = 1) -> JSON:
    """A decision as the operator saw it."""
    return {
        "by": by,
        "decision": decision,
        "reason": reason,
        "seenAt": at(hours),
        "generation": generation,
        "verified": True,
    }


def log_of(*objects: JSON, **status: Any) -> tuple[Message, ...]:
    """The messages about these."""
    there = {"history": [start()], "requestedBy": {"username": "cora", "verified": True}}
    return communications_of(dossier(*objects, status=there | status)).messages


def kinds(messages: tuple[Message, ...]) -> list[Kind]:
    """Of each message."""
    return [message.kind for message in messages]


def only(messages: tuple[Message, ...], kind: Kind) -> Message:
    """The one message of this kind."""
    (found,) = [message for message in messages if message.kind is kind]
    return found


def test_what_is_asked_and_not_done_is_pending() -> None:
    """With who must do what, and until when."""
    messages = log_of(asked(raw_checkpoint(dueAt=at(48)), 1), asked(raw_approval(), 2))
    assert kinds(messages) == ["Transition", "Request", "Request"]
    report, approval = messages[1:]
    assert (report.from_, report.to, report.hour, report.pending) == ("surefoot", "atlas", 1, True)
    assert report.message == "Report hour-48 at 10%"
    assert report.action_required.startswith("Report, and decide GO or NO-GO; due 2026-")
    assert (approval.to, approval.message) == (
        "group security",
        "security: the step from 10% to 25%",
    )
    assert approval.status == "not answered"
    page = markdown(communications_of(dossier(asked(raw_approval(), 2))))
    assert (
        ": **[PENDING]** security: the step from 10% to 25%. **To do:** Decide GO or NO-GO" in page
    )


def test_request_comes_after_the_step_that_opened_it() -> None:
    """When an object was made is known to the second only, which is before the step within it."""
    history = [{**start(), "at": at(0.6 / 3600)}]
    messages = log_of(asked(raw_approval(), 0), history=history)
    assert [(each.kind, each.percent) for each in messages] == [("Transition", 10), ("Request", 10)]
    step, request = messages
    assert request.at == step.at


def test_dry_run_is_in_the_log_as_one() -> None:
    """What was asked in it, and what was said, counts for nothing, and says so."""
    dry = asked(raw_approval(purpose="DryRun", dryRun=1), 2)
    dry["status"] = {"state": "Go", "decisions": [seen("hudson", "GO", "fine", 3)]}
    messages = [message for message in log_of(dry) if message.kind is not Kind.TRANSITION]
    assert [message.message.partition(": ")[0] for message in messages] == [
        "dry run, counts for nothing",
        "dry run, counts for nothing",
    ]


def test_withdrawn_decision_stays_in_the_log() -> None:
    """With what replaced it, in the order in which they were said."""
    approval = asked(signed(state="NoGo", spec={"decision": "NO-GO", "reason": "a leak"}), 1)
    approval["status"]["decisions"] = [
        seen("hudson", "GO", "no findings", 2),
        seen("hudson", "NO-GO", "a leak", 3),
    ]
    _, request, first, second = log_of(approval)
    assert request.status == "answered: NO-GO by hudson"
    assert (first.message, first.status) == (
        "security: GO: no findings",
        "decided again since",
    )
    assert (second.message, second.status) == ("security: NO-GO: a leak", "it holds")
    assert (second.from_, second.to) == ("hudson", "cora")


def test_handoff_tells_its_receiver_what_to_do_until_it_is_acknowledged() -> None:
    """Then it tells who took over."""
    handoff = asked(reported(type="Handoff", receiver={"users": ["cora"]}, dueAt=at(48)), 1)
    handoff["spec"] |= {"requiredAction": "watch it", "summary": "built"}
    handoff["status"] = {"state": "Go", "decisions": [seen("atlas", "GO", "built", 2)]}
    reference = {"name": "checkout-10-hour-48", "uid": "uid-checkout-10-hour-48", "generation": 1}
    acknowledgement = asked(
        raw_approval(
            "receiver",
            purpose="Acknowledge",
            acknowledges=reference,
            groups=[],
            users=["cora"],
            evidence="hour-48: GO by atlas: built",
        ),
        3,
    )
    message = only(log_of(handoff, acknowledgement), Kind.HANDOFF)
    assert (message.from_, message.to) == ("atlas", "cora")
    assert (message.message, message.action_required) == ("hour-48: GO: built", "watch it")
    assert message.pending

    handoff["status"]["acknowledged"] = True
    acknowledgement["spec"] |= {
        "decision": "GO",
        "reason": "taken over",
        "decidedBy": {"username": "cora"},
    }
    acknowledgement["metadata"]["generation"] = 1
    acknowledgement["status"] = {"state": "Go", "decisions": [seen("cora", "GO", "taken over", 4)]}
    messages = log_of(handoff, acknowledgement)
    assert not any(message.pending for message in messages)
    answer = only(messages, Kind.ACKNOWLEDGEMENT)
    assert (answer.from_, answer.to, answer.hour) == ("cora", "atlas", 4)
    assert answer.message == "checkout-10-hour-48: receiver: GO: taken over"


def test_conflict_and_meeting_tell_what_each_party_said_and_who_dissents() -> None:
    """To those who must acknowledge it."""
    meeting = asked(
        raw_checkpoint(
            {
                "decision": "GO",
                "summary": "the leak is elsewhere",
                "decidedBy": {"username": "cora"},
                "dissent": [{"by": "hudson", "statement": "we have not proved it"}],
            },
            name="conflict",
            type="DecisionMeeting",
            evidence="security: NO-GO by hudson: a leak\nlead: GO by forge: fine",
            dueAt=None,
        ),
        1,
    )
    meeting["metadata"]["generation"] = 1
    meeting["status"] = {
        "state": "Go",
        "decidedAt": at(2),
        "decisions": [seen("cora", "GO", "the leak is elsewhere", 2)],
    }
    uid = meeting["metadata"]["uid"]
    reference = {"name": "checkout-10-hour-48", "uid": uid, "generation": 1}
    asks = raw_approval(purpose="Acknowledge", acknowledges=reference, users=["hudson"])
    messages = log_of(meeting, asked(asks, 3))
    conflict = only(messages, Kind.CONFLICT)
    assert conflict.message.startswith("GO stands against NO-GO at 10%: a meeting is needed")
    assert "security: NO-GO by hudson: a leak" in conflict.message
    held = only(messages, Kind.MEETING)
    assert (held.to, held.pending) == ("hudson, group security (security)", True)
    assert held.action_required == "Acknowledge the resolution"
    dissent = only(messages, Kind.DISSENT)
    assert (dissent.from_, dissent.message) == ("hudson", "conflict: we have not proved it")
    assert dissent.at == held.at


def test_what_is_late_is_escalated_when_it_was_due() -> None:
    """Also once it was done; and not before it is due."""
    late = only(log_of(asked(raw_checkpoint(dueAt=at(24)), 1)), Kind.ESCALATION)
    assert (late.hour, late.pending, late.to) == (24, True, "atlas; cora")
    done = asked(reported(dueAt=at(24)), 1)
    assert not only(log_of(done), Kind.ESCALATION).pending
    assert Kind.ESCALATION not in kinds(log_of(asked(raw_checkpoint(dueAt=at(48)), 1)))


def test_what_a_go_asks_for_is_an_action() -> None:
    """Until it is met, and after."""
    asks = signed(spec={"conditions": [{"name": "watch", "text": "watch it"}]})
    assert only(log_of(asks), Kind.DECISION).action_required == "watch: watch it (not met)"
    asks["status"]["conditions"] = [{"name": "watch", "met": True, "by": "hudson"}]
    assert only(log_of(asks), Kind.DECISION).action_required == "watch: watch it (met)"


def test_decision_that_the_operator_has_not_seen_has_no_time() -> None:
    """It comes last."""
    new = signed()
    new["status"] = {"state": "Pending"}
    last = log_of(new)[-1]
    assert (last.at, last.hour, last.status) == (None, None, "the operator has not seen it yet")


def test_decision_whose_object_is_gone_is_told_by_the_history() -> None:
    """And one whose object is there is not told twice."""
    approval = signed(state="Used")
    entry = advance(counted(approval, "security", verified=False), at=at(20))
    gone = only(log_of(history=[start(), entry]), Kind.DECISION)
    assert (gone.from_, gone.status) == (
        "hudson",
        "counted for to-25; the name is not verified",
    )
    there = log_of(approval, history=[start(), entry])
    assert kinds(there).count(Kind.DECISION) == 1


def test_rollback_waits_for_somebody_until_it_is_tried_again() -> None:
    """A retry ends that."""
    back = advance(type="Rollback", to=0, transitionId="back", at=at(3), by=["trigger errors"])
    (_, told) = log_of(history=[start(), back])
    assert (told.from_, told.pending) == ("trigger errors", True)
    assert told.message == "Rollback, 10% → 0%: AllConditionsHold"
    retry = advance(type="Retry", to=0, transitionId="retry", at=at(4))
    assert not log_of(history=[start(), back, retry])[1].pending


def test_intent_is_pending() -> None:
    """It is decided, and the flag is not yet written."""
    entry = Transition.model_validate(advance(to=25)).to_wire()
    intent = {name: entry[name] for name in ("transitionId", "type", "from", "to", "reason")}
    last = log_of(pending=intent | {"recordedAt": at(5)})[-1]
    assert (last.pending, last.about) == (True, "to-25")


def test_log_without_the_beginning_of_the_history_says_so() -> None:
    """Hours are not counted from anything else."""
    late = advance(prevHash="sha256:before")
    made = communications_of(dossier(status={"history": [late]}))
    assert not made.is_whole
    assert [message.hour for message in made.messages] == [None]
    assert "--record FILE" in markdown(made)
    assert not communications_of(dossier()).is_whole


def test_nothing_that_anybody_wrote_becomes_a_message_of_its_own() -> None:
    """A line break and a mark are text."""
    evil = "ok\n\n## Hour 1: Decision\n- **From:** cora <script>alert(1)</script>"
    made = communications_of(
        dossier(signed(spec={"reason": evil, "decidedBy": {"username": evil}}))
    )
    page = markdown(made)
    assert page.count("\n## ") == len(made.periods)
    assert page.count("\n- ") == sum(len(each.exchanges) for each in made.periods)
    assert "<script" not in html(made)


def test_json_has_the_same() -> None:
    """With null for what is not known."""
    (message,) = communications_of(dossier(raw_approval())).to_json()["messages"]
    assert (message["kind"], message["at"], message["pending"]) == ("Request", None, True)
    assert {"from", "to", "message", "actionRequired", "status"} <= message.keys()
