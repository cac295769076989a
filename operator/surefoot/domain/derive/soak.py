"""Soak: healthy time at a percentage.

The account is not kept by counting evaluations. Each time it is closed again from the data: from
where it stood, over what the triggers' metrics say of the time since. So a restart neither loses
nor gains time, and time without an operator counts exactly as far as data prove it healthy.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from surefoot.api.v1alpha1.durations import format_elapsed, parse_elapsed
from surefoot.api.v1alpha1.rollout import OnBreach, TriggerAction
from surefoot.api.v1alpha1.rollout_status import RolloutStatus, SoakStatus, TriggerState
from surefoot.domain.derive.trigger_past import Span, TriggerPast, free_time, judge_past
from surefoot.domain.derive.triggers import TriggerVerdict
from surefoot.domain.facts.clock import SkippedTime, counted_since
from surefoot.domain.facts.moments import END_OF_TIME
from surefoot.domain.facts.steps import ZERO, HoldPolicy


@dataclass(frozen=True, slots=True)
class SoakAccount:
    """Healthy time as of ``observed_at``.

    ``fired_at`` is the last moment at which a Hold or Rollback trigger was firing since the account
    was last closed, also if nobody was looking then. ``not_read_back`` is the time of which no
    answer speaks, because it lies further back than a question reaches.
    """

    required: timedelta
    healthy: timedelta
    running: bool
    observed_at: datetime
    fired_at: datetime | None = None
    not_read_back: timedelta = ZERO

    @property
    def is_complete(self) -> bool:
        """Whether there was enough."""
        return self.healthy >= self.required

    @property
    def left(self) -> timedelta:
        """How much is missing."""
        return max(ZERO, self.required - self.healthy)

    def as_status(self) -> SoakStatus:
        """The entry on the status. Microseconds are kept: soak is never short."""
        return SoakStatus(
            required=format_elapsed(self.required),
            healthy=format_elapsed(self.healthy),
            running=self.running,
            observed_at=self.observed_at,
            not_read_back=format_elapsed(self.not_read_back) if self.not_read_back else None,
        )


def accrue_soak(
    status: RolloutStatus,
    hold: HoldPolicy,
    triggers: tuple[TriggerVerdict, ...],
    *,
    began: datetime,
    now: datetime,
    skipped: tuple[SkippedTime, ...] = (),
) -> SoakAccount:
    """The account up to the newest data, or up to now where no trigger asks for data.

    ``began`` is when this hold began. ``now`` is never later than the truth, so neither is the end
    of what is counted; accounts closed one after the other add up to no more than the last ``now``.
    ``skipped`` are times that never passed: they are nobody's healthy time.
    """
    start, healthy, not_read_back = _opening(status, began)
    end = _known_until(triggers, start, now)
    warm_from = counted_since(began, skipped) + hold.warm_up
    is_quiet = all(verdict.state is TriggerState.QUIET for verdict in triggers)
    running = is_quiet and now >= warm_from
    if end <= start:
        return SoakAccount(hold.soak, healthy, running, start, not_read_back=not_read_back)
    pasts = tuple(_past(verdict, start, end, began) for verdict in triggers)
    counted_from = start
    reset_at = _last_firing(triggers, pasts, hold.on_breach)
    if reset_at is not None:
        healthy, counted_from, not_read_back = ZERO, reset_at, ZERO
    counted_from = max(counted_from, warm_from)
    read_from = min(max(map(_reaches_back_to, triggers), default=start), end)
    not_read_back += max(ZERO, read_from - counted_from)
    unproven = [
        span for verdict, past in zip(triggers, pasts, strict=True) for span in past.unquiet
    ]
    unproven.append(Span(start, read_from))
    unproven += [Span(time.start, time.end) for time in skipped]
    healthy += free_time(counted_from, end, unproven)
    fired_at = _last_firing(triggers, pasts, OnBreach.RESET)
    return SoakAccount(hold.soak, healthy, running, end, fired_at, not_read_back)


def opened_at(status: RolloutStatus, began: datetime) -> datetime:
    """From when the account is to be closed, where this status was written last."""
    return _opening(status, began)[0]


def _opening(status: RolloutStatus, began: datetime) -> tuple[datetime, timedelta, timedelta]:
    """From when the account is to be closed, and what is in it: healthy, and not read back."""
    soak = status.soak
    if soak is None or soak.observed_at < began:
        return began, ZERO, ZERO
    return soak.observed_at, parse_elapsed(soak.healthy), parse_elapsed(soak.not_read_back or "0s")


def _known_until(triggers: tuple[TriggerVerdict, ...], start: datetime, now: datetime) -> datetime:
    """Until when the data tell: the earliest of the triggers' newest points.

    Without an answer from every trigger the account stays as it is: what happened meanwhile is read
    back when they answer again.
    """
    ends = [now]
    for verdict in triggers:
        if verdict.measurement is None:
            return start
        ends.append(verdict.measurement.end)
    return min(ends)


def _past(verdict: TriggerVerdict, start: datetime, end: datetime, began: datetime) -> TriggerPast:
    """What the trigger said from the point before the time to be accounted to the one after it.

    Points of before the hold say nothing of it.
    """
    measurement = verdict.trigger.measurement
    if measurement is None:
        return TriggerPast()
    return judge_past(
        verdict.trigger,
        measurement,
        after=start - measurement.step,
        before=end + measurement.step,
        not_before=began,
    )


def _last_firing(
    triggers: tuple[TriggerVerdict, ...], pasts: tuple[TriggerPast, ...], on_breach: OnBreach
) -> datetime | None:
    """The last moment at which a trigger fired that takes the healthy time with it.

    A Rollback trigger always does; a Hold trigger as the plan says; Degrade only pauses.
    """
    actions = {TriggerAction.ROLLBACK}
    if on_breach is OnBreach.RESET:
        actions.add(TriggerAction.HOLD)
    moments = [
        past.fired_at
        for verdict, past in zip(triggers, pasts, strict=True)
        if verdict.action in actions and past.fired_at is not None
    ]
    return max(moments, default=None)


def _reaches_back_to(verdict: TriggerVerdict) -> datetime:
    """The first moment that the answer speaks of: nothing proves healthy what was before."""
    measurement = verdict.measurement
    return END_OF_TIME if measurement is None else measurement.start
