"""What makes an approval impossible, as far as the plan shows it."""

from typing import Any

import pytest

from surefoot.api.v1alpha1.checkpoint import CheckpointType
from surefoot.api.v1alpha1.rollout import ApprovalsPolicy, CheckpointPlan
from surefoot.domain.signoff.feasibility import SigningConstraints, signing_obstacles
from tests.support.world import a_checkpoint, a_role


def found(
    *roles: dict[str, Any], policy: dict[str, Any] | None = None, **constraints: Any
) -> list[str]:
    """The obstacles to a policy with these roles."""
    checkpoints = [
        CheckpointPlan.model_validate(each) for each in constraints.pop("checkpoints", [])
    ]
    signers = constraints.pop("signers", None)
    return list(
        signing_obstacles(
            ApprovalsPolicy.model_validate({"roles": list(roles)} | (policy or {})),
            SigningConstraints(
                planning=frozenset(constraints.pop("planning", ())),
                reporters={CheckpointType.REPORT: frozenset(constraints.pop("reporters", ()))},
                checkpoints=tuple(checkpoints),
                signers=None if signers is None else frozenset(signers),
            ),
        )
    )


SECURITY = a_role("security", "hudson")
REPORT = a_checkpoint("hour-48", "Hudson")


@pytest.mark.parametrize(
    ("role", "constraints", "why"),
    [
        (
            SECURITY,
            {"planning": ["hudson"]},
            "hudson requested this rollout or its attempt, or wrote its plan",
        ),
        (SECURITY, {"reporters": ["hudson"]}, "hudson reported on this step"),
        (SECURITY, {"checkpoints": [REPORT]}, "hudson is the only one to report on hour-48"),
        (
            SECURITY | {"signing": "Required"},
            {"signers": ["cora"]},
            "hudson has no key among the allowed signers",
        ),
        (a_role("security", "system:hudson"), {}, "'system:hudson' is not a person's name"),
    ],
)
def test_role_that_nobody_named_can_sign_for(
    role: dict[str, Any], constraints: dict[str, Any], why: str
) -> None:
    """Each reason in words; another user, or a group, makes it possible again."""
    assert found(role, **constraints) == [f"nobody can sign for security: {why}"]
    assert found(role | {"users": [*role["users"], "cora"]}, **constraints) == []
    assert found(role | {"groups": ["sec"]}, **constraints) == []


@pytest.mark.parametrize(
    ("role", "policy", "constraints"),
    [
        (SECURITY, {"separationOfDuties": "Off"}, {"planning": ["hudson"]}),
        (SECURITY | {"type": "CheckpointReport"}, {}, {"checkpoints": [REPORT]}),
        (SECURITY, {}, {"checkpoints": [a_checkpoint("hour-48", "hudson", "atlas")]}),
        (SECURITY, {}, {"checkpoints": [REPORT | {"type": "DecisionMeeting"}]}),
        (SECURITY | {"signing": "Required"}, {}, {"signers": None}),
        (SECURITY, {}, {"signers": []}),
    ],
    ids=["off", "reporter's role", "two reporters", "meeting", "not known", "not required"],
)
def test_no_obstacle_where_the_rule_does_not_bar(
    role: dict[str, Any], policy: dict[str, Any], constraints: dict[str, Any]
) -> None:
    """Exactly as when a signature is counted."""
    assert found(role, policy=policy, **constraints) == []


def test_two_roles_of_one_person() -> None:
    """Names that differ in case are one person."""
    roles = (a_role("security", "hudson"), a_role("lead", "Hudson"))
    (said,) = found(*roles)
    assert said == (
        "lead, security can be signed by hudson alone, and nobody signs for two roles: name "
        "somebody else for one of them"
    )


def test_three_roles_of_two_people_though_each_pair_would_do() -> None:
    """People are given to roles as well as can be before anything is said."""
    pair = ("ann", "bob")
    assert found(a_role("a", *pair), a_role("b", *pair), a_role("c", "ann", "cyn")) == []
    (said,) = found(a_role("a", *pair), a_role("b", *pair), a_role("c", *pair))
    assert said.startswith("a, b, c can be signed by ann, bob alone")


def test_quorum_that_can_not_be_met() -> None:
    """With how many can; what hinders no quorum is no obstacle."""
    roles = (a_role("a", "ann"), a_role("b", "ann"), a_role("c", "pat"))
    quorum = {"rule": "Quorum", "quorum": 2}
    assert found(*roles, policy=quorum) == []
    *_, last = found(*roles, policy=quorum, planning=["pat"])
    assert last == "the quorum of 2 can not be met: at most 1 of 3 roles can be signed"
