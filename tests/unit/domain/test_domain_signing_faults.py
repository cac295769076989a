"""A plan whose steps nobody can sign is not valid, and says why at once."""

from typing import Any

import pytest

from surefoot.domain.signoff.feasibility import signing_faults
from tests.support.world import World, a_checkpoint, a_role, a_rollout, minutes, steps_of


def faults(*, annotations: dict[str, str] | None = None, **spec: Any) -> list[str]:
    """What makes a plan of 10, 100 impossible to sign."""
    world = World(a_rollout(**{"steps": steps_of(10, 100)} | spec))
    world.annotate(**(annotations or {}))
    found = signing_faults(world.rollout)
    assert all(fault.reason == "NobodyCanSign" for fault in found)
    return [fault.message for fault in found]


def roles(*each: dict[str, Any], **policy: Any) -> dict[str, Any]:
    """A policy with these roles."""
    return {"roles": list(each), **policy}


def test_plan_whose_only_signer_wrote_it_is_a_fault() -> None:
    """Whatever letters the name is written in."""
    assert faults(
        approvals=roles(a_role("security", "hudson")), annotations={"authors": "thon,HUDSON"}
    ) == [
        (
            "the step from 10% to 100% cannot be approved: nobody can sign for security: hudson "
            "requested this rollout or its attempt, or wrote its plan; name somebody else"
        )
    ]


def test_quorum_larger_than_the_people_who_are_left_is_a_fault() -> None:
    """Two of two roles are needed, and one of them is the author's."""
    (message,) = faults(
        approvals=roles(
            a_role("security", "hudson"), a_role("owner", "thon"), rule="Quorum", quorum=2
        ),
        annotations={"requested_by": "thon"},
    )
    assert "the quorum of 2 cannot be met: at most 1 of 2 roles can be signed" in message


def test_two_roles_of_one_person_are_a_fault() -> None:
    """Nobody signs for two roles."""
    (message,) = faults(approvals=roles(a_role("a", "hudson"), a_role("b", "Hudson")))
    assert "a, b can be signed by hudson alone" in message


@pytest.mark.parametrize(
    "approvals",
    [
        roles(a_role("security", "hudson", "ivy")),
        roles({"name": "security", "groups": ["security"]}),
        roles(a_role("security", "hudson"), separationOfDuties="Off"),
        roles(a_role("security", "hudson"), a_role("owner", "ivy"), rule="Quorum", quorum=1),
    ],
)
def test_plan_that_somebody_can_sign_is_no_fault(approvals: dict[str, Any]) -> None:
    """Who is in a group only the API server knows."""
    assert faults(approvals=approvals, annotations={"authors": "hudson"}) == []


def test_only_steps_that_are_still_ahead_are_looked_at() -> None:
    """What was signed before does not need to be signed again."""
    world = World(
        a_rollout(
            steps=steps_of(10, 50, 100, first={"approvals": roles(a_role("security", "hudson"))})
        )
    )
    world.settle()
    world.sign("memory-sync-50-security", "hudson")
    world.settle()
    assert world.percent == 100
    world.annotate(authors="hudson")
    assert signing_faults(world.rollout) == ()


def test_meeting_that_nobody_can_decide_is_a_fault() -> None:
    """Who asked for the rollout does not decide whether a NO-GO stands."""
    meeting = a_checkpoint("board", "cora", type="DecisionMeeting")
    assert faults(
        steps=steps_of(10, 100, first={"checkpoints": [meeting]}),
        annotations={"requested_by": "cora"},
    ) == [
        (
            "checkpoint board at 10% cannot pass: cora requested this rollout or its attempt, or "
            "wrote its plan; name somebody else"
        )
    ]


def test_handoff_to_oneself_is_a_fault() -> None:
    """Nobody takes over from themselves."""
    handoff = a_checkpoint("night", "atlas", type="Handoff", receiver={"users": ["Atlas"]})
    assert faults(steps=steps_of(10, 100, first={"checkpoints": [handoff]})) == [
        (
            "checkpoint night at 10% cannot pass: atlas is the only one to report and to receive "
            "it; name somebody else"
        )
    ]


@pytest.mark.parametrize(
    "group",
    [
        "system:serviceaccounts",
        "system:serviceaccounts:agents",
        "system:nodes",
        "system:unauthenticated",
    ],
)
def test_group_that_has_no_people_signs_nothing(group: str) -> None:
    """Its members are programs, and what they say never counts."""
    asked = {"name": "security", "users": ["thon"], "groups": [group]}
    (message,) = faults(approvals=roles(asked), annotations={"authors": "thon"})
    assert message.endswith(f"wrote its plan; {group} has no people; name somebody else")
    people = {"users": [], "groups": [group]}
    handoff = a_checkpoint("night", "atlas", type="Handoff", receiver=people)
    meeting = {"name": "board", "reporter": people, "type": "DecisionMeeting"}
    for checkpoint, why in (
        (handoff, f"{group} has no people to receive it"),
        (meeting, f"{group} has no people"),
    ):
        (message,) = faults(steps=steps_of(10, 100, first={"checkpoints": [checkpoint]}))
        assert message.endswith(f"cannot pass: {why}; name somebody else")


def test_report_leaves_too_few_to_sign() -> None:
    """The one who gives it cannot sign, and every one of them is needed."""
    first = {"checkpoints": [a_checkpoint("hour-48", "atlas", "Cora")]}
    both = a_role("a", "atlas", "cora"), a_role("b", "atlas", "cora")
    for policy in (roles(*both), roles(a_role("a", "atlas"), a_role("b", "cora"))):
        assert faults(steps=steps_of(10, 100, first=first), approvals=policy) == [
            (
                "the step from 10% to 100% cannot be approved: one of atlas, cora reports on "
                "hour-48 and cannot sign, and too few are left; name somebody else"
            )
        ]


@pytest.mark.parametrize(
    ("reporters", "policy"),
    [
        (("atlas", "cora"), roles(a_role("a", "atlas", "cora"))),
        (("atlas", "cora"), roles(a_role("a", "atlas"), a_role("b", "cora"), quorum=1)),
        (("atlas", "ivy"), roles(a_role("a", "atlas"), a_role("b", "cora"))),
        (("atlas", "cora"), roles(a_role("a", "atlas"), {"name": "b", "groups": ["board"]})),
        (
            ("atlas", "cora"),
            roles(a_role("a", "atlas"), a_role("b", "cora", type="CheckpointReport")),
        ),
    ],
)
def test_report_that_leaves_enough_is_no_fault(
    reporters: tuple[str, ...], policy: dict[str, Any]
) -> None:
    """One of them reports, and the others sign."""
    policy = policy | ({"rule": "Quorum"} if "quorum" in policy else {})
    first = {"checkpoints": [a_checkpoint("hour-48", *reporters)]}
    assert faults(steps=steps_of(10, 100, first=first), approvals=policy) == []


def test_message_names_only_people_who_may_sign() -> None:
    """Neither who planned it nor who reported on the step."""
    first = {"checkpoints": [a_checkpoint("report", "atlas")]}
    world = World(
        a_rollout(
            steps=steps_of(10, 100, first=first),
            approvals=roles(a_role("security", "atlas", "Thon", "ivy"), opens="Step"),
        )
    )
    world.annotate(authors="thon")
    world.settle()
    world.sign("memory-sync-10-report", "atlas")
    world.settle()
    assert world.message("Approved") == "security must be signed by ivy"


def test_message_says_when_nobody_is_left_to_sign() -> None:
    """It does not name people who may not."""
    first = {"checkpoints": [a_checkpoint("report", "hudson", "atlas")]}
    world = World(
        a_rollout(
            steps=steps_of(10, 100, first=first),
            approvals=roles(a_role("security", "hudson"), opens="Step"),
        )
    )
    world.settle()
    world.now += minutes(1)
    world.sign("memory-sync-10-report", "hudson")
    world.settle()
    assert world.message("Approved") == (
        "security must be signed; none of its people may sign: hudson reported on this step"
    )


def test_plan_that_nobody_can_sign_is_not_valid_at_once() -> None:
    """Before it starts, with the reason; it starts once somebody else is named."""
    world = World(a_rollout(steps=steps_of(10, 100), approvals=roles(a_role("s", "hudson"))))
    world.annotate(authors="hudson")
    world.settle()
    assert (world.percent, world.condition("PlanValid")) == (None, ("False", "NobodyCanSign"))
    world.edit(approvals=roles(a_role("s", "hudson", "ivy")))
    world.settle()
    assert (world.percent, world.condition("PlanValid")[0]) == (10, "True")
