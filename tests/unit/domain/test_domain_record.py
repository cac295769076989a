"""The record as lines: what is made of a history, and what is found in a file of it."""

import json
from typing import Any

import pytest

from surefoot.api.v1alpha1.rollout_status import RolloutStatus, Transition, TransitionType
from surefoot.domain.record.transitions import entry_hash, wire_hash, with_entry
from surefoot.domain.record.verification import (
    FaultKind,
    Origin,
    exported,
    following,
    lines,
    mark_of,
    verify,
)
from tests.support.world import START

ORIGIN = Origin("agents", "memory-sync", "uid-1")
OTHER = Origin("agents", "checkout", "uid-2")


def a_history(count: int, mark: str = "t") -> tuple[Transition, ...]:
    """So many entries, chained."""
    status, made = RolloutStatus(percent=10), []
    for number in range(count):
        new = Transition(
            transition_id=f"{mark}{number}",
            type=TransitionType.ADVANCE,
            to=number,
            at=START,
            reason="Because",
            message="it held\u2028and held",
        )
        status = with_entry(status, new)
        made.append(status.history[-1])
    return tuple(made)


HISTORY = a_history(5)


def texts(history: tuple[Transition, ...] = HISTORY, origin: Origin = ORIGIN) -> list[str]:
    return [line.text for line in lines(origin, history, None)]


def the_fault(found: list[str]) -> tuple[int, FaultKind]:
    """The one fault of these lines."""
    [fault] = verify(found).faults
    return fault.line, fault.kind


def test_a_whole_record_is_intact() -> None:
    """Two histories, mixed as they happened."""
    other = texts(a_history(2, "o"), OTHER)
    mine = texts()
    found = verify([mine[0], other[0], *mine[1:], other[1]])
    assert (found.faults, found.gaps) == ((), ())
    assert {chain.origin: chain.entries for chain in found.chains} == {ORIGIN: 5, OTHER: 2}
    assert found.chains[0].last == mark_of(HISTORY[-1])


def test_a_line_says_whose_entry_it_is_and_has_a_stable_id() -> None:
    """A reader drops doubles by the id, and needs nothing but the line."""
    line = json.loads(texts()[1])
    assert (line["type"], line["id"]) == ("Advance", "t1")
    assert line["rollout"] == {"namespace": "agents", "name": "memory-sync", "uid": "uid-1"}
    assert line["entry"]["prevHash"] == HISTORY[0].hash
    assert texts() == texts()


def test_every_changed_byte_is_found() -> None:
    """Wherever it is in the line."""
    record = texts()
    whole = record[1]
    for index, character in enumerate(whole):
        record[1] = whole[:index] + ("x" if character != "x" else "y") + whole[index + 1 :]
        assert verify(record).faults, f"{record[1]} passes"


def test_an_entry_in_another_rollouts_name_is_found() -> None:
    """What stands beside the entry is sealed as well."""
    record = texts()
    record[2] = record[2].replace("memory-sync", "memory-sink")
    fault = verify(record).faults[0]
    assert (fault.line, fault.kind) == (3, FaultKind.CHANGED)


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_a_removed_line_is_found(number: int) -> None:
    """The entry after it shows it; the first fault is there."""
    record = texts()
    del record[number]
    assert the_fault(record) == (number + 1, FaultKind.MISSING)


def test_swapped_lines_are_found() -> None:
    """One fault, at the first line that stands in the wrong place."""
    record = texts()
    record[1], record[2] = record[2], record[1]
    assert the_fault(record) == (2, FaultKind.REORDERED)


def test_an_entry_moved_to_the_end_is_found() -> None:
    """Nothing is missing, but the order is another."""
    record = texts()
    record.append(record.pop(2))
    assert the_fault(record) == (3, FaultKind.REORDERED)


def test_lines_that_came_twice_count_once() -> None:
    """After a crash, what was delivered last is delivered again."""
    record = texts()
    found = verify([*record[:4], *record[2:]])
    assert found.faults == ()
    assert (found.chains[0].entries, found.chains[0].doubles) == (5, 2)


def test_a_line_that_a_crash_cut_short_is_no_fault_once_the_whole_of_it_came() -> None:
    """A full disk in the middle of a line."""
    record = texts()
    cut = record[2][:100]
    assert verify([*record[:2], cut, *record[2:]]).faults == ()
    assert the_fault([*record[:2], *record[2:], cut]) == (6, FaultKind.UNREADABLE)


def test_a_gap_is_told_and_what_follows_it_is_verified() -> None:
    """Entries 1 and 2 were dropped before the sink took them."""
    rest = [line.text for line in lines(ORIGIN, HISTORY[3:], mark_of(HISTORY[0]))]
    record = [texts()[0], *rest]
    found = verify(record)
    assert found.faults == ()
    [gap] = found.gaps
    assert "between entries t0 and t3" in gap.message
    said = json.loads(record[1])
    assert said["type"] == "Gap"
    assert said["gap"]["from"]["transitionId"] == "t0"
    assert said["gap"]["to"]["transitionId"] == "t3"
    del record[1]
    assert the_fault(record) == (2, FaultKind.MISSING)


def test_a_record_that_begins_late_says_so() -> None:
    """A sink that was set up later, or a history whose first entries are dropped."""
    found = verify(texts(HISTORY[2:]))
    assert (found.faults, found.gaps) == ((), ())
    assert found.chains[0].begins_late


def test_an_export_shows_that_its_end_was_cut_off() -> None:
    """Every line names the last entry."""
    raw: dict[str, Any] = {
        "metadata": {"namespace": "agents", "name": "memory-sync", "uid": "uid-1"},
        "status": {"history": [entry.to_wire() for entry in HISTORY]},
    }
    record = list(exported(raw))
    assert verify(record).faults == ()
    fault = verify(record[:-1]).faults[0]
    assert fault.kind is FaultKind.MISSING
    assert "t4" in fault.message


def test_what_says_nothing_does_not_change_the_hash() -> None:
    """A later version has more fields; entries of an earlier one keep their hashes."""
    wire = HISTORY[1].to_wire()
    wire["evidence"] |= {"invented": "", "flags": [], "more": {"deeper": False}}
    assert wire_hash(wire) == entry_hash(HISTORY[1]) == HISTORY[1].hash
    wire["evidence"]["invented"] = "something"
    assert wire_hash(wire) != HISTORY[1].hash


def test_following_finds_what_came_after() -> None:
    """All, where nothing of it is known."""
    assert following(HISTORY, mark_of(HISTORY[2])) == HISTORY[3:]
    assert following(HISTORY, None) == HISTORY
    assert following(HISTORY[3:], mark_of(HISTORY[0])) == HISTORY[3:]
