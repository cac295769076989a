"""Where a Rollout stands, and what follows from the facts: what every check judges by."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from surefoot.api.v1alpha1.approval import Purpose
from surefoot.api.v1alpha1.durations import parse_duration
from surefoot.api.v1alpha1.meta import (
    ATTEMPT_BY_ANNOTATION,
    AUTHOR_SEPARATOR,
    AUTHORS_ANNOTATION,
    ON_BEHALF_OF_ANNOTATION,
    REQUESTED_BY_ANNOTATION,
)
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import RolloutStatus
from surefoot.domain.facts.clock import counted_since
from surefoot.domain.facts.memory import remembered_with
from surefoot.domain.facts.snapshot import Admission, Halt, Snapshot
from surefoot.domain.facts.steps import HoldPolicy, hold_of, index_of, next_index

if TYPE_CHECKING:
    from surefoot.domain.derive.baseline import BaselineJudgement
    from surefoot.domain.derive.soak import SoakAccount
    from surefoot.domain.derive.triggers import TriggerVerdict
    from surefoot.domain.facts.verdicts import UnmetRequirement
    from surefoot.domain.flag.config_map import Difference

FORESEEABLE = timedelta(days=36525)
"""A moment that lies further ahead than this does not come: no clock is reckoned beyond it."""


class Move(StrEnum):
    """The moves that raise the flag, or end the rollout at its last percentage."""

    START = "Start"
    """To the first percentage, or to the one that an adopted ConfigMap stands at."""
    ADVANCE = "Advance"
    """From a step of the plan to the next."""
    COMPLETE = "Complete"
    """From the last step to Completed."""


@dataclass(frozen=True)
class State:
    """The position on the ladder, under the plan and attempt that are in force.

    ``index`` is the step stood on (None below the first, or before Start), ``next_index`` the one
    after it (None at the last). ``began`` is when the hold of this step began, ``started_at`` when
    the rollout did; both None before Start. ``hold`` is what leaving this step asks for; before
    Start it is that of the first step, so that people see what is coming. ``dry_run`` is the number
    of the dry run that this is imagined for, and None for what is really so.

    ``faults`` are those of the plan. ``triggers`` are what its valid triggers say, ``soak`` is the
    account of healthy time, ``baseline`` what is recorded of this step's metrics, and ``drift`` how
    the ConfigMap differs from what was committed.

    What follows from these is computed once: a pass asks for it many times.
    """

    snapshot: Snapshot
    status: RolloutStatus
    attempt: int
    index: int | None
    next_index: int | None
    began: datetime | None
    started_at: datetime | None
    hold: HoldPolicy
    now: datetime
    plan_is_valid: bool = True
    dry_run: int | None = None
    faults: "tuple[UnmetRequirement, ...]" = ()
    triggers: "tuple[TriggerVerdict, ...]" = ()
    soak: "SoakAccount | None" = None
    baseline: "BaselineJudgement | None" = None
    drift: "Difference | None" = None

    @cached_property
    def rollout(self) -> Rollout:
        """The Rollout itself."""
        return self.snapshot.rollout

    @property
    def name(self) -> str:
        """The Rollout's name."""
        return self.rollout.metadata.name

    @property
    def plan_hash(self) -> str:
        """The last valid plan; requests are bound to it."""
        return self.status.plan_hash

    @cached_property
    def percent(self) -> int | None:
        """The committed percentage; None before Start."""
        return self.status.percent

    @cached_property
    def has_started(self) -> bool:
        """Whether a percentage was ever committed."""
        return self.status.committed is not None

    @cached_property
    def is_complete(self) -> bool:
        """Whether the rollout was completed, and has not been rolled back since."""
        return self.status.completed_at is not None

    @cached_property
    def is_below_first(self) -> bool:
        """Whether the next step is taken as a Start: nothing asks to hold below the first step."""
        return self.index is None

    @cached_property
    def move(self) -> Move | None:
        """The move that comes next; None once the rollout is complete."""
        if self.is_complete:
            return None
        if not self.has_started or self.is_below_first:
            return Move.START
        return Move.COMPLETE if self.next_index is None else Move.ADVANCE

    @cached_property
    def warm_until(self) -> datetime | None:
        """When the warm-up of this hold is over; None before Start."""
        return None if self.counted_from is None else self.counted_from + self.hold.warm_up

    @cached_property
    def counted_from(self) -> datetime | None:
        """From when every length of this hold is counted; None before Start.

        It is when the hold began, or later by the time since that never passed.
        """
        return self._counted_since(self.began)

    @cached_property
    def started_counted_from(self) -> datetime | None:
        """From when what began with Start is counted; None before Start."""
        return self._counted_since(self.started_at)

    def _counted_since(self, moment: datetime | None) -> datetime | None:
        return None if moment is None else counted_since(moment, self.snapshot.skipped)

    @cached_property
    def halt(self) -> Halt | None:
        """The halt that is in force, without an end that nobody will see."""
        halt = self.snapshot.halt
        if halt is None or halt.until is None:
            return halt
        if halt.until <= self.now:
            return None
        return halt if halt.until - self.now < FORESEEABLE else replace(halt, until=None)

    @cached_property
    def target_percent(self) -> int | None:
        """The percentage that comes next; None at the last step."""
        if self.next_index is None:
            return None
        return self.rollout.spec.steps[self.next_index].percent

    @cached_property
    def asks_people(self) -> bool:
        """Whether the rollout runs, and stands on a step that is to be left."""
        return (
            self.has_started
            and self.index is not None
            and not self.is_complete
            and not self.status.rolled_back
        )

    @cached_property
    def opens_requests(self) -> bool:
        """Whether people are asked now. An invalid plan asks nobody."""
        return self.asks_people and self.plan_is_valid

    @cached_property
    def purpose(self) -> Purpose:
        """What signatures on this step are asked for here; those for anything else do not count."""
        return Purpose.ADVANCE if self.dry_run is None else Purpose.DRY_RUN

    @cached_property
    def verified(self) -> bool:
        """Whether admission establishes who signs."""
        return self.snapshot.admission is Admission.ENFORCED

    @cached_property
    def latest_now(self) -> datetime:
        """The latest that it may be: what ends with time ends by this."""
        return self.now + self.snapshot.clock_uncertainty

    @property
    def void_before(self) -> datetime | None:
        """Decisions seen up to this moment do not count."""
        return self.status.void_before

    def superseded_reason(self, *, attempt: int | None, plan_hash: str) -> str | None:
        """Why what was asked in an attempt under a plan is asked no more; None where it is."""
        if attempt != self.attempt:
            return f"attempt {self.attempt} has begun"
        if self.status.rolled_back:
            return "a rollback ended the attempt"
        if plan_hash != self.plan_hash:
            return "the plan has changed"
        return None

    def max_age(self) -> timedelta | None:
        """How long a GO counts; None where nobody has to sign."""
        policy = self.hold.approvals
        return parse_duration(policy.max_age) if policy else None


def state_of_rollout(
    snapshot: Snapshot, status: RolloutStatus, now: datetime, *, plan_is_valid: bool
) -> State:
    """Read the position off the status, which may be ahead of the snapshot's."""
    spec = snapshot.rollout.spec
    started = status.committed is not None
    index = index_of(spec, status.percent) if started else None
    return State(
        snapshot=snapshot,
        status=status,
        attempt=status.attempt or 0,
        index=index,
        next_index=next_index(spec, status.percent if started else None),
        began=(status.hold_since or status.since) if started else None,
        started_at=started_at(status),
        hold=hold_of(spec, index if started else 0),
        now=now,
        plan_is_valid=plan_is_valid,
    )


def started_at(status: RolloutStatus) -> datetime | None:
    """When the rollout first took a percentage, as far as the record reaches."""
    first = next((entry for entry in status.history if entry.type == "Start"), None)
    return first.at if first else status.since


@remembered_with
def planners(rollout: Rollout) -> tuple[str, ...]:
    """Who asked for the rollout or for its attempt, or ever changed its plan, as recorded.

    Admission sees to it that nobody is recorded for another; the person on whose behalf a tool acts
    is named freely. None of them may sign.
    """
    annotations = rollout.metadata.annotations
    names = [
        annotations.get(REQUESTED_BY_ANNOTATION, ""),
        annotations.get(ON_BEHALF_OF_ANNOTATION, ""),
        *annotations.get(AUTHORS_ANNOTATION, "").split(AUTHOR_SEPARATOR),
        annotations.get(ATTEMPT_BY_ANNOTATION, ""),
    ]
    return tuple(dict.fromkeys(name.strip() for name in names if name.strip()))
