"""Approvals: signatures by role, what voids them, and that a NO-GO holds."""

from typing import Any

import pytest

from surefoot.domain.facts.snapshot import Admission
from tests.support.world import (
    START,
    World,
    a_checkpoint,
    a_metric,
    a_role,
    a_rollout,
    hours,
    minutes,
    steps_of,
)

SECURITY = "memory-sync-100-security"
OWNER = "memory-sync-100-owner"
IN_CONFLICT = [("Approved", "NoGo"), ("Approved", "AwaitingMeeting")]
"""A NO-GO stands against the GO of others: only its signer or a meeting lifts it."""


def signing(*roles: dict[str, Any], **changes: Any) -> World:
    """A rollout at 10% that waits for these roles before 100%."""
    spec = changes.pop("spec", {})
    annotations = changes.pop("annotations", {})
    world = World(
        a_rollout(
            **{"steps": steps_of(10, 100), "approvals": {"roles": list(roles), **changes}} | spec
        )
    )
    world.annotate(**annotations)
    world.settle()
    return world


def two_roles(**changes: Any) -> World:
    """Security by hudson, owner by cora."""
    return signing(a_role("security", "hudson"), a_role("owner", "cora"), **changes)


def test_request_is_bound_to_what_it_asks_for() -> None:
    """Rollout UID, plan, attempt, round, step, from, to, role and purpose."""
    world = signing(
        a_role(
            "security",
            "hudson",
            type="SecurityReview",
            groups=["sec"],
            requiredSections=["riskAssessment"],
            signing="Required",
        ),
        annotations={"requested_by": "ada", "authors": "bo, cy,ada", "attempt_by": "di"},
    )
    assert world.approvals[SECURITY].spec.request.to_wire() == {
        "rollout": {"name": "memory-sync", "uid": "uid-memory-sync"},
        "planHash": world.status.plan_hash,
        "attempt": 0,
        "round": 1,
        "step": 0,
        "from": 10,
        "to": 100,
        "role": "security",
        "type": "SecurityReview",
        "purpose": "Advance",
        "users": ["hudson"],
        "groups": ["sec"],
        "excludedUsers": ["ada", "bo", "cy", "di"],
        "requiredSections": ["riskAssessment"],
        "signing": "Required",
        "requestedBy": "ada",
        "evidence": "",
    }


@pytest.mark.parametrize(
    ("annotations", "excluded"),
    [
        ({"on_behalf_of": "x" * 257, "authors": "ada"}, ["ada"]),
        ({"requested_by": "x" * 300, "attempt_by": "y" * 256}, ["y" * 256]),
        ({"authors": "z" * 100_000}, []),
    ],
    ids=["on behalf of", "requester", "author"],
)
def test_a_name_that_no_decision_can_carry_keeps_nobody_from_being_asked(
    annotations: dict[str, str], excluded: list[str]
) -> None:
    """The schema has no room for it, and nobody of such a name can sign."""
    world = signing(a_role("security", "hudson"), annotations=annotations)
    assert list(world.approvals[SECURITY].spec.request.excluded_users) == excluded
    assert world.status.requested_by is not None


def test_more_authors_than_a_request_can_exclude_do_not_sign() -> None:
    """Those who are asked by name are excluded first; a signature of any other is refused too."""
    authors = [f"a{number:03}" for number in range(400)]
    world = signing(
        a_role("security", "a399", groups=["sec"]), annotations={"authors": ",".join(authors)}
    )
    excluded = world.approvals[SECURITY].spec.request.excluded_users
    assert len(excluded) == 256
    assert "a399" in excluded
    assert "a300" not in excluded
    world.sign(SECURITY, "a300")
    world.settle()
    assert world.percent == 10
    assert "wrote its plan" in world.role("security").message


@pytest.mark.parametrize(
    ("role", "command"),
    [
        (
            {"requiredSections": ["riskAssessment", "securityStatus"]},
            (
                "kubectl patch approvals.surefoot.dev memory-sync-100-security -n agents "
                '--type=merge -p \'{"spec":{"decision":"GO","reason":"…","riskAssessment":"…",'
                '"securityStatus":"…"}}\''
            ),
        ),
        (
            {"signing": "Required", "requiredSections": ["riskAssessment"]},
            (
                "surefoot sign memory-sync-100-security -n agents --decision GO "
                '--reason "…" --risk-assessment "…"'
            ),
        ),
    ],
)
def test_command_has_all_that_the_role_asks_for(role: dict[str, object], command: str) -> None:
    """Nobody finds out by a refusal what else had to be said."""
    roles = [a_role("security", "hudson") | role]
    world = World(a_rollout(steps=steps_of(10, 100), approvals={"roles": roles}))
    world.settle()
    assert [blocker.command for blocker in world.status.blocked_by] == [command]


def test_all_roles_must_sign() -> None:
    """Rule All; each missing one is named with its command."""
    world = two_roles()
    assert [(b.reason, b.message, b.command) for b in world.status.blocked_by] == [
        (
            "AwaitingApproval",
            "security must be signed by hudson",
            (
                "kubectl patch approvals.surefoot.dev memory-sync-100-security -n agents "
                '--type=merge -p \'{"spec":{"decision":"GO","reason":"…"}}\''
            ),
        ),
        (
            "AwaitingApproval",
            "owner must be signed by cora",
            (
                "kubectl patch approvals.surefoot.dev memory-sync-100-owner -n agents --type=merge "
                '-p \'{"spec":{"decision":"GO","reason":"…"}}\''
            ),
        ),
    ]
    world.sign(SECURITY, "hudson")
    world.settle()
    assert (world.percent, world.status.waiting_on) == (10, "owner (cora)")
    world.sign(OWNER, "cora")
    world.settle()
    assert (world.percent, world.status.history[1].by) == (100, ("security: hudson", "owner: cora"))
    assert world.status.history[1].message == (
        "security by hudson, owner by cora; names are not verified, as admission is not enforced"
    )
    assert world.states() == {SECURITY: "Used", OWNER: "Used"}


def test_quorum_of_roles_is_enough() -> None:
    """Two of three."""
    world = signing(a_role("a", "a"), a_role("b", "b"), a_role("c", "c"), rule="Quorum", quorum=2)
    world.sign("memory-sync-100-a", "a")
    world.settle()
    assert world.percent == 10
    world.sign("memory-sync-100-c", "c")
    world.settle()
    assert world.percent == 100
    assert world.states() == {
        "memory-sync-100-a": "Used",
        "memory-sync-100-b": "Void",
        "memory-sync-100-c": "Used",
    }
    void = world.approvals["memory-sync-100-b"].status.void_reason
    assert void == "the step was left without it"


def test_quorum_does_not_outvote_a_no_go() -> None:
    """Two GOs and one NO-GO hold, though the quorum is two."""
    world = signing(a_role("a", "a"), a_role("b", "b"), a_role("c", "c"), rule="Quorum", quorum=2)
    world.sign("memory-sync-100-c", "c", decision="NO-GO", reason="no")
    world.settle()
    world.sign("memory-sync-100-a", "a")
    world.sign("memory-sync-100-b", "b")
    world.run(hours(1))
    assert (world.percent, world.blockers()) == (10, IN_CONFLICT)
    assert world.message("Approved") == (
        "c is NO-GO by c: no; it holds until its signer decides again; GO stands "
        "against NO-GO: a, b, c must hold a meeting"
    )
    assert world.condition("Stalled") == ("True", "AwaitingApproval")


def test_go_may_be_withdrawn_until_it_is_used() -> None:
    """To NO-GO, which then holds."""
    world = two_roles()
    world.sign(SECURITY, "hudson")
    world.settle()
    world.now += minutes(1)
    world.sign(SECURITY, "hudson", decision="NO-GO", reason="found something")
    world.sign(OWNER, "cora")
    world.run(hours(1))
    assert (world.percent, world.states()[SECURITY]) == (10, "NoGo")


def test_no_go_is_lifted_by_its_signer() -> None:
    """By deciding again."""
    world = signing(a_role("security", "hudson"))
    world.sign(SECURITY, "hudson", decision="NO-GO", reason="no")
    world.settle()
    world.now += minutes(1)
    world.sign(SECURITY, "hudson", reason="mended")
    world.settle()
    assert world.percent == 100


def test_no_go_is_not_lifted_by_another_signer_of_the_role() -> None:
    """Not on the same request either."""
    world = signing(a_role("security", "hudson", "ivy"))
    world.sign(SECURITY, "hudson", decision="NO-GO", reason="no")
    world.settle()
    world.now += minutes(1)
    world.sign(SECURITY, "ivy", reason="I do not mind")
    world.run(hours(1))
    assert (world.percent, world.blockers()) == (10, IN_CONFLICT)
    world.sign(SECURITY, "hudson", reason="neither do I")
    world.settle()
    assert world.percent == 100


@pytest.mark.parametrize("change", [{"attempt": 1}, {"hold": {"soak": "1s"}}])
def test_no_go_is_not_laundered_by_a_new_round(change: dict[str, Any]) -> None:
    """A new plan or attempt asks again; the NO-GO stands."""
    world = signing(a_role("security", "hudson", "ivy"))
    world.sign(SECURITY, "hudson", decision="NO-GO", reason="no")
    world.settle()
    world.edit(**change)
    world.run(minutes(1))
    assert world.states() == {SECURITY: "Void", f"{SECURITY}-r2": "Pending"}
    world.sign(f"{SECURITY}-r2", "ivy")
    world.run(minutes(1))
    assert (world.percent, world.blockers()) == (10, IN_CONFLICT)
    assert world.status.blocked_by[0].command == (
        "kubectl patch approvals.surefoot.dev memory-sync-100-security -n agents --type=merge "
        '-p \'{"spec":{"decision":"GO","reason":"…"}}\''
    )
    world.sign(SECURITY, "hudson", reason="mended")
    world.settle()
    assert world.percent == 100


def test_no_go_of_a_role_that_the_plan_no_longer_has_holds() -> None:
    """Removing the role does not take back its word."""
    world = two_roles()
    world.sign(SECURITY, "hudson", decision="NO-GO", reason="no")
    world.settle()
    world.edit(approvals=None)
    world.run(hours(1))
    assert (world.percent, world.blockers()) == (10, [("Approved", "NoGo")])
    world.sign(SECURITY, "hudson", reason="mended")
    world.settle()
    assert world.percent == 100


def test_no_go_can_not_be_pushed_out_by_deciding_often() -> None:
    """Of many decisions on one request the bound drops what was replaced, then GOs."""
    world = signing(a_role("security", "hudson", *(f"user-{i}" for i in range(25))))
    world.sign(SECURITY, "hudson", decision="NO-GO", reason="no")
    world.settle()
    for i in range(25):
        world.now += minutes(1)
        world.sign(SECURITY, f"user-{i}")
        world.settle()
    assert len(world.approvals[SECURITY].status.decisions) == 16
    assert (world.percent, world.blockers()) == (10, IN_CONFLICT)


def test_of_many_decisions_those_that_were_replaced_go_first() -> None:
    """A signer's last word is worth more than the word before."""
    world = signing(a_role("security", "hudson", "ivy"), a_role("never", "n"))
    world.sign(SECURITY, "ivy", reason="mine")
    world.settle()
    for i in range(20):
        world.now += minutes(1)
        world.sign(SECURITY, "hudson", reason=f"{i}")
        world.settle()
    decisions = world.approvals[SECURITY].status.decisions
    assert [d.reason for d in decisions] == ["mine", *(str(i) for i in range(5, 20))]


def test_no_go_to_one_target_does_not_hold_another() -> None:
    """It is about rollout, role and target."""
    world = signing(a_role("security", "h"), spec={"steps": steps_of(10, 50, 100)})
    world.sign("memory-sync-50-security", "h")
    world.settle()
    assert world.percent == 50
    world.edit(rollback={"to": 10})
    world.settle()
    world.edit(rollback=None, attempt=1)
    world.settle()
    assert world.states()["memory-sync-50-security-r2"] == "Pending"
    world.now += minutes(1)
    world.sign("memory-sync-100-security", "h", decision="NO-GO", reason="not that far")
    world.sign("memory-sync-50-security-r2", "h")
    world.settle()
    assert world.percent == 50


def test_go_counts_for_max_age() -> None:
    """From when the operator first saw it."""
    world = two_roles(maxAge="1h")
    world.now += minutes(5)
    world.sign(SECURITY, "hudson")
    world.settle()
    status = world.approvals[SECURITY].status
    assert (status.decided_at, status.expires_at) == (
        START + minutes(5),
        START + minutes(65),
    )
    world.run(minutes(59.5))
    assert world.states()[SECURITY] == "Go"
    world.run(minutes(0.5))
    assert world.states() == {SECURITY: "Expired", OWNER: "Pending", f"{SECURITY}-r2": "Pending"}


def test_expired_approval_does_not_open_the_gate() -> None:
    """Not even where the other signature comes in the same moment."""
    world = two_roles(maxAge="1h")
    world.sign(SECURITY, "hudson")
    world.settle()
    world.now += hours(1)
    world.sign(OWNER, "cora")
    world.settle()
    assert (world.percent, world.blockers()) == (10, [("Approved", "AwaitingApproval")])
    world.sign(f"{SECURITY}-r2", "hudson")
    world.settle()
    assert world.percent == 100


def test_approval_that_may_have_expired_by_the_servers_clock_does_not_count() -> None:
    """What ends with time ends by the later bound."""
    world = two_roles(maxAge="1h")
    world.sign(SECURITY, "hudson")
    world.settle()
    world.uncertainty = minutes(1)
    world.now += minutes(59)
    world.sign(OWNER, "cora")
    world.settle()
    assert world.states()[SECURITY] == "Expired"


def test_plan_wakes_up_when_the_first_go_expires() -> None:
    """Expiry is a matter of time alone."""
    world = two_roles(maxAge="3m")
    world.sign(SECURITY, "hudson")
    assert world.settle().requeue_after == minutes(3)


def test_expired_is_announced_as_what_is_missing() -> None:
    """Until the new round is opened."""
    world = two_roles(maxAge="1h")
    world.sign(SECURITY, "hudson")
    world.settle()
    world.now += hours(1)
    status = world.decide().status
    assert next((b.reason, b.message) for b in status.blocked_by) == (
        "ApprovalExpired",
        "security must be signed by hudson again: the earlier GO has expired",
    )


def test_approvals_are_asked_for_once_the_hold_is_satisfied() -> None:
    """`opens: AfterHold`."""
    world = signing(
        a_role("security", "hudson"),
        spec={
            "steps": steps_of(
                10, 100, first={"soak": "1h", "checkpoints": [a_checkpoint("r", "a")]}
            )
        },
    )
    assert (world.approvals, world.blockers()[-1]) == ({}, ("Approved", "AwaitingApproval"))
    assert world.message("Approved") == (
        "security must be signed by hudson, once soak, baseline and checkpoints hold"
    )
    world.run(hours(1))
    assert world.approvals == {}
    world.sign("memory-sync-10-r", "a")
    world.settle()
    assert list(world.approvals) == [SECURITY]


def test_approvals_are_asked_for_at_once_where_the_plan_says_so() -> None:
    """`opens: Step`."""
    world = signing(
        a_role("security", "hudson"),
        opens="Step",
        spec={"steps": steps_of(10, 100, first={"soak": "1h"})},
    )
    assert list(world.approvals) == [SECURITY]


def test_decision_given_while_the_operator_was_down_counts_from_creation() -> None:
    """It may have been given as early as that."""
    world = two_roles(maxAge="1h")
    world.skip(minutes(50))
    world.sign(SECURITY, "hudson")
    world.settle()
    assert world.approvals[SECURITY].status.decided_at == START


def test_changed_plan_voids_approvals() -> None:
    """kargo #2365: an approval must not outlive a change of what it was given for."""
    world = two_roles()
    world.sign(SECURITY, "hudson")
    world.settle()
    world.edit(hold={"soak": "1s"})
    world.run(minutes(1))
    assert world.states() == {
        SECURITY: "Void",
        OWNER: "Void",
        f"{SECURITY}-r2": "Pending",
        f"{OWNER}-r2": "Pending",
    }
    assert world.approvals[SECURITY].status.void_reason == "the plan has changed"
    assert world.approvals[f"{SECURITY}-r2"].spec.request.round == 2


def test_raised_attempt_voids_approvals() -> None:
    """They are for the attempt that they were asked in."""
    world = two_roles()
    world.sign(SECURITY, "hudson")
    world.settle()
    world.edit(attempt=1)
    world.settle()
    assert world.approvals[SECURITY].status.void_reason == "attempt 1 has begun"


def test_rollback_voids_what_was_asked_above() -> None:
    """The attempt has ended."""
    world = two_roles()
    world.sign(SECURITY, "hudson")
    world.settle()
    world.edit(rollback={"to": 0})
    world.settle()
    assert world.states() == {SECURITY: "Void", OWNER: "Void"}
    assert world.approvals[SECURITY].status.void_reason == "a rollback ended the attempt"


def test_used_approval_never_changes() -> None:
    """Whatever happens afterwards."""
    world = signing(a_role("security", "hudson"))
    world.sign(SECURITY, "hudson")
    world.settle()
    used = world.approvals[SECURITY]
    world.edit(rollback={"to": 10}, attempt=2)
    world.run(hours(1))
    assert world.approvals[SECURITY] == used


def test_requester_and_authors_may_not_sign() -> None:
    """Separation of duties is Required by default; case does not matter."""
    for author in ("ada", "bo", "cy", "dee"):
        world = signing(
            a_role("security", "Ada", "Bo", "Cy", "Dee", "Eve"),
            annotations={"requested_by": "ada", "authors": "bo,cy", "on_behalf_of": "dee"},
        )
        world.sign(SECURITY, author.capitalize())
        world.settle()
        assert world.states() == {SECURITY: "Void", f"{SECURITY}-r2": "Pending"}
        assert world.percent == 10


def test_author_found_out_later_may_not_have_signed() -> None:
    """Who changed the plan is known only after the request was opened."""
    world = signing(a_role("security", "hudson", "ivy"), a_role("owner", "cora"))
    world.sign(SECURITY, "hudson")
    world.settle()
    world.annotate(authors="hudson")
    world.settle()
    assert world.approvals[SECURITY].status.void_reason == (
        "hudson requested this rollout or its attempt, or wrote its plan"
    )


def test_separation_of_duties_can_be_off() -> None:
    """Then requester, author and reporter may sign."""
    world = signing(
        a_role("security", "ada"),
        separationOfDuties="Off",
        annotations={"requested_by": "ada"},
        spec={"steps": steps_of(10, 100, first={"checkpoints": [a_checkpoint("r", "ada")]})},
    )
    world.sign("memory-sync-10-r", "ada")
    world.settle()
    assert world.approvals[SECURITY].spec.request.excluded_users == ()
    world.sign(SECURITY, "ada")
    world.settle()
    assert world.percent == 100


def test_reporter_of_the_step_may_not_sign_for_it() -> None:
    """Known from the report, no matter who reports."""
    world = signing(
        a_role("security", "atlas", "hudson"),
        opens="Step",
        spec={"steps": steps_of(10, 100, first={"checkpoints": [a_checkpoint("r", "atlas")]})},
    )
    world.sign(SECURITY, "atlas")
    world.settle()
    assert world.states()[SECURITY] == "Go"
    world.sign("memory-sync-10-r", "atlas")
    world.settle()
    assert world.approvals[SECURITY].status.void_reason == "atlas reported on this step"
    assert world.approvals[f"{SECURITY}-r2"].spec.request.excluded_users == ("atlas",)


def test_whoever_did_the_work_hands_it_over_and_says_that_it_is_ready() -> None:
    """A handoff is no report for the role of the implementers; for every other role it is."""
    handoff = {**a_checkpoint("r", "thon"), "type": "Handoff", "receiver": {"users": ["cora"]}}
    roles = [
        {"name": "ready", "type": "ImplementationReadiness", "users": ["thon"]},
        {"name": "lead", "users": ["thon", "cora"]},
    ]
    world = World(
        a_rollout(
            steps=steps_of(10, 100, first={"checkpoints": [handoff]}),
            approvals={"opens": "Step", "roles": roles},
        )
    )
    world.settle()
    world.sign("memory-sync-10-r", "thon", requiredAction="watch it")
    world.settle()
    world.sign("memory-sync-100-ready", "thon")
    world.settle()
    assert world.states()["memory-sync-100-ready"] == "Go"
    world.sign("memory-sync-100-lead", "thon")
    world.settle()
    void = world.approvals["memory-sync-100-lead"].status.void_reason
    assert void == "thon reported on this step"


def test_whoever_reported_before_another_did_may_not_sign_either() -> None:
    """Both have reported on the step."""
    world = signing(
        a_role("security", "atlas", "hudson"),
        spec={
            "steps": steps_of(10, 100, first={"checkpoints": [a_checkpoint("r", "atlas", "bo")]})
        },
    )
    world.sign("memory-sync-10-r", "atlas")
    world.settle()
    world.now += minutes(1)
    world.sign("memory-sync-10-r", "bo")
    world.settle()
    world.now += minutes(1)
    world.sign(f"{SECURITY}", "atlas")
    world.settle()
    assert (world.percent, world.states()[SECURITY]) == (10, "Void")


def test_role_of_type_checkpoint_report_may_be_the_reporter() -> None:
    """It is what the role is about."""
    world = signing(
        a_role("security", "atlas", type="CheckpointReport"),
        spec={"steps": steps_of(10, 100, first={"checkpoints": [a_checkpoint("r", "atlas")]})},
    )
    world.sign("memory-sync-10-r", "atlas")
    world.settle()
    world.sign(SECURITY, "atlas")
    world.settle()
    assert world.percent == 100


def test_one_person_never_fills_two_roles() -> None:
    """Of two roles the earlier counts; the other is asked again."""
    world = signing(a_role("security", "ada", "bo"), a_role("owner", "ada", "bo"))
    world.sign(OWNER, "ada")
    world.settle()
    world.now += minutes(1)
    world.sign(SECURITY, "ada")
    world.settle()
    assert world.states() == {
        OWNER: "Go",
        SECURITY: "Void",
        f"{SECURITY}-r2": "Pending",
    }
    assert world.approvals[SECURITY].status.void_reason == "ada already signs for owner"
    world.sign(f"{SECURITY}-r2", "bo")
    world.settle()
    assert world.percent == 100


def test_two_roles_signed_in_the_same_moment_by_one_person_are_one() -> None:
    """The first by name counts."""
    world = signing(a_role("security", "ada"), a_role("owner", "ada", "bo"))
    world.sign(OWNER, "ada")
    world.sign(SECURITY, "ada")
    world.settle()
    assert (world.percent, world.states()[OWNER], world.states()[SECURITY]) == (10, "Go", "Void")


def test_signature_of_somebody_not_asked_is_void() -> None:
    """No longer eligible, or never."""
    world = signing(a_role("security", "hudson"))
    world.sign(SECURITY, "mallory")
    world.settle()
    assert (world.percent, world.states()[SECURITY]) == (10, "Void")
    assert world.approvals[SECURITY].status.void_reason == "mallory may not sign for this role"


def test_no_go_of_somebody_not_asked_holds_nothing() -> None:
    """It is no signature at all."""
    world = signing(a_role("security", "hudson"))
    world.sign(SECURITY, "mallory", decision="NO-GO", reason="ha")
    world.settle()
    world.sign(f"{SECURITY}-r2", "hudson")
    world.settle()
    assert world.percent == 100


def test_evidence_says_whether_admission_verified_the_signer() -> None:
    """The operator never trusts a name by itself."""
    for admission, verified in ((Admission.ENFORCED, True), (Admission.UNENFORCED, False)):
        world = signing(a_role("security", "hudson"))
        world.admission = admission
        world.sign(SECURITY, "hudson")
        world.settle()
        (decision,) = world.status.history[1].evidence.decisions
        assert (decision.verified, decision.by) == (verified, "hudson")
        assert world.status.history[1].evidence.admission == admission.value


def test_approvals_of_an_earlier_rollout_of_the_same_name_count_nothing() -> None:
    """Bound to the UID."""
    world = signing(a_role("security", "hudson"))
    world.sign(SECURITY, "hudson")
    spec = world.approvals[SECURITY].spec
    old = spec.request.model_copy(
        update={"rollout": spec.request.rollout.model_copy(update={"uid": "before"})}
    )
    world.approvals[SECURITY] = world.approvals[SECURITY].model_copy(
        update={"spec": spec.model_copy(update={"request": old})}
    )
    world.settle()
    assert (world.percent, world.states()[f"{SECURITY}-r2"]) == (10, "Pending")
    assert world.states()[SECURITY] == "Pending"


def test_approval_for_another_step_counts_nothing() -> None:
    """Bound to the step it is from."""
    world = signing(a_role("security", "h"), spec={"steps": steps_of(10, 50, 100)})
    world.sign("memory-sync-50-security", "h")
    world.settle()
    assert (world.percent, world.states()["memory-sync-100-security"]) == (50, "Pending")


def test_step_approvals_replace_the_common_ones_as_a_whole() -> None:
    """The step's own role is asked, with the step's own rule."""
    steps = steps_of(10, 100, first={"approvals": {"roles": [a_role("lead", "l")]}})
    world = signing(a_role("security", "hudson"), spec={"steps": steps})
    assert list(world.approvals) == ["memory-sync-100-lead"]


def test_deleted_request_is_asked_again() -> None:
    """Nobody gets rid of a question by deleting it."""
    world = signing(a_role("security", "hudson"))
    del world.approvals[SECURITY]
    world.settle()
    assert world.states() == {SECURITY: "Pending"}


def test_group_may_be_asked() -> None:
    """It is named as one."""
    world = signing(a_role("security", groups=["sec"]))
    assert world.status.waiting_on == "security (group sec)"


def test_plan_without_metrics_or_people_opens_nothing() -> None:
    """Not even where metrics are there for later."""
    world = World(a_rollout(metrics=[a_metric()]))
    world.settle()
    assert (world.states(), world.status.phase) == ({}, "Completed")


def test_signatures_beyond_the_quorum_are_not_missing() -> None:
    """Where a NO-GO holds, only that is what holds."""
    roles = [a_role(name, name) for name in "abcd"]
    world = signing(*roles, rule="Quorum", quorum=2)
    world.sign("memory-sync-100-c", "c", decision="NO-GO", reason="no")
    world.settle()
    world.sign("memory-sync-100-a", "a")
    world.settle()
    assert [b.message.split()[0] for b in world.status.blocked_by] == ["c", "b", "d"]
    world.sign("memory-sync-100-b", "b")
    world.settle()
    assert [b.message.split()[0] for b in world.status.blocked_by] == ["c", "GO"]
