"""Objects as the API server stores them are read, whichever version of the schema let them in."""

import copy
from typing import Any

import pytest

from surefoot.adapters.kubernetes.objects import (
    LEAST_STATUS,
    MADE_AGAIN,
    approval_from,
    checkpoint_from,
    rollout_from,
)
from surefoot.api.v1alpha1.meta import is_blank
from surefoot.api.v1alpha1.moments import EARLIEST, LATEST, within_calendar
from surefoot.api.v1alpha1.rollout_status import RolloutStatus
from surefoot.errors import UnreadableObject
from tests.contract.manifests import COMPLETE, changed

AT = "2026-03-01T10:00:00.000000Z"


def signed_until(moment: str) -> dict[str, Any]:
    """An Approval with a detached signature."""
    return changed(COMPLETE["Approval"], {"spec.signature.expiresAt": moment})


@pytest.mark.parametrize(
    ("moment", "expires"),
    [
        ("9999-12-31T23:59:59-05:00", LATEST),
        ("9999-12-31T23:59:59Z", LATEST),
        ("3000-01-01T00:00:00Z", LATEST),
        ("0000-01-01T00:00:00Z", EARLIEST),
        ("0001-01-01T00:00:00+14:00", EARLIEST),
        ("2026-03-01T10:00:00ZTx", EARLIEST),
        ("2026-03-01T10:00:00x5Z", EARLIEST),
    ],
)
def test_signature_beyond_the_calendar_is_read(moment: str, expires: Any) -> None:
    """An earlier version of the schema took these. What is no moment has passed."""
    signature = approval_from(signed_until(moment)).spec.signature
    assert signature is not None
    assert signature.expires_at == expires


@pytest.mark.parametrize("offset", ["+99:59", "-99:59"])
def test_an_offset_of_days_is_read(offset: str) -> None:
    """The moment is somewhere in that week."""
    signature = approval_from(signed_until(f"2026-03-10T00:00:00{offset}")).spec.signature
    assert signature is not None
    assert abs(signature.expires_at.timestamp() - 1773100800) < 5 * 86400


def test_moments_that_python_made_stay_within_the_calendar() -> None:
    """Without a time zone they are in UTC."""
    assert within_calendar(LATEST.replace(tzinfo=None, year=9999)) == LATEST
    assert within_calendar(EARLIEST.replace(tzinfo=None, year=1)) == EARLIEST


@pytest.mark.parametrize("odd", ["\x1c", "\x1d", "\x1e", "\x1f", "\u200b", "\ufeff"])
def test_a_reason_that_cel_takes_for_text_is_read(odd: str) -> None:
    """Python's strip() would take U+001F away, and CEL's trim() does not."""
    assert approval_from(changed(COMPLETE["Approval"], {"spec.reason": odd})).spec.reason == odd
    checkpoint = checkpoint_from(changed(COMPLETE["Checkpoint"], {"spec.summary": odd}))
    assert checkpoint.spec.summary == odd


@pytest.mark.parametrize("blank", ["", " ", "\t\n\v\f\r", "\x85\xa0\u1680\u2003\u2028\u202f\u3000"])
def test_white_space_says_nothing(blank: str) -> None:
    """By the measure of CEL's trim()."""
    assert is_blank(blank)
    with pytest.raises(UnreadableObject, match="must have a reason"):
        approval_from(changed(COMPLETE["Approval"], {"spec.reason": blank}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("coverage.tolerance", -1),
        ("coverage.tolerance", "-50%"),
        ("limits.maxExpansionFactor", "0.5"),
        ("limits.maxExpansionFactor", 1000),
        ("steps.0.hold.soak", "9999d99999h"),
    ],
)
def test_a_bound_that_was_drawn_tighter_leaves_what_was_stored_readable(
    field: str, value: Any
) -> None:
    """The API server keeps such an object, and the flag must be able to come down."""
    rollout = rollout_from(changed(COMPLETE["Rollout"], {f"spec.{field}": value}))
    assert str(value) in str(rollout.spec.to_wire())


def test_an_unreadable_request_says_whose_it_is_and_what_it_says() -> None:
    """An unreadable NO-GO is somebody's NO-GO on a Rollout that is known."""
    raw = changed(COMPLETE["Approval"], {"spec.decision": "NO-GO", "spec.request.to": 101})
    raw["metadata"] |= {"namespace": "shop", "uid": "u-1", "resourceVersion": "7"}
    with pytest.raises(UnreadableObject, match=r"spec\.request\.to") as caught:
        approval_from(raw)
    error = caught.value
    assert (error.kind, error.namespace, error.name) == (
        "Approval",
        "shop",
        "checkout-100-security",
    )
    assert (error.uid, error.resource_version) == ("u-1", "7")
    assert (error.rollout, error.decision) == ("checkout", "NO-GO")


@pytest.mark.parametrize("spec", [None, "text", [], {"request": {"rollout": 7}, "decision": []}])
def test_whatever_is_stored_raises_one_error(spec: Any) -> None:
    """So that anyone who lists objects needs to know one error only."""
    with pytest.raises(UnreadableObject):
        approval_from({"metadata": {"name": "a"}, "spec": spec})


# A status that an earlier version wrote


def a_rollout_with(**status: Any) -> dict[str, Any]:
    """A Rollout that stands at 10%, with more in its status."""
    whole = copy.deepcopy(COMPLETE["Rollout"])
    whole["status"] = {
        "percent": 10,
        "committed": {"transitionId": "t1", "type": "Start", "recordedAt": AT},
        **status,
    }
    return whole


def entry(number: int, **changes: Any) -> dict[str, Any]:
    """An entry of a history."""
    return {
        "transitionId": f"t{number}",
        "type": "Start",
        "to": 10,
        "at": AT,
        "reason": "r",
    } | changes


def test_entries_of_an_earlier_version_are_left_out_and_named() -> None:
    """Each alone: the others of the list stay, also where there are more than ten."""
    history = [entry(number) for number in range(13)]
    history[3] = entry(3, type="Vanished")
    history[11] = entry(11, at="soon")
    rollout = rollout_from(a_rollout_with(history=history))
    left = [each.transition_id for each in rollout.status.history]
    assert left == [f"t{number}" for number in range(13) if number not in {3, 11}]
    assert "status.history.3.type" in rollout.left_out
    assert "status.history.11.at" in rollout.left_out
    assert rollout.status.percent == 10


def test_what_is_found_out_again_is_left_out_and_named() -> None:
    """A whole field, where it is no list."""
    rollout = rollout_from(a_rollout_with(soak="lots", phase="Dancing", triggers=[{"name": 7}]))
    assert (rollout.status.soak, rollout.status.phase, rollout.status.triggers) == (None, None, ())
    for field in ("soak", "phase", "triggers.0"):
        assert f"status.{field}" in rollout.left_out


def test_a_pending_transition_survives_evidence_that_cannot_be_read() -> None:
    """It is under way; what it was decided on is of no use to its end."""
    pending = {
        "transitionId": "t2",
        "type": "Rollback",
        "to": 0,
        "reason": "r",
        "recordedAt": AT,
        "evidence": {"generation": "many"},
    }
    rollout = rollout_from(a_rollout_with(pending=pending))
    assert rollout.status.pending is not None
    assert rollout.status.pending.to == 0
    assert "status.pending.evidence.generation" in rollout.left_out


@pytest.mark.parametrize(
    "status",
    [
        {"percent": 101},
        {"committed": {"transitionId": "t1"}},
        {"pending": {"to": 0}},
        {"rolledBack": "perhaps"},
        {"voidBefore": "long ago"},
        {"since": "then"},
        {"attempt": "first"},
    ],
    ids=str,
)
def test_where_the_flag_stands_is_never_guessed(status: dict[str, Any]) -> None:
    """To take it for absent could move the flag, so the Rollout cannot be read."""
    with pytest.raises(UnreadableObject, match=f"status.{next(iter(status))}"):
        rollout_from(a_rollout_with(**status))


def test_every_field_of_a_status_is_either_kept_or_made_again() -> None:
    """Anyone who adds a field decides which of both it is."""
    fields = {info.alias or name for name, info in RolloutStatus.model_fields.items()}
    assert fields == LEAST_STATUS | MADE_AGAIN
    assert not LEAST_STATUS & MADE_AGAIN


def test_a_status_that_can_be_read_is_complete() -> None:
    """Nothing is said where nothing was left out."""
    assert rollout_from(a_rollout_with(history=[entry(1)])).left_out == ""
