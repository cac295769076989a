"""Requests are opened whatever the annotations of a Rollout say, and judged by all of them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.domain.facts.snapshot import Admission
from tests.support.world import World, a_checkpoint, a_role, a_rollout, steps_of

ODD = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["x" * 257, "x" * 300_000, "é" * 256, "\x1f", " ", ",", "system:admin"]),
)
MANY = st.integers(0, 3000).map(lambda number: ",".join(f"user{i:04}" for i in range(number)))
PLAN: dict[str, Any] = {
    "steps": steps_of(
        10,
        100,
        first={
            "checkpoints": [
                a_checkpoint("report", "atlas"),
                a_checkpoint("board", "cora", "thon", type="DecisionMeeting"),
            ]
        },
    ),
    "approvals": {
        "opens": "Step",
        "roles": [
            a_role("security", "hudson", "zoe"),
            {"name": "owner", "groups": ["owners"]},
        ],
    },
}


def asking(**annotations: str) -> World:
    """A rollout at 10% that has asked everybody."""
    world = World(a_rollout(**PLAN), admission=Admission.ENFORCED)
    world.annotate(**annotations)
    world.settle()
    return world


@settings(max_examples=40, deadline=None)
@given(on_behalf_of=ODD, requested_by=ODD, attempt_by=ODD, authors=st.one_of(ODD, MANY))
def test_requests_are_opened_whatever_the_annotations_say(
    on_behalf_of: str, requested_by: str, attempt_by: str, authors: str
) -> None:
    """No name is too long, too odd or one too many."""
    world = asking(
        on_behalf_of=on_behalf_of,
        requested_by=requested_by,
        attempt_by=attempt_by,
        authors=authors,
    )
    assert {"memory-sync-100-security", "memory-sync-100-owner", "memory-sync-10-report"} <= {
        *world.states()
    }


def test_names_of_those_who_could_sign_are_kept_in_the_request() -> None:
    """Among thousands of authors it is they whom admission must refuse."""
    others = ",".join(f"user{number:04}" for number in range(3000))
    world = asking(authors=f"{others},Zoe,{'x' * 300},thon")
    excluded = world.approvals["memory-sync-100-security"].spec.request.excluded_users
    assert len(excluded) == 256
    assert "Zoe" in excluded
    assert "thon" in world.checkpoints["memory-sync-10-board"].spec.request.excluded_users


def test_author_who_did_not_fit_in_the_request_still_does_not_sign() -> None:
    """The operator counts by the whole list."""
    others = ",".join(f"user{number:04}" for number in range(3000))
    world = asking(authors=others)
    owner = "memory-sync-100-owner"
    left_out = next(
        name
        for name in others.split(",")
        if name not in world.approvals[owner].spec.request.excluded_users
    )
    world.sign(owner, left_out)
    world.settle()
    assert world.states()[owner] == "Void"


def test_author_who_did_not_fit_in_the_request_does_not_report_conditions_as_met() -> None:
    """Nor does anybody confirm what they may not sign."""
    others = ",".join(f"user{number:04}" for number in range(3000))
    world = asking(authors=others)
    owner = "memory-sync-100-owner"
    condition = {"name": "cache", "text": "warm the cache", "blocking": True}
    world.sign(owner, "ann", conditions=[condition])
    world.settle()
    report = f"{owner}-conditions"
    left_out = next(
        name
        for name in others.split(",")
        if name not in world.checkpoints[report].spec.request.excluded_users
    )
    world.sign(report, left_out)
    world.settle()
    assert world.states()[report] == "Void"


@pytest.mark.parametrize("length", [256, 257, 100_000])
def test_requester_of_any_length_is_named_as_far_as_it_fits(length: int) -> None:
    """The request says who asked, at the length that it may have."""
    world = asking(requested_by="x" * length)
    request = world.approvals["memory-sync-100-security"].spec.request
    assert request.requested_by.startswith("x" * 200)
