"""What is known of a Rollout, with and without an exported record."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from surefoot.api.v1alpha1.rollout_status import Transition, TransitionType
from surefoot.domain.record.transitions import wire_hash
from surefoot.domain.record.verification import exported
from surefoot.errors import RecordError
from surefoot.reports.dossier import Dossier, dossier_of, with_record
from tests.unit.plugin.things import approval, raw_rollout, rollout

BEGAN = datetime(2026, 3, 1, 9, tzinfo=UTC)


def history(length: int) -> tuple[Transition, ...]:
    """A chain of so many entries."""
    made: list[Transition] = []
    for index in range(length):
        wire = Transition(
            transition_id=f"t{index}",
            type=TransitionType.ADVANCE,
            to=10 + index,
            at=BEGAN + timedelta(hours=index),
            reason="AllConditionsHold",
            prev_hash=made[-1].hash if made else "",
        ).to_wire()
        made.append(Transition.model_validate({**wire, "hash": wire_hash(wire)}))
    return tuple(made)


def dossier(entries: tuple[Transition, ...]) -> Dossier:
    """Of a Rollout whose object has these entries."""
    found = rollout({"history": [entry.to_wire() for entry in entries]})
    return dossier_of(found, (), (), BEGAN + timedelta(days=1))


def lines(entries: tuple[Transition, ...]) -> tuple[str, ...]:
    """The record as it was exported while the object had these."""
    return exported(raw_rollout({"history": [entry.to_wire() for entry in entries]}))


def test_requests_of_an_earlier_rollout_of_the_name_are_not_its() -> None:
    """They name another UID."""
    earlier = approval(rollout={"name": "checkout", "uid": "another"})
    found = dossier_of(rollout(), (), (approval(), earlier), BEGAN)
    assert found.approvals == (approval(),)


def test_dry_runs_stand_apart_from_what_counts() -> None:
    """No report takes one for a signature."""
    dry = approval(purpose="DryRun", dryRun=1)
    found = dossier_of(rollout(), (), (approval(), dry), BEGAN)
    assert (found.approvals, found.dry_runs) == ((approval(),), (dry,))


def test_an_exported_record_adds_what_the_object_no_longer_has() -> None:
    """The object keeps the latest entries only."""
    whole = history(5)
    kept = dossier(whole[3:])
    assert not kept.is_whole
    found = with_record(kept, lines(whole[:4]), "record.jsonl")
    assert found.history == whole
    assert found.is_whole


def test_a_record_with_a_hole_is_not_whole() -> None:
    """What lies between is not known."""
    whole = history(5)
    found = with_record(dossier(whole[4:]), lines(whole[:2]), "record.jsonl")
    assert not found.is_whole


def test_a_changed_record_is_refused_with_the_line() -> None:
    """No report is made from it."""
    changed = [line.replace('"to":11', '"to":12') for line in lines(history(3))]
    with pytest.raises(RecordError, match=r"record.jsonl is not intact: line 2"):
        with_record(dossier(history(3)), changed, "record.jsonl")


def test_a_record_of_other_rollouts_is_refused() -> None:
    """It was meant for another."""
    found = dossier(history(3))
    other = found.rollout.model_copy(
        update={"metadata": found.rollout.metadata.model_copy(update={"uid": "another"})}
    )
    with pytest.raises(RecordError, match=r"no entries of Rollout shop/checkout \(another\)"):
        with_record(replace(found, rollout=other), lines(history(3)), "record.jsonl")
