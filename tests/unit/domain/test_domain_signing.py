"""Detached signatures: what is signed, and whether a signature holds for a decision."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import rfc8785

from surefoot.api.v1alpha1.approval import Approval
from surefoot.domain.facts.signatures import SignatureFact
from surefoot.domain.signoff.signatures import (
    LONGEST_DOCUMENT,
    document,
    is_undecided,
    signature_evidence,
    signature_fault,
)

NOW = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=24)
VALUE = "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----"
GOOD = SignatureFact(None, "SHA256:abc")
WRONG = SignatureFact("it is not over this decision", "SHA256:abc")
NOBODY = SignatureFact("there are no allowed signers", "SHA256:abc", undecided=True)

JSON = dict[str, Any]


def an_approval(**changes: Any) -> Approval:
    """A signed GO of cora; ``changes`` by path, as in ``spec__request__round=2``."""
    raw: JSON = {
        "metadata": {
            "name": "checkout-25-leads",
            "namespace": "shop",
            "uid": "uid-approval",
            "generation": 2,
        },
        "spec": {
            "request": {
                "rollout": {"name": "checkout", "uid": "uid-checkout"},
                "planHash": "sha256:" + "1" * 64,
                "attempt": 1,
                "round": 1,
                "step": 0,
                "from": 10,
                "to": 25,
                "role": "leads",
                "users": ["cora"],
                "signing": "Required",
            },
            "decision": "GO",
            "reason": "numbers are good",
            "decidedBy": {"username": "cora"},
            "signature": {"value": VALUE, "expiresAt": LATER.isoformat()},
        },
    }
    for path, value in changes.items():
        *parents, last = path.split("__")
        inner = raw
        for name in parents:
            inner = inner.setdefault(name, {})
        if value is None:
            inner.pop(last, None)
        else:
            inner[last] = value
    return Approval.model_validate(raw)


def seen(*decisions: str, by: str = "cora") -> list[JSON]:
    """What the operator has recorded."""
    return [
        {
            "decision": decision,
            "by": by,
            "generation": place,
            "seenAt": (NOW + timedelta(minutes=place)).isoformat(),
        }
        for place, decision in enumerate(decisions, start=1)
    ]


# What is signed


def test_document_is_one_canonical_line_of_everything_that_was_asked_and_answered() -> None:
    """Whole value: a change of it makes every signature ever given void."""
    signed = document(an_approval())
    assert signed is not None
    found = json.loads(signed)
    content = found.pop("contentHash")
    assert found == {
        "apiVersion": "surefoot.dev/v1alpha1",
        "kind": "Approval",
        "namespace": "shop",
        "rollout": "checkout",
        "rolloutUid": "uid-checkout",
        "planHash": "sha256:" + "1" * 64,
        "attempt": 1,
        "round": 1,
        "step": 0,
        "from": 10,
        "to": 25,
        "role": "leads",
        "purpose": "Advance",
        "decision": "GO",
        "signer": "cora",
        "expiresAt": "2026-03-02T10:00:00Z",
    }
    assert content == "sha256:7a1d1e3e10af524e45dd6b5de4847fa5ea7b226ad5fdbb30286f2f2e0bd9b9a4"
    assert signed == rfc8785.dumps(json.loads(signed))
    assert b"\n" not in signed


CHANGES: tuple[JSON, ...] = (
    {"metadata__namespace": "other"},
    {"spec__request__rollout": {"name": "checkout", "uid": "uid-of-the-next-one"}},
    {"spec__request__rollout": {"name": "search", "uid": "uid-checkout"}},
    {"spec__request__planHash": "sha256:" + "2" * 64},
    {"spec__request__attempt": 2},
    {"spec__request__round": 2},
    {"spec__request__step": 1},
    {"spec__request__step": None},
    {"spec__request__from": 25},
    {"spec__request__to": 50},
    {"spec__request__role": "security"},
    {"spec__request__purpose": "Acknowledge"},
    {"spec__request__purpose": "DryRun", "spec__request__dryRun": 1},
    {"spec__request__purpose": "DryRun", "spec__request__dryRun": 2},
    {"spec__decision": "NO-GO"},
    {"spec__reason": "numbers are good."},
    {"spec__riskAssessment": "none"},
    {"spec__metricsSummary": "none"},
    {"spec__securityStatus": "none"},
    {"spec__conditions": [{"name": "watch", "text": "watch the errors"}]},
    {"spec__conditions": [{"name": "watch", "text": "watch the errors", "blocking": True}]},
    {"spec__decidedBy": {"username": "hudson"}},
    {"spec__signature__expiresAt": (LATER + timedelta(seconds=1)).isoformat()},
)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: f"{next(iter(change.items()))}"[:60])
def test_whatever_was_asked_or_answered_differently_is_another_document(change: JSON) -> None:
    """Each field by itself."""
    assert document(an_approval(**change)) != document(an_approval())


def test_no_two_changes_make_the_same_document() -> None:
    """A text does not become another field's."""
    documents = [document(an_approval(**change)) for change in CHANGES]
    assert len(set(documents)) == len(documents)


@pytest.mark.parametrize(
    "change",
    [
        {"metadata__name": "checkout-25-leads-r2"},
        {"metadata__generation": 3},
        {"spec__request__evidence": "soaked for 1h"},
        {"spec__conditions": []},
        {"spec__signature__expiresAt": "2026-03-02T11:00:00+01:00"},
        {"spec__decidedBy__uid": "1234"},
    ],
    ids=str,
)
def test_what_says_nothing_of_the_decision_leaves_the_document_as_it_is(change: JSON) -> None:
    """Nor does another spelling of the same moment."""
    assert document(an_approval(**change)) == document(an_approval())


@pytest.mark.parametrize(
    "change",
    [
        {"spec__signature": None, "spec__request__signing": "Optional"},
        {"spec__signature": None, "spec__decision": None, "spec__decidedBy": None},
    ],
    ids=["no signature", "no decision"],
)
def test_nothing_is_signed_without_a_decision_and_a_signature(change: JSON) -> None:
    """There is no document."""
    assert document(an_approval(**change)) is None


# Whether it holds


def test_go_holds_with_a_good_signature() -> None:
    """Nothing is wrong with it."""
    assert signature_fault(an_approval(), GOOD, NOW) is None


def unsigned_go() -> Approval:
    """A GO that needs a signature and has none: the API server takes it from nobody."""
    signed = an_approval()
    return signed.model_copy(update={"spec": signed.spec.model_copy(update={"signature": None})})


def test_go_without_a_signature_holds_only_where_none_is_required() -> None:
    """It says what to do."""
    free = an_approval(spec__signature=None, spec__request__signing="Optional")
    assert signature_fault(free, None, NOW) is None
    fault = signature_fault(unsigned_go(), None, NOW)
    assert fault == "it needs a detached signature: run surefoot sign"


@pytest.mark.parametrize("signing", ["Required", "Optional"])
@pytest.mark.parametrize(
    ("fact", "at", "said"),
    [
        (None, NOW, "not verified yet"),
        (NOBODY, NOW, "there are no allowed signers"),
        (WRONG, NOW, "does not hold: it is not over this decision"),
        (GOOD, LATER, "expired at 2026-03-02T10:00:00Z"),
        (
            SignatureFact(None, "SHA256:abc", valid_from=NOW + timedelta(seconds=1)),
            NOW,
            "its key SHA256:abc is valid only from 2026-03-01T10:00:01Z",
        ),
        (
            SignatureFact(None, "SHA256:abc", valid_until=NOW),
            NOW,
            "its key SHA256:abc was valid until 2026-03-01T10:00:00Z",
        ),
    ],
)
def test_go_does_not_count_unless_its_signature_is_known_to_hold(
    signing: str, fact: SignatureFact | None, at: datetime, said: str
) -> None:
    """Also where none is required: one that is there must hold."""
    fault = signature_fault(an_approval(spec__request__signing=signing), fact, at)
    assert fault is not None
    assert said in fault


def test_signature_holds_up_to_its_bounds() -> None:
    """To the second before they end, from the second in which they begin."""
    fact = SignatureFact(None, "SHA256:abc", valid_from=NOW, valid_until=LATER)
    last = LATER - timedelta(seconds=1)
    assert signature_fault(an_approval(), fact, NOW) is None
    assert signature_fault(an_approval(), fact, last) is None


def no_go(**changes: Any) -> Approval:
    """A signed NO-GO."""
    return an_approval(spec__decision="NO-GO", **changes)


@pytest.mark.parametrize(
    ("fact", "at"),
    [
        (GOOD, NOW),
        (GOOD, LATER),
        (None, NOW),
        (NOBODY, NOW),
        (SignatureFact(None, "SHA256:abc", valid_until=NOW), LATER),
    ],
    ids=["good", "expired", "not verified", "no allowed signers", "key retired"],
)
def test_no_go_is_taken_back_neither_by_time_nor_by_missing_knowledge(
    fact: SignatureFact | None, at: datetime
) -> None:
    """Or it could be outwaited."""
    assert signature_fault(no_go(), fact, at) is None


def test_no_go_with_a_wrong_signature_does_not_count() -> None:
    """Somebody wrote it in another's name."""
    assert signature_fault(no_go(), WRONG, NOW) is not None


def test_no_go_needs_no_signature() -> None:
    """To stop must be easy."""
    assert signature_fault(no_go(spec__signature=None), None, NOW) is None


@pytest.mark.parametrize(
    ("fact", "expected"), [(None, True), (NOBODY, True), (WRONG, False), (GOOD, False)]
)
def test_undecided_is_what_nobody_could_check(fact: SignatureFact | None, expected: bool) -> None:
    """Such a decision waits; it is not void."""
    assert is_undecided(an_approval(), fact) is expected


def test_without_a_signature_nothing_is_undecided() -> None:
    """There is nothing to check."""
    assert not is_undecided(unsigned_go(), None)


def test_go_that_was_withdrawn_can_not_be_put_back_by_others() -> None:
    """Its signature is public by then, and still good for this very request."""
    withdrawn = an_approval(status={"decisions": seen("GO", "NO-GO")})
    fault = signature_fault(withdrawn, GOOD, NOW)
    assert fault is not None
    assert "NO-GO since" in fault


@pytest.mark.parametrize(
    "decisions",
    [seen("NO-GO"), seen("GO"), [*seen("GO"), *seen("NO-GO", by="hudson")]],
    ids=["a NO-GO first", "a GO only", "somebody else's NO-GO"],
)
def test_go_after_something_else_than_its_withdrawal_counts(decisions: list[JSON]) -> None:
    """A signer may come round."""
    assert signature_fault(an_approval(status={"decisions": decisions}), GOOD, NOW) is None


def test_whoever_writes_for_themselves_may_decide_again() -> None:
    """Where signatures are optional nobody brings one for another."""
    again = an_approval(
        spec__request__signing="Optional", status={"decisions": seen("GO", "NO-GO")}
    )
    assert signature_fault(again, GOOD, NOW) is None


def test_document_that_no_status_could_hold_does_not_count() -> None:
    """A name of control characters takes six bytes for each."""
    long = an_approval(spec__decidedBy={"username": "\x01" * 256}, spec__request__role="r" * 63)
    long = long.model_copy(
        update={"metadata": long.metadata.model_copy(update={"namespace": "n" * 200})}
    )
    signed = document(long)
    assert signed is not None
    assert len(signed) > LONGEST_DOCUMENT
    fault = signature_fault(long, GOOD, NOW)
    assert fault is not None
    assert str(LONGEST_DOCUMENT) in fault


def longest() -> Iterator[Approval]:
    """Everything as long as it can be, with a name that admission takes."""
    yield an_approval(
        metadata__namespace="n" * 63,
        spec__request__rollout={"name": "r" * 253, "uid": "u" * 64},
        spec__request__planHash="h" * 80,
        spec__request__attempt=1_000_000_000,
        spec__request__round=1_000_000_000,
        spec__request__step=1_000_000_000,
        spec__request__role="r" * 63,
        spec__request__purpose="Acknowledge",
        spec__decidedBy={"username": "\\" * 256},
        spec__decision="NO-GO",
    )


def test_longest_document_there_can_be_fits() -> None:
    """So that nobody's signature is refused for its length."""
    for approval in longest():
        signed = document(approval)
        assert signed is not None
        assert len(signed) <= LONGEST_DOCUMENT


# Evidence


def test_evidence_is_what_ssh_keygen_needs_to_check_it_again() -> None:
    """The bytes, the signature and the key."""
    approval = an_approval()
    signed = document(approval)
    evidence = signature_evidence(approval, GOOD)
    assert signed is not None
    assert evidence is not None
    assert evidence.to_wire() == {
        "key": "SHA256:abc",
        "document": signed.decode(),
        "value": VALUE,
    }


@pytest.mark.parametrize("fact", [None, WRONG, NOBODY])
def test_there_is_no_evidence_of_what_does_not_hold(fact: SignatureFact | None) -> None:
    """Or it would be taken for verified."""
    assert signature_evidence(an_approval(), fact) is None
