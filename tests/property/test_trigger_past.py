"""The past of a trigger, judged at once, is what it said point by point."""

import math
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from surefoot.api.v1alpha1.rollout import Trigger
from surefoot.api.v1alpha1.rollout_status import TriggerState
from surefoot.domain.derive.baseline import ABSOLUTE, ReferenceValue
from surefoot.domain.derive.trigger_past import free_time, judge_past
from surefoot.domain.derive.triggers import ArmedTrigger
from surefoot.domain.facts.measurements import Measurement, Outcome, Sample
from tests.support.world import START, seconds

STEP = seconds(10)
values = st.lists(
    st.sampled_from([0.0, 0.9, 0.9, None, math.nan, math.inf, -math.inf]), min_size=1, max_size=40
)


def moments(*, least: int = -50, most: int = 450) -> st.SearchStrategy[datetime]:
    """Moments around the measurement, on its grid and off it."""
    return st.integers(least, most).map(lambda offset: START + seconds(offset))


@st.composite
def triggers(draw: st.DrawFn) -> ArmedTrigger:
    """Triggers of every kind, on values of every kind."""
    drawn = draw(values)
    samples = tuple(
        Sample(START + n * STEP, value) for n, value in enumerate(drawn) if value is not None
    )
    end = START + (len(drawn) - 1) * STEP
    bound = draw(st.sampled_from([{"above": "0.4"}, {"below": "0.4"}]))
    spec = {"name": "errors", "for": f"{draw(st.integers(0, 120))}s"} | bound
    return ArmedTrigger(
        spec=Trigger.model_validate(spec),
        measurement=Measurement(START, end, STEP, samples, Outcome.VALUE, "", end),
        is_stale=False,
        judged_from=draw(st.none() | moments()),
        settles=draw(st.booleans()),
        is_at_zero_percent=draw(st.booleans()),
        reference_value=draw(
            st.sampled_from([ABSOLUTE, ReferenceValue(2.0), ReferenceValue(None)])
        ),
    )


@given(triggers(), moments(), moments(), moments())
def test_past_of_a_trigger_is_what_it_said_at_every_point(
    trigger: ArmedTrigger, after: datetime, before: datetime, not_before: datetime
) -> None:
    """Whatever is missing, infinite, unsettled or relative."""
    measurement = trigger.measurement
    assert measurement is not None

    past = judge_past(trigger, measurement, after=after, before=before, not_before=not_before)

    length = (measurement.end - START) // STEP + 1
    points = [START + n * STEP for n in range(length)]
    judged = {
        point: trigger.state_at(measurement, point)
        for point in points
        if after < point < before and point >= not_before
    }
    fired = [point for point, state in judged.items() if state is TriggerState.FIRING]
    assert past.fired_at == max(fired, default=None)
    for second in range(-10, length * 10 + 10):
        moment = START + seconds(second) + STEP / 20
        is_taken = any(
            point - STEP < moment < point + STEP
            for point, state in judged.items()
            if state is not TriggerState.QUIET
        )
        assert any(span.start < moment < span.end for span in past.unquiet) == is_taken


def test_time_that_nothing_takes_is_free() -> None:
    """And none is where it ends before it begins."""
    assert free_time(START, START + STEP, []) == STEP
    assert free_time(START + STEP, START, []) == seconds(0)
