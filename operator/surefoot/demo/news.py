"""What is new between two scenes, in words, for the list of events and for lines in a log."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from surefoot.api.v1alpha1.durations import parse_elapsed
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import Phase, RolloutStatus, Transition, TriggerState
from surefoot.demo.scene import Scene
from surefoot.domain.record.requesters import format_by

SOAK_LINE_EVERY = 2.0
"""Seconds of healthy time between two lines about it."""


class Mood(Enum):
    """How something feels, which is its colour on the screen."""

    PLAIN = "default"
    GOOD = "green"
    WAITING = "yellow"
    BAD = "red"


@dataclass(frozen=True, slots=True)
class News:
    """One thing that happened. ``fleeting``: a screen shows it elsewhere, a log has a line."""

    text: str
    mood: Mood = Mood.PLAIN
    fleeting: bool = False


def news(before: Scene, after: Scene) -> Iterator[News]:
    """Everything that changed, in the order in which a reader understands it."""
    if after.release != before.release and before.release:
        yield News(f"release {after.release} is out")
    if after.percent != before.percent:
        yield from _moved(before.percent, after.percent)
    if after.service_reads != before.service_reads and after.service_reads is not None:
        yield News(f"the service reads {after.service_reads}%", fleeting=True)
    if after.rollout is not None and after.rollout is not before.rollout:
        earlier = before.rollout.status if before.rollout else RolloutStatus()
        yield from _of_the_status(earlier, after)


def _moved(before: int | None, after: int | None) -> Iterator[News]:
    if after is None:
        yield News("the ConfigMap is gone", Mood.BAD)
    else:
        mood = Mood.BAD if before is not None and after < before else Mood.GOOD
        yield News(f"ConfigMap checkout-flags says {after}%", mood)


def _of_the_status(before: RolloutStatus, scene: Scene) -> Iterator[News]:
    rollout = scene.rollout
    assert rollout is not None  # noqa: S101 - the caller has looked
    after = rollout.status
    for trigger in after.triggers:
        old = next((t.state for t in before.triggers if t.name == trigger.name), None)
        if trigger.state is not old:
            loud = trigger.state in {TriggerState.FIRING, TriggerState.PENDING}
            yield News(
                f"trigger {trigger.name} is {trigger.state}: {trigger.message}",
                Mood.BAD if loud else Mood.PLAIN,
                fleeting=not loud,
            )
    known = {entry.transition_id for entry in before.history}
    for entry in after.history:
        if entry.transition_id not in known:
            yield News(in_a_line(entry), _mood_of(entry))
    if after.phase is not None and after.phase is not before.phase:
        waits = f": {after.waiting_on}" if after.waiting_on else ""
        yield News(f"phase {after.phase}{waits}", mood_of(after.phase), fleeting=True)
    if _soak_mark(after) != _soak_mark(before) and after.phase is Phase.SOAKING:
        yield News(f"{_soak_line(after)}; {_values(rollout)}", fleeting=True)


def in_a_line(entry: Transition) -> str:
    """What an entry of the history says happened, and who decided it."""
    moved = f" {entry.from_}% → {entry.to}%" if entry.from_ not in {None, entry.to} else ""
    if entry.from_ is None:
        moved = f" at {entry.to}%"
    return f"{entry.type}{moved}, by {format_by(entry)}"


def mood_of(phase: Phase) -> Mood:
    """How a phase feels."""
    match phase:
        case Phase.ROLLED_BACK | Phase.ROLLING_BACK | Phase.INVALID:
            return Mood.BAD
        case Phase.COMPLETED:
            return Mood.GOOD
        case Phase.AWAITING_APPROVAL | Phase.AWAITING_CHECKPOINT | Phase.HOLDING:
            return Mood.WAITING
        case _:
            return Mood.PLAIN


def _mood_of(entry: Transition) -> Mood:
    return Mood.BAD if entry.type == "Rollback" else Mood.GOOD


def _soak_mark(status: RolloutStatus) -> tuple[object, int]:
    if status.soak is None:
        return status.since, 0
    healthy = parse_elapsed(status.soak.healthy).total_seconds()
    return status.since, int(healthy // SOAK_LINE_EVERY)


def _soak_line(status: RolloutStatus) -> str:
    if status.soak is None:
        return "soak has not begun"
    healthy = parse_elapsed(status.soak.healthy).total_seconds()
    return f"soak {healthy:.1f} s of {status.soak.required}"


def _values(rollout: Rollout) -> str:
    return ", ".join(
        f"{metric.name} {as_percent(float(metric.value)) if metric.value else metric.outcome}"
        for metric in rollout.status.metrics
    )


def as_percent(value: float) -> str:
    """A share as people read it: ``0.31%``."""
    return f"{value * 100:.2f}%"
