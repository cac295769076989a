"""Where things stand in a drawing: the geometry of the gauge and of the course of a rollout.

What is told apart by colour is told apart by shape, dash or hatching as well: a drawing is printed
in grey, and one man in twelve does not tell red from green.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from surefoot.reports.course import Course, Incident, Point
from surefoot.reports.lengths import spoken

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 48, 16, 40, 34
CLOSE = 15.0
"""Marks that are nearer to each other than this share a number."""
_TICKS = 5
_NICE = (
    *(timedelta(seconds=n) for n in (1, 2, 5, 10, 15, 30)),
    *(timedelta(minutes=n) for n in (1, 2, 5, 10, 15, 30)),
    *(timedelta(hours=n) for n in (1, 2, 3, 6, 12)),
    *(timedelta(days=n) for n in (1, 2, 5, 10, 30, 100, 365)),
)


@dataclass(frozen=True, slots=True)
class Gauge:
    """A score as a half circle: the share of it that is filled."""

    template: ClassVar[str] = "gauge.svg.j2"

    score: float | None
    out_of: int

    @property
    def end(self) -> tuple[float, float]:
        """Where the filled part ends, on a circle of radius 80 around 100, 100."""
        angle = math.pi * (1 - (self.score or 0) / self.out_of)
        return round(100 + 80 * math.cos(angle), 2), round(100 - 80 * math.sin(angle), 2)


@dataclass(frozen=True, slots=True)
class Bar:
    """A category of the score, from 0 to 10; None where it was left out."""

    name: str
    score: float | None


@dataclass(frozen=True, slots=True)
class Bars:
    """The categories of a score, one bar each."""

    template: ClassVar[str] = "bars.svg.j2"

    rows: tuple[Bar, ...]
    out_of: int


@dataclass(frozen=True, slots=True)
class Numbered:
    """Marks that stand so near to each other that they share a place and a number."""

    number: int
    x: float
    y: float
    incidents: tuple[Incident, ...]

    @property
    def worst(self) -> Incident:
        """The one whose shape is drawn: a breach before a NO-GO before a GO."""
        order = ["Breach", "By hand", "NO-GO", "Rollback", "GO"]
        return min(self.incidents, key=lambda each: order.index(each.mark.value))


@dataclass(frozen=True, slots=True)
class CourseDrawing:
    """Percent over time, planned and actual, with whoever signed and whatever was breached."""

    template: ClassVar[str] = "course.svg.j2"

    course: Course

    @property
    def width(self) -> int:
        """Of the whole drawing."""
        return WIDTH

    @property
    def height(self) -> int:
        """Of the whole drawing."""
        return HEIGHT

    def x(self, at: datetime) -> float:
        """Where a moment is; what lies beyond the picture is at its edge."""
        course = self.course
        share = (at - course.begins) / (course.ends - course.begins)
        return round(LEFT + min(1.0, max(0.0, share)) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, percent: float) -> float:
        """Where a percentage is."""
        return round(HEIGHT - BOTTOM - percent / 100 * (HEIGHT - TOP - BOTTOM), 1)

    @property
    def floor(self) -> float:
        """Where 0 % is."""
        return self.y(0)

    @property
    def actual(self) -> str:
        """The path of what happened, until now."""
        return self._path(self.course.actual, self.course.now)

    @property
    def planned(self) -> str:
        """The path of the plan, until the edge."""
        return self._path(self.course.planned, self.course.ends)

    def _path(self, points: Sequence[Point], until: datetime) -> str:
        if not points:
            return ""
        drawn = [f"M{self.x(points[0].at)},{self.floor}"]
        for point in points:
            if point.at < self.course.ends:
                drawn.append(f"H{self.x(point.at)}V{self.y(point.percent)}")
        return "".join([*drawn, f"H{self.x(until)}"])

    @property
    def levels(self) -> tuple[int, ...]:
        """The percentages that have a line: those of the plan that are not too near."""
        shown: list[int] = [0]
        for percent in sorted({*self.course.steps, 100}):
            if self.y(shown[-1]) - self.y(percent) >= CLOSE:
                shown.append(percent)
        return tuple(shown)

    @property
    def ticks(self) -> tuple[tuple[float, str], ...]:
        """Where the axis of time is labelled, and how: with the time since the beginning."""
        length = self.course.ends - self.course.begins
        step = next((each for each in _NICE if length / each <= _TICKS), _NICE[-1])
        count = int(length / step)
        return tuple(
            (self.x(self.course.begins + n * step), spoken(n * step) if n else "start")
            for n in range(count + 1)
        )

    @property
    def marks(self) -> tuple[Numbered, ...]:
        """The marks, numbered in the order of time."""
        groups: list[list[Incident]] = []
        for each in self.course.incidents:
            if groups and self._is_close(groups[-1][0], each):
                groups[-1].append(each)
            else:
                groups.append([each])
        return tuple(
            Numbered(n, self.x(group[0].at), self.y(group[0].percent), tuple(group))
            for n, group in enumerate(groups, start=1)
        )

    def _is_close(self, one: Incident, other: Incident) -> bool:
        return one.percent == other.percent and self.x(other.at) - self.x(one.at) < CLOSE
