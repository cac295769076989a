"""Detached signatures where they are counted: what waits, what is void, what is kept."""

from datetime import timedelta
from typing import Any

import pytest

from surefoot.domain.facts.signatures import SignatureFact
from surefoot.domain.facts.snapshot import Admission
from tests.support.world import (
    START,
    World,
    a_role,
    a_rollout,
    hours,
    minutes,
    steps_of,
)

SECURITY = "memory-sync-100-security"
OWNER = "memory-sync-100-owner"
HOLDS = SignatureFact(None, key="SHA256:hudsons")
FORGED = SignatureFact("it is not over this decision", key="SHA256:mallorys")
NO_SIGNERS = SignatureFact("there are no allowed signers", undecided=True)
NOT_VERIFIED = "its detached signature is not verified yet"


def signed(expires_in: timedelta = timedelta(days=10)) -> dict[str, Any]:
    """A detached signature; what it is worth is the verifier's to say."""
    value = "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----"
    return {"value": value, "expiresAt": (START + expires_in).isoformat()}


def asking(*, signing: str = "Required", **role: Any) -> World:
    """A rollout at 10% whose role security signs with keys; owner is cora, who does not."""
    security = {"name": "security", "users": ["hudson", "ivy"], "signing": signing} | role
    world = World(
        a_rollout(
            steps=steps_of(10, 100), approvals={"roles": [security, a_role("owner", "cora")]}
        ),
        admission=Admission.ENFORCED,
    )
    world.settle()
    return world


def test_signature_that_holds_counts_and_is_kept_as_evidence() -> None:
    """With the key, the bytes and the signature: enough to check it again without us."""
    world = asking()
    world.sign(SECURITY, "hudson", signature=signed())
    world.verify(SECURITY, HOLDS)
    world.sign(OWNER, "cora")
    world.settle()
    by_role = {d.role: d for d in world.status.history[1].evidence.decisions}
    evidence = by_role["security"].signature
    assert evidence is not None
    assert (world.percent, evidence.key) == (100, "SHA256:hudsons")
    assert evidence.value == signed()["value"]
    assert '"signer":"hudson"' in evidence.document
    assert by_role["owner"].signature is None


def test_key_says_who_signed_where_somebody_else_may_have_written_it() -> None:
    """Admission did not see the signer; the condition does not doubt the name."""
    world = asking()
    world.sign(SECURITY, "hudson", signature=signed())
    world.verify(SECURITY, HOLDS)
    world.settle()
    role = world.role("security")
    assert (role.state, role.by, role.key, role.verified) == (
        "Go",
        "hudson",
        "SHA256:hudsons",
        False,
    )
    world.sign(OWNER, "cora")
    world.settle()
    assert world.status.history[1].message == "security by hudson, owner by cora"


@pytest.mark.parametrize(
    ("fact", "why"),
    [
        (None, NOT_VERIFIED),
        (NO_SIGNERS, "its detached signature does not hold: there are no allowed signers"),
    ],
)
def test_signature_that_can_not_be_verified_yet_waits(fact: SignatureFact | None, why: str) -> None:
    """Nothing is void and nobody is asked again; it counts from when it was first seen."""
    world = asking()
    world.sign(SECURITY, "hudson", signature=signed())
    world.sign(OWNER, "cora")
    world.verify(SECURITY, fact)
    world.run(hours(2))
    assert (world.percent, world.states()) == (10, {SECURITY: "Pending", OWNER: "Go"})
    assert world.blockers() == [("Approved", "SignatureNotVerified")]
    role = world.role("security")
    assert (role.state, role.by, role.decided_at) == ("Pending", "hudson", START)
    assert role.message == f"security must be signed by hudson, ivy: {why}"
    assert world.message("Approved") == role.message
    world.verify(SECURITY, HOLDS)
    world.settle()
    assert world.percent == 100


def test_signature_that_no_longer_can_be_verified_does_not_count() -> None:
    """The allowed signers were taken away between two looks; nothing is lost when they return."""
    world = asking()
    world.sign(SECURITY, "hudson", signature=signed())
    world.verify(SECURITY, HOLDS)
    world.settle()
    assert world.states()[SECURITY] == "Go"
    world.verify(SECURITY, NO_SIGNERS)
    world.sign(OWNER, "cora")
    world.run(minutes(1))
    assert (world.percent, world.states()[SECURITY]) == (10, "Pending")
    world.verify(SECURITY, HOLDS)
    world.settle()
    assert world.percent == 100


def test_signature_that_does_not_hold_is_void_and_asked_again() -> None:
    """In a round of its own, which the same signature is not good for."""
    world = asking()
    world.sign(SECURITY, "hudson", signature=signed())
    world.sign(OWNER, "cora")
    world.verify(SECURITY, FORGED)
    world.settle()
    assert (world.percent, world.states()) == (
        10,
        {SECURITY: "Void", OWNER: "Go", f"{SECURITY}-r2": "Pending"},
    )
    why = "its detached signature does not hold: it is not over this decision"
    assert world.approvals[SECURITY].status.void_reason == why
    assert world.role("security").message == (
        f"security must be signed by hudson, ivy; the GO of hudson does not count: {why}"
    )
    world.sign(f"{SECURITY}-r2", "hudson", signature=signed())
    world.verify(f"{SECURITY}-r2", HOLDS)
    world.settle()
    assert world.percent == 100


def test_fault_of_a_signature_is_shown_with_its_key() -> None:
    """Before the next round takes its place."""
    world = asking()
    world.sign(SECURITY, "hudson", signature=signed())
    world.verify(SECURITY, FORGED)
    role = world.decide().status.approvals[0]
    assert (role.state, role.key) == ("Void", "SHA256:mallorys")


def test_signature_that_has_expired_no_longer_counts() -> None:
    """The GO counts no longer than its signature, and the plan wakes up when that ends."""
    world = asking()
    world.sign(SECURITY, "hudson", signature=signed(minutes(5)))
    world.verify(SECURITY, HOLDS)
    assert world.settle().requeue_after == minutes(5)
    assert world.role("security").expires_at == START + minutes(5)
    world.now += minutes(5)
    world.sign(OWNER, "cora")
    world.settle()
    assert (world.percent, world.states()[f"{SECURITY}-r2"]) == (10, "Pending")


def test_signature_that_may_have_expired_by_the_servers_clock_does_not_count() -> None:
    """What ends with time ends by the later bound."""
    world = asking()
    world.sign(SECURITY, "hudson", signature=signed(minutes(5)))
    world.verify(SECURITY, HOLDS)
    world.uncertainty = minutes(1)
    world.now += minutes(4)
    world.sign(OWNER, "cora")
    world.settle()
    assert world.percent == 10


def test_key_that_is_valid_no_longer_voids() -> None:
    """Another key, and so another signature, is needed."""
    world = asking()
    world.sign(SECURITY, "hudson", signature=signed())
    world.verify(SECURITY, SignatureFact(None, "SHA256:old", valid_until=START + minutes(1)))
    world.settle()
    world.now += minutes(1)
    world.settle()
    assert world.approvals[SECURITY].status.void_reason == (
        "its key SHA256:old was valid until 2025-10-23T22:01:00Z"
    )


def test_signature_that_nobody_asked_for_must_hold_all_the_same() -> None:
    """Optional means that there need not be one."""
    world = asking(signing="Optional")
    world.sign(SECURITY, "hudson", signature=signed())
    world.sign(OWNER, "cora")
    world.verify(SECURITY, FORGED)
    world.settle()
    assert (world.percent, world.states()[SECURITY]) == (10, "Void")
    world.sign(f"{SECURITY}-r2", "hudson")
    world.settle()
    assert world.percent == 100


def test_optional_signature_does_not_take_the_name_from_admission() -> None:
    """There it is the signer who writes."""
    world = asking(signing="Optional")
    world.sign(SECURITY, "hudson", signature=signed())
    world.verify(SECURITY, HOLDS)
    world.settle()
    assert (world.role("security").verified, world.role("security").key) == (True, "SHA256:hudsons")


def test_member_of_a_group_signs_with_a_key_of_their_own() -> None:
    """Admission knows the groups of anyone who writes, and lets nobody bring this for another."""
    world = asking(users=[], groups=["security"])
    world.sign(SECURITY, "thon", signature=signed())
    world.sign(OWNER, "cora")
    world.verify(SECURITY, HOLDS)
    world.settle()
    assert world.percent == 100


def test_signature_does_not_say_who_is_in_a_group() -> None:
    """Nobody saw who wrote it: anyone who has a key could have signed for any group."""
    world = asking(users=[], groups=["security"])
    world.admission = Admission.NOT_ENFORCED
    world.sign(SECURITY, "thon", signature=signed())
    world.verify(SECURITY, HOLDS)
    world.settle()
    world.admission = Admission.ENFORCED
    world.sign(OWNER, "cora")
    world.settle()
    assert (world.percent, world.approvals[SECURITY].status.void_reason) == (
        10,
        (
            "thon is not among the users of this role, and nobody saw that they are in one of its "
            "groups: a detached signature does not say so"
        ),
    )


def test_signature_nobody_verified_yet_takes_no_place_from_another() -> None:
    """What may be forged does not void what is certain."""
    world = World(
        a_rollout(
            steps=steps_of(10, 100),
            approvals={
                "roles": [
                    {"name": "security", "users": ["hudson"], "signing": "Required"},
                    a_role("owner", "hudson", "ivy"),
                ]
            },
        ),
        admission=Admission.ENFORCED,
    )
    world.settle()
    world.sign(SECURITY, "hudson", signature=signed())
    world.settle()
    world.now += minutes(1)
    world.sign(OWNER, "hudson")
    world.settle()
    assert world.states() == {SECURITY: "Pending", OWNER: "Go"}


# NO-GOs.


def test_no_go_needs_no_signature() -> None:
    """To stop something must be easy."""
    world = asking()
    world.sign(SECURITY, "hudson", decision="NO-GO", reason="leaks")
    world.settle()
    assert (world.role("security").state, world.role("security").verified) == ("NoGo", True)


@pytest.mark.parametrize("fact", [None, NO_SIGNERS, HOLDS])
def test_signed_no_go_stands_unless_it_is_known_to_be_wrong(fact: SignatureFact | None) -> None:
    """In doubt it holds."""
    world = asking()
    world.sign(SECURITY, "hudson", decision="NO-GO", reason="leaks", signature=signed())
    world.verify(SECURITY, fact)
    world.settle()
    assert world.role("security").state == "NoGo"


def test_no_go_whose_signature_does_not_hold_does_not_stand() -> None:
    """Somebody wrote it in another's name; the question is asked again."""
    world = asking()
    world.sign(SECURITY, "hudson", decision="NO-GO", reason="ha", signature=signed())
    world.verify(SECURITY, FORGED)
    world.settle()
    role = world.role("security")
    assert (role.state, role.approval) == ("Pending", f"{SECURITY}-r2")
    assert role.message == (
        "security must be signed by hudson, ivy; the NO-GO of hudson does not count: its detached "
        "signature does not hold: it is not over this decision"
    )
    assert world.condition("Stalled")[0] == "False"


@pytest.mark.parametrize("fact", [None, NO_SIGNERS, FORGED])
def test_go_whose_signature_does_not_hold_lifts_no_no_go(fact: SignatureFact | None) -> None:
    """Anyone who may bring a signature cannot bring a forged one over somebody's refusal."""
    world = asking()
    world.sign(SECURITY, "hudson", decision="NO-GO", reason="leaks")
    world.settle()
    world.now += minutes(1)
    world.sign(SECURITY, "hudson", signature=signed())
    world.verify(SECURITY, fact)
    world.settle()
    assert world.role("security").state == "NoGo"
    world.now += minutes(1)
    world.sign(SECURITY, "ivy", signature=signed())
    world.verify(SECURITY, HOLDS)
    world.sign(OWNER, "cora")
    world.settle()
    assert (world.percent, world.role("security").state) == (10, "NoGo")


def test_go_that_was_withdrawn_can_not_be_put_back_by_another() -> None:
    """The signature is still good, and was taken back by its signer."""
    world = asking()
    world.sign(SECURITY, "hudson", reason="fine", signature=signed())
    world.verify(SECURITY, HOLDS)
    world.settle()
    world.now += minutes(1)
    world.sign(SECURITY, "hudson", decision="NO-GO", reason="leaks", signature=None)
    world.verify(SECURITY, None)
    world.settle()
    world.now += minutes(1)
    world.sign(SECURITY, "hudson", reason="fine", signature=signed())
    world.verify(SECURITY, HOLDS)
    world.sign(OWNER, "cora")
    world.settle()
    assert (world.percent, world.role("security").state) == (10, "NoGo")
    world.now += minutes(1)
    world.sign(f"{SECURITY}-r2", "hudson", signature=signed())
    world.verify(f"{SECURITY}-r2", HOLDS)
    world.settle()
    assert world.percent == 100


def test_no_go_stays_lifted_after_the_signature_that_lifted_it_has_expired() -> None:
    """It held when it was given: to ask for it again is enough."""
    world = asking()
    world.sign(SECURITY, "hudson", decision="NO-GO", reason="leaks")
    world.settle()
    world.now += minutes(1)
    world.sign(SECURITY, "hudson", signature=signed(minutes(5)))
    world.verify(SECURITY, HOLDS)
    world.settle()
    world.now += minutes(10)
    world.settle()
    role = world.role("security")
    assert (role.state, role.approval) == ("Pending", f"{SECURITY}-r2")


def test_no_go_stays_lifted_by_a_go_that_was_used() -> None:
    """Its key may be gone by then."""
    world = World(
        a_rollout(
            steps=steps_of(10, 50, 100),
            approvals={"roles": [{"name": "s", "users": ["hudson"], "signing": "Required"}]},
        ),
        admission=Admission.ENFORCED,
    )
    world.settle()
    first = "memory-sync-50-s"
    world.sign(first, "hudson", decision="NO-GO", reason="leaks")
    world.settle()
    world.edit(attempt=1)
    world.settle()
    world.now += minutes(1)
    world.sign(f"{first}-r2", "hudson", signature=signed())
    world.verify(f"{first}-r2", HOLDS)
    world.settle()
    assert world.percent == 50
    world.verify(f"{first}-r2", FORGED)
    world.edit(rollback={"to": 10})
    world.settle()
    world.edit(rollback=None, attempt=2)
    world.settle()
    assert (world.role("s").state, world.role("s").round) == ("Pending", 3)
