"""The story drawn live on a terminal: a timeline, where it stands, what it waits for, events."""

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from surefoot.api.v1alpha1.durations import parse_bound, parse_elapsed
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import RolloutStatus, TriggerState
from surefoot.demo.news import News, as_percent, mood_of, news
from surefoot.demo.scene import Lookout, Scene
from surefoot.demo.screen import Elapsing, clock
from surefoot.demo.timeline import Limits, Timeline

FRAMES_PER_SECOND = 8
TALL = 28
"""Lines from which there is room for air."""
LARGEST = 34
NARRATION_LINES = 2
COMMAND_LINES = 3
KEPT_EVENTS = 20
BAR = 24
FAINT = "bright_black"


class LivePicture(ABC):
    """Draws itself again several times a second, always in the same number of lines."""

    def __init__(self, console: Console, stamp: Callable[[float], str] = clock) -> None:
        self._live = Live(self, console=console, refresh_per_second=FRAMES_PER_SECOND)
        self._stamp = stamp
        self._elapsing: Elapsing | None = None
        self._narration = ""
        self._command: tuple[str, str] | None = None
        self._events: deque[tuple[float, News]] = deque(maxlen=KEPT_EVENTS)
        self._alone = threading.Lock()

    def _start(self, elapsing: Elapsing) -> None:
        """Draw from now on; events have the time since then."""
        self._elapsing = elapsing
        self._live.start()

    # What the story calls

    def narrate(self, text: str) -> None:
        """Say it at the top; what was typed before is over."""
        self._narration, self._command = text, None

    def show_command(self, who: str, command: str) -> None:
        """Show the command until the next narration."""
        self._command = (who, command)

    def happened(self, item: News) -> None:
        """Add it to the list of events."""
        if self._elapsing is not None and not item.fleeting:
            with self._alone:
                self._events.append((self._elapsing.elapsed, item))

    def end(self) -> None:
        """Leave the last picture standing."""
        self._command = None
        self._live.stop()

    # Drawing

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """One picture, as large as the terminal is now."""
        if self._elapsing is None:
            return
        height = min(console.height, LARGEST) - 1
        for line in self._picture(console, options.max_width - 2, height)[:height]:
            whole = Text(" ").append_text(line)
            whole.truncate(options.max_width, overflow="ellipsis")
            yield whole

    @abstractmethod
    def _picture(self, console: Console, width: int, height: int) -> list[Text]:
        """The lines."""

    def _told(self, console: Console, width: int) -> list[Text]:
        """What the audience is about to see."""
        return room(_folded(console, Text(self._narration, style="bold"), width), NARRATION_LINES)

    def _typed(self, console: Console, width: int) -> list[Text]:
        """What somebody types."""
        if self._command is None:
            return room([], COMMAND_LINES)
        who, command = self._command
        text = Text().append(f"{who}$ ", "magenta").append(command, "bold")
        return room(_folded(console, text, width), COMMAND_LINES)

    def _latest(self, count: int) -> list[Text]:
        """The last events, as many as there is room for."""
        with self._alone:
            events = list(self._events)[-max(0, count) :]
        lines = [
            Text().append(f"{self._stamp(at):>5}  ", FAINT).append(item.text, item.mood.value)
            for at, item in events
        ]
        return room(lines, count)


class LiveScreen(LivePicture):
    """The main job: a timeline, where it stands, what it waits for, events."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._lookout: Lookout | None = None

    def begin(self, lookout: Lookout) -> None:
        """Draw from now on."""
        self._lookout = lookout
        self._start(lookout)

    def scene_changed(self, before: Scene, after: Scene) -> None:
        """Add what is new to the list of events."""
        for item in news(before, after):
            self.happened(item)

    def _picture(self, console: Console, width: int, height: int) -> list[Text]:
        lookout, air = self._lookout, [Text()] if height >= TALL else []
        if lookout is None:
            return []
        scene = lookout.scene
        lines = [
            _title(scene, lookout.elapsed, width),
            *self._told(console, width),
            *air,
            *_chart(lookout, width, gap=len(air)),
            Text(),
            *(_state(scene.rollout) if scene.rollout else [Text()] * 4),
            Text(),
            *self._typed(console, width),
            *air,
        ]
        return lines + self._latest(height - len(lines))


def _title(scene: Scene, elapsed: float, width: int) -> Text:
    left = Text().append("surefoot ", "bold cyan").append("checkout in namespace shop", FAINT)
    right = Text()
    if scene.rollout is not None and scene.rollout.status.phase is not None:
        phase = scene.rollout.status.phase
        right.append(f"attempt {scene.rollout.status.attempt or 0}   ", FAINT)
        right.append(phase.value, f"bold {mood_of(phase).value}")
    right.append(f"   {clock(elapsed)}", FAINT)
    return left.append(" " * max(2, width - len(left) - len(right))).append_text(right)


def _chart(lookout: Lookout, width: int, gap: int) -> list[Text]:
    rollout = lookout.scene.rollout
    if rollout is None:
        return [Text()] * (6 + 3 * gap)
    percents = [step.percent for step in rollout.spec.steps]
    timeline = Timeline(percents, _limits(rollout), width, gap)
    return timeline.lines(lookout.tracks, lookout.elapsed)


def _limits(rollout: Rollout) -> Limits:
    gate, trigger = rollout.spec.gates[0], rollout.spec.triggers[0]
    return Limits(parse_bound(gate.at_most or 0), parse_bound(trigger.above or 0))


def _state(rollout: Rollout) -> list[Text]:
    status = rollout.status
    return [
        row("soak", _soak(status)),
        row("gate", _gate(rollout)),
        row("trigger", _trigger(rollout)),
        row("waits for", Text(status.waiting_on or "nothing")),
    ]


def row(label: str, content: Text) -> Text:
    """A line of what is known, below its name."""
    return Text().append(f"{label:<11}", FAINT).append_text(content)


def _soak(status: RolloutStatus) -> Text:
    if status.soak is None or status.completed_at is not None:
        return Text("-", style=FAINT)
    required = parse_elapsed(status.soak.required).total_seconds()
    healthy = min(required, parse_elapsed(status.soak.healthy).total_seconds())
    filled = int(healthy / required * BAR) if required else BAR
    bar = Text().append("━" * filled, "cyan").append("━" * (BAR - filled), FAINT)
    bar.append(f"  {healthy:.1f} s of {required:.0f} s healthy")
    if not status.soak.running and healthy < required:
        bar.append("  (stands still)", "yellow")
    return bar


def _gate(rollout: Rollout) -> Text:
    if rollout.status.completed_at is not None:
        return Text("-", style=FAINT)
    gate = rollout.spec.gates[0]
    line = Text(f"{gate.metric or gate.name} {_value(rollout):<8}")
    line.append(f"at most {gate.at_most} for {gate.for_}  ", FAINT)
    condition = next((c for c in rollout.status.conditions if c.type == "GatesHealthy"), None)
    if condition is None:
        return line
    if condition.status == "True":
        return line.append("✔ holds", "green")
    return line.append("… not yet", "yellow")


def _value(rollout: Rollout) -> str:
    metric = next(iter(rollout.status.metrics), None)
    if metric is None:
        return "-"
    return as_percent(float(metric.value)) if metric.value else metric.outcome


def _trigger(rollout: Rollout) -> Text:
    plan = rollout.spec.triggers[0]
    state = next((t.state for t in rollout.status.triggers if t.name == plan.name), None)
    line = Text("rolls back ").append(f"above {plan.above} for {plan.for_}  ", FAINT)
    match state:
        case None:
            return Text("-", style=FAINT)
        case TriggerState.QUIET:
            return line.append("✔ quiet", "green")
        case TriggerState.FIRING | TriggerState.PENDING:
            return line.append(f"✘ {state.value.lower()}", "bold red")
        case TriggerState.SETTLING:
            return line.append("… settling", "yellow")
        case TriggerState.NO_DATA:
            return line.append("… no data", "yellow")


def _folded(console: Console, text: Text, width: int) -> list[Text]:
    return list(text.wrap(console, width, overflow="fold"))


def room(lines: list[Text], count: int) -> list[Text]:
    """As many lines as there is room for, whether there is that much to say or not."""
    return [*lines[:count], *(Text() for _ in range(count - len(lines)))]
