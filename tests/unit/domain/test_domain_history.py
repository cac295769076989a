"""The history: append-only, chained, bounded, and told as events."""

from dataclasses import replace
from typing import Any

import pytest

from surefoot.api.v1alpha1.rollout_status import (
    DecisionEvidence,
    Evidence,
    RolloutStatus,
    SignatureEvidence,
    Transition,
    TransitionType,
    WindowEvidence,
)
from surefoot.domain.plan import Announcement
from surefoot.domain.record.transitions import announcement, entry, entry_hash, with_entry
from tests.support.world import START, World, a_rollout, seconds

STATUS = RolloutStatus(percent=10)


def an_entry(**changes: Any) -> Transition:
    """A small entry."""
    return Transition(
        **{
            "transition_id": "id",
            "type": TransitionType.ADVANCE,
            "to": 10,
            "at": START,
            "reason": "Because",
        }
        | changes
    )


def size(item: Transition) -> int:
    """As the API server stores it."""
    return len(item.model_dump_json(by_alias=True, exclude_none=True).encode())


def a_window(text: str) -> WindowEvidence:
    """A window with long words."""
    return WindowEvidence(
        metric=text, used_by=text, outcome="Value", count=3, coverage="100%", samples_hash=text
    )


def a_decision(number: int, text: str) -> DecisionEvidence:
    """A decision with long words."""
    return DecisionEvidence(
        kind="Approval",
        name=text[:253],
        uid=f"uid-{number}",
        resource_version="1",
        role=text[:63],
        decision="GO",
        by=text[:256],
        reason=(text * 8)[:1024],
    )


def test_chain_verifies_after_a_whole_rollout() -> None:
    """Every entry names the hash of the one before, and its own."""
    world = World(a_rollout())
    world.settle()
    world.edit(rollback={"to": 10})
    world.settle()
    world.edit(rollback=None, attempt=1, hold={"soak": "0s"})
    world.settle()
    history = world.status.history
    assert len(history) > 8
    previous = ""
    for item in history:
        assert (item.prev_hash, item.hash) == (previous, entry_hash(item))
        previous = item.hash
    assert len({item.transition_id for item in history}) == len(history)


def test_changed_entry_no_longer_verifies() -> None:
    """Also where only its evidence was touched."""
    world = World(a_rollout())
    world.settle()
    item = world.status.history[1]
    forged = item.model_copy(
        update={"evidence": item.evidence.model_copy(update={"admission": "Enforced"})}
    )
    assert entry_hash(forged) != forged.hash


def test_history_keeps_the_last_twenty() -> None:
    """The oldest go first; the chain goes on."""
    status = STATUS
    for number in range(25):
        status = with_entry(status, an_entry(transition_id=f"{number}"))
    assert [item.transition_id for item in status.history] == [str(n) for n in range(5, 25)]
    assert status.history[1].prev_hash == status.history[0].hash
    assert status.history[0].prev_hash != ""


def test_history_stays_within_its_bytes() -> None:
    """Twenty large entries are more than 256 KiB."""
    status = STATUS
    windows = tuple(a_window("x" * 120) for _ in range(34))
    for number in range(20):
        large = an_entry(transition_id=f"{number}", evidence=Evidence(windows=windows))
        assert 15_000 < size(large) < 16_000
        status = with_entry(status, large)
    assert sum(map(size, status.history)) <= 256 * 1024
    assert len(status.history) == 16
    assert status.history[-1].transition_id == "19"


@pytest.mark.parametrize("character", ["x", "€", "𐍈", '"', "\\", "\u0001"])
@pytest.mark.parametrize(
    ("windows", "decisions", "words"), [(80, 0, 0), (0, 48, 0), (80, 48, 32), (0, 0, 32)]
)
def test_entry_stays_within_its_bytes_whatever_people_write(
    character: str, windows: int, decisions: int, words: int
) -> None:
    """With every list full and every word as long as it may be."""
    text = character * 256
    item = an_entry(
        message=character * 2048,
        by=tuple(text for _ in range(words)),
        evidence=Evidence(
            windows=tuple(a_window(text) for _ in range(windows)),
            decisions=tuple(a_decision(n, text) for n in range(decisions)),
            conditions=tuple(text for _ in range(words)),
            changed_fields=tuple(text for _ in range(2 * words)),
        ),
    )
    (kept,) = with_entry(STATUS, item).history
    assert size(kept) <= 16 * 1024
    assert kept.hash == entry_hash(kept)
    assert kept.evidence.shortened or size(item) <= 16 * 1024


def test_entry_at_its_bound_is_not_pushed_over_it_by_its_hash() -> None:
    """Sealing adds to the size."""
    first = with_entry(STATUS, an_entry())
    for length in range(200):
        windows = (*(a_window("x" * 120) for _ in range(30)), a_window("x" * length))
        status = with_entry(first, an_entry(evidence=Evidence(windows=windows)))
        assert size(status.history[-1]) <= 16 * 1024


def test_windows_are_left_out_before_decisions() -> None:
    """Which decisions were used is said as long as possible."""
    decisions = tuple(a_decision(n, "x" * 100) for n in range(32))
    windows = tuple(a_window("x" * 200) for _ in range(80))
    evidence = Evidence(windows=windows, decisions=decisions, conditions=("A=B",))
    (kept,) = with_entry(STATUS, an_entry(evidence=evidence)).history
    assert (len(kept.evidence.decisions), kept.evidence.shortened) == (32, True)
    assert kept.evidence.conditions == ("A=B",)
    assert len(kept.evidence.windows) < 80


def test_reasons_are_shortened_first() -> None:
    """Then nothing else needs to go."""
    decisions = tuple(a_decision(n, "x" * 100) for n in range(16))
    windows = tuple(a_window("y") for _ in range(10))
    evidence = Evidence(windows=windows, decisions=decisions)
    (kept,) = with_entry(STATUS, an_entry(evidence=evidence)).history
    assert {len(decision.reason) for decision in kept.evidence.decisions} == {80}
    assert kept.evidence.windows == windows


def test_small_entry_is_kept_whole() -> None:
    """And says so."""
    evidence = Evidence(windows=(a_window("y"),), decisions=(a_decision(1, "x"),))
    (kept,) = with_entry(STATUS, an_entry(evidence=evidence)).history
    assert kept.evidence == evidence


def test_entry_needs_a_percentage() -> None:
    """Before Start there is no history."""
    with pytest.raises(ValueError, match="memory-sync has not started and has no history yet"):
        entry(a_rollout(), RolloutStatus(), TransitionType.RETRY, reason="x", message="", now=START)


@pytest.mark.parametrize(
    ("kind", "from_", "to", "expected"),
    [
        ("Advance", 10, 25, Announcement("Advance", "10% → 25%: why")),
        ("Start", None, 10, Announcement("Start", "0% → 10%: why")),
        ("Rollback", 25, 10, Announcement("Rollback", "25% → 10%: why", warning=True)),
        ("DriftCorrected", 10, 10, Announcement("DriftCorrected", "why", warning=True)),
        ("PlanChanged", 10, 10, Announcement("PlanChanged", "why")),
    ],
)
def test_entry_is_told_as_an_event(
    kind: str, from_: int | None, to: int, expected: Announcement
) -> None:
    """With the percentages where it moved."""
    item = an_entry(type=kind, from_=from_, to=to, message="why")
    assert announcement(item) == replace(expected, about=item.transition_id)


def test_commit_says_how_long_it_took() -> None:
    """From the intent; never negative."""
    world = World(a_rollout(steps=[{"percent": 100}], hold={"soak": "1h"}))
    world.settle_until_crash(after=1)
    world.skip(seconds(3.5))
    world.settle()
    assert world.status.history[0].took == "3.5s"
    late = World(a_rollout(steps=[{"percent": 100}], hold={"soak": "1h"}))
    late.settle_until_crash(after=1)
    late.now -= seconds(1)
    late.settle()
    assert late.status.history[0].took == "0s"


def test_entries_that_do_not_move_the_flag_keep_its_step_and_percentage() -> None:
    """From and to are the same."""
    world = World(a_rollout(hold={"soak": "1h"}))
    world.settle()
    world.annotate(requested_by="cora")
    world.edit(hold={"soak": "2h"})
    world.settle()
    item = world.status.history[-1]
    assert (item.from_, item.to, item.step, item.attempt) == (10, 10, 0, 0)
    assert (item.plan_hash, item.by, item.reason) == (
        world.status.plan_hash,
        ("cora",),
        "PlanChanged",
    )
    assert (item.evidence.generation, item.evidence.decided_at) == (2, START)


def a_signed_decision(number: int, length: int) -> DecisionEvidence:
    """A decision with a detached signature as long as its key makes it."""
    signature = SignatureEvidence(key="SHA256:abc", document="d" * 400, value="v" * length)
    return a_decision(number, "x" * 10).model_copy(
        update={"signature": signature, "reason": "because " * 100}
    )


def test_signatures_are_kept_when_reasons_and_windows_go() -> None:
    """What can be measured again goes before what only its signer can make."""
    decisions = tuple(a_signed_decision(n, 300) for n in range(12))
    windows = tuple(a_window("y" * 100) for _ in range(80))
    evidence = Evidence(windows=windows, decisions=decisions, conditions=("A=B",) * 18)
    (kept,) = with_entry(STATUS, an_entry(evidence=evidence)).history
    assert [d.signature for d in kept.evidence.decisions] == [d.signature for d in decisions]
    assert (kept.evidence.windows, kept.evidence.shortened) == ((), True)
    assert {len(d.reason) for d in kept.evidence.decisions} == {80}
    assert kept.evidence.conditions == ("A=B",) * 18


def test_reasons_go_altogether_before_a_signature_does() -> None:
    """They are on the Approvals, which nobody changes any more."""
    decisions = tuple(a_signed_decision(n, 300) for n in range(16))
    (kept,) = with_entry(STATUS, an_entry(evidence=Evidence(decisions=decisions))).history
    assert [d.signature for d in kept.evidence.decisions] == [d.signature for d in decisions]
    assert {d.reason for d in kept.evidence.decisions} == {""}


def test_key_is_named_where_signatures_are_too_long_to_be_kept() -> None:
    """Every decision that was used is still named, with the key that signed it."""
    decisions = tuple(a_signed_decision(n, 8000) for n in range(16))
    (kept,) = with_entry(STATUS, an_entry(evidence=Evidence(decisions=decisions))).history
    assert [d.uid for d in kept.evidence.decisions] == [d.uid for d in decisions]
    assert {d.signature for d in kept.evidence.decisions} == {
        SignatureEvidence(key="SHA256:abc", document="", value="")
    }
    assert (kept.evidence.shortened, size(kept) <= 16 * 1024) == (True, True)
