"""Who may sign: checked when the request is made, and again when the signature is counted."""

from typing import Any

import pytest

from surefoot.domain.facts.snapshot import Admission
from surefoot.domain.signoff.requests import folded
from tests.support.world import (
    START,
    World,
    a_checkpoint,
    a_role,
    a_rollout,
    hours,
    minutes,
    seconds,
    steps_of,
)

SECURITY = "memory-sync-100-security"
OWNER = "memory-sync-100-owner"
PLANNED_IT = "hudson requested this rollout or its attempt, or wrote its plan"


def asking(
    *roles: dict[str, Any], annotations: dict[str, str] | None = None, **policy: Any
) -> World:
    """A rollout at 10% that waits for these roles before 100%, with admission enforced."""
    world = World(
        a_rollout(steps=steps_of(10, 100), approvals={"roles": list(roles), **policy}),
        admission=Admission.ENFORCED,
    )
    world.annotate(**(annotations or {}))
    world.settle()
    return world


def void_reason(world: World, name: str = SECURITY) -> str | None:
    """Why a signature does not count, as written."""
    return world.approvals[name].status.void_reason


def not_a_persons(name: str) -> str:
    """What is said of a name that never signs."""
    return (
        f"{name!a} is not a person's name: it must be printable ASCII without spaces and commas, "
        "and not begin with system:"
    )


def test_who_raised_the_attempt_may_not_approve_it() -> None:
    """Nor any other who planned it; the request says so before anybody signs."""
    world = asking(a_role("security", "hudson", "ivy"))
    world.edit(attempt=1)
    world.annotate(attempt_by="Hudson")
    world.settle()
    name = f"{SECURITY}-r2"
    assert world.approvals[name].spec.request.excluded_users == ("Hudson",)
    world.sign(name, "hudson")
    world.settle()
    assert (world.percent, void_reason(world, name)) == (10, PLANNED_IT)


def test_who_raised_an_earlier_attempt_may_approve_the_next() -> None:
    """Only who asked for this one is excluded."""
    world = asking(a_role("security", "hudson", "ivy"), annotations={"attempt_by": "hudson"})
    world.edit(attempt=1)
    world.annotate(attempt_by="thon")
    world.settle()
    world.sign(f"{SECURITY}-r2", "hudson")
    world.settle()
    assert world.percent == 100


@pytest.mark.parametrize(
    "recorded",
    [
        {"requested_by": "HUDSON"},
        {"requested_by": "hud\u017fon"},
        {"on_behalf_of": "\uff28UDSON"},
        {"authors": "thon,Hudson"},
        {"authors": "Hudson"},
        {"on_behalf_of": "hUDSON"},
        {"attempt_by": "Hudson"},
    ],
)
def test_planner_who_is_recorded_after_signing_is_found_out(recorded: dict[str, str]) -> None:
    """The request did not exclude them yet; counting does, whatever the case of the letters."""
    world = asking(a_role("security", "hudson", "ivy"))
    world.annotate(**recorded)
    world.sign(SECURITY, "hudson")
    world.settle()
    assert (world.percent, void_reason(world)) == (10, PLANNED_IT)
    (excluded,) = world.approvals[f"{SECURITY}-r2"].spec.request.excluded_users[-1:]
    assert folded(excluded) in {"hudson", "thon"}


def test_approver_who_edits_the_plan_after_signing_is_an_author_from_then_on() -> None:
    """The signature is void with the plan, and the next one does not count either."""
    world = asking(a_role("security", "hudson", "ivy"), a_role("owner", "cora"))
    world.sign(SECURITY, "hudson")
    world.settle()
    world.edit(limits={"maxExpansionFactor": 90})
    world.annotate(requested_by="hudson", authors="thon,hudson", changed_by="hudson")
    world.settle()
    assert void_reason(world) == "the plan has changed"
    world.sign(f"{SECURITY}-r2", "hudson")
    world.settle()
    assert void_reason(world, f"{SECURITY}-r2") == PLANNED_IT
    assert world.approvals[f"{SECURITY}-r3"].spec.request.excluded_users == ("hudson", "thon")


def test_who_only_stopped_it_may_approve() -> None:
    """To pause or halt is not to plan."""
    world = asking(a_role("security", "hudson"), annotations={"changed_by": "hudson"})
    world.sign(SECURITY, "hudson")
    world.settle()
    assert world.percent == 100


@pytest.mark.parametrize(
    "name",
    ["huds\u043en", "hud son", "hudson ", "hud\u200bson", "hudson\n", "hudson,cora", "höhn", " "],
    ids=ascii,
)
def test_name_that_could_be_mistaken_for_another_never_counts(name: str) -> None:
    """Not even where the plan asks for it."""
    world = asking(a_role("security", name, "hudson"))
    world.sign(SECURITY, name)
    world.settle()
    assert (world.percent, void_reason(world)) == (
        10,
        not_a_persons(name),
    )


@pytest.mark.parametrize("name", ["system:serviceaccount:apps:deployer", "system:admin"])
def test_machine_never_signs(name: str) -> None:
    """A decision is a person's; a machine may at most carry it."""
    world = asking(a_role("security", name, "ivy"))
    world.sign(SECURITY, name)
    world.settle()
    assert (world.percent, world.states()[SECURITY]) == (10, "Void")


@pytest.mark.parametrize("name", ["hudson@example.org", "oidc:hudson", "a", "~!#$%&'*+-./:;<=>?@"])
def test_name_in_printable_ascii_counts(name: str) -> None:
    """As authenticators make them."""
    world = asking(a_role("security", name))
    world.sign(SECURITY, name)
    world.settle()
    assert world.percent == 100


@pytest.mark.parametrize("name", ["huds\u043en", "system:serviceaccount:apps:deployer"])
def test_report_by_no_person_does_not_count(name: str) -> None:
    """Reports are people's decisions too."""
    world = World(
        a_rollout(
            steps=steps_of(10, 100, first={"checkpoints": [a_checkpoint("report", name, "ivy")]})
        )
    )
    world.settle()
    world.sign("memory-sync-10-report", name)
    world.settle()
    void = world.checkpoints["memory-sync-10-report"].status.void_reason
    assert (world.percent, void) == (
        10,
        not_a_persons(name),
    )


def test_user_is_meant_exactly() -> None:
    """Other letters are another account, which may be another person's."""
    world = asking(a_role("security", "hudson"))
    world.sign(SECURITY, "Hudson")
    world.settle()
    assert void_reason(world) == "Hudson may not sign for this role"


def test_excluded_user_is_told_so() -> None:
    """By the request that was made, also where the annotations say nothing any more."""
    world = asking(a_role("security", "hudson", "ivy"), annotations={"authors": "Hudson"})
    world.annotate()
    world.sign(SECURITY, "hudson")
    world.settle()
    assert void_reason(world) == "hudson is excluded from signing for this role"


def test_member_of_a_group_is_known_by_admission_only() -> None:
    """It counts, and the evidence says whether admission was there to know."""
    world = asking(a_role("security", groups=["security"]))
    world.sign(SECURITY, "hudson")
    world.settle()
    (decision,) = world.status.history[1].evidence.decisions
    assert (world.percent, decision.by, decision.verified) == (100, "hudson", True)


def test_one_person_is_one_whatever_the_case_of_their_name() -> None:
    """Two roles need two people."""
    world = asking(a_role("security", "Hudson"), a_role("owner", "hudson", "ivy"))
    world.sign(OWNER, "hudson")
    world.settle()
    world.now += seconds(1)
    world.sign(SECURITY, "Hudson")
    world.settle()
    assert (world.percent, void_reason(world)) == (10, "Hudson already signs for owner")


def test_quorum_is_of_distinct_people() -> None:
    """One person with three hats is one."""
    roles = [a_role(name, "hudson", "ivy") for name in ("a", "b", "c")]
    world = asking(*roles, rule="Quorum", quorum=2)
    for name in ("a", "b", "c"):
        world.sign(f"memory-sync-100-{name}", "hudson")
    world.settle()
    assert (world.percent, world.states()["memory-sync-100-a"]) == (10, "Go")
    world.sign("memory-sync-100-b-r2", "ivy")
    world.settle()
    assert world.percent == 100


def test_signature_that_has_expired_takes_no_place_from_another() -> None:
    """Its person may sign for the other role."""
    world = asking(a_role("security", "hudson", "cora"), a_role("owner", "hudson"), maxAge="1h")
    world.sign(SECURITY, "hudson")
    world.settle()
    world.now += hours(1)
    world.sign(OWNER, "hudson")
    world.settle()
    assert (world.states()[SECURITY], world.states()[OWNER]) == ("Expired", "Go")


def test_signature_given_while_admission_was_not_enforced_does_not_count_afterwards() -> None:
    """Nobody knows whose it is; it is asked again."""
    world = asking(a_role("security", "hudson"))
    world.admission = Admission.NOT_ENFORCED
    world.sign(SECURITY, "hudson")
    world.settle()
    assert (world.percent, world.states()[SECURITY]) == (10, "Go")
    world.admission = Admission.ENFORCED
    world.settle()
    assert (world.percent, void_reason(world)) == (
        10,
        "it was given while admission was not enforced, so that nobody knows who gave it",
    )
    world.sign(f"{SECURITY}-r2", "hudson")
    world.settle()
    assert world.percent == 100


def test_signature_given_while_admission_was_unknown_is_put_on_record_once_it_is_known() -> None:
    """Right after the operator has started nobody loses their signature."""
    world = asking(a_role("security", "hudson"))
    world.admission = Admission.UNKNOWN
    world.sign(SECURITY, "hudson")
    world.settle()
    assert (world.percent, world.approvals[SECURITY].status.decisions) == (10, ())
    world.admission = Admission.ENFORCED
    world.settle()
    (decision,) = world.status.history[1].evidence.decisions
    assert (world.percent, decision.verified) == (100, True)


def test_unknown_admission_does_not_keep_the_record_of_others() -> None:
    """Only what is new has to wait."""
    world = asking(a_role("security", "hudson"), a_role("owner", "cora"), maxAge="1h")
    world.sign(SECURITY, "hudson")
    world.settle()
    world.admission = Admission.UNKNOWN
    world.now += hours(1)
    world.settle()
    assert world.states()[SECURITY] == "Expired"


def test_age_counts_from_the_moment_first_seen_and_not_from_the_last_look() -> None:
    """A patch of something else does not make a signature younger."""
    world = asking(a_role("security", "hudson"), a_role("owner", "cora"), maxAge="1h")
    world.now += minutes(10)
    world.sign(SECURITY, "hudson")
    world.settle()
    world.run(minutes(30))
    assert world.role("security").decided_at == START + minutes(10)
    assert world.role("security").expires_at == START + minutes(70)


def test_decision_in_other_words_is_another_decision() -> None:
    """Its age begins again, and so does what came before it."""
    world = asking(a_role("security", "hudson"), a_role("owner", "cora"), maxAge="1h")
    world.sign(SECURITY, "hudson")
    world.settle()
    world.now += minutes(30)
    world.sign(SECURITY, "hudson", reason="looked again")
    world.settle()
    assert world.role("security").expires_at == START + minutes(90)


def test_void_stays_void_when_its_cause_is_gone() -> None:
    """What was written as final is final; the new round is what counts."""
    world = asking(a_role("security", "hudson", "ivy"))
    world.annotate(authors="hudson")
    world.sign(SECURITY, "hudson")
    world.settle()
    world.annotate()
    world.sign(SECURITY, "hudson", reason="again")
    world.run(hours(1))
    assert (world.percent, world.states()[SECURITY]) == (10, "Void")
    assert void_reason(world) == PLANNED_IT


def test_expired_stays_expired_when_it_is_signed_again() -> None:
    """Its new round is asked."""
    world = asking(a_role("security", "hudson"), a_role("owner", "cora"), maxAge="1h")
    world.sign(SECURITY, "hudson")
    world.settle()
    world.now += hours(1)
    world.settle()
    world.sign(SECURITY, "hudson", reason="still fine")
    world.sign(OWNER, "cora")
    world.settle()
    assert (world.percent, world.states()) == (
        10,
        {SECURITY: "Expired", OWNER: "Go", f"{SECURITY}-r2": "Pending"},
    )


def test_go_is_withdrawn_until_the_moment_it_is_used() -> None:
    """Withdrawn and given by the last one in the same moment, nothing moves."""
    world = asking(a_role("security", "hudson"), a_role("owner", "cora"))
    world.sign(SECURITY, "hudson")
    world.settle()
    world.now += minutes(1)
    world.sign(SECURITY, "hudson", decision="NO-GO", reason="wait")
    world.sign(OWNER, "cora")
    world.settle()
    assert world.percent == 10
    assert world.states() == {
        SECURITY: "NoGo",
        OWNER: "Go",
        "memory-sync-10-conflict": "Pending",
    }


def test_announcement_says_that_names_are_verified_no_longer_and_again() -> None:
    """Once each, however often it is looked."""
    world = asking(a_role("security", "hudson"))
    for admission in (Admission.NOT_ENFORCED, Admission.UNKNOWN, Admission.ENFORCED):
        world.admission, world.admission_fault = admission, "policy surefoot-status is not there"
        world.run(hours(1))
    said = [a for a in world.announcements if a.reason.startswith("Admission")]
    assert [(a.reason, a.warning) for a in said] == [
        ("AdmissionNotEnforced", True),
        ("AdmissionEnforced", False),
    ]
    assert said[0].message == (
        "the admission policies are not in force: policy surefoot-status is not there"
    )
    assert said[1].message == "signatures are verified by admission"


def test_administrator_who_turns_admission_off_is_announced() -> None:
    """It does not block, and it is news all the same."""
    world = asking(a_role("security", "hudson"))
    world.admission = Admission.UNENFORCED
    world.settle()
    assert [(a.reason, a.warning) for a in world.announcements[-1:]] == [
        ("AdmissionNotEnforced", True)
    ]


@pytest.mark.parametrize("admission", list(Admission))
def test_first_status_announces_nothing_about_admission(admission: Admission) -> None:
    """Nothing has changed."""
    world = World(a_rollout(), admission=admission)
    world.settle()
    assert [a for a in world.announcements if a.reason.startswith("Admission")] == []
