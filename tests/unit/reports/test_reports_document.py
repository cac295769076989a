"""The approval document says what the record says, of a step ahead, asked about, or taken."""

from typing import Any

import pytest
from markdown_it import MarkdownIt

from surefoot.api.v1alpha1.approval import Approval
from surefoot.api.v1alpha1.checkpoint import Checkpoint
from surefoot.errors import ReportError
from surefoot.reports.document import Document, document_of
from surefoot.reports.dossier import Dossier, dossier_of
from surefoot.reports.rendering import html, markdown
from tests.unit.plugin.things import JSON, NOW, raw_approval, raw_checkpoint, rollout

GO = {
    "decision": "GO",
    "reason": "no findings",
    "riskAssessment": "low",
    "decidedBy": {"username": "hudson"},
}
REPORT = {
    "decision": "GO",
    "summary": "stable",
    "report": "# All is well",
    "tests": [{"name": "unit", "passed": 5, "total": 6}],
    "decidedBy": {"username": "atlas"},
}
KEY = "SHA256:abc"


def said(by: str, decision: str = "GO", reason: str = "no findings", generation: int = 1) -> JSON:
    """A decision as the operator saw it."""
    at = "2026-03-01T09:40:00.000000Z"
    who = {"by": by, "verified": True, "generation": generation}
    return {"decision": decision, "reason": reason, "seenAt": at} | who


def signed(role: str = "security", *, state: str = "Go", **more: Any) -> JSON:
    """An Approval with hudson's GO, which the operator has seen."""
    made = raw_approval(role, state=state, decided=GO | more.pop("spec", {}), **more)
    made["metadata"]["generation"] = 1
    made["status"] |= {"decisions": [said("hudson")], "decidedAt": said("")["seenAt"]}
    return made


def reported(**more: Any) -> JSON:
    """The Checkpoint with the report of atlas, which the operator has seen."""
    made = raw_checkpoint(REPORT, **more)
    made["metadata"]["generation"] = 1
    made["status"] = {"state": "Go", "decisions": [said("atlas", reason="stable")], "late": True}
    return made


def counted(raw: JSON, role: str, **more: Any) -> JSON:
    """How the history tells that this was used."""
    spec, metadata = raw["spec"], raw["metadata"]
    return {
        "kind": raw["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "resourceVersion": "7",
        "generation": 1,
        "role": role,
        "decision": "GO",
        "by": spec["decidedBy"]["username"],
        "verified": True,
        "decidedAt": said("")["seenAt"],
        "reason": spec.get("reason") or spec.get("summary"),
    } | more


def advance(*decisions: JSON, to: int = 25, **more: Any) -> JSON:
    """The step as the history has it."""
    window = {
        "metric": "error-rate",
        "usedBy": "errors",
        "outcome": "Value",
        "count": 20,
        "coverage": "100%",
        "last": "0.0004",
    }
    soak = {"required": "2h", "healthy": "2h0m0s", "running": True, "observedAt": NOW.isoformat()}
    evidence = {
        "decisions": list(decisions),
        "windows": [window],
        "soak": soak,
        "conditions": ["SoakComplete=Complete"],
        "admission": "Enforced",
    }
    return {
        "transitionId": f"to-{to}",
        "type": "Advance",
        "from": 10,
        "to": to,
        "at": NOW.isoformat(),
        "planHash": "sha256:1",
        "reason": "AllConditionsHold",
        "by": ["hudson"],
        "evidence": evidence | more.pop("evidence", {}),
    } | more


def dossier(*objects: JSON, status: JSON | None = None, spec: JSON | None = None) -> Dossier:
    """Of the Rollout at 10%, with these Approvals and Checkpoints."""
    return dossier_of(
        rollout(status, **(spec or {})),
        [Checkpoint.model_validate(each) for each in objects if each["kind"] == "Checkpoint"],
        [Approval.model_validate(each) for each in objects if each["kind"] == "Approval"],
        NOW,
    )


def taken(*objects: JSON, entry: JSON, **status: Any) -> Dossier:
    """Of the Rollout once it is at 25%."""
    there = {"percent": 25, "step": 1, "nextPercent": 100, "history": [entry]}
    return dossier(*objects, status=there | status)


def top_of(made: Document) -> str:
    """What the page begins with."""
    return markdown(made).split("\n## ")[0]


# The step that is asked about


def judged(state: str = "Go", message: str = "", **more: Any) -> JSON:
    """What the operator says of the role."""
    return {
        "role": "security",
        "approval": "checkout-25-security",
        "state": state,
        "by": "hudson",
        "verified": True,
        "decidedAt": said("")["seenAt"],
        "message": message,
    } | more


def test_step_that_is_asked_about_says_what_is_signed_and_what_is_missing() -> None:
    """With the plan and the attempt, and what to type."""
    roles = [{"name": name, "users": [name]} for name in ("security", "lead")]
    lead = {"role": "lead", "state": "Pending", "message": "lead must be signed by lead"}
    missing = {
        "condition": "Approved",
        "reason": "AwaitingApproval",
        "message": "lead must be signed by lead",
        "command": "kubectl patch x",
    }
    made = document_of(
        dossier(
            signed(),
            status={
                "approvals": [judged(expiresAt="2026-03-08T09:40:00Z"), lead],
                "blockedBy": [missing],
            },
            spec={"approvals": {"roles": roles}},
        ),
        25,
    )
    assert (made.verdict, made.decided) == ("NOT DECIDED", "1 of 2 needed signatures count")
    page = markdown(made)
    assert "**Decision: NOT DECIDED**: 1 of 2 needed signatures count" in page
    assert "- **Plan:** sha256:1\n- **Attempt:** 0" in page
    assert "- Approved: lead must be signed by lead: `kubectl patch x`" in page
    assert "### security: GO by hudson\n\n> no findings" in page
    assert "### security: GO by hudson\n\n> low" in page
    awaited, given = made.signatures
    assert (awaited.role, awaited.counts, awaited.decision) == ("lead", False, "")
    assert (given.by, given.counts, given.verified, given.key) == ("hudson", True, True, "")
    assert given.expires_at is not None
    assert given.decided_at is not None


def test_go_that_does_not_count_is_not_counted() -> None:
    """And the reason stands beside it."""
    void = judged("Void", "security must be signed again: a trigger fired since it was given")
    made = document_of(dossier(signed(), status={"approvals": [void]}), 25)
    assert made.decided == "0 of 1 needed signatures count"
    (given,) = made.signatures
    assert (given.counts, given.state) == (False, "Void")
    assert "a trigger fired" in given.why
    assert "### security: GO by hudson (does not count)\n\n> low" in markdown(made)


def test_quorum_is_told_from_all() -> None:
    """Two of three are enough."""
    roles = [{"name": name, "users": [name]} for name in ("security", "lead", "metrics")]
    policy = {"rule": "Quorum", "quorum": 2, "roles": roles}
    made = document_of(
        dossier(signed(), status={"approvals": [judged()]}, spec={"approvals": policy}), 25
    )
    assert made.decided == "1 of 2 needed signatures count (3 roles may sign)"


def test_signatures_alone_do_not_take_the_step() -> None:
    """What else is missing is said."""
    soak = {"condition": "SoakComplete", "reason": "Soaking", "message": "soak 1h left"}
    status = {"approvals": [judged()], "blockedBy": [soak]}
    made = document_of(dossier(signed(), status=status), 25)
    assert made.verdict == "NOT DECIDED"
    assert made.decided.endswith("and the step is not taken: something else is missing")


def test_step_that_is_being_taken_is_decided() -> None:
    """The flag is not written yet."""
    intent = {"transitionId": "soon", "type": "Advance", "from": 10, "to": 25, "reason": "x"}
    pending = intent | {"recordedAt": NOW.isoformat()}
    made = document_of(dossier(signed(), status={"pending": pending}), 25)
    assert (made.verdict, made.decided) == (
        "GO",
        "decided at 2026-03-01 10:00:00 UTC; transition soon is being written",
    )
    assert document_of(dossier(status={"pending": pending}), 100).verdict == "NOT DECIDED"


def test_no_go_that_stands_is_the_decision() -> None:
    """In the words that the status has, once."""
    message = "security is NO-GO by hudson: a leak; it holds until its signer decides again"
    blocked = {"condition": "Approved", "reason": "NoGo", "message": message}
    against = signed(state="NoGo", spec={"decision": "NO-GO", "reason": "a leak"})
    against["status"]["decisions"] = [
        said("hudson"),
        said("hudson", "NO-GO", "a leak", generation=1),
    ]
    status = {"approvals": [judged("NoGo", message)], "blockedBy": [blocked]}
    made = document_of(dossier(against, status=status), 25)
    assert (made.verdict, made.decided) == ("NO-GO", message)
    (dissent,) = made.dissent
    assert (dissent.by, dissent.where, dissent.statement) == (
        "hudson",
        "NO-GO as security",
        "a leak",
    )


def test_no_go_beside_a_go_of_another_on_the_same_request_is_not_lost() -> None:
    """Each with its own words."""
    both = signed(spec={"decidedBy": {"username": "thon"}, "reason": "fine by me"})
    both["status"]["decisions"] = [said("hudson", "NO-GO", "a leak"), said("thon", generation=1)]
    status = {"approvals": [judged("NoGo", "security is NO-GO by hudson: a leak")]}
    made = document_of(dossier(both, status=status), 25)
    assert {(each.by, each.decision, each.rationale) for each in made.signatures} == {
        ("thon", "GO", "fine by me"),
        ("hudson", "NO-GO", "a leak"),
    }


def test_no_go_to_another_percentage_that_stands_here_too_is_told() -> None:
    """Beside the request that is open."""
    other = signed(to=100, spec={"decision": "NO-GO", "reason": "a leak"})
    other["metadata"] |= {"name": "checkout-100-security", "uid": "other"}
    other["status"]["decisions"] = [said("hudson", "NO-GO", "a leak")]
    standing = judged("NoGo", "security is NO-GO by hudson", approval="checkout-100-security")
    made = document_of(dossier(raw_approval(), other, status={"approvals": [standing]}), 25)
    assert (made.verdict, made.decided) == ("NO-GO", "security is NO-GO by hudson")
    assert [(each.decision, each.rationale) for each in made.signatures] == [
        ("", ""),
        ("NO-GO", "a leak"),
    ]


def test_go_that_the_operator_has_not_judged_yet_does_not_count_as_yet() -> None:
    """Nor is it said not to."""
    new = judged("Pending", "security must be signed by group security", by=None)
    made = document_of(dossier(signed(), status={"approvals": [new]}), 25)
    assert [(each.by, each.counts, each.why) for each in made.signatures] == [
        ("hudson", None, "the operator has not judged it")
    ]
    assert made.decided == "0 of 1 needed signatures count"


def test_every_round_stands_in_the_document() -> None:
    """A signature that became void says why."""
    first = signed(state="Void")
    first["status"]["voidReason"] = "the plan has changed"
    second = raw_approval(round=2)
    second["metadata"] |= {"name": "checkout-25-security-r2", "uid": "second"}
    status = {"approvals": [judged("Pending", "x", by=None, approval="checkout-25-security-r2")]}
    made = document_of(dossier(first, second, status=status), 25)
    assert [(each.state, each.why) for each in made.signatures] == [
        ("Void", "the plan has changed"),
        ("Pending", "x"),
    ]


def test_checkpoint_is_told_with_tests_acknowledgement_and_report() -> None:
    """The handoff waits for its receiver."""
    handoff = reported(type="Handoff", receiver={"users": ["cora"]})
    handoff["spec"]["requiredAction"] = "run it"
    reference = {"name": "checkout-10-hour-48", "uid": "uid-checkout-10-hour-48", "generation": 1}
    asked = raw_approval(
        "receiver", purpose="Acknowledge", acknowledges=reference, groups=[], users=["cora"]
    )
    made = document_of(dossier(handoff, asked), 25)
    (report,) = made.checkpoints
    assert report.late
    assert [(each.party, each.asked_of, each.decision) for each in report.acknowledgements] == [
        ("receiver", "cora", "")
    ]
    page = markdown(made)
    assert "- Test unit: 5 of 6 passed" in page
    assert "- Required action: run it" in page
    assert "- Acknowledgement of receiver: asked of cora, not given (Pending)" in page
    assert "> # All is well" in page
    assert [each.role for each in made.signatures] == ["security"]


def test_conditions_say_who_met_them_and_when() -> None:
    """As the status has it."""
    asks = signed(spec={"conditions": [{"name": "watch", "text": "watch it", "blocking": True}]})
    asks["status"]["conditions"] = [
        {"name": "watch", "met": True, "by": "hudson", "at": "2026-03-01T09:50:00Z"}
    ]
    (condition,) = document_of(dossier(asks), 25).conditions
    assert (condition.of, condition.blocking, condition.met) == ("security", True, True)
    assert (condition.by, condition.at is not None) == ("hudson", True)


# A step ahead


def test_step_ahead_says_who_will_be_asked() -> None:
    """And what comes first."""
    checkpoint = {"name": "day-3", "reporter": {"users": ["atlas"]}}
    steps = [{"percent": 10}, {"percent": 25, "hold": {"checkpoints": [checkpoint]}}]
    made = document_of(dossier(spec={"steps": [*steps, {"percent": 100}]}), 100)
    assert (made.stage, made.from_) == ("Ahead", 25)
    assert made.decided == "0 of 1 needed signatures count"
    (role,) = made.signatures
    assert (role.role, role.asked_of, role.why) == (
        "security",
        "group security",
        "nobody is asked yet",
    )
    (report,) = made.checkpoints
    assert (report.name, report.why) == ("day-3", "it is not open yet")
    assert "it is at 10%: it must reach 25% first" in markdown(made)


def test_completion_is_a_step_of_its_own() -> None:
    """Nobody signs for it unless the last hold says so."""
    made = document_of(dossier(), None)
    assert (made.to, made.stage) == ("complete", "Ahead")
    assert made.decided == "the step is not taken; nobody has to sign for it"


@pytest.mark.parametrize("to", [7, 50])
def test_step_that_is_none_is_refused(to: int) -> None:
    """With those that there are."""
    with pytest.raises(ReportError, match=r"no step to .*%.*: its steps are 10, 25, 100, and"):
        document_of(dossier(), to)


# A step that was taken


def test_step_that_was_taken_says_by_which_transition_and_on_what() -> None:
    """From the history entry, and from the objects as they were counted."""
    approval, report = signed(state="Used"), reported()
    approval["status"]["countedFor"] = report["status"]["countedFor"] = "to-25"
    entry = advance(counted(report, "hour-48"), counted(approval, "security"))
    made = document_of(taken(approval, report, entry=entry), 25)
    assert made.verdict == "GO"
    assert top_of(made).startswith(
        "# checkout from 10% to 25%: approval document\n\n"
        "**Decision: GO**: the step was taken at 2026-03-01 10:00:00 UTC by transition to-25\n"
    )
    (signature,) = made.signatures
    assert (signature.state, signature.counts, signature.why) == (
        "Used",
        True,
        "counted for to-25",
    )
    assert (signature.rationale, signature.risk_assessment) == ("no findings", "low")
    (checkpoint,) = made.checkpoints
    assert (checkpoint.summary, checkpoint.counts) == ("stable", True)
    page = markdown(made)
    assert "| error-rate | errors | Value | 0.0004 | unknown | unknown | 20 | 100% |  |" in page
    assert "Soak: 2h healthy of 2h required." in page
    assert "- SoakComplete=Complete" in page


def test_what_is_left_of_a_deleted_object_is_what_the_history_keeps() -> None:
    """The rest is unknown, and not empty."""
    key = {"key": KEY, "document": "{}", "value": "x"}
    entry = advance(counted(reported(), "hour-48"), counted(signed(), "security", signature=key))
    made = document_of(taken(entry=entry), 25)
    (signature,) = made.signatures
    assert (signature.by, signature.key, signature.rationale) == ("hudson", KEY, "no findings")
    assert signature.risk_assessment is None
    (report,) = made.checkpoints
    assert (report.summary, report.tests, report.report) == ("stable", None, None)
    page = markdown(made)
    assert "## Risk assessment\n\n### security: GO by hudson\n\n> unknown" in page
    assert "- Tests: unknown" in page
    assert made.to_json()["signatures"][0]["riskAssessment"] is None


def test_words_that_were_changed_after_they_were_counted_are_not_told() -> None:
    """They are not what the step was taken on."""
    approval = signed(state="Used", spec={"riskAssessment": "high, after all"})
    approval["metadata"]["generation"] = 2
    entry = advance(counted(approval, "security", reason="no findings"))
    page = markdown(document_of(taken(approval, entry=entry), 25))
    assert "high, after all" not in page
    assert "> no findings" in page


def test_what_did_not_count_stands_beside_what_did() -> None:
    """A role that was not needed, by its own object."""
    approval, other = signed(state="Used"), signed("lead", state="Void")
    other["status"]["voidReason"] = "the step was left without it"
    entry = advance(counted(approval, "security"))
    made = document_of(taken(approval, other, entry=entry), 25)
    assert [(each.role, each.counts, each.why) for each in made.signatures] == [
        ("lead", False, "the step was left without it"),
        ("security", True, "counted for to-25"),
    ]


def test_entry_that_lost_its_decisions_is_made_up_for_by_the_objects() -> None:
    """They name the transition that used them."""
    approval = signed(state="Used")
    approval["status"] |= {"countedFor": "to-25", "usedGeneration": 1}
    entry = advance(evidence={"decisions": [], "shortened": True})
    made = document_of(taken(approval, entry=entry), 25)
    assert [(each.by, each.counts) for each in made.signatures] == [("hudson", True)]
    assert "The evidence was shortened" in markdown(made)


def test_step_that_the_history_no_longer_has_is_unknown() -> None:
    """And an exported record is asked for."""
    later = advance(to=100, **{"from": 25, "prevHash": "sha256:before"})
    made = document_of(taken(entry=later, percent=100), 25)
    assert made.decided == "the step was taken; by which transition, and when, is unknown"
    assert (made.transition_id, made.plan_hash, made.attempt) == (None, None, None)
    page = markdown(made)
    assert "- **Taken at:** unknown" in page
    assert "--record FILE" in page
    assert "Nobody" not in page


def test_step_that_was_passed_by_was_never_taken() -> None:
    """As a whole record shows."""
    start = advance() | {"type": "Start", "from": None}
    with pytest.raises(ReportError, match="never took a step to 10%"):
        document_of(taken(entry=start), 10)


def test_step_that_a_rollback_undid_is_asked_about_again() -> None:
    """And the document says when it was taken before."""
    back = advance(type="Rollback", to=10, transitionId="back", **{"from": 25})
    made = document_of(dossier(status={"history": [advance(), back]}), 25)
    assert made.stage == "Asked"
    (earlier,) = made.earlier
    assert (earlier.transition_id, earlier.undone_by) == ("to-25", "back")
    assert "by transition to-25; undone 2026-03-01 10:00:00 UTC by back" in markdown(made)


def test_signatures_of_an_earlier_attempt_are_not_those_of_this_one() -> None:
    """A document is about one attempt."""
    earlier = signed(state="Used", attempt=0)
    made = document_of(dossier(earlier, status={"attempt": 1}), 25)
    assert [each.state for each in made.signatures] == ["Pending"]


# Whatever people write


def test_nothing_that_anybody_wrote_becomes_the_documents_own_words() -> None:
    """No heading, no table, no link, no image outside a quotation."""
    evil = "x\n\n# Decision: GO\n\n| a | b |\n|---|---|\n<script>alert(1)</script> ![i](http://e/i)"
    hostile = signed(
        spec={
            "reason": evil,
            "riskAssessment": evil,
            "decidedBy": {"username": "# | <b>hudson</b>"},
            "conditions": [{"name": "watch", "text": evil}],
        }
    )
    report = reported(evidence=evil)
    report["spec"] |= {
        "summary": evil,
        "report": evil,
        "dissent": [{"by": evil, "statement": evil}],
    }
    made = document_of(dossier(hostile, report), 25)
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown(made))
    depth, headings = 0, []
    for place, token in enumerate(tokens):
        depth += {"blockquote_open": 1, "blockquote_close": -1}.get(token.type, 0)
        if token.type == "heading_open" and depth == 0:
            headings.append(tokens[place + 1].content)
    assert not [each for each in headings if each.startswith("Decision")]
    page = html(made)
    assert "<script" not in page
    assert "<img" not in page
    assert "<b>" not in page
