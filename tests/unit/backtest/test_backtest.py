"""Gates and triggers over history, and bounds out of it."""

import asyncio
import xml.etree.ElementTree as ET
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.backtest.history import History, NoHistory, Stretch, read_history
from surefoot.backtest.judging import FAILS, FIRING, HOLDS, NO_DATA, QUIET, Verdicts
from surefoot.backtest.openmetrics import SampleFile
from surefoot.backtest.picture import as_svg, in_blocks
from surefoot.backtest.report import Report, backtest
from surefoot.backtest.suggesting import suggestions
from surefoot.domain.facts.measurements import Measurement, Outcome, RangeQuery, Sample
from tests.support.world import a_gate, a_metric, a_rollout, a_trigger

BEGAN = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
EVERY = timedelta(seconds=30)
Value = Callable[[timedelta], float | None]


def a_plan(**changes: Any) -> Rollout:
    """A trigger above 0.5 for five minutes, and a gate of at most 0.1 for ten."""
    plan = {
        "metrics": [a_metric()],
        "triggers": [a_trigger(**{"for": "5m"})],
        "gates": [a_gate(**{"for": "10m"})],
    }
    return a_rollout(**plan | changes)


def remembering(value: Value) -> Callable[[RangeQuery], Any]:
    """A provider that has always measured this, by the time since the beginning."""

    async def ask(query: RangeQuery) -> Measurement:
        count = (query.end - query.start) // query.step + 1
        assert count <= 10_001
        moments = [query.start + index * query.step for index in range(count)]
        values = [(moment, value(moment - BEGAN)) for moment in moments]
        samples = tuple(Sample(at, found) for at, found in values if found is not None)
        return Measurement(
            query.start, query.end, query.step, samples, Outcome.VALUE, "", query.end
        )

    return ask


def history_of(rollout: Rollout, value: Value, length: timedelta = 12 * HOUR) -> History:
    """What was measured in so long a time."""
    stretch = Stretch.of(BEGAN, BEGAN + length, EVERY)
    return asyncio.run(read_history(rollout.spec, stretch, remembering(value)))


def report_of(value: Value, length: timedelta = 12 * HOUR, **changes: Any) -> Report:
    """The backtest of the plan."""
    rollout = a_plan(**changes)
    return backtest(rollout, history_of(rollout, value, length))


def of(report: Report, kind: str) -> Verdicts:
    """What the only trigger or gate said."""
    (found,) = [each for each in report.verdicts if each.kind == kind]
    return found


def after(length: timedelta) -> datetime:
    """The moment so long after the beginning."""
    return BEGAN + length


def test_breach_rolls_back_when_it_has_lasted_for_long_enough() -> None:
    """Five minutes after it begins, and until it ends."""
    report = report_of(lambda t: 0.9 if 3 * HOUR <= t < 3 * HOUR + 20 * MINUTE else 0.05)
    ((trigger, spell),) = report.rolls_back
    assert trigger.name == "errors"
    assert spell.start == after(3 * HOUR + 5 * MINUTE)
    assert spell.end == after(3 * HOUR + 20 * MINUTE)
    assert "would have rolled back once, first at Mon 02 Mar 03:05 (errors)" in report.conclusion()


def test_breach_that_is_too_short_only_holds() -> None:
    """Four minutes fire nothing, but the gate needs ten quiet ones again."""
    report = report_of(lambda t: 0.9 if 3 * HOUR <= t < 3 * HOUR + 4 * MINUTE else 0.05)
    assert report.rolls_back == ()
    (closed,) = of(report, "gate").times(FAILS)
    assert closed.start == after(3 * HOUR)
    assert closed.end == after(3 * HOUR + 14 * MINUTE)


def test_time_without_data_is_told_of_each() -> None:
    """A gate is closed for its window longer: it must have held at every point."""
    report = report_of(lambda t: None if 6 * HOUR <= t < 7 * HOUR else 0.05)
    assert of(report, "trigger").spent(NO_DATA) == HOUR
    assert of(report, "gate").spent(NO_DATA) == HOUR + 10 * MINUTE
    assert report.missing == {"errors": HOUR}
    assert "errors had no value for 1h" in "\n".join(report.in_lines())


def test_quiet_history_leaves_every_gate_open() -> None:
    """The room is what lies between the middle value and the bound, and was never used."""
    report = report_of(lambda t: 0.02 if t < 6 * HOUR else 0.04)
    assert of(report, "trigger").spent(QUIET) == of(report, "gate").spent(HOLDS)
    assert report.open_share == 1.0
    room = next(each for each in report.rooms if each.bound.user == "gate errors")
    assert (room.worst, room.worst_at) == (0.04, after(6 * HOUR))
    assert room.share == pytest.approx(0.06 / (0.1 - room.median))  # type: ignore[operator]


def test_long_time_is_asked_in_pieces_and_judged_as_one() -> None:
    """Ten thousand points are what Prometheus answers at once."""
    at = 83 * HOUR + 20 * MINUTE  # where one answer ends and the next begins
    report = report_of(
        lambda t: 0.9 if at - 3 * MINUTE <= t < at + 9 * MINUTE else 0.0, 5 * 24 * HOUR
    )
    ((_, spell),) = report.rolls_back
    assert spell.start == after(at + 2 * MINUTE)


def test_relative_bounds_are_measured_by_the_middle_value() -> None:
    """There is no step in history whose baseline it could be."""
    report = report_of(
        lambda t: 4.0 if 3 * HOUR <= t < 4 * HOUR else 2.0,
        triggers=[a_trigger(above="1.5", relativeTo="Baseline")],
        gates=[],
    )
    assert [spell.start for spell in of(report, "trigger").times(FIRING)] == [after(3 * HOUR)]
    assert report.rooms[0].bound.value == 3.0


def test_groups_of_bounds_are_judged_by_the_core() -> None:
    """One of two is enough."""
    gate = {
        "name": "either",
        "passing": 1,
        "of": [
            {"name": "low", "metric": "errors", "atMost": "0.1"},
            {"name": "high", "metric": "errors", "atLeast": "0.8"},
        ],
    }
    report = report_of(lambda t: (0.05, 0.5, 0.9)[int(t / (4 * HOUR)) % 3], gates=[gate])
    assert of(report, "gate").spent(FAILS) == 4 * HOUR
    assert len(report.rooms) == 3


def test_suggestions_tell_what_each_bound_would_have_done() -> None:
    """What was is taken for healthy: a bound at the worst value raises no alarm."""
    rollout = a_plan()
    history = history_of(rollout, lambda t: 0.9 if 3 * HOUR <= t < 4 * HOUR else 0.05)
    found = list(suggestions(rollout, history))
    of_trigger = {each.source: each for each in found if each.bound.user == "trigger errors"}
    assert (of_trigger["the plan"].text, of_trigger["the plan"].alarms) == ("0.5", 1)
    assert of_trigger["the plan"].lost == 55 * MINUTE
    assert (of_trigger["95% of values"].text, of_trigger["95% of values"].alarms) == ("0.9", 0)
    assert of_trigger["a fifth beyond"].text == "1"  # it looks like a share
    of_gate = {each.source: each for each in found if each.bound.user == "gate errors"}
    assert of_gate["the plan"].lost == HOUR + 10 * MINUTE
    assert of_gate["the plan"].alarms == 1


def test_suggested_percentages_stay_percentages() -> None:
    """And bounds from below lie below what was."""
    rollout = a_plan(
        triggers=[a_trigger(below="95%")],
        gates=[],
    )
    history = history_of(rollout, lambda t: 0.991 + 0.00001 * (t / MINUTE))
    texts = [each.text for each in suggestions(rollout, history)]
    assert texts[0] == "95%"
    assert all(each.endswith("%") for each in texts)
    assert min(float(each.rstrip("%")) for each in texts[1:]) < 99.1


def test_picture_has_a_panel_for_each_metric_with_its_bounds() -> None:
    """Drawn without a library; names of the plan cannot break out of it."""
    report = report_of(lambda t: 0.9 if 3 * HOUR <= t < 4 * HOUR else None if t < HOUR else 0.05)
    svg = as_svg(report)
    root = ET.fromstring(svg)
    kinds = [each.get("class") for each in root.iter()]
    assert kinds.count("bound") == 2
    assert kinds.count("values") == 1  # what is missing is at the beginning
    assert {"firing", "fails", "gap"} <= set(kinds)
    texts = " ".join(each.text or "" for each in root.iter())
    assert "above 0.5 (trigger errors)" in texts
    assert "NaN" not in svg
    assert "nan" not in svg


def test_values_beside_percentages_are_percentages() -> None:
    """In the picture and in blocks; a bound is in words."""
    report = report_of(
        lambda t: 0.9 if 6 * HOUR <= t < 7 * HOUR else 0.05,
        triggers=[a_trigger(above="50%")],
        gates=[{"name": "errors", "atMost": "10%"}],
    )
    texts = [each.text for each in ET.fromstring(as_svg(report)).iter()]
    assert {"at most 10% (gate errors)", "5%", "90%"} <= set(texts)
    assert next(iter(in_blocks(report))) == "errors: 5% to 90%"
    assert any("above" not in line and ", at most 10%: " in line for line in report.in_lines())


def test_line_is_broken_where_values_are_missing() -> None:
    """Also where there are so many points that several share a column."""
    report = report_of(lambda t: None if 20 * HOUR <= t < 21 * HOUR else 0.05, 40 * HOUR)
    root = ET.fromstring(as_svg(report))
    lines = [each.get("points", "") for each in root.iter() if each.get("class") == "values"]
    (left, right) = ([float(p.partition(",")[0]) for p in line.split()] for line in lines)
    assert max(left) < min(right)


def test_blocks_mark_what_was_beyond_a_bound() -> None:
    """As wide as asked for, with an exclamation mark below."""
    report = report_of(lambda t: 0.9 if 6 * HOUR <= t < 7 * HOUR else 0.05)
    title, blocks, marks = in_blocks(report, width=12)
    assert title == "errors: 0.05 to 0.9"
    assert blocks == "  ▁▁▁▁▁▁█▁▁▁▁▁"
    assert marks.rstrip() == f"{' ' * 8}!"


@pytest.mark.parametrize(
    ("start", "end", "every", "said"),
    [
        (BEGAN, BEGAN, EVERY, "is no time"),
        (BEGAN, BEGAN + 400 * 24 * HOUR, timedelta(seconds=1), "at most 500000 are looked at"),
    ],
)
def test_stretch_that_cannot_be_looked_at_is_refused(
    start: datetime, end: datetime, every: timedelta, said: str
) -> None:
    """In a line that says what would go."""
    with pytest.raises(NoHistory, match=said):
        Stretch.of(start, end, every)


@pytest.mark.parametrize(
    ("outcome", "is_down"), [(Outcome.UNREACHABLE, True), (Outcome.MANY_SERIES, False)]
)
def test_provider_that_dies_in_the_middle_is_told(outcome: Outcome, is_down: bool) -> None:
    """With the metric, and in its own words."""
    rollout, answers = a_plan(), remembering(lambda _: 0.0)

    async def ask(query: RangeQuery) -> Measurement:
        found: Measurement = await answers(query)
        if query.end > BEGAN + 90 * HOUR:
            return Measurement(
                query.start, query.end, query.step, (), outcome, "is gone", query.end
            )
        return found

    stretch = Stretch.of(BEGAN, BEGAN + 100 * HOUR, EVERY)
    with pytest.raises(NoHistory, match="metric errors: is gone") as refused:
        asyncio.run(read_history(rollout.spec, stretch, ask))
    assert refused.value.is_down is is_down


# Files.

FILE = """\
# TYPE errors gauge
errors 0.05 1772409600
errors 0.9 1772409660
# TYPE jobs gauge
jobs{app="a",of="x"} 1 1772409600
jobs{app="b",of="x"} 2 1772409600
# EOF
"""


def file_of(query: str, name: str = "errors", text: str = FILE) -> SampleFile:
    """A file, and a plan with one metric."""
    spec = a_plan(metrics=[{"name": name, "query": query}]).spec
    file = SampleFile(text, "f.txt")
    file.find_metrics(spec)
    return file


def test_file_answers_as_prometheus_does() -> None:
    """A sample counts until the next, and for five minutes at most."""
    query = RangeQuery("default", "x", BEGAN, BEGAN + 10 * MINUTE, MINUTE)
    answer = asyncio.run(file_of("x").ask(query))
    values = [sample.value for sample in answer.samples]
    assert values == [0.05, 0.9, 0.9, 0.9, 0.9, 0.9]


def test_file_is_asked_by_the_selector_of_a_query() -> None:
    """Its labels must fit; others may be there."""
    found = file_of('jobs{app="b"}', "backends")
    query = RangeQuery("default", 'jobs{app="b"}', BEGAN, BEGAN, MINUTE)
    assert [sample.value for sample in asyncio.run(found.ask(query)).samples] == [2.0]


@pytest.mark.parametrize(
    ("query", "text", "said"),
    [
        ("sum(jobs)", FILE, "has no series backends for metric backends, whose query is more"),
        ('jobs{of="x"}', FILE, "has 2 series for metric backends"),
        ("jobs", "jobs 1", "jobs has a sample without a time"),
        ("jobs", "<html>", "is no OpenMetrics"),
        ("jobs", "", "has no samples"),
    ],
)
def test_file_that_has_not_what_is_needed_is_refused(query: str, text: str, said: str) -> None:
    """In a line that says what would go."""
    with pytest.raises(NoHistory, match=said):
        file_of(query, "backends", text)
