"""The timeline: percent over time as a step chart, and below it the error rate.

One column is a slice of time; the chart is full width from the beginning and is squeezed only when
the story lasts longer than the first span.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.text import Text

from surefoot.demo.scene import Moment, Tracks

FIRST_SPAN = 90.0
"""Seconds that fit into the width before it is squeezed."""
TICKS_EVERY = 15
LABEL_WIDTH = 8
BARS = "▁▂▃▄▅▆▇█"
LINE, RISE, FALL, GRID = "bold cyan", "bold green", "bold red", "bright_black"


@dataclass(frozen=True, slots=True)
class Limits:
    """What colours the error rate: up to ``good`` a gate lets pass, above ``bad`` it goes back."""

    good: float
    bad: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """How to draw: the percentages that have a row, lowest first, and the room there is."""

    percents: Sequence[int]
    limits: Limits
    width: int
    gap: int
    """Empty rows between two rows."""

    def lines(self, tracks: Tracks, now: float) -> list[Text]:
        """The chart as it stands ``now`` seconds after the beginning."""
        scale = Scale(self.width - LABEL_WIDTH, max(FIRST_SPAN, now))
        return [
            *Steps(self.percents, self.gap).lines(tracks.percents, scale, now),
            self._error_rate(tracks.error_rates, scale.ends(now), scale.slice_),
            axis(scale, TICKS_EVERY, _clock),
        ]

    def _error_rate(self, rates: Sequence[Moment], ends: Sequence[float], slice_: float) -> Text:
        line = Text(f"{'errors':>7} ", style="bright_black")
        for end in ends:
            value = _worst_between(rates, end - slice_, end)
            if value is None:
                line.append(" ")
            else:
                height = min(len(BARS) - 1, int(value / (2 * self.limits.bad) * len(BARS)))
                line.append(BARS[height], self._colour(value))
        return line

    def _colour(self, value: float) -> str:
        if value > self.limits.bad:
            return "red"
        return "green" if value <= self.limits.good else "yellow"


@dataclass(frozen=True, slots=True)
class Scale:
    """How much time a column stands for: so many columns are so long a span."""

    columns: int
    span: float

    @property
    def slice_(self) -> float:
        """The time of one column."""
        return self.span / self.columns

    def ends(self, now: float) -> list[float]:
        """Where each column ends that has begun by now."""
        ends = [(column + 1) * self.slice_ for column in range(self.columns)]
        return [min(end, now) for end in ends if end - self.slice_ <= now]


@dataclass(frozen=True, slots=True)
class Steps:
    """A step chart: the percentages that have a row, lowest first, and the rows between them."""

    percents: Sequence[int]
    gap: int = 0

    def lines(self, moments: Sequence[Moment], scale: Scale, now: float) -> list[Text]:
        """The chart as it stands ``now``."""
        values = [_value_at(moments, end) for end in scale.ends(now)]
        rows = [
            Text(f"{percent:>6}% ", style="bright_black").append("┈" * scale.columns, GRID)
            for percent in reversed(self.percents)
        ]
        lines = _with_gaps(rows, self.gap)
        cells = _Cells(lines)
        before: float | None = None
        for column, value in enumerate(values):
            old, new = self._row(before), self._row(value)
            if new is not None:
                cells.put(new, column, "━", LINE)
            if old is not None and new is not None and old != new:
                cells.join(column, old, new)
            before = value
        head = self._row(before)
        if head is not None:
            cells.put(head, len(values) - 1, "●", LINE)
        return cells.lines()

    def _row(self, value: float | None) -> int | None:
        """Which row a percentage is drawn in; what lies between two rows is in the lower one."""
        if value is None or value < self.percents[0]:
            return None
        index = max(i for i, percent in enumerate(self.percents) if percent <= value)
        return (len(self.percents) - 1 - index) * (self.gap + 1)


class _Cells:
    """Rows of characters with styles, that are drawn over."""

    def __init__(self, rows: Sequence[Text]) -> None:
        self._labels = [row[:LABEL_WIDTH] for row in rows]
        self._cells = [[(character, GRID) for character in row.plain[LABEL_WIDTH:]] for row in rows]

    def put(self, row: int, column: int, character: str, style: str) -> None:
        self._cells[row][column] = (character, style)

    def join(self, column: int, old: int, new: int) -> None:
        """A step in this column: rows are counted from the top, so a smaller one is higher."""
        rises = new < old
        style = RISE if rises else FALL
        self.put(old, column, "┛" if rises else "┓", style)
        self.put(new, column, "┏" if rises else "┗", style)
        for row in range(min(old, new) + 1, max(old, new)):
            self.put(row, column, "┃", style)

    def lines(self) -> list[Text]:
        drawn = []
        for label, cells in zip(self._labels, self._cells, strict=True):
            line = label.copy()
            for character, style in cells:
                line.append(character, style)
            drawn.append(line)
        return drawn


def _with_gaps(rows: Sequence[Text], gap: int) -> list[Text]:
    blank = Text(" " * len(rows[0]))
    spread: list[Text] = []
    for row in rows:
        spread += [row, *(blank for _ in range(gap))]
    return spread[: len(spread) - gap] if gap else spread


def axis(scale: Scale, every: float, label: Callable[[float], str]) -> Text:
    """The time at every tick that has the room for it; ``label`` writes it."""
    marks = [" "] * scale.columns
    moment = every
    while (column := int(moment / scale.slice_)) < scale.columns - 4:
        words = label(moment)
        marks[column : column + len(words)] = words
        moment += every
    return Text(" " * LABEL_WIDTH + "".join(marks), style="bright_black")


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _value_at(moments: Sequence[Moment], at: float) -> float | None:
    return next((moment.value for moment in reversed(moments) if moment.at <= at), None)


def _worst_between(moments: Sequence[Moment], start: float, end: float) -> float | None:
    return max(
        (m.value for m in moments if m.value is not None and start < m.at <= end), default=None
    )
