"""Who asked for an entry of the history, and a pause as an entry."""

from datetime import datetime
from typing import Any

import pytest

from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import (
    PendingTransition,
    RolloutStatus,
    Transition,
    TransitionType,
)
from surefoot.domain.derive.pause import with_pause
from surefoot.domain.facts.snapshot import Admission
from surefoot.domain.record.requesters import UNNAMED, By, format_by, is_requested, requester
from surefoot.domain.record.transitions import (
    KEPT_ENTRIES,
    announcement,
    committed,
    entry_hash,
    with_entry,
)
from surefoot.plugin.entries import by_of
from tests.support.world import START, World, a_rollout, minutes

PEOPLES = (
    TransitionType.RETRY,
    TransitionType.PLAN_CHANGED,
    TransitionType.ROLLBACK,
    TransitionType.PAUSED,
    TransitionType.RESUMED,
)
STAMPS = {
    "requested_by": "planner",
    "changed_by": "changer",
    "attempt_by": "raiser",
    "authors": "planner,other",
}
NAMES = {
    TransitionType.RETRY: "raiser",
    TransitionType.PLAN_CHANGED: "planner",
    TransitionType.ROLLBACK: "changer",
    TransitionType.PAUSED: "changer",
    TransitionType.RESUMED: "changer",
}


def stamped(stamps: dict[str, str] = STAMPS, *, generation: int = 2, observed: int = 1) -> Rollout:
    """A Rollout with these stamps, of whose generations the operator has seen so many."""
    world = World(a_rollout())
    world.annotate(**stamps)
    rollout = world.rollout
    metadata = rollout.metadata.model_copy(update={"generation": generation})
    status = rollout.status.model_copy(update={"observed_generation": observed})
    return rollout.model_copy(update={"metadata": metadata, "status": status})


def an_entry(kind: TransitionType, **changes: Any) -> Transition:
    """An entry of this type."""
    reason = "Requested" if kind is TransitionType.ROLLBACK else "Because"
    return Transition(
        **{"transition_id": "id", "type": kind, "to": 10, "at": START, "reason": reason} | changes
    )


@pytest.mark.parametrize("kind", PEOPLES)
def test_requester_is_whom_admission_stamped(kind: TransitionType) -> None:
    """Each kind has the stamp that admission writes for it; verified while it is enforced."""
    assert requester(stamped(), kind, verified=True) == By((NAMES[kind],), verified=True)
    assert requester(stamped(), kind, verified=False) == By((NAMES[kind],), verified=False)


@pytest.mark.parametrize("kind", PEOPLES)
def test_nobody_is_named_without_a_stamp(kind: TransitionType) -> None:
    """A Rollout that was written before the policies were there; nothing is verified then."""
    for stamps in ({"on_behalf_of": "somebody"}, dict.fromkeys(STAMPS, "  ")):
        assert requester(stamped(stamps), kind, verified=True) == By((), verified=False)


@pytest.mark.parametrize(
    "kind", [kind for kind in TransitionType if kind not in PEOPLES], ids=lambda kind: kind.value
)
def test_what_no_person_asks_for_is_the_operators(kind: TransitionType) -> None:
    """There is no name to verify."""
    assert requester(stamped(), kind, verified=True) == By(("surefoot",), verified=None)


@pytest.mark.parametrize(("generation", "is_certain"), [(2, True), (3, False), (1, False)])
def test_name_of_one_of_several_changes_is_not_verified(generation: int, is_certain: bool) -> None:
    """Admission says who changed the spec last; somebody else may have asked for the rollback."""
    rollout = stamped(generation=generation, observed=1)
    for kind in PEOPLES:
        is_exact = kind in {TransitionType.RETRY, TransitionType.PLAN_CHANGED}
        found = requester(rollout, kind, verified=True)
        assert found == By((NAMES[kind],), verified=is_certain or is_exact)


def test_name_of_any_length_makes_an_entry() -> None:
    """A long user name is cut, and keeps no rollback from being recorded."""
    by = requester(stamped({"changed_by": "x" * 5000}), TransitionType.ROLLBACK, verified=True)
    item = an_entry(TransitionType.ROLLBACK, by=by.names, verified=by.verified)
    assert len(item.by[0]) == 256


# In words


@pytest.mark.parametrize("kind", PEOPLES)
def test_words_name_the_requester(kind: TransitionType) -> None:
    """A name that is not verified says so; an entry of an earlier version never says "person"."""
    assert format_by(an_entry(kind, by=("hudson",), verified=True)) == "hudson"
    for verified in (False, None):
        assert format_by(an_entry(kind, by=("hudson",), verified=verified)) == (
            "hudson (not verified)"
        )
    for unnamed in ((), ("person",), ("surefoot",)):
        assert format_by(an_entry(kind, by=unnamed)) == UNNAMED


@pytest.mark.parametrize("kind", PEOPLES)
@pytest.mark.parametrize("name", ["person", "surefoot"])
def test_person_called_like_what_stood_for_nobody_is_named(kind: TransitionType, name: str) -> None:
    """Nobody hides behind a name: an entry that says whether it is verified has one."""
    assert format_by(an_entry(kind, by=(name,), verified=True)) == name
    unsure = an_entry(kind, by=(name,), verified=False)
    assert format_by(unsure) == f"{name} (not verified)"
    assert by_of(unsure.to_wire()) == f"{name} (not verified)"


@pytest.mark.parametrize("kind", PEOPLES)
@pytest.mark.parametrize("by", [(), ("person",), ("surefoot",), ("hudson",), ("hudson", "cora")])
@pytest.mark.parametrize("verified", [None, False, True])
def test_plugin_and_reports_say_the_same_of_an_entry(
    kind: TransitionType, by: tuple[str, ...], verified: bool | None
) -> None:
    """The plugin reads the object without a model; the dashboard shows what it says."""
    item = an_entry(kind, by=by, verified=verified)
    assert by_of(item.to_wire()) == format_by(item)


def test_words_name_signers_triggers_and_the_operator() -> None:
    """Whether signatures are verified is the evidence's to say."""
    signed = an_entry(TransitionType.ADVANCE, by=("security: hudson", "lead: cora"))
    assert format_by(signed) == "security: hudson, lead: cora"
    fired = an_entry(TransitionType.ROLLBACK, reason="TriggerFired", by=("trigger errors",))
    assert (is_requested(fired), format_by(fired)) == (False, "trigger errors")
    assert format_by(an_entry(TransitionType.ADVANCE)) == "surefoot"
    assert format_by(an_entry(TransitionType.ADVANCE), otherwise="unknown") == "unknown"


@pytest.mark.parametrize("kind", PEOPLES)
def test_event_names_the_requester(kind: TransitionType) -> None:
    """Events are what most people see first."""
    item = an_entry(kind, by=("hudson",), verified=True, message="something")
    assert announcement(item).message.endswith("something; by hudson")


def test_event_of_a_trigger_says_its_message_alone() -> None:
    """The message names the trigger."""
    item = an_entry(TransitionType.ROLLBACK, reason="TriggerFired", message="trigger errors: 1 > 0")
    assert announcement(item).message == "0% → 10%: trigger errors: 1 > 0"


def test_commit_keeps_who_asked_for_the_intent() -> None:
    """Whatever changed meanwhile: what is committed is what was decided."""
    world = World(a_rollout())
    world.settle()
    pending = PendingTransition(
        transition_id="t",
        type=TransitionType.ROLLBACK,
        to=0,
        reason="Requested",
        recorded_at=world.now,
        by=("hudson",),
        verified=True,
    )
    last = committed(world.rollout, pending, world.now).history[-1]
    assert (last.by, last.verified) == (("hudson",), True)


# Pauses


def at_10() -> World:
    """A rollout that stands at 10% under stamps, and was judged."""
    world = World(a_rollout(hold={"soak": "90h"}))
    world.annotate(**STAMPS)
    world.settle()
    return world


def folded(world: World, now: datetime | None = None) -> RolloutStatus:
    """The step of the fold, on the status as it is."""
    return with_pause(world.rollout, world.status, now or world.now, verified=True)


def kinds(status: RolloutStatus) -> list[str]:
    return [item.type.value for item in status.history]


def written(world: World, status: RolloutStatus) -> None:
    """The status is written, as judged for this generation."""
    seen = status.model_copy(update={"observed_generation": world.rollout.metadata.generation})
    world.rollout = world.rollout.model_copy(update={"status": seen})


def test_pause_and_its_end_are_entries_with_a_name() -> None:
    """Sealed and chained like any other; nothing moves, and the ConfigMap keeps its id."""
    world = at_10()
    before = world.status
    world.edit(paused=True)
    status = folded(world, world.now + minutes(1))
    last = status.history[-1]
    assert (last.type, last.from_, last.to, last.step) == ("Paused", 10, 10, 0)
    assert (last.by, last.verified, last.at) == (("changer",), True, world.now + minutes(1))
    assert last.evidence.generation == world.rollout.metadata.generation
    assert (last.prev_hash, last.hash) == (before.history[-1].hash, entry_hash(last))
    assert status.committed == before.committed
    assert status.paused
    written(world, status)
    assert folded(world) == world.status
    world.edit(paused=None)
    status = folded(world)
    assert kinds(status) == ["Start", "Paused", "Resumed"]
    assert (status.history[-1].verified, status.paused) == (True, False)
    written(world, status)
    assert folded(world) == world.status


def test_pause_is_recorded_once_however_long_the_history_has_become() -> None:
    """Its entry drops out of the bounded history; what it said stays."""
    world = at_10()
    world.edit(paused=True)
    status = folded(world)
    for number in range(KEPT_ENTRIES):
        status = with_entry(
            status, an_entry(TransitionType.DRIFT_CORRECTED, transition_id=f"drift-{number}")
        )
    assert "Paused" not in kinds(status)
    written(world, status)
    assert folded(world) == world.status
    world.edit(paused=False)
    assert kinds(folded(world))[-1] == "Resumed"


def test_pause_before_start_is_no_entry() -> None:
    """The history begins with Start, and there is none while it is paused."""
    world = World(a_rollout(paused=True))
    world.settle()
    assert folded(world) == world.status
    assert world.status.history == ()


def test_pause_that_ended_before_it_was_seen_is_no_entry() -> None:
    """Nobody judged it while it stood."""
    world = at_10()
    world.edit(paused=True)
    world.edit(paused=None)
    assert folded(world) == world.status


def test_pause_that_an_earlier_version_saw_is_recorded_without_a_verified_name() -> None:
    """It was seen before it was recorded, so nobody knows whether the last change was the pause."""
    world = at_10()
    world.edit(paused=True)
    written(world, world.status)
    last = folded(world).history[-1]
    assert (last.type, last.by, last.verified) == ("Paused", ("changer",), False)


def test_pause_is_recorded_beside_a_transition_that_is_pending() -> None:
    """The status write that withdraws an advance may be the one that has the pause."""
    world = at_10()
    pending = PendingTransition(
        transition_id="t", type=TransitionType.ADVANCE, to=25, reason="R", recorded_at=world.now
    )
    world.edit(paused=True)
    status = world.status.model_copy(update={"pending": pending})
    paused = with_pause(world.rollout, status, world.now, verified=True)
    assert (kinds(paused)[-1], paused.pending) == ("Paused", pending)
    assert paused.history[-1].verified is True


# The whole core


@pytest.mark.parametrize("admission", [Admission.ENFORCED, Admission.UNENFORCED])
def test_core_records_who_asked(admission: Admission) -> None:
    """Every entry that a person asked for, once, with the name that admission stamped."""
    world = World(a_rollout(hold={"soak": "90h"}), admission=admission)
    world.annotate(**STAMPS)
    world.settle()
    for change in (
        {"paused": True},
        {"paused": None},
        {"rollback": {"to": 0, "reason": "a bad feeling"}},
        {"rollback": None},
        {"attempt": 1},
        {"hold": {"soak": "80h"}},
    ):
        world.now += minutes(1)
        world.edit(**change)
        world.settle()
    verified = admission is Admission.ENFORCED
    asked = [item for item in world.status.history if is_requested(item)]
    assert [(item.type.value, item.by, item.verified) for item in asked] == [
        ("Paused", ("changer",), verified),
        ("Resumed", ("changer",), verified),
        ("Rollback", ("changer",), verified),
        ("Retry", ("raiser",), verified),
        ("PlanChanged", ("planner",), verified),
    ]
    assert all("person" not in item.by for item in world.status.history)
