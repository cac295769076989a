"""History out of a file in the OpenMetrics format, for those who have no Prometheus at hand.

A file has samples, and nothing here evaluates PromQL. So each metric of the plan must be in it
as one series: under its own name, with `_` for `-`, or as the plain selector that its query is.
For anything else there is a temporary Prometheus (`backtest/temporary.py`).
"""

import bisect
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from surefoot.api.v1alpha1.rollout import RolloutSpec
from surefoot.backtest.history import NoHistory
from surefoot.domain.facts.measurements import Measurement, Outcome, RangeQuery, Sample

MOST_BYTES = 64 * 1024 * 1024
LOOKBACK = timedelta(minutes=5)
"""How long a sample counts, as Prometheus has it."""
_SELECTOR = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{(.*)\})?\s*", re.DOTALL)
_MATCHER = re.compile(r'\s*([a-zA-Z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*')
_SHOWN = 5
_OTHERWISE = (
    "have prometheus and promtool on the PATH to evaluate it, record its result under that name, "
    "or ask --prometheus"
)

Labels = frozenset[tuple[str, str]]


class NotASeries(NoHistory):
    """A metric of the plan is no series of the file: its query would have to be evaluated."""


class SampleFile:
    """The series of a file, and the answers to questions about the metrics of a plan."""

    def __init__(self, text: str, shown: str) -> None:
        self._shown = shown
        self.text = _ended(text)
        """What the file says, ended as the format demands."""
        self._series = _series(self.text, shown)
        self._known: Mapping[str, list[Sample]] = {}

    def find_metrics(self, spec: RolloutSpec) -> None:
        """Find the series of each metric of a plan. Raises `NotASeries`."""
        self._known = {
            metric.query: self._find(metric.name, metric.query) for metric in spec.metrics
        }

    @property
    def newest(self) -> datetime:
        """When the last sample was taken."""
        return max(points[-1].at for points in self._series.values())

    async def ask(self, query: RangeQuery) -> Measurement:
        """Answer as Prometheus does: at each point the newest sample, if it is not too old."""
        points = self._known[query.query]
        moments = [point.at for point in points]
        found: list[Sample] = []
        for index in range((query.end - query.start) // query.step + 1):
            moment = query.start + index * query.step
            place = bisect.bisect_right(moments, moment) - 1
            if place >= 0 and moment - moments[place] < LOOKBACK:
                found.append(Sample(moment, points[place].value))
        return Measurement(
            query.start, query.end, query.step, tuple(found), Outcome.VALUE, "", query.end
        )

    def _find(self, name: str, query: str) -> list[Sample]:
        own = name.replace("-", "_")
        fitting = [points for (other, _), points in self._series.items() if other == own]
        selector = _SELECTOR.fullmatch(query)
        if not fitting and selector is not None:
            wanted = _matchers(selector.group(2) or "")
            if wanted is not None:
                fitting = [
                    points
                    for (other, labels), points in self._series.items()
                    if other == selector.group(1) and wanted <= labels
                ]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            raise NotASeries(
                f"{self._shown} has {len(fitting)} series for metric {name}, and one is expected: "
                f"{_OTHERWISE}"
            )
        have = ", ".join(dict.fromkeys(islice((n for n, _ in self._series), _SHOWN)))
        raise NotASeries(
            f"{self._shown} has no series {own} for metric {name}, whose query is more than a "
            f"selector: {_OTHERWISE}; it has {have}"
        )


def _matchers(text: str) -> Labels | None:
    """The labels that a selector asks for; None where it asks otherwise than by equality."""
    found, place = set(), 0
    while place < len(text):
        match = _MATCHER.match(text, place)
        if match is None:
            return None
        found.add((match.group(1), match.group(2).replace('\\"', '"').replace("\\\\", "\\")))
        place = match.end()
        if place < len(text) and text[place] != ",":
            return None
        place += 1
    return frozenset(found)


def _ended(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip() and line.strip() != "# EOF"]
    return "\n".join((*lines, "# EOF\n"))


def _series(text: str, shown: str) -> Mapping[tuple[str, Labels], list[Sample]]:
    from prometheus_client.openmetrics.parser import (  # noqa: PLC0415 - for files only
        text_string_to_metric_families,
    )

    parse: Any = text_string_to_metric_families
    found: dict[tuple[str, Labels], list[Sample]] = {}
    try:
        for family in parse(text):
            for sample in family.samples:
                if sample.timestamp is None:
                    raise NoHistory(f"{shown}: {sample.name} has a sample without a time")
                at = datetime.fromtimestamp(float(sample.timestamp), UTC)
                key = (sample.name, frozenset(sample.labels.items()))
                found.setdefault(key, []).append(Sample(at, float(sample.value)))
    except (ValueError, KeyError, IndexError, OverflowError, OSError) as error:
        raise NoHistory(f"{shown} is no OpenMetrics: {' '.join(str(error).split())}") from error
    if not found:
        raise NoHistory(f"{shown} has no samples")
    for points in found.values():
        points.sort(key=lambda sample: sample.at)
    return found
