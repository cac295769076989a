"""The replay drawn live on a terminal: two lanes over the same hours, and who did what in them."""

from rich.console import Console
from rich.text import Text

from surefoot.demo.incident.lanes import Lane, Lanes
from surefoot.demo.live import FAINT, TALL, LivePicture, row
from surefoot.demo.news import mood_of
from surefoot.demo.scene import Scene
from surefoot.demo.timeline import LABEL_WIDTH, Scale, Steps, axis

PERCENTS = (10, 25, 50, 75, 100)
FIRST_SPAN = 66.0
"""Hours that fit into the width before it is squeezed."""
TICKS_EVERY = 12.0


def in_hours(hours: float) -> str:
    """A time on the clock of the replay."""
    return f"{hours:4.1f}h"


class LanesScreen(LivePicture):
    """Draws both lanes on one scale, so that 1.7 and 48 hours can be compared."""

    def __init__(self, console: Console) -> None:
        super().__init__(console, stamp=in_hours)
        self._lanes: Lanes | None = None

    def begin(self, lookout: Lanes) -> None:
        """Draw from now on."""
        self._lanes = lookout
        self._start(lookout)

    def scene_changed(self, before: Scene, after: Scene) -> None:
        """The lanes are drawn from what they saw themselves."""

    def _picture(self, console: Console, width: int, height: int) -> list[Text]:
        lanes, air = self._lanes, [Text()] if height >= TALL else []
        if lanes is None:
            return []
        span = max(FIRST_SPAN, lanes.as_it_was.hours, lanes.gated.hours)
        scale = Scale(width - LABEL_WIDTH, span)
        lines = [
            _title(lanes, width),
            *self._told(console, width),
            *air,
            _head(lanes.as_it_was, width),
            *Steps(PERCENTS).lines(lanes.as_it_was.percents, scale, lanes.as_it_was.hours),
            *air,
            _head(lanes.gated, width),
            *Steps(PERCENTS).lines(lanes.gated.percents, scale, lanes.gated.hours),
            _signs(lanes.gated, scale),
            axis(scale, TICKS_EVERY, lambda hours: f"{hours:.0f}h"),
            row("waits for", Text(_waits(lanes.present))),
            *self._typed(console, width),
        ]
        return lines + self._latest(height - len(lines))


def _title(lanes: Lanes, width: int) -> Text:
    left = (
        Text().append("surefoot ", "bold cyan").append("the incident, a second is an hour", FAINT)
    )
    right = Text().append("hour ", FAINT).append(f"{lanes.elapsed:.1f}", "bold")
    return left.append(" " * max(2, width - len(left) - len(right))).append_text(right)


def _head(lane: Lane, width: int) -> Text:
    left = Text().append(lane.title, "bold").append(f"  {lane.name}", FAINT)
    right = Text()
    if lane.rollout is not None and lane.rollout.status.phase is not None:
        phase, percent = lane.rollout.status.phase, lane.rollout.status.percent
        right.append(f"{percent or 0} %  ", FAINT).append(phase.value, mood_of(phase).value)
    return left.append(" " * max(2, width - len(left) - len(right))).append_text(right)


def _signs(lane: Lane, scale: Scale) -> Text:
    """Who tried, refused or signed, and when."""
    line = Text(f"{'people':>7} ", style=FAINT)
    drawn = {min(scale.columns - 1, int(s.at / scale.slice_)): s for s in list(lane.signs)}
    for column in range(max(drawn, default=-1) + 1):
        sign = drawn.get(column)
        line.append(sign.character if sign else " ", sign.style if sign else "")
    return line


def _waits(lane: Lane) -> str:
    return (lane.rollout.status.waiting_on if lane.rollout else "") or "nothing"
