"""What is asked of the providers, and how an answer is looked at."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from surefoot.domain.facts.measurements import Measurement, Outcome, RangeQuery, Sample
from surefoot.domain.facts.windows import window_at, window_evidence
from surefoot.domain.metric_queries import metric_queries
from tests.support.world import (
    START,
    World,
    a_gate,
    a_metric,
    a_rollout,
    a_trigger,
    hours,
    minutes,
    seconds,
    steady,
)

INTERVAL = seconds(30)


def asked(now: datetime = START, **spec: Any) -> dict[str, RangeQuery]:
    """What is asked for a rollout that has not started."""
    return metric_queries(a_rollout(**{"metrics": [a_metric()]} | spec), now, INTERVAL)


def test_metric_that_nobody_uses_is_not_asked() -> None:
    """Asking costs somebody."""
    assert asked() == {}


def test_question_names_the_provider_the_query_and_the_window() -> None:
    """On a grid that does not depend on the Rollout."""
    found = asked(
        START + seconds(47),
        metrics=[a_metric(provider="other", staleAfter="26h")],
        gates=[a_gate(**{"for": "5m"})],
    )
    end = START + seconds(30)
    question = RangeQuery(
        provider="other",
        query="sum(errors)",
        start=end - minutes(5) - 3 * INTERVAL,
        end=end,
        step=INTERVAL,
        stale_after=hours(26),
    )
    assert found == {"errors for 300s": question, "errors": question}


@pytest.mark.parametrize(
    ("lengths", "step"),
    [
        (["0s"], 30),
        (["2m"], 30),
        (["1m"], 15),
        (["10s"], 2),
        (["4s"], 1),
        (["1s"], 1),
        (["10m", "1m"], 15),
        (["0s", "1m"], 15),
    ],
)
def test_short_window_is_asked_in_finer_steps(lengths: list[str], step: int) -> None:
    """Otherwise it would hang on one or two points."""
    gates = [a_gate(f"g{n}", metric="errors", **{"for": each}) for n, each in enumerate(lengths)]
    assert asked(gates=gates)["errors"].step == seconds(step)


def test_interval_of_a_second_is_as_fine_as_it_gets() -> None:
    """The demo runs on it."""
    rollout = a_rollout(metrics=[a_metric()], triggers=[a_trigger(**{"for": "2s"})])
    assert metric_queries(rollout, START, seconds(1))["errors"].step == seconds(1)


def test_every_length_of_a_window_is_asked_for_by_itself() -> None:
    """Gates, groups and triggers alike."""
    found = asked(
        gates=[
            {"name": "g", "passing": 1, "of": [a_gate("part", metric="errors", **{"for": "9m"})]}
        ],
        triggers=[a_trigger(**{"for": "5m"})],
    )
    ranges = {name: question.end - question.start for name, question in found.items()}
    assert ranges["errors for 540s"] == minutes(9) + 3 * INTERVAL
    assert ranges["errors for 300s"] == minutes(5) + 3 * INTERVAL


def test_time_since_the_soak_account_was_closed_is_asked_for_triggers() -> None:
    """So that nothing of a gap is missed; a gate alone asks for its window only."""
    world = World(
        a_rollout(
            metrics=[a_metric(), a_metric("cost")],
            triggers=[a_trigger(**{"for": "2m"})],
            gates=[a_gate("cost")],
            hold={"soak": "90h"},
        ),
        metrics={"errors": steady(0.0), "cost": steady(0.0)},
    )
    world.run(minutes(10))
    assert world.status.soak is not None
    closed = world.status.soak.observed_at
    found = metric_queries(world.rollout, START + hours(5), INTERVAL)
    assert found["errors for 120s"].start == closed - minutes(2) - 2 * INTERVAL
    assert found["cost for 0s"].start == START + hours(5) - 3 * INTERVAL


def test_rolled_back_rollout_asks_for_no_soak() -> None:
    """There is no account to be closed."""
    world = World(
        a_rollout(metrics=[a_metric()], triggers=[a_trigger()], hold={"soak": "90h"}),
        metrics={"errors": steady(0.0)},
    )
    world.settle()
    world.edit(rollback={"to": 0})
    world.settle()
    found = metric_queries(world.rollout, START + hours(5), INTERVAL)["errors"]
    assert found.start == START + hours(5) - 3 * INTERVAL


def test_completed_rollout_asks_nothing() -> None:
    """There is nothing to ask."""
    world = World(a_rollout(metrics=[a_metric()], gates=[a_gate()]))
    status = world.status.model_copy(update={"completed_at": START})
    assert (
        metric_queries(world.rollout.model_copy(update={"status": status}), START, INTERVAL) == {}
    )


def measured(*values: float | None) -> Measurement:
    """Values every 30 s, the last one at Start."""
    first = START - (len(values) - 1) * INTERVAL
    samples = tuple(
        Sample(first + n * INTERVAL, value) for n, value in enumerate(values) if value is not None
    )
    return Measurement(first, START, INTERVAL, samples, Outcome.VALUE, "", START)


def test_window_has_both_ends() -> None:
    """Two minutes at 30 s are five points."""
    window = window_at(measured(*range(10)), START, minutes(2), None)
    assert [sample.value for sample in window.numbers] == [5, 6, 7, 8, 9]
    assert (window.expected, window.is_full, window.coverage) == (5, True, 1.0)
    assert window.newest is not None
    assert window.newest.value == 9


def test_window_of_nothing_is_the_newest_point() -> None:
    """`for: 0s`."""
    window = window_at(measured(1.0, 2.0), START, timedelta(0), None)
    assert ([sample.value for sample in window.numbers], window.expected) == ([2.0], 1)


def test_window_counts_numbers_only() -> None:
    """Missing and NaN points lower its coverage."""
    window = window_at(measured(1.0, None, float("nan"), 4.0, 5.0), START, minutes(2), None)
    assert ([sample.value for sample in window.numbers], window.coverage) == ([1.0, 4.0, 5.0], 0.6)


def test_window_begins_where_judging_does() -> None:
    """Then it is not full."""
    window = window_at(measured(*range(10)), START, minutes(2), START - seconds(61))
    assert [sample.value for sample in window.numbers] == [7, 8, 9]
    assert (window.is_full, window.start, window.expected) == (False, START - seconds(61), 5)


def test_window_without_its_newest_point_has_none() -> None:
    """The point before does not stand in for it."""
    window = window_at(measured(1.0, 2.0, None), START, minutes(1), None)
    assert window.newest is None
    assert window_at(measured(None), START, minutes(1), None).numbers == ()


def test_evidence_of_a_window_is_counted_and_hashed() -> None:
    """Not copied; another value is another hash."""
    measurement = measured(1.0, None, 3.0, 2.0)
    window = window_at(measurement, START, seconds(90), None)
    found = window_evidence("errors", "gate x", measurement, window)
    assert found.to_wire() | {"samplesHash": ""} == {
        "metric": "errors",
        "usedBy": "gate x",
        "outcome": "Value",
        "count": 3,
        "coverage": "75%",
        "min": "1",
        "max": "3",
        "last": "2",
        "observedAt": "2025-10-23T22:00:00.000000Z",
        "samplesHash": "",
    }
    other = measured(1.0, None, 3.5, 2.0)
    changed = window_evidence("errors", "gate x", other, window_at(other, START, seconds(90), None))
    assert changed.samples_hash != found.samples_hash
    assert found.samples_hash.startswith("sha256:")


def test_value_of_a_measurement_is_its_newest_where_that_is_one() -> None:
    """Otherwise there is none."""
    assert measured(1.0, 2.0).value == 2.0
    empty = Measurement(START, START, INTERVAL, (), Outcome.NO_DATA, "", START)
    assert empty.value is None
