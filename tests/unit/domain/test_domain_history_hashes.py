"""Hashes of history entries: anybody can make them again, and no later version changes them."""

import json
from pathlib import Path
from typing import Any

import pytest

from surefoot.api.v1alpha1.rollout_status import (
    DecisionEvidence,
    Evidence,
    Transition,
    TransitionType,
)
from surefoot.domain.record.transitions import entry, entry_hash, wire_hash, with_entry
from surefoot.domain.record.verification import Origin, exported, lines, verify
from tests.support.record_page import checked
from tests.support.world import START, World, a_rollout, hours

JSON = dict[str, Any]
KEPT: JSON = json.loads((Path(__file__).parent / "data" / "history.json").read_text("utf-8"))
"""A history and its record as the code at commit 377f8e6 wrote them: every type of entry that it
had, odd characters, and an entry that was shortened."""
ENTRIES: list[JSON] = KEPT["rollout"]["status"]["history"]


def as_lines(texts: list[str]) -> str:
    return "".join(f"{text}\n" for text in texts)


# What was recorded stays as it was.


@pytest.mark.parametrize("wire", ENTRIES, ids=lambda wire: wire["type"])
def test_hash_of_a_recorded_entry_stays_as_it_was(wire: JSON) -> None:
    """As it was stored, and as it is read and written by this version."""
    assert wire_hash(wire) == wire["hash"]
    read = Transition.model_validate(wire)
    assert entry_hash(read) == wire["hash"]
    assert read.to_wire() == wire


def test_lines_of_a_recorded_history_stay_as_they_were() -> None:
    """Byte for byte: a line that comes again after an upgrade is seen to be the same."""
    metadata = KEPT["rollout"]["metadata"]
    origin = Origin(metadata["namespace"], metadata["name"], metadata["uid"])
    entries = [Transition.model_validate(wire) for wire in ENTRIES]
    assert [line.text for line in lines(origin, entries, None)] == KEPT["delivered"]
    assert list(exported(KEPT["rollout"])) == KEPT["exported"]
    assert verify(KEPT["delivered"]).faults == ()


def test_new_fields_of_an_entry_are_sealed_where_they_say_something() -> None:
    """Whether a name is verified cannot be changed afterwards."""
    item = Transition(
        transition_id="id", type=TransitionType.RETRY, to=10, at=START, reason="R", by=("hudson",)
    )
    hashes = {
        entry_hash(item.model_copy(update={"verified": verified}))
        for verified in (None, False, True)
    }
    assert len(hashes) == 2


# Anybody can make them again.


@pytest.mark.parametrize("what", ["delivered", "exported"])
def test_program_of_the_page_confirms_a_record(what: str) -> None:
    """Lines of a sink and lines of an export; a line that came twice is no fault."""
    code, said = checked(as_lines([KEPT[what][0], *KEPT[what]]))
    assert (code, said) == (0, [f"{e['transitionId']} {e['type']} ok" for e in ENTRIES])


def test_program_of_the_page_confirms_an_object() -> None:
    """As `kubectl get rollout -o json` prints it, also where its oldest entries were dropped."""
    assert checked(json.dumps(KEPT["rollout"], indent=4))[0] == 0
    later = {"status": {"history": ENTRIES[3:]}}
    assert checked(json.dumps(later))[0] == 0


def test_program_of_the_page_confirms_what_this_version_writes() -> None:
    """A rollout that was conducted by the decision core, shortened entries included."""
    world = World(a_rollout(hold={"soak": "1h"}))
    world.annotate(changed_by="hudson", attempt_by="cora")
    world.run(hours(3))
    world.edit(rollback={"to": 10, "reason": 'ünïcode \u2028 \U0001f6a6 \\ " \x7f'})
    world.settle()
    world.edit(rollback=None, attempt=1)
    world.settle()
    decision = DecisionEvidence(
        kind="Approval",
        name="memory-sync-25-security",
        uid="uid",
        resource_version="7",
        role="security",
        decision="GO",
        by="hudson",
        reason="because " * 100,
    )
    evidence = Evidence(decisions=(decision,) * 40)
    long = entry(
        world.rollout,
        world.status,
        TransitionType.RETRY,
        reason="AttemptRaised",
        message="again",
        now=world.now,
        evidence=evidence,
        by=("hudson",),
        verified=True,
    )
    status = with_entry(world.status, long)
    assert status.history[-1].evidence.shortened
    raw = world.rollout.model_copy(update={"status": status}).to_wire()
    assert len(raw["status"]["history"]) > 3
    assert checked(json.dumps(raw))[0] == 0
    assert checked(as_lines(list(exported(raw))))[0] == 0


@pytest.mark.parametrize(
    "change",
    [
        {"by": ["cora"]},
        {"evidence": {}},
        {"prevHash": "sha256:other"},
        {"verified": True},
        {"to": 50},
    ],
)
def test_program_of_the_page_finds_what_was_changed(change: JSON) -> None:
    """Each change of an entry, and each entry that is missing."""
    history = [*ENTRIES[:3], ENTRIES[3] | change, *ENTRIES[4:]]
    code, said = checked(json.dumps({"status": {"history": history}}))
    assert code == 1
    assert said[3].endswith(" changed")
    assert checked(json.dumps({"status": {"history": [*ENTRIES[:3], *ENTRIES[4:]]}}))[0] == 1
