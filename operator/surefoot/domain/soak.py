"""Soak: healthy time at a percentage.

The account is not kept by counting evaluations. Each time it is closed anew from the data: from
where it stood, over what the triggers' metrics say of the time since. So a restart neither loses
nor gains time, and time without an operator counts exactly as far as data prove it healthy.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from surefoot.api.v1alpha1.durations import format_elapsed, parse_elapsed
from surefoot.api.v1alpha1.rollout import OnBreach, TriggerAction
from surefoot.api.v1alpha1.rollout_status import RolloutStatus, SoakStatus, TriggerState
from surefoot.domain.steps import ZERO, HoldPolicy
from surefoot.domain.triggers import TriggerVerdict
from surefoot.domain.windows import grid_points


@dataclass(frozen=True, slots=True)
class SoakAccount:
    """Healthy time as of ``observed_at``.

    ``fired_at`` is the last moment at which a Hold or Rollback trigger was firing since the account
    was last closed, also if nobody was looking then.
    """

    required: timedelta
    healthy: timedelta
    running: bool
    observed_at: datetime
    fired_at: datetime | None = None

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
        )


@dataclass(frozen=True, slots=True)
class _Span:
    start: datetime
    end: datetime


def close_account(
    status: RolloutStatus,
    hold: HoldPolicy,
    triggers: tuple[TriggerVerdict, ...],
    *,
    began: datetime,
    now: datetime,
    uncertainty: timedelta,
) -> SoakAccount:
    """The account up to the newest data, or up to now where no trigger asks for data.

    ``began`` is when this hold began.
    """
    start, healthy = _opening(status, began)
    end = _known_until(triggers, start, now, uncertainty)
    running = all(verdict.state is TriggerState.QUIET for verdict in triggers)
    if end <= start:
        return SoakAccount(hold.soak, healthy, running, start)
    fired_at = _last_firing(triggers, start, end)
    if fired_at is not None and hold.on_breach is OnBreach.RESET:
        healthy, counted_from = ZERO, fired_at
    else:
        counted_from = start
    counted_from = max(counted_from, began + hold.warm_up)
    spans = tuple(span for verdict in triggers for span in _unhealthy(verdict, start, end))
    healthy += _free_time(counted_from, end, spans)
    return SoakAccount(hold.soak, healthy, running, end, fired_at)


def _opening(status: RolloutStatus, began: datetime) -> tuple[datetime, timedelta]:
    if status.soak is None or status.soak.observed_at < began:
        return began, ZERO
    return status.soak.observed_at, parse_elapsed(status.soak.healthy)


def _known_until(
    triggers: tuple[TriggerVerdict, ...], start: datetime, now: datetime, uncertainty: timedelta
) -> datetime:
    """Until when the data tell: the earliest of the triggers' newest points.

    Without an answer from every trigger the account stays as it is: what happened meanwhile is read
    back when they answer again.
    """
    if not triggers:
        # The stamp is the later bound of the clock, so that a successor with another estimate of it
        # can not count a moment twice.
        return now + uncertainty if now > start else start
    ends = []
    for verdict in triggers:
        if verdict.evidence is None and not verdict.trigger.nobody_is_in:
            return start
        measurement = verdict.trigger.measurement
        if measurement is not None and verdict.evidence is not None:
            ends.append(measurement.end)
    return min(ends, default=now)


def _last_firing(
    triggers: tuple[TriggerVerdict, ...], start: datetime, end: datetime
) -> datetime | None:
    moments = [
        moment
        for verdict in triggers
        if verdict.action is not TriggerAction.DEGRADE
        for moment, state in _states(verdict, start, end)
        if state is TriggerState.FIRING
    ]
    return max(moments, default=None)


def _states(
    verdict: TriggerVerdict, start: datetime, end: datetime
) -> tuple[tuple[datetime, TriggerState], ...]:
    measurement = verdict.trigger.measurement
    if measurement is None:
        return ()
    return tuple(
        (moment, verdict.trigger.state_at(measurement, moment))
        for moment in grid_points(measurement, start - measurement.step, end)
    )


def _unhealthy(verdict: TriggerVerdict, start: datetime, end: datetime) -> tuple[_Span, ...]:
    """The time around each point at which the trigger was not quiet, up to its neighbours."""
    measurement = verdict.trigger.measurement
    if measurement is None or verdict.evidence is None:
        return ()
    spans = [
        _Span(moment - measurement.step, moment + measurement.step)
        for moment, state in _states(verdict, start, end)
        if state is not TriggerState.QUIET
    ]
    if measurement.start > start:
        # Longer ago than the provider can be asked for at once: nothing proves it healthy.
        spans.insert(0, _Span(start, measurement.start))
    return tuple(spans)


def _free_time(start: datetime, end: datetime, taken: tuple[_Span, ...]) -> timedelta:
    """How much of the time from start to end no span covers."""
    free, reached = ZERO, start
    for span in sorted(taken, key=lambda span: span.start):
        if span.start > reached:
            free += max(ZERO, min(span.start, end) - reached)
        reached = max(reached, span.end)
        if reached >= end:
            return free
    return free + max(ZERO, end - reached)
