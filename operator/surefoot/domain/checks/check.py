"""A check declares everything about itself: the table of checks is all that others iterate."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from surefoot.api.v1alpha1.rollout_status import Phase
from surefoot.domain.derive.state import Move, State
from surefoot.domain.facts.bands import Bands
from surefoot.domain.facts.snapshot import Snapshot
from surefoot.domain.facts.verdicts import ConditionType, UnmetRequirement, Verdict


class Judgement(Protocol):
    """What a check says: a verdict, and whatever else it found for others to use."""

    @property
    def verdict(self) -> Verdict:
        """Whether the condition holds."""


Judgements = Mapping[ConditionType, Judgement]
"""What the checks before this one in the table have said."""


class Group(StrEnum):
    """When a check is asked: this orders the phases, and what is said first."""

    GUARD = "Guard"
    """Stands in the way whatever the hold says: a pause, drift, a trigger."""
    HOLD = "Hold"
    """Is part of the step's hold: soak, gates, people. Asks for nothing once completed."""
    AFTER_HOLD = "AfterHold"
    """May be in the way while the hold goes on; it decides the phase only once that is over."""


EVERY_MOVE = frozenset(Move)
LEAVING_A_STEP = frozenset({Move.ADVANCE, Move.COMPLETE})


def no_faults(_snapshot: Snapshot) -> Iterable[UnmetRequirement]:
    """The faults of a check for which no valid spec can be wrong."""
    return ()


def no_change(_state: State, _judgement: Any) -> datetime | None:
    """The next change of a check that time alone does not change."""
    return None


def any_answers(_state: State, _judgement: Any) -> Bands | None:
    """The bands of a check that looks at no answers of providers."""
    return {}


def no_clock(_state: State, _judgement: Any, _not_before: datetime) -> datetime | None:
    """The clock of a check that waits for none."""
    return None


def say_what_is_unmet(_state: State, judgement: Any) -> Iterable[str]:
    """Everything that is missing, in the words of the verdict."""
    return (item.message for item in judgement.verdict.unmet)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One condition that must hold before the flag is raised.

    ``applies_to`` are the moves that it blocks. ``phase`` is the Rollout's phase while it blocks;
    under ``clock_reasons`` only time is missing, and the phase is that of the next check.
    ``withdraws`` says why a recorded advance is withdrawn when the condition is found False, and
    ``waits`` why it only waits instead: exactly one of the two is given. What is not known
    (Unknown) always waits. ``stops`` says the same of what stops every move by itself.
    ``is_paced`` says that the condition follows metrics and may flap, so that its changes are
    written at a pace. ``reads`` are the checks whose judgements it uses: they come before it.
    ``outlives_completion``: it is still told about once the rollout is complete.
    ``judge`` gets the state and the judgements of ``reads``. ``faults`` are what is wrong with the
    part of the plan that it is about. ``next_change`` is when its verdict may change by time alone.
    ``steady_within`` are the bands within which answers leave its verdict as it is, and None where
    each of them may change it, or time may while they stay as they are.
    ``earliest`` is the moment before which its clock does not let it hold, if nothing breaks: the
    same at every evaluation, and None where no clock of it runs. It is asked for the time from a
    moment on, before which the checks ahead of it in the table do not hold anyway.
    ``says`` is what `status.waitingOn` has of it, and ``asks_people`` that these are people.
    """

    type: ConditionType
    group: Group
    applies_to: frozenset[Move]
    phase: Phase
    judge: Callable[[State, Judgements], Judgement]
    withdraws: str = ""
    waits: str = ""
    stops: str = ""
    is_paced: bool = False
    reads: tuple[ConditionType, ...] = ()
    outlives_completion: bool = False
    clock_reasons: frozenset[str] = frozenset()
    faults: Callable[[Snapshot], Iterable[UnmetRequirement]] = no_faults
    next_change: Callable[[State, Any], datetime | None] = no_change
    steady_within: Callable[[State, Any], Bands | None] = any_answers
    earliest: Callable[[State, Any, datetime], datetime | None] = no_clock
    says: Callable[[State, Any], Iterable[str]] = say_what_is_unmet
    asks_people: bool = False

    def blocks(self, verdict: Verdict, move: Move) -> bool:
        """Whether this verdict of the check blocks a move."""
        if verdict.holds is not True and move in self.applies_to:
            return True
        is_start = move is Move.START
        return any(item.stops or (is_start and item.delays_start) for item in verdict.unmet)

    def withdrawal(self, verdict: Verdict) -> str | None:
        """Why a recorded advance is withdrawn on this verdict; None where it may go on or waits."""
        if verdict.stops:
            why = next(item.message for item in verdict.unmet if item.stops)
            return f"{self.stops or self.withdraws}: {why}"
        if verdict.holds is False and self.withdraws:
            return f"{self.withdraws}: {verdict.message}"
        return None
