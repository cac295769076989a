"""The state machine: where a rollout can be, what happens to it there, and where that leads.

`status.phase` is read off this table, `docs/states.md` is made from it, and random stories find
that nothing else ever happens. What blocks a move within a place is said by the checks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from surefoot.api.v1alpha1.rollout_status import Phase, RolloutStatus, TransitionType


class Event(StrEnum):
    """What moves a rollout from one place to another. Each is one write of the status."""

    RAISE_RECORDED = "a move upward is recorded"
    RAISE_COMMITTED = "the flag was raised"
    RAISE_WITHDRAWN = "the recorded move is withdrawn"
    ROLLBACK_RECORDED = "a rollback is recorded"
    ROLLBACK_COMMITTED = "the flag was lowered"
    RETRIED = "the attempt is raised"
    COMPLETED = "the last step holds"


class Place(StrEnum):
    """Where a rollout is: what of it is on the status, whatever blocks it."""

    WAITING = "Waiting to start"
    STARTING = "Starting"
    STANDING = "Standing on a step"
    RAISING = "Being raised"
    ROLLING_BACK = "Being rolled back"
    ROLLED_BACK = "Rolled back"
    COMPLETE = "Complete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """All about one place.

    ``phase`` is what `status.phase` says there while nothing that blocks has a phase of ``shows``.
    ``events`` are all that can happen there, and where each leads.
    """

    phase: Phase
    shows: frozenset[Phase]
    events: Mapping[Event, Place]


OUTRANKING: Final = (Phase.INVALID, Phase.PAUSED)
"""The phases that are said before all others that block."""
_INVALID = frozenset({Phase.INVALID})
_STOPPED = frozenset(OUTRANKING)
_ANY = _STOPPED | {
    Phase.HOLDING,
    Phase.SOAKING,
    Phase.AWAITING_CHECKPOINT,
    Phase.AWAITING_APPROVAL,
}

PLACES: Final[Mapping[Place, Row]] = MappingProxyType(
    {
        Place.WAITING: Row(
            phase=Phase.PENDING, shows=_STOPPED, events={Event.RAISE_RECORDED: Place.STARTING}
        ),
        Place.STARTING: Row(
            phase=Phase.PENDING,
            shows=_STOPPED,
            events={
                Event.RAISE_COMMITTED: Place.STANDING,
                Event.RAISE_WITHDRAWN: Place.WAITING,
            },
        ),
        Place.STANDING: Row(
            phase=Phase.PROGRESSING,
            shows=_ANY,
            events={
                Event.RAISE_RECORDED: Place.RAISING,
                Event.ROLLBACK_RECORDED: Place.ROLLING_BACK,
                Event.COMPLETED: Place.COMPLETE,
                Event.RETRIED: Place.STANDING,
            },
        ),
        Place.RAISING: Row(
            phase=Phase.PROGRESSING,
            shows=_ANY,
            events={
                Event.RAISE_COMMITTED: Place.STANDING,
                Event.RAISE_WITHDRAWN: Place.STANDING,
            },
        ),
        Place.ROLLING_BACK: Row(
            phase=Phase.ROLLING_BACK,
            shows=_INVALID,
            events={Event.ROLLBACK_COMMITTED: Place.ROLLED_BACK},
        ),
        Place.ROLLED_BACK: Row(
            phase=Phase.ROLLED_BACK,
            shows=_INVALID,
            events={
                Event.RETRIED: Place.STANDING,
                Event.ROLLBACK_RECORDED: Place.ROLLING_BACK,
            },
        ),
        Place.COMPLETE: Row(
            phase=Phase.COMPLETED,
            shows=_INVALID,
            events={Event.ROLLBACK_RECORDED: Place.ROLLING_BACK},
        ),
    }
)
"""A rollback that replaces a recorded move withdraws it first, in the same write."""


def place_of(status: RolloutStatus) -> Place:
    """Where a rollout with this status is."""
    pending = status.pending
    if pending is not None and pending.type is TransitionType.ROLLBACK:
        return Place.ROLLING_BACK
    if pending is not None:
        return Place.STARTING if status.committed is None else Place.RAISING
    if status.rolled_back:
        return Place.ROLLED_BACK
    if status.completed_at is not None:
        return Place.COMPLETE
    return Place.WAITING if status.committed is None else Place.STANDING


def phase_at(place: Place, blocking: tuple[Phase, ...]) -> Phase:
    """The phase at a place, given those of the checks that block, in the order of the table."""
    row = PLACES[place]
    shown = [phase for phase in (*OUTRANKING, *blocking) if phase in row.shows & set(blocking)]
    return shown[0] if shown else row.phase
