"""A backtest drawn: values, bounds, what was missing and what would have been decided."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from xml.sax.saxutils import escape

from surefoot.backtest.judging import FAILS, FIRING, Bound, Verdicts
from surefoot.backtest.report import Report
from surefoot.domain.facts.measurements import Measurement, Sample
from surefoot.domain.facts.windows import number, number_like

_WIDTH, _HEIGHT, _LEFT, _TOP = 960, 180, 70, 34
_HEAD = 56
_MOST_POINTS = 1200
_BLOCKS = "▁▂▃▄▅▆▇█"
_STYLE = """
text {
  font-family: system-ui, "Segoe UI", "Helvetica Neue", Arial, "DejaVu Sans", sans-serif;
  font-size: 12px; fill: #24292f
}
.title { font-weight: 600 }
.frame { fill: none; stroke: #d0d7de }
.values { fill: none; stroke: #0969da; stroke-width: 1.5 }
.bound { stroke: #9a6700; stroke-dasharray: 6 4 }
.gap { fill: #eaeef2 }
.firing { fill: #cf222e; fill-opacity: 0.25 }
.fails { fill: #bf8700; fill-opacity: 0.18 }
@media (prefers-color-scheme: dark) {
  svg { background: #0d1117 }
  text { fill: #e6edf3 }
  .frame { stroke: #30363d }
  .values { stroke: #58a6ff }
  .bound { stroke: #d29922 }
  .gap { fill: #21262d }
}
"""


def as_svg(report: Report) -> str:
    """One panel for each metric, below one another."""
    panels = list(_panels(report))
    height = _HEAD + len(panels) * (_HEIGHT + _TOP) + 10
    stretch = report.history.stretch
    title = f"Backtest {stretch.start:%Y-%m-%d %H:%M} to {stretch.end:%Y-%m-%d %H:%M} UTC"
    body = "\n".join(
        _panel(report, metric, measurement, bounds, _HEAD + index * (_HEIGHT + _TOP))
        for index, (metric, measurement, bounds) in enumerate(panels)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'role="img" aria-label="{escape(title)}">\n<style>{_STYLE}</style>\n'
        f"<title>{escape(title)}</title>\n"
        f'<text class="title" x="{_LEFT}" y="18">{escape(title)}</text>\n'
        f'<text x="{_LEFT}" y="36">{escape(report.conclusion())}</text>\n{body}\n</svg>\n'
    )


def _panels(report: Report) -> Iterator[tuple[str, Measurement, tuple[Bound, ...]]]:
    by_metric: dict[str, list[Bound]] = {}
    for room in report.rooms:
        by_metric.setdefault(room.bound.metric, []).append(room.bound)
    for metric, bounds in by_metric.items():
        measurement = report.history.finest(metric)
        if measurement is not None:
            yield metric, measurement, tuple(bounds)


class _Scale:
    """From moments and values to places."""

    def __init__(self, start: datetime, end: datetime, low: float, high: float, top: float) -> None:
        self._start, self._length = start, max(end - start, timedelta(seconds=1))
        margin = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
        self._low, self._high = low - margin, high + margin
        self.top = top

    def x(self, moment: datetime) -> float:
        """Across."""
        share = min(1.0, max(0.0, (moment - self._start) / self._length))
        return round(_LEFT + share * (_WIDTH - _LEFT - 10), 1)

    def y(self, value: float) -> float:
        """Down."""
        share = (value - self._low) / (self._high - self._low)
        return round(self.top + (1 - min(1.0, max(0.0, share))) * (_HEIGHT - 20), 1)


def _panel(
    report: Report, metric: str, measurement: Measurement, bounds: Sequence[Bound], top: float
) -> str:
    stretch = report.history.stretch
    numbers = report.history.numbers(metric)
    values = [*numbers, *(bound.value for bound in bounds)] or [0.0]
    scale = _Scale(stretch.start, stretch.end, min(values), max(values), top + 14)
    bottom = scale.top + _HEIGHT - 20
    parts = [f'<text class="title" x="{_LEFT}" y="{top + 8}">{escape(metric)}</text>']
    parts += _shades(report, metric, scale)
    parts.append(
        f'<rect class="frame" x="{_LEFT}" y="{scale.top}" width="{_WIDTH - _LEFT - 10}" '
        f'height="{_HEIGHT - 20}"/>'
    )
    parts += [_line(points) for points in _pieces(measurement, stretch.start, scale)]
    for bound in bounds:
        y = scale.y(bound.value)
        label = escape(f"{bound.said} ({bound.user})")
        parts.append(f'<line class="bound" x1="{_LEFT}" x2="{_WIDTH - 10}" y1="{y}" y2="{y}"/>')
        above = y - 3 if y > scale.top + 14 else y + 13
        parts.append(f'<text x="{_LEFT + 4}" y="{above:g}">{label}</text>')
    for value in (min(values), max(values)):
        parts.append(
            f'<text x="{_LEFT - 6}" y="{scale.y(value) + 4}" text-anchor="end">'
            f"{_in_unit_of(bounds, float(f'{value:.3g}'))}</text>"
        )
    for moment, anchor in ((stretch.start, "start"), (stretch.end, "end")):
        parts.append(
            f'<text x="{scale.x(moment)}" y="{bottom + 14}" text-anchor="{anchor}">'
            f"{moment:%d %b %H:%M}</text>"
        )
    return "\n".join(parts)


def _shades(report: Report, metric: str, scale: _Scale) -> Iterator[str]:
    """Where a trigger fired, a gate failed, or there was no value."""
    for verdicts in report.verdicts:
        if metric in verdicts.metrics:
            yield from _shades_of(verdicts, scale)
    measurement = report.history.finest(metric)
    if measurement is not None:
        for start, end in _gaps(measurement, report.history.stretch.start):
            yield _shade("gap", start, end, "no data", scale)


def _shades_of(verdicts: Verdicts, scale: _Scale) -> Iterator[str]:
    kinds = {FIRING: "firing", FAILS: "fails"}
    for spell in verdicts.spells:
        if spell.state in kinds:
            words = f"{verdicts.kind} {verdicts.name} {spell.state}"
            yield _shade(kinds[spell.state], spell.start, spell.end, words, scale)


def _shade(kind: str, start: datetime, end: datetime, words: str, scale: _Scale) -> str:
    x = scale.x(start)
    width = max(1.0, round(scale.x(end) - x, 1))
    return (
        f'<rect class="{kind}" x="{x}" y="{scale.top}" width="{width}" height="{_HEIGHT - 20}">'
        f"<title>{escape(words)}</title></rect>"
    )


def _gaps(measurement: Measurement, start: datetime) -> Iterator[tuple[datetime, datetime]]:
    reached = start
    for sample in measurement.samples:
        if sample.at < start or not sample.is_number:
            continue
        if sample.at - reached > measurement.step:
            yield reached, sample.at
        reached = sample.at
    if measurement.end - reached > measurement.step:
        yield reached, measurement.end


def _pieces(
    measurement: Measurement, start: datetime, scale: _Scale
) -> Iterator[list[tuple[float, float]]]:
    """Lines without gaps; of many points, the lowest and the highest of each column."""
    stride = max(1, len(measurement.samples) // _MOST_POINTS)
    for samples in _unbroken(measurement, start):
        points: list[tuple[float, float]] = []
        for index in range(0, len(samples), stride):
            group = samples[index : index + stride]
            extremes = {min(group, key=_value), max(group, key=_value), samples[-1]}
            drawn = sorted(extremes & set(group), key=lambda sample: sample.at)
            points += [(scale.x(each.at), scale.y(each.value)) for each in drawn]
        yield points


def _unbroken(measurement: Measurement, start: datetime) -> Iterator[list[Sample]]:
    """The numbers, in stretches between which some are missing."""
    stretch: list[Sample] = []
    for sample in measurement.samples:
        if not sample.is_number or sample.at < start:
            continue
        if stretch and sample.at - stretch[-1].at > measurement.step:
            yield stretch
            stretch = []
        stretch.append(sample)
    if stretch:
        yield stretch


def _in_unit_of(bounds: Sequence[Bound], value: float) -> str:
    """A value as its bounds have it: in percent where all of them are."""
    are_percent = bool(bounds) and all(bound.text.endswith("%") for bound in bounds)
    return number_like("%", value) if are_percent else number(value)


def _value(sample: Sample) -> float:
    return sample.value


def _line(points: list[tuple[float, float]]) -> str:
    text = " ".join(f"{x:g},{y:g}" for x, y in points)
    return f'<polyline class="values" points="{text}"/>'


def in_blocks(report: Report, width: int = 60) -> Iterator[str]:
    """A line of blocks for each metric, for a terminal; `!` where it was beyond a bound."""
    stretch = report.history.stretch
    for metric, measurement, bounds in _panels(report):
        columns: list[list[float]] = [[] for _ in range(width)]
        for sample in measurement.samples:
            if sample.is_number and sample.at >= stretch.start:
                share = (sample.at - stretch.start) / max(stretch.length, timedelta(seconds=1))
                columns[min(width - 1, int(share * width))].append(sample.value)
        numbers = report.history.numbers(metric)
        low, high = (min(numbers), max(numbers)) if numbers else (0.0, 0.0)
        drawn = "".join(_block(column, low, high) for column in columns)
        marks = "".join(_mark(column, bounds) for column in columns)
        yield f"{metric}: {_in_unit_of(bounds, low)} to {_in_unit_of(bounds, high)}"
        yield f"  {drawn}"
        if marks.strip():
            yield f"  {marks}"


def _block(column: list[float], low: float, high: float) -> str:
    if not column:
        return " "
    share = (max(column) - low) / (high - low) if high > low else 0.0
    return _BLOCKS[min(len(_BLOCKS) - 1, int(share * len(_BLOCKS)))]


def _mark(column: list[float], bounds: Sequence[Bound]) -> str:
    return "!" if any(b.is_broken_by(value) for b in bounds for value in column) else " "
